//! What is told of the machines in real captures.

use std::path::Path;
use vigie_base::Time;
use vigie_capture::Capture;
use vigie_event::Row;
use vigie_inventory::{Asset, Inventory, Settings};
use vigie_sensor::{Control, Fold};

struct Only(Inventory);

impl Fold for Only {
    fn row(&mut self, row: Row<'_>) {
        self.0.row(row);
    }
    fn upto(&mut self, now: Time) {
        self.0.upto(now);
    }
}

/// The assets of a capture; `None`, with a line said, where it is not there.
fn assets(file: &str) -> Option<Vec<Asset>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    if !path.exists() {
        println!("skipped: {file} is not here");
        return None;
    }
    let mut capture = Capture::open(&[path], vigie_capture::Options::default());
    let home = "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12,fe80::/10,fc00::/7]".parse().unwrap();
    let mut fold = Only(Inventory::new(Settings::new(home)));
    vigie_sensor::run(&mut capture, &vigie_sensor::Settings::default(), &mut fold, |_| Control::Go);
    Some(fold.0.assets())
}

fn of<'a>(assets: &'a [Asset], ip: &str) -> &'a Asset {
    assets.iter().find(|a| a.addresses.iter().any(|a| a.ip.to_string() == ip)).unwrap()
}

#[test]
fn a_quiet_office_of_our_own() {
    let Some(found) = assets("testdata/quiet_office.pcap") else { return };
    let told = |ip: &str| {
        let a = of(&found, ip);
        (a.vendor, a.class, a.os)
    };
    assert_eq!(told("10.20.2.11"), (Some("Hewlett Packard"), "workstation", Some("Windows 10/11")));
    assert_eq!(told("10.20.2.50").1, "printer");
    assert_eq!(told("10.20.1.25").1, "server");
    assert_eq!(told("10.20.0.1"), (Some("Cisco Systems"), "network", None));
    assert!(["dhcp_server", "dns_server", "ntp_server", "router"].iter().all(|r| of(&found, "10.20.0.1").roles.contains(r)));
    assert!(of(&found, "10.20.1.10").names.iter().any(|n| n == "files.bureau.example"));
    assert!(found.iter().all(|a| a.addresses.iter().all(|a| !a.ip.to_string().starts_with("203."))), "who is outside is no asset");
}

#[test]
fn phones_controllers_and_printers_of_others() {
    for (file, ip, class, os) in [
        ("office/android.pcap", "192.168.2.16", "mobile", Some("Android")),
        ("office/var-services-std-ports.pcap", "172.16.238.131", "server", Some("Linux (Debian)")),
        ("printers/ipp.pcap", "10.10.10.251", "printer", None),
        ("ics/s7comm-plus.pcap", "192.168.0.1", "industrial", None),
        ("iot/tuya-lp.pcap", "192.168.242.179", "iot", None),
        ("eastwest_ad/dcerpc-ctxids.pcap", "192.168.56.101", "server", Some("Windows Server")),
    ] {
        let Some(found) = assets(&format!("../shared/data/captures/{file}")) else { continue };
        let a = of(&found, ip);
        assert_eq!((a.class, a.os), (class, os), "{file} {ip}");
        assert!(a.facts.iter().any(|f| f.key == "class" && f.value == class && f.reason.is_some()), "{file}: says why");
    }
}
