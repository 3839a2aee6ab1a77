//! How people and scripts meet what Vigie found: HTTPS, sessions, the REST API and the console.
//!
//! Everything that has to do with a data directory goes through one API: a browser reaches it over TLS, a command of the same user over
//! the socket in the directory, and where no server runs a command answers its own requests in its own process ([`Client`]).
//!
//! This is the one place that reads a clock: right of it time is a parameter, left of it time comes with the data.

mod api;
mod app;
mod captures;
mod client;
mod cut;
mod error;
mod home;
mod import;
mod keep;
mod listen;
mod metrics;
mod out;
mod packets;
mod person;
mod plan;
mod pulse;
mod rate;
mod room;
mod settings;
#[cfg(test)]
mod testing;
mod tls;
mod up;
mod upload;
mod watch;
mod web;
mod words;

pub use api::openapi;
pub use client::{Client, Reply};
pub use hyper::Method;
pub use keep::{Filed, Made};
pub use plan::{fit, plan};
pub use up::{Again, Options, up};
pub use watch::sensor;

use std::fmt;
use std::path::Path;
use vigie_base::Sentence;

/// What went wrong, in one line: what, where, what to do.
#[derive(Clone, Debug)]
pub struct Fault(Sentence);

impl Fault {
    /// The sentence.
    pub(crate) fn said(&self) -> &Sentence {
        &self.0
    }

    /// A line that says all.
    pub fn new(line: impl Into<Sentence>) -> Self {
        Fault(line.into())
    }

    /// What another library says.
    pub(crate) fn of(error: impl fmt::Display) -> Self {
        Fault(error.to_string().into())
    }

    /// An error of a file.
    pub(crate) fn at(path: &Path, error: &dyn fmt::Display, todo: &str) -> Self {
        Fault(format!("{}: {error}; {todo}", path.display()).into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
