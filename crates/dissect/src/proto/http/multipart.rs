//! `multipart/form-data` bodies (RFC 7578, 2046 section 5.1), as they stream by.

use memchr::memmem::Finder;

/// Longest boundary taken.
const BOUNDARY_MAX: usize = 200;
/// Longest header line of a part; a longer one is left out.
const LINE_MAX: usize = 2048;

/// What a piece of a body says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A part begins; its field name, and its file name where it is a file.
    Open {
        /// Field name.
        name: &'a [u8],
        /// File name.
        filename: Option<&'a [u8]>,
    },
    /// Bytes of the part.
    Data(&'a [u8]),
    /// The part is over.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    /// Behind a delimiter: `--` ends the body.
    Delimiter,
    /// The rest of its line.
    DelimiterLine,
    Headers,
    Data,
    Epilogue,
}

/// A body in parts.
#[derive(Debug)]
pub(super) struct Multipart {
    /// `LF--boundary`.
    delimiter: Finder<'static>,
    state: State,
    held: Vec<u8>,
    /// The rest of a header line that is too long is being left out.
    dropping: bool,
    name: Vec<u8>,
    filename: Option<Vec<u8>>,
}

impl Multipart {
    /// Of a body with this `Content-Type`, where it has a boundary.
    pub(super) fn new(content_type: &[u8]) -> Option<Self> {
        if content_type.len() < 10 || !content_type[..10].eq_ignore_ascii_case(b"multipart/") {
            return None;
        }
        let boundary = parameter(content_type, b"boundary")?;
        if boundary.is_empty() || boundary.len() > BOUNDARY_MAX {
            return None;
        }
        let mut delimiter = b"\n--".to_vec();
        delimiter.extend_from_slice(&boundary);
        Some(Multipart {
            delimiter: Finder::new(&delimiter).into_owned(),
            state: State::Preamble,
            // The first delimiter needs no line before it.
            held: b"\r\n".to_vec(),
            dropping: false,
            name: Vec::new(),
            filename: None,
        })
    }

    /// The next bytes of the body.
    pub(super) fn data(&mut self, input: &[u8], on: &mut dyn FnMut(Event<'_>)) {
        let joined;
        let mut bytes = if self.held.is_empty() {
            input
        } else {
            self.held.extend_from_slice(input);
            joined = std::mem::take(&mut self.held);
            &joined
        };
        while !bytes.is_empty() {
            match self.state {
                State::Epilogue => return,
                State::Preamble | State::Data => match self.delimiter.find(bytes) {
                    Some(lf) => {
                        if self.state == State::Data {
                            let end = if lf > 0 && bytes[lf - 1] == b'\r' { lf - 1 } else { lf };
                            if end > 0 {
                                on(Event::Data(&bytes[..end]));
                            }
                            on(Event::Close);
                        }
                        bytes = &bytes[lf + self.delimiter.needle().len()..];
                        self.state = State::Delimiter;
                    }
                    None => {
                        let keep = self.tail(bytes);
                        let (give, hold) = bytes.split_at(bytes.len() - keep);
                        if self.state == State::Data && !give.is_empty() {
                            on(Event::Data(give));
                        }
                        self.held = hold.to_vec();
                        return;
                    }
                },
                State::Delimiter => {
                    if bytes.starts_with(b"--") {
                        self.state = State::Epilogue;
                        return;
                    }
                    if bytes == b"-" {
                        self.held = bytes.to_vec();
                        return;
                    }
                    self.state = State::DelimiterLine;
                }
                State::DelimiterLine => {
                    let Some(lf) = memchr::memchr(b'\n', bytes) else { return };
                    bytes = &bytes[lf + 1..];
                    self.state = State::Headers;
                    self.name.clear();
                    self.filename = None;
                }
                State::Headers => {
                    let Some(lf) = memchr::memchr(b'\n', bytes) else {
                        if bytes.len() > LINE_MAX || self.dropping {
                            self.dropping = true;
                        } else {
                            self.held = bytes.to_vec();
                        }
                        return;
                    };
                    let line = &bytes[..lf];
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if std::mem::take(&mut self.dropping) || line.len() > LINE_MAX {
                        // Left out.
                    } else if line.is_empty() {
                        on(Event::Open { name: &self.name, filename: self.filename.as_deref() });
                        self.state = State::Data;
                    } else {
                        self.header(line);
                    }
                    bytes = &bytes[lf + 1..];
                }
            }
        }
    }

    /// How many bytes at the end may be the beginning of a delimiter (with a CR before it).
    fn tail(&self, bytes: &[u8]) -> usize {
        let needle = self.delimiter.needle();
        let from = bytes.len().saturating_sub(needle.len() - 1);
        // A delimiter begins with its only LF (a boundary has none).
        let keep = match memchr::memrchr(b'\n', &bytes[from..]) {
            Some(lf) if needle.starts_with(&bytes[from + lf..]) => bytes.len() - from - lf,
            _ => 0,
        };
        if bytes.len() > keep && bytes[bytes.len() - keep - 1] == b'\r' { keep + 1 } else { keep }
    }

    fn header(&mut self, line: &[u8]) {
        const NAME: &[u8] = b"content-disposition:";
        if line.len() < NAME.len() || !line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            return;
        }
        self.name = parameter(line, b"name").unwrap_or_default();
        self.filename = filename(line);
    }
}

/// The file name of a `Content-Disposition`.
pub(super) fn filename(value: &[u8]) -> Option<Vec<u8>> {
    if let Some(extended) = parameter(value, b"filename*") {
        // RFC 8187: charset'language'value.
        let mut parts = extended.splitn(3, |b| *b == b'\'');
        if let (Some(_), Some(_), Some(text)) = (parts.next(), parts.next(), parts.next()) {
            let mut out = Vec::with_capacity(text.len());
            super::url::percent_decode(text, false, &mut out);
            return Some(out);
        }
    }
    parameter(value, b"filename")
}

/// The value of a parameter (`; name=value`, `; name="value"`) of a header, unquoted.
pub(super) fn parameter(value: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut rest = &value[memchr::memchr(b';', value)? + 1..];
    loop {
        let eq = rest.iter().position(|b| matches!(b, b'=' | b';'))?;
        let found = rest[..eq].trim_ascii().eq_ignore_ascii_case(name);
        if rest[eq] == b';' {
            rest = &rest[eq + 1..];
            continue;
        }
        rest = rest[eq + 1..].trim_ascii_start();
        let mut out = Vec::new();
        if let [b'"', quoted @ ..] = rest {
            let mut at = 0;
            while let Some(b) = quoted.get(at) {
                match b {
                    b'"' => break,
                    // Browsers do not escape; a backslash before anything else is a path's.
                    b'\\' if matches!(quoted.get(at + 1), Some(b'"' | b'\\')) => {
                        at += 1;
                        out.push(quoted[at]);
                    }
                    _ => out.push(*b),
                }
                at += 1;
            }
            rest = quoted.get(at + 1..).unwrap_or(&[]);
        } else {
            let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
            out.extend_from_slice(rest[..end].trim_ascii());
            rest = &rest[end..];
        }
        if found {
            return Some(out);
        }
        rest = &rest[memchr::memchr(b';', rest)? + 1..];
    }
}

impl crate::held::Held for Multipart {
    fn held(&self) -> usize {
        self.delimiter.needle().len() + self.held.held() + self.name.held() + self.filename.held()
    }
}
