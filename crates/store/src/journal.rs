//! The journal: batches durable at once.
//!
//! ```text
//! segment: "VIGIEJNL" version u32 zero u32, then frames: length u32, its complement u32, a batch as the link encodes it (with its crc)
//! ```

use crate::manifest::{Manifest, Origin, sync_dir};
use crate::{Error, Problem, io};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vigie_event::Schema;
use vigie_link::{Packed, decode, encode};

const MAGIC: &[u8; 8] = b"VIGIEJNL";
const VERSION: u32 = 1;
const HEAD: u64 = 16;
/// Largest frame: the link's largest batch, compressed, is below it.
const FRAME_MAX: u32 = 512 << 20;

#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    /// The open segment.
    pub(crate) segment: u64,
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    /// Bytes of the open segment.
    length: u64,
    /// Bytes of the segments before that are not Parquet yet.
    older: u64,
    /// Bytes ever appended by this process, and how many of them are known to be on the disk.
    pub(crate) written: u64,
    pub(crate) synced: u64,
    /// Bytes of rows in memory that no file holds.
    pub(crate) tail_bytes: usize,
    /// The highest number taken, by origin.
    pub(crate) numbers: BTreeMap<Origin, u64>,
    frame: Vec<u8>,
}

fn segment_path(dir: &Path, n: u64) -> PathBuf {
    dir.join(format!("{n:010}.vj"))
}

impl Journal {
    /// Reads what no file holds yet and opens a new segment. What a crash cut off at the end was never acknowledged and is dropped; a
    /// damaged frame before the end is reported.
    pub(crate) fn recover(
        dir: &Path,
        manifest: &Manifest,
        schemas: &[&'static Schema],
        problems: &mut Vec<Problem>,
    ) -> Result<(Journal, Vec<Arc<Packed>>), Error> {
        let dir = dir.join("journal");
        let mut segments = Vec::new();
        for e in std::fs::read_dir(&dir).map_err(io(&dir))? {
            let path = e.map_err(io(&dir))?.path();
            let number = path.extension().filter(|x| *x == "vj").and(path.file_stem()).and_then(|s| s.to_str()?.parse::<u64>().ok());
            if let Some(n) = number {
                segments.push((n, path));
            }
        }
        segments.sort();
        let mut numbers: BTreeMap<Origin, u64> = manifest.origins.iter().map(|(o, (_, n))| (o.clone(), *n)).collect();
        let mut tail = Vec::new();
        let (mut older, mut tail_bytes) = (0, 0);
        for (n, path) in &segments {
            if *n < manifest.journal {
                // All of it is in files.
                std::fs::remove_file(path).map_err(io(path))?;
                continue;
            }
            let mut bytes = Vec::new();
            File::open(path).and_then(|mut f| f.read_to_end(&mut bytes)).map_err(io(path))?;
            older += bytes.len() as u64;
            for p in read_segment(&bytes, path, schemas, problems)? {
                let last = numbers.entry(Origin::of(&p.header)).or_insert(0);
                if p.header.number > *last {
                    *last = p.header.number;
                    tail_bytes += p.rows.get_array_memory_size();
                    tail.push(Arc::new(p));
                }
            }
        }
        let segment = segments.last().map_or(0, |(n, _)| *n).max(manifest.journal) + 1;
        let (file, path) = create(&dir, segment)?;
        let journal =
            Journal { dir, segment, file, path, length: HEAD, older, written: 0, synced: 0, tail_bytes, numbers, frame: Vec::new() };
        Ok((journal, tail))
    }

    /// Writes a batch; `false` where its number was taken before. On an error the segment is as before.
    pub(crate) fn append(&mut self, p: &Packed) -> Result<bool, Error> {
        let origin = Origin::of(&p.header);
        if self.numbers.get(&origin).is_some_and(|n| p.header.number <= *n) {
            return Ok(false);
        }
        self.frame.clear();
        self.frame.extend_from_slice(&[0; 8]);
        encode(p, &mut self.frame)?;
        let length = u32::try_from(self.frame.len() - 8).ok().filter(|n| *n <= FRAME_MAX);
        let length = length.ok_or_else(|| Error::Query(format!("a batch of {} bytes", self.frame.len())))?;
        self.frame[..4].copy_from_slice(&length.to_le_bytes());
        self.frame[4..8].copy_from_slice(&(!length).to_le_bytes());
        if let Err(e) = self.file.write_all_at(&self.frame, self.length) {
            // What was written of it must not stand between this and the next frame.
            let _ = self.file.set_len(self.length);
            return Err(Error::Io(self.path.clone(), e));
        }
        self.length += self.frame.len() as u64;
        self.written += self.frame.len() as u64;
        self.tail_bytes += p.rows.get_array_memory_size();
        self.numbers.insert(origin, p.header.number);
        Ok(true)
    }

    /// Ends the open segment, durable, and opens the next; gives the number of the new one.
    pub(crate) fn rotate(&mut self) -> Result<u64, Error> {
        self.file.sync_data().map_err(io(&self.path))?;
        let (file, path) = create(&self.dir, self.segment + 1)?;
        self.synced = self.written;
        self.older += self.length;
        self.segment += 1;
        (self.file, self.path, self.length) = (file, path, HEAD);
        Ok(self.segment)
    }

    /// Removes the segments before `first`: files hold them.
    pub(crate) fn forget(&mut self, first: u64) -> Result<(), Error> {
        for e in std::fs::read_dir(&self.dir).map_err(io(&self.dir))? {
            let path = e.map_err(io(&self.dir))?.path();
            let number = path.file_stem().and_then(|s| s.to_str()?.parse::<u64>().ok());
            if path.extension().is_some_and(|x| x == "vj") && number.is_some_and(|n| n < first) {
                std::fs::remove_file(&path).map_err(io(&path))?;
            }
        }
        self.older = 0;
        Ok(())
    }

    pub(crate) fn bytes_on_disk(&self) -> u64 {
        self.older + self.length
    }
}

fn create(dir: &Path, segment: u64) -> Result<(Arc<File>, PathBuf), Error> {
    let path = segment_path(dir, segment);
    let make = || -> std::io::Result<File> {
        let mut f = File::options().write(true).create(true).truncate(true).open(&path)?;
        f.write_all(MAGIC)?;
        f.write_all(&VERSION.to_le_bytes())?;
        f.write_all(&[0; 4])?;
        f.sync_all()?;
        Ok(f)
    };
    let file = make().map_err(io(&path))?;
    sync_dir(dir)?;
    Ok((Arc::new(file), path))
}

/// The batches of a segment. Total on any bytes.
fn read_segment(bytes: &[u8], path: &Path, schemas: &[&'static Schema], problems: &mut Vec<Problem>) -> Result<Vec<Packed>, Error> {
    let mut out = Vec::new();
    let Some((head, mut rest)) = bytes.split_at_checked(HEAD as usize) else { return Ok(out) };
    let mut problem = |what: String| problems.push(Problem { path: path.to_owned(), what });
    if &head[..8] != MAGIC {
        problem("not a journal of Vigie: left out".to_owned());
        return Ok(out);
    }
    let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    if version > VERSION {
        return Err(Error::Newer(path.to_owned(), version.into()));
    }
    while let Some((prefix, after)) = rest.split_at_checked(8) {
        let n = u32::from_le_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]);
        let check = u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]);
        if check != !n || n > FRAME_MAX {
            // Zeros are what a file system leaves of an append that it did not finish.
            if rest.iter().any(|b| *b != 0) {
                problem(format!("damaged {} bytes before its end: the rest is left out", rest.len()));
            }
            break;
        }
        // Cut at the end: never acknowledged.
        let Some((frame, after)) = after.split_at_checked(n as usize) else { break };
        match decode(frame, schemas) {
            Ok(p) => out.push(p),
            // The last frame of a crash may have its length and lack its content.
            Err(_) if after.is_empty() => {}
            Err(e) => problem(format!("a batch at byte {} is left out: {e}", bytes.len() - rest.len())),
        }
        rest = after;
    }
    Ok(out)
}
