//! The quota: over all that Vigie writes, held before each write. What goes when there is no room, and in which order.

use crate::Fault;
use crate::app::now;
use crate::home::Home;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use vigie_base::Time;
use vigie_base::time::SECOND;
use vigie_catalog::Source;
use vigie_link::Packed;
use vigie_store::{Evicted, Limits, Priority};

/// A part of the quota that is kept free, so that what is written between two looks at it finds room.
const FREE_PART: u64 = 20;

/// Bytes that are freed at a time where the quota leaves no room for events.
const ROOM_AT_A_TIME: u64 = 16 << 20;

/// See [`Home::disk_spare`].
const DISK_SPARE: u64 = 1 << 30;

/// Bytes in use, by who writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) events: u64,
    /// Imported captures, those that wait to be read among them.
    pub(crate) captures: u64,
    /// Packets of the site's own traffic.
    pub(crate) packets: u64,
    pub(crate) catalog: u64,
}

impl Used {
    pub(crate) fn total(self) -> u64 {
        self.events.saturating_add(self.captures).saturating_add(self.packets).saturating_add(self.catalog)
    }
}

/// What goes, the first before the others.
const ORDER: [Step; 5] =
    [Step::Packets, Step::Events(Priority::Internal), Step::Captures, Step::Events(Priority::Imports), Step::Events(Priority::Live)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Packets,
    Events(Priority),
    Captures,
}

impl Step {
    /// In a word, for the API.
    const fn name(self) -> &'static str {
        match self {
            Step::Events(Priority::Internal) => "internal",
            Step::Events(Priority::Imports) => "import",
            Step::Events(Priority::Live) => "live",
            Step::Captures => "capture",
            Step::Packets => "packets",
        }
    }
}

/// For whom room is made.
#[derive(Clone, Copy)]
pub(crate) enum For<'d> {
    /// The site's own traffic, and what Vigie does by itself: whatever is oldest goes.
    Site,
    /// An import into this dataset: neither it nor the site's own events go for it.
    Import(&'d str),
    /// A capture that is to be kept: only packets of the site's own traffic and older captures go for it.
    Capture,
    /// Packets of the site's own traffic: only older ones go for them.
    Packets,
}

/// What went, or would go next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// `packets`, `internal`, `capture`, `import` or `live`.
    pub(crate) what: &'static str,
    /// A dataset, or a file: a capture, or the oldest of packets.
    pub(crate) name: String,
    /// Events; none of a file.
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: u64,
}

impl Gone {
    fn of(step: Step, e: Evicted) -> Self {
        Gone { what: step.name(), name: e.dataset, rows: Some(e.rows), bytes: e.bytes }
    }

    /// Files of packets.
    fn packets((name, bytes): (String, u64)) -> Self {
        Gone { what: Step::Packets.name(), name, rows: None, bytes }
    }

    /// A capture.
    pub(crate) fn capture(source: &Source) -> Self {
        Gone { what: Step::Captures.name(), name: source.name.clone(), rows: None, bytes: source.bytes }
    }

    /// In a line, for who imports.
    pub(crate) fn told(&self) -> String {
        match self.rows {
            Some(rows) => format!("{rows} events of dataset {} ({} bytes) were removed: the quota left no room", self.name, self.bytes),
            None if self.what == Step::Packets.name() => format!(
                "packets of the site's own traffic, from {} on ({} bytes), were removed: the quota left no room",
                self.name, self.bytes
            ),
            None => format!("the capture {} ({} bytes) was removed: the quota left no room", self.name, self.bytes),
        }
    }
}

impl Home {
    /// Bytes of all that Vigie wrote.
    pub(crate) fn used(&self) -> Used {
        let size = |name: &str| std::fs::metadata(self.dir.join(name)).map_or(0, |m| m.len());
        Used {
            events: self.store.bytes(),
            captures: files(&Home::captures(&self.dir)).chain(files(&Home::incoming(&self.dir))).map(|f| f.2).sum(),
            packets: self.packets.bytes(),
            catalog: ["vigie.db", "vigie.db-wal", "vigie.db-shm"].into_iter().map(size).sum(),
        }
    }

    /// Bytes that may still be written without anything going for it: what the quota leaves, and the disk.
    pub(crate) fn room(&self) -> u64 {
        match self.in_force().quota {
            0 => self.disk_room(),
            quota => self.disk_room().min(quota.saturating_sub(self.used().total())),
        }
    }

    /// Bytes that an import could have if everything went that may go for it.
    pub(crate) fn most_room(&self) -> u64 {
        let used = self.used();
        let live: u64 = self.store.usage().kinds.iter().filter(|((dataset, _), _)| dataset == vigie_store::LIVE).map(|(_, n)| n.1).sum();
        let freed = used.events.saturating_sub(live).saturating_add(used.captures).saturating_add(used.packets);
        match self.in_force().quota {
            0 => self.disk_room(),
            quota => quota.saturating_sub(used.total().saturating_sub(freed)).min(self.disk_room().saturating_add(freed)),
        }
    }

    /// Bytes that the disk has left.
    pub(crate) fn disk_room(&self) -> u64 {
        rustix::fs::statvfs(&self.dir).map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize))
    }

    /// Bytes that stay free on the disk as long as a capture can go for them: 1 GiB, or a twentieth of a small disk.
    pub(crate) fn disk_spare(&self) -> u64 {
        rustix::fs::statvfs(&self.dir).map_or(0, |s| DISK_SPARE.min(s.f_blocks.saturating_mul(s.f_frsize) / FREE_PART))
    }

    /// Tells the store what may be kept now: the quota is for what is kept beside it, too.
    pub(crate) fn weigh(&self) {
        let (now, used) = (self.in_force(), self.used());
        let beside_bytes = used.total().saturating_sub(used.events);
        self.store.set_limits(Limits { quota_bytes: now.quota, beside_bytes, retention: now.store_retention() });
    }

    /// Frees what is missing of `want` bytes under the quota, in [`ORDER`], with a row in the trail for what went; packets and captures go for a full
    /// disk, too. Room may still be missing afterwards: [`Home::room`] says.
    pub(crate) fn make_room(&self, want: u64, whom: For<'_>) -> Result<Vec<Gone>, Fault> {
        let quota = self.in_force().quota;
        let _one = self.evicting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut all = Vec::new();
        for step in steps(whom) {
            let over = match quota {
                0 => 0,
                quota => self.used().total().saturating_add(want).saturating_sub(quota),
            };
            match step {
                Step::Events(_) if over == 0 => {}
                Step::Events(what) => {
                    let gone = self.store.evict(what, over, &spared(whom)).map_err(Fault::of)?;
                    all.extend(gone.into_iter().map(|e| Gone::of(step, e)));
                }
                Step::Packets => {
                    let lacking = want.saturating_add(self.disk_spare()).saturating_sub(self.disk_room());
                    // Many at a time, so that the trail has a row for many.
                    let at_least = |n: u64| if n == 0 { 0 } else { n.max(self.packets.bytes() / FREE_PART) };
                    let gone = self.packets.evict(at_least(over.max(lacking)));
                    all.extend(gone.map(Gone::packets));
                }
                Step::Captures => {
                    let lacking = want.saturating_add(self.disk_spare()).saturating_sub(self.disk_room());
                    all.extend(self.evict_captures(over.max(lacking))?);
                }
            }
        }
        self.weigh();
        for g in &all {
            let detail = json!({"what": g.what, "events": g.rows, "bytes": g.bytes});
            self.catalog.audit("vigie", "store.evict", &g.name, &detail, now()).map_err(Fault::of)?;
        }
        Ok(all)
    }

    /// Takes batches; older things go where the quota leaves no room, which are given back.
    pub(crate) fn append(&self, batches: &[Packed], whom: For<'_>) -> Result<Vec<Gone>, Fault> {
        match self.store.append(batches) {
            Err(vigie_store::Error::Quota { .. }) => {
                let gone = self.make_room(ROOM_AT_A_TIME, whom)?;
                self.store.append(batches).map_err(Fault::of)?;
                Ok(gone)
            }
            done => done.map(|_| Vec::new()).map_err(Fault::of),
        }
    }

    /// Holds the days and the size of packets, so much room left below the size.
    pub(crate) fn hold_packets(&self, room: u64) {
        let told = &self.told().packets;
        let since = match told.days {
            0 => Time(0),
            days => Time(now().0.saturating_sub(days * 86_400 * SECOND)),
        };
        let size = if told.size == 0 { 0 } else { told.size.saturating_sub(room).max(1) };
        self.packets.hold(since, size);
    }

    /// Holds the quota with some room below it.
    pub(crate) fn keep_within(&self) -> Result<Vec<Gone>, Fault> {
        self.make_room(self.in_force().quota / FREE_PART, For::Site)
    }

    /// What would go next if as much came as is kept free below the quota: told beforehand.
    pub(crate) fn next_gone(&self) -> Vec<Gone> {
        let quota = self.in_force().quota;
        let mut left = match quota {
            0 => return Vec::new(),
            // As much again as is kept free.
            quota => quota / FREE_PART * 2,
        };
        let mut all = Vec::new();
        for step in steps(For::Site) {
            if left == 0 {
                break;
            }
            let gone: Vec<Gone> = match step {
                Step::Events(what) => self.store.evictable(what, left, &[]).into_iter().map(|e| Gone::of(step, e)).collect(),
                Step::Packets => self.packets.oldest(left).map(Gone::packets).into_iter().collect(),
                Step::Captures => self.oldest_captures(left).iter().map(|(_, source)| Gone::capture(source)).collect(),
            };
            left = left.saturating_sub(gone.iter().map(|g| g.bytes).sum());
            all.extend(gone);
        }
        all
    }
}

fn steps(whom: For<'_>) -> impl Iterator<Item = Step> {
    let goes = move |step: &Step| match whom {
        For::Site => true,
        For::Import(_) => *step != Step::Events(Priority::Live),
        For::Capture => matches!(step, Step::Packets | Step::Captures),
        For::Packets => *step == Step::Packets,
    };
    ORDER.into_iter().filter(goes)
}

fn spared(whom: For<'_>) -> Vec<String> {
    match whom {
        For::Site | For::Capture | For::Packets => Vec::new(),
        For::Import(dataset) => vec![dataset.to_owned()],
    }
}

/// The files of a folder: when last written, path, bytes. None where there is no folder.
fn files(dir: &Path) -> impl Iterator<Item = (SystemTime, PathBuf, u64)> {
    let all = std::fs::read_dir(dir).into_iter().flatten().flatten();
    all.filter_map(|entry| {
        let meta = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), entry.path(), meta.len()))
    })
}
