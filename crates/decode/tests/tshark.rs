//! What decode says of real captures, against what tshark says. Needs tshark and the shared captures; says so where they are missing.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use vigie_decode::{Anomaly, Body, End, Packet, Settings, decode};

const FIELDS: &[&str] = &[
    "frame.protocols",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "udp.srcport",
    "udp.dstport",
    "vlan.id",
    "ieee8021ad.id",
    "tcp.seq_raw",
    "tcp.len",
    "udp.length",
];

/// What tshark says of one frame: each field's occurrences.
type Row = Vec<Vec<String>>;

fn tshark(file: &Path) -> Option<Vec<Row>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "separator=/t", "-E", "aggregator=,"]);
    for preference in
        ["ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE", "tcp.reassemble_out_of_order:FALSE"]
    {
        command.args(["-o", preference]);
    }
    // Encapsulations that decode leaves to dissectors.
    for protocol in ["gtp", "ayiya", "capwap.data", "l2tp", "pfcp", "cisco-sm", "wg", "openvpn", "ppcap"] {
        command.args(["--disable-protocol", protocol]);
    }
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.arg("-r").arg(file).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(
        text.lines()
            .map(|line| line.split('\t').map(|field| field.split(',').filter(|v| !v.is_empty()).map(String::from).collect()).collect())
            .collect(),
    )
}

/// The first difference in words.
fn compare(packet: &Packet, row: &Row) -> Option<String> {
    let names: String = row[0].join(",");
    let names: Vec<&str> = names.split(':').collect();
    // What is quoted by an ICMP error is not carried.
    let icmp = names.iter().position(|n| matches!(*n, "icmp" | "icmpv6")).unwrap_or(names.len());
    let carried = &names[..icmp];
    let last_ip = carried.iter().rev().find(|n| matches!(**n, "ip" | "ipv6")).copied();
    let count = carried.iter().filter(|n| Some(**n) == last_ip).count();
    let (src, dst) = match last_ip {
        Some("ip") => (row[1].get(count - 1), row[2].get(count - 1)),
        Some(_) => (row[3].get(count - 1), row[4].get(count - 1)),
        None => (None, None),
    };
    let differs = |what: &str, ours: String, theirs: Option<&String>| {
        (theirs.is_some_and(|t| *t != ours)).then(|| format!("{what}: {ours}, tshark {}", theirs.map_or("", |t| t)))
    };
    if carried.last() == Some(&"arp") {
        // Reverse ARP bears that name there too.
        const RARP: u16 = 0x8035;
        return (!matches!(packet.body, Body::Arp(_)) && packet.end != End::Invalid && packet.ethertype != RARP)
            .then(|| format!("tshark arp, ours {:?}", packet.body));
    }
    // tshark reads on past samples (sFlow) as if they were carried.
    if carried.contains(&"sflow") {
        return None;
    }
    if src.is_none() {
        return (packet.ip_version != 0).then(|| format!("ours has IP ({}), tshark none", packet.src));
    }
    if packet.ip_version == 0 {
        return Some(format!("no IP: {:?}; tshark {src:?}", packet.end));
    }
    if let Some(d) = differs("src", packet.src.to_string(), src).or(differs("dst", packet.dst.to_string(), dst)) {
        return Some(d);
    }
    // tshark counts what the length fields claim, and reads a first fragment as if it were the whole.
    let whole = !packet.anomalies.has(Anomaly::Ipv4Truncated) && !packet.anomalies.has(Anomaly::Ipv6Truncated);
    let length = |ours: usize, theirs: Option<&String>| if whole { differs("len", ours.to_string(), theirs) } else { None };
    let last = carried.iter().rev().find(|n| matches!(**n, "ip" | "ipv6" | "tcp" | "udp")).copied();
    match (last, packet.body) {
        (Some("tcp"), Body::Tcp(tcp)) => differs("sport", packet.src_port.to_string(), row[5].last())
            .or(differs("dport", packet.dst_port.to_string(), row[6].last()))
            .or(differs("seq", tcp.seq.to_string(), row[11].last()))
            .or(length(packet.payload.len(), row[12].last())),
        (Some("udp"), Body::Udp) => differs("sport", packet.src_port.to_string(), row[7].last())
            .or(differs("dport", packet.dst_port.to_string(), row[8].last()))
            .or(length(packet.payload.len() + 8, row[13].last())),
        (_, Body::Fragment(_)) => None,
        (Some(name @ ("tcp" | "udp")), body) => {
            Some(format!("tshark {name}, ours {body:?} {:?} {:?}", packet.end, packet.anomalies.iter().collect::<Vec<_>>()))
        }
        (_, Body::Tcp(_) | Body::Udp) => Some(format!("ours {:?}, tshark {}", packet.body, names.join(":"))),
        _ => None,
    }
    .or_else(|| {
        let ours: Vec<String> = packet.vlan_ids().iter().map(u16::to_string).collect();
        let theirs: Vec<String> = row[10].iter().chain(&row[9]).filter(|v| *v != "0").cloned().collect();
        (packet.tunnel_depth == 0 && ours != theirs).then(|| format!("vlan {ours:?}, tshark {theirs:?}"))
    })
}

fn captures() -> Option<PathBuf> {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/captures");
    captures.is_dir().then_some(captures)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|e| e.ok()).map(|e| e.path()).collect();
    files.sort();
    files
}

/// Frames compared, and the differences; nothing without tshark.
fn differences(files: &[PathBuf]) -> Option<(usize, Vec<String>)> {
    let (mut compared, mut found) = (0, Vec::new());
    for file in files {
        let frames = common::frames(&std::fs::read(file).unwrap_or_default());
        let rows = tshark(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if frames.len() != rows.len() {
            found.push(format!("{name}: {} frames, tshark {}", frames.len(), rows.len()));
        }
        let mut packet = Packet::EMPTY;
        for (number, (frame, row)) in frames.iter().zip(&rows).enumerate() {
            decode(&Settings::default(), frame.link, &frame.data, frame.wire_len, &mut packet);
            compared += 1;
            if packet.end != End::LinkType
                && let Some(difference) = compare(&packet, row)
            {
                found.push(format!("{name} {}: {difference} [{}]", number + 1, row[0].join(",")));
            }
        }
    }
    Some((compared, found))
}

/// One file of each encapsulation: tshark takes half a second for each.
const ENCAPSULATIONS: &[&str] = &[
    "encaps/decode-sll2-02.pcap",
    "encaps/dlt-ppp.pcap",
    "encaps/hdlc-http-1tx.pcap",
    "encaps/nbtokenring.pcap",
    "encaps/nflog-http.pcap",
    "encaps/pcap-80211http.pcap",
    "encaps/radiotap.pcap",
    "tunnels/ah-esp.pcap",
    "tunnels/decode-teredo-01.pcap",
    "tunnels/erspan-type-iii-ft-7.pcap",
    "tunnels/gre-within-gre.pcap",
    "tunnels/mpls-basic.pcap",
    "tunnels/pcap-6in4tunnel.pcap",
    "tunnels/pppoe-over-qinq.pcap",
    "tunnels/vxlan.pcap",
];

#[test]
fn encapsulations_as_tshark_reads_them() {
    let Some(captures) = captures() else { return println!("skipped: no shared captures") };
    let files: Vec<PathBuf> = ENCAPSULATIONS.iter().map(|name| captures.join(name)).collect();
    let Some((compared, found)) = differences(&files) else { return println!("skipped: no tshark") };
    assert!(compared > 500, "only {compared} frames");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Every capture decodes to spans inside its frames, and nearly all frames carry what flows are made of.
#[test]
fn every_capture_is_accounted_for() {
    let Some(captures) = captures() else { return println!("skipped: no shared captures") };
    let (mut frames, mut invalid) = (0, 0);
    for file in files(&captures).iter().flat_map(|folder| files(folder)) {
        for frame in common::frames(&std::fs::read(&file).unwrap_or_default()) {
            vigie_decode::fuzz(&[&frame.link.to_be_bytes()[..], &frame.data].concat());
            let mut packet = Packet::EMPTY;
            decode(&Settings::default(), frame.link, &frame.data, frame.wire_len, &mut packet);
            frames += 1;
            invalid += usize::from(packet.end == End::Invalid);
        }
    }
    assert!(frames > 100_000, "only {frames} frames");
    assert!(invalid * 1000 < frames, "{invalid} of {frames} frames are called invalid");
}

#[test]
#[ignore = "all captures take minutes: run by hand, with ONLY=folder for one"]
fn all_captures() {
    let Some(captures) = captures() else { return println!("skipped: no shared captures") };
    let only = std::env::var("ONLY").ok();
    for folder in files(&captures) {
        if only.as_ref().is_some_and(|o| !folder.ends_with(o)) {
            continue;
        }
        let Some((compared, found)) = differences(&files(&folder)) else { return println!("skipped: no tshark") };
        println!("{}: {compared} frames, {} differ", folder.display(), found.len());
        for line in found {
            println!("  {line}");
        }
    }
}
