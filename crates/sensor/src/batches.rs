//! The open batches of a worker: where records become rows.

use vigie_base::Time;
use vigie_event::{Batch, Envelope, Out, Record, Schema, slot_of};
use vigie_flow::record::{FlowEnd, FlowStart, FlowUpdate};

const FLOW_KINDS: [&str; 3] = [FlowStart::KIND, FlowUpdate::KIND, FlowEnd::KIND];
const KINDS_LEN: usize = FLOW_KINDS.len() + vigie_dissect::registry::KINDS.len();

/// The kinds of events that a sensor's workers make, in the order of [`schemas`].
pub const KINDS: [&str; KINDS_LEN] = {
    let mut all = [""; KINDS_LEN];
    let mut i = 0;
    while i < KINDS_LEN {
        all[i] = if i < FLOW_KINDS.len() { FLOW_KINDS[i] } else { vigie_dissect::registry::KINDS[i - FLOW_KINDS.len()] };
        i += 1;
    }
    all
};

/// Their declarations.
pub fn schemas() -> Vec<&'static Schema> {
    let mut all = vec![FlowStart::schema(), FlowUpdate::schema(), FlowEnd::schema()];
    all.extend(vigie_dissect::registry::schemas());
    all
}

/// Rows after which a slice is handed over, whatever the time.
pub const ROWS_MAX: usize = 16_384;
/// Bytes after which it is.
pub(crate) const BYTES_MAX: usize = 4 << 20;
/// Rows between two sums of its bytes.
const WEIGH_ROWS: usize = 256;

/// The place of one row in the total order, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    pub(crate) ts: Time,
    pub(crate) flow_id: u64,
    pub(crate) seq: u32,
    pub(crate) slot: u32,
    pub(crate) row: u32,
}

/// Rows of a slice of time, one batch a kind.
#[derive(Debug)]
pub struct Slice {
    pub(crate) batches: Vec<Batch>,
    pub(crate) order: Vec<Order>,
    heavy: bool,
    /// Packets to keep, as [`crate::keep::each`] reads them.
    pub(crate) packets: Vec<u8>,
}

impl Slice {
    pub(crate) fn new() -> Self {
        Slice { batches: schemas().into_iter().map(Batch::new).collect(), order: Vec::new(), heavy: false, packets: Vec::new() }
    }

    /// Without batches: what stands where a slice was taken away.
    pub(crate) fn empty() -> Self {
        Slice { batches: Vec::new(), order: Vec::new(), heavy: false, packets: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        for o in &self.order {
            // Only kinds that were used are cleared: most are not.
            self.batches[o.slot as usize].clear();
        }
        self.order.clear();
        self.heavy = false;
    }

    /// Whether it is to be handed over, whatever the time.
    pub(crate) fn is_full(&self) -> bool {
        self.heavy || self.order.len() >= ROWS_MAX
    }

    #[cold]
    fn weigh(&mut self) {
        self.heavy = self.batches.iter().filter(|b| !b.is_empty()).map(Batch::bytes).sum::<usize>() >= BYTES_MAX;
    }
}

impl Out for Slice {
    #[inline]
    fn push<R: Record>(&mut self, env: &Envelope, record: &R) {
        let slot = const { slot_of(&KINDS, R::KIND) };
        let batch = &mut self.batches[slot];
        let row = batch.len() as u32;
        batch.push(env, record);
        self.order.push(Order { ts: env.ts, flow_id: env.flow_id, seq: env.seq, slot: slot as u32, row });
        if self.order.len().is_multiple_of(WEIGH_ROWS) {
            self.weigh();
        }
    }
}
