//! Network Time Protocol (RFC 5905; versions 1 to 4), its control (RFC 9327) and private messages, and Microsoft's authenticated form
//! (MS-SNTP, where the key identifier is an account).
//!
//! Every message is one event, as in Suricata 8. On port 123 the first byte and the length are enough; elsewhere every field must be
//! sane.

#[cfg(test)]
mod tests;

use crate::told::Malformed;
use crate::{Cursor, Cx, Info, Match, Next, Probe, Protocol, Step, Transport};
use vigie_base::{Direction, Time};
use vigie_event::{Hex, NO_TX, Out, Record};

/// An NTP message.
#[derive(Record)]
#[record(kind = "ntp")]
pub struct NtpMessage<'a> {
    /// Version.
    #[field(keyword = "ntp.version")]
    pub version: u8,
    /// Mode: 1 symmetric active, 2 symmetric passive, 3 client, 4 server, 5 broadcast, 6 control, 7 private.
    #[field(keyword = "ntp.mode")]
    pub mode: u8,
    /// Stratum (modes 1 to 5).
    #[field(keyword = "ntp.stratum")]
    pub stratum: Option<u8>,
    /// Reference identifier (modes 1 to 5): for stratum 0 and 1 four letters, else an address or a hash.
    #[field(keyword = "ntp.reference_id")]
    pub reference_id: Option<u32>,
    /// The reference as text: a clock's or kiss code's letters, or an address.
    #[field(place = "vigie")]
    pub reference: Option<&'a [u8]>,
    /// Leap indicator: 3 says that the clock is not set.
    #[field(place = "vigie")]
    pub leap: u8,
    /// How far the sender's clock is from the capture's, milliseconds (servers and peers).
    #[field(place = "vigie")]
    pub offset_ms: Option<i64>,
    /// Identifier of the key that authenticates it; for MS-SNTP an account's relative identifier.
    #[field(place = "vigie")]
    pub key_id: Option<u32>,
    /// Its authenticator.
    #[field(place = "vigie")]
    pub mac: Option<Hex<'a>>,
    /// Operation of a control message, or request code of a private one (42: monlist).
    #[field(place = "vigie")]
    pub operation: Option<u8>,
    /// Bytes of the message.
    #[field(place = "vigie")]
    pub length: u32,
}

/// An NTP flow.
#[derive(Debug, Default)]
pub struct Ntp {
    transactions: u32,
    malformed: Malformed,
}

/// Bytes of a message without extensions (RFC 5905 section 7.3).
const HEADER_LEN: usize = 48;
/// Seconds from 1900 to 1970.
const EPOCH: i64 = 2_208_988_800;

impl Protocol for Ntp {
    const INFO: Info =
        Info { name: "ntp", doc: "Network Time Protocol (RFC 5905)", transports: &[Transport::Udp], ports: &[123], buffer_max: 0 };

    fn probe(p: &Probe<'_>) -> Match {
        let Some(first) = p.bytes.first() else { return Match::No };
        let (version, mode) = (first >> 3 & 7, first & 7);
        let long_enough = match mode {
            1..=5 => p.bytes.len() >= HEADER_LEN,
            6 => p.bytes.len() >= 12,
            7 => p.bytes.len() >= 8,
            _ => false,
        };
        if !long_enough || !(1..=4).contains(&version) {
            return Match::No;
        }
        if p.on(Self::INFO.ports) {
            return Match::Yes;
        }
        // Elsewhere only the plain exchange of today's clients and servers.
        let sane = matches!(mode, 3 | 4)
            && matches!(version, 3 | 4)
            && p.bytes.len() == HEADER_LEN
            && p.bytes[1] <= 16
            && p.bytes[2] <= 17
            && (p.bytes[3] == 0 || (0xe0..=0xff).contains(&p.bytes[3]))
            && (mode == 3 || (p.bytes[1] > 0 && p.bytes[24..32] != [0; 8] && p.bytes[32..40] != [0; 8]))
            && p.bytes[40..48] != [0; 8]
            && (mode == 4 || p.bytes[4..40].iter().all(|b| *b == 0));
        if sane { Match::Yes } else { Match::No }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let mut scratch = std::mem::take(&mut cx.shared.scratch);
        match message(bytes, cx.now(), &mut scratch) {
            Some(m) => {
                self.transactions += 1;
                self.malformed.over();
                cx.push_from(dir, NO_TX, &m);
            }
            None => {
                self.malformed.more(cx, "ntp", self.transactions);
            }
        }
        scratch.clear();
        cx.shared.scratch = scratch;
        Step { used: bytes.len(), next: Next::Go }
    }

    fn transactions(&self) -> u32 {
        self.transactions
    }
}

fn message<'a>(bytes: &'a [u8], now: Time, scratch: &'a mut Vec<u8>) -> Option<NtpMessage<'a>> {
    let mut c = Cursor::new(bytes);
    let first = c.u8()?;
    let mut m = NtpMessage {
        version: first >> 3 & 7,
        mode: first & 7,
        stratum: None,
        reference_id: None,
        reference: None,
        leap: first >> 6,
        offset_ms: None,
        key_id: None,
        mac: None,
        operation: None,
        length: bytes.len() as u32,
    };
    if m.version == 0 {
        return None;
    }
    match m.mode {
        6 => {
            m.leap = 0;
            m.operation = Some(c.u8()? & 0x1f);
            return Some(m);
        }
        7 => {
            m.leap = 0;
            c.skip(2)?;
            m.operation = Some(c.u8()?);
            return Some(m);
        }
        _ => {}
    }
    let stratum = c.u8()?;
    // Poll, precision, root delay, root dispersion.
    c.skip(10)?;
    let reference = c.take(4)?;
    // Reference, origin and receive timestamps.
    c.skip(24)?;
    let (seconds, fraction) = (c.u32()?, c.u32()?);
    m.stratum = Some(stratum);
    m.reference_id = Some(u32::from_be_bytes(reference.try_into().ok()?));
    if stratum <= 1 {
        let letters = reference.iter().take_while(|b| b.is_ascii_graphic()).count();
        if letters > 0 && reference[letters..].iter().all(|b| *b == 0) {
            scratch.extend_from_slice(&reference[..letters]);
        }
    } else if reference != [0; 4] {
        vigie_base::Ip::v4(reference.try_into().ok()?).write(scratch);
    }
    if !scratch.is_empty() {
        m.reference = Some(scratch);
    }
    if matches!(m.mode, 1 | 2 | 4 | 5) && m.leap != 3 && seconds != 0 {
        let sent_ms = (i64::from(seconds) - EPOCH) * 1000 + ((i64::from(fraction) * 1000) >> 32);
        m.offset_ms = Some(sent_ms - (now.0 / 1_000_000) as i64);
    }
    // What follows: extension fields, then a key identifier with an MD5 (16) or SHA-1 (20) authenticator, or MS-SNTP's (16, 64).
    match bytes.len() - HEADER_LEN {
        20 | 24 | 68 | 72 => {
            m.key_id = c.u32();
            m.mac = Some(Hex(c.rest()));
        }
        _ => {}
    }
    Some(m)
}
