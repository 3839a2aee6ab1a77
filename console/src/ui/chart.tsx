import { useEffect, useId, useMemo, useRef, useState, type PointerEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { day, exact, hour } from '../lib/format'
import type { Range } from '../lib/range'
import { useFormat } from './hooks'
import { Icon } from './icons'

export interface Series {
  key: string
  label: string
  values: number[]
}

interface Props {
  label: string
  buckets: string[]
  stepSeconds: number
  series: Series[]
  /** How an amount is written. */
  format: (value: number) => string
  height?: number
  /** Stretches in which nothing was measured: hatched, for they are not zero. */
  unwatched?: Range[]
  /** A brush or a click chooses a range. */
  onRange?: (from: number, to: number) => void
}

/** Series beyond these are summed into "others": more shades cannot be told apart. */
const SERIES_MAX = 6
const LEFT = 56
const BOTTOM = 20
const TOP = 6

/** Stacked amounts over time, from zero. Hover shows the figures, a brush chooses a range; the table is one click away. */
export function TimeChart({ label, buckets, stepSeconds, series, format, height = 140, unwatched = [], onRange }: Props) {
  const { t } = useTranslation()
  const { lang } = useFormat()
  const frame = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  const [at, setAt] = useState<number | null>(null)
  const [brush, setBrush] = useState<{ start: number; end: number } | null>(null)
  const [asTable, setAsTable] = useState(false)
  const clip = useId()

  useEffect(() => {
    const node = frame.current
    if (!node) return
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)))
    observer.observe(node)
    return () => observer.disconnect()
  }, [])

  const shown = useMemo(() => fold(series, t('chart.others')), [series, t])
  const totals = useMemo(() => buckets.map((_, i) => shown.reduce((sum, one) => sum + (one.values[i] ?? 0), 0)), [buckets, shown])
  const top = niceTop(Math.max(1, ...totals))
  const inner = Math.max(0, width - LEFT - 4)
  const plot = height - TOP - BOTTOM
  const step = buckets.length ? inner / buckets.length : 0
  const gap = step > 5 ? 1 : step > 3 ? 0.5 : 0
  const times = useMemo(() => buckets.map((one) => Date.parse(one)), [buckets])
  const ticks = useMemo(() => timeTicks(times, stepSeconds * 1000, inner), [times, stepSeconds, inner])

  // In pixels; the last bar may reach beyond the range.
  const place = (time: number) => LEFT + (step * (time - (times[0] ?? 0))) / (stepSeconds * 1000)
  const blind = (time: number) => unwatched.some((one) => one.from <= time && time + stepSeconds * 1000 <= one.to + 1000)
  const indexOf = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect()
    return Math.max(0, Math.min(buckets.length - 1, Math.floor((event.clientX - box.left - LEFT) / (step || 1))))
  }
  const choose = () => {
    if (!brush || !onRange) return
    const [a, b] = [Math.min(brush.start, brush.end), Math.max(brush.start, brush.end)]
    const from = times[a]
    const to = times[b]
    setBrush(null)
    if (from !== undefined && to !== undefined) onRange(from, to + stepSeconds * 1000)
  }

  return (
    <figure className="chart">
      <figcaption className="chart-head">
        <span className="unseen">{label}</span>
        <ul className="legend">
          {shown.map((one, i) => (
            <li key={one.key}>
              <svg width="10" height="10" aria-hidden="true">
                <rect className={`fill-${one.key === OTHERS ? 'others' : i}`} width="10" height="10" rx="2" />
              </svg>
              {one.label}
            </li>
          ))}
          {unwatched.length > 0 && (
            <li>
              <svg width="10" height="10" aria-hidden="true">
                <path className="hatch" d="M0 10 10 0M0 4 4 0M6 10 10 6" />
              </svg>
              {t('chart.unwatched')}
            </li>
          )}
        </ul>
        <button className="button-quiet" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
          <Icon name={asTable ? 'count' : 'table'} />
          {asTable ? t('chart.picture') : t('chart.table')}
        </button>
      </figcaption>
      {asTable ? (
        <div className="chart-table" tabIndex={0} role="region" aria-label={label}>
          <table className="plain">
            <thead>
              <tr>
                <th>{t('chart.time')}</th>
                {shown.map((one) => (
                  <th key={one.key} className="figure">
                    {one.label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times.map((time, i) =>
                totals[i] ? (
                  <tr key={time}>
                    <td>{exact(time, lang)}</td>
                    {shown.map((one) => (
                      <td key={one.key} className="figure">
                        {format(one.values[i] ?? 0)}
                      </td>
                    ))}
                  </tr>
                ) : null,
              )}
            </tbody>
          </table>
        </div>
      ) : (
        <div className="chart-frame" ref={frame}>
          {width > 0 && (
            <svg
              width={width}
              height={height}
              role="img"
              aria-label={label}
              className={onRange ? 'chart-plot chart-brush' : 'chart-plot'}
              onPointerMove={(event) => {
                const i = indexOf(event)
                setAt(i)
                if (brush) setBrush({ ...brush, end: i })
              }}
              onPointerLeave={() => setAt(null)}
              onPointerDown={(event) => {
                if (!onRange || event.button !== 0) return
                event.currentTarget.setPointerCapture(event.pointerId)
                const i = indexOf(event)
                setBrush({ start: i, end: i })
              }}
              onPointerUp={choose}
              onPointerCancel={() => setBrush(null)}
            >
              <clipPath id={clip}>
                <rect x={LEFT} y={0} width={inner} height={height} />
              </clipPath>
              {[0, 0.5, 1].map((share) => (
                <g key={share}>
                  <line className="grid" x1={LEFT} x2={width - 4} y1={TOP + plot * (1 - share) + 0.5} y2={TOP + plot * (1 - share) + 0.5} />
                  <text className="tick" x={LEFT - 8} y={TOP + plot * (1 - share) + 4} textAnchor="end">
                    {format(top * share)}
                  </text>
                </g>
              ))}
              <pattern id={`${clip}hatch`} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                <line className="hatch" x1="0" y1="0" x2="0" y2="6" />
              </pattern>
              <g clipPath={`url(#${clip})`}>
                {unwatched.map((one) => (
                  <rect
                    key={one.from}
                    className="unwatched-time"
                    x={place(one.from)}
                    width={Math.max(0, place(one.to) - place(one.from))}
                    y={TOP}
                    height={plot}
                    fill={`url(#${clip}hatch)`}
                  />
                ))}
                {buckets.map((bucket, i) => {
                  let y = TOP + plot
                  return (
                    <g key={bucket} className={at === i ? 'bar bar-at' : 'bar'}>
                      {shown.map((one, s) => {
                        const h = ((one.values[i] ?? 0) / top) * plot
                        if (h <= 0) return null
                        y -= h
                        // What is there must be seen, however small beside the rest.
                        return (
                          <rect
                            key={one.key}
                            className={`fill-${one.key === OTHERS ? 'others' : s}`}
                            x={LEFT + i * step}
                            y={h < 1 ? y - (1 - h) : y}
                            width={Math.max(0.5, step - gap)}
                            height={Math.max(1, h)}
                          />
                        )
                      })}
                    </g>
                  )
                })}
                {brush && (
                  <rect
                    className="brush"
                    x={LEFT + Math.min(brush.start, brush.end) * step}
                    width={(Math.abs(brush.end - brush.start) + 1) * step}
                    y={0}
                    height={TOP + plot}
                  />
                )}
              </g>
              {ticks.map((i) => (
                <text key={i} className="tick" x={LEFT + i * step} y={height - 5} textAnchor={i === 0 ? 'start' : 'middle'}>
                  {tickText(times[i]!, stepSeconds, times, lang)}
                </text>
              ))}
              {at !== null && !brush && (
                <line className="cursor" x1={LEFT + (at + 0.5) * step} x2={LEFT + (at + 0.5) * step} y1={TOP} y2={TOP + plot} />
              )}
            </svg>
          )}
          {at !== null && times[at] !== undefined && (
            <div className={at > buckets.length / 2 ? 'chart-tip chart-tip-left' : 'chart-tip chart-tip-right'}>
              <p>{exact(times[at], lang)}</p>
              {shown.map((one) =>
                one.values[at] ? (
                  <p key={one.key} className="chart-tip-row">
                    <span>{one.label}</span>
                    <span className="figure">{format(one.values[at])}</span>
                  </p>
                ) : null,
              )}
              {totals[at] === 0 && <p className="quiet">{t(blind(times[at]) ? 'chart.unwatched' : 'chart.nothing')}</p>}
            </div>
          )}
        </div>
      )}
    </figure>
  )
}

const OTHERS = '\u0000others'

function fold(series: Series[], others: string): Series[] {
  const sum = (one: Series) => one.values.reduce((a, b) => a + b, 0)
  const sorted = [...series].sort((a, b) => sum(b) - sum(a) || (a.key < b.key ? -1 : 1))
  if (sorted.length <= SERIES_MAX) return sorted
  const rest = sorted.slice(SERIES_MAX - 1)
  const length = Math.max(...rest.map((one) => one.values.length))
  const values = Array.from({ length }, (_, i) => rest.reduce((total, one) => total + (one.values[i] ?? 0), 0))
  return [...sorted.slice(0, SERIES_MAX - 1), { key: OTHERS, label: others, values }]
}

/** The next of 1, 2, 4, 5, 8 times a power of ten: its half is legible too. */
export function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const step = [1, 2, 4, 5, 8, 10].find((one) => one * power >= value) ?? 10
  return step * power
}

/** Beyond this length a label is a day, below it an hour. */
const LONG = 2.5 * 86_400_000

/** Buckets that get a label: whole hours or days of the reader's zone, far enough apart. */
function timeTicks(times: number[], stepMs: number, width: number): number[] {
  const first = times[0]
  const last = times.at(-1)
  if (first === undefined || last === undefined || width <= 0) return []
  const span = last + stepMs - first
  const room = Math.max(1, Math.floor(width / 84))
  const MINUTE = 60_000
  // Labels that are days must not say the same day twice.
  const least = span > LONG ? 1440 * MINUTE : 0
  const unit = [
    MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    60 * MINUTE,
    180 * MINUTE,
    360 * MINUTE,
    720 * MINUTE,
    1440 * MINUTE,
    2880 * MINUTE,
    10080 * MINUTE,
  ].find((one) => one >= least && span / one <= room)
  if (!unit) return [0]
  const found: number[] = []
  let before = -1
  times.forEach((time, i) => {
    const local = time - new Date(time).getTimezoneOffset() * MINUTE
    const cell = Math.floor(local / unit)
    if (i > 0 && cell !== before && ((i * stepMs) / span) * width > 40) found.push(i)
    before = cell
  })
  return found
}

function tickText(time: number, stepSeconds: number, times: number[], lang: string): string {
  const span = times.at(-1)! - times[0]!
  const date = new Date(time)
  const midnight = date.getHours() * 60 + date.getMinutes() < stepSeconds / 60
  return span > LONG || midnight ? day(time, lang) : hour(time, lang)
}
