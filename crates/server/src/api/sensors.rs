//! Can the silence be trusted: what each sensor saw, and what it did not.

use crate::api::time_text;
use crate::app::{App, language};
use crate::error::Answer;
use crate::person::Viewer;
use crate::words;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_detect::Lang;
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
    terminal: Vec<Counter>,
    /// Flows that a protocol was told of and whose parser gave up, and the like.
    dissect: Vec<Counter>,
    /// How whole what it saw was, over time; without bars where that is not known.
    coverage: Coverage,
    unknown: Vec<Unknown>,
    /// Caps that were reached.
    caps: Vec<Counter>,
}

/// How whole what a sensor saw was.
#[derive(Default, Serialize, ToSchema)]
struct Coverage {
    step_seconds: u64,
    buckets: Vec<String>,
    /// 0 to 1; none where it saw nothing.
    complete: Vec<Option<f64>>,
}

/// A doubtful place.
#[derive(Serialize, ToSchema)]
struct Loss {
    place: &'static str,
    key: String,
    count: u64,
    /// What to do.
    text: &'static str,
}

/// Bytes that dissection held at most, and might hold.
#[derive(Serialize, ToSchema)]
struct Memory {
    used: u64,
    budget: u64,
}

/// A counter.
#[derive(Serialize, ToSchema)]
struct Counter {
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
    lang: Option<String>,
}

fn counts(list: &Value) -> Vec<Counter> {
    let read = |c: &Value| Some(Counter { name: c["name"].as_str()?.to_owned(), count: c["count"].as_u64()? });
    list.as_array().into_iter().flatten().filter_map(read).collect()
}

/// What gaps in a stream say of the mirror, by the name of the counter.
const MIRROR: [&str; 4] = ["gaps", "gap_bytes", "midstream", "one_sided"];

fn sensor(lang: Lang, budget: u64, stats: &Value, dataset: &str, name: &str, first: Option<String>, last: Option<String>) -> Sensor {
    let (s, v) = (&stats["stats"], &stats["vigie"]);
    let bytes = s["decoder"]["bytes"].as_u64().unwrap_or(0);
    let seconds = s["uptime"].as_u64().unwrap_or(0);
    let mut loss: Vec<Loss> = counts(&s["tcp"])
        .into_iter()
        .filter(|c| MIRROR.contains(&c.name.as_str()))
        .map(|c| Loss { place: "mirror", key: c.name, count: c.count, text: words::loss(lang, "mirror") })
        .collect();
    let terminal = counts(&v["terminal"]);
    let doubled = terminal.iter().filter(|c| c.name == "duplicate" && c.count > 0);
    loss.extend(doubled.map(|c| Loss { place: "mirror", key: c.name.clone(), count: c.count, text: words::loss(lang, "mirror") }));
    let caps = counts(&v["caps_reached"]);
    loss.extend(caps.iter().map(|c| Loss { place: "vigie", key: c.name.clone(), count: c.count, text: words::loss(lang, "vigie") }));
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
        memory: Memory { used: s["memcap"]["pressure_max"].as_u64().unwrap_or(0).saturating_mul(budget) / 100, budget },
        unknown: unknown.collect(),
        coverage: Coverage::default(),
        dissect: counts(&v["dissect"]),
        terminal,
        caps,
    }
}

/// Each sensor or import, with what it saw and what it did not
#[utoipa::path(get, path = "/sensors", tag = "state", extensions(("x-role" = json!("viewer"))), params(Of), responses((status = 200, body = [Sensor])))]
pub(crate) async fn list(State(app): State<Arc<App>>, _may: Viewer, headers: HeaderMap, Query(of): Query<Of>) -> Answer<Json<Vec<Sensor>>> {
    let lang = language(of.lang.as_deref(), &headers);
    let budget = app.home.told().sensor.dissect.memory_max;
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
        out.push(sensor(lang, budget, &stats, dataset, dataset, span.map(|s| time_text(s.0)), span.map(|s| time_text(s.1))));
    }
    Ok(Json(out))
}
