//! Tests of the whole.

use crate::*;
use serde_json::json;
use vigie_base::time::SECOND;
use vigie_base::{Ip, Mac, Time};
use vigie_case::{Alert, Case, TellCase};
use vigie_detect::{Entity, Finding, Lang, Phase, Reason, Role, Story, Value};
use vigie_event::Envelope;
use vigie_inventory::{Address, Asset, FactView, ServiceView, UseView};

const DAY: u64 = 86_400;
/// Markup, SQL, quotes, an end of text, a change of direction.
const HOSTILE: &str = "<script>alert(1)</script>%_\"'; DROP TABLE cases;-- \u{0}\u{202e}é";

fn t(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn ip(text: &str) -> Ip {
    text.parse().unwrap()
}

fn catalog() -> Catalog {
    let c = Catalog::in_memory().unwrap();
    c.create_dataset("replay", Kind::Replay, 0, t(0)).unwrap();
    c
}

/// A brute force of `attacker` on 10.0.0.2.
fn alert(attacker: &str, at: u64, count: u64) -> Alert {
    let a = ip(attacker);
    let key = at ^ u64::from(a.0[15]) << 40;
    Alert {
        id: format!("{key:016x}"),
        finding: Finding {
            detector: "brute_force",
            key,
            phase: Phase::Open,
            template: "pair",
            params: vec![
                ("attacker", Value::Ip(a)),
                ("victim", Value::Ip(ip("10.0.0.2"))),
                ("protocol", Value::Text("FTP".into())),
                ("port", Value::Port(21)),
                ("tries", Value::Count(count)),
                ("duration", Value::Duration(60 * SECOND)),
            ],
            entities: vec![Entity::ip(Role::Attacker, a), Entity::ip(Role::Victim, ip("10.0.0.2"))],
            reasons: vec![Reason { key: "brute_force.failures", points: 30 }],
            count,
            evidence: vec![7, 8],
            first: t(at),
            last: t(at + count),
            opens_case: true,
            env: Envelope { proto: 6, ..Envelope::default() },
        },
    }
}

fn case(alerts: Vec<Alert>) -> Case {
    let (first, last) = (alerts[0].finding.first, alerts.iter().map(|a| a.finding.last).max().unwrap());
    Case { id: format!("c{:015x}", alerts[0].finding.key), story: Story::Intrusion, alerts, more: 0, first, last }
}

fn asset(id: u64, mac: Option<[u8; 6]>, addresses: &[(&str, u64, u64)], name: Option<&str>) -> Asset {
    let (first, last) = (addresses.iter().map(|a| a.1).min().unwrap(), addresses.iter().map(|a| a.2).max().unwrap());
    let (first_seen, last_seen) = (t(first), t(last));
    let fact = |value: &str| FactView {
        key: "hostname".into(),
        value: value.into(),
        source: "dhcp".into(),
        confidence: 90,
        first_seen,
        last_seen,
        hearsay: false,
        reason: None,
    };
    Asset {
        id,
        mac: mac.map(Mac),
        vendor: mac.and_then(|m| vigie_inventory::vendor(Mac(m))),
        addresses: addresses.iter().map(|a| Address { ip: ip(a.0), first_seen: t(a.1), last_seen: t(a.2) }).collect(),
        names: name.into_iter().map(str::to_owned).collect(),
        class: "server",
        os: Some("Linux"),
        facts: name.into_iter().map(fact).collect(),
        services: vec![ServiceView {
            proto: "tcp",
            port: 22,
            app_proto: "ssh",
            software: Some("OpenSSH".into()),
            flows: 10,
            clients: 2,
            first_seen,
            last_seen,
        }],
        uses: vec![UseView { proto: "udp", port: 53, app_proto: "dns", flows: 5, first_seen, last_seen }],
        roles: vec!["ssh"],
        peers: 3,
        local_mac: false,
        first_seen,
        last_seen,
    }
}

fn keep(c: &Catalog, cases: &[Case], assets: &[Asset], now: u64) -> Changes {
    c.keep("replay", &Kept { cases, assets, ..Kept::default() }, t(now)).unwrap()
}

#[test]
fn what_is_kept_is_listed() {
    let c = catalog();
    let cases = [case(vec![alert("10.0.0.9", 1000, 40)])];
    let assets = [asset(5, Some([0, 0, 0, 1, 2, 3]), &[("10.0.0.9", 900, 2000)], Some("pc9"))];
    let changes = keep(&c, &cases, &assets, 5000);
    assert_eq!((changes.new_cases.len(), changes.new_assets.as_slice()), (1, [5].as_slice()));
    let page = c.cases(&CaseFilter { limit: 10, text: Some("brute ftp 10.0.0.9".into()), ..CaseFilter::default() }).unwrap();
    assert_eq!((page.rows.len(), page.total, page.next), (1, 1, None));
    let told = TellCase::of(page.rows[0].case.as_ref().unwrap(), Lang::En);
    assert_eq!(told.title, "Brute force on FTP: 10.0.0.9 against 10.0.0.2");
    let page = c.assets(&AssetFilter { limit: 10, text: Some("PC9".into()), ..AssetFilter::default() }).unwrap();
    assert_eq!((page.rows.len(), page.rows[0].open_cases, page.rows[0].vendor.as_deref()), (1, 1, Some("Xerox")));
    let view = c.asset(5, None).unwrap().unwrap();
    assert_eq!((view.cases.len(), view.known.unwrap().services[0].flows()), (1, 10));
    assert_eq!(c.asset_facets(&AssetFilter::default()).unwrap().role, [("ssh".to_owned(), 1)]);
    assert_eq!(keep(&c, &cases, &assets, 6000), Changes::default(), "the same again changes nothing");
    assert_eq!(c.open_cases("replay").unwrap()[0].to_json(), cases[0].to_json());
    assert_eq!(c.case_counts(None).unwrap().states, [1, 0, 0, 0]);
    assert!(c.news(&NewsFilter { limit: 10, ..NewsFilter::default() }).unwrap().rows.is_empty());
    c.audit("jo", "case.close", "x", &json!({}), t(1)).unwrap();
    assert_eq!(c.audit_trail(&AuditFilter { action: Some("case".into()), ..AuditFilter::default() }).unwrap().total, 1);
    assert_eq!(c.exclusions(true).unwrap(), []);
    c.add_exclusion(&Scope { net: Some("10.0.0.9".parse().unwrap()), ..Scope::default() }, "jo", "backup", None, t(6000)).unwrap();
    assert_eq!(c.cases(&CaseFilter::default()).unwrap().total, 0);
    c.remove_dataset("replay").unwrap();
    assert_eq!(c.datasets().unwrap(), []);
}

mod assets;
mod cases;
mod file;
mod output;
mod people;
