import type { MapCell, TrafficMap } from '../../api/schema'
import { holds, network } from '../../lib/net'
import { term } from '../../lib/query'

/** Addresses that are nobody's: many are meant. */
const SHARED = ['224.0.0.0/4', '255.255.255.0/24', 'ff00::/8'].map((text) => network(text)!)
const SHARED_TEXT = ['224.0.0.0/4', '255.255.255.255', 'ff00::/8']
export const EVERYBODY = 'everybody'

/** Networks of multicast and broadcast as one: nobody lives there. */
export function together(map: TrafficMap): TrafficMap {
  return folded(map, (id) => {
    const net = network(id)
    return net && SHARED.some((one) => holds(one, net)) ? EVERYBODY : id
  })
}

/** Groups that get the same name become one; what they exchange is summed. */
function folded(map: TrafficMap, rename: (id: string) => string): TrafficMap {
  const names = new Map(map.groups.map(({ id }) => [id, rename(id)]))
  const found = new Map<string, TrafficMap['groups'][number]>()
  for (const group of map.groups) {
    const id = names.get(group.id)!
    const one = found.get(id)
    found.set(id, { id, label: id === group.id ? group.label : id, inside: group.inside, assets: group.assets + (one?.assets ?? 0) })
  }
  const cells = new Map<string, MapCell>()
  for (const cell of map.cells) {
    const [from, to] = [names.get(cell.from) ?? cell.from, names.get(cell.to) ?? cell.to]
    const one = cells.get(`${from}\n${to}`)
    cells.set(`${from}\n${to}`, {
      from,
      to,
      flows: cell.flows + (one?.flows ?? 0),
      bytes: cell.bytes + (one?.bytes ?? 0),
      top_protocols: [...new Set([...(one?.top_protocols ?? []), ...cell.top_protocols])].slice(0, 4),
      q: from === cell.from && to === cell.to ? cell.q : null,
    })
  }
  return { ...map, groups: [...found.values()], cells: [...cells.values()] }
}

/** The same with a query for each cell whose two sides the query language can say: networks, names of groups, and all that is outside. */
export function asked(map: TrafficMap, home: string[]): TrafficMap {
  const side = (field: string, id: string): string | null => {
    if (id === 'others') return null
    if (id === EVERYBODY) return `(${SHARED_TEXT.map((one) => term(field, one)).join(' or ')})`
    if (id !== 'internet') return term(field, id)
    return home.length === 0 || home.some((one) => one.startsWith('!'))
      ? null
      : [...home, ...SHARED_TEXT].map((one) => term(field, one, true)).join(' ')
  }
  const cells = map.cells.map((cell) => {
    const both = [side('src_ip', cell.from), side('dest_ip', cell.to)]
    return { ...cell, q: cell.q ?? (both.every(Boolean) ? `event_type:flow ${both.join(' ')}` : null) }
  })
  return { ...map, cells }
}

/** Only the groups that one looks for, and those that talk with them. */
export function only(map: TrafficMap, text: string, name: (id: string) => string): TrafficMap {
  const sought = text.trim().toLowerCase()
  if (!sought) return map
  const meant = new Set(map.groups.filter(({ id }) => `${name(id)} ${id}`.toLowerCase().includes(sought)).map(({ id }) => id))
  const cells = map.cells.filter((cell) => meant.has(cell.from) || meant.has(cell.to))
  const kept = new Set([...meant, ...cells.flatMap((cell) => [cell.from, cell.to])])
  return { ...map, groups: map.groups.filter(({ id }) => kept.has(id)), cells }
}
