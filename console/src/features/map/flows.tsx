import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { MapCell, TrafficMap } from '../../api/schema'

interface Props {
  of: TrafficMap
  measure: 'bytes' | 'flows'
  name: (id: string) => string
  write: (amount: number) => string
  onOpen: (cell: MapCell) => void
}

/** Bands drawn: the heaviest. The table below has the others. */
const BANDS_MAX = 24
const GAP = 10
const LABEL = 170
/** Above and below, so that the name of a thin band is whole. */
const EDGE = 8

/** Sources at the left, destinations at the right, a band a pair; its width is its amount. */
export function FlowPicture({ of, measure, name, write, onOpen }: Props) {
  const { t } = useTranslation()
  const frame = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const node = frame.current
    if (!node) return
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)))
    observer.observe(node)
    return () => observer.disconnect()
  }, [])
  const cells = [...of.cells].sort((a, b) => b[measure] - a[measure]).slice(0, BANDS_MAX)
  const total = cells.reduce((sum, cell) => sum + cell[measure], 0)
  const order = of.groups.map((group) => group.id)
  const sum = (side: 'from' | 'to', id: string) => cells.filter((cell) => cell[side] === id).reduce((all, cell) => all + cell[measure], 0)
  const left = order.filter((id) => sum('from', id) > 0)
  const right = order.filter((id) => sum('to', id) > 0)
  // Side by side in the order of both sides: bands cross no more than they must.
  cells.sort((a, b) => left.indexOf(a.from) - left.indexOf(b.from) || right.indexOf(a.to) - right.indexOf(b.to))
  const height = Math.max(300, Math.max(left.length, right.length) * 44)
  const scale = (count: number) => (height - 2 * EDGE - GAP * (count - 1) - 4 * count) / Math.max(1, total)
  const unit = Math.min(scale(left.length), scale(right.length))
  const place = (ids: string[], side: 'from' | 'to') => {
    let y = EDGE
    return new Map(
      ids.map((id) => {
        const h = Math.max(4, sum(side, id) * unit)
        const at = { y, h, used: 0 }
        y += h + GAP
        return [id, at]
      }),
    )
  }
  const from = place(left, 'from')
  const to = place(right, 'to')
  const x1 = LABEL
  const x2 = Math.max(x1 + 100, width - LABEL)
  return (
    <div ref={frame}>
      {width > 0 && (
        <svg width={width} height={height} className="flows" role="group" aria-label={t('map.flow')}>
          {cells.map((cell) => {
            const a = from.get(cell.from)!
            const b = to.get(cell.to)!
            const h = Math.max(1, cell[measure] * unit)
            const ya = a.y + a.used
            const yb = b.y + b.used
            a.used += h
            b.used += h
            const mid = (x1 + x2) / 2
            const words = `${name(cell.from)} → ${name(cell.to)} · ${write(cell[measure])} · ${cell.top_protocols.map((one) => one || t('value.no_proto')).join(', ')}`
            return (
              <path
                key={`${cell.from} ${cell.to}`}
                className={`band fill-${left.indexOf(cell.from) % 6}`}
                d={`M${x1 + 8} ${ya}C${mid} ${ya} ${mid} ${yb} ${x2 - 8} ${yb}V${yb + h}C${mid} ${yb + h} ${mid} ${ya + h} ${x1 + 8} ${ya + h}Z`}
                role={cell.q ? 'button' : undefined}
                tabIndex={cell.q ? 0 : undefined}
                aria-label={words}
                onClick={() => onOpen(cell)}
                onKeyDown={(event) => event.key === 'Enter' && onOpen(cell)}
              >
                <title>{words}</title>
              </path>
            )
          })}
          {left.map((id, i) => (
            <g key={id}>
              <rect className={`fill-${i % 6}`} x={x1} y={from.get(id)!.y} width={8} height={from.get(id)!.h} rx={2} />
              <text className="flows-name" x={x1 - 8} y={from.get(id)!.y + from.get(id)!.h / 2 + 4} textAnchor="end">
                {name(id)}
              </text>
            </g>
          ))}
          {right.map((id) => (
            <g key={id}>
              <rect className="fill-others" x={x2 - 8} y={to.get(id)!.y} width={8} height={to.get(id)!.h} rx={2} />
              <text className="flows-name" x={x2 + 8} y={to.get(id)!.y + to.get(id)!.h / 2 + 4}>
                {name(id)}
              </text>
            </g>
          ))}
        </svg>
      )}
    </div>
  )
}
