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

type Field = 'old' | 'new' | 'repeat'

export function Login({ onEnter, again, change }: Props) {
  const { t, i18n } = useTranslation()
  const [error, setError] = useState<{ text: string; field?: Field } | null>(null)
  const [busy, setBusy] = useState(false)
  const dialog = useRef<HTMLDialogElement>(null)
  const form = useRef<HTMLFormElement>(null)
  useEffect(() => {
    if (again !== undefined) dialog.current?.showModal()
    document.title = `${t('login.title')} · Vigie`
  }, [again, t])

  const point = (field: Field, text: string) => {
    setError({ text, field })
    const input = form.current?.elements.namedItem(field)
    if (input instanceof HTMLInputElement) input.select()
  }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const data = new FormData(event.currentTarget)
    const text = (name: string) => String(data.get(name) ?? '')
    setBusy(true)
    setError(null)
    try {
      if (change) {
        const wrong = refused(text('old'), text('new'), text('repeat'))
        if (wrong) return point(wrong.field, t(`login.${wrong.why}`))
        await request('post', '/session/password', { json: { old: text('old'), new: text('new') }, quiet: true })
        onEnter((await request('get', '/session', { quiet: true })) as Session)
      } else {
        onEnter((await request('post', '/session', { json: { name: text('name'), password: text('password') }, quiet: true })) as Session)
      }
    } catch (failure) {
      const known = failure instanceof ApiError ? failure : null
      if (known?.body.code === 'bad_credentials' && change) point('old', t('login.bad_old'))
      else if (known?.body.code === 'bad_credentials') setError({ text: t('login.bad') })
      else if (known?.body.code === 'password' && change) point('new', known.message)
      else if (known?.body.code === 'locked') setError({ text: t('login.locked', { count: Math.ceil((known.retryAfter ?? 60) / 60) }) })
      else if (known?.status === 0) setError({ text: t('state.unreachable_text') })
      else setError({ text: known?.message || t('state.failed') })
    } finally {
      setBusy(false)
    }
  }

  const wrong = (field: Field) =>
    error?.field === field && (
      <p className="field-error" role="alert" id={`${field}-wrong`}>
        {error.text}
      </p>
    )
  const marked = (field: Field) =>
    error?.field === field ? { 'aria-invalid': true, 'aria-describedby': `${field}-wrong` } : {}
  const body = (
    <form className="login-form" ref={form} onSubmit={(event) => void submit(event)}>
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
            <input name="old" type="password" autoComplete="current-password" required autoFocus {...marked('old')} />
          </label>
          {wrong('old')}
          <label>
            {t('login.new')}
            <input name="new" type="password" autoComplete="new-password" required aria-describedby="password-rule" {...marked('new')} />
          </label>
          {wrong('new')}
          <p className="quiet" id="password-rule">
            {t('login.rule')}
          </p>
          <label>
            {t('login.repeat')}
            <input name="repeat" type="password" autoComplete="new-password" required {...marked('repeat')} />
          </label>
          {wrong('repeat')}
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
      {error && !error.field && (
        <p className="field-error" role="alert">
          {error.text}
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
      {body}
    </dialog>
  ) : (
    <main className="login">{body}</main>
  )
}

const PASSWORD_MIN = 12

/** Which field of a change of password is wrong, and why; the server has the last word. */
export function refused(old: string, next: string, repeat: string): { field: Field; why: string } | null {
  if ([...next].length < PASSWORD_MIN) return { field: 'new', why: 'too_short' }
  if (next === old) return { field: 'new', why: 'same' }
  if (next !== repeat) return { field: 'repeat', why: 'differ' }
  return null
}
