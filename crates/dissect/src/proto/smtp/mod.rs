//! SMTP and LMTP (RFC 5321, 2033): STARTTLS (RFC 3207), AUTH (RFC 4954), pipelining (RFC 2920), CHUNKING (RFC 3030).
//!
//! One event for each mail transaction, as in Suricata: begun by the client's first command after the last one ended, ended by the
//! mail's end, RSET, QUIT or STARTTLS; told when the server has answered, with that answer; its files when the client, who sent
//! them, goes on. Assumed: lines end in LF; replies come
//! in the order of their commands; after DATA what the client sends is mail unless the server refuses. SASL lines are read for the
//! user's name and never kept. The text of mails goes to [`super::mime`].

mod record;
#[cfg(test)]
mod tests;

pub use record::{Email, SmtpMail};

use super::mime::{LINE_MAX, Mail, piece, slices};
use super::sasl::{self, Exchange};
use crate::cursor::line;
use crate::held::{Held, holds};
use crate::{Cx, Info, Match, Next, Probe, Protocol, Step, Transport};
use std::collections::VecDeque;
use vigie_base::Direction;
use vigie_event::Out;

/// Commands waiting for their reply; beyond, the oldest is forgotten.
const PENDING_MAX: usize = 256;
/// Mails that wait for the server's answer; beyond, the oldest is told without.
const WAITING_MAX: usize = 16;
/// Recipients kept of one mail; all are counted.
const RECIPIENTS_MAX: usize = 128;
/// Longest recipient kept.
const RECIPIENT_MAX: usize = 1024;
/// Longest text of a reply kept.
const REPLY_MAX: usize = 512;
/// Lines of an exchange that may wait for their reply: a client waits for each. More are the text of a mail.
const UNSEEN_MAX: usize = 4;
/// Unknown commands after which the flow is not taken for SMTP any more.
const UNKNOWN_MAX: u16 = 256;

/// An SMTP session.
#[derive(Debug, Default)]
pub struct Smtp {
    helo: Option<Vec<u8>>,
    tx: Option<Box<Transaction>>,
    waiting: VecDeque<Box<Transaction>>,
    /// A mail that was told; its files are told when the client goes on.
    answered: Option<Box<Transaction>>,
    transactions: u32,
    pending: VecDeque<Pending>,
    mode: Mode,
    greeted: bool,
    in_reply: bool,
    server_seen: bool,
    auth: Option<Exchange>,
    user: Vec<u8>,
    unknown: u16,
    /// The session was open before it was seen, and no command was seen yet.
    midway: bool,
    /// A line longer than [`LINE_MAX`] is being dropped, by direction; also what is left of a line after a gap.
    dropping: [bool; 2],
    /// The next piece of mail begins a line.
    mid_line: bool,
    /// Bytes of the mail at hand are missing: its end may have gone by unseen.
    mail_gap: bool,
    /// Anomalies told once.
    told: u8,
}

const TOLD_WELCOME: u8 = 1;
const TOLD_REPLY: u8 = 2;
const TOLD_PENDING: u8 = 4;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Command,
    /// Mail with dots, up to a lone dot.
    Data,
    /// A chunk of mail: bytes left of it, and whether it is the last.
    Chunk(u64, bool),
}

/// A command that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Other,
    /// No command, before any was seen: it may answer a challenge of a log-in whose beginning was not seen.
    Unseen,
    StartTls,
    Auth,
    Data,
    /// A mail's end.
    Mail,
    Reset,
    Quit,
}

#[derive(Debug, Default)]
struct Transaction {
    id: u32,
    from: Option<Vec<u8>>,
    to: Vec<Vec<u8>>,
    recipients: u32,
    mail: Option<Mail>,
    complete: bool,
    duplicate: bool,
    reply: Option<(u16, Vec<u8>)>,
}

impl Protocol for Smtp {
    const INFO: Info = Info {
        name: "smtp",
        doc: "Simple Mail Transfer Protocol (RFC 5321)",
        transports: &[Transport::Tcp],
        ports: &[25, 587, 465, 2525],
        buffer_max: 2 * LINE_MAX,
    };

    fn probe(p: &Probe<'_>) -> Match {
        match p.dir {
            Direction::ToClient => probe_greeting(p),
            Direction::ToServer => probe_command(p),
        }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        if dir == Direction::ToServer {
            match self.mode {
                Mode::Data => return self.data(cx, bytes),
                Mode::Chunk(left, last) => return self.chunk(cx, bytes, left, last),
                Mode::Command if bytes[0] == 0x16 && self.pending.back() == Some(&Pending::StartTls) => {
                    // The server's go-ahead was not seen, the client's handshake is.
                    return Step { used: 0, next: Next::Anything };
                }
                Mode::Command => {}
            }
        }
        let i = dir.index();
        let window = &bytes[..bytes.len().min(LINE_MAX)];
        let lf = memchr::memchr(b'\n', window);
        if self.dropping[i] {
            self.dropping[i] = lf.is_none();
            return Step::go(lf.map_or(window.len(), |lf| lf + 1));
        }
        let (text, used) = match lf {
            Some(lf) if lf + 1 < LINE_MAX => {
                let text = &window[..lf];
                (text.strip_suffix(b"\r").unwrap_or(text), lf + 1)
            }
            None if window.len() < LINE_MAX => return Step::go(0),
            lf => {
                self.dropping[i] = lf.is_none();
                cx.anomaly("smtp", "TRUNCATED_LINE", self.current());
                (window, window.len())
            }
        };
        let next = match dir {
            Direction::ToServer => self.command(cx, text),
            Direction::ToClient => self.reply(cx, text),
        };
        Step { used, next }
    }

    fn gap<O: Out>(&mut self, _: &mut Cx<'_, O>, dir: Direction, len: u64) -> Next {
        if dir == Direction::ToClient {
            // Which replies were lost cannot be told: the next one answers nothing known.
            self.pending.clear();
            self.in_reply = false;
            self.dropping[dir.index()] = true;
            self.greeted = true;
            return Next::Go;
        }
        match &mut self.mode {
            Mode::Command => self.dropping[dir.index()] = true,
            Mode::Data => {
                self.mid_line = true;
                self.mail_gap = true;
            }
            Mode::Chunk(left, _) if *left > len => *left -= len,
            mode => {
                *mode = Mode::Command;
                self.dropping[dir.index()] = true;
            }
        }
        if let Some(mail) = self.tx.as_mut().and_then(|t| t.mail.as_mut()) {
            mail.gap(len);
        }
        Next::Go
    }

    fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if let Some(auth) = self.auth.take() {
            cx.login(&auth.login("smtp", "unknown"));
        }
        self.tell_files(cx);
        while let Some(t) = self.waiting.pop_front() {
            self.told(cx, t, true);
        }
        self.tell_current(cx);
    }

    fn transactions(&self) -> u32 {
        self.transactions
    }

    fn held(&self) -> usize {
        Held::held(self)
    }
}

holds! {
    Smtp: { helo, tx, waiting, answered, pending, auth, user }
    Pending: {}
    Transaction: { from, to, mail, reply }
}

const COMMANDS: [&[u8]; 20] = [
    b"EHLO",
    b"HELO",
    b"LHLO",
    b"MAIL",
    b"RCPT",
    b"DATA",
    b"BDAT",
    b"AUTH",
    b"STARTTLS",
    b"RSET",
    b"QUIT",
    b"NOOP",
    b"VRFY",
    b"EXPN",
    b"HELP",
    b"ETRN",
    b"TURN",
    b"ATRN",
    b"XCLIENT",
    b"XFORWARD",
];

/// Longest word that is looked at.
const WORD_MAX: usize = 9;

fn first_word(text: &[u8]) -> Vec<u8> {
    let end = text.iter().position(|b| matches!(b, b' ' | b'\r' | b'\n')).unwrap_or(text.len());
    text[..end.min(WORD_MAX)].to_ascii_uppercase()
}

/// Whether a server's bytes begin as a reply does (RFC 5321 section 4.2), as far as they go.
fn is_reply(bytes: &[u8]) -> bool {
    const FORM: [&[u8]; 4] = [b"2345", b"012345", b"0123456789", b" -\r\n"];
    bytes.iter().zip(FORM).all(|(b, form)| form.contains(b))
}

/// On the port of the protocol, in a session that was open before it was seen: what the server says, by what the client said.
fn probe_reply(p: &Probe<'_>) -> Match {
    if !p.on(Smtp::INFO.ports) || !is_reply(p.bytes) {
        return Match::No;
    }
    let asked = line(p.other).is_some_and(|(text, _)| COMMANDS.contains(&&first_word(text)[..]) || sasl::is_line(text));
    match (p.bytes.get(..3), p.other.is_empty()) {
        (Some(_), false) if asked && p.bytes.len() > 3 => Match::Yes,
        // Codes of log-ins alone (RFC 4954 section 6): no command need follow.
        (Some(b"235" | b"334" | b"535"), true) | (None, _) | (_, false) => Match::Maybe,
        (Some(_), true) => Match::Other,
    }
}

fn probe_greeting(p: &Probe<'_>) -> Match {
    let known = |code: &[u8]| matches!(code, b"220" | b"421" | b"554");
    let Some(code) = p.bytes.get(..4) else {
        let begun = [&b"220"[..], b"421", b"554"].iter().any(|c| c.starts_with(&p.bytes[..p.bytes.len().min(3)]));
        return if begun { Match::Maybe } else { probe_reply(p) };
    };
    if !known(&code[..3]) || !matches!(code[3], b' ' | b'-' | b'\r' | b'\n') {
        return probe_reply(p);
    }
    let Some((text, _)) = line(p.bytes) else { return Match::Maybe };
    let upper = text.to_ascii_uppercase();
    let says = |word: &[u8]| upper.windows(word.len()).any(|w| w == word);
    // FTP greets with 220 too; many servers say what they are.
    if says(b"SMTP") || says(b"LMTP") || (p.on(Smtp::INFO.ports) && !says(b"FTP")) {
        Match::Yes
    } else if says(b"FTP") || code.starts_with(b"421") {
        Match::No
    } else if says(b"MAIL") || says(b"POSTFIX") || says(b"EXIM") {
        Match::Yes
    } else {
        Match::Maybe
    }
}

fn probe_command(p: &Probe<'_>) -> Match {
    let word_end = p.bytes.iter().position(|b| matches!(b, b' ' | b'\r' | b'\n'));
    let word = p.bytes[..word_end.unwrap_or(p.bytes.len()).min(8)].to_ascii_uppercase();
    let open = p.on(Smtp::INFO.ports) && p.other.len() > 3 && is_reply(p.other) && !p.other.starts_with(b"220");
    let greeted = p.other.starts_with(b"220") || open;
    if word_end.is_some() {
        match &word[..] {
            b"EHLO" | b"HELO" | b"LHLO" if p.other.is_empty() || greeted => return Match::Yes,
            b"MAIL" | b"RCPT" | b"VRFY" | b"EXPN" if greeted => return Match::Yes,
            b"AUTH" | b"DATA" | b"RSET" | b"QUIT" | b"NOOP" | b"STARTTLS" if open => return Match::Yes,
            b"MAIL" | b"RCPT" => return Match::Maybe,
            b"QUIT" | b"NOOP" | b"HELP" | b"RSET" | b"STARTTLS" | b"AUTH" if greeted => return Match::Maybe,
            _ => {}
        }
    } else if [&b"EHLO"[..], b"HELO", b"LHLO", b"MAIL", b"RCPT"].iter().any(|c| c.starts_with(&word)) {
        return Match::Maybe;
    }
    if open && p.other.starts_with(b"334") && line(p.bytes).is_some_and(|(text, _)| sasl::is_line(text)) {
        return Match::Yes;
    }
    // Whoever speaks out of turn to a mail server: the greeting will tell.
    let other_protocol = p.bytes[0] == 0x16 || p.bytes.starts_with(b"GET ") || p.bytes.starts_with(b"SSH-");
    if p.on(Smtp::INFO.ports) && (p.other.is_empty() || greeted) && !other_protocol { Match::Maybe } else { Match::No }
}

impl Smtp {
    fn current(&self) -> u32 {
        self.tx.as_ref().map_or(self.transactions, |t| t.id)
    }

    fn once<O: Out>(&mut self, cx: &mut Cx<'_, O>, bit: u8, event: &'static str) {
        if self.told & bit == 0 {
            self.told |= bit;
            cx.anomaly("smtp", event, self.current());
        }
    }

    fn expect<O: Out>(&mut self, cx: &mut Cx<'_, O>, command: Pending) {
        if self.pending.len() >= PENDING_MAX {
            self.once(cx, TOLD_PENDING, "TOO_MANY_PENDING_COMMANDS");
            self.pending.pop_front();
        }
        self.pending.push_back(command);
    }

    fn command<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8]) -> Next {
        self.tell_files(cx);
        if !self.greeted {
            self.once(cx, TOLD_WELCOME, "NO_SERVER_WELCOME_MESSAGE");
        }
        let word = first_word(text);
        if let Some(auth) = &mut self.auth {
            // Without the server's side nothing ends the exchange but the next command.
            if self.server_seen || !matches!(&word[..], b"EHLO" | b"HELO" | b"LHLO" | b"MAIL" | b"QUIT" | b"RSET" | b"AUTH") {
                auth.client(text);
                return Next::Go;
            }
            self.end_auth(cx, "unknown");
        }
        let is_command = COMMANDS.contains(&&word[..]) || matches!(&word[..], b"SIZE" | b"BURL");
        if !is_command && (self.midway || !self.greeted) && sasl::is_line(text) {
            self.expect(cx, Pending::Unseen);
            if self.pending.len() >= UNSEEN_MAX && self.pending.iter().all(|p| *p == Pending::Unseen) {
                self.pending.clear();
                (self.mode, self.mid_line, self.mail_gap) = (Mode::Data, false, true);
            }
            return Next::Go;
        }
        self.midway &= !is_command;
        if self.tx.is_none() {
            self.tx = Some(Box::new(Transaction { id: self.transactions, ..Transaction::default() }));
            self.transactions += 1;
        }
        let Some(tx) = &mut self.tx else { return Next::Go };
        let mut command = Pending::Other;
        match &word[..] {
            b"EHLO" | b"HELO" | b"LHLO" => {
                if self.helo.is_none() {
                    let name = parameter(text, 4);
                    if name.contains(&b'.') && !name.starts_with(b"[") {
                        cx.fact(Direction::ToServer, "fqdn", name, "smtp", 30);
                    } else if name.first().is_some_and(|b| b.is_ascii_alphanumeric()) {
                        cx.fact(Direction::ToServer, "hostname", name, "smtp", 30);
                    }
                    self.helo = Some(name.to_vec());
                } else if self.helo.as_deref() != Some(parameter(text, 4)) {
                    cx.anomaly("smtp", "DUPLICATE_FIELDS", tx.id);
                }
            }
            b"MAIL" if prefix(text, b"MAIL FROM") => {
                if tx.from.is_none() {
                    tx.from = Some(parameter(text, 9).to_vec());
                } else if !std::mem::replace(&mut tx.duplicate, true) {
                    cx.anomaly("smtp", "DUPLICATE_FIELDS", tx.id);
                }
            }
            b"RCPT" if prefix(text, b"RCPT TO") => {
                tx.recipients = tx.recipients.saturating_add(1);
                if tx.to.len() < RECIPIENTS_MAX {
                    let to = parameter(text, 7);
                    tx.to.push(to[..to.len().min(RECIPIENT_MAX)].to_vec());
                }
            }
            b"DATA" => {
                if tx.mail.as_ref().is_none_or(|m| m.size == 0) {
                    tx.mail = Some(Mail::new(Direction::ToServer, tx.id, cx.shared.settings.hash()));
                } else {
                    cx.anomaly("smtp", "UNPARSABLE_CONTENT", tx.id);
                }
                (self.mid_line, self.mail_gap) = (false, false);
                self.mode = Mode::Data;
                command = Pending::Data;
            }
            b"BDAT" => {
                let mut words = text[4..].split(|b| *b == b' ').filter(|w| !w.is_empty());
                let size = words.next().and_then(|n| std::str::from_utf8(n).ok()).and_then(|n| n.parse::<u64>().ok());
                let last = words.next().is_some_and(|w| w.eq_ignore_ascii_case(b"LAST"));
                if let Some(size) = size {
                    if tx.mail.is_none() {
                        tx.mail = Some(Mail::new(Direction::ToServer, tx.id, cx.shared.settings.hash()));
                        (self.mid_line, self.mail_gap) = (false, false);
                    }
                    if !last {
                        self.expect(cx, Pending::Other);
                    }
                    self.mode = Mode::Chunk(size, last);
                    return self.chunk_over(cx);
                }
            }
            b"STARTTLS" => command = Pending::StartTls,
            b"AUTH" => {
                let mut words = text[4..].split(|b| *b == b' ').filter(|w| !w.is_empty());
                if let Some(mechanism) = words.next() {
                    self.auth = Some(Exchange::begin(mechanism, words.next()));
                    command = Pending::Auth;
                }
            }
            b"RSET" => command = Pending::Reset,
            b"QUIT" => command = Pending::Quit,
            b"NOOP" | b"VRFY" | b"EXPN" | b"HELP" | b"ETRN" | b"TURN" | b"ATRN" | b"SIZE" | b"XCLIENT" | b"XFORWARD" | b"BURL" => {}
            _ => {
                self.unknown += 1;
                if self.unknown >= UNKNOWN_MAX {
                    return Next::GiveUp("too_many_unknown_commands");
                }
            }
        }
        self.expect(cx, command);
        Next::Go
    }

    /// Mail up to a lone dot.
    fn data<O: Out>(&mut self, cx: &mut Cx<'_, O>, bytes: &[u8]) -> Step {
        let mut at = 0;
        while let Some((text, end, used)) = piece(&bytes[at..]) {
            at += used;
            let begins = !std::mem::replace(&mut self.mid_line, end.is_empty());
            if begins && text == b"." && !end.is_empty() {
                self.mail_over(cx, true);
                break;
            }
            // A dot was put before lines that begin with one (RFC 5321 4.5.2).
            let text = if begins { text.strip_prefix(b".").unwrap_or(text) } else { text };
            if let Some(mail) = self.tx.as_mut().and_then(|t| t.mail.as_mut()) {
                mail.line(text, end, begins, &cx.shared.settings.secret_parameters);
            }
        }
        Step::go(at)
    }

    /// A chunk of mail as it is.
    fn chunk<O: Out>(&mut self, cx: &mut Cx<'_, O>, bytes: &[u8], left: u64, last: bool) -> Step {
        let window = &bytes[..(bytes.len() as u64).min(left) as usize];
        let (text, end, used) = match piece(window) {
            Some(p) => p,
            // A chunk may end within a line.
            None if window.len() as u64 == left => (window, &[][..], window.len()),
            None => return Step::go(0),
        };
        let begins = !std::mem::replace(&mut self.mid_line, end.is_empty());
        if let Some(mail) = self.tx.as_mut().and_then(|t| t.mail.as_mut()) {
            mail.line(text, end, begins, &cx.shared.settings.secret_parameters);
        }
        self.mode = Mode::Chunk(left - used as u64, last);
        Step { used, next: self.chunk_over(cx) }
    }

    fn chunk_over<O: Out>(&mut self, cx: &mut Cx<'_, O>) -> Next {
        if let Mode::Chunk(0, last) = self.mode {
            self.mode = Mode::Command;
            if last {
                self.mail_over(cx, true);
            }
        }
        Next::Go
    }

    /// The mail at hand is over; it waits for the server's answer.
    fn mail_over<O: Out>(&mut self, cx: &mut Cx<'_, O>, complete: bool) {
        self.mode = Mode::Command;
        self.expect(cx, Pending::Mail);
        let Some(mut t) = self.tx.take() else { return };
        t.complete = complete;
        if let Some(mail) = &mut t.mail {
            mail.end(complete, &cx.shared.settings.secret_parameters);
        }
        if self.waiting.len() >= WAITING_MAX {
            self.once(cx, TOLD_PENDING, "TOO_MANY_PENDING_COMMANDS");
            if let Some(oldest) = self.waiting.pop_front() {
                self.told(cx, oldest, true);
            }
        }
        self.waiting.push_back(t);
    }

    fn reply<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8]) -> Next {
        self.server_seen = true;
        if text.is_empty() {
            return Next::Go;
        }
        let Some(code) = text.get(..3).filter(|c| c.iter().all(u8::is_ascii_digit)) else {
            self.once(cx, TOLD_REPLY, "INVALID_REPLY");
            return Next::Go;
        };
        let code = code.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
        let words = text.get(4..).unwrap_or(&[]).trim_ascii();
        if !self.greeted && !self.in_reply && !matches!(code, 220 | 421 | 554) {
            // The greeting was missed: this answers a command, seen or not.
            self.greeted = true;
            self.midway = self.pending.iter().all(|p| *p == Pending::Unseen);
        }
        if !self.greeted && !self.in_reply {
            self.greeting(cx, code, words);
        }
        self.in_reply = text.get(3) == Some(&b'-');
        if self.in_reply {
            return Next::Go;
        }
        if !std::mem::replace(&mut self.greeted, true) {
            return Next::Go;
        }
        let Some(command) = self.pending.pop_front() else {
            if self.mail_gap && self.mode == Mode::Data && code != 354 {
                // The mail's end was in the gap.
                self.mail_over(cx, false);
                self.pending.clear();
                self.answered(cx, code, words);
            } else if self.midway {
                self.unseen(cx, code, words);
            }
            return Next::Go;
        };
        match command {
            Pending::StartTls if code == 220 => {
                self.tell_current(cx);
                return Next::Anything;
            }
            Pending::StartTls => cx.anomaly("smtp", "TLS_REJECTED", self.current()),
            Pending::Unseen => self.unseen(cx, code, words),
            Pending::Auth if code == 334 => self.pending.push_front(Pending::Auth),
            Pending::Auth => self.end_auth(cx, if code / 100 == 2 { "success" } else { "failure" }),
            Pending::Data if code != 354 => {
                if self.mode == Mode::Data {
                    self.mode = Mode::Command;
                }
                cx.anomaly("smtp", "DATA_COMMAND_REJECTED", self.current());
            }
            Pending::Mail => self.answered(cx, code, words),
            Pending::Reset if code == 250 => self.tell_current(cx),
            Pending::Quit if code == 221 => self.tell_current(cx),
            _ => {}
        }
        Next::Go
    }

    fn greeting<O: Out>(&mut self, cx: &mut Cx<'_, O>, code: u16, words: &[u8]) {
        if code != 220 {
            self.once(cx, TOLD_REPLY, "INVALID_REPLY");
            return;
        }
        if self.tx.is_none() {
            // What came before was no mail.
            self.mode = Mode::Command;
        }
        // What goes on after a status of RFC 2034 answers a command: no greeting has one.
        if !words.is_empty() && !words.starts_with(b"2.0.0 ") {
            cx.fact(Direction::ToClient, "software", words, "smtp", 60);
        }
        let name = words.split(|b| *b == b' ').next().unwrap_or(&[]);
        let like_name = name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        if like_name && name.contains(&b'.') && name.first().is_some_and(u8::is_ascii_alphanumeric) {
            cx.fact(Direction::ToClient, "fqdn", name, "smtp", 40);
        }
    }

    /// The server's answer to a mail's end.
    fn answered<O: Out>(&mut self, cx: &mut Cx<'_, O>, code: u16, words: &[u8]) {
        if let Some(mut t) = self.waiting.pop_front() {
            t.reply = Some((code, words[..words.len().min(REPLY_MAX)].to_vec()));
            let gone_on = self.tx.is_some() || !self.waiting.is_empty();
            self.told(cx, t, gone_on);
        }
    }

    fn end_auth<O: Out>(&mut self, cx: &mut Cx<'_, O>, outcome: &'static str) {
        let Some(auth) = self.auth.take() else { return };
        cx.login(&auth.login("smtp", outcome));
        if !auth.workstation.is_empty() {
            cx.fact(Direction::ToServer, "hostname", &auth.workstation, "smtp", 70);
        }
        if outcome == "success" {
            self.user = auth.user().unwrap_or(&[]).to_vec();
        }
    }

    /// A reply to what was not seen, or may be part of a log-in that was not: its code tells (RFC 4954 section 6).
    fn unseen<O: Out>(&mut self, cx: &mut Cx<'_, O>, code: u16, words: &[u8]) {
        match code {
            334 => {
                self.auth = Some(Exchange::asked(words));
                self.pending.push_front(Pending::Auth);
            }
            235 | 535 => {
                self.auth.get_or_insert_with(|| Exchange::asked(b""));
                self.end_auth(cx, if code == 235 { "success" } else { "failure" });
            }
            _ => {}
        }
    }

    fn tell_current<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if let Some(t) = self.tx.take() {
            self.told(cx, t, true);
        }
    }

    /// Tells a transaction that is over; its files as well where the client has already gone on.
    fn told<O: Out>(&mut self, cx: &mut Cx<'_, O>, mut t: Box<Transaction>, gone_on: bool) {
        self.tell_files(cx);
        self.tell(cx, &mut t);
        self.answered = Some(t);
        if gone_on {
            self.tell_files(cx);
        }
    }

    fn tell_files<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        let Some(mut t) = self.answered.take() else { return };
        let Some(mail) = &mut t.mail else { return };
        mail.tell_files(cx, t.complete, self.helo.as_deref(), t.from.as_deref(), &slices(&t.to));
    }

    fn tell<O: Out>(&mut self, cx: &mut Cx<'_, O>, t: &mut Transaction) {
        if let (Some(mail), false) = (&mut t.mail, t.complete) {
            mail.end(false, &cx.shared.settings.secret_parameters);
        }
        let to = slices(&t.to);
        let mail = t.mail.as_ref();
        let lists = mail.map(|m| (slices(&m.fields.to), slices(&m.fields.cc), slices(&m.attachments), m.urls()));
        let email = mail.zip(lists.as_ref()).map(|(m, (to, cc, attachment, url))| Email {
            status: m.status(t.complete),
            from: m.fields.from.as_deref(),
            to,
            cc,
            subject: m.fields.subject.as_deref(),
            date: m.fields.date.as_deref(),
            message_id: m.fields.message_id.as_deref(),
            reply_to: m.fields.reply_to.as_deref(),
            x_mailer: m.fields.x_mailer.as_deref(),
            user_agent: m.fields.user_agent.as_deref(),
            x_originating_ip: m.fields.x_originating_ip.as_deref(),
            attachment,
            url,
        });
        cx.push(
            t.id,
            &SmtpMail {
                helo: self.helo.as_deref(),
                mail_from: t.from.as_deref(),
                rcpt_to: &to,
                email,
                reply_code: t.reply.as_ref().map(|r| r.0),
                reply: t.reply.as_ref().map(|r| &r.1[..]),
                size: mail.map(|m| m.size),
                recipients: Some(t.recipients).filter(|n| *n as usize > to.len()),
                user: Some(&self.user[..]).filter(|u| !u.is_empty()),
            },
        );
        if let Some(mail) = &mut t.mail {
            for name in mail.oddities.names() {
                // As Suricata's: of the server's answer, with which the mail is told.
                cx.anomaly_from(Direction::ToClient, "smtp", name, t.id);
            }
            if let (Some(software), false) = (mail.fields.user_agent.as_ref().or(mail.fields.x_mailer.as_ref()), self.user.is_empty()) {
                // Who logs in hands over its own mail; a relay's says nothing of the relay.
                cx.fact(Direction::ToServer, "client_software", software, "smtp", 50);
            }
        }
    }
}

fn prefix(text: &[u8], command: &[u8]) -> bool {
    text.get(..command.len()).is_some_and(|t| t.eq_ignore_ascii_case(command))
}

/// What follows a command and one more byte (its colon or blank), up to the next blank.
fn parameter(text: &[u8], command: usize) -> &[u8] {
    let rest = text.get(command + 1..).unwrap_or(&[]);
    let begin = rest.iter().position(|b| *b != b' ').unwrap_or(rest.len());
    let rest = &rest[begin..];
    &rest[..rest.iter().position(|b| *b == b' ').unwrap_or(rest.len())]
}
