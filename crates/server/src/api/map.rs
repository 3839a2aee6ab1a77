//! Who talks to whom at all: groups, and what goes between them.

use crate::api::rows::Scope;
use crate::app::App;
use crate::error::{Answer, Refusal};
use crate::person::Viewer;
use crate::settings::InForce;
use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_base::{Cidr, Ip};
use vigie_tally::{Between, Naming};

/// Groups that are told apart; the rest are one.
const GROUPS_MAX: usize = 40;
/// The group of whoever is not the site's own.
const INTERNET: &str = "internet";
/// Protocols told of a cell.
const PROTOCOLS_TOLD: usize = 4;

/// Groups and what goes between them.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrafficMap {
    groups: Vec<MapGroup>,
    cells: Vec<Cell>,
    /// Whether pairs of networks were left out because there are too many.
    partial: bool,
}

/// Addresses seen as one.
#[derive(Serialize, ToSchema)]
struct MapGroup {
    /// A network, a named group, `internet`, or `others`.
    id: String,
    label: String,
    /// Whether it is part of HOME_NET.
    inside: bool,
    /// Machines seen in it, by address.
    assets: u64,
}

/// What goes from one group to another.
#[derive(Serialize, ToSchema)]
struct Cell {
    from: String,
    to: String,
    flows: u64,
    bytes: u64,
    /// The protocols that move most, the first first; empty for flows of none: probes, calls without an answer, ICMP, what is unknown.
    top_protocols: Vec<String>,
    /// The query whose events it counts; none where the query language cannot say it.
    q: Option<String>,
}

/// What of the traffic.
#[derive(Deserialize, IntoParams)]
pub(crate) struct Only {
    /// Only this protocol.
    app_proto: Option<String>,
    /// `network` (default), or `group`: named groups of networks, and networks where an address is in none.
    by: Option<String>,
}

#[derive(Default)]
struct Sum {
    flows: u64,
    bytes: u64,
    protocols: BTreeMap<String, u64>,
}

/// The network of an address: /24, or /64.
fn network(ip: Ip) -> String {
    match ip.to_v4() {
        Some([a, b, c, _]) => format!("{a}.{b}.{c}.0/24"),
        None => {
            let mut bytes = ip.0;
            bytes[8..].fill(0);
            format!("{}/64", Ip(bytes))
        }
    }
}

/// Which group an address is in: a named one where that is asked for, its network where it is the site's own or of no host, else the
/// Internet.
fn naming(in_force: &Arc<InForce>, by_group: bool) -> Naming {
    let mut name = format!("network {}", in_force.home_net.text());
    for group in in_force.groups.iter().filter(|_| by_group) {
        name.push_str(&format!(" {:?} {}", group.name, group.set.text()));
    }
    let in_force = Arc::clone(in_force);
    let of = move |ip: Ip| {
        let named = if by_group { in_force.group_of(ip) } else { None };
        if let Some(group) = named {
            group.name.clone()
        } else if ip.is_unspecified() {
            format!("{ip}/{}", if ip.is_v4() { 32 } else { 128 })
        } else if in_force.home_net.contains(ip) || ip.is_multicast_or_broadcast() || ip.is_link_local() || ip.is_loopback() {
            network(ip)
        } else {
            INTERNET.to_owned()
        }
    };
    Naming { name, of: Arc::new(of) }
}

/// Whether a group is part of HOME_NET.
fn is_inside(in_force: &InForce, id: &str) -> bool {
    let named = in_force.groups.iter().find(|g| g.name == id);
    let net: Option<Cidr> = id.parse().ok();
    match named {
        Some(group) => group.networks.iter().filter_map(|n| n.parse::<Cidr>().ok()).any(|n| in_force.home_net.contains(n.first())),
        None => net.is_some_and(|n| in_force.home_net.contains(n.first()) || in_force.home_net.contains(n.last())),
    }
}

/// The flows between two groups as a query, where it can be said.
fn query(from: &str, to: &str) -> Option<String> {
    let value = |id: &str| match id {
        INTERNET | "others" => None,
        network if network.contains('/') => Some(network.to_owned()),
        name => Some(format!("\"{name}\"")),
    };
    Some(format!("event_type:flow src_ip:{} dest_ip:{}", value(from)?, value(to)?))
}

/// Who talks to whom at all, by network or by named group
#[utoipa::path(get, path = "/map", tag = "events", extensions(("x-role" = json!("viewer"))), params(Scope, Only), responses((status = 200, body = TrafficMap)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _may: Viewer,
    Query(scope): Query<Scope>,
    Query(only): Query<Only>,
) -> Answer<Json<TrafficMap>> {
    let within = scope.read(&app)?;
    let by_group = match only.by.as_deref() {
        None | Some("network") => false,
        Some("group") => true,
        Some(_) => return Err(Refusal::parameter("by", "by is network or group")),
    };
    let in_force = app.home.in_force();
    let naming = naming(&in_force, by_group);
    let make = || Between::new(naming.clone(), only.app_proto.clone());
    let found = app.home.store.fold(&within.query(), "flow", &Between::COLUMNS, make).await?;
    let mut members: BTreeMap<String, (bool, u64, u64)> = BTreeMap::new();
    for (id, ips) in found.members() {
        members.insert(id.clone(), (is_inside(&in_force, &id), ips, 0));
    }
    let mut pairs: BTreeMap<(String, String), Sum> = BTreeMap::new();
    for ((from, to, app_proto), pair) in found.each() {
        for id in [from, to] {
            if let Some(m) = members.get_mut(id) {
                m.2 = m.2.saturating_add(pair.bytes);
            }
        }
        let sum = pairs.entry((from.to_owned(), to.to_owned())).or_default();
        (sum.flows, sum.bytes) = (sum.flows + pair.flows, sum.bytes.saturating_add(pair.bytes));
        *sum.protocols.entry(app_proto.to_owned()).or_default() += pair.bytes;
    }
    // The rest is folded into one group, so that a person can read it.
    let mut order: Vec<_> = members.iter().map(|(id, m)| (std::cmp::Reverse(m.2), id.clone())).collect();
    order.sort();
    let kept: BTreeSet<String> = order.into_iter().take(GROUPS_MAX).map(|(_, id)| id).collect();
    let name = |id: &str| if kept.contains(id) { id.to_owned() } else { "others".to_owned() };
    let mut groups: BTreeMap<String, MapGroup> = BTreeMap::new();
    for (id, (inside, ips, _)) in members {
        let id = name(&id);
        let group = groups.entry(id.clone()).or_insert_with(|| MapGroup { label: id.clone(), id, inside, assets: 0 });
        group.assets += ips;
    }
    let mut cells: BTreeMap<(String, String), Sum> = BTreeMap::new();
    for ((from, to), sum) in pairs {
        let cell = cells.entry((name(&from), name(&to))).or_default();
        (cell.flows, cell.bytes) = (cell.flows + sum.flows, cell.bytes + sum.bytes);
        for (p, bytes) in sum.protocols {
            *cell.protocols.entry(p).or_default() += bytes;
        }
    }
    let cells = cells.into_iter().map(|((from, to), sum)| {
        let mut protocols: Vec<_> = sum.protocols.into_iter().collect();
        protocols.sort_by_key(|(p, bytes)| (std::cmp::Reverse(*bytes), p.clone()));
        let top_protocols = protocols.into_iter().take(PROTOCOLS_TOLD).map(|(p, _)| p).collect();
        Cell { q: query(&from, &to), from, to, flows: sum.flows, bytes: sum.bytes, top_protocols }
    });
    let cells = cells.collect();
    Ok(Json(TrafficMap { groups: groups.into_values().collect(), cells, partial: found.partial }))
}
