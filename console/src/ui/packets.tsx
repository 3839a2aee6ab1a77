import { useTranslation } from 'react-i18next'
import { useScope } from '../app/scope'
import { useSession } from '../app/session'
import { Icon } from './icons'

/** The packets of a flow, a case or an alert as a file, where its captures are kept; else a line that says why there is none. */
export function Packets({ href, dataset }: { href: string; dataset: string | undefined }) {
  const { t } = useTranslation()
  const { canWrite } = useSession()
  const { datasets } = useScope()
  const sources = datasets.filter((one) => !dataset || one.name === dataset).flatMap((one) => one.sources)
  if (!sources.some((one) => one.kept)) return <p className="quiet">{t('packets.not_kept')}</p>
  if (!canWrite) return <p className="quiet">{t('packets.role')}</p>
  const shifted = datasets.some((one) => (!dataset || one.name === dataset) && one.shift_seconds !== 0)
  return (
    <a className="button" href={href} download title={shifted ? t('packets.shifted') : undefined}>
      <Icon name="download" />
      {t('packets.get')}
    </a>
  )
}
