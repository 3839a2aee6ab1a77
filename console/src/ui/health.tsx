import { useTranslation } from 'react-i18next'
import { useRead } from '../api/queries'
import type { Situation } from '../api/schema'
import { useScope } from '../app/scope'
import { moment } from '../lib/format'
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
