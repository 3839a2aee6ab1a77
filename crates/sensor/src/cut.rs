//! The packets of given flows, out of the captures that they were told from.
//!
//! Frames go the way that they went when the flows were told ([`crate::front::Front`]: decode, doubled frames, fragments), so that tunnels,
//! VLANs and fragments are looked into alike. A flow begins with the packet whose key and time give its identifier; what follows under the
//! same key, up to its last packet's time, is its own. An ICMP error that the called host sent belongs to the flow that it quotes.
//!
//! Bounds: [`HELD_MAX`] bytes of fragments that wait for the rest of their datagram.

use crate::front::Front;
use crate::{Control, Settings};
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, HashMap, VecDeque};
use vigie_base::{Ip, Time};
use vigie_capture::{Capture, Frame, LinkType, Status};
use vigie_decode::{Body, Packet};
use vigie_flow::Key;
use vigie_flow::defrag;
use vigie_flow::key::quoted;

/// Bytes of fragments kept; beyond, the oldest go, and their datagram lacks them.
const HELD_MAX: usize = 16 << 20;

/// A flow to look for, as its `flow` event tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its identifier.
    pub flow_id: u64,
    /// Its ends.
    pub ends: (Ip, Ip),
    /// Their ports, where its transport has ports.
    pub ports: (u16, u16),
    /// IP protocol.
    pub proto: u8,
    /// Its first packet; whole microseconds do.
    pub first: Time,
    /// Its last packet; whole microseconds do.
    pub last: Time,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Frames given.
    pub frames: u64,
    /// Their captured bytes.
    pub bytes: u64,
    /// Flows of which there was a packet.
    pub flows: u64,
}

/// How long before a flow's first packet reading must begin: a datagram whose fragments came before it is complete only so.
pub fn before(settings: &Settings) -> u64 {
    settings.defrag.timeout_ns
}

/// Reads `capture` until the last of `flows` is over, and gives their frames to `each` in the order of reading; the fragments of a datagram
/// come together, when it is whole. `since` is a time that was reached before the capture's first frame, 0 where it is read from its
/// beginning. Times are those of the events: the capture gives them moved as when it was first read.
pub fn cut(
    capture: &mut Capture,
    settings: &Settings,
    flows: &[Wanted],
    since: Time,
    each: &mut impl FnMut(&Frame<'_>),
    mut goes_on: impl FnMut() -> Control,
) -> Found {
    let mut front = Front::new(settings);
    front.idle(since);
    let mut seeker = Seeker::new(settings, flows);
    let mut held = Held::default();
    let mut found = Found::default();
    let mut give = |frame: &Frame<'_>| {
        found.frames += 1;
        found.bytes += frame.data.len() as u64;
        each(frame);
    };
    while !seeker.is_over(front.now()) && goes_on() == Control::Go {
        let status = capture.next_batch(&mut |frames: &[Frame<'_>]| {
            for frame in frames {
                front.decode(frame);
                let fragment = front.fragment();
                let (mut whole, mut hit, copies) = (false, false, front.frames.duplicate);
                front.packet(frame, |item| {
                    whole = true;
                    hit |= seeker.is_wanted(item.packet, item.bytes, item.time);
                });
                match fragment {
                    None if hit => give(frame),
                    None => {}
                    Some(_) if front.frames.duplicate > copies => {}
                    Some(key) => {
                        held.add(key, frame);
                        if whole {
                            let parts = held.take(&key);
                            parts.iter().filter(|_| hit).for_each(|p| give(&p.frame()));
                        }
                    }
                }
            }
        });
        if status == Status::End {
            break;
        }
    }
    found.flows = seeker.begun;
    found
}

/// A flow that is looked for, and its key once its first packet was seen.
struct Sought {
    flow: Wanted,
    key: Option<Key>,
}

struct Seeker {
    /// By ends and transport alone.
    flows: HashMap<Key, Vec<Sought>, FixedState>,
    use_vlan: bool,
    use_tunnel: bool,
    sensor: u64,
    last: Time,
    begun: u64,
}

/// What `flow` events tell of a key.
fn ends(key: &Key) -> Key {
    let ports = if matches!(key.proto, 6 | 17 | 132) { (key.lo_port, key.hi_port) } else { (0, 0) };
    // Without ports, as the event's own ends come: in the order of addresses.
    Key { lo_port: ports.0, hi_port: ports.1, vlan: [0; 3], tunnel: 0, ..*key }
}

impl Seeker {
    fn new(settings: &Settings, wanted: &[Wanted]) -> Self {
        let mut flows: HashMap<Key, Vec<Sought>, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
        let mut last = Time(0);
        for flow in wanted {
            let has_ports = matches!(flow.proto, 6 | 17 | 132);
            let ports = if has_ports { flow.ports } else { (0, 0) };
            let (key, _) = Key::new(flow.ends.0, flow.ends.1, ports.0, ports.1, flow.proto, [0; 3], 0);
            flows.entry(ends(&key)).or_default().push(Sought { flow: *flow, key: None });
            last = last.max(flow.last);
        }
        let f = &settings.flow;
        Seeker { flows, use_vlan: f.use_vlan, use_tunnel: f.use_tunnel, sensor: f.sensor, last, begun: 0 }
    }

    /// Whether nothing more can come.
    fn is_over(&self, now: Time) -> bool {
        now.0 / 1000 > self.last.0 / 1000
    }

    fn is_wanted(&mut self, p: &Packet, bytes: &[u8], now: Time) -> bool {
        if let Body::Icmp { .. } = p.body
            && let Some(q) = quoted(p, bytes)
        {
            let (vlan, tunnel) = (if self.use_vlan { p.vlan } else { [0; 3] }, if self.use_tunnel { p.tunnel_key } else { 0 });
            let (key, _) = Key::new(q.src, q.dst, q.src_port, q.dst_port, q.proto, vlan, tunnel);
            if self.is_of(&key, now) {
                return true;
            }
        }
        let (key, _) = Key::of(p, self.use_vlan, self.use_tunnel);
        self.is_of(&key, now)
    }

    fn is_of(&mut self, key: &Key, now: Time) -> bool {
        let Some(list) = self.flows.get_mut(&ends(key)) else { return false };
        let mut any = false;
        for s in list {
            let us = now.0 / 1000;
            if us < s.flow.first.0 / 1000 || us > s.flow.last.0 / 1000 {
                continue;
            }
            if s.key.is_none() && key.flow_id(self.sensor, now.0) == s.flow.flow_id {
                s.key = Some(*key);
                self.begun += 1;
            }
            any |= s.key == Some(*key);
        }
        any
    }
}

/// A fragment's frame, copied.
struct Part {
    time: Time,
    data: Vec<u8>,
    wire_len: u32,
    link: LinkType,
    source: u16,
}

impl Part {
    fn frame(&self) -> Frame<'_> {
        Frame { time: self.time, data: &self.data, wire_len: self.wire_len, link: self.link, source: self.source }
    }
}

/// Fragments that wait for the rest of their datagram.
#[derive(Default)]
struct Held {
    parts: BTreeMap<defrag::Key, Vec<Part>>,
    /// In the order of their first fragments.
    ages: VecDeque<defrag::Key>,
    bytes: usize,
}

impl Held {
    fn add(&mut self, key: defrag::Key, frame: &Frame<'_>) {
        while self.bytes + frame.data.len() > HELD_MAX {
            let Some(oldest) = self.ages.front().copied() else { break };
            self.take(&oldest);
        }
        let parts = self.parts.entry(key).or_insert_with(|| {
            self.ages.push_back(key);
            Vec::new()
        });
        let (time, wire_len, link, source) = (frame.time, frame.wire_len, frame.link, frame.source);
        parts.push(Part { time, data: frame.data.to_vec(), wire_len, link, source });
        self.bytes += frame.data.len();
    }

    fn take(&mut self, key: &defrag::Key) -> Vec<Part> {
        let parts = self.parts.remove(key).unwrap_or_default();
        self.bytes -= parts.iter().map(|p| p.data.len()).sum::<usize>();
        if let Some(at) = self.ages.iter().position(|k| k == key) {
            self.ages.remove(at);
        }
        parts
    }
}
