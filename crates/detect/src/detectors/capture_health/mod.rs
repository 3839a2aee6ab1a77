//! The health of a capture: a mirror that is silent, one-way, lossy, doubled, reordered or cut short, an interface that is down, a card or a
//! ring that loses, a canary that does not come back, and a sensor that falls behind the clock.
//!
//! Reads the figures that the sensor tells every ten seconds, live. Each fault is judged over the last minute, or as many as it takes to
//! have enough to judge by; it is told once it held for a minute more, and is over once the figures were good for as long. What was lost is
//! told by the place that lost it: where the card or the kernel counts it, it is not laid on the mirror. Of several interfaces the one is
//! named whose frames are missing, where that can be told: what one that is silent or down does not bring is laid on nothing else.
//!
//! ATT&CK: T1562 Impair Defenses, which is what a blind sensor helps, whoever blinded it.

mod words;

use crate::bounded::Bounded;
use crate::detector::{Cx, Detector, Info, Settings, Tunable};
use crate::finding::{Entity, Finding, Param, Phase, Reason, Story, Told, Value};
use crate::text::Lang;
use std::collections::VecDeque;
use vigie_base::time::SECOND;
use vigie_base::{Budget, Share, Time, canary};
use vigie_dissect::proto::dns::{DnsMessage, DnsMessageRow};
use vigie_event::{Record, Row};
use vigie_sensor::stats::{Stats, StatsRow};

/// How long figures must have been bad, or good.
static EVIDENCE: Tunable = Tunable {
    key: "detect.capture_health.evidence",
    default: 60,
    range: (10, 3600),
    doc: "Seconds for which a capture must have been wrong to be told, and right to be told as mended. A busy moment passes sooner.",
};
/// A mirror port of a network in use shows broadcasts at least every few seconds.
static SILENT: Tunable = Tunable {
    key: "detect.capture_health.silent",
    default: 60,
    range: (10, 86_400),
    doc: "Seconds without a frame after which an interface counts as silent, where more was to be expected.",
};
/// Routes that differ by direction take some flows past a mirror; where half are, it is the mirror.
static ONE_WAY: Tunable = Tunable {
    key: "detect.capture_health.one_way",
    default: 50,
    range: (1, 100),
    doc: "Percent of TCP conversations of which one side only is seen, from which a mirror counts as one-way.",
};
/// A hundredth of what passed is some thousand conversations of an office's day with a hole in them.
static LOSSY: Tunable = Tunable {
    key: "detect.capture_health.lossy",
    default: 10,
    range: (1, 1000),
    doc: "Per mille of acknowledged TCP bytes never seen, or of frames dropped, from which a capture counts as lossy.",
};
/// A mirror of both sides of every port doubles half of all frames; a few ports that are mirrored twice, less.
static DOUBLED: Tunable = Tunable {
    key: "detect.capture_health.doubled",
    default: 20,
    range: (1, 100),
    doc: "Percent of frames that are copies of the frame before, from which a mirror counts as doubled.",
};
/// Networks themselves reorder about one segment in a thousand.
static REORDERED: Tunable = Tunable {
    key: "detect.capture_health.reordered",
    default: 30,
    range: (1, 1000),
    doc: "Per mille of TCP segments that come behind later ones, from which a capture counts as reordered.",
};
/// Forged and broken packets are fewer.
static TRUNCATED: Tunable = Tunable {
    key: "detect.capture_health.truncated",
    default: 5,
    range: (1, 100),
    doc: "Percent of frames that are shorter than their packet, from which a mirror counts as cutting.",
};
/// How long what is captured may take to be judged.
pub static OVERDUE: Tunable = Tunable {
    key: "detect.capture_health.overdue",
    default: canary::OVERDUE / SECOND,
    range: (10, 3600),
    doc: "Seconds within which a canary must have come back, and within which what came must have been judged.",
};

/// What is judged by less than this is chance: conversations, frames, segments, acknowledged bytes and holes in them.
const SESSIONS_LEAST: u64 = 20;
const FRAMES_LEAST: u64 = 500;
const SEGMENTS_LEAST: u64 = 300;
const ACKED_LEAST: u64 = 200_000;
const HOLES_LEAST: u64 = 10;
/// Frames that should have come in a silence, by what came before.
const EXPECTED_LEAST: f64 = 30.0;
/// A silence is longer than this many of those that were there before.
const LONGEST_TIMES: u64 = 2;
/// Of several interfaces, the one that brings less than one in so many of the frames that it brought before is the one that lacks.
const COLLAPSED: f64 = 10.0;
/// An interface on which nothing ever came is silent after so many times the silence of another.
const NEVER_TIMES: u64 = 3;
/// What a step adds to the mean rate of frames: the mean is of some ten minutes.
const RATE_SHARE: f64 = 1.0 / 60.0;
/// How far back figures are looked at where the last minute has too few.
const BACK: u64 = 600 * SECOND;
/// Rows kept: those of [`BACK`], one in ten seconds.
const ROWS_MAX: usize = 64;
/// Interfaces looked at.
const PORTS_MAX: usize = vigie_sensor::INTERFACES_MAX;

const WATCHED: Budget = Budget {
    name: "detect.capture_health.watched",
    entries_max: 256,
    entry_bytes: Bounded::<(Fault, String), Watched>::ENTRY_BYTES + 256,
    when_full: "the fault judged longest ago is forgotten",
};
const ROWS: Budget = Budget {
    name: "detect.capture_health.rows",
    entries_max: ROWS_MAX as u64,
    entry_bytes: size_of::<Snapshot>() as u64 + PORTS_MAX as u64 * (size_of::<Port>() as u64 + 32),
    when_full: "the oldest is forgotten, which no judgement asks for any more",
};

/// See the module.
pub static INFO: Info = Info {
    name: "capture_health",
    sid: 9_000_011,
    signature: "VIGIE Capture not whole",
    category: "Not Suspicious Traffic",
    story: Story::Health,
    inputs: &[Stats::KIND, DnsMessage::KIND],
    budgets: &[WATCHED, ROWS],
    tunables: &[&EVIDENCE, &SILENT, &ONE_WAY, &LOSSY, &DOUBLED, &REORDERED, &TRUNCATED, &OVERDUE],
    templates: &words::TEMPLATES,
    make: |settings: &Settings| Box::new(CaptureHealth::new(settings.share)),
};

/// The template of the finding that a canary leads to.
pub const CANARY: &str = "canary";

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// No frame comes.
    Silent,
    /// The interface is down, or gone.
    Down,
    /// One side of the conversations is missing.
    OneWay,
    /// The mirror, or the way from it, loses frames.
    Lossy,
    /// The card loses frames.
    Card,
    /// Frames come damaged, and the card throws them away.
    Damaged,
    /// The kernel's ring does.
    Kernel,
    /// Frames come twice.
    Doubled,
    /// Frames come in another order.
    Reordered,
    /// Frames come cut short.
    Truncated,
    /// The canary did not come back.
    Missing,
    /// What came is not judged in time.
    Behind,
}

impl Fault {
    /// The template that tells it, its reason, and what it adds to the score: how blind it makes.
    const fn told(self) -> (&'static str, &'static str, u32) {
        match self {
            Fault::Silent => ("silent", "capture_health.silent", 60),
            Fault::Down => ("down", "capture_health.down", 60),
            Fault::OneWay => ("one_way", "capture_health.one_way", 50),
            Fault::Lossy => ("lossy", "capture_health.lossy", 35),
            Fault::Card => ("card", "capture_health.card", 35),
            Fault::Damaged => ("damaged", "capture_health.damaged", 35),
            Fault::Kernel => ("kernel", "capture_health.kernel", 35),
            Fault::Doubled => ("doubled", "capture_health.doubled", 15),
            Fault::Reordered => ("reordered", "capture_health.reordered", 25),
            Fault::Truncated => ("truncated", "capture_health.truncated", 45),
            Fault::Missing => ("missing", "capture_health.missing", 60),
            Fault::Behind => ("behind", "capture_health.behind", 60),
        }
    }
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// How many.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
}

impl Part {
    /// In thousandths, rounded.
    pub fn per_mille(self) -> u64 {
        (self.part.saturating_mul(1000) + self.whole / 2) / self.whole.max(1)
    }

    fn since(self, before: Part) -> Part {
        Part { part: self.part.saturating_sub(before.part), whole: self.whole.saturating_sub(before.whole) }
    }
}

/// How good something is.
enum Judged {
    Bad(Part),
    Good,
    /// There is too little to say.
    Unknown,
}

/// An interface's counters.
#[derive(Clone, Debug, Default, PartialEq)]
struct Port {
    name: String,
    up: bool,
    frames: u64,
    kernel: u64,
    card: u64,
    damaged: u64,
    doubled: u64,
    truncated: u64,
}

impl Port {
    /// Frames that were thrown away behind the mirror.
    fn lost(&self) -> Part {
        let lost = self.kernel + self.card + self.damaged;
        Part { part: lost, whole: self.frames + self.card + self.damaged }
    }
}

/// The counters of one row.
#[derive(Clone, Debug, Default, PartialEq)]
struct Snapshot {
    at: Time,
    uptime: u64,
    sides: Part,
    unseen: Part,
    holes: u64,
    reordered: Part,
    canary: Option<Time>,
    ports: Vec<Port>,
}

impl Snapshot {
    fn of(at: Time, s: StatsRow<'_>) -> Snapshot {
        let h = s.health();
        let ports = s.interfaces().take(PORTS_MAX).map(|i| Port {
            name: i.name().to_owned(),
            up: i.link() == "up",
            frames: i.frames(),
            kernel: i.kernel_drops(),
            card: i.card_drops().unwrap_or(0),
            damaged: i.card_errors().unwrap_or(0),
            doubled: i.doubled(),
            truncated: i.truncated(),
        });
        Snapshot {
            at,
            uptime: s.uptime(),
            sides: Part { part: h.one_sided(), whole: h.one_sided() + h.two_sided() },
            unseen: Part { part: h.unseen_bytes(), whole: h.acked_bytes() },
            holes: h.unseen(),
            reordered: Part { part: h.reordered(), whole: h.data_segments() },
            canary: s.canary(),
            ports: ports.collect(),
        }
    }

    /// Those captured from, as one name.
    fn point(&self) -> String {
        point(self.ports.iter().map(|p| p.name.as_str()))
    }

    /// Frames a second that a port brought since `before`.
    fn rate(&self, before: &Snapshot, i: usize) -> Option<f64> {
        let frames = self.ports.get(i)?.frames.saturating_sub(before.ports.get(i)?.frames);
        Some(frames as f64 * SECOND as f64 / self.at.since(before.at).max(SECOND) as f64)
    }
}

/// The interfaces of a capture point, as one name.
pub fn point<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(" + ")
}

/// What is remembered of an interface's frames.
#[derive(Default)]
struct Pace {
    /// Frames a second, of the last minutes.
    rate: f64,
    /// When a frame last came.
    last: Time,
    /// The longest silence that was none.
    longest: u64,
    ever: bool,
    /// Since when it has been down.
    down: Option<Time>,
    /// When it last brought nothing though something was to be expected.
    gone: Option<Time>,
}

/// What is known of one fault of one interface.
#[derive(Default)]
struct Watched {
    bad_since: Option<Time>,
    good_since: Option<Time>,
    /// Whether it was told that this is well.
    well: bool,
    last: Time,
    worst: Part,
    told: Told,
}

struct CaptureHealth {
    rows: VecDeque<Snapshot>,
    /// By interface, in the order of rows.
    paces: Vec<Pace>,
    watched: Bounded<(Fault, String), Watched>,
    /// When the canary that came back last was let go.
    back: Option<Time>,
    /// The interface whose side of the conversations is missing, where it is known.
    blamed: Option<String>,
    /// Whether it was late by the clock when last looked at.
    late: bool,
}

impl CaptureHealth {
    fn new(share: Share) -> Self {
        let watched = Bounded::of(WATCHED, share);
        CaptureHealth { rows: VecDeque::new(), paces: Vec::new(), watched, back: None, blamed: None, late: false }
    }

    /// A part of what was counted since a minute ago, or since as long ago as it takes for the whole to be `least`.
    fn lately(&self, span: u64, least: u64, part: impl Fn(&Snapshot) -> Option<Part>) -> Option<(Part, &Snapshot)> {
        let now = self.rows.back()?;
        let counted = part(now)?;
        let before = self.rows.iter().rev().filter(|s| now.at.since(s.at) >= span);
        before.filter_map(|s| Some((counted.since(part(s)?), s))).find(|(p, _)| p.whole >= least)
    }

    fn judge(&self, span: u64, least: u64, limit: u64, part: impl Fn(&Snapshot) -> Option<Part>) -> Judged {
        match self.lately(span, least, part) {
            None => Judged::Unknown,
            Some((p, _)) if p.per_mille() >= limit => Judged::Bad(p),
            Some(_) => Judged::Good,
        }
    }

    fn stats(&mut self, s: StatsRow<'_>, cx: &mut Cx<'_>) {
        let now = Snapshot::of(cx.now, s);
        if now.ports.is_empty() {
            return;
        }
        // Counters of a sensor that began anew say nothing of those before.
        if self.rows.back().is_some_and(|b| b.uptime > now.uptime || b.ports.len() != now.ports.len()) {
            self.rows.clear();
            self.paces.clear();
        }
        let names: Vec<String> = now.ports.iter().map(|p| p.name.clone()).collect();
        let (point, sent) = (now.point(), now.canary);
        self.rows.push_back(now);
        while self.rows.len() > ROWS_MAX || self.rows.front().is_some_and(|f| cx.now.since(f.at) > BACK) {
            self.rows.pop_front();
        }
        let get = |t: &'static Tunable| cx.settings.get(t);
        let span = get(&EVIDENCE) * SECOND;
        let (percent, mille) = (|t: &'static Tunable| get(t) * 10, get(&LOSSY));
        let mut judged: Vec<(Fault, String, Judged)> = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let port = |of: fn(&Port) -> Part| move |s: &Snapshot| s.ports.get(i).map(of);
            let judge = |limit: u64, part: fn(&Port) -> Part| self.judge(span, FRAMES_LEAST, limit, port(part));
            let kernel = judge(mille, |p| Part { part: p.kernel, whole: p.frames });
            let card = judge(mille, |p| Part { part: p.card, whole: p.frames + p.card });
            let damaged = judge(mille, |p| Part { part: p.damaged, whole: p.frames + p.damaged });
            let doubled = judge(percent(&DOUBLED), |p| Part { part: p.doubled, whole: p.frames });
            let truncated = judge(percent(&TRUNCATED), |p| Part { part: p.truncated, whole: p.frames });
            let (silent, down) = self.presence(i, get(&SILENT) * SECOND);
            let faults = [
                (Fault::Silent, silent),
                (Fault::Down, down),
                (Fault::Kernel, kernel),
                (Fault::Card, card),
                (Fault::Damaged, damaged),
                (Fault::Doubled, doubled),
                (Fault::Truncated, truncated),
            ];
            judged.extend(faults.map(|(fault, j)| (fault, name.clone(), j)));
        }
        judged.extend(self.sides(span, percent(&ONE_WAY), &names, &point, cx.now));
        let lossy = match self.lately(span, ACKED_LEAST, |s| Some(s.unseen)) {
            None => Judged::Unknown,
            // What is missing is laid on the mirror only where nothing behind it lost or cut frames meanwhile.
            Some((_, before)) if self.has_gone(before) || self.lost_behind(before, mille, percent(&TRUNCATED)) => Judged::Unknown,
            Some((p, before)) => {
                let holes = self.rows.back().map_or(0, |s| s.holes).saturating_sub(before.holes);
                match p.per_mille() >= mille {
                    false => Judged::Good,
                    // A few large holes are no rate.
                    true if holes < HOLES_LEAST => Judged::Unknown,
                    true => Judged::Bad(p),
                }
            }
        };
        let reordered = self.judge(span, SEGMENTS_LEAST, get(&REORDERED), |s| Some(s.reordered));
        judged.extend([(Fault::Lossy, lossy), (Fault::Reordered, reordered)].map(|(f, j)| (f, point.clone(), j)));
        judged.push((Fault::Missing, point, self.canary(sent, get(&OVERDUE) * SECOND, cx.now)));
        for (fault, name, j) in judged {
            self.follow(fault, name, j, span, cx);
        }
    }

    /// Whether one side of the conversations is missing, and whose it is: of several interfaces the one that brings next to nothing of what
    /// it brought before, else the point as a whole. Where it is right, it is so for each.
    fn sides(&mut self, span: u64, limit: u64, names: &[String], point: &str, now: Time) -> Vec<(Fault, String, Judged)> {
        let all = names.iter().map(String::as_str).filter(|_| names.len() > 1).chain([point]);
        let (judged, blamed) = match self.lately(span, SESSIONS_LEAST, |s| Some(s.sides)) {
            None => (None, None),
            // Who brings nothing at all is told as silent.
            Some((_, before)) if self.has_gone(before) => (None, None),
            Some((p, before)) if p.per_mille() >= limit => (Some(Some(p)), self.collapsed(before, names)),
            Some(_) => (Some(None), None),
        };
        match judged {
            None => all.map(|name| (Fault::OneWay, name.to_owned(), Judged::Unknown)).collect(),
            Some(None) => {
                self.blamed = None;
                all.map(|name| (Fault::OneWay, name.to_owned(), Judged::Good)).collect()
            }
            Some(Some(p)) => {
                let of_all = self.watched.get(&(Fault::OneWay, point.to_owned()));
                // What was told of all stays theirs; until then it may be known better whose it is.
                if self.blamed.is_none()
                    && of_all.is_none_or(|w| !w.told.is_open())
                    && let Some(one) = blamed
                {
                    let since = of_all.and_then(|w| w.bad_since);
                    self.watched.entry(&(Fault::OneWay, one.clone()), now, Watched::default).0.bad_since = since;
                    self.blamed = Some(one);
                }
                let who = self.blamed.as_deref().unwrap_or(point);
                all.map(|name| (Fault::OneWay, name.to_owned(), if name == who { Judged::Bad(p) } else { Judged::Unknown })).collect()
            }
        }
    }

    /// The one of several interfaces that now brings next to nothing of what it brought until `before`.
    fn collapsed(&self, before: &Snapshot, names: &[String]) -> Option<String> {
        let (first, last, now) = (self.rows.front()?, self.rows.iter().nth_back(1)?, self.rows.back()?);
        let is = |i: &usize| {
            let (Some(usual), Some(rate)) = (before.rate(first, *i), now.rate(last, *i)) else { return false };
            usual * now.at.since(last.at) as f64 / SECOND as f64 >= EXPECTED_LEAST && rate * COLLAPSED < usual
        };
        let mut those = (0..names.len()).filter(is);
        let one = those.next().filter(|_| names.len() > 1)?;
        if those.next().is_some() { None } else { names.get(one).cloned() }
    }

    /// Whether one of several interfaces brought nothing at some time since `before`.
    fn has_gone(&self, before: &Snapshot) -> bool {
        self.paces.len() > 1 && self.paces.iter().any(|p| p.gone.is_some_and(|at| at >= before.at))
    }

    /// Whether card, ring or cutting cost an interface since `before` what counts as lossy.
    fn lost_behind(&self, before: &Snapshot, mille: u64, cut: u64) -> bool {
        let Some(now) = self.rows.back() else { return false };
        now.ports.iter().zip(&before.ports).any(|(p, b)| {
            let truncated = Part { part: p.truncated, whole: p.frames }.since(Part { part: b.truncated, whole: b.frames });
            p.lost().since(b.lost()).per_mille() >= mille || truncated.per_mille() >= cut
        })
    }

    /// Whether an interface is silent, and whether it is down.
    fn presence(&mut self, i: usize, least: u64) -> (Judged, Judged) {
        let nothing = (Judged::Unknown, Judged::Unknown);
        let Some(now) = self.rows.back() else { return nothing };
        let before = self.rows.len().checked_sub(2).and_then(|at| self.rows.get(at));
        let (Some(port), at) = (now.ports.get(i), now.at) else { return nothing };
        // A silence begins with the capture at the earliest.
        let begin = Time(at.0.saturating_sub(now.uptime.saturating_mul(SECOND)));
        while self.paces.len() <= i {
            self.paces.push(Pace { last: begin, ..Pace::default() });
        }
        let pace = &mut self.paces[i];
        let (new, step) = match before {
            Some(b) => (port.frames.saturating_sub(b.ports.get(i).map_or(0, |p| p.frames)), at.since(b.at)),
            None => (port.frames, now.uptime.saturating_mul(SECOND)),
        };
        let quiet = at.since(pace.last);
        let rate = new as f64 * SECOND as f64 / step.max(SECOND) as f64;
        let lasted = |time: u64| Judged::Bad(Part { part: time / SECOND, whole: time / SECOND });
        let mut down = Judged::Good;
        if port.up {
            pace.down = None;
        } else {
            // It went down after the row before, or after the last frame of this one.
            let since = *pace.down.get_or_insert(if new > 0 { at } else { Time(at.0.saturating_sub(quiet.min(step))) });
            down = if at.since(since) >= least { lasted(at.since(since)) } else { Judged::Unknown };
            pace.gone = Some(at);
        }
        if new > 0 {
            let expected = least.max(LONGEST_TIMES * pace.longest);
            // A silence that was told teaches nothing.
            if pace.ever && quiet < expected {
                pace.longest = pace.longest.max(quiet.saturating_sub(step));
            }
            pace.rate = if pace.ever { pace.rate + (rate - pace.rate) * RATE_SHARE } else { rate };
            (pace.last, pace.ever) = (at, true);
            return (Judged::Good, down);
        }
        let was_expected = pace.rate * quiet as f64 / SECOND as f64 >= EXPECTED_LEAST;
        if !pace.ever || was_expected {
            pace.gone = Some(at);
        }
        let enough = if !port.up {
            // Then that is told.
            false
        } else if pace.ever {
            quiet >= least.max(LONGEST_TIMES * pace.longest) && was_expected
        } else {
            quiet >= NEVER_TIMES * least
        };
        (if enough { lasted(quiet) } else { Judged::Unknown }, down)
    }

    /// Whether the canary is overdue.
    fn canary(&self, sent: Option<Time>, least: u64, now: Time) -> Judged {
        match sent {
            None => Judged::Unknown,
            Some(sent) if self.back.is_some_and(|back| back >= sent) => Judged::Good,
            Some(sent) if now.since(sent) >= least => {
                let seconds = now.since(sent) / SECOND;
                Judged::Bad(Part { part: seconds, whole: seconds })
            }
            Some(_) => Judged::Unknown,
        }
    }

    /// Follows one fault: tells it when it has held, and when it is over.
    fn follow(&mut self, fault: Fault, name: String, judged: Judged, span: u64, cx: &mut Cx<'_>) {
        let now = cx.now;
        let (w, _) = self.watched.entry(&(fault, name.clone()), now, Watched::default);
        match judged {
            Judged::Unknown if !w.told.is_open() => w.bad_since = None,
            Judged::Unknown => {}
            Judged::Bad(part) => {
                w.good_since = None;
                w.well = false;
                // What is measured in seconds says itself how long it holds.
                let waits = matches!(fault, Fault::Silent | Fault::Down | Fault::Missing | Fault::Behind);
                let since = *w.bad_since.get_or_insert(if waits { Time(now.0.saturating_sub(part.whole * SECOND)) } else { now });
                w.last = now;
                if part.per_mille() >= w.worst.per_mille() {
                    w.worst = part;
                }
                if waits || now.since(since) >= span {
                    // A finding is told again each time that it has lasted twice as long.
                    if let Some(phase) = w.told.due(now.since(since) / SECOND, fault.told().2) {
                        tell(fault, &name, w, phase, cx);
                    }
                }
            }
            Judged::Good => {
                if now.since(*w.good_since.get_or_insert(now)) < span || w.well {
                    if !w.told.is_open() {
                        w.bad_since = None;
                    }
                    return;
                }
                // Told also where nothing was wrong: a fault of an earlier run may be over.
                tell(fault, &name, w, Phase::Mended, cx);
                *w = Watched { well: true, good_since: w.good_since, ..Watched::default() };
            }
        }
    }
}

impl Detector for CaptureHealth {
    fn row(&mut self, row: Row<'_>, cx: &mut Cx<'_>) {
        if let Some(s) = StatsRow::of(row) {
            return self.stats(s, cx);
        }
        if !row.env().is_canary() {
            return;
        }
        let Some(made) = DnsMessageRow::of(row).and_then(|d| d.queries().find_map(|q| canary::made(q.rrname()))) else { return };
        if self.back.is_none_or(|back| back < made) {
            self.back = Some(made);
            let seconds = cx.now.since(made) / SECOND;
            let w = Watched { bad_since: Some(made), last: made, worst: Part { part: seconds, whole: seconds }, ..Watched::default() };
            let finding = finding(CANARY, "capture_health.canary", 0, "canary", &w, cx);
            // Nothing was wrong, and nothing stays open.
            cx.tell(Phase::Mended, finding);
        }
    }

    fn time(&mut self, _: &mut Cx<'_>) {}

    fn clock(&mut self, point: &str, upto: Time, cx: &mut Cx<'_>) {
        let (behind, least) = (cx.now.since(upto) / SECOND, cx.settings.get(&OVERDUE));
        // Seen twice: where the clock was set, the first look compares it with what was stamped before.
        let judged = match (behind >= least, self.late) {
            (true, true) => Judged::Bad(Part { part: behind, whole: behind }),
            (false, _) if behind <= least / 2 => Judged::Good,
            _ => Judged::Unknown,
        };
        self.late = behind >= least;
        self.follow(Fault::Behind, point.to_owned(), judged, cx.settings.get(&EVIDENCE) * SECOND, cx);
    }

    fn finish(&mut self, cx: &mut Cx<'_>) {
        while let Some(((fault, name), mut w)) = self.watched.pop() {
            if w.told.is_open() {
                tell(fault, &name, &mut w, Phase::Close, cx);
            }
        }
    }

    fn full(&self) -> Vec<u64> {
        vec![self.watched.evicted, 0]
    }
}

fn tell(fault: Fault, name: &str, w: &mut Watched, phase: Phase, cx: &mut Cx<'_>) {
    let (template, reason, points) = fault.told();
    let finding = finding(template, reason, points, name, w, cx);
    cx.tell(phase, finding);
}

fn finding(template: &'static str, reason: &'static str, points: u32, name: &str, w: &Watched, cx: &Cx<'_>) -> Finding {
    let first = w.bad_since.unwrap_or(cx.now);
    let last = w.last.max(first);
    let lasted = last.since(first);
    let mut params = vec![("point", Value::Text(name.to_owned())), ("duration", Value::Duration(lasted))];
    params.extend(figures(w.worst));
    Finding {
        detector: INFO.name,
        key: Finding::key_of(&[template.as_bytes(), name.as_bytes()], first),
        phase: Phase::Open,
        template,
        params,
        entities: vec![Entity { name: Some(name.to_owned()), ..Entity::NOBODY }],
        reasons: vec![Reason { key: reason, points }],
        count: lasted / SECOND,
        evidence: Vec::new(),
        first,
        last,
        opens_case: template != CANARY,
        env: cx.env,
    }
}

/// What a whole capture that is over was wrong in, by the thresholds that hold by default. For replays, where nothing is told while it lasts.
pub fn over_all(row: Row<'_>) -> Vec<(Fault, Vec<Param>)> {
    let Some(s) = StatsRow::of(row) else { return Vec::new() };
    let (h, frames) = (s.health(), s.decoder().pkts());
    let of = |part, whole| Part { part, whole };
    [
        (Fault::OneWay, of(h.one_sided(), h.one_sided() + h.two_sided()), SESSIONS_LEAST, ONE_WAY.default * 10),
        (Fault::Lossy, of(h.unseen_bytes(), h.acked_bytes()), ACKED_LEAST, LOSSY.default),
        (Fault::Doubled, of(h.doubled(), frames), FRAMES_LEAST, DOUBLED.default * 10),
        (Fault::Reordered, of(h.reordered(), h.data_segments()), SEGMENTS_LEAST, REORDERED.default),
        (Fault::Truncated, of(h.truncated(), frames), FRAMES_LEAST, TRUNCATED.default * 10),
    ]
    .into_iter()
    .filter(|(_, p, least, limit)| p.whole >= *least && p.per_mille() >= *limit)
    .map(|(fault, p, ..)| (fault, figures(p)))
    .collect()
}

fn figures(p: Part) -> Vec<Param> {
    let share = Value::PerMille(p.per_mille());
    vec![("share", share), ("part", Value::Count(p.part)), ("whole", Value::Count(p.whole)), ("bytes", Value::Bytes(p.part))]
}

impl Fault {
    /// The words of its reason.
    pub fn words(self, lang: Lang) -> &'static str {
        let (template, reason, _) = self.told();
        words::TEMPLATES.iter().find(|t| t.key == template).map_or("", |t| t.words(lang).reason(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, dns_request};
    use vigie_event::Envelope;
    use vigie_sensor::stats::{Decoder, Flows, Health, Interface, Kernel, Memcap};

    /// A capture whose figures grow by what each ten seconds bring.
    struct Capture {
        bench: Bench,
        uptime: u64,
        health: Health,
        ports: Vec<Interface<'static>>,
        canary: Option<Time>,
    }

    /// Ten good seconds: 2,000 frames a port; 50 conversations, 1 MB acknowledged, 1,000 segments, a few out of order, nothing missing.
    fn good(c: &mut Capture) {
        c.health.two_sided += 50;
        c.health.acked_bytes += 1_000_000;
        c.health.data_segments += 1000;
        c.health.reordered += 2;
        c.ports.iter_mut().for_each(|p| p.frames += 2000);
    }

    impl Capture {
        fn new(names: &[&'static str]) -> Self {
            let health = Health {
                doubled: 0,
                truncated: 0,
                one_sided: 0,
                two_sided: 0,
                acked_bytes: 0,
                unseen_bytes: 0,
                unseen: 0,
                data_segments: 0,
                reordered: 0,
            };
            let port = |name: &&'static str| Interface {
                name,
                link: "up",
                frames: 0,
                kernel_drops: 0,
                card_drops: Some(0),
                card_errors: Some(0),
                doubled: 0,
                truncated: 0,
            };
            Capture { bench: Bench::of(INFO.name), uptime: 0, health, ports: names.iter().map(port).collect(), canary: None }
        }

        /// `rows` steps of ten seconds that each bring `what`.
        fn bring(&mut self, rows: u64, what: impl Fn(&mut Capture)) -> &mut Self {
            for _ in 0..rows {
                what(self);
                self.uptime += 10;
                let frames = self.ports.iter().map(|p| p.frames).sum();
                let record = Stats {
                    uptime: self.uptime,
                    capture: Some(Kernel { kernel_packets: frames, kernel_drops: 0, card_drops: 0 }),
                    decoder: Decoder {
                        pkts: frames,
                        bytes: 0,
                        invalid: 0,
                        ipv4: 0,
                        ipv6: 0,
                        tcp: 0,
                        udp: 0,
                        sctp: 0,
                        icmpv4: 0,
                        icmpv6: 0,
                        arp: 0,
                        vlan: 0,
                        tunnel: 0,
                        avg_pkt_size: 0,
                        max_pkt_size: 0,
                    },
                    flow: Flows { total: 0, peak: 0, timed_out: 0, evicted: 0, tcp_reuse: 0 },
                    memcap: Memcap { pressure: 0, pressure_max: 0 },
                    defrag: &[],
                    tcp: &[],
                    terminal: &[],
                    anomalies: &[],
                    link_types: &[],
                    caps_reached: &[],
                    dissect: &[],
                    unknown: &[],
                    events: &[],
                    health: self.health,
                    interfaces: &self.ports,
                    canary: self.canary,
                    handed_over: None,
                    packets: None,
                };
                self.bench.at(10.0).push(&record);
            }
            self
        }

        /// What was told: template, who, whether it was mended, how many seconds it lasted.
        fn told(&mut self) -> Vec<(&'static str, String, bool, u64)> {
            let told = self.bench.finish().into_iter().map(|f| {
                let who = f.entities[0].name.clone().unwrap_or_default();
                (f.template, who, f.phase == Phase::Mended, f.last.since(f.first) / SECOND)
            });
            told.collect()
        }
    }

    #[test]
    fn each_fault_is_told_after_a_minute_and_mended() {
        type Fault = (&'static str, fn(&mut Capture));
        let faults: [Fault; 8] = [
            ("one_way", |c| (c.health.one_sided, c.health.two_sided) = (c.health.one_sided + 45, c.health.two_sided - 45)),
            ("lossy", |c| (c.health.unseen_bytes, c.health.unseen) = (c.health.unseen_bytes + 30_000, c.health.unseen + 20)),
            ("kernel", |c| c.ports[0].kernel_drops += 100),
            ("card", |c| c.ports[0].card_drops = c.ports[0].card_drops.map(|n| n + 100)),
            ("damaged", |c| c.ports[0].card_errors = c.ports[0].card_errors.map(|n| n + 100)),
            ("doubled", |c| c.ports[0].doubled += 1000),
            ("reordered", |c| c.health.reordered += 100),
            ("truncated", |c| c.ports[0].truncated += 1500),
        ];
        for (name, fault) in faults {
            let mut c = Capture::new(&["eth1"]);
            let bad = |c: &mut Capture| {
                good(c);
                fault(c);
            };
            c.bring(30, good).bring(20, bad).bring(30, good);
            let told = c.told();
            assert_eq!(told.len(), 1, "{name}: {told:?}");
            assert_eq!((told[0].0, told[0].1.as_str(), told[0].2), (name, "eth1", true));
            // It lasted 200 s; a minute's mean turns bad and good again a little later.
            assert!((170..=260).contains(&told[0].3), "{name}: {told:?}");
            // Half a minute of it is not told.
            let mut c = Capture::new(&["eth1"]);
            c.bring(30, good).bring(1, bad).bring(30, good);
            assert_eq!(c.told(), [], "{name}");
        }
    }

    #[test]
    fn what_the_card_or_the_kernel_lost_is_not_laid_on_the_mirror() {
        let mut c = Capture::new(&["eth1"]);
        c.bring(60, |c| {
            good(c);
            c.ports[0].kernel_drops += 300;
            (c.health.unseen_bytes, c.health.unseen) = (c.health.unseen_bytes + 100_000, c.health.unseen + 80);
        });
        assert_eq!(c.told().iter().map(|t| t.0).collect::<Vec<_>>(), ["kernel"]);
        // On a quiet network minutes pass until enough was acknowledged to judge by: what was lost in them is that loss still.
        let mut c = Capture::new(&["eth1"]);
        let quiet = |c: &mut Capture| {
            good(c);
            c.health.acked_bytes -= 990_000;
        };
        let lost = |c: &mut Capture| {
            quiet(c);
            c.ports[0].kernel_drops += 1000;
            (c.health.unseen_bytes, c.health.unseen) = (c.health.unseen_bytes + 4000, c.health.unseen + 8);
        };
        c.bring(30, quiet).bring(15, lost).bring(60, quiet);
        assert_eq!(c.told().iter().map(|t| (t.0, t.2)).collect::<Vec<_>>(), [("kernel", true)]);
    }

    /// Ten seconds of a split tap of which the second interface brings one frame in `n`; where that is next to none, the conversations lack
    /// its side.
    fn split(n: u64) -> impl Fn(&mut Capture) {
        move |c| {
            good(c);
            c.ports[1].frames -= 2000 - 2000 / n;
            if n > 1 {
                (c.health.one_sided, c.health.two_sided) = (c.health.one_sided + 50, c.health.two_sided - 50);
                // Conversations that were open lack what they acknowledge.
                (c.health.unseen_bytes, c.health.unseen) = (c.health.unseen_bytes + 30_000, c.health.unseen + 20);
            }
        }
    }

    #[test]
    fn of_a_split_tap_the_interface_is_named_that_lacks() {
        // Nothing at all comes: that is told, and not what follows from it.
        let mut c = Capture::new(&["eth1", "eth2"]);
        c.bring(30, split(1)).bring(20, split(10_000)).bring(30, split(1));
        assert_eq!(c.told().iter().map(|t| (t.0, t.1.as_str(), t.2)).collect::<Vec<_>>(), [("silent", "eth2", true)]);
        // From the beginning.
        let mut c = Capture::new(&["eth1", "eth2"]);
        c.bring(30, split(10_000)).bring(30, split(1));
        assert_eq!(c.told().iter().map(|t| (t.0, t.1.as_str(), t.2)).collect::<Vec<_>>(), [("silent", "eth2", true)]);
        // Its cable is pulled.
        let mut c = Capture::new(&["eth1", "eth2"]);
        c.bring(30, split(1)).bring(20, |c| {
            split(10_000)(c);
            c.ports[1].link = "down";
        });
        c.ports[1].link = "up";
        c.bring(30, split(1));
        assert_eq!(c.told().iter().map(|t| (t.0, t.1.as_str(), t.2)).collect::<Vec<_>>(), [("down", "eth2", true)]);
        // Broadcasts still come: its side of the conversations is missing, and it stays its side however long that lasts.
        let mut c = Capture::new(&["eth1", "eth2"]);
        let whole = |n: u64| {
            move |c: &mut Capture| {
                let (bytes, holes) = (c.health.unseen_bytes, c.health.unseen);
                split(n)(c);
                (c.health.unseen_bytes, c.health.unseen) = (bytes, holes);
            }
        };
        c.bring(30, whole(1));
        // It begins within ten seconds, of which it brought half, and is bad at once.
        c.bring(1, |c| {
            whole(2)(c);
            c.health.one_sided += 400;
        });
        c.bring(120, whole(100)).bring(80, whole(1));
        assert_eq!(c.told().iter().map(|t| (t.0, t.1.as_str(), t.2)).collect::<Vec<_>>(), [("one_way", "eth2", true)]);
        // Both bring what they always brought: it is not theirs to be told apart.
        let mut c = Capture::new(&["eth1", "eth2"]);
        c.bring(30, good).bring(20, |c| {
            good(c);
            (c.health.one_sided, c.health.two_sided) = (c.health.one_sided + 45, c.health.two_sided - 45);
        });
        assert_eq!(c.told().iter().map(|t| (t.0, t.1.as_str(), t.2)).collect::<Vec<_>>(), [("one_way", "eth1 + eth2", false)]);
    }

    #[test]
    fn what_an_interface_counts_is_told_of_it_alone() {
        type Fault = (&'static str, fn(&mut Interface<'static>));
        let faults: [Fault; 5] = [
            ("kernel", |p| p.kernel_drops += 100),
            ("card", |p| p.card_drops = p.card_drops.map(|n| n + 100)),
            ("damaged", |p| p.card_errors = p.card_errors.map(|n| n + 100)),
            ("doubled", |p| p.doubled += 1000),
            ("truncated", |p| p.truncated += 1500),
        ];
        for (name, fault) in faults {
            let mut c = Capture::new(&["eth1", "eth2"]);
            c.bring(30, good).bring(20, |c| {
                good(c);
                fault(&mut c.ports[1]);
                if name != "doubled" {
                    (c.health.unseen_bytes, c.health.unseen) = (c.health.unseen_bytes + 30_000, c.health.unseen + 20);
                }
            });
            c.bring(30, good);
            assert_eq!(c.told().iter().map(|t| (t.0, t.1.as_str(), t.2)).collect::<Vec<_>>(), [(name, "eth2", true)], "{name}");
        }
    }

    #[test]
    fn judgement_that_falls_behind_the_clock_is_told_and_is_over() {
        let (mut c, begin) = (Capture::new(&["eth1"]), Time::from_secs(1_700_000_000));
        let mut look = |clock: u64, upto: u64| {
            let at = |s: u64| Time(begin.0 + s * SECOND);
            c.bench.clock(at(clock), "eth1", at(upto));
        };
        // A step of the clock is seen once by what was stamped before.
        look(10, 10);
        look(3610, 10);
        look(3611, 3611);
        (0..119).for_each(|s| look(3611 + s, 3611));
        (119..150).for_each(|s| look(3611 + s, 3611));
        (150..211).for_each(|s| look(3611 + s, 3611 + s));
        assert_eq!(c.told(), [("behind", "eth1".to_owned(), true, 149)]);
    }

    #[test]
    fn one_of_two_interfaces_falls_silent_and_comes_back() {
        let mut c = Capture::new(&["eth1", "eth2"]);
        c.bring(30, good).bring(10, |c| c.ports[0].frames += 2000).bring(12, good);
        assert_eq!(c.told(), [("silent", "eth2".to_owned(), true, 100)]);
    }

    #[test]
    fn a_cable_pulled_is_told_and_nothing_from_the_beginning_is_too() {
        let mut c = Capture::new(&["eth1"]);
        c.bring(3, |c| c.ports[0].frames += 1).bring(6, |c| c.ports[0].link = "down");
        assert_eq!(c.told(), [("down", "eth1".to_owned(), false, 60)]);
        let mut c = Capture::new(&["eth1"]);
        c.bring(17, |_| {});
        assert_eq!(c.told(), []);
        let mut c = Capture::new(&["eth1"]);
        c.bring(18, |_| {});
        assert_eq!(c.told(), [("silent", "eth1".to_owned(), false, 180)]);
    }

    #[test]
    fn a_quiet_network_a_few_other_ways_and_an_upstream_that_loses_are_healthy() {
        let mut c = Capture::new(&["eth1"]);
        // A frame a minute, for an hour; then an office where two conversations in ten return another way.
        for _ in 0..60 {
            c.bring(1, |c| c.ports[0].frames += 1).bring(5, |_| {});
        }
        c.bring(60, |c| {
            good(c);
            (c.health.one_sided, c.health.two_sided) = (c.health.one_sided + 10, c.health.two_sided - 10);
            // Loss beyond the mirror is sent again, and seen; a hundredth comes out of order.
            c.health.reordered += 10;
            (c.health.unseen_bytes, c.health.unseen) = (c.health.unseen_bytes + 3000, c.health.unseen + 2);
        });
        assert_eq!(c.told(), []);
    }

    #[test]
    fn bursts_after_silences_are_known_as_such() {
        let mut c = Capture::new(&["eth1"]);
        for _ in 0..12 {
            c.bring(1, |c| c.ports[0].frames += 100).bring(29, |_| {});
        }
        let told = c.told();
        assert!(told.len() <= 1, "{told:?}");
    }

    #[test]
    fn few_conversations_are_judged_over_longer() {
        let mut c = Capture::new(&["eth1"]);
        c.bring(60, |c| {
            c.ports[0].frames += 20;
            c.health.one_sided += 1;
        });
        assert_eq!(c.told().iter().map(|t| t.0).collect::<Vec<_>>(), ["one_way"]);
    }

    #[test]
    fn a_canary_that_does_not_come_back_is_told_and_one_that_does_is_not() {
        let mut c = Capture::new(&["eth1"]);
        c.canary = Some(c.bench.env.ts);
        c.bring(11, good);
        assert_eq!(c.told(), []);
        let mut c = Capture::new(&["eth1"]);
        let made = c.bench.env.ts;
        c.canary = Some(made);
        c.bring(20, good);
        let before = c.bench.env;
        c.bench.env = Envelope { tunnel: canary::TUNNEL, ..before };
        c.bench.push(&dns_request(&[(canary::name(made).as_bytes(), b"A")]));
        c.bench.env = before;
        assert_eq!(c.bench.out.last().map(|f| (f.template, f.opens_case, f.first)), Some((CANARY, false, made)));
        c.bring(8, good);
        let told = c.told();
        assert_eq!(told.iter().map(|t| (t.0, t.2)).collect::<Vec<_>>(), [("missing", true)], "{told:?}");
        // What comes off a wire is none, whatever it asks for.
        let mut b = Bench::of(INFO.name);
        b.push(&dns_request(&[(canary::name(made).as_bytes(), b"A")]));
        assert!(b.finish().is_empty());
    }
}
