//! The two things kept: holders (an address at one Ethernet address) and stations (an Ethernet address).

use crate::facts::Facts;
use crate::sketch::Sketch;
use vigie_base::{Ip, Mac, Time};

/// Addresses of one station at most; further ones stand alone.
pub const ADDRESSES_MAX: usize = 64;
/// Services of one address at most.
pub const SERVICES_MAX: usize = 256;
/// Ports used of others, of one address, at most.
pub const USES_MAX: usize = 128;
/// Addresses that a device may own by its own word (ARP); one that claims more answers for others (proxy ARP, a spoofer).
const OWN_MAX: u16 = 8;
/// Networks (/24, or /64) from which a station sends without owning the addresses, from which on it is a router.
const ROUTED_NETS: usize = 3;

/// A port that answers.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) proto: u8,
    pub(crate) port: u16,
    pub(crate) app: &'static str,
    pub(crate) software: Option<Box<str>>,
    pub(crate) flows: u32,
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) clients: Sketch,
}

/// A port of others that is used.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) proto: u8,
    pub(crate) port: u16,
    pub(crate) app: &'static str,
    pub(crate) flows: u32,
    pub(crate) first: Time,
    pub(crate) last: Time,
}

/// An address at one Ethernet address (zero where none is known).
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) ip: Ip,
    pub(crate) mac: Mac,
    pub(crate) first: Time,
    pub(crate) last: Time,
    /// The station itself says that the address is its own (ARP, DHCP).
    pub(crate) own: bool,
    /// It sent something, not only was it spoken of.
    pub(crate) seen: bool,
    /// It took part in an exchange both ways.
    pub(crate) answered: bool,
    /// The address is held by a virtual router (VRRP, HSRP).
    pub(crate) virtual_router: bool,
    /// Hash of the SYN last looked at.
    pub(crate) syn: u64,
    /// The holder that the address had before.
    pub(crate) before: Option<u32>,
    pub(crate) facts: Facts,
    /// By transport and port.
    pub(crate) services: Vec<Service>,
    pub(crate) uses: Vec<Use>,
    pub(crate) peers: Sketch,
}

impl Holder {
    pub(crate) fn new(ip: Ip, mac: Mac, at: Time) -> Self {
        Holder {
            ip,
            mac,
            first: at,
            last: at,
            own: false,
            seen: false,
            answered: false,
            virtual_router: false,
            syn: 0,
            before: None,
            facts: Facts::default(),
            services: Vec::new(),
            uses: Vec::new(),
            peers: Sketch::default(),
        }
    }
}

/// An Ethernet address that is of one device.
#[derive(Clone, Debug)]
pub(crate) struct Station {
    pub(crate) mac: Mac,
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) facts: Facts,
    /// Its addresses, as holders.
    pub(crate) holders: Vec<u32>,
    /// Addresses that it owns by its own word.
    own: u16,
    /// Home networks of addresses that it sends for without owning them.
    routed: Vec<u64>,
    /// Networks outside that it forwards for.
    outside: Vec<u64>,
    /// Others send to it what is for addresses outside.
    next_hop: bool,
}

impl Station {
    pub(crate) fn new(mac: Mac, at: Time) -> Self {
        Station {
            mac,
            first: at,
            last: at,
            facts: Facts::default(),
            holders: Vec::new(),
            own: 0,
            routed: Vec::new(),
            outside: Vec::new(),
            next_hop: false,
        }
    }

    /// Whether it forwards for others, so that an address seen with it need not be its own.
    pub(crate) fn is_router(&self) -> bool {
        self.next_hop || self.outside.len() >= ROUTED_NETS || self.routed.len() >= ROUTED_NETS
    }

    /// Whether it says of more addresses that they are its own than one device has.
    pub(crate) fn answers_for_others(&self) -> bool {
        self.own > OWN_MAX
    }

    /// It says that one more address is its own.
    pub(crate) fn owns(&mut self) {
        self.own = self.own.saturating_add(1);
    }

    /// It sends for a home address without having said that it is its own.
    pub(crate) fn sends_for(&mut self, ip: Ip) {
        note(&mut self.routed, net(ip));
    }

    /// What is for `ip`, outside, is sent to it.
    pub(crate) fn is_next_hop_to(&mut self, ip: Ip) {
        // A host's own global IPv6 addresses are not in HOME_NET by default: one network outside is no proof there.
        self.next_hop |= ip.is_v4();
        note(&mut self.outside, net(ip));
    }

    /// What comes from `ip`, outside, and is answered, is sent by it.
    pub(crate) fn brings_from(&mut self, ip: Ip) {
        note(&mut self.outside, net(ip));
    }
}

fn note(list: &mut Vec<u64>, net: u64) {
    if list.len() < ROUTED_NETS && !list.contains(&net) {
        list.push(net);
    }
}

/// The /24 of an IPv4 address, the /64 of an IPv6 address.
pub(crate) fn net(ip: Ip) -> u64 {
    match ip.to_v4() {
        Some(b) => u64::from(u32::from_be_bytes(b) >> 8),
        None => (ip.bits() >> 64) as u64,
    }
}

/// An Ethernet address that is of no one machine: several answer for it in turn (VRRP, RFC 9568; HSRP, GLBP, CARP), or all machines
/// with a VPN client's network card have it (Cisco).
pub(crate) fn is_shared(mac: Mac) -> bool {
    is_virtual_router(mac) || matches!(mac.0, [0, 5, 0x9a, 0x3c, 0x78 | 0x7a, 0])
}

/// VRRP, HSRP, GLBP, CARP.
pub(crate) fn is_virtual_router(mac: Mac) -> bool {
    matches!(mac.0, [0, 0, 0x5e, 0, 1 | 2, _] | [0, 0, 0x0c, 0x07, 0xac, _] | [0, 0, 0x0c, 0x9f, 0xf0..=0xff, _] | [0, 0x07, 0xb4, _, _, _])
}
