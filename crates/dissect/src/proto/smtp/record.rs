//! The `smtp` event.

use vigie_event::{Group, Record};

/// A mail transaction.
#[derive(Record)]
#[record(kind = "smtp", tx)]
pub struct SmtpMail<'a> {
    /// Name given with HELO, EHLO or LHLO.
    #[field(keyword = "smtp.helo")]
    pub helo: Option<&'a [u8]>,
    /// Sender of the envelope, as in MAIL FROM.
    #[field(class = "personal", keyword = "smtp.mail_from")]
    pub mail_from: Option<&'a [u8]>,
    /// Recipients of the envelope, as in RCPT TO; the first 128.
    #[field(class = "personal", keyword = "smtp.rcpt_to")]
    pub rcpt_to: &'a [&'a [u8]],
    /// The mail itself, where one was sent.
    #[field(place = "top")]
    pub email: Option<Email<'a>>,
    /// Code of the server's answer to the mail.
    #[field(place = "vigie")]
    pub reply_code: Option<u16>,
    /// Text of that answer.
    #[field(place = "vigie", class = "personal")]
    pub reply: Option<&'a [u8]>,
    /// Bytes of the mail.
    #[field(place = "vigie")]
    pub size: Option<u64>,
    /// Recipients in all, where they were more than are told.
    #[field(place = "vigie")]
    pub recipients: Option<u32>,
    /// Who has logged in.
    #[field(place = "vigie", class = "personal")]
    pub user: Option<&'a [u8]>,
}

/// What a mail's own header says, and what is in it. Encoded words are decoded.
#[derive(Group)]
pub struct Email<'a> {
    /// `PARSE_DONE`; `HEADER_STARTED` or `BODY_STARTED` where the mail was cut there.
    pub status: &'a str,
    /// From.
    #[field(class = "personal", keyword = "email.from")]
    pub from: Option<&'a [u8]>,
    /// To, cut at its commas.
    #[field(class = "personal", keyword = "email.to")]
    pub to: &'a [&'a [u8]],
    /// Cc, cut at its commas.
    #[field(class = "personal", keyword = "email.cc")]
    pub cc: &'a [&'a [u8]],
    /// Subject.
    #[field(class = "personal", keyword = "email.subject")]
    pub subject: Option<&'a [u8]>,
    /// Date, as written.
    #[field(keyword = "email.date")]
    pub date: Option<&'a [u8]>,
    /// Message-ID.
    #[field(class = "personal", keyword = "email.message_id")]
    pub message_id: Option<&'a [u8]>,
    /// Reply-To.
    #[field(class = "personal")]
    pub reply_to: Option<&'a [u8]>,
    /// X-Mailer.
    #[field(keyword = "email.x_mailer")]
    pub x_mailer: Option<&'a [u8]>,
    /// User-Agent.
    pub user_agent: Option<&'a [u8]>,
    /// X-Originating-IP.
    pub x_originating_ip: Option<&'a [u8]>,
    /// Names of named parts.
    #[field(class = "personal")]
    pub attachment: &'a [&'a [u8]],
    /// Links in its text, without their scheme: those of `http` first, each group last found first.
    #[field(class = "personal", keyword = "email.url")]
    pub url: &'a [&'a [u8]],
}
