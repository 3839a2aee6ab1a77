//! Files put together into one, row by row: what is held does not grow with them.

use crate::files::{Key, LiveFile, Rows, keys, sorted};
use crate::manifest::FileMeta;
use crate::write::{Effort, Writer};
use crate::{Error, derive};
use arrow::record_batch::RecordBatch;
use std::path::Path;
use std::sync::Arc;
use vigie_event::Schema;
use vigie_link::layout;

/// Rows of a file that are read at once.
const AT_ONCE: usize = 4096;

/// Why files were not put together.
pub(crate) enum Failed {
    /// This one of them cannot be read.
    Damaged(usize, String),
    /// The new one cannot be written.
    Store(Error),
}

impl From<Error> for Failed {
    fn from(e: Error) -> Self {
        Failed::Store(e)
    }
}

/// A file of which some rows are at hand.
struct Part {
    rows: Rows,
    at_hand: RecordBatch,
    keys: Vec<Key>,
}

impl Part {
    /// Reads on; `None` at the end.
    fn next(mut rows: Rows) -> Result<Option<Part>, Error> {
        for read in &mut rows {
            let at_hand = read?;
            if let Some(keys) = keys(&at_hand).filter(|k| !k.is_empty()) {
                return Ok(Some(Part { rows, at_hand, keys }));
            }
        }
        Ok(None)
    }

    fn last(&self) -> Key {
        self.keys[self.keys.len() - 1]
    }
}

/// Writes all rows of `group` (of one origin and kind) in order as the file `id`.
pub(crate) fn merge(dir: &Path, id: u64, group: &[Arc<LiveFile>], schema: &'static Schema) -> Result<FileMeta, Failed> {
    let damaged = |at: usize| move |e: Error| Failed::Damaged(at, e.to_string());
    let Some(head) = group.first() else { return Err(Error::Query("nothing to merge".to_owned()).into()) };
    let arrow = &layout(schema).arrow;
    let mut telling = vec![false; arrow.fields().len()];
    let mut parts = Vec::new();
    for (at, file) in group.iter().enumerate() {
        let rows = Rows::of(file, schema, AT_ONCE).map_err(damaged(at))?;
        // A column that tells nothing in any of them tells nothing in all.
        telling.iter_mut().zip(arrow.fields()).for_each(|(t, f)| *t |= rows.has(f.name()));
        parts.extend(Part::next(rows).map_err(damaged(at))?.map(|p| (at, p)));
    }
    let rows = group.iter().map(|f| f.meta.rows).sum();
    let mut file = Writer::new(dir, FileMeta { id, rows, ..head.meta.clone() }, schema, telling, Effort::Dense)?;
    // All up to the nearest end of what is at hand: nothing that is still to be read comes before it.
    while let Some(upto) = parts.iter().map(|(_, p)| p.last()).min() {
        let mut now = Vec::new();
        let mut after = Vec::with_capacity(parts.len());
        for (at, mut part) in parts {
            let n = part.keys.partition_point(|k| *k <= upto);
            now.push(part.at_hand.slice(0, n));
            if n < part.keys.len() {
                part.at_hand = part.at_hand.slice(n, part.keys.len() - n);
                part.keys.drain(..n);
                after.push((at, part));
            } else {
                after.extend(Part::next(part.rows).map_err(damaged(at))?.map(|p| (at, p)));
            }
        }
        parts = after;
        let now = sorted(&now, arrow)?;
        let lean = derive::lean(&now, schema.kind).map_err(|e| Error::Query(e.to_string()))?;
        file.push(&now, &lean)?;
    }
    Ok(file.finish()?)
}
