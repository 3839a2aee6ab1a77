//! What is on the network.

use crate::api::cases::{self, CaseRow};
use crate::api::rows::{Scope, Within};
use crate::api::{attachment, instant, limit, parted, time_text};
use crate::app::{App, language};
use crate::error::{Answer, Refusal};
use crate::person::{Analyst, Viewer};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_base::{Ip, Time};
use vigie_catalog::{AssetFilter, AssetSort, Catalog, Error, KnownPort, NewsFilter};
use vigie_tally::{Pairs, Sum};

/// Assets of a page at most.
const PAGE_MAX: usize = 1000;
/// Peers in a picture at most; the rest are folded.
const PEERS_MAX: usize = 39;
/// News of one asset told.
const NEWS_TOLD: u32 = 100;

/// An asset in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct AssetRow {
    /// Fourteen hexadecimal digits.
    id: String,
    dataset: String,
    /// Its best name, else its Ethernet address, else an address.
    name: String,
    /// The address that it had last.
    ip: Option<String>,
    /// In a list the last one; in a report all.
    ips: Vec<String>,
    names: Vec<String>,
    mac: Option<String>,
    vendor: Option<String>,
    class: String,
    os: Option<String>,
    roles: Vec<String>,
    services: u64,
    peers: u64,
    open_cases: u64,
    first_seen: String,
    last_seen: String,
    /// Whether it came to a network that was known.
    new: bool,
    /// Whether it was seen for as long as makes it known.
    learnt: bool,
    declared: Option<Declared>,
}

/// What a person says of a device.
#[derive(Serialize, ToSchema)]
struct Declared {
    name: String,
    class: String,
    owner: String,
    place: String,
    criticality: String,
}

/// A value and how many have it.
#[derive(Serialize, ToSchema)]
struct FacetCount {
    value: String,
    count: u64,
}

/// A page of assets.
#[derive(Serialize, ToSchema)]
pub(crate) struct AssetPage {
    items: Vec<AssetRow>,
    next: Option<String>,
    total: u64,
    facets: Facets,
}

/// How many have each value, each facet without its own choice.
#[derive(Serialize, ToSchema)]
struct Facets {
    class: Vec<FacetCount>,
    vendor: Vec<FacetCount>,
    os: Vec<FacetCount>,
    role: Vec<FacetCount>,
}

/// As the API writes an asset's id.
pub(crate) fn id_text(id: u64) -> String {
    format!("{id:014x}")
}

fn told(a: vigie_catalog::AssetRow) -> AssetRow {
    AssetRow {
        id: id_text(a.id),
        dataset: a.dataset,
        ips: a.ip.iter().map(ToString::to_string).collect(),
        names: vec![a.name.clone()],
        name: a.name,
        ip: a.ip.map(|ip| ip.to_string()),
        mac: a.mac.map(|m| m.to_string()),
        vendor: a.vendor,
        class: a.class,
        os: a.os,
        roles: a.roles,
        services: a.services,
        peers: a.peers,
        open_cases: a.open_cases,
        first_seen: time_text(a.first),
        last_seen: time_text(a.last),
        new: a.is_new,
        learnt: a.is_learnt,
        declared: a.declared.map(|d| Declared { name: d.name, class: d.class, owner: d.owner, place: d.place, criticality: d.criticality }),
    }
}

/// Which assets.
#[derive(Clone, Deserialize, IntoParams)]
pub(crate) struct AssetQuery {
    dataset: Option<String>,
    /// Words of a name, an address, the vendor, the class or the system.
    q: Option<String>,
    /// Values parted by commas.
    class: Option<String>,
    vendor: Option<String>,
    os: Option<String>,
    role: Option<String>,
    /// Protocols or ports offered: `telnet`, `tcp/23`.
    service: Option<String>,
    /// Last seen not before.
    from: Option<String>,
    /// Came to a known network not before.
    new_since: Option<String>,
    /// First seen not before, whether its network was known or not.
    first_since: Option<String>,
    /// `last_seen`, `first_seen`, `name`, `ip`, `class`, `vendor`, `os` or `peers`; with `-` the greatest first. `-last_seen` by default.
    sort: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

impl AssetQuery {
    fn read(&self) -> Answer<AssetFilter> {
        let sort = self.sort.as_deref().unwrap_or("-last_seen");
        let (descending, key) = sort.strip_prefix('-').map_or((false, sort), |key| (true, key));
        let sort = match key {
            "last_seen" => AssetSort::LastSeen,
            "first_seen" => AssetSort::FirstSeen,
            "name" => AssetSort::Name,
            "ip" => AssetSort::Ip,
            "class" => AssetSort::Class,
            "vendor" => AssetSort::Vendor,
            "os" => AssetSort::Os,
            "peers" => AssetSort::Peers,
            _ => {
                return Err(Refusal::parameter(
                    "sort",
                    "sort is last_seen, first_seen, name, ip, class, vendor, os or peers, with `-` the greatest first",
                ));
            }
        };
        let all = |text: &Option<String>| parted(text.as_deref()).into_iter().map(str::to_owned).collect();
        Ok(AssetFilter {
            dataset: self.dataset.clone(),
            text: self.q.clone(),
            classes: all(&self.class),
            vendors: all(&self.vendor),
            os: all(&self.os),
            roles: all(&self.role),
            services: all(&self.service),
            seen_since: instant("from", self.from.as_deref())?,
            new_since: instant("new_since", self.new_since.as_deref())?,
            first_since: instant("first_since", self.first_since.as_deref())?,
            sort,
            descending,
            cursor: self.cursor.clone(),
            limit: limit(self.limit, 100, PAGE_MAX)? as u32,
            ..AssetFilter::default()
        })
    }
}

/// A page of assets, with facets
#[utoipa::path(get, path = "/assets", tag = "assets", extensions(("x-role" = json!("viewer"))), params(AssetQuery), responses((status = 200, body = AssetPage)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Query(q): Query<AssetQuery>,
) -> Answer<Json<AssetPage>> {
    let filter = q.read()?;
    let page = app
        .catalog(move |c, _| {
            let page = c.assets(&filter)?;
            let facets = c.asset_facets(&filter)?;
            let counts = |all: Vec<(String, u64)>| all.into_iter().map(|(value, count)| FacetCount { value, count }).collect();
            let facets =
                Facets { class: counts(facets.class), vendor: counts(facets.vendor), os: counts(facets.os), role: counts(facets.role) };
            Ok(AssetPage { items: page.rows.into_iter().map(told).collect(), next: page.next, total: page.total, facets })
        })
        .await?;
    app.read_by(&who, &headers, format!("assets q={}", q.q.as_deref().unwrap_or_default()), page.items.len()).await?;
    Ok(Json(page))
}

/// All that is known of an asset.
#[derive(Serialize, ToSchema)]
pub(crate) struct AssetReport {
    #[serde(flatten)]
    row: AssetRow,
    /// Ids under which it was known before.
    aliases: Vec<String>,
    facts: Vec<Fact>,
    addresses: Vec<Address>,
    services_list: Vec<Port>,
    uses: Vec<Port>,
    differences: Vec<Difference>,
    /// Addresses that other devices have at the same time.
    shared: Vec<Shared>,
    cases: Vec<CaseRow>,
    /// What was new of it, the latest first.
    changes: Vec<News>,
}

/// A fact.
#[derive(Serialize, ToSchema)]
struct Fact {
    key: String,
    value: String,
    source: String,
    /// How far to believe it, 0 to 100.
    confidence: u8,
    /// Why it is concluded, where it was not seen as it is.
    reason: Option<String>,
    first_seen: String,
    last_seen: String,
}

/// An address in time.
#[derive(Serialize, ToSchema)]
struct Address {
    ip: String,
    first_seen: String,
    last_seen: String,
}

/// A port that answers, or that is used of others.
#[derive(Serialize, ToSchema)]
struct Port {
    proto: String,
    port: u16,
    app_proto: String,
    software: Option<String>,
    flows: u64,
    clients: u64,
    /// Whether it was first seen on a network that was known.
    new: bool,
    first_seen: String,
    last_seen: String,
}

/// Where what is declared and what is observed differ.
#[derive(Serialize, ToSchema)]
struct Difference {
    field: &'static str,
    declared: String,
    observed: String,
}

/// An address that another device has at the same time.
#[derive(Serialize, ToSchema)]
struct Shared {
    ip: String,
    with: String,
    name: String,
    first_seen: String,
    last_seen: String,
}

/// Something seen for the first time.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct News {
    ts: String,
    /// `device`, `service`, `peer` or `protocol`.
    what: &'static str,
    /// `tcp/443`, a peer's address, a protocol; empty for a device.
    text: String,
    asset_id: String,
    name: String,
    dataset: String,
}

pub(crate) fn news(n: vigie_catalog::News) -> News {
    News { ts: time_text(n.first), what: n.kind.name(), text: n.key, asset_id: id_text(n.asset), name: n.name, dataset: n.dataset }
}

fn port(p: &KnownPort, news: &[News]) -> Port {
    let key = format!("{}/{}", p.proto, p.port);
    Port {
        proto: p.proto.clone(),
        port: p.port,
        app_proto: p.app_proto.clone(),
        software: p.software.clone(),
        flows: p.flows(),
        clients: p.clients,
        new: news.iter().any(|n| n.what == "service" && n.text == key),
        first_seen: time_text(p.first()),
        last_seen: time_text(p.last()),
    }
}

/// Of which dataset, where several have the asset; in which language.
#[derive(Clone, Deserialize, IntoParams)]
pub(crate) struct AssetAt {
    dataset: Option<String>,
    lang: Option<String>,
}

/// All that is known of an asset
#[utoipa::path(get, path = "/assets/{id}", tag = "assets", extensions(("x-role" = json!("viewer"))), params(("id" = String, Path), AssetAt),
    responses((status = 200, body = AssetReport), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(at): Query<AssetAt>,
) -> Answer<Json<AssetReport>> {
    let lang = language(at.lang.as_deref(), &headers);
    let asked = format!("asset {id}");
    let report = app.catalog(move |c, _| report(c, &id, at.dataset.as_deref(), lang)).await?.ok_or_else(|| Refusal::not_found("asset"))?;
    app.read_by(&who, &headers, asked, 1).await?;
    Ok(Json(report))
}

fn report(c: &Catalog, id: &str, dataset: Option<&str>, lang: vigie_detect::Lang) -> Result<Option<AssetReport>, Error> {
    let Some(view) = c.asset(Catalog::asset_id(id)?, dataset)? else { return Ok(None) };
    let known = view.known.map_err(Error::Missing)?;
    let mut cases_told = Vec::new();
    for (case, _, _) in &view.cases {
        if let Some(row) = c.case(case, Some(&view.row.dataset))? {
            cases_told.push(cases::tell(c, &row, lang)?.0);
        }
    }
    let filter =
        NewsFilter { dataset: Some(view.row.dataset.clone()), asset: Some(view.row.id), limit: NEWS_TOLD, ..NewsFilter::default() };
    let changes: Vec<News> = c.news(&filter)?.rows.into_iter().map(news).collect();
    Ok(Some(AssetReport {
        aliases: view.aliases.iter().map(|id| id_text(*id)).collect(),
        facts: known
            .current_facts()
            .map(|f| Fact {
                key: f.key.clone(),
                value: f.value.clone(),
                source: f.source.clone(),
                confidence: f.confidence,
                reason: f.reason.as_ref().map(|r| in_words(r, lang)),
                first_seen: time_text(f.first),
                last_seen: time_text(f.last),
            })
            .collect(),
        addresses: known
            .addresses
            .iter()
            .map(|a| Address { ip: a.ip.to_string(), first_seen: time_text(a.first), last_seen: time_text(a.last) })
            .collect(),
        services_list: known.services.iter().map(|p| port(p, &changes)).collect(),
        uses: known.uses.iter().map(|p| port(p, &[])).collect(),
        differences: view
            .differences
            .into_iter()
            .map(|d| Difference { field: d.field, declared: d.declared, observed: d.observed })
            .collect(),
        shared: view
            .shared
            .into_iter()
            .map(|s| Shared {
                ip: s.ip.to_string(),
                with: id_text(s.with),
                name: s.name,
                first_seen: time_text(s.first),
                last_seen: time_text(s.last),
            })
            .collect(),
        cases: cases_told,
        changes,
        row: AssetRow {
            ips: known.addresses.iter().map(|a| a.ip.to_string()).collect(),
            names: known.names.iter().map(|n| n.name.clone()).collect(),
            ..told(view.row)
        },
    }))
}

/// A reason in the reader's language; one of another version as it stands.
fn in_words(reason: &str, lang: vigie_detect::Lang) -> String {
    let french = (lang == vigie_detect::Lang::Fr).then(|| vigie_inventory::french(reason)).flatten();
    french.unwrap_or(reason).to_owned()
}

/// The addresses of an asset, for questions to the store.
async fn addresses(app: &Arc<App>, id: &str, dataset: Option<String>) -> Answer<(String, Vec<Ip>)> {
    let id = id.to_owned();
    app.catalog(move |c, _| {
        let view =
            c.asset(Catalog::asset_id(&id)?, dataset.as_deref())?.ok_or_else(|| Error::Missing("there is no such asset".to_owned()))?;
        let known = view.known.map_err(Error::Missing)?;
        Ok((view.row.dataset, known.addresses.iter().map(|a| a.ip).collect()))
    })
    .await
}

/// Who an asset talks with.
#[derive(Serialize, ToSchema)]
pub(crate) struct Peers {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// Peers that are not shown: those that move least.
    folded: u64,
}

/// A machine in the picture.
#[derive(Serialize, ToSchema)]
struct Node {
    /// Its address; `self` for the asset.
    id: String,
    label: String,
    ip: Option<String>,
    asset_id: Option<String>,
    /// Whether it is part of HOME_NET.
    inside: bool,
}

/// What goes between two of them.
#[derive(Serialize, ToSchema)]
struct Edge {
    from: String,
    to: String,
    app_proto: String,
    flows: u64,
    bytes: u64,
}

/// Who an asset talks with
#[utoipa::path(get, path = "/assets/{id}/peers", tag = "assets", extensions(("x-role" = json!("viewer"))), params(("id" = String, Path), Scope), responses((status = 200, body = Peers)))]
pub(crate) async fn peers(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(scope): Query<Scope>,
) -> Answer<Json<Peers>> {
    let within = scope.read(&app)?;
    let (dataset, own) = addresses(&app, &id, within.dataset.clone()).await?;
    let within = Within { dataset: Some(dataset.clone()), ..within };
    let own_text: Vec<String> = own.iter().map(ToString::to_string).collect();
    let ends = Arc::new(own_text.clone());
    let make = || Pairs::new(Some(Arc::clone(&ends)));
    let found = app.home.store.fold(&within.query(), "flow", &Pairs::COLUMNS, make).await?;
    // Who, whether it was called by the asset, in which protocol, how much.
    let mut sums: BTreeMap<(&str, bool, &str), Sum> = BTreeMap::new();
    for ((src, dst, app_proto), sum) in found.ordered(usize::MAX) {
        let calls = own_text.iter().any(|ip| ip == src);
        sums.entry((if calls { dst } else { src }, calls, app_proto)).or_default().join(sum);
    }
    let mut weight: BTreeMap<String, u64> = BTreeMap::new();
    sums.iter().for_each(|((peer, _, _), sum)| *weight.entry((*peer).to_owned()).or_default() += sum.bytes);
    let mut order: Vec<_> = weight.into_iter().collect();
    order.sort_by_key(|(ip, bytes)| (std::cmp::Reverse(*bytes), ip.clone()));
    let folded = order.len().saturating_sub(PEERS_MAX) as u64;
    order.truncate(PEERS_MAX);
    let ips: Vec<Ip> = order.iter().filter_map(|(ip, _)| ip.parse().ok()).collect();
    let (asked, at) = (dataset.clone(), within.to);
    let names: BTreeMap<Ip, (u64, String)> =
        app.catalog(move |c, _| c.names_of(&asked, &ips, at)).await?.into_iter().map(|(ip, id, name)| (ip, (id, name))).collect();
    let in_force = app.home.in_force();
    let home = &in_force.home_net;
    let mut nodes = vec![Node {
        id: "self".to_owned(),
        label: id.clone(),
        ip: own.first().map(ToString::to_string),
        asset_id: Some(id.clone()),
        inside: true,
    }];
    nodes.extend(order.iter().map(|(text, _)| {
        let ip = text.parse::<Ip>().ok();
        let known = ip.and_then(|ip| names.get(&ip));
        Node {
            id: text.clone(),
            label: known.map_or_else(|| text.clone(), |k| k.1.clone()),
            ip: Some(text.clone()),
            asset_id: known.map(|k| id_text(k.0)),
            inside: ip.is_some_and(|ip| home.contains(ip)),
        }
    }));
    let shown = |ip: &str| order.iter().any(|(o, _)| o == ip);
    let edges = sums.into_iter().filter(|((peer, _, _), _)| shown(peer)).map(|((peer, calls, app_proto), sum)| {
        let (peer, own) = (peer.to_owned(), "self".to_owned());
        let (from, to) = if calls { (own, peer) } else { (peer, own) };
        Edge { from, to, app_proto: app_proto.to_owned(), flows: sum.flows, bytes: sum.bytes }
    });
    let edges = edges.collect();
    app.read_by(&who, &headers, format!("asset {id} peers"), nodes.len()).await?;
    Ok(Json(Peers { nodes, edges, folded }))
}

/// What an asset does when.
#[derive(Serialize, ToSchema)]
pub(crate) struct Activity {
    step_seconds: u64,
    buckets: Vec<String>,
    series: Vec<ActivitySeries>,
}

/// Of a protocol.
#[derive(Serialize, ToSchema)]
struct ActivitySeries {
    app_proto: String,
    flows: Vec<u64>,
    bytes: Vec<u64>,
}

/// What an asset does when, by protocol
#[utoipa::path(get, path = "/assets/{id}/activity", tag = "assets", extensions(("x-role" = json!("viewer"))), params(("id" = String, Path), Scope), responses((status = 200, body = Activity)))]
pub(crate) async fn activity(
    State(app): State<Arc<App>>,
    _may: Viewer,
    Path(id): Path<String>,
    Query(scope): Query<Scope>,
) -> Answer<Json<Activity>> {
    let within = scope.read(&app)?;
    let (dataset, own) = addresses(&app, &id, within.dataset.clone()).await?;
    let step = within.step(96);
    let bars = within.bars(step);
    let within = Within { dataset: Some(dataset), ..within };
    let ends: Arc<Vec<String>> = Arc::new(own.iter().map(ToString::to_string).collect());
    let make = || vigie_tally::Activity::new(step, within.from.secs() / step, Arc::clone(&ends));
    let found = app.home.store.fold(&within.query(), "flow", &vigie_tally::Activity::COLUMNS, make).await?;
    let mut series: BTreeMap<String, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
    for (app_proto, at, sum) in found.each().filter(|(_, at, _)| *at < bars.len()) {
        let (flows, bytes) = series.entry(app_proto.to_owned()).or_insert_with(|| (vec![0; bars.len()], vec![0; bars.len()]));
        flows[at] += sum.flows;
        bytes[at] += sum.bytes;
    }
    Ok(Json(Activity {
        step_seconds: step,
        buckets: bars.iter().map(|t| time_text(Time::from_secs(*t))).collect(),
        series: series.into_iter().map(|(app_proto, (flows, bytes))| ActivitySeries { app_proto, flows, bytes }).collect(),
    }))
}

/// Into which dataset, and whether what is not in the file is forgotten.
#[derive(Clone, Deserialize, IntoParams)]
pub(crate) struct DeclaredInto {
    /// Needed where there are several.
    dataset: Option<String>,
    #[serde(default)]
    replace: bool,
}

/// What an import of declared assets did.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeclaredDone {
    /// Devices in the file.
    read: u64,
    /// Those of them that were seen.
    matched: u64,
    /// Those that were never seen, by name or address.
    unknown: Vec<String>,
    /// Lines that were not taken.
    errors: Vec<LineError>,
}

/// A line that was not taken.
#[derive(Serialize, ToSchema)]
struct LineError {
    line: u64,
    /// Why, in English.
    message: String,
    /// The name of that sentence, as of an error.
    reason: Option<&'static str>,
    /// What is filled into it.
    params: BTreeMap<String, String>,
}

/// The dataset that is meant: the one named, else the only one there is.
fn meant(c: &Catalog, asked: Option<String>) -> Result<String, Error> {
    match (asked, c.datasets()?.as_slice()) {
        (Some(name), _) => Ok(name),
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => Err(Error::Refused("say which dataset is meant: dataset=NAME".into())),
    }
}

/// Declare assets: CSV with a line of names (name, ip, mac, class, owner, place, criticality)
#[utoipa::path(post, path = "/assets/declared", tag = "assets", extensions(("x-role" = json!("analyst"))), params(DeclaredInto), request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = DeclaredDone), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn declare(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    Query(into): Query<DeclaredInto>,
    csv: String,
) -> Answer<Json<DeclaredDone>> {
    let done = app
        .catalog(move |c, now| {
            let dataset = meant(c, into.dataset)?;
            let done = c.import_declared(&dataset, &csv, into.replace, &who.name, now)?;
            c.audit(&who.name, "asset.declare", &dataset, &json!({"added": done.added, "changed": done.changed}), now)?;
            let read = done.added + done.changed + done.same;
            let unseen = c.compare_declared(&dataset)?.unseen;
            let label = |d: &vigie_catalog::Declared| match (d.name.as_str(), d.ip, d.mac) {
                ("", Some(ip), _) => ip.to_string(),
                ("", None, Some(mac)) => mac.to_string(),
                (name, _, _) => name.to_owned(),
            };
            let errors = done.errors.iter().map(|(line, why)| LineError {
                line: *line as u64,
                message: why.to_string(),
                reason: why.name(),
                params: crate::error::params(why),
            });
            Ok(DeclaredDone {
                read,
                matched: read.saturating_sub(unseen.len() as u64),
                unknown: unseen.iter().map(label).collect(),
                errors: errors.collect(),
            })
        })
        .await?;
    Ok(Json(done))
}

/// What is declared, as the CSV that can be declared again
#[utoipa::path(get, path = "/assets/declared", tag = "assets", extensions(("x-role" = json!("viewer"))), params(DeclaredInto), responses((status = 200, content_type = "text/csv", body = String)))]
pub(crate) async fn declared(State(app): State<Arc<App>>, _may: Viewer, Query(of): Query<DeclaredInto>) -> Answer<Response> {
    let csv = app.catalog(move |c, _| declared_csv(c, &meant(c, of.dataset)?)).await?;
    attachment("text/csv; charset=utf-8", "declared.csv", csv)
}

/// What is declared in a dataset, as CSV.
pub(crate) fn declared_csv(c: &Catalog, dataset: &str) -> Result<String, Error> {
    let mut all = c.compare_declared(dataset)?.unseen;
    let mut filter = AssetFilter { dataset: Some(dataset.to_owned()), limit: PAGE_MAX as u32, ..AssetFilter::default() };
    loop {
        let page = c.assets(&filter)?;
        all.extend(page.rows.into_iter().filter_map(|a| a.declared));
        filter.cursor = page.next;
        if filter.cursor.is_none() {
            break;
        }
    }
    all.sort_by(|a, b| (&a.name, a.ip, a.mac).cmp(&(&b.name, b.ip, b.mac)));
    let mut out = "name,ip,mac,class,owner,place,criticality\r\n".to_owned();
    for d in all {
        let (ip, mac) = (d.ip.map(|ip| ip.to_string()).unwrap_or_default(), d.mac.map(|m| m.to_string()).unwrap_or_default());
        out += &vigie_store::csv_line(&[d.name, ip, mac, d.class, d.owner, d.place, d.criticality]);
    }
    Ok(out)
}
