//! `vigie replay`: captures in, files or a story out.

use crate::config::Config;
use crate::eve::EveFile;
use crate::stats;
use crate::story::Story;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vigie_base::Time;
use vigie_capture::Capture;
use vigie_event::Row;
use vigie_sensor::{Control, Fold, Summary};

/// What a replay is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where `eve.json`, `cases.json` and `assets.json` are written; nowhere without.
    pub out: Option<PathBuf>,
    /// Whether a story is wanted.
    pub story: bool,
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

/// Those who read the events of a replay.
struct Folds {
    eve: Option<EveFile>,
    story: Option<Story>,
    /// Set when an output can no longer be written: there is no use in reading on.
    failed: Arc<AtomicBool>,
}

impl Fold for Folds {
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

    fn upto(&mut self, _now: Time) {}
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
    let mut folds = Folds { eve, story, failed: Arc::clone(&failed) };
    let go_on = move |capture: &Capture| if failed.load(Ordering::Relaxed) { Control::Stop } else { progress(capture) };
    let summary = vigie_sensor::replay(capture, &config.sensor, &mut folds, go_on);
    if let Some(mut eve) = folds.eve {
        let batch = stats::batch(&summary, eve.kinds());
        eve.row(batch.row(0));
        eve.close().map_err(|e| Error::Output(eve_path(options), e))?;
    }
    if let Some(story) = &mut folds.story {
        story.close(capture, &summary);
    }
    Ok(Report { summary, story: folds.story })
}

fn eve_path(options: &Options) -> PathBuf {
    options.out.as_deref().unwrap_or(Path::new("")).join("eve.json")
}
