//! Link-Local Multicast Name Resolution (RFC 4795), port 5355, messages in the form of DNS.
//!
//! Suricata has no such event; ours has the shape of `dns`. Who answers for which name is what a poisoner is told by, so responses
//! are told in full, and a response's sender is the event's source.

mod record;
#[cfg(test)]
mod tests;

pub use record::{LlmnrMessage, LlmnrMessageRow};

use crate::proto::dns::message::{self, Data};
use crate::told::{About, Messages};
use crate::{Cx, Info, Match, Probe, Protocol, Step, Transport};
use vigie_base::Direction;
use vigie_event::{NO_TX, Out};

/// An LLMNR flow.
#[derive(Debug, Default)]
pub struct Llmnr(Messages);

impl Protocol for Llmnr {
    const INFO: Info = Info {
        name: "llmnr",
        doc: "Link-Local Multicast Name Resolution (RFC 4795)",
        transports: &[Transport::Udp],
        ports: &[5355],
        buffer_max: 0,
    };

    fn probe(p: &Probe<'_>) -> Match {
        if p.on(Self::INFO.ports) { message::looks_like(p.bytes, true) } else { Match::No }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        self.0.next(cx, "llmnr", bytes, |told, cx, tx| {
            cx.with_scratch(|cx, arena| {
                let m = message::parse(bytes, arena)?;
                record::push(&m, arena, tx, |r| cx.push_from(dir, NO_TX, r));
                if m.odd.malformed {
                    cx.anomaly("llmnr", "malformed_data", tx);
                }
                for r in m.answers.iter().filter(|_| m.is_response()) {
                    // Only of itself: a name for another's address, or a poisoner's for its own, is for detectors to judge.
                    if let Data::Address(a, _) = r.data
                        && a == cx.sender(dir)
                    {
                        told.fact(cx, About::new(Some(a), None), "hostname", r.name.of(arena), "llmnr", 60);
                    }
                }
                Some(())
            })
        })
    }

    fn transactions(&self) -> u32 {
        self.0.count()
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}
