//! Rows in order, closed to batches.

use crate::{Error, Header, Packed, pack};
use std::sync::Arc;
use vigie_base::Time;
use vigie_base::time::SECOND;
use vigie_event::{Batch, Row, Schema};

/// When an open batch closes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows of one kind.
    pub rows: usize,
    /// Nanoseconds of event time from its first row.
    pub age: u64,
    /// Bytes of all open batches together: at this many, all close.
    pub bytes: usize,
}

impl Limits {
    /// For live traffic: what the architecture states (16,384 rows or one second), and 8 MiB open at most.
    pub const LIVE: Limits = Limits { rows: 16_384, age: SECOND, bytes: 8 << 20 };
    /// For imports, where nobody waits for the last second: fewer and larger batches of a quiet capture.
    pub const IMPORT: Limits = Limits { rows: 16_384, age: 3600 * SECOND, bytes: 8 << 20 };
}

/// The open bytes are summed once in so many rows: a sum costs what a few rows cost.
const WEIGH_ROWS: usize = 256;

/// Takes rows in their total order and closes one batch a kind.
#[derive(Debug)]
pub struct Packer {
    header: Header,
    limits: Limits,
    /// One place a kind, in the order of first use.
    open: Vec<Batch>,
    /// Rows since the open bytes were last summed.
    unweighed: usize,
    /// No open batch is older: what makes looking at all of them rare.
    oldest: Time,
    ready: Vec<Packed>,
}

impl Packer {
    /// Batches of `header`, numbered after `header.number`.
    pub fn new(header: Header, limits: Limits) -> Self {
        Packer { header, limits, open: Vec::new(), unweighed: 0, oldest: Time::MAX, ready: Vec::new() }
    }

    /// Takes one row.
    pub fn row(&mut self, row: Row<'_>) -> Result<(), Error> {
        self.upto(row.env().ts)?;
        let schema: &'static Schema = row.schema();
        let at = match self.open.iter().position(|b| std::ptr::eq(b.schema(), schema)) {
            Some(at) => at,
            None => {
                self.open.push(Batch::new(schema));
                self.open.len() - 1
            }
        };
        self.open[at].copy(row);
        self.oldest = self.oldest.min(row.env().ts);
        self.unweighed += 1;
        if self.open[at].len() >= self.limits.rows {
            return self.close(at);
        }
        if self.unweighed >= WEIGH_ROWS {
            self.unweighed = 0;
            if self.bytes() >= self.limits.bytes {
                return self.finish();
            }
        }
        Ok(())
    }

    /// Event time is `now`: closes what has been open for long enough.
    pub fn upto(&mut self, now: Time) -> Result<(), Error> {
        if now.since(self.oldest) < self.limits.age {
            return Ok(());
        }
        for at in 0..self.open.len() {
            if self.open[at].envelopes().first().is_some_and(|e| now.since(e.ts) >= self.limits.age) {
                self.close(at)?;
            }
        }
        self.oldest = self.open.iter().filter_map(|b| b.envelopes().first()).map(|e| e.ts).min().unwrap_or(Time::MAX);
        Ok(())
    }

    /// Closes all.
    pub fn finish(&mut self) -> Result<(), Error> {
        (0..self.open.len()).try_for_each(|at| self.close(at))?;
        self.oldest = Time::MAX;
        Ok(())
    }

    /// Bytes of all open batches.
    pub fn bytes(&self) -> usize {
        self.open.iter().map(Batch::bytes).sum()
    }

    /// The closed batches, in the order of their numbers.
    pub fn take(&mut self) -> Vec<Packed> {
        std::mem::take(&mut self.ready)
    }

    /// Whether a closed batch waits.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn close(&mut self, at: usize) -> Result<(), Error> {
        let batch = &mut self.open[at];
        if batch.is_empty() {
            return Ok(());
        }
        self.header.number += 1;
        self.ready.push(pack(batch, Arc::new(self.header.clone()))?);
        batch.clear();
        Ok(())
    }
}
