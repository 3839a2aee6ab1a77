import { Link } from '@tanstack/react-router'
import type { TFunction } from 'i18next'
import { useTranslation } from 'react-i18next'
import type { AssetDetail, CaseRow } from '../../api/schema'
import type { ValueKind } from '../../ui/value'
import { protocol } from '../../lib/format'
import { useUrl, within } from '../../lib/url'
import { Severity, State, When } from '../../ui/bits'
import { useFormat, usePhone } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Proto, Value } from '../../ui/value'
import { Wide } from '../../ui/wide'

const KINDS: Record<string, ValueKind> = { ip: 'ip', mac: 'mac', hostname: 'name', fqdn: 'name', user: 'user', lease: 'ip' }
/** What a person asks of a machine, in this order; the rest are traces that it was concluded from. */
const MAIN = ['class', 'os', 'role', 'vendor', 'model', 'name', 'hostname', 'fqdn', 'user']

interface Known {
  key: string
  value: string
  confidence: number | null
  /** How Vigie knows: a sentence, or the protocol that said it. */
  why: string[]
  seen: string | null
}

/** Facts of one key and value as one, the surest of a key first. */
function gathered(facts: AssetDetail['facts'], t: TFunction): Known[] {
  const found = new Map<string, Known>()
  for (const fact of facts) {
    const id = `${fact.key} ${fact.value}`
    const one = found.get(id) ?? { key: fact.key, value: fact.value, confidence: 0, why: [], seen: fact.last_seen }
    const why = fact.reason || t('fact.said_in', { protocol: protocol(fact.source) })
    if (!one.why.includes(why)) one.why.push(why)
    one.confidence = Math.max(one.confidence ?? 0, fact.confidence)
    if ((one.seen ?? '') < fact.last_seen) one.seen = fact.last_seen
    found.set(id, one)
  }
  const rank = (key: string) => (MAIN.includes(key) ? MAIN.indexOf(key) : MAIN.length)
  return [...found.values()].sort(
    (a, b) => rank(a.key) - rank(b.key) || a.key.localeCompare(b.key) || (b.confidence ?? 0) - (a.confidence ?? 0),
  )
}

/** What is known of a machine, each fact with how Vigie knows and how sure it is. */
export function Facts({ of, brief = false }: { of: AssetDetail; brief?: boolean }) {
  const { t } = useTranslation()
  const phone = usePhone()
  const all = gathered(of.facts, t)
  const frames = { confidence: null, why: [t('fact.frames')] }
  const main: Known[] = [
    ...(of.mac ? [{ key: 'mac', value: of.mac, seen: null, ...frames }] : []),
    ...of.addresses.map((one) => ({ key: 'ip', value: one.ip, seen: one.last_seen, ...frames })),
    ...all.filter((one) => MAIN.includes(one.key)),
  ]
  const traces = all.filter((one) => !MAIN.includes(one.key))
  if (brief) return <FactLines of={of} list={main} />
  const Listed = phone ? FactLines : FactTable
  return (
    <>
      <Listed of={of} list={main} />
      {traces.length > 0 && (
        <details className="traces">
          <summary>{t('fact.traces', { count: traces.length })}</summary>
          <Listed of={of} list={traces} />
        </details>
      )}
    </>
  )
}

function FactValue({ of, fact }: { of: AssetDetail; fact: Known }) {
  const { t } = useTranslation()
  const kind = KINDS[fact.key] ?? 'text'
  return (
    <Value
      kind={kind}
      field={kind === 'ip' || kind === 'mac' ? kind : undefined}
      value={fact.value}
      assetId={kind === 'text' ? undefined : of.id}
      dataset={of.dataset}
      label={fact.key === 'class' || fact.key === 'role' ? t(`${fact.key}.${fact.value}`, { defaultValue: fact.value }) : undefined}
    />
  )
}

const factName = (t: TFunction, key: string) => t(`fact_key.${key}`, { defaultValue: key })

function FactLines({ of, list }: { of: AssetDetail; list: Known[] }) {
  const { t } = useTranslation()
  const { percent } = useFormat()
  return (
    <dl className="fact-lines">
      {list.map((fact) => (
        <div key={`${fact.key} ${fact.value}`}>
          <dt>{factName(t, fact.key)}</dt>
          <dd>
            <FactValue of={of} fact={fact} />
            <span className="fact-why">
              {fact.why.join(t('fact.join'))}
              {fact.confidence !== null && `, ${percent(fact.confidence / 100)}`}
            </span>
          </dd>
        </div>
      ))}
    </dl>
  )
}

function FactTable({ of, list }: { of: AssetDetail; list: Known[] }) {
  const { t } = useTranslation()
  const { percent } = useFormat()
  return (
    <Wide>
      <table className="plain facts-table">
        <thead>
          <tr>
            <th>{t('fact.what')}</th>
            <th>{t('fact.value')}</th>
            <th>{t('fact.why')}</th>
            <th className="figure">{t('fact.confidence')}</th>
            <th>{t('asset.last')}</th>
          </tr>
        </thead>
        <tbody>
          {list.map((fact) => (
            <tr key={`${fact.key} ${fact.value}`}>
              <td className="quiet">{factName(t, fact.key)}</td>
              <td>
                <FactValue of={of} fact={fact} />
              </td>
              <td className="quiet">{fact.why.join(t('fact.join'))}</td>
              <td className="figure">{fact.confidence !== null && percent(fact.confidence / 100)}</td>
              <td>{fact.seen && <When at={fact.seen} />}</td>
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
                <Proto of={one.app_proto} />{' '}
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
