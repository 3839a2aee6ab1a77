import { useTranslation } from 'react-i18next'
import { url } from '../api/client'
import { useScope } from '../app/scope'
import { useSession } from '../app/session'
import { Icon } from './icons'

/** The packets of a flow, or of a case or one of its alerts, as a file, where the captures are kept; else a line that says why there is none. */
export function Packets({ of, dataset }: { of: { flow: string } | { case: string; alert?: string }; dataset: string | undefined }) {
  const { t } = useTranslation()
  const { canWrite } = useSession()
  const { datasets } = useScope()
  const sources = datasets.filter((one) => !dataset || one.name === dataset).flatMap((one) => one.sources)
  if (!sources.some((one) => one.kept)) return <p className="quiet">{t('packets.not_kept')}</p>
  if (!canWrite) return <p className="quiet">{t('packets.role')}</p>
  const href =
    'flow' in of
      ? url('/events/{flow_id}/packets', { names: { flow_id: Number(of.flow) }, query: { dataset } })
      : url('/cases/{id}/packets', { names: { id: of.case }, query: { dataset, alert: of.alert } })
  return (
    <a className="button" href={href} download>
      <Icon name="download" />
      {t('packets.get')}
    </a>
  )
}
