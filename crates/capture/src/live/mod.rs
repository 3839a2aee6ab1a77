//! Frames off the wire: one capture point of one or several interfaces, read through the kernel's shared rings.
//!
//! An interface may have several rings, each with the frames of its part of all pairs of addresses ([`part`]): a thread reads the rings of
//! one number of every interface.
//!
//! Frames of several interfaces (the two sides of a split tap) come in the order of their stamps: the kernel hands a block over
//! [`RETIRE_MS`](ring) after its first frame at the latest, so that what a silent interface may still give is known to be later than that.
//!
//! Nothing is ever sent: the sockets are opened to receive, and the sensor's sandbox takes the calls that send away.

mod advice;
mod block;
mod canary;
mod card;
mod part;
mod ring;

use crate::{BURST, CANARY, Captured, Filter, Frame, LinkType, Status};
use block::{Found, Place};
use canary::Canary;
use card::Cards;
use ring::{BLOCK_BYTES, RETIRE_MS, Ring};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fmt, io};
use vigie_base::time::{MILLISECOND, SECOND};
use vigie_base::{Budget, Time};

pub use advice::{Advice, advice};
pub use card::Card;
pub use ring::{addresses, names as interfaces};

/// Interfaces of one capture point at most.
pub const INTERFACES_MAX: usize = 16;
/// Rings of one capture point at most: what one message between processes carries (`SCM_MAX_FD` of Linux, 253), and some.
pub const SOCKETS_MAX: usize = 240;
/// Milliseconds after which silence is told as a tick.
const TICK_MS: u64 = 100;
/// How much later than it should the kernel may hand a block over, in milliseconds.
const SLACK_MS: u64 = 20;
/// How often lost interfaces are looked for, and the kernel's counters read.
const LOOK_EVERY: u64 = SECOND;
/// `ARPHRD_*` of if_arp.h.
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
const ARPHRD_NONE: u16 = 0xfffe;

/// How to capture.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Bytes of each interface's rings; a whole number of MiB, at least 2.
    pub ring_bytes: u64,
    /// Rings of each interface: as many threads may read.
    pub rings: usize,
    /// Gives only frames that match.
    pub filter: Option<Filter>,
    /// Seconds between two canaries; 0 for none.
    pub canary: u64,
}

impl Default for LiveOptions {
    fn default() -> Self {
        LiveOptions { ring_bytes: 64 << 20, rings: 1, filter: None, canary: 3600 }
    }
}

impl LiveOptions {
    /// What the rings of `interfaces` interfaces take.
    pub fn budget(&self, interfaces: u64) -> Budget {
        Budget {
            name: "capture.rings",
            entries_max: interfaces * (self.rings.max(1) * self.blocks()) as u64,
            entry_bytes: BLOCK_BYTES as u64,
            when_full: "the kernel drops frames, and counts them",
        }
    }

    /// Blocks of one ring.
    fn blocks(&self) -> usize {
        (self.ring_bytes / BLOCK_BYTES as u64 / self.rings.max(1) as u64).clamp(2, 16_384) as usize
    }
}

/// Why an interface cannot be captured from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveError(String);

impl fmt::Display for LiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LiveError {}

/// How an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Frames may come.
    Up,
    /// It is there and down, or has no carrier.
    Down,
    /// There is none of this name.
    Absent,
}

impl Link {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Link::Up => "up",
            Link::Down => "down",
            Link::Absent => "absent",
        }
    }
}

/// What is known of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSource {
    /// Its name.
    pub name: String,
    /// How it is.
    pub link: Link,
    /// Frames that the kernel saw, those lost included.
    pub frames: u64,
    /// Frames lost because the ring was full.
    pub lost: u64,
    /// How often the ring became full.
    pub freezes: u64,
    /// What its card lost since it is captured from; none where the kernel does not say.
    pub card: Option<Card>,
}

/// What an interface has to give.
enum Head {
    At(Time),
    /// What is at hand has to be given first.
    InAnotherBlock,
    None,
}

/// An interface with its ring.
struct Tap {
    source: LiveSource,
    ring: Ring,
    index: i32,
    kind: LinkType,
    loopback: bool,
    place: Place,
    head: Option<Found>,
    /// What its card had counted before.
    card_before: Card,
    /// Whether the block at hand is the last.
    last: bool,
}

impl Tap {
    /// The next frame to give. A block goes back only when its frames were given: with `keep`, where the next frame is in another
    /// block, that is said instead.
    fn head(&mut self, keep: bool) -> Head {
        while self.head.is_none() {
            if self.place.is_end() {
                if keep {
                    return Head::InAnotherBlock;
                }
                self.ring.release();
                if self.last || !self.ring.take() {
                    return Head::None;
                }
                self.place = Place::first(self.ring.block());
            }
            let ethernet = self.kind == LinkType::EN10MB;
            let found = self.place.advance(self.ring.block_mut(), ethernet);
            // The loopback shows each frame as sent and as received.
            self.head = found.filter(|f| !(self.loopback && f.outgoing));
        }
        self.head.map_or(Head::None, |f| Head::At(f.time))
    }

    /// Follows the interface: it may have gone, come back, or be another one of the same name.
    fn look(&mut self, asker: &OwnedFd, cards: &str) {
        let (s, more) = (&mut self.source, self.ring.statistics());
        s.frames += more.frames;
        s.lost += more.lost;
        s.freezes += more.freezes;
        let _ = self.ring.error();
        s.card = card::of(cards, &s.name).map(|c| c.since(self.card_before));
        s.link = match ring::link(asker, &s.name) {
            Ok(Some(link)) if link.index != self.index => match self.ring.bind(link) {
                Ok(()) => {
                    self.index = link.index;
                    if link.up { Link::Up } else { Link::Down }
                }
                Err(_) => Link::Down,
            },
            Ok(Some(link)) if link.up => Link::Up,
            Ok(Some(_)) => Link::Down,
            _ => Link::Absent,
        };
    }
}

/// Ends a capture from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Ends(Arc<AtomicU8>);

/// Values of [`Ends`], the stronger above.
const AT_LAST: u8 = 1;
const NOW: u8 = 2;

impl Ends {
    /// With the blocks that were begun: what is in others is for the next reader.
    pub fn now(&self) {
        self.0.store(NOW, Ordering::Relaxed);
    }

    /// With every frame that came before this was said: nobody reads after this.
    pub fn at_last(&self) {
        self.0.fetch_max(AT_LAST, Ordering::Relaxed);
    }

    fn said(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Interfaces being captured from, as one capture point.
pub struct Live {
    taps: Vec<Tap>,
    asker: OwnedFd,
    filter: Option<Filter>,
    filtered: u64,
    cards: Cards,
    canary: Canary,
    since: Time,
    ends: Ends,
    /// The time of the last frame to give, once [`Ends::at_last`] was said.
    last: Option<Time>,
    looked: Time,
    told: Time,
    /// Milliseconds after which silence is told.
    patience: u64,
    /// The time of what was given last, frame or silence.
    given: Time,
    first: Option<Time>,
}

/// One line of why, and what to do.
fn refused(name: &str, e: &io::Error) -> LiveError {
    let todo = match e.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => "start as root, or give the program CAP_NET_RAW (setcap cap_net_raw+ep)",
        Some(libc::ENOMEM) => "there is no memory for the ring: lower capture.ring",
        Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT) => "this kernel has no packet sockets (CONFIG_PACKET)",
        _ => "see whether the interface can be captured from: tcpdump -i",
    };
    LiveError(format!("{name}: cannot capture: {e}; {todo}"))
}

/// Sockets with their rings, opened and not yet read: what needs a privilege, apart from what does not. A process that keeps them can give
/// them to one reader after another, and the rings hold what comes between two.
pub struct Sockets {
    /// For questions about interfaces.
    asker: OwnedFd,
    taps: Vec<(Vec<OwnedFd>, Opened)>,
    blocks: usize,
}

/// An interface that was opened.
struct Opened {
    name: String,
    index: i32,
    up: bool,
    kind: LinkType,
    loopback: bool,
}

impl Sockets {
    /// Opens the interfaces. One that is down is opened and waited for; one that there is none of is an error that names those there are.
    pub fn open(names: &[String], options: &LiveOptions) -> Result<Sockets, LiveError> {
        if names.is_empty() || names.len() > INTERFACES_MAX {
            return Err(LiveError(format!("{} interfaces: a capture point has 1 to {INTERFACES_MAX}", names.len())));
        }
        if names.len() * options.rings > SOCKETS_MAX {
            let why = "one each of an interface and a worker, at most";
            return Err(LiveError(format!(
                "{} interfaces with {} workers: {why} {SOCKETS_MAX}; lower workers",
                names.len(),
                options.rings
            )));
        }
        let asker = ring::asker().map_err(|e| refused(&names[0], &e))?;
        let mut taps = Vec::new();
        for name in names {
            let Some(link) = ring::link(&asker, name).map_err(|e| refused(name, &e))? else {
                let there = interfaces().join(", ");
                return Err(LiveError(format!("{}: no such interface; there are: {there}", vigie_base::text::terminal(name))));
            };
            let Some(kind) = kind(link.hardware) else {
                return Err(LiveError(format!(
                    "{name}: hardware type {} is not read live; capture from an Ethernet interface",
                    link.hardware
                )));
            };
            let of = options.rings.max(1);
            let open = |part| -> io::Result<OwnedFd> {
                let socket = ring::open(options.blocks())?;
                if of > 1 {
                    ring::only(&socket, &mut part::program(part as u32, of as u32, kind == LinkType::EN10MB))?;
                }
                ring::bind(&socket, link)?;
                Ok(socket)
            };
            let sockets: Vec<OwnedFd> = (0..of).map(open).collect::<io::Result<_>>().map_err(|e| refused(name, &e))?;
            let loopback = link.hardware == ARPHRD_LOOPBACK;
            taps.push((sockets, Opened { name: name.clone(), index: link.index, up: link.up, kind, loopback }));
        }
        Ok(Sockets { asker, taps, blocks: options.blocks() })
    }

    /// The descriptors, in the order that [`Sockets::inherited`] takes them in.
    pub fn descriptors(&self) -> impl Iterator<Item = &OwnedFd> {
        std::iter::once(&self.asker).chain(self.taps.iter().flat_map(|(fds, _)| fds))
    }

    /// The names of the interfaces.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.taps.iter().map(|(_, o)| o.name.as_str())
    }

    /// What else a process must know to take them over: `index hardware blocks name` of each interface, a line each.
    pub fn described(&self) -> Vec<String> {
        let line = |(_, o): &(Vec<OwnedFd>, Opened)| {
            let hardware = if o.loopback {
                ARPHRD_LOOPBACK
            } else if o.kind == LinkType::RAW {
                ARPHRD_NONE
            } else {
                ARPHRD_ETHER
            };
            format!("{} {hardware} {} {}", o.index, self.blocks, o.name)
        };
        self.taps.iter().map(line).collect()
    }

    /// Takes over what another process opened: its descriptors, as `described`. Errors: what is not a description, or not as many.
    pub fn inherited(descriptors: Vec<OwnedFd>, described: &[String]) -> Result<Sockets, LiveError> {
        let bad = |what: &dyn fmt::Display| LiveError(format!("sockets of another process: {what}"));
        let rings = descriptors.len().saturating_sub(1).checked_div(described.len()).unwrap_or(0);
        if described.len() > INTERFACES_MAX || rings == 0 || descriptors.len() != described.len() * rings + 1 {
            return Err(bad(&format!("{} for {} interfaces", descriptors.len(), described.len())));
        }
        let mut descriptors = descriptors.into_iter();
        let asker = descriptors.next().ok_or_else(|| bad(&"none"))?;
        let (mut taps, mut of) = (Vec::new(), 0);
        for line in described {
            let mut parts = line.splitn(4, ' ');
            let mut number = || parts.next().and_then(|p| p.parse::<u32>().ok()).ok_or_else(|| bad(line));
            let (index, hardware, blocks) = (number()? as i32, number()? as u16, number()? as usize);
            let name = parts.next().ok_or_else(|| bad(line))?.to_owned();
            let kind = kind(hardware).ok_or_else(|| bad(line))?;
            of = blocks;
            let fds = descriptors.by_ref().take(rings).collect();
            taps.push((fds, Opened { name, index, up: true, kind, loopback: hardware == ARPHRD_LOOPBACK }));
        }
        Ok(Sockets { asker, taps, blocks: of })
    }
}

/// How frames of an interface of this hardware begin; none where they are not read.
fn kind(hardware: u16) -> Option<LinkType> {
    match hardware {
        ARPHRD_ETHER | ARPHRD_LOOPBACK => Some(LinkType::EN10MB),
        ARPHRD_NONE => Some(LinkType::RAW),
        _ => None,
    }
}

impl Live {
    /// Opens the interfaces and reads them in this process: as [`Live::of`].
    pub fn open(names: &[String], options: LiveOptions) -> Result<Vec<Live>, LiveError> {
        Live::of(Sockets::open(names, &options)?, options)
    }

    /// Reads what was opened, from where another reader left off: one for each ring of the interfaces, which end together. What belongs to
    /// the rings stands in them already.
    pub fn of(sockets: Sockets, options: LiveOptions) -> Result<Vec<Live>, LiveError> {
        let table = Cards::open().table();
        let (now, ends) = (clock(), Ends::default());
        let mut all: Vec<Live> = Vec::new();
        for (fds, o) in sockets.taps {
            let card_before = card::of(&table, &o.name).unwrap_or_default();
            for (number, fd) in fds.into_iter().enumerate() {
                if all.len() <= number {
                    let asker = sockets.asker.try_clone().map_err(|e| refused(&o.name, &e))?;
                    all.push(Live {
                        taps: Vec::new(),
                        asker,
                        filter: options.filter.clone(),
                        filtered: 0,
                        // What is not of a ring is for the first to know.
                        cards: if number == 0 { Cards::open() } else { Cards::none() },
                        canary: Canary::new(if number == 0 { options.canary } else { 0 }),
                        since: now,
                        ends: ends.clone(),
                        last: None,
                        looked: now,
                        told: now,
                        patience: TICK_MS,
                        given: Time(0),
                        first: None,
                    });
                }
                let state = if o.up { Link::Up } else { Link::Down };
                let ring = Ring::map(fd, sockets.blocks).map_err(|e| refused(&o.name, &e))?;
                all[number].taps.push(Tap {
                    source: LiveSource { name: o.name.clone(), link: state, frames: 0, lost: 0, freezes: 0, card: None },
                    ring,
                    index: o.index,
                    kind: o.kind,
                    loopback: o.loopback,
                    place: Place::default(),
                    head: None,
                    card_before,
                    last: false,
                });
            }
        }
        Ok(all)
    }

    /// How long the next wait for a frame may be, in milliseconds, a tenth of a second at most.
    pub fn patience(&mut self, milliseconds: u64) {
        self.patience = milliseconds.clamp(1, TICK_MS);
    }

    /// Calls `each` with the next burst of 1 to [`BURST`] frames, in the order of their stamps. Where none comes for a tenth of a second (or
    /// [`Live::patience`]), gives the time before which none will come any more. Ends where [`Live::ends`] says so.
    pub fn next_batch(&mut self, each: &mut impl FnMut(&[Frame<'_>])) -> Status {
        let mut now = clock();
        if self.ends.said() == AT_LAST {
            self.last.get_or_insert(now);
        }
        loop {
            if self.ends.said() == NOW {
                self.taps.iter_mut().for_each(|t| t.last = true);
                return if self.give(Time::MAX, each) { Status::More } else { Status::End };
            }
            if let Some(last) = self.last {
                // All up to then is at hand once the kernel has handed over the blocks that it was filling.
                let upto = self.frontier(now).min(last);
                if self.give(upto, each) {
                    return Status::More;
                }
                if self.handed_over(now) >= last {
                    return Status::End;
                }
            }
            if now.since(self.looked) >= LOOK_EVERY || now < self.looked {
                self.looked = now;
                let cards = self.cards.table();
                self.taps.iter_mut().for_each(|t| t.look(&self.asker, &cards));
                if self.let_canary_go(now, each) {
                    return Status::More;
                }
            }
            if self.last.is_none() && self.give(self.frontier(now), each) {
                self.told = now;
                return Status::More;
            }
            if now.since(self.told) >= self.patience * MILLISECOND || now < self.told {
                self.told = now;
                // What waits for another interface's silence is not passed over.
                let waits = self.taps.iter().filter_map(|t| t.head).map(|f| f.time).min();
                self.given = self.given.max(self.handed_over(now).min(waits.unwrap_or(Time::MAX)));
                return Status::Idle(self.given);
            }
            // A block that waits makes its socket readable at once: then time is slept, and not the socket waited for.
            let waiting = self.taps.iter().any(|t| t.head.is_some());
            let fds = self.taps.iter().filter(|_| !waiting).map(|t| t.ring.fd());
            ring::wait(fds, if waiting { RETIRE_MS.min(self.patience as u32 * 2) as i32 / 2 } else { self.patience as i32 });
            now = clock();
        }
    }

    /// Gives the canary as if it had come just now, where it is time; not before anything else was given, which has no time to be at.
    fn let_canary_go(&mut self, now: Time, each: &mut impl FnMut(&[Frame<'_>])) -> bool {
        if self.given == Time(0) {
            return false;
        }
        let Some(data) = self.canary.due(now) else { return false };
        each(&[Frame { time: self.given, data: &data, wire_len: data.len() as u32, link: LinkType::EN10MB, source: CANARY }]);
        true
    }

    /// The time up to which frames that are at hand can be given: of one interface they come in order.
    fn frontier(&self, now: Time) -> Time {
        if self.taps.len() == 1 { Time::MAX } else { self.handed_over(now) }
    }

    /// The time before which the kernel has handed every frame over.
    fn handed_over(&self, now: Time) -> Time {
        Time(now.0.saturating_sub((u64::from(RETIRE_MS) + SLACK_MS) * MILLISECOND))
    }

    /// Gives a burst of what is at hand and not after `upto`; false where there is nothing.
    fn give(&mut self, upto: Time, each: &mut impl FnMut(&[Frame<'_>])) -> bool {
        let mut burst = [(0u16, Found { time: Time(0), start: 0, end: 0, wire_len: 0, outgoing: false }); BURST];
        // Which interfaces the burst is of, a bit each.
        let (mut n, mut from) = (0, 0u32);
        'burst: while n < BURST {
            let mut next: Option<(Time, usize)> = None;
            for (i, tap) in self.taps.iter_mut().enumerate() {
                match tap.head(from & 1 << i != 0) {
                    Head::At(time) if next.is_none_or(|(t, _)| time < t) => next = Some((time, i)),
                    Head::InAnotherBlock => break 'burst,
                    Head::At(_) | Head::None => {}
                }
            }
            let Some((time, i)) = next else { break };
            if time > upto {
                break;
            }
            let Some(found) = self.taps[i].head.take() else { break };
            burst[n] = (i as u16, found);
            from |= 1 << i;
            n += 1;
        }
        let mut frames = [Frame { time: Time(0), data: &[], wire_len: 0, link: LinkType::EN10MB, source: 0 }; BURST];
        let mut given = 0;
        for (source, found) in &burst[..n] {
            let tap = &self.taps[usize::from(*source)];
            let data = tap.ring.block().get(found.start..found.end).unwrap_or_default();
            let frame = Frame { time: found.time, data, wire_len: found.wire_len, link: tap.kind, source: *source };
            if self.filter.as_ref().is_none_or(|f| f.matches(frame.link, data, frame.wire_len)) {
                frames[given] = frame;
                given += 1;
            }
        }
        self.filtered += (n - given) as u64;
        if given > 0 {
            self.first.get_or_insert(frames[0].time);
            self.given = self.given.max(frames[given - 1].time);
            each(&frames[..given]);
        }
        n > 0
    }

    /// To end it from elsewhere.
    pub fn ends(&self) -> Ends {
        self.ends.clone()
    }

    /// The interfaces, in the order given.
    pub fn sources(&self) -> impl Iterator<Item = &LiveSource> {
        self.taps.iter().map(|t| &t.source)
    }

    /// What the kernel counted of all of them, as of the last second.
    pub fn captured(&self) -> Captured {
        let of = |count: fn(&LiveSource) -> u64| self.sources().map(count).sum();
        Captured {
            since: self.since,
            packets: of(|s| s.frames),
            drops: of(|s| s.lost),
            filtered: self.filtered,
            interfaces: self.sources().cloned().collect(),
            canary: self.canary.last(),
        }
    }

    /// Time of the first frame given.
    pub fn first(&self) -> Option<Time> {
        self.first
    }
}

/// The wall clock: read here as data of the capture, and nowhere between here and the server.
fn clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Any bytes as a block of a ring. For fuzzers.
pub fn fuzz(data: &[u8]) -> u64 {
    block::fuzz(&mut data.to_vec())
}
