//! The `http` event.

use vigie_event::{Flag, Group, Record};

/// An HTTP exchange: a request and its answer.
#[derive(Record)]
#[record(kind = "http", tx)]
pub struct HttpExchange<'a> {
    /// Host asked for, lower case.
    #[field(class = "personal", keyword = "http.host")]
    pub hostname: Option<&'a [u8]>,
    /// Port in the host or URL, where one is written.
    pub http_port: Option<u16>,
    /// URL as requested; secret values as `<redacted:LENGTH>`.
    #[field(class = "personal", keyword = "http.uri")]
    pub url: Option<&'a [u8]>,
    /// User agent.
    #[field(keyword = "http.user_agent")]
    pub http_user_agent: Option<&'a [u8]>,
    /// `X-Forwarded-For`.
    #[field(class = "personal")]
    pub xff: Option<&'a [u8]>,
    /// Media type of the answer, without parameters.
    #[field(keyword = "http.content_type")]
    pub http_content_type: Option<&'a [u8]>,
    /// `Content-Range` of the answer.
    pub content_range: Option<ContentRange<'a>>,
    /// Referer; secret values as `<redacted:LENGTH>`.
    #[field(class = "personal", keyword = "http.referer")]
    pub http_refer: Option<&'a [u8]>,
    /// Method.
    #[field(keyword = "http.method")]
    pub http_method: Option<&'a [u8]>,
    /// Protocol of the request, or of the answer where there is no request.
    #[field(keyword = "http.protocol")]
    pub protocol: Option<&'a [u8]>,
    /// Status.
    #[field(keyword = "http.stat_code")]
    pub status: Option<u16>,
    /// Status that is no number.
    pub status_string: Option<&'a [u8]>,
    /// `Location` of the answer; secret values as `<redacted:LENGTH>`.
    #[field(class = "personal", keyword = "http.location")]
    pub redirect: Option<&'a [u8]>,
    /// Bytes of the answer's body as it came over the wire, chunk framing included.
    pub length: u64,
    /// Bytes of the request's body as it came over the wire.
    #[field(place = "vigie")]
    pub request_length: Option<u64>,
    /// Bytes of the answer's body without chunk framing and content codings, where that is another number.
    #[field(place = "vigie")]
    pub entity_length: Option<u64>,
    /// Media type of the request's body.
    #[field(place = "vigie")]
    pub request_content_type: Option<&'a [u8]>,
    /// `Content-Encoding` of the answer.
    #[field(place = "vigie")]
    pub content_encoding: Option<&'a [u8]>,
    /// `Server`.
    #[field(place = "vigie", keyword = "http.server")]
    pub server: Option<&'a [u8]>,
    /// `Upgrade` that was agreed to.
    #[field(place = "vigie")]
    pub upgrade: Option<&'a [u8]>,
    /// How the client authenticates: `basic`, `digest`, `ntlm`, `negotiate`, `bearer`, `form`.
    #[field(place = "vigie")]
    pub auth: Option<&'a str>,
    /// Whether the request or the answer was cut short or has bytes missing.
    #[field(place = "vigie")]
    pub incomplete: Flag,
}

/// A part of a whole (RFC 9110 section 14.4).
#[derive(Group, Clone, Copy)]
pub struct ContentRange<'a> {
    /// As written.
    pub raw: &'a [u8],
    /// First byte.
    pub start: Option<u64>,
    /// Last byte.
    pub end: Option<u64>,
    /// Bytes of the whole.
    pub size: Option<u64>,
}
