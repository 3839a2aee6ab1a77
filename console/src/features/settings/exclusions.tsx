import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { request } from '../../api/client'
import { useRead } from '../../api/queries'
import type { Scope } from '../../api/schema'
import { useSession } from '../../app/session'
import { say, Twice, When } from '../../ui/bits'
import { useFormat } from '../../ui/hooks'
import { Empty, Failed, Skeleton } from '../../ui/states'
import type { ValueKind } from '../../ui/value'
import { Value } from '../../ui/value'
import { Wide } from '../../ui/wide'

const KINDS: Record<keyof Scope, ValueKind> = {
  asset_id: 'text',
  ip: 'ip',
  role: 'text',
  peer: 'ip',
  port: 'port',
  proto: 'proto',
  detector: 'text',
}

/** The machine that an exclusion is for, by its name where it is still known. */
function AssetName({ id }: { id: string }) {
  const { data } = useRead('/assets/{id}', { names: { id } }, { staleMs: Infinity })
  return <Value kind="name" value={data ? data.declared?.name || data.name : id} assetId={id} dataset={data?.dataset} />
}

/** What is "normal here", by whom, why, until when, and how much each hid. */
export function Exclusions() {
  const { t } = useTranslation()
  const { number } = useFormat()
  const { canWrite } = useSession()
  const client = useQueryClient()
  const { data, error, refetch } = useRead('/exclusions', {})
  const remove = useMutation({
    mutationFn: (id: number) => request('delete', '/exclusions/{id}', { names: { id } }),
    onSuccess: () => void client.invalidateQueries({ queryKey: ['/exclusions'] }),
    onError: (failure) => say(failure.message || t('state.failed'), true),
  })
  if (error && !data) return <Failed error={error} retry={() => void refetch()} />
  if (!data) return <Skeleton rows={4} />
  if (data.length === 0)
    return (
      <Empty icon="exclude" title={t('exclusion.none')}>
        <p>{t('exclusion.none_text')}</p>
      </Empty>
    )
  return (
    <section className="card">
      <Wide>
        <table className="plain">
          <thead>
            <tr>
              <th>{t('exclusion.scope')}</th>
              <th>{t('exclusion.reason')}</th>
              <th>{t('case.owner')}</th>
              <th>{t('exclusion.created')}</th>
              <th>{t('exclusion.expires')}</th>
              <th className="figure">{t('exclusion.hits')}</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {data.map((one) => (
              <tr key={one.id}>
                <td>
                  {(Object.entries(one.scope) as [keyof Scope, string | number | string[]][]).map(([key, value]) => (
                    <div key={key} className="nowrap">
                      <span className="quiet">{t(`scope.${key}`, { defaultValue: key })}</span>{' '}
                      {key === 'asset_id' ? (
                        <AssetName id={String(value)} />
                      ) : key === 'detector' ? (
                        [value].flat().map((name) => <div key={name}>{t(`detector.${name}`, { defaultValue: String(name) })}</div>)
                      ) : (
                        <Value
                          kind={KINDS[key] ?? 'text'}
                          value={String(value)}
                          field={key === 'peer' ? 'ip' : key === 'port' ? 'dest_port' : key === 'ip' ? 'ip' : ''}
                        />
                      )}
                    </div>
                  ))}
                </td>
                <td>{one.reason}</td>
                <td>{one.owner}</td>
                <td>
                  <When at={one.created} />
                </td>
                <td>{one.expires ? <When at={one.expires} form="moment" /> : t('exclusion.never')}</td>
                <td className="figure">
                  {one.hits > 0 ? (
                    <Link to="/cases" search={{ excluded: String(one.id) } as never} title={t('exclusion.hidden_cases')}>
                      {number(one.hits)}
                    </Link>
                  ) : (
                    number(one.hits)
                  )}
                </td>
                <td>
                  {canWrite && (
                    <Twice
                      label={t('exclusion.remove')}
                      sure={t('exclusion.remove_sure')}
                      onConfirm={() => remove.mutate(one.id)}
                      className="button-quiet"
                    />
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
    </section>
  )
}
