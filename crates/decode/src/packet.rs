//! What decode says of a frame: plain numbers and offsets into its bytes, nothing owned, nothing borrowed.

use vigie_base::{Ip, Mac};

/// How deep tunnels are followed before the rest is taken as payload.
pub const TUNNEL_DEPTH_MAX: u8 = 4;
/// How many VLAN tags are kept of a frame (more are skipped and noted).
pub const VLAN_MAX: usize = 3;

/// A half-open range of bytes of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Number of bytes.
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }
    /// Whether it holds nothing.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }
    /// The bytes themselves; empty where `data` is shorter.
    pub fn of(self, data: &[u8]) -> &[u8] {
        data.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }
}

/// What the frame is carried to: where the rest of the way begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// Nothing that flows are made of; see [`Packet::end`].
    #[default]
    None,
    /// ARP: the span of its message.
    Arp(Span),
    /// TCP.
    Tcp(Tcp),
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP and ICMPv6, told apart by [`Packet::proto`] (1 and 58).
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// Another IP protocol; its number is [`Packet::proto`].
    OtherIp,
    /// A fragment of an IP datagram: goes to defragmentation, and comes back through [`crate::decode_datagram`].
    Fragment(Fragment),
}

/// The fields of a TCP header that the way through the house needs; options stay in the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// CWR ECE URG ACK PSH RST SYN FIN, from the highest bit.
    pub flags: u8,
    /// Window as sent, unscaled.
    pub window: u16,
    /// The option bytes.
    pub options: Span,
}

impl Tcp {
    #[allow(missing_docs)]
    pub const FIN: u8 = 0x01;
    #[allow(missing_docs)]
    pub const SYN: u8 = 0x02;
    #[allow(missing_docs)]
    pub const RST: u8 = 0x04;
    #[allow(missing_docs)]
    pub const PSH: u8 = 0x08;
    #[allow(missing_docs)]
    pub const ACK: u8 = 0x10;
    #[allow(missing_docs)]
    pub const URG: u8 = 0x20;
}

/// Where a fragment belongs in its datagram (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// Identification (16 bits in IPv4, 32 in IPv6).
    pub id: u32,
    /// Offset of its first byte in the datagram's payload, in bytes.
    pub offset: u32,
    /// Whether more fragments follow.
    pub more: bool,
    /// The fragment's own bytes.
    pub data: Span,
}

/// The tunnel that the innermost packet came through: the last one entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// None.
    #[default]
    None,
    /// RFC 2784, 2890; EtherType 0x6558 inside is followed too.
    Gre,
    /// Type I, II and III.
    Erspan,
    /// RFC 7348.
    Vxlan,
    /// RFC 8926.
    Geneve,
    /// IP-in-IP, 6in4, 4in6, 6in6 (RFC 2003, 4213, 2473).
    IpIp,
    /// RFC 4380.
    Teredo,
    /// Not on any wire: the frame is Vigie's own ([`vigie_base::canary`]). Set behind decode.
    Canary,
}

impl TunnelKind {
    /// Lower-case name for events and counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gre => "gre",
            Self::Erspan => "erspan",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::IpIp => "ipip",
            Self::Teredo => "teredo",
            Self::Canary => vigie_base::canary::TUNNEL,
        }
    }
}

/// Where a frame's way ends when it carries no packet for flows. One terminal counter each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// It goes on (flow, ARP, defragmentation).
    GoesOn,
    /// Cut or malformed before the transport header could be read; see [`Packet::anomalies`].
    Invalid,
    /// Its link type is not one that Vigie decodes.
    LinkType,
    /// Its EtherType (or PPP protocol, ...) carries no IP nor ARP: LLDP, STP, IPX, ...
    NotIp,
}

vigie_base::anomalies! {
    /// One oddity of a frame.
    Anomaly {
        /// Ethernet header shorter than 14 bytes.
        EthernetTooSmall = "decoder.ethernet.pkt_too_small";
        /// Link header (other than Ethernet) cut.
        LinkTooSmall = "decoder.link.pkt_too_small";
        /// VLAN header cut.
        VlanTooSmall = "decoder.vlan.header_too_small";
        /// More VLAN tags than are kept.
        VlanTooManyLayers = "decoder.vlan.too_many_layers";
        /// MPLS label stack cut.
        MplsTooSmall = "decoder.mpls.header_too_small";
        /// PPPoE or PPP header cut or wrong.
        PppTooSmall = "decoder.ppp.pkt_too_small";
        /// IPv4 header cut.
        Ipv4TooSmall = "decoder.ipv4.pkt_too_small";
        /// IPv4 header length below 20 bytes.
        Ipv4HlenTooSmall = "decoder.ipv4.hlen_too_small";
        /// IPv4 total length smaller than its header.
        Ipv4IplenSmallerThanHlen = "decoder.ipv4.iplen_smaller_than_hlen";
        /// IPv4 total length beyond the captured bytes.
        Ipv4Truncated = "decoder.ipv4.trunc_pkt";
        /// IPv4 version field is not 4.
        Ipv4WrongVersion = "decoder.ipv4.wrong_ip_version";
        /// IPv4 options malformed.
        Ipv4OptInvalid = "decoder.ipv4.opt_invalid";
        /// IPv4 header checksum wrong (noted, not discarded).
        Ipv4Checksum = "stream.pkt_invalid_ipv4_csum";
        /// IPv6 header cut.
        Ipv6TooSmall = "decoder.ipv6.pkt_too_small";
        /// IPv6 payload length beyond the captured bytes.
        Ipv6Truncated = "decoder.ipv6.trunc_pkt";
        /// IPv6 version field is not 6.
        Ipv6WrongVersion = "decoder.ipv6.wrong_ip_version";
        /// IPv6 extension header cut or beyond the packet.
        Ipv6TruncatedExtHdr = "decoder.ipv6.trunc_exthdr";
        /// More than ten IPv6 extension headers.
        Ipv6TooManyExtHdrs = "decoder.ipv6.too_many_exthdrs";
        /// TCP header cut.
        TcpTooSmall = "decoder.tcp.pkt_too_small";
        /// TCP data offset below 20 bytes or beyond the packet.
        TcpInvalidHlen = "decoder.tcp.hlen_too_small";
        /// TCP options malformed.
        TcpOptInvalid = "decoder.tcp.opt_invalid_len";
        /// TCP checksum wrong (noted, not discarded).
        TcpChecksum = "stream.pkt_invalid_tcp_csum";
        /// UDP header cut.
        UdpTooSmall = "decoder.udp.pkt_too_small";
        /// UDP length field does not fit the packet.
        UdpInvalidLen = "decoder.udp.len_invalid";
        /// UDP checksum wrong (noted, not discarded).
        UdpChecksum = "stream.pkt_invalid_udp_csum";
        /// ICMP header cut.
        IcmpTooSmall = "decoder.icmpv4.pkt_too_small";
        /// ICMPv6 header cut.
        Icmp6TooSmall = "decoder.icmpv6.pkt_too_small";
        /// SCTP header cut.
        SctpTooSmall = "decoder.sctp.pkt_too_small";
        /// ARP message cut or of unknown form.
        ArpInvalid = "decoder.arp.invalid_pkt";
        /// GRE header cut or of unknown version.
        GreInvalid = "decoder.gre.pkt_too_small";
        /// ERSPAN header cut or of unknown version.
        ErspanInvalid = "decoder.erspan.header_too_small";
        /// Tunnel header (VXLAN, GENEVE, Teredo) not followed: malformed inside.
        TunnelInvalid = "decoder.tunnel.invalid";
        /// Tunnels or link headers deeper than are followed.
        TunnelTooDeep = "decoder.too_many_layers";
        /// The frame was cut by the capture's snap length.
        Snapped = "decoder.snapped";
        /// ICMP or ICMPv6 checksum wrong (noted, not discarded).
        IcmpChecksum = "stream.pkt_invalid_icmp_csum";
        /// ICMPv6 carried by IPv4: taken as another IP protocol.
        Ipv4Icmp6 = "decoder.ipv4.icmpv6";
        /// ICMP for IPv4 carried by IPv6: taken as another IP protocol.
        Ipv6Icmp4 = "decoder.ipv6.icmpv4";
        /// IPv6 fragment that is not the last and not a multiple of 8 bytes long (RFC 8200 section 4.5).
        Ipv6FragInvalidLength = "decoder.ipv6.frag_invalid_length";
    }
}

/// A set of [`Anomaly`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(pub u64);

impl Anomalies {
    /// Adds one.
    pub fn add(&mut self, a: Anomaly) {
        self.0 |= 1 << a as u8;
    }
    /// Whether it holds `a`.
    pub const fn has(self, a: Anomaly) -> bool {
        self.0 & (1 << a as u8) != 0
    }
    /// Those it holds, in order.
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        Anomaly::ALL.iter().copied().filter(move |a| self.has(*a))
    }
}

/// What decode found in one frame, from the outside in. All spans are of the frame's own bytes.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Where its way ends, or that it goes on.
    pub end: End,
    /// Source of the innermost Ethernet-like header; [`Mac::ZERO`] where there is none, and for what a tunnel carries without one
    /// (the outer addresses are those of the tunnel's ends, not of the hosts that talk).
    pub src_mac: Mac,
    /// See `src_mac`.
    pub dst_mac: Mac,
    /// Last EtherType read (0 where the link has none).
    pub ethertype: u16,
    /// VLAN ids of the innermost Ethernet header, outermost first; `vlans` of them. Priority tags (id 0) are not among them:
    /// they name no network, and stations send them in one direction only.
    pub vlan: [u16; VLAN_MAX],
    /// Number of VLAN tags.
    pub vlans: u8,
    /// Tunnel of the innermost packet.
    pub tunnel: TunnelKind,
    /// How many tunnels were entered.
    pub tunnel_depth: u8,
    /// Stable hash of the outer packets' addresses and tunnel keys (VNI, GRE key), 0 without tunnel: part of the flow's key,
    /// so that equal inner addresses in two tunnels stay two flows. The same in both directions.
    pub tunnel_key: u32,
    /// 4, 6, or 0 where there is no IP.
    pub ip_version: u8,
    /// Innermost source address.
    pub src: Ip,
    /// Innermost destination address.
    pub dst: Ip,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Transport protocol number (IPv6: the last next-header; of a fragment, the one its fragment header states).
    pub proto: u8,
    /// IPv4 identification (0 for IPv6).
    pub ip_id: u16,
    /// IPv4 DF bit.
    pub dont_fragment: bool,
    /// The innermost IP packet, from its header to the end that its length field states (or the frame's end).
    pub ip: Span,
    /// The transport header and what follows, to the end of the IP packet.
    pub l4: Span,
    /// Transport.
    pub body: Body,
    /// Port of TCP, UDP and SCTP; 0 otherwise.
    pub src_port: u16,
    /// See `src_port`.
    pub dst_port: u16,
    /// What the transport carries (for ICMP: what follows the 4 bytes of type, code and checksum; for other IP protocols all of
    /// `l4`; for fragments empty).
    pub payload: Span,
    /// Oddities, none of which but `End::Invalid`'s stop the packet.
    pub anomalies: Anomalies,
}

impl Packet {
    /// A packet of which nothing is known yet.
    pub const EMPTY: Packet = Packet {
        end: End::NotIp,
        src_mac: Mac::ZERO,
        dst_mac: Mac::ZERO,
        ethertype: 0,
        vlan: [0; VLAN_MAX],
        vlans: 0,
        tunnel: TunnelKind::None,
        tunnel_depth: 0,
        tunnel_key: 0,
        ip_version: 0,
        src: Ip([0; 16]),
        dst: Ip([0; 16]),
        ttl: 0,
        proto: 0,
        ip_id: 0,
        dont_fragment: false,
        ip: Span { start: 0, end: 0 },
        l4: Span { start: 0, end: 0 },
        body: Body::None,
        src_port: 0,
        dst_port: 0,
        payload: Span { start: 0, end: 0 },
        anomalies: Anomalies(0),
    };

    /// The VLAN ids, outermost first.
    pub fn vlan_ids(&self) -> &[u16] {
        self.vlan.get(..usize::from(self.vlans)).unwrap_or(&[])
    }
}

impl Default for Packet {
    fn default() -> Self {
        Self::EMPTY
    }
}
