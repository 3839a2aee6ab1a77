//! A device over weeks: what several runs say of it, joined.
//!
//! Joining takes the wider of two times, the union of two sets, the newer of two conclusions; so that the same run twice changes
//! nothing, and, below the caps, the order of runs does not matter.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vigie_base::time::SECOND;
use vigie_base::{Ip, Mac, Time};
use vigie_inventory::Asset;

/// Intervals of addresses kept; beyond, the oldest go.
const ADDRESSES_MAX: usize = 256;
/// Facts kept; beyond, the least believed go, then those not seen for longest.
const FACTS_MAX: usize = 256;
/// Names kept; beyond, the oldest go.
const NAMES_MAX: usize = 16;
/// Services kept, and ports used; beyond, those not seen for longest go.
const PORTS_MAX: usize = 512;
/// Runs told apart in a count of flows; beyond, the oldest are one.
const RUNS_MAX: usize = 16;
/// An address that is away for no longer was kept: a night and a morning.
const AWAY: u64 = 24 * 3600 * SECOND;
/// How long a name makes one device of an address before and an address after.
const NAMED: u64 = 30 * 24 * 3600 * SECOND;

/// Times as nanoseconds.
mod as_ns {
    use serde::{Deserialize, Deserializer, Serializer};
    use vigie_base::Time;

    pub(super) fn serialize<S: Serializer>(t: &Time, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(t.0)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Time, D::Error> {
        u64::deserialize(d).map(Time)
    }
}

/// Addresses as text.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::fmt::Display;
    use std::str::FromStr;

    pub(super) fn serialize<T: Display, S: Serializer>(v: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(v)
    }
    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// An address, and when it was this device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interval {
    /// The address.
    #[serde(with = "as_text")]
    pub ip: Ip,
    /// First seen.
    #[serde(with = "as_ns")]
    pub first: Time,
    /// Last seen.
    #[serde(with = "as_ns")]
    pub last: Time,
}

/// A name, and when it was last told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The end of the last run that told it.
    #[serde(with = "as_ns")]
    pub at: Time,
    /// Its place in that run: the device's own words first.
    pub rank: u32,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFact {
    /// What.
    pub key: String,
    /// The value.
    pub value: String,
    /// Protocol or evidence that says so.
    pub source: String,
    /// Why it is concluded; none where it was seen as it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// 0 to 100.
    pub confidence: u8,
    /// Whether a third says so.
    pub hearsay: bool,
    /// First seen.
    #[serde(with = "as_ns")]
    pub first: Time,
    /// Last seen.
    #[serde(with = "as_ns")]
    pub last: Time,
}

/// A port: offered, or used of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPort {
    /// `tcp`, `udp` or `sctp`.
    pub proto: String,
    /// Port.
    pub port: u16,
    /// Application protocol; empty where not known.
    pub app_proto: String,
    /// The end of the run that knew it.
    #[serde(with = "as_ns")]
    app_at: Time,
    /// What the server calls itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub software: Option<String>,
    /// The end of the run that knew it.
    #[serde(with = "as_ns")]
    software_at: Time,
    /// Most distinct clients in one run; 0 of a port used.
    pub clients: u64,
    /// Flows of each run, by when the run first saw it.
    runs: Vec<Run>,
}

/// Flows of a port in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Run {
    #[serde(with = "as_ns")]
    first: Time,
    #[serde(with = "as_ns")]
    last: Time,
    flows: u64,
}

impl KnownPort {
    /// Flows, all runs together.
    pub fn flows(&self) -> u64 {
        self.runs.iter().fold(0, |n, r| n.saturating_add(r.flows))
    }

    /// First seen.
    pub fn first(&self) -> Time {
        self.runs.iter().map(|r| r.first).min().unwrap_or_default()
    }

    /// Last seen.
    pub fn last(&self) -> Time {
        self.runs.iter().map(|r| r.last).max().unwrap_or_default()
    }

    fn join(&mut self, other: &KnownPort) {
        // Of two words the later is right; of two as late, either, but always the same one.
        let app = |p: &KnownPort| (!p.app_proto.is_empty(), p.app_at, p.app_proto.clone());
        if app(other) > app(self) {
            (self.app_proto, self.app_at) = (other.app_proto.clone(), other.app_at);
        }
        let software = |p: &KnownPort| (p.software.is_some(), p.software_at, p.software.clone());
        if software(other) > software(self) {
            (self.software, self.software_at) = (other.software.clone(), other.software_at);
        }
        self.clients = self.clients.max(other.clients);
        self.runs.extend(&other.runs);
        self.runs.sort_unstable_by_key(|r| (r.first, std::cmp::Reverse(r.last)));
        let mut runs: Vec<Run> = Vec::with_capacity(self.runs.len());
        for r in self.runs.drain(..) {
            match runs.last_mut() {
                Some(l) if l.first == r.first => l.flows = l.flows.max(r.flows),
                // A run that lies within another was already counted in it.
                Some(l) if r.last <= l.last => {}
                _ => runs.push(r),
            }
        }
        self.runs = runs;
        while self.runs.len() > RUNS_MAX {
            let oldest = self.runs.remove(0);
            let next = &mut self.runs[0];
            (next.first, next.last, next.flows) = (oldest.first, next.last.max(oldest.last), next.flows.saturating_add(oldest.flows));
        }
    }
}

/// A device, from all runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// As the inventory names it; below 2^53.
    pub id: u64,
    /// Its Ethernet address, where that is its own; none where it is known by its address alone.
    pub mac: Option<String>,
    /// Who made its network card.
    pub vendor: Option<String>,
    /// Whether its Ethernet address is locally administered.
    pub local_mac: bool,
    /// Its addresses in time, by address.
    pub addresses: Vec<Interval>,
    /// Its names, the latest first.
    pub names: Vec<Named>,
    /// One of [`vigie_inventory::CLASSES`].
    pub class: String,
    /// Its operating system.
    pub os: Option<String>,
    /// The end of the run that concluded the class.
    #[serde(with = "as_ns")]
    class_at: Time,
    /// The end of the run that concluded the system.
    #[serde(with = "as_ns")]
    os_at: Time,
    /// What it does for others, in order.
    pub roles: Vec<String>,
    /// What is known, with how.
    pub facts: Vec<KnownFact>,
    /// Ports that answer.
    pub services: Vec<KnownPort>,
    /// Ports that it uses of others.
    pub uses: Vec<KnownPort>,
    /// Most addresses that it spoke with in one run.
    pub peers: u64,
    /// First seen.
    #[serde(with = "as_ns")]
    pub first: Time,
    /// Last seen.
    #[serde(with = "as_ns")]
    pub last: Time,
}

impl Known {
    /// What one run says.
    pub fn of(a: &Asset) -> Known {
        let named = |(rank, name): (usize, &String)| Named { name: name.clone(), at: a.last_seen, rank: rank as u32 };
        let port = |proto: &str, port, app: &str, software: Option<&String>, clients, flows, first, last| KnownPort {
            proto: proto.to_owned(),
            port,
            app_proto: app.to_owned(),
            app_at: last,
            software: software.cloned(),
            software_at: last,
            clients,
            runs: vec![Run { first, last, flows }],
        };
        let mut k = Known {
            id: a.id,
            mac: a.mac.map(|m| m.to_string()),
            vendor: a.vendor.map(str::to_owned),
            local_mac: a.local_mac,
            addresses: a.addresses.iter().map(|i| Interval { ip: i.ip, first: i.first_seen, last: i.last_seen }).collect(),
            names: a.names.iter().enumerate().map(named).collect(),
            class: a.class.to_owned(),
            os: a.os.map(str::to_owned),
            class_at: a.last_seen,
            os_at: a.last_seen,
            roles: a.roles.iter().map(|r| (*r).to_owned()).collect(),
            facts: a
                .facts
                .iter()
                .map(|f| KnownFact {
                    key: f.key.clone(),
                    value: f.value.clone(),
                    source: f.source.clone(),
                    reason: f.reason.map(str::to_owned),
                    confidence: f.confidence,
                    hearsay: f.hearsay,
                    first: f.first_seen,
                    last: f.last_seen,
                })
                .collect(),
            services: a
                .services
                .iter()
                .map(|s| port(s.proto, s.port, s.app_proto, s.software.as_ref(), s.clients, s.flows, s.first_seen, s.last_seen))
                .collect(),
            uses: a.uses.iter().map(|u| port(u.proto, u.port, u.app_proto, None, 0, u.flows, u.first_seen, u.last_seen)).collect(),
            peers: a.peers,
            first: a.first_seen,
            last: a.last_seen,
        };
        k.tidy();
        k
    }

    /// Takes in what another run says of the same device; the id stays.
    pub fn join(&mut self, other: &Known) {
        if self.mac.is_none() {
            (self.mac, self.vendor, self.local_mac) = (other.mac.clone(), other.vendor.clone(), other.local_mac);
        }
        let class = |k: &Known| (k.class != "unknown", k.class_at, k.class.clone());
        if class(other) > class(self) {
            (self.class, self.class_at) = (other.class.clone(), other.class_at);
        }
        let os = |k: &Known| (k.os.is_some(), k.os_at, k.os.clone());
        if os(other) > os(self) {
            (self.os, self.os_at) = (other.os.clone(), other.os_at);
        }
        self.addresses.extend(&other.addresses);
        self.names.extend(other.names.iter().cloned());
        self.roles.extend(other.roles.iter().cloned());
        self.facts.extend(other.facts.iter().cloned());
        self.services.extend(other.services.iter().cloned());
        self.uses.extend(other.uses.iter().cloned());
        self.peers = self.peers.max(other.peers);
        (self.first, self.last) = (self.first.min(other.first), self.last.max(other.last));
        self.tidy();
    }

    /// Its best name, else its Ethernet address, else an address.
    pub fn label(&self) -> String {
        let name = self.names.first().map(|n| n.name.clone());
        name.or_else(|| self.mac.clone()).or_else(|| self.ip().map(|ip| ip.to_string())).unwrap_or_default()
    }

    /// The address that it had last: IPv4 before IPv6, link-local ones last.
    pub fn ip(&self) -> Option<Ip> {
        let best = self.addresses.iter().max_by_key(|a| (!a.ip.is_link_local(), a.ip.is_v4(), a.last, std::cmp::Reverse(a.ip)));
        best.map(|a| a.ip)
    }

    /// The facts that count now: of conclusions those that still hold.
    pub fn current_facts(&self) -> impl Iterator<Item = &KnownFact> {
        self.facts.iter().filter(|f| match (f.key.as_str(), &f.reason) {
            ("class", Some(_)) => f.value == self.class,
            ("os", Some(_)) => Some(&f.value) == self.os.as_ref(),
            _ => true,
        })
    }

    /// Its Ethernet address as a value.
    pub fn mac(&self) -> Option<Mac> {
        self.mac.as_ref().and_then(|m| m.parse().ok())
    }

    /// Whether `self`, known by its address alone, is the device `other`: it had that address within a day of when `other` had it, or
    /// within 30 days where both tell one name. How long lies between: the shorter, the likelier.
    pub(crate) fn gap_to(&self, other: &Known) -> Option<u64> {
        let named = self.names.iter().any(|n| other.names.iter().any(|o| o.name.eq_ignore_ascii_case(&n.name)));
        let most = if named { NAMED } else { AWAY };
        let pairs = self.addresses.iter().flat_map(|a| other.addresses.iter().filter(|b| b.ip == a.ip).map(move |b| (a, b)));
        pairs.map(|(a, b)| a.first.since(b.last).max(b.first.since(a.last))).min().filter(|gap| *gap <= most)
    }

    /// The names by which a device without an Ethernet address is known again at another address: what it says of itself, with most
    /// belief, through a protocol that says it to all.
    pub(crate) fn own_names(&self) -> impl Iterator<Item = String> {
        let own = |f: &&KnownFact| matches!(f.key.as_str(), "hostname" | "fqdn") && !f.hearsay && f.confidence >= 80 && f.value.len() > 3;
        self.facts.iter().filter(own).map(|f| f.value.to_lowercase())
    }

    /// Brings every list into its one form, within its cap.
    fn tidy(&mut self) {
        self.addresses.sort_unstable();
        let mut joined: Vec<Interval> = Vec::with_capacity(self.addresses.len());
        for a in self.addresses.drain(..) {
            match joined.last_mut() {
                Some(l) if l.ip == a.ip && a.first.since(l.last) <= AWAY => l.last = l.last.max(a.last),
                _ => joined.push(a),
            }
        }
        if joined.len() > ADDRESSES_MAX {
            joined.sort_unstable_by_key(|a| std::cmp::Reverse((a.last, a.ip)));
            joined.truncate(ADDRESSES_MAX);
            joined.sort_unstable();
        }
        self.addresses = joined;

        self.names.sort_by(|a, b| (b.at, a.rank, &a.name).cmp(&(a.at, b.rank, &b.name)));
        let mut names: Vec<Named> = Vec::new();
        for n in self.names.drain(..) {
            if names.len() < NAMES_MAX && !names.iter().any(|m| m.name.eq_ignore_ascii_case(&n.name)) {
                names.push(n);
            }
        }
        self.names = names;

        self.roles.sort_unstable();
        self.roles.dedup();

        let mut facts: BTreeMap<(String, String, String, Option<String>), KnownFact> = BTreeMap::new();
        for f in self.facts.drain(..) {
            let key = (f.key.clone(), f.value.clone(), f.source.clone(), f.reason.clone());
            match facts.get_mut(&key) {
                Some(k) => {
                    (k.first, k.last) = (k.first.min(f.first), k.last.max(f.last));
                    k.confidence = k.confidence.max(f.confidence);
                    k.hearsay &= f.hearsay;
                }
                None => _ = facts.insert(key, f),
            }
        }
        let mut facts: Vec<KnownFact> = facts.into_values().collect();
        if facts.len() > FACTS_MAX {
            facts.sort_by(|a, b| (b.confidence, b.last, &a.key, &a.value).cmp(&(a.confidence, a.last, &b.key, &b.value)));
            facts.truncate(FACTS_MAX);
        }
        facts.sort_by(|a, b| {
            (&a.key, b.confidence, &a.value, &a.source, &a.reason).cmp(&(&b.key, a.confidence, &b.value, &b.source, &b.reason))
        });
        self.facts = facts;

        for ports in [&mut self.services, &mut self.uses] {
            let mut by: BTreeMap<(String, u16), KnownPort> = BTreeMap::new();
            for p in ports.drain(..) {
                match by.get_mut(&(p.proto.clone(), p.port)) {
                    Some(k) => k.join(&p),
                    None => _ = by.insert((p.proto.clone(), p.port), p),
                }
            }
            ports.extend(by.into_values());
            if ports.len() > PORTS_MAX {
                ports.sort_by_key(|p| std::cmp::Reverse(p.last()));
                ports.truncate(PORTS_MAX);
                ports.sort_by(|a, b| (&a.proto, a.port).cmp(&(&b.proto, b.port)));
            }
        }
    }
}
