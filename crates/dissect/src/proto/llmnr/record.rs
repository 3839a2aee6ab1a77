//! The `llmnr` event.

use crate::proto::dns::message::Message;
use crate::proto::dns::record::{Query, Resource, all_options, questions, rcode_name, section};
use vigie_event::{Flag, Record};

/// An LLMNR message.
#[derive(Record)]
#[record(kind = "llmnr")]
pub struct LlmnrMessage<'a> {
    /// `request` or `response`.
    #[field(key = "type")]
    pub kind: &'a str,
    /// Transaction within the flow.
    pub tx_id: u32,
    /// Identifier.
    pub id: u16,
    /// Conflict: several have answered (RFC 4795 section 2.1.1).
    pub conflict: Flag,
    /// Truncated.
    pub tc: Flag,
    /// Tentative: the name is not verified to be unique yet.
    pub tentative: Flag,
    /// Operation.
    pub opcode: u8,
    /// Response code.
    pub rcode: &'a str,
    /// Questions.
    pub queries: &'a [Query<'a>],
    /// Answers.
    pub answers: &'a [Resource<'a>],
}

/// Builds the record of a message and gives it to `push`.
pub(super) fn push(m: &Message<'_>, arena: &[u8], tx: u32, push: impl FnOnce(&LlmnrMessage<'_>)) {
    let queries = questions(m, arena);
    let opts = all_options(m);
    let answers = section(&m.answers, arena, &mut &opts[..], false);
    push(&LlmnrMessage {
        kind: if m.is_response() { "response" } else { "request" },
        tx_id: tx,
        id: m.id,
        conflict: Flag(m.flags & 0x0400 != 0),
        tc: Flag(m.flags & 0x0200 != 0),
        tentative: Flag(m.flags & 0x0100 != 0),
        opcode: m.opcode(),
        rcode: rcode_name(m.rcode()),
        queries: &queries,
        answers: &answers,
    });
}
