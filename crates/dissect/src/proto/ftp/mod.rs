//! FTP control connections (RFC 959, 2228 AUTH, 2428 EPRT and EPSV, 3659), and the data connections they announce ([`data`]).
//!
//! One event for each command with all its replies, as in Suricata; the greeting is one without a command. Assumed: lines end in
//! LF; replies come in the order of their commands. Passwords are never kept: their length is.

pub mod data;
#[cfg(test)]
mod tests;

use crate::cursor::line;
use crate::held::{Held, holds};
use crate::record::Login;
use crate::{Cx, Expect, Info, Match, Next, Probe, Proto, Protocol, Step, Transport};
use std::collections::VecDeque;
use vigie_base::{Direction, Ip};
use vigie_event::{Out, Record};

/// Commands waiting for their reply; more raise an anomaly and the oldest is told without one.
const PENDING_MAX: usize = 64;
/// Reply lines kept of one command.
const REPLIES_MAX: usize = 32;
/// Longest line kept; what follows is dropped and the event says so (Suricata's `ftp.memcap` neighbour: 4 KiB).
const LINE_MAX: usize = 4096;

/// An FTP command and its replies.
#[derive(Record)]
#[record(kind = "ftp", tx)]
pub struct FtpCommand<'a> {
    /// Command, upper case; absent in the greeting.
    #[field(keyword = "ftp.command")]
    pub command: Option<&'a [u8]>,
    /// Its argument; a password as `<redacted:LENGTH>`.
    #[field(class = "personal", keyword = "ftp.command_data")]
    pub command_data: Option<&'a [u8]>,
    /// Code of each reply line that has one.
    pub completion_code: &'a [&'a [u8]],
    /// Text of each reply line.
    pub reply: &'a [&'a [u8]],
    /// `yes` where a reply came.
    pub reply_received: &'a str,
    /// `active` or `passive`, for commands that announce a data connection.
    pub mode: Option<&'a str>,
    /// Port of the announced data connection.
    pub dynamic_port: Option<u16>,
    /// Whether the command line was cut.
    pub command_truncated: bool,
    /// Whether a reply line was cut.
    pub reply_truncated: bool,
}

/// An FTP control connection.
#[derive(Debug, Default)]
pub struct Ftp {
    pending: VecDeque<Command>,
    transactions: u32,
    user: Vec<u8>,
    /// Inside a reply of several lines: its code.
    multiline: Option<[u8; 3]>,
    encrypting: bool,
    greeted: bool,
    /// The first reply was no greeting: the session was open before it was seen.
    midstream: bool,
    /// A line longer than [`LINE_MAX`] is being dropped, by direction.
    dropping: [bool; 2],
}

#[derive(Debug, Default)]
struct Command {
    name: Vec<u8>,
    argument: Vec<u8>,
    secret: Option<usize>,
    replies: Vec<Vec<u8>>,
    codes: Vec<[u8; 3]>,
    port: Option<u16>,
    mode: Option<&'static str>,
    command_truncated: bool,
    reply_truncated: bool,
}

impl Protocol for Ftp {
    const INFO: Info = Info {
        name: "ftp",
        doc: "File Transfer Protocol, control connection (RFC 959)",
        transports: &[Transport::Tcp],
        ports: &[21],
        buffer_max: 2 * LINE_MAX,
    };

    fn probe(p: &Probe<'_>) -> Match {
        match p.dir {
            Direction::ToClient => {
                if p.bytes.len() < 4 && b"220".starts_with(&p.bytes[..p.bytes.len().min(3)]) {
                    return Match::Maybe;
                }
                if !p.bytes.starts_with(b"220") || !matches!(p.bytes[3], b' ' | b'-') {
                    // Of a session that was open before it was seen, the commands tell more.
                    let ours = p.on(Self::INFO.ports) && is_reply(p.bytes);
                    return match (ours, p.other.is_empty() || p.bytes.len() < 4) {
                        // The last thing that a server says to whom it refuses: no command follows.
                        (true, true) if p.bytes.iter().zip(b"530 ").all(|(byte, of)| byte == of) => Match::Maybe,
                        (true, true) => Match::Other,
                        (true, false) => Match::Yes,
                        (false, _) => Match::No,
                    };
                }
                // SMTP greets with 220 too; many servers say what they are.
                let Some((text, _)) = line(p.bytes) else { return Match::Maybe };
                let upper = text.to_ascii_uppercase();
                let says = |word: &[u8]| upper.windows(word.len()).any(|w| w == word);
                if says(b"SMTP") || says(b"LMTP") {
                    Match::No
                } else if says(b"FTP") || (p.on(Self::INFO.ports) && !says(b"MAIL")) {
                    Match::Yes
                } else if says(b"MAIL") {
                    Match::No
                } else {
                    Match::Maybe
                }
            }
            Direction::ToServer => {
                let Some((text, _)) = line(p.bytes) else {
                    return if may_be_command(p.bytes) { Match::Maybe } else { Match::No };
                };
                let word = text.split(|b| *b == b' ').next().unwrap_or(&[]).to_ascii_uppercase();
                let greeted = p.other.starts_with(b"220") || (p.on(Self::INFO.ports) && is_reply(p.other));
                match &word[..] {
                    b"USER" | b"PASS" if greeted => Match::Yes,
                    b"PASS" if p.on(Self::INFO.ports) && p.other.is_empty() => Match::Maybe,
                    // POP3 begins with USER as well.
                    b"USER" if p.other.is_empty() => Match::Maybe,
                    b"AUTH" | b"FEAT" | b"SYST" | b"CLNT" | b"HOST" | b"OPTS" | b"PBSZ" if greeted => Match::Yes,
                    b"FEAT" | b"SYST" | b"PASV" | b"EPSV" | b"RETR" | b"STOR" => Match::Maybe,
                    _ => Match::No,
                }
            }
        }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let Some((text, used)) = line(bytes) else {
            if bytes.len() >= LINE_MAX && !self.dropping[dir.index()] {
                self.dropping[dir.index()] = true;
                self.line(cx, dir, &bytes[..LINE_MAX], true);
            }
            return if self.dropping[dir.index()] { Step::go(bytes.len()) } else { Step::go(0) };
        };
        if std::mem::take(&mut self.dropping[dir.index()]) {
            return Step::go(used);
        }
        let cut = text.len() > LINE_MAX;
        let next = self.line(cx, dir, &text[..text.len().min(LINE_MAX)], cut);
        Step { used, next }
    }

    fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        while let Some(c) = self.pending.pop_front() {
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
    Ftp: { pending, user }
    Command: { name, argument, replies, codes }
}

impl Ftp {
    fn line<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, text: &[u8], cut: bool) -> Next {
        match dir {
            Direction::ToServer => self.command(cx, text, cut),
            Direction::ToClient => return self.reply(cx, text, cut),
        }
        Next::Go
    }

    fn command<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8], cut: bool) {
        let (name, argument) = match text.iter().position(|b| *b == b' ') {
            Some(at) => (&text[..at], text[at + 1..].trim_ascii_start()),
            None => (text, &[][..]),
        };
        if name.is_empty() || name.len() > 16 || !name.iter().all(u8::is_ascii_graphic) {
            cx.anomaly("ftp", "request_command_invalid", self.transactions);
            return;
        }
        let mut c = Command { name: name.to_ascii_uppercase(), command_truncated: cut, ..Command::default() };
        match &c.name[..] {
            b"PASS" if self.is_guest() && names_a_guest(argument) => c.argument = argument.to_vec(),
            b"PASS" | b"ACCT" | b"ADAT" => c.secret = Some(argument.len()),
            _ => c.argument = argument.to_vec(),
        }
        match &c.name[..] {
            b"USER" => self.user = argument.to_vec(),
            b"PORT" => self.announce(cx, &mut c, "active", address_port(argument)),
            b"EPRT" => self.announce(cx, &mut c, "active", extended(argument)),
            b"RETR" | b"STOR" | b"APPE" | b"STOU" | b"LIST" | b"NLST" | b"MLSD" => cx.shared.complete(cx.env.flow_id, &c.name, argument),
            _ => {}
        }
        if self.pending.len() >= PENDING_MAX {
            cx.anomaly("ftp", "too_many_transactions", self.transactions);
            if let Some(oldest) = self.pending.pop_front() {
                self.tell(cx, &oldest);
            }
        }
        self.pending.push_back(c);
    }

    fn reply<O: Out>(&mut self, cx: &mut Cx<'_, O>, text: &[u8], cut: bool) -> Next {
        let code = text.get(..3).filter(|c| c.iter().all(u8::is_ascii_digit)).and_then(|c| <[u8; 3]>::try_from(c).ok());
        let mark = text.get(3).copied();
        if !self.greeted {
            self.midstream = !matches!(&code, Some([b'1' | b'2', b'2', b'0'] | [b'4', b'2', b'1']));
        }
        if !self.greeted && self.pending.is_empty() {
            self.pending.push_back(Command::default());
            if code == Some(*b"530") {
                // No server greets so: it answers a password that was given before.
                cx.login(&Login {
                    protocol: "ftp",
                    user: None,
                    method: "password",
                    outcome: "failure",
                    cleartext: true,
                    anonymous: false,
                    tries: 1,
                });
            }
        }
        self.greeted = true;
        let Some(c) = self.pending.front_mut() else {
            // A reply to nothing: told alone.
            let mut alone = Command { reply_truncated: cut, ..Command::default() };
            alone.take(code, text);
            self.tell(cx, &alone);
            return Next::Go;
        };
        c.reply_truncated |= cut;
        c.take(code, text);
        let last = match (self.multiline, code, mark) {
            (Some(open), Some(code), Some(b' ') | None) if open == code => {
                self.multiline = None;
                true
            }
            (Some(_), ..) => false,
            (None, Some(code), Some(b'-')) => {
                self.multiline = Some(code);
                false
            }
            (None, ..) => true,
        };
        let preliminary = code.is_none_or(|c| c[0] == b'1');
        if !last || preliminary {
            return Next::Go;
        }
        let Some(mut c) = self.pending.pop_front() else { return Next::Go };
        let code = code.unwrap_or_default();
        self.judge(cx, &mut c, &code, text);
        self.tell(cx, &c);
        if self.encrypting { Next::Anything } else { Next::Go }
    }

    /// What a final reply means for its command.
    fn judge<O: Out>(&mut self, cx: &mut Cx<'_, O>, c: &mut Command, code: &[u8; 3], text: &[u8]) {
        match (&c.name[..], code) {
            (b"", b"220") => {
                let banner = text.get(4..).unwrap_or(&[]).trim_ascii();
                if !banner.is_empty() {
                    cx.fact(Direction::ToClient, "software", banner, "ftp", 60);
                }
            }
            (b"PASV", b"227") => {
                // The server's own address counts, not the one it writes (it may stand behind a translator).
                let port = address_port(text).map(|(_, port)| (cx.env.dst, port));
                self.announce(cx, c, "passive", port);
            }
            (b"EPSV", b"229") => {
                let port =
                    extended(text.iter().position(|b| *b == b'(').map_or(text, |at| &text[at + 1..])).map(|(_, port)| (cx.env.dst, port));
                self.announce(cx, c, "passive", port);
            }
            (b"AUTH", b"234" | b"334") => self.encrypting = true,
            (b"USER", b"230") => self.login(cx, "success", true),
            (b"USER", b"530" | b"421" | b"332") => self.login(cx, "failure", false),
            (b"PASS", [b'2', ..]) => self.login(cx, "success", c.secret == Some(0)),
            (b"PASS", [b'4' | b'5', ..]) => self.login(cx, "failure", c.secret == Some(0)),
            _ => {}
        }
    }

    /// Whether the account asked for is one of those that need no password.
    fn is_guest(&self) -> bool {
        [&b"anonymous"[..], b"ftp", b"guest"].iter().any(|name| self.user.eq_ignore_ascii_case(name))
    }

    fn login<O: Out>(&mut self, cx: &mut Cx<'_, O>, outcome: &str, no_password: bool) {
        let anonymous = no_password || (self.user.is_empty() && !self.midstream) || self.is_guest();
        let user = Some(&self.user[..]).filter(|u| !u.is_empty());
        cx.login(&Login { protocol: "ftp", user, method: "password", outcome, cleartext: true, anonymous, tries: 1 });
    }

    fn announce<O: Out>(&mut self, cx: &mut Cx<'_, O>, c: &mut Command, mode: &'static str, to: Option<(Ip, u16)>) {
        let Some((ip, port)) = to else { return };
        (c.mode, c.port) = (Some(mode), Some(port));
        // An active connection goes to the client; one to a third host (a bounce, RFC 2577) is not waited for.
        let ip = if mode == "active" { cx.env.src } else { ip };
        let since = cx.now();
        let parent = cx.env.flow_id;
        cx.shared.expect(Expect { ip, port, proto: Proto::FtpData, parent, command: Vec::new(), name: Vec::new(), since });
    }

    fn tell<O: Out>(&mut self, cx: &mut Cx<'_, O>, c: &Command) {
        let tx = self.transactions;
        self.transactions += 1;
        let redacted = c.secret.map(|n| format!("<redacted:{n}>").into_bytes());
        let argument = redacted.as_deref().unwrap_or(&c.argument);
        let codes: Vec<&[u8]> = c.codes.iter().map(|c| &c[..]).collect();
        let replies: Vec<&[u8]> = c.replies.iter().map(Vec::as_slice).collect();
        cx.push(
            tx,
            &FtpCommand {
                command: Some(&c.name[..]).filter(|n| !n.is_empty()),
                command_data: Some(argument).filter(|a| !a.is_empty()),
                completion_code: &codes,
                reply: &replies,
                reply_received: if replies.is_empty() { "no" } else { "yes" },
                mode: c.mode,
                dynamic_port: c.port,
                command_truncated: c.command_truncated,
                reply_truncated: c.reply_truncated,
            },
        );
    }
}

/// Whether bytes may be the beginning of a first command, the end of its line not being there.
fn may_be_command(bytes: &[u8]) -> bool {
    const FIRST: [&[u8]; 13] =
        [b"USER", b"PASS", b"AUTH", b"FEAT", b"SYST", b"CLNT", b"HOST", b"OPTS", b"PBSZ", b"PASV", b"EPSV", b"RETR", b"STOR"];
    let text = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let end = text.iter().position(|b| *b == b' ');
    let word = &text[..end.unwrap_or(text.len())];
    FIRST.iter().any(|c| c.len() >= word.len() && c[..word.len()].eq_ignore_ascii_case(word) && (end.is_none() || c.len() == word.len()))
}

/// Whether a server's bytes begin as a reply does (RFC 959 section 4.2), as far as they go.
fn is_reply(bytes: &[u8]) -> bool {
    const FORM: [&[u8]; 4] = [b"12345", b"012345", b"0123456789", b" -"];
    bytes.iter().zip(FORM).all(|(b, form)| form.contains(b))
}

/// Whether what a guest gave as a password is what guests are asked for (RFC 1635 section 3): `guest` or the like, or a mail address,
/// whose host browsers leave out. Anything else may be a password given by mistake.
fn names_a_guest(password: &[u8]) -> bool {
    if [&b"anonymous"[..], b"guest", b"ftp"].iter().any(|word| password.eq_ignore_ascii_case(word)) {
        return true;
    }
    let Some(at) = password.iter().position(|b| *b == b'@') else { return false };
    let (name, host) = (&password[..at], &password[at + 1..]);
    let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+');
    let host_named = host.is_empty() || host.split(|b| *b == b'.').filter(|label| !label.is_empty()).count() >= 2;
    !name.is_empty() && host_named && name.iter().chain(host).all(word)
}

impl Command {
    fn take(&mut self, code: Option<[u8; 3]>, text: &[u8]) {
        if self.replies.len() >= REPLIES_MAX {
            self.reply_truncated = true;
            return;
        }
        match code {
            Some(code) => {
                self.codes.push(code);
                self.replies.push(text.get(4..).unwrap_or(&[]).to_vec());
            }
            None => self.replies.push(text.to_vec()),
        }
    }
}

/// `h1,h2,h3,h4,p1,p2`, anywhere in `text` (RFC 959 section 4.1.2).
fn address_port(text: &[u8]) -> Option<(Ip, u16)> {
    let starts = (0..text.len()).filter(|i| text[*i].is_ascii_digit() && (*i == 0 || !text[i - 1].is_ascii_digit()));
    starts.filter_map(|at| six_numbers(&text[at..])).map(|n| (Ip::v4([n[0], n[1], n[2], n[3]]), u16::from_be_bytes([n[4], n[5]]))).next()
}

fn six_numbers(text: &[u8]) -> Option<[u8; 6]> {
    let mut n = [0u8; 6];
    let mut parts = text.split(|b| *b == b',');
    for (i, slot) in n.iter_mut().enumerate() {
        let part = parts.next()?;
        // What follows the last number (a bracket, a full stop) is not its business.
        let digits = if i < 5 { part.len() } else { part.iter().take_while(|b| b.is_ascii_digit()).count() };
        *slot = std::str::from_utf8(&part[..digits]).ok()?.trim().parse().ok()?;
    }
    Some(n)
}

/// `|family|address|port|` with any delimiter; EPSV leaves family and address empty (RFC 2428).
fn extended(text: &[u8]) -> Option<(Ip, u16)> {
    let (delimiter, rest) = text.split_first()?;
    let mut parts = rest.split(|b| b == delimiter);
    let (_family, address, port) = (parts.next()?, parts.next()?, parts.next()?);
    let ip = std::str::from_utf8(address).ok().and_then(|a| a.parse().ok()).unwrap_or_default();
    Some((ip, std::str::from_utf8(port).ok()?.parse().ok()?))
}
