//! Mail as text: the message format (RFC 5322), MIME bodies (RFC 2045 to 2049), names of files (RFC 2183, 2231).
//!
//! No protocol of its own: whoever carries a mail gives its lines to [`Mail`] as they come and asks at the end. Header fields are
//! unfolded, encoded words decoded; parts are followed through nested multiparts and enclosed messages; each part with a file name
//! is a file, hashed over its decoded content; links are collected from decoded text. Assumed: lines end in LF. As in Suricata,
//! what counts as an attachment is what bears a name. Nothing of the text is kept but the fields below.

mod coding;
#[cfg(test)]
mod tests;

pub(crate) use coding::{addresses, base64};

use crate::Cx;
use crate::file::{Carrier, File, FileState};
use crate::record::{FileEmail, FileMail};
use coding::{Base64, parameter, quoted_printable, words};
use vigie_base::Direction;
use vigie_event::Out;

/// Longest piece of a line that is handled at once, its end included; longer lines are handled piece by piece.
pub const LINE_MAX: usize = 4096;
/// Longest header field kept, unfolded; the rest of it is dropped.
const FIELD_MAX: usize = 8192;
/// Longest value kept of a field that is told.
const VALUE_MAX: usize = 1024;
/// Most addresses kept of one field.
const ADDRESSES_MAX: usize = 64;
/// Multiparts and messages inside one another; deeper ones are not opened.
const DEPTH_MAX: usize = 16;
/// Parts of one mail; what follows is not looked at.
const PARTS_MAX: usize = 512;
/// Files of one mail; further named parts are counted and not hashed. About 0.7 KiB each.
const FILES_MAX: usize = 64;
/// Longest boundary (RFC 2046 5.1.1 allows 70).
const BOUNDARY_MAX: usize = 254;
/// Links kept of one mail.
const URLS_MAX: usize = 64;
/// Longest link kept.
const URL_MAX: usize = 512;
/// Bytes of decoded text of one mail in which links are sought.
const TEXT_MAX: u64 = 1 << 20;
/// Longest beginning of a line of decoded text that waits for its end.
const TEXT_LINE_MAX: usize = 8192;
/// Suricata's limits, over which it raises an event.
const FIELD_NAME_LONG: usize = 75;
const FIELD_VALUE_LONG: usize = 2000;
const ENCODED_LINE_LONG: usize = 76;
const FILE_NAME_LONG: usize = 255;

/// Oddities of a mail, as a set; names are Suricata's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities(u16);

impl Oddities {
    pub(crate) const NAMES: [&str; 9] = [
        "MIME_INVALID_BASE64",
        "MIME_INVALID_QP",
        "MIME_LONG_LINE",
        "MIME_LONG_ENC_LINE",
        "MIME_LONG_HEADER_NAME",
        "MIME_LONG_HEADER_VALUE",
        "MIME_LONG_BOUNDARY",
        "MIME_LONG_FILENAME",
        "MIME_TOO_MANY_PARTS",
    ];
    const BASE64: u16 = 1;
    const QP: u16 = 1 << 1;
    const LINE: u16 = 1 << 2;
    const ENCODED_LINE: u16 = 1 << 3;
    const NAME: u16 = 1 << 4;
    const VALUE: u16 = 1 << 5;
    const BOUNDARY: u16 = 1 << 6;
    const FILE_NAME: u16 = 1 << 7;
    const PARTS: u16 = 1 << 8;

    /// Their names.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().enumerate().filter(move |(i, _)| self.0 & 1 << i != 0).map(|(_, n)| *n)
    }
}

/// The fields of the mail's own header that are told.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) from: Option<Vec<u8>>,
    pub(crate) to: Vec<Vec<u8>>,
    pub(crate) cc: Vec<Vec<u8>>,
    pub(crate) subject: Option<Vec<u8>>,
    pub(crate) date: Option<Vec<u8>>,
    pub(crate) message_id: Option<Vec<u8>>,
    pub(crate) reply_to: Option<Vec<u8>>,
    pub(crate) x_mailer: Option<Vec<u8>>,
    pub(crate) user_agent: Option<Vec<u8>>,
    pub(crate) x_originating_ip: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Header,
    Body,
    /// Between a multipart's header and its first part, or after its last.
    Between,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Text,
    Multipart,
    Message,
    Other,
}

#[derive(Clone, Copy, Debug, Default)]
enum Coding {
    #[default]
    Plain,
    Base64(Base64),
    QuotedPrintable,
}

/// What the header of the part at hand says of it.
#[derive(Debug, Default)]
struct Part {
    kind: Kind,
    coding: Coding,
    /// From Content-Disposition, which goes before Content-Type.
    file_name: Option<Vec<u8>>,
    type_name: Option<Vec<u8>>,
    boundary: Option<Vec<u8>>,
}

/// A mail on its way.
#[derive(Debug)]
pub(crate) struct Mail {
    dir: Direction,
    tx: u32,
    hashes: Option<u64>,
    pub(crate) fields: Fields,
    /// Names of named parts, in order.
    pub(crate) attachments: Vec<Vec<u8>>,
    urls: [Vec<Vec<u8>>; 2],
    pub(crate) oddities: Oddities,
    /// Bytes of the mail, line ends included.
    pub(crate) size: u64,
    state: State,
    /// The header field at hand, unfolded.
    field: Vec<u8>,
    /// Whether the header at hand is the mail's own.
    own_header: bool,
    part: Part,
    /// Boundaries of the multiparts that are open, outermost first; an enclosed message has none.
    open: Vec<Vec<u8>>,
    messages: usize,
    /// An enclosed message is said to be encoded; its first line will tell.
    undecided: bool,
    parts: usize,
    file: Option<File>,
    /// An enclosed message that has a name: a file of its own, besides the parts in it; how many multiparts are around it.
    enclosing: Option<(File, usize)>,
    /// The end of the last line, which belongs to a boundary if one follows (RFC 2046 5.1.1).
    line_end: &'static [u8],
    enclosing_line_end: &'static [u8],
    done: Vec<(File, FileState)>,
    decoded: Vec<u8>,
    /// The beginning of a line of decoded text.
    text: Vec<u8>,
    text_seen: u64,
}

impl Mail {
    /// A mail begins, sent in `dir` in transaction `tx`.
    pub(crate) fn new(dir: Direction, tx: u32, hashes: Option<u64>) -> Self {
        Mail {
            dir,
            tx,
            hashes,
            fields: Fields::default(),
            attachments: Vec::new(),
            urls: Default::default(),
            oddities: Oddities::default(),
            size: 0,
            state: State::Header,
            field: Vec::new(),
            own_header: true,
            part: Part::default(),
            open: Vec::new(),
            messages: 0,
            undecided: false,
            parts: 0,
            file: None,
            enclosing: None,
            line_end: b"",
            enclosing_line_end: b"",
            done: Vec::new(),
            decoded: Vec::new(),
            text: Vec::new(),
            text_seen: 0,
        }
    }

    /// How far it was read, in Suricata's words.
    pub(crate) fn status(&self, complete: bool) -> &'static str {
        match (complete, self.state) {
            (true, _) => "PARSE_DONE",
            (_, State::Header) => "HEADER_STARTED",
            _ => "BODY_STARTED",
        }
    }

    /// Links in its text, without their scheme: those of plain HTTP first, each group last found first, as Suricata orders them.
    pub(crate) fn urls(&self) -> Vec<&[u8]> {
        self.urls.iter().flat_map(|u| u.iter().rev().map(Vec::as_slice)).collect()
    }

    /// A line, or (longer than [`LINE_MAX`]) the next piece of one: `text` without its end, `end` empty where the line goes on,
    /// `begins` on a line's first piece. `secrets` are the names of parameters whose values are secrets.
    pub(crate) fn line(&mut self, text: &[u8], end: &[u8], begins: bool, secrets: &[String]) {
        self.size += (text.len() + end.len()) as u64;
        if begins && text.len() > 998 {
            self.odd(Oddities::LINE);
        }
        if std::mem::take(&mut self.undecided) && begins && text.contains(&b':') {
            // Said to be encoded, which an enclosed message may not be (RFC 2046 5.2.1), and is not.
            let file = self.file.take();
            self.open_message(file);
        }
        let enclosed = self.enclosing.is_some();
        match self.state {
            State::Header => self.header_line(text, begins, secrets),
            State::Body | State::Between => {
                let boundary = begins && text.starts_with(b"--") && self.boundary(&text[2..], secrets);
                if !boundary && self.state == State::Body {
                    self.body_line(text, end, secrets);
                }
            }
        }
        if let Some((file, _)) = self.enclosing.as_mut().filter(|_| enclosed) {
            file.data(self.enclosing_line_end);
            file.data(text);
            self.enclosing_line_end = known_end(end);
        }
    }

    /// `len` bytes are missing.
    pub(crate) fn gap(&mut self, len: u64) {
        self.size += len;
        self.text.clear();
        for f in self.file.iter_mut().chain(self.enclosing.iter_mut().map(|(f, _)| f)) {
            f.gap(len);
        }
        if let Coding::Base64(d) = &mut self.part.coding {
            *d = Base64::default();
        }
    }

    /// It is over.
    pub(crate) fn end(&mut self, complete: bool, secrets: &[String]) {
        if self.state == State::Header {
            self.take_field();
        }
        self.end_part(if complete { FileState::Closed } else { FileState::Truncated }, secrets);
        self.end_enclosing(0, complete);
    }

    /// Tells its files. Call [`Mail::end`] before.
    pub(crate) fn tell_files<O: Out>(
        &mut self,
        cx: &mut Cx<'_, O>,
        complete: bool,
        helo: Option<&[u8]>,
        from: Option<&[u8]>,
        to: &[&[u8]],
    ) {
        let done = std::mem::take(&mut self.done);
        let status = self.status(complete);
        let urls = self.urls();
        let f = &self.fields;
        let (email_to, cc) = (slices(&f.to), slices(&f.cc));
        let names = slices(&self.attachments);
        for (file, state) in done {
            let email = FileEmail {
                status,
                from: f.from.as_deref(),
                to: &email_to,
                cc: &cc,
                subject: f.subject.as_deref(),
                attachment: &names,
                url: &urls,
            };
            let carrier = Carrier { smtp: Some(FileMail { helo, mail_from: from, rcpt_to: to }), email: Some(email), ..Carrier::default() };
            file.close(cx, state, carrier);
        }
    }

    fn odd(&mut self, which: u16) {
        self.oddities.0 |= which;
    }

    fn header_line(&mut self, text: &[u8], begins: bool, secrets: &[String]) {
        if !begins {
            let room = FIELD_MAX.saturating_sub(self.field.len());
            self.field.extend_from_slice(&text[..text.len().min(room)]);
            return;
        }
        match text.first() {
            None => {
                self.take_field();
                self.header_over();
            }
            // Folded: the line's break goes, one blank with it, as in Suricata.
            Some(b' ' | b'\t') if !self.field.is_empty() => {
                let room = FIELD_MAX.saturating_sub(self.field.len());
                let more = if self.field.ends_with(b" ") { &text[1..] } else { text };
                self.field.extend_from_slice(&more[..more.len().min(room)]);
            }
            Some(_) => {
                self.take_field();
                self.field.extend_from_slice(text);
                // A header cut short by the boundary of its multipart.
                if text.starts_with(b"--") && self.boundary(&text[2..], secrets) {
                    self.field.clear();
                }
            }
        }
    }

    /// The header field at hand is whole.
    fn take_field(&mut self) {
        let mut field = std::mem::take(&mut self.field);
        if let Some(colon) = field.iter().position(|b| *b == b':') {
            let name = field[..colon].trim_ascii().to_ascii_lowercase();
            let value = field[colon + 1..].trim_ascii();
            if name.len() > FIELD_NAME_LONG {
                self.odd(Oddities::NAME);
            }
            if value.len() > FIELD_VALUE_LONG {
                self.odd(Oddities::VALUE);
            }
            self.part_field(&name, value);
            if self.own_header {
                self.own_field(&name, value);
            }
        }
        field.clear();
        self.field = field;
    }

    fn own_field(&mut self, name: &[u8], value: &[u8]) {
        let f = &mut self.fields;
        let text = match name {
            b"from" => &mut f.from,
            b"subject" => &mut f.subject,
            b"date" => &mut f.date,
            b"message-id" => &mut f.message_id,
            b"reply-to" => &mut f.reply_to,
            b"x-mailer" => &mut f.x_mailer,
            b"user-agent" => &mut f.user_agent,
            b"x-originating-ip" => &mut f.x_originating_ip,
            b"to" | b"cc" => {
                let list = if name == b"to" { &mut f.to } else { &mut f.cc };
                let room = ADDRESSES_MAX.saturating_sub(list.len());
                list.extend(addresses(value).take(room).map(|a| cut(words(a))));
                return;
            }
            _ => return,
        };
        if text.is_none() && !value.is_empty() {
            *text = Some(cut(words(value)));
        }
    }

    fn part_field(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"content-type" => {
                let kind = value.split(|b| *b == b';').next().unwrap_or(&[]).trim_ascii().to_ascii_lowercase();
                self.part.kind = match &kind[..] {
                    k if k.starts_with(b"multipart/") => Kind::Multipart,
                    b"message/rfc822" | b"message/global" => Kind::Message,
                    k if k.starts_with(b"text/") || k.is_empty() => Kind::Text,
                    _ => Kind::Other,
                };
                self.part.type_name = parameter(value, b"name").filter(|n| !n.is_empty());
                if self.part.kind == Kind::Multipart {
                    self.part.boundary = parameter(value, b"boundary").filter(|b| !b.is_empty());
                }
            }
            b"content-disposition" => self.part.file_name = parameter(value, b"filename").filter(|n| !n.is_empty()),
            b"content-transfer-encoding" => {
                self.part.coding = match &value.to_ascii_lowercase()[..] {
                    b"base64" => Coding::Base64(Base64::default()),
                    b"quoted-printable" => Coding::QuotedPrintable,
                    _ => Coding::Plain,
                };
            }
            _ => {}
        }
    }

    /// The empty line after a header.
    fn header_over(&mut self) {
        self.own_header = false;
        self.state = State::Body;
        self.line_end = b"";
        let name = self.part.file_name.take().or(self.part.type_name.take());
        match self.part.kind {
            Kind::Multipart if self.part.boundary.is_some() && self.open.len() < DEPTH_MAX => {
                let mut boundary = self.part.boundary.take().unwrap_or_default();
                if boundary.len() > BOUNDARY_MAX {
                    self.odd(Oddities::BOUNDARY);
                    boundary.truncate(BOUNDARY_MAX);
                }
                self.open.push(boundary);
                self.state = State::Between;
            }
            Kind::Message if self.messages < DEPTH_MAX => {
                let file = name.and_then(|n| self.named(n));
                if matches!(self.part.coding, Coding::Plain) {
                    self.open_message(file);
                } else {
                    self.file = file;
                    self.undecided = true;
                }
            }
            _ => {
                if let Some(name) = name {
                    self.file = self.named(name);
                }
            }
        }
    }

    /// An enclosed message begins; `file` is it as a whole.
    fn open_message(&mut self, file: Option<File>) {
        self.messages += 1;
        if let (Some(file), None) = (file, &self.enclosing) {
            self.enclosing = Some((file, self.open.len()));
            self.enclosing_line_end = b"";
        }
        self.part = Part::default();
        self.state = State::Header;
    }

    /// A named part: notes its name and begins its file.
    fn named(&mut self, mut name: Vec<u8>) -> Option<File> {
        if name.len() > FILE_NAME_LONG {
            self.odd(Oddities::FILE_NAME);
            name.truncate(FILE_NAME_LONG);
        }
        if self.attachments.len() >= FILES_MAX {
            self.odd(Oddities::PARTS);
            return None;
        }
        let file = File::new(&name, self.dir, self.tx, self.hashes);
        self.attachments.push(name);
        Some(file)
    }

    /// A line that begins with two hyphens: whether it is a boundary of an open multipart, and then does what it says.
    fn boundary(&mut self, text: &[u8], secrets: &[String]) -> bool {
        let text = text.trim_ascii_end();
        let found = self.open.iter().enumerate().rev().find_map(|(i, b)| match text.strip_prefix(&b[..])? {
            b"" => Some((i, false)),
            b"--" => Some((i, true)),
            _ => None,
        });
        let Some((level, last)) = found else { return false };
        self.undecided = false;
        self.end_part(FileState::Closed, secrets);
        self.end_enclosing(level + 1, true);
        self.open.truncate(if last { level } else { level + 1 });
        self.part = Part::default();
        self.own_header = false;
        self.parts += 1;
        self.state = if last || self.parts > PARTS_MAX { State::Between } else { State::Header };
        if self.parts > PARTS_MAX {
            self.odd(Oddities::PARTS);
        }
        true
    }

    fn end_part(&mut self, state: FileState, secrets: &[String]) {
        self.decoded.clear();
        if let Coding::Base64(d) = &mut self.part.coding {
            d.flush(&mut self.decoded);
        }
        if let Some(mut file) = self.file.take() {
            file.data(&self.decoded);
            self.done.push((file, state));
        }
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.links(&text, secrets);
        }
        self.line_end = b"";
    }

    /// Ends the enclosed message around which fewer than `level` multiparts are left open.
    fn end_enclosing(&mut self, level: usize, complete: bool) {
        if let Some((file, _)) = self.enclosing.take_if(|(_, around)| level == 0 || *around >= level) {
            self.done.push((file, if complete { FileState::Closed } else { FileState::Truncated }));
        }
    }

    fn body_line(&mut self, text: &[u8], end: &[u8], secrets: &[String]) {
        let seek = self.part.kind == Kind::Text && self.text_seen < TEXT_MAX;
        if self.file.is_none() && !seek {
            return;
        }
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let mut odd = 0;
        match &mut self.part.coding {
            Coding::Plain => {
                decoded.extend_from_slice(self.line_end);
                decoded.extend_from_slice(text);
                self.line_end = known_end(end);
            }
            Coding::Base64(d) => {
                if !d.decode(text, &mut decoded) {
                    odd |= Oddities::BASE64;
                }
            }
            Coding::QuotedPrintable => {
                decoded.extend_from_slice(self.line_end);
                // The piece of a longer line has no end of its own: an `=` there is cut from its digits, and stays as it is.
                let (hard, clean) = quoted_printable(text, &mut decoded);
                if !clean {
                    odd |= Oddities::QP;
                }
                self.line_end = if hard { known_end(end) } else { b"" };
            }
        }
        if text.len() > ENCODED_LINE_LONG && !matches!(self.part.coding, Coding::Plain) {
            odd |= Oddities::ENCODED_LINE;
        }
        if let Some(f) = &mut self.file {
            f.data(&decoded);
            self.odd(odd);
        }
        if seek {
            self.seek_links(&decoded, secrets);
        }
        self.decoded = decoded;
    }

    /// Decoded text: looks for links in each whole line of it.
    fn seek_links(&mut self, decoded: &[u8], secrets: &[String]) {
        self.text_seen += decoded.len() as u64;
        let Some(last) = decoded.iter().rposition(|b| *b == b'\n') else {
            let room = TEXT_LINE_MAX.saturating_sub(self.text.len());
            self.text.extend_from_slice(&decoded[..decoded.len().min(room)]);
            return;
        };
        let (whole, rest) = decoded.split_at(last + 1);
        if self.text.is_empty() {
            self.links(whole, secrets);
        } else {
            let mut text = std::mem::take(&mut self.text);
            text.extend_from_slice(whole);
            self.links(&text, secrets);
            text.clear();
            self.text = text;
        }
        self.text.extend_from_slice(rest);
    }

    fn links(&mut self, text: &[u8], secrets: &[String]) {
        let mut from = 0;
        while let Some(at) = text[from..].windows(3).position(|w| w == b"://").map(|p| p + from) {
            let before = &text[from..at];
            let tail = |n: usize| before.len().checked_sub(n).map_or(&[][..], |s| &before[s..]);
            let group = if tail(5).eq_ignore_ascii_case(b"https") {
                Some(1)
            } else if tail(4).eq_ignore_ascii_case(b"http") {
                Some(0)
            } else {
                None
            };
            let rest = &text[at + 3..];
            let end = rest
                .iter()
                .position(|b| matches!(b, b' ' | b'"' | b'\'' | b'<' | b'>' | b']' | b'\t' | b'\r' | b'\n'))
                .unwrap_or(rest.len());
            if let Some(group) = group.filter(|_| end > 0 && self.urls[0].len() + self.urls[1].len() < URLS_MAX) {
                let url = redacted(&rest[..end.min(URL_MAX)], secrets);
                if !self.urls[group].contains(&url) {
                    self.urls[group].push(url);
                }
            }
            from = at + 3 + if group.is_some() { end } else { 0 };
        }
    }
}

/// A link without its secrets: a password before the host, and the values of parameters named in `secrets` (lower case), as
/// `<redacted:LENGTH>`.
fn redacted(url: &[u8], secrets: &[String]) -> Vec<u8> {
    let mut out = Vec::with_capacity(url.len());
    let authority = url.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(url.len());
    let (mut host, mut query) = url.split_at(authority);
    if let Some(at) = host.iter().rposition(|b| *b == b'@') {
        let user = &host[..at];
        let colon = user.iter().position(|b| *b == b':');
        out.extend_from_slice(&user[..colon.unwrap_or(at)]);
        if let Some(colon) = colon {
            out.extend_from_slice(format!(":<redacted:{}>", at - colon - 1).as_bytes());
        }
        host = &host[at..];
    }
    out.extend_from_slice(host);
    let path = query.iter().position(|b| matches!(b, b'?' | b'#' | b';')).unwrap_or(query.len());
    out.extend_from_slice(&query[..path]);
    query = &query[path..];
    for piece in query.split_inclusive(|b| matches!(b, b'?' | b'&' | b'#' | b';')) {
        let (body, mark) = match piece.split_last() {
            Some((last, body)) if matches!(last, b'?' | b'&' | b'#' | b';') => (body, Some(*last)),
            _ => (piece, None),
        };
        match body.iter().position(|b| *b == b'=') {
            Some(eq) if secrets.iter().any(|s| s.as_bytes().eq_ignore_ascii_case(&body[..eq])) => {
                out.extend_from_slice(&body[..=eq]);
                out.extend_from_slice(format!("<redacted:{}>", body.len() - eq - 1).as_bytes());
            }
            _ => out.extend_from_slice(body),
        }
        out.extend(mark);
    }
    out
}

fn known_end(end: &[u8]) -> &'static [u8] {
    match end {
        b"\r\n" => b"\r\n",
        b"\n" => b"\n",
        _ => b"",
    }
}

fn cut(mut v: Vec<u8>) -> Vec<u8> {
    v.truncate(VALUE_MAX);
    v
}

/// Views of owned texts.
pub(crate) fn slices(v: &[Vec<u8>]) -> Vec<&[u8]> {
    v.iter().map(Vec::as_slice).collect()
}

/// The next piece of a text of lines: its text without its end, its end (empty where the line goes on), and bytes used. `None`
/// until a line's end or [`LINE_MAX`] bytes are there. The same pieces wherever the text is cut.
pub(crate) fn piece(bytes: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let window = &bytes[..bytes.len().min(LINE_MAX)];
    match memchr::memchr(b'\n', window) {
        Some(lf) => {
            let text = &bytes[..lf];
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            Some((text, &bytes[text.len()..=lf], lf + 1))
        }
        None if window.len() == LINE_MAX => {
            // A CR at the end may be half of the line's end.
            let used = if window.ends_with(b"\r") { LINE_MAX - 1 } else { LINE_MAX };
            Some((&window[..used], &[], used))
        }
        None => None,
    }
}

crate::held::holds! {
    Mail: { fields, attachments, urls, field, part, open, file, enclosing, done, decoded, text }
    Fields: { from, to, cc, subject, date, message_id, reply_to, x_mailer, user_agent, x_originating_ip }
    Part: { file_name, type_name, boundary }
    FileState: {}
}
