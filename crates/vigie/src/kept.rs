//! Commands on a data directory. Each asks the one API: of the server that runs, else in this process.

use crate::args::{ConfigCommand, Configured, Data, EventForm, ExportCommand, Form, Query, Replay, Target, Up, UserCommand};
use crate::screen::{self, Progress};
use crate::{Exit, configure, replay};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vigie_base::text::terminal;
use vigie_pipeline::{Config, Lang};
use vigie_server::{Client, Fault, Method};

/// An error, told; the exit code for it.
fn failed(fault: &Fault) -> Exit {
    screen::tell(&terminal(&fault.to_string()));
    Exit::Output
}

fn configured(args: &Configured) -> Result<Config, Exit> {
    configure(args).map_err(|line| {
        screen::tell(&line);
        Exit::Usage
    })
}

/// Where data is kept unless told: as the FHS and the XDG base directories say.
fn directory(given: Option<&Path>) -> PathBuf {
    if let Some(dir) = given {
        return dir.to_owned();
    }
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(|| home.as_ref().map(|h| h.join(".local/share")));
    match (home, base) {
        (Some(home), Some(base)) if home != Path::new("/root") => base.join("vigie"),
        _ => PathBuf::from("/var/lib/vigie"),
    }
}

/// How a data directory is opened.
type Opened = fn(&Path, Config) -> Result<Client, Fault>;

fn client(open: Opened, data: &Data) -> Result<Client, Exit> {
    let config = configured(&data.configured)?;
    open(&directory(data.data.as_deref()), config).map_err(|e| failed(&e))
}

/// Runs one request and what is done with its answer.
fn asked(data: &Data, ask: impl FnOnce(&Client) -> Result<Vec<u8>, Fault>) -> Exit {
    asked_of(Client::open, data, ask)
}

/// The same, of a directory that may have to be made.
fn asked_of(open: Opened, data: &Data, ask: impl FnOnce(&Client) -> Result<Vec<u8>, Fault>) -> Exit {
    match client(open, data) {
        Err(exit) => exit,
        Ok(client) => match ask(&client) {
            Ok(text) => replay::printed(&text),
            Err(fault) => failed(&fault),
        },
    }
}

pub(crate) fn up(args: &Up) -> Exit {
    let config = match configured(&args.data.configured) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let options = vigie_server::Options {
        data: directory(args.data.data.as_deref()),
        interfaces: if args.interfaces.is_empty() { config.interfaces.clone() } else { args.interfaces.clone() },
        listen: args.listen.unwrap_or(config.listen),
        certificate: args.certificate.clone().zip(args.key.clone()),
        config,
        allow_weaker: args.allow_weaker,
        again: Arc::new({
            let told = args.data.configured.clone();
            move || configure(&told)
        }),
    };
    let mut say = |line: &str| {
        let _ = screen::print(format!("{}\n", terminal(line)).as_bytes());
    };
    match vigie_server::up(options, &mut say) {
        Ok(()) => Exit::Read,
        Err(fault) => failed(&fault),
    }
}

pub(crate) fn sensor() -> Exit {
    match vigie_server::sensor() {
        Ok(()) => Exit::Read,
        Err(fault) => failed(&fault),
    }
}

pub(crate) fn status(args: &Data) -> Exit {
    asked(args, |client| {
        let status = client.json(Method::GET, "/status", None)?;
        let mut out = format!("Vigie {} on {}\n", text(&status["version"]), directory(args.data.as_deref()).display());
        let store = &status["store"];
        out += &format!("{} events ({} flows), {} bytes of {}\n", store["events"], store["flows"], store["bytes"], store["quota"]);
        out += &format!("{} bytes of captures\n", store["captures_bytes"]);
        if store["packets_bytes"] != 0 {
            out += &format!("{} bytes of packets\n", store["packets_bytes"]);
        }
        for d in status["datasets"].as_array().into_iter().flatten() {
            out += &format!(
                "  {}: {} events, {} assets, {} open cases, {} to {}\n",
                terminal(text(&d["name"])),
                d["events"],
                d["assets"],
                d["cases_open"],
                text(&d["first"]),
                text(&d["last"])
            );
        }
        for p in status["problems"].as_array().into_iter().flatten() {
            out += &format!("{}\n", terminal(text(p)));
        }
        Ok(out.into_bytes())
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

pub(crate) fn query(args: &Query) -> Exit {
    let format = match args.format {
        Form::Table => "table",
        Form::Csv => "csv",
        Form::Json => "json",
    };
    asked(&args.data, |client| client.ask(Method::POST, "/query", Some(&json!({"sql": args.sql, "format": format})))?.ok())
}

/// Parameters of a path, those that are given.
fn parameters(all: &[(&str, Option<&str>)]) -> String {
    let given = all.iter().filter_map(|(name, value)| Some(format!("{name}={}", segment((*value)?))));
    let given: Vec<String> = given.collect();
    if given.is_empty() { String::new() } else { format!("?{}", given.join("&")) }
}

pub(crate) fn export(what: &ExportCommand) -> Exit {
    match what {
        ExportCommand::Events { filter, kind, dataset, from, to, format, target } => {
            let format = match format {
                EventForm::Eve => "eve",
                EventForm::Csv => "csv",
            };
            let asked = parameters(&[
                ("q", filter.as_deref()),
                ("kind", kind.as_deref()),
                ("dataset", dataset.as_deref()),
                ("from", from.as_deref()),
                ("to", to.as_deref()),
                ("order", Some("asc")),
                ("rows", Some(EVERY_ROW)),
                ("format", Some(format)),
            ]);
            saved(target, &format!("/events/export{asked}"))
        }
        ExportCommand::Case { id, dataset, lang, target } => {
            let lang = lang.as_deref().unwrap_or(match screen::locale() {
                Lang::Fr => "fr",
                Lang::En => "en",
            });
            let asked = parameters(&[("dataset", dataset.as_deref()), ("lang", Some(lang))]);
            saved(target, &format!("/cases/{}/export{asked}", segment(id)))
        }
        ExportCommand::Packets { flow, alert, case, dataset, target } => {
            let of = match (flow, alert, case) {
                (_, _, Some(case)) => format!("/cases/{}", segment(case)),
                (_, Some(alert), None) => format!("/alerts/{}", segment(alert)),
                (flow, None, None) => format!("/events/{}", flow.unwrap_or_default()),
            };
            saved(target, &format!("{of}/packets{}", parameters(&[("dataset", dataset.as_deref())])))
        }
        ExportCommand::Flows { id, dataset, target } => {
            let asked = parameters(&[("dataset", dataset.as_deref())]);
            saved(target, &format!("/cases/{}/flows{asked}", segment(id)))
        }
    }
}

/// Asks for `path` and writes the answer as it comes. A file that was begun and not ended is removed.
fn saved(target: &Target, path: &str) -> Exit {
    let client = match client(Client::open, &target.data) {
        Ok(client) => client,
        Err(exit) => return exit,
    };
    let Some(file) = &target.out else {
        let unwritten = |e: std::io::Error| Fault::new(format!("standard output: {e}"));
        return told(client.save(path, |piece| screen::print(piece).map_err(unwritten)));
    };
    let unwritten = |e: std::io::Error| Fault::new(format!("{}: {e}; free space or write to another place", file.display()));
    // Made when the answer is one: a refusal touches no file.
    let mut out: Option<std::fs::File> = None;
    let done = client.save(path, |piece| {
        let out = match &mut out {
            Some(out) => out,
            None => out.insert(std::fs::File::create(file).map_err(unwritten)?),
        };
        out.write_all(piece).map_err(unwritten)
    });
    let done = match (done, out) {
        (Ok(0), None) => std::fs::File::create(file).map(|_| 0).map_err(unwritten),
        (Err(fault), Some(_)) => {
            let _ = std::fs::remove_file(file);
            Err(fault)
        }
        (done, _) => done,
    };
    told(done)
}

fn told(done: Result<u64, Fault>) -> Exit {
    match done {
        Ok(_) => Exit::Read,
        Err(fault) => failed(&fault),
    }
}

pub(crate) fn config(what: &ConfigCommand) -> Exit {
    match what {
        ConfigCommand::Export(target) => saved(target, "/config"),
        ConfigCommand::Import { dry_run, file, data } => asked(data, |client| {
            let text =
                std::fs::read_to_string(file).map_err(|e| Fault::new(format!("{}: {e}; name a file that can be read", file.display())))?;
            let document: Value = serde_json::from_str(&text)
                .map_err(|e| Fault::new(format!("{}: not JSON ({e}); give what `vigie config export` wrote", file.display())))?;
            let asked = parameters(&[("dry_run", Some(if *dry_run { "true" } else { "false" }))]);
            let answer = client.json(Method::POST, &format!("/config{asked}"), Some(&document))?;
            let mut out = String::new();
            for c in answer["changes"].as_array().into_iter().flatten() {
                out += &format!("{} {} {}: {}\n", text_of(c, "change"), text_of(c, "what"), text_of(c, "name"), text_of(c, "text"));
            }
            if out.is_empty() {
                out = "Nothing changes: all of it is there already.\n".to_owned();
            } else if *dry_run {
                out += "Nothing was changed (--dry-run).\n";
            }
            Ok(out.into_bytes())
        }),
    }
}

fn text_of(value: &Value, key: &str) -> String {
    terminal(text(&value[key])).into_owned()
}

/// The first line of standard input: it is not shown in lists of processes, as an option would be.
fn password() -> Result<String, Fault> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| Fault::new(format!("standard input: {e}; send the password as one line")))?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(Fault::new("standard input: no password; send it as one line, as in `vigie user add NAME --role viewer < FILE`"));
    }
    Ok(password)
}

pub(crate) fn user(what: &UserCommand) -> Exit {
    match what {
        // The first user may be made before the first `up`.
        UserCommand::Add { name, role, data } => asked_of(Client::make, data, |client| {
            let body = json!({"name": name, "role": role, "password": password()?});
            client.json(Method::POST, "/users", Some(&body)).map(|_| Vec::new())
        }),
        UserCommand::Passwd { name, data } => asked(data, |client| {
            let body = json!({"password": password()?});
            client.json(Method::PATCH, &format!("/users/{}", segment(name)), Some(&body)).map(|_| Vec::new())
        }),
        UserCommand::Disable { name, data } => asked(data, |client| {
            client.json(Method::PATCH, &format!("/users/{}", segment(name)), Some(&json!({"disabled": true}))).map(|_| Vec::new())
        }),
        UserCommand::List(data) => asked(data, |client| {
            let users = client.json(Method::GET, "/users", None)?;
            let mut out = String::new();
            for u in users.as_array().into_iter().flatten() {
                let state = if u["disabled"] == json!(true) { ", disabled" } else { "" };
                out += &format!(
                    "{}  {}{state}  {} tokens, last log-in {}\n",
                    terminal(text(&u["name"])),
                    text(&u["role"]),
                    u["tokens"],
                    text(&u["last_login"])
                );
            }
            Ok(out.into_bytes())
        }),
        UserCommand::Token { revoke: Some(id), data, .. } => {
            asked(data, |client| client.json(Method::DELETE, &format!("/tokens/{id}"), None).map(|_| Vec::new()))
        }
        UserCommand::Token { name: Some(name), purpose, days, data, .. } => asked(data, |client| {
            let body = json!({"name": purpose, "days": days});
            let made = client.json(Method::POST, &format!("/users/{}/tokens", segment(name)), Some(&body))?;
            Ok(format!("{}\n", text(&made["token"])).into_bytes())
        }),
        UserCommand::Token { name: None, data, .. } => asked(data, |client| {
            let tokens = client.json(Method::GET, "/tokens", None)?;
            let mut out = String::new();
            for t in tokens.as_array().into_iter().flatten() {
                let state = if t["revoked"] == json!(true) { "revoked" } else { "good" };
                out += &format!(
                    "{}  {}  {}  {state}  until {}\n",
                    t["id"],
                    terminal(text(&t["user"])),
                    terminal(text(&t["name"])),
                    text(&t["expires"])
                );
            }
            Ok(out.into_bytes())
        }),
    }
}

/// A name as a segment of a path.
fn segment(name: &str) -> String {
    name.bytes()
        .map(|b| if b.is_ascii_alphanumeric() || b"-_.".contains(&b) { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// As many events as an export may have.
const EVERY_ROW: &str = "1000000000";
/// How often an import is asked where it stands.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// `vigie replay --data`.
pub(crate) fn import(dir: &Path, args: &Replay) -> Exit {
    let config = match configured(&args.configured) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let client = match Client::make(dir, config) {
        Ok(client) => client,
        Err(fault) => return failed(&fault),
    };
    match follow(&client, args) {
        Ok(exit) => exit,
        Err(fault) => failed(&fault),
    }
}

fn follow(client: &Client, args: &Replay) -> Result<Exit, Fault> {
    let mut paths = Vec::new();
    for path in &args.paths {
        let whole = std::path::absolute(path).map_err(|e| Fault::new(format!("{}: {e}; name a file", path.display())))?;
        match whole.to_str() {
            Some(path) => paths.push(path.to_owned()),
            None => return Err(Fault::new(format!("{}: the name is not UTF-8; rename the file", path.display()))),
        }
    }
    let body = json!({"paths": paths, "dataset": args.dataset, "shift_to_now": args.shift_to_now, "keep": args.no_keep.then_some(false)});
    let import = client.json(Method::POST, "/imports/paths", Some(&body))?;
    let at = format!("/imports/{}", import["id"]);
    let progress = Progress::new(args.quiet, screen::locale());
    let ended = loop {
        let import = client.json(Method::GET, &at, None)?;
        progress.at(import["done_bytes"].as_u64().unwrap_or(0), import["total_bytes"].as_u64().unwrap_or(0));
        if !matches!(text(&import["state"]), "queued" | "running") {
            break import;
        }
        std::thread::sleep(ASK_EVERY);
    };
    drop(progress);
    for line in text(&ended["message"]).lines().filter(|l| *l != "-") {
        screen::tell(&terminal(line));
    }
    if text(&ended["state"]) != "done" {
        return Ok(Exit::Nothing);
    }
    let r = &ended["result"];
    if !args.quiet {
        let line = format!(
            "Dataset {}: {} events, {} flows; {} new cases, {} new assets\n",
            text(&ended["dataset"]),
            r["events"],
            r["flows"],
            r["new_cases"],
            r["new_assets"]
        );
        screen::print(line.as_bytes()).map_err(|e| Fault::new(format!("standard output: {e}")))?;
    }
    Ok(Exit::Read)
}
