use super::message::{self, Data};
use crate::Match;

/// `dig example.com`, as captured on our own bench.
const QUERY: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01";

#[test]
fn a_query_reads() {
    let mut arena = Vec::new();
    let m = message::parse(QUERY, &mut arena).unwrap();
    assert_eq!((m.id, m.is_response(), m.queries.len()), (0x1234, false, 1));
    assert_eq!(m.queries[0].name.of(&arena), b"example.com");
    assert_eq!(message::looks_like(QUERY, false), Match::Yes);
}

#[test]
fn compressed_names_read_and_loops_do_not() {
    let mut response = QUERY.to_vec();
    response[2] = 0x81;
    response[7] = 1;
    response.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x5d\xb8\xd8\x22");
    let mut arena = Vec::new();
    let m = message::parse(&response, &mut arena).unwrap();
    assert_eq!(m.answers[0].name.of(&arena), b"example.com");
    assert!(matches!(m.answers[0].data, Data::Address(ip, _) if ip.to_string() == "93.184.216.34"));
    // A pointer to itself.
    let at = response.len() - 16;
    response[at + 1] = at as u8;
    assert!(message::parse(&response, &mut Vec::new()).unwrap().odd.looping);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let mut arena = Vec::new();
        message::parse(&bytes, &mut arena);
        message::looks_like(&bytes, true);
        message::looks_like(&bytes, false);
    }
}
