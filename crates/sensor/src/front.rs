//! Frames to packets: decode, doubled frames, fragments; and the account of every frame.

use crate::Settings;
use crate::stats::{Frames, Told};
use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hasher};
use vigie_base::time::{MILLISECOND, SECOND};
use vigie_base::{Budget, Time};
use vigie_capture::{Frame, LinkType};
use vigie_decode::{Anomaly, Body, End, Packet, Span, TunnelKind, decode, decode_datagram, rebuild};
use vigie_flow::defrag::{Defrag, Fate, Key};

/// A packet for a worker.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) packet: &'a Packet,
    /// The bytes that the packet's spans are of.
    pub(crate) bytes: &'a [u8],
    pub(crate) time: Time,
    /// Length on the wire of the frame that completed it.
    pub(crate) len: u32,
    /// Number of that frame, from 1.
    pub(crate) number: u64,
    /// What the first of `bytes` begins.
    pub(crate) link: LinkType,
    /// Where that frame came from.
    pub(crate) source: u16,
}

pub(crate) struct Front {
    settings: vigie_decode::Settings,
    /// The same, but that no tunnel is entered.
    outside: vigie_decode::Settings,
    defrag: Defrag,
    doubled: Doubled,
    packet: Packet,
    datagram: Vec<u8>,
    now: Time,
    /// How far behind that the last frame was stamped, in nanoseconds.
    behind: u64,
    pub(crate) frames: Frames,
}

impl Front {
    pub(crate) fn new(settings: &Settings) -> Self {
        Front {
            settings: settings.decode.clone(),
            outside: vigie_decode::Settings { tunnel_depth: 0, ..settings.decode.clone() },
            defrag: Defrag::new(settings.defrag.clone()),
            doubled: Doubled::new(settings.flow.use_vlan),
            packet: Packet::EMPTY,
            datagram: Vec::new(),
            now: Time(0),
            behind: 0,
            frames: Frames::default(),
        }
    }

    /// No frame came, and none earlier than `now` will.
    pub(crate) fn idle(&mut self, now: Time) {
        if now > self.now {
            self.now = now;
            self.defrag.expire(now);
        }
    }

    /// Whether event time stands still: the clock was set back.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind > SECOND
    }

    /// The time of the latest frame, or of the silence after it.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn defrag(&self) -> &Defrag {
        &self.defrag
    }

    /// Takes one frame; gives its packet to `each` where it has one for a worker. Of VXLAN and GENEVE the outer packet comes first: its
    /// flow is told too, without what it carries.
    #[inline]
    pub(crate) fn frame(&mut self, frame: &Frame<'_>, each: impl FnMut(Item<'_>)) {
        self.decode(frame);
        self.packet(frame, each);
    }

    /// The datagram of which the frame is a fragment, after [`Front::decode`].
    pub(crate) fn fragment(&self) -> Option<Key> {
        match (self.packet.end, self.packet.body) {
            (End::GoesOn, Body::Fragment(f)) => Some(Key::of(&self.packet, f.id)),
            _ => None,
        }
    }

    /// The first half of [`Front::frame`].
    #[inline]
    pub(crate) fn decode(&mut self, frame: &Frame<'_>) {
        decode(&self.settings, frame.link.0, frame.data, frame.wire_len, &mut self.packet);
    }

    /// The second half, of the same frame.
    #[inline]
    pub(crate) fn packet(&mut self, frame: &Frame<'_>, mut each: impl FnMut(Item<'_>)) {
        if frame.source == vigie_capture::CANARY {
            // In no count, and event time is that of the traffic.
            self.packet.tunnel = TunnelKind::Canary;
            return each(Item {
                packet: &self.packet,
                bytes: frame.data,
                time: self.now,
                len: frame.wire_len,
                number: 0,
                link: frame.link,
                source: frame.source,
            });
        }
        let f = &mut self.frames;
        f.pkts += 1;
        f.bytes += u64::from(frame.wire_len);
        f.max_pkt_size = f.max_pkt_size.max(u64::from(frame.wire_len));
        // Event time stands still where the capture's steps back.
        if frame.time < self.now {
            f.time_backwards += 1;
        }
        self.behind = self.now.since(frame.time);
        if frame.time.secs() > self.now.secs() {
            self.defrag.expire(frame.time);
        }
        self.now = self.now.max(frame.time);
        let p = &self.packet;
        f.layers(p);
        let truncated =
            p.anomalies.has(Anomaly::Snapped) || p.anomalies.has(Anomaly::Ipv4Truncated) || p.anomalies.has(Anomaly::Ipv6Truncated);
        if truncated {
            f.truncated += 1;
            f.of_interface(frame.source).truncated += 1;
        }
        for a in p.anomalies.iter() {
            f.anomalies[a as usize] += 1;
        }
        match p.end {
            End::GoesOn => {}
            End::Invalid => return f.invalid += 1,
            End::LinkType => return f.link_type(frame.link),
            End::NotIp => return f.not_ip += 1,
        }
        if p.ip_version != 0
            && let Some(repeat) = self.doubled.repeat(p, frame.data, self.now)
        {
            if matches!(repeat, Repeat::Copy | Repeat::Elsewhere { copied: true }) {
                f.copied += 1;
                f.of_interface(frame.source).copied += 1;
            }
            if !matches!(repeat, Repeat::Elsewhere { .. }) {
                return f.duplicate += 1;
            }
        }
        let direct = !matches!(p.body, Body::Fragment(_));
        let item = match p.body {
            Body::Fragment(_) => match self.defrag.add(p, frame.data, self.now).0 {
                Fate::Whole(whole) => {
                    if !rebuild(whole.first, whole.frame, whole.payload, &mut self.datagram) {
                        return f.invalid += 1;
                    }
                    let carried = *p;
                    decode_datagram(&self.settings, &carried, &self.datagram, &mut self.packet);
                    f.datagrams += 1;
                    if self.packet.end != End::GoesOn {
                        return f.invalid += 1;
                    }
                    Item {
                        packet: &self.packet,
                        bytes: &self.datagram,
                        time: self.now,
                        len: self.datagram.len() as u32,
                        number: f.pkts,
                        link: LinkType::RAW,
                        source: frame.source,
                    }
                }
                _ => return f.fragment += 1,
            },
            Body::None => return f.not_ip += 1,
            _ => Item {
                packet: p,
                bytes: frame.data,
                time: self.now,
                len: frame.wire_len,
                number: f.pkts,
                link: frame.link,
                source: frame.source,
            },
        };
        match item.packet.body {
            Body::Tcp(_) | Body::Udp | Body::Sctp | Body::Icmp { .. } => f.flow += 1,
            Body::Arp(_) => f.arp += 1,
            // ESP has no ports, but two ends that talk: a flow, as in Suricata.
            Body::OtherIp if item.packet.proto == 50 => f.flow += 1,
            _ => return f.no_flow += 1,
        }
        if direct && matches!(item.packet.tunnel, TunnelKind::Vxlan | TunnelKind::Geneve) {
            let mut outer = Packet::EMPTY;
            decode(&self.outside, frame.link.0, frame.data, frame.wire_len, &mut outer);
            if matches!(outer.body, Body::Udp) {
                outer.payload = Span::default();
                each(Item { packet: &outer, ..item });
            }
        }
        each(item);
    }
}

impl Frames {
    /// What is counted of a live interface; of a file of many, what no one asks for.
    fn of_interface(&mut self, source: u16) -> &mut Told {
        let last = self.interfaces.len() - 1;
        &mut self.interfaces[usize::from(source).min(last)]
    }

    fn layers(&mut self, p: &Packet) {
        match p.ip_version {
            4 => self.ipv4 += 1,
            6 => self.ipv6 += 1,
            _ => {}
        }
        match p.body {
            Body::Tcp(_) => self.tcp += 1,
            Body::Udp => self.udp += 1,
            Body::Sctp => self.sctp += 1,
            Body::Icmp { .. } if p.proto == 1 => self.icmpv4 += 1,
            Body::Icmp { .. } => self.icmpv6 += 1,
            _ => {}
        }
        if p.vlans > 0 {
            self.vlan += 1;
        }
        if p.tunnel_depth > 0 {
            self.tunnel += 1;
        }
        if p.anomalies.has(Anomaly::Snapped) {
            self.snapped += 1;
        }
    }
}

/// How a packet is seen a second time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// The same frame once more.
    Copy,
    /// The same packet on its way.
    Routed,
    /// The same packet in another VLAN, where that makes it another flow's: each of both VLANs may be where one direction is seen first, so
    /// that neither copy can be spared.
    Elsewhere {
        /// Whether nothing else differs.
        copied: bool,
    },
}

/// Frames of the last millisecond, by the hash of their IP packet without what a second look at it changes (TTL, header checksum).
///
/// A mirror that copies a port's both sides shows each routed or switched packet twice. The copy has the same IP id, and comes within
/// a millisecond. A TCP retransmission has a new IP id, or comes later.
/// Where the clock stands still (a capture whose stamps were lost) a millisecond says nothing, and nothing is taken for a copy.
///
/// A copy with the same Ethernet addresses and TTL is the mirror's doing; another one was routed between the two looks at it.
struct Doubled {
    /// Whether equal addresses in two VLANs are two flows.
    by_vlan: bool,
    seen: Vec<(u64, Time)>,
    hasher: FixedState,
    /// Frames in a row with one and the same stamp.
    frozen: u32,
    now: Time,
}

/// Frames of one stamp after which the clock is taken to stand still: more than a card sees in a microsecond.
const FROZEN: u32 = 64;

/// Places: a power of two. At 10 Gbit/s of 300-byte frames a millisecond holds some 4,000.
const DOUBLED_PLACES: usize = 8192;
/// The low bits of a place: a VLAN, and a digest of what a router changes; the rest is the packet's hash.
const VLAN_BITS: u32 = 12;
const VLAN: u64 = (1 << VLAN_BITS) - 1;
const WAY_SHIFT: u32 = 51;
const HASH: u64 = u64::MAX << 25;
/// What the places take.
pub(crate) const DOUBLED: Budget = Budget {
    name: "frames.doubled",
    entries_max: DOUBLED_PLACES as u64,
    entry_bytes: 16,
    when_full: "a place is taken over, and a copy may be counted as a frame of its own",
};
/// How late a copy may come.
const DOUBLED_WITHIN: u64 = MILLISECOND;

impl Doubled {
    fn new(by_vlan: bool) -> Self {
        Doubled { by_vlan, seen: vec![(0, Time(0)); DOUBLED_PLACES], hasher: FixedState::with_seed(0), frozen: 0, now: Time(0) }
    }

    /// Whether the packet was just seen, and how.
    #[inline]
    fn repeat(&mut self, p: &Packet, frame: &[u8], now: Time) -> Option<Repeat> {
        self.frozen = if now == self.now { self.frozen.saturating_add(1) } else { 0 };
        self.now = now;
        let mut h = self.hasher.build_hasher();
        h.write(&p.src.0);
        h.write(&p.dst.0);
        h.write_u64(u64::from(p.ip_id) << 48 | u64::from(p.proto) << 40 | u64::from(p.tunnel_key));
        h.write_u32(p.ip.len() as u32);
        match p.body {
            // Fragments of one datagram share an id and differ in their offset.
            Body::Fragment(f) => {
                h.write_u64(u64::from(f.id) << 32 | u64::from(f.offset));
                h.write(f.data.of(frame));
            }
            _ => h.write(p.l4.of(frame)),
        }
        let hash = h.finish();
        // Beside the hash is kept what may differ between two looks at one packet.
        let mac = |m: [u8; 6]| u64::from_le_bytes([m[0], m[1], m[2], m[3], m[4], m[5], p.ttl, 0]);
        let way = mac(p.src_mac.0).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ mac(p.dst_mac.0).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let vlan = if p.vlans == 0 { 0 } else { u64::from(p.vlan[0]) & VLAN };
        let kept = hash & HASH | (way >> WAY_SHIFT << VLAN_BITS) & !HASH & !VLAN | vlan;
        let place = &mut self.seen[hash as usize & (DOUBLED_PLACES - 1)];
        let is_seen = (place.0 ^ kept) & HASH == 0 && now.since(place.1) < DOUBLED_WITHIN && self.frozen < FROZEN;
        let (same_way, same_vlan) = ((place.0 ^ kept) & !HASH & !VLAN == 0, (place.0 ^ kept) & VLAN == 0);
        *place = (kept, now);
        match (same_way, same_vlan) {
            _ if !is_seen => None,
            (true, true) => Some(Repeat::Copy),
            (true, false) if self.by_vlan => Some(Repeat::Elsewhere { copied: true }),
            (false, false) if self.by_vlan => Some(Repeat::Elsewhere { copied: false }),
            _ => Some(Repeat::Routed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame of an IPv4 UDP datagram.
    fn udp(src: u8, dst: u8, port: u16, payload: &[u8]) -> Vec<u8> {
        let len = payload.len() as u16;
        let mut frame = vec![2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 8, 0, 0x45, 0];
        frame.extend_from_slice(&(28 + len).to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, src, 10, 0, 0, dst]);
        frame.extend_from_slice(&[0xc0, 0, (port >> 8) as u8, port as u8]);
        frame.extend_from_slice(&(8 + len).to_be_bytes());
        frame.extend_from_slice(&[0, 0]);
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn a_copy_and_a_routed_packet_are_told_apart_and_what_is_cut_is_counted() {
        let first = udp(1, 2, 53, b"question");
        let routed = [&[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8][..], &first[12..]].concat();
        let mut front = Front::new(&Settings::default());
        let mut see = |data: &[u8], at: u64, source: u16| {
            let time = Time(at * MILLISECOND / 10);
            front.frame(&Frame { time, data, wire_len: data.len() as u32, link: LinkType(1), source }, |_| {});
            (front.frames.duplicate, front.frames.copied, front.frames.truncated)
        };
        assert_eq!(see(&first, 10, 0), (0, 0, 0));
        assert_eq!(see(&first, 11, 1), (1, 1, 0));
        assert_eq!(see(&routed, 12, 0), (2, 1, 0));
        assert_eq!(see(&first[..40], 100, 1), (2, 1, 1));
        // In another VLAN it is another flow's: of a trunk to a router each direction is seen first in its own.
        let tagged = |f: &[u8]| [&f[..12], &[0x81, 0, 0, 20][..], &f[12..]].concat();
        assert_eq!(see(&first, 200, 0), (2, 1, 1));
        assert_eq!(see(&tagged(&routed), 201, 0), (2, 1, 1));
        assert_eq!(see(&tagged(&routed), 202, 0), (3, 2, 1));
        assert_eq!(see(&routed, 203, 0), (3, 3, 1));
        let of = |i: usize| (front.frames.interfaces[i].copied, front.frames.interfaces[i].truncated);
        assert_eq!((of(0), of(1)), ((2, 0), (1, 1)));
    }

    #[test]
    fn of_a_tunnel_over_udp_both_packets_are_told_and_one_frame_counted() {
        let inside = udp(1, 2, 53, b"question");
        let outside = udp(7, 8, 4789, &[&[8, 0, 0, 0, 0, 0, 5, 0][..], &inside].concat());
        let mut front = Front::new(&Settings::default());
        let mut told = Vec::new();
        for data in [&outside, &inside] {
            let frame = Frame { time: Time::from_secs(1), data, wire_len: data.len() as u32, link: LinkType(1), source: 0 };
            front.frame(&frame, |item| told.push((item.packet.dst_port, item.packet.payload.len(), item.packet.tunnel_depth)));
        }
        assert_eq!(told, [(4789, 0, 0), (53, 8, 1), (53, 8, 0)]);
        assert_eq!((front.frames.pkts, front.frames.flow, front.frames.tunnel), (2, 2, 1));
    }
}
