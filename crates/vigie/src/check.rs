//! `vigie check`: the configuration in force, and what a run under it may take.

use std::fmt::Write;
use vigie_base::text::terminal;
use vigie_pipeline::plan::fitted;
use vigie_pipeline::{Config, Plan};

/// Both, as text: of a replay, or with interfaces of `vigie up` on them.
pub(crate) fn text(config: &Config, interfaces: &[String]) -> Result<String, String> {
    let mut out = String::from("Configuration in force\n\n");
    let all = config.values.iter().chain(&config.groups);
    let name_width = all.clone().map(|s| s.name.len()).max().unwrap_or(0);
    for s in all {
        let from = if s.from == "default" { String::new() } else { format!("   ({})", terminal(&s.from)) };
        let _ = writeln!(out, "  {:name_width$}  {}{from}", terminal(&s.name), terminal(&s.value));
    }
    out.push_str("\n  Keys without a place in brackets have their default.\n\nThreads\n\n");
    let (plan, whose) = match interfaces {
        [] => (Plan::of(&fitted(config, Plan::of)?), "A replay never holds more"),
        _ => {
            let fitted = vigie_server::fit(config, interfaces.len())?;
            (vigie_server::plan(&fitted, interfaces.len()), "That is the sum of the bounds of `vigie up`")
        }
    };
    let counted = |out: &mut String, list: &[(&str, usize)]| list.iter().for_each(|(what, n)| _ = writeln!(out, "  {n:>3}  {what}"));
    counted(&mut out, &plan.threads);
    out.push_str("\nOpen files, at most, besides those that a query reads\n\n");
    counted(&mut out, &plan.files);
    let width = plan.budgets.iter().map(|b| b.name.len()).max().unwrap_or(0);
    let _ =
        writeln!(out, "\nMemory, at most\n\n  {:width$} {:>10} {:>11} {:>8}  when full", "table or queue", "entries", "bytes each", "MiB");
    for b in &plan.budgets {
        let size = mebibytes(b.bytes_max());
        let _ = writeln!(out, "  {:width$} {:>10} {:>11} {size:>8}  {}", b.name, b.entries_max, b.entry_bytes, b.when_full);
    }
    let _ = writeln!(out, "\n  In all {} MiB ({} bytes). {whose}; most hold far less.", mebibytes(plan.bytes_max()), plan.bytes_max());
    if !interfaces.is_empty() {
        out.push_str("\nCards\n\n");
        let told = |name: &String| match vigie_capture::interfaces().contains(name) {
            false => vec![format!("{}: no such interface", terminal(name))],
            true => vigie_capture::advice(name).into_iter().map(|a| format!("{}; mend it with: {}", a.harm, a.command)).collect(),
        };
        let mut lines: Vec<String> = interfaces.iter().flat_map(told).collect();
        if lines.is_empty() {
            lines.push("No setting that harms was found.".to_owned());
        }
        lines.iter().for_each(|line| _ = writeln!(out, "  {line}"));
    }
    Ok(out)
}

/// Rounded up, with one digit behind the point.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}
