//! A batch byte for byte, between two processes of one machine: quick to write and to read, and nothing of it is changed on the way.
//!
//! ```text
//! kind: u8 length, bytes   rows u32   words: u16 how many, each u8 length, bytes
//! envelopes, a row each: ts u64  flow_id u64  seq u32  tx_id u32  frame u64  src 16  dst 16  ports 2 u16  proto, ip_version, icmp 4 u8
//!                        vlan 3 u16  vlans u8  app_proto, tunnel 2 u16 (places among the words)
//! columns in the order of declaration: numbers of fixed size; texts as the end of each u32, then their bytes; what may be absent as a u8
//!                        a row, then those that are there; lists as the end of each u32, then their items; groups field by field
//! ```
//!
//! Numbers are little-endian. What is read may come from anybody: any bytes give rows of the kind, or an error.

use crate::Error;
use crate::unpack::intern;
use vigie_base::{Ip, Mac, Time};
use vigie_event::{Batch, Column, Envelope, Schema, Type};

/// Bytes of an envelope.
const ENVELOPE: usize = 83;

/// Appends a batch to `out`.
pub(crate) fn write(batch: &Batch, out: &mut Vec<u8>) -> Result<(), Error> {
    let name = |text: &str, out: &mut Vec<u8>| -> Result<(), Error> {
        out.push(u8::try_from(text.len()).map_err(|_| Error(format!("a word of {} bytes", text.len())))?);
        out.extend_from_slice(text.as_bytes());
        Ok(())
    };
    name(batch.schema().kind, out)?;
    let rows = u32::try_from(batch.len()).map_err(|_| Error(format!("a batch of {} rows", batch.len())))?;
    out.extend_from_slice(&rows.to_le_bytes());
    let mut words: Vec<&'static str> = Vec::new();
    let mut place = |word: &'static str| match words.iter().position(|w| std::ptr::eq(*w, word)) {
        Some(at) => at as u16,
        None => {
            words.push(word);
            (words.len() - 1) as u16
        }
    };
    let places: Vec<[u16; 2]> = batch.envelopes().iter().map(|e| [place(e.app_proto), place(e.tunnel)]).collect();
    let count = u16::try_from(words.len()).map_err(|_| Error(format!("{} words in one batch", words.len())))?;
    out.extend_from_slice(&count.to_le_bytes());
    words.iter().try_for_each(|w| name(w, out))?;
    out.reserve(batch.len() * ENVELOPE);
    for (e, places) in batch.envelopes().iter().zip(places) {
        envelope(e, places, out);
    }
    batch.columns().iter().for_each(|c| column(c, out));
    Ok(())
}

fn envelope(e: &Envelope, words: [u16; 2], out: &mut Vec<u8>) {
    let mut row = [0; ENVELOPE];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        row[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&e.ts.0.to_le_bytes());
    put(&e.flow_id.to_le_bytes());
    put(&e.seq.to_le_bytes());
    put(&e.tx_id.to_le_bytes());
    put(&e.frame.to_le_bytes());
    put(&e.src.0);
    put(&e.dst.0);
    put(&e.src_port.to_le_bytes());
    put(&e.dst_port.to_le_bytes());
    put(&[e.proto, e.ip_version, e.icmp_type, e.icmp_code]);
    e.vlan.iter().for_each(|v| put(&v.to_le_bytes()));
    put(&[e.vlans]);
    words.iter().for_each(|w| put(&w.to_le_bytes()));
    out.extend_from_slice(&row);
}

/// Numbers of fixed size, one behind the other.
fn fixed<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N], out: &mut Vec<u8>) {
    let at = out.len();
    out.resize(at + values.len() * N, 0);
    out[at..].chunks_exact_mut(N).zip(values).for_each(|(to, v)| to.copy_from_slice(&bytes(*v)));
}

fn column(c: &Column, out: &mut Vec<u8>) {
    match c {
        Column::Bool(v) => fixed(v, |b| [u8::from(b)], out),
        Column::U8(v) => out.extend_from_slice(v),
        Column::U16(v) => fixed(v, u16::to_le_bytes, out),
        Column::U32(v) => fixed(v, u32::to_le_bytes, out),
        Column::U64(v) => fixed(v, u64::to_le_bytes, out),
        Column::I64(v) => fixed(v, i64::to_le_bytes, out),
        Column::F64(v) => fixed(v, f64::to_le_bytes, out),
        Column::Ip(v) => fixed(v, |ip| ip.0, out),
        Column::Mac(v) => fixed(v, |mac| mac.0, out),
        Column::Time(v) => fixed(v, |t| t.0.to_le_bytes(), out),
        Column::Bytes { ends, data } => {
            fixed(ends, u32::to_le_bytes, out);
            out.extend_from_slice(data);
        }
        Column::Opt { rank, inner } => {
            fixed(rank, |r| [u8::from(r > 0)], out);
            column(inner, out);
        }
        Column::List { ends, items } => {
            fixed(ends, u32::to_le_bytes, out);
            column(items, out);
        }
        Column::Group(columns) => columns.iter().for_each(|c| column(c, out)),
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.0.split_at_checked(n).ok_or_else(|| Error("rows: cut short".into()))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| Error("rows: cut short".into()))
    }

    fn word(&mut self) -> Result<&'a str, Error> {
        let [length] = self.array()?;
        std::str::from_utf8(self.take(length.into())?).map_err(|_| Error("rows: a word that is no text".into()))
    }

    /// So many numbers of fixed size.
    fn fixed<T, const N: usize>(&mut self, rows: usize, value: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Error> {
        let bytes = self.take(rows.checked_mul(N).ok_or_else(|| Error("rows: too many".into()))?)?;
        Ok(bytes.as_chunks::<N>().0.iter().map(|b| value(*b)).collect())
    }

    /// Where each of so many rows ends, and the last of them.
    fn ends(&mut self, rows: usize) -> Result<(Vec<u32>, usize), Error> {
        let ends = self.fixed(rows, u32::from_le_bytes)?;
        if !ends.is_sorted() {
            return Err(Error("rows: one ends before it begins".into()));
        }
        let last = ends.last().map_or(0, |e| *e as usize);
        Ok((ends, last))
    }

    fn envelope(&mut self, words: &[&'static str]) -> Result<Envelope, Error> {
        let mut c = Cursor(self.take(ENVELOPE)?);
        let ts = Time(u64::from_le_bytes(c.array()?));
        let flow_id = u64::from_le_bytes(c.array()?);
        let (seq, tx_id) = (u32::from_le_bytes(c.array()?), u32::from_le_bytes(c.array()?));
        let frame = u64::from_le_bytes(c.array()?);
        let (src, dst) = (Ip(c.array()?), Ip(c.array()?));
        let (src_port, dst_port) = (u16::from_le_bytes(c.array()?), u16::from_le_bytes(c.array()?));
        let [proto, ip_version, icmp_type, icmp_code] = c.array()?;
        let mut vlan = [0; 3];
        for id in &mut vlan {
            *id = u16::from_le_bytes(c.array()?);
        }
        let [vlans] = c.array()?;
        let mut word = || -> Result<&'static str, Error> {
            let at = u16::from_le_bytes(c.array()?);
            words.get(usize::from(at)).copied().ok_or_else(|| Error("rows: a word that is not there".into()))
        };
        let (app_proto, tunnel) = (word()?, word()?);
        let vlans = vlans.min(3);
        Ok(Envelope {
            ts,
            flow_id,
            seq,
            tx_id,
            frame,
            src,
            dst,
            src_port,
            dst_port,
            proto,
            ip_version,
            icmp_type,
            icmp_code,
            vlan,
            vlans,
            app_proto,
            tunnel,
        })
    }

    /// A column of a type with so many rows. What is made of it is at most some times as large as what was read.
    fn column(&mut self, ty: &Type, rows: usize) -> Result<Column, Error> {
        Ok(match ty {
            Type::Bool | Type::Flag => Column::Bool(self.fixed(rows, |[b]| b != 0)?),
            Type::U8 => Column::U8(self.take(rows)?.to_vec()),
            Type::U16 => Column::U16(self.fixed(rows, u16::from_le_bytes)?),
            Type::U32 => Column::U32(self.fixed(rows, u32::from_le_bytes)?),
            Type::U64 => Column::U64(self.fixed(rows, u64::from_le_bytes)?),
            Type::I64 => Column::I64(self.fixed(rows, i64::from_le_bytes)?),
            Type::F64 => Column::F64(self.fixed(rows, f64::from_le_bytes)?),
            Type::Ip => Column::Ip(self.fixed(rows, Ip)?),
            Type::Mac => Column::Mac(self.fixed(rows, Mac)?),
            Type::Time => Column::Time(self.fixed(rows, |b| Time(u64::from_le_bytes(b)))?),
            Type::Text | Type::Hex => {
                let (ends, bytes) = self.ends(rows)?;
                Column::Bytes { ends, data: self.take(bytes)?.to_vec() }
            }
            Type::Opt(ty) => {
                let mut there = 0;
                let rank = self.fixed(rows, |[b]| b)?.into_iter().map(|b| {
                    there += u32::from(b != 0);
                    // A group without fields has no rows to count.
                    if b == 0 {
                        0
                    } else if is_rowless(ty) {
                        1
                    } else {
                        there
                    }
                });
                let rank = rank.collect();
                Column::Opt { rank, inner: Box::new(self.column(ty, there as usize)?) }
            }
            Type::List(ty) => {
                let (ends, items) = self.ends(rows)?;
                if items > 0 && is_rowless(ty) {
                    return Err(Error("rows: items of nothing".into()));
                }
                Column::List { ends, items: Box::new(self.column(ty, items)?) }
            }
            Type::Group(fields) => Column::Group(fields.iter().map(|f| self.column(&f.ty, rows)).collect::<Result<_, _>>()?),
        })
    }
}

/// Whether a type has no value to hold: a group without fields.
fn is_rowless(ty: &Type) -> bool {
    matches!(ty, Type::Group(fields) if fields.iter().all(|f| is_rowless(&f.ty)))
}

/// The batch that [`write`] made `bytes` of, of one of the kinds of `schemas`.
pub(crate) fn read(bytes: &[u8], schemas: &[&'static Schema]) -> Result<Batch, Error> {
    let mut c = Cursor(bytes);
    let kind = c.word()?;
    let schema = schemas.iter().find(|s| s.kind == kind).copied().ok_or_else(|| Error(format!("rows of unknown kind {kind:?}")))?;
    let rows = u32::from_le_bytes(c.array()?) as usize;
    let count = u16::from_le_bytes(c.array()?);
    let words: Vec<&'static str> = (0..count).map(|_| c.word().map(intern)).collect::<Result<_, _>>()?;
    if rows > c.0.len() / ENVELOPE {
        return Err(Error("rows: cut short".into()));
    }
    let env: Vec<Envelope> = (0..rows).map(|_| c.envelope(&words)).collect::<Result<_, _>>()?;
    let columns = schema.fields.iter().map(|f| c.column(&f.ty, rows)).collect::<Result<_, _>>()?;
    if !c.0.is_empty() {
        return Err(Error("rows: more than said".into()));
    }
    Batch::of(schema, env, columns).ok_or_else(|| Error(format!("{}: columns of different lengths", schema.kind)))
}
