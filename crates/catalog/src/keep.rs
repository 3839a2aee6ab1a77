//! What one run found joins what is known, in one transaction.

use crate::assets::keep_assets;
use crate::cases::{State, Verdict, hide, note, old_alert, one};
use crate::dataset::{Source, add_source};
use crate::db::{Catalog, Error, dataset_id, int, ns};
use crate::exclusion::{Exclusion, covering, list};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use vigie_base::{Ip, Time};
use vigie_case::{ALERTS_MAX, Alert, Case, Severity, TellCase};
use vigie_detect::{Lang, Phase};
use vigie_inventory::Asset;

/// Bytes of a case's or an asset's search text at most.
pub(crate) const SEARCH_MAX: usize = 8192;
/// Cases of one dataset at most; beyond, closed ones go first, then the oldest.
const CASES_MAX: u32 = 100_000;
/// Alerts without a case of one dataset at most; beyond, the oldest go.
const LOOSE_MAX: u32 = 100_000;
/// Assets of one dataset at most; beyond, those not seen for longest go.
const ASSETS_MAX: u32 = 200_000;
/// Who writes what comes of itself.
pub(crate) const VIGIE: &str = "vigie";

/// Who spoke with whom, of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Who asked.
    pub client: Ip,
    /// Who was asked.
    pub server: Ip,
    /// When first.
    pub first: Time,
}

/// What one run found so far. Things that did not change since the last time may be left out, and may be told again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept<'k> {
    /// Cases.
    pub cases: &'k [Case],
    /// Alerts that belong to no case.
    pub loose: &'k [Alert],
    /// Devices.
    pub assets: &'k [Asset],
    /// Who spoke with whom, where it is told.
    pub pairs: &'k [Pair],
    /// The files that it read, where the run is over: known with what was found in them, or not at all.
    pub sources: &'k [Source],
}

/// What keeping changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Ids of cases that were not known.
    pub new_cases: Vec<String>,
    /// Ids of cases that new evidence reopened.
    pub reopened: Vec<String>,
    /// Ids of cases that closed by themselves: all that was wrong is right again.
    pub resolved: Vec<String>,
    /// Ids of cases that grew.
    pub grown: Vec<String>,
    /// Ids of cases that exclusions hide.
    pub excluded: Vec<String>,
    /// Ids of assets that were not known.
    pub new_assets: Vec<u64>,
    /// Assets of which something is known that was not.
    pub changed_assets: u64,
    /// Assets that turned out to be another one, as (old id, new id).
    pub absorbed: Vec<(u64, u64)>,
    /// Things seen for the first time on a network that is known (see [`Catalog::news`]).
    pub news: u64,
    /// Cases, alerts and assets that went since there are as many as are kept: closed cases first, then what was not seen for longest.
    pub forgotten: u64,
}

impl Catalog {
    /// Keeps what one run found, joined with what is known. Keeping the same again changes nothing. Errors: as [`Catalog::add_source`], and
    /// then nothing is kept.
    pub fn keep(&self, dataset: &str, kept: &Kept<'_>, now: Time) -> Result<Changes, Error> {
        self.write(|db| {
            let ds = dataset_id(db, dataset)?;
            let mut changes = Changes::default();
            // Assets first: exclusions ask for them.
            keep_assets(db, ds, kept, &mut changes)?;
            let mut active = list(db, false)?;
            active.retain(|x| x.is_active(now));
            let to = To { db, ds, dataset, active: &active, now };
            for c in kept.cases {
                to.case(c, &mut changes)?;
            }
            for (i, a) in kept.loose.iter().enumerate() {
                to.alert(a, None, i)?;
            }
            for source in kept.sources {
                add_source(db, ds, source, now)?;
            }
            changes.forgotten = forget(db, ds, [CASES_MAX, LOOSE_MAX, ASSETS_MAX])?;
            Ok(changes)
        })
    }

    /// Forgets what was last seen before a moment (event time): closed cases, alerts without a case, assets with what was new of them.
    /// How many. Open cases stay.
    pub fn forget(&self, dataset: &str, before: Time) -> Result<u64, Error> {
        self.write(|db| {
            let (ds, before) = (dataset_id(db, dataset)?, ns(before));
            let mut n = db.execute("DELETE FROM cases WHERE ds = ?1 AND last < ?2 AND state = 3", params![ds, before])?;
            n += db.execute("DELETE FROM alert WHERE ds = ?1 AND last < ?2 AND case_id IS NULL", params![ds, before])?;
            n += db.execute("DELETE FROM asset WHERE ds = ?1 AND last < ?2", params![ds, before])?;
            without_case(db, ds)?;
            Ok(n as u64)
        })
    }
}

/// Brings the tables of a dataset back to their caps.
pub(crate) fn forget(db: &Connection, ds: i64, [cases, loose, assets]: [u32; 3]) -> Result<u64, Error> {
    let mut gone = 0;
    for (from, order, max) in [
        ("cases WHERE ds = ?1", "state = 3 DESC, last, id", cases),
        ("alert WHERE ds = ?1 AND case_id IS NULL", "last, id", loose),
        ("asset WHERE ds = ?1", "last, id", assets),
    ] {
        let n: u32 = db.prepare_cached(&format!("SELECT count(*) FROM {from}"))?.query_row([ds], |r| r.get(0))?;
        if n > max {
            let table = from.split(' ').next().unwrap_or(from);
            let sql = format!("DELETE FROM {table} WHERE ds = ?1 AND id IN (SELECT id FROM {from} ORDER BY {order} LIMIT ?2)");
            gone += db.execute(&sql, params![ds, n - max])?;
        }
    }
    if gone > 0 {
        without_case(db, ds)?;
    }
    Ok(gone as u64)
}

/// The alerts of cases that are gone go, too.
fn without_case(db: &Connection, ds: i64) -> Result<(), Error> {
    let sql = "DELETE FROM alert WHERE ds = ?1 AND case_id IS NOT NULL AND case_id NOT IN (SELECT id FROM cases WHERE ds = ?1)";
    db.execute(sql, [ds])?;
    Ok(())
}

/// Where cases go.
struct To<'t> {
    db: &'t Connection,
    ds: i64,
    dataset: &'t str,
    active: &'t [Exclusion],
    now: Time,
}

/// What became of an alert.
#[derive(PartialEq)]
enum Became {
    Same,
    /// Told otherwise, or ended: no new evidence.
    Told,
    /// New evidence; whether no exclusion covers it.
    Grown {
        open: bool,
    },
}

impl To<'_> {
    fn case(&self, c: &Case, changes: &mut Changes) -> Result<(), Error> {
        let (db, ds, now) = (self.db, self.ds, self.now);
        let known = db.prepare_cached("SELECT 1 FROM cases WHERE ds = ?1 AND id = ?2")?.exists(params![ds, c.id])?;
        if !known {
            let sql = "INSERT INTO cases(ds, id, story, more, first, last, score, severity, alerts, search, opened, changed)
                       VALUES (?1, ?2, ?3, 0, ?4, ?5, 0, 0, 0, '', ?6, ?6)";
            db.prepare_cached(sql)?.execute(params![ds, c.id, c.story.name(), ns(c.first), ns(c.last), ns(now)])?;
        }
        let (mut told, mut grown, mut reopens) = (false, false, None);
        for (i, a) in c.alerts.iter().enumerate() {
            match self.alert(a, Some(&c.id), i)? {
                Became::Same => {}
                Became::Told => told = true,
                Became::Grown { open } => {
                    grown = true;
                    if open && reopens.is_none() {
                        reopens = Some(a.id.as_str());
                    }
                }
            }
        }
        let more = db.prepare_cached("UPDATE cases SET more = ?3 WHERE ds = ?1 AND id = ?2 AND more < ?3")?;
        grown |= { more }.execute(params![ds, c.id, int(c.more)])? > 0;
        if known && !grown && !told {
            return Ok(());
        }
        let is = one(db, ds, &c.id)?;
        // What is kept is the union; where it cannot be read by this version, what came is all that can be told.
        let mut whole = is.case.unwrap_or_else(|_| c.clone());
        (whole.first, whole.last) = (c.first.min(is.first), c.last.max(is.last));
        let score = whole.score();
        let alerts = whole.alerts.len() as u64 + whole.more;
        let sql = "UPDATE cases SET first = ?3, last = ?4, score = ?5, severity = ?6, alerts = ?7, search = ?8 WHERE ds = ?1 AND id = ?2";
        db.prepare_cached(sql)?.execute(params![
            ds,
            c.id,
            ns(whole.first),
            ns(whole.last),
            score,
            Severity::of(score) as i64,
            int(alerts),
            search(&whole)
        ])?;
        db.prepare_cached("DELETE FROM case_entity WHERE ds = ?1 AND case_id = ?2")?.execute(params![ds, c.id])?;
        for e in whole.entities() {
            let (ip, mac) = (e.ip.map(|i| i.0.to_vec()), e.mac.map(|m| m.to_string()));
            db.prepare_cached("INSERT INTO case_entity(ds, case_id, ip, mac) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![ds, c.id, ip, mac])?;
        }
        hide(db, Some((ds, &c.id)))?;
        if !known {
            note(db, ds, &c.id, "opened", "", VIGIE, now)?;
            let hidden = one(db, ds, &c.id)?.excluded_by;
            if let Some(exclusion) = hidden {
                note(db, ds, &c.id, "exclusion", &exclusion.to_string(), VIGIE, now)?;
            }
            if hidden.is_some() { &mut changes.excluded } else { &mut changes.new_cases }.push(c.id.clone());
            return Ok(());
        }
        if grown {
            changes.grown.push(c.id.clone());
        }
        if let (State::Closed, Some(alert)) = (is.state, reopen(is.verdict, grown, reopens)) {
            let sql = "UPDATE cases SET state = 0, verdict = NULL, version = version + 1, changed = ?3 WHERE ds = ?1 AND id = ?2";
            db.prepare_cached(sql)?.execute(params![ds, c.id, ns(now)])?;
            note(db, ds, &c.id, "reopened", alert, VIGIE, now)?;
            changes.reopened.push(c.id.clone());
        }
        if whole.is_mended() && is.state != State::Closed {
            let sql = "UPDATE cases SET state = ?3, verdict = ?4, version = version + 1, changed = ?5 WHERE ds = ?1 AND id = ?2";
            db.prepare_cached(sql)?.execute(params![ds, c.id, State::Closed as i64, Verdict::Resolved.name(), ns(now)])?;
            note(db, ds, &c.id, "state", State::Closed.name(), VIGIE, now)?;
            note(db, ds, &c.id, "verdict", Verdict::Resolved.name(), VIGIE, now)?;
            changes.resolved.push(c.id.clone());
        }
        Ok(())
    }

    /// Keeps an alert as it stands, of two states of it the later one.
    fn alert(&self, a: &Alert, case: Option<&str>, place: usize) -> Result<Became, Error> {
        let (db, ds, f) = (self.db, self.ds, &a.finding);
        let old = old_alert(db, ds, &a.id)?;
        let data = a.to_json().to_string();
        let case = case.map(str::to_owned).or_else(|| old.as_ref().and_then(|o| o.case.clone()));
        let joins = old.as_ref().is_none_or(|o| o.case != case);
        if let Some(o) = &old
            && !joins
            && ((o.last, o.count) > (f.last, f.count) || o.data == data)
        {
            return Ok(Became::Same);
        }
        if old.is_none() && self.is_full(case.as_deref())? {
            return Ok(Became::Same);
        }
        let by = covering(db, self.active, ds, self.dataset, f);
        let sql = "INSERT INTO alert(ds, id, case_id, place, detector, first, last, count, opens_case, excluded_by, data)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                   ON CONFLICT (ds, id) DO UPDATE SET case_id = ?3, place = ?4, first = min(first, ?6), last = max(last, ?7), count = ?8,
                   opens_case = ?9, excluded_by = ?10, data = ?11";
        db.prepare_cached(sql)?.execute(params![
            ds,
            a.id,
            case,
            place as i64,
            f.detector,
            ns(f.first),
            ns(f.last),
            int(f.count),
            f.opens_case,
            by,
            data
        ])?;
        // A finding that only closes says nothing new, and one that is mended never does.
        let more = joins || f.phase != Phase::Mended && old.is_none_or(|o| (f.count, f.last) > (o.count, o.last));
        Ok(if more { Became::Grown { open: by.is_none() } } else { Became::Told })
    }

    fn is_full(&self, case: Option<&str>) -> Result<bool, Error> {
        let Some(case) = case else { return Ok(false) };
        let sql = "SELECT count(*) FROM alert WHERE ds = ?1 AND case_id = ?2";
        let n: usize = self.db.prepare_cached(sql)?.query_row(params![self.ds, case], |r| r.get(0))?;
        Ok(n >= ALERTS_MAX)
    }
}

/// The alert for which a closed case opens again: benign and test cases stay closed where an exclusion covers all that is new.
fn reopen(verdict: Option<Verdict>, grown: bool, open: Option<&str>) -> Option<&str> {
    let stays = matches!(verdict, Some(Verdict::Benign | Verdict::Test));
    open.or((grown && !stays).then_some(""))
}

/// What a person may type to find a case: lower case.
fn search(c: &Case) -> String {
    let mut words: BTreeSet<String> = BTreeSet::from([c.id.clone(), c.story.name().to_owned()]);
    for lang in Lang::ALL {
        words.insert(TellCase::of(c, lang).title);
    }
    words.extend(c.detectors().into_iter().map(str::to_owned));
    for e in c.entities() {
        words.extend(
            [e.ip.map(|v| v.to_string()), e.net.map(|v| v.to_string()), e.mac.map(|v| v.to_string()), e.name].into_iter().flatten(),
        );
    }
    cut(words.into_iter().collect::<Vec<_>>().join(" ").to_lowercase())
}

/// Cuts a search text.
pub(crate) fn cut(mut text: String) -> String {
    let mut end = text.len().min(SEARCH_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
