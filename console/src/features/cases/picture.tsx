import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Entity, Step } from '../../api/schema'
import { clock } from '../../lib/format'
import { useFormat } from '../../ui/hooks'

/** Machines that get a line of their own; the others share the last. */
const LANES_MAX = 6
/** Steps drawn before "show all". */
const STEPS_SHOWN = 14
const STEP = 40
/** Height that a second line of words adds. */
const LINE = 14
const HEAD = 46
const TIME = 118

interface Lane {
  key: string
  label: string
  ip: string
}

/** Who touched whom, in order of time: a line a machine, an arrow a step. */
export function Picture({ steps, entities, onStep }: { steps: Step[]; entities: Entity[]; onStep: (step: Step) => void }) {
  const { t } = useTranslation()
  const { lang } = useFormat()
  const frame = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  const [all, showAll] = useState(false)
  useEffect(() => {
    const node = frame.current
    if (!node) return
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)))
    observer.observe(node)
    return () => observer.disconnect()
  }, [])

  const lanes = useMemo(() => {
    const found = new Map<string, Lane>()
    for (const { ip, name } of entities) if (ip && !found.has(ip)) found.set(ip, { key: ip, ip, label: name ?? ip })
    for (const step of steps)
      for (const side of [step.from, step.to])
        if (!found.has(side.ip)) found.set(side.ip, { key: side.ip, ip: side.ip, label: side.name ?? side.ip })
    const touched = new Set(steps.flatMap((step) => [step.from.ip, step.to.ip]))
    const list = [...found.values()].filter((lane) => touched.has(lane.ip))
    if (list.length <= LANES_MAX) return list
    return [...list.slice(0, LANES_MAX - 1), { key: '', ip: '', label: t('case.others', { count: list.length - LANES_MAX + 1 }) }]
  }, [steps, entities, t])

  const shown = all ? steps : steps.slice(0, STEPS_SHOWN)
  const laneOf = (ip: string) => {
    const i = lanes.findIndex((lane) => lane.ip === ip)
    return i < 0 ? lanes.length - 1 : i
  }
  const time = width < 560 ? 0 : TIME
  const between = lanes.length > 1 ? Math.min(300, (width - time - 120) / (lanes.length - 1)) : 0
  const x = (lane: number) => time + 60 + lane * between
  // Words stand over the arrow where there is room, beside it otherwise.
  const lines = shown.map((step) => {
    const room = Math.abs(x(laneOf(step.from.ip)) - x(laneOf(step.to.ip)))
    return wrapped(step.what, Math.floor(Math.max(between, 150, room) / 6.4))
  })
  const tall = STEP + (lines.some((one) => one.length > 1) ? LINE : 0)
  const height = HEAD + shown.length * tall + 10
  if (steps.length === 0) return null
  return (
    <div className="picture" ref={frame}>
      {width > 0 && (
        <svg width={width} height={height} role="group" aria-label={t('case.picture')}>
          <defs>
            <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
              <path d="M0 0 8 4 0 8z" className="arrow-head" />
            </marker>
          </defs>
          {lanes.map((lane, i) => (
            <g key={lane.key}>
              <line className="lane" x1={x(i)} x2={x(i)} y1={HEAD - 6} y2={height - 4} />
              <text className="lane-name" x={x(i)} y={16} textAnchor="middle">
                {short(lane.label, Math.max(10, Math.floor((between || 240) / 8)))}
                <title>{lane.label}</title>
              </text>
              {lane.label !== lane.ip && (
                <text className="lane-ip" x={x(i)} y={32} textAnchor="middle">
                  {lane.ip}
                </text>
              )}
            </g>
          ))}
          {shown.map((step, i) => {
            const a = x(laneOf(step.from.ip))
            const b = x(laneOf(step.to.ip))
            const y = HEAD + (i + 1) * tall - 14
            const own = a === b
            const middle = (a + b) / 2
            const when = clock(Date.parse(step.ts), lang).replace(/[.,]\d+$/, '')
            const machines = `${step.from.ip} → ${step.to.ip}`
            return (
              <g
                key={i}
                className={step.flow_id ? 'step step-link' : 'step'}
                role={step.flow_id ? 'button' : undefined}
                tabIndex={step.flow_id ? 0 : undefined}
                onClick={() => step.flow_id && onStep(step)}
                onKeyDown={(event) => event.key === 'Enter' && step.flow_id && onStep(step)}
              >
                <rect className="step-area" x={0} width={width} y={y + 14 - tall} height={tall} rx={4} />
                {time > 0 && (
                  <text className="step-time" x={0} y={y + 3}>
                    {when}
                  </text>
                )}
                {own ? (
                  <path className="step-line" d={`M${a} ${y - 6}h18v10h-16`} markerEnd="url(#head)" />
                ) : (
                  <line className="step-line" x1={a + (b > a ? 3 : -3)} x2={b + (b > a ? -3 : 3)} y1={y} y2={y} markerEnd="url(#head)" />
                )}
                <text className="step-what" textAnchor={own ? 'start' : 'middle'}>
                  {lines[i]!.map((line, at) => (
                    <tspan key={at} x={own ? a + 24 : middle} y={(own ? y + 2 : y - 7) - (lines[i]!.length - 1 - at) * LINE}>
                      {line}
                    </tspan>
                  ))}
                  <title>{` (${machines}, ${step.what})`}</title>
                </text>
              </g>
            )
          })}
        </svg>
      )}
      {steps.length > STEPS_SHOWN && (
        <button className="button-quiet" onClick={() => showAll(!all)}>
          {all ? t('case.fewer_steps') : t('case.all_steps', { count: steps.length })}
        </button>
      )}
    </div>
  )
}

/** In one line or two of `length`; what is beyond is cut. */
function wrapped(text: string, length: number): string[] {
  if (text.length <= length) return [text]
  const end = text.lastIndexOf(' ', length)
  return end <= 0 ? [short(text, length)] : [text.slice(0, end), short(text.slice(end + 1), length)]
}

function short(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, Math.max(1, length - 1))}…`
}
