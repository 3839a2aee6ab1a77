//! A notice to a web server: one request of HTTP/1.1, over TLS unless the address says otherwise.

use crate::out::deliver::Refused;
use crate::out::notice::CaseNotice;
use crate::out::target::Webhook;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// How long the whole of it may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Where systems keep the certificates of those whom they trust: Debian, Red Hat, others. `SSL_CERT_FILE` stands over them.
const TRUSTED: [&str; 3] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Sends a notice; done once the server said that it has it.
pub(super) async fn send(hook: &Webhook, notice: &CaseNotice) -> Result<(), Refused> {
    let body = serde_json::to_vec(notice).map_err(|e| Refused::Never(e.to_string()))?;
    match tokio::time::timeout(ANSWER_MAX, posted(hook, body)).await {
        Ok(Ok(status)) => judged(status),
        Ok(Err(why)) => Err(Refused::Now(format!("{}: {why}", hook.origin()))),
        Err(_) => Err(Refused::Now(format!("{}: no answer in {} s", hook.origin(), ANSWER_MAX.as_secs()))),
    }
}

fn judged(status: StatusCode) -> Result<(), Refused> {
    match status.as_u16() {
        200..=299 => Ok(()),
        300..=399 => Err(Refused::Now(format!("the server answered {status}: give the address that it points to"))),
        401 | 403 => Err(Refused::Now(format!("the server answered {status}: give another authorization"))),
        404 | 405 | 410 => Err(Refused::Now(format!("the server answered {status}: give another address"))),
        408 | 425 | 429 | 500.. => Err(Refused::Now(format!("the server answered {status}"))),
        _ => Err(Refused::Never(format!("the server answered {status}: it does not take this notice"))),
    }
}

async fn posted(hook: &Webhook, body: Vec<u8>) -> Result<StatusCode, String> {
    let is_tls = hook.url.scheme_str() != Some("http");
    let host = hook.url.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = hook.url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let path = hook.url.path_and_query().map_or("/", |p| p.as_str());
    let mut request = Request::post(path)
        .header(HOST, hook.url.authority().map_or(host, |a| a.as_str()))
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("vigie/", env!("CARGO_PKG_VERSION")));
    if let Some(authorization) = &hook.authorization {
        let mut value = HeaderValue::from_str(authorization).map_err(|e| e.to_string())?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|e| e.to_string())?;
    let stream = TcpStream::connect((host, port)).await.map_err(|e| e.to_string())?;
    if !is_tls {
        return asked(stream, request).await;
    }
    let config = tokio::task::spawn_blocking(client).await.map_err(|e| e.to_string())??;
    let name = ServerName::try_from(host.to_owned()).map_err(|e| e.to_string())?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|e| e.to_string())?;
    asked(stream, request).await
}

async fn asked<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let served = tokio::spawn(connection);
    let status = sender.send_request(request).await.map(|answer| answer.status()).map_err(|e| e.to_string());
    // What the server says beside is not read.
    served.abort();
    status
}

/// Trusts whom this system trusts.
fn client() -> Result<Arc<ClientConfig>, String> {
    let told = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let file = told.or_else(|| TRUSTED.iter().map(PathBuf::from).find(|p| p.exists()));
    let file = file.ok_or("there is no list of trusted certificates: install ca-certificates, or set SSL_CERT_FILE")?;
    let bad = |e: rustls::pki_types::pem::Error| format!("{}: {e}; set SSL_CERT_FILE to a PEM file", file.display());
    let mut roots = RootCertStore::empty();
    // One that cannot be read is no reason not to trust the others.
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(&file).map_err(bad)?.filter_map(Result::ok));
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_answers_is_judged() {
        let of = |status: u16| judged(StatusCode::from_u16(status).unwrap());
        assert!([200, 201, 204].iter().all(|s| of(*s).is_ok()));
        assert!([301, 401, 403, 404, 429, 500, 503].iter().all(|s| matches!(of(*s), Err(Refused::Now(_)))));
        assert!([400, 413, 415, 422].iter().all(|s| matches!(of(*s), Err(Refused::Never(_)))));
    }
}
