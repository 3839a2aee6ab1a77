//! Who asks, and what they may.

use crate::app::App;
use crate::error::{Answer, Refusal};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use vigie_base::Sentence;
use vigie_catalog::UserRole;

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// A command of the same user: over the socket, or in this process.
    Local,
    /// A browser or a script.
    Net(SocketAddr),
}

/// How they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Local,
    /// By the hash of a session's token.
    Session([u8; 32]),
    Token,
}

/// Someone who is known.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) role: UserRole,
    pub(crate) way: Way,
    pub(crate) must_change_password: bool,
}

/// The cookie that holds a session's token. The prefix makes browsers refuse it without TLS or from a sibling domain.
pub(crate) const COOKIE: &str = "__Host-vigie";
/// The header that every change by cookie must carry.
pub(crate) const CSRF: &str = "x-csrf-token";

/// 32 random bytes as text.
pub(crate) fn fresh_token() -> Answer<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(Refusal::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a token.
pub(crate) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The token that changes of a session must carry: only who has the cookie can have asked for it, and no other site can read it.
pub(crate) fn csrf(session: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("csrf:{session}").as_bytes()))
}

/// The session's token in a request.
pub(crate) fn session_token(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

/// Whether two texts are one, in a time that does not depend on where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

impl Person {
    async fn of(parts: &Parts, app: &Arc<App>) -> Answer<Person> {
        if let Some(Peer::Local) = parts.extensions.get::<Peer>() {
            return Ok(Person { name: "local".to_owned(), role: UserRole::Administrator, way: Way::Local, must_change_password: false });
        }
        let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
        let (token, by_cookie) = match (bearer, session_token(&parts.headers)) {
            (Some(token), _) => (token.trim(), false),
            (None, Some(token)) => (token, true),
            (None, None) => return Err(Refusal::unauthorized()),
        };
        if by_cookie && !matches!(parts.method, Method::GET | Method::HEAD) {
            let sent = parts.headers.get(CSRF).map(|v| v.as_bytes()).unwrap_or_default();
            if !same(sent, csrf(token).as_bytes()) {
                return Err(Refusal::forbidden(Sentence::new(
                    "page_old",
                    "the X-CSRF-Token header is missing or old; load the page again",
                )));
            }
        }
        let hash = hash(token);
        let (user, way) = if by_cookie {
            (app.catalog(move |c, now| c.session(&hash, now)).await?.map(|s| s.user), Way::Session(hash))
        } else {
            (app.catalog(move |c, now| c.token(&hash, now)).await?.map(|t| t.1), Way::Token)
        };
        let Some(user) = user else { return Err(Refusal::unauthorized()) };
        // A token is made by who may; a first password is a matter of log-in.
        let must_change_password = user.must_change && by_cookie;
        Ok(Person { name: user.name, role: user.role, way, must_change_password })
    }
}

/// Anyone who is logged in, even with a password that must be changed.
pub(crate) struct LoggedIn(pub(crate) Person);
/// May read.
pub(crate) struct Viewer(pub(crate) Person);
/// May change cases, exclusions, declared assets, and import.
pub(crate) struct Analyst(pub(crate) Person);
/// May change users, settings, datasets, and read the trail.
pub(crate) struct Administrator(pub(crate) Person);

impl FromRequestParts<Arc<App>> for LoggedIn {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Answer<Self> {
        Ok(LoggedIn(Person::of(parts, app).await?))
    }
}

async fn at_least(parts: &Parts, app: &Arc<App>, role: UserRole) -> Answer<Person> {
    let person = Person::of(parts, app).await?;
    if person.must_change_password {
        return Err(Refusal::new(
            axum::http::StatusCode::FORBIDDEN,
            "must_change_password",
            Sentence::new("first_password", "change the first password before anything else"),
        ));
    }
    if person.role < role {
        return Err(Refusal::forbidden(
            Sentence::new("role", "this needs the role {role}; ask an administrator of Vigie").with("role", role.name()),
        ));
    }
    Ok(person)
}

macro_rules! needs {
    ($($who:ident = $role:ident),+) => {$(
        impl FromRequestParts<Arc<App>> for $who {
            type Rejection = Refusal;
            async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Answer<Self> {
                Ok($who(at_least(parts, app, UserRole::$role).await?))
            }
        }
    )+};
}
needs!(Viewer = Viewer, Analyst = Analyst, Administrator = Administrator);
