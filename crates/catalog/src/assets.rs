//! Assets: kept and joined, listed, found by id and by address in time; what is declared of them, and what is new.

use crate::db::{Catalog, Error, PAGE_MAX, Page, Sort, TOTAL_MAX, Where, dataset_id, ip_of, ns, refused, shown, time};
use crate::keep::{Changes, Kept, cut};
use crate::known::Known;
use crate::met::Met;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
use std::sync::LazyLock;
use std::thread::LocalKey;
use vigie_base::hash::Stable;
use vigie_base::time::SECOND;
use vigie_base::{Cidr, Ip, Mac, Sentence, Time};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// Values of one facet told.
const FACET_MAX: u32 = 100;
/// Peers of one asset of which it is kept when they were first met.
const PEERS_MAX: usize = 2000;
/// Case rows, shared addresses told of one asset.
const TOLD_MAX: usize = 100;
/// How long from when a network is first seen until what comes is new, unless the setting [`KNOWN_AFTER`] says otherwise.
const KNOWN_AFTER_HOURS: u64 = 24;
/// The setting that says after how many hours of event time a network is known.
pub const KNOWN_AFTER: &str = "baseline.known_after_hours";
/// An address and a case's time are of one device when no further apart.
const NEAR: u64 = 24 * 3600 * SECOND;

/// A row of the list of assets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetRow {
    /// Its dataset.
    pub dataset: String,
    /// Its id; below 2^53.
    pub id: u64,
    /// Its best name, else its Ethernet address, else an address.
    pub name: String,
    /// The address that it had last.
    pub ip: Option<Ip>,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
    /// Who made its network card.
    pub vendor: Option<String>,
    /// One of [`vigie_inventory::CLASSES`].
    pub class: String,
    /// Its operating system.
    pub os: Option<String>,
    /// What it does for others, in order.
    pub roles: Vec<String>,
    /// Most addresses that it spoke with in one run.
    pub peers: u64,
    /// Ports that answer.
    pub services: u64,
    /// First seen (event time).
    pub first: Time,
    /// Last seen (event time).
    pub last: Time,
    /// Its network: /24, or /64; empty where it has none.
    pub net: String,
    /// Whether it came to a network that was known.
    pub is_new: bool,
    /// Whether it was seen for as long as makes it known.
    pub is_learnt: bool,
    /// Open cases with it.
    pub open_cases: u64,
    /// What is declared of it.
    pub declared: Option<Declared>,
}

/// What tells a device in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its id.
    pub id: u64,
    /// Its best name, else its Ethernet address, else an address.
    pub name: String,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
}

/// An asset with all that is known of it.
#[derive(Clone, Debug)]
pub struct AssetView {
    /// As in the list.
    pub row: AssetRow,
    /// What is known; where it cannot be read by this version, why.
    pub known: Result<Known, String>,
    /// Ids under which it was known before.
    pub aliases: Vec<u64>,
    /// Addresses that other devices have at the same time: NAT, a router, a spoofer, or a mistake.
    pub shared: Vec<Shared>,
    /// Its cases, the latest first, as (id, state's number, score).
    pub cases: Vec<(String, usize, u32)>,
    /// Where what is declared and what is observed differ.
    pub differences: Vec<Difference>,
}

/// An address that several devices have at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The address.
    pub ip: Ip,
    /// The other device.
    pub with: u64,
    /// Its name.
    pub name: String,
    /// Since when both have it.
    pub first: Time,
    /// Until when.
    pub last: Time,
}

/// What a user says of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Name.
    pub name: String,
    /// Address.
    pub ip: Option<Ip>,
    /// Ethernet address.
    pub mac: Option<Mac>,
    /// One of [`vigie_inventory::CLASSES`]; empty: not said.
    pub class: String,
    /// Whose it is.
    pub owner: String,
    /// Where it stands.
    pub place: String,
    /// `low`, `medium`, `high`, `critical`; empty: not said.
    pub criticality: String,
}

/// A field of which a user and the network say different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `name`, `ip`, `mac` or `class`.
    pub field: &'static str,
    /// What the user says.
    pub declared: String,
    /// What was seen.
    pub observed: String,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Devices that were not declared before.
    pub added: u64,
    /// Devices of which something else is declared now.
    pub changed: u64,
    /// Devices as before.
    pub same: u64,
    /// Lines that were not taken, by number, with why; at most 100.
    pub errors: Vec<(usize, Sentence)>,
}

/// Differences between what is declared and what is seen, over a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Devices declared.
    pub declared: u64,
    /// Declared, never seen; at most 1,000.
    pub unseen: Vec<Declared>,
    /// Seen, not declared.
    pub undeclared: u64,
    /// Assets of which both say something different, at most 1,000.
    pub different: Vec<(u64, Vec<Difference>)>,
}

/// What a list of assets is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssetSort {
    /// Last seen.
    #[default]
    LastSeen,
    /// First seen.
    FirstSeen,
    /// Name.
    Name,
    /// Address.
    Ip,
    /// Class.
    Class,
    /// Vendor.
    Vendor,
    /// System.
    Os,
    /// How many it spoke with.
    Peers,
}

/// Which assets.
#[derive(Clone, Debug, Default)]
pub struct AssetFilter {
    /// Of this dataset.
    pub dataset: Option<String>,
    /// Every word stands in a name, an address, the vendor, the class or the system; a whole address is one that it had.
    pub text: Option<String>,
    /// Of one of these classes; empty: any.
    pub classes: Vec<String>,
    /// Of one of these vendors; an empty text: of none known.
    pub vendors: Vec<String>,
    /// With one of these systems; an empty text: with none known.
    pub os: Vec<String>,
    /// With one of these roles.
    pub roles: Vec<String>,
    /// With one of these protocols or ports offered (`telnet`, `tcp/23`).
    pub services: Vec<String>,
    /// With an address in this network at some time.
    pub net: Option<Cidr>,
    /// Last seen not before (event time).
    pub seen_since: Option<Time>,
    /// First seen not before, on a network that was known (event time).
    pub new_since: Option<Time>,
    /// First seen not before, whether its network was known or not (event time).
    pub first_since: Option<Time>,
    /// Order.
    pub sort: AssetSort,
    /// The greatest first.
    pub descending: bool,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// Rows at most; 0 for one.
    pub limit: u32,
}

/// How many assets have each value, the most frequent first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// By class.
    pub class: Vec<(String, u64)>,
    /// By vendor; empty: not known.
    pub vendor: Vec<(String, u64)>,
    /// By system; empty: not known.
    pub os: Vec<(String, u64)>,
    /// By role.
    pub role: Vec<(String, u64)>,
}

/// A kind of thing that can be new; the catalog keeps its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NewsKind {
    /// A device.
    Device,
    /// A port that answers.
    Service,
    /// Somebody that a device asks.
    Peer,
    /// A protocol that a device speaks.
    Protocol,
}

impl NewsKind {
    /// Every kind.
    pub const ALL: [NewsKind; 4] = [NewsKind::Device, NewsKind::Service, NewsKind::Peer, NewsKind::Protocol];

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            NewsKind::Device => "device",
            NewsKind::Service => "service",
            NewsKind::Peer => "peer",
            NewsKind::Protocol => "protocol",
        }
    }

    /// From its name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// Something that was seen for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Its dataset.
    pub dataset: String,
    /// What kind.
    pub kind: NewsKind,
    /// The asset that it is of.
    pub asset: u64,
    /// The asset's name.
    pub name: String,
    /// `tcp/443`, a peer's address, a protocol; empty for a device.
    pub key: String,
    /// When it was first seen (event time).
    pub first: Time,
    /// Whether its network was not yet known then, when everything is new.
    pub learning: bool,
}

/// Which news.
#[derive(Clone, Debug, Default)]
pub struct NewsFilter {
    /// Of this dataset.
    pub dataset: Option<String>,
    /// Of these kinds; empty: any.
    pub kinds: Vec<NewsKind>,
    /// Of this asset.
    pub asset: Option<u64>,
    /// Not before (event time).
    pub since: Option<Time>,
    /// Before (event time).
    pub until: Option<Time>,
    /// What came while its network was being learnt, too.
    pub while_learning: bool,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// Rows at most; 0 for one.
    pub limit: u32,
}

// Without statistics SQLite takes the first column of most indexes, the dataset, for a good choice: where it is not, `+ds` keeps it from
// that, and CROSS JOIN keeps the order of tables.
const ASSET: &str = "d.name, t.name, t.ip, t.mac, t.vendor, t.class, t.os, t.peers, t.services, t.first, t.last, t.net, n.first";
const FROM: &str = "asset t CROSS JOIN dataset d ON d.id = t.ds LEFT JOIN network n ON n.ds = t.ds AND n.net = t.net";
/// To count and to group by: without what the conditions do not ask for.
const COUNT: &str = "asset t LEFT JOIN network n ON n.ds = t.ds AND n.net = t.net";

impl Catalog {
    /// A page of assets, with how many there are in all.
    pub fn assets(&self, f: &AssetFilter) -> Result<Page<AssetRow>, Error> {
        let db = self.read();
        let learning = learning(&db)?;
        let w = f.conditions(&db, learning, None)?;
        let key = match f.sort {
            AssetSort::LastSeen => "t.last",
            AssetSort::FirstSeen => "t.first",
            AssetSort::Name => "t.name",
            AssetSort::Ip => "t.ip",
            AssetSort::Class => "t.class",
            AssetSort::Vendor => "t.vendor",
            AssetSort::Os => "t.os",
            AssetSort::Peers => "t.peers",
        };
        let sort = Sort { key, descending: f.descending, cursor: f.cursor.as_deref(), limit: f.limit };
        let (rows, next) = w.page(&db, (ASSET, FROM), &sort, |r| read_row(&db, r, learning))?;
        Ok(Page { rows, next, total: w.total(&db, COUNT)? })
    }

    /// How many assets have each class, vendor, system and role: of those that the filter's other conditions leave.
    pub fn asset_facets(&self, f: &AssetFilter) -> Result<Facets, Error> {
        let db = self.read();
        let learning = learning(&db)?;
        let count = |facet: Facet| -> Result<Vec<(String, u64)>, Error> {
            let w = f.conditions(&db, learning, Some(facet))?;
            let (column, from) = match facet {
                Facet::Class => ("t.class", COUNT.to_owned()),
                Facet::Vendor => ("t.vendor", COUNT.to_owned()),
                Facet::Os => ("t.os", COUNT.to_owned()),
                Facet::Role => ("r.role", format!("{COUNT} JOIN asset_role r ON r.ds = t.ds AND r.asset = t.id")),
            };
            let sql = format!("SELECT {column}, count(*) FROM {from} WHERE {} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {FACET_MAX}", w.sql());
            let mut s = db.prepare_cached(&sql)?;
            let rows = s.query_map(params_from_iter(w.args()), |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
            Ok(rows)
        };
        Ok(Facets { class: count(Facet::Class)?, vendor: count(Facet::Vendor)?, os: count(Facet::Os)?, role: count(Facet::Role)? })
    }

    /// One asset, by its id or one that it had before. Without a dataset, of all of them; an id that several have is refused with their
    /// names.
    pub fn asset(&self, id: u64, dataset: Option<&str>) -> Result<Option<AssetView>, Error> {
        let db = self.read();
        let only = dataset.map(|d| dataset_id(&db, d)).transpose()?;
        let sql = "SELECT ds, id FROM asset WHERE id = ?1 AND (?2 IS NULL OR ds = ?2)
                   UNION SELECT ds, asset FROM asset_alias WHERE old = ?1 AND (?2 IS NULL OR ds = ?2)";
        let mut s = db.prepare_cached(sql)?;
        let all: Vec<(i64, i64)> = s.query_map(params![id as i64, only], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
        match all.as_slice() {
            [] => Ok(None),
            [(ds, id)] => view(&db, *ds, *id).map(Some),
            more => {
                let mut name = db.prepare_cached("SELECT name FROM dataset WHERE id = ?1")?;
                let names = more.iter().map(|m| name.query_row([m.0], |r| r.get(0))).collect::<Result<Vec<String>, _>>()?;
                refused(format!("asset {id:014x} is in several datasets: name one of {}", names.join(", ")))
            }
        }
    }

    /// The device with an Ethernet address, or that had an address at a time (then, else nearest to it): what a case tells of it.
    pub fn machine(&self, dataset: &str, mac: Option<Mac>, ip: Option<Ip>, at: Time) -> Result<Option<Machine>, Error> {
        let db = self.read();
        let ds = dataset_id(&db, dataset)?;
        // An Ethernet address that is not known says more than an address that is: another device has it.
        let ip = if mac.is_some() { None } else { ip };
        let Some(id) = asset_at(&db, ds, mac, ip, at)? else { return Ok(None) };
        let mut s = db.prepare_cached("SELECT name, mac FROM asset WHERE ds = ?1 AND id = ?2")?;
        Ok(s.query_row(params![ds, id as i64], |r| Ok(Machine { id, name: r.get(0)?, mac: r.get::<_, String>(1)?.parse().ok() }))
            .optional()?)
    }

    /// The names of the devices that have an address at a time, for many at once: (address, asset, name); unknown ones are left out.
    pub fn names_of(&self, dataset: &str, ips: &[Ip], at: Time) -> Result<Vec<(Ip, u64, String)>, Error> {
        let db = self.read();
        let ds = dataset_id(&db, dataset)?;
        let mut name = db.prepare_cached("SELECT name FROM asset WHERE ds = ?1 AND id = ?2")?;
        let mut out = Vec::new();
        for ip in ips.iter().take(10_000) {
            if let Some(id) = asset_at(&db, ds, None, Some(*ip), at)? {
                out.push((*ip, id, name.query_row(params![ds, id as i64], |r| r.get(0))?));
            }
        }
        Ok(out)
    }

    /// What is new: what came to a network that was known ([`KNOWN_AFTER`]), the latest first. Of a device that is itself new only the
    /// device is told. Peers are known to the second.
    pub fn news(&self, f: &NewsFilter) -> Result<Page<News>, Error> {
        let db = self.read();
        let search = Search::of(&db, f)?;
        let mut total = 0;
        for kind in f.kinds() {
            total += search.count(&db, kind, TOTAL_MAX - total)?;
        }
        let (rows, next) = search.page(&db, f)?;
        Ok(Page { rows, next, total })
    }

    /// The latest of [`Catalog::news`], and not how many there are.
    pub fn latest_news(&self, f: &NewsFilter) -> Result<Vec<News>, Error> {
        let db = self.read();
        Ok(Search::of(&db, f)?.page(&db, f)?.0)
    }

    /// How many things of each kind are new, in the order of [`NewsKind::ALL`]; counting stops at [`NEWS_COUNTED`]. Kinds, cursor and limit
    /// of the filter do not count.
    pub fn news_counts(&self, f: &NewsFilter) -> Result<[u64; 4], Error> {
        let db = self.read();
        let search = Search::of(&db, f)?;
        let mut out = [0; 4];
        for (n, kind) in out.iter_mut().zip(NewsKind::ALL) {
            *n = search.count(&db, kind, NEWS_COUNTED)?;
        }
        Ok(out)
    }
}

/// A person who has so many new things to look at does not ask for the number.
pub const NEWS_COUNTED: u64 = 10_000;

/// Something new: when, dataset, asset, kind, key; listed in this order, the last first.
type New = (i64, i64, u64, NewsKind, String);

/// News are looked for in three places: devices among assets, peers in what assets have met, the rest in `novelty`.
struct Search {
    devices: Where,
    met: Where,
    novelty: Where,
    /// How long after its beginning a network is known.
    learning: i64,
    /// Whether what came before that is passed over.
    learnt_only: bool,
    since: i64,
    until: i64,
}

// Columns: dataset, asset, and from when on what is seen of it is new.
const LEARNT: &str = "max(ifnull(n.first, a.first), a.first) + ";
const NEW_DEVICES: &str = "asset a LEFT JOIN network n ON n.ds = a.ds AND n.net = a.net";
const NEW_MET: &str = "met m CROSS JOIN asset a ON a.ds = m.ds AND a.id = m.asset LEFT JOIN network n ON n.ds = a.ds AND n.net = a.net";
const NEW_NOVELTY: &str =
    "novelty t CROSS JOIN asset a ON a.ds = t.ds AND a.id = t.asset LEFT JOIN network n ON n.ds = a.ds AND n.net = a.net";

impl Search {
    fn of(db: &Connection, f: &NewsFilter) -> Result<Search, Error> {
        let learning = ns(Time(learning(db)?));
        let (since, until) = (f.since.map_or(0, ns), f.until.map_or(i64::MAX, ns));
        let ds = f.dataset.as_ref().map(|d| dataset_id(db, d)).transpose()?;
        let learnt_only = !f.while_learning;
        // Nothing is new before the oldest device was known: what was there at first, nearly all, is passed over by its time.
        let oldest: Option<i64> =
            db.prepare_cached("SELECT min(first) FROM asset WHERE ?1 IS NULL OR ds = ?1")?.query_row([ds], |r| r.get(0))?;
        let learnt = if learnt_only { since.max(oldest.unwrap_or(0).saturating_add(learning)) } else { since };
        let [mut devices, mut met, mut novelty] = [Where::default(), Where::default(), Where::default()];
        if learnt_only {
            devices.and(format!("a.first >= ifnull(n.first, a.first) + {learning}"), []);
            met.and(format!("m.last >= {LEARNT}{learning}"), []);
            novelty.and(format!("t.first >= {LEARNT}{learning}"), []);
        }
        for (w, first, of, id) in
            [(&mut devices, "a.first", "a", "id"), (&mut met, "", "m", "asset"), (&mut novelty, "t.first", "t", "asset")]
        {
            if let Some(ds) = ds {
                w.and(format!("{of}.ds = ?"), [Sql::Integer(ds)]);
            }
            if let Some(asset) = f.asset {
                w.and(format!("{of}.{id} = ?"), [Sql::Integer(asset as i64)]);
            }
            if first.is_empty() {
                w.and("m.last >= ?", [Sql::Integer(learnt)]);
            } else {
                w.and(format!("{first} >= ?"), [Sql::Integer(if of == "a" { since } else { learnt })]);
                w.and(format!("{first} < ?"), [Sql::Integer(until)]);
            }
        }
        Ok(Search { devices, met, novelty, learning, learnt_only, since, until })
    }

    /// Gives every new peer to `take`, of an asset all at once, until it says that it is enough.
    fn peers(&self, db: &Connection, mut take: impl FnMut(i64, u64, Vec<(Ip, i64)>) -> bool) -> Result<(), Error> {
        let learning = self.learning;
        let sql = format!("SELECT m.ds, m.asset, {LEARNT}{learning}, m.data FROM {NEW_MET} WHERE {}", self.met.sql());
        let mut s = db.prepare_cached(&sql)?;
        let mut rows = s.query(params_from_iter(self.met.args()))?;
        while let Some(r) = rows.next()? {
            let from = if self.learnt_only { r.get::<_, i64>(2)?.max(self.since) } else { self.since };
            let met = Met::of(r.get_ref(3)?.as_blob().unwrap_or_default());
            let new = met.each().map(|(ip, first)| (ip, ns(first))).filter(|(_, t)| *t >= from && *t < self.until);
            if !take(r.get(0)?, r.get(1)?, new.collect()) {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, db: &Connection, kind: NewsKind, max: u64) -> Result<u64, Error> {
        match kind {
            NewsKind::Device => self.devices.total_upto(db, NEW_DEVICES, max),
            NewsKind::Peer => {
                let mut n = 0;
                self.peers(db, |_, _, new| {
                    n += new.len() as u64;
                    n < max
                })?;
                Ok(n.min(max))
            }
            NewsKind::Service | NewsKind::Protocol => {
                let mut w = self.novelty.clone();
                w.and("t.kind = ?", [Sql::Integer(kind as i64)]);
                w.total_upto(db, NEW_NOVELTY, max)
            }
        }
    }

    fn page(&self, db: &Connection, f: &NewsFilter) -> Result<(Vec<News>, Option<String>), Error> {
        let limit = f.limit.clamp(1, PAGE_MAX) as usize;
        let after = f.cursor.as_deref().map(|c| place(c).ok_or_else(|| Error::Refused(NO_CURSOR.into()))).transpose()?;
        let before = after.as_ref().map_or(i64::MAX, |c| c.0);
        // The latest so far, one more than a page has.
        let mut best: BinaryHeap<Reverse<New>> = BinaryHeap::new();
        let mut offer = |new: New| {
            if after.as_ref().is_none_or(|a| new < *a) {
                best.push(Reverse(new));
                if best.len() > limit + 1 {
                    best.pop();
                }
            }
        };
        for kind in f.kinds() {
            match kind {
                NewsKind::Peer => self.peers(db, |ds, asset, new| {
                    for (ip, first) in new.into_iter().filter(|(_, t)| *t <= before) {
                        offer((first, ds, asset, kind, ip.to_string()));
                    }
                    true
                })?,
                _ => {
                    let (from, first, id, key, w) = match kind {
                        NewsKind::Device => (NEW_DEVICES, "a.first", "a.id", "''", &self.devices),
                        _ => (NEW_NOVELTY, "t.first", "t.asset", "t.key", &self.novelty),
                    };
                    let mut w = w.clone();
                    w.and(format!("{first} <= ?"), [Sql::Integer(before)]);
                    if kind != NewsKind::Device {
                        w.and("t.kind = ?", [Sql::Integer(kind as i64)]);
                    }
                    let sql = format!("SELECT {first}, a.ds, {id}, {key} FROM {from} WHERE {} ORDER BY 1 DESC", w.sql());
                    let mut s = db.prepare_cached(&sql)?;
                    let mut rows = s.query(params_from_iter(w.args()))?;
                    let (mut n, mut edge) = (0, i64::MAX);
                    while let Some(r) = rows.next()? {
                        let new: New = (r.get(0)?, r.get(1)?, r.get(2)?, kind, r.get(3)?);
                        // Those of one moment are told in the order of the rest.
                        if n > limit && new.0 < edge {
                            break;
                        }
                        n += usize::from(after.as_ref().is_none_or(|a| new < *a));
                        edge = new.0;
                        offer(new);
                    }
                }
            }
        }
        let mut best: Vec<New> = best.into_iter().map(|b| b.0).collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        let more = best.len() > limit;
        best.truncate(limit);
        let next = best.last().filter(|_| more).map(cursor);
        let mut told = db.prepare_cached(
            "SELECT d.name, a.name, ifnull(n.first, a.first), a.first FROM asset a JOIN dataset d ON d.id = a.ds
             LEFT JOIN network n ON n.ds = a.ds AND n.net = a.net WHERE a.ds = ?1 AND a.id = ?2",
        )?;
        let rows = best.into_iter().map(|(first, ds, asset, kind, key)| {
            let (dataset, name, network, seen): (_, _, i64, i64) =
                told.query_row(params![ds, asset as i64], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?;
            let known = if kind == NewsKind::Device { network } else { network.max(seen) };
            let learning = first < known.saturating_add(self.learning);
            Ok(News { dataset, kind, asset, name, key, first: time(first), learning })
        });
        Ok((rows.collect::<Result<_, Error>>()?, next))
    }
}

const NO_CURSOR: &str = "the cursor is not one of this list: ask without it";

/// A place in the list of news as text.
fn cursor((first, ds, asset, kind, key): &New) -> String {
    format!("{first}_{ds}_{asset}_{}_{key}", kind.name())
}

fn place(cursor: &str) -> Option<New> {
    let mut parts = cursor.splitn(5, '_');
    let mut next = || parts.next();
    Some((next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?, NewsKind::of(next()?)?, next()?.to_owned()))
}

impl NewsFilter {
    /// The kinds asked for.
    fn kinds(&self) -> impl Iterator<Item = NewsKind> + '_ {
        NewsKind::ALL.into_iter().filter(|k| self.kinds.is_empty() || self.kinds.contains(k))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Facet {
    Class,
    Vendor,
    Os,
    Role,
}

impl AssetFilter {
    /// All conditions, but those of a facet.
    fn conditions(&self, db: &Connection, learning: u64, without: Option<Facet>) -> Result<Where, Error> {
        let mut w = Where::default();
        if let Some(d) = &self.dataset {
            w.and("t.ds = ?", [Sql::Integer(dataset_id(db, d)?)]);
        }
        for word in crate::cases::words(self.text.as_deref()) {
            // A whole address is that one, and not the beginning of others.
            if let Ok(ip) = word.parse::<Ip>() {
                let sql = "EXISTS (SELECT 1 FROM asset_address x WHERE x.ip = ? AND x.ds = t.ds AND x.asset = t.id)";
                w.and(sql, [Sql::Blob(ip.0.to_vec())]);
            } else {
                w.and("instr(t.search, ?) > 0", [Sql::Text(word)]);
            }
        }
        let texts = |l: &[String]| l.iter().take(100).map(|v| Sql::Text(v.clone())).collect::<Vec<_>>();
        for (facet, column, list) in
            [(Facet::Class, "t.class", &self.classes), (Facet::Vendor, "t.vendor", &self.vendors), (Facet::Os, "t.os", &self.os)]
        {
            if without != Some(facet) {
                w.one_of(column, texts(list));
            }
        }
        let any = |w: &mut Where, list: &[String], sql: &str| {
            let values = texts(list);
            if !values.is_empty() {
                w.and(sql.replace("$", &vec!["?"; values.len()].join(",")), values);
            }
        };
        if without != Some(Facet::Role) {
            any(&mut w, &self.roles, "EXISTS (SELECT 1 FROM asset_role r WHERE r.ds = t.ds AND r.asset = t.id AND r.role IN ($))");
        }
        any(&mut w, &self.services, "EXISTS (SELECT 1 FROM novelty s WHERE s.ds = t.ds AND s.asset = t.id AND s.key IN ($))");
        if let Some(net) = self.net {
            let (first, last) = (net.first().0.to_vec(), net.last().0.to_vec());
            let sql = "EXISTS (SELECT 1 FROM asset_address x WHERE x.ds = t.ds AND x.asset = t.id AND x.ip BETWEEN ? AND ?)";
            w.and(sql, [Sql::Blob(first), Sql::Blob(last)]);
        }
        if let Some(t) = self.seen_since {
            w.and("t.last >= ?", [Sql::Integer(ns(t))]);
        }
        if let Some(t) = self.first_since {
            w.and("t.first >= ?", [Sql::Integer(ns(t))]);
        }
        if let Some(t) = self.new_since {
            w.and("t.first >= max(?, ifnull(n.first, t.first) + ?)", [Sql::Integer(ns(t)), Sql::Integer(ns(Time(learning)))]);
        }
        Ok(w)
    }
}

/// Nanoseconds until a network is known.
pub(crate) fn learning(db: &Connection) -> Result<u64, Error> {
    let text: Option<String> =
        db.prepare_cached("SELECT value FROM setting WHERE key = ?1")?.query_row([KNOWN_AFTER], |r| r.get(0)).optional()?;
    let hours = text.and_then(|t| t.parse::<u64>().ok()).unwrap_or(KNOWN_AFTER_HOURS);
    Ok(hours.min(24 * 366) * 3600 * SECOND)
}

/// A row of [`ASSET`], three columns in.
fn read_row(db: &Connection, r: &Row<'_>, learning: u64) -> Result<AssetRow, Error> {
    let (ds, id): (i64, i64) = (r.get(1)?, r.get(2)?);
    let some = |t: String| Some(t).filter(|t| !t.is_empty());
    let mac: String = r.get(6)?;
    let ip: Vec<u8> = r.get(5)?;
    let (first, last) = (time(r.get(12)?), time(r.get(13)?));
    let known = r.get::<_, Option<i64>>(15)?.map_or(first, time).plus(learning);
    let mut row = AssetRow {
        dataset: r.get(3)?,
        id: id as u64,
        name: r.get(4)?,
        ip: (!ip.is_empty()).then(|| ip_of(&ip)),
        mac: mac.parse().ok(),
        vendor: some(r.get(7)?),
        class: r.get(8)?,
        os: some(r.get(9)?),
        roles: Vec::new(),
        peers: r.get(10)?,
        services: r.get(11)?,
        first,
        last,
        net: r.get(14)?,
        is_new: first >= known,
        is_learnt: last.since(first) >= learning,
        open_cases: 0,
        declared: None,
    };
    let mut s = db.prepare_cached("SELECT role FROM asset_role WHERE ds = ?1 AND asset = ?2 ORDER BY role")?;
    row.roles = s.query_map([ds, id], |r| r.get(0))?.collect::<Result<_, _>>()?;
    row.open_cases = cases_of(db, ds, id, &mac)?.iter().filter(|c| c.1 < 3).count() as u64;
    row.declared = declared_of(db, ds, row.mac, row.ip, &row.name)?;
    Ok(row)
}

/// The cases in which an asset is, the latest first.
fn cases_of(db: &Connection, ds: i64, id: i64, mac: &str) -> Result<Vec<(String, usize, u32)>, Error> {
    let sql = format!(
        "SELECT c.id, c.state, c.score FROM cases c WHERE c.ds = ?1 AND c.excluded_by IS NULL AND c.id IN (
           SELECT e.case_id FROM case_entity e WHERE e.mac = ?3 AND e.ds = ?1
           UNION SELECT e.case_id FROM asset_address x CROSS JOIN case_entity e ON e.ip = x.ip AND +e.ds = ?1
                 CROSS JOIN cases k ON k.ds = ?1 AND k.id = e.case_id
                 WHERE x.ds = ?1 AND x.asset = ?2 AND x.first <= k.last + {NEAR} AND x.last >= k.first - {NEAR}
         ) ORDER BY c.last DESC, c.id LIMIT {TOLD_MAX}"
    );
    let mut s = db.prepare_cached(&sql)?;
    let mac = Some(mac).filter(|m| !m.is_empty());
    let rows = s.query_map(params![ds, id, mac], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect::<Result<_, _>>()?;
    Ok(rows)
}

fn view(db: &Connection, ds: i64, id: i64) -> Result<AssetView, Error> {
    let sql = format!("SELECT 0, t.ds, t.id, {ASSET} FROM {FROM} WHERE t.ds = ?1 AND t.id = ?2");
    let learning = learning(db)?;
    let row = db.prepare_cached(&sql)?.query_and_then([ds, id], |r| read_row(db, r, learning))?.next();
    let row = row.unwrap_or_else(|| Err(Error::Missing(format!("there is no asset {id:014x}"))))?;
    let data: Sql = db.prepare_cached("SELECT data FROM asset_data WHERE ds = ?1 AND id = ?2")?.query_row([ds, id], |r| r.get(0))?;
    let known = unpacked(&data).and_then(|text| serde_json::from_slice::<Known>(&text).map_err(|e| e.to_string()));
    let known = known.map_err(|e| format!("asset {id:014x} cannot be told: {e}"));
    let aliases = db
        .prepare_cached("SELECT old FROM asset_alias WHERE ds = ?1 AND asset = ?2 ORDER BY old")?
        .query_map([ds, id], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    let sql = format!(
        "SELECT x.ip, y.asset, a.name, max(x.first, y.first), min(x.last, y.last) FROM asset_address x
         CROSS JOIN asset_address y ON y.ip = x.ip AND +y.ds = x.ds AND y.asset <> x.asset AND y.first <= x.last AND y.last >= x.first
         CROSS JOIN asset a ON a.ds = y.ds AND a.id = y.asset
         WHERE x.ds = ?1 AND x.asset = ?2 ORDER BY x.ip, y.asset LIMIT {TOLD_MAX}"
    );
    let shared = db
        .prepare_cached(&sql)?
        .query_map([ds, id], |r| {
            let ip: Vec<u8> = r.get(0)?;
            Ok(Shared { ip: ip_of(&ip), with: r.get(1)?, name: r.get(2)?, first: time(r.get(3)?), last: time(r.get(4)?) })
        })?
        .collect::<Result<_, _>>()?;
    let mac = row.mac.map_or(String::new(), |m| m.to_string());
    let cases = cases_of(db, ds, id, &mac)?;
    let differences = match (&row.declared, &known) {
        (Some(d), Ok(k)) => differences(d, k),
        _ => Vec::new(),
    };
    Ok(AssetView { row, known, aliases, shared, cases, differences })
}

/// The asset of an Ethernet address; else the one that had an address at a time, or nearest to it.
pub(crate) fn asset_at(db: &Connection, ds: i64, mac: Option<Mac>, ip: Option<Ip>, at: Time) -> Result<Option<u64>, Error> {
    if let Some(mac) = mac {
        let mut s = db.prepare_cached("SELECT id FROM asset WHERE mac = ?2 AND +ds = ?1 ORDER BY id LIMIT 1")?;
        let id = s.query_row(params![ds, mac.to_string()], |r| r.get(0)).optional()?;
        if id.is_some() {
            return Ok(id);
        }
    }
    let Some(ip) = ip else { return Ok(None) };
    let sql = "SELECT asset FROM asset_address WHERE ip = ?2 AND ds = ?1 ORDER BY max(first - ?3, ?3 - last, 0), last DESC, asset LIMIT 1";
    Ok(db.prepare_cached(sql)?.query_row(params![ds, ip.0, ns(at)], |r| r.get(0)).optional()?)
}

/// The id under which an asset is known now.
pub(crate) fn resolve(db: &Connection, ds: i64, id: u64) -> Result<u64, Error> {
    let mut s = db.prepare_cached("SELECT asset FROM asset_alias WHERE ds = ?1 AND old = ?2")?;
    Ok(s.query_row(params![ds, id as i64], |r| r.get(0)).optional()?.unwrap_or(id))
}

// ---- keeping

fn load(db: &Connection, ds: i64, id: u64) -> Result<Option<Known>, Error> {
    let mut s = db.prepare_cached("SELECT data FROM asset_data WHERE ds = ?1 AND id = ?2")?;
    let row: Option<Sql> = s.query_row(params![ds, id as i64], |r| r.get(0)).optional()?;
    // What cannot be read any more is replaced by what is seen now.
    Ok(row.and_then(|data| serde_json::from_slice(&unpacked(&data).ok()?).ok()))
}

/// Bytes of what is known of an asset at most: many times what the inventory's caps let it be.
const KNOWN_MAX: usize = 16 << 20;

/// Before a value that is compressed with [`WORDS`]; no frame of zstd begins with it.
const WITH_WORDS: u8 = 1;
/// How hard: the work on a text of some thousand bytes is small.
const LEVEL: i32 = 9;
/// Some assets of the generated month as the catalog writes them: what texts of assets have in common. Never changed: what was written
/// needs it.
static WORDS: LazyLock<(EncoderDictionary<'static>, DecoderDictionary<'static>)> = LazyLock::new(|| {
    let words = include_bytes!("known.dict");
    (EncoderDictionary::copy(words, LEVEL), DecoderDictionary::copy(words))
});

thread_local! {
    /// Made once: that is more work than a text.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Uses what a thread keeps, made at its first use.
fn kept<T: 'static, R>(
    key: &'static LocalKey<RefCell<Option<T>>>,
    make: impl FnOnce() -> io::Result<T>,
    to_do: impl FnOnce(&mut T) -> io::Result<R>,
) -> io::Result<R> {
    key.with_borrow_mut(|kept| match kept {
        Some(kept) => to_do(kept),
        none => to_do(none.insert(make()?)),
    })
}

/// What is known of an asset as the file holds it: an eighth of the text.
fn packed(text: &str) -> Result<Vec<u8>, Error> {
    let packed = kept(&PACKER, || Compressor::with_prepared_dictionary(&WORDS.0), |c| c.compress(text.as_bytes()));
    let mut packed = packed.map_err(|e| Error::File(format!("an asset cannot be kept: {e}")))?;
    packed.insert(0, WITH_WORDS);
    Ok(packed)
}

/// The text again. Version 6 knew no dictionary, and before it stands as it is.
fn unpacked(data: &Sql) -> Result<Vec<u8>, String> {
    let told = |e: io::Error| e.to_string();
    // What the frame says of its length is held against the most that may be.
    let length = |bytes: &[u8]| match zstd::zstd_safe::get_frame_content_size(bytes) {
        Ok(Some(n)) => usize::try_from(n).map_or(KNOWN_MAX, |n| n.min(KNOWN_MAX)),
        _ => KNOWN_MAX,
    };
    match data {
        Sql::Blob(bytes) => match bytes.split_first() {
            Some((&WITH_WORDS, bytes)) => {
                kept(&UNPACKER, || Decompressor::with_prepared_dictionary(&WORDS.1), |d| d.decompress(bytes, length(bytes))).map_err(told)
            }
            _ => zstd::bulk::decompress(bytes, length(bytes)).map_err(told),
        },
        Sql::Text(text) => Ok(text.clone().into_bytes()),
        _ => Err("neither text nor bytes".to_owned()),
    }
}

/// Joins assets with those that are kept.
pub(crate) fn keep_assets(db: &Connection, ds: i64, kept: &Kept<'_>, changes: &mut Changes) -> Result<(), Error> {
    let mut came = Came::default();
    let mut nets: BTreeMap<String, Time> = BTreeMap::new();
    // Those with an Ethernet address first: the others may turn out to be one of them.
    for with_mac in [true, false] {
        for a in kept.assets.iter().filter(|a| a.mac.is_some() == with_mac) {
            let run = Known::of(a);
            for i in &run.addresses {
                let first = nets.entry(net_of(Some(i.ip))).or_insert(i.first);
                *first = (*first).min(i.first);
            }
            keep_asset(db, ds, run, changes, &mut came)?;
        }
    }
    for (net, first) in nets.iter().filter(|(net, _)| !net.is_empty()) {
        let sql =
            "INSERT INTO network(ds, net, first) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET first = min(first, ?3) WHERE first > ?3";
        db.prepare_cached(sql)?.execute(params![ds, net, ns(*first)])?;
    }
    let mut met: BTreeMap<u64, Vec<(Ip, Time)>> = BTreeMap::new();
    for p in kept.pairs {
        if let Some(asset) = asset_at(db, ds, None, Some(p.client), p.first)? {
            met.entry(asset).or_default().push((p.server, p.first));
        }
    }
    for (asset, met) in met {
        let new = meet(db, ds, asset, met)?;
        came.entry(asset).or_default().extend(new.into_iter().map(|(_, first)| (NewsKind::Peer, first)));
    }
    changes.news = are_news(db, ds, came)?;
    Ok(())
}

/// What was not known of assets, and when it was seen.
type Came = BTreeMap<u64, Vec<(NewsKind, Time)>>;

/// How many of these are news.
fn are_news(db: &Connection, ds: i64, came: Came) -> Result<u64, Error> {
    let learning = learning(db)?;
    let sql = "SELECT ifnull(n.first, a.first), a.first FROM asset a LEFT JOIN network n ON n.ds = a.ds AND n.net = a.net
               WHERE a.ds = ?1 AND a.id = ?2";
    let mut s = db.prepare_cached(sql)?;
    let mut news = 0;
    for (asset, things) in came {
        let asset = resolve(db, ds, asset)?;
        let Some((net, own)) = s.query_row(params![ds, asset as i64], |r| Ok((time(r.get(0)?), time(r.get(1)?)))).optional()? else {
            continue;
        };
        let (net, own) = (net.plus(learning), own.plus(learning));
        news += things.iter().filter(|(kind, first)| *first >= net && (*kind == NewsKind::Device || *first >= own)).count() as u64;
    }
    Ok(news)
}

/// Notes whom an asset met. Those that it had not met before.
fn meet(db: &Connection, ds: i64, asset: u64, met: Vec<(Ip, Time)>) -> Result<Vec<(Ip, Time)>, Error> {
    let sql = "SELECT data FROM met WHERE ds = ?1 AND asset = ?2";
    let old: Option<Vec<u8>> = db.prepare_cached(sql)?.query_row(params![ds, asset as i64], |r| r.get(0)).optional()?;
    let old = old.unwrap_or_default();
    let mut all = Met::of(&old);
    let new = all.add(met, PEERS_MAX);
    let data = all.bytes();
    if data != old && all.len() > 0 {
        let sql = "INSERT OR REPLACE INTO met(ds, asset, last, data) VALUES (?1, ?2, ?3, ?4)";
        db.prepare_cached(sql)?.execute(params![ds, asset as i64, ns(all.latest()), data])?;
    }
    Ok(new)
}

/// To version 7: peers that were rows become values.
pub(crate) fn peers_as_values(db: &Connection) -> Result<(), Error> {
    let mut s = db.prepare("SELECT ds, asset, key, first FROM novelty_2 WHERE kind = 'peer' ORDER BY ds, asset")?;
    let mut rows = s.query([])?;
    let (mut of, mut met) = ((0, 0), Vec::new());
    while let Some(r) = rows.next()? {
        let next: (i64, u64) = (r.get(0)?, r.get(1)?);
        if next != of {
            meet(db, of.0, of.1, std::mem::take(&mut met))?;
            of = next;
        }
        if let Ok(ip) = r.get::<_, String>(2)?.parse::<Ip>() {
            met.push((ip, time(r.get(3)?)));
        }
    }
    meet(db, of.0, of.1, met)?;
    db.execute_batch("DROP TABLE novelty_2")?;
    Ok(())
}

fn keep_asset(db: &Connection, ds: i64, run: Known, changes: &mut Changes, came: &mut Came) -> Result<(), Error> {
    let text = json(&run)?;
    let seen = Stable::default().bytes(text.as_bytes()).finish() as i64;
    let mut id = resolve(db, ds, run.id)?;
    let same = "SELECT 1 FROM asset_data WHERE ds = ?1 AND id = ?2 AND seen = ?3";
    if db.prepare_cached(same)?.exists(params![ds, id as i64, seen])? {
        return Ok(());
    }
    let mut known = load(db, ds, id)?;
    // Known by its address alone: is it a device that is known better?
    let (mut was, mut takes) = (None, None);
    if known.is_none() && run.mac.is_none() {
        if let Some(owner) = owner_of(db, ds, &run)? {
            (id, was) = (owner, Some(run.id));
        } else if let Some(other) = namesake(db, ds, &run)? {
            // Of two names for one device the earlier stays, whichever was kept first.
            if (other.first, other.id) < (run.first, run.id) {
                (id, was) = (other.id, Some(run.id));
            } else {
                takes = Some(other.id);
            }
        }
        if was.is_some() {
            known = load(db, ds, id)?;
        }
    }
    let is_new = known.is_none() && takes.is_none();
    let mut whole = run.clone();
    if let Some(k) = &known {
        whole = k.clone();
        whole.join(&run);
    }
    whole.id = id;
    let changed = known.as_ref() != Some(&whole);
    if changed || was.is_some() {
        store(db, ds, &whole, known.as_ref(), seen)?;
        if let Some(old) = was {
            alias(db, ds, old, id, changes)?;
        }
        if let Some(other) = takes {
            take_in(db, ds, &mut whole, other, seen, changes)?;
        }
    } else {
        db.prepare_cached("UPDATE asset_data SET seen = ?3 WHERE ds = ?1 AND id = ?2")?.execute(params![ds, id as i64, seen])?;
    }
    // Of each run its own: what the joined asset says of a port may be the word of another run.
    for ((kind, key), first) in things(&run) {
        if first_seen(db, ds, id, kind, &key, first)? {
            came.entry(id).or_default().push((kind, first));
        }
    }
    if whole.mac.is_some() && known.as_ref().is_none_or(|k| k.addresses != whole.addresses) {
        absorb(db, ds, &mut whole, seen, changes)?;
    }
    if is_new {
        changes.new_assets.push(id);
        came.entry(id).or_default().push((NewsKind::Device, whole.first));
    } else if changed {
        changes.changed_assets += 1;
    }
    Ok(())
}

fn json(k: &Known) -> Result<String, Error> {
    serde_json::to_string(k).map_err(|e| Error::Refused(format!("asset {:014x} cannot be written: {e}", k.id).into()))
}

/// Ids of assets that had one of `k`'s addresses, with or without an Ethernet address of their own.
fn neighbours(db: &Connection, ds: i64, k: &Known, with_mac: bool) -> Result<BTreeSet<u64>, Error> {
    let sql = "SELECT DISTINCT x.asset FROM asset_address x CROSS JOIN asset a ON a.ds = x.ds AND a.id = x.asset
               WHERE x.ip = ?2 AND +x.ds = ?1 AND (a.mac <> '') = ?3 ORDER BY x.asset LIMIT 64";
    let mut s = db.prepare_cached(sql)?;
    let mut out = BTreeSet::new();
    for ip in k.addresses.iter().map(|a| a.ip).filter(|ip| !ip.is_link_local()).collect::<BTreeSet<_>>() {
        for id in s.query_map(params![ds, ip.0, with_mac], |r| r.get::<_, u64>(0))? {
            out.insert(id?);
        }
    }
    out.remove(&k.id);
    Ok(out)
}

/// The device with an Ethernet address that `k`, known by its address alone, is: the nearest in time.
fn owner_of(db: &Connection, ds: i64, k: &Known) -> Result<Option<u64>, Error> {
    let mut best: Option<(u64, u64)> = None;
    for id in neighbours(db, ds, k, true)? {
        let gap = load(db, ds, id)?.and_then(|other| k.gap_to(&other));
        best = match (best, gap) {
            (Some(b), Some(gap)) if b.0 <= gap => Some(b),
            (_, Some(gap)) => Some((gap, id)),
            (b, None) => b,
        };
    }
    Ok(best.map(|b| b.1))
}

/// The only device, known by addresses alone, that says of itself the same name and is never seen at the same time.
fn namesake(db: &Connection, ds: i64, k: &Known) -> Result<Option<Known>, Error> {
    let names: BTreeSet<String> = k.own_names().collect();
    let mut found = BTreeMap::new();
    let mut s = db.prepare_cached("SELECT id FROM asset WHERE ds = ?1 AND name = ?2 AND +mac = '' AND id <> ?3 LIMIT 8")?;
    for name in k.names.iter().filter(|n| names.contains(&n.name.to_lowercase())) {
        for id in s.query_map(params![ds, name.name, k.id as i64], |r| r.get::<_, u64>(0))? {
            let id = id?;
            if let Some(other) = load(db, ds, id)?
                && other.own_names().any(|n| names.contains(&n))
                && (k.first > other.last || other.first > k.last)
                && k.first.since(other.last).max(other.first.since(k.last)) <= 30 * NEAR
            {
                found.insert(id, other);
            }
        }
    }
    Ok(if found.len() == 1 { found.pop_first().map(|f| f.1) } else { None })
}

/// Takes in assets known by an address alone that turn out to be `whole`.
fn absorb(db: &Connection, ds: i64, whole: &mut Known, seen: i64, changes: &mut Changes) -> Result<(), Error> {
    for id in neighbours(db, ds, whole, false)? {
        if let Some(other) = load(db, ds, id)?
            && owner_of(db, ds, &other)? == Some(whole.id)
        {
            take_in(db, ds, whole, id, seen, changes)?;
        }
    }
    Ok(())
}

/// Makes one asset of two: `whole`, which is stored, and `id`, which goes.
fn take_in(db: &Connection, ds: i64, whole: &mut Known, id: u64, seen: i64, changes: &mut Changes) -> Result<(), Error> {
    let Some(other) = load(db, ds, id)? else { return Ok(()) };
    let before = whole.clone();
    whole.join(&other);
    store(db, ds, whole, Some(&before), seen)?;
    // What was first seen of it was first seen of this one.
    let sql = "INSERT INTO novelty(ds, asset, kind, key, first) SELECT ds, ?3, kind, key, first FROM novelty WHERE ds = ?1 AND asset = ?2
               ON CONFLICT DO UPDATE SET first = min(first, excluded.first)";
    let ids = params![ds, id as i64, whole.id as i64];
    db.prepare_cached(sql)?.execute(ids)?;
    let met = "SELECT data FROM met WHERE ds = ?1 AND asset = ?2";
    let met: Option<Vec<u8>> = db.prepare_cached(met)?.query_row(params![ds, id as i64], |r| r.get(0)).optional()?;
    meet(db, ds, whole.id, Met::of(&met.unwrap_or_default()).each().collect())?;
    db.prepare_cached("UPDATE asset_alias SET asset = ?3 WHERE ds = ?1 AND asset = ?2")?.execute(ids)?;
    db.prepare_cached("DELETE FROM asset WHERE ds = ?1 AND id = ?2")?.execute(params![ds, id as i64])?;
    alias(db, ds, id, whole.id, changes)
}

fn alias(db: &Connection, ds: i64, old: u64, id: u64, changes: &mut Changes) -> Result<(), Error> {
    db.prepare_cached("INSERT OR REPLACE INTO asset_alias(ds, old, asset) VALUES (?1, ?2, ?3)")?
        .execute(params![ds, old as i64, id as i64])?;
    changes.absorbed.push((old, id));
    Ok(())
}

/// The network of an address: /24, or /64; empty for none, and for addresses that say nothing beyond their segment.
fn net_of(ip: Option<Ip>) -> String {
    let ip = ip.filter(|ip| !ip.is_link_local() && !ip.is_unspecified());
    ip.and_then(|ip| Cidr::new(ip, if ip.is_v4() { 24 } else { 64 })).map_or(String::new(), |n| n.to_string())
}

/// Writes an asset; of its parts those that are not as they were.
fn store(db: &Connection, ds: i64, k: &Known, old: Option<&Known>, seen: i64) -> Result<(), Error> {
    let id = k.id as i64;
    let mut words: Vec<String> = k.names.iter().map(|n| n.name.clone()).collect();
    let mut ips: Vec<Ip> = k.addresses.iter().map(|a| a.ip).collect();
    ips.dedup();
    words.extend(ips.iter().take(64).map(Ip::to_string));
    words.extend([k.mac.clone(), k.vendor.clone(), Some(k.class.clone()), k.os.clone()].into_iter().flatten());
    let sql = "INSERT INTO asset(ds, id, name, ip, mac, vendor, class, os, peers, services, first, last, search, net)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
               ON CONFLICT (ds, id) DO UPDATE SET name = ?3, ip = ?4, mac = ?5, vendor = ?6, class = ?7, os = ?8, peers = ?9, services = ?10,
               first = ?11, last = ?12, search = ?13, net = ?14";
    db.prepare_cached(sql)?.execute(params![
        ds,
        id,
        k.label(),
        k.ip().map_or(Vec::new(), |ip| ip.0.to_vec()),
        k.mac.as_deref().unwrap_or(""),
        k.vendor.as_deref().unwrap_or(""),
        k.class,
        k.os.as_deref().unwrap_or(""),
        crate::db::int(k.peers),
        k.services.len() as i64,
        ns(k.first),
        ns(k.last),
        cut(words.join(" ").to_lowercase()),
        net_of(k.ip()),
    ])?;
    db.prepare_cached("INSERT OR REPLACE INTO asset_data(ds, id, seen, data) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        ds,
        id,
        seen,
        packed(&json(k)?)?
    ])?;
    if old.is_none_or(|o| o.addresses != k.addresses) {
        db.prepare_cached("DELETE FROM asset_address WHERE ds = ?1 AND asset = ?2")?.execute([ds, id])?;
        let mut s = db.prepare_cached("INSERT INTO asset_address(ds, asset, ip, first, last) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for a in &k.addresses {
            s.execute(params![ds, id, a.ip.0, ns(a.first), ns(a.last)])?;
        }
    }
    if old.is_none_or(|o| o.roles != k.roles) {
        db.prepare_cached("DELETE FROM asset_role WHERE ds = ?1 AND asset = ?2")?.execute([ds, id])?;
        let mut s = db.prepare_cached("INSERT INTO asset_role(ds, asset, role) VALUES (?1, ?2, ?3)")?;
        for r in &k.roles {
            s.execute(params![ds, id, r])?;
        }
    }
    Ok(())
}

/// What can be new of an asset beside itself and its peers, with when a run first saw it.
fn things(k: &Known) -> BTreeMap<(NewsKind, String), Time> {
    let mut out = BTreeMap::new();
    let mut add = |kind, key, first: Time| {
        let t = out.entry((kind, key)).or_insert(first);
        *t = (*t).min(first);
    };
    k.services.iter().for_each(|p| add(NewsKind::Service, format!("{}/{}", p.proto, p.port), p.first()));
    let named = k.services.iter().chain(&k.uses).filter(|p| !p.app_proto.is_empty());
    named.for_each(|p| add(NewsKind::Protocol, p.app_proto.clone(), p.first()));
    out
}

/// Notes that something was seen of an asset, of two times the earlier; whether it was not known.
fn first_seen(db: &Connection, ds: i64, asset: u64, kind: NewsKind, key: &str, first: Time) -> Result<bool, Error> {
    let id = params![ds, asset as i64, kind as i64, key, ns(first)];
    let is_new =
        db.prepare_cached("INSERT OR IGNORE INTO novelty(ds, asset, kind, key, first) VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(id)? > 0;
    if !is_new {
        let sql = "UPDATE novelty SET first = ?5 WHERE ds = ?1 AND asset = ?2 AND kind = ?3 AND key = ?4 AND first > ?5";
        db.prepare_cached(sql)?.execute(id)?;
    }
    Ok(is_new)
}

// ---- declared

const DECLARED: &str = "name, ip, mac, class, owner, place, criticality";

fn read_declared(r: &Row<'_>) -> rusqlite::Result<Declared> {
    Ok(Declared {
        name: r.get(0)?,
        ip: r.get::<_, Option<Vec<u8>>>(1)?.map(|b| ip_of(&b)),
        mac: r.get::<_, Option<String>>(2)?.and_then(|m| m.parse().ok()),
        class: r.get(3)?,
        owner: r.get(4)?,
        place: r.get(5)?,
        criticality: r.get(6)?,
    })
}

/// What is declared of a device: by its Ethernet address, else its address, else its name.
fn declared_of(db: &Connection, ds: i64, mac: Option<Mac>, ip: Option<Ip>, name: &str) -> Result<Option<Declared>, Error> {
    // What names another Ethernet address or another address is of another device.
    let sql = format!(
        "SELECT {DECLARED} FROM declared WHERE (ds = ?1 AND mac = ?2) OR (ds = ?1 AND ip = ?3 AND (mac IS NULL OR ?2 IS NULL))
           OR (ds = ?1 AND name = ?4 COLLATE NOCASE AND name <> '' AND ip IS NULL AND mac IS NULL)
         ORDER BY mac = ?2 DESC, ip = ?3 DESC, id LIMIT 1"
    );
    let args = params![ds, mac.map(|m| m.to_string()), ip.map(|i| i.0), name];
    Ok(db.prepare_cached(&sql)?.query_row(args, read_declared).optional()?)
}

fn differences(d: &Declared, k: &Known) -> Vec<Difference> {
    let mut out = Vec::new();
    let mut say = |field, declared: String, observed: String| out.push(Difference { field, declared, observed });
    let short = |n: &str| n.split('.').next().unwrap_or(n).to_lowercase();
    if !d.name.is_empty() && !k.names.is_empty() && !k.names.iter().any(|n| short(&n.name) == short(&d.name)) {
        say("name", d.name.clone(), k.names.iter().map(|n| n.name.as_str()).take(3).collect::<Vec<_>>().join(", "));
    }
    if let Some(ip) = d.ip.filter(|ip| !k.addresses.iter().any(|a| a.ip == *ip)) {
        say("ip", ip.to_string(), k.ip().map_or(String::new(), |ip| ip.to_string()));
    }
    if let (Some(declared), Some(seen)) = (d.mac, k.mac())
        && declared != seen
    {
        say("mac", declared.to_string(), seen.to_string());
    }
    if !d.class.is_empty() && k.class != "unknown" && d.class != k.class {
        say("class", d.class.clone(), k.class.clone());
    }
    out
}

impl Catalog {
    /// Declares devices from CSV with a first line of names (`name`, `ip`, `mac`, `class`, `owner`, `place`, `criticality`, in any order;
    /// at least one of the first three). A device is known by its Ethernet address, else its address, else its name; what was declared of
    /// it before is replaced. With `replace`, what the file does not name is declared no more. Lines that are wrong are told and left out.
    pub fn import_declared(&self, dataset: &str, csv: &str, replace: bool, who: &str, now: Time) -> Result<Imported, Error> {
        let (rows, mut out) = crate::csv::declared(csv)?;
        self.write(|db| {
            let ds = dataset_id(db, dataset)?;
            let mut kept = BTreeSet::new();
            for d in &rows {
                let (ip, mac) = (d.ip.map(|i| i.0), d.mac.map(|m| m.to_string()));
                let sql = format!(
                    "SELECT {DECLARED}, id FROM declared WHERE (ds = ?1 AND mac = ?2) OR (ds = ?1 AND ip = ?3 AND (mac IS NULL OR ?2 IS NULL))
                       OR (ds = ?1 AND name = ?4 COLLATE NOCASE AND name <> '' AND (mac IS NULL OR ?2 IS NULL) AND (ip IS NULL OR ?3 IS NULL))
                     ORDER BY mac = ?2 DESC, ip = ?3 DESC, id LIMIT 1"
                );
                let old =
                    db.prepare_cached(&sql)?.query_row(params![ds, mac, ip, d.name], |r| Ok((read_declared(r)?, r.get::<_, i64>(7)?)));
                let id = match old.optional()? {
                    Some((same, id)) if same == *d => {
                        out.same += 1;
                        id
                    }
                    Some((_, id)) => {
                        let sql = "UPDATE declared SET name = ?2, ip = ?3, mac = ?4, class = ?5, owner = ?6, place = ?7, criticality = ?8,
                                   who = ?9, at = ?10 WHERE id = ?1";
                        db.prepare_cached(sql)?.execute(params![
                            id,
                            d.name,
                            ip,
                            mac,
                            d.class,
                            d.owner,
                            d.place,
                            d.criticality,
                            who,
                            ns(now)
                        ])?;
                        out.changed += 1;
                        id
                    }
                    None => {
                        let sql = "INSERT INTO declared(ds, name, ip, mac, class, owner, place, criticality, who, at)
                                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
                        db.prepare_cached(sql)?.execute(params![
                            ds,
                            d.name,
                            ip,
                            mac,
                            d.class,
                            d.owner,
                            d.place,
                            d.criticality,
                            who,
                            ns(now)
                        ])?;
                        out.added += 1;
                        db.last_insert_rowid()
                    }
                };
                kept.insert(id);
            }
            if replace {
                let all: Vec<i64> =
                    db.prepare_cached("SELECT id FROM declared WHERE ds = ?1")?.query_map([ds], |r| r.get(0))?.collect::<Result<_, _>>()?;
                for id in all.iter().filter(|id| !kept.contains(id)) {
                    db.prepare_cached("DELETE FROM declared WHERE id = ?1")?.execute([id])?;
                }
            }
            Ok(out)
        })
    }

    /// What is declared, by name.
    pub fn declared(&self, dataset: &str) -> Result<Vec<Declared>, Error> {
        let db = self.read();
        let ds = dataset_id(&db, dataset)?;
        let mut s = db.prepare_cached(&format!("SELECT {DECLARED} FROM declared WHERE ds = ?1 ORDER BY name, id"))?;
        let all = s.query_map([ds], read_declared)?.collect::<Result<_, _>>()?;
        Ok(all)
    }

    /// What is declared and what is seen, compared over a dataset.
    pub fn compare_declared(&self, dataset: &str) -> Result<Compared, Error> {
        const LISTED_MAX: usize = 1000;
        let db = self.read();
        let ds = dataset_id(&db, dataset)?;
        let mut out = Compared::default();
        let mut met = BTreeSet::new();
        let mut s = db.prepare_cached("SELECT id, mac, ip, name FROM asset WHERE ds = ?1 ORDER BY id")?;
        let mut rows = s.query([ds])?;
        while let Some(r) = rows.next()? {
            let (id, mac, ip, name): (u64, String, Vec<u8>, String) = (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?);
            let Some(d) = declared_of(&db, ds, mac.parse().ok(), (!ip.is_empty()).then(|| ip_of(&ip)), &name)? else {
                out.undeclared += 1;
                continue;
            };
            let differ = match load(&db, ds, id)? {
                Some(k) if out.different.len() < LISTED_MAX => differences(&d, &k),
                _ => Vec::new(),
            };
            if !differ.is_empty() {
                out.different.push((id, differ));
            }
            met.insert((d.mac, d.ip, d.name));
        }
        let mut s = db.prepare_cached(&format!("SELECT {DECLARED} FROM declared WHERE ds = ?1 ORDER BY name, id"))?;
        for d in s.query_map([ds], read_declared)? {
            let d = d?;
            out.declared += 1;
            if !met.contains(&(d.mac, d.ip, d.name.clone())) && out.unseen.len() < LISTED_MAX {
                out.unseen.push(d);
            }
        }
        Ok(out)
    }

    /// The id of an asset from its hexadecimal digits, as links have it. Errors: no such text.
    pub fn asset_id(text: &str) -> Result<u64, Error> {
        let id = u64::from_str_radix(text, 16).ok().filter(|id| *id < 1 << 53 && text.len() <= 14);
        id.ok_or_else(|| Error::Missing(format!("there is no asset \"{}\"", shown(text))))
    }
}
