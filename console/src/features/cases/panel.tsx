import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useRead } from '../../api/queries'
import type { CaseRow } from '../../api/schema'
import { useUrl, within } from '../../lib/url'
import { Reasons, Roles, Severity, State, When } from '../../ui/bits'
import { Icon } from '../../ui/icons'
import { SidePanel } from '../../ui/panel'
import { Failed, Skeleton } from '../../ui/states'
import { CaseActions } from './actions'

/** A case beside the list: enough to decide whether to read the whole. */
export function CasePanel({
  id,
  dataset,
  row,
  onClose,
}: {
  id: string
  dataset: string | undefined
  row: CaseRow | undefined
  onClose: () => void
}) {
  const { t } = useTranslation()
  const { search } = useUrl()
  const detail = useRead('/cases/{id}', { names: { id }, query: { dataset } }, { keep: false })
  const known = detail.data ?? row
  return (
    <SidePanel title={known?.title ?? t('case.one')} onClose={onClose}>
      {!known ? (
        detail.error ? (
          <Failed error={detail.error} retry={() => void detail.refetch()} />
        ) : (
          <Skeleton />
        )
      ) : (
        <>
          <p className="facts-line">
            <Severity level={known.severity} />
            <State of={known.state} excluded={known.excluded_by != null} />
            {known.verdict && <span>{t(`verdict.${known.verdict}`)}</span>}
            <span>
              <When at={known.last_seen} />
            </span>
          </p>
          <Link to="/cases/$id" params={{ id }} search={within(search, dataset) as never} className="button button-main">
            <Icon name="cases" />
            {t('case.read')}
          </Link>
          <CaseActions of={known} />
          <section>
            <h3>{t('case.story')}</h3>
            {detail.data ? <p>{detail.data.story}</p> : <p>{known.summary}</p>}
          </section>
          <section>
            <h3>{t('case.who')}</h3>
            <Roles of={known} />
          </section>
          <section>
            <h3>{t('case.reasons')}</h3>
            <Reasons reasons={known.reasons} score={known.score} />
          </section>
          {detail.data && (
            <section>
              <h3>{t('case.innocent')}</h3>
              <p>{detail.data.innocent}</p>
            </section>
          )}
        </>
      )}
    </SidePanel>
  )
}
