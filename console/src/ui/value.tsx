import { Menu, MenuItem, MenuProvider, MenuSeparator, useMenuStore } from '@ariakit/react'
import { Link, useNavigate } from '@tanstack/react-router'
import { createContext, useCallback, useContext, useMemo, useRef, useState, type MouseEvent, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, request } from '../api/client'
import { useRead } from '../api/queries'
import type { SearchResult } from '../api/schema'
import { useShortcuts } from '../app/keyboard'
import { useScope } from '../app/scope'
import { shortIp } from '../lib/net'
import { LENGTH, shortIso } from '../lib/range'
import { protoTerm, term, withTerm } from '../lib/query'
import { kept, useUrl, within, type Search } from '../lib/url'
import { say } from './bits'
import { useFormat } from './hooks'
import { Icon } from './icons'

export type ValueKind = 'ip' | 'mac' | 'name' | 'hash' | 'user' | 'port' | 'proto' | 'rule' | 'flow' | 'text'

interface Meaning {
  kind: ValueKind
  value: string
  /** The field of the query language that it was read from; empty: free text. */
  field?: string
  /** The asset that it belongs to, where that is known. */
  assetId?: string | null
  /** The dataset of that asset. */
  dataset?: string
}

const MONO: ReadonlySet<ValueKind> = new Set(['ip', 'mac', 'hash', 'flow', 'port'])
const OWNED: ReadonlySet<ValueKind> = new Set(['ip', 'mac', 'name'])

const Context = createContext<(meaning: Meaning, anchor: HTMLElement) => void>(() => {})

/** How long a finger rests on a value before its menu opens. */
const HELD_MS = 450

/**
 * A value that means something: an address, a name, a hash, a port, a flow. A click on a machine opens it; a right click, a finger that rests,
 * `m`, or the mark beside it opens the menu, which is the same everywhere, and which a click on any other value opens, too.
 * What traffic said is text, never markup.
 */
export function Value({ label, ...meaning }: Meaning & { label?: ReactNode }) {
  const { t } = useTranslation()
  const { search } = useUrl()
  const navigate = useNavigate()
  const open = useContext(Context)
  const held = useRef<{ timer: number; done: boolean }>({ timer: 0, done: false })
  const { kind, value, assetId } = meaning
  const dataset = meaning.dataset ?? search.in ?? search.dataset
  const leads = OWNED.has(kind) || !!assetId

  const menu = (event: MouseEvent<HTMLElement>) => {
    event.preventDefault()
    event.stopPropagation()
    open(meaning, event.currentTarget)
  }
  const go = (event: MouseEvent<HTMLElement>) => {
    event.stopPropagation()
    // The click that ends a long press is none.
    if (held.current.done) {
      held.current.done = false
      event.preventDefault()
    } else if (!leads) open(meaning, event.currentTarget)
    else if (!assetId) {
      const anchor = event.currentTarget
      ownerOf(value, search.dataset).then(
        (found) => (found.kind === 'asset' ? goTo(navigate, search, found) : open(meaning, anchor)),
        () => open(meaning, anchor),
      )
    }
  }
  const release = () => clearTimeout(held.current.timer)
  const shared = {
    className: MONO.has(kind) && label === undefined ? 'value mono' : 'value',
    title: label === undefined ? undefined : value,
    onClick: go,
    onContextMenu: menu,
    onTouchStart: (event: React.TouchEvent<HTMLElement>) => {
      const anchor = event.currentTarget
      held.current.done = false
      held.current.timer = window.setTimeout(() => {
        held.current.done = true
        open(meaning, anchor)
      }, HELD_MS)
    },
    onTouchEnd: release,
    onTouchMove: release,
    onTouchCancel: release,
  }
  const text = label ?? (kind === 'ip' ? shortIp(value) : value)
  if (!leads)
    return (
      <button type="button" aria-haspopup="menu" {...shared}>
        {text}
      </button>
    )
  return (
    <span className="value-pair">
      {assetId ? (
        <Link to="/assets/$id" params={{ id: assetId }} search={within(search, dataset) as never} {...shared}>
          {text}
        </Link>
      ) : (
        <button type="button" {...shared}>
          {text}
        </button>
      )}
      {/* Reached by Tab it would double every stop; from the value itself the key `m` opens the same. */}
      <button
        type="button"
        tabIndex={-1}
        className="value-more"
        aria-haspopup="menu"
        aria-label={t('value.menu', { value })}
        title={t('value.menu_title')}
        onClick={menu}
        onContextMenu={menu}
      >
        <Icon name="down" />
      </button>
    </span>
  )
}

/** The machine that has an address or a name, or else where it is looked for. */
const ownerOf = (value: string, dataset: string | undefined): Promise<SearchResult> =>
  request('get', '/search', { query: { q: value, dataset } })

/** An application protocol; one that Vigie does not know has no name. */
export function Proto({ of }: { of: string }) {
  const { t } = useTranslation()
  const { search } = useUrl()
  if (of) return <Value kind="proto" field="app_proto" value={of} />
  return (
    <Link className="value" to="/explore" search={{ ...kept(search), kind: 'flow', q: protoTerm('') } as never}>
      {t('value.no_proto')}
    </Link>
  )
}

/** Holds the one menu that all values of the console share. */
export function ValueMenus({ children }: { children: ReactNode }) {
  const [meaning, setMeaning] = useState<Meaning | null>(null)
  const store = useMenuStore({ placement: 'bottom-start' })
  const open = useCallback(
    (next: Meaning, anchor: HTMLElement) => {
      setMeaning(next)
      store.setAnchorElement(anchor)
      store.setDisclosureElement(anchor)
      store.setAutoFocusOnShow(true)
      store.show()
    },
    [store],
  )
  useShortcuts([
    {
      keys: 'm',
      label: 'keys.value_menu',
      run: () => document.activeElement?.closest('.value')?.dispatchEvent(new Event('contextmenu', { bubbles: true, cancelable: true })),
    },
  ])
  return (
    <Context value={open}>
      {children}
      <MenuProvider store={store}>{meaning && <ValueMenu meaning={meaning} />}</MenuProvider>
    </Context>
  )
}

function ValueMenu({ meaning }: { meaning: Meaning }) {
  const { t } = useTranslation()
  const { now } = useScope()
  const navigate = useNavigate()
  const { search, set } = useUrl()
  const { value, kind, field = '', assetId, dataset = search.in ?? search.dataset } = meaning
  const [counting, count] = useState<string | null>(null)
  const identity = `${field} ${value}`

  const month = useMemo(() => ({ from: shortIso(now - LENGTH['30d']), to: shortIso(now) }), [now])
  // An address is looked for on either side when one asks for everything about it.
  const everything = kind === 'ip' ? term('ip', value) : field ? term(field, value) : term('', value)

  const filter = (exclude: boolean) => {
    if (location.pathname === '/explore') set({ q: withTerm(search.q ?? '', field, value, exclude), open: null })
    else void navigate({ to: '/explore', search: { ...kept(search), q: term(field, value, exclude) } as never })
  }
  const openOwner = async () => {
    try {
      const target: SearchResult = assetId ? { kind: 'asset', target: { id: assetId, dataset } } : await ownerOf(value, search.dataset)
      goTo(navigate, search, target)
    } catch (error) {
      say(error instanceof ApiError && error.message ? error.message : t('state.failed'), true)
    }
  }
  const copy = () =>
    void navigator.clipboard.writeText(value).then(
      () => say(t('value.copied', { value })),
      () => say(t('value.not_copied'), true),
    )

  return (
    <Menu className="menu" gutter={4} portal unmountOnHide aria-label={value}>
      <div className="menu-head">
        <span className="menu-kind">{field || t(`value_kind.${kind}`)}</span>
        <span className={MONO.has(kind) ? 'mono' : undefined}>{value}</span>
      </div>
      <MenuItem className="menu-item" onClick={() => filter(false)}>
        <Icon name="filter" />
        {t('value.filter')}
      </MenuItem>
      <MenuItem className="menu-item" onClick={() => filter(true)}>
        <Icon name="exclude" />
        {t('value.exclude')}
      </MenuItem>
      {(OWNED.has(kind) || assetId) && (
        <MenuItem className="menu-item" onClick={() => void openOwner()}>
          <Icon name="assets" />
          {t('value.open_asset')}
        </MenuItem>
      )}
      <MenuItem className="menu-item" onClick={copy}>
        <Icon name="copy" />
        {t('value.copy')}
      </MenuItem>
      <MenuItem className="menu-item" hideOnClick={false} onClick={() => count(identity)}>
        <Icon name="count" />
        {t('value.count')}
        {counting === identity && <MonthCount q={field ? term(field, value) : term('', value)} range={month} />}
      </MenuItem>
      <MenuSeparator className="menu-line" />
      <MenuItem
        className="menu-item"
        onClick={() =>
          void navigate({
            to: '/explore',
            search: { ...(search.dataset ? { dataset: search.dataset } : {}), last: '30d', q: everything } as never,
          })
        }
      >
        <Icon name="explore" />
        {t('value.everything')}
      </MenuItem>
    </Menu>
  )
}

function MonthCount({ q, range }: { q: string; range: { from: string; to: string } }) {
  const { t } = useTranslation()
  const { number } = useFormat()
  const { dataset } = useScope()
  const { data, error } = useRead('/events/histogram', { query: { q, ...range, buckets: 30, dataset } }, { keep: false })
  if (error) return <span className="menu-figure">{t('state.failed')}</span>
  if (!data) return <span className="menu-figure">…</span>
  const days = data.buckets.map((_, i) => data.series.reduce((sum, one) => sum + (one.counts[i] ?? 0), 0))
  const top = Math.max(1, ...days)
  return (
    <span className="menu-figure">
      <svg className="spark" viewBox={`0 0 ${days.length * 2} 12`} width={days.length * 2} height="12" aria-hidden="true">
        {days.map((n, i) => (
          <rect key={i} x={i * 2} y={12 - (12 * n) / top} width="1.5" height={(12 * n) / top} />
        ))}
      </svg>
      {number(data.total)}
    </span>
  )
}

/** Goes where a search result belongs. */
export function goTo(navigate: ReturnType<typeof useNavigate>, search: Search, result: SearchResult): void {
  const { id, dataset, flow_id, q } = result.target
  const there = within(search, dataset) as never
  if (id && result.kind === 'asset') return void navigate({ to: '/assets/$id', params: { id }, search: there })
  if (id && result.kind === 'case') return void navigate({ to: '/cases/$id', params: { id }, search: there })
  const asked = flow_id ? { q: `flow_id:${flow_id}`, last: 'all' } : { q }
  void navigate({ to: '/explore', search: { ...kept(search), ...asked } as never })
}
