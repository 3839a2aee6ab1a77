import type { paths } from './openapi'
import type { ErrorBody, Session } from './schema'

/** What names a sentence of the server, and what is filled into it; `message` is its English. */
export type Sentence = Pick<ErrorBody, 'message' | 'reason' | 'params'>
let inWords: (said: Sentence) => string = (said) => said.message

/** From now on refusals are said by `words`, in the reader's language. */
export function sayBy(words: (said: Sentence) => string): void {
  inWords = words
}

/** What the server refused or could not do, in the reader's language. */
export class ApiError extends Error {
  readonly status: number
  readonly body: ErrorBody
  /** Seconds until one may ask again, where the server says so. */
  readonly retryAfter: number | null

  constructor(status: number, body: ErrorBody, retryAfter: number | null = null) {
    super(inWords(body))
    this.status = status
    this.body = body
    this.retryAfter = retryAfter
  }
}

/** Where every resource of the API lies. */
const BASE = '/api/v1'

type Shortened<Path> = Path extends `${typeof BASE}${infer Rest}` ? Rest : never
/** A resource, as the server's document names it: `/cases/{id}`. */
export type Resource = Shortened<keyof paths>
export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
/** The resources that a method is for. */
export type Of<M extends Method> = {
  [R in Resource]: paths[`${typeof BASE}${R}`] extends { [method in M]: { responses: unknown } } ? R : never
}[Resource]
type Operation<M extends Method, R extends Resource> = paths[`${typeof BASE}${R}`][M]
type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : undefined
/** What the server answers when all is well. */
export type Answer<M extends Method, R extends Resource> =
  Operation<M, R> extends { responses: infer All } ? Json<All[keyof All & (200 | 201 | 202 | 204)]> : never
/** What it is sent as JSON. */
export type Sent<M extends Method, R extends Resource> =
  Operation<M, R> extends { requestBody: { content: { 'application/json': infer Body } } } ? Body : never
/** What may stand after `?`. */
export type Query<M extends Method, R extends Resource> = Operation<M, R> extends { parameters: { query?: infer All } } ? All : never
/** What stands in for the names in braces. */
export type Names<M extends Method, R extends Resource> =
  Operation<M, R> extends { parameters: { path: infer All extends object } } ? All : undefined

let csrf = ''
let language = 'fr'
let onExpired: () => void = () => {}

/** Remembers what every later request needs. */
export function adopt(session: Session): void {
  csrf = session.csrf
}
/** The language that texts made by the server come in. */
export function speak(lang: string): void {
  language = lang
}
/** Called once a request is refused because nobody is logged in any more. */
export function whenExpired(then: () => void): void {
  onExpired = then
}

/** The address of a resource, also for links that download. What is absent or empty is left out. */
export function url<R extends Of<'get'>>(resource: R, { names, query }: Parts<'get', R>): string {
  return address(resource, names, query as object)
}

function address(resource: string, names: object | undefined, query: object | undefined): string {
  const path = resource.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String((names as Record<string, unknown>)[name])))
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') search.set(key, String(value))
  }
  const text = search.toString()
  return BASE + path + (text ? `?${text}` : '')
}

/** What makes the address of a resource whole. */
export type Parts<M extends Method, R extends Resource> = {
  query?: Query<M, R>
} & (Names<M, R> extends object ? { names: Names<M, R> } : { names?: undefined })

type Request<M extends Method, R extends Resource> = Parts<M, R> & {
  json?: Sent<M, R>
  /** Sent as it is, with this type. */
  raw?: { body: BodyInit; type: string }
  signal?: AbortSignal
  /** A refusal for want of a log-in is an answer here, not an event. */
  quiet?: boolean
  /** The page asks by itself: the trail of who read what does not tell it. */
  unasked?: boolean
}

/** One request. Rejects with `ApiError`; an unreachable server is one with status 0. */
export async function request<M extends Method, R extends Of<M>>(
  method: M,
  resource: R,
  { names, query, json, raw, signal, quiet, unasked }: Request<M, R>,
): Promise<Answer<M, R>> {
  const headers: Record<string, string> = { Accept: 'application/json', 'Accept-Language': language }
  if (method !== 'get' && csrf) headers['X-CSRF-Token'] = csrf
  if (json !== undefined) headers['Content-Type'] = 'application/json'
  if (raw) headers['Content-Type'] = raw.type
  if (unasked) headers['X-Live-Refresh'] = '1'
  let response: Response
  try {
    response = await fetch(address(resource, names, query as object), {
      method: method.toUpperCase(),
      headers,
      body: json !== undefined ? JSON.stringify(json) : raw?.body,
      signal,
      credentials: 'same-origin',
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError(0, { code: 'unreachable', message: '' })
  }
  if (response.ok) {
    const type = response.headers.get('Content-Type') ?? ''
    return (response.status !== 204 && type.includes('json') ? await response.json() : undefined) as Answer<M, R>
  }
  if (response.status === 401 && !quiet) onExpired()
  throw await refused(response)
}

async function refused(response: Response): Promise<ApiError> {
  const body: ErrorBody = await response
    .json()
    .then((answer: { error: ErrorBody }) => answer.error)
    .catch(() => ({ code: 'unknown', message: '' }))
  return new ApiError(response.status, { ...body, message: body.message ?? '' }, Number(response.headers.get('Retry-After')) || null)
}

/** Why a file would be refused, where the server can be asked beforehand; `null` where it would not. */
export async function probe(href: string): Promise<ApiError | null> {
  try {
    const response = await fetch(`${href}${href.includes('?') ? '&' : '?'}probe=true`, {
      headers: { Accept: 'application/json', 'Accept-Language': language },
      credentials: 'same-origin',
    })
    if (response.status === 401) onExpired()
    return response.ok ? null : await refused(response)
  } catch {
    return new ApiError(0, { code: 'unreachable', message: '' })
  }
}

/** Sends a capture and tells how much of it has left. `fetch` cannot tell that; the older interface can. */
export function upload(
  query: Query<'post', '/imports'>,
  file: Blob,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Answer<'post', '/imports'>> {
  return new Promise((resolve, reject) => {
    const sender = new XMLHttpRequest()
    sender.open('POST', address('/imports', undefined, query))
    sender.setRequestHeader('Content-Type', 'application/octet-stream')
    sender.setRequestHeader('Accept-Language', language)
    if (csrf) sender.setRequestHeader('X-CSRF-Token', csrf)
    sender.responseType = 'json'
    sender.upload.onprogress = (event) => onSent(event.loaded)
    sender.onload = () => {
      if (sender.status < 300) return resolve(sender.response as Answer<'post', '/imports'>)
      if (sender.status === 401) onExpired()
      const body = (sender.response as { error?: ErrorBody } | null)?.error ?? { code: 'unknown', message: '' }
      reject(new ApiError(sender.status, body))
    }
    sender.onerror = () => reject(new ApiError(0, { code: 'unreachable', message: '' }))
    sender.onabort = () => reject(new ApiError(0, { code: 'aborted', message: '' }))
    signal.addEventListener('abort', () => sender.abort())
    sender.send(file)
  })
}
