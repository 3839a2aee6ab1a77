//! Parquet files: opened, read, set aside and removed.

use crate::derive;
use crate::manifest::{FileMeta, Manifest};
use crate::pivot::Blooms;
use crate::{Error, Problem, io};
use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use vigie_event::Schema;
use vigie_link::layout;

/// A file that the manifest names, or that a query began with when it did: removed when the last of those is done.
#[derive(Debug)]
pub(crate) struct LiveFile {
    pub(crate) meta: FileMeta,
    pub(crate) path: PathBuf,
    doomed: AtomicBool,
    /// Read when first asked for.
    pub(crate) blooms: OnceLock<Option<Blooms>>,
}

impl LiveFile {
    pub(crate) fn new(dir: &Path, meta: FileMeta) -> Self {
        LiveFile { path: dir.join(meta.path()), meta, doomed: AtomicBool::new(false), blooms: OnceLock::new() }
    }

    /// To be removed when nobody reads it any more.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }
}

impl Drop for LiveFile {
    fn drop(&mut self) {
        if self.doomed.load(Ordering::Acquire) {
            // What cannot be removed now is removed when the store is opened: the manifest does not name it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens what the manifest names, sets aside what is damaged, removes what it does not name.
pub(crate) fn open_all(dir: &Path, manifest: &mut Manifest, problems: &mut Vec<Problem>) -> Result<Vec<Arc<LiveFile>>, Error> {
    let before = problems.len();
    let mut live = Vec::new();
    let mut kept = Vec::new();
    for meta in std::mem::take(&mut manifest.files) {
        let path = dir.join(meta.path());
        match whole(&path, meta.bytes) {
            Ok(()) => {
                kept.push(meta.clone());
                live.push(Arc::new(LiveFile::new(dir, meta)));
            }
            Err(why) => problems.push(set_aside(&path, &meta, &why)),
        }
    }
    manifest.files = kept;
    if problems.len() > before {
        manifest.save(dir)?;
    }
    let named: BTreeSet<PathBuf> = live.iter().map(|f| f.path.clone()).collect();
    sweep(&dir.join("data"), 3, &named)?;
    Ok(live)
}

/// Removes files that are not named, `depth` folders deep; what is set aside stays.
fn sweep(dir: &Path, depth: usize, named: &BTreeSet<PathBuf>) -> Result<(), Error> {
    for e in std::fs::read_dir(dir).map_err(io(dir))? {
        let path = e.map_err(io(dir))?.path();
        if path.is_dir() {
            if depth > 1 {
                sweep(&path, depth - 1, named)?;
            }
            let _ = std::fs::remove_dir(&path); // Only where it is empty.
        } else if !named.contains(&path) && path.extension().is_none_or(|x| x != "damaged") {
            std::fs::remove_file(&path).map_err(io(&path))?;
        }
    }
    Ok(())
}

/// Whether a file has its length and Parquet's marks at both ends: cheap enough for every file at start. What lies between is checked
/// when a query stumbles on it.
fn whole(path: &Path, bytes: u64) -> Result<(), String> {
    let mut f = File::open(path).map_err(|e| e.to_string())?;
    let length = f.metadata().map_err(|e| e.to_string())?.len();
    if length != bytes {
        return Err(format!("{length} bytes, not {bytes}"));
    }
    let mut mark = [0; 4];
    for at in [SeekFrom::Start(0), SeekFrom::End(-4)] {
        f.seek(at).and_then(|_| f.read_exact(&mut mark)).map_err(|e| e.to_string())?;
        if &mark != b"PAR1" {
            return Err("not a Parquet file".to_owned());
        }
    }
    Ok(())
}

/// Renames a damaged file and says so.
pub(crate) fn set_aside(path: &Path, meta: &FileMeta, why: &str) -> Problem {
    let aside = path.with_extension("parquet.damaged");
    let what = format!(
        "{} rows of {} ({} to {}, dataset {}) cannot be read: {why}; the rest is served",
        meta.rows, meta.kind, meta.first, meta.last, meta.origin.dataset
    );
    match std::fs::rename(path, &aside) {
        Ok(()) => Problem { path: aside, what: format!("{what}. Restore it from a backup under its name without .damaged, or delete it") },
        Err(_) => Problem { path: path.to_owned(), what },
    }
}

/// Reads every row of a file: what tells a damaged file from a sound one.
pub(crate) fn verify(path: &Path) -> Result<(), String> {
    let read = || -> Result<(), Box<dyn std::error::Error>> {
        for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()? {
            batch?;
        }
        Ok(())
    };
    read().map_err(|e| e.to_string())
}

/// The rows of a file in order, a few at a time, in the columns of its kind.
pub(crate) struct Rows {
    file: Arc<LiveFile>,
    schema: &'static Schema,
    reader: ParquetRecordBatchReader,
}

impl Rows {
    pub(crate) fn of(file: &Arc<LiveFile>, schema: &'static Schema, at_once: usize) -> Result<Self, Error> {
        let f = File::open(&file.path).map_err(io(&file.path))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(f).and_then(|b| b.with_batch_size(at_once).build());
        let reader = reader.map_err(|e| Error::Query(format!("{}: {e}", file.path.display())))?;
        Ok(Rows { file: Arc::clone(file), schema, reader })
    }

    /// Whether the file has a column of its kind.
    pub(crate) fn has(&self, column: &str) -> bool {
        use arrow::record_batch::RecordBatchReader;
        self.reader.schema().column_with_name(column).is_some()
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let want = &layout(self.schema).arrow;
        let whole = |b: RecordBatch| {
            let all = fit(&b, &nullable(want)).map_err(|e| e.to_string())?;
            derive::whole(&all, self.schema.kind, want).map_err(|e| e.to_string())
        };
        let rows = self.reader.next()?.map_err(|e| e.to_string()).and_then(whole);
        Some(rows.map_err(|e| Error::Query(format!("{}: {e}", self.file.path.display()))))
    }
}

/// The same columns, any of which may be null.
pub(crate) fn nullable(columns: &SchemaRef) -> SchemaRef {
    let fields: Vec<_> = columns.fields().iter().map(|f| Arc::new(f.as_ref().clone().with_nullable(true))).collect();
    Arc::new(arrow::datatypes::Schema::new(fields))
}

/// The columns of `want`, by name; nulls where one is missing.
pub(crate) fn fit(batch: &RecordBatch, want: &SchemaRef) -> Result<RecordBatch, Error> {
    let columns = want.fields().iter().map(|f| -> Result<ArrayRef, arrow::error::ArrowError> {
        match batch.column_by_name(f.name()) {
            Some(c) if c.data_type() == f.data_type() => Ok(c.clone()),
            Some(c) => arrow::compute::cast(c, f.data_type()),
            None => Ok(arrow::array::new_null_array(f.data_type(), batch.num_rows())),
        }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(|e| Error::Query(e.to_string()))?;
    RecordBatch::try_new(want.clone(), columns).map_err(|e| Error::Query(e.to_string()))
}

/// A row's place in the order of events: time, nanoseconds beyond, flow, order in the flow.
pub(crate) type Key = (i64, u16, u64, u32);

/// The keys of a batch that has these columns.
pub(crate) fn keys(b: &RecordBatch) -> Option<Vec<Key>> {
    let ts = b.column_by_name("ts")?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let ns = b.column_by_name("ts_ns")?.as_primitive_opt::<UInt16Type>()?;
    let flow = b.column_by_name("flow_id")?.as_primitive_opt::<UInt64Type>()?;
    let seq = b.column_by_name("seq")?.as_primitive_opt::<UInt32Type>()?;
    Some((0..b.num_rows()).map(|i| (ts.value(i), ns.value(i), flow.value(i), seq.value(i))).collect())
}

/// One batch of all, in the order of events.
pub(crate) fn sorted<'a>(batches: impl IntoIterator<Item = &'a RecordBatch>, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let bad = |e: arrow::error::ArrowError| Error::Query(e.to_string());
    let all = concat_batches(schema, batches).map_err(bad)?;
    if keys(&all).is_some_and(|k| k.is_sorted()) {
        return Ok(all);
    }
    let columns: Vec<SortColumn> = ["ts", "ts_ns", "flow_id", "seq"]
        .iter()
        .filter_map(|n| Some(SortColumn { values: all.column_by_name(n)?.clone(), options: None }))
        .collect();
    let order: UInt32Array = lexsort_to_indices(&columns, None).map_err(bad)?;
    take_record_batch(&all, &order).map_err(bad)
}
