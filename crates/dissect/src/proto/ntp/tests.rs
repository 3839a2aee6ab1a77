use crate::Transport;
use crate::testing::{Bench, ToClient, ToServer, datagrams, get};

fn server() -> Vec<u8> {
    let mut b = vec![0x24, 1, 6, 0xe9, 0, 0, 0, 0, 0, 0, 0, 1];
    b.extend_from_slice(b"GPS\0");
    b.extend_from_slice(&[0x83; 24]);
    // The bench's clock stands at 1,000,000 s; the server is 2.5 s ahead.
    b.extend_from_slice(&(2_208_988_800u32 + 1_000_002).to_be_bytes());
    b.extend_from_slice(&0x8000_0000u32.to_be_bytes());
    b
}

fn client() -> Vec<u8> {
    let mut b = vec![0x23, 0, 6, 0xe9];
    b.extend_from_slice(&[0; 36]);
    b.extend_from_slice(&[0x83; 8]);
    b
}

#[test]
fn an_exchange_is_two_events() {
    for port in [123, 12_300] {
        let lines = datagrams(port, &[(ToServer, &client()), (ToClient, &server())]);
        assert_eq!(lines.len(), 2);
        assert_eq!((get(&lines[0], "ntp.mode"), get(&lines[0], "ntp.stratum")), ("3".into(), "0".into()));
        assert_eq!(get(&lines[1], "ntp.reference_id"), "1196446464");
        assert_eq!((get(&lines[1], "vigie.reference"), get(&lines[1], "vigie.offset_ms")), ("\"GPS\"".into(), "2500".into()));
    }
}

#[test]
fn a_key_identifier_is_told() {
    let mut c = client();
    c.extend_from_slice(&1105u32.to_be_bytes());
    c.extend_from_slice(&[0; 16]);
    assert_eq!(get(&datagrams(123, &[(ToServer, &c)])[0], "vigie.key_id"), "1105");
}

#[test]
fn monlist_is_named_by_its_code() {
    assert_eq!(get(&datagrams(123, &[(ToServer, b"\x17\0\x03\x2a\0\0\0\0")])[0], "vigie.operation"), "42");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(a in proptest::collection::vec(proptest::num::u8::ANY, 0..130), b in proptest::collection::vec(proptest::num::u8::ANY, 0..130)) {
        let mut bench = Bench::new(Transport::Udp, 123);
        bench.datagram(ToServer, &client());
        bench.datagram(ToServer, &a);
        bench.datagram(ToClient, &b);
        bench.finish();
    }
}
