//! NetBIOS name service and datagram service over UDP (RFC 1001, RFC 1002).
//!
//! Names are 16 bytes in a 32-letter label: 15 of name and one that says what the name stands for. A name service message is one
//! event (`nbns`, Vigie's own); the datagram service gives facts only ([`datagram`]).

pub mod datagram;
mod record;
#[cfg(test)]
mod tests;

pub use record::{NbnsMessage, NbnsMessageRow, NbnsName, NbnsNameRow};

use crate::proto::dns::message::{Oddities, name};
use crate::told::{About, Messages, Told};
use crate::{Cursor, Cx, Info, Match, Probe, Protocol, Step, Transport};
use vigie_base::{Direction, Ip, Mac};
use vigie_event::{Flag, NO_TX, Out};

/// Names kept of a node's status.
const NAMES_MAX: usize = 64;
/// Addresses kept of one name.
const ADDRESSES_MAX: usize = 32;
/// Bytes of the header.
const HEADER_LEN: usize = 12;
/// Letters of an encoded name.
const ENCODED_LEN: usize = 32;

/// A NetBIOS name: its text without the blanks behind it, and what it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Name {
    bytes: [u8; 16],
}

impl Name {
    /// From its label (RFC 1001 section 14.1).
    fn decode(label: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        let label = label.get(..ENCODED_LEN)?;
        for (out, pair) in bytes.iter_mut().zip(label.chunks_exact(2)) {
            let nibble = |b: u8| (b'A'..=b'P').contains(&b).then(|| b - b'A');
            *out = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Name { bytes })
    }

    fn text(&self) -> &[u8] {
        let mut text = &self.bytes[..15];
        while let [rest @ .., b' ' | 0] = text {
            text = rest;
        }
        text
    }

    fn suffix(&self) -> u8 {
        self.bytes[15]
    }
}

/// What a name stands for, by its last byte.
fn role(suffix: u8, group: bool) -> &'static str {
    match (suffix, group) {
        (0x00, false) => "workstation",
        (0x00, true) => "workgroup",
        (0x01, _) => "browser",
        (0x03, _) => "messenger",
        (0x06, _) => "ras-server",
        (0x1b, _) => "domain-master-browser",
        (0x1c, _) => "domain-controllers",
        (0x1d, _) => "master-browser",
        (0x1e, _) => "browser-elections",
        (0x1f, _) => "netdde",
        (0x20, _) => "file-server",
        (0x21, _) => "ras-client",
        (0xbe, _) => "network-monitor-agent",
        (0xbf, _) => "network-monitor",
        _ => "other",
    }
}

/// A NetBIOS name service flow.
#[derive(Debug, Default)]
pub struct Nbns(Messages);

impl Protocol for Nbns {
    const INFO: Info = Info {
        name: "nbns",
        doc: "NetBIOS name service (RFC 1002 section 4.2)",
        transports: &[Transport::Udp],
        ports: &[137],
        buffer_max: 0,
    };

    fn probe(p: &Probe<'_>) -> Match {
        // The first name stands right behind the header, in questions as in answers.
        let named = p.bytes.get(HEADER_LEN) == Some(&(ENCODED_LEN as u8)) && p.bytes.get(HEADER_LEN + 1..).and_then(Name::decode).is_some();
        if !named {
            return Match::No;
        }
        let end = HEADER_LEN + 1 + ENCODED_LEN;
        let typed = matches!(p.bytes.get(end..end + 5), Some([0, 0, 0x20 | 0x21, 0, 1]));
        if typed || p.on(Self::INFO.ports) { Match::Yes } else { Match::No }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        self.0.next(cx, "nbns", bytes, |told, cx, tx| {
            let m = cx.with_scratch(|_, arena| Message::parse(bytes, arena))?;
            m.push(tx, |r| cx.push_from(dir, NO_TX, r));
            facts(told, cx, dir, &m);
            Some(())
        })
    }

    fn transactions(&self) -> u32 {
        self.0.count()
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

/// A message, as far as it is told.
struct Message {
    id: u16,
    flags: u16,
    name: Name,
    qtype: u16,
    group: bool,
    ttl: Option<u32>,
    addresses: Vec<Ip>,
    /// A node's names: name, flags.
    names: Vec<(Name, u16)>,
    mac: Option<Mac>,
}

impl Message {
    fn parse(bytes: &[u8], arena: &mut Vec<u8>) -> Option<Self> {
        let mut c = Cursor::new(bytes);
        let (id, flags) = (c.u16()?, c.u16()?);
        let counts = [c.u16()?, c.u16()?, c.u16()?, c.u16()?];
        let mut odd = Oddities::default();
        let mut m = Message {
            id,
            flags,
            name: Name::default(),
            qtype: 0,
            group: false,
            ttl: None,
            addresses: Vec::new(),
            names: Vec::new(),
            mac: None,
        };
        // One question at most (RFC 1002 section 4.2): more are not read.
        if counts[0] > 0 {
            let text = name(&mut c, bytes, arena, &mut odd)?;
            m.name = Name::decode(text.of(arena))?;
            m.qtype = c.u16()?;
            c.skip(2)?;
        }
        if counts[0] <= 1 && counts[1..].iter().any(|n| *n > 0) {
            let text = name(&mut c, bytes, arena, &mut odd)?;
            m.name = Name::decode(text.of(arena))?;
            m.qtype = c.u16()?;
            c.skip(2)?;
            m.ttl = Some(c.u32()?);
            m.data(c.block16()?)?;
        }
        Some(m)
    }

    fn data(&mut self, data: &[u8]) -> Option<()> {
        let mut c = Cursor::new(data);
        match self.qtype {
            0x20 => {
                while self.addresses.len() < ADDRESSES_MAX
                    && let Some(flags) = c.u16()
                    && let Some(address) = c.take(4)
                {
                    self.group |= flags & 0x8000 != 0;
                    self.addresses.push(Ip::v4(address.try_into().ok()?));
                }
            }
            0x21 => {
                for _ in 0..c.u8()? {
                    let bytes = c.take(16)?.try_into().ok()?;
                    let flags = c.u16()?;
                    if self.names.len() < NAMES_MAX {
                        self.names.push((Name { bytes }, flags));
                    }
                }
                self.mac = c.take(6).and_then(|b| b.try_into().ok()).map(Mac).filter(|m| *m != Mac::ZERO);
            }
            _ => {}
        }
        Some(())
    }

    fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    fn operation(&self) -> &'static str {
        match self.flags >> 11 & 15 {
            0 => "query",
            5 => "registration",
            6 => "release",
            7 => "wait",
            8 | 9 => "refresh",
            15 => "multihomed-registration",
            _ => "other",
        }
    }

    fn push(&self, tx: u32, push: impl FnOnce(&NbnsMessage<'_>)) {
        let names: Vec<NbnsName<'_>> = self
            .names
            .iter()
            .map(|(n, flags)| {
                let group = flags & 0x8000 != 0;
                NbnsName { name: n.text(), suffix: n.suffix(), role: role(n.suffix(), group), group: Flag(group) }
            })
            .collect();
        push(&NbnsMessage {
            kind: if self.is_response() { "response" } else { "request" },
            tx_id: tx,
            id: self.id,
            operation: self.operation(),
            broadcast: Flag(self.flags & 0x0010 != 0),
            rcode: (self.flags & 15) as u8,
            name: self.name.text(),
            suffix: self.name.suffix(),
            role: role(self.name.suffix(), self.group),
            group: Flag(self.group),
            query_type: match self.qtype {
                0x20 => "NB",
                0x21 => "NBSTAT",
                _ => "other",
            },
            ttl: self.ttl,
            addresses: &self.addresses,
            names: &names,
            mac: self.mac,
        });
    }
}

fn facts<O: Out>(told: &mut Told, cx: &mut Cx<'_, O>, dir: Direction, m: &Message) {
    let ip = cx.sender(dir);
    if m.qtype == 0x21 && m.is_response() {
        let about = About::new(Some(ip), m.mac);
        for (n, flags) in &m.names {
            tell(told, cx, about, n, flags & 0x8000 != 0, 85);
        }
        return;
    }
    let own = m.addresses.first().is_some_and(|a| *a == ip);
    match (m.is_response(), m.operation()) {
        (false, "registration" | "refresh" | "multihomed-registration") if own => {
            tell(told, cx, About::new(Some(ip), None), &m.name, m.group, 80);
        }
        // A poisoner answers so too: less believed.
        (true, "query") if own => tell(told, cx, About::new(Some(ip), None), &m.name, m.group, 60),
        _ => {}
    }
}

/// What a machine's own name tells of it.
fn tell<O: Out>(told: &mut Told, cx: &mut Cx<'_, O>, about: About, name: &Name, group: bool, confidence: u8) {
    match (name.suffix(), group) {
        (0x00 | 0x20, false) => {
            told.fact(cx, about, "hostname", name.text(), "nbns", confidence);
            if name.suffix() == 0x20 {
                told.fact(cx, about, "service", b"smb-server", "nbns", confidence);
            }
        }
        (0x00, true) => told.fact(cx, about, "workgroup", name.text(), "nbns", confidence),
        (0x1b, false) | (0x1c, true) => told.fact(cx, about, "service", b"domain-controller", "nbns", confidence),
        _ => {}
    }
}
