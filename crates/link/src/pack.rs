//! From event columns to Arrow columns.

use crate::layout::{Layout, Node, Part};
use crate::{Error, Header, Packed, layout};
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, ListBuilder, StringBuilder, TimestampMicrosecondArray, UInt8Array,
    UInt16Array, UInt16Builder, UInt32Array, UInt64Array, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field as ArrowField};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use vigie_base::{Time, text};
use vigie_event::{Batch, Column, Envelope, NO_TX, Type, proto_name};

/// The rows of `batch` in the columns of its kind; `header` says whose. Rows must stand in the order of time for `first` and `last` to be so.
pub fn pack(batch: &Batch, header: Arc<Header>) -> Result<Packed, Error> {
    let l = layout(batch.schema());
    let env = batch.envelopes();
    let mut out = envelope(env);
    out.reserve(l.leaves.len());
    for (node, col) in l.nodes.iter().zip(batch.columns()) {
        Pack { layout: &l, layers: Vec::new() }.node(node, col, &Rows::All(env.len()), &mut out)?;
    }
    let rows = RecordBatch::try_new(l.arrow.clone(), out)?;
    let times = || env.iter().map(|e| e.ts);
    Ok(Packed { header, schema: batch.schema(), rows, first: times().min().unwrap_or_default(), last: times().max().unwrap_or_default() })
}

fn envelope(env: &[Envelope]) -> Vec<ArrayRef> {
    fn texts<'a>(of: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
        let mut b = StringBuilder::new();
        of.for_each(|v| b.append_option(v));
        Arc::new(b.finish())
    }
    let ip = |with: fn(&Envelope) -> vigie_base::Ip| -> ArrayRef {
        let mut b = StringBuilder::new();
        let mut s = Vec::new();
        for e in env {
            if e.ip_version == 0 {
                b.append_null();
            } else {
                s.clear();
                with(e).write(&mut s);
                b.append_value(std::str::from_utf8(&s).unwrap_or(""));
            }
        }
        Arc::new(b.finish())
    };
    let port = |with: fn(&Envelope) -> u16| -> ArrayRef {
        Arc::new(UInt16Array::from_iter(env.iter().map(|e| (e.has_ports() || with(e) != 0).then(|| with(e)))))
    };
    let icmp = |with: fn(&Envelope) -> u8| -> ArrayRef {
        Arc::new(UInt8Array::from_iter(env.iter().map(|e| (matches!(e.proto, 1 | 58) || with(e) != 0).then(|| with(e)))))
    };
    let mut vlan = ListBuilder::new(UInt16Builder::new());
    for e in env {
        vlan.append_option((e.vlans > 0).then(|| e.vlan.iter().take(usize::from(e.vlans)).map(|v| Some(*v))));
    }
    vec![
        micros(env.iter().map(|e| Some(e.ts))),
        Arc::new(UInt16Array::from_iter_values(env.iter().map(|e| (e.ts.0 % 1000) as u16))),
        Arc::new(UInt64Array::from_iter_values(env.iter().map(|e| e.flow_id))),
        Arc::new(UInt32Array::from_iter_values(env.iter().map(|e| e.seq))),
        Arc::new(UInt32Array::from_iter(env.iter().map(|e| (e.tx_id != NO_TX).then_some(e.tx_id)))),
        Arc::new(UInt64Array::from_iter(env.iter().map(|e| (e.frame != 0).then_some(e.frame)))),
        ip(|e| e.src),
        port(|e| e.src_port),
        ip(|e| e.dst),
        port(|e| e.dst_port),
        protocols(env),
        Arc::new(UInt8Array::from_iter(env.iter().map(|e| (e.ip_version != 0).then_some(e.ip_version)))),
        icmp(|e| e.icmp_type),
        icmp(|e| e.icmp_code),
        Arc::new(vlan.finish()),
        texts(env.iter().map(|e| (!e.app_proto.is_empty()).then_some(e.app_proto))),
        texts(env.iter().map(|e| (!e.tunnel.is_empty()).then_some(e.tunnel))),
    ]
}

fn protocols(env: &[Envelope]) -> ArrayRef {
    let mut b = StringBuilder::new();
    for e in env {
        match proto_name(e.proto) {
            _ if e.proto == 255 => b.append_null(),
            Some(name) => b.append_value(name),
            None => b.append_value(e.proto.to_string()),
        }
    }
    Arc::new(b.finish())
}

fn micros(of: impl Iterator<Item = Option<Time>>) -> ArrayRef {
    // 2^64 nanoseconds are below 2^63 microseconds: no time is lost.
    Arc::new(TimestampMicrosecondArray::from_iter(of.map(|t| t.map(|t| (t.0 / 1000) as i64))).with_timezone("UTC"))
}

/// Which place of a column each row of the output takes.
enum Rows {
    /// Row `i` takes place `i`; this many.
    All(usize),
    /// 1 + the place, or 0 for none.
    Ranks(Vec<u32>),
}

impl Rows {
    fn len(&self) -> usize {
        match self {
            Rows::All(n) => *n,
            Rows::Ranks(r) => r.len(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = Option<usize>> + '_ {
        (0..self.len()).map(move |i| match self {
            Rows::All(_) => Some(i),
            Rows::Ranks(r) => (r[i] as usize).checked_sub(1),
        })
    }
}

struct Pack<'l> {
    layout: &'l Layout,
    /// The lists around the columns at hand, outermost first.
    layers: Vec<(OffsetBuffer<i32>, Option<NullBuffer>)>,
}

impl Pack<'_> {
    /// The column of this array, in its lists.
    fn emit(&self, mut array: ArrayRef, out: &mut Vec<ArrayRef>) -> Result<(), Error> {
        for (offsets, nulls) in self.layers.iter().rev() {
            let item = Arc::new(ArrowField::new_list_field(array.data_type().clone(), true));
            array = Arc::new(ListArray::try_new(item, offsets.clone(), array, nulls.clone())?);
        }
        out.push(array);
        Ok(())
    }

    fn presence(&self, rows: &Rows, out: &mut Vec<ArrayRef>) -> Result<(), Error> {
        self.emit(Arc::new(BooleanArray::from_iter(rows.iter().map(|at| at.map(|_| true)))), out)
    }

    fn node(&mut self, node: &Node, col: &Column, rows: &Rows, out: &mut Vec<ArrayRef>) -> Result<(), Error> {
        match (node, col) {
            (Node::Opt { own, inner, .. }, Column::Opt { rank, inner: col }) => {
                let rows = Rows::Ranks(rows.iter().map(|at| at.map_or(0, |at| rank[at])).collect());
                if *own {
                    self.presence(&rows, out)?;
                }
                self.node(inner, col, &rows, out)
            }
            (Node::List { own, inner, .. }, col @ Column::List { items, .. }) => {
                let mut offsets = Vec::with_capacity(rows.len() + 1);
                let mut ranks = Vec::new();
                offsets.push(0);
                for at in rows.iter() {
                    if let Some((_, range)) = at.and_then(|at| col.items_at(at)) {
                        ranks.extend(range.map(|i| i as u32 + 1));
                    }
                    offsets.push(i32::try_from(ranks.len()).map_err(|_| Error("more than 2^31 items in one batch".into()))?);
                }
                let nulls = match rows {
                    Rows::All(_) => None,
                    Rows::Ranks(_) => Some(NullBuffer::from_iter(rows.iter().map(|at| at.is_some()))),
                };
                self.layers.push((OffsetBuffer::new(offsets.into()), nulls));
                let rows = Rows::Ranks(ranks);
                if *own {
                    self.presence(&rows, out)?;
                }
                self.node(inner, items, &rows, out)?;
                self.layers.pop();
                Ok(())
            }
            (Node::Group(nodes), Column::Group(cols)) => nodes.iter().zip(cols).try_for_each(|(n, c)| self.node(n, c, rows, out)),
            (Node::Leaf(at), col) => {
                let leaf = &self.layout.leaves[*at];
                debug_assert_eq!(leaf.part, Part::Value);
                if col.is_empty() {
                    self.emit(new_null_array(&leaf.item_type(), rows.len()), out)?;
                    return match col {
                        Column::Time(_) => self.emit(new_null_array(&DataType::UInt16, rows.len()), out),
                        _ => Ok(()),
                    };
                }
                if let Column::Time(v) = col {
                    self.emit(micros(rows.iter().map(|at| at.map(|at| v[at]))), out)?;
                    let nanos = UInt16Array::from_iter(rows.iter().map(|at| at.map(|at| (v[at].0 % 1000) as u16)));
                    return self.emit(Arc::new(nanos), out);
                }
                self.emit(values(&leaf.ty, col, rows), out)
            }
            _ => Err(Error(format!("{}: a column is not of its field's type", self.layout.schema.kind))),
        }
    }
}

/// The values of a column that needs no other.
fn values(ty: &Type, col: &Column, rows: &Rows) -> ArrayRef {
    macro_rules! plain {
        ($array:ty, $v:expr) => {
            Arc::new(<$array>::from_iter(rows.iter().map(|at| at.map(|at| $v[at]))))
        };
    }
    let texts = |write: &dyn Fn(usize, &mut Vec<u8>)| -> ArrayRef {
        let mut b = StringBuilder::new();
        let mut s = Vec::new();
        for at in rows.iter() {
            match at {
                None => b.append_null(),
                Some(at) => {
                    s.clear();
                    write(at, &mut s);
                    match std::str::from_utf8(&s) {
                        Ok(text) => b.append_value(text),
                        Err(_) => b.append_value(text::lossy(&s)),
                    }
                }
            }
        }
        Arc::new(b.finish())
    };
    match col {
        Column::Bool(v) if matches!(ty, Type::Flag) => {
            Arc::new(BooleanArray::from_iter(rows.iter().map(|at| at.and_then(|at| v[at].then_some(true)))))
        }
        Column::Bool(v) => plain!(BooleanArray, v),
        Column::U8(v) => plain!(UInt8Array, v),
        Column::U16(v) => plain!(UInt16Array, v),
        Column::U32(v) => plain!(UInt32Array, v),
        Column::U64(v) => plain!(UInt64Array, v),
        Column::I64(v) => plain!(Int64Array, v),
        Column::F64(v) => plain!(Float64Array, v),
        Column::Ip(v) => texts(&|at, s| v[at].write(s)),
        Column::Mac(v) => texts(&|at, s| v[at].write(s)),
        col if matches!(ty, Type::Hex) => texts(&|at, s| text::hex(col.bytes_at(at), s)),
        col => texts(&|at, s| s.extend_from_slice(col.bytes_at(at))),
    }
}
