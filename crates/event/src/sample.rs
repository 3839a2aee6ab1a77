//! Rows at random, drawn from a kind's declaration: what tests and benchmarks of those who keep or send events run on.

use crate::batch::Batch;
use crate::column::Column;
use crate::envelope::{Envelope, NO_TX};
use crate::schema::{Schema, Type};
use vigie_base::{Ip, Mac, Time};

/// A source of choices (xorshift): the same seed gives the same choices.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From any seed.
    pub fn new(seed: u64) -> Self {
        Dice(vigie_base::hash::Stable::default().word(seed).finish() | 1)
    }

    /// 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0 to `n` - 1; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.word() >> 11) as usize % n.max(1)
    }

    /// One of a few hundred addresses of both families.
    pub fn ip(&mut self) -> Ip {
        let host = self.below(200) as u8;
        match self.below(4) {
            0 => Ip::v6([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0xff, 0xfe, 0, 0, host]),
            1 => Ip::v4([192, 0, 2, host]),
            _ => Ip::v4([10, 0, 0, host]),
        }
    }

    /// One of a few texts, some of them no UTF-8, quoted or empty.
    pub fn text(&mut self) -> Vec<u8> {
        let words: [&[u8]; 8] =
            [b"", b"www.example.org", b"10.0.0.7", "caf\u{e9}\n".as_bytes(), b"a\xff\0\"", b"\\xff", b"GET", b"Mail.Example.ORG"];
        words[self.below(8)].to_vec()
    }
}

/// Rows of a kind; `time` gives each row's time.
pub fn batch(schema: &'static Schema, rows: usize, dice: &mut Dice, mut time: impl FnMut(&mut Dice) -> Time) -> Batch {
    let mut env = Vec::with_capacity(rows);
    let mut cols: Vec<_> = schema.fields.iter().map(|f| Column::new(&f.ty)).collect();
    for _ in 0..rows {
        let ts = time(dice);
        env.push(envelope(dice, ts));
        schema.fields.iter().zip(&mut cols).for_each(|(f, c)| fill(&f.ty, c, dice));
    }
    Batch::of(schema, env, cols).unwrap_or_else(|| Batch::new(schema))
}

fn envelope(d: &mut Dice, ts: Time) -> Envelope {
    let with = d.below(4) > 0;
    let vlans = d.below(4) as u8;
    Envelope {
        ts,
        flow_id: d.word() >> 11,
        seq: d.word() as u32,
        tx_id: if d.below(2) == 0 { NO_TX } else { d.below(9) as u32 },
        frame: d.below(1000) as u64,
        src: if with { d.ip() } else { Ip::default() },
        dst: if with { d.ip() } else { Ip::default() },
        src_port: d.word() as u16,
        dst_port: [53, 80, 443][d.below(3)],
        proto: [1, 6, 17, 58, 132, 99, 255][d.below(7)],
        ip_version: if with { [4, 6][d.below(2)] } else { 0 },
        icmp_type: d.below(3) as u8,
        icmp_code: d.below(3) as u8,
        vlan: std::array::from_fn(|i| if i < usize::from(vlans) { d.below(4096) as u16 } else { 0 }),
        vlans,
        app_proto: ["", "dns", "http"][d.below(3)],
        tunnel: ["", "vxlan"][d.below(2)],
    }
}

fn fill(ty: &Type, c: &mut Column, d: &mut Dice) {
    match (ty, c) {
        (_, Column::Bool(v)) => v.push(d.below(2) == 1),
        (_, Column::U8(v)) => v.push(d.word() as u8),
        (_, Column::U16(v)) => v.push(d.word() as u16),
        (_, Column::U32(v)) => v.push(d.word() as u32),
        (_, Column::U64(v)) => v.push(d.word() >> d.below(64)),
        (_, Column::I64(v)) => v.push(d.word() as i64),
        (_, Column::F64(v)) => v.push(f64::from(d.word() as i32) / 7.0),
        (_, Column::Ip(v)) => v.push(d.ip()),
        (_, Column::Mac(v)) => v.push(Mac([2, 0, 0, 0, 0, d.below(50) as u8])),
        (_, Column::Time(v)) => v.push(Time(d.word())),
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
        _ => {}
    }
}
