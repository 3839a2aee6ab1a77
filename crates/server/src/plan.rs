//! What `vigie up` may take at most: the sensor's tables, what stands between it and the disk, and what serves people.

use crate::listen::{CONNECTION_BYTES, CONNECTIONS_MAX};
use crate::out::{EVE_QUEUE, Sink};
use crate::watch;
use vigie_base::Budget;
use vigie_pipeline::{Config, Plan};

/// Threads that look up, read and write for requests; tokio's own bound. Each ends 10 s after it has nothing to do.
pub(crate) const BLOCKING_MAX: usize = 512;

/// The plan of a server under `config` that captures from so many interfaces; none: it only serves what is kept.
pub fn plan(config: &Config, interfaces: usize) -> Plan {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let outputs: Vec<Sink> =
        if interfaces > 0 { Sink::ALL.into_iter().filter(|s| s.path(&config.eve).is_some()).collect() } else { Vec::new() };
    let mut beside = vec![("serve requests", cores)];
    if interfaces > 0 {
        beside.extend([("judges what the sensor's process says", 1), ("writes events, assets and cases", 1)]);
    }
    if !outputs.is_empty() {
        beside.push(("write events elsewhere", outputs.len()));
    }
    let rings = (interfaces > 0).then(|| config.live.budget(interfaces as u64));
    let mut plan = Plan::with(config, rings.as_slice(), &beside);
    plan.threads.push(("answer from the disk; they end when idle", BLOCKING_MAX));
    if interfaces > 0 {
        plan.budgets.extend([vigie_link::local::BUDGET, watch::BUDGET]);
        plan.budgets.extend((!outputs.is_empty()).then_some(Budget { entries_max: outputs.len() as u64, ..EVE_QUEUE }));
    }
    plan.budgets.extend(vigie_store::budgets(&vigie_store::Options::default()));
    plan.budgets.push(vigie_catalog::BUDGET);
    plan.budgets.push(Budget {
        name: "server.connections",
        entries_max: CONNECTIONS_MAX as u64,
        entry_bytes: CONNECTION_BYTES as u64,
        when_full: "further ones wait in the kernel",
    });
    let import = Plan::with(config, &vigie_capture::BUDGETS, &[]);
    plan.budgets.push(Budget {
        name: "import",
        entries_max: 1,
        entry_bytes: import.bytes_max(),
        when_full: "further imports wait; as a replay",
    });
    plan.files.extend([
        ("packet sockets", interfaces),
        ("outputs of events", outputs.len()),
        ("connections, and where they come in", CONNECTIONS_MAX + 2),
        ("the catalog: each reader and the writer, their journal", vigie_catalog::FILES_MAX),
        ("captures of an import", vigie_capture::OPEN_MAX),
    ]);
    plan.files.retain(|f| f.1 > 0);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_in_the_plan() {
        let mut config = Config::default();
        let (serves, one, two) = (plan(&config, 0), plan(&config, 1), plan(&config, 2));
        let ring = config.live.budget(1).bytes_max();
        assert_eq!(two.bytes_max() - one.bytes_max(), ring);
        assert!(one.bytes_max() > serves.bytes_max() + ring);
        assert!(!serves.files.iter().any(|f| f.0 == "packet sockets"));
        config.set_pair("output.eve.socket=/run/x").unwrap();
        let told = plan(&config, 1);
        // The queue, and a thread.
        assert!(told.bytes_max() > one.bytes_max() + EVE_QUEUE.entry_bytes);
        assert_eq!(told.threads.iter().map(|t| t.1).sum::<usize>(), one.threads.iter().map(|t| t.1).sum::<usize>() + 1);
    }
}
