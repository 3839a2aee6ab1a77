//! Files of one JSON object a line: `eve.json` and its kin. Whole lines only, whatever happens.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use vigie_base::Budget;
use vigie_event::{Row, eve};

/// Bytes gathered before they are written.
const BUFFER: usize = 256 << 10;

/// What the buffer takes: one event more than is gathered, and an event may carry several fields of the longest kind.
pub(crate) const BUDGET: Budget =
    Budget { name: "output.eve", entries_max: 1, entry_bytes: 8 << 20, when_full: "it is written; the thread waits for the disk" };

/// Writes lines to a file. After a failure nothing more is written; [`Lines::close`] tells it.
pub(crate) struct Lines {
    file: File,
    buffer: Vec<u8>,
    failed: Option<io::Error>,
    /// Bytes of whole lines that the file holds.
    written: u64,
}

impl Lines {
    /// Replaces the file at `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Lines { file: File::create(path)?, buffer: Vec::with_capacity(BUFFER + 65_536), failed: None, written: 0 })
    }

    /// Appends what `write` writes: whole lines.
    pub(crate) fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.failed.is_some() {
            return;
        }
        write(&mut self.buffer);
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }

    /// Whether a write failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    fn flush(&mut self) {
        let mut at = 0;
        while at < self.buffer.len() && self.failed.is_none() {
            match self.file.write(&self.buffer[at..]) {
                Ok(0) => self.failed = Some(io::ErrorKind::WriteZero.into()),
                Ok(n) => at += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => self.failed = Some(e),
            }
        }
        if self.failed.is_some() {
            // The torn line at the end is taken back. What has no length (a pipe, a device) keeps it: nothing to do about that.
            at = self.buffer[..at].iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
            let _ = self.file.set_len(self.written + at as u64);
        }
        self.written += at as u64;
        self.buffer.clear();
    }

    /// Writes what is left.
    pub(crate) fn close(mut self) -> io::Result<()> {
        if self.failed.is_none() {
            self.flush();
        }
        self.failed.map_or(Ok(()), Err)
    }
}

/// `eve.json`.
pub(crate) struct EveFile {
    lines: Lines,
    /// Lines by kind, in order of first appearance.
    kinds: Vec<(&'static str, u64)>,
}

impl EveFile {
    /// Replaces the file at `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(EveFile { lines: Lines::create(path)?, kinds: Vec::new() })
    }

    pub(crate) fn row(&mut self, row: Row<'_>) {
        if row.schema().internal || self.lines.has_failed() {
            return;
        }
        let kind = row.schema().kind;
        match self.kinds.iter_mut().find(|(k, _)| std::ptr::eq(*k, kind)) {
            Some((_, n)) => *n += 1,
            None => self.kinds.push((kind, 1)),
        }
        self.lines.line(|out| eve::write(row, out));
    }

    /// Whether a write failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.lines.has_failed()
    }

    /// Events written so far, by kind.
    pub(crate) fn kinds(&self) -> &[(&'static str, u64)] {
        &self.kinds
    }

    /// Writes what is left.
    pub(crate) fn close(self) -> io::Result<()> {
        self.lines.close()
    }
}
