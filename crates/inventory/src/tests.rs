//! Synthetic events in, assets out.

use crate::{Asset, Inventory, Settings, write_asset_json};
use proptest::prelude::*;
use vigie_base::{Ip, Mac, Time};
use vigie_dissect::proto::arp::Arp;
use vigie_dissect::record::Fact;
use vigie_event::{Batch, Envelope, Flag, Record};
use vigie_flow::record::{FlowEnd, FlowStart, FlowUpdate};

/// Feeds an inventory, a second later with each event.
struct Net {
    inventory: Inventory,
    at: u64,
}

fn ip(text: &str) -> Ip {
    text.parse().unwrap()
}

fn mac(last: u8) -> Mac {
    // A prefix of Xerox's.
    Mac([0, 0, 0, 0, 9, last])
}

const LINUX_SYN: &[u8] = b"mss1460,sok,ts,nop,ws7";

impl Net {
    fn new() -> Self {
        Net::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new("[10.0.0.0/8,192.168.0.0/16,fe80::/10]".parse().unwrap());
        change(&mut settings);
        Net { inventory: Inventory::new(settings), at: 1_700_000_000 }
    }

    fn push<R: Record>(&mut self, mut env: Envelope, record: &R) {
        self.at += 1;
        env.ts = Time::from_secs(self.at);
        let mut batch = Batch::new(R::schema());
        batch.push(&env, record);
        self.inventory.row(batch.row(0));
        self.inventory.upto(env.ts);
    }

    fn env(src: &str, dst: &str, proto: u8, dst_port: u16, app: &'static str) -> Envelope {
        Envelope { src: ip(src), dst: ip(dst), proto, src_port: 40_000, dst_port, app_proto: app, ..Envelope::default() }
    }

    fn start(&mut self, env: Envelope, client_mac: Mac, server_mac: Mac) {
        let tcp_flags = if env.proto == 6 { 2 } else { 0 };
        let tcp_options = if env.proto == 6 { LINUX_SYN } else { b"" };
        self.push(env, &FlowStart { client_mac, server_mac, ttl: 63, tcp_flags, window: 64_240, tcp_options, payload: 0 });
    }

    /// A whole flow, answered.
    fn flow(&mut self, env: Envelope, client_mac: Mac, server_mac: Mac) {
        self.start(env, client_mac, server_mac);
        self.push(env, &FlowUpdate { state: "established", refused: false, ttl: 64, window: 65_160, tcp_options: b"" });
        self.push(
            env,
            &FlowEnd {
                app_proto_orig: None,
                app_proto: None,
                pkts_toserver: 5,
                pkts_toclient: 5,
                bytes_toserver: 500,
                bytes_toclient: 500,
                start: Time::from_secs(self.at - 2),
                end: Time::from_secs(self.at),
                age: 2,
                state: "closed",
                reason: "timeout",
                alerted: false,
                tx_cnt: None,
                tcp: None,
                response_icmp_type: None,
                response_icmp_code: None,
                community_id: "",
                tunnel: None,
                client_mac: Some(client_mac),
                server_mac: Some(server_mac),
                gap_bytes: None,
                midstream: Flag(false),
                unreachable: Flag(false),
            },
        );
    }

    fn arp(&mut self, address: &str, mac: Mac) {
        let record = Arp {
            hw_type: "ethernet",
            proto_type: "ipv4",
            opcode: b"reply",
            src_mac: mac,
            src_ip: ip(address),
            dest_mac: Mac::ZERO,
            dest_ip: ip("10.0.0.99"),
            frame_mac: None,
        };
        self.push(Envelope::default(), &record);
    }

    fn fact(&mut self, ip: Option<Ip>, mac: Option<Mac>, key: &str, value: &str) {
        self.push(
            Envelope::default(),
            &Fact { ip, mac, key, value: value.as_bytes(), source: "dhcp", confidence: 90, hearsay: Flag(false) },
        );
    }

    fn assets(&self) -> Vec<Asset> {
        self.inventory.assets()
    }
}

fn ips(a: &Asset) -> Vec<String> {
    a.addresses.iter().map(|a| a.ip.to_string()).collect()
}

#[test]
fn a_client_and_a_server_are_told_with_their_services() {
    let mut net = Net::new();
    net.arp("10.0.0.5", mac(5));
    net.flow(Net::env("10.0.0.5", "10.0.0.2", 6, 25, "smtp"), mac(5), mac(2));
    net.flow(Net::env("10.0.0.6", "10.0.0.2", 6, 25, "smtp"), mac(6), mac(2));
    let assets = net.assets();
    assert_eq!(assets.iter().map(ips).collect::<Vec<_>>(), [["10.0.0.2"], ["10.0.0.5"], ["10.0.0.6"]]);
    let server = &assets[0];
    assert_eq!((server.mac, server.vendor), (Some(mac(2)), Some("Xerox")));
    assert_eq!((server.class, &server.roles[..], server.peers), ("server", &["mail_server"][..], 2));
    let s = &server.services[0];
    assert_eq!((s.proto, s.port, s.app_proto, s.flows, s.clients), ("tcp", 25, "smtp", 2, 2));
    let client = &assets[1];
    assert_eq!(client.os, Some("Linux"));
    assert!(client.facts.iter().any(|f| f.key == "os" && f.source == "tcp_stack" && f.reason.is_some()));
    assert_eq!((client.uses[0].port, client.uses[0].app_proto), (25, "smtp"));
    assert_eq!(net.inventory.asset_of(ip("10.0.0.5")), Some(client.id));
    assert_eq!(net.inventory.mac_of(ip("10.0.0.5")), Some(mac(5)));
}

#[test]
fn who_is_only_called_or_outside_is_no_asset() {
    let mut net = Net::new();
    for i in 1..200 {
        net.start(Net::env("10.0.0.5", &format!("10.0.0.{i}"), 6, 22, ""), mac(5), mac(9));
    }
    net.flow(Net::env("10.0.0.5", "203.0.113.9", 6, 443, "tls"), mac(5), mac(1));
    assert_eq!(net.assets().iter().map(ips).collect::<Vec<_>>(), [["10.0.0.5"]]);
    assert_eq!(net.inventory.asset_of(ip("203.0.113.9")), None);
}

#[test]
fn behind_a_router_each_address_is_a_device_and_the_router_is_one() {
    let mut net = Net::new();
    net.arp("10.0.0.1", mac(1));
    net.flow(Net::env("10.0.0.5", "203.0.113.9", 6, 443, "tls"), mac(5), mac(1));
    net.flow(Net::env("10.2.0.7", "10.0.0.5", 6, 22, "ssh"), mac(1), mac(5));
    net.flow(Net::env("10.3.0.7", "10.0.0.5", 6, 22, "ssh"), mac(1), mac(5));
    let assets = net.assets();
    assert_eq!(assets.iter().map(ips).collect::<Vec<_>>(), [["10.0.0.1"], ["10.0.0.5"], ["10.2.0.7"], ["10.3.0.7"]]);
    assert_eq!((assets[0].mac, &assets[0].roles[..], assets[0].class), (Some(mac(1)), &["router"][..], "network"));
    assert_eq!((assets[1].mac, assets[2].mac, assets[3].mac), (Some(mac(5)), None, None));
}

#[test]
fn a_router_is_known_by_the_networks_that_it_sends_for() {
    let mut net = Net::new();
    for i in 1..5 {
        net.flow(Net::env(&format!("10.{i}.0.7"), "10.0.0.5", 6, 22, "ssh"), mac(1), mac(5));
    }
    let assets = net.assets();
    let router = assets.iter().find(|a| a.mac == Some(mac(1))).unwrap();
    assert_eq!((ips(router), &router.roles[..]), (vec![], &["router"][..]), "its own address is not known");
    assert_eq!(assets.len(), 6);
}

#[test]
fn a_router_that_serves_its_own_network_is_told_from_what_it_forwards() {
    let mut net = Net::new();
    net.flow(Net::env("10.0.0.5", "10.0.0.1", 17, 53, "dns"), mac(5), mac(1));
    net.flow(Net::env("10.0.0.5", "203.0.113.9", 6, 443, "tls"), mac(5), mac(1));
    net.flow(Net::env("10.9.0.7", "10.0.0.5", 6, 22, "ssh"), mac(1), mac(5));
    let assets = net.assets();
    let told: Vec<_> = assets.iter().map(|a| (ips(a).join(" "), a.mac, &a.roles[..])).collect();
    let want: [(String, Option<Mac>, &[&str]); 3] = [
        ("10.0.0.1".into(), Some(mac(1)), &["dns_server", "router"]),
        ("10.0.0.5".into(), Some(mac(5)), &["ssh_server"]),
        ("10.9.0.7".into(), None, &[]),
    ];
    assert_eq!(told, want);
}

#[test]
fn ports_chosen_for_one_conversation_are_no_services() {
    let mut net = Net::new();
    net.flow(Net::env("10.0.0.5", "10.0.0.2", 17, 17_718, ""), mac(5), mac(2));
    net.flow(Net::env("10.0.0.5", "10.0.0.2", 17, 161, ""), mac(5), mac(2));
    let assets = net.assets();
    assert_eq!(assets[0].services.iter().map(|s| s.port).collect::<Vec<_>>(), [161]);
    assert_eq!(assets[1].uses.iter().map(|u| u.port).collect::<Vec<_>>(), [161]);
}

#[test]
fn an_address_that_two_claim_at_once_is_told_of_both() {
    let mut net = Net::new();
    for _ in 0..3 {
        net.arp("10.0.0.1", mac(1));
        net.arp("10.0.0.1", mac(66));
    }
    for a in net.assets() {
        let other = if a.mac == Some(mac(1)) { mac(66) } else { mac(1) };
        assert!(a.facts.iter().any(|f| f.key == "contested_address" && f.value == format!("10.0.0.1 (also {other})")));
    }
    assert_eq!(net.assets().len(), 2);
}

#[test]
fn what_a_scanner_tries_is_not_what_a_port_speaks() {
    let mut net = Net::new();
    net.flow(Net::env("10.0.0.5", "10.0.0.2", 6, 135, "http"), mac(5), mac(2));
    net.flow(Net::env("10.0.0.5", "10.0.0.2", 6, 80, "http"), mac(5), mac(2));
    let told: Vec<_> = net.assets()[0].services.iter().map(|s| (s.port, s.app_proto)).collect();
    assert_eq!(told, [(80, "http"), (135, "")]);
}

#[test]
fn one_device_has_its_addresses_of_both_families_and_its_lease() {
    let mut net = Net::new();
    net.fact(None, Some(mac(7)), "hostname", "laptop-of-ada");
    net.fact(None, Some(mac(7)), "lease", "10.0.0.7");
    net.start(Net::env("fe80::7", "ff02::fb", 17, 5353, ""), mac(7), Mac([0x33, 0x33, 0, 0, 0, 0xfb]));
    let assets = net.assets();
    assert_eq!(assets.len(), 1);
    assert_eq!(
        (ips(&assets[0]), &assets[0].names[..]),
        (vec!["10.0.0.7".to_owned(), "fe80::7".to_owned()], &["laptop-of-ada".to_owned()][..])
    );
    assert_eq!(net.inventory.name_of(ip("10.0.0.7"), Time::from_secs(net.at)), Some("laptop-of-ada"));
}

#[test]
fn an_address_that_passes_on_does_not_mix_two_devices() {
    let mut net = Net::new();
    net.fact(Some(ip("10.0.0.7")), Some(mac(7)), "hostname", "first");
    let then = Time::from_secs(net.at);
    net.fact(Some(ip("10.0.0.7")), Some(mac(8)), "hostname", "second");
    let names: Vec<_> = net.assets().into_iter().map(|a| (a.mac, a.names)).collect();
    assert!(names.contains(&(Some(mac(7)), vec!["first".to_owned()])) && names.contains(&(Some(mac(8)), vec!["second".to_owned()])));
    assert_eq!(net.inventory.name_of(ip("10.0.0.7"), then), Some("first"));
    assert_eq!(net.inventory.name_of(ip("10.0.0.7"), Time::from_secs(net.at)), Some("second"));
}

#[test]
fn a_starved_pool_and_forged_sources_do_not_fill_the_list() {
    let mut net = Net::new();
    for i in 0..200 {
        net.fact(None, Some(Mac([2, 0, 0, 0, 0, i])), "lease", &format!("10.0.0.{i}"));
        net.fact(None, Some(mac(i)), "lease", &format!("10.0.1.{i}"));
    }
    for i in 0..=255 {
        net.start(Net::env(&format!("10.{i}.{i}.9"), "10.0.0.250", 6, 80, ""), mac(66), mac(2));
    }
    assert!(net.assets().len() < 5, "{}", net.assets().len());
}

#[test]
fn transfers_are_no_services_and_virtual_routers_no_stations() {
    let mut net = Net::new();
    net.flow(Net::env("10.0.0.5", "10.0.0.2", 6, 21, "ftp"), mac(5), mac(2));
    net.flow(Net::env("10.0.0.5", "10.0.0.2", 6, 31_000, "ftp-data"), mac(5), mac(2));
    net.arp("10.0.0.1", Mac([0, 0, 0x5e, 0, 1, 7]));
    let assets = net.assets();
    assert_eq!(assets[1].services.iter().map(|s| s.port).collect::<Vec<_>>(), [21]);
    assert_eq!((assets[0].mac, &assets[0].roles[..]), (None, &["router"][..]));
}

#[test]
fn a_line_of_json_has_the_keys_that_are_promised() {
    let mut net = Net::new();
    net.fact(Some(ip("10.0.0.7")), Some(mac(7)), "hostname", "a\"b\u{1b}");
    net.flow(Net::env("10.0.0.5", "10.0.0.7", 6, 9100, ""), mac(5), mac(7));
    let assets = net.assets();
    let mut line = Vec::new();
    write_asset_json(assets.iter().find(|a| a.mac == Some(mac(7))).unwrap(), &mut line);
    let v: serde_json::Value = serde_json::from_slice(&line).unwrap();
    for key in ["id", "mac", "vendor", "ips", "names", "class", "os", "facts", "services", "roles"] {
        assert!(v.get(key).is_some(), "{key}");
    }
    assert_eq!((v["class"].as_str(), v["names"][0].as_str()), (Some("printer"), Some("a\"b")));
    assert_eq!(v["facts"][0]["first_seen"].as_str().unwrap().len(), "2026-11-25T06:56:06.123456+0000".len());
}

#[test]
fn names_of_queries_answered_are_hearsay_and_make_no_asset() {
    let mut net = Net::new();
    net.push(
        Envelope::default(),
        &Fact {
            ip: Some(ip("10.0.0.9")),
            mac: None,
            key: "fqdn",
            value: b"files.corp",
            source: "dns",
            confidence: 50,
            hearsay: Flag(true),
        },
    );
    assert!(net.assets().is_empty());
    net.arp("10.0.0.9", mac(9));
    assert_eq!(net.assets()[0].names, ["files.corp"]);
}

proptest! {
    /// Whatever comes, what is kept stays within the caps, nothing panics, and the same events give the same bytes.
    #[test]
    fn bounded_and_deterministic(events in prop::collection::vec((0u8..6, any::<u16>(), any::<u8>(), any::<u16>()), 0..400)) {
        let run = || {
            let mut net = Net::with(|s| (s.holders_max, s.facts_bytes, s.services_max, s.uses_max) = (20, 3000, 10, 12));
            for (what, a, m, port) in &events {
                let src = format!("10.0.{}.{}", a >> 8, a & 255);
                let dst = format!("10.0.{}.{}", m & 3, m >> 4);
                match what {
                    0 => net.flow(Net::env(&src, &dst, 6, *port, "http"), mac(*m), mac(m ^ 1)),
                    1 => net.start(Net::env(&src, "198.51.100.7", 17, *port, ""), mac(*m), mac(1)),
                    2 => net.arp(&src, mac(*m)),
                    3 => net.fact(Some(ip(&src)), None, "software", &port.to_string()),
                    4 => net.fact(None, Some(mac(*m)), "lease", &src),
                    _ => net.flow(Net::env("203.0.113.5", &dst, 17, *port, ""), mac(*m), mac(3)),
                }
            }
            let assets = net.assets();
            let i = &net.inventory;
            prop_assert!(i.holders.len() <= 20 && i.stations.len() <= 20);
            let lists = i.holders.iter().map(|h| &h.facts).chain(i.stations.iter().map(|s| &s.facts));
            prop_assert!(lists.flat_map(|facts| facts.iter().map(|f| f.bytes())).sum::<u64>() <= 3000);
            let services: usize = i.holders.iter().map(|h| h.services.len()).sum();
            let uses: usize = i.holders.iter().map(|h| h.uses.len()).sum();
            prop_assert!(services <= 10 && uses <= 12);
            let ids: std::collections::BTreeSet<u64> = assets.iter().map(|a| a.id).collect();
            prop_assert_eq!(ids.len(), assets.len());
            let mut out = Vec::new();
            assets.iter().for_each(|a| write_asset_json(a, &mut out));
            Ok(out)
        };
        prop_assert_eq!(run()?, run()?);
    }
}
