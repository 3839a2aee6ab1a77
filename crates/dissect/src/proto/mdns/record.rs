//! The `mdns` event, in the form of Suricata 8: each record's data stands under the name of its type.

use crate::proto::dns::message::{self, Data, Message};
use crate::proto::dns::record::{EdnsOption, Soa, Srv, Sshfp, all_options, show};
use vigie_event::{Flag, Group, Record};

/// An mDNS message.
#[derive(Record)]
#[record(kind = "mdns")]
pub struct MdnsMessage<'a> {
    /// `request` or `response`.
    #[field(key = "type")]
    pub kind: &'a str,
    /// Identifier (0 in multicast).
    pub id: u16,
    /// The flags that are set: `aa`, `tc`, `rd`, `ra`, `z`, `ad`, `cd`.
    pub flags: &'a [&'a str],
    /// Operation.
    pub opcode: u8,
    /// Response code.
    pub rcode: u16,
    /// Questions.
    pub queries: &'a [MdnsQuery<'a>],
    /// Answers.
    pub answers: &'a [MdnsResource<'a>],
    /// Authorities.
    pub authorities: &'a [MdnsResource<'a>],
    /// Additionals.
    pub additionals: &'a [MdnsResource<'a>],
}

/// A question.
#[derive(Group, Clone, Copy)]
pub struct MdnsQuery<'a> {
    /// Name asked for.
    #[field(class = "personal", keyword = "mdns.queries.rrname")]
    pub rrname: &'a [u8],
    /// Type asked for, in lower case.
    pub rrtype: &'a str,
    /// Whether the name is cut.
    pub rrname_truncated: Flag,
}

/// A resource record.
#[derive(Group, Clone, Copy, Default)]
pub struct MdnsResource<'a> {
    /// Name.
    #[field(class = "personal", keyword = "mdns.answers.rrname")]
    pub rrname: &'a [u8],
    /// Whether the name is cut.
    pub rrname_truncated: Flag,
    /// IPv4 address.
    pub a: Option<&'a [u8]>,
    /// IPv6 address.
    pub aaaa: Option<&'a [u8]>,
    /// Canonical name.
    pub cname: Option<&'a [u8]>,
    /// Mail exchanger.
    pub mx: Option<&'a [u8]>,
    /// Name server.
    pub ns: Option<&'a [u8]>,
    /// Pointer.
    pub ptr: Option<&'a [u8]>,
    /// Texts.
    #[field(class = "personal")]
    pub txt: &'a [&'a [u8]],
    /// Null data.
    pub null: Option<&'a [u8]>,
    /// Host information, as on the wire.
    pub hinfo: Option<&'a [u8]>,
    /// What exists (RFC 6762 section 6.1), as on the wire.
    pub nsec: Option<&'a [u8]>,
    /// Start of authority.
    pub soa: Option<Soa<'a>>,
    /// Service location.
    pub srv: Option<Srv<'a>>,
    /// Fingerprint of an SSH key.
    pub sshfp: Option<Sshfp<'a>>,
    /// Options of EDNS.
    pub opt: &'a [EdnsOption<'a>],
    /// Whether the name in the data is cut.
    pub rdata_truncated: Flag,
}

/// Builds the record of a message and gives it to `push`.
pub(super) fn push(m: &Message<'_>, arena: &[u8], push: impl FnOnce(&MdnsMessage<'_>)) {
    const FLAGS: [(u16, &str); 7] =
        [(0x0400, "aa"), (0x0200, "tc"), (0x0100, "rd"), (0x0080, "ra"), (0x0040, "z"), (0x0020, "ad"), (0x0010, "cd")];
    let mut flags = [""; 7];
    let mut set = 0;
    for (_, name) in FLAGS.iter().filter(|(bit, _)| m.flags & bit != 0) {
        flags[set] = name;
        set += 1;
    }
    // Type names in lower case, end to end.
    let mut lower = Vec::new();
    for q in &m.queries {
        lower.extend(q.rtype.name(arena).iter().map(u8::to_ascii_lowercase));
    }
    let lower = String::from_utf8(lower).unwrap_or_default();
    let mut at = 0;
    let queries: Vec<MdnsQuery<'_>> = m
        .queries
        .iter()
        .map(|q| {
            let start = at;
            at += q.rtype.name(arena).len();
            MdnsQuery { rrname: q.name.of(arena), rrtype: lower.get(start..at).unwrap_or(""), rrname_truncated: Flag(q.name.cut) }
        })
        .collect();
    let opts = all_options(m);
    let mut texts: Vec<&[u8]> = Vec::new();
    for r in m.answers.iter().chain(&m.authorities).chain(&m.additionals) {
        if let Data::Strings(data) = r.data {
            texts.extend(message::strings(data));
        }
    }
    let mut left = Left { opts: &opts, texts: &texts };
    let answers = section(&m.answers, arena, &mut left, false);
    let authorities = section(&m.authorities, arena, &mut left, false);
    let additionals = section(&m.additionals, arena, &mut left, true);
    push(&MdnsMessage {
        kind: if m.is_response() { "response" } else { "request" },
        id: m.id,
        flags: &flags[..set],
        opcode: m.opcode(),
        rcode: m.rcode(),
        queries: &queries,
        answers: &answers,
        authorities: &authorities,
        additionals: &additionals,
    });
}

/// Options and texts of the records still to come.
struct Left<'a> {
    opts: &'a [EdnsOption<'a>],
    texts: &'a [&'a [u8]],
}

fn section<'a>(records: &[message::Record<'a>], arena: &'a [u8], left: &mut Left<'a>, skip_bare_opt: bool) -> Vec<MdnsResource<'a>> {
    let mut out = Vec::with_capacity(records.len());
    for r in records {
        let shown = show(&r.data, arena);
        let mut resource = MdnsResource {
            rrname: r.name.of(arena),
            rrname_truncated: Flag(r.name.cut),
            rdata_truncated: Flag(shown.cut),
            soa: shown.soa,
            srv: shown.srv,
            sshfp: shown.sshfp,
            ..MdnsResource::default()
        };
        match (r.rtype.number, r.data) {
            (1, _) => resource.a = shown.rdata,
            (28, _) => resource.aaaa = shown.rdata,
            (5, _) => resource.cname = shown.rdata,
            (15, _) => resource.mx = shown.rdata,
            (2, _) => resource.ns = shown.rdata,
            (12, _) => resource.ptr = shown.rdata,
            (10, _) => resource.null = shown.rdata,
            (13, Data::Other(data)) => resource.hinfo = Some(data),
            (47, Data::Other(data)) => resource.nsec = Some(data),
            (_, Data::Strings(data)) => {
                let (mine, rest) = left.texts.split_at(message::strings(data).count().min(left.texts.len()));
                left.texts = rest;
                resource.txt = mine;
            }
            (_, Data::Opt(data)) => {
                let (mine, rest) = left.opts.split_at(message::options(data).count().min(left.opts.len()));
                left.opts = rest;
                resource.opt = mine;
                if mine.is_empty() && skip_bare_opt {
                    continue;
                }
            }
            _ => {}
        }
        out.push(resource);
    }
    out
}
