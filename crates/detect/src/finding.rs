//! What a detector says: data, never prose.

use crate::count::Distinct;
use vigie_base::hash::Stable;
use vigie_base::{Cidr, Ip, Mac, Time};
use vigie_event::Envelope;

/// Where a finding stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Told for the first time.
    Open,
    /// Told again: it has grown.
    Update,
    /// It is over, or the input is.
    Close,
    /// What was wrong is right again: it needs nobody any more, whichever run found it.
    Mended,
}

/// The part that something plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Does harm.
    Attacker,
    /// Is done harm.
    Victim,
    /// Asked.
    Client,
    /// Was asked.
    Server,
    /// What the finding is about, without blame.
    Subject,
}

impl Role {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Attacker => "attacker",
            Role::Victim => "victim",
            Role::Client => "client",
            Role::Server => "server",
            Role::Subject => "subject",
        }
    }
}

/// A machine, or a network of them, in a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its part.
    pub role: Role,
    /// Its address.
    pub ip: Option<Ip>,
    /// Several addresses at once: what a sweep went over.
    pub net: Option<Cidr>,
    /// Its Ethernet address, where it is known to be its own.
    pub mac: Option<Mac>,
    /// What it calls itself, where the finding knows.
    pub name: Option<String>,
}

impl Entity {
    /// Nobody of the network: Vigie itself, or what it listens to.
    pub const NOBODY: Entity = Entity { role: Role::Subject, ip: None, net: None, mac: None, name: None };

    /// A machine by its address.
    pub const fn ip(role: Role, ip: Ip) -> Self {
        Entity { role, ip: Some(ip), net: None, mac: None, name: None }
    }

    /// A machine by its Ethernet address, with its IP address where known.
    pub const fn mac(role: Role, mac: Mac, ip: Option<Ip>) -> Self {
        Entity { role, ip, net: None, mac: Some(mac), name: None }
    }

    /// A network.
    pub const fn net(role: Role, net: Cidr) -> Self {
        Entity { role, ip: None, net: Some(net), mac: None, name: None }
    }

    /// Whether it has a name alone.
    pub fn is_named_only(&self) -> bool {
        self.ip.is_none() && self.net.is_none() && self.mac.is_none() && self.name.is_some()
    }

    /// Whether both mean one machine.
    pub fn same_machine(&self, other: &Entity) -> bool {
        (self.is_named_only() && other.is_named_only() && self.name == other.name)
            || (self.ip.is_some() && self.ip == other.ip)
            || (self.mac.is_some() && self.mac == other.mac)
    }
}

/// A typed parameter of a finding.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number of things.
    Count(u64),
    /// A number of things, estimated.
    About(u64),
    /// Text of the network or a protocol's name.
    Text(String),
    /// Several of them.
    List(Vec<String>),
    /// An address.
    Ip(Ip),
    /// A network.
    Net(Cidr),
    /// An Ethernet address.
    Mac(Mac),
    /// A port.
    Port(u16),
    /// A number of bytes.
    Bytes(u64),
    /// Nanoseconds.
    Duration(u64),
    /// A share, 0 to 100.
    Percent(u8),
    /// A share, 0 to 1000: told as percent with a tenth.
    PerMille(u64),
}

impl From<&Distinct> for Value {
    fn from(d: &Distinct) -> Self {
        if d.is_exact() { Value::Count(d.count()) } else { Value::About(d.count()) }
    }
}

/// A parameter's name in the templates, and its value.
pub type Param = (&'static str, Value);

/// A named part of the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Names its text in the detector's words; unique over all detectors.
    pub key: &'static str,
    /// What it adds to the score.
    pub points: u32,
}

/// Which findings about one machine belong into one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Story {
    /// A machine acts against others, or on behalf of someone outside.
    Intrusion,
    /// A practice that should change.
    Hygiene,
    /// Vigie itself does not see as it should. Its cases close by themselves.
    Health,
}

impl Story {
    /// Every story.
    pub const ALL: [Story; 3] = [Story::Intrusion, Story::Hygiene, Story::Health];

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Story::Intrusion => "intrusion",
            Story::Hygiene => "hygiene",
            Story::Health => "health",
        }
    }
}

/// The flows behind a finding: the first and the last of them, and how many events in all.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    first: Vec<u64>,
    last: Vec<u64>,
    oldest: usize,
    /// Events that were counted.
    pub count: u64,
}

impl Evidence {
    /// Flows kept from the beginning, and as many from the end.
    pub const KEPT: usize = 10;

    /// Adds a flow (0: none).
    pub fn add(&mut self, flow: u64) {
        self.count += 1;
        if flow == 0 || self.first.contains(&flow) || self.last.contains(&flow) {
            return;
        }
        if self.first.len() < Self::KEPT {
            self.first.push(flow);
        } else if self.last.len() < Self::KEPT {
            self.last.push(flow);
        } else {
            self.last[self.oldest] = flow;
            self.oldest = (self.oldest + 1) % Self::KEPT;
        }
    }

    /// The flows kept, in the order in which they came.
    pub fn flows(&self) -> Vec<u64> {
        let (new, old) = self.last.split_at(self.oldest.min(self.last.len()));
        self.first.iter().chain(old).chain(new).copied().collect()
    }
}

/// One thing that a detector found, as it stands now: a later finding of the same `detector` and `key` replaces it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Who says so: a name of [`crate::registry::DETECTORS`].
    pub detector: &'static str,
    /// Names the thing among the detector's findings.
    pub key: u64,
    /// Where it stands.
    pub phase: Phase,
    /// Which of the detector's templates says it.
    pub template: &'static str,
    /// What fills the template.
    pub params: Vec<Param>,
    /// Who is in it; the first is the machine that the case is about.
    pub entities: Vec<Entity>,
    /// The score's parts.
    pub reasons: Vec<Reason>,
    /// How many times it happened (tries, probes, messages).
    pub count: u64,
    /// Flows behind it.
    pub evidence: Vec<u64>,
    /// When it began.
    pub first: Time,
    /// When it was last seen.
    pub last: Time,
    /// Whether it is worth a case of its own; otherwise it is context of others' cases.
    pub opens_case: bool,
    /// Envelope of the event at hand.
    pub env: Envelope,
}

impl Finding {
    /// The sum of its reasons.
    pub fn score(&self) -> u32 {
        self.reasons.iter().map(|r| r.points).sum()
    }

    /// A stable identifier of a thing from its parts.
    pub fn key_of(parts: &[&[u8]], first: Time) -> u64 {
        let h = parts.iter().fold(Stable::default(), |h, p| h.bytes(p).word(p.len() as u64));
        h.word(first.0).finish()
    }
}

/// What was already told of a thing: decides when to tell it again, so that 500 tries are a handful of findings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    count: u64,
    points: u32,
    open: bool,
}

impl Told {
    /// Whether a finding is open.
    pub const fn is_open(self) -> bool {
        self.open
    }

    /// The phase to tell now, if any: at first, when the count has doubled, when the points have changed.
    pub fn due(&mut self, count: u64, points: u32) -> Option<Phase> {
        let phase = if !self.open {
            Phase::Open
        } else if count >= self.count.saturating_mul(2) || points != self.points {
            Phase::Update
        } else {
            return None;
        };
        (self.count, self.points, self.open) = (count, points, true);
        Some(phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_keeps_both_ends() {
        let mut e = Evidence::default();
        for i in 1..=100 {
            e.add(i);
            e.add(i);
        }
        let kept = e.flows();
        assert_eq!(kept, (1..=10).chain(91..=100).collect::<Vec<_>>());
        assert_eq!(e.count, 200);
    }

    #[test]
    fn told_on_growth_only() {
        let mut t = Told::default();
        let told: Vec<u64> = (10..=500).filter(|n| t.due(*n, 30).is_some()).collect();
        assert_eq!(told, [10, 20, 40, 80, 160, 320]);
        assert_eq!(t.due(501, 60), Some(Phase::Update));
    }
}
