//! The lab's recordings, read by the real sensor and moved to a day of the month: the attacks.

use std::path::{Path, PathBuf};
use vigie_base::Time;
use vigie_base::time::SECOND;
use vigie_capture::{Capture, Options};
use vigie_event::{Batch, Row};
use vigie_sensor::{Control, Fold, Settings};

/// A day, in nanoseconds.
pub const DAY: u64 = 86_400 * SECOND;

/// The recordings of the month in their order: each list is of one day, and begins at that share of the month's working days.
pub const PLAN: [(f64, &[&str]); 6] = [
    (0.1, &["kali_appears", "port_scan", "ftp_bruteforce_success"]),
    (0.3, &["dns_tunnel"]),
    (0.45, &["ssh_bruteforce"]),
    (0.6, &["rogue_dhcp"]),
    (0.75, &["password_spray"]),
    (0.9, &["tor"]),
];

/// What a recording must lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The recording.
    pub name: String,
    /// A detector.
    pub detector: String,
}

/// The events of some recordings, in their order.
#[derive(Default)]
pub struct Recorded {
    batches: Vec<Batch>,
    order: Vec<(Time, u64, u32, usize, usize)>,
    next: usize,
    /// What must be found.
    pub expected: Vec<Expected>,
    /// Detectors that may tell as well.
    pub allowed: Vec<String>,
}

impl Fold for Recorded {
    fn row(&mut self, row: Row<'_>) {
        let at = match self.batches.iter().position(|b| std::ptr::eq(b.schema(), row.schema())) {
            Some(at) => at,
            None => {
                self.batches.push(Batch::new(row.schema()));
                self.batches.len() - 1
            }
        };
        let env = row.env();
        self.order.push((env.ts, env.flow_id, env.seq, at, self.batches[at].len()));
        self.batches[at].copy(row);
    }

    fn upto(&mut self, _: Time) {}
}

impl Recorded {
    /// Reads the recordings of `dir` that the plan names; `days` are the beginnings of the working days.
    pub fn read(dir: &Path, days: &[Time]) -> Result<Recorded, String> {
        let mut all = Recorded::default();
        for (share, names) in PLAN {
            let Some(day) = days.get((share * days.len() as f64) as usize) else { continue };
            for name in names {
                all.one(dir, name, *day)?;
            }
        }
        all.order.sort_unstable();
        Ok(all)
    }

    fn one(&mut self, dir: &Path, name: &str, day: Time) -> Result<(), String> {
        let (capture, story) = (dir.join(format!("{name}.pcap")), dir.join(format!("{name}.json")));
        let text = std::fs::read(&story).map_err(|e| format!("{}: {e}; give --recordings the lab's folder testdata", story.display()))?;
        let story: serde_json::Value = serde_json::from_slice(&text).map_err(|e| format!("{name}.json: {e}"))?;
        let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
        for e in story["expect"].as_array().into_iter().flatten() {
            self.expected.push(Expected { name: name.to_owned(), detector: text(&e["detector"]) });
        }
        self.allowed.extend(story["allowed"].as_array().into_iter().flatten().map(text));
        let paths: Vec<PathBuf> = vec![capture];
        let Some((first, _)) = Capture::open(&paths, Options::default()).span() else {
            return Err(format!("{}: no capture", paths[0].display()));
        };
        // To the same time of another day.
        let shift = day.0 as i64 - (first.0 / DAY * DAY) as i64;
        let mut capture = Capture::open(&paths, Options { shift, ..Options::default() });
        vigie_sensor::run(&mut capture, &Settings::default(), self, |_| Control::Go);
        Ok(())
    }

    /// The place in the order of events of the next one.
    pub fn first(&self) -> Option<(Time, u64, u32)> {
        self.order.get(self.next).map(|o| (o.0, o.1, o.2))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.batches.iter_mut().for_each(Batch::clear);
        self.order.clear();
        self.next = 0;
    }

    /// Takes the next one out.
    pub fn take(&mut self) -> Option<Row<'_>> {
        let (_, _, _, batch, row) = *self.order.get(self.next)?;
        self.next += 1;
        Some(self.batches[batch].row(row))
    }
}
