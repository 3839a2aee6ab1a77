import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '../api/client'
import { useLate } from './hooks'
import { Icon, type IconName } from './icons'

/** Grey lines where rows will be. */
export function Skeleton({ rows = 8, tall = false }: { rows?: number; tall?: boolean }) {
  const { t } = useTranslation()
  const late = useLate(true, 1500)
  return (
    <div className={tall ? 'skeleton skeleton-tall' : 'skeleton'} role="status" aria-label={t('state.loading')}>
      {Array.from({ length: rows }, (_, i) => (
        <div className="skeleton-line" key={i} />
      ))}
      {late && <p className="skeleton-late">{t('state.still_loading')}</p>}
    </div>
  )
}

/** Nothing to show: why, and what to do. */
export function Empty({ icon = 'check', title, children }: { icon?: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name={icon} />
      <p className="empty-title">{title}</p>
      {children && <div className="empty-text">{children}</div>}
    </div>
  )
}

/** What the server said, and a way to ask again; a refusal says whom to ask instead. */
export function Failed({ error, retry, page = false }: { error: unknown; retry?: () => void; page?: boolean }) {
  const { t } = useTranslation()
  const known = error instanceof ApiError ? error : null
  const refused = known?.status === 403
  const title = refused
    ? t('state.refused')
    : known?.status === 0
      ? t('state.unreachable')
      : known?.status === 404
        ? t('state.absent')
        : t('state.failed')
  const said = known?.message || (known ? t('state.status', { status: known.status }) : error instanceof Error ? error.message : '')
  return (
    <div className={page ? 'empty empty-page' : 'empty'} role="alert">
      <Icon name={refused ? 'exclude' : 'warning'} />
      <p className="empty-title">{title}</p>
      <div className="empty-text">
        <p>{known?.status === 0 ? t('state.unreachable_text') : said}</p>
        {refused && known?.body.reason !== 'role' && <p>{t('state.refused_text')}</p>}
        {retry && !refused && (
          <button className="button" onClick={retry}>
            <Icon name="refresh" />
            {t('state.retry')}
          </button>
        )}
      </div>
    </div>
  )
}

/** Before anything is known: the mark, only when it takes long enough to be seen. */
export function Opening() {
  const late = useLate(true, 300)
  return <div className="opening">{late && <Logo />}</div>
}

export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
      <rect width="32" height="32" rx="7" />
      <path d="M8 9l8 15 8-15" />
      <circle cx="16" cy="10" r="2.6" />
    </svg>
  )
}
