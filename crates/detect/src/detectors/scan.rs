//! Scans: a machine that looks for what is there.
//!
//! Every new flow is an attempt at a target (an address and a port). It is **answered**, **refused** (a reset, an ICMP error) or,
//! after [`WAIT`], **silent**. Two views are kept: one machine against the ports of one host, and one machine against one port
//! of many hosts. Ordinary programs go where something answers; a scan goes where nothing does, over and over to targets it has not tried
//! before. So a finding needs many *different* targets that failed, and more of them than answered. Rates matter
//! little: levels drain so slowly that a patient scan is seen too, and a day's worth counts whatever the rate.
//!
//! Judged likewise: sweeps by ICMP echo and by ARP, UDP ports, IP protocols, and TCP segments that no program sends first (FIN, NULL,
//! Xmas, lone ACK).
//!
//! Ports that answer count as well where the caller, once accepted, broke off with a bare reset: no program does that to many ports.
//!
//! What is not counted: addresses that a DNS answer just gave (a browser on a network that blocks it) or a DHCP server
//! just leased, answers that begin a flow in
//! our eyes (from a low port to a high one), traceroute, multicast. Where many machines get no answer at all the tap shows one side
//! only, and silence means nothing.
//!
//! ATT&CK: T1046 Network Service Discovery, T1018 Remote System Discovery; from outside, T1595 Active Scanning.

use crate::bounded::Bounded;
use crate::count::{Distinct, Leaky};
use crate::detector::{Cx, Detector, Info, Settings, Tunable};
use crate::finding::{Entity, Evidence, Finding, Phase, Reason, Role, Story, Told, Value};
use crate::text::{Template, Words};
use vigie_base::time::SECOND;
use vigie_base::{Budget, Cidr, Ip, Mac, Share, Time};
use vigie_dissect::proto::arp::{Arp, ArpRow};
use vigie_dissect::proto::dhcp::{DhcpMessage, DhcpMessageRow};
use vigie_dissect::proto::dns::{DnsMessage, DnsMessageRow};
use vigie_dissect::proto::icmp::{IcmpMessage, IcmpMessageRow};
use vigie_event::{Record, Row};
use vigie_flow::record::{FlowEnd, FlowEndRow, FlowStart, FlowStartRow, FlowUpdate, FlowUpdateRow};

/// An attempt without an answer is silent after so long: twice TCP's first retransmission (RFC 6298, 1 s) and a slow path.
const WAIT: u64 = 3 * SECOND;
/// Ports of one host that failed. Programs that look for a service try a handful.
static PORTS: Tunable = Tunable {
    key: "detect.scan.ports",
    default: 15,
    range: (3, 65_535),
    doc: "TCP ports of one host that failed, above three a minute, that are told as a scan.",
};
/// What drains of that level, a second: three ports a minute are not hurried, and still seen within a few minutes.
const PORTS_DRAIN: f64 = 1.0 / 20.0;
/// Ports of one host that failed within [`SLOW`], whatever the rate.
static PORTS_SLOW: Tunable = Tunable {
    key: "detect.scan.ports_a_day",
    default: 30,
    range: (3, 65_535),
    doc: "TCP ports of one host that failed within a day that are told as a scan, whatever the rate; twice as many UDP ports.",
};
/// Ports that one live host refused, few but each another, while fewer answered: somebody knocks by hand.
const PORTS_FEW: u64 = 5;
/// Ports that failed, when segments of two forms are among them that no program sends (FIN, NULL, Xmas).
const PORTS_STRANGE: u64 = 3;
/// UDP is silent by nature: more is needed.
static UDP_PORTS: Tunable = Tunable {
    key: "detect.scan.udp_ports",
    default: 20,
    range: (3, 65_535),
    doc: "UDP ports of one host that failed, above three a minute, that are told as a scan.",
};
/// Hosts that failed on one port.
static HOSTS: Tunable = Tunable {
    key: "detect.scan.hosts",
    default: 20,
    range: (3, 1_000_000),
    doc: "Hosts that failed on one TCP port or did not answer pings, above four a minute, that are told as a scan.",
};
/// See [`PORTS_DRAIN`].
const HOSTS_DRAIN: f64 = 1.0 / 15.0;
/// Hosts that failed on one port within [`SLOW`], whatever the rate.
static HOSTS_SLOW: Tunable = Tunable {
    key: "detect.scan.hosts_a_day",
    default: 60,
    range: (3, 1_000_000),
    doc: "Hosts that failed on one TCP port within a day that are told as a scan, whatever the rate.",
};
/// UDP: programs that find each other (peer to peer, games) call many hosts that are gone.
static UDP_HOSTS: Tunable = Tunable {
    key: "detect.scan.udp_hosts",
    default: 50,
    range: (3, 1_000_000),
    doc: "Hosts that failed on one UDP port, above four a minute, that are told as a scan.",
};
/// Hosts asked for by ARP without an answer. A router asks for many, but not for so many at once.
static ARP_HOSTS: Tunable = Tunable {
    key: "detect.scan.arp_hosts",
    default: 50,
    range: (3, 1_000_000),
    doc: "Hosts asked for by ARP without an answer, above one in two seconds, that are told as a scan.",
};
/// Two a second: a router's or a discovery tool's ordinary pace.
const ARP_DRAIN: f64 = 0.5;
/// "Protocol unreachable" answers to one source, and how many a second at least: a tunnel that is refused tries again, but slowly.
const UNREACHABLE: u64 = 30;
/// See [`UNREACHABLE`].
const UNREACHABLE_RATE: f64 = 5.0;
/// IP protocols other than TCP, UDP and ICMP tried on one host.
const PROTOCOLS: f64 = 10.0;
/// Failed targets for each that answered, at least: ports of a host.
const PORTS_RATIO: f64 = 1.0;
/// Hosts on one port: a client of many servers meets some dead ones.
const HOSTS_RATIO: f64 = 2.0;
/// UDP.
const UDP_RATIO: f64 = 6.0;
/// Sources without any answer that make us believe that the tap shows one side only.
const BLIND_SOURCES: u64 = 8;
/// A finding without a new attempt for so long is over.
const QUIET: u64 = 30 * 60 * SECOND;
/// Identifier and sequence number of an echo message: what `flow_start` counts as its payload when nothing follows.
const ECHO_HEADER: u32 = 4;
/// Where DHCP clients listen (RFC 2131, RFC 8415): a server that answers there calls nobody.
const DHCP_CLIENT: [u16; 2] = [68, 546];
/// Where tunnels over UDP are received: Teredo, VXLAN, GENEVE (RFC 4380, 7348, 8926). Answers come back as flows of their own.
const TUNNELS: [u16; 3] = [3544, 4789, 6081];
/// How long attempts are remembered.
const SLOW: u64 = 24 * 3600 * SECOND;
/// Hosts and ports named in a finding.
const NAMED: usize = 8;
/// A sweep over at most so many hosts names each.
const LISTED: u64 = 8;

const PENDING: Budget = Budget {
    name: "detect.scan.pending",
    entries_max: 65_536,
    entry_bytes: Bounded::<u64, Attempt>::ENTRY_BYTES,
    when_full: "the oldest attempt is judged before its time",
};
const PORT_VIEWS: Budget = Budget {
    name: "detect.scan.ports",
    entries_max: 8192,
    entry_bytes: Bounded::<PortKey, View>::ENTRY_BYTES + 2 * Distinct::BYTES_MAX + 160,
    when_full: "the pair unused for longest is forgotten",
};
const HOST_VIEWS: Budget = Budget {
    name: "detect.scan.hosts",
    entries_max: 8192,
    entry_bytes: Bounded::<HostKey, View>::ENTRY_BYTES + 2 * Distinct::BYTES_MAX + 160,
    when_full: "the source and port unused for longest are forgotten",
};
const ANSWERED: Budget = Budget {
    name: "detect.scan.answered",
    entries_max: 131_072,
    entry_bytes: Bounded::<HostKey, Answered>::ENTRY_BYTES,
    when_full: "that a port answered the source that asked longest ago is forgotten",
};
const SOURCES: Budget = Budget {
    name: "detect.scan.sources",
    entries_max: 1024,
    entry_bytes: Bounded::<Ip, Source>::ENTRY_BYTES + 2 * Distinct::BYTES_MAX + 512,
    when_full: "the finding unchanged for longest is closed",
};
const RESOLVED: Budget = Budget {
    name: "detect.scan.resolved",
    entries_max: 65_536,
    entry_bytes: Bounded::<Ip, ()>::ENTRY_BYTES,
    when_full: "the address named longest ago is forgotten",
};

/// See the module.
pub static INFO: Info = Info {
    name: "scan",
    sid: 9_000_002,
    signature: "VIGIE Scan of ports or hosts",
    category: "Attempted Information Leak",
    story: Story::Intrusion,
    inputs: &[FlowStart::KIND, FlowUpdate::KIND, FlowEnd::KIND, Arp::KIND, DnsMessage::KIND, DhcpMessage::KIND, IcmpMessage::KIND],
    budgets: &[PENDING, PORT_VIEWS, HOST_VIEWS, ANSWERED, SOURCES, RESOLVED],
    tunables: &[&PORTS, &PORTS_SLOW, &UDP_PORTS, &HOSTS, &HOSTS_SLOW, &UDP_HOSTS, &ARP_HOSTS],
    templates: &[ONE_HOST, MANY_HOSTS, PROTOCOLS_OF],
    make: |settings: &Settings| Box::new(Scan::new(settings.share)),
};

/// How it looks for what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Syn,
    Fin,
    Null,
    Xmas,
    Ack,
    Udp,
    Echo,
    Protocol,
    Arp,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Syn => "TCP SYN",
            Kind::Fin => "TCP FIN",
            Kind::Null => "TCP NULL",
            Kind::Xmas => "TCP Xmas",
            Kind::Ack => "TCP ACK",
            Kind::Udp => "UDP",
            Kind::Echo => "ICMP echo",
            Kind::Protocol => "IP protocols",
            Kind::Arp => "ARP",
        }
    }

    /// Whether no ordinary program begins like that.
    const fn is_odd(self) -> bool {
        matches!(self, Kind::Fin | Kind::Null | Kind::Xmas | Kind::Ack | Kind::Protocol)
    }

    /// Kinds counted together: all TCP is one look at the same ports.
    const fn family(self) -> u8 {
        match self {
            Kind::Syn | Kind::Fin | Kind::Null | Kind::Xmas | Kind::Ack => 6,
            Kind::Udp => 17,
            Kind::Echo => 1,
            Kind::Protocol => 255,
            Kind::Arp => 254,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Answered,
    Refused,
    Silent,
}

#[derive(Clone, Copy)]
struct Attempt {
    src: Ip,
    dst: Ip,
    port: u16,
    kind: Kind,
    at: Time,
    outcome: Outcome,
    /// Begins as no ordinary program begins.
    odd: bool,
}

impl Attempt {
    /// Whether the target accepted and the caller, who never meant to speak, refused.
    fn is_half_open(&self) -> bool {
        self.kind == Kind::Syn && self.odd
    }
}

/// One source and one port of many hosts, while all of them answer: what nearly every machine does all day. A [`View`] begins with the
/// first that does not.
#[derive(Clone, Copy)]
struct Answered {
    first: Time,
    hosts: Bits,
}

/// About how many different things, up to two hundred, in one word (linear counting, Whang 1990).
#[derive(Clone, Copy, Default)]
struct Bits(u64);

impl Bits {
    fn add(&mut self, thing: u64) {
        self.0 |= 1 << (thing.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58);
    }

    fn count(self) -> u64 {
        (64.0 * (64.0 / f64::from(self.0.count_zeros().max(1))).ln()).round() as u64
    }
}

/// Attempts of one source at the ports of one host, or at one port of many hosts.
struct View {
    first: Time,
    level: Leaky,
    failed: Distinct,
    refused: u32,
    answered: Distinct,
    /// The same, with those before the first that failed.
    all_answered: Bits,
    /// Targets that answered, and whose answer the caller refused: counted as failed as well.
    half_open: u64,
    probes: u64,
    kinds: u16,
    /// Failed targets as they came, for the words.
    some_ports: Vec<u16>,
    some_hosts: Vec<Ip>,
    lowest: Ip,
    highest: Ip,
    open: Vec<u16>,
    evidence: Evidence,
    last: Time,
    /// See [`Scan::discovers`], when it began.
    discovers: u64,
    scanning: bool,
    /// A finding has taken over what it holds.
    absorbed: bool,
}

impl View {
    fn new(at: Time, discovers: u64) -> Self {
        View {
            first: at,
            level: Leaky::default(),
            failed: Distinct::default(),
            refused: 0,
            answered: Distinct::default(),
            all_answered: Bits::default(),
            half_open: 0,
            probes: 0,
            kinds: 0,
            some_ports: Vec::new(),
            some_hosts: Vec::new(),
            lowest: Ip([0xff; 16]),
            highest: Ip([0; 16]),
            open: Vec::new(),
            evidence: Evidence::default(),
            last: at,
            discovers,
            scanning: false,
            absorbed: false,
        }
    }

    /// Begins anew what is too old: the attempts of a day, or a scan that is over.
    fn refresh(&mut self, at: Time, now: Time, discovers: u64) {
        let old = if self.scanning { now.since(self.last) > QUIET } else { now.since(self.first) > SLOW };
        if old {
            *self = View::new(at, discovers);
        }
        self.last = self.last.max(now);
    }

    /// Whether about as many stations asked for an address meanwhile: a DHCP server makes sure that what it offers is free.
    fn is_for_leases(&self, discovers: u64) -> bool {
        (discovers - self.discovers.min(discovers)) * 2 >= self.failed.count()
    }

    fn ratio(&self) -> f64 {
        let answered = self.answered.count().max(self.all_answered.count());
        self.failed.count() as f64 / (answered.saturating_sub(self.half_open) as f64).max(0.5)
    }
}

/// What a source was found to do.
struct Source {
    /// When it was opened: names the finding, whatever earlier attempts it takes over.
    opened: Time,
    first: Time,
    last: Time,
    probes: u64,
    hosts: Distinct,
    ports: Distinct,
    kinds: u16,
    some_ports: Vec<u16>,
    some_hosts: Vec<Ip>,
    /// Those whose ports were scanned.
    scanned: Vec<Ip>,
    lowest: Ip,
    highest: Ip,
    open: Vec<u16>,
    mac: Option<Mac>,
    sweep: bool,
    evidence: Evidence,
    told: Told,
}

impl Source {
    fn new(at: Time) -> Self {
        Source {
            opened: at,
            first: at,
            last: at,
            probes: 0,
            hosts: Distinct::default(),
            ports: Distinct::default(),
            kinds: 0,
            some_ports: Vec::new(),
            some_hosts: Vec::new(),
            lowest: Ip([0xff; 16]),
            highest: Ip([0; 16]),
            scanned: Vec::new(),
            open: Vec::new(),
            mac: None,
            sweep: false,
            evidence: Evidence::default(),
            told: Told::default(),
        }
    }

    /// Takes over what a view saw before it became a scan.
    fn absorb(&mut self, v: &View) {
        self.first = self.first.min(v.first);
        self.probes += v.probes;
        self.kinds |= v.kinds;
        for p in &v.some_ports {
            name(&mut self.some_ports, *p);
        }
        for p in &v.open {
            name(&mut self.open, *p);
        }
        for h in &v.some_hosts {
            name(&mut self.some_hosts, *h);
        }
        self.lowest = self.lowest.min(v.lowest);
        self.highest = self.highest.max(v.highest);
        for f in v.evidence.flows() {
            self.evidence.add(f);
        }
    }

    /// The smallest network around what was swept, of at least 256 addresses: people think in those.
    fn net(&self) -> Option<Cidr> {
        let common = (self.lowest.bits() ^ self.highest.bits()).leading_zeros() as u8;
        if self.lowest.is_v4() {
            Cidr::new(self.lowest, common.saturating_sub(96).clamp(8, 24)).filter(|_| common >= 104)
        } else {
            Cidr::new(self.lowest, common.min(64)).filter(|_| common >= 16)
        }
    }
}

fn name<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if list.len() < NAMED && !list.contains(&item) {
        list.push(item);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct PortKey {
    src: Ip,
    dst: Ip,
    family: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct HostKey {
    src: Ip,
    port: u16,
    family: u8,
}

struct Scan {
    pending: Bounded<u64, Attempt>,
    ports: Bounded<PortKey, View>,
    hosts: Bounded<HostKey, View>,
    answers: Bounded<HostKey, Answered>,
    sources: Bounded<Ip, Source>,
    resolved: Bounded<Ip, ()>,
    /// Stations that asked for an address so far: before it offers one, a server looks whether anybody has it.
    discovers: u64,
    /// Sources of silent TCP attempts, while nothing was ever answered.
    unanswered: Distinct,
    answered: bool,
}

impl Scan {
    fn new(share: Share) -> Self {
        Scan {
            pending: Bounded::of(PENDING, share),
            ports: Bounded::of(PORT_VIEWS, share),
            hosts: Bounded::of(HOST_VIEWS, share),
            answers: Bounded::of(ANSWERED, share),
            sources: Bounded::of(SOURCES, share),
            resolved: Bounded::of(RESOLVED, share),
            discovers: 0,
            unanswered: Distinct::default(),
            answered: false,
        }
    }

    fn start(&mut self, f: &FlowStartRow<'_>, cx: &mut Cx<'_>) {
        let e = &cx.env;
        if e.dst.is_multicast_or_broadcast() || e.src.is_unspecified() || e.dst.is_unspecified() || is_directed_broadcast(e.dst) {
            return;
        }
        // An answer whose question was not seen: from a service's port to a client's.
        let backwards = e.src_port < 1024 && e.dst_port >= 1024;
        let kind = match e.proto {
            6 => match f.tcp_flags() & 0x3f {
                0x02 => Kind::Syn,
                _ if backwards || f.payload() > 0 => return,
                0x00 => Kind::Null,
                0x01 => Kind::Fin,
                0x29 => Kind::Xmas,
                // A lone ACK or FIN+ACK is told from a connection already under way only by its end.
                _ => return,
            },
            17 if backwards || DHCP_CLIENT.contains(&e.dst_port) || TUNNELS.contains(&e.dst_port) || is_traceroute(e.dst_port, f.ttl()) => {
                return;
            }
            17 => Kind::Udp,
            1 if e.icmp_type == 8 => Kind::Echo,
            58 if e.icmp_type == 128 => Kind::Echo,
            // Hop-by-hop options, IGMP, ICMP errors and what carries tunnels are no attempts.
            1 | 2 | 58 => return,
            _ => Kind::Protocol,
        };
        // Every ping program sends some bytes; a scanner that only asks who is there sends none.
        let odd = kind.is_odd() || (kind == Kind::Echo && f.payload() <= ECHO_HEADER);
        let port = match kind {
            Kind::Protocol => u16::from(e.proto),
            Kind::Echo => 0,
            _ => e.dst_port,
        };
        let attempt = Attempt { src: e.src, dst: e.dst, port, kind, at: cx.now, outcome: Outcome::Silent, odd };
        let (_, gone) = self.pending.entry(&e.flow_id, cx.now, || attempt);
        if let Some((flow, a)) = gone {
            self.judge(flow, &a, cx);
        }
    }

    fn update(&mut self, u: &FlowUpdateRow<'_>, cx: &mut Cx<'_>) {
        let outcome = match u.state() {
            "established" => Outcome::Answered,
            "unreachable" => Outcome::Refused,
            "closed" if u.refused() => Outcome::Refused,
            _ => return,
        };
        self.answered |= cx.env.proto == 6;
        if let Some(mut a) = self.pending.remove(&cx.env.flow_id) {
            a.outcome = outcome;
            self.judge(cx.env.flow_id, &a, cx);
        }
    }

    /// What only a flow's end shows: a handshake that the caller broke off with a bare reset as soon as it was accepted; or a segment with
    /// ACK that began a flow in our eyes and was a probe: nothing in it, and a reset or silence back.
    fn end(&mut self, f: &FlowEndRow<'_>, cx: &mut Cx<'_>) {
        let e = cx.env;
        if e.proto != 6 || (e.src_port < 1024 && e.dst_port >= 1024) || f.pkts_toserver() > 2 || f.pkts_toclient() > 2 {
            return;
        }
        let Some(tcp) = f.tcp() else { return };
        if (tcp.tcp_flags_ts(), tcp.tcp_flags_tc()) == ("06", "12") {
            let (at, outcome) = (f.start(), Outcome::Answered);
            let a = Attempt { src: e.src, dst: e.dst, port: e.dst_port, kind: Kind::Syn, at, outcome, odd: true };
            return self.judge(e.flow_id, &a, cx);
        }
        let kind = match tcp.tcp_flags_ts() {
            "10" => Kind::Ack,
            "11" => Kind::Fin,
            _ => return,
        };
        if !matches!(tcp.tcp_flags_tc(), "00" | "04" | "14") || f.bytes_toserver() > 80 * u64::from(f.pkts_toserver()) {
            return;
        }
        let a = Attempt { src: e.src, dst: e.dst, port: e.dst_port, kind, at: f.start(), outcome: Outcome::Refused, odd: true };
        self.judge(e.flow_id, &a, cx);
    }

    /// Counts an attempt whose outcome is known.
    fn judge(&mut self, flow: u64, a: &Attempt, cx: &mut Cx<'_>) {
        let family = a.kind.family();
        let failed = a.outcome != Outcome::Answered || a.odd;
        if a.kind == Kind::Syn && a.outcome == Outcome::Silent && !self.answered {
            self.unanswered.add(&a.src);
            if self.unanswered.count() > BLIND_SOURCES {
                return;
            }
        }
        let port_key = PortKey { src: a.src, dst: a.dst, family };
        // A host has one echo: no ports to look at.
        let vertical = a.kind != Kind::Echo && {
            let now = cx.now;
            let named = a.outcome == Outcome::Silent && self.resolved.get(&a.dst).is_some();
            match (failed && !named, self.ports.get_mut(&port_key)) {
                (false, None) => false,
                (false, Some(v)) => {
                    if !failed {
                        v.answered.add(&a.port);
                        name(&mut v.open, a.port);
                    }
                    v.scanning
                }
                (true, _) => {
                    let (v, _) = self.ports.entry(&port_key, now, || View::new(a.at, self.discovers));
                    v.refresh(a.at, now, self.discovers);
                    note(v, flow, a, u64::from(a.port), now, PORTS_DRAIN);
                    v.scanning |= is_port_scan(v, a.kind, cx.settings);
                    v.scanning
                }
            }
        };
        // Whether one service answers is looked at so by load balancers, on all hosts behind them.
        let horizontal = !matches!(a.kind, Kind::Protocol) && !a.is_half_open() && self.resolved.get(&a.dst).is_none() && {
            let (now, key) = (cx.now, HostKey { src: a.src, port: a.port, family });
            if !failed && self.hosts.get(&key).is_none() {
                let (all, _) = self.answers.entry(&key, now, || Answered { first: a.at, hosts: Bits::default() });
                if now.since(all.first) > SLOW {
                    *all = Answered { first: a.at, hosts: Bits::default() };
                }
                all.hosts.add(fold(a.dst));
                false
            } else {
                let before = if self.hosts.get(&key).is_none() { self.answers.remove(&key) } else { None };
                let (v, _) = self.hosts.entry(&key, now, || View::new(a.at, self.discovers));
                v.refresh(a.at, now, self.discovers);
                if let Some(before) = before.filter(|b| now.since(b.first) <= SLOW) {
                    v.all_answered = before.hosts;
                }
                if failed {
                    note(v, flow, a, fold(a.dst), now, HOSTS_DRAIN);
                    v.scanning |= is_host_scan(v, a.kind, cx.settings) && !(a.kind == Kind::Echo && v.is_for_leases(self.discovers));
                } else {
                    v.answered.add(&fold(a.dst));
                    v.all_answered.add(fold(a.dst));
                }
                v.scanning
            }
        };
        if vertical || horizontal {
            self.scanning(flow, a, vertical, horizontal, None, cx);
        }
    }

    /// An attempt that belongs to a scan.
    fn scanning(&mut self, flow: u64, a: &Attempt, vertical: bool, horizontal: bool, mac: Option<Mac>, cx: &mut Cx<'_>) {
        let family = a.kind.family();
        let (s, gone) = self.sources.entry(&a.src, cx.now, || Source::new(a.at));
        let mut counted = false;
        let port_view = if vertical { self.ports.get_mut(&PortKey { src: a.src, dst: a.dst, family }) } else { None };
        if let Some(v) = port_view {
            name(&mut s.scanned, a.dst);
            if !std::mem::replace(&mut v.absorbed, true) {
                s.absorb(v);
                s.ports.merge(&v.failed);
                counted = true;
            }
        }
        let host_view = if horizontal { self.hosts.get_mut(&HostKey { src: a.src, port: a.port, family }) } else { None };
        if let Some(v) = host_view {
            if !std::mem::replace(&mut v.absorbed, true) {
                s.absorb(v);
                s.hosts.merge(&v.failed);
                counted = true;
            }
            s.sweep = true;
        }
        s.hosts.add(&fold(a.dst));
        if a.kind != Kind::Echo && a.kind != Kind::Arp {
            s.ports.add(&u64::from(a.port));
            name(&mut s.some_ports, a.port);
        }
        s.mac = s.mac.or(mac);
        s.last = s.last.max(a.at);
        // A view just taken over has counted this attempt, unless it was answered.
        s.probes += u64::from(!counted || a.outcome == Outcome::Answered);
        s.kinds |= 1 << a.kind as u16;
        s.evidence.add(flow);
        s.lowest = s.lowest.min(a.dst);
        s.highest = s.highest.max(a.dst);
        name(&mut s.some_hosts, a.dst);
        if a.outcome == Outcome::Answered {
            name(&mut s.open, a.port);
        }
        tell(a.src, s, cx, false);
        if let Some((src, mut s)) = gone {
            tell(src, &mut s, cx, true);
        }
    }

    /// Probes of IP protocols begin no flow: what comes back tells of them, "protocol unreachable" (RFC 792) in a burst.
    fn protocols(&mut self, m: &IcmpMessageRow<'_>, cx: &mut Cx<'_>) {
        let n = m.to_server().messages();
        let seconds = cx.env.ts.since(m.first()) as f64 / 1e9;
        // The flow's end comes after its time-out, which is not part of the burst.
        let seconds = if m.phase() == "end" { (seconds - 30.0).max(0.0) } else { seconds };
        if (m.kind(), m.code()) != (3, 2) || n < UNREACHABLE || (n as f64) < UNREACHABLE_RATE * seconds {
            return;
        }
        let (src, dst) = (cx.env.dst, cx.env.src);
        let (s, gone) = self.sources.entry(&src, cx.now, || Source::new(m.first()));
        s.last = s.last.max(m.first());
        s.probes = s.probes.max(n);
        s.kinds |= 1 << Kind::Protocol as u16;
        s.hosts.add(&fold(dst));
        name(&mut s.some_hosts, dst);
        (s.lowest, s.highest) = (s.lowest.min(dst), s.highest.max(dst));
        s.evidence.add(cx.env.flow_id);
        tell(src, s, cx, false);
        if let Some((src, mut s)) = gone {
            tell(src, &mut s, cx, true);
        }
    }

    fn arp(&mut self, r: &ArpRow<'_>, cx: &mut Cx<'_>) {
        let now = cx.now;
        match r.opcode() {
            b"request"
                if self.resolved.get(&r.dest_ip()).is_none()
                    && !r.src_ip().is_unspecified()
                    && r.src_ip() != r.dest_ip()
                    && !r.src_mac().is_group() =>
            {
                let a =
                    Attempt { src: r.src_ip(), dst: r.dest_ip(), port: 0, kind: Kind::Arp, at: now, outcome: Outcome::Silent, odd: false };
                let (v, _) =
                    self.hosts.entry(&HostKey { src: a.src, port: 0, family: a.kind.family() }, now, || View::new(now, self.discovers));
                v.refresh(now, now, self.discovers);
                note(v, 0, &a, fold(a.dst), now, ARP_DRAIN);
                v.scanning |=
                    v.level.level() >= cx.settings.get(&ARP_HOSTS) as f64 && v.ratio() >= HOSTS_RATIO && !v.is_for_leases(self.discovers);
                if v.scanning {
                    self.scanning(0, &a, false, true, Some(r.src_mac()), cx);
                }
            }
            b"reply" => {
                if let Some(v) = self.hosts.get_mut(&HostKey { src: r.dest_ip(), port: 0, family: Kind::Arp.family() }) {
                    v.answered.add(&fold(r.src_ip()));
                    if !v.scanning {
                        v.level.lower(1.0);
                    }
                }
            }
            _ => {}
        }
    }
}

/// An address as a target to count.
fn fold(ip: Ip) -> u64 {
    ip.bits() as u64 ^ (ip.bits() >> 64) as u64
}

/// Counts a failed attempt at `target` in a view.
fn note(v: &mut View, flow: u64, a: &Attempt, target: u64, now: Time, drain: f64) {
    v.probes += 1;
    v.kinds |= 1 << a.kind as u16;
    if v.failed.add(&target) {
        v.level.add(now, 1.0, drain);
        v.refused += u32::from(a.outcome == Outcome::Refused);
        v.half_open += u64::from(a.is_half_open());
        v.evidence.add(flow);
        if !matches!(a.kind, Kind::Echo | Kind::Arp) {
            name(&mut v.some_ports, a.port);
        }
        name(&mut v.some_hosts, a.dst);
        v.lowest = v.lowest.min(a.dst);
        v.highest = v.highest.max(a.dst);
    }
}

fn is_port_scan(v: &View, kind: Kind, settings: &Settings) -> bool {
    let reached = |ports: &Tunable| v.level.level() >= settings.get(ports) as f64;
    let n = v.failed.count();
    match kind {
        Kind::Protocol => v.level.level() >= PROTOCOLS,
        Kind::Udp => (reached(&UDP_PORTS) || n >= 2 * settings.get(&PORTS_SLOW)) && v.ratio() >= UDP_RATIO,
        _ => {
            let strange = [Kind::Fin, Kind::Null, Kind::Xmas].iter().filter(|k| v.kinds & (1 << **k as u16) != 0).count();
            v.ratio() > PORTS_RATIO
                && ((strange >= 2 && n >= PORTS_STRANGE)
                    || reached(&PORTS)
                    || n >= settings.get(&PORTS_SLOW)
                    || (u64::from(v.refused) >= PORTS_FEW && v.level.level() >= PORTS_FEW as f64 - 2.0))
        }
    }
}

fn is_host_scan(v: &View, kind: Kind, settings: &Settings) -> bool {
    let reached = |hosts: &Tunable| v.level.level() >= settings.get(hosts) as f64;
    let n = v.failed.count();
    match kind {
        Kind::Udp => reached(&UDP_HOSTS) && v.ratio() >= UDP_RATIO,
        _ => (reached(&HOSTS) || n >= settings.get(&HOSTS_SLOW)) && v.ratio() >= HOSTS_RATIO,
    }
}

/// traceroute over UDP: ports from 33434 on, with a hop limit that has not far to go.
fn is_traceroute(port: u16, ttl: u8) -> bool {
    (33_434..33_700).contains(&port) && ttl <= 32
}

/// x.x.x.255: most often the broadcast address of a network whose mask is not known here.
fn is_directed_broadcast(ip: Ip) -> bool {
    ip.to_v4().is_some_and(|b| b[3] == 255)
}

impl Detector for Scan {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        self.settle(cx);
        if let Some(f) = FlowStartRow::of(row) {
            self.start(&f, cx);
        } else if let Some(u) = FlowUpdateRow::of(row) {
            self.update(&u, cx);
        } else if let Some(f) = FlowEndRow::of(row) {
            self.end(&f, cx);
        } else if let Some(r) = ArpRow::of(row) {
            self.arp(&r, cx);
        } else if let Some(d) = DhcpMessageRow::of(row) {
            self.discovers += u64::from(d.dhcp_type() == Some("discover"));
            // Whoever gives an address may look for its holder.
            if matches!(d.dhcp_type(), Some("offer" | "ack")) && !d.assigned_ip().is_unspecified() {
                self.resolved.entry(&d.assigned_ip(), cx.now, || ());
            }
        } else if let Some(m) = IcmpMessageRow::of(row) {
            self.protocols(&m, cx);
        } else if let Some(d) = DnsMessageRow::of(row) {
            for a in d.answers().filter(|a| matches!(a.rrtype(), b"A" | b"AAAA")) {
                if let Some(ip) = a.rdata().and_then(|t| std::str::from_utf8(t).ok()).and_then(|t| t.parse().ok()) {
                    self.resolved.entry(&ip, cx.now, || ());
                }
            }
        }
    }

    fn time(&mut self, cx: &mut Cx<'_>) {
        self.settle(cx);
        while self.ports.expired(cx.now, SLOW).is_some() {}
        while self.hosts.expired(cx.now, SLOW).is_some() {}
        while self.answers.expired(cx.now, SLOW).is_some() {}
        while self.resolved.expired(cx.now, SLOW).is_some() {}
        while let Some((src, mut s)) = self.sources.expired(cx.now, QUIET) {
            tell(src, &mut s, cx, true);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        while let Some((flow, a)) = self.pending.pop() {
            self.judge(flow, &a, cx);
        }
        while let Some((src, mut s)) = self.sources.pop() {
            tell(src, &mut s, cx, true);
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![
            self.pending.evicted,
            self.ports.evicted,
            self.hosts.evicted,
            self.answers.evicted,
            self.sources.evicted,
            self.resolved.evicted,
        ]
    }
}

impl Scan {
    /// Judges attempts that waited long enough.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        while let Some((flow, a)) = self.pending.expired(cx.now, WAIT) {
            self.judge(flow, &a, cx);
        }
    }
}

fn tell(src: Ip, s: &mut Source, cx: &mut Cx<'_>, end: bool) {
    let hosts = s.hosts.count().max(s.some_hosts.len() as u64);
    let mut reasons = Vec::new();
    if s.sweep {
        reasons.push(Reason { key: "scan.hosts", points: 25 });
    }
    if s.ports.count() >= cx.settings.get(&PORTS) {
        reasons.push(Reason { key: "scan.ports", points: 25 });
    } else if !s.sweep && s.ports.count() > 0 {
        reasons.push(Reason { key: "scan.few", points: 15 });
    }
    let odd = [Kind::Fin, Kind::Null, Kind::Xmas, Kind::Ack, Kind::Protocol].iter().any(|k| s.kinds & (1 << *k as u16) != 0);
    if s.kinds & (1 << Kind::Protocol as u16) != 0 {
        reasons.push(Reason { key: "scan.protocols", points: 20 });
    }
    if odd {
        reasons.push(Reason { key: "scan.odd", points: 10 });
    }
    if cx.is_home(src) {
        reasons.push(Reason { key: "scan.inside", points: 10 });
    }
    let points = reasons.iter().map(|r| r.points).sum();
    let Some(phase) = (if end { s.told.is_open().then_some(Phase::Close) } else { s.told.due(s.probes, points) }) else { return };
    let kinds = [Kind::Syn, Kind::Fin, Kind::Null, Kind::Xmas, Kind::Ack, Kind::Udp, Kind::Echo, Kind::Protocol, Kind::Arp];
    let mut params = vec![
        ("attacker", Value::Ip(src)),
        ("hosts", if s.hosts.is_exact() { Value::Count(hosts) } else { Value::About(hosts) }),
        ("probes", Value::Count(s.probes)),
        ("duration", Value::Duration(s.last.since(s.first))),
        ("kinds", Value::List(kinds.iter().filter(|k| s.kinds & (1 << **k as u16) != 0).map(|k| k.name().to_owned()).collect())),
    ];
    if s.ports.count() > 0 {
        params.push(("ports", (&s.ports).into()));
        params.push(("some", Value::List(s.some_ports.iter().map(u16::to_string).collect())));
    }
    if !s.open.is_empty() {
        params.push(("open", Value::List(s.open.iter().map(u16::to_string).collect())));
    }
    let me = Entity { mac: s.mac, ..Entity::ip(Role::Attacker, src) };
    let mut entities = vec![me];
    let template = if hosts <= 1 && s.ports.count() == 0 {
        PROTOCOLS_OF.key
    } else if hosts <= 1 {
        ONE_HOST.key
    } else {
        MANY_HOSTS.key
    };
    let net = s.net();
    if hosts > LISTED
        && let Some(net) = net
    {
        entities.extend(s.scanned.iter().map(|ip| Entity::ip(Role::Victim, *ip)));
        entities.push(Entity::net(Role::Victim, net));
    }
    if hosts <= LISTED || net.is_none() {
        entities.extend(s.some_hosts.iter().map(|ip| Entity::ip(Role::Victim, *ip)));
    }
    params.push(match (hosts, net) {
        (0 | 1, _) => ("victim", s.some_hosts.first().map_or(Value::Text(String::new()), |ip| Value::Ip(*ip))),
        (_, Some(net)) if hosts > LISTED => ("victim", Value::Net(net)),
        _ => ("victim", Value::List(s.some_hosts.iter().map(Ip::to_string).collect())),
    });
    let finding = Finding {
        detector: INFO.name,
        key: Finding::key_of(&[b"scan", &src.0], s.opened),
        phase,
        template,
        params,
        entities,
        reasons,
        count: s.probes,
        evidence: s.evidence.flows(),
        first: s.first,
        last: s.last.max(s.first),
        opens_case: true,
        env: cx.env,
    };
    cx.tell(phase, finding);
}

const REASONS_EN: &[(&str, &str)] = &[
    ("scan.hosts", "{hosts} different {hosts#host|hosts} were tried, most of which do not answer"),
    ("scan.ports", "{ports} different ports were tried, most of them closed or left as soon as they answered"),
    ("scan.few", "{ports} different ports were tried within {duration} on a machine that refused most of them"),
    ("scan.odd", "segments or protocols were used that no ordinary program begins with ({kinds})"),
    ("scan.protocols", "IP protocols were tried one after the other: {probes} times the answer was that there is no such protocol"),
    ("scan.inside", "the scan comes from inside your networks"),
];
const REASONS_FR: &[(&str, &str)] = &[
    ("scan.hosts", "{hosts} {hosts#machine a été essayée|machines ont été essayées}, dont la plupart ne répondent pas"),
    ("scan.ports", "{ports} ports différents ont été essayés, la plupart fermés ou quittés dès leur réponse"),
    ("scan.few", "{ports} ports différents ont été essayés en {duration} sur une machine qui en a refusé la plupart"),
    ("scan.odd", "des segments ou protocoles par lesquels aucun programme ordinaire ne commence ont été employés ({kinds})"),
    (
        "scan.protocols",
        "des protocoles IP ont été essayés l’un après l’autre : {probes} fois la réponse fut qu’un tel protocole n’existe pas",
    ),
    ("scan.inside", "le balayage vient de l’intérieur de vos réseaux"),
];

const ONE_HOST: Template = Template {
    key: "one_host",
    techniques: &["T1046"],
    en: Words {
        title: "Port scan of {victim} by {attacker}",
        story: "{attacker} tried {ports} different ports of {victim} within {duration} ({probes} probes, {kinds}), among them {some}. \
            Nearly all were refused, stayed silent or were left as soon as they answered: it is looking for services rather than using one.[[ Open, as far as seen: {open}.]]",
        innocent: "An authorised vulnerability scanner, an inventory or monitoring tool, or an administrator who checks a firewall rule.",
        summary: "{attacker} probed {ports} ports of {victim} in {duration} ({kinds})",
        checks: &[
            "Whether {attacker} is your own scanner or inventory tool, and whether a scan was planned at that time.",
            "What {attacker} did next on the ports that answered: log-ins, transfers, new connections.",
            "Who uses {attacker}, and which program made the connections.",
        ],
        actions: &[
            "If nobody can explain it, isolate {attacker} and examine it: a scan is most often the first step.",
            "Close the services of {victim} that need not be reached from there.",
        ],
        reasons: REASONS_EN,
    },
    fr: Words {
        title: "Balayage de ports de {victim} par {attacker}",
        story: "{attacker} a essayé {ports} ports différents de {victim} en {duration} ({probes} sondes, {kinds}), dont {some}. \
            Presque tous ont refusé, sont restés muets ou ont été quittés dès leur réponse : la machine cherche des services plutôt qu’elle n’en utilise un.[[ Ouverts, d’après ce qui a été vu : {open}.]]",
        innocent: "Un outil autorisé d’audit de vulnérabilités, un outil d’inventaire ou de supervision, ou un administrateur qui vérifie une règle de pare-feu.",
        summary: "{attacker} a sondé {ports} ports de {victim} en {duration} ({kinds})",
        checks: &[
            "Si {attacker} est votre propre outil d’audit ou d’inventaire, et si un balayage était prévu à ce moment-là.",
            "Ce que {attacker} a fait ensuite sur les ports qui ont répondu : connexions, transferts, nouveaux échanges.",
            "Qui utilise {attacker}, et quel programme a ouvert ces connexions.",
        ],
        actions: &[
            "Si personne ne peut l’expliquer, isolez {attacker} et examinez-la : un balayage est le plus souvent la première étape.",
            "Fermez les services de {victim} qui n’ont pas à être joints de là.",
        ],
        reasons: REASONS_FR,
    },
};

const PROTOCOLS_OF: Template = Template {
    key: "protocols",
    techniques: &["T1046"],
    en: Words {
        title: "Scan of {victim} by {attacker} ({kinds})",
        story: "{attacker} probed {victim} {probes} times within {duration} ({kinds}): it asks which of the internet's protocols the machine speaks, \
            one after the other. No ordinary program does that.",
        innocent: "An authorised vulnerability scanner, or an administrator who examines a firewall.",
        summary: "{attacker} probed {victim} {probes} times in {duration} ({kinds})",
        checks: &[
            "Whether {attacker} is your own scanner, and whether a scan was planned at that time.",
            "What else {attacker} did: ports tried, log-ins, transfers.",
        ],
        actions: &[
            "If nobody can explain it, isolate {attacker} and examine it.",
            "Let only the protocols that are needed reach {victim}.",
        ],
        reasons: REASONS_EN,
    },
    fr: Words {
        title: "Balayage de {victim} par {attacker} ({kinds})",
        story: "{attacker} a sondé {victim} {probes} fois en {duration} ({kinds}) : elle demande quels protocoles de l’internet la machine parle, \
            l’un après l’autre. Aucun programme ordinaire ne fait cela.",
        innocent: "Un outil autorisé d’audit de vulnérabilités, ou un administrateur qui examine un pare-feu.",
        summary: "{attacker} a sondé {victim} {probes} fois en {duration} ({kinds})",
        checks: &[
            "Si {attacker} est votre propre outil d’audit, et si un balayage était prévu à ce moment-là.",
            "Ce que {attacker} a fait d’autre : ports essayés, connexions, transferts.",
        ],
        actions: &[
            "Si personne ne peut l’expliquer, isolez {attacker} et examinez-la.",
            "Ne laissez atteindre {victim} que par les protocoles nécessaires.",
        ],
        reasons: REASONS_FR,
    },
};

const MANY_HOSTS: Template = Template {
    key: "many_hosts",
    techniques: &["T1018", "T1046"],
    en: Words {
        title: "Network scan by {attacker}",
        story: "{attacker} tried {hosts} different hosts ({victim}) within {duration} with {probes} probes ({kinds})[[, on {ports} {ports#port|ports}: {some}]]. \
            Most do not exist or do not answer: it is looking for machines rather than talking to them.",
        innocent: "An authorised scanner, an inventory or monitoring tool that explores the network, a printer or media program that looks for its kind, \
            or a router that looks for machines which somebody outside calls.",
        summary: "{attacker} probed {hosts} hosts of {victim} in {duration} ({kinds})",
        checks: &[
            "Whether {attacker} is your own scanner, inventory or monitoring machine, and whether its networks are the ones expected.",
            "Whether the port that was tried is one that worms and intruders look for (22, 23, 445, 3389, 8080).",
            "Which hosts answered, and what {attacker} did with them afterwards.",
        ],
        actions: &[
            "If nobody can explain it, isolate {attacker} and examine it: it may be infected.",
            "Limit by firewall rules which networks its segment can reach.",
        ],
        reasons: REASONS_EN,
    },
    fr: Words {
        title: "Balayage du réseau par {attacker}",
        story: "{attacker} a essayé {hosts} machines différentes ({victim}) en {duration} avec {probes} sondes ({kinds})[[, sur {ports} {ports#port|ports} : {some}]]. \
            La plupart n’existent pas ou ne répondent pas : elle cherche des machines plutôt qu’elle ne leur parle.",
        innocent: "Un outil d’audit autorisé, un outil d’inventaire ou de supervision qui explore le réseau, un programme d’impression ou multimédia qui cherche ses semblables, \
            ou un routeur qui cherche des machines que quelqu’un appelle de l’extérieur.",
        summary: "{attacker} a sondé {hosts} machines de {victim} en {duration} ({kinds})",
        checks: &[
            "Si {attacker} est votre machine d’audit, d’inventaire ou de supervision, et si les réseaux visés sont ceux attendus.",
            "Si le port essayé est de ceux que cherchent vers et intrus (22, 23, 445, 3389, 8080).",
            "Quelles machines ont répondu, et ce que {attacker} en a fait ensuite.",
        ],
        actions: &[
            "Si personne ne peut l’expliquer, isolez {attacker} et examinez-la : elle est peut-être infectée.",
            "Limitez par le pare-feu les réseaux que son segment peut joindre.",
        ],
        reasons: REASONS_FR,
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use vigie_event::Flag;
    use vigie_flow::record::TcpEnd;

    fn start(flags: u8) -> FlowStart<'static> {
        FlowStart { client_mac: Mac::ZERO, server_mac: Mac::ZERO, ttl: 64, tcp_flags: flags, window: 1024, tcp_options: b"", payload: 0 }
    }

    fn update(state: &'static str) -> FlowUpdate<'static> {
        FlowUpdate { state, refused: state == "closed", ttl: 64, window: 0, tcp_options: b"" }
    }

    /// One attempt; `answer` is a state, or empty for silence.
    fn attempt(b: &mut Bench, id: u64, to: &str, port: u16, answer: &'static str) {
        b.flow(id).to(to, port).at(0.05).push(&start(2));
        if !answer.is_empty() {
            b.at(0.001).push(&update(answer));
        }
    }

    #[test]
    fn ports_of_one_host_refused_or_silent() {
        for answer in ["closed", ""] {
            let mut b = Bench::of(INFO.name);
            b.from("10.0.0.9");
            for p in 1..=1000 {
                attempt(&mut b, u64::from(p), "10.0.0.2", p, if p == 80 { "established" } else { answer });
            }
            let found = b.finish();
            assert_eq!(found.len(), 1);
            let f = &found[0];
            assert_eq!((f.detector, f.template), ("scan", "one_host"));
            assert!(f.count >= 998, "{}", f.count);
            assert_eq!(f.entities, [Entity::ip(Role::Attacker, Ip::v4([10, 0, 0, 9])), Entity::ip(Role::Victim, Ip::v4([10, 0, 0, 2]))]);
            assert!(f.params.contains(&("open", Value::List(vec!["80".into()]))));
        }
    }

    /// A flow's end of that many segments, with the flags of either side.
    fn half_open(b: &mut Bench, id: u64, to: &str, port: u16, flags: (&'static str, &'static str)) {
        attempt(b, id, to, port, "established");
        let tcp = TcpEnd {
            tcp_flags: "16",
            tcp_flags_ts: flags.0,
            tcp_flags_tc: flags.1,
            fin: Flag(false),
            syn: Flag(true),
            rst: Flag(true),
            psh: Flag(false),
            ack: Flag(true),
            urg: Flag(false),
            ecn: Flag(false),
            cwr: Flag(false),
            state: "closed",
        };
        let end = FlowEnd {
            app_proto_orig: None,
            app_proto: None,
            pkts_toserver: 2,
            pkts_toclient: 1,
            bytes_toserver: 114,
            bytes_toclient: 60,
            start: b.env.ts,
            end: b.env.ts,
            age: 0,
            state: "closed",
            reason: "timeout",
            alerted: false,
            tx_cnt: None,
            tcp: Some(tcp),
            response_icmp_type: None,
            response_icmp_code: None,
            community_id: "",
            tunnel: None,
            client_mac: None,
            server_mac: None,
            gap_bytes: None,
            midstream: Flag(false),
            unreachable: Flag(false),
        };
        b.push(&end);
    }

    #[test]
    fn ports_that_answer_and_are_broken_off() {
        let mut b = Bench::of(INFO.name);
        b.from("10.0.0.9");
        for p in 1..=40 {
            half_open(&mut b, u64::from(p), "10.0.0.2", p, ("06", "12"));
        }
        let found = b.finish();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].template, "one_host");
        // A client of many ports that completes its handshakes, and a load balancer that looks at one port of many hosts.
        let mut b = Bench::of(INFO.name);
        b.from("10.0.0.9");
        for p in 1..=40 {
            half_open(&mut b, u64::from(p), "10.0.0.2", p, ("16", "12"));
            half_open(&mut b, 100 + u64::from(p), &format!("10.0.1.{p}"), 80, ("06", "12"));
        }
        assert!(b.finish().is_empty());
    }

    #[test]
    fn one_port_of_a_subnet() {
        let mut b = Bench::of(INFO.name);
        b.from("10.0.0.9");
        for i in 1..=60 {
            attempt(&mut b, i, &format!("10.0.7.{i}"), 445, if i % 10 == 0 { "established" } else { "" });
        }
        let found = b.finish();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].template, found[0].entities[1].net.map(|n| n.to_string()).as_deref()), ("many_hosts", Some("10.0.7.0/24")));
    }

    #[test]
    fn a_slow_scan_over_hours() {
        let mut b = Bench::of(INFO.name);
        b.from("10.0.0.9");
        for p in 1..=40 {
            b.at(600.0);
            attempt(&mut b, u64::from(p), "10.0.0.2", p, "closed");
        }
        assert_eq!(b.finish().len(), 1);
    }

    #[test]
    fn segments_that_begin_nothing() {
        for flags in [0u8, 1, 0x29] {
            let mut b = Bench::of(INFO.name);
            b.from("10.0.0.9");
            for p in 1..=30 {
                b.flow(u64::from(p)).to("10.0.0.2", p).at(0.01).push(&start(flags));
            }
            let found = b.finish();
            assert_eq!(found.len(), 1);
            assert!(found[0].reasons.iter().any(|r| r.key == "scan.odd"));
        }
    }

    #[test]
    fn udp_ports_unreachable_and_arp_over_a_subnet() {
        let mut b = Bench::of(INFO.name);
        b.env.proto = 17;
        b.from("10.0.0.9");
        for p in 1..=100 {
            b.flow(u64::from(p)).to("10.0.0.2", p * 7).at(0.05).push(&start(0)).push(&update("unreachable"));
        }
        assert_eq!(b.finish().len(), 1);
        let mut b = Bench::of(INFO.name);
        for i in 1..=200 {
            let ip = |n| Ip::v4([10, 0, 0, n]);
            b.at(0.02).push(&Arp {
                hw_type: "ethernet",
                proto_type: "ipv4",
                opcode: b"request",
                src_mac: Mac([2, 0, 0, 0, 0, 9]),
                src_ip: ip(250),
                dest_mac: Mac::ZERO,
                dest_ip: ip(i),
                frame_mac: None,
            });
        }
        let found = b.finish();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].entities[0].mac, Some(Mac([2, 0, 0, 0, 0, 9])));
    }

    #[test]
    fn monitoring_browsing_and_a_dead_server_are_not() {
        let mut b = Bench::of(INFO.name);
        b.from("10.0.0.9");
        let mut id = 0;
        let mut next = || {
            id += 1;
            id
        };
        for round in 0..50 {
            // Monitoring: the same services of many hosts, nearly all answered.
            for h in 1..=100 {
                attempt(&mut b, next(), &format!("10.0.1.{h}"), [22, 80, 443][round % 3], if h % 20 == 0 { "" } else { "established" });
            }
            // A client that goes on calling a dead server.
            attempt(&mut b, next(), "10.0.2.1", 3306, "closed");
        }
        assert!(b.finish().is_empty());
    }

    #[test]
    fn what_answers_takes_little_room_and_is_remembered() {
        let mut b = Bench::of(INFO.name);
        for i in 0..30_000u64 {
            b.from(&format!("10.{}.{}.1", i / 250, i % 250));
            attempt(&mut b, i, "10.0.0.2", 443, "established");
        }
        assert_eq!(b.full("detect.scan.hosts"), 0);
        // Forty servers that answered in the morning, and thirty that are down in the afternoon: less than two for each.
        b.from("10.0.0.9");
        for i in 1..=70 {
            attempt(&mut b, 40_000 + i, &format!("10.0.7.{i}"), 443, if i <= 40 { "established" } else { "closed" });
        }
        assert!(b.finish().is_empty());
        // Were they not remembered, thirty failures would be a scan.
        let mut b = Bench::of(INFO.name);
        b.from("10.0.0.9");
        for i in 41..=70 {
            attempt(&mut b, i, &format!("10.0.7.{i}"), 443, "closed");
        }
        assert_eq!(b.finish().len(), 1);
    }

    #[test]
    fn names_looked_up_on_a_network_that_blocks_are_not() {
        let mut b = Bench::of(INFO.name);
        for i in 1..=80u8 {
            let text = format!("203.0.113.{i}");
            let answer = crate::testing::resource(b"x.example", b"A", text.as_bytes());
            b.flow(5000 + u64::from(i)).to("10.0.0.53", 53).push(&crate::testing::dns_response(&[], &[answer]));
            attempt(&mut b, u64::from(i), &text, 443, "");
        }
        assert!(b.finish().is_empty());
    }

    #[test]
    fn a_tap_that_shows_one_side_is_not() {
        let mut b = Bench::of(INFO.name);
        for i in 0..4000u32 {
            b.from(&format!("10.0.0.{}", i % 40));
            attempt(&mut b, u64::from(i) + 1, &format!("203.0.{}.{}", i % 97, i % 251), 443, "");
        }
        assert!(b.finish().is_empty());
    }
}
