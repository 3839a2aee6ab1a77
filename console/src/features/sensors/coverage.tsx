import { useTranslation } from 'react-i18next'
import type { Sensor } from '../../api/schema'
import { useScope } from '../../app/scope'
import { day, exact, hour, moment } from '../../lib/format'
import { SHORT, stretches, unwatched, type Range } from '../../lib/range'
import { useFormat } from '../../ui/hooks'

/** Below this share of what passed, a bucket counts as a hole. */
const HOLE = 0.95
/** Width of what is drawn at least, in thousandths: a short capture in a month is seen all the same. */
const LEAST = 2
/** Holes listed below a picture. */
const GAPS_SHOWN = 12

interface Hole extends Range {
  /** The share that was seen; none where nothing was. */
  seen: number | null
}

/** The share of what passed that captures saw while they ran. */
const seen = ({ complete, ran }: Sensor['coverage']): number => {
  const i = complete.findIndex((share) => share !== null)
  return i < 0 ? 1 : Math.min(1, complete[i]! / ran[i]!)
}

/** Stretches of a range in which the sensor saw nothing, or missed much; of captures, those that none of them covers. */
export function holes({ coverage }: Sensor, range: Range, now: number): Hole[] {
  const { buckets, complete, step_seconds, stretches: covered } = coverage
  if (covered) {
    const read = stretches(covered)
    const share = seen(coverage)
    const none = unwatched(range, read, now - SHORT).filter((one) => one.to - one.from > SHORT)
    const poor = share < HOLE ? read.map((one) => ({ ...one, seen: share })) : []
    return [...none.map((one) => ({ ...one, seen: null })), ...poor].sort((a, b) => a.from - b.from)
  }
  const found: Hole[] = []
  // Before its first word a sensor was not there.
  const began = buckets[0] ? Date.parse(buckets[0]) : Math.min(range.to, now)
  if (began - range.from > SHORT) found.push({ from: range.from, to: began, seen: null })
  complete.forEach((share, i) => {
    if (share !== null && share >= HOLE) return
    const from = Date.parse(buckets[i]!)
    const to = from + step_seconds * 1000
    const before = found.at(-1)
    if (before && before.to === from && (before.seen === null) === (share === null)) before.to = to
    else found.push({ from, to, seen: share })
  })
  return found
}

const kind = (share: number | null) => (share === null ? 'none' : share < HOLE ? 'poor' : share < 0.999 ? 'fair' : 'full')

/** What was seen over the range: whole, not quite, poorly, nothing; by colour, height and word. */
export function Coverage({ of: sensor }: { of: Sensor }) {
  const of = sensor.coverage
  const { t } = useTranslation()
  const { lang, percent } = useFormat()
  const { setChoice, range, now } = useScope()
  const { from: first, to: last } = range
  const long = last - first > 2.5 * 86_400_000
  const tick = (at: number) => (long ? day(at, lang) : hour(at, lang))
  const gaps = holes(sensor, range, now)
  const word = (share: number | null) => (share === null ? t('coverage.none') : percent(share, 1))
  const x = (at: number) => (1000 * (Math.max(first, Math.min(last, at)) - first)) / Math.max(1, last - first)
  const bars = of.stretches
    ? stretches(of.stretches).map((one) => ({ ...one, share: seen(of) }))
    : of.complete.map((share, i) => {
        const from = Date.parse(of.buckets[i]!)
        return { from, to: from + of.step_seconds * 1000, share }
      })
  return (
    <div className="coverage">
      <svg viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label={t('sensors.coverage')}>
        <rect className="coverage-back" x={0} width={1000} height={20} />
        {bars.map(({ from, to, share }) => (
          <g key={from} onClick={() => setChoice({ kind: 'absolute', from, to })}>
            <title>{`${exact(from, lang)} · ${word(share)}`}</title>
            <rect
              className={`coverage-${kind(share)}`}
              x={x(from)}
              width={Math.max(LEAST, x(to) - x(from))}
              y={share === null ? 18 : 20 - 20 * share}
              height={share === null ? 2 : 20 * share}
            />
          </g>
        ))}
      </svg>
      <p className="coverage-axis">
        <span>{tick(first)}</span>
        <span>{tick((first + last) / 2)}</span>
        <span>{tick(last)}</span>
      </p>
      {gaps.length > 0 && (
        <ul className="gaps">
          {gaps.slice(0, GAPS_SHOWN).map((gap) => (
            <li key={gap.from}>
              <button className="value" onClick={() => setChoice({ kind: 'absolute', from: gap.from, to: gap.to })}>
                {moment(gap.from, lang, now)} – {gap.to - gap.from < 43_200_000 ? hour(gap.to, lang) : moment(gap.to, lang, now)}
              </button>{' '}
              {gap.seen === null ? t('coverage.blind') : t('coverage.partial', { share: percent(gap.seen) })}
            </li>
          ))}
          {gaps.length > GAPS_SHOWN && <li className="quiet">{t('coverage.unwatched_more', { count: gaps.length - GAPS_SHOWN })}</li>}
        </ul>
      )}
    </div>
  )
}
