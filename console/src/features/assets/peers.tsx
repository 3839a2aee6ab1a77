import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { PeerEdge, PeerNode, Peers } from '../../api/schema'
import { useFormat, usePhone } from '../../ui/hooks'
import { Icon } from '../../ui/icons'
import { Value } from '../../ui/value'

/** Height of a peer's line; the style sheet has the same. */
const LINE = 26

/** Who calls this machine at the left, whom it calls at the right: a graph that reads like two lists. */
export function PeerGraph({ id: asset, name, of }: { id: string; name: string; of: Peers }) {
  const { t } = useTranslation()
  const { bytes, number } = useFormat()
  const phone = usePhone()
  const middle = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  const [at, setAt] = useState<string | null>(null)
  useEffect(() => {
    const node = middle.current
    if (!node) return
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)))
    observer.observe(node)
    return () => observer.disconnect()
  }, [])
  const id = of.nodes.find((node) => node.asset_id === asset)?.id ?? asset
  const nodes = useMemo(() => new Map(of.nodes.map((node) => [node.id, node])), [of.nodes])
  const gather = (edges: PeerEdge[], other: (edge: PeerEdge) => string) => {
    const found = new Map<string, { node: PeerNode; bytes: number; flows: number; protocols: string[] }>()
    // What moves most is named first; what is of no protocol is named too: a scan is nothing else.
    for (const edge of [...edges].sort((a, b) => b.bytes - a.bytes)) {
      const node = nodes.get(other(edge))
      if (!node) continue
      const one = found.get(node.id) ?? { node, bytes: 0, flows: 0, protocols: [] }
      one.bytes += edge.bytes
      one.flows += edge.flows
      const protocol = edge.app_proto || t('value.no_proto')
      if (!one.protocols.includes(protocol)) one.protocols.push(protocol)
      found.set(node.id, one)
    }
    return [...found.values()].sort((a, b) => b.bytes - a.bytes)
  }
  const callers = gather(
    of.edges.filter((edge) => edge.to === id),
    (edge) => edge.from,
  )
  const called = gather(
    of.edges.filter((edge) => edge.from === id),
    (edge) => edge.to,
  )
  const height = Math.max(callers.length, called.length, 2) * LINE
  const most = Math.max(1, ...[...callers, ...called].map((one) => one.bytes))
  const weight = (amount: number) => 1 + 7 * (Math.log1p(amount) / Math.log1p(most)) ** 3
  // Where one looks first, also beside a long list.
  const center = Math.min(height / 2, 5 * LINE)
  if (of.nodes.length < 2) return <p className="quiet">{t('asset.no_peers')}</p>

  const list = (side: typeof callers, name: string) => (
    <ul className={`peers-side peers-${name}`} aria-label={t(`asset.${name}`)}>
      {side.map(({ node, ...one }) => (
        <li
          key={node.id}
          className={at === `${name} ${node.id}` ? 'peer peer-at' : 'peer'}
          title={`${one.protocols.join(', ')} · ${bytes(one.bytes)} · ${number(one.flows)} ${t('measure.flows').toLowerCase()}`}
          onPointerEnter={() => setAt(`${name} ${node.id}`)}
          onPointerLeave={() => setAt(null)}
        >
          <Icon name={node.inside ? 'assets' : 'map'} />
          <span className="peer-name">
            {node.ip ? (
              <Value kind="ip" field="ip" value={node.ip} assetId={node.asset_id} label={node.label === node.ip ? undefined : node.label} />
            ) : (
              node.label
            )}
          </span>
          <span className="quiet peer-protocols">{one.protocols.slice(0, 2).join(', ')}</span>
          <span className="figure quiet">{bytes(one.bytes)}</span>
        </li>
      ))}
      {side.length === 0 && <li className="peer quiet">{t('asset.nobody')}</li>}
    </ul>
  )
  const curve = (i: number, left: boolean) => {
    const y = (i + 0.5) * LINE
    const [x1, x2] = left ? [0, width / 2 - 44] : [width, width / 2 + 44]
    const bend = (x1 + x2) / 2
    return `M${x1} ${y}C${bend} ${y} ${bend} ${center} ${x2} ${center}`
  }
  return (
    <>
      <div className="peers">
        <p className="peers-title">{t('asset.callers')}</p>
        <p />
        <p className="peers-title">{t('asset.called')}</p>
        {list(callers, 'callers')}
        <div className="peers-middle" ref={middle} aria-hidden="true">
          {width > 0 && !phone && (
            <svg width={width} height={height}>
              {callers.map((one, i) => (
                <path
                  key={one.node.id}
                  className={at === `callers ${one.node.id}` ? 'peer-edge peer-edge-at' : 'peer-edge'}
                  d={curve(i, true)}
                  strokeWidth={weight(one.bytes)}
                />
              ))}
              {called.map((one, i) => (
                <path
                  key={one.node.id}
                  className={at === `called ${one.node.id}` ? 'peer-edge peer-edge-at' : 'peer-edge'}
                  d={curve(i, false)}
                  strokeWidth={weight(one.bytes)}
                />
              ))}
              <rect className="peer-self" x={width / 2 - 44} y={center - 13} width={88} height={26} rx={6} />
              <text className="peer-self-name" x={width / 2} y={center + 4} textAnchor="middle">
                {name.length > 12 ? `${name.slice(0, 11)}…` : name}
              </text>
            </svg>
          )}
        </div>
        {list(called, 'called')}
      </div>
      {of.folded > 0 && <p className="quiet">{t('asset.folded', { count: of.folded })}</p>}
    </>
  )
}
