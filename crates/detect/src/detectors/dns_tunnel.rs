//! DNS tunnels: data carried in the names asked for and in the answers.
//!
//! For each client and domain: how many different names, how long their made part is, which types are asked for, how much comes back. A tunnel
//! asks each name once, fills it with as much data as fits, and wants types that carry data (TXT, NULL, CNAME, MX, ...); or it fetches texts
//! that say nothing about mail. Content networks, reputation services, directories and reverse look-ups ask many names too, but short
//! ones, again and again, or for addresses only.
//!
//! ATT&CK: T1071.004 DNS, T1048 Exfiltration Over Alternative Protocol, T1572 Protocol Tunneling.

use crate::bounded::Bounded;
use crate::count::Distinct;
use crate::detector::{Cx, Detector, Info, Settings, Tunable};
use crate::finding::{Entity, Evidence, Finding, Phase, Reason, Role, Story, Told, Value};
use crate::text::{Template, Words};
use vigie_base::hash::{hash_one, table_state};
use vigie_base::time::SECOND;
use vigie_base::{Budget, Ip, Time};
use vigie_dissect::proto::dns::{DnsMessage, DnsMessageRow};
use vigie_event::{Record, Row};

/// Different names below one domain by types that carry data.
static NAMES: Tunable = Tunable {
    key: "detect.dns_tunnel.names",
    default: 25,
    range: (5, 1_000_000),
    doc: "Different names below one domain, asked for once each and with data in them, that are told as a tunnel.",
};
/// Bytes in the made part of a name, on average: what encodes data is long.
const NAME_BYTES: f64 = 12.0;
/// Share of queries for types that carry data. Ordinary clients ask for addresses.
const CARRYING: f64 = 0.5;
/// A name whose made part is shorter carries nothing by itself: [`ADDRESS_NAME_BYTES`] asks for more on average.
const PLAIN_BYTES: usize = 20;
/// Names by addresses only: exfiltration one way; reputation services look alike but shorter.
const ADDRESS_NAMES: u64 = 150;
/// Bytes of the made part then: more than a hash of 128 bits in hexadecimal.
const ADDRESS_NAME_BYTES: f64 = 34.0;
/// Different names whose answers bring texts: commands fetched.
static TEXTS: Tunable = Tunable {
    key: "detect.dns_tunnel.texts",
    default: 10,
    range: (5, 1_000_000),
    doc: "Answers with long texts below one domain that are told as a tunnel.",
};
/// Bytes of text in all.
const TEXT_BYTES: u64 = 1500;
/// Bytes of text an answer, on average. Origin and block lists answer with a line.
const TEXT_EACH: f64 = 90.0;
/// Share of names that are asked for once.
const ONCE: f64 = 0.6;
/// A finding without a new query for so long is over, and counting begins anew.
const QUIET: u64 = 2 * 3600 * SECOND;

const DOMAINS: Budget = Budget {
    name: "detect.dns_tunnel.domains",
    entries_max: 4096,
    entry_bytes: Bounded::<(Ip, Vec<u8>), Domain>::ENTRY_BYTES + 2 * Distinct::BYTES_MAX + 400,
    when_full: "the client and domain unused for longest are forgotten",
};
const PLAIN: Budget = Budget {
    name: "detect.dns_tunnel.plain",
    entries_max: 131_072,
    entry_bytes: Bounded::<u64, Plain>::ENTRY_BYTES,
    when_full: "the ordinary questions of the client and domain unused for longest are forgotten",
};
const SERVERS: Budget = Budget {
    name: "detect.dns_tunnel.servers",
    entries_max: 4096,
    entry_bytes: Bounded::<Ip, ()>::ENTRY_BYTES,
    when_full: "the server heard longest ago is forgotten",
};

/// See the module.
pub static INFO: Info = Info {
    name: "dns_tunnel",
    sid: 9_000_010,
    signature: "VIGIE DNS tunnel",
    category: "Potentially Bad Traffic",
    story: Story::Intrusion,
    inputs: &[DnsMessage::KIND],
    budgets: &[DOMAINS, PLAIN, SERVERS],
    tunables: &[&NAMES, &TEXTS],
    templates: &[TUNNEL],
    make: |settings: &Settings| {
        Box::new(DnsTunnel {
            domains: Bounded::of(DOMAINS, settings.share),
            plain: Bounded::of(PLAIN, settings.share),
            servers: Bounded::of(SERVERS, settings.share),
        })
    },
};

/// Domains below which many names are ordinary: reverse look-ups, local discovery, directories.
const ORDINARY: &[&[u8]] = &[b"arpa", b"local", b"lan", b"localdomain", b"home", b"internal", b"workgroup", b"mshome.net"];
/// Second levels that are sold like top levels (a short list: a wrong guess joins domains of one country, or parts one).
const SECOND_LEVELS: &[&[u8]] =
    &[b"co", b"com", b"net", b"org", b"gov", b"gouv", b"edu", b"ac", b"or", b"ne", b"go", b"asso", b"nhs", b"gob", b"govt", b"mil"];
/// The name of names without a domain: a client that talks straight to its server.
const NO_DOMAIN: &str = "-";

struct Domain {
    first: Time,
    last: Time,
    queries: u64,
    carrying: u64,
    names: Distinct,
    /// Different names before the first that could carry something, about.
    plain_names: u64,
    /// Bytes of the made part, over different names.
    name_bytes: u64,
    texts: u64,
    text_bytes: u64,
    answer_bytes: u64,
    types: Vec<String>,
    example: String,
    server: Ip,
    evidence: Evidence,
    told: Told,
}

/// Questions of a client below a domain that carry nothing so far: what nearly all look-ups are. A [`Domain`] begins with the first that
/// could carry something, and takes these into account.
#[derive(Clone, Copy, Default)]
struct Plain {
    queries: u32,
    name_bytes: u32,
    answer_bytes: u32,
    /// Which of 64 hashes of names came.
    names: u64,
}

impl Plain {
    fn ask(&mut self, made: &[u8]) {
        self.queries = self.queries.saturating_add(1);
        let bit = 1 << (hash_one(&table_state(1), &made) & 63);
        if self.names & bit == 0 {
            self.names |= bit;
            self.name_bytes = self.name_bytes.saturating_add(made.len() as u32);
        }
    }
}

struct DnsTunnel {
    domains: Bounded<(Ip, Vec<u8>), Domain>,
    /// By a hash of client and domain.
    plain: Bounded<u64, Plain>,
    /// Who was seen to answer: a resolver asks on behalf of others.
    servers: Bounded<Ip, ()>,
}

/// The part of a name that its owner sells or keeps, and what stands before it. `None` where many names are ordinary.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let mut dots = name.iter().enumerate().rev().filter(|(_, c)| **c == b'.').map(|(i, _)| i);
    let first = dots.next()?;
    let top = &name[first + 1..];
    let ordinary = |d: &[u8]| ORDINARY.iter().any(|o| o.eq_ignore_ascii_case(d));
    if ordinary(top) || name.starts_with(b"_") {
        return None;
    }
    // What no registry sells: the whole name is data.
    if top.len() > 18 || (top.iter().any(u8::is_ascii_digit) && !top.starts_with(b"xn--")) {
        return Some((NO_DOMAIN.as_bytes(), name));
    }
    let second = dots.next()?;
    let level = &name[second + 1..first];
    let at = if top.len() == 2 && SECOND_LEVELS.iter().any(|s| s.eq_ignore_ascii_case(level)) { dots.next()? } else { second };
    if ordinary(&name[at + 1..]) || is_reversed(&name[..at]) {
        return None;
    }
    Some((&name[at + 1..], &name[..at]))
}

/// An address written backwards before a list's name: block lists, origin look-ups.
fn is_reversed(made: &[u8]) -> bool {
    let numbers = made.split(|c| *c == b'.').take_while(|l| !l.is_empty() && l.len() <= 3 && l.iter().all(u8::is_ascii_digit)).count();
    let nibbles = made.split(|c| *c == b'.').take_while(|l| l.len() == 1 && l[0].is_ascii_hexdigit()).count();
    numbers >= 4 || nibbles >= 16
}

/// Types by which a server can send data of its choice. PTR, SOA, NS, SRV, HTTPS and DNSSEC's are asked for by ordinary programs.
fn carries(rrtype: &[u8]) -> bool {
    matches!(rrtype, b"TXT" | b"NULL" | b"CNAME" | b"MX" | b"KEY" | b"SPF" | b"HINFO" | b"RP" | b"WKS" | b"65399" | b"10")
}

/// Texts about mail and ownership: SPF, DKIM, DMARC, verification.
fn is_ordinary_text(t: &[u8]) -> bool {
    let t = t.strip_prefix(b"\"").unwrap_or(t);
    t.starts_with(b"v=") || t.windows(13).take(64).any(|w| w.eq_ignore_ascii_case(b"-verification"))
}

/// Whether an answer brings a text that a program could be waiting for.
fn is_text(rrtype: &[u8], data: &[u8]) -> bool {
    matches!(rrtype, b"TXT" | b"NULL") && !data.is_empty() && !is_ordinary_text(data)
}

impl Detector for DnsTunnel {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        let Some(d) = DnsMessageRow::of(row) else { return };
        if d.opcode() != 0 {
            return;
        }
        let now = cx.now;
        let request = d.kind() == "request";
        let (client, server) = if request { (cx.env.src, cx.env.dst) } else { (cx.env.dst, cx.env.src) };
        if !request {
            self.servers.entry(&server, now, || ());
        }
        let Some(q) = d.queries().next() else { return };
        let Some((domain, made)) = split(q.rrname()) else { return };
        let key = (client, domain.to_ascii_lowercase());
        let mut before = Plain::default();
        if self.domains.get(&key).is_none() {
            let short = hash_one(&table_state(2), &key);
            if request && made.len() < PLAIN_BYTES && !carries(q.rrtype()) {
                self.plain.entry(&short, now, Plain::default).0.ask(made);
                return;
            }
            let texts = || d.answers().any(|a| is_text(a.rrtype(), a.rdata().unwrap_or_default()));
            let plain = self.plain.get_mut(&short);
            if !request {
                // An answer to what was not asked is none of ours.
                let Some(plain) = plain else { return };
                if !texts() {
                    let bytes: usize = d.answers().map(|a| a.rdata().unwrap_or_default().len()).sum();
                    plain.answer_bytes = plain.answer_bytes.saturating_add(bytes as u32);
                    return;
                }
            }
            before = self.plain.remove(&short).unwrap_or_default();
        }
        let (e, gone) = self.domains.entry(&key, now, || Domain {
            first: now,
            last: now,
            queries: u64::from(before.queries),
            carrying: 0,
            names: Distinct::default(),
            plain_names: u64::from(before.names.count_ones()),
            name_bytes: u64::from(before.name_bytes),
            texts: 0,
            text_bytes: 0,
            answer_bytes: u64::from(before.answer_bytes),
            types: Vec::new(),
            example: String::new(),
            server,
            evidence: Evidence::default(),
            told: Told::default(),
        });
        e.last = now;
        if request {
            e.queries += 1;
            e.server = server;
            e.carrying += u64::from(carries(q.rrtype()));
            if e.names.add(&made) {
                e.name_bytes += made.len() as u64;
                if e.example.len() < made.len() {
                    e.example = vigie_base::text::lossy(q.rrname()).into_owned();
                }
            }
            let rrtype = vigie_base::text::lossy(q.rrtype());
            if e.types.len() < 8 && !e.types.iter().any(|t| *t == rrtype) {
                e.types.push(rrtype.into_owned());
            }
            e.evidence.add(cx.env.flow_id);
        } else {
            for a in d.answers() {
                let data = a.rdata().unwrap_or_default();
                e.answer_bytes += data.len() as u64;
                if is_text(a.rrtype(), data) {
                    e.texts += 1;
                    e.text_bytes += data.len() as u64;
                }
            }
        }
        let resolver = self.servers.get(&client).is_some();
        tell(&key.1, client, resolver, e, cx, false);
        if let Some(((client, domain), mut e)) = gone {
            tell(&domain, client, false, &mut e, cx, true);
        }
    }

    fn time(&mut self, cx: &mut Cx<'_>) {
        while self.servers.expired(cx.now, 12 * QUIET).is_some() {}
        while self.plain.expired(cx.now, QUIET).is_some() {}
        while let Some(((client, domain), mut e)) = self.domains.expired(cx.now, QUIET) {
            tell(&domain, client, false, &mut e, cx, true);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        while let Some(((client, domain), mut e)) = self.domains.pop() {
            tell(&domain, client, false, &mut e, cx, true);
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![self.domains.evicted, self.plain.evicted, self.servers.evicted]
    }
}

fn tell(domain: &[u8], client: Ip, resolver: bool, e: &mut Domain, cx: &mut Cx<'_>, end: bool) {
    let names = e.names.count() + e.plain_names;
    let each = e.name_bytes as f64 / names.max(1) as f64;
    let carrying = e.carrying as f64 / e.queries.max(1) as f64;
    let once = names as f64 >= ONCE * e.queries as f64;
    let (many_names, many_texts) = (cx.settings.get(&NAMES), cx.settings.get(&TEXTS));
    let by_types = names >= many_names && carrying >= CARRYING && each >= NAME_BYTES && once;
    let by_names = names >= ADDRESS_NAMES && each >= ADDRESS_NAME_BYTES && once;
    let long_texts = e.texts >= many_texts && e.text_bytes >= TEXT_BYTES;
    let by_texts = long_texts && names >= many_texts && e.text_bytes as f64 >= TEXT_EACH * e.texts as f64;
    if !e.told.is_open() && (end || resolver || !(by_types || by_names || by_texts)) {
        return;
    }
    let signs = [
        (names >= many_names || by_names, "dns_tunnel.names", 25),
        (carrying >= CARRYING, "dns_tunnel.types", 15),
        (long_texts, "dns_tunnel.texts", 25),
        (e.name_bytes >= 20_000, "dns_tunnel.volume", 15),
    ];
    let reasons: Vec<Reason> = signs.iter().filter(|s| s.0).map(|s| Reason { key: s.1, points: s.2 }).collect();
    let points = reasons.iter().map(|r| r.points).sum();
    let Some(phase) = (if end { e.told.is_open().then_some(Phase::Close) } else { e.told.due(e.queries, points) }) else { return };
    let mut params = vec![
        ("client", Value::Ip(client)),
        ("server", Value::Ip(e.server)),
        ("names", if e.plain_names == 0 { (&e.names).into() } else { Value::About(names) }),
        ("queries", Value::Count(e.queries)),
        ("duration", Value::Duration(e.last.since(e.first))),
        ("up", Value::Bytes(e.name_bytes)),
        ("down", Value::Bytes(e.answer_bytes)),
        ("each", Value::Count(each.round() as u64)),
        ("share", Value::Percent((carrying * 100.0).round() as u8)),
        ("types", Value::List(e.types.clone())),
        ("example", Value::Text(e.example.clone())),
        ("texts", Value::Count(e.texts)),
        ("text_bytes", Value::Bytes(e.text_bytes)),
    ];
    if domain != NO_DOMAIN.as_bytes() {
        params.push(("domain", Value::Text(vigie_base::text::lossy(domain).into_owned())));
    }
    let finding = Finding {
        detector: INFO.name,
        key: Finding::key_of(&[b"dns_tunnel", &client.0, domain], e.first),
        phase,
        template: TUNNEL.key,
        params,
        entities: vec![Entity::ip(Role::Client, client), Entity::ip(Role::Server, e.server)],
        reasons,
        count: e.queries,
        evidence: e.evidence.flows(),
        first: e.first,
        last: e.last,
        opens_case: true,
        env: cx.env,
    };
    cx.tell(phase, finding);
}

const TUNNEL: Template = Template {
    key: "tunnel",
    techniques: &["T1071.004", "T1572", "T1048"],
    en: Words {
        title: "DNS tunnel from {client}[[ through {domain}]]",
        story: "Within {duration} {client} asked {server} for {names} different names[[ below {domain}]], {each} letters each on average, types {types}; \
            {share} of the {queries} questions are for types that carry data. About {up} went out in the names and {down} came back. An example: {example}. \
            Names like these are not looked up to find machines: they carry data past the firewall.",
        innocent: "Some security products and content networks put long keys into names (reputation, licences, telemetry). They ask for addresses, repeat \
            themselves and bring back next to nothing.",
        summary: "{client}: {names} made-up names[[ below {domain}]], {up} out and {down} back in {duration}",
        checks: &[
            "Who owns the domain, since when it exists, and whether a product of yours is documented to use it.",
            "Which program on {client} asks (iodine, dnscat2 and PowerShell leave traces in the process list).",
            "Whether other machines ask the same domain.",
        ],
        actions: &[
            "Block the domain on your resolver, and let only your resolvers ask DNS outside.",
            "Isolate {client} and look for what was sent: the volume above is an upper bound.",
        ],
        reasons: &[
            ("dns_tunnel.names", "{names} different names, {each} letters each, nearly all asked once"),
            ("dns_tunnel.types", "{share} of the questions are for types that carry data ({types})"),
            ("dns_tunnel.texts", "{texts} answers brought {text_bytes} of text that is not about mail"),
            ("dns_tunnel.volume", "{up} went out in names"),
        ],
    },
    fr: Words {
        title: "Tunnel DNS depuis {client}[[ par {domain}]]",
        story: "En {duration}, {client} a demandé à {server} {names} noms différents[[ sous {domain}]], de {each} lettres en moyenne, types {types} ; \
            {share} des {queries} questions portent sur des types qui transportent des données. Environ {up} sont sortis dans les noms et {down} sont revenus. Un exemple : {example}. \
            De tels noms ne servent pas à trouver des machines : ils font passer des données à travers le pare-feu.",
        innocent: "Certains produits de sécurité et réseaux de diffusion mettent de longues clés dans les noms (réputation, licences, télémétrie). Ils demandent des adresses, \
            se répètent et ne rapportent presque rien.",
        summary: "{client} : {names} noms inventés[[ sous {domain}]], {up} sortis et {down} revenus en {duration}",
        checks: &[
            "À qui appartient le domaine, depuis quand il existe, et si la documentation d’un de vos produits le mentionne.",
            "Quel programme de {client} pose ces questions (iodine, dnscat2 et PowerShell se voient dans la liste des processus).",
            "Si d’autres machines interrogent le même domaine.",
        ],
        actions: &[
            "Bloquez le domaine sur votre résolveur, et ne laissez que vos résolveurs interroger le DNS extérieur.",
            "Isolez {client} et cherchez ce qui est sorti : le volume ci-dessus est un majorant.",
        ],
        reasons: &[
            ("dns_tunnel.names", "{names} noms différents, de {each} lettres chacun, presque tous demandés une seule fois"),
            ("dns_tunnel.types", "{share} des questions portent sur des types qui transportent des données ({types})"),
            ("dns_tunnel.texts", "{texts} réponses ont apporté {text_bytes} de texte sans rapport avec la messagerie"),
            ("dns_tunnel.volume", "{up} sont sortis dans les noms"),
        ],
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, dns_request, dns_response, query, resource};

    fn made(i: u32, len: usize) -> String {
        let mut x = u64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..len)
            .map(|_| {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(x >> 59) as usize])
            })
            .collect()
    }

    #[test]
    fn splits() {
        let s = |n: &'static str| split(n.as_bytes()).map(|(d, m)| (std::str::from_utf8(d).unwrap(), std::str::from_utf8(m).unwrap()));
        assert_eq!(s("a.b.example.com"), Some(("example.com", "a.b")));
        assert_eq!(s("a.example.co.uk"), Some(("example.co.uk", "a")));
        assert_eq!(s("dnscat.0011.2233445566778899aabbccdd"), Some(("-", "dnscat.0011.2233445566778899aabbccdd")));
        assert_eq!(s("example.com"), None);
        assert_eq!(s("4.3.2.1.in-addr.arpa"), None);
        assert_eq!(s("_ldap._tcp.corp.example.com"), None);
    }

    #[test]
    fn data_in_names_and_types() {
        for (suffix, rrtype) in [("t.example.org", "NULL"), ("t.example.org", "TXT"), ("0fe3aa", "CNAME")] {
            let mut b = Bench::of(INFO.name);
            b.to("10.0.0.53", 53);
            for i in 0..100 {
                let name = format!("{}.{suffix}", made(i, 40));
                b.flow(u64::from(i) + 1).at(0.2).push(&dns_request(&[(name.as_bytes(), rrtype.as_bytes())]));
            }
            let found = b.finish();
            assert_eq!(found.len(), 1, "{suffix} {rrtype}");
            assert_eq!(found[0].entities[0], Entity::ip(Role::Client, Ip::v4([10, 0, 0, 1])));
        }
    }

    #[test]
    fn commands_in_texts() {
        let mut b = Bench::of(INFO.name);
        for i in 0..16u32 {
            let name = format!("l.{i}.ns.example.pl");
            let text = made(i, 220);
            b.env.dst_port = 53;
            b.at(0.2).push(&dns_request(&[(name.as_bytes(), b"TXT")]));
            let q = [query(name.as_bytes(), b"TXT")];
            let a = [resource(name.as_bytes(), b"TXT", text.as_bytes())];
            b.env = b.env.flipped();
            b.push(&dns_response(&q, &a));
            b.env = b.env.flipped();
        }
        assert_eq!(b.finish().len(), 1);
    }

    #[test]
    fn ordinary_questions_take_little_room_and_are_taken_into_account() {
        let ask = |b: &mut Bench, name: &str, rrtype: &str| {
            b.at(0.01).push(&dns_request(&[(name.as_bytes(), rrtype.as_bytes())]));
        };
        let mut b = Bench::of(INFO.name);
        for i in 0..30_000u32 {
            b.from(&format!("10.{}.{}.1", i / 250, i % 250));
            ask(&mut b, "www.example.com", "A");
        }
        assert_eq!(b.full("detect.dns_tunnel.domains"), 0);
        // Thirty texts among a hundred look-ups of addresses are a mail server's work; alone they would be a tunnel.
        for ordinary in [true, false] {
            let mut b = Bench::of(INFO.name);
            for i in 0..100 {
                if ordinary {
                    ask(&mut b, &format!("h{i}.example.org"), "A");
                }
            }
            for i in 0..30 {
                ask(&mut b, &format!("{}.example.org", made(i, 16)), "TXT");
            }
            assert_eq!(b.finish().len(), usize::from(!ordinary));
        }
    }

    #[test]
    fn content_networks_reputation_and_directories_are_not() {
        let mut b = Bench::of(INFO.name);
        for i in 0..400u32 {
            for name in [
                format!("{}.avqs.vendor.example", made(i, 26)),
                format!("e{i}.dscb.cdn.example"),
                format!("{}.{}.0.192.origin.asn.example", i % 250, i / 250),
                format!("{i}.0.168.192.in-addr.arpa"),
                format!("host{}.corp.example.com", i % 60),
            ] {
                let rrtype: &[u8] = if name.contains("asn") { b"TXT" } else { b"A" };
                b.at(0.1).push(&dns_request(&[(name.as_bytes(), rrtype)]));
                let q = [query(name.as_bytes(), rrtype)];
                let a = [resource(name.as_bytes(), rrtype, b"64500 | 192.0.2.0/24")];
                b.env = b.env.flipped();
                b.push(&dns_response(&q, &a));
                b.env = b.env.flipped();
            }
        }
        let found = b.finish();
        assert!(found.is_empty(), "{:?}", found.iter().map(|f| &f.params).collect::<Vec<_>>());
    }
}
