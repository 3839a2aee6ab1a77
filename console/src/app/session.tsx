import { useQueryClient } from '@tanstack/react-query'
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react'
import { adopt, ApiError, request, speak, whenExpired } from '../api/client'
import type { Lang, Session, Theme } from '../api/schema'
import { changeLanguage, type Language } from '../i18n'
import { useTranslation } from 'react-i18next'
import { Login } from '../features/login/login'
import { Failed, Opening } from '../ui/states'

interface Held {
  session: Session
  lang: Language
  theme: Theme
  setLang(lang: Language): void
  setTheme(theme: Theme): void
  logOut(): Promise<void>
  /** May this person change cases, exclusions and declared assets? */
  canWrite: boolean
  isAdministrator: boolean
}

const Context = createContext<Held | null>(null)

export function useSession(): Held {
  const held = useContext(Context)
  if (!held) throw new Error('outside of a session')
  return held
}

const THEME_KEY = 'vigie.theme'

function rememberedTheme(): Theme {
  try {
    const stored = localStorage.getItem(THEME_KEY)
    return stored === 'light' || stored === 'dark' ? stored : 'system'
  } catch {
    return 'system'
  }
}

export function showTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  try {
    localStorage.setItem(THEME_KEY, theme)
  } catch {
    // Not remembered here; the account remembers it.
  }
}

/**
 * Knows who is logged in. Nobody yet: the log-in page, at the address that was asked for. A session that ends while one works:
 * the log-in page lies over the page, which stays as it is, with all that was typed.
 */
export function SessionGate({ children }: { children: ReactNode }) {
  const [session, setSession] = useState<Session | null>(null)
  const [asked, setAsked] = useState(false)
  const [expired, setExpired] = useState(false)
  const [failure, setFailure] = useState<ApiError | null>(null)
  const [theme, setThemeState] = useState<Theme>(rememberedTheme)
  const { i18n } = useTranslation()
  const client = useQueryClient()
  const lang = i18n.language as Language

  const enter = useCallback(
    (next: Session) => {
      adopt(next)
      setSession(next)
      setExpired(false)
      if (next.user.lang && next.user.lang !== i18n.language) void changeLanguage(next.user.lang)
      if (next.user.theme) {
        setThemeState(next.user.theme)
        showTheme(next.user.theme)
      }
    },
    [i18n],
  )

  const ask = useCallback(() => {
    setFailure(null)
    request('get', '/session', { quiet: true })
      .then((found) => found as Session)
      .then(enter, (error: unknown) => {
        if (!(error instanceof ApiError && error.status === 401))
          setFailure(error instanceof ApiError ? error : new ApiError(0, { code: 'unreachable', message: '' }))
      })
      .finally(() => setAsked(true))
  }, [enter])

  useEffect(ask, [ask])
  useEffect(() => speak(lang), [lang])
  useEffect(() => whenExpired(() => setExpired(true)), [])

  const held = useMemo<Held | null>(() => {
    if (!session) return null
    const save = (change: { lang?: Lang; theme?: Theme }) => void request('patch', '/session', { json: change }).catch(() => {})
    return {
      session,
      lang,
      theme,
      setLang(next) {
        speak(next)
        void changeLanguage(next).then(() => client.invalidateQueries())
        save({ lang: next })
      },
      setTheme(next) {
        setThemeState(next)
        showTheme(next)
        save({ theme: next })
      },
      async logOut() {
        await request('delete', '/session', { quiet: true }).catch(() => {})
        client.clear()
        setSession(null)
      },
      canWrite: session.user.role !== 'viewer',
      isAdministrator: session.user.role === 'administrator',
    }
  }, [session, lang, theme, client])

  if (failure && !session) return <Failed error={failure} retry={ask} page />
  if (!asked) return <Opening />
  if (!held) return <Login key="enter" onEnter={enter} />
  if (held.session.user.must_change_password) return <Login key="change" onEnter={enter} change={held.session} />
  return (
    <Context value={held}>
      {children}
      {expired && (
        <Login
          again={held.session.user.name}
          onEnter={(next) => {
            // Another person must not see what the former one had open.
            if (next.user.name !== held.session.user.name) client.clear()
            enter(next)
            void client.invalidateQueries()
          }}
        />
      )}
    </Context>
  )
}
