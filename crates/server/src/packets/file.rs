//! One file of packets: pcapng that any tool reads, and an index of where each flow's packets stand in it.
//!
//! ```text
//! NAME.pcapng:  a section, the interfaces, then packets in the order in which they came, each with its flow as a comment: `flow 123`
//! NAME.index:   "VGPI"  version u32  bytes of the pcapng u64  packets u64  first and last time (nanoseconds u64 each), then, sorted,
//!               for each packet: flow u64  time u64  place of its block u32  length of its block u32
//! ```
//!
//! The pcapng tells all; an index that is lacking (the file was being written when the process was killed) is made of it again. What is torn
//! at its end is cut off.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use vigie_base::Time;
use vigie_capture::{Frame, Interface, LinkType, write};
use vigie_sensor::keep::Kept;

/// Bytes at which a file is full.
pub(super) const BYTES_MAX: u64 = 64 << 20;
/// Packets at which it is.
pub(super) const PACKETS_MAX: usize = 512 << 10;
/// Nanoseconds that it spans at most, so that it goes when its time has come.
pub(super) const SPAN_MAX: u64 = 3600 * vigie_base::time::SECOND;
/// Interfaces that a file describes at most: each with each kind of frame.
pub(super) const INTERFACES_MAX: usize = 64;

const MAGIC: [u8; 8] = *b"VGPI\x01\0\0\0";
const INDEX_HEAD: usize = 40;
const ENTRY: usize = 24;
/// Longest block of a packet: the longest frame, and a comment.
const BLOCK_MAX: usize = (256 << 10) + 256;
/// Flows up to which an index is searched in place, and above which it is read whole.
const SEARCHED_MAX: usize = 16;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;

/// Where a packet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) flow_id: u64,
    pub(super) time: Time,
    /// Where its block begins in the file.
    pub(super) at: u32,
    /// Bytes of its block.
    pub(super) len: u32,
}

/// What is known of a file without reading its packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) packets: u64,
    pub(super) first: Time,
    pub(super) last: Time,
}

impl Extent {
    fn add(&mut self, time: Time) {
        self.first = if self.packets == 0 { time } else { self.first.min(time) };
        self.last = self.last.max(time);
        self.packets += 1;
    }
}

/// An interface, as a file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) number: u16,
    pub(super) link: LinkType,
    pub(super) name: String,
}

pub(super) fn pcapng(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.pcapng"))
}

pub(super) fn index(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.index"))
}

fn odd(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what.to_owned())
}

/// A file that is written.
pub(super) struct Open {
    pub(super) name: String,
    pub(super) extent: Extent,
    pub(super) bytes: u64,
    pub(super) entries: Vec<Entry>,
    sources: Vec<Source>,
    file: File,
}

impl Open {
    /// Begins one whose interfaces are `sources`.
    pub(super) fn create(dir: &Path, name: String, application: &str, sources: &[Source]) -> Result<Open> {
        let mut head = Vec::new();
        write::section(application, "packets kept of live traffic", &mut head);
        for s in sources {
            let comment =
                if s.link == LinkType::RAW { "IP packets without a link header, and datagrams put together from fragments" } else { "" };
            write::interface(&Interface { name: s.name.clone(), link: s.link, snaplen: 0, fcs: None }, comment, &mut head);
        }
        let path = pcapng(dir, &name);
        let file = File::options().create_new(true).read(true).write(true).open(&path)?;
        if let Err(e) = file.write_all_at(&head, 0) {
            let _ = std::fs::remove_file(&path);
            return Err(e);
        }
        Ok(Open { name, extent: Extent::default(), bytes: head.len() as u64, entries: Vec::new(), sources: sources.to_vec(), file })
    }

    /// Whether the next packets belong into another file.
    pub(super) fn is_full(&self, now: Time) -> bool {
        let span = self.extent.packets > 0 && now.since(self.extent.first) >= SPAN_MAX;
        self.bytes >= BYTES_MAX || self.entries.len() >= PACKETS_MAX || span
    }

    /// Writes packets whose interfaces it knows, all or none.
    pub(super) fn write(&mut self, packets: &[Kept<'_>]) -> Result<()> {
        let (mut blocks, mut entries, mut extent) = (Vec::new(), Vec::with_capacity(packets.len()), self.extent);
        for p in packets {
            let interface = self.sources.iter().position(|s| (s.number, s.link) == (p.source, p.link));
            let interface = interface.ok_or_else(|| odd("an interface that the file does not know"))?;
            let at = self.bytes + blocks.len() as u64;
            let before = blocks.len();
            let frame = Frame { time: p.time, data: p.data, wire_len: p.wire_len, link: p.link, source: p.source };
            write::packet(interface as u32, &frame, &format!("flow {}", p.flow_id), &mut blocks);
            let (at, len) = (u32::try_from(at).map_err(|_| odd("the file is too long"))?, (blocks.len() - before) as u32);
            entries.push(Entry { flow_id: p.flow_id, time: p.time, at, len });
            extent.add(p.time);
        }
        if let Err(e) = self.file.write_all_at(&blocks, self.bytes) {
            let _ = self.file.set_len(self.bytes);
            return Err(e);
        }
        self.bytes += blocks.len() as u64;
        self.entries.extend(entries);
        self.extent = extent;
        Ok(())
    }

    /// Ends it: what it is without being written.
    pub(super) fn close(mut self, dir: &Path) -> Result<Closed> {
        self.file.sync_all()?;
        let index_bytes = write_index(dir, &self.name, self.bytes, self.extent, &mut self.entries)?;
        Ok(Closed { name: self.name, extent: self.extent, bytes: self.bytes + index_bytes, is_readable: true })
    }
}

fn write_index(dir: &Path, name: &str, bytes: u64, extent: Extent, entries: &mut [Entry]) -> Result<u64> {
    entries.sort_unstable();
    let mut out = Vec::with_capacity(INDEX_HEAD + entries.len() * ENTRY);
    out.extend_from_slice(&MAGIC);
    for n in [bytes, extent.packets, extent.first.0, extent.last.0] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    for e in entries.iter() {
        out.extend_from_slice(&e.flow_id.to_le_bytes());
        out.extend_from_slice(&e.time.0.to_le_bytes());
        out.extend_from_slice(&e.at.to_le_bytes());
        out.extend_from_slice(&e.len.to_le_bytes());
    }
    let (to, new) = (index(dir, name), dir.join(format!("{name}.new")));
    let written = File::create(&new).and_then(|mut f| f.write_all(&out).and_then(|()| f.sync_all()));
    if let Err(e) = written.and_then(|()| std::fs::rename(&new, &to)) {
        let _ = std::fs::remove_file(&new);
        return Err(e);
    }
    Ok(out.len() as u64)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).copied().map(u64::from_le_bytes).unwrap_or_default()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).copied().map(u32::from_le_bytes).unwrap_or_default()
}

fn entry(bytes: &[u8]) -> Entry {
    Entry { flow_id: u64_at(bytes, 0), time: Time(u64_at(bytes, 8)), at: u32_at(bytes, 16), len: u32_at(bytes, 20) }
}

/// A file that is not written any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) name: String,
    pub(super) extent: Extent,
    /// Of both files.
    pub(super) bytes: u64,
    /// Whether it is no more than something that takes room.
    pub(super) is_readable: bool,
}

impl Closed {
    /// One that is found in a folder; its index is made again where it lacks. What was found wrong, in a line.
    pub(super) fn found(dir: &Path, name: &str) -> Result<(Closed, Option<String>)> {
        let path = pcapng(dir, name);
        let bytes = std::fs::metadata(&path)?.len();
        if let Ok(extent) = read_extent(&index(dir, name), bytes) {
            let index_bytes = INDEX_HEAD as u64 + extent.packets * ENTRY as u64;
            return Ok((Closed { name: name.to_owned(), extent, bytes: bytes + index_bytes, is_readable: true }, None));
        }
        match scan(&path) {
            Ok((mut entries, good)) => {
                let mut extent = Extent::default();
                entries.iter().for_each(|e| extent.add(e.time));
                let torn = bytes.saturating_sub(good);
                if torn > 0 {
                    File::options().write(true).open(&path)?.set_len(good)?;
                }
                let index_bytes = write_index(dir, name, good, extent, &mut entries)?;
                let said = (torn > 0).then(|| {
                    format!(
                        "{}: its last {torn} bytes were torn and are cut off; {} packets before them are kept",
                        path.display(),
                        extent.packets
                    )
                });
                Ok((Closed { name: name.to_owned(), extent, bytes: good + index_bytes, is_readable: true }, said))
            }
            Err(e) if e.kind() == ErrorKind::InvalidData => {
                let aside = dir.join(format!("{name}.damaged"));
                std::fs::rename(&path, &aside)?;
                let said = format!("{}: {e}; it is set aside as {}", path.display(), aside.display());
                Ok((Closed::aside(name, bytes), Some(said)))
            }
            Err(e) => Err(e),
        }
    }

    /// One that was set aside.
    pub(super) fn aside(name: &str, bytes: u64) -> Closed {
        Closed { name: name.to_owned(), extent: Extent::default(), bytes, is_readable: false }
    }

    /// Removes it.
    pub(super) fn remove(&self, dir: &Path) -> Result<()> {
        let _ = std::fs::remove_file(index(dir, &self.name));
        let path = if self.is_readable { pcapng(dir, &self.name) } else { dir.join(format!("{}.damaged", self.name)) };
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// The packets of these flows.
    pub(super) fn find(&self, dir: &Path, flows: &BTreeSet<u64>) -> Result<Vec<Entry>> {
        let file = File::open(index(dir, &self.name))?;
        let count = file.metadata()?.len().saturating_sub(INDEX_HEAD as u64) / ENTRY as u64;
        if flows.len() > SEARCHED_MAX {
            let (mut all, mut bytes) = (Vec::new(), vec![0; (count as usize) * ENTRY]);
            file.read_exact_at(&mut bytes, INDEX_HEAD as u64)?;
            all.extend(bytes.chunks_exact(ENTRY).map(entry).filter(|e| flows.contains(&e.flow_id)));
            return Ok(all);
        }
        let at = |n: u64| {
            let mut bytes = [0; ENTRY];
            file.read_exact_at(&mut bytes, INDEX_HEAD as u64 + n * ENTRY as u64).map(|()| entry(&bytes))
        };
        let mut all = Vec::new();
        for flow in flows {
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = low + (high - low) / 2;
                if at(middle)?.flow_id < *flow { low = middle + 1 } else { high = middle }
            }
            while low < count {
                let e = at(low)?;
                if e.flow_id != *flow {
                    break;
                }
                all.push(e);
                low += 1;
            }
        }
        Ok(all)
    }
}

/// What the index of a pcapng of so many bytes says. Errors: it is not there, or not of that file.
fn read_extent(path: &Path, bytes: u64) -> Result<Extent> {
    let mut file = File::open(path)?;
    let mut head = [0; INDEX_HEAD];
    file.read_exact(&mut head)?;
    let extent = Extent { packets: u64_at(&head, 16), first: Time(u64_at(&head, 24)), last: Time(u64_at(&head, 32)) };
    let length = extent.packets.checked_mul(ENTRY as u64).and_then(|n| n.checked_add(INDEX_HEAD as u64));
    let fits = head[..8] == MAGIC && u64_at(&head, 8) == bytes && length == Some(file.metadata()?.len());
    fits.then_some(extent).ok_or_else(|| odd("it is of another file"))
}

/// The next block; none at the end, or where what is there is no whole block.
fn next_block<R: Read>(from: &mut R, block: &mut Vec<u8>) -> Result<Option<u32>> {
    block.clear();
    from.by_ref().take(8).read_to_end(block)?;
    let len = u32_at(block, 4) as usize;
    if block.len() < 8 || !(12..=BLOCK_MAX).contains(&len) || !len.is_multiple_of(4) {
        return Ok(None);
    }
    from.by_ref().take(len as u64 - 8).read_to_end(block)?;
    let whole = block.len() == len && u32_at(block, len - 4) as usize == len;
    Ok(whole.then(|| u32_at(block, 0)))
}

/// Where packets stand in a file, and up to where it is whole. Errors: it cannot be read, or (invalid data) was not written by this.
fn scan(path: &Path) -> Result<(Vec<Entry>, u64)> {
    let (mut from, mut block) = (BufReader::with_capacity(256 << 10, File::open(path)?), Vec::new());
    if next_block(&mut from, &mut block)? != Some(SECTION) {
        return Err(odd("it does not begin as pcapng"));
    }
    let (mut at, mut entries) = (block.len() as u64, Vec::new());
    while let Some(kind) = next_block(&mut from, &mut block)? {
        match kind {
            PACKET => {
                let Some((_, frame, flow_id)) = packet(&block) else { break };
                let Ok(place) = u32::try_from(at) else { break };
                entries.push(Entry { flow_id, time: frame.time, at: place, len: block.len() as u32 });
            }
            INTERFACE => {}
            _ => break,
        }
        at += block.len() as u64;
    }
    Ok((entries, at))
}

/// Reads a packet's block: its interface, itself (its link is not told here), its flow. None where it is not as this writes it.
pub(super) fn packet(block: &[u8]) -> Option<(u32, Frame<'_>, u64)> {
    let length = u32_at(block, 20) as usize;
    let data = block.get(28..)?.get(..length)?;
    let options = block.get(28 + length.next_multiple_of(4)..)?;
    let comment = options.get(4..)?.get(..usize::from(u16::from_le_bytes([*options.get(2)?, *options.get(3)?])))?;
    let flow_id = std::str::from_utf8(comment).ok()?.strip_prefix("flow ")?.parse().ok()?;
    let time = Time(u64::from(u32_at(block, 12)) << 32 | u64::from(u32_at(block, 16)));
    let frame = Frame { time, data, wire_len: u32_at(block, 24), link: LinkType(0), source: 0 };
    Some((u32_at(block, 8), frame, flow_id))
}

/// A file that packets are read from.
pub(super) struct Reading {
    file: File,
    pub(super) interfaces: Vec<Interface>,
}

impl Reading {
    pub(super) fn open(path: &Path) -> Result<Reading> {
        let file = File::open(path)?;
        let (mut from, mut block, mut interfaces) = (BufReader::new(&file), Vec::new(), Vec::new());
        next_block(&mut from, &mut block)?;
        while interfaces.len() < INTERFACES_MAX && next_block(&mut from, &mut block)? == Some(INTERFACE) {
            interfaces.push(interface(&block));
        }
        Ok(Reading { file, interfaces })
    }

    /// The block at a place, into `block`.
    pub(super) fn block(&self, entry: Entry, block: &mut Vec<u8>) -> Result<()> {
        if entry.len as usize > BLOCK_MAX {
            return Err(odd("an index of something else"));
        }
        block.resize(entry.len as usize, 0);
        self.file.read_exact_at(block, u64::from(entry.at))
    }
}

/// Reads an interface's block: how its frames begin, and its name.
fn interface(block: &[u8]) -> Interface {
    let link = LinkType(u32_at(block, 8) as u16);
    let (mut at, mut name) = (16, String::new());
    while let Some([a, b, c, d]) = block.get(at..).and_then(|rest| rest.first_chunk()) {
        let (code, length) = (u16::from_le_bytes([*a, *b]), usize::from(u16::from_le_bytes([*c, *d])));
        if code == 0 {
            break;
        }
        if code == 2 {
            name = block
                .get(at + 4..)
                .and_then(|rest| rest.get(..length))
                .map(|n| String::from_utf8_lossy(n).into_owned())
                .unwrap_or_default();
        }
        at += 4 + length.next_multiple_of(4);
    }
    Interface { name, link, snaplen: 0, fcs: None }
}
