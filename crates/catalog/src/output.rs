//! Programs that are told of cases that open and close: what is next for each, and what came of the last.
//!
//! The trail of cases is the queue: an output stands at a row of it, and is told what comes behind. So nothing is told twice, nothing is
//! passed over, and a restart goes on where the last run stood.

use crate::cases::{CaseRow, State, one};
use crate::db::{Catalog, Error, ns, time};
use crate::keep::VIGIE;
use rusqlite::{Connection, OptionalExtension, Row, params};
use vigie_base::Time;

/// Rows of the trail that are looked at for one question.
const LOOKED_MAX: usize = 1000;
/// Characters of an error that are kept.
const SAID_MAX: usize = 400;

/// How an output stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputState {
    /// Its name.
    pub name: String,
    /// The last row of the trail that it is done with.
    pub position: i64,
    /// Notices that it took.
    pub delivered: u64,
    /// Notices that were given up.
    pub dropped: u64,
    /// When it last took one (wall time).
    pub success: Option<Time>,
    /// When it last did not (wall time), and why.
    pub error: Option<(Time, String)>,
}

/// What happened to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It was found.
    Opened,
    /// New evidence, or a person, opened it again.
    Reopened,
    /// A person closed it.
    Closed,
}

impl Moment {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Moment::Opened => "opened",
            Moment::Reopened => "reopened",
            Moment::Closed => "closed",
        }
    }
}

/// A moment of a case that is told outside.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its row of the trail: no other notice has it.
    pub id: i64,
    /// What happened.
    pub moment: Moment,
    /// When (wall time).
    pub at: Time,
    /// Who did it; `vigie` for what came of itself.
    pub who: String,
    /// The case as it stands now.
    pub case: CaseRow,
}

/// What an output is told next.
#[derive(Clone, Debug)]
pub enum Next {
    /// This.
    Notice(Box<Notice>),
    /// Nothing up to this row of the trail; there may be more behind it.
    Nothing(i64),
}

fn read(r: &Row<'_>) -> rusqlite::Result<OutputState> {
    let at = |i: usize| r.get::<_, Option<i64>>(i).map(|t| t.map(time));
    let (error, said): (_, String) = (at(5)?, r.get(6)?);
    Ok(OutputState {
        name: r.get(0)?,
        position: r.get(1)?,
        delivered: r.get(2)?,
        dropped: r.get(3)?,
        success: at(4)?,
        error: error.map(|at| (at, said)),
    })
}

const COLUMNS: &str = "name, position, delivered, dropped, success, error, said";

impl Catalog {
    /// How an output stands; one that is new begins behind all that happened so far.
    pub fn output(&self, name: &str) -> Result<OutputState, Error> {
        let sql = format!("SELECT {COLUMNS} FROM output WHERE name = ?1");
        let is = |db: &Connection| db.prepare_cached(&sql)?.query_row([name], read).optional();
        let known = is(&self.read())?;
        if let Some(state) = known {
            return Ok(state);
        }
        self.write(|db| {
            let last = "INSERT OR IGNORE INTO output(name, position) SELECT ?1, ifnull(max(id), 0) FROM trail";
            db.execute(last, [name])?;
            is(db)?.ok_or_else(|| Error::Missing(format!("there is no output {name}")))
        })
    }

    /// How all outputs stand that are told of cases, by name.
    pub fn outputs(&self) -> Result<Vec<OutputState>, Error> {
        let db = self.read();
        let mut s = db.prepare_cached(&format!("SELECT {COLUMNS} FROM output ORDER BY name"))?;
        let all = s.query_map([], read)?.collect::<Result<_, _>>()?;
        Ok(all)
    }

    /// Forgets an output: asked for again, it begins behind all that happened until then.
    pub fn forget_output(&self, name: &str) -> Result<(), Error> {
        self.write(|db| Ok(db.execute("DELETE FROM output WHERE name = ?1", [name]).map(drop)?))
    }

    /// What comes next behind a row of the trail: a case that opened and no exclusion hides, opened again, or was closed. `imports`:
    /// whether those of imported captures count, too.
    pub fn notice_after(&self, position: i64, imports: bool) -> Result<Next, Error> {
        let db = self.read();
        let sql = format!(
            "SELECT t.id, t.ds, t.case_id, t.at, t.who, t.kind, t.text, d.kind = 'live' FROM trail t JOIN dataset d ON d.id = t.ds
             WHERE t.id > ?1 ORDER BY t.id LIMIT {LOOKED_MAX}"
        );
        let mut s = db.prepare_cached(&sql)?;
        let mut rows = s.query([position])?;
        let mut reached = position;
        while let Some(r) = rows.next()? {
            let (id, ds, case): (i64, i64, String) = (r.get(0)?, r.get(1)?, r.get(2)?);
            reached = id;
            let (kind, text, is_live): (String, String, bool) = (r.get(5)?, r.get(6)?, r.get(7)?);
            let closes = text == State::Closed.name();
            let moment = match kind.as_str() {
                "opened" => Moment::Opened,
                "reopened" => Moment::Reopened,
                "state" if closes => Moment::Closed,
                "state" if was_closed(&db, ds, &case, id)? => Moment::Reopened,
                _ => continue,
            };
            if !is_live && !imports {
                continue;
            }
            let is = one(&db, ds, &case)?;
            // What is normal here is not told. A person who opens or closes it knows why.
            if is.excluded_by.is_some() && r.get_ref(4)?.as_str() == Ok(VIGIE) {
                continue;
            }
            return Ok(Next::Notice(Box::new(Notice { id, moment, at: time(r.get(3)?), who: r.get(4)?, case: is })));
        }
        Ok(Next::Nothing(reached))
    }

    /// An output is done with all up to a row of the trail, without having been told of any.
    pub fn output_passed(&self, name: &str, position: i64) -> Result<(), Error> {
        let sql = "UPDATE output SET position = ?2 WHERE name = ?1 AND position < ?2";
        self.write(|db| Ok(db.execute(sql, params![name, position]).map(drop)?))
    }

    /// An output took a notice.
    pub fn output_took(&self, name: &str, notice: i64, now: Time) -> Result<(), Error> {
        let sql = "UPDATE output SET position = ?2, delivered = delivered + 1, success = ?3 WHERE name = ?1";
        self.write(|db| Ok(db.execute(sql, params![name, notice, ns(now)]).map(drop)?))
    }

    /// An output did not take a notice, which is tried again (`given_up` false) or passed over.
    pub fn output_refused(&self, name: &str, notice: i64, given_up: bool, why: &str, now: Time) -> Result<(), Error> {
        let said: String = why.chars().take(SAID_MAX).collect();
        let sql = "UPDATE output SET position = iif(?3, ?2, position), dropped = dropped + ?3, error = ?4, said = ?5 WHERE name = ?1";
        self.write(|db| Ok(db.execute(sql, params![name, notice, given_up, ns(now), said]).map(drop)?))
    }
}

/// Whether a case was closed before a row of the trail.
fn was_closed(db: &Connection, ds: i64, case: &str, row: i64) -> Result<bool, Error> {
    let sql = "SELECT kind, text FROM trail WHERE ds = ?1 AND case_id = ?2 AND id < ?3 AND kind IN ('opened', 'reopened', 'state')
               ORDER BY id DESC LIMIT 1";
    let last: Option<(String, String)> =
        db.prepare_cached(sql)?.query_row(params![ds, case, row], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
    Ok(last.is_some_and(|(kind, text)| kind == "state" && text == State::Closed.name()))
}
