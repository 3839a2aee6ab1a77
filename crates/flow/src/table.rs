//! The flow table of one worker.

use crate::key::{Key, direction};
use crate::wheel::{Link, Links, NIL, Wheel, secs};
use hashbrown::HashTable;
use vigie_base::{Budget, Direction, Ip, Mac, Time};
use vigie_decode::{Body, Packet, Tcp, TunnelKind};

/// [`Flow::cold`] of a flow without cold state.
pub const NO_COLD: u32 = u32::MAX;

/// Where a flow stands, in Suricata's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowState {
    /// One side seen, or TCP before its handshake is complete.
    New,
    /// Both sides seen, or TCP's handshake complete.
    Established,
    /// TCP closed or reset.
    Closed,
}

impl FlowState {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            FlowState::New => "new",
            FlowState::Established => "established",
            FlowState::Closed => "closed",
        }
    }
}

/// Why a flow ended, in Suricata's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// No packet for its time-out.
    Timeout,
    /// Pushed out of a full table.
    Forced,
    /// The capture ended.
    Shutdown,
    /// A new connection took its ports.
    TcpReuse,
}

impl Closed {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Closed::Timeout => "timeout",
            Closed::Forced => "forced",
            Closed::Shutdown => "shutdown",
            Closed::TcpReuse => "tcp_reuse",
        }
    }
}

/// Time-outs of one transport, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// While [`FlowState::New`].
    pub new: u64,
    /// While [`FlowState::Established`].
    pub established: u64,
    /// While [`FlowState::Closed`].
    pub closed: u64,
}

/// Settings of a table.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Flows at most.
    pub flows_max: u32,
    /// Time-outs: Suricata's defaults.
    pub tcp: Timeouts,
    /// See `tcp`.
    pub udp: Timeouts,
    /// See `tcp`.
    pub icmp: Timeouts,
    /// See `tcp`: every other protocol.
    pub other: Timeouts,
    /// Whether VLAN ids are part of a flow's key (`vlan.use-for-tracking`).
    pub use_vlan: bool,
    /// Whether the tunnel that packets came through is part of a flow's key (`decoder.recursion-level.use-for-tracking`).
    pub use_tunnel: bool,
    /// Whether sessions are picked up whose beginning was not seen: one first seen from a port below 1024 to one above was called by
    /// the other side.
    pub midstream: bool,
    /// Seed of the index: 0 in replay, random live.
    pub seed: u64,
    /// Which sensor: part of every flow id.
    pub sensor: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            flows_max: 200_000,
            tcp: Timeouts { new: 60, established: 600, closed: 60 },
            udp: Timeouts { new: 30, established: 300, closed: 0 },
            icmp: Timeouts { new: 30, established: 300, closed: 0 },
            other: Timeouts { new: 30, established: 300, closed: 0 },
            use_vlan: true,
            use_tunnel: true,
            midstream: false,
            seed: 0,
            sensor: 0,
        }
    }
}

impl Settings {
    /// What the table takes when full: 128 bytes a flow, 9 to 18 of index, 4 of the free list.
    pub const fn budget(&self) -> Budget {
        Budget {
            name: "flow.table",
            entries_max: self.flows_max as u64,
            entry_bytes: size_of::<Flow>() as u64 + 18 + 4,
            when_full: "the flow that would time out first is ended (reason forced)",
        }
    }
}

/// One conversation: the hot part, touched by every packet of it.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// The side that called.
    pub client: Ip,
    /// The side that was called.
    pub server: Ip,
    /// Client's port (ICMP: type).
    pub client_port: u16,
    /// Server's port (ICMP: type of the answer).
    pub server_port: u16,
    /// VLAN ids.
    pub vlan: [u16; 3],
    /// Number of them.
    pub vlans: u8,
    /// IP protocol.
    pub proto: u8,
    /// First packet.
    pub first: Time,
    /// Last packet.
    pub last: Time,
    /// Bytes of whole frames, to server and to client.
    pub bytes: [u64; 2],
    /// Frames.
    pub pkts: [u32; 2],
    /// Slot of the owner's cold state, or [`NO_COLD`].
    pub cold: u32,
    /// Order of the next event.
    pub seq: u32,
    /// See [`Packet::tunnel_key`].
    pub tunnel_key: u32,
    link: Link,
    /// Client's Ethernet address.
    pub client_mac: Mac,
    /// Server's Ethernet address.
    pub server_mac: Mac,
    /// TCP flags seen, to server and to client. ICMP: type and code of the first packet.
    pub flags: [u8; 2],
    notch: u16,
    /// Where it stands.
    pub state: FlowState,
    /// The application protocol: an index that the owner gives meaning to, 0 for unknown.
    pub app: u8,
    /// Whether nothing more can be learnt: packets are only counted.
    pub bypass: bool,
    /// 4 or 6.
    pub ip_version: u8,
    /// Tunnel kind.
    pub tunnel: TunnelKind,
    /// Whether the smaller end of the key is the server.
    client_is_hi: bool,
    live: bool,
}

const _: () = assert!(size_of::<Flow>() <= 128, "a flow's hot part has outgrown its place");

impl Flow {
    fn key(&self) -> Key {
        let (lo, hi, lo_port, hi_port) = if self.client_is_hi {
            (self.server, self.client, self.server_port, self.client_port)
        } else {
            (self.client, self.server, self.client_port, self.server_port)
        };
        Key { lo, hi, lo_port, hi_port, proto: self.proto, vlan: self.vlan, tunnel: self.tunnel_key }
    }

    /// The identifier, below 2^53.
    pub fn id(&self, sensor: u64) -> u64 {
        self.key().flow_id(sensor, self.first.0)
    }

    /// All TCP flags seen.
    pub const fn all_flags(&self) -> u8 {
        self.flags[0] | self.flags[1]
    }
}

/// How often something happened in a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Flows begun.
    pub flows: u64,
    /// Flows ended because the table was full.
    pub evicted: u64,
    /// TCP connections that took the ports of a closed one.
    pub tcp_reuse: u64,
    /// Most flows at once.
    pub peak: u64,
    /// Flows ended by time-out.
    pub timed_out: u64,
}

/// What a packet found.
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    /// The flow's slot.
    pub slot: u32,
    /// Which way the packet goes.
    pub dir: Direction,
    /// Whether the packet began the flow.
    pub new: bool,
}

/// The flows of one worker.
#[derive(Debug)]
pub struct Table {
    settings: Settings,
    flows: Vec<Flow>,
    free: Vec<u32>,
    index: HashTable<(u32, u32)>,
    wheel: Wheel,
    live: u32,
    /// What happened so far.
    pub counters: Counters,
}

struct Slab<'a>(&'a mut Vec<Flow>);

impl Links for Slab<'_> {
    fn link(&mut self, slot: u32) -> &mut Link {
        &mut self.0[slot as usize].link
    }
}

impl Table {
    /// An empty table.
    pub fn new(settings: Settings) -> Self {
        Table {
            flows: Vec::new(),
            free: Vec::new(),
            // Its pages are touched as flows come; growing would hash every flow again.
            index: HashTable::with_capacity(settings.flows_max as usize),
            wheel: Wheel::new(),
            live: 0,
            counters: Counters::default(),
            settings,
        }
    }

    /// Flows at this moment.
    pub fn len(&self) -> usize {
        self.live as usize
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// A flow by its slot.
    #[inline]
    pub fn flow(&mut self, slot: u32) -> &mut Flow {
        &mut self.flows[slot as usize]
    }

    /// The time before which every time-out has been told.
    pub fn watermark(&self) -> Time {
        self.wheel.done()
    }

    /// The time-out of `flow` as it stands, in nanoseconds.
    fn timeout(settings: &Settings, flow: &Flow) -> u64 {
        let t = match flow.proto {
            6 => &settings.tcp,
            17 => &settings.udp,
            1 | 58 => &settings.icmp,
            _ => &settings.other,
        };
        secs(match flow.state {
            FlowState::New => t.new,
            FlowState::Established => t.established,
            FlowState::Closed => t.closed,
        })
    }

    /// When `flow` ends if nothing more comes.
    pub fn deadline(&self, flow: &Flow) -> Time {
        flow.last.plus(Self::timeout(&self.settings, flow))
    }

    /// See [`Settings::midstream`].
    pub fn pick_up(&mut self, midstream: bool) {
        self.settings.midstream = midstream;
    }

    /// The hash of a packet's key, for a look ahead.
    #[inline]
    pub fn hash(&self, p: &Packet) -> (Key, bool, u64) {
        let (key, swap) = Key::of(p, self.settings.use_vlan, self.settings.use_tunnel);
        let hash = key.hash(self.settings.seed);
        (key, swap, hash)
    }

    /// The flow of a packet that came at `time` in a frame of `len` bytes; begins one where there is none. `ended` is told of
    /// a flow that had to end for it: timed out before, its ports taken by a new connection, or pushed out of a full table.
    #[inline]
    pub fn packet(&mut self, p: &Packet, time: Time, len: u32, mut ended: impl FnMut(&mut Flow, Closed, Time)) -> Lookup {
        let (key, swap, hash) = self.hash(p);
        let tag = hash as u32;
        let found = self.index.find(hash, |e| e.0 == tag && self.flows[e.1 as usize].key() == key).map(|e| e.1);
        if let Some(slot) = found {
            let flow = &self.flows[slot as usize];
            let deadline = self.deadline(flow);
            if deadline >= time {
                let flow = &mut self.flows[slot as usize];
                let dir = direction(swap, flow.client_is_hi);
                let before = flow.state;
                touch(flow, p, time, len, dir);
                if flow.state != before {
                    self.retime(slot);
                }
                return Lookup { slot, dir, new: false };
            }
            self.end(slot, Closed::Timeout, deadline, &mut ended);
        }
        if self.live >= self.settings.flows_max
            && let Some(slot) = self.victim()
        {
            self.counters.evicted += 1;
            self.end(slot, Closed::Forced, time, &mut ended);
        }
        let (slot, dir) = self.begin(p, key, swap, hash, time, len);
        Lookup { slot, dir, new: true }
    }

    /// The slot and direction of the flow between two ends, without touching it.
    pub fn find(&self, src: Ip, dst: Ip, sp: u16, dp: u16, proto: u8, like: &Packet) -> Option<(u32, Direction)> {
        let vlan = if self.settings.use_vlan { like.vlan } else { [0; 3] };
        let tunnel = if self.settings.use_tunnel { like.tunnel_key } else { 0 };
        let (key, swap) = Key::new(src, dst, sp, dp, proto, vlan, tunnel);
        let hash = key.hash(self.settings.seed);
        let tag = hash as u32;
        let slot = self.index.find(hash, |e| e.0 == tag && self.flows[e.1 as usize].key() == key)?.1;
        Some((slot, direction(swap, self.flows[slot as usize].client_is_hi)))
    }

    /// The state of the flow in `slot` changed, and its time-out with it: to be called when the owner sets [`Flow::state`]. Without it a
    /// flow whose time-out got shorter would be told late, behind the watermark.
    pub fn retime(&mut self, slot: u32) {
        let deadline = self.deadline(&self.flows[slot as usize]);
        let notch = self.flows[slot as usize].notch;
        self.wheel.remove(&mut Slab(&mut self.flows), slot, notch);
        self.flows[slot as usize].notch = self.wheel.insert(&mut Slab(&mut self.flows), slot, deadline);
    }

    /// Counts a packet onto a flow that is not its own by key (an ICMP error onto the flow it quotes).
    pub fn count(&mut self, slot: u32, dir: Direction, time: Time, len: u32) {
        let flow = &mut self.flows[slot as usize];
        flow.pkts[dir.index()] += 1;
        flow.bytes[dir.index()] += u64::from(len);
        flow.last = flow.last.max(time);
    }

    fn begin(&mut self, p: &Packet, key: Key, swap: bool, hash: u64, time: Time, len: u32) -> (u32, Direction) {
        // A flow first seen by its answer to a handshake was called by the other side.
        let answer = matches!(p.body, Body::Tcp(t) if match t.flags & (Tcp::SYN | Tcp::ACK) {
            both if both == Tcp::SYN | Tcp::ACK => true,
            Tcp::ACK => self.settings.midstream && p.src_port < 1024 && p.dst_port >= 1024,
            _ => false,
        });
        let client_is_hi = swap != answer;
        let (client, server, client_port, server_port) =
            if client_is_hi { (key.hi, key.lo, key.hi_port, key.lo_port) } else { (key.lo, key.hi, key.lo_port, key.hi_port) };
        let dir = direction(swap, client_is_hi);
        let (client_mac, server_mac) = if answer { (p.dst_mac, p.src_mac) } else { (p.src_mac, p.dst_mac) };
        let mut flow = Flow {
            client,
            server,
            client_port,
            server_port,
            vlan: p.vlan,
            vlans: p.vlans,
            proto: p.proto,
            first: time,
            last: time,
            bytes: [0; 2],
            pkts: [0; 2],
            cold: NO_COLD,
            seq: 0,
            tunnel_key: key.tunnel,
            link: Link { prev: NIL, next: NIL },
            client_mac,
            server_mac,
            flags: match p.body {
                Body::Icmp { kind, code } => [kind, code],
                _ => [0; 2],
            },
            notch: 0,
            state: FlowState::New,
            app: 0,
            bypass: false,
            ip_version: p.ip_version,
            tunnel: p.tunnel,
            client_is_hi,
            live: true,
        };
        if !self.settings.use_vlan {
            (flow.vlan, flow.vlans) = ([0; 3], 0);
        }
        touch(&mut flow, p, time, len, dir);
        if self.live == 0 {
            self.wheel.start(self.wheel.done().max(time));
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.flows[slot as usize] = flow;
                slot
            }
            None => {
                self.flows.push(flow);
                self.flows.len() as u32 - 1
            }
        };
        let deadline = self.deadline(&self.flows[slot as usize]);
        let notch = self.wheel.insert(&mut Slab(&mut self.flows), slot, deadline);
        self.flows[slot as usize].notch = notch;
        let (flows, seed) = (&self.flows, self.settings.seed);
        self.index.insert_unique(hash, (hash as u32, slot), |e| flows[e.1 as usize].key().hash(seed));
        self.live += 1;
        self.counters.flows += 1;
        self.counters.peak = self.counters.peak.max(u64::from(self.live));
        (slot, dir)
    }

    /// The packet at hand opens a new connection on the ports of the flow in `slot`, which its owner knows: ends that flow, unless its time
    /// is up already ([`Table::packet`] then ends it).
    pub fn reuse(&mut self, slot: u32, now: Time, ended: &mut impl FnMut(&mut Flow, Closed, Time)) {
        if self.deadline(&self.flows[slot as usize]) >= now {
            self.counters.tcp_reuse += 1;
            self.end(slot, Closed::TcpReuse, now, ended);
        }
    }

    /// Ends the flow in `slot`.
    pub fn end(&mut self, slot: u32, why: Closed, when: Time, ended: &mut impl FnMut(&mut Flow, Closed, Time)) {
        let notch = self.flows[slot as usize].notch;
        self.wheel.remove(&mut Slab(&mut self.flows), slot, notch);
        self.release(slot, why, when, ended);
    }

    fn release(&mut self, slot: u32, why: Closed, when: Time, ended: &mut impl FnMut(&mut Flow, Closed, Time)) {
        let key = self.flows[slot as usize].key();
        if let Ok(entry) = self.index.find_entry(key.hash(self.settings.seed), |e| e.1 == slot) {
            entry.remove();
        }
        let flow = &mut self.flows[slot as usize];
        ended(flow, why, when);
        flow.live = false;
        self.free.push(slot);
        self.live -= 1;
    }

    /// Tells of every flow that timed out before the second of `now`. Cheap where the second has not changed.
    pub fn advance(&mut self, now: Time, mut ended: impl FnMut(&mut Flow, Closed, Time)) {
        while let Some(mut slot) = self.wheel.turn(now) {
            while slot != NIL {
                let next = self.flows[slot as usize].link.next;
                let deadline = self.deadline(&self.flows[slot as usize]);
                if deadline < self.wheel.done() {
                    self.counters.timed_out += 1;
                    self.release(slot, Closed::Timeout, deadline, &mut ended);
                } else {
                    let notch = self.wheel.insert(&mut Slab(&mut self.flows), slot, deadline);
                    self.flows[slot as usize].notch = notch;
                }
                slot = next;
            }
        }
    }

    /// The slots of every flow.
    pub fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.flows.iter().enumerate().filter(|(_, f)| f.live).map(|(i, _)| i as u32)
    }

    /// The identifier of the flow in `slot`.
    pub fn id(&self, slot: u32) -> u64 {
        self.flows[slot as usize].id(self.settings.sensor)
    }

    /// The flow that would time out first, by deadline and then by key: who goes when the table is full.
    fn victim(&self) -> Option<u32> {
        let mut slot = self.wheel.earliest()?;
        let mut best = slot;
        let rank = |s: u32| {
            let f = &self.flows[s as usize];
            (self.deadline(f), f.client, f.client_port, f.server, f.server_port)
        };
        // The chain of one notch is walked to a bound: a flood puts many flows into one second.
        for _ in 0..64 {
            slot = self.flows[slot as usize].link.next;
            if slot == NIL {
                break;
            }
            if rank(slot) < rank(best) {
                best = slot;
            }
        }
        Some(best)
    }
}

#[inline]
fn touch(flow: &mut Flow, p: &Packet, time: Time, len: u32, dir: Direction) {
    let i = dir.index();
    flow.pkts[i] += 1;
    flow.bytes[i] += u64::from(len);
    flow.last = flow.last.max(time);
    match p.body {
        Body::Tcp(t) => flow.flags[i] |= t.flags,
        _ => {
            if flow.pkts[0] > 0 && flow.pkts[1] > 0 {
                flow.state = FlowState::Established;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sp: u16, dp: u16) -> Packet {
        let raw = {
            let mut b = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            b.extend_from_slice(&sp.to_be_bytes());
            b.extend_from_slice(&dp.to_be_bytes());
            b.extend_from_slice(&[0, 8, 0, 0]);
            b
        };
        let mut p = Packet::EMPTY;
        vigie_decode::decode(&vigie_decode::Settings::default(), 101, &raw, raw.len() as u32, &mut p);
        p
    }

    fn reversed(p: &Packet) -> Packet {
        Packet { src: p.dst, dst: p.src, src_port: p.dst_port, dst_port: p.src_port, ..*p }
    }

    #[test]
    fn a_flow_begins_answers_and_times_out() {
        let mut t = Table::new(Settings::default());
        let p = packet(40000, 53);
        let none = |_: &mut Flow, _: Closed, _: Time| panic!("nothing ends here");
        let a = t.packet(&p, Time::from_secs(100), 60, none);
        assert!(a.new && a.dir == Direction::ToServer);
        let b = t.packet(&reversed(&p), Time::from_secs(101), 90, none);
        assert!(!b.new && b.dir == Direction::ToClient && b.slot == a.slot);
        assert_eq!(t.flow(a.slot).state, FlowState::Established);
        t.advance(Time::from_secs(401), none);
        let mut ends = Vec::new();
        t.advance(Time::from_secs(500), |f, why, when| ends.push((f.bytes, why, when)));
        assert_eq!(ends, [([60, 90], Closed::Timeout, Time::from_secs(401))]);
        assert!(t.is_empty());
    }

    #[test]
    fn who_called_in_a_session_first_seen_by_an_answer_is_told_by_ports() {
        let segment = |from: u16, to: u16, flags: u8| {
            let mut b = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            b.extend([from.to_be_bytes(), to.to_be_bytes()].concat());
            b.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 1, 0, 0, 0, 0, 0]);
            let mut p = Packet::EMPTY;
            vigie_decode::decode(&vigie_decode::Settings::default(), 101, &b, b.len() as u32, &mut p);
            p
        };
        let (ack, syn, both) = (Tcp::ACK, Tcp::SYN, Tcp::SYN | Tcp::ACK);
        for (from, to, flags, midstream, dir) in [
            (21, 40000, ack, true, Direction::ToClient),
            (21, 40000, ack, false, Direction::ToServer),
            (40000, 21, ack, true, Direction::ToServer),
            (20, 40000, syn, true, Direction::ToServer),
            (8080, 40000, ack, true, Direction::ToServer),
            (40000, 21, both, false, Direction::ToClient),
        ] {
            let mut t = Table::new(Settings { midstream, ..Settings::default() });
            let told = t.packet(&segment(from, to, flags), Time::from_secs(1), 60, |_, _, _| {}).dir;
            assert_eq!(told, dir, "{from} to {to}, {flags:x}");
        }
    }

    #[test]
    fn a_shorter_time_out_is_told_in_its_time() {
        let mut t = Table::new(Settings::default());
        let p = packet(40000, 53);
        let none = |_: &mut Flow, _: Closed, _: Time| panic!("nothing ends here");
        let slot = t.packet(&p, Time::from_secs(100), 60, none).slot;
        t.packet(&reversed(&p), Time::from_secs(101), 60, none);
        // Looked at while its time-out is far, and moved there.
        t.advance(Time::from_secs(140), none);
        t.flow(slot).state = FlowState::New;
        t.retime(slot);
        let mut ends = Vec::new();
        t.advance(Time::from_secs(150), |_, why, when| ends.push((why, when)));
        assert_eq!(ends, [(Closed::Timeout, Time::from_secs(131))]);
    }

    #[test]
    fn a_late_packet_begins_a_new_flow_at_the_exact_deadline() {
        let mut t = Table::new(Settings::default());
        let p = packet(40000, 53);
        t.packet(&p, Time(100), 60, |_, _, _| panic!());
        let mut ends = Vec::new();
        let again = t.packet(&p, Time(101 + 30 * 1_000_000_000), 60, |_, why, when| ends.push((why, when)));
        assert!(again.new);
        assert_eq!(ends, [(Closed::Timeout, Time(100 + 30 * 1_000_000_000))]);
    }

    #[test]
    fn a_full_table_ends_the_flow_nearest_its_end() {
        let mut t = Table::new(Settings { flows_max: 2, ..Settings::default() });
        t.packet(&packet(1, 53), Time::from_secs(1), 60, |_, _, _| panic!());
        t.packet(&packet(2, 53), Time::from_secs(2), 60, |_, _, _| panic!());
        let mut ends = Vec::new();
        t.packet(&packet(3, 53), Time::from_secs(3), 60, |f, why, _| ends.push((f.client_port, why)));
        assert_eq!(ends, [(1, Closed::Forced)]);
        assert_eq!((t.len(), t.counters.evicted), (2, 1));
    }
}
