//! What is on the network: every device inside HOME_NET with its addresses, names, system, class, services, and how that is known.
//!
//! The inventory reads rows of events in their order and keeps bounded state. It opens no case: facts are told, not judged.
//!
//! An address held by one Ethernet address is a *holder*: what is seen of the address is kept there, so that an address that
//! passes from one machine to another does not mix them. An Ethernet address is a *station*. What is one device is decided only
//! when it is asked for ([`Inventory::assets`]): all holders of a station are one device, unless the station is a router, behind
//! which each address is a device of its own, known by the address alone.
//!
//! ```
//! use vigie_inventory::{Inventory, Settings};
//! let inventory = Inventory::new(Settings::new("[10.0.0.0/8]".parse().unwrap()));
//! assert!(inventory.assets().is_empty());
//! ```

mod asset;
mod conclude;
mod facts;
mod hints;
mod observe;
mod sketch;
mod station;
#[cfg(test)]
mod tests;
mod vendor;

pub use asset::{Address, Asset, FactView, ServiceView, UseView, write_asset_json};
pub use hints::{CLASSES, french};
pub use observe::{Counters, Inventory, Settings};
pub use station::{ADDRESSES_MAX, SERVICES_MAX, USES_MAX};
pub use vendor::vendor;
