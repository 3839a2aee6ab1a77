//! One folder a protocol. Start a new one from its neighbour: `dns` for datagrams, `ftp` for streams.

pub mod arp;
pub mod dns;
pub mod ftp;
pub mod llmnr;
pub mod mdns;
