//! Fragments in, whole IP datagrams out (RFC 791 section 3.2, RFC 815, RFC 8200 section 4.5).
//!
//! One [`Defrag`] per worker. A datagram waits until all its bytes are there, its time is over, or it is evicted: the oldest goes first,
//! by the time of its first fragment and then by key. Overlaps are not refused, as RFC 5722 would have hosts do, since not all do: the
//! stated policy chooses the bytes, and a difference is an anomaly. Every fragment ends in one counter ([`Counters`]).

use std::collections::BTreeMap;
use vigie_base::{Budget, Ip, Time, time::SECOND};
use vigie_decode::packet::VLAN_MAX;
use vigie_decode::{Body, Fragment, Packet};

/// The longest IP packet (v4) or IPv6 payload, in bytes.
const DATAGRAM_BYTES_MAX: u64 = 65_535;
/// What one kept piece costs beside its bytes: its entry (vectors grow by doubling) and the allocator's share.
pub const PIECE_BYTES: u64 = 80;
/// What one datagram costs beside its pieces: key (twice), tables, first packet.
pub const DATAGRAM_BYTES: u64 = 1024;

/// Whose bytes win where two fragments cover the same offsets and differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// The earlier arrival.
    #[default]
    First,
    /// The later arrival.
    Last,
}

/// What the operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Datagrams in reassembly at once.
    pub datagrams_max: u32,
    /// Bytes that all of them may cost ([`PIECE_BYTES`] and [`DATAGRAM_BYTES`] included).
    pub bytes_max: u64,
    /// Fragments taken of one datagram.
    pub fragments_max: u16,
    /// From a datagram's first seen fragment to its end, in nanoseconds (RFC 8200: 60 s).
    pub timeout_ns: u64,
    /// Whose bytes win.
    pub overlap: Overlap,
}

impl Default for Settings {
    fn default() -> Self {
        // 65,535 bytes in fragments of the smallest IPv4 MTU (68, RFC 791) are 1,366.
        Settings { datagrams_max: 4096, bytes_max: 8 << 20, fragments_max: 1366, timeout_ns: 60 * SECOND, overlap: Overlap::First }
    }
}

impl Settings {
    /// As declared for `vigie check`: datagrams share their bytes, so that the bytes are the bound.
    pub const fn budget(&self) -> Budget {
        Budget {
            name: "defrag.bytes",
            // Beside what waits, one whole datagram with its headers.
            entries_max: self.bytes_max + 2 * DATAGRAM_BYTES_MAX,
            entry_bytes: 1,
            when_full: "the oldest datagram in reassembly is given up",
        }
    }
}

/// One oddity of a fragment; its name depends on the IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// Two fragments cover the same bytes and differ, or disagree on where the datagram ends.
    Overlap,
    /// The datagram would exceed 65,535 bytes.
    TooLarge,
    /// An IPv6 fragment, not the last, whose length is no multiple of 8.
    InvalidLength,
}

impl Anomaly {
    /// The `anomaly.event` of EVE, by Suricata's names. `ip_version` is 4 or 6.
    pub const fn name(self, ip_version: u8) -> &'static str {
        match (self, ip_version) {
            (Self::Overlap, 6) => "decoder.ipv6.frag_overlap",
            (Self::Overlap, _) => "decoder.ipv4.frag_overlap",
            (Self::TooLarge, 6) => "decoder.ipv6.frag_pkt_too_large",
            (Self::TooLarge, _) => "decoder.ipv4.frag_pkt_too_large",
            (Self::InvalidLength, _) => "decoder.ipv6.frag_invalid_length",
        }
    }
}

/// Why a fragment was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The packet is no fragment, or one without bytes.
    Empty,
    /// See [`Anomaly::TooLarge`].
    TooLarge,
    /// See [`Anomaly::InvalidLength`].
    InvalidLength,
    /// It ends beyond the datagram's end, or gives another end.
    Conflict,
    /// The datagram has as many fragments as are taken.
    TooMany,
    /// It alone exceeds the bound of bytes.
    NoRoom,
}

/// A datagram made whole. Borrowed until the next fragment is given.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The fragment at offset 0.
    pub first: &'a Packet,
    /// The bytes of its frame before the fragment's own: link and IP headers, the options or unfragmentable part and Fragment header included.
    pub frame: &'a [u8],
    /// What the fragments carried, in order.
    pub payload: &'a [u8],
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug)]
pub enum Fate<'a> {
    /// It waits for the others.
    Held,
    /// It was not taken.
    Dropped(Why),
    /// It was the last that lacked.
    Whole(Datagram<'a>),
}

vigie_base::counters! {
    /// What was counted. `fragments` is the sum of those that are held and of the `*_fragments`.
    Counters {
        /// Fragments given.
        fragments,
        /// Datagrams made whole.
        whole,
        /// Fragments they came in.
        whole_fragments,
        /// Datagrams whose time was over.
        timed_out,
        /// Their fragments.
        timed_out_fragments,
        /// Datagrams given up to make room.
        evicted,
        /// Their fragments.
        evicted_fragments,
        /// Times that the bound of datagrams was reached.
        datagrams_reached,
        /// Times that the bound of bytes was reached.
        bytes_reached,
        /// Fragments without bytes.
        empty_fragments,
        /// Fragments beyond 65,535 bytes.
        too_large_fragments,
        /// IPv6 fragments, not the last, whose length is no multiple of 8.
        invalid_length_fragments,
        /// Fragments that disagree on where the datagram ends.
        conflict_fragments,
        /// Fragments above the bound of one datagram.
        too_many_fragments,
        /// Fragments that alone exceed the bound of bytes.
        no_room_fragments,
        /// Fragments that cover bytes already there, in part or whole.
        overlaps,
        /// Those whose bytes differ.
        different_overlaps,
    }
}

/// What the fragments of a datagram have in common. In IPv6 the protocol is not among it (RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    src: Ip,
    dst: Ip,
    id: u32,
    tunnel_key: u32,
    vlan: [u16; VLAN_MAX],
    ip_version: u8,
    proto: u8,
}

impl Key {
    /// Of a fragment, with the identification that it has.
    pub fn of(p: &Packet, id: u32) -> Self {
        let proto = if p.ip_version == 6 { 0 } else { p.proto };
        Key { src: p.src, dst: p.dst, id, tunnel_key: p.tunnel_key, vlan: p.vlan, ip_version: p.ip_version, proto }
    }
}

#[derive(Debug)]
struct Piece {
    at: u32,
    data: Vec<u8>,
}

impl Piece {
    fn end(&self) -> u32 {
        self.at + self.data.len() as u32
    }
}

/// One datagram in reassembly.
#[derive(Debug)]
struct Parts {
    since: Time,
    first: Option<(Box<Packet>, Vec<u8>)>,
    /// In order, not overlapping.
    pieces: Vec<Piece>,
    /// Where it ends, once the last fragment was seen.
    end: Option<u32>,
    /// Bytes in `pieces`.
    len: u32,
    fragments: u16,
    cost: u64,
}

impl Parts {
    fn new(since: Time) -> Self {
        Parts { since, first: None, pieces: Vec::new(), end: None, len: 0, fragments: 0, cost: DATAGRAM_BYTES }
    }

    /// The parts of a fragment that no piece covers: index to insert at, start and end within the datagram.
    fn holes(&self, at: u32, end: u32) -> Vec<(usize, u32, u32)> {
        let mut holes = Vec::new();
        let mut from = at;
        let mut i = self.pieces.partition_point(|p| p.end() <= at);
        while from < end {
            let (stop, resume) = self.pieces.get(i).map_or((end, end), |p| (p.at.min(end), p.end()));
            if stop > from {
                holes.push((i, from, stop));
            }
            from = resume.max(from);
            i += 1;
        }
        holes
    }

    /// Compares with what is there and, where the later wins, replaces it. Says whether any byte is covered twice, and whether any differs.
    fn meet(&mut self, at: u32, bytes: &[u8], overlap: Overlap) -> (bool, bool) {
        let (mut covered, mut differs) = (false, false);
        let end = at + bytes.len() as u32;
        let first = self.pieces.partition_point(|p| p.end() <= at);
        for p in self.pieces.iter_mut().skip(first).take_while(|p| p.at < end) {
            let (from, to) = (p.at.max(at), p.end().min(end));
            let old = &mut p.data[(from - p.at) as usize..(to - p.at) as usize];
            let new = &bytes[(from - at) as usize..(to - at) as usize];
            covered = true;
            if old != new {
                differs = true;
                if overlap == Overlap::Last {
                    old.copy_from_slice(new);
                }
            }
        }
        (covered, differs)
    }

    fn is_whole(&self) -> bool {
        self.end == Some(self.len) && self.first.is_some()
    }

    /// Whether a fragment fits what is known of the datagram's end.
    fn agrees(&self, end: u32, more: bool) -> bool {
        let held = self.pieces.last().map_or(0, Piece::end);
        match self.end {
            Some(known) if more => end <= known,
            Some(known) => end == known,
            None => more || end >= held,
        }
    }
}

/// Datagrams in reassembly.
#[derive(Debug)]
pub struct Defrag {
    settings: Settings,
    parts: BTreeMap<Key, Parts>,
    /// The same by age: who is evicted or expires first.
    ages: BTreeMap<(Time, Key), ()>,
    bytes: u64,
    payload: Vec<u8>,
    whole: Option<(Box<Packet>, Vec<u8>)>,
    /// What was counted.
    pub counters: Counters,
}

impl Defrag {
    /// An empty table.
    pub fn new(settings: Settings) -> Self {
        let (parts, ages) = (BTreeMap::new(), BTreeMap::new());
        Defrag { settings, parts, ages, bytes: 0, payload: Vec::new(), whole: None, counters: Counters::default() }
    }

    /// Datagrams in reassembly.
    pub fn datagrams(&self) -> usize {
        self.parts.len()
    }

    /// What they cost, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Fragments that wait.
    pub fn held_fragments(&self) -> u64 {
        self.parts.values().map(|p| u64::from(p.fragments)).sum()
    }

    /// Takes one fragment: `packet` is what decode said of `frame` ([`Body::Fragment`]).
    pub fn add(&mut self, packet: &Packet, frame: &[u8], now: Time) -> (Fate<'_>, Option<Anomaly>) {
        self.expire(now);
        self.counters.fragments += 1;
        let Body::Fragment(f) = packet.body else { return self.refuse(Why::Empty, None) };
        let data = f.data.of(frame);
        let head = frame.get(..f.data.start as usize).unwrap_or(&[]);
        if data.is_empty() {
            return self.refuse(Why::Empty, None);
        }
        // What the length field of the whole would hold before the payload: the IPv4 header, or IPv6's headers but for its own 40 bytes
        // and the Fragment header's 8, which do not count.
        let before = u64::from(f.data.start.saturating_sub(packet.ip.start));
        let before = if packet.ip_version == 6 { before.saturating_sub(48) } else { before };
        if before + u64::from(f.offset) + data.len() as u64 > DATAGRAM_BYTES_MAX {
            return self.refuse(Why::TooLarge, Some(Anomaly::TooLarge));
        }
        if packet.ip_version == 6 && f.more && !data.len().is_multiple_of(8) {
            return self.refuse(Why::InvalidLength, Some(Anomaly::InvalidLength));
        }
        let key = Key::of(packet, f.id);
        let end = f.offset + data.len() as u32;
        let cost = match self.parts.get(&key) {
            None => DATAGRAM_BYTES + cost_of(&[(0, f.offset, end)]) + if f.offset == 0 { head.len() as u64 } else { 0 },
            Some(p) if p.fragments >= self.settings.fragments_max => return self.refuse(Why::TooMany, None),
            Some(p) if !p.agrees(end, f.more) => return self.refuse(Why::Conflict, Some(Anomaly::Overlap)),
            Some(p) => cost_of(&p.holes(f.offset, end)) + if f.offset == 0 && p.first.is_none() { head.len() as u64 } else { 0 },
        };
        if !self.make_room(&key, cost) {
            return self.refuse(Why::NoRoom, None);
        }
        let anomaly = self.keep(key, packet, head, f, data, now);
        if self.parts.get(&key).is_some_and(Parts::is_whole) {
            return (self.complete(&key), anomaly);
        }
        (Fate::Held, anomaly)
    }

    /// Gives up what has waited too long. Called by [`Defrag::add`]; to be called where no fragment comes, too.
    pub fn expire(&mut self, now: Time) {
        while let Some((&(since, key), ())) = self.ages.first_key_value() {
            if now.since(since) < self.settings.timeout_ns {
                break;
            }
            self.counters.timed_out += 1;
            self.counters.timed_out_fragments += self.remove(&key).map_or(0, |p| u64::from(p.fragments));
        }
    }

    fn refuse(&mut self, why: Why, anomaly: Option<Anomaly>) -> (Fate<'_>, Option<Anomaly>) {
        let counter = match why {
            Why::Empty => &mut self.counters.empty_fragments,
            Why::TooLarge => &mut self.counters.too_large_fragments,
            Why::InvalidLength => &mut self.counters.invalid_length_fragments,
            Why::Conflict => &mut self.counters.conflict_fragments,
            Why::TooMany => &mut self.counters.too_many_fragments,
            Why::NoRoom => &mut self.counters.no_room_fragments,
        };
        *counter += 1;
        (Fate::Dropped(why), anomaly)
    }

    /// Evicts the oldest, but not the one at hand, until `cost` more bytes (and `key`) fit. False where they cannot.
    fn make_room(&mut self, key: &Key, cost: u64) -> bool {
        let new = !self.parts.contains_key(key);
        loop {
            let many = new && self.parts.len() as u64 >= u64::from(self.settings.datagrams_max);
            if !many && self.bytes + cost <= self.settings.bytes_max {
                return true;
            }
            let Some(oldest) = self.ages.keys().map(|(_, k)| *k).find(|k| k != key) else { return false };
            *(if many { &mut self.counters.datagrams_reached } else { &mut self.counters.bytes_reached }) += 1;
            self.counters.evicted += 1;
            self.counters.evicted_fragments += self.remove(&oldest).map_or(0, |p| u64::from(p.fragments));
        }
    }

    fn keep(&mut self, key: Key, packet: &Packet, head: &[u8], f: Fragment, data: &[u8], now: Time) -> Option<Anomaly> {
        let end = f.offset + data.len() as u32;
        let ages = &mut self.ages;
        let bytes = &mut self.bytes;
        let parts = self.parts.entry(key).or_insert_with(|| {
            ages.insert((now, key), ());
            *bytes += DATAGRAM_BYTES;
            Parts::new(now)
        });
        let (covered, differs) = parts.meet(f.offset, data, self.settings.overlap);
        let holes = parts.holes(f.offset, end);
        let mut cost = cost_of(&holes);
        for (added, (index, from, to)) in holes.into_iter().enumerate() {
            let data = data[(from - f.offset) as usize..(to - f.offset) as usize].to_vec();
            parts.len += to - from;
            parts.pieces.insert(index + added, Piece { at: from, data });
        }
        if f.offset == 0 && parts.first.is_none() {
            parts.first = Some((Box::new(*packet), head.to_vec()));
            cost += head.len() as u64;
        }
        if !f.more {
            parts.end = Some(end);
        }
        parts.fragments += 1;
        parts.cost += cost;
        self.bytes += cost;
        self.counters.overlaps += u64::from(covered);
        self.counters.different_overlaps += u64::from(differs);
        differs.then_some(Anomaly::Overlap)
    }

    fn complete(&mut self, key: &Key) -> Fate<'_> {
        let Some(parts) = self.remove(key) else { return Fate::Held };
        self.counters.whole += 1;
        self.counters.whole_fragments += u64::from(parts.fragments);
        self.payload.clear();
        for p in &parts.pieces {
            self.payload.extend_from_slice(&p.data);
        }
        self.whole = parts.first;
        match &self.whole {
            Some((first, frame)) => Fate::Whole(Datagram { first, frame, payload: &self.payload }),
            None => Fate::Held,
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Parts> {
        let parts = self.parts.remove(key)?;
        self.ages.remove(&(parts.since, *key));
        self.bytes -= parts.cost;
        Some(parts)
    }
}

/// What keeping these holes' bytes costs.
fn cost_of(holes: &[(usize, u32, u32)]) -> u64 {
    holes.iter().map(|(_, from, to)| u64::from(to - from) + PIECE_BYTES).sum()
}

/// One entry for fuzzers: bytes become fragments of a few datagrams under small bounds. Panics where a promise is broken.
pub fn fuzz(data: &[u8]) {
    let Some((choice, mut rest)) = data.split_first() else { return };
    let overlap = if choice & 1 == 0 { Overlap::First } else { Overlap::Last };
    let settings = Settings { datagrams_max: 3, bytes_max: 6000, fragments_max: 12, timeout_ns: 1000, overlap };
    let mut defrag = Defrag::new(settings);
    let mut now = 0;
    while let Some((head, tail)) = rest.split_at_checked(4) {
        let len = usize::from(head[3] & 0x7f).min(tail.len());
        let (bytes, tail) = tail.split_at(len);
        rest = tail;
        now += u64::from(head[0]);
        let version = if head[1] & 1 == 0 { 4 } else { 6 };
        let offset = if head[2] == 0xff { 65_500 } else { u32::from(head[2] & 0x1f) * 8 };
        let packet = fragment(version, u32::from(head[1] >> 6), offset, head[1] & 2 != 0, 20, bytes.len());
        let frame: Vec<u8> = [0; 20].iter().chain(bytes).copied().collect();
        if let (Fate::Whole(d), _) = defrag.add(&packet, &frame, Time(now)) {
            assert!(d.payload.len() as u64 <= DATAGRAM_BYTES_MAX && d.frame.len() == 20, "a datagram is too long");
        }
        assert!(defrag.bytes <= 6000 && defrag.datagrams() <= 3, "a bound is broken");
        assert_eq!(defrag.parts.len(), defrag.ages.len(), "a datagram has no age");
        assert_eq!(defrag.bytes, defrag.parts.values().map(|p| p.cost).sum::<u64>(), "bytes are miscounted");
        let c = &defrag.counters;
        let ended: u64 = c.iter().filter(|(name, _)| name.ends_with("_fragments")).map(|(_, n)| n).sum();
        assert_eq!(c.fragments, ended + defrag.held_fragments(), "a fragment ended in no counter");
    }
    defrag.expire(Time::MAX);
    assert_eq!((defrag.bytes, defrag.datagrams()), (0, 0), "something is left");
}

/// What decode would say of a frame of `head` bytes of headers and `len` bytes of a fragment.
fn fragment(ip_version: u8, id: u32, offset: u32, more: bool, head: u32, len: usize) -> Packet {
    use vigie_base::Mac;
    use vigie_decode::{Anomalies, End, Span, TunnelKind};
    let data = Span { start: head, end: head + len as u32 };
    Packet {
        end: End::GoesOn,
        src_mac: Mac::ZERO,
        dst_mac: Mac::ZERO,
        ethertype: 0,
        vlan: [0; VLAN_MAX],
        vlans: 0,
        tunnel: TunnelKind::None,
        tunnel_depth: 0,
        tunnel_key: 0,
        ip_version,
        src: Ip::v4([192, 0, 2, 1]),
        dst: Ip::v4([192, 0, 2, 2]),
        ttl: 64,
        proto: 17,
        ip_id: id as u16,
        dont_fragment: false,
        ip: Span { start: 0, end: data.end },
        l4: data,
        body: Body::Fragment(Fragment { id, offset, more, data }),
        src_port: 0,
        dst_port: 0,
        payload: Span::default(),
        anomalies: Anomalies::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn add(d: &mut Defrag, id: u32, offset: u32, more: bool, bytes: &[u8], secs: u64) -> Result<Option<Vec<u8>>, Why> {
        let frame: Vec<u8> = [id as u8; 20].iter().chain(bytes).copied().collect();
        match d.add(&fragment(4, id, offset, more, 20, bytes.len()), &frame, Time::from_secs(secs)).0 {
            Fate::Held => Ok(None),
            Fate::Dropped(why) => Err(why),
            Fate::Whole(w) => {
                assert_eq!(w.frame, [id as u8; 20]);
                Ok(Some(w.payload.to_vec()))
            }
        }
    }

    #[test]
    fn in_any_order() {
        let mut d = Defrag::new(Settings::default());
        assert_eq!(add(&mut d, 1, 16, false, b"end", 0), Ok(None));
        assert_eq!(add(&mut d, 2, 0, true, b"another.", 0), Ok(None));
        assert_eq!(add(&mut d, 1, 0, true, b"01234567", 0), Ok(None));
        assert_eq!(add(&mut d, 1, 8, true, b"abcdefgh", 0), Ok(Some(b"01234567abcdefghend".to_vec())));
        assert_eq!((d.datagrams(), d.counters.whole_fragments), (1, 3));
    }

    #[test]
    fn ends_that_disagree_and_lengths_that_cannot_be() {
        let mut d = Defrag::new(Settings::default());
        add(&mut d, 1, 8, false, b"last", 0).unwrap();
        assert_eq!(add(&mut d, 1, 16, false, b"later", 0), Err(Why::Conflict));
        assert_eq!(add(&mut d, 1, 8, true, b"longer than last", 0), Err(Why::Conflict));
        // Teardrop: a second fragment inside the first.
        add(&mut d, 2, 0, true, &[1; 36], 0).unwrap();
        assert_eq!(add(&mut d, 2, 24, false, &[2; 4], 0), Err(Why::Conflict));
        // Ping of death.
        assert_eq!(add(&mut d, 3, 65_528, false, &[0; 64], 0), Err(Why::TooLarge));
        let (fate, anomaly) = d.add(&fragment(6, 1, 0, true, 48, 9), &[0; 57], Time(0));
        assert!(matches!(fate, Fate::Dropped(Why::InvalidLength)));
        assert_eq!(anomaly.map(|a| a.name(6)), Some("decoder.ipv6.frag_invalid_length"));
        let not = Packet { body: Body::Udp, ..fragment(4, 1, 0, false, 20, 1) };
        assert!(matches!(d.add(&not, &[0; 30], Time(0)).0, Fate::Dropped(Why::Empty)));
    }

    #[test]
    fn an_overlap_that_differs_is_told() {
        for (overlap, expected) in [(Overlap::First, b"AAAAAAAAAAAAAAAABBBBBBBB"), (Overlap::Last, b"AAAAAAAABBBBBBBBBBBBBBBB")] {
            let mut d = Defrag::new(Settings { overlap, ..Settings::default() });
            add(&mut d, 1, 0, true, &[b'A'; 16], 0).unwrap();
            let frame: Vec<u8> = [1; 20].iter().chain(&[b'B'; 16]).copied().collect();
            let (fate, anomaly) = d.add(&fragment(4, 1, 8, false, 20, 16), &frame, Time(0));
            let Fate::Whole(w) = fate else { panic!("not whole") };
            assert_eq!(w.payload, expected);
            assert_eq!(anomaly.map(|a| a.name(4)), Some("decoder.ipv4.frag_overlap"));
        }
    }

    #[test]
    fn time_and_bounds_give_up_the_oldest() {
        let mut d = Defrag::new(Settings { datagrams_max: 2, fragments_max: 2, ..Settings::default() });
        add(&mut d, 1, 0, true, &[0; 8], 100).unwrap();
        add(&mut d, 2, 0, true, &[0; 8], 101).unwrap();
        add(&mut d, 3, 0, true, &[0; 8], 102).unwrap();
        assert_eq!((d.counters.evicted, d.counters.datagrams_reached), (1, 1));
        assert_eq!(add(&mut d, 1, 8, false, b"x", 103), Ok(None), "its first fragment went, and the next oldest with it");
        assert_eq!(add(&mut d, 3, 8, true, &[0; 8], 103), Ok(None));
        assert_eq!(add(&mut d, 3, 16, false, &[0; 8], 103), Err(Why::TooMany));
        d.expire(Time::from_secs(162));
        assert_eq!((d.counters.timed_out, d.datagrams()), (1, 1));
        let mut d = Defrag::new(Settings { bytes_max: 2500, ..Settings::default() });
        assert_eq!(add(&mut d, 1, 0, true, &[0; 1600], 0), Err(Why::NoRoom));
        add(&mut d, 1, 0, true, &[0; 800], 0).unwrap();
        add(&mut d, 2, 0, true, &[0; 800], 0).unwrap();
        assert_eq!((d.counters.evicted, d.counters.bytes_reached, d.datagrams()), (1, 1, 1));
    }

    /// On real captures: every datagram made whole that carries UDP is as long as its UDP header says.
    #[test]
    fn captures_of_fragments() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/captures");
        if !root.is_dir() {
            println!("skipped: no captures at {}", root.display());
            return;
        }
        let word = |b: &[u8], at: usize| u32::from(b[at]) << 8 | u32::from(b[at + 1]);
        // The second file's last fragment lies within what another says is followed by more.
        for (name, whole, conflicts) in
            [("tcp/ip4-fragments.pcap", 6, 0), ("tcp/fragmented-1.pcap", 0, 1), ("dns/dns-fragmented.pcap", 4, 0)]
        {
            let file = std::fs::read(root.join(name)).unwrap_or_default();
            let mut d = Defrag::new(Settings::default());
            let mut at = 24;
            while let Some(len) = file.get(at + 8..at + 12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize) {
                let Some(frame) = file.get(at + 16..at + 16 + len) else { break };
                at += 16 + len;
                let ip = frame.get(14..).unwrap_or(&[]);
                if frame.get(12..14) != Some(&[8, 0]) || word(ip, 6) & 0x3fff == 0 {
                    continue;
                }
                let head = 14 + u32::from(ip[0] & 15) * 4;
                let more = word(ip, 6) & 0x2000 != 0;
                let bytes = (14 + word(ip, 2) - head) as usize;
                let mut packet = fragment(4, word(ip, 4), (word(ip, 6) & 0x1fff) * 8, more, head, bytes);
                packet.src = Ip::v4([ip[12], ip[13], ip[14], ip[15]]);
                packet.proto = ip[9];
                packet.ip.start = 14;
                if let (Fate::Whole(w), anomaly) = d.add(&packet, frame, Time(0)) {
                    assert_eq!((w.first.proto, anomaly), (17, None), "{name}");
                    assert_eq!(word(w.payload, 4) as usize, w.payload.len(), "{name}");
                }
            }
            assert_eq!((d.counters.whole, d.counters.conflict_fragments), (whole, conflicts), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Against a map of bytes: which is whole when, with which bytes, and whether a difference is told.
        #[test]
        fn as_a_map_of_bytes(frags in prop::collection::vec((0..12u32, 1..40usize, prop::bool::weighted(0.8)), 1..40), last in any::<bool>()) {
            let overlap = if last { Overlap::Last } else { Overlap::First };
            let mut d = Defrag::new(Settings { overlap, ..Settings::default() });
            let mut map: Vec<Option<u8>> = vec![None; 200];
            let mut end = None;
            for (i, (at, len, more)) in frags.into_iter().enumerate() {
                let at = at as usize * 8;
                let stop = at + len;
                let held = map.iter().rposition(Option::is_some).map_or(0, |p| p + 1);
                let fits = match end { Some(e) if more => stop <= e, Some(e) => stop == e, None => more || stop >= held };
                let bytes = vec![i as u8; len];
                let frame: Vec<u8> = [7; 20].iter().chain(&bytes).copied().collect();
                let (fate, anomaly) = d.add(&fragment(4, 9, at as u32, more, 20, len), &frame, Time(0));
                if !fits {
                    prop_assert!(matches!(fate, Fate::Dropped(Why::Conflict)));
                    continue;
                }
                prop_assert_eq!(anomaly, map[at..stop].iter().any(Option::is_some).then_some(Anomaly::Overlap));
                for slot in &mut map[at..stop] {
                    if slot.is_none() || last {
                        *slot = Some(i as u8);
                    }
                }
                if !more {
                    end = Some(stop);
                }
                let whole = end.and_then(|e| map[..e].iter().copied().collect::<Option<Vec<u8>>>());
                match fate {
                    Fate::Whole(w) => {
                        prop_assert_eq!(Some(w.payload.to_vec()), whole);
                        map.fill(None);
                        end = None;
                    }
                    Fate::Held => prop_assert_eq!(whole, None),
                    Fate::Dropped(why) => prop_assert!(false, "dropped: {:?}", why),
                }
            }
        }

        #[test]
        fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..800)) {
            fuzz(&data);
        }
    }
}
