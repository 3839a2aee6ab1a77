use super::UPDATE_EVERY;
use crate::Transport;
use crate::testing::{Bench, ToClient, ToServer, get};

fn echo(request: bool, seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut b = vec![if request { 8 } else { 0 }, 0, 0, 0, 0x12, 0x34];
    b.extend_from_slice(&seq.to_be_bytes());
    b.extend_from_slice(payload);
    b
}

#[test]
fn a_ping_is_told_by_its_start_and_end() {
    let mut bench = Bench::new(Transport::Icmp, 0);
    for seq in 1..=4u16 {
        let mut payload = vec![seq as u8; 16];
        payload.extend(0..40);
        bench.datagram(ToServer, &echo(true, seq, &payload));
        bench.datagram(ToClient, &echo(false, seq, &payload));
    }
    let lines = bench.finish();
    assert_eq!(lines.len(), 2);
    assert_eq!(get(&lines[0], "icmp.phase"), "\"start\"");
    let end = &lines[1];
    assert_eq!((get(end, "icmp.id"), get(end, "icmp.seq_first"), get(end, "icmp.seq_last")), ("4660".into(), "1".into(), "4".into()));
    assert_eq!((get(end, "icmp.to_server.messages"), get(end, "icmp.to_client.messages")), ("4".into(), "4".into()));
    assert_eq!((get(end, "icmp.echoed"), get(end, "icmp.changed"), get(end, "icmp.unasked")), ("4".into(), "0".into(), "0".into()));
    assert_eq!((get(end, "icmp.to_server.distinct"), get(end, "icmp.to_server.max")), ("1".into(), "56".into()));
}

#[test]
fn a_tunnel_shows_while_it_runs() {
    let mut bench = Bench::new(Transport::Icmp, 0);
    let mut x = 1u64;
    let mut noise = |n: usize| -> Vec<u8> {
        (0..n)
            .map(|_| {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (x >> 40) as u8
            })
            .collect()
    };
    for seq in 0..UPDATE_EVERY as u16 {
        bench.datagram(ToServer, &echo(true, seq, &noise(100)));
        bench.datagram(ToClient, &echo(false, seq, &noise(900)));
    }
    let lines = bench.finish();
    let phases: Vec<String> = lines.iter().map(|l| get(l, "icmp.phase")).collect();
    assert_eq!(phases, ["\"start\"", "\"update\"", "\"update\"", "\"end\""]);
    assert_eq!((get(&lines[1], "icmp.changed"), get(&lines[1], "icmp.echoed")), ("32".into(), "0".into()));
    assert_eq!(get(&lines[1], "icmp.to_client.distinct"), "32");
    assert!(get(&lines[1], "icmp.to_client.entropy").parse::<f64>().unwrap() > 7.5);
}

#[test]
fn a_router_is_told_once_until_it_changes() {
    let mut ra = vec![134, 0, 0xab, 0xcd, 64, 0x40, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1];
    ra.extend_from_slice(&[3, 4, 64, 0xc0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8]);
    ra.resize(24 + 32, 0);
    let mut bench = Bench::new(Transport::Icmp, 0);
    bench.env_mut().proto = 58;
    bench.env_mut().src = "fe80::1".parse().unwrap();
    bench.datagram(ToServer, &ra);
    bench.datagram(ToServer, &ra);
    ra[7] = 0;
    bench.datagram(ToServer, &ra);
    let lines = bench.finish();
    let routers: Vec<&String> = lines.iter().filter(|l| get(l, "icmp.phase") == "\"router\"").collect();
    assert_eq!(routers.len(), 2);
    assert_eq!(get(routers[0], "icmp.router.prefixes.0"), "\"2001:db8::/64\"");
    assert_eq!(get(routers[0], "icmp.router.mac"), "\"02:00:00:00:00:01\"");
    let facts: Vec<String> =
        lines.iter().filter(|l| get(l, "event_type") == "\"fact\"").map(|l| get(l, "fact.key") + &get(l, "fact.value")).collect();
    assert_eq!(facts, ["\"neighbour\"\"02:00:00:00:00:01\"", "\"service\"\"ipv6-router\""]);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(messages in proptest::collection::vec((proptest::bool::ANY, proptest::collection::vec(proptest::num::u8::ANY, 0..80)), 0..8), kind in 130u8..140) {
        let mut bench = Bench::new(Transport::Icmp, 0);
        bench.env_mut().proto = 58;
        for (up, m) in messages {
            let mut m = m;
            if let Some(first) = m.first_mut() {
                *first = kind;
            }
            bench.datagram(if up { ToServer } else { ToClient }, &m);
        }
        bench.finish();
    }
}
