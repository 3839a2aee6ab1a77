//! What the store's tests share.
#![allow(dead_code, missing_docs, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use vigie_base::Time;
use vigie_event::sample::{self, Dice};
use vigie_event::{Batch, Schema, eve};
use vigie_link::{Header, Packed, pack};
use vigie_store::{Options, Page, Store};

/// 2026-11-25T00:00:00Z.
pub const DAY: u64 = 1_795_564_800_000_000_000;

/// A folder that goes with the test.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vigie-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn schemas() -> Vec<&'static Schema> {
    vigie_sensor::batches::schemas()
}

pub fn kind(name: &str) -> &'static Schema {
    schemas().into_iter().find(|s| s.kind == name).expect("a known kind")
}

pub fn open(dir: &Path) -> Store {
    let (store, problems) = Store::open(dir, schemas(), Options::default()).expect("the store opens");
    assert_eq!(problems, []);
    store
}

pub fn header(dataset: &str, number: u64) -> Arc<Header> {
    Arc::new(Header { dataset: dataset.to_owned(), number, ..Header::default() })
}

/// Rows of a kind from `from` on, some at one time.
pub fn rows(kind_name: &str, n: usize, seed: u64, from: u64) -> Batch {
    let mut now = from;
    sample::batch(kind(kind_name), n, &mut Dice::new(seed), |d| {
        now += [0, 1, 1000, 7_000_000_000][d.below(4)];
        Time(now)
    })
}

pub fn packed(batch: &Batch, dataset: &str, number: u64) -> Packed {
    pack(batch, header(dataset, number)).expect("a batch")
}

pub fn line(row: vigie_event::Row<'_>) -> String {
    let mut out = Vec::new();
    eve::write(row, &mut out);
    String::from_utf8(out).expect("EVE is text")
}

pub fn lines(page: &Page) -> Vec<String> {
    page.rows().map(line).collect()
}

pub fn run<T>(f: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime").block_on(f)
}

/// The file names below a folder.
pub fn files(dir: &Path, end: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for e in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if e.path().is_dir() {
            out.extend(files(&e.path(), end));
        } else if e.path().to_string_lossy().ends_with(end) {
            out.push(e.path());
        }
    }
    out.sort();
    out
}
