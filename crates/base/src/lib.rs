//! The words every other crate uses: time, addresses, direction, hashing, text made safe, networks, budgets.
//!
//! No I/O, no clock: time comes with the data.

pub mod addr;
pub mod budget;
pub mod canary;
mod declare;
pub mod hash;
pub mod net;
mod sentence;
pub mod text;
pub mod time;

pub use addr::{Ip, Mac};
pub use budget::{Budget, Share};
pub use net::{Cidr, NetSet};
pub use sentence::Sentence;
pub use time::Time;

/// Which way bytes travel in a flow: the server is the side that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the side that opened the flow.
    ToServer,
    /// From the side that was called.
    ToClient,
}

impl Direction {
    /// 0 to the server, 1 to the client: an index into two-sided state.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The other way.
    #[inline]
    pub const fn flip(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}
