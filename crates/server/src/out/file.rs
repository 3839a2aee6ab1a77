//! A file of lines that is rotated by size and by time.

use crate::app::now;
use crate::out::eve::{Chunk, Order, Writes};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vigie_base::Time;
use vigie_pipeline::config::EveOutput;

/// The file, open.
pub(super) struct Rotated {
    path: PathBuf,
    size_max: u64,
    hours: u64,
    keep: u32,
    /// None after a failure, until it can be opened again.
    file: Option<File>,
    size: u64,
    /// The period of the clock that it was begun in.
    period: u64,
}

impl Rotated {
    /// Opens the file to write on behind what it holds. Errors: one line.
    pub(super) fn open(path: &Path, asked: &EveOutput) -> Result<Self, String> {
        let EveOutput { rotate_size, rotate_hours, rotate_keep, .. } = *asked;
        let (size_max, hours, keep) = (rotate_size, rotate_hours, rotate_keep.max(1));
        let mut made = Rotated { path: path.to_owned(), size_max, hours, keep, file: None, size: 0, period: 0 };
        made.again()?;
        Ok(made)
    }

    fn period(&self, at: Time) -> u64 {
        at.secs().checked_div(self.hours * 3600).unwrap_or(0)
    }

    fn refused(&self, e: &io::Error) -> String {
        let todo = match e.kind() {
            io::ErrorKind::NotFound => "make the folder",
            io::ErrorKind::StorageFull => "free space",
            _ => "name a file that Vigie's user may write",
        };
        format!("{}: {e}; {todo}", self.path.display())
    }

    fn again(&mut self) -> Result<(), String> {
        self.file = None;
        // A pipe that nobody reads would never open.
        if std::fs::metadata(&self.path).is_ok_and(|m| !m.is_file()) {
            return Err(format!("{}: not a file; name a file, or use output.eve.socket", self.path.display()));
        }
        let open = OpenOptions::new().create(true).append(true).mode(0o640).open(&self.path);
        let (file, about) = open.and_then(|f| f.metadata().map(|m| (f, m))).map_err(|e| self.refused(&e))?;
        self.size = about.len();
        let written = about.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        let begun = written.filter(|_| self.size > 0).map_or_else(now, |t| Time::from_secs(t.as_secs()));
        self.period = self.period(begun);
        self.file = Some(file);
        Ok(())
    }

    fn numbered(&self, n: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    }

    /// `FILE` becomes `FILE.1`, that `FILE.2`, and so on; what is beyond those that are kept is removed.
    fn rotate(&mut self) -> Result<(), String> {
        self.file = None;
        // Of a greater number that was asked for before, too.
        for n in self.keep.. {
            if std::fs::remove_file(self.numbered(n)).is_err() {
                break;
            }
        }
        for n in (1..self.keep).rev() {
            let _ = std::fs::rename(self.numbered(n), self.numbered(n + 1));
        }
        std::fs::rename(&self.path, self.numbered(1)).map_err(|e| self.refused(&e))?;
        self.again()
    }

    fn is_over(&self, more: u64, at: Time) -> bool {
        let full = self.size_max > 0 && self.size + more > self.size_max;
        self.size > 0 && (full || self.period(at) != self.period)
    }

    fn put(&mut self, chunk: &Chunk, at: Time) -> Result<(), (u64, String)> {
        let lost = |why| (chunk.lines, why);
        if self.file.is_none() {
            self.again().map_err(lost)?;
        }
        if self.is_over(chunk.bytes.len() as u64, at) {
            self.rotate().map_err(lost)?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        match file.write_all(&chunk.bytes) {
            Ok(()) => {
                self.size += chunk.bytes.len() as u64;
                Ok(())
            }
            Err(e) => {
                // Whole lines only: what was written of this piece is taken back.
                let _ = file.set_len(self.size);
                Err(lost(self.refused(&e)))
            }
        }
    }
}

impl Writes for Rotated {
    fn write(&mut self, chunk: &Chunk, _: &mut dyn FnMut(String), _: &Order) -> Result<(), (u64, String)> {
        self.put(chunk, now())
    }

    fn idle(&mut self) -> Result<(), String> {
        if self.file.is_some() && self.is_over(0, now()) { self.rotate() } else { Ok(()) }
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.again()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    fn chunk(text: &str) -> Chunk {
        Chunk { bytes: text.as_bytes().to_vec(), lines: text.lines().count() as u64 }
    }

    fn all(dir: &Path) -> Vec<(String, String)> {
        let mut all: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|f| f.unwrap())
            .map(|f| (f.file_name().into_string().unwrap(), std::fs::read_to_string(f.path()).unwrap()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_file_is_rotated_by_size_and_so_many_are_kept() {
        let folder = Folder::new("rotated-size");
        let dir = &folder.0;
        let path = dir.join("eve.json");
        let asked = EveOutput { rotate_size: 10, rotate_keep: 2, ..EveOutput::default() };
        let mut file = Rotated::open(&path, &asked).unwrap();
        for text in ["one\n", "two\n", "three\n", "a line of its own\n", "five\n", "six\n"] {
            file.put(&chunk(text), now()).unwrap();
        }
        let named = |all: &[(&str, &str)]| all.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect::<Vec<_>>();
        assert_eq!(all(dir), named(&[("eve.json", "five\nsix\n"), ("eve.json.1", "a line of its own\n"), ("eve.json.2", "three\n")]));
        // Fewer from now on: those beyond go with the next rotation.
        let asked = EveOutput { rotate_keep: 1, ..asked };
        let mut file = Rotated::open(&path, &asked).unwrap();
        file.put(&chunk("seven\n"), now()).unwrap();
        assert_eq!(all(dir), named(&[("eve.json", "seven\n"), ("eve.json.1", "five\nsix\n")]));
    }

    #[test]
    fn a_file_is_rotated_by_the_clock_over_a_restart_too() {
        let folder = Folder::new("rotated-time");
        let dir = &folder.0;
        let path = dir.join("eve.json");
        let asked = EveOutput { rotate_hours: 24, rotate_keep: 9, ..EveOutput::default() };
        let days = |n: u64| Time::from_secs(now().secs() + n * 86_400);
        let mut file = Rotated::open(&path, &asked).unwrap();
        file.put(&chunk("today\n"), days(0)).unwrap();
        file.put(&chunk("today\n"), days(0)).unwrap();
        file.put(&chunk("tomorrow\n"), days(1)).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
        assert_eq!((read("eve.json.1").as_str(), read("eve.json").as_str()), ("today\ntoday\n", "tomorrow\n"));
        // A file that an earlier run left is of the day on which it was written last.
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86_400);
        File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
        let mut file = Rotated::open(&path, &asked).unwrap();
        file.idle().unwrap();
        assert_eq!((read("eve.json.1").as_str(), read("eve.json").as_str()), ("tomorrow\n", ""));
        // An empty file is not rotated.
        file.put(&chunk("later\n"), days(5)).unwrap();
        assert!(!dir.join("eve.json.3").exists());
    }
}
