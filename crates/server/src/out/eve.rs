//! Every event as a line of EVE, for whoever reads a file or a socket: a bounded queue and a thread for each.

use crate::app::now;
use crate::out::file::Rotated;
use crate::out::socket::Connected;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vigie_base::time::MILLISECOND;
use vigie_base::{Budget, Time};
use vigie_event::{Row, eve};
use vigie_pipeline::config::EveOutput;

/// Bytes of lines that are handed over at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Nanoseconds of event time after which fewer are.
const CHUNK_AGE: u64 = 200 * MILLISECOND;
/// Bytes that wait for one output at most.
const QUEUE_BYTES: usize = 32 << 20;
/// Pieces that wait for one output at most.
const QUEUE_CHUNKS: usize = 1024;
/// How often an output without lines looks at what else there is to do.
const TICK: Duration = Duration::from_millis(200);
/// How long an output may take at the end for what waits.
pub(super) const END: Duration = Duration::from_secs(2);

/// What waits for one output.
pub(crate) const BUDGET: Budget = Budget {
    name: "output.eve",
    entries_max: 2,
    entry_bytes: QUEUE_BYTES as u64,
    when_full: "what comes is not written there; the lines are counted",
};

/// Whole lines.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

/// An output of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    File,
    Socket,
}

impl Sink {
    pub(crate) const ALL: [Sink; 2] = [Sink::File, Sink::Socket];

    /// In a word, for metrics and the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Sink::File => "eve_file",
            Sink::Socket => "eve_socket",
        }
    }

    /// Where it is asked for.
    pub(crate) fn path(self, asked: &EveOutput) -> Option<&Path> {
        match self {
            Sink::File => asked.file.as_deref(),
            Sink::Socket => asked.socket.as_deref(),
        }
    }

    /// The key that asks for it, which is also the name of its queue's bound.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Sink::File => "output.eve.file",
            Sink::Socket => "output.eve.socket",
        }
    }
}

/// When an output last did what it should, and why it last did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) success: Option<Time>,
    pub(crate) error: Option<(Time, String)>,
}

/// What is counted of an output since the server began, whichever file it is.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) written: AtomicU64,
    pub(crate) dropped: AtomicU64,
    said: Mutex<Said>,
}

fn locked<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counted {
    pub(crate) fn said(&self) -> Said {
        locked(&self.said).clone()
    }

    fn did(&self, lines: u64) {
        self.written.fetch_add(lines, Ordering::Relaxed);
        locked(&self.said).success = Some(now());
    }

    /// Notes why; in the log where it is another reason than before, or the last success came after that.
    fn failed(&self, key: &str, why: String) {
        let mut said = locked(&self.said);
        let is_news = said.error.as_ref().is_none_or(|(at, was)| *was != why || said.success.is_some_and(|s| s > *at));
        if is_news {
            eprintln!("vigie: {key}: {why}");
        }
        said.error = Some((now(), why));
    }
}

/// An output that runs.
struct Outlet {
    sink: Sink,
    path: PathBuf,
    queue: SyncSender<Arc<Chunk>>,
    /// Bytes in the queue.
    waiting: Arc<AtomicUsize>,
    order: Arc<Order>,
    thread: JoinHandle<()>,
}

/// What the thread of an output is asked for.
#[derive(Default)]
pub(super) struct Order {
    stop: AtomicBool,
    reopen: AtomicBool,
}

impl Order {
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Where lines end.
pub(super) trait Writes: Send {
    /// Writes a piece. Errors: how many of its lines are lost, and why.
    fn write(&mut self, chunk: &Chunk, counted: &mut dyn FnMut(String), order: &Order) -> Result<(), (u64, String)>;
    /// What is due without lines. Errors: one line.
    fn idle(&mut self) -> Result<(), String>;
    /// Begins anew with the same path. Errors: one line.
    fn reopen(&mut self) -> Result<(), String>;
}

/// The outputs of lines, those that run and what is counted of each.
#[derive(Default)]
pub(crate) struct EveOutputs {
    outlets: RwLock<Vec<Outlet>>,
    /// Whether there is one: asked for every event.
    any: AtomicBool,
    counted: [Arc<Counted>; 2],
}

impl EveOutputs {
    /// Runs what is asked for, in place of what ran before. Errors: what could not be begun, a line each; the rest runs.
    pub(crate) fn set(&self, asked: &EveOutput) -> Vec<String> {
        let (mut begun, mut faults) = (Vec::new(), Vec::new());
        if let Some(path) = Sink::File.path(asked) {
            match Rotated::open(path, asked) {
                Ok(file) => begun.push(self.begin(Sink::File, path, file)),
                Err(why) => faults.push(format!("{}: {why}", Sink::File.key())),
            }
        }
        if let Some(path) = Sink::Socket.path(asked) {
            begun.push(self.begin(Sink::Socket, path, Connected::new(path)));
        }
        self.any.store(!begun.is_empty(), Ordering::Relaxed);
        // Those of before write what they have meanwhile: no line falls between.
        let before = std::mem::replace(&mut *self.outlets.write().unwrap_or_else(PoisonError::into_inner), begun);
        end(before);
        faults
    }

    fn begin(&self, sink: Sink, path: &Path, mut to: impl Writes + 'static) -> Outlet {
        let (queue, from) = sync_channel(QUEUE_CHUNKS);
        let (waiting, order) = (Arc::<AtomicUsize>::default(), Arc::<Order>::default());
        let (left, told, counted) = (Arc::clone(&waiting), Arc::clone(&order), Arc::clone(&self.counted[sink as usize]));
        let thread = std::thread::spawn(move || run(sink, &from, &mut to, &left, &told, &counted));
        Outlet { sink, path: path.to_owned(), queue, waiting, order, thread }
    }

    /// Opens files anew: what was moved away stays as it is.
    pub(crate) fn reopen(&self) {
        for outlet in self.outlets.read().unwrap_or_else(PoisonError::into_inner).iter() {
            outlet.order.reopen.store(true, Ordering::Relaxed);
        }
    }

    /// Ends them; what waits is written first, as far as that is possible in a moment.
    pub(crate) fn end(&self) {
        self.any.store(false, Ordering::Relaxed);
        end(std::mem::take(&mut *self.outlets.write().unwrap_or_else(PoisonError::into_inner)));
    }

    /// What is counted of an output.
    pub(crate) fn counted(&self, sink: Sink) -> &Counted {
        &self.counted[sink as usize]
    }

    /// Where an output writes, and the bytes that wait for it; none where it does not run.
    pub(crate) fn running(&self, sink: Sink) -> Option<(PathBuf, u64)> {
        let outlets = self.outlets.read().unwrap_or_else(PoisonError::into_inner);
        let outlet = outlets.iter().find(|o| o.sink == sink)?;
        Some((outlet.path.clone(), outlet.waiting.load(Ordering::Relaxed) as u64))
    }

    /// Lines that were not written, under the name of the bound.
    pub(crate) fn caps(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Sink::ALL.into_iter().map(|s| (s.key(), self.counted(s).dropped.load(Ordering::Relaxed)))
    }

    /// Gives a piece to each output that has room for it.
    fn give(&self, chunk: Chunk) {
        let chunk = Arc::new(chunk);
        for outlet in self.outlets.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let (size, waits) = (chunk.bytes.len(), outlet.waiting.load(Ordering::Relaxed));
            let fits = waits == 0 || waits + size <= QUEUE_BYTES;
            // Counted before it is there to be taken.
            outlet.waiting.fetch_add(size, Ordering::Relaxed);
            if !fits || outlet.queue.try_send(Arc::clone(&chunk)).is_err() {
                outlet.waiting.fetch_sub(size, Ordering::Relaxed);
                self.counted(outlet.sink).dropped.fetch_add(chunk.lines, Ordering::Relaxed);
            }
        }
    }
}

/// Ends outputs, all at a time.
fn end(outlets: Vec<Outlet>) {
    for outlet in &outlets {
        outlet.order.stop.store(true, Ordering::Relaxed);
    }
    for outlet in outlets {
        drop(outlet.queue);
        let _ = outlet.thread.join();
    }
}

/// The thread of an output.
fn run(sink: Sink, from: &Receiver<Arc<Chunk>>, to: &mut impl Writes, waiting: &AtomicUsize, order: &Order, counted: &Counted) {
    let mut fail = |why: String| counted.failed(sink.key(), why);
    let mut ends: Option<Instant> = None;
    loop {
        if order.reopen.swap(false, Ordering::Relaxed)
            && let Err(why) = to.reopen()
        {
            fail(why);
        }
        let chunk = match from.recv_timeout(TICK) {
            Ok(chunk) => chunk,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if let Err(why) = to.idle() {
                    fail(why);
                }
                continue;
            }
        };
        waiting.fetch_sub(chunk.bytes.len(), Ordering::Relaxed);
        // At the end there is little time.
        let late = order.is_stopped() && ends.get_or_insert_with(Instant::now).elapsed() > END;
        let done = if late { Err((chunk.lines, "the server ended".to_owned())) } else { to.write(&chunk, &mut fail, order) };
        let lost = match done {
            Ok(()) => 0,
            Err((lost, why)) => {
                fail(why);
                lost
            }
        };
        counted.dropped.fetch_add(lost, Ordering::Relaxed);
        if lost < chunk.lines {
            counted.did(chunk.lines - lost);
        }
    }
}

/// Who gives events to the outputs.
pub(crate) struct Eve {
    to: Arc<EveOutputs>,
    bytes: Vec<u8>,
    lines: u64,
    given: Time,
}

impl Eve {
    pub(crate) fn new(to: &Arc<EveOutputs>) -> Self {
        Eve { to: Arc::clone(to), bytes: Vec::new(), lines: 0, given: Time(0) }
    }

    /// One event that is not for Vigie's own use.
    pub(crate) fn row(&mut self, row: Row<'_>) {
        if !self.to.any.load(Ordering::Relaxed) {
            return;
        }
        eve::write(row, &mut self.bytes);
        self.lines += 1;
        if self.bytes.len() >= CHUNK_BYTES {
            self.give();
        }
    }

    /// All events before `now` have been given.
    pub(crate) fn upto(&mut self, now: Time) {
        if now.since(self.given) >= CHUNK_AGE {
            self.given = now;
            self.give();
        }
    }

    /// Lines that were not written, under the name of the bound.
    pub(crate) fn caps(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.to.caps()
    }

    /// Hands over what was gathered.
    pub(crate) fn give(&mut self) {
        if self.lines > 0 {
            let bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(CHUNK_BYTES + 4096));
            self.to.give(Chunk { bytes, lines: std::mem::take(&mut self.lines) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;

    fn until(holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(20), "it never held");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn chunk(lines: u64, width: usize) -> Chunk {
        let line = [vec![b'x'; width - 1], vec![b'\n']].concat();
        Chunk { bytes: line.repeat(lines as usize), lines }
    }

    fn lines(path: &Path) -> usize {
        std::fs::read(path).map_or(0, |b| b.iter().filter(|b| **b == b'\n').count())
    }

    #[test]
    fn events_are_written_as_lines_and_a_moved_file_is_left_alone() {
        let folder = Folder::new("eve-file");
        let path = folder.0.join("eve.json");
        let outputs = Arc::new(EveOutputs::default());
        let mut eve = Eve::new(&outputs);
        let summary = vigie_sensor::Summary::default();
        let stats = vigie_pipeline::stats::batch(&summary, &[], &[]);
        // Without an output nothing is gathered.
        eve.row(stats.row(0));
        assert_eq!(eve.lines, 0);
        let asked = EveOutput { file: Some(path.clone()), rotate_keep: 3, ..EveOutput::default() };
        assert_eq!(outputs.set(&asked), Vec::<String>::new());
        for n in 1..=3 {
            eve.row(stats.row(0));
            eve.upto(Time(n * CHUNK_AGE));
        }
        until(|| lines(&path) == 3);
        let moved = folder.0.join("moved");
        std::fs::rename(&path, &moved).unwrap();
        outputs.reopen();
        until(|| path.exists());
        eve.row(stats.row(0));
        eve.give();
        outputs.end();
        assert_eq!((lines(&moved), lines(&path)), (3, 1));
        let text = std::fs::read_to_string(&path).unwrap();
        let mut want = Vec::new();
        eve::write(stats.row(0), &mut want);
        assert_eq!(text.as_bytes(), want);
        assert_eq!(outputs.counted(Sink::File).written.load(Ordering::Relaxed), 4);
        assert!(outputs.counted(Sink::File).said().success.is_some());
        // Once more: what is there is continued.
        assert_eq!(outputs.set(&asked), Vec::<String>::new());
        outputs.give(chunk(2, 10));
        outputs.end();
        assert_eq!(lines(&path), 3);
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_no_time() {
        let folder = Folder::new("eve-slow");
        let path = folder.0.join("eve.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let outputs = EveOutputs::default();
        outputs.set(&EveOutput { socket: Some(path), ..EveOutput::default() });
        let (mut given, began) = (0, Instant::now());
        let dropped = || outputs.counted(Sink::Socket).dropped.load(Ordering::Relaxed);
        // Three times what the queue holds.
        while given < 3 * (QUEUE_BYTES as u64 >> 10) {
            outputs.give(chunk(64, 1 << 10));
            given += 64;
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert!(dropped() > given / 2, "{} of {given}", dropped());
        assert!(outputs.running(Sink::Socket).unwrap().1 <= QUEUE_BYTES as u64);
        assert_eq!(outputs.caps().collect::<Vec<_>>()[1], ("output.eve.socket", dropped()));
        // What waited is read once somebody reads: whole lines, and all that was not counted as dropped.
        let (peer, _) = listener.accept().unwrap();
        let reader = std::thread::spawn(move || BufReader::new(peer).lines().map(|l| l.unwrap().len()).collect::<Vec<_>>());
        until(|| outputs.counted(Sink::Socket).written.load(Ordering::Relaxed) + dropped() == given);
        outputs.end();
        let read = reader.join().unwrap();
        assert_eq!(read.len() as u64, given - dropped());
        assert!(read.iter().all(|n| *n == 1023));
    }

    #[test]
    fn a_socket_is_connected_to_again() {
        let folder = Folder::new("eve-again");
        let path = folder.0.join("eve.sock");
        let outputs = EveOutputs::default();
        outputs.set(&EveOutput { socket: Some(path.clone()), ..EveOutput::default() });
        // Nobody is there: it waits.
        outputs.give(chunk(1, 10));
        until(|| outputs.counted(Sink::Socket).said().error.is_some());
        for _ in 0..2 {
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path).unwrap();
            let (peer, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(peer).read_line(&mut line).unwrap();
            assert_eq!(line, "xxxxxxxxx\n");
            drop(listener);
            let dropped = outputs.counted(Sink::Socket).dropped.load(Ordering::Relaxed);
            // The peer is gone: the first line finds that out, and is lost.
            outputs.give(chunk(1, 10));
            until(|| outputs.counted(Sink::Socket).dropped.load(Ordering::Relaxed) > dropped);
            outputs.give(chunk(1, 10));
        }
        outputs.end();
    }

    #[test]
    fn a_file_that_cannot_be_written_is_one_line() {
        let folder = Folder::new("eve-none");
        let outputs = EveOutputs::default();
        let asked = EveOutput { file: Some(folder.0.clone()), ..EveOutput::default() };
        let said = outputs.set(&asked);
        assert!(said.len() == 1 && said[0].contains("output.eve.file") && !said[0].contains('\n'), "{said:?}");
        let asked = EveOutput { file: Some(folder.0.join("no/such/folder")), ..EveOutput::default() };
        assert!(outputs.set(&asked)[0].contains("make the folder"));
    }
}
