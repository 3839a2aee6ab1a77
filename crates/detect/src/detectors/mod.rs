//! The detectors, one a file. The list is [`crate::registry::DETECTORS`].

pub mod arp_spoofing;
pub mod attacker_tool_host;
pub mod brute_force;
pub mod capture_health;
pub mod cleartext_credentials;
pub mod dhcp_starvation;
pub mod dns_tunnel;
pub mod icmp_tunnel;
pub mod rogue_dhcp;
pub mod scan;
pub mod tor;
