import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRead } from '../../api/queries'
import type { EventFilter } from '../../api/schema'
import { kindOf } from '../../lib/eve'
import { useFormat, usePhone, useWords } from '../../ui/hooks'
import { Value } from '../../ui/value'

const FIELDS = ['event_type', 'src_ip', 'dest_ip', 'app_proto', 'dest_port', 'proto'] as const
/** Values shown before "more". */
const FEW = 6
const MANY = 30

/** The commonest values of a few fields, with their counts; a click opens their menu. */
export function Facets({ filter }: { filter: EventFilter }) {
  const { t } = useTranslation()
  const phone = usePhone()
  const list = FIELDS.map((field) => <Facet key={field} field={field} filter={filter} />)
  return phone ? (
    <details className="facets-phone">
      <summary>{t('explore.facets')}</summary>
      {list}
    </details>
  ) : (
    <aside className="facets" aria-label={t('explore.facets')} tabIndex={0}>
      {list}
    </aside>
  )
}

function Facet({ field, filter }: { field: string; filter: EventFilter }) {
  const { t } = useTranslation()
  const { compact } = useFormat()
  const words = useWords()
  const [many, setMany] = useState(false)
  const { data, error } = useRead('/events/facets', { query: { ...filter, field, limit: many ? MANY : FEW } })
  const top = data?.values[0]?.count ?? 1
  return (
    <section className="facet">
      <h3>
        {t(`field.${field}`)} {data && <span className="quiet">{compact(data.distinct)}</span>}
      </h3>
      {error && <p className="quiet">{error.message || t('state.failed')}</p>}
      {!data && !error && <div className="facet-wait" />}
      <ul>
        {data?.values.map((one) => (
          <li key={one.value}>
            <svg className="facet-bar" viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true">
              <rect width={(100 * one.count) / top} height="2" />
            </svg>
            <Value kind={kindOf(field)} field={field} value={one.value} label={words(field, one.value)} />
            <span className="figure">{compact(one.count)}</span>
          </li>
        ))}
      </ul>
      {data && data.distinct > FEW && (
        <button className="button-quiet" onClick={() => setMany(!many)}>
          {many ? t('explore.fewer') : t('explore.more')}
        </button>
      )}
    </section>
  )
}
