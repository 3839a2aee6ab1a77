//! What Vigie counts of itself, for Prometheus: `/metrics`.

use crate::app::App;
use crate::error::{Answer, Refusal};
use crate::import::Stage;
use crate::out::Sink;
use crate::person::{Peer, Viewer};
use crate::pulse::State as Pulse;
use crate::rate::Rate;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::{HeaderValue, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Upper bounds of the durations that are told apart, in seconds.
const BOUNDS: [f64; 9] = [0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

/// How long answers of a class took.
#[derive(Clone, Copy, Default)]
struct Durations {
    /// By bound, each without those before it.
    counts: [u64; BOUNDS.len()],
    all: u64,
    seconds: f64,
}

/// Counters since the server began. Classes and statuses are few: neither comes from what is asked.
#[derive(Default)]
pub(crate) struct Meter {
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    durations: Mutex<BTreeMap<&'static str, Durations>>,
    imports: Mutex<BTreeMap<&'static str, u64>>,
    caps: Mutex<BTreeMap<&'static str, u64>>,
    sensors_ended: AtomicU64,
}

fn locked<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter {
    fn request(&self, class: &'static str, status: u16, took: Duration) {
        *locked(&self.requests).entry((class, status)).or_default() += 1;
        let (mut all, seconds) = (locked(&self.durations), took.as_secs_f64());
        let of = all.entry(class).or_default();
        if let Some(at) = BOUNDS.iter().position(|b| seconds <= *b) {
            of.counts[at] += 1;
        }
        of.all += 1;
        of.seconds += seconds;
    }

    /// An import ended so.
    pub(crate) fn import(&self, stage: Stage) {
        *locked(&self.imports).entry(stage.name()).or_default() += 1;
    }

    /// A sensor ended that was not told to.
    pub(crate) fn sensor_ended(&self) {
        self.sensors_ended.fetch_add(1, Ordering::Relaxed);
    }

    /// An import reached these bounds so often.
    pub(crate) fn caps(&self, caps: &[(&'static str, u64)]) {
        let mut all = locked(&self.caps);
        for (name, n) in caps {
            *all.entry(name).or_default() += n;
        }
    }
}

/// Classes of routes: what stands behind `/api/v1/`.
const CLASSES: [&str; 24] = [
    "assets",
    "audit",
    "cases",
    "colleagues",
    "config",
    "coverage",
    "datasets",
    "events",
    "exclusions",
    "imports",
    "live",
    "map",
    "openapi.json",
    "outputs",
    "query",
    "search",
    "sensors",
    "session",
    "settings",
    "situation",
    "status",
    "tokens",
    "users",
    "views",
];

fn class(path: Option<&MatchedPath>) -> &'static str {
    let Some(path) = path.map(MatchedPath::as_str) else { return "console" };
    if path == "/metrics" {
        return "metrics";
    }
    let first = path.strip_prefix("/api/v1/").and_then(|p| p.split('/').next()).unwrap_or_default();
    CLASSES.iter().find(|c| **c == first).copied().unwrap_or("other")
}

/// Counts every request, and refuses those of a peer who asks too often.
pub(crate) async fn counted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let class = class(request.extensions().get());
    let began = Instant::now();
    let response = match app.rates.of_peer(Rate::Request, request.extensions().get::<Peer>()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    app.meter.request(class, response.status().as_u16(), began.elapsed());
    response
}

/// May read metrics: a program on this machine, or who may read everything else.
pub(crate) struct Reader;

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Answer<Self> {
        // A proxy on this machine is not who asks.
        let proxied = ["x-forwarded-for", "forwarded", "via"].iter().any(|h| parts.headers.contains_key(*h));
        match parts.extensions.get::<Peer>() {
            Some(Peer::Local) => Ok(Reader),
            Some(Peer::Net(at)) if at.ip().to_canonical().is_loopback() && !proxied => Ok(Reader),
            _ => Viewer::from_request_parts(parts, app).await.map(|_| Reader),
        }
    }
}

/// A family of samples in the text format of Prometheus (version 0.0.4).
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: impl IntoIterator<Item = (String, f64)>) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help, [(String::new(), value)]);
    }
}

/// Labels in braces. Values are ours, and never from traffic.
fn labels(all: &[(&str, &str)]) -> String {
    let all: Vec<String> = all.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
    format!("{{{}}}", all.join(","))
}

/// The answer to `/metrics`.
pub(crate) async fn get(State(app): State<Arc<App>>, _may: Reader) -> Answer<Response> {
    let text = tokio::task::spawn_blocking(move || text(&app)).await.map_err(Refusal::internal)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))], text).into_response())
}

fn text(app: &App) -> String {
    let mut t = Text(String::new());
    let home = &app.home;
    let usage = home.store.usage();
    let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for ((_, kind), (rows, bytes, _)) in &usage.kinds {
        let k = kinds.entry(kind).or_default();
        *k = (k.0 + rows, k.1 + bytes);
    }
    let of_kind = |kind: &str| labels(&[("kind", kind)]);
    t.family("vigie_info", "gauge", "The version that runs", [(labels(&[("version", env!("CARGO_PKG_VERSION"))]), 1.0)]);
    t.gauge("vigie_start_time_seconds", "When it began", app.started.secs() as f64);
    t.family("vigie_store_rows", "gauge", "Events kept, and log-ins that succeeded", kinds.iter().map(|(k, n)| (of_kind(k), n.0 as f64)));
    t.family("vigie_store_bytes", "gauge", "Bytes of merged files", kinds.iter().map(|(k, n)| (of_kind(k), n.1 as f64)));
    t.gauge("vigie_store_journal_bytes", "Bytes that wait to be merged", usage.journal_bytes as f64);
    t.gauge("vigie_store_files", "Files of events", usage.files as f64);
    t.gauge("vigie_store_problems", "Files that were found damaged and set aside", home.store.problems().len() as f64);
    let used = home.used();
    let by = [("events", used.events), ("captures", used.captures), ("packets", used.packets), ("catalog", used.catalog)];
    t.family("vigie_used_bytes", "gauge", "Bytes under the quota", by.map(|(by, n)| (labels(&[("by", by)]), n as f64)));
    t.gauge("vigie_quota_bytes", "The quota; 0 for as much as the disk holds", home.in_force().quota as f64);
    t.gauge("vigie_disk_room_bytes", "Bytes that the disk has left", home.disk_room() as f64);
    let kept = &home.packets.counted;
    let count = |n: &AtomicU64| n.load(Ordering::Relaxed) as f64;
    t.family("vigie_packets_written_total", "counter", "Packets of live traffic that were kept", [(String::new(), count(&kept.written))]);
    t.family("vigie_packets_written_bytes_total", "counter", "Their captured bytes", [(String::new(), count(&kept.bytes))]);
    let dropped = [("server", &kept.dropped), ("sensor", &kept.overwritten)].map(|(place, n)| (labels(&[("place", place)]), count(n)));
    t.family("vigie_packets_dropped_total", "counter", "Packets that were to be kept and were not, by where they were lost", dropped);
    let imports = app.imports.list();
    let queued = |stage| imports.iter().filter(|i| i.stage == stage).count() as f64;
    t.gauge("vigie_imports_queued", "Imports that wait", queued(Stage::Queued));
    t.gauge("vigie_imports_running", "Imports under way", queued(Stage::Running));
    let ended: Vec<_> = locked(&app.meter.imports).iter().map(|(s, n)| (labels(&[("state", s)]), *n as f64)).collect();
    t.family("vigie_imports_total", "counter", "Imports that ended", ended);
    let ended = vec![(String::new(), app.meter.sensors_ended.load(Ordering::Relaxed) as f64)];
    t.family("vigie_sensors_ended_total", "counter", "Sensor processes that ended without being told to", ended);
    let caps: Vec<_> = locked(&app.meter.caps).iter().map(|(c, n)| (labels(&[("cap", c)]), *n as f64)).collect();
    t.family("vigie_caps_reached_total", "counter", "How often a declared bound was reached by what was imported", caps);
    let requests: Vec<_> = locked(&app.meter.requests)
        .iter()
        .map(|((class, status), n)| (labels(&[("class", class), ("status", &status.to_string())]), *n as f64))
        .collect();
    t.family("vigie_requests_total", "counter", "Requests answered", requests);
    durations(&mut t, &locked(&app.meter.durations));
    let refused = Rate::ALL.map(|r| (labels(&[("rate", r.name())]), app.rates.refused(r) as f64));
    t.family("vigie_rate_refused_total", "counter", "Requests refused because there were too many", refused);
    t.gauge("vigie_rate_buckets", "Peers and persons whose requests are counted", app.rates.len() as f64);
    t.family(
        "vigie_rate_crowded_total",
        "counter",
        "Buckets forgotten for want of place",
        [(String::new(), app.rates.crowded.load(Ordering::Relaxed) as f64)],
    );
    outputs(&mut t, app);
    if let Some((state, last)) = app.pulse.state(crate::app::now()) {
        let states = [Pulse::Arrives, Pulse::Awaited, Pulse::Missing, Pulse::Off];
        let is = states.map(|s| (labels(&[("state", s.name())]), f64::from(u8::from(s == state))));
        t.family("vigie_canary", "gauge", "Whether the canary arrives: silence is to be trusted while it does", is);
        if let Some(last) = last {
            t.gauge("vigie_canary_last_seconds", "When it last arrived", last.back.secs() as f64);
            t.gauge("vigie_canary_took_seconds", "How long it took from the ring to a finding", last.took as f64 / 1e9);
        }
    }
    if let Some(certificate) = app.certificate() {
        let days = certificate.days_left(crate::app::now());
        t.gauge("vigie_certificate_days_left", "Days until the certificate ends; negative once it has", days as f64);
    }
    t.0
}

/// What left for other programs.
fn outputs(t: &mut Text, app: &App) {
    let of = |name: &str| labels(&[("output", name)]);
    let (mut taken, mut dropped, mut waiting, mut last) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for sink in Sink::ALL {
        let counted = app.eve.counted(sink);
        taken.push((of(sink.name()), counted.written.load(Ordering::Relaxed) as f64));
        dropped.push((of(sink.name()), counted.dropped.load(Ordering::Relaxed) as f64));
        waiting.push((of(sink.name()), app.eve.running(sink).map_or(0.0, |r| r.1 as f64)));
        last.extend(counted.said().success.map(|at| (of(sink.name()), at.secs() as f64)));
    }
    // A catalog that cannot be read is told by every other answer.
    for state in app.home.catalog.outputs().unwrap_or_default() {
        taken.push((of(&state.name), state.delivered as f64));
        dropped.push((of(&state.name), state.dropped as f64));
        last.extend(state.success.map(|at| (of(&state.name), at.secs() as f64)));
    }
    t.family("vigie_output_taken_total", "counter", "Lines of events, and notices of cases, that an output took", taken);
    t.family("vigie_output_dropped_total", "counter", "Those that it did not take in time", dropped);
    t.family("vigie_output_waiting_bytes", "gauge", "Bytes of lines that wait for an output", waiting);
    t.family("vigie_output_last_success_seconds", "gauge", "When an output last took something", last);
}

fn durations(t: &mut Text, all: &BTreeMap<&'static str, Durations>) {
    let name = "vigie_request_duration_seconds";
    let _ = writeln!(t.0, "# HELP {name} How long answers took to begin\n# TYPE {name} histogram");
    for (class, of) in all {
        let mut upto = 0;
        for (bound, n) in BOUNDS.iter().zip(of.counts) {
            upto += n;
            let _ = writeln!(t.0, "{name}_bucket{} {upto}", labels(&[("class", class), ("le", &bound.to_string())]));
        }
        let _ = writeln!(t.0, "{name}_bucket{} {}", labels(&[("class", class), ("le", "+Inf")]), of.all);
        let _ = writeln!(t.0, "{name}_sum{} {}", labels(&[("class", class)]), of.seconds);
        let _ = writeln!(t.0, "{name}_count{} {}", labels(&[("class", class)]), of.all);
    }
}
