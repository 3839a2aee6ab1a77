//! What needs a person.

use crate::api::assets::id_text;
use crate::api::{instant, limit, parted, time_text};
use crate::app::{App, Change, language};
use crate::error::{Answer, Refusal};
use crate::person::{Analyst, Viewer};
use crate::words;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use vigie_base::{Cidr, Ip, Sentence, Time};
use vigie_case::{Severity, TellCase};
use vigie_catalog::{CaseChange, CaseFilter, CaseSort, Catalog, Error, State as Stage, TrailRow as Kept, Verdict};
use vigie_detect::registry::template;
use vigie_detect::{Entity, Finding, Lang, Value};

/// Cases of a page at most.
const PAGE_MAX: usize = 500;
/// Cases changed at once at most.
const BULK_MAX: usize = 500;

/// A case in a list.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct CaseRow {
    pub(crate) id: String,
    pub(crate) dataset: String,
    pub(crate) title: String,
    /// What happened, in one line an alert; the first.
    pub(crate) summary: String,
    /// `low`, `medium`, `high` or `critical`.
    pub(crate) severity: &'static str,
    /// The sum of the reasons' points.
    pub(crate) score: u32,
    pub(crate) reasons: Vec<Reason>,
    /// `new`, `acknowledged`, `in_progress` or `closed`.
    pub(crate) state: &'static str,
    /// Of a closed case: `true_positive`, `benign`, `test` or `duplicate`; `resolved` where it closed by itself.
    pub(crate) verdict: Option<&'static str>,
    pub(crate) owner: Option<String>,
    pub(crate) detectors: Vec<&'static str>,
    /// ATT&CK.
    pub(crate) techniques: Vec<&'static str>,
    pub(crate) entities: Vec<Who>,
    pub(crate) first_seen: String,
    pub(crate) last_seen: String,
    pub(crate) alert_count: u64,
    /// The exclusion that hides all that opened it.
    pub(crate) excluded_by: Option<i64>,
    /// Grows with every change: a change names the version that it was made of.
    pub(crate) version: u64,
}

impl CaseRow {
    /// Sixteen hexadecimal digits.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// A part of the score.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Reason {
    pub(crate) key: String,
    pub(crate) points: u32,
    pub(crate) text: String,
}

/// A machine in a case.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Who {
    /// `attacker`, `victim`, `client`, `server` or `subject`.
    pub(crate) role: &'static str,
    /// An address, or a network of many.
    pub(crate) ip: Option<String>,
    pub(crate) mac: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) asset_id: Option<String>,
}

/// A case as a report.
#[derive(Serialize, ToSchema)]
pub(crate) struct CaseReport {
    #[serde(flatten)]
    pub(crate) row: CaseRow,
    pub(crate) story: String,
    pub(crate) innocent: String,
    pub(crate) checks: Vec<String>,
    pub(crate) actions: Vec<String>,
    pub(crate) alerts: Vec<Alert>,
    timeline: Vec<Step>,
    pub(crate) trail: Vec<TrailRow>,
}

/// An alert of a case.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alert {
    pub(crate) id: String,
    pub(crate) detector: String,
    pub(crate) count: u64,
    pub(crate) first_seen: String,
    pub(crate) last_seen: String,
    pub(crate) summary: String,
    pub(crate) entities: Vec<Who>,
    /// The port that it is about, where it is about one.
    pub(crate) port: Option<u16>,
    /// Flows behind it: some of them, where there are many.
    pub(crate) evidence: Vec<String>,
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

/// What an alert did, from each who acts to those who are acted on. A machine of a network that the alert names is no step of its own.
fn steps(alert: &Alert, finding: &Finding, lang: Lang) -> Vec<Step> {
    let side = |w: &Who| w.ip.clone().map(|ip| Side { ip, name: w.name.clone() });
    let (acts, others): (Vec<&Who>, Vec<&Who>) = alert.entities.iter().partition(|w| matches!(w.role, "attacker" | "client" | "subject"));
    let nets: Vec<Cidr> = finding.entities.iter().filter_map(|e| e.net).collect();
    let is_within = |w: &Who| w.ip.as_ref().and_then(|ip| ip.parse::<Ip>().ok()).is_some_and(|ip| nets.iter().any(|n| n.contains(ip)));
    let to: Vec<Side> = others.into_iter().filter(|w| !is_within(w)).filter_map(side).take(STEPS_MAX).collect();
    let list = |name: &str| match finding.param(name) {
        Some(Value::List(each)) => each.as_slice(),
        _ => &[],
    };
    let number = |name: &str, n: usize| list(name).get(n).and_then(|v| v.parse::<u64>().ok());
    let protocols = list("protocols").join(", ");
    let mut steps = Vec::new();
    for (n, who) in acts.iter().enumerate() {
        let Some(from) = side(who) else { continue };
        // Where several act, each did a part.
        let part = number("each", n).filter(|_| acts.len() > 1);
        let (ts, what, flow_id) = match part {
            None => (alert.first_seen.clone(), alert.summary.clone(), alert.evidence.first().cloned()),
            Some(count) => (
                number("each_first", n).map_or_else(|| alert.first_seen.clone(), |ns| time_text(Time(ns))),
                words::cleartext(lang, count, &protocols),
                number("each_flow", n).filter(|flow| *flow != 0).map(|flow| flow.to_string()),
            ),
        };
        steps.extend(to.iter().map(|to| Step {
            ts: ts.clone(),
            from: from.clone(),
            to: to.clone(),
            what: what.clone(),
            flow_id: flow_id.clone(),
        }));
    }
    steps.truncate(STEPS_MAX);
    steps
}

/// A comment, or a change.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrailRow {
    pub(crate) ts: String,
    pub(crate) who: String,
    /// `comment`, `state`, `verdict`, `owner`, `opened`, `reopened`, `exclusion` or `exclusion_removed`.
    pub(crate) action: String,
    /// Of a comment, or what reopened the case, or why it is normal.
    pub(crate) text: Option<String>,
    /// The new state, verdict or owner; when an exclusion ends.
    pub(crate) to: Option<String>,
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

/// A case with all that its page tells. Errors: those of the catalog.
fn report(c: &Catalog, id: &str, dataset: Option<&str>, lang: Lang) -> Result<Option<CaseReport>, Error> {
    let Some(kept) = c.case(id, dataset)? else { return Ok(None) };
    report_of(c, &kept, lang).map(Some)
}

/// See [`report`].
pub(crate) fn report_of(c: &Catalog, kept: &vigie_catalog::CaseRow, lang: Lang) -> Result<CaseReport, Error> {
    let (row, told) = tell(c, kept, lang)?;
    let (mut alerts, mut timeline) = (Vec::new(), Vec::new());
    if let (Ok(case), Some(told)) = (&kept.case, &told) {
        for (a, summary) in case.alerts.iter().zip(&told.summaries) {
            let f = &a.finding;
            let alert = Alert {
                id: a.id.clone(),
                detector: f.detector.to_owned(),
                count: f.count,
                first_seen: time_text(f.first),
                last_seen: time_text(f.last),
                summary: summary.clone(),
                entities: f.entities.iter().map(|e| who(c, &kept.dataset, e, f.last)).collect::<Result<_, _>>()?,
                port: match f.param("port") {
                    Some(Value::Port(p)) => Some(*p),
                    _ => None,
                },
                evidence: f.evidence.iter().map(ToString::to_string).collect(),
            };
            timeline.extend(steps(&alert, f, lang));
            alerts.push(alert);
        }
    }
    let rows = c.trail(&kept.id, Some(&kept.dataset))?;
    let exclusions = if rows.iter().any(|r| r.kind.starts_with("exclusion")) { c.exclusions(true)? } else { Vec::new() };
    let trail = rows.into_iter().map(|row| trail(row, &exclusions)).collect();
    let (story, innocent, checks, actions) = told.map(|t| (t.story, t.innocent, t.checks, t.actions)).unwrap_or_default();
    timeline.sort_by(|a: &Step, b| a.ts.cmp(&b.ts));
    Ok(CaseReport { row, story, innocent, checks, actions, alerts, timeline, trail })
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

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_detect::{Phase, Role};
    use vigie_event::Envelope;

    fn told(entities: &[(&'static str, &str)], params: Vec<(&'static str, Value)>) -> Vec<(String, String, String)> {
        let roles = |name: &str| Role::of(name).unwrap();
        let finding = Finding {
            detector: "scan",
            key: 1,
            phase: Phase::Open,
            template: "horizontal",
            params,
            entities: entities
                .iter()
                .map(|(role, at)| match at.parse::<Ip>() {
                    Ok(ip) => Entity::ip(roles(role), ip),
                    Err(_) => Entity::net(roles(role), at.parse().unwrap()),
                })
                .collect(),
            reasons: Vec::new(),
            count: 1,
            evidence: vec![7],
            first: Time(0),
            last: Time(0),
            opens_case: true,
            env: Envelope::default(),
        };
        let who = |(role, at): &(&'static str, &str)| Who { role, ip: Some((*at).to_owned()), mac: None, name: None, asset_id: None };
        let alert = Alert {
            id: String::new(),
            detector: String::new(),
            count: 1,
            first_seen: String::new(),
            last_seen: String::new(),
            summary: "all".to_owned(),
            entities: entities.iter().map(who).collect(),
            port: None,
            evidence: vec!["7".to_owned()],
        };
        steps(&alert, &finding, Lang::En).into_iter().map(|s| (s.from.ip, s.to.ip, s.what)).collect()
    }

    #[test]
    fn a_sweep_goes_to_its_network_and_each_client_has_its_own_arrow() {
        let step = |from: &str, to: &str, what: &str| (from.to_owned(), to.to_owned(), what.to_owned());
        let sweep = told(&[("attacker", "10.0.9.9"), ("victim", "10.0.0.7"), ("victim", "10.0.0.0/23")], Vec::new());
        assert_eq!(sweep, [step("10.0.9.9", "10.0.0.0/23", "all")]);
        let texts = |all: &[&str]| Value::List(all.iter().map(|t| (*t).to_owned()).collect());
        let clear = told(
            &[("server", "10.0.0.7"), ("client", "10.0.0.8"), ("client", "10.0.0.9")],
            vec![("protocols", texts(&["FTP"])), ("each", texts(&["5", "54"]))],
        );
        let of = |n| words::cleartext(Lang::En, n, "FTP");
        assert_eq!(clear, [step("10.0.0.8", "10.0.0.7", &of(5)), step("10.0.0.9", "10.0.0.7", &of(54))]);
        assert_eq!(told(&[("server", "10.0.0.7"), ("client", "10.0.0.8")], Vec::new()), [step("10.0.0.8", "10.0.0.7", "all")]);
    }
}
