//! The `imap` event, Vigie's own.

use vigie_event::{Group, Record};

/// A command and its tagged answer.
#[derive(Record)]
#[record(kind = "imap", tx)]
pub struct ImapCommand<'a> {
    /// The command.
    pub request: Request<'a>,
    /// The tagged answer, where it came.
    pub response: Option<Response<'a>>,
}

/// What the client asked.
#[derive(Group)]
pub struct Request<'a> {
    /// Tag.
    pub tag: &'a [u8],
    /// Command, upper case.
    pub command: &'a [u8],
    /// Its arguments; passwords and SASL lines as `<redacted:LENGTH>`, search terms left out.
    #[field(class = "personal")]
    pub argument: Option<&'a [u8]>,
}

/// What the server answered.
#[derive(Group)]
pub struct Response<'a> {
    /// `OK`, `NO` or `BAD`.
    pub status: &'a str,
    /// Text after the status.
    #[field(class = "personal")]
    pub text: &'a [u8],
}
