//! What a sensor counted, as the `stats` event.

use vigie_base::Time;
use vigie_capture::LinkType;
use vigie_decode::Anomaly;
use vigie_event::{Group, Record};

/// Frames, each in exactly one of the terminal counters: `invalid`, `link_type_unknown`, `not_ip`, `duplicate`, `fragment`, `arp`,
/// `no_flow`, `flow`.
#[derive(Clone, Debug)]
pub struct Frames {
    /// Frames read.
    pub pkts: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// The longest.
    pub max_pkt_size: u64,
    /// Carried IPv4, IPv6, TCP...: not terminal.
    pub ipv4: u64,
    #[allow(missing_docs)]
    pub ipv6: u64,
    #[allow(missing_docs)]
    pub tcp: u64,
    #[allow(missing_docs)]
    pub udp: u64,
    #[allow(missing_docs)]
    pub sctp: u64,
    #[allow(missing_docs)]
    pub icmpv4: u64,
    #[allow(missing_docs)]
    pub icmpv6: u64,
    #[allow(missing_docs)]
    pub vlan: u64,
    #[allow(missing_docs)]
    pub tunnel: u64,
    /// Cut by the snap length.
    pub snapped: u64,
    /// Shorter than their IP packet says, for whatever reason: the capture's snap length, or a mirror that cuts.
    pub truncated: u64,
    /// The very same frame once more, if in another VLAN: not a packet that was routed in between.
    pub copied: u64,
    /// Of both, by interface (live).
    pub interfaces: [Told; vigie_capture::live::INTERFACES_MAX],
    /// Datagrams put together.
    pub datagrams: u64,
    /// Stamped earlier than a frame before.
    pub time_backwards: u64,
    /// Terminal: malformed.
    pub invalid: u64,
    /// Terminal: link type not decoded.
    pub link_type_unknown: u64,
    /// By link type.
    pub link_types: Vec<(LinkType, u64)>,
    /// Terminal: neither IP nor ARP.
    pub not_ip: u64,
    /// Terminal: copy of a frame just seen.
    pub duplicate: u64,
    /// Terminal: fragment kept for its datagram, or dropped with it.
    pub fragment: u64,
    /// Terminal: ARP.
    pub arp: u64,
    /// Terminal: an IP protocol that has no flows here.
    pub no_flow: u64,
    /// Terminal: belongs to a flow.
    pub flow: u64,
    /// By [`Anomaly`].
    pub anomalies: [u64; Anomaly::ALL.len()],
}

/// What is counted by interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// See [`Frames::copied`].
    pub copied: u64,
    /// See [`Frames::truncated`].
    pub truncated: u64,
}

impl Default for Frames {
    fn default() -> Self {
        Frames {
            pkts: 0,
            bytes: 0,
            max_pkt_size: 0,
            ipv4: 0,
            ipv6: 0,
            tcp: 0,
            udp: 0,
            sctp: 0,
            icmpv4: 0,
            icmpv6: 0,
            vlan: 0,
            tunnel: 0,
            snapped: 0,
            truncated: 0,
            copied: 0,
            interfaces: Default::default(),
            datagrams: 0,
            time_backwards: 0,
            invalid: 0,
            link_type_unknown: 0,
            link_types: Vec::new(),
            not_ip: 0,
            duplicate: 0,
            fragment: 0,
            arp: 0,
            no_flow: 0,
            flow: 0,
            anomalies: [0; Anomaly::ALL.len()],
        }
    }
}

impl Frames {
    pub(crate) fn link_type(&mut self, link: LinkType) {
        self.link_type_unknown += 1;
        match self.link_types.iter_mut().find(|(l, _)| *l == link) {
            Some((_, n)) => *n += 1,
            None => self.link_types.push((link, 1)),
        }
    }

    /// Adds what another front counted.
    pub(crate) fn add(&mut self, other: &Frames) {
        let Frames {
            pkts,
            bytes,
            max_pkt_size,
            ipv4,
            ipv6,
            tcp,
            udp,
            sctp,
            icmpv4,
            icmpv6,
            vlan,
            tunnel,
            snapped,
            truncated,
            copied,
            interfaces,
            datagrams,
            time_backwards,
            invalid,
            link_type_unknown,
            link_types,
            not_ip,
            duplicate,
            fragment,
            arp,
            no_flow,
            flow,
            anomalies,
        } = other;
        self.max_pkt_size = self.max_pkt_size.max(*max_pkt_size);
        for (all, one) in [
            (&mut self.pkts, pkts),
            (&mut self.bytes, bytes),
            (&mut self.ipv4, ipv4),
            (&mut self.ipv6, ipv6),
            (&mut self.tcp, tcp),
            (&mut self.udp, udp),
            (&mut self.sctp, sctp),
            (&mut self.icmpv4, icmpv4),
            (&mut self.icmpv6, icmpv6),
            (&mut self.vlan, vlan),
            (&mut self.tunnel, tunnel),
            (&mut self.snapped, snapped),
            (&mut self.truncated, truncated),
            (&mut self.copied, copied),
            (&mut self.datagrams, datagrams),
            (&mut self.time_backwards, time_backwards),
            (&mut self.invalid, invalid),
            (&mut self.link_type_unknown, link_type_unknown),
            (&mut self.not_ip, not_ip),
            (&mut self.duplicate, duplicate),
            (&mut self.fragment, fragment),
            (&mut self.arp, arp),
            (&mut self.no_flow, no_flow),
            (&mut self.flow, flow),
        ] {
            *all += one;
        }
        for (all, one) in self.anomalies.iter_mut().zip(anomalies) {
            *all += one;
        }
        for (all, one) in self.interfaces.iter_mut().zip(interfaces) {
            all.copied += one.copied;
            all.truncated += one.truncated;
        }
        for (link, n) in link_types {
            match self.link_types.iter_mut().find(|(l, _)| l == link) {
                Some((_, all)) => *all += n,
                None => self.link_types.push((*link, *n)),
            }
        }
    }

    /// The terminal counters, by name.
    pub fn terminals(&self) -> [(&'static str, u64); 8] {
        [
            ("flow", self.flow),
            ("arp", self.arp),
            ("fragment", self.fragment),
            ("duplicate", self.duplicate),
            ("no_flow", self.no_flow),
            ("not_ip", self.not_ip),
            ("link_type_unknown", self.link_type_unknown),
            ("invalid", self.invalid),
        ]
    }
}

/// Counters of the whole sensor.
#[derive(Record)]
#[record(kind = "stats")]
pub struct Stats<'a> {
    /// Seconds between the first and the last frame.
    pub uptime: u64,
    /// What the kernel counted, live.
    pub capture: Option<Kernel>,
    /// Decode.
    pub decoder: Decoder,
    /// Flows.
    pub flow: Flows,
    /// How full the memory of dissection was.
    pub memcap: Memcap,
    /// Defragmentation.
    pub defrag: &'a [Counter<'a>],
    /// TCP.
    pub tcp: &'a [Counter<'a>],
    /// Where each frame ended: their sum is `decoder.pkts`.
    #[field(place = "vigie")]
    pub terminal: &'a [Counter<'a>],
    /// Oddities of frames, by name.
    #[field(place = "vigie")]
    pub anomalies: &'a [Counter<'a>],
    /// Frames of link types that are not decoded.
    #[field(place = "vigie")]
    pub link_types: &'a [Counter<'a>],
    /// Caps that were reached; absent where none was.
    #[field(place = "vigie")]
    pub caps_reached: &'a [Counter<'a>],
    /// Flows whose protocol was told, was not, or whose dissection was given up.
    #[field(place = "vigie")]
    pub dissect: &'a [Counter<'a>],
    /// What was not recognised.
    #[field(place = "vigie")]
    pub unknown: &'a [UnknownPort<'a>],
    /// Events by kind.
    #[field(place = "vigie")]
    pub events: &'a [Counter<'a>],
    /// Whether what came is what passed.
    #[field(place = "vigie")]
    pub health: Health,
    /// The interfaces captured from, live.
    #[field(place = "vigie")]
    pub interfaces: &'a [Interface<'a>],
    /// When the last canary was let go, live.
    #[field(place = "vigie")]
    pub canary: Option<Time>,
    /// Packets that another worker read than the one that owns them (of a tunnel, mostly); absent where one reads for all.
    #[field(place = "vigie")]
    pub handed_over: Option<u64>,
    /// Packets that were to be kept, live; absent where none are.
    #[field(place = "vigie")]
    pub packets: Option<Packets>,
}

/// Packets that were to be kept.
#[derive(Group, Clone, Copy)]
pub struct Packets {
    /// Given to the server.
    pub kept: u64,
    /// Their captured bytes.
    pub bytes: u64,
    /// Overwritten before, since the server does not take them as fast.
    pub dropped: u64,
}

/// Whether what came is what passed: each figure with what it is a part of.
#[derive(Group, Clone, Copy)]
pub struct Health {
    /// Frames that came twice (of `decoder.pkts`).
    pub doubled: u64,
    /// Frames shorter than their IP packet (of `decoder.pkts`).
    pub truncated: u64,
    /// TCP conversations of which one side only was seen.
    pub one_sided: u64,
    /// TCP conversations of which both were.
    pub two_sided: u64,
    /// Bytes of TCP that the other side acknowledged.
    pub acked_bytes: u64,
    /// Of them, those that were never seen.
    pub unseen_bytes: u64,
    /// Holes that these make.
    pub unseen: u64,
    /// TCP segments with data.
    pub data_segments: u64,
    /// Of them, those that came just behind later ones, or behind their acknowledgement.
    pub reordered: u64,
}

/// An interface captured from.
#[derive(Group, Clone, Copy)]
pub struct Interface<'a> {
    /// Its name.
    pub name: &'a str,
    /// `up`, `down` (no carrier is down, too) or `absent`.
    pub link: &'a str,
    /// Frames that came, those that the ring lost included.
    pub frames: u64,
    /// Frames lost because the ring was full.
    pub kernel_drops: u64,
    /// Frames that the card or its driver dropped; absent where that is not known.
    pub card_drops: Option<u64>,
    /// Frames that came damaged; absent where that is not known.
    pub card_errors: Option<u64>,
    /// Frames that came twice.
    pub doubled: u64,
    /// Frames shorter than their IP packet.
    pub truncated: u64,
}

/// What the kernel counted.
#[derive(Group)]
pub struct Kernel {
    /// Frames that it saw, those lost included.
    pub kernel_packets: u64,
    /// Frames lost because the ring was full.
    pub kernel_drops: u64,
    /// Frames that cards or their drivers dropped, where that is known.
    pub card_drops: u64,
}

/// Decode.
#[derive(Group)]
pub struct Decoder {
    /// Frames.
    pub pkts: u64,
    /// Bytes.
    pub bytes: u64,
    /// Frames that could not be decoded.
    pub invalid: u64,
    /// Frames with IPv4.
    pub ipv4: u64,
    /// Frames with IPv6.
    pub ipv6: u64,
    /// Frames with TCP.
    pub tcp: u64,
    /// Frames with UDP.
    pub udp: u64,
    /// Frames with SCTP.
    pub sctp: u64,
    /// Frames with ICMP.
    pub icmpv4: u64,
    /// Frames with ICMPv6.
    pub icmpv6: u64,
    /// Frames with ARP.
    pub arp: u64,
    /// Frames with VLAN tags.
    pub vlan: u64,
    /// Frames with a tunnel inside.
    pub tunnel: u64,
    /// Mean frame, bytes.
    pub avg_pkt_size: u64,
    /// Longest frame, bytes.
    pub max_pkt_size: u64,
}

/// Flows.
#[derive(Group)]
pub struct Flows {
    /// Begun.
    pub total: u64,
    /// Most at once.
    pub peak: u64,
    /// Ended by time-out.
    pub timed_out: u64,
    /// Ended because the table was full.
    pub evicted: u64,
    /// Connections on the ports of a closed one.
    pub tcp_reuse: u64,
}

/// How full the memory of dissection was.
#[derive(Group)]
pub struct Memcap {
    /// Hundredths of its limit held at the end.
    pub pressure: u64,
    /// Most hundredths held at once.
    pub pressure_max: u64,
}

/// A counter with its name.
#[derive(Group, Clone, Copy)]
pub struct Counter<'a> {
    /// Name.
    pub name: &'a str,
    /// How often.
    pub count: u64,
}

/// Flows that no dissector claimed.
#[derive(Group, Clone, Copy)]
pub struct UnknownPort<'a> {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `sctp`, `esp` or `ip`.
    pub proto: &'a str,
    /// Server's port; ICMP: type of the answer.
    pub port: u16,
    /// First bytes, hexadecimal.
    pub first: vigie_event::Hex<'a>,
    /// Flows.
    pub flows: u64,
}
