//! Captures into a dataset: one after the other, each whole or not at all.

use crate::Fault;
use crate::app::{App, Change, now};
use crate::keep::{Filing, sensor};
use crate::room::Gone;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vigie_base::{Sentence, Time};
use vigie_capture::{Capture, Room};
use vigie_catalog::{Catalog, Kind, Source};
use vigie_pipeline::Control;

/// Imports that are remembered.
const REMEMBERED_MAX: usize = 200;

/// Bytes between two places from which a kept capture can be read on.
const MARK_EVERY: u64 = 1 << 20;

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
    /// Whether they are kept, so that packets can be cut from them.
    pub(crate) keep: bool,
}

impl Job {
    /// A message that calls the server's own copies what their sender called them.
    fn told(&self, message: Sentence) -> Sentence {
        if !self.own {
            return message;
        }
        // As it was given, as the system resolves it, as it is shown, and alone: the longest first.
        let mut ways: Vec<String> = Vec::new();
        for path in &self.paths {
            ways.extend([path.display().to_string(), vigie_base::text::lossy(path.as_os_str().as_encoded_bytes()).into_owned()]);
            ways.extend(path.parent().and_then(|p| Some(p.canonicalize().ok()?.join(path.file_name()?).display().to_string())));
            ways.extend(path.file_name().map(|n| n.to_string_lossy().into_owned()));
        }
        ways.sort_by_key(|w| std::cmp::Reverse(w.len()));
        message.map(|text| ways.iter().fold(text, |m, way| m.replace(way, &self.name)))
    }

    /// Removes the server's own copies.
    fn forget(&self) {
        if self.own {
            self.paths.iter().for_each(|p| drop(std::fs::remove_file(p)));
        }
    }
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
    /// What went wrong or is odd.
    pub(crate) message: Sentence,
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
            (import.stage, import.ended) = (Stage::Cancelled, Some(now()));
            import.job.forget();
        }
        true
    }

    /// Asks every import to stop, as the server does.
    pub(crate) fn cancel_all(&self) {
        let ids: Vec<u64> = self.lock().all.iter().filter(|i| i.ended.is_none()).map(|i| i.id).collect();
        for id in ids {
            self.cancel(id);
        }
    }

    /// Whether none is under way.
    pub(crate) fn is_idle(&self) -> bool {
        !self.lock().running
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
        message: Sentence::from(""),
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
        import.job.forget();
        app.imports.change(import.id, |i| {
            i.ended = Some(now());
            match result {
                Ok((outcome, message)) => (i.stage, i.outcome, i.message) = (Stage::Done, Some(outcome), import.job.told(message.into())),
                Err(_) if import.stop.load(Ordering::Relaxed) => {
                    (i.stage, i.message) = (Stage::Cancelled, Sentence::new("import_cancelled", "cancelled; nothing of it is kept"))
                }
                Err(e) => (i.stage, i.message) = (Stage::Failed, import.job.told(e.said().clone())),
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

/// The SHA-256 of a file in hexadecimal, and its bytes.
fn digest(path: &Path, stop: &AtomicBool) -> std::io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer, mut bytes) = (Sha256::new(), vec![0; 1 << 18], 0);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 || stop.load(Ordering::Relaxed) {
            break;
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
    }
    Ok((hexadecimal(&hasher.finalize()), bytes))
}

/// A digest in hexadecimal.
pub(crate) fn hexadecimal(digest: &[u8]) -> String {
    let mut text = Vec::new();
    vigie_base::text::hex(digest, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// A file that was given.
struct Digested {
    path: PathBuf,
    /// SHA-256, in hexadecimal.
    sha256: String,
    bytes: u64,
}

/// What an import reads.
#[derive(Default)]
struct Given {
    files: Vec<PathBuf>,
    /// By the name that [`Capture::sources`] shows: not every file that is given is a capture.
    known: BTreeMap<String, Digested>,
    /// What is odd, in words.
    said: Vec<String>,
}

impl Given {
    /// The files that a job names, each content once. Errors: a capture that was read before.
    fn of(job: &Job, catalog: &Catalog, most: usize, stop: &AtomicBool) -> Result<Given, Fault> {
        let (files, problems) = vigie_capture::file::expand(&job.paths, most);
        let mut given = Given { said: problems.iter().map(ToString::to_string).collect(), ..Given::default() };
        let mut seen = BTreeMap::new();
        for file in files {
            let shown = vigie_base::text::lossy(file.as_os_str().as_encoded_bytes()).into_owned();
            let name = if job.own { &job.name } else { &shown };
            if !file.is_file() {
                given.said.push(format!("{name}: not a file, skipped; give a capture in a file"));
                continue;
            }
            // What cannot be read is told of when it is opened as a capture.
            if let Ok((sha256, bytes)) = digest(&file, stop) {
                if let Some((known, source)) = catalog.source_of(&sha256).map_err(Fault::of)? {
                    return Err(Fault::new(vigie_catalog::read_already(name, &known, &source.name)));
                }
                if let Some(first) = seen.insert(sha256.clone(), shown.clone()) {
                    given.said.push(format!("{name}: the same as {first}, skipped"));
                    continue;
                }
                given.known.insert(shown, Digested { path: file.clone(), sha256, bytes });
            }
            given.files.push(file);
        }
        Ok(given)
    }

    /// The files that were read, as they are remembered, and where each is.
    fn sources(&self, job: &Job, import: &str, read: &[vigie_capture::Source]) -> (Vec<Source>, Vec<PathBuf>) {
        let known = read.iter().filter_map(|source| Some((source, self.known.get(&source.name)?)));
        known
            .map(|(source, file)| {
                let remembered = Source {
                    name: if job.own { job.name.clone() } else { source.name.clone() },
                    sha256: file.sha256.clone(),
                    bytes: file.bytes,
                    frames: source.frames,
                    first: source.first.unwrap_or_default(),
                    last: source.last.unwrap_or_default(),
                    kept_as: None,
                    import: import.to_owned(),
                };
                (remembered, file.path.clone())
            })
            .unzip()
    }
}

fn run(app: &Arc<App>, import: &Import) -> Result<(Outcome, String), Fault> {
    let Import { job, stop, .. } = import;
    let (catalog, store) = (&app.home.catalog, &app.home.store);
    let (config, room) = match app.watches.load(Ordering::Relaxed) {
        true => (app.home.config().beside(), Room::SMALL),
        false => (app.home.config(), Room::WHOLE),
    };
    let mut given = Given::of(job, catalog, room.listed, stop)?;
    let known = catalog.dataset(&job.dataset).map_err(Fault::of)?;
    let options = || vigie_capture::Options { stop: Arc::clone(stop), room, ..vigie_capture::Options::default() };
    let shift = match &known {
        // All of a dataset is moved alike.
        Some(dataset) => {
            if dataset.shift != 0
                && let Some((_, last)) = Capture::open(&given.files, options()).span()
                && dataset.moved(last) > now()
            {
                return Err(Fault::new(
                    Sentence::new(
                        "shift_future",
                        "{file}: all of dataset {dataset} is moved by {seconds} s, with which this capture would end on {last}, which is yet \
                         to come; import it into a dataset of its own",
                    )
                    .with("file", &job.name)
                    .with("dataset", &dataset.name)
                    .with("seconds", dataset.shift / 1_000_000_000)
                    .with("last", crate::api::time_text(dataset.moved(last))),
                ));
            }
            if job.shift_to_now {
                given.said.push(format!(
                    "dataset {} is there already, and all of it is moved by {} s: its times are not shifted to now; name a new dataset for that",
                    dataset.name,
                    dataset.shift / 1_000_000_000
                ));
            }
            dataset.shift
        }
        None if job.shift_to_now => match Capture::open(&given.files, options()).span() {
            Some((_, last)) => i64::try_from(i128::from(now().0) - i128::from(last.0)).unwrap_or(0),
            None => 0,
        },
        None => 0,
    };
    let mark_every = if job.keep { MARK_EVERY } else { 0 };
    let mut capture = Capture::open(&given.files, vigie_capture::Options { shift, mark_every, ..options() });
    // All that was given may be unreadable, or gone since it was looked at.
    let Some(first) = capture.sources().iter().find_map(|s| given.known.get(&s.name)) else {
        if let ([], [one]) = (&given.said[..], capture.problems())
            && one.kind == vigie_capture::ProblemKind::NotACapture
        {
            let said = Sentence::new(
                "not_a_capture",
                "{file}: not a capture (neither pcap nor pcapng by its first bytes); give pcap or pcapng, plain or packed with gzip or zstd",
            );
            return Err(Fault::new(said.with("file", vigie_base::text::terminal(&one.file))));
        }
        let why = given.said.into_iter().chain(capture.problems().iter().map(ToString::to_string));
        let why: Vec<String> = why.collect();
        return Err(Fault::new(if why.is_empty() {
            Sentence::new("no_capture", "no capture among what was given")
        } else {
            why.join("; ").into()
        }));
    };
    if stop.load(Ordering::Relaxed) {
        return Err(Fault::new("cancelled"));
    }
    let sensor = sensor(Kind::Replay, &first.sha256);
    if known.is_none() {
        catalog.create_dataset(&job.dataset, Kind::Replay, shift, now()).map_err(Fault::of)?;
    }
    let mut filing = Filing::new(&app.home, &job.dataset, &sensor);
    let resume = match &known {
        Some(_) => (catalog.open_cases(&job.dataset).map_err(Fault::of)?, catalog.loose_alerts(&job.dataset).map_err(Fault::of)?),
        None => Default::default(),
    };
    let wanted = vigie_pipeline::Options { resume, ..vigie_pipeline::Options::default() };
    let mut told = 0;
    let report = vigie_pipeline::replay(&mut capture, &config, &wanted, &mut filing.keeper, |capture| {
        let (done, total) = capture.progress();
        // A lock every few megabytes, and not every burst.
        if done >= told + (4 << 20) {
            told = done;
            app.imports.change(import.id, |i| (i.done, i.total) = (done, total));
        }
        if stop.load(Ordering::Relaxed) { Control::Stop } else { Control::Go }
    });
    let closed = filing.keeper.close();
    let undo = |why: Fault| {
        let _ = store.remove_sensor(&job.dataset, &sensor);
        if known.is_none() {
            let _ = catalog.remove_dataset(&job.dataset);
        }
        why
    };
    let report = report.map_err(|vigie_pipeline::Error::Output(path, e)| undo(Fault::at(&path, &e, "free space")))?;
    app.meter.caps(&report.caps);
    closed.map_err(&undo)?;
    if stop.load(Ordering::Relaxed) {
        return Err(undo(Fault::new("cancelled")));
    }
    let (mut sources, paths) = given.sources(job, &sensor, capture.sources());
    let mut said = given.said;
    if job.keep
        && let Some(why) = app.home.keep_captures(&mut sources, &paths, job.own, stop)
    {
        said.push(format!("the capture is not kept, so that no packets can be cut from it: {why}"));
    }
    if stop.load(Ordering::Relaxed) {
        app.home.forget_all(&mut sources);
        return Err(undo(Fault::new("cancelled")));
    }
    let (events, gone) = (filing.keeper.events, filing.gone());
    let changes = match filing.file(&report.cases, &report.inventory, &sources) {
        Ok(changes) => changes,
        Err(e) => {
            app.home.forget_all(&mut sources);
            return Err(undo(e));
        }
    };
    for source in sources.iter().filter(|s| s.kept_as.is_some()) {
        let read = capture.sources().iter().find(|r| given.known.get(&r.name).is_some_and(|f| f.sha256 == source.sha256));
        // Without them a cut takes longer, and that is all.
        let _ = catalog.add_marks(&source.sha256, read.map_or(&[], |r| &r.marks));
    }
    said.extend(capture.problems().iter().map(ToString::to_string));
    if sources.iter().any(|s| Time(s.last.0.saturating_add_signed(shift)) > now()) {
        said.push("its times end after now: the clock of what recorded it is ahead, or this machine's is behind".to_owned());
    }
    said.extend(gone.iter().map(Gone::told));
    let done = serde_json::json!({"files": sources.len(), "events": events, "new_cases": changes.new_cases.len()});
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
