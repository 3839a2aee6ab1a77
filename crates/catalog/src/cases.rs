//! Cases and their life: new, acknowledged, in progress, closed with a verdict, reopened by new evidence.

use crate::db::{Catalog, Error, Page, Sort, Where, dataset_id, ip_of, ns, refused, shown, time};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params};
use vigie_base::{Ip, Sentence, Time};
use vigie_case::{ALERTS, Alert, CASES, Case, Severity};
use vigie_detect::Story;

/// Characters of a comment at most.
const COMMENT_MAX: usize = 20_000;
/// Rows of a trail that are listed.
const TRAIL_MAX: u32 = 2000;
/// Cases that the fold resumes with: half of what it may hold.
const RESUMED_MAX: u64 = CASES.entries_max / 2;
/// Loose alerts that it resumes with: a quarter, beside those of the cases.
const LOOSE_MAX: u64 = ALERTS.entries_max / 4;

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nobody has looked at it.
    New,
    /// Somebody has seen it.
    Acknowledged,
    /// Somebody works on it.
    InProgress,
    /// It is over.
    Closed,
}

impl State {
    /// Every state, in the order of a case's life.
    pub const ALL: [State; 4] = [State::New, State::Acknowledged, State::InProgress, State::Closed];

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Acknowledged => "acknowledged",
            State::InProgress => "in_progress",
            State::Closed => "closed",
        }
    }

    /// From its name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// What a closed case was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It happened, and was bad.
    TruePositive,
    /// It is harmless.
    Benign,
    /// Somebody tested.
    Test,
    /// Another case tells it.
    Duplicate,
    /// What was wrong is right again: Vigie's own verdict on cases of its own health.
    Resolved,
}

impl Verdict {
    /// Every verdict that a person gives.
    pub const GIVEN: [Verdict; 4] = [Verdict::TruePositive, Verdict::Benign, Verdict::Test, Verdict::Duplicate];

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::TruePositive => "true_positive",
            Verdict::Benign => "benign",
            Verdict::Test => "test",
            Verdict::Duplicate => "duplicate",
            Verdict::Resolved => "resolved",
        }
    }

    /// From its name.
    pub fn of(name: &str) -> Option<Self> {
        Self::GIVEN.into_iter().chain([Verdict::Resolved]).find(|v| v.name() == name)
    }
}

/// A case as it is kept.
#[derive(Clone, Debug)]
pub struct CaseRow {
    /// Its dataset.
    pub dataset: String,
    /// Sixteen hexadecimal digits.
    pub id: String,
    /// What was found, to be told by [`vigie_case::TellCase`]; where it cannot be read by this version, why.
    pub case: Result<Case, String>,
    /// Sum of its reasons.
    pub score: u32,
    /// Band of the score.
    pub severity: Severity,
    /// How many alerts, those beyond the cap too.
    pub alerts: u64,
    /// First sign (event time).
    pub first: Time,
    /// Last sign (event time).
    pub last: Time,
    /// Where it stands.
    pub state: State,
    /// What it was, if closed.
    pub verdict: Option<Verdict>,
    /// Who works on it; empty: nobody.
    pub owner: String,
    /// Counts what people changed and what reopened it, from 1.
    pub version: u64,
    /// The exclusion that covers all that opened it; it is hidden from lists.
    pub excluded_by: Option<i64>,
    /// When it was first kept (wall time).
    pub opened: Time,
    /// When a person, or new evidence, last changed it (wall time).
    pub changed: Time,
}

/// What a list of cases is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaseSort {
    /// The score.
    #[default]
    Score,
    /// The last sign.
    LastSeen,
    /// The first sign.
    FirstSeen,
    /// Where it stands, then the score.
    State,
}

/// Which cases.
#[derive(Clone, Debug, Default)]
pub struct CaseFilter {
    /// Of this dataset.
    pub dataset: Option<String>,
    /// In one of these states; empty: any.
    pub states: Vec<State>,
    /// Of one of these severities; empty: any.
    pub severities: Vec<Severity>,
    /// Of this owner; an empty text: nobody's.
    pub owner: Option<String>,
    /// Every word stands in its id, title (of either language), detectors, addresses or names.
    pub text: Option<String>,
    /// With this machine.
    pub ip: Option<Ip>,
    /// Last sign not before (event time).
    pub from: Option<Time>,
    /// First sign before (event time).
    pub until: Option<Time>,
    /// Those too that an exclusion covers.
    pub excluded: bool,
    /// Only those of which this exclusion hides something, by its number.
    pub hidden_by: Option<i64>,
    /// Order.
    pub sort: CaseSort,
    /// The lowest first.
    pub ascending: bool,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// Rows at most; 0 for one.
    pub limit: u32,
}

/// What a person changes; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct CaseChange {
    /// New state. Closing needs a verdict.
    pub state: Option<State>,
    /// Verdict; only with a state of closed, or on a closed case.
    pub verdict: Option<Verdict>,
    /// New owner; an empty text: nobody.
    pub owner: Option<String>,
    /// The version that the person has seen; another one is a conflict. None: whatever it is.
    pub expected_version: Option<u64>,
}

/// A row of a case's trail: a comment, or a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailRow {
    /// Its number.
    pub id: i64,
    /// When (wall time).
    pub at: Time,
    /// Who; `vigie` for what came of itself.
    pub who: String,
    /// `comment`, `state`, `verdict`, `owner`, `opened`, `reopened`, `exclusion`, `exclusion_removed`.
    pub kind: String,
    /// The comment; the new state, verdict or owner; the alert that reopened it; the exclusion's number.
    pub text: String,
}

/// How many cases stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaseCounts {
    /// By state, in the order of [`State::ALL`].
    pub states: [u64; 4],
    /// Of those that are not closed, by severity from low to critical.
    pub open: [u64; 4],
}

impl Catalog {
    /// A page of cases, with how many there are in all.
    pub fn cases(&self, f: &CaseFilter) -> Result<Page<CaseRow>, Error> {
        let mut w = Where::default();
        let db = self.read();
        if let Some(d) = &f.dataset {
            w.and("t.ds = ?", [Sql::Integer(dataset_id(&db, d)?)]);
        }
        w.one_of("t.state", f.states.iter().map(|s| Sql::Integer(*s as i64)));
        w.one_of("t.severity", f.severities.iter().map(|s| Sql::Integer(*s as i64)));
        if let Some(o) = &f.owner {
            w.and("t.owner = ?", [Sql::Text(o.clone())]);
        }
        for word in words(f.text.as_deref()) {
            w.and("instr(t.search, ?) > 0", [Sql::Text(word)]);
        }
        if let Some(ip) = f.ip {
            w.and("(t.ds, t.id) IN (SELECT ds, case_id FROM case_entity WHERE ip = ?)", [Sql::Blob(ip.0.into())]);
        }
        if let Some(t) = f.from {
            w.and("t.last >= ?", [Sql::Integer(ns(t))]);
        }
        if let Some(t) = f.until {
            w.and("t.first < ?", [Sql::Integer(ns(t))]);
        }
        if let Some(id) = f.hidden_by {
            w.and("(t.ds, t.id) IN (SELECT ds, case_id FROM alert WHERE excluded_by = ?)", [Sql::Integer(id)]);
        } else if !f.excluded {
            w.and("t.excluded_by IS NULL", []);
        }
        let key = match f.sort {
            CaseSort::Score => "t.score",
            CaseSort::LastSeen => "t.last",
            CaseSort::FirstSeen => "t.first",
            // The gravest first within a state, in either direction of states.
            CaseSort::State if f.ascending => "t.state * 100000 - t.score",
            CaseSort::State => "t.state * 100000 + t.score",
        };
        let sort = Sort { key, descending: !f.ascending, cursor: f.cursor.as_deref(), limit: f.limit };
        let (rows, next) = w.page(&db, (CASE, FROM), &sort, |r| read_case(&db, r))?;
        Ok(Page { rows, next, total: w.total(&db, FROM)? })
    }

    /// How many cases there are, by state and severity; those that an exclusion covers left out.
    pub fn case_counts(&self, dataset: Option<&str>) -> Result<CaseCounts, Error> {
        let db = self.read();
        let ds = dataset.map(|d| dataset_id(&db, d)).transpose()?;
        let sql = "SELECT state, severity, count(*) FROM cases WHERE excluded_by IS NULL AND (?1 IS NULL OR ds = ?1) GROUP BY 1, 2";
        let mut s = db.prepare_cached(sql)?;
        let mut rows = s.query([ds])?;
        let mut out = CaseCounts::default();
        while let Some(r) = rows.next()? {
            let (state, severity, n): (usize, usize, u64) = (r.get(0)?, r.get(1)?, r.get(2)?);
            out.states[state.min(3)] += n;
            if state < State::Closed as usize {
                out.open[severity.min(3)] += n;
            }
        }
        Ok(out)
    }

    /// One case. Without a dataset, of all of them; an id that several have is refused with their names.
    pub fn case(&self, id: &str, dataset: Option<&str>) -> Result<Option<CaseRow>, Error> {
        let db = self.read();
        match find(&db, id, dataset) {
            Ok(ds) => one(&db, ds, id).map(Some),
            Err(Error::Missing(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A person changes a case; what changed stands in its trail. Errors: no such case; a verdict is missing, or is one too many; someone
    /// else changed it first ([`Error::Conflict`] with the case as it is).
    pub fn change_case(&self, id: &str, dataset: Option<&str>, change: &CaseChange, who: &str, now: Time) -> Result<CaseRow, Error> {
        self.write(|db| {
            let ds = find(db, id, dataset)?;
            let is = one(db, ds, id)?;
            if change.expected_version.is_some_and(|v| v != is.version) {
                return Err(Error::Conflict(Box::new(is)));
            }
            let state = change.state.unwrap_or(is.state);
            let verdict = match state {
                State::Closed => change.verdict.or(is.verdict),
                _ => None,
            };
            if state == State::Closed && verdict.is_none() {
                return refused(Sentence::new("close_verdict", "closing a case needs a verdict: true_positive, benign, test or duplicate"));
            }
            if state != State::Closed && change.verdict.is_some() {
                return refused(Sentence::new("verdict_open", "a verdict belongs to a closed case: close it"));
            }
            let owner = change.owner.as_ref().unwrap_or(&is.owner);
            if owner.chars().count() > 64 {
                return refused(Sentence::new("owner_name", "the owner is a user's name"));
            }
            let mut changes: Vec<(&str, &str)> = Vec::new();
            if state != is.state {
                changes.push(("state", state.name()));
            }
            if let Some(v) = verdict.filter(|v| Some(*v) != is.verdict) {
                changes.push(("verdict", v.name()));
            }
            if *owner != is.owner {
                changes.push(("owner", owner));
            }
            if changes.is_empty() {
                return Ok(is);
            }
            db.prepare_cached(
                "UPDATE cases SET state = ?3, verdict = ?4, owner = ?5, version = version + 1, changed = ?6 WHERE ds = ?1 AND id = ?2",
            )?
            .execute(params![ds, id, state as i64, verdict.map(Verdict::name), owner, ns(now)])?;
            for (kind, text) in changes {
                note(db, ds, id, kind, text, who, now)?;
            }
            one(db, ds, id)
        })
    }

    /// Adds a comment to a case's trail.
    pub fn comment(&self, id: &str, dataset: Option<&str>, text: &str, who: &str, now: Time) -> Result<TrailRow, Error> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > COMMENT_MAX {
            return refused(Sentence::new("comment_length", "a comment has 1 to {max} characters").with("max", COMMENT_MAX));
        }
        self.write(|db| {
            let ds = find(db, id, dataset)?;
            let row = note(db, ds, id, "comment", text, who, now)?;
            Ok(TrailRow { id: row, at: now, who: who.to_owned(), kind: "comment".to_owned(), text: text.to_owned() })
        })
    }

    /// A case's comments and changes together, in the order of time; of more than 2,000 the latest.
    pub fn trail(&self, id: &str, dataset: Option<&str>) -> Result<Vec<TrailRow>, Error> {
        let db = self.read();
        let ds = find(&db, id, dataset)?;
        let sql = format!("SELECT id, at, who, kind, text FROM trail WHERE ds = ?1 AND case_id = ?2 ORDER BY id DESC LIMIT {TRAIL_MAX}");
        let mut s = db.prepare_cached(&sql)?;
        let rows = s.query_map(params![ds, id], |r| {
            Ok(TrailRow { id: r.get(0)?, at: time(r.get(1)?), who: r.get(2)?, kind: r.get(3)?, text: r.get(4)? })
        })?;
        let mut rows: Vec<TrailRow> = rows.collect::<Result<_, _>>()?;
        rows.reverse();
        Ok(rows)
    }

    /// The cases that the fold may still add to, in the order in which they opened: the latest, half of what it may hold. Unreadable ones are left out.
    pub fn open_cases(&self, dataset: &str) -> Result<Vec<Case>, Error> {
        let db = self.read();
        let ds = dataset_id(&db, dataset)?;
        let sql = format!("SELECT id FROM cases WHERE ds = ?1 ORDER BY last DESC, id LIMIT {RESUMED_MAX}");
        let ids: Vec<String> = db.prepare_cached(&sql)?.query_map([ds], |r| r.get(0))?.collect::<Result<_, _>>()?;
        let (mut out, mut alerts) = (Vec::new(), 0);
        for case in ids.iter().map(|id| one(&db, ds, id).map(|kept| kept.case)) {
            let Ok(case) = case? else { continue };
            alerts += case.alerts.len() as u64;
            if alerts > ALERTS.entries_max / 2 {
                break;
            }
            out.push(case);
        }
        out.sort_by(|a, b| (a.first, &a.id).cmp(&(b.first, &b.id)));
        Ok(out)
    }

    /// The informational alerts of no case that the fold resumes with: the latest, a quarter as many as it may hold. Unreadable ones are left out.
    pub fn loose_alerts(&self, dataset: &str) -> Result<Vec<Alert>, Error> {
        let db = self.read();
        let ds = dataset_id(&db, dataset)?;
        let sql = format!("SELECT data FROM alert WHERE ds = ?1 AND case_id IS NULL ORDER BY last DESC, id LIMIT {LOOSE_MAX}");
        let mut s = db.prepare_cached(&sql)?;
        let all = s.query_map([ds], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(all.iter().filter_map(|d| crate::exclusion::read_alert(d)).collect())
    }

    /// An alert, of a case or of none, with its dataset. Errors: several datasets have it, or this version cannot read it.
    pub fn alert(&self, id: &str, dataset: Option<&str>) -> Result<Option<(String, Alert)>, Error> {
        let db = self.read();
        let sql = "SELECT d.name, a.data FROM dataset d CROSS JOIN alert a ON a.ds = d.id AND a.id = ?1 WHERE ?2 IS NULL OR d.name = ?2";
        let mut s = db.prepare_cached(sql)?;
        let all: Vec<(String, String)> = s.query_map(params![id, dataset], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
        match all.as_slice() {
            [] => Ok(None),
            [(name, data)] => match crate::exclusion::read_alert(data) {
                Some(alert) => Ok(Some((name.clone(), alert))),
                None => refused(format!("alert {} was written by another version of this program, which reads it", shown(id))),
            },
            more => {
                let names: Vec<&str> = more.iter().map(|m| m.0.as_str()).collect();
                refused(format!("alert {} is in several datasets: name one of {}", shown(id), names.join(", ")))
            }
        }
    }

    /// The open cases of each address, gravest first: (address, dataset, case id, score), of at most 10,000.
    pub fn addresses_in_cases(&self, dataset: Option<&str>) -> Result<Vec<(Ip, String, String, u32)>, Error> {
        let db = self.read();
        let ds = dataset.map(|d| dataset_id(&db, d)).transpose()?;
        let sql = "SELECT DISTINCT e.ip, d.name, t.id, t.score FROM cases t JOIN dataset d ON d.id = t.ds
                   JOIN case_entity e ON e.ds = t.ds AND e.case_id = t.id
                   WHERE e.ip IS NOT NULL AND t.state < 3 AND t.excluded_by IS NULL AND (?1 IS NULL OR t.ds = ?1)
                   ORDER BY t.score DESC, t.id, e.ip LIMIT 10000";
        let mut s = db.prepare_cached(sql)?;
        let rows =
            s.query_map([ds], |r| Ok((ip_of(&r.get::<_, Vec<u8>>(0)?), r.get(1)?, r.get(2)?, r.get(3)?)))?.collect::<Result<_, _>>()?;
        Ok(rows)
    }
}

/// The words of a search, at most eight, lower case.
pub(crate) fn words(text: Option<&str>) -> Vec<String> {
    text.unwrap_or("").split_whitespace().take(8).map(|w| w.chars().take(200).collect::<String>().to_lowercase()).collect()
}

const CASE: &str = "t.ds, d.name, t.id, t.story, t.more, t.first, t.last, t.score, t.severity, t.alerts, t.state, t.verdict, t.owner, \
                    t.version, t.excluded_by, t.opened, t.changed";
const FROM: &str = "cases t CROSS JOIN dataset d ON d.id = t.ds";

/// A row of [`CASE`], three columns in.
fn read_case(db: &Connection, r: &Row<'_>) -> Result<CaseRow, Error> {
    let (ds, id): (i64, String) = (r.get(3)?, r.get(5)?);
    let (first, last) = (time(r.get(8)?), time(r.get(9)?));
    let score: u32 = r.get(10)?;
    let case = data(db, ds, &id)?.and_then(|alerts| {
        let story: String = r.get_ref(6).ok().and_then(|v| v.as_str().ok()).unwrap_or("").to_owned();
        Ok(Case {
            id: id.clone(),
            story: Story::of(&story).ok_or_else(|| format!("this version knows no story \"{}\"", shown(&story)))?,
            alerts,
            more: r.get::<_, u64>(7).unwrap_or(0),
            first,
            last,
        })
    });
    Ok(CaseRow {
        dataset: r.get(4)?,
        id,
        case,
        score,
        severity: Severity::of(score),
        alerts: r.get(12)?,
        first,
        last,
        state: State::ALL[r.get::<_, usize>(13)?.min(3)],
        verdict: r.get::<_, Option<String>>(14)?.and_then(|v| Verdict::of(&v)),
        owner: r.get(15)?,
        version: r.get(16)?,
        excluded_by: r.get(17)?,
        opened: time(r.get(18)?),
        changed: time(r.get(19)?),
    })
}

/// A case's alerts; the inner error is told to the reader.
fn data(db: &Connection, ds: i64, id: &str) -> Result<Result<Vec<Alert>, String>, Error> {
    let mut s = db.prepare_cached("SELECT data FROM alert WHERE ds = ?1 AND case_id = ?2 ORDER BY place, id")?;
    let all = s.query_map(params![ds, id], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let read = |d: &String| Alert::from_json(&serde_json::from_str(d).map_err(|e| e.to_string())?);
    Ok(all.iter().map(read).collect::<Result<_, _>>().map_err(|e| format!("case {id} cannot be told: {e}")))
}

/// The dataset that has a case.
pub(crate) fn find(db: &Connection, id: &str, dataset: Option<&str>) -> Result<i64, Error> {
    let ds = dataset.map(|d| dataset_id(db, d)).transpose()?;
    let mut s =
        db.prepare_cached("SELECT c.ds, d.name FROM cases c JOIN dataset d ON d.id = c.ds WHERE c.id = ?1 AND (?2 IS NULL OR c.ds = ?2)")?;
    let all: Vec<(i64, String)> = s.query_map(params![id, ds], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
    match all.as_slice() {
        [] => Err(Error::Missing(format!("there is no case {}", shown(id)))),
        [one] => Ok(one.0),
        more => {
            let names: Vec<&str> = more.iter().map(|m| m.1.as_str()).collect();
            refused(format!("case {id} is in several datasets: name one of {}", names.join(", ")))
        }
    }
}

pub(crate) fn one(db: &Connection, ds: i64, id: &str) -> Result<CaseRow, Error> {
    let sql = format!("SELECT 0, 0, 0, {CASE} FROM {FROM} WHERE t.ds = ?1 AND t.id = ?2");
    let mut s = db.prepare_cached(&sql)?;
    let row = s.query_and_then(params![ds, id], |r| read_case(db, r))?.next();
    row.unwrap_or_else(|| Err(Error::Missing(format!("there is no case {}", shown(id)))))
}

/// Adds to a trail.
pub(crate) fn note(db: &Connection, ds: i64, id: &str, kind: &str, text: &str, who: &str, now: Time) -> Result<i64, Error> {
    db.prepare_cached("INSERT INTO trail(ds, case_id, at, who, kind, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
        ds,
        id,
        ns(now),
        who,
        kind,
        text
    ])?;
    Ok(db.last_insert_rowid())
}

/// Hides cases of which an exclusion covers all that opened them, and shows those of which none does any more; all, or one.
pub(crate) fn hide(db: &Connection, one: Option<(i64, &str)>) -> Result<(), Error> {
    const BY: &str = "(SELECT CASE WHEN count(*) = count(a.excluded_by) THEN min(a.excluded_by) END FROM alert a
                       WHERE a.ds = cases.ds AND a.case_id = cases.id AND a.opens_case)";
    match one {
        Some((ds, id)) => {
            let sql = format!("UPDATE cases SET excluded_by = {BY} WHERE ds = ?1 AND id = ?2");
            db.prepare_cached(&sql)?.execute(params![ds, id])?;
        }
        None => _ = db.execute(&format!("UPDATE cases SET excluded_by = {BY} WHERE excluded_by IS NOT {BY}"), [])?,
    }
    Ok(())
}

/// What is kept of an alert.
pub(crate) struct OldAlert {
    pub(crate) case: Option<String>,
    pub(crate) last: Time,
    pub(crate) count: u64,
    pub(crate) data: String,
}

pub(crate) fn old_alert(db: &Connection, ds: i64, id: &str) -> Result<Option<OldAlert>, Error> {
    let mut s = db.prepare_cached("SELECT case_id, last, count, data FROM alert WHERE ds = ?1 AND id = ?2")?;
    let old = s.query_row(params![ds, id], |r| Ok(OldAlert { case: r.get(0)?, last: time(r.get(1)?), count: r.get(2)?, data: r.get(3)? }));
    Ok(old.optional()?)
}
