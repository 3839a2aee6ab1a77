import { describe, expect, it } from 'vitest'
import { asked, EVERYBODY, only, together } from '../features/map/fold'
import { holds, network, shortIp } from './net'

describe('networks', () => {
  it('are read as people write them, and nothing else is', () => {
    for (const text of [
      '10.0.0.0/8',
      '192.0.2.1',
      '0.0.0.0/0',
      '::/0',
      'fd00::/8',
      '2001:db8::1',
      '::ffff:192.0.2.1',
      '1:2:3:4:5:6:7:8/128',
    ])
      expect(network(text), text).not.toBeNull()
    for (const text of [
      '',
      '10.0.0',
      '10.0.0.256',
      '10.0.0.0/33',
      '10.0.0.0/',
      '10.0.0.0/8/8',
      '010.0.0.1',
      'fd00::/129',
      '1::2::3',
      ':::',
      '1:2:3:4:5:6:7',
      'serveurs',
      '10.0.0.0 /8',
    ])
      expect(network(text), text).toBeNull()
  })
  it('hold what lies in them', () => {
    const [eight, nine, host, six] = ['10.0.0.0/8', '10.128.0.0/9', '10.200.0.1', 'fd00::/8'].map((text) => network(text)!) as never[]
    expect([holds(eight!, nine!), holds(nine!, eight!), holds(nine!, host!), holds(eight!, six!), holds(network('::/0')!, six!)]).toEqual([
      true,
      false,
      true,
      false,
      true,
    ])
  })
})

describe('addresses', () => {
  it('are short', () => {
    expect(
      [
        'fe80:0000:0000:0000:0211:32ff:fe20:0110',
        'ff02:0000:0000:0000:0000:0000:0000:0002',
        '0000:0000:0000:0000:0000:0000:0000:0000',
        '2001:db8:0:1:1:1:1:1',
        '10.0.0.1',
        'fd00::/8',
        'a:b',
      ].map(shortIp),
    ).toEqual(['fe80::211:32ff:fe20:110', 'ff02::2', '::', '2001:db8:0:1:1:1:1:1', '10.0.0.1', 'fd00::/8', 'a:b'])
  })
})

describe('map', () => {
  const group = (id: string, assets = 1) => ({ id, label: id, inside: id !== 'internet', assets })
  const cell = (from: string, to: string, bytes: number) => ({ from, to, flows: 1, bytes, top_protocols: ['tls'], q: null })
  const map = {
    groups: ['School', '10.2.0.0/24', '224.0.0.0/24', 'ff02::/64', 'internet', 'others'].map((id) => group(id)),
    cells: [
      cell('School', 'internet', 5),
      cell('School', '224.0.0.0/24', 7),
      cell('School', 'ff02::/64', 2),
      cell('10.2.0.0/24', 'School', 1),
      cell('others', 'internet', 2),
    ],
    partial: false,
  }
  it('folds what is meant for everybody, and loses nothing', () => {
    const folded = together(map)
    expect(folded.groups.map(({ id, assets }) => [id, assets])).toEqual([
      ['School', 1],
      ['10.2.0.0/24', 1],
      [EVERYBODY, 2],
      ['internet', 1],
      ['others', 1],
    ])
    expect(folded.cells.find((one) => one.to === EVERYBODY)).toMatchObject({ from: 'School', flows: 2, bytes: 9 })
    expect(folded.cells.reduce((sum, one) => sum + one.bytes, 0)).toBe(17)
  })
  it('says what each cell counts as a query, where that can be said', () => {
    const { cells } = asked(together(map), ['10.0.0.0/8'])
    const q = (from: string, to: string) => cells.find((one) => one.from === from && one.to === to)!.q
    expect(q('School', 'internet')).toBe(
      'event_type:flow src_ip:School -dest_ip:10.0.0.0/8 -dest_ip:224.0.0.0/4 -dest_ip:255.255.255.255 -dest_ip:ff00::/8',
    )
    expect(q('School', EVERYBODY)).toBe(
      'event_type:flow src_ip:School (dest_ip:224.0.0.0/4 or dest_ip:255.255.255.255 or dest_ip:ff00::/8)',
    )
    expect(q('others', 'internet')).toBeNull()
    expect(asked(map, ['!10.0.0.0/8']).cells[0]!.q).toBeNull()
  })
  it('keeps what one looks for, and who talks with it', () => {
    expect(only(map, '10.2', (id) => id).groups.map(({ id }) => id)).toEqual(['School', '10.2.0.0/24'])
    expect(only(map, ' ', (id) => id)).toBe(map)
  })
})
