//! `vigie replay`: options in, exit code out.

use crate::args::Replay;
use crate::screen::{self, Progress};
use crate::{Exit, configure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vigie_base::Time;
use vigie_base::text::{lossy, terminal};
use vigie_capture::{Capture, Filter};
use vigie_pipeline::{Config, Control, Error, Lang, Nothing, Options, story};

/// What the options say, read and found right.
struct Job {
    config: Config,
    filter: Option<String>,
    from: Option<Time>,
    to: Option<Time>,
    lang: Lang,
    quiet: bool,
    verbose: bool,
    strict: bool,
    stop: Arc<AtomicBool>,
}

/// Runs the command.
pub(crate) fn run(args: &Replay) -> Exit {
    if let Some(data) = &args.data {
        return crate::kept::import(data, args);
    }
    let job = match job(args) {
        Ok(job) => job,
        Err(line) => {
            screen::tell(&line);
            return Exit::Usage;
        }
    };
    if let Err(e) = catch_signals(&job.stop) {
        screen::tell(&format!("signals cannot be caught ({e}); an interrupt will end the replay at once"));
    }
    if !args.each {
        return job.replay(&args.paths, args.out.clone());
    }
    let (files, problems) = vigie_capture::file::expand(&args.paths, vigie_capture::Room::WHOLE.listed);
    problems.iter().for_each(|p| screen::tell(&p.to_string()));
    let mut taken = Vec::new();
    let mut exits: Vec<Exit> = Vec::new();
    for file in files {
        let out = args.out.as_ref().map(|dir| dir.join(own_name(&file, &mut taken)));
        if out.is_none() && !job.quiet {
            let title = format!("{}== {}\n", if exits.is_empty() { "" } else { "\n" }, terminal(&shown(&file)));
            if let Err(e) = screen::print(title.as_bytes()) {
                return unwritable("standard output", &e);
            }
        }
        let exit = job.replay(&[file], out);
        exits.push(exit);
        if matches!(exit, Exit::Output | Exit::Interrupted) {
            return exit;
        }
    }
    let some = exits.iter().any(|e| matches!(e, Exit::Read | Exit::Strict));
    match exits.iter().any(|e| *e != Exit::Read) || !problems.is_empty() {
        _ if !some => Exit::Nothing,
        true if job.strict => Exit::Strict,
        _ => Exit::Read,
    }
}

fn job(args: &Replay) -> Result<Job, String> {
    let config = vigie_pipeline::plan::fitted(&configure(&args.configured)?, vigie_pipeline::Plan::of)?;
    if let Some(text) = &args.filter {
        Filter::parse(text).map_err(|e| format!("--filter: {e}"))?;
    }
    let time = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(t) => Time::parse(t)
            .map(Some)
            .ok_or_else(|| format!("--{name} {}: not a time; write 2026-11-25T08:00 (UTC), 2026-11-25 or seconds since 1970", terminal(t))),
    };
    let (from, to) = (time("from", &args.from)?, time("to", &args.to)?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err("--from is not before --to, so no frame is between them; exchange them".to_owned());
    }
    let lang = match &args.lang {
        None => screen::locale(),
        Some(name) => Lang::of(name).ok_or_else(|| format!("--lang {}: fr or en is expected", terminal(name)))?,
    };
    Ok(Job {
        config,
        filter: args.filter.clone(),
        from,
        to,
        lang,
        quiet: args.quiet,
        verbose: args.verbose,
        strict: args.strict,
        stop: Arc::default(),
    })
}

/// A first signal asks the replay to close; a second ends it at once. A file that may not grow further is an error of writing.
fn catch_signals(stop: &Arc<AtomicBool>) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register_conditional_shutdown(signal, i32::from(Exit::Interrupted as u8), Arc::clone(stop))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}

impl Job {
    fn replay(&self, paths: &[PathBuf], out: Option<PathBuf>) -> Exit {
        let options = vigie_capture::Options {
            // Parsed before: cannot fail.
            filter: self.filter.as_deref().and_then(|f| Filter::parse(f).ok()),
            from: self.from,
            to: self.to,
            stop: Arc::clone(&self.stop),
            ..vigie_capture::Options::default()
        };
        let mut capture = Capture::open(paths, options);
        let wanted = Options { story: out.is_none() && !self.quiet, out, lang: self.lang, ..Options::default() };
        let progress = Progress::new(self.quiet, self.lang);
        let report = if capture.sources().is_empty() {
            None
        } else {
            Some(vigie_pipeline::replay(&mut capture, &self.config, &wanted, &mut Nothing, |capture| {
                let (done, total) = capture.progress();
                progress.at(done, total);
                if self.stop.load(Ordering::Relaxed) { Control::Stop } else { Control::Go }
            }))
        };
        drop(progress);
        capture.problems().iter().for_each(|p| screen::tell(&p.to_string()));
        if capture.problems_dropped() > 0 {
            screen::tell(&format!("{} further problems are not listed", capture.problems_dropped()));
        }
        let interrupted = self.stop.load(Ordering::Relaxed);
        match report {
            None => {}
            Some(Err(Error::Output(path, e))) => return unwritable(&terminal(&shown(&path)), &e),
            Some(Ok(report)) => {
                if let Some(mut told) = report.story {
                    told.partial = interrupted;
                    let text = story::tell(&told, &screen::style(self.lang, self.verbose));
                    if let Err(e) = screen::print(text.as_bytes()) {
                        return unwritable("standard output", &e);
                    }
                }
            }
        }
        if interrupted {
            screen::tell("interrupted: what is written is whole, and only a part");
            return Exit::Interrupted;
        }
        match (capture.sources().is_empty(), capture.problems().is_empty()) {
            (true, _) => Exit::Nothing,
            (false, false) if self.strict => Exit::Strict,
            _ => Exit::Read,
        }
    }
}

fn unwritable(what: &str, e: &std::io::Error) -> Exit {
    screen::tell(&format!("{what}: cannot be written ({e}); free space or write to another place"));
    Exit::Output
}

fn shown(path: &Path) -> String {
    lossy(path.as_os_str().as_encoded_bytes()).into_owned()
}

/// The folder of one capture's files: its own name, with a number where another capture has that name.
fn own_name(file: &Path, taken: &mut Vec<OsString>) -> OsString {
    let name = match file.file_name() {
        Some(name) if file.as_os_str() != "-" => name.to_owned(),
        _ => "stdin".into(),
    };
    let mut own = name.clone();
    let mut number = 2;
    while taken.contains(&own) {
        own = name.clone();
        own.push(format!("-{number}"));
        number += 1;
    }
    taken.push(own.clone());
    own
}

/// Whether `text` could be written to standard output.
pub(crate) fn printed(text: &[u8]) -> Exit {
    match screen::print(text) {
        Ok(()) => Exit::Read,
        Err(e) => unwritable("standard output", &e),
    }
}

/// As clap wrote it, to where clap would.
pub(crate) fn usage(e: &clap::Error) -> Exit {
    let text = e.render();
    if e.use_stderr() {
        // What was typed may hold bytes that a terminal obeys.
        let plain = text.to_string();
        let safe: Vec<_> = plain.lines().map(terminal).collect();
        let _ = writeln!(std::io::stderr(), "{}", safe.join("\n"));
        return Exit::Usage;
    }
    let style = screen::style(Lang::En, false);
    printed(if style.colour { text.ansi().to_string() } else { text.to_string() }.as_bytes())
}
