import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import { parseSearch, stringifySearch } from '../lib/url'
import { Root } from './shell'
import { NotFound, PageFailed, PagePending } from './page'

const root = createRootRoute({ component: Root, notFoundComponent: NotFound })
const page = <P extends string>(path: P, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => root, path, component })

const routes = root.addChildren([
  page(
    '/',
    lazyRouteComponent(() => import('../features/situation/page'), 'SituationPage'),
  ),
  page(
    '/cases',
    lazyRouteComponent(() => import('../features/cases/page'), 'CasesPage'),
  ),
  page(
    '/cases/$id',
    lazyRouteComponent(() => import('../features/cases/report'), 'CasePage'),
  ),
  page(
    '/assets',
    lazyRouteComponent(() => import('../features/assets/page'), 'AssetsPage'),
  ),
  page(
    '/assets/$id',
    lazyRouteComponent(() => import('../features/assets/sheet'), 'AssetPage'),
  ),
  page(
    '/explore',
    lazyRouteComponent(() => import('../features/explore/page'), 'ExplorePage'),
  ),
  page(
    '/map',
    lazyRouteComponent(() => import('../features/map/page'), 'MapPage'),
  ),
  page(
    '/sensors',
    lazyRouteComponent(() => import('../features/sensors/page'), 'SensorsPage'),
  ),
  page(
    '/settings',
    lazyRouteComponent(() => import('../features/settings/page'), 'SettingsPage'),
  ),
])

export const router = createRouter({
  routeTree: routes,
  parseSearch,
  stringifySearch,
  defaultPreload: 'intent',
  defaultPendingComponent: PagePending,
  defaultErrorComponent: PageFailed,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
