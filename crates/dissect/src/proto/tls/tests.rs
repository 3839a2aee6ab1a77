use crate::replay::{replay, shared};
use crate::testing::get;
use std::collections::BTreeMap;

/// The value at `path` without quotes.
fn text(line: &str, path: &str) -> String {
    get(line, path).trim_matches('"').to_owned()
}

fn of_kind(lines: Vec<String>, kind: &str) -> Vec<String> {
    lines.into_iter().filter(|l| text(l, "event_type") == kind).collect()
}

#[test]
fn every_label_of_ja4_is_matched() {
    let (Some(labels), Some(captures)) = (shared("data/labels/ja4.tsv"), shared("data/captures")) else { return };
    let table = std::fs::read_to_string(labels).expect("labels read");
    let mut files: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for row in table.lines().skip(1) {
        let row: Vec<&str> = row.split('\t').collect();
        files.entry(row[0]).or_default().push(row);
    }
    let mut wrong = Vec::new();
    for (file, rows) in files {
        let lines = of_kind(replay(captures.join(file)), "tls");
        for row in rows {
            let ip = |s: &str| s.parse::<std::net::IpAddr>().expect("an address");
            let of_flow = |l: &&String| {
                ip(&text(l, "src_ip")) == ip(row[1]) && text(l, "src_port") == row[2] && ip(&text(l, "dest_ip")) == ip(row[3]) && text(l, "dest_port") == row[4]
            };
            let got: Vec<String> = lines.iter().filter(of_flow).flat_map(|l| [text(l, "tls.ja4"), text(l, "vigie.ja4_second")]).collect();
            if !got.iter().any(|g| g == row[5]) {
                wrong.push(format!("{row:?}: {got:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
