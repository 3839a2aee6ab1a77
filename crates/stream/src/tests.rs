//! Examples of each rule, and plain models beside the clever thing.

use crate::{Anomaly, Closed, Memory, Out, Overlap, Segment, Settings, Stream, TcpState, flags::*, fuzz};
use proptest::prelude::*;
use vigie_base::Direction::{self, ToClient, ToServer};

/// What came out, byte by byte: `None` for a byte that is lost.
#[derive(Default)]
struct Record {
    bytes: [Vec<Option<u8>>; 2],
    ended: [bool; 2],
    reset: Option<Direction>,
    events: Vec<Anomaly>,
}

impl Out for Record {
    fn data(&mut self, dir: Direction, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        self.bytes[dir.index()].extend(bytes.iter().copied().map(Some));
    }
    fn gap(&mut self, dir: Direction, len: u64) {
        assert!(len > 0 && len < 1 << 24);
        let list = &mut self.bytes[dir.index()];
        list.resize(list.len() + len as usize, None);
    }
    fn end(&mut self, dir: Direction) {
        self.ended[dir.index()] = true;
    }
    fn reset(&mut self, dir: Direction) {
        self.reset = Some(dir);
    }
    fn event(&mut self, anomaly: Anomaly) {
        self.events.push(anomaly);
    }
}

/// A session at hand, with the settings it runs under.
struct Bench {
    stream: Stream,
    settings: Settings,
    mem: Memory,
    out: Record,
}

/// Initial sequence numbers of client and server: both wrap within the first bytes.
const C: u32 = u32::MAX - 5;
const S: u32 = u32::MAX - 2;

impl Bench {
    fn new(settings: Settings) -> Self {
        Bench { stream: Stream::default(), settings, mem: Memory::new(1 << 20), out: Record::default() }
    }

    fn open(settings: Settings) -> Self {
        let mut b = Bench::new(settings);
        assert_eq!(b.raw(ToServer, C, 0, SYN, b""), TcpState::SynSent);
        assert_eq!(b.raw(ToClient, S, C.wrapping_add(1), SYN | ACK, b""), TcpState::SynRecv);
        assert_eq!(b.raw(ToServer, C.wrapping_add(1), S.wrapping_add(1), ACK, b""), TcpState::Established);
        b
    }

    fn raw(&mut self, dir: Direction, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> TcpState {
        let seg = Segment { dir, seq, ack, flags, window: 60_000, options: &[], payload };
        self.stream.segment(&seg, &self.settings, &mut self.mem, &mut self.out)
    }

    /// From the client, by offsets into both directions.
    fn client(&mut self, at: u32, acked: u32, flags: u8, payload: &[u8]) -> TcpState {
        self.raw(ToServer, C.wrapping_add(1).wrapping_add(at), S.wrapping_add(1).wrapping_add(acked), flags, payload)
    }

    fn server(&mut self, at: u32, acked: u32, flags: u8, payload: &[u8]) -> TcpState {
        self.raw(ToClient, S.wrapping_add(1).wrapping_add(at), C.wrapping_add(1).wrapping_add(acked), flags, payload)
    }

    fn finish(&mut self) {
        self.stream.finish(&self.settings, &mut self.mem, &mut self.out);
        assert_eq!(self.mem.held(), 0);
    }

    /// What came out of a direction, `_` for each lost byte.
    fn text(&self, dir: Direction) -> String {
        self.out.bytes[dir.index()].iter().map(|b| b.map_or('_', char::from)).collect()
    }

    fn saw(&self, anomaly: Anomaly) -> bool {
        self.out.events.contains(&anomaly)
    }
}

#[test]
fn a_stream_is_small() {
    assert!(size_of::<Stream>() <= 168, "{}", size_of::<Stream>());
}

#[test]
fn one_side_alone_keeps_nothing_beyond_its_bound() {
    let mut b = Bench::new(Settings::default());
    b.raw(ToClient, S, C.wrapping_add(1), SYN | ACK, b"");
    let data = [b'x'; 1000];
    for n in 0..1000 {
        b.server(n * 1000, 0, ACK, &data);
    }
    assert_eq!((b.out.events.len(), b.mem.held(), b.out.bytes[1].len()), (1, 0, 0));
    // The other side shows itself: what went by is a gap, and it goes on.
    b.client(0, 1_000_000, ACK, b"hello");
    b.server(1_000_000, 5, ACK, b"world");
    b.finish();
    assert!(b.text(ToServer) == "hello" && b.text(ToClient).ends_with("_world"), "{}", b.text(ToServer));
    // Another beginning is another session.
    let mut b = Bench::new(Settings::default());
    b.raw(ToServer, 77, 0, SYN, b"");
    for n in 0..1000 {
        b.raw(ToServer, 78 + n * 1000, 1, ACK, &data);
    }
    b.raw(ToServer, C, 0, SYN, b"");
    b.raw(ToClient, S, C.wrapping_add(1), SYN | ACK, b"");
    b.client(0, 0, ACK, b"hello");
    assert_eq!(b.text(ToServer), "hello");
}

#[test]
fn client_closes_first() {
    let mut b = Bench::open(Settings::default());
    b.client(0, 0, ACK | PSH, b"GET /");
    b.server(0, 5, ACK, b"200 OK");
    assert_eq!(b.client(5, 6, ACK | FIN, b"!"), TcpState::CloseWait);
    assert_eq!(b.server(6, 7, ACK, b"bye"), TcpState::CloseWait);
    assert_eq!(b.server(9, 7, ACK | FIN, b""), TcpState::LastAck);
    assert_eq!(b.client(7, 10, ACK, b""), TcpState::Closed);
    assert_eq!(b.stream.closed_by(), Some(Closed { by: ToServer, reset: false }));
    assert_eq!((b.text(ToServer).as_str(), b.text(ToClient).as_str()), ("GET /!", "200 OKbye"));
    assert_eq!(b.out.ended, [true; 2]);
    assert!(b.out.events.is_empty(), "{:?}", b.out.events);
}

#[test]
fn server_closes_first() {
    let mut b = Bench::open(Settings::default());
    assert_eq!(b.server(0, 0, ACK | FIN, b"hi"), TcpState::FinWait1);
    assert_eq!(b.client(0, 3, ACK, b""), TcpState::FinWait2);
    assert_eq!(b.client(0, 3, ACK | FIN, b""), TcpState::TimeWait);
    assert_eq!(b.server(3, 1, ACK, b""), TcpState::Closed);
    let mut b = Bench::open(Settings::default());
    b.server(0, 0, ACK | FIN, b"");
    assert_eq!(b.client(0, 0, ACK | FIN, b""), TcpState::Closing);
    assert_eq!(b.client(1, 1, ACK, b""), TcpState::TimeWait);
}

#[test]
fn a_session_without_handshake_is_followed_by_setting_alone() {
    for midstream in [false, true] {
        let mut b = Bench::new(Settings { midstream, ..Settings::default() });
        b.client(100, 50, ACK, b"abc");
        b.server(50, 103, ACK, b"def");
        let state = b.client(103, 53, ACK, b"ghi");
        if midstream {
            assert_eq!(state, TcpState::Established);
            assert_eq!((b.text(ToServer).as_str(), b.text(ToClient).as_str()), ("abcghi", "def"));
            assert!(b.stream.is_midstream());
        } else {
            assert_eq!(state, TcpState::None);
            assert!(b.out.bytes.iter().all(Vec::is_empty));
            b.client(106, 53, ACK | FIN, b"");
            b.server(53, 106, RST, b"");
            assert_eq!(b.out.events, [Anomaly::FinNoSession, Anomaly::RstNoSession]);
        }
        assert!(midstream || b.mem.counters.no_session == 3);
    }
}

#[test]
fn one_side_alone_is_delivered_by_setting() {
    for async_oneside in [false, true] {
        let mut b = Bench::new(Settings { async_oneside, ..Settings::default() });
        b.raw(ToServer, C, 0, SYN, b"");
        b.client(0, 0, ACK, b"");
        b.client(0, 0, ACK, b"abc");
        b.client(5, 9, ACK, b"fgh");
        b.client(8, 9, ACK | FIN, b"");
        b.finish();
        assert_eq!(b.text(ToServer), if async_oneside { "abc__fgh" } else { "" });
        assert!(b.out.bytes[1].is_empty());
    }
}

#[test]
fn a_lost_or_late_handshake_segment_hides_nothing() {
    // The SYN/ACK was not seen.
    let mut b = Bench::new(Settings::default());
    b.raw(ToServer, C, 0, SYN, b"");
    b.client(0, 0, ACK, b"");
    assert_eq!(b.client(0, 0, ACK, b"abc"), TcpState::SynSent);
    assert_eq!(b.server(0, 3, ACK, b"def"), TcpState::Established);
    assert_eq!((b.text(ToServer).as_str(), b.text(ToClient).as_str()), ("abc", "def"));
    // The SYN/ACK came before the SYN.
    let mut b = Bench::new(Settings::default());
    b.raw(ToClient, S, C.wrapping_add(1), SYN | ACK, b"");
    b.raw(ToServer, C, 0, SYN, b"");
    assert_eq!(b.client(0, 0, ACK, b"abc"), TcpState::Established);
    assert_eq!(b.text(ToServer), "abc");
}

#[test]
fn simultaneous_open() {
    let mut b = Bench::new(Settings::default());
    b.raw(ToServer, C, 0, SYN, b"");
    assert_eq!(b.raw(ToClient, S, 0, SYN, b""), TcpState::SynRecv);
    b.raw(ToServer, C, S.wrapping_add(1), SYN | ACK, b"");
    assert_eq!(b.raw(ToClient, S, C.wrapping_add(1), SYN | ACK, b""), TcpState::Established);
    b.client(0, 0, ACK, b"x");
    assert_eq!(b.text(ToServer), "x");
}

#[test]
fn fast_open_data_waits_for_its_acknowledgement() {
    let mut b = Bench::new(Settings::default());
    b.raw(ToServer, C, 0, SYN, b"hello");
    assert_eq!(b.text(ToServer), "");
    b.raw(ToClient, S, C.wrapping_add(6), SYN | ACK, b"");
    assert_eq!(b.text(ToServer), "hello");
    let mut b = Bench::new(Settings::default());
    b.raw(ToServer, C, 0, SYN, b"HELLO");
    b.raw(ToClient, S, C.wrapping_add(1), SYN | ACK, b"");
    b.client(0, 0, ACK, b"hello");
    assert_eq!(b.text(ToServer), "hello");
    assert!(b.saw(Anomaly::SynackTfoDataIgnored));
    b.finish();
}

#[test]
fn the_client_chooses_among_two_syn_acks() {
    let mut b = Bench::new(Settings::default());
    b.raw(ToServer, C, 0, SYN, b"");
    b.raw(ToClient, S, C.wrapping_add(9), SYN | ACK, b"");
    b.raw(ToClient, 77, C.wrapping_add(1), SYN | ACK, b"");
    b.raw(ToClient, S, C.wrapping_add(1), SYN | ACK, b"");
    b.client(0, 100_000, ACK, b"");
    assert_eq!(b.client(0, 0, ACK, b""), TcpState::Established);
    b.server(0, 0, ACK, b"real");
    assert_eq!(b.text(ToClient), "real");
    assert_eq!(b.out.events, [Anomaly::SynackWrongAck, Anomaly::SynackResendDiffSeq, Anomaly::WrongSeqWrongAck]);
}

#[test]
fn rst_must_fit_and_proves_forged_when_its_sender_goes_on() {
    let mut b = Bench::open(Settings::default());
    b.client(0, 0, ACK, b"ab");
    assert_eq!(b.client(1_000_000, 0, RST, b""), TcpState::Established);
    assert_eq!(b.client(2, 999_999, RST | ACK, b""), TcpState::Established);
    assert_eq!(b.mem.counters.invalid_rsts, 2);
    assert_eq!(b.client(2, 0, RST | ACK, b"ignored"), TcpState::Closed);
    assert_eq!(b.stream.closed_by(), Some(Closed { by: ToServer, reset: true }));
    assert_eq!(b.server(0, 2, ACK, b"late"), TcpState::Closed);
    assert_eq!(b.client(2, 0, ACK, b"cd"), TcpState::Established);
    assert_eq!((b.text(ToServer).as_str(), b.text(ToClient).as_str()), ("abcd", ""));
    assert!(b.saw(Anomaly::SuspectedRstInject) && b.saw(Anomaly::RstInvalidAck));
    assert_eq!(b.mem.counters.after_reset, 2);
}

#[test]
fn a_refused_syn_is_closed_and_its_port_may_be_used_again() {
    let mut b = Bench::new(Settings::default());
    b.raw(ToServer, C, 0, SYN, b"");
    assert_eq!(b.raw(ToClient, 0, C.wrapping_add(7), RST | ACK, b""), TcpState::SynSent);
    assert_eq!(b.raw(ToClient, 0, C.wrapping_add(1), RST | ACK, b""), TcpState::Closed);
    let again = |seq| Segment { dir: ToServer, seq, ack: 0, flags: SYN, window: 1, options: &[], payload: &[] };
    assert!(b.stream.is_reuse(&again(7)) && !b.stream.is_reuse(&again(C)));
    // The same server accepts: it had not refused. What the client says meanwhile to the forger changes nothing.
    b.raw(ToClient, 0, C.wrapping_add(1), FIN | ACK, b"");
    b.raw(ToServer, C.wrapping_add(1), 0, RST, b"");
    assert_eq!(b.raw(ToClient, S, C.wrapping_add(1), SYN | ACK, b""), TcpState::SynRecv);
    b.client(0, 0, ACK, b"GET /");
    assert_eq!(b.text(ToServer), "GET /");
    assert!(b.saw(Anomaly::SuspectedRstInject));
    // A caller that tries again with the same number is refused again.
    let mut b = Bench::new(Settings::default());
    for _ in 0..3 {
        assert_eq!(b.raw(ToServer, C, 0, SYN, b""), TcpState::SynSent);
        assert_eq!(b.raw(ToClient, 0, C.wrapping_add(1), RST | ACK, b""), TcpState::Closed);
    }
}

#[test]
fn ports_used_again_while_the_old_session_seemed_alive() {
    let mut b = Bench::open(Settings::default());
    b.client(0, 0, ACK, b"old");
    let syn = Segment { dir: ToServer, seq: 900, ack: 0, flags: SYN, window: 1000, options: &[], payload: &[] };
    let answer = Segment { dir: ToClient, seq: 70, ack: 901, flags: SYN | ACK, ..syn };
    assert!(!b.stream.is_reuse(&syn) && !b.stream.is_reuse(&answer));
    assert_eq!(b.raw(ToServer, 900, 0, SYN, b""), TcpState::Established);
    assert!(b.stream.is_reuse(&answer) && !b.stream.is_reuse(&Segment { ack: 902, ..answer }));
    // A new stream goes on from the SYN/ACK.
    let mut b = Bench::new(Settings::default());
    b.raw(ToClient, 70, 901, SYN | ACK, b"");
    assert_eq!(b.raw(ToServer, 901, 71, ACK, b"new"), TcpState::Established);
    assert_eq!(b.text(ToServer), "new");
}

#[test]
fn the_widest_window_refuses_no_retransmission() {
    let mut b = Bench::new(Settings { midstream: true, depth: 0, ..Settings::default() });
    b.client(0, 0, ACK, &[1; 1000]);
    for i in 0..100 {
        b.client(1000 * (i + 1), 0, ACK, &[1; 1000]);
        let seg = Segment { dir: ToClient, seq: S + 1, ack: 0, flags: ACK, window: 65_535, options: &[], payload: &[] };
        let ack = C.wrapping_add(1 + 1000 * (i + 2));
        b.stream.segment(&Segment { ack, ..seg }, &b.settings, &mut b.mem, &mut b.out);
    }
    b.client(0, 0, ACK, &[1; 1000]);
    assert_eq!((b.mem.counters.out_of_window, b.mem.counters.retransmissions), (0, 1));
}

#[test]
fn what_a_receiver_would_not_take_is_not_delivered() {
    let mut b = Bench::open(Settings::default());
    b.client(0, 0, 0, b"no ack flag");
    b.client(400_000, 0, ACK, b"beyond the window");
    b.client(0, 400_000, ACK, b"acknowledges what was not sent");
    b.raw(ToServer, 1, 0, SYN | FIN, b"");
    b.client(0, 0, ACK, b"good");
    assert_eq!(b.text(ToServer), "good");
    assert_eq!(b.out.events, [Anomaly::BrokenAck, Anomaly::OutOfWindow, Anomaly::InvalidAck, Anomaly::FinSyn]);
}

#[test]
fn keep_alive_and_retransmission() {
    let mut b = Bench::open(Settings::default());
    b.client(0, 0, ACK, b"abcdef");
    b.client(5, 0, ACK, b"\0");
    assert!(b.out.events.is_empty());
    b.client(0, 0, ACK, b"abcdef");
    b.client(3, 0, ACK, b"defgh");
    assert!(!b.saw(Anomaly::OverlapDifferentData));
    b.client(0, 0, ACK, b"abcdeX");
    assert_eq!(b.text(ToServer), "abcdefgh");
    assert!(b.saw(Anomaly::OverlapDifferentData));
    let c = b.mem.counters;
    assert_eq!((c.keep_alives, c.retransmissions, c.overlaps, c.different_overlaps), (1, 2, 1, 1));
    assert_eq!(b.stream.retransmissions(ToServer), 2);
}

#[test]
fn gaps_come_by_acknowledgement_bound_or_finish() {
    let mut b = Bench::open(Settings::default());
    b.client(2, 0, ACK, b"cd");
    b.server(0, 1, ACK, b"");
    assert_eq!(b.text(ToServer), "");
    b.server(0, 4, ACK, b"");
    assert_eq!(b.text(ToServer), "__cd");
    b.server(0, 6, ACK, b"");
    b.client(6, 0, ACK, b"gh");
    assert_eq!(b.text(ToServer), "__cd__gh");
    b.client(10, 0, ACK | FIN, b"kl");
    b.finish();
    assert_eq!(b.text(ToServer), "__cd__gh__kl");
    assert!(b.out.ended[0]);
    assert_eq!(b.stream.gap_bytes(ToServer), 6);

    let mut b = Bench::open(Settings { waiting_pieces_max: 2, ..Settings::default() });
    b.client(2, 0, ACK, b"c");
    b.client(4, 0, ACK, b"e");
    assert_eq!(b.text(ToServer), "");
    b.client(6, 0, ACK, b"g");
    assert_eq!(b.text(ToServer), "__c");
    assert_eq!(b.mem.counters.flow_limit_reached, 1);
    b.client(3, 0, ACK, b"d");
    assert_eq!(b.text(ToServer), "__cde");
}

#[test]
fn fin_before_its_data_and_forged_fin() {
    let mut b = Bench::open(Settings::default());
    assert_eq!(b.client(3, 0, ACK | FIN, b"def"), TcpState::CloseWait);
    b.client(6, 0, ACK, b"after");
    assert!(!b.out.ended[0]);
    b.client(0, 0, ACK, b"abc");
    assert!(b.out.ended[0]);
    assert_eq!(b.text(ToServer), "abcdef");
    assert_eq!(b.mem.counters.after_fin, 1);
    // The server took bytes beyond that FIN: it had none.
    assert_eq!(b.server(0, 11, ACK, b""), TcpState::Established);
    b.client(11, 0, ACK, b"!");
    assert_eq!(b.text(ToServer), "abcdef_____!");
}

#[test]
fn depth_and_tracking_stop_delivery_and_not_the_states() {
    let mut b = Bench::open(Settings { depth: 4, ..Settings::default() });
    b.client(0, 0, ACK, b"abcdef");
    b.client(8, 0, ACK, b"ijk");
    b.server(0, 11, ACK, b"x");
    assert_eq!(b.text(ToServer), "abcd");
    assert_eq!(b.stream.offset(ToServer), 11);
    assert!(b.saw(Anomaly::DepthReached));
    b.stream.only_track(None, &mut b.mem);
    b.server(1, 11, ACK | FIN, b"yz");
    b.client(11, 4, ACK | FIN, b"");
    assert_eq!(b.server(4, 12, ACK, b""), TcpState::Closed);
    assert_eq!(b.text(ToClient), "x");
    assert_eq!(b.out.ended, [true; 2]);
    assert_eq!(b.mem.held(), 0);
}

#[test]
fn both_sides_may_agree_beyond_the_window() {
    let mut b = Bench::open(Settings { depth: 0, ..Settings::default() });
    b.client(0, 0, ACK, b"ab");
    b.client(2_000_000, 0, ACK, b"cd");
    assert!(b.saw(Anomaly::OutOfWindow));
    b.server(0, 2_000_002, ACK, b"");
    b.client(2_000_002, 0, ACK, b"ef");
    assert!(b.text(ToServer).ends_with("_ef"));
    assert_eq!(b.stream.gap_bytes(ToServer), 2_000_000);
    assert_eq!(b.mem.counters.resyncs, 1);
}

#[test]
fn window_scale_is_read_from_both_syns() {
    let far = |options: &[u8]| {
        let mut b = Bench::new(Settings::default());
        let mut send = |dir, seq: u32, ack: u32, flags, options: &[u8], payload: &[u8]| {
            let seg = Segment { dir, seq, ack, flags, window: 60_000, options, payload };
            b.stream.segment(&seg, &b.settings, &mut b.mem, &mut b.out);
        };
        send(ToServer, C, 0, SYN, &[2, 4, 5, 180, 1, 3, 3, 7], b"");
        send(ToClient, S, C.wrapping_add(1), SYN | ACK, options, b"");
        send(ToServer, C.wrapping_add(1), S.wrapping_add(1), ACK, &[], b"");
        send(ToClient, S.wrapping_add(1), C.wrapping_add(1), ACK, &[], b"");
        send(ToServer, C.wrapping_add(4_000_000), S.wrapping_add(1), ACK, &[], b"far");
        b.saw(Anomaly::OutOfWindow)
    };
    assert!(!far(&[1, 3, 3, 9]));
    assert!(far(&[3, 2]) && far(&[2, 4, 5, 180]));
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = Anomaly::ALL.iter().map(|a| a.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Anomaly::ALL.len());
    assert!(Anomaly::ALL.iter().all(|a| !a.doc().is_empty()));
}

fn policies() -> impl Strategy<Value = Overlap> {
    prop_oneof![Just(Overlap::First), Just(Overlap::Last), Just(Overlap::Linux), Just(Overlap::Windows)]
}

/// One segment of a plan: where it begins, how long, when it comes (order), and whether the sensor sees it.
type Planned = (u32, u32, u32, bool);

fn plan(total: u32) -> impl Strategy<Value = Vec<Planned>> {
    prop::collection::vec((0..total, 1..200u32, any::<u32>(), prop::bool::weighted(0.85)), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any segmentation, order, repetition and loss, with truthful acknowledgements: every byte seen is delivered, each other byte is a gap.
    #[test]
    fn every_byte_is_delivered_or_declared_lost(
        total in 1..3000u32, plan in plan(3000), isn in prop_oneof![Just(0u32), Just(u32::MAX - 1000), any::<u32>()],
        policy in policies(), acks in prop::collection::vec(any::<bool>(), 80), seed in any::<u8>(),
    ) {
        let byte = |i: u32| (i as u8).wrapping_mul(31).wrapping_add((i >> 8) as u8) ^ seed;
        let source: Vec<u8> = (0..total).map(byte).collect();
        // The plan covers what it covers; the rest of the bytes is never seen.
        let mut parts: Vec<(u32, u32, u32)> =
            plan.iter().filter(|p| p.3 && p.0 < total).map(|p| (p.0, (p.0 + p.1).min(total), p.2)).collect();
        parts.sort_by_key(|p| p.2);
        let mut seen = vec![false; total as usize];
        for p in &parts {
            seen[p.0 as usize..p.1 as usize].fill(true);
        }
        let mut b = Bench::new(Settings { overlap: policy, depth: 0, ..Settings::default() });
        b.raw(ToServer, isn, 0, SYN, b"");
        b.raw(ToClient, S, isn.wrapping_add(1), SYN | ACK, b"");
        b.raw(ToServer, isn.wrapping_add(1), S.wrapping_add(1), ACK, b"");
        for (i, p) in parts.iter().enumerate() {
            b.raw(ToServer, isn.wrapping_add(1 + p.0), S.wrapping_add(1), ACK, &source[p.0 as usize..p.1 as usize]);
            if acks[i] {
                // Nothing that is yet to come for the first time lies before this.
                let come: Vec<_> = parts[..=i].iter().collect();
                let fresh = |p: &(u32, u32, u32)| (p.0..p.1).find(|at| !come.iter().any(|c| c.0 <= *at && *at < c.1));
                let safe = parts[i + 1..].iter().filter_map(fresh).min().unwrap_or(total);
                b.raw(ToClient, S.wrapping_add(1), isn.wrapping_add(1 + safe), ACK, b"");
            }
        }
        b.raw(ToServer, isn.wrapping_add(1 + total), S.wrapping_add(1), ACK | FIN, b"");
        b.finish();
        let expected: Vec<Option<u8>> = source.iter().zip(&seen).map(|(b, s)| s.then_some(*b)).collect();
        prop_assert_eq!(&b.out.bytes[0], &expected);
        prop_assert!(b.out.ended[0]);
        prop_assert_eq!(b.mem.counters.different_overlaps, 0);
        prop_assert_eq!(b.mem.counters.gap_bytes, seen.iter().filter(|s| !**s).count() as u64);
    }

    /// Overlaps that differ, against a map of bytes that knows each byte's first segment.
    #[test]
    fn overlaps_by_policy(
        segments in prop::collection::vec((0..60u32, 1..25u32, prop::bool::weighted(0.3)), 1..25), policy in policies(),
    ) {
        let mut b = Bench::open(Settings { overlap: policy, depth: 0, ..Settings::default() });
        let mut map: Vec<Option<(u32, u32, u8)>> = vec![None; 100];
        let (mut frozen, mut held_differences, mut all_differences) = (0usize, 0u64, 0u64);
        for (i, (at, len, ack)) in segments.iter().enumerate() {
            let end = at + len;
            b.client(*at, 0, ACK, &vec![i as u8; *len as usize]);
            let prefix = |map: &[Option<(u32, u32, u8)>]| map.iter().take_while(|m| m.is_some()).count();
            if policy == Overlap::First {
                frozen = prefix(&map);
            }
            let (mut held, mut any) = (false, false);
            for pos in *at..end {
                match &mut map[pos as usize] {
                    None => map[pos as usize] = Some((*at, end, i as u8)),
                    Some((from, to, value)) => {
                        any = true;
                        let free = pos as usize >= frozen;
                        held |= free;
                        let wins = match policy {
                            Overlap::First => false,
                            Overlap::Last => true,
                            Overlap::Windows => at < from,
                            Overlap::Linux => at < from || (at == from && end > *to),
                        };
                        if wins && free {
                            *value = i as u8;
                        }
                    }
                }
            }
            held_differences += u64::from(held);
            all_differences += u64::from(any);
            if *ack {
                frozen = frozen.max(prefix(&map));
                b.server(0, frozen as u32, ACK, b"");
            }
        }
        let told = b.mem.counters.different_overlaps;
        prop_assert!(held_differences <= told && told <= all_differences, "{} <= {} <= {}", held_differences, told, all_differences);
        b.finish();
        let last = map.iter().rposition(|m| m.is_some()).map_or(0, |p| p + 1);
        let expected: Vec<Option<u8>> = map[..last].iter().map(|m| m.map(|m| m.2)).collect();
        prop_assert_eq!(&b.out.bytes[0], &expected);
    }

    /// Bounds hold whatever comes, and what comes out is the source wherever it is not a gap.
    #[test]
    fn bounds_hold(plan in plan(3000), policy in policies(), pieces in 0..6u32, bytes in 0..900u32, cap in 0..900u64, depth in 0..2000u64) {
        let source: Vec<u8> = (0..3200u32).map(|i| (i % 251) as u8).collect();
        let settings = Settings { overlap: policy, depth, waiting_bytes_max: bytes, waiting_pieces_max: pieces, ..Settings::default() };
        let mut b = Bench::open(settings);
        b.mem = Memory::new(cap);
        for p in &plan {
            b.client(p.0, 0, ACK, &source[p.0 as usize..(p.0 + p.1) as usize]);
            prop_assert!(b.stream.waiting(ToServer) <= bytes && b.mem.held() <= cap);
            prop_assert_eq!(b.mem.held(), u64::from(b.stream.waiting(ToServer)));
            if p.3 {
                b.server(0, p.0 / 2, ACK, b"");
            }
        }
        b.finish();
        prop_assert!(b.mem.held_max() <= cap);
        prop_assert!(depth == 0 || b.out.bytes[0].len() as u64 <= depth);
        for (i, byte) in b.out.bytes[0].iter().enumerate() {
            prop_assert!(byte.is_none_or(|v| v == source[i]), "byte {}", i);
        }
        if depth == 0 {
            prop_assert_eq!(b.out.bytes[0].len() as u64, b.stream.offset(ToServer));
        }
    }

    #[test]
    fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..600)) {
        fuzz(&data);
    }

    /// As above, with flags and lengths that get further into a session.
    #[test]
    fn likely_bytes(choice in any::<u8>(), segs in prop::collection::vec((any::<[u8; 3]>(), 0..6usize, any::<u8>(), 0..40u8), 0..60)) {
        let mut data = vec![choice, 0, 0, 0, SYN, 255, 255, 0, 0, 1, 0, 1, SYN | ACK, 255, 255, 0, 0, 0, 1, 1, ACK, 255, 255, 0, 0];
        for (near, flags, window, len) in segs {
            let flags = [ACK, ACK | PSH, ACK, ACK | FIN, RST | ACK, SYN][flags];
            data.extend([near[0] & 1, near[1], near[2], flags, window, 0, len, 0]);
            data.extend(std::iter::repeat_n(near[0], usize::from(len)));
        }
        fuzz(&data);
    }
}

/// What a frame of a capture says that streams need: flow key in the order of its first segment's sender, and the segment.
fn tcp_of<'a>(link: u32, mut frame: &'a [u8]) -> Option<([u8; 12], Segment<'a>)> {
    let word = |b: &[u8], at: usize| Some(u16::from_be_bytes([*b.get(at)?, *b.get(at + 1)?]));
    let long = |b: &[u8], at: usize| Some(u32::from(word(b, at)?) << 16 | u32::from(word(b, at + 2)?));
    match link {
        1 => {
            let mut at = 12;
            while word(frame, at)? == 0x8100 {
                at += 4;
            }
            frame = (word(frame, at)? == 0x0800).then(|| frame.get(at + 2..))??;
        }
        0 => frame = frame.get(4..)?,
        101 => {}
        _ => return None,
    }
    if frame.first()? >> 4 != 4 || *frame.get(9)? != 6 || word(frame, 6)? & 0x3fff != 0 {
        return None;
    }
    let header = usize::from(frame[0] & 15) * 4;
    let tcp = frame.get(..usize::from(word(frame, 2)?))?.get(header..)?;
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    let mut key = [0; 12];
    key[..8].copy_from_slice(frame.get(12..20)?);
    key[8..].copy_from_slice(tcp.get(..4)?);
    let (seq, ack, flags, window) = (long(tcp, 4)?, long(tcp, 8)?, tcp[13], word(tcp, 14)?);
    Some((key, Segment { dir: ToServer, seq, ack, flags, window, options: tcp.get(20..header)?, payload: tcp.get(header..)? }))
}

/// The frames of a classic little-endian capture; nothing for other files.
fn frames(file: &[u8]) -> (u32, Vec<&[u8]>) {
    let long = |at: usize| file.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let mut list = Vec::new();
    if !matches!(long(0), Some(0xa1b2_c3d4 | 0xa1b2_3c4d)) {
        return (u32::MAX, list);
    }
    let mut at = 24;
    while let Some(frame) = long(at + 8).and_then(|len| file.get(at + 16..at + 16 + len as usize)) {
        list.push(frame);
        at += 16 + frame.len();
    }
    (long(20).unwrap_or(0), list)
}

/// Pieces by their offsets, for streams with gaps of gigabytes.
#[derive(Default)]
struct Pieces {
    list: [Vec<(u64, Vec<u8>)>; 2],
    at: [u64; 2],
}

impl Out for Pieces {
    fn data(&mut self, dir: Direction, bytes: &[u8]) {
        self.list[dir.index()].push((self.at[dir.index()], bytes.to_vec()));
        self.at[dir.index()] += bytes.len() as u64;
    }
    fn gap(&mut self, dir: Direction, len: u64) {
        self.at[dir.index()] += len;
    }
    fn end(&mut self, _: Direction) {}
    fn reset(&mut self, _: Direction) {}
    fn event(&mut self, _: Anomaly) {}
}

/// On real captures: each byte delivered stands in a segment at its place, and nothing is told twice.
#[test]
fn captures_against_every_byte_seen() {
    use std::collections::{BTreeMap, BTreeSet};
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/captures");
    let Ok(folders) = std::fs::read_dir(&root) else {
        println!("skipped: no captures at {}", root.display());
        return;
    };
    let settings = Settings { depth: 0, midstream: true, async_oneside: true, ..Settings::default() };
    let mut mem = Memory::new(64 << 20);
    let (mut sessions, mut delivered, mut payloads) = (0, 0, 0);
    let files = folders.flatten().filter_map(|d| std::fs::read_dir(d.path()).ok()).flatten().flatten();
    for file in files.map(|f| f.path()).collect::<BTreeSet<_>>() {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let (link, frames) = frames(&bytes);
        let mut flows: BTreeMap<[u8; 12], (Stream, Pieces, Vec<Segment<'_>>)> = BTreeMap::new();
        for (key, mut seg) in frames.into_iter().filter_map(|f| tcp_of(link, f)) {
            let mut back = key;
            back[..8].rotate_left(4);
            back[8..].rotate_left(2);
            let key = if flows.contains_key(&back) { back } else { key };
            seg.dir = if key == back { ToClient } else { ToServer };
            let (stream, out, list) = flows.entry(key).or_default();
            // One connection per pair of ports is enough here.
            if stream.is_reuse(&seg) {
                continue;
            }
            list.push(seg);
            stream.segment(&seg, &settings, &mut mem, out);
        }
        for (mut stream, mut out, list) in flows.into_values() {
            stream.finish(&settings, &mut mem, &mut out);
            sessions += 1;
            for dir in [ToServer, ToClient] {
                assert_eq!(out.at[dir.index()], stream.offset(dir), "{}", file.display());
                let start = stream.next_seq(dir).wrapping_sub(stream.offset(dir) as u32);
                let mut seen: BTreeMap<u32, Vec<&[u8]>> = BTreeMap::new();
                for seg in list.iter().filter(|s| s.dir == dir) {
                    seen.entry(seg.seq.wrapping_add(u32::from(seg.flags & SYN != 0))).or_default().push(seg.payload);
                    payloads += seg.payload.len();
                }
                for (at, piece) in &out.list[dir.index()] {
                    let seq = start.wrapping_add(*at as u32);
                    let stands = seen.iter().any(|(from, list)| {
                        let skip = seq.wrapping_sub(*from) as usize;
                        list.iter().any(|p| p.get(skip..).is_some_and(|p| p.starts_with(piece)))
                    });
                    assert!(stands, "{}: {dir:?} {at}", file.display());
                    delivered += piece.len();
                }
            }
        }
    }
    println!("{sessions} sessions, {payloads} bytes in segments, {delivered} delivered");
    for (name, n) in mem.counters.iter().filter(|c| c.1 > 0) {
        println!("{name} {n}");
    }
    assert_eq!(mem.held(), 0);
    assert!(delivered * 100 > payloads * 95, "{delivered} of {payloads}");
}

#[test]
fn what_the_other_side_got_and_the_sensor_did_not_is_counted_also_where_data_is_only_followed() {
    for followed in [true, false] {
        let mut b = Bench::open(Settings::default());
        if !followed {
            b.stream.only_track(None, &mut b.mem);
        }
        b.server(0, 0, ACK, b"one");
        // "two" does not come; the client has it.
        b.server(6, 0, ACK, b"six");
        b.client(0, 9, ACK, b"");
        for at in [9, 12, 15] {
            b.server(at, 0, ACK, b"abc");
        }
        let c = b.mem.counters;
        assert_eq!((c.unseen, c.unseen_bytes, c.reordered, c.acked_early), (1, 3, 0, 0), "{followed}");
        // Nor does the last, which is acknowledged as well.
        b.client(0, 30, ACK, b"");
        b.finish();
        b.finish();
        let c = b.mem.counters;
        assert_eq!((c.unseen, c.unseen_bytes, c.acked_bytes, c.data_segments), (2, 15, 30, 5), "{followed}");
    }
}

#[test]
fn what_the_network_lost_and_sent_again_was_seen() {
    let mut b = Bench::open(Settings::default());
    b.server(0, 0, ACK, b"one");
    for at in [6, 9, 12, 15] {
        b.server(at, 0, ACK, b"xyz");
        b.client(0, 3, ACK, b"");
    }
    b.server(3, 0, ACK, b"two");
    b.client(0, 18, ACK, b"");
    b.server(18, 0, ACK, b"end");
    b.client(0, 21, ACK, b"");
    b.finish();
    let c = b.mem.counters;
    assert_eq!((c.unseen, c.reordered, c.acked_early, c.out_of_order), (0, 0, 0, 4));
}

#[test]
fn what_is_overtaken_is_disorder_and_no_loss() {
    let mut b = Bench::open(Settings::default());
    b.server(3, 0, ACK, b"two");
    b.server(0, 0, ACK, b"one");
    // An acknowledgement before what it acknowledges.
    b.client(0, 9, ACK, b"");
    b.server(6, 0, ACK, b"six");
    // A segment behind the next one, and behind the acknowledgement of both.
    b.server(12, 0, ACK, b"ten");
    b.client(0, 15, ACK, b"");
    b.server(9, 0, ACK, b"nin");
    b.finish();
    let c = b.mem.counters;
    assert_eq!((c.reordered, c.acked_early, c.unseen), (2, 2, 0));
}
