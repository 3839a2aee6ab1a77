//! The whole way in one process: a capture through the sensor, its events to EVE, inventory, detectors and cases, and what is asked
//! for at the end: files, or a story.
//!
//! `vigie replay` runs it, and `vigie up` the folds of it. It holds no domain logic: it composes.

mod analysis;
pub mod config;
mod eve;
mod names;
pub mod plan;
mod replay;
pub mod stats;
pub mod story;
mod words;

pub use analysis::Analysis;
pub use config::Config;
pub use plan::Plan;
pub use replay::{Error, Keep, Nothing, Options, Report, replay};
pub use story::Story;
pub use vigie_detect::Lang;
pub use vigie_sensor::Control;

use vigie_event::{Record, Schema};

/// The declarations of every kind of event, in the order of their making.
pub fn schemas() -> Vec<&'static Schema> {
    let mut all = vigie_sensor::batches::schemas();
    all.extend([vigie_case::AlertEvent::schema(), vigie_sensor::Stats::schema()]);
    all
}

/// A size as `vigie check` and the story write it, in units of 1000.
pub fn size_text(lang: Lang, bytes: u64) -> String {
    words::bytes(lang, bytes)
}
