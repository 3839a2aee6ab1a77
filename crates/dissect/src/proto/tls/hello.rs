//! ClientHello and ServerHello (RFC 8446 section 4.1, RFC 5246 section 7.4.1), and the fingerprints taken from them: JA3 and JA3S
//! (Salesforce, BSD-3-Clause) and JA4 of the client (FoxIO, BSD-3-Clause).

use crate::Cursor;
use md5::Md5;
use sha2::{Digest, Sha256};

/// Protocols of an ALPN list that are kept.
const ALPN_MAX: usize = 32;
/// Bytes kept of a server's name (a DNS name has at most 255).
const SNI_MAX: usize = 255;
/// Bytes kept of a JA3 string; a longer one keeps only its hash.
const JA3_MAX: usize = 8192;

const EXT_SNI: u16 = 0;
const EXT_GROUPS: u16 = 10;
const EXT_POINTS: u16 = 11;
const EXT_SIGNATURES: u16 = 13;
const EXT_ALPN: u16 = 16;
const EXT_TICKET: u16 = 35;
const EXT_EARLY_DATA: u16 = 42;
const EXT_VERSIONS: u16 = 43;

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 section 4.1.3).
pub(super) const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
    0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Values that clients send only to keep servers tolerant (RFC 8701).
pub(super) const fn is_grease(v: u16) -> bool {
    v & 0x0f0f == 0x0a0a && v >> 8 == v & 0xff
}

/// A JA3 or JA3S fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Ja3 {
    /// What is hashed; empty where it is longer than [`JA3_MAX`].
    pub(crate) string: String,
    /// Its MD5, hexadecimal.
    pub(crate) hash: String,
}

impl Ja3 {
    fn new(mut string: String) -> Self {
        let hash = hex(&Md5::digest(string.as_bytes()));
        if string.len() > JA3_MAX {
            string = String::new();
        }
        Ja3 { string, hash }
    }
}

/// What is kept of a ClientHello.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// The version of its body: the newest that it speaks, up to TLS 1.2; 0 in an SSLv2 hello.
    pub(crate) version: u16,
    pub(crate) session_id: Vec<u8>,
    /// Name asked for.
    pub(crate) sni: Vec<u8>,
    pub(crate) alpns: Vec<Vec<u8>>,
    /// Absent in an SSLv2 hello.
    pub(crate) ja3: Option<Ja3>,
    /// Absent in an SSLv2 hello.
    pub(crate) ja4: Option<String>,
    /// Whether there is a session ticket, or room for one.
    pub(crate) ticket: bool,
    /// Whether it announces early data.
    pub(crate) early_data: bool,
    /// What is wrong with it, by Suricata's names.
    pub(crate) malformed: Option<&'static str>,
}

/// What is kept of a ServerHello.
#[derive(Debug, Default)]
pub(crate) struct Server {
    /// The version chosen.
    pub(crate) version: u16,
    pub(crate) session_id: Vec<u8>,
    pub(crate) cipher: u16,
    pub(crate) alpns: Vec<Vec<u8>>,
    pub(crate) ja3s: Ja3,
    /// Whether it is a HelloRetryRequest.
    pub(crate) retry: bool,
}

/// Calls `each` with type and contents of every extension; says whether all were whole.
fn extensions<'a>(mut c: Cursor<'a>, mut each: impl FnMut(u16, &'a [u8])) -> bool {
    if c.is_empty() {
        return true;
    }
    let Some(len) = c.u16() else { return false };
    let whole = usize::from(len) <= c.left();
    let mut list = Cursor::new(&c.rest()[..c.left().min(usize::from(len))]);
    while !list.is_empty() {
        let (Some(kind), Some(contents)) = (list.u16(), list.block16()) else { return false };
        each(kind, contents);
    }
    whole
}

/// The two-byte numbers of a list, GREASE left out.
fn numbers(list: &[u8]) -> impl Iterator<Item = u16> {
    list.chunks_exact(2).map(|p| u16::from_be_bytes([p[0], p[1]])).filter(|v| !is_grease(*v))
}

fn alpn_list(contents: &[u8]) -> Vec<Vec<u8>> {
    let mut list = Cursor::new(Cursor::new(contents).block16().unwrap_or(&[]));
    std::iter::from_fn(|| list.block8()).take(ALPN_MAX).map(<[u8]>::to_vec).collect()
}

/// Appends numbers with dashes between them.
fn dashes(list: impl Iterator<Item = u16>, out: &mut String) {
    let mut number = itoa::Buffer::new();
    for (i, v) in list.enumerate() {
        if i > 0 {
            out.push('-');
        }
        out.push_str(number.format(v));
    }
}

/// Reads a ClientHello's body; `None` where not even its cipher suites are there. `quic` says what carries it, for JA4.
pub(crate) fn client(body: &[u8], quic: bool) -> Option<Client> {
    let mut c = Cursor::new(body);
    let version = c.u16()?;
    c.skip(32)?;
    let session_id = c.block8()?;
    let ciphers = c.block16()?;
    let mut hello = Client { version, session_id: session_id.to_vec(), ..Client::default() };
    let (mut kinds, mut groups, mut points, mut signatures, mut versions, mut named) =
        (Vec::new(), &[][..], &[][..], &[][..], &[][..], false);
    if c.block8().is_some() {
        let whole = extensions(c, |kind, contents| {
            if !is_grease(kind) {
                kinds.push(kind);
            }
            let list = || Cursor::new(contents).block16().unwrap_or(&[]);
            match kind {
                EXT_SNI if named => hello.malformed = Some("multiple_sni_extensions"),
                EXT_SNI => {
                    named = true;
                    hello.sni = server_name(contents).unwrap_or_default();
                }
                EXT_GROUPS => groups = list(),
                EXT_POINTS => points = Cursor::new(contents).block8().unwrap_or(&[]),
                EXT_SIGNATURES => signatures = list(),
                EXT_ALPN => hello.alpns = alpn_list(contents),
                EXT_VERSIONS => versions = Cursor::new(contents).block8().unwrap_or(&[]),
                EXT_TICKET => hello.ticket = true,
                EXT_EARLY_DATA => hello.early_data = true,
                _ => {}
            }
        });
        if !whole {
            hello.malformed = Some("handshake_invalid_length");
        }
    } else {
        hello.malformed = Some("handshake_invalid_length");
    }
    let mut ja3 = String::with_capacity(256);
    dashes([version].into_iter(), &mut ja3);
    ja3.push(',');
    dashes(numbers(ciphers), &mut ja3);
    ja3.push(',');
    dashes(kinds.iter().copied(), &mut ja3);
    ja3.push(',');
    dashes(numbers(groups), &mut ja3);
    ja3.push(',');
    dashes(points.iter().map(|p| u16::from(*p)), &mut ja3);
    hello.ja3 = Some(Ja3::new(ja3));
    let newest = numbers(versions).max().unwrap_or(version);
    hello.ja4 = Some(ja4(quic, newest, named, numbers(ciphers).collect(), kinds, signatures, hello.alpns.first().map_or(&[], |a| a)));
    Some(hello)
}

/// The host name of a server_name extension (RFC 6066 section 3).
fn server_name(contents: &[u8]) -> Option<Vec<u8>> {
    let mut list = Cursor::new(Cursor::new(contents).block16()?);
    let kind = list.u8()?;
    let name = list.block16()?;
    (kind == 0).then(|| name[..name.len().min(SNI_MAX)].to_vec())
}

/// JA4 of a client.
fn ja4(quic: bool, version: u16, named: bool, mut ciphers: Vec<u16>, mut kinds: Vec<u16>, signatures: &[u8], alpn: &[u8]) -> String {
    let version = match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    };
    let extensions = kinds.len();
    kinds.retain(|k| !matches!(*k, EXT_SNI | EXT_ALPN));
    ciphers.sort_unstable();
    kinds.sort_unstable();
    let mut last = words(kinds.iter().copied());
    if !signatures.is_empty() && !last.is_empty() {
        last.push('_');
        last += &words(numbers(signatures));
    }
    format!(
        "{}{version}{}{:02}{:02}{}_{}_{}",
        if quic { 'q' } else { 't' },
        if named { 'd' } else { 'i' },
        ciphers.len().min(99),
        extensions.min(99),
        alpn_mark(alpn),
        short_hash(&words(ciphers.iter().copied())),
        short_hash(&last),
    )
}

/// First and last character of a protocol's name. A name that begins outside ASCII is `99`, as the published fingerprints have it;
/// other names that begin or end with something else than a letter or digit give the outer digits of their hexadecimal form.
fn alpn_mark(alpn: &[u8]) -> String {
    match (alpn.first(), alpn.last()) {
        (Some(a), Some(z)) if a.is_ascii_alphanumeric() && z.is_ascii_alphanumeric() => [char::from(*a), char::from(*z)].iter().collect(),
        (Some(a), _) if !a.is_ascii() => "99".to_owned(),
        (Some(a), Some(z)) => {
            let (first, last) = (format!("{a:02x}"), format!("{z:02x}"));
            format!("{}{}", &first[..1], &last[1..])
        }
        _ => "00".to_owned(),
    }
}

/// Four hexadecimal digits each, commas between.
fn words(list: impl Iterator<Item = u16>) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(5 * list.size_hint().0);
    for v in list {
        if !text.is_empty() {
            text.push(',');
        }
        for shift in [12, 8, 4, 0] {
            text.push(char::from(HEX[usize::from(v >> shift & 15)]));
        }
    }
    text
}

/// Twelve digits of SHA-256; zeros for nothing.
fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    hex(&Sha256::digest(text.as_bytes())[..6])
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len() * 2);
    vigie_base::text::hex(bytes, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Reads a ServerHello's body.
pub(super) fn server(body: &[u8]) -> Option<Server> {
    let mut c = Cursor::new(body);
    let version = c.u16()?;
    let random = c.take(32)?;
    // Drafts of TLS 1.3 up to 21 leave out session id and compression.
    let draft = version == 0x0304 || version >> 8 == 0x7f;
    let session_id = if draft { &[] } else { c.block8()? };
    let cipher = c.u16()?;
    if !draft {
        c.u8()?;
    }
    let mut hello = Server { version, session_id: session_id.to_vec(), cipher, retry: random == RETRY, ..Server::default() };
    let mut kinds = Vec::new();
    extensions(c, |kind, contents| {
        kinds.push(kind);
        match kind {
            EXT_ALPN => hello.alpns = alpn_list(contents),
            EXT_VERSIONS => hello.version = Cursor::new(contents).u16().unwrap_or(version),
            _ => {}
        }
    });
    let mut ja3s = String::with_capacity(64);
    dashes([version].into_iter(), &mut ja3s);
    ja3s.push(',');
    dashes([cipher].into_iter(), &mut ja3s);
    ja3s.push(',');
    dashes(kinds.into_iter(), &mut ja3s);
    hello.ja3s = Ja3::new(ja3s);
    Some(hello)
}

/// Whether a version number is TLS 1.3 or a draft of it.
pub(super) const fn is_13(version: u16) -> bool {
    version == 0x0304 || version >> 8 == 0x7f || version >> 8 == 0x7e
}

/// How Suricata spells a version.
pub(crate) fn version_name(version: u16) -> String {
    match version {
        0 => "UNDETERMINED".to_owned(),
        0x0002 | 0x0200 => "SSLv2".to_owned(),
        0x0300 => "SSLv3".to_owned(),
        0x0301 => "TLSv1".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        0x7e02 => "TLS 1.3 draft-fb".to_owned(),
        0x7f01..=0x7f0f => "TLS 1.3 draft-<16".to_owned(),
        0x7f10..=0x7fff => format!("TLS 1.3 draft-{}", version & 0xff),
        _ => format!("0x{version:04x}"),
    }
}

crate::held::holds! {
    Client: { session_id, sni, alpns, ja3, ja4 }
    Server: { session_id, alpns, ja3s }
    Ja3: { string, hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grease_is_told() {
        assert!(is_grease(0x0a0a) && is_grease(0xfafa) && is_grease(0x2a2a));
        assert!(!is_grease(0x0a1a) && !is_grease(0x1301) && !is_grease(0x0a0b));
    }

    #[test]
    fn ja4_of_the_published_example() {
        // The example of FoxIO's technical note: a Chrome over TCP.
        let ciphers =
            [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035];
        let kinds = [
            0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
        ];
        let signatures = [4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1];
        let got = ja4(false, 0x0304, true, ciphers.to_vec(), kinds.to_vec(), &signatures, b"h2");
        assert_eq!(got, "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(ja4(true, 0x0304, false, vec![], vec![], &[], b""), "q13i000000_000000000000_000000000000");
    }

    #[test]
    fn alpn_marks() {
        assert_eq!(alpn_mark(b"http/1.1"), "h1");
        assert_eq!(alpn_mark(b"h"), "hh");
        assert_eq!(alpn_mark(b"\xba\xad"), "99");
        assert_eq!(alpn_mark(b"\x0a\x1b"), "0b");
        assert_eq!(alpn_mark(b""), "00");
    }
}
