//! Frames of one input through the sensor: one thread with one worker, a reader and worker threads beyond.

use crate::Settings;
use crate::batches::Slice;
use crate::front::{Front, Item};
use crate::keep;
use crate::merge::{Fold, Merger, Watermark};
use crate::stats::Frames;
use crate::worker::{Counted, Worker};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use vigie_base::{Budget, Time};
use vigie_capture::{Capture, Captured, Frame, Input, LinkType, Status};
use vigie_decode::Packet;
use vigie_flow::key::owner;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Read on.
    Go,
    /// Stop reading and close what is open: the rest is told as far as it was seen.
    Stop,
}

/// What a sensor counted.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Frames.
    pub frames: Frames,
    /// Flows.
    pub flow: vigie_flow::Counters,
    /// Streams.
    pub stream: vigie_stream::Counters,
    /// Defragmentation.
    pub defrag: vigie_flow::defrag::Counters,
    /// Dissection.
    pub dissect: vigie_dissect::Counters,
    /// Bytes that dissections held at the end.
    pub held: u64,
    /// The most that they may hold.
    pub held_limit: u64,
    /// Flows that no protocol claimed: transport, server port, first bytes, how many.
    pub unknown: Vec<vigie_dissect::UnknownFlows>,
    /// First and last frame.
    pub span: Option<(Time, Time)>,
    /// What the kernel counted, live.
    pub captured: Option<Captured>,
    /// Packets that another worker read than the one that owns them, where each reads its own frames.
    pub handed_over: u64,
    /// Events given before their turn, since too many waited for it.
    pub early: u64,
    /// What became of packets that were to be kept, where some are.
    pub packets: Option<keep::Counters>,
    /// Whether it was stopped before the end of its input.
    pub stopped: bool,
}

impl Summary {
    /// What workers counted that read their own frames each, together.
    pub(crate) fn of<'a>(workers: impl Iterator<Item = &'a Summary>, held_limit: u64) -> Summary {
        let mut all = Summary { held_limit, ..Summary::default() };
        for one in workers {
            let one = one.clone();
            all.add(Counted {
                flow: one.flow,
                stream: one.stream,
                dissect: one.dissect,
                held: one.held,
                unknown: one.unknown,
                packets: one.packets,
            });
            all.frames.add(&one.frames);
            all.defrag.add(&one.defrag);
            all.handed_over += one.handed_over;
            all.span = match (all.span, one.span) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            };
            match (&mut all.captured, one.captured) {
                (Some(all), Some(one)) => all.add(&one),
                (none, one) => *none = one,
            }
        }
        all
    }

    /// With what its only worker counted.
    pub(crate) fn with(mut self, counted: Counted) -> Summary {
        self.add(counted);
        self
    }

    fn add(&mut self, c: Counted) {
        self.flow.flows += c.flow.flows;
        self.flow.evicted += c.flow.evicted;
        self.flow.tcp_reuse += c.flow.tcp_reuse;
        self.flow.peak += c.flow.peak;
        self.flow.timed_out += c.flow.timed_out;
        self.stream.add(&c.stream);
        let (d, e) = (&mut self.dissect, c.dissect);
        d.told += e.told;
        d.unknown += e.unknown;
        d.given_up += e.given_up;
        d.buffer_full += e.buffer_full;
        d.expect_full += e.expect_full;
        d.inflate_full += e.inflate_full;
        d.memory_full += e.memory_full;
        d.held_max += e.held_max;
        self.held += c.held;
        if let Some(p) = &c.packets {
            self.packets.get_or_insert_default().add(p);
        }
        for (k, n) in c.unknown {
            match self.unknown.binary_search_by_key(&k, |(k, _)| *k) {
                Ok(i) => self.unknown[i].1 += n,
                Err(i) => self.unknown.insert(i, (k, n)),
            }
        }
    }

    /// Caps that were reached, by name, with how often; empty where none was.
    pub fn caps_reached(&self) -> Vec<(&'static str, u64)> {
        [
            ("flow.table", self.flow.evicted),
            ("defrag.datagrams", self.defrag.datagrams_reached),
            ("defrag.bytes", self.defrag.bytes_reached),
            ("dissect.buffer", self.dissect.buffer_full),
            ("dissect.expect", self.dissect.expect_full),
            ("dissect.inflate", self.dissect.inflate_full),
            ("dissect.memory", self.dissect.memory_full),
            ("stream.memory", self.stream.memory_reached),
            ("stream.direction", self.stream.flow_limit_reached),
            ("events.slices", self.early),
            ("packets.ring", self.packets.map_or(0, |p| p.dropped)),
        ]
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .collect()
    }
}

/// Reads `input` to its end; gives events in order to `fold`, and asks `progress` between bursts whether to go on.
pub fn run<I: Input + Send>(
    input: &mut I,
    settings: &Settings,
    fold: &mut impl Fold,
    mut progress: impl FnMut(&I) -> Control + Send,
) -> Summary {
    let summary =
        if settings.workers.0 <= 1 { alone(input, settings, fold, &mut progress) } else { shared(input, settings, fold, &mut progress) };
    Summary { held_limit: settings.dissect.memory_max, ..summary }
}

/// Bursts between two looks at the progress.
const LOOK_EVERY: u32 = 16;
/// Seconds of event time between two accounts of what was counted so far.
const COUNT_EVERY: u64 = 10;

/// When the next account is due.
#[derive(Default)]
pub(crate) struct Counting(Option<u64>);

impl Counting {
    pub(crate) fn is_due(&mut self, now: Time) -> bool {
        let period = now.secs() / COUNT_EVERY;
        self.0.replace(period).is_some_and(|before| before != period)
    }
}

fn alone<I: Input>(input: &mut I, settings: &Settings, fold: &mut impl Fold, progress: &mut impl FnMut(&I) -> Control) -> Summary {
    let mut front = Front::new(settings);
    let mut merger = Merger::new(1);
    let mut worker = Worker::new(settings, merger.spare());
    let (mut stopped, mut first, mut counting) = (false, None, Counting::default());
    for round in 0u32.. {
        let status = input.next_batch(&mut |frames: &[Frame<'_>]| {
            for frame in frames {
                front.frame(frame, |item| worker.packet(item));
            }
        });
        if first.is_none() && front.frames.pkts > 0 {
            first = input.first();
        }
        if let Status::Idle(now) = status {
            front.idle(now);
        }
        if worker.is_due() || status != Status::More {
            let (slice, watermark) = worker.flush(front.now(), merger.spare());
            merger.add(0, slice, watermark);
            merger.drain(fold);
            if counting.is_due(front.now()) {
                let so_far = Summary { held_limit: settings.dissect.memory_max, early: merger.early, ..Summary::default() };
                let so_far = so_far.with(worker.counted());
                fold.counted(&close(so_far, &front, (first, input.captured())));
            }
        }
        if status == Status::End {
            break;
        }
        if (round % LOOK_EVERY == 0 || status != Status::More) && progress(input) == Control::Stop {
            stopped = true;
            break;
        }
    }
    let counted = worker.finish(front.now(), |slice, watermark| {
        merger.add(0, slice, watermark);
        merger.drain(fold);
        merger.spare()
    });
    close(Summary { stopped, early: merger.early, ..Summary::default() }.with(counted), &front, (first, input.captured()))
}

/// What an input says of itself: the time of its first frame, and what the kernel counted.
pub(crate) type Told = (Option<Time>, Option<Captured>);

pub(crate) fn close(mut summary: Summary, front: &Front, (first, captured): Told) -> Summary {
    // An interface is watched from its opening on, though nothing comes.
    let first = captured.as_ref().map(|c| c.since).or(first);
    summary.captured = captured;
    summary.defrag.add(&front.defrag().counters);
    summary.span = first.map(|f| (f, front.now()));
    summary.frames = front.frames.clone();
    summary
}

/// A packet of a load: its bytes are those from `start` to `end` of the load's.
struct Loaded {
    packet: Packet,
    time: Time,
    len: u32,
    number: u64,
    start: u32,
    end: u32,
    link: LinkType,
    source: u16,
}

/// Packets for one worker, copied once.
#[derive(Default)]
pub(crate) struct Load {
    items: Vec<Loaded>,
    bytes: Vec<u8>,
}

impl Load {
    /// What one takes at most that is sent once it is over these marks: a burst of full blocks may come above them.
    pub(crate) const fn bytes_max(items: usize, bytes: usize) -> u64 {
        ((items + vigie_capture::BURST) * 2 * size_of::<Loaded>() + 2 * bytes + (1 << 20)) as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether it holds as many packets or bytes.
    pub(crate) fn is_over(&self, items: usize, bytes: usize) -> bool {
        self.items.len() >= items || self.bytes.len() >= bytes
    }

    /// Gives its packets to the worker that it is for.
    pub(crate) fn give(&self, worker: &mut Worker) {
        for l in &self.items {
            let bytes = &self.bytes[l.start as usize..l.end as usize];
            let Loaded { packet, time, len, number, link, source, .. } = l;
            worker.packet(Item { packet, bytes, time: *time, len: *len, number: *number, link: *link, source: *source });
        }
    }

    pub(crate) fn add(&mut self, item: &Item<'_>) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(item.bytes);
        self.items.push(Loaded {
            packet: *item.packet,
            time: item.time,
            len: item.len,
            number: item.number,
            start,
            end: self.bytes.len() as u32,
            link: item.link,
            source: item.source,
        });
    }
}

/// What the reader gives a worker.
struct Turn {
    load: Load,
    now: Time,
    over: bool,
    /// Whether an account is asked for.
    count: bool,
}

/// What a worker thread gives back.
enum Word {
    Slice(usize, Slice, Watermark),
    /// What one worker counted so far.
    Counted(Box<Counted>),
    /// What the reader counted so far: as many accounts of workers belong to it.
    Front(Box<Summary>),
    Done(Box<Counted>),
}

/// Loads that may wait for one worker.
pub(crate) const LOADS_MAX: usize = 8;
/// Packets and bytes after which a load is sent.
const LOAD_ITEMS: usize = 1024;
pub(crate) const LOAD_BYTES: usize = 256 << 10;

/// What loads take at most: those that wait, one being filled and one being worked on.
pub(crate) const fn loads(workers: u64) -> Budget {
    Budget {
        name: "workers.loads",
        entries_max: workers * (LOADS_MAX as u64 + 2),
        entry_bytes: Load::bytes_max(LOAD_ITEMS, LOAD_BYTES),
        when_full: "the reader waits",
    }
}

fn shared<I: Input + Send>(
    input: &mut I,
    settings: &Settings,
    fold: &mut impl Fold,
    progress: &mut (impl FnMut(&I) -> Control + Send),
) -> Summary {
    let workers = settings.workers.0;
    let (to_merger, from_workers) = sync_channel::<Word>(4 * workers);
    std::thread::scope(|scope| {
        let mut to_workers: Vec<SyncSender<Turn>> = Vec::new();
        for number in 0..workers {
            let (give, take) = sync_channel::<Turn>(LOADS_MAX);
            to_workers.push(give);
            let to_merger = to_merger.clone();
            scope.spawn(move || work(number, settings, &take, &to_merger));
        }
        let reader = scope.spawn(move || Reader::new(settings, to_workers, to_merger).read(input, progress));
        let mut merger = Merger::new(workers);
        let mut summary = Summary::default();
        // Accounts come in turn: each worker gives its own once for each of the reader's, and in their order.
        let mut accounts = Accounts { workers, held_limit: settings.dissect.memory_max, fronts: VecDeque::new(), counted: VecDeque::new() };
        for word in from_workers {
            match word {
                Word::Slice(worker, slice, watermark) => merger.add(worker, slice, watermark),
                Word::Front(front) => accounts.fronts.push_back(*front),
                Word::Counted(counted) => accounts.counted.push_back(*counted),
                Word::Done(counted) => summary.add(*counted),
            }
            merger.drain(fold);
            if let Some(so_far) = accounts.next() {
                fold.counted(&Summary { early: merger.early, ..so_far });
            }
        }
        match reader.join() {
            Ok((front, told, stopped)) => {
                (summary.stopped, summary.early) = (stopped, merger.early);
                close(summary, &front, told)
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Accounts of the reader and of the workers that wait for one another.
struct Accounts {
    workers: usize,
    held_limit: u64,
    fronts: VecDeque<Summary>,
    counted: VecDeque<Counted>,
}

impl Accounts {
    /// The next one that is whole. A worker that is ahead of another may stand in for it: the sum is then some loads off, until the next.
    fn next(&mut self) -> Option<Summary> {
        if self.counted.len() < self.workers {
            return None;
        }
        let mut summary = Summary { held_limit: self.held_limit, ..self.fronts.pop_front()? };
        self.counted.drain(..self.workers).for_each(|c| summary.add(c));
        Some(summary)
    }
}

/// The thread that reads: frames to packets, packets to their owners.
struct Reader {
    front: Front,
    loads: Vec<Load>,
    to_workers: Vec<SyncSender<Turn>>,
    to_merger: SyncSender<Word>,
    counting: Counting,
}

impl Reader {
    fn new(settings: &Settings, to_workers: Vec<SyncSender<Turn>>, to_merger: SyncSender<Word>) -> Self {
        let loads = to_workers.iter().map(|_| Load::default()).collect();
        Reader { front: Front::new(settings), loads, to_workers, to_merger, counting: Counting::default() }
    }

    fn read<I: Input>(mut self, input: &mut I, progress: &mut impl FnMut(&I) -> Control) -> (Front, Told, bool) {
        let (mut stopped, mut first) = (false, None);
        for round in 0u32.. {
            let Reader { front, loads, to_workers, .. } = &mut self;
            let status = input.next_batch(&mut |frames: &[Frame<'_>]| {
                for frame in frames {
                    front.frame(frame, |item| loads[owner(item.packet, to_workers.len())].add(&item));
                }
            });
            if first.is_none() && front.frames.pkts > 0 {
                first = input.first();
            }
            if let Status::Idle(now) = status {
                front.idle(now);
            }
            // Every worker learns the time with every load, so that its silence does not hold the others' rows back.
            if status != Status::More || loads.iter().any(|l| l.is_over(LOAD_ITEMS, LOAD_BYTES)) {
                self.send((first, input.captured()), false);
            }
            if status == Status::End {
                break;
            }
            if (round % LOOK_EVERY == 0 || status != Status::More) && progress(input) == Control::Stop {
                stopped = true;
                break;
            }
        }
        let told = (first, input.captured());
        self.send(told.clone(), true);
        (self.front, told, stopped)
    }

    fn send(&mut self, told: Told, over: bool) {
        let now = self.front.now();
        let count = self.counting.is_due(now);
        for (load, to) in self.loads.iter_mut().zip(&self.to_workers) {
            // A worker that is gone has panicked: its thread's end tells.
            let _ = to.send(Turn { load: std::mem::take(load), now, over, count });
        }
        if count {
            let _ = self.to_merger.send(Word::Front(Box::new(close(Summary::default(), &self.front, told))));
        }
    }
}

fn work(number: usize, settings: &Settings, from_reader: &Receiver<Turn>, to_merger: &SyncSender<Word>) {
    let mut worker = Worker::new(settings, Slice::new());
    for turn in from_reader {
        turn.load.give(&mut worker);
        // The merger goes only when every worker is done: nothing to do about a word that it does not take.
        if turn.over {
            let counted = worker.finish(turn.now, |slice, watermark| {
                let _ = to_merger.send(Word::Slice(number, slice, watermark));
                Slice::new()
            });
            let _ = to_merger.send(Word::Done(Box::new(counted)));
            return;
        }
        let (slice, watermark) = worker.flush(turn.now, Slice::new());
        if to_merger.send(Word::Slice(number, slice, watermark)).is_err() {
            return;
        }
        if turn.count {
            let _ = to_merger.send(Word::Counted(Box::new(worker.counted())));
        }
    }
}

/// Any bytes as a capture, all the way to events, which are counted; also with three workers. For fuzzers.
pub fn fuzz(data: &[u8]) {
    struct Count(u64);
    impl Fold for Count {
        fn row(&mut self, row: vigie_event::Row<'_>) {
            let mut line = Vec::new();
            vigie_event::eve::write(row, &mut line);
            self.0 += 1;
        }
        fn upto(&mut self, _: Time) {}
    }
    let mut counts = Vec::new();
    for workers in [1, 3] {
        let settings = Settings { workers: crate::Workers(workers), ..Settings::default() };
        let reader: Box<dyn std::io::Read + Send> = Box::new(std::io::Cursor::new(data.to_vec()));
        let mut capture = Capture::from_readers(vec![("fuzz".to_owned(), reader)], vigie_capture::Options::default());
        let mut count = Count(0);
        let summary = run(&mut capture, &settings, &mut count, |_| Control::Go);
        let ends: u64 = summary.frames.terminals().iter().map(|(_, n)| n).sum();
        assert_eq!(ends, summary.frames.pkts, "every frame ends in one counter");
        counts.push(count.0);
    }
    assert_eq!(counts[0], counts[1], "two numbers of workers give the same events");
}
