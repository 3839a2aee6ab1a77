//! Events kept: durable columns by kind and time, and bounded queries over them.
//!
//! ```text
//! DIR/lock           held by the one process that has it open
//! DIR/journal/N.vj   batches as the link encodes them; durable at once, read again only after a crash
//! DIR/data/O/KIND/F.parquet   what the journal became, of one origin O (tenant, site, sensor, dataset)
//! DIR/manifest.json  which of these are live, replaced whole
//! ```
//!
//! A batch is durable when [`Store::commit`] returns after its [`Store::append`]. It is seen by queries from `append` on. Batches are
//! numbered by their origin: one that is known is not taken twice. The rows of the journal stay in memory (bounded by
//! [`Options::tail_bytes`]) until [`Store::flush`] writes them as Parquet.
//!
//! The store knows no field's meaning beyond its declaration, reads no clock and starts no thread.

mod derive;
mod fields;
mod files;
mod filter;
mod find;
mod fold;
mod journal;
mod maintain;
mod manifest;
mod merge;
mod pivot;
mod query;
mod render;
mod table;
mod write;

pub use fields::{FieldInfo, Meaning, fields};
pub use filter::{Filter, Op, ParseError, Target, Term};
pub use maintain::{Done, Evicted, Priority, Retention};
pub use query::{Bucket, Cursor, Order, PAGE_MAX, Page, Query, SqlLimits, SqlRows, Top};
pub use render::{Form, csv_line};

use files::LiveFile;
use journal::Journal;
use manifest::{Manifest, Origin};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use vigie_base::{Budget, NetSet};
use vigie_event::Schema;
use vigie_link::{Header, Packed};

/// What may be kept; [`Store::set_limits`] changes it while the store is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on disk; 0 for no quota. `append` refuses when it is reached; [`Store::evict`] makes room.
    pub quota_bytes: u64,
    /// Bytes that are kept beside the store under the same quota.
    pub beside_bytes: u64,
    /// How long each kind is kept in [`Options::live_dataset`].
    pub retention: Retention,
}

/// Networks by the names that people gave them.
pub type Groups = BTreeMap<String, NetSet>;

/// The site's own dataset, unless [`Options::live_dataset`] names another.
pub const LIVE: &str = "live";

/// How a store works.
#[derive(Clone, Debug)]
pub struct Options {
    /// What may be kept, to begin with.
    pub limits: Limits,
    /// Bytes that the queries at work may hold together.
    pub memory_bytes: usize,
    /// Bytes of rows kept in memory until they are Parquet; at this many `append` flushes by itself.
    pub tail_bytes: usize,
    /// Rows that one query may look at; one that would look at more is refused with its estimate.
    pub scan_rows_max: u64,
    /// Threads that one query may use.
    pub threads: usize,
    /// The dataset that retention by age applies to.
    pub live_dataset: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limits: Limits::default(),
            memory_bytes: 96 << 20,
            tail_bytes: 16 << 20,
            scan_rows_max: 1_000_000_000,
            threads: 2,
            live_dataset: LIVE.to_owned(),
        }
    }
}

/// What a store holds in memory at most.
pub fn budgets(options: &Options) -> [Budget; 4] {
    let of = |name, bytes: usize, when_full| Budget { name, entries_max: bytes as u64, entry_bytes: 1, when_full };
    [
        // While it is written it is there again in order, and as it is encoded.
        of("store.tail", 4 * options.tail_bytes, "what came last is written as files"),
        of("store.merge", maintain::MERGE_MEMORY, "files are put together one kind after the other"),
        of("store.queries", options.memory_bytes, "a query is refused, and says so"),
        of("store.sums", fold::SUMS_MAX, "those not asked for longest are forgotten"),
    ]
}

/// Why the store cannot do what it is asked.
#[derive(Debug)]
pub enum Error {
    /// A file or folder.
    Io(PathBuf, std::io::Error),
    /// Another process has it open.
    Locked(PathBuf),
    /// Made by a newer version.
    Newer(PathBuf, u64),
    /// The manifest cannot be read.
    Manifest(PathBuf, String),
    /// The quota leaves no room.
    Quota {
        /// Bytes in use, of the store and beside it.
        used: u64,
        /// The quota.
        quota: u64,
    },
    /// A query that would look at too much.
    TooMuch {
        /// Rows it would look at.
        rows: u64,
        /// Files it would open.
        files: usize,
        /// The most rows allowed.
        limit: u64,
    },
    /// What was asked cannot be answered: names what and where.
    Query(String),
    /// Files cannot be read.
    Read(String),
    /// A batch that is none.
    Batch(vigie_link::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(p, e) => write!(f, "{}: {e}", p.display()),
            Error::Locked(p) => write!(f, "{}: another vigie has this store open: stop it, or talk to it", p.display()),
            Error::Newer(p, v) => {
                write!(f, "{}: version {v} of the store's format; this program knows up to {}: update it", p.display(), manifest::VERSION)
            }
            Error::Manifest(p, e) => write!(f, "{}: not a store's manifest ({e}): restore it from a backup", p.display()),
            Error::Quota { used, quota } => {
                write!(f, "{used} bytes of a quota of {quota} are in use: delete a dataset or raise the quota")
            }
            Error::TooMuch { rows, files, limit } => {
                write!(f, "the query would look at {rows} rows in {files} files; the most is {limit}: narrow its time or its kinds")
            }
            Error::Query(e) | Error::Read(e) => f.write_str(e),
            Error::Batch(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<vigie_link::Error> for Error {
    fn from(e: vigie_link::Error) -> Self {
        Error::Batch(e)
    }
}

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |e| Error::Io(path.to_owned(), e)
}

/// Something that was found wrong and set aside; the rest is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it is called now.
    pub path: PathBuf,
    /// What is wrong, and what was done.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

/// How much is kept, and of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all files, the journal included.
    pub bytes: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Files, without the journal.
    pub files: usize,
    /// Rows.
    pub rows: u64,
    /// By dataset and kind: rows, bytes of Parquet, files.
    pub kinds: BTreeMap<(String, String), (u64, u64, usize)>,
}

/// A consistent view: what a query reads, whatever is appended, merged or removed meanwhile.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) files: Vec<Arc<LiveFile>>,
    pub(crate) tail: Vec<Arc<Packed>>,
}

pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) schemas: Vec<&'static Schema>,
    pub(crate) options: Options,
    pub(crate) limits: RwLock<Limits>,
    pub(crate) groups: RwLock<Arc<Groups>>,
    pub(crate) journal: Mutex<Journal>,
    /// Held while bytes are forced to disk, so that one fsync serves all who wait.
    pub(crate) sync: Mutex<()>,
    pub(crate) snapshot: RwLock<Arc<Snapshot>>,
    /// Held by whoever replaces the manifest.
    pub(crate) manifest: Mutex<Manifest>,
    /// Held by whoever merges: one at a time, and nobody else waits for it.
    pub(crate) upkeep: Mutex<()>,
    pub(crate) problems: Mutex<Vec<Problem>>,
    pub(crate) engine: query::Engine,
    pub(crate) sums: Mutex<fold::Sums>,
    /// Held while a file's rows are looked for, by the file's number: who asks for the same waits.
    pub(crate) turns: [Mutex<()>; 16],
    _lock: std::fs::File,
}

/// Events on disk. Cheap to clone; may be used from any thread.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens or makes the store in `dir`, for events of `schemas`. Files that are damaged are set aside (`*.damaged`) and reported;
    /// files that the manifest does not name are removed: they are what a crash left.
    pub fn open(dir: &Path, schemas: Vec<&'static Schema>, options: Options) -> Result<(Store, Vec<Problem>), Error> {
        for d in [dir.to_owned(), dir.join("data"), dir.join("journal")] {
            std::fs::create_dir_all(&d).map_err(io(&d))?;
        }
        let dir = &dir.canonicalize().map_err(io(dir))?;
        let path = dir.join("lock");
        let lock = std::fs::File::options().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
        lock.try_lock().map_err(|_| Error::Locked(dir.to_owned()))?;
        let mut problems = Vec::new();
        let mut manifest = Manifest::load(dir)?;
        let files = files::open_all(dir, &mut manifest, &mut problems)?;
        let (journal, tail) = Journal::recover(dir, &manifest, &schemas, &mut problems)?;
        let engine = query::Engine::new(&options)?;
        let store = Store(Arc::new(Inner {
            dir: dir.to_owned(),
            schemas,
            limits: RwLock::new(options.limits.clone()),
            groups: RwLock::default(),
            options,
            journal: Mutex::new(journal),
            sync: Mutex::new(()),
            snapshot: RwLock::new(Arc::new(Snapshot { files, tail })),
            manifest: Mutex::new(manifest),
            upkeep: Mutex::default(),
            problems: Mutex::new(problems.clone()),
            engine,
            sums: Mutex::default(),
            turns: Default::default(),
            _lock: lock,
        }));
        Ok((store, problems))
    }

    /// The declarations of the kinds it holds.
    pub fn schemas(&self) -> &[&'static Schema] {
        &self.0.schemas
    }

    /// The filter that `text` says, over the fields of this store's kinds and its named groups: see [`Filter::parse`].
    pub fn filter(&self, text: &str) -> Result<Filter, ParseError> {
        Filter::parse(text, &self.0.schemas, &self.groups())
    }

    /// What may be kept now.
    pub fn limits(&self) -> Limits {
        self.0.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What may be kept from now on: the next [`Store::append`] and [`Store::maintain`] hold it.
    pub fn set_limits(&self, limits: Limits) {
        *self.0.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Names that filters and `in_network` take for networks, from now on.
    pub fn set_groups(&self, groups: Groups) {
        *self.0.groups.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(groups);
    }

    pub(crate) fn groups(&self) -> Arc<Groups> {
        self.0.groups.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every field of its kinds.
    pub fn fields(&self) -> Vec<FieldInfo> {
        fields(&self.0.schemas)
    }

    /// What was found wrong since it was opened.
    pub fn problems(&self) -> Vec<Problem> {
        lock(&self.0.problems).clone()
    }

    /// The highest batch number taken of `header`'s tenant, site, sensor and dataset: the next batch is one more.
    pub fn last_number(&self, header: &Header) -> u64 {
        lock(&self.0.journal).numbers.get(&Origin::of(header)).copied().unwrap_or(0)
    }

    /// Takes batches: in the journal and seen by queries, durable after [`Store::commit`]. Batches of one origin come in the order of
    /// their numbers; one whose number was taken before is left. Gives how many were taken. On an error (a full disk) those before the
    /// failing one are taken, nothing is lost, and the same call may be repeated.
    pub fn append(&self, batches: &[Packed]) -> Result<usize, Error> {
        let inner = &self.0;
        let (quota, beside) = {
            let limits = inner.limits.read().unwrap_or_else(PoisonError::into_inner);
            (limits.quota_bytes, limits.beside_bytes)
        };
        if quota > 0 {
            let used = self.bytes().saturating_add(beside);
            if used >= quota {
                return Err(Error::Quota { used, quota });
            }
        }
        let mut taken = Vec::new();
        let (result, over) = {
            let mut journal = lock(&inner.journal);
            let mut result = Ok(());
            for b in batches {
                match journal.append(b) {
                    Ok(true) => taken.push(Arc::new(b.clone())),
                    Ok(false) => {}
                    Err(e) => {
                        result = Err(e);
                        break;
                    }
                }
            }
            // Under the journal's lock, so that a flush finds in the snapshot all that it rotates away.
            self.change(|s| s.tail.extend(taken.iter().cloned()));
            (result, journal.tail_bytes >= inner.options.tail_bytes)
        };
        result?;
        if over {
            self.flush()?;
        }
        Ok(taken.len())
    }

    /// All that was appended is on the disk when this returns. Callers that wait together share one fsync.
    pub fn commit(&self) -> Result<(), Error> {
        let inner = &self.0;
        let upto = lock(&inner.journal).written;
        let _one = lock(&inner.sync);
        let (file, path, written) = {
            let journal = lock(&inner.journal);
            if journal.synced >= upto {
                return Ok(());
            }
            (journal.file.clone(), journal.path.clone(), journal.written)
        };
        file.sync_data().map_err(io(&path))?;
        let mut journal = lock(&inner.journal);
        journal.synced = journal.synced.max(written);
        Ok(())
    }

    /// Bytes of all files, the journal included.
    pub fn bytes(&self) -> u64 {
        lock(&self.0.journal).bytes_on_disk() + self.snapshot().files.iter().map(|f| f.meta.bytes).sum::<u64>()
    }

    /// How much is kept.
    pub fn usage(&self) -> Usage {
        let snapshot = self.snapshot();
        let mut u = Usage { journal_bytes: lock(&self.0.journal).bytes_on_disk(), ..Usage::default() };
        for f in &snapshot.files {
            let k = u.kinds.entry((f.meta.origin.dataset.clone(), f.meta.kind.clone())).or_default();
            *k = (k.0 + f.meta.rows, k.1 + f.meta.bytes, k.2 + 1);
            u.files += 1;
            u.bytes += f.meta.bytes;
            u.rows += f.meta.rows;
        }
        for p in &snapshot.tail {
            u.kinds.entry((p.header.dataset.clone(), p.schema.kind.to_owned())).or_default().0 += p.rows.num_rows() as u64;
            u.rows += p.rows.num_rows() as u64;
        }
        u.bytes += u.journal_bytes;
        u
    }

    /// The datasets, with first and last time of their events.
    pub fn datasets(&self) -> BTreeMap<String, (vigie_base::Time, vigie_base::Time)> {
        let s = self.snapshot();
        let mut all: BTreeMap<String, (vigie_base::Time, vigie_base::Time)> = BTreeMap::new();
        let spans = s.files.iter().map(|f| (&f.meta.origin.dataset, f.meta.first, f.meta.last));
        for (name, first, last) in spans.chain(s.tail.iter().map(|p| (&p.header.dataset, p.first, p.last))) {
            let d = all.entry(name.clone()).or_insert((first, last));
            *d = (d.0.min(first), d.1.max(last));
        }
        all
    }

    /// Who gave what is kept: dataset and sensor, in order.
    pub fn origins(&self) -> BTreeSet<(String, String)> {
        let s = self.snapshot();
        let files = s.files.iter().map(|f| (f.meta.origin.dataset.clone(), f.meta.origin.sensor.clone()));
        files.chain(s.tail.iter().map(|p| (p.header.dataset.clone(), p.header.sensor.clone()))).collect()
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what queries see from now on; those at work keep the view that they began with, which is copied only then.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut s = self.0.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut s));
    }
}
