//! What every event carries: when, which flow, who to whom.

use vigie_base::{Ip, Time};

/// [`Envelope::tx_id`] of an event that belongs to no transaction.
pub const NO_TX: u32 = u32::MAX;

/// The envelope. (`ts`, `flow_id`, `seq`) is a total order of events that does not depend on the number of workers.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    /// When it was seen: the time of the packet that completed it.
    pub ts: Time,
    /// Flow, below 2^53; 0 for events outside flows.
    pub flow_id: u64,
    /// Order within the flow; outside flows the frame's number.
    pub seq: u32,
    /// Transaction within the flow, from 0; [`NO_TX`] for none.
    pub tx_id: u32,
    /// Number of the frame in the capture, from 1; 0 where no frame made it (a time-out).
    pub frame: u64,
    /// Source.
    pub src: Ip,
    /// Destination.
    pub dst: Ip,
    /// Source port, where the transport has ports.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// IP protocol number; 255 for none.
    pub proto: u8,
    /// 4, 6, or 0 for events without addresses.
    pub ip_version: u8,
    /// ICMP type, where `proto` is 1 or 58.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// VLAN ids, outermost first.
    pub vlan: [u16; 3],
    /// Number of VLAN ids.
    pub vlans: u8,
    /// Application protocol of the flow, in Suricata's words; empty where not known.
    pub app_proto: &'static str,
    /// The tunnel it came through, lower case; empty for none.
    pub tunnel: &'static str,
}

impl Default for Envelope {
    fn default() -> Self {
        Envelope {
            ts: Time(0),
            flow_id: 0,
            seq: 0,
            tx_id: NO_TX,
            frame: 0,
            src: Ip::default(),
            dst: Ip::default(),
            src_port: 0,
            dst_port: 0,
            proto: 255,
            ip_version: 0,
            icmp_type: 0,
            icmp_code: 0,
            vlan: [0; 3],
            vlans: 0,
            app_proto: "",
            tunnel: "",
        }
    }
}

impl Envelope {
    /// The same with source and destination exchanged.
    pub fn flipped(&self) -> Self {
        Envelope { src: self.dst, dst: self.src, src_port: self.dst_port, dst_port: self.src_port, ..*self }
    }

    /// Whether the event is the canary's ([`vigie_base::canary`]): it is for those who wait for it, and nothing to keep, count or show.
    pub fn is_canary(&self) -> bool {
        self.tunnel == vigie_base::canary::TUNNEL
    }

    /// Whether the transport has ports.
    pub const fn has_ports(&self) -> bool {
        matches!(self.proto, 6 | 17 | 132)
    }

    /// The transport in Suricata's words; `None` for numbers without a name here.
    pub const fn proto_name(&self) -> Option<&'static str> {
        proto_name(self.proto)
    }
}

/// The number of an IP protocol's name as EVE writes it.
pub fn proto_number(name: &str) -> Option<u8> {
    (0..=u8::MAX).find(|n| proto_name(*n) == Some(name))
}

/// The name of an IP protocol number as EVE writes it.
pub const fn proto_name(proto: u8) -> Option<&'static str> {
    Some(match proto {
        0 => "IPv6-HOPOPTS",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IP-ENCAP",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "IPv6-ICMP",
        88 => "EIGRP",
        89 => "OSPFIGP",
        103 => "PIM",
        112 => "VRRP",
        132 => "SCTP",
        _ => return None,
    })
}
