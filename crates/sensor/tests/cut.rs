//! The packets of a flow are those that it was counted of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use vigie_base::Time;
use vigie_capture::{Capture, Frame, Interface, LinkType, Options, write};
use vigie_event::Row;
use vigie_flow::record::FlowEndRow;
use vigie_sensor::cut::{Wanted, cut};
use vigie_sensor::{Control, Fold, Settings, run};

/// A flow, and what its event says of it.
#[derive(Clone, Debug)]
struct Told {
    wanted: Wanted,
    packets: u64,
    bytes: u64,
    tunnel: String,
    vlans: u8,
}

#[derive(Default)]
struct Flows(Vec<Told>);

impl Fold for Flows {
    fn row(&mut self, row: Row<'_>) {
        let Some(f) = FlowEndRow::of(row) else { return };
        let e = row.env();
        // As the store has them.
        let micros = |t: Time| Time(t.0 / 1000 * 1000);
        let (ends, ports) = ((e.src, e.dst), (e.src_port, e.dst_port));
        let wanted = Wanted { flow_id: e.flow_id, ends, ports, proto: e.proto, first: micros(f.start()), last: micros(f.end()) };
        self.0.push(Told {
            wanted,
            packets: u64::from(f.pkts_toserver()) + u64::from(f.pkts_toclient()),
            bytes: f.bytes_toserver() + f.bytes_toclient(),
            tunnel: e.tunnel.to_owned(),
            vlans: e.vlans,
        });
    }
    fn upto(&mut self, _: Time) {}
}

fn open(path: &Path, shift: i64) -> Capture {
    Capture::open(&[path.to_owned()], Options { shift, ..Options::default() })
}

fn told(path: &Path, shift: i64) -> Vec<Told> {
    let mut flows = Flows::default();
    run(&mut open(path, shift), &Settings::default(), &mut flows, |_| Control::Go);
    flows.0
}

/// The frames of some flows, as a file; with how many they are and their bytes on the wire.
fn cut_out(path: &Path, shift: i64, wanted: &[Wanted]) -> (Vec<u8>, u64, u64) {
    let mut capture = open(path, shift);
    let mut file = Vec::new();
    write::section("test", &format!("of {}", path.display()), &mut file);
    let mut interfaces: BTreeMap<LinkType, u32> = BTreeMap::new();
    let mut wire = 0;
    let found = cut(
        &mut capture,
        &Settings::default(),
        wanted,
        Time(0),
        &mut |frame: &Frame<'_>| {
            let next = interfaces.len() as u32;
            let number = *interfaces.entry(frame.link).or_insert_with(|| {
                write::interface(&Interface { name: String::new(), link: frame.link, snaplen: 0, fcs: None }, "", &mut file);
                next
            });
            wire += u64::from(frame.wire_len);
            write::packet(number, frame, "", &mut file);
        },
        || Control::Go,
    );
    assert_eq!(found.flows, wanted.len() as u64, "{}", path.display());
    (file, found.frames, wire)
}

/// Frames of a file that complete a packet, as tshark has it; none where it is not installed.
fn tshark(file: &[u8], name: &str) -> Option<u64> {
    let path = std::env::temp_dir().join(format!("vigie-cut-{name}-{}.pcapng", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let filter = "!ip.reassembled_in && !ipv6.reassembled.in";
    let out =
        Command::new("tshark").args(["-n", "-2", "-r"]).arg(&path).args(["-Y", filter, "-T", "fields", "-e", "frame.number"]).output();
    std::fs::remove_file(&path).unwrap();
    match out {
        Ok(out) => {
            assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
            Some(String::from_utf8_lossy(&out.stdout).lines().count() as u64)
        }
        Err(_) => {
            println!("skipped: tshark is not here");
            None
        }
    }
}

/// Flows looked at of one capture.
const LOOKED_AT: usize = 12;

/// What flows may differ in: protocol, whether a frame is a packet, tunnel, VLANs.
type Forms = BTreeSet<(u8, bool, String, u8)>;

/// Cuts some flows out of a capture; the first of each form is looked at by tshark, too. How many; of them in tunnels, in VLANs,
/// fragmented.
fn check(path: &Path, forms: &mut Forms) -> (usize, usize, usize, usize) {
    let flows = told(path, 0);
    let (mut tunnels, mut vlans, mut fragmented, mut seen) = (0, 0, 0, 0);
    for told in flows.iter().step_by(flows.len().div_ceil(LOOKED_AT).max(1)) {
        let (file, frames, wire) = cut_out(path, 0, &[told.wanted]);
        let name = format!("{} {}", path.display(), told.wanted.flow_id);
        if frames == told.packets {
            assert_eq!(wire, told.bytes, "{name}");
        } else {
            // Each fragment is a frame, and the datagram a packet.
            assert!(frames > told.packets, "{name}: {frames} of {}", told.packets);
            fragmented += 1;
        }
        let form = (told.wanted.proto, frames == told.packets, told.tunnel.clone(), told.vlans);
        if forms.insert(form)
            && let Some(packets) = tshark(&file, &told.wanted.flow_id.to_string())
        {
            assert_eq!(packets, told.packets, "{name} by tshark");
        }
        tunnels += usize::from(!told.tunnel.is_empty());
        vlans += usize::from(told.vlans > 0);
        seen += 1;
    }
    (seen, tunnels, vlans, fragmented)
}

#[test]
fn every_flow_of_our_captures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let (mut seen, mut forms) = (0, Forms::new());
    for name in
        ["admin_morning.pcap", "ftp_bruteforce_success.pcap", "dns_tunnel.pcap", "icmp_tunnel.pcap", "quiet_office.pcap", "port_scan.pcap"]
    {
        seen += check(&folder.join(name), &mut forms).0;
    }
    assert!(seen >= 40, "{seen}");
}

#[test]
fn flows_of_others_captures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/captures");
    if !folder.is_dir() {
        println!("skipped: no shared captures at {}", folder.display());
        return;
    }
    let (mut sums, mut forms) = ([0; 4], Forms::new());
    for kind in ["tunnels", "encaps", "tcp", "voip_sip", "quic"] {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join(kind)).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|f| f.metadata().is_ok_and(|m| m.len() < 4 << 20)) {
            let (seen, tunnels, vlans, fragmented) = check(file, &mut forms);
            for (sum, n) in sums.iter_mut().zip([seen, tunnels, vlans, fragmented]) {
                *sum += n;
            }
        }
    }
    println!("{sums:?}: flows, in tunnels, in VLANs, fragmented; {} forms by tshark", forms.len());
    assert!(sums.iter().all(|n| *n > 0), "{sums:?}");
}

#[test]
fn many_flows_at_once_and_a_moved_clock() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/admin_morning.pcap");
    let shift = 86_400 * 365 * 1_000_000_000;
    let (plain, moved) = (told(&path, 0), told(&path, shift));
    assert!(plain.len() > 20 && plain.len() == moved.len());
    let all: Vec<Wanted> = moved.iter().map(|t| t.wanted).collect();
    let (file, frames, _) = cut_out(&path, shift, &all);
    assert_eq!(frames, moved.iter().map(|t| t.packets).sum::<u64>());
    // Each frame once, in the order of reading, though flows share their ends.
    let reader: Box<dyn std::io::Read + Send> = Box::new(std::io::Cursor::new(file));
    let mut read = Capture::from_readers(vec![("cut".to_owned(), reader)], Options::default());
    let span = read.span().unwrap();
    assert_eq!(span.0.0 / 1000, moved.iter().map(|t| t.wanted.first.0 / 1000).min().unwrap());
    assert_eq!(read.counters().time_backwards, 0);
}

/// An IPv4 packet in an Ethernet frame of a VLAN.
fn ipv4(id: u16, offset: u16, more: bool, proto: u8, payload: &[u8]) -> Vec<u8> {
    let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 42, 8, 0, 0x45, 0];
    f.extend((20 + payload.len() as u16).to_be_bytes());
    f.extend(id.to_be_bytes());
    f.extend(((u16::from(more) << 13) | (offset / 8)).to_be_bytes());
    f.extend([64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    f.extend(payload);
    f
}

#[test]
fn fragments_come_with_their_datagram_and_others_do_not() {
    let udp = |port: u16, len: u16| {
        let mut d = [&49152u16.to_be_bytes()[..], &port.to_be_bytes(), &(8 + len).to_be_bytes(), &[0, 0]].concat();
        d.resize(8 + usize::from(len), 7);
        d
    };
    let (wanted, other) = (udp(53, 24), udp(54, 24));
    // Two datagrams in two fragments each, out of order and one within the other; then one that is never whole; then a whole one.
    let frames = [
        ipv4(1, 16, false, 17, &wanted[16..]),
        ipv4(2, 0, true, 17, &other[..16]),
        ipv4(1, 0, true, 17, &wanted[..16]),
        ipv4(2, 16, false, 17, &other[16..]),
        ipv4(3, 0, true, 17, &wanted[..16]),
        ipv4(4, 0, false, 17, &wanted),
    ];
    let mut file = Vec::new();
    write::section("test", "", &mut file);
    write::interface(&Interface { name: String::new(), link: LinkType(1), snaplen: 0, fcs: None }, "", &mut file);
    for (n, data) in frames.iter().enumerate() {
        let frame = Frame { time: Time::from_secs(1000 + n as u64), data, wire_len: data.len() as u32, link: LinkType(1), source: 0 };
        write::packet(0, &frame, "", &mut file);
    }
    let path = std::env::temp_dir().join(format!("vigie-cut-fragments-{}.pcapng", std::process::id()));
    std::fs::write(&path, &file).unwrap();
    let flows = told(&path, 0);
    let flow = flows.iter().find(|t| t.wanted.ports.1 == 53).unwrap();
    assert_eq!((flows.len(), flow.packets, flow.vlans), (2, 2, 1));
    let (cut, frames, _) = cut_out(&path, 0, &[flow.wanted]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(frames, 3);
    assert!(tshark(&cut, "fragments").is_none_or(|n| n == 2));
}
