//! `vigie replay`: captures in, files or a story out.

use crate::config::Config;
use crate::eve::EveFile;
use crate::stats;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use vigie_base::Time;
use vigie_capture::Capture;
use vigie_event::Row;
use vigie_inventory::{Inventory, write_asset_json};
use vigie_sensor::{Control, Fold, Summary};

/// What a replay is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where `eve.json`, `cases.json` and `assets.json` are written; nowhere without.
    pub out: Option<PathBuf>,
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
}

/// Those who read the events of a replay.
struct Folds {
    eve: Option<EveFile>,
    inventory: Inventory,
}

impl Fold for Folds {
    fn row(&mut self, row: Row<'_>) {
        if let Some(eve) = &mut self.eve {
            eve.row(row);
        }
        self.inventory.row(row);
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
    let mut folds = Folds { eve, inventory };
    let summary = vigie_sensor::replay(capture, &config.sensor, &mut folds, progress);
    if let Some(mut eve) = folds.eve {
        let batch = stats::batch(&summary, eve.kinds());
        eve.row(batch.row(0));
        eve.close().map_err(|e| Error::Output(eve_path(options), e))?;
    }
    if let Some(dir) = &options.out {
        let path = dir.join("assets.json");
        write_assets(&folds.inventory, &path).map_err(|e| Error::Output(path, e))?;
    }
    Ok(Report { summary })
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

fn eve_path(options: &Options) -> PathBuf {
    options.out.as_deref().unwrap_or(Path::new("")).join("eve.json")
}
