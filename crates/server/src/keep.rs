//! Where the events of one run go: the store while it runs, the catalog at its end.

use crate::Fault;
use crate::app::now;
use crate::home::{Held, Home};
use crate::out::Eve;
use crate::room::{For, Gone};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use vigie_base::hash::{FastMap, table_state};
use vigie_base::{Budget, Ip, Time};
use vigie_case::Cases;
use vigie_catalog::{Catalog, Changes, Kept, Kind, Pair, Source};
use vigie_dissect::record::LoginRow;
use vigie_event::{Batch, Envelope, Out, Record, Row};
use vigie_flow::record::FlowEndRow;
use vigie_inventory::Inventory;
use vigie_link::{Header, Limits, Packed, Packer};
use vigie_pipeline::{Analysis, Config, Keep};
use vigie_store::Store;

/// Pairs of addresses of one import whose first meeting is kept.
const PAIRS_MAX: usize = 500_000;
/// The same of live traffic, between two filings: what a table of 65,536 places takes.
pub(crate) const PAIRS: Budget =
    Budget { name: "events.pairs", entries_max: 57_344, entry_bytes: 48, when_full: "when further ones first met is not kept" };
/// Rows for Vigie's own use that are kept of a second of live traffic: detectors are shown a million after a restart, so that more would
/// only push each other out.
const RECALL_A_SECOND: u32 = 2_000;

/// Who takes batches that are ready.
pub(crate) type Give = Box<dyn FnMut(Vec<Packed>) -> Result<(), Fault> + Send>;

/// Keeps the events of a run.
pub(crate) struct Keeper {
    packer: Packer,
    give: Give,
    pub(crate) events: u64,
    pub(crate) flows: u64,
    /// Who called whom, when first.
    pairs: FastMap<(Ip, Ip), Time>,
    pairs_max: usize,
    /// Flows whose pair found no room.
    pairs_full: u64,
    failed: Option<Fault>,
    /// Where else they go.
    eve: Option<Eve>,
    /// Of live traffic, what is for Vigie's own use is kept, too.
    recall: Option<Allowance>,
}

/// How many rows for Vigie's own use are kept.
#[derive(Default)]
struct Allowance {
    /// Of event time.
    second: u64,
    rows: u32,
    left_out: u64,
}

impl Allowance {
    fn takes(&mut self, at: Time) -> bool {
        if self.second != at.secs() {
            (self.second, self.rows) = (at.secs(), 0);
        }
        let fits = self.rows < RECALL_A_SECOND;
        self.rows += u32::from(fits);
        self.left_out += u64::from(!fits);
        fits
    }
}

impl Keeper {
    /// For events that are filed as `header` says, from the number on that the store knows.
    pub(crate) fn new(store: &Store, mut header: Header, limits: Limits, give: Give) -> Self {
        header.number = store.last_number(&header);
        Keeper {
            packer: Packer::new(header, limits),
            give,
            events: 0,
            flows: 0,
            pairs: FastMap::with_hasher(table_state(0)),
            pairs_max: PAIRS_MAX,
            pairs_full: 0,
            failed: None,
            eve: None,
            recall: None,
        }
    }

    /// The same, which gives every event to the outputs, too.
    pub(crate) fn with_eve(mut self, eve: Eve) -> Self {
        self.eve = Some(eve);
        self
    }

    /// The same for live traffic: it also keeps events for Vigie's own use, which detectors are shown again after a restart.
    pub(crate) fn of_live(mut self) -> Self {
        self.recall = Some(Allowance::default());
        self.pairs_max = PAIRS.entries_max as usize;
        self
    }

    /// What was left out, by what was full.
    pub(crate) fn caps(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let own = [("events.recall", self.recall.as_ref().map_or(0, |r| r.left_out)), (PAIRS.name, self.pairs_full)];
        self.eve.iter().flat_map(Eve::caps).chain(own)
    }

    fn pack(&mut self, row: Row<'_>) {
        if let Err(e) = self.packer.row(row) {
            self.failed = Some(Fault::of(e));
        }
        if self.packer.has_ready() {
            self.hand_over();
        }
    }

    /// Gives on what is ready.
    fn hand_over(&mut self) {
        let batches = self.packer.take();
        if !batches.is_empty() && self.failed.is_none() {
            self.failed = (self.give)(batches).err();
        }
    }

    /// All events before `now` have been given: gives on what was open for long enough.
    pub(crate) fn upto(&mut self, now: Time) {
        if let Err(e) = self.packer.upto(now) {
            self.failed = Some(Fault::of(e));
        }
        self.hand_over();
        if let Some(eve) = &mut self.eve {
            eve.upto(now);
        }
    }

    /// No event follows: gives on what is open. An error is the first of the whole run.
    pub(crate) fn close(&mut self) -> Result<(), Fault> {
        if let Err(e) = self.packer.finish() {
            self.failed = Some(Fault::of(e));
        }
        self.hand_over();
        if let Some(eve) = &mut self.eve {
            eve.give();
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Who called whom since this was last asked, and when first.
    pub(crate) fn pairs(&mut self) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = self.pairs.drain().map(|((client, server), first)| Pair { client, server, first }).collect();
        pairs.sort_unstable_by_key(|p| (p.client, p.server));
        pairs
    }
}

impl Keep for Keeper {
    fn row(&mut self, row: Row<'_>) {
        if row.schema().internal {
            // Who was let in, a case asks for later; of the rest nobody but detectors does.
            let login = LoginRow::of(row);
            let is_kept = match &mut self.recall {
                Some(recall) => login.is_some() || recall.takes(row.env().ts),
                None => login.is_some_and(|login| login.outcome() == "success"),
            };
            if is_kept {
                self.pack(row);
            }
            return;
        }
        self.events += 1;
        if let Some(eve) = &mut self.eve {
            eve.row(row);
        }
        if FlowEndRow::of(row).is_some() {
            self.flows += 1;
            let (env, room) = (row.env(), self.pairs.len() < self.pairs_max);
            match self.pairs.get_mut(&(env.src, env.dst)) {
                Some(first) => *first = (*first).min(env.ts),
                None if room => drop(self.pairs.insert((env.src, env.dst), env.ts)),
                None => self.pairs_full += 1,
            }
        }
        self.pack(row);
    }

    fn goes_on(&self) -> bool {
        self.failed.is_none()
    }
}

/// The events of an import, or of a dataset that is made: straight into the store, older things making room.
pub(crate) struct Filing {
    home: Arc<Home>,
    dataset: String,
    pub(crate) keeper: Keeper,
    gone: Arc<Mutex<Vec<Gone>>>,
}

impl Filing {
    /// For events of a dataset that are filed under a sensor.
    pub(crate) fn new(home: &Arc<Home>, dataset: &str, sensor: &str) -> Self {
        let header = Header { dataset: dataset.to_owned(), sensor: sensor.to_owned(), ..Header::default() };
        let gone: Arc<Mutex<Vec<Gone>>> = Arc::default();
        let (to, name, went) = (Arc::clone(home), dataset.to_owned(), Arc::clone(&gone));
        let give = move |batches: Vec<Packed>| {
            let made = to.append(&batches, For::Import(&name))?;
            went.lock().unwrap_or_else(PoisonError::into_inner).extend(made);
            Ok(())
        };
        let keeper = Keeper::new(&home.store, header, Limits::IMPORT, Box::new(give));
        Filing { home: Arc::clone(home), dataset: dataset.to_owned(), keeper, gone }
    }

    /// What went to make room for it.
    pub(crate) fn gone(&self) -> Vec<Gone> {
        std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes all durable, and files what was found of it.
    pub(crate) fn file(mut self, cases: &Cases, inventory: &Inventory, sources: &[Source]) -> Result<Changes, Fault> {
        let Home { store, catalog, .. } = &*self.home;
        store.commit().and_then(|()| store.flush()).map_err(Fault::of)?;
        let (cases, loose): (Vec<_>, Vec<_>) = (cases.iter().cloned().collect(), cases.loose().cloned().collect());
        let (assets, pairs) = (inventory.assets(), self.keeper.pairs());
        let kept = Kept { cases: &cases, loose: &loose, assets: &assets, pairs: &pairs, sources };
        catalog.keep(&self.dataset, &kept, now()).map_err(Fault::of)
    }
}

/// Alerts are events of the run that led to them.
impl Out for Keeper {
    fn push<R: Record>(&mut self, env: &Envelope, record: &R) {
        let mut batch = Batch::new(R::schema());
        batch.push(env, record);
        self.row(batch.row(0));
    }
}

/// The sensor that events of a run are filed under: what names it is the SHA-256 of what was read first.
pub(crate) fn sensor(kind: Kind, sha256: &str) -> String {
    let kind = if kind == Kind::Synthetic { SYNTHETIC } else { IMPORT };
    format!("{kind}{}", sha256.get(..16).unwrap_or(sha256))
}

const IMPORT: &str = "import-";
const SYNTHETIC: &str = "synthetic-";

/// Removes what runs left that were cut by a crash: events whose source is not in the catalog, datasets without a source.
pub(crate) fn forget_cut(store: &Store, catalog: &Catalog) -> Result<(), Fault> {
    let known = catalog.datasets().map_err(Fault::of)?;
    for (dataset, from) in store.origins() {
        let whole =
            known.iter().any(|d| d.name == dataset && d.sources.iter().any(|s| s.import == from || sensor(d.kind, &s.sha256) == from));
        if !whole && [IMPORT, SYNTHETIC].iter().any(|kind| from.starts_with(kind)) {
            store.remove_sensor(&dataset, &from).map_err(Fault::of)?;
        }
    }
    for dataset in known.iter().filter(|d| d.kind != Kind::Live && d.sources.is_empty()) {
        catalog.remove_dataset(&dataset.name).map_err(Fault::of)?;
    }
    Ok(())
}

/// What came of a [`Made`] dataset.
#[derive(Clone, Debug)]
pub struct Filed {
    /// Events kept.
    pub events: u64,
    /// Flows among them.
    pub flows: u64,
    /// Assets known.
    pub assets: u64,
    /// Cases: score, title in English, detectors.
    pub cases: Vec<(u32, String, Vec<String>)>,
    /// Caps that were reached, by name, with how often.
    pub caps: Vec<(&'static str, u64)>,
}

/// A dataset of events that no capture gave: marked as synthetic, else kept, judged and filed as those of an import are.
pub struct Made {
    home: Arc<Home>,
    sha256: String,
    name: String,
    filing: Filing,
    analysis: Analysis,
    span: Option<(Time, Time)>,
}

impl Made {
    /// Begins a dataset in the data directory `dir`, which no server may hold. `name` says what the events are made from: the same name
    /// is refused twice, as the same capture is.
    pub fn begin(dir: &Path, config: Config, dataset: &str, name: &str) -> Result<Made, Fault> {
        let home = Home::open(dir, config).map_err(|held| match held {
            Held::Elsewhere => Fault::new(format!("{}: another vigie has this directory open; stop it first", dir.display())),
            Held::Fault(fault) => fault,
        })?;
        let home = Arc::new(home);
        let mut sha256 = Vec::new();
        vigie_base::text::hex(&Sha256::digest(name.as_bytes()), &mut sha256);
        let sha256 = String::from_utf8(sha256).unwrap_or_default();
        if let Some((known, _)) = home.catalog.source_of(&sha256).map_err(Fault::of)? {
            return Err(Fault::new(format!("{name}: these events are already in dataset {known}; delete that dataset first")));
        }
        home.catalog.create_dataset(dataset, Kind::Synthetic, 0, now()).map_err(Fault::of)?;
        let filing = Filing::new(&home, dataset, &sensor(Kind::Synthetic, &sha256));
        let analysis = Analysis::new(&home.config(), Default::default());
        Ok(Made { home, sha256, name: name.to_owned(), filing, analysis, span: None })
    }

    /// Takes one event; events come in their total order. Gives whether there is use in more.
    pub fn row(&mut self, row: Row<'_>) -> bool {
        let at = row.env().ts;
        self.span = Some((self.span.map_or(at, |s| s.0), at));
        self.filing.keeper.row(row);
        self.analysis.row(row, &mut self.filing.keeper);
        self.filing.keeper.goes_on()
    }

    /// Takes one event and does not judge it: what measures the store alone.
    pub fn keep(&mut self, row: Row<'_>) -> bool {
        let at = row.env().ts;
        self.span = Some((self.span.map_or(at, |s| s.0), at));
        self.filing.keeper.row(row);
        self.filing.keeper.goes_on()
    }

    /// Events kept so far.
    pub fn events(&self) -> u64 {
        self.filing.keeper.events
    }

    /// All events before `now` have been given.
    pub fn upto(&mut self, now: Time) {
        self.analysis.upto(now);
    }

    /// Files all, and puts small files together. Where it fails nothing of the dataset is kept once the directory is opened again.
    pub fn finish(mut self) -> Result<Filed, Fault> {
        self.analysis.finish(&mut self.filing.keeper);
        self.filing.keeper.close()?;
        let (events, flows) = (self.filing.keeper.events, self.filing.keeper.flows);
        let Analysis { cases, inventory, .. } = &self.analysis;
        let (first, last) = self.span.unwrap_or_default();
        let import = sensor(Kind::Synthetic, &self.sha256);
        let source = Source { name: self.name, sha256: self.sha256, bytes: 0, frames: 0, first, last, kept_as: None, import };
        let changes = self.filing.file(cases, inventory, &[source])?;
        while self.home.store.maintain(now()).map_err(Fault::of)?.more {}
        let told = |c: &vigie_case::Case| {
            let title = vigie_case::TellCase::of(c, vigie_detect::Lang::En).title;
            (c.score(), title, c.detectors().into_iter().map(str::to_owned).collect())
        };
        let mut caps = self.analysis.caps();
        caps.retain(|(_, n)| *n > 0);
        Ok(Filed { events, flows, assets: changes.new_assets.len() as u64, cases: cases.iter().map(told).collect(), caps })
    }
}
