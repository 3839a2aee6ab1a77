//! Datasets: the site's own traffic, and what was replayed.

use crate::api::coverage::{Stretch, stretches};
use crate::api::time_text;
use crate::app::{App, Change};
use crate::error::{Answer, Refusal};
use crate::person::{Administrator, Viewer};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use vigie_base::Sentence;
use vigie_catalog::{AssetFilter, Kind};

/// A dataset: with its own events, assets and cases.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Dataset {
    name: String,
    /// `replay`, `live`, or `synthetic`: events that were made, for demonstration and measurement.
    kind: &'static str,
    /// Seconds that its times were moved by.
    shift_seconds: f64,
    created: String,
    /// Earliest and latest event.
    first: Option<String>,
    last: Option<String>,
    events: u64,
    flows: u64,
    cases_open: u64,
    assets: u64,
    /// Bytes of its events on disk.
    bytes: u64,
    /// Bytes of packets that are kept of live traffic; what is kept of imports stands with their sources.
    packets_bytes: u64,
    sources: Vec<Source>,
    /// The times that its captures cover, as its events have them: outside of these nothing of it was seen. Empty for live traffic.
    covered: Vec<Stretch>,
}

/// A capture that was read into a dataset.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Source {
    name: String,
    sha256: String,
    bytes: u64,
    frames: u64,
    /// As written in the capture: not moved.
    first: String,
    last: String,
    /// Whether it is kept, so that packets can be cut from it.
    kept: bool,
    /// Whether it is among the captures that go first when room is needed.
    goes_next: bool,
}

impl Dataset {
    /// How many events it has.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Bytes of its captures that are kept.
    pub(crate) fn captures_bytes(&self) -> u64 {
        self.sources.iter().filter(|s| s.kept).map(|s| s.bytes).sum()
    }
}

/// All of them, by name.
pub(crate) async fn all(app: &Arc<App>) -> Answer<Vec<Dataset>> {
    let known = app
        .catalog(|c, _| {
            let mut all = Vec::new();
            for d in c.datasets()? {
                let assets = c.assets(&AssetFilter { dataset: Some(d.name.clone()), limit: 1, ..AssetFilter::default() })?.total;
                let open = c.case_counts(Some(&d.name))?.open.iter().sum();
                all.push((d, assets, open));
            }
            let next = c.captures()?.into_iter().next().map(|(dataset, source)| (dataset, source.import));
            Ok((all, next))
        })
        .await?;
    let (known, next) = known;
    let usage = app.home.store.usage();
    let spans = app.home.store.datasets();
    let schemas = app.home.store.schemas();
    Ok(known
        .into_iter()
        .map(|(d, assets, cases_open)| {
            let span = spans.get(&d.name);
            let of = |kind: Option<&str>| {
                let own = usage.kinds.iter().filter(|((name, k), _)| *name == d.name && kind.is_none_or(|kind| k == kind));
                own.fold((0, 0), |sum, (_, n)| (sum.0 + n.0, sum.1 + n.1))
            };
            let bytes = of(None).1;
            let internal = schemas.iter().filter(|s| s.internal).map(|s| of(Some(s.kind)).0).sum::<u64>();
            let events = of(None).0 - internal;
            Dataset {
                covered: if d.kind == Kind::Live { Vec::new() } else { stretches(app, &d).into_iter().map(Stretch::of).collect() },
                kind: d.kind.name(),
                shift_seconds: d.shift as f64 / 1e9,
                created: time_text(d.created),
                first: span.map(|s| time_text(s.0)),
                last: span.map(|s| time_text(s.1)),
                events,
                flows: of(Some("flow")).0,
                cases_open,
                assets,
                bytes,
                packets_bytes: if d.kind == Kind::Live { app.home.packets.bytes() } else { 0 },
                sources: d
                    .sources
                    .into_iter()
                    .map(|s| Source {
                        name: s.name,
                        sha256: s.sha256,
                        bytes: s.bytes,
                        frames: s.frames,
                        first: time_text(s.first),
                        last: time_text(s.last),
                        kept: s.kept_as.is_some(),
                        goes_next: s.kept_as.is_some() && next.as_ref().is_some_and(|n| n.0 == d.name && n.1 == s.import),
                    })
                    .collect(),
                name: d.name,
            }
        })
        .collect())
}

/// All datasets
#[utoipa::path(get, path = "/datasets", tag = "state", extensions(("x-role" = json!("viewer"))), responses((status = 200, body = [Dataset])))]
pub(crate) async fn list(State(app): State<Arc<App>>, _may: Viewer) -> Answer<Json<Vec<Dataset>>> {
    Ok(Json(all(&app).await?))
}

/// Remove a dataset with its events, assets, cases and captures
#[utoipa::path(delete, path = "/datasets/{name}", tag = "state", extensions(("x-role" = json!("administrator"))), params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub(crate) async fn delete(State(app): State<Arc<App>>, Administrator(who): Administrator, Path(name): Path<String>) -> Answer<StatusCode> {
    if app.imports.is_busy(&name) {
        return Err(Refusal::conflict(Sentence::new(
            "import_busy",
            "an import into this dataset is under way; wait for its end or cancel it",
        )));
    }
    let asked = name.clone();
    let removed = app
        .catalog(move |c, now| {
            let sources = c.dataset(&asked)?.map(|d| d.sources).unwrap_or_default();
            c.remove_dataset(&asked)?;
            c.audit(&who.name, "dataset.remove", &asked, &serde_json::Value::Null, now)?;
            Ok(sources)
        })
        .await?;
    let of = Arc::clone(&app);
    let rest = move || {
        removed.iter().for_each(|source| of.home.forget_capture(source));
        let done = of.home.store.remove_dataset(&name);
        of.home.weigh();
        done
    };
    tokio::task::spawn_blocking(rest).await.map_err(Refusal::internal)?.map_err(Refusal::from)?;
    app.changes.tell(Change::Cases);
    app.changes.tell(Change::Events);
    Ok(StatusCode::NO_CONTENT)
}
