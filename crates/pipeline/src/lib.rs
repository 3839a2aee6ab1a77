//! The whole way in one process: a capture through the sensor, its events to EVE, inventory, detectors and cases, and what is asked
//! for at the end: files, or a story.
//!
//! `vigie replay` runs it. It holds no domain logic: it composes.

pub mod config;
mod eve;
mod names;
mod replay;
mod stats;

pub use config::Config;
pub use replay::{Error, Options, Report, replay};
pub use vigie_sensor::Control;
