//! Bodies of requests: a limit of time between two pieces, whatever the whole takes; and a refusal is seen by who is still sending.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// How long a body may stand still.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Pieces that wait for who keeps them.
const PIECES: usize = 4;
/// What is read of a refused body, so that its sender comes to read the answer; then the connection is closed.
const DRAINED_MAX: usize = 256 << 20;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(20);

/// Hands a body over piece by piece, and reads past it where it is not wanted.
pub(crate) async fn pieces(request: Request, next: Next) -> Response {
    if axum::body::HttpBody::is_end_stream(request.body()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let (send, receive) = mpsc::channel(PIECES);
    tokio::spawn(forward(body, send));
    next.run(Request::from_parts(parts, Body::from_stream(ReceiverStream::new(receive)))).await
}

async fn forward(body: Body, send: mpsc::Sender<io::Result<axum::body::Bytes>>) {
    let mut pieces = body.into_data_stream();
    // Of a refused body: until when, and how much was read.
    let mut past: Option<(Instant, usize)> = None;
    loop {
        let piece = match timeout(IDLE_MAX, pieces.next()).await {
            Ok(None) => return,
            Ok(Some(piece)) => piece.map_err(io::Error::other),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("nothing came for {} s", IDLE_MAX.as_secs()))),
        };
        let (is_end, bytes) = (piece.is_err(), piece.as_ref().map_or(0, axum::body::Bytes::len));
        match &mut past {
            None if send.send(piece).await.is_err() => past = Some((Instant::now() + DRAIN_TIME, bytes)),
            None => {}
            Some((until, read)) => {
                *read += bytes;
                if *read > DRAINED_MAX || Instant::now() > *until {
                    return;
                }
            }
        }
        if is_end {
            return;
        }
    }
}
