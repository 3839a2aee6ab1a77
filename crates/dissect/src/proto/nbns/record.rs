//! The `nbns` event: Vigie's own.

use vigie_base::{Ip, Mac};
use vigie_event::{Flag, Group, Record};

/// A NetBIOS name service message.
#[derive(Record)]
#[record(kind = "nbns")]
pub struct NbnsMessage<'a> {
    /// `request` or `response`.
    #[field(key = "type")]
    pub kind: &'a str,
    /// Transaction within the flow.
    pub tx_id: u32,
    /// Identifier.
    pub id: u16,
    /// `query`, `registration`, `multihomed-registration`, `refresh`, `release`, `wait` or `other`.
    pub operation: &'a str,
    /// Sent to all.
    pub broadcast: Flag,
    /// Response code (3: no such name, 6: active by another, 7: conflict).
    pub rcode: u8,
    /// Name.
    #[field(class = "personal")]
    pub name: &'a [u8],
    /// Its last byte.
    pub suffix: u8,
    /// What the last byte stands for: `workstation`, `workgroup`, `file-server`, `domain-controllers`, ...
    pub role: &'a str,
    /// A group's name.
    pub group: Flag,
    /// `NB` (addresses), `NBSTAT` (node status) or `other`.
    pub query_type: &'a str,
    /// Time to live, seconds.
    pub ttl: Option<u32>,
    /// The name's addresses.
    pub addresses: &'a [Ip],
    /// A node's names.
    pub names: &'a [NbnsName<'a>],
    /// A node's Ethernet address.
    pub mac: Option<Mac>,
}

/// A name of a node.
#[derive(Group, Clone, Copy)]
pub struct NbnsName<'a> {
    /// Name.
    #[field(class = "personal")]
    pub name: &'a [u8],
    /// Its last byte.
    pub suffix: u8,
    /// What the last byte stands for.
    pub role: &'a str,
    /// A group's name.
    pub group: Flag,
}
