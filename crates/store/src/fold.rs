//! Sums over all rows of a time: figures of pages, whatever their number of rows.
//!
//! A [`Fold`] is given the columns that it asks for, file by file, each thread its own, and joined at the end. Texts stay as files hold
//! them, numbered by a dictionary: what depends on a word is found out once a word ([`Words`]) and not once a row.

use crate::files::LiveFile;
use crate::query::{DISTINCT_MAX, Query, micros};
use crate::{Error, Snapshot, Store};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, StringArray, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{
    DataType, Field, Int32Type, Int64Type, Schema as ArrowSchema, SchemaRef, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use vigie_base::hash::{FastMap, table_state};
use vigie_link::{Packed, arrow_schema};

/// Rows given at once.
const ROWS: usize = 32 << 10;

/// Some rows of the columns asked for, in that order.
#[derive(Clone, Debug)]
pub struct Rows(RecordBatch);

impl Rows {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.num_rows() == 0
    }

    /// The values of a column of whole numbers or times (microseconds); 0 where there is none.
    pub fn numbers(&self, at: usize) -> Vec<u64> {
        let column = self.0.column(at);
        macro_rules! widen {
            ($t:ty) => {
                column.as_primitive_opt::<$t>().map(|c| c.iter().map(|v| v.map_or(0, |v| u64::try_from(v).unwrap_or(0))).collect())
            };
        }
        let numbers: Option<Vec<u64>> = match column.data_type() {
            DataType::UInt8 => widen!(UInt8Type),
            DataType::UInt16 => widen!(UInt16Type),
            DataType::UInt32 => widen!(UInt32Type),
            DataType::UInt64 => widen!(UInt64Type),
            DataType::Int64 => widen!(Int64Type),
            DataType::Timestamp(..) => widen!(TimestampMicrosecondType),
            _ => None,
        };
        numbers.unwrap_or_else(|| vec![0; self.len()])
    }
}

/// Sums up rows.
pub trait Fold: Send + 'static {
    /// Takes some rows; texts are read by [`Words`].
    fn rows(&mut self, rows: &Rows);
    /// Takes what another summed up.
    fn join(&mut self, other: Self);
}

/// Numbers for words: the same word has the same number, from 0.
#[derive(Debug)]
pub struct Words {
    numbers: FastMap<Box<str>, u32>,
    words: Vec<Box<str>>,
    /// The dictionary seen last, and the number of each of its words. It is held, so that no other comes to stand where it stood.
    last: Option<ArrayRef>,
    codes: Vec<u32>,
}

impl Default for Words {
    fn default() -> Self {
        Words { numbers: FastMap::with_hasher(table_state(0)), words: Vec::new(), last: None, codes: Vec::new() }
    }
}

impl Words {
    /// The number of a word.
    pub fn number(&mut self, word: &str) -> u32 {
        if let Some(n) = self.numbers.get(word) {
            return *n;
        }
        let n = self.words.len() as u32;
        self.words.push(word.into());
        self.numbers.insert(word.into(), n);
        n
    }

    /// The word of a number; empty for none.
    pub fn word(&self, number: u32) -> &str {
        self.words.get(number as usize).map_or("", |w| w)
    }

    /// For each number of another's words the number here.
    pub fn of(&mut self, other: &Words) -> Vec<u32> {
        other.words.iter().map(|w| self.number(w)).collect()
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// For each row of a column of texts the word's number; `None` where it is null.
    pub fn column<'c>(&'c mut self, rows: &'c Rows, at: usize) -> impl Iterator<Item = Option<u32>> + 'c {
        let column = rows.0.column(at);
        let texts = column.as_dictionary_opt::<Int32Type>();
        if let Some(texts) = texts {
            self.learn(texts);
        }
        let codes = &self.codes;
        (0..column.len()).map(move |i| {
            let texts = texts.filter(|t| t.keys().is_valid(i))?;
            codes.get(texts.keys().value(i) as usize).copied().filter(|c| *c != u32::MAX)
        })
    }

    fn learn(&mut self, texts: &DictionaryArray<Int32Type>) {
        let Some(values) = texts.values().as_string_opt::<i32>() else {
            self.codes.clear();
            return;
        };
        // A dictionary is made once for many rows.
        let place = |v: &StringArray| (v.value_offsets().as_ptr().addr(), v.value_data().as_ptr().addr(), v.len());
        if self.last.as_ref().and_then(|l| l.as_string_opt::<i32>()).is_some_and(|l| place(l) == place(values)) {
            return;
        }
        self.last = Some(texts.values().clone());
        let codes: Vec<u32> = (0..values.len()).map(|i| if values.is_valid(i) { self.number(values.value(i)) } else { u32::MAX }).collect();
        self.codes = codes;
    }
}

/// What is to be read.
struct Work {
    files: Vec<Arc<LiveFile>>,
    next: usize,
}

/// Ends the threads when nobody waits any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Store {
    /// Folds the rows of one kind within the query's time and dataset (its filter, order and limit are not looked at). Columns that
    /// follow from others cannot be asked for.
    pub async fn fold<F: Fold>(&self, q: &Query, kind: &str, columns: &[&str], make: impl Fn() -> F) -> Result<F, Error> {
        let q = Query { kinds: vec![kind.to_owned()], filter: crate::Filter::All, ..q.clone() };
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
                whole.rows(&Rows(of_batch(p, &wanted, span)?));
            }
            let stop = Arc::new(AtomicBool::new(false));
            let _ends = Stop(Arc::clone(&stop));
            let threads = self.0.options.threads.clamp(1, part.files.len().max(1));
            let work = Arc::new(Mutex::new(Work { files: part.files.clone(), next: 0 }));
            let mut running = Vec::new();
            for _ in 0..threads {
                let (work, stop, wanted, mut fold) = (Arc::clone(&work), Arc::clone(&stop), Arc::clone(&wanted), make());
                running.push(tokio::task::spawn_blocking(move || -> Result<F, Error> {
                    loop {
                        let file = {
                            let mut w = work.lock().unwrap_or_else(PoisonError::into_inner);
                            w.next += 1;
                            w.files.get(w.next - 1).cloned()
                        };
                        match file.filter(|_| !stop.load(Ordering::Relaxed)) {
                            Some(file) => of_file(&file, &wanted, span, &stop, &mut fold)?,
                            None => return Ok(fold),
                        }
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
fn of_batch(p: &Packed, wanted: &SchemaRef, span: (i64, i64)) -> Result<RecordBatch, Error> {
    let bad = |e: arrow::error::ArrowError| Error::Query(e.to_string());
    let columns = wanted.fields().iter().map(|f| match p.rows.column_by_name(f.name()) {
        Some(c) => cast(c, f.data_type()).map_err(bad),
        None => Ok(new_null_array(f.data_type(), p.rows.num_rows())),
    });
    let rows = RecordBatch::try_new(wanted.clone(), columns.collect::<Result<_, _>>()?).map_err(bad)?;
    match p.rows.column_by_name("ts") {
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

fn of_file<F: Fold>(file: &LiveFile, wanted: &SchemaRef, span: (i64, i64), stop: &AtomicBool, fold: &mut F) -> Result<(), Error> {
    let bad = |e: String| Error::Read(format!("{}: {e}", file.path.display()));
    let f = File::open(&file.path).map_err(|e| bad(e.to_string()))?;
    let metadata = ArrowReaderMetadata::load(&f, ArrowReaderOptions::new()).map_err(|e| bad(e.to_string()))?;
    // The same columns, texts as dictionaries.
    let hinted = metadata.schema().fields().iter().map(|f| match wanted.field_with_name(f.name()) {
        Ok(w) if *f.data_type() == DataType::Utf8 => Arc::new(f.as_ref().clone().with_data_type(w.data_type().clone())),
        _ => f.clone(),
    });
    let hinted = Arc::new(ArrowSchema::new(hinted.collect::<Vec<_>>()));
    let options = ArrowReaderOptions::new().with_schema(hinted);
    let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options).map_err(|e| bad(e.to_string()))?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(f, metadata);
    let is_whole = micros(file.meta.first) >= span.0 && micros(file.meta.last) < span.1;
    let names = wanted.fields().iter().map(|f| f.name().as_str()).chain((!is_whole).then_some("ts"));
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let mut builder = builder.with_projection(mask).with_batch_size(ROWS);
    if !is_whole {
        let groups = builder.metadata().row_groups().iter().enumerate().filter(|(_, g)| {
            let ts = g.columns().iter().find(|c| c.column_path().string() == "ts").and_then(|c| c.statistics());
            let bound = |b: Option<&[u8]>| b.and_then(|b| Some(i64::from_le_bytes(b.try_into().ok()?)));
            let (low, high) = (ts.and_then(|s| bound(s.min_bytes_opt())), ts.and_then(|s| bound(s.max_bytes_opt())));
            low.is_none_or(|t| t < span.1) && high.is_none_or(|t| t >= span.0)
        });
        let groups = groups.map(|(i, _)| i).collect();
        builder = builder.with_row_groups(groups);
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

/// How often each value of one column comes.
pub(crate) struct Counts {
    words: Words,
    counts: Vec<u64>,
    numbers: FastMap<i128, u64>,
}

impl Default for Counts {
    fn default() -> Self {
        Counts { words: Words::default(), counts: Vec::new(), numbers: FastMap::with_hasher(table_state(0)) }
    }
}

impl Counts {
    /// Values as text, and how often they came.
    pub(crate) fn each(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let texts = self.counts.iter().enumerate().map(|(n, c)| (self.words.word(n as u32).to_owned(), *c));
        texts.chain(self.numbers.iter().map(|(v, n)| (v.to_string(), *n)))
    }

    /// Distinct values.
    pub(crate) fn len(&self) -> usize {
        self.words.len() + self.numbers.len()
    }
}

impl Fold for Counts {
    fn rows(&mut self, rows: &Rows) {
        let column = rows.0.column(0);
        if self.len() > DISTINCT_MAX {
            return;
        }
        macro_rules! numbers {
            ($t:ty) => {
                if let Some(c) = column.as_primitive_opt::<$t>() {
                    for v in c.iter().flatten() {
                        *self.numbers.entry(i128::from(v)).or_default() += 1;
                    }
                }
            };
        }
        match column.data_type() {
            DataType::UInt8 => numbers!(UInt8Type),
            DataType::UInt16 => numbers!(UInt16Type),
            DataType::UInt32 => numbers!(UInt32Type),
            DataType::UInt64 => numbers!(UInt64Type),
            DataType::Int64 => numbers!(Int64Type),
            _ => {
                let Counts { words, counts, .. } = self;
                for n in words.column(rows, 0).flatten() {
                    if counts.len() <= n as usize {
                        counts.resize(n as usize + 1, 0);
                    }
                    counts[n as usize] += 1;
                }
            }
        }
    }

    fn join(&mut self, other: Self) {
        let numbers = self.words.of(&other.words);
        for (n, count) in numbers.into_iter().zip(&other.counts) {
            let n = n as usize;
            if self.counts.len() <= n {
                self.counts.resize(n + 1, 0);
            }
            self.counts[n] += count;
        }
        for (v, n) in other.numbers {
            *self.numbers.entry(v).or_default() += n;
        }
    }
}

/// How many rows in each span of one length.
pub(crate) struct Bars {
    pub(crate) from: i64,
    pub(crate) width: i64,
    pub(crate) counts: Vec<u64>,
}

impl Fold for Bars {
    fn rows(&mut self, rows: &Rows) {
        let Some(ts) = rows.0.column(0).as_primitive_opt::<TimestampMicrosecondType>() else { return };
        for t in ts.values() {
            if let Some(n) = usize::try_from((t - self.from) / self.width).ok().and_then(|i| self.counts.get_mut(i)) {
                *n += 1;
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(a, b)| *a += b);
    }
}
