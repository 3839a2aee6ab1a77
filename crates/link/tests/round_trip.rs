//! What goes over the link comes back: rows of every kind, at random.

use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use vigie_base::Time;
use vigie_event::sample::{self, Dice};
use vigie_event::{Batch, Column, Record, Schema, Type, eve};
use vigie_link::{Header, Limits, Packer, decode, encode, layout, pack, unpack};

fn random(schema: &'static Schema, rows: usize, seed: u64) -> Batch {
    sample::batch(schema, rows, &mut Dice::new(seed), |d| Time(d.word()))
}

fn schemas() -> Vec<&'static Schema> {
    let mut all = vigie_sensor::batches::schemas();
    all.push(vigie_sensor::Stats::schema());
    all
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
fn without_columns_that_tell_nothing_rows_are_the_same() {
    let mut left_out = 0;
    for seed in 0..200 {
        for s in schemas() {
            // Few rows: much is absent in all of them.
            let batch = random(s, 1 + seed as usize % 3, seed);
            let packed = pack(&batch, Arc::default()).unwrap();
            let telling = layout(s).telling(&packed.rows);
            let kept: Vec<usize> = (0..telling.len()).filter(|i| telling[*i]).collect();
            left_out += telling.len() - kept.len();
            let rows = packed.rows.project(&kept).unwrap();
            assert_eq!(lines(&batch), lines(&unpack(&rows, s).unwrap()), "{} of seed {seed}", s.kind);
            // Put together with rows that have all columns, the missing ones are null.
            let columns = packed.rows.schema();
            let nulls = columns.fields().iter().enumerate().map(|(i, f)| match telling[i] {
                true => packed.rows.column(i).clone(),
                false => arrow::array::new_null_array(f.data_type(), batch.len()),
            });
            let fields: Vec<_> = columns.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
            let rows = RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), nulls.collect()).unwrap();
            assert_eq!(lines(&batch), lines(&unpack(&rows, s).unwrap()), "{} of seed {seed}, with nulls", s.kind);
        }
    }
    assert!(left_out > 10_000, "{left_out}");
}

#[test]
fn rows_of_every_kind_come_back() {
    for seed in 0..24 {
        let rows = Dice::new(seed).below(40);
        for s in schemas() {
            let what = format!("{} rows of {}, seed {seed}", rows, s.kind);
            let batch = random(s, rows, seed);
            let header = Arc::new(Header { number: seed, ..Header::default() });
            let packed = pack(&batch, header.clone()).unwrap();
            assert_eq!(lines(&batch), lines(&unpack(&packed.rows, s).unwrap()), "{what}");
            assert_eq!(shown(&batch), shown(&unpack(&packed.rows, s).unwrap()), "{what}");
            let mut bytes = Vec::new();
            encode(&packed, &mut bytes).unwrap();
            let back = decode(&bytes, &schemas()).unwrap();
            assert_eq!(back.rows, packed.rows, "{what}");
            assert_eq!(*back.header, *header);
            assert_eq!((back.first, back.last), (packed.first, packed.last));
            // A part of a batch is a batch: what a query gives.
            if rows > 2 {
                let part = packed.rows.slice(1, rows - 2);
                let want: String = lines(&batch).lines().skip(1).take(rows - 2).flat_map(|l| [l, "\n"]).collect();
                assert_eq!(want, lines(&unpack(&part, s).unwrap()), "{what}");
            }
        }
    }
}

/// Rows given one by one come out in batches, all of them, in order and numbered; none is open longer than told.
#[test]
fn the_packer_closes_by_rows_and_by_time() {
    let all = schemas();
    let mut d = Dice::new(4);
    let mut now = 0;
    let batches: Vec<Batch> = all
        .iter()
        .map(|s| {
            sample::batch(s, 60, &mut d, |d| {
                now += d.below(40_000_000) as u64;
                Time(now)
            })
        })
        .collect();
    let limits = Limits { rows: 25, ..Limits::LIVE };
    let mut packer = Packer::new(Header::default(), limits);
    batches.iter().flat_map(Batch::rows).for_each(|r| packer.row(r).unwrap());
    packer.finish().unwrap();
    let out = packer.take();
    assert!(out.iter().map(|p| p.header.number).eq(1..=out.len() as u64));
    for p in &out {
        assert!(p.rows.num_rows() <= 25 && p.last.since(p.first) <= limits.age, "{} {:?}", p.schema.kind, p.last.since(p.first));
    }
    for b in &batches {
        let mine = out.iter().filter(|p| std::ptr::eq(p.schema, b.schema()));
        let got: String = mine.map(|p| lines(&unpack(&p.rows, p.schema).unwrap())).collect();
        assert_eq!(got, lines(b));
    }
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
    let mut d = Dice::new(77);
    for _ in 0..3000 {
        let mut forged = body.clone();
        for _ in 0..=d.below(3) {
            let at = d.below(forged.len());
            forged[at] = d.word() as u8;
        }
        vigie_link::fuzz(&forged, &all);
    }
}
