//! The data goes one way: a crate depends only on crates before it in the workspace's list, and on the vocabularies.

use std::path::{Path, PathBuf};

/// Words that every crate may use, wherever they stand.
const VOCABULARIES: [&str; 3] = ["vigie-base", "vigie-event", "vigie-event-derive"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn manifest(path: &Path) -> toml::Table {
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every dependency of a manifest, those of tests, builds and targets included.
fn dependencies(table: &toml::Table) -> Vec<String> {
    let mut all = Vec::new();
    for (key, value) in table {
        let Some(inner) = value.as_table() else { continue };
        if key.ends_with("dependencies") {
            all.extend(inner.iter().map(|(name, v)| v.get("package").and_then(|p| p.as_str()).unwrap_or(name).to_owned()));
        } else {
            all.extend(dependencies(inner));
        }
    }
    all
}

/// What stands against the order: a crate and what it may not know.
fn wrong_ways(order: &[(String, Vec<String>)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, (name, needs)) in order.iter().enumerate() {
        for need in needs {
            let Some(other) = order.iter().position(|(n, _)| n == need) else { continue };
            let vocabulary = VOCABULARIES.contains(&need.as_str()) && !VOCABULARIES.contains(&name.as_str());
            if other >= at && !vocabulary {
                wrong.push(format!("{name} depends on {need}, which stands after it"));
            }
        }
    }
    wrong
}

/// The one file that may be unsafe.
const UNSAFE: &str = "crates/capture/src/live/ring.rs";

#[test]
fn one_file_is_unsafe() {
    let mut folders = vec![root().join("crates"), root().join("lab")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let allowed = concat!("allow(", "unsafe_code)");
                if text.contains(allowed) {
                    found.push(path.strip_prefix(root()).unwrap().display().to_string());
                }
            }
        }
    }
    assert_eq!(found, [UNSAFE]);
}

#[test]
fn crates_know_only_those_before_them() {
    let workspace = manifest(&root().join("Cargo.toml"));
    let members: Vec<String> =
        workspace["workspace"]["members"].as_array().unwrap().iter().map(|m| m.as_str().unwrap().to_owned()).collect();
    let mut order = Vec::new();
    for member in &members {
        let table = manifest(&root().join(member).join("Cargo.toml"));
        let name = table["package"]["name"].as_str().unwrap().to_owned();
        order.push((name, dependencies(&table)));
    }
    assert!(order.len() > 8 && order.iter().map(|(_, d)| d.len()).sum::<usize>() > 20, "the manifests were read: {order:?}");
    let wrong = wrong_ways(&order);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // No crate stands beside the list, out of this test's sight.
    for folder in std::fs::read_dir(root().join("crates")).unwrap() {
        let folder = folder.unwrap().file_name().into_string().unwrap();
        let member = format!("crates/{folder}");
        assert!(members.contains(&member) || !root().join(&member).join("Cargo.toml").exists(), "{member} is not a member");
    }
}

#[test]
fn a_step_back_is_found() {
    let order = [
        ("vigie-decode".to_owned(), vec!["vigie-base".to_owned(), "vigie-flow".to_owned()]),
        ("vigie-flow".to_owned(), vec!["vigie-decode".to_owned()]),
        ("vigie-base".to_owned(), vec!["vigie-flow".to_owned()]),
    ];
    assert_eq!(wrong_ways(&order), ["vigie-decode depends on vigie-flow, which stands after it"]);
    let table: toml::Table =
        toml::from_str("[target.'cfg(unix)'.dependencies]\na = \"1\"\n[dev-dependencies]\nb = { package = \"c\", version = \"1\" }")
            .unwrap();
    assert_eq!(dependencies(&table), ["c", "a"]);
}
