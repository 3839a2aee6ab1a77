//! The `telnet` event, Vigie's own.

use vigie_event::Record;

/// A telnet session, told when it is over or nothing more can be learnt.
#[derive(Record)]
#[record(kind = "telnet")]
pub struct TelnetSession<'a> {
    /// What the server said before it asked for a name: the last lines, joined by ` | `.
    pub banner: Option<&'a [u8]>,
    /// Terminal that the client says it is.
    pub terminal_type: Option<&'a [u8]>,
    /// User of the last try.
    #[field(class = "personal")]
    pub user: Option<&'a [u8]>,
    /// User that the client's environment names (NEW-ENVIRON, RFC 1572): it logs in without being asked where the server is weak.
    #[field(class = "personal")]
    pub environment_user: Option<&'a [u8]>,
    /// Length of the last password, as `<redacted:LENGTH>`.
    pub password: Option<&'a [u8]>,
    /// Tries to log in.
    pub tries: u32,
    /// Outcome of the last try: `success`, `failure` or `unknown`.
    pub outcome: Option<&'a str>,
    /// Whether the session turned to encryption (ENCRYPT, RFC 2946; START_TLS).
    pub encrypted: bool,
}
