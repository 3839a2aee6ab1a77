//! DHCP for IPv6 (RFC 8415), with relays' envelopes.
//!
//! Suricata has no such event; ours is `dhcpv6`. A message that relays wrap is told as its client or server wrote it, with the number
//! of relays. What clients say of themselves becomes facts, by the hardware address in their identifier where it has one.

#[cfg(test)]
mod tests;

use crate::proto::dns::message::put_colons;
use crate::told::{About, Messages, Told};
use crate::{Cursor, Cx, Info, Match, Probe, Protocol, Step, Transport};
use vigie_base::{Direction, Ip, Mac};
use vigie_event::{Flag, NO_TX, Out, Record};

/// A DHCPv6 message.
#[derive(Record)]
#[record(kind = "dhcpv6")]
pub struct Dhcpv6Message<'a> {
    /// `solicit`, `advertise`, `request`, `confirm`, `renew`, `rebind`, `reply`, `release`, `decline`, `reconfigure`,
    /// `information-request` or `unknown`.
    #[field(key = "type")]
    pub kind: &'a str,
    /// Transaction identifier.
    pub id: u32,
    /// Relays that wrapped it.
    pub relays: u8,
    /// Client whom the outermost relay names.
    pub peer: Option<Ip>,
    /// Client's identifier (DUID), hexadecimal with colons.
    #[field(class = "personal")]
    pub client_duid: Option<&'a [u8]>,
    /// Ethernet address in the client's identifier.
    pub client_mac: Option<Mac>,
    /// Server's identifier (DUID).
    pub server_duid: Option<&'a [u8]>,
    /// Addresses asked for or given.
    pub addresses: &'a [Ip],
    /// Prefixes asked for or given, as `prefix/bits`.
    pub prefixes: &'a [&'a [u8]],
    /// Seconds for which the first address is valid.
    pub lease_time: Option<u32>,
    /// Client's full name (RFC 4704).
    #[field(class = "personal")]
    pub fqdn: Option<&'a [u8]>,
    /// Vendor class, its first text.
    pub vendor_class: Option<&'a [u8]>,
    /// Enterprise number of the vendor class.
    pub enterprise: Option<u32>,
    /// DNS servers.
    pub dns_servers: &'a [Ip],
    /// Domains to search.
    pub domains: &'a [&'a [u8]],
    /// Status that is not success.
    pub status: Option<u16>,
    /// Options asked for, in their order: what client stacks are told by.
    pub fingerprint: Option<&'a [u8]>,
    /// All options in their order.
    pub options: &'a [u8],
    /// Whether an option was cut.
    pub truncated: Flag,
}

/// A DHCPv6 flow.
#[derive(Debug, Default)]
pub struct Dhcpv6(Messages);

/// Options read of one message.
const OPTIONS_MAX: usize = 128;
/// Relays that may wrap a message (RFC 8415 section 7.6: HOP_COUNT_LIMIT).
const RELAYS_MAX: u8 = 8;
/// Addresses, prefixes, servers and domains kept, each.
const LISTED_MAX: usize = 32;

impl Protocol for Dhcpv6 {
    const INFO: Info = Info {
        name: "dhcpv6",
        doc: "Dynamic Host Configuration Protocol for IPv6 (RFC 8415)",
        transports: &[Transport::Udp],
        ports: &[546, 547],
        buffer_max: 0,
    };

    fn probe(p: &Probe<'_>) -> Match {
        let Some(kind @ 1..=13) = p.bytes.first().copied() else { return Match::No };
        let at = if kind >= 12 { 34 } else { 4 };
        let mut c = Cursor::new(p.bytes.get(at..).unwrap_or(&[]));
        let mut known = 0;
        // Options must follow each other to the very end, and a message names its client, server or what it wants.
        while !c.is_empty() {
            let (Some(code), Some(_)) = (c.u16(), c.block16()) else { return Match::No };
            known += u32::from(matches!(code, 1..=9));
        }
        if known > 0 && p.on(Self::INFO.ports) { Match::Yes } else { Match::No }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        self.0.next(cx, "dhcpv6", bytes, |told, cx, _| message(told, cx, dir, bytes))
    }

    fn transactions(&self) -> u32 {
        self.0.count()
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

/// What is read of a message's options.
#[derive(Default)]
struct Found<'a> {
    codes: Vec<u16>,
    client: Option<&'a [u8]>,
    server: Option<&'a [u8]>,
    addresses: Vec<Ip>,
    prefixes: Vec<Vec<u8>>,
    lease: Option<u32>,
    fqdn: Option<Vec<u8>>,
    vendor: Option<&'a [u8]>,
    enterprise: Option<u32>,
    dns: Vec<Ip>,
    domains: Vec<Vec<u8>>,
    status: Option<u16>,
    wanted: Option<Vec<u16>>,
    cut: bool,
}

impl<'a> Found<'a> {
    fn read(&mut self, bytes: &'a [u8]) {
        let mut c = Cursor::new(bytes);
        while !c.is_empty() && self.codes.len() < OPTIONS_MAX {
            let (Some(code), Some(data)) = (c.u16(), c.block16()) else {
                self.cut = true;
                return;
            };
            self.codes.push(code);
            // What does not read is left out; the option's code tells that it was there.
            let _ = self.option(code, data);
        }
    }

    fn option(&mut self, code: u16, data: &'a [u8]) -> Option<()> {
        let mut c = Cursor::new(data);
        match code {
            1 => self.client = Some(data),
            2 => self.server = Some(data),
            // IA_NA and IA_PD: identifier and two times, then options; IA_TA: identifier only.
            3 | 25 => self.inner(data.get(12..)?),
            4 => self.inner(data.get(4..)?),
            5 if self.addresses.len() < LISTED_MAX => {
                self.addresses.push(Ip::v6(c.take(16)?.try_into().ok()?));
                c.skip(4)?;
                self.lease = self.lease.or(c.u32());
            }
            6 => self.wanted = Some(data.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).take(OPTIONS_MAX).collect()),
            13 => self.status = c.u16().filter(|s| *s != 0),
            16 => {
                self.enterprise = c.u32();
                self.vendor = c.block16();
            }
            23 => {
                let servers = data.chunks_exact(16).filter_map(|b| b.try_into().ok().map(Ip::v6));
                self.dns.extend(servers.take(LISTED_MAX.saturating_sub(self.dns.len())));
            }
            24 => {
                while !c.is_empty() && self.domains.len() < LISTED_MAX {
                    self.domains.push(labels(&mut c)?);
                }
            }
            26 if self.prefixes.len() < LISTED_MAX => {
                c.skip(8)?;
                let bits = c.u8()?;
                let mut text = Vec::new();
                Ip::v6(c.take(16)?.try_into().ok()?).write(&mut text);
                text.push(b'/');
                text.extend_from_slice(itoa::Buffer::new().format(bits).as_bytes());
                self.prefixes.push(text);
            }
            39 => {
                c.skip(1)?;
                self.fqdn = labels(&mut c).filter(|n| !n.is_empty());
            }
            _ => {}
        }
        Some(())
    }

    /// The options inside an identity association: one level, for those inside its addresses say nothing here.
    fn inner(&mut self, bytes: &'a [u8]) {
        let mut c = Cursor::new(bytes);
        for _ in 0..OPTIONS_MAX {
            let (Some(code), Some(data)) = (c.u16(), c.block16()) else { return };
            if matches!(code, 5 | 13 | 26) {
                let _ = self.option(code, data);
            }
        }
    }
}

/// A name in labels (RFC 8415 section 10), as text with dots.
fn labels(c: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while let Some(label) = c.block8() {
        if label.is_empty() {
            return Some(out);
        }
        if !out.is_empty() {
            out.push(b'.');
        }
        out.extend_from_slice(label);
    }
    // A partial name has no end (RFC 4704 section 4.2); a cut one has a label that does not fit.
    c.is_empty().then_some(out)
}

/// The Ethernet address in a DUID-LLT or DUID-LL (RFC 8415 section 11).
fn duid_mac(duid: &[u8]) -> Option<Mac> {
    let mut c = Cursor::new(duid);
    let kind = c.u16()?;
    if c.u16()? != 1 {
        return None;
    }
    match kind {
        1 => c.skip(4)?,
        3 => {}
        _ => return None,
    }
    Some(Mac(c.take(6)?.try_into().ok()?))
}

fn message<O: Out>(told: &mut Told, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Option<()> {
    let (mut bytes, mut relays, mut peer) = (bytes, 0, None);
    // Relay-forward and relay-reply: hops, link, peer, options, one of them (9) the message.
    while let [12 | 13, ..] = bytes {
        if relays >= RELAYS_MAX {
            return None;
        }
        relays += 1;
        let mut c = Cursor::new(bytes);
        c.skip(18)?;
        let address = Ip::v6(c.take(16)?.try_into().ok()?);
        peer = Some(address);
        bytes = loop {
            let (code, data) = (c.u16()?, c.block16()?);
            if code == 9 {
                break data;
            }
        };
    }
    let mut c = Cursor::new(bytes);
    let (kind, id) = (c.u8()?, c.u24()?);
    let mut f = Found::default();
    f.read(c.rest());
    let client_mac = f.client.and_then(duid_mac);
    let (client_duid, server_duid) = (f.client.map(put_colons), f.server.map(put_colons));
    let prefixes: Vec<&[u8]> = f.prefixes.iter().map(Vec::as_slice).collect();
    let domains: Vec<&[u8]> = f.domains.iter().map(Vec::as_slice).collect();
    let (options, fingerprint) = (listed(&f.codes), f.wanted.as_deref().map(listed));
    let kind = kind_name(kind);
    cx.push_from(
        dir,
        NO_TX,
        &Dhcpv6Message {
            kind,
            id,
            relays,
            peer,
            client_duid: client_duid.as_deref(),
            client_mac,
            server_duid: server_duid.as_deref(),
            addresses: &f.addresses,
            prefixes: &prefixes,
            lease_time: f.lease,
            fqdn: f.fqdn.as_deref(),
            vendor_class: f.vendor,
            enterprise: f.enterprise,
            dns_servers: &f.dns,
            domains: &domains,
            status: f.status,
            fingerprint: fingerprint.as_deref(),
            options: &options,
            truncated: Flag(f.cut),
        },
    );
    if matches!(kind, "advertise" | "reply") {
        if kind == "reply" {
            for a in &f.addresses {
                let mut value = Vec::new();
                a.write(&mut value);
                told.fact(cx, About::new(Some(*a), client_mac), "lease", &value, "dhcpv6", 90);
            }
        }
        if relays == 0 {
            told.fact(cx, About::new(Some(cx.sender(dir)), None), "service", b"dhcpv6-server", "dhcpv6", 90);
        }
    } else {
        // The address that a client sends from is its own, unless a relay stands between.
        let ip = if relays == 0 { Some(cx.sender(dir)) } else { peer };
        let client = About::new(ip, client_mac);
        told.fact(cx, client, "fqdn", f.fqdn.as_deref().unwrap_or(&[]), "dhcpv6", 80);
        told.fact(cx, client, "dhcp_vendor_class", f.vendor.unwrap_or(&[]), "dhcpv6", 90);
    }
    Some(())
}

/// Numbers with commas.
fn listed(codes: &[u16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(codes.len() * 4);
    for (i, c) in codes.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(itoa::Buffer::new().format(*c).as_bytes());
    }
    out
}

fn kind_name(kind: u8) -> &'static str {
    match kind {
        1 => "solicit",
        2 => "advertise",
        3 => "request",
        4 => "confirm",
        5 => "renew",
        6 => "rebind",
        7 => "reply",
        8 => "release",
        9 => "decline",
        10 => "reconfigure",
        11 => "information-request",
        _ => "unknown",
    }
}
