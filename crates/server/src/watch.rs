//! The live sensor: interfaces in; events to the store, cases and assets to the catalog, while they come.
//!
//! Two threads. One captures, dissects and judges, and waits for nobody but the processor; the other writes. Between them stands a bounded
//! queue: where it is full the first waits, the kernel's rings fill, and what they lose is counted there.

use crate::Fault;
use crate::app::{App, Change, now};
use crate::keep::Keeper;
use crate::room::For;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use vigie_base::Time;
use vigie_base::time::SECOND;
use vigie_capture::Live;
use vigie_case::{Alert, Case};
use vigie_catalog::{Kept, Kind, Pair};
use vigie_event::Row;
use vigie_inventory::Asset;
use vigie_link::{Header, Limits, Packed};
use vigie_pipeline::{Analysis, Config, Control, Keep};
use vigie_sensor::{Fold, Summary};

/// The dataset of the site's own traffic.
pub(crate) const LIVE: &str = "live";
/// Words that wait for the thread that writes: at most some 64 MiB of batches.
const WORDS_MAX: usize = 64;
/// Nanoseconds of event time between two filings of what changed of cases.
const CASES_EVERY: u64 = SECOND;
/// The same of assets: they change with almost every event.
const ASSETS_EVERY: u64 = 20 * SECOND;
/// Seconds for which sessions are picked up that were open at the start.
const MIDSTREAM_FIRST: u64 = 300;

/// What the thread that judges has for the one that writes.
enum Word {
    Batches(Vec<Packed>),
    /// The canary let go at this time came back.
    Canary(Time),
    Changed {
        cases: Vec<Case>,
        loose: Vec<Alert>,
        assets: Vec<Asset>,
        pairs: Vec<Pair>,
    },
}

/// Those who read the events.
struct Judge {
    keeper: Keeper,
    analysis: Analysis,
    to_writer: SyncSender<Word>,
    cases_filed: Time,
    assets_filed: Time,
}

impl Judge {
    /// Hands what changed to the thread that writes.
    fn file(&mut self, with_assets: bool) {
        let (cases, loose) = self.analysis.cases.changes();
        // A case is told with its machines.
        let with_assets = with_assets || !cases.is_empty();
        let (assets, pairs) = if with_assets { (self.analysis.inventory.assets(), self.keeper.pairs()) } else { Default::default() };
        if !(cases.is_empty() && loose.is_empty() && assets.is_empty() && pairs.is_empty()) {
            // The writer is gone only when the server stops.
            let _ = self.to_writer.send(Word::Changed { cases, loose, assets, pairs });
        }
    }
}

impl Fold for Judge {
    fn row(&mut self, row: Row<'_>) {
        if row.env().is_canary() {
            if let Some(made) = self.analysis.canary(row) {
                let _ = self.to_writer.send(Word::Canary(made));
            }
            return;
        }
        self.keeper.row(row);
        self.analysis.row(row, &mut self.keeper);
    }

    fn upto(&mut self, now: Time) {
        self.analysis.upto(now);
        self.keeper.upto(now);
        if now.since(self.cases_filed) >= CASES_EVERY {
            self.cases_filed = now;
            let with_assets = now.since(self.assets_filed) >= ASSETS_EVERY;
            if with_assets {
                self.assets_filed = now;
            }
            self.file(with_assets);
        }
    }

    fn counted(&mut self, so_far: &Summary) {
        let mut caps = so_far.caps_reached();
        caps.extend(self.analysis.caps());
        caps.retain(|(_, n)| *n > 0);
        let stats = vigie_pipeline::stats::batch(so_far, &caps, &[]);
        self.keeper.row(stats.row(0));
        self.analysis.counted(stats.row(0), &mut self.keeper);
    }
}

/// The live sensor, running.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Opens the interfaces and begins. Errors: an interface that cannot be captured from, a catalog that cannot be written.
    pub(crate) fn begin(app: &Arc<App>, interfaces: &[String]) -> Result<Watch, Fault> {
        let home = &app.home;
        let mut config = home.config();
        config.sensor.midstream_first = MIDSTREAM_FIRST;
        let (ips, macs) = vigie_capture::live::addresses();
        config.detect.own = vigie_detect::Own { ips, macs };
        app.pulse.begin(config.live.canary, now());
        let live = Live::open(interfaces, config.live.clone()).map_err(Fault::of)?;
        if home.catalog.dataset(LIVE).map_err(Fault::of)?.is_none() {
            home.catalog.create_dataset(LIVE, Kind::Live, 0, now()).map_err(Fault::of)?;
        }
        let resume = (home.catalog.open_cases(LIVE).map_err(Fault::of)?, home.catalog.loose_alerts(LIVE).map_err(Fault::of)?);
        let (to_writer, from_judge) = sync_channel(WORDS_MAX);
        let header = Header { dataset: LIVE.to_owned(), sensor: machine(), ..Header::default() };
        let give = to_writer.clone();
        let give = move |batches| give.send(Word::Batches(batches)).map_err(|_| Fault::new("the store's thread ended"));
        let judge = Judge {
            keeper: Keeper::new(&home.store, header, Limits::LIVE, Box::new(give)),
            analysis: Analysis::new(&config, resume),
            to_writer,
            cases_filed: Time(0),
            assets_filed: Time(0),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let (of, told) = (Arc::clone(app), Arc::clone(&stop));
        let threads =
            vec![std::thread::spawn(move || write(&of, &from_judge)), std::thread::spawn(move || sense(live, &config, judge, &told))];
        Ok(Watch { stop, threads })
    }

    /// Ends it: what was captured is judged and written.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// The sensor's name: the machine's.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "sensor".to_owned() } else { name.trim().to_owned() }
}

fn sense(mut live: Live, config: &Config, mut judge: Judge, stop: &AtomicBool) {
    let go_on = |_: &Live| if stop.load(Ordering::Relaxed) { Control::Stop } else { Control::Go };
    let summary = vigie_sensor::run(&mut live, &config.sensor, &mut judge, go_on);
    judge.counted(&summary);
    judge.analysis.finish(&mut judge.keeper);
    if let Err(e) = judge.keeper.close() {
        eprintln!("vigie: {e}");
    }
    judge.file(true);
}

fn write(app: &Arc<App>, from_judge: &Receiver<Word>) {
    let mut said = String::new();
    for word in from_judge {
        let done = match word {
            Word::Batches(batches) => {
                let done = app.home.append(&batches, For::Site).and_then(|_| app.home.store.commit().map_err(Fault::of));
                app.changes.tell(Change::Events);
                done
            }
            Word::Canary(made) => {
                app.pulse.back(made, now());
                Ok(())
            }
            Word::Changed { cases, loose, assets, pairs } => {
                let kept = Kept { cases: &cases, loose: &loose, assets: &assets, pairs: &pairs, sources: &[] };
                let changes = app.home.catalog.keep(LIVE, &kept, now()).map_err(Fault::of);
                changes.map(|c| {
                    if !(c.new_cases.is_empty() && c.grown.is_empty() && c.reopened.is_empty() && c.resolved.is_empty()) {
                        app.changes.tell(Change::Cases);
                    }
                })
            }
        };
        // Once, and not with every batch while a disk is full.
        match done {
            Err(e) if e.to_string() != said => {
                said = e.to_string();
                eprintln!("vigie: what the sensor saw could not be kept: {said}");
            }
            Err(_) => {}
            Ok(()) => said.clear(),
        }
    }
}
