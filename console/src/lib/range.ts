/** The time range of the whole console, as it stands in the URL. */

export const PRESETS = ['1h', '24h', '7d', '30d'] as const
export type Preset = (typeof PRESETS)[number]

const HOUR = 3_600_000
export const LENGTH: Record<Preset, number> = { '1h': HOUR, '24h': 24 * HOUR, '7d': 7 * 24 * HOUR, '30d': 30 * 24 * HOUR }

/** A half-open range; milliseconds since the epoch. */
export interface Range {
  from: number
  to: number
}

/** What the reader chose: a preset that ends now, all that there is, or two times. */
export type Choice = { kind: 'last'; preset: Preset } | { kind: 'all' } | ({ kind: 'absolute' } & Range)

export function readChoice(search: Record<string, string>): Choice | null {
  const from = Date.parse(search.from ?? '')
  const to = Date.parse(search.to ?? '')
  if (!Number.isNaN(from) && !Number.isNaN(to) && from < to) return { kind: 'absolute', from, to }
  if (search.last === 'all') return { kind: 'all' }
  const preset = PRESETS.find((one) => one === search.last)
  return preset ? { kind: 'last', preset } : null
}

export function writeChoice(choice: Choice): Record<string, string | null> {
  switch (choice.kind) {
    case 'last':
      return { last: choice.preset, from: null, to: null }
    case 'all':
      return { last: 'all', from: null, to: null }
    case 'absolute':
      return { last: null, from: shortIso(choice.from), to: shortIso(choice.to) }
  }
}

/** What the console opens on: the last day where something arrived in it, else all that was imported. */
export function defaultChoice(datasets: { kind: string; last?: string | null }[], now: number): Choice {
  const recent = datasets.some((one) => one.kind === 'live' || (!!one.last && now - Date.parse(one.last) < LENGTH['24h']))
  return recent || datasets.length === 0 ? { kind: 'last', preset: '24h' } : { kind: 'all' }
}

/** The range that a choice means. `all` spans what the datasets hold, widened to whole minutes. */
export function resolve(choice: Choice, datasets: { first?: string | null; last?: string | null }[], now: number): Range {
  if (choice.kind === 'absolute') return { from: choice.from, to: choice.to }
  if (choice.kind === 'last') return { from: now - LENGTH[choice.preset], to: now }
  const firsts = datasets.flatMap((one) => (one.first ? [Date.parse(one.first)] : []))
  const lasts = datasets.flatMap((one) => (one.last ? [Date.parse(one.last)] : []))
  if (firsts.length === 0 || lasts.length === 0) return { from: now - LENGTH['24h'], to: now }
  const minute = 60_000
  return { from: Math.floor(Math.min(...firsts) / minute) * minute, to: Math.ceil((Math.max(...lasts) + 1) / minute) * minute }
}

/** A range around one moment, for "around this event". */
export function around(moment: number, half = 15 * 60_000): Choice {
  return { kind: 'absolute', from: moment - half, to: moment + half }
}

/** RFC 3339 without a fraction that says nothing. */
export function shortIso(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
