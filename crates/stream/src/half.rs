//! One direction of a stream: where it stands, what waits, and what goes out.

use crate::memory::Counters;
use crate::{Anomaly, Memory, Out, Overlap, Settings};
use vigie_base::Direction;

/// No TCP window is wider (RFC 7323 section 2.3), so nothing further from the next byte is looked at.
const REACH: i32 = 1 << 30;
/// Frames that carry the other side's acknowledgements may be late or lost: the window is taken as wide again, within these bounds, in bytes.
pub(crate) const WINDOW_SLACK_MIN: u32 = 65_535;
const WINDOW_SLACK_MAX: u32 = 1 << 26;
/// How many delivered segments are remembered by their heads, to tell a retransmission that differs.
const MARKS: usize = 2;
/// How many bytes of a delivered segment are remembered, as a checksum.
const HEAD: usize = 32;

/// `a - b` on the circle of sequence numbers (RFC 9293 section 3.4); right while they lie within 2^31.
#[inline]
pub(crate) fn ahead(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

/// Bits of [`Half::flags`].
pub(crate) mod bit {
    /// `next` is known.
    pub(crate) const BEGUN: u16 = 1;
    /// A SYN gave it.
    pub(crate) const SYN: u16 = 1 << 1;
    /// A segment of this direction was seen (`next` may come from the other side's acknowledgements alone).
    pub(crate) const SEEN: u16 = 1 << 2;
    /// `acked` is known.
    pub(crate) const ACKED: u16 = 1 << 3;
    /// `edge` is known.
    pub(crate) const EDGE: u16 = 1 << 4;
    /// The handshake of this direction is confirmed: it may be delivered.
    pub(crate) const OPEN: u16 = 1 << 5;
    /// `fin` is where the FIN stands.
    pub(crate) const FIN: u16 = 1 << 6;
    /// The FIN was acknowledged.
    pub(crate) const FIN_ACKED: u16 = 1 << 7;
    /// The end was told.
    pub(crate) const ENDED: u16 = 1 << 8;
    /// Nothing more is delivered; numbers alone are followed.
    pub(crate) const DONE: u16 = 1 << 9;
    /// `fin` holds the first byte after a second SYN/ACK's number (before OPEN only).
    pub(crate) const ALT: u16 = 1 << 10;
    /// `stray` holds the end of a segment that was out of the window, or the number of a valid RST.
    pub(crate) const STRAY: u16 = 1 << 11;
    /// The SYN offered a window scale.
    pub(crate) const SCALE: u16 = 1 << 12;
    /// More came than may wait before the handshake was known (a mirror of one side alone): nothing waits until it is.
    pub(crate) const FULL: u16 = 1 << 13;
}

/// A run of bytes that waits. Bytes before [`Half::next`] are spent.
#[derive(Debug)]
struct Piece {
    at: u32,
    /// The segment that brought it: its first byte, and one past its last.
    from: u32,
    to: u32,
    data: Vec<u8>,
}

/// Waiting pieces, in order, not overlapping.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    pieces: Vec<Piece>,
    /// Their cost: bytes and [`Memory::PIECE_BYTES`] each.
    cost: u32,
}

impl Hold {
    fn front(&self) -> Option<u32> {
        self.pieces.first().map(|p| p.at)
    }

    /// The first piece that ends after `seq`.
    fn first_after(&self, seq: u32) -> usize {
        self.pieces.partition_point(|p| ahead(p.at.wrapping_add(p.data.len() as u32), seq) <= 0)
    }

    /// Compares a segment with what waits and lets its bytes replace those that it wins over. Says whether any byte is covered twice, and
    /// whether any differs.
    fn meet(&mut self, seq: u32, bytes: &[u8], from: u32, policy: Overlap) -> (bool, bool) {
        let (mut covered, mut differs) = (false, false);
        let end = seq.wrapping_add(bytes.len() as u32);
        let first = self.first_after(seq);
        for p in self.pieces.iter_mut().skip(first).take_while(|p| ahead(p.at, end) < 0) {
            let (skip, ours) = match ahead(p.at, seq) {
                d if d >= 0 => (0, d as usize),
                d => (d.unsigned_abs() as usize, 0),
            };
            let n = (p.data.len() - skip).min(bytes.len() - ours);
            let (old, new) = (&mut p.data[skip..skip + n], &bytes[ours..ours + n]);
            covered = true;
            if old == new {
                continue;
            }
            differs = true;
            let starts_before = ahead(from, p.from) < 0;
            let wins = match policy {
                Overlap::First => false,
                Overlap::Last => true,
                Overlap::Windows => starts_before,
                Overlap::Linux => starts_before || (from == p.from && ahead(end, p.to) > 0),
            };
            if wins {
                old.copy_from_slice(new);
            }
        }
        (covered, differs)
    }

    /// The parts of a segment that no piece covers: `(index to insert at, start, end)` within it, by walking from piece to piece.
    fn holes(&self, seq: u32, len: usize) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let (mut i, mut at) = (self.first_after(seq), 0usize);
        std::iter::from_fn(move || {
            while at < len {
                let index = i;
                let (start, stop, resume) = match self.pieces.get(i) {
                    None => (at, len, len),
                    Some(p) => {
                        let begins = ahead(p.at, seq).max(0) as usize;
                        (at, begins.min(len), (ahead(p.at, seq) as i64 + p.data.len() as i64).max(0) as usize)
                    }
                };
                i += 1;
                at = resume.max(at);
                if stop > start {
                    return Some((index, start, stop));
                }
            }
            None
        })
    }

    /// Bytes and pieces that keeping a segment would add.
    fn need(&self, seq: u32, len: usize) -> (u32, u32) {
        self.holes(seq, len).fold((0, 0), |(b, n), (_, start, stop)| (b + (stop - start) as u32, n + 1))
    }

    fn keep(&mut self, seq: u32, bytes: &[u8], from: u32) {
        let to = seq.wrapping_add(bytes.len() as u32);
        let holes: Vec<_> = self.holes(seq, bytes.len()).collect();
        for (added, (index, start, stop)) in holes.into_iter().enumerate() {
            let data = bytes[start..stop].to_vec();
            self.pieces.insert(index + added, Piece { at: seq.wrapping_add(start as u32), from, to, data });
        }
    }

    /// Forgets the first `n` pieces.
    fn spend(&mut self, n: usize, mem: &mut Memory) {
        let mut cost = 0;
        for p in self.pieces.drain(..n) {
            cost += p.data.len() as u32 + Memory::PIECE_BYTES;
        }
        self.cost -= cost;
        mem.give_back(u64::from(cost));
    }
}

/// After so many segments with data behind a hole it is no longer mere disorder: a sender waits for three acknowledgements before it sends
/// anything again (RFC 5681 section 3.2), so that what fills a hole sooner was overtaken.
const OVERTAKEN_MAX: u8 = 2;

/// Bytes that segments stepped over, and that may still come.
#[derive(Clone, Copy, Debug, Default)]
struct Hole {
    start: u32,
    end: u32,
    /// Bytes of it that did not come; 0 for no hole.
    left: u32,
    /// Segments with data since.
    since: u8,
}

impl Hole {
    fn has(&self, seq: u32) -> bool {
        self.left > 0 && ahead(seq, self.start) >= 0 && ahead(self.end, seq) > 0
    }
}

/// What a call needs beside the direction's own state.
pub(crate) struct Context<'a, O: Out> {
    pub(crate) dir: Direction,
    pub(crate) settings: &'a Settings,
    pub(crate) mem: &'a mut Memory,
    pub(crate) out: &'a mut O,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Half {
    /// Bytes delivered or declared lost.
    pub(crate) offset: u64,
    hold: Option<Box<Hold>>,
    /// The sequence number at `offset`.
    pub(crate) next: u32,
    /// One past the highest number seen, SYN and FIN included.
    pub(crate) max: u32,
    /// The highest acknowledgement of this direction by the other side.
    pub(crate) acked: u32,
    /// The highest right edge of the other side's window.
    edge: u32,
    pub(crate) fin: u32,
    pub(crate) stray: u32,
    mark_seq: [u32; MARKS],
    mark_sum: [u32; MARKS],
    /// The hole that waits to be acknowledged, and those behind it as one; none where there is none, which is the rule.
    holes: Option<Box<[Hole; 2]>>,
    /// Bytes declared lost; saturates.
    pub(crate) gap_bytes: u32,
    pub(crate) flags: u16,
    /// Retransmitted segments; saturates.
    pub(crate) retransmissions: u16,
    mark_len: [u8; MARKS],
    /// Window scale that this direction's SYN offered.
    pub(crate) scale: u8,
}

impl Half {
    #[inline]
    pub(crate) fn has(&self, bits: u16) -> bool {
        self.flags & bits == bits
    }

    #[inline]
    pub(crate) fn set(&mut self, bits: u16) {
        self.flags |= bits;
    }

    /// Starts (again) at `seq`; nothing was delivered yet.
    pub(crate) fn begin(&mut self, seq: u32, mem: &mut Memory) {
        self.release(mem);
        self.holes = None;
        (self.next, self.max, self.acked) = (seq, seq, seq);
        self.flags = (self.flags & !(bit::FIN | bit::ACKED | bit::EDGE | bit::ALT | bit::STRAY | bit::FULL)) | bit::BEGUN;
    }

    /// Whether anything stands ready for [`Half::settle`] to look at.
    #[inline]
    pub(crate) fn waits(&self) -> bool {
        self.hold.is_some() || self.flags & (bit::FIN | bit::ENDED) == bit::FIN
    }

    /// The cost of what waits, in bytes.
    pub(crate) fn waiting(&self) -> u32 {
        self.hold.as_ref().map_or(0, |h| h.cost)
    }

    /// Forgets what waits.
    pub(crate) fn release(&mut self, mem: &mut Memory) {
        if let Some(hold) = self.hold.take() {
            mem.give_back(u64::from(hold.cost));
        }
    }

    /// Delivers nothing more.
    pub(crate) fn stop(&mut self, mem: &mut Memory) {
        self.release(mem);
        self.set(bit::DONE);
        if ahead(self.max, self.next) > 0 && self.has(bit::BEGUN) {
            self.follow(self.max);
        }
    }

    /// How far beyond the acknowledged a segment of this direction may end.
    #[inline]
    pub(crate) fn limit(&self) -> u32 {
        if self.has(bit::EDGE) {
            self.edge.wrapping_add(self.edge.wrapping_sub(self.acked).clamp(WINDOW_SLACK_MIN, WINDOW_SLACK_MAX))
        } else {
            self.next.wrapping_add(REACH as u32)
        }
    }

    /// Whether a segment from `seq` to `end` lies where the receiver may take it. What lies before is in: it is judged by its bytes.
    #[inline]
    pub(crate) fn in_window(&self, seq: u32, end: u32) -> bool {
        let (start, stop) = (ahead(seq, self.next), ahead(end, self.next));
        start > -REACH && stop > -REACH && stop <= REACH && stop <= ahead(self.limit(), self.next)
    }

    /// The other side acknowledged `ack` (already found valid) and opens a window of `window` bytes. Gives how many bytes that are new.
    #[inline]
    pub(crate) fn acknowledge(&mut self, ack: u32, window: u32) -> u32 {
        let mut new = 0;
        if !self.has(bit::ACKED) {
            self.acked = ack;
        } else if ahead(ack, self.acked) > 0 {
            new = ack.wrapping_sub(self.acked);
            self.acked = ack;
        }
        let edge = ack.wrapping_add(window);
        if !self.has(bit::EDGE) || ahead(edge, self.edge) > 0 {
            self.edge = edge;
        }
        self.set(bit::ACKED | bit::EDGE);
        new
    }

    /// Looks whether data comes in the order in which it was sent, whole and before its acknowledgement; `max` does not count it yet. Also
    /// of directions that are only followed: what the sensor did not get is told by no other counter.
    #[inline]
    pub(crate) fn watch(&mut self, seq: u32, len: u32, counters: &mut Counters) {
        counters.data_segments += 1;
        let step = ahead(seq, self.max);
        if step == 0 && self.holes.is_none() {
            counters.acked_early += u64::from(self.acked_up_to(seq.wrapping_add(len)));
            return;
        }
        self.watch_slowly(seq, len, step, counters);
    }

    fn watch_slowly(&mut self, seq: u32, len: u32, step: i32, counters: &mut Counters) {
        let early = self.acked_up_to(seq.wrapping_add(len));
        if step >= 0 {
            counters.acked_early += u64::from(early);
        } else if self.holes.is_none() {
            return;
        }
        let mut holes = self.holes.take().unwrap_or_default();
        for hole in holes.iter_mut() {
            hole.since = hole.since.saturating_add(1);
        }
        if step > 0 {
            let hole = &mut holes[usize::from(holes[0].left > 0)];
            if hole.left == 0 {
                *hole = Hole { start: self.max, ..Hole::default() };
            }
            (hole.end, hole.left, hole.since) = (seq, hole.left.saturating_add(step as u32), 0);
        } else if let Some(hole) = holes.iter_mut().find(|h| h.has(seq)) {
            hole.left -= len.min(hole.left).min(hole.end.wrapping_sub(seq));
            counters.reordered += u64::from(hole.since <= OVERTAKEN_MAX);
            counters.acked_early += u64::from(early);
        }
        self.judge_holes(&mut holes, false, counters);
        self.holes = holes.iter().any(|h| h.left > 0).then_some(holes);
    }

    /// Counts holes that the other side acknowledged and that are not just late. `all`: nothing more will come.
    fn judge_holes(&self, holes: &mut [Hole; 2], all: bool, counters: &mut Counters) {
        for _ in 0..holes.len() {
            let first = holes[0];
            if first.left > 0 {
                if !self.acked_up_to(first.end) || !(all || first.since > OVERTAKEN_MAX) {
                    return;
                }
                counters.unseen += 1;
                counters.unseen_bytes += u64::from(first.left);
            }
            *holes = [holes[1], Hole::default()];
        }
    }

    /// Nothing more will come: what the other side acknowledged and was not seen is counted.
    fn judge_end(&mut self, counters: &mut Counters) {
        if let Some(mut holes) = self.holes.take() {
            self.judge_holes(&mut holes, true, counters);
        }
        let tail = ahead(self.acked, self.max);
        // A single number may be a FIN that was not seen.
        if self.has(bit::ACKED | bit::SEEN) && tail > 1 {
            counters.unseen += 1;
            counters.unseen_bytes += tail as u64;
            self.max = self.acked;
        }
    }

    fn acked_up_to(&self, seq: u32) -> bool {
        self.has(bit::ACKED) && ahead(self.acked, seq) >= 0
    }

    /// Numbers alone move on to `seq`.
    fn follow(&mut self, seq: u32) {
        let seq = if self.has(bit::FIN) && ahead(seq, self.fin) > 0 { self.fin } else { seq };
        let step = ahead(seq, self.next);
        if step > 0 {
            self.next = seq;
            self.offset += step as u64;
        }
    }

    /// The next bytes go out, up to the depth.
    #[inline]
    fn deliver(&mut self, bytes: &[u8], cx: &mut Context<'_, impl Out>) {
        self.mark(bytes);
        let len = self.room(bytes.len() as u64, cx.settings);
        if len > 0 {
            cx.out.data(cx.dir, &bytes[..len as usize]);
        }
        self.advance(bytes.len() as u64, cx);
    }

    /// The next `len` bytes will not come.
    fn lost(&mut self, len: u32, cx: &mut Context<'_, impl Out>) {
        let told = self.room(u64::from(len), cx.settings);
        if told > 0 {
            cx.out.gap(cx.dir, told);
            cx.out.event(Anomaly::SeqGap);
            cx.mem.counters.gaps += 1;
            cx.mem.counters.gap_bytes += told;
            self.gap_bytes = self.gap_bytes.saturating_add(told as u32);
        }
        self.advance(u64::from(len), cx);
    }

    /// How many of the next `len` bytes lie before the depth.
    #[inline]
    fn room(&self, len: u64, settings: &Settings) -> u64 {
        if settings.depth == 0 { len } else { len.min(settings.depth.saturating_sub(self.offset)) }
    }

    #[inline]
    fn advance(&mut self, len: u64, cx: &mut Context<'_, impl Out>) {
        self.next = self.next.wrapping_add(len as u32);
        self.offset += len;
        if cx.settings.depth != 0 && self.offset >= cx.settings.depth && !self.has(bit::DONE) {
            cx.mem.counters.depth_reached += 1;
            cx.out.event(Anomaly::DepthReached);
            self.stop(cx.mem);
        }
    }

    /// Remembers the head of what is about to be delivered at `next`.
    #[inline]
    fn mark(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(HEAD);
        self.mark_seq = [self.next, self.mark_seq[0]];
        self.mark_sum = [head_sum(bytes), self.mark_sum[0]];
        self.mark_len = [len as u8, self.mark_len[0]];
    }

    /// Whether a segment that starts where a remembered one did has another head.
    fn differs_from_marks(&self, seq: u32, bytes: &[u8]) -> bool {
        (0..MARKS).any(|i| {
            let len = usize::from(self.mark_len[i]);
            len > 0 && self.mark_seq[i] == seq && bytes.len() >= len && head_sum(&bytes[..len]) != self.mark_sum[i]
        })
    }

    /// The bytes of an accepted segment.
    #[inline]
    pub(crate) fn take(&mut self, seq: u32, bytes: &[u8], cx: &mut Context<'_, impl Out>) {
        let plain = self.flags & (bit::OPEN | bit::DONE | bit::FIN) == bit::OPEN;
        if seq == self.next && plain && self.hold.is_none() && cx.settings.overlap == Overlap::First {
            return self.deliver(bytes, cx);
        }
        self.take_slowly(seq, bytes, cx);
    }

    fn take_slowly(&mut self, mut seq: u32, mut bytes: &[u8], cx: &mut Context<'_, impl Out>) {
        if self.has(bit::FIN) && ahead(seq.wrapping_add(bytes.len() as u32), self.fin) > 0 {
            cx.mem.counters.after_fin += 1;
            let keep = ahead(self.fin, seq).max(0) as usize;
            bytes = bytes.get(..keep).unwrap_or(bytes);
        }
        if bytes.is_empty() {
            return;
        }
        if self.flags & (bit::FULL | bit::OPEN) == bit::FULL {
            cx.mem.counters.dropped_at_limit += 1;
            return;
        }
        let from = seq;
        let mut differs = false;
        let behind = ahead(self.next, seq);
        if behind > 0 && !self.has(bit::DONE) {
            if behind == 1 && bytes.len() == 1 {
                cx.mem.counters.keep_alives += 1;
                return;
            }
            differs = self.differs_from_marks(seq, bytes);
            if behind as usize >= bytes.len() {
                self.retransmissions = self.retransmissions.saturating_add(1);
                cx.mem.counters.retransmissions += 1;
                cx.out.event(Anomaly::Retransmission);
                if differs {
                    tell_difference(cx);
                }
                return;
            }
            cx.mem.counters.overlaps += 1;
        }
        if self.has(bit::DONE) {
            return self.follow(seq.wrapping_add(bytes.len() as u32));
        }
        if !self.trim(&mut seq, &mut bytes) {
            return;
        }
        if let Some(hold) = &mut self.hold {
            let (covered, held_differs) = hold.meet(seq, bytes, from, cx.settings.overlap);
            cx.mem.counters.overlaps += u64::from(covered && behind <= 0);
            differs |= held_differs;
        }
        if differs {
            tell_difference(cx);
        }
        if ahead(seq, self.next) > 0 && self.has(bit::OPEN) {
            cx.mem.counters.out_of_order += 1;
        }
        let at_once = cx.settings.overlap == Overlap::First;
        let mut told = false;
        // Each turn delivers some of `bytes`, or a piece that waits before them, or ends.
        while !bytes.is_empty() {
            let front = self.hold.as_ref().and_then(|h| h.front());
            let first = front.is_none_or(|f| ahead(seq, f) < 0);
            if self.has(bit::OPEN) && first {
                let hole = ahead(seq, self.next);
                if hole > 0 && self.acked_up_to(seq) {
                    self.lost(hole as u32, cx);
                    if self.has(bit::DONE) {
                        return self.follow(seq.wrapping_add(bytes.len() as u32));
                    }
                    continue;
                }
                if hole == 0 && at_once {
                    self.deliver_first(&mut seq, &mut bytes, front, cx);
                    continue;
                }
            }
            if self.keep_if_fits(seq, bytes, from, &mut told, cx) {
                return self.settle(cx);
            }
            if !self.has(bit::OPEN) {
                cx.mem.counters.dropped_at_limit += 1;
                self.release(cx.mem);
                self.set(bit::FULL);
                return;
            }
            if first {
                let hole = ahead(seq, self.next);
                if hole > 0 {
                    self.lost(hole as u32, cx);
                }
                if !self.has(bit::DONE) {
                    self.deliver_first(&mut seq, &mut bytes, front, cx);
                }
            } else {
                self.force_front(cx);
                self.settle(cx);
                self.trim(&mut seq, &mut bytes);
            }
            if self.has(bit::DONE) {
                return self.follow(seq.wrapping_add(bytes.len() as u32));
            }
        }
    }

    /// Delivers of `bytes`, which stand at `next`, what comes before the first piece that waits, and what then follows.
    fn deliver_first(&mut self, seq: &mut u32, bytes: &mut &[u8], front: Option<u32>, cx: &mut Context<'_, impl Out>) {
        let len = front.map_or(bytes.len(), |f| bytes.len().min(ahead(f, *seq).max(0) as usize));
        self.deliver(&bytes[..len], cx);
        self.settle(cx);
        self.trim(seq, bytes);
    }

    /// Cuts off what lies before `next`; whether anything is left.
    fn trim(&self, seq: &mut u32, bytes: &mut &[u8]) -> bool {
        let behind = ahead(self.next, *seq).max(0) as usize;
        *bytes = bytes.get(behind..).unwrap_or(&[]);
        *seq = seq.wrapping_add(behind as u32);
        !bytes.is_empty()
    }

    /// Copies what no piece covers; false where a bound is reached.
    fn keep_if_fits(&mut self, seq: u32, bytes: &[u8], from: u32, told: &mut bool, cx: &mut Context<'_, impl Out>) -> bool {
        let mut hold = self.hold.take().unwrap_or_default();
        let (len, pieces) = hold.need(seq, bytes.len());
        let cost = u64::from(len) + u64::from(pieces) * u64::from(Memory::PIECE_BYTES);
        let within = u64::from(hold.cost) + cost <= u64::from(cx.settings.waiting_bytes_max)
            && hold.pieces.len() as u64 + u64::from(pieces) <= u64::from(cx.settings.waiting_pieces_max);
        let fits = within && cx.mem.fits(cost);
        if fits && pieces > 0 {
            hold.keep(seq, bytes, from);
            hold.cost += cost as u32;
            cx.mem.take(cost);
        }
        if !fits && !*told {
            *told = true;
            if within {
                cx.mem.counters.memory_reached += 1;
                cx.out.event(Anomaly::InsertMemcap);
            } else {
                cx.mem.counters.flow_limit_reached += 1;
                cx.out.event(Anomaly::InsertLimit);
            }
        }
        if !hold.pieces.is_empty() {
            self.hold = Some(hold);
        }
        fits
    }

    /// The first piece goes out, acknowledged or not; the hole before it is lost.
    fn force_front(&mut self, cx: &mut Context<'_, impl Out>) {
        let Some(mut hold) = self.hold.take() else { return };
        if let Some(p) = hold.pieces.first() {
            let hole = ahead(p.at, self.next);
            if hole > 0 {
                self.lost(hole as u32, cx);
            }
            let spent = ahead(self.next, p.at).max(0) as usize;
            if !self.has(bit::DONE) && spent < p.data.len() {
                self.deliver(&p.data[spent..], cx);
            }
            hold.spend(1, cx.mem);
        }
        self.put_back(hold, cx.mem);
    }

    /// Puts pieces back after delivery, unless there are none or nothing more is delivered.
    fn put_back(&mut self, mut hold: Box<Hold>, mem: &mut Memory) {
        if self.has(bit::DONE) {
            if let Some(p) = hold.pieces.last() {
                self.follow(p.at.wrapping_add(p.data.len() as u32));
            }
            hold.spend(hold.pieces.len(), mem);
        }
        if !hold.pieces.is_empty() {
            self.hold = Some(hold);
        }
    }

    /// What waits goes out as far as it may, holes that the other side acknowledged are given up, and the end is told.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_, impl Out>) {
        if !self.has(bit::OPEN) {
            return;
        }
        let at_once = cx.settings.overlap == Overlap::First;
        while let Some(mut hold) = self.hold.take() {
            let mut spent_pieces = 0;
            while let Some(p) = hold.pieces.get(spent_pieces) {
                let spent = ahead(self.next, p.at);
                if spent < 0 || self.has(bit::DONE) {
                    break;
                }
                let spent = (spent as usize).min(p.data.len());
                let stop = if at_once { p.data.len() } else { (ahead(self.acked, p.at).max(0) as usize).clamp(spent, p.data.len()) };
                if stop > spent {
                    self.deliver(&p.data[spent..stop], cx);
                }
                if stop < p.data.len() {
                    break;
                }
                spent_pieces += 1;
            }
            hold.spend(spent_pieces, cx.mem);
            let front = hold.front();
            self.put_back(hold, cx.mem);
            match front {
                Some(f) if !self.has(bit::DONE) && ahead(f, self.next) > 0 && self.acked_up_to(f) => {
                    self.lost(f.wrapping_sub(self.next), cx);
                }
                _ => break,
            }
        }
        if self.has(bit::FIN) && !self.has(bit::ENDED) && self.hold.is_none() {
            let hole = ahead(self.fin, self.next);
            if hole > 0 && self.acked_up_to(self.fin) {
                if self.has(bit::DONE) { self.follow(self.fin) } else { self.lost(hole as u32, cx) }
            }
            if ahead(self.next, self.fin) >= 0 {
                self.set(bit::ENDED);
                cx.out.end(cx.dir);
            }
        }
    }

    /// Nothing more will come: what waits goes out with its gaps, and what the other side acknowledged beyond is lost.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_, impl Out>) {
        if self.has(bit::OPEN) {
            self.judge_end(&mut cx.mem.counters);
            while self.hold.is_some() {
                self.force_front(cx);
            }
            let tail = ahead(self.acked, self.next);
            // A single number may be a FIN that was not seen.
            if self.has(bit::ACKED | bit::SEEN) && !self.has(bit::FIN) && !self.has(bit::DONE) && tail > 1 {
                self.lost(tail as u32, cx);
            }
            if self.has(bit::FIN) && !self.has(bit::DONE) && ahead(self.fin, self.next) > 0 {
                self.lost(self.fin.wrapping_sub(self.next), cx);
            }
            self.settle(cx);
        }
        self.release(cx.mem);
    }

    /// Both sides agree that the direction stands at `seq`, beyond what its window told: what lies between was not seen.
    pub(crate) fn resync(&mut self, seq: u32, cx: &mut Context<'_, impl Out>) {
        while self.hold.is_some() {
            self.force_front(cx);
        }
        let hole = ahead(seq, self.next);
        if hole > 0 {
            if self.has(bit::DONE) { self.follow(seq) } else { self.lost(hole as u32, cx) }
        }
        if ahead(seq, self.max) > 0 {
            cx.mem.counters.unseen += 1;
            cx.mem.counters.unseen_bytes += u64::from(seq.wrapping_sub(self.max));
            self.max = seq;
        }
        self.flags &= !(bit::STRAY | bit::EDGE);
        cx.mem.counters.resyncs += 1;
    }
}

fn tell_difference(cx: &mut Context<'_, impl Out>) {
    cx.mem.counters.different_overlaps += 1;
    cx.out.event(Anomaly::OverlapDifferentData);
}

/// A checksum of the first [`HEAD`] bytes at most; equal bytes give equal sums.
#[inline]
fn head_sum(bytes: &[u8]) -> u32 {
    if let Some(head) = bytes.first_chunk() {
        return sum(head);
    }
    let mut head = [0; HEAD];
    head[..bytes.len()].copy_from_slice(bytes);
    sum(&head)
}

#[inline]
fn sum(head: &[u8; HEAD]) -> u32 {
    let (words, _) = head.as_chunks::<8>();
    let word = |i: usize| u64::from_le_bytes(words[i]);
    let fold = |a: u64, b: u64| {
        let m = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd6e8_feb8_6659_fd93);
        (m as u64) ^ ((m >> 64) as u64)
    };
    let m = fold(word(0), word(1)) ^ fold(word(2).rotate_left(17), word(3).rotate_left(31));
    (m ^ (m >> 32)) as u32
}
