import { Link, useNavigate } from '@tanstack/react-router'
import { useMemo, useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useRead, useSettings } from '../../api/queries'
import type { Situation } from '../../api/schema'
import { PageHead } from '../../app/page'
import { useScope } from '../../app/scope'
import { moment } from '../../lib/format'
import { isBlind, type Range } from '../../lib/range'
import { protoTerm } from '../../lib/query'
import { kept, useUrl, within } from '../../lib/url'
import { Entities, Score, Severity, State, When } from '../../ui/bits'
import { Card } from '../../ui/card'
import { TimeChart } from '../../ui/chart'
import { Canary, Complete, Unwatched, useUnwatched } from '../../ui/health'
import { useFormat, usePhone } from '../../ui/hooks'
import { Icon, type IconName } from '../../ui/icons'
import { Widen } from '../../ui/range'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { Proto, Value } from '../../ui/value'

const LEVELS = ['critical', 'high', 'medium', 'low'] as const
/** News of a kind that are listed. */
const NEWS_SHOWN = 8
/** Protocols listed beside the chart. */
const PROTOCOLS_SHOWN = 8

export function SituationPage() {
  const { t } = useTranslation()
  const { params, range, now } = useScope()
  const { lang } = useFormat()
  const { data, error, refetch } = useRead('/situation', { query: params })
  const unwatched = useUnwatched()
  const blind = isBlind(unwatched, range, now)
  if (error && !data)
    return (
      <div className="page">
        <PageHead title={t('nav.situation')} />
        <Failed error={error} retry={() => void refetch()} />
      </div>
    )
  return (
    <div className="page">
      <PageHead
        title={t('nav.situation')}
        fresh="cases"
        sentence={
          data &&
          (blind
            ? `${t('situation.saw_nothing', { from: moment(range.from, lang, now), to: moment(Math.min(range.to, now), lang, now) })} ${data.cases.open > 0 ? data.sentence : ''}`
            : data.sentence)
        }
      />
      {!data ? (
        <Skeleton tall rows={10} />
      ) : (
        <div className="situation">
          <div className="situation-column">
            <OpenCases of={data.cases} />
            <Traffic of={data.traffic} unwatched={unwatched} />
          </div>
          <div className="situation-column">
            <Changes of={data.changes} />
            <Blind of={data.blind} canary={data.canary} traffic={data.traffic.protocols.length > 0} blind={blind} unwatched={unwatched} />
          </div>
        </div>
      )}
    </div>
  )
}

function OpenCases({ of }: { of: Situation['cases'] }) {
  const { t } = useTranslation()
  const { search } = useUrl()
  const navigate = useNavigate()
  const keep = kept(search)
  return (
    <Card
      className="situation-cases"
      title={t('situation.cases')}
      head={
        <>
          <ul className="levels">
            {LEVELS.filter((level) => of.by_severity[level] > 0).map((level) => (
              <li key={level}>
                <Link to="/cases" search={{ ...keep, severity: level } as never}>
                  <Severity level={level} /> <span className="figure">{of.by_severity[level]}</span>
                </Link>
              </li>
            ))}
          </ul>
          <Link to="/cases" search={keep as never} className="card-more">
            {t('situation.all_cases', { count: of.open })}
          </Link>
        </>
      }
    >
      {of.top.length === 0 ? (
        <Empty title={t('cases.none_open')}>
          <p>{t('cases.none_open_text')}</p>
        </Empty>
      ) : (
        <ul className="case-list">
          {of.top.map((one) => (
            <li
              key={one.id}
              className="case-item"
              onClick={() => void navigate({ to: '/cases/$id', params: { id: one.id }, search: within(search, one.dataset) as never })}
            >
              <div className="case-item-side">
                <Severity level={one.severity} />
                <Score of={one} />
              </div>
              <div className="case-item-main">
                <Link to="/cases/$id" params={{ id: one.id }} search={within(search, one.dataset) as never} className="case-item-title">
                  {one.title}
                </Link>
                <p className="case-item-summary">{one.summary}</p>
                <p className="facts-line quiet">
                  <Entities of={one} />
                  <State of={one.state} />
                  {one.owner && <span>{one.owner}</span>}
                  <When at={one.last_seen} />
                </p>
              </div>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

const CHANGES = ['devices', 'services', 'peers', 'protocols'] as const

function Changes({ of }: { of: Situation['changes'] }) {
  const { t } = useTranslation()
  const { search } = useUrl()
  const { params } = useScope()
  const { number } = useFormat()
  const settings = useSettings()
  const first = CHANGES.find((one) => of.totals[one] > 0) ?? 'devices'
  const [chosen, choose] = useState<(typeof CHANGES)[number] | null>(null)
  const kind = chosen ?? first
  const mixed = of.unexpected[kind] > 0
  const keep = kept(search)
  const addresses = useAddresses(kind === 'protocols' ? [] : of[kind].slice(0, NEWS_SHOWN))
  const nothing = CHANGES.every((one) => of.totals[one] === 0)
  return (
    <Card className="situation-changes" title={t('situation.changes')}>
      {nothing ? (
        <p className="empty-small">
          {t('situation.no_changes')}{' '}
          <Link to="/assets" search={{ ...keep, new: params.from, sort: '-first_seen' } as never}>
            {t('situation.all_first_seen')}
          </Link>
        </p>
      ) : (
        <>
          <div className="segments" role="group" aria-label={t('situation.changes')}>
            {CHANGES.map((one) => (
              <button key={one} aria-pressed={kind === one} onClick={() => choose(one)}>
                {t(`situation.${one}`)} <span className="quiet">{number(of.totals[one])}</span>
              </button>
            ))}
          </div>
          {of.unexpected[kind] < of.totals[kind] && (
            <p className="quiet changes-learning" title={settings.data && t('situation.learning', { hours: settings.data.known_after_hours })}>
              {t('situation.while_learning', { count: of.unexpected[kind], formatted: number(of.unexpected[kind]) })}
            </p>
          )}
          <ul className="change-list">
            {kind === 'devices' && of.devices.slice(0, NEWS_SHOWN).map((one) => <Novelty key={`${one.dataset} ${one.asset_id}`} of={one} address={addresses.get(one.asset_id)} icon="assets" expected={mixed && one.learning} />)}
            {kind === 'services' &&
              of.services.slice(0, NEWS_SHOWN).map((one, i) => (
                <Novelty key={i} of={one} address={addresses.get(one.asset_id)} icon="server" expected={mixed && one.learning}>
                  {one.proto}/<Value kind="port" field="dest_port" value={String(one.port)} />
                </Novelty>
              ))}
            {kind === 'peers' &&
              of.peers.slice(0, NEWS_SHOWN).map((one, i) => (
                <Novelty key={i} of={one} address={addresses.get(one.asset_id)} icon="map" expected={mixed && one.learning}>
                  <span className="arrow">→ </span>
                  <Value kind="ip" field="ip" value={one.peer} />
                </Novelty>
              ))}
            {kind === 'protocols' &&
              of.protocols.slice(0, NEWS_SHOWN).map((one, i) => (
                <Novelty key={i} of={one} icon="explore" expected={mixed && one.learning}>
                  <Proto of={one.app_proto} />
                </Novelty>
              ))}
          </ul>
          {kind === 'devices' && of.totals.devices > NEWS_SHOWN && (
            <Link to="/assets" search={{ ...keep, new: params.from, sort: '-first_seen' } as never} className="card-more">
              {t('situation.all_devices', { count: of.totals.devices, formatted: number(of.totals.devices) })}
            </Link>
          )}
        </>
      )}
    </Card>
  )
}

/** Machines looked up for their address; each list shows no more. */
const LOOKED_UP = 200

/** The addresses of machines that have no name, by their ids: a MAC address alone tells a person little. */
function useAddresses(list: readonly { asset_id: string; name: string }[]): ReadonlyMap<string, string> {
  const { dataset } = useScope()
  const nameless = list.some((one) => isMac(one.name))
  const { data } = useRead('/assets', { query: { dataset, sort: '-first_seen', limit: LOOKED_UP } }, { enabled: nameless })
  return useMemo(
    () => new Map((data?.items ?? []).flatMap((one) => (isMac(one.name) && one.ips[0] ? [[one.id, one.ips[0]] as const] : []))),
    [data],
  )
}
const isMac = (name: string) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(name)

/** A machine, and what is new of it. */
function Novelty({
  of,
  address,
  icon,
  expected,
  children,
}: {
  of: { asset_id: string; dataset: string; name: string; first_seen: string; learning: boolean }
  /** What it is called by where it has no name. */
  address?: string
  icon: IconName
  /** Whether to say that it came while its network was learnt: where others did not. */
  expected: boolean
  children?: ReactNode
}) {
  const { t } = useTranslation()
  return (
    <li>
      <Icon name={icon} />
      <span className="change-main">
        <Value kind="name" value={of.name} assetId={of.asset_id} dataset={of.dataset} label={address} />{' '}
        {children}
        {expected && <span className="tag">{t('asset.while_learning')}</span>}
      </span>
      <When at={of.first_seen} />
    </li>
  )
}

function Traffic({ of, unwatched }: { of: Situation['traffic']; unwatched: Range[] }) {
  const { t } = useTranslation()
  const { setChoice } = useScope()
  const { search } = useUrl()
  const { bytes, compact } = useFormat()
  const phone = usePhone()
  const [measure, setMeasure] = useState<'bytes' | 'flows'>('bytes')
  const top = Math.max(1, ...of.protocols.map((one) => one[measure]))
  const write = measure === 'bytes' ? bytes : compact
  const protocols = [...of.protocols].sort((a, b) => b[measure] - a[measure]).slice(0, PROTOCOLS_SHOWN)
  return (
    <Card
      className="situation-traffic"
      title={t('situation.traffic')}
      head={
        <div className="segments" role="group" aria-label={t('situation.measure')}>
          {(['bytes', 'flows'] as const).map((one) => (
            <button key={one} aria-pressed={measure === one} onClick={() => setMeasure(one)}>
              {t(`measure.${one}`)}
            </button>
          ))}
        </div>
      }
    >
      {of.protocols.length === 0 ? (
        <Empty icon="situation" title={t('situation.no_traffic')}>
          <Unwatched of={unwatched} />
          <p>{t('situation.no_traffic_text')}</p>
          <Widen />
        </Empty>
      ) : (
        <div className="traffic">
          <TimeChart
            label={t('situation.traffic')}
            buckets={of.buckets}
            stepSeconds={of.step_seconds}
            series={of.series.map((one) => ({
              key: one.key,
              label: t(`direction.${one.key}`, { defaultValue: one.key }),
              values: one[measure],
            }))}
            format={write}
            height={phone ? 130 : 200}
            unwatched={unwatched}
            onRange={(from, to) => setChoice({ kind: 'absolute', from, to })}
          />
          <table className="plain bars">
            <caption className="unseen">{t('situation.protocols')}</caption>
            <tbody>
              {protocols.map((one) => (
                <tr key={one.app_proto}>
                  <th scope="row">
                    <Proto of={one.app_proto} />
                  </th>
                  <td className="bars-cell">
                    <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                      <rect className="fill-0" width={Math.max(0.6, (100 * one[measure]) / top)} height="8" />
                    </svg>
                  </td>
                  <td className="figure">
                    <Link to="/explore" search={{ ...kept(search), q: protoTerm(one.app_proto) } as never}>
                      {write(one[measure])}
                    </Link>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  )
}

function Blind({
  of,
  canary,
  traffic,
  blind,
  unwatched,
}: {
  of: Situation['blind']
  canary: Situation['canary']
  traffic: boolean
  /** Nothing of the range was watched. */
  blind: boolean
  unwatched: Range[]
}) {
  const { t } = useTranslation()
  const { search } = useUrl()
  const { percent } = useFormat()
  return (
    <Card
      className="situation-blind"
      title={t('situation.blind')}
      head={
        <Link to="/sensors" search={kept(search) as never} className="card-more">
          {t('nav.sensors')}
        </Link>
      }
    >
      {canary && <Canary of={canary} />}
      {!blind && <Complete />}
      <Unwatched of={unwatched} />
      {of.length === 0 ? (
        // Silence that nobody listened to is no peace.
        (traffic || unwatched.length === 0) && <p className="empty-small">{t(traffic ? 'situation.not_blind' : 'situation.no_traffic')}</p>
      ) : (
        <ul className="blind">
          {of.map((one) => (
            <li key={one.key}>
              <span className="figure">{percent(one.share, one.share < 0.01 ? 1 : 0)}</span>
              <span>{one.text}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}
