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
    /// What was found damaged or odd, in words.
    problems: Vec<String>,
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
    /// Bytes that Vigie may write; 0 where there is no quota.
    quota: u64,
    /// Bytes of merged files for each flow, all its events included; none where there is no flow.
    bytes_per_flow: Option<f64>,
}

/// The server in a glance
#[utoipa::path(get, path = "/status", tag = "state", responses((status = 200, body = Status)))]
pub(crate) async fn get(State(app): State<Arc<App>>, _may: Viewer) -> Answer<Json<Status>> {
    let datasets = datasets::all(&app).await?;
    let usage = app.home.store.usage();
    let flows = usage.kinds.iter().filter(|((_, kind), _)| kind == "flow").map(|(_, n)| n.0).sum();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        started: time_text(app.started),
        now: time_text(now()),
        store: StoreStatus {
            events: usage.rows,
            flows,
            bytes: usage.bytes,
            captures_bytes: datasets.iter().map(Dataset::captures_bytes).sum(),
            quota: app.home.quota,
            bytes_per_flow: (flows > 0).then(|| (usage.bytes - usage.journal_bytes) as f64 / flows as f64),
        },
        datasets,
        problems: app.problems(),
    }))
}
