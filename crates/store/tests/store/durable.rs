//! What is acknowledged stays, once, whatever happens.

use crate::common::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use vigie_base::Time;
use vigie_event::sample::Dice;
use vigie_link::Header;
use vigie_store::{Error, Limits, Options, Order, Priority, Query, Retention, Store};

fn rows_of(number: u64) -> usize {
    3 + (number % 5) as usize
}

fn count(store: &Store) -> u64 {
    let kinds = schemas().iter().map(|s| s.kind.to_owned()).collect();
    run(store.count(&Query { kinds, limit: 1, ..Query::default() })).unwrap().values().sum()
}

/// The child of the test below: appends, says what is durable, until it is killed.
#[test]
fn child() {
    let Ok(dir) = std::env::var("VIGIE_STORE_TEST_CHILD") else { return };
    let store = open(std::path::Path::new(&dir));
    let mut number = store.last_number(&Header::default());
    loop {
        number += 1;
        let kind_name = ["flow", "dns", "tls"][number as usize % 3];
        let batch = rows(kind_name, rows_of(number), number, DAY + number * 1_000_000_000);
        store.append(&[packed(&batch, "replay", number)]).unwrap();
        if number.is_multiple_of(3) {
            store.commit().unwrap();
            println!("durable {number}");
            std::io::stdout().flush().unwrap();
        }
        if number.is_multiple_of(7) {
            store.flush().unwrap();
        }
        if number.is_multiple_of(11) {
            store.maintain(Time(DAY)).unwrap();
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9_and_nothing_comes_twice() {
    let times: usize = std::env::var("VIGIE_STORE_KILLS").ok().and_then(|t| t.parse().ok()).unwrap_or(10);
    let dir = Dir::new("kill");
    let mut dice = Dice::new(1);
    let mut acknowledged = 0;
    for _ in 0..times {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durable::child", "--nocapture"])
            .env("VIGIE_STORE_TEST_CHILD", &dir.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let wanted = 1 + dice.below(12);
        let mut line = String::new();
        let mut seen = 0;
        while seen < wanted && out.read_line(&mut line).unwrap() > 0 {
            if let Some((_, n)) = line.trim().rsplit_once("durable ") {
                acknowledged = n.parse().unwrap();
                seen += 1;
            }
            line.clear();
        }
        assert_eq!(seen, wanted, "the child worked until it was killed");
        child.kill().unwrap();
        child.wait().unwrap();
        for l in out.lines().map_while(Result::ok) {
            if let Some((_, n)) = l.trim().rsplit_once("durable ") {
                acknowledged = n.parse().unwrap_or(acknowledged);
            }
        }
        let store = open(&dir.0);
        let last = store.last_number(&Header::default());
        assert!(last >= acknowledged, "{acknowledged} was durable, {last} is there");
        assert_eq!(count(&store), (1..=last).map(|n| rows_of(n) as u64).sum::<u64>());
    }
}

#[test]
fn a_batch_is_taken_once() {
    let dir = Dir::new("once");
    let b = rows("dns", 10, 1, DAY);
    {
        let store = open(&dir.0);
        assert_eq!(store.append(&[packed(&b, "a", 1), packed(&b, "a", 1), packed(&b, "b", 1)]).unwrap(), 2);
        store.commit().unwrap();
    }
    {
        let store = open(&dir.0);
        assert_eq!((count(&store), store.append(&[packed(&b, "a", 1)]).unwrap()), (20, 0));
        store.flush().unwrap();
    }
    let store = open(&dir.0);
    assert_eq!((count(&store), store.append(&[packed(&b, "b", 1)]).unwrap()), (20, 0));
    // A dataset that was removed can come again.
    assert_eq!(store.remove_dataset("a").unwrap(), 10);
    assert_eq!(store.append(&[packed(&b, "a", 1)]).unwrap(), 1);
    assert!(matches!(Store::open(&dir.0, schemas(), Options::default()), Err(Error::Locked(_))));
}

#[test]
fn a_journal_cut_or_damaged_gives_what_is_sound() {
    let dir = Dir::new("journal");
    {
        let store = open(&dir.0);
        for n in 1..=5 {
            store.append(&[packed(&rows("dns", 10, n, DAY), "replay", n)]).unwrap();
        }
        store.commit().unwrap();
    }
    let [path] = &files(&dir.0, ".vj")[..] else { panic!("one segment") };
    let whole = std::fs::read(path).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..whole.len()).rev().step_by(97) {
        let copy = Dir::new("journal-copy");
        std::fs::create_dir_all(copy.0.join("journal")).unwrap();
        std::fs::write(copy.0.join("journal").join(path.file_name().unwrap()), &whole[..cut]).unwrap();
        let (store, problems) = Store::open(&copy.0, schemas(), Options::default()).unwrap();
        assert_eq!(problems, [], "cut at {cut}");
        assert_eq!(count(&store) % 10, 0);
        seen.insert(count(&store));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 10, 20, 30, 40]);
    // One byte of the second batch changed: the other four are there, and it is said.
    let first = 24 + u32::from_le_bytes(whole[16..20].try_into().unwrap()) as usize;
    let mut damaged = whole.clone();
    damaged[first + 100] ^= 1;
    std::fs::write(path, &damaged).unwrap();
    let (store, problems) = Store::open(&dir.0, schemas(), Options::default()).unwrap();
    assert_eq!((count(&store), problems.len()), (40, 1));
    assert!(problems[0].what.contains("left out"), "{}", problems[0].what);
}

#[test]
fn a_damaged_file_is_set_aside_and_the_rest_is_served() {
    for (name, damage) in [("cut", 0), ("inside", 1), ("gone", 2)] {
        let dir = Dir::new(&format!("damage-{name}"));
        {
            let store = open(&dir.0);
            for n in 1..=2 {
                store.append(&[packed(&rows("dns", 500, n, DAY + n * 90_000_000_000_000), "replay", n)]).unwrap();
                store.flush().unwrap();
            }
        }
        let all = files(&dir.0, ".parquet");
        let mut bytes = std::fs::read(&all[0]).unwrap();
        match damage {
            0 => bytes.truncate(bytes.len() / 2),
            1 => {
                let half = bytes.len() / 2;
                bytes[4..half].fill(0x55);
            }
            _ => {}
        }
        std::fs::write(&all[0], &bytes).unwrap();
        if damage == 2 {
            std::fs::remove_file(&all[0]).unwrap();
        }
        let (store, found) = Store::open(&dir.0, schemas(), Options::default()).unwrap();
        assert_eq!(found.len(), usize::from(damage != 1), "{name}");
        let page = run(store.page(&Query { limit: 10_000, ..Query::default() })).unwrap();
        assert_eq!(page.len(), 500, "{name}");
        let problems = store.problems();
        assert_eq!(problems.len(), 1, "{name}");
        assert!(problems[0].what.contains("500 rows of dns"), "{}", problems[0].what);
        assert_eq!(files(&dir.0, ".damaged").len(), usize::from(damage != 2), "{name}");
        drop(store);
        open(&dir.0);
    }
}

#[test]
fn what_a_crash_left_is_removed() {
    let dir = Dir::new("left");
    {
        let store = open(&dir.0);
        store.append(&[packed(&rows("dns", 5, 1, DAY), "replay", 1)]).unwrap();
        store.flush().unwrap();
    }
    let [live] = &files(&dir.0, ".parquet")[..] else { panic!("one file") };
    for name in ["77.parquet", "78.tmp"] {
        std::fs::copy(live, live.with_file_name(name)).unwrap();
    }
    let store = open(&dir.0);
    assert_eq!(count(&store), 5);
    assert_eq!(files(&dir.0.join("data"), ""), std::slice::from_ref(live));
}

/// A store as version 1 of its formats wrote it: Parquet files of two kinds, a batch in the journal, a manifest. Made by this test with
/// `VIGIE_STORE_SAMPLE` set; a later version adds a folder of its own, and keeps this one.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/1");

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for e in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(e.file_name());
        if e.path().is_dir() { copy_tree(&e.path(), &target) } else { std::fs::copy(e.path(), target).map(drop).unwrap() }
    }
}

#[test]
fn a_store_of_version_1_is_read_as_it_was_written() {
    let sample = std::path::Path::new(SAMPLE);
    let all = |store: &Store| {
        let kinds = schemas().iter().map(|s| s.kind.to_owned()).collect();
        lines(&run(store.page(&Query { kinds, limit: 10_000, order: Order::Oldest, ..Query::default() })).unwrap()).concat()
    };
    if std::env::var_os("VIGIE_STORE_SAMPLE").is_some() {
        let store = open(&sample.join("events"));
        for (n, kind_name) in ["flow", "dns"].into_iter().enumerate() {
            store.append(&[packed(&rows(kind_name, 12, 7 + n as u64, DAY), "demo", n as u64 + 1)]).unwrap();
        }
        store.flush().unwrap();
        store.append(&[packed(&rows("tls", 6, 9, DAY), "demo", 3)]).unwrap();
        store.commit().unwrap();
        std::fs::write(sample.join("expected.json"), all(&store)).unwrap();
    }
    let dir = Dir::new("sample");
    copy_tree(&sample.join("events"), &dir.0);
    let store = open(&dir.0);
    assert_eq!(all(&store), std::fs::read_to_string(sample.join("expected.json")).unwrap());
    assert_eq!(store.datasets().keys().collect::<Vec<_>>(), ["demo"]);
    // And it goes on: what it has is not taken again, what comes is.
    let header = Header { dataset: "demo".to_owned(), ..Header::default() };
    assert_eq!(store.last_number(&header), 3);
    assert_eq!(store.append(&[packed(&rows("tls", 6, 9, DAY), "demo", 3), packed(&rows("dns", 5, 10, DAY), "demo", 4)]).unwrap(), 1);
    store.flush().unwrap();
    assert_eq!(count(&store), 12 + 12 + 6 + 5);
}

#[test]
fn a_clock_that_jumps_back_removes_nothing_and_one_that_is_right_again_does() {
    let dir = Dir::new("clock");
    let hour = 3_600_000_000_000;
    let retention = Retention { others: Some(24 * hour), ..Retention::default() };
    let (store, _) = Store::open(&dir.0, schemas(), kept_for(retention)).unwrap();
    store.append(&[packed(&rows("dns", 100, 1, DAY), "live", 1)]).unwrap();
    store.flush().unwrap();
    // Events from before and after a clock that stepped back by a year stand side by side, in their order.
    store.append(&[packed(&rows("dns", 100, 2, DAY - 365 * 24 * hour), "live", 2)]).unwrap();
    store.flush().unwrap();
    let times: Vec<u64> = run(store.page(&Query { limit: 1000, ..Query::default() })).unwrap().rows().map(|r| r.env().ts.0).collect();
    assert!(times.len() == 200 && times.windows(2).all(|t| t[0] >= t[1]));
    for now in [0, DAY - 366 * 24 * hour, DAY - 365 * 24 * hour] {
        assert_eq!(store.maintain(Time(now)).unwrap().expired_rows, 0, "{now}");
    }
    assert_eq!(store.maintain(Time(DAY + hour)).unwrap().expired_rows, 100);
    assert_eq!(store.maintain(Time(DAY - hour)).unwrap().expired_rows, 0);
    assert_eq!(count(&store), 100);
    assert_eq!(store.append(&[packed(&rows("dns", 5, 3, DAY - 365 * 24 * hour), "live", 3)]).unwrap(), 1);
    drop(store);
    assert_eq!(count(&open(&dir.0)), 105);
}

/// Options under which the live dataset is kept so long.
fn kept_for(retention: Retention) -> Options {
    Options { live_dataset: "live".to_owned(), limits: Limits { retention, ..Limits::default() }, ..Options::default() }
}

#[test]
fn a_newer_store_is_refused_and_named() {
    let dir = Dir::new("newer");
    std::fs::write(dir.0.join("manifest.json"), r#"{"version":2}"#).unwrap();
    let e = Store::open(&dir.0, schemas(), Options::default()).err().unwrap();
    assert!(e.to_string().ends_with("version 2 of the store's format; this program knows up to 1: update it"), "{e}");
    std::fs::write(dir.0.join("manifest.json"), "{").unwrap();
    assert!(matches!(Store::open(&dir.0, schemas(), Options::default()), Err(Error::Manifest(..))));
}

#[test]
fn small_files_become_large_and_keep_every_row() {
    let dir = Dir::new("merge");
    let store = open(&dir.0);
    for n in 1..=40 {
        store.append(&[packed(&rows("dns", 20, n, DAY + (n % 7) * 1_000_000_000), "replay", n)]).unwrap();
        store.flush().unwrap();
    }
    let all = Query { limit: 10_000, ..Query::default() };
    let before = lines(&run(store.page(&all)).unwrap());
    let files_before = store.usage().files;
    // A query that began before reads what it began with.
    while store.maintain(Time(DAY)).unwrap().more {}
    assert!(files_before == 40 && store.usage().files < 8, "{}", store.usage().files);
    assert_eq!(lines(&run(store.page(&all)).unwrap()), before);
    assert_eq!(files(&dir.0.join("data"), "").len(), store.usage().files);
    drop(store);
    assert_eq!(lines(&run(open(&dir.0).page(&all)).unwrap()), before);
}

#[test]
fn age_and_quota_remove_in_the_stated_order() {
    let dir = Dir::new("quota");
    let hour = 3_600_000_000_000;
    let (store, _) = Store::open(&dir.0, schemas(), Options { live_dataset: "live".to_owned(), ..Options::default() }).unwrap();
    for (n, (dataset, kind_name)) in
        [("live", "login"), ("live", "dns"), ("first", "login"), ("first", "dns"), ("second", "dns")].into_iter().enumerate()
    {
        store.append(&[packed(&rows(kind_name, 2000, n as u64, DAY), dataset, n as u64 + 1)]).unwrap();
        store.flush().unwrap();
    }
    // Age: the live dataset's internal kind alone, and only once that is asked for.
    assert_eq!(store.maintain(Time(DAY + 50 * hour)).unwrap().expired_rows, 0);
    let kinds = [("dns".to_owned(), u64::MAX)].into_iter().collect();
    let retention = Retention { internal: Some(hour), others: Some(hour), kinds };
    store.set_limits(Limits { retention, ..Limits::default() });
    assert_eq!(store.maintain(Time(DAY + 50 * hour)).unwrap().expired_rows, 2000);
    let bytes = |dataset: &str, kind: &str| store.usage().kinds.get(&(dataset.to_owned(), kind.to_owned())).map_or(0, |k| k.1);
    assert!(bytes("first", "login") > 0 && bytes("live", "login") == 0);
    // The quota is for what is kept beside the store too, and holds for what is appended after it.
    let more = |n| store.append(&[packed(&rows("dns", 5, n, DAY), "live", n)]);
    store.set_limits(Limits { quota_bytes: store.bytes() + 1000, beside_bytes: 1000, ..Limits::default() });
    assert!(matches!(more(99), Err(Error::Quota { .. })));
    // What is told beforehand is what goes: of each priority whole files, the oldest import first.
    let took = |what, bytes, spared: &[String]| {
        let told = store.evictable(what, bytes, spared);
        assert_eq!(store.evict(what, bytes, spared).unwrap(), told);
        told.into_iter().map(|e| (e.dataset, e.rows)).collect::<Vec<_>>()
    };
    let of = |dataset: &str| (dataset.to_owned(), 2000);
    assert_eq!(took(Priority::Internal, 1, &[]), [of("first")]);
    assert_eq!(took(Priority::Internal, u64::MAX, &[]), []);
    assert_eq!(took(Priority::Imports, 1, &["first".to_owned()]), [of("second")]);
    assert_eq!(took(Priority::Imports, u64::MAX, &[]), [of("first")]);
    assert_eq!(store.datasets().into_keys().collect::<Vec<_>>(), ["live"]);
    assert_eq!(more(99).unwrap(), 1);
    store.flush().unwrap();
    assert_eq!(took(Priority::Live, u64::MAX, &[]), [("live".to_owned(), 2005)]);
}
