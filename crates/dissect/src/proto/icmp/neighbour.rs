//! Neighbour discovery (RFC 4861) and redirects.

use super::{Icmp, IcmpMessage, IcmpRouter};
use crate::told::About;
use crate::{Cursor, Cx};
use vigie_base::hash::Stable;
use vigie_base::{Direction, Ip, Mac};
use vigie_event::{Flag, NO_TX, Out};

/// Options read of one message, and prefixes and servers kept.
const OPTIONS_MAX: usize = 32;

/// Options: type, and data without type and length.
fn options(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut c = Cursor::new(bytes);
    std::iter::from_fn(move || {
        let (kind, len) = (c.u8()?, usize::from(c.u8()?) * 8);
        // A length of zero is forbidden (section 4.6).
        Some((kind, c.take(len.checked_sub(2)?)?))
    })
    .take(OPTIONS_MAX)
}

fn address(c: &mut Cursor<'_>) -> Option<Ip> {
    Some(Ip::v6(c.take(16)?.try_into().ok()?))
}

fn link_address(bytes: &[u8], kind: u8) -> Option<Mac> {
    let (_, data) = options(bytes).find(|(k, _)| *k == kind)?;
    Some(Mac(data.get(..6)?.try_into().ok()?))
}

/// A message of neighbour discovery, from its type on.
pub(super) fn message<O: Out>(flow: &mut Icmp, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Option<()> {
    let mut c = Cursor::new(bytes);
    let kind = c.u8()?;
    let sender = cx.sender(dir);
    // Type, code, checksum; then four bytes that differ by type.
    c.skip(3)?;
    match kind {
        133 => {
            c.skip(4)?;
            claims(flow, cx, sender, link_address(c.rest(), 1), 80);
        }
        134 => router(flow, cx, dir, bytes)?,
        135 => {
            c.skip(20)?;
            claims(flow, cx, sender, link_address(c.rest(), 1), 85);
        }
        136 => {
            c.skip(4)?;
            let target = address(&mut c)?;
            claims(flow, cx, target, link_address(c.rest(), 2), 90);
        }
        137 => {
            c.skip(4)?;
            let (gateway, destination) = (address(&mut c)?, address(&mut c)?);
            redirect(flow, cx, dir, gateway, destination);
        }
        _ => {}
    }
    Some(())
}

/// A hardware address claims an address.
fn claims<O: Out>(flow: &mut Icmp, cx: &mut Cx<'_, O>, ip: Ip, mac: Option<Mac>, confidence: u8) {
    let about = About::new(Some(ip), mac);
    if let (Some(_), Some(mac)) = (about.ip, about.mac) {
        let mut value = Vec::with_capacity(17);
        mac.write(&mut value);
        flow.told.fact(cx, about, "neighbour", &value, "icmpv6", confidence);
    }
}

fn router<O: Out>(flow: &mut Icmp, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Option<()> {
    // Without the checksum, which changes with nothing else.
    let hash = Stable::default().bytes(bytes.get(4..)?).bytes(&cx.sender(dir).0).finish();
    if std::mem::replace(&mut flow.router, hash) == hash {
        return Some(());
    }
    let mut c = Cursor::new(bytes);
    c.skip(4)?;
    let (hop_limit, flags, lifetime) = (c.u8()?, c.u8()?, c.u16()?);
    c.skip(8)?;
    let mac = link_address(c.rest(), 1);
    let mut prefixes: Vec<Vec<u8>> = Vec::new();
    let mut dns_servers = Vec::new();
    for (kind, data) in options(c.rest()) {
        match kind {
            3 => {
                if let (Some(bits), Some(p)) = (data.first(), data.get(14..30).and_then(|p| p.try_into().ok())) {
                    let mut text = Vec::new();
                    Ip::v6(p).write(&mut text);
                    text.push(b'/');
                    text.extend_from_slice(itoa::Buffer::new().format(*bits).as_bytes());
                    prefixes.push(text);
                }
            }
            25 => dns_servers.extend(data.get(6..).unwrap_or(&[]).chunks_exact(16).filter_map(|b| b.try_into().ok().map(Ip::v6))),
            _ => {}
        }
    }
    let prefixes: Vec<&[u8]> = prefixes.iter().map(Vec::as_slice).collect();
    let router = IcmpRouter {
        hop_limit,
        managed: Flag(flags & 0x80 != 0),
        other: Flag(flags & 0x40 != 0),
        lifetime,
        mac,
        prefixes: &prefixes,
        dns_servers: &dns_servers,
    };
    cx.push_from(dir, NO_TX, &IcmpMessage { router: Some(router), ..flow.figures("router") });
    let sender = cx.sender(dir);
    claims(flow, cx, sender, mac, 90);
    flow.told.fact(cx, About::new(Some(sender), mac), "service", b"ipv6-router", "icmpv6", 90);
    Some(())
}

/// An ICMP redirect (RFC 792): the gateway, then the datagram that it is about.
pub(super) fn redirect_v4<O: Out>(flow: &Icmp, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) {
    let v4 = |at: usize| bytes.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(Ip::v4);
    if let (Some(gateway), Some(destination)) = (v4(4), v4(24)) {
        redirect(flow, cx, dir, gateway, destination);
    }
}

fn redirect<O: Out>(flow: &Icmp, cx: &mut Cx<'_, O>, dir: Direction, gateway: Ip, destination: Ip) {
    // The first of a flow only: a flow goes from one router to one host.
    if flow.total() == 1 {
        cx.push_from(dir, NO_TX, &IcmpMessage { gateway: Some(gateway), destination: Some(destination), ..flow.figures("redirect") });
    }
}
