import { Link } from '@tanstack/react-router'
import { useEffect, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Empty, Failed, Skeleton } from '../ui/states'
import { useChangedCases } from '../api/queries'
import { useThrottled } from '../ui/hooks'
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
  fresh,
}: {
  title: string
  sentence?: ReactNode
  actions?: ReactNode
  ignoresRange?: string
  /** Of what to say that more arrived. */
  fresh?: 'cases' | 'events'
}) {
  useEffect(() => {
    document.title = `${title} · Vigie`
  }, [title])
  return (
    <header className="page-head">
      <div className="page-say">
        <div className="title-line">
          <h1>{title}</h1>
          {fresh === 'cases' && <FreshCases />}
          {fresh === 'events' && <FreshEvents />}
        </div>
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

/** Between two looks at which cases changed, in milliseconds. */
const LOOK_MS = 2000

function FreshCases() {
  const { dataset, fresh } = useScope()
  return <Fresh what="cases" count={useChangedCases(dataset, useThrottled(fresh.cases, LOOK_MS))} />
}

function FreshEvents() {
  return <Fresh what="events" count={useScope().fresh.events} />
}

/** "12 new, show": what arrived waits until the reader asks for it. */
function Fresh({ what, count }: { what: 'cases' | 'events'; count: number }) {
  const { t } = useTranslation()
  const { refresh } = useScope()
  return (
    <div className="fresh-place" role="status">
      {count > 0 && (
        <button className="fresh" onClick={refresh}>
          <Icon name="refresh" />
          <span>{t(`fresh.${what}`, { count })}</span>
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
