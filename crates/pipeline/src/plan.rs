//! The plan of memory, threads and files: what a replay may take at most, known before a byte is read. The server adds its own to it.

use crate::config::{self, Config};
use crate::eve;
use crate::story;
use vigie_base::{Budget, Share};
use vigie_capture::Room;
use vigie_sensor::Reads;

/// The program's own pages, as many as are ever read.
pub const PROGRAM: Budget = Budget { name: "program", entries_max: 1, entry_bytes: 64 << 20, when_full: "it does not grow" };
/// What a process holds whatever is read: data of the program's, content, the allocator's slack.
pub const FIXED: Budget = Budget { name: "fixed", entries_max: 1, entry_bytes: 16 << 20, when_full: "it does not grow" };
/// Stack and allocator arena of a thread.
const THREAD: u64 = 1 << 20;

/// The threads of a sensor: what one does that is alone, and what the last of several does.
pub fn threads(config: &Config, reads: Reads, [alone, last]: [&'static str; 2]) -> Vec<(&'static str, usize)> {
    match (config.sensor.workers.0.max(1), reads) {
        (1, _) => vec![(alone, 1)],
        (workers, Reads::One) => vec![("reads and decodes", 1), ("own flows", workers), (last, 1)],
        (workers, Reads::Each) => vec![("read, decode and own flows", workers), (last, 1)],
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
            &vigie_capture::budgets(Room::WHOLE),
            Reads::One,
            threads(config, Reads::One, ["reads, dissects, detects and writes", "merges, detects and writes"]),
        );
        plan.files.extend([("captures that overlap in time", vigie_capture::OPEN_MAX), ("eve.json, cases.json, assets.json", 3)]);
        let inventory = vigie_inventory::Settings::shared(config.home_net.clone(), config.detect.share);
        plan.budgets.extend(story::budgets(u64::from(inventory.holders_max), config.detect.share));
        plan.budgets.push(eve::BUDGET);
        plan
    }

    /// Of what dissects and detects under `config`, whoever gives the frames (`input`), on these threads.
    pub fn with(config: &Config, input: &[Budget], reads: Reads, threads: Vec<(&'static str, usize)>) -> Plan {
        let count: usize = threads.iter().map(|t| t.1).sum();
        let mut budgets =
            vec![PROGRAM, FIXED, Budget { name: "threads", entries_max: count as u64, entry_bytes: THREAD, when_full: "it does not grow" }];
        budgets.extend(input);
        budgets.extend(vigie_sensor::budgets(&config.sensor, reads));
        budgets.extend(vigie_inventory::Settings::shared(config.home_net.clone(), config.detect.share).budgets());
        budgets.push(config::RELAYS);
        budgets.extend(vigie_detect::registry::budgets(config.detect.share));
        budgets.extend(vigie_case::Cases::budgets(config.detect.share));
        Plan { budgets, threads, files: vec![("standard streams", 3)] }
    }

    /// The most memory in all, in bytes.
    pub fn bytes_max(&self) -> u64 {
        self.budgets.iter().map(Budget::bytes_max).fold(0, u64::saturating_add)
    }
}

/// Parts of 256 of what holds detail that are left when less is to be had, before the rest shrinks too.
const DETAIL_LEAST: u32 = 32;
/// Parts of every table that are the least to work with, and the most that are of use.
const LEAST: u32 = 16;
const MOST: u32 = 16 * 256;

/// The configuration with its tables as large as `memory.budget` has room for, by the plan of what it is for; where it is little, what
/// holds detail shrinks first, then all. Errors: one line, with the least that works.
pub fn fitted(config: &Config, plan: impl Fn(&Config) -> Plan) -> Result<Config, String> {
    let with = |detail: u32, rest: u32| config.shared(Share::parts(detail), Share::parts(rest));
    let fits = |c: &Config| plan(c).bytes_max() <= config.memory;
    if config.memory == 0 {
        return Ok(config.clone());
    }
    let larger = (256..=MOST).rev().step_by(64).map(|parts| (parts, parts));
    let less = (DETAIL_LEAST..256).rev().step_by(16).map(|detail| (detail, 256));
    let least = (LEAST..256).rev().step_by(8).map(|rest| (DETAIL_LEAST.min(rest), rest));
    let all = larger.chain(less).chain(least).chain([(LEAST, LEAST)]);
    match all.map(|(detail, rest)| with(detail, rest)).find(fits) {
        Some(config) => Ok(config),
        None => {
            let least = plan(&with(LEAST, LEAST)).bytes_max().div_ceil(1 << 20);
            Err(format!("memory.budget = {} MiB is too little: the least that works here is {least}mb", config.memory >> 20))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_takes_detail_first_and_then_all() {
        let with = |budget: &str| {
            let mut config = Config::default();
            config.set_pair(&format!("memory.budget={budget}")).unwrap();
            fitted(&config, Plan::of)
        };
        let whole = Plan::of(&Config::default()).bytes_max() >> 20;
        let sizes = |c: &Config| (c.sensor.dissect.memory_max, u64::from(c.sensor.flow.flows_max), Plan::of(c).bytes_max());
        let usual = sizes(&Config::default());
        let budgets = [whole + 1, whole - 20, whole - 200, 4 * whole].map(|mib| (mib << 20, sizes(&with(&format!("{mib}mb")).unwrap())));
        assert!(budgets.iter().all(|(budget, fitted)| fitted.2 <= *budget));
        let [same, little, less, more] = budgets.map(|b| b.1);
        assert_eq!(same, usual);
        assert!(little.0 < usual.0 && little.1 == usual.1, "{little:?}");
        assert!(less.0 < little.0 && less.1 < usual.1, "{less:?}");
        assert!(more.0 > usual.0 && more.1 > usual.1, "{more:?}");
        let why = with("10mb").err().unwrap();
        assert!(why.starts_with("memory.budget = 10 MiB is too little: the least that works here is "), "{why}");
        let least = why.rsplit(' ').next().unwrap();
        assert!(with(least).is_ok(), "{least}");
    }

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
