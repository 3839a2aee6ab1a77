use crate::Transport;
use crate::testing::{Bench, ToClient, ToServer, datagrams, get};

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    let mut b = code.to_be_bytes().to_vec();
    b.extend_from_slice(&(data.len() as u16).to_be_bytes());
    b.extend_from_slice(data);
    b
}

fn solicit() -> Vec<u8> {
    let mut b = vec![1, 0, 0x12, 0x34];
    b.extend(option(1, &[0, 1, 0, 1, 9, 9, 9, 9, 2, 0, 0, 0, 0, 7]));
    b.extend(option(39, b"\0\x03pc1\x04corp\0"));
    b.extend(option(16, b"\0\0\x01\x37\0\x08MSFT 5.0"));
    b.extend(option(6, &[0, 23, 0, 24]));
    b
}

fn reply() -> Vec<u8> {
    let mut address = vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
    let server = address.clone();
    address.extend_from_slice(&[0, 0, 0, 60, 0, 0, 0, 120]);
    let mut ia = vec![0; 12];
    ia.extend(option(5, &address));
    let mut b = vec![7, 0, 0x12, 0x34];
    b.extend(option(1, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 7]));
    b.extend(option(2, &[0, 2, 0, 0]));
    b.extend(option(3, &ia));
    b.extend(option(23, &server));
    b.extend(option(24, b"\x04corp\x05local\0"));
    b
}

#[test]
fn a_client_and_its_lease() {
    let lines = datagrams(547, &[(ToServer, &solicit()), (ToClient, &reply())]);
    assert_eq!((get(&lines[0], "dhcpv6.type"), get(&lines[0], "dhcpv6.id")), ("\"solicit\"".into(), "4660".into()));
    assert_eq!((get(&lines[0], "dhcpv6.fqdn"), get(&lines[0], "dhcpv6.fingerprint")), ("\"pc1.corp\"".into(), "\"23,24\"".into()));
    assert_eq!(get(&lines[0], "dhcpv6.client_mac"), "\"02:00:00:00:00:07\"");
    let reply = lines.iter().find(|l| get(l, "dhcpv6.type") == "\"reply\"").unwrap();
    assert_eq!((get(reply, "dhcpv6.lease_time"), get(reply, "dhcpv6.domains.0")), ("120".into(), "\"corp.local\"".into()));
    let told: Vec<String> =
        lines.iter().filter(|l| get(l, "event_type") == "\"fact\"").map(|l| get(l, "fact.key") + &get(l, "fact.value")).collect();
    assert_eq!(
        told,
        ["\"fqdn\"\"pc1.corp\"", "\"dhcp_vendor_class\"\"MSFT 5.0\"", "\"lease\"\"2001:db8::5\"", "\"service\"\"dhcpv6-server\""]
    );
}

#[test]
fn a_relayed_message_is_told_as_its_client_wrote_it() {
    let mut b = vec![12, 0];
    b.extend_from_slice(&[0; 16]);
    b.extend_from_slice(&[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    b.extend(option(9, &solicit()));
    let lines = datagrams(547, &[(ToServer, &b)]);
    assert_eq!((get(&lines[0], "dhcpv6.type"), get(&lines[0], "dhcpv6.relays")), ("\"solicit\"".into(), "1".into()));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(at in 0usize..120, v: u8, cut in 0usize..120, other in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
        for mut m in [solicit(), reply()] {
            if let Some(x) = m.get_mut(at) {
                *x = v;
            }
            let mut bench = Bench::new(Transport::Udp, 547);
            bench.datagram(ToServer, &solicit());
            bench.datagram(ToServer, &m[..cut.min(m.len())]);
            bench.datagram(ToClient, &m);
            bench.datagram(ToClient, &other);
            bench.finish();
        }
    }
}
