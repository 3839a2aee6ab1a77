//! DHCP starvation: one machine that asks for addresses in the name of many, until the server has none left.
//!
//! Counted on each network: stations never seen that ask for an address, at a level that drains. A school that opens its doors or a power cut that
//! ends brings many stations too; but those have makers, names and parameters to ask for, and each sends from its own
//! Ethernet address. Made-up stations have random or locally administered addresses, say no name, or all come out of one frame address.
//!
//! ATT&CK: T1498 Network Denial of Service, T1557.003 DHCP Spoofing (for which it clears the way).

use crate::bounded::Bounded;
use crate::count::{Distinct, Leaky};
use crate::detector::{Cx, Detector, Info, Settings, Tunable};
use crate::finding::{Entity, Evidence, Finding, Phase, Reason, Role, Story, Told, Value};
use crate::text::{Template, Words};
use vigie_base::time::SECOND;
use vigie_base::{Budget, Ip, Mac, Time};
use vigie_dissect::proto::dhcp::{DhcpMessage, DhcpMessageRow};
use vigie_event::{Record, Row};

/// New stations above what drained, that look made up.
static STATIONS: Tunable = Tunable {
    key: "detect.dhcp_starvation.stations",
    default: 25,
    range: (3, 1_000_000),
    doc: "New stations that ask for a lease, above one in two seconds, that are told as starvation when most look made up.",
};
/// New stations above what drained, whatever they look like: nobody opens so many doors at once.
const STATIONS_ANY: f64 = 250.0;
/// What drains, a second: a busy morning brings a station every other second.
const DRAIN: f64 = 0.5;
/// Share of new stations that looks made up.
const MADE_UP: f64 = 0.8;
/// A frame address that asks for so many stations is a machine that plays them; relays ask for others too, but name themselves.
const PLAYED: u64 = 10;
/// A finding without a new station for so long is over.
const QUIET: u64 = 600 * SECOND;

const LANS: Budget = Budget {
    name: "detect.dhcp_starvation.networks",
    entries_max: 256,
    entry_bytes: Bounded::<[u16; 3], Lan>::ENTRY_BYTES + 3 * Distinct::BYTES_MAX + 400,
    when_full: "the network unused for longest is forgotten",
};
const SENDERS: Budget = Budget {
    name: "detect.dhcp_starvation.senders",
    entries_max: 1024,
    entry_bytes: Bounded::<([u16; 3], Mac), Distinct>::ENTRY_BYTES + Distinct::BYTES_MAX,
    when_full: "the sender unused for longest is forgotten",
};

/// See the module.
pub static INFO: Info = Info {
    name: "dhcp_starvation",
    sid: 9_000_005,
    signature: "VIGIE DHCP starvation",
    category: "Attempted Denial of Service",
    story: Story::Intrusion,
    inputs: &[DhcpMessage::KIND],
    budgets: &[LANS, SENDERS],
    tunables: &[&STATIONS],
    templates: &[STARVATION],
    make: |settings: &Settings| {
        Box::new(Starvation { lans: Bounded::of(LANS, settings.share), senders: Bounded::of(SENDERS, settings.share) })
    },
};

struct Lan {
    first: Time,
    last: Time,
    level: Leaky,
    /// Of those counted in the level lately: how many look made up; drains alike.
    made_up: Leaky,
    stations: Distinct,
    makers: Distinct,
    requests: u64,
    played_by: Option<Mac>,
    example: String,
    server: Option<Ip>,
    given: u64,
    evidence: Evidence,
    told: Told,
}

struct Starvation {
    lans: Bounded<[u16; 3], Lan>,
    /// For how many stations each frame address asks, where it is not theirs.
    senders: Bounded<([u16; 3], Mac), Distinct>,
}

/// From `00:11:22:33:44:55`; other hardware has no maker to judge by.
fn mac(text: &[u8]) -> Option<Mac> {
    let text = std::str::from_utf8(text).ok()?;
    let mut out = [0; 6];
    let mut parts = text.split(':');
    for b in &mut out {
        *b = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(Mac(out))
}

impl Detector for Starvation {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        let Some(d) = DhcpMessageRow::of(row) else { return };
        let now = cx.now;
        let lan = cx.env.vlan;
        let kind = d.dhcp_type().unwrap_or("");
        let relayed = d.relay_ip().is_some_and(|ip| !ip.is_unspecified());
        let (l, _) = self.lans.entry(&lan, now, || Lan {
            first: now,
            last: now,
            level: Leaky::default(),
            made_up: Leaky::default(),
            stations: Distinct::default(),
            makers: Distinct::default(),
            requests: 0,
            played_by: None,
            example: String::new(),
            server: None,
            given: 0,
            evidence: Evidence::default(),
            told: Told::default(),
        });
        match kind {
            "offer" | "ack" => {
                l.server = d.server_id().or(Some(cx.env.src)).filter(|s| !s.is_unspecified());
                l.given += u64::from(kind == "ack");
                return;
            }
            "discover" | "request" => {}
            _ => return,
        }
        if !l.told.is_open() && now.since(l.last) > QUIET {
            (l.first, l.requests, l.given) = (now, 0, 0);
            (l.stations, l.makers, l.evidence) = (Distinct::default(), Distinct::default(), Evidence::default());
        }
        l.requests += 1;
        if !l.stations.add(&d.client_mac()) {
            return;
        }
        l.last = now;
        let station = mac(d.client_mac());
        let mut played = false;
        if let Some(frame) = d.frame_mac().filter(|_| !relayed && cx.env.src.is_unspecified()) {
            let (asked_for, _) = self.senders.entry(&(lan, frame), now, Distinct::default);
            asked_for.add(&d.client_mac());
            played = asked_for.count() >= PLAYED;
            if played {
                l.played_by = Some(frame);
            }
        }
        let new_maker = station.is_some_and(|m| l.makers.add(&[m.0[0], m.0[1], m.0[2]]));
        // Many machines of one network share few makers; addresses drawn at random never share one.
        let odd_address = station.is_none_or(|m| m.is_local() || m.is_group() || (new_maker && l.makers.count() > 16));
        let nameless = d.hostname().is_none_or(<[u8]>::is_empty) && d.vendor_class_identifier().is_none_or(<[u8]>::is_empty);
        l.level.add(now, 1.0, DRAIN);
        l.made_up.add(now, if played || (odd_address && nameless) { 1.0 } else { 0.0 }, DRAIN);
        l.example = vigie_base::text::lossy(d.client_mac()).into_owned();
        l.evidence.add(cx.env.flow_id);
        let level = l.level.level();
        if l.told.is_open() || level >= STATIONS_ANY || (level >= cx.settings.get(&STATIONS) as f64 && l.made_up.level() >= MADE_UP * level)
        {
            tell(lan, l, cx, false);
        }
    }

    fn time(&mut self, cx: &mut Cx<'_>) {
        while self.senders.expired(cx.now, QUIET).is_some() {}
        while let Some((lan, mut l)) = self.lans.expired(cx.now, QUIET) {
            end(lan, &mut l, cx);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        while let Some((lan, mut l)) = self.lans.pop() {
            end(lan, &mut l, cx);
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![self.lans.evicted, self.senders.evicted]
    }
}

fn end(lan: [u16; 3], l: &mut Lan, cx: &mut Cx<'_>) {
    if l.told.is_open() {
        tell(lan, l, cx, true);
    }
}

fn tell(lan: [u16; 3], l: &mut Lan, cx: &mut Cx<'_>, end: bool) {
    let mut reasons = vec![Reason { key: "dhcp_starvation.stations", points: 30 }];
    if l.made_up.level() >= MADE_UP * l.level.level() {
        reasons.push(Reason { key: "dhcp_starvation.made_up", points: 20 });
    }
    if l.played_by.is_some() {
        reasons.push(Reason { key: "dhcp_starvation.played", points: 20 });
    }
    let points = reasons.iter().map(|r| r.points).sum();
    let Some(phase) = (if end { Some(Phase::Close) } else { l.told.due(l.stations.count(), points) }) else { return };
    let mut params = vec![
        ("stations", (&l.stations).into()),
        ("requests", Value::Count(l.requests)),
        ("duration", Value::Duration(l.last.since(l.first))),
        ("example", Value::Text(l.example.clone())),
        ("given", Value::Count(l.given)),
    ];
    let mut entities = Vec::new();
    if let Some(mac) = l.played_by {
        params.push(("attacker", Value::Mac(mac)));
        entities.push(Entity::mac(Role::Attacker, mac, None));
    }
    if let Some(server) = l.server {
        params.push(("server", Value::Ip(server)));
        entities.push(Entity::ip(Role::Victim, server));
    }
    if entities.is_empty() {
        // Nobody to name but the last of the made-up stations.
        entities.push(Entity { role: Role::Subject, ip: None, net: None, mac: mac(l.example.as_bytes()), name: None });
    }
    if lan[0] != 0 {
        params.push(("vlan", Value::Port(lan[0])));
    }
    let bytes: Vec<u8> = lan.iter().flat_map(|v| v.to_be_bytes()).collect();
    let finding = Finding {
        detector: INFO.name,
        key: Finding::key_of(&[b"dhcp_starvation", &bytes], l.first),
        phase,
        template: STARVATION.key,
        params,
        entities,
        reasons,
        count: l.stations.count(),
        evidence: l.evidence.flows(),
        first: l.first,
        last: l.last,
        opens_case: true,
        env: cx.env,
    };
    cx.tell(phase, finding);
}

const STARVATION: Template = Template {
    key: "starvation",
    techniques: &["T1498", "T1557.003"],
    en: Words {
        title: "DHCP starvation[[ by {attacker}]][[ on VLAN {vlan}]]",
        story: "Within {duration} {stations} stations that were not known before asked for an address ({requests} requests; the last is {example}).\
            [[ All frames come from {attacker}: one machine plays them all.]][[ The server is {server}]]; {given} {given#address was|addresses were} given. When the server has none left, new machines get \
            no network, or take whatever another server offers them.",
        innocent: "Many machines that start at once (after a power cut, in a classroom, at an event) or a load test of the DHCP server.",
        summary: "{stations} unknown stations asked for addresses in {duration}[[, all from {attacker}]]",
        checks: &[
            "Which switch port or access point the requests come in by.",
            "How many addresses the DHCP server has left, and whether its leases name the same stations.",
            "Whether another DHCP server answers since: that is often the next step.",
        ],
        actions: &[
            "Shut the port the requests come from.",
            "Switch on port security (few Ethernet addresses a port) and DHCP snooping with a rate limit.",
            "Free the leases of stations that do not exist.",
        ],
        reasons: &[
            ("dhcp_starvation.stations", "{stations} unknown stations asked for an address within {duration}"),
            (
                "dhcp_starvation.made_up",
                "they look made up: random or locally administered Ethernet addresses without name or maker (such as {example})",
            ),
            ("dhcp_starvation.played", "the frames come from one Ethernet address, {attacker}"),
        ],
    },
    fr: Words {
        title: "Épuisement DHCP[[ par {attacker}]][[ sur le VLAN {vlan}]]",
        story: "En {duration}, {stations} stations inconnues jusque-là ont demandé une adresse ({requests} demandes ; la dernière est {example}).\
            [[ Toutes les trames viennent de {attacker} : une seule machine les joue toutes.]][[ Le serveur est {server}]] ; {given} {given#adresse a été donnée|adresses ont été données}. Quand le serveur n’en a plus, les nouvelles \
            machines n’ont pas de réseau, ou prennent ce qu’un autre serveur leur propose.",
        innocent: "Beaucoup de machines qui démarrent à la fois (après une coupure de courant, dans une salle de classe, lors d’un événement) ou un essai de charge du serveur DHCP.",
        summary: "{stations} stations inconnues ont demandé une adresse en {duration}[[, toutes depuis {attacker}]]",
        checks: &[
            "Par quel port de commutateur ou point d’accès arrivent les demandes.",
            "Combien d’adresses il reste au serveur DHCP, et si ses baux nomment les mêmes stations.",
            "Si un autre serveur DHCP répond depuis : c’est souvent l’étape suivante.",
        ],
        actions: &[
            "Coupez le port d’où viennent les demandes.",
            "Activez la sécurité de port (peu d’adresses Ethernet par port) et le DHCP snooping avec une limite de débit.",
            "Libérez les baux des stations qui n’existent pas.",
        ],
        reasons: &[
            ("dhcp_starvation.stations", "{stations} stations inconnues ont demandé une adresse en {duration}"),
            (
                "dhcp_starvation.made_up",
                "elles semblent inventées : adresses Ethernet aléatoires ou administrées localement, sans nom ni fabricant (comme {example})",
            ),
            ("dhcp_starvation.played", "les trames viennent d’une seule adresse Ethernet, {attacker}"),
        ],
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, dhcp};

    fn discover(mac: &str) -> DhcpMessage<'_> {
        DhcpMessage { client_mac: mac.as_bytes(), ..dhcp("discover") }
    }

    fn noise(i: u64) -> String {
        let x = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        format!("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", x[0], x[1], x[2], x[3], x[4], x[5])
    }

    #[test]
    fn made_up_stations() {
        let mut b = Bench::of(INFO.name);
        b.from("0.0.0.0").to("255.255.255.255", 67);
        for i in 0..60 {
            b.at(0.01).push(&discover(&format!("02:00:00:00:00:{i:02x}")));
        }
        let found = b.finish();
        assert_eq!((found.len(), found[0].count), (1, 60));
    }

    #[test]
    fn one_machine_that_plays_many() {
        let mut b = Bench::of(INFO.name);
        b.from("0.0.0.0").to("255.255.255.255", 67);
        let evil = Mac([8, 0, 0x27, 0, 0, 9]);
        for i in 0..200 {
            let mac = noise(i);
            b.at(0.1).push(&DhcpMessage { frame_mac: Some(evil), ..discover(&mac) });
        }
        let found = b.finish();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].entities[0], Entity::mac(Role::Attacker, evil, None));
    }

    #[test]
    fn a_school_morning_is_not() {
        let mut b = Bench::of(INFO.name);
        b.from("0.0.0.0").to("255.255.255.255", 67);
        for i in 0..150u64 {
            // Tablets of one maker; telephones with addresses of the day, by their names.
            let mac =
                if i % 3 == 0 { noise(i).replacen(|_: char| true, "d", 1) } else { format!("3c:d9:2b:00:{:02x}:{:02x}", i / 250, i % 250) };
            b.at(0.3).push(&DhcpMessage { hostname: (i % 3 == 0).then_some(b"telephone".as_slice()), ..discover(&mac) });
        }
        assert!(b.finish().is_empty());
    }
}
