//! Captures in files, as one capture point.
//!
//! Every file is looked at when it is opened, up to its first packet, and they are then read in the order of those packets' times; files
//! that overlap in time are merged. Within one file frames keep the file's order even where time goes backwards: its place in the merge
//! goes by the latest time seen in it so far.
//!
//! Bounds: [`OPEN_MAX`] files open at once (what would be more comes late, and is told), a block of 256 KiB for each of them, 16 of which may
//! be of 1 MiB; 128 MiB of zstd windows; [`FILES_MAX`] files in all.

mod block;
mod list;
mod pcap;
mod pcapng;
#[cfg(test)]
mod tests;
mod wait;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vigie_base::{Budget, Time, text};

use crate::problem::Problems;
use crate::{BURST, Filter, Frame, LinkType, Problem, ProblemKind, Status};
use block::{BLOCK, BLOCK_MAX, Block, GROWN_MAX, Growth, UNPACKER, ZSTD_WINDOWS_MAX};
pub use list::expand;
use pcap::Pcap;
use pcapng::PcapNg;
use wait::Waiting;

/// Largest captured length of a frame, in bytes: what libpcap allows (`MAXIMUM_SNAPLEN`). More is damage.
pub const FRAME_MAX: u32 = 262_144;
/// Most files of one capture: what `Frame::source` can tell apart.
pub const FILES_MAX: usize = u16::MAX as usize;
/// Most files open at once.
pub const OPEN_MAX: usize = 256;
/// Most interfaces shown of one source.
const INTERFACES_SHOWN: usize = 64;
/// Most marks of one source; when there would be more, every second one goes and the next ones stand twice as far apart.
const MARKS_MAX: usize = 1024;
/// Most problems that one block of a file may tell.
const NEWS_MAX: usize = 64;

/// What reading takes at most: a block for each open file (and the one that is looked at), room for large records, windows of those packed
/// with zstd, what is said of every file.
pub const fn budgets(room: Room) -> [Budget; 4] {
    [
        Budget {
            name: "capture.blocks",
            entries_max: room.files as u64 + 1,
            entry_bytes: (BLOCK + UNPACKER) as u64,
            when_full: "a further file comes when one ends, late, and it is told",
        },
        Budget {
            name: "capture.large_records",
            entries_max: if room.files < GROWN_MAX { room.files as u64 } else { GROWN_MAX as u64 },
            entry_bytes: (BLOCK_MAX - BLOCK) as u64,
            when_full: "a further file with a record of more than 256 KiB ends there, and it is told",
        },
        Budget { name: "capture.zstd_windows", entries_max: room.windows, entry_bytes: 1, when_full: "as capture.blocks" },
        Budget {
            name: "capture.files",
            entries_max: room.listed as u64,
            entry_bytes: 512,
            when_full: "further files are skipped, and it is told",
        },
    ]
}

/// What files that are read at once may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Files open at once.
    pub files: usize,
    /// Bytes of windows of those packed with zstd.
    pub windows: u64,
    /// Files in all.
    pub listed: usize,
}

impl Room {
    /// Where nothing else is at work.
    pub const WHOLE: Room = Room { files: OPEN_MAX, windows: ZSTD_WINDOWS_MAX, listed: FILES_MAX };
    /// Beside other work: one window of `zstd -19`.
    pub const SMALL: Room = Room { files: 8, windows: 8 << 20, listed: 4096 };
}

/// How to read.
#[derive(Debug)]
pub struct Options {
    /// Gives only frames that match.
    pub filter: Option<Filter>,
    /// Gives only frames of this time or later.
    pub from: Option<Time>,
    /// Gives only frames earlier than this time.
    pub to: Option<Time>,
    /// Set to stop waiting for a silent pipe (its reading then ends with a [`Problem`]), and to end [`Capture::span`] early.
    pub stop: Arc<AtomicBool>,
    /// Nanoseconds added to the time of every frame that is given; `from`, `to` and [`Source`] know the times as written.
    pub shift: i64,
    /// Sets [`Source::marks`], so many bytes apart or more; 0 for none.
    pub mark_every: u64,
    /// Unpacked bytes per packed byte above which a compressed file is taken for a bomb, once 256 MiB of it are unpacked.
    pub expand_ratio_max: u32,
    /// What the files may take.
    pub room: Room,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            filter: None,
            from: None,
            to: None,
            stop: Arc::default(),
            shift: 0,
            mark_every: 0,
            expand_ratio_max: 250,
            room: Room::WHOLE,
        }
    }
}

/// An interface that a capture describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, empty where the format has none; at most 64 bytes.
    pub name: String,
    /// Its link type.
    pub link: LinkType,
    /// Largest capture length, in bytes; 0: unlimited.
    pub snaplen: u32,
    /// Bytes of frame check sequence at the end of each frame, where the file says so.
    pub fcs: Option<u8>,
}

/// A place in a file from which it can be read on: its first `head` bytes, which describe what follows (and may hold frames), then from
/// `at` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Frames before `at` are of this time or earlier, as written.
    pub time: Time,
    /// Bytes at the beginning of the file that are needed.
    pub head: u64,
    /// Offset of a record.
    pub at: u64,
}

/// A file, or what was read from standard input.
#[derive(Clone, Debug)]
pub struct Source {
    /// As given, bytes that are no UTF-8 as `\xNN`; `-` for standard input.
    pub name: String,
    /// Its distinct interfaces, in order of appearance; at most 64.
    pub interfaces: Vec<Interface>,
    /// Frames read so far, those included that time or filter kept out.
    pub frames: u64,
    /// Captured bytes of those frames.
    pub bytes: u64,
    /// Earliest time read so far.
    pub first: Option<Time>,
    /// Latest time read so far.
    pub last: Option<Time>,
    /// Packets left out because their interface is unknown.
    pub left_out: u64,
    /// Frames that whoever wrote the capture lost, by its own statistics.
    pub dropped_before: u64,
    /// Places from which it can be read on, of those read so far, where [`Options::mark_every`] asks for them and it is not packed; at most
    /// 1024.
    pub marks: Vec<Mark>,
}

/// What was counted over all sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames read: `given + filtered + out_of_range`.
    pub read: u64,
    /// Frames given to the caller.
    pub given: u64,
    /// Captured bytes of the frames given.
    pub bytes: u64,
    /// Bytes on the wire of the frames given.
    pub wire_bytes: u64,
    /// Frames that the filter kept out.
    pub filtered: u64,
    /// Frames before `from`, or at or after `to`.
    pub out_of_range: u64,
    /// Frames given that are earlier than one given before them.
    pub time_backwards: u64,
    /// Frames given that have no stamp of their own.
    pub unstamped: u64,
    /// Frames given whose length on the wire was written smaller than what was captured.
    pub odd_lengths: u64,
}

/// A frame found in a block.
#[derive(Clone, Copy, Debug)]
struct Entry {
    time: Option<Time>,
    start: usize,
    len: usize,
    wire_len: u32,
    link: LinkType,
    /// Where the next record begins.
    next: usize,
}

/// What a format finds at a place in a block.
enum Step {
    Frame(Entry),
    /// Nothing for the caller; the next block begins there.
    Passed(usize),
    /// This many bytes must be at hand.
    Need(usize),
    /// This many bytes are of no use.
    Skip(u64),
    /// No further reading is possible.
    Damage(String),
}

/// What a format has to say beside its frames.
#[derive(Default)]
struct News {
    any: bool,
    interfaces: Vec<Interface>,
    problems: Vec<(ProblemKind, u64, String, &'static str)>,
    problems_dropped: u64,
    left_out: u64,
    dropped: u64,
}

impl News {
    fn tell(&mut self, kind: ProblemKind, offset: u64, what: String, todo: &'static str) {
        self.any = true;
        if self.problems.len() < NEWS_MAX {
            self.problems.push((kind, offset, what, todo));
        } else {
            self.problems_dropped += 1;
        }
    }

    fn interface(&mut self, interface: Interface) {
        self.any = true;
        if self.interfaces.len() < INTERFACES_SHOWN && !self.interfaces.contains(&interface) {
            self.interfaces.push(interface);
        }
    }
}

enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl Format {
    /// Bytes at the beginning that whoever reads on from here must have read.
    fn head(&self) -> u64 {
        match self {
            Format::Pcap(_) => pcap::HEADER as u64,
            Format::PcapNg(ng) => ng.described(),
        }
    }
}

/// A place in one open file.
struct Cursor {
    format: Format,
    source: u16,
    at: usize,
    /// The frame found and not yet given.
    head: Option<Entry>,
    /// The latest time so far: the file's place in the merge.
    key: Time,
    /// Time of the last frame.
    last: Time,
    /// The end was met, and told of.
    ended: bool,
    /// Offset from which the next mark may stand, and how far from there the one after it.
    mark_at: u64,
    mark_every: u64,
    news: News,
}

impl Cursor {
    #[inline]
    fn step(&mut self, bytes: &[u8], base: u64) -> Step {
        let step = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(bytes, self.at),
            Format::PcapNg(ng) => ng.next(bytes, &mut self.at, base, &mut self.news),
        };
        if let Step::Frame(entry) = &step {
            self.at = entry.next;
        }
        step
    }

    /// Marks the place of the next record.
    #[cold]
    fn mark(&mut self, at: u64, marks: &mut Vec<Mark>) {
        if marks.len() >= MARKS_MAX {
            let mut keep = true;
            marks.retain(|_| {
                keep = !keep;
                keep
            });
            self.mark_every = self.mark_every.saturating_mul(2);
        }
        marks.push(Mark { time: self.key, head: self.format.head(), at });
        self.mark_at = at.saturating_add(self.mark_every);
    }

    #[inline]
    fn time_of(&self, entry: &Entry) -> Time {
        entry.time.unwrap_or(self.last)
    }

    /// The frame at hand's place in the merge.
    fn head_key(&self) -> Option<Time> {
        self.head.as_ref().map(|entry| self.key.max(self.time_of(entry)))
    }

    /// Finds the next frame, reading on where needed; false at the end, of which `end` is told if it is not a clean one.
    fn advance(&mut self, block: &mut Block, end: &mut impl FnMut(u64, String, bool)) -> bool {
        while !self.ended {
            let base = block.offset(0);
            match self.step(block.filled(), base) {
                Step::Frame(entry) => {
                    self.head = Some(entry);
                    return true;
                }
                Step::Passed(next) => self.at = next,
                Step::Need(bytes) => {
                    let offset = block.offset(self.at);
                    let more = block.refill(self.at, bytes);
                    self.at = 0;
                    if more {
                        continue;
                    }
                    self.ended = true;
                    let here = block.filled().len();
                    if let Some(error) = block.error() {
                        end(block.offset(here), error.to_owned(), true);
                    } else if here > 0 {
                        end(offset, format!("cut short: a record needs {bytes} bytes and the file has {here} more"), false);
                    }
                }
                Step::Skip(bytes) => {
                    let offset = block.offset(self.at);
                    let missing = block.discard(self.at, bytes);
                    self.at = 0;
                    if missing > 0 {
                        self.ended = true;
                        match block.error() {
                            Some(error) => end(offset, error.to_owned(), true),
                            None => end(offset, format!("cut short: a block of {bytes} bytes lacks {missing} of them"), false),
                        }
                    }
                }
                Step::Damage(what) => {
                    self.ended = true;
                    end(block.offset(self.at), what, false);
                }
            }
        }
        false
    }
}

/// A file that waits for its turn.
struct Pending {
    /// Its place among those given, then its index among the sources.
    source: u16,
    first: Time,
    /// The zstd window that it may take.
    window: u64,
    from: Origin,
}

enum Origin {
    /// To be opened again.
    Path(PathBuf),
    /// What cannot be read twice (a pipe), or need not.
    Open(Box<(Block, Cursor)>),
}

/// Why something is not a source.
struct Refusal {
    kind: ProblemKind,
    offset: Option<u64>,
    what: String,
    todo: &'static str,
}

/// A capture being read: one or many files, as one capture point.
pub struct Capture {
    gate: Gate,
    sources: Vec<Source>,
    problems: Problems,
    pending: VecDeque<Pending>,
    /// The open files; `blocks[i]` belongs to `cursors[i]`. Two lists, so that frames may be borrowed from all blocks while cursors move.
    cursors: Vec<Cursor>,
    blocks: Vec<Block>,
    spare: Vec<u8>,
    growth: Growth,
    /// Of `pending`, those that are open: how many, and the zstd windows that they may take.
    waiting: (usize, u64),
    ratio_max: u32,
    room: Room,
    mark_every: u64,
    bytes_total: u64,
    bytes_ended: u64,
    told_crowded: bool,
    stop: Arc<AtomicBool>,
}

/// What decides whether a frame is given, with the counters.
struct Gate {
    filter: Option<Filter>,
    from: Time,
    to: Option<Time>,
    shift: i64,
    counters: Counters,
    latest: Time,
}

impl Capture {
    /// Opens `paths`: files, folders (see [`expand`]), `-` for standard input. Always succeeds: what cannot be read is in
    /// [`Capture::problems`], and [`Capture::sources`] is empty where nothing can.
    pub fn open(paths: &[PathBuf], options: Options) -> Capture {
        let (files, problems) = expand(paths, options.room.listed);
        let stop = Arc::clone(&options.stop);
        let mut capture = Capture::new(options);
        problems.into_iter().for_each(|p| capture.problems.push(p));
        let only = files.len() == 1;
        let mut found = Vec::new();
        // Pipes stay open from here on: they are looked at last, so that no other file has to be open beside them.
        let (files, pipes): (Vec<_>, Vec<_>) = files.into_iter().enumerate().partition(|(_, path)| path.is_file());
        for (place, path) in files.into_iter().chain(pipes) {
            let name = shown(&path);
            let (raw, size, stream): (Box<dyn Read + Send>, u64, bool) = if path.as_os_str() == "-" {
                match io::stdin().as_fd().try_clone_to_owned() {
                    Ok(fd) => (Box::new(Waiting::new(File::from(fd), Arc::clone(&stop))), 0, true),
                    Err(e) => {
                        capture.refuse(name, unreadable(&e));
                        continue;
                    }
                }
            } else {
                match File::open(&path).and_then(|file| file.metadata().map(|data| (file, data))) {
                    Ok((file, data)) if data.is_file() => (Box::new(file), data.len(), false),
                    Ok((file, _)) => (Box::new(Waiting::new(file, Arc::clone(&stop))), 0, true),
                    Err(e) => {
                        capture.refuse(name, unreadable(&e));
                        continue;
                    }
                }
            };
            capture.probe(name, raw, size, (!stream && !only).then_some(path), place, &mut found);
        }
        capture.sort(found);
        capture
    }

    /// Reads captures from `readers`, each with the name to show; otherwise as [`Capture::open`].
    pub fn from_readers(readers: Vec<(String, Box<dyn Read + Send>)>, options: Options) -> Capture {
        let mut capture = Capture::new(options);
        let mut found = Vec::new();
        for (place, (name, raw)) in readers.into_iter().take(FILES_MAX).enumerate() {
            capture.probe(name, raw, 0, None, place, &mut found);
        }
        capture.sort(found);
        capture
    }

    fn new(options: Options) -> Capture {
        Capture {
            gate: Gate {
                filter: options.filter,
                from: options.from.unwrap_or_default(),
                to: options.to,
                shift: options.shift,
                counters: Counters::default(),
                latest: Time::default(),
            },
            sources: Vec::new(),
            problems: Problems::default(),
            pending: VecDeque::new(),
            cursors: Vec::new(),
            blocks: Vec::new(),
            spare: Vec::new(),
            growth: Growth::default(),
            waiting: (0, 0),
            ratio_max: options.expand_ratio_max,
            room: options.room,
            mark_every: options.mark_every,
            bytes_total: 0,
            bytes_ended: 0,
            told_crowded: false,
            stop: options.stop,
        }
    }

    /// Looks at one input, the `place`th of those given, up to its first frame. With `again`, it is closed and opened again when its turn
    /// comes.
    fn probe(
        &mut self,
        name: String,
        raw: Box<dyn Read + Send>,
        size: u64,
        again: Option<PathBuf>,
        place: usize,
        found: &mut Vec<(Source, Pending)>,
    ) {
        let mut block = Block::open(raw, self.ratio_max, std::mem::take(&mut self.spare), &self.growth);
        let mut cursor = match start(&mut block) {
            Ok(cursor) => cursor,
            Err(refusal) => {
                self.spare = block.into_spare();
                self.refuse(name, refusal);
                return;
            }
        };
        // Damage met here is met again by what is opened again.
        let (problems, once) = (&mut self.problems, again.is_none());
        let more = cursor.advance(&mut block, &mut |offset, what, packed| {
            if once {
                problems.push(damaged(&name, offset, what, packed));
            }
        });
        let first = if more { cursor.head_key().unwrap_or(Time::MAX) } else { Time::MAX };
        self.bytes_total += size;
        let mut source = Source {
            name,
            interfaces: Vec::new(),
            frames: 0,
            bytes: 0,
            first: None,
            last: None,
            left_out: 0,
            dropped_before: 0,
            marks: Vec::new(),
        };
        let window = block.window();
        if again.is_none() {
            let (files, windows) = (self.waiting.0 + 1, self.waiting.1 + window);
            if files > self.room.files || windows > self.room.windows {
                self.spare = block.into_spare();
                self.refuse(source.name, crowded_out(self.room));
                return;
            }
            self.waiting = (files, windows);
        }
        let from = match again {
            Some(path) => {
                // Told again, with its problems, when it is read.
                source.interfaces = cursor.news.interfaces;
                self.spare = block.into_spare();
                Origin::Path(path)
            }
            None => Origin::Open(Box::new((block, cursor))),
        };
        found.push((source, Pending { source: place as u16, first, window, from }));
    }

    /// Puts what was found in the order of first frames; those of the same time as given.
    fn sort(&mut self, mut found: Vec<(Source, Pending)>) {
        found.sort_by_key(|(_, pending)| (pending.first, pending.source));
        for (index, (source, mut pending)) in found.into_iter().enumerate() {
            pending.source = index as u16;
            if let Origin::Open(open) = &mut pending.from {
                open.1.source = index as u16;
            }
            self.sources.push(source);
            self.pending.push_back(pending);
        }
        // What is open already shows its interfaces at once; its problems come when it is read.
        for pending in &self.pending {
            if let Origin::Open(open) = &pending.from {
                self.sources[usize::from(pending.source)].interfaces.clone_from(&open.1.news.interfaces);
            }
        }
        if let Some(filter) = &self.gate.filter {
            for source in &self.sources {
                for interface in &source.interfaces {
                    tell_blind(filter, source, interface.link, &mut self.problems);
                }
            }
        }
    }

    fn refuse(&mut self, file: String, refusal: Refusal) {
        let Refusal { kind, offset, what, todo } = refusal;
        self.problems.push(Problem { kind, file, offset, what, todo });
    }

    /// Calls `each` with the next burst of 1 to [`BURST`] frames, in order; [`Status::End`] where there is none.
    pub fn next_batch(&mut self, each: &mut impl FnMut(&[Frame<'_>])) -> Status {
        loop {
            self.ready();
            if self.cursors.is_empty() {
                return Status::End;
            }
            let given = self.gather(each);
            self.hear();
            if given {
                return Status::More;
            }
        }
    }

    /// Opens the files whose turn has come, and gives every open one a frame at hand or closes it.
    fn ready(&mut self) {
        loop {
            let mut i = 0;
            while i < self.cursors.len() {
                if self.cursors[i].head.is_some() || self.advance(i) {
                    i += 1;
                } else {
                    self.close(i);
                }
            }
            let earliest = self.cursors.iter().filter_map(Cursor::head_key).min();
            let Some(next) = self.pending.front() else { return };
            if earliest.is_some_and(|t| t <= next.first) {
                return;
            }
            if !self.may_open(next) {
                if self.cursors.is_empty() {
                    // Only pipes, which cannot be closed for it, stand in its way.
                    let name = self.sources[usize::from(next.source)].name.clone();
                    self.pending.pop_front();
                    self.refuse(name, crowded_out(self.room));
                    continue;
                }
                if !self.told_crowded {
                    self.told_crowded = true;
                    let file = self.sources[usize::from(next.source)].name.clone();
                    let Room { files, windows, .. } = self.room;
                    let windows = windows >> 20;
                    let what = format!("more than {files} captures (or {windows} MiB of zstd windows) overlap in time");
                    let todo = "its frames come late, and those of others may; join captures first";
                    self.problems.push(Problem { kind: ProblemKind::Limit, file, offset: None, what, todo });
                }
                return;
            }
            if let Some(pending) = self.pending.pop_front() {
                self.admit(pending);
            }
        }
    }

    fn may_open(&self, next: &Pending) -> bool {
        let (files, windows) = self.waiting;
        let windows = windows + self.blocks.iter().map(Block::window).sum::<u64>();
        // What is open already is counted.
        matches!(next.from, Origin::Open(_))
            || (self.blocks.len() + files < self.room.files && (next.window == 0 || windows + next.window <= self.room.windows))
    }

    fn admit(&mut self, pending: Pending) {
        let open = match pending.from {
            Origin::Open(open) => {
                self.waiting = (self.waiting.0 - 1, self.waiting.1 - pending.window);
                Ok(*open)
            }
            Origin::Path(path) => File::open(&path).map_err(|e| unreadable(&e)).and_then(|file| {
                let mut block = Block::open(Box::new(file), self.ratio_max, std::mem::take(&mut self.spare), &self.growth);
                start(&mut block).map(|cursor| (block, cursor))
            }),
        };
        match open {
            Ok((block, mut cursor)) => {
                cursor.source = pending.source;
                if self.mark_every > 0 && block.is_plain() {
                    (cursor.mark_at, cursor.mark_every) = (self.mark_every, self.mark_every);
                }
                self.blocks.push(block);
                self.cursors.push(cursor);
            }
            // It was readable a moment ago.
            Err(refusal) => self.refuse(self.sources[usize::from(pending.source)].name.clone(), refusal),
        }
    }

    fn advance(&mut self, i: usize) -> bool {
        let cursor = &mut self.cursors[i];
        let (problems, name) = (&mut self.problems, &self.sources[usize::from(cursor.source)].name);
        let more = cursor.advance(&mut self.blocks[i], &mut |offset, what, packed| {
            problems.push(damaged(name, offset, what, packed));
        });
        self.hear_one(i);
        more
    }

    fn close(&mut self, i: usize) {
        self.cursors.swap_remove(i);
        let block = self.blocks.swap_remove(i);
        self.bytes_ended += block.taken();
        self.spare = block.into_spare();
    }

    /// Gives one burst from what is at hand, without reading: the frames of all files are borrowed together.
    fn gather(&mut self, each: &mut impl FnMut(&[Frame<'_>])) -> bool {
        let none = Frame { time: Time(0), data: &[], wire_len: 0, link: LinkType(0), source: 0 };
        let mut burst = [none; BURST];
        let mut count = 0;
        // A file that waits sets a limit, unless its turn has come and it cannot be opened.
        let earliest = self.cursors.iter().filter_map(Cursor::head_key).min();
        let waits = self.pending.front().filter(|next| earliest.is_some_and(|t| t <= next.first)).map(|next| (next.first, next.source));
        while count < BURST {
            // The earliest file, and how far it may be read before another's turn comes.
            let mut best: Option<(Time, u16, usize)> = None;
            let mut limit = waits.unwrap_or((Time::MAX, u16::MAX));
            for (i, cursor) in self.cursors.iter().enumerate() {
                let Some(key) = cursor.head_key() else { continue };
                let mine = (key, cursor.source, i);
                match best {
                    Some(b) if (b.0, b.1) <= (key, cursor.source) => limit = limit.min((key, cursor.source)),
                    _ => {
                        if let Some(b) = best {
                            limit = limit.min((b.0, b.1));
                        }
                        best = Some(mine);
                    }
                }
            }
            let Some((key, source, i)) = best else { break };
            if (key, source) > limit {
                break;
            }
            let block = &self.blocks[i];
            let dry = self.gate.run(&mut self.cursors[i], block, limit, &mut self.sources[usize::from(source)], &mut burst, &mut count);
            if dry {
                break;
            }
        }
        if count > 0 {
            each(&burst[..count]);
        }
        count > 0
    }

    fn hear(&mut self) {
        for i in 0..self.cursors.len() {
            self.hear_one(i);
        }
    }

    /// Takes what a file's format has to say.
    #[inline]
    fn hear_one(&mut self, i: usize) {
        if !self.cursors[i].news.any && self.cursors[i].news.dropped | self.cursors[i].news.left_out == 0 {
            return;
        }
        let news = std::mem::take(&mut self.cursors[i].news);
        let source = &mut self.sources[usize::from(self.cursors[i].source)];
        source.left_out += news.left_out;
        source.dropped_before = source.dropped_before.saturating_add(news.dropped);
        self.problems.dropped += news.problems_dropped;
        for (kind, offset, what, todo) in news.problems {
            self.problems.push(Problem { kind, file: source.name.clone(), offset: Some(offset), what, todo });
        }
        for interface in news.interfaces {
            if source.interfaces.len() < INTERFACES_SHOWN && !source.interfaces.contains(&interface) {
                if let Some(filter) = &self.gate.filter
                    && !source.interfaces.iter().any(|i| i.link == interface.link)
                {
                    tell_blind(filter, source, interface.link, &mut self.problems);
                }
                source.interfaces.push(interface);
            }
        }
    }

    /// Opens files as [`Capture::open`] does, each with the name to show, and reads each on from its mark where there is one: frames before
    /// it may be given, and need not be.
    pub fn open_at(files: Vec<(String, PathBuf, Option<Mark>)>, options: Options) -> Capture {
        let mut readers: Vec<(String, Box<dyn Read + Send>)> = Vec::new();
        let mut refused = Vec::new();
        for (name, path, mark) in files {
            match part(&path, mark) {
                Ok(reader) => readers.push((name, reader)),
                Err(e) => refused.push((name, unreadable(&e))),
            }
        }
        let mut capture = Capture::from_readers(readers, options);
        refused.into_iter().for_each(|(name, why)| capture.refuse(name, why));
        capture
    }

    /// What is read, in the order of first frames. Grows only in detail after [`Capture::open`].
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// What was skipped or is damaged, so far; at most 1000, [`Capture::problems_dropped`] says how many more.
    pub fn problems(&self) -> &[Problem] {
        &self.problems.list
    }

    /// Problems found after the list of [`Capture::problems`] was full.
    pub fn problems_dropped(&self) -> u64 {
        self.problems.dropped
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.gate.counters
    }

    /// Reads on to the end and gives the earliest and latest time of what was read, as written; `None` where there was no frame.
    pub fn span(&mut self) -> Option<(Time, Time)> {
        while self.next_batch(&mut |_| {}) == Status::More && !self.stop.load(Ordering::Relaxed) {}
        let first = self.sources.iter().filter_map(|s| s.first).min()?;
        Some((first, self.sources.iter().filter_map(|s| s.last).max()?))
    }

    /// Bytes taken from the files so far (packed where they are), and how many they had when they were opened (never less).
    pub fn progress(&self) -> (u64, u64) {
        let done = self.bytes_ended + self.blocks.iter().map(Block::taken).sum::<u64>();
        (done, self.bytes_total.max(done))
    }
}

impl Gate {
    /// Puts frames of one file into the burst up to `limit`; true when the file's bytes at hand are used up.
    #[inline]
    fn run<'a>(
        &mut self,
        cursor: &mut Cursor,
        block: &'a Block,
        limit: (Time, u16),
        source: &mut Source,
        burst: &mut [Frame<'a>; BURST],
        count: &mut usize,
    ) -> bool {
        let (bytes, base) = (block.filled(), block.offset(0));
        while *count < BURST {
            let entry = match cursor.head.take() {
                Some(entry) => entry,
                None => match cursor.step(bytes, base) {
                    Step::Frame(entry) => entry,
                    // Met again by `Cursor::advance`, which may read.
                    _ => return true,
                },
            };
            let time = cursor.time_of(&entry);
            let key = cursor.key.max(time);
            if (key, cursor.source) > limit {
                cursor.head = Some(entry);
                return false;
            }
            cursor.key = key;
            cursor.last = time;
            let data = bytes.get(entry.start..entry.start + entry.len).unwrap_or(&[]);
            let frame = Frame { time, data, wire_len: entry.wire_len.max(entry.len as u32), link: entry.link, source: cursor.source };
            source.frames += 1;
            source.bytes += entry.len as u64;
            source.first = Some(source.first.map_or(time, |t| t.min(time)));
            source.last = Some(key);
            let next = base + entry.next as u64;
            if next >= cursor.mark_at {
                cursor.mark(next, &mut source.marks);
            }
            if self.admits(&frame, &entry) {
                burst[*count] = Frame { time: Time(time.0.saturating_add_signed(self.shift)), ..frame };
                *count += 1;
            }
        }
        // With a frame at hand the file can be compared; without, it may be dry.
        false
    }

    #[inline]
    fn admits(&mut self, frame: &Frame<'_>, entry: &Entry) -> bool {
        let c = &mut self.counters;
        c.read += 1;
        if frame.time < self.from || self.to.is_some_and(|to| frame.time >= to) {
            c.out_of_range += 1;
            return false;
        }
        if let Some(filter) = &self.filter
            && !filter.matches(frame.link, frame.data, frame.wire_len)
        {
            c.filtered += 1;
            return false;
        }
        c.given += 1;
        c.bytes += frame.data.len() as u64;
        c.wire_bytes += u64::from(frame.wire_len);
        c.unstamped += u64::from(entry.time.is_none());
        c.odd_lengths += u64::from(frame.wire_len != entry.wire_len);
        c.time_backwards += u64::from(frame.time < self.latest);
        self.latest = self.latest.max(frame.time);
        true
    }
}

/// What is to be read of a file.
fn part(path: &Path, mark: Option<Mark>) -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    let Some(mark) = mark else { return Ok(Box::new(file)) };
    file.seek(SeekFrom::Start(mark.at))?;
    Ok(Box::new(File::open(path)?.take(mark.head).chain(file)))
}

/// Tells which capture it is by its first bytes.
fn start(block: &mut Block) -> Result<Cursor, Refusal> {
    block.refill(0, pcap::HEADER);
    let head = block.filled();
    let (format, at, first) = if let Some(pcap) = Pcap::header(head) {
        let first = Interface { name: String::new(), link: pcap.link, snaplen: pcap.snaplen, fcs: pcap.fcs };
        (Format::Pcap(pcap), pcap::HEADER, Some(first))
    } else if PcapNg::looks_like(head) {
        (Format::PcapNg(PcapNg::default()), 0, None)
    } else {
        let size = head.len();
        let todo = "skipped; give pcap or pcapng, plain or packed with gzip or zstd";
        return Err(match block.error() {
            Some(error) => Refusal { kind: ProblemKind::Unreadable, offset: Some(size as u64), what: error.to_owned(), todo: "skipped" },
            None if size == 0 => Refusal { kind: ProblemKind::NotACapture, offset: None, what: "it is empty".to_owned(), todo },
            None if Pcap::looks_like(head) => Refusal {
                kind: ProblemKind::Damaged,
                offset: Some(0),
                what: format!("cut short: the file header needs 24 bytes and the file has {size}"),
                todo: "skipped; it holds no frame",
            },
            None => Refusal {
                kind: ProblemKind::NotACapture,
                offset: None,
                what: "not a capture (neither pcap nor pcapng by its first bytes)".to_owned(),
                todo,
            },
        });
    };
    let mut news = News::default();
    if let Some(first) = first {
        news.interface(first);
    }
    Ok(Cursor {
        format,
        source: 0,
        at,
        head: None,
        key: Time::default(),
        last: Time::default(),
        ended: false,
        mark_at: u64::MAX,
        mark_every: 0,
        news,
    })
}

fn tell_blind(filter: &Filter, source: &Source, link: LinkType, problems: &mut Problems) {
    if !filter.sees(link) {
        problems.push(Problem {
            kind: ProblemKind::LeftOut,
            file: source.name.clone(),
            offset: None,
            what: format!("the filter cannot look into link type {link}"),
            todo: "its frames match by length alone; read it without a filter",
        });
    }
}

/// `packed`: the fault is in what is around the capture, or in reading it.
fn damaged(file: &str, offset: u64, what: String, packed: bool) -> Problem {
    let todo = if packed { "the frames before it were read; unpack it by hand to see more" } else { "the frames before it were read" };
    Problem { kind: ProblemKind::Damaged, file: file.to_owned(), offset: Some(offset), what, todo }
}

/// For a file that cannot be held open beside the pipes.
fn crowded_out(room: Room) -> Refusal {
    Refusal {
        kind: ProblemKind::Limit,
        offset: None,
        what: format!("more than {} pipes, or {} MiB of zstd windows among them", room.files, room.windows >> 20),
        todo: "skipped; read it apart",
    }
}

fn unreadable(e: &io::Error) -> Refusal {
    Refusal {
        kind: ProblemKind::Unreadable,
        offset: None,
        what: format!("cannot be read: {e}"),
        todo: "skipped; check that it exists and its permissions",
    }
}

/// A path for a person.
fn shown(path: &Path) -> String {
    text::lossy(path.as_os_str().as_encoded_bytes()).into_owned()
}

#[inline]
fn u16_at(bytes: &[u8], at: usize, big: bool) -> Option<u16> {
    let two = *bytes.get(at..)?.first_chunk::<2>()?;
    Some(if big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
}

#[inline]
fn u32_at(bytes: &[u8], at: usize, big: bool) -> Option<u32> {
    let four = *bytes.get(at..)?.first_chunk::<4>()?;
    Some(if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
}

/// Reads `data` as one capture, and as two that are merged, for a fuzz target; gives the frames read by the first.
pub fn fuzz(data: &[u8]) -> u64 {
    let mut read = 0;
    let (left, right) = data.split_at(data.len() / 2);
    for parts in [vec![data], vec![left, right]] {
        let one = parts.len() == 1;
        let readers = parts.into_iter().map(|p| (String::new(), Box::new(io::Cursor::new(p.to_vec())) as Box<dyn Read + Send>)).collect();
        let mut capture = Capture::from_readers(readers, Options::default());
        let mut sum = 0u64;
        while capture.next_batch(&mut |frames| sum += frames.iter().map(|f| f.data.len() as u64).sum::<u64>()) == Status::More {}
        let counters = capture.counters();
        assert_eq!(counters.bytes, sum);
        assert_eq!(counters.read, capture.sources().iter().map(|s| s.frames).sum::<u64>());
        if one {
            read = counters.read;
        }
    }
    read
}
