// A server that answers the contract from made-up data, for the console alone: `npm run mock`, then `npm run dev`.
// It also serves `dist/` under the policy that the real server sends, so that what the policy forbids is found here.
import { createServer } from 'node:http'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { DAY, iso, makeWorld } from './data.mjs'
import { compile, QueryError, valuesAt } from './query.mjs'

const DIST = fileURLToPath(new URL('../dist/', import.meta.url))
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
}
const POLICY = "default-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

const FIELDS = [
  ['timestamp', '', 'time', 'When it happened.'],
  ['event_type', '', 'string', 'Kind of the event.'],
  ['flow_id', '', 'u64', 'The flow that it belongs to.'],
  ['src_ip', '', 'ip', 'Address of the client.'],
  ['src_port', '', 'u16', 'Port of the client.'],
  ['dest_ip', '', 'ip', 'Address of the server.'],
  ['dest_port', '', 'u16', 'Port of the server.'],
  ['proto', '', 'string', 'Transport protocol.'],
  ['app_proto', '', 'string', 'Application protocol.'],
  ['dataset', '', 'string', 'Dataset.'],
  ['flow.bytes_toserver', 'flow', 'u64', 'Bytes from client to server.'],
  ['flow.bytes_toclient', 'flow', 'u64', 'Bytes from server to client.'],
  ['flow.state', 'flow', 'string', 'State at the end.'],
  ['dns.queries.rrname', 'dns', 'string', 'Name asked for.'],
  ['dns.queries.rrtype', 'dns', 'string', 'Type asked for.'],
  ['dns.rcode', 'dns', 'string', 'Response code.'],
  ['dns.answers.rdata', 'dns', 'string', 'Answers.'],
  ['http.hostname', 'http', 'string', 'Host header.'],
  ['http.url', 'http', 'string', 'Path and query.'],
  ['http.status', 'http', 'u16', 'Status.'],
  ['http.http_user_agent', 'http', 'string', 'User agent.'],
  ['tls.sni', 'tls', 'string', 'Server name asked for.'],
  ['tls.version', 'tls', 'string', 'Version.'],
  ['tls.ja4', 'tls', 'string', 'JA4 of the client.'],
  ['ftp.command', 'ftp', 'string', 'Command.'],
  ['ftp.completion_code', 'ftp', 'string', 'Answer code.'],
  ['ftp.reply', 'ftp', 'string', 'Answer.'],
  ['alert.signature', 'alert', 'string', 'Signature.'],
  ['dhcp.hostname', 'dhcp', 'string', 'Name that the client gives itself.'],
  ['dhcp.client_mac', 'dhcp', 'string', 'MAC of the client.'],
  ['arp.src_mac', 'arp', 'string', 'MAC of the sender.'],
].map(([name, kind, type, doc]) => ({ name, kind, type, class: 'public', doc }))
const FIELD_NAMES = new Set(FIELDS.map((field) => field.name))

class Refusal extends Error {
  constructor(status, code, message, more = {}) {
    super(message)
    this.status = status
    this.body = { error: { code, message, field: null, ...more } }
  }
}

export function makeServer(options = {}) {
  const world = makeWorld(options)
  const { assets, cases, events } = world
  const users = new Map([
    [
      'admin',
      {
        name: 'admin',
        role: 'administrator',
        password: 'vigie',
        must_change_password: false,
        lang: null,
        theme: null,
        disabled: false,
        created: iso(world.now - 30 * DAY),
        last_login: iso(world.now - 3600e3),
        tokens: 1,
      },
    ],
    [
      'claire',
      {
        name: 'claire',
        role: 'analyst',
        password: 'vigie',
        must_change_password: false,
        lang: 'fr',
        theme: null,
        disabled: false,
        created: iso(world.now - 28 * DAY),
        last_login: iso(world.now - DAY),
        tokens: 0,
      },
    ],
    [
      'karim',
      {
        name: 'karim',
        role: 'analyst',
        password: 'vigie',
        must_change_password: false,
        lang: null,
        theme: null,
        disabled: false,
        created: iso(world.now - 28 * DAY),
        last_login: null,
        tokens: 0,
      },
    ],
    [
      'lecteur',
      {
        name: 'lecteur',
        role: 'viewer',
        password: 'vigie',
        must_change_password: false,
        lang: null,
        theme: null,
        disabled: false,
        created: iso(world.now - 20 * DAY),
        last_login: null,
        tokens: 0,
      },
    ],
    [
      'neuf',
      {
        name: 'neuf',
        role: 'administrator',
        password: 'vigie',
        must_change_password: true,
        lang: null,
        theme: null,
        disabled: false,
        created: iso(world.now),
        last_login: null,
        tokens: 0,
      },
    ],
  ])
  const sessions = new Map()
  const views = [{ id: 1, name: 'Telnet', page: 'explore', query: 'last=30d&q=app_proto:telnet', shared: true, owner: 'claire' }]
  const exclusions = [
    {
      id: 1,
      scope: { ip: '10.20.1.40', detector: 'scan' },
      reason: 'Sonde de supervision Centreon',
      owner: 'claire',
      created: iso(world.now - 9 * DAY),
      expires: iso(world.now + 81 * DAY),
      hits: 1321,
    },
  ]
  const tokens = [
    {
      id: 1,
      revoked: false,
      name: 'siem',
      user: 'admin',
      created: iso(world.now - 9 * DAY),
      expires: iso(world.now + 81 * DAY),
      last_used: iso(world.now - 60e3),
    },
  ]
  const audit = [
    { ts: iso(world.now - 3600e3), who: 'admin', action: 'login', object: 'session', detail: null },
    { ts: iso(world.now - 9 * DAY), who: 'claire', action: 'exclusion.add', object: '1', detail: 'Sonde de supervision Centreon' },
  ]
  const imports = []
  let ids = 1
  const settings = {
    version: 3,
    home_net: { value: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'], pinned: false },
    groups: [
      { name: 'Serveurs', networks: ['10.20.1.0/24'], description: 'Salle 1', pinned: false },
      { name: 'Postes', networks: ['10.20.3.0/24', '10.20.5.0/24'], description: 'Hôtel de ville et annexes', pinned: false },
      { name: 'Chaufferie', networks: ['10.20.9.0/24'], description: '', pinned: true },
    ],
    retention: [
      { kind: 'others', days: 0, bytes_now: 0, pinned: false, own: true },
      { kind: 'internal', days: 7, bytes_now: 0, pinned: false, own: true },
      { kind: 'alert', days: 365, bytes_now: 2.2e7, pinned: false, own: true },
      { kind: 'arp', days: 0, bytes_now: 1.9e9, pinned: false, own: false },
      { kind: 'dns', days: 30, bytes_now: 9.1e9, pinned: false, own: true },
      { kind: 'flow', days: 30, bytes_now: 31e9, pinned: false, own: true },
      { kind: 'flow_update', days: 7, bytes_now: 1.2e9, pinned: false, own: false },
      { kind: 'tls', days: 90, bytes_now: 5.4e9, pinned: true, own: true },
    ],
    quota: {
      bytes: 100e9,
      pinned: false,
      used: 48.5e9,
      by: { events: 47.6e9, captures: 0.8e9, packets: 0, catalog: 0.1e9 },
      next: [{ what: 'import', name: 'capture-ecole', events: 1_204_332, bytes: 310e6 }],
    },
    captures: { keep: true, pinned: false },
    known_after_hours: 24,
    webhook: { url: 'https://siem.example/vigie', has_authorization: true, lang: 'fr', imports: false },
    syslog: null,
  }
  const none = { target: null, delivered: 0, dropped: 0, waiting_bytes: 0, last_success: null, last_error: null }
  const outputs = () => [
    { ...none, name: 'eve_file', target: '/var/log/vigie/eve.json', delivered: 48_211_904, last_success: iso(world.now - 1e3) },
    {
      ...none,
      name: 'eve_socket',
      target: '/run/siem/eve.sock',
      delivered: 1_204_332,
      dropped: 812,
      last_success: iso(world.now - 900e3),
      last_error: { at: iso(world.now - 60e3), text: '/run/siem/eve.sock: Connection refused (os error 111); start who listens on it', stands: true },
    },
    {
      ...none,
      name: 'webhook',
      target: settings.webhook && new URL(settings.webhook.url).origin,
      delivered: 31,
      last_success: iso(world.now - 3600e3),
      last_error: { at: iso(world.now - 7200e3), text: 'the server answered 503 Service Unavailable', stands: false },
    },
    { ...none, name: 'syslog', target: settings.syslog && `${settings.syslog.target} (${settings.syslog.carrier})` },
  ]
  const live = { cases: 0, events: 0, imports: 0 }
  const streams = new Set()
  const tell = () => {
    for (const stream of streams) stream.write(`event: change\ndata: ${JSON.stringify(live)}\n\n`)
  }

  const inside = (ip) => ip.startsWith('10.')
  const say = (text, lang) => (typeof text === 'string' ? text : (text[lang] ?? text.fr))
  const row = (one, lang) => ({
    id: one.id,
    dataset: one.dataset,
    title: say(one.title, lang),
    summary: say(one.summary, lang),
    severity: one.severity,
    score: one.score,
    reasons: one.reasons.map(([key, points, text]) => ({ key, points, text: say(text, lang) })),
    state: one.state,
    verdict: one.verdict,
    owner: one.owner,
    detectors: one.detectors,
    techniques: one.techniques,
    entities: one.entities,
    first_seen: one.first_seen,
    last_seen: one.last_seen,
    alert_count: one.alert_count,
    excluded_by: one.excluded_by ?? null,
    version: one.version,
  })
  const detail = (one, lang) => ({
    ...row(one, lang),
    story: say(one.story, lang),
    innocent: say(one.innocent, lang),
    checks: one.checks.map((text) => say(text, lang)),
    actions: one.actions.map((text) => say(text, lang)),
    alerts: one.detectors.map((detector, i) => ({
      id: `${one.id}-${i}`,
      detector,
      count: one.alert_count,
      first_seen: one.first_seen,
      last_seen: one.last_seen,
      summary: say(one.summary, lang),
      entities: one.entities,
      port: null,
      evidence: i ? one.evidence.slice(0, 3) : one.evidence,
    })),
    timeline: timeline(one, lang),
    trail: one.trail,
  })
  function timeline(one, lang) {
    const [a, b] = one.entities
    if (!b) return []
    const start = Date.parse(one.first_seen)
    const words = {
      fr: [
        'ouvre une connexion',
        'essaie 400 mots de passe sur « admin »',
        'essaie 600 mots de passe sur « sauvegarde »',
        'demande le nom du serveur',
        'est accepté pour « sauvegarde »',
        'prend 34 fichiers',
      ],
      en: [
        'opens a connection',
        'tries 400 passwords on “admin”',
        'tries 600 passwords on “sauvegarde”',
        'asks for the server’s name',
        'is accepted for “sauvegarde”',
        'takes 34 files',
      ],
    }[lang]
    return words.slice(0, one.id === 'c0001' ? 6 : 2).map((what, i) => ({
      ts: iso(start + i * 420_000),
      from: { ip: a.ip ?? '10.20.3.66', name: a.name },
      to: i === 3 ? { ip: '10.20.1.5', name: 'dc01' } : { ip: b.ip, name: b.name },
      what,
      flow_id: one.evidence[i] ?? null,
    }))
  }
  const selectEvents = (params) => {
    const test = compile(params.get('q') ?? '', FIELD_NAMES, settings.groups)
    const kinds = params.get('kind')?.split(',')
    const from = params.get('from')
    const to = params.get('to')
    const dataset = params.get('dataset')
    const a = from ? Date.parse(from) : -Infinity
    const b = to ? Date.parse(to) : Infinity
    return events
      .filter((event) => {
        const ts = (event.ms ??= Date.parse(event.timestamp))
        return ts >= a && ts < b && (!kinds || kinds.includes(event.event_type)) && (!dataset || event.dataset === dataset) && test(event)
      })
      .map(({ ms: _, ...event }) => event)
  }
  const page = (list, params) => {
    const at = Number(params.get('cursor') ?? 0)
    const limit = Math.min(5000, Number(params.get('limit') ?? 100))
    return { items: list.slice(at, at + limit), next: at + limit < list.length ? String(at + limit) : null, total: list.length }
  }
  const range = (params) => {
    const to = Date.parse(params.get('to') ?? '') || world.now
    const from = Date.parse(params.get('from') ?? '') || to - DAY
    return { from, to }
  }
  const steps = (from, to, wanted) => {
    const sizes = [60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400]
    const size = sizes.find((one) => (to - from) / 1000 / one <= wanted) ?? 86400
    const first = Math.floor(from / 1000 / size) * size
    const buckets = []
    for (let at = first; at < to / 1000; at += size) buckets.push(at)
    return { size, first, buckets }
  }
  const series = (list, key, amounts, from, to, wanted) => {
    const { size, first, buckets } = steps(from, to, wanted)
    const found = new Map()
    for (const event of list) {
      const name = key(event)
      if (name === null) continue
      if (!found.has(name))
        found.set(
          name,
          amounts.map(() => new Array(buckets.length).fill(0)),
        )
      const i = Math.floor((Date.parse(event.timestamp) / 1000 - first) / size)
      if (i >= 0 && i < buckets.length) amounts.forEach((amount, a) => (found.get(name)[a][i] += amount(event)))
    }
    return { step_seconds: size, buckets: buckets.map((one) => iso(one * 1000)), found: [...found].sort(([a], [b]) => (a < b ? -1 : 1)) }
  }
  const bytesOf = (event) => (event.flow ? event.flow.bytes_toserver + event.flow.bytes_toclient : 0)
  const caseFilter = (params) => {
    const states = params.get('state')?.split(',')
    const severity = params.get('severity')
    const owner = params.get('owner')
    const q = params.get('q')?.toLowerCase()
    const lang = params.get('lang')
    const sort = params.get('sort') ?? '-score'
    const key = sort.replace(/^-/, '')
    const from = params.get('from')
    const to = params.get('to')
    const list = cases.filter(
      (one) =>
        (!states || states.includes(one.state)) &&
        hidden(one, params.get('excluded')) &&
        (!severity || severity === one.severity) &&
        (!owner || (owner === 'none' ? one.owner === null : one.owner === owner)) &&
        (!params.get('dataset') || one.dataset === params.get('dataset')) &&
        (!from || one.last_seen >= from) &&
        (!to || one.first_seen < to) &&
        (!q || JSON.stringify(row(one, lang)).toLowerCase().includes(q)),
    )
    return list.sort((a, b) => (a[key] < b[key] ? 1 : a[key] > b[key] ? -1 : a.id < b.id ? -1 : 1) * (sort.startsWith('-') ? 1 : -1))
  }
  const covers = (scope, one) =>
    (!scope.detector || one.detectors.every((name) => [scope.detector].flat().includes(name))) &&
    (!scope.asset_id || one.entities.some((e) => e.asset_id === scope.asset_id)) &&
    (!scope.peer || one.entities.some((e) => e.ip === scope.peer))
  const hidden = (one, asked) => (asked === 'true' ? true : asked ? one.excluded_by === Number(asked) : !one.excluded_by)
  const findCase = (id) =>
    cases.find((one) => one.id === id) ?? fail(404, 'absent', `There is no case ${id}. It may have been deleted with its dataset.`)
  const findAsset = (id) => assets.find((one) => one.id === id) ?? fail(404, 'absent', `There is no asset ${id}.`)
  const fail = (status, code, message, more) => {
    throw new Refusal(status, code, message, more)
  }
  const change = (one, wanted, who) => {
    if (wanted.state === 'closed' && !wanted.verdict && !one.verdict) fail(422, 'verdict', 'Closing a case needs a verdict.')
    for (const key of ['state', 'verdict', 'owner']) {
      if (wanted[key] === undefined || wanted[key] === one[key]) continue
      one.trail.push({ ts: iso(Date.now()), who, action: key, text: null, to: wanted[key] })
      one[key] = wanted[key]
    }
    if (one.state !== 'closed') one.verdict = null
    one.version++
    live.cases++
    tell()
  }

  const routes = [
    [
      'GET',
      '/status',
      () => ({
        version: '0.1.0',
        started: iso(world.now - 9 * DAY),
        now: iso(Date.now()),
        store: { events: events.length, bytes: 48.5e9, captures_bytes: 0.8e9, packets_bytes: 0, quota: 100e9, flows: 412e6, bytes_per_flow: 58 },
        datasets: world.datasets(),
        problems: [],
      }),
    ],
    ['GET', '/datasets', () => world.datasets()],
    ['DELETE', '/datasets/:name', () => undefined],
    ['GET', '/imports', () => imports],
    ['GET', '/imports/:id', ({ id }) => imports.find((one) => one.id === Number(id)) ?? fail(404, 'absent', 'There is no such import.')],
    ['DELETE', '/imports/:id', ({ id }) => void (imports.find((one) => one.id === Number(id)).state = 'cancelled')],
    ['GET', '/colleagues', () => [...users.values()].filter((one) => !one.disabled && one.role !== 'viewer').map(({ name }) => ({ name }))],
    ['GET', '/views', () => views],
    ['POST', '/views', (_, __, body, user) => (views.push({ id: ++ids, ...body, owner: user.name }), views.at(-1))],
    [
      'DELETE',
      '/views/:id',
      ({ id }) =>
        void views.splice(
          views.findIndex((one) => one.id === Number(id)),
          1,
        ),
    ],
    [
      'GET',
      '/cases',
      (_, params) => {
        const found = page(caseFilter(params), params)
        return { ...found, items: found.items.map((one) => row(one, params.get('lang'))) }
      },
    ],
    ['GET', '/cases/:id', ({ id }, params) => detail(findCase(id), params.get('lang'))],
    ['GET', '/cases/:id/logins', () => ({ items: [], more: false })],
    [
      'PATCH',
      '/cases/:id',
      ({ id }, params, body, user) => {
        const one = findCase(id)
        if (body.version !== one.version)
          fail(409, 'conflict', 'This case was changed by somebody else meanwhile.', { current: row(one, params.get('lang')) })
        change(one, body, user.name)
        return row(one, params.get('lang'))
      },
    ],
    [
      'POST',
      '/cases/bulk',
      (_, __, body, user) => {
        for (const id of body.ids) change(findCase(id), body, user.name)
        return { changed: body.ids.length, conflicts: [] }
      },
    ],
    [
      'POST',
      '/cases/:id/comments',
      ({ id }, _, body, user) => {
        const entry = { ts: iso(Date.now()), who: user.name, action: 'comment', text: body.text, to: null }
        findCase(id).trail.push(entry)
        return entry
      },
    ],
    [
      'GET',
      '/cases/:id/export',
      ({ id }, params) => ({
        file: `${id}.html`,
        type: 'text/html',
        text: `<!doctype html><title>${id}</title><p>${say(findCase(id).summary, params.get('lang'))}`,
      }),
    ],
    [
      'GET',
      '/cases/:id/flows',
      ({ id }) => ({ file: `${id}-flows.csv`, type: 'text/csv', text: `flow_id\n${findCase(id).evidence.join('\n')}\n` }),
    ],
    [
      'GET',
      '/assets',
      (_, params) => {
        const q = params.get('q')?.toLowerCase()
        const wanted = (one, but) =>
          (but === 'class' || !params.get('class') || params.get('class').split(',').includes(one.class)) &&
          (but === 'vendor' || !params.get('vendor') || one.vendor === params.get('vendor')) &&
          (but === 'os' || !params.get('os') || one.os === params.get('os')) &&
          (but === 'role' || !params.get('role') || one.roles.includes(params.get('role'))) &&
          (!params.get('new_since') || one.first_seen >= params.get('new_since')) &&
          (!params.get('first_since') || one.first_seen >= params.get('first_since')) &&
          (!params.get('service') || one.roles.some((role) => role.startsWith(params.get('service').toLowerCase()))) &&
          (!params.get('dataset') || one.dataset === params.get('dataset')) &&
          (!q || JSON.stringify([one.names, one.ips, one.mac, one.vendor, one.os]).toLowerCase().includes(q))
        const sort = params.get('sort') ?? '-last_seen'
        const key = sort.replace(/^-/, '')
        const value = (one) =>
          key === 'ip'
            ? one.ips[0]
                .split('.')
                .map((part) => part.padStart(3, '0'))
                .join('.')
            : (one[key] ?? '')
        const list = assets
          .filter((one) => wanted(one))
          .sort((a, b) => (value(a) < value(b) ? 1 : value(a) > value(b) ? -1 : 0) * (sort.startsWith('-') ? 1 : -1))
        const facet = (name, read) => {
          const counts = new Map()
          for (const one of assets.filter((each) => wanted(each, name)))
            for (const each of read(one)) if (each) counts.set(each, (counts.get(each) ?? 0) + 1)
          return [...counts]
            .map(([each, count]) => ({ value: each, count }))
            .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
            .slice(0, 12)
        }
        return {
          ...page(list, params),
          facets: {
            class: facet('class', (one) => [one.class]),
            vendor: facet('vendor', (one) => [one.vendor]),
            os: facet('os', (one) => [one.os]),
            role: facet('role', (one) => one.roles),
          },
        }
      },
    ],
    ['GET', '/assets/declared', () => ({ file: 'declared.csv', type: 'text/csv', text: 'mac,ip,name,class,owner,place,criticality\n' })],
    ['POST', '/assets/declared', () => ({ read: 12, matched: 10, unknown: ['00:11:22:33:44:55', '10.20.99.9'], errors: [] })],
    [
      'GET',
      '/assets/:id',
      ({ id }, params) => {
        const one = findAsset(id)
        const lang = params.get('lang')
        const seen = { first_seen: one.first_seen, last_seen: one.last_seen }
        const of = { asset_id: one.id, dataset: one.dataset, name: one.name }
        const facts = [
          ['class', one.class, 'dhcp', 80, L2(lang, 'options DHCP d’un poste', 'DHCP options of a workstation')],
          one.os && ['os', one.os, 'http', 65, L2(lang, 'agent utilisateur des mises à jour', 'user agent of updates')],
          one.vendor && ['vendor', one.vendor, 'arp', 99, L2(lang, 'préfixe de l’adresse MAC', 'prefix of the MAC address')],
          one.name && ['name', one.name, 'dhcp', 90, L2(lang, 'nom annoncé en DHCP', 'name announced by DHCP')],
          one.names[1] && ['name', one.names[1], 'dns', 70, L2(lang, 'réponse DNS inverse', 'reverse DNS answer')],
        ]
          .filter(Boolean)
          .map(([key, value, source, confidence, reason]) => ({ key, value, source, confidence, reason, ...seen }))
        const PORTS = {
          ftp_server: [21, 'ftp', 'vsftpd 3.0.3'],
          file_server: [445, 'smb', 'Samba 4.17'],
          dns_server: [53, 'dns', null],
          kerberos_server: [88, 'krb5', null],
          domain_controller: [389, 'ldap', null],
          mail_server: [25, 'smtp', 'Postfix'],
          telnet_server: [23, 'telnet', null],
          print_server: [9100, 'jetdirect', null],
          stream_server: [554, 'rtsp', null],
          dhcp_server: [67, 'dhcp', null],
          router: [80, 'http', null],
        }
        return {
          ...one,
          aliases: [],
          shared: [],
          facts,
          addresses: one.ips.map((ip) => ({ ip, ...seen })),
          services_list: one.roles
            .filter((role) => PORTS[role])
            .map((role, i) => ({
              proto: [53, 67].includes(PORTS[role][0]) ? 'UDP' : 'TCP',
              port: PORTS[role][0],
              app_proto: PORTS[role][1],
              software: PORTS[role][2],
              flows: 40 + i * 731,
              clients: 3 + i * 11,
              ...seen,
              new: i === 1 && one.new,
            })),
          uses: [
            ['UDP', 53, 'dns', 4200],
            ['TCP', 443, 'tls', 3120],
            ['TCP', 445, 'smb', 204],
            ['UDP', 123, 'ntp', 96],
          ].map(([proto, port, app_proto, flows]) => ({ proto, port, app_proto, software: null, flows, clients: 1, new: false, ...seen })),
          differences:
            one.declared && one.declared.class === 'printer' ? [{ field: 'name', declared: one.declared.name, observed: one.name }] : [],
          cases: cases.filter((each) => each.entities.some((e) => e.asset_id === id)).map((each) => row(each, lang)),
          changes: [
            { ...of, ts: one.first_seen, what: 'device', text: L2(lang, 'Première apparition sur le réseau', 'First seen on the network') },
            ...(one.new
              ? [
                  {
                    ...of,
                    ts: iso(Date.parse(one.first_seen) + 3600e3),
                    what: 'protocol',
                    text: L2(lang, 'Premier usage de SSH', 'First use of SSH'),
                  },
                ]
              : []),
          ],
        }
      },
    ],
    [
      'GET',
      '/assets/:id/peers',
      ({ id }, params) => {
        const one = findAsset(id)
        const list = selectEvents(params).filter(
          (event) => event.event_type === 'flow' && (one.ips.includes(event.src_ip) || one.ips.includes(event.dest_ip)),
        )
        const edges = new Map()
        for (const event of list) {
          const out = one.ips.includes(event.src_ip)
          const other = out ? event.dest_ip : event.src_ip
          const key = `${out} ${other}`
          const edge = edges.get(key) ?? {
            from: out ? 'self' : other,
            to: out ? other : 'self',
            app_proto: event.app_proto,
            flows: 0,
            bytes: 0,
          }
          edge.flows++
          edge.bytes += bytesOf(event)
          edges.set(key, edge)
        }
        const kept = [...edges.values()].sort((a, b) => b.bytes - a.bytes).slice(0, 24)
        const others = [...new Set(kept.flatMap((edge) => [edge.from, edge.to]))].filter((ip) => ip !== 'self')
        return {
          nodes: [
            { id: 'self', label: id, ip: one.ips[0], asset_id: id, inside: true },
            ...others.map((ip) => {
              const owner = assets.find((a) => a.ips.includes(ip))
              return { id: ip, label: owner?.name ?? ip, ip, asset_id: owner?.id ?? null, inside: inside(ip) }
            }),
          ],
          edges: kept,
          folded: Math.max(0, edges.size - kept.length),
        }
      },
    ],
    [
      'GET',
      '/assets/:id/activity',
      ({ id }, params) => {
        const one = findAsset(id)
        const { from, to } = range(params)
        const list = selectEvents(params).filter(
          (event) => event.event_type === 'flow' && (one.ips.includes(event.src_ip) || one.ips.includes(event.dest_ip)),
        )
        const { step_seconds, buckets, found } = series(list, (event) => event.app_proto ?? 'unknown', [() => 1, bytesOf], from, to, 96)
        return { step_seconds, buckets, series: found.map(([app_proto, [flows, bytes]]) => ({ app_proto, flows, bytes })) }
      },
    ],
    [
      'GET',
      '/events',
      (_, params) => {
        const list = selectEvents(params)
        if (params.get('order') === 'asc') list.reverse()
        return { ...page(list, params), total: null }
      },
    ],
    [
      'GET',
      '/events/histogram',
      (_, params) => {
        const { from, to } = range(params)
        const list = selectEvents(params)
        const { step_seconds, buckets, found } = series(
          list,
          (event) => event.event_type,
          [() => 1],
          from,
          to,
          Number(params.get('buckets') ?? 120),
        )
        return {
          from: iso(from),
          to: iso(to),
          step_seconds,
          buckets,
          series: found.map(([kind, [counts]]) => ({ kind, counts })),
          total: list.length,
        }
      },
    ],
    [
      'GET',
      '/events/facets',
      (_, params) => {
        const field = params.get('field')
        const counts = new Map()
        for (const event of selectEvents(params))
          for (const value of valuesAt(event, field)) counts.set(value, (counts.get(value) ?? 0) + 1)
        const sorted = [...counts]
          .map(([value, count]) => ({ value, count }))
          .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
        const values = sorted.slice(0, Number(params.get('limit') ?? 10))
        return { field, values, distinct: sorted.length, other: sorted.slice(values.length).reduce((sum, one) => sum + one.count, 0) }
      },
    ],
    ['GET', '/events/fields', () => FIELDS],
    [
      'GET',
      '/events/flow/:id',
      ({ id }) => {
        const items = events.filter((event) => event.flow_id === id).reverse()
        return { items, next: null, total: items.length }
      },
    ],
    [
      'GET',
      '/events/export',
      (_, params) => ({
        file: `events.${params.get('format')}`,
        type: 'text/plain',
        text: selectEvents(params)
          .slice(0, 1000)
          .map((event) => JSON.stringify(event))
          .join('\n'),
      }),
    ],
    [
      'GET',
      '/search',
      (_, params) => {
        const q = params.get('q')
        const owner = assets.find(
          (one) =>
            one.id === q ||
            one.ips.includes(q) ||
            one.mac === q.toLowerCase() ||
            one.names.some((name) => name.toLowerCase() === q.toLowerCase()),
        )
        if (owner) return { kind: 'asset', target: { id: owner.id } }
        if (cases.some((one) => one.id === q)) return { kind: 'case', target: { id: q } }
        if (events.some((event) => event.flow_id === q)) return { kind: 'flow', target: { flow_id: q } }
        return { kind: 'events', target: { q: /^[\d.]+$/.test(q) ? `ip:${q}` : JSON.stringify(q) } }
      },
    ],
    [
      'GET',
      '/situation',
      (_, params) => {
        const lang = params.get('lang')
        const { from, to } = range(params)
        const open = caseFilter(
          new URLSearchParams({
            state: 'new,acknowledged,in_progress',
            ...(params.get('dataset') ? { dataset: params.get('dataset') } : {}),
          }),
        )
        const by = { low: 0, medium: 0, high: 0, critical: 0 }
        for (const one of open) by[one.severity]++
        const flows = selectEvents(params).filter((event) => event.event_type === 'flow')
        const { step_seconds, buckets, found } = series(
          flows,
          (event) => (inside(event.src_ip) ? (inside(event.dest_ip) ? 'inside' : 'outbound') : 'inbound'),
          [bytesOf, () => 1],
          from,
          to,
          96,
        )
        const protocols = new Map()
        for (const event of flows) {
          const one = protocols.get(event.app_proto) ?? { app_proto: event.app_proto, flows: 0, bytes: 0 }
          one.flows++
          one.bytes += bytesOf(event)
          protocols.set(event.app_proto, one)
        }
        const fresh = assets.filter(
          (one) =>
            one.first_seen >= iso(from) && one.first_seen < iso(to) && (!params.get('dataset') || one.dataset === params.get('dataset')),
        )
        const brief = (one) => ({ asset_id: one.id, dataset: one.dataset, name: one.name, first_seen: one.first_seen, learning: false })
        const totals = { devices: fresh.length, services: fresh.length ? 1 : 0, peers: fresh.length ? 1 : 0, protocols: fresh.length ? 1 : 0 }
        const { camera, plc } = world.named
        return {
          sentence: L2(
            lang,
            `${by.critical} cas critique et ${by.high} cas élevés demandent votre attention ; le reste du réseau est calme.`,
            `${by.critical} critical case and ${by.high} high cases need your attention; the rest of the network is calm.`,
          ),
          cases: { open: open.length, by_severity: by, top: open.slice(0, 5).map((one) => row(one, lang)) },
          changes: {
            devices: fresh.slice(0, 6).map(brief),
            services: fresh.length ? [{ ...brief(camera), proto: 'TCP', port: 23 }] : [],
            peers: fresh.length ? [{ ...brief(plc), peer: '203.0.113.80' }] : [],
            protocols: fresh.length ? [{ ...brief(world.named.hostile), app_proto: 'tls' }] : [],
            totals,
            unexpected: totals,
          },
          traffic: {
            step_seconds,
            buckets,
            series: found.map(([key, [bytes, counts]]) => ({ key, bytes, flows: counts })),
            protocols: [...protocols.values()].sort((a, b) => b.bytes - a.bytes),
          },
          blind: [
            {
              key: 'loss',
              text: L2(
                lang,
                'Le commutateur a perdu 0,4 % des trames entre 2 h et 3 h.',
                'The switch lost 0.4 % of frames between 02:00 and 03:00.',
              ),
              flows: 1_650,
              bytes: 45e9,
              share: 0.004,
            },
            {
              key: 'encrypted',
              text: L2(
                lang,
                'Le contenu de 71 % du trafic est chiffré : Vigie en voit les adresses, les noms et les volumes.',
                'The content of 71 % of the traffic is encrypted: Vigie sees its addresses, names and volumes.',
              ),
              flows: 292_000,
              bytes: 7.9e12,
              share: 0.71,
            },
            {
              key: 'unknown',
              text: L2(
                lang,
                '2 % des flux parlent un protocole que Vigie ne reconnaît pas.',
                '2 % of flows speak a protocol that Vigie does not recognise.',
              ),
              flows: 8_240,
              bytes: 0.2e12,
              share: 0.02,
            },
          ],
          canary: { state: 'arrives', last: iso(world.now - 1_320_000), took_seconds: 0.4 },
        }
      },
    ],
    [
      'GET',
      '/map',
      (_, params) => {
        const networkOf = (ip) => (inside(ip) ? `${ip.split('.').slice(0, 3).join('.')}.0/24` : 'internet')
        const named = (network) => settings.groups.find((group) => group.networks.includes(network))?.name
        const groupOf = (ip) => (params.get('by') === 'group' && named(networkOf(ip))) || networkOf(ip)
        const members = new Map()
        for (const one of assets) members.set(groupOf(one.ips[0]), (members.get(groupOf(one.ips[0])) ?? 0) + 1)
        // As the server does: the heaviest are told apart, the rest are one.
        const weights = new Map()
        const flows = selectEvents(params).filter((event) => event.event_type === 'flow')
        for (const event of flows)
          for (const id of [groupOf(event.src_ip), groupOf(event.dest_ip)]) weights.set(id, (weights.get(id) ?? 0) + bytesOf(event))
        const told = new Set(
          [...weights]
            .sort((a, b) => b[1] - a[1])
            .slice(0, 40)
            .map(([id]) => id),
        )
        const nameOf = (ip) => (told.has(groupOf(ip)) ? groupOf(ip) : 'others')
        const cells = new Map()
        const groups = new Map()
        for (const event of flows) {
          if (params.get('app_proto') && event.app_proto !== params.get('app_proto')) continue
          const [from, to] = [nameOf(event.src_ip), nameOf(event.dest_ip)]
          for (const id of [from, to]) groups.set(id, { id, label: id, inside: id !== 'internet', assets: members.get(id) ?? 0 })
          const key = `${from} ${to}`
          const cell = cells.get(key) ?? { from, to, flows: 0, bytes: 0, protocols: new Map() }
          cell.flows++
          cell.bytes += bytesOf(event)
          cell.protocols.set(event.app_proto, (cell.protocols.get(event.app_proto) ?? 0) + 1)
          cells.set(key, cell)
        }
        return {
          groups: [...groups.values()].sort((a, b) => Number(b.inside) - Number(a.inside) || (a.id < b.id ? -1 : 1)),
          cells: [...cells.values()].map(({ protocols, ...cell }) => ({
            ...cell,
            q: [cell.from, cell.to].some((id) => id === 'internet' || id === 'others')
              ? null
              : `event_type:flow src_ip:${cell.from} dest_ip:${cell.to}`,
            top_protocols: [...protocols]
              .sort((a, b) => b[1] - a[1])
              .slice(0, 3)
              .map(([name]) => name),
          })),
          partial: false,
        }
      },
    ],
    [
      'GET',
      '/coverage',
      (_, params) => {
        const { from, to } = range(params)
        const { size, buckets } = steps(from, to, 24)
        return {
          step_seconds: size,
          buckets: buckets.map((one) => iso(one * 1000)),
          complete: buckets.map((_, i) => (i % 5 ? 1 : 0.961)),
          ran: buckets.map(() => 1),
          stretches: null,
          overall: 0.987,
        }
      },
    ],
    [
      'GET',
      '/sensors',
      (_, params) => {
        const asked = range(params)
        const { size, buckets } = steps(asked.from, asked.to, 96)
        const lang = params.get('lang')
        const school = world.datasets()[1]
        const read = school.covered.filter((one) => one.from < iso(asked.to) && one.to > iso(asked.from))
        return [
          {
            name: 'coeur-mairie',
            dataset: 'mairie',
            first: iso(world.now - 30 * DAY),
            last: iso(world.now - 4000),
            frames: 18_204_551_002,
            bytes: 11.2e12,
            rate_bps: 412e6,
            loss: [
              {
                place: 'mirror',
                key: 'gaps',
                count: 180_220,
                text: L2(
                  lang,
                  'Des segments TCP manquent des deux côtés : le port miroir déborde. Réduisez ce qu’il copie, ou passez-le à 10 Gbit/s.',
                  'TCP segments are missing on both sides: the mirror port overflows. Copy less to it, or move it to 10 Gbit/s.',
                ),
              },
              { place: 'card', key: 'rx_missed', count: 0, text: L2(lang, 'La carte n’a rien perdu.', 'The card lost nothing.') },
              {
                place: 'kernel',
                key: 'tp_drops',
                count: 12,
                text: L2(lang, 'Le noyau a perdu 12 trames au démarrage.', 'The kernel lost 12 frames at start.'),
              },
              { place: 'vigie', key: 'queue', count: 0, text: L2(lang, 'Vigie n’a rien perdu.', 'Vigie lost nothing.') },
            ],
            memory: { used: 1.31e9, budget: 4e9 },
            terminal: [{ name: 'flow', count: 18_204_551_002 }],
            dissect: [
              { name: 'told', count: 391_204_118 },
              { name: 'unknown', count: 20_795_882 },
              { name: 'given_up', count: 251 },
            ],
            unknown: [
              { proto: 'TCP', port: 4840, flows: 4120, first_bytes: '48454c46 20000000' },
              { proto: 'UDP', port: 50001, flows: 310, first_bytes: '3c736372 6970743e' },
            ],
            coverage: {
              step_seconds: size,
              buckets: buckets.map((one) => iso(one * 1000)),
              complete: buckets.map((_, i) =>
                i === Math.floor(buckets.length * 0.38)
                  ? 0.62
                  : i > buckets.length * 0.7 && i < buckets.length * 0.73
                    ? null
                    : i % 17 === 0
                      ? 0.985
                      : 1,
              ),
              ran: buckets.map(() => 1),
              stretches: null,
              overall: 0.981,
            },
            files: [],
            files_total: 0,
            interfaces: [
              { name: 'eth1', link: 'up', frames: 11_004_551_002, kernel_drops: 12, card_drops: 0, doubled: 0, truncated: 0 },
              { name: 'eth2', link: 'down', frames: 7_200_000_000, kernel_drops: 0, card_drops: null, doubled: 0, truncated: 0 },
            ],
            canary: { state: 'arrives', last: iso(world.now - 1_320_000), took_seconds: 0.4 },
            caps: [
              { name: 'flow.table', count: 0 },
              { name: 'detect.scan.pairs', count: 3 },
            ],
          },
          {
            name: 'capture-ecole',
            dataset: 'capture-ecole',
            first: iso(world.now - 3 * DAY),
            last: iso(world.now - 2.6 * DAY),
            frames: 1_204_332,
            bytes: 802e6,
            rate_bps: 0,
            loss: [],
            memory: { used: 2.2e8, budget: 4e9 },
            terminal: [],
            dissect: [],
            unknown: [],
            coverage: { step_seconds: size, buckets: buckets.map((one) => iso(one * 1000)), complete: buckets.map(() => null), ran: buckets.map(() => 0), stretches: read, overall: null },
            files: school.sources.map(({ name, first, last, frames, bytes }) => ({ name, first, last, frames, bytes })),
            files_total: school.sources.length,
            interfaces: [],
            canary: null,
            caps: [],
          },
        ].filter((one) => !params.get('dataset') || one.dataset === params.get('dataset'))
      },
    ],
    ['GET', '/exclusions', () => exclusions],
    [
      'POST',
      '/exclusions',
      (_, __, body, user) => (
        exclusions.push({ id: ++ids, owner: user.name, created: iso(Date.now()), hits: 0, expires: null, ...body }),
        cases
          .filter((one) => covers(body.scope, one))
          .forEach((one) => {
            one.excluded_by = ids
            exclusions.at(-1).hits += one.alert_count
            one.trail.push({ ts: iso(Date.now()), who: user.name, action: 'exclusion', text: body.reason, to: body.expires ?? null })
          }),
        exclusions.at(-1)
      ),
    ],
    [
      'DELETE',
      '/exclusions/:id',
      ({ id }) =>
        void exclusions.splice(
          exclusions.findIndex((one) => one.id === Number(id)),
          1,
        ),
    ],
    [
      'POST',
      '/exclusions/preview',
      (_, params, body) => {
        const found = cases.filter(
          (one) =>
            one.last_seen >= body.since &&
            covers(body.scope, one),
        )
        return {
          cases: found.map((one) => row(one, params.get('lang'))),
          cases_total: found.length,
          alerts: found.reduce((sum, one) => sum + one.alert_count, 0),
          looked_at: cases.length,
          more: false,
        }
      },
    ],
    [
      'GET',
      '/users',
      () => [...users.values()].map(({ password: _, must_change_password: __, lang: ___, theme: ____, ...one }) => one),
      'administrator',
    ],
    [
      'POST',
      '/users',
      (_, __, body) =>
        void users.set(body.name, {
          ...body,
          must_change_password: true,
          lang: null,
          theme: null,
          disabled: false,
          created: iso(Date.now()),
          last_login: null,
          tokens: 0,
        }),
      'administrator',
    ],
    [
      'PATCH',
      '/users/:name',
      ({ name }, _, body) => void Object.assign(users.get(name) ?? fail(404, 'absent', 'No such user.'), body),
      'administrator',
    ],
    ['GET', '/tokens', () => tokens, 'administrator'],
    [
      'POST',
      '/users/:name/tokens',
      ({ name }, _, body) => (
        tokens.push({
          id: ++ids,
          revoked: false,
          name: body.name,
          user: name,
          created: iso(Date.now()),
          expires: iso(Date.now() + body.days * DAY),
          last_used: null,
        }),
        { token: 'vigie_0123456789abcdefghijklmnop', ...tokens.at(-1) }
      ),
      'administrator',
    ],
    [
      'DELETE',
      '/tokens/:id',
      ({ id }) =>
        void tokens.splice(
          tokens.findIndex((one) => one.id === Number(id)),
          1,
        ),
      'administrator',
    ],
    ['GET', '/audit', (_, params) => page(audit, params), 'administrator'],
    ['GET', '/outputs', outputs],
    [
      'POST',
      '/outputs/:name/test',
      ({ name }) => {
        if (!settings[name]) fail(422, 'output', `no ${name} is set: set it first`)
      },
      'administrator',
    ],
    ['GET', '/settings', () => settings],
    [
      'PUT',
      '/settings',
      (_, __, body) => {
        if (body.version !== settings.version) fail(409, 'conflict', 'The settings were changed meanwhile; read them again.')
        if (body.key === 'home_net') settings.home_net.value = body.value
        else if (body.key === 'retention')
          for (const [kind, days] of Object.entries(body.value)) {
            const one = settings.retention.find((each) => each.kind === kind)
            Object.assign(one, { own: days !== null, days: days ?? settings.retention[0].days })
          }
        else if (body.key === 'groups') settings.groups = [...settings.groups.filter((one) => one.pinned), ...body.value]
        else if (body.key === 'quota_bytes') settings.quota.bytes = body.value
        else if (body.key === 'captures_keep') settings.captures.keep = body.value
        else if (body.key === 'known_after_hours') settings.known_after_hours = body.value
        else if (body.key === 'webhook') {
          const has = body.value?.authorization === undefined ? settings.webhook?.has_authorization : body.value.authorization !== null
          settings.webhook = body.value && { url: body.value.url, lang: body.value.lang, imports: body.value.imports, has_authorization: !!has }
        } else if (body.key === 'syslog') settings.syslog = body.value
        else fail(400, 'parameter', 'There is no such setting.')
        settings.version++
        return settings
      },
      'administrator',
    ],
  ].map(([method, path, run, role]) => ({ method, run, role, pattern: new RegExp(`^${path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`) }))

  const session = (user) => ({
    user: { name: user.name, role: user.role, must_change_password: user.must_change_password, lang: user.lang, theme: user.theme },
    csrf: 'mock-csrf',
    version: '0.1.0',
  })

  async function api(request, response, url) {
    const path = url.pathname.slice('/api/v1'.length)
    const send = (status, body, headers = {}) => {
      response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers })
      response.end(body === undefined ? '' : JSON.stringify(body))
    }
    const read = async () => {
      const parts = []
      for await (const part of request) parts.push(part)
      const text = Buffer.concat(parts)
      return (request.headers['content-type'] ?? '').includes('json') ? JSON.parse(text.toString() || '{}') : text
    }
    const key = /(?:^|; )vigie=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
    const user = users.get(sessions.get(key))
    // For tests of the console alone: pretends that something arrived.
    if (path === '/mock/arrive') {
      // One case changes twice, as a sensor tells it: one case for who counts.
      world.cases[0].version += 2
      live.cases += 2
      live.events += 12
      tell()
      return send(204)
    }
    if (path === '/session' && request.method === 'POST') {
      const body = await read()
      const known = users.get(body.name)
      if (!known || known.password !== body.password)
        return send(401, { error: { code: 'bad_credentials', message: 'Wrong name or password.', field: null } })
      const fresh = String(Math.random()).slice(2)
      sessions.set(fresh, known.name)
      return send(200, session(known), { 'Set-Cookie': `vigie=${fresh}; Path=/; HttpOnly; SameSite=Strict` })
    }
    if (!user) return send(401, { error: { code: 'unauthenticated', message: 'Log in first.', field: null } })
    if (request.method !== 'GET' && request.headers['x-csrf-token'] !== 'mock-csrf')
      return send(403, { error: { code: 'csrf', message: 'The CSRF header is missing.', field: null } })
    if (path === '/session') {
      if (request.method === 'DELETE') return (sessions.delete(key), send(204))
      if (request.method === 'PATCH') Object.assign(user, await read())
      return send(200, session(user))
    }
    if (path === '/session/password') {
      const body = await read()
      if (body.old !== user.password)
        return send(422, { error: { code: 'bad_credentials', message: 'The current password is wrong.', field: 'old' } })
      user.password = body.new
      user.must_change_password = false
      return send(204)
    }
    if (path === '/live') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
      response.write(`event: change\ndata: ${JSON.stringify(live)}\n\n`)
      streams.add(response)
      request.on('close', () => streams.delete(response))
      return
    }
    if (path === '/imports' && request.method === 'POST') {
      const bytes = (await read()).length
      const one = {
        id: ++ids,
        name: url.searchParams.get('name'),
        dataset: url.searchParams.get('dataset') ?? 'replay',
        state: 'running',
        done_bytes: 0,
        total_bytes: bytes,
        message: '',
        result: null,
        started: iso(Date.now()),
        ended: null,
      }
      imports.unshift(one)
      const timer = setInterval(() => {
        one.done_bytes = Math.min(bytes, one.done_bytes + Math.ceil(bytes / 5))
        if (one.state !== 'running') return clearInterval(timer)
        if (one.done_bytes >= bytes) {
          Object.assign(one, {
            state: 'done',
            ended: iso(Date.now()),
            result: { events: 12_402, flows: 3_310, frames: 88_120, new_cases: 2, new_assets: 41 },
          })
          clearInterval(timer)
        }
      }, 400)
      timer.unref()
      return send(202, one)
    }
    for (const route of routes) {
      const match = route.method === request.method && route.pattern.exec(path)
      if (!match) continue
      if (route.role === 'administrator' && user.role !== 'administrator')
        return send(403, { error: { code: 'forbidden', message: 'Only an administrator may do this.', field: null } })
      if (request.method !== 'GET' && user.role === 'viewer')
        return send(403, { error: { code: 'forbidden', message: 'Your account may only read.', field: null } })
      const params = url.searchParams
      if (!params.get('lang')) params.set('lang', (request.headers['accept-language'] ?? 'fr').startsWith('en') ? 'en' : 'fr')
      try {
        const args = Object.fromEntries(Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]))
        const answer = route.run(args, params, request.method === 'GET' ? null : await read(), user)
        if (answer?.file) {
          response.writeHead(200, { 'Content-Type': answer.type, 'Content-Disposition': `attachment; filename="${answer.file}"` })
          return response.end(answer.text)
        }
        return answer === undefined ? send(204) : send(request.method === 'POST' ? 201 : 200, answer)
      } catch (error) {
        if (error instanceof Refusal) return send(error.status, error.body)
        if (error instanceof QueryError)
          return send(422, { error: { code: 'query', message: error.message, field: 'q', offset: error.offset, nearest: error.nearest } })
        throw error
      }
    }
    send(404, { error: { code: 'absent', message: `There is no ${path} here.`, field: null } })
  }

  function file(response, path) {
    let name = join(DIST, normalize(path))
    if (!name.startsWith(DIST) || !existsSync(name) || statSync(name).isDirectory()) name = join(DIST, 'index.html')
    if (!existsSync(name)) {
      response.writeHead(404, { 'Content-Type': 'text/plain' })
      return response.end('Run `npm run build` first, or use `npm run dev`.')
    }
    response.writeHead(200, {
      'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream',
      'Content-Security-Policy': POLICY,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'same-origin',
    })
    response.end(readFileSync(name))
  }

  return createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost')
    if (!url.pathname.startsWith('/api/')) return file(response, url.pathname)
    api(request, response, url).catch((error) => {
      console.error(error)
      if (!response.headersSent) response.writeHead(500, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ error: { code: 'internal', message: 'The mock failed; its terminal says why.', field: null } }))
    })
  })
}

function L2(lang, fr, en) {
  return lang === 'en' ? en : fr
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const port = Number(process.env.PORT ?? 8477)
  makeServer({ events: Number(process.env.MOCK_EVENTS ?? 24_000) }).listen(port, '127.0.0.1', () =>
    console.log(`mock: http://127.0.0.1:${port}  admin / vigie`),
  )
}
