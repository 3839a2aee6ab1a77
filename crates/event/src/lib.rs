//! What an event is: its envelope, the declaration of its fields, the columns it lives in, and the writers drawn from that
//! declaration.
//!
//! A record is a plain struct with borrowed fields, declared beside its parser with `#[derive(Record)]`. It is pushed while its
//! bytes are still borrowed, straight into the columns of its kind's open [`Batch`]: the only owned form of an event. All who
//! read afterwards (EVE writer, inventory, detectors, store) read rows of the batch.
//!
//! This crate knows no protocol and does no I/O.
//!
//! ```
//! use vigie_event::{Batch, Envelope, Record, eve};
//! /// A greeting.
//! #[derive(Record)]
//! #[record(kind = "hello")]
//! struct Hello<'a> {
//!     /// Who greets.
//!     name: &'a [u8],
//! }
//! let mut batch = Batch::new(Hello::schema());
//! batch.push(&Envelope::default(), &Hello { name: b"ada" });
//! let row = batch.row(0);
//! assert_eq!(HelloRow::of(row).unwrap().name(), b"ada");
//! let mut out = Vec::new();
//! eve::write(row, &mut out);
//! assert!(String::from_utf8(out).unwrap().contains(r#""event_type":"hello""#));
//! ```

extern crate self as vigie_event;

mod batch;
mod column;
pub mod doc;
mod envelope;
pub mod eve;
pub mod json;
pub mod sample;
mod schema;

pub use batch::{Batch, Out, Record, Row};
pub use column::{Column, Flag, Hex, Item, List, Secret, Value};
pub use envelope::{Envelope, NO_TX, proto_name, proto_number};
pub use schema::{Class, Field, Place, Schema, Type, slot_of};
pub use vigie_event_derive::{Group, Record};
