//! What a detector is, and what it works with.

use crate::finding::{Entity, Finding, Phase, Story};
use crate::text::Template;
use vigie_base::{Budget, Ip, Mac, NetSet, Share, Time};
use vigie_event::{Envelope, Row};

/// Settings of all detectors.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The networks that are watched over (HOME_NET).
    pub home: NetSet,
    /// Addresses of Tor relays, in order; empty where no list was given.
    pub tor_relays: Vec<Ip>,
    /// Addresses of the sensor's own machine, which no finding is about.
    pub own: Own,
    /// How much of what their tables declare they get.
    pub share: Share,
    /// One's own vulnerability scanners: what they do by trade is context and opens no case.
    pub scanners: NetSet,
    /// Tunables that are not what they are by default, by key.
    tuned: Vec<(&'static str, u64)>,
}

impl Settings {
    /// Sets a tunable.
    pub fn tune(&mut self, what: &'static Tunable, value: u64) {
        self.tuned.retain(|(key, _)| *key != what.key);
        if value != what.default {
            self.tuned.push((what.key, value));
        }
    }

    /// What a tunable is set to.
    #[inline]
    pub fn get(&self, what: &Tunable) -> u64 {
        self.tuned.iter().find(|(key, _)| *key == what.key).map_or(what.default, |(_, value)| *value)
    }
}

/// The machine that Vigie runs on, as the network sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Its addresses.
    pub ips: Vec<Ip>,
    /// Those of its interfaces.
    pub macs: Vec<Mac>,
}

impl Own {
    /// Whether someone in a finding is this machine.
    pub fn is(&self, who: &Entity) -> bool {
        who.ip.is_some_and(|ip| self.ips.contains(&ip)) || who.mac.is_some_and(|mac| self.macs.contains(&mac))
    }
}

/// A number of a detector that an administrator may change: a key of the configuration.
#[derive(Debug)]
pub struct Tunable {
    /// `detect.DETECTOR.NAME`.
    pub key: &'static str,
    /// What it is where nothing else is said.
    pub default: u64,
    /// Least and most that it may be.
    pub range: (u64, u64),
    /// What it does, in one or two lines.
    pub doc: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        let home = "[10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fe80::/10,fc00::/7]";
        Settings {
            home: home.parse().expect("the default is well formed"),
            tor_relays: Vec::new(),
            own: Own::default(),
            share: Share::WHOLE,
            scanners: "".parse().expect("no network is none"),
            tuned: Vec::new(),
        }
    }
}

/// What a detector says of itself: a line of [`crate::registry::DETECTORS`].
pub struct Info {
    /// Stable name.
    pub name: &'static str,
    /// `signature_id` of its `alert` events (gid 9000).
    pub sid: u32,
    /// `signature` of its `alert` events.
    pub signature: &'static str,
    /// `category` of its `alert` events.
    pub category: &'static str,
    /// Which case its findings belong to.
    pub story: Story,
    /// The kinds of events that it reads.
    pub inputs: &'static [&'static str],
    /// Its tables.
    pub budgets: &'static [Budget],
    /// What of it may be changed.
    pub tunables: &'static [&'static Tunable],
    /// Its words.
    pub templates: &'static [Template],
    /// Makes one.
    pub make: fn(&Settings) -> Box<dyn Detector + Send>,
}

/// A fold over rows in total order (`ts`, `flow_id`, `seq`).
pub trait Detector {
    /// Takes one row of a kind that it declared.
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>);
    /// Event time has come to `cx.now`; called about once a second of it.
    fn time(&mut self, cx: &mut Cx<'_>);
    /// By the clock it is `cx.now`, and of what comes live at `point` all before `upto` has been judged.
    fn clock(&mut self, _point: &str, _upto: Time, _cx: &mut Cx<'_>) {}
    /// The input is over: closes what is open.
    fn finish(&mut self, cx: &mut Cx<'_>);
    /// How often each table was full, in the order of [`Info::budgets`].
    fn full(&self) -> Vec<u64>;
}

/// What a detector is given besides a row.
pub struct Cx<'a> {
    /// Event time.
    pub now: Time,
    /// Settings.
    pub settings: &'a Settings,
    /// Envelope of the row at hand; where time alone came, one without ends.
    pub env: Envelope,
    /// Where findings go.
    pub out: &'a mut Vec<Finding>,
}

impl Cx<'_> {
    /// Whether an address is inside the watched networks.
    pub fn is_home(&self, ip: Ip) -> bool {
        self.settings.home.contains(ip)
    }

    /// Whether it is what a declared scanner does: it looks for hosts, ports and bad passwords. One that comes in by a password is another thing.
    fn is_by_trade(&self, finding: &Finding) -> bool {
        let of_a_scanner = finding.entities.first().and_then(|who| who.ip).is_some_and(|ip| self.settings.scanners.contains(ip));
        of_a_scanner
            && ["scan", "brute_force", "attacker_tool_host"].contains(&finding.detector)
            && !finding.reasons.iter().any(|r| r.key == crate::detectors::brute_force::SUCCEEDED)
    }

    /// Tells a finding in `phase`; none about the sensor's own machine, which is known. What others do to it is told.
    pub fn tell(&mut self, phase: Phase, mut finding: Finding) {
        if finding.entities.first().is_some_and(|who| self.settings.own.is(who)) {
            return;
        }
        if self.is_by_trade(&finding) {
            finding.opens_case = false;
        }
        finding.phase = phase;
        finding.env = self.env;
        self.out.push(finding);
    }
}
