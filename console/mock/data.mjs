// A council's month, made up: the same at every start but for its end, which is now.

/** A small generator (mulberry32), so that the data are the same at every start. */
function generator(seed) {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** RFC 3339 with microseconds, as the server writes times. */
export const iso = (ms) => new Date(ms).toISOString().replace('Z', '000Z')

/** `buildings`: so many networks more, each with its share of the assets. */
export function makeWorld({ now = Date.now(), events: eventCount = 24_000, assets: assetCount = 420, buildings = 0 } = {}) {
  const random = generator(7)
  const pick = (list) => list[Math.floor(random() * list.length)]
  const between = (a, b) => Math.floor(a + random() * (b - a))
  const hex = (n) => Array.from({ length: n }, () => '0123456789abcdef'[between(0, 16)]).join('')
  const mac = (vendor) => `${vendor}:${hex(2)}:${hex(2)}:${hex(2)}`

  // ------------------------------------------------------------------------------------------------ assets
  const assets = []
  const asset = (given) => {
    const first = given.first ?? now - between(20, 30) * DAY
    const one = {
      id: `a${String(assets.length + 1).padStart(5, '0')}`,
      dataset: given.dataset ?? 'mairie',
      mac: given.mac ?? mac('00:1b:44'),
      vendor: given.vendor ?? 'Dell',
      ips: given.ips,
      ip: given.ips[0],
      names: given.names ?? [],
      name: given.names?.[0] ?? given.mac ?? given.ips[0],
      learnt: now - first > DAY,
      class: given.class ?? 'unknown',
      os: given.os ?? null,
      roles: given.roles ?? [],
      services: given.services ?? 0,
      peers: given.peers ?? between(3, 60),
      open_cases: 0,
      first_seen: iso(first),
      last_seen: iso(now - between(0, 5 * HOUR)),
      new: now - first < 7 * DAY,
      declared: given.declared ?? null,
    }
    assets.push(one)
    return one
  }
  const kali = asset({
    ips: ['10.20.3.66'],
    names: ['kali'],
    class: 'workstation',
    os: 'Linux (Kali)',
    vendor: 'Raspberry Pi',
    mac: 'b8:27:eb:4f:12:9c',
    first: now - 20 * HOUR,
    peers: 254,
  })
  const ftp = asset({
    ips: ['10.20.1.12'],
    names: ['srv-fichiers', 'srv-fichiers.mairie.example'],
    class: 'server',
    os: 'Linux (Debian)',
    roles: ['ftp_server', 'file_server'],
    services: 5,
    vendor: 'HPE',
    declared: { name: 'SRV-FICHIERS', class: 'server', owner: 'DSI', place: 'Hôtel de ville, salle 1', criticality: 'haute' },
  })
  const dc = asset({
    ips: ['10.20.1.5'],
    names: ['dc01', 'dc01.mairie.example'],
    class: 'server',
    os: 'Windows Server',
    roles: ['domain_controller', 'dns_server', 'kerberos_server'],
    services: 11,
    vendor: 'HPE',
    peers: 388,
    declared: { name: 'DC01', class: 'server', owner: 'DSI', place: 'Hôtel de ville, salle 1', criticality: 'haute' },
  })
  const gateway = asset({
    ips: ['10.20.0.1', '10.20.3.1'],
    names: ['passerelle'],
    class: 'network',
    roles: ['router', 'dhcp_server'],
    services: 3,
    vendor: 'Fortinet',
    peers: 402,
  })
  const mail = asset({
    ips: ['10.20.1.20'],
    names: ['mail'],
    class: 'server',
    os: 'Linux (Debian)',
    roles: ['mail_server'],
    services: 4,
    vendor: 'VMware',
    mac: '00:50:56:a1:00:20',
  })
  const hostile = asset({
    ips: ['10.20.3.140'],
    names: ['<script>alert(1)</script>', '"><img src=x onerror=alert(2)>'],
    class: 'unknown',
    vendor: null,
    mac: 'de:ad:be:ef:00:01',
    first: now - 2 * DAY,
  })
  const camera = asset({
    ips: ['10.20.8.31'],
    names: ['cam-parking-3'],
    class: 'camera',
    vendor: 'Hikvision',
    roles: ['stream_server', 'telnet_server'],
    services: 3,
    first: now - 3 * DAY,
    peers: 2,
  })
  const printer = asset({
    ips: ['10.20.4.9'],
    names: ['IMP-ETAT-CIVIL'],
    class: 'printer',
    vendor: 'Lexmark',
    roles: ['print_server', 'telnet_server'],
    services: 6,
    declared: { name: 'Imprimante état civil', class: 'printer', owner: 'État civil', place: 'RDC', criticality: 'basse' },
  })
  const accountant = asset({ ips: ['10.20.3.41'], names: ['PC-COMPTA-02'], class: 'workstation', os: 'Windows 11' })
  const laptop = asset({
    ips: ['10.20.3.77'],
    names: ['PORTABLE-ELU-4'],
    class: 'workstation',
    os: 'Windows 11',
    vendor: 'Lenovo',
    first: now - 5 * DAY,
  })
  const plc = asset({
    ips: ['10.20.9.4'],
    names: ['chaufferie-plc'],
    class: 'industrial',
    vendor: 'Schneider Electric',
    roles: ['controller'],
    services: 2,
    peers: 3,
  })
  const SERVICES = ['COMPTA', 'RH', 'URBANISME', 'ETAT-CIVIL', 'ECOLES', 'VOIRIE', 'CULTURE', 'SPORTS', 'CABINET', 'MEDIATHEQUE']
  const KINDS = [
    ['workstation', 'Dell', 'Windows 11', 'PC', '10.20.3'],
    ['workstation', 'HP', 'Windows 10', 'PC', '10.20.5'],
    ['phone', 'Yealink', null, 'TEL', '10.20.6'],
    ['printer', 'Ricoh', null, 'IMP', '10.20.4'],
    ['mobile', 'Apple', 'iOS', 'iPhone', '10.20.7'],
    ['iot', 'Espressif', null, 'capteur', '10.20.8'],
    ['camera', 'Axis', null, 'cam', '10.20.8'],
    ['server', 'VMware', 'Linux (Debian)', 'srv', '10.20.1'],
    ['network', 'Aruba', null, 'sw', '10.20.0'],
  ]
  for (let i = assets.length; i < assetCount; i++) {
    const [kind, vendor, os, prefix, net] = KINDS[Math.min(KINDS.length - 1, Math.floor(random() ** 1.7 * KINDS.length))]
    const name = `${prefix}-${pick(SERVICES)}-${String(i).padStart(2, '0')}`
    asset({
      ips: [
        buildings
          ? `10.${30 + ((i % buildings) >> 8)}.${(i % buildings) & 255}.${(Math.floor(i / buildings) % 250) + 2}`
          : `${net}.${(i % 250) + 2}`,
      ],
      names: random() < 0.85 ? [name] : [],
      class: random() < 0.06 ? 'unknown' : kind,
      vendor,
      os,
      services: kind === 'server' ? between(1, 8) : 0,
      first: random() < 0.04 ? now - between(1, 6) * DAY : undefined,
      dataset: i % 23 === 0 ? 'capture-ecole' : 'mairie',
    })
  }

  // ------------------------------------------------------------------------------------------------ cases
  const entity = (role, of) => ({ role, ip: of.ips[0], mac: of.mac, name: of.name, asset_id: of.id })
  const outside = (role, ip, name = null) => ({ role, ip, mac: null, name, asset_id: null })
  const cases = []
  const open = (given) => {
    const score = Math.min(
      100,
      given.reasons.reduce((sum, [, points]) => sum + points, 0),
    )
    const id = `c${String(cases.length + 1).padStart(4, '0')}`
    const one = {
      id,
      dataset: 'mairie',
      score,
      severity: score >= 75 ? 'critical' : score >= 50 ? 'high' : score >= 25 ? 'medium' : 'low',
      state: 'new',
      verdict: null,
      owner: null,
      techniques: [],
      version: 1,
      alert_count: given.count ?? 1,
      ...given,
      first_seen: iso(given.first),
      last_seen: iso(given.last),
    }
    delete one.first
    delete one.last
    one.trail ??= [{ ts: iso(given.first + 4000), who: 'vigie', action: 'opened', text: null, to: null }]
    for (const { asset_id } of one.entities) {
      const owner = assets.find((a) => a.id === asset_id)
      if (owner && one.state !== 'closed') owner.open_cases++
    }
    cases.push(one)
    return one
  }
  const L = (fr, en) => ({ fr, en })
  const night = now - 9 * HOUR
  open({
    title: L('Force brute sur FTP : kali contre srv-fichiers', 'Brute force on FTP: kali against srv-fichiers'),
    summary: L(
      'kali a essayé 1 248 mots de passe sur le FTP de srv-fichiers, et l’un d’eux a été accepté.',
      'kali tried 1,248 passwords on the FTP of srv-fichiers, and one was accepted.',
    ),
    story: L(
      'Entre 2 h 14 et 2 h 51, la machine kali (10.20.3.66) a essayé 1 248 mots de passe sur le serveur FTP srv-fichiers (10.20.1.12), pour les comptes « admin », « sauvegarde » et « ftp ». Le compte « sauvegarde » a été accepté à 2 h 47. Dans la minute qui suit, 34 fichiers (212 Mo) ont été pris.',
      'Between 02:14 and 02:51 the machine kali (10.20.3.66) tried 1,248 passwords on the FTP server srv-fichiers (10.20.1.12), for the accounts “admin”, “sauvegarde” and “ftp”. The account “sauvegarde” was accepted at 02:47. Within the next minute 34 files (212 MB) were taken.',
    ),
    innocent: L(
      'Un script de sauvegarde dont le mot de passe a changé réessaie sans fin. Il n’essaierait cependant qu’un seul compte, et toujours le même mot de passe.',
      'A backup script whose password was changed tries for ever. It would however try one account only, and always the same password.',
    ),
    checks: [
      L(
        'La machine kali est-elle celle d’un prestataire de test d’intrusion, et est-il prévu cette nuit-là ?',
        'Is kali the machine of a penetration tester, and was a test planned that night?',
      ),
      L('Le compte « sauvegarde » a-t-il servi ailleurs depuis 2 h 47 ?', 'Was the account “sauvegarde” used elsewhere since 02:47?'),
      L('Quels fichiers ont été pris ? Voyez les preuves.', 'Which files were taken? See the evidence.'),
    ],
    actions: [
      L('Changez le mot de passe du compte « sauvegarde ».', 'Change the password of the account “sauvegarde”.'),
      L(
        'Isolez la machine 10.20.3.66 : prise réseau 3-14, commutateur du 2ᵉ étage.',
        'Isolate the machine 10.20.3.66: socket 3-14, switch of the second floor.',
      ),
      L('Conservez les journaux de srv-fichiers.', 'Keep the logs of srv-fichiers.'),
    ],
    reasons: [
      ['success', 40, L('Un compte a été accepté après les essais.', 'An account was accepted after the attempts.')],
      ['attempts', 25, L('1 248 essais en 37 minutes, trois comptes.', '1,248 attempts in 37 minutes, three accounts.')],
      [
        'new_device',
        12,
        L(
          'La machine est apparue sur le réseau il y a moins de deux jours.',
          'The machine appeared on the network less than two days ago.',
        ),
      ],
      ['exfiltration', 15, L('212 Mo pris dans la minute qui suit.', '212 MB taken within the next minute.')],
    ],
    detectors: ['brute_force', 'attacker_tool_host'],
    techniques: ['T1110.001', 'T1078', 'T1041'],
    entities: [entity('attacker', kali), entity('victim', ftp)],
    first: night,
    last: night + 37 * MINUTE,
    count: 4,
  })
  open({
    title: L('Outils d’attaque sur kali (Kali Linux)', 'Attack tools on kali (Kali Linux)'),
    summary: L('kali télécharge ses paquets depuis http.kali.org.', 'kali fetches its packages from http.kali.org.'),
    story: L(
      'La machine 10.20.3.66 se nomme « kali » dans ses demandes DHCP et met à jour ses paquets depuis http.kali.org. C’est la signature d’un système fait pour les tests d’intrusion.',
      'The machine 10.20.3.66 calls itself “kali” in its DHCP requests and updates its packages from http.kali.org. This is the mark of a system made for penetration tests.',
    ),
    innocent: L('Un prestataire autorisé, ou un agent qui se forme.', 'An authorised contractor, or an agent in training.'),
    checks: [L('Qui a branché cette machine ?', 'Who plugged this machine in?')],
    actions: [L('Identifiez la prise réseau et la personne.', 'Find the network socket and the person.')],
    reasons: [
      ['package_host', 35, L('Demande de paquets à http.kali.org.', 'Request for packages to http.kali.org.')],
      ['dhcp_name', 20, L('Nom « kali » annoncé en DHCP.', 'Name “kali” announced by DHCP.')],
    ],
    detectors: ['attacker_tool_host'],
    techniques: ['T1588.002'],
    entities: [entity('subject', kali)],
    first: now - 20 * HOUR,
    last: now - 3 * HOUR,
    count: 2,
    state: 'acknowledged',
    owner: 'claire',
  })
  open({
    title: L('Balayage du réseau par kali', 'Network scan by kali'),
    summary: L('kali a sondé 254 adresses et 1 000 ports.', 'kali probed 254 addresses and 1,000 ports.'),
    story: L(
      'kali a essayé d’ouvrir des connexions vers 254 adresses du réseau 10.20.1.0/24 en quatre minutes. 11 ont répondu.',
      'kali tried to open connections to 254 addresses of 10.20.1.0/24 within four minutes. 11 answered.',
    ),
    innocent: L(
      'Un outil d’inventaire ou de supervision fait de même, d’ordinaire depuis un serveur connu.',
      'An inventory or monitoring tool does the same, usually from a known server.',
    ),
    checks: [L('Un inventaire est-il prévu ?', 'Is an inventory planned?')],
    actions: [L('Isolez la machine si personne ne la connaît.', 'Isolate the machine if nobody knows it.')],
    reasons: [
      ['breadth', 30, L('254 adresses en quatre minutes.', '254 addresses within four minutes.')],
      ['ports', 15, L('1 000 ports différents.', '1,000 different ports.')],
      ['new_device', 12, L('La machine est apparue il y a moins de deux jours.', 'The machine appeared less than two days ago.')],
    ],
    detectors: ['scan'],
    techniques: ['T1046'],
    entities: [entity('attacker', kali), { role: 'victim', ip: '10.20.1.0', mac: null, name: '10.20.1.0/24', asset_id: null }],
    first: night - HOUR,
    last: night - HOUR + 4 * MINUTE,
    count: 2,
  })
  open({
    title: L(
      'Tunnel DNS depuis PORTABLE-ELU-4 par t.telemetrie-maj.example',
      'DNS tunnel from PORTABLE-ELU-4 through t.telemetrie-maj.example',
    ),
    summary: L('9 400 requêtes DNS longues et toutes différentes.', '9,400 long DNS requests, all different.'),
    story: L(
      'Depuis hier, PORTABLE-ELU-4 demande chaque seconde un nom nouveau, long et sans sens, sous t.telemetrie-maj.example. Les réponses TXT font passer environ 3 Mo.',
      'Since yesterday PORTABLE-ELU-4 asks every second for a new, long and meaningless name under t.telemetrie-maj.example. TXT answers carried some 3 MB.',
    ),
    innocent: L(
      'Certains antivirus et boîtiers de télémétrie interrogent ainsi leur éditeur.',
      'Some antivirus products query their vendor this way.',
    ),
    checks: [L('Quel programme pose ces questions ?', 'Which program asks?')],
    actions: [L('Bloquez le domaine sur le résolveur.', 'Block the domain on the resolver.')],
    reasons: [
      ['entropy', 25, L('Noms de 48 caractères en moyenne, sans répétition.', 'Names of 48 characters on average, without repetition.')],
      ['volume', 20, L('9 400 questions en 26 heures.', '9,400 questions in 26 hours.')],
      ['txt', 10, L('Réponses TXT.', 'TXT answers.')],
    ],
    detectors: ['dns_tunnel'],
    techniques: ['T1071.004', 'T1572'],
    entities: [entity('client', laptop), outside('server', '203.0.113.53', 't.telemetrie-maj.example')],
    first: now - 26 * HOUR,
    last: now - 12 * MINUTE,
    state: 'in_progress',
    owner: 'karim',
  })
  open({
    title: L('Mots de passe en clair vers IMP-ETAT-CIVIL (telnet)', 'Passwords in clear text to IMP-ETAT-CIVIL (telnet)'),
    summary: L('Administration d’une imprimante par Telnet.', 'A printer administered over Telnet.'),
    story: L(
      'PC-COMPTA-02 s’est connecté trois fois par Telnet à l’imprimante IMP-ETAT-CIVIL. Le mot de passe passe en clair sur le réseau.',
      'PC-COMPTA-02 logged in three times over Telnet to the printer IMP-ETAT-CIVIL. The password crosses the network in clear text.',
    ),
    innocent: L('C’est une habitude ancienne, sans intention de nuire.', 'An old habit, without ill intent.'),
    checks: [L('L’imprimante accepte-t-elle HTTPS ou SSH ?', 'Does the printer accept HTTPS or SSH?')],
    actions: [L('Désactivez Telnet sur l’imprimante.', 'Disable Telnet on the printer.')],
    reasons: [['cleartext', 28, L('Mot de passe de 8 caractères vu en clair.', 'Password of 8 characters seen in clear text.')]],
    detectors: ['cleartext_credentials'],
    techniques: ['T1040'],
    entities: [entity('client', accountant), entity('server', printer)],
    first: now - 6 * DAY,
    last: now - 20 * HOUR,
    count: 3,
  })
  open({
    title: L('Tor utilisé sur <script>alert(1)</script>', 'Tor in use on <script>alert(1)</script>'),
    summary: L('Connexions vers trois relais Tor.', 'Connections to three Tor relays.'),
    story: L(
      'La machine 10.20.3.140, qui se nomme « <script>alert(1)</script> », a ouvert des connexions vers trois relais Tor.',
      'The machine 10.20.3.140, which calls itself “<script>alert(1)</script>”, opened connections to three Tor relays.',
    ),
    innocent: L('Un agent soucieux de sa vie privée.', 'An agent who cares for privacy.'),
    checks: [L('À qui est cette machine ?', 'Whose machine is it?')],
    actions: [L('Parlez-en à la personne.', 'Talk to the person.')],
    reasons: [
      ['relays', 30, L('Trois relais de la liste publique.', 'Three relays of the public list.')],
      ['handshake', 15, L('Certificats à la manière de Tor.', 'Certificates in the manner of Tor.')],
    ],
    detectors: ['tor'],
    techniques: ['T1090.003'],
    entities: [entity('client', hostile), outside('server', '198.51.100.7')],
    first: now - 2 * DAY,
    last: now - 5 * HOUR,
  })
  open({
    title: L('Mots de passe en clair vers mail (pop3)', 'Passwords in clear text to mail (pop3)'),
    summary: L('Un logiciel de messagerie relève le courrier sans chiffrement.', 'A mail program fetches mail without encryption.'),
    story: L(
      'PC-URBANISME relève son courrier en POP3 sans chiffrement, toutes les cinq minutes.',
      'PC-URBANISME fetches its mail over POP3 without encryption, every five minutes.',
    ),
    innocent: L('Réglage ancien du logiciel de messagerie.', 'An old setting of the mail program.'),
    checks: [L('Le serveur accepte-t-il POP3S ?', 'Does the server accept POP3S?')],
    actions: [L('Passez le compte en POP3S.', 'Move the account to POP3S.')],
    reasons: [['cleartext', 20, L('Mot de passe vu en clair.', 'Password seen in clear text.')]],
    detectors: ['cleartext_credentials'],
    techniques: ['T1040'],
    entities: [entity('client', assets[20]), entity('server', mail)],
    first: now - 12 * DAY,
    last: now - 2 * HOUR,
    count: 212,
  })
  open({
    title: L('Serveur DHCP pirate 10.20.7.99', 'Rogue DHCP server 10.20.7.99'),
    summary: L('Un second serveur a répondu à des demandes DHCP.', 'A second server answered DHCP requests.'),
    story: L(
      'Une borne Wi-Fi personnelle a distribué des adresses pendant vingt minutes.',
      'A private Wi-Fi box gave addresses for twenty minutes.',
    ),
    innocent: L('Une box branchée par erreur.', 'A box plugged in by mistake.'),
    checks: [],
    actions: [],
    reasons: [['second', 45, L('Deux serveurs différents répondent.', 'Two different servers answer.')]],
    detectors: ['rogue_dhcp'],
    techniques: ['T1557.003'],
    entities: [outside('attacker', '10.20.7.99')],
    first: now - 8 * DAY,
    last: now - 8 * DAY + 20 * MINUTE,
    state: 'closed',
    verdict: 'benign',
    owner: 'karim',
  })
  cases[1].trail.push(
    { ts: iso(now - 20 * HOUR), who: 'claire', action: 'state', text: null, to: 'acknowledged' },
    {
      ts: iso(now - 19 * HOUR),
      who: 'claire',
      action: 'comment',
      text: 'Le prestataire n’est attendu que la semaine prochaine.\nJe fais le tour du 2ᵉ étage.',
      to: null,
    },
  )

  // ------------------------------------------------------------------------------------------------ events
  const events = []
  const NAMES = [
    'www.service-public.example',
    'outlook.example',
    'maj.antivirus.example',
    'mairie.example',
    'cdn.media.example',
    'intranet.mairie.example',
    'pool.ntp.example',
    '<script>alert("dns")</script>.example',
  ]
  const clients = assets.filter((one) => ['workstation', 'mobile', 'phone'].includes(one.class))
  const flowEvent = (ts, client, server, port, proto, app, sent, got) => ({
    timestamp: iso(Math.min(ts, now - 1)),
    event_type: 'flow',
    src_ip: client,
    src_port: between(32768, 60999),
    dest_ip: server,
    dest_port: port,
    proto,
    app_proto: app,
    flow: {
      pkts_toserver: Math.ceil(sent / 700),
      pkts_toclient: Math.ceil(got / 900),
      bytes_toserver: sent,
      bytes_toclient: got,
      state: 'closed',
      reason: 'timeout',
    },
  })
  const record = (event, dataset = 'mairie', flow) => {
    event.flow_id = flow ?? String(1_000_000_000_000_000 + Math.floor(random() * 9e15))
    event.dataset = dataset
    events.push(event)
    return event.flow_id
  }
  const SHAPES = [
    [
      34,
      (ts, c) => {
        const name = pick(NAMES)
        const id = record({
          timestamp: iso(ts),
          event_type: 'dns',
          src_ip: c,
          src_port: between(32768, 60999),
          dest_ip: dc.ips[0],
          dest_port: 53,
          proto: 'UDP',
          app_proto: 'dns',
          dns: {
            version: 3,
            type: 'response',
            rcode: random() < 0.05 ? 'NXDOMAIN' : 'NOERROR',
            queries: [{ rrname: name, rrtype: 'A' }],
            answers: [{ rrname: name, rrtype: 'A', ttl: 300, rdata: `93.184.${between(1, 250)}.${between(1, 250)}` }],
          },
        })
        record(flowEvent(ts + 30, c, dc.ips[0], 53, 'UDP', 'dns', 74, 140), 'mairie', id)
      },
    ],
    [
      26,
      (ts, c) => {
        const ip = `93.184.${between(1, 250)}.${between(1, 250)}`
        const id = record({
          timestamp: iso(ts),
          event_type: 'tls',
          src_ip: c,
          src_port: between(32768, 60999),
          dest_ip: ip,
          dest_port: 443,
          proto: 'TCP',
          app_proto: 'tls',
          tls: { sni: pick(NAMES), version: pick(['TLS 1.3', 'TLS 1.2']), ja4: `t13d1516h2_${hex(12)}_${hex(12)}` },
        })
        record(flowEvent(ts + 4000, c, ip, 443, 'TCP', 'tls', between(900, 9000), between(4000, 900000)), 'mairie', id)
      },
    ],
    [
      8,
      (ts, c) => {
        const id = record({
          timestamp: iso(ts),
          event_type: 'http',
          src_ip: c,
          src_port: between(32768, 60999),
          dest_ip: '10.20.1.30',
          dest_port: 80,
          proto: 'TCP',
          app_proto: 'http',
          http: {
            hostname: 'intranet.mairie.example',
            url: pick(['/', '/conges', '/annuaire?q=dupont', '/\u202egpj.exe']),
            http_method: 'GET',
            status: pick([200, 200, 304, 404]),
            http_user_agent: pick(['Mozilla/5.0 (Windows NT 10.0)', '<b>curl</b>/8.1']),
            length: between(200, 90000),
          },
        })
        record(flowEvent(ts + 900, c, '10.20.1.30', 80, 'TCP', 'http', 640, between(2000, 90000)), 'mairie', id)
      },
    ],
    [14, (ts, c) => record(flowEvent(ts, c, ftp.ips[0], 445, 'TCP', 'smb', between(2000, 400000), between(3000, 4000000)))],
    [
      5,
      (ts, c) =>
        record({
          timestamp: iso(ts),
          event_type: 'arp',
          src_ip: c,
          dest_ip: gateway.ips[0],
          proto: 'ARP',
          arp: { opcode: 'request', src_mac: mac('00:1b:44'), src_ip: c, dest_ip: gateway.ips[0] },
        }),
    ],
    [
      2,
      (ts, c) =>
        record({
          timestamp: iso(ts),
          event_type: 'dhcp',
          src_ip: '0.0.0.0',
          src_port: 68,
          dest_ip: '255.255.255.255',
          dest_port: 67,
          proto: 'UDP',
          app_proto: 'dhcp',
          dhcp: {
            type: 'request',
            dhcp_type: 'request',
            assigned_ip: c,
            client_mac: mac('00:1b:44'),
            hostname: pick(assets).name ?? 'inconnu',
          },
        }),
    ],
    [1, (ts) => record(flowEvent(ts, accountant.ips[0], printer.ips[0], 23, 'TCP', 'telnet', 300, 2100))],
  ]
  const weight = SHAPES.reduce((sum, [w]) => sum + w, 0)
  // Half of it lies within the last day, so that both the day and the month have something to look at.
  while (events.length < eventCount) {
    const back = random() < 0.5 ? random() * DAY : random() * 30 * DAY
    const ts = now - back
    const hourOfDay = new Date(ts).getHours()
    if (random() > (hourOfDay >= 8 && hourOfDay <= 18 ? 1 : 0.18)) continue
    let at = random() * weight
    const [, make] = SHAPES.find(([w]) => (at -= w) < 0) ?? SHAPES[0]
    make(ts, pick(clients).ips[0])
  }
  const attackFlows = []
  for (let i = 0; i < 240; i++) {
    const ts = night + (i * 37 * MINUTE) / 240
    const id = record({
      timestamp: iso(ts),
      event_type: 'ftp',
      src_ip: kali.ips[0],
      src_port: 40000 + i,
      dest_ip: ftp.ips[0],
      dest_port: 21,
      proto: 'TCP',
      app_proto: 'ftp',
      ftp: {
        command: 'PASS',
        command_data: '<redacted:9>',
        completion_code: [i === 214 ? '230' : '530'],
        reply: [i === 214 ? 'Login successful.' : 'Login incorrect.'],
      },
    })
    attackFlows.push(id)
    record(flowEvent(ts + 800, kali.ips[0], ftp.ips[0], 21, 'TCP', 'ftp', 820, 1100), 'mairie', id)
  }
  record(
    {
      timestamp: iso(night + 6 * MINUTE),
      event_type: 'alert',
      src_ip: kali.ips[0],
      src_port: 40100,
      dest_ip: ftp.ips[0],
      dest_port: 21,
      proto: 'TCP',
      app_proto: 'ftp',
      alert: { signature: 'VIGIE Repeated failed log-ins (brute force or password spraying)', severity: 1, signature_id: 9000001 },
    },
    'mairie',
    attackFlows[40],
  )
  events.sort((a, b) => (a.timestamp < b.timestamp ? 1 : a.timestamp > b.timestamp ? -1 : 0))
  for (const one of cases) {
    const ips = one.entities.map((e) => e.ip)
    one.evidence =
      one.id === 'c0001'
        ? attackFlows.slice(0, 60)
        : [...new Set(events.filter((e) => ips.includes(e.src_ip)).map((e) => e.flow_id))].slice(0, 12)
    one.flows_first = one.evidence[0]
  }

  const datasets = () => [
    {
      name: 'mairie',
      kind: 'live',
      shift_seconds: 0,
      created: iso(now - 30 * DAY),
      first: iso(now - 30 * DAY),
      last: iso(now),
      events: events.length,
      flows: events.filter((e) => e.event_type === 'flow').length,
      packets_bytes: 0,
      cases_open: cases.filter((c) => c.state !== 'closed').length,
      assets: assets.filter((a) => a.dataset === 'mairie').length,
      bytes: 48_200_000_000,
      sources: [],
      covered: [],
    },
    {
      name: 'capture-ecole',
      kind: 'replay',
      shift_seconds: 5_184_000,
      created: iso(now - 2 * DAY),
      first: iso(now - 3 * DAY),
      last: iso(now - 2.6 * DAY),
      events: 0,
      flows: 0,
      packets_bytes: 0,
      cases_open: 0,
      assets: assets.filter((a) => a.dataset === 'capture-ecole').length,
      bytes: 310_000_000,
      sources: [
        {
          name: 'ecole-jules-ferry.pcapng',
          sha256: hex(64),
          bytes: 802_113_024,
          frames: 1_204_332,
          kept: true,
          goes_next: true,
          first: iso(now - 3 * DAY),
          last: iso(now - 2.6 * DAY),
        },
      ],
      covered: [{ from: iso(now - 3 * DAY), to: iso(now - 2.6 * DAY) }],
    },
  ]
  return { now, assets, cases, events, datasets, named: { kali, ftp, dc, gateway, camera, printer, hostile, plc } }
}
