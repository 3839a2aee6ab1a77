import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import * as format from '../lib/format'

/** The formatters, for the reader's language. */
export function useFormat() {
  const { i18n } = useTranslation()
  const lang = i18n.language
  return {
    lang,
    number: (value: number, digits?: number) => format.number(value, lang, digits),
    compact: (value: number) => format.compact(value, lang),
    percent: (share: number, digits?: number) => format.percent(share, lang, digits),
    bytes: (value: number) => format.bytes(value, lang),
    rate: (bps: number) => format.rate(bps, lang),
    exact: (ms: number) => format.exact(ms, lang),
    duration: (ms: number) => format.duration(ms, lang),
  }
}

export function useMedia(query: string): boolean {
  const [matches, set] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const list = matchMedia(query)
    const update = () => set(list.matches)
    update()
    list.addEventListener('change', update)
    return () => list.removeEventListener('change', update)
  }, [query])
  return matches
}

/** Narrow enough for one column: a phone. */
export const usePhone = () => useMedia('(max-width: 719px)')

/** True once a wait has lasted long enough to be worth saying. */
export function useLate(waiting: boolean, ms = 1000): boolean {
  const [late, set] = useState(false)
  useEffect(() => {
    if (!waiting) return set(false)
    const timer = setTimeout(() => set(true), ms)
    return () => clearTimeout(timer)
  }, [waiting, ms])
  return late
}

/** Text being written, kept in this tab until it is sent: it survives a reload and a session that ends. */
export function useDraft(key: string): [string, (text: string) => void] {
  const name = `vigie.draft.${key}`
  const [text, setText] = useState(() => sessionStorage.getItem(name) ?? '')
  useEffect(() => setText(sessionStorage.getItem(name) ?? ''), [name])
  return [
    text,
    (next) => {
      setText(next)
      if (next) sessionStorage.setItem(name, next)
      else sessionStorage.removeItem(name)
    },
  ]
}
