//! The inventory as the directory that cases ask for names.

use std::collections::BTreeMap;
use vigie_base::{Ip, Mac};
use vigie_case::Directory;
use vigie_inventory::Inventory;

/// Names and Ethernet addresses of assets, as they stand at the end.
pub(crate) struct Names {
    by_ip: BTreeMap<Ip, (Option<String>, Option<Mac>)>,
    by_mac: BTreeMap<Mac, Option<String>>,
}

impl Names {
    pub(crate) fn of(inventory: &Inventory) -> Self {
        let mut names = Names { by_ip: BTreeMap::new(), by_mac: BTreeMap::new() };
        for asset in inventory.assets() {
            let name = asset.names.first().cloned();
            if let Some(mac) = asset.mac {
                names.by_mac.insert(mac, name.clone());
            }
            for a in &asset.addresses {
                names.by_ip.insert(a.ip, (name.clone(), asset.mac));
            }
        }
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
