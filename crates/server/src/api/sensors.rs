//! Can the silence be trusted: what each sensor saw, and what it did not.

use crate::api::time_text;
use crate::app::App;
use crate::error::Answer;
use crate::person::Viewer;
use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_store::{Order, Query as Asked};

/// Sensors told at most.
const SENSORS_MAX: usize = 100;
/// Kinds of unknown traffic told of one.
const UNKNOWN_TOLD: usize = 50;

/// A sensor, or an import.
#[derive(Serialize, ToSchema)]
pub(crate) struct Sensor {
    name: String,
    dataset: String,
    first: Option<String>,
    last: Option<String>,
    frames: u64,
    bytes: u64,
    /// Over the time that it saw; none where that is no time.
    rate_bps: Option<f64>,
    /// What was lost or is doubtful, by place: `mirror`, `vigie`.
    loss: Vec<Loss>,
    memory: Memory,
    /// Where each frame ended: their sum is `frames`.
    terminal: Vec<Count>,
    /// Flows that a protocol was told of and whose parser gave up, and the like.
    dissect: Vec<Count>,
    unknown: Vec<Unknown>,
    /// Caps that were reached.
    caps: Vec<Count>,
}

/// A doubtful place.
#[derive(Serialize, ToSchema)]
struct Loss {
    place: &'static str,
    key: String,
    count: u64,
}

/// How full the memory of streams was.
#[derive(Serialize, ToSchema)]
struct Memory {
    /// Percent, at most.
    pressure_max: u64,
}

/// A counter.
#[derive(Serialize, ToSchema)]
struct Count {
    name: String,
    count: u64,
}

/// Traffic that no protocol claimed.
#[derive(Serialize, ToSchema)]
struct Unknown {
    proto: String,
    port: u64,
    flows: u64,
    /// Its first bytes, in hexadecimal.
    first_bytes: String,
}

/// Of which dataset.
#[derive(Deserialize, IntoParams)]
pub(crate) struct Of {
    dataset: Option<String>,
}

fn counts(list: &Value) -> Vec<Count> {
    let read = |c: &Value| Some(Count { name: c["name"].as_str()?.to_owned(), count: c["count"].as_u64()? });
    list.as_array().into_iter().flatten().filter_map(read).collect()
}

/// What gaps in a stream say of the mirror, by the name of the counter.
const MIRROR: [&str; 4] = ["gaps", "gap_bytes", "midstream", "one_sided"];

fn sensor(stats: &Value, dataset: &str, name: &str, first: Option<String>, last: Option<String>) -> Sensor {
    let (s, v) = (&stats["stats"], &stats["vigie"]);
    let bytes = s["decoder"]["bytes"].as_u64().unwrap_or(0);
    let seconds = s["uptime"].as_u64().unwrap_or(0);
    let mut loss: Vec<Loss> = counts(&s["tcp"])
        .into_iter()
        .filter(|c| MIRROR.contains(&c.name.as_str()))
        .map(|c| Loss { place: "mirror", key: c.name, count: c.count })
        .collect();
    let terminal = counts(&v["terminal"]);
    let doubled = terminal.iter().filter(|c| c.name == "duplicate" && c.count > 0);
    loss.extend(doubled.map(|c| Loss { place: "mirror", key: c.name.clone(), count: c.count }));
    let caps = counts(&v["caps_reached"]);
    loss.extend(caps.iter().map(|c| Loss { place: "vigie", key: c.name.clone(), count: c.count }));
    let unknown = v["unknown"].as_array().into_iter().flatten().take(UNKNOWN_TOLD).map(|u| Unknown {
        proto: u["proto"].as_str().unwrap_or_default().to_owned(),
        port: u["port"].as_u64().unwrap_or(0),
        flows: u["flows"].as_u64().unwrap_or(0),
        first_bytes: u["first"].as_str().unwrap_or_default().to_owned(),
    });
    Sensor {
        name: name.to_owned(),
        dataset: dataset.to_owned(),
        first,
        last,
        frames: s["decoder"]["pkts"].as_u64().unwrap_or(0),
        bytes,
        rate_bps: (seconds > 0).then(|| bytes as f64 * 8.0 / seconds as f64),
        loss,
        memory: Memory { pressure_max: s["memcap"]["pressure_max"].as_u64().unwrap_or(0) },
        unknown: unknown.collect(),
        dissect: counts(&v["dissect"]),
        terminal,
        caps,
    }
}

/// Each sensor or import, with what it saw and what it did not
#[utoipa::path(get, path = "/sensors", tag = "state", params(Of), responses((status = 200, body = [Sensor])))]
pub(crate) async fn list(State(app): State<Arc<App>>, _may: Viewer, Query(of): Query<Of>) -> Answer<Json<Vec<Sensor>>> {
    let query =
        Asked { dataset: of.dataset, kinds: vec!["stats".to_owned()], limit: SENSORS_MAX, order: Order::Newest, ..Asked::default() };
    let page = app.home.store.page(&query).await?;
    let spans = app.home.store.datasets();
    let mut out = Vec::new();
    for (row, dataset) in page.rows_with_dataset() {
        let mut line = Vec::new();
        vigie_event::eve::write(row, &mut line);
        let Ok(stats) = serde_json::from_slice::<Value>(&line) else { continue };
        let span = spans.get(dataset);
        out.push(sensor(&stats, dataset, dataset, span.map(|s| time_text(s.0)), span.map(|s| time_text(s.1))));
    }
    Ok(Json(out))
}
