//! From what is known of a device to what it is: class, system, roles, each with its reasons.

use crate::asset::{FactView, ServiceView, UseView};
use crate::hints::{CLASSES, Hint, Matcher, Port, Says, matching_ports};
use std::collections::BTreeMap;
use vigie_base::Time;

/// Reasons told for one conclusion at most.
const REASONS_MAX: usize = 4;
/// A role is told from this weight on, or where that many clients use it.
const ROLE_WEIGHT: u32 = 25;
/// Clients that make a service of what many machines offer by default (SMB).
const ROLE_CLIENTS: u64 = 3;
/// A class or system is told from this weight on.
const TOLD_WEIGHT: u32 = 9;

/// Why a device is a router.
pub(crate) const FORWARDS: &str = "forwards for other addresses";

/// What is concluded.
pub(crate) struct Conclusion {
    pub(crate) class: &'static str,
    pub(crate) os: Option<&'static str>,
    pub(crate) roles: Vec<&'static str>,
    /// The reasons, as facts.
    pub(crate) facts: Vec<FactView>,
}

/// A hint that matched, with the evidence that it matched.
struct Match {
    hint: &'static Hint,
    source: String,
    first: Time,
    last: Time,
    clients: u64,
}

/// Evidence against: what is left of the doubt, in millionths (a noisy-or of the weights).
struct Doubt(u64);

impl Doubt {
    const ALL: u64 = 1_000_000;

    fn lessen(&mut self, weight: u8) {
        self.0 = self.0 * u64::from(100 - weight.min(99)) / 100;
    }

    /// 0 to 100.
    fn confidence(&self) -> u32 {
        ((Self::ALL - self.0) / 10_000) as u32
    }
}

/// What `facts`, `services` and `uses` of a device say of it; `router` where it forwards for others.
pub(crate) fn conclude(
    matcher: &mut Matcher,
    facts: &[FactView],
    services: &[ServiceView],
    uses: &[UseView],
    vendor: Option<&str>,
    router: Option<(Time, Time)>,
    seen: (Time, Time),
) -> Conclusion {
    let matches = gather(matcher, facts, services, uses, vendor, seen);
    let mut class: BTreeMap<usize, Doubt> = BTreeMap::new();
    let mut os: BTreeMap<&'static str, Doubt> = BTreeMap::new();
    let mut roles: BTreeMap<&'static str, (Doubt, u64)> = BTreeMap::new();
    for m in &matches {
        for says in &m.hint.says {
            match says {
                Says::Class(c) => {
                    let rank = CLASSES.iter().position(|k| k == c).unwrap_or(CLASSES.len() - 1);
                    class.entry(rank).or_insert(Doubt(Doubt::ALL)).lessen(m.hint.weight);
                }
                Says::Os(o) => os.entry(*o).or_insert(Doubt(Doubt::ALL)).lessen(m.hint.weight),
                Says::Role(r) => {
                    let (doubt, clients) = roles.entry(*r).or_insert((Doubt(Doubt::ALL), 0));
                    doubt.lessen(m.hint.weight);
                    *clients = (*clients).max(m.clients);
                }
            }
        }
    }
    let mut told_roles: Vec<&'static str> =
        roles.iter().filter(|(_, (d, clients))| d.confidence() >= ROLE_WEIGHT || *clients >= ROLE_CLIENTS).map(|(r, _)| *r).collect();
    let mut out = Vec::new();
    if let Some((first, last)) = router {
        out.push(reason("role", "router", "flows", 90, FORWARDS, first, last));
        told_roles.push("router");
        class.entry(rank_of("network")).or_insert(Doubt(Doubt::ALL)).lessen(60);
    }
    told_roles.sort_unstable();
    told_roles.dedup();
    let os = system(&os);
    // Systems made for desks are a lean too; most of all those that no server ever ran.
    let desk = match os {
        Some(o) if o.starts_with("Windows ") && !o.contains("Server") => 25,
        Some("Windows" | "macOS" | "ChromeOS") => 10,
        _ => 0,
    };
    if desk > 0 {
        class.entry(rank_of("workstation")).or_insert(Doubt(Doubt::ALL)).lessen(desk);
    }
    let best = class.iter().min_by_key(|(rank, d)| (d.0, **rank)).filter(|(_, d)| d.confidence() >= TOLD_WEIGHT);
    let class = best.map_or("unknown", |(rank, _)| CLASSES[*rank]);
    let mut tell = |key: &'static str, value: &'static str, wanted: Says| {
        let mut because: Vec<&Match> = matches.iter().filter(|m| m.hint.says.contains(&wanted)).collect();
        because.sort_by(|a, b| (b.hint.weight, &a.source, a.hint.why).cmp(&(a.hint.weight, &b.source, b.hint.why)));
        for m in because.into_iter().take(REASONS_MAX) {
            out.push(reason(key, value, &m.source, m.hint.weight, m.hint.why, m.first, m.last));
        }
    };
    tell("class", class, Says::Class(class));
    if let Some(os) = os {
        tell("os", os, Says::Os(os));
    }
    for role in told_roles.iter().copied() {
        tell("role", role, Says::Role(role));
    }
    Conclusion { class, os, roles: told_roles, facts: out }
}

fn rank_of(class: &str) -> usize {
    CLASSES.iter().position(|c| *c == class).unwrap_or(CLASSES.len() - 1)
}

fn reason(key: &str, value: &str, source: &str, weight: u8, why: &'static str, first: Time, last: Time) -> FactView {
    FactView {
        key: key.to_owned(),
        value: value.to_owned(),
        source: source.to_owned(),
        confidence: weight,
        first_seen: first,
        last_seen: last,
        hearsay: false,
        reason: Some(why),
    }
}

/// All hints that match, each once.
fn gather(
    matcher: &mut Matcher,
    facts: &[FactView],
    services: &[ServiceView],
    uses: &[UseView],
    vendor: Option<&str>,
    seen: (Time, Time),
) -> Vec<Match> {
    let mut out: Vec<Match> = Vec::new();
    let mut add = |hint: &'static Hint, source: &str, first: Time, last: Time, clients: u64| match out
        .iter_mut()
        .find(|m| std::ptr::eq(m.hint, hint))
    {
        Some(m) => (m.first, m.last, m.clients) = (m.first.min(first), m.last.max(last), m.clients.max(clients)),
        None => out.push(Match { hint, source: source.to_owned(), first, last, clients }),
    };
    // What a third says of a device's name is no word of its own.
    for f in facts.iter().filter(|f| !f.hearsay) {
        let on = if f.key == "fqdn" { "hostname" } else { &f.key };
        matcher.matching(on, &f.value).iter().for_each(|h| add(h, &f.key, f.first_seen, f.last_seen, 0));
    }
    if let Some(v) = vendor {
        matcher.matching("vendor", v).iter().for_each(|h| add(h, "vendor", seen.0, seen.1, 0));
    }
    for (on, source, ports) in [
        (
            "port",
            "services",
            services.iter().flat_map(|s| ports(s.proto, s.port, s.app_proto, s.first_seen, s.last_seen, s.clients)).collect(),
        ),
        ("uses", "uses", uses.iter().flat_map(|u| ports(u.proto, u.port, u.app_proto, u.first_seen, u.last_seen, 0)).collect::<Vec<_>>()),
    ] {
        for h in matching_ports(on, &ports) {
            for p in ports.iter().filter(|p| h.asks_for(&p.name)) {
                add(h, source, p.first, p.last, p.clients);
            }
        }
    }
    out
}

/// A port as `tcp/443`, and as `app/tls` where its protocol is known.
fn ports(proto: &str, port: u16, app: &str, first: Time, last: Time, clients: u64) -> impl Iterator<Item = Port> + use<> {
    let name = format!("{proto}/{port}").into_bytes();
    let app = (!app.is_empty()).then(|| format!("app/{app}").into_bytes());
    [Some(name), app].into_iter().flatten().map(move |name| Port { name, first, last, clients })
}

/// The system most believed: first the family (its first word), then the most believed text of the family, a bare family's name last.
fn system(votes: &BTreeMap<&'static str, Doubt>) -> Option<&'static str> {
    let mut families: BTreeMap<&str, Doubt> = BTreeMap::new();
    for (os, d) in votes {
        let f = families.entry(family(os)).or_insert(Doubt(Doubt::ALL));
        f.0 = f.0 * d.0 / Doubt::ALL;
    }
    let (best, doubt) = families.iter().min_by_key(|(f, d)| (d.0, **f))?;
    if doubt.confidence() < TOLD_WEIGHT {
        return None;
    }
    votes.iter().filter(|(os, _)| family(os) == *best).min_by_key(|(os, d)| (*os == best, d.0, **os)).map(|(os, _)| *os)
}

fn family(os: &str) -> &str {
    os.split(' ').next().unwrap_or(os)
}
