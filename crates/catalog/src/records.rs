//! The audit trail, settings, saved views.

use crate::db::{Catalog, Error, Page, Sort, Where, ns, refused, time};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value as Json;
use vigie_base::{Sentence, Time};

/// Bytes of a setting or of an audit row's detail at most.
const VALUE_MAX: usize = 1 << 20;
/// Characters of what an audit row is about.
const OBJECT_MAX: usize = 4000;
/// Settings at most.
const SETTINGS_MAX: u64 = 1000;
/// Saved views of one user at most.
const VIEWS_MAX: u64 = 200;

/// A row of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Its number: later rows have greater ones.
    pub id: i64,
    /// When.
    pub at: Time,
    /// The user; `vigie` for what the program does itself.
    pub who: String,
    /// What was done, as `case.close`, `read`.
    pub action: String,
    /// To what.
    pub object: String,
    /// More.
    pub detail: Json,
}

/// Which rows of the audit trail.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this user.
    pub who: Option<String>,
    /// This action, or all below it (`case` has `case.close`).
    pub action: Option<String>,
    /// About this object.
    pub object: Option<String>,
    /// Not before.
    pub from: Option<Time>,
    /// Before.
    pub until: Option<Time>,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// Rows at most; 0 for one.
    pub limit: u32,
}

/// A setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Json,
    /// Counts its changes, from 1.
    pub version: u64,
    /// Who changed it last.
    pub who: String,
    /// When.
    pub at: Time,
}

/// A saved view of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// The page.
    pub page: String,
    /// The page's query string.
    pub query: String,
    /// Who saved it.
    pub owner: String,
    /// Whether all see it.
    pub shared: bool,
}

impl Catalog {
    /// Appends a row to the audit trail.
    pub fn audit(&self, who: &str, action: &str, object: &str, detail: &Json, now: Time) -> Result<(), Error> {
        let mut detail = detail.to_string();
        if detail.len() > VALUE_MAX {
            detail = "\"too long to keep\"".to_owned();
        }
        let object: String = object.chars().take(OBJECT_MAX).collect();
        self.write(|db| {
            db.prepare_cached("INSERT INTO audit(at, who, action, object, detail) VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
                ns(now),
                who,
                action,
                object,
                detail
            ])?;
            Ok(())
        })
    }

    /// Notes that a person read personal data: what they asked for, and how many rows they got.
    pub fn audit_read(&self, who: &str, query: &str, rows: u64, now: Time) -> Result<(), Error> {
        self.audit(who, "read", query, &serde_json::json!({ "rows": rows }), now)
    }

    /// A page of the audit trail, the newest first.
    pub fn audit_trail(&self, f: &AuditFilter) -> Result<Page<AuditRow>, Error> {
        let mut w = Where::default();
        let text = |t: &Option<String>| t.clone().map(Value::Text);
        if let Some(v) = text(&f.who) {
            w.and("t.who = ?", [v]);
        }
        if let Some(v) = &f.action {
            w.and(
                "(t.action = ? OR substr(t.action, 1, ?) = ?)",
                [Value::Text(v.clone()), Value::Integer(v.chars().count() as i64 + 1), Value::Text(format!("{v}."))],
            );
        }
        if let Some(v) = text(&f.object) {
            w.and("t.object = ?", [v]);
        }
        if let Some(t) = f.from {
            w.and("t.at >= ?", [Value::Integer(ns(t))]);
        }
        if let Some(t) = f.until {
            w.and("t.at < ?", [Value::Integer(ns(t))]);
        }
        let db = self.read();
        let from = "(SELECT 0 AS ds, * FROM audit) t";
        let sort = Sort { key: "t.id", descending: true, cursor: f.cursor.as_deref(), limit: f.limit };
        let (rows, next) = w.page(&db, ("t.at, t.who, t.action, t.object, t.detail", from), &sort, |r| {
            Ok(AuditRow {
                id: r.get(2)?,
                at: time(r.get(3)?),
                who: r.get(4)?,
                action: r.get(5)?,
                object: r.get(6)?,
                detail: serde_json::from_str(&r.get::<_, String>(7)?).unwrap_or(Json::Null),
            })
        })?;
        Ok(Page { rows, next, total: w.total(&db, from)? })
    }

    /// Removes rows of the audit trail older than `before`; how many.
    pub fn forget_audit(&self, before: Time) -> Result<u64, Error> {
        self.write(|db| Ok(db.execute("DELETE FROM audit WHERE at < ?1", [ns(before)])? as u64))
    }

    /// A setting by name.
    pub fn setting(&self, key: &str) -> Result<Option<Setting>, Error> {
        let db = self.read();
        let mut s = db.prepare_cached("SELECT key, value, version, who, at FROM setting WHERE key = ?1")?;
        Ok(s.query_row([key], read_setting).optional()?)
    }

    /// All settings, by name.
    pub fn settings(&self) -> Result<Vec<Setting>, Error> {
        let db = self.read();
        let mut s = db.prepare_cached("SELECT key, value, version, who, at FROM setting ORDER BY key")?;
        let all = s.query_map([], read_setting)?.collect::<Result<_, _>>()?;
        Ok(all)
    }

    /// Sets a setting. With `expected` (0: not set so far), another version than that is a conflict ([`Error::Version`]).
    pub fn set_setting(&self, key: &str, value: &Json, expected: Option<u64>, who: &str, now: Time) -> Result<Setting, Error> {
        let text = value.to_string();
        if text.len() > VALUE_MAX || key.is_empty() || key.len() > 200 {
            return refused(format!("a setting has a name of 1 to 200 bytes and a value of at most {VALUE_MAX}"));
        }
        self.write(|db| {
            let version: u64 = db.query_row("SELECT ifnull(max(version), 0) FROM setting WHERE key = ?1", [key], |r| r.get(0))?;
            if expected.is_some_and(|e| e != version) {
                return Err(Error::Version(version));
            }
            if version == 0 && db.query_row("SELECT count(*) FROM setting", [], |r| r.get::<_, u64>(0))? >= SETTINGS_MAX {
                return refused(format!("there are {SETTINGS_MAX} settings, as many as are kept"));
            }
            db.execute(
                "INSERT OR REPLACE INTO setting(key, value, version, who, at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![key, text, version as i64 + 1, who, ns(now)],
            )?;
            Ok(Setting { key: key.to_owned(), value: value.clone(), version: version + 1, who: who.to_owned(), at: now })
        })
    }

    /// Takes a setting away, so that its default counts again.
    pub fn unset_setting(&self, key: &str) -> Result<(), Error> {
        self.write(|db| Ok(db.execute("DELETE FROM setting WHERE key = ?1", [key])?))?;
        Ok(())
    }

    /// The views that a user sees: theirs and the shared ones, by page and name.
    pub fn views(&self, user: &str) -> Result<Vec<View>, Error> {
        let db = self.read();
        let sql = "SELECT id, name, page, query, owner, shared FROM view WHERE shared OR owner = ?1 ORDER BY page, name, id LIMIT 10000";
        let mut s = db.prepare_cached(sql)?;
        let all = s.query_map([user], read_view)?.collect::<Result<_, _>>()?;
        Ok(all)
    }

    /// The views of all users, by owner, page and name.
    pub fn all_views(&self) -> Result<Vec<View>, Error> {
        let db = self.read();
        let mut s = db.prepare_cached("SELECT id, name, page, query, owner, shared FROM view ORDER BY owner, page, name, id")?;
        let all = s.query_map([], read_view)?.collect::<Result<_, _>>()?;
        Ok(all)
    }

    /// Saves a view.
    pub fn add_view(&self, name: &str, page: &str, query: &str, owner: &str, shared: bool, now: Time) -> Result<View, Error> {
        if name.trim().is_empty() || name.len() > 200 || page.len() > 100 || query.len() > 8192 {
            return refused(Sentence::new("view_size", "a view has a name (at most 200 bytes), a page and a query of at most 8,192 bytes"));
        }
        self.write(|db| {
            if db.query_row("SELECT count(*) FROM view WHERE owner = ?1", [owner], |r| r.get::<_, u64>(0))? >= VIEWS_MAX {
                return refused(
                    Sentence::new("views_full", "you have {max} views, as many as are kept: remove one first").with("max", VIEWS_MAX),
                );
            }
            db.execute(
                "INSERT INTO view(name, page, query, owner, shared, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![name, page, query, owner, shared, ns(now)],
            )?;
            let (name, page, query, owner) = (name.to_owned(), page.to_owned(), query.to_owned(), owner.to_owned());
            Ok(View { id: db.last_insert_rowid(), name, page, query, owner, shared })
        })
    }

    /// Removes a view of a user.
    pub fn remove_view(&self, id: i64, owner: &str) -> Result<(), Error> {
        let gone = self.write(|db| Ok(db.execute("DELETE FROM view WHERE id = ?1 AND owner = ?2", params![id, owner])?))?;
        if gone == 0 { Err(Error::Missing(format!("you have no view {id}"))) } else { Ok(()) }
    }
}

fn read_view(r: &Row<'_>) -> rusqlite::Result<View> {
    Ok(View { id: r.get(0)?, name: r.get(1)?, page: r.get(2)?, query: r.get(3)?, owner: r.get(4)?, shared: r.get(5)? })
}

fn read_setting(r: &Row<'_>) -> rusqlite::Result<Setting> {
    Ok(Setting {
        key: r.get(0)?,
        value: serde_json::from_str(&r.get::<_, String>(1)?).unwrap_or(Json::Null),
        version: r.get::<_, i64>(2)?.unsigned_abs(),
        who: r.get(3)?,
        at: time(r.get(4)?),
    })
}
