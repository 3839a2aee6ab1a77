//! Both directions: handshake, states, what is accepted, and who closed.

use crate::half::{Context, Half, WINDOW_SLACK_MIN, ahead, bit};
use crate::{Anomaly, Memory, Out, Settings, flags};
use vigie_base::Direction;

const SYN_ACK: u8 = flags::SYN | flags::ACK;
/// Window scale taken where the SYNs were not seen: the widest (RFC 7323 section 2.3), so that nothing true is refused.
const SCALE_UNKNOWN: u8 = 14;
/// How near an acknowledgement must come to the end of a segment beyond the window for both to be believed, in bytes.
const RESYNC_REACH: u32 = 1 << 16;

/// A TCP segment as decode found it.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Which way it travels.
    pub dir: Direction,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// See [`flags`].
    pub flags: u8,
    /// Window as sent, unscaled.
    pub window: u16,
    /// Option bytes; only those of SYNs are read (window scale). May be empty.
    pub options: &'a [u8],
    /// Data.
    pub payload: &'a [u8],
}

/// State of the session, by Suricata's names: seen from the server where the sides differ (`close_wait`: the client closed first).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum TcpState {
    /// Not followed: no handshake was seen.
    #[default]
    None,
    SynSent,
    SynRecv,
    Established,
    FinWait1,
    FinWait2,
    TimeWait,
    LastAck,
    CloseWait,
    Closing,
    Closed,
}

impl TcpState {
    /// The `tcp.state` of EVE.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SynSent => "syn_sent",
            Self::SynRecv => "syn_recv",
            Self::Established => "established",
            Self::FinWait1 => "fin_wait1",
            Self::FinWait2 => "fin_wait2",
            Self::TimeWait => "time_wait",
            Self::LastAck => "last_ack",
            Self::CloseWait => "close_wait",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }

    /// Whether both sides are done (all FINs acknowledged, or RST): a short time-out is enough.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Closed | Self::TimeWait)
    }
}

/// What closed a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The side that sent the first FIN, or the RST.
    pub by: Direction,
    /// Whether by RST.
    pub reset: bool,
}

/// Bits of [`Stream::flags`].
mod session {
    /// Handshake done, or picked up.
    pub(super) const ESTABLISHED: u8 = 1;
    /// A valid RST was seen.
    pub(super) const RESET: u8 = 1 << 1;
    /// The side that closed first, where one did: to the client.
    pub(super) const CLOSED_BY_SERVER: u8 = 1 << 2;
    pub(super) const CLOSED_BY_CLIENT: u8 = 1 << 3;
    /// The opener's SYN carried data (RFC 7413).
    pub(super) const FAST_OPEN: u8 = 1 << 4;
    /// Picked up without a handshake.
    pub(super) const MIDSTREAM: u8 = 1 << 5;
}

/// One TCP session. Call [`Stream::finish`] before it is dropped, so that what waits is delivered and given back to [`Memory`].
#[derive(Debug, Default)]
pub struct Stream {
    halves: [Half; 2],
    flags: u8,
}

impl Stream {
    /// Whether this segment opens a new connection on the ports of an old one: the caller finishes the old stream and gives the segment
    /// to a new one. A SYN after the end does, and the SYN/ACK to a SYN that came while the old session seemed alive (its end was not seen).
    pub fn is_reuse(&self, seg: &Segment<'_>) -> bool {
        let (me, peer) = (&self.halves[seg.dir.index()], &self.halves[seg.dir.flip().index()]);
        match seg.flags & (flags::SYN | flags::ACK | flags::RST | flags::FIN) {
            // The same SYN once more (doubled, or tried again after a refusal) is no new connection.
            flags::SYN if me.has(bit::SYN) && me.offset == 0 && me.next == seg.seq.wrapping_add(1) => false,
            flags::SYN => matches!(self.state(), TcpState::Closed | TcpState::TimeWait | TcpState::LastAck),
            SYN_ACK => {
                let answers = peer.has(bit::STRAY) && peer.stray == seg.ack;
                answers && self.state() == TcpState::Established && me.next != seg.seq.wrapping_add(1)
            }
            _ => false,
        }
    }

    /// Where the session stands.
    pub fn state(&self) -> TcpState {
        if self.is(session::RESET) {
            return TcpState::Closed;
        }
        let [client, server] = &self.halves;
        match (client.has(bit::FIN), server.has(bit::FIN)) {
            (false, false) if self.is(session::ESTABLISHED) => TcpState::Established,
            (false, false) => match (client.has(bit::SYN), server.has(bit::SYN)) {
                (true, true) => TcpState::SynRecv,
                (false, false) => TcpState::None,
                _ => TcpState::SynSent,
            },
            (true, false) => TcpState::CloseWait,
            (false, true) if server.has(bit::FIN_ACKED) => TcpState::FinWait2,
            (false, true) => TcpState::FinWait1,
            (true, true) => match (client.has(bit::FIN_ACKED), server.has(bit::FIN_ACKED), self.is(session::CLOSED_BY_CLIENT)) {
                (true, true, _) => TcpState::Closed,
                (_, false, true) => TcpState::LastAck,
                (false, true, _) => TcpState::TimeWait,
                (_, false, false) => TcpState::Closing,
            },
        }
    }

    /// Who closed it and how; nothing while it is open.
    pub fn closed_by(&self) -> Option<Closed> {
        let reset = self.is(session::RESET);
        if self.is(session::CLOSED_BY_CLIENT) {
            Some(Closed { by: Direction::ToServer, reset })
        } else if self.is(session::CLOSED_BY_SERVER) {
            Some(Closed { by: Direction::ToClient, reset })
        } else {
            None
        }
    }

    /// Whether it was picked up without a handshake.
    pub fn is_midstream(&self) -> bool {
        self.is(session::MIDSTREAM)
    }

    /// Bytes delivered or declared lost in a direction (after the depth, or when only tracked: the progress of its numbers).
    pub fn offset(&self, dir: Direction) -> u64 {
        self.halves[dir.index()].offset
    }

    /// The sequence number at [`Stream::offset`]; 0 where the direction has not begun.
    pub fn next_seq(&self, dir: Direction) -> u32 {
        self.halves[dir.index()].next
    }

    /// What the waiting bytes of a direction cost, in bytes.
    pub fn waiting(&self, dir: Direction) -> u32 {
        self.halves[dir.index()].waiting()
    }

    /// Bytes declared lost in a direction; saturates at 4 GiB.
    pub fn gap_bytes(&self, dir: Direction) -> u32 {
        self.halves[dir.index()].gap_bytes
    }

    /// Retransmitted segments of a direction; saturates at 65,535.
    pub fn retransmissions(&self, dir: Direction) -> u16 {
        self.halves[dir.index()].retransmissions
    }

    /// Delivers and holds nothing more of one direction (`Some`) or of both: numbers, flags and states alone go on.
    pub fn only_track(&mut self, dir: Option<Direction>, mem: &mut Memory) {
        for (i, half) in self.halves.iter_mut().enumerate() {
            if dir.is_none_or(|d| d.index() == i) {
                half.stop(mem);
            }
        }
    }

    /// Takes one segment; says where the session then stands.
    pub fn segment(&mut self, seg: &Segment<'_>, settings: &Settings, mem: &mut Memory, out: &mut impl Out) -> TcpState {
        let cx = &mut Context { dir: seg.dir, settings, mem, out };
        match seg.flags & (flags::SYN | flags::FIN | flags::RST) {
            f if f & flags::RST != 0 => self.reset(seg, cx),
            0 | flags::FIN => self.plain(seg, cx),
            flags::SYN if seg.flags & flags::ACK != 0 => self.syn_ack(seg, cx),
            flags::SYN => self.syn(seg, cx),
            _ => {
                cx.out.event(Anomaly::FinSyn);
                cx.mem.counters.invalid_flags += 1;
            }
        }
        self.state()
    }

    /// The flow timed out or is evicted: delivers what waits, with its gaps, and gives all memory back.
    pub fn finish(&mut self, settings: &Settings, mem: &mut Memory, out: &mut impl Out) {
        for dir in [Direction::ToServer, Direction::ToClient] {
            self.halves[dir.index()].finish(&mut Context { dir, settings, mem, out });
        }
    }

    #[inline]
    fn is(&self, bits: u8) -> bool {
        self.flags & bits != 0
    }

    /// The segment's direction, and the other.
    #[inline]
    fn sides(&mut self, dir: Direction) -> (&mut Half, &mut Half) {
        let [client, server] = &mut self.halves;
        match dir {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        }
    }

    fn syn(&mut self, seg: &Segment<'_>, cx: &mut Context<'_, impl Out>) {
        let isn = seg.seq.wrapping_add(1);
        if !self.is(session::ESTABLISHED) {
            // A refused caller may try again with the same number.
            self.unreset();
        }
        let established = self.is(session::ESTABLISHED);
        let (me, peer) = self.sides(seg.dir);
        if established {
            let same = me.has(bit::SYN) && me.next.wrapping_sub(me.offset as u32) == isn;
            cx.out.event(if same { Anomaly::EstSynResend } else { Anomaly::EstSynResendDiffSeq });
            if !same {
                me.stray = isn;
                me.set(bit::STRAY);
            }
            return;
        }
        if me.has(bit::SYN) && me.next != isn && peer.has(bit::SYN) {
            cx.out.event(Anomaly::SynResendDiffSeq);
            return;
        }
        if !me.has(bit::BEGUN) || me.next != isn {
            me.begin(isn, cx.mem);
        }
        me.set(bit::SYN | bit::SEEN);
        read_scale(me, seg.options);
        if !seg.payload.is_empty() {
            raise(&mut me.max, isn.wrapping_add(seg.payload.len() as u32));
            me.take(isn, seg.payload, cx);
            self.flags |= session::FAST_OPEN;
        }
        self.open(seg.dir, false, cx);
    }

    fn syn_ack(&mut self, seg: &Segment<'_>, cx: &mut Context<'_, impl Out>) {
        let isn = seg.seq.wrapping_add(1);
        let (established, fast_open) = (self.is(session::ESTABLISHED), self.is(session::FAST_OPEN));
        let refused = self.is(session::RESET) && !established;
        let (me, peer) = self.sides(seg.dir);
        if established && me.has(bit::SEEN) {
            // The first numbers are those that the handshake confirmed; a direction not yet seen learns nothing new here.
            let same = me.next.wrapping_sub(me.offset as u32) == isn;
            cx.out.event(if same { Anomaly::EstSynackResend } else { Anomaly::EstSynackResendDiffSeq });
            return;
        }
        if peer.has(bit::BEGUN) && (ahead(seg.ack, peer.next) < 0 || ahead(seg.ack, peer.max) > 0) {
            cx.out.event(Anomaly::SynackWrongAck);
            cx.mem.counters.invalid_acks += 1;
            return;
        }
        if refused {
            // Whose RST refused the SYN accepts it: the RST was not its own.
            cx.out.event(Anomaly::SuspectedRstInject);
            cx.mem.counters.reopened += 1;
            self.unreset();
        }
        let (me, peer) = self.sides(seg.dir);
        if me.has(bit::SYN) && me.next != isn {
            let another = me.has(bit::ALT) && me.fin != isn;
            cx.out.event(if another { Anomaly::SynackFlood } else { Anomaly::SynackResendDiffSeq });
            me.fin = isn;
            me.set(bit::ALT);
            return;
        }
        if !me.has(bit::BEGUN) || me.next != isn {
            me.begin(isn, cx.mem);
        }
        me.set(bit::SYN | bit::SEEN);
        read_scale(me, seg.options);
        if !peer.has(bit::BEGUN) {
            peer.begin(seg.ack, cx.mem);
        }
        if fast_open && seg.ack == peer.next && peer.max != peer.next {
            cx.out.event(Anomaly::SynackTfoDataIgnored);
            peer.release(cx.mem);
            peer.max = seg.ack;
        }
        peer.acknowledge(seg.ack, u32::from(seg.window));
        if !seg.payload.is_empty() {
            raise(&mut me.max, isn.wrapping_add(seg.payload.len() as u32));
            me.take(isn, seg.payload, cx);
        }
        self.open(seg.dir, false, cx);
    }

    /// A segment without SYN and RST.
    fn plain(&mut self, seg: &Segment<'_>, cx: &mut Context<'_, impl Out>) {
        let fin = seg.flags & flags::FIN != 0;
        let end = seg.seq.wrapping_add(seg.payload.len() as u32);
        let end_max = end.wrapping_add(u32::from(fin));
        if self.is(session::RESET) && !self.reopens(seg, end, cx) {
            return;
        }
        let established = self.is(session::ESTABLISHED);
        let seen_before = self.halves[seg.dir.index()].has(bit::SEEN);
        if seg.flags & flags::ACK == 0 {
            if seg.ack != 0 {
                cx.out.event(Anomaly::BrokenAck);
            }
            if fin && !self.halves.iter().any(|h| h.has(bit::BEGUN)) {
                cx.out.event(Anomaly::FinNoSession);
            }
            cx.mem.counters.invalid_flags += 1;
            return;
        }
        if !self.halves[seg.dir.index()].has(bit::SEEN) && !self.meet_first(seg, cx) {
            if fin {
                cx.out.event(Anomaly::FinNoSession);
            }
            cx.mem.counters.no_session += u64::from(!seg.payload.is_empty());
            return;
        }
        let (me, peer) = self.sides(seg.dir);
        if !me.in_window(seg.seq, end_max) {
            cx.out.event(if fin { Anomaly::FinOutOfWindow } else { Anomaly::OutOfWindow });
            cx.mem.counters.out_of_window += 1;
            me.stray = end_max;
            me.set(bit::STRAY);
            return;
        }
        if !Self::take_ack(me, peer, seg, established, cx) {
            return;
        }
        if seen_before && !seg.payload.is_empty() {
            me.watch(seg.seq, seg.payload.len() as u32, &mut cx.mem.counters);
        }
        raise(&mut me.max, end);
        let first_fin = fin && !me.has(bit::FIN);
        self.open(seg.dir, true, cx);
        let (me, _) = self.sides(seg.dir);
        if !seg.payload.is_empty() {
            me.take(seg.seq, seg.payload, cx);
        }
        raise(&mut me.max, end_max);
        if first_fin {
            me.flags &= !bit::ALT;
            me.set(bit::FIN);
            me.fin = end;
            me.settle(cx);
            if !self.is(session::CLOSED_BY_CLIENT | session::CLOSED_BY_SERVER) {
                self.close_by(seg.dir);
            }
        }
    }

    /// The first segment of a direction, without SYN: whether the session is followed on its account.
    fn meet_first(&mut self, seg: &Segment<'_>, cx: &mut Context<'_, impl Out>) -> bool {
        let established = self.is(session::ESTABLISHED);
        let (me, peer) = self.sides(seg.dir);
        if me.has(bit::BEGUN) {
            // What the other side has acknowledged is known to lie before; an earlier start is this segment's own.
            if ahead(seg.seq, me.next) < 0 && established {
                let at = seg.seq;
                me.begin(at, cx.mem);
            }
            me.set(bit::SEEN);
            return true;
        }
        let answers_syn = peer.has(bit::SYN) && !peer.has(bit::OPEN) && ahead(seg.ack, peer.next) >= 0 && ahead(seg.ack, peer.max) <= 0;
        if answers_syn {
            // The SYN/ACK was lost or is late.
            me.begin(seg.seq, cx.mem);
            me.set(bit::SEEN);
            return true;
        }
        if !cx.settings.midstream || peer.has(bit::SYN) {
            return false;
        }
        me.begin(seg.seq, cx.mem);
        me.set(bit::SEEN | bit::OPEN);
        if !peer.has(bit::BEGUN) {
            peer.begin(seg.ack, cx.mem);
            peer.set(bit::OPEN);
        }
        self.flags |= session::MIDSTREAM | session::ESTABLISHED;
        true
    }

    /// The acknowledgement of an in-window segment from `me`; false where it is not believed, and with it the segment.
    #[inline]
    fn take_ack(me: &mut Half, peer: &mut Half, seg: &Segment<'_>, established: bool, cx: &mut Context<'_, impl Out>) -> bool {
        let window = u32::from(seg.window) << scale(me, peer);
        let other = &mut Context { dir: cx.dir.flip(), settings: cx.settings, mem: &mut *cx.mem, out: &mut *cx.out };
        if !peer.has(bit::SEEN) {
            // Nothing of that direction was seen: it stands where this side says.
            if !peer.has(bit::ACKED) || ahead(seg.ack, peer.next) > 0 {
                peer.begin(seg.ack, other.mem);
            }
            peer.acknowledge(seg.ack, window);
            return true;
        }
        if !peer.has(bit::OPEN) {
            if peer.has(bit::ALT) && seg.ack == peer.fin {
                // The second SYN/ACK was the one that the client took.
                peer.begin(seg.ack, other.mem);
            } else if ahead(seg.ack, peer.next) < 0 || ahead(seg.ack, peer.max) > WINDOW_SLACK_MIN as i32 {
                other.out.event(Anomaly::WrongSeqWrongAck);
                other.mem.counters.invalid_acks += 1;
                return false;
            }
        } else if ahead(seg.ack, peer.max) > 0 && ahead(seg.ack, peer.limit()) > 0 {
            let near = ahead(seg.ack, peer.stray).unsigned_abs() <= RESYNC_REACH;
            if peer.has(bit::STRAY) && near && established && ahead(seg.ack, peer.next) > 0 {
                peer.resync(seg.ack, other);
            } else {
                other.out.event(Anomaly::InvalidAck);
                other.mem.counters.invalid_acks += 1;
                return false;
            }
        }
        if peer.has(bit::FIN) {
            let past = ahead(seg.ack, peer.fin);
            if past == 1 {
                peer.set(bit::FIN_ACKED);
            } else if past > 1 {
                // The receiver took bytes after that FIN: it was none.
                peer.flags &= !(bit::FIN | bit::FIN_ACKED | bit::ENDED);
                other.mem.counters.reopened += 1;
            }
        }
        other.mem.counters.acked_bytes += u64::from(peer.acknowledge(seg.ack, window));
        if peer.waits() {
            peer.settle(other);
        }
        true
    }

    /// Confirms directions: each is delivered once it was seen and the other side acknowledged its SYN. `data`: the segment is past the
    /// handshake, so that a one-sided session may begin.
    #[inline]
    fn open(&mut self, dir: Direction, data: bool, cx: &mut Context<'_, impl Out>) {
        const WANTED: u16 = bit::BEGUN | bit::SEEN | bit::ACKED;
        if self.halves[0].has(bit::OPEN) && self.halves[1].has(bit::OPEN) {
            return;
        }
        for d in [Direction::ToServer, Direction::ToClient] {
            let unanswered = !self.halves[dir.flip().index()].has(bit::SEEN);
            let alone = d == dir && data && unanswered && (cx.settings.async_oneside || cx.settings.midstream);
            let half = &mut self.halves[d.index()];
            if !half.has(bit::OPEN) && (half.has(WANTED) || (alone && half.has(bit::BEGUN))) {
                half.set(bit::OPEN);
                half.flags &= !bit::ALT;
                half.settle(&mut Context { dir: d, settings: cx.settings, mem: &mut *cx.mem, out: &mut *cx.out });
                if alone {
                    self.flags |= session::ESTABLISHED;
                }
            }
        }
        if self.halves.iter().all(|h| h.has(bit::OPEN)) {
            self.flags |= session::ESTABLISHED;
        }
    }

    fn reset(&mut self, seg: &Segment<'_>, cx: &mut Context<'_, impl Out>) {
        cx.mem.counters.after_reset += u64::from(!seg.payload.is_empty());
        if self.is(session::RESET) {
            return;
        }
        let acks = seg.flags & flags::ACK != 0;
        let (me, peer) = self.sides(seg.dir);
        if !me.has(bit::BEGUN) && !peer.has(bit::BEGUN) {
            cx.out.event(Anomaly::RstNoSession);
            return;
        }
        if acks && seg.ack != 0 && peer.has(bit::SEEN) && ahead(seg.ack, peer.max) > 0 && ahead(seg.ack, peer.limit()) > 0 {
            cx.out.event(Anomaly::RstInvalidAck);
            cx.mem.counters.invalid_rsts += 1;
            return;
        }
        let valid = if me.has(bit::BEGUN) {
            // In the window (RFC 9293 section 3.10.7.4), where frames not seen may have moved it on.
            let low = if me.has(bit::ACKED) && ahead(me.acked, me.next) < 0 { me.acked } else { me.next };
            let high = if ahead(me.max, me.limit()) > 0 { me.max } else { me.limit() };
            ahead(seg.seq, low) >= -1 && ahead(seg.seq, high) <= 0
        } else {
            // Refusal of a SYN (section 3.10.7.3): it must acknowledge it.
            acks && ahead(seg.ack, peer.next) >= 0 && ahead(seg.ack, peer.max) <= 0
        };
        if !valid {
            cx.mem.counters.invalid_rsts += 1;
            return;
        }
        me.stray = seg.seq;
        me.set(bit::STRAY);
        for d in [Direction::ToServer, Direction::ToClient] {
            self.halves[d.index()].finish(&mut Context { dir: d, settings: cx.settings, mem: &mut *cx.mem, out: &mut *cx.out });
        }
        self.flags &= !(session::CLOSED_BY_CLIENT | session::CLOSED_BY_SERVER);
        self.flags |= session::RESET;
        self.close_by(seg.dir);
        cx.out.reset(seg.dir);
    }

    /// After a valid RST: data of the side that sent it, beyond it and in the window, shows that the RST was not its own.
    fn reopens(&mut self, seg: &Segment<'_>, end: u32, cx: &mut Context<'_, impl Out>) -> bool {
        let by_sender = self.closed_by().is_some_and(|c| c.by == seg.dir);
        let established = self.is(session::ESTABLISHED);
        let (me, _) = self.sides(seg.dir);
        let goes_on = by_sender
            && established
            && !seg.payload.is_empty()
            && seg.flags & flags::ACK != 0
            && ahead(end, me.stray) > 0
            && ahead(end, me.max) > 0
            && me.in_window(seg.seq, end);
        if !goes_on {
            cx.mem.counters.after_reset += u64::from(!seg.payload.is_empty());
            return false;
        }
        self.unreset();
        cx.mem.counters.reopened += 1;
        cx.out.event(Anomaly::SuspectedRstInject);
        true
    }

    /// Forgets an RST.
    fn unreset(&mut self) {
        if self.is(session::RESET) {
            self.flags &= !(session::RESET | session::CLOSED_BY_CLIENT | session::CLOSED_BY_SERVER);
            for half in &mut self.halves {
                half.flags &= !bit::STRAY;
            }
        }
    }

    fn close_by(&mut self, dir: Direction) {
        self.flags |= match dir {
            Direction::ToServer => session::CLOSED_BY_CLIENT,
            Direction::ToClient => session::CLOSED_BY_SERVER,
        };
    }
}

/// Raises `max` to `seq` where that is ahead.
#[inline]
fn raise(max: &mut u32, seq: u32) {
    if ahead(seq, *max) > 0 {
        *max = seq;
    }
}

/// How many bits the windows that `me` sends are shifted by (RFC 7323 section 2.2: only where both offered).
#[inline]
fn scale(me: &Half, peer: &Half) -> u8 {
    if !(me.has(bit::SYN) && peer.has(bit::SYN)) {
        SCALE_UNKNOWN
    } else if me.has(bit::SCALE) && peer.has(bit::SCALE) {
        me.scale
    } else {
        0
    }
}

/// Reads the window scale of a SYN's options (RFC 9293 section 3.1, RFC 7323 section 2.2); stops at the first malformed one.
fn read_scale(half: &mut Half, mut options: &[u8]) {
    half.flags &= !bit::SCALE;
    loop {
        options = match options {
            [1, rest @ ..] => rest,
            [3, 3, shift, ..] => {
                half.scale = (*shift).min(SCALE_UNKNOWN);
                half.set(bit::SCALE);
                return;
            }
            [0, ..] | [] | [_] => return,
            [_, len, ..] => match options.get(usize::from(*len)..) {
                Some(rest) if *len >= 2 => rest,
                _ => return,
            },
        };
    }
}
