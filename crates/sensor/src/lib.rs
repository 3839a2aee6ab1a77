//! The worker loop: capture, decode, flow, stream and dissection composed, with their budgets, counters and order.
//!
//! A [`front::Front`] takes frames to packets (decode, doubled frames, fragments) and accounts for every frame. A
//! [`worker::Worker`] owns the flows of some hosts and takes packets to events. Events leave in [`batches::Slice`]s; the
//! [`merge::Merger`] gives their rows in the total order (`ts`, `flow_id`, `seq`), whatever the number of workers.
//!
//! One worker is one thread in all. With more, each packet goes to the worker that owns its two addresses, so that what one session
//! announces of another (FTP, ICMP errors) stays with one worker: of captures the front runs in a thread of its own ([`run()`]), of
//! interfaces each worker reads what it owns ([`run_each`]).
//!
//! This crate knows no detector and no output.

pub mod batches;
pub mod cut;
mod front;
pub mod keep;
mod lanes;
pub mod merge;
mod plan;
mod run;
pub mod stats;
mod worker;

pub use lanes::run_each;
pub use merge::Fold;
pub use plan::{Reads, budgets};
pub use run::{Control, Summary, fuzz, run};
pub use stats::Stats;
pub use vigie_capture::live::INTERFACES_MAX;

/// Settings of a sensor: those of its stages.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Decode.
    pub decode: vigie_decode::Settings,
    /// Flows.
    pub flow: vigie_flow::Settings,
    /// Defragmentation.
    pub defrag: vigie_flow::defrag::Settings,
    /// Streams.
    pub stream: vigie_stream::Settings,
    /// Bytes that streams may hold, all flows of all workers together.
    pub stream_memory: StreamMemory,
    /// Dissection.
    pub dissect: vigie_dissect::Settings,
    /// Threads that own flows.
    pub workers: Workers,
    /// Seconds from the first frame on for which TCP sessions are picked up whose beginning was not seen: those that were open already.
    pub midstream_first: u64,
    /// What is kept of packets, live.
    pub keep: Option<keep::Settings>,
}

/// Bytes that wait in streams, for all workers: 24 MiB by default; Suricata's `stream.memcap` is 64.
#[derive(Clone, Copy, Debug)]
pub struct StreamMemory(pub u64);

impl Default for StreamMemory {
    fn default() -> Self {
        StreamMemory(24 << 20)
    }
}

/// Number of workers, at least 1.
#[derive(Clone, Copy, Debug)]
pub struct Workers(pub usize);

impl Default for Workers {
    fn default() -> Self {
        Workers(1)
    }
}
