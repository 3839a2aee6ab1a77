//! What a sensor holds at most: the budgets of its stages, as declared beside them, for all its workers.

use crate::Settings;
use crate::batches::{BYTES_MAX, Order, ROWS_MAX};
use crate::{front, lanes, run, worker};
use vigie_base::Budget;

/// Bytes of a slice: its columns, which grow by half on the way, and the places of its rows in the order, here and with the merger.
const SLICE_BYTES: u64 = BYTES_MAX as u64 * 5 / 4 + (ROWS_MAX * 4 * size_of::<Order>()) as u64;

/// Who reads frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// One thread for all workers: captures.
    One,
    /// Each worker its own: interfaces.
    Each,
}

/// Every budget of a sensor with these settings, in the order of the data; each stands for all workers together.
pub fn budgets(settings: &Settings, reads: Reads) -> Vec<Budget> {
    let workers = settings.workers.0.max(1) as u64;
    let flows = u64::from(settings.flow.flows_max);
    let mut all = vec![settings.defrag.budget(), front::DOUBLED, settings.flow.budget()];
    if reads == Reads::Each {
        all[1].entries_max *= workers;
    }
    all.extend(worker::budgets(flows));
    all.push(vigie_stream::Memory::budget(settings.stream_memory.0));
    all.extend(vigie_dissect::budgets(&settings.dissect, workers).map(|b| Budget { entries_max: b.entries_max * workers, ..b }));
    if workers > 1 {
        all.push(if reads == Reads::One { run::loads(workers) } else { lanes::handed(workers) });
    }
    // One slice open a worker, two spare, and with several workers those on their way to the merger.
    let slices = if workers > 1 { 7 * workers } else { 3 };
    all.push(Budget {
        name: "events.slices",
        entries_max: slices,
        entry_bytes: SLICE_BYTES,
        when_full: "the slice is handed over; workers wait for the merger",
    });
    if let Some(keep) = &settings.keep {
        all.extend(keep.budgets(workers));
    }
    all
}
