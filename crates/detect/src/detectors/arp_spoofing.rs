//! ARP spoofing: a machine that says it has the address of another, to stand between two that talk.
//!
//! What gives it away is not that an address changes its machine (leases, fail-over and virtual routers do that) but that one machine keeps
//! *telling* others, unasked and one by one, that it has an address which another machine goes on using. So this keeps, for each address of a
//! network, which machines use it, who was asked for it lately, and which replies came unasked. Besides: a machine that has told others
//! that it is X and then asks itself who has X has contradicted itself.
//!
//! Left out: virtual routers (VRRP, CARP, HSRP, GLBP), announcements to all (gratuitous ARP of a fail-over or an address change), probes,
//! replies to a question (proxy ARP).
//!
//! ATT&CK: T1557.002 ARP Cache Poisoning.

use crate::bounded::Bounded;
use crate::detector::{Cx, Detector, Info, Settings};
use crate::finding::{Entity, Finding, Phase, Reason, Role, Story, Told, Value};
use crate::text::{Template, Words};
use vigie_base::time::SECOND;
use vigie_base::{Budget, Ip, Mac, Time};
use vigie_dissect::proto::arp::{Arp, ArpRow};
use vigie_event::{Record, Row};

/// A reply within so long of a question answers it.
const ASKED: u64 = 10 * SECOND;
/// Unasked replies that claim an address used by another: poisoning is kept up every second or two; one or two are accidents.
const UNASKED: u32 = 3;
/// An address is used by a machine that spoke from it within so long.
const USED: u64 = 20 * 60 * SECOND;
/// A contradiction (told others that it is X, then asks who has X) counts within so long.
const CONTRADICTION: u64 = 10 * 60 * SECOND;
/// A finding without a new claim for so long is over.
const QUIET: u64 = 30 * 60 * SECOND;
/// Machines remembered for one address.
const CLAIMS: usize = 4;
/// Addresses and victims kept in a finding.
const NAMED: usize = 8;

const ADDRESSES: Budget = Budget {
    name: "detect.arp_spoofing.addresses",
    entries_max: 16_384,
    entry_bytes: Bounded::<(Lan, Ip), Vec<Claim>>::ENTRY_BYTES + CLAIMS as u64 * size_of::<Claim>() as u64,
    when_full: "the address unused for longest is forgotten",
};
const QUESTIONS: Budget = Budget {
    name: "detect.arp_spoofing.questions",
    entries_max: 16_384,
    entry_bytes: Bounded::<(Lan, Ip, Ip), ()>::ENTRY_BYTES,
    when_full: "the oldest question is forgotten",
};
const MACHINES: Budget = Budget {
    name: "detect.arp_spoofing.machines",
    entries_max: 4096,
    entry_bytes: Bounded::<(Lan, Mac), Machine>::ENTRY_BYTES + 3 * NAMED as u64 * 16,
    when_full: "the machine unchanged for longest is closed",
};
const OWN: Budget = Budget {
    name: "detect.arp_spoofing.own",
    entries_max: 16_384,
    entry_bytes: Bounded::<(Lan, Mac), Ip>::ENTRY_BYTES,
    when_full: "the machine heard longest ago is forgotten",
};

/// See the module.
pub static INFO: Info = Info {
    name: "arp_spoofing",
    sid: 9_000_004,
    signature: "VIGIE ARP spoofing",
    category: "Attempted Information Leak",
    story: Story::Intrusion,
    inputs: &[Arp::KIND],
    budgets: &[ADDRESSES, QUESTIONS, MACHINES, OWN],
    tunables: &[],
    templates: &[SPOOF],
    make: |settings: &Settings| {
        Box::new(ArpSpoofing {
            addresses: Bounded::of(ADDRESSES, settings.share),
            questions: Bounded::of(QUESTIONS, settings.share),
            machines: Bounded::of(MACHINES, settings.share),
            own: Bounded::of(OWN, settings.share),
        })
    },
};

/// A network as far as the sensor can tell: its VLAN ids.
type Lan = [u16; 3];

/// What one machine says of one address.
#[derive(Clone, Copy)]
struct Claim {
    mac: Mac,
    /// Last time it used the address as an honest machine does: in a question, in an answer to a question, in an announcement.
    used: Option<Time>,
    /// Unasked replies to a single machine.
    unasked: u32,
    last_unasked: Time,
    /// To whom the last of them went.
    told: Option<Ip>,
}

struct Machine {
    first: Time,
    last: Time,
    claimed: Vec<Ip>,
    own: Option<Ip>,
    /// Who goes on using what it claims.
    owners: Vec<(Ip, Mac)>,
    victims: Vec<Ip>,
    replies: u64,
    contradicted: bool,
    told: Told,
}

struct ArpSpoofing {
    addresses: Bounded<(Lan, Ip), Vec<Claim>>,
    questions: Bounded<(Lan, Ip, Ip), ()>,
    machines: Bounded<(Lan, Mac), Machine>,
    /// The address from which each machine last asked for another.
    own: Bounded<(Lan, Mac), Ip>,
}

/// Addresses that several routers share by design: VRRP and CARP (RFC 5798), HSRP, GLBP; and Microsoft's load balancing.
fn is_shared(mac: Mac) -> bool {
    let m = mac.0;
    m[..4] == [0, 0, 0x5e, 0]
        || m[..5] == [0, 0, 0x0c, 0x07, 0xac]
        || m[..4] == [0, 0, 0x0c, 0x9f]
        || m[..3] == [0, 0x07, 0xb4]
        || (m[0] == 0x02 && m[1] == 0xbf)
}

impl ArpSpoofing {
    fn claim(&mut self, lan: Lan, ip: Ip, mac: Mac, now: Time) -> &mut Claim {
        let (claims, _) = self.addresses.entry(&(lan, ip), now, Vec::new);
        let at = match claims.iter().position(|c| c.mac == mac) {
            Some(at) => at,
            None => {
                if claims.len() >= CLAIMS {
                    // The one heard least lately makes place.
                    let oldest =
                        claims.iter().enumerate().min_by_key(|(_, c)| c.used.unwrap_or_default().max(c.last_unasked)).map_or(0, |x| x.0);
                    claims.remove(oldest);
                }
                claims.push(Claim { mac, used: None, unasked: 0, last_unasked: Time(0), told: None });
                claims.len() - 1
            }
        };
        &mut claims[at]
    }

    /// Judges what `mac` has said of `ip` to `victim`.
    fn judge(&mut self, lan: Lan, ip: Ip, mac: Mac, victim: Option<Ip>, contradicted: bool, cx: &mut Cx<'_>) {
        let now = cx.now;
        let Some(claims) = self.addresses.get(&(lan, ip)) else { return };
        let Some(mine) = claims.iter().find(|c| c.mac == mac).copied() else { return };
        let owner =
            claims.iter().find(|c| c.mac != mac && !is_shared(c.mac) && c.used.is_some_and(|t| now.since(t) <= USED)).map(|c| c.mac);
        let known = self.machines.get(&(lan, mac)).is_some();
        if !contradicted && (owner.is_none() || (mine.unasked < UNASKED && !known)) {
            return;
        }
        let first = mine.last_unasked;
        let (m, gone) = self.machines.entry(&(lan, mac), now, || Machine {
            first,
            last: now,
            claimed: Vec::new(),
            own: None,
            owners: Vec::new(),
            victims: Vec::new(),
            replies: u64::from(mine.unasked.saturating_sub(1)),
            contradicted: false,
            told: Told::default(),
        });
        m.last = now;
        m.contradicted |= contradicted;
        m.replies += u64::from(!contradicted);
        add(&mut m.claimed, Some(ip));
        add(&mut m.owners, owner.map(|mac| (ip, mac)));
        add(&mut m.victims, victim);
        m.own = self.own.get(&(lan, mac)).copied().or(m.own).filter(|o| !m.claimed.contains(o));
        tell(lan, mac, m, cx, false);
        if let Some(((lan, mac), mut m)) = gone {
            tell(lan, mac, &mut m, cx, true);
        }
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: Option<T>) {
    if let Some(item) = item
        && list.len() < NAMED
        && !list.contains(&item)
    {
        list.push(item);
    }
}

impl Detector for ArpSpoofing {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        let Some(r) = ArpRow::of(row) else { return };
        let lan = cx.env.vlan;
        let now = cx.now;
        let (mac, ip, target) = (r.src_mac(), r.src_ip(), r.dest_ip());
        if mac.is_group() || mac == Mac::ZERO || is_shared(mac) || ip.is_unspecified() {
            if r.opcode() == b"request" && !target.is_unspecified() {
                self.questions.entry(&(lan, target, ip), now, || ());
            }
            return;
        }
        match r.opcode() {
            b"request" => {
                self.claim(lan, ip, mac, now).used = Some(now);
                if ip == target {
                    return;
                }
                // Forged questions speak from another's address, which is claimed unasked too.
                let claimed = self.addresses.get(&(lan, ip)).is_some_and(|c| c.iter().any(|c| c.mac == mac && c.unasked > 0));
                if !claimed {
                    *self.own.entry(&(lan, mac), now, || ip).0 = ip;
                }
                self.questions.entry(&(lan, target, ip), now, || ());
                // It asks for an address that it told others to be its own.
                let told = self.addresses.get(&(lan, target)).and_then(|c| c.iter().find(|c| c.mac == mac)).copied();
                if let Some(c) = told
                    && c.unasked > 0
                    && now.since(c.last_unasked) <= CONTRADICTION
                {
                    self.judge(lan, target, mac, c.told, true, cx);
                }
            }
            b"reply" => {
                // To all, or about itself to itself: an announcement. To nobody in particular: a switch that learns.
                let to_all = r.dest_mac().is_group() || r.dest_mac() == Mac::ZERO || ip == target || target.is_unspecified();
                let asked = self.questions.get(&(lan, ip, target)).is_some();
                // Who is known to lie speaks in the name of others, too: arpspoof tells the truth again when it ends.
                if r.frame_mac().is_some_and(|frame| self.machines.get(&(lan, frame)).is_some()) {
                    return;
                }
                let claim = self.claim(lan, ip, mac, now);
                if to_all || asked {
                    claim.used = Some(now);
                    return;
                }
                claim.unasked = claim.unasked.saturating_add(1);
                claim.last_unasked = now;
                claim.told = Some(target);
                self.judge(lan, ip, mac, Some(target), false, cx);
            }
            _ => {}
        }
        while self.questions.expired(now, ASKED).is_some() {}
    }

    fn time(&mut self, cx: &mut Cx<'_>) {
        while self.questions.expired(cx.now, ASKED).is_some() {}
        while self.own.expired(cx.now, 24 * 3600 * SECOND).is_some() {}
        while self.addresses.expired(cx.now, 2 * USED).is_some() {}
        while let Some(((lan, mac), mut m)) = self.machines.expired(cx.now, QUIET) {
            tell(lan, mac, &mut m, cx, true);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        while let Some(((lan, mac), mut m)) = self.machines.pop() {
            tell(lan, mac, &mut m, cx, true);
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![self.addresses.evicted, self.questions.evicted, self.machines.evicted, self.own.evicted]
    }
}

fn tell(lan: Lan, mac: Mac, m: &mut Machine, cx: &mut Cx<'_>, end: bool) {
    let mut reasons = Vec::new();
    if !m.owners.is_empty() {
        reasons.push(Reason { key: "arp_spoofing.unasked", points: 50 });
    }
    if m.contradicted {
        reasons.push(Reason { key: "arp_spoofing.contradiction", points: 35 });
    }
    if m.claimed.len() >= 2 {
        reasons.push(Reason { key: "arp_spoofing.both", points: 20 });
    }
    let points = reasons.iter().map(|r| r.points).sum();
    let Some(phase) = (if end { Some(Phase::Close) } else { m.told.due(m.replies.max(1), points) }) else { return };
    let texts = |ips: &[Ip]| Value::List(ips.iter().map(Ip::to_string).collect());
    let mut params = vec![
        ("mac", Value::Mac(mac)),
        ("claimed", texts(&m.claimed)),
        ("replies", Value::Count(m.replies.max(1))),
        ("duration", Value::Duration(m.last.since(m.first))),
    ];
    if !m.victims.is_empty() {
        params.push(("victims", texts(&m.victims)));
    }
    if !m.owners.is_empty() {
        let mut owners = Vec::new();
        m.owners.iter().for_each(|(_, mac)| add(&mut owners, Some(mac.to_string())));
        params.push(("owners", Value::List(owners)));
    }
    if let Some(own) = m.own {
        params.push(("own", Value::Ip(own)));
    }
    let mut entities = vec![Entity::mac(Role::Attacker, mac, m.own)];
    let mut victims: Vec<Ip> = Vec::new();
    for ip in m.victims.iter().chain(&m.claimed) {
        add(&mut victims, Some(*ip));
    }
    let owner = |ip| m.owners.iter().find(|o| o.0 == ip).map(|o| o.1);
    entities.extend(victims.into_iter().map(|ip| Entity { mac: owner(ip), ..Entity::ip(Role::Victim, ip) }));
    let lan: Vec<u8> = lan.iter().flat_map(|v| v.to_be_bytes()).collect();
    let finding = Finding {
        detector: INFO.name,
        key: Finding::key_of(&[b"arp_spoofing", &mac.0, &lan], m.first),
        phase,
        template: SPOOF.key,
        params,
        entities,
        reasons,
        count: m.replies.max(1),
        evidence: Vec::new(),
        first: m.first,
        last: m.last,
        opens_case: true,
        env: cx.env,
    };
    cx.tell(phase, finding);
}

const SPOOF: Template = Template {
    key: "spoof",
    techniques: &["T1557.002"],
    en: Words {
        title: "ARP spoofing by {mac}: it claims {claimed}",
        story: "The machine {mac}[[ ({own})]] told others that {claimed} is at its own Ethernet address, {replies} {replies#time|times} within {duration}, without having been asked\
            [[, while {owners} goes on using the address]].[[ It told this to {victims}.]] Traffic meant for {claimed} then passes through it: it can read, change or stop it.",
        innocent: "A fail-over pair or a load balancer that takes over addresses in its own way, or two machines set up by mistake with one address. \
            Those announce themselves to all; they do not tell single machines again and again.",
        summary: "{mac} claims {claimed}, unasked, {replies} {replies#time|times} in {duration}[[, to {victims}]]",
        checks: &[
            "Which machine has the Ethernet address {mac}: the switch knows its port.",
            "Whether {claimed} is a gateway, a name server or another machine that many talk to.",
            "What the machines that were told sent meanwhile: log-ins in clear text, certificate warnings.",
        ],
        actions: &[
            "Shut the switch port of {mac} while you look into it.",
            "Switch on dynamic ARP inspection with DHCP snooping on the access switches.",
            "Change passwords that were used through it without encryption.",
        ],
        reasons: &[
            (
                "arp_spoofing.unasked",
                "{replies} unasked {replies#reply|replies} to single machines claim {claimed}, which {owners} is using",
            ),
            ("arp_spoofing.contradiction", "it told another machine that it has {claimed}, and then asked itself who has it"),
            ("arp_spoofing.both", "it claims several addresses ({claimed}): both ends of a conversation"),
        ],
    },
    fr: Words {
        title: "Usurpation ARP par {mac} : elle prétend être {claimed}",
        story: "La machine {mac}[[ ({own})]] a affirmé à d’autres que {claimed} se trouve à sa propre adresse Ethernet, {replies} fois en {duration}, sans qu’on le lui demande\
            [[, alors que {owners} continue d’utiliser l’adresse]].[[ Elle l’a dit à {victims}.]] Le trafic destiné à {claimed} passe alors par elle : elle peut le lire, le modifier ou l’arrêter.",
        innocent: "Une paire de secours ou un répartiteur de charge qui reprend des adresses à sa façon, ou deux machines configurées par erreur avec la même adresse. \
            Ceux-là s’annoncent à tous ; ils n’insistent pas auprès de machines choisies.",
        summary: "{mac} revendique {claimed} sans qu’on le lui demande, {replies} fois en {duration}[[, auprès de {victims}]]",
        checks: &[
            "Quelle machine porte l’adresse Ethernet {mac} : le commutateur connaît son port.",
            "Si {claimed} est une passerelle, un serveur de noms ou une autre machine à laquelle beaucoup parlent.",
            "Ce que les machines trompées ont envoyé entre-temps : connexions en clair, alertes de certificat.",
        ],
        actions: &[
            "Coupez le port du commutateur de {mac} le temps de la vérification.",
            "Activez l’inspection ARP dynamique avec le DHCP snooping sur les commutateurs d’accès.",
            "Changez les mots de passe qui ont transité par elle sans chiffrement.",
        ],
        reasons: &[
            (
                "arp_spoofing.unasked",
                "{replies} {replies#réponse non demandée|réponses non demandées} à des machines choisies revendiquent {claimed}, que {owners} utilise",
            ),
            ("arp_spoofing.contradiction", "elle a dit à une autre machine posséder {claimed}, puis a demandé elle-même qui l’a"),
            ("arp_spoofing.both", "elle revendique plusieurs adresses ({claimed}) : les deux bouts d’une conversation"),
        ],
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    const ROUTER: Mac = Mac([0, 0x1b, 0x54, 0, 0, 1]);
    const VICTIM: Mac = Mac([0x3c, 0xd9, 0x2b, 0, 0, 2]);
    const EVIL: Mac = Mac([0x08, 0, 0x27, 0, 0, 9]);

    fn arp(opcode: &'static [u8], src_mac: Mac, src: u8, dest_mac: Mac, dest: u8) -> Arp<'static> {
        let ip = |n| Ip::v4([10, 0, 0, n]);
        Arp { hw_type: "ethernet", proto_type: "ipv4", opcode, src_mac, src_ip: ip(src), dest_mac, dest_ip: ip(dest), frame_mac: None }
    }

    /// The router and the victim find each other.
    fn quiet(b: &mut Bench) {
        b.at(1.0).push(&arp(b"request", VICTIM, 2, Mac::ZERO, 1)).push(&arp(b"reply", ROUTER, 1, VICTIM, 2));
    }

    #[test]
    fn both_ends_are_told_again_and_again() {
        let mut b = Bench::of(INFO.name);
        quiet(&mut b);
        b.push(&arp(b"request", EVIL, 9, Mac::ZERO, 1)).push(&arp(b"reply", ROUTER, 1, EVIL, 9));
        b.at(20.0);
        for _ in 0..30 {
            b.at(2.0).push(&arp(b"reply", EVIL, 1, VICTIM, 2)).push(&arp(b"reply", EVIL, 2, ROUTER, 1));
        }
        // It answers a question in the other's name; when it ends it puts right what it told, in the others' names: they are no liars.
        b.at(1.0).push(&arp(b"request", VICTIM, 2, Mac::ZERO, 1)).push(&arp(b"reply", EVIL, 1, VICTIM, 2));
        b.at(20.0);
        for _ in 0..5 {
            b.at(1.0).push(&Arp { frame_mac: Some(EVIL), ..arp(b"reply", ROUTER, 1, VICTIM, 2) });
        }
        let found = b.finish();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].entities[0].mac, Some(EVIL));
        assert_eq!(found[0].score(), 70);
        let victims: Vec<_> = found[0].entities[1..].iter().map(|e| (e.ip, e.mac)).collect();
        assert_eq!(victims, [(Some(Ip::v4([10, 0, 0, 2])), Some(VICTIM)), (Some(Ip::v4([10, 0, 0, 1])), Some(ROUTER))]);
    }

    #[test]
    fn a_machine_that_contradicts_itself() {
        let mut b = Bench::of(INFO.name);
        b.at(1.0).push(&arp(b"request", EVIL, 1, Mac::ZERO, 7)).push(&arp(b"reply", VICTIM, 7, EVIL, 1));
        b.push(&arp(b"reply", EVIL, 1, VICTIM, 7));
        b.at(10.0).push(&arp(b"request", EVIL, 105, Mac::ZERO, 1));
        let found = b.finish();
        assert_eq!(found.len(), 1);
        assert!(found[0].entities.contains(&Entity::ip(Role::Victim, Ip::v4([10, 0, 0, 7]))));
        assert_eq!(found[0].entities[0], Entity::mac(Role::Attacker, EVIL, Some(Ip::v4([10, 0, 0, 105]))));
    }

    #[test]
    fn fail_over_new_leases_proxies_and_virtual_routers_are_not() {
        let mut b = Bench::of(INFO.name);
        quiet(&mut b);
        // Fail-over: the second router announces the address, many times; later the first one does.
        let second = Mac([0, 0x1b, 0x54, 0, 0, 2]);
        for mac in [second, ROUTER] {
            for _ in 0..5 {
                b.at(1.0).push(&arp(b"reply", mac, 1, Mac([0xff; 6]), 1)).push(&arp(b"request", mac, 1, Mac::ZERO, 1));
            }
            quiet(&mut b);
        }
        // The address of one machine is leased to another.
        for mac in [VICTIM, EVIL] {
            for _ in 0..5 {
                b.at(60.0).push(&arp(b"request", ROUTER, 1, Mac::ZERO, 50)).push(&arp(b"reply", mac, 50, ROUTER, 1));
            }
        }
        // Proxy ARP: the router answers for machines elsewhere, and so do they.
        for n in 100..140 {
            b.at(1.0).push(&arp(b"request", VICTIM, 2, Mac::ZERO, n)).push(&arp(b"reply", ROUTER, n, VICTIM, 2)).push(&arp(
                b"reply",
                Mac([2, 2, 2, 2, 2, n]),
                n,
                VICTIM,
                2,
            ));
        }
        // A virtual router speaks unasked.
        for _ in 0..10 {
            b.at(1.0).push(&arp(b"reply", Mac([0, 0, 0x5e, 0, 1, 7]), 1, VICTIM, 2));
        }
        assert!(b.finish().is_empty());
    }
}
