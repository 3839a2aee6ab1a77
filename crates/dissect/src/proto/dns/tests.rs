use super::message::{self, Data};
use crate::testing::{Bench, ToClient, ToServer, datagrams, get, same_wherever_cut};
use crate::{Match, Transport};

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

/// The response to [`QUERY`]: an alias, its address, a text of two strings, and EDNS with a cookie.
fn response() -> Vec<u8> {
    let mut b = QUERY.to_vec();
    b[2] = 0x81;
    b[3] = 0x80;
    b[7] = 3;
    b[11] = 1;
    b.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01a\xc0\x0c");
    b.extend_from_slice(b"\xc0\x29\0\x01\0\x01\0\0\0\x3c\0\x04\x5d\xb8\xd8\x22");
    b.extend_from_slice(b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x07\x02v1\x03a=b");
    b.extend_from_slice(b"\0\0\x29\x10\0\0\0\0\0\0\x0c\0\x0a\0\x08\x01\x02\x03\x04\x05\x06\x07\x08");
    b
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = (message.len() as u16).to_be_bytes().to_vec();
    out.extend_from_slice(message);
    out
}

#[test]
fn a_response_is_told_by_record_and_by_type() {
    let lines = datagrams(53, &[(ToServer, QUERY), (ToClient, &response())]);
    assert_eq!(lines.len(), 2);
    let r = &lines[1];
    assert_eq!((get(r, "dns.flags"), get(r, "dns.rcode"), get(r, "dns.tx_id")), ("\"8180\"".into(), "\"NOERROR\"".into(), "1".into()));
    assert_eq!(get(r, "dns.answers.0.rdata"), "\"a.example.com\"");
    assert_eq!(get(r, "dns.grouped.A"), "[\"93.184.216.34\"]");
    assert_eq!(get(r, "dns.grouped.TXT"), "[\"v1\",\"a=b\"]");
    assert_eq!((get(r, "dns.answers.2.rdata"), get(r, "dns.answers.3.rdata")), ("\"v1\"".into(), "\"a=b\"".into()));
    assert_eq!(get(r, "dns.additionals.0.opt.0.data"), "\"0102030405060708\"");
}

#[test]
fn a_stream_is_cut_anywhere_and_found_again_after_a_gap() {
    let (q, r) = (framed(QUERY), framed(&response()));
    let both = [q.clone(), q.clone()].concat();
    for port in [53, 5300] {
        same_wherever_cut(port, &[(ToServer, &both), (ToClient, &r)]);
    }
    // What follows the tail of a lost message is found, in its own segment, in the same one, or byte by byte.
    let after = [&b"tail of a lost message"[..], &q].concat();
    for piece in [22, after.len(), 7, 1] {
        let mut b = Bench::new(Transport::Tcp, 53);
        b.data(ToServer, &both[..40]);
        b.gap(ToServer, 18);
        for part in after.chunks(piece) {
            b.data(ToServer, part);
        }
        assert_eq!(b.finish().len(), 2, "in pieces of {piece}");
    }
}

#[test]
fn oddities_have_suricatas_names() {
    let mut odd = QUERY.to_vec();
    odd[2] = 0x48;
    odd[3] = 0x40;
    odd[11] = 1;
    let events: Vec<String> = datagrams(53, &[(ToServer, &odd)]).iter().map(|l| get(l, "anomaly.event")).collect();
    assert_eq!(events, ["", "\"invalid_additionals\"", "\"z_flag_set\"", "\"invalid_opcode\""]);
}

#[test]
fn long_names_are_cut() {
    // A chain: each name is 63 letters and a pointer to the one before.
    let mut m = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    let mut tail = Vec::new();
    let mut label = |next: Option<u16>| {
        let at = 12 + 6 + tail.len() as u16;
        tail.push(63);
        tail.extend_from_slice(&[b'a'; 63]);
        match next {
            Some(p) => tail.extend_from_slice(&(0xc000 | p).to_be_bytes()),
            None => tail.push(0),
        }
        at
    };
    let mut last = label(None);
    for _ in 0..20 {
        last = label(Some(last));
    }
    // The question's name points forward, which is no name.
    m.extend_from_slice(&(0xc000 | last).to_be_bytes());
    m.extend_from_slice(b"\0\x01\0\x01");
    m.extend_from_slice(&tail);
    assert!(message::parse(&m, &mut Vec::new()).is_none());
    // From behind it reads, and is cut.
    let mut c = crate::Cursor::new(&m);
    c.skip(usize::from(last)).unwrap();
    let (mut arena, mut odd) = (Vec::new(), message::Oddities::default());
    let name = message::name(&mut c, &m, &mut arena, &mut odd).unwrap();
    assert!(name.cut && odd.long_name);
    assert_eq!(name.of(&arena).len(), 1025);
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
