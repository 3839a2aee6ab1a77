import type { Eve } from '../api/schema'
import type { ValueKind } from '../ui/value'

/** Leaves drawn of one event at most: a hostile certificate may list a thousand names. */
const LEAVES_MAX = 600

/** What stands at a dotted path. A list gives all that its members have there. */
export function at(event: Eve, path: string): string[] {
  let here: unknown[] = [event]
  for (const part of path.split('.')) {
    here = here
      .flatMap((one) => (Array.isArray(one) ? one : [one]))
      .flatMap((one) => (one !== null && typeof one === 'object' && part in one ? [(one as Record<string, unknown>)[part]] : []))
  }
  return here
    .flatMap((one) => (Array.isArray(one) ? one : [one]))
    .flatMap((one) => (one === null || one === undefined ? [] : [typeof one === 'object' ? JSON.stringify(one) : String(one)]))
}

/** Every leaf of an event with its dotted path, in the event's own order. */
export function leaves(event: Eve): { path: string; value: string }[] {
  const found: { path: string; value: string }[] = []
  const walk = (value: unknown, path: string, depth: number) => {
    if (found.length >= LEAVES_MAX || value === null || value === undefined) return
    if (Array.isArray(value)) for (const one of value) walk(one, path, depth + 1)
    else if (typeof value === 'object' && depth < 12)
      for (const [key, one] of Object.entries(value)) walk(one, path ? `${path}.${key}` : key, depth + 1)
    else found.push({ path, value: typeof value === 'object' ? JSON.stringify(value) : String(value) })
  }
  walk(event, '', 0)
  return found
}

/** What a field's values are, so that their menu offers what makes sense. */
export function kindOf(field: string): ValueKind {
  if (/(^|[._])(ip|address|addr)$/.test(field) || /(^|\.)(src|dest)_ip$/.test(field)) return 'ip'
  if (/mac$/.test(field)) return 'mac'
  if (/port$/.test(field)) return 'port'
  if (/flow_id$/.test(field)) return 'flow'
  if (/(md5|sha1|sha256|ja3|ja3s|ja4|hash|fingerprint|hassh)$/.test(field)) return 'hash'
  if (/(user|username)$/.test(field)) return 'user'
  if (/(rrname|hostname|sni|host|domain)$/.test(field)) return 'name'
  if (/^(proto|app_proto)$/.test(field)) return 'proto'
  if (/signature(_id)?$/.test(field)) return 'rule'
  return 'text'
}

/** The fields that say most of a kind, in the order in which one says them. Of others, the first leaves. */
const TELLING: Record<string, string[]> = {
  flow: ['flow.bytes_toserver', 'flow.bytes_toclient', 'flow.state'],
  dns: ['dns.type', 'dns.queries.rrname', 'dns.rrname', 'dns.queries.rrtype', 'dns.rrtype', 'dns.rcode', 'dns.answers.rdata'],
  mdns: ['mdns.queries.rrname', 'mdns.answers.rrname'],
  http: ['http.http_method', 'http.hostname', 'http.url', 'http.status'],
  tls: ['tls.sni', 'tls.version', 'tls.subject', 'tls.ja4'],
  ssh: ['ssh.client.software_version', 'ssh.server.software_version'],
  ftp: ['ftp.command', 'ftp.command_data', 'ftp.completion_code', 'ftp.reply'],
  smtp: ['smtp.helo', 'smtp.mail_from', 'smtp.rcpt_to'],
  dhcp: ['dhcp.type', 'dhcp.dhcp_type', 'dhcp.assigned_ip', 'dhcp.hostname', 'dhcp.client_mac'],
  arp: ['arp.opcode', 'arp.src_ip', 'arp.dest_ip', 'arp.src_mac'],
  alert: ['vigie.summary', 'vigie.detector'],
  icmp: ['icmp.type', 'icmp.to_server.messages', 'icmp.to_client.messages', 'icmp.to_server.bytes', 'icmp.to_client.bytes'],
  ntp: ['ntp.mode', 'ntp.stratum', 'vigie.reference'],
  ftp_data: ['ftp_data.command', 'ftp_data.filename'],
  fileinfo: ['fileinfo.filename', 'fileinfo.magic', 'fileinfo.size', 'fileinfo.sha256'],
  anomaly: ['anomaly.type', 'anomaly.event'],
}

/** What an event says, as a few values with their fields. */
export function telling(event: Eve): { path: string; value: string }[] {
  const kind = event.event_type
  // What found it named itself; an alert of another's rules has a signature alone.
  const wanted = kind === 'alert' && at(event, 'vigie.summary').length === 0 ? ['alert.signature'] : TELLING[kind]
  const found = wanted
    ? wanted.flatMap((path) =>
        at(event, path)
          .slice(0, 2)
          .map((value) => ({ path, value })),
      )
    : leaves({ [kind]: event[kind] } as unknown as Eve)
  return found.filter(({ value }) => value !== '').slice(0, 5)
}
