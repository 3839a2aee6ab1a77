//! IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers.

use crate::checksum;
use crate::{Anomaly, Body, End, Fragment, Walk, be16, be32};
use vigie_base::Ip;

/// As many IPv6 extension headers are followed (RFC 8504 section 5.3 leaves the number to the reader).
const EXTENSIONS_MAX: usize = 10;

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const AUTHENTICATION: u8 = 51;
pub(crate) const NO_NEXT: u8 = 59;
pub(crate) const DESTINATION: u8 = 60;
pub(crate) const MOBILITY: u8 = 135;
pub(crate) const HOST_IDENTITY: u8 = 139;
pub(crate) const SHIM6: u8 = 140;

impl Walk<'_> {
    /// IPv4 or IPv6, as the version nibble tells.
    pub(crate) fn any_ip(&mut self, at: usize) {
        match self.head::<1>(at) {
            Some([first]) if first >> 4 == 6 => self.ipv6(at),
            _ => self.ipv4(at),
        }
    }

    /// An IPv4 packet.
    #[inline]
    pub(crate) fn ipv4(&mut self, at: usize) {
        let Some(h) = self.head::<20>(at) else { return self.invalid(Anomaly::Ipv4TooSmall) };
        if h[0] >> 4 != 4 {
            return self.invalid(Anomaly::Ipv4WrongVersion);
        }
        let header = usize::from(h[0] & 0x0f) * 4;
        let room = self.end - at;
        let total = match usize::from(be16(h, 2)) {
            // Left open by segmentation offload: the card would have filled it in.
            0 => room,
            total => total,
        };
        if header < 20 {
            return self.invalid(Anomaly::Ipv4HlenTooSmall);
        }
        if total < header {
            return self.invalid(Anomaly::Ipv4IplenSmallerThanHlen);
        }
        if header > room {
            return self.invalid(Anomaly::Ipv4TooSmall);
        }
        if total > room {
            self.note(Anomaly::Ipv4Truncated);
            self.cut = true;
        } else {
            self.end = at + total;
        }
        let flags = be16(h, 6);
        let out = &mut *self.out;
        out.ip_version = 4;
        out.src = Ip::v4([h[12], h[13], h[14], h[15]]);
        out.dst = Ip::v4([h[16], h[17], h[18], h[19]]);
        out.ttl = h[8];
        out.proto = h[9];
        out.ip_id = be16(h, 4);
        out.dont_fragment = flags & 0x4000 != 0;
        self.out.ip = self.rest(at);
        let l4 = at + header;
        self.out.l4 = self.rest(l4);
        if header > 20 {
            self.ipv4_options(at + 20, l4);
        }
        if self.settings.ip_checksum {
            let right = if header == 20 {
                let sum: u64 = h.as_chunks::<4>().0.iter().map(|w| u64::from(u32::from_be_bytes(*w))).sum();
                sum != 0 && sum.is_multiple_of(0xffff)
            } else {
                checksum::sum(self.data.get(at..l4).unwrap_or(&[])) == 0xffff
            };
            if !right {
                self.note(Anomaly::Ipv4Checksum);
            }
        }
        if flags & 0x3fff != 0 {
            return self.fragment(u32::from(be16(h, 4)), u32::from(flags & 0x1fff) * 8, flags & 0x2000 != 0, l4);
        }
        self.transport(h[9], l4);
    }

    /// Notes malformed options; none changes how the packet is read.
    #[cold]
    fn ipv4_options(&mut self, at: usize, end: usize) {
        let mut rest = self.data.get(at..end).unwrap_or(&[]);
        while let [kind, after @ ..] = rest {
            rest = match kind {
                0 => return,
                1 => after,
                _ => match after.first().and_then(|len| rest.get(usize::from(*len).max(2)..).filter(|_| *len >= 2)) {
                    Some(next) => next,
                    None => return self.note(Anomaly::Ipv4OptInvalid),
                },
            };
        }
    }

    /// An IPv6 packet.
    pub(crate) fn ipv6(&mut self, at: usize) {
        let Some(h) = self.head::<40>(at) else { return self.invalid(Anomaly::Ipv6TooSmall) };
        if h[0] >> 4 != 6 {
            return self.invalid(Anomaly::Ipv6WrongVersion);
        }
        let room = self.end - at - 40;
        let mut next = h[6];
        let len = match usize::from(be16(h, 4)) {
            // A jumbogram (RFC 2675), or left open by segmentation offload.
            0 if next != NO_NEXT => room,
            len => len,
        };
        if len > room {
            self.note(Anomaly::Ipv6Truncated);
            self.cut = true;
        } else {
            self.end = at + 40 + len;
        }
        let (mut src, mut dst) = ([0; 16], [0; 16]);
        src.copy_from_slice(&h[8..24]);
        dst.copy_from_slice(&h[24..40]);
        let out = &mut *self.out;
        out.ip_version = 6;
        out.src = Ip::v6(src);
        out.dst = Ip::v6(dst);
        out.ttl = h[7];
        out.proto = next;
        out.ip_id = 0;
        out.dont_fragment = false;
        self.out.ip = self.rest(at);
        self.rerouted = false;
        let mut l4 = at + 40;
        self.out.l4 = self.rest(l4);
        for _ in 0..EXTENSIONS_MAX {
            let unit = match next {
                HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | HOST_IDENTITY | SHIM6 | FRAGMENT => 8,
                AUTHENTICATION => 4,
                _ => return self.transport(next, l4),
            };
            let Some(e) = self.head::<8>(l4) else { return self.invalid(Anomaly::Ipv6TruncatedExtHdr) };
            let len = match next {
                FRAGMENT => 8,
                // RFC 4302 section 2.2: counts 4-byte words, two fewer than there are.
                AUTHENTICATION => (usize::from(e[1]) + 2) * unit,
                _ => (usize::from(e[1]) + 1) * unit,
            };
            // These are messages of their own as long as nothing follows them.
            if matches!(next, MOBILITY | HOST_IDENTITY | SHIM6) && e[0] == NO_NEXT {
                return self.other_ip(l4);
            }
            if len > self.end - l4 {
                return self.invalid(Anomaly::Ipv6TruncatedExtHdr);
            }
            let was = next;
            next = e[0];
            l4 += len;
            self.out.proto = next;
            self.out.l4 = self.rest(l4);
            if was == FRAGMENT {
                let (offset, more) = (u32::from(be16(e, 2) & 0xfff8), e[3] & 1 == 1);
                // Neither offset nor more: an atomic fragment, whole as it is (RFC 6946).
                if offset != 0 || more {
                    if more && !(self.end - l4).is_multiple_of(8) && !self.cut {
                        self.note(Anomaly::Ipv6FragInvalidLength);
                    }
                    return self.fragment(be32(e, 4), offset, more, l4);
                }
            } else if was == ROUTING && e[3] != 0 {
                // Checksums are made with the last address of the route, not with the header's (RFC 8200 section 8.1).
                self.rerouted = true;
            }
        }
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION | FRAGMENT | AUTHENTICATION => self.invalid(Anomaly::Ipv6TooManyExtHdrs),
            _ => self.transport(next, l4),
        }
    }

    #[cold]
    fn fragment(&mut self, id: u32, offset: u32, more: bool, at: usize) {
        self.out.body = Body::Fragment(Fragment { id, offset, more, data: self.rest(at) });
        self.out.end = End::GoesOn;
    }
}
