//! How whole what was seen is: the share of what passed, by the sensors' own counters.

use crate::api::rows::{Scope, Within};
use crate::api::time_text;
use crate::app::{App, now};
use crate::error::Answer;
use crate::person::Viewer;
use crate::watch::LIVE;
use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use vigie_base::Time;
use vigie_base::time::SECOND;
use vigie_tally::Span;

/// Bars at most: a month of hours.
const BARS: u64 = 744;
/// Seconds of a bar at least: less is too little to be a share of.
const STEP_LEAST: u64 = 3600;
/// A sensor speaks every ten seconds: what is younger than this it may not have told yet.
const NOT_TOLD_YET: u64 = 15 * SECOND;

/// How whole what was seen is, over time.
#[derive(Clone, Default, Serialize, ToSchema)]
pub(crate) struct Coverage {
    step_seconds: u64,
    /// When each bar begins. None before the sensor's first word.
    buckets: Vec<String>,
    /// The share of what passed that was seen, 0 to 1; none where nothing was, or no sensor ran.
    complete: Vec<Option<f64>>,
    /// The share of each bar in which the sensor ran, 0 to 1.
    ran: Vec<f64>,
    /// Of the whole time; none where nothing was seen in it.
    overall: Option<f64>,
}

impl Coverage {
    fn of(step: u64, spans: &[Span]) -> Self {
        let (mut weight, mut sum) = (0.0, 0.0);
        for s in spans {
            let length = (s.to - s.from) as f64;
            // What was not there is missing; a time in which it ran and nothing came says nothing.
            if s.ran < 0.5 || s.seen.is_some() {
                weight += length;
                sum += length * s.complete().unwrap_or(0.0);
            }
        }
        let any = spans.iter().any(|s| s.seen.is_some());
        Coverage {
            step_seconds: step,
            buckets: spans.iter().map(|s| time_text(Time::from_secs(s.from))).collect(),
            complete: spans.iter().map(Span::complete).collect(),
            ran: spans.iter().map(|s| s.ran).collect(),
            overall: (any && weight > 0.0).then(|| sum / weight),
        }
    }
}

/// Of one dataset within its time.
pub(crate) async fn of(app: &Arc<App>, dataset: &str, within: &Within) -> Answer<Coverage> {
    let within = Within { dataset: Some(dataset.to_owned()), ..within.clone() };
    // What happens now is the live sensor's alone; a capture ends with its last frame.
    let end = if dataset == LIVE {
        Time(now().0.saturating_sub(NOT_TOLD_YET))
    } else {
        app.home.store.datasets().get(dataset).map_or(within.to, |s| s.1)
    };
    let step = within.step(BARS).max(STEP_LEAST);
    // The row before the first tells what the counters were then.
    let query = vigie_store::Query { from: Some(Time(within.from.0.saturating_sub(60 * SECOND))), ..within.query() };
    let told = app.home.store.fold(&query, "stats", &vigie_tally::Coverage::COLUMNS, vigie_tally::Coverage::default).await?;
    let to = within.to.min(end).0.div_ceil(SECOND);
    Ok(Coverage::of(step, &told.spans(step, within.from.secs(), to)))
}

/// How whole what was seen is, over time, by the sensors' own counters
#[utoipa::path(get, path = "/coverage", tag = "state", extensions(("x-role" = json!("viewer"))), params(Scope), responses((status = 200, body = Coverage)))]
pub(crate) async fn get(State(app): State<Arc<App>>, _may: Viewer, Query(scope): Query<Scope>) -> Answer<Json<Coverage>> {
    let within = scope.read(&app)?;
    let dataset = within.dataset.clone().unwrap_or_else(|| LIVE.to_owned());
    Ok(Json(of(&app, &dataset, &within).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_silence_says_nothing_and_one_without_a_sensor_is_missing() {
        let span = |from, ran, seen| Span { from, to: from + 3600, ran, seen };
        let spans = [span(0, 1.0, Some(0.98)), span(3600, 1.0, None), span(7200, 0.0, None)];
        let told = Coverage::of(3600, &spans);
        assert_eq!(told.complete, [Some(0.98), None, None]);
        assert!((told.overall.unwrap() - 0.49).abs() < 1e-9);
        assert_eq!(Coverage::of(3600, &spans[1..]).overall, None);
    }
}
