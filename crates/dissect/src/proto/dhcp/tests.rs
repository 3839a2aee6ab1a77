use crate::Transport;
use crate::testing::{Bench, ToClient, ToServer, datagrams, get};

fn message(op: u8, yiaddr: [u8; 4], options: &[u8]) -> Vec<u8> {
    let mut b = vec![op, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0, 0, 0, 0, 0];
    b.extend_from_slice(&yiaddr);
    b.extend_from_slice(&[0; 8]);
    b.extend_from_slice(&[2, 0, 0, 0, 0, 7]);
    b.resize(236, 0);
    b.extend_from_slice(&super::COOKIE);
    b.extend_from_slice(options);
    b
}

#[test]
fn a_lease_is_told_with_its_client() {
    let request = message(
        1,
        [0; 4],
        b"\x35\x01\x03\x3d\x07\x01\x02\0\0\0\0\x07\x0c\x03pc1\x37\x04\x01\x03\x06\xfc\x3c\x08MSFT 5.0\x51\x08\0\0\0pc1.x\xff",
    );
    let ack = message(2, [10, 0, 0, 9], b"\x35\x01\x05\x36\x04\x0a\0\0\x02\x33\x04\0\0\x0e\x10\x03\x04\x0a\0\0\x02\x06\x08\x0a\0\0\x02\x08\x08\x08\x08\x79\x09\x10\x0a\x01\x0a\0\0\x02\0\x0a\0\xff");
    let lines = datagrams(67, &[(ToServer, &request), (ToServer, &request), (ToClient, &ack)]);
    let first = &lines[0];
    assert_eq!(get(first, "dhcp.type"), "\"request\"");
    assert_eq!(get(first, "dhcp.client_mac"), "\"02:00:00:00:00:07\"");
    assert_eq!(get(first, "dhcp.client_id"), "\"02:00:00:00:00:07\"");
    assert_eq!(get(first, "dhcp.params"), r#"["subnet_mask","router","dns_server"]"#);
    assert_eq!(get(first, "vigie.fingerprint"), "\"1,3,6,252\"");
    assert_eq!(get(first, "vigie.options"), "\"53,61,12,55,60,81\"");
    assert_eq!(get(first, "vigie.fqdn"), "\"pc1.x\"");
    let facts: Vec<String> =
        lines.iter().filter(|l| get(l, "event_type") == "\"fact\"").map(|l| get(l, "fact.key") + &get(l, "fact.value")).collect();
    assert_eq!(
        facts,
        [
            "\"hostname\"\"pc1\"",
            "\"fqdn\"\"pc1.x\"",
            "\"dhcp_fingerprint\"\"1,3,6,252\"",
            "\"dhcp_vendor_class\"\"MSFT 5.0\"",
            "\"lease\"\"10.0.0.9\"",
            "\"service\"\"dhcp-server\""
        ]
    );
    let ack = lines.iter().find(|l| get(l, "dhcp.dhcp_type") == "\"ack\"").unwrap();
    assert_eq!(get(ack, "dhcp.assigned_ip"), "\"10.0.0.9\"");
    assert_eq!(get(ack, "dhcp.lease_time"), "3600");
    assert_eq!(get(ack, "dhcp.dns_servers"), r#"["10.0.0.2","8.8.8.8"]"#);
    assert_eq!(get(ack, "vigie.routes"), r#"["10.1.0.0/16 via 10.0.0.2"]"#);
}

#[test]
fn cut_options_are_noted() {
    let lines = datagrams(67, &[(ToServer, &message(1, [0; 4], b"\x35\x01\x01\x0c\x30pc"))]);
    assert_eq!(get(&lines[1], "anomaly.event"), "\"truncated_options\"");
}

proptest::proptest! {
    #[test]
    fn any_options_are_survived(options in proptest::collection::vec(proptest::num::u8::ANY, 0..300), op: u8) {
        let mut bench = Bench::new(Transport::Udp, 67);
        bench.datagram(ToServer, &message(1, [0; 4], b"\xff"));
        bench.datagram(ToServer, &message(op, [1; 4], &options));
        bench.datagram(ToClient, &options);
        bench.finish();
    }
}
