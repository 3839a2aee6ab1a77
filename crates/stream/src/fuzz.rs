//! One entry for fuzzers: bytes become segments of one flow, and the promises of the crate are asserted.

use crate::{Anomaly, Memory, Out, Overlap, Segment, Settings, Stream};
use vigie_base::Direction;

#[derive(Default)]
struct Sum([u64; 2]);

impl Out for Sum {
    fn data(&mut self, dir: Direction, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "an empty piece");
        self.0[dir.index()] += bytes.len() as u64;
    }
    fn gap(&mut self, dir: Direction, len: u64) {
        assert!(len > 0, "an empty gap");
        self.0[dir.index()] += len;
    }
    fn end(&mut self, _: Direction) {}
    fn reset(&mut self, _: Direction) {}
    fn event(&mut self, _: Anomaly) {}
}

/// Plays `data` as segments: the first byte chooses the settings, then each 8 bytes make a header (numbers near one another, so that
/// segments meet) and a run of payload. Panics where a bound or the order is broken.
pub fn fuzz(data: &[u8]) {
    let Some((choice, mut rest)) = data.split_first() else { return };
    let settings = Settings {
        midstream: choice & 1 != 0,
        async_oneside: choice & 2 != 0,
        overlap: [Overlap::First, Overlap::Last, Overlap::Linux, Overlap::Windows][usize::from(choice >> 2 & 3)],
        depth: if choice & 16 != 0 { 600 } else { 0 },
        waiting_bytes_max: 1000,
        waiting_pieces_max: 6,
    };
    let mut mem = Memory::new(1500);
    let mut stream = Stream::default();
    let mut out = Sum::default();
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let len = usize::from(head[6] & 0x3f).min(tail.len());
        let (payload, tail) = tail.split_at(len);
        rest = tail;
        let near = |b: u8, c: u8| 0xffff_ff00u32.wrapping_add(u32::from(b)).wrapping_add(u32::from(c) << 24);
        let seg = Segment {
            dir: if head[0] & 1 != 0 { Direction::ToClient } else { Direction::ToServer },
            seq: near(head[1], head[0] >> 6),
            ack: near(head[2], head[0] >> 4 & 3),
            flags: head[3],
            window: u16::from_be_bytes([head[4], head[5]]),
            options: &head[..usize::from(head[7] & 7)],
            payload,
        };
        if stream.is_reuse(&seg) {
            stream.finish(&settings, &mut mem, &mut out);
            assert_eq!(mem.held(), 0, "a finished stream holds memory");
            (stream, out) = (Stream::default(), Sum::default());
        }
        if head[7] == 0xff {
            stream.only_track(None, &mut mem);
            assert_eq!(mem.held(), 0, "a tracked stream holds memory");
        }
        stream.segment(&seg, &settings, &mut mem, &mut out);
        assert!(mem.held() <= 1500, "the worker's bound is broken");
        for dir in [Direction::ToServer, Direction::ToClient] {
            assert!(stream.waiting(dir) <= settings.waiting_bytes_max, "the direction's bound is broken");
            assert!(out.0[dir.index()] <= stream.offset(dir), "more was told than the stream went on");
            assert!(settings.depth == 0 || out.0[dir.index()] <= settings.depth, "told beyond the depth");
        }
    }
    stream.finish(&settings, &mut mem, &mut out);
    assert_eq!(mem.held(), 0, "a finished stream holds memory");
}
