//! The pcap format (draft-ietf-opsawg-pcap) in both byte orders, with micro- and nanoseconds, and Kuznetzov's longer record header.

use vigie_base::Time;

use super::{Entry, FRAME_MAX, Step, u16_at, u32_at};
use crate::LinkType;

/// Bytes of the file header.
pub(crate) const HEADER: usize = 24;

/// What the file header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pcap {
    big: bool,
    /// Nanoseconds in one unit of the stamp's second half.
    unit: u64,
    /// Bytes of a record header.
    record: usize,
    lengths: Lengths,
    pub(crate) link: LinkType,
    /// Largest capture length that the writer meant to keep, in bytes; 0: unlimited.
    pub(crate) snaplen: u32,
    /// Bytes of frame check sequence at the end of each frame, where the file says so.
    pub(crate) fcs: Option<u8>,
}

/// The order of the two lengths in a record: files of version 2.2 and before have the original length first, those of 2.3 may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    OriginalFirst,
    Either,
}

impl Pcap {
    /// Whether `head` begins with one of the magic numbers.
    pub(crate) fn looks_like(head: &[u8]) -> bool {
        Self::magic(head).is_some()
    }

    /// Byte order (true: big), stamp unit, record header bytes.
    fn magic(head: &[u8]) -> Option<(bool, u64, usize)> {
        Some(match head.get(..4)? {
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, 1000, 16),
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, 1000, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, 1, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, 1, 16),
            [0xa1, 0xb2, 0xcd, 0x34] => (true, 1000, 24),
            [0x34, 0xcd, 0xb2, 0xa1] => (false, 1000, 24),
            _ => return None,
        })
    }

    /// From the file header.
    pub(crate) fn header(head: &[u8]) -> Option<Pcap> {
        let (big, unit, record) = Self::magic(head)?;
        let head = head.get(..HEADER)?;
        let lengths = match (u16_at(head, 4, big)?, u16_at(head, 6, big)?) {
            (2, 3) => Lengths::Either,
            (2, 0..=2) => Lengths::OriginalFirst,
            _ => Lengths::CapturedFirst,
        };
        let link = u32_at(head, 20, big)?;
        // Bit 26 says that the top four bits hold the length of the FCS, in units of 16 bits.
        let fcs = (link & 0x0400_0000 != 0).then_some((link >> 28) as u8 * 2);
        Some(Pcap { big, unit, record, lengths, link: LinkType(link as u16), snaplen: u32_at(head, 16, big)?, fcs })
    }

    /// The record at `at`.
    #[inline]
    pub(crate) fn next(&self, bytes: &[u8], at: usize) -> Step {
        let Some(head) = bytes.get(at..).and_then(|b| b.first_chunk::<16>()) else { return Step::Need(self.record) };
        let word = |i: usize| {
            let w = [head[i], head[i + 1], head[i + 2], head[i + 3]];
            if self.big { u32::from_be_bytes(w) } else { u32::from_le_bytes(w) }
        };
        let (secs, part, mut captured, mut original) = (word(0), word(4), word(8), word(12));
        if self.lengths != Lengths::CapturedFirst && (self.lengths == Lengths::OriginalFirst || captured > original) {
            (captured, original) = (original, captured);
        }
        if captured > FRAME_MAX {
            return Step::Damage(format!("a record claims {captured} captured bytes, over the {FRAME_MAX} that a frame can have"));
        }
        let size = self.record + captured as usize;
        if bytes.len() - at < size {
            return Step::Need(size);
        }
        Step::Frame(Entry {
            time: Some(Time(u64::from(secs) * 1_000_000_000 + u64::from(part) * self.unit)),
            start: at + self.record,
            len: captured as usize,
            wire_len: original,
            link: self.link,
            next: at + size,
        })
    }
}
