/** Networks as text, as far as the console must understand them: to refuse a slip of the fingers at once, and to fold the map. */

export interface Network {
  /** Of the address: 4 or 16 bytes. */
  bytes: number[]
  bits: number
}

function v4(text: string): number[] | null {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return null
  const bytes = parts.map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : null
}

function v6(text: string): number[] | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const words = (half: string | undefined): number[] | null => {
    if (!half) return []
    const found: number[] = []
    const parts = half.split(':')
    for (const [i, part] of parts.entries()) {
      const last = i === parts.length - 1 ? v4(part) : null
      if (last) found.push(last[0]! * 256 + last[1]!, last[2]! * 256 + last[3]!)
      else if (/^[0-9a-f]{1,4}$/i.test(part)) found.push(parseInt(part, 16))
      else return null
    }
    return found
  }
  const [head, tail] = [words(halves[0]), words(halves[1])]
  if (!head || !tail) return null
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  return [...head, ...new Array<number>(missing).fill(0), ...tail].flatMap((word) => [word >> 8, word & 255])
}

/** An address or a network: `10.1.0.0/16`, `fd00::/8`, `192.0.2.1`. `null` where it is neither. */
export function network(text: string): Network | null {
  const [address = '', length, ...more] = text.split('/')
  const bytes = v4(address) ?? v6(address)
  if (!bytes || more.length > 0) return null
  if (length === undefined) return { bytes, bits: bytes.length * 8 }
  if (!/^\d{1,3}$/.test(length) || Number(length) > bytes.length * 8) return null
  return { bytes, bits: Number(length) }
}

/** An IPv6 address in its short form (RFC 5952), where events have it in full; anything else as it is. */
export function shortIp(text: string): string {
  const bytes = text.includes(':') && !text.includes('/') ? v6(text) : null
  if (!bytes) return text
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! * 256 + bytes[2 * i + 1]!).toString(16))
  const runs = words.map((_, i) => {
    let end = i
    while (end < 8 && words[end] === '0') end++
    return end - i
  })
  const longest = Math.max(...runs)
  if (longest < 2) return words.join(':')
  const start = runs.indexOf(longest)
  return `${words.slice(0, start).join(':')}::${words.slice(start + longest).join(':')}`
}

/** Whether all of `inner` lies in `outer`. */
export function holds(outer: Network, inner: Network): boolean {
  if (outer.bytes.length !== inner.bytes.length || outer.bits > inner.bits) return false
  return outer.bytes.every((byte, i) => {
    const kept = Math.max(0, Math.min(8, outer.bits - i * 8))
    const mask = (0xff << (8 - kept)) & 0xff
    return (byte & mask) === (inner.bytes[i]! & mask)
  })
}
