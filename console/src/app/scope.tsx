import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import { useQueryClient } from '@tanstack/react-query'
import { useDatasets } from '../api/queries'
import type { Change, Dataset } from '../api/schema'
import { url } from '../api/client'
import { defaultChoice, readChoice, resolve, shortIso, writeChoice, type Choice, type Range } from '../lib/range'
import { useUrl } from '../lib/url'

/** Time range and dataset: the two controls that hold for every page. */
export interface Scope {
  /** The moment that relative times and ranges are counted from. It steps only when the reader asks for what is new. */
  now: number
  choice: Choice
  range: Range
  setChoice(choice: Choice): void
  dataset: string | undefined
  datasets: Dataset[]
  /** `dataset`, `from`, `to` as the API takes them. */
  params: { dataset: string | undefined; from: string; to: string }
  /** Shows what is new: steps `now` and reads everything again. */
  refresh(): void
  /** What arrived since the page was drawn. */
  fresh: Change
}

const NOTHING: Change = { cases: 0, events: 0, imports: 0 }
const Context = createContext<Scope | null>(null)

export function useScope(): Scope {
  const scope = useContext(Context)
  if (!scope) throw new Error('outside of a scope')
  return scope
}

/** Whole minutes, so that two pages opened one after the other ask for the same range. */
const minute = () => Math.ceil(Date.now() / 60_000) * 60_000

export function ScopeProvider({ children }: { children: ReactNode }) {
  const { search, set } = useUrl()
  const client = useQueryClient()
  const [now, setNow] = useState(minute)
  const { live, rebase } = useLive()
  const answer = useDatasets()
  const datasets = useMemo(() => answer.data ?? [], [answer.data])
  const dataset = search.dataset
  const shown = useMemo(() => (dataset ? datasets.filter((one) => one.name === dataset) : datasets), [datasets, dataset])
  const choice = useMemo(() => readChoice(search) ?? defaultChoice(shown, now), [search, shown, now])
  const range = useMemo(() => resolve(choice, shown, now), [choice, shown, now])

  const refresh = useCallback(() => {
    rebase()
    setNow(minute())
    void client.invalidateQueries()
  }, [client, rebase])
  const setChoice = useCallback(
    (next: Choice) => {
      setNow(minute())
      set(writeChoice(next))
    },
    [set],
  )

  const scope = useMemo<Scope>(
    () => ({
      now,
      choice,
      range,
      setChoice,
      dataset,
      datasets,
      params: { dataset, from: shortIso(range.from), to: shortIso(range.to) },
      refresh,
      fresh: live,
    }),
    [now, choice, range, setChoice, dataset, datasets, refresh, live],
  )
  // Nothing is asked for before the range is known: a first answer for the wrong range would only flash.
  return <Context value={scope}>{answer.isPending ? null : children}</Context>
}

/** Listens to the server's counters, and says how far they are from those of the last refresh. */
function useLive(): { live: Change; rebase: () => void } {
  const [live, setLive] = useState(NOTHING)
  const base = useRef<Change | null>(null)
  const latest = useRef<Change | null>(null)
  useEffect(() => {
    const source = new EventSource(url('/live', {}))
    source.addEventListener('change', (event: MessageEvent<string>) => {
      const next = JSON.parse(event.data) as Change
      latest.current = next
      // A counter that steps back is a restarted server: begin again from there.
      if (!base.current || next.events < base.current.events) base.current = next
      setLive({
        cases: next.cases - base.current.cases,
        events: next.events - base.current.events,
        imports: next.imports - base.current.imports,
      })
    })
    return () => source.close()
  }, [])
  const rebase = useCallback(() => {
    base.current = latest.current
    setLive(NOTHING)
  }, [])
  return { live, rebase }
}
