//! The same batches on the other side: how events leave a sensor.
//!
//! A [`Packer`] takes rows in their total order and closes [`Packed`] batches: one kind's columns for a slice of time, as an Arrow
//! record batch, with the header that says whose they are and their number. [`encode`] makes one self-describing byte string of such a
//! batch (a frame of the store's journal, a message of a network carrier later), [`decode`] reads it back and is total on foreign
//! bytes. [`unpack`] makes event rows again, so that the EVE writer, inventory and detectors read what was kept as what was seen.
//!
//! The names and types of the columns are a function of the kind's declaration alone: see [`Layout`].

mod exact;
mod layout;
pub mod local;
mod pack;
mod packer;
mod unpack;
mod wire;

pub use layout::{ENVELOPE, Layout, Leaf, Part, arrow_schema, layout};
pub use pack::pack;
pub use packer::{Limits, Packer};
pub use unpack::{intern, unpack};
pub use wire::{VERSION, decode, encode, fuzz};

use arrow::record_batch::RecordBatch;
use std::fmt;
use std::sync::Arc;
use vigie_base::Time;
use vigie_event::Schema;

/// Whose a batch is, and its place in the sender's numbering.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Header {
    /// Whose network it is.
    pub tenant: String,
    /// Where.
    pub site: String,
    /// Which sensor saw it.
    pub sensor: String,
    /// The live traffic of the site, or one import.
    pub dataset: String,
    /// From 1, one more a batch of the same tenant, site, sensor and dataset: what makes repeats harmless.
    pub number: u64,
}

impl Default for Header {
    fn default() -> Self {
        let default = || "default".to_owned();
        Header { tenant: default(), site: default(), sensor: default(), dataset: "replay".to_owned(), number: 0 }
    }
}

/// One kind's columns for a slice of time.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Whose, and which.
    pub header: Arc<Header>,
    /// The kind.
    pub schema: &'static Schema,
    /// The rows, in the columns of [`arrow_schema`].
    pub rows: RecordBatch,
    /// Time of the first row.
    pub first: Time,
    /// Time of the last row.
    pub last: Time,
}

/// Why bytes or columns are not a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<arrow::error::ArrowError> for Error {
    fn from(e: arrow::error::ArrowError) -> Self {
        Error(format!("batch: {e}"))
    }
}
