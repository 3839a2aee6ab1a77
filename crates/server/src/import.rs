//! Captures into a dataset: one after the other, each whole or not at all.

use crate::Fault;
use crate::app::{App, Change, now};
use crate::keep::{Keeper, sensor};
use crate::room::{For, Gone};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vigie_base::Time;
use vigie_capture::Capture;
use vigie_catalog::{Kind, Source};
use vigie_pipeline::Control;

/// Imports that are remembered.
const REMEMBERED_MAX: usize = 200;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Files and folders.
    pub(crate) paths: Vec<PathBuf>,
    /// What they are called.
    pub(crate) name: String,
    pub(crate) dataset: String,
    /// Moves times so that the last frame is now.
    pub(crate) shift_to_now: bool,
    pub(crate) who: String,
    /// Whether the files are this server's own copies, removed at the end.
    pub(crate) own: bool,
}

/// Where an import stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl Stage {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Stage::Queued => "queued",
            Stage::Running => "running",
            Stage::Done => "done",
            Stage::Failed => "failed",
            Stage::Cancelled => "cancelled",
        }
    }
}

/// What came of an import.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) events: u64,
    pub(crate) flows: u64,
    pub(crate) frames: u64,
    pub(crate) new_cases: u64,
    pub(crate) new_assets: u64,
}

/// An import.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) id: u64,
    pub(crate) job: Job,
    pub(crate) stage: Stage,
    pub(crate) done: u64,
    pub(crate) total: u64,
    /// What went wrong or is odd, in words.
    pub(crate) message: String,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) started: Time,
    pub(crate) ended: Option<Time>,
    stop: Arc<AtomicBool>,
}

/// Imports since the server began.
#[derive(Default)]
pub(crate) struct Imports {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    all: VecDeque<Import>,
    last_id: u64,
    running: bool,
}

impl Imports {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn list(&self) -> Vec<Import> {
        self.lock().all.iter().rev().cloned().collect()
    }

    pub(crate) fn get(&self, id: u64) -> Option<Import> {
        self.lock().all.iter().find(|i| i.id == id).cloned()
    }

    /// Whether an import into the dataset is waiting or under way.
    pub(crate) fn is_busy(&self, dataset: &str) -> bool {
        self.lock().all.iter().any(|i| i.job.dataset == dataset && matches!(i.stage, Stage::Queued | Stage::Running))
    }

    /// Asks an import to stop; what it had read is removed. False where there is none.
    pub(crate) fn cancel(&self, id: u64) -> bool {
        let mut inner = self.lock();
        let Some(import) = inner.all.iter_mut().find(|i| i.id == id) else { return false };
        import.stop.store(true, Ordering::Relaxed);
        if import.stage == Stage::Queued {
            import.stage = Stage::Cancelled;
        }
        true
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Import)) {
        if let Some(import) = self.lock().all.iter_mut().find(|i| i.id == id) {
            change(import);
        }
    }
}

/// Queues a job and returns its number.
pub(crate) fn begin(app: &Arc<App>, job: Job) -> u64 {
    let mut inner = app.imports.lock();
    inner.last_id += 1;
    let id = inner.last_id;
    while inner.all.len() >= REMEMBERED_MAX {
        let Some(old) = inner.all.iter().position(|i| i.ended.is_some()) else { break };
        inner.all.remove(old);
    }
    let import = Import {
        id,
        job,
        stage: Stage::Queued,
        done: 0,
        total: 0,
        message: String::new(),
        outcome: None,
        started: now(),
        ended: None,
        stop: Arc::default(),
    };
    inner.all.push_back(import);
    if !std::mem::replace(&mut inner.running, true) {
        let app = Arc::clone(app);
        tokio::task::spawn_blocking(move || work(&app));
    }
    id
}

/// Runs what waits, one after the other: each uses the whole machine.
fn work(app: &Arc<App>) {
    loop {
        let import = {
            let mut inner = app.imports.lock();
            match inner.all.iter_mut().find(|i| i.stage == Stage::Queued) {
                Some(import) => {
                    import.stage = Stage::Running;
                    import.clone()
                }
                None => {
                    inner.running = false;
                    return;
                }
            }
        };
        let result = run(app, &import);
        if import.job.own {
            import.job.paths.iter().for_each(|p| drop(std::fs::remove_file(p)));
        }
        app.imports.change(import.id, |i| {
            i.ended = Some(now());
            match result {
                Ok((outcome, message)) => (i.stage, i.outcome, i.message) = (Stage::Done, Some(outcome), message),
                Err(_) if import.stop.load(Ordering::Relaxed) => {
                    (i.stage, i.message) = (Stage::Cancelled, "cancelled; nothing of it is kept".to_owned())
                }
                Err(e) => (i.stage, i.message) = (Stage::Failed, e.to_string()),
            }
        });
        if let Some(ended) = app.imports.get(import.id) {
            app.meter.import(ended.stage);
        }
        app.changes.tell(Change::Imports);
        app.changes.tell(Change::Events);
        app.changes.tell(Change::Cases);
    }
}

/// Bytes that are freed at a time where the quota leaves no room for an import.
const ROOM_AT_A_TIME: u64 = 16 << 20;

/// The SHA-256 of a file in hexadecimal, and its bytes.
fn digest(path: &Path, stop: &AtomicBool) -> Result<(String, u64), Fault> {
    let bad = |e: std::io::Error| Fault::at(path, &e, "give a capture that can be read");
    let mut file = File::open(path).map_err(bad)?;
    let (mut hasher, mut buffer, mut bytes) = (Sha256::new(), vec![0; 1 << 18], 0);
    loop {
        let n = file.read(&mut buffer).map_err(bad)?;
        if n == 0 || stop.load(Ordering::Relaxed) {
            break;
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
    }
    let mut text = Vec::new();
    vigie_base::text::hex(&hasher.finalize(), &mut text);
    Ok((String::from_utf8(text).unwrap_or_default(), bytes))
}

fn run(app: &Arc<App>, import: &Import) -> Result<(Outcome, String), Fault> {
    let Import { job, stop, .. } = import;
    let (catalog, store) = (&app.home.catalog, &app.home.store);
    let (files, problems) = vigie_capture::file::expand(&job.paths);
    let mut said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let mut hashes = Vec::new();
    for file in &files {
        let (sha256, bytes) = digest(file, stop)?;
        if let Some((known, source)) = catalog.source_of(&sha256).map_err(Fault::of)? {
            let name = if job.own { job.name.clone() } else { file.display().to_string() };
            return Err(Fault::new(format!(
                "{name}: this capture is already in dataset {} (as {}); delete that dataset to read it again",
                known, source.name
            )));
        }
        hashes.push((sha256, bytes));
    }
    let known = catalog.dataset(&job.dataset).map_err(Fault::of)?;
    let options = || vigie_capture::Options { stop: Arc::clone(stop), ..vigie_capture::Options::default() };
    let shift = match &known {
        // All of a dataset is moved alike.
        Some(dataset) => dataset.shift,
        None if job.shift_to_now => match Capture::open(&files, options()).span() {
            Some((_, last)) => i64::try_from(i128::from(now().0) - i128::from(last.0)).unwrap_or(0),
            None => 0,
        },
        None => 0,
    };
    let mut capture = Capture::open(&files, vigie_capture::Options { shift, ..options() });
    if capture.sources().is_empty() {
        let why: Vec<String> = capture.problems().iter().map(ToString::to_string).collect();
        return Err(Fault::new(if why.is_empty() { "no capture among what was given".to_owned() } else { why.join("; ") }));
    }
    if known.is_none() {
        catalog.create_dataset(&job.dataset, Kind::Replay, shift, now()).map_err(Fault::of)?;
    }
    let sensor = sensor(Kind::Replay, hashes.first().map_or("", |h| &h.0));
    let (roomy, dataset) = (Arc::clone(app), job.dataset.clone());
    // Older things go where the quota leaves no room.
    let room = move || roomy.home.make_room(ROOM_AT_A_TIME, For::Import(&dataset));
    let mut keeper = Keeper::new(store, &job.dataset, &sensor, Box::new(room));
    let resume = match &known {
        Some(_) => (catalog.open_cases(&job.dataset).map_err(Fault::of)?, catalog.loose_alerts(&job.dataset).map_err(Fault::of)?),
        None => Default::default(),
    };
    let wanted = vigie_pipeline::Options { resume, ..vigie_pipeline::Options::default() };
    let mut told = 0;
    let report = vigie_pipeline::replay(&mut capture, &app.home.config(), &wanted, &mut keeper, |capture| {
        let (done, total) = capture.progress();
        // A lock every few megabytes, and not every burst.
        if done >= told + (4 << 20) {
            told = done;
            app.imports.change(import.id, |i| (i.done, i.total) = (done, total));
        }
        if stop.load(Ordering::Relaxed) { Control::Stop } else { Control::Go }
    });
    let closed = keeper.close();
    let undo = |why: Fault| {
        let _ = store.remove_sensor(&job.dataset, &sensor);
        if known.is_none() {
            let _ = catalog.remove_dataset(&job.dataset);
        }
        why
    };
    let report = report.map_err(|vigie_pipeline::Error::Output(path, e)| undo(Fault::at(&path, &e, "free space")))?;
    closed.map_err(&undo)?;
    app.meter.caps(&report.caps);
    if stop.load(Ordering::Relaxed) {
        return Err(undo(Fault::new("cancelled")));
    }
    let (events, gone) = (keeper.events, std::mem::take(&mut keeper.gone));
    let changes = keeper.file(catalog, &job.dataset, &report.cases, &report.inventory).map_err(undo)?;
    for (source, (sha256, bytes)) in capture.sources().iter().zip(&hashes) {
        let name = if job.own { job.name.clone() } else { source.name.clone() };
        let source = Source {
            name,
            sha256: sha256.clone(),
            bytes: *bytes,
            frames: source.frames,
            first: source.first.unwrap_or_default(),
            last: source.last.unwrap_or_default(),
            kept_as: None,
        };
        catalog.add_source(&job.dataset, &source, now()).map_err(Fault::of)?;
    }
    said.extend(capture.problems().iter().map(ToString::to_string));
    said.extend(gone.iter().map(Gone::told));
    let done = serde_json::json!({"files": files.len(), "events": events, "new_cases": changes.new_cases.len()});
    catalog.audit(&job.who, "import", &job.dataset, &done, now()).map_err(Fault::of)?;
    let outcome = Outcome {
        events,
        flows: report.summary.flow.flows,
        frames: report.summary.frames.pkts,
        new_cases: changes.new_cases.len() as u64,
        new_assets: changes.new_assets.len() as u64,
    };
    Ok((outcome, said.join("\n")))
}
