//! The detectors, one a file. The list is [`crate::registry::DETECTORS`].

pub mod arp_spoofing;
pub mod attacker_tool_host;
pub mod brute_force;
pub mod cleartext_credentials;
pub mod dns_tunnel;
pub mod scan;
pub mod tor;
