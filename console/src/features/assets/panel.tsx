import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useRead } from '../../api/queries'
import type { AssetRow } from '../../api/schema'
import { useUrl, within } from '../../lib/url'
import { When } from '../../ui/bits'
import { classIcon, Icon } from '../../ui/icons'
import { SidePanel } from '../../ui/panel'
import { Failed, Skeleton } from '../../ui/states'
import { CaseLines, Facts, Services } from './parts'

/** A machine beside the list: what it is, and what it offers. */
export function AssetPanel({
  id,
  dataset,
  row,
  onClose,
}: {
  id: string
  dataset: string | undefined
  row: AssetRow | undefined
  onClose: () => void
}) {
  const { t } = useTranslation()
  const { search } = useUrl()
  const detail = useRead('/assets/{id}', { names: { id }, query: { dataset } }, { keep: false })
  const known = detail.data ?? row
  return (
    <SidePanel title={known ? known.declared?.name || known.name : t('asset.one')} onClose={onClose}>
      {known && (
        <>
          <p className="facts-line">
            <span className="asset-name">
              <Icon name={classIcon(known.class)} />
              {t(`class.${known.class}`, { defaultValue: known.class })}
            </span>
            {known.new && <span className="tag tag-new">{t('asset.new')}</span>}
            <span>
              {t('asset.last')} <When at={known.last_seen} />
            </span>
          </p>
          <Link to="/assets/$id" params={{ id }} search={within(search, dataset) as never} className="button button-main">
            <Icon name="assets" />
            {t('asset.open')}
          </Link>
        </>
      )}
      {detail.error && <Failed error={detail.error} retry={() => void detail.refetch()} />}
      {detail.isPending && <Skeleton />}
      {detail.data && (
        <>
          <section>
            <h3>{t('asset.facts')}</h3>
            <Facts of={detail.data} brief />
          </section>
          {detail.data.cases.length > 0 && (
            <section>
              <h3>{t('nav.cases')}</h3>
              <CaseLines of={detail.data.cases} />
            </section>
          )}
          <section>
            <h3>{t('asset.offers')}</h3>
            <Services of={detail.data} brief />
          </section>
        </>
      )}
    </SidePanel>
  )
}
