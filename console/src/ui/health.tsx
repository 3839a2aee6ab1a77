import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { useRead } from '../api/queries'
import type { Situation } from '../api/schema'
import { useScope } from '../app/scope'
import { moment } from '../lib/format'
import { SHORT, stretches, unwatched, type Range } from '../lib/range'
import { useClock } from './bits'
import { useFormat } from './hooks'
import { Icon } from './icons'

const HOUR = 3_600_000

/** How whole what is shown is: nothing where that is not known (a capture that was read, a time without traffic). */
export function Complete() {
  const { t } = useTranslation()
  const { params, range, datasets, dataset } = useScope()
  const { percent } = useFormat()
  const live = datasets.find((one) => one.kind === 'live' && (!dataset || one.name === dataset))
  const { data } = useRead('/coverage', { query: { ...params, dataset: live?.name } }, { enabled: !!live })
  if (!live || data?.overall == null) return null
  // Never rounded up to whole.
  const share = percent(Math.floor(data.overall * 1000) / 1000, 1)
  const whole = data.overall >= 0.99
  return (
    <p className={whole ? 'complete quiet' : 'complete'} title={t('coverage.complete_text')}>
      <Icon name={whole ? 'check' : 'warning'} />
      {t(range.to - range.from <= HOUR + 60_000 ? 'coverage.complete_hour' : 'coverage.complete', { share })}
    </p>
  )
}

/** When within the range nothing was captured: no sensor ran, and no capture that was read tells of it. None while that is not known. */
export function useUnwatched(): Range[] {
  const { params, range, datasets, dataset } = useScope()
  const now = useClock()
  const asked = datasets.filter((one) => !dataset || one.name === dataset)
  const live = asked.find((one) => one.kind === 'live')
  const { data } = useRead('/coverage', { query: { ...params, dataset: live?.name } }, { enabled: !!live, keep: false })
  return useMemo(() => {
    if (live && !data) return []
    const spans = asked.flatMap((one) => stretches(one.covered))
    const step = (data?.step_seconds ?? 0) * 1000
    const began = live?.first ? Date.parse(live.first) : 0
    data?.buckets.forEach((at, i) => {
      const from = Date.parse(at)
      const ran = data.ran[i] ?? 0
      // The first bar is partly before the sensor's first word, the last is not over: both are watched as far as they go.
      if (ran >= 0.5 || (ran > 0 && (i === 0 || i === data.buckets.length - 1)))
        spans.push({ from: Math.max(from, began), to: from + step })
    })
    return unwatched(range, spans, now - SHORT).filter((one) => one.to - one.from > SHORT)
  }, [live, data, datasets, dataset, range, now])
}

/** Says when nothing was captured; nothing where all of the range was watched. */
export function Unwatched({ of }: { of: Range[] }) {
  const { t } = useTranslation()
  const { now } = useScope()
  const { lang } = useFormat()
  if (of.length === 0) return null
  return (
    <ul className="unwatched">
      {of.slice(0, UNWATCHED_SHOWN).map((one) => (
        <li key={one.from}>
          <Icon name="warning" />
          {t('coverage.unwatched', { from: moment(one.from, lang, now), to: moment(one.to, lang, now) })}
        </li>
      ))}
      {of.length > UNWATCHED_SHOWN && <li>{t('coverage.unwatched_more', { count: of.length - UNWATCHED_SHOWN })}</li>}
    </ul>
  )
}

const UNWATCHED_SHOWN = 3

/** Whether silence can be trusted: green only while the canary arrives. */
export function Canary({ of }: { of: NonNullable<Situation['canary']> }) {
  const { t } = useTranslation()
  const { now } = useScope()
  const { lang } = useFormat()
  const good = of.state === 'arrives'
  const time = of.last ? moment(Date.parse(of.last), lang, now) : ''
  return (
    <p className={good ? 'canary canary-good' : 'canary'}>
      <Icon name={good ? 'check' : of.state === 'awaited' ? 'clock' : 'warning'} />
      {t(`situation.canary.${of.state}`, { time, defaultValue: of.state })}
    </p>
  )
}
