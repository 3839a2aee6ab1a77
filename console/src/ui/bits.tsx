import { Hovercard, HovercardAnchor, HovercardProvider } from '@ariakit/react'
import { useEffect, useState, useSyncExternalStore, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { CaseRow, Entity, Reason } from '../api/schema'
import { ago, clock, moment } from '../lib/format'
import { useUrl } from '../lib/url'
import { useFormat } from './hooks'
import { Value } from './value'

const SHAPES: Record<string, ReactNode> = {
  low: <circle cx="6" cy="6" r="4" className="hollow" />,
  medium: <path d="M6 1 11 6 6 11 1 6z" />,
  high: <path d="M6 1 11.5 11 .5 11z" />,
  critical: <path d="M3.7 .6h4.6l3.1 3.1v4.6l-3.1 3.1H3.7L.6 8.3V3.7z" />,
}

/** A step of severity: word, shape and colour together. */
export function Severity({ level, word = true }: { level: string; word?: boolean }) {
  const { t } = useTranslation()
  const name = t(`severity.${level}`)
  return (
    <span className={`severity severity-${level}`} title={word ? undefined : name}>
      <svg
        viewBox="0 0 12 12"
        width="12"
        height="12"
        aria-hidden={word}
        role={word ? undefined : 'img'}
        aria-label={word ? undefined : name}
      >
        {SHAPES[level]}
      </svg>
      {word && name}
    </span>
  )
}

/** The score as a bar; its reasons come on hover and on focus. */
export function Score({ of }: { of: Pick<CaseRow, 'score' | 'severity' | 'reasons'> }) {
  const { t } = useTranslation()
  const [wanted, want] = useState(false)
  const bar = (
    <>
      <svg className={`score-bar severity-${of.severity}`} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect className="score-track" width="100" height="6" rx="3" />
        <rect className="score-fill" width={Math.max(3, Math.min(100, of.score))} height="6" rx="3" />
      </svg>
      <span className="score-figure">{of.score}</span>
    </>
  )
  // A list has hundreds of scores: the card is made for the one that is looked at.
  if (!wanted)
    return (
      <span className="score" onPointerEnter={() => want(true)}>
        {bar}
      </span>
    )
  return (
    <HovercardProvider placement="right-start" showTimeout={150}>
      <HovercardAnchor render={<span />} className="score">
        {bar}
      </HovercardAnchor>
      <Hovercard className="hovercard" gutter={8} unmountOnHide portal aria-label={t('case.reasons')}>
        <Severity level={of.severity} />
        <Reasons reasons={of.reasons} score={of.score} />
      </Hovercard>
    </HovercardProvider>
  )
}

/** Reasons with their points, which add up to the score. */
export function Reasons({ reasons, score }: { reasons: Reason[]; score: number }) {
  const { t } = useTranslation()
  const sum = reasons.reduce((total, one) => total + one.points, 0)
  return (
    <table className="reasons">
      <caption className="unseen">{t('case.reasons')}</caption>
      <tbody>
        {reasons.map((reason) => (
          <tr key={reason.key}>
            <td>{reason.text}</td>
            <td className="figure">{reason.points < 0 ? `−${-reason.points}` : `+${reason.points}`}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">{t('case.score')}</th>
          <td className="figure">
            {score}
            {sum > score && <span className="quiet"> {t('case.capped', { sum })}</span>}
          </td>
        </tr>
      </tfoot>
    </table>
  )
}

export function State({ of, excluded = false }: { of: string; excluded?: boolean }) {
  const { t } = useTranslation()
  return (
    <span className="state-line">
      <span className={`state state-${of}`}>{t(`case_state.${of}`)}</span>
      {excluded && <span className="tag">{t('case.excluded')}</span>}
    </span>
  )
}

// One clock for all relative times: they grow together, twice a minute.
let seconds = Date.now()
const listeners = new Set<() => void>()
setInterval(() => {
  seconds = Date.now()
  for (const tell of listeners) tell()
}, 30_000)
const subscribe = (tell: () => void) => {
  listeners.add(tell)
  return () => void listeners.delete(tell)
}
export const useClock = () => useSyncExternalStore(subscribe, () => seconds)

/** A time: relative within a day, exact on hover. */
export function When({ at, form = 'ago' }: { at: string; form?: 'ago' | 'moment' | 'clock' }) {
  const now = useClock()
  const { lang, exact } = useFormat()
  const ms = Date.parse(at)
  if (Number.isNaN(ms)) return <span className="quiet">–</span>
  return (
    <time dateTime={at} title={exact(ms)}>
      {form === 'ago' ? ago(ms, lang, now) : form === 'clock' ? clock(ms, lang) : moment(ms, lang, now)}
    </time>
  )
}

/** A machine of a case: its name where it has one, else its address. */
function EntityValue({ of, dataset, both = false }: { of: Entity; dataset: string; both?: boolean }) {
  const address = of.ip ?? of.mac ?? ''
  if (!address) return <span>{of.name ?? '–'}</span>
  const value = (
    <Value
      kind={of.ip ? 'ip' : 'mac'}
      value={address}
      field={of.ip ? 'ip' : 'mac'}
      assetId={of.asset_id}
      dataset={dataset}
      label={of.name ?? undefined}
    />
  )
  return both && of.name ? (
    <span className="entity">
      {value} <span className="mono quiet">{address}</span>
    </span>
  ) : (
    value
  )
}

/** The machines of a case, each with its part in it. */
export function Roles({ of }: { of: CaseRow }) {
  const { t } = useTranslation()
  return (
    <ul className="roles">
      {of.entities.map((entity, i) => (
        <li key={i}>
          <span className="quiet">{t(`entity_role.${entity.role}`, { defaultValue: entity.role })}</span>
          <EntityValue of={entity} dataset={of.dataset} both />
        </li>
      ))}
    </ul>
  )
}

/** Who to whom, in one line. */
export function Entities({ of }: { of: CaseRow }) {
  const acting = of.entities.filter(acts)
  const others = of.entities.filter((one) => !acts(one))
  // Whom a case is about comes first in it, also where others came to it.
  const [from, to] = acting.length > 0 ? [acting, others] : [others, []]
  if (from.length === 0) return <span className="quiet">–</span>
  const left = from.length + to.length - Math.min(from.length, ENTITIES_SHOWN) - Math.min(to.length, 1)
  return (
    <span className="entities">
      {from.slice(0, ENTITIES_SHOWN).map((one, i) => (
        <EntityValue key={i} of={one} dataset={of.dataset} />
      ))}
      {to[0] && (
        <>
          <span className="arrow" aria-hidden="true">
            →
          </span>
          <EntityValue of={to[0]} dataset={of.dataset} />
        </>
      )}
      {left > 0 && <span className="quiet">+{left}</span>}
    </span>
  )
}

/** Machines that are named on the acting side of a case's line. */
const ENTITIES_SHOWN = 2

/** Whether a machine of a case acts, or is acted on. */
export const acts = (of: Entity): boolean => of.role === 'attacker' || of.role === 'client' || of.role === 'subject'

/** A filter that is typed: it stands in the URL under `name` once one presses Enter or leaves it. */
export function FilterText({ name, label }: { name: string; label: string }) {
  const { search, set } = useUrl()
  const value = search[name] ?? ''
  const take = (text: string) => text.trim() !== value && set({ [name]: text.trim() })
  return (
    <input
      type="search"
      className="filter-text"
      aria-label={label}
      placeholder={label}
      defaultValue={value}
      key={value}
      onKeyDown={(event) => event.key === 'Enter' && take(event.currentTarget.value)}
      onBlur={(event) => take(event.currentTarget.value)}
    />
  )
}

type Note = { id: number; text: string; bad: boolean }
let notes: Note[] = []
const noteListeners = new Set<() => void>()
const setNotes = (next: Note[]) => {
  notes = next
  for (const tell of noteListeners) tell()
}
let lastNote = 0

/** Says what was done, quietly, at the foot of the page. */
export function say(text: string, bad = false): void {
  const id = ++lastNote
  setNotes([...notes.slice(-2), { id, text, bad }])
  setTimeout(() => setNotes(notes.filter((one) => one.id !== id)), bad ? 9000 : 5000)
}

export function Notes() {
  const shown = useSyncExternalStore(
    (tell) => {
      noteListeners.add(tell)
      return () => void noteListeners.delete(tell)
    },
    () => notes,
  )
  return (
    <div className="notes" role="status" aria-live="polite">
      {shown.map((one) => (
        <p key={one.id} className={one.bad ? 'note note-bad' : 'note'}>
          {one.text}
        </p>
      ))}
    </div>
  )
}

/** A button that confirms on the second press, in place of a pop-up. */
export function Twice({
  label,
  sure,
  onConfirm,
  className = 'button',
}: {
  label: string
  sure: string
  onConfirm: () => void
  className?: string
}) {
  const [armed, arm] = useState(false)
  useEffect(() => {
    if (!armed) return
    const timer = setTimeout(() => arm(false), 4000)
    return () => clearTimeout(timer)
  }, [armed])
  return (
    <button
      className={armed ? `${className} button-danger` : className}
      onClick={() => {
        arm(!armed)
        if (armed) onConfirm()
      }}
    >
      {armed ? sure : label}
    </button>
  )
}
