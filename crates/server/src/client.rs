//! How commands reach the data: over the socket of the server that runs, else through the same API in this process.

use crate::Fault;
use crate::app::App;
use crate::error::ErrorBody;
use crate::home::{Held, Home};
use crate::person::Peer;
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;
use tower::ServiceExt;
use vigie_pipeline::Config;

/// The API of a data directory, wherever it is answered.
pub struct Client {
    way: Way,
    runtime: tokio::runtime::Runtime,
}

enum Way {
    Socket(PathBuf),
    Here(Router),
}

/// An answer read whole.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body, or the message of the error that it is.
    pub fn ok(self) -> Result<Vec<u8>, Fault> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let said = serde_json::from_slice::<ErrorBody>(&self.body).map(|e| e.error.message);
        Err(Fault::new(said.unwrap_or_else(|_| format!("the server answered {}", self.status))))
    }
}

impl Client {
    /// Of a data directory that is there.
    pub fn open(dir: &Path, config: Config) -> Result<Client, Fault> {
        if !Home::is_there(dir) {
            return Err(Fault::new(format!("{}: no data of Vigie is there; give the --data directory of `vigie up`", dir.display())));
        }
        Client::make(dir, config)
    }

    /// Of a data directory, made where it is absent.
    pub fn make(dir: &Path, config: Config) -> Result<Client, Fault> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Fault::of)?;
        let way = match Home::open(dir, config) {
            Ok(home) => runtime.block_on(async { Way::Here(crate::up::service(App::new(home))) }),
            Err(Held::Elsewhere) => Way::Socket(Home::socket(dir)),
            Err(Held::Fault(fault)) => return Err(fault),
        };
        Ok(Client { way, runtime })
    }

    /// Asks for `path` (below `/api/v1`) with a JSON body, where one is given.
    pub fn ask(&self, method: Method, path: &str, body: Option<&serde_json::Value>) -> Result<Reply, Fault> {
        self.runtime.block_on(async {
            let response = self.send(method, path, body).await?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(Fault::of)?.to_bytes().to_vec();
            Ok(Reply { status, body })
        })
    }

    /// Asks for `path` and hands its body over piece by piece, as it comes: for what is too large to be held. Gives the bytes.
    pub fn save(&self, path: &str, mut keep: impl FnMut(&[u8]) -> Result<(), Fault>) -> Result<u64, Fault> {
        self.runtime.block_on(async {
            let response = self.send(Method::GET, path, None).await?;
            let status = response.status();
            let mut body = response.into_body();
            if !status.is_success() {
                let body = body.collect().await.map_err(Fault::of)?.to_bytes().to_vec();
                return Reply { status, body }.ok().map(|_| 0);
            }
            let mut bytes = 0;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| Fault::new("the answer ended early; see the server's log, and ask again"))?;
                if let Some(piece) = frame.data_ref() {
                    keep(piece)?;
                    bytes += piece.len() as u64;
                }
            }
            Ok(bytes)
        })
    }

    async fn send(&self, method: Method, path: &str, body: Option<&serde_json::Value>) -> Result<Response<Body>, Fault> {
        let body = body.map_or_else(Body::empty, |b| Body::from(b.to_string()));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("host", "vigie")
            .header("content-type", "application/json")
            .body(body)
            .map_err(Fault::of)?;
        match &self.way {
            Way::Here(router) => {
                request.extensions_mut().insert(Peer::Local);
                router.clone().oneshot(request).await.map_err(Fault::of)
            }
            Way::Socket(path) => {
                let todo = "wait a moment, or stop the vigie that has the data directory";
                let stream = UnixStream::connect(path).await.map_err(|e| Fault::at(path, &e, todo))?;
                let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Fault::of)?;
                tokio::spawn(connection);
                Ok(sender.send_request(request).await.map_err(Fault::of)?.map(Body::new))
            }
        }
    }

    /// The same, read as JSON; an error's message where it is one.
    pub fn json(&self, method: Method, path: &str, body: Option<&serde_json::Value>) -> Result<serde_json::Value, Fault> {
        let body = self.ask(method, path, body)?.ok()?;
        if body.is_empty() { Ok(serde_json::Value::Null) } else { serde_json::from_slice(&body).map_err(Fault::of) }
    }
}
