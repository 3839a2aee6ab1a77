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

#[test]
fn what_is_kept_is_there_after_it_was_closed() {
    let folder = Folder::new("kept");
    let path = folder.0.join("catalog.sqlite");
    let c = Catalog::open(&path).unwrap();
    c.create_dataset("replay", Kind::Replay, -5, t(1)).unwrap();
    let s = Source { name: "a.pcap".into(), sha256: "ab".repeat(32), bytes: 3, frames: 2, first: t(1), last: t(2), kept_as: None };
    c.add_source("replay", &s, t(1)).unwrap();
    keep(&c, &[case(vec![alert("10.0.0.9", 1000, 40)])], &[asset(1, None, &[("10.0.0.9", 1, 2)], None)], 5);
    drop(c);
    let c = Catalog::open(&path).unwrap();
    let d = c.dataset("replay").unwrap().unwrap();
    assert_eq!((d.shift, d.sources.as_slice()), (-5, [s.clone()].as_slice()));
    assert_eq!((c.cases(&CaseFilter::default()).unwrap().total, c.assets(&AssetFilter::default()).unwrap().total), (1, 1));
    c.create_dataset("again", Kind::Replay, 0, t(1)).unwrap();
    let e = c.add_source("again", &s, t(2)).unwrap_err().to_string();
    assert!(e.contains("\"replay\"") && !e.contains('\n'), "{e}");
    c.remove_dataset("replay").unwrap();
    assert_eq!(c.source_of(&s.sha256).unwrap(), None);
    c.add_source("again", &s, t(3)).unwrap();
    for table in ["cases", "alert", "case_entity", "trail", "asset", "asset_data", "asset_address", "asset_role", "novelty", "network"] {
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
