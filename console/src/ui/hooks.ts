import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { technique } from '../lib/attack'
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

/** The words for a value that a field has codes for; none where it speaks for itself. */
export function useWords(): (path: string, value: string) => string | undefined {
  const { t, i18n } = useTranslation()
  return (path, value) => {
    const named = (key: string) => (i18n.exists(key) ? t(key) : undefined)
    if (path === 'event_type') return named(`says.kind.${value}`)
    if (path === 'flow.state') return named(`says.state.${value}`)
    if (path === 'flow.reason') return named(`says.reason.${value}`)
    if (path === 'vigie.techniques') return technique(value) && `${value} ${technique(value)}`
    if (path === 'vigie.detector') return named(`detector.${value}`)
    const secret = /^<redacted:(\d+)>$/.exec(value)
    return secret ? t('says.redacted', { count: Number(secret[1]) }) : undefined
  }
}

/** A value as a row says it: amounts with their unit and direction, numbers of a protocol by their names, long text cut. */
export function useSaid(): (path: string, value: string) => string {
  const { t } = useTranslation()
  const { bytes, number } = useFormat()
  const words = useWords()
  return (path, value) => {
    const word = words(path, value)
    if (word) return word
    if (/bytes_toserver$|to_server\.bytes$/.test(path)) return `↑ ${bytes(Number(value))}`
    if (/bytes_toclient$|to_client\.bytes$/.test(path)) return `↓ ${bytes(Number(value))}`
    if (path.endsWith('to_server.messages')) return `↑ ${t('says.messages', { count: Number(value), formatted: number(Number(value)) })}`
    if (path.endsWith('to_client.messages')) return `↓ ${t('says.messages', { count: Number(value), formatted: number(Number(value)) })}`
    if (path === 'icmp.type') return t(`says.icmp.${value}`, { defaultValue: t('says.icmp_other', { type: value }) })
    if (path === 'ntp.mode') return t(`says.ntp.${value}`, { defaultValue: t('says.ntp_other', { mode: value }) })
    if (path === 'ntp.stratum') return t('says.stratum', { stratum: value })
    return value.length > 90 ? `${value.slice(0, 89)}…` : value
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

/** A number that changes often, told at once and then at most so often. */
export function useThrottled(value: number, ms: number): number {
  const [told, tell] = useState(value)
  const last = useRef(0)
  useEffect(() => {
    if (value === told) return
    const timer = setTimeout(
      () => {
        last.current = Date.now()
        tell(value)
      },
      // Nothing new is told at once.
      value === 0 ? 0 : Math.max(0, last.current + ms - Date.now()),
    )
    return () => clearTimeout(timer)
  }, [value, told, ms])
  return value === 0 ? 0 : told
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
