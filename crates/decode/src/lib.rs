//! Frames to layers: a pure function of the frame's bytes.
//!
//! [`decode`] walks from the link header inwards, through VLANs, labels and tunnels, to the transport header of the innermost
//! packet, and leaves numbers and spans in a [`Packet`]. It keeps no state, copies no payload and allocates nothing. Every step
//! consumes bytes of the frame and the number of nested headers is capped, so its time is bounded by the frame's length.
//!
//! What is inside a tunnel replaces what carries it, if it can be read to its transport header (or is ARP); otherwise the
//! outer packet stands. A packet that the capture cut is decoded as far as its bytes go.
//!
//! It assumes nothing of its input: any bytes under any link type give a [`Packet`] whose spans lie inside the frame.
//!
//! ```
//! use vigie_decode::{decode, Body, Packet, Settings};
//! // LINKTYPE_RAW: an IPv4 header, then UDP from port 5353 to port 53 without payload.
//! let frame = [
//!     0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, //
//!     0x14, 0xe9, 0, 53, 0, 8, 0, 0,
//! ];
//! let mut packet = Packet::EMPTY;
//! decode(&Settings::default(), 101, &frame, frame.len() as u32, &mut packet);
//! assert_eq!(packet.body, Body::Udp);
//! assert_eq!((packet.src_port, packet.dst_port), (5353, 53));
//! assert_eq!(packet.src.to_string(), "10.0.0.1");
//! ```

mod checksum;
mod datagram;
mod ether;
mod ip;
mod link;
pub mod packet;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;
mod wireless;

pub use datagram::rebuild;
pub use packet::{Anomalies, Anomaly, Body, End, Fragment, Packet, Span, Tcp, TunnelKind};

/// How many ports may be named for each kind of tunnel over UDP.
pub const TUNNEL_PORTS_MAX: usize = 4;
/// How many headers below the transport may be nested (VLAN tags, label stacks, PPP, tunnels...) before decode gives up.
pub const LAYERS_MAX: u8 = 24;

/// What of decoding is a matter of taste or of the site.
#[derive(Clone, Debug)]
pub struct Settings {
    /// UDP destination ports that carry VXLAN; 0 is an unused place. Beside IANA's 4789 and 4790 (GPE), 8472 stands by default:
    /// Linux had it before, and container networks (Flannel, Cilium) still use it.
    pub vxlan_ports: [u16; TUNNEL_PORTS_MAX],
    /// UDP destination ports that carry GENEVE; 0 is an unused place.
    pub geneve_ports: [u16; TUNNEL_PORTS_MAX],
    /// UDP ports, either side, that may carry Teredo; 0 is an unused place. What does not read as IPv6 inside stays plain UDP.
    pub teredo_ports: [u16; TUNNEL_PORTS_MAX],
    /// Verify the IPv4 header checksum, and note when it is wrong.
    pub ip_checksum: bool,
    /// Verify TCP, UDP and ICMP checksums of whole packets, and note when they are wrong. Reads all payload bytes; what the
    /// sensor's own machine sends looks wrong where the network card computes them.
    pub l4_checksum: bool,
    /// How deep tunnels are followed, at most [`packet::TUNNEL_DEPTH_MAX`]; 0 follows none.
    pub tunnel_depth: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            vxlan_ports: [4789, 4790, 8472, 0],
            geneve_ports: [6081, 0, 0, 0],
            teredo_ports: [3544, 0, 0, 0],
            ip_checksum: true,
            l4_checksum: false,
            tunnel_depth: packet::TUNNEL_DEPTH_MAX,
        }
    }
}

/// Decodes one frame into `out`, whatever was in it before.
///
/// `link` is the LINKTYPE number of pcap and pcapng; `wire_len` is the length that the frame had on the wire, in bytes: more than
/// `data.len()` is noted as [`Anomaly::Snapped`].
#[inline]
pub fn decode(settings: &Settings, link: u16, data: &[u8], wire_len: u32, out: &mut Packet) {
    *out = Packet::EMPTY;
    let mut walk = Walk::new(settings, data, out);
    if (walk.data.len() as u64) < u64::from(wire_len) {
        walk.note(Anomaly::Snapped);
    }
    if link == link::ETHERNET { walk.ethernet(0) } else { walk.link(link, 0) }
}

/// Decodes a datagram put together again from fragments (see [`rebuild`]) into `out`.
///
/// `data` is an IP packet from its first header byte: with the lengths of the whole, and no longer marked as a fragment. `carried`
/// is the packet of its last fragment: link addresses, EtherType, VLANs and tunnel are taken from it, but not its anomalies, which
/// are the fragment's own. Spans of `out` are of `data`.
///
/// The result may be a fragment again: of a packet in a tunnel, or (forged) behind a second fragment header.
pub fn decode_datagram(settings: &Settings, carried: &Packet, data: &[u8], out: &mut Packet) {
    *out = Packet {
        src_mac: carried.src_mac,
        dst_mac: carried.dst_mac,
        ethertype: carried.ethertype,
        vlan: carried.vlan,
        vlans: carried.vlans,
        tunnel: carried.tunnel,
        tunnel_depth: carried.tunnel_depth,
        tunnel_key: carried.tunnel_key,
        ..Packet::EMPTY
    };
    Walk::new(settings, data, out).any_ip(0);
}

/// Decodes `data` as a fuzzer chooses it: the first two bytes are the link type (big-endian), the rest is the frame.
///
/// # Panics
/// If a span leaves the frame, or a packet goes on without saying what it carries: what a fuzzer looks for.
pub fn fuzz(data: &[u8]) {
    let Some((link, frame)) = data.split_first_chunk::<2>() else { return };
    let settings = Settings { l4_checksum: true, ..Settings::default() };
    let (mut packet, mut again) = (Packet::EMPTY, Packet::EMPTY);
    decode(&settings, u16::from_be_bytes(*link), frame, frame.len() as u32, &mut packet);
    assert_spans(&packet, frame.len());
    if let Body::Fragment(fragment) = packet.body {
        let mut datagram = Vec::new();
        if rebuild(&packet, frame, fragment.data.of(frame), &mut datagram) {
            decode_datagram(&settings, &packet, &datagram, &mut again);
            assert_spans(&again, datagram.len());
        }
    }
}

fn assert_spans(packet: &Packet, len: usize) {
    let of_body = match packet.body {
        Body::Arp(span) => span,
        Body::Tcp(tcp) => tcp.options,
        Body::Fragment(fragment) => fragment.data,
        _ => Span::default(),
    };
    for span in [packet.ip, packet.l4, packet.payload, of_body] {
        assert!(span.start <= span.end && span.end as usize <= len, "{span:?} of {len} bytes: {packet:?}");
    }
    assert_eq!(packet.end == End::GoesOn, packet.body != Body::None, "{packet:?}");
}

/// One walk over a frame: where it may read, and what it writes.
struct Walk<'a> {
    settings: &'a Settings,
    data: &'a [u8],
    out: &'a mut Packet,
    /// Where the layer in hand ends: it only shrinks on the way in, and is never past `data`.
    end: usize,
    /// Whether bytes of the packet in hand are missing, by snap length or by a length field that claims more.
    cut: bool,
    /// Whether the transport's checksum was made with another destination than the header's.
    rerouted: bool,
    /// How many more headers may be nested.
    layers: u8,
}

impl<'a> Walk<'a> {
    #[inline]
    fn new(settings: &'a Settings, data: &'a [u8], out: &'a mut Packet) -> Self {
        // Spans count in 32 bits; no link carries a frame that long.
        let data = data.get(..u32::MAX as usize).unwrap_or(data);
        Walk { settings, data, out, end: data.len(), cut: false, rerouted: false, layers: LAYERS_MAX }
    }

    /// The `N` bytes at `at`, if the layer in hand has them.
    #[inline(always)]
    fn head<const N: usize>(&self, at: usize) -> Option<&'a [u8; N]> {
        self.data.get(at..self.end)?.first_chunk()
    }

    /// From `at` to the end of the layer in hand; `at` past it gives an empty span.
    #[inline(always)]
    fn rest(&self, at: usize) -> Span {
        Span { start: at.min(self.end) as u32, end: self.end as u32 }
    }

    /// Shortens the layer in hand to `len` bytes from `at`, if it has more.
    #[inline]
    fn shorten(&mut self, at: usize, len: usize) {
        self.end = self.end.min(at.saturating_add(len));
    }

    #[inline]
    fn note(&mut self, anomaly: Anomaly) {
        self.out.anomalies.add(anomaly);
    }

    #[cold]
    fn invalid(&mut self, anomaly: Anomaly) {
        self.note(anomaly);
        self.out.end = End::Invalid;
    }

    /// Counts one more nested header; at the cap the frame is given up.
    #[inline]
    fn deeper(&mut self) -> bool {
        match self.layers.checked_sub(1) {
            Some(left) => {
                self.layers = left;
                true
            }
            None => {
                self.invalid(Anomaly::TunnelTooDeep);
                false
            }
        }
    }
}

/// The big-endian 16 bits at `at` of a header whose length is known.
#[inline(always)]
fn be16<const N: usize>(header: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

/// The big-endian 32 bits at `at` of a header whose length is known.
#[inline(always)]
fn be32<const N: usize>(header: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}
