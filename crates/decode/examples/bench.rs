//! Nanoseconds per frame of decode over a pcap file held in memory: `cargo run --release --example bench -p vigie-decode -- FILE [rounds]`.
//!
//! Prints a checksum over all results, so that two builds can be seen to agree, and the same with transport checksums verified.

use std::hint::black_box;
use std::time::Instant;
use vigie_base::hash::Stable;
use vigie_decode::{Anomaly, Packet, Settings, decode};

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "/dev/shm/mix.pcap".into());
    let rounds: u32 = args.next().and_then(|r| r.parse().ok()).unwrap_or(5);
    let file = match std::fs::read(&path) {
        Ok(file) => file,
        Err(error) => return eprintln!("{path}: {error}"),
    };
    let Some((link, frames)) = frames(&file) else { return eprintln!("{path}: not a little-endian pcap file") };
    let hot = frames.get(..4096).unwrap_or(&frames);
    // What the memory alone costs: one byte of each frame.
    report("touch only, whole file", rounds, &frames, |_, data| {
        black_box(data.get(23).copied());
    });
    let mut packet = Packet::EMPTY;
    for (name, settings) in [
        ("default", Settings::default()),
        ("no IPv4 checksum", Settings { ip_checksum: false, ..Settings::default() }),
        ("all checksums", Settings { l4_checksum: true, ..Settings::default() }),
    ] {
        for (place, frames) in [("whole file", &frames[..]), ("4096 frames in cache", hot)] {
            report(&format!("{name}, {place}"), rounds, frames, |wire_len, data| {
                decode(&settings, link, data, wire_len, &mut packet);
                black_box(&packet);
            });
        }
    }
    let mut kinds = [0_u64; 64];
    let mut sum = Stable::default();
    let mut anomalies = 0_u64;
    let mut packet = Packet::EMPTY;
    for (wire_len, data) in &frames {
        decode(&Settings { l4_checksum: true, ..Settings::default() }, link, data, *wire_len, &mut packet);
        anomalies += u64::from(packet.anomalies.0 != 0);
        for anomaly in packet.anomalies.iter() {
            kinds[anomaly as usize] += 1;
        }
        let ports = u64::from(packet.src_port) << 16 | u64::from(packet.dst_port);
        let ends = u64::from(packet.payload.start) << 32 | u64::from(packet.payload.end);
        sum = sum.bytes(&packet.src.0).bytes(&packet.dst.0).word(ports).word(ends).word(packet.anomalies.0);
    }
    println!("{} frames, {anomalies} with anomalies, checksum {:016x}", frames.len(), sum.finish());
    for anomaly in Anomaly::ALL.iter().filter(|a| kinds[**a as usize] != 0) {
        println!("  {}: {}", anomaly.name(), kinds[*anomaly as usize]);
    }
}

/// The best of several rounds, each of at least a million frames.
fn report(name: &str, rounds: u32, frames: &[Frame], mut each: impl FnMut(u32, &[u8])) {
    let repeat = 1_000_000 / frames.len().max(1) + 1;
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..repeat {
            for (wire_len, data) in frames {
                each(*wire_len, data);
            }
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (frames.len() * repeat) as f64);
    }
    println!("{name}: {best:.1} ns/frame");
}

/// Length on the wire, and bytes.
type Frame<'a> = (u32, &'a [u8]);

/// Link type and frames of a pcap file.
fn frames(file: &[u8]) -> Option<(u16, Vec<Frame<'_>>)> {
    let word = |at: usize| Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?));
    if !matches!(word(0)?, 0xa1b2_c3d4 | 0xa1b2_3c4d) {
        return None;
    }
    let (mut at, mut frames) = (24, Vec::new());
    while let (Some(len), Some(wire_len)) = (word(at + 8), word(at + 12)) {
        let Some(data) = file.get(at + 16..at + 16 + len as usize) else { break };
        frames.push((wire_len, data));
        at += 16 + len as usize;
    }
    Some((word(20)? as u16, frames))
}
