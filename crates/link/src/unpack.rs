//! From Arrow columns back to event columns.

use crate::layout::{Layout, Node};
use crate::{Error, layout};
use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float64Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::record_batch::RecordBatch;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use vigie_base::{Ip, Mac, Time};
use vigie_event::{Batch, Column, Envelope, NO_TX, Schema, Type, proto_number};

/// Words that [`intern`] keeps; after those, unknown words are given as `unknown`.
const WORDS_MAX: usize = 4096;
/// Longest word that [`intern`] keeps, in bytes.
const WORD_MAX: usize = 64;

/// A word of a small vocabulary (protocols, tunnels) that lives as long as the process. Bounded: `unknown` for what is too long or too many.
pub fn intern(word: &str) -> &'static str {
    static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(w) = words.get(word) {
        return w;
    }
    if word.is_empty() {
        return "";
    }
    if words.len() >= WORDS_MAX || word.len() > WORD_MAX {
        return "unknown";
    }
    let kept: &'static str = Box::leak(word.to_owned().into_boxed_str());
    words.insert(kept);
    kept
}

/// The rows of a record batch as event rows of their kind: the inverse of [`crate::pack`], but that text that was no UTF-8 stays in the
/// form that EVE gives it. Columns are found by name; one that lacks gives absent, empty or zero (an older file), one too many is left.
/// A column of another type than declared is an error.
pub fn unpack(rows: &RecordBatch, schema: &'static Schema) -> Result<Batch, Error> {
    let l = layout(schema);
    let env = envelope(rows)?;
    let mut columns = Vec::with_capacity(l.leaves.len());
    for leaf in &l.leaves {
        let c = rows.column_by_name(&leaf.column).cloned();
        if let Some(c) = &c
            && *c.data_type() != leaf.arrow_type()
        {
            return Err(wrong(&leaf.column, c.data_type(), &leaf.arrow_type()));
        }
        columns.push(c);
    }
    let all: Vec<u32> = (0..env.len() as u32).collect();
    let cols = l.nodes.iter().zip(schema.fields).map(|(n, f)| node(&l, n, &f.ty, 0, &columns, &all)).collect::<Result<_, _>>()?;
    Batch::of(schema, env, cols).ok_or_else(|| Error(format!("{}: columns of different lengths", schema.kind)))
}

fn wrong(name: &str, found: &DataType, expected: &DataType) -> Error {
    Error(format!("column {name} is {found}, not {expected}"))
}

fn envelope(rows: &RecordBatch) -> Result<Vec<Envelope>, Error> {
    let mut env = vec![Envelope::default(); rows.num_rows()];
    fn numbers<T: ArrowPrimitiveType>(
        rows: &RecordBatch,
        name: &str,
        env: &mut [Envelope],
        set: impl Fn(&mut Envelope, T::Native),
    ) -> Result<(), Error> {
        let Some(c) = rows.column_by_name(name) else { return Ok(()) };
        let c = c.as_primitive_opt::<T>().ok_or_else(|| wrong(name, c.data_type(), &T::DATA_TYPE))?;
        for (i, e) in env.iter_mut().enumerate() {
            if c.is_valid(i) {
                set(e, c.value(i));
            }
        }
        Ok(())
    }
    fn texts(rows: &RecordBatch, name: &str, env: &mut [Envelope], mut set: impl FnMut(&mut Envelope, &str)) -> Result<(), Error> {
        let Some(c) = rows.column_by_name(name) else { return Ok(()) };
        let c = c.as_string_opt::<i32>().ok_or_else(|| wrong(name, c.data_type(), &DataType::Utf8))?;
        for (i, e) in env.iter_mut().enumerate() {
            if c.is_valid(i) {
                set(e, c.value(i));
            }
        }
        Ok(())
    }
    numbers::<TimestampMicrosecondType>(rows, "ts", &mut env, |e, v| e.ts = from_micros(v))?;
    numbers::<UInt16Type>(rows, "ts_ns", &mut env, |e, v| e.ts = e.ts.plus(u64::from(v.min(999))))?;
    numbers::<UInt64Type>(rows, "flow_id", &mut env, |e, v| e.flow_id = v)?;
    numbers::<UInt32Type>(rows, "seq", &mut env, |e, v| e.seq = v)?;
    env.iter_mut().for_each(|e| e.tx_id = NO_TX);
    numbers::<UInt32Type>(rows, "tx_id", &mut env, |e, v| e.tx_id = v)?;
    numbers::<UInt64Type>(rows, "pcap_cnt", &mut env, |e, v| e.frame = v)?;
    texts(rows, "src_ip", &mut env, |e, v| e.src = v.parse().unwrap_or_default())?;
    numbers::<UInt16Type>(rows, "src_port", &mut env, |e, v| e.src_port = v)?;
    texts(rows, "dest_ip", &mut env, |e, v| e.dst = v.parse().unwrap_or_default())?;
    numbers::<UInt16Type>(rows, "dest_port", &mut env, |e, v| e.dst_port = v)?;
    let mut last = (String::new(), 255);
    texts(rows, "proto", &mut env, |e, v| {
        if last.0 != v {
            last = (v.to_owned(), proto_number(v).or_else(|| v.parse().ok()).unwrap_or(255));
        }
        e.proto = last.1;
    })?;
    numbers::<UInt8Type>(rows, "ip_v", &mut env, |e, v| e.ip_version = v)?;
    numbers::<UInt8Type>(rows, "icmp_type", &mut env, |e, v| e.icmp_type = v)?;
    numbers::<UInt8Type>(rows, "icmp_code", &mut env, |e, v| e.icmp_code = v)?;
    let mut word = ("", "");
    texts(rows, "app_proto", &mut env, |e, v| {
        if word.0 != v {
            word.0 = intern(v);
        }
        e.app_proto = word.0;
    })?;
    texts(rows, "tunnel", &mut env, |e, v| {
        if word.1 != v {
            word.1 = intern(v);
        }
        e.tunnel = word.1;
    })?;
    if let Some(c) = rows.column_by_name("vlan") {
        let lists = c.as_list_opt::<i32>().ok_or_else(|| Error("column vlan is no list".into()))?;
        let ids = lists.values().as_primitive_opt::<UInt16Type>().ok_or_else(|| Error("column vlan is no list of numbers".into()))?;
        for (i, e) in env.iter_mut().enumerate().filter(|(i, _)| lists.is_valid(*i)) {
            let (start, n) = (lists.value_offsets()[i] as usize, lists.value_length(i) as usize);
            e.vlans = n.min(e.vlan.len()) as u8;
            for (slot, at) in e.vlan.iter_mut().zip(start..start + n) {
                *slot = ids.value(at);
            }
        }
    }
    Ok(env)
}

fn from_micros(us: i64) -> Time {
    Time::from_micros(u64::try_from(us).unwrap_or(0))
}

/// The column of a node over the places `at` of its arrays. `columns` holds the arrays of columns `base..`, at this depth of lists.
fn node(l: &Layout, n: &Node, ty: &Type, base: usize, columns: &[Option<ArrayRef>], at: &[u32]) -> Result<Column, Error> {
    match (n, ty) {
        (Node::Opt { witness, inner, .. }, Type::Opt(ty)) => {
            let there = columns.get(witness - base).and_then(Option::as_ref);
            let mut rank = Vec::with_capacity(at.len());
            let mut inside = Vec::new();
            for i in at {
                if there.is_some_and(|c| c.is_valid(*i as usize)) {
                    inside.push(*i);
                    rank.push(inside.len() as u32);
                } else {
                    rank.push(0);
                }
            }
            Ok(Column::Opt { rank, inner: Box::new(node(l, inner, ty, base, columns, &inside)?) })
        }
        (Node::Group(nodes), Type::Group(fields)) => {
            nodes.iter().zip(*fields).map(|(n, f)| node(l, n, &f.ty, base, columns, at)).collect::<Result<_, _>>().map(Column::Group)
        }
        (Node::List { first, last, inner, .. }, Type::List(ty)) => {
            let mine = columns.get(first - base..last - base).unwrap_or_default();
            let lists = mine.iter().map(|c| match c {
                None => Ok(None),
                Some(c) => c.as_list_opt::<i32>().map(Some).ok_or_else(|| Error("a list column holds no list".into())),
            });
            let lists = lists.collect::<Result<Vec<_>, _>>()?;
            // The lists of one group have one length a row, but for columns that a file lacked: theirs are null.
            let mut ends = Vec::with_capacity(at.len());
            let mut total = 0;
            for i in at.iter().map(|i| *i as usize) {
                let mut lengths = lists.iter().flatten().filter(|l| l.is_valid(i)).map(|l| l.value_length(i) as u32);
                let n = lengths.next().unwrap_or(0);
                if lengths.any(|other| other != n) {
                    return Err(Error(format!("lists of one group differ in length: column {}", l.leaves[*first].column)));
                }
                total += n;
                ends.push(total);
            }
            // Where the items of a column stand; values start where they may.
            let own = |list: &ListArray| -> Vec<Option<u32>> {
                let mut own = Vec::with_capacity(total as usize);
                for (n, i) in at.iter().map(|i| *i as usize).enumerate() {
                    if list.is_valid(i) {
                        let o = list.value_offsets();
                        own.extend((o[i] as u32..o[i + 1] as u32).map(Some));
                    } else {
                        own.resize(ends[n] as usize, None);
                    }
                }
                own
            };
            let mut places: Option<Vec<u32>> = None;
            let mut values = Vec::with_capacity(mine.len());
            for list in lists {
                let Some(list) = list else {
                    values.push(None);
                    continue;
                };
                let own = own(list);
                let all = places.get_or_insert_with(|| own.iter().copied().collect::<Option<_>>().unwrap_or_else(|| (0..total).collect()));
                let same = own.iter().zip(all.iter()).all(|(o, a)| *o == Some(*a));
                values.push(Some(if same { list.values().clone() } else { moved(list.values(), &own, all)? }));
            }
            let places = places.unwrap_or_default();
            Ok(Column::List { ends, items: Box::new(node(l, inner, ty, *first, &values, &places)?) })
        }
        (Node::Leaf(i), ty) => {
            let c = columns.get(i - base).and_then(Option::as_ref);
            if matches!(ty, Type::Time) {
                let us = c.and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
                let ns = columns.get(i + 1 - base).and_then(Option::as_ref).and_then(|c| c.as_primitive_opt::<UInt16Type>());
                return Ok(Column::Time(
                    at.iter()
                        .map(|i| *i as usize)
                        .map(|i| {
                            let t = us.filter(|c| c.is_valid(i)).map_or(Time(0), |c| from_micros(c.value(i)));
                            t.plus(ns.filter(|c| c.is_valid(i)).map_or(0, |c| u64::from(c.value(i).min(999))))
                        })
                        .collect(),
                ));
            }
            values(ty, c, at)
        }
        _ => Err(Error(format!("{}: not the layout of this kind", l.schema.kind))),
    }
}

/// `values` such that what stood at `own[i]` stands at `all[i]`; null where it stood nowhere.
fn moved(values: &ArrayRef, own: &[Option<u32>], all: &[u32]) -> Result<ArrayRef, Error> {
    let size = all.iter().max().map_or(0, |m| *m as usize + 1);
    let mut from: Vec<Option<u32>> = vec![None; size];
    for (o, a) in own.iter().zip(all) {
        from[*a as usize] = *o;
    }
    Ok(arrow::compute::take(values, &arrow::array::UInt32Array::from(from), None)?)
}

fn values(ty: &Type, c: Option<&ArrayRef>, at: &[u32]) -> Result<Column, Error> {
    fn plain<T: ArrowPrimitiveType>(c: Option<&ArrayRef>, at: &[u32]) -> Vec<T::Native> {
        let c = c.and_then(|c| c.as_primitive_opt::<T>());
        at.iter().map(|i| c.filter(|c| c.is_valid(*i as usize)).map_or(T::Native::default(), |c| c.value(*i as usize))).collect()
    }
    let strings = c.and_then(|c| c.as_string_opt::<i32>());
    let text = |i: u32| strings.filter(|c| c.is_valid(i as usize)).map_or("", |c| c.value(i as usize));
    Ok(match ty {
        Type::Bool | Type::Flag => {
            let c = c.and_then(|c| c.as_boolean_opt());
            Column::Bool(at.iter().map(|i| c.is_some_and(|c| c.is_valid(*i as usize) && c.value(*i as usize))).collect())
        }
        Type::U8 => Column::U8(plain::<UInt8Type>(c, at)),
        Type::U16 => Column::U16(plain::<UInt16Type>(c, at)),
        Type::U32 => Column::U32(plain::<UInt32Type>(c, at)),
        Type::U64 => Column::U64(plain::<UInt64Type>(c, at)),
        Type::I64 => Column::I64(plain::<Int64Type>(c, at)),
        Type::F64 => Column::F64(plain::<Float64Type>(c, at)),
        Type::Ip => Column::Ip(at.iter().map(|i| text(*i).parse::<Ip>().unwrap_or_default()).collect()),
        Type::Mac => Column::Mac(at.iter().map(|i| mac(text(*i))).collect()),
        Type::Text | Type::Hex => {
            let mut ends = Vec::with_capacity(at.len());
            let mut data = Vec::new();
            for i in at {
                let text = text(*i);
                if matches!(ty, Type::Hex) {
                    unhex(text, &mut data);
                } else {
                    data.extend_from_slice(text.as_bytes());
                }
                ends.push(u32::try_from(data.len()).map_err(|_| Error("more than 4 GiB of text in one batch".into()))?);
            }
            Column::Bytes { ends, data }
        }
        Type::Time | Type::Opt(_) | Type::List(_) | Type::Group(_) => Column::new(ty),
    })
}

fn digit(b: u8) -> u8 {
    char::from(b).to_digit(16).unwrap_or(0) as u8
}

fn unhex(text: &str, out: &mut Vec<u8>) {
    out.extend(text.as_bytes().chunks_exact(2).map(|p| digit(p[0]) << 4 | digit(p[1])));
}

fn mac(text: &str) -> Mac {
    let mut m = [0; 6];
    for (slot, part) in m.iter_mut().zip(text.split(':')) {
        *slot = u8::from_str_radix(part, 16).unwrap_or(0);
    }
    Mac(m)
}
