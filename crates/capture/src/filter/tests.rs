use super::*;
use crate::{Capture, Options, Status};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Expressions whose counts are compared with tcpdump's.
const EXPRESSIONS: &[&str] = &[
    "tcp",
    "udp",
    "ip",
    "ip6",
    "arp",
    "icmp or icmp6",
    "not tcp",
    "!udp && !tcp",
    "tcp port 80 or 443",
    "port 53",
    "udp src port 53",
    "tcp dst port 443",
    "src or dst port 443",
    "src and dst port 123",
    "portrange 1-1024",
    "tcp portrange 80-443 and not port 443",
    "src portrange 30000-65535",
    "net 10.0.0.0/8",
    "net 192.168",
    "net 192.168.0.0 mask 255.255.0.0",
    "src net 172.16.0.0/12 or dst net 172.16.0.0/12",
    "host 192.168.1.1",
    "src host 192.168.1.2 and tcp",
    "ip host 10.0.0.1",
    "arp host 192.168.1.1",
    "net fe80::/10",
    "ip6 net 2000::/3 and tcp",
    "dst net ff00::/8",
    "less 100",
    "greater 1000",
    "len > 500 and len <= 1000",
    "less 60 or greater 1400 and udp",
    "udp or tcp and port 53",
    "udp or (tcp and port 53)",
    "not (tcp or udp)",
    "not port 80 and not port 443",
    "port (80 or 443 or 53)",
    "ip proto 17",
    "ip6 proto 58",
    "proto \\udp",
    "igmp or pim or esp or ah or vrrp or sctp",
    "tcp port http or https or domain",
    "host 10.0.0.1 and port 80 or 443",
];

/// Those that only Ethernet has.
const ETHERNET: &[&str] = &[
    "ether proto 0x0806",
    "ether proto \\arp",
    "broadcast",
    "multicast",
    "ether multicast and not broadcast",
    "ether src 00:00:00:00:00:00",
    "ip multicast",
    "ip6 multicast",
    "rarp",
];

fn tcpdump(path: &Path, expression: &str) -> Option<u64> {
    let out = Command::new("tcpdump").args(["--count", "-nr"]).arg(path).arg(expression).output().ok()?;
    String::from_utf8_lossy(&out.stdout).lines().chain(String::from_utf8_lossy(&out.stderr).lines()).find_map(|l| {
        let (count, _) = l.split_once(" packet")?;
        count.trim().parse().ok()
    })
}

fn count(path: &Path, expression: &str) -> u64 {
    let filter = Some(Filter::parse(expression).unwrap_or_else(|e| panic!("{expression}: {e}")));
    let mut capture = Capture::open(&[path.to_owned()], Options { filter, ..Options::default() });
    while capture.next_batch(&mut |_| {}) == Status::More {}
    let c = capture.counters();
    assert_eq!(c.read, c.given + c.filtered);
    c.given
}

#[test]
fn the_same_counts_as_tcpdump() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if !root.is_dir() || Command::new("tcpdump").arg("--version").output().is_err() {
        println!("skipped: no shared captures or no tcpdump");
        return;
    }
    let table = std::fs::read_to_string(root.join("captures.tsv")).unwrap();
    // Every n-th capture of Ethernet, all of rarer link types (PPP apart: libpcap misses frames whose header is compressed); those without VLAN tags, where the two differ on purpose.
    let mut chosen = Vec::new();
    for (i, line) in table.lines().skip(1).enumerate() {
        let mut cells = line.split('\t');
        let (name, _, link) = (cells.next().unwrap(), cells.next(), cells.next().unwrap());
        if (i % 60 == 0 && link == "ether") || matches!(link, "linux-sll" | "linux-sll2" | "rawip" | "rawip4" | "null") {
            chosen.push((root.join("captures").join(name), link));
        }
    }
    let (mut compared, mut matched) = (0, 0);
    for (path, link) in chosen {
        if count(&path, "vlan") > 0 {
            continue;
        }
        let more = if link == "ether" { ETHERNET } else { &[] };
        for expression in EXPRESSIONS.iter().chain(more) {
            // tcpdump refuses what a link type cannot have, and formats that it does not read.
            let Some(want) = tcpdump(&path, expression) else { continue };
            assert_eq!(count(&path, expression), want, "{} {expression}", path.display());
            compared += 1;
            matched += u64::from(want > 0);
        }
    }
    assert!(compared > 800 && matched > 300, "{compared} compared, {matched} with frames");
    // Both see the same tags, and the same behind them once libpcap is told that there are some.
    let mut seen = 0;
    for line in table.lines().filter(|l| l.starts_with("infra/") || l.starts_with("ics/") || l.starts_with("mail/")) {
        let mut cells = line.split('\t');
        let (name, _, link) = (cells.next().unwrap(), cells.next(), cells.next().unwrap());
        let path = root.join("captures").join(name);
        if link != "ether" || count(&path, "vlan") == 0 {
            continue;
        }
        for expression in ["vlan", "vlan and tcp", "vlan and ip"] {
            let Some(want) = tcpdump(&path, expression) else { continue };
            assert_eq!(count(&path, expression), want, "{name} {expression}");
            seen += want;
        }
    }
    assert!(seen > 0);
}

fn error(expression: &str) -> String {
    Filter::parse(expression).err().map_or_else(|| format!("{expression} is taken"), |e| e.to_string())
}

#[test]
fn errors_say_where_and_what_to_write() {
    let cases = [
        ("tcpp port 80", "filter: column 1: \"tcpp\": not known; did you mean \"tcp\"?"),
        ("tcp prt 80", "filter: column 5: \"prt\": not known; did you mean \"port\"?"),
        (
            "host www.example.com",
            "filter: column 6: \"www.example.com\": not an address, and names are not looked up; write an address, or a test such as \"port 53\"",
        ),
        ("tcp[13] & 2 != 0", "filter: column 4: \"[\": tests of bytes are not taken; use host, net, port, proto, len"),
        ("tcp and", "filter: at its end: a test is missing"),
        ("(tcp or udp", "filter: at its end: a parenthesis is not closed"),
        ("tcp)", "filter: column 4: \")\": no parenthesis is open here"),
        ("port 99999", "filter: column 6: \"99999\": a port number or the name of a common port is due here"),
        ("net 10.0.0.1/8", "filter: column 5: \"10.0.0.1/8\": bits are set after the prefix; write 10.0.0.0"),
        ("net 10.0.0.0/64", "filter: column 5: \"10.0.0.0/64\": an IPv4 prefix has at most 32 bits"),
        ("host 10.0.0.0/8", "filter: column 6: \"10.0.0.0/8\": a network: write \"net\" before it"),
        ("icmp port 80", "filter: column 1: \"icmp\": does not go with what follows; join the two with \"and\""),
        ("tcp host 10.0.0.1", "filter: column 1: \"tcp\": does not go with what follows; join the two with \"and\""),
        ("tcp udp", "filter: column 5: \"udp\": not expected here; \"and\" or \"or\" may be missing before it"),
        ("mpls 5", "filter: column 1: \"mpls\": this word of pcap-filter is not taken"),
        ("len 5", "filter: column 5: \"5\": a comparison is due after \"len\": < <= = != >= >"),
        ("greater x", "filter: column 9: \"x\": a number up to 4294967295 is due here"),
        ("ip6 host 10.0.0.1", "filter: column 10: \"10.0.0.1\": an IPv4 address does not go with \"ip6\""),
        ("port", "filter: at its end: a value is missing"),
        ("ether", "filter: column 1: \"ether\": write \"ether host\", \"ether proto\", \"ether multicast\""),
    ];
    for (expression, want) in cases {
        assert_eq!(error(expression), want);
    }
    assert!(error(&"(".repeat(10_000)).contains("levels of parentheses"));
    assert!(error(&format!("tcp{}", " or tcp".repeat(5000))).contains("more than 4096 tests"));
}

fn ethernet(tags: &[u16]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for tag in tags {
        out.extend([0x81, 0]);
        out.extend(tag.to_be_bytes());
    }
    out.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    out.extend([0x1f, 0x90, 0, 80]);
    out.extend([0; 16]);
    out
}

#[test]
fn a_tag_hides_nothing() {
    for (tags, expression, want) in [
        (&[][..], "vlan", false),
        (&[5], "vlan", true),
        (&[5], "vlan 5 and tcp port 80", true),
        (&[5, 7], "vlan 7 and host 10.0.0.2", true),
        (&[5, 7], "vlan 6", false),
        (&[5, 7], "tcp src port 8080 and dst port 80", true),
        (&[5], "ether host 02:00:00:00:00:01", true),
        (&[5], "ether dst 02:00:00:00:00:02", false),
    ] {
        let frame = ethernet(tags);
        let filter = Filter::parse(expression).unwrap();
        assert_eq!(filter.matches(LinkType::EN10MB, &frame, frame.len() as u32), want, "{expression}");
    }
}

#[test]
fn a_link_type_that_is_not_known_matches_by_length_alone() {
    let filter = Filter::parse("tcp or greater 10").unwrap();
    assert!(!filter.sees(LinkType(147)));
    assert!(filter.sees(LinkType::LINUX_SLL2));
    assert!(filter.matches(LinkType(147), &[0; 4], 20));
    assert!(!filter.matches(LinkType(147), &[0; 4], 4));
    assert!(Filter::parse(" ").unwrap().matches(LinkType(147), &[], 0));
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select([WORDS, &["(", ")", "!", "80", "10.0.0.0/8", "::1", "1-2", "="]].concat())
}

proptest! {
    #[test]
    fn any_text_and_any_frame(text in "\\PC{0,40}", data in prop::collection::vec(any::<u8>(), 0..80), link in 0u16..300) {
        if let Ok(filter) = Filter::parse(&text) {
            filter.matches(LinkType(link), &data, data.len() as u32);
        }
    }

    #[test]
    fn any_words(words in prop::collection::vec(word(), 0..12), cut in 0usize..80, tags in prop::collection::vec(any::<u16>(), 0..4)) {
        if let Ok(filter) = Filter::parse(&words.join(" ")) {
            let frame = ethernet(&tags);
            let frame = &frame[..cut.min(frame.len())];
            for link in [1, 0, 9, 12, 104, 108, 113, 228, 229, 276] {
                filter.matches(LinkType(link), frame, 60);
            }
        }
    }
}
