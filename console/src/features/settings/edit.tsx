import { useQueryClient } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, request } from '../../api/client'
import { useSettings } from '../../api/queries'
import type { Settings } from '../../api/schema'
import { useSession } from '../../app/session'
import { say } from '../../ui/bits'
import { Icon } from '../../ui/icons'
import { Failed, Skeleton } from '../../ui/states'

export function WithSettings({ children }: { children: (settings: Settings) => ReactNode }) {
  const { t } = useTranslation()
  const { isAdministrator } = useSession()
  const { data, error, refetch } = useSettings()
  if (error && !data) return <Failed error={error} retry={() => void refetch()} />
  if (!data) return <Skeleton rows={5} />
  return (
    <>
      {!isAdministrator && (
        <p className="learning">
          <Icon name="exclude" />
          {t('settings.read_only')}
        </p>
      )}
      {children(data)}
    </>
  )
}

/** One setting being changed: what is written and not yet saved, kept whatever others do meanwhile. */
export interface Edit<T> {
  value: T
  changed: boolean
  busy: boolean
  /** What the server said of the last try; `theirs`: that somebody else changed this setting meanwhile. */
  refused: { message: string; theirs: boolean } | null
  set: (value: T) => void
  undo: () => void
  save: () => void
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

/** Changes the setting that the API calls `key`; `read` finds it in the settings, `send` makes of it what the API takes. */
export function useEdit<T>(
  of: Settings,
  key: string,
  read: (settings: Settings) => T,
  send: (value: T, began: T) => unknown = (value) => value,
): Edit<T> {
  const { t } = useTranslation()
  const client = useQueryClient()
  const is = read(of)
  // What one writes, and what stood there when one began.
  const [draft, setDraft] = useState<{ value: T; began: T } | null>(null)
  const [busy, setBusy] = useState(false)
  const [refused, setRefused] = useState<Edit<T>['refused']>(null)

  const put = async (value: T, began: T, version: number): Promise<'saved' | 'theirs'> => {
    try {
      const now = await request('put', '/settings', { json: { key, value: send(value, began), version } })
      client.setQueryData(['/settings', undefined, undefined], now)
      return 'saved'
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 409) throw error
      const now = await request('get', '/settings', {})
      // The same version: it is refused for another reason.
      if (now.version === version) throw error
      // Another setting was changed: that is no quarrel with this one.
      return same(read(now), began) ? put(value, began, now.version) : 'theirs'
    }
  }
  const save = () => {
    if (!draft) return
    if (!refused?.theirs && !same(draft.began, is)) return setRefused({ message: '', theirs: true })
    setBusy(true)
    // To save after a conflict is to have seen what the other wrote.
    put(draft.value, is, of.version)
      .then(
        (done) => {
          if (done === 'theirs') return setRefused({ message: '', theirs: true })
          setDraft(null)
          setRefused(null)
          say(t('settings.saved'))
        },
        (error: unknown) => setRefused({ message: (error instanceof ApiError && error.message) || t('state.failed'), theirs: false }),
      )
      .finally(() => {
        setBusy(false)
        // A quota or a network changes what other pages say, too.
        void client.invalidateQueries()
      })
  }
  return {
    value: draft ? draft.value : is,
    changed: draft !== null && !same(draft.value, is),
    busy,
    refused,
    set: (value) => setDraft({ value, began: draft?.began ?? is }),
    undo: () => {
      setDraft(null)
      setRefused(null)
    },
    save,
  }
}

/** What the change would do, and the buttons that do it or leave it. Nothing while nothing is changed. */
export function Save<T>({ of, wrong, children }: { of: Edit<T>; wrong?: string | null; children?: ReactNode }) {
  const { t } = useTranslation()
  if (!of.changed && !of.refused) return null
  return (
    <div className="save" role="group" aria-label={t('settings.change')}>
      {children}
      {wrong && (
        <p className="field-error" role="alert">
          {wrong}
        </p>
      )}
      {of.refused && (
        <p className="conflict" role="alert">
          <Icon name="warning" />
          <span>
            {of.refused.message} {of.refused.theirs && t('settings.theirs')}
          </span>
        </p>
      )}
      <div className="buttons">
        <button type="button" className="button button-main" disabled={of.busy || !!wrong || !of.changed} onClick={of.save}>
          {t(of.refused?.theirs ? 'settings.save_mine' : 'settings.save')}
        </button>
        <button type="button" className="button-quiet" onClick={of.undo}>
          {t(of.refused?.theirs ? 'settings.take_theirs' : 'settings.undo')}
        </button>
      </div>
    </div>
  )
}

/** The configuration file says it: shown, and where to change it. */
export function Pinned() {
  const { t } = useTranslation()
  return (
    <p className="learning">
      <Icon name="exclude" />
      {t('settings.pinned')}
    </p>
  )
}
