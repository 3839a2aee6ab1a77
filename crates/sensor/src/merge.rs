//! Rows of all workers, in one order.

use crate::batches::{Order, ROWS_MAX, Slice};
use vigie_base::Time;
use vigie_event::Row;

/// Who reads events: EVE, inventory, detectors. Called in the total order of events.
pub trait Fold {
    /// One event.
    fn row(&mut self, row: Row<'_>);
    /// All events before `now` have been given.
    fn upto(&mut self, now: Time);
    /// What was counted so far, every few seconds of event time.
    fn counted(&mut self, _: &crate::Summary) {}
    /// Packets to keep, in no order with the events; [`crate::keep::each`] reads them.
    fn packets(&mut self, _: &[u8]) {}
}

/// A place in the order of events that a worker has passed: it will give nothing before this time and, at this time, this flow.
pub type Watermark = (Time, u64);

/// A slice of which rows wait.
struct Held {
    slice: Slice,
    /// Rows that wait.
    left: usize,
    /// Its part of what may be held.
    weight: usize,
}

/// Full slices that may be held for each of several workers, and for the only one: those of a second of event time wait together, since
/// time-outs go by seconds, and a worker makes no half a million rows in one.
pub(crate) const HELD_MAX: usize = 32;

/// Holds slices until every worker's watermark has passed their rows. Where that would be more than its bound (event time stands still, since
/// a clock was set back, or a worker does not come on), rows are given before their turn, and counted.
pub struct Merger {
    slices: Vec<Held>,
    /// In rows, a heavy slice as a full one.
    weight: usize,
    weight_max: usize,
    /// Rows given before their turn.
    pub(crate) early: u64,
    free: Vec<u32>,
    pending: Vec<(Order, u32)>,
    watermarks: Vec<Watermark>,
    spare: Vec<Slice>,
    packets: Vec<Vec<u8>>,
}

impl Merger {
    /// Of `workers` workers.
    pub fn new(workers: usize) -> Self {
        Merger {
            slices: Vec::new(),
            weight: 0,
            weight_max: ROWS_MAX * HELD_MAX * workers.max(1),
            early: 0,
            free: Vec::new(),
            pending: Vec::new(),
            watermarks: vec![(Time(0), 0); workers],
            spare: Vec::new(),
            packets: Vec::new(),
        }
    }

    /// An empty slice, used before where there is one.
    pub fn spare(&mut self) -> Slice {
        self.spare.pop().unwrap_or_else(Slice::new)
    }

    /// Takes a slice of `worker`, which has passed `watermark`.
    pub fn add(&mut self, worker: usize, mut slice: Slice, watermark: Watermark) {
        self.watermarks[worker] = watermark;
        if !slice.packets.is_empty() {
            self.packets.push(std::mem::take(&mut slice.packets));
        }
        if slice.order.is_empty() {
            self.spare.push(slice);
            return;
        }
        let rows = slice.order.len();
        let at = match self.free.pop() {
            Some(at) => at,
            None => self.slices.len() as u32,
        };
        self.pending.extend(slice.order.iter().map(|o| (*o, at)));
        let weight = if slice.is_full() { ROWS_MAX } else { rows };
        self.weight += weight;
        let held = Held { slice, left: rows, weight };
        match self.slices.get_mut(at as usize) {
            Some(place) => *place = held,
            None => self.slices.push(held),
        }
    }

    /// Gives every row that no worker can precede any more.
    pub fn drain(&mut self, fold: &mut impl Fold) {
        let upto = self.watermarks.iter().copied().min().unwrap_or((Time::MAX, 0));
        self.pending.sort_by_key(|(o, _)| (o.ts, o.flow_id, o.seq));
        let mut n = self.pending.partition_point(|(o, _)| (o.ts, o.flow_id) < upto);
        if self.weight > self.weight_max {
            // Those of the very moment first, where that is all: they are in order but for what still comes of it.
            let of_now = self.pending.partition_point(|(o, _)| o.ts <= upto.0);
            let all = if of_now > n { of_now } else { self.pending.len() };
            self.early += (all - n) as u64;
            n = all;
        }
        for (o, at) in self.pending.drain(..n) {
            let Held { slice, left, weight } = &mut self.slices[at as usize];
            fold.row(slice.batches[o.slot as usize].row(o.row as usize));
            *left -= 1;
            if *left == 0 {
                self.weight -= *weight;
                let mut done = std::mem::replace(slice, Slice::empty());
                done.clear();
                if self.spare.len() < 2 * self.watermarks.len() {
                    self.spare.push(done);
                }
                self.free.push(at);
            }
        }
        fold.upto(upto.0);
        // After the events: they go first.
        self.packets.drain(..).for_each(|p| fold.packets(&p));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_event::{Envelope, Out};
    use vigie_flow::record::FlowUpdate;

    struct Count(usize);

    impl Fold for Count {
        fn row(&mut self, _: Row<'_>) {
            self.0 += 1;
        }
        fn upto(&mut self, _: Time) {}
    }

    /// A slice of rows at one time.
    fn slice(mut slice: Slice, at: Time, rows: usize) -> Slice {
        for seq in 0..rows {
            let env = Envelope { ts: at, seq: seq as u32, ..Envelope::default() };
            slice.push(&env, &FlowUpdate { state: "new", refused: false, ttl: 64, window: 0, tcp_options: b"" });
        }
        slice
    }

    #[test]
    fn where_time_stands_still_rows_do_not_wait_without_bound() {
        for workers in [1, 2] {
            let (mut merger, mut count) = (Merger::new(workers), Count(0));
            let still = (Time(7), 0);
            let mut given = 0;
            // Of two workers, one never comes on.
            for _ in 0..80 {
                let spare = merger.spare();
                merger.add(0, slice(spare, still.0, ROWS_MAX), still);
                merger.drain(&mut count);
                given += ROWS_MAX;
                assert!(given - count.0 <= ROWS_MAX * HELD_MAX * workers, "{given}: {}", count.0);
            }
            assert!(merger.early > 0);
        }
        // Where it goes on none is early.
        let (mut merger, mut count) = (Merger::new(1), Count(0));
        for at in 1..40 {
            let spare = merger.spare();
            merger.add(0, slice(spare, Time(at), ROWS_MAX), (Time(at + 1), 0));
            merger.drain(&mut count);
        }
        assert_eq!((merger.early, count.0), (0, 39 * ROWS_MAX));
    }
}
