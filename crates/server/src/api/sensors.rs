//! Can the silence be trusted: what each sensor saw, and what it did not.

use crate::api::coverage::{self, Coverage};
use crate::api::rows::{Scope, Within};
use crate::api::situation::Canary;
use crate::api::time_text;
use crate::app::{App, language};
use crate::error::Answer;
use crate::person::Viewer;
use crate::watch::LIVE;
use crate::words;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_base::Time;
use vigie_catalog::Kind;
use vigie_detect::Lang;
use vigie_store::{Order, Query as Asked};

/// Sensors told at most.
const SENSORS_MAX: usize = 100;
/// Imports into one dataset whose counters are added up, the latest first.
const IMPORTS_MAX: usize = 500;
/// Nanoseconds back from its last word of which a sensor's coverage is told: a week.
const COVERED: u64 = 7 * 86_400 * vigie_base::time::SECOND;
/// Captures told of one dataset.
const FILES_TOLD: usize = 200;
/// Kinds of unknown traffic told of one.
const UNKNOWN_TOLD: usize = 50;

/// A sensor, or the captures of a dataset.
#[derive(Serialize, ToSchema)]
pub(crate) struct Sensor {
    name: String,
    dataset: String,
    first: Option<String>,
    last: Option<String>,
    frames: u64,
    bytes: u64,
    /// Over the time that it saw; none of an import, which is read as fast as it can be.
    rate_bps: Option<f64>,
    /// What was lost or is doubtful, by place: `mirror`, `card`, `kernel`, `vigie`.
    loss: Vec<Loss>,
    memory: Memory,
    /// Where each frame ended: their sum is `frames`.
    terminal: Vec<Counter>,
    /// Flows that a protocol was told of and whose parser gave up, and the like.
    dissect: Vec<Counter>,
    /// How whole what it saw was, over time.
    coverage: Coverage,
    unknown: Vec<Unknown>,
    /// The captures that were read, the latest first, 200 at most; none of a live sensor.
    files: Vec<File>,
    /// How many there are.
    files_total: usize,
    /// The interfaces that it captures from; none of a file.
    interfaces: Vec<Interface>,
    /// Whether its canary arrives; none of what is not captured now.
    canary: Option<Canary>,
    /// Caps that were reached.
    caps: Vec<Counter>,
}

/// A capture.
#[derive(Serialize, ToSchema)]
struct File {
    name: String,
    /// Its first and its last frame, as the events have them: moved where the dataset is.
    first: String,
    last: String,
    frames: u64,
    bytes: u64,
}

/// An interface.
#[derive(Serialize, ToSchema)]
struct Interface {
    name: String,
    /// `up`, `down` or `absent`.
    link: String,
    frames: u64,
    kernel_drops: u64,
    /// None where it cannot be known.
    card_drops: Option<u64>,
    doubled: u64,
    truncated: u64,
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

/// In which language.
#[derive(Deserialize, IntoParams)]
pub(crate) struct InLang {
    lang: Option<String>,
}

/// Adds counters by name.
fn add(counters: &mut Vec<Counter>, more: Vec<Counter>) {
    for c in more {
        match counters.iter_mut().find(|known| known.name == c.name) {
            Some(known) => known.count = known.count.saturating_add(c.count),
            None => counters.push(c),
        }
    }
}

impl Sensor {
    /// Adds what another import into the same dataset counted.
    fn join(&mut self, other: Sensor) {
        self.frames = self.frames.saturating_add(other.frames);
        self.bytes = self.bytes.saturating_add(other.bytes);
        for l in other.loss {
            match self.loss.iter_mut().find(|known| (known.place, &known.key) == (l.place, &l.key)) {
                Some(known) => known.count = known.count.saturating_add(l.count),
                None => self.loss.push(l),
            }
        }
        self.memory.used = self.memory.used.max(other.memory.used);
        add(&mut self.terminal, other.terminal);
        add(&mut self.dissect, other.dissect);
        add(&mut self.caps, other.caps);
        for u in other.unknown {
            let has_room = self.unknown.len() < UNKNOWN_TOLD;
            let same = |known: &&mut Unknown| (&known.proto, known.port, &known.first_bytes) == (&u.proto, u.port, &u.first_bytes);
            match self.unknown.iter_mut().find(same) {
                Some(known) => known.flows = known.flows.saturating_add(u.flows),
                None if has_room => self.unknown.push(u),
                None => {}
            }
        }
    }
}

fn counts(list: &Value) -> Vec<Counter> {
    let read = |c: &Value| Some(Counter { name: c["name"].as_str()?.to_owned(), count: c["count"].as_u64()? });
    list.as_array().into_iter().flatten().filter_map(read).collect()
}

/// What the health of a capture says of the mirror, by the name of the figure.
const MIRROR: [&str; 5] = ["unseen_bytes", "one_sided", "doubled", "reordered", "truncated"];

fn sensor(lang: Lang, budget: u64, stats: &Value, dataset: &str, name: &str, first: Option<String>, last: Option<String>) -> Sensor {
    let (s, v) = (&stats["stats"], &stats["vigie"]);
    let bytes = s["decoder"]["bytes"].as_u64().unwrap_or(0);
    let seconds = s["uptime"].as_u64().unwrap_or(0);
    let at = |place: &'static str, key: &str, count: &Value| {
        let count = count.as_u64().filter(|n| *n > 0)?;
        Some(Loss { place, key: key.to_owned(), count, text: words::loss(lang, place) })
    };
    let mut loss: Vec<Loss> = MIRROR.iter().filter_map(|key| at("mirror", key, &v["health"][key])).collect();
    loss.extend(at("card", "rx_missed", &s["capture"]["card_drops"]));
    loss.extend(at("kernel", "tp_drops", &s["capture"]["kernel_drops"]));
    let terminal = counts(&v["terminal"]);
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
        rate_bps: (dataset == LIVE && seconds > 0).then(|| bytes as f64 * 8.0 / seconds as f64),
        loss,
        memory: Memory { used: s["memcap"]["pressure_max"].as_u64().unwrap_or(0).saturating_mul(budget) / 100, budget },
        unknown: unknown.collect(),
        coverage: Coverage::default(),
        files: Vec::new(),
        files_total: 0,
        interfaces: v["interfaces"].as_array().into_iter().flatten().filter_map(interface).collect(),
        canary: None,
        dissect: counts(&v["dissect"]),
        terminal,
        caps,
    }
}

fn interface(v: &Value) -> Option<Interface> {
    let count = |key: &str| v[key].as_u64().unwrap_or(0);
    Some(Interface {
        name: v["name"].as_str()?.to_owned(),
        link: v["link"].as_str().unwrap_or_default().to_owned(),
        frames: count("frames"),
        kernel_drops: count("kernel_drops"),
        card_drops: v["card_drops"].as_u64(),
        doubled: count("doubled"),
        truncated: count("truncated"),
    })
}

/// Each sensor, and the captures of each dataset as one, with what was seen and what was not
///
/// Its coverage is of the time asked for; without, of the last week that it saw.
#[utoipa::path(get, path = "/sensors", tag = "state", extensions(("x-role" = json!("viewer"))), params(Scope, InLang), responses((status = 200, body = [Sensor])))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    _may: Viewer,
    headers: HeaderMap,
    Query(scope): Query<Scope>,
    Query(of): Query<InLang>,
) -> Answer<Json<Vec<Sensor>>> {
    let lang = language(of.lang.as_deref(), &headers);
    let asked = scope.read(&app)?;
    let budget = app.home.told().sensor.dissect.memory_max;
    let spans = app.home.store.datasets();
    let mut out: Vec<Sensor> = Vec::new();
    for (dataset, span) in spans.iter().filter(|(name, _)| scope.dataset.as_ref().is_none_or(|asked| asked == *name)).take(SENSORS_MAX) {
        // An import tells once; who captures, every ten seconds what it counted since its beginning.
        let limit = if dataset == LIVE { 1 } else { IMPORTS_MAX };
        let query =
            Asked { dataset: Some(dataset.clone()), kinds: vec!["stats".to_owned()], limit, order: Order::Newest, ..Asked::default() };
        let page = app.home.store.page(&query).await?;
        let name = dataset.clone();
        let known = app.catalog(move |c, _| c.dataset(&name)).await?;
        let covered = known.as_ref().filter(|d| d.kind != Kind::Live).map(|d| coverage::stretches(&app, d)).unwrap_or_default();
        let seen = match (covered.first(), covered.last()) {
            (Some(first), Some(last)) => (first.0, last.1),
            _ => *span,
        };
        let within = if scope.from.is_some() || scope.to.is_some() {
            asked.clone()
        } else {
            Within { dataset: None, from: Time(seen.1.0.saturating_sub(COVERED)).max(seen.0), to: seen.1.plus(1_000) }
        };
        let mut told: Option<Sensor> = None;
        for row in page.rows() {
            let mut line = Vec::new();
            vigie_event::eve::write(row, &mut line);
            let Ok(stats) = serde_json::from_slice::<Value>(&line) else { continue };
            let one = sensor(lang, budget, &stats, dataset, dataset, Some(time_text(seen.0)), Some(time_text(seen.1)));
            match &mut told {
                Some(told) => told.join(one),
                None => told = Some(one),
            }
        }
        let Some(mut told) = told else { continue };
        told.coverage = coverage::of(&app, dataset, &within).await?;
        told.canary = if dataset == LIVE { Canary::now(&app) } else { None };
        if let Some(known) = &known {
            let mut sources: Vec<_> = known.sources.iter().collect();
            sources.sort_by_key(|s| std::cmp::Reverse((s.first, s.last)));
            told.files_total = sources.len();
            told.files = sources
                .into_iter()
                .take(FILES_TOLD)
                .map(|s| File {
                    name: s.name.clone(),
                    first: time_text(known.moved(s.first)),
                    last: time_text(known.moved(s.last)),
                    frames: s.frames,
                    bytes: s.bytes,
                })
                .collect();
        }
        out.push(told);
    }
    Ok(Json(out))
}
