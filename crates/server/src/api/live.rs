//! News for pages that stay open, as server-sent events.

use crate::app::{App, Change};
use crate::person::Viewer;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_stream::Stream;

/// News at most so often.
const EVERY: Duration = Duration::from_millis(250);

/// News, as server-sent events
///
/// `change` with counters that grow: cases, events, imports. A page reads again what it shows, or says that there is more.
#[utoipa::path(get, path = "/live", tag = "state", extensions(("x-role" = json!("viewer"))), responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(crate) async fn get(State(app): State<Arc<App>>, _may: Viewer) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (send, receive) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let news = app.changes.news.notified();
            let counts = [Change::Cases, Change::Events, Change::Imports].map(|c| app.changes.count(c));
            let text = format!("{{\"cases\":{},\"events\":{},\"imports\":{}}}", counts[0], counts[1], counts[2]);
            if send.send(Ok(Event::default().event("change").data(text))).await.is_err() {
                return;
            }
            // What comes after a quiet time is told at once; what comes with it, together.
            tokio::time::sleep(EVERY).await;
            tokio::select! {
                () = news => {},
                () = send.closed() => return,
            }
        }
    });
    Sse::new(tokio_stream::wrappers::ReceiverStream::new(receive)).keep_alive(KeepAlive::default())
}
