import { useTranslation } from 'react-i18next'
import { useRead } from '../../api/queries'
import type { Settings } from '../../api/schema'
import { useSession } from '../../app/session'
import { useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Wide } from '../../ui/wide'
import { Pinned, Save, useEdit, WithSettings } from './edit'

const GB = 1e9
const DAYS_MAX = 36_500
/** What goes first when there is no room, in the server's order. */
const ORDER = ['internal', 'capture', 'import', 'live'] as const
const PARTS = ['events', 'captures', 'catalog'] as const

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
    <section className="card">
      <header className="card-head">
        <h2>{t('retention.disk')}</h2>
      </header>
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
    </section>
  )
}

function Captures({ of }: { of: Settings }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  const { bytes } = useFormat()
  const edit = useEdit(of, 'captures_keep', (settings) => settings.captures.keep)
  return (
    <section className="card">
      <header className="card-head">
        <h2>{t('retention.captures')}</h2>
      </header>
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
    </section>
  )
}

function Kinds({ of }: { of: Settings }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  const { bytes } = useFormat()
  const edit = useEdit<Record<string, number>>(of, 'retention', (settings) =>
    Object.fromEntries(settings.retention.filter((one) => !one.pinned).map((one) => [one.kind, one.days])),
  )
  const wanted = (one: Settings['retention'][number]) => edit.value[one.kind] ?? one.days
  const shorter = of.retention.filter((one) => {
    const days = wanted(one)
    return days > 0 && (one.days === 0 || days < one.days) && one.bytes_now > 0
  })
  const wrong = of.retention.some((one) => !Number.isInteger(wanted(one)) || wanted(one) < 0 || wanted(one) > DAYS_MAX)
  const words = (days: number) => (days === 0 ? t('retention.for_ever') : t('retention.for_days', { count: days }))
  return (
    <section className="card">
      <header className="card-head">
        <h2>{t('retention.kinds')}</h2>
      </header>
      <p className="quiet">{t('retention.kinds_text')}</p>
      {of.retention.length === 0 && <p className="empty-small">{t('retention.no_kinds')}</p>}
      {of.retention.length > 0 && (
        <Wide>
          <table className="plain form retention">
            <thead>
              <tr>
                <th>{t('explore.kind')}</th>
                <th className="figure">{t('retention.now')}</th>
                <th>{t('retention.days')}</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {of.retention.map((one) => (
                <tr key={one.kind} className={shorter.includes(one) ? 'row-warned' : undefined}>
                  <td>{t(`retention.kind_${one.kind}`, { defaultValue: one.kind })}</td>
                  <td className="figure">{bytes(one.bytes_now)}</td>
                  <td>
                    <input
                      type="number"
                      className="short"
                      min={0}
                      max={DAYS_MAX}
                      value={wanted(one)}
                      readOnly={!isAdministrator || one.pinned}
                      aria-label={`${t('retention.days')} ${one.kind}`}
                      onChange={(event) => edit.set({ ...edit.value, [one.kind]: Number(event.target.value) })}
                    />
                  </td>
                  <td className="quiet">{one.pinned ? t('settings.pinned_short') : words(wanted(one))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
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
                      kind: t(`retention.kind_${one.kind}`, { defaultValue: one.kind }),
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
    </section>
  )
}
