//! Link types of pcap other than Ethernet (the registry at tcpdump.org, "LINKTYPE_").

use crate::{Anomaly, End, Walk, be16, be32};
use vigie_base::Mac;

pub(crate) const ETHERNET: u16 = 1;
const NULL: u16 = 0;
const TOKEN_RING: u16 = 6;
const PPP: u16 = 9;
const FDDI: u16 = 10;
const PPP_HDLC: u16 = 50;
const PPP_ETHER: u16 = 51;
const ATM_RFC1483: u16 = 100;
const RAW: u16 = 101;
const C_HDLC: u16 = 104;
const IEEE802_11: u16 = 105;
const LOOP: u16 = 108;
const ENC: u16 = 109;
const LINUX_SLL: u16 = 113;
const PFLOG: u16 = 117;
const PRISM: u16 = 119;
const RADIOTAP: u16 = 127;
const AVS: u16 = 163;
const PPP_PPPD: u16 = 166;
const PPI: u16 = 192;
const PPP_WITH_DIR: u16 = 204;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const NFLOG: u16 = 239;
const NETANALYZER: u16 = 240;
const NETANALYZER_TRANSPARENT: u16 = 241;
const LINUX_SLL2: u16 = 276;

impl Walk<'_> {
    /// A frame of link type `link` that begins at `at`.
    #[inline(never)]
    pub(crate) fn link(&mut self, link: u16, at: usize) {
        if !self.deeper() {
            return;
        }
        match link {
            ETHERNET => self.ethernet(at),
            NULL | LOOP => self.null(at, at + 4),
            // Address family, SPI and flags.
            ENC => self.null(at, at + 12),
            // Access control, then as FDDI.
            TOKEN_RING => self.ring(at + 2, true),
            FDDI => self.ring(at + 1, false),
            PPP => self.ppp(at),
            PPP_HDLC => match self.head::<2>(at) {
                Some([0x0f | 0x8f, 0]) => self.c_hdlc(at),
                _ => self.ppp(at),
            },
            PPP_ETHER => self.pppoe(at),
            // A byte of direction stands for the HDLC address.
            PPP_PPPD => match self.head::<2>(at) {
                Some([_, 0x03]) => self.ppp(at + 2),
                _ => self.ppp(at),
            },
            PPP_WITH_DIR => self.ppp(at + 1),
            ATM_RFC1483 => self.llc(at),
            // Beside the registered number, the DLT_RAW of several systems.
            12 | 14 | RAW => self.any_ip(at),
            IPV4 => self.ipv4(at),
            IPV6 => self.ipv6(at),
            C_HDLC => self.c_hdlc(at),
            LINUX_SLL => self.sll(at),
            LINUX_SLL2 => self.sll2(at),
            PFLOG => self.pflog(at),
            IEEE802_11 => self.dot11(at, false),
            RADIOTAP => self.radiotap(at),
            PRISM | AVS => self.prism(at),
            PPI => self.ppi(at),
            NFLOG => self.nflog(at),
            NETANALYZER => self.ethernet(at + 4),
            // Its own header, then the frame with preamble and start delimiter.
            NETANALYZER_TRANSPARENT => self.ethernet(at + 12),
            _ => self.out.end = End::LinkType,
        }
    }

    /// BSD loopback: an address family in either byte order, which each system numbers for itself.
    fn null(&mut self, at: usize, ip: usize) {
        let Some(h) = self.head::<4>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        match *h {
            [family, 0, 0, 0] | [0, 0, 0, family] => self.family(family, ip),
            // Seen in captures of serial lines that were labelled so.
            [0x0f | 0x8f, 0, ..] => self.c_hdlc(at),
            _ => {}
        }
    }

    /// AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 24, 28 and 30 on the BSDs and macOS.
    fn family(&mut self, family: u8, ip: usize) {
        match family {
            2 => self.ipv4(ip),
            10 | 24 | 28 | 30 => self.ipv6(ip),
            _ => {}
        }
    }

    /// Addresses of a token ring or FDDI frame, then LLC; a source-routed frame has its route between them.
    fn ring(&mut self, at: usize, routed: bool) {
        let Some(h) = self.head::<12>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        self.out.dst_mac = Mac([h[0], h[1], h[2], h[3], h[4], h[5]]);
        self.out.src_mac = Mac([h[6] & 0x7f, h[7], h[8], h[9], h[10], h[11]]);
        let mut llc = at + 12;
        if routed && h[6] & 0x80 != 0 {
            let Some(route) = self.head::<1>(llc) else { return self.invalid(Anomaly::LinkTooSmall) };
            llc += usize::from(route[0] & 0x1f).max(2);
        }
        self.llc(llc);
    }

    /// Cisco HDLC: address, control, EtherType.
    fn c_hdlc(&mut self, at: usize) {
        let Some(h) = self.head::<4>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        self.ethertype(be16(h, 2), at + 4);
    }

    /// Linux cooked capture.
    fn sll(&mut self, at: usize) {
        let Some(h) = self.head::<16>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        if be16(h, 4) == 6 {
            self.out.src_mac = Mac([h[6], h[7], h[8], h[9], h[10], h[11]]);
        }
        self.cooked(be16(h, 14), at + 16);
    }

    /// Linux cooked capture, second version.
    fn sll2(&mut self, at: usize) {
        let Some(h) = self.head::<20>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        if h[11] == 6 {
            self.out.src_mac = Mac([h[12], h[13], h[14], h[15], h[16], h[17]]);
        }
        self.cooked(be16(h, 0), at + 20);
    }

    /// The protocol of a cooked frame: an EtherType, or 4 for LLC.
    fn cooked(&mut self, protocol: u16, at: usize) {
        if protocol == 4 { self.llc(at) } else { self.ethertype(protocol, at) }
    }

    /// OpenBSD's packet filter log: length (padded to four bytes) and address family first.
    fn pflog(&mut self, at: usize) {
        let Some(h) = self.head::<2>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        self.family(h[1], at + usize::from(h[0]).next_multiple_of(4));
    }

    /// Per-packet information: a header that names the link type of what follows.
    fn ppi(&mut self, at: usize) {
        let Some(h) = self.head::<8>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        let len = usize::from(u16::from_le_bytes([h[2], h[3]]));
        let link = u32::from_le_bytes([h[4], h[5], h[6], h[7]]);
        if len < 8 {
            return self.invalid(Anomaly::LinkTooSmall);
        }
        match u16::try_from(link) {
            Ok(link) => self.link(link, at + len),
            Err(_) => self.out.end = End::LinkType,
        }
    }

    /// Linux netfilter log: family, version, resource, then attributes in host byte order, of which the payload is one.
    fn nflog(&mut self, at: usize) {
        const HEADER: usize = 4;
        /// Attributes of one packet: 20 are defined.
        const ATTRIBUTES_MAX: usize = 32;
        const PAYLOAD: u16 = 9;
        let Some(h) = self.head::<HEADER>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        let family = h[0];
        let mut attribute = at + HEADER;
        for _ in 0..ATTRIBUTES_MAX {
            let Some(h) = self.head::<4>(attribute) else { return self.invalid(Anomaly::LinkTooSmall) };
            let little = (u16::from_le_bytes([h[0], h[1]]), u16::from_le_bytes([h[2], h[3]]));
            // Types are small: the byte order is that in which this one is.
            let (len, kind) = if little.1 < 0x100 { little } else { (be16(h, 0), be16(h, 2)) };
            let len = usize::from(len);
            if len < 4 {
                return self.invalid(Anomaly::LinkTooSmall);
            }
            if kind == PAYLOAD {
                self.shorten(attribute, len);
                return self.family(family, attribute + 4);
            }
            attribute += len.next_multiple_of(4);
        }
    }

    /// AVS and Prism monitor headers, which the same drivers gave under either link type.
    fn prism(&mut self, at: usize) {
        let Some(h) = self.head::<8>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        let len = match be32(h, 0) {
            // AVS version 1 and 2 state their length.
            0x8021_1001 | 0x8021_1002 => be32(h, 4) as usize,
            _ => 144,
        };
        self.dot11(at.saturating_add(len), false);
    }
}
