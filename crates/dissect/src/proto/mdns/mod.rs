//! Multicast DNS (RFC 6762) and the service discovery that it carries (RFC 6763).
//!
//! Port 5353 is the protocol's definition (RFC 6762 section 5); the form of its messages is DNS's. Every message is one event, as in
//! Suricata 8. What machines announce of themselves (names, services, models) becomes facts, each told once a flow.

mod record;
#[cfg(test)]
mod tests;

pub use record::{MdnsMessage, MdnsMessageRow, MdnsQuery, MdnsQueryRow, MdnsResource, MdnsResourceRow};

use crate::proto::dns::message::{self, Data, Message};
use crate::told::{About, Messages, Told};
use crate::{Cx, Info, Match, Probe, Protocol, Step, Transport};
use vigie_base::{Direction, Mac};
use vigie_event::{NO_TX, Out};

/// An mDNS flow.
#[derive(Debug, Default)]
pub struct Mdns(Messages);

impl Protocol for Mdns {
    const INFO: Info = Info {
        name: "mdns",
        doc: "Multicast DNS (RFC 6762) and DNS-based service discovery (RFC 6763)",
        transports: &[Transport::Udp],
        ports: &[5353],
        buffer_max: 0,
    };

    fn probe(p: &Probe<'_>) -> Match {
        if p.on(Self::INFO.ports) { message::looks_like(p.bytes, true) } else { Match::No }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        self.0.next(cx, "mdns", bytes, |told, cx, tx| {
            cx.with_scratch(|cx, arena| {
                let m = message::parse(bytes, arena)?;
                record::push(&m, arena, |r| cx.push_from(dir, NO_TX, r));
                crate::proto::dns::anomalies(&m, |event| cx.anomaly("mdns", event, tx));
                if m.is_response() {
                    facts(told, cx, dir, &m, arena);
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

/// Keys of service TXT records (printers, AirPlay, Chromecast, HomeKit, device-info) and what they tell.
const TXT_FACTS: [(&[u8], &str); 8] = [
    (b"model", "model"),
    (b"md", "model"),
    (b"am", "model"),
    (b"ty", "model"),
    (b"usb_mdl", "model"),
    (b"manufacturer", "vendor"),
    (b"usb_mfg", "vendor"),
    (b"osxvers", "os"),
];

fn facts<O: Out>(told: &mut Told, cx: &mut Cx<'_, O>, dir: Direction, m: &Message<'_>, arena: &[u8]) {
    let ip = cx.sender(dir);
    let mac = match dir {
        Direction::ToServer => cx.client_mac,
        Direction::ToClient => cx.server_mac,
    };
    let sender = About::new(Some(ip), Some(mac).filter(|m| *m != Mac::ZERO));
    for r in m.answers.iter().chain(&m.additionals) {
        let name = r.name.of(arena);
        match r.data {
            Data::Address(a, _) if a == ip => told.fact(cx, sender, "hostname", name, "mdns", 90),
            // Its other addresses, or those of a sleeping machine that it answers for.
            Data::Address(a, _) => told.fact(cx, About::new(Some(a), None), "hostname", name, "mdns", 70),
            Data::Name(target) if r.rtype.number == 12 && name.starts_with(b"_") && !name.starts_with(b"_services.") => {
                told.fact(cx, sender, "service", target.of(arena), "mdns", 80);
            }
            Data::Strings(data) => {
                for s in message::strings(data) {
                    let Some(eq) = s.iter().position(|b| *b == b'=') else { continue };
                    let (key, value) = (&s[..eq], &s[eq + 1..]);
                    if let Some((_, fact)) = TXT_FACTS.iter().find(|(k, _)| key.eq_ignore_ascii_case(k)) {
                        told.fact(cx, sender, fact, value, "mdns", 80);
                    }
                }
            }
            _ => {}
        }
    }
}
