import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback } from 'react'

/** What stands after `?`: plain strings, so that a link can be read and typed by a person. */
export type Search = Record<string, string>

export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text))
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== '') params.set(key, String(value))
  }
  // Colons, slashes, commas and spaces stay legible: they are what queries and times are made of.
  const text = params.toString().replaceAll('%3A', ':').replaceAll('%2F', '/').replaceAll('%2C', ',').replaceAll('%40', '@')
  return text ? `?${text}` : ''
}

/** Keys that stay when one goes from page to page. */
export const KEPT = ['last', 'from', 'to', 'dataset'] as const

/** What stays of a search when one goes to another page. */
export function kept(search: Search): Search {
  return Object.fromEntries(KEPT.filter((key) => search[key]).map((key) => [key, search[key]!]))
}

/** What a link to one thing of a dataset carries: the same thing may stand in several. */
export function within(search: Search, dataset: string | null | undefined): Search {
  return { ...kept(search), ...(dataset && dataset !== search.dataset ? { in: dataset } : {}) }
}

/** The page's state in the URL. `set` merges; an empty value takes the key away. `replace` leaves no step for Back. */
export function useUrl(): {
  search: Search
  set: (change: Record<string, string | null | undefined>, options?: { replace?: boolean }) => void
} {
  const search = useSearch({ strict: false }) as Search
  const navigate = useNavigate()
  const set = useCallback(
    (change: Record<string, string | null | undefined>, { replace = false }: { replace?: boolean } = {}) => {
      void navigate({
        to: '.',
        replace,
        search: ((before: Search) => {
          const after: Search = { ...before }
          for (const [key, value] of Object.entries(change)) {
            if (value) after[key] = value
            else delete after[key]
          }
          return after
        }) as never,
      })
    },
    [navigate],
  )
  return { search, set }
}
