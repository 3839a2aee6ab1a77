//! Columns of files to folds: how sums over all rows of a time are read.
//!
//! A file never changes, and so do not its sums: those that a page asks for again and again are kept in memory ([`Sums`]), and a page
//! then reads what lies only partly in its time, and what is new. They are what the file's rows gave, and gone with the process.

use crate::files::LiveFile;
use crate::find::{Ranges, as_words, hold, is_outside};
use crate::pivot::Needle;
use crate::query::{Query, micros};
use crate::{Error, Snapshot, Store};
use arrow::array::{ArrayRef, AsArray, BooleanArray, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter, RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use vigie_link::{Packed, arrow_schema};
use vigie_tally::{Fold, Rows};

/// Rows given at once.
const ROWS: usize = 32 << 10;

/// Bytes of sums of files kept at most; beyond, those not asked for longest go.
pub(crate) const SUMS_MAX: usize = 32 << 20;
/// Bytes of one file's sums of one name at most; larger ones are not kept.
const SUM_MAX: usize = 4 << 20;

/// Sums of whole files, by the file, the columns and the name of the sum.
#[derive(Default)]
pub(crate) struct Sums {
    all: BTreeMap<Key, (Arc<[u8]>, u64)>,
    bytes: usize,
    asked: u64,
}

impl Sums {
    pub(crate) fn get(&mut self, key: &Key) -> Option<Arc<[u8]>> {
        self.asked += 1;
        let (kept, last) = self.all.get_mut(key)?;
        *last = self.asked;
        Some(Arc::clone(kept))
    }

    pub(crate) fn put(&mut self, key: Key, kept: Vec<u8>) {
        if kept.len() > SUM_MAX {
            return;
        }
        self.bytes += kept.len();
        if let Some((old, _)) = self.all.insert(key, (kept.into(), self.asked)) {
            self.bytes -= old.len();
        }
        while self.bytes > SUMS_MAX {
            let oldest = self.all.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| key.clone());
            let Some((gone, _)) = oldest.and_then(|key| self.all.remove(&key)) else { return };
            self.bytes -= gone.len();
        }
    }

    /// Forgets those of a file that is gone.
    pub(crate) fn forget(&mut self, gone: impl Fn(&std::path::Path) -> bool) {
        self.all.retain(|(path, _), (kept, _)| {
            let stays = !gone(path);
            self.bytes -= if stays { 0 } else { kept.len() };
            stays
        });
    }
}

/// What is to be read: files, and where a file's sums are to be kept, under which name and by which fold.
type Work<F> = Vec<(Arc<LiveFile>, Option<(Key, F)>)>;
/// What sums are of: a file, and what of it.
pub(crate) type Key = (PathBuf, String);

/// Ends the threads when nobody waits any more.
pub(crate) struct Stop(pub(crate) Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Store {
    /// Folds the rows of one kind within the query's time and dataset (its filter, order and limit are not looked at). Columns that
    /// follow from others cannot be asked for.
    pub async fn fold<F: Fold>(&self, q: &Query, kind: &str, columns: &[&str], make: impl Fn() -> F) -> Result<F, Error> {
        let q = Query { filter: crate::Filter::All, ..q.clone() };
        self.fold_pivot(&q, kind, columns, make).await
    }

    /// The same of those rows that the filter lets through, which says no more than its needles.
    pub(crate) async fn fold_pivot<F: Fold>(&self, q: &Query, kind: &str, columns: &[&str], make: impl Fn() -> F) -> Result<F, Error> {
        let q = Query { kinds: vec![kind.to_owned()], ..q.clone() };
        match self.fold_of(&self.snapshot(), &q, columns, &make).await {
            Err(Error::Read(e)) => {
                self.mend(&self.snapshot(), &q, e)?;
                self.fold_of(&self.snapshot(), &q, columns, &make).await
            }
            r => r,
        }
    }

    async fn fold_of<F: Fold>(&self, s: &Snapshot, q: &Query, columns: &[&str], make: &impl Fn() -> F) -> Result<F, Error> {
        let parts = self.parts(s, q)?;
        self.affordable(&parts)?;
        let mut whole = make();
        let span = (q.from.map_or(i64::MIN, micros), q.to.map_or(i64::MAX, micros));
        for part in parts {
            let all = arrow_schema(part.schema);
            let fields = columns.iter().map(|c| match all.field_with_name(c) {
                Ok(f) if *f.data_type() == DataType::Utf8 => Ok(Field::new(*c, words(), true)),
                Ok(f) => Ok(f.clone().with_nullable(true)),
                Err(_) => Err(Error::Query(format!("{} has no column {c}", part.schema.kind))),
            });
            let wanted: SchemaRef = Arc::new(ArrowSchema::new(fields.collect::<Result<Vec<_>, _>>()?));
            for p in &part.tail {
                whole.rows(&Rows(of_batch(p, &wanted, span, &part.needles)?));
            }
            let stop = Arc::new(AtomicBool::new(false));
            let _ends = Stop(Arc::clone(&stop));
            let needles: Arc<[Needle]> = part.needles.into();
            let name = whole.name().filter(|_| needles.is_empty()).map(|name| format!("{} {name}", columns.join(" ")));
            let (mut work, mut known): (Work<F>, Vec<_>) = (Vec::new(), Vec::new());
            {
                let mut sums = crate::lock(&self.0.sums);
                for file in part.files.iter().rev() {
                    let key = name.clone().filter(|_| is_whole(file, span)).map(|name| (file.path.clone(), name));
                    match key.as_ref().and_then(|key| sums.get(key)) {
                        Some(kept) => known.push(kept),
                        None => work.push((Arc::clone(file), key.map(|key| (key, make())))),
                    }
                }
            }
            for kept in known {
                whole.take(&kept).ok_or_else(|| Error::Query("sums that were kept cannot be read: start Vigie again".to_owned()))?;
            }
            let threads = self.0.options.threads.min(work.len());
            let work = Arc::new(Mutex::new(work));
            let mut running = Vec::new();
            for _ in 0..threads {
                let (work, stop, wanted, mut fold) = (Arc::clone(&work), Arc::clone(&stop), Arc::clone(&wanted), make());
                let (needles, schema) = (Arc::clone(&needles), part.schema);
                let store = self.clone();
                running.push(tokio::task::spawn_blocking(move || -> Result<F, Error> {
                    loop {
                        let next = crate::lock(&work).pop();
                        let Some((file, keeps)) = next.filter(|_| !stop.load(Ordering::Relaxed)) else { return Ok(fold) };
                        let Some((key, mut own)) = keeps else {
                            let rows = if needles.is_empty() { None } else { Some(store.rows_that_hold(&file, schema, &needles, &stop)?) };
                            match rows {
                                // None holds them, or nobody waits any more.
                                Some(rows) if rows.as_ref().is_none_or(Vec::is_empty) => {}
                                rows => of_file(&file, &wanted, (span, rows.flatten()), &stop, &mut fold)?,
                            }
                            continue;
                        };
                        of_file(&file, &wanted, (span, None), &stop, &mut own)?;
                        if !stop.load(Ordering::Relaxed)
                            && let Some(kept) = own.keep()
                        {
                            crate::lock(&store.0.sums).put(key, kept);
                        }
                        fold.join(own);
                    }
                }));
            }
            for thread in running {
                whole.join(thread.await.map_err(|e| Error::Query(e.to_string()))??);
            }
        }
        Ok(whole)
    }
}

fn words() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Rows of the tail.
fn of_batch(p: &Packed, wanted: &SchemaRef, span: (i64, i64), needles: &[Needle]) -> Result<RecordBatch, Error> {
    let bad = |e: arrow::error::ArrowError| Error::Query(e.to_string());
    if !needles.is_empty() {
        let held = filter_record_batch(&p.rows, &hold(&p.rows, needles).into()).map_err(bad)?;
        return of_rows(&held, wanted, span);
    }
    of_rows(&p.rows, wanted, span)
}

fn of_rows(all: &RecordBatch, wanted: &SchemaRef, span: (i64, i64)) -> Result<RecordBatch, Error> {
    let bad = |e: arrow::error::ArrowError| Error::Query(e.to_string());
    let columns = wanted.fields().iter().map(|f| match all.column_by_name(f.name()) {
        Some(c) => cast(c, f.data_type()).map_err(bad),
        None => Ok(new_null_array(f.data_type(), all.num_rows())),
    });
    let rows = RecordBatch::try_new(wanted.clone(), columns.collect::<Result<_, _>>()?).map_err(bad)?;
    match all.column_by_name("ts") {
        Some(ts) => within(rows, ts, span),
        None => Ok(rows),
    }
}

fn within(rows: RecordBatch, ts: &ArrayRef, (from, to): (i64, i64)) -> Result<RecordBatch, Error> {
    let Some(ts) = ts.as_primitive_opt::<TimestampMicrosecondType>() else { return Ok(rows) };
    let is_in = |t: &i64| *t >= from && *t < to;
    // Rows stand in the order of time.
    if ts.values().first().is_none_or(is_in) && ts.values().last().is_none_or(is_in) {
        return Ok(rows);
    }
    let mask: BooleanArray = ts.values().iter().map(|t| Some(is_in(t))).collect();
    filter_record_batch(&rows, &mask).map_err(|e| Error::Query(e.to_string()))
}

/// Whether all rows of a file lie in a span of time.
fn is_whole(file: &LiveFile, span: (i64, i64)) -> bool {
    micros(file.meta.first) >= span.0 && micros(file.meta.last) < span.1
}

fn of_file<F: Fold>(
    file: &LiveFile,
    wanted: &SchemaRef,
    (span, only_these): ((i64, i64), Option<Ranges>),
    stop: &AtomicBool,
    fold: &mut F,
) -> Result<(), Error> {
    let bad = |e: String| Error::Read(format!("{}: {e}", file.path.display()));
    let f = File::open(&file.path).map_err(|e| bad(e.to_string()))?;
    // Where some rows are asked for, other pages are passed over.
    let pages = if only_these.is_some() { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
    let options = || ArrowReaderOptions::new().with_page_index_policy(pages);
    let metadata = ArrowReaderMetadata::load(&f, options()).map_err(|e| bad(e.to_string()))?;
    // The same columns, texts as dictionaries.
    let hinted = metadata.schema().fields().iter().map(|f| Arc::new(f.as_ref().clone().with_data_type(as_words(f.data_type()))));
    let hinted = Arc::new(ArrowSchema::new(hinted.collect::<Vec<_>>()));
    let metadata =
        ArrowReaderMetadata::try_new(metadata.metadata().clone(), options().with_schema(hinted)).map_err(|e| bad(e.to_string()))?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(f, metadata);
    let is_whole = is_whole(file, span);
    let names = wanted.fields().iter().map(|f| f.name().as_str()).chain((!is_whole).then_some("ts"));
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let mut builder = builder.with_projection(mask).with_batch_size(ROWS);
    if let Some(rows) = only_these {
        let total = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        builder = builder.with_row_selection(RowSelection::from_consecutive_ranges(rows.into_iter(), total));
    } else if !is_whole {
        let groups = builder.metadata().row_groups().iter().enumerate().filter(|(_, g)| !is_outside(g, span)).map(|(i, _)| i).collect();
        builder = builder.with_row_groups(groups);
    }
    if let Some(mut only) = fold.only() {
        // The other columns are read only where one of these says so.
        let mask = ProjectionMask::columns(builder.parquet_schema(), only.columns().iter().copied());
        let filter = ArrowPredicateFn::new(mask, move |rows| Ok(only.mask(&rows)));
        builder = builder.with_row_filter(RowFilter::new(vec![Box::new(filter)]));
    }
    for rows in builder.build().map_err(|e| bad(e.to_string()))? {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let rows = rows.map_err(|e| bad(e.to_string()))?;
        let columns = wanted.fields().iter().map(|f| match rows.column_by_name(f.name()) {
            Some(c) if c.data_type() == f.data_type() => Ok(c.clone()),
            Some(c) => cast(c, f.data_type()).map_err(|e| bad(e.to_string())),
            None => Ok(new_null_array(f.data_type(), rows.num_rows())),
        });
        let columns = columns.collect::<Result<_, _>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let asked = RecordBatch::try_new_with_options(wanted.clone(), columns, &options).map_err(|e| bad(e.to_string()))?;
        match rows.column_by_name("ts").filter(|_| !is_whole) {
            Some(ts) => fold.rows(&Rows(within(asked, ts, span)?)),
            None => fold.rows(&Rows(asked)),
        }
    }
    Ok(())
}
