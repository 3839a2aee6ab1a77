//! `eve.json`: every event as a line, in order, whole lines only.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use vigie_event::{Row, eve};

/// Bytes gathered before they are written.
const BUFFER: usize = 256 << 10;

/// Writes events to a file. After a failure nothing more is written; [`EveFile::close`] tells it.
pub(crate) struct EveFile {
    file: File,
    buffer: Vec<u8>,
    failed: Option<io::Error>,
    /// Bytes of whole lines that the file holds.
    written: u64,
    /// Lines by kind, in order of first appearance.
    kinds: Vec<(&'static str, u64)>,
}

impl EveFile {
    /// Replaces the file at `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(EveFile { file: File::create(path)?, buffer: Vec::with_capacity(BUFFER + 65_536), failed: None, written: 0, kinds: Vec::new() })
    }

    pub(crate) fn row(&mut self, row: Row<'_>) {
        if row.schema().internal || self.failed.is_some() {
            return;
        }
        let kind = row.schema().kind;
        match self.kinds.iter_mut().find(|(k, _)| std::ptr::eq(*k, kind)) {
            Some((_, n)) => *n += 1,
            None => self.kinds.push((kind, 1)),
        }
        eve::write(row, &mut self.buffer);
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }

    fn flush(&mut self) {
        match self.file.write_all(&self.buffer) {
            Ok(()) => self.written += self.buffer.len() as u64,
            Err(e) => {
                // What was written is whole lines: the torn part of this buffer is taken back.
                let _ = self.file.set_len(self.written);
                self.failed = Some(e);
            }
        }
        self.buffer.clear();
    }

    /// Events written so far, by kind.
    pub(crate) fn kinds(&self) -> &[(&'static str, u64)] {
        &self.kinds
    }

    /// Writes what is left.
    pub(crate) fn close(mut self) -> io::Result<()> {
        if self.failed.is_none() && !self.buffer.is_empty() {
            self.flush();
        }
        match self.failed.take() {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }
}
