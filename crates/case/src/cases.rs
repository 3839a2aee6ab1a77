//! The fold from findings to alerts and cases.

use crate::record::AlertEvent;
use std::collections::{BTreeMap, BTreeSet};
use vigie_base::hash::Stable;
use vigie_base::time::SECOND;
use vigie_base::{Budget, Share, Time};
use vigie_detect::registry::{GID, info, template};
use vigie_detect::text::render;
use vigie_detect::{Entity, Finding, Lang, Phase, Reason, Role, Story, Value};
use vigie_event::{Envelope, NO_TX, Out};

/// An alert joins a case of its machine whose last sign is no longer ago: a person at work pauses, and eats.
pub const WINDOW: u64 = 4 * 3600 * SECOND;
/// Version of the detectors' words.
const REV: u32 = 1;
/// Alerts kept in one case; beyond, they are counted.
pub const ALERTS_MAX: usize = 256;

/// Cases kept.
pub const CASES: Budget = Budget {
    name: "case.cases",
    entries_max: 4096,
    entry_bytes: 512,
    when_full: "those over and filed are forgotten; else a new one is counted as dropped",
};
/// Alerts kept, all cases together and those without a case.
pub const ALERTS: Budget = Budget { name: "case.alerts", entries_max: 6144, entry_bytes: 4352, when_full: "as case.cases" };

/// How grave a case is: bands of its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Below 25.
    Low,
    /// Below 50.
    Medium,
    /// Below 75.
    High,
    /// 75 and above.
    Critical,
}

impl Severity {
    /// The band of a score.
    pub const fn of(score: u32) -> Self {
        match score {
            0..=24 => Severity::Low,
            25..=49 => Severity::Medium,
            50..=74 => Severity::High,
            _ => Severity::Critical,
        }
    }

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// As `alert.severity` counts: 1 is the gravest.
    const fn eve(self) -> u8 {
        match self {
            Severity::Low => 3,
            Severity::Medium => 2,
            Severity::High | Severity::Critical => 1,
        }
    }
}

/// A finding as it stands.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Sixteen hexadecimal digits.
    pub id: String,
    /// The last word of the detector on it.
    pub finding: Finding,
}

/// Alerts that belong together.
#[derive(Clone, Debug)]
pub struct Case {
    /// Sixteen hexadecimal digits, from what it names.
    pub id: String,
    /// Its story.
    pub story: Story,
    /// Its alerts, in the order in which they joined.
    pub alerts: Vec<Alert>,
    /// Alerts beyond those kept.
    pub more: u64,
    /// First sign.
    pub first: Time,
    /// Last sign.
    pub last: Time,
}

impl Case {
    /// Its reasons with their alert's place: of each name the strongest, the earliest among equals; the gravest first.
    pub fn reasons(&self) -> Vec<(Reason, usize)> {
        let mut all: Vec<(Reason, usize)> = Vec::new();
        for (i, a) in self.alerts.iter().enumerate() {
            for r in &a.finding.reasons {
                match all.iter_mut().find(|x| x.0.key == r.key) {
                    Some(x) if r.points > x.0.points => *x = (*r, i),
                    Some(_) => {}
                    None => all.push((*r, i)),
                }
            }
        }
        all.sort_by_key(|x| std::cmp::Reverse(x.0.points));
        all
    }

    /// The sum of its reasons' points.
    pub fn score(&self) -> u32 {
        self.reasons().iter().map(|r| r.0.points).sum()
    }

    /// Detectors in it, in the order of their first alert.
    pub fn detectors(&self) -> Vec<&'static str> {
        let mut all = Vec::new();
        for a in &self.alerts {
            if !all.contains(&a.finding.detector) {
                all.push(a.finding.detector);
            }
        }
        all
    }

    /// Who is in it: each machine once a role, in the order in which they came.
    pub fn entities(&self) -> Vec<Entity> {
        let mut all: Vec<Entity> = Vec::new();
        for e in self.alerts.iter().flat_map(|a| &a.finding.entities) {
            match all.iter_mut().find(|x| x.role == e.role && (x.same_machine(e) || (x.net.is_some() && x.net == e.net))) {
                Some(x) => {
                    x.ip = x.ip.or(e.ip);
                    x.mac = x.mac.or(e.mac);
                    if x.name.is_none() {
                        x.name.clone_from(&e.name);
                    }
                }
                None => all.push(e.clone()),
            }
        }
        all
    }

    /// Whether it is about Vigie's own health and nothing of it is wrong any more.
    pub fn is_mended(&self) -> bool {
        self.story == Story::Health && self.more == 0 && self.alerts.iter().all(|a| a.finding.phase == Phase::Mended)
    }

    fn is_about(&self, finding: &Finding, story: Story) -> bool {
        let Some(actor) = finding.entities.first() else { return false };
        self.story == story
            && finding.first.since(self.last) <= WINDOW
            && self.alerts.iter().any(|a| a.finding.entities.first().is_some_and(|e| e.same_machine(actor)))
    }
}

/// What each alert is filed under.
type Thing = (&'static str, u64);

/// Alerts and cases so far.
#[derive(Debug, Default)]
pub struct Cases {
    share: Share,
    cases: Vec<Case>,
    /// Where each alert that has a case stands: place in `cases` and in its alerts.
    filed: BTreeMap<Thing, (usize, usize)>,
    /// Informational alerts that belong to no case yet.
    loose: BTreeMap<Thing, Alert>,
    /// Alerts that found no place in a full case or table.
    pub dropped: u64,
    /// Findings whose last sign is not after this were found before, if they are known at all; see [`Cases::recalls`].
    recalled: Time,
    /// Places of cases, and loose alerts, that changed since they were last asked for.
    changed: BTreeSet<usize>,
    changed_loose: BTreeSet<Thing>,
}

impl Cases {
    /// None.
    pub fn new() -> Self {
        Cases::default()
    }

    /// The fold as it stood: with `cases` in the order in which they opened, and `loose` alerts that have no case. What is beyond its
    /// share of the budgets is counted as dropped.
    pub fn resume(cases: Vec<Case>, loose: Vec<Alert>, share: Share) -> Self {
        let mut fold = Cases { share, ..Cases::default() };
        for mut case in cases {
            if fold.cases_full() {
                fold.dropped += 1;
                continue;
            }
            let alerts = std::mem::take(&mut case.alerts);
            fold.cases.push(case);
            for alert in alerts {
                fold.join(fold.cases.len() - 1, (alert.finding.detector, alert.finding.key), alert);
            }
        }
        for alert in loose {
            if fold.alerts_full() {
                fold.dropped += 1;
                continue;
            }
            fold.loose.insert((alert.finding.detector, alert.finding.key), alert);
        }
        fold
    }

    /// Its tables, or a share of them.
    pub const fn budgets(share: Share) -> [Budget; 2] {
        [CASES.share(share), ALERTS.share(share)]
    }

    fn cases_full(&self) -> bool {
        self.cases.len() as u64 >= self.share.of(CASES.entries_max)
    }

    fn alerts_full(&self) -> bool {
        (self.filed.len() + self.loose.len()) as u64 >= self.share.of(ALERTS.entries_max)
    }

    /// Forgets what nothing can join any more at `now` and whose last change was taken by who files it. Where nobody does, all is kept.
    fn forget(&mut self, now: Time) {
        let over = |last: Time| now.since(last) > WINDOW;
        let (changed, changed_loose) = (std::mem::take(&mut self.changed), &self.changed_loose);
        self.loose.retain(|thing, a| changed_loose.contains(thing) || !over(a.finding.last) || is_open(&a.finding));
        let (mut kept, mut places) = (Vec::new(), vec![None; self.cases.len()]);
        for (at, case) in std::mem::take(&mut self.cases).into_iter().enumerate() {
            if changed.contains(&at) || !over(case.last) || case.alerts.iter().any(|a| is_open(&a.finding)) {
                places[at] = Some(kept.len());
                kept.push(case);
            }
        }
        self.cases = kept;
        self.changed = changed.into_iter().filter_map(|at| places[at]).collect();
        self.filed = std::mem::take(&mut self.filed)
            .into_iter()
            .filter_map(|(thing, (case, alert))| Some((thing, (places[case]?, alert))))
            .collect();
    }

    /// The informational alerts that belong to no case yet, by detector and key.
    pub fn loose(&self) -> impl Iterator<Item = &Alert> {
        self.loose.values()
    }

    /// The cases in the order in which they opened.
    pub fn iter(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter()
    }

    /// The cases and the alerts without a case that changed since this was last asked.
    pub fn changes(&mut self) -> (Vec<Case>, Vec<Alert>) {
        let cases = std::mem::take(&mut self.changed).into_iter().filter_map(|at| self.cases.get(at).cloned());
        let loose = std::mem::take(&mut self.changed_loose).into_iter().filter_map(|thing| self.loose.get(&thing).cloned());
        (cases.collect(), loose.collect())
    }

    /// From now on findings are told anew by detectors that learn again what they knew, up to `upto` (`Time::MAX` while they do): what is
    /// filed already stays as it is filed. What is not was found just before a crash, and is taken.
    pub fn recalls(&mut self, upto: Time) {
        self.recalled = upto;
    }

    /// Whether an alert says all that a finding does.
    fn is_told(&self, thing: Thing, finding: &Finding) -> bool {
        let told = |a: &Alert| a.finding.phase != Phase::Open && a.finding.phase != Phase::Update && a.finding.count >= finding.count;
        let is_old = self.recalled > Time(0) && finding.last <= self.recalled;
        is_old && self.alert(thing).is_some_and(|a| self.recalled == Time::MAX || told(a))
    }

    fn alert(&self, thing: Thing) -> Option<&Alert> {
        let filed = self.filed.get(&thing).and_then(|(case, alert)| self.cases.get(*case)?.alerts.get(*alert));
        filed.or_else(|| self.loose.get(&thing))
    }

    /// Takes a finding; pushes an `alert` event where it opens or ends.
    pub fn take<O: Out>(&mut self, finding: &Finding, out: &mut O) {
        let Some(about) = info(finding.detector) else { return };
        if finding.phase == Phase::Mended {
            return self.mend(finding, out);
        }
        let thing = (finding.detector, finding.key);
        if self.is_told(thing, finding) {
            return;
        }
        let id = hex(Stable::default().bytes(finding.detector.as_bytes()).word(finding.key).finish());
        let finding = &Finding { env: ends(finding, self.opened(thing)), ..finding.clone() };
        let at = self.place(thing, &id, finding, about.story);
        match at {
            Some(at) => drop(self.changed.insert(at)),
            None => drop(self.changed_loose.insert(thing)),
        }
        self.push_event(finding, &id, at.map(|at| self.cases[at].id.clone()), out);
    }

    /// The envelope under which an alert stands so far.
    fn opened(&self, thing: Thing) -> Option<Envelope> {
        self.alert(thing).map(|a| a.finding.env)
    }

    /// What is right again is so for every finding of it, those of earlier runs too. Where there is none, nothing was wrong.
    fn mend<O: Out>(&mut self, now: &Finding, out: &mut O) {
        let Some(who) = now.entities.first() else { return };
        let is_it = |f: &Finding| {
            f.phase != Phase::Mended
                && (f.detector, f.template) == (now.detector, now.template)
                && f.entities.first().is_some_and(|e| e.same_machine(who))
        };
        for at in 0..self.cases.len() {
            let case = &mut self.cases[at];
            let mut ended = Vec::new();
            for alert in case.alerts.iter_mut().filter(|a| is_it(&a.finding)) {
                let told = alert.finding.phase == Phase::Close;
                if alert.finding.key == now.key {
                    alert.finding = now.clone();
                    case.last = case.last.max(now.last);
                }
                alert.finding.phase = Phase::Mended;
                self.changed.insert(at);
                if !told {
                    ended.push((alert.id.clone(), Finding { env: now.env, ..alert.finding.clone() }));
                }
            }
            let id = case.id.clone();
            for (alert, finding) in ended {
                self.push_event(&finding, &alert, Some(id.clone()), out);
            }
        }
    }

    /// Files the finding; the place of its case, if it has one.
    fn place(&mut self, thing: Thing, id: &str, finding: &Finding, story: Story) -> Option<usize> {
        if let Some(&(case, alert)) = self.filed.get(&thing) {
            let c = &mut self.cases[case];
            c.last = c.last.max(finding.last);
            c.alerts[alert].finding = finding.clone();
            return Some(case);
        }
        if self.cases_full() || self.alerts_full() {
            self.forget(finding.last);
        }
        let alert = Alert { id: id.to_owned(), finding: finding.clone() };
        let known = self.cases.iter().rposition(|c| c.is_about(finding, story));
        let case = match known {
            Some(at) => at,
            None if finding.opens_case && !self.cases_full() => {
                self.loose.remove(&thing);
                let actor = finding.entities.first();
                let name = actor.map_or(String::new(), |e| match &e.name {
                    Some(name) if e.is_named_only() => name.clone(),
                    _ => format!("{:?} {:?} {:?}", e.ip, e.mac, e.net),
                });
                let id = Stable::default().bytes(story.name().as_bytes()).bytes(name.as_bytes()).word(finding.first.0).finish();
                self.cases.push(Case { id: hex(id), story, alerts: Vec::new(), more: 0, first: finding.first, last: finding.last });
                self.cases.len() - 1
            }
            None => {
                if finding.opens_case || (self.alerts_full() && !self.loose.contains_key(&thing)) {
                    self.dropped += 1;
                } else {
                    self.loose.insert(thing, alert);
                }
                return None;
            }
        };
        self.loose.remove(&thing);
        self.join(case, thing, alert);
        // What was context without a case has one now.
        let waiting: Vec<Thing> =
            self.loose.iter().filter(|(_, a)| self.cases[case].is_about(&a.finding, story)).map(|(t, _)| *t).collect();
        for t in waiting {
            if let Some(a) = self.loose.remove(&t) {
                self.join(case, t, a);
            }
        }
        Some(case)
    }

    fn join(&mut self, case: usize, thing: Thing, alert: Alert) {
        let full = self.alerts_full();
        let c = &mut self.cases[case];
        c.first = c.first.min(alert.finding.first);
        c.last = c.last.max(alert.finding.last);
        if c.alerts.len() >= ALERTS_MAX || full {
            c.more += 1;
            self.dropped += 1;
            return;
        }
        c.alerts.push(alert);
        self.filed.insert(thing, (case, c.alerts.len() - 1));
    }

    fn push_event<O: Out>(&self, finding: &Finding, id: &str, case: Option<String>, out: &mut O) {
        let phase = match finding.phase {
            Phase::Open => "open",
            Phase::Close | Phase::Mended => "end",
            Phase::Update => return,
        };
        let (Some(about), Some(words)) = (info(finding.detector), template(finding)) else { return };
        let score = finding.score();
        let mut env = finding.env;
        env.tx_id = NO_TX;
        if phase == "end" {
            // The end comes with time, not with a frame.
            env.frame = 0;
        }
        out.push(
            &env,
            &AlertEvent {
                action: "allowed",
                gid: GID,
                signature_id: about.sid,
                rev: REV,
                signature: about.signature,
                category: about.category,
                severity: Severity::of(score).eve(),
                alert_id: id,
                case_id: case.as_deref(),
                detector: about.name,
                phase,
                count: finding.count,
                score,
                summary: &render(words.en.summary, &finding.params, Lang::En),
                techniques: words.techniques,
            },
        );
    }
}

/// Whether its detector may have more to say of it.
fn is_open(finding: &Finding) -> bool {
    matches!(finding.phase, Phase::Open | Phase::Update)
}

/// Between whom an alert is told: those of its first event, whatever came last; those that the finding names, where time alone told it.
fn ends(finding: &Finding, opened: Option<Envelope>) -> Envelope {
    let now = finding.env;
    let has_ends = |e: &Envelope| e.ip_version != 0 || e.flow_id != 0 || e.frame != 0;
    match opened.filter(has_ends) {
        Some(first) => return Envelope { ts: now.ts, seq: now.seq, frame: now.frame, ..first },
        None if has_ends(&now) => return now,
        None => {}
    }
    let of = |roles: &[Role]| finding.entities.iter().filter(|e| roles.contains(&e.role)).find_map(|e| e.ip);
    let src = of(&[Role::Attacker, Role::Client, Role::Subject]);
    let dst = of(&[Role::Victim, Role::Server]);
    let port = match finding.param("port") {
        Some(Value::Port(port)) => *port,
        _ => 0,
    };
    Envelope {
        ts: now.ts,
        flow_id: finding.evidence.first().copied().unwrap_or(0),
        ip_version: src.or(dst).map_or(0, |ip| if ip.is_v4() { 4 } else { 6 }),
        src: src.unwrap_or_default(),
        dst: dst.unwrap_or_default(),
        dst_port: port,
        proto: opened.map_or(now.proto, |o| o.proto),
        ..Envelope::default()
    }
}

fn hex(v: u64) -> String {
    format!("{v:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Nobody;
    use vigie_base::Ip;
    use vigie_event::{Batch, Record, eve};

    #[derive(Default)]
    struct Lines(Vec<String>);

    impl Out for Lines {
        fn push<R: Record>(&mut self, env: &Envelope, record: &R) {
            let mut batch = Batch::new(R::schema());
            batch.push(env, record);
            let mut out = Vec::new();
            eve::write(batch.row(0), &mut out);
            self.0.push(String::from_utf8(out).unwrap());
        }
    }

    fn finding(attacker: &str, at: u64, points: u32) -> Finding {
        let ip: Ip = attacker.parse().unwrap();
        let params = [("attacker", ip), ("victim", Ip::v4([10, 0, 0, 2]))].map(|(k, v)| (k, Value::Ip(v)));
        let mut params: Vec<_> = params.into();
        params.extend([
            ("protocol", Value::Text("FTP".into())),
            ("port", Value::Port(21)),
            ("tries", Value::Count(40)),
            ("duration", Value::Duration(60 * SECOND)),
        ]);
        Finding {
            detector: "brute_force",
            key: at ^ u64::from(ip.0[15]),
            phase: Phase::Open,
            template: "pair",
            params,
            entities: vec![Entity::ip(Role::Attacker, ip), Entity::ip(Role::Victim, Ip::v4([10, 0, 0, 2]))],
            reasons: vec![Reason { key: "brute_force.failures", points }],
            count: 40,
            evidence: vec![7, 8],
            first: Time::from_secs(at),
            last: Time::from_secs(at + 60),
            opens_case: true,
            env: Envelope::default(),
        }
    }

    fn told(cases: &Cases, lang: Lang) -> Vec<serde_json::Value> {
        let mut out = Vec::new();
        cases.write(lang, &Nobody, &mut out);
        String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    #[test]
    fn an_alert_ends_between_those_between_whom_it_began() {
        let env = |n: u8| Envelope {
            ts: Time::from_secs(1000 + u64::from(n)),
            flow_id: n.into(),
            src: Ip::v4([10, 0, 0, n]),
            dst: Ip::v4([10, 0, 0, 2]),
            dst_port: 21,
            ip_version: 4,
            proto: 6,
            ..Envelope::default()
        };
        let ends = |lines: Lines| {
            let of = |l: &String| {
                let v: serde_json::Value = serde_json::from_str(l).unwrap();
                let text = |k: &str| v[k].to_string();
                [text("src_ip"), text("dest_ip"), text("dest_port"), text("flow_id"), v["vigie"]["phase"].to_string()].join(" ")
            };
            lines.0.iter().map(of).collect::<Vec<_>>()
        };
        let phase = |phase, env| Finding { phase, env, ..finding("10.0.0.9", 1000, 30) };
        let (mut cases, mut out) = (Cases::new(), Lines::default());
        cases.take(&phase(Phase::Open, env(9)), &mut out);
        cases.take(&phase(Phase::Update, env(77)), &mut out);
        let ended = phase(Phase::Close, Envelope { ts: Time::from_secs(1100), ..Envelope::default() });
        cases.take(&ended, &mut out);
        let ip = r#""10.0.0.9" "10.0.0.2" 21"#;
        assert_eq!(ends(out), [format!("{ip} 9 \"open\""), format!("{ip} 9 \"end\"")]);
        // Of an earlier run only the entities and the transport are known.
        let mut kept: Vec<Case> = cases.iter().cloned().collect();
        kept[0].alerts[0].finding.env = Envelope { proto: 6, ..Envelope::default() };
        let mut out = Lines::default();
        Cases::resume(kept, Vec::new(), Share::WHOLE).take(&ended, &mut out);
        assert_eq!(ends(out), [format!("{ip} 7 \"end\"")]);
    }

    #[test]
    fn one_machine_one_case_and_the_score_is_the_sum_of_its_reasons() {
        let (mut cases, mut out) = (Cases::new(), Lines::default());
        cases.take(&finding("10.0.0.9", 1000, 30), &mut out);
        cases.take(&finding("10.0.0.9", 2000, 30), &mut out);
        cases.take(&finding("10.0.0.8", 2000, 30), &mut out);
        cases.take(&finding("10.0.0.9", 100_000, 30), &mut out);
        let all = told(&cases, Lang::En);
        assert_eq!(all.len(), 3, "two machines, and one of them again much later");
        let c = &all[0];
        assert_eq!((c["score"].as_u64(), c["severity"].as_str(), c["state"].as_str()), (Some(30), Some("medium"), Some("new")));
        assert_eq!(c["alerts"].as_array().unwrap().len(), 2);
        assert_eq!(c["alerts"][0]["evidence"], serde_json::json!([7, 8]));
        assert_eq!(
            c["entities"],
            serde_json::json!([
                {"role": "attacker", "ip": "10.0.0.9", "mac": null, "name": null},
                {"role": "victim", "ip": "10.0.0.2", "mac": null, "name": null}
            ])
        );
        assert_eq!(c["title"], "Brute force on FTP: 10.0.0.9 against 10.0.0.2");
        assert_eq!(told(&cases, Lang::Fr)[0]["title"], "Force brute sur FTP : 10.0.0.9 contre 10.0.0.2");
        let keys: Vec<_> = [
            "id",
            "title",
            "state",
            "severity",
            "score",
            "reasons",
            "story",
            "innocent",
            "checks",
            "actions",
            "detectors",
            "techniques",
            "entities",
            "first_seen",
            "last_seen",
            "alerts",
        ]
        .into();
        assert_eq!(c.as_object().unwrap().len(), keys.len());
        assert!(keys.iter().all(|k| !c[k].is_null()));
    }

    #[test]
    fn an_alert_is_told_when_it_opens_and_when_it_ends() {
        let (mut cases, mut out) = (Cases::new(), Lines::default());
        let open = finding("10.0.0.9", 1000, 30);
        cases.take(&open, &mut out);
        cases.take(&Finding { phase: Phase::Update, count: 80, ..open.clone() }, &mut out);
        cases.take(&Finding { phase: Phase::Close, count: 120, ..open }, &mut out);
        let events: Vec<serde_json::Value> = out.0.iter().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|e| e["alert"]["gid"] == 9000 && e["alert"]["severity"] == 2 && e["event_type"] == "alert"));
        assert_eq!(events[0]["vigie"]["alert_id"], events[1]["vigie"]["alert_id"]);
        assert_eq!((&events[0]["vigie"]["count"], &events[1]["vigie"]["count"]), (&40.into(), &120.into()));
        assert_eq!(told(&cases, Lang::En)[0]["alerts"][0]["count"], 120);
    }

    #[test]
    fn a_full_table_forgets_what_is_over_and_filed() {
        let small = || Cases::resume(Vec::new(), Vec::new(), Share::parts(1));
        let full = Share::parts(1).of(CASES.entries_max);
        let mut out = Lines::default();
        let mut told = |cases: &mut Cases, n: u64, at: u64, phase: Phase| {
            let who = vec![Entity::ip(Role::Attacker, Ip::v4([10, 1, 0, n as u8]))];
            cases.take(&Finding { key: n, phase, entities: who, ..finding("10.0.0.9", at, 10) }, &mut out);
        };
        for filed in [true, false] {
            let mut cases = small();
            for n in 0..full {
                told(&mut cases, n, 0, Phase::Open);
                told(&mut cases, n, 0, Phase::Close);
            }
            // One of them goes on.
            told(&mut cases, 3, 1, Phase::Update);
            if filed {
                cases.changes();
            }
            told(&mut cases, full, WINDOW / SECOND + 10, Phase::Open);
            assert_eq!((cases.iter().count() as u64, cases.dropped), if filed { (2, 0) } else { (full, 1) });
            told(&mut cases, 3, WINDOW / SECOND + 11, Phase::Close);
            assert_eq!(cases.changes().0.len(), if filed { 2 } else { full as usize });
        }
    }

    #[test]
    fn context_alone_opens_no_case_and_joins_one() {
        let (mut cases, mut out) = (Cases::new(), Lines::default());
        cases.take(&Finding { opens_case: false, ..finding("10.0.0.9", 1000, 5) }, &mut out);
        assert_eq!(cases.iter().count(), 0);
        cases.take(&finding("10.0.0.9", 2000, 30), &mut out);
        assert_eq!(cases.iter().map(|c| c.alerts.len()).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn what_is_mended_is_so_for_earlier_runs_too_and_ends_once() {
        let (mut cases, mut out) = (Cases::new(), Lines::default());
        let lossy = |name: &str, at: u64, phase: Phase| Finding {
            detector: "capture_health",
            template: "lossy",
            key: at ^ u64::from(name.as_bytes()[3]) << 32,
            phase,
            params: vec![],
            entities: vec![Entity { name: Some(name.to_owned()), ..Entity::NOBODY }],
            reasons: vec![Reason { key: "capture_health.lossy", points: 35 }],
            ..finding("10.0.0.9", at, 35)
        };
        cases.take(&lossy("eth1", 1000, Phase::Open), &mut out);
        cases.take(&lossy("eth2", 1000, Phase::Open), &mut out);
        cases.take(&lossy("eth1", 1000, Phase::Close), &mut out);
        cases.take(&lossy("eth1", 2000, Phase::Open), &mut out);
        assert_eq!(cases.iter().map(|c| (c.alerts.len(), c.is_mended())).collect::<Vec<_>>(), [(2, false), (1, false)]);
        cases.changes();
        cases.take(&lossy("eth1", 3000, Phase::Mended), &mut out);
        assert_eq!(cases.iter().map(Case::is_mended).collect::<Vec<_>>(), [true, false]);
        assert_eq!((cases.changes().0.len(), out.0.len()), (1, 5), "one end was told before");
        cases.take(&lossy("eth1", 3000, Phase::Mended), &mut out);
        cases.take(&lossy("eth3", 3000, Phase::Mended), &mut out);
        assert_eq!((cases.changes().0.len(), cases.iter().count(), out.0.len()), (0, 2, 5));
    }

    #[test]
    fn data_brings_the_fold_back() {
        let (mut cases, mut out) = (Cases::new(), Lines::default());
        cases.take(&Finding { opens_case: false, ..finding("10.0.0.7", 1000, 5) }, &mut out);
        cases.take(&finding("10.0.0.9", 1000, 30), &mut out);
        let back: Vec<Case> = cases.iter().map(|c| Case::from_json(&c.to_json()).unwrap()).collect();
        let loose: Vec<Alert> = cases.loose().map(|a| Alert::from_json(&a.to_json()).unwrap()).collect();
        let mut again = Cases::resume(back, loose, Share::WHOLE);
        for fold in [&mut cases, &mut again] {
            fold.take(&Finding { count: 80, ..finding("10.0.0.9", 1000, 30) }, &mut out);
            fold.take(&finding("10.0.0.9", 2000, 30), &mut out);
            fold.take(&finding("10.0.0.7", 2000, 30), &mut out);
        }
        assert_eq!(told(&cases, Lang::En), told(&again, Lang::En));
        assert_eq!((again.iter().count(), again.loose().count(), again.dropped), (2, 0, 0));
        assert!(Case::from_json(&serde_json::json!({"id": "x", "story": "novel", "alerts": []})).unwrap_err().contains("novel"));
    }
}
