import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { request, type Sent } from '../../api/client'
import { useChangeCase, useRefreshCases } from '../../api/queries'
import type { CaseDetail, Entity, Scope } from '../../api/schema'
import { useScope } from '../../app/scope'
import { LENGTH, shortIso } from '../../lib/range'
import { acts, say, Severity } from '../../ui/bits'
import { Icon } from '../../ui/icons'
import { Failed } from '../../ui/states'

const PERIODS = ['7d', '30d'] as const
const EXPIRIES = [30, 90, 365] as const
const DAY = 86_400_000
/** Machines of a case that are offered by name. */
const PEERS_SHOWN = 12

/** "Normal here": what is excluded, why, until when; and at once what it would have hidden. */
export function ExclusionForm({ of, onDone }: { of: CaseDetail; onDone: () => void }) {
  const { t } = useTranslation()
  const { now } = useScope()
  const client = useQueryClient()
  const refresh = useRefreshCases()
  const change = useChangeCase()
  const [first, ...rest] = of.entities
  const others = rest.filter((one, i) => one.ip && one.ip !== first?.ip && rest.findIndex((other) => other.ip === one.ip) === i)
  const [useFirst, setFirst] = useState(true)
  // An exclusion covers what was found where every other machine is the peer: of several, one is chosen by hand.
  const [peer, setPeer] = useState(others.length === 1 ? others[0]!.ip! : '')
  const [detectors, setDetectors] = useState<string[]>(of.detectors)
  // A port narrows what all that was found has in common.
  const ports = [...new Set(of.alerts.map((one) => one.port ?? null))]
  const port = ports.length === 1 ? ports[0] : null
  const [usePort, setPort] = useState(false)
  const [period, setPeriod] = useState<(typeof PERIODS)[number]>('7d')
  const [close, setClose] = useState(of.state !== 'closed')

  const scope = useMemo<Scope>(
    () => ({
      ...(useFirst && first ? (first.asset_id ? { asset_id: first.asset_id } : first.ip ? { ip: first.ip } : {}) : {}),
      ...(peer ? { peer } : {}),
      ...(usePort && port !== null ? { port } : {}),
      ...(detectors.length > 1 ? { detector: detectors } : detectors[0] ? { detector: detectors[0] } : {}),
    }),
    [useFirst, peer, detectors, first, usePort, port],
  )
  const empty = detectors.length === 0 || !(scope.asset_id || scope.ip || scope.peer || scope.detector)
  const preview = useQuery({
    queryKey: ['/exclusions/preview', scope, period, now],
    queryFn: ({ signal }) =>
      request('post', '/exclusions/preview', { json: { scope: { ...scope }, since: shortIso(now - LENGTH[period]) }, signal }),
    enabled: !empty,
    placeholderData: keepPreviousData,
  })
  const save = useMutation({
    mutationFn: (json: Sent<'post', '/exclusions'>) => request('post', '/exclusions', { json }),
    onSuccess: () => {
      say(t('exclusion.saved'))
      void client.invalidateQueries({ queryKey: ['/exclusions'] })
      if (close) change.mutate({ of, change: { state: 'closed', verdict: 'benign' } })
      else refresh()
      onDone()
    },
  })

  const side = (one: Entity, where: 'machine' | 'only') =>
    t(`exclusion.${where}_${acts(one) ? 'from' : 'to'}`, {
      name: one.name ?? one.ip ?? one.mac,
      role: t(`entity_role.${one.role}`, { defaultValue: one.role }),
    })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const data = new FormData(event.currentTarget)
    const days = Number(data.get('days'))
    save.mutate({ scope: { ...scope }, reason: String(data.get('reason')).trim(), expires: days ? shortIso(now + days * DAY) : null })
  }
  return (
    <form
      className="exclusion"
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || event.defaultPrevented) return
        event.preventDefault()
        onDone()
      }}
    >
      <h3>{t('exclusion.title')}</h3>
      <p className="quiet">{t('exclusion.text')}</p>
      <fieldset>
        <legend>{t('exclusion.scope')}</legend>
        {first && (
          <label className="check">
            <input type="checkbox" checked={useFirst} onChange={(event) => setFirst(event.target.checked)} />
            {side(first, 'machine')}
          </label>
        )}
        {others.length === 1 && (
          <label className="check">
            <input type="checkbox" checked={peer !== ''} onChange={(event) => setPeer(event.target.checked ? others[0]!.ip! : '')} />
            {side(others[0]!, 'only')}
          </label>
        )}
        {others.length > 1 && (
          <>
            <label className="check">
              <input type="radio" name="peer" checked={peer === ''} onChange={() => setPeer('')} />
              {t('exclusion.anybody')}
            </label>
            {others.slice(0, PEERS_SHOWN).map((one) => (
              <label className="check" key={one.ip}>
                <input type="radio" name="peer" checked={peer === one.ip} onChange={() => setPeer(one.ip!)} />
                {side(one, 'only')}
              </label>
            ))}
            {peer && <p className="quiet">{t('exclusion.others_stay')}</p>}
          </>
        )}
        {port !== null && (
          <label className="check">
            <input type="checkbox" checked={usePort} onChange={(event) => setPort(event.target.checked)} />
            {t('exclusion.port', { port })}
          </label>
        )}
      </fieldset>
      <fieldset>
        <legend>{t('exclusion.detector')}</legend>
        {of.detectors.map((name) => (
          <label className="check" key={name}>
            <input
              type="checkbox"
              checked={detectors.includes(name)}
              onChange={(event) =>
                setDetectors(of.detectors.filter((one) => (one === name ? event.target.checked : detectors.includes(one))))
              }
            />
            {t(`detector.${name}`, { defaultValue: name })}
          </label>
        ))}
      </fieldset>
      <label>
        {t('exclusion.preview')}
        <select value={period} onChange={(event) => setPeriod(event.target.value as typeof period)}>
          {PERIODS.map((one) => (
            <option key={one} value={one}>
              {t(`range.${one}`)}
            </option>
          ))}
        </select>
      </label>
      {preview.error && <Failed error={preview.error} />}
      {empty ? (
        <p className="preview">{t('exclusion.choose')}</p>
      ) : (
        preview.data && (
          <div className={preview.isPlaceholderData ? 'preview stale' : 'preview'} role="status">
            <p>
              {t('exclusion.would_cases', { count: preview.data.cases_total })}{' '}
              {t('exclusion.would_alerts', { count: preview.data.alerts })}
            </p>
            <ul>
              {preview.data.cases.slice(0, 5).map((one) => (
                <li key={`${one.dataset} ${one.id}`}>
                  <Severity level={one.severity} word={false} /> {one.title}
                </li>
              ))}
            </ul>
            {!preview.data.more && !preview.data.cases.some((one) => one.id === of.id) && (
              <p className="warned">
                <Icon name="warning" />
                {t('exclusion.not_this')}
              </p>
            )}
          </div>
        )
      )}
      <label>
        {t('exclusion.reason')}
        <input name="reason" required minLength={4} maxLength={500} placeholder={t('exclusion.reason_placeholder')} />
      </label>
      <label>
        {t('exclusion.expires')}
        <select name="days" defaultValue="90">
          {EXPIRIES.map((days) => (
            <option key={days} value={days}>
              {t('exclusion.days', { count: days })}
            </option>
          ))}
          <option value="0">{t('exclusion.never')}</option>
        </select>
      </label>
      {of.state !== 'closed' && (
        <label className="check">
          <input type="checkbox" checked={close} onChange={(event) => setClose(event.target.checked)} />
          {t('exclusion.close')}
        </label>
      )}
      {save.error && (
        <p className="field-error" role="alert">
          {save.error.message || t('state.failed')}
        </p>
      )}
      <div className="buttons">
        <button className="button button-main" disabled={empty || save.isPending}>
          {t(close ? 'exclusion.save' : 'exclusion.save_only')}
        </button>
        <button type="button" className="button-quiet" onClick={onDone}>
          {t('exclusion.cancel')}
        </button>
      </div>
    </form>
  )
}
