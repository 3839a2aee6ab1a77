//! From what a person names to the files to read.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::block::{Block, Growth, Packing};
use super::pcap::Pcap;
use super::pcapng::PcapNg;
use super::shown;
use crate::{Problem, ProblemKind};

/// Folders within folders that are followed.
const DEPTH_MAX: usize = 32;
/// Bytes that tell a capture.
const HEAD: usize = 12;

/// The files that `paths` name: a file, a pipe or `-` stands for itself, a folder for the regular files in it and below it which begin
/// as a capture does, unpacked where they are packed, sorted by name. Links to files are followed, links
/// to folders below a named one are not. At most `most` files; what is left out is said.
pub fn expand(paths: &[PathBuf], most: usize) -> (Vec<PathBuf>, Vec<Problem>) {
    let mut list = List { most, files: Vec::new(), problems: Vec::new(), others: 0, full: false };
    for path in paths {
        if path.as_os_str() == OsStr::new("-") {
            list.add(path.clone());
            continue;
        }
        match fs::metadata(path) {
            Err(e) => list.unreadable(path, &e),
            Ok(data) if data.is_dir() => {
                let (before, said) = (list.files.len(), list.problems.len());
                list.others = 0;
                list.folder(path, 0);
                let found = list.files.len() - before;
                if list.others > 0 || (found == 0 && list.problems.len() == said) {
                    let what = format!("{found} captures and {} other files in this folder", list.others);
                    list.say(ProblemKind::NotACapture, path, what, "the others are skipped");
                }
            }
            Ok(_) => list.add(path.clone()),
        }
    }
    if list.full {
        let what = format!("more than {most} files");
        list.say(ProblemKind::Limit, Path::new(""), what, "those past it are skipped; read them apart");
    }
    (list.files, list.problems)
}

struct List {
    most: usize,
    files: Vec<PathBuf>,
    problems: Vec<Problem>,
    /// Files of the folder at hand that are no captures.
    others: u64,
    full: bool,
}

impl List {
    fn add(&mut self, path: PathBuf) {
        if self.files.len() < self.most {
            self.files.push(path);
        } else {
            self.full = true;
        }
    }

    fn say(&mut self, kind: ProblemKind, path: &Path, what: String, todo: &'static str) {
        if self.problems.len() < crate::problem::PROBLEMS_MAX {
            self.problems.push(Problem { kind, file: shown(path), offset: None, what, todo });
        }
    }

    fn unreadable(&mut self, path: &Path, e: &std::io::Error) {
        self.say(ProblemKind::Unreadable, path, format!("cannot be read: {e}"), "skipped; check that it exists and its permissions");
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        if depth > DEPTH_MAX {
            let what = format!("folders within folders past {DEPTH_MAX}");
            self.say(ProblemKind::Limit, folder, what, "skipped; name it apart");
            return;
        }
        let mut entries: Vec<PathBuf> = match fs::read_dir(folder) {
            Ok(entries) => entries.filter_map(Result::ok).map(|e| e.path()).collect(),
            Err(e) => return self.unreadable(folder, &e),
        };
        entries.sort();
        for path in entries {
            if self.full {
                return;
            }
            let link = fs::symlink_metadata(&path).is_ok_and(|d| d.is_symlink());
            match fs::metadata(&path) {
                Err(e) => self.unreadable(&path, &e),
                Ok(data) if data.is_dir() && !link => self.folder(&path, depth + 1),
                Ok(data) if data.is_file() => match looks_like_capture(&path) {
                    Ok(true) => self.add(path),
                    Ok(false) => self.others += 1,
                    Err(e) => self.unreadable(&path, &e),
                },
                Ok(_) => self.others += 1,
            }
        }
    }
}

/// By the first bytes, those inside where it is packed: folders hold many packed files that are no captures.
fn looks_like_capture(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    if Packing::of(&head) != Packing::Plain {
        let mut block = Block::open(Box::new(Cursor::new(head).chain(file)), u32::MAX, Vec::new(), &Growth::default());
        block.refill(0, HEAD);
        head = block.filled().iter().take(HEAD).copied().collect();
    }
    Ok(Pcap::looks_like(&head) || PcapNg::looks_like(&head))
}
