import { useEffect, useRef, useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, request } from '../../api/client'
import type { Session } from '../../api/schema'
import { changeLanguage, LANGUAGES } from '../../i18n'
import { Logo } from '../../ui/states'

interface Props {
  onEnter: (session: Session) => void
  /** The session ended while this person was working: the page waits underneath. */
  again?: string
  /** Logged in, but the password must be changed first. */
  change?: Session
}

export function Login({ onEnter, again, change }: Props) {
  const { t, i18n } = useTranslation()
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (again !== undefined) dialog.current?.showModal()
    document.title = `${t('login.title')} · Vigie`
  }, [again, t])

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const data = new FormData(event.currentTarget)
    const text = (name: string) => String(data.get(name) ?? '')
    setBusy(true)
    setError(null)
    try {
      if (change) {
        if (text('new') !== text('repeat')) throw new ApiError(422, { code: 'differ', message: t('login.differ') })
        await request('post', '/session/password', { json: { old: text('old'), new: text('new') }, quiet: true })
        onEnter((await request('get', '/session', { quiet: true })) as Session)
      } else {
        onEnter((await request('post', '/session', { json: { name: text('name'), password: text('password') }, quiet: true })) as Session)
      }
    } catch (failure) {
      const known = failure instanceof ApiError ? failure : null
      if (known?.body.code === 'bad_credentials') setError(t('login.bad'))
      else if (known?.body.code === 'locked') setError(t('login.locked', { count: Math.ceil((known.retryAfter ?? 60) / 60) }))
      else if (known?.status === 0) setError(t('state.unreachable_text'))
      else setError(known?.message || t('state.failed'))
    } finally {
      setBusy(false)
    }
  }

  const form = (
    <form className="login-form" onSubmit={(event) => void submit(event)}>
      <div className="brand">
        <Logo />
        <span>Vigie</span>
      </div>
      <h1>{change ? t('login.change_title') : again !== undefined ? t('login.again_title') : t('login.title')}</h1>
      <p className="quiet">{change ? t('login.change_text') : again !== undefined ? t('login.again_text') : t('login.text')}</p>
      {change ? (
        <>
          <label>
            {t('login.old')}
            <input name="old" type="password" autoComplete="current-password" required autoFocus />
          </label>
          <label>
            {t('login.new')}
            <input name="new" type="password" autoComplete="new-password" minLength={12} required aria-describedby="password-rule" />
          </label>
          <p className="quiet" id="password-rule">
            {t('login.rule')}
          </p>
          <label>
            {t('login.repeat')}
            <input name="repeat" type="password" autoComplete="new-password" required />
          </label>
        </>
      ) : (
        <>
          <label>
            {t('login.name')}
            <input
              name="name"
              autoComplete="username"
              defaultValue={again}
              required
              autoFocus={again === undefined}
              autoCapitalize="none"
              spellCheck={false}
            />
          </label>
          <label>
            {t('login.password')}
            <input name="password" type="password" autoComplete="current-password" required autoFocus={again !== undefined} />
          </label>
        </>
      )}
      {error && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
      <button className="button button-main" disabled={busy}>
        {change ? t('login.change') : t('login.enter')}
      </button>
      {again === undefined && (
        <p className="login-languages">
          {LANGUAGES.map((lang) => (
            <button
              key={lang}
              type="button"
              lang={lang}
              className="button-quiet"
              aria-pressed={i18n.language === lang}
              onClick={() => void changeLanguage(lang)}
            >
              {t(`language.${lang}`)}
            </button>
          ))}
        </p>
      )}
    </form>
  )
  return again !== undefined ? (
    <dialog ref={dialog} className="dialog login-again" onCancel={(event) => event.preventDefault()} aria-label={t('login.again_title')}>
      {form}
    </dialog>
  ) : (
    <main className="login">{form}</main>
  )
}
