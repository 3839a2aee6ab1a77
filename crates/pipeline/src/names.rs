//! The inventory as the directory that cases ask for names.

use std::collections::{BTreeMap, BTreeSet};
use vigie_base::{Ip, Mac};
use vigie_case::{Cases, Directory};
use vigie_inventory::Inventory;

/// Names and Ethernet addresses of the assets that cases name, as they stand at the end.
pub(crate) struct Names {
    by_ip: BTreeMap<Ip, (Option<String>, Option<Mac>)>,
    by_mac: BTreeMap<Mac, Option<String>>,
}

impl Names {
    pub(crate) fn of(inventory: &Inventory, cases: &Cases) -> Self {
        let mut names = Names { by_ip: BTreeMap::new(), by_mac: BTreeMap::new() };
        let named: Vec<_> = cases.iter().flat_map(|c| c.entities()).collect();
        let ips: BTreeSet<Ip> = named.iter().filter_map(|e| e.ip).collect();
        let macs: BTreeSet<Mac> = named.iter().filter_map(|e| e.mac).collect();
        inventory.each_asset(|asset| {
            if !asset.mac.is_some_and(|m| macs.contains(&m)) && !asset.addresses.iter().any(|a| ips.contains(&a.ip)) {
                return;
            }
            let name = asset.names.first().cloned();
            if let Some(mac) = asset.mac {
                names.by_mac.insert(mac, name.clone());
            }
            for a in asset.addresses.iter().filter(|a| ips.contains(&a.ip)) {
                names.by_ip.insert(a.ip, (name.clone(), asset.mac));
            }
        });
        names
    }
}

impl Directory for Names {
    fn name(&self, ip: Option<Ip>, mac: Option<Mac>) -> Option<String> {
        let by_mac = mac.and_then(|m| self.by_mac.get(&m)).cloned().flatten();
        by_mac.or_else(|| ip.and_then(|i| self.by_ip.get(&i)).and_then(|n| n.0.clone()))
    }

    fn mac(&self, ip: Ip) -> Option<Mac> {
        self.by_ip.get(&ip).and_then(|n| n.1)
    }
}
