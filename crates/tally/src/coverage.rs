//! How whole what a sensor saw was, over time: from the counters that it told every few seconds.

use crate::{Fold, Rows};

/// Rows of counters looked at, of one sensor: two months of one in ten seconds. Beyond, the earliest read are kept.
const ROWS_MAX: usize = 500_000;
/// Seconds by which the beginnings of two rows of one run may differ: each is told to the second.
const SAME_RUN: u64 = 2;
/// Conversations and acknowledged bytes from which their shares are more than chance.
const SESSIONS_LEAST: f64 = 20.0;
const ACKED_LEAST: f64 = 100_000.0;

/// Counters of a sensor since its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    /// Microseconds.
    at: u64,
    /// Seconds.
    uptime: u64,
    frames: u64,
    kernel: u64,
    card: u64,
    one_sided: u64,
    two_sided: u64,
    acked: u64,
    unseen: u64,
}

impl Told {
    /// When its run began, in seconds.
    fn began(&self) -> u64 {
        (self.at / 1_000_000).saturating_sub(self.uptime)
    }

    /// What a row of the same run counts beyond this.
    fn goes_on(&self, next: &Told) -> bool {
        self.began().abs_diff(next.began()) <= SAME_RUN && self.frames <= next.frames && self.acked <= next.acked
    }
}

/// Counters of `stats` rows.
#[derive(Debug, Default)]
pub struct Coverage(Vec<Told>);

/// A span of time and how whole what was seen in it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Span {
    /// When it begins and ends, in seconds.
    pub from: u64,
    #[allow(missing_docs)]
    pub to: u64,
    /// The share of it in which the sensor ran, 0 to 1.
    pub ran: f64,
    /// The share of what passed while it ran that was seen, 0 to 1; none where it saw nothing at all.
    pub seen: Option<f64>,
}

impl Span {
    /// The share of what passed that was seen, 0 to 1; none where nothing was.
    pub fn complete(&self) -> Option<f64> {
        self.seen.map(|seen| self.ran * seen)
    }
}

#[derive(Clone, Copy, Default)]
struct Sums {
    ran: f64,
    frames: f64,
    dropped: f64,
    one_sided: f64,
    two_sided: f64,
    acked: f64,
    unseen: f64,
}

impl Coverage {
    /// The columns of `stats` that it reads.
    pub const COLUMNS: [&'static str; 9] = [
        "ts",
        "uptime",
        "decoder_pkts",
        "capture_kernel_drops",
        "capture_card_drops",
        "health_one_sided",
        "health_two_sided",
        "health_acked_bytes",
        "health_unseen_bytes",
    ];

    /// Spans of `step` seconds that cover `from` to `to` (seconds), each cut to the time from the sensor's first word on and up to `to`.
    pub fn spans(mut self, step: u64, from: u64, to: u64) -> Vec<Span> {
        self.0.sort_unstable();
        let step = step.max(1);
        let begin = self.0.first().map_or(to, |t| t.began()).max(from);
        let first = begin / step;
        let mut sums = vec![Sums::default(); to.saturating_sub(first * step).div_ceil(step) as usize];
        let mut before: Option<Told> = None;
        for t in &self.0 {
            let (since, was) = match before {
                Some(b) if b.goes_on(t) => (b.at as f64 / 1e6, b),
                _ => (t.began() as f64, Told::default()),
            };
            let until = t.at as f64 / 1e6;
            let new = |now: u64, then: u64| now.saturating_sub(then) as f64;
            for (i, sum) in sums.iter_mut().enumerate().skip((since as u64 / step).saturating_sub(first) as usize) {
                let (start, end) = (((first + i as u64) * step) as f64, ((first + i as u64 + 1) * step) as f64);
                if start > until {
                    break;
                }
                let within = until.min(end) - since.max(start);
                if within < 0.0 {
                    continue;
                }
                let share = if until > since { within / (until - since) } else { 1.0 };
                sum.ran += within;
                sum.frames += share * new(t.frames, was.frames);
                sum.dropped += share * (new(t.kernel, was.kernel) + new(t.card, was.card));
                sum.one_sided += share * new(t.one_sided, was.one_sided);
                sum.two_sided += share * new(t.two_sided, was.two_sided);
                sum.acked += share * new(t.acked, was.acked);
                sum.unseen += share * new(t.unseen, was.unseen);
            }
            before = Some(*t);
        }
        let span = |(i, s): (usize, Sums)| {
            let start = ((first + i as u64) * step).max(begin);
            let end = ((first + i as u64 + 1) * step).min(to);
            let ran = (s.ran / end.saturating_sub(start).max(1) as f64).min(1.0);
            Span { from: start, to: end, ran, seen: (s.frames > 0.0).then(|| s.seen()) }
        };
        sums.into_iter().enumerate().map(span).filter(|s| s.to > s.from).collect()
    }
}

impl Sums {
    /// The worst of three shares: they tell of the same loss from three sides.
    fn seen(&self) -> f64 {
        let share = |part: f64, whole: f64, least: f64| if whole < least { 0.0 } else { part / whole };
        let dropped = share(self.dropped, self.frames + self.dropped, 1.0);
        let unseen = share(self.unseen, self.acked, ACKED_LEAST);
        // Of a conversation of which one side is missing, half is.
        let sides = share(self.one_sided / 2.0, self.one_sided + self.two_sided, SESSIONS_LEAST);
        (1.0 - dropped.max(unseen).max(sides)).clamp(0.0, 1.0)
    }
}

impl Fold for Coverage {
    fn rows(&mut self, rows: &Rows) {
        let columns: Vec<Vec<u64>> = (0..Self::COLUMNS.len()).map(|i| rows.numbers(i)).collect();
        let room = ROWS_MAX.saturating_sub(self.0.len());
        self.0.extend((0..rows.len().min(room)).map(|i| {
            let of = |c: usize| columns[c].get(i).copied().unwrap_or(0);
            Told {
                at: of(0),
                uptime: of(1),
                frames: of(2),
                kernel: of(3),
                card: of(4),
                one_sided: of(5),
                two_sided: of(6),
                acked: of(7),
                unseen: of(8),
            }
        }));
    }

    fn join(&mut self, other: Self) {
        let room = ROWS_MAX.saturating_sub(self.0.len());
        self.0.extend(other.0.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row at a second, `frames` and `kernel` so far, of a run that began at `began`.
    fn told(at: u64, began: u64, frames: u64, kernel: u64) -> Told {
        Told { at: at * 1_000_000, uptime: at - began, frames, kernel, ..Told::default() }
    }

    #[test]
    fn an_hour_in_which_it_ran_half_and_lost_a_tenth() {
        let mut rows: Vec<Told> = (1..=180).map(|i| told(7200 + i * 10, 7200, i * 90, i * 10)).collect();
        // It comes back in the next hour and loses nothing; a second run, whose counters begin anew.
        rows.extend((1..=90).map(|i| told(12_600 + i * 10, 12_600, i * 20_000, 0)));
        rows.reverse();
        let spans = Coverage(rows).spans(3600, 0, 14_400);
        assert_eq!(spans.iter().map(|s| (s.from, s.to)).collect::<Vec<_>>(), [(7200, 10_800), (10_800, 14_400)]);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(near(spans[0].ran, 0.5) && near(spans[0].complete().unwrap(), 0.45), "{spans:?}");
        assert!(near(spans[1].ran, 0.25) && near(spans[1].seen.unwrap(), 1.0), "{spans:?}");
    }

    #[test]
    fn one_row_of_a_whole_capture_covers_it_and_nothing_seen_is_none() {
        let whole = Told { acked: 1_000_000, unseen: 20_000, ..told(3600, 0, 1000, 0) };
        let spans = Coverage(vec![whole]).spans(1800, 0, 3600);
        assert_eq!(spans.len(), 2);
        assert!(spans.iter().all(|s| s.ran == 1.0 && (s.seen.unwrap() - 0.98).abs() < 1e-9), "{spans:?}");
        let silent = Coverage((1..=6).map(|i| told(i * 10, 0, 0, 0)).collect()).spans(60, 0, 60);
        assert_eq!((silent[0].ran, silent[0].complete()), (1.0, None));
        assert!(Coverage::default().spans(3600, 0, 7200).is_empty());
    }

    #[test]
    fn half_of_what_is_one_sided_is_missing() {
        let half = Told { one_sided: 50, two_sided: 50, ..told(3600, 0, 1000, 0) };
        assert_eq!(Coverage(vec![half]).spans(3600, 0, 3600)[0].complete(), Some(0.75));
    }
}
