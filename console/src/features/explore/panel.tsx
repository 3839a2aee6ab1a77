import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { url } from '../../api/client'
import { useRead } from '../../api/queries'
import type { Eve } from '../../api/schema'
import { useScope } from '../../app/scope'
import { at, kindOf, leaves, telling } from '../../lib/eve'
import { term } from '../../lib/query'
import { around } from '../../lib/range'
import { useUrl, within } from '../../lib/url'
import { say, When } from '../../ui/bits'
import { useFormat, useSaid, useWords } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Packets } from '../../ui/packets'
import { SidePanel } from '../../ui/panel'
import { Failed, Skeleton } from '../../ui/states'
import { Value } from '../../ui/value'
import { useAlertTexts } from './alerts'

const NOTHING: { event: Eve }[] = []

/** One event with all its fields, and the others of its flow. */
export function EventPanel({ event, onClose }: { event: Eve | undefined; onClose: () => void }) {
  const { t } = useTranslation()
  const said = useSaid()
  const words = useWords()
  const { exact, duration } = useFormat()
  const alerts = useAlertTexts(event ? [{ event }] : NOTHING)
  const { search, set } = useUrl()
  const { setChoice, dataset } = useScope()
  const flow = event?.flow_id === undefined ? null : String(event.flow_id)
  const others = useRead('/events/flow/{flow_id}', { names: { flow_id: Number(flow) } }, { keep: false, enabled: flow !== null })
  const list = (others.data?.items ?? []) as Eve[]
  if (!event)
    return (
      <SidePanel title={t('explore.event')} onClose={onClose}>
        <p className="quiet">{t('explore.event_absent')}</p>
      </SidePanel>
    )
  const kind = said('event_type', event.event_type)
  const { alert_id: alert, case_id: ofCase } = (event.vigie ?? {}) as { alert_id?: string; case_id?: string }
  const summary = alert && (alerts.get(alert) ?? at(event, 'vigie.summary')[0])
  const [start, end] = ['flow.start', 'flow.end'].map((path) => (event.event_type === 'flow' ? at(event, path)[0] : undefined))
  return (
    <SidePanel title={t('explore.event_title', { kind })} onClose={onClose}>
      {start && end ? (
        <>
          <dl className="pairs pairs-short">
            <div>
              <dt>{t('explore.flow_from')}</dt>
              <dd>
                <When at={start} form="clock" />
              </dd>
            </div>
            <div>
              <dt>{t('explore.flow_to')}</dt>
              <dd>
                <When at={end} form="clock" />
              </dd>
            </div>
            <div>
              <dt>{t('explore.flow_lasted')}</dt>
              <dd>{duration(Date.parse(end) - Date.parse(start))}</dd>
            </div>
          </dl>
          <p className="quiet">{t('explore.flow_told', { time: exact(Date.parse(event.timestamp)) })}</p>
        </>
      ) : (
        <p className="facts-line">
          <When at={event.timestamp} form="moment" />
        </p>
      )}
      {summary && <p>{summary}</p>}
      <div className="buttons">
        <button className="button" onClick={() => setChoice(around(Date.parse(start ?? event.timestamp)))}>
          <Icon name="clock" />
          {t('explore.around')}
        </button>
        {flow && (
          <button className="button" onClick={() => set({ q: term('flow_id', flow), open: null })}>
            <Icon name="filter" />
            {t('explore.this_flow')}
          </button>
        )}
        <button
          className="button"
          onClick={() =>
            void navigator.clipboard.writeText(JSON.stringify(event)).then(
              () => say(t('value.copied', { value: 'JSON' })),
              () => say(t('value.not_copied'), true),
            )
          }
        >
          <Icon name="copy" />
          {t('explore.json')}
        </button>
        {ofCase && (
          <Link to="/cases/$id" params={{ id: ofCase }} search={within(search, event.dataset) as never} className="button">
            <Icon name="cases" />
            {t('explore.open_case')}
          </Link>
        )}
        {(alert || flow) && (
          <Packets
            href={
              alert
                ? url('/alerts/{id}/packets', { names: { id: alert }, query: { dataset: event.dataset ?? dataset } })
                : url('/events/{flow_id}/packets', { names: { flow_id: Number(flow) }, query: { dataset: event.dataset ?? dataset } })
            }
            dataset={event.dataset ?? dataset}
          />
        )}
      </div>
      <section>
        <h3>{t('explore.fields')}</h3>
        <dl className="leaves">
          {leaves(event).map(({ path, value }, i) => (
            <div key={i}>
              <dt className="mono">{path}</dt>
              <dd>{path === 'timestamp' ? <When at={value} form="clock" /> : <Value kind={kindOf(path)} field={path} value={value} label={words(path, value)} />}</dd>
            </div>
          ))}
        </dl>
      </section>
      {flow && (
        <section>
          <h3>{t('explore.same_flow')}</h3>
          {others.error && <Failed error={others.error} retry={() => void others.refetch()} />}
          {others.isPending && <Skeleton rows={3} />}
          <ol className="flow-events">
            {list.map((one, i) => (
              <li key={i}>
                <When at={one.timestamp} form="clock" /> <span className="tag">{said('event_type', one.event_type)}</span>{' '}
                <span className="quiet">
                  {telling(one)
                    .map(({ path, value }) => said(path, value))
                    .join(' ')
                    .slice(0, 160)}
                </span>
              </li>
            ))}
          </ol>
        </section>
      )}
    </SidePanel>
  )
}
