use crate::Transport;
use crate::testing::{Bench, ToServer, datagrams, get};

/// A printer answers: PTR, and in the additionals SRV, TXT and A.
fn answer() -> Vec<u8> {
    let mut b = b"\0\0\x84\0\0\0\0\x01\0\0\0\x03".to_vec();
    b.extend_from_slice(b"\x04_ipp\x04_tcp\x05local\0\0\x0c\0\x01\0\0\x11\x94\0\x05\x02p1\xc0\x0c");
    b.extend_from_slice(b"\xc0\x27\0\x21\x80\x01\0\0\0\x78\0\x0b\0\0\0\0\x02\x77\x02p1\xc0\x16");
    b.extend_from_slice(b"\xc0\x27\0\x10\x80\x01\0\0\x11\x94\0\x0f\x08ty=Laser\x05a=b=c");
    b.extend_from_slice(b"\xc0\x3e\0\x01\x80\x01\0\0\0\x78\0\x04\x0a\0\0\x01");
    b
}

#[test]
fn an_answer_gives_an_event_and_facts_once() {
    let a = answer();
    let lines = datagrams(5353, &[(ToServer, &a), (ToServer, &a)]);
    let kinds: Vec<String> = lines.iter().map(|l| get(l, "event_type")).collect();
    assert_eq!(kinds.iter().filter(|k| *k == "\"mdns\"").count(), 2, "{lines:#?}");
    assert_eq!(get(&lines[0], "mdns.answers.0.ptr"), "\"p1._ipp._tcp.local\"");
    assert_eq!(get(&lines[0], "mdns.additionals.0.srv.port"), "631");
    assert_eq!(get(&lines[0], "mdns.additionals.1.txt.1"), "\"a=b=c\"");
    assert_eq!(get(&lines[0], "mdns.additionals.2.a"), "\"10.0.0.1\"");
    assert_eq!(get(&lines[0], "mdns.flags.0"), "\"aa\"");
    let facts: Vec<(String, String)> =
        lines.iter().filter(|l| get(l, "event_type") == "\"fact\"").map(|l| (get(l, "fact.key"), get(l, "fact.value"))).collect();
    let fact = |k: &str, v: &str| (format!("\"{k}\""), format!("\"{v}\""));
    assert_eq!(facts, [fact("service", "p1._ipp._tcp.local"), fact("model", "Laser"), fact("hostname", "p1.local")]);
}

#[test]
fn elsewhere_it_is_no_mdns() {
    assert!(!datagrams(5354, &[(ToServer, &answer())]).iter().any(|l| get(l, "event_type") == "\"mdns\""));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), at in 0usize..120, v: u8) {
        let mut b = Bench::new(Transport::Udp, 5353);
        let mut a = answer();
        if let Some(x) = a.get_mut(at) {
            *x = v;
        }
        b.datagram(ToServer, &a);
        b.datagram(ToServer, &bytes);
        b.finish();
    }
}
