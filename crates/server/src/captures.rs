//! Captures that imports leave, so that packets can be cut from them.
//!
//! A file is kept as it came, byte for byte, packed where it was packed: its SHA-256 stays that of what was given, an upload is kept by
//! renaming it, and nothing is spent on packing what may never be asked for. What is packed is read from its beginning for a cut; of the rest
//! the catalog has marks. Files of one import are kept and go together, since a flow may run through several of them.

use crate::Fault;
use crate::app::now;
use crate::home::Home;
use crate::import::hexadecimal;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Error, Read, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use vigie_catalog::Source;

/// The folder in a data directory.
const FOLDER: &str = "captures";
/// Room that is left on the disk at least: 1 GiB, or a twentieth of a small one.
const SPARE: u64 = 1 << 30;

impl Home {
    /// Where a kept file is.
    pub(crate) fn capture(&self, kept_as: &str) -> PathBuf {
        self.dir.join(kept_as)
    }

    /// Bytes of all kept captures.
    pub(crate) fn captures_bytes(&self) -> u64 {
        // Where the catalog cannot be read nothing can be kept either.
        self.catalog.captures().map_or(0, |all| all.iter().map(|(_, s)| s.bytes).sum())
    }

    /// Bytes that may still be written: what the quota leaves, and the disk.
    pub(crate) fn room(&self) -> u64 {
        self.room_in_quota().min(self.room_on_disk())
    }

    fn room_on_disk(&self) -> u64 {
        rustix::fs::statvfs(&self.dir).map_or(0, |s| (s.f_bavail * s.f_frsize).saturating_sub(SPARE.min(s.f_blocks * s.f_frsize / 20)))
    }

    fn room_in_quota(&self) -> u64 {
        match self.quota {
            0 => u64::MAX,
            quota => quota.saturating_sub(self.store.usage().bytes + self.captures_bytes() + self.catalog.bytes().unwrap_or(0)),
        }
    }

    /// Makes room for so many bytes, of which so many are yet to be written, if it can be made: captures go, those of the oldest import
    /// first.
    pub(crate) fn make_room(&self, bytes: u64, unwritten: u64) -> std::result::Result<bool, Fault> {
        let captures = self.captures_bytes();
        let lacks = |more: u64| self.room_in_quota().saturating_add(more) < bytes || self.room_on_disk().saturating_add(more) < unwritten;
        if lacks(captures) {
            return Ok(false);
        }
        while lacks(0) {
            if !self.forget_captures()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes the captures of the oldest import that has any; false where there is none.
    pub(crate) fn forget_captures(&self) -> std::result::Result<bool, Fault> {
        let all = self.catalog.captures().map_err(Fault::of)?;
        let Some((dataset, oldest)) = all.first() else { return Ok(false) };
        let (mut files, mut bytes) = (0, 0);
        for (_, source) in all.iter().filter(|(d, s)| d == dataset && s.import == oldest.import) {
            self.catalog.unkeep(&source.sha256).map_err(Fault::of)?;
            self.forget_capture(source);
            (files, bytes) = (files + 1, bytes + source.bytes);
        }
        let detail = json!({"files": files, "bytes": bytes});
        self.catalog.audit("vigie", "capture.remove", dataset, &detail, now()).map_err(Fault::of)?;
        Ok(true)
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
        match self.make_room(bytes, if own { 0 } else { bytes }) {
            Ok(true) => {}
            Ok(false) => {
                let room = self.room().saturating_add(self.captures_bytes());
                return Some(format!("{bytes} bytes are needed, and {room} can be had; raise the quota or free space"));
            }
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
        None
    }

    /// Takes back what [`Home::keep_captures`] did.
    pub(crate) fn forget_all(&self, sources: &mut [Source]) {
        for source in sources {
            self.forget_capture(source);
            source.kept_as = None;
        }
    }

    /// Removes files that the catalog does not know: what a crash left.
    pub(crate) fn sweep_captures(&self) -> std::result::Result<(), Fault> {
        let known: BTreeSet<PathBuf> =
            self.catalog.captures().map_err(Fault::of)?.iter().filter_map(|(_, s)| Some(self.capture(s.kept_as.as_ref()?))).collect();
        for entry in std::fs::read_dir(self.dir.join(FOLDER)).into_iter().flatten().flatten() {
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
