//! A case as files: one page that needs nothing beside it, and the flows behind it.

use crate::api::attachment;
use crate::api::cases::{CaseReport, Who, report_of};
use crate::api::logins::{self, Success};
use crate::api::rows::quoted;
use crate::app::{App, language};
use crate::error::{Answer, Refusal};
use crate::person::Viewer;
use crate::words;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use utoipa::IntoParams;
use vigie_base::time::SECOND;
use vigie_base::{Ip, Sentence, Time};
use vigie_case::{Case, TellCase};
use vigie_detect::{Entity, Lang, Value};
use vigie_store::{Order, SqlLimits};

/// Sessions told in a report with what was done in them.
const SESSIONS_TOLD: usize = 5;
/// What is told of one session at most.
const SESSION_STEPS: usize = 30;
/// Characters of a value of an event at most.
const VALUE_MAX: usize = 200;
/// Values told of an event.
const VALUES_TOLD: usize = 5;
/// Characters of a file's name at most, its end left out.
const NAME_MAX: usize = 80;
/// Minutes by which clocks of the world are apart from UTC at most.
const ZONE_MAX: i32 = 14 * 60;

/// Which file.
#[derive(Clone, Deserialize, IntoParams)]
pub(crate) struct PageOf {
    dataset: Option<String>,
    lang: Option<String>,
    /// Minutes by which the reader's clock is ahead of UTC, -840 to 840: times are written by it; 0 without.
    zone: Option<i32>,
}

/// Which file.
#[derive(Clone, Deserialize, IntoParams)]
pub(crate) struct TableOf {
    dataset: Option<String>,
    lang: Option<String>,
    /// `comma` (default): as scripts read it; `semicolon`: as French spreadsheets read it, with a byte order mark and the names of columns in
    /// the reader's language.
    separator: Option<String>,
}

/// Text as HTML shows it.
fn safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A file's name from a title: letters and digits, without accents, as every system takes them.
fn file_name(title: &str, first_seen: &str, end: &str) -> String {
    let plain = |c: char| match c {
        'à' | 'â' | 'ä' => 'a',
        'ç' => 'c',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'î' | 'ï' => 'i',
        'ô' | 'ö' => 'o',
        'ù' | 'û' | 'ü' => 'u',
        '.' => '.',
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    let mut name = String::new();
    for c in title.chars().flat_map(char::to_lowercase).map(plain) {
        if name.len() < NAME_MAX && !(matches!(c, '-' | '.') && name.chars().last().is_none_or(|l| matches!(l, '-' | '.'))) {
            name.push(c);
        }
    }
    let day: String = first_seen.chars().take(10).filter(|c| c.is_ascii_digit() || *c == '-').collect();
    format!("{}-{day}{end}", name.trim_end_matches(['-', '.']))
}

/// How a reader writes times.
#[derive(Clone, Copy)]
struct Clock {
    lang: Lang,
    /// Minutes ahead of UTC.
    zone: i32,
}

impl Clock {
    /// Of a time as the API writes it: to the second. What is no time is as it came.
    fn of(self, text: &str) -> String {
        let Some(time) = Time::parse(text) else { return text.to_owned() };
        let there = Time(time.0.saturating_add_signed(i64::from(self.zone) * 60 * SECOND as i64)).to_string();
        match (self.lang, there.get(..10), there.get(11..19)) {
            (Lang::Fr, Some(day), Some(clock)) => format!("{}/{}/{} {clock}", &day[8..], &day[5..7], &day[..4]),
            (_, Some(day), Some(clock)) => format!("{day} {clock}"),
            _ => there,
        }
    }

    fn name(self) -> String {
        let (sign, minutes) = (if self.zone < 0 { '-' } else { '+' }, self.zone.abs());
        match (minutes / 60, minutes % 60) {
            (0, 0) => "UTC".to_owned(),
            (hours, 0) => format!("UTC{sign}{hours}"),
            (hours, rest) => format!("UTC{sign}{hours}:{rest:02}"),
        }
    }
}

/// A log-in that succeeded, and what was done in its session.
struct Session {
    login: Success,
    /// When, and what.
    steps: Vec<(String, String)>,
    more: bool,
}

/// The values that say most of an event: of files and commands those that matter, of others the first.
fn telling(event: &Json) -> Option<(String, String)> {
    let kind = event["event_type"].as_str()?;
    let about = event.get(kind)?.as_object()?;
    let wanted: &[&str] = match kind {
        "flow" | "alert" | "stats" => return None,
        "ftp" => &["command", "command_data", "completion_code", "reply"],
        "ftp_data" => &["command", "filename"],
        "fileinfo" => &["filename", "magic", "size", "sha256"],
        "http" => &["http_method", "hostname", "url", "status"],
        _ => &[],
    };
    let text = |v: &Json| -> Option<String> {
        let text = match v {
            Json::String(s) => s.clone(),
            Json::Number(n) => n.to_string(),
            Json::Array(all) => all.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" "),
            _ => return None,
        };
        Some(text.chars().take(VALUE_MAX).collect()).filter(|t: &String| !t.is_empty())
    };
    let values: Vec<String> = if wanted.is_empty() {
        about.values().filter_map(text).take(VALUES_TOLD).collect()
    } else {
        wanted.iter().filter_map(|key| about.get(*key)).filter_map(text).collect()
    };
    (!values.is_empty()).then(|| (event["timestamp"].as_str().unwrap_or_default().to_owned(), values.join(" · ")))
}

/// What was done after each log-in that succeeded, and how many sessions are left out.
async fn sessions(app: &Arc<App>, dataset: &str, case: &Case) -> Answer<(Vec<Session>, usize)> {
    let found = logins::of(app, dataset, case).await?;
    let left = found.items.len().saturating_sub(SESSIONS_TOLD);
    let mut told = Vec::new();
    for login in found.items.into_iter().take(SESSIONS_TOLD) {
        // A file goes over a flow of its own, which names the session that asked for it.
        let asked = format!("(flow_id:{0} or vigie.control_flow_id:{0})", login.flow_id);
        let query = vigie_store::Query {
            dataset: Some(dataset.to_owned()),
            filter: app.home.store.filter(&asked).map_err(Refusal::query)?,
            // What came before the log-in is left out.
            limit: 2 * SESSION_STEPS,
            order: Order::Oldest,
            ..vigie_store::Query::default()
        };
        let page = app.home.store.page(&query).await?;
        let mut steps = Vec::new();
        for row in page.rows() {
            let mut line = Vec::new();
            vigie_event::eve::write(row, &mut line);
            let event = serde_json::from_slice(&line).unwrap_or_default();
            steps.extend(telling(&event).filter(|(ts, _)| Time::parse(ts) >= Time::parse(&login.ts)));
        }
        let more = steps.len() > SESSION_STEPS || page.next.is_some();
        steps.truncate(SESSION_STEPS);
        told.push(Session { login, steps, more });
    }
    Ok((told, left))
}

/// What a page tells.
struct Told {
    report: CaseReport,
    sessions: Vec<Session>,
    sessions_left: usize,
    /// Nanoseconds by which times were moved.
    shift: i64,
    clock: Clock,
}

/// A case as one page that needs nothing beside it
#[utoipa::path(get, path = "/cases/{id}/export", tag = "cases", extensions(("x-role" = json!("viewer"))), params(("id" = String, Path), PageOf),
    responses((status = 200, content_type = "text/html", body = String), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(of): Query<PageOf>,
) -> Answer<Response> {
    let lang = language(of.lang.as_deref(), &headers);
    let zone = of.zone.unwrap_or(0);
    if zone.abs() > ZONE_MAX {
        return Err(Refusal::parameter("zone", Sentence::new("zone", "zone is from -{max} to {max} minutes").with("max", ZONE_MAX)));
    }
    let asked = format!("case {id} export");
    let found = app
        .catalog(move |c, _| {
            let Some(kept) = c.case(&id, of.dataset.as_deref())? else { return Ok(None) };
            let shift = c.dataset(&kept.dataset)?.map_or(0, |d| d.shift);
            Ok(Some((report_of(c, &kept, lang)?, kept, shift)))
        })
        .await?;
    let (report, kept, shift) = found.ok_or_else(|| Refusal::not_found("case"))?;
    let (sessions, sessions_left) = match &kept.case {
        Ok(case) => sessions(&app, &kept.dataset, case).await?,
        Err(_) => (Vec::new(), 0),
    };
    app.read_by(&who, &headers, asked, 1).await?;
    let name = file_name(&format!("{} {}", words::case(lang), report.row.title), &report.row.first_seen, ".html");
    let told = Told { report, sessions, sessions_left, shift, clock: Clock { lang, zone } };
    attachment("text/html; charset=utf-8", &name, page(&told).into_bytes())
}

fn page(told: &Told) -> String {
    let Told { report, clock, .. } = told;
    let (row, lang) = (&report.row, clock.lang);
    let title = |key| format!("<h2>{}</h2>\n", words::heading(lang, key));
    let list = |items: &[String]| format!("<ul>{}</ul>\n", items.iter().map(|i| format!("<li>{}</li>", safe(i))).collect::<String>());
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{}</title>\n<style>body{{font:16px/1.5 system-ui,sans-serif;\
         max-width:46rem;margin:2rem auto;padding:0 1rem}}td{{padding:.1rem 1rem .1rem 0;vertical-align:top}}td:first-child{{white-space:nowrap}}\
         code{{font-size:.9em;overflow-wrap:anywhere}}</style></head><body>\n\
         <h1>{}</h1>\n<p>{} &middot; {} &middot; {} &ndash; {} ({}) &middot; <code>{}</code></p>\n",
        if lang == Lang::Fr { "fr" } else { "en" },
        safe(&row.title),
        safe(&row.title),
        words::severity(lang, row.severity),
        row.score,
        clock.of(&row.first_seen),
        clock.of(&row.last_seen),
        clock.name(),
        row.id
    );
    if told.shift != 0
        && let Some(first) = Time::parse(&row.first_seen)
    {
        let original = Time(first.0.saturating_add_signed(told.shift.saturating_neg())).to_string();
        out += &format!("<p>{}</p>\n", words::shifted(lang, &safe(&row.dataset), &clock.of(&original), &clock.of(&row.first_seen)));
    }
    let verdict = row.verdict.map_or(String::new(), |v| format!(" &middot; {}", words::verdict(lang, v)));
    let owner = row.owner.as_ref().map_or(String::new(), |o| format!(" &middot; {}", safe(o)));
    out += &format!("<p>{}{verdict}{owner}</p>\n", words::state(lang, row.state));
    out += &format!("{}<p>{}</p>\n", title("story"), safe(&report.story));
    out += &after(told);
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
    out += &format!("</table>\n{}<table>", title("alerts"));
    for a in &report.alerts {
        out += &format!("<tr><td>{}</td><td>{} (&times;{})</td></tr>", clock.of(&a.first_seen), safe(&a.summary), a.count);
    }
    out += &format!("</table>\n{}<table>", title("trail"));
    for t in &report.trail {
        let to = t.to.as_deref().map(|to| match t.action.as_str() {
            "state" => words::state(lang, to).to_owned(),
            "verdict" => words::verdict(lang, to).to_owned(),
            _ => clock.of(to),
        });
        let said = t.text.clone().or(to).unwrap_or_default();
        let action = words::action(lang, &t.action);
        out += &format!("<tr><td>{}</td><td>{}</td><td>{action}</td><td>{}</td></tr>", clock.of(&t.ts), safe(&t.who), safe(&said));
    }
    out += "</table>\n</body></html>\n";
    out
}

/// What was done after the log-ins that succeeded; nothing where none did.
fn after(told: &Told) -> String {
    let Clock { lang, .. } = told.clock;
    let Some(_) = told.sessions.first() else { return String::new() };
    let mut out = format!("<h2>{}</h2>\n", words::heading(lang, "after"));
    let named = |ip: &str| {
        let known: Option<&Who> = told.report.row.entities.iter().find(|e| e.ip.as_deref() == Some(ip) && e.name.is_some());
        match known.and_then(|e| e.name.as_ref()) {
            Some(name) => format!("{} ({})", safe(name), safe(ip)),
            None => safe(ip),
        }
    };
    for s in &told.sessions {
        let user = s.login.user.as_ref().map_or(String::new(), |u| format!(" &middot; <code>{}</code>", safe(u)));
        out += &format!(
            "<h3>{} &middot; {} &rarr; {} &middot; {}{user}</h3>\n",
            told.clock.of(&s.login.ts),
            named(&s.login.from),
            named(&s.login.to),
            safe(&s.login.protocol.to_uppercase())
        );
        if s.steps.is_empty() {
            out += &format!("<p>{}</p>\n", words::nothing_read(lang));
            continue;
        }
        out += "<table>";
        s.steps
            .iter()
            .for_each(|(ts, what)| out += &format!("<tr><td>{}</td><td><code>{}</code></td></tr>", told.clock.of(ts), safe(what)));
        out += "</table>\n";
        if s.more {
            out += &format!("<p>{}</p>\n", words::session_cut(lang, SESSION_STEPS));
        }
    }
    if told.sessions_left > 0 {
        out += &format!("<p>{}</p>\n", words::sessions_left(lang, told.sessions_left));
    }
    out
}

/// Flows of a case in its file at most.
const FLOWS_MAX: usize = 50_000;

/// The flows that a case is about, as SQL: those that its alerts name, and all between who acts and who is acted on, in its time. With the
/// pairs of machines beyond [`PAIRS_MAX`], which are not asked for.
pub(crate) fn flows_of(case: &Case) -> (String, usize) {
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
            Some(Value::Port(p)) => Some(*p),
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
#[utoipa::path(get, path = "/cases/{id}/flows", tag = "cases", extensions(("x-role" = json!("viewer"))), params(("id" = String, Path), TableOf),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404, body = crate::error::ErrorBody)))]
pub(crate) async fn flows(
    State(app): State<Arc<App>>,
    Viewer(who): Viewer,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(of): Query<TableOf>,
) -> Answer<Response> {
    let lang = language(of.lang.as_deref(), &headers);
    let semicolon = match of.separator.as_deref() {
        None | Some("comma") => false,
        Some("semicolon") => true,
        Some(_) => return Err(Refusal::parameter("separator", "separator is comma or semicolon")),
    };
    let (asked, dataset) = (id.clone(), of.dataset);
    let kept = app.catalog(move |c, _| c.case(&asked, dataset.as_deref())).await?.ok_or_else(|| Refusal::not_found("case"))?;
    let case = kept.case.map_err(|why| Refusal::unprocessable("unreadable", why))?;
    let (flows, pairs_left) = flows_of(&case);
    let sql = format!(
        "SELECT ts, \"start\", flow_id, src_ip, src_port, dest_ip, dest_port, proto, app_proto, pkts_toserver, pkts_toclient, bytes_toserver, bytes_toclient, state \
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
    let rows: Vec<Map<String, Json>> = rows.objects().collect();
    let ends = rows.iter().flat_map(|row| [row.get("src_ip"), row.get("dest_ip")]).filter_map(|ip| ip?.as_str()?.parse::<Ip>().ok());
    let (ips, last, dataset): (BTreeSet<Ip>, Time, String) = (ends.collect(), case.last, kept.dataset.clone());
    let names = app.catalog(move |c, _| c.names_of(&dataset, &ips.into_iter().collect::<Vec<_>>(), last)).await?;
    let names: BTreeMap<String, String> = names.into_iter().map(|(ip, _, name)| (ip.to_string(), name)).collect();
    let mut text = table(&rows, &names, lang, semicolon);
    if rows.len() > FLOWS_MAX {
        text += &format!("# {}\n", words::cut(lang, FLOWS_MAX));
    }
    if pairs_left > 0 {
        text += &format!("# {}\n", words::pairs_left(lang, PAIRS_MAX, pairs_left));
    }
    app.read_by(&who, &headers, format!("case {} flows", kept.id), rows.len().min(FLOWS_MAX)).await?;
    let title = TellCase::of(&case, lang).title;
    let end = format!("-{}.csv", words::flows(lang));
    attachment(
        "text/csv; charset=utf-8",
        &file_name(&format!("{} {title}", words::case(lang)), &case.first.to_string(), &end),
        text.into_bytes(),
    )
}

/// The columns of a file of flows: those of the store, and the names of both ends beside their addresses.
const COLUMNS: [&str; 16] = [
    "ts",
    "start",
    "flow_id",
    "src_ip",
    "src_name",
    "src_port",
    "dest_ip",
    "dest_name",
    "dest_port",
    "proto",
    "app_proto",
    "pkts_toserver",
    "pkts_toclient",
    "bytes_toserver",
    "bytes_toclient",
    "state",
];

/// Flows as CSV, at most [`FLOWS_MAX`].
fn table(rows: &[Map<String, Json>], names: &BTreeMap<String, String>, lang: Lang, semicolon: bool) -> String {
    let separator = if semicolon { ';' } else { ',' };
    let field = |text: &str| {
        // A spreadsheet runs what begins like a formula.
        let text = if semicolon && text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
        if text.contains(['"', separator, '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let line = |fields: Vec<String>| fields.join(&separator.to_string()) + "\n";
    let clock = Clock { lang: Lang::En, zone: 0 };
    let mut out = if semicolon { "\u{feff}".to_owned() } else { String::new() };
    out += &line(COLUMNS.iter().map(|c| field(if semicolon { words::column(lang, c) } else { c })).collect());
    for row in rows.iter().take(FLOWS_MAX) {
        let text = |key: &str| match row.get(key) {
            Some(Json::String(s)) => s.clone(),
            Some(Json::Null) | None => String::new(),
            Some(v) => v.to_string(),
        };
        let of = |key: &str| match key {
            "src_name" => names.get(&text("src_ip")).cloned().unwrap_or_default(),
            "dest_name" => names.get(&text("dest_ip")).cloned().unwrap_or_default(),
            "ts" | "start" if semicolon => clock.of(&text(key)),
            _ => text(key),
        };
        out += &line(COLUMNS.iter().map(|c| field(&of(c))).collect());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_case::Alert;
    use vigie_detect::{Finding, Phase, Role, Story};
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

    #[test]
    fn a_file_is_named_after_its_case_and_harms_no_shell() {
        let name = file_name("Cas Mots de passe en clair vers 10.20.1.10 (FTP)", "2026-11-28T20:03:05", "-flux.csv");
        assert_eq!(name, "cas-mots-de-passe-en-clair-vers-10.20.1.10-ftp-2026-11-28-flux.csv");
        assert_eq!(file_name("../\"é;\n$(x)", "", ".html"), "e-x-.html");
        assert!(file_name(&"a".repeat(500), "2026-11-28", ".html").len() < 100);
    }

    #[test]
    fn times_are_written_as_the_reader_writes_them() {
        let of = |lang, zone| Clock { lang, zone }.of("2026-11-28T23:29:04.974150+0000");
        assert_eq!((of(Lang::Fr, 60), of(Lang::En, 0)), ("29/11/2026 00:29:04".to_owned(), "2026-11-28 23:29:04".to_owned()));
        let name = |zone| Clock { lang: Lang::En, zone }.name();
        assert_eq!((name(0), name(60), name(-210)), ("UTC".to_owned(), "UTC+1".to_owned(), "UTC-3:30".to_owned()));
    }

    #[test]
    fn a_spreadsheet_reads_names_as_text() {
        let row = serde_json::json!({"ts": "2026-11-28T23:29:04.974150+0000", "flow_id": 7, "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2"});
        let names = BTreeMap::from([("10.0.0.1".to_owned(), "=cmd;é".to_owned())]);
        let rows = [row.as_object().unwrap().clone()];
        let text = table(&rows, &names, Lang::Fr, true);
        assert!(text.starts_with('\u{feff}') && text.contains("2026-11-28 23:29:04;;7;10.0.0.1;\"'=cmd;é\";"), "{text}");
        let plain = table(&rows, &names, Lang::Fr, false);
        assert!(plain.starts_with("ts,start,flow_id,src_ip,src_name,") && plain.contains("+0000,,7,10.0.0.1,=cmd;é,"), "{plain}");
    }
}
