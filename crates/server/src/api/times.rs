//! Times as the API writes and reads them: RFC 3339, UTC, microseconds.

use crate::error::{Answer, Refusal};
use vigie_base::Time;

/// `2026-11-25T10:00:00.000000Z`.
pub(crate) fn text(time: Time) -> String {
    time.to_string()
}

/// A parameter that is a time, where it was given.
pub(crate) fn instant(field: &str, given: Option<&str>) -> Answer<Option<Time>> {
    match given {
        None => Ok(None),
        Some(t) => match Time::parse(t) {
            Some(time) => Ok(Some(time)),
            None => Err(Refusal::parameter(field, "not a time; write 2026-11-25T08:00:00Z (UTC) or seconds since 1970")),
        },
    }
}
