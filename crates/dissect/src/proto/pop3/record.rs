//! The `pop3` event.

use vigie_event::{Group, Record};

/// A command and its response.
#[derive(Record)]
#[record(kind = "pop3", tx)]
pub struct Pop3Command<'a> {
    /// The command; absent in the greeting.
    pub request: Option<Request<'a>>,
    /// The response, where it came.
    pub response: Option<Response<'a>>,
}

/// What the client asked.
#[derive(Group)]
pub struct Request<'a> {
    /// Command, upper case; `<SASL DATA>` for a line of an exchange.
    pub command: &'a [u8],
    /// Its arguments; a password or digest as `<redacted:LENGTH>`.
    #[field(class = "personal")]
    pub args: &'a [&'a [u8]],
}

/// What the server answered.
#[derive(Group)]
pub struct Response<'a> {
    /// Whether the status is `OK`.
    pub success: bool,
    /// `OK` or `ERR`.
    pub status: &'a str,
    /// Text after the status.
    #[field(class = "personal")]
    pub header: &'a [u8],
    /// Lines after the first, of CAPA, LIST and UIDL.
    pub data: &'a [&'a [u8]],
}
