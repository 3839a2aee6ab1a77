//! `vigie replay`: captures in, files or a story out.

use crate::config::Config;
use crate::eve::EveFile;
use crate::names::{Names, machines};
use crate::stats;
use crate::story::{CaseView, Story};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vigie_base::Time;
use vigie_capture::Capture;
use vigie_case::{Cases, TellCase};
use vigie_detect::{Engine, Finding, Lang};
use vigie_event::{Batch, Envelope, Out, Record, Row};
use vigie_inventory::{Inventory, write_asset_json};
use vigie_sensor::{Control, Fold, Summary};

/// What a replay is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where `eve.json`, `cases.json` and `assets.json` are written; nowhere without.
    pub out: Option<PathBuf>,
    /// Whether a story is wanted.
    pub story: bool,
    /// The reader's language.
    pub lang: Lang,
}

/// Why a replay failed.
#[derive(Debug)]
pub enum Error {
    /// An output could not be written.
    Output(PathBuf, io::Error),
}

/// What came of a replay.
pub struct Report {
    /// What was counted.
    pub summary: Summary,
    /// The story, where one was asked for.
    pub story: Option<Story>,
}

/// Those who read the events of a replay, in the order of the house.
struct Folds {
    ends: Ends,
    inventory: Inventory,
    engine: Engine,
    cases: Cases,
    findings: Vec<Finding>,
}

/// Where events go in the end.
struct Ends {
    eve: Option<EveFile>,
    story: Option<Story>,
    /// Set when an output can no longer be written: there is no use in reading on.
    failed: Arc<AtomicBool>,
}

impl Ends {
    fn row(&mut self, row: Row<'_>) {
        if let Some(eve) = &mut self.eve {
            eve.row(row);
            if eve.has_failed() {
                self.failed.store(true, Ordering::Relaxed);
            }
        }
        if let Some(story) = &mut self.story {
            story.row(row);
        }
    }
}

impl Out for Ends {
    fn push<R: Record>(&mut self, env: &Envelope, record: &R) {
        let mut batch = Batch::new(R::schema());
        batch.push(env, record);
        self.row(batch.row(0));
    }
}

impl Folds {
    /// Files what the detectors found.
    fn file(&mut self) {
        for finding in self.findings.drain(..) {
            self.cases.take(&finding, &mut self.ends);
        }
    }
}

impl Fold for Folds {
    fn row(&mut self, row: Row<'_>) {
        self.ends.row(row);
        self.inventory.row(row);
        self.engine.row(row, &mut self.findings);
        self.file();
    }

    fn upto(&mut self, now: Time) {
        self.inventory.upto(now);
    }
}

/// Replays `capture`; `progress` is asked between bursts whether to go on.
pub fn replay(
    capture: &mut Capture,
    config: &Config,
    options: &Options,
    mut progress: impl FnMut(&Capture) -> Control + Send,
) -> Result<Report, Error> {
    let eve = match &options.out {
        None => None,
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|e| Error::Output(dir.clone(), e))?;
            let path = dir.join("eve.json");
            Some(EveFile::create(&path).map_err(|e| Error::Output(path, e))?)
        }
    };
    let story = options.story.then(|| Story::new(config.home_net.clone()));
    let failed = Arc::new(AtomicBool::new(false));
    let settings = vigie_detect::Settings { home: config.home_net.clone(), ..vigie_detect::Settings::default() };
    let mut folds = Folds {
        ends: Ends { eve, story, failed: Arc::clone(&failed) },
        inventory: Inventory::new(vigie_inventory::Settings::new(config.home_net.clone())),
        engine: Engine::new(settings),
        cases: Cases::new(),
        findings: Vec::new(),
    };
    let go_on = move |capture: &Capture| if failed.load(Ordering::Relaxed) { Control::Stop } else { progress(capture) };
    let summary = vigie_sensor::replay(capture, &config.sensor, &mut folds, go_on);
    folds.engine.finish(&mut folds.findings);
    folds.file();
    let Folds { ends, inventory, cases, .. } = folds;
    if let Some(mut eve) = ends.eve {
        let batch = stats::batch(&summary, eve.kinds());
        eve.row(batch.row(0));
        eve.close().map_err(|e| Error::Output(path(options, "eve.json"), e))?;
        let mut lines = Vec::new();
        cases.write(options.lang, &Names::of(&inventory), &mut lines);
        write(options, "cases.json", &lines)?;
        lines.clear();
        for asset in inventory.assets() {
            write_asset_json(&asset, &mut lines);
            lines.push(b'\n');
        }
        write(options, "assets.json", &lines)?;
    }
    let story = ends.story.map(|mut story| {
        story.close(capture, &summary);
        story.machines = machines(&inventory, options.lang);
        story.cases = Some(views(&cases, options.lang));
        story
    });
    Ok(Report { summary, story })
}

/// Cases as the story shows them, the gravest first.
fn views(cases: &Cases, lang: Lang) -> Vec<CaseView> {
    let mut all: Vec<_> = cases.iter().collect();
    all.sort_by_key(|c| (std::cmp::Reverse(c.score()), c.first));
    all.into_iter()
        .map(|c| {
            let t = TellCase::of(c, lang);
            let reasons = t.reasons.into_iter().map(|r| (r.points, r.text)).collect();
            CaseView { score: c.score(), title: t.title, story: t.story, reasons, innocent: t.innocent, checks: t.checks, alerts: t.summaries }
        })
        .collect()
}

fn path(options: &Options, name: &str) -> PathBuf {
    options.out.as_deref().unwrap_or(Path::new("")).join(name)
}

fn write(options: &Options, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = path(options, name);
    std::fs::write(&path, bytes).map_err(|e| Error::Output(path, e))
}
