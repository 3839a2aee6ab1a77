//! POP3 (RFC 1939), with CAPA (RFC 2449), STLS (RFC 2595) and AUTH (RFC 5034).
//!
//! One event for each command with its response, as in Suricata; the greeting is one without a command, each SASL line one named
//! `<SASL DATA>`. Assumed: lines end in LF; responses come in the order of their commands. Passwords, digests and SASL lines are
//! told as their length; the text of mails (RETR, TOP) is stepped over.

mod record;
#[cfg(test)]
mod tests;

pub use record::{Pop3Command, Request, Response};

use super::mime::{LINE_MAX, piece, slices};
use super::sasl::{self, Exchange, redact, without};
use crate::cursor::line;
use crate::held::{Held, holds};
use crate::record::Login;
use crate::{Cx, Info, Match, Next, Probe, Protocol, Step, Transport};
use std::collections::VecDeque;
use vigie_base::Direction;
use vigie_event::Out;

/// Commands waiting for their response; beyond, the oldest is told without one (Suricata's limit).
const PENDING_MAX: usize = 256;
/// Lines kept of a response.
const DATA_MAX: usize = 128;
/// Longest line kept of a response, its first included (RFC 2449 4 allows 512).
const TEXT_MAX: usize = 512;
/// Arguments kept of a command.
const ARGUMENTS_MAX: usize = 8;
/// Longest command line (RFC 2449 4).
const COMMAND_LONG: usize = 255;

/// A POP3 session.
#[derive(Debug, Default)]
pub struct Pop3 {
    pending: VecDeque<Command>,
    transactions: u32,
    greeted: bool,
    user: Vec<u8>,
    auth: Option<Exchange>,
    /// A response of several lines is on its way: whether its lines are kept.
    lines: Option<bool>,
    /// The next piece of that direction goes on a line.
    mid_line: [bool; 2],
    /// The rest of a line is being dropped after a gap.
    dropping: [bool; 2],
}

#[derive(Debug, Default)]
struct Command {
    name: Vec<u8>,
    arguments: Vec<Vec<u8>>,
    /// Never told: what the response must not repeat.
    secret: Vec<u8>,
    status: Option<(bool, Vec<u8>)>,
    data: Vec<Vec<u8>>,
}

impl Protocol for Pop3 {
    const INFO: Info = Info {
        name: "pop3",
        doc: "Post Office Protocol, version 3 (RFC 1939)",
        transports: &[Transport::Tcp],
        ports: &[110],
        buffer_max: 2 * LINE_MAX,
    };

    fn probe(p: &Probe<'_>) -> Match {
        match p.dir {
            Direction::ToClient => {
                // A challenge, of a log-in whose beginning was not seen.
                let challenge = p.on(Self::INFO.ports) && p.bytes.starts_with(b"+ ");
                let Some(head) = p.bytes.get(..4) else {
                    let begun = b"+OK".starts_with(&p.bytes[..p.bytes.len().min(3)]) || b"-ERR".starts_with(p.bytes);
                    return if begun || challenge { Match::Maybe } else { Match::No };
                };
                let ok = head.starts_with(b"+OK") && matches!(head[3], b' ' | b'\r' | b'\n');
                let asked = p.on(Self::INFO.ports) && (known(&first_word(p.other)) || begins_with_sasl(p.other));
                match (ok, p.other.is_empty()) {
                    // Redis and NATS answer +OK too, but do not speak first.
                    (true, true) => Match::Yes,
                    (true, false) if asked => Match::Yes,
                    (false, false) if asked && (challenge || head == b"-ERR") => Match::Yes,
                    (false, _) if head == b"-ERR" && p.on(Self::INFO.ports) => Match::Maybe,
                    (false, true) if challenge => Match::Other,
                    _ => Match::No,
                }
            }
            Direction::ToServer => {
                let complete = p.bytes.iter().any(|b| matches!(b, b' ' | b'\r' | b'\n'));
                let word = first_word(p.bytes);
                let greeted = p.other.starts_with(b"+OK");
                let known = if complete { known(&word) } else { KNOWN.iter().any(|k| k.starts_with(&word)) };
                if !known && p.on(Self::INFO.ports) && (p.other.is_empty() || p.other.starts_with(b"+ ")) {
                    // An answer to a challenge, of a log-in whose beginning was not seen.
                    return match begins_with_sasl(p.bytes) {
                        true if !p.other.is_empty() => Match::Yes,
                        true => Match::Maybe,
                        false if sasl::may_be_line(p.bytes) => Match::Maybe,
                        false => Match::No,
                    };
                }
                match (known, greeted) {
                    (true, true) if complete => Match::Yes,
                    (true, _) if greeted || p.on(Self::INFO.ports) || word.starts_with(b"US") => Match::Maybe,
                    _ => Match::No,
                }
            }
        }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let i = dir.index();
        if dir == Direction::ToServer && bytes[0] == 0x16 && self.pending.back().is_some_and(|c| c.name == b"STLS") {
            // The server's go-ahead was not seen, the client's handshake is.
            return Step { used: 0, next: Next::Anything };
        }
        if dir == Direction::ToClient && self.lines == Some(false) {
            return self.skip_text(cx, bytes);
        }
        let Some((text, end, used)) = piece(bytes) else { return Step::go(0) };
        let mid = std::mem::replace(&mut self.mid_line[i], end.is_empty());
        if self.dropping[i] {
            self.dropping[i] = end.is_empty();
            return Step::go(used);
        }
        if mid {
            // What a line has beyond its first piece is not looked at.
            return Step::go(used);
        }
        let next = match dir {
            Direction::ToServer => {
                self.command(cx, text);
                Next::Go
            }
            Direction::ToClient => self.response(cx, text),
        };
        Step { used, next }
    }

    fn gap<O: Out>(&mut self, _: &mut Cx<'_, O>, dir: Direction, _: u64) -> Next {
        self.dropping[dir.index()] = true;
        Next::Go
    }

    fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if let Some(auth) = self.auth.take() {
            cx.login(&auth.login("pop3", "unknown"));
        }
        while let Some(c) = self.pending.pop_front() {
            if &c.name[..] == b"PASS" {
                self.login(cx, "password", c.secret.is_empty(), "unknown");
            }
            self.tell(cx, &c);
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
    Pop3: { pending, user, auth }
    Command: { name, arguments, secret, status, data }
}

const KNOWN: [&[u8]; 20] = [
    b"USER", b"PASS", b"APOP", b"AUTH", b"CAPA", b"STLS", b"STAT", b"LIST", b"RETR", b"DELE", b"NOOP", b"RSET", b"TOP", b"UIDL", b"QUIT",
    b"LAST", b"UTF8", b"LANG", b"XTND", b"RPOP",
];

fn known(word: &[u8]) -> bool {
    KNOWN.contains(&word)
}

/// Whether the first line is whole and looks like one of an exchange.
fn begins_with_sasl(bytes: &[u8]) -> bool {
    line(bytes).is_some_and(|(text, _)| sasl::is_line(text))
}

/// Whether a server says in its first line that a log-in failed, so that this was no greeting (RFC 3206, and what servers say).
fn says_log_in_failed(words: &[u8]) -> bool {
    const FAILED: [&[u8]; 8] = [
        b"[auth]",
        b"authentication failed",
        b"authorization failed",
        b"invalid login",
        b"login failed",
        b"logon fail",
        b"password",
        b"credential",
    ];
    FAILED.iter().any(|f| words.windows(f.len()).any(|w| w == *f))
}

/// Whether a server says what it says only of a session that has begun.
fn says_session(words: &[u8]) -> bool {
    const SAYS: [&[u8]; 6] = [b"logged in", b"authenticat", b"octets", b"messages", b"maildrop", b"logging out"];
    words.first().is_some_and(u8::is_ascii_digit) || SAYS.iter().any(|s| words.windows(s.len()).any(|w| w == *s))
}

fn first_word(text: &[u8]) -> Vec<u8> {
    let end = text.iter().position(|b| matches!(b, b' ' | b'\r' | b'\n')).unwrap_or(text.len());
    text[..end.min(16)].to_ascii_uppercase()
}

impl Pop3 {
    fn command<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8]) {
        let current = self.transactions + self.pending.len() as u32;
        if self.auth.is_some() && !self.server_owes() {
            if let Some(auth) = &mut self.auth {
                auth.client(text);
            }
            let c = Command { name: b"<SASL DATA>".to_vec(), secret: text.to_vec(), ..Command::default() };
            return self.wait(cx, c);
        }
        if text.is_empty() {
            return;
        }
        if !self.greeted && self.pending.is_empty() && sasl::is_line(text) && !known(&first_word(text)) {
            // No greeting and no command was seen: a line of an exchange that had begun.
            self.auth = Some(Exchange::asked(b""));
            let c = Command { name: b"<SASL DATA>".to_vec(), secret: text.to_vec(), ..Command::default() };
            return self.wait(cx, c);
        }
        if text.len() + 2 > COMMAND_LONG {
            cx.anomaly("pop3", "request_too_long", current);
        }
        let mut words = text.split(|b| *b == b' ').filter(|w| !w.is_empty());
        let first = words.next().unwrap_or(&[]);
        let mut c = Command {
            name: first.to_ascii_uppercase(),
            arguments: words.take(ARGUMENTS_MAX).map(|w| w[..w.len().min(TEXT_MAX)].to_vec()).collect(),
            ..Command::default()
        };
        let count = c.arguments.len();
        let fits = match &c.name[..] {
            b"USER" | b"RETR" | b"DELE" => count == 1,
            b"PASS" => count >= 1,
            b"APOP" | b"TOP" => count == 2,
            b"AUTH" => count >= 1,
            b"LIST" | b"UIDL" => count <= 1,
            b"CAPA" | b"STLS" | b"STAT" | b"NOOP" | b"RSET" | b"QUIT" | b"LAST" => count == 0,
            _ => true,
        };
        if !fits {
            cx.anomaly("pop3", "incorrect_argument_count", current);
        }
        match &c.name[..] {
            b"USER" => self.user = c.arguments.first().cloned().unwrap_or_default(),
            b"PASS" => {
                // A password may hold blanks (RFC 1939 7).
                c.secret = text.get(5..).unwrap_or(&[]).to_vec();
                c.arguments = vec![redact(c.secret.len())];
            }
            b"APOP" => {
                self.user = c.arguments.first().cloned().unwrap_or_default();
                for digest in c.arguments.iter_mut().skip(1) {
                    c.secret = std::mem::replace(digest, redact(digest.len()));
                }
            }
            b"AUTH" => {
                if let Some(mechanism) = c.arguments.first() {
                    self.auth = Some(Exchange::begin(mechanism, c.arguments.get(1).map(Vec::as_slice)));
                }
                for initial in c.arguments.iter_mut().skip(1) {
                    c.secret = std::mem::replace(initial, redact(initial.len()));
                }
            }
            name if !known(name) => {
                // It may be a secret out of its place.
                cx.anomaly("pop3", "unknown_command", current);
                c.secret = first.to_vec();
                if c.name.len() > 8 || !c.name.iter().all(u8::is_ascii_alphabetic) {
                    c.name = redact(c.name.len());
                }
                c.arguments.iter_mut().for_each(|a| *a = redact(a.len()));
            }
            _ => {}
        }
        self.wait(cx, c);
    }

    /// Whether a command before has no response yet, so that a line is no answer to a challenge.
    fn server_owes(&self) -> bool {
        self.pending.iter().any(|c| c.name == b"AUTH")
    }

    fn wait<O: Out>(&mut self, cx: &mut Cx<'_, O>, c: Command) {
        if self.pending.len() >= PENDING_MAX {
            cx.anomaly("pop3", "too_many_transactions", self.transactions);
            if let Some(oldest) = self.pending.pop_front() {
                self.tell(cx, &oldest);
            }
        }
        self.pending.push_back(c);
    }

    fn response<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8]) -> Next {
        if self.lines.is_some() {
            return self.data_line(cx, text);
        }
        let (ok, header) = if let Some(h) = text.strip_prefix(b"+OK") {
            (true, h)
        } else if let Some(h) = text.strip_prefix(b"-ERR") {
            (false, h)
        } else if let Some(h) = text.strip_prefix(b"+").filter(|_| self.auth.is_some()) {
            return self.challenge(cx, h.trim_ascii());
        } else {
            return Next::Go;
        };
        let header = header.trim_ascii();
        if text.len() + 2 > TEXT_MAX {
            cx.anomaly("pop3", "response_too_long", self.transactions);
        }
        // A client that speaks before any greeting was seen: either the greeting was missed, or the client did not wait for it.
        let words = header.to_ascii_lowercase();
        let greets = |word: &[u8]| words.windows(word.len()).any(|w| w == word);
        let missed = self.pending.len() == 1 && !greets(b"pop") && !greets(b"ready");
        if !std::mem::replace(&mut self.greeted, true) && !missed {
            if !ok && self.pending.is_empty() && says_log_in_failed(&words) {
                // No server greets so: it answers a password that was given before.
                self.login(cx, "other", false, "failure");
            }
            if ok && !header.is_empty() && !says_session(&words) {
                cx.fact(Direction::ToClient, "software", &header[..header.len().min(TEXT_MAX)], "pop3", 50);
            }
            let greeting = Command { status: Some((ok, header[..header.len().min(TEXT_MAX)].to_vec())), ..Command::default() };
            self.tell(cx, &greeting);
            return Next::Go;
        }
        let Some(c) = self.pending.front_mut() else { return Next::Go };
        let header = without(&header[..header.len().min(TEXT_MAX)], &c.secret).into_owned();
        c.status = Some((ok, header));
        let listed = match &c.name[..] {
            b"LIST" | b"UIDL" => c.arguments.is_empty().then_some(true),
            b"CAPA" => Some(true),
            b"AUTH" if c.arguments.is_empty() => Some(true),
            b"RETR" | b"TOP" => Some(false),
            _ => None,
        };
        match listed {
            Some(keep) if ok => {
                self.lines = Some(keep);
                Next::Go
            }
            _ => self.answered(cx),
        }
    }

    /// The first command that waits has its whole response.
    fn answered<O: Out>(&mut self, cx: &mut Cx<'_, O>) -> Next {
        let Some(c) = self.pending.pop_front() else { return Next::Go };
        let ok = c.status.as_ref().is_some_and(|s| s.0);
        let outcome = if ok { "success" } else { "failure" };
        match &c.name[..] {
            b"PASS" => self.login(cx, "password", c.secret.is_empty(), outcome),
            b"APOP" => self.login(cx, "apop", false, outcome),
            b"AUTH" | b"<SASL DATA>" => {
                if let Some(auth) = self.auth.take() {
                    cx.login(&auth.login("pop3", outcome));
                    if !auth.workstation.is_empty() {
                        cx.fact(Direction::ToServer, "hostname", &auth.workstation, "pop3", 70);
                    }
                }
            }
            _ => {}
        }
        self.tell(cx, &c);
        if ok && c.name == b"STLS" { Next::Anything } else { Next::Go }
    }

    /// A challenge answers AUTH or a SASL line, and asks for another.
    fn challenge<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8]) -> Next {
        let sasl = self.pending.front().is_some_and(|c| c.name == b"AUTH" || c.name == b"<SASL DATA>");
        if let Some(mut c) = self.pending.pop_front_if(|_| sasl) {
            c.status = Some((true, if text.is_empty() { Vec::new() } else { redact(text.len()) }));
            self.tell(cx, &c);
        }
        Next::Go
    }

    /// A line of a response that is kept.
    fn data_line<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8]) -> Next {
        if text == b"." {
            self.lines = None;
            return self.answered(cx);
        }
        if let Some(c) = self.pending.front_mut().filter(|c| c.data.len() < DATA_MAX) {
            let text = text.strip_prefix(b".").unwrap_or(text);
            c.data.push(text[..text.len().min(TEXT_MAX)].to_vec());
        }
        Next::Go
    }

    /// The text of a mail, up to a lone dot.
    fn skip_text<O: Out>(&mut self, cx: &mut Cx<'_, O>, bytes: &[u8]) -> Step {
        let mut at = 0;
        while let Some((text, end, used)) = piece(&bytes[at..]) {
            at += used;
            let mid = std::mem::replace(&mut self.mid_line[1], end.is_empty());
            if std::mem::take(&mut self.dropping[1]) && end.is_empty() {
                self.dropping[1] = true;
            } else if !mid && text == b"." && !end.is_empty() {
                self.lines = None;
                return Step { used: at, next: self.answered(cx) };
            }
        }
        Step::go(at)
    }

    fn login<O: Out>(&mut self, cx: &mut Cx<'_, O>, method: &'static str, empty: bool, outcome: &'static str) {
        let user = Some(&self.user[..]).filter(|u| !u.is_empty());
        let anonymous = empty || self.user.eq_ignore_ascii_case(b"anonymous");
        cx.login(&Login { protocol: "pop3", user, method, outcome, cleartext: method == "password", anonymous, tries: 1 });
    }

    fn tell<O: Out>(&mut self, cx: &mut Cx<'_, O>, c: &Command) {
        let tx = self.transactions;
        self.transactions += 1;
        let (arguments, data) = (slices(&c.arguments), slices(&c.data));
        let request = (!c.name.is_empty()).then_some(Request { command: &c.name, args: &arguments });
        let response =
            c.status.as_ref().map(|(ok, header)| Response { success: *ok, status: if *ok { "OK" } else { "ERR" }, header, data: &data });
        cx.push(tx, &Pop3Command { request, response });
    }
}
