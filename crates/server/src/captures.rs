//! Captures that imports leave, so that packets can be cut from them.
//!
//! A file is kept as it came, byte for byte, packed where it was packed: its SHA-256 stays that of what was given, an upload is kept by
//! renaming it, and nothing is spent on packing what may never be asked for. What is packed is read from its beginning for a cut; of the rest
//! the catalog has marks. Files of one import are kept and go together, since a flow may run through several of them.

use crate::Fault;
use crate::home::Home;
use crate::import::hexadecimal;
use crate::room::{For, Gone};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Error, Read, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use vigie_catalog::Source;

/// The folder in a data directory.
const FOLDER: &str = "captures";

impl Home {
    /// Where imported captures are kept.
    pub(crate) fn captures(dir: &Path) -> PathBuf {
        dir.join(FOLDER)
    }

    /// Where a kept file is.
    pub(crate) fn capture(&self, kept_as: &str) -> PathBuf {
        self.dir.join(kept_as)
    }

    /// Bytes of all kept captures.
    fn captures_bytes(&self) -> u64 {
        // Where the catalog cannot be read nothing can be kept either.
        self.catalog.captures().map_or(0, |all| all.iter().map(|(_, s)| s.bytes).sum())
    }

    /// The captures of the oldest imports that are kept, with their datasets, until they are of `bytes` together.
    pub(crate) fn oldest_captures(&self, bytes: u64) -> Vec<(String, Source)> {
        let mut all = self.catalog.captures().unwrap_or_default();
        let (mut freed, mut end) = (0u64, 0);
        while freed < bytes && end < all.len() {
            let of = (&all[end].0, &all[end].1.import);
            let together = all[end..].iter().take_while(|(dataset, s)| (dataset, &s.import) == of).count();
            freed += all[end..end + together].iter().map(|(_, s)| s.bytes).sum::<u64>();
            end += together;
        }
        all.truncate(end);
        all
    }

    /// Removes captures, those of the oldest import first, until `bytes` are freed or none is left.
    pub(crate) fn evict_captures(&self, bytes: u64) -> std::result::Result<Vec<Gone>, Fault> {
        let mut gone = Vec::new();
        for (_, source) in self.oldest_captures(bytes) {
            // First the file: on a full disk nothing can be noted before there is room.
            self.forget_capture(&source);
            self.catalog.unkeep(&source.sha256).map_err(Fault::of)?;
            gone.push(Gone::capture(&source));
        }
        Ok(gone)
    }

    /// Removes the file of a source; what cannot be removed now is when the directory is opened next.
    pub(crate) fn forget_capture(&self, source: &Source) {
        if let Some(kept_as) = &source.kept_as {
            let _ = std::fs::remove_file(self.capture(kept_as));
        }
    }

    /// Keeps the files of one import, each source with where it is now: all of them, or none and why.
    pub(crate) fn keep_captures(&self, sources: &mut [Source], files: &[PathBuf], own: bool, stop: &AtomicBool) -> Option<String> {
        let bytes: u64 = sources.iter().map(|s| s.bytes).sum();
        // What is the server's own already counts as used.
        let unwritten = if own { 0 } else { bytes };
        let fits = |more: u64| {
            let in_quota = match self.in_force().quota {
                0 => true,
                quota => self.used().total().saturating_add(unwritten) <= quota.saturating_add(more),
            };
            in_quota && (own || self.disk_room().saturating_add(more) >= unwritten.saturating_add(self.disk_spare()))
        };
        if !fits(self.captures_bytes()) {
            return Some(format!(
                "it has {bytes} bytes, and there is no room for it, all older captures' included; raise the quota or free space"
            ));
        }
        match self.make_room(unwritten, For::Capture) {
            Ok(_) if fits(0) => {}
            Ok(_) => return Some(format!("it has {bytes} bytes, and no room could be made; raise the quota or free space")),
            Err(why) => return Some(why.to_string()),
        }
        for (source, file) in sources.iter_mut().zip(files) {
            let kept_as = format!("{FOLDER}/{}", source.sha256);
            let to = self.capture(&kept_as);
            let kept = if own { adopt(file, &to) } else { copy(file, &to, &source.sha256, stop) };
            source.kept_as = Some(kept_as);
            if let Err(e) = kept {
                self.forget_all(sources);
                return Some(format!("{}: {e}", to.display()));
            }
        }
        self.weigh();
        None
    }

    /// Takes back what [`Home::keep_captures`] did.
    pub(crate) fn forget_all(&self, sources: &mut [Source]) {
        for source in sources {
            self.forget_capture(source);
            source.kept_as = None;
        }
    }

    /// Removes files that the catalog does not know, and forgets those that are not there: what a crash left.
    pub(crate) fn sweep_captures(&self) -> std::result::Result<(), Fault> {
        let mut known = BTreeSet::new();
        for (_, source) in self.catalog.captures().map_err(Fault::of)? {
            let path = source.kept_as.as_ref().map(|kept_as| self.capture(kept_as)).unwrap_or_default();
            if path.is_file() {
                known.insert(path);
            } else {
                self.catalog.unkeep(&source.sha256).map_err(Fault::of)?;
            }
        }
        for entry in std::fs::read_dir(Home::captures(&self.dir)).into_iter().flatten().flatten() {
            if !known.contains(&entry.path()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

fn folder_of(file: &Path) -> Result<()> {
    file.parent().map_or(Ok(()), std::fs::create_dir_all)
}

/// Takes a file of the server's own.
fn adopt(from: &Path, to: &Path) -> Result<()> {
    folder_of(to)?;
    File::open(from)?.sync_all()?;
    std::fs::rename(from, to)
}

/// Copies a file whose SHA-256 is known: it may have changed since.
fn copy(from: &Path, to: &Path, sha256: &str, stop: &AtomicBool) -> Result<()> {
    folder_of(to)?;
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Error::other("stopped"));
        }
        hasher.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
    }
    if hexadecimal(&hasher.finalize()) != sha256 {
        return Err(Error::other("the capture changed while it was read; import it again when it is complete"));
    }
    to.sync_all()
}
