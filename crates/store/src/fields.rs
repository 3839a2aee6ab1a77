//! Which fields can be asked for, and what a pivot on an address, a name, a hash or a user means: from the declarations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use vigie_event::{Class, Schema, Type};
use vigie_link::{ENVELOPE, Part, layout};

/// What a column is about, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meaning {
    /// An address (`ip:`).
    Ip,
    /// A port (`port:`).
    Port,
    /// An Ethernet address (`mac:`).
    Mac,
    /// A name of a machine or a domain (`name:`).
    Name,
    /// A hash or fingerprint (`hash:`).
    Hash,
    /// A person's account or mail address (`user:`).
    User,
}

impl Meaning {
    /// All, with the word of the query bar.
    pub const ALL: [(&'static str, Meaning); 6] = [
        ("ip", Meaning::Ip),
        ("port", Meaning::Port),
        ("mac", Meaning::Mac),
        ("name", Meaning::Name),
        ("hash", Meaning::Hash),
        ("user", Meaning::User),
    ];
}

/// EVE keys (the last part of the path, or its end) of text whose meaning its type does not tell.
const KEYS: &[(Meaning, &[&str])] = &[
    (Meaning::Ip, &["rdata", "a", "aaaa", "xff", "x_originating_ip"]),
    (Meaning::Port, &["src_port", "dest_port", "http_port"]),
    (Meaning::Mac, &["mac", "client_mac"]),
    (
        Meaning::Name,
        &[
            "rrname",
            "rdata",
            "hostname",
            "sni",
            "subjectaltname",
            "fqdn",
            "helo",
            "cname",
            "ptr",
            "mname",
            "nbns.name",
            "names.name",
            "srv.name",
        ],
    ),
    (Meaning::Hash, &["md5", "sha1", "sha256", "hash", "fingerprint", "ja4", "ja4_second", "community_id"]),
    (Meaning::User, &["user", "environment_user", "mail_from", "rcpt_to", "from", "to", "cc"]),
];

/// One field of one kind.
#[derive(Clone, Debug)]
pub struct FieldInfo {
    /// The kind that has it.
    pub kind: &'static str,
    /// Its path in EVE: the name in the query bar.
    pub name: String,
    /// The SQL column.
    pub column: String,
    /// Type of one value.
    pub ty: Type,
    /// Whether a row may hold several values.
    pub list: bool,
    /// Privacy class.
    pub class: Class,
    /// What it means.
    pub doc: &'static str,
    /// What pivots find it.
    pub meanings: Vec<Meaning>,
}

/// What a column of a kind means for pivots.
pub(crate) fn meanings(path: &str, ty: &Type) -> Vec<Meaning> {
    let path = path.to_ascii_lowercase();
    let mut all: Vec<Meaning> = KEYS
        .iter()
        .filter(|(m, keys)| {
            let text = matches!(ty, Type::Text | Type::Hex);
            (text || *m == Meaning::Port) && keys.iter().any(|k| path == *k || path.strip_suffix(k).is_some_and(|p| p.ends_with('.')))
        })
        .map(|(m, _)| *m)
        .collect();
    match ty {
        Type::Ip => all.push(Meaning::Ip),
        Type::Mac => all.push(Meaning::Mac),
        _ => {}
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The type of an envelope column as a field; `None` where it is no field of the query bar.
pub(crate) fn envelope_type(column: &str) -> Option<Type> {
    Some(match column {
        "src_ip" | "dest_ip" => Type::Ip,
        "ts" => Type::Time,
        "flow_id" | "pcap_cnt" => Type::U64,
        "seq" | "tx_id" => Type::U32,
        "src_port" | "dest_port" | "vlan" => Type::U16,
        "ip_v" | "icmp_type" | "icmp_code" => Type::U8,
        "proto" | "app_proto" | "tunnel" => Type::Text,
        _ => return None,
    })
}

/// The fields of a kind: the envelope's, then its own in order. Made once.
pub(crate) fn of_kind(schema: &'static Schema) -> Arc<Vec<FieldInfo>> {
    // As many as there are kinds: declarations are statics.
    static MADE: OnceLock<Mutex<BTreeMap<usize, Arc<Vec<FieldInfo>>>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(std::ptr::from_ref(schema).addr()).or_insert_with(|| Arc::new(make(schema))).clone()
}

fn make(schema: &'static Schema) -> Vec<FieldInfo> {
    let l = layout(schema);
    let mut all = Vec::new();
    for (column, doc) in ENVELOPE {
        let Some(ty) = envelope_type(column) else { continue };
        let name = if column == "ts" { "timestamp" } else { column };
        let meanings = meanings(name, &ty);
        all.push(FieldInfo {
            kind: schema.kind,
            name: name.to_owned(),
            column: column.to_owned(),
            ty,
            list: column == "vlan",
            class: Class::Public,
            doc,
            meanings,
        });
    }
    for leaf in l.leaves.iter().filter(|l| l.part == Part::Value) {
        all.push(FieldInfo {
            kind: schema.kind,
            name: leaf.path.clone(),
            column: leaf.column.clone(),
            ty: leaf.ty,
            list: leaf.depth > 0,
            class: leaf.class,
            doc: leaf.doc,
            meanings: meanings(&leaf.path, &leaf.ty),
        });
    }
    all
}

/// Every field of every kind.
pub fn fields(schemas: &[&'static Schema]) -> Vec<FieldInfo> {
    schemas.iter().flat_map(|s| of_kind(s).iter().cloned().collect::<Vec<_>>()).collect()
}
