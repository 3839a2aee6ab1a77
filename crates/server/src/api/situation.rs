//! Is anything wrong now?

use crate::api::assets::id_text;
use crate::api::rows::{Scope, Within};
use crate::api::{cases, time_text};
use crate::app::{App, language, now};
use crate::error::Answer;
use crate::person::Viewer;
use crate::pulse::State;
use crate::words;
use axum::Json;
use axum::extract::{Query, State as Shared};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_catalog::{CaseFilter, News, NewsFilter, NewsKind, State as Stage};
use vigie_detect::Lang;

/// Bars of the picture of traffic.
const BARS: u64 = 96;
/// Protocols told.
const PROTOCOLS_MAX: usize = 12;
/// News of each kind told.
const NEWS_TOLD: u32 = 20;
/// Cases told.
const CASES_TOLD: u32 = 5;

/// Is anything wrong now?
#[derive(Serialize, ToSchema)]
pub(crate) struct Situation {
    /// What this page says now.
    sentence: String,
    cases: OpenCases,
    changes: WhatChanged,
    traffic: Traffic,
    /// What Vigie does not see into.
    blind: Vec<Blind>,
    /// Whether silence is to be trusted; none where nothing is captured.
    canary: Option<Canary>,
}

/// A frame of Vigie's own that takes the way of all others to a finding.
#[derive(Serialize, ToSchema)]
pub(crate) struct Canary {
    /// `arrives`, `awaited`, `missing` or `off`.
    state: &'static str,
    /// When it last arrived.
    last: Option<String>,
    /// How long it took.
    took_seconds: Option<f64>,
}

impl Canary {
    /// As it is now.
    pub(crate) fn now(app: &App) -> Option<Self> {
        let (state, last) = app.pulse.state(now())?;
        let took_seconds = last.map(|l| l.took as f64 / 1e9);
        Some(Canary { state: state.name(), last: last.map(|l| time_text(l.back)), took_seconds })
    }

    fn is_missing(&self) -> bool {
        self.state == State::Missing.name()
    }
}

/// Cases that need someone.
#[derive(Serialize, ToSchema)]
struct OpenCases {
    open: u64,
    by_severity: BySeverity,
    /// The gravest.
    top: Vec<cases::CaseRow>,
}

/// What was seen for the first time in the time asked for.
#[derive(Serialize, ToSchema)]
struct WhatChanged {
    /// The latest of each.
    devices: Vec<NewDevice>,
    services: Vec<NewService>,
    peers: Vec<NewPeer>,
    protocols: Vec<NewProtocol>,
    totals: Totals,
    /// How many of them came to a network that was known already.
    unexpected: Totals,
}

/// A device.
#[derive(Serialize, ToSchema)]
struct NewDevice {
    asset_id: String,
    dataset: String,
    name: String,
    first_seen: String,
    /// Whether the network was still being learnt then, when everything is new.
    learning: bool,
}

/// A port that answers.
#[derive(Serialize, ToSchema)]
struct NewService {
    asset_id: String,
    dataset: String,
    name: String,
    proto: String,
    port: u16,
    first_seen: String,
    /// Whether the network was still being learnt then, when everything is new.
    learning: bool,
}

/// Somebody that a device asks.
#[derive(Serialize, ToSchema)]
struct NewPeer {
    asset_id: String,
    dataset: String,
    name: String,
    peer: String,
    first_seen: String,
    /// Whether the network was still being learnt then, when everything is new.
    learning: bool,
}

/// A protocol that a device speaks.
#[derive(Serialize, ToSchema)]
struct NewProtocol {
    asset_id: String,
    dataset: String,
    name: String,
    app_proto: String,
    first_seen: String,
    /// Whether the network was still being learnt then, when everything is new.
    learning: bool,
}

/// How many of each.
#[derive(Serialize, ToSchema)]
struct Totals {
    devices: u64,
    services: u64,
    peers: u64,
    protocols: u64,
}

impl WhatChanged {
    fn of(news: Vec<News>, totals: [u64; 4], unexpected: [u64; 4]) -> Self {
        let count = |[devices, services, peers, protocols]: [u64; 4]| Totals { devices, services, peers, protocols };
        let (totals, unexpected) = (count(totals), count(unexpected));
        let mut all =
            WhatChanged { devices: Vec::new(), services: Vec::new(), peers: Vec::new(), protocols: Vec::new(), totals, unexpected };
        for n in news {
            let (asset_id, dataset, name, first_seen) = (id_text(n.asset), n.dataset, n.name, time_text(n.first));
            let learning = n.learning;
            match n.kind {
                NewsKind::Device => all.devices.push(NewDevice { asset_id, dataset, name, first_seen, learning }),
                NewsKind::Service => {
                    let (proto, port) = n.key.split_once('/').unwrap_or((&n.key, ""));
                    all.services.push(NewService {
                        asset_id,
                        dataset,
                        name,
                        proto: proto.to_owned(),
                        port: port.parse().unwrap_or(0),
                        first_seen,
                        learning,
                    });
                }
                NewsKind::Peer => all.peers.push(NewPeer { asset_id, dataset, name, peer: n.key, first_seen, learning }),
                NewsKind::Protocol => all.protocols.push(NewProtocol { asset_id, dataset, name, app_proto: n.key, first_seen, learning }),
            }
        }
        all
    }
}

#[derive(Serialize, ToSchema)]
struct BySeverity {
    low: u64,
    medium: u64,
    high: u64,
    critical: u64,
}

/// Bytes and flows over time.
#[derive(Serialize, ToSchema)]
struct Traffic {
    step_seconds: u64,
    /// When each bar begins.
    buckets: Vec<String>,
    series: Vec<TrafficSeries>,
    protocols: Vec<Protocol>,
}

/// Of a direction.
#[derive(Serialize, ToSchema)]
struct TrafficSeries {
    /// `inside`, `outbound`, `inbound` or `outside`.
    key: &'static str,
    bytes: Vec<u64>,
    flows: Vec<u64>,
}

/// Of a protocol.
#[derive(Serialize, ToSchema)]
struct Protocol {
    app_proto: String,
    flows: u64,
    bytes: u64,
}

/// What Vigie does not see into.
#[derive(Serialize, ToSchema)]
struct Blind {
    /// `encrypted`, `unknown` or `one_way`.
    key: &'static str,
    text: &'static str,
    flows: u64,
    bytes: u64,
    /// Of all flows (`one_way`) or bytes, 0 to 1.
    share: f64,
}

/// In which language.
#[derive(Deserialize, IntoParams)]
pub(crate) struct InLang {
    lang: Option<String>,
}

/// Is anything wrong now?
#[utoipa::path(get, path = "/situation", tag = "state", extensions(("x-role" = json!("viewer"))), params(Scope, InLang), responses((status = 200, body = Situation)))]
pub(crate) async fn get(
    Shared(app): Shared<Arc<App>>,
    _may: Viewer,
    headers: HeaderMap,
    Query(scope): Query<Scope>,
    Query(lang): Query<InLang>,
) -> Answer<Json<Situation>> {
    let lang = language(lang.lang.as_deref(), &headers);
    let within = scope.read(&app)?;
    let dataset = within.dataset.clone();
    let cases = app
        .catalog(move |c, _| {
            let counts = c.case_counts(dataset.as_deref())?;
            let [low, medium, high, critical] = counts.open;
            let states = vec![Stage::New, Stage::Acknowledged, Stage::InProgress];
            let page = c.cases(&CaseFilter { dataset, states, limit: CASES_TOLD, ..CaseFilter::default() })?;
            let top = page.rows.iter().map(|r| cases::tell(c, r, lang).map(|t| t.0)).collect::<Result<_, _>>()?;
            Ok(OpenCases { open: counts.open.iter().sum(), by_severity: BySeverity { low, medium, high, critical }, top })
        })
        .await?;
    let (dataset, since, until) = (within.dataset.clone(), within.from, within.to);
    let changes = app
        .catalog(move |c, _| {
            let all = NewsFilter {
                dataset,
                since: Some(since),
                until: Some(until),
                while_learning: true,
                limit: NEWS_TOLD,
                ..NewsFilter::default()
            };
            let counts = c.news_counts(&all)?;
            let unexpected = c.news_counts(&NewsFilter { while_learning: false, ..all.clone() })?;
            let mut latest = Vec::new();
            for kind in NewsKind::ALL {
                latest.extend(c.latest_news(&NewsFilter { kinds: vec![kind], ..all.clone() })?);
            }
            Ok(WhatChanged::of(latest, counts, unexpected))
        })
        .await?;
    let (traffic, blind) = traffic(&app, &within, lang).await?;
    let canary = Canary::now(&app);
    let mut sentence = words::situation(lang, cases.open, cases.by_severity.critical);
    if canary.as_ref().is_some_and(Canary::is_missing) {
        sentence = format!("{} {sentence}", words::canary_missing(lang));
    }
    Ok(Json(Situation { sentence, cases, changes, traffic, blind, canary }))
}

/// The traffic, and what is not seen into: one look at the flows.
async fn traffic(app: &Arc<App>, within: &Within, lang: Lang) -> Answer<(Traffic, Vec<Blind>)> {
    let step = within.step(BARS);
    let bars = within.bars(step);
    let home = Arc::new(app.home.in_force().home_net.clone());
    let make = || vigie_tally::Traffic::new(step, within.from.secs() / step, bars.len(), Arc::clone(&home));
    let seen = app.home.store.fold(&within.query(), "flow", &vigie_tally::Traffic::COLUMNS, make).await?;
    let sides = seen.bars();
    let series = vigie_tally::SIDES.into_iter().enumerate().map(|(side, key)| TrafficSeries {
        key,
        bytes: sides.iter().map(|b| b[side].bytes).collect(),
        flows: sides.iter().map(|b| b[side].flows).collect(),
    });
    let protocols = seen.protocols().into_iter().take(PROTOCOLS_MAX);
    let traffic = Traffic {
        step_seconds: step,
        buckets: bars.iter().map(|t| time_text(vigie_base::Time::from_secs(*t))).collect(),
        series: series.filter(|s| s.flows.iter().any(|n| *n > 0)).collect(),
        protocols: protocols.map(|(app, sum)| Protocol { app_proto: app.to_owned(), flows: sum.flows, bytes: sum.bytes }).collect(),
    };
    let share = |n: u64, of: u64| if of == 0 { 0.0 } else { n as f64 / of as f64 };
    let told = vigie_tally::BLIND.into_iter().zip(seen.blind).filter(|(_, sum)| sum.flows > 0).map(|(key, sum)| {
        let share = if key == "one_way" { share(sum.flows, seen.all.flows) } else { share(sum.bytes, seen.all.bytes) };
        Blind { key, text: words::blind(lang, key), flows: sum.flows, bytes: sum.bytes, share }
    });
    Ok((traffic, told.collect()))
}
