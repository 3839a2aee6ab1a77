import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '../../api/client'
import { useChangeCase, useColleagues } from '../../api/queries'
import type { CaseChange, CaseRow, Verdict } from '../../api/schema'
import { useShortcuts } from '../../app/keyboard'
import { useSession } from '../../app/session'
import { useUrl, within } from '../../lib/url'
import { say } from '../../ui/bits'
import { Icon } from '../../ui/icons'

export const VERDICTS: Verdict[] = ['true_positive', 'benign', 'test', 'duplicate']

/** While it is there, Esc means this and not what it means to the page. */
function EscCloses({ onClose }: { onClose: () => void }) {
  useShortcuts([{ keys: 'Escape', label: 'keys.close', run: onClose }])
  return null
}

/** What one does with a case: acknowledge, work on it, give it to somebody, close it with a verdict. */
export function CaseActions({ of }: { of: CaseRow }) {
  const { t } = useTranslation()
  const { search } = useUrl()
  const { session, canWrite } = useSession()
  const change = useChangeCase()
  const colleagues = useColleagues()
  const [conflict, setConflict] = useState<CaseRow | null>(null)
  const [closing, setClosing] = useState(false)

  const apply = (wanted: CaseChange) =>
    change.mutate(
      { of, change: wanted },
      {
        onSuccess: () => {
          setConflict(null)
          setClosing(false)
          say(t('case.saved'))
        },
        onError: (error) => {
          if (error instanceof ApiError && error.status === 409) setConflict((error.body.current as CaseRow | undefined) ?? of)
          else say(error.message || t('state.failed'), true)
        },
      },
    )
  if (!canWrite) return <p className="quiet">{t('case.read_only')}</p>
  const people = [session.user.name, ...(colleagues.data ?? []).map(({ name }) => name).filter((name) => name !== session.user.name)]

  return (
    <div className="case-actions">
      <div className="buttons">
        {of.state === 'new' && (
          <button className="button" disabled={change.isPending} onClick={() => apply({ state: 'acknowledged' })} title="e">
            <Icon name="check" />
            {t('case.acknowledge')}
          </button>
        )}
        {(of.state === 'new' || of.state === 'acknowledged') && (
          <button
            className="button"
            disabled={change.isPending}
            onClick={() => apply({ state: 'in_progress', owner: of.owner ?? session.user.name })}
          >
            {t('case.start')}
          </button>
        )}
        {of.state === 'closed' ? (
          <button className="button" disabled={change.isPending} onClick={() => apply({ state: 'in_progress' })}>
            {t('case.reopen')}
          </button>
        ) : (
          <button className="button" aria-expanded={closing} onClick={() => setClosing(!closing)}>
            {t('case.close')}
            <Icon name="down" />
          </button>
        )}
        <label className="inline-field">
          {t('case.owner')}
          <select value={of.owner ?? ''} disabled={change.isPending} onChange={(event) => apply({ owner: event.target.value || null })}>
            <option value="">{t('cases.nobody')}</option>
            {people.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      {closing && of.state !== 'closed' && (
        <div className="closing" role="group" aria-label={t('case.close')}>
          <EscCloses onClose={() => setClosing(false)} />
          <p>{t('case.verdict_ask')}</p>
          <div className="verdicts">
            {VERDICTS.map((verdict) => (
              <button key={verdict} className="verdict" disabled={change.isPending} onClick={() => apply({ state: 'closed', verdict })}>
                <strong>{t(`verdict.${verdict}`)}</strong>
                <span>{t(`verdict_means.${verdict}`)}</span>
              </button>
            ))}
          </div>
          <p className="not-again">{t('case.not_again')}</p>
          <Link
            to="/cases/$id"
            params={{ id: of.id }}
            search={{ ...within(search, of.dataset), do: 'exclude' } as never}
            className="button"
            onClick={() => setClosing(false)}
          >
            <Icon name="exclude" />
            {t('case.not_again_do')}
          </Link>
        </div>
      )}
      {conflict && (
        <p className="conflict" role="alert">
          <Icon name="warning" />
          {t('case.conflict', { state: t(`case_state.${conflict.state}`), owner: conflict.owner ?? t('cases.nobody') })}
        </p>
      )}
    </div>
  )
}
