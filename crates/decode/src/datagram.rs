//! A whole datagram written from its first fragment's headers and its payload.

use crate::ip::{AUTHENTICATION, FRAGMENT};
use crate::packet::{Packet, Span};
use crate::{Body, checksum};

/// Writes into `out` (emptied first) the IP packet that was cut into fragments, as [`crate::decode_datagram`] reads it.
///
/// `first` is the packet of the fragment at offset 0 and `first_frame` the bytes that it was decoded from; of them only the IP
/// header is read (for IPv6: the unfragmentable part, RFC 8200 section 4.5). `payload` is the datagram's payload from offset 0 on.
/// Lengths are mended; for IPv4 the fragment field is cleared and the checksum made anew, for IPv6 the fragment header is left out.
///
/// False, with `out` empty, if `first` is no fragment or the whole is longer than IP allows (65,535 bytes).
pub fn rebuild(first: &Packet, first_frame: &[u8], payload: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let done = matches!(first.body, Body::Fragment(_))
        && match first.ip_version {
            4 => ipv4(first, first_frame, payload, out),
            _ => ipv6(first, first_frame, payload, out),
        }
        .is_some();
    if !done {
        out.clear();
    }
    done
}

fn ipv4(first: &Packet, frame: &[u8], payload: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let header = Span { start: first.ip.start, end: first.l4.start }.of(frame);
    let total = u16::try_from(header.len() + payload.len()).ok()?;
    out.extend_from_slice(header);
    let fixed = out.first_chunk_mut::<20>()?;
    fixed[2..4].copy_from_slice(&total.to_be_bytes());
    fixed[6..8].copy_from_slice(&[0, 0]);
    fixed[10..12].copy_from_slice(&[0, 0]);
    let sum = !checksum::sum(out);
    out.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    out.extend_from_slice(payload);
    Some(())
}

fn ipv6(first: &Packet, frame: &[u8], payload: &[u8], out: &mut Vec<u8>) -> Option<()> {
    const FIXED: usize = 40;
    const FRAGMENT_HEADER: u32 = 8;
    let fragment = first.l4.start.checked_sub(FRAGMENT_HEADER)?;
    let next = *frame.get(fragment as usize)?;
    let before = Span { start: first.ip.start, end: fragment }.of(frame);
    let len = u16::try_from(before.len().checked_sub(FIXED)? + payload.len()).ok()?;
    out.extend_from_slice(before);
    out.get_mut(4..6)?.copy_from_slice(&len.to_be_bytes());
    // The next-header field that names the fragment header: of the last header before it.
    let (mut field, mut at) = (6, FIXED);
    while at < before.len() {
        let unit = if *before.get(field)? == AUTHENTICATION { 4 } else { 8 };
        let len = usize::from(*before.get(at + 1)?);
        field = at;
        at += if unit == 4 { (len + 2) * unit } else { (len + 1) * unit };
    }
    if at != before.len() || *before.get(field)? != FRAGMENT {
        return None;
    }
    *out.get_mut(field)? = next;
    out.extend_from_slice(payload);
    Some(())
}
