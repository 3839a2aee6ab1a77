//! The resources of the API, a file each, and the document that describes them.

mod assets;
pub(crate) mod cases;
mod config;
mod coverage;
mod datasets;
mod events;
mod exclusions;
mod export;
mod imports;
mod live;
mod logins;
mod map;
mod outputs;
mod packets;
mod people;
mod rows;
mod search;
mod sensors;
mod session;
mod settings;
mod situation;
mod status;
mod times;
mod views;

use crate::app::App;
use crate::error::{Answer, ErrorBody, Refusal};
use crate::out::CaseNotice;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vigie_base::Sentence;

pub(crate) use session::hashed;
pub(crate) use times::{instant, text as time_text};

/// The longest that an answer may take to begin, an upload apart; to send the body is part of it.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Bytes of a request's body, where it is not a capture.
const BODY_MAX: usize = 1 << 20;

#[derive(OpenApi)]
#[openapi(
    info(title = "Vigie", description = "What is on the network, who talks to whom, what is an attack.", license(name = "Apache-2.0")),
    components(schemas(ErrorBody, CaseNotice)),
    tags(
        (name = "session", description = "Log in and out"), (name = "state", description = "The server, its datasets and imports"),
        (name = "cases", description = "What needs a person"), (name = "assets", description = "What is on the network"),
        (name = "events", description = "Who talked to whom, when"), (name = "people", description = "Users, tokens, the trail")
    )
)]
struct Document;

fn routed() -> OpenApiRouter<Arc<App>> {
    // A capture takes as long as it takes; its pieces have a limit each.
    let capture = OpenApiRouter::new()
        .routes(routes!(imports::list, imports::create))
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn(crate::upload::pieces));
    let rest = OpenApiRouter::new()
        .routes(routes!(session::get, session::create, session::change, session::delete))
        .routes(routes!(session::password))
        .routes(routes!(settings::get, settings::put))
        .routes(routes!(config::export, config::import))
        .routes(routes!(status::get))
        .routes(routes!(datasets::list))
        .routes(routes!(datasets::delete))
        .routes(routes!(imports::get, imports::cancel))
        .routes(routes!(imports::create_from_paths))
        .routes(routes!(live::get))
        .routes(routes!(situation::get))
        .routes(routes!(sensors::list))
        .routes(routes!(outputs::list))
        .routes(routes!(outputs::test))
        .routes(routes!(coverage::get))
        .routes(routes!(map::get))
        .routes(routes!(search::get))
        .routes(routes!(cases::list))
        .routes(routes!(cases::get, cases::change))
        .routes(routes!(cases::comment))
        .routes(routes!(cases::bulk))
        .routes(routes!(export::export))
        .routes(routes!(export::flows))
        .routes(routes!(logins::get))
        .routes(routes!(packets::of_case))
        .routes(routes!(assets::list))
        .routes(routes!(assets::declare, assets::declared))
        .routes(routes!(assets::get))
        .routes(routes!(assets::peers))
        .routes(routes!(assets::activity))
        .routes(routes!(events::list))
        .routes(routes!(events::histogram))
        .routes(routes!(events::facets))
        .routes(routes!(events::fields))
        .routes(routes!(events::flow))
        .routes(routes!(events::sql))
        .routes(routes!(events::export))
        .routes(routes!(packets::of_flow))
        .routes(routes!(packets::of_alert))
        .routes(routes!(exclusions::list, exclusions::add))
        .routes(routes!(exclusions::preview))
        .routes(routes!(exclusions::remove))
        .routes(routes!(views::list, views::add))
        .routes(routes!(views::remove))
        .routes(routes!(people::users, people::add_user))
        .routes(routes!(people::change_user))
        .routes(routes!(people::tokens))
        .routes(routes!(people::add_token))
        .routes(routes!(people::revoke_token))
        .routes(routes!(people::colleagues))
        .routes(routes!(people::audit))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(axum::middleware::from_fn(in_time))
        .layer(axum::middleware::from_fn(crate::upload::pieces));
    OpenApiRouter::with_openapi(Document::openapi()).nest("/api/v1", rest.merge(capture))
}

/// The API as an OpenAPI document, in JSON.
pub fn openapi() -> String {
    let (_, document) = routed().split_for_parts();
    document.to_pretty_json().unwrap_or_default()
}

/// The API.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (router, document) = routed().split_for_parts();
    let document = document.to_json().unwrap_or_default();
    let json = [(header::CONTENT_TYPE, "application/json")];
    router
        .route("/metrics", axum::routing::get(crate::metrics::get))
        .route("/api/v1/openapi.json", axum::routing::get(move || async move { (json, document) }))
        .method_not_allowed_fallback(|| async {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this resource does not take that method; see /api/v1/openapi.json")
        })
        .with_state(app)
}

/// Ends a request that takes too long.
async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(ANSWER_MAX, next.run(request)).await.unwrap_or_else(|_| {
        let said = Sentence::new("timeout", "no answer in {seconds} s; ask for less (a shorter time, fewer kinds), or try again");
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, "timeout", said.with("seconds", ANSWER_MAX.as_secs())).into_response()
    })
}

/// An answer that a browser keeps as a file.
fn attachment(media: &'static str, name: &str, body: impl IntoResponse) -> Answer<Response> {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")).map_err(Refusal::internal)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(media)), (header::CONTENT_DISPOSITION, disposition)], body).into_response())
}

/// A limit of a list: what was asked for, within bounds.
fn limit(asked: Option<usize>, default: usize, max: usize) -> Answer<usize> {
    match asked {
        None => Ok(default),
        Some(n) if (1..=max).contains(&n) => Ok(n),
        Some(_) => Err(Refusal::parameter("limit", Sentence::new("limit", "limit is from 1 to {max}").with("max", max))),
    }
}

/// Words parted by commas; none for an empty text.
fn parted(text: Option<&str>) -> Vec<&str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|w| !w.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    /// The files of the API and of what it tells with.
    fn sources() -> Vec<(String, String)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = [folder.join("api"), folder].into_iter().flat_map(|f| std::fs::read_dir(f).unwrap()).map(|f| f.unwrap().path());
        let files = files.filter(|f| f.extension().is_some_and(|e| e == "rs"));
        files.map(|f| (f.display().to_string(), std::fs::read_to_string(&f).unwrap())).collect()
    }

    /// utoipa lets the last of two structs of one name stand for both, without a word.
    #[test]
    fn every_schema_has_a_name_of_its_own() {
        let mut named: BTreeMap<String, String> = BTreeMap::new();
        for (file, text) in sources() {
            for after in text.split("ToSchema)]").skip(1) {
                let Some(name) = after.split("struct ").nth(1).and_then(|t| t.split([' ', '{', '<', '(']).next()) else { continue };
                if let Some(other) = named.insert(name.to_owned(), file.clone()) {
                    panic!("{name} is the name of a schema in {other} and in {file}");
                }
            }
        }
        assert!(named.len() > 80, "{}", named.len());
    }

    #[test]
    fn every_route_says_the_least_role() {
        let document: serde_json::Value = serde_json::from_str(&super::openapi()).unwrap();
        let mut routes = 0;
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, route) in methods.as_object().unwrap() {
                let role = route["x-role"].as_str().unwrap_or_else(|| panic!("{method} {path} says no role"));
                assert!(["none", "viewer", "analyst", "administrator", "local"].contains(&role), "{method} {path}: {role}");
                routes += 1;
            }
        }
        assert!(routes > 50, "{routes}");
    }
}
