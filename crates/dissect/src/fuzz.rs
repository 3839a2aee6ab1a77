//! An entry for fuzzers: any conversation in one protocol, and the property that its events do not depend on where it is cut.

use crate::{Cx, Dissection, Expect, Proto, Settings, Shared, Transport};
use vigie_base::{Direction, Ip, Mac, Time};
use vigie_event::{Batch, Envelope, Out, Record, eve};

/// Events as lines, to compare.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Out for Lines {
    fn push<R: Record>(&mut self, env: &Envelope, record: &R) {
        let mut batch = Batch::new(R::schema());
        batch.push(env, record);
        eve::write(batch.row(0), &mut self.0);
    }
}

/// One step of a conversation.
enum Step<'a> {
    Data(Direction, &'a [u8]),
    Gap(Direction, u64),
    End(Direction),
}

/// Reads `data` as a conversation: a byte that says what comes (direction, gap, end, length), and the bytes of it.
fn steps(mut data: &[u8]) -> Vec<Step<'_>> {
    let mut out = Vec::new();
    while let [head, rest @ ..] = data {
        let dir = if head & 0x80 == 0 { Direction::ToServer } else { Direction::ToClient };
        let len = usize::from(head & 0x3f) * if head & 0x40 != 0 { 16 } else { 1 };
        data = rest;
        out.push(match (head & 0x7f, rest) {
            (0x40, [n, more @ ..]) => {
                data = more;
                Step::Gap(dir, u64::from(*n) + 1)
            }
            (0, _) => Step::End(dir),
            _ => {
                let (piece, more) = rest.split_at(len.min(rest.len()));
                data = more;
                Step::Data(dir, piece)
            }
        });
    }
    out
}

fn run(proto: Proto, transport: Transport, steps: &[Step<'_>], piece: usize) -> Vec<u8> {
    let mut lines = Lines::default();
    let mut shared = Shared::new(Settings { inflate_max: 1 << 16, ..Settings::default() });
    let (ip_proto, port) = match transport {
        Transport::Tcp => (6, proto.info().and_then(|i| i.ports.first().copied()).unwrap_or(4000)),
        Transport::Udp => (17, proto.info().and_then(|i| i.ports.first().copied()).unwrap_or(4000)),
        Transport::Icmp => (1, 0),
    };
    let env = Envelope {
        ts: Time::from_secs(1),
        flow_id: 1,
        src: Ip::v4([10, 0, 0, 1]),
        dst: Ip::v4([10, 0, 0, 2]),
        src_port: 40_000,
        dst_port: port,
        proto: ip_proto,
        ip_version: 4,
        ..Envelope::default()
    };
    let mut seq = 0;
    let since = Time(0);
    let e = Expect { ip: env.dst, port, proto, parent: 9, command: b"RETR".to_vec(), name: b"x".to_vec(), since };
    let mut d = Dissection::announced(transport, e);
    let mut cx = Cx { out: &mut lines, env, seq: &mut seq, shared: &mut shared, client_mac: Mac::ZERO, server_mac: Mac::ZERO };
    for step in steps {
        match step {
            Step::Data(dir, bytes) if transport == Transport::Tcp => {
                for part in bytes.chunks(piece) {
                    d.data(&mut cx, *dir, part);
                }
            }
            Step::Data(dir, bytes) => {
                d.datagram(&mut cx, *dir, bytes);
            }
            Step::Gap(dir, len) if transport == Transport::Tcp => {
                d.gap(&mut cx, *dir, *len);
            }
            Step::End(dir) if transport == Transport::Tcp => d.end(&mut cx, *dir),
            Step::Gap(..) | Step::End(_) => {}
        }
    }
    d.finish(&mut cx);
    lines.0
}

/// Dissects `data` as a conversation in `proto`, over each transport that carries it; asserts that streams cut otherwise give the same.
pub fn fuzz(proto: Proto, data: &[u8]) {
    let steps = steps(data);
    for transport in proto.info().map_or(&[][..], |i| i.transports) {
        let whole = run(proto, *transport, &steps, usize::MAX);
        if *transport == Transport::Tcp {
            for piece in [1, 7] {
                let cut = run(proto, *transport, &steps, piece);
                assert!(cut == whole, "cut into {piece}:\n{}\nwhole:\n{}", String::from_utf8_lossy(&cut), String::from_utf8_lossy(&whole));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_conversation_in_any_protocol(data in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            for proto in Proto::ALL {
                fuzz(*proto, &data);
            }
        }
    }
}
