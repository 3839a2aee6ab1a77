//! Packets that are kept, live: each worker's ring of recent ones, and which of them are given on.
//!
//! A packet is given on if it is among the first bytes of its flow, or if its two ends are watched: because of a case, from some time before
//! it was told (as far back as the ring goes) until some time after. The ring is also where packets wait to be given on, which happens no
//! faster than whoever takes them says ([`Orders::grant`]): what is overwritten before is dropped and counted, and events never wait for it.
//!
//! Bounds: [`Settings::ring`] bytes of all workers' rings; [`PIECE`] bytes given on at a time; [`WINDOW`] bytes on their way;
//! [`WATCHES_MAX`] watched pairs.

use crate::front::Item;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use vigie_base::{Budget, Ip, Time};
use vigie_capture::LinkType;
use vigie_decode::TunnelKind;
use vigie_flow::Flow;

/// Bytes that are given on at a time.
pub const PIECE: usize = 512 << 10;
/// Bytes given on that may wait to be taken.
pub const WINDOW: u64 = 8 << 20;
/// Pairs of ends that are watched at once.
pub const WATCHES_MAX: usize = 4096;
/// What a watched pair takes.
const WATCH_BYTES: u64 = 128;
/// Least bytes of one worker's ring: some of the longest frames.
const RING_MIN: u64 = 2 << 20;

/// What is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of each flow's beginning, both directions together, in whole frames; 0 for none.
    pub first: u64,
    /// Whether recent packets are remembered, and those of watched ends given on.
    pub watched: bool,
    /// Bytes of all workers' rings.
    pub ring: u64,
    /// What is told from outside.
    pub orders: Orders,
}

impl Settings {
    /// What it takes with so many workers.
    pub fn budgets(&self, workers: u64) -> [Budget; 3] {
        [
            Budget {
                name: "packets.ring",
                entries_max: workers,
                entry_bytes: self.ring_of(workers),
                when_full: "the oldest packet is overwritten, and counted if it was to be kept",
            },
            Budget {
                name: "packets.window",
                entries_max: 1,
                entry_bytes: WINDOW + workers * PIECE as u64,
                when_full: "packets wait in packets.ring",
            },
            Budget {
                name: "packets.watches",
                entries_max: workers * WATCHES_MAX as u64,
                entry_bytes: WATCH_BYTES,
                when_full: "the pair that ends first is no longer watched",
            },
        ]
    }

    fn ring_of(&self, workers: u64) -> u64 {
        (self.ring / workers.max(1)).max(RING_MIN) & !(ALIGN as u64 - 1)
    }
}

/// Two ends whose packets are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watch {
    /// One end.
    pub one: Ip,
    /// The other; none for whoever it is.
    pub other: Option<Ip>,
    /// The last packet's time.
    pub until: Time,
}

/// What a running sensor is told about packets.
#[derive(Clone, Default)]
pub struct Orders(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Bytes that may be given on.
    credit: AtomicU64,
    /// Grows with every list of watches.
    version: AtomicU64,
    watches: Mutex<Vec<Watch>>,
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Orders({} bytes)", self.0.credit.load(Ordering::Relaxed))
    }
}

impl Orders {
    /// Of nobody watched and [`WINDOW`] bytes granted.
    pub fn new() -> Orders {
        let orders = Orders::default();
        orders.grant(WINDOW);
        orders
    }

    /// So many bytes more may be given on; never more than [`WINDOW`] in all.
    pub fn grant(&self, bytes: u64) {
        let add = |credit: u64| Some(credit.saturating_add(bytes).min(WINDOW));
        let _ = self.0.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes up to so many bytes of what was granted.
    fn take(&self, want: u64) -> u64 {
        let taken = self.0.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |credit| Some(credit.saturating_sub(want)));
        taken.unwrap_or(0).min(want)
    }

    /// From now on these are watched, and no others; of more than [`WATCHES_MAX`] the first.
    pub fn watch(&self, mut watches: Vec<Watch>) {
        watches.truncate(WATCHES_MAX);
        *self.0.watches.lock().unwrap_or_else(PoisonError::into_inner) = watches;
        self.0.version.fetch_add(1, Ordering::Release);
    }
}

/// What became of packets that were to be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets given on.
    pub kept: u64,
    /// Their captured bytes.
    pub bytes: u64,
    /// Packets overwritten before they were given on, since those were not taken as fast.
    pub dropped: u64,
}

impl Counters {
    pub(crate) fn add(&mut self, c: &Counters) {
        self.kept += c.kept;
        self.bytes += c.bytes;
        self.dropped += c.dropped;
    }
}

/// A packet that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// The flow that it is of.
    pub flow_id: u64,
    /// Its time, as events have it.
    pub time: Time,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// What the first byte of `data` begins: of a datagram put together from fragments its IP header ([`LinkType::RAW`]).
    pub link: LinkType,
    /// The interface, by its place.
    pub source: u16,
    /// Captured bytes.
    pub data: &'a [u8],
}

/// Bytes of a packet before its data, as it is given on.
const KEPT_HEAD: usize = 28;

impl Kept<'_> {
    /// Appends it, as [`each`] reads it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.flow_id.to_le_bytes());
        out.extend_from_slice(&self.time.0.to_le_bytes());
        out.extend_from_slice(&self.wire_len.to_le_bytes());
        out.extend_from_slice(&(self.data.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.link.0.to_le_bytes());
        out.extend_from_slice(&self.source.to_le_bytes());
        out.extend_from_slice(self.data);
    }
}

/// Reads packets as [`Kept::write`] wrote them, one after the other. False where `bytes` end within one, which is not given.
pub fn each<'b>(mut bytes: &'b [u8], mut give: impl FnMut(Kept<'b>)) -> bool {
    while let Some((head, rest)) = bytes.split_first_chunk::<KEPT_HEAD>() {
        let (u64_at, u32_at, u16_at) = (le(head, u64::from_le_bytes), le(head, u32::from_le_bytes), le(head, u16::from_le_bytes));
        let Some((data, rest)) = rest.split_at_checked(u32_at(20) as usize) else { return false };
        give(Kept {
            flow_id: u64_at(0),
            time: Time(u64_at(8)),
            wire_len: u32_at(16),
            link: LinkType(u16_at(24)),
            source: u16_at(26),
            data,
        });
        bytes = rest;
    }
    bytes.is_empty()
}

/// Reads a number at a place; what is not there is 0.
fn le<const N: usize, T>(bytes: &[u8], of: fn([u8; N]) -> T) -> impl Fn(usize) -> T {
    move |at| of(bytes.get(at..).and_then(|b| b.first_chunk::<N>()).copied().unwrap_or([0; N]))
}

/// Places of the ring are multiples of this.
const ALIGN: usize = 8;
/// Bytes of a packet before its data, in the ring: its data's length, its state, then as [`Kept`] has it, and its flow's ends.
const HEAD: usize = 64;
/// In the place of a length: nothing more until the ring's end.
const FILLER: u32 = u32::MAX;

/// Where packets of the ring stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Remembered = 0,
    Wanted = 1,
    Given = 2,
}

/// Recent packets in a fixed stretch of memory, the oldest overwritten first. Places are counted on and never wrap.
struct Ring {
    memory: Box<[u8]>,
    oldest: u64,
    end: u64,
    /// Where to look next for packets to give on.
    next: u64,
    /// Bytes that are to be given on.
    waiting: u64,
    dropped: u64,
}

impl Ring {
    fn new(bytes: u64) -> Ring {
        Ring { memory: vec![0; bytes as usize].into_boxed_slice(), oldest: 0, end: 0, next: 0, waiting: 0, dropped: 0 }
    }

    fn len(&self) -> u64 {
        self.memory.len() as u64
    }

    fn at(&self, place: u64) -> usize {
        (place % self.len()) as usize
    }

    /// Bytes up to the end of the memory from a place on.
    fn left(&self, place: u64) -> u64 {
        self.len() - place % self.len()
    }

    /// What stands at a place: its length of data, none for a filler; and how far the next is.
    fn look(&self, place: u64) -> (Option<u32>, u64) {
        match le(&self.memory, u32::from_le_bytes)(self.at(place)) {
            FILLER => (None, self.left(place)),
            data => (Some(data), size(data as usize)),
        }
    }

    fn state(&self, place: u64) -> State {
        match self.memory[self.at(place) + 4] {
            0 => State::Remembered,
            1 => State::Wanted,
            _ => State::Given,
        }
    }

    fn set(&mut self, place: u64, state: State) {
        let at = self.at(place);
        self.memory[at + 4] = state as u8;
    }

    fn forget_oldest(&mut self) {
        let (data, size) = self.look(self.oldest);
        if let Some(data) = data
            && self.state(self.oldest) == State::Wanted
        {
            self.dropped += 1;
            self.waiting -= u64::from(data) + KEPT_HEAD as u64;
        }
        self.oldest += size;
        self.next = self.next.max(self.oldest);
    }

    fn push(&mut self, packet: &Kept<'_>, ends: (Ip, Ip), wanted: bool) {
        let size = size(packet.data.len());
        let filler = if self.left(self.end) < size { self.left(self.end) } else { 0 };
        if size > self.len() / 2 {
            self.dropped += u64::from(wanted);
            return;
        }
        while self.end + filler + size - self.oldest > self.len() {
            self.forget_oldest();
        }
        if filler > 0 {
            let at = self.at(self.end);
            self.memory[at..at + 4].copy_from_slice(&FILLER.to_le_bytes());
            self.end += filler;
        }
        let at = self.at(self.end);
        let (head, data) = self.memory[at..at + size as usize].split_at_mut(HEAD);
        head[..4].copy_from_slice(&(packet.data.len() as u32).to_le_bytes());
        head[4] = wanted as u8;
        head[8..16].copy_from_slice(&packet.flow_id.to_le_bytes());
        head[16..24].copy_from_slice(&packet.time.0.to_le_bytes());
        head[24..28].copy_from_slice(&packet.wire_len.to_le_bytes());
        head[28..30].copy_from_slice(&packet.link.0.to_le_bytes());
        head[30..32].copy_from_slice(&packet.source.to_le_bytes());
        head[32..48].copy_from_slice(&ends.0.0);
        head[48..64].copy_from_slice(&ends.1.0);
        data[..packet.data.len()].copy_from_slice(packet.data);
        self.end += size;
        if wanted {
            self.waiting += packet.data.len() as u64 + KEPT_HEAD as u64;
        }
    }

    fn packet(&self, place: u64, data: u32) -> (Kept<'_>, (Ip, Ip)) {
        let (head, rest) = self.memory[self.at(place)..].split_at(HEAD);
        let (u64_at, u32_at, u16_at) = (le(head, u64::from_le_bytes), le(head, u32::from_le_bytes), le(head, u16::from_le_bytes));
        let ip_at = le(head, |b: [u8; 16]| Ip(b));
        let kept = Kept {
            flow_id: u64_at(8),
            time: Time(u64_at(16)),
            wire_len: u32_at(24),
            link: LinkType(u16_at(28)),
            source: u16_at(30),
            data: &rest[..data as usize],
        };
        (kept, (ip_at(32), ip_at(48)))
    }

    /// Gives wanted packets on, the oldest first, while they fit into so many bytes; how many bytes.
    fn give(&mut self, most: u64, counters: &mut Counters, out: &mut Vec<u8>) -> u64 {
        let mut given = 0;
        while self.next < self.end && self.waiting > 0 {
            let (data, size) = self.look(self.next);
            if let Some(data) = data
                && self.state(self.next) == State::Wanted
            {
                let bytes = u64::from(data) + KEPT_HEAD as u64;
                if given + bytes > most {
                    break;
                }
                self.packet(self.next, data).0.write(out);
                self.set(self.next, State::Given);
                self.waiting -= bytes;
                given += bytes;
                counters.kept += 1;
                counters.bytes += u64::from(data);
            }
            self.next += size;
        }
        given
    }

    /// Wants every remembered packet of such ends.
    fn want(&mut self, is_wanted: impl Fn(Ip, Ip, Time) -> bool) {
        let mut place = self.oldest;
        while place < self.end {
            let (data, size) = self.look(place);
            if let Some(data) = data
                && self.state(place) == State::Remembered
            {
                let (kept, (one, other)) = self.packet(place, data);
                if is_wanted(one, other, kept.time) {
                    self.set(place, State::Wanted);
                    self.waiting += u64::from(data) + KEPT_HEAD as u64;
                    self.next = self.next.min(place);
                }
            }
            place += size;
        }
    }
}

/// Bytes that a packet takes in the ring.
const fn size(data: usize) -> u64 {
    (HEAD + data).next_multiple_of(ALIGN) as u64
}

/// Who is watched, and until when.
#[derive(Default)]
struct Watched {
    pairs: HashMap<(Ip, Ip), Time, FixedState>,
    alone: HashMap<Ip, Time, FixedState>,
}

impl Watched {
    fn of(watches: &[Watch]) -> Watched {
        let mut all = Watched::default();
        for w in watches {
            let until = match w.other {
                Some(other) => all.pairs.entry((w.one.min(other), w.one.max(other))).or_default(),
                None => all.alone.entry(w.one).or_default(),
            };
            *until = w.until.max(*until);
        }
        all
    }

    #[inline]
    fn is(&self, one: Ip, other: Ip, now: Time) -> bool {
        let holds = |until: Option<&Time>| until.is_some_and(|u| now <= *u);
        (!self.pairs.is_empty() && holds(self.pairs.get(&(one.min(other), one.max(other)))))
            || (!self.alone.is_empty() && (holds(self.alone.get(&one)) || holds(self.alone.get(&other))))
    }

    /// Whether it holds what the other does not.
    fn has_more_than(&self, other: &Watched) -> bool {
        self.pairs.keys().any(|k| !other.pairs.contains_key(k)) || self.alone.keys().any(|k| !other.alone.contains_key(k))
    }
}

/// The packets that one worker keeps.
pub(crate) struct Keeper {
    settings: Settings,
    ring: Ring,
    watched: Watched,
    version: u64,
    counters: Counters,
}

impl Keeper {
    pub(crate) fn new(settings: &Settings, workers: u64) -> Keeper {
        Keeper {
            ring: Ring::new(settings.ring_of(workers)),
            settings: settings.clone(),
            watched: Watched::default(),
            version: 0,
            counters: Counters::default(),
        }
    }

    /// Takes a packet of a flow, which has counted it.
    #[inline]
    pub(crate) fn packet(&mut self, flow: &Flow, id: impl FnOnce() -> u64, item: &Item<'_>) {
        let before = (flow.bytes[0] + flow.bytes[1]).saturating_sub(u64::from(item.len));
        let wanted = before < self.settings.first || self.watched.is(flow.client, flow.server, item.time);
        // The canary is no traffic.
        if (wanted || self.settings.watched) && item.packet.tunnel != TunnelKind::Canary {
            let packet =
                Kept { flow_id: id(), time: item.time, wire_len: item.len, link: item.link, source: item.source, data: item.bytes };
            self.ring.push(&packet, (flow.client, flow.server), wanted);
        }
    }

    /// Whether much waits that may be given on now.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.ring.waiting >= PIECE as u64 && self.settings.orders.0.credit.load(Ordering::Relaxed) >= PIECE as u64
    }

    /// Hears what was told, and gives on what may be.
    pub(crate) fn give(&mut self, out: &mut Vec<u8>) {
        let orders = &self.settings.orders;
        let version = orders.0.version.load(Ordering::Acquire);
        if version != self.version {
            self.version = version;
            let next = Watched::of(&orders.0.watches.lock().unwrap_or_else(PoisonError::into_inner));
            let before = std::mem::replace(&mut self.watched, next);
            if self.watched.has_more_than(&before) {
                let watched = &self.watched;
                self.ring.want(|one, other, now| watched.is(one, other, now));
            }
        }
        if self.ring.waiting > 0 {
            let credit = orders.take(PIECE as u64);
            let given = self.ring.give(credit, &mut self.counters, out);
            orders.grant(credit - given);
        }
    }

    pub(crate) fn counted(&self) -> Counters {
        Counters { dropped: self.counters.dropped + self.ring.dropped, ..self.counters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(flow_id: u64, data: &[u8]) -> Kept<'_> {
        Kept { flow_id, time: Time(flow_id * 10), wire_len: data.len() as u32 + 4, link: LinkType(1), source: 3, data }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_and_a_cut_gives_whole_packets(lens in prop::collection::vec(0usize..300, 0..20), cut in 0usize..6000) {
            let data: Vec<u8> = (0..300).map(|n| n as u8).collect();
            let mut bytes = Vec::new();
            let all: Vec<Kept<'_>> = lens.iter().enumerate().map(|(n, len)| packet(n as u64, &data[..*len])).collect();
            all.iter().for_each(|k| k.write(&mut bytes));
            let cut = cut.min(bytes.len());
            let mut read = 0;
            let whole = each(&bytes[..cut], |k| { assert_eq!(k, all[read]); read += 1; });
            let ends: Vec<usize> = std::iter::once(0).chain(lens.iter().scan(0, |at, n| { *at += n + KEPT_HEAD; Some(*at) })).collect();
            prop_assert_eq!(whole, ends.contains(&cut));
            prop_assert_eq!(read, ends.iter().filter(|e| **e <= cut).count() - 1);
        }

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            each(&bytes, |k| assert!(k.data.len() <= bytes.len()));
        }

        /// A ring against a list: what is wanted is given once and in order, or counted as dropped.
        #[test]
        fn a_ring_gives_what_is_wanted_or_counts_it(steps in prop::collection::vec((0u8..8, 0usize..400, 0u64..2000), 1..300)) {
            let mut ring = Ring::new(4096);
            let (mut counters, mut out, mut wanted, mut pushed) = (Counters::default(), Vec::new(), 0u64, 0u64);
            for (what, len, most) in steps {
                match what {
                    0..=5 => {
                        let data = vec![pushed as u8; len];
                        let (one, other) = (Ip::v4([10, 0, 0, (pushed % 3) as u8]), Ip::v4([10, 0, 0, 9]));
                        ring.push(&packet(pushed, &data), (one, other), what < 3);
                        wanted += u64::from(what < 3);
                        pushed += 1;
                    }
                    6 => { ring.give(most, &mut counters, &mut out); }
                    _ => {
                        let before = ring.waiting;
                        let mut more = 0;
                        let mut place = ring.oldest;
                        while place < ring.end {
                            let (data, size) = ring.look(place);
                            if data.is_some_and(|d| ring.state(place) == State::Remembered && ring.packet(place, d).0.flow_id % 3 == 1) { more += 1; }
                            place += size;
                        }
                        ring.want(|one, _, _| one == Ip::v4([10, 0, 0, 1]));
                        wanted += more;
                        prop_assert!(ring.waiting >= before);
                    }
                }
                prop_assert!(ring.end - ring.oldest <= ring.len() && ring.next >= ring.oldest);
            }
            ring.give(u64::MAX, &mut counters, &mut out);
            prop_assert_eq!(ring.waiting, 0);
            prop_assert_eq!(counters.kept + ring.dropped, wanted);
            let mut seen = std::collections::BTreeSet::new();
            let whole = each(&out, |k| {
                assert!(seen.insert(k.flow_id), "given twice");
                assert!(k.data.iter().all(|b| *b == k.flow_id as u8), "its own bytes");
            });
            prop_assert!(whole);
            prop_assert_eq!(seen.len() as u64, counters.kept);
        }
    }

    #[test]
    fn ends_are_watched_until_their_time_and_either_way() {
        let [a, b, c] = [1, 2, 3].map(|n| Ip::v4([10, 0, 0, n]));
        let watched = Watched::of(&[
            Watch { one: b, other: Some(a), until: Time(5) },
            Watch { one: b, other: Some(a), until: Time(3) },
            Watch { one: c, other: None, until: Time(9) },
        ]);
        assert!(watched.is(a, b, Time(5)) && watched.is(b, a, Time(0)) && !watched.is(a, b, Time(6)));
        assert!(watched.is(c, a, Time(9)) && watched.is(b, c, Time(6)) && !watched.is(c, a, Time(10)));
        assert!(watched.has_more_than(&Watched::default()) && !Watched::default().has_more_than(&watched));
    }

    #[test]
    fn no_more_is_taken_than_was_granted() {
        let orders = Orders::new();
        orders.grant(5);
        assert_eq!(orders.take(WINDOW - 10), WINDOW - 10);
        assert_eq!((orders.take(30), orders.take(1)), (10, 0));
        orders.grant(7);
        assert_eq!(orders.take(8), 7);
    }
}
