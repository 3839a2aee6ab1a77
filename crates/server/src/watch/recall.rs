//! What detectors knew before a restart: events that were kept are shown to them again.
//!
//! What a detector knows is a fold of events, and events are in the store. So nothing of it need be written: those of the last day make it
//! again, and what goes on over a restart (a brute force, a slow scan) stays one alert with its whole count.

use crate::Fault;
use crate::app::App;
use crate::keep::Keeper;
use crate::watch::LIVE;
use std::time::{Duration, Instant};
use vigie_base::Time;
use vigie_base::time::SECOND;
use vigie_detect::registry;
use vigie_event::Record;
use vigie_pipeline::Analysis;
use vigie_sensor::Stats;
use vigie_store::Query;

/// Nanoseconds of event time that detectors are shown again: as far back as the slowest of them looks.
const BACK: u64 = 24 * 3600 * SECOND;
/// Events shown again at most, the latest: some seconds' work, during which frames wait in the rings.
const ROWS_MAX: u64 = 1_000_000;
/// Events read at once, about.
const SLICE: u64 = 50_000;
/// Parts of the time by which it is cut into slices.
const PARTS: usize = 1440;

/// What was shown again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recalled {
    /// How many events.
    pub(super) rows: u64,
    /// How long that took.
    pub(super) took: Duration,
}

/// Shows `analysis` again what was kept of the live dataset. What it finds that was not filed goes to `keeper`. Errors: the store cannot be
/// read; what was shown until then is known.
pub(super) async fn recall(app: &App, analysis: &mut Analysis, keeper: &mut Keeper) -> Result<Recalled, Fault> {
    let (began, mut recalled) = (Instant::now(), Recalled::default());
    let store = &app.home.store;
    let Some((_, last)) = store.datasets().get(LIVE).copied() else { return Ok(recalled) };
    // A sensor counts anew when it starts.
    let kinds: Vec<&str> = registry::inputs().into_iter().filter(|k| *k != Stats::KIND).collect();
    let (first, end) = (Time(last.0.saturating_sub(BACK)), last.plus(SECOND));
    let asked = Query {
        dataset: Some(LIVE.to_owned()),
        kinds: kinds.iter().map(|k| (*k).to_owned()).collect(),
        from: Some(first),
        to: Some(end),
        ..Query::default()
    };
    let parts = store.histogram(&asked, PARTS).await.map_err(Fault::of)?;
    for (from, to) in slices(parts.iter().map(|p| (p.from, p.counts.values().sum())).collect(), end) {
        let page = store.all(LIVE, &kinds, (from, to)).await.map_err(Fault::of)?;
        page.rows().for_each(|row| analysis.recall(row, keeper));
        recalled.rows += page.len() as u64;
    }
    analysis.recalled(last);
    recalled.took = began.elapsed();
    Ok(recalled)
}

/// Spans of about [`SLICE`] events each, the latest [`ROWS_MAX`] in all, oldest first; `parts` are where each begins, and how many it has.
fn slices(parts: Vec<(Time, u64)>, end: Time) -> Vec<(Time, Time)> {
    let mut slices: Vec<(Time, Time, u64)> = Vec::new();
    let (mut to, mut all) = (end, 0);
    for (from, n) in parts.into_iter().rev() {
        all += n;
        if all > ROWS_MAX {
            break;
        }
        match slices.last_mut() {
            Some(slice) if slice.2 + n <= SLICE => (slice.0, slice.2) = (from, slice.2 + n),
            _ => slices.push((from, to, n)),
        }
        to = from;
    }
    slices.into_iter().rev().filter(|s| s.2 > 0).map(|s| (s.0, s.1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_one_another_and_hold_the_latest() {
        for (counts, slices_wanted) in [
            (vec![], 0),
            (vec![0, 0, 0], 0),
            (vec![1, 0, 2, 0], 1),
            (vec![30_000, 30_000, 30_000, 10], 3),
            (vec![SLICE * 3], 1),
            (vec![7, 0, 5, ROWS_MAX - 1, 0, 0], 1),
            (vec![ROWS_MAX + 1, 4, 4], 1),
            (vec![20_000; 100], 25),
        ] {
            let parts: Vec<_> = counts.iter().enumerate().map(|(i, n)| (Time(i as u64 * 10), *n)).collect();
            let end = Time(counts.len() as u64 * 10);
            let of = |(from, to): (Time, Time)| parts.iter().filter(|p| p.0 >= from && p.0 < to).map(|p| p.1).sum::<u64>();
            let slices = slices(parts.clone(), end);
            assert_eq!(slices.len(), slices_wanted, "{counts:?}");
            let all: u64 = slices.iter().map(|s| of(*s)).sum();
            let latest = counts.iter().rev().scan(0, |sum, n| {
                *sum += n;
                Some(*sum)
            });
            assert_eq!(all, latest.take_while(|sum| *sum <= ROWS_MAX).last().unwrap_or(0), "{counts:?}");
            assert!(slices.windows(2).all(|w| of((w[0].1, w[1].0)) == 0), "{counts:?}");
        }
    }
}
