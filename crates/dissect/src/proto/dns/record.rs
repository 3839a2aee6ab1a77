//! The `dns` event (version 3 of Suricata 8).

use super::message::{Data, Message};
use vigie_base::Ip;
use vigie_event::{Flag, Group, Record};

/// A DNS message.
#[derive(Record)]
#[record(kind = "dns")]
pub struct DnsMessage<'a> {
    /// Version of this form: 3.
    pub version: u8,
    /// `request` or `response`.
    #[field(key = "type")]
    pub kind: &'a str,
    /// Transaction within the flow.
    pub tx_id: u32,
    /// Identifier.
    pub id: u16,
    /// The flag word, hexadecimal.
    pub flags: &'a str,
    /// Response.
    pub qr: Flag,
    /// Authoritative.
    pub aa: Flag,
    /// Truncated.
    pub tc: Flag,
    /// Recursion desired.
    pub rd: Flag,
    /// Recursion available.
    pub ra: Flag,
    /// Reserved bit.
    pub z: Flag,
    /// Operation.
    #[field(keyword = "dns.opcode")]
    pub opcode: u8,
    /// Response code.
    #[field(keyword = "dns.rcode")]
    pub rcode: &'a [u8],
    /// Questions.
    pub queries: &'a [Query<'a>],
    /// Answers.
    pub answers: &'a [Resource<'a>],
    /// Authorities.
    pub authorities: &'a [Resource<'a>],
    /// Additionals.
    pub additionals: &'a [Resource<'a>],
    /// The answers' data by type.
    pub grouped: Option<Grouped<'a>>,
}

/// A question.
#[derive(Group, Clone, Copy)]
pub struct Query<'a> {
    /// Name asked for.
    #[field(class = "personal", keyword = "dns.query")]
    pub rrname: &'a [u8],
    /// Type asked for.
    #[field(keyword = "dns.rrtype")]
    pub rrtype: &'a [u8],
    /// Operation, where it is not a query.
    pub opcode: Option<u8>,
}

/// A resource record.
#[derive(Group, Clone, Copy)]
pub struct Resource<'a> {
    /// Name.
    #[field(keyword = "dns.answers.rrname")]
    pub rrname: &'a [u8],
    /// Type.
    pub rrtype: &'a [u8],
    /// Time to live, seconds.
    pub ttl: u32,
    /// Its data, where it has a text form.
    pub rdata: Option<&'a [u8]>,
    /// Start of authority.
    pub soa: Option<Soa<'a>>,
    /// Service location.
    pub srv: Option<Srv<'a>>,
    /// Fingerprint of an SSH key.
    pub sshfp: Option<Sshfp<'a>>,
}

/// Start of authority.
#[derive(Group, Clone, Copy)]
pub struct Soa<'a> {
    /// Primary server.
    pub mname: &'a [u8],
    /// Mailbox.
    pub rname: &'a [u8],
    /// Serial.
    pub serial: u32,
    /// Refresh, seconds.
    pub refresh: u32,
    /// Retry, seconds.
    pub retry: u32,
    /// Expire, seconds.
    pub expire: u32,
    /// Minimum TTL, seconds.
    pub minimum: u32,
}

/// Service location.
#[derive(Group, Clone, Copy)]
pub struct Srv<'a> {
    /// Priority.
    pub priority: u16,
    /// Weight.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Target.
    pub name: &'a [u8],
}

/// Fingerprint of an SSH key.
#[derive(Group, Clone, Copy)]
pub struct Sshfp<'a> {
    /// The fingerprint, hexadecimal with colons.
    pub fingerprint: &'a [u8],
    /// Algorithm.
    pub algo: u8,
    /// Fingerprint type.
    #[field(key = "type")]
    pub kind: u8,
}

/// The answers' data by type.
#[derive(Group, Clone, Copy)]
pub struct Grouped<'a> {
    /// IPv4 addresses.
    #[field(key = "A")]
    pub a: &'a [&'a [u8]],
    /// IPv6 addresses.
    #[field(key = "AAAA")]
    pub aaaa: &'a [&'a [u8]],
    /// Canonical names.
    #[field(key = "CNAME")]
    pub cname: &'a [&'a [u8]],
    /// Mail exchangers.
    #[field(key = "MX")]
    pub mx: &'a [&'a [u8]],
    /// Name servers.
    #[field(key = "NS")]
    pub ns: &'a [&'a [u8]],
    /// Pointers.
    #[field(key = "PTR")]
    pub ptr: &'a [&'a [u8]],
    /// Texts.
    #[field(key = "TXT")]
    pub txt: &'a [&'a [u8]],
    /// Null data.
    #[field(key = "NULL")]
    pub null: &'a [&'a [u8]],
    /// Services.
    #[field(key = "SRV")]
    pub srv: &'a [Srv<'a>],
    /// Fingerprints of SSH keys.
    #[field(key = "SSHFP")]
    pub sshfp: &'a [Sshfp<'a>],
}

/// The texts that a message's records need besides its names: addresses, type numbers, fingerprints.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn get(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[start..self.ends[i]]
    }
}

/// Builds the record of a message and gives it to `push`.
pub(super) fn push(m: &Message<'_>, arena: &[u8], tx: u32, push: impl FnOnce(&DnsMessage<'_>)) {
    // First all texts, so that records can borrow them: for each record its data, then for each type number its name.
    let mut texts = Texts::default();
    for r in m.answers.iter().chain(&m.authorities).chain(&m.additionals) {
        texts.add(|out| match r.data {
            Data::Address(ip) => ip_text(ip, out),
            Data::Sshfp { fingerprint, .. } => colons(fingerprint, out),
            _ => {}
        });
        texts.add(|out| type_name(r.rtype, out));
    }
    let types_at = texts.ends.len();
    for q in &m.queries {
        texts.add(|out| type_name(q.rtype, out));
    }
    texts.add(|out| out.extend_from_slice(rcode_name(m.rcode()).as_bytes()));
    texts.add(|out| {
        use std::io::Write;
        let _ = write!(out, "{:x}", m.flags);
    });
    let opcode = Some(m.opcode()).filter(|o| *o != 0);
    let queries: Vec<Query<'_>> = m
        .queries
        .iter()
        .enumerate()
        .map(|(i, q)| Query { rrname: q.name.of(arena), rrtype: texts.get(types_at + i), opcode })
        .collect();
    let mut all = m
        .answers
        .iter()
        .chain(&m.authorities)
        .chain(&m.additionals)
        .enumerate()
        .map(|(i, r)| resource(r, arena, texts.get(2 * i), texts.get(2 * i + 1)));
    let answers: Vec<Resource<'_>> = all.by_ref().take(m.answers.len()).collect();
    let authorities: Vec<Resource<'_>> = all.by_ref().take(m.authorities.len()).collect();
    let additionals: Vec<Resource<'_>> = all.collect();
    let of = |rtype: u16| -> Vec<&[u8]> {
        m.answers.iter().zip(&answers).filter(|(r, _)| r.rtype == rtype).filter_map(|(_, a)| a.rdata).collect()
    };
    let (a, aaaa, cname, mx, ns, ptr, txt, null) = (of(1), of(28), of(5), of(15), of(2), of(12), of(16), of(10));
    let srv: Vec<Srv<'_>> = answers.iter().filter_map(|r| r.srv).collect();
    let sshfp: Vec<Sshfp<'_>> = answers.iter().filter_map(|r| r.sshfp).collect();
    let grouped = Grouped { a: &a, aaaa: &aaaa, cname: &cname, mx: &mx, ns: &ns, ptr: &ptr, txt: &txt, null: &null, srv: &srv, sshfp: &sshfp };
    let flag = |bit: u16| Flag(m.flags & bit != 0);
    let last = texts.ends.len();
    push(&DnsMessage {
        version: 3,
        kind: if m.is_response() { "response" } else { "request" },
        tx_id: tx,
        id: m.id,
        flags: std::str::from_utf8(texts.get(last - 1)).unwrap_or(""),
        qr: flag(0x8000),
        aa: flag(0x0400),
        tc: flag(0x0200),
        rd: flag(0x0100),
        ra: flag(0x0080),
        z: flag(0x0040),
        opcode: m.opcode(),
        rcode: texts.get(last - 2),
        queries: &queries,
        answers: &answers,
        authorities: &authorities,
        additionals: &additionals,
        grouped: (!answers.is_empty()).then_some(grouped),
    });
}

fn resource<'a>(r: &super::message::Record<'a>, arena: &'a [u8], text: &'a [u8], rrtype: &'a [u8]) -> Resource<'a> {
    let mut out = Resource { rrname: r.name.of(arena), rrtype, ttl: r.ttl, rdata: None, soa: None, srv: None, sshfp: None };
    match r.data {
        Data::Address(_) => out.rdata = Some(text),
        Data::Name(n) => out.rdata = Some(n.of(arena)),
        Data::Bytes(b) => out.rdata = Some(b),
        Data::Soa { mname, rname, serial, refresh, retry, expire, minimum } => {
            out.soa = Some(Soa { mname: mname.of(arena), rname: rname.of(arena), serial, refresh, retry, expire, minimum });
        }
        Data::Srv { priority, weight, port, target } => out.srv = Some(Srv { priority, weight, port, name: target.of(arena) }),
        Data::Sshfp { algo, kind, .. } => out.sshfp = Some(Sshfp { fingerprint: text, algo, kind }),
        Data::Other(_) => {}
    }
    out
}

fn ip_text(ip: Ip, out: &mut Vec<u8>) {
    ip.write_eve(out);
}

fn colons(bytes: &[u8], out: &mut Vec<u8>) {
    for (i, b) in bytes.iter().enumerate() {
        if i > 0 {
            out.push(b':');
        }
        vigie_base::text::hex(&[*b], out);
    }
}

fn rcode_name(rcode: u16) -> &'static str {
    const NAMES: [&str; 16] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "11", "12", "13",
        "14", "15",
    ];
    NAMES[usize::from(rcode & 15)]
}

/// The name of a record type (IANA, DNS parameters); its number where it has none here.
pub(super) fn type_name(rtype: u16, out: &mut Vec<u8>) {
    let name = match rtype {
        1 => "A",
        2 => "NS",
        3 => "MD",
        4 => "MF",
        5 => "CNAME",
        6 => "SOA",
        7 => "MB",
        8 => "MG",
        9 => "MR",
        10 => "NULL",
        11 => "WKS",
        12 => "PTR",
        13 => "HINFO",
        14 => "MINFO",
        15 => "MX",
        16 => "TXT",
        17 => "RP",
        18 => "AFSDB",
        19 => "X25",
        20 => "ISDN",
        21 => "RT",
        22 => "NSAP",
        23 => "NSAPPTR",
        24 => "SIG",
        25 => "KEY",
        26 => "PX",
        27 => "GPOS",
        28 => "AAAA",
        29 => "LOC",
        30 => "NXT",
        33 => "SRV",
        34 => "ATMA",
        35 => "NAPTR",
        36 => "KX",
        37 => "CERT",
        38 => "A6",
        39 => "DNAME",
        41 => "OPT",
        42 => "APL",
        43 => "DS",
        44 => "SSHFP",
        45 => "IPSECKEY",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        49 => "DHCID",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        55 => "HIP",
        59 => "CDS",
        60 => "CDNSKEY",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        249 => "TKEY",
        250 => "TSIG",
        252 => "AXFR",
        253 => "MAILB",
        254 => "MAILA",
        255 => "ANY",
        256 => "URI",
        n => {
            out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
            return;
        }
    };
    out.extend_from_slice(name.as_bytes());
}
