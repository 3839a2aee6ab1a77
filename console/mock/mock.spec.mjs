// The mock keeps to the server's document: what pages are tried on is what the server answers.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeServer } from './server.mjs'

const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'))
const BASE = '/api/v1'

/** How an answer differs from its schema: members too many, missing, or of another type. */
function differences(value, schema, at = '') {
  if (schema.$ref) return differences(value, document.components.schemas[schema.$ref.split('/').at(-1)], at)
  if (schema.oneOf) {
    const all = schema.oneOf.map((one) => differences(value, one, at))
    return all.find((one) => one.length === 0) ?? all[0]
  }
  if (schema.allOf) return differences(value, whole(schema), at)
  const types = [schema.type ?? []].flat()
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value
  if (types.length && !types.includes(type) && !(type === 'integer' && types.includes('number')))
    return [`${at} is ${type}, not ${types.join(' or ')}`]
  if (type === 'array') return value.slice(0, 20).flatMap((one, i) => differences(one, schema.items ?? {}, `${at}[${i}]`))
  if (type !== 'object' || !schema.properties) return []
  return [
    ...(schema.required ?? []).filter((key) => !(key in value)).map((key) => `${at}.${key} is missing`),
    ...Object.keys(value)
      .filter((key) => !(key in schema.properties))
      .map((key) => `${at}.${key} is not in the document`),
    ...Object.entries(schema.properties).flatMap(([key, one]) => (key in value ? differences(value[key], one, `${at}.${key}`) : [])),
  ]
}
/** The parts of an `allOf` as one. */
function whole(schema) {
  const of = (one) => (one.$ref ? of(document.components.schemas[one.$ref.split('/').at(-1)]) : one.allOf ? whole(one) : one)
  const parts = schema.allOf.map(of)
  return {
    type: 'object',
    required: parts.flatMap((one) => one.required ?? []),
    properties: Object.assign({}, ...parts.map((one) => one.properties ?? {})),
  }
}

const NAMES = {
  '/assets/{id}': ['a00001', 'a00002'],
  '/assets/{id}/activity': ['a00002'],
  '/assets/{id}/peers': ['a00002'],
  '/cases/{id}': ['c0001', 'c0008'],
  '/cases/{id}/logins': ['c0001'],
  '/events/flow/{flow_id}': ['0'],
}
const QUERY = { '/events/facets': 'field=src_ip', '/search': 'q=kali' }
/** Not there before something was made, or not asked by the console. */
const OTHER = ['/imports/{id}', '/config']

describe('the mock', () => {
  const server = makeServer({ events: 2000, assets: 60 })
  let base
  let cookie
  beforeAll(async () => {
    await new Promise((done) => server.listen(0, '127.0.0.1', done))
    base = `http://127.0.0.1:${server.address().port}${BASE}`
    const answer = await fetch(`${base}/session`, {
      method: 'POST',
      body: JSON.stringify({ name: 'admin', password: 'vigie' }),
      headers: { 'Content-Type': 'application/json' },
    })
    cookie = answer.headers.get('set-cookie').split(';')[0]
  })
  afterAll(() => server.close())

  const resources = Object.entries(document.paths)
    .map(([path, methods]) => [path.slice(BASE.length), methods.get?.responses[200]?.content['application/json']?.schema])
    .filter(([resource, schema]) => schema && !OTHER.includes(resource))

  it.each(resources)('answers %s as the document says', async (resource, schema) => {
    for (const name of NAMES[resource] ?? ['']) {
      const answer = await fetch(`${base}${resource.replace(/\{\w+\}/, name)}?${QUERY[resource] ?? ''}`, { headers: { cookie } })
      expect(answer.status).toBe(200)
      expect(differences(await answer.json(), schema)).toEqual([])
    }
  })
  it('is held to all that can be read', () => expect(resources.length).toBeGreaterThan(20))
})
