//! Log-ins over HTTP: credentials in headers (RFC 7617, 7616, 6750, 4559) and in forms. A password is looked at for its length alone.

use super::multipart::parameter;
use super::url::{is_password, last_part, lower, percent_decode};
use vigie_base::hash::Stable;

/// Longest user name kept.
const USER_MAX: usize = 256;
/// Bytes of an answer that are searched for the signs of a refused log-in.
pub(super) const HINT_MAX: usize = 4096;
/// Bytes of a request body that are searched for a log-in form.
pub(super) const FORM_MAX: usize = 16 << 10;

/// What a request tries to log in with.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) method: &'static str,
    pub(super) user: Option<Vec<u8>>,
    pub(super) cleartext: bool,
    pub(super) anonymous: bool,
    /// Says whether two requests carry the same credentials. Stays in memory.
    pub(super) same: u64,
}

impl Attempt {
    /// Of an `Authorization` or `Proxy-Authorization` value; `None` where it is a step before the credentials. `Err` for a scheme
    /// that is not known.
    pub(super) fn from_header(value: &[u8]) -> Result<Option<Attempt>, ()> {
        let value = value.trim_ascii();
        let end = value.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(value.len());
        let (scheme, rest) = (&value[..end], value[end..].trim_ascii());
        let same = Stable::default().bytes(value).finish();
        let plain = |method, user: Option<Vec<u8>>| Attempt { method, user, cleartext: false, anonymous: false, same };
        match &lower(scheme)[..] {
            b"basic" => {
                let Some(mut pair) = base64(rest) else { return Ok(Some(Attempt { cleartext: true, ..plain("basic", None) })) };
                let colon = pair.iter().position(|b| *b == b':').unwrap_or(pair.len());
                let empty = pair.len() <= colon + 1;
                pair.truncate(colon.min(USER_MAX));
                let anonymous = empty || is_guest(&pair);
                Ok(Some(Attempt { cleartext: true, anonymous, ..plain("basic", Some(pair)) }))
            }
            b"digest" => {
                // Parameters begin at once: give the reader of parameters its separator.
                let mut text = b";".to_vec();
                text.extend(rest.iter().map(|b| if *b == b',' { b';' } else { *b }));
                let user = parameter(&text, b"username").map(short);
                let same = Stable::default().bytes(user.as_deref().unwrap_or(b"")).finish();
                Ok(Some(Attempt { same, ..plain("digest", user) }))
            }
            b"ntlm" | b"negotiate" => {
                let Some(token) = base64(rest) else { return Ok(None) };
                match ntlm(&token) {
                    Some(user) => {
                        let anonymous = user.is_empty();
                        let user = Some(user).filter(|u| !u.is_empty());
                        let same = Stable::default().bytes(user.as_deref().unwrap_or(b"")).finish();
                        Ok(Some(Attempt { anonymous, same, ..plain("ntlm", user) }))
                    }
                    None if memchr::memmem::find(&token, NTLMSSP).is_some() || scheme.len() == 4 => Ok(None),
                    None => Ok(Some(Attempt { same: 0, ..plain("negotiate", None) })),
                }
            }
            b"kerberos" => Ok(Some(Attempt { same: 0, ..plain("kerberos", None) })),
            b"bearer" => Ok(Some(plain("bearer", None))),
            _ => Err(()),
        }
    }
}

fn short(mut user: Vec<u8>) -> Vec<u8> {
    user.truncate(USER_MAX);
    user
}

fn is_guest(user: &[u8]) -> bool {
    user.is_empty() || [&b"anonymous"[..], b"guest", b"anon"].iter().any(|g| user.eq_ignore_ascii_case(g))
}

const NTLMSSP: &[u8] = b"NTLMSSP\0";

/// `DOMAIN\user` of an NTLM authenticate message (MS-NLMP section 2.2.1.3), wherever it lies in a token; `None` for another message.
fn ntlm(token: &[u8]) -> Option<Vec<u8>> {
    let message = &token[memchr::memmem::find(token, NTLMSSP)?..];
    let u32_at = |at: usize| message.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    if u32_at(8)? != 3 {
        return None;
    }
    let field = |at: usize| {
        let len = usize::from(u16::from_le_bytes(message.get(at..at + 2)?.try_into().ok()?));
        let offset = u32_at(at + 4)? as usize;
        message.get(offset..offset.checked_add(len)?)
    };
    let unicode = u32_at(60).is_none_or(|flags| flags & 1 != 0);
    let text = |bytes: &[u8]| -> Vec<u8> {
        if unicode {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
            String::from_utf16_lossy(&units).into_bytes()
        } else {
            bytes.to_vec()
        }
    };
    let (domain, user) = (text(field(28).unwrap_or(&[])), text(field(36)?));
    if domain.is_empty() || user.is_empty() {
        return Some(short(user));
    }
    Some(short([&domain[..], b"\\", &user].concat()))
}

/// Base64 (RFC 4648), padded or not; `None` where it is none.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let end = text.iter().rposition(|b| *b != b'=').map_or(0, |n| n + 1);
    let mut out = Vec::with_capacity(end * 3 / 4);
    let (mut bits, mut have) = (0u32, 0);
    for b in &text[..end] {
        let v = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(v);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
            bits &= (1 << have) - 1;
        }
    }
    (end > 0).then_some(out)
}

/// The fields of a form that make it a log-in.
#[derive(Default)]
pub(super) struct Form {
    user: Option<Vec<u8>>,
    passwords: u8,
    empty: bool,
    same: Stable,
}

impl Form {
    /// A field, decoded.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) {
        if is_password(name) {
            self.passwords = self.passwords.saturating_add(1);
            self.empty |= value.is_empty();
            self.same = self.same.bytes(value);
        } else if self.user.is_none() && is_user(name) && !value.is_empty() {
            self.same = self.same.bytes(value);
            self.user = Some(short(value.to_vec()));
        }
    }

    /// `a=b&c=d`, from a body or a query.
    pub(super) fn urlencoded(&mut self, text: &[u8]) {
        for pair in text.split(|b| *b == b'&') {
            let Some(eq) = pair.iter().position(|b| *b == b'=') else { continue };
            let (mut name, mut value) = (Vec::new(), Vec::new());
            percent_decode(&pair[..eq], true, &mut name);
            if is_password(&name) || is_user(&name) {
                percent_decode(&pair[eq + 1..], true, &mut value);
                self.field(&name, &value);
            }
        }
    }

    /// Members of JSON objects whose values are strings, at any depth.
    pub(super) fn json(&mut self, text: &[u8]) {
        let mut at = 0;
        let mut name: Option<&[u8]> = None;
        while let Some(start) = memchr::memchr(b'"', &text[at..]).map(|n| at + n + 1) {
            // Between a name and its value stand only a colon and space.
            let between = text[at..start - 1].trim_ascii();
            let Some(end) = string_end(&text[start..]).map(|n| start + n) else { return };
            let string = &text[start..end];
            at = end + 1;
            match name.take() {
                Some(name) if between == b":" => self.field(name, string),
                _ => name = Some(string),
            }
        }
    }

    /// Whether a password is among its fields.
    pub(super) fn has_password(&self) -> bool {
        self.passwords > 0
    }

    /// The attempt, if it is one: exactly one password (two change or set one).
    pub(super) fn attempt(self) -> Option<Attempt> {
        if self.passwords != 1 {
            return None;
        }
        let anonymous = self.empty || self.user.as_deref().is_some_and(is_guest);
        Some(Attempt { method: "form", user: self.user, cleartext: true, anonymous, same: self.same.finish() })
    }
}

fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text[at..].iter().position(|b| matches!(b, b'"' | b'\\'))?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
        if at > text.len() {
            return None;
        }
    }
}

fn is_user(name: &[u8]) -> bool {
    const NAMES: &[&str] = &[
        "user",
        "username",
        "user_name",
        "user-name",
        "userid",
        "user_id",
        "uid",
        "uname",
        "usr",
        "login",
        "loginname",
        "login_name",
        "loginid",
        "log",
        "email",
        "mail",
        "e-mail",
        "account",
        "accountname",
        "identifiant",
        "utilisateur",
        "nom_utilisateur",
        "j_username",
        "user_login",
        "login_username",
        "login_user",
        "pma_username",
        "nickname",
        "nick",
        "identifier",
        "name",
    ];
    let name = last_part(name);
    NAMES.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
}

/// What an answer says of a log-in.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// `Location`.
    pub(super) location: Option<&'a [u8]>,
    /// The URL that was asked for.
    pub(super) url: &'a [u8],
    /// A cookie was set.
    pub(super) cookie: bool,
    /// What the beginning of the body says, where it was read.
    pub(super) hint: Hint,
}

/// Signs in an answer's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    /// It says that the log-in was refused.
    pub(super) refused: bool,
    /// It asks for a password (again).
    pub(super) asks: bool,
    /// It hands out a token.
    pub(super) token: bool,
}

impl Hint {
    /// Of the first bytes of a body.
    pub(super) fn of(body: &[u8]) -> Hint {
        let text = lower(&body[..body.len().min(HINT_MAX)]);
        let says = |words: &[&str]| words.iter().any(|w| memchr::memmem::find(&text, w.as_bytes()).is_some());
        Hint {
            refused: says(&[
                "invalid",
                "incorrect",
                "failed",
                "failure",
                "wrong",
                "denied",
                "unauthorized",
                "bad credentials",
                "erron",
                "invalide",
                "refus",
                "echec",
                "échec",
            ]),
            asks: says(&["type=\"password\"", "type='password'", "type=password"]),
            token: says(&["\"token\"", "\"access_token\"", "\"accesstoken\"", "\"jwt\""]),
        }
    }
}

impl Answer<'_> {
    /// `success`, `failure` or `unknown`.
    pub(super) fn outcome(&self, form: bool) -> &'static str {
        match self.status {
            401 | 403 | 407 => "failure",
            200..=399 if !form => "success",
            _ if !form => "unknown",
            301..=303 | 307 | 308 => {
                let full = lower(self.location.unwrap_or(&[]));
                let (to, from) = (trim(&full), lower(trim(self.url)));
                let names = |text: &[u8], words: &[&str]| words.iter().any(|w| memchr::memmem::find(text, w.as_bytes()).is_some());
                if to == from && full.starts_with(b"https:") {
                    // Sent to the encrypted twin of the page: nothing was tried here.
                    return "unknown";
                }
                let again = full.is_empty()
                    || to == from
                    || names(to, &["login", "signin", "sign_in", "sign-in", "logon", "connexion"])
                    || names(&full, &["error", "fail", "invalid"]);
                if again { "failure" } else { "success" }
            }
            200 if self.hint.token && !self.hint.asks => "success",
            200 if self.hint.refused || self.hint.asks => "failure",
            200 | 204 if self.cookie => "success",
            _ => "unknown",
        }
    }
}

/// The path of a URL without its last slash, for comparison.
fn trim(url: &[u8]) -> &[u8] {
    let path = super::url::path(url);
    path.strip_suffix(b"/").unwrap_or(path)
}

crate::held::holds! {
    Attempt: { user }
    Form: { user }
}
