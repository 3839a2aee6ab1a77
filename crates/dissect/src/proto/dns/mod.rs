//! DNS over UDP and TCP (RFC 1035, 3596, 2782, 4255; messages shared with mDNS RFC 6762 and LLMNR RFC 4795).
//!
//! Every message is one transaction and one event, as in Suricata 8 (`dns` version 3). Assumed: a TCP stream carries whole
//! messages with a two-byte length. A message that does not parse raises an anomaly and is told as far as it could be read.

pub(crate) mod message;
pub(crate) mod record;
#[cfg(test)]
mod tests;

pub use record::{DnsMessage, DnsMessageRow, EdnsOption, Grouped, Query, QueryRow, Resource, ResourceRow, Soa, Srv, Sshfp};

use crate::told::Malformed;
use crate::{Cx, Info, Match, Next, Probe, Protocol, Step, Transport};
use vigie_base::Direction;
use vigie_event::Out;

/// A DNS flow.
#[derive(Debug, Default)]
pub struct Dns {
    transactions: u32,
    malformed: Malformed,
    /// Directions of a stream in which bytes were missing: where the next message begins must be found again.
    lost: [bool; 2],
}

/// Where the first question of a message ends at the latest: header, longest name, type and class.
const QUESTION_END: usize = message::HEADER_LEN + 255 + 4;

fn header_is_sane(bytes: &[u8], len: usize) -> bool {
    message::begins_like(&bytes[..message::HEADER_LEN.min(bytes.len())], len, true) == Match::Yes && bytes.get(4..6) != Some(&[0, 0])
}

/// After a gap in a stream: the bytes before what looks like the next message, or how many bytes must be at hand to tell. Header and
/// first question are judged only when they are whole, so that where the stream is cut makes no difference.
fn next_message(bytes: &[u8]) -> Result<usize, usize> {
    for at in 0..bytes.len() {
        let here = &bytes[at..];
        let more = |need| if at == 0 { Err(need) } else { Ok(at) };
        let [hi, lo, rest @ ..] = here else { return more(2) };
        let len = usize::from(u16::from_be_bytes([*hi, *lo]));
        if len < message::HEADER_LEN {
            continue;
        }
        let Some(header) = rest.get(..message::HEADER_LEN) else { return more(2 + message::HEADER_LEN) };
        // Everybody asks one question; anything else would hold bytes back for what is none.
        if !header_is_sane(header, len) || header[4..6] != [0, 1] || (header[2] < 0x80 && header[6..8] != [0, 0]) {
            continue;
        }
        let asked = len.min(QUESTION_END);
        let Some(first) = rest.get(..asked) else { return more(2 + asked) };
        if message::begins_like(first, len, false) == Match::Yes {
            return Ok(at);
        }
    }
    Err(2)
}

/// A flow whose first messages do not parse is no DNS.
const MALFORMED_MAX: u8 = 8;

impl Protocol for Dns {
    const INFO: Info = Info {
        name: "dns",
        doc: "Domain Name System (RFC 1035) over UDP and TCP",
        transports: &[Transport::Udp, Transport::Tcp],
        ports: &[53],
        buffer_max: 65_537,
    };

    fn probe(p: &Probe<'_>) -> Match {
        let usual = p.on(Self::INFO.ports);
        match p.transport {
            // mDNS, LLMNR and NBNS share the form of messages and have their own ports and kinds of events.
            Transport::Udp if p.on(&[5353, 5355, 137]) => Match::No,
            Transport::Udp => message::looks_like(p.bytes, usual),
            _ => match p.bytes {
                [hi, lo, rest @ ..] => {
                    let len = usize::from(u16::from_be_bytes([*hi, *lo]));
                    if len < message::HEADER_LEN {
                        return Match::No;
                    }
                    if rest.len() < message::HEADER_LEN {
                        return Match::Maybe;
                    }
                    match message::begins_like(&rest[..rest.len().min(len)], len, usual) {
                        // The first question is not whole yet.
                        Match::No if rest.len() < len && (usual || (rest.len() < QUESTION_END && header_is_sane(rest, len))) => {
                            Match::Maybe
                        }
                        m => m,
                    }
                }
                _ => Match::Maybe,
            },
        }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        if cx.env.proto == 17 {
            return Step { used: bytes.len(), next: self.message(cx, dir, bytes) };
        }
        if self.lost[dir.index()] {
            match next_message(bytes) {
                Ok(0) => self.lost[dir.index()] = false,
                Ok(skip) => return Step::go(skip),
                Err(need) => return Step::need(need),
            }
        }
        let [hi, lo, rest @ ..] = bytes else { return Step::need(2) };
        let len = usize::from(u16::from_be_bytes([*hi, *lo]));
        let Some(message) = rest.get(..len) else { return Step::need(2 + len) };
        Step { used: 2 + len, next: self.message(cx, dir, message) }
    }

    fn gap<O: Out>(&mut self, _cx: &mut Cx<'_, O>, dir: Direction, _len: u64) -> Next {
        self.lost[dir.index()] = true;
        Next::Go
    }

    fn transactions(&self) -> u32 {
        self.transactions
    }
}

impl Dns {
    fn message<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Next {
        let mut arena = std::mem::take(&mut cx.shared.scratch);
        let parsed = message::parse(bytes, &mut arena);
        let next = match &parsed {
            None => {
                let malformed = self.malformed.more(cx, "dns", self.transactions);
                if malformed >= MALFORMED_MAX && self.transactions == 0 { Next::GiveUp("not_dns") } else { Next::Go }
            }
            Some(m) => {
                self.malformed.over();
                let tx = self.transactions;
                self.transactions += 1;
                record::push(m, &arena, tx, |r| cx.push_from(dir, tx, r));
                anomalies(m, |event| cx.anomaly("dns", event, tx));
                Next::Go
            }
        };
        arena.clear();
        cx.shared.scratch = arena;
        next
    }
}

/// Tells what is odd in a message, by Suricata's names.
pub(crate) fn anomalies(m: &message::Message<'_>, mut tell: impl FnMut(&'static str)) {
    let odd = &m.odd;
    let found = [
        (odd.malformed, "malformed_data"),
        (odd.additionals, "invalid_additionals"),
        (odd.authorities, "invalid_authorities"),
        (m.flags & 0x0040 != 0, "z_flag_set"),
        // Opcodes from 7 on are not assigned (IANA).
        (m.opcode() >= 7, "invalid_opcode"),
        (odd.long_name, "name_too_long"),
        (odd.looping, "infinite_loop"),
        (odd.many_labels, "too_many_labels"),
    ];
    for (_, event) in found.into_iter().filter(|(is, _)| *is) {
        tell(event);
    }
}
