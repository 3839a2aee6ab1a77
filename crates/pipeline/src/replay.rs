//! `vigie replay`: captures in, files or a story out.

use crate::analysis::Analysis;
use crate::config::Config;
use crate::eve::{EveFile, Lines};
use crate::names::Names;
use crate::stats;
use crate::story::{AssetView, CaseView, Story};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vigie_base::Time;
use vigie_capture::Capture;
use vigie_case::{Alert, Case, Cases};
use vigie_detect::Lang;
use vigie_detect::detectors::capture_health;
use vigie_event::{Batch, Envelope, Out, Record, Row};
use vigie_inventory::{Inventory, write_asset_json};
use vigie_sensor::{Control, Fold, Summary};

/// What a replay is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where `eve.json`, `cases.json` and `assets.json` are written; nowhere without.
    pub out: Option<PathBuf>,
    /// Cases and loose alerts of earlier runs, which what is found now may join.
    pub resume: (Vec<Case>, Vec<Alert>),
    /// Whether a story is wanted.
    pub story: bool,
    /// The reader's language.
    pub lang: Lang,
}

/// Who keeps the events of a replay, beside its files.
pub trait Keep: Send {
    /// One event, in the total order; alerts come where they were found, `stats` last.
    fn row(&mut self, row: Row<'_>);
    /// Whether there is use in reading on.
    fn goes_on(&self) -> bool {
        true
    }
}

/// Keeps nothing.
pub struct Nothing;

impl Keep for Nothing {
    fn row(&mut self, _: Row<'_>) {}
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
    /// What was found.
    pub cases: Cases,
    /// What is on the network.
    pub inventory: Inventory,
    /// Bounds that were reached, and how often.
    pub caps: Vec<(&'static str, u64)>,
    /// The story, where one was asked for.
    pub story: Option<Story>,
}

/// Those who read the events of a replay.
struct Folds<'k, K> {
    ends: Ends<'k, K>,
    analysis: Analysis,
}

/// Where events go in the end.
struct Ends<'k, K> {
    keep: &'k mut K,
    files: Option<Files>,
    story: Option<Story>,
    /// Set when an output can no longer be written: there is no use in reading on.
    failed: Arc<AtomicBool>,
}

/// The files of one replay; all are replaced when it begins, so that no old one stands beside a new one.
struct Files {
    eve: EveFile,
    cases: Lines,
    assets: Lines,
}

/// What is known when all is read.
struct Known<'a> {
    /// The batch of the one `stats` event.
    stats: &'a Batch,
    cases: &'a Cases,
    inventory: &'a Inventory,
}

impl Files {
    fn create(dir: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(|e| Error::Output(dir.to_owned(), e))?;
        let eve = dir.join("eve.json");
        let lines = |name: &str| {
            let path = dir.join(name);
            Lines::create(&path).map_err(|e| Error::Output(path, e))
        };
        Ok(Files {
            eve: EveFile::create(&eve).map_err(|e| Error::Output(eve, e))?,
            cases: lines("cases.json")?,
            assets: lines("assets.json")?,
        })
    }

    /// Writes what is known at the end. All files are closed, and then the first that failed is told.
    fn finish(mut self, dir: &Path, known: &Known<'_>, lang: Lang) -> Result<(), Error> {
        let Known { stats, cases, inventory } = *known;
        self.eve.row(stats.row(0));
        let names = Names::of(inventory, cases);
        for case in cases.iter() {
            self.cases.line(|out| vigie_case::write(case, lang, &names, out));
        }
        inventory.each_asset(|asset| {
            self.assets.line(|out| {
                write_asset_json(&asset, out);
                out.push(b'\n');
            });
        });
        let closed = [("eve.json", self.eve.close()), ("cases.json", self.cases.close()), ("assets.json", self.assets.close())];
        closed.into_iter().try_for_each(|(name, done)| done.map_err(|e| Error::Output(dir.join(name), e)))
    }
}

impl<K: Keep> Ends<'_, K> {
    fn row(&mut self, row: Row<'_>) {
        self.keep.row(row);
        if !self.keep.goes_on() {
            self.failed.store(true, Ordering::Relaxed);
        }
        if let Some(files) = &mut self.files {
            files.eve.row(row);
            if files.eve.has_failed() {
                self.failed.store(true, Ordering::Relaxed);
            }
        }
        if let Some(story) = &mut self.story {
            story.row(row);
        }
    }
}

impl<K: Keep> Out for Ends<'_, K> {
    fn push<R: Record>(&mut self, env: &Envelope, record: &R) {
        let mut batch = Batch::new(R::schema());
        batch.push(env, record);
        self.row(batch.row(0));
    }
}

impl<K: Keep> Fold for Folds<'_, K> {
    fn row(&mut self, row: Row<'_>) {
        self.ends.row(row);
        self.analysis.row(row, &mut self.ends);
    }

    fn upto(&mut self, now: Time) {
        self.analysis.upto(now);
    }
}

/// Replays `capture`; `progress` is asked between bursts whether to go on.
pub fn replay<K: Keep>(
    capture: &mut Capture,
    config: &Config,
    options: &Options,
    keep: &mut K,
    mut progress: impl FnMut(&Capture) -> Control + Send,
) -> Result<Report, Error> {
    let failed = Arc::new(AtomicBool::new(false));
    let ends = Ends {
        keep,
        files: options.out.as_deref().map(Files::create).transpose()?,
        story: options.story.then(|| Story::new(config.home_net.clone())),
        failed: Arc::clone(&failed),
    };
    let mut folds = Folds { ends, analysis: Analysis::new(config, options.resume.clone()) };
    let go_on = move |capture: &Capture| if failed.load(Ordering::Relaxed) { Control::Stop } else { progress(capture) };
    let summary = vigie_sensor::run(capture, &config.sensor, &mut folds, go_on);
    folds.analysis.finish(&mut folds.ends);
    let Folds { ends, analysis } = folds;
    let mut caps = summary.caps_reached();
    caps.extend(analysis.caps());
    let Analysis { inventory, cases, .. } = analysis;
    caps.retain(|(_, n)| *n > 0);
    let stats = stats::batch(&summary, &caps, ends.files.as_ref().map_or(&[], |f| f.eve.kinds()));
    ends.keep.row(stats.row(0));
    if let (Some(files), Some(dir)) = (ends.files, &options.out) {
        files.finish(dir, &Known { stats: &stats, cases: &cases, inventory: &inventory }, options.lang)?;
    }
    let story = ends.story.map(|mut story| {
        story.close(capture, &summary, caps.clone());
        story.faults = capture_health::over_all(stats.row(0));
        story.cases = CaseView::all(&cases, options.lang);
        story.machines = AssetView::all(&inventory, &cases, options.lang);
        story
    });
    Ok(Report { summary, cases, inventory, caps, story })
}
