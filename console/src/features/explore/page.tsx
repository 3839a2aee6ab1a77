import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, url } from '../../api/client'
import { useFields, useList, useRead } from '../../api/queries'
import type { Eve } from '../../api/schema'
import { PageHead } from '../../app/page'
import { useScope } from '../../app/scope'
import { at, kindOf, telling } from '../../lib/eve'
import { terms, withoutTerm } from '../../lib/query'
import { useUrl } from '../../lib/url'
import { When } from '../../ui/bits'
import { TimeChart } from '../../ui/chart'
import { Complete, Unwatched, useUnwatched } from '../../ui/health'
import { useFormat, usePhone, useSaid, useWords } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Widen } from '../../ui/range'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { DataTable, type Column } from '../../ui/table'
import { Value } from '../../ui/value'
import { Views } from '../../ui/views'
import { ColumnChoice } from './columns'
import { Facets } from './facets'
import { alertOf, useAlertTexts } from './alerts'
import { EventPanel } from './panel'
import { QueryBar } from './query-bar'

export const DEFAULT_COLUMNS = ['src_ip', 'dest_ip', 'dest_port', 'app_proto']
/** Columns of the histogram: one is some ten pixels wide on a laptop. */
const BUCKETS = 120

export const eventKey = (event: Eve) =>
  `${event.timestamp} ${event.flow_id ?? ''} ${event.event_type} ${event.tx_id ?? event.src_port ?? ''}`

export function ExplorePage() {
  const { t } = useTranslation()
  const { search, set } = useUrl()
  const { params, setChoice } = useScope()
  const { compact, number } = useFormat()
  const said = useSaid()
  const words = useWords()
  const phone = usePhone()
  const unwatched = useUnwatched()
  const fields = useFields()
  const q = search.q ?? ''
  const kind = search.kind
  const order = search.sort === 'timestamp' ? 'asc' : 'desc'
  const shownColumns = search.cols ? search.cols.split(',') : DEFAULT_COLUMNS

  const filter = { ...params, q, kind }
  const histogram = useRead('/events/histogram', { query: { ...filter, buckets: BUCKETS } })
  const list = useList('/events', { ...filter, order })
  const rows = useMemo(() => distinct((list.data?.pages.flatMap((page) => page.items) ?? []) as Eve[]), [list.data])
  const opened = rows.find(({ key }) => key === search.open)?.event
  const wrong = list.error instanceof ApiError && list.error.body.code === 'query' ? list.error : null

  const alerts = useAlertTexts(rows)
  const columns = useMemo<Column<Row>[]>(
    () => [
      {
        key: 'timestamp',
        label: t('explore.time'),
        width: '130px',
        sort: 'timestamp',
        cell: ({ event }) => <When at={event.timestamp} form="clock" />,
      },
      {
        key: 'kind',
        label: t('explore.kind'),
        width: '62px',
        drop: 1,
        cell: ({ event }) => <Value kind="text" field="event_type" value={event.event_type} label={words('event_type', event.event_type)} />,
      },
      ...shownColumns.map<Column<Row>>((name) => {
        const kind = kindOf(name)
        return {
          key: name,
          label: t(`field.${name.replaceAll('.', '_')}`, { defaultValue: name }),
          width: kind === 'ip' ? '116px' : kind === 'port' ? '50px' : name.includes('.') ? 'minmax(120px, 1fr)' : '66px',
          figure: kind === 'port',
          // Beside an open event, what everybody sees unless they choose gives way to what an event says.
          drop: shownColumns === DEFAULT_COLUMNS ? { proto: 3, port: 2 }[kind as string] : undefined,
          cell: ({ event }) =>
            at(event, name)
              .slice(0, 3)
              .map((value, i) => <Value key={i} kind={kind} field={name} value={value} label={words(name, value)} />),
        }
      }),
      {
        key: 'telling',
        label: t('explore.says'),
        width: 'minmax(188px, 3fr)',
        cell: ({ event }) => (
          <span className="telling">
            {telling(event).map(({ path, value }, i) => (
              <Value key={i} kind={kindOf(path)} field={path} value={value} label={alerts.get(alertOf(event, path)) ?? said(path, value)} />
            ))}
          </span>
        ),
      },
    ],
    [t, shownColumns.join(), alerts],
  )

  const total = histogram.data?.total
  return (
    <div className="page page-list">
      <PageHead
        title={t('nav.explore')}
        fresh="events"
        sentence={total !== undefined && !wrong ? t('explore.sentence', { count: total, formatted: number(total) }) : undefined}
        actions={
          <>
            <ColumnChoice
              fields={fields.data ?? []}
              shown={shownColumns}
              onChange={(next) => set({ cols: next.join() === DEFAULT_COLUMNS.join() ? null : next.join(',') })}
            />
            <a className="button" href={url('/events/export', { query: { ...filter, format: 'csv' } })} download>
              <Icon name="download" />
              {t('explore.csv')}
            </a>
            <a className="button" href={url('/events/export', { query: { ...filter, format: 'eve' } })} download>
              <Icon name="download" />
              {t('explore.eve')}
            </a>
            <Views page="explore" />
          </>
        }
      />
      <QueryBar value={q} fields={fields.data ?? []} wrong={wrong} onChange={(next) => set({ q: next, open: null })} />
      {(terms(q).length > 0 || kind) && (
        <ul className="chips" aria-label={t('explore.terms')}>
          {kind && (
            <li className="chip">
              <span className="mono">event_type:{kind}</span>
              <button aria-label={t('explore.remove_term', { term: kind })} onClick={() => set({ kind: null, open: null })}>
                <Icon name="close" />
              </button>
            </li>
          )}
          {terms(q).map((one, i) => (
            <li key={i} className={one.startsWith('-') ? 'chip chip-not' : 'chip'}>
              <span className="mono" title={one}>
                {flowsOf(one) > 1 ? t('explore.these_flows', { count: flowsOf(one) }) : one}
              </span>
              <button aria-label={t('explore.remove_term', { term: one })} onClick={() => set({ q: withoutTerm(q, one), open: null })}>
                <Icon name="close" />
              </button>
            </li>
          ))}
          <li>
            <button className="button-quiet" onClick={() => set({ q: null, kind: null, open: null })}>
              {t('filter.clear')}
            </button>
          </li>
        </ul>
      )}
      {histogram.data && histogram.data.total > 0 && !wrong && (
        <TimeChart
          label={t('explore.histogram')}
          buckets={histogram.data.buckets}
          stepSeconds={histogram.data.step_seconds}
          series={histogram.data.series.map((one) => ({ key: one.kind, label: words('event_type', one.kind) ?? one.kind, values: one.counts }))}
          format={compact}
          height={phone ? 96 : 120}
          unwatched={unwatched}
          onRange={(from, to) => setChoice({ kind: 'absolute', from, to })}
        />
      )}
      {histogram.data && histogram.data.total > 0 && !wrong && <Complete />}
      {histogram.isPending && <div className="chart-wait" />}
      <div className={list.isPlaceholderData ? 'split stale' : 'split'} aria-busy={list.isPlaceholderData}>
        {!wrong && <Facets filter={filter} />}
        <div className="split-main">
          {list.isPending ? (
            <Skeleton rows={16} />
          ) : wrong ? (
            <Empty icon="filter" title={t('explore.wrong')}>
              <p>{wrong.message}</p>
            </Empty>
          ) : list.error && rows.length === 0 ? (
            <Failed error={list.error} retry={() => void list.refetch()} />
          ) : rows.length === 0 ? (
            <Empty icon="explore" title={t('explore.none')}>
              <Unwatched of={unwatched} />
              <p>{q ? t('explore.none_query') : t('explore.none_range')}</p>
              <Widen />
            </Empty>
          ) : (
            <DataTable
              label={t('explore.events')}
              columns={columns}
              rows={rows}
              total={total ?? null}
              rowKey={({ key }) => key}
              openKey={search.open}
              onOpen={({ key }) => set({ open: key }, { replace: !!search.open })}
              sort={order === 'asc' ? 'timestamp' : '-timestamp'}
              onSort={() => set({ sort: order === 'asc' ? null : 'timestamp' })}
              onEnd={() => list.hasNextPage && !list.isFetchingNextPage && void list.fetchNextPage()}
              compact={({ event }) => (
                <>
                  <span className="compact-first">
                    <span className="tag">{said('event_type', event.event_type)}</span>
                    <span className="mono">
                      {event.src_ip} → {event.dest_ip}
                      {event.dest_port ? `:${event.dest_port}` : ''}
                    </span>
                  </span>
                  <span className="compact-second">
                    <When at={event.timestamp} form="clock" /> ·{' '}
                    {telling(event)
                      .map(({ path, value }) => alerts.get(alertOf(event, path)) ?? said(path, value))
                      .join(' ')}
                  </span>
                </>
              )}
            />
          )}
        </div>
        {search.open && <EventPanel event={opened} onClose={() => set({ open: null })} />}
      </div>
    </div>
  )
}

/** How many flows a term names, where it names nothing else. */
const flowsOf = (term: string) => (/^\((flow_id:\d+( or |(?=\))))+\)$/.test(term) ? term.split(' or ').length : 0)

export interface Row {
  key: string
  event: Eve
}

/** Rows with keys that are theirs alone, the same for the same list. */
function distinct(events: Eve[]): Row[] {
  const seen = new Map<string, number>()
  return events.map((event) => {
    const key = eventKey(event)
    const times = seen.get(key) ?? 0
    seen.set(key, times + 1)
    return { key: times ? `${key} ${times}` : key, event }
  })
}
