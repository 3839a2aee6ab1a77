//! One way to test a parser: bytes in, EVE lines out.

use crate::{Cx, Dissection, Settings, Shared, Transport};
use vigie_base::{Direction, Ip, Mac, Time};
use vigie_event::{Batch, Envelope, Out, Record, eve};

pub(crate) use Direction::{ToClient, ToServer};

/// A sink that writes each record as EVE at once (internal kinds too).
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Vec<String>);

impl Out for Lines {
    fn push<R: Record>(&mut self, env: &Envelope, record: &R) {
        let mut batch = Batch::new(R::schema());
        batch.push(env, record);
        let mut out = Vec::new();
        eve::write(batch.row(0), &mut out);
        let text = String::from_utf8(out).expect("EVE is UTF-8");
        self.0.push(text.trim_end().to_owned());
    }
}

/// A flow from 10.0.0.1:40000 to 10.0.0.2:`port`.
pub(crate) struct Bench {
    pub(crate) lines: Lines,
    pub(crate) shared: Shared,
    pub(crate) dissection: Dissection,
    env: Envelope,
    seq: u32,
}

impl Bench {
    pub(crate) fn new(transport: Transport, port: u16) -> Self {
        let proto = match transport {
            Transport::Tcp => 6,
            Transport::Udp => 17,
            Transport::Icmp => 1,
        };
        let env = Envelope {
            ts: Time::from_secs(1_000_000),
            flow_id: 7,
            src: Ip::v4([10, 0, 0, 1]),
            dst: Ip::v4([10, 0, 0, 2]),
            src_port: 40_000,
            dst_port: port,
            proto,
            ip_version: 4,
            ..Envelope::default()
        };
        Bench { lines: Lines::default(), shared: Shared::new(Settings::default()), dissection: Dissection::new(transport), env, seq: 0 }
    }

    /// The flow's envelope, to change.
    pub(crate) fn env_mut(&mut self) -> &mut Envelope {
        &mut self.env
    }

    fn with(&mut self, f: impl FnOnce(&mut Dissection, &mut Cx<'_, Lines>)) {
        let mut env = self.env;
        env.app_proto = self.dissection.app_proto();
        let mut cx =
            Cx { out: &mut self.lines, env, seq: &mut self.seq, shared: &mut self.shared, client_mac: Mac::ZERO, server_mac: Mac::ZERO };
        f(&mut self.dissection, &mut cx);
    }

    pub(crate) fn data(&mut self, dir: Direction, bytes: &[u8]) {
        self.with(|d, cx| {
            d.data(cx, dir, bytes);
        });
    }

    pub(crate) fn datagram(&mut self, dir: Direction, bytes: &[u8]) {
        self.with(|d, cx| {
            d.datagram(cx, dir, bytes);
        });
    }

    pub(crate) fn gap(&mut self, dir: Direction, len: u64) {
        self.with(|d, cx| {
            d.gap(cx, dir, len);
        });
    }

    pub(crate) fn end(&mut self, dir: Direction) {
        self.with(|d, cx| d.end(cx, dir));
    }

    /// Ends the flow and gives every line.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.with(|d, cx| d.finish(cx));
        self.lines.0
    }
}

/// The lines of a TCP conversation, each piece delivered whole.
pub(crate) fn stream(port: u16, pieces: &[(Direction, &[u8])]) -> Vec<String> {
    let mut b = Bench::new(Transport::Tcp, port);
    for (dir, bytes) in pieces {
        b.data(*dir, bytes);
    }
    b.end(ToServer);
    b.end(ToClient);
    b.finish()
}

/// The lines of a UDP conversation.
pub(crate) fn datagrams(port: u16, pieces: &[(Direction, &[u8])]) -> Vec<String> {
    let mut b = Bench::new(Transport::Udp, port);
    for (dir, bytes) in pieces {
        b.datagram(*dir, bytes);
    }
    b.finish()
}

/// Asserts that the conversation gives the same lines when each piece is cut at every place, and byte by byte.
pub(crate) fn same_wherever_cut(port: u16, pieces: &[(Direction, &[u8])]) {
    let whole = stream(port, pieces);
    let bytes: Vec<(Direction, &[u8])> = pieces.iter().flat_map(|(d, p)| p.chunks(1).map(move |b| (*d, b))).collect();
    assert_eq!(stream(port, &bytes), whole, "cut into single bytes");
    for (i, (dir, piece)) in pieces.iter().enumerate() {
        for at in 1..piece.len() {
            let mut cut = pieces.to_vec();
            cut.splice(i..=i, [(*dir, &piece[..at]), (*dir, &piece[at..])]);
            assert_eq!(stream(port, &cut), whole, "piece {i} cut at {at}");
        }
    }
}

/// The value at a dotted path (`dns.queries.0.rrname`) of an EVE line, as JSON text; empty where there is none.
pub(crate) fn get(line: &str, path: &str) -> String {
    let mut v: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
    for step in path.split('.') {
        v = match step.parse::<usize>() {
            Ok(i) if v.is_array() => v[i].take(),
            _ => v[step].take(),
        };
    }
    if v.is_null() { String::new() } else { v.to_string() }
}
