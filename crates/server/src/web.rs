//! The console's files, and the headers that every answer carries.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use include_dir::{Dir, include_dir};

static CONSOLE: Dir<'_> = include_dir!("$OUT_DIR/console");

/// Nothing from another host, nothing inline.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// Headers of every answer.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_api && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// A file of the console; its first page for every path that is none, so that links into the console open.
pub(crate) async fn console(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") {
        return crate::error::Refusal::not_found("resource").into_response();
    }
    let (file, is_page) = match CONSOLE.get_file(path) {
        Some(file) => (file, path.ends_with(".html")),
        // What looks like a file and is none is not a page of the console.
        None if path.rsplit('/').next().is_some_and(|name| name.contains('.')) && path.starts_with("assets/") => {
            return (StatusCode::NOT_FOUND, "no such file").into_response();
        }
        None => match CONSOLE.get_file("index.html") {
            Some(file) => (file, true),
            None => return (StatusCode::NOT_FOUND, "no console in this binary").into_response(),
        },
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(file.path().extension().and_then(|e| e.to_str()))));
    // Names of assets carry a hash of their content; pages do not.
    let cache = if is_page || !path.starts_with("assets/") { "no-cache" } else { "public, max-age=31536000, immutable" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    (headers, Body::from(file.contents())).into_response()
}

fn media_type(extension: Option<&str>) -> &'static str {
    match extension {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
