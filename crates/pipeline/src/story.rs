//! The story of a replay: what is on this network, what happened, which cases, and what Vigie does not see.
//!
//! [`Story`] is a small bounded fold over events; [`Page`] tells it to a terminal. Nothing is judged here: cases and machines come
//! ready as [`CaseView`] and [`AssetView`].

mod page;

pub use page::{Style, tell};

use crate::stats::transport;
use crate::words;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use vigie_base::{Budget, Cidr, Ip, NetSet, Share};
use vigie_capture::Capture;
use vigie_case::{AlertEventRow, Cases, TellCase};
use vigie_detect::detectors::capture_health::Fault;
use vigie_detect::{Lang, Param};
use vigie_event::Row;
use vigie_flow::record::FlowEndRow;
use vigie_inventory::{Asset, Inventory};
use vigie_sensor::Summary;

/// Addresses that the story tells apart.
pub(crate) const ADDRESSES: Budget =
    Budget { name: "story.addresses", entries_max: 65_536, entry_bytes: 96, when_full: "flows between further addresses are only counted" };
/// What the story's view of a machine takes: its name, its address and some words, each a text of its own, with its place in the order.
const MACHINE_BYTES: u64 = 1024;
/// What the words of a case take, without its alerts' lines.
const CASE_BYTES: u64 = 6144;
/// The line of an alert.
const LINE_BYTES: u64 = 256;

/// What telling the story takes at the end, beside what it is told from: `machines` at most are known.
pub(crate) fn budgets(machines: u64, share: Share) -> [Budget; 4] {
    let [cases, alerts] = Cases::budgets(share);
    [
        ADDRESSES,
        Budget { name: "story.machines", entries_max: machines, entry_bytes: MACHINE_BYTES, when_full: "as inventory.holders" },
        Budget { name: "story.cases", entries_max: cases.entries_max, entry_bytes: CASE_BYTES, when_full: "as case.cases" },
        Budget { name: "story.alerts", entries_max: alerts.entries_max, entry_bytes: LINE_BYTES, when_full: "as case.alerts" },
    ]
}

/// Share of flows below which HOME_NET is doubted: one in so many.
const HOME_DOUBT: u64 = 100;
/// Networks proposed as HOME_NET.
const PROPOSED_MAX: usize = 4;

/// Services of a machine that are told.
const SERVICES_TOLD: usize = 4;

/// A sum over flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// How many.
    pub flows: u64,
    /// Bytes of their frames, both ways.
    pub bytes: u64,
}

impl Volume {
    fn add(&mut self, bytes: u64) {
        self.flows += 1;
        self.bytes += bytes;
    }
}

/// What was seen of an address.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    all: Volume,
    /// Flows that it began.
    began: u64,
    /// Whether it sent anything.
    sent: bool,
}

/// What a flow carried, for the story's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Carried {
    /// A protocol that was told.
    Told(&'static str),
    /// Data that no protocol claimed, by transport.
    Unknown(&'static str),
    /// No data at all, by transport.
    Nothing(&'static str),
}

/// A machine as the story shows it. All text is made safe when it is told.
#[derive(Clone, Debug, Default)]
pub struct AssetView {
    /// Its best name, empty where none is known.
    pub name: String,
    /// Its address.
    pub ip: String,
    /// What it is, in the reader's language: class, system, vendor, what it serves; each may be empty.
    pub what: Vec<String>,
}

/// A case as the story shows it, in the reader's language.
#[derive(Clone, Debug)]
pub struct CaseView {
    /// Sum of its reasons' points.
    pub score: u32,
    /// Its words.
    pub told: TellCase,
}

impl CaseView {
    /// Of every case, the gravest first.
    pub fn all(cases: &Cases, lang: Lang) -> Vec<CaseView> {
        let mut all: Vec<CaseView> = cases.iter().map(|c| CaseView { score: c.score(), told: TellCase::of(c, lang) }).collect();
        all.sort_by_key(|c| Reverse(c.score));
        all
    }
}

impl AssetView {
    /// Of every machine; those of cases first, then those that serve and that speak most.
    pub fn all(inventory: &Inventory, cases: &Cases, lang: Lang) -> Vec<AssetView> {
        let suspects: BTreeSet<Ip> = cases.iter().flat_map(|c| c.entities()).filter_map(|e| e.ip).collect();
        let mut views = Vec::new();
        inventory.each_asset(|a| {
            let suspect = a.addresses.iter().any(|x| suspects.contains(&x.ip));
            let place = (!suspect, Reverse(a.services.len()), Reverse(a.peers), a.addresses.first().map(|x| x.ip));
            views.push((place, AssetView::of(&a, lang)));
        });
        views.sort_by_key(|(place, _)| *place);
        views.into_iter().map(|(_, view)| view).collect()
    }

    fn of(a: &Asset, lang: Lang) -> AssetView {
        let mut what: Vec<String> = Vec::new();
        if a.class != "unknown" {
            what.push(words::kind_of_machine(lang, a.class));
        }
        what.extend(a.roles.iter().filter(|r| **r != a.class).map(|r| words::kind_of_machine(lang, r)));
        what.extend(a.os.map(str::to_owned));
        what.extend(a.vendor.map(str::to_owned));
        let mut services: Vec<String> = Vec::new();
        for s in &a.services {
            let service = if s.app_proto.is_empty() { format!("{}/{}", s.proto, s.port) } else { s.app_proto.to_owned() };
            if !services.contains(&service) && services.len() < SERVICES_TOLD {
                services.push(service);
            }
        }
        if !services.is_empty() {
            what.push(words::fill(lang, words::Text::Serves, &[&services.join(" ")]));
        }
        AssetView {
            name: a.names.first().cloned().unwrap_or_default(),
            ip: a.addresses.first().map(|x| x.ip.to_string()).or(a.mac.map(|m| m.to_string())).unwrap_or_default(),
            what,
        }
    }
}

/// A file that was read.
#[derive(Clone, Debug)]
struct SourceLine {
    name: String,
    frames: u64,
    links: Vec<String>,
}

/// What the story is told from.
pub struct Story {
    home: NetSet,
    all: Volume,
    home_flows: u64,
    carried: BTreeMap<Carried, Volume>,
    addresses: BTreeMap<Ip, Seen>,
    /// Flows of addresses beyond [`ADDRESSES`].
    beyond: u64,
    /// Flows with bytes missing, and those bytes.
    gaps: Volume,
    kinds: Vec<(&'static str, u64)>,
    sources: Vec<SourceLine>,
    bytes_read: u64,
    lost_before: u64,
    problems: u64,
    summary: Summary,
    /// Caps that were reached, of every stage.
    caps: Vec<(&'static str, u64)>,
    /// What was wrong with the capture, with the figures.
    pub faults: Vec<(Fault, Vec<Param>)>,
    /// Alerts by detector.
    alerts: BTreeMap<String, u64>,
    /// Cases, the gravest first.
    pub cases: Vec<CaseView>,
    /// Machines, in the order in which they are told.
    pub machines: Vec<AssetView>,
    /// Whether reading was interrupted.
    pub partial: bool,
}

impl Story {
    /// Of a site whose own networks are `home`.
    pub fn new(home: NetSet) -> Self {
        Story {
            home,
            all: Volume::default(),
            home_flows: 0,
            carried: BTreeMap::new(),
            addresses: BTreeMap::new(),
            beyond: 0,
            gaps: Volume::default(),
            kinds: Vec::new(),
            sources: Vec::new(),
            bytes_read: 0,
            lost_before: 0,
            problems: 0,
            summary: Summary::default(),
            caps: Vec::new(),
            faults: Vec::new(),
            alerts: BTreeMap::new(),
            cases: Vec::new(),
            machines: Vec::new(),
            partial: false,
        }
    }

    /// Takes one event.
    pub fn row(&mut self, row: Row<'_>) {
        let schema = row.schema();
        if let Some(flow) = FlowEndRow::of(row) {
            let e = row.env();
            let bytes = flow.bytes_toserver() + flow.bytes_toclient();
            self.all.add(bytes);
            self.home_flows += u64::from(self.home.contains(e.src) || self.home.contains(e.dst));
            let by = transport(e.proto);
            let carried = match e.app_proto {
                "failed" => Carried::Unknown(by),
                "" if e.proto == 6 => Carried::Nothing(by),
                "" if e.proto == 17 => Carried::Unknown(by),
                "" => Carried::Told(by),
                name => Carried::Told(name),
            };
            self.carried.entry(carried).or_default().add(bytes);
            if let Some(missing) = flow.gap_bytes() {
                self.gaps.add(missing);
            }
            self.seen(e.src, bytes, true, true);
            self.seen(e.dst, bytes, false, flow.pkts_toclient() > 0);
        }
        if let Some(alert) = AlertEventRow::of(row)
            && alert.phase() == "open"
        {
            *self.alerts.entry(alert.detector().to_owned()).or_default() += 1;
        }
        if !schema.internal {
            match self.kinds.iter_mut().find(|(k, _)| *k == schema.kind) {
                Some((_, n)) => *n += 1,
                None => self.kinds.push((schema.kind, 1)),
            }
        }
    }

    fn seen(&mut self, ip: Ip, bytes: u64, began: bool, sent: bool) {
        if self.addresses.len() as u64 >= ADDRESSES.entries_max && !self.addresses.contains_key(&ip) {
            self.beyond += 1;
            return;
        }
        let seen = self.addresses.entry(ip).or_default();
        seen.all.add(bytes);
        seen.began += u64::from(began);
        seen.sent |= sent;
    }

    /// Takes what the reader and the sensor counted, when all is read.
    pub fn close(&mut self, capture: &Capture, summary: &Summary, caps: Vec<(&'static str, u64)>) {
        self.sources = capture
            .sources()
            .iter()
            .map(|s| {
                let mut links: Vec<String> = s.interfaces.iter().map(|i| i.link.to_string()).collect();
                links.sort_unstable();
                links.dedup();
                SourceLine { name: s.name.clone(), frames: s.frames, links }
            })
            .collect();
        self.bytes_read = capture.counters().bytes;
        self.lost_before = capture.sources().iter().map(|s| s.dropped_before).sum();
        self.problems = capture.problems().len() as u64 + capture.problems_dropped();
        self.summary = summary.clone();
        self.caps = caps;
    }

    /// Addresses that sent something and are one machine's each.
    fn machines_seen(&self) -> impl Iterator<Item = (&Ip, &Seen)> {
        self.addresses.iter().filter(|(ip, s)| s.sent && !ip.is_multicast_or_broadcast() && !ip.is_unspecified())
    }

    /// Networks seen: /24 and /64, with how many of their addresses sent something and their flows; those inside HOME_NET first, then
    /// those with more flows.
    fn networks(&self) -> Vec<(Cidr, u64, Volume, bool)> {
        let mut all: BTreeMap<Cidr, (u64, Volume, bool)> = BTreeMap::new();
        for (ip, seen) in self.machines_seen() {
            let Some(net) = Cidr::new(*ip, if ip.is_v4() { 24 } else { 64 }) else { continue };
            let place = all.entry(net).or_default();
            place.0 += 1;
            place.1.flows += seen.all.flows;
            place.1.bytes += seen.all.bytes;
            place.2 |= self.home.contains(*ip);
        }
        let mut list: Vec<_> = all.into_iter().map(|(net, (n, sum, home))| (net, n, sum, home)).collect();
        list.sort_by_key(|(net, _, sum, home)| (!*home, Reverse(sum.flows), *net));
        list
    }

    /// Whether so few flows touch HOME_NET that it is probably not this network's.
    fn doubts_home(&self) -> bool {
        self.all.flows > 0 && self.home_flows.saturating_mul(HOME_DOUBT) < self.all.flows
    }

    /// What HOME_NET may be: the networks whose machines begin nine flows of ten, those of one /16 as the smallest that covers them.
    fn proposal(&self) -> Vec<Cidr> {
        let mut began: BTreeMap<Cidr, u64> = BTreeMap::new();
        for (ip, seen) in self.machines_seen() {
            if let Some(net) = Cidr::new(*ip, if ip.is_v4() { 24 } else { 64 }) {
                *began.entry(net).or_default() += seen.began;
            }
        }
        let total: u64 = began.values().sum();
        let mut ranked: Vec<(Cidr, u64)> = began.into_iter().filter(|(_, n)| *n > 0).collect();
        ranked.sort_by_key(|(net, n)| (Reverse(*n), *net));
        let (mut chosen, mut covered): (Vec<Cidr>, u64) = (Vec::new(), 0);
        for (net, n) in ranked {
            if covered * 10 >= total * 9 {
                break;
            }
            covered += n;
            let joined = chosen.iter().position(|have| cover(*have, net).is_some());
            match joined {
                Some(i) => chosen[i] = cover(chosen[i], net).unwrap_or(chosen[i]),
                None if chosen.len() < PROPOSED_MAX => chosen.push(net),
                None => break,
            }
        }
        chosen
    }
}

/// The smallest block that holds both, where that is a /16 or smaller (IPv6: a /48).
fn cover(a: Cidr, b: Cidr) -> Option<Cidr> {
    let (ip, other) = (a.first(), b.first());
    if ip.is_v4() != other.is_v4() {
        return None;
    }
    let (longest, shortest) = if ip.is_v4() { (24, 16) } else { (64, 48) };
    (shortest..=longest).rev().filter_map(|len| Cidr::new(ip, len)).find(|net| net.contains(other) && net.contains(ip))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_event::{Batch, Envelope, Flag, Record};
    use vigie_flow::record::FlowEnd;

    fn flow(story: &mut Story, src: &str, dst: &str, app_proto: &'static str, answered: bool) {
        let mut batch = Batch::new(FlowEnd::schema());
        let env = Envelope { src: src.parse().unwrap(), dst: dst.parse().unwrap(), proto: 6, app_proto, ..Envelope::default() };
        let record = FlowEnd {
            app_proto_orig: None,
            app_proto: None,
            pkts_toserver: 1,
            pkts_toclient: u32::from(answered),
            bytes_toserver: 60,
            bytes_toclient: 40,
            start: vigie_base::Time(0),
            end: vigie_base::Time(0),
            age: 0,
            state: "new",
            reason: "timeout",
            alerted: false,
            tx_cnt: None,
            tcp: None,
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
        batch.push(&env, &record);
        story.row(batch.row(0));
    }

    fn story(home: &str) -> Story {
        Story::new(home.parse().unwrap())
    }

    #[test]
    fn a_foreign_network_is_proposed() {
        let mut s = story("10.0.0.0/8");
        for i in 0..50 {
            flow(&mut s, &format!("203.0.113.{}", i % 5), &format!("198.51.{i}.1"), "tls", true);
        }
        assert!(s.doubts_home());
        assert_eq!(s.proposal().iter().map(Cidr::to_string).collect::<Vec<_>>(), ["203.0.113.0/24"]);
        let text = tell(&s, &Style::default());
        assert!(text.contains("None of the 50 flows touch HOME_NET"), "{text}");
        assert!(text.contains("--set 'vars.address-groups.HOME_NET=[203.0.113.0/24]'"), "{text}");
    }

    #[test]
    fn neighbours_are_covered_by_one_block() {
        let mut s = story("10.0.0.0/8");
        for i in 0..4 {
            flow(&mut s, &format!("172.32.{i}.9"), "192.0.2.1", "", true);
        }
        flow(&mut s, "2001:db8::1", "192.0.2.1", "", true);
        assert_eq!(s.proposal().iter().map(Cidr::to_string).collect::<Vec<_>>(), ["172.32.0.0/22", "2001:db8::/64"]);
    }

    #[test]
    fn one_flow_in_a_hundred_is_enough() {
        let mut s = story("10.0.0.0/8");
        flow(&mut s, "10.0.0.1", "192.0.2.1", "", true);
        for _ in 0..99 {
            flow(&mut s, "203.0.113.1", "192.0.2.1", "", true);
        }
        assert!(!s.doubts_home());
        flow(&mut s, "203.0.113.1", "192.0.2.1", "", true);
        assert!(s.doubts_home());
    }

    #[test]
    fn addresses_beyond_the_cap_are_counted() {
        let mut s = story("10.0.0.0/8");
        for i in 0..ADDRESSES.entries_max {
            s.seen(Ip::v4((i as u32).to_be_bytes()), 1, true, true);
        }
        s.seen("10.0.0.1".parse().unwrap(), 1, true, true);
        assert_eq!((s.addresses.len() as u64, s.beyond), (ADDRESSES.entries_max, 1));
    }

    #[test]
    fn cases_are_told_in_the_readers_language() {
        let mut s = story("10.0.0.0/8");
        flow(&mut s, "10.0.0.1", "10.0.0.2", "ftp", true);
        s.cases = vec![case("Évasion \u{1b}[31m", "Something happened.")];
        let text = tell(&s, &Style { lang: Lang::Fr, ..Style::default() });
        assert!(text.contains("CRITIQUE 80") && text.contains("+60 a strong sign") && text.contains("parce que"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        s.cases.clear();
        assert!(tell(&s, &Style::default()).contains("None: nothing here"));
    }

    fn case(title: &str, story: &str) -> CaseView {
        let reason = |key, points, text: &str| vigie_case::Told { key, points, text: text.to_owned() };
        CaseView {
            score: 80,
            told: TellCase {
                title: title.to_owned(),
                reasons: vec![reason("strong", 60, "a strong sign"), reason("weak", 20, "a weak sign")],
                story: story.to_owned(),
                innocent: "A test.".to_owned(),
                checks: vec!["Ask the owner.".to_owned()],
                actions: Vec::new(),
                summaries: Vec::new(),
            },
        }
    }

    #[test]
    fn it_fits_the_width() {
        let mut s = story("10.0.0.0/8");
        for i in 0..300u32 {
            flow(
                &mut s,
                &format!("2001:db8:{i:x}:ffff:ffff:ffff:ffff:ffff"),
                &format!("2001:db8:ffff:{i:x}:ffff:ffff:ffff:fff1"),
                "dns",
                true,
            );
        }
        s.machines = vec![AssetView { name: "x".repeat(300), ip: "10.0.0.1".to_owned(), what: vec!["printer".to_owned(); 20] }; 30];
        s.cases = vec![case(&"t".repeat(200), &"word ".repeat(100)); 30];
        for width in [40, 80, 120] {
            for lang in [Lang::En, Lang::Fr] {
                let text = tell(&s, &Style { width, lang, ..Style::default() });
                let longest = text.lines().map(|l| l.chars().count()).max().unwrap();
                assert!(longest <= width, "{width}: {longest}");
                assert!(width < 80 || text.lines().count() <= 75, "{}", text.lines().count());
            }
        }
    }
}
