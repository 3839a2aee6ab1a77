// A capture in which every name that a person will see is an attack on the page that shows it. Made here, byte by byte.

/** What would run, were it taken for markup. `mark` tells apart where it was said. */
export const bait = (mark) => `<img src=x onerror=alert("${mark}")>`

const bytes = (...parts) =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Array.isArray(part) ? Buffer.from(part) : Buffer.from(part))),
  )
const u16 = (n) => [n >> 8, n & 255]
const u24 = (n) => [n >> 16, (n >> 8) & 255, n & 255]
const u32 = (n) => [(n >>> 24) & 255, (n >> 16) & 255, (n >> 8) & 255, n & 255]
const ip = (text) => text.split('.').map(Number)
const CLIENT = { ip: '10.66.6.6', mac: [0x02, 0x66, 0x06, 0x06, 0x06, 0x06] }
const SERVER = { ip: '10.66.6.1', mac: [0x02, 0x66, 0x06, 0x06, 0x06, 0x01] }
const ALL = { ip: '255.255.255.255', mac: [255, 255, 255, 255, 255, 255] }

function checksum(data) {
  let sum = 0
  for (let i = 0; i < data.length; i += 2) sum += data[i] * 256 + (data[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}
function packet(from, to, protocol, payload) {
  const head = bytes([0x45, 0], u16(20 + payload.length), [0, 1, 0x40, 0, 64, protocol, 0, 0], ip(from.ip), ip(to.ip))
  head.writeUInt16BE(checksum(head), 10)
  return bytes(to.mac, from.mac, u16(0x0800), head, payload)
}
function transport(from, to, protocol, segment, at) {
  const pseudo = bytes(ip(from.ip), ip(to.ip), [0, protocol], u16(segment.length), segment)
  segment.writeUInt16BE(checksum(pseudo) || 0xffff, at)
  return packet(from, to, protocol, segment)
}
const udp = (from, to, sport, dport, data) => transport(from, to, 17, bytes(u16(sport), u16(dport), u16(8 + data.length), [0, 0], data), 6)
const tcp = (from, to, sport, dport, seq, ack, flags, data = Buffer.alloc(0)) =>
  transport(from, to, 6, bytes(u16(sport), u16(dport), u32(seq), u32(ack), [0x50, flags], u16(64240), [0, 0, 0, 0], data), 16)

/** A whole session: what each side says, in turn. */
function session(sport, dport, turns) {
  let [c, s] = [1000, 5000]
  const out = [
    tcp(CLIENT, SERVER, sport, dport, c++, 0, 2),
    tcp(SERVER, CLIENT, dport, sport, s++, c, 0x12),
    tcp(CLIENT, SERVER, sport, dport, c, s, 0x10),
  ]
  for (const [side, data] of turns) {
    if (side === 'client') {
      out.push(tcp(CLIENT, SERVER, sport, dport, c, s, 0x18, data), tcp(SERVER, CLIENT, dport, sport, s, c + data.length, 0x10))
      c += data.length
    } else {
      out.push(tcp(SERVER, CLIENT, dport, sport, s, c, 0x18, data), tcp(CLIENT, SERVER, sport, dport, c, s + data.length, 0x10))
      s += data.length
    }
  }
  return [
    ...out,
    tcp(CLIENT, SERVER, sport, dport, c, s, 0x11),
    tcp(SERVER, CLIENT, dport, sport, s, c + 1, 0x11),
    tcp(CLIENT, SERVER, sport, dport, c + 1, s + 1, 0x10),
  ]
}

function dhcp() {
  const option = (code, data) => bytes([code, data.length], data)
  const fixed = bytes([1, 1, 6, 0], u32(7), Buffer.alloc(20), CLIENT.mac, Buffer.alloc(10 + 192), [0x63, 0x82, 0x53, 0x63])
  const data = bytes(
    fixed,
    option(53, [3]),
    option(50, ip(CLIENT.ip)),
    option(12, Buffer.from(bait('dhcp'))),
    option(60, Buffer.from(bait('vendor'))),
    [255],
  )
  return udp({ ...CLIENT, ip: '0.0.0.0' }, ALL, 68, 67, data)
}
const label = (text) => bytes([text.length], text)
const dns = () =>
  udp(
    CLIENT,
    SERVER,
    5353 + 1,
    53,
    bytes(u16(9), [1, 0], u16(1), [0, 0, 0, 0, 0, 0], label(bait('dns')), label('example'), [0], u16(1), u16(1)),
  )
const http = () =>
  session(40001, 80, [
    [
      'client',
      Buffer.from(
        `GET /${encodeURI('a')}?<script>alert("url")</script> HTTP/1.1\r\nHost: ${bait('host')}\r\nUser-Agent: ${bait('agent')}\r\n\r\n`,
      ),
    ],
    ['server', Buffer.from(`HTTP/1.1 200 OK\r\nServer: ${bait('server')}\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok`)],
  ])
const ftp = () =>
  session(40002, 21, [
    ['server', Buffer.from(`220 ${bait('banner')}\r\n`)],
    ['client', Buffer.from(`USER ${bait('user')}\r\n`)],
    ['server', Buffer.from('331 Password?\r\n')],
    ['client', Buffer.from('PASS secret\r\n')],
    ['server', Buffer.from('230 Logged in.\r\n')],
  ])

// TLS 1.2, so that the certificate is in clear.
const der = (tag, ...parts) => {
  const data = bytes(...parts)
  const length = data.length < 128 ? [data.length] : data.length < 256 ? [0x81, data.length] : [0x82, ...u16(data.length)]
  return bytes([tag, ...length], data)
}
function certificate() {
  const name = (text) => der(0x30, der(0x31, der(0x30, [0x06, 3, 0x55, 4, 3], der(0x0c, text))))
  const rsa = der(0x30, [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], [5, 0])
  const key = der(
    0x30,
    der(0x30, [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1], [5, 0]),
    der(3, [0], der(0x30, der(2, [0], Buffer.alloc(64, 0xc1)), der(2, [1, 0, 1]))),
  )
  const times = der(0x30, der(0x17, '200101000000Z'), der(0x17, '400101000000Z'))
  const body = der(0x30, der(0xa0, der(2, [2])), der(2, [7]), rsa, name(bait('issuer')), times, name(bait('subject')), key)
  return der(0x30, body, rsa, der(3, [0], Buffer.alloc(64, 7)))
}
function tls() {
  const handshake = (type, data) => bytes([22, 3, 3], u16(data.length + 4), [type], u24(data.length), data)
  const sni = Buffer.from('<script>alert("sni")</script>.example')
  const extension = bytes(u16(0), u16(sni.length + 5), u16(sni.length + 3), [0], u16(sni.length), sni)
  const hello = bytes([3, 3], Buffer.alloc(32, 1), [0], u16(2), u16(0x009c), [1, 0], u16(extension.length), extension)
  const answer = bytes([3, 3], Buffer.alloc(32, 2), [0], u16(0x009c), [0])
  const one = certificate()
  const chain = bytes(u24(one.length + 3), u24(one.length), one)
  return session(40003, 443, [
    ['client', handshake(1, hello)],
    ['server', bytes(handshake(2, answer), handshake(11, chain), handshake(14, Buffer.alloc(0)))],
  ])
}

/** A classic pcap whose last frame was seen at `now`, made up to `size` bytes by frames that say nothing. */
export function hostileCapture(now = Date.now(), size = 0) {
  const filler = udp(CLIENT, SERVER, 40004, 9, Buffer.alloc(1400, 0x2e))
  const frames = [...new Array(Math.ceil(size / filler.length)).fill(filler), dhcp(), dns(), ...http(), ...ftp(), ...tls()]
  const records = frames.map((frame, i) => {
    const ms = now - (frames.length - i) * 2
    const head = Buffer.alloc(16)
    head.writeUInt32LE(Math.floor(ms / 1000), 0)
    head.writeUInt32LE((ms % 1000) * 1000, 4)
    head.writeUInt32LE(frame.length, 8)
    head.writeUInt32LE(frame.length, 12)
    return bytes(head, frame)
  })
  const head = Buffer.alloc(24)
  head.writeUInt32LE(0xa1b2c3d4, 0)
  head.writeUInt16LE(2, 4)
  head.writeUInt16LE(4, 6)
  head.writeUInt32LE(65535, 16)
  head.writeUInt32LE(1, 20)
  return bytes(head, ...records)
}
