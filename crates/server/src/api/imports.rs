//! Captures into datasets.

use crate::api::time_text;
use crate::app::App;
use crate::error::{Answer, Refusal};
use crate::import::{self, Job};
use crate::person::{Analyst, Viewer, Way};
use crate::room::For;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio_stream::StreamExt;
use utoipa::{IntoParams, ToSchema};
use vigie_base::Sentence;

/// Longest name of a dataset, in bytes.
const NAME_MAX: usize = 64;

/// An import.
#[derive(Serialize, ToSchema)]
pub(crate) struct Import {
    id: u64,
    name: String,
    dataset: String,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    state: &'static str,
    done_bytes: u64,
    total_bytes: u64,
    /// What went wrong or is odd, a line each, in English.
    message: String,
    /// The name of the sentence that says why it failed, as of an error.
    reason: Option<&'static str>,
    /// What is filled into it.
    params: BTreeMap<String, String>,
    result: Option<Outcome>,
    started: String,
    ended: Option<String>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
struct Outcome {
    events: u64,
    flows: u64,
    frames: u64,
    new_cases: u64,
    new_assets: u64,
}

fn told(i: &import::Import) -> Import {
    Import {
        id: i.id,
        name: i.job.name.clone(),
        dataset: i.job.dataset.clone(),
        state: i.stage.name(),
        done_bytes: i.done,
        total_bytes: i.total,
        message: i.message.to_string(),
        reason: i.message.name(),
        params: crate::error::params(&i.message),
        result: i.outcome.map(|o| Outcome {
            events: o.events,
            flows: o.flows,
            frames: o.frames,
            new_cases: o.new_cases,
            new_assets: o.new_assets,
        }),
        started: time_text(i.started),
        ended: i.ended.map(time_text),
    }
}

/// Imports since the server began, the latest first
#[utoipa::path(get, path = "/imports", tag = "state", extensions(("x-role" = json!("viewer"))), responses((status = 200, body = [Import])))]
pub(crate) async fn list(State(app): State<Arc<App>>, _may: Viewer) -> Json<Vec<Import>> {
    Json(app.imports.list().iter().map(told).collect())
}

/// One import
#[utoipa::path(get, path = "/imports/{id}", tag = "state", extensions(("x-role" = json!("viewer"))), params(("id" = u64, Path)), responses((status = 200, body = Import), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn get(State(app): State<Arc<App>>, _may: Viewer, Path(id): Path<u64>) -> Answer<Json<Import>> {
    app.imports.get(id).map(|i| Json(told(&i))).ok_or_else(|| Refusal::not_found("import"))
}

/// Stop an import; nothing of it is kept
#[utoipa::path(delete, path = "/imports/{id}", tag = "state", extensions(("x-role" = json!("analyst"))), params(("id" = u64, Path)), responses((status = 204), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn cancel(State(app): State<Arc<App>>, _may: Analyst, Path(id): Path<u64>) -> Answer<StatusCode> {
    if app.imports.cancel(id) { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::not_found("import")) }
}

/// Where a capture goes.
#[derive(Deserialize, IntoParams)]
pub(crate) struct Into {
    /// `replay` by default.
    dataset: Option<String>,
    /// What the capture is called.
    name: Option<String>,
    /// Moves its times so that its last frame is now.
    shift_to_now: Option<bool>,
    /// Whether the capture is kept, so that packets can be cut from it; without, as the setting `captures_keep` says.
    keep: Option<bool>,
}

fn dataset(asked: Option<String>) -> Answer<String> {
    let name = asked.unwrap_or_else(|| "replay".to_owned());
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_MAX || name.starts_with('.') || !name.chars().all(fits) {
        return Err(Refusal::parameter(
            "dataset",
            Sentence::new("dataset_word", "a dataset's name has 1 to {max} letters, digits, `-`, `_` or `.`, and does not begin with `.`")
                .with("max", NAME_MAX),
        ));
    }
    Ok(name)
}

/// Import a capture: the body is the file
#[utoipa::path(post, path = "/imports", tag = "state", extensions(("x-role" = json!("analyst"))), params(Into), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 202, body = Import), (status = 400, body = crate::error::ErrorBody)))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    Query(into): Query<Into>,
    headers: HeaderMap,
    body: Body,
) -> Answer<(StatusCode, Json<Import>)> {
    let dataset = dataset(into.dataset)?;
    // Nothing goes for what would not fit even then.
    let said = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if said.is_some_and(|bytes| bytes > app.home.most_room()) {
        return Err(too_large());
    }
    let folder = crate::home::Home::incoming(&app.home.dir);
    let file = folder.join(format!("{}.capture", crate::person::fresh_token()?));
    let written = receive(&app, &dataset, &folder, &file, body).await;
    if let Err(refusal) = written {
        let _ = tokio::fs::remove_file(&file).await;
        return Err(refusal);
    }
    let name = into.name.filter(|n| !n.is_empty()).unwrap_or_else(|| "capture".to_owned());
    let job = Job {
        paths: vec![file],
        name,
        dataset,
        shift_to_now: into.shift_to_now.unwrap_or(false),
        who: who.name,
        own: true,
        keep: into.keep.unwrap_or_else(|| app.home.in_force().captures_keep),
    };
    accepted(&app, job)
}

fn too_large() -> Refusal {
    let said = Sentence::new(
        "capture_large",
        "the capture is larger than what the quota and the disk leave; raise the quota, free space, or delete a dataset",
    );
    Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "storage", said)
}

/// Bytes that are freed at a time for a capture that comes.
const ROOM_AT_A_TIME: u64 = 64 << 20;

/// Writes a body into a file of its own, as long as there is room for it: what is older goes for it, as the quota says.
async fn receive(app: &Arc<App>, dataset: &str, folder: &std::path::Path, file: &std::path::Path, body: Body) -> Answer<()> {
    let full = |e: std::io::Error| {
        Refusal::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "storage",
            Sentence::new("capture_unkept", "the capture cannot be kept ({error}); free space in the data directory").with("error", e),
        )
    };
    tokio::fs::create_dir_all(folder).await.map_err(full)?;
    let mut out = tokio::fs::File::create(file).await.map_err(full)?;
    let (mut chunks, mut bytes, mut room, most) = (body.into_data_stream(), 0u64, app.home.room(), app.home.most_room());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|e| {
            Refusal::parameter("body", Sentence::new("upload_cut", "the upload was cut ({error}); send it again").with("error", e))
        })?;
        bytes += chunk.len() as u64;
        if bytes > room && bytes <= most {
            // What is written already counts as used.
            out.flush().await.map_err(full)?;
            let written = bytes - chunk.len() as u64;
            let (ours, dataset) = (Arc::clone(app), dataset.to_owned());
            let made = tokio::task::spawn_blocking(move || ours.home.make_room(ROOM_AT_A_TIME, For::Import(&dataset)));
            made.await.map_err(Refusal::internal)?.map_err(Refusal::internal)?;
            room = written.saturating_add(app.home.room());
        }
        if bytes > room {
            return Err(too_large());
        }
        out.write_all(&chunk).await.map_err(full)?;
    }
    if bytes == 0 {
        return Err(Refusal::parameter("body", Sentence::new("upload_empty", "the upload is empty; send a pcap or pcapng file")));
    }
    out.flush().await.map_err(full)
}

/// Files of this machine, for commands of the same user.
#[derive(Deserialize, Serialize, ToSchema)]
pub(crate) struct Paths {
    /// Absolute.
    paths: Vec<String>,
    dataset: Option<String>,
    #[serde(default)]
    shift_to_now: bool,
    /// Whether the captures are kept, so that packets can be cut from them; without, as the setting `captures_keep` says.
    keep: Option<bool>,
}

/// Import files of the server's machine
///
/// Only over the socket in the data directory.
#[utoipa::path(post, path = "/imports/paths", tag = "state", extensions(("x-role" = json!("local"))), request_body = Paths, responses((status = 202, body = Import), (status = 403, body = crate::error::ErrorBody)))]
pub(crate) async fn create_from_paths(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    Json(asked): Json<Paths>,
) -> Answer<(StatusCode, Json<Import>)> {
    if who.way != Way::Local {
        return Err(Refusal::forbidden("only a command on the server's machine may name files there; send the capture itself to /imports"));
    }
    let paths: Vec<PathBuf> = asked.paths.iter().map(PathBuf::from).collect();
    if paths.is_empty() || paths.iter().any(|p| !p.is_absolute()) {
        return Err(Refusal::parameter("paths", "one or more absolute paths are expected"));
    }
    let name = asked.paths.first().and_then(|p| p.rsplit('/').next()).unwrap_or_default().to_owned();
    let job = Job {
        paths,
        name,
        dataset: dataset(asked.dataset)?,
        shift_to_now: asked.shift_to_now,
        who: who.name,
        own: false,
        keep: asked.keep.unwrap_or_else(|| app.home.in_force().captures_keep),
    };
    accepted(&app, job)
}

fn accepted(app: &Arc<App>, job: Job) -> Answer<(StatusCode, Json<Import>)> {
    let id = import::begin(app, job);
    let import = app.imports.get(id).ok_or_else(|| Refusal::internal("the import is not there"))?;
    Ok((StatusCode::ACCEPTED, Json(told(&import))))
}
