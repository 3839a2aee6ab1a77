//! The bytes of one capture, read in large blocks; gzip and zstd are unpacked on the way, by content and not by name.
//!
//! Bounds: a block is [`BLOCK`] bytes, and at most [`GROWN_MAX`] at once are [`BLOCK_MAX`]; an unpacked file is at most `ratio_max` times its
//! packed size once it is past [`EXPAND_FLOOR`]; a zstd window is at most what the file's first frame asks for (see [`Block::window`]).

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use flate2::bufread::MultiGzDecoder;

/// Bytes of a block at first: what one `read(2)` asks for. Measured: larger ones fall out of the second-level cache.
pub(crate) const BLOCK: usize = 256 << 10;
/// Bytes that a block may grow to for one record or pcapng block.
pub(crate) const BLOCK_MAX: usize = 1 << 20;
/// Blocks of one capture that may be so large at once.
pub(crate) const GROWN_MAX: usize = 16;
/// Bytes read at first, to tell what is around a capture.
const HEAD: usize = 4096;
/// How many of them are waited for: the longest header of a zstd frame. A capture has more.
const HEAD_NEEDED: usize = 18;
/// Unpacked bytes below which the ratio is not looked at: what a bomb may cost at most before it is stopped.
const EXPAND_FLOOR: u64 = 256 << 20;
/// Largest zstd window, as a power of two: 128 MiB, what `zstd --long` and `--ultra -22` need. It is memory per open file.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Every zstd file may have a window of 8 MiB, what `zstd -19` needs, whatever its first frame asks for.
const ZSTD_WINDOW_LOG_MIN: u32 = 23;
/// What the windows of all open zstd files may take together.
pub(crate) const ZSTD_WINDOWS_MAX: u64 = 1 << ZSTD_WINDOW_LOG_MAX;
/// Memory of an unpacker beside its window: its state, its input and its first bytes.
pub(crate) const UNPACKER: usize = 256 << 10;
/// Bytes asked of an unpacker at once: what is lost, at most, of the good data before a fault in a gzip stream.
const UNPACK_STEP: usize = 64 << 10;

/// What is around a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// By the first bytes of a file.
    pub(crate) fn of(head: &[u8]) -> Packing {
        match head {
            [0x1f, 0x8b, 8, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
            _ => Packing::Plain,
        }
    }
}

/// A window of bytes on one capture, moved forward by [`Block::refill`].
pub(crate) struct Block {
    bytes: Vec<u8>,
    end: usize,
    /// Offset of `bytes[0]` in the unpacked data.
    base: u64,
    eof: bool,
    /// Why reading stopped before the end.
    error: Option<String>,
    input: Box<dyn Read + Send>,
    taken: Arc<AtomicU64>,
    packing: Packing,
    window: u64,
    grown: Grown,
}

/// How many blocks of one capture are large; each large one has one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Growth(Arc<AtomicUsize>);

/// A block's place among the large ones, given back when it goes.
struct Grown {
    of: Growth,
    held: bool,
}

impl Grown {
    /// Takes a place; false where there is none.
    fn take(&mut self) -> bool {
        let free = |n: usize| (n < GROWN_MAX).then_some(n + 1);
        self.held = self.held || self.of.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_ok();
        self.held
    }
}

impl Drop for Grown {
    fn drop(&mut self) {
        if self.held {
            self.of.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Block {
    /// Reads the first bytes of `raw` and decides what is around it. `spare` is memory to reuse.
    pub(crate) fn open(raw: Box<dyn Read + Send>, ratio_max: u32, spare: Vec<u8>, growth: &Growth) -> Block {
        let taken = Arc::new(AtomicU64::new(0));
        let mut block = Block {
            bytes: spare,
            end: 0,
            base: 0,
            eof: false,
            error: None,
            input: Box::new(Counted { raw, taken: Arc::clone(&taken) }),
            taken,
            packing: Packing::Plain,
            window: 0,
            grown: Grown { of: growth.clone(), held: false },
        };
        block.bytes.resize(HEAD, 0);
        block.refill(0, HEAD_NEEDED);
        block.packing = Packing::of(block.filled());
        if block.packing != Packing::Plain {
            let head = block.filled().to_vec();
            let rest = std::mem::replace(&mut block.input, Box::new(io::empty()));
            let log = window_log(&head);
            let packed = BufReader::with_capacity(UNPACK_STEP, Cursor::new(head).chain(rest));
            let unpacked = match block.packing {
                Packing::Zstd => zstd(packed, log),
                _ => Ok(Box::new(MultiGzDecoder::new(packed)) as Box<dyn Read + Send>),
            };
            (block.end, block.eof, block.error) = (0, false, None);
            match unpacked {
                Ok(unpacked) => block.input = Box::new(Expand { unpacked, out: 0, taken: Arc::clone(&block.taken), ratio_max }),
                Err(e) => block.error = Some(e.to_string()),
            }
            if block.packing == Packing::Zstd {
                block.window = 1 << log;
            }
        }
        block.bytes.resize(BLOCK, 0);
        block
    }

    /// The bytes at hand.
    #[inline]
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// Offset in the unpacked data of position `at` of [`Block::filled`].
    pub(crate) fn offset(&self, at: usize) -> u64 {
        self.base + at as u64
    }

    /// Drops the bytes before `at` (which becomes 0) and reads until `need` bytes are there; false where the data ends before.
    pub(crate) fn refill(&mut self, at: usize, need: usize) -> bool {
        let at = at.min(self.end);
        self.bytes.copy_within(at..self.end, 0);
        self.end -= at;
        self.base += at as u64;
        if need > self.bytes.len() && need <= BLOCK_MAX {
            if !self.grown.take() {
                self.error = Some(format!("a record of {need} bytes, while {GROWN_MAX} other captures read such large ones"));
                return false;
            }
            self.bytes.resize(BLOCK_MAX, 0);
        }
        while self.end < need && self.end < self.bytes.len() && !self.eof {
            match self.input.read(&mut self.bytes[self.end..]) {
                Ok(0) => self.eof = true,
                Ok(n) => self.end += n.min(self.bytes.len() - self.end),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.error = Some(e.to_string());
                    self.eof = true;
                }
            }
        }
        self.end >= need
    }

    /// Drops `count` bytes from `at` on, more than there are at hand; gives what could not be dropped because the data ends.
    pub(crate) fn discard(&mut self, at: usize, mut count: u64) -> u64 {
        let mut from = at;
        loop {
            let here = (self.end - from.min(self.end)) as u64;
            if count <= here {
                self.refill(from + count as usize, 0);
                return 0;
            }
            count -= here;
            if !self.refill(self.end, 1) {
                return count;
            }
            from = 0;
        }
    }

    /// Why reading stopped before the end, if it did.
    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Bytes taken from the file itself, packed where it is packed.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether its offsets are those of the file.
    pub(crate) fn is_plain(&self) -> bool {
        self.packing == Packing::Plain
    }

    /// The largest zstd window that its unpacker may take, in bytes; 0 where it is not packed with zstd.
    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// Its memory, for the next file.
    pub(crate) fn into_spare(mut self) -> Vec<u8> {
        self.bytes.truncate(BLOCK);
        self.bytes.shrink_to(BLOCK);
        self.bytes
    }
}

/// Any number of frames, skippable ones too (RFC 8878), with windows of at most 2^`log` bytes.
fn zstd(packed: impl BufRead + Send + 'static, log: u32) -> io::Result<Box<dyn Read + Send>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    decoder.window_log_max(log)?;
    Ok(Box::new(decoder))
}

/// The window that the first frame asks for (RFC 8878 section 3.1.1.1), as a power of two, within what is allowed; the largest where the
/// first frame is a skippable one or its header is not all there.
fn window_log(head: &[u8]) -> u32 {
    let bytes = match head {
        [0x28, 0xb5, 0x2f, 0xfd, about, rest @ ..] if about & 0x20 == 0 => match rest {
            [window, ..] => {
                let base = 1u64 << (10 + (window >> 3));
                base + base / 8 * u64::from(window & 7)
            }
            [] => u64::MAX,
        },
        // A single segment: the window is the content, whose size follows the dictionary's number.
        [0x28, 0xb5, 0x2f, 0xfd, about, rest @ ..] => {
            let dictionary = [0, 1, 2, 4][usize::from(about & 3)];
            let size = 1usize << (about >> 6);
            match rest.get(dictionary..dictionary + size) {
                Some(field) => field.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b)).saturating_add(if size == 2 { 256 } else { 0 }),
                None => u64::MAX,
            }
        }
        _ => u64::MAX,
    };
    let log = 64 - bytes.saturating_sub(1).leading_zeros();
    log.clamp(ZSTD_WINDOW_LOG_MIN, ZSTD_WINDOW_LOG_MAX)
}

/// Counts what is taken from the file.
struct Counted {
    raw: Box<dyn Read + Send>,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.raw.read(out)?;
        self.taken.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Stops what expands without measure.
struct Expand {
    unpacked: Box<dyn Read + Send>,
    out: u64,
    taken: Arc<AtomicU64>,
    ratio_max: u32,
}

impl Read for Expand {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let step = out.len().min(UNPACK_STEP);
        let n = self.unpacked.read(&mut out[..step])?;
        self.out += n as u64;
        if self.out > EXPAND_FLOOR && self.out / u64::from(self.ratio_max.max(1)) > self.taken.load(Ordering::Relaxed) {
            let text = format!("it expands more than {} times, as a decompression bomb does", self.ratio_max);
            return Err(io::Error::other(text));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_as_the_first_frame_asks() {
        let packed = |level, window| {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level).unwrap();
            encoder.window_log(window).unwrap();
            io::Write::write_all(&mut encoder, &[7; 100_000]).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(window_log(&packed(1, 20)), ZSTD_WINDOW_LOG_MIN);
        assert_eq!(window_log(&packed(1, 26)), 26);
        assert_eq!(window_log(&packed(1, 27)), ZSTD_WINDOW_LOG_MAX);
        // A single segment of 16 MiB and one byte; one of two bytes and 256.
        assert_eq!(window_log(&[0x28, 0xb5, 0x2f, 0xfd, 0xa0, 1, 0, 0, 1]), 25);
        assert_eq!(window_log(&[0x28, 0xb5, 0x2f, 0xfd, 0x60, 0xff, 0xff]), ZSTD_WINDOW_LOG_MIN);
        for unknown in [&[0x50, 0x2a, 0x4d, 0x18][..], &[0x28, 0xb5, 0x2f, 0xfd], &[0x28, 0xb5, 0x2f, 0xfd, 0xe1, 0, 1]] {
            assert_eq!(window_log(unknown), ZSTD_WINDOW_LOG_MAX);
        }
    }

    #[test]
    fn few_blocks_are_large_at_once() {
        let growth = Growth::default();
        let open = || Block::open(Box::new(io::repeat(1)), 1, Vec::new(), &growth);
        let mut blocks: Vec<Block> = (0..=GROWN_MAX).map(|_| open()).collect();
        let large = |b: &mut Block| b.refill(0, BLOCK_MAX);
        assert_eq!(blocks.iter_mut().filter_map(|b| large(b).then_some(())).count(), GROWN_MAX);
        let refused = blocks.pop().unwrap();
        assert!(refused.error().is_some_and(|e| e.contains("16 other captures")), "{:?}", refused.error());
        assert_eq!(blocks.pop().unwrap().into_spare().capacity(), BLOCK);
        assert!(large(&mut open()), "a place was given back");
    }
}
