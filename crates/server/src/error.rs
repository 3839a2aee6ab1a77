//! What a client is told when something goes wrong: what, and what to do. The log has the rest.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    /// What is wrong and what to do.
    pub message: String,
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
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let error = ErrorText { code: code.to_owned(), message: message.into(), field: None, offset: None, nearest: None, current: None };
        Refusal { status, body: Box::new(ErrorBody { error }), retry_after: None }
    }

    /// 400: a parameter that cannot be read.
    pub fn parameter(field: &str, message: impl Into<String>) -> Self {
        let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, "parameter", message);
        refusal.body.error.field = Some(field.to_owned());
        refusal
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", "log in, or send a token as Authorization: Bearer")
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Refusal::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404.
    pub fn not_found(what: &str) -> Self {
        Refusal::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}; it may have been removed"))
    }

    /// 409 with the thing as it stands.
    pub fn conflict(message: impl Into<String>, current: Option<serde_json::Value>) -> Self {
        let mut refusal = Refusal::new(StatusCode::CONFLICT, "conflict", message);
        refusal.body.error.current = current;
        refusal
    }

    /// 422: readable, and not possible.
    pub fn unprocessable(code: &str, message: impl Into<String>) -> Self {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// 422 for a query that cannot be read.
    pub fn query(message: impl Into<String>, offset: usize, nearest: Option<String>) -> Self {
        let mut refusal = Refusal::unprocessable("query", message);
        (refusal.body.error.offset, refusal.body.error.nearest) = (Some(offset), nearest);
        refusal
    }

    /// 429.
    pub fn later(code: &str, message: impl Into<String>, seconds: u64) -> Self {
        let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, code, message);
        refusal.retry_after = Some(seconds);
        refusal
    }

    /// 500: `why` goes to the log and not to the client.
    pub fn internal(why: impl std::fmt::Display) -> Self {
        eprintln!("vigie: an answer failed: {why}");
        let message = "Vigie could not answer; its log says why. Try again, then tell who runs it";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
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
                let message =
                    "the data directory is full or cannot be written, so that nothing can be noted, the trail neither; free space there";
                Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "storage", message)
            }
            Error::Refused(_) => Refusal::unprocessable("refused", e.to_string()),
            Error::Missing(_) => Refusal::new(StatusCode::NOT_FOUND, "not_found", e.to_string()),
            Error::Conflict(_) | Error::Version(_) => Refusal::conflict(e.to_string(), None),
            Error::Sqlite(_) | Error::File(_) | Error::Newer { .. } => Refusal::internal(e),
        }
    }
}

impl From<vigie_store::Error> for Refusal {
    fn from(e: vigie_store::Error) -> Self {
        use vigie_store::Error;
        match e {
            Error::TooMuch { .. } => Refusal::unprocessable("too_much", e.to_string()),
            Error::Query(_) => Refusal::unprocessable("query", e.to_string()),
            Error::Quota { .. } => Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "storage", e.to_string()),
            _ => Refusal::internal(e),
        }
    }
}
