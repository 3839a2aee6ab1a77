import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useMemo, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { request, url } from '../../api/client'
import { useList } from '../../api/queries'
import type { AssetFacet, AssetList, AssetRow } from '../../api/schema'
import { PageHead } from '../../app/page'
import { useScope } from '../../app/scope'
import { useSession } from '../../app/session'
import { inWords } from '../../i18n'
import { moment } from '../../lib/format'
import { LENGTH, PRESETS, shortIso } from '../../lib/range'
import { useUrl, within } from '../../lib/url'
import { FilterText, say, When } from '../../ui/bits'
import { useFormat, usePhone } from '../../ui/hooks'
import { classIcon, Icon } from '../../ui/icons'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { DataTable, type Column } from '../../ui/table'
import { Value } from '../../ui/value'
import { Views } from '../../ui/views'
import { AssetPanel } from './panel'

const FACETS: AssetFacet[] = ['class', 'role', 'os', 'vendor']

/** The same asset may stand in several datasets. */
const keyOf = ({ id, dataset }: Pick<AssetRow, 'id' | 'dataset'>) => `${dataset} ${id}`

export function AssetsPage() {
  const { t } = useTranslation()
  const { search, set } = useUrl()
  const { dataset, now } = useScope()
  const { number, lang } = useFormat()
  const navigate = useNavigate()
  const sort = search.sort ?? '-last_seen'
  // A length that ends now, or the moment itself, as a page about a range links to.
  const length = PRESETS.find((one) => one === search.new)
  const since = length ? shortIso(now - LENGTH[length]) : search.new
  const filter = {
    dataset,
    q: search.q,
    class: search.class,
    vendor: search.vendor,
    os: search.os,
    role: search.role,
    service: search.service,
    first_since: since,
    sort,
  }
  const list = useList('/assets', filter)
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data])
  const first = list.data?.pages[0]
  const total = first?.total ?? rows.length
  const opened = rows.find((row) => row.id === search.open && row.dataset === search.in)
  const filtered = FACETS.some((facet) => search[facet]) || !!search.q || !!search.new || !!search.service

  // Whoever asks for what appeared sees when, and whether it was news.
  const byFirst = !!search.new || /^-?first_seen$/.test(sort)
  const columns: Column<AssetRow>[] = [
    {
      key: 'name',
      label: t('asset.name'),
      width: 'minmax(180px, 2fr)',
      sort: 'name',
      cell: (row) => (
        <span className="asset-name">
          <Icon name={classIcon(row.class)} label={t(`class.${row.class}`, { defaultValue: row.class })} />
          <Value
            kind="name"
            value={row.name}
            assetId={row.id}
            dataset={row.dataset}
            label={row.declared?.name ? <span className="strong">{row.declared.name}</span> : undefined}
          />
          {row.new && <span className="tag tag-new">{t('asset.new')}</span>}
        </span>
      ),
    },
    {
      key: 'ip',
      label: t('asset.address'),
      width: '116px',
      sort: 'ip',
      cell: (row) =>
        row.ips[0] ? (
          <>
            <Value kind="ip" field="ip" value={row.ips[0]} assetId={row.id} dataset={row.dataset} />
            {row.ips.length > 1 && <span className="quiet"> +{row.ips.length - 1}</span>}
          </>
        ) : (
          '–'
        ),
    },
    {
      key: 'class',
      label: t('asset.class'),
      width: '108px',
      drop: 4,
      sort: 'class',
      cell: (row) => t(`class.${row.class}`, { defaultValue: row.class }),
    },
    {
      key: 'vendor',
      label: t('asset.vendor'),
      drop: 2,
      width: 'minmax(84px, 1fr)',
      sort: 'vendor',
      cell: (row) => row.vendor ?? <span className="quiet">–</span>,
    },
    {
      key: 'os',
      label: t('asset.os'),
      drop: 3,
      width: 'minmax(84px, 1fr)',
      sort: 'os',
      cell: (row) => row.os ?? <span className="quiet">–</span>,
    },
    {
      key: 'services',
      label: t('asset.services'),
      width: '58px',
      figure: true,
      drop: 6,
      cell: (row) => number(row.services),
    },
    { key: 'peers', label: t('asset.peers'), width: '60px', figure: true, drop: 5, sort: 'peers', cell: (row) => number(row.peers) },
    {
      key: 'cases',
      label: t('asset.cases'),
      width: '36px',
      figure: true,
      cell: (row) => (row.open_cases ? <strong>{row.open_cases}</strong> : <span className="quiet">0</span>),
    },
    { key: 'first', label: t('asset.first'), width: '92px', drop: byFirst ? undefined : 7, sort: 'first_seen', cell: (row) => <When at={row.first_seen} /> },
    { key: 'last', label: t('asset.last'), width: '92px', drop: byFirst ? 8 : 1, sort: 'last_seen', cell: (row) => <When at={row.last_seen} /> },
  ]
  return (
    <div className="page page-list">
      <PageHead
        title={t('nav.assets')}
        sentence={
          first &&
          `${t(search.new ? 'assets.sentence_new' : filtered ? 'assets.sentence_filtered' : 'assets.sentence', {
            count: total,
            formatted: number(total),
          })} ${search.new && rows.some((row) => !row.new) ? t(rows.some((row) => row.new) ? 'assets.learning' : 'assets.learning_all') : ''}`
        }
        ignoresRange={t('assets.ignores_range')}
        actions={
          <>
            <DeclaredUpload />
            <Views page="assets" />
          </>
        }
      />
      <div className="toolbar" role="group" aria-label={t('filter.label')}>
        <FilterText name="q" label={t('assets.text')} />
        <FilterText name="service" label={t('assets.service')} />
        <select
          aria-label={t('assets.appeared')}
          value={search.new ?? ''}
          onChange={(event) => set(event.target.value ? { new: event.target.value, sort: '-first_seen' } : { new: null, sort: null })}
        >
          <option value="">{t('assets.any_age')}</option>
          {PRESETS.map((preset) => (
            <option key={preset} value={preset}>
              {t(`assets.new_${preset}`)}
            </option>
          ))}
          {search.new && !length && (
            <option value={search.new}>{t('assets.new_since', { time: moment(Date.parse(search.new), lang, now) })}</option>
          )}
        </select>
        {filtered && (
          <button
            className="button-quiet"
            onClick={() => set({ q: null, service: null, new: null, class: null, vendor: null, os: null, role: null })}
          >
            {t('filter.clear')}
          </button>
        )}
      </div>
      <div className={list.isPlaceholderData ? 'split stale' : 'split'} aria-busy={list.isPlaceholderData}>
        {first && <AssetFacets facets={first.facets} />}
        <div className="split-main">
          {list.isPending ? (
            <Skeleton rows={16} />
          ) : list.error && rows.length === 0 ? (
            <Failed error={list.error} retry={() => void list.refetch()} />
          ) : rows.length === 0 ? (
            <Empty icon="assets" title={t(search.new ? 'assets.none_new' : filtered ? 'assets.none_filtered' : 'assets.none')}>
              {!filtered && <p>{t('assets.none_text')}</p>}
              {search.new && (
                <button className="button" onClick={() => set({ new: null, sort: '-first_seen' })}>
                  {t('assets.by_first')}
                </button>
              )}
            </Empty>
          ) : (
            <DataTable
              label={t('nav.assets')}
              columns={columns}
              rows={rows}
              total={total}
              rowKey={keyOf}
              openKey={search.open && keyOf({ id: search.open, dataset: search.in ?? '' })}
              onOpen={(row) => set({ open: row.id, in: row.dataset }, { replace: !!search.open })}
              sort={sort}
              onSort={(next) => set({ sort: next === '-last_seen' ? null : next })}
              onEnd={() => list.hasNextPage && !list.isFetchingNextPage && void list.fetchNextPage()}
              keys={[
                {
                  keys: 'o',
                  label: 'keys.sheet',
                  run: (row) => void navigate({ to: '/assets/$id', params: { id: row.id }, search: within(search, row.dataset) as never }),
                },
              ]}
              compact={(row) => (
                <>
                  <span className="compact-first">
                    <Icon name={classIcon(row.class)} />
                    <span className="strong">{row.declared?.name || row.name}</span>{' '}
                    {row.new && <span className="tag tag-new">{t('asset.new')}</span>}
                  </span>
                  <span className="compact-second">
                    <span className="mono">{row.ips[0]}</span> · {[row.vendor, row.os].filter(Boolean).join(', ')} ·{' '}
                    <When at={row.last_seen} />
                  </span>
                </>
              )}
            />
          )}
        </div>
        {search.open && (
          <AssetPanel id={search.open} dataset={search.in ?? dataset} row={opened} onClose={() => set({ open: null, in: null })} />
        )}
      </div>
    </div>
  )
}

function AssetFacets({ facets }: { facets: AssetList['facets'] }) {
  const { t } = useTranslation()
  const { search, set } = useUrl()
  const { number } = useFormat()
  const phone = usePhone()
  const list = FACETS.map((facet) => (
    <section className="facet" key={facet}>
      <h3>{t(`asset.${facet}`)}</h3>
      <ul>
        {facets[facet].map((one) => {
          const on = search[facet] === one.value
          const word =
            facet === 'class' || facet === 'role'
              ? t(`${facet}.${one.value}`, { defaultValue: one.value })
              : one.value || t('asset.not_known')
          return (
            <li key={one.value}>
              <button
                disabled={!one.value}
                className="facet-value"
                aria-pressed={on}
                onClick={() => set({ [facet]: on ? null : one.value, open: null })}
                title={word}
              >
                {facet === 'class' && <Icon name={classIcon(one.value)} />}
                {word}
              </button>
              <span className="figure">{number(one.count)}</span>
            </li>
          )
        })}
      </ul>
    </section>
  ))
  return phone ? (
    <details className="facets-phone">
      <summary>{t('filter.label')}</summary>
      {list}
    </details>
  ) : (
    <aside className="facets" aria-label={t('filter.label')} tabIndex={0}>
      {list}
    </aside>
  )
}

/** What the organisation says of its machines, as a CSV: taken, and told what of it was seen. */
function DeclaredUpload() {
  const { t } = useTranslation()
  const { canWrite } = useSession()
  const client = useQueryClient()
  const input = useRef<HTMLInputElement>(null)
  const send = useMutation({
    mutationFn: (file: File) => request('post', '/assets/declared', { raw: { body: file, type: 'text/csv' } }),
    onSuccess: (result) => {
      say(t('assets.declared_done', { read: result.read, matched: result.matched, unknown: result.unknown.length }))
      for (const one of result.errors.slice(0, 3)) say(t('assets.declared_line', { line: one.line, text: inWords(one) }), true)
      void client.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[0]).startsWith('/assets') })
    },
    onError: (error) => say(error.message || t('state.failed'), true),
  })
  return (
    <>
      <a className="button" href={url('/assets/declared', {})} download>
        <Icon name="download" />
        {t('assets.declared_get')}
      </a>
      {canWrite && (
        <>
          <button className="button" disabled={send.isPending} onClick={() => input.current?.click()}>
            <Icon name="upload" />
            {t('assets.declared_send')}
          </button>
          <input
            ref={input}
            type="file"
            accept=".csv,text/csv"
            hidden
            onChange={(event) => {
              const file = event.target.files?.[0]
              if (file) send.mutate(file)
              event.target.value = ''
            }}
          />
        </>
      )}
    </>
  )
}
