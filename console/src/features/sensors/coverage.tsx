import { useTranslation } from 'react-i18next'
import type { Sensor } from '../../api/schema'
import { useScope } from '../../app/scope'
import { day, exact, hour, moment } from '../../lib/format'
import { useFormat } from '../../ui/hooks'

/** Below this share of what passed, a bucket counts as a hole. */
const HOLE = 0.95

/** Stretches of a coverage in which the sensor saw nothing, or missed much. */
export function holes({
  first,
  last,
  coverage: { buckets, complete, step_seconds },
}: Sensor): { from: number; to: number; seen: number | null }[] {
  const found: { from: number; to: number; seen: number | null }[] = []
  const [began, ended] = lifetime({ first, last })
  complete.forEach((share, i) => {
    if (share !== null && share >= HOLE) return
    const from = Date.parse(buckets[i]!)
    const to = from + step_seconds * 1000
    // Before it began and after it ended, a recording was not blind: it was not there.
    if (share === null && (to <= began || from >= ended)) return
    const before = found.at(-1)
    if (before && before.to === from && (before.seen === null) === (share === null)) before.to = to
    else found.push({ from, to, seen: share })
  })
  return found
}

/** When a sensor saw its first and its last frame; without any, never. */
const lifetime = ({ first, last }: Pick<Sensor, 'first' | 'last'>) =>
  [Date.parse(first ?? ''), Date.parse(last ?? '')].map((one) => one || 0) as [number, number]

const kind = (share: number | null) => (share === null ? 'none' : share < HOLE ? 'poor' : share < 0.999 ? 'fair' : 'full')

/** What the sensor saw over time: whole, not quite, poorly, nothing; by colour, height and word. */
export function Coverage({ of: sensor }: { of: Sensor }) {
  const of = sensor.coverage
  const { t } = useTranslation()
  const { lang, percent } = useFormat()
  const { setChoice, now } = useScope()
  const count = of.buckets.length
  if (count === 0 || of.complete.every((one) => one === null)) return <p className="quiet">{t('sensors.no_coverage')}</p>
  const first = Date.parse(of.buckets[0]!)
  const last = Date.parse(of.buckets.at(-1)!) + of.step_seconds * 1000
  const long = last - first > 2.5 * 86_400_000
  const tick = (at: number) => (long ? day(at, lang) : hour(at, lang))
  const gaps = holes(sensor)
  const [began, ended] = lifetime(sensor)
  const there = (i: number) => Date.parse(of.buckets[i]!) + of.step_seconds * 1000 > began && Date.parse(of.buckets[i]!) < ended
  const word = (share: number | null) => (share === null ? t('coverage.none') : percent(share, 1))
  return (
    <div className="coverage">
      <svg viewBox={`0 0 ${count} 20`} preserveAspectRatio="none" role="img" aria-label={t('sensors.coverage')}>
        {of.complete.map((share, i) => (
          <g
            key={i}
            onClick={() =>
              setChoice({ kind: 'absolute', from: Date.parse(of.buckets[i]!), to: Date.parse(of.buckets[i]!) + of.step_seconds * 1000 })
            }
          >
            <title>{`${exact(Date.parse(of.buckets[i]!), lang)} · ${word(share)}`}</title>
            <rect className="coverage-back" x={i} width={1} height={20} />
            {(share !== null || there(i)) && (
              <rect
                className={`coverage-${kind(share)}`}
                x={i}
                width={1.02}
                y={share === null ? 18 : 20 - 20 * share}
                height={share === null ? 2 : 20 * share}
              />
            )}
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
          {gaps.map((gap) => (
            <li key={gap.from}>
              <button className="value" onClick={() => setChoice({ kind: 'absolute', from: gap.from, to: gap.to })}>
                {moment(gap.from, lang, now)} – {gap.to - gap.from < 43_200_000 ? hour(gap.to, lang) : moment(gap.to, lang, now)}
              </button>{' '}
              {gap.seen === null ? t('coverage.blind') : t('coverage.partial', { share: percent(gap.seen) })}
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
