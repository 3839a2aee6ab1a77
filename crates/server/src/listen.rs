//! Who may connect: browsers and scripts over TLS, commands of the same user over the socket in the data directory.

use crate::Fault;
use crate::person::Peer;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::ServiceExt;

/// Connections served at once; more wait in the kernel's queue.
pub(crate) const CONNECTIONS_MAX: usize = 64;
/// Bytes of what a peer sends that wait on one connection, and of the head of a request, at most.
const HELD_MAX: u32 = 64 << 10;
/// Bytes that one connection takes at most: what waits each way, a head, TLS records.
pub(crate) const CONNECTION_BYTES: usize = 4 * HELD_MAX as usize;
/// Seconds for a TLS handshake, and for the head of a request.
const SLOW: Duration = Duration::from_secs(10);

/// Serves browsers until `stop`, each new connection with the configuration that is served then.
pub(crate) async fn tls(listener: TcpListener, config: watch::Receiver<Arc<ServerConfig>>, router: Router, stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stopped = stop.clone();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, from) = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors: some come free when connections end.
                Err(_) => { tokio::time::sleep(Duration::from_millis(100)).await; continue }
            },
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&config.borrow()));
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            let _ = stream.set_nodelay(true);
            if let Ok(Ok(stream)) = tokio::time::timeout(SLOW, acceptor.accept(stream)).await {
                connection(stream, router, Peer::Net(from), stop).await;
            }
        });
    }
}

/// Serves commands of this user over the socket until `stop`.
pub(crate) async fn local(listener: UnixListener, router: Router, stop: watch::Receiver<bool>) {
    let me = rustix::process::geteuid().as_raw();
    let mut stopped = stop.clone();
    loop {
        let stream = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => { tokio::time::sleep(Duration::from_millis(100)).await; continue }
            },
        };
        // The file's mode keeps others out; root may pass it and is let in.
        let uid = stream.peer_cred().map(|c| c.uid());
        if !matches!(uid, Ok(uid) if uid == me || uid == 0) {
            continue;
        }
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(async move { connection(stream, router, Peer::Local, stop).await });
    }
}

async fn connection<S>(stream: S, router: Router, peer: Peer, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request.map(axum::body::Body::new)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(SLOW).max_buf_size(HELD_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(HELD_MAX)
        .keep_alive_interval(Duration::from_secs(30));
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(served);
    tokio::select! {
        _ = served.as_mut() => return,
        _ = stop.changed() => served.as_mut().graceful_shutdown(),
    }
    // What is under way may end; what waits for news (events) is cut.
    let _ = tokio::time::timeout(Duration::from_secs(5), served).await;
}

/// The socket at `path`, for this user alone.
pub(crate) fn socket(path: &Path) -> Result<UnixListener, Fault> {
    use std::os::unix::fs::PermissionsExt;
    // The lock on the directory is held: a socket that is there is a dead one's.
    let _ = std::fs::remove_file(path);
    let listener =
        UnixListener::bind(path).map_err(|e| Fault::at(path, &e, "give a data directory that can be written, with a shorter path"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|e| Fault::at(path, &e, "give a data directory of this user"))?;
    Ok(listener)
}

/// The listener for browsers.
pub(crate) fn port(address: SocketAddr) -> Result<std::net::TcpListener, Fault> {
    let bound = std::net::TcpListener::bind(address).and_then(|l| l.set_nonblocking(true).map(|()| l));
    bound.map_err(|e| Fault::new(format!("{address}: {e}; give another --listen ADDRESS:PORT")))
}
