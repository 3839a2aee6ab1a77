//! What `vigie up` may take at most: the sensor's tables, what stands between it and the disk, and what serves people.

use crate::listen::{CONNECTION_BYTES, CONNECTIONS_MAX};
use crate::out::{EVE_QUEUE, Sink};
use crate::{keep, packets, watch};
use vigie_base::Budget;
use vigie_capture::{Room, SOCKETS_MAX};
use vigie_link::Limits;
use vigie_pipeline::plan::{FIXED, PROGRAM, fitted, threads};
use vigie_pipeline::{Config, Plan};
use vigie_sensor::{Reads, Workers};

/// Threads that look up, read and write for requests; tokio's own bound. Each ends 10 s after it has nothing to do.
pub(crate) const BLOCKING_MAX: usize = 32;

/// Workers at most where their number is left open: each has rings and loads of its own.
const WORKERS_MAX: usize = 16;

/// What such a thread takes.
const IDLE_THREAD: u64 = 128 << 10;

/// The configuration with as many workers as there are cores to spare, where it leaves that open, and as `memory.budget` lets it be on so
/// many interfaces; without any, only imports have tables. Errors: one line.
pub fn fit(config: &Config, interfaces: usize) -> Result<Config, String> {
    let mut config = config.clone();
    if interfaces > 0 && config.sensor.workers.0 == 0 {
        // The server's own work is about that of one.
        let workers = (cores() - 1).clamp(1, (SOCKETS_MAX / interfaces).clamp(1, WORKERS_MAX));
        (config.sensor.workers, config.live.rings) = (Workers(workers), workers);
    }
    fitted(&config, |config| if interfaces == 0 { Plan::of(config) } else { plan(config, interfaces) })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The plan of a server under `config` that captures from so many interfaces.
pub fn plan(config: &Config, interfaces: usize) -> Plan {
    let outputs = Sink::ALL.into_iter().filter(|s| s.path(&config.eve).is_some()).count();
    let mut threads = threads(config, Reads::Each, ["reads and dissects, in a process of its own", "merges, and gives to the server"]);
    threads.extend([
        ("waits for the server's word, in that process", 1),
        ("judges what the sensor says", 1),
        ("writes events, assets and cases", 1),
        ("writes packets", 1),
        ("write events elsewhere", outputs),
        ("serve requests", cores()),
    ]);
    let mut plan = Plan::with(config, &[config.live.budget(interfaces as u64)], Reads::Each, threads);
    plan.threads.push(("answer from the disk; they end when idle", BLOCKING_MAX));
    plan.budgets.push(Budget {
        name: "threads.idle",
        entries_max: BLOCKING_MAX as u64,
        entry_bytes: IDLE_THREAD,
        when_full: "further work waits",
    });
    plan.budgets.push(Budget { name: "fixed.sensor", ..FIXED });
    plan.budgets.push(Budget {
        name: "events.open",
        entries_max: 2,
        entry_bytes: Limits::LIVE.bytes as u64,
        when_full: "they are handed to the store",
    });
    plan.budgets.extend([keep::PAIRS, vigie_link::local::BUDGET, watch::BUDGET, Budget { entries_max: outputs as u64, ..EVE_QUEUE }]);
    if let Some(keep) = config.packets.kept() {
        plan.budgets.extend(keep.budgets(config.sensor.workers.0.max(1) as u64));
        plan.budgets.extend([watch::PACKETS, packets::BUDGET]);
    }
    plan.budgets.extend(vigie_store::budgets(&vigie_store::Options::default()));
    plan.budgets.push(vigie_catalog::BUDGET);
    plan.budgets.push(Budget {
        name: "server.connections",
        entries_max: CONNECTIONS_MAX as u64,
        entry_bytes: CONNECTION_BYTES as u64,
        when_full: "further ones wait in the kernel",
    });
    let import =
        Plan::with(&config.beside(), &vigie_capture::budgets(Room::SMALL), Reads::One, self::threads(config, Reads::One, ["", ""]));
    let entry_bytes = import.bytes_max() - FIXED.bytes_max() - PROGRAM.bytes_max();
    plan.budgets.push(Budget {
        name: "import",
        entries_max: 1,
        entry_bytes,
        when_full: "further imports wait; every table is a sixteenth of a replay's",
    });
    plan.files.extend([
        ("packet sockets, in both processes", 2 * (interfaces * config.live.rings.max(1) + 1)),
        ("the stream between the two", 2),
        ("outputs of events", outputs),
        ("connections, and where they come in", CONNECTIONS_MAX + 2),
        ("the catalog: each reader and the writer, their journal", vigie_catalog::FILES_MAX),
        ("captures of an import", vigie_capture::OPEN_MAX),
    ]);
    plan.threads.retain(|t| t.1 > 0);
    plan.files.retain(|f| f.1 > 0);
    plan.budgets.retain(|b| b.entries_max > 0);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_it_is_less_than_a_gibibyte() {
        assert!(plan(&Config::default(), 1).bytes_max() < 1300 << 20);
    }

    #[test]
    fn what_is_asked_for_is_in_the_plan() {
        let mut config = Config::default();
        let (one, two) = (plan(&config, 1), plan(&config, 2));
        assert_eq!(two.bytes_max() - one.bytes_max(), config.live.budget(1).bytes_max());
        assert!(!one.budgets.iter().any(|b| b.name == EVE_QUEUE.name));
        assert!(!one.budgets.iter().any(|b| b.name.starts_with("packets.")));
        config.set_pair("output.eve.socket=/run/x").unwrap();
        let told = plan(&config, 1);
        // The queue, and a thread.
        assert!(told.bytes_max() > one.bytes_max() + EVE_QUEUE.entry_bytes);
        let count = |p: &Plan| p.threads.iter().map(|t| t.1).sum::<usize>();
        assert_eq!(count(&told), count(&one) + 1);
        config.set_pair("workers=4").unwrap();
        assert_eq!(count(&plan(&config, 1)), count(&told) + 4);
        let before = plan(&config, 1).bytes_max();
        config.set_pair("packets.keep=first").unwrap();
        config.set_pair("packets.ring=256mb").unwrap();
        assert!(plan(&config, 1).bytes_max() > before + (256 << 20));
    }
}
