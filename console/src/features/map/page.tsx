import { useNavigate } from '@tanstack/react-router'
import { useCallback, useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { useRead, useSettings } from '../../api/queries'
import type { MapCell, MapGroup } from '../../api/schema'
import { PageHead } from '../../app/page'
import { useScope } from '../../app/scope'
import { term, withoutTerm, withTerm } from '../../lib/query'
import { kept, useUrl } from '../../lib/url'
import { FilterText } from '../../ui/bits'
import { Card } from '../../ui/card'
import { useFormat, usePhone } from '../../ui/hooks'
import { Widen } from '../../ui/range'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { FlowPicture } from './flows'
import { asked, EVERYBODY, only, together } from './fold'
import { Matrix } from './matrix'
import { Wide } from '../../ui/wide'

/** Groups that are neither a network nor a name that a person gave, in the order in which they follow those. */
const WORDS = new Set(['internet', EVERYBODY, 'others'])
/** Groups up to which they stand in the order of their names; of more, what moves most comes first. */
const NAMED_MAX = 12
/** Pairs listed on a phone, and in the table under the picture. */
const PAIRS_SHOWN = 60

export function MapPage() {
  const { t } = useTranslation()
  const { search, set } = useUrl()
  const { params } = useScope()
  const { bytes, compact, number, lang } = useFormat()
  const navigate = useNavigate()
  const phone = usePhone()
  const measure = search.measure === 'flows' ? 'flows' : 'bytes'
  const view = search.view === 'flow' ? 'flow' : 'matrix'
  const settings = useSettings()
  const home = settings.data?.home_net.value
  const named = !!settings.data?.groups.length
  const by = named && search.by !== 'network' ? 'group' : 'network'
  const {
    data: all,
    error,
    isPending,
    refetch,
  } = useRead('/map', { query: { ...params, by, app_proto: search.app_proto } }, { enabled: !settings.isPending })
  const protocols = useRead('/events/facets', { query: { ...params, kind: 'flow', field: 'app_proto', limit: 30 } })
  const write = measure === 'bytes' ? bytes : compact

  const name = useCallback((id: string) => (WORDS.has(id) ? t(`map.${id}`) : id), [t])
  const data = useMemo(() => {
    if (!all) return undefined
    const folded = asked(together(all), home ?? [])
    const found = only(folded, search.of ?? '', name)
    // One's own first; the world and the rest last.
    const rank = (id: string) => [...WORDS].indexOf(id)
    const weight = new Map<string, number>()
    for (const cell of found.cells) for (const id of [cell.from, cell.to]) weight.set(id, (weight.get(id) ?? 0) + cell[measure])
    const many = found.groups.length > NAMED_MAX
    const order = (a: MapGroup, b: MapGroup) =>
      many ? (weight.get(b.id) ?? 0) - (weight.get(a.id) ?? 0) : a.id.localeCompare(b.id, lang, { numeric: true })
    return { ...found, groups: [...found.groups].sort((a, b) => rank(a.id) - rank(b.id) || order(a, b)) }
  }, [all, home, search.of, name, lang, measure])
  const open = (cell: MapCell) => {
    if (!cell.q) return
    // The kind stands beside the query.
    const pair = withoutTerm(cell.q, term('event_type', 'flow'))
    const q = search.app_proto ? withTerm(pair, 'app_proto', search.app_proto) : pair
    void navigate({ to: '/explore', search: { ...kept(search), kind: 'flow', q } as never })
  }
  const sorted = useMemo(() => [...(data?.cells ?? [])].sort((a, b) => b[measure] - a[measure]), [data, measure])

  return (
    <div className="page">
      <PageHead
        title={t('nav.map')}
        sentence={
          data &&
          `${t('map.sentence', { count: data.groups.length, pairs: number(data.cells.length) })} ${data.cells.length > 0 ? t(`map.hint_${phone ? 'list' : view}`) : ''}`
        }
      />
      <div className="toolbar" role="group" aria-label={t('filter.label')}>
        {!phone && (
          <div className="segments">
            {(['matrix', 'flow'] as const).map((one) => (
              <button key={one} aria-pressed={view === one} onClick={() => set({ view: one === 'matrix' ? null : one })}>
                {t(`map.${one}`)}
              </button>
            ))}
          </div>
        )}
        {named && (
          <div className="segments">
            {(['group', 'network'] as const).map((one) => (
              <button key={one} aria-pressed={by === one} onClick={() => set({ by: one === 'group' ? null : one })}>
                {t(`map.by_${one}`)}
              </button>
            ))}
          </div>
        )}
        <div className="segments">
          {(['bytes', 'flows'] as const).map((one) => (
            <button key={one} aria-pressed={measure === one} onClick={() => set({ measure: one === 'bytes' ? null : one })}>
              {t(`measure.${one}`)}
            </button>
          ))}
        </div>
        <FilterText name="of" label={t('map.find')} />
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
      ) : data.cells.length === 0 && search.of ? (
        <Empty icon="filter" title={t('map.none_found', { text: search.of })}>
          <button className="button" onClick={() => set({ of: null })}>
            {t('filter.clear')}
          </button>
        </Empty>
      ) : data.cells.length === 0 ? (
        <Empty icon="map" title={t('map.none')}>
          <p>{t('map.none_text')}</p>
          <Widen />
        </Empty>
      ) : (
        <>
          {data.partial && <p className="learning">{t('map.partial')}</p>}
          <div className={view === 'flow' ? 'map map-ribbons' : 'map'}>
            {!phone && (
              <section className="card">
                {view === 'matrix' ? (
                  <Matrix of={data} measure={measure} name={name} write={write} onOpen={open} />
                ) : (
                  <FlowPicture of={data} measure={measure} name={name} write={write} onOpen={open} />
                )}
              </section>
            )}
            <Card title={t('map.pairs')}>
              <Wide>
                <table className="plain">
                  <thead>
                    <tr>
                      <th>{t('map.from')}</th>
                      <th>{t('map.to')}</th>
                      {!phone && <th>{t('field.app_proto')}</th>}
                      <th className="figure">{t('measure.flows')}</th>
                      <th className="figure">{t('measure.bytes')}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {sorted.slice(0, PAIRS_SHOWN).map((cell) => (
                      <tr key={`${cell.from} ${cell.to}`}>
                        <td>{name(cell.from)}</td>
                        <td>{name(cell.to)}</td>
                        {!phone && <td className="quiet">{cell.top_protocols.map((one) => one || t('value.no_proto')).join(', ')}</td>}
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
            </Card>
          </div>
        </>
      )}
    </div>
  )
}
