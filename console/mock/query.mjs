// Enough of the query language for the mock: `field:value`, `-field:value`, `field>n`, `a or b`, quoted text, `*`, IPv4 networks.

function tokens(text) {
  const found = []
  const pattern = /\s*(\(|\)|-?(?:[\w.]+[:<>])?"(?:[^"\\]|\\.)*"|[^\s()]+)/gy
  let at = 0
  while (at < text.length) {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (!match) break
    found.push({ text: match[1], offset: at + match[0].length - match[1].length })
    at = pattern.lastIndex
  }
  return found
}

export class QueryError extends Error {
  constructor(message, offset, nearest = null) {
    super(message)
    this.offset = offset
    this.nearest = nearest
  }
}

export function valuesAt(event, path) {
  let here = [event]
  for (const part of path.split('.'))
    here = here.flat().flatMap((one) => (one && typeof one === 'object' && part in one ? [one[part]] : []))
  return here.flat().map(String)
}

const number = (ip) => ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)

function matcher(value) {
  const net = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(value)
  if (net) {
    const size = 2 ** (32 - Number(net[2]))
    const base = Math.floor(number(net[1]) / size)
    return (one) => /^\d+\.\d+\.\d+\.\d+$/.test(one) && Math.floor(number(one) / size) === base
  }
  if (value.includes('*')) {
    const pattern = new RegExp(
      `^${value
        .split('*')
        .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
        .join('.*')}$`,
      'i',
    )
    return (one) => pattern.test(one)
  }
  return (one) => one.toLowerCase() === value.toLowerCase()
}

/** `groups`: names that stand for networks. */
export function compile(text, fields, groups = []) {
  const matched = (value) => {
    const tests = (groups.find(({ name }) => name === value)?.networks ?? [value]).map(matcher)
    return (one) => tests.some((test) => test(one))
  }
  const list = tokens(text ?? '')
  let i = 0
  const any = () => {
    const options = [all()]
    while (list[i]?.text.toLowerCase() === 'or') {
      i++
      options.push(all())
    }
    return (event) => options.some((one) => one(event))
  }
  const all = () => {
    const parts = []
    while (i < list.length && list[i].text !== ')' && list[i].text.toLowerCase() !== 'or') parts.push(one())
    return (event) => parts.every((part) => part(event))
  }
  const one = () => {
    const { text: word, offset } = list[i++]
    if (word === '(') {
      const inner = any()
      if (list[i]?.text === ')') i++
      return inner
    }
    if (word.startsWith('-') && word.length > 1) {
      list[--i] = { text: word.slice(1), offset: offset + 1 }
      const inner = one()
      return (event) => !inner(event)
    }
    const pair = /^([\w.]+)([:<>])(.*)$/s.exec(word)
    const unquote = (raw) => (raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/g, '$1') : raw)
    if (!pair) {
      const wanted = unquote(word).toLowerCase()
      return (event) => JSON.stringify(event).toLowerCase().includes(wanted)
    }
    const [, field, operator, raw] = pair
    if (field !== 'ip' && field !== 'port' && field !== 'mac' && !fields.has(field)) {
      const near = [...fields].find((name) => name.startsWith(field.slice(0, 3))) ?? null
      throw new QueryError(`No field is called "${field}".`, offset, near)
    }
    if (operator !== ':')
      return (event) =>
        valuesAt(event, field).some((value) => (operator === '>' ? Number(value) > Number(raw) : Number(value) < Number(raw)))
    const test = matched(unquote(raw))
    const paths = field === 'ip' ? ['src_ip', 'dest_ip'] : field === 'port' ? ['src_port', 'dest_port'] : [field]
    return (event) => paths.some((path) => valuesAt(event, path).some(test))
  }
  const found = any()
  if (i < list.length) throw new QueryError('A parenthesis too many.', list[i].offset)
  return found
}
