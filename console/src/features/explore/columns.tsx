import { Popover, PopoverDisclosure, PopoverProvider } from '@ariakit/react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Field } from '../../api/schema'
import { Icon } from '../../ui/icons'

/** Fields listed at once: one types a few letters to find another. */
const LISTED = 40
/** Columns beside time, kind and summary. */
const COLUMNS_MAX = 12

export function ColumnChoice({ fields, shown, onChange }: { fields: Field[]; shown: string[]; onChange: (columns: string[]) => void }) {
  const { t } = useTranslation()
  const [text, setText] = useState('')
  const found = fields.filter((field) => !shown.includes(field.name) && field.name.includes(text.trim().toLowerCase())).slice(0, LISTED)
  return (
    <PopoverProvider placement="bottom-end">
      <PopoverDisclosure className="button">
        <Icon name="columns" />
        {t('explore.columns')}
        <Icon name="down" />
      </PopoverDisclosure>
      <Popover className="popover columns" gutter={6} portal unmountOnHide aria-label={t('explore.columns')}>
        <div className="range-form">
          <input
            type="search"
            value={text}
            onChange={(event) => setText(event.target.value)}
            placeholder={t('explore.find_field')}
            aria-label={t('explore.find_field')}
          />
        </div>
        <div className="columns-list">
          {shown.map((name) => (
            <label key={name} className="check">
              <input type="checkbox" checked onChange={() => onChange(shown.filter((one) => one !== name))} />
              <span className="mono">{name}</span>
            </label>
          ))}
          {found.map((field) => (
            <label key={field.name} className="check" title={field.doc}>
              <input
                type="checkbox"
                checked={false}
                disabled={shown.length >= COLUMNS_MAX}
                onChange={() => onChange([...shown, field.name])}
              />
              <span className="mono">{field.name}</span>
            </label>
          ))}
        </div>
      </Popover>
    </PopoverProvider>
  )
}
