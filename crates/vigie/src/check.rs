//! `vigie check`: the configuration in force, and what a replay under it may take.

use std::fmt::Write;
use vigie_base::text::terminal;
use vigie_pipeline::{Config, Plan};

/// Both, as text.
pub(crate) fn text(config: &Config) -> String {
    let mut out = String::from("Configuration in force\n\n");
    let all = config.values.iter().chain(&config.groups);
    let name_width = all.clone().map(|s| s.name.len()).max().unwrap_or(0);
    for s in all {
        let from = if s.from == "default" { String::new() } else { format!("   ({})", terminal(&s.from)) };
        let _ = writeln!(out, "  {:name_width$}  {}{from}", terminal(&s.name), terminal(&s.value));
    }
    out.push_str("\n  Keys without a place in brackets have their default.\n\nThreads\n\n");
    let plan = Plan::of(config);
    for (what, n) in &plan.threads {
        let _ = writeln!(out, "  {n:>3}  {what}");
    }
    let width = plan.budgets.iter().map(|b| b.name.len()).max().unwrap_or(0);
    let _ =
        writeln!(out, "\nMemory, at most\n\n  {:width$} {:>10} {:>11} {:>8}  when full", "table or queue", "entries", "bytes each", "MiB");
    for b in &plan.budgets {
        let size = mebibytes(b.bytes_max());
        let _ = writeln!(out, "  {:width$} {:>10} {:>11} {size:>8}  {}", b.name, b.entries_max, b.entry_bytes, b.when_full);
    }
    let _ = writeln!(
        out,
        "\n  In all {} MiB ({} bytes). A replay never holds more; most hold far less.",
        mebibytes(plan.bytes_max()),
        plan.bytes_max()
    );
    out
}

/// Rounded up, with one digit behind the point.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}
