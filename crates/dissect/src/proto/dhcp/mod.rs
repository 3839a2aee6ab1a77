//! DHCP for IPv4 (RFC 2131, options RFC 2132), with its BOOTP header.
//!
//! Every message is one event, in the extended form of Suricata 8. Options split over several (RFC 3396) are read from their first
//! part; options in the header's `file` and `sname` fields (option 52) are read too. What clients say of themselves and what servers
//! lease becomes facts, by hardware address.

mod options;
#[cfg(test)]
mod tests;

use crate::told::{About, Messages, Told};
use crate::{Cursor, Cx, Info, Match, Probe, Protocol, Step, Transport};
use options::{Options, addresses, client_fqdn, routes};
use vigie_base::{Direction, Ip, Mac};
use vigie_event::{Hex, NO_TX, Out, Record};

/// A DHCP message.
#[derive(Record)]
#[record(kind = "dhcp")]
pub struct DhcpMessage<'a> {
    /// `request` or `reply`.
    #[field(key = "type")]
    pub kind: &'a str,
    /// Transaction identifier.
    pub id: u32,
    /// Client's hardware address.
    pub client_mac: &'a [u8],
    /// Address given to the client.
    pub assigned_ip: Ip,
    /// Address that the client has.
    pub client_ip: Ip,
    /// Relay (replies).
    pub relay_ip: Option<Ip>,
    /// Next server of the boot (replies).
    pub next_server_ip: Option<Ip>,
    /// `discover`, `offer`, `request`, `decline`, `ack`, `nak`, `release`, `inform` or `unknown`.
    pub dhcp_type: Option<&'a str>,
    /// Client identifier, without its type.
    #[field(class = "personal")]
    pub client_id: Option<&'a [u8]>,
    /// Host name.
    #[field(class = "personal")]
    pub hostname: Option<&'a [u8]>,
    /// What the client asks for, of the parameters with a name.
    pub params: &'a [&'a str],
    /// Address that the client wants.
    pub requested_ip: Option<Ip>,
    /// Seconds of the lease.
    pub lease_time: Option<u32>,
    /// Seconds until it should be renewed.
    pub renewal_time: Option<u32>,
    /// Seconds until any server may renew it.
    pub rebinding_time: Option<u32>,
    /// Subnet mask.
    pub subnet_mask: Option<Ip>,
    /// Routers.
    pub routers: &'a [Ip],
    /// DNS servers.
    pub dns_servers: &'a [Ip],
    /// Vendor class.
    pub vendor_class_identifier: Option<&'a [u8]>,
    /// Server that answers or is meant.
    #[field(place = "vigie")]
    pub server_id: Option<Ip>,
    /// Domain.
    #[field(place = "vigie")]
    pub domain: Option<&'a [u8]>,
    /// Full name that the client claims (RFC 4702).
    #[field(place = "vigie", class = "personal")]
    pub fqdn: Option<&'a [u8]>,
    /// Option 55 in its order: what client stacks are told by.
    #[field(place = "vigie")]
    pub fingerprint: Option<&'a [u8]>,
    /// All options in their order.
    #[field(place = "vigie")]
    pub options: &'a [u8],
    /// Source of the Ethernet frame, where it is not the client's (requests).
    #[field(place = "vigie")]
    pub frame_mac: Option<Mac>,
    /// Why a server refuses, or a client declines.
    #[field(place = "vigie")]
    pub message: Option<&'a [u8]>,
    /// Proxy configuration (option 252).
    #[field(place = "vigie", class = "personal")]
    pub wpad: Option<&'a [u8]>,
    /// Routes (option 121) as `network/bits via router`.
    #[field(place = "vigie")]
    pub routes: &'a [&'a [u8]],
    /// Server of the boot file.
    #[field(place = "vigie")]
    pub boot_server: Option<&'a [u8]>,
    /// Boot file.
    #[field(place = "vigie")]
    pub boot_file: Option<&'a [u8]>,
    /// What the relay says of the client's port (option 82), hexadecimal.
    #[field(place = "vigie")]
    pub relay_info: Option<Hex<'a>>,
}

/// A DHCP flow: often all clients of a link in one (0.0.0.0 to 255.255.255.255).
#[derive(Debug, Default)]
pub struct Dhcp(Messages);

/// Where options begin: header, `sname`, `file`, cookie.
const OPTIONS_AT: usize = 240;
/// The cookie before the options (RFC 2131 section 3).
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];

impl Protocol for Dhcp {
    const INFO: Info = Info {
        name: "dhcp",
        doc: "Dynamic Host Configuration Protocol for IPv4 (RFC 2131)",
        transports: &[Transport::Udp],
        ports: &[67, 68],
        buffer_max: 0,
    };

    fn probe(p: &Probe<'_>) -> Match {
        if has_cookie(p.bytes) && matches!(p.bytes[0], 1 | 2) && p.bytes[2] <= 16 { Match::Yes } else { Match::No }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        self.0.next(cx, "dhcp", bytes, |told, cx, tx| message(told, cx, tx, dir, bytes))
    }

    fn transactions(&self) -> u32 {
        self.0.count()
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

fn message<O: Out>(told: &mut Told, cx: &mut Cx<'_, O>, tx: u32, dir: Direction, bytes: &[u8]) -> Option<()> {
    let mut c = Cursor::new(bytes);
    let (op, htype, hlen) = (c.u8()?, c.u8()?, usize::from(c.u8()?).min(16));
    c.skip(1)?;
    let id = c.u32()?;
    // Seconds and flags.
    c.skip(4)?;
    let mut ip = || Some(Ip::v4(c.take(4)?.try_into().ok()?));
    let (client_ip, assigned_ip, next_server, relay) = (ip()?, ip()?, ip()?, ip()?);
    let chaddr = &c.take(16)?[..hlen];
    let cookie = has_cookie(bytes);
    let o = if cookie { Options::read(bytes, OPTIONS_AT) } else { Options::none() };
    let chaddr_mac = <[u8; 6]>::try_from(chaddr).ok().filter(|_| htype == 1).map(Mac);

    let text = |b: &[u8]| crate::proto::dns::message::put_colons(b);
    let client_mac = text(chaddr);
    let client_id = o.get(61).and_then(|v| v.get(1..)).map(text);
    let addr = |code| o.get(code).and_then(|v| <[u8; 4]>::try_from(v).ok()).map(Ip::v4);
    let seconds = |code| o.get(code).and_then(|v| <[u8; 4]>::try_from(v).ok()).map(u32::from_be_bytes);
    let name = |code| o.get(code).map(trimmed).filter(|v| !v.is_empty());
    let (routers, dns_servers) = (addresses(o.get(3)), addresses(o.get(6)));
    let params: Vec<&str> = o.get(55).unwrap_or(&[]).iter().filter_map(|p| param_name(*p)).collect();
    let fingerprint = o.get(55).map(listed);
    let fqdn = o.get(81).and_then(client_fqdn);
    let dhcp_type = o.get(53).and_then(|v| v.first()).map(|t| type_name(*t));
    let routes = routes(o.get(121).or(o.get(249)));
    let routes: Vec<&[u8]> = routes.iter().map(Vec::as_slice).collect();
    let reply = op == 2;
    let sender = match dir {
        Direction::ToServer => cx.client_mac,
        Direction::ToClient => cx.server_mac,
    };
    let record = DhcpMessage {
        kind: if reply { "reply" } else { "request" },
        id,
        client_mac: &client_mac,
        assigned_ip,
        client_ip,
        relay_ip: reply.then_some(relay),
        next_server_ip: reply.then_some(next_server),
        dhcp_type,
        client_id: client_id.as_deref(),
        hostname: o.get(12).filter(|v| !v.is_empty()),
        params: &params,
        requested_ip: addr(50),
        lease_time: seconds(51),
        renewal_time: seconds(58),
        rebinding_time: seconds(59),
        subnet_mask: addr(1),
        routers: &routers,
        dns_servers: &dns_servers,
        vendor_class_identifier: o.get(60),
        server_id: addr(54),
        domain: name(15),
        fqdn: fqdn.as_deref(),
        fingerprint: fingerprint.as_deref(),
        options: &o.order(),
        frame_mac: Some(sender).filter(|m| !reply && *m != Mac::ZERO && Some(*m) != chaddr_mac),
        message: name(56),
        wpad: name(252),
        routes: &routes,
        boot_server: name(66),
        boot_file: name(67),
        relay_info: o.get(82).map(Hex),
    };
    cx.push_from(dir, NO_TX, &record);
    if !cookie {
        cx.anomaly("dhcp", "malformed_options", tx);
    } else if o.cut {
        cx.anomaly("dhcp", "truncated_options", tx);
    }
    let is = |t: &str| dhcp_type == Some(t);
    if !reply {
        let client = About::new(Some(client_ip), chaddr_mac);
        told.fact(cx, client, "hostname", name(12).unwrap_or(&[]), "dhcp", 80);
        told.fact(cx, client, "fqdn", fqdn.as_deref().unwrap_or(&[]), "dhcp", 80);
        told.fact(cx, client, "dhcp_fingerprint", fingerprint.as_deref().unwrap_or(&[]), "dhcp", 90);
        told.fact(cx, client, "dhcp_vendor_class", name(60).unwrap_or(&[]), "dhcp", 90);
    } else if is("ack") && !assigned_ip.is_unspecified() {
        let mut value = Vec::new();
        assigned_ip.write(&mut value);
        // A lease renewed is a lease told again: it is about time, not about a trait.
        cx.push(
            NO_TX,
            &crate::record::Fact {
                ip: Some(assigned_ip),
                mac: chaddr_mac,
                key: "lease",
                value: &value,
                source: "dhcp",
                confidence: 95,
                hearsay: vigie_event::Flag(false),
            },
        );
    }
    if reply && (is("offer") || is("ack")) {
        // Behind a relay the frame is the relay's.
        let mac = Some(sender).filter(|_| relay.is_unspecified());
        told.fact(cx, About::new(addr(54), mac), "service", b"dhcp-server", "dhcp", 90);
    }
    Some(())
}

fn has_cookie(bytes: &[u8]) -> bool {
    bytes.get(OPTIONS_AT - 4..OPTIONS_AT) == Some(&COOKIE)
}

fn type_name(t: u8) -> &'static str {
    match t {
        1 => "discover",
        2 => "offer",
        3 => "request",
        4 => "decline",
        5 => "ack",
        6 => "nak",
        7 => "release",
        8 => "inform",
        _ => "unknown",
    }
}

/// The parameters that EVE names.
fn param_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "subnet_mask",
        3 => "router",
        6 => "dns_server",
        15 => "domain",
        35 => "arp_timeout",
        42 => "ntp_server",
        66 => "tftp_server_name",
        150 => "tftp_server_ip",
        _ => return None,
    })
}

/// Numbers with commas.
fn listed(codes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(codes.len() * 4);
    for (i, c) in codes.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(itoa::Buffer::new().format(*c).as_bytes());
    }
    out
}

/// Text without the zeros and blanks that some stacks put behind it.
fn trimmed(b: &[u8]) -> &[u8] {
    let mut b = b;
    while let [rest @ .., 0 | b' ' | b'\r' | b'\n'] = b {
        b = rest;
    }
    b
}
