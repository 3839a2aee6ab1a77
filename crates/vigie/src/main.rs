//! The one binary.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use vigie_capture::Capture;
use vigie_pipeline::{Config, Control, Error, Options};

#[derive(Parser)]
#[command(name = "vigie", version, about = "Network detection and response: what is on the network, who talks to whom, what is an attack")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read captures and tell their story, or write eve.json, cases.json and assets.json
    Replay(Replay),
    /// Print the commented default configuration
    Config,
}

#[derive(clap::Args)]
struct Replay {
    /// Write eve.json, cases.json and assets.json into this folder (made if absent, files replaced)
    #[arg(short = 'l', long = "log-dir", value_name = "DIR")]
    out: Option<PathBuf>,
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key over the configuration
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Threads that own flows
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Captures: files, folders, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Config => {
            print!("{}", Config::commented());
            ExitCode::SUCCESS
        }
        Command::Replay(args) => replay(&args),
    }
}

fn replay(args: &Replay) -> ExitCode {
    let mut config = Config::default();
    let configured = args.config.as_ref().map_or(Ok(()), |p| config.read(p)).and_then(|()| args.set.iter().try_for_each(|s| config.set_pair(s)));
    let configured = configured.and_then(|()| args.workers.map_or(Ok(()), |n| config.set("workers", &n.to_string(), "--workers")));
    if let Err(e) = configured {
        eprintln!("vigie: {e}");
        return ExitCode::from(64);
    }
    let mut capture = Capture::open(&args.paths, vigie_capture::Options::default());
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Without a handler an interrupt ends the process: nothing to do about it here.
    let _ = ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed));
    let options = Options { out: args.out.clone(), ..Options::default() };
    let report = vigie_pipeline::replay(&mut capture, &config, &options, |_| if stop.load(Ordering::Relaxed) { Control::Stop } else { Control::Go });
    for p in capture.problems() {
        eprintln!("vigie: {p}");
    }
    match report {
        Err(Error::Output(path, e)) => {
            eprintln!("vigie: {}: cannot be written ({e}); free space or give -l another folder", path.display());
            ExitCode::from(1)
        }
        Ok(r) if r.summary.stopped => ExitCode::from(130),
        Ok(_) if capture.sources().is_empty() => ExitCode::from(2),
        Ok(_) => ExitCode::SUCCESS,
    }
}
