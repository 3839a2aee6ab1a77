//! `vigie replay`: captures in, files or a story out.

use crate::config::Config;
use crate::eve::EveFile;
use crate::names::Names;
use crate::stats;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use vigie_base::Time;
use vigie_capture::Capture;
use vigie_case::Cases;
use vigie_detect::{Engine, Finding, Lang};
use vigie_event::{Batch, Envelope, Out, Record, Row};
use vigie_inventory::{Inventory, write_asset_json};
use vigie_sensor::{Control, Fold, Summary};

/// What a replay is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where `eve.json`, `cases.json` and `assets.json` are written; nowhere without.
    pub out: Option<PathBuf>,
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
    /// What was found.
    pub cases: Cases,
    /// What is on the network.
    pub inventory: Inventory,
}

/// Those who read the events of a replay.
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
}

impl Out for Ends {
    fn push<R: Record>(&mut self, env: &Envelope, record: &R) {
        if let Some(eve) = &mut self.eve {
            let mut batch = Batch::new(R::schema());
            batch.push(env, record);
            eve.row(batch.row(0));
        }
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
        if let Some(eve) = &mut self.ends.eve {
            eve.row(row);
        }
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
    progress: impl FnMut(&Capture) -> Control + Send,
) -> Result<Report, Error> {
    let eve = match &options.out {
        None => None,
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|e| Error::Output(dir.clone(), e))?;
            let path = dir.join("eve.json");
            Some(EveFile::create(&path).map_err(|e| Error::Output(path, e))?)
        }
    };
    let inventory = Inventory::new(vigie_inventory::Settings::new(config.home_net.clone()));
    let settings = vigie_detect::Settings { home: config.home_net.clone(), ..vigie_detect::Settings::default() };
    let mut folds = Folds { ends: Ends { eve }, inventory, engine: Engine::new(settings), cases: Cases::new(), findings: Vec::new() };
    let summary = vigie_sensor::replay(capture, &config.sensor, &mut folds, progress);
    folds.engine.finish(&mut folds.findings);
    folds.file();
    if let Some(mut eve) = folds.ends.eve {
        let batch = stats::batch(&summary, eve.kinds());
        eve.row(batch.row(0));
        eve.close().map_err(|e| Error::Output(path(options, "eve.json"), e))?;
        let mut lines = Vec::new();
        folds.cases.write(options.lang, &Names::of(&folds.inventory), &mut lines);
        let to = path(options, "cases.json");
        std::fs::write(&to, &lines).map_err(|e| Error::Output(to, e))?;
    }
    if let Some(dir) = &options.out {
        let path = dir.join("assets.json");
        write_assets(&folds.inventory, &path).map_err(|e| Error::Output(path, e))?;
    }
    Ok(Report { summary, cases: folds.cases, inventory: folds.inventory })
}

fn write_assets(inventory: &Inventory, path: &Path) -> io::Result<()> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    let mut line = Vec::new();
    for asset in inventory.assets() {
        line.clear();
        write_asset_json(&asset, &mut line);
        line.push(b'\n');
        file.write_all(&line)?;
    }
    file.flush()
}

fn path(options: &Options, name: &str) -> PathBuf {
    options.out.as_deref().unwrap_or(Path::new("")).join(name)
}
