//! The commands beside `replay`, and the references drawn from the program.

mod common;

use common::*;
use std::path::Path;

fn run(args: &[&str]) -> Done {
    Done::of(vigie().args(args).output().unwrap())
}

#[test]
fn the_default_configuration_reads_back() {
    let f = Folder::new("config");
    let text = run(&["config"]).exits(0).out;
    let uncommented: String = text
        .lines()
        .map(|l| l.strip_prefix('#').filter(|l| l.contains(" = ") && !l.starts_with(' ')).unwrap_or(l))
        .flat_map(|l| [l, "\n"])
        .collect();
    let file = f.write("vigie.toml", uncommented.as_bytes());
    let told = run(&["check", "--config", file.to_str().unwrap()]).exits(0).out;
    assert!(told.contains("vigie.toml:"), "{told}");
    let told = run(&["check", "--set", "stream.midstream=true", "--set", "vars.port-groups.WEB=[80]", "--workers", "3"]).exits(0).out;
    let line = told.lines().find(|l| l.contains("stream.midstream")).unwrap();
    assert!(line.contains("true") && line.contains("(--set)"), "{line}");
    assert!(told.contains("vars.port-groups.WEB") && told.contains("(--workers)") && told.contains("3  own flows"), "{told}");
    run(&["check", "--set", "flow.maximum=3"]).exits(64).tells("unknown key");
}

#[test]
fn the_plan_is_the_sum_of_its_lines() {
    let told = run(&["check"]).exits(0).out;
    let table = told.split("Memory, at most").nth(1).unwrap();
    let number = |w: &str| w.parse::<u64>().ok();
    let sum: u64 = table
        .lines()
        .filter_map(|l| {
            let words: Vec<&str> = l.split_whitespace().collect();
            Some(number(words.get(1)?)? * number(words.get(2)?)?)
        })
        .sum();
    let all: u64 = table.lines().find(|l| l.contains("In all")).unwrap().split(['(', ' ']).find_map(number).unwrap();
    assert_eq!(sum, all, "{told}");
    for name in ["flow.table", "flow.tcp", "stream.memory", "defrag.bytes", "dissect.memory", "events.slices", "capture.blocks"] {
        assert!(table.contains(name), "{name}");
    }
}

#[test]
fn help_teaches() {
    let long = run(&["help", "replay"]).exits(0).out;
    for needed in ["Examples:", "--each", "--filter", "Exit codes:", "130", "64", "--strict"] {
        assert!(long.contains(needed), "{needed}: {long}");
    }
    assert!(long.lines().all(|l| l.chars().count() <= 100));
    assert!(run(&["--help"]).exits(0).out.contains("Exit codes:"));
    assert!(run(&["--version"]).exits(0).out.starts_with("vigie "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).exits(0).out.contains("replay"));
    }
    assert!(run(&["man"]).exits(0).out.contains(".TH vigie"));
    assert!(run(&["man", "replay"]).exits(0).out.contains("log\\-dir"));
    run(&["man", "no-such"]).exits(64);
}

/// `docs/NAME.FORM` is what the program says today; with `VIGIE_UPDATE=1` it is written anew.
fn is_current(what: &str, form: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/{what}.{form}"));
    let now = run(&["docs", what]).exits(0).out;
    if std::env::var_os("VIGIE_UPDATE").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == now, "docs/{what}.{form} is old; `vigie docs {what} > docs/{what}.{form}` makes it anew");
}

#[test]
fn the_references_are_current() {
    is_current("events", "md");
    is_current("protocols", "md");
    is_current("openapi", "json");
}
