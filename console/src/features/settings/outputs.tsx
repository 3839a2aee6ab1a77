import { useQueryClient } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, request, type Answer } from '../../api/client'
import { useRead } from '../../api/queries'
import type { Settings } from '../../api/schema'
import { useSession } from '../../app/session'
import { say, When } from '../../ui/bits'
import { Card } from '../../ui/card'
import { useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Wide } from '../../ui/wide'
import { Save, useEdit, WithSettings, type Edit } from './edit'

type Output = Answer<'get', '/outputs'>[number]
/** What both kinds of output have. */
interface Manner {
  lang: string
  imports: boolean
}
type Webhook = Manner & { url: string; has: boolean; authorization: string | null }
type Syslog = Manner & { target: string; carrier: string }

export function Outputs() {
  const { data } = useRead('/outputs', {}, { staleMs: 5_000 })
  const of = (name: string) => data?.find((one) => one.name === name)
  return (
    <WithSettings>
      {(settings) => (
        <>
          <ToWebhook of={settings} came={of('webhook')} />
          <ToSyslog of={settings} came={of('syslog')} />
          <Lines rows={data?.filter((one) => one.name.startsWith('eve_')) ?? []} />
        </>
      )}
    </WithSettings>
  )
}

function ToWebhook({ of, came }: { of: Settings; came?: Output }) {
  const { t, i18n } = useTranslation()
  const { isAdministrator } = useSession()
  const edit = useEdit<Webhook | null>(
    of,
    'webhook',
    ({ webhook: is }) =>
      is ? { url: is.url, lang: is.lang, imports: is.imports, has: is.has_authorization, authorization: '' } : null,
    // What is not written stays as it is; null takes it away.
    (to) => to && { url: to.url, lang: to.lang, imports: to.imports, authorization: to.authorization === '' ? undefined : to.authorization },
  )
  const to = edit.value
  const fresh = { url: 'https://', lang: i18n.language, imports: false, has: false, authorization: '' }
  const bare = to !== null && !/^https?:\/\/[^/\s]/.test(to.url)
  return (
    <Card title={t('outputs.webhook')}>
      <p className="quiet">{t('outputs.webhook_text')}</p>
      <On label={t('outputs.webhook_on')} of={edit} fresh={fresh} />
      {to && (
        <div className="form fields">
          <label>
            {t('outputs.url')}
            <input type="url" value={to.url} readOnly={!isAdministrator} onChange={({ target }) => edit.set({ ...to, url: target.value })} />
          </label>
          <label>
            {t('outputs.authorization')}
            <input
              type="password"
              autoComplete="off"
              value={to.authorization ?? ''}
              placeholder={t(to.authorization === null ? 'outputs.removed' : to.has ? 'outputs.kept' : 'outputs.none')}
              readOnly={!isAdministrator}
              onChange={({ target }) => edit.set({ ...to, authorization: target.value })}
            />
          </label>
          {isAdministrator && to.has && (
            <button type="button" className="button-quiet" onClick={() => edit.set({ ...to, authorization: null })}>
              {t('outputs.remove')}
            </button>
          )}
          <Words of={to} onChange={(manner) => edit.set({ ...to, ...manner })} />
        </div>
      )}
      <Save of={edit} wrong={bare ? t('outputs.bad_url') : null}>
        <p className="quiet">{t(to ? 'outputs.from_now' : 'outputs.stops')}</p>
      </Save>
      <Came of={came} name="webhook" ready={!!of.webhook && !edit.changed} />
    </Card>
  )
}

function ToSyslog({ of, came }: { of: Settings; came?: Output }) {
  const { t, i18n } = useTranslation()
  const { isAdministrator } = useSession()
  const edit = useEdit<Syslog | null>(of, 'syslog', ({ syslog: is }) => is ?? null)
  const to = edit.value
  const bad = to !== null && !/^[^\s/]+:\d+$/.test(to.target)
  return (
    <Card title={t('outputs.syslog')}>
      <p className="quiet">{t('outputs.syslog_text')}</p>
      <On label={t('outputs.syslog_on')} of={edit} fresh={{ target: '', carrier: 'udp', lang: i18n.language, imports: false }} />
      {to && (
        <div className="form fields">
          <label>
            {t('outputs.target')}
            <input
              value={to.target}
              placeholder="syslog.example:514"
              readOnly={!isAdministrator}
              onChange={({ target }) => edit.set({ ...to, target: target.value.trim() })}
            />
          </label>
          <label>
            {t('outputs.carrier')}
            <select value={to.carrier} disabled={!isAdministrator} onChange={({ target }) => edit.set({ ...to, carrier: target.value })}>
              {['udp', 'tcp'].map((carrier) => (
                <option key={carrier} value={carrier}>
                  {carrier.toUpperCase()}
                </option>
              ))}
            </select>
          </label>
          <Words of={to} onChange={(manner) => edit.set({ ...to, ...manner })} />
        </div>
      )}
      <Save of={edit} wrong={bad ? t('outputs.bad_target') : null}>
        <p className="quiet">{t(to ? 'outputs.from_now' : 'outputs.stops')}</p>
      </Save>
      <Came of={came} name="syslog" ready={!!of.syslog && !edit.changed} />
    </Card>
  )
}

function On<T>({ label, of, fresh }: { label: string; of: Edit<T | null>; fresh: T }) {
  const { isAdministrator } = useSession()
  return (
    <label className="check">
      <input
        type="checkbox"
        checked={of.value !== null}
        disabled={!isAdministrator}
        onChange={(event) => of.set(event.target.checked ? fresh : null)}
      />
      {label}
    </label>
  )
}

/** The language of what is said, and of what. */
function Words({ of, onChange }: { of: Manner; onChange: (manner: Manner) => void }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  return (
    <>
      <label>
        {t('outputs.lang')}
        <select value={of.lang} disabled={!isAdministrator} onChange={({ target }) => onChange({ lang: target.value, imports: of.imports })}>
          {['fr', 'en'].map((lang) => (
            <option key={lang} value={lang}>
              {t(`outputs.lang_${lang}`)}
            </option>
          ))}
        </select>
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={of.imports}
          disabled={!isAdministrator}
          onChange={({ target }) => onChange({ lang: of.lang, imports: target.checked })}
        />
        {t('outputs.imports')}
      </label>
    </>
  )
}

/** What came of it, and a way to try. */
function Came({ of, name, ready }: { of?: Output; name: string; ready: boolean }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  const { number } = useFormat()
  const client = useQueryClient()
  const [busy, setBusy] = useState(false)
  if (!ready || !of) return null
  const test = () => {
    setBusy(true)
    request('post', '/outputs/{name}/test', { names: { name } })
      .then(
        () => say(t('outputs.test_taken')),
        (error: unknown) => say((error instanceof ApiError && error.message) || t('state.failed'), true),
      )
      .finally(() => {
        setBusy(false)
        void client.invalidateQueries({ queryKey: ['/outputs'] })
      })
  }
  return (
    <>
      <Last of={of}>
        {t('outputs.delivered', { count: of.delivered, formatted: number(of.delivered) })}
        {of.dropped > 0 && `, ${t('outputs.given_up', { count: of.dropped, formatted: number(of.dropped) })}`}
      </Last>
      {isAdministrator && (
        <p className="buttons">
          <button type="button" className="button" disabled={busy} onClick={test}>
            {t('outputs.test')}
          </button>
        </p>
      )}
    </>
  )
}

function Last({ of, children }: { of: Output; children?: ReactNode }) {
  const { t } = useTranslation()
  return (
    <>
      <p className="quiet">
        {children}
        {children && ' · '}
        {of.last_success ? (
          <>
            {t('outputs.last_success')} <When at={of.last_success} />
          </>
        ) : (
          t('outputs.no_success')
        )}
      </p>
      {of.last_error && (
        <p className={of.last_error.stands ? 'warned' : 'quiet'}>
          {of.last_error.stands && <Icon name="warning" />}
          <span>
            {t('outputs.last_error')} <When at={of.last_error.at} /> · {of.last_error.text}
          </span>
        </p>
      )}
    </>
  )
}

/** What writes every event: the configuration file asks for it. */
function Lines({ rows }: { rows: Output[] }) {
  const { t } = useTranslation()
  const { number } = useFormat()
  const running = rows.filter((one) => one.target)
  return (
    <Card title={t('outputs.eve')}>
      <p className="quiet">{t('outputs.eve_text')}</p>
      {running.length > 0 && (
        <Wide>
          <table className="plain">
            <thead>
              <tr>
                <th>{t('outputs.to')}</th>
                <th className="figure">{t('outputs.lines')}</th>
                <th className="figure">{t('outputs.dropped')}</th>
                <th>{t('outputs.state')}</th>
              </tr>
            </thead>
            <tbody>
              {running.map((one) => (
                <tr key={one.name} className={one.dropped > 0 || one.last_error?.stands ? 'row-warned' : undefined}>
                  <td className="mono">{one.target}</td>
                  <td className="figure">{number(one.delivered)}</td>
                  <td className="figure">{number(one.dropped)}</td>
                  <td>
                    <Last of={one} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
    </Card>
  )
}
