//! "Normal here": what need not be told again, with who said so, why, and until when.

use crate::api::cases::{self, CaseRow};
use crate::api::time_text;
use crate::app::{App, Change, language, now};
use crate::error::{Answer, Refusal};
use crate::person::{Analyst, Viewer};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;
use vigie_base::time::SECOND;
use vigie_base::{Sentence, Time};
use vigie_catalog::Scope;

/// Days that a preview looks back unless told.
const PREVIEW_DAYS: u64 = 7;
/// Longest reason, in bytes.
const REASON_MAX: usize = 4_000;

/// An exclusion.
#[derive(Serialize, ToSchema)]
pub(crate) struct Exclusion {
    id: i64,
    #[schema(value_type = Object)]
    scope: Value,
    reason: String,
    owner: String,
    created: String,
    expires: Option<String>,
    /// Alerts that it hid so far.
    hits: u64,
}

/// What is normal here.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewExclusion {
    /// All that is given must fit: `dataset`, `asset_id`, `ip` (or a network), `role`, `peer`, `port`, `proto`, `detector` (a name, or a
    /// list of which one fits), `from`, `until`.
    #[schema(value_type = Object)]
    scope: Value,
    /// Why it is normal.
    reason: String,
    /// Until when; for ever without.
    expires: Option<String>,
}

fn told(x: vigie_catalog::Exclusion) -> Exclusion {
    Exclusion {
        id: x.id,
        scope: shown(&x.scope),
        reason: x.reason,
        owner: x.owner,
        created: time_text(x.created),
        expires: x.expires.map(time_text),
        hits: x.hits,
    }
}

/// Names of a scope's members where the API has a clearer one than the catalog: (here, there).
const NAMES: [(&str, &str); 2] = [("asset_id", "asset"), ("ip", "net")];

/// A scope with the other side's names.
fn renamed(scope: &Value, to_catalog: bool) -> Value {
    let Value::Object(members) = scope else { return scope.clone() };
    let name = |key: &str| {
        let known = NAMES.iter().find(|(here, there)| if to_catalog { *here == key } else { *there == key });
        known.map_or(key.to_owned(), |(here, there)| if to_catalog { (*there).to_owned() } else { (*here).to_owned() })
    };
    Value::Object(members.iter().map(|(k, v)| (name(k), v.clone())).collect())
}

/// A scope as the API tells it.
pub(crate) fn shown(scope: &Scope) -> Value {
    renamed(&scope.to_json(), false)
}

/// A scope as the API takes it. Errors: one line.
pub(crate) fn read(given: &Value) -> Result<Scope, String> {
    Scope::from_json(&renamed(given, true))
}

fn scope(given: &Value) -> Answer<Scope> {
    read(given).map_err(|e| Refusal::unprocessable("scope", e))
}

/// What is normal here
#[utoipa::path(get, path = "/exclusions", tag = "cases", extensions(("x-role" = json!("viewer"))), responses((status = 200, body = [Exclusion])))]
pub(crate) async fn list(State(app): State<Arc<App>>, _may: Viewer) -> Answer<Json<Vec<Exclusion>>> {
    let all = app.catalog(|c, _| c.exclusions(false)).await?;
    Ok(Json(all.into_iter().map(told).collect()))
}

/// Say that something is normal here
#[utoipa::path(post, path = "/exclusions", tag = "cases", extensions(("x-role" = json!("analyst"))), request_body = NewExclusion,
    responses((status = 201, body = Exclusion), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    Json(new): Json<NewExclusion>,
) -> Answer<(StatusCode, Json<Exclusion>)> {
    let scope = scope(&new.scope)?;
    if new.reason.trim().is_empty() || new.reason.len() > REASON_MAX {
        return Err(Refusal::parameter(
            "reason",
            Sentence::new("exclusion_why", "say why it is normal, in at most {max} bytes").with("max", REASON_MAX),
        ));
    }
    let expires = crate::api::instant("expires", new.expires.as_deref())?;
    if expires.is_some_and(|t| t <= now()) {
        return Err(Refusal::parameter("expires", Sentence::new("exclusion_past", "an exclusion ends in the future")));
    }
    let made = app
        .catalog(move |c, now| {
            let made = c.add_exclusion(&scope, &who.name, new.reason.trim(), expires, now)?;
            c.audit(&who.name, "exclusion.add", &made.id.to_string(), &made.scope.to_json(), now)?;
            Ok(made)
        })
        .await?;
    app.changes.tell(Change::Cases);
    Ok((StatusCode::CREATED, Json(told(made))))
}

/// Take an exclusion back: what it hid is shown again
#[utoipa::path(delete, path = "/exclusions/{id}", tag = "cases", extensions(("x-role" = json!("analyst"))), params(("id" = i64, Path)), responses((status = 204), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn remove(State(app): State<Arc<App>>, Analyst(who): Analyst, Path(id): Path<i64>) -> Answer<StatusCode> {
    app.catalog(move |c, now| {
        let gone = c.remove_exclusion(id, &who.name, now)?;
        c.audit(&who.name, "exclusion.remove", &id.to_string(), &gone.scope.to_json(), now)
    })
    .await?;
    app.changes.tell(Change::Cases);
    Ok(StatusCode::NO_CONTENT)
}

/// What might be normal.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Thought {
    #[schema(value_type = Object)]
    scope: Value,
    /// Since when; a week ago without.
    since: Option<String>,
}

/// What an exclusion would have hidden.
#[derive(Serialize, ToSchema)]
pub(crate) struct Preview {
    alerts: u64,
    /// The first of them.
    cases: Vec<CaseRow>,
    cases_total: u64,
    /// Alerts that were looked at.
    looked_at: u64,
    /// Whether there were more than could be looked at.
    more: bool,
}

/// What an exclusion would have hidden
#[utoipa::path(post, path = "/exclusions/preview", tag = "cases", extensions(("x-role" = json!("analyst"))), request_body = Thought,
    responses((status = 200, body = Preview), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn preview(
    State(app): State<Arc<App>>,
    _may: Analyst,
    headers: HeaderMap,
    Json(thought): Json<Thought>,
) -> Answer<Json<Preview>> {
    let scope = scope(&thought.scope)?;
    let week_ago = Time(now().0.saturating_sub(PREVIEW_DAYS * 86_400 * SECOND));
    let since = crate::api::instant("since", thought.since.as_deref())?.unwrap_or(week_ago);
    let lang = language(None, &headers);
    let (p, cases) = app
        .catalog(move |c, _| {
            let p = c.preview_exclusion(&scope, since)?;
            let mut told = Vec::new();
            for (dataset, id) in &p.cases {
                if let Some(row) = c.case(id, Some(dataset))? {
                    told.push(cases::tell(c, &row, lang)?.0);
                }
            }
            Ok((p, told))
        })
        .await?;
    Ok(Json(Preview { alerts: p.alerts, cases, cases_total: p.cases_total, looked_at: p.looked_at, more: p.more }))
}
