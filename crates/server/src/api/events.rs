//! Who talked to whom, when.

use crate::api::{attachment, instant, limit, parted, time_text};
use crate::app::App;
use crate::error::{Answer, Refusal};
use crate::person::{Analyst, Viewer};
use crate::rate::Rate;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};
use vigie_base::Time;
use vigie_event::{Row, Type};
use vigie_store::{Cursor, Form, Order, SqlLimits, Store};

/// Rows of a page at most.
const PAGE_MAX: usize = 1000;
/// Bars of a histogram at most.
const BUCKETS_MAX: usize = 1000;
/// Values of a facet at most.
const FACET_MAX: usize = 100;

/// Which events.
#[derive(Clone, Deserialize, IntoParams)]
pub(crate) struct EventQuery {
    /// In the language of the query bar: `src_ip:10.0.0.1 -dest_port:443 dns.rrname:*.example.org`.
    q: Option<String>,
    /// Kinds, parted by commas; all without.
    kind: Option<String>,
    dataset: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// `desc` (default): the latest first; or `asc`.
    order: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

impl EventQuery {
    /// As the store takes it.
    fn read(&self, store: &Store) -> Answer<vigie_store::Query> {
        let filter = store.filter(self.q.as_deref().unwrap_or_default()).map_err(Refusal::query)?;
        let order = match self.order.as_deref() {
            None | Some("desc") => Order::Newest,
            Some("asc") => Order::Oldest,
            Some(_) => return Err(Refusal::parameter("order", "order is asc or desc")),
        };
        let cursor = match &self.cursor {
            None => None,
            Some(c) => Some(cursor(c).ok_or_else(|| Refusal::parameter("cursor", "not a cursor of this list; begin without one"))?),
        };
        let mut query = vigie_store::Query {
            dataset: self.dataset.clone(),
            from: instant("from", self.from.as_deref())?,
            to: instant("to", self.to.as_deref())?,
            filter,
            limit: limit(self.limit, 100, PAGE_MAX)?,
            cursor,
            order,
            ..vigie_store::Query::default()
        };
        let known = store.schemas();
        for word in parted(self.kind.as_deref()) {
            match known.iter().find(|s| s.kind == word && !s.internal) {
                Some(schema) => query.kinds.push(schema.kind.to_owned()),
                None => return Err(Refusal::parameter("kind", format!("there is no kind of event `{word}`; /events/fields lists them"))),
            }
        }
        Ok(query)
    }

    /// For the trail.
    fn told(&self) -> String {
        format!(
            "events q={} kind={} dataset={}",
            self.q.as_deref().unwrap_or(""),
            self.kind.as_deref().unwrap_or(""),
            self.dataset.as_deref().unwrap_or("")
        )
    }
}

/// A place in the list, as text: it names the last row.
fn cursor_text(c: &Cursor) -> String {
    format!("{}.{}.{}.{}.{}", c.ts.0, c.flow_id, c.seq, c.kind, c.dataset)
}

fn cursor(text: &str) -> Option<Cursor> {
    let mut parts = text.splitn(5, '.');
    let mut next = || parts.next();
    Some(Cursor {
        ts: Time(next()?.parse().ok()?),
        flow_id: next()?.parse().ok()?,
        seq: next()?.parse().ok()?,
        kind: next()?.to_owned(),
        dataset: next()?.to_owned(),
    })
}

/// A page of events, each as EVE writes it, with its `dataset`.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(crate) struct EventPage {
    #[schema(value_type = Vec<Object>)]
    items: Vec<serde_json::Value>,
    next: Option<String>,
    total: Option<u64>,
}

/// Rows as JSON. They are written by the writer of EVE and not read again, so that a page costs little.
fn page(rows: &vigie_store::Page) -> Response {
    let mut body = b"{\"items\":[".to_vec();
    for (n, (row, dataset)) in rows.rows_with_dataset().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        vigie_event::eve::write(row, &mut body);
        // `}` and the newline make place for what EVE does not know.
        body.truncate(body.len() - 2);
        body.extend_from_slice(b",\"dataset\":");
        vigie_event::json::string(dataset.as_bytes(), &mut body);
        body.push(b'}');
    }
    body.extend_from_slice(b"],\"next\":");
    match &rows.next {
        Some(cursor) => vigie_event::json::string(cursor_text(cursor).as_bytes(), &mut body),
        None => body.extend_from_slice(b"null"),
    }
    body.extend_from_slice(b",\"total\":null}");
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// A page of events
#[utoipa::path(get, path = "/events", tag = "events", extensions(("x-role" = json!("viewer"))), params(EventQuery),
    responses((status = 200, body = EventPage), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Query(q): Query<EventQuery>,
) -> Answer<Response> {
    let query = q.read(&app.home.store)?;
    let rows = app.home.store.page(&query).await?;
    app.read_by(&who, &headers, q.told(), rows.len()).await?;
    Ok(page(&rows))
}

/// All events of a flow, the earliest first
#[utoipa::path(get, path = "/events/flow/{flow_id}", tag = "events", extensions(("x-role" = json!("viewer"))), params(("flow_id" = u64, Path)), responses((status = 200, body = EventPage)))]
pub(crate) async fn flow(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Path(flow_id): Path<u64>,
) -> Answer<Response> {
    let rows = app.home.store.flow(None, flow_id).await?;
    app.read_by(&who, &headers, format!("flow_id:{flow_id}"), rows.len()).await?;
    Ok(page(&rows))
}

/// How many events when.
#[derive(Serialize, ToSchema)]
pub(crate) struct Histogram {
    from: String,
    to: String,
    step_seconds: f64,
    /// When each bar begins.
    buckets: Vec<String>,
    series: Vec<KindSeries>,
    total: u64,
}

/// Counts of a kind.
#[derive(Serialize, ToSchema)]
struct KindSeries {
    kind: String,
    counts: Vec<u64>,
}

/// Into how many bars.
#[derive(Deserialize, IntoParams)]
pub(crate) struct Bars {
    /// 1 to 1000, 120 by default.
    buckets: Option<usize>,
}

/// How many events when, by kind
#[utoipa::path(get, path = "/events/histogram", tag = "events", extensions(("x-role" = json!("viewer"))), params(EventQuery, Bars),
    responses((status = 200, body = Histogram), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn histogram(
    State(app): State<Arc<App>>,
    _may: Viewer,
    Query(q): Query<EventQuery>,
    Query(bars): Query<Bars>,
) -> Answer<Json<Histogram>> {
    let query = q.read(&app.home.store)?;
    let n = bars.buckets.unwrap_or(120);
    if !(1..=BUCKETS_MAX).contains(&n) {
        return Err(Refusal::parameter("buckets", format!("buckets is from 1 to {BUCKETS_MAX}")));
    }
    let bars = app.home.store.histogram(&query, n).await?;
    let step = bars.get(1).map_or(0, |b| b.from.since(bars[0].from));
    let kinds: BTreeSet<&'static str> = bars.iter().flat_map(|b| b.counts.keys().copied()).collect();
    let count = |kind| bars.iter().map(|b| b.counts.get(kind).copied().unwrap_or(0)).collect();
    let (from, last) = (bars.first().map(|b| b.from).unwrap_or_default(), bars.last().map(|b| b.from).unwrap_or_default());
    Ok(Json(Histogram {
        from: time_text(from),
        to: time_text(last.plus(step)),
        step_seconds: step as f64 / 1e9,
        buckets: bars.iter().map(|b| time_text(b.from)).collect(),
        total: bars.iter().flat_map(|b| b.counts.values()).sum(),
        series: kinds.into_iter().map(|kind| KindSeries { kind: kind.to_owned(), counts: count(kind) }).collect(),
    }))
}

/// The most frequent values of a field.
#[derive(Serialize, ToSchema)]
pub(crate) struct Facet {
    field: String,
    values: Vec<FacetValue>,
    /// Distinct values.
    distinct: u64,
    /// Events with a value that is not among those told.
    other: u64,
}

/// A value, and in how many events.
#[derive(Serialize, ToSchema)]
struct FacetValue {
    value: String,
    count: u64,
}

/// Of which field.
#[derive(Deserialize, IntoParams)]
pub(crate) struct FacetOf {
    /// Its EVE name: `src_ip`, `dns.rrname`.
    field: String,
}

/// The most frequent values of a field
#[utoipa::path(get, path = "/events/facets", tag = "events", extensions(("x-role" = json!("viewer"))), params(EventQuery, FacetOf),
    responses((status = 200, body = Facet), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn facets(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Query(q): Query<EventQuery>,
    Query(of): Query<FacetOf>,
) -> Answer<Json<Facet>> {
    let mut query = q.read(&app.home.store)?;
    query.limit = limit(q.limit, 10, FACET_MAX)?;
    let top = app.home.store.top(&query, &of.field, query.limit).await?;
    app.read_by(&who, &headers, format!("{} facet={}", q.told(), of.field), top.values.len()).await?;
    let values = top.values.into_iter().map(|(value, count)| FacetValue { value, count }).collect();
    Ok(Json(Facet { field: of.field, values, distinct: top.distinct, other: top.other }))
}

/// A field that can be asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct FieldRow {
    /// Its EVE name.
    name: String,
    /// The kind that has it; empty for what every event has.
    kind: String,
    #[serde(rename = "type")]
    ty: String,
    /// `public`, `personal`, `identifier` or `secret`.
    class: &'static str,
    doc: String,
}

/// Every field that can be asked for
#[utoipa::path(get, path = "/events/fields", tag = "events", extensions(("x-role" = json!("viewer"))), responses((status = 200, body = [FieldRow])))]
pub(crate) async fn fields(State(app): State<Arc<App>>, _may: Viewer) -> Json<Vec<FieldRow>> {
    // What every event has is told once, and first; kinds for Vigie's own use are not offered.
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    for (name, _) in vigie_store::Meaning::ALL {
        all.push(FieldRow { name: name.to_owned(), kind: String::new(), ty: "text".to_owned(), class: "public", doc: String::new() });
    }
    for f in vigie_store::fields(app.home.store.schemas()) {
        let shared = vigie_link::ENVELOPE.iter().any(|(column, _)| *column == f.column);
        if app.home.store.schemas().iter().any(|s| s.kind == f.kind && s.internal) || (shared && !seen.insert(f.name.clone())) {
            continue;
        }
        let kind = if shared { String::new() } else { f.kind.to_owned() };
        all.push(FieldRow { name: f.name, kind, ty: type_name(&f.ty, f.list), class: f.class.name(), doc: f.doc.to_owned() });
    }
    all.sort_by(|a, b| (!a.kind.is_empty(), &a.kind).cmp(&(!b.kind.is_empty(), &b.kind)));
    Json(all)
}

/// The type of a field, in a word.
fn type_name(ty: &Type, list: bool) -> String {
    let one = match ty {
        Type::Bool | Type::Flag => "boolean",
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::F64 => "number",
        Type::Ip => "address",
        Type::Mac => "mac",
        Type::Time => "time",
        _ => "text",
    };
    if list { format!("list of {one}") } else { one.to_owned() }
}

/// One SELECT.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SqlQuery {
    sql: String,
    /// `json` (one object a line; default), `csv` or `table`.
    format: Option<String>,
}

/// Ask in SQL: a table for each kind of event, and `events` over all
#[utoipa::path(post, path = "/query", tag = "events", extensions(("x-role" = json!("analyst"))), request_body = SqlQuery,
    responses((status = 200, content_type = "text/plain", body = String), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn sql(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    headers: HeaderMap,
    Json(asked): Json<SqlQuery>,
) -> Answer<Response> {
    let (form, media) = match asked.format.as_deref() {
        None | Some("json") => (Form::Json, "application/x-ndjson"),
        Some("csv") => (Form::Csv, "text/csv; charset=utf-8"),
        Some("table") => (Form::Table, "text/plain; charset=utf-8"),
        Some(_) => return Err(Refusal::parameter("format", "format is json, csv or table")),
    };
    app.rates.of_person(Rate::Query, &who)?;
    let text = app.home.store.sql(&asked.sql, SqlLimits { rows: EXPORT_MAX }).await?.text(form);
    app.read_by(&who, &headers, format!("query {}", asked.sql), text.lines().count()).await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(media))], text).into_response())
}

/// Rows of an answer in SQL at most, and events in a file unless more are asked for.
const EXPORT_MAX: usize = 100_000;
/// Events in a file at most.
const EXPORT_ROWS_MAX: usize = 1_000_000_000;
/// Events that are read at a time for a file.
const EXPORT_PAGE: usize = 5_000;

/// How to write it.
#[derive(Deserialize, IntoParams)]
pub(crate) struct ExportAs {
    /// `eve` (one object a line, as Suricata writes them; default) or `csv` (the envelope's columns).
    format: Option<String>,
    /// Events at most; 100,000 by default.
    rows: Option<usize>,
}

/// Events as a file
///
/// In the order asked for, written while they are read.
#[utoipa::path(get, path = "/events/export", tag = "events", extensions(("x-role" = json!("viewer"))), params(EventQuery, ExportAs),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Query(q): Query<EventQuery>,
    Query(as_): Query<ExportAs>,
) -> Answer<Response> {
    let csv = match as_.format.as_deref() {
        None | Some("eve") => false,
        Some("csv") => true,
        Some(_) => return Err(Refusal::parameter("format", "format is eve or csv")),
    };
    let most = as_.rows.unwrap_or(EXPORT_MAX);
    if !(1..=EXPORT_ROWS_MAX).contains(&most) {
        return Err(Refusal::parameter("rows", format!("rows is from 1 to {EXPORT_ROWS_MAX}")));
    }
    app.rates.of_person(Rate::Query, &who)?;
    let mut query = q.read(&app.home.store)?;
    query.limit = EXPORT_PAGE;
    // What is wrong with the query is said before a file begins.
    let mut page = app.home.store.page(&query).await?;
    let (send, receive) = tokio::sync::mpsc::channel::<std::io::Result<Vec<u8>>>(2);
    tokio::spawn(async move {
        let (mut out, mut rows) = (Vec::new(), 0);
        if csv {
            out.extend_from_slice(b"timestamp,event_type,flow_id,src_ip,src_port,dest_ip,dest_port,proto,app_proto,dataset\n");
        }
        loop {
            for (row, dataset) in page.rows_with_dataset().take(most - rows) {
                if csv {
                    line(row, dataset, &mut out)
                } else {
                    vigie_event::eve::write(row, &mut out)
                }
                rows += 1;
            }
            // Nobody reads on where the reader left.
            if send.send(Ok(std::mem::take(&mut out))).await.is_err() {
                break;
            }
            query.cursor = page.next.take().filter(|_| rows < most);
            if query.cursor.is_none() {
                break;
            }
            page = match app.home.store.page(&query).await {
                Ok(page) => page,
                Err(e) => {
                    eprintln!("vigie: an export ended early: {e}");
                    let _ = send.send(Err(std::io::Error::other("the export ended early"))).await;
                    break;
                }
            };
        }
        if app.read_by(&who, &headers, format!("export {}", q.told()), rows).await.is_err() {
            eprintln!("vigie: an export could not be written into the trail");
        }
    });
    let (media, name) = if csv { ("text/csv; charset=utf-8", "events.csv") } else { ("application/x-ndjson", "eve.json") };
    attachment(media, name, Body::from_stream(ReceiverStream::new(receive)))
}

/// The envelope as a line of CSV. No value of it can hold a comma or a quote.
fn line(row: Row<'_>, dataset: &str, out: &mut Vec<u8>) {
    use std::io::Write;
    let e = row.env();
    let (src, dst) = if e.ip_version == 0 { (String::new(), String::new()) } else { (e.src.to_string(), e.dst.to_string()) };
    let _ = writeln!(
        out,
        "{},{},{},{src},{},{dst},{},{},{},{}",
        time_text(e.ts),
        row.schema().kind,
        e.flow_id,
        e.src_port,
        e.dst_port,
        e.proto_name().unwrap_or_default(),
        e.app_proto,
        dataset
    );
}
