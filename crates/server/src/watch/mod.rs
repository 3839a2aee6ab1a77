//! The live sensor: interfaces in; events to the store, cases and assets to the catalog, while they come.
//!
//! A process and two threads. The process captures and dissects ([`process`]); one thread judges what it says, the other writes. Between each
//! two stands a bounded queue: where it is full those before it wait, the kernel's rings fill, and what they lose is counted there.

mod order;
mod packets;
mod process;
mod recall;

pub(crate) use packets::BUDGET as PACKETS;
pub use process::sensor;

use crate::Fault;
use crate::app::{App, Change, now};
use crate::keep::Keeper;
use crate::out::{Eve, machine};
use crate::room::For;
use order::Order;
use process::Process;
use std::collections::BTreeSet;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vigie_base::time::SECOND;
use vigie_base::{Budget, Time};
use vigie_capture::Sockets;
use vigie_case::{Alert, Case};
use vigie_catalog::{Kept, Kind, Pair};
use vigie_detect::Entity;
use vigie_detect::detectors::capture_health;
use vigie_event::{Record, Row};
use vigie_inventory::Asset;
use vigie_link::local::{Receiver as Events, Word as Said};
use vigie_link::{Header, Limits, Packed};
use vigie_pipeline::{Analysis, Config, Keep};
use vigie_sensor::Stats;
use vigie_sensor::stats::StatsRow;

/// The dataset of the site's own traffic.
pub(crate) const LIVE: &str = "live";
/// Words that wait for the thread that writes.
const WORDS_MAX: usize = 3;
/// What they take: each at most all batches that were open.
pub(crate) const BUDGET: Budget = Budget {
    name: "sensor.queue",
    entries_max: WORDS_MAX as u64,
    entry_bytes: Limits::LIVE.bytes as u64,
    when_full: "the sensor waits, and frames wait in the rings",
};
/// Assets in one word.
const ASSETS_MAX: usize = 256;
/// Nanoseconds of event time between two filings of what changed of cases.
const CASES_EVERY: u64 = SECOND / 2;
/// The same of assets: they change with almost every event.
const ASSETS_EVERY: u64 = 20 * SECOND;
/// The same of all assets, also those that were only spoken of.
const ALL_ASSETS_EVERY: u64 = 1800 * SECOND;
/// Seconds for which sessions are picked up that were open at the start.
const MIDSTREAM_FIRST: u64 = 300;

/// Pause before a sensor that ended is started again: doubled each time, and at most this.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));

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
    packets: packets::Hand,
    /// Nanoseconds for which packets of a case are kept after its last sign; none where they are not.
    packets_after: Option<u64>,
    cases_filed: Time,
    assets_filed: Time,
    all_filed: Time,
    /// Before this all has been judged.
    judged: Time,
    /// When that was last compared with the clock.
    looked: Time,
}

/// Which assets are filed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Assets {
    OfCases,
    Seen,
    All,
}

impl Judge {
    /// Hands what changed to the thread that writes.
    fn file(&mut self, which: Assets) {
        let (cases, loose) = self.analysis.cases.changes();
        if let Some(after) = self.packets_after {
            self.packets.watch(&cases, after);
        }
        let inventory = &self.analysis.inventory;
        // A case is told with its machines.
        let machine = |e: Entity| e.mac.and_then(|m| inventory.asset_of_mac(m)).or_else(|| e.ip.and_then(|ip| inventory.asset_of(ip)));
        let of_cases: BTreeSet<u64> = cases.iter().flat_map(Case::entities).filter_map(machine).collect();
        let since = match which {
            Assets::OfCases => Time::MAX,
            Assets::Seen => self.assets_filed,
            Assets::All => Time(0),
        };
        // Of many, a part in a word. A case follows its machines.
        let (mut assets, to_writer) = (Vec::new(), &self.to_writer);
        if which != Assets::OfCases || !of_cases.is_empty() {
            inventory.each_asset_since(since, &of_cases, |asset| {
                if assets.len() >= ASSETS_MAX {
                    let assets = std::mem::take(&mut assets);
                    let _ = to_writer.send(Word::Changed { cases: Vec::new(), loose: Vec::new(), assets, pairs: Vec::new() });
                }
                assets.push(asset);
            });
        }
        let pairs = if assets.is_empty() { Vec::new() } else { self.keeper.pairs() };
        if !(cases.is_empty() && loose.is_empty() && assets.is_empty() && pairs.is_empty()) {
            // The writer is gone only when the server stops.
            let _ = self.to_writer.send(Word::Changed { cases, loose, assets, pairs });
        }
    }

    fn row(&mut self, row: Row<'_>) {
        if row.schema().kind == Stats::KIND {
            return self.counted(row);
        }
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
        self.judged = now;
        self.analysis.upto(now);
        self.keeper.upto(now);
        if now.since(self.cases_filed) < CASES_EVERY {
            return;
        }
        self.cases_filed = now;
        let which = if now.since(self.all_filed) >= ALL_ASSETS_EVERY {
            Assets::All
        } else if now.since(self.assets_filed) >= ASSETS_EVERY {
            Assets::Seen
        } else {
            Assets::OfCases
        };
        self.file(which);
        if which == Assets::All {
            self.all_filed = now;
        }
        if which != Assets::OfCases {
            self.assets_filed = now;
        }
    }

    /// What the sensor counted so far; what was full here is added.
    fn counted(&mut self, stats: Row<'_>) {
        let mut caps: Vec<_> = self.analysis.caps().into_iter().chain(self.keeper.caps()).collect();
        caps.retain(|(_, n)| *n > 0);
        let whole = vigie_pipeline::stats::with_caps(stats, &caps);
        if let Some(kept) = StatsRow::of(stats).and_then(|s| s.packets()) {
            self.packets.overwritten(kept.dropped());
        }
        self.keeper.row(whole.row(0));
        self.analysis.counted(whole.row(0), &mut self.keeper);
    }
}

/// The live sensor, running.
pub(crate) struct Watch {
    told: Arc<Told>,
    threads: Vec<JoinHandle<()>>,
}

/// What a sensor is told: [`Order`]s, and to end, by closing our side of the stream.
#[derive(Default)]
pub(crate) struct Told {
    /// No other one follows.
    stop: AtomicBool,
    /// Another one follows, under the configuration that holds then.
    renew: AtomicBool,
    /// Which sensor this is, from 1.
    turn: AtomicU64,
    link: Mutex<Option<UnixStream>>,
}

impl Told {
    fn stops(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// From now on this sensor is the one to be told.
    fn follows(&self, link: &UnixStream) {
        let mut told = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        *told = link.try_clone().ok();
        self.turn.fetch_add(1, Ordering::SeqCst);
        drop(told);
        if self.stops() {
            self.end();
        }
    }

    /// Which sensor is the one to be told; 0 before the first.
    fn turn(&self) -> u64 {
        self.turn.load(Ordering::SeqCst)
    }

    /// Tells the sensor of that turn; whether it is still the one, and hears.
    fn order(&self, turn: u64, order: &Order) -> bool {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        self.turn() == turn && link.as_ref().is_some_and(|mut link| order.write(&mut link).is_ok())
    }

    fn end(&self) {
        if let Some(mut link) = self.link.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            if self.stops() {
                let _ = Order::AtLast.write(&mut link);
            }
            let _ = link.shutdown(Shutdown::Write);
        }
    }

    /// Puts a sensor of the configuration as it is now in the place of the one that runs: what comes in between waits in the rings.
    pub(crate) fn renew(&self) {
        self.renew.store(true, Ordering::SeqCst);
        self.end();
    }
}

impl Watch {
    /// Begins on what was opened. Errors: a sensor that does not begin, a catalog that cannot be written.
    pub(crate) async fn begin(app: &Arc<App>, sockets: Sockets, allow_weaker: bool) -> Result<Watch, Fault> {
        let home = &app.home;
        let config = configured(app);
        if home.catalog.dataset(LIVE).map_err(Fault::of)?.is_none() {
            home.catalog.create_dataset(LIVE, Kind::Live, 0, now()).map_err(Fault::of)?;
        }
        let resume = (home.catalog.open_cases(LIVE).map_err(Fault::of)?, home.catalog.loose_alerts(LIVE).map_err(Fault::of)?);
        let (to_writer, from_judge) = sync_channel(WORDS_MAX);
        let header = Header { dataset: LIVE.to_owned(), sensor: machine(), ..Header::default() };
        let give = to_writer.clone();
        let give = move |batches| give.send(Word::Batches(batches)).map_err(|_| Fault::new("the store's thread ended"));
        let told = Arc::new(Told::default());
        let (packets, packets_thread) = packets::start(app, &told, sockets.names().map(str::to_owned).collect()).map_err(Fault::of)?;
        if let Some(after) = config.packets.watched() {
            packets.watch(&resume.0, after);
        }
        let mut judge = Judge {
            keeper: Keeper::new(&home.store, header, Limits::LIVE, Box::new(give)).of_live().with_eve(Eve::new(&app.eve)),
            analysis: Analysis::new(&config, resume),
            to_writer,
            packets,
            packets_after: config.packets.watched(),
            cases_filed: Time(0),
            assets_filed: Time(0),
            all_filed: Time(0),
            judged: Time(0),
            looked: Time(0),
        };
        let of = Arc::clone(app);
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let writer = named("writer").spawn(move || write(&of, &from_judge)).map_err(Fault::of)?;
        // Meanwhile frames wait in the rings.
        match recall::recall(app, &mut judge.analysis, &mut judge.keeper).await {
            Ok(again) if again.took > Duration::from_secs(1) => {
                eprintln!("vigie: {} events of the last day were read again in {:.1} s", again.rows, again.took.as_secs_f64());
            }
            Ok(_) => {}
            Err(e) => eprintln!("vigie: detectors begin anew: what was kept cannot be read: {e}"),
        }
        let process = Process::start(&sockets, &config, MIDSTREAM_FIRST, allow_weaker)?;
        told.follows(&process.link);
        judge.judged = now();
        let sensors = Sensors { app: Arc::clone(app), sockets, config, allow_weaker, told: Arc::clone(&told) };
        sensors.begins();
        let threads = vec![packets_thread, writer, named("judge").spawn(move || sensors.follow(process, judge)).map_err(Fault::of)?];
        Ok(Watch { told, threads })
    }

    /// To tell it something.
    pub(crate) fn told(&self) -> Arc<Told> {
        Arc::clone(&self.told)
    }

    /// Ends it: what was captured is judged and written.
    pub(crate) fn end(self) {
        self.told.stop.store(true, Ordering::SeqCst);
        self.told.end();
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// The configuration as it is now, with the addresses of this machine, which is no finding.
fn configured(app: &App) -> Config {
    let mut config = app.home.config();
    let (ips, macs) = vigie_capture::live::addresses();
    config.detect.own = vigie_detect::Own { ips, macs };
    config
}

/// One sensor after another, on the same sockets.
struct Sensors {
    app: Arc<App>,
    sockets: Sockets,
    config: Config,
    allow_weaker: bool,
    told: Arc<Told>,
}

impl Sensors {
    /// The first canary of this configuration is awaited from now on.
    fn begins(&self) {
        let overdue = self.config.detect.get(&capture_health::OVERDUE);
        self.app.pulse.begin(self.config.live.canary, overdue, now());
    }

    /// Compares, once a second, what has been judged with the clock: where no sensor says anything, nobody else does.
    fn look(&self, judge: &mut Judge) {
        let clock = now();
        if clock >= judge.looked && clock.since(judge.looked) < SECOND {
            return;
        }
        judge.looked = clock;
        self.app.pulse.judged(judge.judged);
        let point = capture_health::point(self.sockets.names());
        judge.analysis.clock(clock, &point, judge.judged, &mut judge.keeper);
    }

    fn follow(mut self, first: Process, mut judge: Judge) {
        let (mut process, mut pause) = (first, AGAIN.0);
        loop {
            let began = Instant::now();
            let mut events = Events::new(&process.link, vigie_pipeline::schemas());
            let why = loop {
                match events.next_word() {
                    Ok(Said::Rows(rows)) => rows.each(|row| judge.row(row)),
                    Ok(Said::Upto(now)) => {
                        judge.upto(now);
                        self.look(&mut judge);
                    }
                    Ok(Said::Packets(piece)) => judge.packets.take(self.told.turn(), piece),
                    Ok(Said::End) => break None,
                    Err(e) => break Some(e),
                }
            };
            let pid = process.pid();
            if why.is_some() {
                process.kill();
            }
            let status = process.ended();
            if self.told.stops() {
                break;
            }
            if self.told.renew.swap(false, Ordering::SeqCst) && why.is_none() {
                let next = configured(&self.app);
                judge.analysis.reconfigure(&self.config, &next, &mut judge.keeper);
                judge.packets_after = next.packets.watched();
                self.config = next;
                self.begins();
                match Process::start(&self.sockets, &self.config, MIDSTREAM_FIRST, self.allow_weaker) {
                    Ok(next) => {
                        self.told.follows(&next.link);
                        eprintln!("vigie: the sensor goes on under the new configuration (process {})", next.pid());
                        process = next;
                        continue;
                    }
                    Err(e) => eprintln!("vigie: {e}"),
                }
            }
            let why = why.map_or_else(String::new, |e| format!("; {e}"));
            let status = status.map_or_else(|e| e.to_string(), |s| s.to_string());
            eprintln!(
                "vigie: the sensor (process {pid}) ended: {status}{why}. What it had not handed over is lost: the last second at most, and flows that were open"
            );
            self.app.meter.sensor_ended();
            if began.elapsed() > AGAIN.1 {
                pause = AGAIN.0;
            }
            let Some(next) = self.again(&mut pause, &mut judge) else { break };
            process = next;
        }
        judge.analysis.finish(&mut judge.keeper);
        if let Err(e) = judge.keeper.close() {
            eprintln!("vigie: {e}");
        }
        judge.file(Assets::All);
    }

    /// The next sensor; none where there is no more use in one.
    fn again(&self, pause: &mut Duration, judge: &mut Judge) -> Option<Process> {
        loop {
            let until = Instant::now() + *pause;
            *pause = (*pause * 2).min(AGAIN.1);
            while Instant::now() < until {
                if self.told.stops() {
                    return None;
                }
                self.look(judge);
                // With no word of a sensor no event time passes, at which cases are filed otherwise.
                judge.file(Assets::OfCases);
                std::thread::sleep(Duration::from_millis(50));
            }
            match Process::start(&self.sockets, &self.config, MIDSTREAM_FIRST, self.allow_weaker) {
                Ok(process) => {
                    self.told.follows(&process.link);
                    eprintln!("vigie: a new sensor goes on (process {})", process.pid());
                    return Some(process);
                }
                Err(e) => eprintln!("vigie: {e}"),
            }
        }
    }
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
