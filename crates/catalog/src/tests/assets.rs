use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const MAC: [u8; 6] = [0, 0, 0, 1, 2, 3];

fn known(c: &Catalog, id: u64) -> Known {
    c.asset(id, None).unwrap().unwrap().known.unwrap()
}

fn ids(c: &Catalog) -> BTreeSet<u64> {
    let page = c.assets(&AssetFilter { limit: 1000, ..AssetFilter::default() }).unwrap();
    page.rows.iter().map(|r| r.id).collect()
}

#[test]
fn an_address_that_shows_its_device_is_absorbed_in_either_order() {
    let by_ip = asset(100, None, &[("10.0.0.5", 1000, 2000)], None);
    let by_mac = asset(200, Some(MAC), &[("10.0.0.5", 5000, 6000)], Some("pc5"));
    let mut told = Vec::new();
    for order in [[&by_ip, &by_mac], [&by_mac, &by_ip]] {
        let c = catalog();
        for a in order {
            keep(&c, &[], std::slice::from_ref(a), 10);
        }
        let old = c.asset(100, None).unwrap().unwrap();
        assert_eq!((old.row.id, old.aliases.as_slice(), ids(&c)), (200, [100].as_slice(), BTreeSet::from([200])));
        assert_eq!((known(&c, 200).first, known(&c, 200).addresses.len(), known(&c, 200).services[0].flows()), (t(1000), 1, 20));
        assert_eq!(keep(&c, &[], &[by_ip.clone(), by_mac.clone()], 11), Changes::default());
        told.push(known(&c, 200));
    }
    assert_eq!(told[0], told[1]);
    // Weeks later it may be anyone's.
    let c = catalog();
    keep(&c, &[], &[by_ip, asset(200, Some(MAC), &[("10.0.0.5", 30 * DAY, 31 * DAY)], None)], 10);
    assert_eq!(ids(&c), BTreeSet::from([100, 200]));
}

#[test]
fn a_device_that_changes_address_stays_one_and_the_address_is_anothers() {
    let c = catalog();
    let one = asset(1, Some(MAC), &[("10.0.0.5", 0, DAY)], None);
    let moved = asset(1, Some(MAC), &[("10.0.0.6", 3 * DAY, 4 * DAY)], None);
    let two = asset(2, Some([0, 0, 0, 1, 2, 4]), &[("10.0.0.5", 3 * DAY, 4 * DAY)], None);
    keep(&c, &[], &[one], 1);
    keep(&c, &[], &[moved, two], 2);
    let at = |day: u64| c.machine("replay", None, Some(ip("10.0.0.5")), t(day * DAY)).unwrap().map(|m| m.id);
    assert_eq!((at(0), at(1), at(3), at(9)), (Some(1), Some(1), Some(2), Some(2)));
    assert_eq!(c.machine("replay", None, Some(ip("10.9.9.9")), t(0)).unwrap(), None);
    let view = c.asset(1, None).unwrap().unwrap();
    assert_eq!((view.known.unwrap().addresses.len(), view.row.ip, view.shared.len()), (2, Some(ip("10.0.0.6")), 0));
    assert_eq!(c.names_of("replay", &[ip("10.0.0.6"), ip("10.7.7.7")], t(4 * DAY)).unwrap().len(), 1);
    let by_mac = c.machine("replay", Some(Mac(MAC)), Some(ip("10.9.9.9")), t(0)).unwrap().unwrap();
    assert_eq!((by_mac.id, by_mac.mac), (1, Some(Mac(MAC))));
    assert_eq!(by_mac.name, c.asset(1, Some("replay")).unwrap().unwrap().row.name);
    assert_eq!(c.machine("replay", Some(Mac([9; 6])), Some(ip("10.0.0.5")), t(0)).unwrap(), None);
}

#[test]
fn two_devices_at_one_address_at_one_time_are_said() {
    let c = catalog();
    let a = asset(1, Some(MAC), &[("10.0.0.5", 100, 300)], Some("a"));
    let b = asset(2, Some([0, 0, 0, 1, 2, 4]), &[("10.0.0.5", 200, 400)], Some("b"));
    keep(&c, &[], &[a, b], 1);
    let shared = c.asset(1, None).unwrap().unwrap().shared;
    assert_eq!(shared, [Shared { ip: ip("10.0.0.5"), with: 2, name: "b".into(), first: t(200), last: t(300) }]);
}

#[test]
fn behind_a_router_a_name_follows_its_device() {
    let before = asset(9, None, &[("10.5.0.5", 0, DAY)], Some("laptop.example"));
    let after = asset(4, None, &[("10.5.0.9", 2 * DAY, 3 * DAY)], Some("laptop.example"));
    for order in [[&before, &after], [&after, &before]] {
        let c = catalog();
        for a in order {
            keep(&c, &[], std::slice::from_ref(a), 1);
        }
        assert_eq!((ids(&c), c.asset(4, None).unwrap().unwrap().row.id), (BTreeSet::from([9]), 9));
    }
    // At the same time they are two.
    let c = catalog();
    keep(&c, &[], &[before, asset(4, None, &[("10.5.0.9", 0, DAY)], Some("laptop.example"))], 1);
    assert_eq!(ids(&c).len(), 2);
}

#[test]
fn lists_filter_and_count() {
    let c = catalog();
    let assets: Vec<Asset> = (1..=30u8)
        .map(|i| {
            let name = format!("pc{i:02}");
            let mut a =
                asset(u64::from(i), Some([0, 0, 0, 1, 2, i]), &[(&format!("10.0.{}.{i}", i % 2), 1000, 1000 + u64::from(i))], Some(&name));
            a.class = if i <= 10 { "printer" } else { "server" };
            a.os = (i % 3 == 0).then_some("Linux");
            a
        })
        .collect();
    keep(&c, &[], &assets, 1);
    let f = AssetFilter { limit: 7, ..AssetFilter::default() };
    let count = |f: AssetFilter| c.assets(&f).unwrap().total;
    assert_eq!(count(AssetFilter { classes: vec!["printer".into()], ..f.clone() }), 10);
    assert_eq!(count(AssetFilter { os: vec![String::new()], vendors: vec!["Xerox".into()], ..f.clone() }), 20);
    assert_eq!(count(AssetFilter { roles: vec!["ssh".into(), "dns".into()], ..f.clone() }), 30);
    assert_eq!(count(AssetFilter { services: vec!["tcp/22".into()], ..f.clone() }), 30);
    assert_eq!(count(AssetFilter { services: vec!["telnet".into()], ..f.clone() }), 0);
    assert_eq!(count(AssetFilter { net: "10.0.1.0/24".parse().ok(), ..f.clone() }), 15);
    assert_eq!(count(AssetFilter { seen_since: Some(t(1021)), ..f.clone() }), 10);
    assert_eq!(count(AssetFilter { text: Some("xerox pc1".into()), ..f.clone() }), 10);
    assert_eq!(count(AssetFilter { text: Some("00:00:00:01:02:1e".into()), ..f.clone() }), 1);
    // Part of an address finds all that begin so; a whole one that one only.
    assert_eq!(count(AssetFilter { text: Some("10.0.1".into()), ..f.clone() }), 15);
    assert_eq!(count(AssetFilter { text: Some("10.0.1.1".into()), ..f.clone() }), 1);
    assert_eq!(count(AssetFilter { text: Some("10.0.1.100".into()), ..f.clone() }), 0);
    let facets = c.asset_facets(&AssetFilter { classes: vec!["printer".into()], ..f.clone() }).unwrap();
    assert_eq!(facets.class, [("server".into(), 20), ("printer".into(), 10)], "a facet is not narrowed by itself");
    assert_eq!(facets.os, [(String::new(), 7), ("Linux".into(), 3)]);
    use AssetSort::*;
    for sort in [LastSeen, FirstSeen, Name, Ip, Class, Vendor, Os, Peers] {
        for descending in [true, false] {
            let (mut all, mut cursor) = (BTreeSet::new(), None);
            for _ in 0..5 {
                let page = c.assets(&AssetFilter { sort, descending, cursor, ..f.clone() }).unwrap();
                all.extend(page.rows.iter().map(|r| r.id));
                cursor = page.next;
            }
            assert_eq!((all.len(), cursor), (30, None), "{sort:?}");
        }
    }
}

#[test]
fn what_comes_to_a_known_network_is_new() {
    let c = catalog();
    let old = asset(1, Some(MAC), &[("10.0.0.5", 0, 2 * DAY)], None);
    let mut more = old.clone();
    more.services.push(ServiceView {
        port: 23,
        app_proto: "telnet",
        first_seen: t(2 * DAY),
        last_seen: t(2 * DAY),
        ..more.services[0].clone()
    });
    let new = asset(2, Some([0, 0, 0, 1, 2, 4]), &[("10.0.0.6", 2 * DAY, 3 * DAY)], None);
    let elsewhere = asset(3, Some([0, 0, 0, 1, 2, 5]), &[("10.0.9.6", 2 * DAY, 3 * DAY)], None);
    assert_eq!(keep(&c, &[], &[old], 1).news, 0, "at first everything is as it is");
    let pairs = [Pair { client: ip("10.0.0.5"), server: ip("10.0.0.6"), first: t(2 * DAY) }];
    let assets = [more, new, elsewhere];
    let changes = c.keep("replay", &Kept { assets: &assets, pairs: &pairs, ..Kept::default() }, t(2)).unwrap();
    assert_eq!(changes.news, 4);
    let f = NewsFilter { limit: 100, ..NewsFilter::default() };
    let told: BTreeSet<_> = c.news(&f).unwrap().rows.into_iter().map(|n| (n.asset, n.kind.name(), n.key)).collect();
    let want = [(1, "peer", "10.0.0.6"), (1, "protocol", "telnet"), (1, "service", "tcp/23"), (2, "device", "")];
    assert_eq!(told, want.map(|w| (w.0, w.1, w.2.to_owned())).into());
    assert_eq!(c.news_counts(&f).unwrap(), [1, 1, 1, 1]);
    let late = NewsFilter { dataset: Some("replay".into()), since: Some(t(3 * DAY)), ..NewsFilter::default() };
    assert_eq!(c.news_counts(&late).unwrap(), [0; 4]);
    // Asked for a time, all that was first seen in it is told, and whether its network was known.
    let first = NewsFilter { while_learning: true, until: Some(t(DAY)), ..f.clone() };
    let rows = c.news(&first).unwrap().rows;
    assert!(rows.iter().any(|n| n.kind == NewsKind::Device && n.asset == 1) && rows.iter().all(|n| n.learning), "{rows:?}");
    assert_eq!(c.news_counts(&first).unwrap().iter().sum::<u64>(), rows.len() as u64);
    let both = c.news(&NewsFilter { while_learning: true, ..f.clone() }).unwrap().rows;
    let known: BTreeSet<_> = both.into_iter().filter(|n| !n.learning).map(|n| (n.asset, n.kind.name(), n.key)).collect();
    assert_eq!(known, told);
    let marked: Vec<_> = c.assets(&AssetFilter { limit: 9, new_since: Some(t(DAY)), ..AssetFilter::default() }).unwrap().rows;
    assert_eq!(marked.iter().map(|r| (r.id, r.is_new, r.is_learnt)).collect::<Vec<_>>(), [(2, true, true)]);
    // Whatever the size of its pages, the list is the same.
    let whole: Vec<_> = c.news(&f).unwrap().rows;
    for limit in 1..5 {
        let (mut all, mut cursor) = (Vec::new(), None);
        for _ in 0..6 {
            let page = c.news(&NewsFilter { limit, cursor, ..f.clone() }).unwrap();
            assert_eq!(page.total, 4);
            all.extend(page.rows);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(all, whole);
    }
    assert!(c.news(&NewsFilter { cursor: Some("i1_i2".into()), ..f.clone() }).is_err());
    c.set_setting("baseline.known_after_hours", &json!(72), None, "jo", t(3)).unwrap();
    assert_eq!(c.news(&f).unwrap().total, 0);
}

#[test]
fn what_is_declared_is_compared_with_what_is_seen() {
    let c = catalog();
    let seen = [
        asset(1, Some(MAC), &[("10.0.0.5", 0, DAY)], Some("pc5.example")),
        asset(2, None, &[("10.0.0.6", 0, DAY)], None),
        asset(3, None, &[("10.0.0.7", 0, DAY)], Some("srv7")),
    ];
    keep(&c, &[], &seen, 1);
    let csv = "\u{feff}name;mac;ip;class;owner;criticality\r\n\
               pc5;00-00-00-01-02-03;10.0.0.50;printer;\"Jo; Al\";high\r\n\
               ;;10.0.0.6;;;\r\n\
               SRV7;;;server;;\r\n\
               ghost;;10.0.0.99;;;low\r\n\
               bad;zz;;;;\r\n\
               ;;;server;;\r\n\
               x;;;servre;;\r\n";
    let done = c.import_declared("replay", csv, false, "jo", t(1)).unwrap();
    assert_eq!((done.added, done.changed, done.same, done.errors.len()), (4, 0, 0, 3), "{done:?}");
    assert!(done.errors[0].0 == 6 && done.errors[2].1.to_string().contains("did you mean \"server\""), "{done:?}");
    assert_eq!(c.import_declared("replay", csv, false, "jo", t(2)).unwrap().same, 4);
    let view = c.asset(1, None).unwrap().unwrap();
    assert_eq!(view.row.declared.as_ref().unwrap().owner, "Jo; Al");
    let fields: Vec<_> = view.differences.iter().map(|d| (d.field, d.declared.as_str(), d.observed.as_str())).collect();
    assert_eq!(fields, [("ip", "10.0.0.50", "10.0.0.5"), ("class", "printer", "server")]);
    let all = c.compare_declared("replay").unwrap();
    assert_eq!((all.declared, all.undeclared, all.unseen.len(), all.unseen[0].name.as_str()), (4, 0, 1, "ghost"));
    assert_eq!(all.different.iter().map(|d| d.0).collect::<Vec<_>>(), [1]);
    let done = c.import_declared("replay", "ip,name\n10.0.0.6,six\n", true, "jo", t(3)).unwrap();
    assert_eq!((done.changed, c.declared("replay").unwrap().len()), (1, 1));
    for bad in ["", "colour\nred\n", "owner\nJo\n", "nmae\nx\n"] {
        assert!(c.import_declared("replay", bad, false, "jo", t(4)).is_err(), "{bad:?}");
    }
}

#[test]
fn what_is_old_is_forgotten() {
    let c = catalog();
    let assets: Vec<Asset> = (1..=5).map(|i| asset(i, None, &[(&format!("10.0.0.{i}"), i * DAY, i * DAY)], None)).collect();
    let cases: Vec<Case> = (1..=5).map(|i| case(vec![alert(&format!("10.0.0.{i}"), i * DAY, 3)])).collect();
    keep(&c, &cases, &assets, 1);
    let shut = CaseChange { state: Some(State::Closed), verdict: Some(Verdict::Test), ..CaseChange::default() };
    c.change_case(&cases[4].id, None, &shut, "jo", t(2)).unwrap();
    assert_eq!(c.write(|db| crate::keep::forget(db, 1, [3, 10, 4])).unwrap(), 3, "a closed case, the oldest case, the oldest asset");
    let left: BTreeSet<_> = c.open_cases("replay").unwrap().iter().map(|c| c.first.secs() / DAY).collect();
    assert_eq!((left, ids(&c)), ([2, 3, 4].into(), [2, 3, 4, 5].into()));
    assert_eq!(c.forget("replay", t(4 * DAY)).unwrap(), 2, "assets; open cases stay");
    let alerts: u64 = c.read().query_row("SELECT count(*) FROM alert", [], |r| r.get(0)).unwrap();
    assert_eq!(alerts, 3);
}

/// One run that saw the device for some hours of its own days.
fn run(day: u64) -> impl Strategy<Value = Asset> {
    let ports = prop::collection::vec((0..4u16, 0..100u64, 0..3usize), 0..4);
    let names = prop::collection::vec(0..4usize, 0..3);
    (1..20u64, ports, names, 0..4u8, 0..3usize, 0..3usize, 0..50u64).prop_map(move |(hours, ports, names, host, class, os, peers)| {
        let (first, last) = (day * DAY, day * DAY + hours * 3600);
        let mut a = asset(5, Some(MAC), &[(&format!("10.0.0.{host}"), first, last)], None);
        a.class = ["unknown", "server", "printer"][class];
        a.os = [None, Some("Linux"), Some("Windows")][os];
        a.peers = peers;
        a.names = names.iter().map(|n| ["pc", "PC", "srv", "x"][*n].to_owned()).collect();
        a.names.dedup();
        let s = a.services[0].clone();
        a.services = ports
            .iter()
            .map(|(port, flows, app)| ServiceView { port: *port, flows: *flows, app_proto: ["", "ssh", "http"][*app], ..s.clone() })
            .collect();
        a.services.dedup_by_key(|s| s.port);
        a.facts[..].iter_mut().for_each(|f| f.confidence = 50 + host);
        a
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_order_of_runs_does_not_matter_and_twice_is_once(runs in (run(1), run(3), run(5)), order in Just([0, 1, 2]).prop_shuffle()) {
        let runs = [runs.0, runs.1, runs.2];
        let (straight, shuffled) = (catalog(), catalog());
        for i in 0..3 {
            keep(&straight, &[], &runs[i..=i], 1);
            keep(&straight, &[], &runs[i..=i], 1);
            keep(&shuffled, &[], &runs[order[i]..=order[i]], 1);
        }
        prop_assert_eq!(keep(&straight, &[], &runs, 2), Changes::default());
        prop_assert_eq!(known(&straight, 5), known(&shuffled, 5));
        let news = |c: &Catalog| {
            let rows = c.news(&NewsFilter { limit: 100, ..NewsFilter::default() }).unwrap().rows;
            rows.into_iter().map(|n| (n.kind, n.key, n.first)).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(news(&straight), news(&shuffled));
    }

    #[test]
    fn no_table_panics(csv in "(name|ip|mac|[;,\"\n\r a-f0-9:.é]){0,40}") {
        let _ = crate::csv::declared(&csv);
        let _ = crate::csv::declared(&format!("name,ip,mac\n{csv}"));
    }
}

#[test]
fn what_an_earlier_version_kept_as_text_is_read() {
    let c = catalog();
    keep(&c, &[], &[asset(200, Some(MAC), &[("10.0.0.5", 5000, 6000)], Some("pc5"))], 10);
    let now = known(&c, 200);
    let data = serde_json::to_string(&now).unwrap();
    let held: Vec<u8> = c.read().query_row("SELECT data FROM asset_data", [], |r| r.get(0)).unwrap();
    assert!(held.len() < data.len(), "{} bytes of {}", held.len(), data.len());
    c.write(|db| Ok(db.execute("UPDATE asset_data SET data = ?1", [&data])?)).unwrap();
    assert_eq!(known(&c, 200), now);
    // So does what version 6 wrote.
    let plain = zstd::bulk::compress(data.as_bytes(), 3).unwrap();
    assert!(held.len() < plain.len() * 2 / 3, "{} bytes of {}", held.len(), plain.len());
    c.write(|db| Ok(db.execute("UPDATE asset_data SET data = ?1", [&plain])?)).unwrap();
    assert_eq!(known(&c, 200), now);
    // What is neither is said of the asset, and spoils no list.
    c.write(|db| Ok(db.execute("UPDATE asset_data SET data = x'00ff'", [])?)).unwrap();
    assert!(c.asset(200, None).unwrap().unwrap().known.unwrap_err().contains("cannot be told"));
    assert_eq!(ids(&c), BTreeSet::from([200]));
}
