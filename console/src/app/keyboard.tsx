import { createContext, useContext, useEffect, useMemo, useRef, type ReactNode } from 'react'

/** One key, or two typed one after the other ("g c"), and what it does. */
export interface Shortcut {
  keys: string
  /** Key of the catalogue that says what it does. */
  label: string
  run(): void
}

type Registry = Set<{ list: Shortcut[] }>
const Context = createContext<Registry | null>(null)

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

/** What Enter and the space bar already mean something on. */
const pressed = (event: KeyboardEvent) =>
  (event.key === 'Enter' || event.key === ' ') &&
  event.target instanceof Element &&
  event.target.closest('button, a, summary, [role="button"], [role="menuitem"]') !== null

/** Menus, popovers and dialogs that are open. */
const OVER = '[data-open]:is([role="menu"], [role="dialog"], [role="listbox"]), dialog[open]'

/** How long a first key of two waits for the second. */
const CHORD_MS = 1200

export function KeyboardProvider({ children }: { children: ReactNode }) {
  const registry = useMemo<Registry>(() => new Set(), [])
  const pending = useRef<{ key: string; at: number } | null>(null)
  useEffect(() => {
    // What lies over the page closes itself at Esc, and is gone when the key comes here: looked at before it hears of it.
    let covered = false
    const before = (event: KeyboardEvent) => {
      covered = event.key === 'Escape' && document.querySelector(OVER) !== null
    }
    const onKey = (event: KeyboardEvent) => {
      if (covered) return
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target) || pressed(event)) return
      if (document.querySelector('[role="menu"][data-open], dialog[open]')) return
      const recent = pending.current && event.timeStamp - pending.current.at < CHORD_MS ? pending.current.key : null
      pending.current = null
      const typed = recent ? `${recent} ${event.key}` : event.key
      // The last registered wins: a page's own meaning of a key lies over the shell's.
      const all = [...registry].flatMap(({ list }) => list).reverse()
      const found = all.find(({ keys }) => keys === typed)
      if (found) {
        event.preventDefault()
        found.run()
      } else if (all.some(({ keys }) => keys.startsWith(`${event.key} `))) {
        pending.current = { key: event.key, at: event.timeStamp }
      }
    }
    window.addEventListener('keydown', before, true)
    document.addEventListener('keydown', onKey)
    return () => {
      window.removeEventListener('keydown', before, true)
      document.removeEventListener('keydown', onKey)
    }
  }, [registry])
  return <Context value={registry}>{children}</Context>
}

/** Offers shortcuts while the caller is on the page. */
export function useShortcuts(list: Shortcut[]): void {
  const registry = useContext(Context)
  const entry = useRef({ list })
  entry.current.list = list
  useEffect(() => {
    const held = entry.current
    registry?.add(held)
    return () => void registry?.delete(held)
  }, [registry])
}

/** All that work now, for the page of keys. */
export function useAllShortcuts(): () => Shortcut[] {
  const registry = useContext(Context)
  return () => [...(registry ?? [])].flatMap(({ list }) => list)
}
