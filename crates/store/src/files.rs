//! Parquet files: how they are laid out, written, opened and removed.
//!
//! Rows stand in the order of events. Columns that tell nothing are left out (most kinds use few of their columns), and so is
//! Arrow's own schema: a reader puts in nulls, and Parquet's types say the rest. What follows from other columns is left out, too
//! ([`crate::derive`]). `ts` and counters are deltas, `flow_id` is plain (it is a hash: nothing shortens it), all else has a dictionary.
//! Bloom filters stand on what people pivot on; minima and maxima only where they can rule something out. The filters of columns that
//! follow from others stand between the row groups, and the footer says where ([`FILTERS`]).

use crate::derive;
use crate::fields;
use crate::manifest::{FileMeta, Manifest, Origin, sync_dir};
use crate::pivot::Blooms;
use crate::{Error, Problem, io};
use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use vigie_base::Time;
use vigie_event::Schema;
use vigie_link::layout;

/// Rows of a row group: what one Bloom filter rules out, and what a scan decodes at once.
pub(crate) const GROUP_ROWS: usize = 512 << 10;
/// Rows of a page: what the page index rules out.
pub(crate) const PAGE_ROWS: usize = 16 << 10;
/// False positives of a Bloom filter: one needless row group in so many costs less than the bytes of a finer one.
const BLOOM_FPP: f64 = 0.02;

/// The key of the footer under which stand the names of the columns that have filters of the store's own, and for each row group and column
/// where its blocks begin and how many they are: `flow_id,community_id 4711:128,9000:128 20000:128,30000:128`.
pub(crate) const FILTERS: &str = "vigie.filters";
/// A file that is to be merged soon: fast.
pub(crate) const QUICK: i32 = 1;
/// A file that stays for longer.
pub(crate) const DENSE: i32 = 9;

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

/// All rows of a file, in the columns of its kind.
pub(crate) fn read(file: &LiveFile, schema: &'static Schema) -> Result<Vec<RecordBatch>, Error> {
    let bad = |e: String| Error::Query(format!("{}: {e}", file.path.display()));
    let f = File::open(&file.path).map_err(io(&file.path))?;
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(f).and_then(|b| b.with_batch_size(16 << 10).build()).map_err(|e| bad(e.to_string()))?;
    let want = layout(schema).arrow.clone();
    let whole = |b: RecordBatch| derive::whole(&fit(&b, &nullable(&want))?, schema.kind, &want).map_err(|e| bad(e.to_string()));
    reader.map(|b| b.map_err(|e| bad(e.to_string())).and_then(whole)).collect()
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

fn leaf_path(name: &str, mut t: &DataType) -> ColumnPath {
    let mut parts = vec![name.to_owned()];
    while let DataType::List(f) = t {
        parts.extend(["list".to_owned(), f.name().clone()]);
        t = f.data_type();
    }
    ColumnPath::new(parts)
}

/// Whether people pivot on a column.
fn is_pivot(schema: &'static Schema, column: &str) -> bool {
    let fields = fields::of_kind(schema);
    column == "flow_id" || fields.iter().any(|i| i.column == *column && i.meanings.iter().any(|m| *m != fields::Meaning::Port))
}

fn properties(schema: &'static Schema, columns: &SchemaRef, rows: usize, level: i32) -> WriterProperties {
    let mut p = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(4096)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by("vigie".to_owned());
    for f in columns.fields() {
        let path = leaf_path(f.name(), f.data_type());
        let number = f.data_type().is_numeric();
        match f.name().as_str() {
            "ts" => {
                p = p
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED)
                    .set_column_statistics_enabled(path, EnabledStatistics::Page);
                continue;
            }
            "pcap_cnt" => {
                p = p.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
                continue;
            }
            "flow_id" => {
                p = p.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT);
                continue;
            }
            _ => {}
        }
        if is_pivot(schema, f.name()) && !derive::rules(schema.kind).iter().any(|r| r.column == f.name()) {
            // As large as so many different values need; the writer halves it while it may.
            p = p
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FPP)
                .set_column_bloom_filter_max_ndv(path.clone(), rows.min(GROUP_ROWS) as u64);
        }
        if *f.data_type() == DataType::UInt64 {
            // Counters: few are the same, and all are alike in their high bytes.
            p = p.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path.clone(), Encoding::BYTE_STREAM_SPLIT);
        }
        if number {
            p = p.set_column_statistics_enabled(path.clone(), EnabledStatistics::Chunk);
        }
        if matches!(f.data_type(), DataType::Timestamp(..)) {
            p = p
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED)
                .set_column_statistics_enabled(path, EnabledStatistics::Chunk);
        }
    }
    p.build()
}

/// Columns that need filters of the store's own.
struct Filters {
    columns: Vec<(&'static str, ArrayRef)>,
}

impl Filters {
    fn of(schema: &'static Schema, rows: &RecordBatch) -> Self {
        let rules = derive::rules(schema.kind).iter().map(|r| r.column).filter(|c| is_pivot(schema, c));
        Filters { columns: rules.filter_map(|c| Some((c, rows.column_by_name(c)?.clone()))).collect() }
    }

    /// The blocks of a filter over values.
    fn blocks(values: &ArrayRef) -> Vec<u8> {
        // A byte a value is one false positive in some fifty.
        let mut filter = Sbbf::new_with_num_of_bytes(values.len());
        if let Some(numbers) = values.as_primitive_opt::<UInt64Type>() {
            numbers.iter().flatten().for_each(|n| filter.insert(&n.to_le_bytes()[..]));
        } else if let Some(texts) = values.as_string_opt::<i32>() {
            texts.iter().flatten().for_each(|t| filter.insert(t.as_bytes()));
        }
        filter.fold_to_target_fpp(BLOOM_FPP);
        let mut blocks = Vec::new();
        // Into memory: cannot fail.
        let _ = filter.write_bitset(&mut blocks);
        blocks
    }
}

/// Writes rows (in order) as a live file: durable when this returns, but for the manifest that names it. `level`: [`QUICK`] or
/// [`DENSE`].
pub(crate) fn write(
    dir: &Path,
    id: u64,
    folder: u64,
    origin: &Origin,
    schema: &'static Schema,
    rows: &RecordBatch,
    level: i32,
) -> Result<FileMeta, Error> {
    let span =
        |at: usize| keys(&rows.slice(at, 1)).and_then(|k| k.first().copied()).map_or(Time(0), |k| Time(k.0 as u64 * 1000 + u64::from(k.1)));
    let mut meta = FileMeta {
        id,
        folder,
        origin: origin.clone(),
        kind: schema.kind.to_owned(),
        rows: rows.num_rows() as u64,
        first: span(0),
        last: span(rows.num_rows().saturating_sub(1)),
        bytes: 0,
    };
    let path = dir.join(meta.path());
    let parent = path.parent().unwrap_or(dir).to_owned();
    if !parent.exists() {
        std::fs::create_dir_all(&parent).map_err(io(&parent))?;
        for d in parent.ancestors().take(3) {
            sync_dir(d)?;
        }
    }
    let filters = Filters::of(schema, rows);
    let layout = layout(schema);
    let lean = derive::lean(rows, schema.kind).map_err(|e| Error::Query(e.to_string()))?;
    let telling = layout.telling(&lean);
    let used: Vec<usize> = (0..lean.num_columns()).filter(|i| telling[*i]).collect();
    let rows = lean.project(&used).map_err(|e| Error::Query(e.to_string()))?;
    let tmp = path.with_extension("tmp");
    let save = || -> Result<u64, Box<dyn std::error::Error>> {
        let properties = properties(schema, &rows.schema(), rows.num_rows(), level);
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut w = ArrowWriter::try_new_with_options(File::create(&tmp)?, rows.schema(), options)?;
        let mut places = filters.columns.iter().map(|c| c.0).collect::<Vec<_>>().join(",");
        for from in (0..rows.num_rows()).step_by(GROUP_ROWS) {
            let n = GROUP_ROWS.min(rows.num_rows() - from);
            w.write(&rows.slice(from, n))?;
            w.flush()?;
            for (at, (_, values)) in filters.columns.iter().enumerate() {
                let blocks = Filters::blocks(&values.slice(from, n));
                places += &format!("{}{}:{}", if at == 0 { ' ' } else { ',' }, w.bytes_written(), blocks.len() / 32);
                w.write_all(&blocks)?;
            }
        }
        w.append_key_value_metadata(KeyValue::new(FILTERS.to_owned(), places));
        let f = w.into_inner()?;
        f.sync_all()?;
        std::fs::rename(&tmp, &path)?;
        Ok(f.metadata()?.len())
    };
    match save() {
        Ok(bytes) => meta.bytes = bytes,
        Err(e) => {
            // A full disk gets its room back.
            let _ = std::fs::remove_file(&tmp);
            return Err(Error::Io(path, std::io::Error::other(e.to_string())));
        }
    }
    sync_dir(&parent)?;
    Ok(meta)
}
