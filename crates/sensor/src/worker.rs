//! A worker: packets of the flows it owns in, events out.

use crate::Settings;
use crate::batches::Slice;
use crate::front::Item;
use crate::keep::{self, Keeper};
use crate::merge::Watermark;
use vigie_base::time::SECOND;
use vigie_base::{Budget, Direction, Mac, Time};
use vigie_decode::{Body, Packet, Tcp, TunnelKind};
use vigie_dissect::record::Anomaly;
use vigie_dissect::{Cx, Dissection, Shared, Transport, Verdict, proto::arp};
use vigie_event::{Envelope, Flag, NO_TX, Out, Record};
use vigie_flow::community;
use vigie_flow::key::quoted;
use vigie_flow::record::{FlowEnd, FlowStart, FlowUpdate, TcpEnd};
use vigie_flow::{Closed, Flow, FlowState, NO_COLD, Table};
use vigie_stream::{Memory, Segment, Stream, TcpState};

pub(crate) struct Worker {
    table: Table,
    inner: Inner,
    now: Time,
    flushed: Time,
    /// Seconds for which sessions are picked up whose beginning was not seen, 0 once they are over; until when; and what holds after.
    midstream_first: u64,
    midstream_until: Option<Time>,
    midstream_after: bool,
    kept: Option<Keeper>,
}

/// What a worker keeps beside its flow table.
struct Inner {
    streams: Pool<TcpCold>,
    datagrams: Pool<Cold>,
    stream_settings: vigie_stream::Settings,
    memory: Memory,
    shared: Shared,
    out: Slice,
    sensor: u64,
    /// Kept to build text in without allocating.
    community: String,
}

/// Cold state of a flow: what its packets carry.
struct Cold {
    /// The flow's identifier.
    id: u64,
    dissection: Dissection,
    /// What its dissection is accounted for.
    held: usize,
    unreachable: bool,
}

/// Cold state of a TCP flow.
struct TcpCold {
    cold: Cold,
    stream: Stream,
    refused: bool,
    established: bool,
}

/// A pool of cold states.
struct Pool<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Pool<T> {
    fn new() -> Self {
        Pool { places: Vec::new(), free: Vec::new() }
    }

    fn put(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.places[at as usize] = Some(value);
                at
            }
            None => {
                self.places.push(Some(value));
                self.places.len() as u32 - 1
            }
        }
    }

    fn take(&mut self, at: u32) -> Option<T> {
        let taken = self.places.get_mut(at as usize)?.take();
        if taken.is_some() {
            self.free.push(at);
        }
        taken
    }

    fn get(&mut self, at: u32) -> Option<&mut T> {
        self.places.get_mut(at as usize)?.as_mut()
    }
}

/// What the cold states of one worker take at most, beside its table: no pool shrinks, so each may have held every flow.
pub(crate) fn budgets(flows: u64) -> [Budget; 2] {
    let pool =
        |name, entry_bytes: usize| Budget { name, entries_max: flows, entry_bytes: entry_bytes as u64 + 4, when_full: "as flow.table" };
    [pool("flow.tcp", size_of::<Option<TcpCold>>()), pool("flow.datagrams", size_of::<Option<Cold>>())]
}

/// What a worker counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) flow: vigie_flow::Counters,
    pub(crate) stream: vigie_stream::Counters,
    pub(crate) dissect: vigie_dissect::Counters,
    /// Bytes that dissections held before the flows that were still open were closed.
    pub(crate) held: u64,
    pub(crate) unknown: Vec<vigie_dissect::UnknownFlows>,
    pub(crate) packets: Option<keep::Counters>,
}

impl Worker {
    pub(crate) fn new(settings: &Settings, out: Slice) -> Self {
        let workers = settings.workers.0.max(1) as u64;
        Worker {
            table: Table::new(vigie_flow::Settings {
                flows_max: (u64::from(settings.flow.flows_max) / workers).max(1) as u32,
                midstream: settings.stream.midstream || settings.midstream_first > 0,
                ..settings.flow.clone()
            }),
            inner: Inner {
                streams: Pool::new(),
                datagrams: Pool::new(),
                stream_settings: vigie_stream::Settings {
                    midstream: settings.stream.midstream || settings.midstream_first > 0,
                    ..settings.stream.clone()
                },
                memory: Memory::new(settings.stream_memory.0 / workers),
                shared: Shared::new(vigie_dissect::Settings {
                    memory_max: settings.dissect.memory_max / workers,
                    ..settings.dissect.clone()
                }),
                out,
                sensor: settings.flow.sensor,
                community: String::new(),
            },
            now: Time(0),
            flushed: Time(0),
            midstream_first: settings.midstream_first,
            midstream_until: None,
            midstream_after: settings.stream.midstream,
            kept: settings.keep.as_ref().map(|k| Keeper::new(k, workers)),
        }
    }

    /// Takes one packet.
    #[inline]
    pub(crate) fn packet(&mut self, item: Item<'_>) {
        if item.packet.tunnel == TunnelKind::Canary {
            return self.canary(item);
        }
        self.deliver(item);
    }

    /// Takes the canary: as any packet, but that it stands in no count and leaves nothing behind.
    #[cold]
    fn canary(&mut self, item: Item<'_>) {
        let before = (self.table.counters, self.inner.memory.counters, self.inner.shared.counters);
        self.deliver(item);
        let p = item.packet;
        let Worker { table, inner, .. } = self;
        if let Some((slot, _)) = table.find(p.src, p.dst, p.src_port, p.dst_port, p.proto, p)
            && table.flow(slot).tunnel == TunnelKind::Canary
        {
            table.end(slot, Closed::Shutdown, item.time, &mut |flow, why, when| inner.end(flow, why, when));
        }
        (self.table.counters, self.inner.memory.counters, self.inner.shared.counters) = before;
    }

    #[inline]
    fn deliver(&mut self, item: Item<'_>) {
        self.now = self.now.max(item.time);
        let p = item.packet;
        let Worker { table, inner, kept, .. } = self;
        if let Body::Arp(span) = p.body {
            return inner.arp(p, span.of(item.bytes), &item);
        }
        if let Body::Icmp { .. } = p.body
            && let Some(q) = quoted(p, item.bytes)
            && let Some((slot, dir)) = table.find(q.src, q.dst, q.src_port, q.dst_port, q.proto, p)
        {
            table.count(slot, dir.flip(), item.time, item.len);
            if let Some(kept) = kept {
                let flow = table.flow(slot);
                kept.packet(flow, || inner.id(flow), &item);
            }
            return inner.unreachable(table.flow(slot), &item);
        }
        if let Body::Tcp(tcp) = p.body
            && tcp.flags & Tcp::SYN != 0
            && let Some((slot, dir)) = table.find(p.src, p.dst, p.src_port, p.dst_port, p.proto, p)
            && inner.is_reuse(table.flow(slot), &segment(dir, &tcp, &item))
        {
            table.reuse(slot, item.time, &mut |flow, why, when| inner.end(flow, why, when));
        }
        let found = table.packet(p, item.time, item.len, |flow, why, when| inner.end(flow, why, when));
        let flow = table.flow(found.slot);
        if found.new {
            inner.begin(flow, &item);
        }
        if let Some(kept) = kept {
            kept.packet(flow, || inner.id(flow), &item);
        }
        match p.body {
            Body::Tcp(tcp) => {
                let before = flow.state;
                inner.tcp(flow, found.dir, &tcp, &item);
                if flow.state != before {
                    table.retime(found.slot);
                }
            }
            _ if flow.bypass => {}
            Body::Udp | Body::Icmp { .. } => inner.datagram(flow, found.dir, found.new, &item),
            _ => {}
        }
    }

    /// Whether a slice is worth handing over: a second has passed, or there are many rows or packets.
    pub(crate) fn is_due(&self) -> bool {
        self.now.secs() > self.flushed.secs() || self.inner.out.is_full() || self.kept.as_ref().is_some_and(Keeper::is_due)
    }

    /// Learns that no packet before `now` will come, ends what timed out, and hands over its rows with its watermark. Packets of later times
    /// may have come, where several give them.
    pub(crate) fn flush(&mut self, now: Time, spare: Slice) -> (Slice, Watermark) {
        self.now = self.now.max(now);
        self.flushed = self.now;
        self.midstream(now);
        let Worker { table, inner, kept, .. } = self;
        table.advance(now, |flow, why, when| inner.end(flow, why, when));
        if let Some(kept) = kept {
            kept.give(&mut inner.out.packets);
        }
        (std::mem::replace(&mut self.inner.out, spare), (self.table.watermark().min(now), 0))
    }

    /// Ends the time in which sessions that were open already are picked up. It begins once there is a time.
    fn midstream(&mut self, now: Time) {
        if self.midstream_first == 0 || now == Time(0) {
            return;
        }
        let until = *self.midstream_until.get_or_insert(now.plus(self.midstream_first.saturating_mul(SECOND)));
        if now >= until {
            self.midstream_first = 0;
            self.inner.stream_settings.midstream = self.midstream_after;
            self.table.pick_up(self.midstream_after);
        }
    }

    /// The capture is over: ends every flow, in the order of their identifiers, and hands over slices as they fill.
    pub(crate) fn finish(&mut self, now: Time, mut each: impl FnMut(Slice, Watermark) -> Slice) -> Counted {
        let Worker { table, inner, .. } = self;
        self.now = self.now.max(now);
        table.advance(self.now, |flow, why, when| inner.end(flow, why, when));
        let held = inner.shared.held();
        let mut open: Vec<(u64, u32)> = table.slots().map(|slot| (table.id(slot), slot)).collect();
        open.sort_unstable();
        for (id, slot) in open {
            if inner.out.is_full() {
                let full = std::mem::replace(&mut inner.out, Slice::empty());
                inner.out = each(full, (self.now, id));
            }
            table.end(slot, Closed::Shutdown, self.now, &mut |flow, why, when| inner.end(flow, why, when));
        }
        if let Some(kept) = &mut self.kept {
            kept.give(&mut inner.out.packets);
        }
        let last = std::mem::replace(&mut inner.out, Slice::empty());
        each(last, (Time::MAX, 0));
        Counted { held, ..self.counted() }
    }

    /// What it counted so far.
    pub(crate) fn counted(&self) -> Counted {
        let Worker { table, inner, kept, .. } = self;
        Counted {
            packets: kept.as_ref().map(Keeper::counted),
            flow: table.counters,
            stream: inner.memory.counters,
            dissect: inner.shared.counters,
            held: inner.shared.held(),
            unknown: inner.shared.unknown(),
        }
    }
}

/// The envelope of a flow: from client to server.
fn envelope(flow: &Flow, id: u64, ts: Time, frame: u64, app_proto: &'static str) -> Envelope {
    let icmp = matches!(flow.proto, 1 | 58);
    Envelope {
        ts,
        flow_id: id,
        seq: 0,
        tx_id: NO_TX,
        frame,
        src: flow.client,
        dst: flow.server,
        src_port: flow.client_port,
        dst_port: flow.server_port,
        proto: flow.proto,
        ip_version: flow.ip_version,
        icmp_type: if icmp { flow.flags[0] } else { 0 },
        icmp_code: if icmp { flow.flags[1] } else { 0 },
        vlan: flow.vlan,
        vlans: flow.vlans,
        app_proto,
        tunnel: if flow.tunnel == vigie_decode::TunnelKind::None { "" } else { flow.tunnel.name() },
    }
}

fn segment<'a>(dir: Direction, tcp: &Tcp, item: &Item<'a>) -> Segment<'a> {
    Segment {
        dir,
        seq: tcp.seq,
        ack: tcp.ack,
        flags: tcp.flags,
        window: tcp.window,
        options: tcp.options.of(item.bytes),
        payload: item.packet.payload.of(item.bytes),
    }
}

fn push<R: Record>(out: &mut Slice, flow: &mut Flow, mut env: Envelope, record: &R) {
    env.seq = flow.seq;
    flow.seq += 1;
    out.push(&env, record);
}

impl Inner {
    /// The identifier of a flow that has begun.
    fn id(&mut self, flow: &Flow) -> u64 {
        let cold = match flow.proto {
            6 => self.streams.get(flow.cold).map(|c| &c.cold),
            _ => self.datagrams.get(flow.cold).map(|c| &*c),
        };
        cold.map_or(0, |c| c.id)
    }

    fn arp(&mut self, p: &Packet, message: &[u8], item: &Item<'_>) {
        let env =
            Envelope { ts: item.time, seq: item.number as u32, frame: item.number, vlan: p.vlan, vlans: p.vlans, ..Envelope::default() };
        let mut seq = item.number as u32;
        let mut cx = Cx { out: &mut self.out, env, seq: &mut seq, shared: &mut self.shared, client_mac: p.src_mac, server_mac: p.dst_mac };
        arp::dissect(&mut cx, message);
    }

    /// A flow begins: gives it its cold state.
    fn begin(&mut self, flow: &mut Flow, item: &Item<'_>) {
        let id = flow.id(self.sensor);
        let p = item.packet;
        let (mut tcp_flags, mut window, mut options) = (0, 0, Vec::new());
        match p.body {
            Body::Tcp(t) => {
                (tcp_flags, window) = (t.flags, t.window);
                if t.flags & Tcp::SYN != 0 {
                    option_text(t.options.of(item.bytes), &mut options);
                }
                let dissection = match self.shared.expected(flow.server, flow.server_port, item.time) {
                    Some(e) => Dissection::announced(Transport::Tcp, e),
                    None => Dissection::new(Transport::Tcp),
                };
                let held = dissection.held();
                self.shared.account(0, held);
                let cold = Cold { id, dissection, held, unreachable: false };
                flow.cold = self.streams.put(TcpCold { cold, stream: Stream::default(), refused: false, established: false });
            }
            Body::Icmp { .. } => {
                flow.cold = self.datagrams.put(Cold { id, dissection: Dissection::new(Transport::Icmp), held: 0, unreachable: false })
            }
            _ => flow.cold = self.datagrams.put(Cold { id, dissection: Dissection::new(Transport::Udp), held: 0, unreachable: false }),
        }
        let env = envelope(flow, id, item.time, item.number, "");
        let start = FlowStart {
            client_mac: flow.client_mac,
            server_mac: flow.server_mac,
            ttl: p.ttl,
            tcp_flags,
            window,
            tcp_options: &options,
            payload: p.payload.len() as u32,
        };
        push(&mut self.out, flow, env, &start);
    }

    /// Whether a segment opens a new connection on the ports of a flow.
    fn is_reuse(&mut self, flow: &Flow, segment: &Segment<'_>) -> bool {
        self.streams.get(flow.cold).is_some_and(|c| c.stream.is_reuse(segment))
    }

    fn unreachable(&mut self, flow: &mut Flow, item: &Item<'_>) {
        let Some(cold) = (match flow.proto {
            6 => self.streams.get(flow.cold).map(|c| &mut c.cold),
            _ => self.datagrams.get(flow.cold),
        }) else {
            return;
        };
        if std::mem::replace(&mut cold.unreachable, true) {
            return;
        }
        let env = envelope(flow, cold.id, item.time, item.number, "");
        push(&mut self.out, flow, env, &update("unreachable", false, item, &[]));
    }

    #[inline]
    fn tcp(&mut self, flow: &mut Flow, dir: Direction, tcp: &Tcp, item: &Item<'_>) {
        let Some(TcpCold { cold, stream, refused, established }) = self.streams.get(flow.cold) else { return };
        let before = stream.state();
        let segment = segment(dir, tcp, item);
        let mut sink =
            Sink { flow, cold, shared: &mut self.shared, out: &mut self.out, time: item.time, frame: item.number, verdict: Verdict::Go };
        let state = stream.segment(&segment, &self.stream_settings, &mut self.memory, &mut sink);
        if sink.verdict == Verdict::Bypass && !flow.bypass {
            flow.bypass = true;
            stream.only_track(None, &mut self.memory);
        }
        if flow.pkts[0].saturating_add(flow.pkts[1]) == SIDES_AFTER {
            count_sides(flow, &mut self.memory.counters);
        }
        if state == TcpState::None && !segment.payload.is_empty() && flow.pkts[dir.index()] <= vigie_dissect::SEGMENTS_MAX {
            let mut sink = Sink {
                flow,
                cold,
                shared: &mut self.shared,
                out: &mut self.out,
                time: item.time,
                frame: item.number,
                verdict: Verdict::Go,
            };
            sink.with(|_, cx| vigie_dissect::glimpse(cx, dir, segment.payload));
        }
        if state == before {
            return;
        }
        flow.state = match state {
            TcpState::None | TcpState::SynSent | TcpState::SynRecv => FlowState::New,
            s if s.is_closed() => FlowState::Closed,
            _ => FlowState::Established,
        };
        let id = cold.id;
        let told = if state == TcpState::SynRecv && !*established {
            *established = true;
            Some("established")
        } else if state == TcpState::Closed && !*refused && before == TcpState::SynSent && dir == Direction::ToClient {
            *refused = true;
            Some("closed")
        } else {
            None
        };
        if let Some(state) = told {
            let refused = state == "closed";
            let mut options = Vec::new();
            if tcp.flags & Tcp::SYN != 0 {
                option_text(segment.options, &mut options);
            }
            let env = envelope(flow, id, item.time, item.number, "");
            push(&mut self.out, flow, env, &update(state, refused, item, &options));
        }
        if flow.state == FlowState::Closed && before != state {
            // What is still open in the dissection is told now and not a minute later.
            let Some(c) = self.streams.get(flow.cold) else { return };
            let mut sink = Sink {
                flow,
                cold: &mut c.cold,
                shared: &mut self.shared,
                out: &mut self.out,
                time: item.time,
                frame: item.number,
                verdict: Verdict::Go,
            };
            c.stream.finish(&self.stream_settings, &mut self.memory, &mut sink);
            sink.with(|d, cx| d.finish(cx));
            flow.bypass = true;
        }
    }

    fn datagram(&mut self, flow: &mut Flow, dir: Direction, new: bool, item: &Item<'_>) {
        let payload = match item.packet.body {
            // From the type on, so that the dissector sees the whole message.
            Body::Icmp { .. } => item.packet.l4.of(item.bytes),
            _ => item.packet.payload.of(item.bytes),
        };
        let Some(cold) = self.datagrams.get(flow.cold) else { return };
        if !new && dir == Direction::ToClient && flow.pkts[1] == 1 {
            let env = envelope(flow, cold.id, item.time, item.number, "");
            push(&mut self.out, flow, env, &update("established", false, item, &[]));
        }
        if payload.is_empty() {
            return;
        }
        let mut sink =
            Sink { flow, cold, shared: &mut self.shared, out: &mut self.out, time: item.time, frame: item.number, verdict: Verdict::Go };
        let verdict = sink.with(|d, cx| d.datagram(cx, dir, payload));
        flow.bypass = verdict == Verdict::Bypass;
    }

    /// A flow is over: tells what is open, and the flow.
    fn end(&mut self, flow: &mut Flow, why: Closed, when: Time) {
        let (mut cold, tcp) = if flow.proto == 6 {
            let Some(TcpCold { mut cold, mut stream, .. }) = self.streams.take(flow.cold) else { return };
            let mut sink =
                Sink { flow, cold: &mut cold, shared: &mut self.shared, out: &mut self.out, time: when, frame: 0, verdict: Verdict::Go };
            stream.finish(&self.stream_settings, &mut self.memory, &mut sink);
            (cold, Some(stream))
        } else {
            let Some(cold) = self.datagrams.take(flow.cold) else { return };
            (cold, None)
        };
        flow.cold = NO_COLD;
        if tcp.is_some() && (SIDES_LEAST..SIDES_AFTER).contains(&flow.pkts[0].saturating_add(flow.pkts[1])) {
            count_sides(flow, &mut self.memory.counters);
        }
        let mut sink =
            Sink { flow, cold: &mut cold, shared: &mut self.shared, out: &mut self.out, time: when, frame: 0, verdict: Verdict::Go };
        sink.with(|d, cx| d.finish(cx));
        self.shared.account(cold.held, 0);
        let icmp = matches!(flow.proto, 1 | 58);
        let app = if icmp { "" } else { cold.dissection.app_proto() };
        let env = envelope(flow, cold.id, when, 0, app);
        community::id(
            flow.client,
            flow.server,
            flow.client_port,
            flow.server_port,
            flow.proto,
            icmp.then_some((flow.flags[0], flow.flags[1])),
            &mut self.community,
        );
        let mut flags = [[0u8; 2]; 3];
        let hex = |v: u8, out: &mut [u8; 2]| {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            *out = [HEX[usize::from(v >> 4)], HEX[usize::from(v & 15)]];
        };
        let all = flow.all_flags();
        hex(all, &mut flags[0]);
        hex(flow.flags[0], &mut flags[1]);
        hex(flow.flags[1], &mut flags[2]);
        let text = |b| std::str::from_utf8(b).unwrap_or("");
        let has = |bit: u8| Flag(all & bit != 0);
        let gaps = tcp.as_ref().map_or(0, |s| u64::from(s.gap_bytes(Direction::ToServer)) + u64::from(s.gap_bytes(Direction::ToClient)));
        let transactions = cold.dissection.transactions();
        let record = FlowEnd {
            app_proto_orig: cold.dissection.proto_before().map(|p| p.name()),
            app_proto: cold.dissection.beyond_eve(),
            pkts_toserver: flow.pkts[0],
            pkts_toclient: flow.pkts[1],
            bytes_toserver: flow.bytes[0],
            bytes_toclient: flow.bytes[1],
            start: flow.first,
            end: flow.last,
            age: flow.last.secs() - flow.first.secs(),
            // Suricata counts a session that lacks only the last acknowledgement as closed.
            state: match &tcp {
                Some(s) if s.state() == TcpState::LastAck => FlowState::Closed.name(),
                _ => flow.state.name(),
            },
            reason: why.name(),
            alerted: false,
            tx_cnt: Some(transactions).filter(|n| *n > 0),
            tcp: tcp.as_ref().map(|s| TcpEnd {
                tcp_flags: text(&flags[0]),
                tcp_flags_ts: text(&flags[1]),
                tcp_flags_tc: text(&flags[2]),
                fin: has(Tcp::FIN),
                syn: has(Tcp::SYN),
                rst: has(Tcp::RST),
                psh: has(Tcp::PSH),
                ack: has(Tcp::ACK),
                urg: has(Tcp::URG),
                ecn: has(0x40),
                cwr: has(0x80),
                state: s.state().name(),
            }),
            response_icmp_type: (icmp && flow.pkts[1] > 0).then_some(flow.server_port as u8),
            response_icmp_code: (icmp && flow.pkts[1] > 0).then_some(0),
            community_id: &self.community,
            tunnel: Some(env.tunnel).filter(|t| !t.is_empty()),
            client_mac: Some(flow.client_mac).filter(|m| *m != Mac::ZERO),
            server_mac: Some(flow.server_mac).filter(|m| *m != Mac::ZERO),
            gap_bytes: Some(gaps).filter(|g| *g > 0),
            midstream: Flag(tcp.as_ref().is_some_and(Stream::is_midstream)),
            unreachable: Flag(cold.unreachable),
        };
        push(&mut self.out, flow, env, &record);
    }
}

/// Packets of a TCP flow after which it is told whether both sides are seen: a receiver answers every second segment (RFC 9293 section
/// 3.8.6.3), so that of eight some are the other side's.
const SIDES_AFTER: u32 = 8;
/// The same where the flow ends before: fewer may be a probe that nobody answers.
const SIDES_LEAST: u32 = 3;

/// Counts whether a TCP flow is seen from both sides. Only where data was acknowledged: then there are two.
fn count_sides(flow: &Flow, counters: &mut vigie_stream::Counters) {
    let flags = flow.all_flags();
    if flags & Tcp::ACK == 0 || flags & (Tcp::PSH | Tcp::FIN) == 0 {
        return;
    }
    if flow.pkts.contains(&0) { counters.one_sided += 1 } else { counters.two_sided += 1 }
}

fn update<'a>(state: &'a str, refused: bool, item: &Item<'_>, options: &'a [u8]) -> FlowUpdate<'a> {
    let window = match item.packet.body {
        Body::Tcp(t) => t.window,
        _ => 0,
    };
    FlowUpdate { state, refused, ttl: item.packet.ttl, window, tcp_options: options }
}

/// Takes what a flow carries to its dissection.
struct Sink<'a> {
    flow: &'a mut Flow,
    cold: &'a mut Cold,
    shared: &'a mut Shared,
    out: &'a mut Slice,
    time: Time,
    frame: u64,
    verdict: Verdict,
}

impl Sink<'_> {
    fn with<R>(&mut self, f: impl FnOnce(&mut Dissection, &mut Cx<'_, Slice>) -> R) -> R {
        let env = envelope(self.flow, self.cold.id, self.time, self.frame, self.cold.dissection.app_proto());
        let mut cx = Cx {
            out: self.out,
            env,
            seq: &mut self.flow.seq,
            shared: self.shared,
            client_mac: self.flow.client_mac,
            server_mac: self.flow.server_mac,
        };
        let r = f(&mut self.cold.dissection, &mut cx);
        let held = self.cold.dissection.held();
        let fits = cx.shared.account(self.cold.held, held);
        self.cold.held = held;
        if !fits {
            self.cold.dissection.memory_full(&mut cx);
            self.cold.held = self.cold.dissection.held();
            cx.shared.account(held, self.cold.held);
        }
        self.flow.app = self.cold.dissection.proto() as u8;
        r
    }
}

impl vigie_stream::Out for Sink<'_> {
    #[inline]
    fn data(&mut self, dir: Direction, bytes: &[u8]) {
        self.verdict = self.with(|d, cx| d.data(cx, dir, bytes));
    }

    fn gap(&mut self, dir: Direction, len: u64) {
        self.verdict = self.with(|d, cx| d.gap(cx, dir, len));
    }

    fn end(&mut self, dir: Direction) {
        self.with(|d, cx| d.end(cx, dir));
    }

    fn reset(&mut self, _: Direction) {}

    fn event(&mut self, anomaly: vigie_stream::Anomaly) {
        let event = anomaly.name();
        self.with(|_, cx| cx.push(NO_TX, &Anomaly { app_proto: None, kind: "stream", event, layer: None }));
    }
}

/// The TCP options of a SYN as text: `mss1460,sok,ts,nop,ws7`. What is malformed ends it.
fn option_text(mut options: &[u8], out: &mut Vec<u8>) {
    use std::io::Write;
    // Written into memory: cannot fail.
    while let [kind, rest @ ..] = options {
        if !out.is_empty() {
            out.push(b',');
        }
        if *kind < 2 {
            out.extend_from_slice(if *kind == 0 { b"eol" } else { b"nop" });
            options = if *kind == 0 { &[] } else { rest };
            continue;
        }
        let len = usize::from(rest.first().copied().unwrap_or(0));
        let (Some(value), Some(next)) = (options.get(2..len), options.get(len..)) else { return };
        let _ = match (kind, value) {
            (2, [a, b]) => write!(out, "mss{}", u16::from_be_bytes([*a, *b])),
            (3, [scale]) => write!(out, "ws{scale}"),
            (4, _) => write!(out, "sok"),
            (8, _) => write!(out, "ts"),
            (kind, _) => write!(out, "{kind}"),
        };
        if len < 2 {
            return;
        }
        options = next;
    }
}
