import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState, type FormEvent } from 'react'
import type { TFunction } from 'i18next'
import { useTranslation } from 'react-i18next'
import { request, type Sent } from '../../api/client'
import { useList, useRead } from '../../api/queries'
import type { Role } from '../../api/schema'
import { useScope } from '../../app/scope'
import { useSession } from '../../app/session'
import { useUrl } from '../../lib/url'
import { FilterText, say, Twice, When } from '../../ui/bits'
import { Card } from '../../ui/card'
import { Icon } from '../../ui/icons'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { Wide } from '../../ui/wide'

const ROLES: Role[] = ['viewer', 'analyst', 'administrator']

/** A change of people or tokens: what it touches is read again, what failed is said. */
function useChange(keys: string[]) {
  const { t } = useTranslation()
  const client = useQueryClient()
  return useMutation({
    mutationFn: (send: () => Promise<unknown>) => send(),
    onSuccess: () => say(t('settings.saved')),
    onError: (error) => say(error.message || t('state.failed'), true),
    onSettled: () => keys.forEach((key) => void client.invalidateQueries({ queryKey: [key] })),
  })
}

export function People() {
  const { t } = useTranslation()
  const { session } = useSession()
  const { data, error, refetch } = useRead('/users', {})
  const change = useChange(['/users', '/colleagues'])
  if (error && !data) return <Failed error={error} retry={() => void refetch()} />
  if (!data) return <Skeleton rows={4} />
  const add = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const given = new FormData(form)
    const text = (name: string) => String(given.get(name) ?? '')
    change.mutate(() => request('post', '/users', { json: { name: text('name'), role: text('role'), password: text('password') } }), {
      onSuccess: () => form.reset(),
    })
  }
  return (
    <>
      <section className="card">
        <Wide>
          <table className="plain">
            <thead>
              <tr>
                <th>{t('login.name')}</th>
                <th>{t('people.role')}</th>
                <th>{t('people.last')}</th>
                <th>{t('people.created')}</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {data.map((one) => {
                const set = (json: Sent<'patch', '/users/{name}'>) =>
                  change.mutate(() => request('patch', '/users/{name}', { names: { name: one.name }, json }))
                const self = one.name === session.user.name
                return (
                  <tr key={one.name} className={one.disabled ? 'quiet' : undefined}>
                    <td>
                      <span className="strong">{one.name}</span> {one.disabled && <span className="tag">{t('people.disabled')}</span>}
                    </td>
                    <td>
                      <select
                        value={one.role}
                        disabled={self}
                        aria-label={t('people.role_of', { name: one.name })}
                        onChange={(event) => set({ role: event.target.value })}
                      >
                        {ROLES.map((role) => (
                          <option key={role} value={role}>
                            {t(`account_role.${role}`)}
                          </option>
                        ))}
                      </select>
                    </td>
                    <td>{one.last_login ? <When at={one.last_login} /> : t('exclusion.never')}</td>
                    <td>
                      <When at={one.created} />
                    </td>
                    <td>
                      {!self &&
                        (one.disabled ? (
                          <button className="button-quiet" onClick={() => set({ disabled: false })}>
                            {t('people.enable')}
                          </button>
                        ) : (
                          <Twice
                            className="button-quiet"
                            label={t('people.disable')}
                            sure={t('people.disable_sure')}
                            onConfirm={() => set({ disabled: true })}
                          />
                        ))}
                    </td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </Wide>
      </section>
      <Card title={t('people.add')}>
        <form className="form fields" onSubmit={add}>
          <label>
            {t('login.name')}
            <input name="name" required pattern="[a-z0-9._\-]{1,40}" autoComplete="off" />
          </label>
          <label>
            {t('people.role')}
            <select name="role" defaultValue="analyst">
              {ROLES.map((role) => (
                <option key={role} value={role}>
                  {t(`account_role.${role}`)}
                </option>
              ))}
            </select>
          </label>
          <label>
            {t('people.password')}
            <input name="password" type="password" required minLength={12} autoComplete="new-password" />
          </label>
          <button className="button button-main">{t('people.add_button')}</button>
        </form>
        <ul className="role-notes quiet">
          {ROLES.map((role) => (
            <li key={role}>
              <strong>{t(`account_role.${role}`)}</strong> {t(`role_means.${role}`)}
            </li>
          ))}
        </ul>
      </Card>
    </>
  )
}

export function Tokens() {
  const { t } = useTranslation()
  const { session } = useSession()
  const client = useQueryClient()
  const { data, error, refetch } = useRead('/tokens', {})
  const change = useChange(['/tokens', '/users'])
  const [fresh, setFresh] = useState<string | null>(null)
  const make = useMutation({
    mutationFn: (json: Sent<'post', '/users/{name}/tokens'>) =>
      request('post', '/users/{name}/tokens', { names: { name: session.user.name }, json }),
    onSuccess: ({ token }) => {
      setFresh(token)
      void client.invalidateQueries({ queryKey: ['/tokens'] })
    },
    onError: (failure) => say(failure.message || t('state.failed'), true),
  })
  if (error && !data) return <Failed error={error} retry={() => void refetch()} />
  if (!data) return <Skeleton rows={4} />
  return (
    <>
      {fresh && (
        <section className="card learning">
          <div>
            <p>{t('tokens.once')}</p>
            <p className="buttons">
              <code className="mono token">{fresh}</code>
              <button
                className="button"
                onClick={() =>
                  void navigator.clipboard.writeText(fresh).then(
                    () => say(t('value.copied', { value: t('tokens.token') })),
                    () => say(t('value.not_copied'), true),
                  )
                }
              >
                <Icon name="copy" />
                {t('value.copy')}
              </button>
            </p>
          </div>
        </section>
      )}
      <section className="card">
        <Wide>
          {data.length === 0 ? (
            <Empty icon="user" title={t('tokens.none')} />
          ) : (
            <table className="plain">
              <thead>
                <tr>
                  <th>{t('tokens.name')}</th>
                  <th>{t('tokens.user')}</th>
                  <th>{t('people.created')}</th>
                  <th>{t('exclusion.expires')}</th>
                  <th>{t('tokens.used')}</th>
                  <th />
                </tr>
              </thead>
              <tbody>
                {data.map((one) => (
                  <tr key={one.id}>
                    <td className="strong">{one.name}</td>
                    <td>{one.user}</td>
                    <td>
                      <When at={one.created} />
                    </td>
                    <td>
                      <When at={one.expires} form="moment" />
                    </td>
                    <td>{one.last_used ? <When at={one.last_used} /> : t('exclusion.never')}</td>
                    <td>
                      <Twice
                        className="button-quiet"
                        label={t('tokens.revoke')}
                        sure={t('tokens.revoke_sure')}
                        onConfirm={() => change.mutate(() => request('delete', '/tokens/{id}', { names: { id: one.id } }))}
                      />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Wide>
      </section>
      <Card title={t('tokens.make')}>
        <form
          className="form fields"
          onSubmit={(event) => {
            event.preventDefault()
            const given = new FormData(event.currentTarget)
            make.mutate({ name: String(given.get('name')), days: Number(given.get('days')) })
            event.currentTarget.reset()
          }}
        >
          <label>
            {t('tokens.name')}
            <input name="name" required maxLength={60} />
          </label>
          <label>
            {t('tokens.days')}
            <input name="days" type="number" min={1} max={365} defaultValue={90} />
          </label>
          <button className="button button-main">{t('tokens.make_button')}</button>
        </form>
      </Card>
    </>
  )
}

/** What the trail has as JSON, in words as far as they are known. */
function detailText(detail: string | null | undefined, t: TFunction): string {
  let told: unknown
  try {
    told = JSON.parse(detail ?? '')
  } catch {
    return detail ?? ''
  }
  if (told === null || typeof told !== 'object' || Array.isArray(told)) return typeof told === 'string' ? told : (detail ?? '')
  return Object.entries(told)
    .map(
      ([key, value]) =>
        `${t(`audit_detail.${key}`, { defaultValue: key })} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
    )
    .join(', ')
}

export function Audit() {
  const { t } = useTranslation()
  const { search } = useUrl()
  const { params } = useScope()
  const list = useList('/audit', { who: search.who, from: params.from, to: params.to })
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data])
  if (list.error && rows.length === 0) return <Failed error={list.error} retry={() => void list.refetch()} />
  if (list.isPending) return <Skeleton rows={8} />
  return (
    <section className="card">
      <Wide>
        <div className="toolbar">
          <FilterText name="who" label={t('audit.who')} />
        </div>
        {rows.length === 0 ? (
          <Empty icon="user" title={t('audit.none')} />
        ) : (
          <table className="plain">
            <thead>
              <tr>
                <th>{t('explore.time')}</th>
                <th>{t('audit.who')}</th>
                <th>{t('audit.action')}</th>
                <th>{t('audit.object')}</th>
                <th>{t('audit.detail')}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((one, i) => (
                <tr key={i}>
                  <td>
                    <When at={one.ts} form="clock" />
                  </td>
                  <td>{one.who}</td>
                  <td>{t(`audit_action.${one.action.replace('.', '_')}`, { defaultValue: one.action })}</td>
                  <td className="mono">{one.object}</td>
                  <td>{detailText(one.detail, t)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {list.hasNextPage && (
          <button className="button" onClick={() => void list.fetchNextPage()}>
            {t('audit.more')}
          </button>
        )}
      </Wide>
    </section>
  )
}
