//! What every handler shares.

use crate::error::{Answer, Refusal};
use crate::home::Home;
use crate::import::Imports;
use crate::metrics::Meter;
use crate::out::EveOutputs;
use crate::person::{Person, Way};
use crate::pulse::Pulse;
use crate::rate::Rates;
use crate::tls::Certificate;
use axum::http::HeaderMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, Semaphore};
use vigie_base::Time;
use vigie_catalog::Catalog;
use vigie_detect::Lang;

/// Packets are cut for so many at once: each reads a disk and holds a thread.
const CUTS_MAX: usize = 2;

/// The server's state.
pub(crate) struct App {
    pub(crate) home: Arc<Home>,
    pub(crate) imports: Imports,
    pub(crate) changes: Changes,
    /// Where events go beside the store.
    pub(crate) eve: Arc<EveOutputs>,
    /// Told when what cases are told to is set otherwise.
    pub(crate) output_news: Notify,
    /// Places of those for whom packets are cut.
    pub(crate) cuts: Arc<Semaphore>,
    pub(crate) rates: Rates,
    pub(crate) meter: Meter,
    /// Whether the canary arrives.
    pub(crate) pulse: Pulse,
    /// Whether a sensor is at work, beside which an import has little room.
    pub(crate) watches: AtomicBool,
    /// What is served now; none in a command's own process.
    certificate: Mutex<Option<Certificate>>,
    pub(crate) started: Time,
    /// What was found wrong beside the store, in words.
    pub(crate) problems: Mutex<Vec<String>>,
}

/// Counters that grow with what changes, for pages that stay open.
#[derive(Default)]
pub(crate) struct Changes {
    cases: AtomicU64,
    events: AtomicU64,
    imports: AtomicU64,
    pub(crate) news: Notify,
}

/// What changed.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    Cases,
    Events,
    Imports,
}

impl Changes {
    /// Tells all who wait that something changed.
    pub(crate) fn tell(&self, what: Change) {
        self.counter(what).fetch_add(1, Ordering::Relaxed);
        self.news.notify_waiters();
    }

    pub(crate) fn count(&self, what: Change) -> u64 {
        self.counter(what).load(Ordering::Relaxed)
    }

    fn counter(&self, what: Change) -> &AtomicU64 {
        match what {
            Change::Cases => &self.cases,
            Change::Events => &self.events,
            Change::Imports => &self.imports,
        }
    }
}

/// The wall clock: read here and nowhere left of here.
pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

impl App {
    pub(crate) fn new(home: Home) -> Arc<App> {
        let home = Arc::new(home);
        Arc::new(App {
            home,
            imports: Imports::default(),
            changes: Changes::default(),
            eve: Arc::default(),
            output_news: Notify::default(),
            cuts: Arc::new(Semaphore::new(CUTS_MAX)),
            rates: Rates::default(),
            meter: Meter::default(),
            pulse: Pulse::default(),
            watches: AtomicBool::new(false),
            certificate: Mutex::default(),
            started: now(),
            problems: Mutex::default(),
        })
    }

    /// What was found damaged or odd, in words.
    pub(crate) fn problems(&self) -> Vec<String> {
        let store = self.home.store.problems().iter().map(ToString::to_string).collect::<Vec<_>>();
        store
            .into_iter()
            .chain(self.home.packets.problems())
            .chain(self.problems.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned())
            .collect()
    }

    /// Looks for damage that opening does not see; gives it in words, and keeps it among the problems.
    pub(crate) fn check(&self) -> Option<String> {
        let found = self.home.catalog.check().err()?.to_string();
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(found.clone());
        Some(found)
    }

    /// The certificate that is served.
    pub(crate) fn certificate(&self) -> Option<Certificate> {
        self.certificate.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another certificate is served from now on.
    pub(crate) fn serves(&self, certificate: Certificate) {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
    }

    /// Asks the catalog, off the threads that serve connections; `now` is given.
    pub(crate) async fn catalog<T: Send + 'static>(
        self: &Arc<Self>,
        ask: impl FnOnce(&Catalog, Time) -> Result<T, vigie_catalog::Error> + Send + 'static,
    ) -> Answer<T> {
        let app = Arc::clone(self);
        tokio::task::spawn_blocking(move || ask(&app.home.catalog, now())).await.map_err(Refusal::internal)?.map_err(Refusal::from)
    }

    /// Writes into the trail that a person read personal data. Live refresh and what runs by itself is not written.
    pub(crate) async fn read_by(self: &Arc<Self>, who: &Person, headers: &HeaderMap, query: String, rows: usize) -> Answer<()> {
        if who.way == Way::Local || headers.contains_key("x-live-refresh") {
            return Ok(());
        }
        let name = who.name.clone();
        self.catalog(move |c, now| c.audit_read(&name, &query, rows as u64, now)).await
    }
}

/// The reader's language: `lang`, else what the browser asks for, else English.
pub(crate) fn language(lang: Option<&str>, headers: &HeaderMap) -> Lang {
    let asked = headers.get(axum::http::header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let first = asked.split([',', ';', '-']).next().unwrap_or_default();
    lang.and_then(Lang::of).or_else(|| Lang::of(first.trim())).unwrap_or_default()
}
