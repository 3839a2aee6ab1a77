//! The thread that writes packets, and tells the sensor how many more it takes and whose.
//!
//! The thread that judges hands over what comes and never waits: more than was granted is dropped and counted.

use super::Told;
use super::order::Order;
use crate::app::{App, now};
use crate::room::For;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vigie_base::{Budget, Ip, Time};
use vigie_case::Case;
use vigie_detect::{Finding, Story};
use vigie_sensor::keep::{self, WATCHES_MAX, WINDOW, Watch};

/// Pieces that wait to be written.
const PIECES_MAX: usize = 1024;
/// What they take.
pub(crate) const BUDGET: Budget = Budget {
    name: "packets.queue",
    entries_max: 2,
    entry_bytes: WINDOW,
    when_full: "packets wait in the sensor's packets.ring; of a sensor that gives more than it may, they are dropped",
};
/// How long it takes at most until what is to be watched is told.
const TELL_WITHIN: Duration = Duration::from_millis(100);
/// Bytes that are written between two looks at the quota and the disk.
const LOOK_EVERY: u64 = 4 << 20;

/// Hands packets, and whose to keep, to the thread.
pub(super) struct Hand {
    app: Arc<App>,
    give: SyncSender<(u64, Vec<u8>)>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Bytes that wait.
    waiting: AtomicU64,
    /// Whose packets are to be kept, too.
    watches: Mutex<Vec<Watch>>,
}

impl Hand {
    /// Takes what the sensor of that turn gave.
    pub(super) fn take(&self, turn: u64, piece: Vec<u8>) {
        let bytes = piece.len() as u64;
        let before = self.shared.waiting.fetch_add(bytes, Ordering::Relaxed);
        let refused =
            if before + bytes > BUDGET.bytes_max() { Some(piece) } else { self.give.try_send((turn, piece)).err().map(|e| refused(e).1) };
        if let Some(piece) = refused {
            self.shared.waiting.fetch_sub(bytes, Ordering::Relaxed);
            let mut count = 0;
            keep::each(&piece, |_| count += 1);
            self.app.home.packets.drop(count);
        }
    }

    /// What the sensor says that it lost so far.
    pub(super) fn overwritten(&self, count: u64) {
        self.app.home.packets.counted.overwritten.store(count, Ordering::Relaxed);
    }

    /// Keeps what the machines of these cases send each other, until `after` nanoseconds after its last sign.
    pub(super) fn watch(&self, cases: &[Case], after: u64) {
        let now = now();
        let mut watches = self.shared.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let findings = cases.iter().filter(|c| c.story != Story::Health).flat_map(|c| &c.alerts).map(|a| &a.finding);
        let more = findings.filter(|f| f.last.plus(after) > now).flat_map(|f| of(f, after));
        let places = WATCHES_MAX.saturating_sub(watches.len());
        watches.extend(more.take(places));
    }
}

fn refused<T>(e: std::sync::mpsc::TrySendError<T>) -> T {
    match e {
        std::sync::mpsc::TrySendError::Full(t) | std::sync::mpsc::TrySendError::Disconnected(t) => t,
    }
}

/// Who is watched for a finding: whoever acts, with each whom that concerns; where these are a network or unknown, with whoever it is.
fn of(f: &Finding, after: u64) -> impl Iterator<Item = Watch> + '_ {
    let until = f.last.plus(after);
    let (acts, others) = f.entities.split_first().map_or((None, &[][..]), |(a, others)| (a.ip, others));
    let alone = others.is_empty() || others.iter().any(|o| o.ip.is_none());
    let with = others.iter().filter_map(|o| o.ip).map(Some).chain(alone.then_some(None));
    with.filter_map(move |other| Some(Watch { one: acts?, other, until }))
}

/// What the thread knows.
struct Keeper {
    app: Arc<App>,
    told: Arc<Told>,
    /// Names of the interfaces.
    names: Vec<String>,
    shared: Arc<Shared>,
    watched: BTreeMap<(Ip, Option<Ip>), Time>,
    /// The sensor that knows whom to watch.
    turn: u64,
    /// Bytes that may be written before the next look.
    room: u64,
    said: String,
}

/// Starts it; it ends when the hand is dropped.
pub(super) fn start(app: &Arc<App>, told: &Arc<Told>, names: Vec<String>) -> std::io::Result<(Hand, std::thread::JoinHandle<()>)> {
    let (give, take) = sync_channel(PIECES_MAX);
    let shared = Arc::<Shared>::default();
    let keeper = Keeper {
        app: Arc::clone(app),
        told: Arc::clone(told),
        names,
        shared: Arc::clone(&shared),
        watched: BTreeMap::new(),
        turn: 0,
        room: 0,
        said: String::new(),
    };
    let thread = std::thread::Builder::new().name("packets".to_owned()).spawn(move || keeper.run(&take))?;
    Ok((Hand { app: Arc::clone(app), give, shared }, thread))
}

impl Keeper {
    fn run(mut self, take: &Receiver<(u64, Vec<u8>)>) {
        loop {
            match take.recv_timeout(TELL_WITHIN) {
                Ok((turn, piece)) => {
                    self.write(&piece);
                    self.shared.waiting.fetch_sub(piece.len() as u64, Ordering::Relaxed);
                    self.told.order(turn, &Order::Grant(piece.len() as u64));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tell();
        }
        let closed = self.app.home.packets.close();
        self.say(closed.err().map(|e| e.to_string()));
    }

    /// Tells the sensor whom to watch, where that changed or it is another one.
    fn tell(&mut self) {
        let more = std::mem::take(&mut *self.shared.watches.lock().unwrap_or_else(PoisonError::into_inner));
        let mut news = false;
        for w in more {
            let until = self.watched.entry((w.one, w.other)).or_default();
            news |= *until < w.until;
            *until = w.until.max(*until);
        }
        let turn = self.told.turn();
        if !news && (turn == self.turn || self.watched.is_empty()) {
            return;
        }
        let at = now();
        self.watched.retain(|_, until| *until >= at);
        let mut all: Vec<Watch> =
            self.watched.iter().map(|((one, other), until)| Watch { one: *one, other: *other, until: *until }).collect();
        if all.len() > WATCHES_MAX {
            all.sort_unstable_by_key(|w| std::cmp::Reverse(w.until));
            for gone in all.drain(WATCHES_MAX..) {
                self.watched.remove(&(gone.one, gone.other));
            }
        }
        if self.told.order(turn, &Order::Watch(all)) {
            self.turn = turn;
        }
    }

    fn write(&mut self, piece: &[u8]) {
        let bytes = 2 * piece.len() as u64;
        if self.room < bytes {
            self.room = self.look(bytes.max(LOOK_EVERY));
        }
        if self.room < bytes {
            let mut count = 0;
            keep::each(piece, |_| count += 1);
            self.app.home.packets.drop(count);
            return self.say(Some("packets are not kept: the quota or the disk leaves no room".to_owned()));
        }
        self.room -= bytes;
        let written = self.app.home.packets.write(piece, &self.names);
        self.say(written.err().map(|e| e.to_string()));
    }

    /// Holds what bounds packets; how many bytes may be written until the next look.
    fn look(&self, want: u64) -> u64 {
        let home = &self.app.home;
        home.hold_packets(want);
        let room = || home.room().min(home.disk_room().saturating_sub(home.disk_spare()));
        if room() < want
            && let Err(e) = home.make_room(want, For::Packets)
        {
            eprintln!("vigie: {e}");
        }
        home.weigh();
        room().min(want)
    }

    /// Once, and not with every piece.
    fn say(&mut self, what: Option<String>) {
        let what = what.unwrap_or_default();
        if !what.is_empty() && what != self.said {
            eprintln!("vigie: {what}");
        }
        self.said = what;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_base::Ip;
    use vigie_detect::{Entity, Phase, Role};
    use vigie_event::Envelope;

    #[test]
    fn who_acts_is_watched_with_whom_it_concerns_or_alone() {
        let [a, b, c] = [1, 2, 3].map(|n| Ip::v4([10, 0, 0, n]));
        let told = |entities: Vec<Entity>| {
            let finding = Finding {
                detector: "scan",
                key: 1,
                phase: Phase::Open,
                template: "scan",
                params: Vec::new(),
                entities,
                reasons: Vec::new(),
                count: 1,
                evidence: Vec::new(),
                first: Time(1),
                last: Time(100),
                opens_case: true,
                env: Envelope::default(),
            };
            of(&finding, 7).map(|w| (w.one, w.other, w.until.0)).collect::<Vec<_>>()
        };
        let ip = |role, ip| Entity::ip(role, ip);
        let net = Entity::net(Role::Victim, "10.0.0.0/24".parse().unwrap());
        assert_eq!(told(vec![ip(Role::Attacker, a), ip(Role::Victim, b), ip(Role::Victim, c)]), [(a, Some(b), 107), (a, Some(c), 107)]);
        assert_eq!(told(vec![ip(Role::Attacker, a), net]), [(a, None, 107)]);
        assert_eq!(told(vec![ip(Role::Subject, a)]), [(a, None, 107)]);
        assert_eq!(told(vec![Entity::NOBODY]), []);
    }
}
