//! The resources of the API, a file each, and the document that describes them.

mod assets;
mod cases;
mod datasets;
mod events;
mod exclusions;
mod imports;
mod live;
mod map;
mod people;
mod rows;
mod search;
mod sensors;
mod session;
mod settings;
mod situation;
mod status;
mod sums;
mod times;
mod views;

use crate::app::App;
use crate::error::{Answer, ErrorBody, Refusal};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use session::hashed;
pub(crate) use times::{instant, text as time_text};

/// Bytes of a request's body, where it is not a capture.
const BODY_MAX: usize = 1 << 20;

#[derive(OpenApi)]
#[openapi(
    info(title = "Vigie", description = "What is on the network, who talks to whom, what is an attack.", license(name = "Apache-2.0")),
    components(schemas(ErrorBody)),
    tags(
        (name = "session", description = "Log in and out"), (name = "state", description = "The server, its datasets and imports"),
        (name = "cases", description = "What needs a person"), (name = "assets", description = "What is on the network"),
        (name = "events", description = "Who talked to whom, when"), (name = "people", description = "Users, tokens, the trail")
    )
)]
struct Document;

fn routed() -> OpenApiRouter<Arc<App>> {
    let capture = OpenApiRouter::new().routes(routes!(imports::list, imports::create)).layer(DefaultBodyLimit::disable());
    let rest = OpenApiRouter::new()
        .routes(routes!(session::get, session::create, session::change, session::delete))
        .routes(routes!(session::password))
        .routes(routes!(settings::get, settings::put))
        .routes(routes!(status::get))
        .routes(routes!(datasets::list))
        .routes(routes!(datasets::delete))
        .routes(routes!(imports::get, imports::cancel))
        .routes(routes!(imports::create_from_paths))
        .routes(routes!(live::get))
        .routes(routes!(situation::get))
        .routes(routes!(sensors::list))
        .routes(routes!(map::get))
        .routes(routes!(search::get))
        .routes(routes!(cases::list))
        .routes(routes!(cases::get, cases::change))
        .routes(routes!(cases::comment))
        .routes(routes!(cases::bulk))
        .routes(routes!(cases::export))
        .routes(routes!(cases::flows))
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
        .layer(DefaultBodyLimit::max(BODY_MAX));
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
    let json = [(axum::http::header::CONTENT_TYPE, "application/json")];
    router
        .route("/api/v1/openapi.json", axum::routing::get(move || async move { (json, document) }))
        .method_not_allowed_fallback(|| async {
            Refusal::new(
                axum::http::StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "this resource does not take that method; see /api/v1/openapi.json",
            )
        })
        .with_state(app)
}

/// A limit of a list: what was asked for, within bounds.
fn limit(asked: Option<usize>, default: usize, max: usize) -> Answer<usize> {
    match asked {
        None => Ok(default),
        Some(n) if (1..=max).contains(&n) => Ok(n),
        Some(_) => Err(Refusal::parameter("limit", format!("limit is from 1 to {max}"))),
    }
}

/// Words parted by commas; none for an empty text.
fn parted(text: Option<&str>) -> Vec<&str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|w| !w.is_empty()).collect()
}
