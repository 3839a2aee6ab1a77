//! Which frames to keep, by an expression as `tcpdump` takes it (pcap-filter(7)).
//!
//! Taken: `host`, `net`, `port`, `portrange`, `proto`, with `src` and `dst`; the protocols `ether ip ip6 arp rarp tcp udp sctp icmp icmp6
//! igmp igrp pim ah esp vrrp`; `vlan`, `broadcast`, `multicast`, `less`, `greater`, `len`; `and`, `or`, `not`, parentheses. As in libpcap
//! `and` and `or` bind equally, from the left, and a bare value takes the qualifiers of the one before it (`port 80 or 443`).
//!
//! Two differences: a VLAN tag never hides what it carries (libpcap wants `vlan and tcp` to see TCP behind one; that works here too, and
//! so does `tcp`), and no name is looked up, but those of common ports. Byte tests (`tcp[13] & 2 != 0`) are not taken.
//!
//! A frame is tested in place, without state. Bounds: [`DEPTH_MAX`] levels of parentheses, [`TESTS_MAX`] tests.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vigie_base::text;

use crate::LinkType;

/// Levels of parentheses and `not`.
const DEPTH_MAX: usize = 64;
/// Tests in one expression.
const TESTS_MAX: usize = 4096;
/// VLAN tags looked behind.
const TAGS_MAX: usize = 8;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Filter {
    root: Node,
}

/// Why an expression is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Byte position in the expression, from 0.
    pub at: usize,
    /// The word there, empty at the end.
    pub word: String,
    /// What is wrong, and what to write.
    pub what: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.word.as_str() {
            "" => write!(f, "filter: at its end: {}", self.what),
            word => write!(f, "filter: column {}: \"{}\": {}", self.at + 1, text::terminal(word), self.what),
        }
    }
}

impl std::error::Error for FilterError {}

#[derive(Clone, Debug)]
enum Node {
    /// Left to right, without precedence; the operator stands before its operand (that of the first is not looked at).
    Chain(Vec<(Op, Node)>),
    Not(Box<Node>),
    Test(Test),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dir {
    Either,
    Both,
    Src,
    Dst,
}

impl Dir {
    #[inline]
    fn of(self, src: bool, dst: bool) -> bool {
        match self {
            Dir::Either => src || dst,
            Dir::Both => src && dst,
            Dir::Src => src,
            Dir::Dst => dst,
        }
    }
}

/// A protocol word as a qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proto {
    Any,
    Ether,
    Ip,
    Ip6,
    Arp,
    Rarp,
    /// By number, with the address families that it may be in.
    Over {
        number: u8,
        v4: bool,
        v6: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Qualifiers {
    proto: Proto,
    dir: Dir,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Net(Net),
    EtherType(u16),
    Over {
        number: u8,
        v4: bool,
        v6: bool,
    },
    /// The network address, its mask; `proto` says where to look.
    V4 {
        proto: Proto,
        dir: Dir,
        net: u32,
        mask: u32,
    },
    V6 {
        dir: Dir,
        net: u128,
        mask: u128,
    },
    Mac {
        dir: Dir,
        mac: [u8; 6],
    },
    /// `number` 0: TCP, UDP or SCTP.
    Port {
        number: u8,
        dir: Dir,
        low: u16,
        high: u16,
    },
    /// Bytes on the wire.
    Len {
        order: Order,
        bytes: u32,
    },
    Vlan(Option<u16>),
    EtherBroadcast,
    EtherMulticast,
    V4Multicast,
    V6Multicast,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Less,
    AtMost,
    Equal,
    Not,
    AtLeast,
    More,
}

/// What a link header says comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Net {
    V4,
    V6,
    Arp,
    Rarp,
    Other,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// Words that name a protocol over IP: number, in IPv4, in IPv6.
const OVER: &[(&str, u8, bool, bool)] = &[
    ("tcp", TCP, true, true),
    ("udp", UDP, true, true),
    ("sctp", SCTP, true, true),
    ("icmp", 1, true, false),
    ("icmp6", 58, false, true),
    ("igmp", 2, true, false),
    ("igrp", 9, true, false),
    ("pim", 103, true, true),
    ("ah", 51, true, true),
    ("esp", 50, true, true),
    ("vrrp", 112, true, false),
];

/// Names of ports that people write in filters (IANA service names).
const PORTS: &[(&str, u16)] = &[
    ("bgp", 179),
    ("bootpc", 68),
    ("bootps", 67),
    ("domain", 53),
    ("ftp", 21),
    ("ftp-data", 20),
    ("http", 80),
    ("https", 443),
    ("imap", 143),
    ("imap2", 143),
    ("imaps", 993),
    ("kerberos", 88),
    ("ldap", 389),
    ("ldaps", 636),
    ("microsoft-ds", 445),
    ("mysql", 3306),
    ("netbios-dgm", 138),
    ("netbios-ns", 137),
    ("netbios-ssn", 139),
    ("ntp", 123),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgresql", 5432),
    ("sip", 5060),
    ("smtp", 25),
    ("snmp", 161),
    ("snmp-trap", 162),
    ("ssh", 22),
    ("submission", 587),
    ("syslog", 514),
    ("telnet", 23),
    ("tftp", 69),
];

/// Words with a meaning of their own, for "did you mean".
const WORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "host",
    "net",
    "port",
    "portrange",
    "proto",
    "src",
    "dst",
    "mask",
    "ether",
    "ip",
    "ip6",
    "arp",
    "rarp",
    "tcp",
    "udp",
    "sctp",
    "icmp",
    "icmp6",
    "igmp",
    "igrp",
    "pim",
    "ah",
    "esp",
    "vrrp",
    "vlan",
    "broadcast",
    "multicast",
    "less",
    "greater",
    "len",
];

/// Words of pcap-filter that are not taken here.
const NOT_TAKEN: &[&str] = &[
    "gateway",
    "mpls",
    "pppoed",
    "pppoes",
    "geneve",
    "vxlan",
    "inbound",
    "outbound",
    "ifname",
    "on",
    "protochain",
    "iso",
    "atalk",
    "aarp",
    "decnet",
    "ipx",
    "netbeui",
    "lat",
    "moprc",
    "mopdl",
    "stp",
    "wlan",
    "type",
    "subtype",
    "dir",
    "fddi",
    "tr",
    "ppp",
    "link",
    "llc",
    "rset",
    "ruleset",
    "reason",
    "action",
    "carp",
    "clnp",
    "esis",
    "isis",
    "lane",
    "vpi",
    "vci",
];

impl Filter {
    /// Compiles `expression`; an empty one matches every frame.
    pub fn parse(expression: &str) -> Result<Filter, FilterError> {
        let mut parser = Parser { tokens: tokens(expression), at: 0, end: expression.len(), last: None, tests: 0 };
        if parser.tokens.is_empty() {
            return Ok(Filter { root: Node::Chain(Vec::new()) });
        }
        let root = parser.chain(0)?;
        match parser.peek() {
            None => Ok(Filter { root }),
            Some(")") => Err(parser.error("no parenthesis is open here")),
            Some(_) => Err(parser.misplaced()),
        }
    }

    /// Whether the filter can look into frames of this link type; where not, only tests of length can match.
    pub fn sees(&self, link: LinkType) -> bool {
        layers(link, &[]).is_some()
    }

    /// Whether a frame matches. `wire_len` is its length on the wire, in bytes. A test that needs bytes which were not captured fails.
    pub fn matches(&self, link: LinkType, data: &[u8], wire_len: u32) -> bool {
        let view = View { layers: layers(link, data).unwrap_or_default(), wire_len };
        self.root.holds(&view)
    }
}

impl Node {
    fn holds(&self, view: &View<'_>) -> bool {
        match self {
            Node::Test(test) => test.holds(view),
            Node::Not(node) => !node.holds(view),
            Node::Chain(list) => {
                let mut value = true;
                for (i, (op, node)) in list.iter().enumerate() {
                    value = match op {
                        _ if i == 0 => node.holds(view),
                        Op::And => value && node.holds(view),
                        Op::Or => value || node.holds(view),
                    };
                }
                value
            }
        }
    }
}

struct View<'a> {
    layers: Layers<'a>,
    wire_len: u32,
}

/// A frame up to its network header.
#[derive(Clone, Copy)]
struct Layers<'a> {
    /// The Ethernet header, where there is one.
    ether: &'a [u8],
    /// The first and the last type number.
    types: [u16; 2],
    tags: [u16; TAGS_MAX],
    tag_count: usize,
    net: Net,
    rest: &'a [u8],
}

impl Default for Layers<'_> {
    fn default() -> Self {
        Layers { ether: &[], types: [0; 2], tags: [0; TAGS_MAX], tag_count: 0, net: Net::Other, rest: &[] }
    }
}

#[inline]
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk::<2>()?))
}

#[inline]
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk::<4>()?))
}

/// Reads the link header; `None` for a link type that is not known here.
#[inline]
fn layers(link: LinkType, data: &[u8]) -> Option<Layers<'_>> {
    let mut out = Layers::default();
    let by_family = |family: u32| match family {
        2 => Net::V4,
        10 | 24 | 28 | 30 => Net::V6,
        _ => Net::Other,
    };
    let after = |n: usize| data.get(n..).unwrap_or(&[]);
    let (kind_at, rest_at) = match link {
        LinkType::EN10MB => {
            out.ether = data.get(..14).unwrap_or(&[]);
            (12, 14)
        }
        LinkType::LINUX_SLL => (14, 16),
        LinkType::LINUX_SLL2 => (0, 20),
        LinkType::C_HDLC => (2, 4),
        LinkType::PPP | LinkType::PPP_SERIAL => {
            let skip = if data.starts_with(&[0xff, 3]) { 2 } else { 0 };
            out.net = match be16(data, skip) {
                Some(0x0021) => Net::V4,
                Some(0x0057) => Net::V6,
                _ => Net::Other,
            };
            out.rest = after(skip + 2);
            return Some(out);
        }
        LinkType::RAW | LinkType::RAW_12 | LinkType::RAW_14 => {
            out.net = match data.first().map(|b| b >> 4) {
                Some(4) => Net::V4,
                Some(6) => Net::V6,
                _ => Net::Other,
            };
            out.rest = data;
            return Some(out);
        }
        LinkType::IPV4 | LinkType::IPV6 => {
            out.net = if link == LinkType::IPV4 { Net::V4 } else { Net::V6 };
            out.rest = data;
            return Some(out);
        }
        LinkType::NULL | LinkType::LOOP => {
            let family = be32(data, 0).unwrap_or(0);
            // The writer's byte order is not known: the one that gives a small number.
            let family = if link == LinkType::NULL && family > 0xffff { family.swap_bytes() } else { family };
            out.net = by_family(family);
            out.rest = after(4);
            return Some(out);
        }
        _ => return None,
    };
    let mut kind = be16(data, kind_at).unwrap_or(0);
    let mut at = rest_at;
    out.types[0] = kind;
    while matches!(kind, 0x8100 | 0x88a8 | 0x9100) && out.tag_count < TAGS_MAX {
        let (Some(tag), Some(next)) = (be16(data, at), be16(data, at + 2)) else { break };
        out.tags[out.tag_count] = tag & 0x0fff;
        out.tag_count += 1;
        kind = next;
        at += 4;
    }
    out.types[1] = kind;
    out.net = match kind {
        0x0800 => Net::V4,
        0x86dd => Net::V6,
        0x0806 => Net::Arp,
        0x8035 => Net::Rarp,
        _ => Net::Other,
    };
    out.rest = after(at);
    Some(out)
}

impl Layers<'_> {
    /// Whether the packet carries the protocol: in IPv6 as its next header, or behind a fragment header.
    #[inline]
    fn over(&self, number: u8, v4: bool, v6: bool) -> bool {
        match self.net {
            Net::V4 => v4 && self.rest.get(9) == Some(&number),
            Net::V6 => v6 && (self.rest.get(6) == Some(&number) || (self.rest.get(6) == Some(&44) && self.rest.get(40) == Some(&number))),
            _ => false,
        }
    }

    /// The ports of a first fragment, with the protocol.
    #[inline]
    fn ports(&self) -> Option<(u8, u16, u16)> {
        let (number, at) = match self.net {
            Net::V4 if be16(self.rest, 6)? & 0x1fff == 0 => (*self.rest.get(9)?, usize::from(self.rest[0] & 15) * 4),
            Net::V6 => (*self.rest.get(6)?, 40),
            _ => return None,
        };
        matches!(number, TCP | UDP | SCTP).then_some(())?;
        Some((number, be16(self.rest, at)?, be16(self.rest, at + 2)?))
    }

    /// IPv4 addresses, those of ARP included.
    #[inline]
    fn v4(&self) -> Option<(u32, u32)> {
        match self.net {
            Net::V4 => Some((be32(self.rest, 12)?, be32(self.rest, 16)?)),
            Net::Arp | Net::Rarp => Some((be32(self.rest, 14)?, be32(self.rest, 24)?)),
            _ => None,
        }
    }

    #[inline]
    fn v6(&self) -> Option<(u128, u128)> {
        let at = |i: usize| Some(u128::from_be_bytes(*self.rest.get(i..)?.first_chunk::<16>()?));
        if self.net == Net::V6 { Some((at(8)?, at(24)?)) } else { None }
    }
}

impl Test {
    #[inline]
    fn holds(&self, view: &View<'_>) -> bool {
        let l = &view.layers;
        match *self {
            Test::Net(net) => l.net == net,
            Test::EtherType(kind) => l.types.contains(&kind),
            Test::Over { number, v4, v6 } => l.over(number, v4, v6),
            Test::V4 { proto, dir, net, mask } => {
                let place = match proto {
                    Proto::Ip => l.net == Net::V4,
                    Proto::Arp => l.net == Net::Arp,
                    Proto::Rarp => l.net == Net::Rarp,
                    _ => true,
                };
                place && l.v4().is_some_and(|(src, dst)| dir.of(src & mask == net, dst & mask == net))
            }
            Test::V6 { dir, net, mask } => l.v6().is_some_and(|(src, dst)| dir.of(src & mask == net, dst & mask == net)),
            Test::Mac { dir, mac } => l.ether.len() >= 12 && dir.of(l.ether[6..12] == mac, l.ether[..6] == mac),
            Test::Port { number, dir, low, high } => l.ports().is_some_and(|(proto, src, dst)| {
                (number == 0 || number == proto) && dir.of((low..=high).contains(&src), (low..=high).contains(&dst))
            }),
            Test::Len { order, bytes } => {
                let len = view.wire_len;
                match order {
                    Order::Less => len < bytes,
                    Order::AtMost => len <= bytes,
                    Order::Equal => len == bytes,
                    Order::Not => len != bytes,
                    Order::AtLeast => len >= bytes,
                    Order::More => len > bytes,
                }
            }
            Test::Vlan(None) => l.tag_count > 0,
            Test::Vlan(Some(id)) => l.tags[..l.tag_count].contains(&id),
            Test::EtherBroadcast => l.ether.starts_with(&[0xff; 6]),
            Test::EtherMulticast => l.ether.first().is_some_and(|b| b & 1 != 0),
            Test::V4Multicast => l.net == Net::V4 && l.rest.get(16).is_some_and(|b| *b >= 224),
            Test::V6Multicast => l.net == Net::V6 && l.rest.get(24) == Some(&255),
        }
    }
}

/// Words and signs, each with its byte position.
fn tokens(expression: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let mut chars = expression.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut end = at + c.len_utf8();
        if is_word(c) {
            while let Some((i, c)) = chars.next_if(|(_, c)| is_word(*c)) {
                end = i + c.len_utf8();
            }
        } else if let Some((i, second)) = chars.next_if(|(_, n)| matches!((c, *n), ('&', '&') | ('|', '|') | ('<' | '>' | '=' | '!', '=')))
        {
            end = i + second.len_utf8();
        }
        out.push((at, &expression[at..end]));
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | ':' | '/' | '-' | '_' | '\\')
}

struct Parser<'a> {
    tokens: Vec<(usize, &'a str)>,
    at: usize,
    end: usize,
    /// Qualifiers of the last value, for a bare one.
    last: Option<Qualifiers>,
    tests: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).map(|t| t.1)
    }

    fn eat(&mut self, words: &[&str]) -> bool {
        let found = self.peek().is_some_and(|w| words.contains(&w));
        self.at += usize::from(found);
        found
    }

    /// An error at the word at hand.
    fn error(&self, what: impl Into<String>) -> FilterError {
        let (at, word) = self.tokens.get(self.at).copied().unwrap_or((self.end, ""));
        FilterError { at, word: word.to_owned(), what: what.into() }
    }

    /// The word at hand cannot stand here.
    fn misplaced(&self) -> FilterError {
        let Some(word) = self.peek() else { return self.error("a test is missing") };
        if word == "[" || word == "&" {
            return self.error("tests of bytes are not taken; use host, net, port, proto, len");
        }
        if NOT_TAKEN.contains(&word) {
            return self.error("this word of pcap-filter is not taken");
        }
        if WORDS.contains(&word) {
            return self.error("not expected here; \"and\" or \"or\" may be missing before it");
        }
        match text::nearest(word, WORDS.iter().copied()) {
            Some(near) => self.error(format!("not known; did you mean \"{near}\"?")),
            None => self.error("not an address, and names are not looked up; write an address, or a test such as \"port 53\""),
        }
    }

    fn chain(&mut self, depth: usize) -> Result<Node, FilterError> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("more than {DEPTH_MAX} levels of parentheses")));
        }
        let mut list = vec![(Op::And, self.operand(depth)?)];
        loop {
            let op = if self.eat(&["and", "&&"]) {
                Op::And
            } else if self.eat(&["or", "||"]) {
                Op::Or
            } else {
                break;
            };
            list.push((op, self.operand(depth)?));
        }
        Ok(match (list.len(), list.pop()) {
            (1, Some((_, only))) => only,
            (_, Some(last)) => {
                list.push(last);
                Node::Chain(list)
            }
            (_, None) => Node::Chain(list),
        })
    }

    fn operand(&mut self, depth: usize) -> Result<Node, FilterError> {
        let mut negated = false;
        while self.eat(&["not", "!"]) {
            negated = !negated;
        }
        let node = if self.eat(&["("]) {
            self.closed(depth)?
        } else {
            self.tests += 1;
            if self.tests > TESTS_MAX {
                return Err(self.error(format!("more than {TESTS_MAX} tests")));
            }
            self.primary(depth)?
        };
        Ok(if negated { Node::Not(Box::new(node)) } else { node })
    }

    fn closed(&mut self, depth: usize) -> Result<Node, FilterError> {
        let node = self.chain(depth + 1)?;
        if self.eat(&[")"]) {
            return Ok(node);
        }
        Err(if self.peek().is_none() { self.error("a parenthesis is not closed") } else { self.misplaced() })
    }

    fn primary(&mut self, depth: usize) -> Result<Node, FilterError> {
        let Some(word) = self.peek() else { return Err(self.error("a test is missing")) };
        match word {
            "less" | "greater" => {
                self.at += 1;
                let bytes = self.number(u32::MAX)?;
                return Ok(Node::Test(Test::Len { order: if word == "less" { Order::AtMost } else { Order::AtLeast }, bytes }));
            }
            "len" => return self.len(),
            "vlan" => {
                self.at += 1;
                let id = match self.peek() {
                    Some(w) if w.starts_with(|c: char| c.is_ascii_digit()) => Some(self.number(4095)? as u16),
                    _ => None,
                };
                return Ok(Node::Test(Test::Vlan(id)));
            }
            _ => {}
        }
        let start = self.at;
        let proto = self.proto_word();
        if let Some(test) = self.cast(proto)? {
            return Ok(Node::Test(test));
        }
        let dir = self.dir()?;
        let kind = match self.peek() {
            Some("host") => Some(Kind::Host),
            Some("net") => Some(Kind::Net),
            Some("port") => Some(Kind::Port),
            Some("portrange") => Some(Kind::PortRange),
            Some("proto") => Some(Kind::Proto),
            _ => None,
        };
        self.at += usize::from(kind.is_some());
        // A protocol alone; a value after it (`ip 10.0.0.1`) makes it a qualifier.
        let alone = self.peek().is_none_or(|w| w != "(" && (matches!(w, "and" | "or") || !w.starts_with(is_word)));
        if let (Some(proto), None, None, true) = (proto, dir, kind, alone) {
            return self.alone(proto, start).map(Node::Test);
        }
        let qualifiers = if proto.is_none() && dir.is_none() && kind.is_none() {
            self.last.unwrap_or(Qualifiers { proto: Proto::Any, dir: Dir::Either, kind: Kind::Host })
        } else {
            Qualifiers { proto: proto.unwrap_or(Proto::Any), dir: dir.unwrap_or(Dir::Either), kind: kind.unwrap_or(Kind::Host) }
        };
        if dir.is_none()
            && kind.is_none()
            && matches!(proto, Some(Proto::Over { .. }))
            && self.peek().is_some_and(|w| w.parse::<IpAddr>().is_err())
        {
            return Err(self.misplaced());
        }
        self.check(qualifiers, start)?;
        self.last = Some(qualifiers);
        if self.eat(&["("]) {
            return self.closed(depth);
        }
        self.value(qualifiers).map(Node::Test)
    }

    fn proto_word(&mut self) -> Option<Proto> {
        let word = self.peek()?;
        let proto = match word {
            "ether" => Proto::Ether,
            "ip" => Proto::Ip,
            "ip6" => Proto::Ip6,
            "arp" => Proto::Arp,
            "rarp" => Proto::Rarp,
            _ => {
                let (_, number, v4, v6) = *OVER.iter().find(|o| o.0 == word)?;
                Proto::Over { number, v4, v6 }
            }
        };
        self.at += 1;
        Some(proto)
    }

    /// `broadcast` and `multicast`.
    fn cast(&mut self, proto: Option<Proto>) -> Result<Option<Test>, FilterError> {
        let test = match (self.peek(), proto) {
            (Some("broadcast"), None | Some(Proto::Ether)) => Test::EtherBroadcast,
            (Some("multicast"), None | Some(Proto::Ether)) => Test::EtherMulticast,
            (Some("multicast"), Some(Proto::Ip)) => Test::V4Multicast,
            (Some("multicast"), Some(Proto::Ip6)) => Test::V6Multicast,
            (Some("broadcast" | "multicast"), _) => return Err(self.error("not taken for this protocol")),
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(test))
    }

    fn dir(&mut self) -> Result<Option<Dir>, FilterError> {
        let first = match self.peek() {
            Some("src") => Dir::Src,
            Some("dst") => Dir::Dst,
            _ => return Ok(None),
        };
        self.at += 1;
        let other = if first == Dir::Src { "dst" } else { "src" };
        let joined = match (self.peek(), self.tokens.get(self.at + 1).map(|t| t.1)) {
            (Some("or" | "||"), Some(w)) if w == other => Dir::Either,
            (Some("and" | "&&"), Some(w)) if w == other => Dir::Both,
            _ => return Ok(Some(first)),
        };
        self.at += 2;
        Ok(Some(joined))
    }

    fn alone(&self, proto: Proto, start: usize) -> Result<Test, FilterError> {
        Ok(match proto {
            Proto::Ip => Test::Net(Net::V4),
            Proto::Ip6 => Test::Net(Net::V6),
            Proto::Arp => Test::Net(Net::Arp),
            Proto::Rarp => Test::Net(Net::Rarp),
            Proto::Over { number, v4, v6 } => Test::Over { number, v4, v6 },
            Proto::Ether | Proto::Any => return Err(self.at_word(start, "write \"ether host\", \"ether proto\", \"ether multicast\"")),
        })
    }

    fn at_word(&self, index: usize, what: &str) -> FilterError {
        let (at, word) = self.tokens.get(index).copied().unwrap_or((self.end, ""));
        FilterError { at, word: word.to_owned(), what: what.to_owned() }
    }

    /// Refuses qualifiers that do not go together.
    fn check(&self, q: Qualifiers, start: usize) -> Result<(), FilterError> {
        let good = match q.kind {
            Kind::Host => !matches!(q.proto, Proto::Over { .. }),
            Kind::Net => !matches!(q.proto, Proto::Over { .. } | Proto::Ether),
            Kind::Port | Kind::PortRange => matches!(q.proto, Proto::Any | Proto::Over { number: TCP | UDP | SCTP, .. }),
            Kind::Proto => matches!(q.proto, Proto::Any | Proto::Ether | Proto::Ip | Proto::Ip6) && q.dir == Dir::Either,
        };
        if good { Ok(()) } else { Err(self.at_word(start, "does not go with what follows; join the two with \"and\"")) }
    }

    fn number(&mut self, most: u32) -> Result<u32, FilterError> {
        let value = self.peek().and_then(|w| match w.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => w.parse().ok(),
        });
        match value {
            Some(n) if n <= most => {
                self.at += 1;
                Ok(n)
            }
            _ => Err(self.error(format!("a number up to {most} is due here"))),
        }
    }

    fn len(&mut self) -> Result<Node, FilterError> {
        self.at += 1;
        let order = match self.peek() {
            Some("<") => Order::Less,
            Some("<=") => Order::AtMost,
            Some("=" | "==") => Order::Equal,
            Some("!=") => Order::Not,
            Some(">=") => Order::AtLeast,
            Some(">") => Order::More,
            _ => return Err(self.error("a comparison is due after \"len\": < <= = != >= >")),
        };
        self.at += 1;
        Ok(Node::Test(Test::Len { order, bytes: self.number(u32::MAX)? }))
    }

    fn value(&mut self, q: Qualifiers) -> Result<Test, FilterError> {
        let Some(word) = self.peek() else { return Err(self.error("a value is missing")) };
        let test = match q.kind {
            Kind::Host if q.proto == Proto::Ether => match mac(word) {
                Some(mac) => Test::Mac { dir: q.dir, mac },
                None => return Err(self.error("an Ethernet address is due here, as 00:11:22:33:44:55")),
            },
            Kind::Host => match word.parse::<IpAddr>() {
                Ok(address) => self.address(q, address, None)?,
                Err(_) if word.contains('/') => return Err(self.error("a network: write \"net\" before it")),
                Err(_) => return Err(self.misplaced()),
            },
            Kind::Net => self.network(q, word)?,
            Kind::Port => {
                let Some(port) = port(word) else { return Err(self.error("a port number or the name of a common port is due here")) };
                self.ports(q, port, port)
            }
            Kind::PortRange => {
                let pair = word.split_once('-').and_then(|(low, high)| Some((port(low)?, port(high)?)));
                let Some((a, b)) = pair else { return Err(self.error("a range of ports is due here, as 6000-6008")) };
                self.ports(q, a.min(b), a.max(b))
            }
            Kind::Proto => {
                let name = word.trim_start_matches('\\');
                match q.proto {
                    Proto::Ether => match name {
                        "ip" => Test::Net(Net::V4),
                        "ip6" => Test::Net(Net::V6),
                        "arp" => Test::Net(Net::Arp),
                        "rarp" => Test::Net(Net::Rarp),
                        _ => return Ok(Test::EtherType(self.number(0xffff)? as u16)),
                    },
                    proto => {
                        let (v4, v6) = (proto != Proto::Ip6, proto != Proto::Ip);
                        match OVER.iter().find(|o| o.0 == name) {
                            Some(o) => Test::Over { number: o.1, v4, v6 },
                            None => return Ok(Test::Over { number: self.number(255)? as u8, v4, v6 }),
                        }
                    }
                }
            }
        };
        self.at += 1;
        Ok(test)
    }

    fn ports(&self, q: Qualifiers, low: u16, high: u16) -> Test {
        let number = if let Proto::Over { number, .. } = q.proto { number } else { 0 };
        Test::Port { number, dir: q.dir, low, high }
    }

    fn address(&self, q: Qualifiers, address: IpAddr, bits: Option<u32>) -> Result<Test, FilterError> {
        match address {
            IpAddr::V4(a) => {
                let mask = match bits.unwrap_or(32) {
                    0 => 0,
                    n @ 1..=32 => u32::MAX << (32 - n),
                    _ => return Err(self.error("an IPv4 prefix has at most 32 bits")),
                };
                self.v4(q, u32::from(a), mask)
            }
            IpAddr::V6(a) => {
                let mask = match bits.unwrap_or(128) {
                    0 => 0,
                    n @ 1..=128 => u128::MAX << (128 - n),
                    _ => return Err(self.error("an IPv6 prefix has at most 128 bits")),
                };
                if !matches!(q.proto, Proto::Any | Proto::Ip6) {
                    return Err(self.error("an IPv6 address goes with \"ip6\" only"));
                }
                let net = u128::from(a);
                if net & !mask != 0 {
                    return Err(self.error(format!("bits are set after the prefix; write {}", Ipv6Addr::from(net & mask))));
                }
                Ok(Test::V6 { dir: q.dir, net, mask })
            }
        }
    }

    fn v4(&self, q: Qualifiers, net: u32, mask: u32) -> Result<Test, FilterError> {
        if q.proto == Proto::Ip6 {
            return Err(self.error("an IPv4 address does not go with \"ip6\""));
        }
        if net & !mask != 0 {
            return Err(self.error(format!("bits are set after the prefix; write {}", Ipv4Addr::from(net & mask))));
        }
        Ok(Test::V4 { proto: q.proto, dir: q.dir, net, mask })
    }

    /// `10.0.0.0/8`, `10.0.0.0 mask 255.0.0.0`, `10`, `192.168`, `2001:db8::/32`.
    fn network(&mut self, q: Qualifiers, word: &str) -> Result<Test, FilterError> {
        let (address, bits) = match word.split_once('/') {
            Some((address, bits)) => match bits.parse::<u32>() {
                Ok(bits) => (address, Some(bits)),
                Err(_) => return Err(self.error("a prefix length is due after the \"/\"")),
            },
            None => (word, None),
        };
        if let Ok(whole) = address.parse::<IpAddr>() {
            if bits.is_none()
                && let (IpAddr::V4(net), Some("mask")) = (whole, self.tokens.get(self.at + 1).map(|t| t.1))
            {
                self.at += 2;
                let Some(Ok(mask)) = self.peek().map(str::parse::<Ipv4Addr>) else {
                    return Err(self.error("a mask is due here, as 255.0.0.0"));
                };
                return self.v4(q, u32::from(net), u32::from(mask));
            }
            // As in libpcap, a whole address without a prefix is one address.
            return self.address(q, whole, bits);
        }
        let parts: Vec<&str> = address.split('.').collect();
        let mut net = 0u32;
        for (i, part) in parts.iter().enumerate() {
            match part.parse::<u8>() {
                Ok(byte) if i < 4 => net |= u32::from(byte) << (24 - 8 * i),
                _ => return Err(self.error("a network is due here, as 10.0.0.0/8 or 2001:db8::/32")),
            }
        }
        let bits = bits.unwrap_or(8 * parts.len() as u32);
        self.address(q, IpAddr::V4(net.into()), Some(bits))
    }
}

fn port(word: &str) -> Option<u16> {
    word.parse().ok().or_else(|| PORTS.iter().find(|p| p.0 == word).map(|p| p.1))
}

fn mac(word: &str) -> Option<[u8; 6]> {
    let mut out = [0; 6];
    let mut parts = word.split([':', '-']);
    for byte in &mut out {
        let part = parts.next()?;
        *byte = u8::from_str_radix(part, 16).ok().filter(|_| part.len() <= 2)?;
    }
    parts.next().is_none().then_some(out)
}

#[cfg(test)]
mod tests;
