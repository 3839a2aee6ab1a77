//! What makes room and order: journal to Parquet, small files to larger ones, old ones removed, the quota held.

use crate::files::{self, LiveFile};
use crate::manifest::{FileMeta, Manifest, Origin};
use crate::merge::{self, Failed};
use crate::write::{self, Effort};
use crate::{Error, Snapshot, Store, lock};
use arrow::record_batch::RecordBatch;
use std::collections::BTreeMap;
use std::sync::Arc;
use vigie_base::Time;
use vigie_event::Schema;
use vigie_link::layout;

/// How long kinds are kept, in nanoseconds of event time. `None`: for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// By kind; `u64::MAX`: for ever.
    pub kinds: BTreeMap<String, u64>,
    /// Kinds for Vigie's own use (not in EVE).
    pub internal: Option<u64>,
    /// All others.
    pub others: Option<u64>,
}

impl Retention {
    fn of(&self, schema: &Schema) -> Option<u64> {
        self.kinds.get(schema.kind).copied().or(if schema.internal { self.internal } else { self.others })
    }
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Files that were put together, and what became of them.
    pub merged: (usize, usize),
    /// Rows removed because they were old.
    pub expired_rows: u64,
    /// Whether another step has something to do.
    pub more: bool,
}

/// What goes when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Kinds for Vigie's own use, of any dataset, the oldest first.
    Internal,
    /// Other kinds of all but the live dataset: the oldest import first, and of it the oldest events.
    Imports,
    /// Other kinds of the live dataset, the oldest events first.
    Live,
}

/// What eviction took, or would take, of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evicted {
    /// The dataset.
    pub dataset: String,
    /// Rows.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// A file of so many rows, or so many bytes, is left as it is.
const FULL_ROWS: u64 = 1 << 20;
/// See [`FULL_ROWS`].
const FULL_BYTES: u64 = 24 << 20;
/// So many neighbours of one size are put together.
const FAN_IN: usize = 4;
/// At most so many: of each, some rows are in memory.
const FAN_IN_MAX: usize = 8;
/// Bytes of the files of one merge.
const MERGE_BYTES: u64 = 32 << 20;
/// Memory of one merge: sixty columns, of each a compressor (2 MiB at that level), and a page of each file that is read. Measured: 190 MiB.
pub(crate) const MERGE_MEMORY: usize = 192 << 20;

impl Store {
    /// Writes all that the journal holds as Parquet and forgets those segments.
    pub fn flush(&self) -> Result<(), Error> {
        let inner = &self.0;
        let mut manifest = lock(&inner.manifest);
        let (first, batches, numbers) = {
            let mut journal = lock(&inner.journal);
            let batches = self.snapshot().tail.clone();
            if batches.is_empty() {
                return Ok(());
            }
            (journal.rotate()?, batches, journal.numbers.clone())
        };
        let mut groups: BTreeMap<(Origin, &str), (&'static Schema, Vec<&RecordBatch>)> = BTreeMap::new();
        for p in &batches {
            groups.entry((Origin::of(&p.header), p.schema.kind)).or_insert((p.schema, Vec::new())).1.push(&p.rows);
        }
        let mut next = manifest.clone();
        next.journal = first;
        for (origin, number) in numbers {
            let fresh = next.next;
            let o = next.origins.entry(origin).or_insert_with(|| (fresh, 0));
            if o.0 == fresh {
                next.next += 1;
            }
            o.1 = number;
        }
        let mut made = Vec::new();
        for ((origin, _), (schema, rows)) in groups {
            let rows = files::sorted(rows, &layout(schema).arrow)?;
            let folder = next.origins.get(&origin).map_or(0, |o| o.0);
            let (id, kind, count) = (next.next, schema.kind.to_owned(), rows.num_rows() as u64);
            let meta = FileMeta { id, folder, origin, kind, rows: count, first: Time(0), last: Time(0), bytes: 0 };
            let effort = if meta.origin.dataset == inner.options.live_dataset { Effort::None } else { Effort::Quick };
            made.push(write::write(&inner.dir, meta, schema, &rows, effort)?);
            next.next += 1;
        }
        next.files.extend(made.iter().cloned());
        next.save(&inner.dir)?;
        *manifest = next;
        self.change(|s| {
            s.files.extend(made.into_iter().map(|m| Arc::new(LiveFile::new(&inner.dir, m))));
            // Batches come behind these, and only a flush, of which there is one at a time, takes any away.
            s.tail.drain(..batches.len());
        });
        let mut journal = lock(&inner.journal);
        journal.tail_bytes = journal.tail_bytes.saturating_sub(batches.iter().map(|p| p.rows.get_array_memory_size()).sum());
        journal.forget(first)
    }

    /// One step of the work that need not be done at once; `now` is event time. Call it again while [`Done::more`].
    ///
    /// In this order: what is older than its retention goes (of [`crate::Options::live_dataset`] only); then one merge of neighbours of
    /// like size.
    pub fn maintain(&self, now: Time) -> Result<Done, Error> {
        let inner = &self.0;
        let _one = lock(&inner.upkeep);
        let mut done = Done::default();
        let retention = self.limits().retention;
        let (id, ids, schema) = {
            let mut manifest = lock(&inner.manifest);
            let old: Vec<u64> = manifest
                .files
                .iter()
                .filter(|f| {
                    f.origin.dataset == inner.options.live_dataset
                        && self.schema(&f.kind).and_then(|s| retention.of(s)).is_some_and(|keep| now.since(f.last) > keep)
                })
                .map(|f| f.id)
                .collect();
            if !old.is_empty() {
                done.expired_rows = self.drop_files(&mut manifest, &old)?.iter().map(|f| f.rows).sum();
            }
            let Some((schema, ids)) = self.mergeable(&manifest) else { return Ok(done) };
            manifest.next += 1;
            (manifest.next - 1, ids, schema)
        };
        let group: Vec<Arc<LiveFile>> = self.snapshot().files.iter().filter(|f| ids.contains(&f.meta.id)).cloned().collect();
        done.merged = (group.len(), 1);
        done.more = true;
        self.merge(id, &group, schema)?;
        Ok(done)
    }

    /// Removes whole files of one priority, in its order, until `bytes` are freed or none is left; files of the datasets `spared` stay.
    /// Gives what went, in the order in which it went.
    pub fn evict(&self, what: Priority, bytes: u64, spared: &[String]) -> Result<Vec<Evicted>, Error> {
        let mut manifest = lock(&self.0.manifest);
        let chosen = self.chosen(&manifest, what, bytes, spared);
        let ids: Vec<u64> = chosen.iter().map(|f| f.id).collect();
        let told = by_dataset(&chosen);
        if !ids.is_empty() {
            self.drop_files(&mut manifest, &ids)?;
        }
        Ok(told)
    }

    /// What [`Store::evict`] would remove.
    pub fn evictable(&self, what: Priority, bytes: u64, spared: &[String]) -> Vec<Evicted> {
        by_dataset(&self.chosen(&lock(&self.0.manifest), what, bytes, spared))
    }

    fn chosen<'m>(&self, manifest: &'m Manifest, what: Priority, bytes: u64, spared: &[String]) -> Vec<&'m FileMeta> {
        let is_live = |f: &FileMeta| f.origin.dataset == self.0.options.live_dataset;
        let is_internal = |f: &FileMeta| self.schema(&f.kind).is_some_and(|s| s.internal);
        let is_of = |f: &FileMeta| match what {
            Priority::Internal => is_internal(f),
            Priority::Imports => !is_live(f) && !is_internal(f),
            Priority::Live => is_live(f) && !is_internal(f),
        };
        let mut files: Vec<&FileMeta> = manifest.files.iter().filter(|f| is_of(f) && !spared.contains(&f.origin.dataset)).collect();
        // Folders are numbered in the order of import.
        files.sort_by_key(|f| (if what == Priority::Imports { f.folder } else { 0 }, f.last, f.id));
        let mut freed = 0u64;
        files.retain(|f| {
            let goes = freed < bytes;
            freed = freed.saturating_add(if goes { f.bytes } else { 0 });
            goes
        });
        files
    }

    /// Removes a dataset: its events, and the numbers of its batches, so that it can be imported again. Gives the rows removed.
    pub fn remove_dataset(&self, name: &str) -> Result<u64, Error> {
        self.remove(name, None)
    }

    /// The same of what one sensor (an import, say) gave to a dataset.
    pub fn remove_sensor(&self, dataset: &str, sensor: &str) -> Result<u64, Error> {
        self.remove(dataset, Some(sensor))
    }

    fn remove(&self, name: &str, sensor: Option<&str>) -> Result<u64, Error> {
        let is_it = |dataset: &str, of: &str| dataset == name && sensor.is_none_or(|s| s == of);
        self.flush()?;
        let mut manifest = lock(&self.0.manifest);
        // What came between the two is of a later import: its numbers must not be forgotten while it is in the journal.
        let mut journal = lock(&self.0.journal);
        if self.snapshot().tail.iter().any(|p| is_it(&p.header.dataset, &p.header.sensor)) {
            return Err(Error::Query(format!("dataset {name} is being written: stop that first")));
        }
        let ids: Vec<u64> = manifest.files.iter().filter(|f| is_it(&f.origin.dataset, &f.origin.sensor)).map(|f| f.id).collect();
        manifest.origins.retain(|o, _| !is_it(&o.dataset, &o.sensor));
        let gone = self.drop_files(&mut manifest, &ids)?;
        journal.numbers.retain(|o, _| !is_it(&o.dataset, &o.sensor));
        Ok(gone.iter().map(|f| f.rows).sum())
    }

    pub(crate) fn schema(&self, kind: &str) -> Option<&'static Schema> {
        self.0.schemas.iter().find(|s| s.kind == kind).copied()
    }

    fn drop_files(&self, manifest: &mut Manifest, ids: &[u64]) -> Result<Vec<FileMeta>, Error> {
        self.replace_files(manifest, ids, None)
    }

    /// Replaces files by at most one, in the manifest, then for queries; the old ones go when nobody reads them.
    fn replace_files(&self, manifest: &mut Manifest, ids: &[u64], by: Option<FileMeta>) -> Result<Vec<FileMeta>, Error> {
        let mut next = manifest.clone();
        let (gone, kept): (Vec<_>, Vec<_>) = next.files.into_iter().partition(|f| ids.contains(&f.id));
        next.files = kept;
        next.files.extend(by.clone());
        next.save(&self.0.dir)?;
        *manifest = next;
        let added = by.map(|m| Arc::new(LiveFile::new(&self.0.dir, m)));
        let paths: Vec<_> = gone.iter().map(|m| self.0.dir.join(m.path())).collect();
        crate::lock(&self.0.sums).forget(|path| paths.iter().any(|p| p == path));
        self.change(|s: &mut Snapshot| {
            s.files.retain(|f| {
                let goes = ids.contains(&f.meta.id);
                if goes {
                    f.doom();
                }
                !goes
            });
            s.files.extend(added);
        });
        Ok(gone)
    }

    /// Puts files together, without holding anything up: they are replaced at the end, unless one of them has gone meanwhile.
    fn merge(&self, id: u64, group: &[Arc<LiveFile>], schema: &'static Schema) -> Result<(), Error> {
        let inner = &self.0;
        let made = merge::merge(&inner.dir, id, group, schema);
        let mut manifest = lock(&inner.manifest);
        let is_named = |f: &LiveFile| manifest.files.iter().any(|m| m.id == f.meta.id);
        match made {
            Ok(made) if group.iter().all(|f| is_named(f)) => {
                let ids: Vec<u64> = group.iter().map(|f| f.meta.id).collect();
                self.replace_files(&mut manifest, &ids, Some(made))?;
                Ok(())
            }
            Ok(made) => {
                LiveFile::new(&inner.dir, made).doom();
                Ok(())
            }
            Err(Failed::Damaged(at, why)) => match group.get(at).filter(|f| is_named(f)) {
                Some(file) => self.set_aside(&mut manifest, file, &why),
                None => Ok(()),
            },
            Err(Failed::Store(e)) => Err(e),
        }
    }

    /// The files of the next merge: neighbours in time, of one origin and kind, of like size.
    fn mergeable(&self, m: &Manifest) -> Option<(&'static Schema, Vec<u64>)> {
        let mut groups: BTreeMap<(u64, &str, u32), Vec<&FileMeta>> = BTreeMap::new();
        for f in m.files.iter().filter(|f| f.rows < FULL_ROWS && f.bytes < FULL_BYTES) {
            // Sizes by powers of four: a row is written again once a power.
            groups.entry((f.folder, &f.kind, f.rows.max(1).ilog(4))).or_default().push(f);
        }
        groups.into_iter().filter(|(_, g)| g.len() >= FAN_IN).find_map(|((_, kind, _), mut files)| {
            files.sort_by_key(|f| (f.first, f.id));
            let mut bytes = 0;
            let fit = files.iter().take(FAN_IN_MAX).take_while(|f| {
                bytes += f.bytes;
                bytes <= MERGE_BYTES
            });
            let ids: Vec<u64> = fit.map(|f| f.id).collect();
            self.schema(kind).filter(|_| ids.len() > 1).map(|schema| (schema, ids))
        })
    }

    /// Takes a damaged file out, keeps it under another name and reports it.
    fn set_aside(&self, manifest: &mut Manifest, file: &LiveFile, why: &str) -> Result<(), Error> {
        let problem = files::set_aside(&file.path, &file.meta, why);
        lock(&self.0.problems).push(problem);
        self.replace_files(manifest, &[file.meta.id], None)?;
        Ok(())
    }

    /// After a query failed: reads all that it read, and sets aside what is damaged. Gives how many files that were.
    pub(crate) fn check(&self, suspects: &[Arc<LiveFile>]) -> Result<usize, Error> {
        let mut n = 0;
        for f in suspects {
            if let Err(why) = files::verify(&f.path) {
                let mut manifest = lock(&self.0.manifest);
                if manifest.files.iter().any(|m| m.id == f.meta.id) {
                    self.set_aside(&mut manifest, f, &why)?;
                    n += 1;
                }
            }
        }
        Ok(n)
    }
}

/// Files summed by dataset, in the order in which a dataset comes first.
fn by_dataset(files: &[&FileMeta]) -> Vec<Evicted> {
    let mut out: Vec<Evicted> = Vec::new();
    for f in files {
        let at = out.iter().position(|e| e.dataset == f.origin.dataset).unwrap_or_else(|| {
            out.push(Evicted { dataset: f.origin.dataset.clone(), rows: 0, bytes: 0 });
            out.len() - 1
        });
        out[at].rows += f.rows;
        out[at].bytes += f.bytes;
    }
    out
}
