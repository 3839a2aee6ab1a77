/** What pages call the shapes of the API. `openapi.ts` has them, drawn from the server's document; here are only names, and what it cannot say. */
import type { Answer, Query, Sent } from './client'
import type { paths } from './openapi'

export type Role = 'viewer' | 'analyst' | 'administrator'
export type Lang = 'fr' | 'en'
export type Theme = 'light' | 'dark' | 'system'
/** Those that a person gives; a case may also be closed as `resolved`, by itself. */
export type Verdict = 'true_positive' | 'benign' | 'test' | 'duplicate'

/** The body of an error. */
export type ErrorBody = paths['/api/v1/cases/{id}']['patch']['responses'][409]['content']['application/json']['error']

type Answered = Answer<'get', '/session'>
/** The document says of these three that they are text. */
export type Session = Omit<Answered, 'user'> & {
  user: Omit<Answered['user'], 'role' | 'lang' | 'theme'> & { role: Role; lang?: Lang | null; theme?: Theme | null }
}
export type Dataset = Answer<'get', '/datasets'>[number]
/** Counters that only grow; the page compares them with those it was drawn from. Sent as events, which the document cannot describe. */
export interface Change {
  cases: number
  events: number
  imports: number
}

export type CaseRow = Answer<'get', '/cases'>['items'][number]
export type CaseDetail = Answer<'get', '/cases/{id}'>
export type CaseChange = Sent<'patch', '/cases/{id}'>
export type Entity = CaseRow['entities'][number]
export type Reason = CaseRow['reasons'][number]
export type Step = CaseDetail['timeline'][number]
export type TrailEntry = CaseDetail['trail'][number]

export type AssetList = Answer<'get', '/assets'>
export type AssetRow = AssetList['items'][number]
export type AssetFacet = keyof AssetList['facets']
export type AssetDetail = Answer<'get', '/assets/{id}'>
export type Peers = Answer<'get', '/assets/{id}/peers'>
export type PeerNode = Peers['nodes'][number]
export type PeerEdge = Peers['edges'][number]

/** An event as EVE writes it: any further field may stand in it, nested. */
export interface Eve {
  timestamp: string
  event_type: string
  flow_id?: number | string
  src_ip?: string
  src_port?: number
  dest_ip?: string
  dest_port?: number
  proto?: string
  app_proto?: string
  dataset?: string
  [field: string]: unknown
}
/** What narrows events down, as every resource of events takes it. */
export type EventFilter = Pick<NonNullable<Query<'get', '/events'>>, 'q' | 'kind' | 'dataset' | 'from' | 'to'>
export type Field = Answer<'get', '/events/fields'>[number]
export type SearchResult = Answer<'get', '/search'>

export type Situation = Answer<'get', '/situation'>
export type TrafficMap = Answer<'get', '/map'>
export type MapGroup = TrafficMap['groups'][number]
export type MapCell = TrafficMap['cells'][number]
export type Sensor = Answer<'get', '/sensors'>[number]

/** What an exclusion covers; all that is given must fit. */
export interface Scope {
  asset_id?: string
  ip?: string
  role?: string
  peer?: string
  port?: number
  proto?: string
  detector?: string | string[]
}
export type Settings = Answer<'get', '/settings'>
