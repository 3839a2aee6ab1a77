import { useEffect, useRef, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useShortcuts } from '../app/keyboard'
import { Icon } from './icons'

/** The row that is open, beside the list. Esc closes it. */
export function SidePanel({
  title,
  head,
  onClose,
  children,
}: {
  title: string
  head?: ReactNode
  onClose: () => void
  children: ReactNode
}) {
  const { t } = useTranslation()
  const panel = useRef<HTMLElement>(null)
  useShortcuts([{ keys: 'Escape', label: 'keys.close', run: onClose }])
  // On a phone the panel covers the list: what it says is read first.
  useEffect(() => {
    if (matchMedia('(max-width: 1099px)').matches) panel.current?.focus({ preventScroll: true })
  }, [])
  return (
    <aside
      className="panel"
      aria-label={title}
      ref={panel}
      tabIndex={-1}
      onKeyDown={(event) => event.key === 'Escape' && !event.defaultPrevented && onClose()}
    >
      <header className="panel-head">
        <h2>{title}</h2>
        {head}
        <button className="button-icon" onClick={onClose} aria-label={t('panel.close')} title={`${t('panel.close')} (Esc)`}>
          <Icon name="close" />
        </button>
      </header>
      <div className="panel-body">{children}</div>
    </aside>
  )
}
