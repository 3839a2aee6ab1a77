import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { request } from '../../api/client'
import { useRead } from '../../api/queries'
import type { Settings, Status } from '../../api/schema'
import { useSession } from '../../app/session'
import { say } from '../../ui/bits'
import { useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Failed, Skeleton } from '../../ui/states'
import { Wide } from '../../ui/wide'

function useSave() {
  const { t } = useTranslation()
  const client = useQueryClient()
  return useMutation({
    mutationFn: (body: { key: string; value: unknown; version: number }) => request<Settings>('/settings', { method: 'PUT', json: body }),
    onSuccess: () => say(t('settings.saved')),
    onError: (error) => say(error.message || t('state.failed'), true),
    onSettled: () => void client.invalidateQueries({ queryKey: ['/settings'] }),
  })
}

function WithSettings({ children }: { children: (settings: Settings) => ReactNode }) {
  const { data, error, refetch } = useRead<Settings>('/settings')
  if (error && !data) return <Failed error={error} retry={() => void refetch()} />
  return data ? children(data) : <Skeleton rows={5} />
}

export function Networks() {
  return <WithSettings>{(settings) => <NetworksForm of={settings} key={settings.version} />}</WithSettings>
}

function NetworksForm({ of }: { of: Settings }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  const save = useSave()
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const text = String(new FormData(event.currentTarget).get('home_net'))
    save.mutate({ key: 'home_net', value: text.split(/[\s,]+/).filter(Boolean), version: of.version })
  }
  const hours = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    save.mutate({ key: 'known_after_hours', value: Number(new FormData(event.currentTarget).get('hours')), version: of.version })
  }
  return (
    <>
      <section className="card">
        <header className="card-head">
          <h2>{t('networks.home')}</h2>
        </header>
        <p className="quiet">{t('networks.home_text')}</p>
        {of.home_net.pinned && <p className="learning">{t('networks.pinned')}</p>}
        <form className="form comment" onSubmit={submit}>
          <textarea
            name="home_net"
            className="mono"
            rows={Math.min(12, of.home_net.value.length + 1)}
            defaultValue={of.home_net.value.join('\n')}
            readOnly={!isAdministrator || of.home_net.pinned}
            aria-label={t('networks.home')}
          />
          {isAdministrator && !of.home_net.pinned && (
            <div className="buttons">
              <button className="button button-main" disabled={save.isPending}>
                {t('settings.save')}
              </button>
            </div>
          )}
        </form>
      </section>
      {of.groups.length > 0 && (
        <section className="card">
          <header className="card-head">
            <h2>{t('networks.groups')}</h2>
          </header>
          <dl className="pairs">
            {of.groups.map((group) => (
              <div key={group.name}>
                <dt>{group.name}</dt>
                <dd className="mono">{group.networks.join(', ')}</dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      <section className="card">
        <header className="card-head">
          <h2>{t('networks.learning')}</h2>
        </header>
        <p className="quiet">{t('networks.learning_text')}</p>
        <form className="form buttons" onSubmit={hours}>
          <label className="inline-field">
            {t('networks.hours')}
            <input type="number" name="hours" min={1} max={2160} defaultValue={of.known_after_hours} readOnly={!isAdministrator} />
          </label>
          {isAdministrator && <button className="button">{t('settings.save')}</button>}
        </form>
      </section>
    </>
  )
}

export function Retention() {
  return <WithSettings>{(settings) => <RetentionForm of={settings} key={settings.version} />}</WithSettings>
}

function RetentionForm({ of }: { of: Settings }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  const { bytes, percent, number } = useFormat()
  const { data: status } = useRead<Status>('/status')
  const save = useSave()
  const [days, setDays] = useState(() => new Map(of.retention.map((one) => [one.kind, one.days])))
  const changed = of.retention.some((one) => days.get(one.kind) !== one.days)
  const used = status?.store.bytes ?? 0
  return (
    <>
      <section className="card">
        <header className="card-head">
          <h2>{t('retention.disk')}</h2>
        </header>
        <p>{t('retention.used', { used: bytes(used), quota: bytes(of.quota), share: percent(used / Math.max(1, of.quota)) })}</p>
        <svg className="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect className="score-track" width="100" height="4" />
          <rect className="fill-0" width={Math.min(100, (100 * used) / Math.max(1, of.quota))} height="4" />
        </svg>
        {status && (
          <p className="quiet">{t('retention.flows', { flows: number(status.store.flows), bytes: number(status.store.bytes_per_flow) })}</p>
        )}
      </section>
      <section className="card form">
        <header className="card-head">
          <h2>{t('retention.kinds')}</h2>
        </header>
        <Wide>
          <table className="plain">
            <thead>
              <tr>
                <th>{t('explore.kind')}</th>
                <th className="figure">{t('retention.now')}</th>
                <th>{t('retention.days')}</th>
                <th className="figure">{t('retention.then')}</th>
              </tr>
            </thead>
            <tbody>
              {of.retention.map((one) => {
                const wanted = days.get(one.kind) ?? one.days
                return (
                  <tr key={one.kind}>
                    <td>{one.kind}</td>
                    <td className="figure">{bytes(one.bytes_now)}</td>
                    <td>
                      <input
                        type="number"
                        className="short"
                        min={1}
                        max={3650}
                        value={wanted}
                        readOnly={!isAdministrator}
                        aria-label={`${t('retention.days')} ${one.kind}`}
                        onChange={(event) => setDays(new Map(days).set(one.kind, Number(event.target.value)))}
                      />
                    </td>
                    <td className="figure">{bytes((one.bytes_now * wanted) / Math.max(1, one.days))}</td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </Wide>
        {isAdministrator && changed && (
          <div className="buttons">
            <button
              className="button button-main"
              onClick={() =>
                save.mutate({ key: 'retention', value: [...days].map(([kind, count]) => ({ kind, days: count })), version: of.version })
              }
            >
              {t('settings.save')}
            </button>
            <span className="conflict">
              <Icon name="warning" />
              {t('retention.warning')}
            </span>
          </div>
        )}
      </section>
    </>
  )
}
