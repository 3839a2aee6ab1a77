//! Packets to flows: whose conversation a packet belongs to, which way it goes, and when the conversation is over.
//!
//! A worker owns one [`Table`]: a preallocated slab of [`Flow`] (128 bytes each), an index from keys to slots, and a timer
//! wheel. The table knows no protocol: what a flow carries is kept by its owner under [`Flow::cold`].
//!
//! Time is packet time. A flow's end is `last packet + time-out`, whenever the worker learns of it, so that the same packets
//! give the same flows whatever the number of workers.

pub mod community;
pub mod defrag;
pub mod key;
pub mod record;
mod table;
mod wheel;

pub use key::Key;
pub use table::{Closed, Counters, Flow, FlowState, Lookup, NO_COLD, Settings, Table, Timeouts};
