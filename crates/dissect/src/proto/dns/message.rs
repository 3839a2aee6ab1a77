//! The DNS message: a pure parse of untrusted bytes.

use crate::{Cursor, Match};

/// Bytes of the header (RFC 1035 section 4.1.1).
pub const HEADER_LEN: usize = 12;
/// Records kept of one section.
const RECORDS_MAX: usize = 256;
/// Longest name (RFC 1035 section 2.3.4) as text; what comes after is dropped and noted.
const NAME_MAX: usize = 1025;
/// Jumps of one name through compression pointers.
const JUMPS_MAX: usize = 64;

/// Labels of one name.
const LABELS_MAX: usize = 255;
/// Strings of one TXT record that are kept.
const STRINGS_MAX: usize = 64;

/// A range of the arena, where names and texts are put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    start: u32,
    end: u32,
    /// Whether it was longer than is kept.
    pub cut: bool,
}

impl Text {
    /// The bytes.
    pub fn of(self, arena: &[u8]) -> &[u8] {
        arena.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }
}

/// What is odd in a message that could still be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// A section was cut or malformed (questions and answers).
    pub malformed: bool,
    /// The authority section was.
    pub authorities: bool,
    /// The additional section was.
    pub additionals: bool,
    /// A name was longer than is kept.
    pub long_name: bool,
    /// A name pointed into itself; it ends there.
    pub looping: bool,
    /// A name had too many labels; it ends there.
    pub many_labels: bool,
}

/// A message.
#[derive(Debug, Default)]
pub struct Message<'a> {
    /// Identifier.
    pub id: u16,
    /// The flag word.
    pub flags: u16,
    /// Questions.
    pub queries: Vec<Question>,
    /// Answers.
    pub answers: Vec<Record<'a>>,
    /// Authorities.
    pub authorities: Vec<Record<'a>>,
    /// Additionals.
    pub additionals: Vec<Record<'a>>,
    /// What is odd.
    pub odd: Oddities,
}

impl Message<'_> {
    /// Whether it is a response.
    pub const fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }
    /// Operation code.
    pub const fn opcode(&self) -> u8 {
        (self.flags >> 11 & 15) as u8
    }
    /// Response code, without EDNS's high bits.
    pub const fn rcode(&self) -> u16 {
        self.flags & 15
    }
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Name.
    pub name: Text,
    /// Type.
    pub rtype: Type,
}

/// The type of a record or question.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    /// Its number.
    pub number: u16,
    /// The number as text, where the type has no name.
    text: Text,
}

impl Type {
    fn new(number: u16, arena: &mut Vec<u8>) -> Self {
        let text = match type_name(number) {
            Some(_) => Text::default(),
            None => put(arena, |out| out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes())),
        };
        Type { number, text }
    }

    /// Its name, or its number.
    pub fn name(self, arena: &[u8]) -> &[u8] {
        type_name(self.number).map_or_else(|| self.text.of(arena), str::as_bytes)
    }
}

/// One resource record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Name.
    pub name: Text,
    /// Type.
    pub rtype: Type,
    /// Time to live, seconds.
    pub ttl: u32,
    /// Its data.
    pub data: Data<'a>,
}

/// The data of a record.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// A or AAAA, and as EVE writes it.
    Address(vigie_base::Ip, Text),
    /// A name (CNAME, NS, PTR, MX without its preference, DNAME).
    Name(Text),
    /// TXT: see [`strings`].
    Strings(&'a [u8]),
    /// Opaque bytes shown as text (NULL).
    Bytes(&'a [u8]),
    /// SOA (RFC 1035 section 3.3.13).
    Soa { mname: Text, rname: Text, serial: u32, refresh: u32, retry: u32, expire: u32, minimum: u32 },
    /// SRV (RFC 2782).
    Srv { priority: u16, weight: u16, port: u16, target: Text },
    /// SSHFP (RFC 4255), the fingerprint as hexadecimal with colons.
    Sshfp { algo: u8, kind: u8, fingerprint: Text },
    /// OPT (RFC 6891): see [`options`].
    Opt(&'a [u8]),
    /// Something else.
    Other(&'a [u8]),
}

/// The character strings of a TXT record.
pub fn strings(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut c = Cursor::new(data);
    std::iter::from_fn(move || c.block8()).take(STRINGS_MAX)
}

/// The options of an OPT record: code and data.
pub fn options(data: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut c = Cursor::new(data);
    std::iter::from_fn(move || Some((c.u16()?, c.block16()?))).take(STRINGS_MAX)
}

/// Puts what `write` writes into the arena.
pub(crate) fn put(arena: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Text {
    let start = arena.len() as u32;
    write(arena);
    Text { start, end: arena.len() as u32, cut: false }
}

/// Parses a message; names go to `arena`. `None` where not even the header and the announced questions could be read.
pub fn parse<'a>(bytes: &'a [u8], arena: &mut Vec<u8>) -> Option<Message<'a>> {
    let mut c = Cursor::new(bytes);
    let mut m = Message { id: c.u16()?, flags: c.u16()?, ..Message::default() };
    let counts = [c.u16()?, c.u16()?, c.u16()?, c.u16()?];
    for _ in 0..counts[0] {
        let name = name(&mut c, bytes, arena, &mut m.odd)?;
        let (rtype, _class) = (c.u16()?, c.u16()?);
        if m.queries.len() < RECORDS_MAX {
            m.queries.push(Question { name, rtype: Type::new(rtype, arena) });
        }
    }
    for (i, count) in counts[1..].iter().enumerate() {
        let section = match i {
            0 => &mut m.answers,
            1 => &mut m.authorities,
            _ => &mut m.additionals,
        };
        section.reserve_exact(usize::from(*count).min(c.left() / RECORD_LEN_MIN).min(RECORDS_MAX));
        for _ in 0..*count {
            if record(&mut c, bytes, arena, section, &mut m.odd).is_none() {
                match i {
                    0 => m.odd.malformed = true,
                    1 => m.odd.authorities = true,
                    _ => m.odd.additionals = true,
                }
                return Some(m);
            }
        }
    }
    Some(m)
}

/// Bytes of the shortest record: root, type, class, TTL, length.
const RECORD_LEN_MIN: usize = 11;

fn record<'a>(c: &mut Cursor<'a>, all: &'a [u8], arena: &mut Vec<u8>, out: &mut Vec<Record<'a>>, odd: &mut Oddities) -> Option<()> {
    let before = arena.len();
    let name = name(c, all, arena, odd)?;
    let (rtype, _class, ttl) = (c.u16()?, c.u16()?, c.u32()?);
    let start = c.position() + 2;
    let data = c.block16()?;
    // Names inside the data may point anywhere before: they are read from the whole message.
    let mut inner = Cursor::new(&all[..start + data.len()]);
    inner.skip(start)?;
    let mut named = |inner: &mut Cursor<'a>, arena: &mut Vec<u8>| self::name(inner, all, arena, odd);
    let data = match rtype {
        1 | 28 if data.len() == 4 || data.len() == 16 => {
            let ip = match <[u8; 4]>::try_from(data) {
                Ok(b) => vigie_base::Ip::v4(b),
                Err(_) => vigie_base::Ip::v6(data.try_into().ok()?),
            };
            Data::Address(ip, put(arena, |out| ip.write_eve(out)))
        }
        2 | 5 | 12 | 39 => Data::Name(named(&mut inner, arena)?),
        15 => {
            inner.skip(2)?;
            Data::Name(named(&mut inner, arena)?)
        }
        16 => Data::Strings(data),
        10 => Data::Bytes(data),
        6 => {
            let (mname, rname) = (named(&mut inner, arena)?, named(&mut inner, arena)?);
            Data::Soa {
                mname,
                rname,
                serial: inner.u32()?,
                refresh: inner.u32()?,
                retry: inner.u32()?,
                expire: inner.u32()?,
                minimum: inner.u32()?,
            }
        }
        33 => {
            let (priority, weight, port) = (inner.u16()?, inner.u16()?, inner.u16()?);
            Data::Srv { priority, weight, port, target: named(&mut inner, arena)? }
        }
        41 => Data::Opt(data),
        44 if data.len() > 2 => Data::Sshfp { algo: data[0], kind: data[1], fingerprint: put(arena, |out| colons(&data[2..], out)) },
        _ => Data::Other(data),
    };
    if out.len() < RECORDS_MAX {
        out.push(Record { name, rtype: Type::new(rtype, arena), ttl, data });
    } else {
        arena.truncate(before);
    }
    Some(())
}

/// Bytes as hexadecimal with colons.
pub(crate) fn colons(bytes: &[u8], out: &mut Vec<u8>) {
    for (i, b) in bytes.iter().enumerate() {
        if i > 0 {
            out.push(b':');
        }
        vigie_base::text::hex(&[*b], out);
    }
}

/// The same as a value of its own.
pub(crate) fn put_colons(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 3);
    colons(bytes, &mut out);
    out
}

/// Reads a name at the cursor as text with dots, following compression pointers (RFC 1035 section 4.1.4), which must go back.
/// A name that points into itself, or has too many labels, ends there and is noted.
pub fn name<'a>(c: &mut Cursor<'a>, all: &'a [u8], arena: &mut Vec<u8>, odd: &mut Oddities) -> Option<Text> {
    let start = arena.len();
    let mut here = *c;
    let mut jumped = false;
    // Each jump must land before everything that this name has used: that alone ends any chain.
    let mut lowest = c.position();
    let mut highest = lowest;
    let mut cut = false;
    let done = |arena: &[u8], cut| Some(Text { start: start as u32, end: arena.len() as u32, cut });
    for _ in 0..LABELS_MAX + JUMPS_MAX {
        let at = here.position();
        let len = here.u8()?;
        match len {
            0 => {
                if !jumped {
                    *c = here;
                }
                return done(arena, cut);
            }
            1..=63 => {
                let label = here.take(usize::from(len))?;
                if arena.len() > start && arena.len() - start < NAME_MAX {
                    arena.push(b'.');
                }
                let room = NAME_MAX.saturating_sub(arena.len() - start);
                if room < label.len() {
                    cut = true;
                    odd.long_name = true;
                }
                arena.extend_from_slice(&label[..room.min(label.len())]);
            }
            0xc0.. => {
                let target = usize::from(u16::from_be_bytes([len & 0x3f, here.u8()?]));
                if !jumped {
                    *c = here;
                    jumped = true;
                    highest = at;
                }
                if target >= lowest {
                    odd.looping = true;
                    // Ahead of all that was read is no loop, but no name either.
                    return if target <= highest { done(arena, cut) } else { None };
                }
                lowest = target;
                here = Cursor::new(all);
                here.skip(target)?;
            }
            // 01 and 10 are reserved (RFC 6891 section 5).
            _ => return None,
        }
    }
    odd.many_labels = true;
    if !jumped {
        // Where the name ends is not known, so nothing after it can be read.
        return None;
    }
    done(arena, cut)
}

/// Whether bytes have the form of a message: counts that fit, a first name that reads, sane flags. On the usual port a mere
/// header will do.
pub fn looks_like(bytes: &[u8], usual_port: bool) -> Match {
    begins_like(bytes, bytes.len(), usual_port)
}

/// The same of the first bytes of a message of `len` bytes.
pub fn begins_like(bytes: &[u8], len: usize, usual_port: bool) -> Match {
    let mut c = Cursor::new(bytes);
    let header = (|| Some([c.u16()?, c.u16()?, c.u16()?, c.u16()?, c.u16()?, c.u16()?]))();
    let Some([_, flags, qd, an, ns, ar]) = header else { return Match::No };
    let response = flags & 0x8000 != 0;
    let opcode = flags >> 11 & 15;
    let fits = |count: u16, each: usize| usize::from(count) * each <= len;
    let sane = matches!(opcode, 0 | 2 | 4 | 5)
        && fits(qd, 5)
        && fits(an, RECORD_LEN_MIN)
        && fits(ns, RECORD_LEN_MIN)
        && fits(ar, RECORD_LEN_MIN)
        && (qd > 0 || (response && u32::from(an) + u32::from(ns) + u32::from(ar) > 0) || usual_port);
    if usual_port {
        return if sane { Match::Yes } else { Match::Maybe };
    }
    // Elsewhere a name of letters and a known class must bear it out.
    if !sane || qd == 0 || (response && qd != 1) || (!response && an > 0) {
        return Match::No;
    }
    let mut arena = Vec::new();
    let Some(text) = name(&mut c, bytes, &mut arena, &mut Oddities::default()) else { return Match::No };
    let text = text.of(&arena);
    let (Some(rtype), Some(class)) = (c.u16(), c.u16()) else { return Match::No };
    let readable = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    if readable && matches!(rtype, 1..=65 | 255..=257) && matches!(class & 0x7fff, 1 | 3 | 255) { Match::Yes } else { Match::No }
}

/// The name of a record type (IANA, DNS parameters), where it has one here.
pub fn type_name(rtype: u16) -> Option<&'static str> {
    Some(match rtype {
        1 => "A",
        2 => "NS",
        3 => "MD",
        4 => "MF",
        5 => "CNAME",
        6 => "SOA",
        7 => "MB",
        8 => "MG",
        9 => "MR",
        10 => "NULL",
        11 => "WKS",
        12 => "PTR",
        13 => "HINFO",
        14 => "MINFO",
        15 => "MX",
        16 => "TXT",
        17 => "RP",
        18 => "AFSDB",
        19 => "X25",
        20 => "ISDN",
        21 => "RT",
        22 => "NSAP",
        23 => "NSAPPTR",
        24 => "SIG",
        25 => "KEY",
        26 => "PX",
        27 => "GPOS",
        28 => "AAAA",
        29 => "LOC",
        30 => "NXT",
        33 => "SRV",
        34 => "ATMA",
        35 => "NAPTR",
        36 => "KX",
        37 => "CERT",
        38 => "A6",
        39 => "DNAME",
        41 => "OPT",
        42 => "APL",
        43 => "DS",
        44 => "SSHFP",
        45 => "IPSECKEY",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        49 => "DHCID",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        55 => "HIP",
        59 => "CDS",
        60 => "CDNSKEY",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        249 => "TKEY",
        250 => "TSIG",
        252 => "AXFR",
        253 => "MAILB",
        254 => "MAILA",
        255 => "ANY",
        256 => "URI",
        _ => return None,
    })
}
