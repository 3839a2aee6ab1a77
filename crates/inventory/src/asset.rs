//! Assets: what is told of a device when it is asked for.

use crate::conclude::conclude;
use crate::facts::{Entry, Facts};
use crate::hints::{Matcher, names_port};
use crate::observe::{Inventory, asset_id, is_local_scope};
use crate::sketch::Sketch;
use crate::station::{Holder, Service, Station, Use, net};
use crate::vendor::vendor;
use std::collections::{BTreeMap, BTreeSet};
use vigie_base::{Ip, Mac, Time};
use vigie_event::json;

/// Why an address is contested.
pub(crate) const TWO_OWNERS: &str = "two Ethernet addresses say that this address is theirs";
/// Names told at most.
const NAMES_MAX: usize = 16;
/// Addresses of one Ethernet address that only sent, once, and were never answered: from here on they are taken for forged.
const UNCONFIRMED_MAX: usize = 32;
/// Devices known only by a lease, and that have no name or an Ethernet address of no vendor: from here on they are taken for forged (DHCP starvation).
const LEASES_MAX: usize = 16;

/// A device inside HOME_NET.
#[derive(Clone, Debug)]
pub struct Asset {
    /// Derived from what names it (its Ethernet address, else its address) with tenant and site; below 2^53.
    pub id: u64,
    /// Its Ethernet address, where that is its own.
    pub mac: Option<Mac>,
    /// Who made its network card.
    pub vendor: Option<&'static str>,
    /// Its addresses, in order, each with the time from first to last seen.
    pub addresses: Vec<Address>,
    /// Its names, those that it says itself first.
    pub names: Vec<String>,
    /// One of [`crate::CLASSES`].
    pub class: &'static str,
    /// Its operating system.
    pub os: Option<&'static str>,
    /// What is known, with how.
    pub facts: Vec<FactView>,
    /// The ports that answer.
    pub services: Vec<ServiceView>,
    /// The ports that it uses of others.
    pub uses: Vec<UseView>,
    /// What it does for others, in order.
    pub roles: Vec<&'static str>,
    /// How many addresses it spoke with: exact up to 7, else within 7 % mostly.
    pub peers: u64,
    /// Whether its Ethernet address is locally administered: chosen at random, or given to a virtual machine.
    pub local_mac: bool,
    /// First seen.
    pub first_seen: Time,
    /// Last seen.
    pub last_seen: Time,
}

/// An address, and when it was this device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: Ip,
    /// First seen.
    pub first_seen: Time,
    /// Last seen.
    pub last_seen: Time,
}

/// A fact of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactView {
    /// What.
    pub key: String,
    /// The value.
    pub value: String,
    /// Protocol or evidence that says so.
    pub source: String,
    /// How far to believe it, 0 to 100.
    pub confidence: u8,
    /// First seen.
    pub first_seen: Time,
    /// Last seen.
    pub last_seen: Time,
    /// Whether a third says so.
    pub hearsay: bool,
    /// Why it is concluded, in one clause; none where it was seen as it is.
    pub reason: Option<&'static str>,
}

/// A port that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// `tcp`, `udp` or `sctp`.
    pub proto: &'static str,
    /// Port.
    pub port: u16,
    /// Application protocol; empty where not known.
    pub app_proto: &'static str,
    /// What the server calls itself.
    pub software: Option<String>,
    /// Flows.
    pub flows: u64,
    /// Distinct clients: exact up to 7, else within 7 % mostly.
    pub clients: u64,
    /// First seen.
    pub first_seen: Time,
    /// Last seen.
    pub last_seen: Time,
}

/// A port of others that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseView {
    /// `tcp`, `udp` or `sctp`.
    pub proto: &'static str,
    /// Port.
    pub port: u16,
    /// Application protocol; empty where not known.
    pub app_proto: &'static str,
    /// Flows.
    pub flows: u64,
    /// First seen.
    pub first_seen: Time,
    /// Last seen.
    pub last_seen: Time,
}

/// What names a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Mac(Mac),
    Ip(Ip),
}

/// An asset's place in the order in which they are told, and its holders.
type Listed = (Ip, u64, Name, Vec<u32>);

/// What listing all assets takes for each: its place in the order, before that in a map, and its holders.
pub(crate) const LISTED_BYTES: u64 = 3 * size_of::<Listed>() as u64 + 16;

impl Inventory {
    /// All assets, by lowest address, then id. All at once take several times what the inventory itself does: see
    /// [`Inventory::each_asset`].
    pub fn assets(&self) -> Vec<Asset> {
        let mut out = Vec::new();
        self.each_asset(|asset| out.push(asset));
        out
    }

    /// Gives those of [`Inventory::assets`] that were seen at or after `since`, and those of `also`, one at a time.
    pub fn each_asset_since(&self, since: Time, also: &BTreeSet<u64>, mut each: impl FnMut(Asset)) {
        let mut matcher = Matcher::new();
        for (_, id, name, holders) in self.listed() {
            // What has no address of its own is a router: they are few.
            let seen = holders.is_empty() || holders.iter().any(|i| self.holders[*i as usize].last >= since);
            if seen || also.contains(&id) {
                each(self.asset(&mut matcher, name, &holders));
            }
        }
    }

    /// Gives every asset, one at a time, in the order of [`Inventory::assets`].
    pub fn each_asset(&self, mut each: impl FnMut(Asset)) {
        let mut matcher = Matcher::new();
        for (_, _, name, holders) in self.listed() {
            each(self.asset(&mut matcher, name, &holders));
        }
    }

    /// What names each asset, and its addresses as holders.
    fn listed(&self) -> Vec<Listed> {
        let mut groups: BTreeMap<Name, Vec<u32>> = BTreeMap::new();
        for (i, h) in self.holders.iter().enumerate().filter(|(_, h)| h.seen || h.own) {
            groups.entry(self.name(h)).or_default().push(i as u32);
        }
        for s in self.stations.iter().filter(|s| s.is_router() && !s.holders.is_empty()) {
            groups.entry(Name::Mac(s.mac)).or_default();
        }
        self.without_forged(&mut groups);
        let lowest = |holders: &[u32]| holders.iter().map(|i| self.holders[*i as usize].ip).min().unwrap_or(Ip([0xff; 16]));
        let mut order: Vec<Listed> = groups.into_iter().map(|(name, holders)| (lowest(&holders), self.id(name), name, holders)).collect();
        order.sort_unstable_by_key(|(ip, id, ..)| (*ip, *id));
        order
    }

    /// The id of the asset that has `ip` now. `None` for addresses outside HOME_NET and ones never seen.
    pub fn asset_of(&self, ip: Ip) -> Option<u64> {
        let h = &self.holders[*self.current.get(&ip)? as usize];
        Some(self.id(self.name(h)))
    }

    /// The id of the asset that has the Ethernet address `mac`. `None` where it was never seen with a home address.
    pub fn asset_of_mac(&self, mac: Mac) -> Option<u64> {
        let s = &self.stations[*self.station_of.get(&mac)? as usize];
        (!s.holders.is_empty()).then(|| self.id(Name::Mac(mac)))
    }

    /// The Ethernet address of the device that has `ip` now, where it is that device's own.
    pub fn mac_of(&self, ip: Ip) -> Option<Mac> {
        match self.name(&self.holders[*self.current.get(&ip)? as usize]) {
            Name::Mac(mac) => Some(mac),
            Name::Ip(_) => None,
        }
    }

    /// The best name of the device that had `ip` at a time: the holder seen then, else the last one before.
    pub fn name_of(&self, ip: Ip, at: Time) -> Option<&str> {
        let mut next = self.current.get(&ip).copied();
        let mut named = None;
        // As many as an address may change hands and still be told apart; a spoofer makes no longer chains.
        for _ in 0..8 {
            let Some(h) = next.and_then(|i| self.holders.get(i as usize)) else { break };
            next = h.before;
            let station = self.station_of.get(&h.mac).map(|s| &self.stations[*s as usize]).filter(|s| !s.is_router());
            let lists = [Some(&h.facts), station.map(|s| &s.facts)];
            let best = lists
                .into_iter()
                .flatten()
                .flat_map(Facts::iter)
                .filter(|e| is_name(self.words.text(e.key), &e.value))
                .max_by(|a, b| (!a.hearsay, a.confidence, a.last, &a.value).cmp(&(!b.hearsay, b.confidence, b.last, &b.value)));
            if let Some(best) = best {
                if (h.first..=h.last).contains(&at) {
                    return Some(&best.value);
                }
                named = named.or(Some(&*best.value));
            }
        }
        named
    }

    fn id(&self, name: Name) -> u64 {
        match name {
            Name::Mac(mac) => asset_id(&self.settings, &mac.0),
            Name::Ip(ip) => asset_id(&self.settings, &ip.0),
        }
    }

    /// What names the device that `h` is an address of.
    fn name(&self, h: &Holder) -> Name {
        let own = |h: &Holder| -> Option<Mac> {
            let s = &self.stations[*self.station_of.get(&h.mac)? as usize];
            let own = !s.is_router() || h.own && !s.answers_for_others() || self.own_by_neighbours(s) == Some(h.ip);
            own.then_some(h.mac)
        };
        if let Some(mac) = own(h) {
            return Name::Mac(mac);
        }
        // Seen behind a router here and with its own Ethernet address elsewhere: one device.
        let mut other = self.current.get(&h.ip).copied();
        for _ in 0..8 {
            let Some(o) = other.and_then(|i| self.holders.get(i as usize)) else { break };
            if let Some(mac) = own(o) {
                return Name::Mac(mac);
            }
            other = o.before;
        }
        Name::Ip(h.ip)
    }

    /// The address of a router that has said of none that it is its own: the only one that lies in a network where others have
    /// theirs. What it forwards comes from other networks.
    fn own_by_neighbours(&self, s: &Station) -> Option<Ip> {
        let mut held = s.holders.iter().map(|i| &self.holders[*i as usize]);
        if held.clone().any(|h| h.own && !is_local_scope(h.ip)) {
            return None;
        }
        let near = |h: &&Holder| !is_local_scope(h.ip) && self.neighbours.get(&net(h.ip)).is_some_and(|(_, other)| *other);
        let one = held.find(near)?;
        held.find(near).is_none().then_some(one.ip)
    }

    /// Leaves out what was most likely made up by one sender.
    fn without_forged(&self, groups: &mut BTreeMap<Name, Vec<u32>>) {
        let unconfirmed = |list: &[u32]| {
            list.iter().all(|i| {
                let h = &self.holders[*i as usize];
                !h.own && !h.answered && h.facts.iter().all(|f| self.words.text(f.key) == "tcp_stack") && h.peers.count() <= 1
            })
        };
        let mut per_mac: BTreeMap<Mac, usize> = BTreeMap::new();
        for (name, list) in groups.iter() {
            if let (Name::Ip(_), Some(i)) = (name, list.first())
                && unconfirmed(list)
            {
                *per_mac.entry(self.holders[*i as usize].mac).or_default() += 1;
            }
        }
        let leased = |name: &Name, list: &[u32]| match name {
            Name::Mac(mac) => {
                let named = |facts: &Facts| facts.iter().any(|e| is_name(self.words.text(e.key), &e.value));
                let station = self.station_of.get(mac).map(|s| &self.stations[*s as usize].facts);
                let known =
                    vendor(*mac).is_some() && (station.is_some_and(named) || list.iter().any(|i| named(&self.holders[*i as usize].facts)));
                !known && list.iter().all(|i| !self.holders[*i as usize].seen)
            }
            Name::Ip(_) => false,
        };
        let leases = groups.iter().filter(|(name, list)| !list.is_empty() && leased(name, list)).count();
        groups.retain(|name, list| match (name, list.first()) {
            (Name::Ip(_), Some(i)) => {
                per_mac.get(&self.holders[*i as usize].mac).is_none_or(|n| *n <= UNCONFIRMED_MAX) || !unconfirmed(list)
            }
            (Name::Mac(_), Some(_)) => leases <= LEASES_MAX || !leased(name, list),
            _ => true,
        });
    }

    fn asset(&self, matcher: &mut Matcher, name: Name, holders: &[u32]) -> Asset {
        let station: Option<&Station> = match name {
            Name::Mac(mac) => self.station_of.get(&mac).map(|s| &self.stations[*s as usize]),
            Name::Ip(_) => None,
        };
        let holders: Vec<&Holder> = holders.iter().map(|i| &self.holders[*i as usize]).collect();
        let mut addresses: BTreeMap<Ip, (Time, Time)> = BTreeMap::new();
        let mut peers = Sketch::default();
        for h in &holders {
            let a = addresses.entry(h.ip).or_insert((h.first, h.last));
            *a = (a.0.min(h.first), a.1.max(h.last));
            peers.merge(&h.peers);
        }
        let spans = holders.iter().map(|h| (h.first, h.last)).chain(station.map(|s| (s.first, s.last)));
        let (first_seen, last_seen) = spans.fold((Time::MAX, Time(0)), |a, b| (a.0.min(b.0), a.1.max(b.1)));
        let mut facts = self.facts(holders.iter().map(|h| &h.facts).chain(station.map(|s| &s.facts)));
        let services = services(&holders);
        let uses = uses(&holders);
        let mac = station.map(|s| s.mac);
        let vendor = mac.and_then(vendor);
        let forwards = station.is_some_and(Station::is_router) || holders.iter().any(|h| h.virtual_router);
        let router = forwards.then_some((first_seen, last_seen));
        let concluded = conclude(matcher, &facts, &services, &uses, vendor, router, (first_seen, last_seen));
        let names = names(&facts);
        facts.extend(concluded.facts);
        facts.extend(holders.iter().filter_map(|h| self.contested(h)));
        facts.sort_by(|a, b| {
            (&a.key, b.confidence, &a.value, &a.source, a.reason).cmp(&(&b.key, a.confidence, &b.value, &b.source, b.reason))
        });
        Asset {
            id: self.id(name),
            mac,
            vendor,
            addresses: addresses.into_iter().map(|(ip, (first_seen, last_seen))| Address { ip, first_seen, last_seen }).collect(),
            names,
            class: concluded.class,
            os: concluded.os,
            facts,
            services,
            uses,
            roles: concluded.roles,
            peers: peers.count(),
            local_mac: mac.is_some_and(Mac::is_local),
            first_seen,
            last_seen,
        }
    }

    /// Another station says of the same address, at the same time, that it is its own: a spoofer, or two machines set up alike.
    fn contested(&self, h: &Holder) -> Option<FactView> {
        let mut next = self.current.get(&h.ip).copied();
        for _ in 0..8 {
            let o = self.holders.get(next? as usize)?;
            let (first, last) = (h.first.max(o.first), h.last.min(o.last));
            if h.own && o.own && o.mac != h.mac && first <= last && !is_local_scope(h.ip) {
                return Some(FactView {
                    key: "contested_address".to_owned(),
                    value: format!("{} (also {})", h.ip, o.mac),
                    source: "arp".to_owned(),
                    confidence: 90,
                    first_seen: first,
                    last_seen: last,
                    hearsay: false,
                    reason: Some(TWO_OWNERS),
                });
            }
            next = o.before;
        }
        None
    }

    /// The facts of several lists, the same ones joined.
    fn facts<'f>(&'f self, lists: impl Iterator<Item = &'f Facts>) -> Vec<FactView> {
        let mut by: BTreeMap<(&str, &str, &str), Entry> = BTreeMap::new();
        for e in lists.flat_map(Facts::iter) {
            by.entry((self.words.text(e.key), &e.value, self.words.text(e.source)))
                .and_modify(|o| {
                    o.first = o.first.min(e.first);
                    o.last = o.last.max(e.last);
                    o.confidence = o.confidence.max(e.confidence);
                    o.hearsay &= e.hearsay;
                })
                .or_insert_with(|| e.clone());
        }
        by.into_iter()
            .map(|((key, value, source), e)| FactView {
                key: key.to_owned(),
                value: value.to_owned(),
                source: source.to_owned(),
                confidence: e.confidence,
                first_seen: e.first,
                last_seen: e.last,
                hearsay: e.hearsay,
                reason: None,
            })
            .collect()
    }
}

fn services(holders: &[&Holder]) -> Vec<ServiceView> {
    let mut by: BTreeMap<(u8, u16), Service> = BTreeMap::new();
    for s in holders.iter().flat_map(|h| &h.services) {
        by.entry((s.proto, s.port))
            .and_modify(|o| {
                o.flows = o.flows.saturating_add(s.flows);
                (o.first, o.last) = (o.first.min(s.first), o.last.max(s.last));
                o.clients.merge(&s.clients);
                if o.app.is_empty() {
                    o.app = s.app;
                }
                if o.software.is_none() {
                    o.software = s.software.clone();
                }
            })
            .or_insert_with(|| s.clone());
    }
    by.into_values()
        .filter(|s| lasts(s.proto, s.port, s.app) || s.clients.count() > 1)
        .map(|s| ServiceView {
            proto: transport(s.proto),
            port: s.port,
            app_proto: s.app,
            software: s.software.map(String::from),
            flows: u64::from(s.flows),
            clients: s.clients.count(),
            first_seen: s.first,
            last_seen: s.last,
        })
        .collect()
}

fn uses(holders: &[&Holder]) -> Vec<UseView> {
    let mut by: BTreeMap<(u8, u16), Use> = BTreeMap::new();
    for u in holders.iter().flat_map(|h| &h.uses) {
        by.entry((u.proto, u.port))
            .and_modify(|o| {
                o.flows = o.flows.saturating_add(u.flows);
                (o.first, o.last) = (o.first.min(u.first), o.last.max(u.last));
                if o.app.is_empty() {
                    o.app = u.app;
                }
            })
            .or_insert_with(|| u.clone());
    }
    by.into_values()
        .filter(|u| lasts(u.proto, u.port, u.app))
        .map(|u| UseView {
            proto: transport(u.proto),
            port: u.port,
            app_proto: u.app,
            flows: u64::from(u.flows),
            first_seen: u.first,
            last_seen: u.last,
        })
        .collect()
}

/// Whether a port is one that a service keeps, and not one chosen for a conversation (media, games, tunnels over UDP).
fn lasts(proto: u8, port: u16, app: &str) -> bool {
    proto != 17 || port < 1024 || !app.is_empty() || names_port(&format!("udp/{port}"))
}

fn transport(proto: u8) -> &'static str {
    match proto {
        6 => "tcp",
        17 => "udp",
        _ => "sctp",
    }
}

/// Whether a fact names its device, and not an address or many devices at once.
fn is_name(key: &str, value: &str) -> bool {
    matches!(key, "hostname" | "fqdn" | "certificate_name") && !value.contains('*') && value.parse::<std::net::IpAddr>().is_err()
}

/// Names, each once whatever its case: the machine's own words first, then the most believed.
fn names(facts: &[FactView]) -> Vec<String> {
    let mut list: Vec<&FactView> = facts.iter().filter(|f| is_name(&f.key, &f.value)).collect();
    list.sort_by(|a, b| (a.hearsay, b.confidence, &a.value).cmp(&(b.hearsay, a.confidence, &b.value)));
    let mut out: Vec<String> = Vec::new();
    for f in list {
        if out.len() < NAMES_MAX && !out.iter().any(|n| n.eq_ignore_ascii_case(&f.value)) {
            out.push(f.value.clone());
        }
    }
    out
}

/// One asset as a JSON object, without the end of the line. What is not known is `null` or an empty list.
pub fn write_asset_json(asset: &Asset, out: &mut Vec<u8>) {
    let mut w = Object::begin(out);
    w.text("id", &format!("{:014x}", asset.id));
    w.value("mac", |out| match asset.mac {
        Some(mac) => quoted(out, |out| mac.write(out)),
        None => out.extend_from_slice(b"null"),
    });
    w.optional("vendor", asset.vendor);
    w.list("ips", &asset.addresses, |a, out| quoted(out, |out| a.ip.write(out)));
    w.list("names", &asset.names, |n, out| json::string(n.as_bytes(), out));
    w.text("class", asset.class);
    w.optional("os", asset.os);
    w.list("roles", &asset.roles, |r, out| json::string(r.as_bytes(), out));
    w.times(asset.first_seen, asset.last_seen);
    w.number("peers", asset.peers);
    if asset.local_mac {
        w.value("local_mac", |out| out.extend_from_slice(b"true"));
    }
    w.list("addresses", &asset.addresses, |a, out| {
        let mut w = Object::begin(out);
        w.value("ip", |out| quoted(out, |out| a.ip.write(out)));
        w.times(a.first_seen, a.last_seen);
        w.end();
    });
    w.list("services", &asset.services, |s, out| {
        let mut w = Object::begin(out);
        w.text("proto", s.proto);
        w.number("port", u64::from(s.port));
        w.optional("app_proto", Some(s.app_proto).filter(|a| !a.is_empty()));
        if let Some(software) = &s.software {
            w.text("software", software);
        }
        w.times(s.first_seen, s.last_seen);
        w.number("flows", s.flows);
        w.number("clients", s.clients);
        w.end();
    });
    w.list("uses", &asset.uses, |u, out| {
        let mut w = Object::begin(out);
        w.text("proto", u.proto);
        w.number("port", u64::from(u.port));
        w.optional("app_proto", Some(u.app_proto).filter(|a| !a.is_empty()));
        w.times(u.first_seen, u.last_seen);
        w.number("flows", u.flows);
        w.end();
    });
    w.list("facts", &asset.facts, |f, out| {
        let mut w = Object::begin(out);
        w.text("key", &f.key);
        w.text("value", &f.value);
        w.text("source", &f.source);
        w.number("confidence", u64::from(f.confidence));
        w.times(f.first_seen, f.last_seen);
        if f.hearsay {
            w.value("hearsay", |out| out.extend_from_slice(b"true"));
        }
        if let Some(reason) = f.reason {
            w.text("reason", reason);
        }
        w.end();
    });
    w.end();
}

/// A JSON object under way.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Object { out, first: true }
    }

    fn value(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        json::string(key.as_bytes(), self.out);
        self.out.push(b':');
        write(self.out);
    }

    fn text(&mut self, key: &str, value: &str) {
        self.value(key, |out| json::string(value.as_bytes(), out));
    }

    fn optional(&mut self, key: &str, value: Option<&str>) {
        self.value(key, |out| match value {
            Some(v) => json::string(v.as_bytes(), out),
            None => out.extend_from_slice(b"null"),
        });
    }

    fn number(&mut self, key: &str, value: u64) {
        self.value(key, |out| json::number(value, out));
    }

    fn times(&mut self, first: Time, last: Time) {
        self.value("first_seen", |out| quoted(out, |out| first.write_eve(out)));
        self.value("last_seen", |out| quoted(out, |out| last.write_eve(out)));
    }

    fn list<T>(&mut self, key: &str, items: &[T], mut write: impl FnMut(&T, &mut Vec<u8>)) {
        self.value(key, |out| {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        });
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}
