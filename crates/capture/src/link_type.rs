//! Link types: the numbers that pcap and pcapng files carry.

use std::fmt;

/// A link-layer header type, as registered at tcpdump.org ("Link-layer header types"), or as an older libpcap wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

macro_rules! link_types {
    ($($name:ident = $number:literal, $doc:literal;)*) => {
        impl LinkType {
            $(#[doc = $doc] pub const $name: LinkType = LinkType($number);)*

            /// The name that tcpdump uses, `UNKNOWN` for a number not listed here.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($number => stringify!($name),)*
                    _ => "UNKNOWN",
                }
            }
        }
    };
}

link_types! {
    NULL = 0, "BSD loopback: a family number in the byte order of the machine that captured.";
    EN10MB = 1, "Ethernet.";
    EN3MB = 2, "Experimental Ethernet (3 Mb/s).";
    AX25 = 3, "AX.25.";
    IEEE802 = 6, "Token ring.";
    ARCNET = 7, "ARCNET, BSD encapsulation.";
    SLIP = 8, "SLIP.";
    PPP = 9, "PPP.";
    FDDI = 10, "FDDI.";
    RAW_12 = 12, "Raw IP, as most systems wrote it before 101 was registered.";
    RAW_14 = 14, "Raw IP, as OpenBSD wrote it.";
    PPP_SERIAL = 50, "PPP in HDLC-like framing.";
    PPP_ETHER = 51, "PPPoE.";
    ATM_RFC1483 = 100, "LLC/SNAP over ATM.";
    RAW = 101, "Raw IP: the version is in the first four bits.";
    C_HDLC = 104, "Cisco HDLC.";
    IEEE802_11 = 105, "802.11.";
    FRELAY = 107, "Frame relay.";
    LOOP = 108, "OpenBSD loopback: a family number in network order.";
    LINUX_SLL = 113, "Linux cooked, version 1.";
    LTALK = 114, "LocalTalk.";
    PFLOG = 117, "OpenBSD pf log.";
    PRISM_HEADER = 119, "Prism header, then 802.11.";
    IP_OVER_FC = 122, "IP over Fibre Channel.";
    IEEE802_11_RADIO = 127, "Radiotap header, then 802.11.";
    ARCNET_LINUX = 129, "ARCNET, Linux encapsulation.";
    APPLE_IP_OVER_IEEE1394 = 138, "IP over FireWire.";
    MTP2 = 140, "SS7 MTP2.";
    MTP3 = 141, "SS7 MTP3.";
    DOCSIS = 143, "DOCSIS.";
    IEEE802_11_RADIO_AVS = 163, "AVS header, then 802.11.";
    PPP_PPPD = 166, "PPP with the direction in the first byte.";
    BLUETOOTH_HCI_H4 = 187, "Bluetooth HCI.";
    USB_LINUX = 189, "USB, Linux.";
    PPI = 192, "Per-packet information header.";
    IEEE802_15_4_WITHFCS = 195, "802.15.4 with FCS.";
    SITA = 196, "SITA header.";
    BLUETOOTH_HCI_H4_WITH_PHDR = 201, "Bluetooth HCI with direction.";
    PPP_WITH_DIR = 204, "PPP with direction.";
    USB_LINUX_MMAPPED = 220, "USB, Linux, padded header.";
    CAN_SOCKETCAN = 227, "SocketCAN.";
    IPV4 = 228, "Raw IPv4.";
    IPV6 = 229, "Raw IPv6.";
    IEEE802_15_4_NOFCS = 230, "802.15.4 without FCS.";
    DBUS = 231, "D-Bus.";
    NFLOG = 239, "Linux netfilter log.";
    NETANALYZER = 240, "Hilscher netANALYZER header, then Ethernet with FCS.";
    IPOIB = 242, "IP over InfiniBand.";
    NETLINK = 253, "Linux netlink.";
    LINUX_SLL2 = 276, "Linux cooked, version 2.";
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "UNKNOWN" => write!(f, "{}", self.0),
            name => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(LinkType::EN10MB.to_string(), "EN10MB");
        assert_eq!(LinkType(113).name(), "LINUX_SLL");
        assert_eq!(LinkType(65535).to_string(), "65535");
    }
}
