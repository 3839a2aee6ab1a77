//! Ethernet and what stands between it and IP: tags, labels, LLC, PPPoE and PPP, ARP.

use crate::{Anomaly, Body, End, Walk, be16};
use vigie_base::Mac;

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;
pub(crate) const TRANSPARENT_ETHERNET: u16 = 0x6558;
const MPLS: u16 = 0x8847;
const MPLS_UPSTREAM: u16 = 0x8848;
pub(crate) const PPP: u16 = 0x880b;
/// Below it the field is a length (IEEE 802.3 section 3.2.6).
const TYPE_MIN: u16 = 0x0600;
/// A label stack deeper than this is forged.
const LABELS_MAX: usize = 16;

impl Walk<'_> {
    /// An Ethernet header: IEEE 802.3 clause 3.
    #[inline]
    pub(crate) fn ethernet(&mut self, at: usize) {
        self.out.vlans = 0;
        self.tagged_ethernet(at);
    }

    /// As [`Walk::ethernet`], keeping VLAN ids that were learnt from outside the frame (ERSPAN).
    #[inline]
    pub(crate) fn tagged_ethernet(&mut self, at: usize) {
        let Some(h) = self.head::<14>(at) else { return self.invalid(Anomaly::EthernetTooSmall) };
        self.out.dst_mac = Mac([h[0], h[1], h[2], h[3], h[4], h[5]]);
        self.out.src_mac = Mac([h[6], h[7], h[8], h[9], h[10], h[11]]);
        let ty = be16(h, 12);
        if ty == IPV4 {
            self.out.ethertype = IPV4;
            return self.ipv4(at + 14);
        }
        self.type_or_length(ty, at + 14);
    }

    /// What follows an EtherType that cannot be a length: of SNAP, SLL, GRE, GENEVE...
    pub(crate) fn ethertype(&mut self, ty: u16, at: usize) {
        if ty >= TYPE_MIN {
            self.type_or_length(ty, at);
        }
    }

    /// What follows the type field of Ethernet. Headers that end in another type field are walked in place.
    pub(crate) fn type_or_length(&mut self, mut ty: u16, mut at: usize) {
        while self.deeper() {
            if ty < TYPE_MIN {
                // A length above 1500 is neither length nor type.
                if ty <= 1500 {
                    self.shorten(at, usize::from(ty));
                    self.llc(at);
                }
                return;
            }
            self.out.ethertype = ty;
            // Bytes up to and with the next type field.
            let skip = match ty {
                IPV4 => return self.ipv4(at),
                IPV6 => return self.ipv6(at),
                ARP => return self.arp(at),
                0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
                    let Some(h) = self.head::<4>(at) else { return self.invalid(Anomaly::VlanTooSmall) };
                    self.vlan(be16(h, 0) & 0x0fff);
                    4
                }
                MPLS | MPLS_UPSTREAM => return self.mpls(at),
                0x8864 => return self.pppoe(at),
                PPP => return self.ppp(at),
                TRANSPARENT_ETHERNET => return self.ethernet(at),
                // IEEE 802.1ah: I-TAG, then a whole Ethernet frame.
                0x88e7 => return self.ethernet(at + 4),
                // Cisco FabricPath: tag, then a whole Ethernet frame.
                0x8903 => return self.ethernet(at + 2),
                // TRILL (RFC 6325 section 3): options in 4-byte units, then a whole Ethernet frame.
                0x22f3 => {
                    let Some(h) = self.head::<6>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
                    let options = usize::from(be16(h, 0) >> 6 & 0x1f) * 4;
                    return self.ethernet(at + 6 + options);
                }
                0x894f => return self.nsh(at),
                // LLC in a jumbo frame.
                0x8870 => return self.llc(at),
                // VN-Tag.
                0x8926 => 6,
                // IEEE 802.1BR E-Tag.
                0x893f => 8,
                // Cisco MetaData: version, length, one option with the security group.
                0x8909 => 8,
                // HSR tag (IEC 62439-3): path and size, sequence number.
                0x892f => 6,
                // MACsec (IEEE 802.1AE): only where integrity alone is protected can the rest be read.
                0x88e5 => {
                    let Some(h) = self.head::<6>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
                    if h[0] & 0x0c != 0 {
                        return;
                    }
                    if h[0] & 0x20 != 0 { 16 } else { 8 }
                }
                _ => return,
            };
            at += skip;
            let Some(next) = self.head::<2>(at - 2) else { return self.invalid(Anomaly::LinkTooSmall) };
            ty = be16(next, 0);
        }
    }

    /// Keeps a VLAN id of the frame in hand.
    pub(crate) fn vlan(&mut self, id: u16) {
        if id == 0 {
            return;
        }
        match self.out.vlan.get_mut(usize::from(self.out.vlans)) {
            Some(place) => {
                *place = id;
                self.out.vlans += 1;
            }
            None => self.note(Anomaly::VlanTooManyLayers),
        }
    }

    /// LLC (IEEE 802.2), and SNAP behind it (RFC 1042).
    pub(crate) fn llc(&mut self, at: usize) {
        let Some(h) = self.head::<3>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        match h {
            [0xaa, 0xaa, 0x03] => {
                let Some(h) = self.head::<8>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
                // Encapsulated EtherType, and IEEE 802.1H's bridge tunnel; under other organisations the number is theirs.
                if matches!(h[3..6], [0, 0, 0] | [0, 0, 0xf8]) {
                    self.ethertype(be16(h, 6), at + 8);
                }
            }
            // IP's own service access point (RFC 791's number 6, unnumbered information).
            [0x06, 0x06, 0x03] => self.ipv4(at + 3),
            _ => {}
        }
    }

    /// An MPLS label stack (RFC 3032), and a guess at what it carries, which no field tells.
    fn mpls(&mut self, mut at: usize) {
        for _ in 0..LABELS_MAX {
            let Some(h) = self.head::<4>(at) else { return self.invalid(Anomaly::MplsTooSmall) };
            at += 4;
            if h[2] & 1 == 1 {
                return self.labelled(at);
            }
        }
        self.invalid(Anomaly::TunnelTooDeep);
    }

    fn labelled(&mut self, at: usize) {
        if !self.deeper() {
            return;
        }
        let Some([first]) = self.head::<1>(at).copied() else { return self.invalid(Anomaly::MplsTooSmall) };
        match first >> 4 {
            4 if !(first & 0x0f < 5 && self.looks_ethernet(at)) => self.ipv4(at),
            6 if !self.looks_ethernet(at) => self.ipv6(at),
            // A pseudowire's control word (RFC 4385 section 3), unless the frame begins here with an address that starts by zero.
            0 if self.looks_ethernet(at + 4) || !self.looks_ethernet(at) => self.ethernet(at + 4),
            // An associated channel (RFC 4385 section 5).
            1 if !self.looks_ethernet(at) => {}
            _ => self.ethernet(at),
        }
    }

    /// Whether an Ethernet header at `at` would state a type that Vigie goes on with.
    fn looks_ethernet(&self, at: usize) -> bool {
        self.head::<14>(at).is_some_and(|h| matches!(be16(h, 12), IPV4 | IPV6 | ARP | 0x8100 | 0x88a8 | MPLS | 0x8863 | 0x8864))
    }

    /// A PPPoE session frame (RFC 2516 section 4).
    pub(crate) fn pppoe(&mut self, at: usize) {
        let Some(h) = self.head::<6>(at) else { return self.invalid(Anomaly::PppTooSmall) };
        if h[0] != 0x11 || h[1] != 0 {
            return self.invalid(Anomaly::PppTooSmall);
        }
        self.shorten(at + 6, usize::from(be16(h, 4)));
        self.ppp(at + 6);
    }

    /// A PPP frame (RFC 1661 section 2), with or without HDLC address and control (RFC 1662 section 3), protocol field compressed or not.
    pub(crate) fn ppp(&mut self, mut at: usize) {
        if !self.deeper() {
            return;
        }
        if let Some([0xff, 0x03]) = self.head::<2>(at) {
            at += 2;
        }
        let Some([first]) = self.head::<1>(at).copied() else { return self.invalid(Anomaly::PppTooSmall) };
        let proto = if first & 1 == 1 {
            at += 1;
            u16::from(first)
        } else {
            let Some(h) = self.head::<2>(at) else { return self.invalid(Anomaly::PppTooSmall) };
            at += 2;
            be16(h, 0)
        };
        match proto {
            0x0021 => self.ipv4(at),
            0x0057 => self.ipv6(at),
            0x0281 | 0x0283 => self.mpls(at),
            _ => {}
        }
    }

    /// A network service header (RFC 8300 section 2).
    fn nsh(&mut self, at: usize) {
        let Some(h) = self.head::<8>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        let len = usize::from(be16(h, 0) & 0x3f) * 4;
        if h[0] >> 6 != 0 || len < 8 {
            return self.invalid(Anomaly::LinkTooSmall);
        }
        match h[3] {
            1 => self.ipv4(at + len),
            2 => self.ipv6(at + len),
            3 if self.deeper() => self.ethernet(at + len),
            4 if self.deeper() => self.nsh(at + len),
            5 => self.mpls(at + len),
            _ => {}
        }
    }

    /// ARP for IPv4 over Ethernet-like links (RFC 826).
    fn arp(&mut self, at: usize) {
        match self.head::<28>(at) {
            Some([_, _, 0x08, 0x00, 6, 4, ..]) => {
                self.shorten(at, 28);
                self.out.body = Body::Arp(self.rest(at));
                self.out.end = End::GoesOn;
            }
            _ => self.invalid(Anomaly::ArpInvalid),
        }
    }
}
