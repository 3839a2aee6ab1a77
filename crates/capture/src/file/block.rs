//! The bytes of one capture, read in large blocks; gzip and zstd are unpacked on the way, by content and not by name.
//!
//! Bounds: a block is at most [`BLOCK_MAX`] bytes, an unpacked file at most `ratio_max` times its packed size once it is past
//! [`EXPAND_FLOOR`], a zstd window at most 2^[`ZSTD_WINDOW_LOG_MAX`].

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// Bytes of a block at first: what one `read(2)` asks for. Measured: larger ones fall out of the second-level cache.
const BLOCK: usize = 256 << 10;
/// Bytes that a block may grow to for one record or pcapng block.
pub(crate) const BLOCK_MAX: usize = 1 << 20;
/// Unpacked bytes below which the ratio is not looked at: what a bomb may cost at most before it is stopped.
const EXPAND_FLOOR: u64 = 256 << 20;
/// Largest zstd window, as a power of two: 128 MiB, what `zstd --long` needs. It is memory per open file.
pub(crate) const ZSTD_WINDOW_LOG_MAX: u32 = 27;
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
}

impl Block {
    /// Reads the first bytes of `raw` and decides what is around it. `spare` is memory to reuse.
    pub(crate) fn open(raw: Box<dyn Read + Send>, ratio_max: u32, spare: Vec<u8>) -> Block {
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
        };
        block.bytes.resize(block.bytes.len().max(BLOCK), 0);
        block.refill(0, 4);
        block.packing = Packing::of(block.filled());
        if block.packing != Packing::Plain {
            let head = block.filled().to_vec();
            let rest = std::mem::replace(&mut block.input, Box::new(io::empty()));
            let packed = BufReader::with_capacity(UNPACK_STEP, Cursor::new(head).chain(rest));
            let unpacked = match block.packing {
                Packing::Zstd => zstd(packed),
                _ => Ok(Box::new(MultiGzDecoder::new(packed)) as Box<dyn Read + Send>),
            };
            (block.end, block.eof, block.error) = (0, false, None);
            match unpacked {
                Ok(unpacked) => block.input = Box::new(Expand { unpacked, out: 0, taken: Arc::clone(&block.taken), ratio_max }),
                Err(e) => block.error = Some(e.to_string()),
            }
        }
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

    pub(crate) fn packing(&self) -> Packing {
        self.packing
    }

    /// Its memory, for the next file.
    pub(crate) fn into_spare(self) -> Vec<u8> {
        self.bytes
    }
}

/// Any number of frames, skippable ones too (RFC 8878).
fn zstd(packed: impl BufRead + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(Box::new(decoder))
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
