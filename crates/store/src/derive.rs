//! Columns whose values follow from others of their row, and so need not be kept.
//!
//! A hash is as long as it is, and nothing shortens it: the id of a flow and its Community ID would be half of what a flow takes on disk.
//! Both follow from its ends and its beginning; when it was over follows from when that was told. Files hold such a value only where the
//! rule gives another (a tunnel, other time-outs): null stands for what follows. None of these columns is ever null by itself.
//!
//! Files that hold every value (version 1 of the format) are read in the same way.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, StringArray, StringBuilder};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{is_null, nullif};
use arrow::datatypes::{ArrowPrimitiveType, DataType, SchemaRef, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt64Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use vigie_base::Ip;
use vigie_event::proto_number;
use vigie_flow::key::counterpart;
use vigie_flow::{Key, community};

/// A column that follows from others.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rule {
    /// The column.
    pub(crate) column: &'static str,
    /// What it follows from.
    pub(crate) from: &'static [&'static str],
    what: What,
}

#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy)]
enum What {
    /// [`Key::flow_id`] of a flow of sensor 0 that begins at the last column.
    FlowId,
    Community,
    /// The time-out before the first column.
    End,
    /// Whole seconds between two times.
    Seconds,
}

/// Seconds from a flow's last packet to when it is told, of TCP last: while new, established, closed. Part of the format: it stays as it
/// is, whatever time-outs become the default.
const TIMEOUTS: [[i64; 3]; 2] = [[30, 300, 0], [60, 600, 60]];

const ENDS: [&str; 8] = ["src_ip", "dest_ip", "src_port", "dest_port", "proto", "icmp_type", "icmp_code", "vlan"];

/// Rules of `flow`, each after those that it needs.
static FLOW: [Rule; 4] = [
    Rule { column: "end", from: &["ts", "proto", "state"], what: What::End },
    Rule { column: "age", from: &["start", "end"], what: What::Seconds },
    Rule {
        column: "flow_id",
        from: &[ENDS[0], ENDS[1], ENDS[2], ENDS[3], ENDS[4], ENDS[5], ENDS[6], ENDS[7], "start", "start_ns"],
        what: What::FlowId,
    },
    Rule { column: "community_id", from: &[ENDS[0], ENDS[1], ENDS[2], ENDS[3], ENDS[4], ENDS[5], ENDS[6]], what: What::Community },
];

/// The rule of all others: an event of a flow's first packet.
static OTHERS: [Rule; 1] = [Rule {
    column: "flow_id",
    from: &[ENDS[0], ENDS[1], ENDS[2], ENDS[3], ENDS[4], ENDS[5], ENDS[6], ENDS[7], "ts", "ts_ns"],
    what: What::FlowId,
}];

/// The rules of a kind.
pub(crate) fn rules(kind: &str) -> &'static [Rule] {
    if kind == "flow" { &FLOW } else { &OTHERS }
}

/// The rows without what follows: as files hold them.
pub(crate) fn lean(rows: &RecordBatch, kind: &str) -> Result<RecordBatch, ArrowError> {
    let mut columns = rows.columns().to_vec();
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    for rule in rules(kind) {
        let Ok(at) = rows.schema().index_of(rule.column) else { continue };
        let Some(follows) = rule.of(|name| rows.column_by_name(name).cloned(), rows.num_rows()) else { continue };
        columns[at] = nullif(&columns[at], &not_distinct(&columns[at], &follows)?)?;
        fields[at] = Arc::new(fields[at].as_ref().clone().with_nullable(true));
    }
    RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), columns)
}

/// The rows with what follows; `want` are the columns of the kind.
pub(crate) fn whole(rows: &RecordBatch, kind: &str, want: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let mut columns = rows.columns().to_vec();
    for rule in rules(kind) {
        let Ok(at) = rows.schema().index_of(rule.column) else { continue };
        if columns[at].null_count() == 0 {
            continue;
        }
        let follows = rule.of(|name| rows.schema().index_of(name).ok().map(|i| columns[i].clone()), rows.num_rows());
        if let Some(follows) = follows {
            columns[at] = rule.fill(&columns[at], &follows)?;
        }
    }
    RecordBatch::try_new(want.clone(), columns)
}

impl Rule {
    /// The values that follow; `None` where a column is missing.
    fn of(&self, column: impl Fn(&str) -> Option<ArrayRef>, rows: usize) -> Option<ArrayRef> {
        let from: Vec<ArrayRef> = self.from.iter().map(|n| column(n)).collect::<Option<_>>()?;
        Some(self.make(&from, rows))
    }

    /// What is kept, and what follows where nothing is.
    pub(crate) fn fill(&self, kept: &ArrayRef, follows: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        zip(&is_null(kept)?, follows, kept)
    }

    /// The values that follow from columns in the order of [`Rule::from`].
    pub(crate) fn make(&self, from: &[ArrayRef], rows: usize) -> ArrayRef {
        match self.what {
            What::FlowId => {
                let (mut ends, vlan) = (Ends::new(from), from[7].as_list_opt::<i32>());
                let (at, ns) = (times(&from[8]), numbers::<UInt16Type>(&from[9]));
                let ids = (0..rows).map(|i| {
                    let e = ends.at(i)?;
                    let first = at?.is_valid(i).then(|| at.map(|t| t.value(i)))??;
                    let first = u64::try_from(first).ok()? * 1000 + u64::from(value(ns, i));
                    let mut lan = [0; 3];
                    if let Some(list) = vlan.filter(|l| l.is_valid(i)) {
                        let items = list.value(i);
                        let items = items.as_primitive_opt::<UInt16Type>()?;
                        lan.iter_mut().zip(items.values()).for_each(|(to, v)| *to = *v);
                    }
                    let ports = match e.proto {
                        1 | 58 => (u16::from(e.icmp.0), u16::from(counterpart(e.proto, e.icmp.0).unwrap_or(e.icmp.0))),
                        _ => (e.src_port, e.dst_port),
                    };
                    Some(Key::new(e.src, e.dst, ports.0, ports.1, e.proto, lan, 0).0.flow_id(0, first))
                });
                // Events outside of flows have 0, and no addresses that a key could be made of.
                Arc::new(PrimitiveArray::<UInt64Type>::from_iter_values(ids.map(Option::unwrap_or_default)))
            }
            What::Community => {
                let mut ends = Ends::new(from);
                let (mut out, mut text) = (StringBuilder::new(), String::new());
                for i in 0..rows {
                    text.clear();
                    if let Some(e) = ends.at(i) {
                        let icmp = matches!(e.proto, 1 | 58).then_some(e.icmp);
                        community::id(e.src, e.dst, e.src_port, e.dst_port, e.proto, icmp, &mut text);
                    }
                    out.append_value(&text);
                }
                Arc::new(out.finish())
            }
            What::End => {
                let (at, proto, state) = (times(&from[0]), from[1].as_string_opt::<i32>(), from[2].as_string_opt::<i32>());
                let ends = (0..rows).map(|i| {
                    let tcp = text(proto, i) == "TCP";
                    let seconds = TIMEOUTS[usize::from(tcp)][match text(state, i) {
                        "new" => 0,
                        "closed" => 2,
                        _ => 1,
                    }];
                    at.filter(|t| t.is_valid(i)).map_or(0, |t| t.value(i)) - seconds * 1_000_000
                });
                Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from_iter_values(ends).with_timezone("UTC"))
            }
            What::Seconds => {
                let second =
                    |c: &ArrayRef, i: usize| times(c).filter(|t| t.is_valid(i)).map_or(0, |t| t.value(i).max(0) as u64 / 1_000_000);
                let ages = (0..rows).map(|i| second(&from[1], i).saturating_sub(second(&from[0], i)));
                Arc::new(PrimitiveArray::<UInt64Type>::from_iter_values(ages))
            }
        }
    }

    /// The column's type.
    pub(crate) fn data_type(&self) -> DataType {
        match self.what {
            What::FlowId | What::Seconds => DataType::UInt64,
            What::Community => DataType::Utf8,
            What::End => DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

fn text(c: Option<&StringArray>, i: usize) -> &str {
    c.filter(|c| c.is_valid(i)).map_or("", |c| c.value(i))
}

fn times(c: &ArrayRef) -> Option<&PrimitiveArray<TimestampMicrosecondType>> {
    c.as_primitive_opt()
}

fn numbers<T: ArrowPrimitiveType>(c: &ArrayRef) -> Option<&PrimitiveArray<T>> {
    c.as_primitive_opt()
}

fn value<T: ArrowPrimitiveType>(c: Option<&PrimitiveArray<T>>, i: usize) -> T::Native {
    c.filter(|c| c.is_valid(i)).map_or(T::Native::default(), |c| c.value(i))
}

/// Both ends of a row.
struct End {
    src: Ip,
    dst: Ip,
    src_port: u16,
    dst_port: u16,
    proto: u8,
    icmp: (u8, u8),
}

struct Ends<'a> {
    from: &'a [ArrayRef],
    /// Words read last: neighbours often have the same.
    proto: (String, u8),
}

impl<'a> Ends<'a> {
    fn new(from: &'a [ArrayRef]) -> Self {
        Ends { from, proto: (String::new(), 255) }
    }

    fn at(&mut self, i: usize) -> Option<End> {
        let text = |c: usize| self.from[c].as_string_opt::<i32>().filter(|c| c.is_valid(i)).map(|c| c.value(i));
        let (src, dst, proto) = (text(0)?.parse().ok()?, text(1)?.parse().ok()?, text(4)?);
        if self.proto.0 != proto {
            self.proto = (proto.to_owned(), proto_number(proto).or_else(|| proto.parse().ok()).unwrap_or(255));
        }
        let port = |c: usize| value(numbers::<UInt16Type>(&self.from[c]), i);
        let byte = |c: usize| value(numbers::<UInt8Type>(&self.from[c]), i);
        Some(End { src, dst, src_port: port(2), dst_port: port(3), proto: self.proto.1, icmp: (byte(5), byte(6)) })
    }
}
