//! Workers that each read their own frames tell what one tells that reads all.

use std::path::{Path, PathBuf};
use vigie_base::addr::part;
use vigie_base::{Ip, Time};
use vigie_capture::{Capture, Frame, Input, LinkType, Options, Status};
use vigie_event::Row;
use vigie_sensor::{Control, Fold, Settings, Summary, run, run_each};

/// A frame that outlives its capture.
struct Kept {
    time: Time,
    data: Vec<u8>,
    wire_len: u32,
    link: LinkType,
}

/// Frames of one ring.
#[derive(Default)]
struct Ring {
    frames: Vec<Kept>,
    at: usize,
}

impl Input for Ring {
    fn next_batch(&mut self, each: &mut impl FnMut(&[Frame<'_>])) -> Status {
        let rest = &self.frames[self.at..];
        if rest.is_empty() {
            return Status::End;
        }
        let burst: Vec<Frame<'_>> = rest
            .iter()
            .take(vigie_capture::BURST)
            .map(|k| Frame { time: k.time, data: &k.data, wire_len: k.wire_len, link: k.link, source: 0 })
            .collect();
        each(&burst);
        self.at += burst.len();
        Status::More
    }

    fn first(&self) -> Option<Time> {
        self.frames.first().map(|f| f.time)
    }
}

/// The part of a frame, as the kernel's filter has it: by the outer addresses, behind tags and labels.
fn ring_of(frame: &Frame<'_>, rings: u32) -> u32 {
    let mut at = 14;
    let half = |at: usize| frame.data.get(at - 2..at).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
    while matches!(half(at), 0x8100 | 0x88a8 | 0x9100) {
        at += 4;
    }
    match half(at) {
        0x8847 | 0x8848 => {
            while frame.data.get(at + 2).is_some_and(|b| b & 1 == 0) {
                at += 4;
            }
            at += 4;
        }
        0x8864 => at += 8,
        0x0800 | 0x86dd => {}
        _ => return 0,
    }
    let four = |from: usize| frame.data.get(at + from..at + from + 4).and_then(|b| b.try_into().ok()).map(Ip::v4);
    let sixteen = |from: usize| frame.data.get(at + from..at + from + 16).and_then(|b| b.try_into().ok()).map(Ip);
    let ends = match frame.data.get(at).map(|b| b >> 4) {
        Some(4) => four(12).zip(four(16)),
        Some(6) => sixteen(8).zip(sixteen(24)),
        _ => None,
    };
    ends.map_or(0, |(a, b)| part(a, b, rings))
}

/// Events as EVE, in the order given.
#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    last: (Time, u64),
}

impl Fold for Lines {
    fn row(&mut self, row: Row<'_>) {
        let at = (row.env().ts, row.env().flow_id);
        assert!(at >= self.last, "events come in their order");
        self.last = at;
        let mut line = Vec::new();
        vigie_event::eve::write(row, &mut line);
        let line = String::from_utf8(line).unwrap();
        // Frames are numbered by who reads them.
        let number = line.find("\"pcap_cnt\":").map(|from| (from, line[from..].find(',').unwrap_or(0)));
        self.lines.push(match number {
            Some((from, len)) => [&line[..from], &line[from + len..]].concat(),
            None => line,
        });
    }
    fn upto(&mut self, _: Time) {}
}

/// The frames of a capture, each in the ring that it comes through.
fn parted(capture: &mut Capture, rings: u32) -> Vec<Ring> {
    let mut inputs: Vec<Ring> = (0..rings).map(|_| Ring::default()).collect();
    while capture.next_batch(&mut |frames: &[Frame<'_>]| {
        for f in frames {
            let kept = Kept { time: f.time, data: f.data.to_vec(), wire_len: f.wire_len, link: f.link };
            inputs[ring_of(f, rings) as usize].frames.push(kept);
        }
    }) != Status::End
    {}
    inputs
}

/// What one reader of everything tells, and what several do.
fn compare(path: &Path) -> Vec<u64> {
    let open = || Capture::open(&[path.to_owned()], Options::default());
    let mut one = Lines::default();
    let alone = run(&mut open(), &Settings::default(), &mut one, |_| Control::Go);
    let mut handed = Vec::new();
    // Event time stands still where a capture's steps back, and then only for who reads that.
    if alone.frames.time_backwards > 0 {
        return handed;
    }
    for rings in [2u32, 3, 4] {
        let mut inputs = parted(&mut open(), rings);
        let mut each = Lines::default();
        let summary: Summary = run_each(&mut inputs, &Settings::default(), &mut each);
        let ends = |s: &Summary| s.frames.terminals();
        assert_eq!(ends(&summary), ends(&alone), "{}", path.display());
        assert_eq!((summary.flow.flows, summary.span), (alone.flow.flows, alone.span), "{}", path.display());
        let missing = one.lines.iter().zip(&each.lines).find(|(a, b)| a != b);
        assert!(one.lines.len() == each.lines.len() && missing.is_none(), "{}, {rings} rings: {missing:#?}", path.display());
        handed.push(summary.handed_over);
    }
    handed
}

#[test]
fn each_reads_its_own_and_all_is_told() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    for name in ["quiet_office", "ftp_bruteforce_success", "port_scan", "tor", "dns_tunnel"] {
        compare(&testdata.join(name).with_extension("pcap"));
    }
}

#[test]
fn a_clock_that_is_set_back_holds_no_worker_up() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/port_scan.pcap");
    let mut inputs = parted(&mut Capture::open(&[path], Options::default()), 3);
    let count: usize = inputs.iter().map(|i| i.frames.len()).sum();
    // Each learns of it at another moment of the capture.
    for (i, input) in inputs.iter_mut().enumerate() {
        let half = input.frames.len() / 2 + i;
        input.frames[half..].iter_mut().for_each(|f| f.time = Time(f.time.0 - 3_600_000_000_000));
    }
    let mut lines = Lines::default();
    let began = std::time::Instant::now();
    let summary = run_each(&mut inputs, &Settings::default(), &mut lines);
    let ends: u64 = summary.frames.terminals().iter().map(|(_, n)| n).sum();
    assert_eq!((summary.frames.pkts, ends), (count as u64, count as u64));
    assert!(summary.frames.time_backwards > 0 && lines.lines.len() > 1000);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

/// Captures of which a packet's copy goes another way than the packet, so that no reader sees both: within Cisco FabricPath and outside of
/// it; with stamps that stand still, by which a reader of everything knows that nothing can be told of copies.
const COPIES_APART: [&str; 2] = ["cisco-fabric-path.pcap", "mdns-capture.pcap"];

#[test]
fn of_all_captures_all_is_told_and_what_is_in_tunnels_is_handed_over() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/captures");
    let within = |folder: &Path| -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path()).collect();
        found.sort();
        found
    };
    let is_apart = |p: &PathBuf| COPIES_APART.iter().any(|name| p.ends_with(name));
    let all: Vec<PathBuf> = within(&shared).iter().flat_map(|folder| within(folder)).filter(|p| !is_apart(p)).collect();
    if all.is_empty() {
        println!("SKIPPED: no captures beside the project");
        return;
    }
    let handed: u64 = all.iter().flat_map(|p| compare(p)).sum();
    assert!(handed > 0, "of {} captures", all.len());
}
