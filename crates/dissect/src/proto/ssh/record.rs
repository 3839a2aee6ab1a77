//! The `ssh` event, as in Suricata 8.

use vigie_event::{Flag, Group, Record};

/// An SSH session.
#[derive(Record)]
#[record(kind = "ssh")]
pub struct SshEvent<'a> {
    /// What the client says of itself.
    pub client: Option<Peer<'a>>,
    /// What the server says of itself.
    pub server: Option<Peer<'a>>,
    /// Key exchange that both settle on.
    #[field(place = "vigie", key = "kex")]
    pub kex: Option<&'a [u8]>,
    /// Cipher from client to server.
    #[field(place = "vigie", key = "cipher")]
    pub cipher: Option<&'a [u8]>,
    /// Kind of the server's key.
    #[field(place = "vigie", key = "host_key")]
    pub host_key: Option<&'a [u8]>,
    /// Whether the side that was called acts as the client: a session turned round.
    #[field(place = "vigie", key = "reversed")]
    pub reversed: Flag,
}

/// One side of an SSH session.
#[derive(Group, Clone, Copy)]
pub struct Peer<'a> {
    /// Version of the protocol.
    #[field(keyword = "ssh.proto")]
    pub proto_version: &'a [u8],
    /// Name and version of the software.
    #[field(keyword = "ssh.software")]
    pub software_version: &'a [u8],
    /// Fingerprint of what it offers for the key exchange.
    pub hassh: Option<Hassh<'a>>,
}

/// A HASSH fingerprint.
#[derive(Group, Clone, Copy)]
pub struct Hassh<'a> {
    /// MD5 of the string.
    pub hash: &'a str,
    /// Key exchanges, ciphers, MACs and compressions offered.
    pub string: Option<&'a [u8]>,
}
