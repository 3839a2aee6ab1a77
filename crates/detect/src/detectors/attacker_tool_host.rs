//! An attacker's machine: a system made for breaking in, or its tools, seen at work.
//!
//! Signs add up on one machine until they are worth a person's time: what it calls itself when it asks for an address, the package mirrors
//! of such systems, the sites that their browsers open by default, tools that name themselves in HTTP or SSH, probes whose form is a tool's.
//! One strong sign is enough; weak ones must be several. From outside, scanners of the whole internet pass by every hour: their
//! names are context and open no case.
//!
//! ATT&CK: T1588.002 Obtain Capabilities: Tool, T1595 Active Scanning.

use crate::bounded::Bounded;
use crate::count::Distinct;
use crate::detector::{Cx, Detector, Info, Settings};
use crate::finding::{Entity, Evidence, Finding, Phase, Reason, Role, Story, Told, Value};
use crate::text::{Template, Words};
use vigie_base::time::SECOND;
use vigie_base::{Budget, Ip, Mac, Time};
use vigie_dissect::proto::dns::{DnsMessage, DnsMessageRow};
use vigie_dissect::proto::http::{HttpExchange, HttpExchangeRow};
use vigie_dissect::proto::tls::{TlsEvent, TlsEventRow};
use vigie_dissect::record::{Fact, FactRow};
use vigie_event::{Record, Row};
use vigie_flow::record::{FlowStart, FlowStartRow};

/// Points that open a finding: one strong sign, or several weak ones.
const ENOUGH: u32 = 25;
/// Names of such a system's sites that a machine asks for: a reader of one page asks for one or two.
const SITES: u64 = 3;
/// Different targets of probes with a scanner's bare handshake, before it counts.
const PROBES: u64 = 10;
/// Signs are remembered for so long.
const QUIET: u64 = 24 * 3600 * SECOND;
/// Texts kept of each sign.
const NAMED: usize = 6;

const HOSTS: Budget = Budget {
    name: "detect.attacker_tool_host.hosts",
    entries_max: 2048,
    entry_bytes: Bounded::<Id, Host>::ENTRY_BYTES + 2 * Distinct::BYTES_MAX + 1024,
    when_full: "the machine unchanged for longest is forgotten",
};
const STATIONS: Budget = Budget {
    name: "detect.attacker_tool_host.stations",
    entries_max: 16_384,
    entry_bytes: Bounded::<Ip, Mac>::ENTRY_BYTES,
    when_full: "the address heard of longest ago is forgotten",
};

/// See the module.
pub static INFO: Info = Info {
    name: "attacker_tool_host",
    sid: 9_000_007,
    signature: "VIGIE Machine with attack tools",
    category: "A Suspicious Program was Detected",
    story: Story::Intrusion,
    inputs: &[Fact::KIND, DnsMessage::KIND, HttpExchange::KIND, TlsEvent::KIND, FlowStart::KIND],
    budgets: &[HOSTS, STATIONS],
    tunables: &[],
    templates: &[TOOLS],
    make: |settings: &Settings| {
        Box::new(ToolHost { hosts: Bounded::of(HOSTS, settings.share), stations: Bounded::of(STATIONS, settings.share) })
    },
};

/// Systems made for breaking in, by the name that they give themselves when nobody chooses another.
const SYSTEMS: &[&[u8]] = &[b"kali", b"parrot", b"blackarch", b"pentoo", b"backbox", b"commando", b"samurai-wtf", b"caine"];
/// Package repositories of such systems: asked for by the system's updates, not by readers.
const MIRRORS: &[&[u8]] = &[
    b"http.kali.org",
    b"archive.kali.org",
    b"security.kali.org",
    b"kali.download",
    b"archive-4.kali.org",
    b"deb.parrot.sh",
    b"archive.parrotsec.org",
    b"deb.parrotsec.org",
    b"mirror.parrot.sh",
    b"director.geo.parrot.sh",
    b"mirrors.blackarch.org",
    b"blackarch.org.mirror",
    b"mirror.backbox.org",
];
/// Sites about them: weak, many read them. Matched with all names below.
const SITES_OF: &[&[u8]] = &[
    b"kali.org",
    b"parrot.sh",
    b"parrotsec.org",
    b"blackarch.org",
    b"backbox.org",
    b"backtrack-linux.org",
    b"offensive-security.com",
    b"offsec.com",
    b"exploit-db.com",
    b"vulnhub.com",
];
/// Tools that attack what they are pointed at, by how they name themselves in HTTP (lower case, anywhere in the user agent).
const ATTACK_AGENTS: &[(&[u8], &str)] = &[
    (b"nikto", "Nikto"),
    (b"sqlmap", "sqlmap"),
    (b"(hydra)", "Hydra"),
    (b"nmap scripting engine", "Nmap"),
    (b"dirbuster", "DirBuster"),
    (b"gobuster", "Gobuster"),
    (b"feroxbuster", "feroxbuster"),
    (b"wpscan", "WPScan"),
    (b"fuzz faster u fool", "ffuf"),
    (b"wfuzz", "Wfuzz"),
    (b"nuclei", "Nuclei"),
    (b"joomscan", "JoomScan"),
    (b"w3af", "w3af"),
    (b"arachni", "Arachni"),
    (b"skipfish", "Skipfish"),
    (b"havij", "Havij"),
    (b"commix", "commix"),
    (b"whatweb", "WhatWeb"),
    (b"openvas", "OpenVAS"),
    (b"nessus", "Nessus"),
    (b"acunetix", "Acunetix"),
    (b"netsparker", "Netsparker"),
    (b"metasploit", "Metasploit"),
    (b"morfeus", "Morfeus"),
    (b"zmeu", "ZmEu"),
    (b"jorgee", "Jorgee"),
    (b"dirsearch", "dirsearch"),
    (b"davtest", "DAVTest"),
    (b"crackmapexec", "CrackMapExec"),
    (b"patator", "Patator"),
    (b"medusa/", "Medusa"),
];
/// Scanners of the whole internet, and libraries that tools are built on: context.
const SCAN_AGENTS: &[(&[u8], &str)] =
    &[(b"masscan", "masscan"), (b"zgrab", "ZGrab"), (b"zmap", "ZMap"), (b"censysinspect", "Censys"), (b"l9explore", "LeakIX")];
/// How tools name themselves in SSH.
const SSH_TOOLS: &[(&[u8], &str)] = &[
    (b"nmap", "Nmap"),
    (b"zgrab", "ZGrab"),
    (b"masscan", "masscan"),
    (b"ncrack", "Ncrack"),
    (b"medusa", "Medusa"),
    (b"metasploit", "Metasploit"),
];
/// Libraries with which both tools and honest programs log in.
const SSH_LIBRARIES: &[(&[u8], &str)] =
    &[(b"libssh-", "libssh"), (b"libssh_", "libssh"), (b"libssh2", "libssh2"), (b"paramiko", "Paramiko")];

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Id {
    Ip(Ip),
    Mac(Mac),
}

struct Host {
    first: Time,
    last: Time,
    ip: Option<Ip>,
    mac: Option<Mac>,
    /// What it calls itself, where that is a sign.
    name: Option<String>,
    exact_name: bool,
    mirrors: Vec<String>,
    sites: Distinct,
    some_sites: Vec<String>,
    tools: Vec<String>,
    scanners: Vec<String>,
    libraries: Vec<String>,
    probes: Distinct,
    signs: u64,
    evidence: Evidence,
    /// Flows of probes, apart: they are many, and prove the least.
    probed: Evidence,
    told: Told,
}

impl Host {
    fn new(now: Time) -> Self {
        Host {
            first: now,
            last: now,
            ip: None,
            mac: None,
            name: None,
            exact_name: false,
            mirrors: Vec::new(),
            sites: Distinct::default(),
            some_sites: Vec::new(),
            tools: Vec::new(),
            scanners: Vec::new(),
            libraries: Vec::new(),
            probes: Distinct::default(),
            signs: 0,
            evidence: Evidence::default(),
            probed: Evidence::default(),
            told: Told::default(),
        }
    }
}

/// What a row says of a machine.
enum Sign<'a> {
    Name(&'a [u8], bool),
    Mirror(&'a [u8]),
    Site(&'a [u8]),
    Tool(&'static str),
    Scanner(&'static str),
    Library(&'static str),
    Probe(Ip, u16),
}

struct ToolHost {
    hosts: Bounded<Id, Host>,
    /// Which station last said to have an address.
    stations: Bounded<Ip, Mac>,
}

impl ToolHost {
    fn sign(&mut self, ip: Option<Ip>, mac: Option<Mac>, sign: &Sign<'_>, cx: &mut Cx<'_>) {
        let now = cx.now;
        let ip = ip.filter(|i| !i.is_unspecified() && !i.is_multicast_or_broadcast());
        let mac = mac.or_else(|| ip.and_then(|i| self.stations.get(&i).copied()));
        let Some(id) = mac.map(Id::Mac).or(ip.map(Id::Ip)) else { return };
        let (h, gone) = self.hosts.entry(&id, now, || Host::new(now));
        h.last = now;
        h.ip = better(h.ip, ip);
        h.mac = mac.or(h.mac);
        let text = |b: &[u8]| vigie_base::text::lossy(b).into_owned();
        let new = match sign {
            Sign::Name(n, exact) => {
                let new = h.name.is_none() || (*exact && !h.exact_name);
                if new {
                    (h.name, h.exact_name) = (Some(text(n)), *exact);
                }
                new
            }
            Sign::Mirror(n) => add(&mut h.mirrors, text(n)),
            Sign::Site(n) => {
                add(&mut h.some_sites, text(n));
                h.sites.add(n)
            }
            Sign::Tool(t) => add(&mut h.tools, (*t).to_owned()),
            Sign::Scanner(t) => add(&mut h.scanners, (*t).to_owned()),
            Sign::Library(t) => add(&mut h.libraries, (*t).to_owned()),
            Sign::Probe(ip, port) => h.probes.add(&(*ip, *port)),
        };
        h.signs += 1;
        match sign {
            Sign::Probe(..) if !new => {}
            Sign::Probe(..) => h.probed.add(cx.env.flow_id),
            _ => h.evidence.add(cx.env.flow_id),
        }
        tell(id, h, cx, false);
        if let Some((id, mut h)) = gone {
            tell(id, &mut h, cx, true);
        }
    }

    /// A machine is served by a name: where that is one of its signs, the flow is evidence of it.
    fn served(&mut self, name: Option<&[u8]>, cx: &Cx<'_>) {
        let (Some(name), client) = (name, cx.env.src) else { return };
        let id = self.stations.get(&client).map_or(Id::Ip(client), |mac| Id::Mac(*mac));
        if let Some(h) = self.hosts.get_mut(&id)
            && h.mirrors.iter().chain(&h.some_sites).any(|known| known.as_bytes().eq_ignore_ascii_case(name))
        {
            h.evidence.add(cx.env.flow_id);
        }
    }

    /// A machine is now known by its station: what was known of its address goes with it.
    fn station(&mut self, ip: Ip, mac: Mac, cx: &mut Cx<'_>) {
        if ip.is_unspecified() || mac.is_group() || mac == Mac::ZERO {
            return;
        }
        *self.stations.entry(&ip, cx.now, || mac).0 = mac;
        if let Some(h) = self.hosts.get_mut(&Id::Mac(mac))
            && better(h.ip, Some(ip)) != h.ip
        {
            h.ip = Some(ip);
            tell(Id::Mac(mac), h, cx, false);
        }
    }
}

/// The address to name a machine by: the latest, but no link-local one in place of another, nor IPv6 in place of IPv4.
fn better(old: Option<Ip>, new: Option<Ip>) -> Option<Ip> {
    let rank = |ip: Ip| (!ip.is_link_local(), ip.is_v4());
    match (old, new) {
        (Some(o), Some(n)) if rank(o) > rank(n) => Some(o),
        _ => new.or(old),
    }
}

fn add(list: &mut Vec<String>, item: String) -> bool {
    let new = list.len() < NAMED && !list.contains(&item);
    if new {
        list.push(item);
    }
    new
}

/// Whether `name` is `domain` or below it.
fn is_below(name: &[u8], domain: &[u8]) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
}

fn find(text: &[u8], list: &'static [(&'static [u8], &'static str)]) -> Option<&'static str> {
    list.iter().find(|(needle, _)| text.windows(needle.len()).any(|w| w == *needle)).map(|x| x.1)
}

impl Detector for ToolHost {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        if let Some(f) = FactRow::of(row) {
            if f.hearsay() {
                return;
            }
            if let (Some(ip), Some(mac)) = (f.ip(), f.mac()) {
                self.station(ip, mac, cx);
            }
            let value = f.value().to_ascii_lowercase();
            match f.key() {
                "hostname" | "fqdn" => {
                    let host = value.split(|c| *c == b'.').next().unwrap_or_default();
                    let exact = SYSTEMS.contains(&host);
                    let part = host.split(|c| matches!(c, b'-' | b'_')).any(|p| SYSTEMS.contains(&p));
                    if exact || part {
                        self.sign(f.ip(), f.mac(), &Sign::Name(host, exact), cx);
                    }
                }
                "user_agent" => {
                    if let Some(t) = find(&value, ATTACK_AGENTS) {
                        self.sign(f.ip(), f.mac(), &Sign::Tool(t), cx);
                    } else if let Some(t) = find(&value, SCAN_AGENTS) {
                        self.sign(f.ip(), f.mac(), &Sign::Scanner(t), cx);
                    }
                }
                "client_software" if f.source() == "ssh" => {
                    if let Some(t) = find(&value, SSH_TOOLS) {
                        self.sign(f.ip(), f.mac(), &Sign::Tool(t), cx);
                    } else if let Some(t) = find(&value, SSH_LIBRARIES) {
                        self.sign(f.ip(), f.mac(), &Sign::Library(t), cx);
                    }
                }
                _ => {}
            }
        } else if let Some(d) = DnsMessageRow::of(row) {
            if d.kind() != "request" {
                return;
            }
            let client = cx.env.src;
            for q in d.queries() {
                let mut name = q.rrname().to_ascii_lowercase();
                // Package managers ask for the service first (`_http._tcp.`).
                while name.starts_with(b"_")
                    && let Some(dot) = name.iter().position(|c| *c == b'.')
                {
                    name.drain(..=dot);
                }
                if MIRRORS.iter().any(|m| is_below(&name, m)) {
                    self.sign(Some(client), None, &Sign::Mirror(&name), cx);
                } else if SITES_OF.iter().any(|s| is_below(&name, s)) {
                    self.sign(Some(client), None, &Sign::Site(&name), cx);
                }
            }
        } else if let Some(h) = HttpExchangeRow::of(row) {
            self.served(h.hostname(), cx);
        } else if let Some(t) = TlsEventRow::of(row) {
            self.served(t.sni(), cx);
        } else if let Some(f) = FlowStartRow::of(row)
            && cx.env.proto == 6
            && f.tcp_flags() == 2
            && is_bare(f.window(), f.tcp_options())
        {
            self.sign(Some(cx.env.src), None, &Sign::Probe(cx.env.dst, cx.env.dst_port), cx);
        }
    }

    fn time(&mut self, cx: &mut Cx<'_>) {
        while self.stations.expired(cx.now, QUIET).is_some() {}
        while let Some((id, mut h)) = self.hosts.expired(cx.now, QUIET) {
            tell(id, &mut h, cx, true);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        while let Some((id, mut h)) = self.hosts.pop() {
            tell(id, &mut h, cx, true);
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![self.hosts.evicted, self.stations.evicted]
    }
}

/// The flows behind it: those of names, sites and tools first, of probes what room is left.
fn evidence(h: &Host) -> Vec<u64> {
    let mut flows = h.evidence.flows();
    for flow in h.probed.flows() {
        if flows.len() < 2 * Evidence::KEPT && !flows.contains(&flow) {
            flows.push(flow);
        }
    }
    flows
}

/// A handshake that no system's network code sends: raw scanners (Nmap, masscan, ZMap) leave out every option but the segment size.
fn is_bare(window: u16, options: &[u8]) -> bool {
    (window == 1024 && (options.is_empty() || options == b"mss1460")) || (window == 65_535 && options.is_empty())
}

fn tell(id: Id, h: &mut Host, cx: &mut Cx<'_>, end: bool) {
    // Loopback is a machine that attacks itself in a test; it is no stranger.
    let inside = h.mac.is_some() || h.ip.is_none_or(|ip| cx.is_home(ip) || ip.is_loopback());
    let signs = [
        (h.name.is_some() && h.exact_name, "attacker_tool_host.system", 30),
        (h.name.is_some() && !h.exact_name, "attacker_tool_host.name", 15),
        (!h.mirrors.is_empty(), "attacker_tool_host.mirrors", 30),
        (h.sites.count() >= SITES, "attacker_tool_host.sites", 25),
        (!h.tools.is_empty(), "attacker_tool_host.tools", 30),
        (!h.scanners.is_empty(), "attacker_tool_host.scanners", if inside { 15 } else { 5 }),
        (!h.libraries.is_empty(), "attacker_tool_host.libraries", 5),
        (h.probes.count() >= PROBES, "attacker_tool_host.probes", if inside { 10 } else { 5 }),
    ];
    let reasons: Vec<Reason> = signs.iter().filter(|s| s.0).map(|s| Reason { key: s.1, points: s.2 }).collect();
    let points = reasons.iter().map(|r| r.points).sum();
    if !h.told.is_open() && (end || points < ENOUGH) {
        return;
    }
    let Some(phase) = (if end { Some(Phase::Close) } else { h.told.due(h.signs, points) }) else { return };
    let who = match (h.ip, h.mac) {
        (Some(ip), _) => Value::Ip(ip),
        (None, Some(mac)) => Value::Mac(mac),
        (None, None) => Value::Text(String::new()),
    };
    let mut params = vec![("host", who), ("signs", Value::Count(reasons.len() as u64)), ("probes", (&h.probes).into())];
    for (key, list) in
        [("mirrors", &h.mirrors), ("sites", &h.some_sites), ("tools", &h.tools), ("scanners", &h.scanners), ("libraries", &h.libraries)]
    {
        let shown = match key {
            "sites" => h.sites.count() >= SITES,
            _ => !list.is_empty(),
        };
        if shown {
            params.push((key, Value::List(list.clone())));
        }
    }
    if let Some(n) = &h.name {
        params.push(("name", Value::Text(n.clone())));
    }
    let mut named = Vec::new();
    named.extend(h.name.clone());
    named.extend(h.tools.iter().chain(&h.scanners).cloned());
    if named.is_empty() {
        named.extend(h.mirrors.first().or(h.some_sites.first()).cloned());
    }
    params.push(("what", Value::List(named)));
    let (kind, bytes): (&[u8], Vec<u8>) = match id {
        Id::Ip(ip) => (b"ip", ip.0.to_vec()),
        Id::Mac(mac) => (b"mac", mac.0.to_vec()),
    };
    let finding = Finding {
        detector: INFO.name,
        key: Finding::key_of(&[b"attacker_tool_host", kind, &bytes], h.first),
        phase,
        template: TOOLS.key,
        params,
        entities: vec![Entity { role: Role::Attacker, ip: h.ip, net: None, mac: h.mac, name: h.name.clone() }],
        reasons,
        count: h.signs,
        evidence: evidence(h),
        first: h.first,
        last: h.last,
        // From outside, only tools that attack what they are pointed at are worth a case.
        opens_case: inside || !h.tools.is_empty(),
        env: cx.env,
    };
    cx.tell(phase, finding);
}

const TOOLS: Template = Template {
    key: "tools",
    techniques: &["T1588.002", "T1595"],
    en: Words {
        title: "Attack tools on {host} ({what})",
        story: "{host} shows {signs} {signs#sign|signs} of a system or tools made for breaking in.[[ It calls itself {name}.]][[ It fetches packages from {mirrors}.]]\
            [[ It asks for sites that such systems open by default: {sites}.]][[ Tools name themselves in its traffic: {tools}.]][[ Scanners name themselves: {scanners}.]]\
            [[ It logs in with program libraries that guessing tools are built on: {libraries}.]]",
        innocent: "Your own security team or a company you have charged with an audit; a student or enthusiast trying such a system on the wrong network.",
        summary: "{host}: a system or tools made for breaking in ({what})",
        checks: &[
            "Whose machine {host} is, and where it is plugged in: switch port, wireless controller, DHCP log.",
            "Whether an audit was announced for this time and these networks.",
            "What else {host} did: scans, log-in attempts, transfers. They are in the same case if seen.",
        ],
        actions: &[
            "If nobody can explain it, isolate {host} and keep it for examination.",
            "If it is an audit, note its addresses and dates, so that its further alerts are read as such.",
        ],
        reasons: &[
            ("attacker_tool_host.system", "it calls itself {name}: the default name of a system made for breaking in"),
            ("attacker_tool_host.name", "its name contains that of a system made for breaking in: {name}"),
            ("attacker_tool_host.mirrors", "it fetches packages of such a system: {mirrors}"),
            ("attacker_tool_host.sites", "it asks for several sites that such a system's browser opens by default: {sites}"),
            ("attacker_tool_host.tools", "attack tools name themselves in its traffic: {tools}"),
            ("attacker_tool_host.scanners", "scanners name themselves in its traffic: {scanners}"),
            (
                "attacker_tool_host.libraries",
                "it logs in by SSH with libraries that guessing tools are built on: {libraries} (honest programs use them too)",
            ),
            (
                "attacker_tool_host.probes",
                "{probes} connection attempts whose form is that of a raw scanner, not of a system's network code",
            ),
        ],
    },
    fr: Words {
        title: "Outils d’attaque sur {host} ({what})",
        story: "{host} montre {signs} {signs#indice|indices} d’un système ou d’outils faits pour s’introduire.[[ Elle se nomme {name}.]][[ Elle récupère des paquets sur {mirrors}.]]\
            [[ Elle demande des sites que de tels systèmes ouvrent par défaut : {sites}.]][[ Des outils se nomment dans son trafic : {tools}.]][[ Des scanneurs se nomment : {scanners}.]]\
            [[ Elle se connecte avec des bibliothèques dont sont faits les outils de devinette : {libraries}.]]",
        innocent: "Votre propre équipe sécurité ou une société que vous avez chargée d’un audit ; un étudiant ou un curieux qui essaie un tel système sur le mauvais réseau.",
        summary: "{host} : système ou outils faits pour s’introduire ({what})",
        checks: &[
            "À qui est la machine {host} et où elle est branchée : port du commutateur, contrôleur Wi-Fi, journal DHCP.",
            "Si un audit était annoncé pour ce moment et ces réseaux.",
            "Ce que {host} a fait d’autre : balayages, tentatives de connexion, transferts. Ils sont dans le même cas s’ils ont été vus.",
        ],
        actions: &[
            "Si personne ne peut l’expliquer, isolez {host} et gardez-la pour examen.",
            "S’il s’agit d’un audit, notez ses adresses et ses dates, pour que ses autres alertes soient lues comme telles.",
        ],
        reasons: &[
            ("attacker_tool_host.system", "elle se nomme {name} : le nom par défaut d’un système fait pour s’introduire"),
            ("attacker_tool_host.name", "son nom contient celui d’un système fait pour s’introduire : {name}"),
            ("attacker_tool_host.mirrors", "elle récupère des paquets d’un tel système : {mirrors}"),
            ("attacker_tool_host.sites", "elle demande plusieurs sites que le navigateur d’un tel système ouvre par défaut : {sites}"),
            ("attacker_tool_host.tools", "des outils d’attaque se nomment dans son trafic : {tools}"),
            ("attacker_tool_host.scanners", "des scanneurs se nomment dans son trafic : {scanners}"),
            (
                "attacker_tool_host.libraries",
                "elle se connecte en SSH avec des bibliothèques dont sont faits les outils de devinette : {libraries} (des programmes honnêtes les emploient aussi)",
            ),
            (
                "attacker_tool_host.probes",
                "{probes} tentatives de connexion ont la forme de celles d’un scanneur brut, pas de celles d’un système",
            ),
        ],
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, dns_request};
    use vigie_event::Flag;

    const MAC: Mac = Mac([8, 0, 0x27, 1, 2, 3]);

    fn fact<'a>(ip: Option<Ip>, mac: Option<Mac>, key: &'a str, value: &'a str, source: &'a str) -> Fact<'a> {
        Fact { ip, mac, key, value: value.as_bytes(), source, confidence: 90, hearsay: Flag(false) }
    }

    #[test]
    fn a_machine_that_calls_itself_kali_and_gets_an_address() {
        let mut b = Bench::of(INFO.name);
        let ip = Ip::v4([10, 0, 0, 77]);
        b.push(&fact(None, Some(MAC), "hostname", "kali", "dhcp"));
        b.at(1.0).push(&fact(Some(ip), Some(MAC), "lease", "10.0.0.77", "dhcp"));
        b.from("10.0.0.77").at(5.0).push(&dns_request(&[(b"http.kali.org", b"A")]));
        let found = b.finish();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].score(), found[0].entities[0].ip, found[0].entities[0].mac), (60, Some(ip), Some(MAC)));
    }

    fn probe(window: u16, options: &[u8]) -> FlowStart<'_> {
        FlowStart { client_mac: Mac::ZERO, server_mac: Mac::ZERO, ttl: 64, tcp_flags: 2, window, tcp_options: options, payload: 0 }
    }

    #[test]
    fn many_probes_do_not_push_out_the_flows_that_prove_the_rest() {
        let mut b = Bench::of(INFO.name);
        b.push(&fact(Some(Ip::v4([10, 0, 0, 1])), Some(MAC), "hostname", "kali", "dhcp"));
        b.flow(2).to("10.0.0.53", 53).push(&dns_request(&[(b"http.kali.org", b"A")]));
        for port in 1..200 {
            b.flow(1_000 + u64::from(port)).to("10.0.0.2", port).push(&probe(1024, b"mss1460"));
        }
        b.flow(3).to("10.0.0.53", 53).push(&dns_request(&[(b"http.kali.org", b"AAAA")]));
        let found = b.finish();
        let evidence = &found[0].evidence;
        assert_eq!((found[0].count, evidence.len(), &evidence[..4]), (202, 20, &[1, 2, 3, 1_001][..]));
    }

    #[test]
    fn tools_that_name_themselves_and_default_sites() {
        let me = Some(Ip::v4([10, 0, 0, 1]));
        let mut b = Bench::of(INFO.name);
        b.push(&fact(me, None, "user_agent", "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None)", "http"));
        assert_eq!(b.finish().len(), 1);
        let mut b = Bench::of(INFO.name);
        for name in ["www.kali.org", "tools.kali.org", "www.exploit-db.com", "www.offensive-security.com"] {
            b.push(&dns_request(&[(name.as_bytes(), b"A")]));
        }
        assert_eq!(b.finish().len(), 1);
    }

    #[test]
    fn a_reader_an_automation_and_a_passing_scanner_are_not() {
        let mut b = Bench::of(INFO.name);
        let me = Some(Ip::v4([10, 0, 0, 1]));
        b.push(&dns_request(&[(b"www.kali.org", b"A"), (b"www.exploit-db.com", b"A")]));
        b.push(&fact(me, None, "client_software", "paramiko_2.12.0", "ssh"));
        b.push(&fact(me, None, "hostname", "kalimera", "dhcp"));
        b.push(&fact(Some(Ip::v4([203, 0, 113, 9])), None, "user_agent", "Mozilla/5.0 zgrab/0.x", "http"));
        assert!(b.finish().is_empty());
    }
}
