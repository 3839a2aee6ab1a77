//! The `dns` event (version 3 of Suricata 8).

use super::message::{self, Data, Message, options, strings};
use vigie_event::{Flag, Group, Hex, Record};

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
    pub rcode: &'a str,
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
    /// Whether the name is cut.
    pub rrname_truncated: Flag,
}

/// A resource record.
#[derive(Group, Clone, Copy)]
pub struct Resource<'a> {
    /// Name.
    #[field(keyword = "dns.answers.rrname")]
    pub rrname: &'a [u8],
    /// Whether the name is cut.
    pub rrname_truncated: Flag,
    /// Type.
    pub rrtype: &'a [u8],
    /// Time to live, seconds.
    pub ttl: u32,
    /// Its data, where it has a text form.
    pub rdata: Option<&'a [u8]>,
    /// Whether that text is cut.
    pub rdata_truncated: Flag,
    /// Start of authority.
    pub soa: Option<Soa<'a>>,
    /// Service location.
    pub srv: Option<Srv<'a>>,
    /// Fingerprint of an SSH key.
    pub sshfp: Option<Sshfp<'a>>,
    /// Options of EDNS.
    pub opt: &'a [EdnsOption<'a>],
}

/// An option of EDNS (RFC 6891).
#[derive(Group, Clone, Copy)]
pub struct EdnsOption<'a> {
    /// Its code.
    pub code: u16,
    /// Its data, hexadecimal.
    pub data: Hex<'a>,
}

/// Start of authority.
#[derive(Group, Clone, Copy)]
pub struct Soa<'a> {
    /// Primary server.
    pub mname: &'a [u8],
    /// Whether it is cut.
    pub mname_truncated: Flag,
    /// Mailbox.
    pub rname: &'a [u8],
    /// Whether it is cut.
    pub rname_truncated: Flag,
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
    /// Starts of authority.
    #[field(key = "SOA")]
    pub soa: &'a [Soa<'a>],
    /// Services.
    #[field(key = "SRV")]
    pub srv: &'a [Srv<'a>],
    /// Fingerprints of SSH keys.
    #[field(key = "SSHFP")]
    pub sshfp: &'a [Sshfp<'a>],
}

/// What a resource record gives under its own key, in `dns`, `mdns` and `llmnr`.
pub(crate) struct Shown<'a> {
    /// Text.
    pub(crate) rdata: Option<&'a [u8]>,
    /// Whether that text is cut.
    pub(crate) cut: bool,
    /// Start of authority.
    pub(crate) soa: Option<Soa<'a>>,
    /// Service location.
    pub(crate) srv: Option<Srv<'a>>,
    /// Fingerprint of an SSH key.
    pub(crate) sshfp: Option<Sshfp<'a>>,
}

pub(crate) fn show<'a>(data: &Data<'a>, arena: &'a [u8]) -> Shown<'a> {
    let mut out = Shown { rdata: None, cut: false, soa: None, srv: None, sshfp: None };
    match *data {
        Data::Address(_, text) => out.rdata = Some(text.of(arena)),
        Data::Name(n) => {
            out.rdata = Some(n.of(arena));
            out.cut = n.cut;
        }
        Data::Bytes(b) => out.rdata = Some(b),
        Data::Soa { mname, rname, serial, refresh, retry, expire, minimum } => {
            out.soa = Some(Soa {
                mname: mname.of(arena),
                mname_truncated: Flag(mname.cut),
                rname: rname.of(arena),
                rname_truncated: Flag(rname.cut),
                serial,
                refresh,
                retry,
                expire,
                minimum,
            });
        }
        Data::Srv { priority, weight, port, target } => out.srv = Some(Srv { priority, weight, port, name: target.of(arena) }),
        Data::Sshfp { algo, kind, fingerprint } => out.sshfp = Some(Sshfp { fingerprint: fingerprint.of(arena), algo, kind }),
        Data::Strings(_) | Data::Opt(_) | Data::Other(_) => {}
    }
    out
}

/// The options of all OPT records of a message, in order.
pub(crate) fn all_options<'a>(m: &Message<'a>) -> Vec<EdnsOption<'a>> {
    let mut out = Vec::new();
    for r in m.answers.iter().chain(&m.authorities).chain(&m.additionals) {
        if let Data::Opt(data) = r.data {
            out.extend(options(data).map(|(code, data)| EdnsOption { code, data: Hex(data) }));
        }
    }
    out
}

/// The records of a section as EVE lists them: one for each string of a TXT; an OPT without options is left out of the additionals.
pub(crate) fn section<'a>(
    records: &[message::Record<'a>],
    arena: &'a [u8],
    opts: &mut &'a [EdnsOption<'a>],
    skip_bare_opt: bool,
) -> Vec<Resource<'a>> {
    let mut out = Vec::with_capacity(records.len());
    for r in records {
        let shown = show(&r.data, arena);
        let mut resource = Resource {
            rrname: r.name.of(arena),
            rrname_truncated: Flag(r.name.cut),
            rrtype: r.rtype.name(arena),
            ttl: r.ttl,
            rdata: shown.rdata,
            rdata_truncated: Flag(shown.cut),
            soa: shown.soa,
            srv: shown.srv,
            sshfp: shown.sshfp,
            opt: &[],
        };
        match r.data {
            Data::Strings(data) => out.extend(strings(data).map(|s| Resource { rdata: Some(s), ..resource })),
            Data::Opt(data) => {
                let (mine, rest) = opts.split_at(options(data).count().min(opts.len()));
                *opts = rest;
                resource.opt = mine;
                if !(mine.is_empty() && skip_bare_opt) {
                    out.push(resource);
                }
            }
            _ => out.push(resource),
        }
    }
    out
}

/// Questions as EVE lists them.
pub(crate) fn questions<'a>(m: &Message<'_>, arena: &'a [u8]) -> Vec<Query<'a>> {
    m.queries.iter().map(|q| Query { rrname: q.name.of(arena), rrtype: q.rtype.name(arena), rrname_truncated: Flag(q.name.cut) }).collect()
}

/// Builds the record of a message and gives it to `push`.
pub(super) fn push(m: &Message<'_>, arena: &[u8], tx: u32, push: impl FnOnce(&DnsMessage<'_>)) {
    let queries = questions(m, arena);
    let opts = all_options(m);
    let mut left = &opts[..];
    let answers = section(&m.answers, arena, &mut left, false);
    let authorities = section(&m.authorities, arena, &mut left, false);
    let additionals = section(&m.additionals, arena, &mut left, true);
    let of = |rtype: &[u8]| -> Vec<&[u8]> { answers.iter().filter(|a| a.rrtype == rtype).filter_map(|a| a.rdata).collect() };
    let (a, aaaa, cname, mx, ns) = (of(b"A"), of(b"AAAA"), of(b"CNAME"), of(b"MX"), of(b"NS"));
    let (ptr, txt, null) = (of(b"PTR"), of(b"TXT"), of(b"NULL"));
    let soa: Vec<Soa<'_>> = answers.iter().filter_map(|r| r.soa).collect();
    let srv: Vec<Srv<'_>> = answers.iter().filter_map(|r| r.srv).collect();
    let sshfp: Vec<Sshfp<'_>> = answers.iter().filter_map(|r| r.sshfp).collect();
    let grouped = Grouped {
        a: &a,
        aaaa: &aaaa,
        cname: &cname,
        mx: &mx,
        ns: &ns,
        ptr: &ptr,
        txt: &txt,
        null: &null,
        soa: &soa,
        srv: &srv,
        sshfp: &sshfp,
    };
    let flag = |bit: u16| Flag(m.flags & bit != 0);
    let mut flags = [0; 4];
    push(&DnsMessage {
        version: 3,
        kind: if m.is_response() { "response" } else { "request" },
        tx_id: tx,
        id: m.id,
        flags: hex_word(m.flags, &mut flags),
        qr: flag(0x8000),
        aa: flag(0x0400),
        tc: flag(0x0200),
        rd: flag(0x0100),
        ra: flag(0x0080),
        z: flag(0x0040),
        opcode: m.opcode(),
        rcode: rcode_name(m.rcode()),
        queries: &queries,
        answers: &answers,
        authorities: &authorities,
        additionals: &additionals,
        grouped: (!answers.is_empty()).then_some(grouped),
    });
}

/// A word in hexadecimal, without leading zeros.
fn hex_word(v: u16, out: &mut [u8; 4]) -> &str {
    for (i, b) in out.iter_mut().enumerate() {
        *b = b"0123456789abcdef"[usize::from(v >> (12 - 4 * i) & 15)];
    }
    let zeros = out.iter().take(3).take_while(|b| **b == b'0').count();
    std::str::from_utf8(&out[zeros..]).unwrap_or("")
}

pub(crate) fn rcode_name(rcode: u16) -> &'static str {
    const NAMES: [&str; 16] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "11",
        "12", "13", "14", "15",
    ];
    NAMES[usize::from(rcode & 15)]
}
