import { useTranslation } from 'react-i18next'
import type { MouseEvent } from 'react'
import { probe } from '../api/client'
import { useScope } from '../app/scope'
import { useSession } from '../app/session'
import { say } from './bits'
import { Icon } from './icons'

/** The packets of a flow, a case or an alert as a file, where some are kept; else a line that says why there is none. */
export function Packets({ href, dataset }: { href: string; dataset: string | undefined }) {
  const { t } = useTranslation()
  const { canWrite } = useSession()
  const { datasets } = useScope()
  const all = datasets.filter((one) => !dataset || one.name === dataset)
  if (!all.some((one) => one.packets_bytes > 0 || one.sources.some((source) => source.kept))) {
    return <p className="quiet">{t(all.length > 0 && all.every((one) => one.kind === 'live') ? 'packets.not_live' : 'packets.not_kept')}</p>
  }
  if (!canWrite) return <p className="quiet">{t('packets.role')}</p>
  const shifted = datasets.some((one) => (!dataset || one.name === dataset) && one.shift_seconds !== 0)
  /** A refusal is said here: a browser would keep it as a file. */
  const take = async (event: MouseEvent<HTMLAnchorElement>) => {
    event.preventDefault()
    const why = await probe(href)
    if (why) say(why.message || t('state.failed'), true)
    else location.assign(href)
  }
  return (
    <a className="button" href={href} download title={shifted ? t('packets.shifted') : undefined} onClick={(event) => void take(event)}>
      <Icon name="download" />
      {t('packets.get')}
    </a>
  )
}
