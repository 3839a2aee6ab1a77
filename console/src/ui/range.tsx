import { Popover, PopoverDisclosure, PopoverProvider, usePopoverStore } from '@ariakit/react'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useScope } from '../app/scope'
import { moment, zone } from '../lib/format'
import { NAMED, named, PRESETS } from '../lib/range'
import { useUrl } from '../lib/url'
import { useFormat } from './hooks'
import { Icon } from './icons'

/** A time as `datetime-local` wants it, in the reader's zone. */
function local(ms: number): string {
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

/** The one control of time, for the whole console. */
export function RangeControl() {
  const { t } = useTranslation()
  const { lang } = useFormat()
  const { choice, range, setChoice, now } = useScope()
  const store = usePopoverStore({ placement: 'bottom-end' })
  const [wrong, setWrong] = useState(false)
  const said =
    choice.kind === 'last'
      ? t(`range.${choice.preset}`)
      : choice.kind === 'all'
        ? t('range.all')
        : `${moment(range.from, lang, now)} – ${moment(range.to, lang, now)}`

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const data = new FormData(event.currentTarget)
    const from = Date.parse(String(data.get('from')))
    const to = Date.parse(String(data.get('to')))
    if (!(from < to)) return setWrong(true)
    setWrong(false)
    setChoice({ kind: 'absolute', from, to })
    store.hide()
  }
  return (
    <PopoverProvider store={store}>
      <PopoverDisclosure className="control">
        <Icon name="clock" />
        <span className="control-text">{said}</span>
        <Icon name="down" />
      </PopoverDisclosure>
      <Popover className="popover range" gutter={6} portal unmountOnHide aria-label={t('range.label')}>
        <div className="range-presets">
          {PRESETS.map((preset) => (
            <button
              key={preset}
              className="menu-item"
              aria-pressed={choice.kind === 'last' && choice.preset === preset}
              onClick={() => {
                setChoice({ kind: 'last', preset })
                store.hide()
              }}
            >
              {t(`range.${preset}`)}
            </button>
          ))}
          {NAMED.map((name) => (
            <button
              key={name}
              className="menu-item"
              onClick={() => {
                setChoice(named(name, now))
                store.hide()
              }}
            >
              {t(`range.${name}`)}
            </button>
          ))}
          <button
            className="menu-item"
            aria-pressed={choice.kind === 'all'}
            onClick={() => {
              setChoice({ kind: 'all' })
              store.hide()
            }}
          >
            {t('range.all')}
          </button>
        </div>
        <form className="range-form" onSubmit={submit}>
          <label>
            {t('range.from')}
            <input type="datetime-local" name="from" defaultValue={local(range.from)} key={`f${range.from}`} required />
          </label>
          <label>
            {t('range.to')}
            <input type="datetime-local" name="to" defaultValue={local(range.to)} key={`t${range.to}`} required />
          </label>
          {wrong && (
            <p className="field-error" role="alert">
              {t('range.wrong')}
            </p>
          )}
          <button className="button button-main">{t('range.apply')}</button>
          <p className="quiet">{t('range.zone', { zone: zone(now) })}</p>
        </form>
      </Popover>
    </PopoverProvider>
  )
}

/** Offers to look in all that there is, where one does not already. */
export function Widen() {
  const { t } = useTranslation()
  const { choice, setChoice } = useScope()
  if (choice.kind === 'all') return null
  return (
    <button className="button" onClick={() => setChoice({ kind: 'all' })}>
      {t('explore.widen')}
    </button>
  )
}

/** The one control of datasets. Hidden where there is nothing to choose. */
export function DatasetControl() {
  const { t } = useTranslation()
  const { datasets, dataset } = useScope()
  const store = usePopoverStore({ placement: 'bottom-end' })
  const { set } = useUrl()
  if (datasets.length < 2 && !dataset) return null
  return (
    <PopoverProvider store={store}>
      <PopoverDisclosure className="control">
        <Icon name="dataset" />
        <span className="control-text">{dataset ?? t('dataset.all')}</span>
        <Icon name="down" />
      </PopoverDisclosure>
      <Popover className="popover" gutter={6} portal unmountOnHide aria-label={t('dataset.label')}>
        {[undefined, ...datasets.map((one) => one.name)].map((name) => (
          <button
            key={name ?? ''}
            className="menu-item"
            aria-pressed={name === dataset}
            onClick={() => {
              set({ dataset: name ?? null, open: null })
              store.hide()
            }}
          >
            {name ?? t('dataset.all')}
            {name && <span className="menu-figure">{t(`dataset.${datasets.find((one) => one.name === name)?.kind ?? 'replay'}`)}</span>}
          </button>
        ))}
      </Popover>
    </PopoverProvider>
  )
}
