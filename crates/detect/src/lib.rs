//! Judgement: rows of events in their total order become findings, with figures, reasons and the flows behind them.
//!
//! A detector is one file of [`detectors`]: what it finds, its limits with their reasons, its bounded state, its words in both
//! languages, its tests with a benign twin; and one line of [`registry::DETECTORS`]. Detectors run once, behind the merger, and
//! see time only as the time of events. A [`Finding`] is data (a template key with typed parameters); [`text`] renders it in the
//! reader's language.
//!
//! This crate reads no packet, writes no event, opens no case and does no I/O.

pub mod bounded;
pub mod count;
mod data;
mod detector;
pub mod detectors;
mod finding;
pub mod registry;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;

pub use detector::{Cx, Detector, Info, Own, Settings, Tunable};
pub use finding::{Entity, Evidence, Finding, Param, Phase, Reason, Role, Story, Told, Value};
pub use registry::Engine;
pub use text::Lang;
