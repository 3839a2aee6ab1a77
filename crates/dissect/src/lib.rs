//! What flows carry: protocols told by content and parsed into records, whatever their port.
//!
//! A protocol is a folder of [`proto`] (its parser, its records, its tests) and one line in [`registry`]. A parser is a total
//! function of the bytes of one direction: it says how many it used and what it wants next, pushes records while their bytes are
//! still borrowed, and gives the same records wherever the stream is cut. [`Dissection`] is what one flow keeps: it tells the
//! protocol, holds the bytes that a parser has not used yet (up to the parser's declared cap), and obeys its verdict.
//!
//! This crate knows no rule, no JSON, no store, no clock.

mod cursor;
mod cx;
mod driver;
mod file;
mod fuzz;
mod glimpse;
mod held;
pub mod proto;
pub mod record;
pub mod registry;
#[cfg(test)]
pub(crate) mod replay;
#[cfg(test)]
pub(crate) mod testing;
mod told;

pub use cursor::Cursor;
pub use cx::{Counters, Cx, Expect, Settings, Shared, UnknownFlows, budgets};
pub use driver::{Dissection, Verdict};
pub use file::{Carrier, File, FileState};
pub use fuzz::fuzz;
pub use glimpse::{SEGMENTS_MAX, glimpse};
pub use registry::Proto;

use vigie_base::Direction;
use vigie_event::Out;

/// What carries a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In-order pieces and gaps.
    Tcp,
    /// Whole datagrams.
    Udp,
    /// ICMP and ICMPv6 messages, from their type on.
    Icmp,
}

/// What a protocol says of itself.
#[derive(Debug)]
pub struct Info {
    /// `app_proto`, as Suricata names it.
    pub name: &'static str,
    /// Title and the documents it follows, in one line.
    pub doc: &'static str,
    /// What carries it.
    pub transports: &'static [Transport],
    /// Its usual ports: they break ties, they never decide.
    pub ports: &'static [u16],
    /// Most bytes of one direction that it leaves unused; beyond, the flow's dissection is given up and counted.
    pub buffer_max: usize,
}

/// What the first bytes of a flow look like to a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Not this protocol.
    No,
    /// Could be: more bytes, or the other direction, will tell; the usual port is enough when nothing else claims it.
    Maybe,
    /// Not by this direction: only the other one can still tell.
    Other,
    /// This protocol.
    Yes,
}

/// The first bytes of a flow.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// Who sent `bytes`.
    pub dir: Direction,
    /// From the first byte of that direction on (or the datagram).
    pub bytes: &'a [u8],
    /// What the other side has sent so far.
    pub other: &'a [u8],
    /// Port of the side that called.
    pub client_port: u16,
    /// Port of the side that was called.
    pub server_port: u16,
    /// What carries them.
    pub transport: Transport,
}

impl Probe<'_> {
    /// Whether either side stands on one of `ports`.
    pub fn on(&self, ports: &[u16]) -> bool {
        ports.contains(&self.server_port) || ports.contains(&self.client_port)
    }
}

/// What a parser did with the bytes it was given, and what it wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes used; the rest is given again, with more behind it.
    pub used: usize,
    /// What next.
    pub next: Next,
}

/// See [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on: give the rest at once if bytes were used, else when there are more.
    Go,
    /// Go on once this many bytes (counted from the first unused one) are there.
    Need(usize),
    /// Nothing more can be learnt from this flow.
    Done,
    /// This is not the protocol after all, or is beyond repair: why.
    GiveUp(&'static str),
    /// From the next byte on, in both directions, it is another protocol (STARTTLS, CONNECT, Upgrade).
    Become(Proto),
    /// From the next byte on it is anything: tell it afresh.
    Anything,
}

impl Step {
    /// Used `used` bytes; go on.
    pub const fn go(used: usize) -> Self {
        Step { used, next: Next::Go }
    }
    /// Used none; wait for `total` bytes.
    pub const fn need(total: usize) -> Self {
        Step { used: 0, next: Next::Need(total) }
    }
    /// Nothing more to learn.
    pub const fn done() -> Self {
        Step { used: 0, next: Next::Done }
    }
    /// Beyond repair.
    pub const fn give_up(why: &'static str) -> Self {
        Step { used: 0, next: Next::GiveUp(why) }
    }
}

/// A protocol: its state for one flow, and its parser.
pub trait Protocol: Default {
    /// What it says of itself.
    const INFO: Info;

    /// What the first bytes of a flow look like to it. Pure, cheap, and never surprised.
    fn probe(p: &Probe<'_>) -> Match;

    /// The flow was announced by another, which said what it will carry.
    fn announced(&mut self, _e: Expect) {}

    /// The flow began as another protocol, which gave way to this one (STARTTLS, CONNECT, Upgrade).
    fn after(&mut self, _from: Proto) {}

    /// Takes bytes of one direction, in order. For datagrams `bytes` is one whole datagram and what is not used is dropped.
    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step;

    /// Bytes are missing. `len` of them, after the unused rest, which is lost too.
    fn gap<O: Out>(&mut self, _cx: &mut Cx<'_, O>, _dir: Direction, _len: u64) -> Next {
        Next::GiveUp("gap")
    }

    /// A direction is over; `rest` is what it left unused.
    fn end<O: Out>(&mut self, _cx: &mut Cx<'_, O>, _dir: Direction, _rest: &[u8]) {}

    /// The flow is over: tells what is still open.
    fn finish<O: Out>(&mut self, _cx: &mut Cx<'_, O>) {}

    /// Transactions seen, for the flow's event.
    fn transactions(&self) -> u32 {
        0
    }

    /// Bytes that its state holds beside itself (capacities of its vectors and the like), for the budget of all dissection.
    fn held(&self) -> usize {
        0
    }
}
