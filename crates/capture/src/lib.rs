//! Captures in, bursts of borrowed frames out.
//!
//! [`mod@file`] reads captures (pcap and pcapng, gzip or zstd around them, by content and not by name) as one capture point: sorted by the
//! time of their first packet, merged where they overlap. [`live`] reads interfaces as one capture point. [`filter`] keeps frames by an
//! expression as `tcpdump` takes it. [`mod@write`] writes frames as pcapng.
//!
//! What this crate may not do: look into frames (only a filter does), send, allocate per frame. What is wrong with a capture is a
//! [`Problem`] and never an error that ends the reading: what stands before the damage is given.

pub mod file;
pub mod filter;
mod link_type;
pub mod live;
mod problem;
pub mod write;

pub use file::fuzz;
pub use file::{Capture, Counters, Interface, Mark, OPEN_MAX, Options, Room, Source, budgets};
pub use filter::{Filter, FilterError};
pub use link_type::LinkType;
pub use live::{Advice, Card, Ends, INTERFACES_MAX, Live, LiveError, LiveOptions, LiveSource, SOCKETS_MAX, Sockets, advice, interfaces};
pub use problem::{Problem, ProblemKind};

use vigie_base::Time;

/// The [`Frame::source`] of the canary ([`vigie_base::canary`]): no interface and no file.
pub const CANARY: u16 = u16::MAX;
/// Most frames in one burst.
pub const BURST: usize = 64;

/// One captured frame, borrowed from the block that it was read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it was captured. A frame without a stamp (pcapng Simple Packet Block) has the time of the frame before it in its file, or 0.
    pub time: Time,
    /// Captured bytes, from the first byte of the link header; at most 262,144.
    pub data: &'a [u8],
    /// Bytes on the wire: at least `data.len()`.
    pub wire_len: u32,
    /// What the first byte of `data` begins.
    pub link: LinkType,
    /// Index into [`Capture::sources`].
    pub source: u16,
}

/// Where frames come from.
pub trait Input {
    /// Calls `each` with the next burst of 1 to [`BURST`] frames, in order, or says why there is none.
    fn next_batch(&mut self, each: &mut impl FnMut(&[Frame<'_>])) -> Status;

    /// The earliest time given so far.
    fn first(&self) -> Option<Time>;

    /// How long the next wait for a frame may be, in milliseconds, where there is waiting.
    fn patience(&mut self, _milliseconds: u64) {}

    /// What the kernel counted, where it is the kernel that gives frames.
    fn captured(&self) -> Option<Captured> {
        None
    }
}

/// What the kernel counted of the interfaces of a capture point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// When they were opened.
    pub since: Time,
    /// Frames that it saw, those lost included.
    pub packets: u64,
    /// Frames lost because a ring was full.
    pub drops: u64,
    /// Frames that the filter kept out.
    pub filtered: u64,
    /// Each interface.
    pub interfaces: Vec<LiveSource>,
    /// When the last canary was let go.
    pub canary: Option<Time>,
}

impl Captured {
    /// Adds what was counted of other rings of the same interfaces.
    pub fn add(&mut self, other: &Captured) {
        self.since = self.since.min(other.since);
        self.packets += other.packets;
        self.drops += other.drops;
        self.filtered += other.filtered;
        self.canary = self.canary.max(other.canary);
        for (all, one) in self.interfaces.iter_mut().zip(&other.interfaces) {
            all.frames += one.frames;
            all.lost += one.lost;
            all.freezes += one.freezes;
            all.card = all.card.or(one.card);
        }
    }
}

impl Input for Capture {
    fn next_batch(&mut self, each: &mut impl FnMut(&[Frame<'_>])) -> Status {
        Capture::next_batch(self, each)
    }

    fn first(&self) -> Option<Time> {
        self.sources().iter().filter_map(|s| s.first).min()
    }
}

impl Input for Live {
    fn next_batch(&mut self, each: &mut impl FnMut(&[Frame<'_>])) -> Status {
        Live::next_batch(self, each)
    }

    fn first(&self) -> Option<Time> {
        Live::first(self)
    }

    fn patience(&mut self, milliseconds: u64) {
        Live::patience(self, milliseconds);
    }

    fn captured(&self) -> Option<Captured> {
        Some(Live::captured(self))
    }
}

/// What [`Input::next_batch`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A burst was given; there may be more.
    More,
    /// No frame came for a while, and none will come before this time.
    Idle(Time),
    /// Every source is read to its end.
    End,
}
