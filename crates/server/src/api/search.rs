//! Where a word that someone typed belongs.

use crate::api::assets::id_text;
use crate::app::App;
use crate::error::Answer;
use crate::person::Viewer;
use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_base::{Ip, Mac};
use vigie_catalog::AssetFilter;

/// Devices that may have had one address.
const HOLDERS: u32 = 20;

/// What was typed.
#[derive(Deserialize, IntoParams)]
pub(crate) struct Typed {
    q: String,
    dataset: Option<String>,
}

/// Where it belongs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Found {
    /// `asset`, `case`, `flow` or `events`.
    kind: &'static str,
    target: Target,
}

/// What to open: one of these is there.
#[derive(Default, Serialize, ToSchema)]
struct Target {
    id: Option<String>,
    dataset: Option<String>,
    flow_id: Option<String>,
    /// For Explore: a query.
    q: Option<String>,
}

/// Text as a query takes it, in quotes.
fn in_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Where an address, name, MAC, hash, flow or case id belongs; anything else is a query for events
#[utoipa::path(get, path = "/search", tag = "events", extensions(("x-role" = json!("viewer"))), params(Typed), responses((status = 200, body = Found)))]
pub(crate) async fn get(State(app): State<Arc<App>>, _may: Viewer, Query(typed): Query<Typed>) -> Answer<Json<Found>> {
    let word = typed.q.trim().to_owned();
    let dataset = typed.dataset;
    let found = app
        .catalog(move |c, _| {
            let is_hex = |n: usize| word.len() == n && word.bytes().all(|b| b.is_ascii_hexdigit());
            if is_hex(16)
                && let Some(case) = c.case(&word, dataset.as_deref())?
            {
                return Ok(Found { kind: "case", target: Target { id: Some(case.id), dataset: Some(case.dataset), ..Target::default() } });
            }
            let (ip, mac) = (word.parse::<Ip>().ok(), word.parse::<Mac>().ok());
            if ip.is_some() || mac.is_some() || !word.contains([' ', ':', '*']) {
                let filter = AssetFilter {
                    dataset: dataset.clone(),
                    text: Some(word.to_lowercase()),
                    descending: true,
                    limit: HOLDERS,
                    ..AssetFilter::default()
                };
                let mut rows = c.assets(&filter)?.rows;
                // Of several that had an address, the one that has it; else they are told apart by their events.
                if rows.len() > 1 && ip.is_some() {
                    rows.retain(|r| r.ip == ip);
                }
                if let [only] = rows.as_slice() {
                    return Ok(Found {
                        kind: "asset",
                        target: Target { id: Some(id_text(only.id)), dataset: Some(only.dataset.clone()), ..Target::default() },
                    });
                }
            }
            let events = |q: String| Found { kind: "events", target: Target { q: Some(q), ..Target::default() } };
            Ok(match () {
                () if word.len() >= 10 && word.len() <= 16 && word.bytes().all(|b| b.is_ascii_digit()) => {
                    Found { kind: "flow", target: Target { flow_id: Some(word), ..Target::default() } }
                }
                () if ip.is_some() => events(format!("ip:{word}")),
                () if mac.is_some() => events(format!("mac:{word}")),
                () if is_hex(32) || is_hex(40) || is_hex(64) => events(format!("hash:{word}")),
                () => events(in_quotes(&word)),
            })
        })
        .await?;
    Ok(Json(found))
}
