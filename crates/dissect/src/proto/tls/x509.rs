//! What a session's event tells of an X.509 certificate (RFC 5280): names, serial number, validity, alternative names.
//!
//! A reader of its own and not a general one: an event needs a dozen fields, a hostile certificate must cost no more than its
//! length, and a name must read as Suricata writes it (`C=FR, O=Example, CN=www.example`). Signatures are not checked: a watcher
//! has no say in trust.

use sha1::{Digest, Sha1};
use std::net::Ipv6Addr;

/// Most bytes kept of a name as text.
const NAME_MAX: usize = 2048;
/// Most alternative names kept.
const ALTERNATIVES_MAX: usize = 256;
/// Most bytes of one alternative name.
const ALTERNATIVE_MAX: usize = 512;
/// Most bytes of a serial number that are told (RFC 5280 section 4.1.2.2 allows 20).
const SERIAL_MAX: usize = 64;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// What is kept of a certificate.
#[derive(Debug, Default)]
pub(super) struct Certificate {
    /// `C=.., O=.., CN=..`.
    pub(super) subject: Vec<u8>,
    /// The same, of who signed it.
    pub(super) issuer: Vec<u8>,
    /// `0A:BC:..`.
    pub(super) serial: String,
    /// SHA-1 of the whole, `0a:bc:..`.
    pub(super) fingerprint: String,
    pub(super) not_before: Moment,
    pub(super) not_after: Moment,
    /// DNS names, addresses, mail addresses and URIs that it is good for.
    pub(super) alternatives: Vec<Vec<u8>>,
    /// The last common name of its subject.
    pub(super) common_name: Vec<u8>,
    /// Whether subject and issuer are the same.
    pub(super) self_signed: bool,
}

/// A second of the civil calendar, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    year: u16,
    month: u8,
    day: u8,
    second: u32,
}

impl Moment {
    /// Seconds since 1970.
    pub(super) fn seconds(self) -> i64 {
        // Days from a calendar that begins in March, so that the leap day is the last of its year.
        let (y, m) = (i64::from(self.year) - i64::from(self.month <= 2), i64::from(self.month));
        let day_of_year = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(self.day) - 1;
        let days = 365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + day_of_year - 719_468;
        days * DAY + i64::from(self.second)
    }

    /// Whole days from `self` to `later`, 0 where there are none.
    pub(super) fn days_to(self, later: Moment) -> u32 {
        u32::try_from((later.seconds() - self.seconds()).max(0) / DAY).unwrap_or(u32::MAX)
    }

    /// `2019-01-01T00:00:00`.
    pub(super) fn text(self) -> String {
        let s = self.second;
        format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", self.year, self.month, self.day, s / 3600, s / 60 % 60, s % 60)
    }
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;

/// Reads DER elements one behind the other.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and its contents.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0usize, |n, b| n << 8 | usize::from(*b)), rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, contents))
    }

    /// The contents of the next element, which must have this tag; else nothing is read.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut c = *self;
        let (_, contents) = c.next().filter(|(t, _)| *t == tag)?;
        *self = c;
        Some(contents)
    }
}

/// From when until when a certificate (DER) is good, in seconds since 1970; `None` where it is none.
pub fn validity(der: &[u8]) -> Option<(i64, i64)> {
    certificate(der).map(|c| (c.not_before.seconds(), c.not_after.seconds()))
}

/// Reads a certificate; `None` where it is not one.
pub(super) fn certificate(der: &[u8]) -> Option<Certificate> {
    let mut tbs = Der(Der(Der(der).expect(SEQUENCE)?).expect(SEQUENCE)?);
    let _version = tbs.expect(0xa0);
    let serial = tbs.expect(0x02)?;
    let _algorithm = tbs.expect(SEQUENCE)?;
    let issuer = tbs.expect(SEQUENCE)?;
    let mut validity = Der(tbs.expect(SEQUENCE)?);
    let subject = tbs.expect(SEQUENCE)?;
    let _key = tbs.expect(SEQUENCE)?;
    let (not_before, not_after) = (moment(validity.next()?)?, moment(validity.next()?)?);
    let (issuer_text, _) = name(issuer)?;
    let (subject_text, common_name) = name(subject)?;
    let mut alternatives = Vec::new();
    while let Some((tag, contents)) = tbs.next() {
        if tag == 0xa3 {
            alternatives = alternative_names(contents).unwrap_or_default();
        }
    }
    Some(Certificate {
        subject: subject_text,
        issuer: issuer_text,
        serial: colons(&serial[..serial.len().min(SERIAL_MAX)], b"0123456789ABCDEF"),
        fingerprint: colons(&Sha1::digest(der), b"0123456789abcdef"),
        not_before,
        not_after,
        alternatives,
        common_name,
        self_signed: subject == issuer,
    })
}

fn colons(bytes: &[u8], digits: &[u8; 16]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (i, b) in bytes.iter().enumerate() {
        if i > 0 {
            text.push(':');
        }
        text.push(char::from(digits[usize::from(b >> 4)]));
        text.push(char::from(digits[usize::from(b & 15)]));
    }
    text
}

/// A UTCTime or GeneralizedTime (section 4.1.2.5).
fn moment((tag, text): (u8, &[u8])) -> Option<Moment> {
    let number =
        |at: usize, n: usize| text.get(at..at + n)?.iter().try_fold(0u16, |v, b| b.is_ascii_digit().then(|| v * 10 + u16::from(b - b'0')));
    let (year, at) = match tag {
        0x17 => (number(0, 2).map(|y| if y < 50 { 2000 + y } else { 1900 + y })?, 2),
        0x18 => (number(0, 4)?, 4),
        _ => return None,
    };
    let two = |i: usize| number(at + 2 * i, 2).map(|v| v as u8);
    let (month, day, hour, minute) = (two(0)?, two(1)?, two(2)?, two(3)?);
    // Seconds may be left out.
    let second = two(4).unwrap_or(0);
    let sane = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    sane.then_some(Moment { year, month, day, second: u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second) })
}

/// A name as text, and the last common name in it.
fn name(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut text, mut common) = (Vec::new(), Vec::new());
    let mut sets = Der(der);
    while !sets.0.is_empty() {
        let mut set = Der(sets.expect(SET)?);
        let mut first = true;
        while !set.0.is_empty() {
            let mut pair = Der(set.expect(SEQUENCE)?);
            let oid = pair.expect(OID)?;
            let (tag, value) = pair.next()?;
            if text.len() > NAME_MAX {
                return Some((text, common));
            }
            if !first {
                text.extend_from_slice(b" + ");
            } else if !text.is_empty() {
                text.extend_from_slice(b", ");
            }
            first = false;
            attribute(oid, &mut text);
            text.push(b'=');
            let from = text.len();
            string(tag, value, &mut text);
            text.truncate(text.len().min(from + NAME_MAX));
            if oid == b"\x55\x04\x03" {
                common = text[from..].to_vec();
            }
        }
    }
    Some((text, common))
}

/// Appends what an attribute is called.
fn attribute(oid: &[u8], out: &mut Vec<u8>) {
    let known = match oid {
        [0x55, 0x04, n] => match n {
            3 => "CN",
            4 => "surname",
            5 => "serialNumber",
            6 => "C",
            7 => "L",
            8 => "ST",
            9 => "streetAddress",
            10 => "O",
            11 => "OU",
            12 => "title",
            13 => "description",
            15 => "businessCategory",
            16 => "postalAddress",
            17 => "postalCode",
            41 => "name",
            42 => "givenName",
            43 => "initials",
            44 => "generationQualifier",
            45 => "uniqueIdentifier",
            _ => "",
        },
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01" => "Email",
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02" => "unstructuredName",
        b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01" => "uid",
        b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19" => "DC",
        b"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01" => "msJurisdictionLocality",
        b"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02" => "msJurisdictionStateOrProvince",
        b"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03" => "msJurisdictionCountry",
        _ => "",
    };
    if !known.is_empty() {
        return out.extend_from_slice(known.as_bytes());
    }
    out.extend_from_slice(b"OID(");
    let (mut arc, mut first) = (0u64, true);
    for b in oid.iter().take(64) {
        arc = arc << 7 & (u64::MAX >> 1) | u64::from(b & 0x7f);
        if b & 0x80 != 0 {
            continue;
        }
        if first {
            let top = (arc / 40).min(2);
            out.extend_from_slice(format!("{top}.{}", arc - top * 40).as_bytes());
        } else {
            out.extend_from_slice(format!(".{arc}").as_bytes());
        }
        (arc, first) = (0, false);
    }
    out.push(b')');
}

/// Appends an attribute's value: text as it is, BMPString as UTF-8, anything else as hexadecimal.
fn string(tag: u8, value: &[u8], out: &mut Vec<u8>) {
    match tag {
        0x0c | 0x12..=0x16 | 0x19..=0x1b | 0x07 => out.extend_from_slice(value),
        0x1e => {
            let units = value.chunks_exact(2).map(|p| u16::from_be_bytes([p[0], p[1]]));
            let mut utf8 = [0; 4];
            for c in char::decode_utf16(units) {
                out.extend_from_slice(c.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut utf8).as_bytes());
            }
        }
        _ => {
            for b in value.iter().take(NAME_MAX / 2) {
                out.extend_from_slice(format!("{b:02X}").as_bytes());
            }
        }
    }
}

/// The subject's alternative names (section 4.2.1.6), of all extensions.
fn alternative_names(contents: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut extensions = Der(Der(contents).expect(SEQUENCE)?);
    let mut names = Vec::new();
    while let Some(extension) = extensions.expect(SEQUENCE) {
        let mut e = Der(extension);
        if e.expect(OID)? != b"\x55\x1d\x11" {
            continue;
        }
        let _critical = e.expect(0x01);
        let mut list = Der(Der(e.expect(0x04)?).expect(SEQUENCE)?);
        while let Some((tag, value)) = list.next() {
            if names.len() >= ALTERNATIVES_MAX {
                return Some(names);
            }
            match tag {
                // Mail, DNS, URI.
                0x81 | 0x82 | 0x86 => names.push(value[..value.len().min(ALTERNATIVE_MAX)].to_vec()),
                0x87 => match (<[u8; 4]>::try_from(value), <[u8; 16]>::try_from(value)) {
                    (Ok([a, b, c, d]), _) => names.push(format!("{a}.{b}.{c}.{d}").into_bytes()),
                    (_, Ok(v6)) => names.push(Ipv6Addr::from(v6).to_string().into_bytes()),
                    _ => {}
                },
                _ => {}
            }
        }
    }
    Some(names)
}

crate::held::holds! { Certificate: { subject, issuer, serial, fingerprint, alternatives, common_name } }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_counts_and_reads() {
        let m = moment((0x17, b"150212180727Z")).unwrap();
        assert_eq!((m.text().as_str(), m.seconds()), ("2015-02-12T18:07:27", 1_423_764_447));
        let m = moment((0x18, b"19691231000000Z")).unwrap();
        assert_eq!((m.text().as_str(), m.seconds()), ("1969-12-31T00:00:00", -86_400));
        let leap = moment((0x17, b"000229120000Z")).unwrap();
        assert_eq!(leap.seconds(), 951_825_600);
        assert_eq!(leap.days_to(moment((0x17, b"000301120000Z")).unwrap()), 1);
        assert_eq!(moment((0x17, b"001329120000Z")), None);
        assert_eq!(moment((0x17, b"0001")), None);
    }

    #[test]
    fn a_name_reads_as_suricata_writes_it() {
        // C=FR; O=A, B; a set of two (CN=x + 1.3.6.1.4.1.99999.1=NULL); BMP text.
        let der = b"\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02FR\
            \x31\x0d\x30\x0b\x06\x03\x55\x04\x0a\x0c\x04A, B\
            \x31\x1a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x\x30\x0e\x06\x08\x2b\x06\x01\x04\x01\x86\x8d\x1f\x05\x02\x0a\xff\
            \x31\x0d\x30\x0b\x06\x03\x55\x04\x07\x1e\x04\x00\xe9\x00t";
        let (text, common) = name(der).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "C=FR, O=A, B, CN=x + OID(1.3.6.1.4.1.99999)=0AFF, L=ét");
        assert_eq!(common, b"x");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_harm(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = certificate(&bytes);
            let _ = name(&bytes);
            let _ = alternative_names(&bytes);
        }
    }
}
