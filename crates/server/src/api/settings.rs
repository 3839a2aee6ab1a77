//! What an administrator sets, and what the configuration file pins: what the keys are is told in `crate::settings`.

use crate::app::App;
use crate::error::{Answer, Refusal};
use crate::person::{Administrator, Person, Viewer};
use crate::room::Gone;
use crate::settings::{InForce, Refused, is_pinned, is_retention_pinned, items, version};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use vigie_catalog::UserRole;
use vigie_pipeline::config::RETENTION_OF_REST;

/// What is set.
#[derive(Serialize, ToSchema)]
pub(crate) struct Settings {
    /// Counts the changes.
    version: u64,
    home_net: HomeNet,
    /// Named groups of networks.
    groups: Vec<NetworkGroup>,
    quota: QuotaState,
    /// How long events of the site's own traffic are kept: first `others` and `internal`, then every kind that is there or set.
    retention: Vec<RetentionRow>,
    captures: CapturesKept,
    /// Hours of event time after which what comes to a network is new.
    known_after_hours: u64,
    /// The web server that is told when a case opens and closes; none by default.
    webhook: Option<WebhookState>,
    /// The collector of syslog that is told the same; none by default.
    syslog: Option<SyslogState>,
}

/// A web server that is told.
#[derive(Serialize, ToSchema)]
struct WebhookState {
    /// To others than administrators only its scheme, host and port.
    url: String,
    /// Whether a header `Authorization` goes with it; what it says is not told.
    has_authorization: bool,
    /// Of the words: `fr` or `en`.
    lang: String,
    /// Whether cases of imported captures are told, too.
    imports: bool,
}

/// A collector of syslog that is told.
#[derive(Serialize, ToSchema)]
struct SyslogState {
    /// Name or address, and port.
    target: String,
    /// `udp` or `tcp`.
    carrier: String,
    lang: String,
    imports: bool,
}

/// The networks that are one's own.
#[derive(Serialize, ToSchema)]
struct HomeNet {
    value: Vec<String>,
    /// Whether the configuration file says it, so that it cannot be changed here.
    pinned: bool,
}

/// A group of networks.
#[derive(Serialize, ToSchema)]
struct NetworkGroup {
    /// Filters take it where they take a network.
    name: String,
    networks: Vec<String>,
    description: String,
    pinned: bool,
}

/// The quota over all that Vigie writes.
#[derive(Serialize, ToSchema)]
struct QuotaState {
    /// 0: as much as the disk holds.
    bytes: u64,
    pinned: bool,
    used: u64,
    by: UsedBy,
    /// What goes next when more comes than is free, the first first; empty without a quota.
    next: Vec<NextGone>,
}

/// Bytes in use.
#[derive(Serialize, ToSchema)]
struct UsedBy {
    events: u64,
    captures: u64,
    /// Packets kept of live traffic.
    packets: u64,
    catalog: u64,
}

/// What the quota removes next.
#[derive(Serialize, ToSchema)]
struct NextGone {
    /// `packets`, `internal`, `capture`, `import` or `live`.
    what: &'static str,
    /// A dataset, or a file: a capture, or the oldest of packets.
    name: String,
    /// Events; none of a file.
    events: Option<u64>,
    bytes: u64,
}

/// How long a kind is kept.
#[derive(Serialize, ToSchema)]
struct RetentionRow {
    /// A kind of event; `others` and `internal` stand for those that have no days of their own.
    kind: String,
    /// 0: until the quota.
    days: u64,
    pinned: bool,
    /// Whether it has days of its own; else it follows `others`, or `internal`.
    own: bool,
    bytes_now: u64,
}

/// Captures that were imported.
#[derive(Serialize, ToSchema)]
struct CapturesKept {
    /// Whether they are kept, so that packets can be cut from them.
    keep: bool,
    pinned: bool,
}

fn retention(app: &App, now: &InForce) -> Vec<RetentionRow> {
    let mut bytes: BTreeMap<String, u64> = BTreeMap::new();
    for ((_, kind), (_, n, _)) in app.home.store.usage().kinds {
        *bytes.entry(kind).or_default() += n;
    }
    let schemas = app.home.store.schemas();
    let is_internal = |kind: &str| schemas.iter().any(|s| s.kind == kind && s.internal);
    let days_of = |kind: &str| now.retention.get(kind).copied();
    let rest = RETENTION_OF_REST.iter().map(|rest| RetentionRow {
        kind: (*rest).to_owned(),
        days: days_of(rest).unwrap_or(0),
        pinned: is_retention_pinned(&app.home.told(), rest),
        own: true,
        bytes_now: bytes.iter().filter(|(k, _)| days_of(k).is_none() && is_internal(k) == (*rest == "internal")).map(|b| b.1).sum(),
    });
    let kinds = schemas.iter().map(|s| s.kind).filter(|k| bytes.contains_key(*k) || now.retention.contains_key(*k));
    let kinds = kinds.map(|kind| RetentionRow {
        kind: kind.to_owned(),
        days: days_of(kind).or_else(|| days_of(RETENTION_OF_REST[usize::from(is_internal(kind))])).unwrap_or(0),
        pinned: is_retention_pinned(&app.home.told(), kind),
        own: now.retention.contains_key(kind),
        bytes_now: bytes.get(kind).copied().unwrap_or(0),
    });
    rest.chain(kinds).collect()
}

fn read(app: &App, whole: bool) -> Result<Settings, vigie_catalog::Error> {
    let (now, used) = (app.home.in_force(), app.home.used());
    let pinned = |key| is_pinned(&app.home.told(), key);
    let group = |g: &crate::settings::NetworkGroup| NetworkGroup {
        name: g.name.clone(),
        networks: g.networks.clone(),
        description: g.description.clone(),
        pinned: g.pinned,
    };
    let next = |g: Gone| NextGone { what: g.what, name: g.name, events: g.rows, bytes: g.bytes };
    Ok(Settings {
        version: version(&app.home.catalog)?,
        home_net: HomeNet { value: items(&now.home_net), pinned: pinned("home_net") },
        groups: now.groups.iter().map(group).collect(),
        quota: QuotaState {
            bytes: now.quota,
            pinned: pinned("quota_bytes"),
            used: used.total(),
            by: UsedBy { events: used.events, captures: used.captures, packets: used.packets, catalog: used.catalog },
            next: app.home.next_gone().into_iter().map(next).collect(),
        },
        retention: retention(app, &now),
        captures: CapturesKept { keep: now.captures_keep, pinned: pinned("captures_keep") },
        known_after_hours: now.known_after_hours,
        webhook: now.webhook.as_ref().map(|w| WebhookState {
            url: if whole { w.url.to_string() } else { w.origin() },
            has_authorization: w.authorization.is_some(),
            lang: w.manner.lang_name().to_owned(),
            imports: w.manner.imports,
        }),
        syslog: now.syslog.as_ref().map(|s| SyslogState {
            target: s.target(),
            carrier: s.carrier.name().to_owned(),
            lang: s.manner.lang_name().to_owned(),
            imports: s.manner.imports,
        }),
    })
}

/// Off the threads that serve connections: sizes of files are asked for.
async fn told(app: &Arc<App>, who: &Person) -> Answer<Json<Settings>> {
    let (app, whole) = (Arc::clone(app), who.role >= UserRole::Administrator);
    Ok(Json(tokio::task::spawn_blocking(move || read(&app, whole)).await.map_err(Refusal::internal)??))
}

/// What is set
#[utoipa::path(get, path = "/settings", tag = "state", extensions(("x-role" = json!("viewer"))), responses((status = 200, body = Settings)))]
pub(crate) async fn get(State(app): State<Arc<App>>, Viewer(who): Viewer) -> Answer<Json<Settings>> {
    told(&app, &who).await
}

/// One setting to change.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SettingChange {
    /// `home_net`, `groups`, `quota_bytes`, `retention`, `captures_keep`, `known_after_hours`, `webhook` or `syslog`.
    key: String,
    /// As the key takes it: a list of networks; a list of groups; bytes; days by kind (`null` takes a kind back to `others`); true or
    /// false; hours; `{url, authorization, lang, imports}`, where an `authorization` that is left out stays as it is; `{target, carrier, lang,
    /// imports}`; `null` for no webhook or syslog.
    #[schema(value_type = Value)]
    value: Value,
    /// The version that the change was made of.
    version: Option<u64>,
}

/// Change a setting
///
/// It holds at once: networks for what is imported from now on, groups for questions, quota and retention for what is kept.
#[utoipa::path(put, path = "/settings", tag = "state", extensions(("x-role" = json!("administrator"))), request_body = SettingChange,
    responses((status = 200, body = Settings), (status = 400, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Json(change): Json<SettingChange>,
) -> Answer<Json<Settings>> {
    let ours = Arc::clone(&app);
    let by = who.name.clone();
    let done = tokio::task::spawn_blocking(move || {
        let SettingChange { key, value, version } = change;
        ours.home.change_setting((&key, &value, version), (&by, crate::app::now()))
    });
    done.await.map_err(Refusal::internal)?.map_err(|refused| match refused {
        Refused::Value(field, why) => Refusal::parameter(field, why),
        Refused::Pinned(why) => Refusal::conflict(why),
        Refused::Catalog(e) => e.into(),
    })?;
    app.output_news.notify_waiters();
    told(&app, &who).await
}
