//! URLs: what in them is secret, and their parts.

/// How deep a URL inside a parameter of a URL is looked into.
const NESTED_MAX: u8 = 3;

/// Whether a parameter of this name holds a password.
pub(crate) fn is_password(name: &[u8]) -> bool {
    let name = last_part(name);
    let has = |word: &[u8]| memchr::memmem::find(&lower(name), word).is_some();
    name.eq_ignore_ascii_case(b"pass")
        || name.eq_ignore_ascii_case(b"mdp")
        || name.eq_ignore_ascii_case(b"log_pass")
        || [&b"password"[..], b"passwd", b"passwort", b"passphrase", b"pwd", b"motdepasse", b"mot_de_passe", b"passw"].into_iter().any(has)
}

/// Whether the value of a parameter of this name stays out of the output.
pub(crate) fn is_secret(name: &[u8], secrets: &[String]) -> bool {
    let name = last_part(name);
    secrets.iter().any(|s| name.eq_ignore_ascii_case(s.as_bytes()))
        || name.len() >= 7
            && [&b"sessionid"[..], b"sessid"].iter().any(|s| name.len() >= s.len() && name[name.len() - s.len()..].eq_ignore_ascii_case(s))
        || name.len() >= 3 && is_password(name)
}

/// `user[password]` and `form.password` are passwords too: what stands last counts.
pub(super) fn last_part(name: &[u8]) -> &[u8] {
    let name = name.strip_suffix(b"[]").unwrap_or(name);
    let name = name.strip_suffix(b"]").unwrap_or(name);
    match name.iter().rposition(|b| matches!(b, b'[' | b'.' | b':' | b'$')) {
        Some(at) => &name[at + 1..],
        None => name,
    }
}

pub(super) fn lower(name: &[u8]) -> Vec<u8> {
    name.to_ascii_lowercase()
}

/// Writes `url` with its password and the values of its secret parameters as `<redacted:LENGTH>`.
pub(crate) fn redact(url: &[u8], secrets: &[String], out: &mut Vec<u8>) {
    redact_within(url, secrets, out, 0);
}

fn redact_within(url: &[u8], secrets: &[String], out: &mut Vec<u8>, depth: u8) {
    let mut rest = url;
    if let Some((before, userinfo, after)) = userinfo(url) {
        let colon = userinfo.iter().position(|b| *b == b':').unwrap_or(userinfo.len());
        out.extend_from_slice(before);
        out.extend_from_slice(&userinfo[..colon]);
        if let Some(password) = userinfo.get(colon + 1..) {
            out.push(b':');
            redacted(password.len(), out);
        }
        rest = after;
    }
    let separator = |b: &u8| matches!(b, b'?' | b'&' | b';' | b'#');
    let Some(first) = rest.iter().position(separator) else {
        out.extend_from_slice(rest);
        return;
    };
    out.extend_from_slice(&rest[..first]);
    rest = &rest[first..];
    while let [mark, tail @ ..] = rest {
        let end = tail.iter().position(separator).unwrap_or(tail.len());
        out.push(*mark);
        parameter(&tail[..end], secrets, out, depth);
        rest = &tail[end..];
    }
}

fn parameter(text: &[u8], secrets: &[String], out: &mut Vec<u8>, depth: u8) {
    let Some(eq) = text.iter().position(|b| *b == b'=') else { return out.extend_from_slice(text) };
    let (name, value) = (&text[..eq], &text[eq + 1..]);
    out.extend_from_slice(&text[..=eq]);
    let secret = if name.contains(&b'%') {
        let mut plain = Vec::with_capacity(name.len());
        percent_decode(name, false, &mut plain);
        is_secret(&plain, secrets)
    } else {
        is_secret(name, secrets)
    };
    if !value.is_empty() && (secret || hides_secret(value, secrets, depth)) {
        redacted(value.len(), out);
    } else {
        out.extend_from_slice(value);
    }
}

/// Whether a parameter's value is itself a URL or a query with a secret in it, encoded or not.
fn hides_secret(value: &[u8], secrets: &[String], depth: u8) -> bool {
    let suspect = |mark: &[u8]| memchr::memmem::find(value, mark).is_some();
    if depth >= NESTED_MAX || !(suspect(b"%3") || suspect(b"%4") || suspect(b"%25") || suspect(b"://") || suspect(b"=")) {
        return false;
    }
    let mut plain = Vec::with_capacity(value.len());
    percent_decode(value, false, &mut plain);
    // As a query too: a value may be `password=x` without a URL before it.
    plain.insert(0, b'?');
    let mut out = Vec::with_capacity(plain.len());
    redact_within(&plain, secrets, &mut out, depth + 1);
    if out != plain {
        return true;
    }
    out.clear();
    redact_within(&plain[1..], secrets, &mut out, depth + 1);
    out != plain[1..]
}

fn redacted(len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<redacted:");
    out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
    out.push(b'>');
}

/// What stands before the user information of a URL's authority, that, and what follows it (from `@` on).
fn userinfo(url: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    memchr::memchr(b'@', url)?;
    let start = authority(url)?;
    let end = url[start..].iter().position(|b| matches!(b, b'/' | b'?' | b'#')).map_or(url.len(), |n| start + n);
    let at = start + memchr::memrchr(b'@', &url[start..end])?;
    Some((&url[..start], &url[start..at], &url[at..]))
}

/// Where the authority of a URL begins: after `//`, or at its beginning in `host:port` (CONNECT).
fn authority(url: &[u8]) -> Option<usize> {
    if url.starts_with(b"//") {
        return Some(2);
    }
    if url.starts_with(b"/") {
        return None;
    }
    let head = url.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(url.len());
    match url[..head].strip_suffix(b":") {
        Some(_) if url[head..].starts_with(b"//") => Some(head + 2),
        _ => Some(0),
    }
}

/// Host and port of an absolute URL or of an authority; `None` for a path (also one that begins with `//`).
pub(super) fn host_port(url: &[u8]) -> Option<(&[u8], Option<u16>)> {
    if url.starts_with(b"/") {
        return None;
    }
    let start = authority(url)?;
    if start == 0 && !url.contains(&b':') {
        return None;
    }
    let end = url[start..].iter().position(|b| matches!(b, b'/' | b'?' | b'#')).map_or(url.len(), |n| start + n);
    Some(split_port(&url[start..end]))
}

/// Host and port of an authority; user information is left out.
pub(super) fn split_port(authority: &[u8]) -> (&[u8], Option<u16>) {
    let host = memchr::memrchr(b'@', authority).map_or(authority, |at| &authority[at + 1..]);
    let colon = match memchr::memrchr(b']', host) {
        Some(close) => host[close..].iter().position(|b| *b == b':').map(|n| close + n),
        None => host.iter().position(|b| *b == b':'),
    };
    match colon {
        Some(at) => (&host[..at], std::str::from_utf8(&host[at + 1..]).ok().and_then(|p| p.trim().parse().ok())),
        None => (host, None),
    }
}

/// The path of a URL, without authority, query and fragment.
pub(super) fn path(url: &[u8]) -> &[u8] {
    let from = match authority(url) {
        Some(start) if start > 0 && !url.starts_with(b"/") => url[start..].iter().position(|b| *b == b'/').map_or(url.len(), |n| start + n),
        _ => 0,
    };
    let rest = &url[from..];
    &rest[..rest.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(rest.len())]
}

/// Appends `text` with `%XX` (and `+`, in forms) decoded; what is no escape stays.
pub(super) fn percent_decode(text: &[u8], plus: bool, out: &mut Vec<u8>) {
    let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).map(|d| d as u8);
    let mut at = 0;
    while let Some(b) = text.get(at) {
        match (b, hex(text.get(at + 1)), hex(text.get(at + 2))) {
            (b'%', Some(hi), Some(lo)) => {
                out.push(hi << 4 | lo);
                at += 2;
            }
            (b'+', ..) if plus => out.push(b' '),
            _ => out.push(*b),
        }
        at += 1;
    }
}
