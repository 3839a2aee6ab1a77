import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { Answer } from '../../api/client'
import { useRead } from '../../api/queries'
import type { CaseDetail, Eve } from '../../api/schema'
import { kindOf, telling } from '../../lib/eve'
import { protocol } from '../../lib/format'
import { When } from '../../ui/bits'
import { useFormat, useSaid } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Failed, Skeleton } from '../../ui/states'
import { Value } from '../../ui/value'

type Login = Answer<'get', '/cases/{id}/logins'>['items'][number]

/** Sessions that are told with what was done in them. */
const SESSIONS_SHOWN = 5
/** What is told of one session at most. */
const STEPS_SHOWN = 30

/** What was done with a password once it was guessed: each session that followed, with its commands and files. */
export function Logins({ of, explore }: { of: CaseDetail; explore: (q: string, ts?: string) => { to: '/explore'; search: never } }) {
  const { t } = useTranslation()
  const { data } = useRead('/cases/{id}/logins', { names: { id: of.id }, query: { dataset: of.dataset } }, { keep: false })
  if (!data || data.items.length === 0) return null
  const rest = data.items.length - SESSIONS_SHOWN
  return (
    <section>
      <h2>{t('logins.title')}</h2>
      <p className="quiet">{t('logins.text')}</p>
      {data.items.slice(0, SESSIONS_SHOWN).map((one) => (
        <Session key={one.flow_id} of={one} dataset={of.dataset} explore={explore} />
      ))}
      {rest > 0 && <p className="quiet">{t(data.more ? 'logins.many' : 'logins.more', { count: rest })}</p>}
    </section>
  )
}

function Session({
  of,
  dataset,
  explore,
}: {
  of: Login
  dataset: string
  explore: (q: string, ts?: string) => { to: '/explore'; search: never }
}) {
  const { t } = useTranslation()
  const { bytes, duration } = useFormat()
  const said = useSaid()
  // A file goes over a flow of its own, which names the session that asked for it.
  const q = `(flow_id:${of.flow_id} or vigie.control_flow_id:${of.flow_id})`
  const query = { q, dataset, order: 'asc', limit: STEPS_SHOWN + 1 }
  const { data, error, isPending, refetch } = useRead('/events', { query }, { keep: false, staleMs: Infinity })
  const events = (data?.items ?? []) as Eve[]
  const flow = events.find((one) => one.event_type === 'flow')?.flow as
    | { start?: string; end?: string; bytes_toserver?: number; bytes_toclient?: number }
    | undefined
  const done = events.filter((one) => one.event_type !== 'flow' && one.event_type !== 'alert' && one.timestamp >= of.ts)
  return (
    <div className="session">
      <p className="facts-line">
        <When at={of.ts} form="moment" />
        <Value kind="ip" field="ip" value={of.from} dataset={dataset} />
        <span className="arrow">→</span>
        <Value kind="ip" field="ip" value={of.to} dataset={dataset} />
        <span>{protocol(of.protocol)}</span>
        {of.user && (
          <span>
            {t('logins.as')} <Value kind="user" field="user" value={of.user} />
          </span>
        )}
        {flow?.start && flow.end && (
          <span className="quiet">
            {t('logins.flow', {
              time: duration(Date.parse(flow.end) - Date.parse(flow.start)),
              sent: bytes(flow.bytes_toserver ?? 0),
              received: bytes(flow.bytes_toclient ?? 0),
            })}
          </span>
        )}
      </p>
      {isPending ? (
        <Skeleton rows={3} />
      ) : error ? (
        <Failed error={error} retry={() => void refetch()} />
      ) : done.length === 0 ? (
        <p className="quiet">{t('logins.nothing_read')}</p>
      ) : (
        <ul className="session-steps">
          {done.slice(0, STEPS_SHOWN).map((one, i) => (
            <li key={i}>
              <When at={one.timestamp} form="clock" />
              <span className="telling">
                {telling(one).map(({ path, value }, at) => (
                  <Value key={at} kind={kindOf(path)} field={path} value={value} label={said(path, value)} />
                ))}
              </span>
            </li>
          ))}
        </ul>
      )}
      <Link {...explore(q, of.ts)} className="button">
        <Icon name="explore" />
        {t('logins.open')}
      </Link>
    </div>
  )
}
