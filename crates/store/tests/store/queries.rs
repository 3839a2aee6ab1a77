//! What queries give, beside a loop over all rows in memory.

use crate::common::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vigie_base::{Cidr, Ip, Time};
use vigie_event::{Batch, Row};
use vigie_flow::record::FlowEndRow;
use vigie_store::{Filter, Groups, Order, Query, SqlLimits, Store, fields};
use vigie_tally::{Between, Fold, NONE, Naming, Pairs, Rows, Words};

const KINDS: [&str; 6] = ["flow", "dns", "http", "tls", "arp", "login"];

struct Setting {
    _dir: Dir,
    store: Store,
    batches: Vec<(Batch, &'static str)>,
}

/// Rows of six kinds in two datasets: some in files, some merged, some in the journal.
fn setting(name: &str) -> Setting {
    let dir = Dir::new(name);
    let store = open(&dir.0);
    let mut batches = Vec::new();
    let mut number = 0;
    for round in 0..6u64 {
        for (k, kind) in KINDS.iter().enumerate() {
            number += 1;
            let batch = rows(kind, 40, round * 10 + k as u64, DAY + round * 200_000_000_000);
            let dataset = if round == 3 { "other" } else { "replay" };
            assert_eq!(store.append(&[packed(&batch, dataset, number)]).unwrap(), 1);
            batches.push((batch, dataset));
        }
        if round < 5 {
            store.flush().unwrap();
        }
        if round == 3 {
            while store.maintain(Time(DAY)).unwrap().more {}
        }
    }
    Setting { _dir: dir, store, batches }
}

impl Setting {
    /// All rows for which `f` holds, newest first.
    fn expected(&self, f: impl Fn(&Value, Row<'_>, &str) -> bool) -> Vec<String> {
        let mut all: Vec<_> = self
            .batches
            .iter()
            .flat_map(|(b, d)| b.rows().map(move |r| (r, *d)))
            .filter(|(r, d)| f(&serde_json::from_str(&line(*r)).unwrap(), *r, d))
            .map(|(r, d)| ((r.env().ts, r.env().flow_id, r.env().seq, r.schema().kind, d), line(r)))
            .collect();
        all.sort_by(|a, b| b.0.cmp(&a.0));
        all.into_iter().map(|(_, l)| l).collect()
    }
}

fn every() -> Query {
    Query { kinds: KINDS.map(str::to_owned).to_vec(), limit: 10_000, ..Query::default() }
}

fn text_is<'v>(v: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut at = vec![v];
    for part in path.split('.') {
        at = at
            .into_iter()
            .flat_map(|v| match v {
                Value::Array(a) => a.iter().collect(),
                v => vec![v],
            })
            .filter_map(|v| v.get(part))
            .collect();
    }
    at.into_iter()
        .flat_map(|v| match v {
            Value::Array(a) => a.iter().collect(),
            v => vec![v],
        })
        .collect()
}

#[test]
fn filters_give_what_a_loop_gives() {
    let s = setting("filters");
    fn ip(v: &Value, path: &str, of: impl Fn(Ip) -> bool) -> bool {
        text_is(v, path).iter().any(|v| v.as_str().and_then(|t| t.parse().ok()).is_some_and(&of))
    }
    fn words(v: &Value, path: &str, f: impl Fn(&str) -> bool) -> bool {
        text_is(v, path).iter().any(|v| v.as_str().is_some_and(&f))
    }
    fn number(v: &Value, path: &str, f: impl Fn(u64) -> bool) -> bool {
        text_is(v, path).iter().any(|v| v.as_u64().is_some_and(&f))
    }
    let ten: Cidr = "10.0.0.0/25".parse().unwrap();
    type Naive = Box<dyn Fn(&Value, Row<'_>) -> bool>;
    let cases: Vec<(&str, Naive)> = vec![
        ("", Box::new(|_, _| true)),
        ("src_ip:10.0.0.7", Box::new(|_, r| r.env().ip_version != 0 && r.env().src == Ip::v4([10, 0, 0, 7]))),
        (
            "src_ip:10.0.0.0/25 -dest_port:443",
            Box::new(move |_, r| r.env().ip_version != 0 && ten.contains(r.env().src) && r.env().dst_port != 443),
        ),
        (
            "dns.queries.rrname:*.EXAMPLE.org",
            Box::new(|v, _| words(v, "dns.queries.rrname", |t| t.to_lowercase().ends_with(".example.org"))),
        ),
        (
            "dns.rrname:www.example.org",
            Box::new(|v, _| {
                words(v, "dns.queries.rrname", |t| t == "www.example.org")
                    || words(v, "dns.answers.rrname", |t| t == "www.example.org")
                    || words(v, "dns.authorities.rrname", |t| t == "www.example.org")
                    || words(v, "dns.additionals.rrname", |t| t == "www.example.org")
            }),
        ),
        (
            "flow.bytes_toserver>1000 flow.age<=200",
            Box::new(|v, _| number(v, "flow.bytes_toserver", |n| n > 1000) && number(v, "flow.age", |n| n <= 200)),
        ),
        ("(proto:udp or proto:ICMP) event_type:flow", Box::new(|_, r| matches!(r.env().proto, 17 | 1) && r.schema().kind == "flow")),
        ("not (event_type:dns or event_type:http)", Box::new(|_, r| !matches!(r.schema().kind, "dns" | "http"))),
        ("tls.sni:\"www.example.org\"", Box::new(|v, _| words(v, "tls.sni", |t| t == "www.example.org"))),
        ("http.status:>=5", Box::new(|_, _| false)),
        ("http.status>=5", Box::new(|v, _| number(v, "http.status", |n| n >= 5))),
        ("tcp.syn:true", Box::new(|v, _| text_is(v, "tcp.syn").iter().any(|v| **v == Value::Bool(true)))),
        ("arp.src_ip:10.0.0.3", Box::new(|v, _| ip(v, "arp.src_ip", |i| i == Ip::v4([10, 0, 0, 3])))),
        (
            "mac:02:00:00:00:00:07",
            Box::new(|v, _| {
                ["arp.src_mac", "arp.dest_mac", "vigie.frame_mac", "vigie.client_mac", "vigie.server_mac"]
                    .iter()
                    .any(|p| words(v, p, |t| t == "02:00:00:00:00:07"))
            }),
        ),
        ("flow_id:0", Box::new(|_, r| r.env().flow_id == 0)),
        (
            "user:GET",
            Box::new(|v, r| {
                r.schema().kind == "login" && r.schema().fields.iter().any(|f| f.name == "user") && {
                    let _ = v;
                    let (c, at) = r.columns();
                    let i = r.schema().fields.iter().position(|f| f.name == "user").unwrap();
                    c[i].present_at(at).is_some_and(|(c, at)| c.bytes_at(at) == b"GET")
                }
            }),
        ),
    ];
    let mut some = 0;
    for (text, plain) in &cases {
        let filter = match Filter::parse(text, &schemas(), &Groups::new()) {
            Ok(f) => f,
            Err(e) => {
                assert_eq!(*text, "http.status:>=5", "{text}: {e}");
                continue;
            }
        };
        let q = Query { filter, ..every() };
        let want = s.expected(|v, r, _| plain(v, r));
        some += usize::from(!want.is_empty());
        let got = run(s.store.page(&q)).unwrap();
        assert_eq!(lines(&got), want, "{text}");
        assert_eq!(run(s.store.count(&q)).unwrap().values().sum::<u64>(), want.len() as u64, "{text}");
        let bars = run(s.store.histogram(&q, 7)).unwrap();
        assert_eq!(bars.iter().flat_map(|b| b.counts.values()).sum::<u64>(), want.len() as u64, "{text}");
    }
    assert!(some >= 12, "the filters mean something: {some}");
}

#[test]
fn pages_follow_one_another_in_both_orders() {
    let s = setting("pages");
    let newest = s.expected(|_, _, _| true);
    for (order, limit) in [(Order::Newest, 1000), (Order::Newest, 37), (Order::Oldest, 50)] {
        let mut q = Query { limit, order, ..every() };
        let mut got = Vec::new();
        loop {
            let page = run(s.store.page(&q)).unwrap();
            assert!(page.len() <= limit);
            got.extend(lines(&page));
            q.cursor = page.next.clone();
            if q.cursor.is_none() {
                break;
            }
            assert_eq!(page.len(), limit);
        }
        if order == Order::Oldest {
            got.reverse();
        }
        assert_eq!(got, newest, "{order:?} by {limit}");
    }
}

#[test]
fn time_and_dataset_bound_a_query() {
    let s = setting("bounds");
    let (from, to) = (Time(DAY + 250_000_000_000), Time(DAY + 700_000_000_000));
    let q = Query { from: Some(from), to: Some(to), dataset: Some("replay".to_owned()), ..every() };
    let want = s.expected(|_, r, d| (from..to).contains(&r.env().ts) && d == "replay");
    assert!(!want.is_empty());
    assert_eq!(lines(&run(s.store.page(&q)).unwrap()), want);
    assert_eq!(run(s.store.count(&q)).unwrap().values().sum::<u64>(), want.len() as u64);
    // Kinds for Vigie's own use are read when asked for, and not otherwise.
    let all = run(s.store.count(&Query { limit: 1, ..Query::default() })).unwrap();
    assert!(!all.contains_key("login") && all.contains_key("flow"));
}

#[test]
fn tops_count_every_value() {
    let s = setting("tops");
    let mut want: BTreeMap<String, u64> = BTreeMap::new();
    for (b, _) in &s.batches {
        b.rows().filter(|r| r.env().ip_version != 0).for_each(|r| *want.entry(r.env().src.to_string()).or_default() += 1);
    }
    let top = run(s.store.top(&every(), "src_ip", 5)).unwrap();
    let mut sorted: Vec<_> = want.iter().map(|(k, v)| (k.clone(), *v)).collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    assert_eq!(top.values, sorted[..5]);
    assert_eq!(top.distinct, sorted.len() as u64);
    assert_eq!(top.other, sorted[5..].iter().map(|v| v.1).sum::<u64>());
    let kinds = run(s.store.top(&every(), "event_type", 9)).unwrap();
    assert!(kinds.values.iter().all(|(_, n)| *n == 240));
    let names = run(s.store.top(&every(), "dns.queries.rrname", 20)).unwrap();
    let all: Vec<Value> = s.expected(|_, r, _| r.schema().kind == "dns").iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    let count: usize = all.iter().map(|v| text_is(v, "dns.queries.rrname").len()).sum();
    assert_eq!(names.values.iter().map(|v| v.1).sum::<u64>() + names.other, count as u64);
    assert!(run(s.store.top(&every(), "no.such", 5)).is_err());
}

/// What pivots ask for is read in a way of its own: it agrees with the same question asked so that the general way is taken.
#[test]
fn a_pivot_is_counted_as_any_filter_is() {
    let s = setting("pivots");
    let whole = |text: &str| Query { filter: Filter::parse(text, &schemas(), &Groups::new()).unwrap(), ..every() };
    for text in
        ["ip:10.0.0.7", "src_ip:10.0.0.7 dest_ip:10.0.0.9", "name:www.example.org", "dns.queries.rrname:www.example.org", "ip:203.0.113.77"]
    {
        for tail in [true, false] {
            if !tail {
                s.store.flush().unwrap();
            }
            let (pivot, general) = (whole(text), whole(&format!("not (not ({text}))")));
            assert_eq!(run(s.store.count(&pivot)).unwrap(), run(s.store.count(&general)).unwrap(), "{text}");
            assert_eq!(run(s.store.histogram(&pivot, 7)).unwrap(), run(s.store.histogram(&general, 7)).unwrap(), "{text}");
            for field in ["event_type", "src_ip", "dest_port", "dns.queries.rrname", "flow_id"] {
                let (a, b) = (run(s.store.top(&pivot, field, 5)).unwrap(), run(s.store.top(&general, field, 5)).unwrap());
                assert_eq!(a, b, "{text}: {field}");
            }
        }
    }
}

/// Of a large file a page looks at the near end first: what comes often, what comes seldom, from either end, page after page.
#[test]
fn pages_of_a_large_file_are_those_of_a_loop() {
    let dir = Dir::new("large");
    let store = open(&dir.0);
    let batches: Vec<Batch> = (0..4).map(|i| rows("arp", 36_000, 77 + i, DAY + i * 100_000_000_000_000)).collect();
    for (i, b) in batches.iter().enumerate() {
        store.append(&[packed(b, "replay", i as u64 + 1)]).unwrap();
    }
    store.flush().unwrap();
    let mut rows: Vec<Row<'_>> = batches.iter().flat_map(Batch::rows).collect();
    rows.sort_by_key(|r| (r.env().ts, r.env().flow_id, r.env().seq));
    let seldom = rows[rows.len() / 3].env().flow_id;
    for text in ["", "src_ip:10.0.0.7", &format!("flow_id:{seldom}")] {
        let keep = |r: &Row<'_>| match text {
            "" => true,
            t if t.starts_with("src") => r.env().ip_version != 0 && r.env().src == Ip::v4([10, 0, 0, 7]),
            _ => r.env().flow_id == seldom,
        };
        for order in [Order::Newest, Order::Oldest] {
            let mut want: Vec<String> = rows.iter().filter(|r| keep(r)).map(|r| line(*r)).collect();
            if order == Order::Newest {
                want.reverse();
            }
            want.truncate(120);
            let filter = store.filter(text).unwrap();
            let mut q = Query { kinds: vec!["arp".to_owned()], filter, limit: 40, order, ..Query::default() };
            let mut got = Vec::new();
            for _ in 0..3 {
                let page = run(store.page(&q)).unwrap();
                got.extend(lines(&page));
                q.cursor = page.next;
                if q.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(got, want, "{text} {order:?}");
        }
    }
}

#[derive(Default)]
struct Sums {
    words: Words,
    by_caller: BTreeMap<String, (u64, u64)>,
}

impl Fold for Sums {
    fn rows(&mut self, rows: &Rows) {
        let bytes = rows.numbers(1);
        for (n, bytes) in self.words.column(rows, 0).into_iter().zip(bytes) {
            let word = if n == NONE { String::new() } else { self.words.word(n).to_owned() };
            let sum = self.by_caller.entry(word).or_default();
            *sum = (sum.0 + 1, sum.1.wrapping_add(bytes));
        }
    }

    fn join(&mut self, other: Self) {
        for (word, (n, bytes)) in other.by_caller {
            let sum = self.by_caller.entry(word).or_default();
            *sum = (sum.0 + n, sum.1.wrapping_add(bytes));
        }
    }
}

#[test]
fn folds_see_each_row_once() {
    let s = setting("folds");
    // All of it, and times that cut files and the journal in two.
    for (from, to) in
        [(0, 2000), (250, 700), (620, 1010), (399, 401)].map(|(a, b)| (Time(DAY + a * 1_000_000_000), Time(DAY + b * 1_000_000_000)))
    {
        let q = Query { from: Some(from), to: Some(to), dataset: Some("replay".to_owned()), ..Query::default() };
        let got = run(s.store.fold(&q, "flow", &["src_ip", "bytes_toserver"], Sums::default)).unwrap();
        let mut want: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (b, _) in s.batches.iter().filter(|(b, d)| b.schema().kind == "flow" && *d == "replay") {
            for r in b.rows().filter(|r| (from..to).contains(&r.env().ts)) {
                let flow = FlowEndRow::of(r).unwrap();
                let word = if r.env().ip_version == 0 { String::new() } else { r.env().src.to_string() };
                let sum = want.entry(word).or_default();
                *sum = (sum.0 + 1, sum.1.wrapping_add(flow.bytes_toserver()));
            }
        }
        assert_eq!(got.by_caller, want, "{from} to {to}");
        let bars = run(s.store.histogram(&Query { kinds: vec!["flow".to_owned()], ..q.clone() }, 7)).unwrap();
        assert_eq!(bars.iter().flat_map(|b| b.counts.values()).sum::<u64>(), want.values().map(|v| v.0).sum::<u64>());
    }
    assert!(run(s.store.fold(&Query::default(), "flow", &["no_such"], Sums::default)).is_err());
}

/// Reads all rows, and not only where the addresses are.
struct Unasked(Pairs);

impl Fold for Unasked {
    fn rows(&mut self, rows: &Rows) {
        self.0.rows(rows);
    }
    fn join(&mut self, other: Self) {
        self.0.join(other.0);
    }
}

#[test]
fn sums_of_files_are_kept_and_agree_with_the_rows() {
    let s = setting("kept");
    let spans = [(0, 2000), (250, 700), (620, 1010), (399, 401)];
    let within = |(from, to): (u64, u64)| Query {
        from: Some(Time(DAY + from * 1_000_000_000)),
        to: Some(Time(DAY + to * 1_000_000_000)),
        dataset: Some("replay".to_owned()),
        ..Query::default()
    };
    let naming = || Naming { name: "last byte".into(), of: Arc::new(|ip: Ip| (ip.0[15] % 5).to_string()) };
    let told = |q: &Query| {
        let found = run(s.store.fold(q, "flow", &Between::COLUMNS, || Between::new(naming(), None))).unwrap();
        let mut cells: Vec<_> =
            found.each().map(|((a, b, c), sum)| (a.to_owned(), b.to_owned(), c.to_owned(), sum.flows, sum.bytes)).collect();
        cells.sort();
        (cells, found.members())
    };
    // Asked twice, and again when files are merged: the second answer comes of what was kept.
    for merged in [false, true] {
        if merged {
            s.store.flush().unwrap();
            while s.store.maintain(Time(DAY)).unwrap().more {}
        }
        for span in spans {
            let q = within(span);
            let first = told(&q);
            assert_eq!(told(&q), first, "{span:?}");
            let rows = s.batches.iter().filter(|(b, d)| b.schema().kind == "flow" && *d == "replay").flat_map(|(b, _)| b.rows());
            let rows: Vec<_> = rows.filter(|r| (q.from.unwrap()..q.to.unwrap()).contains(&r.env().ts) && r.env().ip_version != 0).collect();
            let mut want: BTreeMap<(String, String, String), (u64, u64)> = BTreeMap::new();
            for r in &rows {
                let (env, flow) = (r.env(), FlowEndRow::of(*r).unwrap());
                let app = serde_json::from_str::<Value>(&line(*r)).unwrap()["app_proto"].as_str().unwrap_or_default().to_owned();
                let sum = want.entry(((naming().of)(env.src), (naming().of)(env.dst), app)).or_default();
                let bytes = flow.bytes_toserver().saturating_add(flow.bytes_toclient());
                *sum = (sum.0 + 1, sum.1.saturating_add(bytes));
            }
            let want: Vec<_> = want.into_iter().map(|((a, b, c), (flows, bytes))| (a, b, c, flows, bytes)).collect();
            assert_eq!(first.0, want, "{span:?}");
            let ends: BTreeSet<Ip> = rows.iter().flat_map(|r| [r.env().src, r.env().dst]).collect();
            assert_eq!(first.1.values().sum::<u64>(), ends.len() as u64, "{span:?}");
            // Files that are read only where an address is give what reading all of them does.
            let some = Arc::new(ends.iter().step_by(3).map(ToString::to_string).collect::<Vec<_>>());
            let all = run(s.store.fold(&q, "flow", &Pairs::COLUMNS, || Unasked(Pairs::new(Some(Arc::clone(&some)))))).unwrap();
            let few = run(s.store.fold(&q, "flow", &Pairs::COLUMNS, || Pairs::new(Some(Arc::clone(&some))))).unwrap();
            assert_eq!(few.ordered(usize::MAX), all.0.ordered(usize::MAX), "{span:?}");
            let top = run(s.store.top(&Query { kinds: vec!["flow".to_owned()], ..q.clone() }, "src_ip", 1000)).unwrap();
            let again = run(s.store.top(&Query { kinds: vec!["flow".to_owned()], ..q.clone() }, "src_ip", 1000)).unwrap();
            assert_eq!(top, again);
            assert_eq!(top.values.iter().map(|v| v.1).sum::<u64>(), rows.len() as u64);
        }
    }
}

#[test]
fn sql_reads_and_only_reads() {
    let s = setting("sql");
    let sql = |t: &str| run(s.store.sql(t, SqlLimits { rows: 1000 }));
    let n =
        s.batches.iter().flat_map(|(b, _)| b.rows()).filter(|r| r.schema().kind == "dns" && r.env().src == Ip::v4([10, 0, 0, 7])).count();
    let rows = sql("SELECT src_ip, queries_rrname, dataset FROM dns WHERE src_ip = '10.0.0.7'").unwrap();
    assert_eq!(rows.batches.iter().map(|b| b.num_rows()).sum::<usize>(), n);
    for t in [
        "SELECT event_type, count(*) FROM events GROUP BY event_type",
        "SELECT count(*) FROM flow WHERE in_network(src_ip, '10.0.0.0/8') AND ts > '2026-11-25T00:00:00Z'",
        "SELECT d.ts, f.bytes_toserver FROM dns d JOIN flow f ON d.flow_id = f.flow_id LIMIT 3",
        "SELECT src_ip, rcode FROM dns WHERE array_has(queries_rrname, 'www.example.org') ORDER BY ts DESC LIMIT 5",
    ] {
        assert!(sql(t).is_ok(), "{t}: {}", sql(t).unwrap_err());
    }
    assert!(sql("SELECT ts FROM events").unwrap().cut);
    for t in [
        "CREATE TABLE x AS SELECT 1",
        "DROP TABLE dns",
        "INSERT INTO dns SELECT * FROM dns",
        "COPY dns TO '/tmp/x.parquet'",
        "CREATE EXTERNAL TABLE p STORED AS PARQUET LOCATION '/etc'",
        "SET datafusion.execution.batch_size = 1",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM nothing",
        "SELECT",
    ] {
        let e = sql(t).expect_err(t).to_string();
        assert!(!e.is_empty(), "{t}");
    }
}

#[test]
fn a_flow_is_told_whole() {
    let s = setting("flow");
    let (b, _) = &s.batches[1];
    let id = b.row(3).env().flow_id;
    let page = run(s.store.flow(None, id)).unwrap();
    let want = s.expected(|_, r, _| r.env().flow_id == id);
    assert_eq!(lines(&page), want.into_iter().rev().collect::<Vec<_>>());
}

/// The parser bears any text; what it takes can be asked.
#[test]
fn filters_of_any_text_are_borne() {
    let all = schemas();
    let pieces = [
        "src_ip",
        "dns.rrname",
        ":",
        "10.0.0.1",
        "/8",
        "-",
        "(",
        ")",
        " ",
        "or",
        "and",
        "not",
        "\"",
        "\\",
        ">",
        ">=",
        "<",
        "5",
        "*",
        "é",
        "flow.age",
        "ip",
        "true",
        "x.y",
        "proto",
        "tcp",
        "timestamp",
        "2026-11-25",
    ];
    let mut d = vigie_event::sample::Dice::new(5);
    let (mut good, mut bad) = (0, 0);
    let s = setting("anytext");
    for i in 0..4000 {
        let text: String = (0..d.below(12)).map(|_| pieces[d.below(pieces.len())]).collect();
        match Filter::parse(&text, &all, &Groups::new()) {
            Ok(filter) => {
                good += 1;
                if i % 40 == 0 {
                    run(s.store.count(&Query { filter, ..every() })).unwrap_or_else(|e| panic!("{text}: {e}"));
                }
            }
            Err(e) => {
                bad += 1;
                assert!(e.offset <= text.len() && text.is_char_boundary(e.offset), "{text}: {e:?}");
            }
        }
    }
    assert!(good > 300 && bad > 300, "{good} {bad}");
    let deep = "(".repeat(100_000);
    assert!(Filter::parse(&deep, &all, &Groups::new()).is_err());
    assert!(Filter::parse(&"a ".repeat(9_000), &all, &Groups::new()).is_err());
    // However often denied, it is one term.
    assert!(matches!(Filter::parse(&"-".repeat(9_000), &all, &Groups::new()), Ok(Filter::Not(_) | Filter::Term(_))));
    fn sent<T: Send>(_: T) {}
    sent((s.store.page(&every()), s.store.count(&every()), s.store.histogram(&every(), 3)));
    sent((s.store.top(&every(), "proto", 3), s.store.sql("SELECT 1", SqlLimits { rows: 1 }), s.store.flow(None, 1)));
    let e = Filter::parse("dns.rcod:NXDOMAIN", &all, &Groups::new()).unwrap_err();
    assert_eq!((e.offset, e.nearest.as_deref()), (0, Some("dns.rcode")));
    assert_eq!(Filter::parse("dest_port:https", &all, &Groups::new()).unwrap_err().to_string(), "at character 11: dest_port is a number");
    assert!(fields(&all).iter().any(|f| f.name == "dns.queries.rrname" && f.list));
}

/// A query that looks at more than allowed is refused with its estimate; one that is dropped stops.
#[test]
fn queries_are_bounded_and_end_when_dropped() {
    let s = setting("limits");
    drop(s.store.clone());
    let dir = s._dir.0.clone();
    let Setting { store, _dir, .. } = s;
    drop(store);
    let options = vigie_store::Options { scan_rows_max: 100, ..Default::default() };
    let (store, _) = Store::open(&dir, schemas(), options).unwrap();
    let e = run(store.page(&every())).unwrap_err().to_string();
    assert!(e.contains("would look at") && e.contains("most is 100"), "{e}");
    let e = run(store.sql("SELECT count(src_ip) FROM flow", SqlLimits { rows: 10 })).unwrap_err().to_string();
    assert!(e.contains("would look at"), "{e}");
    let some = Query { filter: Filter::is("src_ip", "10.0.0.7"), ..every() };
    run(async {
        let count = store.count(&some);
        futures::future::select(Box::pin(count), std::future::ready(())).await;
    });
    assert!(run(store.page(&Query { limit: 0, ..every() })).is_err());
}

#[test]
fn a_group_is_asked_for_by_its_name() {
    let dir = Dir::new("groups");
    let store = open(&dir.0);
    store.append(&[packed(&rows("flow", 500, 3, DAY), "replay", 1)]).unwrap();
    let count = |text: &str| {
        let q = Query { filter: store.filter(text).unwrap(), limit: 1, ..Query::default() };
        run(store.count(&q)).unwrap().values().sum::<u64>()
    };
    assert!(store.filter("src_ip:offices").unwrap_err().to_string().contains("the name of a group"));
    store.set_groups(Groups::from([
        ("offices".to_owned(), "10.0.0.0/8".parse().unwrap()),
        ("the rest".to_owned(), "!10.0.0.0/8".parse().unwrap()),
    ]));
    let inside = count("src_ip:offices");
    assert_eq!(inside, count("src_ip:10.0.0.0/8"));
    assert!(inside > 0 && inside < 500);
    assert_eq!(inside + count("src_ip:\"the rest\""), count("src_ip:0.0.0.0/0 or src_ip:\"::/0\""));
    assert_eq!(count("ip:offices"), count("ip:10.0.0.0/8"));
    let sql = |text: &str| run(store.sql(text, SqlLimits { rows: 10 })).map(|r| r.text(vigie_store::Form::Csv));
    let counted = sql("SELECT count(*) AS n FROM flow WHERE in_network(src_ip, 'offices')").unwrap();
    assert_eq!(counted.split_whitespace().last(), Some(inside.to_string().as_str()), "{counted}");
    assert!(sql("SELECT count(*) FROM flow WHERE in_network(src_ip, 'nowhere')").unwrap_err().to_string().contains("group"));
}
