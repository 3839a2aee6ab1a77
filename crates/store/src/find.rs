//! Rows that hold a word: how a pivot is answered.
//!
//! A pivot wants the few rows of a long time that hold one value. Row groups that cannot hold it are ruled out by their filters. Of the others
//! only the columns that may hold it are read, with texts as the numbers that a file has for them, from the end of time that the page
//! begins at, and no further than the page needs. The rows that were found are then read whole.

use crate::derive;
use crate::files::{Key, LiveFile, fit, keys, nullable};
use crate::filter::{Op, Test};
use crate::fold::Stop;
use crate::pivot::{Needle, Word};
use crate::query::{Cursor, Order, Page, Part, Query, Source, micros};
use crate::table::test_array;
use crate::{Error, Store};
use arrow::array::{AsArray, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use parquet::file::metadata::{PageIndexPolicy, RowGroupMetaData};
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use vigie_event::Schema;
use vigie_link::{Packed, arrow_schema, unpack};

/// Rows of a row group that are looked at first, from the end that the page begins at: what comes often fills a page from there.
const NEAR: usize = 2 * crate::write::PAGE_ROWS;
/// Rows given at once.
const ROWS: usize = 32 << 10;

/// What rows are looked for.
struct Asked {
    /// Microseconds: from the first, before the second.
    span: (i64, i64),
    newest: bool,
    /// How many, those at `tied` not counted.
    rows: usize,
    /// The microsecond of the row that the page begins after: which of its rows come after that one is seen when they are read whole.
    tied: Option<i64>,
}

impl Asked {
    fn of(q: &Query) -> Self {
        let newest = q.order == Order::Newest;
        let tied = q.cursor.as_ref().map(|c| micros(c.ts));
        let (mut from, mut to) = (q.from.map_or(i64::MIN, micros), q.to.map_or(i64::MAX, micros));
        match tied {
            Some(t) if newest => to = to.min(t.saturating_add(1)),
            Some(t) => from = from.max(t),
            None => {}
        }
        // One row more than the page has: whether there is a next one.
        Asked { span: (from, to), newest, rows: q.limit + 1, tied }
    }

    fn holds(&self, ts: i64) -> bool {
        ts >= self.span.0 && ts < self.span.1
    }

    /// Whether these are all that can be wanted of what gave them.
    fn enough(&self, found: impl Iterator<Item = i64>) -> bool {
        found.filter(|ts| Some(*ts) != self.tied).nth(self.rows - 1).is_some()
    }
}

/// Where a row is that was found.
struct Hit {
    ts: i64,
    source: usize,
    /// In a file its number; in the tail which batch, and its number there.
    row: (usize, usize),
}

/// What was found so far.
struct Found {
    next: usize,
    hits: Vec<Hit>,
}

impl Found {
    /// The time that a page ends at, once it is full.
    fn edge(&self, asked: &Asked) -> Option<i64> {
        let mut counted = self.hits.iter().map(|h| h.ts).filter(|ts| Some(*ts) != asked.tied);
        counted.nth(asked.rows - 1)
    }

    /// The next source that may add to the page.
    fn next(&mut self, sources: &[Source], asked: &Asked) -> Option<usize> {
        let at = self.next;
        let source = sources.get(at)?;
        // Sources come in the order of the end that the page begins at: behind the first that is beyond its edge are only such.
        if let Some(edge) = self.edge(asked)
            && if asked.newest { micros(source.last) < edge } else { micros(source.first) > edge }
        {
            return None;
        }
        self.next += 1;
        Some(at)
    }

    fn add(&mut self, more: Vec<Hit>, asked: &Asked) {
        self.hits.extend(more);
        self.hits.sort_by_key(|h| if asked.newest { h.ts.checked_neg().unwrap_or(i64::MAX) } else { h.ts });
        if let Some(edge) = self.edge(asked) {
            self.hits.retain(|h| if asked.newest { h.ts >= edge } else { h.ts <= edge });
        }
    }
}

impl Store {
    /// A page of a query whose filter is needles and nothing else in all of `parts`; `sources` in the order in which the page needs them.
    pub(crate) async fn found(&self, q: &Query, parts: Vec<Part>, sources: Vec<Source>) -> Result<Page, Error> {
        let asked = Arc::new(Asked::of(q));
        let (parts, sources) = (Arc::new(parts), Arc::new(sources));
        let found = Arc::new(Mutex::new(Found { next: 0, hits: Vec::new() }));
        let stop = Stop(Arc::default());
        let mut running = Vec::new();
        for _ in 0..self.0.options.threads.clamp(1, sources.len().max(1)) {
            let (asked, parts, sources, found) = (Arc::clone(&asked), Arc::clone(&parts), Arc::clone(&sources), Arc::clone(&found));
            let stop = Arc::clone(&stop.0);
            running.push(tokio::task::spawn_blocking(move || -> Result<(), Error> {
                loop {
                    let next = crate::lock(&found).next(&sources, &asked);
                    let Some(at) = next.filter(|_| !stop.load(Ordering::Relaxed)) else { return Ok(()) };
                    let hits = of_source(at, &sources[at], &parts[sources[at].part], &asked, &stop)?;
                    crate::lock(&found).add(hits, &asked);
                }
            }));
        }
        for thread in running {
            thread.await.map_err(|e| Error::Query(e.to_string()))??;
        }
        let hits = std::mem::take(&mut crate::lock(&found).hits);
        let (limit, cursor, newest) = (q.limit, q.cursor.clone(), asked.newest);
        let read = move || page(hits, &parts, &sources, (limit, cursor.as_ref(), newest));
        tokio::task::spawn_blocking(read).await.map_err(|e| Error::Query(e.to_string()))?
    }
}

impl Store {
    /// The rows of a file that hold all needles. All that a page shows of a pivot asks for them: they are kept, as sums of files are, and
    /// found once where several ask at a time. `None` where nobody waits any more.
    pub(crate) fn rows_that_hold(
        &self,
        file: &LiveFile,
        schema: &'static Schema,
        needles: &[Needle],
        stop: &AtomicBool,
    ) -> Result<Option<Ranges>, Error> {
        let key = (file.path.clone(), format!("held {needles:?}"));
        let _turn = crate::lock(&self.0.turns[file.meta.id as usize % self.0.turns.len()]);
        if let Some(kept) = crate::lock(&self.0.sums).get(&key) {
            let number = |b: &[u8]| b.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
            return Ok(Some(kept.chunks_exact(8).map(|c| number(&c[..4])..number(&c[4..])).collect()));
        }
        let ranges = file.ranges(schema, needles, stop)?;
        if let Some(ranges) = &ranges {
            let numbers = ranges.iter().flat_map(|r| [r.start as u32, r.end as u32]);
            crate::lock(&self.0.sums).put(key, numbers.flat_map(u32::to_le_bytes).collect());
        }
        Ok(ranges)
    }
}

/// The rows that were found, whole and in order, as a page of `limit` after `cursor`.
fn page(hits: Vec<Hit>, parts: &[Part], sources: &[Source], asked: (usize, Option<&Cursor>, bool)) -> Result<Page, Error> {
    let (limit, cursor, newest) = asked;
    let mut rows: Vec<Vec<(usize, usize)>> = vec![Vec::new(); sources.len()];
    hits.into_iter().for_each(|h| rows[h.source].push(h.row));
    let mut page = Page::default();
    let mut order: Vec<(Key, usize, (usize, usize))> = Vec::new();
    for (at, mut rows) in rows.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
        rows.sort_unstable();
        let source = &sources[at];
        let schema = parts[source.part].schema;
        for batch in source.whole(schema, &rows)? {
            let all = keys(&batch).unwrap_or_default();
            order.extend(all.into_iter().enumerate().map(|(row, key)| (key, at, (page.batches.len(), row))));
            page.batches.push((unpack(&batch, schema)?, source.dataset.clone()));
        }
    }
    if let Some(c) = cursor {
        let after = ((micros(c.ts), (c.ts.0 % 1000) as u16, c.flow_id, c.seq), (c.kind.as_str(), c.dataset.as_str()));
        order.retain(|(key, at, _)| if newest { (*key, sources[*at].tie(parts)) < after } else { (*key, sources[*at].tie(parts)) > after });
    }
    order.sort_by(|a, b| {
        let place = |x: &(Key, usize, (usize, usize))| (x.0, sources[x.1].tie(parts));
        if newest { place(b).cmp(&place(a)) } else { place(a).cmp(&place(b)) }
    });
    let more = order.len() > limit;
    order.truncate(limit);
    page.next = order.last().filter(|_| more).map(|(key, at, _)| Cursor::at(*key, sources[*at].tie(parts)));
    page.order = order.into_iter().map(|(_, _, place)| place).collect();
    Ok(page)
}

impl Source {
    /// Some rows, whole: all columns of the kind.
    fn whole(&self, schema: &'static Schema, rows: &[(usize, usize)]) -> Result<Vec<RecordBatch>, Error> {
        let mut all = Vec::new();
        for file in &self.files {
            all.push(file.take(schema, rows.iter().map(|r| r.1))?);
        }
        for (at, packed) in self.tail.iter().enumerate() {
            let these: UInt64Array = rows.iter().filter(|r| r.0 == at).map(|r| Some(r.1 as u64)).collect();
            let taken = take_record_batch(&packed.rows, &these).map_err(|e| Error::Query(e.to_string()))?;
            all.push(fit(&taken, &vigie_link::layout(schema).arrow)?);
        }
        Ok(all)
    }
}

/// Rows of a source that hold all needles of its part.
fn of_source(at: usize, source: &Source, part: &Part, asked: &Asked, stop: &AtomicBool) -> Result<Vec<Hit>, Error> {
    let hit = |ts, row| Hit { ts, source: at, row };
    let mut hits = Vec::new();
    for file in &source.files {
        hits.extend(file.find(part.schema, &part.needles, asked, stop)?.into_iter().map(|(ts, row)| hit(ts, (0, row))));
    }
    for (batch, packed) in source.tail.iter().enumerate() {
        hits.extend(of_batch(packed, &part.needles, asked).into_iter().map(|(ts, row)| hit(ts, (batch, row))));
    }
    Ok(hits)
}

fn of_batch(packed: &Packed, needles: &[Needle], asked: &Asked) -> Vec<(i64, usize)> {
    let mut found = held(&packed.rows, needles, asked);
    if asked.newest {
        found.reverse();
    }
    found
}

/// Time and number of the rows of a batch within the time that is asked for that hold all needles.
fn held(rows: &RecordBatch, needles: &[Needle], asked: &Asked) -> Vec<(i64, usize)> {
    let Some(ts) = rows.column_by_name("ts").and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>()) else { return Vec::new() };
    let holds = hold(rows, needles);
    let times = ts.values().iter().zip(holds).enumerate();
    times.filter(|(_, (ts, holds))| *holds && asked.holds(**ts)).map(|(i, (ts, _))| (*ts, i)).collect()
}

/// Of each row of a batch whether it holds all needles.
pub(crate) fn hold(rows: &RecordBatch, needles: &[Needle]) -> Vec<bool> {
    let mut holds = vec![true; rows.num_rows()];
    for needle in needles {
        let test = match &needle.word {
            Word::Text(w) => Test::Equal(w.clone()),
            Word::Number(n) => Test::Number(Op::Is, i128::from(*n)),
        };
        let mut any = vec![false; holds.len()];
        for column in needle.columns.iter().filter_map(|c| rows.column_by_name(c)) {
            any.iter_mut().zip(test_array(&test, column)).for_each(|(a, b)| *a |= b);
        }
        holds.iter_mut().zip(any).for_each(|(h, a)| *h &= a);
    }
    holds
}

/// The same text columns, with numbers for texts.
pub(crate) fn as_words(t: &DataType) -> DataType {
    match t {
        DataType::Utf8 => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        DataType::List(item) => DataType::List(Arc::new(item.as_ref().clone().with_data_type(as_words(item.data_type())))),
        t => t.clone(),
    }
}

/// Columns of a kind by name, any of which may be null.
fn columns(schema: &'static Schema, names: &[&str]) -> SchemaRef {
    let all = arrow_schema(schema);
    let fields = all.fields().iter().filter(|f| names.contains(&f.name().as_str()));
    Arc::new(ArrowSchema::new(fields.map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<Field>>()))
}

/// Whether a row group's times lie wholly outside of a span.
pub(crate) fn is_outside(group: &RowGroupMetaData, span: (i64, i64)) -> bool {
    let ts = group.columns().iter().find(|c| c.column_path().string() == "ts").and_then(|c| c.statistics());
    let bound = |b: Option<&[u8]>| b.and_then(|b| Some(i64::from_le_bytes(b.try_into().ok()?)));
    let (low, high) = (ts.and_then(|s| bound(s.min_bytes_opt())), ts.and_then(|s| bound(s.max_bytes_opt())));
    low.is_some_and(|t| t >= span.1) || high.is_some_and(|t| t < span.0)
}

/// The rows of a row group in the pieces in which they are looked at.
fn pieces(rows: usize, newest: bool) -> Vec<Range<usize>> {
    if rows <= 2 * NEAR {
        std::iter::once(0..rows).collect()
    } else if newest {
        let edge = (rows - NEAR) / crate::write::PAGE_ROWS * crate::write::PAGE_ROWS;
        vec![edge..rows, 0..edge]
    } else {
        vec![0..NEAR, NEAR..rows]
    }
}

/// Rows of a file, by their numbers.
pub(crate) type Ranges = Vec<Range<usize>>;

/// The columns of a file that may hold the words of needles.
struct Columns<'a> {
    of: &'a LiveFile,
    kind: &'static str,
    file: File,
    metadata: ArrowReaderMetadata,
    /// Row groups that may hold them; `None`: all.
    may: Option<Vec<bool>>,
    names: Vec<&'a str>,
    /// What follows from other columns is made of them: as these.
    makes: Option<SchemaRef>,
}

impl<'a> Columns<'a> {
    /// `None` where the file holds no such word. Columns of the names in `more` are given with those of the needles.
    fn open(of: &'a LiveFile, schema: &'static Schema, needles: &'a [Needle], more: &[&'a str]) -> Result<Option<Self>, Error> {
        let may = of.may_hold(needles);
        if may.as_ref().is_some_and(|may| !may.contains(&true)) {
            return Ok(None);
        }
        let file = File::open(&of.path).map_err(|e| of.bad(e))?;
        let options = || ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options()).map_err(|e| of.bad(e))?;
        let hinted = metadata.schema().fields().iter().map(|f| Arc::new(f.as_ref().clone().with_data_type(as_words(f.data_type()))));
        let hinted = Arc::new(ArrowSchema::new(hinted.collect::<Vec<_>>()));
        let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options().with_schema(hinted)).map_err(|e| of.bad(e))?;
        let mut names: Vec<&str> = needles.iter().flat_map(|n| n.columns.iter().map(String::as_str)).collect();
        let rules = derive::rules(schema.kind).iter().filter(|r| names.contains(&r.column));
        let from: Vec<&str> = rules.flat_map(|r| r.from.iter().copied()).collect();
        names.extend(more);
        names.extend(&from);
        let makes = (!from.is_empty()).then(|| columns(schema, &names));
        Ok(Some(Columns { of, kind: schema.kind, file, metadata, may, names, makes }))
    }

    fn group(&self, group: usize) -> &RowGroupMetaData {
        self.metadata.metadata().row_group(group)
    }

    /// Row groups that may hold the words: which, the number of its first row, how many it has.
    fn groups(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let all = self.metadata.metadata().row_groups().iter().enumerate().scan(0, |next, (i, group)| {
            let rows = usize::try_from(group.num_rows()).unwrap_or(0);
            *next += rows;
            Some((i, *next - rows, rows))
        });
        all.filter(|(i, ..)| self.may.as_ref().is_none_or(|may| may.get(*i) != Some(&false)))
    }

    /// Gives the rows of a piece of a row group, until `each` says that it is enough.
    fn each(&self, group: usize, piece: Range<usize>, mut each: impl FnMut(&RecordBatch) -> bool) -> Result<(), Error> {
        let file = self.file.try_clone().map_err(|e| self.of.bad(e))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), self.names.iter().copied());
        let select = RowSelection::from(vec![RowSelector::skip(piece.start), RowSelector::select(piece.len())]);
        let builder = builder.with_row_groups(vec![group]).with_row_selection(select).with_projection(mask).with_batch_size(ROWS);
        for rows in builder.build().map_err(|e| self.of.bad(e))? {
            let mut rows = rows.map_err(|e| self.of.bad(e))?;
            if let Some(wanted) = &self.makes {
                rows = derive::whole(&fit(&rows, wanted)?, self.kind, wanted).map_err(|e| self.of.bad(e))?;
            }
            if !each(&rows) {
                break;
            }
        }
        Ok(())
    }
}

impl LiveFile {
    fn bad(&self, e: impl std::fmt::Display) -> Error {
        Error::Read(format!("{}: {e}", self.path.display()))
    }

    /// Times and numbers of the rows that hold all needles, from the end that the page begins at; no more than it may need.
    fn find(&self, schema: &'static Schema, needles: &[Needle], asked: &Asked, stop: &AtomicBool) -> Result<Vec<(i64, usize)>, Error> {
        let Some(columns) = Columns::open(self, schema, needles, &["ts"])? else { return Ok(Vec::new()) };
        let mut groups: Vec<(usize, usize, usize)> =
            columns.groups().filter(|(g, ..)| !is_outside(columns.group(*g), asked.span)).collect();
        if asked.newest {
            groups.reverse();
        }
        let mut found: Vec<(i64, usize)> = Vec::new();
        for (group, start, rows) in groups {
            for piece in pieces(rows, asked.newest) {
                let (mut at, mut here) = (start + piece.start, Vec::new());
                columns.each(group, piece, |rows| {
                    here.extend(held(rows, needles, asked).into_iter().map(|(ts, row)| (ts, at + row)));
                    at += rows.num_rows();
                    !stop.load(Ordering::Relaxed)
                })?;
                if asked.newest {
                    here.reverse();
                }
                found.extend(here);
                if stop.load(Ordering::Relaxed) || asked.enough(found.iter().map(|f| f.0)) {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// The rows that hold all needles, as ranges in order; `None` where nobody waits for them any more.
    fn ranges(&self, schema: &'static Schema, needles: &[Needle], stop: &AtomicBool) -> Result<Option<Ranges>, Error> {
        let mut ranges: Ranges = Vec::new();
        let Some(columns) = Columns::open(self, schema, needles, &[])? else { return Ok(Some(ranges)) };
        for (group, start, rows) in columns.groups() {
            let mut at = start;
            columns.each(group, 0..rows, |rows| {
                for row in hold(rows, needles).iter().enumerate().filter(|(_, holds)| **holds).map(|(i, _)| at + i) {
                    match ranges.last_mut() {
                        Some(last) if last.end == row => last.end += 1,
                        _ => ranges.push(row..row + 1),
                    }
                }
                at += rows.num_rows();
                !stop.load(Ordering::Relaxed)
            })?;
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        Ok(Some(ranges))
    }

    /// Some rows (by their numbers, in order) with all columns of their kind.
    fn take(&self, schema: &'static Schema, rows: impl Iterator<Item = usize>) -> Result<RecordBatch, Error> {
        let file = File::open(&self.path).map_err(|e| self.bad(e))?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(|e| self.bad(e))?;
        let total = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let select = RowSelection::from_consecutive_ranges(rows.map(|r| r..r + 1), total);
        let reader = builder.with_row_selection(select).with_batch_size(ROWS).build().map_err(|e| self.bad(e))?;
        let want = vigie_link::layout(schema).arrow.clone();
        let nullable = nullable(&want);
        let all = reader.map(|b| b.map_err(|e| self.bad(e)).and_then(|b| fit(&b, &nullable))).collect::<Result<Vec<_>, _>>()?;
        let all = concat_batches(&nullable, &all).map_err(|e| self.bad(e))?;
        derive::whole(&all, schema.kind, &want).map_err(|e| self.bad(e))
    }
}
