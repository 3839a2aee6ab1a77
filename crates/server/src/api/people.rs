//! Users, tokens and the trail.

use crate::api::session::{check, hashed, role};
use crate::api::{instant, limit, time_text};
use crate::app::{App, now};
use crate::error::{Answer, Refusal};
use crate::person::{Administrator, Viewer, fresh_token, hash};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_base::Sentence;
use vigie_base::time::SECOND;
use vigie_catalog::AuditFilter;

/// Days that a token is good for unless told.
const TOKEN_DAYS: u32 = 90;

/// Someone who may log in.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserRow {
    name: String,
    /// `viewer`, `analyst` or `administrator`.
    role: String,
    disabled: bool,
    created: String,
    last_login: Option<String>,
    /// Tokens that are good.
    tokens: u64,
}

/// Who is to be added.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewUser {
    name: String,
    role: String,
    password: String,
}

/// What is to change.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UserChange {
    role: Option<String>,
    disabled: Option<bool>,
    password: Option<String>,
}

/// Those who may log in
#[utoipa::path(get, path = "/users", tag = "people", extensions(("x-role" = json!("administrator"))), responses((status = 200, body = [UserRow])))]
pub(crate) async fn users(State(app): State<Arc<App>>, _may: Administrator) -> Answer<Json<Vec<UserRow>>> {
    let (users, tokens) = app.catalog(|c, _| Ok((c.users()?, c.tokens(None)?))).await?;
    let now = now();
    let told = users.into_iter().map(|u| UserRow {
        role: u.role.name().to_owned(),
        disabled: u.disabled,
        created: time_text(u.created),
        last_login: u.last_login.map(time_text),
        tokens: tokens.iter().filter(|t| t.user == u.name && t.revoked.is_none() && t.expires > now).count() as u64,
        name: u.name,
    });
    Ok(Json(told.collect()))
}

/// Refuses what is no name to log in with; why.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    match name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) || name == "local" {
        true => Err("a name has 1 to 64 bytes, no control characters, and is not `local`"),
        false => Ok(()),
    }
}

/// Add someone
#[utoipa::path(post, path = "/users", tag = "people", extensions(("x-role" = json!("administrator"))), request_body = NewUser,
    responses((status = 201), (status = 409, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn add_user(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Json(new): Json<NewUser>,
) -> Answer<StatusCode> {
    let role = role(&new.role)?;
    check(&new.password)?;
    let name = new.name.trim().to_owned();
    check_name(&name).map_err(|why| Refusal::unprocessable("name", why))?;
    let hash = tokio::task::spawn_blocking(move || hashed(&new.password)).await.map_err(Refusal::internal)??;
    app.catalog(move |c, now| {
        c.add_user(&name, role, &hash, false, now)?;
        c.audit(&who.name, "user.add", &name, &json!({"role": role.name()}), now)
    })
    .await?;
    Ok(StatusCode::CREATED)
}

/// Change someone's role, disable them, give them another password
#[utoipa::path(patch, path = "/users/{name}", tag = "people", extensions(("x-role" = json!("administrator"))), params(("name" = String, Path)), request_body = UserChange,
    responses((status = 204), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn change_user(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Path(name): Path<String>,
    Json(change): Json<UserChange>,
) -> Answer<StatusCode> {
    let role = change.role.as_deref().map(role).transpose()?;
    if let Some(password) = change.password {
        check(&password)?;
        let hash = tokio::task::spawn_blocking(move || hashed(&password)).await.map_err(Refusal::internal)??;
        let (name, by) = (name.clone(), who.name.clone());
        app.catalog(move |c, now| {
            c.set_password(&name, &hash, false, None)?;
            c.audit(&by, "user.password", &name, &json!(null), now)
        })
        .await?;
    }
    if role.is_some() || change.disabled.is_some() {
        app.catalog(move |c, now| {
            if let Some(role) = role {
                c.set_role(&name, role)?;
            }
            if let Some(disabled) = change.disabled {
                c.disable_user(&name, disabled)?;
            }
            c.audit(&who.name, "user.change", &name, &json!({"role": role.map(|r| r.name()), "disabled": change.disabled}), now)
        })
        .await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A token, without its value.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenRow {
    id: i64,
    user: String,
    name: String,
    created: String,
    expires: String,
    last_used: Option<String>,
    revoked: bool,
}

/// What a token is for.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewToken {
    /// What it is for, in the words of who makes it.
    name: Option<String>,
    /// Days that it is good for: 1 to 3650, 90 by default.
    days: Option<u32>,
}

/// A token: told once.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeToken {
    id: i64,
    /// For `Authorization: Bearer`. It is not kept and cannot be told again.
    token: String,
    expires: String,
}

/// All tokens
#[utoipa::path(get, path = "/tokens", tag = "people", extensions(("x-role" = json!("administrator"))), responses((status = 200, body = [TokenRow])))]
pub(crate) async fn tokens(State(app): State<Arc<App>>, _may: Administrator) -> Answer<Json<Vec<TokenRow>>> {
    let tokens = app.catalog(|c, _| c.tokens(None)).await?;
    let told = tokens.into_iter().map(|t| TokenRow {
        id: t.id,
        user: t.user,
        name: t.name,
        created: time_text(t.created),
        expires: time_text(t.expires),
        last_used: t.last_used.map(time_text),
        revoked: t.revoked.is_some(),
    });
    Ok(Json(told.collect()))
}

/// Make a token for someone
#[utoipa::path(post, path = "/users/{name}/tokens", tag = "people", extensions(("x-role" = json!("administrator"))), params(("name" = String, Path)), request_body = NewToken,
    responses((status = 201, body = MadeToken), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn add_token(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Path(user): Path<String>,
    Json(new): Json<NewToken>,
) -> Answer<(StatusCode, Json<MadeToken>)> {
    let days = new.days.unwrap_or(TOKEN_DAYS);
    if !(1..=3650).contains(&days) {
        return Err(Refusal::parameter("days", Sentence::new("token_days", "days is from 1 to {max}").with("max", 3650)));
    }
    let token = format!("vigie_{}", fresh_token()?);
    let hash = hash(&token);
    let name = new.name.unwrap_or_else(|| "api".to_owned());
    let life = u64::from(days) * 86_400 * SECOND;
    let made = app
        .catalog(move |c, now| {
            let made = c.add_token(&hash, &user, &name, life, now)?;
            c.audit(&who.name, "token.add", &user, &json!({"id": made.id, "name": made.name}), now)?;
            Ok(made)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(MadeToken { id: made.id, token, expires: time_text(made.expires) })))
}

/// Revoke a token
#[utoipa::path(delete, path = "/tokens/{id}", tag = "people", extensions(("x-role" = json!("administrator"))), params(("id" = i64, Path)), responses((status = 204), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn revoke_token(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Path(id): Path<i64>,
) -> Answer<StatusCode> {
    app.catalog(move |c, now| {
        let token = c.revoke_token(id, now)?;
        c.audit(&who.name, "token.revoke", &token.user, &json!({"id": id}), now)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Those a case can be given to
#[derive(Serialize, ToSchema)]
pub(crate) struct Colleague {
    name: String,
}

/// Those a case can be given to
#[utoipa::path(get, path = "/colleagues", tag = "people", extensions(("x-role" = json!("viewer"))), responses((status = 200, body = [Colleague])))]
pub(crate) async fn colleagues(State(app): State<Arc<App>>, _may: Viewer) -> Answer<Json<Vec<Colleague>>> {
    let users = app.catalog(|c, _| c.users()).await?;
    Ok(Json(users.into_iter().filter(|u| !u.disabled).map(|u| Colleague { name: u.name }).collect()))
}

/// Which rows of the trail.
#[derive(Deserialize, IntoParams)]
pub(crate) struct AuditQuery {
    who: Option<String>,
    action: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A row of the trail.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditRow {
    ts: String,
    who: String,
    action: String,
    object: String,
    /// More, as JSON; none where there is nothing more.
    detail: Option<String>,
}

/// A page of the trail.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    items: Vec<AuditRow>,
    next: Option<String>,
    total: u64,
}

/// The trail: every change, and every reading of personal data by a person
#[utoipa::path(get, path = "/audit", tag = "people", extensions(("x-role" = json!("administrator"))), params(AuditQuery), responses((status = 200, body = AuditPage)))]
pub(crate) async fn audit(State(app): State<Arc<App>>, _may: Administrator, Query(q): Query<AuditQuery>) -> Answer<Json<AuditPage>> {
    let filter = AuditFilter {
        who: q.who,
        action: q.action,
        from: instant("from", q.from.as_deref())?,
        until: instant("to", q.to.as_deref())?,
        limit: limit(q.limit, 100, 1000)? as u32,
        cursor: q.cursor,
        ..AuditFilter::default()
    };
    let page = app.catalog(move |c, _| c.audit_trail(&filter)).await?;
    let items = page.rows.into_iter().map(|r| AuditRow {
        ts: time_text(r.at),
        who: r.who,
        action: r.action,
        object: r.object,
        detail: Some(r.detail).filter(|d| !d.is_null()).map(|d| d.to_string()),
    });
    Ok(Json(AuditPage { items: items.collect(), next: page.next, total: page.total }))
}
