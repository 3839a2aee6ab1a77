//! HTTP/1.0 and 1.1 (RFC 9110, 9112), and HTTP/0.9 where it is met.
//!
//! One event for each request with its final answer, as in Suricata 8: at the end of the answer, or at the end of the flow where
//! none came. Each body that is not empty is a file (`fileinfo`), hashed without its content codings; of `multipart/form-data` each
//! part with a file name is one. Assumed: answers come in the order of the requests; a header field goes on where the next line
//! begins with a space. Whatever follows an accepted CONNECT or Upgrade is told afresh.
//!
//! Credentials are read for the user's name and the password's length alone: no event has them. What is kept of a flow: one
//! [`Exchange`] for each request not answered, up to [`PENDING_MAX`] and [`PENDING_BYTES`]; of a body in progress its hashes and,
//! where it is encoded, its decoders.

mod body;
mod coding;
mod exchange;
mod login;
mod multipart;
mod record;
#[cfg(test)]
mod tests;
pub(crate) mod url;

pub use record::{ContentRange, ContentRangeRow, HttpExchange, HttpExchangeRow};

use crate::held::{Held, holds};
use crate::record::Login;
use crate::{Cx, Info, Match, Next, Probe, Protocol, Step, Transport};
use body::{Body, Keep, Parts};
use coding::{Coding, Decoder, LAYERS_MAX};
use exchange::{Exchange, Text};
use login::{Answer, Attempt, Form};
use multipart::Multipart;
use std::collections::VecDeque;
use vigie_base::Direction;
use vigie_base::hash::Stable;
use vigie_event::Out;

/// Requests waiting for their answer; with one more the oldest is told without.
const PENDING_MAX: usize = 256;
/// Bytes held of them; beyond, the oldest is told without its answer.
const PENDING_BYTES: usize = 256 << 10;
/// Longest line taken whole (a request line, or a header field with its folds); the rest is dropped.
const LINE_MAX: usize = 32 << 10;
/// Bytes of one head whose fields are read; later fields count for the body's length alone.
const HEAD_MAX: u32 = 64 << 10;
/// Fields of one head that are read.
const FIELDS_MAX: u16 = 256;
/// Bytes before a status line that are looked at for one line of junk.
const JUNK_MAX: usize = 128;
/// Longest line of chunk framing.
const CHUNK_LINE_MAX: usize = 4096;

/// Methods told as the beginning of HTTP without a whole request line (RFC 9110, 5789, 4918, 3253, and what devices use).
const METHODS: &[&str] = &[
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "CHECKOUT",
    "CHECKIN",
    "MERGE",
    "MKACTIVITY",
    "VERSION-CONTROL",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "NOTIFY",
    "BCOPY",
    "BDELETE",
    "BMOVE",
    "BPROPFIND",
    "BPROPPATCH",
    "POLL",
    "RPC_IN_DATA",
    "RPC_OUT_DATA",
    "SOURCE",
    "PURGE",
    "LINK",
    "UNLINK",
];

/// An HTTP/1 connection.
#[derive(Default)]
pub struct Http {
    /// The side of requests, and that of answers.
    sides: [Side; 2],
    /// Requests not told yet, the oldest first.
    pending: VecDeque<Box<Exchange>>,
    pending_bytes: usize,
    transactions: u32,
    /// Of what was last told: user agent, server, credentials.
    agent: u64,
    server: u64,
    credentials: u64,
}

/// One direction.
#[derive(Default)]
struct Side {
    phase: Phase,
    /// The exchange whose message is on its way.
    tx: Option<u32>,
    /// Unused bytes already searched for the end of a line.
    scanned: usize,
    /// The rest of a line is being dropped.
    dropping: bool,
    /// What is odd about the head at hand, once each.
    noted: u8,
    head_bytes: u32,
    fields: u16,
    length: Option<u64>,
    chunked: bool,
    codings: [Option<Coding>; LAYERS_MAX],
    body: Option<Box<Body>>,
}

/// Bits of [`Side::noted`].
mod noted {
    pub(super) const TOO_MANY: u8 = 1;
    pub(super) const NO_COLON: u8 = 2;
    pub(super) const CODING: u8 = 4;
    pub(super) const BARE: u8 = 8;
}

/// What the next bytes of a direction are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// A request line or a status line.
    #[default]
    Start,
    Head,
    /// This many bytes of a body.
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    /// The end of line behind a chunk.
    ChunkEnd,
    Trailer,
    /// A body up to the end of the connection.
    UntilClose,
    /// Anything: the next message that can be told begins again.
    Lost,
    /// A tunnel was asked for and the answer is not there yet.
    Tunnel,
}

/// What a step came to.
enum Act {
    Used(usize),
    More,
    Stop(usize, Next),
}

impl Protocol for Http {
    const INFO: Info = Info {
        name: "http",
        doc: "Hypertext Transfer Protocol, version 1 (RFC 9110, 9112)",
        transports: &[Transport::Tcp],
        ports: &[80, 8080, 8000, 8008, 8081, 8888, 3128, 631, 5985],
        buffer_max: 2 * LINE_MAX,
    };

    fn probe(p: &Probe<'_>) -> Match {
        match p.dir {
            // What clients get wrong on these ports, servers still answer by the book.
            Direction::ToServer => match probe_request(p.bytes) {
                Match::No if p.on(Self::INFO.ports) => Match::Other,
                m => m,
            },
            Direction::ToClient => probe_answer(p.bytes),
        }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let mut at = 0;
        while at < bytes.len() {
            match self.step(cx, dir, &bytes[at..]) {
                Act::Used(n) => {
                    if n > 0 {
                        self.sides[dir.index()].scanned = 0;
                    }
                    at += n;
                }
                Act::More => break,
                Act::Stop(n, next) => return Step { used: at + n, next },
            }
        }
        Step::go(at)
    }

    fn gap<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, len: u64) -> Next {
        let side = &mut self.sides[dir.index()];
        side.scanned = 0;
        let (missing, after) = match side.phase {
            Phase::Length(left) if len <= left => (len, Phase::Length(left - len)),
            Phase::Length(left) => (left, Phase::Lost),
            Phase::ChunkData(left) if len < left => (len, Phase::ChunkData(left - len)),
            Phase::ChunkData(left) => (left, Phase::Lost),
            Phase::UntilClose => (len, Phase::UntilClose),
            Phase::Tunnel => return Next::Anything,
            Phase::ChunkSize | Phase::ChunkEnd | Phase::Trailer => (len, Phase::Lost),
            Phase::Start | Phase::Head | Phase::Lost => (0, Phase::Lost),
        };
        let over = match side.phase {
            Phase::Length(left) => len >= left,
            _ => after == Phase::Lost,
        };
        side.phase = after;
        if missing > 0 {
            self.count(dir, missing);
            self.with_body(dir, |body, ex| body.gap(cx, dir, ex, missing));
        }
        if over {
            if self.sides[dir.index()].tx.is_some() {
                let whole = after != Phase::Lost;
                let next = self.message_over(cx, dir, whole);
                if next != Next::Go {
                    return next;
                }
            }
            if after == Phase::Lost {
                self.sides[dir.index()].phase = Phase::Lost;
                self.sides[dir.index()].dropping = false;
            }
        }
        Next::Go
    }

    fn end<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, rest: &[u8]) {
        let side = &mut self.sides[dir.index()];
        // A last line without its end.
        if side.phase == Phase::Head && !side.dropping && !rest.is_empty() {
            self.field(cx, dir, without_cr(rest));
        }
        if self.sides[dir.index()].phase == Phase::Start && !rest.is_empty() {
            match dir {
                Direction::ToServer => self.sides[0].tx = self.request_line(cx, without_cr(rest), true),
                Direction::ToClient if self.pending.front().is_some_and(|e| !e.answered) => {
                    self.bare_answer();
                    self.body(cx, dir, rest);
                }
                Direction::ToClient => {}
            }
        }
        let side = &mut self.sides[dir.index()];
        let whole = side.phase == Phase::UntilClose;
        if side.tx.is_some() {
            self.message_over(cx, dir, whole);
        }
        self.sides[dir.index()].phase = Phase::Lost;
    }

    fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        for dir in [Direction::ToServer, Direction::ToClient] {
            if self.sides[dir.index()].tx.is_some() {
                self.message_over(cx, dir, false);
            }
        }
        while let Some(ex) = self.pending.pop_front() {
            self.tell(cx, &ex);
        }
    }

    fn transactions(&self) -> u32 {
        self.transactions
    }

    fn held(&self) -> usize {
        Held::held(self)
    }
}

holds! {
    Http: { sides, pending }
    Side: { body }
}

/// A request is told by its method and target, or by a protocol of `HTTP/1.` at the end of its line.
fn probe_request(bytes: &[u8]) -> Match {
    let bytes = trim_blank(bytes);
    if !bytes.iter().take(24).all(|b| matches!(b, 0x20..=0x7e | 0x80.. | b'\r' | b'\n' | b'\t')) {
        return Match::No;
    }
    let sp = bytes.iter().position(|b| *b == b' ').unwrap_or(bytes.len());
    let known = METHODS.iter().any(|m| m.as_bytes() == &bytes[..sp]);
    let rest = bytes.get(sp + 1..).unwrap_or(&[]);
    let path = rest.starts_with(b"/");
    match memchr::memchr(b'\n', bytes) {
        Some(lf) => {
            // RTSP, SIP, ICAP and HTTP/2 have request lines too: their protocols tell them.
            let line = without_cr(&bytes[..lf]);
            let protocol = line.rsplit(|b| *b == b' ').next().unwrap_or(&[]);
            let http = protocol.starts_with(b"HTTP/1.") || protocol == b"HTTP/0.9";
            // Without any protocol it is HTTP/0.9, or malware in a hurry.
            let bare = known && path && line.iter().filter(|b| **b == b' ').count() == 1;
            if sp < lf && sp > 0 && http || bare { Match::Yes } else { Match::No }
        }
        None if sp == bytes.len() => {
            let possible = sp < 24 && bytes.iter().all(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_'));
            if possible { Match::Maybe } else { Match::No }
        }
        None if sp == 0 || sp > 32 || !rest.iter().all(|b| matches!(b, 0x20..=0x7e | 0x80.. | b'\r' | b'\t')) => Match::No,
        None if known && (path || rest.len() >= 4 && rest[..4].eq_ignore_ascii_case(b"http")) && rest.len() >= 512 => Match::Yes,
        None => Match::Maybe,
    }
}

fn probe_answer(bytes: &[u8]) -> Match {
    const START: &[u8] = b"HTTP/1.";
    let bytes = trim_blank(bytes);
    let n = bytes.len().min(START.len());
    if bytes[..n] != START[..n] {
        return Match::No;
    }
    match bytes {
        [_, _, _, _, _, _, _, minor, b' ', status, ..] if minor.is_ascii_digit() && status.is_ascii_digit() => Match::Yes,
        _ if bytes.len() < START.len() + 3 => Match::Maybe,
        _ => Match::No,
    }
}

/// Without the empty lines that a message may begin with (RFC 9112 section 2.2).
fn trim_blank(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len())..]
}

/// A character of a token (RFC 9110 section 5.6.2).
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// Without the CRs before its LF: one by the book, but more are taken by clients.
fn without_cr(line: &[u8]) -> &[u8] {
    &line[..line.iter().rposition(|b| *b != b'\r').map_or(0, |n| n + 1)]
}

impl Http {
    fn step<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Act {
        let side = &mut self.sides[dir.index()];
        if side.dropping {
            return match memchr::memchr(b'\n', bytes) {
                Some(lf) => {
                    side.dropping = false;
                    Act::Used(lf + 1)
                }
                None => Act::Used(bytes.len()),
            };
        }
        match side.phase {
            Phase::Start => self.start(cx, dir, bytes),
            Phase::Head => self.head(cx, dir, bytes),
            Phase::Length(left) => {
                let n = left.min(bytes.len() as u64) as usize;
                side.phase = Phase::Length(left - n as u64);
                self.body(cx, dir, &bytes[..n]);
                if left == n as u64 { self.over(cx, dir, n) } else { Act::Used(n) }
            }
            Phase::UntilClose => {
                self.body(cx, dir, bytes);
                Act::Used(bytes.len())
            }
            Phase::ChunkSize => self.chunk_size(cx, dir, bytes),
            Phase::ChunkData(left) => {
                let n = left.min(bytes.len() as u64) as usize;
                let left = left - n as u64;
                side.phase = if left == 0 { Phase::ChunkEnd } else { Phase::ChunkData(left) };
                self.body(cx, dir, &bytes[..n]);
                Act::Used(n)
            }
            Phase::ChunkEnd => {
                let n = match bytes {
                    [b'\n', ..] => 1,
                    [b'\r', b'\n', ..] => 2,
                    [b'\r'] => return Act::More,
                    // No end of line: the next size stands here.
                    _ => 0,
                };
                side.phase = Phase::ChunkSize;
                self.count(dir, n as u64);
                Act::Used(n)
            }
            Phase::Trailer => {
                let Some(lf) = find_line(side, bytes) else { return long_line(side, bytes) };
                if without_cr(&bytes[..lf]).is_empty() { self.over(cx, dir, lf + 1) } else { Act::Used(lf + 1) }
            }
            Phase::Lost if dir == Direction::ToClient => find_answer(side, bytes),
            Phase::Lost => find_request(side, bytes),
            Phase::Tunnel => {
                // Only one side of the tunnel may be in view; a request after a refused tunnel begins with a letter. Empty lines
                // behind the request are HTTP's (RFC 9112 section 2.2), and no protocol begins with one.
                if matches!(bytes[0], b'\r' | b'\n') {
                    Act::Used(1)
                } else if bytes[0].is_ascii_uppercase() {
                    if bytes.len() < LINE_MAX { Act::More } else { Act::Used(bytes.len()) }
                } else {
                    Act::Stop(0, Next::Anything)
                }
            }
        }
    }

    /// The exchange at hand in a direction.
    fn current(&mut self, dir: Direction) -> Option<&mut Exchange> {
        let tx = self.sides[dir.index()].tx?;
        match dir {
            Direction::ToServer => self.pending.back_mut().filter(|e| e.tx == tx).map(|e| &mut **e),
            Direction::ToClient => self.pending.front_mut().filter(|e| e.tx == tx).map(|e| &mut **e),
        }
    }

    /// Counts bytes of a body as they came over the wire.
    fn count(&mut self, dir: Direction, len: u64) {
        if let Some(ex) = self.current(dir) {
            let wire = if dir == Direction::ToServer { &mut ex.request_wire } else { &mut ex.response_wire };
            *wire = wire.saturating_add(len);
        }
    }

    fn with_body(&mut self, dir: Direction, f: impl FnOnce(&mut Body, &mut Exchange)) {
        let Some(mut body) = self.sides[dir.index()].body.take() else { return };
        if let Some(ex) = self.current(dir) {
            f(&mut body, ex);
        }
        self.sides[dir.index()].body = Some(body);
    }

    fn body<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) {
        self.count(dir, bytes.len() as u64);
        self.with_body(dir, |body, ex| body.data(cx, dir, ex, bytes));
    }

    fn over<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, used: usize) -> Act {
        match self.message_over(cx, dir, true) {
            Next::Go => Act::Used(used),
            next => Act::Stop(used, next),
        }
    }

    /// A message is over: closes its body, and tells the exchange when both of its messages are.
    fn message_over<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, whole: bool) -> Next {
        if let Some(body) = self.sides[dir.index()].body.take()
            && let Some(ex) = self.current(dir)
        {
            body.close(cx, ex, whole);
        }
        let mut after = Phase::Start;
        let mut next = Next::Go;
        if let Some(ex) = self.current(dir) {
            ex.cut |= !whole;
            match dir {
                Direction::ToServer => {
                    ex.request_done = true;
                    if ex.is_connect && whole && !ex.answered {
                        after = Phase::Tunnel;
                    }
                }
                Direction::ToClient => {
                    ex.answered = true;
                    // A request that has come to nothing more needs no end (HTTP/0.9).
                    ex.request_done |= ex.bare;
                    if whole && ex.switches() {
                        next = Next::Anything;
                    } else if self.sides[0].phase == Phase::Tunnel {
                        self.sides[0].phase = Phase::Start;
                    }
                }
            }
        }
        let side = &mut self.sides[dir.index()];
        side.tx = None;
        side.phase = after;
        self.tell_done(cx);
        next
    }

    fn tell_done<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        while self.pending.front().is_some_and(|e| e.request_done && e.answered) {
            self.tell_oldest(cx);
        }
    }

    fn tell_oldest<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if let Some(ex) = self.pending.pop_front() {
            self.pending_bytes = self.pending_bytes.saturating_sub(ex.counted);
            self.tell(cx, &ex);
        }
    }

    fn tell<O: Out>(&mut self, cx: &mut Cx<'_, O>, ex: &Exchange) {
        cx.push(ex.tx, &ex.record());
        for (attempt, form) in [(&ex.auth, false), (&ex.form, true)] {
            let Some(a) = attempt else { continue };
            let answer = Answer {
                status: ex.status,
                location: ex.get(Text::Location),
                url: ex.get(Text::Url).unwrap_or(&[]),
                cookie: ex.cookie,
                hint: ex.hint,
            };
            let outcome = answer.outcome(form);
            // Clients repeat their header with each request: the same credentials accepted again are no new log-in.
            let same = Stable::default().word(a.same).bytes(a.method.as_bytes()).bytes(a.user.as_deref().unwrap_or(b"")).finish();
            if !form && outcome != "failure" {
                if self.credentials == same {
                    continue;
                }
                self.credentials = same;
            }
            cx.login(&Login {
                protocol: "http",
                user: a.user.as_deref().filter(|u| !u.is_empty()),
                method: a.method,
                outcome,
                cleartext: a.cleartext,
                anonymous: a.anonymous,
                tries: 1,
            });
        }
    }

    /// A request line or a status line.
    fn start<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Act {
        // A bare request is answered by a bare body, whatever that begins with.
        let bare = dir == Direction::ToClient && self.pending.front().is_some_and(|e| !e.answered && e.bare);
        let blank = |b: &u8| matches!(b, b'\r' | b'\n') || dir == Direction::ToClient && matches!(b, b' ' | b'\t');
        if !bare && blank(&bytes[0]) {
            return Act::Used(bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len()));
        }
        if dir == Direction::ToClient {
            let n = bytes.len().min(5);
            let status = bytes[..n].eq_ignore_ascii_case(&b"HTTP/"[..n]) || bytes[..n.min(4)] == b"ICY "[..n.min(4)];
            if !status {
                return self.no_status_line(cx, bytes);
            }
            if n < 5 {
                return Act::More;
            }
        }
        let side = &mut self.sides[dir.index()];
        let (line, used, cut) = match find_line(side, bytes) {
            Some(lf) if lf <= LINE_MAX => (without_cr(&bytes[..lf]), lf + 1, false),
            None if bytes.len() <= LINE_MAX => return Act::More,
            _ => (&bytes[..LINE_MAX], LINE_MAX, true),
        };
        side.head_bytes = 0;
        side.fields = 0;
        side.noted = 0;
        side.length = None;
        side.chunked = false;
        side.codings = [None; LAYERS_MAX];
        side.dropping = cut;
        let tx = match dir {
            Direction::ToServer => self.request_line(cx, line, cut),
            Direction::ToClient => Some(self.status_line(cx, line)),
        };
        let side = &mut self.sides[dir.index()];
        side.tx = tx;
        side.phase = if tx.is_some() { Phase::Head } else { Phase::Lost };
        if dir == Direction::ToClient && memchr::memchr(b'\r', line).is_some() {
            // Lines that end in a bare CR.
            for part in line.split(|b| *b == b'\r').skip(1).filter(|p| !p.is_empty()) {
                self.field(cx, dir, part);
            }
        }
        if cut {
            cx.anomaly(
                "http",
                if dir == Direction::ToServer { "REQUEST_FIELD_TOO_LONG" } else { "RESPONSE_FIELD_TOO_LONG" },
                tx.unwrap_or(0),
            );
        }
        Act::Used(used)
    }

    /// An answer that does not begin like one: HTTP/0.9, a line of junk before it, or none.
    fn no_status_line<O: Out>(&mut self, cx: &mut Cx<'_, O>, bytes: &[u8]) -> Act {
        const START: &[u8] = b"HTTP/1.";
        let Some((tx, bare)) = self.pending.front().filter(|e| !e.answered).map(|e| (e.tx, e.bare)) else {
            cx.anomaly("http", "RESPONSE_BODY_UNEXPECTED", self.transactions);
            self.sides[1].phase = Phase::Lost;
            return Act::Used(0);
        };
        if !bare {
            match memchr::memchr(b'\n', &bytes[..bytes.len().min(JUNK_MAX)]) {
                Some(lf) => {
                    let after = &bytes[lf + 1..];
                    if after.starts_with(START) {
                        cx.anomaly("http", "RESPONSE_INVALID_PROTOCOL", tx);
                        return Act::Used(lf + 1);
                    }
                    if START.starts_with(after) {
                        return Act::More;
                    }
                }
                None if bytes.len() < JUNK_MAX => return Act::More,
                None => {}
            }
            cx.anomaly("http", "RESPONSE_INVALID_PROTOCOL", tx);
        }
        self.bare_answer();
        Act::Used(0)
    }

    /// What comes is the body of the oldest request's answer, up to the end.
    fn bare_answer(&mut self) {
        let Some(ex) = self.pending.front_mut() else { return };
        ex.answering = true;
        let mut body = Body::new();
        body.is_file = true;
        let side = &mut self.sides[1];
        side.tx = Some(ex.tx);
        side.phase = Phase::UntilClose;
        side.body = Some(Box::new(body));
    }

    fn add<O: Out>(&mut self, cx: &mut Cx<'_, O>) -> &mut Exchange {
        if self.pending.len() >= PENDING_MAX || self.pending_bytes > PENDING_BYTES {
            cx.anomaly("http", "TOO_MANY_PENDING_REQUESTS", self.transactions);
            // The answer on its way, if any, goes on without its exchange.
            self.tell_oldest(cx);
        }
        let tx = self.transactions;
        self.transactions += 1;
        self.pending.push_back(Box::new(Exchange::new(tx)));
        let last = self.pending.len() - 1;
        &mut self.pending[last]
    }

    fn request_line<O: Out>(&mut self, cx: &mut Cx<'_, O>, line: &[u8], cut: bool) -> Option<u32> {
        let text = line.trim_ascii();
        let sp = text.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(text.len());
        let (method, rest) = (&text[..sp], text[sp..].trim_ascii());
        let last = rest.iter().rposition(|b| matches!(b, b' ' | b'\t')).map_or(0, |at| at + 1);
        let (target, protocol) =
            if starts_with_http(&rest[last..]) { (rest[..last].trim_ascii_end(), Some(&rest[last..])) } else { (rest, None) };
        if method.is_empty() || protocol.is_none() && (target.is_empty() || !method.iter().all(|b| is_token(*b))) {
            let what = if self.transactions == 0 { "REQUEST_LINE_INVALID" } else { "REQUEST_BODY_UNEXPECTED" };
            cx.anomaly("http", what, self.transactions);
            return None;
        }
        let ex = self.add(cx);
        let secrets = &cx.shared.settings.secret_parameters;
        ex.asked = true;
        ex.set(Text::Method, method);
        if !target.is_empty() {
            ex.set_with(Text::Url, |out| url::redact(target, secrets, out));
        }
        match protocol {
            Some(p) => ex.set(Text::Protocol, p),
            None => ex.bare = !cut,
        }
        ex.is_head = method == b"HEAD";
        ex.is_connect = method == b"CONNECT";
        if let Some((host, port)) = url::host_port(target).filter(|(h, _)| !h.is_empty()) {
            ex.set_with(Text::Host, |out| out.extend(host.iter().map(u8::to_ascii_lowercase)));
            ex.port = port;
        }
        if let Some(query) = memchr::memchr(b'?', target).map(|at| &target[at + 1..]) {
            let mut form = Form::default();
            form.urlencoded(query.split(|b| *b == b'#').next().unwrap_or(query));
            ex.form = form.attempt().map(Box::new);
        }
        let (tx, leading) = (ex.tx, line.len() != line.trim_ascii_start().len());
        if leading {
            cx.anomaly("http", "REQUEST_LINE_LEADING_WHITESPACE", tx);
        }
        Some(tx)
    }

    fn status_line<O: Out>(&mut self, cx: &mut Cx<'_, O>, line: &[u8]) -> u32 {
        if self.pending.front().is_some_and(|e| e.answered) {
            // Answered before its request was over: what remains of the request goes on alone.
            self.tell_oldest(cx);
        }
        if self.pending.is_empty() {
            let ex = self.add(cx);
            ex.request_done = true;
            let tx = ex.tx;
            cx.anomaly("http", "UNABLE_TO_MATCH_RESPONSE_TO_REQUEST", tx);
        }
        let Some(ex) = self.pending.front_mut() else { return 0 };
        ex.answering = true;
        if ex.interim {
            ex.forget_answer();
        }
        let mut parts = line.split(|b| *b == b'\r');
        let line = parts.next().unwrap_or(line);
        let sp = line.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(line.len());
        let rest = line[sp..].trim_ascii_start();
        let status = rest.split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or(&[]);
        ex.set(Text::AnswerProtocol, &line[..sp]);
        let number = std::str::from_utf8(status).ok().and_then(|s| s.parse::<u16>().ok()).filter(|n| (100..=999).contains(n));
        ex.status = number.unwrap_or(0);
        let tx = ex.tx;
        if number.is_none() {
            ex.set(Text::StatusWord, status);
            cx.anomaly("http", "RESPONSE_INVALID_STATUS", tx);
        }
        tx
    }

    /// Header fields up to the empty line.
    fn head<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Act {
        let side = &mut self.sides[dir.index()];
        loop {
            let Some(lf) = find_line(side, bytes) else {
                return if bytes.len() > LINE_MAX { self.long_field(cx, dir, bytes) } else { Act::More };
            };
            if lf > LINE_MAX {
                return self.long_field(cx, dir, bytes);
            }
            let line = without_cr(&bytes[..lf]);
            if line.is_empty() {
                return self.head_over(cx, dir, lf + 1);
            }
            if dir == Direction::ToClient
                && let fold = memchr::memrchr(b'\n', line).map_or(0, |n| n + 1)
                && line[fold..].iter().all(|b| matches!(b, b' ' | b'\t' | b'\r'))
            {
                // Clients take a blank line for an empty one.
                self.unfold(cx, dir, &line[..fold]);
                return self.head_over(cx, dir, lf + 1);
            }
            match bytes.get(lf + 1) {
                None => {
                    // The next byte tells whether the field goes on.
                    side.scanned = lf;
                    return Act::More;
                }
                Some(b' ' | b'\t') => {
                    side.scanned = lf + 1;
                }
                Some(_) => {
                    side.head_bytes = side.head_bytes.saturating_add(lf as u32 + 1);
                    self.unfold(cx, dir, line);
                    return Act::Used(lf + 1);
                }
            }
        }
    }

    /// A header field with its folds.
    fn unfold<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, line: &[u8]) {
        if memchr::memchr(b'\n', line).is_none() {
            if !line.is_empty() {
                self.field(cx, dir, line);
            }
            return;
        }
        let mut unfolded = Vec::with_capacity(line.len());
        for part in line.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|p| !p.is_empty()) {
            if !unfolded.is_empty() {
                unfolded.push(b' ');
            }
            unfolded.extend_from_slice(part);
        }
        self.field(cx, dir, &unfolded);
    }

    fn long_field<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Act {
        let event = if dir == Direction::ToServer { "REQUEST_FIELD_TOO_LONG" } else { "RESPONSE_FIELD_TOO_LONG" };
        let tx = self.sides[dir.index()].tx.unwrap_or(0);
        cx.anomaly("http", event, tx);
        let line = &bytes[..LINE_MAX];
        let end = memchr::memchr(b'\n', line).unwrap_or(LINE_MAX);
        self.field(cx, dir, without_cr(&line[..end]));
        let side = &mut self.sides[dir.index()];
        side.head_bytes = side.head_bytes.saturating_add(LINE_MAX as u32);
        side.dropping = true;
        Act::Used(LINE_MAX)
    }

    /// One header field, unfolded.
    fn field<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, line: &[u8]) {
        let request = dir == Direction::ToServer;
        let side = &mut self.sides[dir.index()];
        let tx = side.tx.unwrap_or(0);
        let mut once = |side: &mut Side, bit: u8, event: &'static str| {
            if side.noted & bit == 0 {
                side.noted |= bit;
                cx.anomaly("http", event, tx);
            }
        };
        if request
            && let Some(ex) = self.pending.back()
            && ex.bare
            && ex.tx == tx
        {
            once(side, noted::BARE, "REQUEST_LINE_MISSING_PROTOCOL");
        }
        let Some(colon) = memchr::memchr(b':', line) else {
            once(side, noted::NO_COLON, if request { "REQUEST_FIELD_MISSING_COLON" } else { "RESPONSE_FIELD_MISSING_COLON" });
            return;
        };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        let is = |n: &str| name.eq_ignore_ascii_case(n.as_bytes());
        side.fields = side.fields.saturating_add(1);
        if is("content-length") {
            return self.content_length(cx, dir, value);
        }
        if is("transfer-encoding") {
            let chunked = value.split(|b| *b == b',').any(|v| v.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            side.chunked |= chunked;
            if !chunked && !value.is_empty() && !value.eq_ignore_ascii_case(b"identity") {
                once(
                    side,
                    noted::CODING,
                    if request { "INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST" } else { "INVALID_TRANSFER_ENCODING_VALUE_IN_RESPONSE" },
                );
            }
            return;
        }
        if side.head_bytes > HEAD_MAX || side.fields > FIELDS_MAX {
            once(side, noted::TOO_MANY, if request { "REQUEST_TOO_MANY_HEADERS" } else { "RESPONSE_TOO_MANY_HEADERS" });
            return;
        }
        if is("content-encoding") {
            for name in value.split(|b| *b == b',') {
                match Coding::named(name.trim_ascii()) {
                    Ok(Some(coding)) => {
                        if let Some(slot) = side.codings.iter_mut().find(|c| c.is_none()) {
                            *slot = Some(coding);
                        }
                    }
                    Ok(None) => {}
                    Err(()) => once(side, noted::CODING, "ABNORMAL_CE_HEADER"),
                }
            }
        }
        let ex = match dir {
            Direction::ToServer => self.pending.back_mut(),
            Direction::ToClient => self.pending.front_mut(),
        };
        let Some(ex) = ex.filter(|e| e.tx == tx) else { return };
        if request {
            if is("host") {
                let (host, port) = url::split_port(value);
                if !ex.has(Text::Host) {
                    ex.set_with(Text::Host, |out| out.extend(host.iter().map(u8::to_ascii_lowercase)));
                    ex.port = port;
                }
            } else if is("user-agent") {
                ex.set(Text::Agent, value);
            } else if is("referer") {
                let secrets = &cx.shared.settings.secret_parameters;
                ex.set_with(Text::Referer, |out| url::redact(value, secrets, out));
            } else if is("x-forwarded-for") {
                ex.set(Text::Forwarded, value);
            } else if is("content-type") {
                ex.set(Text::RequestType, value);
            } else if is("upgrade") {
                ex.upgrade = true;
            } else if is("authorization") || is("proxy-authorization") {
                match Attempt::from_header(value) {
                    Ok(attempt) => ex.auth = attempt.map(Box::new),
                    Err(()) => cx.anomaly("http", "REQUEST_AUTH_UNRECOGNIZED", tx),
                }
            }
        } else if is("content-type") {
            ex.set(Text::ContentType, value);
        } else if is("server") {
            ex.set(Text::Server, value);
        } else if is("location") {
            let secrets = &cx.shared.settings.secret_parameters;
            ex.set_with(Text::Location, |out| url::redact(value, secrets, out));
        } else if is("content-encoding") {
            ex.set(Text::Encoding, value);
        } else if is("content-range") {
            ex.set(Text::Range, value);
        } else if is("content-disposition") {
            if let Some(name) = multipart::filename(value) {
                ex.set(Text::Filename, &name);
            }
        } else if is("set-cookie") {
            ex.cookie = true;
        } else if is("upgrade") {
            ex.set(Text::Upgrade, value);
        } else if is("x-powered-by") && !value.is_empty() && ex.tx == 0 {
            cx.fact(Direction::ToClient, "software", value, "http", 60);
        }
    }

    fn content_length<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, value: &[u8]) {
        let request = dir == Direction::ToServer;
        let side = &mut self.sides[dir.index()];
        let tx = side.tx.unwrap_or(0);
        // `5, 5` is one length said twice (RFC 9110 section 8.6).
        let digits = value.iter().position(|b| !b.is_ascii_digit()).unwrap_or(value.len());
        let number = std::str::from_utf8(&value[..digits]).ok().and_then(|d| d.parse::<u64>().ok());
        let Some(number) = number else {
            let event = if request { "INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST" } else { "INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE" };
            return cx.anomaly("http", event, tx);
        };
        match side.length {
            Some(first) if first != number => {
                let event =
                    if request { "DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST" } else { "DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE" };
                cx.anomaly("http", event, tx);
            }
            Some(_) => {}
            None => side.length = Some(number),
        }
    }

    /// The empty line: what comes next?
    fn head_over<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, used: usize) -> Act {
        let i = dir.index();
        let Some(tx) = self.sides[i].tx else {
            self.sides[i].phase = Phase::Lost;
            return Act::Used(used);
        };
        if self.sides[i].chunked && self.sides[i].length.is_some() {
            cx.anomaly("http", if i == 0 { "AMBIGUOUS_BODY_LENGTH_IN_REQUEST" } else { "AMBIGUOUS_BODY_LENGTH_IN_RESPONSE" }, tx);
        }
        match dir {
            Direction::ToServer => self.request_head_over(cx, used),
            Direction::ToClient => self.answer_head_over(cx, used),
        }
    }

    fn request_head_over<O: Out>(&mut self, cx: &mut Cx<'_, O>, used: usize) -> Act {
        let dir = Direction::ToServer;
        let last = self.agent;
        let Some(ex) = self.current(dir) else {
            self.sides[0].phase = Phase::Lost;
            return Act::Used(used);
        };
        let tx = ex.tx;
        let held = ex.held();
        ex.counted = held;
        let mut agent = last;
        if let Some(text) = ex.get(Text::Agent).filter(|t| !t.is_empty()) {
            agent = Stable::default().bytes(text).finish();
            if agent != last {
                cx.fact(dir, "user_agent", text, "http", 60);
            }
        }
        if !ex.has(Text::Host) && ex.get(Text::Protocol) == Some(b"HTTP/1.1") {
            cx.anomaly("http", "MISSING_HOST_HEADER", tx);
        }
        let is_connect = ex.is_connect;
        let method = ex.get(Text::Method).unwrap_or(&[]);
        // As in Suricata, what these send is a file.
        let sends = matches!(method, b"POST" | b"PUT" | b"PATCH");
        let mut body = Body::new();
        let media = ex.get(Text::RequestType).unwrap_or(&[]);
        let starts = |t: &str| media.len() >= t.len() && media[..t.len()].eq_ignore_ascii_case(t.as_bytes());
        if let Some(parser) = Multipart::new(media) {
            body.multipart = Some(Box::new(Parts::new(parser)));
        } else {
            body.is_file = sends;
            if starts("application/x-www-form-urlencoded") || media.is_empty() {
                body.keep = Keep::Urlencoded;
            } else if starts("application/json") || starts("application/vnd.api+json") {
                body.keep = Keep::Json;
            }
        }
        self.agent = agent;
        self.pending_bytes += held;
        self.frame(cx, dir, body, used, if is_connect { Some(0) } else { None })
    }

    fn answer_head_over<O: Out>(&mut self, cx: &mut Cx<'_, O>, used: usize) -> Act {
        let dir = Direction::ToClient;
        let last = self.server;
        let Some(ex) = self.current(dir) else {
            self.sides[1].phase = Phase::Lost;
            return Act::Used(used);
        };
        if matches!(ex.status, 100 | 102..=199) {
            let again = ex.status == 100 && std::mem::replace(&mut ex.continued, true);
            let tx = ex.tx;
            ex.interim = true;
            self.sides[1].phase = Phase::Start;
            self.sides[1].tx = None;
            if again {
                cx.anomaly("http", "100_CONTINUE_ALREADY_SEEN", tx);
            }
            return Act::Used(used);
        }
        let mut server = last;
        if let Some(text) = ex.get(Text::Server).filter(|t| !t.is_empty()) {
            server = Stable::default().bytes(text).finish();
            if server != last {
                cx.fact(dir, "software", text, "http", 70);
            }
        }
        let none = ex.is_head || matches!(ex.status, 204 | 304) || ex.switches();
        let mut body = Body::new();
        body.is_file = true;
        // The request's form may still be on its way: its answer is then read too.
        if ex.form.is_some() || !ex.request_done {
            body.keep = Keep::Hint;
        }
        self.server = server;
        self.frame(cx, dir, body, used, none.then_some(0))
    }

    /// Takes the body's framing from the head (RFC 9112 section 6.3); `length` overrides it.
    fn frame<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, mut body: Body, used: usize, length: Option<u64>) -> Act {
        let side = &mut self.sides[dir.index()];
        side.phase = match (length, side.chunked, side.length) {
            (Some(n), ..) => Phase::Length(n),
            (None, true, _) => Phase::ChunkSize,
            (None, false, Some(n)) => Phase::Length(n),
            (None, false, None) if dir == Direction::ToServer => Phase::Length(0),
            (None, false, None) => Phase::UntilClose,
        };
        if side.phase == Phase::Length(0) {
            return self.over(cx, dir, used);
        }
        // The last coding named was applied last.
        for coding in side.codings.iter().rev().flatten() {
            match Decoder::new(*coding, &cx.shared.decoders) {
                Some(d) => body.layers.push(d),
                None => {
                    cx.shared.counters.inflate_full += 1;
                    body.layers.clear();
                    break;
                }
            }
        }
        side.body = Some(Box::new(body));
        Act::Used(used)
    }

    fn chunk_size<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Act {
        let side = &mut self.sides[dir.index()];
        let lf = match find_line(side, bytes) {
            Some(lf) => lf,
            None if bytes.len() < CHUNK_LINE_MAX && may_be_size(bytes) => return Act::More,
            None => CHUNK_LINE_MAX,
        };
        let line = &bytes[..lf.min(CHUNK_LINE_MAX).min(bytes.len())];
        let text = line.split(|b| *b == b';').next().unwrap_or(line).trim_ascii();
        let size = std::str::from_utf8(text).ok().filter(|t| !t.starts_with('+')).and_then(|t| u64::from_str_radix(t, 16).ok());
        match size {
            Some(n) if lf < CHUNK_LINE_MAX => {
                side.phase = if n == 0 { Phase::Trailer } else { Phase::ChunkData(n) };
                self.count(dir, lf as u64 + 1);
                Act::Used(lf + 1)
            }
            _ => {
                let tx = side.tx.unwrap_or(0);
                cx.anomaly("http", if dir == Direction::ToServer { "INVALID_REQUEST_CHUNK_LEN" } else { "INVALID_RESPONSE_CHUNK_LEN" }, tx);
                if dir == Direction::ToClient {
                    side.phase = Phase::UntilClose;
                } else {
                    self.message_over(cx, dir, false);
                    self.sides[0].phase = Phase::Lost;
                }
                Act::Used(0)
            }
        }
    }
}

/// Whether the beginning of a line can be that of a chunk's size.
fn may_be_size(bytes: &[u8]) -> bool {
    let digits = bytes.trim_ascii_start();
    let end = digits.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(digits.len());
    digits.is_empty() || end > 0 && digits.get(end).is_none_or(|b| matches!(b, b' ' | b'\t' | b'\r' | b';'))
}

fn starts_with_http(text: &[u8]) -> bool {
    text.len() >= 5 && text[..5].eq_ignore_ascii_case(b"HTTP/")
}

/// Where the first line ends. What was searched before is not searched again.
fn find_line(side: &mut Side, bytes: &[u8]) -> Option<usize> {
    let from = side.scanned.min(bytes.len());
    match memchr::memchr(b'\n', &bytes[from..]) {
        Some(n) => Some(from + n),
        None => {
            side.scanned = bytes.len();
            None
        }
    }
}

/// A line without an end so far that may be dropped.
fn long_line(side: &mut Side, bytes: &[u8]) -> Act {
    if bytes.len() <= LINE_MAX {
        return Act::More;
    }
    side.dropping = true;
    Act::Used(bytes.len())
}

/// After a gap: the next status line, wherever it stands.
fn find_answer(side: &mut Side, bytes: &[u8]) -> Act {
    const START: &[u8] = b"HTTP/1.";
    match memchr::memmem::find(bytes, START) {
        Some(at) => match &bytes[at..] {
            [_, _, _, _, _, _, _, minor, b' ', status @ (b'1'..=b'5'), tens, ones, ..]
                if minor.is_ascii_digit() && [status, tens, ones].iter().all(|b| b.is_ascii_digit()) =>
            {
                side.phase = Phase::Start;
                Act::Used(at)
            }
            short if short.len() < 12 => {
                if at > 0 {
                    Act::Used(at)
                } else {
                    Act::More
                }
            }
            _ => Act::Used(at + START.len()),
        },
        None => {
            let keep = (1..START.len()).rev().find(|n| bytes.ends_with(&START[..*n])).unwrap_or(0);
            if keep == bytes.len() { Act::More } else { Act::Used(bytes.len() - keep) }
        }
    }
}

/// After a gap or garbage: the next line that is a request line beyond doubt.
fn find_request(side: &mut Side, bytes: &[u8]) -> Act {
    let possible = |line: &[u8]| {
        METHODS.iter().any(|m| {
            let n = line.len().min(m.len());
            line[..n] == m.as_bytes()[..n] && line.get(m.len()).is_none_or(|b| *b == b' ')
        })
    };
    if !possible(bytes) {
        side.dropping = true;
        return Act::Used(0);
    }
    let Some(lf) = find_line(side, bytes) else { return long_line(side, bytes) };
    let line = without_cr(&bytes[..lf]);
    let protocol = line.rsplit(|b| *b == b' ').next().unwrap_or(&[]);
    if possible(&line[..line.len().min(32)]) && protocol.len() == 8 && protocol.starts_with(b"HTTP/1.") {
        side.phase = Phase::Start;
        return Act::Used(0);
    }
    Act::Used(lf + 1)
}
