//! The plan of memory, threads and files: what a replay may take at most, known before a byte is read. The server adds its own to it.

use crate::config::{self, Config};
use crate::eve;
use crate::story;
use vigie_base::Budget;

/// What is there whatever is read: the program and its data, the stacks of its threads, the allocator's slack.
pub const FIXED: Budget = Budget { name: "fixed", entries_max: 1, entry_bytes: 48 << 20, when_full: "it does not grow" };
/// Stack and allocator arena of a thread.
const THREAD: u64 = 4 << 20;

/// The threads of a sensor: what one does that is alone, and what the last of several does.
pub fn threads(config: &Config, [alone, last]: [&'static str; 2]) -> Vec<(&'static str, usize)> {
    match config.sensor.workers.0.max(1) {
        1 => vec![(alone, 1)],
        workers => vec![("reads and decodes", 1), ("own flows", workers), (last, 1)],
    }
}

/// What a run may take.
pub struct Plan {
    /// Every table and queue, all workers together.
    pub budgets: Vec<Budget>,
    /// Threads by what they do.
    pub threads: Vec<(&'static str, usize)>,
    /// Open files by what they are.
    pub files: Vec<(&'static str, usize)>,
}

impl Plan {
    /// Of a replay under `config`.
    pub fn of(config: &Config) -> Plan {
        let mut plan = Plan::with(
            config,
            &vigie_capture::BUDGETS,
            threads(config, ["reads, dissects, detects and writes", "merges, detects and writes"]),
        );
        plan.files.extend([("captures that overlap in time", vigie_capture::OPEN_MAX), ("eve.json, cases.json, assets.json", 3)]);
        let inventory = vigie_inventory::Settings::new(config.home_net.clone());
        plan.budgets.extend(story::budgets(u64::from(inventory.holders_max)));
        plan.budgets.push(eve::BUDGET);
        plan
    }

    /// Of what dissects and detects under `config`, whoever gives the frames (`input`), on these threads.
    pub fn with(config: &Config, input: &[Budget], threads: Vec<(&'static str, usize)>) -> Plan {
        let count: usize = threads.iter().map(|t| t.1).sum();
        let mut budgets =
            vec![FIXED, Budget { name: "threads", entries_max: count as u64, entry_bytes: THREAD, when_full: "it does not grow" }];
        budgets.extend(input);
        budgets.extend(vigie_sensor::budgets(&config.sensor));
        budgets.extend(vigie_inventory::Settings::new(config.home_net.clone()).budgets());
        budgets.push(config::RELAYS);
        budgets.extend(vigie_detect::registry::budgets());
        budgets.extend(vigie_case::Cases::budgets());
        Plan { budgets, threads, files: vec![("standard streams", 3)] }
    }

    /// The most memory in all, in bytes.
    pub fn bytes_max(&self) -> u64 {
        self.budgets.iter().map(Budget::bytes_max).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_table_is_a_smaller_plan() {
        let mut config = Config::default();
        let all = Plan::of(&config).bytes_max();
        config.set_pair("flow.max=1000").unwrap();
        let small = Plan::of(&config).bytes_max();
        assert!(small < all && small > FIXED.bytes_max(), "{small} {all}");
        config.set_pair("workers=4").unwrap();
        let plan = Plan::of(&config);
        assert_eq!(plan.threads.iter().map(|t| t.1).sum::<usize>(), 6);
        assert!(plan.bytes_max() > small);
    }
}
