//! Files that protocols carry: name, type by content, size and hashes, without keeping their bytes.

use crate::cx::Cx;
use crate::record::{FileEmail, FileHttp, FileInfo, FileMail};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use vigie_base::Direction;
use vigie_event::Out;

/// Most bytes kept of a file's name.
const NAME_MAX: usize = 512;
/// Bytes kept of a file's beginning, to tell its type.
const HEAD: usize = 64;

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Whole.
    Closed,
    /// Cut.
    Truncated,
}

/// What carried a file, for its event.
#[derive(Default)]
pub struct Carrier<'a> {
    /// An HTTP exchange.
    pub http: Option<FileHttp<'a>>,
    /// A mail session.
    pub smtp: Option<FileMail<'a>>,
    /// A mail.
    pub email: Option<FileEmail<'a>>,
}

/// A file on its way. About 450 bytes.
#[derive(Debug)]
pub struct File {
    name: Vec<u8>,
    dir: Direction,
    tx: u32,
    size: u64,
    gaps: bool,
    part: Option<(u64, u64)>,
    head: [u8; HEAD],
    hashes: Option<Box<Hashes>>,
}

#[derive(Debug)]
struct Hashes {
    sha256: Sha256,
    /// Until the file is longer than they are wanted for: known bad files are listed by them, and those are small. MD5 is most of the cost.
    old: Option<(Md5, Sha1)>,
    old_max: u64,
}

impl File {
    /// A file begins: sent in `dir`, in transaction `tx`. `hash`: whether it is hashed, and up to how many bytes with MD5 and SHA-1.
    pub fn new(name: &[u8], dir: Direction, tx: u32, hash: Option<u64>) -> Self {
        File {
            name: name[..name.len().min(NAME_MAX)].to_vec(),
            dir,
            tx,
            size: 0,
            gaps: false,
            part: None,
            head: [0; HEAD],
            hashes: hash.map(|old_max| Box::new(Hashes { sha256: Sha256::default(), old: (old_max > 0).then(Default::default), old_max })),
        }
    }

    /// Its next bytes.
    pub fn data(&mut self, bytes: &[u8]) {
        if let Some(room) = HEAD.checked_sub(self.size as usize).filter(|r| *r > 0 && self.size < HEAD as u64) {
            let n = room.min(bytes.len());
            self.head[self.size as usize..][..n].copy_from_slice(&bytes[..n]);
        }
        self.size = self.size.saturating_add(bytes.len() as u64);
        if let Some(h) = &mut self.hashes {
            h.sha256.update(bytes);
            if self.size > h.old_max {
                h.old = None;
            }
            if let Some((md5, sha1)) = &mut h.old {
                md5.update(bytes);
                sha1.update(bytes);
            }
        }
    }

    /// Bytes are missing: they count in its size.
    pub fn gap(&mut self, len: u64) {
        self.gaps = true;
        // Of a part of it no hash is told.
        self.hashes = None;
        self.size = self.size.saturating_add(len);
    }

    /// It is a part of a whole: from which byte to which (HTTP ranges).
    pub fn part(&mut self, first: u64, last: u64) {
        self.part = Some((first, last));
    }

    /// Its content is a secret but for a few guesses (a form with a password): no hash of it may be told.
    pub fn unhash(&mut self) {
        self.hashes = None;
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// It is over: tells it.
    pub fn close<O: Out>(self, cx: &mut Cx<'_, O>, state: FileState, carrier: Carrier<'_>) {
        let state = if self.gaps { FileState::Truncated } else { state };
        let (mut md5, mut sha1, mut sha256) = ([0u8; 32], [0u8; 40], [0u8; 64]);
        let (mut hashed, mut old) = (false, false);
        if let Some(h) = self.hashes.filter(|_| state == FileState::Closed) {
            hex(&h.sha256.finalize(), &mut sha256);
            hashed = true;
            if let Some((a, b)) = h.old {
                hex(&a.finalize(), &mut md5);
                hex(&b.finalize(), &mut sha1);
                old = true;
            }
        }
        let text = |told: bool, hash| told.then_some(std::str::from_utf8(hash).unwrap_or(""));
        let record = FileInfo {
            http: carrier.http,
            smtp: carrier.smtp,
            email: carrier.email,
            filename: &self.name,
            gaps: self.gaps,
            state: if state == FileState::Closed { "CLOSED" } else { "TRUNCATED" },
            md5: text(old, &md5),
            sha1: text(old, &sha1),
            sha256: text(hashed, &sha256),
            stored: false,
            size: self.size,
            start: self.part.map(|p| p.0),
            end: self.part.map(|p| p.1),
            tx_id: self.tx,
            file_type: kind(&self.head[..self.size.min(HEAD as u64) as usize]),
        };
        cx.push_from(self.dir, self.tx, &record);
    }
}

crate::held::holds! {
    File: { name, hashes }
    Hashes: {}
}

fn hex(bytes: &[u8], out: &mut [u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (pair, b) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX[usize::from(b >> 4)];
        pair[1] = HEX[usize::from(b & 15)];
    }
}

/// The type of a file by its first bytes; `None` where they say nothing.
pub(crate) fn kind(head: &[u8]) -> Option<&'static str> {
    const MAGIC: &[(&[u8], usize, &str)] = &[
        (b"MZ", 0, "pe"),
        (b"\x7fELF", 0, "elf"),
        (b"\xcf\xfa\xed\xfe", 0, "mach-o"),
        (b"%PDF-", 0, "pdf"),
        (b"PK\x03\x04", 0, "zip"),
        (b"Rar!\x1a\x07", 0, "rar"),
        (b"7z\xbc\xaf\x27\x1c", 0, "7z"),
        (b"\x1f\x8b", 0, "gzip"),
        (b"BZh", 0, "bzip2"),
        (b"\xfd7zXZ\0", 0, "xz"),
        (b"\x28\xb5\x2f\xfd", 0, "zstd"),
        (b"MSCF", 0, "cab"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "ole"),
        (b"{\\rtf", 0, "rtf"),
        (b"\x89PNG\r\n\x1a\n", 0, "png"),
        (b"\xff\xd8\xff", 0, "jpeg"),
        (b"GIF8", 0, "gif"),
        (b"RIFF", 0, "riff"),
        (b"ID3", 0, "mp3"),
        (b"ftyp", 4, "mp4"),
        (b"CWS", 0, "swf"),
        (b"FWS", 0, "swf"),
        (b"\xca\xfe\xba\xbe", 0, "java-class"),
        (b"#!", 0, "script"),
        (b"<?xml", 0, "xml"),
        (b"<!DOCTYPE html", 0, "html"),
        (b"<!doctype html", 0, "html"),
        (b"<html", 0, "html"),
        (b"<HTML", 0, "html"),
        (b"SQLite format 3", 0, "sqlite"),
        (b"\0asm", 0, "wasm"),
        (b"wOFF", 0, "woff"),
        (b"wOF2", 0, "woff2"),
        (b"!<arch>", 0, "ar"),
        (b"L\0\0\0\x01\x14\x02\0", 0, "lnk"),
        (b"ITSF", 0, "chm"),
        (b"\xd4\xc3\xb2\xa1", 0, "pcap"),
        (b"\x0a\x0d\x0d\x0a", 0, "pcapng"),
    ];
    if let Some((_, _, name)) = MAGIC.iter().find(|(m, at, _)| head.get(*at..).is_some_and(|h| h.starts_with(m))) {
        return Some(name);
    }
    let text = !head.is_empty() && head.iter().all(|b| matches!(b, 0x20..=0x7e | b'\t' | b'\r' | b'\n'));
    match head.trim_ascii_start().first() {
        Some(b'{' | b'[') if text => Some("json"),
        _ if text => Some("text"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_has_sha256_alone_and_a_torn_one_none() {
        let mut file = File::new(b"a", Direction::ToClient, 0, Some(4));
        let hashed = |file: &File| file.hashes.as_ref().map(|h| h.old.is_some());
        file.data(b"1234");
        assert_eq!(hashed(&file), Some(true));
        file.data(b"5");
        assert_eq!(hashed(&file), Some(false));
        file.gap(1);
        assert_eq!(hashed(&file), None);
        assert_eq!(hashed(&File::new(b"a", Direction::ToClient, 0, Some(0))), Some(false));
        assert_eq!(hashed(&File::new(b"a", Direction::ToClient, 0, None)), None);
    }
}
