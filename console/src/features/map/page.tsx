import { useNavigate } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { useRead } from '../../api/queries'
import type { Facets, MapCell, TrafficMap } from '../../api/schema'
import { PageHead } from '../../app/page'
import { useScope } from '../../app/scope'
import { kept, useUrl } from '../../lib/url'
import { useFormat, usePhone } from '../../ui/hooks'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { FlowPicture } from './flows'
import { Matrix } from './matrix'
import { Wide } from '../../ui/wide'

/** Pairs listed on a phone, and in the table under the picture. */
const PAIRS_SHOWN = 60

export function MapPage() {
  const { t } = useTranslation()
  const { search, set } = useUrl()
  const { params, setChoice } = useScope()
  const { bytes, compact, number } = useFormat()
  const navigate = useNavigate()
  const phone = usePhone()
  const by = search.by === 'class' ? 'class' : 'subnet'
  const measure = search.measure === 'flows' ? 'flows' : 'bytes'
  const view = search.view === 'flow' ? 'flow' : 'matrix'
  const { data, error, isPending, refetch } = useRead<TrafficMap>('/map', { ...params, by, measure, app_proto: search.app_proto })
  const protocols = useRead<Facets>('/events/facets', { ...params, kind: 'flow', field: 'app_proto', limit: 30 })
  const write = measure === 'bytes' ? bytes : compact

  const name = useMemo(() => {
    const labels = new Map(data?.groups.map((group) => [group.id, group.label]))
    return (id: string) => {
      const label = labels.get(id) ?? id
      return by === 'class' || !/\d/.test(label) ? t(`class.${label}`, { defaultValue: t(`map.${label}`, { defaultValue: label }) }) : label
    }
  }, [data, by, t])
  const open = (cell: MapCell) => cell.q && void navigate({ to: '/explore', search: { ...kept(search), kind: 'flow', q: cell.q } as never })
  const sorted = useMemo(() => [...(data?.cells ?? [])].sort((a, b) => b[measure] - a[measure]), [data, measure])

  return (
    <div className="page">
      <PageHead
        title={t('nav.map')}
        sentence={data && t('map.sentence', { count: data.groups.length, pairs: number(data.cells.length) })}
      />
      <div className="toolbar" role="group" aria-label={t('filter.label')}>
        <div className="segments">
          {(['matrix', 'flow'] as const).map((one) => (
            <button key={one} aria-pressed={view === one} onClick={() => set({ view: one === 'matrix' ? null : one })}>
              {t(`map.${one}`)}
            </button>
          ))}
        </div>
        <div className="segments">
          {(['subnet', 'class'] as const).map((one) => (
            <button key={one} aria-pressed={by === one} onClick={() => set({ by: one === 'subnet' ? null : one })}>
              {t(`map.${one}`)}
            </button>
          ))}
        </div>
        <div className="segments">
          {(['bytes', 'flows'] as const).map((one) => (
            <button key={one} aria-pressed={measure === one} onClick={() => set({ measure: one === 'bytes' ? null : one })}>
              {t(`measure.${one}`)}
            </button>
          ))}
        </div>
        <select
          aria-label={t('field.app_proto')}
          value={search.app_proto ?? ''}
          onChange={(event) => set({ app_proto: event.target.value })}
        >
          <option value="">{t('map.any_protocol')}</option>
          {[...new Set([...(protocols.data?.values.map((one) => one.value) ?? []), ...(search.app_proto ? [search.app_proto] : [])])].map(
            (one) => (
              <option key={one}>{one}</option>
            ),
          )}
        </select>
      </div>
      {error && !data ? (
        <Failed error={error} retry={() => void refetch()} />
      ) : isPending || !data ? (
        <Skeleton tall />
      ) : data.cells.length === 0 ? (
        <Empty icon="map" title={t('map.none')}>
          <p>{t('map.none_text')}</p>
          <button className="button" onClick={() => setChoice({ kind: 'all' })}>
            {t('explore.widen')}
          </button>
        </Empty>
      ) : (
        <>
          {!phone && (
            <section className="card">
              {view === 'matrix' ? (
                <Matrix of={data} measure={measure} name={name} write={write} onOpen={open} />
              ) : (
                <FlowPicture of={data} measure={measure} name={name} write={write} onOpen={open} />
              )}
            </section>
          )}
          <section className="card">
            <header className="card-head">
              <h2>{t('map.pairs')}</h2>
            </header>
            <Wide>
              <table className="plain">
                <thead>
                  <tr>
                    <th>{t('map.from')}</th>
                    <th>{t('map.to')}</th>
                    <th>{t('field.app_proto')}</th>
                    <th className="figure">{t('measure.flows')}</th>
                    <th className="figure">{t('measure.bytes')}</th>
                  </tr>
                </thead>
                <tbody>
                  {sorted.slice(0, PAIRS_SHOWN).map((cell) => (
                    <tr key={`${cell.from} ${cell.to}`}>
                      <td>{name(cell.from)}</td>
                      <td>{name(cell.to)}</td>
                      <td className="quiet">{cell.top_protocols.join(', ')}</td>
                      <td className="figure">{number(cell.flows)}</td>
                      <td className="figure">
                        {cell.q ? (
                          <button className="value" onClick={() => open(cell)}>
                            {bytes(cell.bytes)}
                          </button>
                        ) : (
                          bytes(cell.bytes)
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Wide>
          </section>
        </>
      )}
    </div>
  )
}
