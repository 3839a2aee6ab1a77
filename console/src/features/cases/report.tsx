import { useMutation } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { request, url } from '../../api/client'
import { useChangeCase, useRead, useRefreshCases } from '../../api/queries'
import type { CaseDetail, Eve, TrailEntry } from '../../api/schema'
import { PageHead } from '../../app/page'
import { useShortcuts } from '../../app/keyboard'
import { useSession } from '../../app/session'
import { technique } from '../../lib/attack'
import { around, writeChoice } from '../../lib/range'
import { kept, useUrl, type Search } from '../../lib/url'
import { Reasons, Roles, say, Score, Severity, State, When } from '../../ui/bits'
import { useDraft, useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Packets } from '../../ui/packets'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { Value } from '../../ui/value'
import { CaseActions } from './actions'
import { ExclusionForm } from './exclusion'
import { Logins } from './logins'
import { Picture } from './picture'

/** A case as a report, read from top to bottom. */
export function CasePage() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const { search, set } = useUrl()
  const { canWrite, lang } = useSession()
  const { number } = useFormat()
  const navigate = useNavigate()
  const here = { names: { id }, query: { dataset: search.in ?? search.dataset } }
  const detail = useRead('/cases/{id}', here, { keep: false })
  const change = useChangeCase()
  const comment = useRef<HTMLTextAreaElement>(null)
  const excluding = search.do === 'exclude'
  const found = detail.data

  useShortcuts([
    { keys: 'c', label: 'keys.comment', run: () => comment.current?.focus() },
    { keys: 'x', label: 'keys.exclude', run: () => set({ do: 'exclude' }) },
    {
      keys: 'e',
      label: 'keys.acknowledge',
      run: () => found?.state === 'new' && canWrite && change.mutate({ of: found, change: { state: 'acknowledged' } }),
    },
    // Where nothing lies over the page, Esc does nothing: a key too many must not lose the place.
    { keys: 'Escape', label: 'keys.close', run: () => excluding && set({ do: null }) },
    { keys: 'u', label: 'keys.back', run: () => void navigate({ to: '/cases', search: kept(search) as never }) },
  ])
  const wantsComment = search.do === 'comment' && !!found
  useEffect(() => {
    if (wantsComment) comment.current?.focus()
  }, [wantsComment])

  if (detail.error)
    return (
      <div className="page">
        <Failed error={detail.error} retry={() => void detail.refetch()} />
      </div>
    )
  if (!found)
    return (
      <div className="page">
        <Skeleton tall />
      </div>
    )

  const explore = (q: string, ts?: string): { to: '/explore'; search: never } => ({
    to: '/explore',
    search: { ...withoutRange(search), ...(ts ? cleaned(writeChoice(around(Date.parse(ts)))) : span(found)), q } as never,
  })
  return (
    <div className="page page-report">
      <Link to="/cases" search={kept(search) as never} className="back">
        <Icon name="left" />
        {t('nav.cases')}
      </Link>
      <PageHead
        title={found.title}
        sentence={
          <span className="facts-line">
            <Severity level={found.severity} />
            <Score of={found} />
            <State of={found.state} excluded={found.excluded_by != null} />
            {found.verdict && <span>{t(`verdict.${found.verdict}`)}</span>}
            <span>
              {t('case.seen')} <When at={found.first_seen} form="moment" /> – <When at={found.last_seen} form="moment" />
            </span>
            <span>{t('case.alert_count', { count: found.alert_count })}</span>
          </span>
        }
        actions={
          <>
            <a className="button" href={url('/cases/{id}/export', { names: { id }, query: { ...here.query, lang, zone: -new Date().getTimezoneOffset() } })} download>
              <Icon name="download" />
              {t('case.export')}
            </a>
            <a className="button" href={url('/cases/{id}/flows', { names: { id }, query: { ...here.query, lang, separator: lang === 'fr' ? 'semicolon' : 'comma' } })} download title={t('case.export_flows_text', { max: number(FLOWS_MAX) })}>
              <Icon name="download" />
              {t('case.export_flows')}
            </a>
            <Packets href={url('/cases/{id}/packets', { names: { id }, query: { dataset: found.dataset } })} dataset={found.dataset} />
          </>
        }
      />
      <div className="report-grid">
        <div className="report">
          <section>
            <h2>{t('case.story')}</h2>
            <p className="story">{found.story}</p>
          </section>

          {found.timeline.length > 0 && (
            <section>
              <h2>{t('case.picture')}</h2>
              <Picture
                steps={found.timeline}
                entities={found.entities}
                onStep={(step) => void navigate(explore(`flow_id:${step.flow_id}`, step.ts))}
              />
            </section>
          )}

          <Logins of={found} explore={explore} />

          <section>
            <h2>{t('case.reasons')}</h2>
            <Reasons reasons={found.reasons} score={found.score} />
          </section>

          <section className="innocent">
            <h2>{t('case.innocent')}</h2>
            <p>{found.innocent}</p>
          </section>

          <div className="two">
            <section>
              <h2>{t('case.checks')}</h2>
              <ol>
                {found.checks.map((text) => (
                  <li key={text}>{text}</li>
                ))}
              </ol>
            </section>
            <section>
              <h2>{t('case.do')}</h2>
              <ol>
                {found.actions.map((text) => (
                  <li key={text}>{text}</li>
                ))}
              </ol>
            </section>
          </div>
        </div>
        <div className="report">
          <section>
            <h2>{t('case.evidence')}</h2>
            {found.alerts.map((alert) => (
              <details key={alert.id} className="alert">
                <summary>
                  <span className="strong">{alert.summary}</span>
                  <span className="quiet">
                    {t('case.times', { count: alert.count, formatted: number(alert.count) })} · <When at={alert.last_seen} />
                  </span>
                </summary>
                <p className="quiet">
                  {t(`detector.${alert.detector}`, { defaultValue: alert.detector })} · {t('case.evidence_flows', { count: alert.evidence.length })}
                </p>
                <Evidence of={found} flows={alert.evidence} />
                {alert.evidence.length > 0 && (
                  <Link
                    {...explore(anyOf(alert.evidence.slice(0, ASKED_MAX)))}
                    className="button"
                  >
                    <Icon name="explore" />
                    {t('case.open_evidence')}
                  </Link>
                )}
                {alert.evidence.length > 0 && (
                  <Packets
                    href={url('/cases/{id}/packets', { names: { id }, query: { dataset: found.dataset, alert: alert.id } })}
                    dataset={found.dataset}
                  />
                )}
              </details>
            ))}
          </section>

          <section>
            <h2>{t('case.discussion')}</h2>
            <Trail entries={found.trail} />
          </section>
        </div>

        <aside className="report-side" aria-label={t('case.decide')}>
          <section>
            <h2>{t('case.decide')}</h2>
            <CaseActions of={found} />
            {canWrite && !excluding && (
              <button className="button" onClick={() => set({ do: 'exclude' })} title="x">
                <Icon name="exclude" />
                {t('case.exclude')}
              </button>
            )}
            {excluding && <ExclusionForm of={found} onDone={() => set({ do: null })} />}
            {canWrite && <CommentBox of={found} input={comment} />}
          </section>
          <section>
            <h2>{t('case.who')}</h2>
            <Roles of={found} />
          </section>
          {found.techniques.length > 0 && (
            <section>
              <h2>{t('case.techniques')}</h2>
              <ul className="techniques">
                {found.techniques.map((one) => (
                  <li key={one}>
                    <span className="tag mono">{one}</span> {technique(one)}
                  </li>
                ))}
              </ul>
            </section>
          )}
        </aside>
      </div>
    </div>
  )
}

/** Flows in the file of a case at most, as the server bounds them. */
const FLOWS_MAX = 50_000
/** Flows that one query asks for by their numbers. */
const ASKED_MAX = 50
/** Flows of an alert that are shown in place. */
const EVIDENCE_SHOWN = 12

/** When a flow began: its event is told at its end. */
const begun = (of: Eve) => String((of.flow as { start?: string } | undefined)?.start ?? of.timestamp)

/** Any of these flows, as one term. */
const anyOf = (flows: string[]) => (flows.length === 1 ? `flow_id:${flows[0]}` : `(${flows.map((flow) => `flow_id:${flow}`).join(' or ')})`)

/** The flows behind an alert: when, from where to where, by what. Where they are no longer kept, their numbers. */
function Evidence({ of, flows }: { of: CaseDetail; flows: string[] }) {
  const { t } = useTranslation()
  const shown = flows.slice(0, EVIDENCE_SHOWN)
  const query = { q: anyOf(shown), kind: 'flow', dataset: of.dataset, order: 'asc', limit: EVIDENCE_SHOWN }
  const { data, isPending } = useRead('/events', { query }, { enabled: shown.length > 0, keep: false, staleMs: Infinity })
  if (shown.length === 0) return null
  if (isPending) return <Skeleton rows={Math.min(3, shown.length)} />
  const known = ((data?.items ?? []) as Eve[]).sort((a, b) => begun(a).localeCompare(begun(b)))
  const rest = shown.filter((flow) => !known.some((one) => String(one.flow_id) === flow))
  return (
    <>
      <ul className="evidence">
        {known.map((flow) => (
          <li key={String(flow.flow_id)}>
            <When at={begun(flow)} form="clock" />{' '}
            <Value kind="ip" field="ip" value={flow.src_ip ?? ''} /> <span className="arrow">→</span>{' '}
            <Value kind="ip" field="ip" value={flow.dest_ip ?? ''} />
            {flow.dest_port !== undefined && (
              <>
                :<Value kind="port" field="dest_port" value={String(flow.dest_port)} />
              </>
            )}{' '}
            <span className="quiet">{flow.app_proto || flow.proto}</span>{' '}
            <Value kind="flow" field="flow_id" value={String(flow.flow_id)} label={t('case.flow')} />
          </li>
        ))}
        {rest.map((flow) => (
          <li key={flow}>
            <Value kind="flow" field="flow_id" value={flow} /> <span className="quiet">{t('case.flow_gone')}</span>
          </li>
        ))}
      </ul>
      {flows.length > shown.length && <p className="quiet">{t('case.more_flows', { count: flows.length - shown.length })}</p>}
    </>
  )
}

/** The range of a case, a little wider, so that its first and last flow are inside. */
function span(of: CaseDetail): Search {
  return cleaned(writeChoice({ kind: 'absolute', from: Date.parse(of.first_seen) - 60_000, to: Date.parse(of.last_seen) + 60_000 }))
}
function withoutRange(search: Search): Search {
  const dataset = search.in ?? search.dataset
  return dataset ? { dataset } : {}
}
function cleaned(change: Record<string, string | null>): Search {
  return Object.fromEntries(Object.entries(change).filter((pair): pair is [string, string] => pair[1] !== null))
}

function Trail({ entries }: { entries: TrailEntry[] }) {
  const { t } = useTranslation()
  if (entries.length === 0) return <Empty icon="comment" title={t('case.no_trail')} />
  const word = (action: string, value: string | null | undefined) => {
    if (!value) return t('cases.nobody')
    if (action === 'state') return t(`case_state.${value}`, { defaultValue: value })
    if (action === 'verdict') return t(`verdict.${value}`, { defaultValue: value })
    return value
  }
  return (
    <ol className="trail">
      {entries.map((entry, i) => (
        <li key={i} className={entry.action === 'comment' ? 'trail-comment' : undefined}>
          <p className="trail-head">
            <strong>{entry.who}</strong>{' '}
            {entry.action === 'state' || entry.action === 'verdict' || entry.action === 'owner'
              ? t(`trail.${entry.action}`, { to: word(entry.action, entry.to) })
              : t(`trail.${entry.action}`, { defaultValue: entry.action })}
            <span className="quiet">
              {' '}
              · <When at={entry.ts} />
            </span>
          </p>
          {entry.text && <p className="trail-text">{entry.text}</p>}
          {entry.action === 'exclusion' && (
            <p className="quiet">
              {entry.to ? (
                <>
                  {t('exclusion.until')} <When at={entry.to} form="moment" />
                </>
              ) : (
                t('exclusion.for_ever')
              )}
            </p>
          )}
        </li>
      ))}
    </ol>
  )
}

function CommentBox({ of, input }: { of: CaseDetail; input: React.RefObject<HTMLTextAreaElement | null> }) {
  const { t } = useTranslation()
  const { number } = useFormat()
  const refresh = useRefreshCases()
  const [text, setText] = useDraft(`comment.${of.dataset}.${of.id}`)
  const [failed, setFailed] = useState<string | null>(null)
  const send = useMutation({
    mutationFn: () => request('post', '/cases/{id}/comments', { names: { id: of.id }, query: { dataset: of.dataset }, json: { text } }),
    onSuccess: () => {
      setText('')
      setFailed(null)
      say(t('case.commented'))
      refresh()
    },
    // The text stays: nothing that was written is lost.
    onError: (error) => setFailed(error.message || t('case.comment_kept')),
  })
  return (
    <form
      className="comment"
      onSubmit={(event) => {
        event.preventDefault()
        if (text.trim()) send.mutate()
      }}
    >
      <label className="unseen" htmlFor="comment">
        {t('case.comment')}
      </label>
      <textarea
        id="comment"
        ref={input}
        rows={3}
        value={text}
        maxLength={COMMENT_MAX}
        placeholder={t('case.comment_placeholder')}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && text.trim()) send.mutate()
          if (event.key === 'Escape') event.currentTarget.blur()
        }}
      />
      <div className="buttons">
        <button className="button button-main" disabled={!text.trim() || send.isPending}>
          <Icon name="comment" />
          {t('case.send')}
        </button>
        <span className="quiet">{text ? t('case.comment_left', { left: number(COMMENT_MAX - text.length) }) : t('case.comment_hint')}</span>
      </div>
      {failed && (
        <p className="field-error" role="alert">
          {failed}
        </p>
      )}
    </form>
  )
}

const COMMENT_MAX = 10_000
