import { useTranslation } from 'react-i18next'
import type { MapCell, TrafficMap } from '../../api/schema'
import { Wide } from '../../ui/wide'

interface Props {
  of: TrafficMap
  measure: 'bytes' | 'flows'
  name: (id: string) => string
  write: (amount: number) => string
  onOpen: (cell: MapCell) => void
}

/** Steps of shade: the eye tells no more apart. */
const SHADES = 6

/** Columns up to which each cell has room for its figure; beyond, the shade says it, and the figure comes on hover. */
const FIGURES_MAX = 16

/** Who (a row) talks to whom (a column); the deeper the shade, the more. A cell opens Explore. */
export function Matrix({ of, measure, name, write, onOpen }: Props) {
  const { t } = useTranslation()
  // Only who sends anything has a row, and only who receives anything a column.
  const rows = of.groups.filter(({ id }) => of.cells.some((cell) => cell.from === id))
  const columns = of.groups.filter(({ id }) => of.cells.some((cell) => cell.to === id))
  const dense = columns.length > FIGURES_MAX
  const cells = new Map(of.cells.map((cell) => [`${cell.from} ${cell.to}`, cell]))
  const top = Math.max(1, ...of.cells.map((cell) => cell[measure]))
  // By orders of magnitude: beside the backup server everything else would be white.
  const shade = (amount: number) => Math.max(1, Math.ceil((Math.log1p(amount) / Math.log1p(top)) ** 6 * SHADES))
  return (
    <Wide label={t('map.matrix')}>
      <table className={dense ? 'matrix matrix-dense' : 'matrix'}>
        <thead>
          <tr>
            <td className="matrix-corner">
              {t('map.from')} ↓ {t('map.to')} →
            </td>
            {columns.map((group) => (
              <th key={group.id} scope="col">
                <span>{name(group.id)}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <th scope="row">
                {name(row.id)} {row.assets > 0 && <span className="quiet">{t('map.assets', { count: row.assets })}</span>}
              </th>
              {columns.map((column) => {
                const cell = cells.get(`${row.id} ${column.id}`)
                return (
                  <td
                    key={column.id}
                    className={cell ? `heat heat-${shade(cell[measure])}` : row.id === column.id ? 'heat-self' : undefined}
                  >
                    {cell && (
                      <button
                        disabled={!cell.q}
                        onClick={() => onOpen(cell)}
                        title={`${name(row.id)} → ${name(column.id)} · ${write(cell[measure])} · ${cell.top_protocols.map((one) => one || t('value.no_proto')).join(', ')}`}
                      >
                        {dense ? <span className="unseen">{write(cell[measure])}</span> : write(cell[measure])}
                      </button>
                    )}
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  )
}
