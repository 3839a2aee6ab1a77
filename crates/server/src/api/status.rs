//! The server in a glance.

use crate::api::datasets::{self, Dataset};
use crate::api::time_text;
use crate::app::{App, now};
use crate::error::Answer;
use crate::person::Viewer;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The server in a glance.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    version: &'static str,
    started: String,
    now: String,
    store: StoreStatus,
    datasets: Vec<Dataset>,
    /// The certificate that is served; none where a command answers itself.
    certificate: Option<CertificateState>,
    /// What was found damaged or odd, in words.
    problems: Vec<String>,
}

/// The certificate that is served.
#[derive(Serialize, ToSchema)]
struct CertificateState {
    /// Whether Vigie made it, and renews it.
    own: bool,
    ends: String,
    /// Negative once it has ended.
    days_left: i64,
    /// Whether someone should replace it now: it is not Vigie's own, and ends in less than 30 days.
    soon: bool,
}

/// What is kept.
#[derive(Serialize, ToSchema)]
struct StoreStatus {
    /// Events of every kind.
    events: u64,
    /// Of them, flows.
    flows: u64,
    /// Bytes of all files of events.
    bytes: u64,
    /// Bytes of kept captures.
    captures_bytes: u64,
    /// Bytes of packets kept of live traffic.
    packets_bytes: u64,
    /// Bytes that Vigie may write; 0 where there is no quota.
    quota: u64,
    /// Bytes of merged files for each flow, all its events included; none where there is no flow.
    bytes_per_flow: Option<f64>,
}

/// The server in a glance
#[utoipa::path(get, path = "/status", tag = "state", extensions(("x-role" = json!("viewer"))), responses((status = 200, body = Status)))]
pub(crate) async fn get(State(app): State<Arc<App>>, _may: Viewer) -> Answer<Json<Status>> {
    let datasets = datasets::all(&app).await?;
    let usage = app.home.store.usage();
    let (at, certificate) = (now(), app.certificate());
    let problems = app.problems().into_iter().chain(certificate.as_ref().and_then(|c| c.warning(at)));
    let flows = usage.kinds.iter().filter(|((_, kind), _)| kind == "flow").map(|(_, n)| n.0).sum();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        started: time_text(app.started),
        now: time_text(at),
        store: StoreStatus {
            events: datasets.iter().map(Dataset::events).sum(),
            flows,
            bytes: usage.bytes,
            captures_bytes: datasets.iter().map(Dataset::captures_bytes).sum(),
            packets_bytes: app.home.packets.bytes(),
            quota: app.home.in_force().quota,
            bytes_per_flow: (flows > 0).then(|| (usage.bytes - usage.journal_bytes) as f64 / flows as f64),
        },
        datasets,
        problems: problems.collect(),
        certificate: certificate.map(|c| CertificateState {
            own: c.own,
            ends: time_text(vigie_base::Time::from_secs(c.ends.max(0) as u64)),
            days_left: c.days_left(at),
            soon: c.warning(at).is_some(),
        }),
    }))
}
