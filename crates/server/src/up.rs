//! `vigie up`: the server.

use crate::app::{App, now};
use crate::home::{Held, Home};
use crate::out::{CaseOutput, Sink, deliver};
use crate::plan::BLOCKING_MAX;
use crate::watch::{Told, Watch};
use crate::{Fault, api, listen, metrics, person, tls, web};
use axum::Router;
use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use vigie_capture::{Advice, Sockets};
use vigie_catalog::UserRole;
use vigie_pipeline::Config;
use vigie_pipeline::config::{Changed, EveOutput, Takes, changed};

/// How often the certificate is looked at.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(5);
/// How often a certificate that ends soon is told of in the log, in seconds.
const WARN_EVERY: u64 = 86_400;

/// How long imports may take to end when the server stops.
const IMPORTS_END: Duration = Duration::from_secs(30);

/// How to serve.
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    /// Interfaces to capture from, as one capture point; none to serve only.
    pub interfaces: Vec<String>,
    /// Where browsers connect.
    pub listen: SocketAddr,
    /// A certificate and its key, where one is given.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// How captures are read.
    pub config: Config,
    /// Whether to go on where the machine lacks a wall of the sandbox.
    pub allow_weaker: bool,
    /// Reads the configuration again. Errors: one line.
    pub again: Again,
}

/// Reads the configuration again.
pub type Again = Arc<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// All that is served: the API and the console, under the headers of every answer.
pub(crate) fn service(app: Arc<App>) -> Router {
    api::router(Arc::clone(&app))
        .fallback(web::console)
        .layer(axum::middleware::from_fn_with_state(app, metrics::counted))
        .layer(axum::middleware::from_fn(web::headers))
}

/// Serves until it is told to stop; `say` is given the lines that a person should read.
pub fn up(mut options: Options, say: &mut dyn FnMut(&str)) -> Result<(), Fault> {
    options.config = crate::fit(&options.config, options.interfaces.len()).map_err(Fault::new)?;
    // What needs a right comes first; then rights are given up, before the first thread.
    let sockets = if options.interfaces.is_empty() {
        None
    } else {
        let (ips, macs) = vigie_capture::live::addresses();
        options.config.detect.own = vigie_detect::Own { ips, macs };
        Some(Sockets::open(&options.interfaces, &options.config.live).map_err(Fault::of)?)
    };
    let port = listen::port(options.listen)?;
    Home::make(&options.data)?;
    let keeps = vigie_sandbox::Server { writes: [options.data.clone()].into_iter().chain(folder(&options.config.eve)).collect() };
    match vigie_sandbox::server(&keeps) {
        Err(e) if !options.allow_weaker => return Err(Fault::new(format!("{e}; mend it, or start with --allow-weaker"))),
        Err(e) => say(&format!("Weaker than it should be: {e}")),
        Ok(()) => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_MAX).build().map_err(Fault::of)?;
    runtime.block_on(serve(options, sockets, port, keeps.writes, say))
}

/// The folder in which a file of events is written and rotated.
fn folder(asked: &EveOutput) -> Option<PathBuf> {
    let folder = asked.file.as_ref()?.parent()?;
    Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
}

async fn serve(
    options: Options,
    sockets: Option<Sockets>,
    port: TcpListener,
    writes: Vec<PathBuf>,
    say: &mut dyn FnMut(&str),
) -> Result<(), Fault> {
    let home = match Home::open(&options.data, options.config) {
        Ok(home) => home,
        Err(Held::Fault(fault)) => return Err(fault),
        Err(Held::Elsewhere) => {
            return Err(Fault::new(format!(
                "{}: another vigie has this data directory; stop it, or give another --data",
                options.data.display()
            )));
        }
    };
    let app = App::new(home);
    if !options.interfaces.is_empty()
        && let Some(fault) = app.eve.set(&app.home.told().eve).into_iter().next()
    {
        return Err(Fault::new(fault));
    }
    let port = tokio::net::TcpListener::from_std(port).map_err(Fault::of)?;
    app.watches.store(sockets.is_some(), Ordering::Relaxed);
    let sensor = match sockets {
        Some(sockets) => Some(Watch::begin(&app, sockets, options.allow_weaker).await?),
        None => None,
    };
    // Whoever reads the first line may end it at once.
    let (asked_to_stop, asked_to_reload) = signals()?;
    let first = first_user(&app).await?;
    let own = options.certificate.is_none();
    let pair = match options.certificate {
        Some((certificate, key)) => tls::Pair { certificate, key },
        None => tls::Pair::own(&options.data),
    };
    let (watched, (config, certificate)) = tls::Watched::new(pair, own, options.listen.ip(), now())?;
    let at = port.local_addr().map_err(Fault::of)?;
    let socket = listen::socket(&Home::socket(&options.data))?;
    // Addresses of every interface are opened by one of them.
    let shown = if at.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], at.port())) } else { at };
    say(&format!("Vigie is up: open https://{shown}/"));
    if sensor.is_some() {
        say(&format!("Capturing from {}", options.interfaces.join(", ")));
        for Advice { harm, command } in options.interfaces.iter().flat_map(|i| vigie_capture::advice(i)) {
            say(&format!("{harm}; mend it with: {command}"));
        }
    }
    if let Some(password) = first {
        say(&format!("First log-in: admin, password {password} (to be changed at once; it is not shown again)"));
    }
    if own {
        say("The certificate is Vigie's own: your browser will ask once whether to trust it.");
    }
    if let Some(warning) = certificate.warning(now()) {
        say(&warning);
    }
    app.serves(certificate);
    for problem in app.home.store.problems() {
        say(&problem.to_string());
    }
    let of = Arc::clone(&app);
    tokio::task::spawn_blocking(move || {
        if let Some(damage) = of.check() {
            eprintln!("vigie: {damage}");
        }
    });
    let router = service(Arc::clone(&app));
    let (stop, stopped) = watch::channel(false);
    let (serve, served) = watch::channel(config);
    let tls = tokio::spawn(listen::tls(port, served, router.clone(), stopped.clone()));
    let certificate = tokio::spawn(certified(Arc::clone(&app), watched, serve, stopped.clone()));
    let local = tokio::spawn(listen::local(socket, router, stopped.clone()));
    let outputs = CaseOutput::ALL.map(|output| tokio::spawn(deliver(Arc::clone(&app), output, stopped.clone())));
    let upkeep = tokio::spawn(upkeep(Arc::clone(&app), stopped));
    let reload = Reload {
        app: Arc::clone(&app),
        again: options.again,
        interfaces: options.interfaces.len(),
        sensor: sensor.as_ref().map(Watch::told),
        writes,
    };
    tokio::select! {
        () = asked_to_stop => {}
        () = reload.whenever(asked_to_reload) => {}
    }
    let _ = stop.send(true);
    if let Some(sensor) = sensor {
        let _ = tokio::task::spawn_blocking(|| sensor.end()).await;
        let eve = Arc::clone(&app.eve);
        let _ = tokio::task::spawn_blocking(move || eve.end()).await;
    }
    for output in outputs {
        let _ = output.await;
    }
    app.imports.cancel_all();
    let _ = tokio::join!(tls, local, upkeep, certificate);
    // What an import had read is removed before the store is closed; where that takes too long, the next start does it.
    let idle = async {
        while !app.imports.is_idle() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(IMPORTS_END, idle).await;
    let _ = std::fs::remove_file(Home::socket(&options.data));
    let store = app.home.store.clone();
    tokio::task::spawn_blocking(move || store.commit()).await.map_err(Fault::of)?.map_err(Fault::of)
}

/// Where there is nobody yet, an administrator with a password of chance; the password.
async fn first_user(app: &Arc<App>) -> Result<Option<String>, Fault> {
    let refused = |_| Fault::new("the first user cannot be made; free space in the data directory");
    if !app.catalog(|c, _| c.users()).await.map_err(refused)?.is_empty() {
        return Ok(None);
    }
    let password: String = person::fresh_token().map_err(refused)?.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    let hash = api::hashed(&password).map_err(refused)?;
    app.catalog(move |c, now| c.add_user("admin", UserRole::Administrator, &hash, true, now)).await.map_err(refused)?;
    Ok(Some(password))
}

/// What is done by itself: merging, retention, the quota.
async fn upkeep(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut every = tokio::time::interval(Duration::from_secs(30));
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = every.tick() => {}
        }
        let app = Arc::clone(&app);
        let kept = tokio::task::spawn_blocking(move || {
            let done = app.home.store.maintain(now()).map_err(Fault::of)?;
            app.home.hold_packets(0);
            app.home.keep_within()?;
            Ok::<_, Fault>(done.more)
        });
        match kept.await {
            // After a large import there is much to put together.
            Ok(Ok(true)) => every.reset_immediately(),
            Ok(Err(e)) => eprintln!("vigie: the store's upkeep failed: {e}"),
            _ => {}
        }
    }
}

/// Keeps a good certificate served.
async fn certified(app: Arc<App>, mut watched: tls::Watched, serve: watch::Sender<Arc<ServerConfig>>, mut stop: watch::Receiver<bool>) {
    let mut every = tokio::time::interval(CERTIFICATE_EVERY);
    let (mut warned, mut failing) = (now().secs(), false);
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = every.tick() => {}
        }
        let looked = tokio::task::spawn_blocking(move || {
            let found = watched.again(now());
            (watched, found)
        });
        let Ok((back, found)) = looked.await else { return };
        watched = back;
        match found {
            Ok(Some((config, certificate))) => {
                let _ = serve.send(config);
                app.serves(certificate);
                failing = false;
                eprintln!("vigie: another certificate is served");
            }
            Ok(None) => {}
            // Told once: both files of a pair are seldom replaced at one time.
            Err(e) if !std::mem::replace(&mut failing, true) => eprintln!("vigie: {e}; the certificate from before goes on"),
            Err(_) => {}
        }
        let at = now();
        if at.secs().saturating_sub(warned) >= WARN_EVERY
            && let Some(warning) = app.certificate().and_then(|c| c.warning(at))
        {
            eprintln!("vigie: {warning}");
            warned = at.secs();
        }
    }
}

/// Listens for signals from now on: done when one asks to stop; those that ask for the configuration to be read again.
fn signals() -> Result<(impl Future<Output = ()>, Signal), Fault> {
    let listen = |kind| signal(kind).map_err(Fault::of);
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let stop = async move {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
    };
    Ok((stop, listen(SignalKind::hangup())?))
}

/// Reads the configuration again.
struct Reload {
    app: Arc<App>,
    again: Again,
    /// From how many it captures.
    interfaces: usize,
    sensor: Option<Arc<Told>>,
    /// Folders that can be written to: the right to others was given up.
    writes: Vec<PathBuf>,
}

impl Reload {
    /// Whenever a signal says so; done where the signal says that the terminal is gone.
    async fn whenever(self, mut signal: Signal) {
        let at_terminal = std::io::stdin().is_terminal();
        let this = Arc::new(self);
        while signal.recv().await.is_some() {
            if at_terminal && !std::io::stdin().is_terminal() {
                return;
            }
            let this = Arc::clone(&this);
            let lines = tokio::task::spawn_blocking(move || this.now()).await.unwrap_or_default();
            lines.iter().for_each(|line| eprintln!("vigie: {line}"));
        }
        // No signal comes any more: then none asks for it.
        std::future::pending().await
    }

    /// Now: what came of it, a line each.
    fn now(&self) -> Vec<String> {
        let (app, old) = (&self.app, self.app.home.told());
        let mut new = match (self.again)() {
            Ok(new) => new,
            Err(why) => {
                app.eve.reopen();
                return vec![format!("{why}; the configuration from before goes on")];
            }
        };
        let (mut lines, mut changes) = (Vec::new(), changed(&old, &new));
        // Memory is set aside at the start.
        new.memory = old.memory;
        new = match crate::fit(&new, self.interfaces) {
            Ok(new) => new,
            Err(why) => return vec![format!("{why}; the configuration from before goes on")],
        };
        if folder(&new.eve).is_some_and(|f| !self.writes.iter().any(|w| f.starts_with(w))) {
            new.eve.clone_from(&old.eve);
            changes.iter_mut().filter(|c| c.name == Sink::File.key()).for_each(|c| c.takes = Takes::Start);
        }
        if self.sensor.is_some() && new.eve != old.eve {
            lines.extend(app.eve.set(&new.eve));
        } else {
            app.eve.reopen();
        }
        match app.home.tell(new) {
            Ok(problems) => lines.extend(problems),
            Err(e) => return vec![format!("{e}; the configuration from before goes on")],
        }
        lines.extend(changes.iter().map(|c| said(c, self.sensor.is_some())));
        if let Some(sensor) = self.sensor.as_ref().filter(|_| changes.iter().any(|c| c.takes == Takes::Sensor)) {
            sensor.renew();
        }
        if changes.is_empty() {
            lines.push("the configuration was read again: nothing changed".to_owned());
        }
        lines
    }
}

/// A change, with when it holds.
fn said(change: &Changed, captures: bool) -> String {
    let value = change.is.as_deref().map_or("not set any more".to_owned(), |v| format!("{v:?}"));
    let holds = match change.takes {
        Takes::Sensor if captures => "holds now, for a new sensor that takes the old one's place",
        Takes::Now | Takes::Sensor => "holds now",
        Takes::Start => "holds after a restart",
    };
    format!("{}: {value}: {holds}", change.name)
}
