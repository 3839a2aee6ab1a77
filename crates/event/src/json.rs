//! JSON text, written straight into a byte buffer.

/// A JSON string of foreign bytes: UTF-8 stays; where it is not UTF-8, each byte outside ASCII becomes the text `\xNN` (as in
/// [`vigie_base::text::lossy`], and as Suricata writes it). Control characters are escaped as JSON does.
#[inline]
pub fn string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if bytes.iter().all(|b| PLAIN[usize::from(*b)]) {
        out.extend_from_slice(bytes);
    } else {
        escaped(bytes, out);
    }
    out.push(b'"');
}

/// Printable ASCII that JSON takes as it is.
static PLAIN: [bool; 256] = {
    let mut t = [false; 256];
    let mut i = 0x20;
    while i < 0x7f {
        t[i] = i != b'"' as usize && i != b'\\' as usize;
        i += 1;
    }
    t
};

#[cold]
fn escaped(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let text = std::str::from_utf8(bytes).is_ok();
    for b in bytes {
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x20..=0x7e => out.push(*b),
            0x80.. if text => out.push(*b),
            _ => {
                out.extend_from_slice(if b.is_ascii() { b"\\u00" } else { b"\\\\x" });
                out.push(HEX[usize::from(b >> 4)]);
                out.push(HEX[usize::from(b & 15)]);
            }
        }
    }
}

/// An unsigned number.
#[inline]
pub fn number(v: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings() {
        let text = |b: &[u8]| {
            let mut out = Vec::new();
            super::string(b, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(b"plain"), r#""plain""#);
        assert_eq!(text("é\n\u{1}".as_bytes()), "\"é\\n\\u0001\"");
        assert_eq!(text(b"a\xff\n\""), r#""a\\xff\n\"""#);
    }
}
