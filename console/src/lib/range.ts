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

/** Days and nights that people ask for by name, in the reader's zone. */
export const NAMED = ['yesterday', 'last_night'] as const
export type Named = (typeof NAMED)[number]

/** From the day before `now` at an hour to a later hour of it, or of today; a clock that is put on or back shifts nothing. */
export function named(name: Named, now: number): Choice & Range {
  const at = (days: number, hours: number) => {
    const date = new Date(now)
    return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days, hours).getTime()
  }
  return name === 'yesterday' ? { kind: 'absolute', from: at(-1, 0), to: at(0, 0) } : { kind: 'absolute', from: at(-1, 18), to: at(0, 8) }
}

/** The parts of a range that no stretch of `watched` covers, in order; what is yet to come is not among them. */
export function unwatched(range: Range, watched: Range[], now: number): Range[] {
  const found: Range[] = []
  const end = Math.min(range.to, now)
  let at = range.from
  for (const one of watched.filter((each) => each.from < each.to).sort((a, b) => a.from - b.from)) {
    if (one.from > at && at < end) found.push({ from: at, to: Math.min(one.from, end) })
    at = Math.max(at, one.to)
  }
  if (at < end) found.push({ from: at, to: end })
  return found
}

/** The state of a page with its range as two times. */
export function frozen(search: Record<string, string>, range: Range): Record<string, string> {
  const { last: _, ...rest } = search
  return { ...rest, from: shortIso(range.from), to: shortIso(range.to) }
}

/** Shorter than this a stretch without a watch is a restart, and is told by nothing. */
export const SHORT = 60_000

/** The times that captures cover, as the API tells them; the last frame is inside. */
export const stretches = (all: { from: string; to: string }[]): Range[] =>
  all.map((one) => ({ from: Date.parse(one.from), to: Date.parse(one.to) + 1 }))

/** Whether all of a range was unwatched. */
export const isBlind = (gaps: Range[], range: Range, now: number): boolean =>
  gaps.length === 1 && gaps[0]!.from <= range.from && gaps[0]!.to >= Math.min(range.to, now) - 2 * 60_000

/** RFC 3339 without a fraction that says nothing. */
export function shortIso(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
