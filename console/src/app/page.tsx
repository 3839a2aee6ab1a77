import { Link } from '@tanstack/react-router'
import { useEffect, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Empty, Failed, Skeleton } from '../ui/states'
import { Icon } from '../ui/icons'
import { CopyLink } from '../ui/views'
import { useScope } from './scope'
import { kept, useUrl } from '../lib/url'

/** Title of the window, and the one sentence that says what the page says now. */
export function PageHead({
  title,
  sentence,
  actions,
  ignoresRange,
}: {
  title: string
  sentence?: ReactNode
  actions?: ReactNode
  ignoresRange?: string
}) {
  useEffect(() => {
    document.title = `${title} · Vigie`
  }, [title])
  return (
    <header className="page-head">
      <div className="page-say">
        <h1>{title}</h1>
        {sentence && <p className="sentence">{sentence}</p>}
        {ignoresRange && (
          <p className="ignores">
            <Icon name="clock" />
            {ignoresRange}
          </p>
        )}
      </div>
      <div className="page-actions">
        {actions}
        <CopyLink />
      </div>
    </header>
  )
}

/** "12 new, show": what arrived waits until the reader asks for it. */
export function Fresh({ what }: { what: 'cases' | 'events' }) {
  const { t } = useTranslation()
  const { fresh, refresh } = useScope()
  const count = fresh[what]
  return (
    <div className="fresh-place" role="status">
      {count > 0 && (
        <button className="fresh" onClick={refresh}>
          <Icon name="refresh" />
          {t(`fresh.${what}`, { count })}
        </button>
      )}
    </div>
  )
}

export function PagePending() {
  return (
    <div className="page">
      <Skeleton tall />
    </div>
  )
}

export function PageFailed({ error, reset }: { error: unknown; reset?: () => void }) {
  return (
    <div className="page">
      <Failed error={error} retry={reset} />
    </div>
  )
}

export function NotFound() {
  const { t } = useTranslation()
  const { search } = useUrl()
  return (
    <div className="page">
      <PageHead title={t('absent.title')} />
      <Empty icon="unknown" title={t('absent.text')}>
        <Link to="/" search={kept(search) as never}>
          {t('absent.home')}
        </Link>
      </Empty>
    </div>
  )
}
