//! What goes over the link comes back: rows of every kind, at random.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::sync::Arc;
use vigie_base::{Ip, Mac, Time};
use vigie_event::{Batch, Column, Envelope, NO_TX, Record, Schema, Type, eve};
use vigie_link::{Header, decode, encode, pack, unpack};

fn schemas() -> Vec<&'static Schema> {
    let mut all = vigie_sensor::batches::schemas();
    all.extend([vigie_sensor::Stats::schema(), vigie_case::AlertEvent::schema()]);
    all
}

/// A source of choices: the same seed gives the same rows.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: u64) -> usize {
        (self.next() >> 11) as usize % n as usize
    }
    fn ip(&mut self) -> Ip {
        let b = self.next().to_be_bytes();
        if self.below(2) == 0 {
            Ip::v4([10, 0, b[0], b[1]])
        } else {
            Ip::v6([0xfe, 0x80, 0, 0, 0, 0, 0, 0, b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])
        }
    }
    fn text(&mut self) -> Vec<u8> {
        let words: [&[u8]; 6] = [b"", b"example.org", "caf\u{e9}\n".as_bytes(), b"a\xff\0\"", b"\\xff", b"GET"];
        words[self.below(6)].to_vec()
    }
}

fn fill(ty: &Type, c: &mut Column, d: &mut Dice) {
    match (ty, c) {
        (_, Column::Bool(v)) => v.push(d.below(2) == 1),
        (_, Column::U8(v)) => v.push(d.next() as u8),
        (_, Column::U16(v)) => v.push(d.next() as u16),
        (_, Column::U32(v)) => v.push(d.next() as u32),
        (_, Column::U64(v)) => v.push(d.next()),
        (_, Column::I64(v)) => v.push(d.next() as i64),
        (_, Column::F64(v)) => v.push(d.next() as i32 as f64 / 7.0),
        (_, Column::Ip(v)) => v.push(d.ip()),
        (_, Column::Mac(v)) => v.push(Mac([d.next() as u8, 2, 3, 4, 5, d.next() as u8])),
        (_, Column::Time(v)) => v.push(Time(d.next())),
        (_, Column::Bytes { ends, data }) => {
            data.extend(d.text());
            ends.push(data.len() as u32);
        }
        (Type::Opt(t), Column::Opt { rank, inner }) => {
            if d.below(2) == 0 {
                rank.push(0);
            } else {
                fill(t, inner, d);
                rank.push(inner.len() as u32);
            }
        }
        (Type::List(t), Column::List { ends, items }) => {
            let n = d.below(4);
            (0..n).for_each(|_| fill(t, items, d));
            ends.push(ends.last().copied().unwrap_or(0) + n as u32);
        }
        (Type::Group(fields), Column::Group(cols)) => fields.iter().zip(cols).for_each(|(f, c)| fill(&f.ty, c, d)),
        _ => unreachable!("a column is of its type"),
    }
}

fn random(schema: &'static Schema, rows: usize, seed: u64) -> Batch {
    let mut d = Dice(seed | 1);
    let mut env = Vec::new();
    let mut cols: Vec<_> = schema.fields.iter().map(|f| Column::new(&f.ty)).collect();
    for _ in 0..rows {
        let proto = [1, 6, 17, 58, 132, 99, 255][d.below(7)];
        let with = d.below(4) > 0;
        let vlans = d.below(4) as u8;
        env.push(Envelope {
            ts: Time(d.next()),
            flow_id: d.next() >> 11,
            seq: d.next() as u32,
            tx_id: if d.below(2) == 0 { NO_TX } else { d.below(9) as u32 },
            frame: d.below(1000) as u64,
            src: if with { d.ip() } else { Ip::default() },
            dst: if with { d.ip() } else { Ip::default() },
            src_port: d.next() as u16,
            dst_port: d.below(3) as u16,
            proto,
            ip_version: if with { [4, 6][d.below(2)] } else { 0 },
            icmp_type: d.below(3) as u8,
            icmp_code: d.below(3) as u8,
            vlan: std::array::from_fn(|i| if i < usize::from(vlans) { d.next() as u16 } else { 0 }),
            vlans,
            app_proto: ["", "dns", "http"][d.below(3)],
            tunnel: ["", "vxlan"][d.below(2)],
        });
        schema.fields.iter().zip(&mut cols).for_each(|(f, c)| fill(&f.ty, c, &mut d));
    }
    Batch::of(schema, env, cols).expect("a batch of its kind")
}

/// A column as text, with text as EVE gives it: what must not change.
fn shown(b: &Batch) -> String {
    fn text(ty: &Type, c: &mut Column) {
        match (ty, c) {
            (Type::Text, c @ Column::Bytes { .. }) => {
                let (mut ends, mut data) = (Vec::new(), Vec::new());
                for i in 0..c.len() {
                    data.extend_from_slice(vigie_base::text::lossy(c.bytes_at(i)).as_bytes());
                    ends.push(data.len() as u32);
                }
                *c = Column::Bytes { ends, data };
            }
            (Type::Opt(t), Column::Opt { inner, .. }) => text(t, inner),
            (Type::List(t), Column::List { items, .. }) => text(t, items),
            (Type::Group(fields), Column::Group(cols)) => fields.iter().zip(cols).for_each(|(f, c)| text(&f.ty, c)),
            _ => {}
        }
    }
    let mut cols = b.columns().to_vec();
    b.schema().fields.iter().zip(&mut cols).for_each(|(f, c)| text(&f.ty, c));
    format!("{:?}{cols:?}", b.envelopes())
}

fn lines(b: &Batch) -> String {
    let mut out = Vec::new();
    b.rows().for_each(|r| eve::write(r, &mut out));
    String::from_utf8(out).expect("EVE is text")
}

#[test]
fn rows_of_every_kind_come_back() {
    let mut runner = TestRunner::new(Config { cases: 24, rng_seed: RngSeed::Fixed(9), ..Config::default() });
    runner
        .run(&(any::<u64>(), 0usize..40), |(seed, rows)| {
            for s in schemas() {
                let batch = random(s, rows, seed);
                let header = Arc::new(Header { number: seed, ..Header::default() });
                let packed = pack(&batch, header.clone()).unwrap();
                prop_assert_eq!(lines(&batch), lines(&unpack(&packed.rows, s).unwrap()), "{}", s.kind);
                prop_assert_eq!(shown(&batch), shown(&unpack(&packed.rows, s).unwrap()), "{}", s.kind);
                let mut bytes = Vec::new();
                encode(&packed, &mut bytes).unwrap();
                let back = decode(&bytes, &schemas()).unwrap();
                prop_assert_eq!(&back.rows, &packed.rows);
                prop_assert_eq!(&*back.header, &*header);
                prop_assert_eq!((back.first, back.last), (packed.first, packed.last));
                // A part of a batch is a batch: what a query gives.
                if rows > 2 {
                    let part = packed.rows.slice(1, rows - 2);
                    let want: String = lines(&batch).lines().skip(1).take(rows - 2).flat_map(|l| [l, "\n"]).collect();
                    prop_assert_eq!(want, lines(&unpack(&part, s).unwrap()));
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn damaged_bytes_are_refused() {
    let all = schemas();
    let s = all.iter().find(|s| s.kind == "dns").unwrap();
    let mut bytes = Vec::new();
    encode(&pack(&random(s, 5, 3), Arc::default()).unwrap(), &mut bytes).unwrap();
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut], &all).is_err(), "cut at {cut}");
    }
    for at in (0..bytes.len()).filter(|at| !(6..8).contains(at)) {
        let mut other = bytes.clone();
        other[at] ^= 0x41;
        assert!(decode(&other, &all).is_err(), "byte {at} changed");
    }
    let mut newer = bytes.clone();
    newer[4] = 2;
    assert_eq!(decode(&newer, &all).unwrap_err().0, "batch of version 2; this program reads up to 1: update it");
}

#[test]
fn any_bytes_are_borne() {
    let all = schemas();
    let s = all.iter().find(|s| s.kind == "tls").unwrap();
    let mut body = Vec::new();
    encode(&pack(&random(s, 5, 3), Arc::default()).unwrap(), &mut body).unwrap();
    let body = zstd::bulk::decompress(&body[16..], 1 << 20).unwrap();
    let mut d = Dice(77);
    for _ in 0..3000 {
        let mut forged = body.clone();
        for _ in 0..=d.below(3) {
            let at = d.below(forged.len() as u64);
            forged[at] = d.next() as u8;
        }
        vigie_link::fuzz(&forged, &all);
    }
}
