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
use vigie_catalog::Kind;
use vigie_tally::Span;

/// Bars at most: a month of hours.
const BARS: u64 = 744;
/// Seconds of a bar at least: less is too little to be a share of.
const STEP_LEAST: u64 = 3600;
/// The same of captures, which know their times.
const STEP_CAPTURES: u64 = 60;
/// A sensor speaks every ten seconds: what is younger than this it may not have told yet.
const NOT_TOLD_YET: u64 = 15 * SECOND;

/// A stretch of time.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Stretch {
    from: String,
    to: String,
}

impl Stretch {
    /// As it is told.
    pub(crate) fn of((from, to): (Time, Time)) -> Self {
        Stretch { from: time_text(from), to: time_text(to) }
    }
}

/// How whole what was seen is, over time.
#[derive(Clone, Default, Serialize, ToSchema)]
pub(crate) struct Coverage {
    step_seconds: u64,
    /// When each bar begins. None before a live sensor's first word.
    buckets: Vec<String>,
    /// The share of what passed that was seen, 0 to 1; none where nothing was, or no sensor ran.
    complete: Vec<Option<f64>>,
    /// The share of each bar in which the sensor ran, 0 to 1; of captures, which they cover.
    ran: Vec<f64>,
    /// Of captures: the times that they cover. Outside of these nothing was seen. None of live traffic.
    stretches: Option<Vec<Stretch>>,
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
            stretches: None,
            overall: (any && weight > 0.0).then(|| sum / weight),
        }
    }
}

/// What captures saw of a time, who cover it by `stretches`: the share `seen` of what passed in these, nothing beside them.
fn captured(stretches: &[(Time, Time)], seen: f64, within: &Within) -> Coverage {
    let step = within.step(BARS).max(STEP_CAPTURES);
    let (from, to) = (within.from.0, within.to.0.max(within.from.0));
    // The end of the time asked for is not part of it.
    let inside: Vec<(u64, u64)> =
        stretches.iter().filter(|(a, b)| a.0 < to && b.0 >= from).map(|(a, b)| (a.0.max(from), b.0.min(to))).collect();
    let covered = |from: u64, to: u64| -> u64 { inside.iter().map(|(a, b)| b.min(&to).saturating_sub(*a.max(&from))).sum() };
    let spans = within.bars(step).into_iter().map(|at| (at, at + step)).filter(|(at, _)| at * SECOND < to);
    let spans: Vec<Span> = spans
        .map(|(at, end)| {
            // The first and the last bar are judged by what is asked of them.
            let (start, stop) = ((at * SECOND).max(from), (end * SECOND).min(to));
            let ran = covered(start, stop) as f64 / (stop - start).max(1) as f64;
            Span { from: at, to: end, ran, seen: (ran > 0.0).then_some(seen) }
        })
        .collect();
    let told = inside.into_iter().map(|(a, b)| Stretch::of((Time(a), Time(b)))).collect();
    Coverage { stretches: Some(told), ..Coverage::of(step, &spans) }
}

/// When anything of a dataset that is not captured now was seen.
pub(crate) fn stretches(app: &App, dataset: &vigie_catalog::Dataset) -> Vec<(Time, Time)> {
    match dataset.kind {
        // What was made is without holes.
        Kind::Synthetic => app.home.store.datasets().get(&dataset.name).copied().into_iter().collect(),
        Kind::Replay | Kind::Live => dataset.covered(),
    }
}

/// Of one dataset within its time.
pub(crate) async fn of(app: &Arc<App>, dataset: &str, within: &Within) -> Answer<Coverage> {
    let within = Within { dataset: Some(dataset.to_owned()), ..within.clone() };
    let asked = dataset.to_owned();
    let known = app.catalog(move |c, _| c.dataset(&asked)).await?;
    if let Some(known) = known.filter(|d| d.kind != Kind::Live) {
        let query = vigie_store::Query { from: None, to: None, ..within.query() };
        let told = app.home.store.fold(&query, "stats", &vigie_tally::Coverage::COLUMNS, vigie_tally::Coverage::default).await?;
        let to = now().secs().max(within.to.secs());
        let seen = told.spans(to + 1, 0, to).first().and_then(|s| s.seen);
        return Ok(captured(&stretches(app, &known), seen.unwrap_or(1.0), &within));
    }
    let end = Time(now().0.saturating_sub(NOT_TOLD_YET));
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
    fn captures_cover_their_own_times_and_nothing_else() {
        let at = |s: u64| Time::from_secs(s);
        let of = |from: u64, to: u64| {
            let within = Within { dataset: None, from: at(from), to: at(to) };
            captured(&[(at(600), at(1_200)), (at(2_400), at(2_460))], 1.0, &within)
        };
        let told = of(600, 2_460);
        assert_eq!((told.step_seconds, told.stretches.as_ref().map(Vec::len)), (60, Some(2)));
        assert_eq!(told.complete.iter().filter(|c| c.is_some()).count(), 11, "ten minutes, and one");
        assert!((told.overall.unwrap() - 660.0 / 1_860.0).abs() < 1e-9);
        let before = of(0, 300);
        assert_eq!((before.overall, before.stretches.map(|s| s.len())), (None, Some(0)));
        assert!(before.complete.iter().all(Option::is_none) && before.complete.len() == 5);
        assert_eq!(of(0, 600).stretches.map(|s| s.len()), Some(0), "it ends where the first begins");
    }

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
