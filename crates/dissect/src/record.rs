//! Records that several protocols push: anomalies, files, and Vigie's own `login` and `fact`, by which detectors and inventory
//! read every protocol alike.

use vigie_base::{Ip, Mac};
use vigie_event::{Flag, Group, Record};

/// Something malformed, odd or beyond a cap.
#[derive(Record)]
#[record(kind = "anomaly", tx)]
pub struct Anomaly<'a> {
    /// Protocol in which it was seen.
    pub app_proto: Option<&'a str>,
    /// `decode`, `stream` or `applayer`.
    #[field(key = "type")]
    pub kind: &'a str,
    /// Name.
    pub event: &'a str,
    /// `proto_parser` or `proto_detect`, for `applayer`.
    pub layer: Option<&'a str>,
}

/// A file that a protocol carried, told when it is over.
#[derive(Record)]
#[record(kind = "fileinfo", app_proto)]
pub struct FileInfo<'a> {
    /// The HTTP exchange that carried it.
    #[field(place = "top")]
    pub http: Option<FileHttp<'a>>,
    /// The mail that carried it.
    #[field(place = "top")]
    pub smtp: Option<FileMail<'a>>,
    /// The fields of that mail.
    #[field(place = "top")]
    pub email: Option<FileEmail<'a>>,
    /// Name as the protocol gives it.
    #[field(class = "personal", keyword = "file.name")]
    pub filename: &'a [u8],
    /// Whether bytes are missing.
    pub gaps: bool,
    /// `CLOSED`, or `TRUNCATED` where it was cut.
    pub state: &'a str,
    /// MD5 of its content, where it is no larger than `files.md5-sha1-max`.
    pub md5: Option<&'a str>,
    /// SHA-1 of its content, under the same condition.
    pub sha1: Option<&'a str>,
    /// SHA-256 of its content.
    pub sha256: Option<&'a str>,
    /// Whether it was kept: never.
    pub stored: bool,
    /// Bytes of it, missing ones included.
    pub size: u64,
    /// Where it is a part of a whole: its first byte there.
    pub start: Option<u64>,
    /// And its last.
    pub end: Option<u64>,
    /// Transaction.
    pub tx_id: u32,
    /// Type by content.
    #[field(place = "vigie", key = "file_type")]
    pub file_type: Option<&'a str>,
}

/// What `fileinfo` says of the HTTP exchange.
#[derive(Group, Default)]
pub struct FileHttp<'a> {
    /// Host.
    #[field(class = "personal")]
    pub hostname: Option<&'a [u8]>,
    /// Port in the host or URL, where one is written.
    pub http_port: Option<u16>,
    /// URL.
    #[field(class = "personal")]
    pub url: Option<&'a [u8]>,
    /// User agent.
    pub http_user_agent: Option<&'a [u8]>,
    /// `X-Forwarded-For`.
    #[field(class = "personal")]
    pub xff: Option<&'a [u8]>,
    /// Content type of the answer.
    pub http_content_type: Option<&'a [u8]>,
    /// Referer.
    #[field(class = "personal")]
    pub http_refer: Option<&'a [u8]>,
    /// Method.
    pub http_method: Option<&'a [u8]>,
    /// Protocol.
    pub protocol: Option<&'a [u8]>,
    /// Status.
    pub status: Option<u16>,
    /// Where the answer sends to.
    #[field(class = "personal")]
    pub redirect: Option<&'a [u8]>,
    /// Bytes of the body.
    pub length: u64,
}

/// What `fileinfo` says of the SMTP session.
#[derive(Group)]
pub struct FileMail<'a> {
    /// HELO or EHLO.
    pub helo: Option<&'a [u8]>,
    /// MAIL FROM.
    #[field(class = "personal")]
    pub mail_from: Option<&'a [u8]>,
    /// RCPT TO.
    #[field(class = "personal")]
    pub rcpt_to: &'a [&'a [u8]],
}

/// What `fileinfo` says of the mail.
#[derive(Group)]
pub struct FileEmail<'a> {
    /// How far it was read: `PARSE_DONE` where it is whole.
    pub status: &'a str,
    /// From.
    #[field(class = "personal")]
    pub from: Option<&'a [u8]>,
    /// To.
    #[field(class = "personal")]
    pub to: &'a [&'a [u8]],
    /// Cc.
    #[field(class = "personal")]
    pub cc: &'a [&'a [u8]],
    /// Subject.
    #[field(class = "personal")]
    pub subject: Option<&'a [u8]>,
    /// Names of its files.
    #[field(class = "personal")]
    pub attachment: &'a [&'a [u8]],
    /// Links in its text.
    #[field(class = "personal")]
    pub url: &'a [&'a [u8]],
}

/// Someone tried to log in, in any protocol.
#[derive(Record)]
#[record(kind = "login", internal)]
pub struct Login<'a> {
    /// Protocol (`ftp`, `ssh`, `http`, `telnet`, `smtp`, `imap`, `pop3`).
    pub protocol: &'a str,
    /// User name where readable.
    #[field(class = "personal")]
    pub user: Option<&'a [u8]>,
    /// How: `password`, `basic`, `form`, `plain`, `cram-md5`, `publickey`, `shape` (told from the session's shape), ...
    pub method: &'a str,
    /// `success`, `failure` or `unknown`.
    pub outcome: &'a str,
    /// Whether the password could be read on the wire.
    pub cleartext: bool,
    /// Whether it is an anonymous or guest log-in, or has an empty password.
    pub anonymous: bool,
    /// How many tries this row stands for (1, or more where only a session's shape tells).
    pub tries: u32,
}

/// Something a machine says or shows of itself or of another.
#[derive(Record)]
#[record(kind = "fact", internal)]
pub struct Fact<'a> {
    /// Whom it is about, by address.
    pub ip: Option<Ip>,
    /// Whom it is about, by Ethernet address.
    pub mac: Option<Mac>,
    /// What: `hostname`, `fqdn`, `domain`, `os`, `vendor`, `model`, `user_agent`, `software` (a server's banner), `client_software`,
    /// `dhcp_fingerprint`, `dhcp_vendor_class`, `service`, `lease`, `neighbour` (a hardware address claims the address), `workgroup`,
    /// `device_class`, `certificate_name`.
    pub key: &'a str,
    /// The value as seen.
    pub value: &'a [u8],
    /// Protocol that says so.
    pub source: &'a str,
    /// How far to believe it: 0 to 100.
    pub confidence: u8,
    /// Whether it is about an address's name given by a third (a DNS answer) and not by the machine itself.
    pub hearsay: Flag,
}
