//! Where events and cases go beside the console, and what came of it.

use crate::api::time_text;
use crate::app::App;
use crate::error::{Answer, Refusal};
use crate::out::{CaseOutput, Said, Sink, test as send_test};
use crate::person::{Administrator, Viewer};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use utoipa::ToSchema;
use vigie_base::Sentence;

/// An output.
#[derive(Serialize, ToSchema)]
pub(crate) struct OutputRow {
    /// `eve_file`, `eve_socket`, `webhook` or `syslog`.
    name: &'static str,
    /// Where to; none where it is not asked for.
    target: Option<String>,
    /// Lines or notices that were taken: lines since the server began.
    delivered: u64,
    /// Lines that did not fit in the queue, or notices that were given up after a day.
    dropped: u64,
    /// Bytes that wait, of lines.
    waiting_bytes: u64,
    last_success: Option<String>,
    last_error: Option<OutputError>,
}

/// Why an output last did not take something.
#[derive(Serialize, ToSchema)]
struct OutputError {
    at: String,
    text: String,
    /// Whether nothing was taken since.
    stands: bool,
}

fn row(name: &'static str, target: Option<String>, said: Said) -> OutputRow {
    let stands = |at| said.success.is_none_or(|s| s < at);
    OutputRow {
        name,
        target,
        delivered: 0,
        dropped: 0,
        waiting_bytes: 0,
        last_error: said.error.map(|(at, text)| OutputError { at: time_text(at), text, stands: stands(at) }),
        last_success: said.success.map(time_text),
    }
}

/// All outputs, those that are not asked for, too.
fn all(app: &App) -> Result<Vec<OutputRow>, vigie_catalog::Error> {
    let mut rows = Vec::new();
    for sink in Sink::ALL {
        let (running, counted) = (app.eve.running(sink), app.eve.counted(sink));
        let (target, waiting_bytes) = running.map_or((None, 0), |(path, waits)| (Some(path.display().to_string()), waits));
        let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
        let (delivered, dropped) = (count(&counted.written), count(&counted.dropped));
        rows.push(OutputRow { delivered, dropped, waiting_bytes, ..row(sink.name(), target, counted.said()) });
    }
    let now = app.home.in_force();
    let mut states: BTreeMap<String, _> = app.home.catalog.outputs()?.into_iter().map(|s| (s.name.clone(), s)).collect();
    for output in CaseOutput::ALL {
        let target = match output {
            CaseOutput::Webhook => now.webhook.as_ref().map(|w| w.origin()),
            CaseOutput::Syslog => now.syslog.as_ref().map(|s| format!("{} ({})", s.target(), s.carrier.name())),
        };
        // What an output of before was told is nothing of this one.
        let state = states.remove(output.name()).filter(|_| target.is_some());
        let (delivered, dropped, said) =
            state.map_or((0, 0, Said::default()), |s| (s.delivered, s.dropped, Said { success: s.success, error: s.error }));
        rows.push(OutputRow { delivered, dropped, ..row(output.name(), target, said) });
    }
    Ok(rows)
}

/// Where events and cases go beside the console
///
/// What writes events as EVE is asked for in the configuration (`output.eve.file`, `output.eve.socket`), what tells of cases in the settings.
#[utoipa::path(get, path = "/outputs", tag = "state", extensions(("x-role" = json!("viewer"))), responses((status = 200, body = [OutputRow])))]
pub(crate) async fn list(State(app): State<Arc<App>>, _may: Viewer) -> Answer<Json<Vec<OutputRow>>> {
    Ok(Json(tokio::task::spawn_blocking(move || all(&app)).await.map_err(Refusal::internal)??))
}

/// Send a test
///
/// A notice without a case, to `webhook` or `syslog` as it is set; answered once it was taken.
#[utoipa::path(post, path = "/outputs/{name}/test", tag = "state", extensions(("x-role" = json!("administrator"))), params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn test(State(app): State<Arc<App>>, Administrator(who): Administrator, Path(name): Path<String>) -> Answer<StatusCode> {
    let output = CaseOutput::ALL.into_iter().find(|o| o.name() == name).ok_or_else(|| Refusal::not_found("output"))?;
    let by = who.name.clone();
    app.catalog(move |c, now| c.audit(&by, "output.test", output.name(), &Value::Null, now)).await?;
    match send_test(&app, output, &who.name).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(Some(why)) => Err(Refusal::unprocessable("output", Sentence::new("output_failed", "{why}").with("why", why))),
        Err(None) => Err(Refusal::unprocessable(
            "output",
            Sentence::new("output_unset", "no {output} is set: set it first").with("output", output.name()),
        )),
    }
}
