//! The declaration of a kind of event, as data.

/// Who may see a field, and how it is kept (enforced where events are made).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Protocol facts.
    Public,
    /// User names, mail addresses, URLs.
    Personal,
    /// Patient, staff or social-security numbers: keyed hashes only.
    Identifier,
    /// Passwords, keys: only their length.
    Secret,
}

impl Class {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Public => "public",
            Class::Personal => "personal",
            Class::Identifier => "identifier",
            Class::Secret => "secret",
        }
    }
}

/// Where EVE writes a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the kind's own object.
    Object,
    /// In the object `vigie`: what Suricata does not write.
    Vigie,
    /// In the event itself.
    Top,
    /// Nowhere: in columns only.
    Hidden,
}

/// The type of a field, as kept and as written.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// true or false, always written.
    Bool,
    /// Written only where true.
    Flag,
    /// Unsigned numbers.
    U8,
    #[allow(missing_docs)]
    U16,
    #[allow(missing_docs)]
    U32,
    #[allow(missing_docs)]
    U64,
    /// A signed number.
    I64,
    /// A number with a fraction.
    F64,
    /// Bytes shown as text.
    Text,
    /// Bytes shown in hexadecimal.
    Hex,
    /// An address.
    Ip,
    /// An Ethernet address.
    Mac,
    /// A time.
    Time,
    /// Written only where present.
    Opt(&'static Type),
    /// Several of a type; written only where not empty.
    List(&'static Type),
    /// An object.
    Group(&'static [Field]),
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// Name in Rust and of the column.
    pub name: &'static str,
    /// Name in EVE.
    pub key: &'static str,
    /// `"key":`, as written.
    pub json_key: &'static str,
    /// Type.
    pub ty: Type,
    /// Privacy class.
    pub class: Class,
    /// Where EVE writes it.
    pub place: Place,
    /// The rule keyword that matches on it, if any.
    pub keyword: Option<&'static str>,
    /// One line on what it means.
    pub doc: &'static str,
}

/// One kind of event.
#[derive(Debug)]
pub struct Schema {
    /// `event_type`.
    pub kind: &'static str,
    /// The EVE object that holds its fields.
    pub object: &'static str,
    /// One line on what it is.
    pub doc: &'static str,
    /// Its fields in the order of declaration.
    pub fields: &'static [Field],
    /// Whether it is for Vigie's own use and stays out of EVE.
    pub internal: bool,
    /// Whether the event names the application protocol of its flow.
    pub app_proto: bool,
    /// Whether the event names its transaction.
    pub tx: bool,
}

/// The place of `kind` in `kinds`, at compile time: an unregistered kind does not compile.
pub const fn slot_of(kinds: &[&str], kind: &str) -> usize {
    let mut i = 0;
    while i < kinds.len() {
        if same(kinds[i].as_bytes(), kind.as_bytes()) {
            return i;
        }
        i += 1;
    }
    panic!("this record is not in the registry of kinds")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
