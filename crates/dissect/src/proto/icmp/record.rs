//! The `icmp` event: Vigie's own.

use vigie_base::{Ip, Mac, Time};
use vigie_event::{Flag, Group, Record};

/// Figures of an ICMP flow since its start, or a router advertisement or redirect. From the side that sent the first message.
#[derive(Record)]
#[record(kind = "icmp")]
pub struct IcmpMessage<'a> {
    /// `start` (first message), `update` (every 64 messages), `end` (flow over): all with figures since the start; `router`: a router
    /// advertisement, first or changed; `redirect`: a route is changed.
    pub phase: &'a str,
    /// Type of the first message (8 or 128: echo request).
    #[field(key = "type")]
    pub kind: u8,
    /// Code of the first message.
    pub code: u8,
    /// Time of the first message.
    pub first: Time,
    /// Identifier (echo).
    pub id: Option<u16>,
    /// First request's sequence number (echo).
    pub seq_first: Option<u16>,
    /// Last request's sequence number (echo).
    pub seq_last: Option<u16>,
    /// Lowest sequence number of a request (echo).
    pub seq_min: Option<u16>,
    /// Highest sequence number of a request (echo).
    pub seq_max: Option<u16>,
    /// Messages of the side that began.
    pub to_server: IcmpSide,
    /// Messages of the other side.
    pub to_client: IcmpSide,
    /// Echo replies with exactly their request's payload, as they must be.
    pub echoed: u64,
    /// Echo replies with another payload than their request's: no ping does that.
    pub changed: u64,
    /// Echo replies to none of the last 16 requests.
    pub unasked: u64,
    /// Router advertisement.
    pub router: Option<IcmpRouter<'a>>,
    /// Redirect: who shall be the way.
    pub gateway: Option<Ip>,
    /// Redirect: to where.
    pub destination: Option<Ip>,
}

/// What one side of an ICMP flow sent.
#[derive(Group, Clone, Copy)]
pub struct IcmpSide {
    /// Messages.
    pub messages: u64,
    /// Bytes of payload, after the 8 bytes of header.
    pub bytes: u64,
    /// Bytes of the shortest payload.
    pub min: u32,
    /// Bytes of the longest payload.
    pub max: u32,
    /// Different payloads, without their first 16 bytes (where pings keep a time stamp), up to 64.
    pub distinct: u32,
    /// Entropy of the payloads' first 256 bytes, bits a byte, 0 to 8: from the second payload on, where there is one.
    pub entropy: f64,
}

/// A router advertisement (RFC 4861 section 4.2).
#[derive(Group, Clone, Copy)]
pub struct IcmpRouter<'a> {
    /// Hop limit that hosts should use (0: not said).
    pub hop_limit: u8,
    /// Addresses come from DHCPv6.
    pub managed: Flag,
    /// Other configuration comes from DHCPv6.
    pub other: Flag,
    /// Seconds for which it is a default router (0: it is none).
    pub lifetime: u16,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
    /// Prefixes on the link.
    pub prefixes: &'a [&'a [u8]],
    /// DNS servers (RFC 8106).
    pub dns_servers: &'a [Ip],
}
