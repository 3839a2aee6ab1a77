use super::*;
use std::path::PathBuf;

/// A folder of this test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vigie-catalog-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn source(name: &str, sha256: &str) -> Source {
    let (first, last) = (t(1), t(2));
    Source { name: name.into(), sha256: sha256.repeat(32), bytes: 3, frames: 2, first, last, kept_as: None, import: "i".into() }
}

#[test]
fn captures_are_listed_from_the_oldest_import_on_and_marked() {
    let c = catalog();
    let kept = |name, sha256| Source { kept_as: Some(format!("captures/{name}")), ..source(name, sha256) };
    c.keep("replay", &Kept { sources: &[kept("first", "01")], ..Kept::default() }, t(9)).unwrap();
    // The clock was set back.
    c.keep("replay", &Kept { sources: &[kept("second", "03"), kept("third", "02"), source("gone", "04")], ..Kept::default() }, t(5))
        .unwrap();
    // A run that reads what is known is not kept at all.
    let twice = Kept { assets: &[asset(1, None, &[("10.0.0.9", 1, 2)], None)], sources: &[kept("again", "03")], ..Kept::default() };
    assert!(c.keep("replay", &twice, t(10)).is_err());
    assert_eq!(c.assets(&AssetFilter::default()).unwrap().total, 0);
    let names = || c.captures().unwrap().into_iter().map(|(_, s)| s.name).collect::<Vec<_>>();
    assert_eq!(names(), ["first", "second", "third"]);
    let sha256 = "03".repeat(32);
    let mark = |at: u64, time| vigie_capture::Mark { time: t(time), head: 24, at };
    c.add_marks(&sha256, &[mark(1000, 10), mark(2000, 20), mark(3000, 20)]).unwrap();
    assert_eq!(c.mark_before(&sha256, t(10)).unwrap(), None);
    assert_eq!(c.mark_before(&sha256, t(20)).unwrap(), Some(mark(1000, 10)));
    assert_eq!(c.mark_before(&sha256, t(21)).unwrap(), Some(mark(3000, 20)));
    c.unkeep(&sha256).unwrap();
    assert_eq!((names(), c.mark_before(&sha256, t(21)).unwrap()), (vec!["first".to_owned(), "third".to_owned()], None));
}

#[test]
fn what_is_kept_is_there_after_it_was_closed() {
    let folder = Folder::new("kept");
    let path = folder.0.join("catalog.sqlite");
    let c = Catalog::open(&path).unwrap();
    c.create_dataset("replay", Kind::Replay, -5, t(1)).unwrap();
    let s = source("a.pcap", "ab");
    c.add_source("replay", &s, t(1)).unwrap();
    keep(&c, &[case(vec![alert("10.0.0.9", 1000, 40)])], &[asset(1, None, &[("10.0.0.9", 1, 2)], None)], 5);
    drop(c);
    let c = Catalog::open(&path).unwrap();
    let d = c.dataset("replay").unwrap().unwrap();
    assert_eq!((d.shift, d.sources.as_slice()), (-5, [s.clone()].as_slice()));
    assert_eq!((c.cases(&CaseFilter::default()).unwrap().total, c.assets(&AssetFilter::default()).unwrap().total), (1, 1));
    c.create_dataset("again", Kind::Replay, 0, t(1)).unwrap();
    let e = c.add_source("again", &s, t(2)).unwrap_err().to_string();
    assert!(e.contains("dataset replay ") && !e.contains('\n'), "{e}");
    c.remove_dataset("replay").unwrap();
    assert_eq!(c.source_of(&s.sha256).unwrap(), None);
    c.add_source("again", &s, t(3)).unwrap();
    for table in
        ["cases", "alert", "case_entity", "trail", "asset", "asset_data", "asset_address", "asset_role", "novelty", "met", "network"]
    {
        let n: u64 = c.read().query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap();
        assert_eq!(n, 0, "{table}");
    }
}

#[test]
fn a_newer_or_a_foreign_file_is_refused_by_name() {
    let folder = Folder::new("refused");
    let path = folder.0.join("catalog.sqlite");
    drop(Catalog::open(&path).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
    let e = Catalog::open(&path).unwrap_err().to_string();
    let want = ["catalog.sqlite", &format!("version {}", VERSION + 1), &format!("up to {VERSION}")];
    assert!(want.iter().all(|w| e.contains(w)) && !e.contains('\n'), "{e}");
    let foreign = folder.0.join("foreign");
    std::fs::write(&foreign, vec![b'x'; 8192]).unwrap();
    for path in [foreign, folder.0.join("none").join("x")] {
        let e = Catalog::open(&path).unwrap_err().to_string();
        assert!(e.contains(path.to_str().unwrap()), "{e}");
    }
}

#[test]
fn damage_inside_is_found() {
    let folder = Folder::new("damaged");
    let path = folder.0.join("catalog.sqlite");
    let c = Catalog::open(&path).unwrap();
    c.create_dataset("replay", Kind::Replay, 0, t(1)).unwrap();
    for n in 0..200 {
        c.audit("jo", "read", &format!("query {n}"), &json!({"rows": n}), t(n)).unwrap();
    }
    c.check().unwrap();
    drop(c);
    let db = rusqlite::Connection::open(&path).unwrap();
    let page: usize = db.query_row("SELECT rootpage FROM sqlite_master WHERE name = 'audit'", [], |r| r.get(0)).unwrap();
    drop(db);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[(page - 1) * 4096..][..2048].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let e = Catalog::open(&path).and_then(|c| c.check()).unwrap_err().to_string();
    assert!(e.contains("catalog.sqlite") && e.contains("backup") && !e.contains('\n'), "{e}");
}

#[test]
fn version_1_is_brought_to_this_one() {
    let folder = Folder::new("old");
    let path = folder.0.join("catalog.sqlite");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../testdata/v1.sql")).unwrap();
    drop(old);
    let c = Catalog::open(&path).unwrap();
    let version: u32 = c.read().query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap();
    assert_eq!(version, VERSION);
    let row = &c.cases(&CaseFilter::default()).unwrap().rows[0];
    assert_eq!((row.dataset.as_str(), row.state, row.owner.as_str()), ("demo", State::Acknowledged, "jo"));
    assert_eq!(TellCase::of(row.case.as_ref().unwrap(), Lang::Fr).title, "Force brute sur FTP : 10.0.0.9 contre 10.0.0.2");
    assert_eq!(c.trail(&row.id, None).unwrap().len(), 2);
    let view = c.asset(5, None).unwrap().unwrap();
    assert_eq!((view.row.name.as_str(), view.known.unwrap().services[0].flows()), ("pc9", 10));
    assert_eq!(c.news(&NewsFilter::default()).unwrap().total, 0, "what was kept before is not new");
    assert_eq!(c.user("jo").unwrap().unwrap().role, UserRole::Analyst);
    assert_eq!(c.setting("home").unwrap().unwrap().value, json!(["10.0.0.0/8"]));
    // And it goes on.
    let again = asset(5, Some([0, 0, 0, 1, 2, 3]), &[("10.0.0.9", 900, 2000)], Some("pc9"));
    let new = asset(6, Some([0, 0, 0, 1, 2, 4]), &[("10.0.0.7", 3 * DAY, 3 * DAY)], None);
    let changes = c.keep("demo", &Kept { assets: &[again, new], ..Kept::default() }, t(9)).unwrap();
    assert_eq!(changes.new_assets, [6]);
}

#[test]
fn first_meetings_that_were_rows_become_values() {
    let folder = Folder::new("rows");
    let path = folder.0.join("catalog.sqlite");
    let old = rusqlite::Connection::open(&path).unwrap();
    for step in [include_str!("../../testdata/v1.sql"), include_str!("../2.sql"), include_str!("../4.sql"), include_str!("../6.sql")] {
        old.execute_batch(step).unwrap();
    }
    let at = |day: u64| (day * DAY * SECOND) as i64;
    old.pragma_update(None, "user_version", 4).unwrap();
    let add = "INSERT INTO novelty(ds, asset, kind, key, first) VALUES (1, 5, ?1, ?2, ?3)";
    for (kind, key, first) in [
        ("peer", "10.0.0.1", at(0)),
        ("peer", "10.0.0.2", at(7)),
        ("peer", "2001:db8::1", at(8)),
        ("service", "tcp/80", at(7)),
        ("protocol", "http", at(9)),
    ] {
        old.execute(add, (kind, key, first)).unwrap();
    }
    drop(old);
    let c = Catalog::open(&path).unwrap();
    let told = |f: NewsFilter| -> Vec<_> { c.news(&f).unwrap().rows.into_iter().map(|n| (n.kind.name(), n.key, n.first)).collect() };
    let want = [
        ("protocol", "http", t(9 * DAY)),
        ("peer", "2001:db8::1", t(8 * DAY)),
        ("peer", "10.0.0.2", t(7 * DAY)),
        ("service", "tcp/80", t(7 * DAY)),
    ];
    assert_eq!(told(NewsFilter { limit: 100, ..NewsFilter::default() }), want.map(|(k, v, t)| (k, v.to_owned(), t)));
    assert_eq!(
        c.news_counts(&NewsFilter { dataset: Some("demo".into()), since: Some(t(8 * DAY)), ..NewsFilter::default() }).unwrap(),
        [0, 0, 1, 1]
    );
    // Met before is not met again, and earlier is earlier.
    let pairs = ["10.0.0.1", "10.0.0.2"].map(|server| Pair { client: ip("10.0.0.9"), server: ip(server), first: t(6 * DAY) });
    assert_eq!(c.keep("demo", &Kept { pairs: &pairs, ..Kept::default() }, t(9)).unwrap(), Changes::default());
    let peers = NewsFilter { kinds: vec![NewsKind::Peer], until: Some(t(8 * DAY)), limit: 9, ..NewsFilter::default() };
    assert_eq!(told(peers), [("peer", "10.0.0.2".to_owned(), t(6 * DAY))]);
}
