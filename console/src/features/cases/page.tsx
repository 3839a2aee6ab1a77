import { useNavigate } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useChangeCases, useColleagues, useList } from '../../api/queries'
import type { CaseChange, CaseRow } from '../../api/schema'
import { PageHead } from '../../app/page'
import { useScope } from '../../app/scope'
import { useSession } from '../../app/session'
import { OPEN_STATES } from '../../app/nav'
import { useUrl, within } from '../../lib/url'
import { Entities, FilterText, say, Score, Severity, State, When } from '../../ui/bits'
import { useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { DataTable, type Column } from '../../ui/table'
import { Views } from '../../ui/views'
import { VERDICTS } from './actions'
import { CasePanel } from './panel'

const STATES = ['open', 'new', 'acknowledged', 'in_progress', 'closed', 'all'] as const
const LEVELS = ['critical', 'high', 'medium', 'low']

/** The same case may stand in several datasets. */
const keyOf = ({ id, dataset }: Pick<CaseRow, 'id' | 'dataset'>) => `${dataset} ${id}`

export function CasesPage() {
  const { t } = useTranslation()
  const { search, set } = useUrl()
  const { params, dataset } = useScope()
  const { session, canWrite } = useSession()
  const { number } = useFormat()
  const navigate = useNavigate()
  const [selected, select] = useState<Set<string>>(new Set())
  const changeMany = useChangeCases()
  const colleagues = useColleagues()

  const state = STATES.find((one) => one === search.state) ?? (search.excluded ? 'all' : 'open')
  const sort = search.sort ?? '-score'
  const inRange = search.within === 'range'
  const filter = {
    state: state === 'open' ? OPEN_STATES : state === 'all' ? undefined : state,
    severity: search.severity,
    owner: search.owner,
    q: search.q,
    // What is closed, or asked for whole, is there though an exclusion hides it.
    excluded: search.excluded ?? (state === 'closed' || state === 'all' ? 'true' : undefined),
    sort,
    ...(inRange ? params : { dataset }),
  }
  const list = useList('/cases', filter)
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data])
  const total = list.data?.pages[0]?.total ?? rows.length
  const opened = rows.find((row) => row.id === search.open && row.dataset === search.in)

  const bulk = (some: CaseRow[], change: CaseChange) =>
    changeMany.mutate(
      { cases: some, change },
      {
        onSuccess: ({ changed, conflicts }) => {
          say(t('cases.changed', { count: changed }))
          if (conflicts.length) say(t('cases.conflicts', { count: conflicts.length }), true)
          select(new Set())
        },
        onError: (error) => say(error.message || t('state.failed'), true),
      },
    )
  const chosen = rows.filter((row) => selected.has(keyOf(row)))
  const read = (row: CaseRow, more: Record<string, string> = {}) =>
    void navigate({ to: '/cases/$id', params: { id: row.id }, search: { ...within(search, row.dataset), ...more } as never })

  const columns: Column<CaseRow>[] = [
    { key: 'score', label: t('case.score'), width: '118px', sort: 'score', cell: (row) => <Score of={row} /> },
    { key: 'severity', label: t('case.severity'), width: '88px', drop: 1, cell: (row) => <Severity level={row.severity} /> },
    { key: 'title', label: t('case.title'), width: 'minmax(280px, 3fr)', cell: (row) => <span className="strong">{row.title}</span> },
    { key: 'who', label: t('case.who'), width: 'minmax(180px, 2fr)', drop: 6, cell: (row) => <Entities of={row} /> },
    { key: 'alerts', label: t('case.alerts'), width: '56px', figure: true, drop: 3, cell: (row) => number(row.alert_count) },
    { key: 'first', label: t('case.since'), width: '96px', drop: 4, sort: 'first_seen', cell: (row) => <When at={row.first_seen} /> },
    { key: 'last', label: t('case.last'), width: '96px', drop: 2, sort: 'last_seen', cell: (row) => <When at={row.last_seen} /> },
    { key: 'state', label: t('case.state'), width: '112px', cell: (row) => <State of={row.state} excluded={row.excluded_by != null} /> },
    { key: 'owner', label: t('case.owner'), width: '90px', drop: 5, cell: (row) => row.owner ?? <span className="quiet">–</span> },
  ]
  const filtered = !!(search.severity || search.owner || search.q || search.excluded || inRange)

  return (
    <div className="page page-list">
      <PageHead
        title={t('nav.cases')}
        fresh="cases"
        sentence={list.data && t(`cases.sentence_${state === 'open' ? 'open' : 'other'}`, { count: total })}
        ignoresRange={inRange ? undefined : t('cases.ignores_range')}
        actions={<Views page="cases" />}
      />
      <div className="toolbar" role="group" aria-label={t('filter.label')}>
        <div className="segments">
          {STATES.map((one) => (
            <button key={one} aria-pressed={state === one} onClick={() => set({ state: one === 'open' ? null : one, excluded: null, open: null })}>
              {t(one === 'open' || one === 'all' ? `cases.state_${one}` : `case_state.${one}`)}
            </button>
          ))}
        </div>
        <select aria-label={t('case.severity')} value={search.severity ?? ''} onChange={(event) => set({ severity: event.target.value })}>
          <option value="">{t('cases.any_severity')}</option>
          {LEVELS.map((level) => (
            <option key={level} value={level}>
              {t(`severity.${level}`)}
            </option>
          ))}
        </select>
        <select aria-label={t('case.owner')} value={search.owner ?? ''} onChange={(event) => set({ owner: event.target.value })}>
          <option value="">{t('cases.any_owner')}</option>
          <option value={session.user.name}>{t('cases.mine', { name: session.user.name })}</option>
          <option value="none">{t('cases.nobody')}</option>
          {colleagues.data
            ?.filter(({ name }) => name !== session.user.name)
            .map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
        </select>
        <FilterText name="q" label={t('cases.text')} />
        {search.excluded && (
          <span className="chip">
            {t('cases.hidden_by', { id: search.excluded })}
            <button aria-label={t('filter.clear')} onClick={() => set({ excluded: null })}>
              <Icon name="close" />
            </button>
          </span>
        )}
        <label className="check">
          <input type="checkbox" checked={inRange} onChange={(event) => set({ within: event.target.checked ? 'range' : null })} />
          {t('cases.only_range')}
        </label>
      </div>
      {selected.size > 0 && (
        <div className="toolbar bulk" role="group" aria-label={t('cases.bulk')}>
          <span>{t('cases.selected', { count: selected.size })}</span>
          <button className="button" disabled={!canWrite} onClick={() => bulk(chosen, { state: 'acknowledged' })}>
            <Icon name="check" />
            {t('case.acknowledge')}
          </button>
          <button className="button" disabled={!canWrite} onClick={() => bulk(chosen, { owner: session.user.name })}>
            {t('case.take')}
          </button>
          <select
            aria-label={t('case.close')}
            value=""
            disabled={!canWrite}
            onChange={(event) => bulk(chosen, { state: 'closed', verdict: event.target.value })}
          >
            <option value="">{t('case.close')}</option>
            {VERDICTS.map((verdict) => (
              <option key={verdict} value={verdict}>
                {t(`verdict.${verdict}`)}
              </option>
            ))}
          </select>
          <button className="button-quiet" onClick={() => select(new Set())}>
            {t('cases.unselect')}
          </button>
        </div>
      )}
      <div className={list.isPlaceholderData ? 'split stale' : 'split'} aria-busy={list.isPlaceholderData}>
        <div className="split-main">
          {list.isPending ? (
            <Skeleton rows={12} />
          ) : list.error && rows.length === 0 ? (
            <Failed error={list.error} retry={() => void list.refetch()} />
          ) : rows.length === 0 ? (
            filtered ? (
              <Empty icon="filter" title={t('cases.none_filtered')}>
                <button className="button" onClick={() => set({ severity: null, owner: null, q: null, excluded: null, within: null })}>
                  {t('filter.clear')}
                </button>
              </Empty>
            ) : (
              <Empty title={t(state === 'open' ? 'cases.none_open' : 'cases.none')}>
                {state === 'open' && <p>{t('cases.none_open_text')}</p>}
              </Empty>
            )
          ) : (
            <DataTable
              label={t('nav.cases')}
              columns={columns}
              rows={rows}
              total={total}
              rowKey={keyOf}
              openKey={search.open && keyOf({ id: search.open, dataset: search.in ?? '' })}
              onOpen={(row) => set({ open: row.id, in: row.dataset }, { replace: !!search.open })}
              sort={sort}
              onSort={(next) => set({ sort: next === '-score' ? null : next })}
              onEnd={() => list.hasNextPage && !list.isFetchingNextPage && void list.fetchNextPage()}
              selected={selected}
              onSelect={select}
              keys={[
                { keys: 'e', label: 'keys.acknowledge', run: (row) => canWrite && bulk([row], { state: 'acknowledged' }) },
                { keys: 'o', label: 'keys.report', run: (row) => read(row) },
                { keys: 'c', label: 'keys.comment', run: (row) => read(row, { do: 'comment' }) },
                { keys: 'x', label: 'keys.exclude', run: (row) => read(row, { do: 'exclude' }) },
              ]}
              compact={(row) => (
                <>
                  <span className="compact-first">
                    <span className="strong">{row.title}</span>
                  </span>
                  <span className="compact-second">
                    <Severity level={row.severity} /> · {row.score} · <When at={row.last_seen} /> · {t(`case_state.${row.state}`)}{row.excluded_by != null && ` · ${t('case.excluded')}`}
                  </span>
                </>
              )}
            />
          )}
        </div>
        {search.open && (
          <CasePanel id={search.open} dataset={search.in ?? dataset} row={opened} onClose={() => set({ open: null, in: null })} />
        )}
      </div>
    </div>
  )
}
