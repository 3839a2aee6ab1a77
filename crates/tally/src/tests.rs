//! What is kept of files gives what their rows give.

use super::*;
use arrow::array::{DictionaryArray, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::{Field, Schema};
use vigie_base::{Ip, NetSet};

/// Some flows of a made-up network, of an hour of its life.
fn flows(columns: &[&str], hour: u64) -> Rows {
    let n = 500u64;
    let text = |of: &dyn Fn(u64) -> Option<String>| -> ArrayRef {
        Arc::new((0..n).map(of).collect::<Vec<_>>().iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
    };
    let number = |of: &dyn Fn(u64) -> u64| -> ArrayRef { Arc::new((0..n).map(of).collect::<UInt64Array>()) };
    let mix = move |i: u64, m: u64| (i * 7919 + hour * 104_729) % m;
    let arrays = columns.iter().map(|c| match *c {
        "ts" => {
            Arc::new(TimestampMicrosecondArray::from_iter_values((0..n).map(|i| ((hour * 3600 + i * 7) * 1_000_000) as i64))) as ArrayRef
        }
        "src_ip" => text(&|i| (mix(i, 31) != 0).then(|| format!("10.0.{}.{}", mix(i, 3), mix(i, 11)))),
        "dest_ip" => text(&|i| Some(if mix(i, 5) == 0 { format!("2001:db8::{}", mix(i, 9)) } else { format!("10.1.0.{}", mix(i, 17)) })),
        "app_proto" => text(&|i| [None, Some("tls"), Some("dns"), Some("failed")][mix(i, 4) as usize].map(str::to_owned)),
        "proto" => text(&|i| Some(["TCP", "UDP"][mix(i, 2) as usize].to_owned())),
        "pkts_toclient" => number(&|i| mix(i, 3)),
        _ => number(&|i| mix(i, 1000)),
    });
    let arrays: Vec<ArrayRef> = arrays.collect();
    let fields: Vec<Field> = columns.iter().zip(&arrays).map(|(c, a)| Field::new(*c, a.data_type().clone(), true)).collect();
    Rows(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap())
}

/// The same rows at once, in threads that are joined, and through what is kept of each file.
fn three_ways<F: Fold, T: PartialEq + std::fmt::Debug>(columns: &[&str], make: impl Fn() -> F, told: impl Fn(&F) -> T) {
    let (mut straight, mut joined, mut kept) = (make(), make(), make());
    for hour in 0..6 {
        let rows = flows(columns, hour);
        straight.rows(&rows);
        let mut one = make();
        one.rows(&rows);
        let bytes = one.keep().unwrap();
        kept.take(&bytes).unwrap();
        // What was cut short is read to its end, whatever comes of it.
        (0..bytes.len()).step_by(97).for_each(|n| _ = make().take(&bytes[..n]));
        joined.join(one);
    }
    assert_eq!(told(&straight), told(&joined));
    assert_eq!(told(&straight), told(&kept));
    // And what was kept can be kept again.
    let mut again = make();
    again.take(&kept.keep().unwrap()).unwrap();
    assert_eq!(told(&straight), told(&again));
}

#[test]
fn what_is_kept_is_what_the_rows_give() {
    let home = || Arc::new("10.0.0.0/15".parse::<NetSet>().unwrap());
    for (step, first, bars) in [(3600, 0, 6), (300, 6, 50), (7200, 1, 2), (86_400, 0, 1), (1800, 0, 12)] {
        three_ways(
            &Traffic::COLUMNS,
            || Traffic::new(step, first, bars, home()),
            |t| {
                let apps: Vec<_> = t.protocols().into_iter().map(|(app, sum)| (app.to_owned(), sum)).collect();
                (t.bars(), apps, t.all, t.blind)
            },
        );
    }
    let naming = Naming { name: "third".into(), of: Arc::new(|ip: Ip| ip.to_v4().map_or("v6".into(), |v4| format!("{}", v4[2]))) };
    for only in [None, Some("dns".to_owned())] {
        three_ways(
            &Between::COLUMNS,
            || Between::new(naming.clone(), only.clone()),
            |b| {
                let mut cells: Vec<_> =
                    b.each().map(|((f, t, a), s)| (f.to_owned(), t.to_owned(), a.to_owned(), s.flows, s.bytes)).collect();
                cells.sort();
                (cells, b.members(), b.partial)
            },
        );
    }
    for column in ["src_ip", "app_proto", "bytes_toserver"] {
        three_ways(&[column], Counts::default, |c| {
            let mut all: Vec<_> = c.each().filter(|c| c.1 > 0).collect();
            all.sort();
            all
        });
    }
}

#[test]
fn groups_are_counted() {
    let naming = Naming { name: "all".into(), of: Arc::new(|_| "all".into()) };
    let mut b = Between::new(naming, None);
    let rows = flows(&Between::COLUMNS, 3);
    b.rows(&rows);
    let mut words = Words::default();
    let (src, dst) = (words.column(&rows, 0), words.column(&rows, 1));
    let met: std::collections::BTreeSet<u32> = src.iter().zip(&dst).filter(|(s, _)| **s != NONE).flat_map(|(s, d)| [*s, *d]).collect();
    assert_eq!(b.members(), [("all".to_owned(), met.len() as u64)].into());
    let told: u64 = b.each().map(|c| c.1.flows).sum();
    assert_eq!(told, src.iter().filter(|s| **s != NONE).count() as u64);
}
