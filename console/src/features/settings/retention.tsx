import { useTranslation } from 'react-i18next'
import { useFields, useRead } from '../../api/queries'
import type { Settings } from '../../api/schema'
import { useSession } from '../../app/session'
import { Card } from '../../ui/card'
import { useFormat, useSaid } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Wide } from '../../ui/wide'
import { Pinned, Save, useEdit, WithSettings } from './edit'

const GB = 1e9
const DAYS_MAX = 36_500
/** What goes first when there is no room, in the server's order. */
const ORDER = ['packets', 'internal', 'capture', 'import', 'live'] as const
const PARTS = ['events', 'captures', 'packets', 'catalog'] as const

export function Retention() {
  return (
    <WithSettings>
      {(settings) => (
        <>
          <Disk of={settings} />
          <Captures of={settings} />
          <Kinds of={settings} />
        </>
      )}
    </WithSettings>
  )
}

function Disk({ of }: { of: Settings }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  const { bytes, percent, number } = useFormat()
  const { data: status } = useRead('/status', {})
  const edit = useEdit(of, 'quota_bytes', (settings) => settings.quota.bytes)
  const { used, by } = of.quota
  const scale = Math.max(edit.value, used, 1)
  const over = edit.value > 0 ? used - edit.value : 0
  const limited = edit.value > 0
  return (
    <Card title={t('retention.disk')}>
      <p>
        {of.quota.bytes === 0
          ? t('retention.used_no_quota', { used: bytes(used) })
          : t('retention.used', { used: bytes(used), quota: bytes(of.quota.bytes), share: percent(used / of.quota.bytes) })}
      </p>
      <svg className="meter meter-wide" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect className="score-track" width="100" height="4" />
        {PARTS.map((part, i) => (
          <rect
            key={part}
            className={`fill-${i}`}
            x={(100 * PARTS.slice(0, i).reduce((sum, one) => sum + by[one], 0)) / scale}
            width={(100 * by[part]) / scale}
            height="4"
          />
        ))}
      </svg>
      <ul className="legend">
        {PARTS.map((part, i) => (
          <li key={part}>
            <svg width="10" height="10" aria-hidden="true">
              <rect className={`fill-${i}`} width="10" height="10" rx="2" />
            </svg>
            {t(`retention.part_${part}`)} {bytes(by[part])}
          </li>
        ))}
      </ul>
      {!!status?.store.bytes_per_flow && (
        <p className="quiet">{t('retention.flows', { flows: number(status.store.flows), bytes: number(status.store.bytes_per_flow) })}</p>
      )}
      {of.quota.pinned ? (
        <Pinned />
      ) : (
        <div className="form buttons quota">
          <label className="check">
            <input
              type="checkbox"
              checked={limited}
              disabled={!isAdministrator}
              onChange={(event) => edit.set(event.target.checked ? of.quota.bytes || Math.max(10, Math.ceil((2 * used) / GB)) * GB : 0)}
            />
            {t('retention.limit')}
          </label>
          {limited && (
            <label className="inline-field">
              {t('retention.quota')}
              <input
                type="number"
                className="short"
                min={0.1}
                step="any"
                value={edit.value / GB}
                readOnly={!isAdministrator}
                onChange={(event) => edit.set(Math.round(Number(event.target.value) * GB))}
              />
              {t('retention.unit')}
            </label>
          )}
        </div>
      )}
      <Save of={edit} wrong={limited && edit.value < 64 * 1024 * 1024 ? t('retention.too_small') : null}>
        {over > 0 ? (
          <div className="warned">
            <Icon name="warning" />
            <span>
              {t('retention.over', { bytes: bytes(over) })}
              <ol>
                {ORDER.map((one) => (
                  <li key={one}>{t(`retention.goes_${one}`)}</li>
                ))}
              </ol>
            </span>
          </div>
        ) : (
          <p className="quiet">{t('retention.fits')}</p>
        )}
      </Save>
      {of.quota.bytes > 0 && !edit.changed && (
        <details className="order">
          <summary>{t('retention.order')}</summary>
          <ol>
            {ORDER.map((one) => (
              <li key={one}>{t(`retention.goes_${one}`)}</li>
            ))}
          </ol>
          {!!of.quota.next?.length && (
            <>
              <p>{t('retention.next')}</p>
              <ul>
                {of.quota.next.map((one) => (
                  <li key={`${one.what} ${one.name}`}>
                    {one.name} <span className="quiet">{t(`retention.what_${one.what}`, { defaultValue: one.what })}</span>{' '}
                    {bytes(one.bytes)}
                  </li>
                ))}
              </ul>
            </>
          )}
        </details>
      )}
    </Card>
  )
}

function Captures({ of }: { of: Settings }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  const { bytes } = useFormat()
  const edit = useEdit(of, 'captures_keep', (settings) => settings.captures.keep)
  return (
    <Card title={t('retention.captures')}>
      <p className="quiet">{t('retention.captures_text', { bytes: bytes(of.quota.by.captures) })}</p>
      {of.captures.pinned && <Pinned />}
      <label className="check">
        <input
          type="checkbox"
          checked={edit.value}
          disabled={!isAdministrator || !!of.captures.pinned}
          onChange={(event) => edit.set(event.target.checked)}
        />
        {t('retention.captures_keep')}
      </label>
      <Save of={edit}>{!edit.value && <p className="quiet">{t('retention.captures_stop')}</p>}</Save>
    </Card>
  )
}

/** Days by kind; `null`: as `others`, or `internal`. */
type Days = Record<string, number | null>

/** Only what was changed is sent: a kind that follows the others keeps doing so. */
const changes = (now: Days, began: Days): Days => Object.fromEntries(Object.entries(now).filter(([kind, days]) => began[kind] !== days))

function Kinds({ of }: { of: Settings }) {
  const { t } = useTranslation()
  const said = useSaid()
  const { isAdministrator } = useSession()
  const { bytes } = useFormat()
  const edit = useEdit<Days>(
    of,
    'retention',
    (settings) => Object.fromEntries(settings.retention.map((one) => [one.kind, one.own || REST.has(one.kind) ? one.days : null])),
    changes,
  )
  // What Vigie keeps for its own work is one row: its kinds are not among those that one can ask for.
  const fields = useFields()
  const asked = new Set(fields.data?.map((field) => field.kind))
  const listed = of.retention.filter((one) => REST.has(one.kind) || one.own || !fields.data || asked.has(one.kind))
  const days = (kind: string) => of.retention.find((one) => one.kind === kind)?.days
  const wanted = (one: Row): number =>
    edit.value[one.kind] ?? edit.value[one.own || one.days === days('others') ? 'others' : 'internal'] ?? one.days
  const shorter = of.retention.filter((one) => {
    const then = wanted(one)
    return then > 0 && (one.days === 0 || then < one.days) && one.bytes_now > 0
  })
  const wrong = Object.values(edit.value).some((one) => one !== null && !(Number.isInteger(one) && one >= 0 && one <= DAYS_MAX))
  const words = (count: number) => (count === 0 ? t('retention.for_ever') : t('retention.for_days', { count }))
  const name = (kind: string) => t(`retention.kind_${kind}`, { defaultValue: said('event_type', kind) })
  return (
    <Card title={t('retention.kinds')}>
      <p className="quiet">{t('retention.kinds_text')}</p>
      <Wide>
        <table className="plain form retention">
          <thead>
            <tr>
              <th>{t('explore.kind')}</th>
              <th className="figure">{t('retention.now')}</th>
              {isAdministrator && <th>{t('retention.days')}</th>}
              <th />
            </tr>
          </thead>
          <tbody>
            {listed.map((one) => (
              <tr key={one.kind} className={shorter.includes(one) ? 'row-warned' : undefined}>
                <td>{name(one.kind)}</td>
                <td className="figure">{REST.has(one.kind) ? '' : bytes(one.bytes_now)}</td>
                {isAdministrator && (
                  <td>
                    <input
                      type="number"
                      className="short"
                      min={0}
                      max={DAYS_MAX}
                      value={edit.value[one.kind] ?? ''}
                      placeholder={String(wanted(one))}
                      readOnly={one.pinned}
                      aria-label={`${t('retention.days')} ${one.kind}`}
                      onChange={({ target }) => {
                        const none = target.value === '' && !REST.has(one.kind)
                        edit.set({ ...edit.value, [one.kind]: none ? null : Number(target.value) })
                      }}
                    />
                  </td>
                )}
                <td className="quiet">
                  {words(wanted(one))}
                  {one.pinned ? `, ${t('settings.pinned_short')}` : edit.value[one.kind] === null && `, ${t('retention.as_others')}`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      <Save of={edit} wrong={wrong ? t('settings.between', { from: 0, to: DAYS_MAX }) : null}>
        {shorter.length > 0 && (
          <div className="warned">
            <Icon name="warning" />
            <span>
              {t('retention.shorter')}
              <ul>
                {shorter.map((one) => (
                  <li key={one.kind}>
                    {t('retention.shorter_one', {
                      kind: name(one.kind),
                      before: words(one.days),
                      after: words(wanted(one)),
                      bytes: bytes(one.bytes_now),
                    })}
                  </li>
                ))}
              </ul>
            </span>
          </div>
        )}
      </Save>
    </Card>
  )
}

type Row = Settings['retention'][number]
/** Rows that stand for all kinds without days of their own. */
const REST = new Set(['others', 'internal'])
