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

/// A range of the arena, where names and texts are put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    start: u32,
    end: u32,
}

impl Text {
    /// The bytes.
    pub fn of(self, arena: &[u8]) -> &[u8] {
        arena.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }
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
    /// Whether a section was cut or malformed.
    pub malformed: bool,
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
    pub rtype: u16,
    /// Class (mDNS: with its top bit).
    pub class: u16,
}

/// One resource record (a TXT with several strings gives one each).
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Name.
    pub name: Text,
    /// Type.
    pub rtype: u16,
    /// Class.
    pub class: u16,
    /// Time to live, seconds.
    pub ttl: u32,
    /// Its data.
    pub data: Data<'a>,
}

/// The data of a record.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// A or AAAA.
    Address(vigie_base::Ip),
    /// A name (CNAME, NS, PTR, MX without its preference, DNAME).
    Name(Text),
    /// A character string (TXT) or opaque bytes shown as text (NULL).
    Bytes(&'a [u8]),
    /// SOA (RFC 1035 section 3.3.13).
    Soa { mname: Text, rname: Text, serial: u32, refresh: u32, retry: u32, expire: u32, minimum: u32 },
    /// SRV (RFC 2782).
    Srv { priority: u16, weight: u16, port: u16, target: Text },
    /// SSHFP (RFC 4255).
    Sshfp { algo: u8, kind: u8, fingerprint: &'a [u8] },
    /// Something else.
    Other(&'a [u8]),
}

/// Parses a message; names go to `arena`. `None` where not even the header and the announced questions could be read.
pub fn parse<'a>(bytes: &'a [u8], arena: &mut Vec<u8>) -> Option<Message<'a>> {
    let mut c = Cursor::new(bytes);
    let mut m = Message { id: c.u16()?, flags: c.u16()?, ..Message::default() };
    let counts = [c.u16()?, c.u16()?, c.u16()?, c.u16()?];
    for _ in 0..counts[0] {
        let name = name(&mut c, bytes, arena)?;
        let (rtype, class) = (c.u16()?, c.u16()?);
        if m.queries.len() < RECORDS_MAX {
            m.queries.push(Question { name, rtype, class });
        }
    }
    for (i, count) in counts[1..].iter().enumerate() {
        let section = match i {
            0 => &mut m.answers,
            1 => &mut m.authorities,
            _ => &mut m.additionals,
        };
        for _ in 0..*count {
            if record(&mut c, bytes, arena, section).is_none() {
                m.malformed = true;
                return Some(m);
            }
        }
    }
    Some(m)
}

fn record<'a>(c: &mut Cursor<'a>, all: &'a [u8], arena: &mut Vec<u8>, out: &mut Vec<Record<'a>>) -> Option<()> {
    let name = name(c, all, arena)?;
    let (rtype, class, ttl) = (c.u16()?, c.u16()?, c.u32()?);
    let start = c.position() + 2;
    let data = c.block16()?;
    let mut push = |data| {
        if out.len() < RECORDS_MAX {
            out.push(Record { name, rtype, class, ttl, data });
        }
    };
    // Names inside the data may point anywhere before: they are read from the whole message.
    let mut inner = Cursor::new(&all[..start + data.len()]);
    inner.skip(start)?;
    match rtype {
        1 if data.len() == 4 => push(Data::Address(vigie_base::Ip::v4(data.try_into().ok()?))),
        28 if data.len() == 16 => push(Data::Address(vigie_base::Ip::v6(data.try_into().ok()?))),
        2 | 5 | 12 | 39 => push(Data::Name(self::name(&mut inner, all, arena)?)),
        15 => {
            inner.skip(2)?;
            push(Data::Name(self::name(&mut inner, all, arena)?));
        }
        16 => {
            let mut strings = Cursor::new(data);
            while !strings.is_empty() {
                push(Data::Bytes(strings.block8()?));
            }
        }
        10 => push(Data::Bytes(data)),
        6 => {
            let (mname, rname) = (self::name(&mut inner, all, arena)?, self::name(&mut inner, all, arena)?);
            push(Data::Soa {
                mname,
                rname,
                serial: inner.u32()?,
                refresh: inner.u32()?,
                retry: inner.u32()?,
                expire: inner.u32()?,
                minimum: inner.u32()?,
            });
        }
        33 => {
            let (priority, weight, port) = (inner.u16()?, inner.u16()?, inner.u16()?);
            push(Data::Srv { priority, weight, port, target: self::name(&mut inner, all, arena)? });
        }
        44 if data.len() > 2 => push(Data::Sshfp { algo: data[0], kind: data[1], fingerprint: &data[2..] }),
        _ => push(Data::Other(data)),
    }
    Some(())
}

/// Reads a name at the cursor as text with dots, following compression pointers (RFC 1035 section 4.1.4), which must go back.
pub fn name<'a>(c: &mut Cursor<'a>, all: &'a [u8], arena: &mut Vec<u8>) -> Option<Text> {
    let start = arena.len();
    let mut here = *c;
    let mut jumped = false;
    let mut lowest = c.position();
    for _ in 0..JUMPS_MAX + 128 {
        let at = here.position();
        let len = here.u8()?;
        match len {
            0 => {
                if !jumped {
                    *c = here;
                }
                return Some(Text { start: start as u32, end: arena.len() as u32 });
            }
            1..=63 => {
                let label = here.take(usize::from(len))?;
                if arena.len() - start + label.len() < NAME_MAX {
                    if arena.len() > start {
                        arena.push(b'.');
                    }
                    arena.extend_from_slice(label);
                }
            }
            0xc0.. => {
                let target = usize::from(u16::from_be_bytes([len & 0x3f, here.u8()?]));
                if !jumped {
                    *c = here;
                    jumped = true;
                    lowest = at;
                }
                if target >= lowest {
                    return None;
                }
                lowest = target;
                here = Cursor::new(all);
                here.skip(target)?;
            }
            // 01 and 10 are reserved (RFC 6891 section 5).
            _ => return None,
        }
    }
    None
}

/// Whether bytes have the form of a message: counts that fit, a first name that reads, sane flags. On the usual port a mere
/// header will do.
pub fn looks_like(bytes: &[u8], usual_port: bool) -> Match {
    let mut c = Cursor::new(bytes);
    let header = (|| Some([c.u16()?, c.u16()?, c.u16()?, c.u16()?, c.u16()?, c.u16()?]))();
    let Some([_, flags, qd, an, ns, ar]) = header else { return Match::No };
    let response = flags & 0x8000 != 0;
    let opcode = flags >> 11 & 15;
    let sane = matches!(opcode, 0 | 2 | 4 | 5)
        && qd <= 16
        && usize::from(an) * 11 <= bytes.len()
        && usize::from(ns) * 11 <= bytes.len()
        && usize::from(ar) * 11 <= bytes.len()
        && (qd > 0 || (response && u32::from(an) + u32::from(ns) + u32::from(ar) > 0) || usual_port);
    if usual_port {
        return if sane { Match::Yes } else { Match::Maybe };
    }
    // Elsewhere a name of letters, a known class and nothing left over must bear it out.
    if !sane || qd != 1 || (!response && an > 0) {
        return Match::No;
    }
    let mut arena = Vec::new();
    let Some(text) = name(&mut c, bytes, &mut arena) else { return Match::No };
    let readable = text.of(&arena).iter().all(|b| b.is_ascii_graphic());
    let (Some(rtype), Some(class)) = (c.u16(), c.u16()) else { return Match::No };
    if readable && !text.of(&arena).is_empty() && (1..=65).contains(&rtype) | matches!(rtype, 255 | 256 | 257) && matches!(class & 0x7fff, 1 | 3 | 255) {
        Match::Yes
    } else {
        Match::No
    }
}
