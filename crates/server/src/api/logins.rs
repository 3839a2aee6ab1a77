//! Who was let in after what a case tells of: the way to what was done then.

use crate::api::cases::CaseAt;
use crate::api::rows::quoted;
use crate::app::App;
use crate::error::{Answer, Refusal};
use crate::person::Viewer;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::ToSchema;
use vigie_base::Time;
use vigie_base::time::SECOND;
use vigie_case::Case;
use vigie_detect::{Finding, Role, Value as Param};
use vigie_store::SqlLimits;

/// Log-ins told at most.
const LOGINS_MAX: usize = 50;
/// Pairs of machines asked for at most: a spray names few of its many.
const PAIRS_MAX: usize = 50;
/// How long after the last sign of a case a log-in with what was guessed may be, in seconds.
const AFTER: u64 = 24 * 3600;

/// The log-ins that succeeded.
#[derive(Serialize, ToSchema)]
pub(crate) struct Logins {
    /// The earliest first.
    pub(crate) items: Vec<Success>,
    /// Whether there are more.
    more: bool,
}

/// A log-in that succeeded.
#[derive(Serialize, ToSchema)]
pub(crate) struct Success {
    pub(crate) ts: String,
    /// Its session: a flow.
    pub(crate) flow_id: String,
    pub(crate) protocol: String,
    pub(crate) user: Option<String>,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) port: u16,
}

/// What a log-in must be, to be one that followed: as SQL; none where the finding tells of no success.
fn conditions(f: &Finding) -> Vec<String> {
    let Some(Param::Text(protocol)) = f.param("protocol") else { return Vec::new() };
    if f.param("succeeded").is_none() {
        return Vec::new();
    }
    let of = |role: Role| f.entities.iter().filter(move |e| e.role == role).filter_map(|e| e.ip);
    let user = match f.param("user") {
        Some(Param::Text(user)) => format!(" OR \"user\" = {}", quoted(user)),
        _ => String::new(),
    };
    let protocol = quoted(&protocol.to_lowercase());
    let pairs = of(Role::Victim).flat_map(|v| of(Role::Attacker).map(move |a| (a, v)));
    let one = |(a, v): (vigie_base::Ip, vigie_base::Ip)| {
        // The one who guessed, and whoever comes with the same name.
        format!("dest_ip = {} AND protocol = {protocol} AND (src_ip = {}{user})", quoted(&v.to_string()), quoted(&a.to_string()))
    };
    pairs.take(PAIRS_MAX).map(one).collect()
}

fn sql(dataset: &str, case: &Case) -> Option<String> {
    let findings: Vec<&Finding> = case.alerts.iter().map(|a| &a.finding).collect();
    let any: BTreeSet<String> = findings.iter().flat_map(|f| conditions(f)).collect();
    if any.is_empty() {
        return None;
    }
    let first = findings.iter().filter(|f| f.param("succeeded").is_some()).map(|f| f.first).min().unwrap_or(case.first);
    let any: Vec<String> = any.into_iter().map(|c| format!("({c})")).collect();
    Some(format!(
        "SELECT ts, flow_id, protocol, \"user\", src_ip, dest_ip, dest_port FROM login WHERE dataset = {} AND outcome = 'success' \
         AND ts >= to_timestamp_micros({}) AND ts <= to_timestamp_micros({}) AND ({}) ORDER BY ts, flow_id LIMIT {}",
        quoted(dataset),
        first.0 / 1_000,
        case.last.plus(AFTER * SECOND).0 / 1_000,
        any.join(" OR "),
        LOGINS_MAX + 1
    ))
}

fn read(row: &Map<String, Value>) -> Option<Success> {
    let text = |key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Success {
        ts: Time::parse(&text("ts")?).map(super::time_text)?,
        flow_id: row.get("flow_id").and_then(Value::as_u64)?.to_string(),
        protocol: text("protocol")?,
        user: text("user"),
        from: text("src_ip")?,
        to: text("dest_ip")?,
        port: row.get("dest_port").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).unwrap_or(0),
    })
}

/// The log-ins that succeeded once a password was being guessed, the earliest first
///
/// Those of the machine that guessed, and those of anybody with the name that was guessed, until a day after the case's last sign. What was
/// done then is in the events of each session's flow.
#[utoipa::path(get, path = "/cases/{id}/logins", tag = "cases", extensions(("x-role" = json!("viewer"))), params(("id" = String, Path), CaseAt),
    responses((status = 200, body = Logins), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(at): Query<CaseAt>,
) -> Answer<Json<Logins>> {
    let kept = app.catalog(move |c, _| c.case(&id, at.dataset.as_deref())).await?.ok_or_else(|| Refusal::not_found("case"))?;
    let case = kept.case.map_err(|why| Refusal::unprocessable("unreadable", why))?;
    let logins = of(&app, &kept.dataset, &case).await?;
    if !logins.items.is_empty() {
        app.read_by(&who, &headers, format!("case {} logins", kept.id), logins.items.len()).await?;
    }
    Ok(Json(logins))
}

/// Those of a case of a dataset.
pub(crate) async fn of(app: &Arc<App>, dataset: &str, case: &Case) -> Answer<Logins> {
    let Some(sql) = sql(dataset, case) else { return Ok(Logins { items: Vec::new(), more: false }) };
    let rows = app.home.store.sql(&sql, SqlLimits { rows: LOGINS_MAX + 1 }).await?;
    let mut items: Vec<Success> = rows.objects().filter_map(|row| read(&row)).collect();
    let more = items.len() > LOGINS_MAX;
    items.truncate(LOGINS_MAX);
    Ok(Logins { items, more })
}
