//! Findings become alerts, alerts about one machine and one story become cases.
//!
//! [`Cases`] is a fold over findings. An alert is what stands of one finding; a case gathers alerts whose first machine is the
//! same within [`WINDOW`]. The score of a case is the sum of named reasons: of reasons with one name the strongest counts, so that
//! weak alerts repeated do not add up. Informational findings open no case; they are shown in the cases of their machine.
//!
//! Two `alert` events are pushed for a finding: when it opens and when it ends. Texts are made when a case is read ([`Cases::write`]).
//!
//! This crate computes no detection and does no I/O.

mod cases;
mod data;
mod json;
mod record;

pub use cases::{ALERTS, ALERTS_MAX, Alert, CASES, Case, Cases, Severity, WINDOW};
pub use json::{Directory, Nobody, TellCase, Told, write};
pub use record::{AlertEvent, AlertEventRow};
