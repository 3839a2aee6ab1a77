import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState, type DragEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, request, upload } from '../../api/client'
import { useDatasets } from '../../api/queries'
import type { Import } from '../../api/schema'
import { useSession } from '../../app/session'
import { say, Twice, When } from '../../ui/bits'
import { useFormat } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Empty, Failed, Skeleton } from '../../ui/states'

/** How often a running import is asked how far it is. */
const POLL_MS = 1000

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
    mutationFn: (name: string) => request(`/datasets/${encodeURIComponent(name)}`, { method: 'DELETE' }),
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
              {isAdministrator && one.kind === 'replay' && (
                <span className="card-more">
                  <Twice label={t('datasets.remove')} sure={t('datasets.remove_sure')} onConfirm={() => remove.mutate(one.name)} />
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
              <div className="scroll-x" tabIndex={0}>
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
              </div>
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
  const input = useRef<HTMLInputElement>(null)
  const imports = useQuery({
    queryKey: ['/imports'],
    queryFn: ({ signal }) => request<Import[]>('/imports', { signal }),
    refetchInterval: ({ state }) => (state.data?.some((one) => one.state === 'running' || one.state === 'queued') ? POLL_MS : false),
  })
  const done = imports.data?.filter((one) => one.state === 'done').length ?? 0
  // What a finished import brought is read by every page.
  useEffect(() => {
    if (done > 0) void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== '/imports' })
  }, [done, client])

  const send = async (files: FileList | null) => {
    for (const file of files ?? []) {
      const stop = new AbortController()
      setSending({ name: file.name, sent: 0, total: file.size, stop })
      try {
        await upload<Import>('/imports', { dataset, name: file.name, shift_to_now: shift }, file, (sent) => setSending({ name: file.name, sent, total: file.size, stop }), stop.signal)
      } catch (error) {
        if (!stop.signal.aborted) say(error instanceof ApiError && error.message ? error.message : t('state.unreachable_text'), true)
      }
      setSending(null)
      void imports.refetch()
    }
  }
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    void send(event.dataTransfer.files)
  }
  const cancel = (id: string) => void request(`/imports/${encodeURIComponent(id)}`, { method: 'DELETE' }).finally(() => void imports.refetch())

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
        <input ref={input} type="file" multiple hidden onChange={(event) => void send(event.target.files)} />
        <label className="inline-field">
          {t('imports.dataset')}
          <input value={dataset} onChange={(event) => setDataset(event.target.value)} pattern="[a-z0-9_-]+" size={14} />
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
        {imports.data?.slice(0, 8).map((one) => (
          <li key={one.id}>
            <span className="strong">{one.name}</span>
            {one.state === 'running' || one.state === 'queued' ? (
              <>
                <progress max={Math.max(1, one.total_bytes)} value={one.done_bytes} aria-label={one.name} />
                <span className="figure quiet">{t('imports.reading', { share: percent(one.done_bytes / Math.max(1, one.total_bytes)) })}</span>
                <button className="button-quiet" onClick={() => cancel(one.id)}>
                  {t('exclusion.cancel')}
                </button>
              </>
            ) : one.state === 'done' && one.result ? (
              <span>
                {t('imports.result', { events: number(one.result.events), cases: number(one.result.new_cases), assets: number(one.result.new_assets) })}
              </span>
            ) : (
              <span className={one.state === 'failed' ? 'field-error' : 'quiet'}>{one.message || t(`imports.${one.state}`)}</span>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}
