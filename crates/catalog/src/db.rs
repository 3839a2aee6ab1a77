//! The file: opening, migrations, errors, and what every query needs.

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, params_from_iter};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vigie_base::{Budget, Ip, Sentence, Time};

/// A step to the next version: SQL, then what SQL cannot say.
type Migration = (&'static str, fn(&Connection) -> Result<(), Error>);
/// Each step, the first from nothing.
const MIGRATIONS: [Migration; 6] = [
    (include_str!("1.sql"), nothing),
    (include_str!("2.sql"), nothing),
    (include_str!("4.sql"), nothing),
    (include_str!("6.sql"), nothing),
    (include_str!("7.sql"), crate::assets::peers_as_values),
    (include_str!("9.sql"), nothing),
];
/// The version that this program writes.
pub const VERSION: u32 = MIGRATIONS.len() as u32;
/// How long a statement waits for another process that has the file.
const BUSY: Duration = Duration::from_secs(5);
/// Rows of a page at most.
pub const PAGE_MAX: u32 = 1000;
/// A total stops here: "100,000 or more".
pub const TOTAL_MAX: u64 = 100_000;

/// Why a call was not done.
#[derive(Debug)]
pub enum Error {
    /// SQLite's own, with what was tried.
    Sqlite(rusqlite::Error),
    /// The file cannot be opened or read; one line that names it.
    File(String),
    /// Made by a newer version.
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
    /// What was asked cannot be done as it stands; one line that says what to do.
    Refused(Sentence),
    /// No such thing; one line that names it.
    Missing(String),
    /// Somebody else changed it first: the case as it is now.
    Conflict(Box<crate::CaseRow>),
    /// Somebody else changed it first: the setting's version as it is now.
    Version(u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Sqlite(e) => write!(f, "the catalog could not be read or written: {e}"),
            Error::File(what) | Error::Missing(what) => f.write_str(what),
            Error::Refused(what) => write!(f, "{what}"),
            Error::Newer { file, version } => write!(
                f,
                "{}: made by a newer Vigie (catalog version {version}, this one knows up to {VERSION}); use that version, or another --data",
                file.display()
            ),
            Error::Conflict(c) => write!(f, "case {} was changed by someone else (version {} now): look at it again", c.id, c.version),
            Error::Version(v) => write!(f, "this setting was changed by someone else (version {v} now): look at it again"),
        }
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        Error::Sqlite(e)
    }
}

impl Error {
    /// Whether it is for want of space, or of the right to write.
    pub fn is_storage(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        let code = match self {
            Error::Sqlite(e) => e.sqlite_error_code(),
            _ => None,
        };
        matches!(code, Some(DiskFull | SystemIoFailure | ReadOnly | CannotOpen))
    }
}

/// A refusal in one line.
pub(crate) fn refused<T>(what: impl Into<Sentence>) -> Result<T, Error> {
    Err(Error::Refused(what.into()))
}

/// Who may read at one time.
const READERS: usize = 3;
/// KiB of pages that each connection keeps.
const CACHE_KIB: u64 = 4 << 10;
/// What the catalog holds in memory at most: the pages that its connections keep.
pub const BUDGET: Budget = Budget {
    name: "catalog.pages",
    entries_max: READERS as u64 + 1,
    entry_bytes: CACHE_KIB << 10,
    when_full: "pages used longest ago are read again",
};
/// Open files of the catalog: of each connection the file and its journal, and the journal's index.
pub const FILES_MAX: usize = 2 * (READERS + 1) + 1;

/// What people and folds write, in one SQLite file: one writer, and readers beside it that never wait for the writer.
#[derive(Debug)]
pub struct Catalog {
    /// None in memory. Closed before the writer, which then puts what stands in the write-ahead log into the file.
    readers: Vec<Mutex<Connection>>,
    writer: Mutex<Connection>,
}

impl Catalog {
    /// Opens the file, makes it where there is none, brings an older one to this version. Errors: not readable, no SQLite file, newer.
    pub fn open(path: &Path) -> Result<Catalog, Error> {
        let named = |e: rusqlite::Error| Error::File(format!("{}: cannot be opened as Vigie's catalog: {e}", path.display()));
        let mut writer = Connection::open(path).map_err(named)?;
        writer.busy_timeout(BUSY).map_err(named)?;
        let version: u32 = writer.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(named)?;
        if version > VERSION {
            return Err(Error::Newer { file: path.to_owned(), version });
        }
        writer.pragma_update(None, "journal_mode", "WAL").map_err(named)?;
        prepare(&mut writer).map_err(|e| match e {
            Error::Sqlite(e) => named(e),
            e => e,
        })?;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let reader = Connection::open_with_flags(path, flags).map_err(named)?;
            reader.busy_timeout(BUSY).map_err(named)?;
            settle(&reader).map_err(named)?;
            readers.push(Mutex::new(reader));
        }
        Ok(Catalog { writer: Mutex::new(writer), readers })
    }

    /// One that is gone with the process.
    pub fn in_memory() -> Result<Catalog, Error> {
        let mut writer = Connection::open_in_memory()?;
        prepare(&mut writer)?;
        Ok(Catalog { writer: Mutex::new(writer), readers: Vec::new() })
    }

    /// Reads the whole file for damage. Errors: damage, in one line that names the file.
    pub fn check(&self) -> Result<(), Error> {
        let db = self.read();
        let said = match db.query_row("PRAGMA quick_check(1)", [], |r| r.get::<_, String>(0)) {
            Ok(said) if said == "ok" => return Ok(()),
            Ok(said) => said,
            Err(e) => e.to_string(),
        };
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = db.path().unwrap_or_default().to_owned();
        Err(Error::File(format!("{name}: damaged ({said}); stop Vigie and restore the file from a backup")))
    }

    /// Bytes of the file, its journal left out.
    pub fn bytes(&self) -> Result<u64, Error> {
        let db = self.read();
        let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, u64>(0));
        Ok(pragma("page_count")? * pragma("page_size")?)
    }

    /// A connection to read by: a free one, else the first.
    pub(crate) fn read(&self) -> MutexGuard<'_, Connection> {
        let free = self.readers.iter().find_map(|r| r.try_lock().ok());
        // A panic of another thread leaves no half-done transaction: it was rolled back.
        free.unwrap_or_else(|| self.readers.first().unwrap_or(&self.writer).lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs one statement unless somebody is writing, or the disk is full: for what may be left out.
    pub(crate) fn write_if_free(&self, sql: &str, args: impl rusqlite::Params) {
        if let Ok(db) = self.writer.try_lock() {
            let _ = db.prepare_cached(sql).and_then(|mut s| s.execute(args));
        }
    }

    /// Runs `work` in one transaction: all of it, or nothing.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let mut db = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let out = work(&tx)?;
        tx.commit()?;
        Ok(out)
    }
}

fn settle(db: &Connection) -> Result<(), rusqlite::Error> {
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cache_size", -(CACHE_KIB as i64))?;
    db.set_prepared_statement_cache_capacity(128);
    Ok(())
}

fn nothing(_: &Connection) -> Result<(), Error> {
    Ok(())
}

fn prepare(db: &mut Connection) -> Result<(), Error> {
    db.pragma_update(None, "synchronous", "FULL")?;
    settle(db)?;
    let version: u32 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    for (i, (sql, then)) in MIGRATIONS.iter().enumerate().skip(version as usize) {
        let tx = db.transaction()?;
        tx.execute_batch(sql)?;
        then(&tx)?;
        tx.pragma_update(None, "user_version", i as u32 + 1)?;
        tx.commit()?;
    }
    if (1..VERSION).contains(&version) {
        // What the old form took is given back to the disk; where there is no room for that, it is used for what comes.
        // In memory meanwhile: elsewhere this program may have no right to write.
        let _ = db.execute_batch("PRAGMA temp_store = MEMORY; VACUUM; PRAGMA temp_store = DEFAULT");
    }
    Ok(())
}

/// A time as SQLite keeps it; what is beyond 2262 is kept as the end of time.
pub(crate) fn ns(t: Time) -> i64 {
    i64::try_from(t.0).unwrap_or(i64::MAX)
}

/// And back.
pub(crate) fn time(v: i64) -> Time {
    if v == i64::MAX { Time::MAX } else { Time(v.max(0) as u64) }
}

/// A number as SQLite keeps it.
pub(crate) fn int(v: u64) -> i64 {
    i64::try_from(v).unwrap_or(i64::MAX)
}

/// An address of a blob; anything else is the unspecified one.
pub(crate) fn ip_of(b: &[u8]) -> Ip {
    Ip(b.try_into().unwrap_or_default())
}

/// The row id of a dataset.
pub(crate) fn dataset_id(db: &Connection, name: &str) -> Result<i64, Error> {
    db.prepare_cached("SELECT id FROM dataset WHERE name = ?1")?
        .query_row([name], |r| r.get(0))
        .optional()?
        .ok_or_else(|| Error::Missing(format!("there is no dataset \"{}\"", shown(name))))
}

/// Hostile text in an error: short, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    vigie_base::text::terminal(text).chars().take(80).collect()
}

/// Conditions with their arguments, of one `WHERE`.
#[derive(Clone, Default)]
pub(crate) struct Where {
    parts: Vec<String>,
    args: Vec<Value>,
}

impl Where {
    /// Adds a condition in which each `?` is one of `args`.
    pub(crate) fn and(&mut self, sql: impl Into<String>, args: impl IntoIterator<Item = Value>) {
        self.parts.push(sql.into());
        self.args.extend(args);
    }

    /// `column IN (...)`, where the list is not empty.
    pub(crate) fn one_of(&mut self, column: &str, values: impl IntoIterator<Item = Value>) {
        let values: Vec<Value> = values.into_iter().collect();
        if !values.is_empty() {
            self.and(format!("{column} IN ({})", vec!["?"; values.len()].join(",")), values);
        }
    }

    pub(crate) fn sql(&self) -> String {
        if self.parts.is_empty() { "1".to_owned() } else { self.parts.join(" AND ") }
    }

    pub(crate) fn args(&self) -> impl Iterator<Item = &Value> {
        self.args.iter()
    }

    /// How many rows of `from` match, up to [`TOTAL_MAX`].
    pub(crate) fn total(&self, db: &Connection, from: &str) -> Result<u64, Error> {
        self.total_upto(db, from, TOTAL_MAX)
    }

    /// The same up to `max`.
    pub(crate) fn total_upto(&self, db: &Connection, from: &str, max: u64) -> Result<u64, Error> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {from} WHERE {} LIMIT {max})", self.sql());
        Ok(db.prepare_cached(&sql)?.query_row(params_from_iter(self.args()), |r| r.get(0))?)
    }

    /// One page of `columns` of `from` in the order of `sort` (an expression of the columns, `ds`, then `id`).
    pub(crate) fn page<T>(
        &self,
        db: &Connection,
        (columns, from): (&str, &str),
        sort: &Sort<'_>,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<(Vec<T>, Option<String>), Error> {
        let mut all = self.sql();
        let mut args: Vec<Value> = self.args.clone();
        let (dir, than) = if sort.descending { ("DESC", "<") } else { ("ASC", ">") };
        let key = sort.key;
        if let Some(cursor) = sort.cursor {
            all.push_str(&format!(" AND ({key}, t.ds, t.id) {than} (?, ?, ?)"));
            args.extend(place(cursor).ok_or_else(|| Error::Refused(Sentence::from("the cursor is not one of this list: ask without it")))?);
        }
        let limit = sort.limit.clamp(1, PAGE_MAX);
        let sql = format!(
            "SELECT {key}, t.ds, t.id, {columns} FROM {from} WHERE {all} ORDER BY {key} {dir}, t.ds {dir}, t.id {dir} LIMIT {}",
            limit + 1
        );
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(args))?;
        let (mut out, mut last, mut next) = (Vec::new(), None, None);
        while let Some(row) = rows.next()? {
            if out.len() == limit as usize {
                next = last;
                break;
            }
            out.push(read(row)?);
            last = Some(cursor_of([row.get(0)?, row.get(1)?, row.get(2)?]));
        }
        Ok((out, next))
    }
}

/// How a list is cut into pages.
pub(crate) struct Sort<'s> {
    /// An expression, one of ours.
    pub(crate) key: &'s str,
    pub(crate) descending: bool,
    pub(crate) cursor: Option<&'s str>,
    pub(crate) limit: u32,
}

/// A place in a list as text: the type and the bytes of each of its three values.
fn cursor_of(values: [Value; 3]) -> String {
    let parts = values.map(|v| match v {
        Value::Integer(i) => format!("i{i}"),
        Value::Text(t) => format!("t{}", hex(t.as_bytes())),
        Value::Blob(b) => format!("b{}", hex(&b)),
        Value::Null | Value::Real(_) => "n".to_owned(),
    });
    parts.join("_")
}

/// From a cursor's text.
fn place(cursor: &str) -> Option<[Value; 3]> {
    let parts: Vec<Value> = cursor
        .split('_')
        .take(4)
        .map(|p| {
            let (kind, rest) = p.split_at_checked(1)?;
            Some(match kind {
                "i" => Value::Integer(rest.parse().ok()?),
                "t" => Value::Text(String::from_utf8(unhex(rest)?).ok()?),
                "b" => Value::Blob(unhex(rest)?),
                _ => return None,
            })
        })
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).ok()?, 16).ok()).collect()
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Asks for the next page; none on the last one.
    pub next: Option<String>,
    /// How many rows all pages have, up to [`TOTAL_MAX`].
    pub total: u64,
}
