//! What is kept of one exchange: its fields in one buffer, its lengths, its log-in.

use super::login::{Attempt, Hint};
use super::record::{ContentRange, HttpExchange};
use crate::record::FileHttp;
use vigie_event::Flag;

/// Most bytes kept of a URL.
const URL_MAX: usize = 8192;
/// Most bytes kept of any other field.
const VALUE_MAX: usize = 2048;

/// Where a field stands in the exchange's buffer.
#[derive(Clone, Copy, Debug)]
struct Span {
    at: u32,
    len: u32,
}

const ABSENT: Span = Span { at: u32::MAX, len: 0 };

/// The fields kept as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Method,
    Url,
    Host,
    Protocol,
    Agent,
    Referer,
    Forwarded,
    RequestType,
    // Of the answer, from here on.
    ContentType,
    Range,
    Location,
    Server,
    Encoding,
    Upgrade,
    StatusWord,
    Filename,
    AnswerProtocol,
}

const TEXTS: usize = Text::AnswerProtocol as usize + 1;

/// A request and its answer. About 300 bytes and its fields' text.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) tx: u32,
    /// What it was counted as among the requests that wait.
    pub(super) counted: usize,
    text: Vec<u8>,
    spans: [Span; TEXTS],
    pub(super) port: Option<u16>,
    pub(super) status: u16,
    pub(super) request_wire: u64,
    pub(super) response_wire: u64,
    pub(super) entity: u64,
    /// A request was seen (not only its answer).
    pub(super) asked: bool,
    pub(super) request_done: bool,
    pub(super) answered: bool,
    /// The answer has begun.
    pub(super) answering: bool,
    pub(super) is_head: bool,
    pub(super) is_connect: bool,
    /// A request line without a protocol (HTTP/0.9).
    pub(super) bare: bool,
    /// A 100 was seen.
    pub(super) continued: bool,
    /// What is kept of the answer is of an interim one.
    pub(super) interim: bool,
    /// The client asked for another protocol.
    pub(super) upgrade: bool,
    pub(super) cookie: bool,
    pub(super) cut: bool,
    pub(super) hint: Hint,
    pub(super) auth: Option<Box<Attempt>>,
    pub(super) form: Option<Box<Attempt>>,
}

impl Exchange {
    pub(super) fn new(tx: u32) -> Self {
        Exchange {
            tx,
            counted: 0,
            text: Vec::new(),
            spans: [ABSENT; TEXTS],
            port: None,
            status: 0,
            request_wire: 0,
            response_wire: 0,
            entity: 0,
            asked: false,
            request_done: false,
            answered: false,
            answering: false,
            is_head: false,
            is_connect: false,
            bare: false,
            continued: false,
            interim: false,
            upgrade: false,
            cookie: false,
            cut: false,
            hint: Hint::default(),
            auth: None,
            form: None,
        }
    }

    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        size_of::<Self>() + self.text.capacity()
    }

    /// Keeps a field; the first of its name counts.
    pub(super) fn set(&mut self, field: Text, value: &[u8]) {
        self.set_with(field, |out| out.extend_from_slice(value));
    }

    /// Keeps a field that `write` writes.
    pub(super) fn set_with(&mut self, field: Text, write: impl FnOnce(&mut Vec<u8>)) {
        if self.has(field) {
            return;
        }
        if self.text.capacity() == 0 {
            self.text.reserve(512);
        }
        let at = self.text.len();
        write(&mut self.text);
        self.text.truncate(at + if field == Text::Url { URL_MAX } else { VALUE_MAX });
        self.spans[field as usize] = Span { at: at as u32, len: (self.text.len() - at) as u32 };
    }

    pub(super) fn has(&self, field: Text) -> bool {
        self.spans[field as usize].at != ABSENT.at
    }

    pub(super) fn get(&self, field: Text) -> Option<&[u8]> {
        let s = self.spans[field as usize];
        if s.at == ABSENT.at { None } else { self.text.get(s.at as usize..(s.at + s.len) as usize) }
    }

    /// Forgets an interim answer (RFC 9110 section 15.2).
    pub(super) fn forget_answer(&mut self) {
        for span in &mut self.spans[Text::ContentType as usize..] {
            *span = ABSENT;
        }
        let kept = self.spans.iter().filter(|s| s.at != ABSENT.at).map(|s| (s.at + s.len) as usize).max().unwrap_or(0);
        self.text.truncate(kept);
        self.status = 0;
        self.cookie = false;
        self.interim = false;
    }

    /// Whether its answer hands the connection over to something else (RFC 9110 sections 7.8 and 9.3.6).
    pub(super) fn switches(&self) -> bool {
        self.status == 101 && (self.upgrade || self.has(Text::Upgrade)) || self.is_connect && (200..300).contains(&self.status)
    }

    /// The media type of the answer, without parameters.
    fn media_type(&self) -> Option<&[u8]> {
        self.get(Text::ContentType).map(|t| t.split(|b| *b == b';').next().unwrap_or(t))
    }

    fn range(&self) -> Option<ContentRange<'_>> {
        let raw = self.get(Text::Range)?;
        let (start, end, size) = parse_range(raw).unwrap_or_default();
        Some(ContentRange { raw, start, end, size })
    }

    fn protocol(&self) -> Option<&[u8]> {
        // Where no request was seen, the answer says which protocol it is.
        self.get(Text::Protocol).or(if self.asked { None } else { self.get(Text::AnswerProtocol) })
    }

    /// First and last byte of the part that the answer is.
    pub(super) fn part(&self) -> Option<(u64, u64)> {
        self.range().and_then(|r| r.start.zip(r.end))
    }

    pub(super) fn record(&self) -> HttpExchange<'_> {
        HttpExchange {
            hostname: self.get(Text::Host),
            http_port: self.port,
            url: self.get(Text::Url),
            http_user_agent: self.get(Text::Agent),
            xff: self.get(Text::Forwarded),
            http_content_type: self.media_type(),
            content_range: self.range(),
            http_refer: self.get(Text::Referer),
            http_method: self.get(Text::Method),
            protocol: self.protocol(),
            status: Some(self.status).filter(|s| *s > 0),
            status_string: self.get(Text::StatusWord).filter(|_| self.status == 0),
            redirect: self.get(Text::Location),
            length: self.response_wire,
            request_length: Some(self.request_wire).filter(|n| *n > 0),
            entity_length: Some(self.entity).filter(|n| *n != self.response_wire),
            request_content_type: self.get(Text::RequestType).map(|t| t.split(|b| *b == b';').next().unwrap_or(t)),
            content_encoding: self.get(Text::Encoding),
            server: self.get(Text::Server),
            upgrade: self.get(Text::Upgrade).filter(|_| self.status == 101),
            auth: self.auth.as_ref().or(self.form.as_ref()).map(|a| a.method),
            incomplete: Flag(self.cut),
        }
    }

    /// What `fileinfo` says of it.
    pub(super) fn carrier(&self) -> FileHttp<'_> {
        FileHttp {
            hostname: self.get(Text::Host),
            http_port: self.port,
            url: self.get(Text::Url),
            http_user_agent: self.get(Text::Agent),
            xff: self.get(Text::Forwarded),
            http_content_type: self.media_type(),
            http_refer: self.get(Text::Referer),
            http_method: self.get(Text::Method),
            protocol: self.protocol(),
            status: Some(self.status).filter(|s| *s > 0),
            redirect: self.get(Text::Location),
            length: self.response_wire,
        }
    }

    /// The name of the file that a body is: what `Content-Disposition` says, else the path asked for.
    pub(super) fn file_name(&self, answer: bool) -> Vec<u8> {
        if let Some(name) = self.get(Text::Filename).filter(|_| answer) {
            return name.to_vec();
        }
        let path = super::url::path(self.get(Text::Url).unwrap_or(&[]));
        let mut out = Vec::with_capacity(path.len());
        super::url::percent_decode(path, false, &mut out);
        out
    }
}

/// `bytes FIRST-LAST/SIZE`, with `*` for what is not known.
type Range = (Option<u64>, Option<u64>, Option<u64>);

fn parse_range(raw: &[u8]) -> Option<Range> {
    let text = std::str::from_utf8(raw).ok()?.trim();
    let rest = text.get(..5).filter(|u| u.eq_ignore_ascii_case("bytes")).and_then(|_| text.get(5..))?.trim_start();
    let (part, size) = rest.split_once('/')?;
    let size = size.trim().parse().ok();
    if part.trim() == "*" {
        return Some((None, None, size));
    }
    let (start, end) = part.split_once('-')?;
    Some((Some(start.trim().parse().ok()?), Some(end.trim().parse().ok()?), size))
}

crate::held::holds! { Exchange: { text, auth, form } }
