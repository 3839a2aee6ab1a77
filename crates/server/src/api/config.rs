//! What people decided, as one document: to keep beside a backup, to look at, to bring to another server. No secret is in it.

use crate::api::assets::declared_csv;
use crate::api::{exclusions, instant, time_text};
use crate::app::{App, Change, now};
use crate::error::{Answer, Refusal};
use crate::person::Administrator;
use crate::settings::{KEYS, Refused, kept};
use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_catalog::{Catalog, Error, UserRole};

/// The version that is written, and the only one that is read.
const VERSION: u64 = 1;
/// A password's hash that no password has: who is imported logs in once `vigie user passwd` gave them one.
const NO_PASSWORD: &str = "!";

/// What people decided.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigDocument {
    /// 1.
    version: u64,
    /// What is set, by key: as `/settings` takes it.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    #[serde(default)]
    exclusions: Vec<KeptExclusion>,
    #[serde(default)]
    views: Vec<KeptView>,
    /// What is declared of devices, by dataset: as `/assets/declared` gives and takes it.
    #[serde(default)]
    declared: BTreeMap<String, String>,
    /// Who may log in, without passwords and tokens.
    #[serde(default)]
    users: Vec<KeptUser>,
}

/// What is normal here.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeptExclusion {
    #[schema(value_type = Object)]
    scope: Value,
    reason: String,
    owner: String,
    expires: Option<String>,
}

/// A saved view.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeptView {
    name: String,
    page: String,
    query: String,
    owner: String,
    shared: bool,
}

/// Someone who may log in.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeptUser {
    name: String,
    /// `viewer`, `analyst` or `administrator`.
    role: String,
    disabled: bool,
}

/// What people decided, without secrets
#[utoipa::path(get, path = "/config", tag = "state", extensions(("x-role" = json!("administrator"))), responses((status = 200, body = ConfigDocument)))]
pub(crate) async fn export(State(app): State<Arc<App>>, Administrator(who): Administrator) -> Answer<Json<ConfigDocument>> {
    let document = app
        .catalog(move |c, now| {
            let document = read(c)?;
            c.audit(&who.name, "config.export", "", &Value::Null, now)?;
            Ok(document)
        })
        .await?;
    Ok(Json(document))
}

fn read(c: &Catalog) -> Result<ConfigDocument, Error> {
    let exclusions = c.exclusions(false)?.into_iter().map(|x| KeptExclusion {
        scope: exclusions::shown(&x.scope),
        reason: x.reason,
        owner: x.owner,
        expires: x.expires.map(time_text),
    });
    let views =
        c.all_views()?.into_iter().map(|v| KeptView { name: v.name, page: v.page, query: v.query, owner: v.owner, shared: v.shared });
    let users = c.users()?.into_iter().map(|u| KeptUser { role: u.role.name().to_owned(), disabled: u.disabled, name: u.name });
    let mut declared = BTreeMap::new();
    for dataset in c.datasets()? {
        let csv = declared_csv(c, &dataset.name)?;
        // A file without a device has its line of names alone.
        if csv.lines().count() > 1 {
            declared.insert(dataset.name, csv);
        }
    }
    let settings = kept(c)?;
    Ok(ConfigDocument {
        version: VERSION,
        settings,
        exclusions: exclusions.collect(),
        views: views.collect(),
        declared,
        users: users.collect(),
    })
}

/// Whether only to say what would change.
#[derive(Deserialize, IntoParams)]
pub(crate) struct HowToImport {
    #[serde(default)]
    dry_run: bool,
}

/// One thing that changes.
#[derive(Serialize, ToSchema)]
struct ConfigChange {
    /// `setting`, `exclusion`, `view`, `declared` or `user`.
    what: &'static str,
    name: String,
    /// `add`, `set`, or `refused`.
    change: &'static str,
    /// More: the new value, or why it is refused.
    text: String,
}

/// What an import of a configuration changed, or would change; what is there already is not told.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConfigChanges {
    dry_run: bool,
    changes: Vec<ConfigChange>,
}

/// Take a configuration that was exported
///
/// What it says is added to what there is, or stands over it; nothing is removed. Users that are new cannot log in until they are given
/// a password.
#[utoipa::path(post, path = "/config", tag = "state", extensions(("x-role" = json!("administrator"))), params(HowToImport), request_body = ConfigDocument,
    responses((status = 200, body = ConfigChanges), (status = 400, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    Administrator(who): Administrator,
    Query(how): Query<HowToImport>,
    Json(document): Json<ConfigDocument>,
) -> Answer<Json<ConfigChanges>> {
    if document.version != VERSION {
        let message = format!(
            "this is version {} of a configuration, and this server reads {VERSION}; export it again with this version",
            document.version
        );
        return Err(Refusal::parameter("version", message));
    }
    let ours = Arc::clone(&app);
    let changes = tokio::task::spawn_blocking(move || {
        let mut import = Import { app: &ours, who: &who.name, dry_run: how.dry_run, changes: Vec::new() };
        import.all(document)?;
        let Import { changes, .. } = import;
        if !how.dry_run {
            let told: Vec<String> = changes.iter().map(|c| format!("{} {} {}", c.change, c.what, c.name)).collect();
            ours.home.catalog.audit(&who.name, "config.import", "", &json!(told), now())?;
        }
        Ok::<_, Error>(changes)
    });
    let changes = changes.await.map_err(Refusal::internal)??;
    if !how.dry_run {
        app.changes.tell(Change::Cases);
    }
    Ok(Json(ConfigChanges { dry_run: how.dry_run, changes }))
}

struct Import<'a> {
    app: &'a App,
    who: &'a str,
    dry_run: bool,
    changes: Vec<ConfigChange>,
}

impl Import<'_> {
    /// Notes a change, made by `make` unless it is only asked what would be.
    fn change(
        &mut self,
        (what, name, change): (&'static str, &str, &'static str),
        text: String,
        make: impl FnOnce(&Catalog) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let made = if self.dry_run { Ok(()) } else { make(&self.app.home.catalog) };
        match made {
            Ok(()) => self.note(what, name, change, text),
            // What cannot be taken is told, and keeps nothing else back.
            Err(e @ (Error::Refused(_) | Error::Missing(_))) => self.note(what, name, "refused", e.to_string()),
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn note(&mut self, what: &'static str, name: &str, change: &'static str, text: String) {
        self.changes.push(ConfigChange { what, name: name.to_owned(), change, text });
    }

    fn all(&mut self, given: ConfigDocument) -> Result<(), Error> {
        let now = now();
        let there = read(&self.app.home.catalog)?;
        let who = self.who.to_owned();
        self.settings(given.settings, &there.settings)?;
        for x in given.exclusions {
            let name = x.reason.clone();
            if there.exclusions.iter().any(|t| t.scope == x.scope && t.reason == x.reason && t.expires == x.expires) {
                continue;
            }
            let scope = match exclusions::read(&x.scope) {
                Ok(scope) => scope,
                Err(why) => {
                    self.note("exclusion", &name, "refused", why);
                    continue;
                }
            };
            let Ok(expires) = instant("expires", x.expires.as_deref()) else {
                self.note("exclusion", &name, "refused", "its end is no time".to_owned());
                continue;
            };
            if expires.is_some_and(|t| t <= now) {
                continue;
            }
            self.change(("exclusion", &name, "add"), x.scope.to_string(), |c| {
                c.add_exclusion(&scope, &x.owner, &x.reason, expires, now).map(drop)
            })?;
        }
        for v in given.views {
            if there
                .views
                .iter()
                .any(|t| (&t.name, &t.page, &t.query, &t.owner, t.shared) == (&v.name, &v.page, &v.query, &v.owner, v.shared))
            {
                continue;
            }
            let make = |c: &Catalog| c.add_view(&v.name, &v.page, &v.query, &v.owner, v.shared, now).map(drop);
            self.change(("view", &v.name, "add"), format!("{}?{}", v.page, v.query), make)?;
        }
        for (dataset, csv) in given.declared {
            let known: Vec<&str> = there.declared.get(&dataset).map_or_else(Vec::new, |csv| csv.lines().collect());
            let fresh = csv.lines().skip(1).filter(|line| !known.contains(line)).count();
            if fresh == 0 {
                continue;
            }
            if self.app.home.catalog.dataset(&dataset)?.is_none() {
                self.note("declared", &dataset, "refused", "there is no such dataset here; import its captures first".to_owned());
                continue;
            }
            self.change(("declared", &dataset, "set"), format!("{fresh} devices"), |c| {
                c.import_declared(&dataset, &csv, false, &who, now).map(drop)
            })?;
        }
        for u in given.users {
            let Some(role) = UserRole::of(&u.role) else {
                self.note("user", &u.name, "refused", "a role is viewer, analyst or administrator".to_owned());
                continue;
            };
            match there.users.iter().find(|t| t.name == u.name) {
                Some(t) if (&t.role, t.disabled) == (&u.role, u.disabled) => {}
                Some(_) => self.change(("user", &u.name, "set"), text_of(&u), |c| {
                    c.set_role(&u.name, role)?;
                    c.disable_user(&u.name, u.disabled)
                })?,
                None => {
                    if let Err(why) = crate::api::people::check_name(&u.name) {
                        self.note("user", &u.name, "refused", why.to_owned());
                        continue;
                    }
                    self.change(("user", &u.name, "add"), format!("{}, without a password", text_of(&u)), |c| {
                        c.add_user(&u.name, role, NO_PASSWORD, true, now)?;
                        if u.disabled { c.disable_user(&u.name, true) } else { Ok(()) }
                    })?;
                }
            }
        }
        Ok(())
    }

    fn settings(&mut self, given: Map<String, Value>, there: &Map<String, Value>) -> Result<(), Error> {
        // In the order of the table, and then what is none.
        let mut given: Vec<(String, Value)> = given.into_iter().collect();
        given.sort_by_key(|(key, _)| KEYS.iter().position(|k| k.name == key).unwrap_or(KEYS.len()));
        for (key, value) in given {
            if there.get(&key) == Some(&value) {
                continue;
            }
            let home = &self.app.home;
            let tried = match self.dry_run {
                true => home.try_setting(&key, &value),
                false => home.change_setting((&key, &value, None), (self.who, now())),
            };
            match tried {
                Ok(()) => self.note("setting", &key, "set", value.to_string()),
                Err(Refused::Value(_, why) | Refused::Pinned(why)) => self.note("setting", &key, "refused", why.to_string()),
                Err(Refused::Catalog(e)) => return Err(e),
            }
        }
        Ok(())
    }
}

fn text_of(u: &KeptUser) -> String {
    format!("{}{}", u.role, if u.disabled { ", disabled" } else { "" })
}
