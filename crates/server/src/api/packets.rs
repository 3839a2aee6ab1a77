//! The packets behind a flow, an alert or a case, as pcapng.

use crate::api::attachment;
use crate::app::App;
use crate::cut::{self, Flow, Plan};
use crate::error::{Answer, Refusal};
use crate::person::Analyst;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;
use vigie_base::Time;
use vigie_case::Case;
use vigie_event::proto_number;
use vigie_sensor::cut::Wanted;
use vigie_store::SqlLimits;

/// Flows of one download at most.
const FLOWS_MAX: usize = 5_000;
/// Pieces that wait for a reader.
const PIECES: usize = 8;
/// How long the first packet is waited for before the answer begins without it.
const FIRST_WAIT: Duration = Duration::from_secs(20);

/// Of which dataset.
#[derive(Deserialize, IntoParams)]
pub(crate) struct CutOf {
    /// Needed where more than one has it.
    dataset: Option<String>,
}

/// Of which dataset, and which part of the case.
#[derive(Deserialize, IntoParams)]
pub(crate) struct CaseCutOf {
    /// Needed where more than one has it.
    dataset: Option<String>,
    /// One of the case's alerts; all without.
    alert: Option<String>,
}

/// The packets of a flow, as pcapng
///
/// Cut from the kept captures; times are those of the events: of a dataset that was shifted, the capture's own moved by as much, which the
/// file's comment says. At most 1 GiB, in the time of five minutes.
#[utoipa::path(get, path = "/events/{flow_id}/packets", tag = "events", extensions(("x-role" = json!("analyst"))), params(("flow_id" = u64, Path), CutOf),
    responses((status = 200, content_type = "application/x-pcapng", body = Vec<u8>), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn of_flow(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    Path(flow_id): Path<u64>,
    Query(of): Query<CutOf>,
) -> Answer<Response> {
    let flows = find(&app, of.dataset.as_deref(), &BTreeSet::from([flow_id])).await?;
    send(app, who.name, format!("flow {flow_id}"), format!("flow-{flow_id}"), flows).await
}

/// The packets of a case, or of one of its alerts, as pcapng
///
/// Of the flows that it names as evidence; otherwise as for a flow.
#[utoipa::path(get, path = "/cases/{id}/packets", tag = "cases", extensions(("x-role" = json!("analyst"))), params(("id" = String, Path), CaseCutOf),
    responses((status = 200, content_type = "application/x-pcapng", body = Vec<u8>), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn of_case(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    Path(id): Path<String>,
    Query(of): Query<CaseCutOf>,
) -> Answer<Response> {
    let kept = app.catalog(move |c, _| c.case(&id, of.dataset.as_deref())).await?.ok_or_else(|| Refusal::not_found("case"))?;
    let case = kept.case.map_err(|why| Refusal::unprocessable("unreadable", why))?;
    let ids = evidence(&case, of.alert.as_deref()).ok_or_else(|| Refusal::not_found("alert of this case"))?;
    let (object, name) = match &of.alert {
        Some(alert) => (format!("case {} alert {alert}", kept.id), format!("alert-{alert}")),
        None => (format!("case {}", kept.id), format!("case-{}", kept.id)),
    };
    let flows = find(&app, Some(&kept.dataset), &ids).await?;
    send(app, who.name, object, name, flows).await
}

/// The flows that a case names, or one of its alerts; none where it has no such alert.
fn evidence(case: &Case, alert: Option<&str>) -> Option<BTreeSet<u64>> {
    let alerts: Vec<_> = case.alerts.iter().filter(|a| alert.is_none_or(|id| a.id == id)).collect();
    (!alerts.is_empty()).then(|| alerts.iter().flat_map(|a| &a.finding.evidence).copied().take(FLOWS_MAX).collect())
}

/// The flows of these identifiers, from the store.
async fn find(app: &Arc<App>, dataset: Option<&str>, ids: &BTreeSet<u64>) -> Answer<Vec<Flow>> {
    if ids.is_empty() {
        return Err(gone());
    }
    let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let only = dataset.map(|d| format!("dataset = '{}' AND ", d.replace('\'', "''"))).unwrap_or_default();
    let sql = format!(
        "SELECT flow_id, dataset, sensor, src_ip, src_port, dest_ip, dest_port, proto, \"start\", \"end\", pkts_toserver, pkts_toclient, \
         bytes_toserver, bytes_toclient FROM flow WHERE {only}flow_id IN ({}) ORDER BY \"start\", flow_id",
        list.join(", ")
    );
    let rows = app.home.store.sql(&sql, SqlLimits { rows: FLOWS_MAX }).await?;
    let flows: Vec<Flow> = rows.objects().filter_map(|row| read(&row)).collect();
    let Some(first) = flows.first() else { return Err(gone()) };
    if flows.iter().any(|f| f.dataset != first.dataset) {
        return Err(Refusal::parameter("dataset", "more than one dataset has it; name one"));
    }
    Ok(flows)
}

fn gone() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not_found", "no flow event of it is kept, so that its packets cannot be told from others")
}

fn read(row: &Map<String, Value>) -> Option<Flow> {
    let text = |key: &str| row.get(key).and_then(Value::as_str);
    let number = |key: &str| row.get(key).and_then(Value::as_u64).unwrap_or(0);
    let port = |key: &str| u16::try_from(number(key)).unwrap_or(0);
    Some(Flow {
        dataset: text("dataset")?.to_owned(),
        import: text("sensor")?.to_owned(),
        packets: number("pkts_toserver") + number("pkts_toclient"),
        bytes: number("bytes_toserver") + number("bytes_toclient"),
        wanted: Wanted {
            flow_id: number("flow_id"),
            ends: (text("src_ip")?.parse().ok()?, text("dest_ip")?.parse().ok()?),
            ports: (port("src_port"), port("dest_port")),
            proto: proto_number(text("proto")?)?,
            first: Time::parse(text("start")?)?,
            last: Time::parse(text("end")?)?,
        },
    })
}

/// Cuts, and answers with what is cut as it comes; with a row in the trail before the first byte.
async fn send(app: Arc<App>, who: String, object: String, name: String, flows: Vec<Flow>) -> Answer<Response> {
    let place = Arc::clone(&app.cuts).try_acquire_owned();
    let place = place.map_err(|_| Refusal::later("busy", "other packets are being cut; ask again in a few seconds", 5))?;
    let of = Arc::clone(&app);
    let title = object.clone();
    let plan = tokio::task::spawn_blocking(move || Plan::of(&of.home, title, flows)).await.map_err(Refusal::internal)??;
    let detail = json!({"dataset": plan.dataset, "flows": plan.flows, "rows": plan.packets});
    let (give, mut take) = mpsc::channel(PIECES);
    let (of, runtime) = (Arc::clone(&app), tokio::runtime::Handle::current());
    let outcome = Arc::new(OnceLock::new());
    let told = Arc::clone(&outcome);
    tokio::task::spawn_blocking(move || {
        let done = cut::run(&of.home, &plan, &runtime, &give);
        if let Err(why) = &done {
            eprintln!("vigie: packets were not cut to the end: {why}");
        }
        // Before the channel ends: it is looked at then.
        let _ = told.set(done);
        drop((give, place));
    });
    // What fails at once is an error, and not a file that ends early.
    let first = match tokio::time::timeout(FIRST_WAIT, take.recv()).await {
        Ok(Some(piece)) => Some(Ok(piece)),
        Ok(None) => {
            let why = outcome.get().cloned().and_then(Result::err).unwrap_or_else(|| "the cut broke off".to_owned());
            return Err(Refusal::new(StatusCode::CONFLICT, "not_kept", why));
        }
        Err(_) => None,
    };
    app.catalog(move |c, now| c.audit(&who, "read.packets", &object, &detail, now)).await?;
    // A part must not pass for the whole: the answer breaks off where the cut did.
    let end = std::iter::from_fn(move || match outcome.get() {
        Some(Ok(())) => None,
        _ => Some(Err(std::io::Error::other("the cut broke off"))),
    });
    let pieces = tokio_stream::iter(first).chain(ReceiverStream::new(take).map(Ok)).chain(tokio_stream::iter(end.fuse()));
    let body = Body::from_stream(pieces);
    attachment("application/x-pcapng", &format!("{name}.pcapng"), body)
}
