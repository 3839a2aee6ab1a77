/** The shapes of the API, `/api/v1`. Written from the contract; `npm run api` draws `openapi.ts` from the server's own document. */

/** An RFC 3339 time in UTC, with microseconds. */
export type Time = string
export type Severity = 'low' | 'medium' | 'high' | 'critical'
export type CaseState = 'new' | 'acknowledged' | 'in_progress' | 'closed'
export type Verdict = 'true_positive' | 'benign' | 'test' | 'duplicate'
export type Role = 'viewer' | 'analyst' | 'administrator'
export type Lang = 'fr' | 'en'
export type Theme = 'light' | 'dark' | 'system'

export interface ErrorBody {
  code: string
  message: string
  field?: string | null
  retry_after?: number
  offset?: number
  nearest?: string | null
  current?: CaseRow
}

export interface List<T> {
  items: T[]
  next: string | null
  total: number | null
}

export interface User {
  name: string
  role: Role
  must_change_password: boolean
  lang: Lang | null
  theme: Theme | null
}
export interface Session {
  user: User
  csrf: string
  version: string
  setup: { first_login: boolean }
}

export interface Source {
  name: string
  sha256: string
  bytes: number
  frames: number
  first: Time
  last: Time
  /** Packets can be cut from it. */
  kept: boolean
  /** Among the captures that go first when room is needed. */
  goes_next: boolean
}
export interface Dataset {
  name: string
  kind: 'replay' | 'live'
  shift_seconds: number
  created: Time
  first: Time | null
  last: Time | null
  events: number
  flows: number
  cases_open: number
  assets: number
  bytes: number
  sources: Source[]
}
export interface Status {
  version: string
  started: Time
  now: Time
  store: { events: number; bytes: number; captures_bytes: number; quota: number; flows: number; bytes_per_flow: number }
  datasets: Dataset[]
  problems: string[]
}
export interface Import {
  id: string
  name: string
  dataset: string
  state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled'
  done_bytes: number
  total_bytes: number
  message: string | null
  result: { events: number; flows: number; new_cases: number; new_assets: number } | null
  started: Time | null
  ended: Time | null
}
/** Counters that only grow; the page compares them with those it was drawn from. */
export interface Change {
  cases: number
  events: number
  imports: number
}

export interface Reason {
  key: string
  points: number
  text: string
}
export interface Entity {
  role: string
  ip: string | null
  mac: string | null
  name: string | null
  asset_id: string | null
}
export interface CaseRow {
  id: string
  dataset: string
  title: string
  summary: string
  severity: Severity
  score: number
  reasons: Reason[]
  state: CaseState
  verdict: Verdict | null
  owner: string | null
  detectors: string[]
  techniques: string[]
  entities: Entity[]
  first_seen: Time
  last_seen: Time
  alert_count: number
  version: number
}
export interface Alert {
  id: string
  detector: string
  count: number
  first_seen: Time
  last_seen: Time
  summary: string
  evidence: string[]
}
export interface Step {
  ts: Time
  from: { ip: string; name: string | null }
  to: { ip: string; name: string | null }
  what: string
  flow_id: string | null
}
export interface TrailEntry {
  ts: Time
  who: string
  action: string
  text: string | null
  from: string | null
  to: string | null
}
export interface CaseDetail extends CaseRow {
  story: string
  innocent: string
  checks: string[]
  actions: string[]
  alerts: Alert[]
  timeline: Step[]
  trail: TrailEntry[]
}
export interface CaseChange {
  state?: CaseState
  verdict?: Verdict
  owner?: string | null
}

export interface Declared {
  name: string | null
  class: string | null
  owner: string | null
  place: string | null
  criticality: string | null
}
export interface AssetRow {
  id: string
  dataset: string
  mac: string | null
  vendor: string | null
  ips: string[]
  names: string[]
  name: string | null
  class: string | null
  os: string | null
  roles: string[]
  services: number
  peers: number
  open_cases: number
  first_seen: Time
  last_seen: Time
  new: boolean
  declared: Declared | null
}
export interface Count {
  value: string
  count: number
}
export type AssetFacet = 'class' | 'vendor' | 'os' | 'role'
export interface AssetList extends List<AssetRow> {
  facets: Record<AssetFacet, Count[]>
}
export interface Fact {
  key: string
  value: string
  source: string
  confidence: number
  first_seen: Time
  last_seen: Time
  reason: string | null
}
export interface Service {
  proto: string
  port: number
  app_proto: string | null
  software: string | null
  flows: number
  clients: number
  first_seen: Time
  last_seen: Time
  new: boolean
}
export interface Use {
  proto: string
  port: number
  app_proto: string | null
  flows: number
  first_seen: Time
  last_seen: Time
}
export interface AssetDetail extends AssetRow {
  facts: Fact[]
  addresses: { ip: string; first_seen: Time; last_seen: Time }[]
  services_list: Service[]
  uses: Use[]
  differences: { field: string; declared: string; observed: string }[]
  cases: CaseRow[]
  changes: { ts: Time; what: string; text: string }[]
}
export interface PeerNode {
  id: string
  label: string
  ip: string | null
  asset_id: string | null
  class: string | null
  inside: boolean
}
export interface PeerEdge {
  from: string
  to: string
  app_proto: string | null
  flows: number
  bytes: number
}
export interface Peers {
  nodes: PeerNode[]
  edges: PeerEdge[]
  folded: number
}
export interface Activity {
  step_seconds: number
  buckets: Time[]
  series: { app_proto: string; flows: number[]; bytes: number[] }[]
}
export interface DeclaredResult {
  read: number
  matched: number
  unknown: string[]
  errors: { line: number; text: string }[]
}

/** An event as EVE writes it: any further field may stand in it, nested. */
export interface Eve {
  timestamp: Time
  event_type: string
  flow_id?: number | string
  src_ip?: string
  src_port?: number
  dest_ip?: string
  dest_port?: number
  proto?: string
  app_proto?: string
  dataset?: string
  _kind?: string
  [field: string]: unknown
}
export interface Histogram {
  from: Time
  to: Time
  step_seconds: number
  buckets: Time[]
  series: { kind: string; counts: number[] }[]
  total: number
}
export interface Facets {
  field: string
  values: Count[]
  distinct: number
  other: number
}
export interface Field {
  name: string
  kind: string
  type: string
  class: string
  doc: string
}
export type SearchResult =
  | { kind: 'asset'; target: { id: string } }
  | { kind: 'case'; target: { id: string } }
  | { kind: 'flow'; target: { flow_id: string } }
  | { kind: 'events'; target: { q: string } }

export interface NewDevice {
  asset_id: string
  name: string | null
  ip: string | null
  class: string | null
  first_seen: Time
}
export interface NewService {
  asset_id: string
  name: string | null
  ip: string | null
  proto: string
  port: number
  app_proto: string | null
  first_seen: Time
}
export interface NewPeer {
  asset_id: string
  name: string | null
  ip: string | null
  peer: string
  first_seen: Time
}
export interface NewProtocol {
  asset_id: string
  name: string | null
  ip: string | null
  app_proto: string
  first_seen: Time
}
export interface Situation {
  sentence: string
  cases: { open: number; by_severity: Record<Severity, number>; top: CaseRow[] }
  changes: {
    devices: NewDevice[]
    services: NewService[]
    peers: NewPeer[]
    protocols: NewProtocol[]
    totals: { devices: number; services: number; peers: number; protocols: number }
    learning_until: Time | null
  }
  traffic: {
    step_seconds: number
    buckets: Time[]
    series: { key: string; bytes: number[]; flows: number[] }[]
    protocols: { app_proto: string; flows: number; bytes: number }[]
  }
  blind: { key: string; text: string; share: number | null }[]
}

export interface MapGroup {
  id: string
  label: string
  inside: boolean
  assets: number
}
export interface MapCell {
  from: string
  to: string
  flows: number
  bytes: number
  top_protocols: string[]
  /** The query whose events this cell counts; null where the query language cannot say it. */
  q: string | null
}
export interface TrafficMap {
  groups: MapGroup[]
  cells: MapCell[]
}

export interface Sensor {
  name: string
  dataset: string
  first: Time
  last: Time
  frames: number
  bytes: number
  rate_bps: number
  loss: { place: 'mirror' | 'card' | 'kernel' | 'vigie'; key: string; count: number; text: string }[]
  memory: { used: number; budget: number }
  parse_failures: { app_proto: string; count: number }[]
  unknown: { proto: string; port: number; flows: number; bytes: number; first_bytes: string }[]
  coverage: { step_seconds: number; buckets: Time[]; complete: (number | null)[] }
  caps: { name: string; count: number }[]
}

export interface Scope {
  asset_id?: string
  ip?: string
  role?: string
  peer?: string
  port?: number
  proto?: string
  detector?: string
}
export interface Exclusion {
  id: string
  scope: Scope
  reason: string
  owner: string
  created: Time
  expires: Time | null
  hits: number
}
export interface ExclusionPreview {
  cases: CaseRow[]
  alerts: number
}
export interface Account {
  name: string
  role: Role
  disabled: boolean
  created: Time
  last_login: Time | null
  tokens: number
}
export interface Token {
  id: string
  name: string
  user: string
  created: Time
  expires: Time
  last_used: Time | null
}
export interface AuditEntry {
  ts: Time
  who: string
  action: string
  object: string
  detail: string | null
}
export interface Settings {
  version: number
  home_net: { value: string[]; pinned: boolean }
  groups: { name: string; networks: string[] }[]
  retention: { kind: string; days: number; bytes_now: number }[]
  quota: number
  known_after_hours: number
}
export interface View {
  id: string
  name: string
  page: string
  query: string
  shared: boolean
  owner: string
}
