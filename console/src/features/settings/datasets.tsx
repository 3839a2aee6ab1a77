import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Fragment, useEffect, useRef, useState, type DragEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, request, upload } from '../../api/client'
import { useDatasets } from '../../api/queries'
import { useSession } from '../../app/session'
import { inWords } from '../../i18n'
import { say, Twice, When } from '../../ui/bits'
import { useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Empty, Failed, Skeleton } from '../../ui/states'
import { Wide } from '../../ui/wide'

/** How often a running import is asked how far it is. */
const POLL_MS = 1000

/** Where one finds what an import brought. */
const brought = (what: 'events' | 'cases' | 'assets', dataset: string): { to: '/explore' | '/cases' | '/assets'; search: never } => ({
  to: what === 'events' ? '/explore' : `/${what}`,
  search: { dataset, last: 'all', ...(what === 'assets' && { sort: '-first_seen' }) } as never,
})

interface Sending {
  name: string
  sent: number
  total: number
  stop: AbortController
}

/** Datasets, and captures brought in by dropping a file. */
export function Datasets() {
  const { t } = useTranslation()
  const { number, bytes } = useFormat()
  const { canWrite, isAdministrator } = useSession()
  const client = useQueryClient()
  const datasets = useDatasets()
  const remove = useMutation({
    mutationFn: (name: string) => request('delete', '/datasets/{name}', { names: { name } }),
    onSuccess: () => void client.invalidateQueries(),
    onError: (error) => say(error.message || t('state.failed'), true),
  })
  return (
    <>
      {canWrite && <ImportBox />}
      {datasets.error && !datasets.data ? (
        <Failed error={datasets.error} retry={() => void datasets.refetch()} />
      ) : !datasets.data ? (
        <Skeleton rows={4} />
      ) : datasets.data.length === 0 ? (
        <Empty icon="dataset" title={t('datasets.none')}>
          <p>{t('datasets.none_text')}</p>
        </Empty>
      ) : (
        datasets.data.map((one) => (
          <section key={one.name} className="card">
            <header className="card-head">
              <h2>{one.name}</h2>
              <span className="tag">{t(`dataset.${one.kind}`)}</span>
              {!isAdministrator && one.kind !== 'live' && <span className="card-more quiet">{t('datasets.who_removes')}</span>}
              {isAdministrator && one.kind !== 'live' && (
                <span className="card-more">
                  <Twice
                    label={t('datasets.remove')}
                    sure={t('datasets.remove_sure', { events: number(one.events) })}
                    onConfirm={() => remove.mutate(one.name)}
                  />
                </span>
              )}
            </header>
            <dl className="figures">
              <div>
                <dt>{t('datasets.period')}</dt>
                <dd>
                  {one.first && one.last ? (
                    <>
                      <When at={one.first} form="moment" /> – <When at={one.last} form="moment" />
                    </>
                  ) : (
                    '–'
                  )}
                </dd>
              </div>
              <div>
                <dt>{t('nav.assets')}</dt>
                <dd>{number(one.assets)}</dd>
              </div>
              <div>
                <dt>{t('datasets.events')}</dt>
                <dd>{number(one.events)}</dd>
              </div>
              <div>
                <dt>{t('datasets.disk')}</dt>
                <dd>{bytes(one.bytes)}</dd>
              </div>
            </dl>
            {one.shift_seconds !== 0 && (
              <p className="learning">
                <Icon name="clock" />
                {t('datasets.shifted', { days: number(one.shift_seconds / 86_400, 1) })}
              </p>
            )}
            {one.sources.length > 0 && (
              <Wide>
                <table className="plain">
                  <thead>
                    <tr>
                      <th>{t('datasets.file')}</th>
                      <th>SHA-256</th>
                      <th className="figure">{t('sensors.frames')}</th>
                      <th className="figure">{t('measure.bytes')}</th>
                      <th>{t('packets.capture')}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {one.sources.map((source) => (
                      <tr key={source.sha256}>
                        <td>{source.name}</td>
                        <td className="mono" title={source.sha256}>
                          {source.sha256.slice(0, 12)}…
                        </td>
                        <td className="figure">{number(source.frames)}</td>
                        <td className="figure">{bytes(source.bytes)}</td>
                        <td>{t(source.goes_next ? 'packets.goes_next' : source.kept ? 'packets.kept' : 'packets.gone')}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </Wide>
            )}
          </section>
        ))
      )}
    </>
  )
}

function ImportBox() {
  const { t } = useTranslation()
  const { bytes, number, percent } = useFormat()
  const client = useQueryClient()
  const [over, setOver] = useState(false)
  const [shift, setShift] = useState(false)
  const [dataset, setDataset] = useState('replay')
  const [sending, setSending] = useState<Sending | null>(null)
  const [failed, setFailed] = useState<{ file: File; message: string }[]>([])
  const input = useRef<HTMLInputElement>(null)
  const imports = useQuery({
    queryKey: ['/imports'],
    queryFn: ({ signal }) => request('get', '/imports', { signal }),
    refetchInterval: ({ state }) => (state.data?.some((one) => one.state === 'running' || one.state === 'queued') ? POLL_MS : false),
  })
  const done = imports.data?.filter((one) => one.state === 'done').length ?? 0
  // What a finished import brought is read by every page.
  useEffect(() => {
    if (done > 0) void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== '/imports' })
  }, [done, client])

  const send = async (files: Iterable<File>) => {
    for (const file of files) {
      const stop = new AbortController()
      const told = (sent: number) => setSending({ name: file.name, sent, total: file.size, stop })
      setFailed((all) => all.filter((one) => one.file !== file))
      told(0)
      try {
        await upload({ dataset, name: file.name, shift_to_now: shift }, file, told, stop.signal)
      } catch (error) {
        const message = (error instanceof ApiError && error.message) || t('imports.cut')
        if (!stop.signal.aborted) setFailed((all) => [...all, { file, message }])
      }
      setSending(null)
      void imports.refetch()
    }
  }
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    void send([...event.dataTransfer.files])
  }
  const cancel = (id: number) => void request('delete', '/imports/{id}', { names: { id } }).finally(() => void imports.refetch())

  return (
    <section
      className={over ? 'card drop drop-over' : 'card drop'}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <header className="card-head">
        <h2>{t('imports.title')}</h2>
      </header>
      <p className="quiet">{t('imports.text')}</p>
      <div className="buttons form">
        <button className="button button-main" disabled={sending !== null} onClick={() => input.current?.click()}>
          <Icon name="upload" />
          {t('imports.choose')}
        </button>
        <input
          ref={input}
          type="file"
          multiple
          hidden
          onChange={(event) => {
            void send([...(event.target.files ?? [])])
            event.target.value = ''
          }}
        />
        <label className="inline-field">
          {t('imports.dataset')}
          <input
            value={dataset}
            onChange={(event) => setDataset(event.target.value)}
            pattern="[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,63}"
            size={14}
          />
        </label>
        <label className="check">
          <input type="checkbox" checked={shift} onChange={(event) => setShift(event.target.checked)} />
          {t('imports.shift')}
        </label>
      </div>
      <ul className="imports" aria-live="polite">
        {sending && (
          <li>
            <span className="strong">{sending.name}</span>
            <progress max={sending.total} value={sending.sent} aria-label={sending.name} />
            <span className="figure quiet">{t('imports.sending', { sent: bytes(sending.sent), total: bytes(sending.total) })}</span>
            <button className="button-quiet" onClick={() => sending.stop.abort()}>
              {t('exclusion.cancel')}
            </button>
          </li>
        )}
        {failed.map(({ file, message }, i) => (
          <li key={i}>
            <span className="strong">{file.name}</span>
            <span className="field-error">{message}</span>
            <button className="button" disabled={sending !== null} onClick={() => void send([file])}>
              <Icon name="refresh" />
              {t('state.retry')}
            </button>
            <button
              className="button-icon"
              aria-label={t('imports.forget', { name: file.name })}
              onClick={() => setFailed((all) => all.filter((one) => one.file !== file))}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
        {imports.data?.slice(0, 8).map((one) => (
          <li key={one.id}>
            <span className="strong">{one.name}</span>
            {one.state === 'running' || one.state === 'queued' ? (
              <>
                <progress max={Math.max(1, one.total_bytes)} value={one.done_bytes} aria-label={one.name} />
                <span className="figure quiet">
                  {t('imports.reading', { share: percent(one.done_bytes / Math.max(1, one.total_bytes)) })}
                </span>
                <button className="button-quiet" onClick={() => cancel(one.id)}>
                  {t('exclusion.cancel')}
                </button>
              </>
            ) : one.state === 'done' && one.result ? (
              <span>
                {(
                  [
                    ['events', one.result.events],
                    ['cases', one.result.new_cases],
                    ['assets', one.result.new_assets],
                  ] as const
                )
                  .map(([what, count], i) => (
                    <Fragment key={what}>
                      {i > 0 && ', '}
                      {count > 0 ? (
                        <Link {...brought(what, one.dataset)}>{t(`imports.${what}`, { count, formatted: number(count) })}</Link>
                      ) : (
                        t(`imports.${what}`, { count, formatted: number(count) })
                      )}
                    </Fragment>
                  ))}
              </span>
            ) : (
              <span className={one.state === 'failed' ? 'field-error' : 'quiet'}>{one.message ? inWords(one) : t(`imports.${one.state}`)}</span>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}
