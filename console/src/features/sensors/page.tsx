import { useTranslation } from 'react-i18next'
import { useRead } from '../../api/queries'
import type { Sensor } from '../../api/schema'
import { PageHead } from '../../app/page'
import { useScope } from '../../app/scope'
import { moment } from '../../lib/format'
import { isBlind } from '../../lib/range'
import { When } from '../../ui/bits'
import { Card } from '../../ui/card'
import { Canary, useUnwatched } from '../../ui/health'
import { useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { Value } from '../../ui/value'
import { Wide } from '../../ui/wide'
import { Coverage, holes } from './coverage'

const PLACES = ['mirror', 'card', 'kernel', 'vigie'] as const

export function SensorsPage() {
  const { t } = useTranslation()
  const { params, range, datasets, now } = useScope()
  const { lang } = useFormat()
  const { data, error, isPending, refetch } = useRead('/sensors', { query: params })
  const away = useUnwatched()
  // What another source saw is no hole of the whole.
  const poor = data?.flatMap((one) => holes(one, range, now)).filter((one) => one.seen !== null) ?? []
  const blind = [...away, ...poor].sort((a, b) => a.from - b.from)
  const lossy = data?.filter((one) => one.loss.some((each) => each.count > 0)).length ?? 0
  const sentence = !data?.length
    ? undefined
    : isBlind(away, range, now)
      ? t('situation.saw_nothing', { from: moment(range.from, lang, now), to: moment(Math.min(range.to, now), lang, now) })
      : blind.length > 0
      ? t('sensors.sentence_holes', { count: blind.length, time: moment(blind.at(-1)!.from, lang, now) })
      : lossy > 0
        ? t('sensors.sentence_loss', { count: lossy })
        : !data.some((one) => datasets.find(({ name }) => name === one.dataset)?.kind === 'live')
          ? t('sensors.sentence_captures')
          : t(data.every((one) => one.coverage.buckets.length === 0) ? 'sensors.sentence_unmeasured' : 'sensors.sentence_whole')
  return (
    <div className="page">
      <PageHead title={t('nav.sensors')} sentence={sentence} ignoresRange={t('sensors.counters_ignore_range')} />
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
  const { number, compact, bytes, rate, percent } = useFormat()
  const { datasets } = useScope()
  // A capture was read as fast as it could be: its rate says nothing.
  const kind = datasets.find((one) => one.name === of.dataset)?.kind
  const isLive = kind === 'live'
  const reached = of.caps.filter((cap) => cap.count > 0)
  const counter = (name: string) => of.dissect.find((one) => one.name === name)?.count ?? 0
  const [told, untold] = [counter('told'), counter('unknown')]
  return (
    <Card
      className="sensor"
      title={of.name}
      head={
        <>
          {of.name !== of.dataset && <span className="tag">{of.dataset}</span>}
          {kind && <span className="tag">{t(`dataset.${kind}`)}</span>}
          <span className="card-more quiet">
            {of.first && of.last && (
              <>
                <When at={of.first} form="moment" /> – <When at={of.last} form="moment" />
              </>
            )}
          </span>
        </>
      }
    >
      <dl className="figures">
        <div>
          <dt>{t('sensors.rate')}</dt>
          <dd>{of.rate_bps && isLive ? rate(of.rate_bps) : t('sensors.read')}</dd>
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
          <dt>{t('sensors.recognised')}</dt>
          <dd title={t('sensors.recognised_text', { told: number(told), unknown: number(untold), given_up: number(counter('given_up')) })}>
            {told + untold > 0 ? percent(told / (told + untold)) : '–'}
          </dd>
        </div>
        <div>
          <dt>{t('sensors.memory')}</dt>
          <dd>
            {t('sensors.memory_of', { used: bytes(of.memory.used), budget: bytes(of.memory.budget) })}
            <svg
              className="meter"
              viewBox="0 0 100 4"
              preserveAspectRatio="none"
              role="img"
              aria-label={percent(of.memory.used / Math.max(1, of.memory.budget))}
            >
              <rect className="score-track" width="100" height="4" />
              <rect className="fill-0" width={Math.min(100, (100 * of.memory.used) / Math.max(1, of.memory.budget))} height="4" />
            </svg>
          </dd>
        </div>
      </dl>
      {of.canary && <Canary of={of.canary} />}
      {of.interfaces.length > 0 && (
        <>
          <h3>{t('sensors.interfaces')}</h3>
          <ul className="interfaces">
            {of.interfaces.map((one) => (
              <li key={one.name}>
                <Icon name={one.link === 'up' ? 'check' : 'warning'} /> <span className="mono">{one.name}</span>{' '}
                <span className="quiet">
                  {t(`sensors.link.${one.link}`, { defaultValue: one.link })} · {t('sensors.frames')} {compact(one.frames)}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      <h3>{t('sensors.coverage')}</h3>
      <Coverage of={of} />
      {of.files.length > 0 && (
        <details className="files">
          <summary>{t('sensors.files', { count: of.files_total })}</summary>
          <ul>
            {of.files.map((one) => (
              <li key={`${one.name} ${one.first}`}>
                <span className="mono">{one.name.split('/').at(-1)}</span>{' '}
                <span className="quiet">
                  <When at={one.first} form="moment" /> – <When at={one.last} form="moment" /> · {bytes(one.bytes)}
                </span>
              </li>
            ))}
            {of.files_total > of.files.length && <li className="quiet">{t('sensors.files_more', { count: of.files_total - of.files.length })}</li>}
          </ul>
        </details>
      )}
      <div className="sensor-grid">
        <div>
          <h3>{t('sensors.loss')}</h3>
          {of.loss.length === 0 ? (
            <p className="quiet">{t(of.coverage.stretches || of.coverage.complete.some((one) => one !== null) ? 'sensors.no_loss' : 'sensors.loss_unmeasured')}</p>
          ) : (
            <ul className="losses">
              {PLACES.map((place) => ({ place, all: of.loss.filter((one) => one.place === place) }))
                .filter(({ all }) => all.length > 0)
                .map(({ place, all }) => (
                  <li key={place} className={all.some((one) => one.count > 0) ? 'loss loss-some' : 'loss'}>
                    <Icon name={all.some((one) => one.count > 0) ? 'warning' : 'check'} />
                    <span>
                      <strong>{t(`place.${place}`)}</strong>
                      {[...new Set(all.map((one) => one.text))].map((text) => (
                        <span key={text}>
                          <br />
                          {text}
                        </span>
                      ))}
                      <span className="loss-counts">
                        {all
                          .filter((one) => one.count > 0)
                          .map((one) => (
                            <span key={one.key}>
                              {t(`loss.${one.key}`, { defaultValue: one.key })}{' '}
                              <span className="figure">{one.key.endsWith('bytes') ? bytes(one.count) : number(one.count)}</span>
                            </span>
                          ))}
                      </span>
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
            <Wide>
              <table className="plain">
                <thead>
                  <tr>
                    <th>{t('field.dest_port')}</th>
                    <th className="figure">{t('measure.flows')}</th>
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
                      <td className="mono first-bytes">{one.first_bytes}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Wide>
          )}
          <h3>{t('sensors.caps')}</h3>
          {reached.length === 0 ? (
            <p className="quiet">{t('sensors.no_caps')}</p>
          ) : (
            <ul>
              {reached.map((cap) => (
                <li key={cap.name}>
                  <span className="mono">{cap.name}</span>{' '}
                  <span className="quiet">{t('sensors.times', { count: cap.count, formatted: number(cap.count) })}</span>
                </li>
              ))}
            </ul>
          )}
        </div>
      </div>
    </Card>
  )
}
