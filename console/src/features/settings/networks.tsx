import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Settings } from '../../api/schema'
import { useSession } from '../../app/session'
import { network } from '../../lib/net'
import { Card } from '../../ui/card'
import { useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Pinned, Save, useEdit, WithSettings } from './edit'

export function Networks() {
  return (
    <WithSettings>
      {(settings) => (
        <>
          <Home of={settings} />
          <Groups of={settings} />
          <Learning of={settings} />
        </>
      )}
    </WithSettings>
  )
}

function Home({ of }: { of: Settings }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  const edit = useEdit(of, 'home_net', (settings) => settings.home_net.value)
  const fixed = !isAdministrator || of.home_net.pinned
  const gone = of.home_net.value.filter((one) => !edit.value.includes(one))
  return (
    <Card title={t('networks.home')}>
      <p className="quiet">{t('networks.home_text')}</p>
      {of.home_net.pinned && <Pinned />}
      <NetworkList label={t('networks.home')} of={edit.value} onChange={fixed ? null : edit.set} />
      <Save of={edit} wrong={edit.value.length === 0 ? t('networks.none_left') : null}>
        {gone.length > 0 && (
          <p className="warned">
            <Icon name="warning" />
            {t('networks.leaves', { networks: gone.join(', ') })}
          </p>
        )}
      </Save>
    </Card>
  )
}

type Group = Settings['groups'][number]

function Groups({ of }: { of: Settings }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  const pinned = of.groups.filter((group) => group.pinned)
  const edit = useEdit<Group[]>(
    of,
    'groups',
    (settings) => settings.groups.filter((group) => !group.pinned),
    (groups) => groups.map(({ name, networks, description }) => ({ name: name.trim(), networks, description })),
  )
  const names = [...pinned, ...edit.value].map((group) => group.name.trim())
  const nameless = names.some((name) => !name)
  const twice = names.find((name, i) => name && names.indexOf(name) !== i)
  const empty = edit.value.find((group) => group.networks.length === 0)
  const wrong = nameless
    ? t('networks.nameless')
    : twice
      ? t('networks.twice', { name: twice })
      : empty
        ? t('networks.empty', { name: empty.name })
        : null
  const gone = of.groups.filter((group) => !names.includes(group.name))
  const put = (i: number, change: Partial<Group>) => edit.set(edit.value.map((group, at) => (at === i ? { ...group, ...change } : group)))
  return (
    <Card title={t('networks.groups')}>
      <p className="quiet">{t('networks.groups_text')}</p>
      <ul className="groups">
        {pinned.map((group) => (
          <li key={group.name} className="group">
            <p>
              <strong>{group.name}</strong> <span className="tag">{t('settings.pinned_short')}</span>{' '}
              <span className="quiet">{group.description}</span>
            </p>
            <NetworkList label={group.name} of={group.networks} onChange={null} />
          </li>
        ))}
        {edit.value.map((group, i) => (
          <li key={i} className="group">
            {isAdministrator ? (
              <div className="group-head form">
                <input
                  value={group.name}
                  maxLength={64}
                  placeholder={t('networks.name')}
                  aria-label={t('networks.name')}
                  onChange={(event) => put(i, { name: event.target.value })}
                />
                <input
                  className="group-text"
                  value={group.description}
                  maxLength={400}
                  placeholder={t('networks.description')}
                  aria-label={t('networks.description')}
                  onChange={(event) => put(i, { description: event.target.value })}
                />
                <button
                  type="button"
                  className="button-icon"
                  aria-label={t('networks.remove_group', { name: group.name })}
                  title={t('networks.remove_group', { name: group.name })}
                  onClick={() => edit.set(edit.value.filter((_, at) => at !== i))}
                >
                  <Icon name="close" />
                </button>
              </div>
            ) : (
              <p>
                <strong>{group.name}</strong> <span className="quiet">{group.description}</span>
              </p>
            )}
            <NetworkList
              label={group.name || t('networks.name')}
              of={group.networks}
              onChange={isAdministrator ? (networks) => put(i, { networks }) : null}
            />
          </li>
        ))}
      </ul>
      {of.groups.length + edit.value.length === 0 && <p className="empty-small">{t('networks.no_groups')}</p>}
      {isAdministrator && (
        <button
          type="button"
          className="button"
          onClick={() => edit.set([...edit.value, { name: '', networks: [], description: '', pinned: false }])}
        >
          <Icon name="plus" />
          {t('networks.add_group')}
        </button>
      )}
      <Save of={edit} wrong={wrong}>
        {gone.length > 0 && (
          <p className="warned">
            <Icon name="warning" />
            {t('networks.groups_leave', { names: gone.map((group) => group.name).join(', ') })}
          </p>
        )}
      </Save>
    </Card>
  )
}

function Learning({ of }: { of: Settings }) {
  const { t } = useTranslation()
  const { number } = useFormat()
  const { isAdministrator } = useSession()
  const edit = useEdit(of, 'known_after_hours', (settings) => settings.known_after_hours)
  const fits = Number.isInteger(edit.value) && edit.value >= 1 && edit.value <= HOURS_MAX
  return (
    <Card title={t('networks.learning')}>
      <p className="quiet">{t('networks.learning_text')}</p>
      {!isAdministrator ? (
        <p>{t('networks.hours_said', { count: of.known_after_hours, formatted: number(of.known_after_hours) })}</p>
      ) : (
      <label className="inline-field form">
        {t('networks.hours')}
        <input
          type="number"
          className="short"
          min={1}
          max={HOURS_MAX}
          value={edit.value}
          onChange={(event) => edit.set(Number(event.target.value))}
        />
      </label>
      )}
      <Save of={edit} wrong={fits ? null : t('settings.between', { from: 1, to: HOURS_MAX })} />
    </Card>
  )
}

/** Half a year, as the server takes it. */
const HOURS_MAX = 4380

/** Networks as chips. Each is looked at as it is typed in; several may be pasted at once. */
function NetworkList({ label, of, onChange }: { label: string; of: string[]; onChange: ((networks: string[]) => void) | null }) {
  const { t } = useTranslation()
  const [text, setText] = useState('')
  const [wrong, setWrong] = useState<string | null>(null)
  const add = () => {
    const given = text.split(/[\s,;]+/).filter(Boolean)
    const bad = given.find((one) => !network(one.replace(/^!/, '')))
    if (bad) return setWrong(t('networks.bad', { text: bad }))
    const known = given.find((one) => of.includes(one))
    if (known) return setWrong(t('networks.known', { text: known }))
    setWrong(null)
    setText('')
    if (given.length) onChange?.([...of, ...given])
  }
  return (
    <div className="networks form">
      <ul className="chips" aria-label={label}>
        {of.map((one) => (
          <li key={one} className="chip">
            <span className="mono">{one}</span>
            {onChange && (
              <button
                type="button"
                aria-label={t('networks.remove', { network: one })}
                onClick={() => onChange(of.filter((each) => each !== one))}
              >
                <Icon name="close" />
              </button>
            )}
          </li>
        ))}
        {onChange && (
          <li className="network-add">
            <input
              className="mono"
              value={text}
              placeholder="10.20.0.0/16"
              spellCheck={false}
              autoComplete="off"
              aria-label={t('networks.add_to', { name: label })}
              aria-invalid={!!wrong}
              onChange={(event) => {
                setText(event.target.value)
                setWrong(null)
              }}
              onKeyDown={(event) => {
                if (event.key !== 'Enter') return
                event.preventDefault()
                add()
              }}
            />
            <button type="button" className="button" disabled={!text.trim()} onClick={add}>
              {t('networks.add')}
            </button>
          </li>
        )}
      </ul>
      {wrong && (
        <p className="field-error" role="alert">
          {wrong}
        </p>
      )}
    </div>
  )
}
