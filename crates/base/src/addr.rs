//! IP and MAC addresses as plain values.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP address in 16 bytes; IPv4 stands in its mapped form (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ip(pub [u8; 16]);

/// What [`part`] multiplies by (the golden ratio of 2^32), and the bits that it drops after: the kernel's filters compute the same.
pub const PART_FACTOR: u32 = 0x9e37_79b1;
/// See [`PART_FACTOR`].
pub const PART_SHIFT: u32 = 16;

/// The part, of `of`, that all traffic between two addresses belongs to, whichever of them is named first.
#[inline]
pub const fn part(a: Ip, b: Ip, of: u32) -> u32 {
    let x = a.bits() ^ b.bits();
    let x = (x ^ x >> 64) as u64;
    let x = (x ^ x >> 32) as u32;
    (x.wrapping_mul(PART_FACTOR) >> PART_SHIFT) % if of == 0 { 1 } else { of }
}

const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl Ip {
    /// From four bytes in network order.
    #[inline]
    pub const fn v4(b: [u8; 4]) -> Self {
        Ip([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, b[0], b[1], b[2], b[3]])
    }

    /// From sixteen bytes in network order.
    #[inline]
    pub const fn v6(b: [u8; 16]) -> Self {
        Ip(b)
    }

    /// Whether this is an IPv4 address.
    #[inline]
    pub fn is_v4(self) -> bool {
        self.0[..12] == MAPPED
    }

    /// The four bytes of an IPv4 address.
    #[inline]
    pub fn to_v4(self) -> Option<[u8; 4]> {
        self.is_v4().then(|| [self.0[12], self.0[13], self.0[14], self.0[15]])
    }

    /// As one number: IPv4 and IPv6 in one order.
    #[inline]
    pub const fn bits(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// 0.0.0.0 or `::`.
    pub fn is_unspecified(self) -> bool {
        self.0 == [0; 16] || self == Ip::v4([0; 4])
    }

    /// 224.0.0.0/4, 255.255.255.255 or ff00::/8.
    pub fn is_multicast_or_broadcast(self) -> bool {
        match self.to_v4() {
            Some(b) => b[0] >= 224 && (b[0] < 240 || b == [255; 4]),
            None => self.0[0] == 0xff,
        }
    }

    /// 169.254.0.0/16 or fe80::/10: says nothing of a machine beyond its own segment.
    pub fn is_link_local(self) -> bool {
        match self.to_v4() {
            Some(b) => b[0] == 169 && b[1] == 254,
            None => self.0[0] == 0xfe && self.0[1] & 0xc0 == 0x80,
        }
    }

    /// 127.0.0.0/8 or `::1`.
    pub fn is_loopback(self) -> bool {
        match self.to_v4() {
            Some(b) => b[0] == 127,
            None => self.bits() == 1,
        }
    }

    /// As the standard library's type.
    pub fn std(self) -> IpAddr {
        match self.to_v4() {
            Some(b) => IpAddr::V4(Ipv4Addr::from(b)),
            None => IpAddr::V6(Ipv6Addr::from(self.0)),
        }
    }

    /// Into `out`, in the text form of RFC 5952 (Suricata writes IPv6 in full; see [`Ip::write_eve`]).
    pub fn write(self, out: &mut Vec<u8>) {
        if let Some(b) = self.to_v4() {
            for (i, part) in b.into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                write_u8(part, out);
            }
        } else {
            use std::io::Write;
            let _ = write!(out, "{}", Ipv6Addr::from(self.0));
        }
    }

    /// Into `out` as EVE writes it: IPv6 as eight groups of four hexadecimal digits.
    pub fn write_eve(self, out: &mut Vec<u8>) {
        if self.is_v4() {
            return self.write(out);
        }
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for (i, b) in self.0.into_iter().enumerate() {
            if i > 0 && i % 2 == 0 {
                out.push(b':');
            }
            out.push(HEX[usize::from(b >> 4)]);
            out.push(HEX[usize::from(b & 15)]);
        }
    }
}

fn write_u8(v: u8, out: &mut Vec<u8>) {
    if v >= 100 {
        out.push(b'0' + v / 100);
    }
    if v >= 10 {
        out.push(b'0' + v / 10 % 10);
    }
    out.push(b'0' + v % 10);
}

impl From<IpAddr> for Ip {
    fn from(a: IpAddr) -> Self {
        match a {
            IpAddr::V4(a) => Ip::v4(a.octets()),
            IpAddr::V6(a) => Ip::v6(a.octets()),
        }
    }
}

impl std::str::FromStr for Ip {
    type Err = std::net::AddrParseError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse::<IpAddr>().map(Ip::from)
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.std(), f)
    }
}

impl fmt::Debug for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// All zero: no address.
    pub const ZERO: Mac = Mac([0; 6]);

    /// Group bit set (multicast and broadcast).
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Locally administered: not from a vendor's range (randomised addresses, virtual machines).
    pub const fn is_local(self) -> bool {
        self.0[0] & 2 == 2
    }

    /// `00:11:22:33:44:55` into `out`.
    pub fn write(self, out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for (i, b) in self.0.into_iter().enumerate() {
            if i > 0 {
                out.push(b':');
            }
            out.push(HEX[usize::from(b >> 4)]);
            out.push(HEX[usize::from(b & 15)]);
        }
    }
}

/// Text that is no Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacError;

impl fmt::Display for MacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Ethernet address such as 00:11:22:aa:bb:cc")
    }
}

impl std::error::Error for MacError {}

/// Twelve hexadecimal digits of any case: in pairs by `:` or `-`, in fours by `.`, or without anything between.
impl std::str::FromStr for Mac {
    type Err = MacError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let s = s.trim().as_bytes();
        let (step, between): (usize, &[u8]) = match s.len() {
            12 => (12, b""),
            14 => (4, b"."),
            17 => (2, b":-"),
            _ => return Err(MacError),
        };
        let (mut mac, mut digits) = ([0u8; 6], 0usize);
        for (i, c) in s.iter().enumerate() {
            if i % (step + 1) == step {
                if !between.contains(c) || *c != s[step] {
                    return Err(MacError);
                }
                continue;
            }
            let v = (*c as char).to_digit(16).ok_or(MacError)? as u8;
            mac[digits / 2] |= if digits.is_multiple_of(2) { v << 4 } else { v };
            digits += 1;
        }
        Ok(Mac(mac))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = self.0;
        write!(f, "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", m[0], m[1], m[2], m[3], m[4], m[5])
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let mut b = Vec::new();
        Ip::v4([192, 168, 0, 10]).write(&mut b);
        assert_eq!(b, b"192.168.0.10");
        b.clear();
        "fe80::1".parse::<Ip>().unwrap().write_eve(&mut b);
        assert_eq!(b, b"fe80:0000:0000:0000:0000:0000:0000:0001");
        assert_eq!("fe80::1".parse::<Ip>().unwrap().to_string(), "fe80::1");
        assert!(Ip::v4([239, 0, 0, 1]).is_multicast_or_broadcast());
        assert_eq!(Mac([1, 2, 3, 0xaa, 5, 6]).to_string(), "01:02:03:aa:05:06");
        for text in ["01:02:03:aa:05:06", "01-02-03-AA-05-06", "0102.03aa.0506", "010203aa0506"] {
            assert_eq!(text.parse(), Ok(Mac([1, 2, 3, 0xaa, 5, 6])), "{text}");
        }
        for text in ["", "01:02-03:aa:05:06", "01:02:03:aa:05:0g", "é1:02:03:aa:05:06", "0102:03aa:0506", "01:02:03:aa:05:06:07"] {
            assert_eq!(text.parse::<Mac>(), Err(MacError), "{text}");
        }
    }
}
