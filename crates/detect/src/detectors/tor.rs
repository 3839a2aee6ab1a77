//! Tor: a machine that joins the anonymity network.
//!
//! Without any list, by what the link protocol shows (tor-spec, "Negotiating and initializing connections"): the relay's certificate names a
//! made-up host (`www.` + 8 to 20 letters of base32 + `.net`) and its issuer another one (`.com`), with nothing else in either; the client
//! asks for a third made-up name that nobody looked up; what follows is records of whole cells. TLS 1.3 hides the certificate, so that names and cells
//! must do. With a list of relays, their addresses. Ports 9001 and 9030, and `.onion` names asked of DNS by mistake, only add.
//!
//! ATT&CK: T1090.003 Multi-hop Proxy.

use crate::bounded::Bounded;
use crate::count::Distinct;
use crate::detector::{Cx, Detector, Info, Settings};
use crate::finding::{Entity, Evidence, Finding, Phase, Reason, Role, Story, Told, Value};
use crate::text::{Template, Words};
use vigie_base::hash::Stable;
use vigie_base::time::SECOND;
use vigie_base::{Budget, Ip, Share, Time};
use vigie_dissect::proto::dns::{DnsMessage, DnsMessageRow};
use vigie_dissect::proto::tls::{TlsEvent, TlsEventRow, TlsShape, TlsShapeRow};
use vigie_event::{Record, Row};
use vigie_flow::record::{FlowStart, FlowStartRow};

/// Made-up names that a client asks for, each another, when nothing else tells: one could be a strange brand.
const NAMES: u64 = 3;
/// Records of whole cells in one session, and their share of all, that look like Tor: the handshake's own records do not.
const CELLS: u16 = 3;
/// See [`CELLS`].
const CELL_SHARE: f64 = 0.4;
/// A finding without a new sign for so long is over.
const QUIET: u64 = 2 * 3600 * SECOND;
/// Sessions wait so long for the shape of what follows.
const SESSION: u64 = 300 * SECOND;
/// A name looked up within so long is not made up.
const LOOKED_UP: u64 = 24 * 3600 * SECOND;
/// Relays named in a finding.
const NAMED: usize = 8;

const CLIENTS: Budget = Budget {
    name: "detect.tor.clients",
    entries_max: 1024,
    entry_bytes: Bounded::<Ip, Client>::ENTRY_BYTES + 2 * Distinct::BYTES_MAX + 512,
    when_full: "the client unused for longest is closed",
};
const SESSIONS: Budget = Budget {
    name: "detect.tor.sessions",
    entries_max: 16_384,
    entry_bytes: Bounded::<u64, ()>::ENTRY_BYTES,
    when_full: "the oldest session is forgotten",
};
const LOOKUPS: Budget = Budget {
    name: "detect.tor.lookups",
    entries_max: 32_768,
    entry_bytes: Bounded::<u64, ()>::ENTRY_BYTES,
    when_full: "the oldest name is forgotten",
};

/// See the module.
pub static INFO: Info = Info {
    name: "tor",
    sid: 9_000_003,
    signature: "VIGIE Connection to the Tor network",
    category: "Potential Corporate Privacy Violation",
    story: Story::Intrusion,
    inputs: &[TlsEvent::KIND, TlsShape::KIND, DnsMessage::KIND, FlowStart::KIND],
    budgets: &[CLIENTS, SESSIONS, LOOKUPS],
    tunables: &[],
    templates: &[CLIENT],
    make: |s: &Settings| Box::new(Tor::new(!s.tor_relays.is_empty(), s.share)),
};

struct Client {
    first: Time,
    last: Time,
    relays: Distinct,
    some_relays: Vec<Ip>,
    names: Distinct,
    some_names: Vec<String>,
    sessions: u64,
    certificates: u64,
    cells: u64,
    listed: u64,
    onion: u64,
    tor_port: bool,
    evidence: Evidence,
    told: Told,
}

impl Client {
    fn new(now: Time) -> Self {
        Client {
            first: now,
            last: now,
            relays: Distinct::default(),
            some_relays: Vec::new(),
            names: Distinct::default(),
            some_names: Vec::new(),
            sessions: 0,
            certificates: 0,
            cells: 0,
            listed: 0,
            onion: 0,
            tor_port: false,
            evidence: Evidence::default(),
            told: Told::default(),
        }
    }
}

/// What one session shows.
#[derive(Default)]
struct Signs {
    certificate: bool,
    cells: bool,
    listed: bool,
    onion: bool,
}

struct Tor {
    clients: Bounded<Ip, Client>,
    /// Sessions that asked for a made-up name.
    sessions: Bounded<u64, ()>,
    lookups: Bounded<u64, ()>,
    have_list: bool,
}

impl Tor {
    fn new(have_list: bool, share: Share) -> Self {
        Tor {
            clients: Bounded::of(CLIENTS, share),
            sessions: Bounded::of(SESSIONS, share),
            lookups: Bounded::of(LOOKUPS, share),
            have_list,
        }
    }

    fn sign(&mut self, signs: &Signs, name: Option<&[u8]>, cx: &mut Cx<'_>) {
        let (now, client, server) = (cx.now, cx.env.src, cx.env.dst);
        let (c, gone) = self.clients.entry(&client, now, || Client::new(now));
        c.last = now;
        c.certificates += u64::from(signs.certificate);
        c.cells += u64::from(signs.cells);
        c.listed += u64::from(signs.listed);
        c.onion += u64::from(signs.onion);
        if !signs.onion {
            // Cells belong to a session that was counted by its name.
            c.sessions += u64::from(!signs.cells);
            c.tor_port |= matches!(cx.env.dst_port, 9001 | 9030);
            if c.relays.add(&server) && c.some_relays.len() < NAMED {
                c.some_relays.push(server);
            }
            c.evidence.add(cx.env.flow_id);
        }
        if let Some(n) = name
            && c.names.add(&n)
            && c.some_names.len() < NAMED
        {
            c.some_names.push(vigie_base::text::lossy(n).into_owned());
        }
        tell(client, c, cx, false);
        if let Some((ip, mut c)) = gone {
            tell(ip, &mut c, cx, true);
        }
    }
}

fn name_hash(name: &[u8]) -> u64 {
    Stable::default().bytes(&name.to_ascii_lowercase()).finish()
}

/// The made-up part of a host name as Tor makes it: `www.`, letters of base32, `.com` or `.net`; and it looks made up.
fn made_up(name: &[u8], shortest: usize, longest: usize) -> bool {
    let Some(label) = name.strip_prefix(b"www.").and_then(|n| n.strip_suffix(b".com").or(n.strip_suffix(b".net"))) else { return false };
    (shortest..=longest).contains(&label.len()) && label.iter().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7')) && is_noise(label)
}

/// Whether no person would make this name: digits strewn among letters, or letters that cannot be spoken.
fn is_noise(label: &[u8]) -> bool {
    let changes = label.windows(2).filter(|w| w[0].is_ascii_digit() != w[1].is_ascii_digit()).count();
    let is_vowel = |c: &u8| matches!(c, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let longest = label.split(is_vowel).map(<[u8]>::len).max().unwrap_or(0);
    changes >= 2 || longest >= 5
}

/// The single common name of a distinguished name that has nothing else.
fn lone_cn(dn: &[u8]) -> Option<&[u8]> {
    dn.strip_prefix(b"CN=").filter(|n| !n.contains(&b',') && !n.contains(&b'='))
}

impl Detector for Tor {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        if let Some(t) = TlsEventRow::of(row) {
            let pair = t.subject().and_then(lone_cn).zip(t.issuerdn().and_then(lone_cn));
            let certificate =
                pair.is_some_and(|(s, i)| s != i && made_up(s, 8, 20) && made_up(i, 8, 20) && t.certificates().unwrap_or(1) == 1);
            let sni = t.sni().filter(|n| made_up(n, 4, 25) && self.lookups.get(&name_hash(n)).is_none());
            if sni.is_some() {
                self.sessions.entry(&cx.env.flow_id, cx.now, || ());
            }
            if certificate || sni.is_some() {
                self.sign(&Signs { certificate, ..Signs::default() }, sni, cx);
            }
        } else if let Some(s) = TlsShapeRow::of(row) {
            let cells = s.tor_cells();
            if cells >= CELLS && f64::from(cells) >= CELL_SHARE * f64::from(s.records()) && self.sessions.remove(&cx.env.flow_id).is_some()
            {
                self.sign(&Signs { cells: true, ..Signs::default() }, None, cx);
            }
        } else if let Some(d) = DnsMessageRow::of(row) {
            for q in d.queries() {
                let name = q.rrname();
                self.lookups.entry(&name_hash(name), cx.now, || ());
                if name.to_ascii_lowercase().ends_with(b".onion") && d.kind() == "request" {
                    self.sign(&Signs { onion: true, ..Signs::default() }, None, cx);
                }
            }
        } else if self.have_list
            && FlowStartRow::of(row).is_some()
            && cx.env.proto == 6
            && cx.settings.tor_relays.binary_search(&cx.env.dst).is_ok()
        {
            self.sign(&Signs { listed: true, ..Signs::default() }, None, cx);
        }
    }

    fn time(&mut self, cx: &mut Cx<'_>) {
        while self.sessions.expired(cx.now, SESSION).is_some() {}
        while self.lookups.expired(cx.now, LOOKED_UP).is_some() {}
        while let Some((ip, mut c)) = self.clients.expired(cx.now, QUIET) {
            tell(ip, &mut c, cx, true);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        while let Some((ip, mut c)) = self.clients.pop() {
            tell(ip, &mut c, cx, true);
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![self.clients.evicted, self.sessions.evicted, self.lookups.evicted]
    }
}

fn tell(client: Ip, c: &mut Client, cx: &mut Cx<'_>, end: bool) {
    let enough = c.certificates > 0 || c.listed > 0 || (c.names.count() > 0 && c.cells > 0) || c.names.count() >= NAMES;
    if !enough && !c.told.is_open() {
        return;
    }
    let signs = [
        (c.certificates > 0, "tor.certificates", 45),
        (c.listed > 0, "tor.listed", 40),
        (c.names.count() > 0, "tor.names", 20),
        (c.names.count() >= NAMES, "tor.many_names", 10),
        (c.cells > 0, "tor.cells", 20),
        (c.tor_port, "tor.port", 5),
        (c.onion > 0, "tor.onion", 5),
    ];
    let reasons: Vec<Reason> = signs.iter().filter(|s| s.0).map(|s| Reason { key: s.1, points: s.2 }).collect();
    let points = reasons.iter().map(|r| r.points).sum();
    let Some(phase) = (if end { c.told.is_open().then_some(Phase::Close) } else { c.told.due(c.sessions, points) }) else { return };
    let mut params = vec![
        ("client", Value::Ip(client)),
        ("relays", (&c.relays).into()),
        ("some", Value::List(c.some_relays.iter().map(Ip::to_string).collect())),
        ("sessions", Value::Count(c.sessions.max(1))),
        ("duration", Value::Duration(c.last.since(c.first))),
        ("certificates", Value::Count(c.certificates)),
        ("listed", Value::Count(c.listed)),
        ("cells", Value::Count(c.cells)),
        ("onion", Value::Count(c.onion)),
    ];
    if !c.some_names.is_empty() {
        params.push(("names", Value::List(c.some_names.clone())));
    }
    let mut entities = vec![Entity::ip(Role::Client, client)];
    entities.extend(c.some_relays.iter().map(|ip| Entity::ip(Role::Server, *ip)));
    let finding = Finding {
        detector: INFO.name,
        key: Finding::key_of(&[b"tor", &client.0], c.first),
        phase,
        template: CLIENT.key,
        params,
        entities,
        reasons,
        count: c.sessions.max(1),
        evidence: c.evidence.flows(),
        first: c.first,
        last: c.last,
        opens_case: true,
        env: cx.env,
    };
    cx.tell(phase, finding);
}

const CLIENT: Template = Template {
    key: "client",
    techniques: &["T1090.003"],
    en: Words {
        title: "Tor in use on {client}",
        story: "{client} opened {sessions} {sessions#session|sessions} to {relays} {relays#machine that behaves like a Tor relay|machines that behave like Tor relays} \
            within {duration}: {some}.[[ It asked them for names that nobody looked up and nobody would choose ({names}).]] What passes inside cannot be seen: \
            Tor hides both the content and the destination.",
        innocent: "A person who uses the Tor Browser for privacy or research, if your rules allow it.",
        summary: "{client} uses Tor: {sessions} {sessions#session|sessions} to {relays} {relays#relay|relays}",
        checks: &[
            "Who uses {client}, and whether the Tor Browser is installed and allowed.",
            "Whether {client} is a server: then there is no good reason, and malware that calls home is likely.",
            "How much was sent, and whether {client} read sensitive data just before.",
        ],
        actions: &[
            "If it is not allowed, block the relays at the firewall and remove the program.",
            "If nobody installed it, isolate {client} and look for malware.",
        ],
        reasons: &[
            (
                "tor.certificates",
                "{certificates} {certificates#session shows|sessions show} a certificate as only Tor relays make them: made-up names for subject and issuer, nothing else",
            ),
            ("tor.listed", "{listed} {listed#connection|connections} to addresses on the list of Tor relays"),
            ("tor.names", "made-up server names that were never looked up in DNS[[: {names}]]"),
            ("tor.many_names", "each session asks for another made-up name"),
            ("tor.cells", "{cells} {cells#session carries|sessions carry} records of the size of Tor cells"),
            ("tor.port", "a port that Tor relays use by default (9001, 9030)"),
            ("tor.onion", "{onion} {onion#name|names} of hidden services (.onion) asked of DNS"),
        ],
    },
    fr: Words {
        title: "Tor utilisé sur {client}",
        story: "{client} a ouvert {sessions} {sessions#session|sessions} vers {relays} {relays#machine qui se comporte|machines qui se comportent} comme des relais Tor \
            en {duration} : {some}.[[ Elle leur a demandé des noms que personne n’a résolus et que personne ne choisirait ({names}).]] Ce qui passe à l’intérieur ne peut être vu : \
            Tor cache à la fois le contenu et la destination.",
        innocent: "Une personne qui utilise le navigateur Tor pour sa vie privée ou une recherche, si vos règles le permettent.",
        summary: "{client} utilise Tor : {sessions} {sessions#session|sessions} vers {relays} {relays#relais|relais}",
        checks: &[
            "Qui utilise {client}, et si le navigateur Tor y est installé et permis.",
            "Si {client} est un serveur : il n’y a alors pas de bonne raison, et un logiciel malveillant qui rend compte est probable.",
            "Combien a été envoyé, et si {client} a lu des données sensibles juste avant.",
        ],
        actions: &[
            "Si ce n’est pas permis, bloquez les relais au pare-feu et retirez le programme.",
            "Si personne ne l’a installé, isolez {client} et cherchez un logiciel malveillant.",
        ],
        reasons: &[
            (
                "tor.certificates",
                "{certificates} {certificates#session montre|sessions montrent} un certificat comme seuls les relais Tor en font : noms inventés pour le sujet et l’émetteur, rien d’autre",
            ),
            ("tor.listed", "{listed} {listed#connexion|connexions} vers des adresses de la liste des relais Tor"),
            ("tor.names", "des noms de serveur inventés, jamais demandés au DNS[[ : {names}]]"),
            ("tor.many_names", "chaque session demande un autre nom inventé"),
            ("tor.cells", "{cells} {cells#session transporte|sessions transportent} des enregistrements de la taille des cellules Tor"),
            ("tor.port", "un port par défaut des relais Tor (9001, 9030)"),
            ("tor.onion", "{onion} {onion#nom|noms} de services cachés (.onion) demandés au DNS"),
        ],
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, dns_request, tls};

    #[test]
    fn relays_by_their_certificates() {
        let mut b = Bench::of(INFO.name);
        for i in 0..4 {
            let mut t = tls(b"www.ct7ctrgb6cr7.com");
            t.subject = Some(b"CN=www.xkgk7fdx362yyyxib.net");
            t.issuerdn = Some(b"CN=www.g6ghvisevf3ibuu5.com");
            b.flow(i + 1).to(&format!("203.0.113.{i}"), 443).at(1.0).push(&t);
        }
        let found = b.finish();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].entities.len(), found[0].count), (5, 4));
        assert!(found[0].score() >= 50);
    }

    #[test]
    fn names_and_cells_where_the_certificate_is_hidden() {
        let mut b = Bench::of(INFO.name);
        b.to("203.0.113.1", 9001).push(&tls(b"www.gfu7hbxpfp.com"));
        b.at(1.0).push(&TlsShape { to_server: &[536, 536], to_client: &[543], records: 8, turns: 4, tor_cells: 5, version: "TLS 1.3" });
        assert_eq!(b.finish().len(), 1);
    }

    #[test]
    fn ordinary_names_and_self_signed_devices_are_not() {
        let mut b = Bench::of(INFO.name);
        for (i, name) in ["www.google.com", "www.bbc.com", "www.365scores.com", "www.strengths.com", "www.wikihow.com", "www.speedtest.net"]
            .iter()
            .enumerate()
        {
            let mut t = tls(name.as_bytes());
            t.subject = Some(b"CN=printer");
            t.issuerdn = Some(b"CN=printer");
            b.flow(i as u64 + 1).push(&t);
        }
        // A made-up name that was looked up is an advertiser's.
        b.push(&dns_request(&[(b"www.x7kq2vb4tt.com", b"A")]));
        b.push(&tls(b"www.x7kq2vb4tt.com")).push(&dns_request(&[(b"abc.onion", b"A")]));
        assert!(b.finish().is_empty());
    }
}
