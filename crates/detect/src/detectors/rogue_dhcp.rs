//! Rogue DHCP: a second server that leads clients elsewhere.
//!
//! For each network it keeps which servers offer what: router and name servers, by the subnet of the address offered. Two servers that offer
//! the same are a pair; two that disagree about the way out, for the same subnet or to the same client, are not. The one seen second, or that
//! names itself as the way out while another does not, is named.
//!
//! ATT&CK: T1557.003 DHCP Spoofing.

use crate::bounded::Bounded;
use crate::count::Distinct;
use crate::detector::{Cx, Detector, Info, Settings};
use crate::finding::{Entity, Evidence, Finding, Phase, Reason, Role, Story, Told, Value};
use crate::text::{Template, Words};
use vigie_base::time::SECOND;
use vigie_base::{Budget, Cidr, Ip, Time};
use vigie_dissect::proto::dhcp::{DhcpMessage, DhcpMessageRow};
use vigie_event::{Record, Row};

/// What a server offered is held against others for so long: a server that was replaced is forgotten.
const REMEMBERED: u64 = 6 * 3600 * SECOND;
/// A finding without a new offer for so long is over.
const QUIET: u64 = 3600 * SECOND;
/// Clients and addresses named in a finding.
const NAMED: usize = 8;

const SERVERS: Budget = Budget {
    name: "detect.rogue_dhcp.servers",
    entries_max: 512,
    entry_bytes: Bounded::<(Lan, Ip), Server>::ENTRY_BYTES + 1024,
    when_full: "the server unused for longest is forgotten",
};
const ROGUES: Budget = Budget {
    name: "detect.rogue_dhcp.rogues",
    entries_max: 256,
    entry_bytes: Bounded::<(Lan, Ip), Rogue>::ENTRY_BYTES + Distinct::BYTES_MAX + 1024,
    when_full: "the finding unchanged for longest is closed",
};
const CLIENTS: Budget = Budget {
    name: "detect.rogue_dhcp.clients",
    entries_max: 8192,
    entry_bytes: Bounded::<(Lan, Vec<u8>, u32), Ip>::ENTRY_BYTES + 2 * 48,
    when_full: "the oldest transaction is forgotten",
};

/// See the module.
pub static INFO: Info = Info {
    name: "rogue_dhcp",
    sid: 9_000_006,
    signature: "VIGIE Rogue DHCP server",
    category: "Potentially Bad Traffic",
    story: Story::Intrusion,
    inputs: &[DhcpMessage::KIND],
    budgets: &[SERVERS, ROGUES, CLIENTS],
    tunables: &[],
    templates: &[ROGUE],
    make: |settings: &Settings| {
        Box::new(RogueDhcp {
            servers: Bounded::of(SERVERS, settings.share),
            rogues: Bounded::of(ROGUES, settings.share),
            clients: Bounded::of(CLIENTS, settings.share),
        })
    },
};

type Lan = [u16; 3];

/// What a server offers for one subnet.
#[derive(Clone)]
struct Server {
    since: Time,
    last: Time,
    subnet: Cidr,
    routers: Vec<Ip>,
    dns: Vec<Ip>,
}

struct Rogue {
    first: Time,
    last: Time,
    routers: Vec<Ip>,
    dns: Vec<Ip>,
    known: Ip,
    known_routers: Vec<Ip>,
    known_dns: Vec<Ip>,
    itself: bool,
    accepted: u64,
    offers: u64,
    clients: Distinct,
    some_clients: Vec<String>,
    evidence: Evidence,
    told: Told,
}

struct RogueDhcp {
    /// By network and server; the servers of one network are few.
    servers: Bounded<(Lan, Ip), Server>,
    rogues: Bounded<(Lan, Ip), Rogue>,
    /// Which server answered a transaction first.
    clients: Bounded<(Lan, Vec<u8>, u32), Ip>,
}

impl RogueDhcp {
    /// The server that `ip` contradicts, if any: for the same subnet, or to the client of the same transaction.
    fn contradicted(&self, lan: Lan, ip: Ip, mine: &Server, answered: Option<Ip>, now: Time) -> Option<(Ip, Server)> {
        let differs = |s: &Server| {
            (!mine.routers.is_empty() && !s.routers.is_empty() && mine.routers != s.routers)
                || (!mine.dns.is_empty() && !s.dns.is_empty() && mine.dns != s.dns)
        };
        let mut best: Option<(Ip, Server)> = None;
        let candidates = self.servers_of(lan);
        for (other, s) in candidates {
            let together = s.subnet == mine.subnet || answered == Some(other);
            if other != ip
                && together
                && differs(&s)
                && now.since(s.last) <= REMEMBERED
                && best.as_ref().is_none_or(|b| s.since < b.1.since)
            {
                best = Some((other, s));
            }
        }
        best
    }

    fn servers_of(&self, lan: Lan) -> Vec<(Ip, Server)> {
        self.servers.iter().filter(|(k, _)| k.0 == lan).map(|(k, s)| (k.1, s.clone())).collect()
    }
}

impl Detector for RogueDhcp {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        let Some(d) = DhcpMessageRow::of(row) else { return };
        if !matches!(d.dhcp_type(), Some("offer" | "ack")) || d.assigned_ip().is_unspecified() {
            return;
        }
        // A relay speaks for servers elsewhere, and each subnet behind it has its own way out.
        if d.relay_ip().is_some_and(|ip| !ip.is_unspecified()) {
            return;
        }
        let Some(ip) = d.server_id().or(Some(cx.env.src)).filter(|ip| !ip.is_unspecified()) else { return };
        let (now, lan) = (cx.now, cx.env.vlan);
        let bits = d.subnet_mask().map_or(24, |m| (m.bits() as u32).count_ones() as u8);
        let Some(subnet) = Cidr::new(d.assigned_ip(), bits) else { return };
        let sorted = |it: Vec<Ip>| {
            let mut v: Vec<Ip> = it.into_iter().take(NAMED).collect();
            v.sort_unstable();
            v
        };
        let (routers, dns) = (sorted(d.routers().collect()), sorted(d.dns_servers().collect()));
        if routers.is_empty() && dns.is_empty() {
            return;
        }
        let client = (lan, d.client_mac().to_vec(), d.id());
        let answered = self.clients.get(&client).copied();
        let since = self.servers.get(&(lan, ip)).map_or(now, |s| s.since);
        let mine = Server { since, last: now, subnet, routers, dns };
        let other = self.contradicted(lan, ip, &mine, answered, now);
        *self.servers.entry(&(lan, ip), now, || mine.clone()).0 = mine.clone();
        self.clients.entry(&client, now, || ip);
        let Some((other_ip, other)) = other else { return };
        // Who came second is the stranger; with no past to go by, who names itself as the way out while the other does not.
        let names_itself = |ip: Ip, s: &Server| s.routers.contains(&ip) && s.dns.contains(&ip);
        let close = mine.since.since(other.since) < 2 * SECOND && other.since.since(mine.since) < 2 * SECOND;
        let swap = other.since > mine.since || (close && names_itself(other_ip, &other) && !names_itself(ip, &mine));
        let ((rogue_ip, rogue), (known_ip, known)) = if swap { ((other_ip, other), (ip, mine)) } else { ((ip, mine), (other_ip, other)) };
        let (r, gone) = self.rogues.entry(&(lan, rogue_ip), now, || Rogue {
            first: rogue.since.max(known.since),
            last: now,
            routers: Vec::new(),
            dns: Vec::new(),
            known: known_ip,
            known_routers: Vec::new(),
            known_dns: Vec::new(),
            itself: false,
            accepted: 0,
            offers: 0,
            clients: Distinct::default(),
            some_clients: Vec::new(),
            evidence: Evidence::default(),
            told: Told::default(),
        });
        r.last = now;
        r.itself |= rogue.routers.contains(&rogue_ip) || rogue.dns.contains(&rogue_ip);
        (r.routers, r.dns) = (rogue.routers, rogue.dns);
        (r.known, r.known_routers, r.known_dns) = (known_ip, known.routers, known.dns);
        if rogue_ip == ip {
            r.offers += 1;
            r.accepted += u64::from(d.dhcp_type() == Some("ack"));
            if r.clients.add(&d.client_mac()) && r.some_clients.len() < NAMED {
                r.some_clients.push(vigie_base::text::lossy(d.client_mac()).into_owned());
            }
        }
        r.evidence.add(cx.env.flow_id);
        tell(lan, rogue_ip, r, cx, false);
        if let Some(((lan, ip), mut r)) = gone {
            tell(lan, ip, &mut r, cx, true);
        }
    }

    fn time(&mut self, cx: &mut Cx<'_>) {
        while self.clients.expired(cx.now, 60 * SECOND).is_some() {}
        while self.servers.expired(cx.now, REMEMBERED).is_some() {}
        while let Some(((lan, ip), mut r)) = self.rogues.expired(cx.now, QUIET) {
            tell(lan, ip, &mut r, cx, true);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        while let Some(((lan, ip), mut r)) = self.rogues.pop() {
            tell(lan, ip, &mut r, cx, true);
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![self.servers.evicted, self.rogues.evicted, self.clients.evicted]
    }
}

fn tell(lan: Lan, ip: Ip, r: &mut Rogue, cx: &mut Cx<'_>, end: bool) {
    let mut reasons = vec![Reason { key: "rogue_dhcp.differs", points: 40 }];
    if r.itself {
        reasons.push(Reason { key: "rogue_dhcp.itself", points: 15 });
    }
    if r.accepted > 0 {
        reasons.push(Reason { key: "rogue_dhcp.accepted", points: 15 });
    }
    let points = reasons.iter().map(|r| r.points).sum();
    let Some(phase) = (if end { Some(Phase::Close) } else { r.told.due(r.offers.max(1), points) }) else { return };
    let texts = |v: &[Ip]| if v.is_empty() { "-".to_owned() } else { v.iter().map(Ip::to_string).collect::<Vec<_>>().join(", ") };
    let mut params = vec![
        ("attacker", Value::Ip(ip)),
        ("known", Value::Ip(r.known)),
        ("routers", Value::Text(texts(&r.routers))),
        ("dns", Value::Text(texts(&r.dns))),
        ("known_routers", Value::Text(texts(&r.known_routers))),
        ("known_dns", Value::Text(texts(&r.known_dns))),
        ("offers", Value::Count(r.offers.max(1))),
        ("accepted", Value::Count(r.accepted)),
    ];
    if !r.some_clients.is_empty() {
        params.push(("clients", (&r.clients).into()));
        params.push(("some", Value::List(r.some_clients.clone())));
    }
    let bytes: Vec<u8> = lan.iter().flat_map(|v| v.to_be_bytes()).collect();
    let finding = Finding {
        detector: INFO.name,
        key: Finding::key_of(&[b"rogue_dhcp", &ip.0, &bytes], r.first),
        phase,
        template: ROGUE.key,
        params,
        entities: vec![Entity::ip(Role::Attacker, ip), Entity::ip(Role::Server, r.known)],
        reasons,
        count: r.offers.max(1),
        evidence: r.evidence.flows(),
        first: r.first,
        last: r.last,
        opens_case: true,
        env: cx.env,
    };
    cx.tell(phase, finding);
}

const ROGUE: Template = Template {
    key: "rogue",
    techniques: &["T1557.003"],
    en: Words {
        title: "Rogue DHCP server {attacker}",
        story: "{attacker} answers DHCP clients beside {known}, and says something else: router {routers} and DNS {dns}, where {known} says router {known_routers} and DNS {known_dns}. \
            {offers} {offers#answer|answers} so far[[, to {clients} {clients#station|stations} ({some})]]; {accepted} {accepted#lease was|leases were} granted. A client that takes its word sends its traffic and its name look-ups where \
            {attacker} wants them.",
        innocent: "A small router or a telephone's shared connection plugged in by its LAN side, a virtual machine's network bridged by mistake, or a new server being put in place.",
        summary: "{attacker} offers router {routers} and DNS {dns} beside the server {known}",
        checks: &[
            "What {attacker} is and where it is plugged in: its Ethernet address, the switch port.",
            "Which clients took a lease from it, and what they sent since.",
            "Whether a change of the DHCP service was planned.",
        ],
        actions: &[
            "Unplug {attacker} or shut its port, then renew the leases of the clients concerned.",
            "Switch on DHCP snooping, so that only the ports of real servers may answer.",
        ],
        reasons: &[
            (
                "rogue_dhcp.differs",
                "two servers disagree on the way out: router {routers} and DNS {dns} against router {known_routers} and DNS {known_dns}",
            ),
            ("rogue_dhcp.itself", "it names itself as router or name server"),
            ("rogue_dhcp.accepted", "{accepted} {accepted#client has|clients have} taken its word"),
        ],
    },
    fr: Words {
        title: "Serveur DHCP pirate {attacker}",
        story: "{attacker} répond aux clients DHCP à côté de {known}, et dit autre chose : routeur {routers} et DNS {dns}, là où {known} dit routeur {known_routers} et DNS {known_dns}. \
            {offers} {offers#réponse|réponses} jusqu’ici[[, à {clients} {clients#station|stations} ({some})]] ; {accepted} {accepted#bail a été accordé|baux ont été accordés}. Un client qui l’écoute envoie son trafic et ses demandes de noms là où \
            {attacker} le veut.",
        innocent: "Un petit routeur ou le partage de connexion d’un téléphone branché du mauvais côté, le réseau d’une machine virtuelle ponté par erreur, ou un nouveau serveur en cours d’installation.",
        summary: "{attacker} propose le routeur {routers} et le DNS {dns} à côté du serveur {known}",
        checks: &[
            "Ce qu’est {attacker} et où il est branché : son adresse Ethernet, le port du commutateur.",
            "Quels clients ont pris un bail chez lui, et ce qu’ils ont envoyé depuis.",
            "Si un changement du service DHCP était prévu.",
        ],
        actions: &[
            "Débranchez {attacker} ou coupez son port, puis renouvelez les baux des clients concernés.",
            "Activez le DHCP snooping, pour que seuls les ports des vrais serveurs puissent répondre.",
        ],
        reasons: &[
            (
                "rogue_dhcp.differs",
                "deux serveurs se contredisent sur la sortie : routeur {routers} et DNS {dns} contre routeur {known_routers} et DNS {known_dns}",
            ),
            ("rogue_dhcp.itself", "il se désigne lui-même comme routeur ou serveur de noms"),
            ("rogue_dhcp.accepted", "{accepted} {accepted#client l’a écouté|clients l’ont écouté}"),
        ],
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, dhcp};

    const fn ip(n: u8) -> Ip {
        Ip::v4([10, 0, 0, n])
    }

    fn offer<'a>(server: u8, way_out: &'a [Ip], client: u8, mac: &'a [u8]) -> DhcpMessage<'a> {
        DhcpMessage {
            kind: "reply",
            client_mac: mac,
            server_id: Some(ip(server)),
            assigned_ip: ip(client),
            subnet_mask: Some(Ip::v4([255, 255, 255, 0])),
            routers: way_out,
            dns_servers: way_out,
            ..dhcp("offer")
        }
    }

    #[test]
    fn a_second_server_with_another_way_out() {
        let mut b = Bench::of(INFO.name);
        b.push(&offer(1, &[ip(1)], 50, b"aa"));
        b.at(60.0).push(&offer(77, &[ip(77)], 51, b"bb")).push(&DhcpMessage { dhcp_type: Some("ack"), ..offer(77, &[ip(77)], 51, b"bb") });
        b.push(&offer(1, &[ip(1)], 52, b"bb"));
        let found = b.finish();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].entities[0].ip, found[0].score(), found[0].count), (Some(ip(77)), 70, 2));
    }

    #[test]
    fn pairs_relays_and_other_networks_are_not() {
        let mut b = Bench::of(INFO.name);
        let way = [ip(1)];
        b.push(&offer(2, &way, 50, b"aa")).push(&offer(3, &way, 51, b"aa"));
        // Behind a relay each subnet has its own router.
        let elsewhere = Ip::v4([10, 9, 0, 1]);
        b.push(&DhcpMessage {
            relay_ip: Some(elsewhere),
            assigned_ip: Ip::v4([10, 9, 0, 7]),
            routers: &[elsewhere],
            ..offer(3, &way, 0, b"cc")
        });
        // Another subnet without tags, with its own server.
        let other = Ip::v4([192, 168, 9, 1]);
        b.push(&DhcpMessage { server_id: Some(other), assigned_ip: Ip::v4([192, 168, 9, 7]), id: 9, ..offer(0, &[other], 0, b"dd") });
        assert!(b.finish().is_empty());
    }
}
