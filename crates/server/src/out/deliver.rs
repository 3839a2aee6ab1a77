//! Cases to each output, one after another: tried until it is taken, or for a day.

use crate::app::{App, now};
use crate::out::notice::CaseNotice;
use crate::out::target::{CaseOutput, Manner, Syslog, Webhook};
use crate::out::{syslog, webhook};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vigie_base::Time;
use vigie_base::time::SECOND;
use vigie_catalog::{Error, Next};

/// How long a notice is tried, in nanoseconds.
const TRIED_MAX: u64 = 86_400 * SECOND;
/// The longest between two tries.
const BACK_OFF_MAX: Duration = Duration::from_secs(300);
/// How often it is looked for news that nobody told of: a command that runs without the server closes cases, too.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Between two looks, however much happens.
const LOOK_MIN: Duration = Duration::from_secs(1);

/// Why a notice was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// It may be later.
    Now(String),
    /// It never will be.
    Never(String),
}

/// What an output is set to.
enum Target {
    Webhook(Webhook),
    Syslog(Syslog),
}

impl Target {
    fn of(app: &App, output: CaseOutput) -> Option<Target> {
        let now = app.home.in_force();
        match output {
            CaseOutput::Webhook => now.webhook.clone().map(Target::Webhook),
            CaseOutput::Syslog => now.syslog.clone().map(Target::Syslog),
        }
    }

    fn manner(&self) -> Manner {
        match self {
            Target::Webhook(to) => to.manner,
            Target::Syslog(to) => to.manner,
        }
    }

    async fn send(&self, notice: &CaseNotice) -> Result<(), Refused> {
        match self {
            Target::Webhook(to) => webhook::send(to, notice).await,
            Target::Syslog(to) => syslog::send(to, notice).await,
        }
    }
}

/// What came of one step.
enum Step {
    /// There is more.
    More,
    /// There is nothing to tell.
    Idle,
    /// The next one was not taken.
    Failed,
}

/// Off the threads that serve connections. Errors: the catalog's, in words.
async fn catalog<T: Send + 'static>(app: &Arc<App>, ask: impl FnOnce(&App) -> Result<T, Error> + Send + 'static) -> Result<T, String> {
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || ask(&app)).await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

/// One output's work.
struct Delivery {
    app: Arc<App>,
    output: CaseOutput,
    /// Whether it was set at the last look.
    is_set: bool,
    /// Since when nothing is taken.
    failing: Option<Time>,
}

impl Delivery {
    async fn step(&mut self) -> Result<Step, String> {
        let name = self.output.name();
        let Some(to) = Target::of(&self.app, self.output) else {
            if std::mem::take(&mut self.is_set) {
                catalog(&self.app, move |app| app.home.catalog.forget_output(name)).await?;
            }
            return Ok(Step::Idle);
        };
        self.is_set = true;
        let manner = to.manner();
        let next = catalog(&self.app, move |app| {
            let c = &app.home.catalog;
            let state = c.output(name)?;
            match c.notice_after(state.position, manner.imports)? {
                Next::Notice(notice) => Ok(Some((CaseNotice::of(c, &notice, manner.lang)?, notice.id, notice.at))),
                Next::Nothing(upto) if upto > state.position => c.output_passed(name, upto).map(|()| None),
                Next::Nothing(_) => Ok(None),
            }
        });
        let Some((notice, id, at)) = next.await? else { return Ok(Step::Idle) };
        let (refused, given_up) = match to.send(&notice).await {
            Ok(()) => {
                self.failing = None;
                catalog(&self.app, move |app| app.home.catalog.output_took(name, id, now())).await?;
                return Ok(Step::More);
            }
            Err(Refused::Never(why)) => (why, true),
            Err(Refused::Now(why)) => {
                let since = *self.failing.get_or_insert_with(now);
                (why, now().since(at.max(since)) >= TRIED_MAX)
            }
        };
        if given_up {
            eprintln!("vigie: {name}: case {} is not told: {refused}", notice.case.as_ref().map_or("-", |c| c.id()));
        }
        catalog(&self.app, move |app| app.home.catalog.output_refused(name, id, given_up, &refused, now())).await?;
        Ok(if given_up { Step::More } else { Step::Failed })
    }
}

/// Tells an output of cases until `stop`.
pub(crate) async fn deliver(app: Arc<App>, output: CaseOutput, mut stop: watch::Receiver<bool>) {
    // One that is set no more is forgotten at the first look.
    let mut of = Delivery { app: Arc::clone(&app), output, is_set: true, failing: None };
    let (mut tries, mut said) = (0u32, String::new());
    loop {
        let (cases, settings) = (app.changes.news.notified(), app.output_news.notified());
        let (wait, is_idle) = match of.step().await {
            Ok(Step::More) => {
                tries = 0;
                (Duration::ZERO, false)
            }
            Ok(Step::Idle) => {
                tries = 0;
                (LOOK_EVERY, true)
            }
            Ok(Step::Failed) => {
                tries = (tries + 1).min(16);
                (BACK_OFF_MAX.min(Duration::from_secs(1 << (tries - 1))), false)
            }
            Err(why) => {
                if why != said {
                    eprintln!("vigie: {}: {why}", output.name());
                    said = why;
                }
                (LOOK_EVERY, false)
            }
        };
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(wait) => {}
            () = settings => tries = 0,
            () = cases, if is_idle => tokio::time::sleep(LOOK_MIN).await,
        }
    }
}

/// Sends a notice that only shows that it arrives. Errors: nothing is set; why it did not arrive.
pub(crate) async fn test(app: &App, output: CaseOutput, who: &str) -> Result<(), Option<String>> {
    let to = Target::of(app, output).ok_or(None)?;
    to.send(&CaseNotice::test(who, to.manner().lang)).await.map_err(|(Refused::Now(why) | Refused::Never(why))| Some(why))
}
