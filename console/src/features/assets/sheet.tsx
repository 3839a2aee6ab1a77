import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRead } from '../../api/queries'
import { useShortcuts } from '../../app/keyboard'
import { PageHead } from '../../app/page'
import { useScope } from '../../app/scope'
import { moment } from '../../lib/format'
import { kept, useUrl } from '../../lib/url'
import { When } from '../../ui/bits'
import { Card } from '../../ui/card'
import { TimeChart } from '../../ui/chart'
import { useFormat } from '../../ui/hooks'
import { classIcon, Icon } from '../../ui/icons'
import { Failed, Skeleton } from '../../ui/states'
import { Proto, Value } from '../../ui/value'
import { CaseLines, Differences, Facts, Services } from './parts'
import { PeerGraph } from './peers'

/** A machine: what it is and how Vigie knows, what it does, and whether that is usual. */
export function AssetPage() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const { search } = useUrl()
  const { params, setChoice, now } = useScope()
  const { bytes, compact, number, lang } = useFormat()
  const navigate = useNavigate()
  const dataset = search.in ?? search.dataset
  const [measure, setMeasure] = useState<'flows' | 'bytes'>('flows')
  const detail = useRead('/assets/{id}', { names: { id }, query: { dataset } }, { keep: false })
  const during = { names: { id }, query: { dataset, from: params.from, to: params.to } }
  const peers = useRead('/assets/{id}/peers', during)
  const activity = useRead('/assets/{id}/activity', during)
  useShortcuts([{ keys: 'Escape', label: 'keys.back', run: () => void navigate({ to: '/assets', search: kept(search) as never }) }])

  if (detail.error)
    return (
      <div className="page">
        <Failed error={detail.error} retry={() => void detail.refetch()} />
      </div>
    )
  const of = detail.data
  if (!of)
    return (
      <div className="page">
        <Skeleton tall />
      </div>
    )
  const name = of.declared?.name || of.name
  const ip = of.ip ?? of.ips[0]
  const [first, last] = [Date.parse(of.first_seen), Date.parse(of.last_seen)]
  return (
    <div className="page page-sheet">
      <Link to="/assets" search={kept(search) as never} className="back">
        <Icon name="left" />
        {t('nav.assets')}
      </Link>
      <PageHead
        title={name}
        sentence={
          <span className="facts-line">
            <span className="asset-name">
              <Icon name={classIcon(of.class)} />
              {[t(`class.${of.class}`, { defaultValue: of.class }), of.vendor, of.os].filter(Boolean).join(', ')}
            </span>
            {ip && (
              <span>
                <Value kind="ip" field="ip" value={ip} assetId={of.id} dataset={of.dataset} />{' '}
                {of.ips.length > 1 && <span className="quiet">{t('asset.addresses', { count: of.ips.length - 1 })}</span>}
              </span>
            )}
            {of.new && <span className="tag tag-new">{t('asset.new')}</span>}
            {of.roles.map((role) => (
              <span key={role} className="tag">
                {t(`role.${role}`, { defaultValue: role })}
              </span>
            ))}
            <span>
              {t('asset.seen_from')} <When at={of.first_seen} form="moment" /> – <When at={of.last_seen} form="moment" />
            </span>
          </span>
        }
        actions={
          ip && (
            <Link to="/explore" search={{ ...kept(search), q: `ip:${ip}` } as never} className="button">
              <Icon name="explore" />
              {t('asset.explore')}
            </Link>
          )
        }
      />
      <Differences of={of} />
      <div className="sheet">
        {of.cases.length > 0 && (
          <Card className="sheet-wide sheet-all" title={t('nav.cases')}>
            <CaseLines of={of.cases} />
          </Card>
        )}
        <Card
          className="sheet-wide sheet-all"
          title={t('asset.activity')}
          head={
            <div className="segments" role="group" aria-label={t('situation.measure')}>
              {(['flows', 'bytes'] as const).map((one) => (
                <button key={one} aria-pressed={measure === one} onClick={() => setMeasure(one)}>
                  {t(`measure.${one}`)}
                </button>
              ))}
            </div>
          }
        >
          {activity.error && !activity.data ? (
            <Failed error={activity.error} retry={() => void activity.refetch()} />
          ) : !activity.data ? (
            <div className="chart-wait" />
          ) : activity.data.series.length === 0 ? (
            <>
              <p className="empty-small">
                {t('asset.no_activity')}{' '}
                {t('asset.seen_when', { from: moment(first, lang, now), to: moment(last, lang, now) })}
              </p>
              <button className="button" onClick={() => setChoice({ kind: 'absolute', from: first, to: last + 1000 })}>
                <Icon name="clock" />
                {t('asset.show_then')}
              </button>
            </>
          ) : (
            <TimeChart
              label={t('asset.activity')}
              buckets={activity.data.buckets}
              stepSeconds={activity.data.step_seconds}
              series={activity.data.series.map((one) => ({
                key: one.app_proto,
                label: one.app_proto || t('value.no_proto'),
                values: one[measure],
              }))}
              format={measure === 'bytes' ? bytes : compact}
              onRange={(from, to) => setChoice({ kind: 'absolute', from, to })}
            />
          )}
        </Card>
        <Card className="sheet-wide" title={t('asset.peers')}>
          {peers.error && !peers.data ? (
            <Failed error={peers.error} retry={() => void peers.refetch()} />
          ) : !peers.data ? (
            <Skeleton rows={4} />
          ) : (
            <PeerGraph id={id} name={name} of={peers.data} />
          )}
        </Card>
        <Card className="sheet-wide" title={t('asset.facts')}>
          <Facts of={of} />
          {of.declared && (
            <>
              <h3>{t('asset.declared')}</h3>
              <dl className="pairs">
                {(['name', 'class', 'owner', 'place', 'criticality'] as const).map((field) =>
                  of.declared?.[field] ? (
                    <div key={field}>
                      <dt>{t(`asset.${field}`)}</dt>
                      <dd>{of.declared[field]}</dd>
                    </div>
                  ) : null,
                )}
              </dl>
            </>
          )}
        </Card>
        <Card title={t('asset.offers')}>
          <Services of={of} brief />
        </Card>
        <Card title={t('asset.uses')}>
          {of.uses.length === 0 ? (
            <p className="quiet">{t('asset.no_uses')}</p>
          ) : (
            <table className="plain">
              <thead>
                <tr>
                  <th>{t('asset.service')}</th>
                  <th className="figure">{t('measure.flows')}</th>
                  <th>{t('asset.last')}</th>
                </tr>
              </thead>
              <tbody>
                {of.uses.map((one) => (
                  <tr key={`${one.proto} ${one.port}`}>
                    <td>
                      <Proto of={one.app_proto} />{' '}
                      <span className="quiet">
                        {one.proto}/<Value kind="port" field="dest_port" value={String(one.port)} />
                      </span>
                    </td>
                    <td className="figure">{number(one.flows)}</td>
                    <td>
                      <When at={one.last_seen} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Card>
        {of.changes.length > 0 && (
          <Card className="sheet-wide" title={t('asset.changes')}>
            <ol className="trail">
              {of.changes.map((one, i) => (
                <li key={i}>
                  <When at={one.ts} form="moment" /> <span>{one.text}</span>
                </li>
              ))}
            </ol>
          </Card>
        )}
      </div>
    </div>
  )
}
