//! Datasets: a replay's or a site's own assets, baseline and cases, and the files that were read into them.

use crate::db::{Catalog, Error, dataset_id, int, ns, refused, shown, time};
use rusqlite::{Connection, OptionalExtension, Row, params};
use vigie_base::time::SECOND;
use vigie_base::{Sentence, Time};
use vigie_capture::Mark;

/// Datasets at most.
const DATASETS_MAX: u64 = 1000;
/// Captures that follow each other within this are one stretch: a recorder that begins its next file, or a quiet minute.
const APART: u64 = 60 * SECOND;
/// Bytes of a dataset's name at most.
const NAME_MAX: usize = 64;

/// Where a dataset comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Captures that were read.
    Replay,
    /// The site's own traffic.
    Live,
    /// Events that were made, for demonstration and measurement.
    Synthetic,
}

impl Kind {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Replay => "replay",
            Kind::Live => "live",
            Kind::Synthetic => "synthetic",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "live" => Kind::Live,
            "synthetic" => Kind::Synthetic,
            _ => Kind::Replay,
        }
    }
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name as the user gave it.
    pub name: String,
    /// SHA-256 of its bytes, 64 hexadecimal digits.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Frames read.
    pub frames: u64,
    /// Time of its first frame, unshifted.
    pub first: Time,
    /// Time of its last frame, unshifted.
    pub last: Time,
    /// Where its bytes are kept in the data directory, if they are.
    pub kept_as: Option<String>,
    /// The sensor that its events are filed under: files that were read together have the same. Empty where that was not noted yet.
    pub import: String,
}

/// A dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub kind: Kind,
    /// Nanoseconds added to the times of its envelopes.
    pub shift: i64,
    /// When it was made (wall time).
    pub created: Time,
    /// The files read into it, in the order of reading.
    pub sources: Vec<Source>,
}

impl Dataset {
    /// A time of a capture as its events have it: moved by the dataset's shift.
    pub fn moved(&self, time: Time) -> Time {
        Time(time.0.saturating_add_signed(self.shift))
    }

    /// When its captures saw what passed, first frame to last, in the dataset's times: the union of them, in order. Outside nothing of it
    /// was seen. Stretches less than a minute apart are one. None of what was not read from captures.
    pub fn covered(&self) -> Vec<(Time, Time)> {
        let mut all: Vec<_> =
            self.sources.iter().filter(|s| s.frames > 0).map(|s| (self.moved(s.first), self.moved(s.last.max(s.first)))).collect();
        all.sort_unstable();
        let mut out: Vec<(Time, Time)> = Vec::new();
        for (first, last) in all {
            match out.last_mut() {
                Some(before) if first <= before.1.plus(APART) => before.1 = before.1.max(last),
                _ => out.push((first, last)),
            }
        }
        out
    }
}

impl Catalog {
    /// All datasets, the live ones first, then by name.
    pub fn datasets(&self) -> Result<Vec<Dataset>, Error> {
        list(&self.read(), None)
    }

    /// One by name.
    pub fn dataset(&self, name: &str) -> Result<Option<Dataset>, Error> {
        Ok(list(&self.read(), Some(name))?.pop())
    }

    /// Makes one. Errors: a name that is taken or no name (letters, digits, `-`, `_`, `.`; at most 64), too many.
    pub fn create_dataset(&self, name: &str, kind: Kind, shift: i64, now: Time) -> Result<Dataset, Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(fits) || name.starts_with('.') {
            return refused(
                Sentence::new("dataset_name", "\"{name}\" is no name of a dataset: take letters, digits, - and _, at most {max}")
                    .with("name", shown(name))
                    .with("max", NAME_MAX),
            );
        }
        self.write(|db| {
            let (count, taken): (u64, bool) =
                db.query_row("SELECT count(*), ifnull(max(name = ?1), 0) FROM dataset", [name], |r| Ok((r.get(0)?, r.get(1)?)))?;
            if taken {
                return refused(format!("there is a dataset \"{name}\" already: take another name, or remove it first"));
            }
            if count >= DATASETS_MAX {
                return refused(
                    Sentence::new("datasets_full", "there are {max} datasets, as many as are kept: remove one first")
                        .with("max", DATASETS_MAX),
                );
            }
            db.execute(
                "INSERT INTO dataset(name, kind, shift, created) VALUES (?1, ?2, ?3, ?4)",
                params![name, kind.name(), shift, ns(now)],
            )?;
            Ok(())
        })?;
        Ok(Dataset { name: name.to_owned(), kind, shift, created: now, sources: Vec::new() })
    }

    /// Removes one with all that is its: sources, cases, assets, what was declared, what was new.
    pub fn remove_dataset(&self, name: &str) -> Result<(), Error> {
        self.write(|db| {
            let ds = dataset_id(db, name)?;
            db.execute("DELETE FROM dataset WHERE id = ?1", [ds])?;
            Ok(())
        })
    }

    /// The file of these bytes, and the dataset that it was read into.
    pub fn source_of(&self, sha256: &str) -> Result<Option<(String, Source)>, Error> {
        source_of(&self.read(), sha256)
    }

    /// The captures that are kept, with their datasets: those of the oldest import first, whatever the clock said then.
    pub fn captures(&self) -> Result<Vec<(String, Source)>, Error> {
        let db = self.read();
        let sql = format!(
            "SELECT {SOURCE}, d.name FROM source s JOIN dataset d ON d.id = s.ds WHERE s.kept_as IS NOT NULL
             ORDER BY s.rowid"
        );
        let mut statement = db.prepare_cached(&sql)?;
        Ok(statement.query_map([], |r| Ok((r.get(8)?, source(r)?)))?.collect::<Result<_, _>>()?)
    }

    /// Notes that a file is not kept any more.
    pub fn unkeep(&self, sha256: &str) -> Result<(), Error> {
        self.write(|db| {
            db.execute("UPDATE source SET kept_as = NULL WHERE sha256 = ?1", [sha256])?;
            db.execute("DELETE FROM mark WHERE sha256 = ?1", [sha256])?;
            Ok(())
        })
    }

    /// Notes where a file that is known can be read on from.
    pub fn add_marks(&self, sha256: &str, marks: &[Mark]) -> Result<(), Error> {
        self.write(|db| {
            let mut insert = db.prepare_cached("INSERT OR REPLACE INTO mark(sha256, at, time, head) VALUES (?1, ?2, ?3, ?4)")?;
            for m in marks {
                insert.execute(params![sha256, int(m.at), ns(m.time), int(m.head)])?;
            }
            Ok(())
        })
    }

    /// The last place in a file before which all frames are earlier than `time`.
    pub fn mark_before(&self, sha256: &str, time: Time) -> Result<Option<Mark>, Error> {
        let db = self.read();
        let sql = "SELECT time, head, at FROM mark WHERE sha256 = ?1 AND time < ?2 ORDER BY at DESC LIMIT 1";
        let read = |r: &Row<'_>| {
            let (head, at) = (r.get::<_, i64>(1)?.unsigned_abs(), r.get::<_, i64>(2)?.unsigned_abs());
            Ok(Mark { time: crate::db::time(r.get(0)?), head, at })
        };
        Ok(db.prepare_cached(sql)?.query_row(params![sha256, ns(time)], read).optional()?)
    }

    /// Notes a file that was read. The same bytes twice are refused with the earlier dataset's name.
    pub fn add_source(&self, dataset: &str, source: &Source, now: Time) -> Result<(), Error> {
        self.write(|db| add_source(db, dataset_id(db, dataset)?, source, now))
    }
}

/// What is said of a capture that was read before, into `dataset` and as `known`.
pub fn read_already(file: &str, dataset: &str, known: &str) -> Sentence {
    Sentence::new("capture_read", "{file}: this capture is already in dataset {dataset} (as {known}); delete that dataset to read it again")
        .with("file", shown(file))
        .with("dataset", dataset)
        .with("known", shown(known))
}

/// See [`Catalog::add_source`].
pub(crate) fn add_source(db: &Connection, ds: i64, source: &Source, now: Time) -> Result<(), Error> {
    if let Some((earlier, s)) = source_of(db, &source.sha256)? {
        return refused(read_already(&source.name, &earlier, &s.name));
    }
    db.execute(
        "INSERT INTO source(sha256, ds, name, bytes, frames, first, last, kept_as, added, import)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            source.sha256,
            ds,
            source.name,
            int(source.bytes),
            int(source.frames),
            ns(source.first),
            ns(source.last),
            source.kept_as,
            ns(now),
            source.import
        ],
    )?;
    Ok(())
}

const SOURCE: &str = "s.name, s.sha256, s.bytes, s.frames, s.first, s.last, s.kept_as, s.import";

fn source(r: &Row<'_>) -> rusqlite::Result<Source> {
    Ok(Source {
        name: r.get(0)?,
        sha256: r.get(1)?,
        bytes: r.get::<_, i64>(2)?.unsigned_abs(),
        frames: r.get::<_, i64>(3)?.unsigned_abs(),
        first: time(r.get(4)?),
        last: time(r.get(5)?),
        kept_as: r.get(6)?,
        import: r.get(7)?,
    })
}

fn source_of(db: &Connection, sha256: &str) -> Result<Option<(String, Source)>, Error> {
    let sql = format!("SELECT {SOURCE}, d.name FROM source s JOIN dataset d ON d.id = s.ds WHERE s.sha256 = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([sha256], |r| Ok((r.get(8)?, source(r)?))).optional()?)
}

fn list(db: &Connection, name: Option<&str>) -> Result<Vec<Dataset>, Error> {
    let mut statement = db
        .prepare_cached("SELECT id, name, kind, shift, created FROM dataset WHERE ?1 IS NULL OR name = ?1 ORDER BY kind <> 'live', name")?;
    let mut sources = db.prepare_cached(&format!("SELECT {SOURCE} FROM source s WHERE s.ds = ?1 ORDER BY s.added, s.first, s.sha256"))?;
    let mut rows = statement.query([name])?;
    let mut out = Vec::new();
    while let Some(r) = rows.next()? {
        out.push(Dataset {
            name: r.get(1)?,
            kind: Kind::of(&r.get::<_, String>(2)?),
            shift: r.get(3)?,
            created: time(r.get(4)?),
            sources: sources.query_map([r.get::<_, i64>(0)?], source)?.collect::<Result<_, _>>()?,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_cover_the_union_of_their_times_and_nothing_between() {
        let source = |first: u64, last: u64, frames: u64| Source {
            name: String::new(),
            sha256: String::new(),
            bytes: 1,
            frames,
            first: Time::from_secs(first),
            last: Time::from_secs(last),
            kept_as: None,
            import: String::new(),
        };
        let sources =
            vec![source(5_000, 5_100, 9), source(1_000, 1_200, 9), source(1_230, 1_300, 9), source(1_100, 1_150, 9), source(0, 0, 0)];
        let of = |shift: i64| Dataset { name: "d".into(), kind: Kind::Replay, shift, created: Time(0), sources: sources.clone() }.covered();
        let secs = |all: Vec<(Time, Time)>| all.into_iter().map(|s| (s.0.secs(), s.1.secs())).collect::<Vec<_>>();
        assert_eq!(secs(of(0)), [(1_000, 1_300), (5_000, 5_100)]);
        assert_eq!(secs(of(-500 * SECOND as i64)), [(500, 800), (4_500, 4_600)]);
    }
}
