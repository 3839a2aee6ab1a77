//! ICMP (RFC 792) and ICMPv6 (RFC 4443), with neighbour discovery (RFC 4861).
//!
//! A ping is not an event a packet. A flow (one pair of addresses, one kind, one identifier) gives an event with its first message
//! (`start`), one every [`UPDATE_EVERY`] messages (`update`) and one when it is over (`end`), each with figures since the start:
//! what tells a tunnel from a ping. Router advertisements (`router`) and redirects (`redirect`) are events of their own. Neighbour
//! discovery becomes facts: which hardware address claims which address.

mod neighbour;
mod record;
#[cfg(test)]
mod tests;

pub use record::{IcmpMessage, IcmpMessageRow, IcmpRouter, IcmpRouterRow, IcmpSide, IcmpSideRow};

use crate::held::{Held, holds};
use crate::told::Told;
use crate::{Cx, Info, Match, Probe, Protocol, Step, Transport};
use vigie_base::hash::{hash_one, table_state};
use vigie_base::{Direction, Time};
use vigie_event::{NO_TX, Out};

/// Messages between two `update` events.
pub const UPDATE_EVERY: u64 = 64;
/// Bytes before the payload: type, code, checksum, identifier, sequence number.
const HEADER_LEN: usize = 8;
/// Payloads of one direction that are told apart; beyond, they count as seen.
const DISTINCT_MAX: usize = 64;
/// Bytes at the front of a payload where pings keep a time stamp: left out when payloads are told apart.
const STAMP_LEN: usize = 16;
/// Requests whose replies are still compared with them.
const PENDING_MAX: usize = 16;
/// Bytes of a payload that the entropy is estimated from.
const SAMPLE_MAX: usize = 256;

/// One direction of a flow.
#[derive(Debug, Default)]
struct Side {
    messages: u64,
    bytes: u64,
    min: u32,
    max: u32,
    distinct: Vec<u64>,
    /// Entropy of the first payload; and how often each byte came in those after it, once there are any.
    first_entropy: f64,
    counts: Option<Box<[u32; 256]>>,
}

impl Side {
    fn add(&mut self, payload: &[u8]) {
        let len = payload.len() as u32;
        self.min = if self.messages == 0 { len } else { self.min.min(len) };
        self.max = self.max.max(len);
        self.messages += 1;
        self.bytes += u64::from(len);
        if payload.is_empty() {
            return;
        }
        let sample = &payload[..payload.len().min(SAMPLE_MAX)];
        if self.distinct.is_empty() {
            let mut counts = [0; 256];
            count(sample, &mut counts);
            self.first_entropy = entropy(&counts);
        } else {
            count(sample, self.counts.get_or_insert_with(|| Box::new([0; 256])));
        }
        if self.distinct.len() < DISTINCT_MAX {
            let told_by = payload.get(STAMP_LEN..).filter(|rest| !rest.is_empty()).unwrap_or(payload);
            let hash = hash_one(&table_state(0), &told_by);
            if !self.distinct.contains(&hash) {
                self.distinct.push(hash);
            }
        }
    }

    fn tell(&self) -> IcmpSide {
        IcmpSide {
            messages: self.messages,
            bytes: self.bytes,
            min: self.min,
            max: self.max,
            distinct: self.distinct.len() as u32,
            entropy: (self.counts.as_ref().map_or(self.first_entropy, |c| entropy(c)) * 100.0).round() / 100.0,
        }
    }
}

fn count(sample: &[u8], counts: &mut [u32; 256]) {
    for b in sample {
        counts[usize::from(*b)] = counts[usize::from(*b)].saturating_add(1);
    }
}

/// Shannon's entropy, bits a byte.
fn entropy(counts: &[u32; 256]) -> f64 {
    let total: f64 = counts.iter().map(|n| f64::from(*n)).sum();
    if total == 0.0 {
        return 0.0;
    }
    // 0 - x, so that a payload of one byte gives 0 and not -0.
    0.0 - counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total).map(|p| p * p.log2()).sum::<f64>()
}

/// An ICMP flow.
#[derive(Debug, Default)]
pub struct Icmp {
    sides: [Side; 2],
    first: Time,
    kind: u8,
    code: u8,
    echo: bool,
    id: u16,
    /// First, last, lowest and highest sequence number of requests.
    seq: [u16; 4],
    /// Sequence numbers of the last requests, and their payloads' hashes.
    pending: Vec<(u16, u64)>,
    echoed: u64,
    changed: u64,
    unasked: u64,
    /// The last router advertisement, so that only changes are told.
    router: u64,
    told: Told,
}

impl Protocol for Icmp {
    const INFO: Info =
        Info { name: "icmp", doc: "ICMP (RFC 792) and ICMPv6 (RFC 4443)", transports: &[Transport::Icmp], ports: &[], buffer_max: 0 };

    fn probe(p: &Probe<'_>) -> Match {
        if p.transport == Transport::Icmp && p.bytes.len() >= 4 { Match::Yes } else { Match::No }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let used = bytes.len();
        let [kind, code, ..] = *bytes else { return Step::go(used) };
        let v6 = cx.env.proto == 58;
        let begins = self.total() == 0;
        if begins {
            self.first = cx.now();
            self.kind = kind;
            self.code = code;
            self.echo = if v6 { matches!(kind, 128 | 129) } else { matches!(kind, 0 | 8) };
        }
        let payload = bytes.get(HEADER_LEN..).unwrap_or(&[]);
        self.sides[dir.index()].add(payload);
        if self.echo && used >= HEADER_LEN {
            let word = |at| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            let is_request = kind == if v6 { 128 } else { 8 };
            self.exchange(is_request, word(4), word(6), payload);
        }
        if begins {
            self.push(cx, "start");
        } else if self.total().is_multiple_of(UPDATE_EVERY) {
            self.push(cx, "update");
        }
        if v6 && (133..=137).contains(&kind) {
            neighbour::message(self, cx, dir, bytes);
        } else if !v6 && kind == 5 {
            neighbour::redirect_v4(self, cx, dir, bytes);
        }
        Step::go(used)
    }

    fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if self.total() > 0 {
            self.push(cx, "end");
        }
    }

    fn held(&self) -> usize {
        Held::held(self)
    }
}

holds! {
    Icmp: { sides, pending, told }
    Side: { distinct, counts }
}

impl Icmp {
    fn total(&self) -> u64 {
        self.sides[0].messages + self.sides[1].messages
    }

    fn exchange(&mut self, is_request: bool, id: u16, seq: u16, payload: &[u8]) {
        let hash = hash_one(&table_state(0), &payload);
        if is_request {
            if self.seq == [0; 4] && self.pending.is_empty() {
                self.id = id;
                self.seq = [seq; 4];
            }
            self.seq = [self.seq[0], seq, self.seq[2].min(seq), self.seq[3].max(seq)];
            if self.pending.len() >= PENDING_MAX {
                self.pending.remove(0);
            }
            self.pending.push((seq, hash));
        } else if let Some((_, asked)) = self.pending.iter().rev().find(|(s, _)| *s == seq) {
            if *asked == hash {
                self.echoed += 1;
            } else {
                self.changed += 1;
            }
        } else {
            if self.total() == 1 {
                self.id = id;
            }
            self.unasked += 1;
        }
    }

    /// The figures so far.
    fn figures(&self, phase: &'static str) -> IcmpMessage<'static> {
        let requests = self.echo.then_some(());
        IcmpMessage {
            phase,
            kind: self.kind,
            code: self.code,
            first: self.first,
            id: requests.map(|()| self.id),
            seq_first: requests.map(|()| self.seq[0]),
            seq_last: requests.map(|()| self.seq[1]),
            seq_min: requests.map(|()| self.seq[2]),
            seq_max: requests.map(|()| self.seq[3]),
            to_server: self.sides[0].tell(),
            to_client: self.sides[1].tell(),
            echoed: self.echoed,
            changed: self.changed,
            unasked: self.unasked,
            router: None,
            gateway: None,
            destination: None,
        }
    }

    fn push<O: Out>(&self, cx: &mut Cx<'_, O>, phase: &'static str) {
        cx.push(NO_TX, &self.figures(phase));
    }
}
