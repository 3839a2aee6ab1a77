//! The one binary: options in, exit codes out. What it does is [`vigie_pipeline`]'s.

mod args;
mod check;
mod docs;
mod kept;
mod replay;
mod screen;

use args::{Cli, Command, Configured};
use clap::{CommandFactory, Parser};
use std::process::ExitCode;
use vigie_pipeline::Config;

#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How a run ends; the help of `vigie` says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Exit {
    /// Something was read.
    Read = 0,
    /// An output could not be written.
    Output = 1,
    /// Nothing could be read.
    Nothing = 2,
    /// With `--strict`: a file was skipped or is damaged.
    Strict = 3,
    /// Wrong option or configuration (`EX_USAGE` of sysexits).
    Usage = 64,
    /// Interrupted (128 and SIGINT, as shells count).
    Interrupted = 130,
}

fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Err(e) => replay::usage(&e),
        Ok(cli) => run(cli.command),
    };
    ExitCode::from(exit as u8)
}

fn run(command: Command) -> Exit {
    match command {
        Command::Replay(args) => replay::run(&args),
        Command::Up(args) => kept::up(&args),
        Command::Sensor => kept::sensor(),
        Command::Status(args) => kept::status(&args),
        Command::Query(args) => kept::query(&args),
        Command::User(args) => kept::user(&args.what),
        Command::Export(args) => kept::export(&args.what),
        Command::Config(args) => match args.what {
            Some(what) => kept::config(&what),
            None => replay::printed(Config::commented().as_bytes()),
        },
        Command::Check(args) => match configure(&args.configured).and_then(|config| {
            let interfaces = if args.interfaces.is_empty() { &config.interfaces } else { &args.interfaces };
            check::text(&config, interfaces)
        }) {
            Ok(text) => replay::printed(text.as_bytes()),
            Err(line) => {
                screen::tell(&line);
                Exit::Usage
            }
        },
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "vigie", &mut out);
            replay::printed(&out)
        }
        Command::Man { command } => {
            let mut out = Vec::new();
            match docs::manual(command.as_deref(), &mut out) {
                Some(Ok(())) => replay::printed(&out),
                Some(Err(_)) | None => {
                    screen::tell("man: no such command; `vigie help` lists them");
                    Exit::Usage
                }
            }
        }
        Command::Docs { what } => replay::printed(docs::reference(what).as_bytes()),
    }
}

/// Defaults, then the file, then the options.
fn configure(args: &Configured) -> Result<Config, String> {
    let mut config = Config::default();
    if let Some(path) = &args.config {
        config.read(path).map_err(|e| e.to_string())?;
    }
    for pair in &args.set {
        config.set_pair(pair).map_err(|e| e.to_string())?;
    }
    if let Some(n) = args.workers {
        config.set("workers", &n.to_string(), "--workers").map_err(|e| e.to_string())?;
    }
    Ok(config)
}
