//! What one flow keeps of its dissection: tells the protocol, feeds its parser, obeys its verdict.

use crate::cx::{Cx, Expect};
use crate::record::Anomaly;
use crate::registry::{Parser, Proto};
use crate::{Match, Next, Probe, Transport};
use vigie_base::Direction;
use vigie_event::{NO_TX, Out};

/// Bytes of each direction held while the protocol is not told.
const PROBE_MAX: usize = 1024;
/// Datagrams of a flow that are looked at before it is left as unknown.
const PROBE_DATAGRAMS: u8 = 4;
/// Memory that a drained buffer may keep for the next bytes.
const BUFFER_KEPT: usize = 4096;

/// What a flow's owner should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on delivering.
    Go,
    /// Nothing more can be learnt: count packets only.
    Bypass,
}

/// One flow's dissection.
pub struct Dissection {
    parser: Parser,
    proto: Proto,
    transport: Transport,
    state: State,
    /// Unused bytes of each direction.
    rest: [Vec<u8>; 2],
    /// How many bytes the parser waits for.
    need: [usize; 2],
    probing: Option<Box<Probing>>,
    /// Transactions of parsers that went before (STARTTLS).
    transactions: u32,
    /// The protocol that the flow began with, where another took over.
    before: Proto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Probing,
    Parsing,
    Done,
    Unknown,
}

/// Pieces held until the protocol is told, in the order in which they came.
#[derive(Default)]
struct Probing {
    candidates: u64,
    /// Those that only one direction can still tell: no port makes up for the other.
    unlikely: u64,
    bytes: [Vec<u8>; 2],
    pieces: Vec<(Direction, usize)>,
    datagrams: u8,
}

impl Dissection {
    /// Of a new flow.
    pub fn new(transport: Transport) -> Self {
        Dissection {
            parser: Parser::None,
            proto: Proto::Unknown,
            transport,
            state: State::Probing,
            rest: [Vec::new(), Vec::new()],
            need: [0; 2],
            probing: None,
            transactions: 0,
            before: Proto::Unknown,
        }
    }

    /// Of a flow whose protocol was announced (a data connection).
    pub fn announced(transport: Transport, e: Expect) -> Self {
        let mut d = Self::new(transport);
        d.begin(e.proto);
        d.parser.announced(e);
        d
    }

    fn begin(&mut self, proto: Proto) {
        self.parser = Parser::new(proto);
        if self.before != Proto::Unknown {
            self.parser.after(self.before);
        }
        self.proto = proto;
        self.state = State::Parsing;
    }

    /// The protocol, as told so far.
    pub fn proto(&self) -> Proto {
        self.proto
    }

    /// The protocol that the flow began with, where another took over.
    pub fn proto_before(&self) -> Option<Proto> {
        Some(self.before).filter(|p| *p != Proto::Unknown)
    }

    /// `app_proto` as EVE writes it: `failed` where there was payload that no protocol claimed.
    pub fn app_proto(&self) -> &'static str {
        match self.state {
            State::Unknown if self.proto == Proto::Unknown => "failed",
            _ if self.proto.beyond_eve() => "failed",
            _ => self.proto.name(),
        }
    }

    /// The protocol where EVE's `app_proto` has no word for it.
    pub fn beyond_eve(&self) -> Option<&'static str> {
        self.proto.beyond_eve().then(|| self.proto.name())
    }

    /// Transactions seen.
    pub fn transactions(&self) -> u32 {
        self.transactions + self.parser.transactions()
    }

    /// Bytes held for this flow beside itself: buffers, and the parser's state.
    pub fn held(&self) -> usize {
        let probing = self.probing.as_ref().map_or(0, |p| {
            size_of::<Probing>() + p.bytes[0].capacity() + p.bytes[1].capacity() + p.pieces.capacity() * size_of::<(Direction, usize)>()
        });
        self.rest[0].capacity() + self.rest[1].capacity() + probing + self.parser.held()
    }

    /// Lets go of everything because the worker's memory is used up.
    pub fn memory_full<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        cx.shared.counters.memory_full += 1;
        self.probing = None;
        self.obey(cx, Next::GiveUp("memory_full"));
    }

    fn verdict(&self) -> Verdict {
        if matches!(self.state, State::Done | State::Unknown) { Verdict::Bypass } else { Verdict::Go }
    }

    /// The next bytes of one direction of a stream.
    pub fn data<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Verdict {
        if !bytes.is_empty() {
            match self.state {
                State::Probing => self.probe_stream(cx, dir, bytes),
                State::Parsing => self.feed(cx, dir, bytes),
                State::Done | State::Unknown => {}
            }
        }
        self.verdict()
    }

    /// `len` bytes of one direction are missing.
    pub fn gap<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, len: u64) -> Verdict {
        match self.state {
            State::Probing => self.settle(cx),
            State::Parsing => {}
            State::Done | State::Unknown => return Verdict::Bypass,
        }
        if self.state == State::Parsing {
            self.rest[dir.index()].clear();
            self.need[dir.index()] = 0;
            let next = self.parser.gap(cx, dir, len);
            self.obey(cx, next);
        }
        self.verdict()
    }

    /// One direction is over (FIN).
    pub fn end<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction) {
        if self.state == State::Probing && self.probing.is_some() {
            self.settle(cx);
        }
        if self.state == State::Parsing {
            let rest = std::mem::take(&mut self.rest[dir.index()]);
            self.parser.end(cx, dir, &rest);
        }
    }

    /// The flow is over.
    pub fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if self.state == State::Probing && self.probing.is_some() {
            self.settle(cx);
        }
        if self.state == State::Parsing {
            for dir in [Direction::ToServer, Direction::ToClient] {
                let rest = std::mem::take(&mut self.rest[dir.index()]);
                if !rest.is_empty() {
                    self.parser.end(cx, dir, &rest);
                }
            }
            self.parser.finish(cx);
            self.state = State::Done;
        }
    }

    /// One whole datagram.
    pub fn datagram<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Verdict {
        if self.state == State::Probing && !bytes.is_empty() {
            self.probe_datagram(cx, dir, bytes);
        }
        if self.state == State::Parsing {
            let step = self.parser.parse(cx, dir, bytes);
            self.obey(cx, step.next);
        }
        self.verdict()
    }

    fn probe_datagram<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) {
        let p = Probe { dir, bytes, other: &[], client_port: cx.env.src_port, server_port: cx.env.dst_port, transport: self.transport };
        let mut maybe = Proto::Unknown;
        let candidates = Proto::carried_by(self.transport);
        for (i, proto) in Proto::ALL.iter().enumerate() {
            if candidates & 1 << i == 0 {
                continue;
            }
            match proto.probe(&p) {
                Match::Yes => {
                    cx.shared.counters.told += 1;
                    cx.env.app_proto = proto.name();
                    return self.begin(*proto);
                }
                Match::Maybe if maybe == Proto::Unknown && proto.info().is_some_and(|i| p.on(i.ports)) => maybe = *proto,
                _ => {}
            }
        }
        if maybe != Proto::Unknown {
            cx.shared.counters.told += 1;
            cx.env.app_proto = maybe.name();
            return self.begin(maybe);
        }
        let seen = self.probing.get_or_insert_default();
        seen.datagrams += 1;
        if seen.datagrams >= PROBE_DATAGRAMS {
            self.give_up_unknown(cx, bytes);
        }
    }

    fn give_up_unknown<O: Out>(&mut self, cx: &mut Cx<'_, O>, datagram: &[u8]) {
        let first = match &self.probing {
            Some(p) if self.transport == Transport::Tcp => p.pieces.first().map_or(&[][..], |(dir, _)| &p.bytes[dir.index()][..]),
            _ => datagram,
        };
        cx.shared.count_unknown(cx.env.proto, cx.env.dst_port, first);
        self.state = State::Unknown;
        self.probing = None;
    }

    fn probe_stream<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) {
        let transport = self.transport;
        let seen = self.probing.get_or_insert_with(|| Box::new(Probing { candidates: Proto::carried_by(transport), ..Probing::default() }));
        let held = !seen.bytes[dir.index()].is_empty();
        // An empty line left behind by the protocol that gave way begins no other.
        let blank = |b: &u8| matches!(b, b'\r' | b'\n');
        let left_behind = if self.before == Proto::Unknown || held { 0 } else { bytes.iter().take_while(|b| blank(b)).count() };
        let bytes = &bytes[left_behind..];
        if bytes.is_empty() {
            return;
        }
        if held {
            seen.bytes[dir.index()].extend_from_slice(bytes);
        }
        let all = if held { &seen.bytes[dir.index()][..] } else { bytes };
        let p = Probe {
            dir,
            bytes: all,
            other: &seen.bytes[dir.flip().index()],
            client_port: cx.env.src_port,
            server_port: cx.env.dst_port,
            transport,
        };
        let mut yes = Proto::Unknown;
        for (i, proto) in Proto::ALL.iter().enumerate() {
            if seen.candidates & 1 << i == 0 {
                continue;
            }
            match proto.probe(&p) {
                Match::Yes => {
                    yes = *proto;
                    break;
                }
                Match::No => seen.candidates &= !(1 << i),
                Match::Other => seen.unlikely |= 1 << i,
                Match::Maybe => {}
            }
        }
        let full = all.len() >= PROBE_MAX;
        if !held {
            seen.bytes[dir.index()].extend_from_slice(bytes);
        }
        seen.pieces.push((dir, bytes.len()));
        if yes != Proto::Unknown {
            self.replay(cx, yes);
        } else if seen.candidates == 0 {
            self.give_up_unknown(cx, &[]);
        } else if full {
            self.settle(cx);
        }
    }

    /// No more bytes will tell: takes the candidate on whose port the flow stands, or none.
    fn settle<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        let Some(seen) = &self.probing else { return self.give_up_unknown(cx, &[]) };
        let on_port = |p: &Proto| p.info().is_some_and(|i| i.ports.contains(&cx.env.dst_port) || i.ports.contains(&cx.env.src_port));
        let pick = Proto::ALL
            .iter()
            .enumerate()
            .filter(|(i, _)| seen.candidates & !seen.unlikely & 1 << i != 0)
            .map(|(_, p)| *p)
            .find(|p| on_port(p));
        match pick {
            Some(proto) if !seen.pieces.is_empty() => self.replay(cx, proto),
            _ => self.give_up_unknown(cx, &[]),
        }
    }

    /// The protocol is told: gives it what was held.
    fn replay<O: Out>(&mut self, cx: &mut Cx<'_, O>, proto: Proto) {
        cx.shared.counters.told += 1;
        self.begin(proto);
        cx.env.app_proto = proto.name();
        let Some(seen) = self.probing.take() else { return };
        let mut at = [0; 2];
        for (dir, len) in seen.pieces {
            let start = at[dir.index()];
            at[dir.index()] += len;
            let piece = &seen.bytes[dir.index()][start..start + len];
            match self.state {
                State::Parsing => self.feed(cx, dir, piece),
                State::Probing => self.probe_stream(cx, dir, piece),
                State::Done | State::Unknown => return,
            }
        }
    }

    /// Gives the parser new bytes behind what it left unused.
    fn feed<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) {
        let i = dir.index();
        if self.rest[i].is_empty() {
            let used = self.run(cx, dir, bytes);
            self.keep(cx, dir, &bytes[used..]);
            return;
        }
        self.rest[i].extend_from_slice(bytes);
        if self.rest[i].len() < self.need[i] {
            return self.check_room(cx, dir);
        }
        let mut input = std::mem::take(&mut self.rest[i]);
        let used = self.run(cx, dir, &input);
        if used == input.len() && input.capacity() > BUFFER_KEPT {
            input = Vec::new();
        } else {
            input.drain(..used);
        }
        match self.state {
            State::Parsing => {
                self.rest[i] = input;
                self.check_room(cx, dir);
            }
            State::Probing if !input.is_empty() => self.probe_stream(cx, dir, &input),
            _ => {}
        }
    }

    fn keep<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, left: &[u8]) {
        if left.is_empty() {
            return;
        }
        match self.state {
            State::Parsing => {
                self.rest[dir.index()].extend_from_slice(left);
                self.check_room(cx, dir);
            }
            State::Probing => self.probe_stream(cx, dir, left),
            State::Done | State::Unknown => {}
        }
    }

    fn check_room<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction) {
        let max = self.proto.info().map_or(0, |i| i.buffer_max);
        if self.rest[dir.index()].len() > max {
            cx.shared.counters.buffer_full += 1;
            self.obey(cx, Next::GiveUp("buffer_full"));
        }
    }

    /// Runs the parser over `input` until it wants more; gives how many bytes were used.
    fn run<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, input: &[u8]) -> usize {
        let mut at = 0;
        while at < input.len() && self.state == State::Parsing {
            let left = input.len() - at;
            let step = self.parser.parse(cx, dir, &input[at..]);
            let used = step.used.min(left);
            at += used;
            match step.next {
                Next::Go => {
                    self.need[dir.index()] = 0;
                    if used == 0 {
                        break;
                    }
                }
                Next::Need(n) => {
                    self.need[dir.index()] = n;
                    if used == 0 || input.len() - at < n {
                        break;
                    }
                }
                next => self.obey(cx, next),
            }
        }
        if self.state == State::Parsing || self.state == State::Probing { at } else { input.len() }
    }

    fn obey<O: Out>(&mut self, cx: &mut Cx<'_, O>, next: Next) {
        match next {
            Next::Go | Next::Need(_) => {}
            Next::Done => {
                self.transactions += self.parser.transactions();
                self.parser.finish(cx);
                self.stop();
            }
            Next::GiveUp(why) => {
                cx.shared.counters.given_up += 1;
                let app_proto = Some(self.proto.name()).filter(|n| !n.is_empty());
                cx.push(NO_TX, &Anomaly { app_proto, kind: "applayer", event: why, layer: Some("proto_parser") });
                self.transactions += self.parser.transactions();
                self.parser.finish(cx);
                self.stop();
            }
            Next::Become(proto) => {
                self.transactions += self.parser.transactions();
                self.parser.finish(cx);
                self.give_way();
                self.begin(proto);
                cx.env.app_proto = proto.name();
                self.need = [0; 2];
            }
            Next::Anything => {
                self.transactions += self.parser.transactions();
                self.parser.finish(cx);
                self.parser = Parser::None;
                self.give_way();
                self.proto = Proto::Unknown;
                cx.env.app_proto = "";
                self.need = [0; 2];
                self.rest = [Vec::new(), Vec::new()];
                self.state = State::Probing;
            }
        }
    }

    fn give_way(&mut self) {
        if self.before == Proto::Unknown {
            self.before = self.proto;
        }
    }

    fn stop(&mut self) {
        self.parser = Parser::None;
        self.rest = [Vec::new(), Vec::new()];
        self.state = State::Done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, ToClient, ToServer};

    /// After how many bytes of `bulk` from the server, given again and again, a flow that began as `said` is bypassed; none in 1 MiB.
    fn bypassed(transport: Transport, port: u16, said: &[(Direction, Vec<u8>)], bulk: &[u8]) -> Option<usize> {
        let mut b = Bench::new(transport, port);
        let mut verdict = Verdict::Go;
        let mut give = |b: &mut Bench, dir, bytes: &[u8]| {
            b.with(|d, cx| verdict = if transport == Transport::Tcp { d.data(cx, dir, bytes) } else { d.datagram(cx, dir, bytes) });
            verdict
        };
        for (dir, bytes) in said {
            if give(&mut b, *dir, bytes) == Verdict::Bypass {
                return Some(0);
            }
        }
        (1..=(1 << 20) / bulk.len()).find(|_| give(&mut b, ToClient, bulk) == Verdict::Bypass).map(|n| n * bulk.len())
    }

    fn noise(begin: &[u8]) -> Vec<u8> {
        let mut x = 1u64;
        let mut bytes = begin.to_vec();
        bytes.resize_with(1448, || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (x >> 40) as u8
        });
        bytes
    }

    #[test]
    fn bulk_that_tells_nothing_is_bypassed() {
        let (tcp, udp) = (Transport::Tcp, Transport::Udp);
        // Unknown protocols, and those that are not dissected: SMB, NFS, QUIC, RTP, WireGuard.
        let smb = vec![(ToServer, b"\0\0\0\x24\xfeSMB\x40\0".to_vec()), (ToClient, b"\0\0\0\x24\xfeSMB\x40\0".to_vec())];
        assert_eq!(bypassed(tcp, 445, &smb, &noise(b"")), Some(0));
        for (port, begin) in [(9999, &b"\x01\x02hello"[..]), (2049, b"\x80\0\x10\0\0\0\0\x01"), (25, b"\x01\x02"), (53, b"\0\0")] {
            assert!(bypassed(tcp, port, &[], &noise(begin)).is_some_and(|n| n <= 1448), "TCP {port}");
        }
        for (port, begin) in
            [(9999, &b"\xee"[..]), (443, b"\xc3\0\0\0\x01\x08"), (40_126, b"\x80\x60"), (51_820, b"\x04\0\0\0"), (123, b"\x04\0")]
        {
            assert!(bypassed(udp, port, &[], &noise(begin)).is_some_and(|n| n <= usize::from(PROBE_DATAGRAMS) * 1448), "UDP {port}");
        }
        // TLS once its shape is told, SSH once its log-in is, what an upgrade leads to, a directory's listing.
        let mut records = Vec::new();
        for _ in 0..3 {
            records.extend_from_slice(b"\x17\x03\x03\x01\xde");
            records.extend_from_slice(&noise(b"")[..478]);
        }
        assert!(bypassed(tcp, 443, &[], &records).is_some_and(|n| n <= 200 << 10));
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/admin_morning.pcap");
        let session = crate::replay::conversation(path, 37_658);
        assert!(bypassed(tcp, 22, &session, &noise(b"")).is_some_and(|n| n <= 65 << 10));
        let upgrade = [
            (ToServer, b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec()),
            (ToClient, b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec()),
        ];
        assert!(bypassed(tcp, 80, &upgrade, &noise(b"\x82\x7e")).is_some_and(|n| n <= 1448));
        // What is hashed or may go on is not.
        let download = [(ToServer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()), (ToClient, b"HTTP/1.1 200 x\r\n\r\n".to_vec())];
        assert_eq!(bypassed(tcp, 80, &download, &noise(b"")), None);
    }

    #[test]
    fn something_else_on_a_protocols_port_is_no_event_a_datagram() {
        for (port, first) in
            [(123, [&b"\x1b"[..], &[0; 47]].concat()), (5353, [&[0, 0, 0, 0, 0, 1][..], &[0; 6], b"\x01a\x05local\0\0\x01\0\x01"].concat())]
        {
            let mut b = Bench::new(Transport::Udp, port);
            b.datagram(ToServer, &first);
            let told = b.lines.0.len();
            for _ in 0..1000 {
                b.datagram(ToClient, &noise(b"\0\0\xff\xff\xff\xff"));
            }
            assert_eq!(b.lines.0.len(), told + 17, "port {port}: {:?}", b.lines.0.last());
            // It is still read.
            b.datagram(ToServer, &first);
            assert_eq!(b.lines.0.len(), 2 * told + 17, "port {port}");
        }
    }
}
