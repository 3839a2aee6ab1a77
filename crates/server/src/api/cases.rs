//! What needs a person.

use crate::api::assets::id_text;
use crate::api::rows::quoted;
use crate::api::{attachment, instant, limit, parted, time_text};
use crate::app::{App, Change, language};
use crate::error::{Answer, Refusal};
use crate::person::{Analyst, Viewer};
use crate::words;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_base::{Sentence, Time};
use vigie_case::{Severity, TellCase};
use vigie_catalog::{CaseChange, CaseFilter, CaseSort, Catalog, Error, State as Stage, TrailRow as Kept, Verdict};
use vigie_detect::registry::template;
use vigie_detect::{Entity, Lang};
use vigie_store::{Form, SqlLimits};

/// Cases of a page at most.
const PAGE_MAX: usize = 500;
/// Cases changed at once at most.
const BULK_MAX: usize = 500;

/// A case in a list.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct CaseRow {
    id: String,
    dataset: String,
    pub(crate) title: String,
    /// What happened, in one line an alert; the first.
    summary: String,
    /// `low`, `medium`, `high` or `critical`.
    pub(crate) severity: &'static str,
    /// The sum of the reasons' points.
    score: u32,
    reasons: Vec<Reason>,
    /// `new`, `acknowledged`, `in_progress` or `closed`.
    state: &'static str,
    /// Of a closed case: `true_positive`, `benign`, `test` or `duplicate`; `resolved` where it closed by itself.
    pub(crate) verdict: Option<&'static str>,
    owner: Option<String>,
    detectors: Vec<&'static str>,
    /// ATT&CK.
    techniques: Vec<&'static str>,
    entities: Vec<Who>,
    first_seen: String,
    last_seen: String,
    alert_count: u64,
    /// The exclusion that hides all that opened it.
    excluded_by: Option<i64>,
    /// Grows with every change: a change names the version that it was made of.
    version: u64,
}

impl CaseRow {
    /// Sixteen hexadecimal digits.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// A part of the score.
#[derive(Clone, Serialize, ToSchema)]
struct Reason {
    key: String,
    points: u32,
    text: String,
}

/// A machine in a case.
#[derive(Clone, Serialize, ToSchema)]
struct Who {
    /// `attacker`, `victim`, `client`, `server` or `subject`.
    role: &'static str,
    /// An address, or a network of many.
    ip: Option<String>,
    mac: Option<String>,
    name: Option<String>,
    asset_id: Option<String>,
}

/// A case as a report.
#[derive(Serialize, ToSchema)]
pub(crate) struct CaseReport {
    #[serde(flatten)]
    row: CaseRow,
    story: String,
    innocent: String,
    checks: Vec<String>,
    actions: Vec<String>,
    alerts: Vec<Alert>,
    timeline: Vec<Step>,
    trail: Vec<TrailRow>,
}

/// An alert of a case.
#[derive(Serialize, ToSchema)]
struct Alert {
    id: String,
    detector: String,
    count: u64,
    first_seen: String,
    last_seen: String,
    summary: String,
    entities: Vec<Who>,
    /// The port that it is about, where it is about one.
    port: Option<u16>,
    /// Flows behind it: some of them, where there are many.
    evidence: Vec<String>,
}

/// Who touched whom, in order of time.
#[derive(Serialize, ToSchema)]
struct Step {
    ts: String,
    from: Side,
    to: Side,
    what: String,
    /// The first flow behind it.
    flow_id: Option<String>,
}

/// A machine at one end of a step.
#[derive(Clone, Serialize, ToSchema)]
struct Side {
    ip: String,
    name: Option<String>,
}

/// Steps told of one alert: a sweep touches many.
const STEPS_MAX: usize = 8;

/// What an alert did, from who acts to those who are acted on.
fn steps(alert: &Alert) -> Vec<Step> {
    let side = |w: &Who| w.ip.clone().map(|ip| Side { ip, name: w.name.clone() });
    let (acts, others): (Vec<&Who>, Vec<&Who>) = alert.entities.iter().partition(|w| matches!(w.role, "attacker" | "client" | "subject"));
    let Some(from) = acts.first().and_then(|w| side(w)) else { return Vec::new() };
    let to = others.into_iter().filter_map(side).take(STEPS_MAX);
    let step = |to| Step {
        ts: alert.first_seen.clone(),
        from: from.clone(),
        to,
        what: alert.summary.clone(),
        flow_id: alert.evidence.first().cloned(),
    };
    to.map(step).collect()
}

/// A comment, or a change.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrailRow {
    ts: String,
    who: String,
    /// `comment`, `state`, `verdict`, `owner`, `opened`, `reopened`, `exclusion` or `exclusion_removed`.
    action: String,
    /// Of a comment, or what reopened the case, or why it is normal.
    text: Option<String>,
    /// The new state, verdict or owner; when an exclusion ends.
    to: Option<String>,
}

/// `exclusions`: those that the trail may name.
fn trail(row: Kept, exclusions: &[vigie_catalog::Exclusion]) -> TrailRow {
    let (text, to) = match row.kind.as_str() {
        "state" | "verdict" | "owner" => (None, Some(row.text)),
        "exclusion" | "exclusion_removed" => {
            let named = row.text.parse().ok().and_then(|id: i64| exclusions.iter().find(|x| x.id == id));
            named.map_or((None, None), |x| (Some(x.reason.clone()), x.expires.map(time_text)))
        }
        _ => (Some(row.text), None),
    };
    TrailRow { ts: time_text(row.at), who: row.who, action: row.kind, text, to }
}

/// An entity, with what is known of the machine that it means.
fn who(catalog: &Catalog, dataset: &str, e: &Entity, at: Time) -> Result<Who, Error> {
    let known = catalog.machine(dataset, e.mac, e.ip, at)?;
    Ok(Who {
        role: e.role.name(),
        ip: e.ip.map(|ip| ip.to_string()).or_else(|| e.net.map(|n| n.to_string())),
        mac: e.mac.or_else(|| known.as_ref().and_then(|m| m.mac)).map(|m| m.to_string()),
        asset_id: known.as_ref().map(|m| id_text(m.id)),
        name: known.map(|m| m.name).or_else(|| e.name.clone()),
    })
}

/// A case in a reader's words, with what a report of it needs beside.
pub(crate) fn tell(catalog: &Catalog, kept: &vigie_catalog::CaseRow, lang: Lang) -> Result<(CaseRow, Option<TellCase>), Error> {
    let mut row = CaseRow {
        id: kept.id.clone(),
        dataset: kept.dataset.clone(),
        title: String::new(),
        summary: String::new(),
        severity: kept.severity.name(),
        score: kept.score,
        reasons: Vec::new(),
        state: kept.state.name(),
        verdict: kept.verdict.map(Verdict::name),
        owner: Some(kept.owner.clone()).filter(|o| !o.is_empty()),
        detectors: Vec::new(),
        techniques: Vec::new(),
        entities: Vec::new(),
        first_seen: time_text(kept.first),
        last_seen: time_text(kept.last),
        alert_count: kept.alerts,
        excluded_by: kept.excluded_by,
        version: kept.version,
    };
    let case = match &kept.case {
        Ok(case) => case,
        Err(why) => {
            row.title.clone_from(&kept.id);
            row.summary.clone_from(why);
            return Ok((row, None));
        }
    };
    let told = TellCase::of(case, lang);
    row.title.clone_from(&told.title);
    row.summary = told.summaries.first().cloned().unwrap_or_default();
    row.reasons = told.reasons.iter().map(|r| Reason { key: r.key.to_owned(), points: r.points, text: r.text.clone() }).collect();
    row.detectors = case.detectors();
    for technique in case.alerts.iter().filter_map(|a| template(&a.finding)).flat_map(|t| t.techniques) {
        if !row.techniques.contains(technique) {
            row.techniques.push(technique);
        }
    }
    row.entities = case.entities().iter().map(|e| who(catalog, &kept.dataset, e, kept.last)).collect::<Result<_, _>>()?;
    Ok((row, Some(told)))
}

/// Which cases.
#[derive(Clone, Deserialize, IntoParams)]
pub(crate) struct CaseQuery {
    dataset: Option<String>,
    /// Parted by commas; any without.
    state: Option<String>,
    severity: Option<String>,
    /// A name; `none` for nobody's.
    owner: Option<String>,
    /// Words of the title, detectors, addresses or names.
    q: Option<String>,
    /// `true`: those too that an exclusion hides; an exclusion's number: those alone of which it hides something. Without: none of them.
    excluded: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// `score`, `last_seen`, `first_seen` or `state`; with `-` the highest first. `-score` by default.
    sort: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    /// `fr` or `en`.
    lang: Option<String>,
}

/// A page of cases.
#[derive(Serialize, ToSchema)]
pub(crate) struct CasePage {
    items: Vec<CaseRow>,
    next: Option<String>,
    total: u64,
}

fn stage(name: &str) -> Answer<Stage> {
    Stage::of(name).ok_or_else(|| Refusal::parameter("state", "a state is new, acknowledged, in_progress or closed"))
}

fn verdict(name: &str) -> Answer<Verdict> {
    Verdict::of(name)
        .filter(|v| Verdict::GIVEN.contains(v))
        .ok_or_else(|| Refusal::parameter("verdict", "a verdict is true_positive, benign, test or duplicate"))
}

fn severity(name: &str) -> Answer<Severity> {
    let all = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    all.into_iter().find(|s| s.name() == name).ok_or_else(|| Refusal::parameter("severity", "a severity is low, medium, high or critical"))
}

impl CaseQuery {
    fn read(&self) -> Answer<CaseFilter> {
        let sort = self.sort.as_deref().unwrap_or("-score");
        let (ascending, key) = sort.strip_prefix('-').map_or((true, sort), |key| (false, key));
        let sort = match key {
            "score" => CaseSort::Score,
            "last_seen" => CaseSort::LastSeen,
            "first_seen" => CaseSort::FirstSeen,
            "state" => CaseSort::State,
            _ => return Err(Refusal::parameter("sort", "sort is score, last_seen, first_seen or state, with `-` the highest first")),
        };
        let (excluded, hidden_by) = match self.excluded.as_deref() {
            None | Some("false") => (false, None),
            Some("true") => (true, None),
            Some(id) => {
                let id = id.parse().map_err(|_| Refusal::parameter("excluded", "excluded is true, false or an exclusion's number"))?;
                (true, Some(id))
            }
        };
        Ok(CaseFilter {
            excluded,
            hidden_by,
            dataset: self.dataset.clone(),
            states: parted(self.state.as_deref()).into_iter().map(stage).collect::<Answer<_>>()?,
            severities: parted(self.severity.as_deref()).into_iter().map(severity).collect::<Answer<_>>()?,
            owner: self.owner.as_deref().map(|o| if o == "none" { String::new() } else { o.to_owned() }),
            text: self.q.clone(),
            from: instant("from", self.from.as_deref())?,
            until: instant("to", self.to.as_deref())?,
            sort,
            ascending,
            cursor: self.cursor.clone(),
            limit: limit(self.limit, 100, PAGE_MAX)? as u32,
            ..CaseFilter::default()
        })
    }
}

/// A page of cases
#[utoipa::path(get, path = "/cases", tag = "cases", extensions(("x-role" = json!("viewer"))), params(CaseQuery), responses((status = 200, body = CasePage)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Query(q): Query<CaseQuery>,
) -> Answer<Json<CasePage>> {
    let (filter, lang) = (q.read()?, language(q.lang.as_deref(), &headers));
    let page = app
        .catalog(move |c, _| {
            let page = c.cases(&filter)?;
            let items = page.rows.iter().map(|r| tell(c, r, lang).map(|t| t.0)).collect::<Result<_, _>>()?;
            Ok(CasePage { items, next: page.next, total: page.total })
        })
        .await?;
    let asked = format!("cases q={} state={}", q.q.as_deref().unwrap_or_default(), q.state.as_deref().unwrap_or_default());
    app.read_by(&who, &headers, asked, page.items.len()).await?;
    Ok(Json(page))
}

/// Of which dataset, where several have the case; in which language.
#[derive(Clone, Deserialize, IntoParams)]
pub(crate) struct CaseAt {
    pub(crate) dataset: Option<String>,
    lang: Option<String>,
}

/// A case as a report
#[utoipa::path(get, path = "/cases/{id}", tag = "cases", extensions(("x-role" = json!("viewer"))), params(("id" = String, Path), CaseAt),
    responses((status = 200, body = CaseReport), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Viewer(person): Viewer,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(at): Query<CaseAt>,
) -> Answer<Json<CaseReport>> {
    let lang = language(at.lang.as_deref(), &headers);
    let asked = format!("case {id}");
    let report = app.catalog(move |c, _| report(c, &id, at.dataset.as_deref(), lang)).await?.ok_or_else(|| Refusal::not_found("case"))?;
    app.read_by(&person, &headers, asked, 1).await?;
    Ok(Json(report))
}

fn report(c: &Catalog, id: &str, dataset: Option<&str>, lang: Lang) -> Result<Option<CaseReport>, Error> {
    let Some(kept) = c.case(id, dataset)? else { return Ok(None) };
    let (row, told) = tell(c, &kept, lang)?;
    let mut alerts = Vec::new();
    if let (Ok(case), Some(told)) = (&kept.case, &told) {
        for (a, summary) in case.alerts.iter().zip(&told.summaries) {
            let f = &a.finding;
            alerts.push(Alert {
                id: a.id.clone(),
                detector: f.detector.to_owned(),
                count: f.count,
                first_seen: time_text(f.first),
                last_seen: time_text(f.last),
                summary: summary.clone(),
                entities: f.entities.iter().map(|e| who(c, &kept.dataset, e, f.last)).collect::<Result<_, _>>()?,
                port: match f.param("port") {
                    Some(vigie_detect::Value::Port(p)) => Some(*p),
                    _ => None,
                },
                evidence: f.evidence.iter().map(ToString::to_string).collect(),
            });
        }
    }
    let rows = c.trail(&kept.id, Some(&kept.dataset))?;
    let exclusions = if rows.iter().any(|r| r.kind.starts_with("exclusion")) { c.exclusions(true)? } else { Vec::new() };
    let trail = rows.into_iter().map(|row| trail(row, &exclusions)).collect();
    let (story, innocent, checks, actions) = told.map(|t| (t.story, t.innocent, t.checks, t.actions)).unwrap_or_default();
    let mut timeline: Vec<Step> = alerts.iter().flat_map(steps).collect();
    timeline.sort_by(|a, b| a.ts.cmp(&b.ts));
    Ok(Some(CaseReport { row, story, innocent, checks, actions, alerts, timeline, trail }))
}

/// What is to change.
#[derive(Clone, Deserialize, ToSchema)]
pub(crate) struct Changed {
    /// The version that the change was made of; another one is a conflict.
    version: Option<u64>,
    state: Option<String>,
    /// Closing needs one.
    verdict: Option<String>,
    /// A name; empty for nobody.
    owner: Option<String>,
}

impl Changed {
    fn read(&self) -> Answer<CaseChange> {
        Ok(CaseChange {
            state: self.state.as_deref().map(stage).transpose()?,
            verdict: self.verdict.as_deref().map(verdict).transpose()?,
            owner: self.owner.clone(),
            expected_version: self.version,
        })
    }
}

/// Change a case's state, verdict or owner
#[utoipa::path(patch, path = "/cases/{id}", tag = "cases", extensions(("x-role" = json!("analyst"))), params(("id" = String, Path), CaseAt), request_body = Changed,
    responses((status = 200, body = CaseRow), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(at): Query<CaseAt>,
    Json(change): Json<Changed>,
) -> Answer<Json<CaseRow>> {
    let (wanted, lang) = (change.read()?, language(at.lang.as_deref(), &headers));
    let changed = app
        .catalog(move |c, now| match c.change_case(&id, at.dataset.as_deref(), &wanted, &who.name, now) {
            Ok(row) => {
                let detail = json!({"state": row.state.name(), "verdict": row.verdict.map(Verdict::name), "owner": row.owner});
                c.audit(&who.name, "case.change", &id, &detail, now)?;
                Ok(Ok(tell(c, &row, lang)?.0))
            }
            Err(e @ Error::Conflict(_)) => {
                let Error::Conflict(row) = &e else { return Err(e) };
                let row = tell(c, row, lang)?.0;
                Ok(Err((e, row)))
            }
            Err(e) => Err(e),
        })
        .await?;
    match changed {
        Ok(row) => {
            app.changes.tell(Change::Cases);
            Ok(Json(row))
        }
        Err((e, row)) => Err(Refusal::from(e).showing(serde_json::to_value(row).ok())),
    }
}

/// A comment.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewComment {
    text: String,
}

/// Comment on a case
#[utoipa::path(post, path = "/cases/{id}/comments", tag = "cases", extensions(("x-role" = json!("analyst"))), params(("id" = String, Path), CaseAt), request_body = NewComment,
    responses((status = 201, body = TrailRow), (status = 404, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub(crate) async fn comment(
    State(app): State<Arc<App>>,
    Analyst(who): Analyst,
    Path(id): Path<String>,
    Query(at): Query<CaseAt>,
    Json(comment): Json<NewComment>,
) -> Answer<(StatusCode, Json<TrailRow>)> {
    let row = app
        .catalog(move |c, now| {
            let row = c.comment(&id, at.dataset.as_deref(), &comment.text, &who.name, now)?;
            c.audit(&who.name, "case.comment", &id, &serde_json::Value::Null, now)?;
            Ok(row)
        })
        .await?;
    app.changes.tell(Change::Cases);
    Ok((StatusCode::CREATED, Json(trail(row, &[]))))
}

/// The same change of many cases.
#[derive(Deserialize, ToSchema)]
pub(crate) struct BulkChange {
    ids: Vec<String>,
    dataset: Option<String>,
    state: Option<String>,
    verdict: Option<String>,
    owner: Option<String>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct BulkDone {
    changed: usize,
    /// Those that could not be changed.
    conflicts: Vec<String>,
}

/// Change many cases at once
#[utoipa::path(post, path = "/cases/bulk", tag = "cases", extensions(("x-role" = json!("analyst"))), request_body = BulkChange, responses((status = 200, body = BulkDone), (status = 400, body = crate::error::ErrorBody)))]
pub(crate) async fn bulk(State(app): State<Arc<App>>, Analyst(who): Analyst, Json(bulk): Json<BulkChange>) -> Answer<Json<BulkDone>> {
    if bulk.ids.len() > BULK_MAX {
        return Err(Refusal::parameter("ids", format!("at most {BULK_MAX} cases at once")));
    }
    let wanted = Changed { version: None, state: bulk.state, verdict: bulk.verdict, owner: bulk.owner }.read()?;
    if wanted.state == Some(Stage::Closed) && wanted.verdict.is_none() {
        return Err(Refusal::unprocessable(
            "refused",
            Sentence::new("close_verdict", "closing a case needs a verdict: true_positive, benign, test or duplicate"),
        ));
    }
    let done = app
        .catalog(move |c, now| {
            let mut done = BulkDone { changed: 0, conflicts: Vec::new() };
            for id in bulk.ids {
                match c.change_case(&id, bulk.dataset.as_deref(), &wanted, &who.name, now) {
                    Ok(_) => done.changed += 1,
                    Err(Error::Refused(_) | Error::Missing(_) | Error::Conflict(_)) => done.conflicts.push(id),
                    Err(e) => return Err(e),
                }
            }
            c.audit(&who.name, "case.bulk", "", &json!({"changed": done.changed, "conflicts": done.conflicts}), now)?;
            Ok(done)
        })
        .await?;
    app.changes.tell(Change::Cases);
    Ok(Json(done))
}

/// Which file.
#[derive(Clone, Deserialize, IntoParams)]
pub(crate) struct FileOf {
    dataset: Option<String>,
    lang: Option<String>,
}

/// A case as one page that needs nothing beside it
#[utoipa::path(get, path = "/cases/{id}/export", tag = "cases", extensions(("x-role" = json!("viewer"))), params(("id" = String, Path), FileOf),
    responses((status = 200, content_type = "text/html", body = String), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(of): Query<FileOf>,
) -> Answer<Response> {
    let lang = language(of.lang.as_deref(), &headers);
    let asked = format!("case {id} export");
    let name = format!("case-{}.html", id.chars().filter(char::is_ascii_alphanumeric).take(16).collect::<String>());
    let report = app.catalog(move |c, _| report(c, &id, of.dataset.as_deref(), lang)).await?.ok_or_else(|| Refusal::not_found("case"))?;
    app.read_by(&who, &headers, asked, 1).await?;
    attachment("text/html; charset=utf-8", &name, page(&report, lang).into_bytes())
}

/// Text as HTML shows it.
fn safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn page(report: &CaseReport, lang: Lang) -> String {
    let row = &report.row;
    let title = |key| format!("<h2>{}</h2>\n", words::heading(lang, key));
    let list = |items: &[String]| format!("<ul>{}</ul>\n", items.iter().map(|i| format!("<li>{}</li>", safe(i))).collect::<String>());
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{}</title>\n<style>body{{font:16px/1.5 system-ui,sans-serif;\
         max-width:46rem;margin:2rem auto;padding:0 1rem}}td{{padding:.1rem 1rem .1rem 0;vertical-align:top}}code{{font-size:.9em}}</style></head><body>\n\
         <h1>{}</h1>\n<p>{} &middot; {} &middot; {} &ndash; {} (UTC) &middot; <code>{}</code></p>\n",
        if lang == Lang::Fr { "fr" } else { "en" },
        safe(&row.title),
        safe(&row.title),
        words::severity(lang, row.severity),
        row.score,
        row.first_seen,
        row.last_seen,
        row.id
    );
    let verdict = row.verdict.map_or(String::new(), |v| format!(" &middot; {}", words::verdict(lang, v)));
    let owner = row.owner.as_ref().map_or(String::new(), |o| format!(" &middot; {}", safe(o)));
    out += &format!("<p>{}{verdict}{owner}</p>\n", words::state(lang, row.state));
    out += &format!("{}<p>{}</p>\n", title("story"), safe(&report.story));
    out += &title("reasons");
    out += "<table>";
    row.reasons.iter().for_each(|r| out += &format!("<tr><td>+{}</td><td>{}</td></tr>", r.points, safe(&r.text)));
    out += &format!("</table>\n{}<p>{}</p>\n", title("innocent"), safe(&report.innocent));
    out += &format!("{}{}{}{}", title("checks"), list(&report.checks), title("actions"), list(&report.actions));
    out += &title("who");
    out += "<table>";
    for e in &row.entities {
        let of = |text: &Option<String>| safe(text.as_deref().unwrap_or_default());
        out += &format!(
            "<tr><td>{}</td><td><code>{}</code></td><td><code>{}</code></td><td>{}</td></tr>",
            words::role(lang, e.role),
            of(&e.ip),
            of(&e.mac),
            of(&e.name)
        );
    }
    out += &format!("</table>\n{}", title("alerts"));
    let alerts: Vec<String> = report.alerts.iter().map(|a| format!("{}: {} ({})", a.first_seen, a.summary, a.count)).collect();
    out += &format!("{}{}<table>", list(&alerts), title("trail"));
    for t in &report.trail {
        let to = t.to.as_deref().map(|to| match t.action.as_str() {
            "state" => words::state(lang, to),
            "verdict" => words::verdict(lang, to),
            _ => to,
        });
        let said = t.text.as_deref().or(to).unwrap_or_default();
        let action = words::action(lang, &t.action);
        out += &format!("<tr><td>{}</td><td>{}</td><td>{action}</td><td>{}</td></tr>", t.ts, safe(&t.who), safe(said));
    }
    out += "</table>\n</body></html>\n";
    out
}

/// Flows of a case in its file at most.
const FLOWS_MAX: usize = 50_000;

/// The flows that a case is about, as SQL: those that its alerts name, and all between who acts and who is acted on, in its time. With the
/// pairs of machines beyond [`PAIRS_MAX`], which are not asked for.
pub(crate) fn flows_of(case: &vigie_case::Case) -> (String, usize) {
    let evidence: BTreeSet<u64> = case.alerts.iter().flat_map(|a| &a.finding.evidence).copied().collect();
    // Equality lets the store pass over files; a network must be asked of every row.
    let side = |e: &Entity| match (e.ip, e.net) {
        (Some(ip), _) => Some(["src_ip", "dest_ip"].map(|end| format!("{end} = {}", quoted(&ip.to_string())))),
        (None, Some(net)) => Some(["src_ip", "dest_ip"].map(|end| format!("in_network({end}, {})", quoted(&net.to_string())))),
        (None, None) => None,
    };
    let mut pairs = BTreeSet::new();
    for f in case.alerts.iter().map(|a| &a.finding) {
        let Some((acts, others)) = f.entities.split_first() else { continue };
        let Some(acts) = side(acts) else { continue };
        let port = match f.param("port") {
            Some(vigie_detect::Value::Port(p)) => Some(*p),
            _ => None,
        };
        pairs.extend(others.iter().filter_map(side).map(|other| (acts.clone(), other, port)));
    }
    let mut any: Vec<String> = Vec::new();
    if !evidence.is_empty() {
        any.push(format!("flow_id IN ({})", evidence.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    }
    for (a, b, port) in pairs.iter().take(PAIRS_MAX) {
        let port = port.map_or(String::new(), |p| format!(" AND dest_port = {p}"));
        any.push(format!("({} AND {}{port})", a[0], b[1]));
        any.push(format!("({} AND {}{port})", b[0], a[1]));
    }
    let sql = if any.is_empty() { "false".to_owned() } else { any.join(" OR ") };
    (sql, pairs.len().saturating_sub(PAIRS_MAX))
}

/// Pairs of machines of a case whose flows are looked for at most.
const PAIRS_MAX: usize = 200;
/// A flow is told at its end: how long after a case's last sign it may still be, in seconds.
const TOLD_LATE: u64 = 3600;

/// The flows behind a case, as CSV
///
/// Those that its alerts name, and all others between its machines in its time, the earliest first. Where there are more than 50,000, or
/// more than 200 pairs of machines, the file's last lines say what is left out.
#[utoipa::path(get, path = "/cases/{id}/flows", tag = "cases", extensions(("x-role" = json!("viewer"))), params(("id" = String, Path), FileOf),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn flows(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(of): Query<FileOf>,
) -> Answer<Response> {
    let lang = language(of.lang.as_deref(), &headers);
    let (asked, dataset) = (id.clone(), of.dataset);
    let kept = app.catalog(move |c, _| c.case(&asked, dataset.as_deref())).await?.ok_or_else(|| Refusal::not_found("case"))?;
    let case = kept.case.map_err(|why| Refusal::unprocessable("unreadable", why))?;
    let (flows, pairs_left) = flows_of(&case);
    let sql = format!(
        "SELECT ts, flow_id, src_ip, src_port, dest_ip, dest_port, proto, app_proto, pkts_toserver, pkts_toclient, bytes_toserver, bytes_toclient, state \
         FROM flow WHERE dataset = {} AND ts >= to_timestamp_micros({}) AND ts <= to_timestamp_micros({}) AND \"start\" <= to_timestamp_micros({}) \
         AND ({}) ORDER BY ts, flow_id LIMIT {}",
        quoted(&kept.dataset),
        case.first.0 / 1_000,
        case.last.plus(TOLD_LATE * vigie_base::time::SECOND).0 / 1_000,
        case.last.0 / 1_000 + 1,
        flows,
        FLOWS_MAX + 1,
    );
    let rows = app.home.store.sql(&sql, SqlLimits { rows: FLOWS_MAX + 1 }).await?;
    let mut text = rows.text(Form::Csv);
    // A header, and a line each: no field of these holds a line's end.
    let count = text.lines().count().saturating_sub(1);
    if count > FLOWS_MAX {
        let end = text.match_indices('\n').nth(FLOWS_MAX).map_or(text.len(), |(at, _)| at + 1);
        text.truncate(end);
        text += &format!("# {}\n", words::cut(lang, FLOWS_MAX));
    }
    if pairs_left > 0 {
        text += &format!("# {}\n", words::pairs_left(lang, PAIRS_MAX, pairs_left));
    }
    app.read_by(&who, &headers, format!("case {} flows", kept.id), count.min(FLOWS_MAX)).await?;
    attachment("text/csv; charset=utf-8", &format!("case-{}-flows.csv", kept.id), text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_base::Ip;
    use vigie_case::{Alert, Case};
    use vigie_detect::{Finding, Phase, Role, Story, Value};
    use vigie_event::Envelope;

    /// A case of one alert: one machine against so many, on a port.
    fn case(victims: u8, port: Option<u16>) -> Case {
        let at = Time::from_secs(1_000);
        let mut entities = vec![Entity::ip(Role::Attacker, Ip::v4([10, 0, 0, 1]))];
        entities.extend((0..victims).map(|n| Entity::ip(Role::Victim, Ip::v4([10, 0, 1, n]))));
        let finding = Finding {
            detector: "scan",
            key: 1,
            phase: Phase::Open,
            template: "horizontal",
            params: port.map(|p| ("port", Value::Port(p))).into_iter().collect(),
            entities,
            reasons: Vec::new(),
            count: 1,
            evidence: vec![7, 8],
            first: at,
            last: at,
            opens_case: true,
            env: Envelope::default(),
        };
        let alerts = vec![Alert { id: "0".into(), finding }];
        Case { id: "0".into(), story: Story::Intrusion, alerts, more: 0, first: at, last: at }
    }

    #[test]
    fn the_flows_of_a_case_are_its_evidence_and_those_between_its_machines_in_either_direction() {
        let (sql, left) = flows_of(&case(1, Some(22)));
        let (there, back) = ("src_ip = '10.0.0.1' AND dest_ip = '10.0.1.0'", "src_ip = '10.0.1.0' AND dest_ip = '10.0.0.1'");
        assert_eq!(sql, format!("flow_id IN (7, 8) OR ({there} AND dest_port = 22) OR ({back} AND dest_port = 22)"));
        assert_eq!(left, 0);
    }

    #[test]
    fn pairs_of_machines_beyond_the_bound_are_counted() {
        let (sql, left) = flows_of(&case(250, None));
        assert_eq!((sql.matches(" AND ").count(), left), (2 * PAIRS_MAX, 50));
        assert!(words::pairs_left(Lang::Fr, PAIRS_MAX, left).contains("50 de plus"));
    }

    #[test]
    fn a_case_without_evidence_and_machines_has_no_flows() {
        let mut none = case(0, None);
        none.alerts[0].finding.evidence.clear();
        assert_eq!(flows_of(&none), ("false".to_owned(), 0));
    }
}
