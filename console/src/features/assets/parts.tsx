import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { AssetDetail, CaseRow } from '../../api/schema'
import type { ValueKind } from '../../ui/value'
import { useUrl, within } from '../../lib/url'
import { Severity, State, When } from '../../ui/bits'
import { useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Value } from '../../ui/value'
import { Wide } from '../../ui/wide'

const KINDS: Record<string, ValueKind> = { ip: 'ip', mac: 'mac', name: 'name', hostname: 'name', user: 'user' }

/** What is known of a machine, each fact with its source and how sure it is. */
export function Facts({ of, brief = false }: { of: AssetDetail; brief?: boolean }) {
  const { t } = useTranslation()
  const { percent } = useFormat()
  return (
    <Wide>
      <table className="plain">
        <thead>
          <tr>
            <th>{t('fact.what')}</th>
            <th>{t('fact.value')}</th>
            <th>{t('fact.why')}</th>
            <th className="figure">{t('fact.confidence')}</th>
            {!brief && <th>{t('asset.last')}</th>}
          </tr>
        </thead>
        <tbody>
          {of.mac && (
            <tr>
              <td className="quiet">MAC</td>
              <td>
                <Value kind="mac" field="mac" value={of.mac} assetId={of.id} dataset={of.dataset} />
              </td>
              <td className="quiet">{t('fact.frames')}</td>
              <td />
              {!brief && <td />}
            </tr>
          )}
          {of.addresses.map((one) => (
            <tr key={one.ip}>
              <td className="quiet">{t('asset.address')}</td>
              <td>
                <Value kind="ip" field="ip" value={one.ip} assetId={of.id} dataset={of.dataset} />
              </td>
              <td className="quiet">{t('fact.frames')}</td>
              <td />
              {!brief && (
                <td>
                  <When at={one.last_seen} />
                </td>
              )}
            </tr>
          ))}
          {of.facts.map((fact, i) => (
            <tr key={i}>
              <td className="quiet">{t(`fact_key.${fact.key}`, { defaultValue: fact.key })}</td>
              <td>
                <Value
                  kind={KINDS[fact.key] ?? 'text'}
                  value={fact.value}
                  label={
                    fact.key === 'class'
                      ? t(`class.${fact.value}`, { defaultValue: fact.value })
                      : fact.key === 'role'
                        ? t(`role.${fact.value}`, { defaultValue: fact.value })
                        : undefined
                  }
                />
              </td>
              <td className="quiet">
                {fact.reason ?? ''} <span className="tag">{fact.source}</span>
              </td>
              <td className="figure">{percent(fact.confidence / 100)}</td>
              {!brief && (
                <td>
                  <When at={fact.last_seen} />
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  )
}

export function Services({ of, brief = false }: { of: AssetDetail; brief?: boolean }) {
  const { t } = useTranslation()
  const { number } = useFormat()
  if (of.services_list.length === 0) return <p className="quiet">{t('asset.no_services')}</p>
  return (
    <Wide>
      <table className="plain">
        <thead>
          <tr>
            <th>{t('asset.service')}</th>
            <th>{t('asset.software')}</th>
            <th className="figure">{t('asset.clients')}</th>
            {!brief && <th className="figure">{t('measure.flows')}</th>}
            {!brief && <th>{t('asset.first')}</th>}
            {!brief && <th>{t('asset.last')}</th>}
          </tr>
        </thead>
        <tbody>
          {of.services_list.map((one) => (
            <tr key={`${one.proto} ${one.port}`}>
              <td>
                <Value kind="proto" field="app_proto" value={one.app_proto || 'unknown'} />{' '}
                <span className="quiet">
                  {one.proto}/<Value kind="port" field="dest_port" value={String(one.port)} />
                </span>{' '}
                {one.new && <span className="tag tag-new">{t('asset.new_service')}</span>}
              </td>
              <td>{one.software ?? <span className="quiet">–</span>}</td>
              <td className="figure">{number(one.clients)}</td>
              {!brief && <td className="figure">{number(one.flows)}</td>}
              {!brief && (
                <td>
                  <When at={one.first_seen} />
                </td>
              )}
              {!brief && (
                <td>
                  <When at={one.last_seen} />
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  )
}

export function CaseLines({ of }: { of: CaseRow[] }) {
  const { search } = useUrl()
  return (
    <ul className="case-lines">
      {of.map((one) => (
        <li key={one.id}>
          <Severity level={one.severity} word={false} />
          <Link to="/cases/$id" params={{ id: one.id }} search={within(search, one.dataset) as never}>
            {one.title}
          </Link>
          <State of={one.state} />
          <When at={one.last_seen} />
        </li>
      ))}
    </ul>
  )
}

export function Differences({ of }: { of: AssetDetail }) {
  const { t } = useTranslation()
  if (of.differences.length === 0) return null
  return (
    <ul className="differences">
      {of.differences.map((one) => (
        <li key={one.field}>
          <Icon name="warning" />
          {t('asset.difference', {
            field: t(`asset.${one.field}`, { defaultValue: one.field }),
            declared: one.declared,
            observed: one.observed,
          })}
        </li>
      ))}
    </ul>
  )
}
