//! What is told of a case outside: the same for every output.

use crate::api::cases::{CaseRow, tell};
use crate::api::time_text;
use crate::app::now;
use crate::out::machine;
use crate::words;
use serde::Serialize;
use utoipa::ToSchema;
use vigie_catalog::{Catalog, Error, Moment, Notice};
use vigie_detect::Lang;

/// What happened to a case, as a webhook is told.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct CaseNotice {
    /// The same where it is sent again; `0` of a test.
    pub(super) id: String,
    /// `opened`, `reopened`, `closed` or `test`.
    pub(super) event: &'static str,
    /// When that was.
    pub(super) at: String,
    /// Who did it; `vigie` for what came of itself.
    by: String,
    /// The name of the machine that Vigie runs on.
    pub(super) sensor: String,
    /// One line for a person.
    pub(super) text: String,
    /// The case as it stands when this is sent; none of a test.
    pub(super) case: Option<CaseRow>,
}

impl CaseNotice {
    /// In the words of a language.
    pub(super) fn of(catalog: &Catalog, notice: &Notice, lang: Lang) -> Result<CaseNotice, Error> {
        let (case, _) = tell(catalog, &notice.case, lang)?;
        let event = words::notice(lang, notice.moment.name());
        let said = match (notice.moment, case.verdict) {
            (Moment::Closed, Some(verdict)) => words::verdict(lang, verdict),
            _ => words::severity(lang, case.severity),
        };
        Ok(CaseNotice {
            id: notice.id.to_string(),
            event: notice.moment.name(),
            at: time_text(notice.at),
            by: notice.who.clone(),
            sensor: machine(),
            text: format!("{event} ({said}): {}", case.title),
            case: Some(case),
        })
    }

    /// One that only shows that it arrives.
    pub(super) fn test(who: &str, lang: Lang) -> CaseNotice {
        CaseNotice {
            id: "0".to_owned(),
            event: "test",
            at: time_text(now()),
            by: who.to_owned(),
            sensor: machine(),
            text: words::notice(lang, "test").to_owned(),
            case: None,
        }
    }
}
