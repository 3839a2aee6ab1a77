//! The one list of detectors, and the engine that runs them.

use crate::detector::{Cx, Detector, Info, Settings, Tunable};
use crate::detectors::*;
use crate::finding::Finding;
use crate::text::Template;
use std::collections::BTreeSet;
use vigie_base::time::SECOND;
use vigie_base::{Budget, Share, Time};
use vigie_event::{Envelope, Row, Schema};

/// `gid` of all `alert` events of detectors.
pub const GID: u32 = 9000;

/// Every detector. A line here and a file in [`crate::detectors`] is all that one costs.
pub static DETECTORS: &[&Info] = &[
    &brute_force::INFO,
    &scan::INFO,
    &tor::INFO,
    &arp_spoofing::INFO,
    &dhcp_starvation::INFO,
    &rogue_dhcp::INFO,
    &attacker_tool_host::INFO,
    &cleartext_credentials::INFO,
    &icmp_tunnel::INFO,
    &dns_tunnel::INFO,
    &capture_health::INFO,
];

/// A detector's line, by name.
pub fn info(name: &str) -> Option<&'static Info> {
    DETECTORS.iter().copied().find(|d| d.name == name)
}

/// The words of a finding.
pub fn template(f: &Finding) -> Option<&'static Template> {
    info(f.detector)?.templates.iter().find(|t| t.key == f.template)
}

/// All tables of all detectors, or a share of them.
pub fn budgets(share: Share) -> Vec<Budget> {
    DETECTORS.iter().flat_map(|d| d.budgets.iter().map(move |b| b.share(share))).collect()
}

/// Everything that may be changed of all detectors, in their order.
pub fn tunables() -> impl Iterator<Item = &'static Tunable> {
    DETECTORS.iter().flat_map(|d| d.tunables.iter().copied())
}

/// The kinds of events that detectors read, each once.
pub fn inputs() -> BTreeSet<&'static str> {
    DETECTORS.iter().flat_map(|d| d.inputs.iter().copied()).collect()
}

/// All detectors, running.
pub struct Engine {
    settings: Settings,
    detectors: Vec<Box<dyn Detector + Send>>,
    /// For each kind met so far: who reads it, as bits.
    readers: Vec<(&'static Schema, u32)>,
    now: Time,
    next: Time,
    /// Time of the last row that somebody read.
    last: Time,
}

impl Engine {
    /// With settings.
    pub fn new(settings: Settings) -> Self {
        let detectors = DETECTORS.iter().map(|d| (d.make)(&settings)).collect();
        Engine { settings, detectors, readers: Vec::new(), now: Time(0), next: Time(0), last: Time(0) }
    }

    /// Takes the next row in total order.
    pub fn row(&mut self, row: Row<'_>, out: &mut Vec<Finding>) {
        self.time(row.env().ts, out);
        self.beside(row, out);
    }

    /// Takes a row that has no place in that order, and may be ahead of it: event time stays where it is.
    pub fn beside(&mut self, row: Row<'_>, out: &mut Vec<Finding>) {
        let mut who = self.readers_of(row.schema());
        if row.env().is_canary() {
            // It is traffic to nobody but him who waits for it.
            let waits = |d: &&Info| d.name == capture_health::INFO.name;
            who &= DETECTORS.iter().position(waits).map_or(0, |i| 1 << i);
        }
        if who == 0 {
            return;
        }
        self.last = row.env().ts;
        let mut cx = Cx { now: self.now, settings: &self.settings, env: *row.env(), out };
        while who != 0 {
            self.detectors[who.trailing_zeros() as usize].row(row, &mut cx);
            who &= who - 1;
        }
    }

    fn readers_of(&mut self, schema: &'static Schema) -> u32 {
        if let Some(r) = self.readers.iter().find(|r| std::ptr::eq(r.0, schema)) {
            return r.1;
        }
        let reads = |d: &&Info| d.inputs.contains(&schema.kind);
        let who = DETECTORS.iter().enumerate().filter(|(_, d)| reads(d)).fold(0, |who, (i, _)| who | 1 << i);
        self.readers.push((schema, who));
        who
    }

    /// Event time has come to `now` (rows do this by themselves; a live source also in silence).
    pub fn time(&mut self, now: Time, out: &mut Vec<Finding>) {
        self.now = self.now.max(now);
        if self.now < self.next {
            return;
        }
        self.next = self.now.plus(SECOND);
        let mut cx = Cx { now: self.now, settings: &self.settings, env: self.moment(), out };
        self.detectors.iter_mut().for_each(|d| d.time(&mut cx));
    }

    /// By the clock it is `clock`, and of what comes live at `point` all before `upto` has been given. Event time stays where it is.
    pub fn clock(&mut self, clock: Time, point: &str, upto: Time, out: &mut Vec<Finding>) {
        let mut cx = Cx { now: clock, settings: &self.settings, env: Envelope { ts: clock, ..Envelope::default() }, out };
        self.detectors.iter_mut().for_each(|d| d.clock(point, upto, &mut cx));
    }

    /// The input is over: closes every finding.
    pub fn finish(&mut self, out: &mut Vec<Finding>) {
        let mut cx = Cx { now: self.now, settings: &self.settings, env: self.moment(), out };
        self.detectors.iter_mut().for_each(|d| d.finish(&mut cx));
    }

    /// What comes with time belongs to no packet: an envelope without ends, at the last row's time.
    fn moment(&self) -> Envelope {
        Envelope { ts: self.last, ..Envelope::default() }
    }

    /// How often each detector's tables were full, by the names of their budgets.
    pub fn full(&self) -> Vec<(&'static str, u64)> {
        DETECTORS.iter().zip(&self.detectors).flat_map(|(i, d)| i.budgets.iter().map(|b| b.name).zip(d.full())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;

    #[test]
    fn names_and_numbers_are_unique() {
        for (i, a) in DETECTORS.iter().enumerate() {
            assert!((9_000_001..9_001_000).contains(&a.sid), "{}", a.name);
            assert!(DETECTORS[..i].iter().all(|b| a.sid != b.sid && a.name != b.name), "{}", a.name);
            assert!(!a.inputs.is_empty() && !a.budgets.is_empty() && !a.templates.is_empty(), "{}", a.name);
        }
        assert!(DETECTORS.len() <= 32);
    }

    #[test]
    fn every_table_is_counted_under_its_name() {
        let settings = Settings::default();
        for d in DETECTORS {
            assert_eq!((d.make)(&settings).full(), vec![0; d.budgets.len()], "{}", d.name);
            assert!(d.budgets.iter().all(|b| b.name.starts_with(&format!("detect.{}.", d.name))), "{}", d.name);
        }
        assert_eq!(Engine::new(settings).full().len(), budgets(Share::WHOLE).len());
    }

    #[test]
    fn the_sensors_own_machine_is_no_finding_but_its_attacker_is() {
        use crate::finding::{Entity, Finding, Phase, Role};
        let [own, other] = ["10.0.0.9", "10.0.0.8"].map(|ip| ip.parse::<vigie_base::Ip>().unwrap());
        let mac = vigie_base::Mac([2, 0, 0, 0, 0, 9]);
        let mut settings = Settings::default();
        settings.own.ips.push(own);
        settings.own.macs.push(mac);
        let told = |first: Entity, second: Entity| {
            let mut out = Vec::new();
            let mut cx = Cx { now: Time(0), settings: &settings, env: Envelope::default(), out: &mut out };
            let finding = Finding {
                detector: "scan",
                key: 1,
                phase: Phase::Open,
                template: "",
                params: Vec::new(),
                entities: vec![first, second],
                reasons: Vec::new(),
                count: 1,
                evidence: Vec::new(),
                first: Time(0),
                last: Time(0),
                opens_case: true,
                env: Envelope::default(),
            };
            cx.tell(Phase::Open, finding);
            out.len()
        };
        assert_eq!(told(Entity::ip(Role::Attacker, own), Entity::ip(Role::Victim, other)), 0);
        assert_eq!(told(Entity::mac(Role::Attacker, mac, None), Entity::ip(Role::Victim, other)), 0);
        assert_eq!(told(Entity::ip(Role::Attacker, other), Entity::ip(Role::Victim, own)), 1);
    }

    #[test]
    fn what_a_declared_scanner_does_by_trade_is_context_until_it_comes_in() {
        use crate::testing::Bench;
        use vigie_dissect::record::Login;
        let opens = |scanners: &str, successes: usize| {
            let mut settings = Settings::default();
            settings.scanners = scanners.parse().expect("a network");
            let mut b = Bench::with("brute_force", settings);
            b.from("10.0.0.9").to("10.0.0.2", 21);
            for n in 0..20 + successes {
                let (user, outcome) = (Some(&b"admin"[..]), if n < 20 { "failure" } else { "success" });
                let login = Login { protocol: "ftp", user, method: "password", outcome, cleartext: true, anonymous: false, tries: 1 };
                b.at(1.0).flow(n as u64 + 1).push(&login);
            }
            b.finish().iter().map(|f| f.opens_case).collect::<Vec<_>>()
        };
        assert_eq!(opens("", 0), [true]);
        assert_eq!(opens("[10.0.0.0/28]", 0), [false]);
        assert_eq!(opens("[10.0.0.0/28]", 1), [true]);
    }

    #[test]
    fn tunables_are_their_detectors_and_change() {
        let mut settings = Settings::default();
        for d in DETECTORS {
            for t in d.tunables {
                let name = t.key.strip_prefix(&format!("detect.{}.", d.name));
                assert!(name.is_some_and(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')), "{}", t.key);
                assert!((t.range.0..=t.range.1).contains(&t.default) && t.doc.ends_with('.'), "{}", t.key);
                assert_eq!(settings.get(t), t.default);
                settings.tune(t, t.range.1);
                assert_eq!(settings.get(t), t.range.1);
                settings.tune(t, t.default);
            }
        }
        assert_eq!(settings.get(tunables().next().expect("there are some")), tunables().next().map_or(0, |t| t.default));
    }

    #[test]
    fn words_are_whole_and_match_between_languages() {
        let balanced = |t: &str| t.matches('{').count() == t.matches('}').count() && t.matches("[[").count() == t.matches("]]").count();
        for (d, t) in DETECTORS.iter().flat_map(|d| d.templates.iter().map(move |t| (d, t))) {
            let at = format!("{}/{}", d.name, t.key);
            let keys = |l: Lang| t.words(l).reasons.iter().map(|r| r.0).collect::<Vec<_>>();
            assert_eq!(keys(Lang::En), keys(Lang::Fr), "{at}");
            assert!(!t.techniques.is_empty(), "{at}");
            for l in Lang::ALL {
                let w = t.words(l);
                assert!(w.checks.len() >= 2 && w.actions.len() >= 2 && !w.innocent.is_empty() && !w.reasons.is_empty(), "{at}");
                let all = [w.title, w.story, w.innocent, w.summary].into_iter().chain(w.checks.iter().copied());
                for text in all.chain(w.actions.iter().copied()).chain(w.reasons.iter().map(|r| r.1)) {
                    assert!(balanced(text), "{at}: {text}");
                }
            }
            for (r, _) in t.en.reasons {
                assert!(r.starts_with(d.name) && r[d.name.len()..].starts_with('.'), "{at}: {r}");
            }
        }
    }
}
