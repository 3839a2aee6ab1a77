//! What is told of flows: `flow` when one ends (Suricata's event), and Vigie's own `flow_start` and `flow_update` while it lives.

use vigie_base::{Mac, Time};
use vigie_event::{Flag, Group, Record};

/// A conversation, told once when it is over.
#[derive(Record, Default)]
#[record(kind = "flow", app_proto)]
pub struct FlowEnd<'a> {
    /// Packets from the client.
    pub pkts_toserver: u32,
    /// Packets from the server.
    pub pkts_toclient: u32,
    /// Bytes of frames from the client.
    pub bytes_toserver: u64,
    /// Bytes of frames from the server.
    pub bytes_toclient: u64,
    /// First packet.
    pub start: Time,
    /// Last packet.
    pub end: Time,
    /// Whole seconds from first to last packet.
    pub age: u64,
    /// `new`, `established`, `closed` or `bypassed`.
    pub state: &'a str,
    /// Why it ended: `timeout`, `forced` (table full), `shutdown` (end of capture), `tcp_reuse`.
    pub reason: &'a str,
    /// Whether an alert was raised on it.
    pub alerted: bool,
    /// Transactions seen.
    pub tx_cnt: Option<u32>,
    /// Protocol that it began with, where another took over.
    #[field(place = "top")]
    pub app_proto_orig: Option<&'a str>,
    /// TCP.
    #[field(place = "top")]
    pub tcp: Option<TcpEnd<'a>>,
    /// Answer's ICMP type.
    #[field(place = "top")]
    pub response_icmp_type: Option<u8>,
    /// Answer's ICMP code.
    #[field(place = "top")]
    pub response_icmp_code: Option<u8>,
    /// Community ID (version 1, seed 0).
    #[field(place = "top")]
    pub community_id: &'a str,
    /// Protocol, where Suricata has no word for it.
    #[field(place = "vigie")]
    pub app_proto: Option<&'a str>,
    /// Tunnel that it came through.
    #[field(place = "vigie")]
    pub tunnel: Option<&'a str>,
    /// Client's Ethernet address.
    #[field(place = "vigie")]
    pub client_mac: Option<Mac>,
    /// Server's Ethernet address.
    #[field(place = "vigie")]
    pub server_mac: Option<Mac>,
    /// Bytes missing in the middle of its streams.
    #[field(place = "vigie")]
    pub gap_bytes: Option<u64>,
    /// Whether it was picked up in the middle.
    #[field(place = "vigie")]
    pub midstream: Flag,
    /// Whether an ICMP error said that it could not be delivered.
    #[field(place = "vigie")]
    pub unreachable: Flag,
}

/// TCP of a flow.
#[derive(Group)]
pub struct TcpEnd<'a> {
    /// Flags seen, hexadecimal.
    pub tcp_flags: &'a str,
    /// Flags from the client.
    pub tcp_flags_ts: &'a str,
    /// Flags from the server.
    pub tcp_flags_tc: &'a str,
    /// FIN seen.
    pub fin: Flag,
    /// SYN seen.
    pub syn: Flag,
    /// RST seen.
    pub rst: Flag,
    /// PSH seen.
    pub psh: Flag,
    /// ACK seen.
    pub ack: Flag,
    /// URG seen.
    pub urg: Flag,
    /// ECE seen.
    pub ecn: Flag,
    /// CWR seen.
    pub cwr: Flag,
    /// State of the connection.
    pub state: &'a str,
}

/// A conversation begins.
#[derive(Record)]
#[record(kind = "flow_start", internal)]
pub struct FlowStart<'a> {
    /// Client's Ethernet address.
    pub client_mac: Mac,
    /// Server's Ethernet address.
    pub server_mac: Mac,
    /// TTL or hop limit of its first packet.
    pub ttl: u8,
    /// TCP flags of its first packet (0 otherwise).
    pub tcp_flags: u8,
    /// TCP window of its first packet.
    pub window: u16,
    /// TCP option kinds of its first packet, in order, with MSS and window scale: `mss1460,sok,ts,nop,ws7`.
    pub tcp_options: &'a [u8],
    /// Bytes of payload of its first packet.
    pub payload: u32,
}

/// A conversation reaches a new state: `established`, `closed`, or `unreachable` (an ICMP error came back).
#[derive(Record)]
#[record(kind = "flow_update", internal)]
pub struct FlowUpdate<'a> {
    /// The state reached.
    pub state: &'a str,
    /// Whether the server refused (RST answers the SYN).
    pub refused: bool,
    /// TTL of the packet that brought it about.
    pub ttl: u8,
    /// TCP window of that packet.
    pub window: u16,
    /// TCP options of that packet: see `flow_start`.
    pub tcp_options: &'a [u8],
}
