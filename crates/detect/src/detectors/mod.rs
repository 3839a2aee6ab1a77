//! The detectors, one a file. The list is [`crate::registry::DETECTORS`].

pub mod brute_force;
pub mod scan;
