import { keepPreviousData, useInfiniteQuery, useIsMutating, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { request, type Answer, type Of, type Parts, type Query } from './client'
import type { CaseChange, CaseRow } from './schema'

/** Rows that one request brings. */
export const PAGE_ROWS = 200

/** A resource that is read whole. The key is the address: the same address is the same data everywhere in the console. */
export function useRead<R extends Of<'get'>>(
  resource: R,
  parts: Parts<'get', R>,
  options: { keep?: boolean; staleMs?: number; enabled?: boolean } = {},
) {
  return useQuery<Answer<'get', R>>({
    queryKey: [resource, parts.names, parts.query],
    queryFn: ({ signal }) => request<'get', R>('get', resource, { ...parts, signal }),
    enabled: options.enabled ?? true,
    placeholderData: options.keep === false ? undefined : (keepPreviousData as never),
    staleTime: options.staleMs ?? 30_000,
  })
}

/** Lists that are read page by page. */
type Paged = '/cases' | '/assets' | '/events' | '/audit'

/** A list, read page by page as one scrolls. */
export function useList<R extends Paged>(resource: R, query: Omit<NonNullable<Query<'get', R>>, 'limit' | 'cursor'>) {
  return useInfiniteQuery({
    queryKey: [resource, query, 'pages'],
    queryFn: ({ signal, pageParam }) =>
      request('get', resource, { query: { ...query, limit: PAGE_ROWS, cursor: pageParam }, signal } as never) as Promise<Answer<'get', R>>,
    initialPageParam: null as string | null,
    getNextPageParam: (last) => (last as { next?: string | null }).next,
    placeholderData: keepPreviousData,
  })
}

export const useDatasets = () => useRead('/datasets', {})
export const useColleagues = () => useRead('/colleagues', {}, { staleMs: 300_000 })
export const useFields = () => useRead('/events/fields', {}, { staleMs: Infinity })
export const useSettings = () => useRead('/settings', {})

/** Whatever shows cases is read again after one was changed. */
export function useRefreshCases(): () => void {
  const client = useQueryClient()
  return () => {
    void client.invalidateQueries({
      predicate: ({ queryKey }) => typeof queryKey[0] === 'string' && /^\/(cases|situation|datasets|assets|exclusions)/.test(queryKey[0]),
    })
  }
}

export function useChangeCase() {
  const refresh = useRefreshCases()
  return useMutation({
    mutationFn: ({ of, change }: { of: CaseRow; change: CaseChange }) =>
      request('patch', '/cases/{id}', { names: { id: of.id }, query: { dataset: of.dataset }, json: { version: of.version, ...change } }),
    onSettled: refresh,
  })
}

export function useChangeCases() {
  const refresh = useRefreshCases()
  return useMutation({
    // Ids are told within one dataset: a request for each.
    mutationFn: async ({ cases, change }: { cases: CaseRow[]; change: CaseChange }) => {
      const done = { changed: 0, conflicts: [] as string[] }
      for (const dataset of new Set(cases.map((one) => one.dataset))) {
        const ids = cases.filter((one) => one.dataset === dataset).map((one) => one.id)
        const part = await request('post', '/cases/bulk', { json: { dataset, ids, ...change } })
        done.changed += part.changed
        done.conflicts.push(...part.conflicts)
      }
      return done
    },
    onSettled: refresh,
  })
}

const caseKey = ({ id, dataset }: CaseRow) => `${dataset} ${id}`

/**
 * How many cases changed, or came, since what is shown was read; those of the latest signs are compared. `news` grows with every change that
 * anybody makes. What one changes oneself is read again at once, so it does not count.
 */
export function useChangedCases(dataset: string | undefined, news: number): number {
  const read = (signal: AbortSignal) => request('get', '/cases', { query: { dataset, sort: '-last_seen', limit: PAGE_ROWS }, signal, unasked: true })
  const before = useQuery({ queryKey: ['/cases', 'changed', dataset], queryFn: ({ signal }) => read(signal) })
  const after = useQuery({
    queryKey: ['changed cases', dataset, news],
    queryFn: ({ signal }) => read(signal),
    enabled: news > 0 && before.isSuccess,
    placeholderData: keepPreviousData,
    gcTime: 0,
  })
  const mine = useIsMutating() > 0
  if (news === 0 || mine || before.isFetching || !before.data || !after.data) return 0
  const known = new Map(before.data.items.map((one) => [caseKey(one), one.version]))
  // Of a list that was cut, an older case may only have come into sight.
  const oldest = before.data.next ? (before.data.items.at(-1)?.last_seen ?? '') : ''
  return after.data.items.filter((one) => {
    const version = known.get(caseKey(one))
    return version === undefined ? one.last_seen > oldest : one.version > version
  }).length
}
