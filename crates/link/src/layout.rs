//! Which columns a kind has: a function of its declaration.
//!
//! Envelope columns come first. Then each field that holds one value is one column, named by its path in EVE with `_` between, in lower
//! case and without the name of the kind's own object: `rcode` of `dns`, `ja3_hash` of `tls`, `tcp_state` of `flow`. A field below a
//! list is a list column of its own (`queries_rrname`, `answers_rrname`; below two lists a list of lists): the lists of one group stand
//! side by side and have one length a row. Where a name is taken, the object's name goes before it (`arp_src_ip`, `dns_tx_id`).
//!
//! Addresses are text in the form of RFC 5952 and MACs `00:11:22:33:44:55`, so that `src_ip = '10.0.0.1'` is SQL. Bytes that are no
//! UTF-8 stand in the form that EVE gives them. Times are microseconds, UTC, with the nanoseconds beyond in a column `*_ns` beside.
//! What is absent is null; so is a flag that is not set, which EVE does not write either.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field as ArrowField, Fields, Schema as ArrowSchema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use vigie_event::{Class, Field, Place, Schema, Type};

/// The envelope's columns, in order, with what each means.
pub const ENVELOPE: [(&str, &str); 17] = [
    ("ts", "when it was seen: the time of the packet that completed it"),
    ("ts_ns", "nanoseconds beyond `ts` (0 to 999)"),
    ("flow_id", "the flow, below 2^53; 0 outside flows"),
    ("seq", "order within the flow; outside flows the frame's number"),
    ("tx_id", "transaction within the flow"),
    ("pcap_cnt", "number of the frame in the capture, from 1"),
    ("src_ip", "source"),
    ("src_port", "source port"),
    ("dest_ip", "destination"),
    ("dest_port", "destination port"),
    ("proto", "transport"),
    ("ip_v", "4 or 6"),
    ("icmp_type", "ICMP type"),
    ("icmp_code", "ICMP code"),
    ("vlan", "VLAN ids, outermost first"),
    ("app_proto", "protocol of the flow"),
    ("tunnel", "the tunnel it came through"),
];

/// Names that tables give to what the header of a batch says; no field has them.
const RESERVED: [&str; 5] = ["event_type", "tenant", "site", "sensor", "dataset"];

/// The type of each of [`ENVELOPE`].
fn envelope_type(at: usize) -> DataType {
    match at {
        0 => timestamp(),
        1 | 7 | 9 => DataType::UInt16,
        2 | 5 => DataType::UInt64,
        3 | 4 => DataType::UInt32,
        11..=13 => DataType::UInt8,
        14 => list_of(DataType::UInt16),
        _ => DataType::Utf8,
    }
}

pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn list_of(t: DataType) -> DataType {
    DataType::List(Arc::new(ArrowField::new_list_field(t, true)))
}

/// One column of a kind's own.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Name of the column.
    pub column: String,
    /// Path in EVE: `dns.queries.rrname`, `community_id`, `vigie.tunnel`.
    pub path: String,
    /// Type of one value.
    pub ty: Type,
    /// How many lists it stands in.
    pub depth: usize,
    /// Privacy class.
    pub class: Class,
    /// What it means.
    pub doc: &'static str,
    /// What the column holds.
    pub part: Part,
}

/// What of a field a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its value.
    Value,
    /// The nanoseconds beyond the microsecond of a time.
    Nanos,
    /// Whether a group is there, where no field of the group can tell.
    Presence,
}

impl Leaf {
    /// The Arrow type of one value.
    pub fn item_type(&self) -> DataType {
        match (self.part, self.ty) {
            (Part::Presence, _) => DataType::Boolean,
            (Part::Nanos, _) => DataType::UInt16,
            (Part::Value, ty) => match ty {
                Type::Bool | Type::Flag => DataType::Boolean,
                Type::U8 => DataType::UInt8,
                Type::U16 => DataType::UInt16,
                Type::U32 => DataType::UInt32,
                Type::U64 => DataType::UInt64,
                Type::I64 => DataType::Int64,
                Type::F64 => DataType::Float64,
                Type::Time => timestamp(),
                _ => DataType::Utf8,
            },
        }
    }

    /// The Arrow type of the column.
    pub fn arrow_type(&self) -> DataType {
        (0..self.depth).fold(self.item_type(), |t, _| list_of(t))
    }
}

/// How a type's columns are put together again.
#[derive(Debug)]
pub(crate) enum Node {
    /// A column; a time has two.
    Leaf(usize),
    /// There where column `witness` is not null.
    Opt {
        witness: usize,
        own: bool,
        inner: Box<Node>,
    },
    /// Over columns `first..last`.
    List {
        first: usize,
        last: usize,
        own: bool,
        inner: Box<Node>,
    },
    Group(Vec<Node>),
}

/// The columns of a kind.
#[derive(Debug)]
pub struct Layout {
    /// The kind.
    pub schema: &'static Schema,
    /// All columns: the envelope's, then [`Layout::leaves`].
    pub arrow: SchemaRef,
    /// The kind's own columns, in order.
    pub leaves: Vec<Leaf>,
    pub(crate) nodes: Vec<Node>,
}

/// The columns of a kind.
pub fn arrow_schema(schema: &'static Schema) -> SchemaRef {
    layout(schema).arrow.clone()
}

/// The layout of a kind, made once.
pub fn layout(schema: &'static Schema) -> Arc<Layout> {
    // As many as there are kinds: declarations are statics.
    static MADE: OnceLock<Mutex<BTreeMap<usize, Arc<Layout>>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(std::ptr::from_ref(schema).addr()).or_insert_with(|| Arc::new(Layout::new(schema))).clone()
}

impl Layout {
    fn new(schema: &'static Schema) -> Self {
        let mut leaves = Vec::new();
        let nodes = schema
            .fields
            .iter()
            .map(|f| {
                let (path, name) = match f.place {
                    Place::Object => (format!("{}.{}", schema.object, f.key), f.key.to_owned()),
                    Place::Vigie => (format!("vigie.{}", f.key), f.key.to_owned()),
                    Place::Top => (f.key.to_owned(), f.key.to_owned()),
                    Place::Hidden => (f.name.to_owned(), f.name.to_owned()),
                };
                node(&f.ty, f, path, name, 0, &mut leaves)
            })
            .collect();
        let reserved = ENVELOPE.iter().map(|(n, _)| *n).chain(RESERVED);
        let mut taken: BTreeSet<String> = reserved.map(str::to_owned).collect();
        for leaf in &mut leaves {
            let mut name = plain(&leaf.column);
            if taken.contains(&name) {
                name = plain(&leaf.path);
                if leaf.part == Part::Nanos {
                    name.push_str("_ns");
                }
            }
            while taken.contains(&name) {
                name.push('_');
            }
            taken.insert(name.clone());
            leaf.column = name;
        }
        let envelope = ENVELOPE
            .iter()
            .enumerate()
            .map(|(i, (name, _))| ArrowField::new(*name, envelope_type(i), !matches!(*name, "ts" | "ts_ns" | "flow_id" | "seq")));
        let own = leaves.iter().map(|l| ArrowField::new(&l.column, l.arrow_type(), true));
        let fields: Fields = envelope.chain(own).collect();
        Layout { schema, arrow: Arc::new(ArrowSchema::new(fields)), leaves, nodes }
    }

    /// Which columns of `rows` (laid out so) tell something; without the others [`crate::unpack`] gives the same rows. A column without
    /// any value tells nothing, but where it alone says that a group is there, or how many items a list has.
    pub fn telling(&self, rows: &RecordBatch) -> Vec<bool> {
        let leaves = rows.columns().get(ENVELOPE.len()..).unwrap_or_default();
        let mut tells: Vec<bool> =
            leaves.iter().zip(&self.leaves).map(|(c, l)| below(c, l.depth).is_some_and(|c| c.null_count() < c.len())).collect();
        for node in &self.nodes {
            needed(node, 0, leaves, &mut tells);
        }
        let envelope = rows.columns().iter().take(ENVELOPE.len()).map(|c| c.null_count() < c.len());
        envelope.chain(tells).collect()
    }
}

/// The array that `depth` lists hold.
fn below(array: &ArrayRef, depth: usize) -> Option<ArrayRef> {
    (0..depth).try_fold(array.clone(), |a, _| a.as_list_opt::<i32>().map(|l| l.values().clone()))
}

/// Keeps what alone says that something is there.
fn needed(node: &Node, depth: usize, leaves: &[ArrayRef], tells: &mut [bool]) {
    match node {
        Node::Leaf(_) => {}
        Node::Opt { witness, inner, .. } => {
            needed(inner, depth, leaves, tells);
            tells[*witness] |= leaves.get(*witness).and_then(|c| below(c, depth)).is_some_and(|c| c.null_count() < c.len());
        }
        Node::List { first, last, inner, .. } => {
            needed(inner, depth + 1, leaves, tells);
            let has_items = |c: &ArrayRef| below(c, depth + 1).is_some_and(|c| !c.is_empty());
            if !tells[*first..*last].contains(&true)
                && let Some(at) = (*first..*last).find(|i| leaves.get(*i).is_some_and(has_items))
            {
                tells[at] = true;
            }
        }
        Node::Group(nodes) => nodes.iter().for_each(|n| needed(n, depth, leaves, tells)),
    }
}

/// A name that SQL takes without quotes, but for SQL's own words.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

fn node(ty: &'static Type, f: &'static Field, path: String, name: String, depth: usize, leaves: &mut Vec<Leaf>) -> Node {
    let leaf =
        |ty: Type, part, name: &str| Leaf { column: name.to_owned(), path: path.clone(), ty, depth, class: f.class, doc: f.doc, part };
    match ty {
        Type::Opt(t) => {
            let first = leaves.len();
            let own = needs_presence(t);
            if own {
                leaves.push(leaf(Type::Bool, Part::Presence, &name));
            }
            let at = leaves.len();
            let inner = node(t, f, path, name, depth, leaves);
            Node::Opt { witness: if own { first } else { witness(&inner).unwrap_or(at) }, own, inner: Box::new(inner) }
        }
        Type::List(t) => {
            let first = leaves.len();
            let own = is_empty(t);
            if own {
                leaves.push(Leaf { depth: depth + 1, ..leaf(Type::Bool, Part::Presence, &name) });
            }
            let inner = node(t, f, path, name, depth + 1, leaves);
            Node::List { first, last: leaves.len(), own, inner: Box::new(inner) }
        }
        Type::Group(fields) => Node::Group(
            fields.iter().map(|g| node(&g.ty, g, format!("{path}.{}", g.key), format!("{name}_{}", g.key), depth, leaves)).collect(),
        ),
        Type::Time => {
            leaves.push(leaf(Type::Time, Part::Value, &name));
            leaves.push(leaf(Type::Time, Part::Nanos, &format!("{name}_ns")));
            Node::Leaf(leaves.len() - 2)
        }
        ty => {
            leaves.push(leaf(*ty, Part::Value, &name));
            Node::Leaf(leaves.len() - 1)
        }
    }
}

/// Whether no column of the type is null exactly where the type is absent.
fn needs_presence(ty: &Type) -> bool {
    match ty {
        Type::Group(fields) => fields.iter().all(|f| matches!(f.ty, Type::Opt(_)) || needs_presence(&f.ty)),
        Type::Opt(_) => true,
        _ => false,
    }
}

fn is_empty(ty: &Type) -> bool {
    match ty {
        Type::Group(fields) => fields.iter().all(|f| is_empty(&f.ty)),
        Type::Opt(t) => !needs_presence(t) && is_empty(t),
        _ => false,
    }
}

/// The first column that is never null where the type is there.
fn witness(node: &Node) -> Option<usize> {
    match node {
        Node::Leaf(i) => Some(*i),
        Node::List { first, .. } => Some(*first),
        Node::Group(nodes) => nodes.iter().find_map(witness),
        Node::Opt { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_eve_and_none_is_twice() {
        for s in vigie_sensor::batches::schemas() {
            let l = layout(s);
            let names: BTreeSet<_> = l.arrow.fields().iter().map(|f| f.name().clone()).collect();
            assert_eq!(names.len(), l.arrow.fields().len(), "{}", s.kind);
        }
        let find = |kind: &str| layout(vigie_sensor::batches::schemas().into_iter().find(|s| s.kind == kind).unwrap());
        let dns = find("dns");
        for c in ["rcode", "queries_rrname", "answers_rdata", "dns_tx_id", "grouped_a"] {
            assert!(dns.arrow.field_with_name(c).is_ok(), "{c}");
        }
        assert_eq!(*dns.arrow.field_with_name("queries_rrname").unwrap().data_type(), list_of(DataType::Utf8));
        for c in ["arp_src_ip", "src_mac"] {
            assert!(find("arp").arrow.field_with_name(c).is_ok(), "{c}");
        }
        for c in ["tcp_state", "community_id", "start", "start_ns", "bytes_toserver", "vigie_tunnel"] {
            assert!(find("flow").arrow.field_with_name(c).is_ok(), "{c}");
        }
    }
}
