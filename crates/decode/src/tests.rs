//! One example per encapsulation, built from parts; then properties over any bytes.

use crate::packet::VLAN_MAX;
use crate::*;
use proptest::prelude::*;
use vigie_base::{Ip, Mac};

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];
const OUTER_A: [u8; 4] = [192, 0, 2, 1];
const OUTER_B: [u8; 4] = [192, 0, 2, 2];
const MAC_A: [u8; 6] = [2, 0, 0, 0, 0, 1];
const MAC_B: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn ipv4_between(src: [u8; 4], dst: [u8; 4], proto: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len() as u16).to_be_bytes();
    let mut p = cat(&[&[0x45, 0], &total, &[0x12, 0x34, 0x40, 0, 64, proto, 0, 0], &src, &dst]);
    let sum = !checksum::sum(&p);
    p[10..12].copy_from_slice(&sum.to_be_bytes());
    cat(&[&p, payload])
}

fn ipv4(proto: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_between(A, B, proto, payload)
}

fn address6(last: u8) -> [u8; 16] {
    let mut a = [0; 16];
    a[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    a[15] = last;
    a
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    cat(&[&[0x60, 0, 0, 0], &len, &[next, 64], &address6(1), &address6(2), payload])
}

fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len() as u16).to_be_bytes();
    cat(&[&src.to_be_bytes(), &dst.to_be_bytes(), &len, &[0, 0], payload])
}

fn tcp(payload: &[u8]) -> Vec<u8> {
    cat(&[&[0x9c, 0x40, 0x00, 0x50, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0], payload])
}

fn ethernet(ty: u16, payload: &[u8]) -> Vec<u8> {
    cat(&[&MAC_B, &MAC_A, &ty.to_be_bytes(), payload])
}

/// The packet that every encapsulation below carries.
fn inner() -> Vec<u8> {
    ipv4(17, &udp(5353, 53, b"hello"))
}

fn run(link: u16, frame: &[u8]) -> Packet {
    let mut packet = Packet::EMPTY;
    decode(&Settings::default(), link, frame, frame.len() as u32, &mut packet);
    assert_spans(&packet, frame.len());
    packet
}

/// Decodes, and holds that the packet inside is [`inner`]'s without oddity.
#[track_caller]
fn carries_inner(link: u16, frame: &[u8]) -> Packet {
    let p = run(link, frame);
    assert_eq!((p.end, p.body), (End::GoesOn, Body::Udp), "{p:?}");
    assert_eq!((p.src, p.dst, p.src_port, p.dst_port), (Ip::v4(A), Ip::v4(B), 5353, 53), "{p:?}");
    assert_eq!(p.payload.of(frame), b"hello");
    assert_eq!(p.ip.of(frame), inner());
    assert_eq!(p.anomalies, Anomalies::default());
    p
}

#[test]
fn ethernet_tcp_with_padding() {
    let frame = ethernet(0x0800, &cat(&[&ipv4(6, &tcp(b"x")), &[0; 5]]));
    let p = run(1, &frame);
    let Body::Tcp(t) = p.body else { panic!("{p:?}") };
    assert_eq!((t.seq, t.ack, t.flags, t.window, t.options.len()), (7, 9, Tcp::ACK | Tcp::PSH, 0x2000, 0));
    assert_eq!((p.src_port, p.dst_port, p.payload.of(&frame)), (40000, 80, &b"x"[..]));
    assert_eq!((p.src_mac, p.dst_mac, p.ethertype), (Mac(MAC_A), Mac(MAC_B), 0x0800));
    assert_eq!((p.ttl, p.proto, p.ip_id, p.dont_fragment, p.ip_version), (64, 6, 0x1234, true, 4));
    assert_eq!(p.anomalies, Anomalies::default());
}

#[test]
fn vlan_tags() {
    let p = carries_inner(1, &ethernet(0x8100, &cat(&[&[0x20, 5, 8, 0], &inner()])));
    assert_eq!(p.vlan_ids(), [5]);
    let p = carries_inner(1, &ethernet(0x88a8, &cat(&[&[0, 100, 0x81, 0, 0x2f, 0xff, 8, 0], &inner()])));
    assert_eq!(p.vlan_ids(), [100, 0xfff]);
    let p = carries_inner(1, &ethernet(0x8100, &cat(&[&[0x60, 0, 8, 0], &inner()])));
    assert_eq!(p.vlan_ids(), [0_u16; 0], "a priority tag names no VLAN");
    let p = run(1, &ethernet(0x9100, &cat(&[&[0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 0x81, 0, 0, 4, 8, 0], &inner()])));
    assert_eq!((p.vlan_ids(), p.body), (&[1, 2, 3][..], Body::Udp));
    assert!(p.anomalies.has(Anomaly::VlanTooManyLayers) && VLAN_MAX == 3);
}

#[test]
fn tags_between_ethernet_and_ip() {
    carries_inner(1, &ethernet(0x8926, &cat(&[&[0, 1, 0, 1, 8, 0], &inner()])));
    carries_inner(1, &ethernet(0x893f, &cat(&[&[0, 1, 0, 1, 0, 0, 8, 0], &inner()])));
    carries_inner(1, &ethernet(0x8909, &cat(&[&[1, 1, 0, 1, 0, 9, 8, 0], &inner()])));
    carries_inner(1, &ethernet(0x892f, &cat(&[&[0x10, 0x40, 0, 1, 8, 0], &inner()])));
    carries_inner(1, &ethernet(0x88e5, &cat(&[&[0x00, 0, 0, 0, 0, 1, 8, 0], &inner()])));
    carries_inner(1, &ethernet(0x88e5, &cat(&[&[0x20, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0], &inner()])));
    assert_eq!(run(1, &ethernet(0x88e5, &cat(&[&[0x0c, 0, 0, 0, 0, 1, 8, 0], &inner()]))).end, End::NotIp);
    carries_inner(1, &ethernet(0x88e7, &cat(&[&[0, 0, 0, 7], &ethernet(0x0800, &inner())])));
    carries_inner(1, &ethernet(0x8903, &cat(&[&[0, 0x20], &ethernet(0x0800, &inner())])));
    carries_inner(1, &ethernet(0x22f3, &cat(&[&[0x00, 0x49, 0, 1, 0, 2, 9, 9, 9, 9], &ethernet(0x0800, &inner())])));
    carries_inner(1, &ethernet(0x894f, &cat(&[&[0, 2, 1, 1, 0, 0, 1, 255], &inner()])));
}

#[test]
fn llc_and_snap() {
    let snap = cat(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner()]);
    carries_inner(1, &ethernet(snap.len() as u16, &snap));
    let bare = cat(&[&[6, 6, 3], &inner()]);
    carries_inner(1, &ethernet(bare.len() as u16, &bare));
    assert_eq!(run(1, &ethernet(38, &[0x42; 46])).end, End::NotIp, "spanning tree");
    assert_eq!(run(1, &ethernet(1501, &snap)).end, End::NotIp);
    assert_eq!(run(1, &ethernet(0x88cc, &[0; 46])).end, End::NotIp, "LLDP");
}

#[test]
fn mpls() {
    let stack = [0, 1, 0x00, 64, 0, 2, 0x01, 64];
    carries_inner(1, &ethernet(0x8847, &cat(&[&stack, &inner()])));
    let p = carries_inner(1, &ethernet(0x8847, &cat(&[&stack, &[0; 4], &ethernet(0x8100, &cat(&[&[0, 9, 8, 0], &inner()]))])));
    assert_eq!(p.vlan_ids(), [9], "a pseudowire with control word");
    let p = carries_inner(1, &ethernet(0x8847, &cat(&[&stack, &ethernet(0x0800, &inner())])));
    assert_eq!(p.src_mac, Mac(MAC_A), "a pseudowire without");
    let endless = run(1, &ethernet(0x8847, &[0; 400]));
    assert_eq!(endless.end, End::Invalid);
}

#[test]
fn ppp_and_pppoe() {
    let len = (inner().len() as u16 + 2).to_be_bytes();
    let session = cat(&[&[0x11, 0, 0, 1], &len, &[0, 0x21], &inner()]);
    carries_inner(1, &ethernet(0x8864, &session));
    carries_inner(51, &session);
    carries_inner(9, &cat(&[&[0xff, 3, 0, 0x21], &inner()]));
    carries_inner(9, &cat(&[&[0, 0x21], &inner()]));
    carries_inner(50, &cat(&[&[0xff, 3, 0x21], &inner()]));
    carries_inner(50, &cat(&[&[0x0f, 0, 8, 0], &inner()]));
    carries_inner(166, &cat(&[&[1, 3, 0, 0x21], &inner()]));
    carries_inner(204, &cat(&[&[0, 0xff, 3, 0, 0x21], &inner()]));
    assert_eq!(run(1, &ethernet(0x8863, &[0x11, 9, 0, 0, 0, 0])).end, End::NotIp, "discovery");
    assert_eq!(run(9, &[0xff, 3, 0xc0, 0x21, 1, 1, 0, 4]).end, End::NotIp, "LCP");
}

#[test]
fn link_types() {
    for raw in [12, 14, 101, 228] {
        carries_inner(raw, &inner());
    }
    assert_eq!(run(229, &ipv6(17, &udp(1, 2, b""))).body, Body::Udp);
    carries_inner(0, &cat(&[&[2, 0, 0, 0], &inner()]));
    carries_inner(0, &cat(&[&[0, 0, 0, 2], &inner()]));
    carries_inner(108, &cat(&[&[0, 0, 0, 2], &inner()]));
    assert_eq!(run(0, &cat(&[&[30, 0, 0, 0], &ipv6(17, &udp(1, 2, b""))])).ip_version, 6);
    carries_inner(104, &cat(&[&[0x8f, 0, 8, 0], &inner()]));
    let p = carries_inner(113, &cat(&[&[0, 0, 0, 1, 0, 6], &MAC_A, &[0, 0, 8, 0], &inner()]));
    assert_eq!((p.src_mac, p.dst_mac), (Mac(MAC_A), Mac::ZERO));
    let p = carries_inner(276, &cat(&[&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6], &MAC_A, &[0, 0], &inner()]));
    assert_eq!(p.src_mac, Mac(MAC_A));
    carries_inner(109, &cat(&[&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &inner()]));
    carries_inner(117, &cat(&[&[61, 2], &[0; 62], &inner()]));
    let payload = inner();
    let len = (payload.len() as u16 + 4).to_le_bytes();
    carries_inner(239, &cat(&[&[2, 0, 0, 0], &[5, 0, 10, 0, 0, 0, 0, 0], &len, &[9, 0], &payload]));
    carries_inner(192, &cat(&[&[0, 0, 8, 0, 101, 0, 0, 0], &inner()]));
    carries_inner(240, &cat(&[&[0; 4], &ethernet(0x0800, &inner())]));
    let snap = cat(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner()]);
    carries_inner(10, &cat(&[&[0x50], &MAC_B, &MAC_A, &snap]));
    carries_inner(6, &cat(&[&[0x10, 0x40], &MAC_B, &[0x82, 0, 0, 0, 0, 1], &[0x04, 0, 1, 2], &snap]));
    carries_inner(100, &snap);
    assert_eq!(run(147, &inner()).end, End::LinkType);
}

#[test]
fn wireless() {
    let snap = cat(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner()]);
    let data = |control: [u8; 2], extra: &[u8]| cat(&[&control, &[0, 0], &MAC_B, &MAC_A, &[3; 6], &[0, 0], extra, &snap]);
    let p = carries_inner(105, &data([0x08, 0], &[]));
    assert_eq!((p.src_mac, p.dst_mac), (Mac(MAC_A), Mac(MAC_B)));
    let p = carries_inner(105, &data([0x88, 1], &[0, 0]));
    assert_eq!((p.src_mac, p.dst_mac), (Mac(MAC_A), Mac([3; 6])), "to the distribution system");
    let p = carries_inner(105, &data([0x08, 3], &[4; 6]));
    assert_eq!((p.src_mac, p.dst_mac), (Mac([4; 6]), Mac([3; 6])), "between access points");
    assert_eq!(run(105, &data([0x08, 0x40], &[])).end, End::NotIp, "protected");
    assert_eq!(run(105, &data([0x80, 0], &[])).end, End::NotIp, "beacon");
    carries_inner(127, &cat(&[&[0, 0, 8, 0, 0, 0, 0, 0], &data([0x08, 0], &[])]));
    // A second word of fields, the timer aligned behind it, and the flag of padding after a header of 26 bytes.
    let radiotap = [0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0x20];
    carries_inner(127, &cat(&[&radiotap, &data([0x88, 0], &[0, 0, 0, 0])]));
    carries_inner(119, &cat(&[&[0x44, 0, 0, 0], &[0; 140], &data([0x08, 0], &[])]));
    carries_inner(163, &cat(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64], &[0; 56], &data([0x08, 0], &[])]));
}

fn in_outer(proto: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4_between(OUTER_A, OUTER_B, proto, payload))
}

#[track_caller]
fn tunnels(kind: TunnelKind, frame: &[u8]) -> Packet {
    let p = carries_inner(1, frame);
    assert_eq!((p.tunnel, p.tunnel_depth), (kind, 1));
    assert_ne!(p.tunnel_key, 0);
    p
}

#[test]
fn gre() {
    let p = tunnels(TunnelKind::Gre, &in_outer(47, &cat(&[&[0, 0, 8, 0], &inner()])));
    assert_eq!(p.src_mac, Mac::ZERO, "the outer addresses are the tunnel's");
    let keyed = tunnels(TunnelKind::Gre, &in_outer(47, &cat(&[&[0xb0, 0, 8, 0], &[0; 4], &[0, 0, 0, 7], &[0; 4], &inner()])));
    assert_ne!(keyed.tunnel_key, p.tunnel_key);
    let p = tunnels(TunnelKind::Gre, &in_outer(47, &cat(&[&[0, 0, 0x65, 0x58], &ethernet(0x0800, &inner())])));
    assert_eq!(p.src_mac, Mac(MAC_A));
    let route = [0x40, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0];
    tunnels(TunnelKind::Gre, &in_outer(47, &cat(&[&route, &inner()])));
    let len = (inner().len() as u16 + 4).to_be_bytes();
    tunnels(TunnelKind::Gre, &in_outer(47, &cat(&[&[0x30, 0x81, 0x88, 0x0b], &len, &[0, 1], &[0; 8], &[0xff, 3, 0, 0x21], &inner()])));
    tunnels(TunnelKind::Gre, &in_outer(47, &cat(&[&[0, 0, 0x88, 0x3e, 0, 0, 0, 0], &inner()])));
}

#[test]
fn erspan() {
    let frame = ethernet(0x0800, &inner());
    tunnels(TunnelKind::Erspan, &in_outer(47, &cat(&[&[0, 0, 0x88, 0xbe], &frame])));
    let p = tunnels(TunnelKind::Erspan, &in_outer(47, &cat(&[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &[0x10, 7, 0, 1, 0, 0, 0, 0], &frame])));
    assert_eq!(p.vlan_ids(), [7]);
    let three = [0x20, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let p = tunnels(TunnelKind::Erspan, &in_outer(47, &cat(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &three, &frame])));
    assert_eq!(p.vlan_ids(), [8]);
    let bare = [0x20, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0x08, 0];
    tunnels(TunnelKind::Erspan, &in_outer(47, &cat(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &bare, &inner()])));
    let unknown = [0x20, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0x1e, 0];
    let p = run(1, &in_outer(47, &cat(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &unknown, &frame])));
    assert_eq!((p.proto, p.tunnel, p.anomalies), (47, TunnelKind::None, Anomalies::default()), "a frame type that nobody describes");
}

fn vxlan(vni: u8, frame: &[u8]) -> Vec<u8> {
    udp(50000, 4789, &cat(&[&[8, 0, 0, 0, 0, 0, vni, 0], frame]))
}

#[test]
fn vxlan_and_geneve() {
    let frame = ethernet(0x8100, &cat(&[&[0, 9, 8, 0], &inner()]));
    let tagged = ethernet(0x8100, &cat(&[&[0, 5, 8, 0], &ipv4_between(OUTER_A, OUTER_B, 17, &vxlan(1, &frame))]));
    let p = tunnels(TunnelKind::Vxlan, &tagged);
    assert_eq!((p.vlan_ids(), p.src_mac), (&[9][..], Mac(MAC_A)), "of the innermost Ethernet header");
    let other = tunnels(TunnelKind::Vxlan, &in_outer(17, &vxlan(2, &frame)));
    assert_ne!(other.tunnel_key, p.tunnel_key);
    let back = tunnels(TunnelKind::Vxlan, &ethernet(0x0800, &ipv4_between(OUTER_B, OUTER_A, 17, &vxlan(2, &frame))));
    assert_eq!(back.tunnel_key, other.tunnel_key, "the same both ways");
    tunnels(TunnelKind::Vxlan, &in_outer(17, &udp(50000, 4790, &cat(&[&[0x0c, 0, 0, 1, 0, 0, 1, 0], &inner()]))));
    tunnels(TunnelKind::Geneve, &in_outer(17, &udp(50000, 6081, &cat(&[&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 9, 9, 9, 9], &frame]))));
    tunnels(TunnelKind::Geneve, &in_outer(17, &udp(50000, 6081, &cat(&[&[0, 0, 8, 0, 0, 0, 1, 0], &inner()]))));
}

#[test]
fn ip_in_ip() {
    tunnels(TunnelKind::IpIp, &in_outer(4, &inner()));
    tunnels(TunnelKind::IpIp, &ethernet(0x86dd, &ipv6(4, &inner())));
    let p = run(1, &in_outer(41, &ipv6(6, &tcp(b""))));
    assert_eq!((p.tunnel, p.ip_version, p.src), (TunnelKind::IpIp, 6, Ip::v6(address6(1))));
    let mut deep = inner();
    for _ in 0..6 {
        deep = ipv4_between(OUTER_A, OUTER_B, 4, &deep);
    }
    let p = run(101, &deep);
    assert_eq!((p.tunnel_depth, p.src, p.body), (4, Ip::v4(OUTER_A), Body::OtherIp));
    assert!(p.anomalies.has(Anomaly::TunnelTooDeep));
}

#[test]
fn teredo() {
    let inside = ipv6(17, &udp(5353, 53, b"hello"));
    let origin = [0, 0, 1, 2, 3, 4, 5, 6];
    let auth = [0, 1, 1, 2, 7, 8, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for headers in [&[][..], &origin, &auth, &cat(&[&auth, &origin])] {
        let frame = in_outer(17, &udp(3544, 40000, &cat(&[headers, &inside])));
        let p = run(1, &frame);
        assert_eq!((p.tunnel, p.src, p.src_port), (TunnelKind::Teredo, Ip::v6(address6(1)), 5353), "{headers:?}");
    }
    // What only begins like IPv6 is somebody's UDP, and no oddity.
    for other in [&b"`not IPv6 at all, but long enough to be looked at as such"[..], &cat(&[&inside, &[0]]), &ipv6(6, &[0; 3])] {
        let p = run(1, &in_outer(17, &udp(40000, 3544, other)));
        assert_eq!((p.body, p.dst_port, p.tunnel_depth, p.anomalies), (Body::Udp, 3544, 0, Anomalies::default()));
    }
}

#[test]
fn outer_packet_stands_where_the_inside_is_malformed() {
    let broken = in_outer(17, &vxlan(1, &ethernet(0x0800, &[0x41; 30])));
    let p = run(1, &broken);
    assert_eq!((p.src, p.dst_port, p.body, p.tunnel, p.tunnel_key), (Ip::v4(OUTER_A), 4789, Body::Udp, TunnelKind::None, 0));
    assert!(p.anomalies.has(Anomaly::TunnelInvalid) && p.anomalies.has(Anomaly::Ipv4HlenTooSmall));
    let no_ip = run(1, &in_outer(17, &vxlan(1, &ethernet(0x88cc, &[0; 30]))));
    assert_eq!((no_ip.body, no_ip.dst_port, no_ip.anomalies), (Body::Udp, 4789, Anomalies::default()));
    let not_vxlan = run(1, &in_outer(17, &udp(53, 4789, b"an answer to a client that has this port")));
    assert_eq!((not_vxlan.body, not_vxlan.anomalies), (Body::Udp, Anomalies::default()));
    let gre = run(1, &in_outer(47, &[0x20, 0]));
    assert!(gre.body == Body::OtherIp && gre.proto == 47 && gre.anomalies.has(Anomaly::GreInvalid));
    let p = run(
        1,
        &in_outer(17, &vxlan(1, &ethernet(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))),
    );
    assert!(matches!(p.body, Body::Arp(s) if s.len() == 28) && p.ip_version == 0 && p.tunnel == TunnelKind::Vxlan);
}

#[test]
fn ipv6_extension_headers() {
    let hop = [60, 0, 1, 4, 0, 0, 0, 0];
    let destination = [51, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let auth = [44, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let atomic = [43, 0, 0, 0, 0, 0, 0, 1];
    let routing = [6, 2, 4, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let frame = ethernet(0x86dd, &ipv6(0, &cat(&[&hop, &destination, &auth, &atomic, &routing, &tcp(b"abc")])));
    let p = run(1, &frame);
    assert!(matches!(p.body, Body::Tcp(_)), "{p:?}");
    assert_eq!((p.proto, p.payload.of(&frame)), (6, &b"abc"[..]));
    let p = run(101, &ipv6(0, &cat(&[&[58, 0, 5, 2, 0, 0, 0, 0], &[143, 0, 0, 0, 0, 0, 0, 0]])));
    assert_eq!(p.body, Body::Icmp { kind: 143, code: 0 });
    assert_eq!(run(101, &ipv6(50, &[0; 20])).proto, 50);
    assert_eq!(run(101, &ipv6(59, &[])).body, Body::OtherIp);
    assert_eq!(run(101, &ipv6(135, &[59, 0, 0, 0, 0, 0, 0, 0])).proto, 135);
    let many = cat(&[&[60, 0, 1, 4, 0, 0, 0, 0].repeat(11), &tcp(b"")]);
    assert!(run(101, &ipv6(60, &many)).anomalies.has(Anomaly::Ipv6TooManyExtHdrs));
    let cut = run(101, &ipv6(60, &[6, 9, 0, 0, 0, 0, 0, 0]));
    assert!(cut.end == End::Invalid && cut.anomalies.has(Anomaly::Ipv6TruncatedExtHdr));
}

#[test]
fn transports() {
    assert_eq!(run(101, &ipv4(1, &[8, 0, 0, 0, 0, 1, 0, 1])).body, Body::Icmp { kind: 8, code: 0 });
    let p = run(101, &ipv4(132, &[0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3]));
    assert_eq!((p.body, p.src_port, p.dst_port, p.payload.len()), (Body::Sctp, 1, 2, 1));
    let p = run(101, &ipv4(58, &[128, 0, 0, 0, 0, 1, 0, 1]));
    assert!(p.body == Body::OtherIp && p.anomalies.has(Anomaly::Ipv4Icmp6));
    let auth = cat(&[&[17, 4, 0, 0], &[0; 20], &udp(7, 8, b"")]);
    let p = run(101, &ipv4(51, &auth));
    assert_eq!((p.body, p.proto, p.src_port), (Body::Udp, 17, 7));
    let p = run(101, &ipv4(50, &[0; 30]));
    assert_eq!((p.body, p.payload.len()), (Body::OtherIp, 30));
}

#[test]
fn lengths_that_lie() {
    let whole = inner();
    // Segmentation offload leaves the total length open.
    let mut open = whole.clone();
    open[2..4].copy_from_slice(&[0, 0]);
    assert_eq!(run(101, &open).payload.of(&open), b"hello");
    // Cut by the snap length: on with what is there.
    let mut p = Packet::EMPTY;
    decode(&Settings::default(), 101, &whole[..30], whole.len() as u32, &mut p);
    assert_eq!((p.body, p.payload.len()), (Body::Udp, 2));
    assert!(p.anomalies.has(Anomaly::Snapped) && p.anomalies.has(Anomaly::Ipv4Truncated) && !p.anomalies.has(Anomaly::UdpInvalidLen));
    let mut segment = ipv4(6, &cat(&[&tcp(b""), &[1; 20], b"data"]));
    segment[32] = 0xa0;
    decode(&Settings::default(), 101, &segment[..44], segment.len() as u32, &mut p);
    assert_spans(&p, 44);
    assert!(matches!(p.body, Body::Tcp(t) if t.options.len() == 4) && p.payload.is_empty(), "cut within the options: {p:?}");
    let mut long = whole.clone();
    long[25] = 200;
    assert!(run(101, &long).anomalies.has(Anomaly::UdpInvalidLen));
    let mut options = ipv4(6, &cat(&[&tcp(b""), &[2, 9, 0, 0]]));
    options[32] = 0x60;
    let p = run(101, &options);
    assert!(matches!(p.body, Body::Tcp(t) if t.options.len() == 4) && p.anomalies.has(Anomaly::TcpOptInvalid));
    options[32] = 0xf0;
    let p = run(101, &options);
    assert!(p.end == End::Invalid && p.anomalies.has(Anomaly::TcpInvalidHlen));
}

#[test]
fn checksums() {
    let settings = Settings { l4_checksum: true, ..Settings::default() };
    let noted = |frame: &[u8]| {
        let mut p = Packet::EMPTY;
        decode(&settings, 101, frame, frame.len() as u32, &mut p);
        assert_eq!(p.end, End::GoesOn);
        p.anomalies.iter().collect::<Vec<_>>()
    };
    // An ICMP echo and a TCP reset whose sums were computed by hand here, from the definition.
    let with_sum = |proto: u8, mut l4: Vec<u8>, at: usize| {
        let pseudo = if proto == 1 { vec![] } else { cat(&[&A, &B, &[0, proto], &(l4.len() as u16).to_be_bytes()]) };
        let mut total: u32 = cat(&[&pseudo, &l4]).chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |b| u32::from(*b))).sum();
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        l4[at..at + 2].copy_from_slice(&(!(total as u16)).to_be_bytes());
        ipv4(proto, &l4)
    };
    for (good, wrong) in [
        (with_sum(1, vec![8, 0, 0, 0, 0, 1, 0, 1, 9], 2), Anomaly::IcmpChecksum),
        (with_sum(6, tcp(b"odd"), 16), Anomaly::TcpChecksum),
        (with_sum(17, udp(1, 2, b"abc"), 6), Anomaly::UdpChecksum),
    ] {
        assert_eq!(noted(&good), []);
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert_eq!(noted(&bad), [wrong]);
        let mut bad = good;
        bad[8] -= 1;
        assert_eq!(noted(&bad), [Anomaly::Ipv4Checksum]);
    }
    assert_eq!(noted(&ipv4(17, &udp(1, 2, b"none made"))), []);
    let route = |left: u8| cat(&[&[17, 2, 4, left, 0, 0, 0, 0], &address6(9), &udp(1, 2, b""), &[]]);
    let wrong_sum = |left: u8| {
        let mut p = ipv6(43, &route(left));
        *p.last_mut().unwrap() = 1;
        p
    };
    assert_eq!(noted(&wrong_sum(0)), [Anomaly::UdpChecksum]);
    assert_eq!(noted(&wrong_sum(1)), [], "made with the last address of the route");
}

#[test]
fn fragments_of_ipv4_and_back() {
    let whole = ipv4_between(OUTER_A, OUTER_B, 17, &vxlan(1, &ethernet(0x0800, &inner())));
    let (header, payload) = whole.split_at(20);
    let fragment = |offset: usize, bytes: &[u8], more: bool| {
        let mut p = cat(&[header, bytes]);
        let total = p.len() as u16;
        p[2..4].copy_from_slice(&total.to_be_bytes());
        p[6..8].copy_from_slice(&((offset as u16 / 8) | if more { 0x2000 } else { 0 }).to_be_bytes());
        p[10..12].copy_from_slice(&[0, 0]);
        let sum = !checksum::sum(&p[..20]);
        p[10..12].copy_from_slice(&sum.to_be_bytes());
        ethernet(0x8100, &cat(&[&[0, 5, 8, 0], &p, &[0; 3]]))
    };
    let (one, two) = (fragment(0, &payload[..32], true), fragment(32, &payload[32..], false));
    let (first, last) = (run(1, &one), run(1, &two));
    let Body::Fragment(f) = last.body else { panic!("{last:?}") };
    assert_eq!((f.id, f.offset, f.more, f.data.of(&two)), (0x1234, 32, false, &payload[32..]));
    assert_eq!((last.src_port, last.payload.len(), last.anomalies), (0, 0, Anomalies::default()));
    let mut datagram = Vec::new();
    assert!(rebuild(&first, &one, payload, &mut datagram));
    let mut p = Packet::EMPTY;
    decode_datagram(&Settings::default(), &last, &datagram, &mut p);
    assert_eq!(
        (p.src, p.payload.of(&datagram), p.tunnel, p.anomalies),
        (Ip::v4(A), &b"hello"[..], TunnelKind::Vxlan, Anomalies::default())
    );
    assert!(!rebuild(&first, &one, &[0; 65516], &mut datagram) && datagram.is_empty(), "longer than IPv4 allows");
    assert!(!rebuild(&p, &one, payload, &mut datagram), "no fragment");
}

#[test]
fn fragments_of_ipv6_and_back() {
    let payload = udp(5353, 53, b"0123456789");
    let hop = [44, 0, 1, 4, 0, 0, 0, 0];
    let one = ethernet(0x86dd, &ipv6(0, &cat(&[&hop, &[17, 0, 0, 1, 0, 0, 0, 9], &payload[..16]])));
    let two = ethernet(0x86dd, &ipv6(0, &cat(&[&hop, &[17, 0, 0, 16, 0, 0, 0, 9], &payload[16..]])));
    let (first, last) = (run(1, &one), run(1, &two));
    let Body::Fragment(f) = last.body else { panic!("{last:?}") };
    assert_eq!((f.id, f.offset, f.more, last.proto), (9, 16, false, 17));
    let mut datagram = Vec::new();
    assert!(rebuild(&first, &one, &payload, &mut datagram));
    assert_eq!(datagram, ipv6(0, &cat(&[&[17, 0, 1, 4, 0, 0, 0, 0], &payload])));
    let mut p = Packet::EMPTY;
    decode_datagram(&Settings::default(), &last, &datagram, &mut p);
    assert_eq!((p.body, p.src_mac, p.payload.of(&datagram)), (Body::Udp, Mac(MAC_A), &b"0123456789"[..]));
    // Without extension header before the fragment header, the fixed header's own field is mended.
    let bare = ethernet(0x86dd, &ipv6(44, &cat(&[&[17, 0, 0, 1, 0, 0, 0, 9], &payload[..16]])));
    assert!(rebuild(&run(1, &bare), &bare, &payload, &mut datagram));
    assert_eq!(datagram, ipv6(17, &payload));
}

#[test]
fn arp() {
    let message = cat(&[&[0, 1, 8, 0, 6, 4, 0, 1], &MAC_A, &A, &[0; 6], &B]);
    let frame = ethernet(0x0806, &cat(&[&message, &[0; 18]]));
    let p = run(1, &frame);
    assert!(matches!(p.body, Body::Arp(s) if s.of(&frame) == message), "{p:?}");
    assert!(run(1, &frame[..30]).anomalies.has(Anomaly::ArpInvalid));
}

/// Link types with a decoder.
const LINKS: &[u16] =
    &[0, 1, 6, 9, 10, 12, 14, 50, 51, 100, 101, 104, 105, 108, 109, 113, 117, 119, 127, 163, 166, 192, 204, 228, 229, 239, 240, 241, 276];

/// One frame of each encapsulation, to be cut and damaged.
fn samples() -> Vec<(u16, Vec<u8>)> {
    let frame = ethernet(0x8100, &cat(&[&[0, 9, 8, 0], &inner()]));
    let snap = cat(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner()]);
    let hop = [44, 0, 1, 4, 0, 0, 0, 0];
    vec![
        (1, ethernet(0x0800, &ipv4(6, &tcp(b"data")))),
        (1, frame.clone()),
        (1, in_outer(17, &vxlan(3, &in_outer(17, &vxlan(4, &frame))))),
        (1, in_outer(17, &udp(1, 6081, &cat(&[&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 9, 9, 9, 9], &frame])))),
        (1, in_outer(47, &cat(&[&[0xf0, 0, 8, 0], &[0; 12], &[0, 0, 0, 0], &inner()]))),
        (1, in_outer(47, &cat(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &[0x20, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], &frame]))),
        (1, in_outer(17, &udp(3544, 9, &cat(&[&[0, 1, 0, 0], &[0; 9], &[0, 0, 1, 2, 3, 4, 5, 6], &ipv6(6, &tcp(b"x"))])))),
        (1, in_outer(41, &ipv6(0, &cat(&[&hop, &[17, 0, 0, 1, 0, 0, 0, 9], &udp(1, 2, b"")])))),
        (1, ethernet(0x8847, &cat(&[&[0, 1, 1, 64, 0, 0, 0, 0], &frame]))),
        (1, ethernet(0x8864, &cat(&[&[0x11, 0, 0, 1, 0, 40, 0, 0x21], &inner()]))),
        (1, ethernet(0x894f, &cat(&[&[0, 2, 1, 3, 0, 0, 1, 255], &frame]))),
        (105, cat(&[&[0x88, 0, 0, 0], &MAC_B, &MAC_A, &[3; 6], &[0, 0, 0, 0], &snap])),
        (127, cat(&[&[0, 0, 9, 0, 2, 0, 0, 0, 0x20, 0x08, 0, 0, 0], &MAC_B, &MAC_A, &[3; 6], &[0, 0], &snap])),
        (239, cat(&[&[2, 0, 0, 0, 37, 0, 9, 0], &inner()])),
        (276, cat(&[&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6], &MAC_A, &[0, 0], &inner()])),
    ]
}

fn fuzz_one(link: u16, frame: &[u8]) {
    fuzz(&cat(&[&link.to_be_bytes(), frame]));
}

#[test]
fn cut_at_any_byte() {
    for (link, frame) in samples() {
        assert_eq!(run(link, &frame).end, End::GoesOn, "{link} {frame:x?}");
        for len in 0..frame.len() {
            fuzz_one(link, &frame[..len]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_under_any_link_type(link in 0..LINKS.len(), frame in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_one(LINKS[link], &frame);
    }

    #[test]
    fn damaged_frames(
        sample in 0..samples().len(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        at_all in any::<bool>(),
    ) {
        let (link, mut frame) = samples()[sample].clone();
        for (at, value) in damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        if at_all {
            frame.truncate(cut.index(frame.len()));
        }
        fuzz_one(link, &frame);
    }

    /// Both directions of a tunnelled flow have one key, whatever the addresses.
    #[test]
    fn tunnel_key_is_symmetric(a in any::<[u8; 4]>(), b in any::<[u8; 4]>(), vni in any::<u8>()) {
        let frame = ethernet(0x0800, &inner());
        let there = run(101, &ipv4_between(a, b, 17, &vxlan(vni, &frame)));
        let back = run(101, &ipv4_between(b, a, 17, &vxlan(vni, &frame)));
        prop_assert_eq!(there.tunnel_key, back.tunnel_key);
        prop_assert_ne!(there.tunnel_key, 0);
    }
}
