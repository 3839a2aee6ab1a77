//! Rows of all workers, in one order.

use crate::batches::{Order, Slice};
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

/// Holds slices until every worker's watermark has passed their rows.
pub struct Merger {
    slices: Vec<(Slice, usize)>,
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
        match self.slices.get_mut(at as usize) {
            Some(place) => *place = (slice, rows),
            None => self.slices.push((slice, rows)),
        }
    }

    /// Gives every row that no worker can precede any more.
    pub fn drain(&mut self, fold: &mut impl Fold) {
        let upto = self.watermarks.iter().copied().min().unwrap_or((Time::MAX, 0));
        self.pending.sort_by_key(|(o, _)| (o.ts, o.flow_id, o.seq));
        let n = self.pending.partition_point(|(o, _)| (o.ts, o.flow_id) < upto);
        for (o, at) in self.pending.drain(..n) {
            let (slice, left) = &mut self.slices[at as usize];
            fold.row(slice.batches[o.slot as usize].row(o.row as usize));
            *left -= 1;
            if *left == 0 {
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
