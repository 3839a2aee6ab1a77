import type { ErrorBody, Session } from './schema'

/** What the server refused or could not do, in its own words where it said any. */
export class ApiError extends Error {
  readonly status: number
  readonly body: ErrorBody

  constructor(status: number, body: ErrorBody) {
    super(body.message)
    this.status = status
    this.body = body
  }
}

/** A parameter of a query string; what is absent or empty is left out. */
export type Params = Record<string, string | number | boolean | null | undefined>

const BASE = '/api/v1'

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

/** The address of a resource, also for links that download. */
export function url(path: string, params: Params = {}): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== '') search.set(key, String(value))
  }
  const text = search.toString()
  return BASE + path + (text ? `?${text}` : '')
}

interface Request {
  method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  params?: Params
  /** Sent as JSON. */
  json?: unknown
  /** Sent as it is, with this type. */
  raw?: { body: BodyInit; type: string }
  signal?: AbortSignal
  /** A refusal for want of a log-in is an answer here, not an event. */
  quiet?: boolean
}

/** One request. Rejects with `ApiError`; an unreachable server is one with status 0. */
export async function request<T>(path: string, { method = 'GET', params, json, raw, signal, quiet }: Request = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json', 'Accept-Language': language }
  if (method !== 'GET' && csrf) headers['X-CSRF-Token'] = csrf
  if (json !== undefined) headers['Content-Type'] = 'application/json'
  if (raw) headers['Content-Type'] = raw.type
  let response: Response
  try {
    response = await fetch(url(path, params), {
      method,
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
    if (response.status === 204) return undefined as T
    const type = response.headers.get('Content-Type') ?? ''
    return (type.includes('json') ? await response.json() : await response.text()) as T
  }
  const body: ErrorBody = await response
    .json()
    .then((answer: { error?: ErrorBody & object }) => ({ ...answer, ...answer.error }) as ErrorBody)
    .catch(() => ({ code: 'unknown', message: '' }))
  if (response.status === 401 && !quiet) onExpired()
  throw new ApiError(response.status, { ...body, message: body.message ?? '' })
}

/** Sends a file and tells how much of it has left. `fetch` cannot tell that; the older interface can. */
export function upload<T>(path: string, params: Params, file: Blob, onSent: (bytes: number) => void, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const sender = new XMLHttpRequest()
    sender.open('POST', url(path, params))
    sender.setRequestHeader('Content-Type', 'application/octet-stream')
    sender.setRequestHeader('Accept-Language', language)
    if (csrf) sender.setRequestHeader('X-CSRF-Token', csrf)
    sender.responseType = 'json'
    sender.upload.onprogress = (event) => onSent(event.loaded)
    sender.onload = () => {
      if (sender.status < 300) return resolve(sender.response as T)
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
