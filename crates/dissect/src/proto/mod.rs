//! One folder a protocol. Start a new one from its neighbour: `dns` for datagrams, `ftp` for streams.

pub mod arp;
pub mod dhcp;
pub mod dhcpv6;
pub mod dns;
pub mod ftp;
pub mod http;
pub mod icmp;
pub mod imap;
pub mod llmnr;
pub mod mdns;
pub mod mime;
pub mod nbns;
pub mod ntp;
pub mod pop3;
pub mod sasl;
pub mod smtp;
pub mod ssh;
pub mod telnet;
pub mod tls;
