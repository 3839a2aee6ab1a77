//! Questions: pages, histograms, tops, counts, SQL. Each reads one consistent view, ends when it is dropped, and is bounded in rows
//! looked at, rows given and memory. Time limits are the caller's: it drops what takes too long.

use crate::derive;
use crate::fields::{self, FieldInfo};
use crate::files::{Key, LiveFile, fit, keys};
use crate::filter::{self, Filter};
use crate::pivot::Needle;
use crate::table::{InNetwork, KindTable};
use crate::{Error, Groups, Options, Snapshot, Store};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::functions_aggregate::expr_fn::count as rows_of;
use datafusion::logical_expr::{Expr, ScalarUDF, cast, lit};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext, ident};
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vigie_base::Time;
use vigie_base::hash::{FastMap, table_state};
use vigie_event::{Batch, Row, Schema, Type};
use vigie_link::{Layout, Packed, layout, unpack};
use vigie_tally::{Bars, Counts, DISTINCT_MAX, Fold, Rows};

/// Rows of a file of which a page looks at the near end first.
const NEAR_ROWS: u64 = 128 << 10;
/// See [`Source::near_end`].
const NEAR_PART: i64 = 32;

/// Most rows of one page.
pub const PAGE_MAX: usize = 10_000;

/// DataFusion, set up once.
pub(crate) struct Engine {
    state: SessionState,
}

impl Engine {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(options.memory_bytes)))
            // Nothing but the store's own files is written.
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .with_metadata_cache_limit(options.memory_bytes / 4)
            .build_arc()?;
        let mut config = SessionConfig::new().with_target_partitions(options.threads.max(1)).with_information_schema(false);
        let o = config.options_mut();
        // Where they can be, filters are pushed down a table at a time: see `KindTable::scan`.
        o.execution.parquet.pushdown_filters = false;
        o.execution.parquet.schema_force_view_types = false;
        o.execution.time_zone = Some("UTC".to_owned());
        let state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features().build();
        Ok(Engine { state })
    }

    /// A session without tables.
    fn session(&self) -> SessionContext {
        SessionContext::new_with_state(self.state.clone())
    }

    /// A session whose tables are its own.
    fn own_session(&self, groups: Arc<Groups>) -> SessionContext {
        let (all, catalog) = (MemoryCatalogProviderList::new(), MemoryCatalogProvider::new());
        let names = self.state.config_options().catalog.clone();
        // Both take the place of nothing: they are new.
        let _ = catalog.register_schema(&names.default_schema, Arc::new(MemorySchemaProvider::new()));
        all.register_catalog(names.default_catalog, Arc::new(catalog));
        let state = SessionStateBuilder::new_from_existing(self.state.clone()).with_catalog_list(Arc::new(all)).build();
        let ctx = SessionContext::new_with_state(state);
        ctx.register_udf(ScalarUDF::from(InNetwork::new(groups)));
        ctx
    }
}

/// Which end of time comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
}

/// A row's place in the order of events: the next page begins after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its time.
    pub ts: Time,
    /// Its flow.
    pub flow_id: u64,
    /// Its place in the flow.
    pub seq: u32,
    /// Its kind.
    pub kind: String,
    /// Its dataset.
    pub dataset: String,
}

impl Cursor {
    pub(crate) fn at(k: Key, (kind, dataset): (&str, &str)) -> Self {
        let ts = Time(k.0 as u64 * 1000 + u64::from(k.1));
        Cursor { ts, flow_id: k.2, seq: k.3, kind: kind.to_owned(), dataset: dataset.to_owned() }
    }
}

/// Which events, and in which order.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Of this dataset; of all where `None`.
    pub dataset: Option<String>,
    /// Of these kinds; of all but those for Vigie's own use where empty.
    pub kinds: Vec<String>,
    /// Not before this time (whole microseconds).
    pub from: Option<Time>,
    /// Before this time (whole microseconds).
    pub to: Option<Time>,
    /// Which of those.
    pub filter: Filter,
    /// Rows of a page: 1 to [`PAGE_MAX`].
    pub limit: usize,
    /// After this row.
    pub cursor: Option<Cursor>,
    /// In which order.
    pub order: Order,
}

/// Some rows, in order.
#[derive(Debug, Default)]
pub struct Page {
    pub(crate) batches: Vec<(Batch, String)>,
    /// Which batch, and which of its rows.
    pub(crate) order: Vec<(usize, usize)>,
    /// Where the next page begins; `None` where there is no more.
    pub next: Option<Cursor>,
}

impl Page {
    /// The rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.order.iter().map(|(b, r)| self.batches[*b].0.row(*r))
    }

    /// The rows with their datasets.
    pub fn rows_with_dataset(&self) -> impl ExactSizeIterator<Item = (Row<'_>, &str)> {
        self.order.iter().map(|(b, r)| (self.batches[*b].0.row(*r), self.batches[*b].1.as_str()))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

/// One bar of a histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its beginning; it ends where the next begins.
    pub from: Time,
    /// Rows by kind; a kind without rows is absent.
    pub counts: BTreeMap<&'static str, u64>,
}

/// The most frequent values of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// Value and count, the most frequent first.
    pub values: Vec<(String, u64)>,
    /// How many values there are.
    pub distinct: u64,
    /// Count of all values that are not in `values`.
    pub other: u64,
}

/// Bounds of an SQL query.
#[derive(Clone, Copy, Debug)]
pub struct SqlLimits {
    /// Rows given; more are cut.
    pub rows: usize,
}

/// What an SQL query gave.
#[derive(Clone, Debug)]
pub struct SqlRows {
    /// Names and types of its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
    /// Whether rows were cut at the limit.
    pub cut: bool,
}

/// One kind's part of a query.
pub(crate) struct Part {
    pub(crate) schema: &'static Schema,
    layout: Arc<Layout>,
    fields: Arc<Vec<FieldInfo>>,
    /// Filter and time.
    expr: Expr,
    pub(crate) needles: Vec<Needle>,
    /// Whether the filter says no more than the needles.
    is_needles: bool,
    pub(crate) files: Vec<Arc<LiveFile>>,
    pub(crate) tail: Vec<Arc<Packed>>,
}

/// How many rows there are.
#[derive(Default)]
struct Counted(u64);

impl Fold for Counted {
    fn rows(&mut self, rows: &Rows) {
        self.0 += rows.len() as u64;
    }

    fn join(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Part {
    /// Whether the rows that the filter lets through can be read by a fold: all, or those that hold its needles.
    fn can_fold(&self, q: &Query) -> bool {
        self.is_needles || filter::is_true(&q.filter.compile(self.schema, &self.fields))
    }
}

/// What one scan of a page reads: one file, or the journal's batches of one kind and dataset.
pub(crate) struct Source {
    pub(crate) part: usize,
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) dataset: String,
    pub(crate) files: Vec<Arc<LiveFile>>,
    pub(crate) tail: Vec<Arc<Packed>>,
}

impl Source {
    /// What decides between rows of one key.
    pub(crate) fn tie(&self, parts: &[Part]) -> (&'static str, &str) {
        (parts[self.part].schema.kind, &self.dataset)
    }

    /// The end of a large file from which a page begins, a part in [`NEAR_PART`] of its time.
    fn near_end(&self, q: &Query, newest: bool) -> Option<Expr> {
        let rows: u64 = self.files.iter().map(|f| f.meta.rows).sum();
        if rows < NEAR_ROWS {
            return None;
        }
        let part = (micros(self.last) - micros(self.first)) / NEAR_PART;
        let cursor = q.cursor.as_ref().map(|c| micros(c.ts));
        Some(if newest {
            let end = q.to.map(micros).into_iter().chain(cursor).fold(micros(self.last), i64::min);
            ident("ts").gt_eq(ts(end - part))
        } else {
            let end = q.from.map(micros).into_iter().chain(cursor).fold(micros(self.first), i64::max);
            ident("ts").lt_eq(ts(end + part))
        })
    }
}

pub(crate) fn micros(t: Time) -> i64 {
    (t.0 / 1000) as i64
}

fn ts(us: i64) -> Expr {
    Expr::Literal(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())), None)
}

impl Store {
    /// A page of events. Reads the files from the end that is asked for, and no further than the page needs.
    pub async fn page(&self, q: &Query) -> Result<Page, Error> {
        let s = self.snapshot();
        match self.page_of(&s, q).await {
            Err(Error::Read(e)) => {
                self.mend(&s, q, e)?;
                self.page_of(&self.snapshot(), q).await
            }
            r => r,
        }
    }

    /// All events of a flow, oldest first, those for Vigie's own use included; [`PAGE_MAX`] at most.
    pub async fn flow(&self, dataset: Option<&str>, flow_id: u64) -> Result<Page, Error> {
        self.page(&Query {
            dataset: dataset.map(str::to_owned),
            kinds: self.0.schemas.iter().map(|s| s.kind.to_owned()).collect(),
            filter: Filter::is("flow_id", flow_id),
            limit: PAGE_MAX,
            order: Order::Oldest,
            ..Query::default()
        })
        .await
    }

    /// Counts by kind.
    pub async fn count(&self, q: &Query) -> Result<BTreeMap<&'static str, u64>, Error> {
        let s = self.snapshot();
        match self.count_of(&s, q).await {
            Err(Error::Read(e)) => {
                self.mend(&s, q, e)?;
                self.count_of(&self.snapshot(), q).await
            }
            r => r,
        }
    }

    /// Counts by kind in `buckets` (1 to 10,000) spans of one length, from [`Query::from`] to [`Query::to`], or over all events.
    pub async fn histogram(&self, q: &Query, buckets: usize) -> Result<Vec<Bucket>, Error> {
        let s = self.snapshot();
        match self.histogram_of(&s, q, buckets).await {
            Err(Error::Read(e)) => {
                self.mend(&s, q, e)?;
                self.histogram_of(&self.snapshot(), q, buckets).await
            }
            r => r,
        }
    }

    /// The `n` most frequent values of a field (by its name in EVE, as in the query bar), over all kinds that have it.
    pub async fn top(&self, q: &Query, field: &str, n: usize) -> Result<Top, Error> {
        let s = self.snapshot();
        match self.top_of(&s, q, field, n).await {
            Err(Error::Read(e)) => {
                self.mend(&s, q, e)?;
                self.top_of(&self.snapshot(), q, field, n).await
            }
            r => r,
        }
    }

    /// An SQL query over one table a kind and the view `events` (envelopes of all kinds but those for Vigie's own use). Reads only.
    pub async fn sql(&self, text: &str, limits: SqlLimits) -> Result<SqlRows, Error> {
        let s = self.snapshot();
        match self.sql_of(&s, text, limits).await {
            Err(Error::Read(e)) => {
                self.mend(&s, &Query::default(), e)?;
                self.sql_of(&self.snapshot(), text, limits).await
            }
            r => r,
        }
    }

    /// After a query could not read a file: sets damaged ones aside, so that it can be run once more; an error where all are sound.
    pub(crate) fn mend(&self, s: &Snapshot, q: &Query, e: String) -> Result<(), Error> {
        let suspects: Vec<_> = s.files.iter().filter(|f| q.kinds.is_empty() || q.kinds.contains(&f.meta.kind)).cloned().collect();
        if self.check(&suspects)? == 0 { Err(Error::Read(e)) } else { Ok(()) }
    }

    /// The kinds that a query is about, with what they have to read.
    pub(crate) fn parts(&self, s: &Snapshot, q: &Query) -> Result<Vec<Part>, Error> {
        if let Some(unknown) = q.kinds.iter().find(|k| self.schema(k).is_none()) {
            return Err(Error::Query(format!("unknown kind \"{unknown}\"")));
        }
        let (from, to) = (q.from.map(micros), q.to.map(micros));
        let asked = |dataset: &str, first: Time, last: Time| {
            q.dataset.as_ref().is_none_or(|d| d == dataset)
                && from.is_none_or(|t| micros(last) >= t)
                && to.is_none_or(|t| micros(first) < t)
        };
        let mut parts = Vec::new();
        for schema in &self.0.schemas {
            let asked_for = if q.kinds.is_empty() { !schema.internal } else { q.kinds.iter().any(|k| k == schema.kind) };
            if !asked_for {
                continue;
            }
            let (layout, fields) = (layout(schema), fields::of_kind(schema));
            let mut expr = q.filter.compile(schema, &fields);
            if filter::is_false(&expr) {
                continue;
            }
            if let Some(t) = from {
                expr = ident("ts").gt_eq(ts(t)).and(expr);
            }
            if let Some(t) = to {
                expr = ident("ts").lt(ts(t)).and(expr);
            }
            let files: Vec<_> = s
                .files
                .iter()
                .filter(|f| f.meta.kind == schema.kind && asked(&f.meta.origin.dataset, f.meta.first, f.meta.last))
                .cloned()
                .collect();
            let tail: Vec<_> =
                s.tail.iter().filter(|p| std::ptr::eq(p.schema, *schema) && asked(&p.header.dataset, p.first, p.last)).cloned().collect();
            if files.is_empty() && tail.is_empty() {
                continue;
            }
            let needles = q.filter.needles(&fields);
            let is_needles = q.filter.is_needles(&fields);
            parts.push(Part { schema, layout, fields, expr, needles, is_needles, files, tail });
        }
        Ok(parts)
    }

    pub(crate) fn affordable(&self, parts: &[Part]) -> Result<(), Error> {
        let rows: u64 = parts.iter().flat_map(|p| &p.files).map(|f| f.meta.rows).sum();
        let limit = self.0.options.scan_rows_max;
        if rows > limit {
            return Err(Error::TooMuch { rows, files: parts.iter().map(|p| p.files.len()).sum(), limit });
        }
        Ok(())
    }

    /// What passes `expr` of some of a part's files and batches; `expr` implies the query's filter.
    fn frame(&self, part: &Part, files: &[Arc<LiveFile>], tail: &[Arc<Packed>], expr: Expr) -> Result<DataFrame, Error> {
        let mut table = KindTable::new(part.layout.clone(), files.to_vec(), tail.to_vec(), self.0.options.scan_rows_max);
        table.needles = part.needles.clone();
        let frame = self.0.engine.session().read_table(Arc::new(table))?;
        Ok(if filter::is_true(&expr) { frame } else { frame.filter(expr)? })
    }

    async fn page_of(&self, s: &Snapshot, q: &Query) -> Result<Page, Error> {
        if q.limit == 0 || q.limit > PAGE_MAX {
            return Err(Error::Query(format!("a page of {} rows: 1 to {PAGE_MAX} are possible", q.limit)));
        }
        let newest = q.order == Order::Newest;
        let parts = self.parts(s, q)?;
        self.affordable(&parts)?;
        let mut sources = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            for f in &part.files {
                let dataset = f.meta.origin.dataset.clone();
                sources.push(Source {
                    part: at,
                    first: f.meta.first,
                    last: f.meta.last,
                    dataset,
                    files: vec![f.clone()],
                    tail: Vec::new(),
                });
            }
            let mut tails: BTreeMap<&str, Source> = BTreeMap::new();
            for p in &part.tail {
                let t = tails.entry(&p.header.dataset).or_insert_with(|| Source {
                    part: at,
                    first: p.first,
                    last: p.last,
                    dataset: p.header.dataset.clone(),
                    files: Vec::new(),
                    tail: Vec::new(),
                });
                (t.first, t.last) = (t.first.min(p.first), t.last.max(p.last));
                t.tail.push(p.clone());
            }
            sources.extend(tails.into_values());
        }
        sources.sort_by_key(|s| if newest { (u64::MAX - s.last.0, s.part) } else { (s.first.0, s.part) });
        if parts.iter().all(|p| p.is_needles) {
            return self.found(q, parts, sources).await;
        }
        // One row more than asked for: whether there is a next page.
        let want = q.limit + 1;
        let mut best: Vec<(Key, usize)> = Vec::new();
        let in_order = |a: &(Key, usize), b: &(Key, usize)| {
            let key = |x: &(Key, usize)| (x.0, sources[x.1].tie(&parts));
            if newest { key(b).cmp(&key(a)) } else { key(a).cmp(&key(b)) }
        };
        for (at, source) in sources.iter().enumerate() {
            if best.len() >= want {
                let edge = best[want - 1].0.0;
                let behind = if newest { micros(source.last) < edge } else { micros(source.first) > edge };
                if behind {
                    break;
                }
            }
            let part = &parts[source.part];
            let mut expr = part.expr.clone();
            if let Some(c) = &q.cursor {
                let (us, after_tie) = (micros(c.ts), source.tie(&parts).cmp(&(c.kind.as_str(), c.dataset.as_str())));
                let given = if newest { micros(source.first) > us } else { micros(source.last) < us };
                if given {
                    continue;
                }
                expr = expr.and(beyond(c, newest, if newest { after_tie.is_lt() } else { after_tie.is_gt() }));
            }
            let order = ["ts", "ts_ns", "flow_id", "seq"].map(|n| ident(n).sort(!newest, true)).to_vec();
            if source.files.iter().any(|f| f.may_hold(&part.needles).is_some_and(|may| !may.contains(&true))) {
                continue;
            }
            // What lies behind a page that is full already is not looked at.
            if best.len() >= want {
                let edge = ts(best[want - 1].0.0);
                expr = if newest { ident("ts").gt_eq(edge) } else { ident("ts").lt_eq(edge) }.and(expr);
            }
            // When the last row of the page is comes first: of the rows beyond it nothing else need be known. What comes often fills a page
            // from the near end of a large file, and the rest of it need not be read.
            let mut times: Vec<i64> = Vec::new();
            for within in source.near_end(q, newest).map(Some).into_iter().chain([None]) {
                let expr = within.map_or(expr.clone(), |within| within.and(expr.clone()));
                let frame = self.frame(part, &source.files, &source.tail, expr)?.select([ident("ts")])?;
                let found = frame.sort(vec![ident("ts").sort(!newest, true)])?.limit(0, Some(want))?.collect().await?;
                times =
                    found.iter().flat_map(|b| b.column(0).as_primitive::<TimestampMicrosecondType>().values().iter().copied()).collect();
                if times.len() >= want {
                    break;
                }
            }
            let Some(edge) = (if newest { times.into_iter().min() } else { times.into_iter().max() }) else { continue };
            let near = if newest { ident("ts").gt_eq(ts(edge)) } else { ident("ts").lt_eq(ts(edge)) };
            let frame = self.frame(part, &source.files, &source.tail, near.and(expr))?;
            let frame = frame.select(["ts", "ts_ns", "flow_id", "seq"].map(ident))?.sort(order)?.limit(0, Some(want))?;
            for b in frame.collect().await? {
                best.extend(keys(&b).unwrap_or_default().into_iter().map(|k| (k, at)));
            }
            best.sort_by(in_order);
            best.truncate(want);
        }
        let more = best.len() == want;
        best.truncate(q.limit);
        let next = best.last().filter(|_| more).map(|(k, at)| Cursor::at(*k, sources[*at].tie(&parts)));
        self.fetch(&parts, &sources, &best, next).await
    }

    /// The whole rows of a page whose keys are known.
    async fn fetch(&self, parts: &[Part], sources: &[Source], best: &[(Key, usize)], next: Option<Cursor>) -> Result<Page, Error> {
        let mut wanted: BTreeMap<usize, BTreeSet<Key>> = BTreeMap::new();
        for (k, at) in best {
            wanted.entry(*at).or_default().insert(*k);
        }
        let mut page = Page { next, ..Page::default() };
        let mut found: BTreeMap<(Key, usize), Vec<(usize, usize)>> = BTreeMap::new();
        for (at, keys_wanted) in wanted {
            let (source, part) = (&sources[at], &parts[sources[at].part]);
            let (Some(first), Some(last)) = (keys_wanted.first(), keys_wanted.last()) else { continue };
            let flows: BTreeSet<u64> = keys_wanted.iter().map(|k| k.2).collect();
            let flows = flows.into_iter().map(lit).collect();
            let expr = ident("ts").gt_eq(ts(first.0)).and(ident("ts").lt_eq(ts(last.0))).and(ident("flow_id").in_list(flows, false));
            // The filter once more: of rows of one key, only those that pass it.
            let frame = self.frame(part, &source.files, &source.tail, expr.and(part.expr.clone()))?;
            let columns: Vec<Expr> = part.layout.arrow.fields().iter().map(|f| ident(f.name())).collect();
            for b in frame.select(columns)?.collect().await? {
                let all = keys(&b).unwrap_or_default();
                let mask: BooleanArray = all.iter().map(|k| Some(keys_wanted.contains(k))).collect();
                let b = arrow::compute::filter_record_batch(&b, &mask).map_err(|e| Error::Query(e.to_string()))?;
                if b.num_rows() == 0 {
                    continue;
                }
                let b = fit(&b, &part.layout.arrow)?;
                for (row, k) in keys(&b).unwrap_or_default().into_iter().enumerate() {
                    found.entry((k, at)).or_default().push((page.batches.len(), row));
                }
                page.batches.push((unpack(&b, part.schema)?, source.dataset.clone()));
            }
        }
        for b in best {
            if let Some(place) = found.get_mut(b).and_then(|v| if v.is_empty() { None } else { Some(v.remove(0)) }) {
                page.order.push(place);
            }
        }
        Ok(page)
    }

    async fn count_of(&self, s: &Snapshot, q: &Query) -> Result<BTreeMap<&'static str, u64>, Error> {
        let mut counts = BTreeMap::new();
        for part in self.parts(s, q)? {
            let (kind, n) = self.count_part(q, part).await?;
            if n > 0 {
                counts.insert(kind, n);
            }
        }
        Ok(counts)
    }

    async fn count_part(&self, q: &Query, mut part: Part) -> Result<(&'static str, u64), Error> {
        let kind = part.schema.kind;
        let mut n = 0;
        if filter::is_true(&q.filter.compile(part.schema, &part.fields)) {
            // What lies wholly in the time asked for is counted in the manifest.
            let whole = |first: Time, last: Time| {
                q.from.is_none_or(|t| micros(first) >= micros(t)) && q.to.is_none_or(|t| micros(last) < micros(t))
            };
            part.files.retain(|f| {
                let w = whole(f.meta.first, f.meta.last);
                n += if w { f.meta.rows } else { 0 };
                !w
            });
            part.tail.retain(|p| {
                let w = whole(p.first, p.last);
                n += if w { p.rows.num_rows() as u64 } else { 0 };
                !w
            });
        }
        if !(part.files.is_empty() && part.tail.is_empty()) {
            self.affordable(std::slice::from_ref(&part))?;
            if part.is_needles {
                return Ok((kind, self.fold_pivot(q, kind, &["ts"], Counted::default).await?.0));
            }
            n += self.frame(&part, &part.files, &part.tail, part.expr.clone())?.count().await? as u64;
        }
        Ok((kind, n))
    }

    async fn histogram_of(&self, s: &Snapshot, q: &Query, buckets: usize) -> Result<Vec<Bucket>, Error> {
        if buckets == 0 || buckets > 10_000 {
            return Err(Error::Query(format!("{buckets} buckets: 1 to 10,000 are possible")));
        }
        let parts = self.parts(s, q)?;
        self.affordable(&parts)?;
        let spans = || {
            let files = parts.iter().flat_map(|p| &p.files).map(|f| (f.meta.first, f.meta.last));
            files.chain(parts.iter().flat_map(|p| &p.tail).map(|p| (p.first, p.last)))
        };
        let Some(from) = q.from.or(spans().map(|s| s.0).min()).map(micros) else { return Ok(Vec::new()) };
        let to = q.to.map(micros).or(spans().map(|s| micros(s.1) + 1).max()).unwrap_or(from + 1).max(from + 1);
        let width = ((to - from) as u64).div_ceil(buckets as u64).max(1) as i64;
        let mut out: Vec<Bucket> = (0..buckets as i64)
            .map(|i| from + i * width)
            .take_while(|t| *t < to)
            .map(|t| Bucket { from: Time::from_micros(t as u64), counts: BTreeMap::new() })
            .collect();
        for part in parts {
            if part.can_fold(q) {
                let n = out.len();
                let within = Query { from: Some(Time::from_micros(from as u64)), to: Some(Time::from_micros(to as u64)), ..q.clone() };
                let bars = self.fold_pivot(&within, part.schema.kind, &["ts"], || Bars { from, width, counts: vec![0; n] }).await?;
                for (bucket, n) in out.iter_mut().zip(bars.counts).filter(|(_, n)| *n > 0) {
                    *bucket.counts.entry(part.schema.kind).or_default() += n;
                }
                continue;
            }
            let bucket = ((cast(ident("ts"), DataType::Int64) - lit(from)) / lit(width)).alias("bucket");
            let frame = self.frame(&part, &part.files, &part.tail, part.expr.clone())?;
            let frame = frame.aggregate(vec![bucket], vec![rows_of(lit(1)).alias("n")])?;
            for b in frame.collect().await? {
                let (at, n) = (b.column(0).as_primitive::<Int64Type>(), b.column(1).as_primitive::<Int64Type>());
                for i in 0..b.num_rows() {
                    if let Some(bucket) = usize::try_from(at.value(i)).ok().and_then(|i| out.get_mut(i)) {
                        *bucket.counts.entry(part.schema.kind).or_default() += n.value(i) as u64;
                    }
                }
            }
        }
        Ok(out)
    }

    async fn top_of(&self, s: &Snapshot, q: &Query, field: &str, n: usize) -> Result<Top, Error> {
        let parts = self.parts(s, q)?;
        self.affordable(&parts)?;
        let mut counts: FastMap<String, u64> = FastMap::with_hasher(table_state(0));
        let mut known = field == "event_type";
        for part in parts {
            if field == "event_type" {
                let (kind, n) = self.count_part(q, part).await?;
                *counts.entry(kind.to_owned()).or_default() += n;
                continue;
            }
            let folds = part.can_fold(q);
            for info in filter::named(field, &part.fields) {
                known = true;
                let follows = derive::rules(part.schema.kind).iter().any(|r| r.column == info.column);
                if folds && !info.list && !follows && !matches!(info.ty, Type::Time | Type::F64 | Type::Bool | Type::Flag) {
                    let found = self.fold_pivot(q, part.schema.kind, &[info.column.as_str()], Counts::default).await?;
                    if found.len() + counts.len() > DISTINCT_MAX {
                        return Err(too_many(field));
                    }
                    for (value, n) in found.each() {
                        *counts.entry(value).or_default() += n;
                    }
                    continue;
                }
                let frame = self.frame(&part, &part.files, &part.tail, part.expr.clone())?;
                let mut stream = if info.list {
                    frame.select([ident(&info.column)])?.execute_stream().await?
                } else {
                    let frame = frame.aggregate(vec![ident(&info.column)], vec![rows_of(lit(1)).alias("n")])?;
                    frame.execute_stream().await?
                };
                while let Some(b) = stream.next().await {
                    let b = b?;
                    let times = (!info.list).then(|| b.column(1).as_primitive::<Int64Type>());
                    tally(b.column(0), times.map(|t| t.values().as_ref()), &mut counts)?;
                    if counts.len() > DISTINCT_MAX {
                        return Err(too_many(field));
                    }
                }
            }
        }
        if !known && filter::named(field, &fields::fields(&self.0.schemas)).is_empty() {
            return Err(Error::Query(format!("unknown field \"{field}\"")));
        }
        counts.retain(|_, n| *n > 0);
        let distinct = counts.len() as u64;
        let mut values: Vec<(String, u64)> = counts.into_iter().collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let other = values.iter().skip(n).map(|v| v.1).sum();
        values.truncate(n);
        Ok(Top { values, distinct, other })
    }

    async fn sql_of(&self, s: &Snapshot, text: &str, limits: SqlLimits) -> Result<SqlRows, Error> {
        let ctx = self.0.engine.own_session(self.groups());
        let mut events: Option<DataFrame> = None;
        for schema in &self.0.schemas {
            let layout = layout(schema);
            let files = s.files.iter().filter(|f| f.meta.kind == schema.kind).cloned().collect();
            let tail = s.tail.iter().filter(|p| std::ptr::eq(p.schema, *schema)).cloned().collect();
            let table = Arc::new(KindTable::new(layout, files, tail, self.0.options.scan_rows_max));
            ctx.register_table(schema.kind, table.clone())?;
            if !schema.internal {
                let columns = vigie_link::ENVELOPE.iter().map(|(n, _)| ident(*n)).chain(crate::table::ORIGIN.iter().map(|n| ident(*n)));
                let columns: Vec<Expr> = std::iter::once(lit(schema.kind).alias("event_type")).chain(columns).collect();
                let frame = ctx.read_table(table)?.select(columns)?;
                events = Some(match events {
                    Some(e) => e.union(frame)?,
                    None => frame,
                });
            }
        }
        if let Some(e) = events {
            ctx.register_table("events", e.into_view())?;
        }
        let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = ctx.sql_with_options(text, options).await?;
        let mut stream = frame.limit(0, Some(limits.rows.saturating_add(1)))?.execute_stream().await?;
        let schema = stream.schema();
        let (mut batches, mut rows, mut cut) = (Vec::new(), 0, false);
        while let Some(b) = stream.next().await {
            let b = b?;
            let left = limits.rows - rows;
            if b.num_rows() > left {
                batches.push(b.slice(0, left));
                cut = true;
                break;
            }
            rows += b.num_rows();
            batches.push(b);
        }
        Ok(SqlRows { schema, batches, cut })
    }
}

fn too_many(field: &str) -> Error {
    Error::Query(format!("{field} has more than {DISTINCT_MAX} values here: narrow the time or the filter"))
}

/// Rows beyond a cursor; `tie`: whether a row of the same key is beyond it.
fn beyond(c: &Cursor, newest: bool, tie: bool) -> Expr {
    let past = |column: &str, v: Expr| if newest { ident(column).lt(v) } else { ident(column).gt(v) };
    let steps = [("ts", ts(micros(c.ts))), ("ts_ns", lit((c.ts.0 % 1000) as u16)), ("flow_id", lit(c.flow_id)), ("seq", lit(c.seq))];
    let mut expr = lit(tie);
    for (column, v) in steps.into_iter().rev() {
        expr = past(column, v.clone()).or(ident(column).eq(v).and(expr));
    }
    // Said once more alone, so that files and pages can be ruled out by it.
    let edge = ts(micros(c.ts));
    let coarse = if newest { ident("ts").lt_eq(edge) } else { ident("ts").gt_eq(edge) };
    coarse.and(expr)
}

/// Adds the values of a column, each as often as `times` says (once where it says nothing); lists give their items.
fn tally(column: &ArrayRef, times: Option<&[i64]>, counts: &mut FastMap<String, u64>) -> Result<(), Error> {
    if let Some(list) = column.as_list_opt::<i32>() {
        let o = list.value_offsets();
        let (first, last) = (o[0] as usize, o[o.len() - 1] as usize);
        return tally(&list.values().slice(first, last - first), None, counts);
    }
    let texts = arrow::compute::cast(column, &DataType::Utf8).map_err(|e| Error::Query(e.to_string()))?;
    let texts = texts.as_string::<i32>();
    for i in (0..texts.len()).filter(|i| texts.is_valid(*i)) {
        let n = times.map_or(1, |t| t[i].max(0) as u64);
        match counts.get_mut(texts.value(i)) {
            Some(c) => *c += n,
            None => {
                counts.insert(texts.value(i).to_owned(), n);
            }
        }
    }
    Ok(())
}

impl From<DataFusionError> for Error {
    fn from(e: DataFusionError) -> Self {
        let text = e.strip_backtrace();
        match e.find_root() {
            DataFusionError::ParquetError(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ObjectStore(_)
            | DataFusionError::External(_)
            | DataFusionError::ArrowError(..) => Error::Read(text),
            _ => Error::Query(text),
        }
    }
}
