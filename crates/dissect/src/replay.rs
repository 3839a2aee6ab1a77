//! Real captures into parsers, for tests: flows by their key alone, no fragments, no time-outs.

use crate::testing::Lines;
use crate::{Cx, Dissection, Settings, Shared, Transport, Verdict};
use std::collections::BTreeMap;
use std::path::PathBuf;
use vigie_base::{Direction, Ip, Mac};
use vigie_decode::{Body, Packet, Tcp};
use vigie_event::Envelope;
use vigie_stream::{Anomaly, Memory, Segment, Stream};

/// The shared folder of captures, suites and labels; `None`, with one line said, where it is absent.
pub(crate) fn shared(what: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(what);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is absent", path.display());
    None
}

struct Flow {
    dissection: Dissection,
    stream: Stream,
    env: Envelope,
    seq: u32,
}

type Key = (Ip, u16, Ip, u16, u8, u32);

/// The lines of a capture, flow by flow in the order of their first frames. Sessions without a handshake are picked up.
pub(crate) fn replay(path: PathBuf) -> Vec<String> {
    let mut capture = vigie_capture::Capture::open(&[path], vigie_capture::Options::default());
    let mut flows: BTreeMap<Key, usize> = BTreeMap::new();
    let mut list: Vec<(Flow, Lines)> = Vec::new();
    let mut shared = Shared::new(Settings::default());
    let (decode, settings) =
        (vigie_decode::Settings::default(), vigie_stream::Settings { midstream: true, depth: 0, ..Default::default() });
    let mut memory = Memory::new(64 << 20);
    let mut packet = Packet::default();
    let mut frame_number = 0;
    while capture.next_batch(&mut |frames| {
        for frame in frames {
            frame_number += 1;
            vigie_decode::decode(&decode, frame.link.0, frame.data, frame.wire_len, &mut packet);
            let tcp = match packet.body {
                Body::Tcp(tcp) => Some(tcp),
                Body::Udp => None,
                _ => continue,
            };
            let p = &packet;
            let there: Key = (p.src, p.src_port, p.dst, p.dst_port, p.proto, p.tunnel_key);
            let back: Key = (p.dst, p.dst_port, p.src, p.src_port, p.proto, p.tunnel_key);
            let (mut at, mut dir) = match (flows.get(&there), flows.get(&back)) {
                (Some(at), _) => (*at, Direction::ToServer),
                (_, Some(at)) => (*at, Direction::ToClient),
                _ => (usize::MAX, Direction::ToServer),
            };
            let payload = p.payload.of(frame.data);
            let segment = |t: Tcp, dir| Segment {
                dir,
                seq: t.seq,
                ack: t.ack,
                flags: t.flags,
                window: t.window,
                options: t.options.of(frame.data),
                payload,
            };
            if let Some(t) = tcp.filter(|_| at != usize::MAX)
                && list[at].0.stream.is_reuse(&segment(t, dir))
            {
                flows.retain(|_, v| *v != at);
                (at, dir) = (usize::MAX, Direction::ToServer);
            }
            if at == usize::MAX {
                at = list.len();
                let answer = tcp.is_some_and(|t| t.flags & 0x12 == 0x12);
                flows.insert(if answer { back } else { there }, at);
                dir = if answer { Direction::ToClient } else { Direction::ToServer };
                let mut env = Envelope {
                    src: p.src,
                    src_port: p.src_port,
                    dst: p.dst,
                    dst_port: p.dst_port,
                    proto: p.proto,
                    ip_version: p.ip_version,
                    flow_id: at as u64 + 1,
                    ..Envelope::default()
                };
                if answer {
                    env = env.flipped();
                }
                let transport = if tcp.is_some() { Transport::Tcp } else { Transport::Udp };
                list.push((Flow { dissection: Dissection::new(transport), stream: Stream::default(), env, seq: 0 }, Lines::default()));
            }
            let (flow, lines) = &mut list[at];
            (flow.env.ts, flow.env.frame) = (frame.time, frame_number);
            let Flow { dissection, stream, env, seq } = flow;
            env.app_proto = dissection.app_proto();
            let mut to =
                To { dissection, cx: Cx { out: lines, env: *env, seq, shared: &mut shared, client_mac: Mac::ZERO, server_mac: Mac::ZERO } };
            match tcp {
                Some(t) => {
                    stream.segment(&segment(t, dir), &settings, &mut memory, &mut to);
                }
                None => {
                    to.dissection.datagram(&mut to.cx, dir, payload);
                }
            }
        }
    }) == vigie_capture::Status::More
    {}
    let mut all = Vec::new();
    for (flow, mut lines) in list {
        let Flow { mut dissection, mut stream, env, mut seq } = flow;
        let mut to = To {
            dissection: &mut dissection,
            cx: Cx { out: &mut lines, env, seq: &mut seq, shared: &mut shared, client_mac: Mac::ZERO, server_mac: Mac::ZERO },
        };
        stream.finish(&settings, &mut memory, &mut to);
        to.dissection.finish(&mut to.cx);
        all.extend(lines.0);
    }
    all
}

/// What the sides of one TCP session in a capture sent, in order: the session whose client stands on `port`. Lost bytes end it.
pub(crate) fn conversation(path: PathBuf, port: u16) -> Vec<(Direction, Vec<u8>)> {
    let mut capture = vigie_capture::Capture::open(&[path], vigie_capture::Options::default());
    let settings = vigie_stream::Settings { midstream: true, depth: 0, ..Default::default() };
    let (mut memory, mut packet, mut stream, mut pieces) = (Memory::new(1 << 20), Packet::default(), Stream::default(), Pieces::default());
    while capture.next_batch(&mut |frames| {
        for frame in frames {
            vigie_decode::decode(&vigie_decode::Settings::default(), frame.link.0, frame.data, frame.wire_len, &mut packet);
            let (Body::Tcp(t), p) = (packet.body, &packet) else { continue };
            let dir = match (p.src_port == port, p.dst_port == port) {
                (true, _) => Direction::ToServer,
                (_, true) => Direction::ToClient,
                _ => continue,
            };
            let segment = Segment {
                dir,
                seq: t.seq,
                ack: t.ack,
                flags: t.flags,
                window: t.window,
                options: t.options.of(frame.data),
                payload: p.payload.of(frame.data),
            };
            stream.segment(&segment, &settings, &mut memory, &mut pieces);
        }
    }) == vigie_capture::Status::More
    {}
    stream.finish(&settings, &mut memory, &mut pieces);
    pieces.0
}

#[derive(Default)]
struct Pieces(Vec<(Direction, Vec<u8>)>);

impl vigie_stream::Out for Pieces {
    fn data(&mut self, dir: Direction, bytes: &[u8]) {
        self.0.push((dir, bytes.to_vec()));
    }
    fn gap(&mut self, _: Direction, _: u64) {}
    fn end(&mut self, _: Direction) {}
    fn reset(&mut self, _: Direction) {}
    fn event(&mut self, _: Anomaly) {}
}

struct To<'a> {
    dissection: &'a mut Dissection,
    cx: Cx<'a, Lines>,
}

impl vigie_stream::Out for To<'_> {
    fn data(&mut self, dir: Direction, bytes: &[u8]) {
        let _: Verdict = self.dissection.data(&mut self.cx, dir, bytes);
    }
    fn gap(&mut self, dir: Direction, len: u64) {
        self.dissection.gap(&mut self.cx, dir, len);
    }
    fn end(&mut self, dir: Direction) {
        self.dissection.end(&mut self.cx, dir);
    }
    fn reset(&mut self, _: Direction) {}
    fn event(&mut self, _: Anomaly) {}
}

/// Prints what a capture gives: `CAPTURE=... cargo test -p vigie-dissect -- --ignored show_capture --nocapture`.
#[test]
#[ignore = "a tool: prints the lines of the captures that CAPTURE names"]
fn show_capture() {
    for path in std::env::var("CAPTURE").unwrap_or_default().split(':').filter(|p| !p.is_empty()) {
        println!("== {path}");
        for line in replay(PathBuf::from(path)) {
            println!("{line}");
        }
    }
}
