//! Tunnels over IP: GRE with ERSPAN and PPTP, VXLAN, GENEVE, Teredo; and how any tunnel is entered and left.

use crate::packet::TUNNEL_DEPTH_MAX;
use crate::{Anomaly, End, Packet, TunnelKind, Walk, be16, be32, ether};
use vigie_base::Mac;
use vigie_base::hash::Stable;

impl Walk<'_> {
    /// Decodes what a tunnel carries in the place of what carries it. The outer packet must be complete: it stands again if the
    /// inside is malformed (noted), or is neither IP nor ARP. `key` tells apart tunnels between the same two ends.
    pub(crate) fn enter(&mut self, kind: TunnelKind, key: u32, inside: impl FnOnce(&mut Self)) {
        if self.out.tunnel_depth >= self.settings.tunnel_depth.min(TUNNEL_DEPTH_MAX) || self.layers == 0 {
            return self.note(Anomaly::TunnelTooDeep);
        }
        self.layers -= 1;
        let outer = *self.out;
        *self.out = Packet {
            ethertype: outer.ethertype,
            vlan: outer.vlan,
            vlans: outer.vlans,
            tunnel: kind,
            tunnel_depth: outer.tunnel_depth + 1,
            tunnel_key: tunnel_key(&outer, kind, key),
            anomalies: outer.anomalies,
            src_mac: Mac::ZERO,
            dst_mac: Mac::ZERO,
            ..Packet::EMPTY
        };
        inside(self);
        match self.out.end {
            End::GoesOn => {}
            End::Invalid => {
                let anomalies = self.out.anomalies;
                *self.out = Packet { anomalies, ..outer };
                self.note(Anomaly::TunnelInvalid);
            }
            End::NotIp | End::LinkType => *self.out = outer,
        }
    }

    /// GRE: RFC 2784 and 2890, with the routing of RFC 1701; version 1 is PPTP's (RFC 2637 section 4.1).
    pub(crate) fn gre(&mut self, at: usize) {
        self.other_ip(at);
        let Some(h) = self.head::<4>(at) else { return self.note(Anomaly::GreInvalid) };
        let (flags, version, ty) = (h[0], h[1] & 0x07, be16(h, 2));
        match version {
            0 => self.gre_plain(flags, ty, at + 4),
            1 if ty == ether::PPP => self.gre_pptp(h[0], h[1], at + 4),
            _ => self.note(Anomaly::GreInvalid),
        }
    }

    fn gre_plain(&mut self, flags: u8, ty: u16, mut at: usize) {
        let (checksum, routing, has_key, sequence) = (flags & 0x80 != 0, flags & 0x40 != 0, flags & 0x20 != 0, flags & 0x10 != 0);
        if checksum || routing {
            at += 4;
        }
        let mut key = 0;
        if has_key {
            let Some(h) = self.head::<4>(at) else { return self.note(Anomaly::GreInvalid) };
            key = be32(h, 0);
            at += 4;
        }
        if sequence {
            at += 4;
        }
        if routing {
            // Source route entries: address family, offset, length; the last one is all zero.
            loop {
                let Some(h) = self.head::<4>(at) else { return self.note(Anomaly::GreInvalid) };
                at += 4 + usize::from(h[3]);
                if h[3] == 0 {
                    break;
                }
            }
        }
        if at > self.end {
            return self.note(Anomaly::GreInvalid);
        }
        match ty {
            // Without a sequence number it is type I, which has no header of its own.
            0x88be if !sequence => self.enter(TunnelKind::Erspan, 0, |walk| walk.ethernet(at)),
            0x88be | 0x22eb => self.erspan(ty, at),
            // WCCP: IPv4, behind a redirect header of 4 bytes in its second version.
            0x883e => {
                let redirect = self.head::<1>(at).is_some_and(|h| h[0] >> 4 != 4);
                self.enter(TunnelKind::Gre, key, |walk| walk.ipv4(if redirect { at + 4 } else { at }));
            }
            _ => self.enter(TunnelKind::Gre, key, |walk| walk.ethertype(ty, at)),
        }
    }

    fn gre_pptp(&mut self, flags: u8, more_flags: u8, at: usize) {
        let Some(h) = self.head::<4>(at) else { return self.note(Anomaly::GreInvalid) };
        // Without a sequence number it is an acknowledgement alone.
        if flags & 0x10 == 0 {
            return;
        }
        let ppp = at + 4 + 4 + if more_flags & 0x80 != 0 { 4 } else { 0 };
        if ppp > self.end {
            return self.note(Anomaly::GreInvalid);
        }
        let len = usize::from(be16(h, 0));
        // The call id is the receiver's: not the same in both directions, so no key.
        self.enter(TunnelKind::Gre, 0, |walk| {
            walk.shorten(ppp, len);
            walk.ppp(ppp);
        });
    }

    /// ERSPAN types II and III (draft-foschiano-erspan): a mirrored frame, whose VLAN tag may have moved into the header. The
    /// session id is no key: both directions of a mirrored flow may come in different sessions.
    fn erspan(&mut self, ty: u16, at: usize) {
        let Some(h) = self.head::<8>(at) else { return self.note(Anomaly::ErspanInvalid) };
        const ETHERNET: u8 = 0;
        const IP: u8 = 2;
        let mut frame_type = ETHERNET;
        let len = match (h[0] >> 4, ty) {
            (1, 0x88be) => 8,
            (2, 0x22eb) => {
                let Some(h) = self.head::<12>(at) else { return self.note(Anomaly::ErspanInvalid) };
                frame_type = h[10] >> 2 & 0x1f;
                // O tells of a platform header.
                if h[11] & 1 == 1 { 20 } else { 12 }
            }
            _ => return self.note(Anomaly::ErspanInvalid),
        };
        let vlan = be16(h, 0) & 0x0fff;
        let in_frame = ty == 0x88be && h[2] >> 3 & 0x03 == 3;
        self.enter(TunnelKind::Erspan, 0, |walk| {
            walk.out.vlans = 0;
            if !in_frame {
                walk.vlan(vlan);
            }
            match frame_type {
                ETHERNET => walk.tagged_ethernet(at + len),
                IP => walk.any_ip(at + len),
                _ => {}
            }
        });
    }

    /// What a UDP datagram carries at `at`, if its ports tell of a tunnel.
    #[inline]
    pub(crate) fn udp_tunnel(&mut self, src_port: u16, dst_port: u16, at: usize) {
        let named = |ports: &[u16], port: u16| port != 0 && ports.contains(&port);
        if named(&self.settings.vxlan_ports, dst_port) {
            self.vxlan(at);
        } else if named(&self.settings.geneve_ports, dst_port) {
            self.geneve(at);
        } else if named(&self.settings.teredo_ports, dst_port) || named(&self.settings.teredo_ports, src_port) {
            self.teredo(at);
        }
    }

    /// VXLAN (RFC 7348 section 5), and its extension that names what it carries (draft-ietf-nvo3-vxlan-gpe). Without the I flag it is
    /// another's datagram that happens to use the port.
    #[cold]
    fn vxlan(&mut self, at: usize) {
        if let Some(h) = self.head::<8>(at)
            && h[0] & 0x08 != 0
        {
            let vni = be32(h, 4) >> 8;
            let next_protocol = if h[0] & 0x04 != 0 { h[3] } else { 3 };
            self.enter(TunnelKind::Vxlan, vni, |walk| match next_protocol {
                1 => walk.ipv4(at + 8),
                2 => walk.ipv6(at + 8),
                3 => walk.ethernet(at + 8),
                _ => {}
            });
        }
    }

    /// GENEVE (RFC 8926 section 3.4).
    #[cold]
    fn geneve(&mut self, at: usize) {
        if let Some(h) = self.head::<8>(at)
            && h[0] >> 6 == 0
        {
            let (options, ty, vni) = (usize::from(h[0] & 0x3f) * 4, be16(h, 2), be32(h, 4) >> 8);
            self.enter(TunnelKind::Geneve, vni, |walk| walk.ethertype(ty, at + 8 + options));
        }
    }

    /// Teredo (RFC 4380 section 5.1.1): IPv6 behind optional authentication and origin headers. Followed only where the length of
    /// the packet inside is that of the datagram; else it stays UDP, which is no oddity.
    #[cold]
    fn teredo(&mut self, mut at: usize) {
        if let Some([0, 1, id, auth]) = self.head::<4>(at) {
            at += 4 + usize::from(*id) + usize::from(*auth) + 9;
        }
        if let Some([0, 0]) = self.head::<2>(at) {
            at += 8;
        }
        let Some(h) = self.head::<40>(at) else { return };
        if h[0] >> 4 != 6 || (usize::from(be16(h, 4)) != self.end - at - 40 && !self.cut) {
            return;
        }
        let outer = *self.out;
        self.enter(TunnelKind::Teredo, 0, |walk| walk.ipv6(at));
        if self.out.tunnel_depth == outer.tunnel_depth && self.out.anomalies.has(Anomaly::TunnelInvalid) {
            *self.out = outer;
        }
    }
}

/// The key of a tunnel in `outer`: see [`Packet::tunnel_key`].
fn tunnel_key(outer: &Packet, kind: TunnelKind, key: u32) -> u32 {
    let (a, b) = (outer.src.bits().min(outer.dst.bits()), outer.src.bits().max(outer.dst.bits()));
    let hash = Stable::default()
        .word(u64::from(outer.tunnel_key) << 32 | u64::from(key))
        .word(kind as u64)
        .word((a >> 64) as u64)
        .word(a as u64)
        .word((b >> 64) as u64)
        .word(b as u64)
        .finish();
    // 0 says that there is no tunnel.
    (hash as u32).max(1)
}
