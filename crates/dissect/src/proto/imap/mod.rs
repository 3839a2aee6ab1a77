//! IMAP (RFC 9051, 3501), with STARTTLS, AUTHENTICATE and SASL-IR (RFC 4959), literals (RFC 7888), ID (RFC 2971), IDLE, COMPRESS.
//!
//! One event for each command with its tagged answer; Suricata writes none. Assumed: lines end in LF. Passwords and SASL lines are
//! told as their length, what is searched for and mails are not told. Bounded by [`COMMANDS_MAX`]: who logs in and with what is
//! known early, and a mailbox that stays open for days is not followed to its end.

mod record;
#[cfg(test)]
mod tests;

pub use record::{ImapCommand, Request, Response};

use super::mime::{LINE_MAX, piece};
use super::sasl::{self, Exchange, USER_MAX, redact, without};
use crate::cursor::line;
use crate::held::{Held, holds};
use crate::record::Login;
use crate::{Cx, Info, Match, Next, Probe, Protocol, Step, Transport};
use std::collections::VecDeque;
use vigie_base::Direction;
use vigie_event::Out;

/// Commands told of one flow; then nothing more is looked at.
const COMMANDS_MAX: u32 = 256;
/// Commands waiting for their answer; beyond, the oldest is told without one.
const PENDING_MAX: usize = 64;
/// Longest argument and text kept.
const TEXT_MAX: usize = 256;
/// Longest tag.
const TAG_MAX: usize = 32;
/// Longest literal that can be a user's name or a password.
const LITERAL_MAX: u64 = 256;

/// An IMAP session.
#[derive(Debug, Default)]
pub struct Imap {
    pending: VecDeque<Command>,
    /// The command that the client is writing, while a literal of it is on its way.
    open: Option<Command>,
    transactions: u32,
    greeted: bool,
    auth: Option<Exchange>,
    /// No command was seen yet.
    midway: Midway,
    /// Bytes left of a literal, by direction.
    literal: [u64; 2],
    /// The literal at hand is kept: an argument of LOGIN.
    kept: bool,
    mid_line: [bool; 2],
    dropping: [bool; 2],
}

/// How far a session is known that may have been open before it was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Midway {
    /// Nothing of it was seen.
    #[default]
    Perhaps,
    /// A line of an exchange was, whose command was not.
    Exchange,
    /// It was seen from its beginning, or a command of it was.
    No,
}

#[derive(Debug, Default)]
struct Command {
    tag: Vec<u8>,
    name: Vec<u8>,
    argument: Vec<u8>,
    /// Not a command that is known: its tag is not told either.
    hidden: bool,
    /// Arguments of LOGIN; the second is never told.
    login: Vec<Vec<u8>>,
}

impl Protocol for Imap {
    const INFO: Info = Info {
        name: "imap",
        doc: "Internet Message Access Protocol (RFC 9051)",
        transports: &[Transport::Tcp],
        ports: &[143],
        buffer_max: 2 * LINE_MAX,
    };

    fn probe(p: &Probe<'_>) -> Match {
        const GREETINGS: [&[u8]; 4] = [b"* OK ", b"* PREAUTH ", b"* BYE ", b"* OK\r\n"];
        match p.dir {
            Direction::ToClient => {
                if GREETINGS.iter().any(|g| p.bytes.starts_with(g)) {
                    Match::Yes
                } else if GREETINGS.iter().any(|g| g.starts_with(p.bytes)) {
                    Match::Maybe
                } else {
                    probe_response(p)
                }
            }
            Direction::ToServer => {
                let head = &p.bytes[..p.bytes.len().min(64)];
                let end = head.iter().position(|b| *b == b'\n');
                let text = &head[..end.unwrap_or(head.len())];
                let mut words = text.split(|b| matches!(b, b' ' | b'\r'));
                let (tag, word) = (words.next().unwrap_or(&[]), words.next());
                if (begins_with_sasl(p.bytes) || ends_idle(text)) && p.on(Self::INFO.ports) {
                    // An answer to a challenge, of a log-in whose beginning was not seen; or DONE.
                    return if p.other.starts_with(b"+ ") { Match::Yes } else { Match::Maybe };
                }
                if !is_tag(tag) {
                    let begun = end.is_none() && p.on(Self::INFO.ports) && sasl::may_be_line(p.bytes);
                    return if begun { Match::Maybe } else { Match::No };
                }
                let greeted = p.other.starts_with(b"* ");
                let Some(word) = word.map(<[u8]>::to_ascii_uppercase) else {
                    return if end.is_none() && (greeted || p.on(Self::INFO.ports)) { Match::Maybe } else { Match::No };
                };
                let whole = end.is_some() || words.next().is_some();
                match (known(&word), greeted) {
                    (true, true) if whole => Match::Yes,
                    (true, _) => Match::Maybe,
                    (false, _) if !whole && (greeted || p.on(Self::INFO.ports)) => Match::Maybe,
                    _ => Match::No,
                }
            }
        }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let i = dir.index();
        if self.literal[i] > 0 {
            return self.literal(dir, bytes);
        }
        if dir == Direction::ToServer && bytes[0] == 0x16 && self.pending.back().is_some_and(|c| c.name == b"STARTTLS") {
            // The server's go-ahead was not seen, the client's handshake is.
            return Step { used: 0, next: Next::Anything };
        }
        let Some((text, end, used)) = piece(bytes) else { return Step::go(0) };
        let mid = std::mem::replace(&mut self.mid_line[i], end.is_empty());
        if self.dropping[i] {
            self.dropping[i] = end.is_empty();
            return Step::go(used);
        }
        // The end of a line too long to be looked at may still announce a literal; its beginning is all that is read.
        let literal = if end.is_empty() { None } else { announced(text) };
        let next = match dir {
            _ if mid => Next::Go,
            Direction::ToServer => self.client_line(cx, text, literal),
            Direction::ToClient => self.server_line(cx, text),
        };
        self.literal[i] = literal.unwrap_or(0);
        if mid && dir == Direction::ToServer && literal.is_none() && !end.is_empty() {
            self.close(cx);
        }
        if self.transactions >= COMMANDS_MAX && next == Next::Go {
            return Step { used, next: Next::Done };
        }
        Step { used, next }
    }

    fn gap<O: Out>(&mut self, _: &mut Cx<'_, O>, dir: Direction, len: u64) -> Next {
        let i = dir.index();
        if self.literal[i] > len {
            self.literal[i] -= len;
        } else {
            self.literal[i] = 0;
            self.dropping[i] = true;
        }
        if dir == Direction::ToServer {
            self.open = None;
        }
        Next::Go
    }

    fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if let Some(auth) = self.auth.take() {
            cx.login(&auth.login("imap", "unknown"));
        }
        self.close(cx);
        while let Some(c) = self.pending.pop_front() {
            if c.name == b"LOGIN" {
                login(cx, &c, "unknown");
            }
            self.tell(cx, &c, None);
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
    Imap: { pending, open, auth }
    Command: { tag, name, argument, login }
}

const KNOWN: [&[u8]; 36] = [
    b"CAPABILITY",
    b"NOOP",
    b"LOGOUT",
    b"STARTTLS",
    b"AUTHENTICATE",
    b"LOGIN",
    b"ENABLE",
    b"SELECT",
    b"EXAMINE",
    b"CREATE",
    b"DELETE",
    b"RENAME",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"LIST",
    b"LSUB",
    b"XLIST",
    b"NAMESPACE",
    b"STATUS",
    b"APPEND",
    b"IDLE",
    b"CHECK",
    b"CLOSE",
    b"UNSELECT",
    b"EXPUNGE",
    b"SEARCH",
    b"FETCH",
    b"STORE",
    b"COPY",
    b"MOVE",
    b"UID",
    b"ID",
    b"COMPRESS",
    b"GETQUOTA",
    b"GETQUOTAROOT",
    b"GETACL",
];

/// Whether the first line is whole and looks like one of an exchange.
fn begins_with_sasl(bytes: &[u8]) -> bool {
    line(bytes).is_some_and(|(text, _)| sasl::is_line(text))
}

/// The client's word that ends IDLE (RFC 2177).
fn ends_idle(text: &[u8]) -> bool {
    text.trim_ascii_end().eq_ignore_ascii_case(b"DONE")
}

fn is_tag(tag: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'$' | b'#');
    !tag.is_empty() && tag.len() <= TAG_MAX && tag.iter().all(allowed)
}

/// What a server says in a session that was open before it was seen: the answer to a command that was seen, or on the protocol's port to
/// one that was not.
fn probe_response(p: &Probe<'_>) -> Match {
    const STATUS: [&[u8]; 3] = [b"OK", b"NO", b"BAD"];
    let ours = p.on(Imap::INFO.ports);
    let text = &p.bytes[..p.bytes.len().min(TAG_MAX + 5)];
    let mut words = text.split(|b| matches!(b, b' ' | b'\r' | b'\n'));
    let (tag, status) = (words.next().unwrap_or(&[]), words.next());
    let whole = words.next().is_some();
    let mut asked = line(p.other).map_or(&[][..], |(text, _)| text).split(|b| *b == b' ');
    let same_tag = asked.next() == Some(tag) && asked.next().is_some_and(|w| known(&w.to_ascii_uppercase()));
    match (tag, status) {
        // Data, and a challenge.
        (b"*", Some(s)) if ours => match s.first() {
            None => Match::Maybe,
            Some(b) if b.is_ascii_digit() || b.is_ascii_uppercase() => Match::Yes,
            Some(_) => Match::No,
        },
        (b"+", _) if ours => {
            let word = |text: &[u8]| text.split(|b| *b == b' ').nth(1).is_some_and(|w| known(&w.to_ascii_uppercase()));
            let asked = line(p.other).is_some_and(|(text, _)| sasl::is_line(text) || word(text));
            if asked { Match::Yes } else { Match::Other }
        }
        (tag, _) if !is_tag(tag) || !(ours || same_tag) => Match::No,
        (_, None) => Match::Maybe,
        (_, Some(s)) if whole && STATUS.iter().any(|of| s.eq_ignore_ascii_case(of)) => Match::Yes,
        (_, Some(s)) if !whole && STATUS.iter().any(|of| of.len() >= s.len() && s.eq_ignore_ascii_case(&of[..s.len()])) => Match::Maybe,
        _ => Match::No,
    }
}

fn known(word: &[u8]) -> bool {
    KNOWN.contains(&word)
}

/// The size of the literal that a line announces at its end: `{7}`, `{7+}`, `~{7}`.
fn announced(text: &[u8]) -> Option<u64> {
    let inner = text.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|b| *b == b'{')?;
    let digits = inner[open + 1..].strip_suffix(b"+").unwrap_or(&inner[open + 1..]);
    if digits.is_empty() || digits.len() > 12 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The next argument of a line (an atom or a quoted string), and what is left.
fn argument(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let text = text.trim_ascii_start();
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_vec(), &text[end..]));
    };
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(b) = quoted.get(at) {
        match b {
            b'"' => break,
            b'\\' if at + 1 < quoted.len() => {
                at += 1;
                out.push(quoted[at]);
            }
            b => out.push(*b),
        }
        at += 1;
    }
    Some((out, quoted.get(at + 1..).unwrap_or(&[])))
}

fn cut(text: &[u8], max: usize) -> Vec<u8> {
    text[..text.len().min(max)].to_vec()
}

impl Imap {
    fn literal(&mut self, dir: Direction, bytes: &[u8]) -> Step {
        let i = dir.index();
        let used = self.literal[i].min(bytes.len() as u64) as usize;
        self.literal[i] -= used as u64;
        if dir == Direction::ToServer
            && self.kept
            && let Some(last) = self.open.as_mut().and_then(|c| c.login.last_mut())
        {
            last.extend_from_slice(&bytes[..used]);
        }
        Step::go(used)
    }

    fn client_line<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8], literal: Option<u64>) -> Next {
        let mut command = match self.open.take() {
            Some(c) => c,
            None => {
                if let Some(auth) = &mut self.auth {
                    auth.client(text);
                    return Next::Go;
                }
                let mut words = text.splitn(3, |b| *b == b' ');
                let (tag, name, rest) = (words.next().unwrap_or(&[]), words.next(), words.next().unwrap_or(&[]));
                let Some(name) = name else {
                    // DONE ends IDLE; anything else is no command.
                    if self.midway == Midway::Perhaps && !self.greeted && sasl::is_line(text) && !ends_idle(text) {
                        self.midway = Midway::Exchange;
                        self.auth = Some(Exchange::asked(b""));
                    }
                    return Next::Go;
                };
                self.midway = Midway::No;
                self.begin(tag, name, rest)
            }
        };
        if command.name == b"LOGIN" {
            let mut rest = if command.login.is_empty() { text.splitn(3, |b| *b == b' ').nth(2).unwrap_or(&[]) } else { text };
            while let Some((value, left)) = argument(rest).filter(|_| command.login.len() < 3) {
                rest = left;
                if literal.is_none() || !left.is_empty() || announced(&value).is_none() {
                    command.login.push(cut(&value, USER_MAX));
                }
            }
            self.kept = literal.is_some_and(|n| n <= LITERAL_MAX) && command.login.len() < 2;
            if literal.is_some() && command.login.len() < 2 {
                // One that is too long to be kept takes its place all the same.
                command.login.push(Vec::new());
            }
        } else {
            self.kept = false;
        }
        self.open = Some(command);
        if literal.is_none() {
            self.close(cx);
        }
        Next::Go
    }

    /// A new command.
    fn begin(&mut self, tag: &[u8], name: &[u8], rest: &[u8]) -> Command {
        let mut c = Command { tag: cut(tag, TAG_MAX), name: name.to_ascii_uppercase(), ..Command::default() };
        match &c.name[..] {
            b"LOGIN" => {}
            b"AUTHENTICATE" => {
                let mut words = rest.split(|b| *b == b' ').filter(|w| !w.is_empty());
                let mechanism = words.next().unwrap_or(&[]);
                let initial = words.next();
                self.auth = Some(Exchange::begin(mechanism, initial));
                c.argument = cut(mechanism, TAG_MAX);
                if let Some(initial) = initial {
                    c.argument.push(b' ');
                    c.argument.extend_from_slice(&redact(initial.len()));
                }
            }
            // What is looked for and what is stored is nobody's business.
            b"SEARCH" | b"APPEND" | b"STORE" => {}
            b"UID" => c.argument = cut(rest.split(|b| *b == b' ').next().unwrap_or(&[]), TAG_MAX),
            n if known(n) => c.argument = cut(rest, TEXT_MAX),
            _ => {
                // It may be a secret out of its place.
                c.hidden = true;
                c.name = redact(c.name.len());
            }
        }
        c
    }

    /// The client's command is whole: it waits for its answer.
    fn close<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        let Some(c) = self.open.take() else { return };
        if self.pending.len() >= PENDING_MAX {
            cx.anomaly("imap", "too_many_transactions", self.transactions);
            if let Some(oldest) = self.pending.pop_front() {
                self.tell(cx, &oldest, None);
            }
        }
        self.pending.push_back(c);
    }

    fn server_line<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8]) -> Next {
        if let Some(untagged) = text.strip_prefix(b"* ") {
            self.untagged(cx, untagged);
            return Next::Go;
        }
        if text.starts_with(b"+") {
            return Next::Go;
        }
        let mut words = text.splitn(3, |b| *b == b' ');
        let (tag, status, rest) = (words.next().unwrap_or(&[]), words.next().unwrap_or(&[]), words.next().unwrap_or(&[]));
        let status = match &status.to_ascii_uppercase()[..] {
            b"OK" => "OK",
            b"NO" => "NO",
            b"BAD" => "BAD",
            _ => return Next::Go,
        };
        let Some(at) = self.pending.iter().position(|c| c.tag == tag) else {
            self.unseen(cx, status, rest);
            return Next::Go;
        };
        let Some(c) = self.pending.remove(at) else { return Next::Go };
        let ok = status == "OK";
        match &c.name[..] {
            b"LOGIN" => login(cx, &c, if ok { "success" } else { "failure" }),
            b"AUTHENTICATE" => {
                if let Some(auth) = self.auth.take() {
                    cx.login(&auth.login("imap", if ok { "success" } else { "failure" }));
                    if !auth.workstation.is_empty() {
                        cx.fact(Direction::ToServer, "hostname", &auth.workstation, "imap", 70);
                    }
                }
            }
            _ => {}
        }
        self.tell(cx, &c, Some((status, rest)));
        match &c.name[..] {
            b"STARTTLS" if ok => Next::Anything,
            b"COMPRESS" if ok => Next::Done,
            _ => Next::Go,
        }
    }

    /// The answer to a command that was not seen: a log-in's, where a line of its exchange was, or where its code says so (RFC 5530).
    fn unseen<O: Out>(&mut self, cx: &mut Cx<'_, O>, status: &str, text: &[u8]) {
        let midway = std::mem::replace(&mut self.midway, Midway::No);
        let failed = status == "NO" && text.get(..22).is_some_and(|t| t.eq_ignore_ascii_case(b"[AUTHENTICATIONFAILED]"));
        if midway == Midway::Exchange || (midway == Midway::Perhaps && failed) {
            let auth = self.auth.take().unwrap_or_else(|| Exchange::asked(b""));
            cx.login(&auth.login("imap", if status == "OK" { "success" } else { "failure" }));
        }
    }

    fn untagged<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8]) {
        if !std::mem::replace(&mut self.greeted, true) {
            let banner = text.strip_prefix(b"OK ").or(text.strip_prefix(b"PREAUTH ")).unwrap_or(&[]);
            // Capabilities before the words are not the server's name; any other code is no greeting's, nor is what Dovecot says in IDLE.
            let words = match banner.strip_prefix(b"[") {
                Some(code) if [&b"CAPABILITY"[..], b"ALERT"].iter().any(|c| code.starts_with(c)) => {
                    code.iter().position(|b| *b == b']').map_or(&[][..], |at| &code[at + 1..])
                }
                Some(_) => &[],
                None if banner == b"Still here" => &[],
                None => banner,
            };
            let words = words.trim_ascii();
            if !words.is_empty() {
                cx.fact(Direction::ToClient, "software", &words[..words.len().min(TEXT_MAX)], "imap", 50);
            }
        } else if text.len() > 4 && text[..4].eq_ignore_ascii_case(b"ID (") {
            identity(cx, Direction::ToClient, "software", &text[3..]);
        }
    }

    fn tell<O: Out>(&mut self, cx: &mut Cx<'_, O>, c: &Command, answer: Option<(&str, &[u8])>) {
        if self.transactions >= COMMANDS_MAX {
            return;
        }
        let tx = self.transactions;
        self.transactions += 1;
        let none = Vec::new();
        let secret = if c.hidden { &c.tag } else { c.login.get(1).unwrap_or(&none) };
        let text = answer.map(|(_, text)| without(&text[..text.len().min(TEXT_MAX)], secret));
        let told = match &c.name[..] {
            b"LOGIN" => {
                let user = c.login.first().unwrap_or(&none);
                [&user[..], b" ", &redact(secret.len())].concat()
            }
            b"ID" => {
                identity(cx, Direction::ToServer, "client_software", &c.argument);
                c.argument.clone()
            }
            _ => c.argument.clone(),
        };
        let hidden = redact(c.tag.len());
        cx.push(
            tx,
            &ImapCommand {
                request: Request {
                    tag: if c.hidden { &hidden } else { &c.tag },
                    command: &c.name,
                    argument: Some(&told[..]).filter(|a| !a.is_empty()),
                },
                response: answer.map(|(status, _)| Response { status, text: text.as_deref().unwrap_or(&[]) }),
            },
        );
    }
}

fn login<O: Out>(cx: &mut Cx<'_, O>, c: &Command, outcome: &str) {
    let user = c.login.first().map(Vec::as_slice).filter(|u| !u.is_empty());
    let empty = c.login.get(1).is_some_and(Vec::is_empty);
    let anonymous = empty || user.is_some_and(|u| u.eq_ignore_ascii_case(b"anonymous"));
    cx.login(&Login { protocol: "imap", user, method: "password", outcome, cleartext: true, anonymous, tries: 1 });
}

/// What a side says of itself with ID: name and version (RFC 2971 3.3).
fn identity<O: Out>(cx: &mut Cx<'_, O>, dir: Direction, key: &str, list: &[u8]) {
    let Some(mut rest) = list.strip_prefix(b"(") else { return };
    let (mut name, mut version) = (Vec::new(), Vec::new());
    while let Some((field, left)) = argument(rest) {
        let Some((value, left)) = argument(left) else { break };
        rest = left;
        match &field.to_ascii_lowercase()[..] {
            b"name" => name = value,
            b"version" => version = value,
            _ => {}
        }
    }
    if !name.is_empty() {
        let all = if version.is_empty() { name } else { [&name[..], b" ", &version].concat() };
        cx.fact(dir, key, &all, "imap", 70);
    }
}
