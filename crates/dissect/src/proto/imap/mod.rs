//! Stub.
use crate::{Cx, Info, Match, Probe, Protocol, Step, Transport};
use vigie_base::Direction;
use vigie_event::{Out, Record};
/// Stub.
#[derive(Record)]
#[record(kind = "imap", tx)]
pub struct ImapCommand<'a> {
    /// Stub.
    pub x: Option<&'a [u8]>,
}
/// Stub.
#[derive(Debug, Default)]
pub struct Imap {}
impl Protocol for Imap {
    const INFO: Info = Info { name: "imap", doc: "", transports: &[Transport::Tcp], ports: &[], buffer_max: 0 };
    fn probe(_: &Probe<'_>) -> Match { Match::No }
    fn parse<O: Out>(&mut self, _: &mut Cx<'_, O>, _: Direction, _: &[u8]) -> Step { Step::done() }
}
