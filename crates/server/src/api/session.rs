//! Log in and out.

use crate::app::{App, now};
use crate::error::{Answer, Refusal};
use crate::person::{COOKIE, LoggedIn, Peer, Person, Way, csrf, fresh_token, hash, session_token};
use crate::rate::Rate;
use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use vigie_base::time::SECOND;
use vigie_base::{Sentence, Time};
use vigie_catalog::UserRole;

/// Shortest password that is taken: NIST SP 800-63B asks for 8 at least, and more where there is nothing beside it.
const PASSWORD_MIN: usize = 12;
/// Longest: what the hash is spent on.
const PASSWORD_MAX: usize = 256;

/// A session ends after so long, used or not; and when it was not used for so long.
const SESSION_LIFE: u64 = 12 * 3600 * SECOND;
const SESSION_IDLE: u64 = 2 * 3600 * SECOND;

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    user: User,
    /// What every change must carry as X-CSRF-Token. Empty for who came with a token.
    csrf: String,
    /// The server's version.
    version: &'static str,
}

#[derive(Serialize, ToSchema)]
struct User {
    name: String,
    role: String,
    must_change_password: bool,
    /// What they chose in the console; none where they did not.
    lang: Option<String>,
    theme: Option<String>,
}

/// What a person chooses in the console.
#[derive(Default, Deserialize, Serialize, ToSchema)]
pub(crate) struct Choices {
    /// `fr` or `en`.
    lang: Option<String>,
    /// `light`, `dark` or `system`.
    theme: Option<String>,
}

/// A name and its password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Credentials {
    name: String,
    password: String,
}

/// The password that was, and the one that is to be.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewPassword {
    old: String,
    new: String,
}

/// Where a person's choices are kept among the settings.
fn choices_key(name: &str) -> String {
    format!("user.{name}")
}

async fn choices(app: &Arc<App>, name: &str) -> Answer<Choices> {
    let key = choices_key(name);
    let kept = app.catalog(move |c, _| c.setting(&key)).await?;
    Ok(kept.and_then(|s| serde_json::from_value(s.value).ok()).unwrap_or_default())
}

fn told(person: &Person, csrf: String, chosen: Choices) -> Session {
    let user = User {
        name: person.name.clone(),
        role: person.role.name().to_owned(),
        must_change_password: person.must_change_password,
        lang: chosen.lang,
        theme: chosen.theme,
    };
    Session { user, csrf, version: env!("CARGO_PKG_VERSION") }
}

/// Who is logged in
#[utoipa::path(get, path = "/session", tag = "session", extensions(("x-role" = json!("viewer"))), responses((status = 200, body = Session), (status = 401, body = crate::error::ErrorBody)))]
pub(crate) async fn get(State(app): State<Arc<App>>, LoggedIn(person): LoggedIn, headers: HeaderMap) -> Answer<Json<Session>> {
    let csrf = session_token(&headers).map(csrf).unwrap_or_default();
    let chosen = choices(&app, &person.name).await?;
    Ok(Json(told(&person, csrf, chosen)))
}

/// Log in
#[utoipa::path(post, path = "/session", tag = "session", extensions(("x-role" = json!("none"))), request_body = Credentials,
    responses((status = 200, body = Session), (status = 401, body = crate::error::ErrorBody), (status = 429, body = crate::error::ErrorBody)))]
pub(crate) async fn create(State(app): State<Arc<App>>, peer: Option<Extension<Peer>>, Json(given): Json<Credentials>) -> Answer<Response> {
    app.rates.of_peer(Rate::LogIn, peer.as_ref().map(|p| &p.0))?;
    let name = given.name.trim().to_owned();
    let asked = name.clone();
    let user = app.catalog(move |c, _| c.user(&asked)).await?;
    if let Some(until) = user.as_ref().and_then(|u| u.locked(now())) {
        return Err(locked(until));
    }
    // A hash is computed for unknown and disabled names too, so that time does not tell which exist.
    let user = user.filter(|u| !u.disabled);
    let known = user.as_ref().map(|u| u.hash.clone());
    let right = tokio::task::spawn_blocking(move || verify(&given.password, known.as_deref())).await.map_err(Refusal::internal)?;
    let Some(user) = user.filter(|_| right) else { return Err(failed(&app, name).await?) };
    let token = fresh_token()?;
    let hash = hash(&token);
    let peer = match peer {
        Some(Extension(Peer::Net(at))) => at.ip().to_string(),
        _ => "local".to_owned(),
    };
    app.catalog(move |c, now| {
        c.login_succeeded(&name, now)?;
        c.add_session(&hash, &name, &peer, SESSION_LIFE, SESSION_IDLE, now)?;
        c.audit(&name, "login", &peer, &serde_json::Value::Null, now)
    })
    .await?;
    let person = Person { name: user.name, role: user.role, way: Way::Session(hash), must_change_password: user.must_change };
    let mut response = Json(told(&person, csrf(&token), choices(&app, &person.name).await?)).into_response();
    set_cookie(&mut response, &format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Strict"))?;
    Ok(response)
}

fn locked(until: Time) -> Refusal {
    let seconds = until.since(now()).div_ceil(SECOND).max(1);
    let minutes = seconds.div_ceil(60);
    Refusal::later(
        "locked",
        Sentence::new("locked", "too many failed log-ins for this name; try again in {minutes} minutes").with("minutes", minutes),
        seconds,
    )
}

/// Notes a failed log-in; what to answer.
async fn failed(app: &Arc<App>, name: String) -> Answer<Refusal> {
    let until = app
        .catalog(move |c, now| {
            c.audit(&name, "login.failed", "", &serde_json::Value::Null, now)?;
            c.login_failed(&name, now)
        })
        .await?;
    Ok(until.map_or_else(bad, locked))
}

fn bad() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "bad_credentials", Sentence::new("bad_credentials", "name or password is wrong"))
}

fn set_cookie(response: &mut Response, value: &str) -> Answer<()> {
    response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_str(value).map_err(Refusal::internal)?);
    Ok(())
}

/// Keep a choice of the console: language, theme
#[utoipa::path(patch, path = "/session", tag = "session", extensions(("x-role" = json!("viewer"))), request_body = Choices, responses((status = 200, body = Session), (status = 400, body = crate::error::ErrorBody)))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    LoggedIn(person): LoggedIn,
    headers: HeaderMap,
    Json(asked): Json<Choices>,
) -> Answer<Json<Session>> {
    let known = choices(&app, &person.name).await?;
    let chosen = Choices { lang: asked.lang.or(known.lang), theme: asked.theme.or(known.theme) };
    if chosen.lang.as_deref().is_some_and(|l| !matches!(l, "fr" | "en")) {
        return Err(Refusal::parameter("lang", "lang is fr or en"));
    }
    if chosen.theme.as_deref().is_some_and(|t| !matches!(t, "light" | "dark" | "system")) {
        return Err(Refusal::parameter("theme", "theme is light, dark or system"));
    }
    let (key, name, value) = (choices_key(&person.name), person.name.clone(), serde_json::to_value(&chosen).map_err(Refusal::internal)?);
    app.catalog(move |c, now| c.set_setting(&key, &value, None, &name, now)).await?;
    let csrf = session_token(&headers).map(csrf).unwrap_or_default();
    Ok(Json(told(&person, csrf, chosen)))
}

/// Log out
#[utoipa::path(delete, path = "/session", tag = "session", extensions(("x-role" = json!("viewer"))), responses((status = 204)))]
pub(crate) async fn delete(State(app): State<Arc<App>>, LoggedIn(person): LoggedIn) -> Answer<Response> {
    if let Way::Session(hash) = person.way {
        app.catalog(move |c, _| c.end_session(&hash)).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, &format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"))?;
    Ok(response)
}

/// Change one's own password
///
/// Other sessions of this person end.
#[utoipa::path(post, path = "/session/password", tag = "session", extensions(("x-role" = json!("viewer"))), request_body = NewPassword,
    responses((status = 204), (status = 401, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn password(
    State(app): State<Arc<App>>,
    LoggedIn(person): LoggedIn,
    Json(given): Json<NewPassword>,
) -> Answer<StatusCode> {
    app.rates.of_person(Rate::LogIn, &person)?;
    let Way::Session(session) = person.way else {
        return Err(Refusal::forbidden(Sentence::new(
            "password_session",
            "log in with the password to change it, or use `vigie user passwd`",
        )));
    };
    let name = person.name.clone();
    let Some(user) = app.catalog(move |c, _| c.user(&name)).await? else { return Err(bad()) };
    if let Some(until) = user.locked(now()) {
        return Err(locked(until));
    }
    let known = user.hash;
    let (old, new) = (given.old, given.new);
    check(&new)?;
    if old == new {
        return Err(Refusal::unprocessable("password", Sentence::new("password_same", "the new password is the old one; choose another")));
    }
    let made = tokio::task::spawn_blocking(move || verify(&old, Some(&known)).then(|| hashed(&new))).await.map_err(Refusal::internal)?;
    let name = person.name.clone();
    match made {
        None => Err(failed(&app, name).await?),
        Some(made) => {
            let made = made?;
            app.catalog(move |c, now| {
                c.set_password(&name, &made, false, Some(&session))?;
                c.audit(&name, "user.password", &name, &serde_json::Value::Null, now)
            })
            .await?;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}

/// Refuses a password that is too short or too long.
pub(crate) fn check(password: &str) -> Answer<()> {
    let length = password.chars().count();
    if length < PASSWORD_MIN || password.len() > PASSWORD_MAX {
        return Err(Refusal::unprocessable(
            "password",
            Sentence::new("password_length", "a password has {min} characters or more, and {max} bytes at most")
                .with("min", PASSWORD_MIN)
                .with("max", PASSWORD_MAX),
        ));
    }
    Ok(())
}

/// The hash that is kept of a password: Argon2id with the OWASP parameters (19 MiB, 2 passes, 1 lane).
pub(crate) fn hashed(password: &str) -> Answer<String> {
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes()).map_err(Refusal::internal)?;
    Ok(hash.to_string())
}

/// Whether a password is the one of a hash. Without a hash it takes as long and is not.
fn verify(password: &str, hash: Option<&str>) -> bool {
    if password.len() > PASSWORD_MAX {
        return false;
    }
    match hash.and_then(|h| PasswordHash::new(h).ok()) {
        Some(hash) => Argon2::default().verify_password(password.as_bytes(), &hash).is_ok(),
        None => {
            let _ = hashed(password);
            false
        }
    }
}

/// The role of a name.
pub(crate) fn role(name: &str) -> Answer<UserRole> {
    UserRole::of(name).ok_or_else(|| Refusal::parameter("role", "a role is viewer, analyst or administrator"))
}
