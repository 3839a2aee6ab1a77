//! How a Parquet file is laid out and written.
//!
//! Rows stand in the order of events. Columns that tell nothing are left out (most kinds use few of their columns), and so is
//! Arrow's own schema: a reader puts in nulls, and Parquet's types say the rest. What follows from other columns is left out, too
//! ([`crate::derive`]). `ts` and counters are deltas, `flow_id` is plain (it is a hash: nothing shortens it), all else has a dictionary.
//! Bloom filters stand on what people pivot on; minima and maxima only where they can rule something out. The filters of columns that
//! follow from others stand between the row groups, and the footer says where ([`FILTERS`]).

use crate::derive;
use crate::fields;
use crate::files::{Key, keys};
use crate::manifest::{FileMeta, sync_dir};
use crate::{Error, io};
use arrow::array::AsArray;
use arrow::datatypes::{DataType, SchemaRef, UInt64Type};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::path::{Path, PathBuf};
use vigie_base::Time;
use vigie_event::Schema;
use vigie_link::layout;

/// Rows of a row group: what one Bloom filter rules out, and what a scan decodes at once.
const GROUP_ROWS: usize = 512 << 10;
/// Rows of a page: what the page index rules out.
pub(crate) const PAGE_ROWS: usize = 16 << 10;
/// False positives of a Bloom filter: one needless row group in so many costs less than the bytes of a finer one.
const BLOOM_FPP: f64 = 0.02;

/// The key of the footer under which stand the names of the columns that have filters of the store's own, and for each row group and column
/// where its blocks begin and how many they are: `flow_id,community_id 4711:128,9000:128 20000:128,30000:128`.
pub(crate) const FILTERS: &str = "vigie.filters";
/// How small a file is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// As it is: what comes live is put together within a minute, and a compressor for each column costs more than so few rows.
    None,
    /// To be merged soon, and perhaps not.
    Quick,
    /// It stays for longer.
    Dense,
}

impl Effort {
    fn compression(self) -> Compression {
        let level = match self {
            Effort::None => return Compression::UNCOMPRESSED,
            Effort::Quick => 1,
            Effort::Dense => 9,
        };
        Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default())
    }
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

fn properties(schema: &'static Schema, columns: &SchemaRef, rows: usize, effort: Effort) -> WriterProperties {
    let mut p = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(effort.compression())
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

/// Filters of the store's own, over the row group that is being written.
struct Filters {
    columns: Vec<(&'static str, Sbbf)>,
    /// Where they stand, as the footer says it.
    places: String,
}

impl Filters {
    fn of(schema: &'static Schema) -> Self {
        let columns: Vec<_> =
            derive::rules(schema.kind).iter().map(|r| r.column).filter(|c| is_pivot(schema, c)).map(|c| (c, empty(0))).collect();
        let places = columns.iter().map(|c| c.0).collect::<Vec<_>>().join(",");
        Filters { columns, places }
    }

    /// A row group of so many rows begins.
    fn begin(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|c| c.1 = empty(rows));
    }

    fn add(&mut self, rows: &RecordBatch) {
        for (name, filter) in &mut self.columns {
            let Some(values) = rows.column_by_name(name) else { continue };
            if let Some(numbers) = values.as_primitive_opt::<UInt64Type>() {
                numbers.iter().flatten().for_each(|n| filter.insert(&n.to_le_bytes()[..]));
            } else if let Some(texts) = values.as_string_opt::<i32>() {
                texts.iter().flatten().for_each(|t| filter.insert(t.as_bytes()));
            }
        }
    }

    /// The row group is over: its filters follow it.
    fn end(&mut self, file: &mut ArrowWriter<File>) -> std::io::Result<()> {
        for (at, (_, filter)) in self.columns.iter_mut().enumerate() {
            filter.fold_to_target_fpp(BLOOM_FPP);
            let mut blocks = Vec::new();
            // Into memory: cannot fail.
            let _ = filter.write_bitset(&mut blocks);
            self.places += &format!("{}{}:{}", if at == 0 { ' ' } else { ',' }, file.bytes_written(), blocks.len() / 32);
            file.write_all(&blocks)?;
        }
        Ok(())
    }
}

/// A filter for so many values: a byte a value is one false positive in some fifty.
fn empty(values: usize) -> Sbbf {
    Sbbf::new_with_num_of_bytes(values)
}

type Failure = Box<dyn std::error::Error>;

/// A live file that is being written.
pub(crate) struct Writer {
    meta: FileMeta,
    path: PathBuf,
    schema: &'static Schema,
    /// Which of the kind's columns the file has.
    telling: Vec<bool>,
    effort: Effort,
    /// Rows that are still to come.
    left: usize,
    /// Of those, how many before the row group is full.
    room: usize,
    filters: Filters,
    /// From the first rows on.
    file: Option<ArrowWriter<File>>,
}

impl Writer {
    /// `meta` says what of the file is known before: all but [`FileMeta::first`], [`FileMeta::last`] and [`FileMeta::bytes`].
    pub(crate) fn new(dir: &Path, meta: FileMeta, schema: &'static Schema, telling: Vec<bool>, effort: Effort) -> Result<Self, Error> {
        let path = dir.join(meta.path());
        let parent = path.parent().unwrap_or(dir);
        if !parent.exists() {
            std::fs::create_dir_all(parent).map_err(io(parent))?;
            for d in parent.ancestors().take(3) {
                sync_dir(d)?;
            }
        }
        Ok(Writer { left: meta.rows as usize, room: 0, filters: Filters::of(schema), file: None, meta, path, schema, telling, effort })
    }

    /// Rows that follow those before; `lean` are the same without what follows from others ([`derive::lean`]).
    pub(crate) fn push(&mut self, rows: &RecordBatch, lean: &RecordBatch) -> Result<(), Error> {
        let Some(keys) = keys(rows).filter(|k| !k.is_empty()) else { return Ok(()) };
        let at = |k: Key| Time(k.0 as u64 * 1000 + u64::from(k.1));
        if self.file.is_none() {
            self.meta.first = at(keys[0]);
        }
        self.meta.last = at(keys[keys.len() - 1]);
        self.write(rows, lean).map_err(|e| self.failed(&*e))
    }

    fn write(&mut self, rows: &RecordBatch, lean: &RecordBatch) -> Result<(), Failure> {
        let used: Vec<usize> = (0..lean.num_columns()).filter(|i| self.telling[*i]).collect();
        let lean = lean.project(&used)?;
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let properties = properties(self.schema, &lean.schema(), self.left, self.effort);
                let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
                none.insert(ArrowWriter::try_new_with_options(File::create(self.path.with_extension("tmp"))?, lean.schema(), options)?)
            }
        };
        let mut from = 0;
        while from < rows.num_rows() {
            if self.room == 0 {
                self.room = GROUP_ROWS.min(self.left).max(1);
                self.filters.begin(self.room);
            }
            let n = self.room.min(rows.num_rows() - from);
            file.write(&lean.slice(from, n))?;
            self.filters.add(&rows.slice(from, n));
            from += n;
            self.room -= n;
            self.left = self.left.saturating_sub(n);
            if self.room == 0 {
                file.flush()?;
                self.filters.end(file)?;
            }
        }
        Ok(())
    }

    /// All rows were pushed: durable when this returns, but for the manifest that names it.
    pub(crate) fn finish(mut self) -> Result<FileMeta, Error> {
        let save = |w: &mut Self| -> Result<u64, Failure> {
            let Some(mut file) = w.file.take() else { return Err("no row".into()) };
            if w.left > 0 || w.room > 0 {
                return Err(format!("{} rows too few", w.left).into());
            }
            file.append_key_value_metadata(KeyValue::new(FILTERS.to_owned(), std::mem::take(&mut w.filters.places)));
            let file = file.into_inner()?;
            file.sync_all()?;
            std::fs::rename(w.path.with_extension("tmp"), &w.path)?;
            Ok(file.metadata()?.len())
        };
        self.meta.bytes = save(&mut self).map_err(|e| self.failed(&*e))?;
        sync_dir(self.path.parent().unwrap_or(Path::new("/")))?;
        Ok(self.meta.clone())
    }

    fn failed(&self, why: &dyn std::error::Error) -> Error {
        Error::Io(self.path.clone(), std::io::Error::other(why.to_string()))
    }
}

impl Drop for Writer {
    /// What was not finished gives its room back: the disk may be full.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path.with_extension("tmp"));
    }
}

/// Writes rows (in order) as a live file; see [`Writer`].
pub(crate) fn write(dir: &Path, meta: FileMeta, schema: &'static Schema, rows: &RecordBatch, effort: Effort) -> Result<FileMeta, Error> {
    let lean = derive::lean(rows, schema.kind).map_err(|e| Error::Query(e.to_string()))?;
    let mut file = Writer::new(dir, meta, schema, layout(schema).telling(&lean), effort)?;
    file.push(rows, &lean)?;
    file.finish()
}
