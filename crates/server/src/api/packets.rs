//! The packets behind a flow, an alert or a case, as pcapng.

use crate::api::attachment;
use crate::api::export::flows_of;
use crate::api::rows::quoted;
use crate::app::App;
use crate::cut::{self, Flow, Plan};
use crate::error::{Answer, Refusal};
use crate::person::Analyst;
use crate::watch::LIVE;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;
use vigie_base::{Sentence, Time};
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
    /// Only say whether there are any: 204, or why not.
    probe: Option<bool>,
}

/// Of which dataset, and which part of the case.
#[derive(Deserialize, IntoParams)]
pub(crate) struct CaseCutOf {
    /// Needed where more than one has it.
    dataset: Option<String>,
    /// One of the case's alerts; all without.
    alert: Option<String>,
    /// Only say whether there are any: 204, or why not.
    probe: Option<bool>,
}

/// The packets of a flow, as pcapng
///
/// Of an import, cut from the kept captures; times are those of the events: of a dataset that was shifted, the capture's own moved by as much,
/// which the file's comment says. Of live traffic, what `packets.keep` kept of it. At most 1 GiB, in the time of five minutes.
#[utoipa::path(get, path = "/events/{flow_id}/packets", tag = "events", extensions(("x-role" = json!("analyst"))), params(("flow_id" = u64, Path), CutOf),
    responses((status = 200, content_type = "application/x-pcapng", body = Vec<u8>), (status = 204), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn of_flow(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    Path(flow_id): Path<u64>,
    Query(of): Query<CutOf>,
) -> Answer<Response> {
    let asked = find(&app, of.dataset, BTreeSet::from([flow_id]), None).await?;
    send(app, who.name, (format!("flow {flow_id}"), format!("flow-{flow_id}")), asked, of.probe).await
}

/// The packets of an alert, of a case or of none, as pcapng
///
/// Of the flows that it names as evidence; otherwise as for a flow.
#[utoipa::path(get, path = "/alerts/{id}/packets", tag = "events", extensions(("x-role" = json!("analyst"))), params(("id" = String, Path), CutOf),
    responses((status = 200, content_type = "application/x-pcapng", body = Vec<u8>), (status = 204), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn of_alert(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    Path(id): Path<String>,
    Query(of): Query<CutOf>,
) -> Answer<Response> {
    let kept = app.catalog(move |c, _| c.alert(&id, of.dataset.as_deref())).await?;
    let (dataset, alert) = kept.ok_or_else(|| Refusal::not_found("alert"))?;
    let ids = alert.finding.evidence.iter().copied().take(FLOWS_MAX).collect();
    let asked = find(&app, Some(dataset), ids, None).await?;
    send(app, who.name, (format!("alert {}", alert.id), format!("alert-{}", alert.id)), asked, of.probe).await
}

/// The packets of a case, or of one of its alerts, as pcapng
///
/// Of the flows that it names as evidence; of a case of live traffic, of all between its machines in its time. Otherwise as for a flow.
#[utoipa::path(get, path = "/cases/{id}/packets", tag = "cases", extensions(("x-role" = json!("analyst"))), params(("id" = String, Path), CaseCutOf),
    responses((status = 200, content_type = "application/x-pcapng", body = Vec<u8>), (status = 204), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
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
    // Of an import all is there, and the evidence is what matters; of live traffic what was kept is little, and was kept for the case.
    let also = (of.alert.is_none() && kept.dataset == LIVE).then(|| {
        let after = app.home.told().packets.watched().unwrap_or(0);
        let us = |t: Time| t.0 / 1_000;
        format!(
            "(\"start\" <= to_timestamp_micros({}) AND \"end\" >= to_timestamp_micros({}) AND ({}))",
            us(case.last.plus(after)) + 1,
            us(case.first),
            flows_of(&case).0
        )
    });
    let asked = find(&app, Some(kept.dataset), ids, also).await?;
    send(app, who.name, (object, name), asked, of.probe).await
}

/// What packets are asked of.
struct Asked {
    dataset: String,
    ids: BTreeSet<u64>,
    /// Those of them that the store knows.
    flows: Vec<Flow>,
}

/// The flows that a case names, or one of its alerts; none where it has no such alert.
fn evidence(case: &Case, alert: Option<&str>) -> Option<BTreeSet<u64>> {
    let alerts: Vec<_> = case.alerts.iter().filter(|a| alert.is_none_or(|id| a.id == id)).collect();
    (!alerts.is_empty()).then(|| alerts.iter().flat_map(|a| &a.finding.evidence).copied().take(FLOWS_MAX).collect())
}

/// The flows of these identifiers, and those of which `also` (SQL) holds, from the store.
async fn find(app: &Arc<App>, dataset: Option<String>, mut ids: BTreeSet<u64>, also: Option<String>) -> Answer<Asked> {
    if ids.is_empty() && also.is_none() {
        return Err(gone());
    }
    let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut any: Vec<String> = also.into_iter().collect();
    if !list.is_empty() {
        any.push(format!("flow_id IN ({})", list.join(", ")));
    }
    let only = dataset.as_ref().map(|d| format!("dataset = {} AND ", quoted(d))).unwrap_or_default();
    let sql = format!(
        "SELECT flow_id, dataset, sensor, src_ip, src_port, dest_ip, dest_port, proto, \"start\", \"end\", pkts_toserver, pkts_toclient, \
         bytes_toserver, bytes_toclient FROM flow WHERE {only}({}) ORDER BY \"start\", flow_id LIMIT {FLOWS_MAX}",
        any.join(" OR ")
    );
    let rows = app.home.store.sql(&sql, SqlLimits { rows: FLOWS_MAX }).await?;
    let flows: Vec<Flow> = rows.objects().filter_map(|row| read(&row)).collect();
    let dataset = match (dataset, flows.first()) {
        (Some(dataset), Some(_)) => dataset,
        (None, Some(first)) => first.dataset.clone(),
        // One that is not over: its packets know whose they are.
        (dataset, None) if dataset.as_deref().is_none_or(|d| d == LIVE) => {
            if app.catalog(|c, _| c.dataset(LIVE)).await?.is_none() {
                return Err(gone());
            }
            LIVE.to_owned()
        }
        _ => return Err(gone()),
    };
    if flows.iter().any(|f| f.dataset != dataset) {
        return Err(Refusal::parameter("dataset", Sentence::new("packets_datasets", "more than one dataset has it; name one")));
    }
    ids.extend(flows.iter().map(|f| f.wanted.flow_id));
    Ok(Asked { dataset, ids, flows })
}

fn gone() -> Refusal {
    let said = Sentence::new("packets_flow", "no flow event of it is kept, so that its packets cannot be told from others");
    Refusal::new(StatusCode::NOT_FOUND, "not_found", said)
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

/// Cuts, and answers with what is cut as it comes; with a row in the trail before the first byte. Only says whether it could, where that is
/// all that is asked.
async fn send(app: Arc<App>, who: String, (object, name): (String, String), asked: Asked, probe: Option<bool>) -> Answer<Response> {
    let place = Arc::clone(&app.cuts).try_acquire_owned();
    let busy = Sentence::new("packets_busy", "other packets are being cut; ask again in a few seconds");
    let place = place.map_err(|_| Refusal::later("busy", busy, 5))?;
    let of = Arc::clone(&app);
    let title = object.clone();
    let Asked { dataset, ids, flows } = asked;
    let plan = tokio::task::spawn_blocking(move || Plan::of(&of.home, title, dataset, &ids, flows)).await.map_err(Refusal::internal)??;
    if probe == Some(true) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
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
