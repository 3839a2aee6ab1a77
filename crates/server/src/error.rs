//! What a client is told when something goes wrong: what, and what to do. The log has the rest.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use vigie_base::Sentence;

/// An answer that is an error.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: StatusCode,
    body: Box<ErrorBody>,
    retry_after: Option<u64>,
}

/// The body of every error.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ErrorText,
}

/// What is wrong, for a program and for a person.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorText {
    /// A word for programs, stable.
    pub code: String,
    /// What is wrong and what to do, in English.
    pub message: String,
    /// The name of that sentence, for who says it in another language; stable. Not every sentence has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is filled into it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub params: BTreeMap<String, String>,
    /// The parameter or member that is wrong, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// In a query: where it is wrong, in bytes from its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// In a query: the known name that is nearest to an unknown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// In a conflict: the thing as it stands now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub current: Option<serde_json::Value>,
}

/// What a handler answers.
pub type Answer<T> = Result<T, Refusal>;

impl Refusal {
    /// An error of a status, a word for programs and a line for people.
    pub fn new(status: StatusCode, code: &str, said: impl Into<Sentence>) -> Self {
        let said = said.into();
        let error = ErrorText {
            code: code.to_owned(),
            message: said.to_string(),
            reason: said.name().map(str::to_owned),
            params: params(&said),
            field: None,
            offset: None,
            nearest: None,
            current: None,
        };
        Refusal { status, body: Box::new(ErrorBody { error }), retry_after: None }
    }

    /// 400: a parameter that cannot be read.
    pub fn parameter(field: &str, said: impl Into<Sentence>) -> Self {
        let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, "parameter", said);
        refusal.body.error.field = Some(field.to_owned());
        refusal
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", Sentence::new("log_in", "log in, or send a token as Authorization: Bearer"))
    }

    /// 403.
    pub fn forbidden(said: impl Into<Sentence>) -> Self {
        Refusal::new(StatusCode::FORBIDDEN, "forbidden", said)
    }

    /// 404.
    pub fn not_found(what: &str) -> Self {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "not_found",
            Sentence::new("missing", "there is no such {what}; it may have been removed").with("what", what),
        )
    }

    /// 409.
    pub fn conflict(said: impl Into<Sentence>) -> Self {
        Refusal::new(StatusCode::CONFLICT, "conflict", said)
    }

    /// With the thing as it stands.
    #[must_use]
    pub fn showing(mut self, current: Option<serde_json::Value>) -> Self {
        self.body.error.current = current;
        self
    }

    /// 422: readable, and not possible.
    pub fn unprocessable(code: &str, said: impl Into<Sentence>) -> Self {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, code, said)
    }

    /// 422 for a query that cannot be read.
    pub fn query(e: vigie_store::ParseError) -> Self {
        let message = e.to_string();
        let mut refusal = Refusal::unprocessable("query", e.what);
        let error = &mut refusal.body.error;
        (error.message, error.offset, error.nearest) = (message, Some(e.offset), e.nearest);
        refusal
    }

    /// 429.
    pub fn later(code: &str, said: impl Into<Sentence>, seconds: u64) -> Self {
        let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, code, said);
        refusal.retry_after = Some(seconds);
        refusal
    }

    /// 500: `why` goes to the log and not to the client.
    pub fn internal(why: impl std::fmt::Display) -> Self {
        eprintln!("vigie: an answer failed: {why}");
        let said = Sentence::new("internal", "Vigie could not answer; its log says why. Try again, then tell who runs it");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", said)
    }
}

/// What is filled into a sentence, by name.
pub(crate) fn params(said: &Sentence) -> BTreeMap<String, String> {
    said.params().iter().map(|(param, value)| ((*param).to_owned(), value.clone())).collect()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<vigie_catalog::Error> for Refusal {
    fn from(e: vigie_catalog::Error) -> Self {
        use vigie_catalog::Error;
        match e {
            e if e.is_storage() => {
                eprintln!("vigie: {e}");
                let said = Sentence::new(
                    "storage",
                    "the data directory is full or cannot be written, so that nothing can be noted, the trail neither; free space there",
                );
                Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "storage", said)
            }
            Error::Refused(said) => Refusal::unprocessable("refused", said),
            Error::Missing(what) => Refusal::new(StatusCode::NOT_FOUND, "not_found", Sentence::new("gone", "{said}").with("said", what)),
            Error::Conflict(c) => {
                let said =
                    Sentence::new("case_changed", "case {case} was changed by someone else (version {version} now): look at it again");
                Refusal::conflict(said.with("case", &c.id).with("version", c.version))
            }
            Error::Version(v) => {
                let said =
                    Sentence::new("setting_changed", "this setting was changed by someone else (version {version} now): look at it again");
                Refusal::conflict(said.with("version", v))
            }
            Error::Sqlite(_) | Error::File(_) | Error::Newer { .. } => Refusal::internal(e),
        }
    }
}

impl From<vigie_store::Error> for Refusal {
    fn from(e: vigie_store::Error) -> Self {
        use vigie_store::Error;
        match e {
            Error::TooMuch { rows, files, limit } => {
                let said = Sentence::new(
                    "query_cost",
                    "the query would look at {rows} rows in {files} files; the most is {limit}: narrow its time or its kinds",
                );
                Refusal::unprocessable("too_much", said.with("rows", rows).with("files", files).with("limit", limit))
            }
            Error::Query(_) => Refusal::unprocessable("query", e.to_string()),
            Error::Quota { .. } => Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "storage", e.to_string()),
            _ => Refusal::internal(e),
        }
    }
}
