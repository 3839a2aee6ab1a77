//! Whether the canary arrives: while it does, silence means that nothing happened.

use std::sync::{Mutex, PoisonError};
use vigie_base::{Time, time::SECOND};

/// What is known of the canary of the interfaces that are captured from.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Option<Beat>>);

#[derive(Clone, Copy, Debug)]
struct Beat {
    /// Nanoseconds between two; 0 where none is let go.
    every: u64,
    /// Nanoseconds after which one is overdue.
    overdue: u64,
    began: Time,
    last: Option<Last>,
    /// Before this all that came has been judged.
    judged: Time,
}

/// The canary that came back last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    /// When it came back.
    pub(crate) back: Time,
    /// Nanoseconds that it took.
    pub(crate) took: u64,
}

/// What the canary says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It arrives.
    Arrives,
    /// Capture began just now.
    Awaited,
    /// It is overdue.
    Missing,
    /// None is let go, by configuration.
    Off,
}

impl State {
    /// Lower-case name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            State::Arrives => "arrives",
            State::Awaited => "awaited",
            State::Missing => "missing",
            State::Off => "off",
        }
    }
}

impl Pulse {
    /// Capture begins; a canary is let go each `seconds`, 0 for none, and is overdue after `overdue` seconds.
    pub(crate) fn begin(&self, seconds: u64, overdue: u64, now: Time) {
        let (every, overdue) = (seconds.saturating_mul(SECOND), overdue.saturating_mul(SECOND));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Beat { every, overdue, began: now, last: None, judged: now });
    }

    /// All that came before `upto` has been judged: a canary let go since would not have been.
    pub(crate) fn judged(&self, upto: Time) {
        if let Some(beat) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            beat.judged = upto;
        }
    }

    /// The canary that was let go at `made` came back.
    pub(crate) fn back(&self, made: Time, now: Time) {
        if let Some(beat) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            beat.last = Some(Last { back: now, took: now.since(made) });
        }
    }

    /// How it is; none where nothing is captured.
    pub(crate) fn state(&self, now: Time) -> Option<(State, Option<Last>)> {
        let beat = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let overdue = |since: Time, after: u64| now.since(since) > after.saturating_add(beat.overdue);
        let state = match beat.last {
            _ if beat.every == 0 => State::Off,
            _ if overdue(beat.judged, 0) => State::Missing,
            None if overdue(beat.began, 0) => State::Missing,
            None => State::Awaited,
            Some(last) if overdue(last.back, beat.every) => State::Missing,
            Some(_) => State::Arrives,
        };
        Some((state, beat.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_trusted_while_it_arrives() {
        let (pulse, at) = (Pulse::default(), Time::from_secs);
        assert_eq!(pulse.state(at(1)), None);
        pulse.begin(3600, 120, at(100));
        pulse.judged(at(200));
        assert_eq!(pulse.state(at(220)), Some((State::Awaited, None)));
        assert_eq!(pulse.state(at(221)), Some((State::Missing, None)));
        pulse.back(at(230), at(232));
        let last = Some(Last { back: at(232), took: 2 * SECOND });
        pulse.judged(at(3900));
        assert_eq!(pulse.state(at(3952)), Some((State::Arrives, last)));
        assert_eq!(pulse.state(at(3953)), Some((State::Missing, last)));
        // The next one is not due yet, and would not come through.
        pulse.judged(at(400));
        assert_eq!(pulse.state(at(520)), Some((State::Arrives, last)));
        assert_eq!(pulse.state(at(521)), Some((State::Missing, last)));
        pulse.begin(0, 120, at(100));
        assert_eq!(pulse.state(at(9999)), Some((State::Off, None)));
    }
}
