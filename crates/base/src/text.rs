//! Foreign bytes made text, one way everywhere.
//!
//! Names in traffic are hostile: they may be no UTF-8, carry control characters that a terminal obeys, or script for
//! a browser. UTF-8 stays as it is; where it is not, every byte outside ASCII is written `\xNN`, as Suricata does. Control characters
//! are escaped by whoever shows the text: JSON by its own rules, a terminal by [`terminal`].

/// `bytes` as text: borrowed when it is UTF-8, otherwise with each byte outside ASCII as `\xNN`.
pub fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(s) => s.into(),
        Err(_) => {
            let mut out = String::with_capacity(bytes.len() + 16);
            for b in bytes {
                push_escaped(*b, &mut out);
            }
            out.into()
        }
    }
}

/// `text` for a terminal: control characters (C0, DEL, C1), bidirectional overrides and line separators as `\u{..}`.
pub fn terminal(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.chars().any(unsafe_in_terminal) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if unsafe_in_terminal(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out.into()
}

fn unsafe_in_terminal(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}

fn push_escaped(b: u8, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if b.is_ascii() {
        out.push(char::from(b));
    } else {
        out.push_str("\\x");
        out.push(char::from(HEX[usize::from(b >> 4)]));
        out.push(char::from(HEX[usize::from(b & 15)]));
    }
}

/// Bytes as lower-case hexadecimal into `out`.
pub fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for b in bytes {
        out.push(HEX[usize::from(b >> 4)]);
        out.push(HEX[usize::from(b & 15)]);
    }
}

/// The nearest of `known` to `word`, for "did you mean": at most a third of the letters apart.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().map(|k| (distance(word, k), k)).filter(|(d, k)| *d * 3 <= k.len().max(word.len())).min().map(|(_, k)| k)
}

/// Levenshtein distance over bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let next = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_bytes() {
        assert_eq!(lossy("é".as_bytes()), "é");
        assert_eq!(lossy(b"a\xff\n"), "a\\xff\n");
        assert_eq!(terminal("a\u{1b}[31m"), "a\\u{1b}[31m");
        assert_eq!(nearest("strem.midstream", ["stream.midstream", "vars"]), Some("stream.midstream"));
        assert_eq!(nearest("zzz", ["stream.midstream"]), None);
    }
}
