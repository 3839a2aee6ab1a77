//! Packets kept of the site's own traffic, found again by their flow.
//!
//! A folder of [`file`]s, named by the time of their first packet: one is written, the others are only read, and go as a whole, the oldest
//! first. What a crash left of the one that was written is kept up to its last whole packet.

mod file;

#[cfg(test)]
mod tests;

use crate::Fault;
use file::{Closed, Entry, Open, Reading, Source};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use vigie_base::{Budget, Time};
use vigie_capture::Frame;
use vigie_sensor::keep::{self, Kept};

/// Files that packets of one download are read from at most; each is held open.
const FILES_MAX: usize = 400;
/// Packets of one download at most.
const PACKETS_MAX: usize = 4 << 20;
/// What the file that is written takes in memory: where its packets stand.
pub(crate) const BUDGET: Budget = Budget {
    name: "packets.index",
    entries_max: 2 * file::PACKETS_MAX as u64,
    entry_bytes: 2 * size_of::<Entry>() as u64,
    when_full: "another file is begun",
};
const APPLICATION: &str = concat!("Vigie ", env!("CARGO_PKG_VERSION"));

/// How often something happened.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Packets written.
    pub(crate) written: AtomicU64,
    /// Their captured bytes.
    pub(crate) bytes: AtomicU64,
    /// Packets that a sensor kept and that were not written: the disk was slow, full or broken.
    pub(crate) dropped: AtomicU64,
    /// Packets that the sensor overwrote before it could give them, as it says.
    pub(crate) overwritten: AtomicU64,
}

/// Where they are.
pub(crate) struct Packets {
    dir: PathBuf,
    files: Mutex<Files>,
    pub(crate) counted: Counted,
    problems: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Files {
    /// The oldest first.
    closed: VecDeque<Closed>,
    open: Option<Open>,
    /// Interfaces that packets came from so far.
    sources: Vec<Source>,
}

impl Files {
    fn bytes(&self) -> u64 {
        self.closed.iter().map(|c| c.bytes).sum::<u64>() + self.open.as_ref().map_or(0, |o| o.bytes)
    }
}

/// Packets that were found: what is read for them stays readable.
#[derive(Default)]
pub(crate) struct Found {
    files: Vec<Reading>,
    /// In the order of time, each with its file.
    packets: Vec<(Entry, u16)>,
    /// Bytes of their blocks.
    pub(crate) bytes: u64,
    /// How many of each flow.
    pub(crate) flows: BTreeMap<u64, u64>,
}

impl Found {
    /// How many.
    pub(crate) fn len(&self) -> u64 {
        self.packets.len() as u64
    }

    /// Each packet in the order of time, with the name of its interface; a frame that is two flows' (a tunnel and what it carries) once.
    /// Stops where `each` says so.
    pub(crate) fn each(&self, mut each: impl FnMut(&str, &Frame<'_>) -> bool) -> Result<(), Fault> {
        let (mut block, mut before, mut before_at) = (Vec::new(), Vec::new(), Time(u64::MAX));
        for (entry, of) in &self.packets {
            let reading = &self.files[usize::from(*of)];
            reading.block(*entry, &mut block).map_err(|e| Fault::new(format!("a file of packets cannot be read: {e}")))?;
            let Some((interface, frame, _)) = file::packet(&block) else {
                return Err(Fault::new("a file of packets is damaged"));
            };
            if before_at == frame.time && before == frame.data {
                continue;
            }
            let Some(i) = reading.interfaces.get(interface as usize) else {
                return Err(Fault::new("a file of packets is damaged: an interface that it does not describe"));
            };
            if !each(&i.name, &Frame { link: i.link, ..frame }) {
                return Ok(());
            }
            before_at = frame.time;
            before.clear();
            before.extend_from_slice(frame.data);
        }
        Ok(())
    }
}

/// Why packets were not found.
pub(crate) enum Lacking {
    /// There are none.
    None,
    /// They are in more than so many files, or more than the tables hold.
    TooMuch(usize),
    Fault(Fault),
}

impl Packets {
    /// Of a folder, which need not be there. What is damaged is set aside.
    pub(crate) fn open(dir: PathBuf) -> Packets {
        let (mut closed, mut problems) = (Vec::new(), Vec::new());
        let all: BTreeSet<(String, String)> = std::fs::read_dir(&dir)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| {
                let name = e.file_name().into_string().ok()?;
                let (name, kind) = name.rsplit_once('.')?;
                Some((name.to_owned(), kind.to_owned()))
            })
            .collect();
        for (name, kind) in &all {
            let of = |kind: &str| dir.join(format!("{name}.{kind}"));
            match kind.as_str() {
                "pcapng" => match Closed::found(&dir, name) {
                    Ok((file, said)) => {
                        closed.push(file);
                        problems.extend(said);
                    }
                    Err(e) => problems.push(format!("{}: {e}", of(kind).display())),
                },
                "damaged" => {
                    let bytes = std::fs::metadata(of(kind)).map_or(0, |m| m.len());
                    closed.push(Closed::aside(name, bytes));
                    problems.push(format!(
                        "{}: packets that cannot be read; remove it, or leave it until its room is needed",
                        of(kind).display()
                    ));
                }
                // An index that was not written to its end, or whose packets are gone.
                "new" => drop(std::fs::remove_file(of(kind))),
                "index" if !all.contains(&(name.clone(), "pcapng".to_owned())) => drop(std::fs::remove_file(of(kind))),
                _ => {}
            }
        }
        closed.sort_by(|a, b| a.name.cmp(&b.name));
        problems.iter().for_each(|p| eprintln!("vigie: {p}"));
        let files = Files { closed: closed.into(), ..Files::default() };
        Packets { dir, files: Mutex::new(files), counted: Counted::default(), problems: Mutex::new(problems) }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found damaged, in words.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes of all of it.
    pub(crate) fn bytes(&self) -> u64 {
        self.files().bytes()
    }

    /// Writes packets as a sensor gives them ([`keep::each`]); of `names` are its interfaces. All or none; what is none is counted.
    pub(crate) fn write(&self, piece: &[u8], names: &[String]) -> Result<(), Fault> {
        let (mut all, mut bytes): (Vec<Kept<'_>>, u64) = (Vec::new(), 0);
        // What a sensor says is foreign: of a piece that is none, what could be read is kept.
        keep::each(piece, |k| {
            bytes += k.data.len() as u64;
            all.push(k);
        });
        if all.is_empty() {
            return Ok(());
        }
        let written = self.write_all(&all, names);
        let count = all.len() as u64;
        match &written {
            Ok(()) => {
                self.counted.written.fetch_add(count, Ordering::Relaxed);
                self.counted.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            Err(_) => self.drop(count),
        }
        written
    }

    /// Counts packets that are not written.
    pub(crate) fn drop(&self, count: u64) {
        self.counted.dropped.fetch_add(count, Ordering::Relaxed);
    }

    fn write_all(&self, all: &[Kept<'_>], names: &[String]) -> Result<(), Fault> {
        let mut guard = self.files();
        let files = &mut *guard;
        let fault = |e: std::io::Error| Fault::at(&self.dir, &e, "packets are not kept; see that there is room");
        let known = files.sources.len();
        for k in all {
            if !files.sources.iter().any(|s| (s.number, s.link) == (k.source, k.link)) {
                if files.sources.len() >= file::INTERFACES_MAX {
                    return Err(Fault::new("packets of more interfaces than there are"));
                }
                let name = names.get(usize::from(k.source)).cloned().unwrap_or_default();
                files.sources.push(Source { number: k.source, link: k.link, name });
            }
        }
        let now = all[0].time;
        if files.open.as_ref().is_some_and(|o| o.is_full(now) || files.sources.len() > known) {
            self.close_open(files).map_err(fault)?;
        }
        if files.open.is_none() {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(fault)?;
            let latest = files.closed.back().and_then(|c| c.name.parse::<u64>().ok()).unwrap_or(0);
            // In the order in which they were written, whatever the clock did.
            let (mut number, mut tries) = (now.0.max(latest.saturating_add(1)), 0);
            files.open = loop {
                match Open::create(&self.dir, format!("{number:020}"), APPLICATION, &files.sources) {
                    Ok(open) => break Some(open),
                    Err(e) if e.kind() == ErrorKind::AlreadyExists && tries < 100 => (number, tries) = (number + 1, tries + 1),
                    Err(e) => return Err(fault(e)),
                }
            };
        }
        files.open.as_mut().map_or(Ok(()), |open| open.write(all)).map_err(fault)
    }

    /// Ends the file that is written. Where its index cannot be, the file stands and gets one at the next start.
    fn close_open(&self, files: &mut Files) -> std::io::Result<()> {
        let Some(open) = files.open.take() else { return Ok(()) };
        let (name, extent, bytes) = (open.name.clone(), open.extent, open.bytes);
        match open.close(&self.dir) {
            Ok(closed) => files.closed.push_back(closed),
            Err(e) => {
                let is_readable = true;
                files.closed.push_back(Closed { name, extent, bytes, is_readable });
                return Err(e);
            }
        }
        Ok(())
    }

    /// Ends the file that is written.
    pub(crate) fn close(&self) -> Result<(), Fault> {
        self.close_open(&mut self.files()).map_err(|e| Fault::at(&self.dir, &e, "free space"))
    }

    /// The packets of these flows, which are of about this time.
    pub(crate) fn find(&self, flows: &BTreeSet<u64>, (from, to): (Time, Time)) -> Result<Found, Lacking> {
        let fault = |e: std::io::Error| Lacking::Fault(Fault::at(&self.dir, &e, "a file of packets cannot be read"));
        let (mut chosen, open) = {
            let files = self.files();
            let of_time = |e: &file::Extent| e.packets > 0 && e.first <= to && e.last >= from;
            let chosen: Vec<Closed> = files.closed.iter().filter(|c| c.is_readable && of_time(&c.extent)).cloned().collect();
            let open = files.open.as_ref().filter(|o| of_time(&o.extent)).map(|o| {
                let entries: Vec<Entry> = o.entries.iter().filter(|e| flows.contains(&e.flow_id)).copied().collect();
                (o.name.clone(), entries)
            });
            (chosen, open)
        };
        let mut found = Found::default();
        let of_closed = chosen.drain(..).map(|c| (c.find(&self.dir, flows), c.name));
        let of_open = open.into_iter().map(|(name, entries)| (Ok(entries), name));
        for (entries, name) in of_closed.chain(of_open) {
            let read = entries.and_then(|entries| {
                if entries.is_empty() { Ok(None) } else { Reading::open(&file::pcapng(&self.dir, &name)).map(|r| Some((entries, r))) }
            });
            let (entries, reading) = match read {
                Ok(None) => continue,
                Ok(Some(both)) => both,
                // It went in between.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(fault(e)),
            };
            if found.files.len() >= FILES_MAX || found.packets.len() + entries.len() > PACKETS_MAX {
                return Err(Lacking::TooMuch(FILES_MAX));
            }
            for e in entries {
                found.bytes += u64::from(e.len);
                *found.flows.entry(e.flow_id).or_default() += 1;
                found.packets.push((e, found.files.len() as u16));
            }
            found.files.push(reading);
        }
        found.packets.sort_unstable_by_key(|(e, of)| (e.time, *of, e.at));
        if found.packets.is_empty() { Err(Lacking::None) } else { Ok(found) }
    }

    /// The oldest files that are of `bytes` together, or all; their bytes and the first's name.
    pub(crate) fn oldest(&self, bytes: u64) -> Option<(String, u64)> {
        let files = self.files();
        let mut freed = 0;
        let open = files.open.as_ref().map(|o| o.bytes);
        for n in files.closed.iter().map(|c| c.bytes).chain(open) {
            if freed >= bytes {
                break;
            }
            freed += n;
        }
        let name = files.closed.front().map(|c| &c.name).or(files.open.as_ref().map(|o| &o.name));
        name.filter(|_| freed > 0).map(|name| (format!("{name}.pcapng"), freed))
    }

    /// Removes the oldest files until `bytes` are freed or none is left, that which is written last; the first's name and bytes freed.
    pub(crate) fn evict(&self, bytes: u64) -> Option<(String, u64)> {
        let (mut files, mut freed, mut first) = (self.files(), 0, None);
        while freed < bytes {
            if files.closed.is_empty() {
                let _ = self.close_open(&mut files);
            }
            let Some(oldest) = files.closed.pop_front() else { break };
            let _ = oldest.remove(&self.dir);
            freed += oldest.bytes;
            first.get_or_insert(format!("{}.pcapng", oldest.name));
        }
        first.map(|name| (name, freed))
    }

    /// Removes files whose last packet is from before `since`, and the oldest of more than `size` bytes (0: of any size).
    pub(crate) fn hold(&self, since: Time, size: u64) {
        let over = {
            let mut files = self.files();
            if files.open.as_ref().is_some_and(|o| o.extent.last < since) {
                let _ = self.close_open(&mut files);
            }
            while files.closed.front().is_some_and(|c| c.extent.last < since) {
                if let Some(old) = files.closed.pop_front() {
                    let _ = old.remove(&self.dir);
                }
            }
            if size == 0 { 0 } else { files.bytes().saturating_sub(size) }
        };
        if over > 0 {
            self.evict(over);
        }
    }

    /// The folder in a data directory.
    pub(crate) fn folder(dir: &Path) -> PathBuf {
        dir.join("packets")
    }
}
