//! ICMP tunnels: data carried in echo messages.
//!
//! A ping sends the same few bytes again and again and gets them back. A tunnel sends others each time, of sizes as they come, and the
//! replies are not the requests' echo: they carry data of their own, or come without having been asked for.
//!
//! ATT&CK: T1095 Non-Application Layer Protocol, T1572 Protocol Tunneling, T1048 Exfiltration Over Alternative Protocol.

use crate::bounded::Bounded;
use crate::detector::{Cx, Detector, Info, Settings, Tunable};
use crate::finding::{Entity, Evidence, Finding, Phase, Reason, Role, Story, Told, Value};
use crate::text::{Template, Words};
use vigie_base::time::SECOND;
use vigie_base::{Budget, Ip, Time};
use vigie_dissect::proto::icmp::{IcmpMessage, IcmpMessageRow};
use vigie_event::{Record, Row};

/// Replies with another payload than their request's. A damaged one may happen; no ping does it often.
const CHANGED: u64 = 5;
/// Replies to no request, while requests were seen the same way.
const UNASKED: u64 = 20;
/// Different payloads of the requests, and messages at least: a ping's payload differs by its time stamp only, which is not counted.
const DISTINCT: u32 = 20;
/// Bytes of payload of the requests in all.
static BYTES: Tunable = Tunable {
    key: "detect.icmp_tunnel.bytes",
    default: 2000,
    range: (100, 1_000_000_000),
    doc: "Bytes that echo messages must carry to be told as a tunnel.",
};
/// Sizes that vary by so much; path MTU discovery changes sizes too, but hardly its payload.
const SPREAD: u32 = 16;
/// A finding without a new sign for so long is over.
const QUIET: u64 = 2 * 3600 * SECOND;

const PAIRS: Budget = Budget {
    name: "detect.icmp_tunnel.pairs",
    entries_max: 4096,
    entry_bytes: Bounded::<(Ip, Ip), Pair>::ENTRY_BYTES + 160,
    when_full: "the pair unused for longest is closed",
};

/// See the module.
pub static INFO: Info = Info {
    name: "icmp_tunnel",
    sid: 9_000_009,
    signature: "VIGIE ICMP tunnel",
    category: "Potentially Bad Traffic",
    story: Story::Intrusion,
    inputs: &[IcmpMessage::KIND],
    budgets: &[PAIRS],
    tunables: &[&BYTES],
    templates: &[TUNNEL],
    make: |settings: &Settings| Box::new(IcmpTunnel { pairs: Bounded::of(PAIRS, settings.share) }),
};

struct Pair {
    first: Time,
    last: Time,
    messages: u64,
    up: u64,
    down: u64,
    changed: u64,
    unasked: u64,
    distinct: u32,
    smallest: u32,
    largest: u32,
    evidence: Evidence,
    told: Told,
}

struct IcmpTunnel {
    pairs: Bounded<(Ip, Ip), Pair>,
}

impl Detector for IcmpTunnel {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        let Some(m) = IcmpMessageRow::of(row) else { return };
        // Echo, of either version; begun by a reply where the request was not seen.
        if !matches!(m.kind(), 0 | 8 | 128 | 129) || !matches!(m.phase(), "update" | "end") {
            return;
        }
        let (up, down) = (m.to_server(), m.to_client());
        let changed = m.changed() >= CHANGED;
        let unasked = m.unasked() >= UNASKED && up.messages() > 0;
        let varied = |s: &vigie_dissect::proto::icmp::IcmpSideRow<'_>| {
            s.distinct() >= DISTINCT && s.bytes() >= cx.settings.get(&BYTES) && s.max().saturating_sub(s.min()) >= SPREAD
        };
        // One side only, or replies that echo: data that leaves in varied payloads is a tunnel all the same.
        if !(changed || unasked || varied(&up) || varied(&down)) {
            return;
        }
        let now = cx.now;
        let key = (cx.env.src, cx.env.dst);
        let (p, gone) = self.pairs.entry(&key, now, || Pair {
            first: m.first(),
            last: now,
            messages: 0,
            up: 0,
            down: 0,
            changed: 0,
            unasked: 0,
            distinct: 0,
            smallest: u32::MAX,
            largest: 0,
            evidence: Evidence::default(),
            told: Told::default(),
        });
        // Figures are since the flow's start: the largest flow of the pair speaks for it.
        p.last = now;
        p.messages = p.messages.max(up.messages() + down.messages());
        p.up = p.up.max(up.bytes());
        p.down = p.down.max(down.bytes());
        p.changed = p.changed.max(m.changed());
        p.unasked = p.unasked.max(m.unasked());
        p.distinct = p.distinct.max(up.distinct().max(down.distinct()));
        p.smallest = p.smallest.min(up.min());
        p.largest = p.largest.max(up.max()).max(down.max());
        p.evidence.add(cx.env.flow_id);
        tell(key, p, cx, false);
        if let Some((key, mut p)) = gone {
            tell(key, &mut p, cx, true);
        }
    }

    fn time(&mut self, cx: &mut Cx<'_>) {
        while let Some((key, mut p)) = self.pairs.expired(cx.now, QUIET) {
            tell(key, &mut p, cx, true);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        while let Some((key, mut p)) = self.pairs.pop() {
            tell(key, &mut p, cx, true);
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![self.pairs.evicted]
    }
}

fn tell((client, server): (Ip, Ip), p: &mut Pair, cx: &mut Cx<'_>, end: bool) {
    let signs = [
        (p.changed >= CHANGED, "icmp_tunnel.changed", 35),
        (p.distinct >= DISTINCT, "icmp_tunnel.varied", 25),
        (p.unasked >= UNASKED, "icmp_tunnel.unasked", 20),
        (p.up + p.down >= 100_000, "icmp_tunnel.volume", 10),
    ];
    let reasons: Vec<Reason> = signs.iter().filter(|s| s.0).map(|s| Reason { key: s.1, points: s.2 }).collect();
    if reasons.is_empty() {
        return;
    }
    let points = reasons.iter().map(|r| r.points).sum();
    let Some(phase) = (if end { p.told.is_open().then_some(Phase::Close) } else { p.told.due(p.messages, points) }) else { return };
    let params = vec![
        ("client", Value::Ip(client)),
        ("server", Value::Ip(server)),
        ("messages", Value::Count(p.messages)),
        ("duration", Value::Duration(p.last.since(p.first))),
        ("up", Value::Bytes(p.up)),
        ("down", Value::Bytes(p.down)),
        ("changed", Value::Count(p.changed)),
        ("unasked", Value::Count(p.unasked)),
        ("distinct", Value::Count(u64::from(p.distinct))),
        ("smallest", Value::Count(u64::from(p.smallest.min(p.largest)))),
        ("largest", Value::Count(u64::from(p.largest))),
    ];
    let finding = Finding {
        detector: INFO.name,
        key: Finding::key_of(&[b"icmp_tunnel", &client.0, &server.0], p.first),
        phase,
        template: TUNNEL.key,
        params,
        entities: vec![Entity::ip(Role::Client, client), Entity::ip(Role::Server, server)],
        reasons,
        count: p.messages,
        evidence: p.evidence.flows(),
        first: p.first,
        last: p.last,
        opens_case: true,
        env: cx.env,
    };
    cx.tell(phase, finding);
}

const TUNNEL: Template = Template {
    key: "tunnel",
    techniques: &["T1095", "T1572", "T1048"],
    en: Words {
        title: "ICMP tunnel between {client} and {server}",
        story: "{client} and {server} exchanged {messages} echo messages (ping) within {duration} whose content changes, from {smallest} to {largest} bytes: {up} one way and {down} the other. \
            {changed} {changed#reply does|replies do} not repeat what was asked. A ping sends the same bytes and gets them back; this carries data.",
        innocent: "A few measuring tools and load balancers put data of their own into pings; a damaged link alters some. They do not move volumes.",
        summary: "{messages} echo messages with changing content between {client} and {server} ({up} and {down})",
        checks: &[
            "Which program on {client} sends pings (ptunnel, icmpsh, hans, icmptunnel need administrator's rights).",
            "Whether {server} is known, and whether other machines ping it.",
            "Whether a new network interface appeared on {client}.",
        ],
        actions: &[
            "Block echo messages between {client} and the outside at the firewall, or limit their size.",
            "Isolate {client} and look for what was sent.",
        ],
        reasons: &[
            ("icmp_tunnel.changed", "{changed} echo replies carry something else than their request"),
            ("icmp_tunnel.varied", "at least {distinct} different contents, from {smallest} to {largest} bytes"),
            ("icmp_tunnel.unasked", "{unasked} echo replies answer no request"),
            ("icmp_tunnel.volume", "{up} and {down} of content: no test of a line needs so much"),
        ],
    },
    fr: Words {
        title: "Tunnel ICMP entre {client} et {server}",
        story: "{client} et {server} ont échangé {messages} messages d’écho (ping) en {duration} dont le contenu change, de {smallest} à {largest} octets : {up} dans un sens et {down} dans l’autre. \
            {changed} {changed#réponse ne répète|réponses ne répètent} pas ce qui était demandé. Un ping envoie les mêmes octets et les reçoit en retour ; ceci transporte des données.",
        innocent: "Quelques outils de mesure et répartiteurs de charge mettent leurs propres données dans les pings ; une liaison abîmée en altère certains. Ils ne déplacent pas de volumes.",
        summary: "{messages} messages d’écho au contenu changeant entre {client} et {server} ({up} et {down})",
        checks: &[
            "Quel programme de {client} envoie des pings (ptunnel, icmpsh, hans, icmptunnel exigent des droits d’administrateur).",
            "Si {server} est connu, et si d’autres machines lui envoient des pings.",
            "Si une nouvelle interface réseau est apparue sur {client}.",
        ],
        actions: &[
            "Bloquez au pare-feu les messages d’écho entre {client} et l’extérieur, ou limitez leur taille.",
            "Isolez {client} et cherchez ce qui est sorti.",
        ],
        reasons: &[
            ("icmp_tunnel.changed", "{changed} réponses d’écho portent autre chose que leur demande"),
            ("icmp_tunnel.varied", "au moins {distinct} contenus différents, de {smallest} à {largest} octets"),
            ("icmp_tunnel.unasked", "{unasked} réponses d’écho ne répondent à aucune demande"),
            ("icmp_tunnel.volume", "{up} et {down} de contenu : aucun essai de ligne n’en demande autant"),
        ],
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use vigie_dissect::proto::icmp::IcmpSide;

    fn echo(messages: u64, distinct: u32, sizes: (u32, u32), changed: u64) -> IcmpMessage<'static> {
        let side = IcmpSide { messages, bytes: messages * u64::from(sizes.1), min: sizes.0, max: sizes.1, distinct, entropy: 4.0 };
        IcmpMessage {
            phase: "update",
            kind: 8,
            code: 0,
            first: Time::from_secs(1_000_000),
            id: Some(1),
            seq_first: Some(0),
            seq_last: None,
            seq_min: None,
            seq_max: None,
            to_server: side,
            to_client: side,
            echoed: messages - changed,
            changed,
            unasked: 0,
            router: None,
            gateway: None,
            destination: None,
        }
    }

    #[test]
    fn changing_contents_and_replies_that_are_no_echo() {
        let mut b = Bench::of(INFO.name);
        for i in 1..10 {
            b.at(10.0).push(&echo(i * 64, 40, (32, 1028), i * 50));
        }
        let found = b.finish();
        assert_eq!((found.len(), found[0].count), (1, 9 * 128));
    }

    #[test]
    fn pings_of_every_size_are_not() {
        let mut b = Bench::of(INFO.name);
        b.push(&echo(10_000, 1, (56, 56), 0)).push(&echo(64, 2, (32, 1472), 0)).push(&echo(640, 3, (1472, 1472), 1));
        assert!(b.finish().is_empty());
    }
}
