//! Views that people save: a page with its query.

use crate::app::App;
use crate::error::Answer;
use crate::person::Viewer;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A saved view.
#[derive(Serialize, ToSchema)]
pub(crate) struct View {
    id: i64,
    name: String,
    page: String,
    query: String,
    owner: String,
    shared: bool,
}

/// What to save.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewView {
    name: String,
    page: String,
    query: String,
    /// Whether everyone sees it.
    #[serde(default)]
    shared: bool,
}

fn told(v: vigie_catalog::View) -> View {
    View { id: v.id, name: v.name, page: v.page, query: v.query, owner: v.owner, shared: v.shared }
}

/// One's own views and the shared ones
#[utoipa::path(get, path = "/views", tag = "state", extensions(("x-role" = json!("viewer"))), responses((status = 200, body = [View])))]
pub(crate) async fn list(State(app): State<Arc<App>>, Viewer(who): Viewer) -> Answer<Json<Vec<View>>> {
    let views = app.catalog(move |c, _| c.views(&who.name)).await?;
    Ok(Json(views.into_iter().map(told).collect()))
}

/// Save a view
#[utoipa::path(post, path = "/views", tag = "state", extensions(("x-role" = json!("viewer"))), request_body = NewView,
    responses((status = 201, body = View), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn add(State(app): State<Arc<App>>, Viewer(who): Viewer, Json(new): Json<NewView>) -> Answer<(StatusCode, Json<View>)> {
    let made = app.catalog(move |c, now| c.add_view(&new.name, &new.page, &new.query, &who.name, new.shared, now)).await?;
    Ok((StatusCode::CREATED, Json(told(made))))
}

/// Remove one's own view
#[utoipa::path(delete, path = "/views/{id}", tag = "state", extensions(("x-role" = json!("viewer"))), params(("id" = i64, Path)), responses((status = 204), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn remove(State(app): State<Arc<App>>, Viewer(who): Viewer, Path(id): Path<i64>) -> Answer<StatusCode> {
    app.catalog(move |c, _| c.remove_view(id, &who.name)).await?;
    Ok(StatusCode::NO_CONTENT)
}
