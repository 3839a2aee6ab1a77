import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'

export const LANGUAGES = ['fr', 'en'] as const
export type Language = (typeof LANGUAGES)[number]

/** Catalogues are files of their own: one fetches only the language that one reads. */
const catalogues: Record<Language, () => Promise<{ default: object }>> = {
  fr: () => import('./fr.json'),
  en: () => import('./en.json'),
}

/** What the server refuses with, by the names of its sentences. Their English is its own. */
const refusals: Partial<typeof catalogues> = { fr: () => import('./refusals.fr.json') }

/** What fields mean, by their English; read only where fields are offered. */
export const fieldTexts = async (lang: string): Promise<Record<string, string> | null> =>
  lang === 'fr' ? (await import('./fields.fr.json')).default : null

/** French has a plural of its own for whole millions, which reads like the common one here. */
function completePlurals(texts: object): object {
  return Object.fromEntries(
    Object.entries(texts).flatMap(([key, value]: [string, unknown]) =>
      typeof value === 'object' && value !== null
        ? [[key, completePlurals(value)]]
        : key.endsWith('_other')
          ? [
              [key, value],
              [key.replace(/_other$/, '_many'), value],
            ]
          : [[key, value]],
    ),
  )
}
const catalogue = async (lang: Language) => {
  const [texts, refusal] = await Promise.all([catalogues[lang](), refusals[lang]?.()])
  return completePlurals({ ...texts.default, ...(refusal && { refusal: refusal.default }) })
}

/** A sentence of the server in the reader's language; where it has no name of its own, in English, and marked so. */
export function inWords({ reason, params, message }: { message: string; reason?: string | null; params?: Record<string, string> }): string {
  if (!message || i18next.language === 'en') return message
  if (!reason || !i18next.exists(`refusal.${reason}`)) return i18next.t('state.in_english', { message })
  const said = (key: string, value: string) =>
    key === 'role' ? i18next.t(`account_role.${value}`, { defaultValue: value }) : /^\d{4,}$/.test(value) ? Number(value).toLocaleString(i18next.language) : value
  const filled = Object.fromEntries(Object.entries(params ?? {}).map(([key, value]) => [key, said(key, value)]))
  const text = i18next.t(`refusal.${reason}`, filled)
  return params?.of ? `${params.of} : ${text}` : text
}

const KEY = 'vigie.lang'

/** The language to open with, before anyone has logged in. French where the browser names neither. */
export function firstLanguage(): Language {
  let remembered: string | null = null
  try {
    remembered = localStorage.getItem(KEY)
  } catch {
    // Storage may be forbidden; the browser's own language does.
  }
  const wished = [remembered, ...navigator.languages].map((tag) => tag?.slice(0, 2))
  return LANGUAGES.find((lang) => wished.find((one) => one === 'fr' || one === 'en') === lang) ?? 'fr'
}

export async function startLanguage(lang: Language): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: lang,
    fallbackLng: false,
    resources: { [lang]: { translation: await catalogue(lang) } },
    // React escapes already.
    interpolation: { escapeValue: false },
    returnNull: false,
  })
  document.documentElement.lang = lang
}

export async function changeLanguage(lang: Language): Promise<void> {
  if (!i18next.hasResourceBundle(lang, 'translation')) {
    i18next.addResourceBundle(lang, 'translation', await catalogue(lang))
  }
  await i18next.changeLanguage(lang)
  document.documentElement.lang = lang
  try {
    localStorage.setItem(KEY, lang)
  } catch {
    // Not remembered, still changed.
  }
}
