//! Exclusions: what is normal here, said by someone, for a reason, until a day.
//!
//! An exclusion hides only what it covers wholly: `asset`, `net`, `role` are asked of the machine that a finding is about (its first
//! entity), `peer` of every other machine in it.

use crate::db::{Catalog, Error, dataset_id, ns, refused, time};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, params};
use serde_json::{Value as Json, json};
use vigie_base::{Cidr, Sentence, Time};
use vigie_case::Alert;
use vigie_detect::registry::{DETECTORS, info};
use vigie_detect::{Entity, Finding, Value};

/// Exclusions at most, removed ones left out.
const EXCLUSIONS_MAX: u64 = 2000;
/// Alerts that a preview looks at, the latest first.
const PREVIEW_MAX: u32 = 50_000;
/// Rows that a preview shows of cases.
const SHOWN_MAX: usize = 100;

/// What an exclusion covers: everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// In this dataset only.
    pub dataset: Option<String>,
    /// The machine, by its id.
    pub asset: Option<u64>,
    /// The machine's address, or a network of it.
    pub net: Option<Cidr>,
    /// What the machine does for others, as the inventory says (`dns`, `router`).
    pub role: Option<String>,
    /// The other machines: an address or a network.
    pub peer: Option<Cidr>,
    /// The port.
    pub port: Option<u16>,
    /// `tcp`, `udp` or `sctp`.
    pub proto: Option<String>,
    /// What was found, by the names of detectors: any of these; empty: whatever it is.
    pub detectors: Vec<String>,
    /// Not what ended before this moment (event time).
    pub from: Option<Time>,
    /// Not what began after this moment (event time).
    pub until: Option<Time>,
}

/// What an exclusion must know of machines.
pub trait Machines {
    /// Whether a machine was, at a time, the asset with this id (or that had this id before).
    fn is_asset(&self, entity: &Entity, at: Time, asset: u64) -> bool;
    /// Whether a machine does this for others.
    fn has_role(&self, entity: &Entity, at: Time, role: &str) -> bool;
}

impl Scope {
    /// As data; what is not given is left out.
    pub fn to_json(&self) -> Json {
        let detector = match self.detectors.as_slice() {
            [] => Json::Null,
            [one] => json!(one),
            more => json!(more),
        };
        let all = json!({
            "dataset": self.dataset,
            "asset": self.asset.map(|a| format!("{a:014x}")),
            "net": self.net.map(|n| n.to_string()),
            "role": self.role,
            "peer": self.peer.map(|n| n.to_string()),
            "port": self.port,
            "proto": self.proto,
            "detector": detector,
            "from": self.from.map(|t| t.0),
            "until": self.until.map(|t| t.0),
        });
        match all {
            Json::Object(o) => Json::Object(o.into_iter().filter(|(_, v)| !v.is_null()).collect()),
            other => other,
        }
    }

    /// From data. Errors name the key.
    pub fn from_json(v: &Json) -> Result<Scope, String> {
        const KEYS: [&str; 10] = ["dataset", "asset", "net", "role", "peer", "port", "proto", "detector", "from", "until"];
        let o = v.as_object().ok_or("a scope is an object")?;
        if let Some(k) = o.keys().find(|k| !KEYS.contains(&k.as_str())) {
            return Err(format!("a scope has no \"{}\": take {}", crate::db::shown(k), KEYS.join(", ")));
        }
        let bad = |key: &str, want: &str| format!("\"{key}\" is {want}");
        let text = |key: &str| match &v[key] {
            Json::Null => Ok(None),
            Json::String(s) if !s.is_empty() && s.len() <= 200 => Ok(Some(s.clone())),
            _ => Err(bad(key, "a text")),
        };
        let net = |key: &str| text(key)?.map(|t| t.parse::<Cidr>()).transpose();
        let number = |key: &str| match &v[key] {
            Json::Null => Ok(None),
            n => n.as_u64().map(Some).ok_or_else(|| bad(key, "a number")),
        };
        let asset = text("asset")?.map(|t| u64::from_str_radix(&t, 16).map_err(|_| bad("asset", "an asset's id in hexadecimal digits")));
        let proto = text("proto")?;
        if proto.as_ref().is_some_and(|p| !matches!(p.as_str(), "tcp" | "udp" | "sctp")) {
            return Err(bad("proto", "tcp, udp or sctp"));
        }
        let detectors = match &v["detector"] {
            Json::Array(all) if (1..=DETECTORS.len()).contains(&all.len()) => all.clone(),
            Json::Array(_) => return Err(bad("detector", "a detector's name, or a list of them")),
            Json::Null => Vec::new(),
            one => vec![one.clone()],
        };
        let detectors: Vec<String> = detectors
            .iter()
            .map(|d| d.as_str().map(str::to_owned).ok_or_else(|| bad("detector", "a detector's name, or a list of them")))
            .collect::<Result<_, _>>()?;
        if let Some(d) = detectors.iter().find(|d| info(d).is_none()) {
            return Err(format!("there is no detector \"{}\"", crate::db::shown(d)));
        }
        Ok(Scope {
            dataset: text("dataset")?,
            asset: asset.transpose()?,
            net: net("net")?,
            role: text("role")?,
            peer: net("peer")?,
            port: number("port")?.map(|p| u16::try_from(p).map_err(|_| bad("port", "a number from 0 to 65535"))).transpose()?,
            proto,
            detectors,
            from: number("from")?.map(Time),
            until: number("until")?.map(Time),
        })
    }

    /// Whether it covers the whole of a finding of a dataset.
    pub fn covers(&self, dataset: &str, f: &Finding, machines: &impl Machines) -> bool {
        let is_found = self.detectors.is_empty() || self.detectors.iter().any(|d| d == f.detector);
        if self.dataset.as_ref().is_some_and(|d| d != dataset) || !is_found {
            return false;
        }
        if self.from.is_some_and(|t| f.first < t) || self.until.is_some_and(|t| f.last > t) {
            return false;
        }
        if self.port.is_some_and(|p| f.param("port") != Some(&Value::Port(p))) {
            return false;
        }
        let proto = match f.env.proto {
            6 => "tcp",
            17 => "udp",
            132 => "sctp",
            _ => "",
        };
        if self.proto.as_ref().is_some_and(|p| p != proto) {
            return false;
        }
        let inside = |e: &Entity, net: Cidr| match (e.ip, e.net) {
            (Some(ip), _) => net.contains(ip),
            (None, Some(n)) => net.contains(n.first()) && net.contains(n.last()),
            (None, None) => false,
        };
        let Some(actor) = f.entities.first() else {
            return self.asset.is_none() && self.net.is_none() && self.role.is_none() && self.peer.is_none();
        };
        if self.net.is_some_and(|net| !inside(actor, net)) {
            return false;
        }
        if self.asset.is_some_and(|a| !machines.is_asset(actor, f.last, a))
            || self.role.as_ref().is_some_and(|r| !machines.has_role(actor, f.last, r))
        {
            return false;
        }
        let Some(peer) = self.peer else { return true };
        let mut others = f.entities.iter().skip(1).filter(|e| !e.same_machine(actor)).peekable();
        others.peek().is_some() && others.all(|e| inside(e, peer))
    }

    /// Nothing given but where and when: it would hide everything.
    fn is_all(&self) -> bool {
        self.asset.is_none() && self.net.is_none() && self.role.is_none() && self.peer.is_none() && self.detectors.is_empty()
    }
}

/// An exclusion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// Its number.
    pub id: i64,
    /// What it covers.
    pub scope: Scope,
    /// Who says so.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// When it was made.
    pub created: Time,
    /// When it ends; none: never.
    pub expires: Option<Time>,
    /// When it was removed; a removed one hides nothing and is kept for what it hid.
    pub removed: Option<Time>,
    /// Alerts that it hid.
    pub hits: u64,
    /// When the last of them was seen (event time).
    pub last_hit: Option<Time>,
}

impl Exclusion {
    /// Whether it counts at `now`.
    pub fn is_active(&self, now: Time) -> bool {
        self.removed.is_none() && self.expires.is_none_or(|t| now < t)
    }

    /// Whether it covers a finding.
    pub fn matches(&self, dataset: &str, f: &Finding, machines: &impl Machines) -> bool {
        self.scope.covers(dataset, f, machines)
    }
}

/// What an exclusion would have hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Alerts.
    pub alerts: u64,
    /// Cases of which nothing would be left, as (dataset, id), the latest first, at most 100.
    pub cases: Vec<(String, String)>,
    /// How many such cases.
    pub cases_total: u64,
    /// Alerts that were looked at.
    pub looked_at: u64,
    /// Whether there are more, older ones, that were not.
    pub more: bool,
}

/// Machines as the catalog knows them, in one dataset.
pub(crate) struct InCatalog<'d> {
    pub(crate) db: &'d Connection,
    pub(crate) ds: i64,
}

impl InCatalog<'_> {
    fn asset(&self, e: &Entity, at: Time) -> Option<u64> {
        crate::assets::asset_at(self.db, self.ds, e.mac, e.ip, at).ok().flatten()
    }
}

impl Machines for InCatalog<'_> {
    fn is_asset(&self, entity: &Entity, at: Time, asset: u64) -> bool {
        let asset = crate::assets::resolve(self.db, self.ds, asset).unwrap_or(asset);
        self.asset(entity, at) == Some(asset)
    }

    fn has_role(&self, entity: &Entity, at: Time, role: &str) -> bool {
        let Some(asset) = self.asset(entity, at) else { return false };
        let sql = "SELECT 1 FROM asset_role WHERE ds = ?1 AND asset = ?2 AND role = ?3";
        self.db.prepare_cached(sql).and_then(|mut s| s.exists(params![self.ds, asset as i64, role])).unwrap_or(false)
    }
}

impl Catalog {
    /// The exclusions, the newest first; removed ones too if `removed`.
    pub fn exclusions(&self, removed: bool) -> Result<Vec<Exclusion>, Error> {
        list(&self.read(), removed)
    }

    /// One by number.
    pub fn exclusion(&self, id: i64) -> Result<Option<Exclusion>, Error> {
        Ok(list(&self.read(), true)?.into_iter().find(|x| x.id == id))
    }

    /// Adds an exclusion. What it covers of the past is hidden from now on, too. Errors: a scope that covers everything, no reason, too many.
    pub fn add_exclusion(&self, scope: &Scope, owner: &str, reason: &str, expires: Option<Time>, now: Time) -> Result<Exclusion, Error> {
        if scope.is_all() {
            return refused(Sentence::new(
                "exclusion_scope",
                "an exclusion names at least a machine, a network, a role, a peer or a detector",
            ));
        }
        if reason.trim().is_empty() || reason.len() > 2000 {
            return refused(Sentence::new("exclusion_reason", "an exclusion has a reason, of at most {max} bytes").with("max", 2000));
        }
        if expires.is_some_and(|t| t <= now) {
            return refused(Sentence::new("exclusion_over", "the exclusion would have ended already: give a later day, or none"));
        }
        self.write(|db| {
            if let Some(d) = &scope.dataset {
                dataset_id(db, d)?;
            }
            if db.query_row("SELECT count(*) FROM exclusion WHERE removed IS NULL", [], |r| r.get::<_, u64>(0))? >= EXCLUSIONS_MAX {
                return refused(
                    Sentence::new("exclusions_full", "there are {max} exclusions, as many as are kept: remove one first")
                        .with("max", EXCLUSIONS_MAX),
                );
            }
            db.execute(
                "INSERT INTO exclusion(scope, owner, reason, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![scope.to_json().to_string(), owner, reason, ns(now), expires.map(ns)],
            )?;
            let id = db.last_insert_rowid();
            for alert in past(db, scope, Time(0))?.0 {
                let ds = alert.ds;
                if alert.excluded.is_none() && scope.covers(&alert.dataset, &alert.alert.finding, &InCatalog { db, ds }) {
                    let sql = "UPDATE alert SET excluded_by = ?3 WHERE ds = ?1 AND id = ?2";
                    db.prepare_cached(sql)?.execute(params![ds, alert.alert.id, id])?;
                }
            }
            crate::cases::hide(db, None)?;
            note_in_cases(db, id, "exclusion", owner, now)?;
            list(db, true)?.into_iter().find(|x| x.id == id).ok_or_else(|| Error::Missing("the exclusion is gone".into()))
        })
    }

    /// Removes an exclusion: it hides nothing any more, what it hid shows again.
    pub fn remove_exclusion(&self, id: i64, who: &str, now: Time) -> Result<Exclusion, Error> {
        self.write(|db| {
            let n = db.execute("UPDATE exclusion SET removed = ?2 WHERE id = ?1 AND removed IS NULL", params![id, ns(now)])?;
            if n == 0 {
                return Err(Error::Missing(format!("there is no exclusion {id}")));
            }
            let gone = list(db, true)?.into_iter().find(|x| x.id == id);
            if let Some(x) = &gone {
                db.execute("UPDATE exclusion SET hits = ?2, last_hit = ?3 WHERE id = ?1", params![id, x.hits as i64, x.last_hit.map(ns)])?;
            }
            note_in_cases(db, id, "exclusion_removed", who, now)?;
            db.execute("UPDATE alert SET excluded_by = NULL WHERE excluded_by = ?1", [id])?;
            crate::cases::hide(db, None)?;
            gone.ok_or_else(|| Error::Missing(format!("there is no exclusion {id}")))
        })
    }

    /// What `scope` would have hidden of the alerts last seen since `since` (event time), beside what is hidden already.
    pub fn preview_exclusion(&self, scope: &Scope, since: Time) -> Result<Preview, Error> {
        let db = self.read();
        let (all, more) = past(&db, scope, since)?;
        let mut out = Preview { looked_at: all.len() as u64, more, ..Preview::default() };
        let mut hidden: Vec<(i64, String, String)> = Vec::new();
        for a in all {
            let (ds, dataset) = (a.ds, a.dataset);
            if a.excluded.is_none() && scope.covers(&dataset, &a.alert.finding, &InCatalog { db: &db, ds }) {
                out.alerts += 1;
                if let Some(case) = a.case.filter(|c| !hidden.iter().any(|h| h.0 == ds && h.2 == *c)) {
                    hidden.push((ds, dataset, case));
                }
            }
        }
        for (ds, dataset, case) in hidden {
            let sql = "SELECT data, excluded_by FROM alert WHERE ds = ?1 AND case_id = ?2 AND opens_case";
            let mut s = db.prepare_cached(sql)?;
            let mut rows = s.query(params![ds, case])?;
            let mut left = false;
            while let Some(r) = rows.next()? {
                let covered =
                    read_alert(&r.get::<_, String>(0)?).is_some_and(|a| scope.covers(&dataset, &a.finding, &InCatalog { db: &db, ds }));
                left |= !covered && r.get::<_, Option<i64>>(1)?.is_none();
            }
            if !left {
                out.cases_total += 1;
                if out.cases.len() < SHOWN_MAX {
                    out.cases.push((dataset, case));
                }
            }
        }
        Ok(out)
    }
}

/// The trail of each case of which an exclusion hides something says so; its text is the exclusion's number.
fn note_in_cases(db: &Connection, id: i64, kind: &str, who: &str, now: Time) -> Result<(), Error> {
    let sql = "INSERT INTO trail(ds, case_id, at, who, kind, text)
               SELECT DISTINCT ds, case_id, ?2, ?3, ?4, ?1 FROM alert WHERE excluded_by = ?1 AND case_id IS NOT NULL ORDER BY 1, 2";
    db.execute(sql, params![id, ns(now), who, kind])?;
    Ok(())
}

/// An alert of the past.
struct Past {
    ds: i64,
    dataset: String,
    alert: Alert,
    case: Option<String>,
    excluded: Option<i64>,
}

/// Alerts that a scope may cover, the latest first; whether there are more.
fn past(db: &Connection, scope: &Scope, since: Time) -> Result<(Vec<Past>, bool), Error> {
    let mut w = crate::db::Where::default();
    w.and("a.last >= ?", [Sql::Integer(ns(since))]);
    w.one_of("a.detector", scope.detectors.iter().map(|d| Sql::Text(d.clone())));
    if let Some(d) = &scope.dataset {
        w.and("d.name = ?", [Sql::Text(d.clone())]);
    }
    let sql = format!(
        "SELECT a.ds, d.name, a.data, a.case_id, a.excluded_by FROM alert a JOIN dataset d ON d.id = a.ds
         WHERE {} ORDER BY a.last DESC LIMIT {PREVIEW_MAX} + 1",
        w.sql()
    );
    let mut s = db.prepare_cached(&sql)?;
    let mut rows = s.query(rusqlite::params_from_iter(w.args()))?;
    let (mut out, mut count) = (Vec::new(), 0);
    while let Some(r) = rows.next()? {
        count += 1;
        // What cannot be read any more is hidden by nothing.
        if let Some(alert) = read_alert(&r.get::<_, String>(2)?)
            && count <= PREVIEW_MAX
        {
            out.push(Past { ds: r.get(0)?, dataset: r.get(1)?, alert, case: r.get(3)?, excluded: r.get(4)? });
        }
    }
    Ok((out, count > PREVIEW_MAX))
}

pub(crate) fn read_alert(data: &str) -> Option<Alert> {
    Alert::from_json(&serde_json::from_str(data).ok()?).ok()
}

pub(crate) fn list(db: &Connection, removed: bool) -> Result<Vec<Exclusion>, Error> {
    let sql = "SELECT x.id, x.scope, x.owner, x.reason, x.created, x.expires, x.removed,
               x.hits + (SELECT count(*) FROM alert a WHERE a.excluded_by = x.id),
               coalesce((SELECT max(last) FROM alert a WHERE a.excluded_by = x.id), x.last_hit)
               FROM exclusion x WHERE ?1 OR x.removed IS NULL ORDER BY x.id DESC LIMIT 10000";
    let mut s = db.prepare_cached(sql)?;
    let all = s.query_map([removed], read)?.collect::<Result<Vec<_>, _>>()?;
    // One whose scope cannot be read hides nothing; it must not hide everything.
    Ok(all.into_iter().flatten().collect())
}

fn read(r: &Row<'_>) -> rusqlite::Result<Option<Exclusion>> {
    let scope = serde_json::from_str(&r.get::<_, String>(1)?).ok().and_then(|v| Scope::from_json(&v).ok());
    let Some(scope) = scope else { return Ok(None) };
    Ok(Some(Exclusion {
        id: r.get(0)?,
        scope,
        owner: r.get(2)?,
        reason: r.get(3)?,
        created: time(r.get(4)?),
        expires: r.get::<_, Option<i64>>(5)?.map(time),
        removed: r.get::<_, Option<i64>>(6)?.map(time),
        hits: r.get(7)?,
        last_hit: r.get::<_, Option<i64>>(8)?.map(time),
    }))
}

/// The active exclusion that covers a finding, if any: the oldest.
pub(crate) fn covering(db: &Connection, active: &[Exclusion], ds: i64, dataset: &str, f: &Finding) -> Option<i64> {
    active.iter().rev().find(|x| x.matches(dataset, f, &InCatalog { db, ds })).map(|x| x.id)
}
