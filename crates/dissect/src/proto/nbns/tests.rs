use super::{Name, Nbns, datagram::Nbdgm};
use crate::testing::{Bench, ToClient, ToServer, datagrams, get};
use crate::{Match, Probe, Protocol, Transport};

fn encoded(name: &str, suffix: u8) -> Vec<u8> {
    let mut raw = name.as_bytes().to_vec();
    raw.resize(15, b' ');
    raw.push(suffix);
    let mut out = vec![32];
    out.extend(raw.iter().flat_map(|b| [b'A' + (b >> 4), b'A' + (b & 15)]));
    out.push(0);
    out
}

fn registration() -> Vec<u8> {
    let mut b = b"\x12\x34\x29\x10\0\x01\0\0\0\0\0\x01".to_vec();
    b.extend(encoded("PC1", 0));
    b.extend_from_slice(b"\0\x20\0\x01\xc0\x0c\0\x20\0\x01\0\x04\x93\xe0\0\x06\0\0\x0a\0\0\x01");
    b
}

fn status() -> Vec<u8> {
    let mut b = b"\x12\x35\x84\0\0\0\0\x01\0\0\0\0".to_vec();
    b.extend(encoded("*", 0));
    b.extend_from_slice(b"\0\x21\0\x01\0\0\0\0\0\x2b\x02SRV1           \x20\x04\0CORP           \0\x84\0\x02\0\0\0\0\x09");
    b
}

#[test]
fn a_registration_names_its_machine() {
    let lines = datagrams(137, &[(ToServer, &registration())]);
    assert_eq!((get(&lines[0], "nbns.operation"), get(&lines[0], "nbns.name")), ("\"registration\"".into(), "\"PC1\"".into()));
    assert_eq!((get(&lines[0], "nbns.role"), get(&lines[0], "nbns.addresses.0")), ("\"workstation\"".into(), "\"10.0.0.1\"".into()));
    assert_eq!((get(&lines[1], "fact.key"), get(&lines[1], "fact.value")), ("\"hostname\"".into(), "\"PC1\"".into()));
}

#[test]
fn a_status_lists_names_and_the_address() {
    let lines = datagrams(137, &[(ToServer, &registration()), (ToClient, &status())]);
    let s = lines.iter().find(|l| get(l, "nbns.query_type") == "\"NBSTAT\"").unwrap();
    assert_eq!((get(s, "nbns.names.0.role"), get(s, "nbns.names.1.role")), ("\"file-server\"".into(), "\"workgroup\"".into()));
    assert_eq!(get(s, "nbns.mac"), "\"02:00:00:00:00:09\"");
    assert!(lines.iter().any(|l| get(l, "fact.key") == "\"workgroup\"" && get(l, "fact.value") == "\"CORP\""));
}

#[test]
fn it_is_told_on_any_port_and_dns_is_not() {
    let p = |bytes| Probe { dir: ToServer, bytes, other: &[], client_port: 4000, server_port: 5000, transport: Transport::Udp };
    let registration = registration();
    assert_eq!(Nbns::probe(&p(&registration)), Match::Yes);
    assert_eq!(Nbns::probe(&p(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01")), Match::No);
    assert_eq!(Name::decode(&encoded("A", 0x1d)[1..]).map(|n| n.suffix()), Some(0x1d));
}

#[test]
fn a_browser_announces_its_system() {
    let mut b = vec![0x11, 2, 0, 1, 10, 0, 0, 1, 0, 138, 0, 0, 0, 0];
    b.extend(encoded("OLDPC", 0));
    b.extend(encoded("WORKGROUP", 0x1d));
    b.extend_from_slice(b"\xffSMB....\\MAILSLOT\\BROWSE\0\x01\0\0\0\0\0OLDPC\0\0\0\0\0\0\0\0\0\0\0\x05\x01\x03\x10\0\0");
    let probe = Probe { dir: ToServer, bytes: &b, other: &[], client_port: 138, server_port: 138, transport: Transport::Udp };
    assert_eq!(Nbdgm::probe(&probe), Match::Yes);
    let told: Vec<String> = datagrams(138, &[(ToServer, &b)]).iter().map(|l| get(l, "fact.key") + &get(l, "fact.value")).collect();
    assert_eq!(told, ["\"hostname\"\"OLDPC\"", "\"os\"\"Windows NT 5.1\""]);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(at in 0usize..90, v: u8, cut in 0usize..100, port in 137u16..139) {
        for mut m in [registration(), status()] {
            if let Some(x) = m.get_mut(at) {
                *x = v;
            }
            let mut bench = Bench::new(Transport::Udp, port);
            bench.datagram(ToServer, &registration());
            bench.datagram(ToServer, &m[..cut.min(m.len())]);
            bench.datagram(ToServer, &m);
            bench.finish();
        }
    }
}
