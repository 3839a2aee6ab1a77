//! What makes two packets one flow.

use vigie_base::{Direction, Ip, addr, hash::Stable};
use vigie_decode::{Body, Packet};

/// The two ends of a flow, in a canonical order (the smaller end first), its protocol, VLANs and tunnel.
///
/// ICMP has no ports: a query and its answer stand in one flow by their types (8 and 0, 13 and 14, ...), as in Suricata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The smaller end's address.
    pub lo: Ip,
    /// The greater end's address.
    pub hi: Ip,
    /// The smaller end's port.
    pub lo_port: u16,
    /// The greater end's port.
    pub hi_port: u16,
    /// IP protocol.
    pub proto: u8,
    /// VLAN ids, 0 where there is none or where they do not count.
    pub vlan: [u16; 3],
    /// See [`Packet::tunnel_key`].
    pub tunnel: u32,
}

impl Key {
    /// The key of a packet that decode let go on with a transport, and whether its source is the greater end.
    pub fn of(p: &Packet, use_vlan: bool, use_tunnel: bool) -> (Self, bool) {
        let (sp, dp) = match p.body {
            Body::Icmp { kind, .. } => {
                let answer = counterpart(p.proto, kind).unwrap_or(kind);
                (u16::from(kind), u16::from(answer))
            }
            _ => (p.src_port, p.dst_port),
        };
        Self::new(p.src, p.dst, sp, dp, p.proto, if use_vlan { p.vlan } else { [0; 3] }, if use_tunnel { p.tunnel_key } else { 0 })
    }

    /// The key of two ends, and whether `src` is the greater one.
    pub fn new(src: Ip, dst: Ip, sp: u16, dp: u16, proto: u8, vlan: [u16; 3], tunnel: u32) -> (Self, bool) {
        let swap = (src, sp) > (dst, dp);
        let (lo, hi, lo_port, hi_port) = if swap { (dst, src, dp, sp) } else { (src, dst, sp, dp) };
        (Key { lo, hi, lo_port, hi_port, proto, vlan, tunnel }, swap)
    }

    /// The hash of tables under `seed`.
    #[inline]
    pub fn hash(&self, seed: u64) -> u64 {
        let a = self.lo.bits() ^ u128::from(seed);
        let b = self.hi.bits();
        let ports = u64::from(self.lo_port) << 48 | u64::from(self.hi_port) << 32 | u64::from(self.proto) << 24;
        let vlan = u64::from(self.vlan[0]) << 48 | u64::from(self.vlan[1]) << 32 | u64::from(self.tunnel);
        let mut h = fold(a as u64 ^ 0x9e37_79b9_7f4a_7c15, (a >> 64) as u64 ^ 0xe703_7ed1_a0b4_28db);
        h = fold(h ^ b as u64, (b >> 64) as u64 ^ 0x8ebc_6af0_9c88_c6e3);
        fold(h ^ ports, vlan ^ u64::from(self.vlan[2]) ^ 0x5895_36af_2d35_7ab9)
    }

    /// The identifier of the flow whose first packet came at `first` (nanoseconds): a hash of sensor, key and time, below 2^53.
    pub fn flow_id(&self, sensor: u64, first: u64) -> u64 {
        let a = self.lo.bits();
        let b = self.hi.bits();
        Stable::default()
            .word(sensor)
            .word(a as u64)
            .word((a >> 64) as u64)
            .word(b as u64)
            .word((b >> 64) as u64)
            .word(u64::from(self.lo_port) << 32 | u64::from(self.hi_port) << 16 | u64::from(self.proto))
            .word(u64::from(self.vlan[0]) << 32 | u64::from(self.vlan[1]) << 16 | u64::from(self.vlan[2]))
            .word(u64::from(self.tunnel))
            .word(first)
            .finish53()
            .max(1)
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let m = u128::from(a) * u128::from(b);
    m as u64 ^ (m >> 64) as u64
}

/// The worker that owns a packet: by its two addresses alone, so that all flows between two hosts (an FTP session's data
/// connections, the ICMP errors of the host that was called) have one owner.
pub fn owner(p: &Packet, workers: usize) -> usize {
    addr::part(p.src, p.dst, workers as u32) as usize
}

/// The packet that an ICMP error quotes (RFC 792 destination unreachable, RFC 4443 type 1): its ends and ports.
#[derive(Clone, Copy, Debug)]
pub struct Quoted {
    /// Source of the quoted packet.
    pub src: Ip,
    /// Destination of the quoted packet.
    pub dst: Ip,
    /// Its ports, 0 without.
    pub src_port: u16,
    /// See `src_port`.
    pub dst_port: u16,
    /// Its protocol.
    pub proto: u8,
}

/// What `p` quotes, where it is an ICMP destination unreachable, sent by that destination itself, with enough of the packet it
/// answers. One that a router sends is a conversation with the router: another worker may own the flow it quotes.
pub fn quoted(p: &Packet, frame: &[u8]) -> Option<Quoted> {
    let Body::Icmp { kind, .. } = p.body else { return None };
    // Type, code and checksum are not in the payload; four unused bytes stand before the quoted packet.
    let inner = p.payload.of(frame).get(4..)?;
    let (src, dst, proto, l4) = match (p.proto, kind) {
        (1, 3) => {
            let head = inner.get(..20)?;
            let len = usize::from(head[0] & 15) * 4;
            if head[0] >> 4 != 4 || len < 20 {
                return None;
            }
            let at = |i: usize| Ip::v4([head[i], head[i + 1], head[i + 2], head[i + 3]]);
            (at(12), at(16), head[9], inner.get(len..)?)
        }
        (58, 1) => {
            let head = inner.get(..40)?;
            if head[0] >> 4 != 6 {
                return None;
            }
            let at = |i: usize| <[u8; 16]>::try_from(&head[i..i + 16]).ok().map(Ip::v6);
            (at(8)?, at(24)?, head[6], inner.get(40..)?)
        }
        _ => return None,
    };
    if !matches!(proto, 6 | 17 | 132) || (src, dst) != (p.dst, p.src) {
        return None;
    }
    let ports = l4.get(..4)?;
    let (src_port, dst_port) = (u16::from_be_bytes([ports[0], ports[1]]), u16::from_be_bytes([ports[2], ports[3]]));
    Some(Quoted { src, dst, src_port, dst_port, proto })
}

/// The ICMP type that answers `kind`, and the other way round: of those that Suricata takes for one flow.
pub const fn counterpart(proto: u8, kind: u8) -> Option<u8> {
    Some(match (proto, kind) {
        (1, 0) => 8,
        (1, 8) => 0,
        (1, 9) => 10,
        (1, 10) => 9,
        (1, 13) => 14,
        (1, 14) => 13,
        (1, 15) => 16,
        (1, 16) => 15,
        (1, 17) => 18,
        (1, 18) => 17,
        (58, 128) => 129,
        (58, 129) => 128,
        (58, 133) => 134,
        (58, 134) => 133,
        (58, 135) => 136,
        (58, 136) => 135,
        _ => return None,
    })
}

/// Which way a packet goes, given which end called.
pub(crate) const fn direction(swap: bool, client_is_hi: bool) -> Direction {
    if swap == client_is_hi { Direction::ToServer } else { Direction::ToClient }
}
