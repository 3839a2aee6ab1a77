import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Params } from './client'
import { request } from './client'
import type * as T from './schema'

/** Rows that one request brings. */
export const PAGE_ROWS = 200

/** A resource that is read whole. The key is the address: the same address is the same data everywhere in the console. */
export function useRead<R>(path: string | null, params: Params = {}, options: { keep?: boolean; staleMs?: number } = {}) {
  return useQuery({
    queryKey: [path, params],
    queryFn: ({ signal }) => request<R>(path!, { params, signal }),
    enabled: path !== null,
    placeholderData: options.keep === false ? undefined : keepPreviousData,
    staleTime: options.staleMs ?? 30_000,
  })
}

/** A list, read page by page as one scrolls. */
export function useList<R, L extends T.List<R> = T.List<R>>(path: string | null, params: Params) {
  const query = useInfiniteQuery({
    queryKey: [path, params, 'pages'],
    queryFn: ({ signal, pageParam }) => request<L>(path!, { params: { limit: PAGE_ROWS, ...params, cursor: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    enabled: path !== null,
    placeholderData: keepPreviousData,
  })
  return query
}

export const useDatasets = () => useRead<T.Dataset[]>('/datasets')
export const useColleagues = () => useRead<{ name: string }[]>('/colleagues', {}, { staleMs: 300_000 })
export const useFields = () => useRead<T.Field[]>('/events/fields', {}, { staleMs: Infinity })

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
    mutationFn: ({ id, version, change }: { id: string; version: number; change: T.CaseChange }) =>
      request<T.CaseRow>(`/cases/${encodeURIComponent(id)}`, { method: 'PATCH', json: { version, ...change } }),
    onSettled: refresh,
  })
}

export function useChangeCases() {
  const refresh = useRefreshCases()
  return useMutation({
    mutationFn: (body: { ids: string[] } & T.CaseChange) =>
      request<{ changed: number; conflicts: string[] }>('/cases/bulk', { method: 'POST', json: body }),
    onSettled: refresh,
  })
}
