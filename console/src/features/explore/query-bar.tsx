import { Combobox, ComboboxItem, ComboboxPopover, ComboboxProvider, useComboboxStore } from '@ariakit/react'
import type { TFunction } from 'i18next'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { ApiError } from '../../api/client'
import { useRead } from '../../api/queries'
import type { Field } from '../../api/schema'
import { useShortcuts } from '../../app/keyboard'
import { useScope } from '../../app/scope'
import { fieldTexts } from '../../i18n'
import { quote, wordAt } from '../../lib/query'
import { Icon } from '../../ui/icons'

/** Offers shown at once. */
const OFFERS_MAX = 12

/** The type of a field in the reader's language. */
function typeName(t: TFunction, type: string): string {
  const one = type.replace(/^list of /, '')
  const name = t(`field_type.${one}`, { defaultValue: one })
  return one === type ? name : t('field_type.list', { type: name })
}

/** The query as text. Fields and values complete as one types; Enter asks. */
export function QueryBar({
  value,
  fields: all,
  wrong,
  onChange,
}: {
  value: string
  fields: Field[]
  wrong: ApiError | null
  onChange: (query: string) => void
}) {
  const { t, i18n } = useTranslation()
  const [meanings, setMeanings] = useState<Record<string, string> | null>(null)
  useEffect(() => void fieldTexts(i18n.language).then(setMeanings), [i18n.language])
  const { params } = useScope()
  // Several kinds may have a field of the same name.
  const fields = useMemo(() => [...new Map(all.map((one) => [one.name, one])).values()], [all])
  const [text, setText] = useState(value)
  const [caret, setCaret] = useState(value.length)
  const [edited, setEdited] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => {
    setText(value)
    setEdited(false)
  }, [value])

  const word = wordAt(text, caret)
  const known = word.field ? fields.find((field) => field.name === word.field) : undefined
  const values = useRead('/events/facets', { query: { ...params, field: word.field ?? '', limit: 20 } }, { enabled: !!known })
  const offers = useMemo(() => {
    const typed = word.text.toLowerCase().replace(/^"/, '')
    if (word.field !== null)
      return (values.data?.values ?? [])
        .filter((one) => one.value.toLowerCase().includes(typed))
        .slice(0, OFFERS_MAX)
        .map((one) => ({ insert: `${quote(one.value)} `, shown: one.value, side: String(one.count), doc: '' }))
    if (!typed && text) return []
    const starts = fields.filter((field) => field.name.toLowerCase().startsWith(typed))
    const holds = fields.filter((field) => !field.name.toLowerCase().startsWith(typed) && field.name.toLowerCase().includes(typed))
    return [...starts, ...holds]
      .slice(0, OFFERS_MAX)
      .map((field) => ({ insert: `${field.name}:`, shown: field.name, side: typeName(t, field.type), doc: meanings ? (meanings[field.doc] ?? '') : field.doc }))
  }, [word.field, word.text, values.data, fields, text, meanings, t])

  const store = useComboboxStore({ value: text, setValue: setText, focusLoop: true, includesBaseElement: true })
  useShortcuts([{ keys: 'q', label: 'keys.query', run: () => input.current?.focus() }])

  const take = (insert: string) => {
    const next = text.slice(0, word.start) + insert + text.slice(word.end).trimStart()
    const at = word.start + insert.length
    setText(next)
    setEdited(true)
    requestAnimationFrame(() => {
      input.current?.focus()
      input.current?.setSelectionRange(at, at)
      setCaret(at)
      if (insert.endsWith(':')) store.show()
    })
  }
  return (
    <form
      className="query"
      onSubmit={(event) => {
        event.preventDefault()
        store.hide()
        onChange(text.trim())
      }}
    >
      <ComboboxProvider store={store}>
        <Icon name="filter" />
        <Combobox
          ref={input}
          className="query-input mono"
          aria-label={t('explore.query')}
          aria-invalid={!!wrong && !edited}
          aria-describedby={wrong && !edited ? 'query-wrong' : undefined}
          placeholder={t('explore.query_placeholder')}
          autoComplete="off"
          spellCheck={false}
          autoSelect={false}
          setValueOnClick={false}
          onChange={(event) => {
            setEdited(true)
            setCaret(event.currentTarget.selectionStart ?? event.currentTarget.value.length)
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && !store.getState().activeId) {
              event.preventDefault()
              store.hide()
              onChange(text.trim())
            }
          }}
        />
        <button className="button button-main">{t('explore.ask')}</button>
        {offers.length > 0 && (
          <ComboboxPopover className="popover offers" gutter={4} sameWidth portal unmountOnHide aria-label={t('explore.offers')}>
            {offers.map((offer) => (
              <ComboboxItem
                key={offer.shown}
                className="menu-item offer"
                value={offer.shown}
                setValueOnClick={false}
                hideOnClick={false}
                onClick={() => take(offer.insert)}
              >
                <span className="mono">{offer.shown}</span>
                <span className="quiet offer-doc">{offer.doc}</span>
                <span className="menu-figure">{offer.side}</span>
              </ComboboxItem>
            ))}
          </ComboboxPopover>
        )}
      </ComboboxProvider>
      {wrong && !edited && (
        <div className="query-wrong" id="query-wrong" role="alert">
          {typeof wrong.body.offset === 'number' && (
            <p className="mono query-mark">
              {value.slice(0, wrong.body.offset)}
              <mark>{value.slice(wrong.body.offset) || '\u00a0'}</mark>
            </p>
          )}
          <p>
            {wrong.message}{' '}
            {wrong.body.nearest && !wrong.message.includes(`"${wrong.body.nearest}"`) && t('explore.nearest', { nearest: wrong.body.nearest })}
          </p>
        </div>
      )}
    </form>
  )
}
