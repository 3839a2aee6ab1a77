import { useTranslation } from 'react-i18next'
import { Link } from '@tanstack/react-router'
import { useRead } from '../../api/queries'
import type { Sensor } from '../../api/schema'
import { PageHead } from '../../app/page'
import { useScope } from '../../app/scope'
import { moment } from '../../lib/format'
import { term } from '../../lib/query'
import { kept, useUrl } from '../../lib/url'
import { When } from '../../ui/bits'
import { useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { Value } from '../../ui/value'
import { Coverage, holes } from './coverage'

const PLACES = ['mirror', 'card', 'kernel', 'vigie'] as const

export function SensorsPage() {
  const { t } = useTranslation()
  const { params, now } = useScope()
  const { lang } = useFormat()
  const { data, error, isPending, refetch } = useRead<Sensor[]>('/sensors', params)
  const blind = data?.flatMap((one) => holes(one).map((hole) => ({ ...hole, name: one.name }))) ?? []
  const sentence = data && (data.length === 0 ? undefined : data.every((one) => one.coverage.buckets.length === 0) ? t('sensors.sentence_unmeasured') : blind.length === 0 ? t('sensors.sentence_whole') : t('sensors.sentence_holes', { count: blind.length, time: moment(blind.at(-1)!.from, lang, now) }))
  return (
    <div className="page">
      <PageHead title={t('nav.sensors')} sentence={sentence} />
      {error && !data ? (
        <Failed error={error} retry={() => void refetch()} />
      ) : isPending || !data ? (
        <Skeleton tall />
      ) : data.length === 0 ? (
        <Empty icon="sensors" title={t('sensors.none')}>
          <p>{t('sensors.none_text')}</p>
        </Empty>
      ) : (
        data.map((one) => <SensorCard key={`${one.dataset} ${one.name}`} of={one} />)
      )}
    </div>
  )
}

function SensorCard({ of }: { of: Sensor }) {
  const { t } = useTranslation()
  const { search } = useUrl()
  const { number, compact, bytes, rate, percent } = useFormat()
  const reached = of.caps.filter((cap) => cap.count > 0)
  return (
    <section className="card sensor">
      <header className="card-head">
        <h2>{of.name}</h2>
        <span className="tag">{of.dataset}</span>
        <span className="card-more quiet">
          <When at={of.first} form="moment" /> – <When at={of.last} form="moment" />
        </span>
      </header>
      <dl className="figures">
        <div>
          <dt>{t('sensors.rate')}</dt>
          <dd>{of.rate_bps ? rate(of.rate_bps) : t('sensors.read')}</dd>
        </div>
        <div>
          <dt>{t('sensors.frames')}</dt>
          <dd title={number(of.frames)}>{compact(of.frames)}</dd>
        </div>
        <div>
          <dt>{t('measure.bytes')}</dt>
          <dd>{bytes(of.bytes)}</dd>
        </div>
        <div>
          <dt>{t('sensors.lost')}</dt>
          <dd>{number(of.loss.reduce((sum, one) => sum + one.count, 0))}</dd>
        </div>
        <div>
          <dt>{t('sensors.memory')}</dt>
          <dd>
            {t('sensors.memory_of', { used: bytes(of.memory.used), budget: bytes(of.memory.budget) })}
            <svg className="meter" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label={percent(of.memory.used / Math.max(1, of.memory.budget))}>
              <rect className="score-track" width="100" height="4" />
              <rect className="fill-0" width={Math.min(100, (100 * of.memory.used) / Math.max(1, of.memory.budget))} height="4" />
            </svg>
          </dd>
        </div>
      </dl>
      <h3>{t('sensors.coverage')}</h3>
      <Coverage of={of} />
      <div className="sensor-grid">
        <div>
          <h3>{t('sensors.loss')}</h3>
          {of.loss.length === 0 ? (
            <p className="quiet">{t('sensors.no_loss')}</p>
          ) : (
            <ul className="losses">
              {PLACES.flatMap((place) => of.loss.filter((one) => one.place === place)).map((one) => (
                <li key={`${one.place} ${one.key}`} className={one.count > 0 ? 'loss loss-some' : 'loss'}>
                  <Icon name={one.count > 0 ? 'warning' : 'check'} />
                  <span>
                    <strong>{t(`place.${one.place}`)}</strong> <span className="figure">{number(one.count)}</span>
                    <br />
                    {one.text}
                  </span>
                </li>
              ))}
            </ul>
          )}
        </div>
        <div>
          <h3>{t('sensors.unknown')}</h3>
          {of.unknown.length === 0 ? (
            <p className="quiet">{t('sensors.no_unknown')}</p>
          ) : (
            <div className="scroll-x" tabIndex={0}>
              <table className="plain">
                <thead>
                  <tr>
                    <th>{t('field.dest_port')}</th>
                    <th className="figure">{t('measure.flows')}</th>
                    <th className="figure">{t('measure.bytes')}</th>
                    <th>{t('sensors.first_bytes')}</th>
                  </tr>
                </thead>
                <tbody>
                  {of.unknown.map((one) => (
                    <tr key={`${one.proto} ${one.port} ${one.first_bytes}`}>
                      <td>
                        {one.proto}/<Value kind="port" field="dest_port" value={String(one.port)} />
                      </td>
                      <td className="figure">{number(one.flows)}</td>
                      <td className="figure">{bytes(one.bytes)}</td>
                      <td className="mono">{one.first_bytes}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          {of.parse_failures.length > 0 && (
            <>
              <h3>{t('sensors.failures')}</h3>
              <ul className="tags">
                {of.parse_failures.map((one) => (
                  <li key={one.app_proto}>
                    <Link to="/explore" search={{ ...kept(search), q: term('app_proto', one.app_proto) } as never} className="tag">
                      {one.app_proto} {number(one.count)}
                    </Link>
                  </li>
                ))}
              </ul>
            </>
          )}
          <h3>{t('sensors.caps')}</h3>
          {reached.length === 0 ? (
            <p className="quiet">{t('sensors.no_caps')}</p>
          ) : (
            <ul>
              {reached.map((cap) => (
                <li key={cap.name}>
                  <span className="mono">{cap.name}</span> <span className="quiet">{t('sensors.times', { count: cap.count, formatted: number(cap.count) })}</span>
                </li>
              ))}
            </ul>
          )}
        </div>
      </div>
    </section>
  )
}
