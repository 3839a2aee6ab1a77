//! The council's network: buildings, what stands in them, the servers, and the sites of the internet that people visit.
//!
//! Offices are 10.100.0.0/13 and above, a /21 and a VLAN each; servers 10.99.0.0/16; what the internet sees 10.98.0.0/24. Addresses outside are of
//! 198.18.0.0/15 (RFC 2544), names of `.example` (RFC 2606): nobody's. 10.20.0.0/16 is the office of the lab's recordings.

use crate::rng::{Rng, mix};
use vigie_base::{Ip, Mac};

/// Assets that the shares below are counted for; a smaller council has as many fewer buildings.
const COUNCIL: u64 = 25_000;
/// Buildings of such a council.
const BUILDINGS: u64 = 300;
/// Sites of the internet.
const SITES: usize = 4000;

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A desktop or laptop with Windows.
    Pc,
    /// One of Apple's.
    Mac,
    /// A desk telephone.
    Phone,
    /// A phone or tablet on the wireless network.
    Mobile,
    /// A printer.
    Printer,
    /// A camera.
    Camera,
    /// A meter, a door, a thermostat, a display.
    Thing,
    /// An access point.
    AccessPoint,
    /// A server.
    Server(Role),
}

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Directory, names, time.
    Domain,
    /// Files.
    Files,
    /// Web applications for the staff.
    Web,
    /// Databases behind them.
    Database,
    /// Mail.
    Mail,
    /// Monitoring.
    Monitor,
    /// Backups.
    Backup,
    /// Telephony.
    Voice,
    /// Recordings of cameras.
    Video,
    /// Management of access points and things.
    Control,
    /// Updates for the staff's computers.
    Updates,
    /// What the internet sees.
    Public,
}

/// How many servers of each role a council of [`COUNCIL`] has; at least one of each.
const SERVERS: [(Role, u64, &str); 12] = [
    (Role::Domain, 8, "dc"),
    (Role::Files, 40, "fichiers"),
    (Role::Web, 90, "appli"),
    (Role::Database, 80, "bd"),
    (Role::Mail, 4, "courrier"),
    (Role::Monitor, 2, "supervision"),
    (Role::Backup, 4, "sauvegarde"),
    (Role::Voice, 4, "telephonie"),
    (Role::Video, 20, "video"),
    (Role::Control, 6, "gestion"),
    (Role::Updates, 4, "maj"),
    (Role::Public, 12, "www"),
];

/// Of a thousand devices that are no servers: how many are what, with what vendors.
const SHARES: [(Class, u64, &[[u8; 3]], &str); 8] = [
    (Class::Pc, 430, &[[0x3c, 0xd9, 0x2b], [0x00, 0x14, 0x22], [0x54, 0xee, 0x75], [0x00, 0x21, 0x6a]], "pc"),
    (Class::Mac, 30, &[[0x00, 0x1e, 0xc2], [0x28, 0xcf, 0xe9]], "mac"),
    (Class::Phone, 220, &[[0x00, 0x15, 0x65], [0x00, 0x04, 0xf2]], "tel"),
    (Class::Mobile, 120, &[[0x28, 0xcf, 0xe9], [0x00, 0x16, 0x6c]], "mobile"),
    (Class::Printer, 45, &[[0x00, 0x80, 0x77], [0x00, 0x20, 0x00], [0x00, 0xc0, 0xee]], "imp"),
    (Class::Camera, 65, &[[0x00, 0x40, 0x8c], [0xc0, 0x56, 0xe3]], "cam"),
    (Class::Thing, 60, &[[0xb8, 0x27, 0xeb], [0x00, 0x80, 0xf4], [0x00, 0x0e, 0x8c]], "obj"),
    (Class::AccessPoint, 30, &[[0x00, 0x0b, 0x86], [0x00, 0x1b, 0x54]], "ap"),
];

/// A device.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its address.
    pub ip: Ip,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its VLAN.
    pub vlan: u16,
    /// Its building's place.
    pub building: u16,
    /// What it is.
    pub class: Class,
    /// Its name's place.
    pub name: u32,
}

/// A building, or the servers' room.
#[derive(Clone, Copy, Debug)]
pub struct Building {
    /// Its router.
    pub router: Ip,
    /// The router's Ethernet address.
    pub router_mac: Mac,
}

/// A site of the internet.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// Its name's place.
    pub name: u32,
    /// Its first address; it has [`Site::addresses`].
    pub ip: u32,
    /// How many addresses.
    pub addresses: u8,
    /// Whether it still speaks TLS 1.2, where its certificate can be seen.
    pub old: bool,
}

/// All of it.
#[derive(Debug)]
pub struct World {
    /// What the chance of everything comes from.
    pub seed: u64,
    /// Devices: those in buildings, then the servers.
    pub assets: Vec<Asset>,
    /// Buildings; the last is the servers' room.
    pub buildings: Vec<Building>,
    /// Sites.
    pub sites: Vec<Site>,
    /// Names of devices and sites.
    pub names: Vec<String>,
    /// Places of the devices of each class, in the order of [`SHARES`].
    pub of_class: [Vec<u32>; SHARES.len()],
    /// Places of the servers of each role, in the order of [`SERVERS`].
    of_role: [Vec<u32>; SERVERS.len()],
    /// For each building, its printers.
    pub printers: Vec<Vec<u32>>,
}

/// The staff's domain.
pub const DOMAIN: &str = "ville.example";

const STARTS: [&str; 16] = ["al", "bor", "cal", "dan", "el", "fir", "gran", "hel", "jor", "lum", "mar", "nor", "or", "pal", "riv", "sol"];
const MIDDLES: [&str; 12] = ["a", "e", "i", "o", "amo", "ene", "ico", "ura", "eli", "onda", "esta", "ivo"];
const ENDS: [&str; 14] =
    ["ria", "net", "dis", "lan", "vox", "media", "banque", "presse", "mode", "voyage", "cloud", "data", "meteo", "sante"];

impl World {
    /// A council of about so many devices.
    pub fn new(assets: u64, seed: u64) -> World {
        let mut rng = Rng::new(mix(seed));
        let mut w = World {
            seed,
            assets: Vec::new(),
            buildings: Vec::new(),
            sites: Vec::new(),
            names: Vec::new(),
            of_class: Default::default(),
            of_role: Default::default(),
            printers: Vec::new(),
        };
        let servers: Vec<u64> = SERVERS.iter().map(|(_, n, _)| (n * assets / COUNCIL).max(1)).collect();
        let devices = assets.saturating_sub(servers.iter().sum()).max(20);
        let buildings = (BUILDINGS * assets / COUNCIL).clamp(1, 500);
        // A few large buildings, many small ones.
        let weights: Vec<f64> = (1..=buildings).map(|n| 1.0 / (n as f64).powf(0.6)).collect();
        let all: f64 = weights.iter().sum();
        for (b, weight) in weights.iter().enumerate() {
            // A /21 has 2046 places; the shares below leave some.
            let n = ((devices as f64 * weight / all).round() as u64).clamp(4, 1800);
            w.building(b as u16, n, &mut rng);
        }
        w.servers(buildings as u16, &servers);
        w.internet(&mut rng);
        w
    }

    fn building(&mut self, b: u16, devices: u64, rng: &mut Rng) {
        let base = 0x0a64_0000 + u32::from(b) * 0x800;
        let vlan = 100 + b;
        let router_mac = Mac([0x00, 0x1b, 0x54, 0x10, (b >> 8) as u8, b as u8]);
        self.buildings.push(Building { router: v4(base + 1), router_mac });
        self.printers.push(Vec::new());
        for n in 0..devices {
            let mut at = rng.below(1000);
            let mut class = 0;
            while at >= SHARES[class].1 {
                at -= SHARES[class].1;
                class += 1;
            }
            let (what, _, vendors, word) = SHARES[class];
            let place = self.assets.len() as u32;
            let vendor = *rng.pick(vendors);
            let low = mix(self.seed ^ u64::from(place));
            let asset = Asset {
                ip: v4(base + 10 + n as u32),
                mac: Mac([vendor[0], vendor[1], vendor[2], low as u8, (low >> 8) as u8, (low >> 16) as u8]),
                vlan,
                building: b,
                class: what,
                name: self.names.len() as u32,
            };
            self.names.push(format!("{word}-{b:03}-{n:04}"));
            self.of_class[class].push(place);
            if what == Class::Printer {
                self.printers[usize::from(b)].push(place);
            }
            self.assets.push(asset);
        }
    }

    fn servers(&mut self, b: u16, counts: &[u64]) {
        let router_mac = Mac([0x00, 0x1b, 0x54, 0x20, 0, 1]);
        self.buildings.push(Building { router: v4(0x0a63_0001), router_mac });
        self.printers.push(Vec::new());
        for (r, ((role, _, word), n)) in SERVERS.iter().zip(counts).enumerate() {
            for i in 0..*n {
                let place = self.assets.len() as u32;
                let low = mix(self.seed ^ u64::from(place));
                let ip = if *role == Role::Public { 0x0a62_000a + i as u32 } else { 0x0a63_0000 + ((r as u32 + 1) << 8) + 10 + i as u32 };
                self.names.push(format!("{word}{:02}.{DOMAIN}", i + 1));
                self.of_role[r].push(place);
                self.assets.push(Asset {
                    ip: v4(ip),
                    mac: Mac([0x00, 0x50, 0x56, low as u8, (low >> 8) as u8, (low >> 16) as u8]),
                    vlan: 99,
                    building: b,
                    class: Class::Server(*role),
                    name: self.names.len() as u32 - 1,
                });
            }
        }
    }

    fn internet(&mut self, rng: &mut Rng) {
        let mut ip = 0xc612_0010;
        while self.sites.len() < SITES {
            let n = self.sites.len();
            let word = format!("{}{}{}", rng.pick(&STARTS), rng.pick(&MIDDLES), rng.pick(&ENDS));
            let domain = format!("{word}{}.example", if n < 300 { String::new() } else { format!("-{}", n / 40) });
            let old = rng.chance(0.15);
            for part in ["www", "static", "api"].iter().take(1 + rng.below(3) as usize) {
                let addresses = 1 + rng.below(4) as u8;
                self.sites.push(Site { name: self.names.len() as u32, ip, addresses, old });
                self.names.push(format!("{part}.{domain}"));
                ip += u32::from(addresses) + rng.below(20) as u32;
            }
        }
    }

    /// The servers of a role.
    pub fn role(&self, role: Role) -> &[u32] {
        SERVERS.iter().position(|(r, _, _)| *r == role).map_or(&[], |at| &self.of_role[at])
    }

    /// The devices of a class; servers are in none.
    pub fn class(&self, class: Class) -> &[u32] {
        SHARES.iter().position(|(c, _, _, _)| *c == class).map_or(&[], |at| &self.of_class[at])
    }

    /// One server of a role, always the same for the same `who`.
    pub fn server_of(&self, role: Role, who: u64) -> u32 {
        let all = self.role(role);
        all[(mix(self.seed ^ who ^ role as u64) % all.len() as u64) as usize]
    }

    /// A device.
    pub fn asset(&self, at: u32) -> &Asset {
        &self.assets[at as usize]
    }

    /// A name.
    pub fn name(&self, at: u32) -> &str {
        &self.names[at as usize]
    }
}

/// An IPv4 address from its number.
pub const fn v4(n: u32) -> Ip {
    Ip::v4(n.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_council_has_as_many_devices_as_asked_for_and_each_its_own_address() {
        let w = World::new(25_000, 1);
        assert!((24_000..26_000).contains(&w.assets.len()), "{}", w.assets.len());
        assert_eq!(w.buildings.len(), 301);
        let ips: BTreeSet<Ip> = w.assets.iter().map(|a| a.ip).collect();
        let macs: BTreeSet<Mac> = w.assets.iter().map(|a| a.mac).collect();
        assert_eq!((ips.len(), macs.len() + 100 > w.assets.len()), (w.assets.len(), true));
        assert!(SERVERS.iter().all(|(r, _, _)| !w.role(*r).is_empty()));
        let small = World::new(100, 1);
        assert!((80..160).contains(&small.assets.len()), "{}", small.assets.len());
    }
}
