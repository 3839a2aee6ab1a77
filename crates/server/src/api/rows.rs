//! What figures of pages are about: which dataset, and when.

use crate::api::instant;
use crate::app::App;
use crate::error::{Answer, Refusal};
use serde::Deserialize;
use utoipa::IntoParams;
use vigie_base::{Sentence, Time};

/// Which dataset, and when.
#[derive(Clone, Deserialize, IntoParams)]
pub(crate) struct Scope {
    pub(crate) dataset: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

/// A scope that was read: safe to put into SQL.
#[derive(Clone, Debug)]
pub(crate) struct Within {
    pub(crate) dataset: Option<String>,
    pub(crate) from: Time,
    pub(crate) to: Time,
}

impl Scope {
    /// With the bounds of what there is where none are given.
    pub(crate) fn read(&self, app: &App) -> Answer<Within> {
        let spans = app.home.store.datasets();
        let asked = spans.iter().filter(|(name, _)| self.dataset.as_ref().is_none_or(|d| d == *name)).map(|(_, span)| *span);
        let (first, last) = asked.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or_default();
        let from = instant("from", self.from.as_deref())?.unwrap_or(first);
        let to = instant("to", self.to.as_deref())?.unwrap_or(last.plus(1_000));
        if to < from {
            return Err(Refusal::parameter("to", Sentence::new("range_reversed", "`to` is before `from`; exchange them")));
        }
        Ok(Within { dataset: self.dataset.clone(), from, to })
    }
}

impl Within {
    /// As a query for all of it.
    pub(crate) fn query(&self) -> vigie_store::Query {
        vigie_store::Query { dataset: self.dataset.clone(), from: Some(self.from), to: Some(self.to), ..vigie_store::Query::default() }
    }

    /// Seconds of a bar so that about `n` of them fill the range: a step that people count in.
    pub(crate) fn step(&self, n: u64) -> u64 {
        const STEPS: [u64; 16] = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 604_800, 2_592_000];
        let seconds = self.to.since(self.from) / vigie_base::time::SECOND;
        STEPS.into_iter().find(|s| seconds / s <= n).unwrap_or(STEPS[STEPS.len() - 1])
    }

    /// When each bar of `step` seconds begins.
    pub(crate) fn bars(&self, step: u64) -> Vec<u64> {
        let (first, last) = (self.from.secs() / step * step, self.to.secs());
        (0..).map(|i| first + i * step).take_while(|t| *t <= last).take(1000).collect()
    }
}

/// A text as SQL writes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
