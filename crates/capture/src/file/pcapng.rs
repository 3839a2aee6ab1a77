//! The pcapng format (draft-ietf-opsawg-pcapng): sections, interfaces, the three packet blocks, statistics; other blocks are skipped.

use vigie_base::Time;

use super::block::BLOCK_MAX;
use super::{Entry, FRAME_MAX, Interface, News, Step, u16_at, u32_at};
use crate::{LinkType, ProblemKind};

/// Interfaces of one section; those past it are unknown. 32 bytes each.
const INTERFACES_MAX: usize = 4096;

/// Block types (section 11.1 of the draft).
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// What the section at hand has said so far.
#[derive(Debug, Default)]
pub(crate) struct PcapNg {
    big: bool,
    interfaces: Vec<Known>,
    /// An unknown interface was already told of in this section.
    told: bool,
    /// Where the last block ends that says how to read others.
    described: u64,
}

/// What reading packets needs of an interface.
#[derive(Clone, Copy, Debug)]
struct Known {
    link: LinkType,
    snaplen: u32,
    scale: Scale,
    /// Added to each stamp, in nanoseconds.
    shift: i64,
    /// Frames that the capturer dropped, by the last statistics.
    dropped: u64,
}

/// From stamp units to nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Times(u64),
    Over(u64),
    /// Units of 2^-n seconds.
    Binary(u32),
}

impl Scale {
    /// From `if_tsresol`.
    fn of(resolution: u8) -> Scale {
        let exponent = u32::from(resolution & 0x7f);
        if resolution & 0x80 != 0 {
            return Scale::Binary(exponent);
        }
        match exponent {
            0..=9 => Scale::Times(10u64.pow(9 - exponent)),
            // Finer than 10^-28 s, a stamp of 64 bits is at most one nanosecond.
            _ => Scale::Over(10u64.checked_pow(exponent - 9).unwrap_or(u64::MAX)),
        }
    }

    #[inline]
    fn nanos(self, stamp: u64) -> u64 {
        match self {
            Scale::Times(n) => stamp.saturating_mul(n),
            Scale::Over(n) => stamp / n,
            Scale::Binary(n) => u64::try_from((u128::from(stamp) * 1_000_000_000).checked_shr(n).unwrap_or(0)).unwrap_or(u64::MAX),
        }
    }
}

impl Known {
    #[inline]
    fn time(&self, high: u32, low: u32) -> Time {
        let nanos = self.scale.nanos(u64::from(high) << 32 | u64::from(low));
        Time(if self.shift == 0 { nanos } else { nanos.saturating_add_signed(self.shift) })
    }
}

impl PcapNg {
    /// Whether `head` begins with a section header.
    pub(crate) fn looks_like(head: &[u8]) -> bool {
        head.starts_with(&SECTION.to_be_bytes()) && order(head).is_some()
    }

    /// Bytes from the beginning that say how to read what comes: the last section header and interface are in them.
    pub(crate) fn described(&self) -> u64 {
        self.described
    }

    /// The next packet at or after `at`; blocks between that hold none are read, and `at` moves past them.
    #[inline]
    pub(crate) fn next(&mut self, bytes: &[u8], at: &mut usize, base: u64, news: &mut News) -> Step {
        loop {
            match self.block(bytes, *at, base, news) {
                Step::Passed(next) => *at = next,
                other => return other,
            }
        }
    }

    #[inline]
    fn block(&mut self, bytes: &[u8], at: usize, base: u64, news: &mut News) -> Step {
        let rest = bytes.get(at..).unwrap_or(&[]);
        if rest.len() < 12 {
            return Step::Need(12);
        }
        let big = if rest.starts_with(&SECTION.to_be_bytes()) {
            let Some(big) = order(rest) else {
                return Step::Damage("a section header has no byte-order magic".to_owned());
            };
            big
        } else {
            self.big
        };
        let (Some(kind), Some(size)) = (u32_at(rest, 0, big), u32_at(rest, 4, big)) else { return Step::Need(12) };
        let size = size as usize;
        let least = match kind {
            SECTION => 28,
            INTERFACE => 20,
            SIMPLE_PACKET => 16,
            PACKET | ENHANCED_PACKET => 32,
            STATISTICS => 24,
            _ => 12,
        };
        if size < least {
            return Step::Damage(format!("a block of type {kind:#x} claims {size} bytes, under the {least} that it needs"));
        }
        if size > rest.len() {
            if least == 12 {
                return Step::Skip(size as u64);
            }
            if size > BLOCK_MAX {
                return Step::Damage(format!("a block of type {kind:#x} claims {size} bytes, over the {BLOCK_MAX} allowed"));
            }
            return Step::Need(size);
        }
        let block = &rest[..size];
        let trailer = u32_at(block, size - 4, big).unwrap_or(0);
        if trailer as usize != size {
            return Step::Damage(format!("a block says {size} bytes at its head and {trailer} at its tail"));
        }
        match kind {
            ENHANCED_PACKET | PACKET => self.packet(kind, block, at, base, news),
            SIMPLE_PACKET => self.simple(block, at, base, news),
            SECTION => {
                if u16_at(block, 12, big) != Some(1) {
                    return Step::Damage("a section of another major version than 1".to_owned());
                }
                *self = PcapNg { big, described: base + (at + size) as u64, ..PcapNg::default() };
                Step::Passed(at + size)
            }
            INTERFACE => {
                self.interface(block, base + at as u64, news);
                self.described = base + (at + size) as u64;
                Step::Passed(at + size)
            }
            STATISTICS => {
                self.statistics(block, news);
                Step::Passed(at + size)
            }
            _ => Step::Passed(at + size),
        }
    }

    /// An Enhanced Packet Block or the obsolete Packet Block: they differ in how the interface is written.
    #[inline]
    fn packet(&mut self, kind: u32, block: &[u8], at: usize, base: u64, news: &mut News) -> Step {
        let Some(head) = block.first_chunk::<28>() else { return Step::Need(32) };
        let word = |i: usize| {
            let w = [head[i], head[i + 1], head[i + 2], head[i + 3]];
            if self.big { u32::from_be_bytes(w) } else { u32::from_le_bytes(w) }
        };
        let id = match (kind, self.big) {
            (ENHANCED_PACKET, _) => word(8),
            (_, true) => word(8) >> 16,
            (_, false) => word(8) & 0xffff,
        };
        let captured = word(20);
        if captured > FRAME_MAX || captured as usize > block.len() - 32 {
            return Step::Damage(format!("a packet claims {captured} captured bytes in a block of {} bytes", block.len()));
        }
        let Some(known) = self.interfaces.get(id as usize) else {
            self.unknown(id, base + at as u64, news);
            return Step::Passed(at + block.len());
        };
        Step::Frame(Entry {
            time: Some(known.time(word(12), word(16))),
            start: at + 28,
            len: captured as usize,
            wire_len: word(24),
            link: known.link,
            next: at + block.len(),
        })
    }

    /// A Simple Packet Block: the first interface, no stamp, a captured length that follows from the others (section 4.4).
    fn simple(&mut self, block: &[u8], at: usize, base: u64, news: &mut News) -> Step {
        let Some(known) = self.interfaces.first() else {
            self.unknown(0, base + at as u64, news);
            return Step::Passed(at + block.len());
        };
        let wire_len = u32_at(block, 8, self.big).unwrap_or(0);
        let limit = if known.snaplen == 0 { u32::MAX } else { known.snaplen };
        let len = (wire_len.min(limit) as usize).min(block.len() - 16);
        if len > FRAME_MAX as usize {
            return Step::Damage(format!("a packet has {len} captured bytes, over the {FRAME_MAX} that a frame can have"));
        }
        Step::Frame(Entry { time: None, start: at + 12, len, wire_len, link: known.link, next: at + block.len() })
    }

    #[cold]
    fn unknown(&mut self, id: u32, offset: u64, news: &mut News) {
        news.left_out += 1;
        if !self.told {
            self.told = true;
            let known = self.interfaces.len();
            news.tell(
                ProblemKind::LeftOut,
                offset,
                format!("a packet of interface {id}, where the section describes {known}"),
                "such packets are left out and counted",
            );
        }
    }

    /// An Interface Description Block (section 4.2).
    fn interface(&mut self, block: &[u8], offset: u64, news: &mut News) {
        if self.interfaces.len() == INTERFACES_MAX {
            news.tell(
                ProblemKind::Limit,
                offset,
                format!("a section describes more than {INTERFACES_MAX} interfaces"),
                "packets of those past it are left out and counted",
            );
            return;
        }
        let link = LinkType(u16_at(block, 8, self.big).unwrap_or(0));
        let snaplen = u32_at(block, 12, self.big).unwrap_or(0);
        let (mut name, mut scale, mut shift) = (String::new(), Scale::Times(1000), 0i64);
        let whole = self.options(&block[16..block.len() - 4], |code, value| match (code, value) {
            (2, name_bytes) => {
                let end = name_bytes.iter().position(|b| *b == 0).unwrap_or(name_bytes.len());
                name = vigie_base::text::lossy(&name_bytes[..end.min(NAME_MAX)]).into_owned();
            }
            (9, [resolution, ..]) => scale = Scale::of(*resolution),
            (14, value) => {
                if let Ok(eight) = <[u8; 8]>::try_from(value) {
                    let secs = if self.big { i64::from_be_bytes(eight) } else { i64::from_le_bytes(eight) };
                    shift = secs.saturating_mul(1_000_000_000);
                }
            }
            _ => {}
        });
        if !whole {
            news.tell(
                ProblemKind::Damaged,
                offset,
                "an option of an interface runs past its block".to_owned(),
                "the options before it were taken",
            );
        }
        self.interfaces.push(Known { link, snaplen, scale, shift, dropped: 0 });
        news.interface(Interface { name, link, snaplen, fcs: None });
    }

    /// An Interface Statistics Block (section 4.6): what the capturer itself dropped, in all since it began.
    fn statistics(&mut self, block: &[u8], news: &mut News) {
        let big = self.big;
        let mut dropped = 0u64;
        self.options(&block[20..block.len() - 4], |code, value| {
            // isb_ifdrop and isb_osdrop.
            if let (5 | 7, Ok(eight)) = (code, <[u8; 8]>::try_from(value)) {
                dropped = dropped.saturating_add(if big { u64::from_be_bytes(eight) } else { u64::from_le_bytes(eight) });
            }
        });
        let id = u32_at(block, 8, big).unwrap_or(u32::MAX) as usize;
        if let Some(known) = self.interfaces.get_mut(id) {
            news.dropped = news.dropped.saturating_add(dropped.saturating_sub(known.dropped));
            known.dropped = known.dropped.max(dropped);
        }
    }

    /// Calls `each` with every option; false where one runs past the block (section 3.5).
    fn options<'a>(&self, mut rest: &'a [u8], mut each: impl FnMut(u16, &'a [u8])) -> bool {
        while let (Some(code), Some(length)) = (u16_at(rest, 0, self.big), u16_at(rest, 2, self.big)) {
            if code == 0 {
                return true;
            }
            let length = usize::from(length);
            let Some(value) = rest.get(4..4 + length) else { return false };
            each(code, value);
            rest = rest.get(4 + length.next_multiple_of(4)..).unwrap_or(&[]);
        }
        rest.is_empty()
    }
}

/// Bytes kept of an interface's name.
const NAME_MAX: usize = 64;

/// The byte order of the section that begins here: true for big.
fn order(head: &[u8]) -> Option<bool> {
    match head.get(8..12)? {
        [0x1a, 0x2b, 0x3c, 0x4d] => Some(true),
        [0x4d, 0x3c, 0x2b, 0x1a] => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_any_resolution() {
        assert_eq!(Scale::of(6).nanos(1), 1000);
        assert_eq!(Scale::of(9).nanos(5), 5);
        assert_eq!(Scale::of(12).nanos(5_000), 5);
        assert_eq!(Scale::of(0).nanos(2), 2_000_000_000);
        assert_eq!(Scale::of(127).nanos(u64::MAX), 1, "no panic; below any use");
        assert_eq!(Scale::of(0x80 | 10).nanos(1024), 1_000_000_000);
        assert_eq!(Scale::of(0x80 | 127).nanos(u64::MAX), 0);
        assert_eq!(Scale::of(0).nanos(u64::MAX), u64::MAX);
    }

    #[test]
    fn an_offset_may_be_negative() {
        let known = Known { link: LinkType(1), snaplen: 0, scale: Scale::of(6), shift: -2_000_000_000, dropped: 0 };
        assert_eq!(known.time(0, 3_000_000), Time(1_000_000_000));
        assert_eq!(known.time(0, 1), Time(0));
    }
}
