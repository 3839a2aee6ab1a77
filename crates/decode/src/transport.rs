//! TCP, UDP, SCTP and ICMP headers, and the protocols of IP that carry IP again.

use crate::{Anomaly, Body, End, Span, Tcp, TunnelKind, Walk, be16, be32, checksum};

const ICMP: u8 = 1;
const IPV4: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6: u8 = 41;
const GRE: u8 = 47;
const AUTHENTICATION: u8 = crate::ip::AUTHENTICATION;
const ICMP6: u8 = 58;
const SCTP: u8 = 132;

impl Walk<'_> {
    /// What an IP packet carries at `at`, to the end of the layer in hand.
    #[inline]
    pub(crate) fn transport(&mut self, proto: u8, at: usize) {
        match proto {
            TCP => self.tcp(at),
            UDP => self.udp(at),
            _ => self.rarer_transport(proto, at),
        }
    }

    fn rarer_transport(&mut self, proto: u8, at: usize) {
        match proto {
            ICMP | ICMP6 => self.icmp(proto, at),
            SCTP => self.sctp(at),
            GRE => self.gre(at),
            IPV4 | IPV6 => {
                self.other_ip(at);
                self.enter(TunnelKind::IpIp, 0, |walk| if proto == IPV4 { walk.ipv4(at) } else { walk.ipv6(at) });
            }
            AUTHENTICATION => self.authentication(at),
            _ => self.other_ip(at),
        }
    }

    /// A protocol whose header is not read.
    pub(crate) fn other_ip(&mut self, at: usize) {
        self.out.body = Body::OtherIp;
        self.out.payload = self.rest(at);
        self.out.end = End::GoesOn;
    }

    /// An authentication header of IPv4 (RFC 4302): it protects, but hides nothing.
    fn authentication(&mut self, at: usize) {
        let header = self.head::<12>(at).map(|h| (h[0], (usize::from(h[1]) + 2) * 4));
        match header {
            Some((next, len)) if len >= 12 && len <= self.end - at && self.layers > 0 => {
                self.layers -= 1;
                self.out.proto = next;
                self.out.l4 = self.rest(at + len);
                self.transport(next, at + len);
            }
            _ => self.other_ip(at),
        }
    }

    /// TCP (RFC 9293 section 3.1).
    #[inline]
    fn tcp(&mut self, at: usize) {
        let Some(h) = self.head::<20>(at) else { return self.invalid(Anomaly::TcpTooSmall) };
        let header = usize::from(h[12] >> 4) * 4;
        let room = self.end - at;
        if header < 20 || (header > room && !self.cut) {
            return self.invalid(Anomaly::TcpInvalidHlen);
        }
        let options = Span { start: (at + 20) as u32, end: (at + header.min(room)) as u32 };
        let out = &mut *self.out;
        out.src_port = be16(h, 0);
        out.dst_port = be16(h, 2);
        out.body = Body::Tcp(Tcp { seq: be32(h, 4), ack: be32(h, 8), flags: h[13], window: be16(h, 14), options });
        out.end = End::GoesOn;
        self.out.payload = self.rest(at + header);
        if header > 20 && header <= room {
            self.tcp_options(options.of(self.data));
        }
        if self.settings.l4_checksum {
            self.verify(at, self.end, Anomaly::TcpChecksum);
        }
    }

    /// Notes malformed options (RFC 9293 section 3.1, kinds and lengths).
    #[inline]
    fn tcp_options(&mut self, mut rest: &[u8]) {
        // Two fillers and a timestamp: nearly every segment.
        if let [1, 1, 8, 10, ..] = rest
            && rest.len() == 12
        {
            return;
        }
        while let [kind, after @ ..] = rest {
            rest = match kind {
                0 => return,
                1 => after,
                _ => match after.first().and_then(|len| rest.get(usize::from(*len).max(2)..).filter(|_| *len >= 2)) {
                    Some(next) => next,
                    None => return self.note(Anomaly::TcpOptInvalid),
                },
            };
        }
    }

    /// UDP (RFC 768).
    #[inline]
    fn udp(&mut self, at: usize) {
        let Some(h) = self.head::<8>(at) else { return self.invalid(Anomaly::UdpTooSmall) };
        let (src_port, dst_port) = (be16(h, 0), be16(h, 2));
        let (len, room) = (usize::from(be16(h, 4)), self.end - at);
        if len < 8 || (len > room && !self.cut) {
            self.note(Anomaly::UdpInvalidLen);
        }
        // A receiver drops a datagram shorter than its header: nothing of it is payload.
        let end = at + len.clamp(8, room);
        self.out.src_port = src_port;
        self.out.dst_port = dst_port;
        self.out.payload = Span { start: (at + 8) as u32, end: end as u32 };
        self.out.body = Body::Udp;
        self.out.end = End::GoesOn;
        if self.settings.l4_checksum && len <= room && be16(h, 6) != 0 {
            self.verify(at, end, Anomaly::UdpChecksum);
        }
        self.end = end;
        self.udp_tunnel(src_port, dst_port, at + 8);
    }

    /// SCTP (RFC 9260 section 3).
    fn sctp(&mut self, at: usize) {
        let Some(h) = self.head::<12>(at) else { return self.invalid(Anomaly::SctpTooSmall) };
        self.out.src_port = be16(h, 0);
        self.out.dst_port = be16(h, 2);
        self.out.body = Body::Sctp;
        self.out.payload = self.rest(at + 12);
        self.out.end = End::GoesOn;
    }

    /// ICMP (RFC 792) and ICMPv6 (RFC 4443), each in its own IP only.
    fn icmp(&mut self, proto: u8, at: usize) {
        match (proto, self.out.ip_version) {
            (ICMP, 6) => {
                self.note(Anomaly::Ipv6Icmp4);
                return self.other_ip(at);
            }
            (ICMP6, 4) => {
                self.note(Anomaly::Ipv4Icmp6);
                return self.other_ip(at);
            }
            _ => {}
        }
        let small = if proto == ICMP { Anomaly::IcmpTooSmall } else { Anomaly::Icmp6TooSmall };
        let Some(h) = self.head::<4>(at) else { return self.invalid(small) };
        if self.end - at < 8 {
            self.note(small);
        }
        self.out.body = Body::Icmp { kind: h[0], code: h[1] };
        self.out.payload = self.rest(at + 4);
        self.out.end = End::GoesOn;
        if self.settings.l4_checksum {
            self.verify(at, self.end, Anomaly::IcmpChecksum);
        }
    }

    /// Notes `wrong` if the checksum over `at..end` does not hold; only where all that it covers is there.
    fn verify(&mut self, at: usize, end: usize, wrong: Anomaly) {
        if self.cut || (self.rerouted && self.out.ip_version == 6) {
            return;
        }
        let message = self.data.get(at..end).unwrap_or(&[]);
        // ICMP for IPv4 alone has no pseudo header.
        let right = match self.out.proto {
            ICMP => checksum::sum(message) == 0xffff,
            proto => checksum::holds(self.out.src, self.out.dst, proto, message),
        };
        if !right {
            self.note(wrong);
        }
    }
}
