//! ARP for IPv4 over Ethernet (RFC 826; probes and announcements of RFC 5227 told by their fields). Not in a flow: the sensor hands messages over.

use crate::{Cursor, Cx};
use vigie_base::{Ip, Mac};
use vigie_event::{NO_TX, Out, Record};

/// An ARP message.
#[derive(Record)]
#[record(kind = "arp")]
pub struct Arp<'a> {
    /// Hardware type: `ethernet`.
    pub hw_type: &'a str,
    /// Protocol type: `ipv4`.
    pub proto_type: &'a str,
    /// `request`, `reply`, ...
    pub opcode: &'a [u8],
    /// Sender's Ethernet address.
    pub src_mac: Mac,
    /// Sender's address.
    pub src_ip: Ip,
    /// Target's Ethernet address.
    pub dest_mac: Mac,
    /// Target's address.
    pub dest_ip: Ip,
    /// Source of the Ethernet frame, where it is not the sender.
    #[field(place = "vigie")]
    pub frame_mac: Option<Mac>,
}

/// Tells an ARP message. Only Ethernet and IPv4; `false` for others.
pub fn dissect<O: Out>(cx: &mut Cx<'_, O>, bytes: &[u8]) -> bool {
    let Some(m) = parse(bytes) else { return false };
    let opcode: &[u8] = match m.opcode {
        1 => b"request",
        2 => b"reply",
        3 => b"request_reverse",
        4 => b"reply_reverse",
        8 => b"inarp_request",
        9 => b"inarp_reply",
        n => return unknown_opcode(cx, n),
    };
    let frame_mac = Some(cx.client_mac).filter(|mac| *mac != m.src_mac && *mac != Mac::ZERO);
    cx.push(
        NO_TX,
        &Arp {
            hw_type: "ethernet",
            proto_type: "ipv4",
            opcode,
            src_mac: m.src_mac,
            src_ip: m.src_ip,
            dest_mac: m.dest_mac,
            dest_ip: m.dest_ip,
            frame_mac,
        },
    );
    true
}

fn unknown_opcode<O: Out>(cx: &mut Cx<'_, O>, _opcode: u16) -> bool {
    cx.anomaly("arp", "unsupported_opcode", NO_TX);
    false
}

struct Message {
    opcode: u16,
    src_mac: Mac,
    src_ip: Ip,
    dest_mac: Mac,
    dest_ip: Ip,
}

fn parse(bytes: &[u8]) -> Option<Message> {
    let mut c = Cursor::new(bytes);
    let (hw, proto, hlen, plen, opcode) = (c.u16()?, c.u16()?, c.u8()?, c.u8()?, c.u16()?);
    if (hw, proto, hlen, plen) != (1, 0x0800, 6, 4) {
        return None;
    }
    let mut mac = || Some(Mac(c.take(6)?.try_into().ok()?)).zip(c.take(4).and_then(|b| b.try_into().ok()).map(Ip::v4));
    let ((src_mac, src_ip), (dest_mac, dest_ip)) = (mac()?, mac()?);
    Some(Message { opcode, src_mac, src_ip, dest_mac, dest_ip })
}
