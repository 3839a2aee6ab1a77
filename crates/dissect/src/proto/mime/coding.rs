//! The codings of mail: base64 and quoted-printable (RFC 2045, streamed line by line), encoded words (RFC 2047) and parameters
//! of header fields (RFC 2045, continued and encoded ones by RFC 2231).

/// Most sections of one parameter (RFC 2231).
const SECTIONS_MAX: usize = 64;

/// A base64 decoder that goes on from line to line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Base64 {
    bits: u32,
    /// Digits held in `bits`: 0 to 3.
    held: u8,
}

impl Base64 {
    /// Decodes `text` onto `out`; says whether every byte was base64, padding or white space. Others are stepped over.
    pub(crate) fn decode(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let mut clean = true;
        let mut rest = text;
        out.reserve(text.len() / 4 * 3 + 3);
        loop {
            if self.held == 0 {
                rest = groups(rest, out);
            }
            let Some((b, behind)) = rest.split_first() else { return clean };
            rest = behind;
            let digit = match DIGIT[usize::from(*b)] {
                64 => {
                    // What is held before padding is the end of a group; a group that follows (joined texts) starts afresh.
                    self.flush(out);
                    continue;
                }
                65 => continue,
                66 => {
                    clean = false;
                    continue;
                }
                d => d,
            };
            self.bits = self.bits << 6 | u32::from(digit);
            self.held += 1;
            if self.held == 4 {
                out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                (self.bits, self.held) = (0, 0);
            }
        }
    }

    /// The end of the text: gives what an unfinished group holds.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) {
        match self.held {
            2 => out.push((self.bits >> 4) as u8),
            3 => out.extend_from_slice(&((self.bits >> 2) as u16).to_be_bytes()),
            _ => {}
        }
        (self.bits, self.held) = (0, 0);
    }
}

/// Decodes whole groups of four digits onto `out`, up to anything else; gives what is left.
#[inline]
fn groups<'a>(mut text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    while let Some((four, behind)) = text.split_first_chunk::<4>() {
        let [a, b, c, d] = four.map(|b| DIGIT[usize::from(b)]);
        // No digit's value has that bit, and everything else has.
        if (a | b | c | d) & 64 != 0 {
            break;
        }
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
        text = behind;
    }
    text
}

/// Value of a base64 digit; 64 for padding, 65 for white space, 66 for anything else.
static DIGIT: [u8; 256] = {
    let mut t = [66u8; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut i = 0;
    while i < 64 {
        t[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    t[b'=' as usize] = 64;
    t[b' ' as usize] = 65;
    t[b'\t' as usize] = 65;
    t[b'\r' as usize] = 65;
    t[b'\n' as usize] = 65;
    t
};

/// A whole base64 text; `None` where a byte is no base64.
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let (mut d, mut out) = (Base64::default(), Vec::with_capacity(text.len() * 3 / 4 + 3));
    let clean = d.decode(text, &mut out);
    d.flush(&mut out);
    clean.then_some(out)
}

/// One line of quoted-printable, without its end, onto `out`. Says whether a hard line break follows (no `=` at its end), and
/// whether it was well formed; what is not stays as it is.
pub(crate) fn quoted_printable(line: &[u8], out: &mut Vec<u8>) -> (bool, bool) {
    // White space at the end of an encoded line was added on the way (RFC 2045 6.7 rule 3).
    let trimmed = line.trim_ascii_end();
    let (line, hard) = match trimmed.strip_suffix(b"=") {
        Some(soft) => (soft, false),
        None => (trimmed, true),
    };
    let (mut at, mut clean) = (0, true);
    while let Some(b) = line.get(at) {
        if *b == b'=' {
            if let Some(v) = hex_pair(line.get(at + 1..at + 3)) {
                out.push(v);
                at += 3;
                continue;
            }
            clean = false;
        }
        out.push(*b);
        at += 1;
    }
    (hard, clean)
}

fn hex_pair(two: Option<&[u8]>) -> Option<u8> {
    let two = two?;
    let digit = |b: u8| char::from(b).to_digit(16);
    Some((digit(*two.first()?)? << 4 | digit(*two.get(1)?)?) as u8)
}

fn percent(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(b) = text.get(at) {
        match hex_pair(text.get(at + 1..at + 3)) {
            Some(v) if *b == b'%' => {
                out.push(v);
                at += 3;
            }
            _ => {
                out.push(*b);
                at += 1;
            }
        }
    }
}

/// Text of a named character set as UTF-8; `None` for sets that are not known here.
fn to_utf8(charset: &[u8], text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let charset = charset.to_ascii_lowercase();
    match &charset[..] {
        b"utf-8" | b"utf8" | b"us-ascii" | b"" => out.extend_from_slice(text),
        b"iso-8859-1" | b"iso-8859-15" | b"latin1" | b"windows-1252" | b"cp1252" => {
            for b in text {
                let c = match *b {
                    b'\x80' if charset[0] != b'i' => '€',
                    b'\xa4' if charset.ends_with(b"15") => '€',
                    b'\x91' | b'\x92' => '’',
                    b'\x93' | b'\x94' => '"',
                    b'\x96' => '–',
                    b'\x97' => '—',
                    b'\x85' => '…',
                    b => char::from(b),
                };
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        _ => return None,
    }
    Some(())
}

/// A header's value with its encoded words decoded to UTF-8 (RFC 2047); words of unknown sets stay as they are.
pub(crate) fn words(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    // White space between two encoded words is not part of the text (RFC 2047 6.2).
    let mut after_word = None;
    while let Some(at) = rest.windows(2).position(|w| w == b"=?") {
        out.extend_from_slice(&rest[..at]);
        let before = out.len();
        let between_blank = rest[..at].iter().all(u8::is_ascii_whitespace);
        match word(&rest[at..]) {
            Some((charset, text, used)) => {
                let mark = out.len();
                if to_utf8(charset, &text, &mut out).is_some() {
                    if let Some(end) = after_word.filter(|_| between_blank) {
                        out.drain(end..before);
                    }
                    after_word = Some(out.len());
                } else {
                    out.truncate(mark);
                    out.extend_from_slice(&rest[at..at + used]);
                    after_word = None;
                }
                rest = &rest[at + used..];
            }
            None => {
                out.extend_from_slice(b"=?");
                after_word = None;
                rest = &rest[at + 2..];
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

/// The encoded word at the beginning of `text`: character set, decoded bytes, length.
fn word(text: &[u8]) -> Option<(&[u8], Vec<u8>, usize)> {
    let body = text.get(2..)?;
    let q = body.iter().position(|b| *b == b'?')?;
    // A language may follow the set (RFC 2231 5).
    let charset = body[..q].split(|b| *b == b'*').next().unwrap_or(&[]);
    let coding = *body.get(q + 1)?;
    if body.get(q + 2) != Some(&b'?') {
        return None;
    }
    let encoded = body.get(q + 3..)?;
    let end = encoded.windows(2).position(|w| w == b"?=")?;
    let encoded_text = &encoded[..end];
    let decoded = match coding {
        b'B' | b'b' => base64(encoded_text)?,
        b'Q' | b'q' => {
            let spaced: Vec<u8> = encoded_text.iter().map(|b| if *b == b'_' { b' ' } else { *b }).collect();
            let mut out = Vec::with_capacity(spaced.len());
            // A `=` at the end is no soft break here.
            let mut at = 0;
            while let Some(b) = spaced.get(at) {
                match hex_pair(spaced.get(at + 1..at + 3)) {
                    Some(v) if *b == b'=' => {
                        out.push(v);
                        at += 3;
                    }
                    _ => {
                        out.push(*b);
                        at += 1;
                    }
                }
            }
            out
        }
        _ => return None,
    };
    Some((charset, decoded, 2 + q + 3 + end + 2))
}

/// The value of parameter `name` of a structured header field, its sections joined (RFC 2231) and its encoded words decoded.
pub(crate) fn parameter(value: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut plain: Option<Vec<u8>> = None;
    let mut sections: Vec<(u32, bool, Vec<u8>)> = Vec::new();
    let mut rest = &value[value.iter().position(|b| *b == b';')? + 1..];
    while !rest.is_empty() {
        let (key, text, left) = one_parameter(rest);
        rest = left;
        let Some(suffix) = key.get(..name.len()).filter(|k| k.eq_ignore_ascii_case(name)).map(|_| &key[name.len()..]) else { continue };
        match suffix {
            b"" => plain = plain.or(Some(text)),
            [b'*', number @ ..] if sections.len() < SECTIONS_MAX => {
                let (number, encoded) = number.strip_suffix(b"*").map_or((number, number.is_empty()), |n| (n, true));
                let at = if number.is_empty() { Some(0) } else { std::str::from_utf8(number).ok().and_then(|n| n.parse().ok()) };
                if let Some(at) = at {
                    sections.push((at, encoded, text));
                }
            }
            _ => {}
        }
    }
    if sections.is_empty() {
        return plain.map(|p| words(&p));
    }
    sections.sort_by_key(|(at, ..)| *at);
    let (mut charset, mut joined) = (Vec::new(), Vec::new());
    for (i, (_, encoded, text)) in sections.iter().enumerate() {
        let mut text = &text[..];
        if i == 0 && *encoded {
            let mut parts = text.splitn(3, |b| *b == b'\'');
            if let (Some(set), Some(_language), Some(left)) = (parts.next(), parts.next(), parts.next()) {
                charset = set.to_vec();
                text = left;
            }
        }
        if *encoded { percent(text, &mut joined) } else { joined.extend_from_slice(text) }
    }
    let mut out = Vec::with_capacity(joined.len());
    match to_utf8(&charset, &joined, &mut out) {
        Some(()) => Some(out),
        None => Some(joined),
    }
}

/// The first `key=value` of `text`, its value unquoted, and what is left after its semicolon.
fn one_parameter(text: &[u8]) -> (&[u8], Vec<u8>, &[u8]) {
    let end = text.iter().position(|b| matches!(b, b'=' | b';')).unwrap_or(text.len());
    let key = text[..end].trim_ascii();
    if text.get(end) != Some(&b'=') {
        return (key, Vec::new(), text.get(end + 1..).unwrap_or(&[]));
    }
    let after = text[end + 1..].trim_ascii_start();
    let Some(quoted) = after.strip_prefix(b"\"") else {
        let end = after.iter().position(|b| *b == b';').unwrap_or(after.len());
        return (key, after[..end].trim_ascii().to_vec(), after.get(end + 1..).unwrap_or(&[]));
    };
    let (mut value, mut at) = (Vec::new(), 0);
    while let Some(b) = quoted.get(at) {
        match (b, quoted.get(at + 1)) {
            (b'"', _) => break,
            // A lone backslash is one of a Windows path.
            (b'\\', Some(next @ (b'"' | b'\\'))) => {
                value.push(*next);
                at += 1;
            }
            _ => value.push(*b),
        }
        at += 1;
    }
    let rest = quoted.get(at + 1..).unwrap_or(&[]);
    (key, value, rest.iter().position(|b| *b == b';').map_or(&[][..], |semi| &rest[semi + 1..]))
}

/// A list of addresses cut at its commas, but not inside quotes; empty ones left out.
pub(crate) fn addresses(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let mut escaped = false;
        let end = rest.iter().position(|b| {
            let here = *b == b',' && !quoted;
            if *b == b'"' && !escaped {
                quoted = !quoted;
            }
            escaped = *b == b'\\' && !escaped;
            here
        });
        let end = end.unwrap_or(rest.len());
        let one = rest[..end].trim_ascii();
        rest = rest.get(end + 1..).unwrap_or(&[]);
        Some(one)
    })
    .filter(|a| !a.is_empty())
}
