//! Telnet (RFC 854, 855): options, terminal type (RFC 1091), environment (RFC 1572), and who logs in.
//!
//! A server's words are prose: a log-in is told by its prompts. What the server's last line looks like when the client begins to
//! type says what is typed: a name, a password, or nothing of interest. What the server says after it, looked at when the client
//! types again or the flow ends, says how it went. Works line by line and key by key (the server echoes names, not passwords).
//! One event for each session, one `login` for each try. Passwords are counted, never kept, and nothing that is typed outside a
//! name prompt is told.

mod options;
mod record;
#[cfg(test)]
mod tests;

pub use record::TelnetSession;

use crate::held::{Held, holds};
use crate::record::Login;
use crate::{Cx, Info, Match, Next, Probe, Protocol, Step, Transport};
use options::{Item, Reader, variable};
use vigie_base::Direction;
use vigie_event::Out;

/// Longest line of the server kept, its end.
const LINE_MAX: usize = 256;
/// Lines of banner kept, and the longest.
const BANNER_LINES: usize = 6;
const BANNER_LINE_MAX: usize = 120;
/// What the server says after a try: the beginning kept.
const AFTER_MAX: usize = 1024;
/// Longest name kept.
const USER_MAX: usize = 128;
/// Bytes of a session that are looked at.
const SESSION_MAX: u64 = 256 << 10;
/// Longest identifier of an encryption key that is in order.
const KEY_ID_MAX: usize = 64;
/// Tries told one by one in a session.
const TRIES_MAX: u32 = 256;

/// A telnet session.
#[derive(Debug, Default)]
pub struct Telnet {
    readers: [Reader; 2],
    /// The server's line at hand.
    line: Vec<u8>,
    escape: Escape,
    banner: Vec<Vec<u8>>,
    prompted: bool,
    typing: Typing,
    typed: Vec<u8>,
    /// Bytes typed of a password.
    length: usize,
    /// A CR was typed: LF or NUL after it belong to it.
    after_cr: bool,
    /// The name typed last, until its try is over.
    name: Option<Vec<u8>>,
    attempt: Option<Attempt>,
    /// Words of the server since the last line typed.
    after: Vec<u8>,
    terminal: Vec<u8>,
    environment_user: Option<Vec<u8>>,
    seen: u64,
    tries: u32,
    last: Option<(Attempt, &'static str)>,
    logged_in: bool,
    encrypted: bool,
    begun: bool,
}

/// A try to log in.
#[derive(Debug)]
struct Attempt {
    user: Option<Vec<u8>>,
    /// Length of the password; `None` where none was asked for.
    password: Option<usize>,
}

/// What the client is typing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Typing {
    /// Nothing; the next key tells.
    #[default]
    Nothing,
    Name,
    Password,
    /// Something that is not told.
    Other,
}

/// Where in a terminal's escape sequence the server's text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    Text,
    /// After ESC.
    Begun,
    Sequence,
}

/// What a line of the server asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    Name,
    Password,
    Shell,
    No,
}

impl Protocol for Telnet {
    const INFO: Info = Info { name: "telnet", doc: "Telnet (RFC 854)", transports: &[Transport::Tcp], ports: &[23, 2323], buffer_max: 0 };

    fn probe(p: &Probe<'_>) -> Match {
        match p.bytes {
            // WILL, WONT, DO, DONT and one of the options in use.
            [255, 251..=254, option, ..] if *option < 60 || *option >= 200 => Match::Yes,
            [255, 250, _, ..] => Match::Yes,
            [255] | [255, 250..=254] => Match::Maybe,
            text if p.on(Self::INFO.ports) && text.iter().all(|b| matches!(b, 0x07..=0x0d | 0x1b | 0x20..) || *b == 0) => Match::Maybe,
            _ => Match::No,
        }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        self.begun = true;
        for (at, b) in bytes.iter().enumerate() {
            self.seen += 1;
            let i = dir.index();
            let mut reader = std::mem::take(&mut self.readers[i]);
            let next = match reader.byte(*b) {
                Item::Data(b) => {
                    match dir {
                        Direction::ToServer => self.key(cx, b),
                        Direction::ToClient => self.screen(b),
                    }
                    Next::Go
                }
                Item::Sub(sub) => self.option(cx, dir, sub),
                Item::Option | Item::Nothing => Next::Go,
            };
            self.readers[i] = reader;
            if next != Next::Go {
                return Step { used: at + 1, next };
            }
            if self.seen >= SESSION_MAX {
                return Step { used: bytes.len(), next: Next::Done };
            }
        }
        Step::go(bytes.len())
    }

    fn gap<O: Out>(&mut self, _: &mut Cx<'_, O>, dir: Direction, _: u64) -> Next {
        self.readers[dir.index()] = Reader::default();
        match dir {
            Direction::ToClient => self.line.clear(),
            Direction::ToServer => self.typing = Typing::Other,
        }
        Next::Go
    }

    fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        self.judge(cx, true);
        if !std::mem::take(&mut self.begun) {
            return;
        }
        let banner = self.banner.join(&b" | "[..]);
        let some = |v: &'_ [u8]| (!v.is_empty()).then(|| v.to_vec());
        let last = self.last.take();
        let (user, password, outcome) = match &last {
            Some((a, outcome)) => (a.user.as_deref(), a.password, Some(*outcome)),
            None => (None, None, None),
        };
        let password = password.map(|n| format!("<redacted:{n}>"));
        cx.push(
            0,
            &TelnetSession {
                banner: some(&banner).as_deref(),
                terminal_type: some(&self.terminal).as_deref(),
                user,
                environment_user: self.environment_user.as_deref(),
                password: password.as_deref().map(str::as_bytes),
                tries: self.tries,
                outcome,
                encrypted: self.encrypted,
            },
        );
        if !banner.is_empty() {
            cx.fact(Direction::ToClient, "software", &banner, "telnet", 40);
        }
    }

    fn transactions(&self) -> u32 {
        u32::from(self.begun)
    }

    fn held(&self) -> usize {
        Held::held(self)
    }
}

holds! {
    Telnet: { readers, line, banner, typed, name, attempt, after, terminal, environment_user, last }
    Attempt: { user }
}

impl Telnet {
    /// A byte that the server shows.
    fn screen(&mut self, b: u8) {
        match (self.escape, b) {
            (Escape::Text, 0x1b) => self.escape = Escape::Begun,
            (Escape::Begun, b'[') => self.escape = Escape::Sequence,
            (Escape::Begun, _) => self.escape = Escape::Text,
            (Escape::Sequence, 0x40..=0x7e) => self.escape = Escape::Text,
            (Escape::Sequence, _) => {}
            (Escape::Text, b'\n') => self.line_over(),
            (Escape::Text, 0x08) => {
                self.line.pop();
            }
            (Escape::Text, 0x20..) => {
                if self.line.len() >= LINE_MAX {
                    self.line.drain(..LINE_MAX / 2);
                }
                self.line.push(b);
                self.remember(b);
            }
            (Escape::Text, _) => {}
        }
    }

    fn remember(&mut self, b: u8) {
        if self.after.len() < AFTER_MAX {
            self.after.push(b.to_ascii_lowercase());
        }
    }

    fn line_over(&mut self) {
        self.remember(b'\n');
        let line = self.line.trim_ascii();
        let readable = std::str::from_utf8(line).is_ok_and(|l| !l.chars().any(char::is_control));
        if !self.prompted && !line.is_empty() && readable {
            if self.banner.len() >= BANNER_LINES {
                self.banner.remove(0);
            }
            self.banner.push(cut_text(line).to_vec());
        }
        self.line.clear();
    }

    /// A byte that the client types.
    fn key<O: Out>(&mut self, cx: &mut Cx<'_, O>, b: u8) {
        if std::mem::take(&mut self.after_cr) && matches!(b, b'\n' | 0) {
            return;
        }
        if self.typing == Typing::Nothing {
            self.typing = self.begins(cx);
        }
        match b {
            b'\r' | b'\n' => {
                self.after_cr = b == b'\r';
                self.entered();
            }
            0x08 | 0x7f => {
                self.typed.pop();
                self.length = self.length.saturating_sub(1);
            }
            // ^C and ^U take the line back.
            0x03 | 0x15 => {
                self.typed.clear();
                self.length = 0;
            }
            0 => {}
            b => {
                self.length = self.length.saturating_add(1);
                if self.typing == Typing::Name && self.typed.len() < USER_MAX {
                    self.typed.push(b);
                }
            }
        }
    }

    /// The client begins to type: what the server asks for now, and how the last try went.
    fn begins<O: Out>(&mut self, cx: &mut Cx<'_, O>) -> Typing {
        if self.line.trim_ascii().is_empty() && self.after.iter().all(u8::is_ascii_whitespace) {
            // Typed ahead: after a name comes a password, else it cannot be told.
            return if self.name.is_some() && self.attempt.is_none() { Typing::Password } else { Typing::Other };
        }
        let prompt = prompt(&self.line);
        if prompt != Prompt::Password
            && self.attempt.is_none()
            && let Some(user) = self.name.take()
        {
            // A name was enough, or was refused at once.
            self.attempt = Some(Attempt { user: Some(user), password: None });
        }
        self.judge(cx, false);
        match prompt {
            Prompt::Name => {
                self.logged_in = false;
                self.prompted = true;
                Typing::Name
            }
            // Once in, a password is another's (su, enable): not told.
            Prompt::Password if !self.logged_in => {
                self.prompted = true;
                Typing::Password
            }
            _ => Typing::Other,
        }
    }

    /// The client ends its line.
    fn entered(&mut self) {
        match std::mem::take(&mut self.typing) {
            Typing::Name => {
                let typed = std::mem::take(&mut self.typed);
                let name = typed.trim_ascii();
                // An empty name only asks for the prompt again.
                self.name = (!name.is_empty()).then(|| name.to_vec());
                self.forget_screen();
            }
            Typing::Password => {
                let user = self.name.take().or_else(|| self.environment_user.clone());
                self.attempt = Some(Attempt { user, password: Some(self.length) });
                self.forget_screen();
            }
            Typing::Other if self.attempt.is_none() => self.forget_screen(),
            Typing::Other | Typing::Nothing => {}
        }
        self.typed.clear();
        self.length = 0;
    }

    fn forget_screen(&mut self) {
        self.line.clear();
        self.after.clear();
    }

    /// Looks at what the server said since the last try.
    fn judge<O: Out>(&mut self, cx: &mut Cx<'_, O>, over: bool) {
        let outcome = match &self.attempt {
            None => return,
            Some(_) => outcome(&self.line, &self.after),
        };
        let outcome = match outcome {
            Some(o) => o,
            None if over => "unknown",
            None => return,
        };
        let Some(a) = self.attempt.take() else { return };
        // A name that is followed by another prompt for a name was not tried with a password: no try.
        if a.password.is_none() && outcome != "success" {
            return;
        }
        self.logged_in = outcome == "success";
        self.tries = self.tries.saturating_add(1);
        if self.tries <= TRIES_MAX {
            let anonymous = a.password.is_none_or(|n| n == 0) || a.user.as_deref().is_some_and(|u| u == b"anonymous" || u == b"guest");
            let method = if a.password.is_some() { "password" } else { "none" };
            cx.login(&Login { protocol: "telnet", user: a.user.as_deref(), method, outcome, cleartext: true, anonymous, tries: 1 });
        }
        self.last = Some((a, outcome));
    }

    fn option<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, sub: &[u8]) -> Next {
        match (sub, dir) {
            // TERMINAL-TYPE IS.
            ([24, 0, name @ ..], Direction::ToServer) if self.terminal.is_empty() => {
                self.terminal = name[..name.len().min(64)].to_vec();
            }
            // NEW-ENVIRON IS or INFO; the old ENVIRON (36) has the same shape.
            ([36 | 39, 0 | 2, list @ ..], Direction::ToServer) => {
                if let Some(mut user) = variable(list, b"USER") {
                    if user.starts_with(b"-") {
                        // A server that hands it to login(1) unchecked logs in without a password.
                        cx.anomaly("telnet", "environment_user_is_an_option", 0);
                    }
                    user.truncate(USER_MAX);
                    self.environment_user = Some(user);
                }
            }
            // ENCRYPT START (RFC 2946): what follows in that direction is not readable.
            ([38, 3, ..], _) => {
                self.encrypted = true;
                return Next::Done;
            }
            // ENC_KEYID, DEC_KEYID: longer ones overran old servers (the keys of RFC 2946 have a few bytes).
            ([38, 7 | 8, key @ ..], _) if key.len() > KEY_ID_MAX => cx.anomaly("telnet", "encryption_key_id_too_long", 0),
            // START_TLS FOLLOWS, said by both; the client's hello is next.
            ([46, 1, ..], Direction::ToServer) => {
                self.encrypted = true;
                return Next::Anything;
            }
            _ => {}
        }
        Next::Go
    }
}

/// The beginning of a line of UTF-8, cut between characters.
fn cut_text(line: &[u8]) -> &[u8] {
    let mut end = line.len().min(BANNER_LINE_MAX);
    while end > 0 && line.get(end).is_some_and(|b| b & 0xc0 == 0x80) {
        end -= 1;
    }
    &line[..end]
}

/// What a line of the server asks for.
fn prompt(line: &[u8]) -> Prompt {
    let text = line.trim_ascii().to_ascii_lowercase();
    let has = |word: &[u8]| text.windows(word.len()).any(|w| w == word);
    let any = |words: &[&[u8]]| words.iter().any(|w| has(w));
    let Some(last) = text.last() else { return Prompt::No };
    let asks = *last == b':' || (*last == b'>' && text.len() > 8);
    if asks
        && any(&[
            b"password",
            b"passwd",
            b"passcode",
            b"passphrase",
            b"pass:",
            b"mot de passe",
            b"passwort",
            b"kennwort",
            b"contrase",
            b"senha",
        ])
    {
        return Prompt::Password;
    }
    if *last == b':'
        && any(&[
            b"login",
            b"log in",
            b"username",
            b"user",
            b"account",
            b"userid",
            b"benutzer",
            b"utilisateur",
            b"identifiant",
            b"usuario",
            b"logon",
        ])
    {
        // `Last login: ...` and the like end otherwise, or go on after the colon.
        return if has(b"last login") { Prompt::No } else { Prompt::Name };
    }
    if matches!(last, b'$' | b'#' | b'>' | b'%') { Prompt::Shell } else { Prompt::No }
}

/// How a try went, by the server's line at hand and its words (lower case) since.
fn outcome(line: &[u8], after: &[u8]) -> Option<&'static str> {
    const FAILED: &[&[u8]] = &[
        b"incorrect",
        b"fail",
        b"denied",
        b"invalid",
        b"bad password",
        b"bad passwords",
        b"wrong",
        b"not valid",
        b"unauthorized",
        b"not authorized",
        b"refused",
        b"unknown user",
        b"no such user",
        b"illegal",
        b"locked",
        b"too many",
        b"try again",
        b"ung\xc3\xbcltig",
        b"falsch",
    ];
    const WELCOME: &[&[u8]] = &[b"last login:", b"last login ", b"welcome", b"logged in", b"successful", b"busybox v", b"built-in shell"];
    let has = |words: &[&[u8]]| words.iter().any(|word| after.windows(word.len()).any(|w| w == *word));
    match prompt(line) {
        Prompt::Name | Prompt::Password => Some("failure"),
        Prompt::Shell => Some("success"),
        Prompt::No if has(&[b"last login:"]) => Some("success"),
        Prompt::No if has(FAILED) => Some("failure"),
        Prompt::No if has(WELCOME) => Some("success"),
        Prompt::No => None,
    }
}
