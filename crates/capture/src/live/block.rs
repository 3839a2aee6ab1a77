//! The frames of a ring's block, read as foreign bytes.
//!
//! Source: `tpacket_block_desc` and `tpacket3_hdr` in include/uapi/linux/if_packet.h of Linux.

use vigie_base::Time;
use vigie_base::time::SECOND;

/// A frame in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) time: Time,
    /// Its first byte and the one behind its last.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) wire_len: u32,
    /// Whether this machine sent it.
    pub(super) outgoing: bool,
}

/// Where reading a block stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    next: usize,
    left: u32,
}

/// Kernel flag: a VLAN tag was taken out of the frame, and stands in the header.
const VLAN_VALID: u32 = 1 << 4;
/// Kernel flag: so does its protocol.
const VLAN_TPID_VALID: u32 = 1 << 6;
/// Two addresses, behind which a VLAN tag stands.
const ADDRESSES: usize = 12;
/// A VLAN tag.
const TAG: usize = 4;
/// `sockaddr_ll` behind a header of 48 bytes.
const PKTTYPE: usize = 48 + 10;
/// `PACKET_OUTGOING`.
const OUTGOING: u8 = 4;

fn u32_at(block: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(block.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u16_at(block: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(block.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

impl Place {
    /// The first frame of a block.
    pub(super) fn first(block: &[u8]) -> Place {
        match (u32_at(block, 12), u32_at(block, 16)) {
            (Some(left), Some(next)) => Place { next: next as usize, left },
            _ => Place::default(),
        }
    }

    /// Whether the block holds no further frame.
    pub(super) fn is_end(self) -> bool {
        self.left == 0
    }

    /// The next frame, its VLAN tag put back in. None where there is none, or where the block is none.
    pub(super) fn advance(&mut self, block: &mut [u8], ethernet: bool) -> Option<Found> {
        if self.left == 0 {
            return None;
        }
        let found = self.read(block, ethernet);
        if found.is_none() {
            self.left = 0;
        }
        found
    }

    fn read(&mut self, block: &mut [u8], ethernet: bool) -> Option<Found> {
        let at = self.next;
        let word = |i: usize| u32_at(block, at.checked_add(i)?);
        let (step, secs, nanos) = (word(0)? as usize, word(4)?, word(8)?);
        let (captured, mut wire_len, status) = (word(12)? as usize, word(16)?, word(20)?);
        let mut start = at.checked_add(usize::from(u16_at(block, at + 24)?))?;
        let end = start.checked_add(captured)?;
        block.get(start..end)?;
        let outgoing = block.get(at + PKTTYPE) == Some(&OUTGOING);
        if ethernet && status & VLAN_VALID != 0 && captured >= ADDRESSES {
            let tci = word(32)? as u16;
            let tpid = if status & VLAN_TPID_VALID != 0 { u16_at(block, at + 36)? } else { 0x8100 };
            let tagged = start.checked_sub(TAG)?;
            block.copy_within(start..start + ADDRESSES, tagged);
            let tag = block.get_mut(tagged + ADDRESSES..start + ADDRESSES)?;
            tag[..2].copy_from_slice(&tpid.to_be_bytes());
            tag[2..].copy_from_slice(&tci.to_be_bytes());
            (start, wire_len) = (tagged, wire_len.saturating_add(TAG as u32));
        }
        self.left -= 1;
        self.next = at.checked_add(step)?;
        let time = Time(u64::from(secs) * SECOND + u64::from(nanos));
        Some(Found { time, start, end, wire_len: wire_len.max((end - start) as u32), outgoing })
    }
}

/// Any bytes as a block. For fuzzers.
pub(super) fn fuzz(block: &mut [u8]) -> u64 {
    let mut place = Place::first(block);
    let mut bytes = 0;
    // A block's own count may be any: what it can hold bounds it.
    for _ in 0..=block.len() {
        let Some(found) = place.advance(block, true) else { break };
        bytes += block[found.start..found.end].len() as u64;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A block of frames, each with the status and tag given.
    fn block(frames: &[(&[u8], u32, u16, u16)]) -> Vec<u8> {
        let mut b = vec![0; 48];
        b[12..16].copy_from_slice(&(frames.len() as u32).to_ne_bytes());
        b[16..20].copy_from_slice(&48u32.to_ne_bytes());
        for (data, status, tci, tpid) in frames {
            let at = b.len();
            let mac = 48 + 20 + 4;
            let step = (mac + data.len()).next_multiple_of(8);
            b.resize(at + step, 0);
            for (i, v) in [step as u32, 7, 9, data.len() as u32, data.len() as u32, *status].iter().enumerate() {
                b[at + 4 * i..at + 4 * i + 4].copy_from_slice(&v.to_ne_bytes());
            }
            b[at + 24..at + 26].copy_from_slice(&(mac as u16).to_ne_bytes());
            b[at + 32..at + 36].copy_from_slice(&u32::from(*tci).to_ne_bytes());
            b[at + 36..at + 38].copy_from_slice(&tpid.to_ne_bytes());
            b[at + mac..at + mac + data.len()].copy_from_slice(data);
        }
        b
    }

    #[test]
    fn frames_come_in_order_and_a_tag_is_put_back() {
        let mut b =
            block(&[(b"ddddddssssss\x08\x00ip", 1, 0, 0), (b"ddddddssssss\x08\x00ip", 1 | VLAN_VALID | VLAN_TPID_VALID, 5, 0x88a8)]);
        let mut place = Place::first(&b);
        let first = place.advance(&mut b, true).unwrap();
        assert_eq!((&b[first.start..first.end], first.wire_len, first.time), (&b"ddddddssssss\x08\x00ip"[..], 16, Time(7_000_000_009)));
        let second = place.advance(&mut b, true).unwrap();
        assert_eq!((&b[second.start..second.end], second.wire_len), (&b"ddddddssssss\x88\xa8\x00\x05\x08\x00ip"[..], 20));
        assert!(place.is_end());
        assert_eq!(place.advance(&mut b, true), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            fuzz(&mut bytes);
        }
    }
}
