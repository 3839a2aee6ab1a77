import { describe, expect, it } from 'vitest'
import { niceTop } from '../ui/chart'
import { refused } from '../features/login/login'
import { holes } from '../features/sensors/coverage'
import { at, kindOf, leaves } from './eve'
import { ago, bytes, duration, number } from './format'
import { quote, term, terms, withoutTerm, withTerm, wordAt } from './query'
import { defaultChoice, frozen, isBlind, named, readChoice, resolve, unwatched, writeChoice } from './range'
import { parseSearch, stringifySearch } from './url'

const NOW = Date.parse('2026-11-25T12:00:00Z')

describe('query', () => {
  it('quotes what is not bare', () => {
    expect(quote('10.0.0.0/8')).toBe('10.0.0.0/8')
    expect(quote('*.example.org')).toBe('*.example.org')
    expect(quote('00:1b:44:00:00:01')).toBe('00:1b:44:00:00:01')
    expect(quote('<script>')).toBe('"<script>"')
    expect(quote('a "b" \\c')).toBe('"a \\"b\\" \\\\c"')
    expect(quote('or')).toBe('"or"')
    expect(quote('')).toBe('""')
  })
  it('parts terms outside quotes and parentheses', () => {
    expect(terms('a:1  -b:"x y" (c:1 or c:2) "free text"')).toEqual(['a:1', '-b:"x y"', '(c:1 or c:2)', '"free text"'])
    expect(terms('unclosed "quote')).toEqual(['unclosed', '"quote'])
    expect(terms('')).toEqual([])
    expect(terms('a:1 and not b:2')).toEqual(['a:1', 'not b:2'])
    expect(terms('a:1 or b:2')).toEqual(['(a:1 or b:2)'])
    expect(withTerm('a:1 or b:2', 'c', '3')).toBe('(a:1 or b:2) c:3')
    expect(withoutTerm('(a:1 or b:2) c:3', 'c:3')).toBe('(a:1 or b:2)')
  })
  it('adds a term once, and takes its contrary away', () => {
    expect(withTerm('a:1', 'a', '1')).toBe('a:1')
    expect(withTerm('a:1 b:2', 'a', '1', true)).toBe('b:2 -a:1')
    expect(withoutTerm('a:1 b:2', 'a:1')).toBe('b:2')
    expect(term('', 'free text')).toBe('"free text"')
  })
  it('finds the word under the caret', () => {
    expect(wordAt('src_ip:10 des', 13)).toEqual({ start: 10, end: 13, field: null, text: 'des' })
    expect(wordAt('-src_ip:10', 10)).toEqual({ start: 8, end: 10, field: 'src_ip', text: '10' })
  })
})

describe('a new password', () => {
  it('is refused at the field that is wrong', () => {
    expect(refused('the old password', 'short', 'short')).toEqual({ field: 'new', why: 'too_short' })
    expect(refused('the old password', 'the old password', 'the old password')).toEqual({ field: 'new', why: 'same' })
    expect(refused('the old password', 'the new password', 'another one')).toEqual({ field: 'repeat', why: 'differ' })
    expect(refused('the old password', 'the new password', 'the new password')).toBeNull()
  })
})

describe('range', () => {
  const datasets = [{ kind: 'replay', first: '2020-01-01T00:00:30Z', last: '2020-01-02T00:00:00.000001Z' }]
  it('is read as it was written', () => {
    for (const choice of [{ kind: 'all' }, { kind: 'last', preset: '7d' }, { kind: 'absolute', from: NOW - 1000, to: NOW }] as const) {
      const written = Object.fromEntries(Object.entries(writeChoice(choice)).filter((pair): pair is [string, string] => pair[1] !== null))
      expect(readChoice(written)).toEqual(choice)
    }
    expect(readChoice({ from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' })).toBeNull()
    expect(readChoice({ last: 'nonsense' })).toBeNull()
  })
  it('opens on the last day, or on all where nothing is that recent', () => {
    expect(defaultChoice([{ kind: 'live', last: null }], NOW)).toEqual({ kind: 'last', preset: '24h' })
    expect(defaultChoice(datasets, NOW)).toEqual({ kind: 'all' })
  })
  it('knows yesterday and last night in the zone of the reader', () => {
    const hours = (from: number) => new Date(from).getHours()
    const [day, night] = [named('yesterday', NOW), named('last_night', NOW)]
    expect([hours(day.from), hours(day.to), hours(night.from), hours(night.to)]).toEqual([0, 0, 18, 8])
    expect(day.to).toBeLessThanOrEqual(NOW)
    expect(day.from).toBeLessThan(night.from)
    expect(day.to).toBeLessThan(night.to)
  })
  it('stands in a link as two times', () => {
    const range = resolve({ kind: 'last', preset: '24h' }, [], NOW)
    expect(frozen({ last: '24h', q: 'a:1' }, range)).toEqual({ q: 'a:1', from: '2026-11-24T12:00:00Z', to: '2026-11-25T12:00:00Z' })
  })
  it('tells what was not watched, and nothing of what is to come', () => {
    const range = { from: 100, to: 1000 }
    expect(unwatched(range, [], 900)).toEqual([{ from: 100, to: 900 }])
    expect(unwatched(range, [{ from: 0, to: 2000 }], 900)).toEqual([])
    expect(
      unwatched(
        range,
        [
          { from: 600, to: 700 },
          { from: 0, to: 200 },
          { from: 150, to: 300 },
        ],
        900,
      ),
    ).toEqual([
      { from: 300, to: 600 },
      { from: 700, to: 900 },
    ])
    expect(unwatched(range, [], 50)).toEqual([])
    expect(unwatched(range, [{ from: 500, to: 300 }], 900)).toEqual([{ from: 100, to: 900 }])
    expect(isBlind(unwatched(range, [], 900), range, 900)).toBe(true)
    expect(isBlind(unwatched(range, [{ from: 100, to: 120 }, { from: 500, to: 600 }], 900), range, 900)).toBe(false)
  })
  it('of all data spans them in whole minutes', () => {
    expect(resolve({ kind: 'all' }, datasets, NOW)).toEqual({
      from: Date.parse('2020-01-01T00:00:00Z'),
      to: Date.parse('2020-01-02T00:01:00Z'),
    })
  })
})

describe('format', () => {
  it('writes amounts as the language does', () => {
    expect(bytes(999, 'fr')).toBe('999\u00a0o')
    expect(bytes(1_310_000_000, 'fr')).toBe('1,3\u00a0Go')
    expect(bytes(999_999, 'en')).toBe('1\u00a0MB')
    expect(number(1234567, 'fr').replaceAll(/\s/g, ' ')).toBe('1 234 567')
    expect(duration(90_061_000, 'fr')).toBe('1\u00a0j 1\u00a0h')
  })
  it('says times relative within a day only', () => {
    expect(ago(NOW - 120_000, 'fr', NOW).replaceAll(/\s/g, ' ')).toBe('il y a 2 min')
    expect(ago(NOW - 3 * 86_400_000, 'en', NOW)).toContain('22 Nov')
    expect([ago(NOW - 5000, 'en', NOW), ago(NOW + 5000, 'fr', NOW)]).toEqual(['now', 'maintenant'])
    expect(ago(NOW + 120_000, 'en', NOW)).toContain('25 Nov')
  })
})

describe('url', () => {
  it('is read as it was written', () => {
    const search = { q: 'src_ip:10.0.0.0/8 -a:"é&=#+"', last: '7d' }
    expect(parseSearch(stringifySearch(search))).toEqual(search)
    expect(stringifySearch({ a: '', b: null })).toBe('')
  })
})

describe('eve', () => {
  const event = {
    timestamp: '2026-11-25T12:00:00.000000Z',
    event_type: 'dns',
    dns: { queries: [{ rrname: 'a' }, { rrname: 'b' }], answers: [] },
  }
  it('finds what stands at a path, in lists too', () => {
    expect(at(event, 'dns.queries.rrname')).toEqual(['a', 'b'])
    expect(at(event, 'dns.nothing.here')).toEqual([])
    expect(leaves(event).map(({ path }) => path)).toEqual(['timestamp', 'event_type', 'dns.queries.rrname', 'dns.queries.rrname'])
  })
  it('knows what a field holds', () => {
    expect([
      kindOf('src_ip'),
      kindOf('dest_port'),
      kindOf('tls.ja4'),
      kindOf('dns.queries.rrname'),
      kindOf('dhcp.client_mac'),
      kindOf('http.url'),
    ]).toEqual(['ip', 'port', 'hash', 'name', 'mac', 'text'])
  })
})

describe('chart', () => {
  it('ends its axis at a round figure', () => {
    expect([1, 3, 7, 11, 99, 100, 101].map(niceTop)).toEqual([1, 4, 8, 20, 100, 100, 200])
  })
})

describe('coverage', () => {
  it('joins neighbouring holes, and tells what was before the first word', () => {
    const buckets = [0, 1, 2, 3, 4].map((i) => new Date(NOW + i * 60_000).toISOString())
    const sensor = { coverage: { step_seconds: 60, buckets, complete: [1, null, null, 0.5, 1], ran: [1, 0, 0, 1, 1], stretches: null } }
    expect(holes(sensor as never, { from: NOW - 600_000, to: NOW + 300_000 }, NOW + 300_000)).toEqual([
      { from: NOW - 600_000, to: NOW, seen: null },
      { from: NOW + 60_000, to: NOW + 180_000, seen: null },
      { from: NOW + 180_000, to: NOW + 240_000, seen: 0.5 },
    ])
  })
  it('of captures is where they are, and nowhere else', () => {
    const read = [1, 5].map((hour) => ({ from: new Date(NOW + hour * 3_600_000).toISOString(), to: new Date(NOW + (hour + 1) * 3_600_000).toISOString() }))
    const hours = (list: number[]) => list.map((hour) => NOW + hour * 3_600_000)
    const sensor = { coverage: { step_seconds: 3600, buckets: [], complete: [], ran: [], stretches: read } }
    const [zero, one, two, five, six, eight] = hours([0, 1, 2, 5, 6, 8])
    expect(holes(sensor as never, { from: zero!, to: eight! }, eight! + 3_600_000)).toEqual([
      { from: zero, to: one, seen: null },
      { from: two! + 1, to: five, seen: null },
      { from: six! + 1, to: eight, seen: null },
    ])
  })
})
