/** The text of the query language: what clicks build is what one could have typed. The server alone says what it means. */

const BARE = /^[\w.*/@+\-]+(?::[\w.*:/]*)?$/

/** A value as it must stand after `field:`. */
export function quote(value: string): string {
  return value !== '' && BARE.test(value) && !/^(or|and|not)$/i.test(value)
    ? value
    : `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

export function term(field: string, value: string, exclude = false): string {
  const text = field ? `${field}:${quote(value)}` : quote(value)
  return exclude ? `-${text}` : text
}

/** The flows of a protocol; of none that is known where it has no name. */
export const protoTerm = (name: string): string => (name ? term('app_proto', name) : '-app_proto:*')

/** The terms of a query, parted at blanks outside quotes and parentheses. */
export function terms(query: string): string[] {
  const found: string[] = []
  let current = ''
  let quoted = false
  let depth = 0
  for (let i = 0; i < query.length; i++) {
    const c = query[i]!
    if (quoted && c === '\\') {
      current += c + (query[i + 1] ?? '')
      i++
      continue
    }
    if (c === '"') quoted = !quoted
    if (!quoted && c === '(') depth++
    if (!quoted && c === ')') depth--
    if (c === ' ' && !quoted && depth <= 0) {
      if (current) found.push(current)
      current = ''
    } else current += c
  }
  if (current) found.push(current)
  // Alternatives belong together: neither can be taken away, nor anything added, without the others.
  if (found.some((one) => /^or$/i.test(one))) return [`(${found.join(' ')})`]
  return found.reduce<string[]>((all, one) => {
    if (/^not$/i.test(all.at(-1) ?? '')) all.push(`${all.pop()} ${one}`)
    else if (!/^and$/i.test(one)) all.push(one)
    return all
  }, [])
}

/** Adds a term; one already there stays single, and its contrary goes. */
export function withTerm(query: string, field: string, value: string, exclude = false): string {
  const added = term(field, value, exclude)
  const contrary = term(field, value, !exclude)
  return [...terms(query).filter((one) => one !== added && one !== contrary), added].join(' ')
}

export function withoutTerm(query: string, removed: string): string {
  return terms(query)
    .filter((one) => one !== removed)
    .join(' ')
}

/** The word under the caret, for completion: where it starts, and whether a field or a value is being typed. */
export function wordAt(query: string, caret: number): { start: number; end: number; field: string | null; text: string } {
  let start = caret
  while (start > 0 && !/[\s(]/.test(query[start - 1]!)) start--
  if (query[start] === '-') start++
  let end = caret
  while (end < query.length && !/[\s)]/.test(query[end]!)) end++
  const word = query.slice(start, caret)
  const colon = word.indexOf(':')
  return colon < 0
    ? { start, end, field: null, text: word }
    : { start: start + colon + 1, end, field: word.slice(0, colon), text: word.slice(colon + 1) }
}
