//! Content codings (RFC 9110 section 8.4.1): gzip, deflate (zlib or raw, whichever the bytes are) and br, layered, with caps.
//!
//! Servers and attackers lie about codings: the first bytes decide between gzip, zlib and raw deflate, and what is none of them is
//! given as it came.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Layers that are undone; more are left as they are.
pub(super) const LAYERS_MAX: usize = 3;
/// Bytes of decoders of one worker at once (64 MiB); beyond, bodies stay encoded and are counted in `inflate_full`.
const POOL_MAX: u64 = 64 << 20;
/// What an inflating decoder is counted as: its 32 KiB window and its tables.
const INFLATE_BYTES: u64 = 48 << 10;
/// What a brotli decoder is counted as beside its window, which takes memory as it is written to.
const BROTLI_BYTES: u64 = 1 << 20;
/// Bytes of its window that are counted at once.
const BROTLI_STEP: u64 = 256 << 10;
/// Input kept while a decoder has given nothing yet, to give it back if it proves not to be encoded.
const HELD_MAX: usize = 1024;
/// Output of one step.
const STEP: usize = 16 << 10;

/// A content coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

impl Coding {
    /// The coding of this name; `Err` for one that is not known at all.
    pub(super) fn named(name: &[u8]) -> Result<Option<Coding>, ()> {
        let is = |n: &str| name.eq_ignore_ascii_case(n.as_bytes());
        if is("gzip") || is("x-gzip") {
            Ok(Some(Coding::Gzip))
        } else if is("deflate") || is("x-deflate") {
            Ok(Some(Coding::Deflate))
        } else if is("br") {
            Ok(Some(Coding::Brotli))
        } else if name.is_empty() || ["identity", "none", "zstd", "compress", "x-compress", "lzma", "aws-chunked"].into_iter().any(is) {
            Ok(None)
        } else {
            Err(())
        }
    }
}

/// Room taken in a worker's pool of decoders; given back when dropped.
#[derive(Debug)]
struct Lease {
    pool: Arc<AtomicU64>,
    bytes: u64,
}

impl Lease {
    /// Room for `bytes`, if the pool has it.
    fn take(pool: &Arc<AtomicU64>, bytes: u64) -> Option<Lease> {
        let mut lease = Lease { pool: pool.clone(), bytes: 0 };
        lease.grow(bytes).then_some(lease)
    }

    /// Room for `bytes` more; false where the pool has none.
    fn grow(&mut self, bytes: u64) -> bool {
        let room = self.pool.load(Ordering::Relaxed) + bytes <= POOL_MAX;
        if room {
            self.pool.fetch_add(bytes, Ordering::Relaxed);
            self.bytes += bytes;
        }
        room
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

enum State {
    /// The first bytes will tell.
    Sniff,
    Inflate(Decompress),
    Brotli(Box<Brotli>),
    /// Not encoded after all.
    Plain,
    /// Over: what follows is padding.
    Over,
}

/// What a step of a decoder came to.
enum Told {
    /// It may give more.
    More,
    /// It wants more input.
    Hungry,
    /// The stream is over.
    End,
    /// The input is no such stream.
    Broken,
}

/// One layer.
pub(super) struct Decoder {
    coding: Coding,
    state: State,
    held: Vec<u8>,
    given: u64,
    /// What a brotli decoder's window may grow to.
    window: u64,
    /// Whether its input proved broken.
    failed: bool,
    lease: Lease,
}

/// The window that the first byte of a brotli stream asks for (RFC 7932 section 9.1), in bytes.
fn brotli_window(first: u8) -> u64 {
    let bits = match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, n) => 8 + n,
        (_, n, _) => 17 + n,
    };
    1 << bits
}

impl Decoder {
    /// A decoder, if the pool has room.
    pub(super) fn new(coding: Coding, pool: &Arc<AtomicU64>) -> Option<Self> {
        let bytes = if coding == Coding::Brotli { BROTLI_BYTES } else { INFLATE_BYTES };
        let lease = Lease::take(pool, bytes)?;
        let state = match coding {
            Coding::Brotli => {
                State::Brotli(Box::new(Brotli::new_strict(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default())))
            }
            _ => State::Sniff,
        };
        Some(Decoder { coding, state, held: Vec::new(), given: 0, window: 0, failed: false, lease })
    }

    /// Gives what `input` decodes to, piece by piece; `false` from `give` stops it.
    fn data(&mut self, input: &[u8], give: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        if let ([first, ..], true) = (input, self.window == 0) {
            self.window = brotli_window(*first);
        }
        if matches!(self.state, State::Sniff) && !self.held.is_empty() {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(input);
            return self.run(&joined, give);
        }
        self.run(input, give)
    }

    fn run(&mut self, mut input: &[u8], give: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let mut buffer = [0u8; STEP];
        let start = self.given;
        let mut at = 0;
        loop {
            let (wrote, result) = match &mut self.state {
                State::Over => return true,
                State::Plain => return give(input),
                State::Sniff => {
                    let [a, b, ..] = *input else {
                        self.held = input.to_vec();
                        return true;
                    };
                    self.state = match (a, b, self.given) {
                        (0x1f, 0x8b, _) => State::Inflate(Decompress::new_gzip(15)),
                        // After a member only another may follow; else it is padding.
                        (.., 1..) => State::Over,
                        _ if a & 15 == 8 && a >> 4 <= 7 && u16::from_be_bytes([a, b]) % 31 == 0 => State::Inflate(Decompress::new(true)),
                        _ => State::Inflate(Decompress::new(false)),
                    };
                    continue;
                }
                State::Inflate(z) => {
                    let (before_in, before_out) = (z.total_in(), z.total_out());
                    let result = z.decompress(&input[at..], &mut buffer, FlushDecompress::None);
                    let (read, wrote) = ((z.total_in() - before_in) as usize, (z.total_out() - before_out) as usize);
                    at += read.min(input.len() - at);
                    let result = match result {
                        Ok(Status::StreamEnd) => Told::End,
                        Ok(_) if read > 0 || wrote > 0 => Told::More,
                        Ok(_) => Told::Hungry,
                        // A wrong checksum says that the content is odd, not that it is not there.
                        Err(e) if e.message().is_some_and(|m| m.contains("data check") || m.contains("length check")) => Told::End,
                        Err(_) => Told::Broken,
                    };
                    (wrote.min(STEP), result)
                }
                State::Brotli(b) => {
                    let (mut left, mut room, mut wrote, mut total) = (input.len() - at, STEP, 0, 0);
                    let result = BrotliDecompressStream(&mut left, &mut at, input, &mut room, &mut wrote, &mut buffer, &mut total, b);
                    let result = match result {
                        BrotliResult::NeedsMoreOutput => Told::More,
                        BrotliResult::NeedsMoreInput => Told::Hungry,
                        BrotliResult::ResultSuccess => Told::End,
                        BrotliResult::ResultFailure => Told::Broken,
                    };
                    (wrote, result)
                }
            };
            self.given += wrote as u64;
            if matches!(self.state, State::Brotli(_)) && !self.has_room() {
                return false;
            }
            if wrote > 0 && !give(&buffer[..wrote]) {
                return false;
            }
            match result {
                Told::More => {}
                Told::Hungry => break,
                Told::End => {
                    self.held.clear();
                    // An empty member counts as given.
                    self.given = self.given.max(1);
                    self.state = if self.is_gzip() { State::Sniff } else { State::Over };
                    input = &input[at..];
                    at = 0;
                    if input.is_empty() {
                        return true;
                    }
                }
                Told::Broken if self.given > 0 => {
                    self.failed = true;
                    self.state = State::Over;
                }
                Told::Broken => {
                    self.failed = true;
                    self.state = State::Plain;
                    let held = std::mem::take(&mut self.held);
                    return (held.is_empty() || give(&held)) && give(input);
                }
            }
        }
        self.hold(input, start);
        true
    }

    /// Keeps input that has given nothing yet.
    fn hold(&mut self, input: &[u8], before: u64) {
        if self.given > 0 {
            self.held = Vec::new();
        } else if before == 0 {
            let room = HELD_MAX.saturating_sub(self.held.len());
            self.held.extend_from_slice(&input[..input.len().min(room)]);
        }
    }

    /// Whether the pool has room for what a brotli decoder has written of its window.
    fn has_room(&mut self) -> bool {
        let written = self.given.min(self.window).next_multiple_of(BROTLI_STEP);
        let more = (BROTLI_BYTES + written).saturating_sub(self.lease.bytes);
        more == 0 || self.lease.grow(more)
    }

    fn is_gzip(&self) -> bool {
        self.coding != Coding::Brotli
    }
}

/// Undoes `layers`, the outermost first; `false` when `give` asked to stop.
pub(super) fn decode(layers: &mut [Decoder], input: &[u8], give: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    match layers {
        [] => give(input),
        [outer, inner @ ..] => outer.data(input, &mut |piece| decode(inner, piece, give)),
    }
}

/// Whether a layer failed: then whether one of them is of the gzip family.
pub(super) fn failed(layers: &[Decoder]) -> Option<bool> {
    layers.iter().any(|d| d.failed).then(|| layers.iter().any(Decoder::is_gzip))
}

impl crate::held::Held for Decoder {
    /// With what its decoder is counted as.
    fn held(&self) -> usize {
        self.held.held() + self.lease.bytes as usize
    }
}
