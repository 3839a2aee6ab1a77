import { useVirtualizer } from '@tanstack/react-virtual'
import { useCallback, useEffect, useRef, useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useShortcuts } from '../app/keyboard'
import { usePhone } from './hooks'
import { Icon } from './icons'

/** Heights in CSS pixels; the style sheet has the same. */
const ROW = 28
const ROW_PHONE = 68
const COLUMN_GAP = 12
const SIDE = 24

export interface Column<R> {
  key: string
  label: string
  /** A track of `grid-template-columns`. */
  width: string
  cell: (row: R) => ReactNode
  /** Figures stand at the right. */
  figure?: boolean
  /** The key that the API sorts by; absent: not sortable. */
  sort?: string
  /** Left out where the table is too narrow for all: the highest first. */
  drop?: number
}

interface Props<R> {
  label: string
  columns: Column<R>[]
  rows: R[]
  rowKey: (row: R) => string
  /** The two lines that a phone shows in place of the columns. */
  compact: (row: R) => ReactNode
  onOpen?: (row: R) => void
  openKey?: string
  /** `key` or `-key`. */
  sort?: string
  onSort?: (sort: string) => void
  /** Called as the end comes near. */
  onEnd?: () => void
  total?: number | null
  selected?: ReadonlySet<string>
  onSelect?: (selected: Set<string>) => void
  /** Keys that act on the row under the cursor. */
  keys?: { keys: string; label: string; run: (row: R) => void }[]
  rowClass?: (row: R) => string | undefined
}

/** A list of rows of which only those in view are drawn. `j` `k` move, Enter opens, a click opens. */
export function DataTable<R>(props: Props<R>) {
  const { rows, rowKey, onOpen, openKey, sort, onSort, onEnd, selected, onSelect } = props
  const { t } = useTranslation()
  const phone = usePhone()
  const scroller = useRef<HTMLDivElement>(null)
  const [cursor, setCursor] = useState(-1)
  const [width, setWidth] = useState(Infinity)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (phone ? ROW_PHONE : ROW),
    overscan: 12,
  })
  useEffect(() => virtual.measure(), [phone, virtual])
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry!.contentRect.width))
    observer.observe(scroller.current!)
    return () => observer.disconnect()
  }, [])

  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? -1
  useEffect(() => {
    if (last >= rows.length - 30 && rows.length > 0) onEnd?.()
  }, [last, rows.length, onEnd])

  const rowId = (i: number) => `row-${i}`
  const move = useCallback(
    (to: number) => {
      if (rows.length === 0) return
      const next = Math.max(0, Math.min(rows.length - 1, to))
      setCursor(next)
      virtual.scrollToIndex(next, { align: 'auto' })
      scroller.current?.focus({ preventScroll: true })
      // The panel follows the cursor while it is open.
      if (openKey && onOpen && rows[next]) onOpen(rows[next])
    },
    [rows, virtual, openKey, onOpen],
  )
  const openIndex = openKey ? rows.findIndex((row) => rowKey(row) === openKey) : -1
  // A link to an open row shows it, however far down it stands.
  const shown = useRef(false)
  useEffect(() => {
    if (shown.current || openIndex < 0) return
    shown.current = true
    virtual.scrollToIndex(openIndex, { align: 'auto' })
  }, [openIndex, virtual])
  const at = cursor >= 0 && cursor < rows.length ? cursor : openIndex
  const here = () => (at >= 0 ? rows[at] : undefined)

  useShortcuts([
    { keys: 'j', label: 'keys.next', run: () => move(at + 1) },
    { keys: 'k', label: 'keys.previous', run: () => move(at < 0 ? 0 : at - 1) },
    ...(onOpen ? [{ keys: 'Enter', label: 'keys.open', run: () => void (here() && onOpen(here()!)) }] : []),
    ...(onSelect ? [{ keys: ' ', label: 'keys.select', run: () => void (here() && toggle(rowKey(here()!))) }] : []),
    ...(props.keys ?? []).map(({ keys, label, run }) => ({ keys, label, run: () => void (here() && run(here()!)) })),
  ])

  const toggle = (key: string) => {
    const next = new Set(selected)
    if (!next.delete(key)) next.add(key)
    onSelect?.(next)
  }

  const columns = fitting(props.columns, width - (onSelect ? 22 + COLUMN_GAP : 0))
  const tracks = [...(onSelect ? ['22px'] : []), ...columns.map((column) => column.width)].join(' ')
  // All rows share one width, so that their columns stand in line; below it the table scrolls sideways.
  const minWidth = phone ? undefined : narrowest(columns) + (onSelect ? 22 + COLUMN_GAP : 0)
  return (
    <div
      className={phone ? 'table table-phone' : 'table'}
      ref={scroller}
      role="grid"
      tabIndex={0}
      aria-label={props.label}
      aria-rowcount={(props.total ?? rows.length) + 1}
      aria-activedescendant={items.some((item) => item.index === at) ? rowId(at) : undefined}
      onKeyDown={(event) => {
        if (event.target !== event.currentTarget) return
        const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[event.key]
        if (step) {
          event.preventDefault()
          move(at + step)
        }
      }}
    >
      {!phone && (
        <div className="table-head" role="row" aria-rowindex={1} style={{ gridTemplateColumns: tracks, minWidth }}>
          {onSelect && (
            <div role="columnheader" className="cell">
              <input
                type="checkbox"
                aria-label={t('table.select_all')}
                checked={rows.length > 0 && selected?.size === rows.length}
                onChange={(event) => onSelect(event.target.checked ? new Set(rows.map(rowKey)) : new Set())}
              />
            </div>
          )}
          {columns.map((column) => {
            const direction = sort === column.sort ? 'ascending' : sort === `-${column.sort}` ? 'descending' : undefined
            return (
              <div
                key={column.key}
                role="columnheader"
                className={column.figure ? 'cell figure' : 'cell'}
                aria-sort={column.sort ? (direction ?? 'none') : undefined}
              >
                {column.sort && onSort ? (
                  <button className="sort" onClick={() => onSort(direction === 'descending' ? column.sort! : `-${column.sort}`)}>
                    {column.label}
                    {direction && <span aria-hidden="true">{direction === 'descending' ? '↓' : '↑'}</span>}
                  </button>
                ) : (
                  column.label
                )}
              </div>
            )
          })}
        </div>
      )}
      <div className="table-body" role="rowgroup" style={{ height: virtual.getTotalSize(), minWidth }}>
        {items.map((item) => {
          const row = rows[item.index]
          if (row === undefined) return null
          const key = rowKey(row)
          const classes = [
            'row',
            key === openKey && 'row-open',
            item.index === at && 'row-cursor',
            selected?.has(key) && 'row-selected',
            props.rowClass?.(row),
          ]
          return (
            <div
              key={key}
              id={rowId(item.index)}
              role="row"
              aria-rowindex={item.index + 2}
              aria-selected={selected ? selected.has(key) : key === openKey}
              className={classes.filter(Boolean).join(' ')}
              style={{ transform: `translateY(${item.start}px)`, gridTemplateColumns: phone ? undefined : tracks }}
              onClick={() => {
                setCursor(item.index)
                onOpen?.(row)
              }}
            >
              {onSelect && !phone && (
                <div role="gridcell" className="cell" onClick={(event) => event.stopPropagation()}>
                  <input
                    type="checkbox"
                    aria-label={t('table.select')}
                    checked={selected?.has(key) ?? false}
                    onChange={() => toggle(key)}
                  />
                </div>
              )}
              {phone ? (
                <div role="gridcell" className="compact">
                  {props.compact(row)}
                  <Icon name="right" />
                </div>
              ) : (
                columns.map((column) => (
                  <div key={column.key} role="gridcell" className={column.figure ? 'cell figure' : 'cell'}>
                    {column.cell(row)}
                  </div>
                ))
              )}
            </div>
          )
        })}
      </div>
    </div>
  )
}

/** The least width that columns need, with the gaps between and the space beside them. */
function narrowest<R>(columns: Column<R>[]): number {
  return columns.reduce((sum, column) => sum + Number(/\d+/.exec(column.width)?.[0] ?? 0), 0) + (columns.length - 1) * COLUMN_GAP + 2 * SIDE
}

/** The columns that fit: those that matter least go first. */
function fitting<R>(columns: Column<R>[], width: number): Column<R>[] {
  let shown = columns
  while (narrowest(shown) > width) {
    const least = Math.max(...shown.map((column) => column.drop ?? 0))
    if (least === 0) break
    shown = shown.filter((column) => column.drop !== least)
  }
  return shown
}
