import { Menu, MenuButton, MenuItem, MenuProvider, MenuSeparator } from '@ariakit/react'
import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, request } from '../api/client'
import { useRead } from '../api/queries'
import type { Theme } from '../api/schema'
import { LANGUAGES } from '../i18n'
import { kept, useUrl } from '../lib/url'
import { Notes, say } from '../ui/bits'
import { useFormat } from '../ui/hooks'
import { Icon } from '../ui/icons'
import { DatasetControl, RangeControl } from '../ui/range'
import { Logo } from '../ui/states'
import { goTo, ValueMenus } from '../ui/value'
import { KeyboardProvider, useAllShortcuts, useShortcuts, type Shortcut } from './keyboard'
import { PAGES } from './nav'
import { ScopeProvider, useScope } from './scope'
import { useSession } from './session'

export function Root() {
  return (
    <KeyboardProvider>
      <ScopeProvider>
        <ValueMenus>
          <Shell />
        </ValueMenus>
      </ScopeProvider>
    </KeyboardProvider>
  )
}

function Shell() {
  const { t } = useTranslation()
  const { search } = useUrl()
  const { pathname } = useLocation()
  const navigate = useNavigate()
  const [drawer, setDrawer] = useState(false)
  const keysDialog = useRef<HTMLDialogElement>(null)
  const main = useRef<HTMLElement>(null)
  const { dataset, datasets } = useScope()
  // Told by the datasets: no row of a case is read for it.
  const open = datasets.filter((one) => !dataset || one.name === dataset).reduce((sum, one) => sum + one.cases_open, 0)
  const status = useRead('/status', {})

  useEffect(() => {
    setDrawer(false)
    main.current?.scrollTo(0, 0)
  }, [pathname])
  useShortcuts([
    ...PAGES.map<Shortcut>(({ path, name, letter }) => ({
      keys: `g ${letter}`,
      label: `nav.${name}`,
      run: () => void navigate({ to: path, search: kept(search) as never }),
    })),
    { keys: 'Escape', label: 'keys.close', run: () => {} },
    { keys: '?', label: 'keys.help', run: () => keysDialog.current?.showModal() },
  ])

  return (
    <div className="shell">
      <a className="skip" href="#main">
        {t('nav.skip')}
      </a>
      <nav className={drawer ? 'nav nav-open' : 'nav'} aria-label={t('nav.label')}>
        <div className="brand">
          <Logo />
          <span>Vigie</span>
        </div>
        <ul>
          {PAGES.map(({ path, name, icon, letter }) => {
            const current = path === '/' ? pathname === '/' : pathname.startsWith(path)
            return (
              <li key={path}>
                <Link
                  to={path}
                  search={kept(search) as never}
                  className="nav-link"
                  aria-current={current ? 'page' : undefined}
                  title={`g ${letter}`}
                >
                  <Icon name={icon} />
                  <span>{t(`nav.${name}`)}</span>
                  {name === 'cases' && open > 0 && <span className="badge">{open}</span>}
                  {name === 'sensors' && !!status.data?.problems.length && (
                    <span className="badge badge-warn">{status.data.problems.length}</span>
                  )}
                </Link>
              </li>
            )
          })}
        </ul>
        <button className="nav-link nav-keys" onClick={() => keysDialog.current?.showModal()}>
          <Icon name="keyboard" />
          <span>{t('nav.keys')}</span>
          <kbd>?</kbd>
        </button>
      </nav>
      {drawer && <button className="scrim" aria-label={t('panel.close')} onClick={() => setDrawer(false)} />}
      <div className="body">
        <header className="top">
          <button className="button-icon top-menu" onClick={() => setDrawer(true)} aria-label={t('nav.open')}>
            <Icon name="menu" />
          </button>
          <SearchBox />
          <div className="top-controls">
            <Shifted />
            <RangeControl />
            <DatasetControl />
            <UserMenu />
          </div>
        </header>
        {status.data?.problems.map((problem) => (
          <p className="problem" key={problem} role="status">
            <Icon name="warning" />
            {problem}
          </p>
        ))}
        <main id="main" className="main" ref={main} tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      <KeysDialog dialog={keysDialog} />
      <Notes />
    </div>
  )
}

/** Says at all times that what one sees did not happen when the page says. */
function Shifted() {
  const { t } = useTranslation()
  const { number } = useFormat()
  const { search } = useUrl()
  const { dataset, datasets } = useScope()
  const shown = search.in ?? dataset
  const moved = datasets.filter((one) => one.shift_seconds !== 0 && (!shown || one.name === shown))
  if (moved.length === 0) return null
  const told = moved.map((one) => t('shifted.of', { name: one.name, days: number(Math.abs(one.shift_seconds) / 86_400, 1) }))
  return (
    <Link
      to="/settings"
      search={{ ...kept(search), section: 'datasets' } as never}
      className="shifted"
      title={told.join(' ')}
    >
      <Icon name="clock" />
      <span>{t('shifted.mark')}</span>
    </Link>
  )
}

function SearchBox() {
  const { t } = useTranslation()
  const { search } = useUrl()
  const { dataset } = useScope()
  const navigate = useNavigate()
  const input = useRef<HTMLInputElement>(null)
  const [busy, setBusy] = useState(false)
  useShortcuts([{ keys: '/', label: 'keys.search', run: () => input.current?.focus() }])
  return (
    <form
      className="search"
      role="search"
      aria-busy={busy}
      onSubmit={(event) => {
        event.preventDefault()
        const text = input.current?.value.trim()
        if (!text) return
        setBusy(true)
        request('get', '/search', { query: { q: text, dataset } })
          .then(
            (result) => {
              goTo(navigate, search, result)
              if (input.current) input.current.value = ''
              input.current?.blur()
            },
            (error: unknown) => say(error instanceof ApiError && error.message ? error.message : t('state.failed'), true),
          )
          .finally(() => setBusy(false))
      }}
    >
      <Icon name="explore" />
      <input
        ref={input}
        type="search"
        name="search"
        autoComplete="off"
        spellCheck={false}
        placeholder={t('search.placeholder')}
        aria-label={t('search.label')}
        onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
      />
      <kbd>/</kbd>
      <kbd className="search-enter">{t('search.enter')} ↵</kbd>
    </form>
  )
}

function UserMenu() {
  const { t } = useTranslation()
  const { session, lang, setLang, theme, setTheme, logOut } = useSession()
  const themes: Theme[] = ['light', 'dark', 'system']
  return (
    <MenuProvider placement="bottom-end">
      <MenuButton className="control" aria-label={t('user.menu', { name: session.user.name })}>
        <Icon name="user" />
        <span className="control-text control-user">{session.user.name}</span>
        <Icon name="down" />
      </MenuButton>
      <Menu className="menu" gutter={6} portal unmountOnHide>
        <div className="menu-head">
          <span className="menu-kind">{t(`account_role.${session.user.role}`)}</span>
          <span>{session.user.name}</span>
        </div>
        {LANGUAGES.map((one) => (
          <MenuItem
            key={one}
            className="menu-item"
            hideOnClick={false}
            onClick={() => setLang(one)}
            lang={one}
            aria-current={one === lang || undefined}
          >
            {one === lang ? <Icon name="check" /> : <span className="icon" />}
            {t(`language.${one}`)}
          </MenuItem>
        ))}
        <MenuSeparator className="menu-line" />
        {themes.map((one) => (
          <MenuItem
            key={one}
            className="menu-item"
            hideOnClick={false}
            onClick={() => setTheme(one)}
            aria-current={one === theme || undefined}
          >
            {one === theme ? <Icon name="check" /> : <span className="icon" />}
            {t(`theme.${one}`)}
          </MenuItem>
        ))}
        <MenuSeparator className="menu-line" />
        <MenuItem className="menu-item" onClick={() => void logOut()}>
          <span className="icon" />
          {t('user.log_out')}
        </MenuItem>
        <p className="menu-foot">Vigie {session.version}</p>
      </Menu>
    </MenuProvider>
  )
}

function KeysDialog({ dialog }: { dialog: React.RefObject<HTMLDialogElement | null> }) {
  const { t } = useTranslation()
  const { lang } = useFormat()
  const all = useAllShortcuts()
  const [list, setList] = useState<Shortcut[]>([])
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-label={t('nav.keys')}
      lang={lang}
      onToggle={() => setList(all())}
      onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}
    >
      <header className="panel-head">
        <h2>{t('nav.keys')}</h2>
        <button className="button-icon" onClick={() => dialog.current?.close()} aria-label={t('panel.close')}>
          <Icon name="close" />
        </button>
      </header>
      <dl className="keys">
        {[...new Map(list.map((one) => [one.keys, one])).values()].map(({ keys, label }) => (
          <div key={keys}>
            <dt>
              {keys.split(keys === ' ' ? '\n' : ' ').map((key) => (
                <kbd key={key}>{KEY_NAMES[key] ? t(KEY_NAMES[key]) : key}</kbd>
              ))}
            </dt>
            <dd>{t(label)}</dd>
          </div>
        ))}
      </dl>
    </dialog>
  )
}

const KEY_NAMES: Record<string, string> = { ' ': 'key.space', Enter: 'key.enter', Escape: 'key.escape' }
