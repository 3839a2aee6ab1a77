//! Captures made by hand, and the binary run on them.
#![allow(dead_code, missing_docs)] // Each test file uses its part.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of its own for one test, gone with it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vigie-{}-{test}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).unwrap();
        }
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary, in English whatever the machine's locale.
pub fn vigie() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
    command.env_remove("LC_ALL").env_remove("LC_MESSAGES").env("LANG", "C").stdin(Stdio::null());
    command
}

/// `vigie replay` with `args`.
pub fn replay<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Done {
    Done::of(vigie().arg("replay").args(args).output().unwrap())
}

/// How a run ended.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    pub fn of(output: Output) -> Self {
        let text = |b: Vec<u8>| String::from_utf8(b).expect("what is told is UTF-8");
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }

    #[track_caller]
    pub fn tells(self, what: &str) -> Self {
        assert!(self.err.contains(what), "\"{what}\" is not in {self:#?}");
        self
    }
}

/// The lines of a file, each a JSON object, the last one whole.
pub fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "a torn line ends {}", path.display());
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The `stats` event that ends an eve.json.
pub fn stats(path: &Path) -> serde_json::Value {
    lines(path).pop().filter(|e| e["event_type"] == "stats").expect("the last event is stats")
}

/// Frames counted, after a look at that their terminal counters sum up.
pub fn frames(path: &Path) -> u64 {
    let stats = stats(path);
    let pkts = stats["stats"]["decoder"]["pkts"].as_u64().unwrap();
    let ends: u64 = stats["vigie"]["terminal"].as_array().unwrap().iter().map(|c| c["count"].as_u64().unwrap()).sum();
    assert_eq!(pkts, ends);
    pkts
}

/// A frame of a pcap: seconds, microseconds, bytes, length on the wire.
pub struct Rec(pub u32, pub u32, pub Vec<u8>, pub u32);

impl Rec {
    pub fn at(secs: u32, micros: u32, frame: Vec<u8>) -> Self {
        let len = frame.len() as u32;
        Rec(secs, micros, frame, len)
    }
}

pub fn pcap_header(link: u32) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0xa1b2_c3d4u32.to_le_bytes());
    out.extend([2, 0, 4, 0]);
    out.extend([0; 8]);
    out.extend(262_144u32.to_le_bytes());
    out.extend(link.to_le_bytes());
    out
}

pub fn record(r: &Rec) -> Vec<u8> {
    let mut out = Vec::new();
    for v in [r.0, r.1, r.2.len() as u32, r.3] {
        out.extend(v.to_le_bytes());
    }
    out.extend(&r.2);
    out
}

pub fn pcap(records: &[Rec]) -> Vec<u8> {
    let mut out = pcap_header(1);
    records.iter().for_each(|r| out.extend(record(r)));
    out
}

/// An Ethernet frame with a DNS question of client `n` with id `id`, for `name`.
pub fn dns(n: u8, id: u16, name: &str) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend(id.to_be_bytes());
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    udp([10, 0, 0, n], 40_000 + id % 20_000, [10, 0, 0, 53], 53, &message)
}

pub fn udp(src: [u8; 4], sp: u16, dst: [u8; 4], dp: u16, payload: &[u8]) -> Vec<u8> {
    let mut ip = vec![0x45, 0];
    ip.extend((28 + payload.len() as u16).to_be_bytes());
    ip.extend(sp.to_be_bytes());
    ip.extend([0, 0, 64, 17, 0, 0]);
    ip.extend(src);
    ip.extend(dst);
    let sum: u32 = ip.chunks(2).map(|c| u32::from(u16::from_be_bytes([c[0], c[1]]))).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = vec![2, 0, 0, 0, 0, dst[3], 2, 0, 0, 0, 0, src[3], 8, 0];
    frame.extend(ip);
    for v in [sp, dp, 8 + payload.len() as u16, 0] {
        frame.extend(v.to_be_bytes());
    }
    frame.extend(payload);
    frame
}

/// `n` questions, one a millisecond from `secs` on.
pub fn questions(secs: u32, n: u32) -> Vec<Rec> {
    (0..n).map(|i| Rec::at(secs + i / 1000, i % 1000 * 1000, dns((i % 50) as u8 + 1, i as u16, &format!("host{i}.example.net")))).collect()
}

/// One pcapng block in little-endian.
pub fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().div_ceil(4) * 4;
    let len = (12 + padded) as u32;
    let mut out = Vec::new();
    out.extend(kind.to_le_bytes());
    out.extend(len.to_le_bytes());
    out.extend(body);
    out.resize(out.len() + padded - body.len(), 0);
    out.extend(len.to_le_bytes());
    out
}

pub fn section() -> Vec<u8> {
    let mut body = 0x1a2b_3c4du32.to_le_bytes().to_vec();
    body.extend([1, 0, 0, 0]);
    body.extend([0xff; 8]);
    block(0x0a0d_0d0a, &body)
}

pub fn interface(link: u16) -> Vec<u8> {
    let mut body = link.to_le_bytes().to_vec();
    body.extend([0, 0]);
    body.extend(0u32.to_le_bytes());
    block(1, &body)
}

pub fn packet(interface: u32, micros: u64, frame: &[u8]) -> Vec<u8> {
    let mut body = interface.to_le_bytes().to_vec();
    for v in [(micros >> 32) as u32, micros as u32, frame.len() as u32, frame.len() as u32] {
        body.extend(v.to_le_bytes());
    }
    body.extend(frame);
    block(6, &body)
}

/// The repository's own captures.
pub fn testdata() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|p| p.extension().is_some_and(|e| e == "pcap"));
    all.sort();
    assert!(!all.is_empty());
    all
}

/// Captures shared between the machines of the project, absent in a user's clone.
pub fn shared(below: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(below);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: ../shared/data/{below} is absent");
    None
}
