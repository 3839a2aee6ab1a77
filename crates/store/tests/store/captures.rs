//! Real captures through the sensor, the link and the store: every event comes back as EVE would have written it. Run large by hand, the
//! same prints bytes and times: `VIGIE_STORE_CAPTURES=FILE[,FILE...] VIGIE_STORE_COPIES=N cargo test --release -p vigie-store --test store
//! captures -- --nocapture` (each copy is a day later).

use crate::common::*;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vigie_base::Time;
use vigie_event::Row;
use vigie_link::{Header, Limits, Packer, pack, unpack};
use vigie_sensor::{Control, Fold, Settings};
use vigie_store::{Filter, Groups, Order, Query, Store};

struct Kept {
    packer: Packer,
    lines: Vec<String>,
    keep: bool,
}

impl Fold for Kept {
    fn row(&mut self, row: Row<'_>) {
        self.packer.row(row).unwrap();
        if self.keep && !row.schema().internal {
            self.lines.push(line(row));
        }
    }
    fn upto(&mut self, now: Time) {
        self.packer.upto(now).unwrap();
    }
}

fn copies() -> u64 {
    std::env::var("VIGIE_STORE_COPIES").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn captures() -> Vec<PathBuf> {
    match std::env::var("VIGIE_STORE_CAPTURES") {
        Ok(list) => list.split(',').map(PathBuf::from).collect(),
        Err(_) => {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
            let mut all = files(&dir, ".pcap");
            all.retain(|p| p.metadata().is_ok_and(|m| m.len() < 2_000_000));
            all
        }
    }
}

fn timed<T>(what: &str, f: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let v = f();
    println!("{what}: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    v
}

#[test]
fn every_event_of_a_capture_comes_back() {
    let dir = Dir::new("captures");
    let store = open(&dir.0);
    let copies = copies();
    let mut fold = Kept { packer: Packer::new(Header::default(), Limits::IMPORT), lines: Vec::new(), keep: copies == 1 };
    let mut capture = vigie_capture::Capture::open(&captures(), vigie_capture::Options::default());
    timed("replay", || vigie_sensor::run(&mut capture, &Settings::default(), &mut fold, |_| Control::Go));
    fold.packer.finish().unwrap();
    let batches = fold.packer.take();
    let rows: usize = batches.iter().map(|p| p.rows.num_rows()).sum();
    timed(&format!("append, flush and merge {} rows", rows as u64 * copies), || {
        let mut number = 0;
        for copy in 0..copies {
            for p in &batches {
                number += 1;
                let mut p = p.clone();
                if copy > 0 {
                    // The same rows a day later, in other flows.
                    let b = unpack(&p.rows, p.schema).unwrap();
                    let mut env = b.envelopes().to_vec();
                    for e in &mut env {
                        e.ts = e.ts.plus(copy * 86_400_000_000_000);
                        e.flow_id =
                            if e.flow_id == 0 { 0 } else { vigie_base::hash::Stable::default().word(e.flow_id).word(copy).finish53() };
                    }
                    p = pack(&vigie_event::Batch::of(p.schema, env, b.columns().to_vec()).unwrap(), p.header.clone()).unwrap();
                }
                p.header = header("replay", number);
                store.append(&[p]).unwrap();
            }
            store.commit().unwrap();
            store.flush().unwrap();
            while store.maintain(Time(0)).unwrap().more {}
        }
    });
    report(&store);
    if copies > 1 {
        return;
    }
    let mut got = Vec::new();
    let mut q = Query { limit: 10_000, order: Order::Oldest, ..Query::default() };
    loop {
        let page = run(store.page(&q)).unwrap();
        got.extend(lines(&page));
        q.cursor = page.next;
        if q.cursor.is_none() {
            break;
        }
    }
    got.sort();
    fold.lines.sort();
    assert!(got.len() > 1000, "{}", got.len());
    assert!(got == fold.lines, "the first that differ: {:?}", got.iter().zip(&fold.lines).find(|(a, b)| a != b));
    // What files leave out since it follows from the rest is found all the same.
    let flows: Vec<&String> = fold.lines.iter().filter(|l| l.contains("\"event_type\":\"flow\"")).step_by(97).collect();
    let of = |line: &str, key: &str| {
        let rest = line.split_once(&format!("\"{key}\":")).unwrap().1.trim_start_matches('"');
        rest[..rest.find(['"', ',']).unwrap()].to_owned()
    };
    for line in &flows {
        for key in ["community_id", "flow_id"] {
            let q = Query { filter: Filter::is(key, of(line, key)), limit: 10_000, ..Query::default() };
            let want = fold.lines.iter().filter(|l| l.contains(&format!("\"{key}\":")) && of(l, key) == of(line, key)).count();
            assert_eq!(run(store.page(&q)).unwrap().len(), want, "{key} of {line}");
            assert_eq!(run(store.count(&q)).unwrap().values().sum::<u64>(), want as u64, "{key} of {line}");
        }
    }
    assert!(flows.len() > 10, "{}", flows.len());
}

fn report(store: &Store) {
    let u = store.usage();
    let flows: u64 = u.kinds.iter().filter(|((_, k), _)| k == "flow").map(|(_, v)| v.0).sum();
    for ((_, kind), (rows, bytes, files)) in &u.kinds {
        println!("{kind:12} {rows:9} rows {bytes:10} bytes {files:3} files {:6.1} bytes a row", *bytes as f64 / (*rows).max(1) as f64);
    }
    let internal = |k: &str| schemas().iter().any(|s| s.kind == k && s.internal);
    let seen: u64 = u.kinds.iter().filter(|((_, k), _)| !internal(k)).map(|(_, v)| v.1).sum();
    println!(
        "{:.1} bytes a flow without internal kinds, {:.1} with",
        seen as f64 / flows as f64,
        (u.bytes - u.journal_bytes) as f64 / flows as f64
    );
    let all = Query { limit: 100, ..Query::default() };
    let page = timed("newest page", || run(store.page(&all)).unwrap());
    timed("the same again", || run(store.page(&all)).unwrap());
    timed("histogram of all", || run(store.histogram(&all, 100)).unwrap());
    timed("top of src_ip", || run(store.top(&all, "src_ip", 10)).unwrap());
    let Some(id) = page.rows().map(|r| r.env().flow_id).find(|id| *id != 0) else { return };
    timed("flow", || run(store.flow(None, id)).unwrap());
    for text in ["ip:192.168.99.99", "ip:10.0.0.5", "name:www.example.org", "hash:0123456789abcdef0123456789abcdef", "user:admin"] {
        let q = Query { filter: Filter::parse(text, &schemas(), &Groups::new()).unwrap(), ..all.clone() };
        let n = timed(text, || run(store.page(&q)).unwrap()).len();
        timed(&format!("  {n} rows; histogram"), || run(store.histogram(&q, 100)).unwrap());
    }
}
