/** Figures and times as the reader's language writes them. Formatters are made once a language. */

const cache = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>()
function kept<T extends Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>(key: string, make: () => T): T {
  let made = cache.get(key) as T | undefined
  if (!made) cache.set(key, (made = make()))
  return made
}

/** BCP 47 tags: English with day before month, as Europe writes it. */
const TAG: Record<string, string> = { fr: 'fr-FR', en: 'en-GB' }
const tag = (lang: string) => TAG[lang] ?? lang

export function number(value: number, lang: string, digits = 0): string {
  return kept(`n${lang}${digits}`, () => new Intl.NumberFormat(tag(lang), { maximumFractionDigits: digits })).format(value)
}

/** Large counts in few characters: 1,2 M. */
export function compact(value: number, lang: string): string {
  if (Math.abs(value) < 10_000) return number(value, lang)
  return kept(`c${lang}`, () => new Intl.NumberFormat(tag(lang), { notation: 'compact', maximumFractionDigits: 1 })).format(value)
}

export function percent(share: number, lang: string, digits = 0): string {
  return kept(`p${lang}${digits}`, () => new Intl.NumberFormat(tag(lang), { style: 'percent', maximumFractionDigits: digits })).format(
    share,
  )
}

const UNITS: Record<string, string[]> = { fr: ['o', 'ko', 'Mo', 'Go', 'To', 'Po'], en: ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] }

/** Bytes in decimal units, three significant figures at most. */
export function bytes(value: number, lang: string): string {
  const units = UNITS[lang] ?? UNITS.en!
  let amount = value
  let unit = 0
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1000
    unit++
  }
  return `${number(amount, lang, unit === 0 || amount >= 100 ? 0 : 1)}\u00a0${units[unit]}`
}

/** Bits a second. */
export function rate(bps: number, lang: string): string {
  const units = lang === 'fr' ? ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s'] : ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']
  let amount = bps
  let unit = 0
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1000
    unit++
  }
  return `${number(amount, lang, amount >= 100 || unit === 0 ? 0 : 1)}\u00a0${units[unit]}`
}

/** Day, month, hour and minute; the year where it is not this one. */
export function moment(ms: number, lang: string, now: number): string {
  const sameYear = new Date(ms).getFullYear() === new Date(now).getFullYear()
  return kept(
    `m${lang}${sameYear}`,
    () =>
      new Intl.DateTimeFormat(tag(lang), {
        day: 'numeric',
        month: 'short',
        hour: '2-digit',
        minute: '2-digit',
        ...(sameYear ? {} : { year: 'numeric' }),
      }),
  )
    .format(ms)
    .replace(', ', ' ')
}

/** A protocol as people write it: by its capitals, where it is not a word. */
export const protocol = (name: string): string => (name === 'telnet' ? 'Telnet' : name.toUpperCase())

/** Everything, to the second, with the zone. */
export function exact(ms: number, lang: string): string {
  return kept(
    `x${lang}`,
    () =>
      new Intl.DateTimeFormat(tag(lang), {
        weekday: 'short',
        day: 'numeric',
        month: 'short',
        year: 'numeric',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        timeZoneName: 'short',
      }),
  ).format(ms)
}

/** A time to the thousandth, for rows that lie close together. */
export function clock(ms: number, lang: string): string {
  return kept(
    `k${lang}`,
    () =>
      new Intl.DateTimeFormat(tag(lang), {
        day: '2-digit',
        month: '2-digit',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        fractionalSecondDigits: 3,
        hour12: false,
      }),
  )
    .format(ms)
    .replace(', ', ' ')
}

export function hour(ms: number, lang: string): string {
  return kept(`h${lang}`, () => new Intl.DateTimeFormat(tag(lang), { hour: '2-digit', minute: '2-digit' })).format(ms)
}
export function day(ms: number, lang: string): string {
  return kept(`d${lang}`, () => new Intl.DateTimeFormat(tag(lang), { day: 'numeric', month: 'short' })).format(ms)
}

const DAY = 86_400_000

/** "3 minutes ago" within a day, else the moment itself. */
export function ago(ms: number, lang: string, now: number): string {
  const past = now - ms
  // Clocks differ a little, and the page's own steps twice a minute: seconds would stand still, or lie.
  if (Math.abs(past) < 60_000) return kept(`n${lang}`, () => new Intl.RelativeTimeFormat(tag(lang), { numeric: 'auto' })).format(0, 'second')
  if (past < 0 || past >= DAY) return moment(ms, lang, now)
  const words = kept(`r${lang}`, () => new Intl.RelativeTimeFormat(tag(lang), { numeric: 'always', style: 'short' }))
  if (past < 3_600_000) return words.format(-Math.floor(past / 60_000), 'minute')
  return words.format(-Math.floor(past / 3_600_000), 'hour')
}

/** How long something lasted, in the one or two largest units. */
export function duration(ms: number, lang: string): string {
  const units: [number, string][] = [
    [DAY, lang === 'fr' ? 'j' : 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1000, 's'],
  ]
  if (ms < 1000) return `${number(ms, lang)}\u00a0ms`
  const parts: string[] = []
  let rest = ms
  for (const [size, unit] of units) {
    const count = Math.floor(rest / size)
    if (count > 0) parts.push(`${number(count, lang)}\u00a0${unit}`)
    rest -= count * size
    if (parts.length === 2) break
  }
  return parts.join(' ')
}

/** The reader's zone and its offset now: "Europe/Paris (UTC+1)". */
export function zone(now: number): string {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone
  const offset = -new Date(now).getTimezoneOffset()
  const hours = Math.trunc(offset / 60)
  const minutes = Math.abs(offset % 60)
  const utc = `UTC${offset === 0 ? '' : `${hours >= 0 ? '+' : '−'}${Math.abs(hours)}${minutes ? `:${String(minutes).padStart(2, '0')}` : ''}`}`
  return name === 'UTC' ? 'UTC' : `${name} (${utc})`
}
