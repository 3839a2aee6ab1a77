//! Several readers, each with the flows that it owns: how interfaces are read by more than one thread.
//!
//! A lane reads its own frames and takes their packets to events in one thread, without a copy. The kernel gives a lane the frames between
//! addresses that it owns (`vigie_capture::live`), but cannot look into tunnels: a packet of another lane's is handed over, copied
//! once, as a load. A lane's events are final up to the time that it and every other one have passed.
//!
//! A lane that is ahead of the slowest waits, and what comes waits in its ring: else its events would wait behind it, without bound. Nobody
//! waits without taking what others hand over meanwhile, so that full queues empty; what is not read in time is the kernel's to drop and
//! count.

use crate::Settings;
use crate::batches::Slice;
use crate::front::Front;
use crate::merge::{Fold, Merger, Watermark};
use crate::run::{Counting, LOAD_BYTES, LOADS_MAX, Load, Summary, close};
use crate::worker::{Counted, Worker};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use vigie_base::{Budget, Time, time::MILLISECOND};
use vigie_capture::{Frame, Input, Status};
use vigie_flow::key::owner;

/// Packets after which a load is handed over.
const HANDED_ITEMS: usize = 256;
/// The same by bytes.
const HANDED_BYTES: usize = LOAD_BYTES / 4;
/// Event time after which what there is is handed over, and the time is told.
const HANDED_EVERY: u64 = 10 * MILLISECOND;
/// Event time after which the merger is given what there is: what one lane has waits there for all others.
const GIVEN_EVERY: u64 = 50 * MILLISECOND;
/// How far a lane reads ahead of the slowest, which bounds what waits for that one. Rings are read up to [`PATIENCE_ALONE`] late where they are
/// silent, and handed over some 40 ms late by the kernel.
const AHEAD_MAX: u64 = 250 * MILLISECOND;
/// Milliseconds that a lane waits for frames of its own while others hand over to it, and for how much event time after.
const PATIENCE: u64 = 2;
const PATIENT_AFTER: u64 = 1000 * MILLISECOND;
/// The same where nobody does.
const PATIENCE_ALONE: u64 = 100;
/// Looks for the slowest of a lane that is ahead, before it reads on all the same.
const TURNS_MAX: u32 = 1000;
/// How long a lane that waits for another looks only at its own queue.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What loads between lanes take at most: those being filled, those that wait, and one being worked on, each up to a burst of full blocks
/// over its mark.
pub(crate) const fn handed(workers: u64) -> Budget {
    Budget {
        name: "workers.handed",
        entries_max: workers * (workers - 1 + LOADS_MAX as u64 + 1),
        entry_bytes: Load::bytes_max(HANDED_ITEMS, HANDED_BYTES),
        when_full: "the worker waits, and its rings fill",
    }
}

/// What a lane gives the merger.
enum Word {
    Slice(usize, Slice, Watermark),
    /// What it counted so far, or in all.
    Counted(usize, Box<Summary>),
}

/// How far lanes are, as each tells the others.
struct Progress {
    /// The time up to which everything of others was handed over, by lane.
    upto: Vec<AtomicU64>,
    /// Whether nothing more will be.
    over: Vec<AtomicBool>,
}

impl Progress {
    /// Told behind what is handed over, so that who reads it finds that in the queue.
    fn tell(&self, lane: usize, now: Time) {
        self.upto[lane].store(now.0, Ordering::Release);
    }

    /// The time that every lane has passed; where all are over, the latest.
    fn passed(&self) -> Time {
        let lanes = || self.over.iter().map(|o| o.load(Ordering::Acquire)).zip(&self.upto);
        let least = lanes().filter(|(is_over, _)| !is_over).map(|(_, upto)| upto.load(Ordering::Acquire)).min();
        Time(least.or_else(|| self.upto.iter().map(|upto| upto.load(Ordering::Acquire)).max()).unwrap_or(0))
    }

    fn is_over(&self) -> bool {
        self.over.iter().all(|o| o.load(Ordering::Acquire))
    }
}

/// Says that a lane is over, also where it panics: the others do not wait for it.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Reads all of `inputs` to their ends, a thread each; gives events in order to `fold`. All packets between two addresses must come through
/// one input, in order.
pub fn run_each<I: Input + Send>(inputs: &mut [I], settings: &Settings, fold: &mut impl Fold) -> Summary {
    let lanes = inputs.len();
    let mut settings = Settings { workers: crate::Workers(lanes), ..settings.clone() };
    if let [input] = inputs {
        return crate::run(input, &settings, fold, |_| crate::Control::Go);
    }
    settings.defrag.bytes_max /= lanes.max(1) as u64;
    let (to_merger, from_lanes) = sync_channel::<Word>(4 * lanes);
    let (to_lanes, queues): (Vec<_>, Vec<_>) = (0..lanes).map(|_| sync_channel::<Load>(LOADS_MAX)).unzip();
    let progress =
        Progress { upto: (0..lanes).map(|_| AtomicU64::new(0)).collect(), over: (0..lanes).map(|_| AtomicBool::new(false)).collect() };
    std::thread::scope(|scope| {
        for (number, (input, from_others)) in inputs.iter_mut().zip(queues).enumerate() {
            let lane = Lane {
                number,
                front: Front::new(&settings),
                worker: Worker::new(&settings, Slice::new()),
                loads: (0..lanes).map(|_| Load::default()).collect(),
                handed_over: 0,
                handed: Time(0),
                taken: None,
                given: Time(0),
                progress: &progress,
                to_others: to_lanes.clone(),
                from_others,
                to_merger: to_merger.clone(),
            };
            scope.spawn(|| lane.run(input));
        }
        drop((to_lanes, to_merger));
        let mut merger = Merger::new(lanes);
        let mut counted: Vec<(Summary, bool)> = vec![(Summary::default(), false); lanes];
        let sum = |counted: &[(Summary, bool)]| Summary::of(counted.iter().map(|(s, _)| s), settings.dissect.memory_max);
        for word in from_lanes {
            match word {
                Word::Slice(lane, slice, watermark) => {
                    merger.add(lane, slice, watermark);
                    merger.drain(fold);
                }
                Word::Counted(lane, summary) => {
                    counted[lane] = (*summary, true);
                    // A lane that is ahead of another may stand in for it: the sum is then some frames off, until the next.
                    if counted.iter().all(|(_, is_new)| *is_new) {
                        fold.counted(&Summary { early: merger.early, ..sum(&counted) });
                        counted.iter_mut().for_each(|(_, is_new)| *is_new = false);
                    }
                }
            }
        }
        Summary { early: merger.early, ..sum(&counted) }
    })
}

struct Lane<'a> {
    number: usize,
    front: Front,
    worker: Worker,
    /// What goes to each of the others.
    loads: Vec<Load>,
    /// Packets handed over.
    handed_over: u64,
    /// The time when that was last done.
    handed: Time,
    /// The time when something of another's was last taken.
    taken: Option<Time>,
    /// The time when the merger was last given something.
    given: Time,
    progress: &'a Progress,
    to_others: Vec<SyncSender<Load>>,
    from_others: Receiver<Load>,
    to_merger: SyncSender<Word>,
}

impl Lane<'_> {
    fn run<I: Input>(mut self, input: &mut I) {
        let over = Over(&self.progress.over[self.number]);
        let (mut counting, mut first) = (Counting::default(), None);
        loop {
            // Where its clock was set back, the slowest does not come on.
            let mut turns = 0;
            while turns < TURNS_MAX && self.front.now().since(self.progress.passed()) > AHEAD_MAX {
                self.take_one();
                turns = if self.front.is_behind() { TURNS_MAX } else { turns + 1 };
            }
            let Lane { number, front, worker, loads, handed_over, .. } = &mut self;
            let status = input.next_batch(&mut |frames: &[Frame<'_>]| {
                for frame in frames {
                    front.frame(frame, |item| {
                        let to = owner(item.packet, loads.len());
                        if to == *number {
                            return worker.packet(item);
                        }
                        *handed_over += 1;
                        loads[to].add(&item);
                    });
                }
            });
            if first.is_none() && self.front.frames.pkts > 0 {
                first = input.first();
            }
            if let Status::Idle(now) = status {
                self.front.idle(now);
            }
            let now = self.front.now();
            if status != Status::More
                || now.since(self.handed) >= HANDED_EVERY
                || self.loads.iter().any(|l| l.is_over(HANDED_ITEMS, HANDED_BYTES))
            {
                self.hand_over(now);
            }
            self.take(status == Status::End || now.since(self.given) >= GIVEN_EVERY);
            if counting.is_due(now) {
                self.count(self.worker.counted(), first, input);
            }
            if status == Status::End {
                break;
            }
            let is_met = self.taken.is_some_and(|taken| now.since(taken) < PATIENT_AFTER);
            input.patience(if is_met { PATIENCE } else { PATIENCE_ALONE });
        }
        drop(over);
        while !self.progress.is_over() {
            self.take_one();
        }
        self.take(true);
        let (number, to_merger) = (self.number, self.to_merger.clone());
        let counted = self.worker.finish(self.progress.passed(), |slice, watermark| {
            let _ = to_merger.send(Word::Slice(number, slice, watermark));
            Slice::new()
        });
        self.count(counted, first, input);
    }

    /// Gives the others what is theirs, and tells how far this lane is.
    fn hand_over(&mut self, now: Time) {
        self.handed = now;
        for to in 0..self.loads.len() {
            let mut load = std::mem::take(&mut self.loads[to]);
            // A lane that is gone has panicked: its thread's end tells.
            while !load.is_empty()
                && let Err(TrySendError::Full(back)) = self.to_others[to].try_send(load)
            {
                load = back;
                self.take_one();
            }
        }
        self.progress.tell(self.number, now);
    }

    /// Takes what others handed over, and gives the merger what is final, where it is due or `now`.
    fn take(&mut self, now: bool) {
        let passed = self.progress.passed();
        while let Ok(load) = self.from_others.try_recv() {
            self.taken = Some(self.front.now());
            load.give(&mut self.worker);
        }
        if now || self.worker.is_due() {
            self.given = self.front.now();
            let (slice, watermark) = self.worker.flush(passed, Slice::new());
            // The merger goes only when every lane is done: nothing to do about a word that it does not take.
            let _ = self.to_merger.send(Word::Slice(self.number, slice, watermark));
        }
    }

    /// Waits a moment for something that another hands over.
    fn take_one(&mut self) {
        if let Ok(load) = self.from_others.recv_timeout(LOOK_AGAIN) {
            load.give(&mut self.worker);
        }
        self.take(false);
    }

    fn count<I: Input>(&self, counted: Counted, first: Option<Time>, input: &I) {
        let summary = Summary { handed_over: self.handed_over, ..Summary::default() };
        let summary = close(summary.with(counted), &self.front, (first, input.captured()));
        let _ = self.to_merger.send(Word::Counted(self.number, Box::new(summary)));
    }
}
