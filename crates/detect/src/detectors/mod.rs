//! The detectors, one a file. The list is [`crate::registry::DETECTORS`].

pub mod arp_spoofing;
pub mod brute_force;
pub mod cleartext_credentials;
pub mod scan;
