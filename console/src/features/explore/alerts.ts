import { useQueries } from '@tanstack/react-query'
import { useMemo } from 'react'
import { request } from '../../api/client'
import type { CaseDetail, Eve } from '../../api/schema'
import { useFormat } from '../../ui/hooks'

/** Cases that are read for the texts of their alerts. */
const CASES_MAX = 12

interface OfAlert {
  alert_id?: string
  case_id?: string
}
const said = (event: Eve): OfAlert => (event.event_type === 'alert' && (event.vigie as OfAlert | undefined)) || {}

/** The alert whose summary stands at a path of an event; empty where none does. */
export const alertOf = (event: Eve, path: string): string => (path === 'vigie.summary' ? (said(event).alert_id ?? '') : '')

/** What the alerts among some events say in the reader's language, by their ids: an event has it in English, its case in both. */
export function useAlertTexts(rows: readonly { event: Eve }[]): ReadonlyMap<string, string> {
  const { lang } = useFormat()
  const wanted = useMemo(() => {
    const found = new Map<string, { id: string; dataset: string | undefined }>()
    if (lang !== 'en')
      for (const { event } of rows) {
        const id = said(event).case_id
        if (id && found.size < CASES_MAX) found.set(`${event.dataset} ${id}`, { id, dataset: event.dataset })
      }
    return [...found.values()]
  }, [rows, lang])
  return useQueries({
    queries: wanted.map(({ id, dataset }) => ({
      queryKey: ['/cases/{id}', { id }, { dataset }],
      queryFn: ({ signal }: { signal: AbortSignal }) => request('get', '/cases/{id}', { names: { id }, query: { dataset }, signal, unasked: true }),
    })),
    combine: texts,
  })
}

/** Outside of the hook, so that it is the same function at each drawing and its result is kept. */
const texts = (answers: { data?: CaseDetail }[]): ReadonlyMap<string, string> =>
  new Map(answers.flatMap(({ data }) => data?.alerts.map((one) => [one.id, one.summary] as const) ?? []))
