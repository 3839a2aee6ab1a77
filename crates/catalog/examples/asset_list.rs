//! What keeping and listing 25,000 assets costs: `cargo run --release -p vigie-catalog --example asset_list [FILE]`.

use vigie_base::{Ip, Mac, Time};
use vigie_catalog::*;
use vigie_inventory::{Address, Asset, CLASSES, FactView, ServiceView};

const ASSETS: u64 = 25_000;

fn asset(i: u64) -> Asset {
    let b = (i as u32).to_be_bytes();
    let mac = Mac([0, 0x50, 0xf2, b[1], b[2], b[3]]);
    let (first_seen, last_seen) = (Time::from_secs(1_790_000_000 + i), Time::from_secs(1_790_100_000 + i * 37 % 90_000));
    let ip = Ip::v4([10, b[1], b[2], b[3]]);
    let name = format!("poste-{i:05}.ville.example");
    let fact = |key: &str, value: String| FactView {
        key: key.into(),
        value,
        source: "dhcp".into(),
        confidence: 80,
        first_seen,
        last_seen,
        hearsay: false,
        reason: None,
    };
    let service = |port: u16| ServiceView {
        proto: "tcp",
        port,
        app_proto: if port == 22 { "ssh" } else { "http" },
        software: None,
        flows: i,
        clients: 3,
        first_seen,
        last_seen,
    };
    Asset {
        id: i + 1,
        mac: Some(mac),
        vendor: vigie_inventory::vendor(mac),
        addresses: vec![Address { ip, first_seen, last_seen }],
        names: vec![name.clone()],
        class: CLASSES[(i % 12) as usize],
        os: [None, Some("Linux"), Some("Windows 11")][(i % 3) as usize],
        facts: (0..12).map(|n| fact("hostname", format!("{name}{n}"))).collect(),
        services: [22, 80, 443, 8080].into_iter().take((i % 5) as usize).map(service).collect(),
        uses: Vec::new(),
        roles: if i.is_multiple_of(10) { vec!["dns", "web"] } else { Vec::new() },
        peers: i % 300,
        local_mac: false,
        first_seen,
        last_seen,
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let start = cpu_ms();
    let out = work()?;
    println!("{:>9.1} ms  {what}", cpu_ms() - start);
    Ok(out)
}

/// Milliseconds that this thread has run: a busy machine does not count.
fn cpu_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e6
}

fn main() -> Result<(), Error> {
    let catalog = match std::env::args().nth(1) {
        Some(file) => Catalog::open(file.as_ref())?,
        None => Catalog::in_memory()?,
    };
    catalog.create_dataset("site", Kind::Live, 0, Time(0))?;
    let mut assets: Vec<Asset> = (0..ASSETS).map(asset).collect();
    let keep = |assets: &[Asset]| catalog.keep("site", &Kept { assets, ..Kept::default() }, Time(0));
    timed("keep 25,000 new assets", || keep(&assets))?;
    timed("keep the same again", || keep(&assets))?;
    assets.iter_mut().for_each(|a| a.last_seen = a.last_seen.plus(1_000_000_000));
    timed("keep all of them changed", || keep(&assets))?;
    let base = AssetFilter { dataset: Some("site".into()), limit: 100, ..AssetFilter::default() };
    for (sort, name) in [
        (AssetSort::LastSeen, "last seen"),
        (AssetSort::FirstSeen, "first seen"),
        (AssetSort::Name, "name"),
        (AssetSort::Ip, "address"),
        (AssetSort::Class, "class"),
        (AssetSort::Vendor, "vendor"),
        (AssetSort::Os, "system"),
        (AssetSort::Peers, "peers"),
    ] {
        let f = AssetFilter { sort, descending: true, ..base.clone() };
        let page = timed(&format!("a page of 100 by {name}"), || catalog.assets(&f))?;
        timed(&format!("the next page by {name}"), || catalog.assets(&AssetFilter { cursor: page.next, ..f.clone() }))?;
        timed(&format!("a page of all datasets by {name}"), || catalog.assets(&AssetFilter { dataset: None, ..f.clone() }))?;
    }
    let text = |t: &str| AssetFilter { text: Some(t.into()), ..base.clone() };
    timed("a page of a text that few have", || catalog.assets(&text("poste-24999")))?;
    timed("a page of a text that all have", || catalog.assets(&text("ville")))?;
    timed("a page by role", || catalog.assets(&AssetFilter { roles: vec!["dns".into()], ..base.clone() }))?;
    timed("a page by service", || catalog.assets(&AssetFilter { services: vec!["ssh".into()], ..base.clone() }))?;
    timed("a page of a network", || catalog.assets(&AssetFilter { net: "10.0.1.0/24".parse().ok(), ..base.clone() }))?;
    timed("a page of 1,000", || catalog.assets(&AssetFilter { limit: 1000, ..base.clone() }))?;
    timed("facets", || catalog.asset_facets(&base))?;
    timed("facets of a text", || catalog.asset_facets(&text("poste-1")))?;
    timed("one asset", || catalog.asset(77, Some("site")))?;
    timed("news", || catalog.news(&NewsFilter { limit: 100, ..NewsFilter::default() }))?;
    timed("declared and seen", || catalog.compare_declared("site"))?;
    println!("{:>9.1} MB  file", catalog.bytes()? as f64 / 1e6);
    timed("remove the dataset", || catalog.remove_dataset("site"))
}
