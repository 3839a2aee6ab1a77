//! What is made of events, whoever gives them: a capture's sensor, or a generator of the lab.

use crate::config::{Config, changed};
use vigie_base::Time;
use vigie_case::{Alert, Case, Cases};
use vigie_detect::detectors::capture_health;
use vigie_detect::{Engine, Finding};
use vigie_event::{Out, Row};
use vigie_inventory::Inventory;

/// The folds of events: assets, findings, cases.
pub struct Analysis {
    /// What is on the network.
    pub inventory: Inventory,
    /// What was found.
    pub cases: Cases,
    engine: Engine,
    findings: Vec<Finding>,
    /// All events before this time have been given.
    upto: Time,
}

fn engine(config: &Config) -> Engine {
    let mut settings = config.detect.clone();
    settings.home.clone_from(&config.home_net);
    Engine::new(settings)
}

impl Analysis {
    /// As configured; `resume` holds cases and loose alerts of earlier runs, which what is found now may join.
    pub fn new(config: &Config, resume: (Vec<Case>, Vec<Alert>)) -> Self {
        Analysis {
            inventory: Inventory::new(vigie_inventory::Settings::shared(config.home_net.clone(), config.detect.share)),
            cases: Cases::resume(resume.0, resume.1, config.detect.share),
            engine: engine(config),
            findings: Vec::new(),
            upto: Time(0),
        }
    }

    /// Goes on under another configuration. Where it concerns the detectors, what they had open ends, and they begin anew.
    pub fn reconfigure(&mut self, old: &Config, new: &Config, alerts: &mut impl Out) {
        if old.home_net != new.home_net || changed(old, new).iter().any(|c| c.name.starts_with("detect.")) {
            self.finish(alerts);
            self.engine = engine(new);
        }
    }

    /// Takes an event of the canary; gives when it was let go, where it came to a finding with this. It is in nothing else.
    pub fn canary(&mut self, row: Row<'_>) -> Option<Time> {
        self.engine.row(row, &mut self.findings);
        let mut back = None;
        self.findings.retain(|f| {
            let is_it = (f.detector, f.template) == (capture_health::INFO.name, capture_health::CANARY);
            if is_it {
                back = Some(f.first);
            }
            !is_it
        });
        back
    }

    /// Takes what the sensor counted so far, as its event: for those who watch over it. It was counted when more was seen than has been told:
    /// it moves event time no further than all events have come.
    pub fn counted(&mut self, stats: Row<'_>, alerts: &mut impl Out) {
        self.engine.time(self.upto, &mut self.findings);
        self.engine.beside(stats, &mut self.findings);
        self.file(alerts);
    }

    /// By the clock it is `clock`, and of what comes live at `point` all before `upto` has been given: for those who watch over that.
    pub fn clock(&mut self, clock: Time, point: &str, upto: Time, alerts: &mut impl Out) {
        self.engine.clock(clock, point, upto, &mut self.findings);
        self.file(alerts);
    }

    /// Takes one event that was judged before, so that the detectors know again what they knew; events come in their total order. What was
    /// found then is filed already.
    pub fn recall(&mut self, row: Row<'_>, alerts: &mut impl Out) {
        self.cases.recalls(Time::MAX);
        self.engine.row(row, &mut self.findings);
        self.file(alerts);
    }

    /// All events up to `upto` were judged before; those that follow are new.
    pub fn recalled(&mut self, upto: Time) {
        self.cases.recalls(upto);
    }

    /// Takes one event; events come in their total order. The alerts that it leads to go to `alerts`.
    pub fn row(&mut self, row: Row<'_>, alerts: &mut impl Out) {
        self.inventory.row(row);
        self.engine.row(row, &mut self.findings);
        self.file(alerts);
    }

    /// All events before `now` have been given.
    pub fn upto(&mut self, now: Time) {
        self.inventory.upto(now);
        self.upto = self.upto.max(now);
    }

    /// No event follows.
    pub fn finish(&mut self, alerts: &mut impl Out) {
        self.engine.finish(&mut self.findings);
        self.file(alerts);
    }

    /// How often each cap was reached, by its name; those that were not are among them.
    pub fn caps(&self) -> Vec<(&'static str, u64)> {
        let mut caps = self.inventory.counters().list().to_vec();
        caps.extend(self.engine.full());
        caps.push(("case.cases", self.cases.dropped));
        caps
    }

    fn file(&mut self, alerts: &mut impl Out) {
        for finding in self.findings.drain(..) {
            self.cases.take(&finding, alerts);
        }
    }
}
