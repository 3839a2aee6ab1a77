//! SASL exchanges (RFC 4422) as mail protocols carry them: base64 lines after an AUTH command. Reads who logs in and by which
//! mechanism; the lines themselves and the secrets in them are never kept.
//!
//! PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), DIGEST-MD5 (RFC 2831), SCRAM (RFC 5802), XOAUTH2 and OAUTHBEARER (RFC 7628),
//! NTLM (MS-NLMP).

use super::mime::base64;
use crate::record::Login;
use std::borrow::Cow;

/// Longest user name kept.
pub(crate) const USER_MAX: usize = 256;

/// An exchange on its way.
#[derive(Debug)]
pub(crate) struct Exchange {
    method: &'static str,
    user: Vec<u8>,
    /// The client's own name, where the mechanism tells it (NTLM).
    pub(crate) workstation: Vec<u8>,
    /// Client lines seen.
    pub(crate) lines: u32,
    empty_password: bool,
    anonymous: bool,
}

impl Exchange {
    /// The client names a mechanism, perhaps with its first response.
    pub(crate) fn begin(mechanism: &[u8], initial: Option<&[u8]>) -> Self {
        let upper = mechanism.to_ascii_uppercase();
        let method = match &upper[..] {
            b"PLAIN" => "plain",
            b"LOGIN" => "login",
            b"CRAM-MD5" => "cram-md5",
            b"DIGEST-MD5" => "digest-md5",
            b"XOAUTH2" => "xoauth2",
            b"OAUTHBEARER" => "oauthbearer",
            b"NTLM" => "ntlm",
            b"GSSAPI" => "gssapi",
            b"EXTERNAL" => "external",
            b"ANONYMOUS" => "anonymous",
            u if u.starts_with(b"SCRAM-") => "scram",
            _ => "other",
        };
        let mut e = Exchange {
            method,
            user: Vec::new(),
            workstation: Vec::new(),
            lines: 0,
            empty_password: false,
            anonymous: method == "anonymous",
        };
        if let Some(line) = initial {
            e.client(line);
        }
        e
    }

    /// The client's command was not seen, but what the server asked it was (base64): its mechanism is told by a question that only one asks.
    pub(crate) fn asked(challenge: &[u8]) -> Self {
        // `Username:`, `User Name`
        let asks_name = base64(challenge.trim_ascii()).is_some_and(|text| text.get(..4).is_some_and(|t| t.eq_ignore_ascii_case(b"user")));
        Self::begin(if asks_name { b"LOGIN" } else { b"" }, None)
    }

    /// A line of the client.
    pub(crate) fn client(&mut self, line: &[u8]) {
        let nth = self.lines;
        self.lines = self.lines.saturating_add(1);
        // `=` is an empty response, `*` gives up (RFC 4954 4).
        let line = line.trim_ascii();
        if line == b"*" {
            return;
        }
        let Some(text) = base64(if line == b"=" { b"" } else { line }) else { return };
        match self.method {
            "plain" if nth == 0 || self.user.is_empty() => {
                let mut parts = text.splitn(3, |b| *b == 0);
                if let (Some(authorize), Some(user), Some(password)) = (parts.next(), parts.next(), parts.next()) {
                    self.name(if user.is_empty() { authorize } else { user });
                    self.empty_password = password.is_empty();
                }
            }
            "login" if nth == 0 => self.name(&text),
            "login" if nth == 1 => self.empty_password = text.is_empty(),
            "cram-md5" => {
                if let Some(space) = text.iter().rposition(|b| *b == b' ') {
                    self.name(&text[..space]);
                }
            }
            "digest-md5" => {
                let key = b"username=\"";
                if let Some(at) = text.windows(key.len()).position(|w| w.eq_ignore_ascii_case(key)) {
                    self.name(text[at + key.len()..].split(|b| *b == b'"').next().unwrap_or(&[]));
                }
            }
            "scram" if nth == 0 => {
                if let Some(n) = text.split(|b| *b == b',').find_map(|p| p.strip_prefix(b"n=")) {
                    self.name(n);
                }
            }
            "xoauth2" if self.user.is_empty() => {
                if let Some(n) = text.split(|b| *b == 1).find_map(|p| p.strip_prefix(b"user=")) {
                    self.name(n);
                }
            }
            "oauthbearer" if self.user.is_empty() => {
                if let Some(n) = text.split(|b| matches!(b, 1 | b',')).find_map(|p| p.strip_prefix(b"a=")) {
                    self.name(n);
                }
            }
            "external" if nth == 0 => self.name(&text),
            "ntlm" => self.ntlm(&text),
            _ => {}
        }
    }

    fn name(&mut self, user: &[u8]) {
        self.user = user[..user.len().min(USER_MAX)].to_vec();
    }

    /// An NTLM AUTHENTICATE message (MS-NLMP 2.2.1.3): user, domain and the client's own name.
    fn ntlm(&mut self, m: &[u8]) {
        if !m.starts_with(b"NTLMSSP\0\x03\0\0\0") {
            return;
        }
        let wide = m.get(60).is_some_and(|flags| flags & 1 != 0);
        let text = |at: usize| -> Vec<u8> {
            let (Some(len), Some(offset)) = (m.get(at..at + 2), m.get(at + 4..at + 8)) else { return Vec::new() };
            let len = usize::from(u16::from_le_bytes([len[0], len[1]]));
            let offset = u32::from_le_bytes([offset[0], offset[1], offset[2], offset[3]]) as usize;
            let Some(bytes) = offset.checked_add(len).and_then(|end| m.get(offset..end)) else { return Vec::new() };
            if !wide {
                return bytes.to_vec();
            }
            let units = bytes.chunks_exact(2).map(|p| u16::from_le_bytes([p[0], p[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into_bytes()
        };
        let (domain, user) = (text(28), text(36));
        self.workstation = text(44);
        self.workstation.truncate(USER_MAX);
        self.anonymous = user.is_empty();
        let full = if domain.is_empty() { user } else { [&domain[..], b"\\", &user[..]].concat() };
        self.name(&full);
    }

    /// The user's name, where it was readable.
    pub(crate) fn user(&self) -> Option<&[u8]> {
        Some(&self.user[..]).filter(|u| !u.is_empty())
    }

    /// The log-in that it was.
    pub(crate) fn login(&self, protocol: &'static str, outcome: &'static str) -> Login<'_> {
        Login {
            protocol,
            user: self.user(),
            method: self.method,
            outcome,
            cleartext: matches!(self.method, "plain" | "login" | "xoauth2" | "oauthbearer"),
            anonymous: self.anonymous || self.empty_password,
            tries: 1,
        }
    }
}

/// Shortest line taken for one of an exchange by its form alone.
const LINE_LEAST: usize = 4;

/// Whether a line looks like one of an exchange whose command was not seen: base64 to its end, and no word in capitals.
pub(crate) fn is_line(line: &[u8]) -> bool {
    let digits = line.strip_suffix(b"==").or(line.strip_suffix(b"=")).unwrap_or(line);
    line.len() >= LINE_LEAST
        && line.len().is_multiple_of(4)
        && digits.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
        && !line.iter().all(u8::is_ascii_uppercase)
}

/// Whether bytes may be the beginning of one, its end not being there.
pub(crate) fn may_be_line(bytes: &[u8]) -> bool {
    let text = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

/// How a secret of `length` bytes is told.
pub(crate) fn redact(length: usize) -> Vec<u8> {
    format!("<redacted:{length}>").into_bytes()
}

/// A server's text without the secret that it repeats.
pub(crate) fn without<'a>(text: &'a [u8], secret: &[u8]) -> Cow<'a, [u8]> {
    if secret.is_empty() || secret.len() > text.len() {
        return text.into();
    }
    let found = |from: usize| text[from..].windows(secret.len()).position(|w| w.eq_ignore_ascii_case(secret)).map(|p| p + from);
    let Some(mut at) = found(0) else { return text.into() };
    let (mut out, mut from) = (Vec::with_capacity(text.len()), 0);
    loop {
        out.extend_from_slice(&text[from..at]);
        out.extend_from_slice(&redact(secret.len()));
        from = at + secret.len();
        match found(from) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.extend_from_slice(&text[from..]);
    out.into()
}

crate::held::holds! { Exchange: { user, workstation } }

#[cfg(test)]
mod tests {
    use super::*;

    fn user(mechanism: &[u8], lines: &[&[u8]]) -> (String, bool) {
        let mut e = Exchange::begin(mechanism, None);
        lines.iter().for_each(|l| e.client(l));
        let login = e.login("smtp", "unknown");
        (String::from_utf8_lossy(login.user.unwrap_or(b"")).into_owned(), login.cleartext)
    }

    #[test]
    fn who_logs_in() {
        assert_eq!(user(b"PLAIN", &[b"AGFkYQBzM2NyZXQ="]), ("ada".into(), true));
        assert_eq!(user(b"plain", &[b"YWRhAABzM2NyZXQ="]), ("ada".into(), true));
        assert_eq!(user(b"LOGIN", &[b"YWRh", b"czNjcmV0"]), ("ada".into(), true));
        assert_eq!(user(b"CRAM-MD5", &[b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"]), ("tim".into(), false));
        assert_eq!(user(b"XOAUTH2", &[b"dXNlcj1hZGFAZXhhbXBsZS5jb20BYXV0aD1CZWFyZXIgeHl6AQE="]), ("ada@example.com".into(), true));
        assert_eq!(user(b"SCRAM-SHA-256", &[b"biwsbj1hZGEscj1yT3ByTkdmd0ViZVJXZ2JORWtxTw==", b"Yz1iaXdz"]), ("ada".into(), false));
        assert_eq!(user(b"PLAIN", &[b"*"]), ("".into(), true));
        assert_eq!(user(b"PLAIN", &[b"not base64!"]), ("".into(), true));
    }

    #[test]
    fn a_repeated_secret_goes() {
        assert_eq!(&without(b"bad S3cret, s3cret", b"s3cret")[..], b"bad <redacted:6>, <redacted:6>");
        assert_eq!(&without(b"bad", b"")[..], b"bad");
    }

    #[test]
    fn an_empty_password_is_anonymous() {
        assert!(Exchange::begin(b"PLAIN", Some(b"AGFkYQA=")).login("smtp", "success").anonymous);
        assert!(!Exchange::begin(b"PLAIN", Some(b"AGFkYQBzM2NyZXQ=")).login("smtp", "success").anonymous);
    }

    #[test]
    fn ntlm_tells_the_machine() {
        let line = b"TlRMTVNTUAADAAAAGAAYAFgAAAAYABgAcAAAAA4ADgCIAAAACAAIAJYAAAAQABAAngAAABAAEACuAAAABQIAAgoAYUoAAAAPAAAAAAAAAAAAAAAAAAAAAExMTExMTExMTExMTExMTExMTExMTExMTE5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTlMATQBUAFAARABPAE0AagBhAGMAawBTAE0AVABQAEgATwBTAFQAS0tLS0tLS0tLS0tLS0tLSw==";
        let e = Exchange::begin(b"NTLM", Some(line));
        assert_eq!((e.user().unwrap(), &e.workstation[..]), (&b"SMTPDOM\\jack"[..], &b"SMTPHOST"[..]));
    }
}
