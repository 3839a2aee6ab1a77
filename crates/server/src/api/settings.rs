//! What an administrator sets, and what the configuration file pins.

use crate::app::App;
use crate::error::{Answer, Refusal};
use crate::person::{Administrator, Viewer};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use vigie_catalog::KNOWN_AFTER;

/// Hours after which a network is known, unless set.
const KNOWN_AFTER_DEFAULT: u64 = 24;
/// The most that may be set: half a year.
const KNOWN_AFTER_MAX: u64 = 4_380;

/// What is set.
#[derive(Serialize, ToSchema)]
pub(crate) struct Settings {
    /// Counts the changes.
    version: u64,
    home_net: HomeNet,
    /// Named groups of networks.
    groups: Vec<Group>,
    /// How long each kind is kept, where that is limited.
    retention: Vec<Kept>,
    /// Bytes that Vigie may write; 0 where there is no quota.
    quota: u64,
    /// Hours of event time after which what comes to a network is new.
    known_after_hours: u64,
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
struct Group {
    name: String,
    networks: Vec<String>,
}

/// How long a kind is kept.
#[derive(Serialize, ToSchema)]
struct Kept {
    kind: String,
    days: u64,
    bytes_now: u64,
}

async fn read(app: &Arc<App>) -> Answer<Settings> {
    let known = app.catalog(|c, _| c.setting(KNOWN_AFTER)).await?;
    let text = app.home.config.home_net.text();
    let networks = text.trim_matches(['[', ']']).split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
    Ok(Settings {
        version: known.as_ref().map_or(0, |s| s.version),
        home_net: HomeNet { value: networks.collect(), pinned: true },
        groups: Vec::new(),
        retention: Vec::new(),
        quota: app.home.quota,
        known_after_hours: known.and_then(|s| s.value.as_u64()).unwrap_or(KNOWN_AFTER_DEFAULT),
    })
}

/// What is set
#[utoipa::path(get, path = "/settings", tag = "state", responses((status = 200, body = Settings)))]
pub(crate) async fn get(State(app): State<Arc<App>>, _may: Viewer) -> Answer<Json<Settings>> {
    Ok(Json(read(&app).await?))
}

/// One setting to change.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SettingChange {
    /// `known_after_hours`.
    key: String,
    value: u64,
    /// The version that the change was made of.
    version: Option<u64>,
}

/// Change a setting
#[utoipa::path(put, path = "/settings", tag = "state", request_body = SettingChange,
    responses((status = 200, body = Settings), (status = 400, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Json(change): Json<SettingChange>,
) -> Answer<Json<Settings>> {
    if change.key != "known_after_hours" {
        return Err(Refusal::parameter("key", "only known_after_hours can be changed here; the rest stands in the configuration file"));
    }
    if !(1..=KNOWN_AFTER_MAX).contains(&change.value) {
        return Err(Refusal::parameter("value", format!("hours are from 1 to {KNOWN_AFTER_MAX}")));
    }
    app.catalog(move |c, now| {
        c.set_setting(KNOWN_AFTER, &change.value.into(), change.version, &who.name, now)?;
        c.audit(&who.name, "setting", KNOWN_AFTER, &change.value.into(), now)
    })
    .await?;
    Ok(Json(read(&app).await?))
}
