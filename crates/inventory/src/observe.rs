//! Rows in, holders and stations kept.

use crate::facts::{Entry, Facts, Kept, Words, clean};
use crate::sketch::Sketch;
use crate::station::{ADDRESSES_MAX, Holder, SERVICES_MAX, Service, Station, USES_MAX, Use, is_shared, is_virtual_router, net};
use vigie_base::hash::{FastMap, Stable, TableState, hash_one, table_state};
use vigie_base::{Budget, Ip, Mac, NetSet, Share, Time, budget};
use vigie_dissect::proto::arp::ArpRow;
use vigie_dissect::proto::dns::DnsMessageRow;
use vigie_dissect::proto::http::HttpExchangeRow;
use vigie_dissect::proto::tls::TlsEventRow;
use vigie_dissect::record::FactRow;
use vigie_event::{Envelope, Row};
use vigie_flow::record::{FlowEndRow, FlowStartRow, FlowUpdateRow};

/// How the inventory is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which addresses are the user's own. Others are no assets.
    pub home: NetSet,
    /// Organisation; part of every asset's id.
    pub tenant: String,
    /// Place; part of every asset's id.
    pub site: String,
    /// Addresses kept at most, one for each Ethernet address that holds it. Further ones are counted and not kept.
    pub holders_max: u32,
    /// Bytes of facts kept at most, over all.
    pub facts_bytes: u64,
    /// Services kept at most, over all.
    pub services_max: u32,
    /// Ports used of others kept at most, over all.
    pub uses_max: u32,
    /// Seed of the hash tables: 0 in replay.
    pub seed: u64,
}

impl Settings {
    /// The defaults for a home network: for a site of 25,000 assets.
    pub fn new(home: NetSet) -> Self {
        Settings::shared(home, Share::WHOLE)
    }

    /// A share of them.
    pub fn shared(home: NetSet, share: Share) -> Self {
        let of = |number| u32::try_from(share.of(number)).unwrap_or(u32::MAX);
        Settings {
            home,
            tenant: "default".to_owned(),
            site: "default".to_owned(),
            holders_max: of(65_536),
            facts_bytes: share.of(24 << 20),
            services_max: of(24_576),
            uses_max: of(98_304),
            seed: 0,
        }
    }

    /// What the inventory holds at most.
    pub fn budgets(&self) -> [Budget; 6] {
        // An entry of a hash table, of which 7 places in 16 are used at worst, with its tag.
        let table = |entry: usize| (entry as u64 + 1) * 16 / 7;
        let holders = u64::from(self.holders_max);
        [
            Budget {
                name: "inventory.holders",
                entries_max: holders,
                entry_bytes: (size_of::<Holder>() + Sketch::HEAP_MAX + ALLOCATED) as u64
                    + table(size_of::<(Ip, u32)>())
                    + table(size_of::<((Ip, Mac), u32)>()),
                when_full: "new addresses are not kept",
            },
            Budget {
                name: "inventory.stations",
                entries_max: holders,
                entry_bytes: size_of::<Station>() as u64
                    + table(size_of::<(Mac, u32)>())
                    + table(size_of::<(u64, (Mac, bool))>())
                    + STATION_HEAP_MAX,
                when_full: "new Ethernet addresses are not kept",
            },
            Budget { name: "inventory.facts", entries_max: self.facts_bytes, entry_bytes: 1, when_full: "new facts are not kept" },
            Budget {
                name: "inventory.services",
                entries_max: u64::from(self.services_max),
                entry_bytes: (room_of::<Service>() + Sketch::HEAP_MAX + crate::facts::VALUE_BYTES_MAX + 2 * ALLOCATED) as u64,
                when_full: "new services are not kept",
            },
            Budget {
                name: "inventory.uses",
                entries_max: u64::from(self.uses_max),
                entry_bytes: room_of::<Use>() as u64,
                when_full: "new ports used of others are not kept",
            },
            Budget {
                name: "inventory.listing",
                entries_max: 2 * holders,
                entry_bytes: crate::asset::LISTED_BYTES,
                when_full: "as inventory.holders and inventory.stations",
            },
        ]
    }
}

/// What the allocator takes for each piece beside its bytes, at most.
pub(crate) const ALLOCATED: usize = 24;

/// What a station points to when it has few addresses: its list of them, and networks that it forwards for.
const STATION_HEAP_MAX: u64 = 3 * (4 * 8 + ALLOCATED as u64);

/// What an entry of a list of one address takes: such a list grows by half, from one, and is a piece of its own.
const fn room_of<T>() -> usize {
    size_of::<T>() * 3 / 2 + ALLOCATED
}

/// Makes room for one more in such a list.
pub(crate) fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 2);
    }
}

/// How often a cap was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Addresses not kept: `holders_max`.
    pub holders_full: u64,
    /// Ethernet addresses not kept: `holders_max`.
    pub stations_full: u64,
    /// Facts not kept, or that took the place of another: the caps of a device, of a key, `facts_bytes`.
    pub facts_full: u64,
    /// Services not kept: the cap of an address, `services_max`.
    pub services_full: u64,
    /// Ports used of others not kept: the cap of an address, `uses_max`.
    pub uses_full: u64,
    /// Addresses that stand alone since their station has [`ADDRESSES_MAX`] others.
    pub addresses_full: u64,
}

impl Counters {
    /// Names and values, for `stats`.
    pub fn list(&self) -> [(&'static str, u64); 6] {
        [
            ("inventory.holders", self.holders_full),
            ("inventory.stations", self.stations_full),
            ("inventory.facts", self.facts_full),
            ("inventory.services", self.services_full),
            ("inventory.uses", self.uses_full),
            ("inventory.addresses", self.addresses_full),
        ]
    }
}

/// What is known of the network.
#[derive(Debug)]
pub struct Inventory {
    pub(crate) settings: Settings,
    pub(crate) holders: Vec<Holder>,
    pub(crate) stations: Vec<Station>,
    /// The holder that an address has now.
    pub(crate) current: FastMap<Ip, u32>,
    /// Every holder; looked at only where an address is seen with another Ethernet address than it has now.
    pairs: FastMap<(Ip, Mac), u32>,
    pub(crate) station_of: FastMap<Mac, u32>,
    /// For each home network, a station with an address in it, and whether there is another.
    pub(crate) neighbours: FastMap<u64, (Mac, bool)>,
    pub(crate) words: Words,
    pub(crate) counters: Counters,
    /// Bytes of facts.
    facts: u64,
    services: u32,
    used: u32,
    hasher: TableState,
    /// The router last met: most flows that leave take the same.
    last_router: Mac,
    now: Time,
}

/// Who says that an address is at an Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// A frame's source: it may have been forwarded.
    Frame,
    /// The station itself.
    Itself,
}

impl Inventory {
    /// An empty inventory.
    pub fn new(settings: Settings) -> Self {
        let state = table_state(settings.seed);
        Inventory {
            holders: Vec::new(),
            stations: Vec::new(),
            current: FastMap::with_hasher(state.clone()),
            pairs: FastMap::with_hasher(state.clone()),
            station_of: FastMap::with_hasher(state.clone()),
            neighbours: FastMap::with_hasher(state.clone()),
            words: Words::default(),
            counters: Counters::default(),
            facts: 0,
            services: 0,
            used: 0,
            hasher: state,
            last_router: Mac::ZERO,
            now: Time(0),
            settings,
        }
    }

    /// How often caps were reached.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// All events before `now` have been given.
    pub fn upto(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Takes one event. Rows come in the order of events.
    #[inline]
    pub fn row(&mut self, row: Row<'_>) {
        let env = row.env();
        if let Some(r) = FlowStartRow::of(row) {
            self.flow_start(env, &r);
        } else if let Some(r) = FlowEndRow::of(row) {
            self.flow_end(env, &r);
        } else if let Some(r) = FlowUpdateRow::of(row) {
            self.flow_update(env, &r);
        } else if let Some(r) = DnsMessageRow::of(row) {
            self.dns(env, &r);
        } else if let Some(r) = FactRow::of(row) {
            self.fact(env, &r);
        } else if let Some(r) = ArpRow::of(row) {
            self.arp(env, &r);
        } else if let Some(r) = HttpExchangeRow::of(row) {
            self.http(env, &r);
        } else if let Some(r) = TlsEventRow::of(row) {
            self.tls(env, &r);
        }
    }

    #[inline]
    fn is_home(&self, ip: Ip) -> bool {
        self.settings.home.contains(ip) && !ip.is_unspecified() && !ip.is_multicast_or_broadcast()
    }

    fn flow_start(&mut self, env: &Envelope, r: &FlowStartRow<'_>) {
        let at = env.ts;
        if self.is_home(env.src)
            && let Some(i) = self.bind(env.src, r.client_mac(), at, Says::Frame)
        {
            let h = &mut self.holders[i as usize];
            h.seen = true;
            h.peers.add(env.dst);
            let options = r.tcp_options();
            if !options.is_empty() && r.tcp_flags() & 0x12 == 0x02 {
                let hash = hash_one(&self.hasher, &(r.ttl(), r.window(), options));
                if std::mem::replace(&mut h.syn, hash) != hash {
                    self.stack(i, at, r.ttl(), r.window(), options);
                }
            }
            // DHCP servers answer to broadcast, which is a flow of its own.
            if env.proto == 17 && env.src_port == 67 && env.dst_port == 68 {
                self.service(i, 17, 67, at, env.dst);
            }
        }
        let hop = r.server_mac();
        if hop.is_group() || hop == Mac::ZERO {
            return;
        }
        if self.is_home(env.dst) {
            // The first packet says where the server is, which a reply does not repeat; it may be a router's address.
            if let Some(&i) = self.current.get(&env.dst)
                && self.holders[i as usize].mac == Mac::ZERO
            {
                self.adopt(i, hop, at);
            }
        } else if hop != self.last_router
            && !env.dst.is_multicast_or_broadcast()
            && !is_local_scope(env.dst)
            && !env.dst.is_unspecified()
            && let Some(s) = self.station(hop, at)
        {
            let s = &mut self.stations[s as usize];
            s.is_next_hop_to(env.dst);
            if s.is_router() {
                self.last_router = hop;
            }
        }
    }

    fn flow_update(&mut self, env: &Envelope, r: &FlowUpdateRow<'_>) {
        let state = r.state();
        if state != "established" && !r.refused() {
            return;
        }
        let at = env.ts;
        let server = if self.is_home(env.dst) { self.bind(env.dst, Mac::ZERO, at, Says::Frame) } else { None };
        let client = if self.is_home(env.src) { self.current.get(&env.src).copied() } else { None };
        for i in [server, client].into_iter().flatten() {
            let h = &mut self.holders[i as usize];
            h.seen = true;
            h.answered = true;
        }
        if let Some(i) = server {
            self.holders[i as usize].peers.add(env.src);
        }
        if r.refused() || !matches!(env.proto, 6 | 17 | 132) {
            return;
        }
        if env.proto == 17 && env.src_port < 1024 && env.dst_port >= 1024 {
            // A reply whose question was not seen, or a service that calls: the low port is the one that serves.
            if let Some(i) = client {
                self.service(i, env.proto, env.src_port, at, env.dst);
            }
            return;
        }
        if let Some(i) = server
            && (env.proto != 17 || env.dst_port < EPHEMERAL)
        {
            self.service(i, env.proto, env.dst_port, at, env.src);
        }
        if let Some(i) = client
            && env.dst_port < EPHEMERAL
        {
            self.uses(i, env.proto, env.dst_port, at);
        }
    }

    fn flow_end(&mut self, env: &Envelope, r: &FlowEndRow<'_>) {
        let both = r.pkts_toclient() > 0 && r.pkts_toserver() > 0;
        let (src_home, dst_home) = (self.is_home(env.src), self.is_home(env.dst));
        let last = r.end();
        if src_home && let Some(&i) = self.current.get(&env.src) {
            let h = &mut self.holders[i as usize];
            h.last = h.last.max(last);
            h.answered |= both;
            if both && let Some(u) = h.uses.iter_mut().find(|u| (u.proto, u.port) == (env.proto, env.dst_port)) {
                u.last = u.last.max(last);
                name_app(&mut u.app, env.app_proto);
            }
        }
        if !both {
            return;
        }
        if !dst_home {
            return;
        }
        if let Some(i) = self.bind(env.dst, Mac::ZERO, last, Says::Frame) {
            let h = &mut self.holders[i as usize];
            (h.seen, h.answered) = (true, true);
            if h.mac == Mac::ZERO
                && let Some(mac) = r.server_mac().filter(|m| !m.is_group())
            {
                self.adopt(i, mac, last);
            }
            self.served(i, env, r, last);
        }
        if !src_home
            && !is_local_scope(env.src)
            && let Some(mac) = r.client_mac().filter(|m| !m.is_group())
            && mac != self.last_router
            && let Some(s) = self.station(mac, last)
        {
            self.stations[s as usize].brings_from(env.src);
        }
    }

    /// A flow to holder `i` is over: what its port speaks is known now.
    fn served(&mut self, i: u32, env: &Envelope, r: &FlowEndRow<'_>, last: Time) {
        let key = (env.proto, env.dst_port);
        let at = self.holders[i as usize].services.binary_search_by_key(&key, |s| (s.proto, s.port));
        match at {
            Ok(at) => {
                let list = &mut self.holders[i as usize].services;
                if env.app_proto == "ftp-data" {
                    // A port opened for one transfer is no service.
                    list.remove(at);
                    self.services -= 1;
                    return;
                }
                list[at].last = list[at].last.max(last);
                if answered_in(env.app_proto, env.dst_port) {
                    name_app(&mut list[at].app, env.app_proto);
                }
            }
            // Picked up in the middle, or a high UDP port: a service only where its protocol is known.
            Err(_)
                if matches!(env.proto, 6 | 17 | 132)
                    && !matches!(env.app_proto, "" | "failed" | "ftp-data")
                    && answered_in(env.app_proto, env.dst_port) =>
            {
                if env.dst_port < env.src_port || !r.midstream() {
                    self.service(i, env.proto, env.dst_port, last, env.src);
                    if let Ok(at) = self.holders[i as usize].services.binary_search_by_key(&key, |s| (s.proto, s.port)) {
                        self.holders[i as usize].services[at].app = env.app_proto;
                    }
                }
            }
            Err(_) => {}
        }
    }

    fn arp(&mut self, env: &Envelope, r: &ArpRow<'_>) {
        // A probe (RFC 5227) has no sender yet.
        let (ip, mac) = (r.src_ip(), r.src_mac());
        if !self.is_home(ip) || mac.is_group() || mac == Mac::ZERO {
            return;
        }
        if let Some(i) = self.bind(ip, mac, env.ts, Says::Itself) {
            let h = &mut self.holders[i as usize];
            h.seen = true;
            h.virtual_router |= is_virtual_router(mac);
        }
    }

    fn dns(&mut self, env: &Envelope, r: &DnsMessageRow<'_>) {
        if r.kind() != "response" {
            return;
        }
        for answer in r.answers() {
            let (ip, name) = match answer.rrtype() {
                b"A" | b"AAAA" => {
                    (answer.rdata().and_then(|t| std::str::from_utf8(t).ok()).and_then(|t| t.parse().ok()), Some(answer.rrname()))
                }
                b"PTR" => (reverse(answer.rrname()), answer.rdata()),
                _ => continue,
            };
            if let (Some(ip), Some(name)) = (ip, name)
                && self.is_home(ip)
                && let Some(i) = self.bind(ip, Mac::ZERO, env.ts, Says::Frame)
            {
                self.add(About::Holder(i), env.ts, "fqdn", name, "dns", 50, true);
            }
        }
    }

    /// A server answers to the name that it was asked by. A proxy does for every name.
    fn http(&mut self, env: &Envelope, r: &HttpExchangeRow<'_>) {
        if !self.is_home(env.dst) {
            return;
        }
        if r.status().is_some() {
            self.speaks(env, "http");
        }
        let Some(name) = r.hostname().filter(|n| n.iter().any(u8::is_ascii_alphabetic) && !n.contains(&b':')) else { return };
        let proxied = r.http_method() == Some(b"CONNECT") || r.url().is_some_and(|u| u.starts_with(b"http"));
        // A refusal (4xx, 5xx) may mean that the name is not the server's.
        if !proxied && r.status().is_some_and(|s| s < 400) {
            self.called(env, name, "http", 30);
        }
    }

    fn tls(&mut self, env: &Envelope, r: &TlsEventRow<'_>) {
        if !self.is_home(env.dst) || r.version() == "UNDETERMINED" {
            return;
        }
        self.speaks(env, r.from_proto().unwrap_or("tls"));
        if let Some(name) = r.sni()
            && r.alert().is_none()
            && r.from_proto() != Some("http")
        {
            self.called(env, name, "tls", 40);
        }
    }

    /// The server of this flow, inside, answered in a protocol.
    fn speaks(&mut self, env: &Envelope, app: &str) {
        let Some(&i) = self.current.get(&env.dst) else { return };
        let services = &mut self.holders[i as usize].services;
        if let Ok(at) = services.binary_search_by_key(&(env.proto, env.dst_port), |s| (s.proto, s.port))
            && services[at].app.is_empty()
            && let Some(app) = ASKED_FIRST.iter().find(|(a, _)| *a == app)
        {
            services[at].app = app.0;
        }
    }

    /// The server of this flow was called by `name` and did not object.
    fn called(&mut self, env: &Envelope, name: &[u8], source: &str, confidence: u8) {
        if let Some(i) = self.bind(env.dst, Mac::ZERO, env.ts, Says::Frame) {
            self.add(About::Holder(i), env.ts, "fqdn", name, source, confidence, true);
        }
    }

    fn fact(&mut self, env: &Envelope, r: &FactRow<'_>) {
        let at = env.ts;
        let mac = r.mac().filter(|m| !m.is_group() && *m != Mac::ZERO && !is_shared(*m));
        let ip = r.ip().filter(|ip| self.is_home(*ip));
        let about = match (ip, mac) {
            (Some(ip), mac) => {
                self.bind(ip, mac.unwrap_or(Mac::ZERO), at, if mac.is_some() { Says::Itself } else { Says::Frame }).map(About::Holder)
            }
            (None, Some(mac)) => self.station(mac, at).map(About::Station),
            (None, None) => None,
        };
        let Some(about) = about else { return };
        let (key, value, hearsay) = (r.key(), r.value(), r.hearsay());
        if key == "lease" {
            // The address that a DHCP server gave: the station's own from now on.
            let leased = std::str::from_utf8(value).ok().and_then(|t| t.parse::<Ip>().ok()).filter(|ip| self.is_home(*ip));
            if let (Some(ip), Some(mac)) = (leased, mac) {
                self.bind(ip, mac, at, Says::Itself);
            }
        }
        if let About::Holder(i) = about
            && !hearsay
            && key != "lease"
        {
            self.holders[i as usize].seen = true;
            if key == "software" {
                let port = if Some(env.dst) == ip { env.dst_port } else { env.src_port };
                self.software(i, env.proto, port, value);
            }
        }
        // Who has which address is told by the addresses themselves.
        if key != "neighbour" {
            self.add(about, at, key, value, r.source(), r.confidence(), hearsay);
        }
    }

    fn software(&mut self, i: u32, proto: u8, port: u16, value: &[u8]) {
        let services = &mut self.holders[i as usize].services;
        if let Ok(at) = services.binary_search_by_key(&(proto, port), |s| (s.proto, s.port))
            && services[at].software.as_deref().map(str::as_bytes) != Some(value)
        {
            services[at].software = clean(value);
        }
    }

    /// The holder of `ip`, which was seen with `mac` (zero where that is not known).
    #[inline]
    fn bind(&mut self, ip: Ip, mac: Mac, at: Time, says: Says) -> Option<u32> {
        if let Some(&i) = self.current.get(&ip) {
            let h = &mut self.holders[i as usize];
            if (h.mac == mac || mac == Mac::ZERO) && (h.own || says == Says::Frame) {
                h.last = h.last.max(at);
                return Some(i);
            }
        }
        self.rebind(ip, mac, at, says)
    }

    fn rebind(&mut self, ip: Ip, mac: Mac, at: Time, says: Says) -> Option<u32> {
        let mac = if is_shared(mac) || mac.is_group() { Mac::ZERO } else { mac };
        let now = self.current.get(&ip).copied();
        if let Some(i) = now {
            let h = &mut self.holders[i as usize];
            h.last = h.last.max(at);
            if mac == Mac::ZERO {
                return Some(i);
            }
            if h.mac == Mac::ZERO {
                self.adopt(i, mac, at);
            }
            let known = self.holders[i as usize].mac;
            if known == mac {
                if says == Says::Itself {
                    self.own(i);
                }
                return Some(i);
            }
            // Seen again behind a router, on the other side of the mirror: it is still where it was.
            if says == Says::Frame && self.station_of.get(&mac).is_some_and(|s| self.stations[*s as usize].is_router()) {
                return Some(i);
            }
        }
        let i = match self.pairs.get(&(ip, mac)) {
            Some(&i) => i,
            None => {
                if self.holders.len() >= self.settings.holders_max as usize {
                    self.counters.holders_full += 1;
                    return None;
                }
                let i = self.holders.len() as u32;
                let mut h = Holder::new(ip, Mac::ZERO, at);
                h.before = now;
                budget::push(&mut self.holders, h, self.settings.holders_max as usize);
                self.adopt(i, mac, at);
                i
            }
        };
        let h = &mut self.holders[i as usize];
        h.last = h.last.max(at);
        self.current.insert(ip, i);
        if says == Says::Itself {
            self.own(i);
        }
        Some(i)
    }

    /// Holder `i`, of which no Ethernet address is known, is at `mac`.
    fn adopt(&mut self, i: u32, mac: Mac, at: Time) {
        let mac = if is_shared(mac) || mac.is_group() { Mac::ZERO } else { mac };
        let ip = self.holders[i as usize].ip;
        if mac == Mac::ZERO {
            return;
        }
        // Where that pair is known already, the earlier holder stays the pair's.
        if self.pairs.contains_key(&(ip, mac)) {
            return;
        }
        let Some(s) = self.station(mac, at) else { return };
        self.holders[i as usize].mac = mac;
        self.pairs.insert((ip, mac), i);
        let local = is_local_scope(ip);
        if !local {
            let (first, other) = self.neighbours.entry(net(ip)).or_insert((mac, false));
            *other |= *first != mac;
        }
        let s = &mut self.stations[s as usize];
        if local {
            self.holders[i as usize].own = true;
        } else {
            s.sends_for(ip);
        }
        if s.holders.len() < ADDRESSES_MAX {
            s.holders.push(i);
        } else {
            self.counters.addresses_full += 1;
        }
    }

    /// The station of holder `i` says itself that the address is its own.
    fn own(&mut self, i: u32) {
        let h = &mut self.holders[i as usize];
        if !std::mem::replace(&mut h.own, true)
            && let Some(s) = self.station_of.get(&h.mac)
        {
            self.stations[*s as usize].owns();
        }
    }

    fn station(&mut self, mac: Mac, at: Time) -> Option<u32> {
        if let Some(&s) = self.station_of.get(&mac) {
            let station = &mut self.stations[s as usize];
            station.last = station.last.max(at);
            return Some(s);
        }
        if is_shared(mac) {
            return None;
        }
        if self.stations.len() >= self.settings.holders_max as usize {
            self.counters.stations_full += 1;
            return None;
        }
        let s = self.stations.len() as u32;
        budget::push(&mut self.stations, Station::new(mac, at), self.settings.holders_max as usize);
        self.station_of.insert(mac, s);
        Some(s)
    }

    fn service(&mut self, i: u32, proto: u8, port: u16, at: Time, client: Ip) {
        let list = &mut self.holders[i as usize].services;
        let place = match list.binary_search_by_key(&(proto, port), |s| (s.proto, s.port)) {
            Ok(place) => place,
            Err(place) => {
                if list.len() >= SERVICES_MAX || self.services >= self.settings.services_max {
                    self.counters.services_full += 1;
                    return;
                }
                self.services += 1;
                grow(list);
                list.insert(
                    place,
                    Service { proto, port, app: "", software: None, flows: 0, first: at, last: at, clients: Sketch::default() },
                );
                place
            }
        };
        let s = &mut list[place];
        s.flows = s.flows.saturating_add(1);
        s.last = s.last.max(at);
        s.clients.add(client);
    }

    fn uses(&mut self, i: u32, proto: u8, port: u16, at_time: Time) {
        let list = &mut self.holders[i as usize].uses;
        if let Some(at) = list.iter().position(|u| (u.proto, u.port) == (proto, port)) {
            let u = &mut list[at];
            u.flows = u.flows.saturating_add(1);
            u.last = u.last.max(at_time);
            // What is used often is found first.
            list.swap(0, at);
            return;
        }
        if list.len() >= USES_MAX || self.used >= self.settings.uses_max {
            self.counters.uses_full += 1;
            return;
        }
        self.used += 1;
        grow(list);
        list.push(Use { proto, port, app: "", flows: 1, first: at_time, last: at_time });
    }

    /// What a SYN shows: the initial TTL it began with, its window, the layout of its options.
    fn stack(&mut self, i: u32, at: Time, ttl: u8, window: u16, options: &[u8]) {
        let initial = match ttl {
            0..=32 => 32,
            33..=64 => 64,
            65..=128 => 128,
            _ => 255,
        };
        let mut text = format!("{initial}:{window}:").into_bytes();
        for (n, option) in options.split(|b| *b == b',').enumerate() {
            if n > 0 {
                text.push(b',');
            }
            // The values of MSS and window scale tell of the path and the memory, not of the system.
            let named = [&b"mss"[..], b"ws"].into_iter().find(|name| option.starts_with(name)).unwrap_or(option);
            text.extend_from_slice(named);
        }
        self.add(About::Holder(i), at, "tcp_stack", &text, "tcp", 60, false);
    }

    #[allow(clippy::too_many_arguments)]
    fn add(&mut self, about: About, at: Time, key: &str, value: &[u8], source: &str, confidence: u8, hearsay: bool) {
        let Some(mut value) = clean(value) else { return };
        if matches!(key, "hostname" | "fqdn" | "domain" | "certificate_name") {
            value = value.trim_end_matches('.').into();
            if value.is_empty() {
                return;
            }
        }
        let e = Entry {
            value,
            first: at,
            last: at,
            key: self.words.id(key),
            source: self.words.id(source),
            confidence: confidence.min(100),
            hearsay,
        };
        let bytes = e.bytes();
        let room = self.facts + bytes <= self.settings.facts_bytes;
        let facts: &mut Facts = match about {
            About::Holder(i) => &mut self.holders[i as usize].facts,
            About::Station(s) => &mut self.stations[s as usize].facts,
        };
        match facts.add(e, room) {
            Kept::Known => {}
            Kept::New => self.facts += bytes,
            Kept::Replaced(before) => {
                self.facts = (self.facts + bytes).saturating_sub(before);
                self.counters.facts_full += 1;
            }
            Kept::Dropped => self.counters.facts_full += 1,
        }
    }
}

/// The first port that systems give to clients (RFC 6335 says 49152; Linux begins here).
const EPHEMERAL: u16 = 32_768;

/// Protocols in which the client speaks first, so that a flow is called by them whatever answers (a scanner tries them everywhere),
/// and the ports on which they are taken at their word. Elsewhere their own events tell that they were answered.
const ASKED_FIRST: [(&str, &[u16]); 3] = [
    ("http", &[80, 81, 591, 631, 8000, 8008, 8080, 8081, 8088, 8888]),
    ("tls", &[443, 465, 636, 853, 993, 995, 8443]),
    ("dns", &[53, 853]),
];

/// Whether a flow of that name to that port means that the server speaks it.
fn answered_in(app: &str, port: u16) -> bool {
    ASKED_FIRST.iter().find(|(a, _)| *a == app).is_none_or(|(_, ports)| ports.contains(&port))
}

#[derive(Clone, Copy)]
enum About {
    Holder(u32),
    Station(u32),
}

/// An application is named once; what is known stays.
fn name_app(app: &mut &'static str, now: &'static str) {
    if app.is_empty() && !matches!(now, "" | "failed") {
        *app = now;
    }
}

/// fe80::/10 and 169.254.0.0/16: never forwarded.
pub(crate) fn is_local_scope(ip: Ip) -> bool {
    match ip.to_v4() {
        Some(b) => b[..2] == [169, 254],
        None => ip.0[0] == 0xfe && ip.0[1] & 0xc0 == 0x80,
    }
}

/// The address of `4.3.2.1.in-addr.arpa` or of thirty-two nibbles under `ip6.arpa`.
fn reverse(name: &[u8]) -> Option<Ip> {
    let name = std::str::from_utf8(name).ok()?.trim_end_matches('.');
    let cut = |suffix: &str| {
        let at = name.len().checked_sub(suffix.len())?;
        name.get(at..)?.eq_ignore_ascii_case(suffix).then(|| &name[..at])
    };
    if let Some(v4) = cut(".in-addr.arpa") {
        let mut b = [0; 4];
        let mut parts = v4.split('.');
        for slot in b.iter_mut().rev() {
            *slot = parts.next()?.parse().ok()?;
        }
        return parts.next().is_none().then_some(Ip::v4(b));
    }
    let v6 = cut(".ip6.arpa")?;
    let mut v = 0u128;
    let mut parts = v6.split('.').rev();
    for _ in 0..32 {
        let nibble = parts.next().filter(|p| p.len() == 1)?;
        v = v << 4 | u128::from(u8::from_str_radix(nibble, 16).ok()?);
    }
    parts.next().is_none().then_some(Ip::v6(v.to_be_bytes()))
}

/// The id of what `name` names, in a tenant and site; below 2^53.
pub(crate) fn asset_id(settings: &Settings, name: &[u8]) -> u64 {
    Stable::default().bytes(settings.tenant.as_bytes()).bytes(&[0]).bytes(settings.site.as_bytes()).bytes(&[0]).bytes(name).finish53()
}
