//! Who does what when: the month's ordinary traffic.
//!
//! Time passes in slots. In each, so many devices of a class begin so many conversations of a kind as its rate says; people only while
//! they are at work. A conversation puts all of its events into the queue; what comes before the slot's end leaves it in the order of events.

use crate::event::{End, Queue, Stack, Talk, What};
use crate::recorded::DAY;
use crate::rng::{Rng, mix};
use crate::world::{Asset, Class, Role, World, v4};
use vigie_base::time::{MILLISECOND, SECOND};
use vigie_base::{Ip, Mac, Time};
use vigie_event::Out;

/// Length of a slot.
const SLOT: u64 = 60 * SECOND;
/// From four in the afternoon on Thursday, 1 January 1970.
const FIRST_WEEKDAY: u64 = 3;

const WINDOWS: Stack = Stack(128, 64_240, b"mss1460,nop,ws8,nop,nop,sok");
const LINUX: Stack = Stack(64, 64_240, b"mss1460,sok,ts,nop,ws7");
const APPLE: Stack = Stack(64, 65_535, b"mss1460,nop,ws6,nop,nop,ts,sok,eol");
const SMALL: Stack = Stack(64, 14_600, b"mss1460,nop,nop,sok");

/// What a class does: how often an hour while it is there, and what.
const HABITS: &[(Class, f64, Habit)] = &[
    (Class::Pc, 14.0, Habit::Visit),
    (Class::Pc, 3.0, Habit::Quic),
    (Class::Pc, 6.0, Habit::Application),
    (Class::Pc, 3.0, Habit::Files),
    (Class::Pc, 4.0, Habit::ReadMail),
    (Class::Pc, 1.5, Habit::Directory),
    (Class::Pc, 0.3, Habit::Print),
    (Class::Pc, 0.25, Habit::Update),
    (Class::Pc, 0.2, Habit::Clock),
    (Class::Pc, 0.3, Habit::Look),
    (Class::Mac, 14.0, Habit::Visit),
    (Class::Mac, 4.0, Habit::Quic),
    (Class::Mac, 4.0, Habit::ReadMail),
    (Class::Mac, 2.0, Habit::Look),
    (Class::Mobile, 6.0, Habit::Visit),
    (Class::Mobile, 5.0, Habit::Quic),
    (Class::Phone, 1.0, Habit::Register),
    (Class::Phone, 0.25, Habit::Call),
    (Class::Phone, 0.04, Habit::Clock),
    (Class::Printer, 0.8, Habit::Look),
    (Class::Printer, 0.1, Habit::Clock),
    (Class::Camera, 0.1, Habit::Film),
    (Class::Camera, 0.1, Habit::Clock),
    (Class::Thing, 0.8, Habit::Report),
    (Class::Thing, 0.1, Habit::Clock),
    (Class::AccessPoint, 0.5, Habit::Tunnel),
];

/// The same for servers, by role.
const DUTIES: &[(Role, f64, Habit)] = &[
    (Role::Web, 20.0, Habit::Database),
    (Role::Domain, 60.0, Habit::Resolve),
    (Role::Monitor, 600.0, Habit::Poll),
    (Role::Monitor, 900.0, Habit::Ping),
    (Role::Mail, 60.0, Habit::TakeMail),
    (Role::Public, 120.0, Habit::Visitor),
    (Role::Files, 2.0, Habit::Log),
    (Role::Web, 2.0, Habit::Log),
    (Role::Database, 2.0, Habit::Log),
    (Role::Updates, 10.0, Habit::Update),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Visit,
    Quic,
    Application,
    Files,
    ReadMail,
    Directory,
    Print,
    Update,
    Clock,
    Look,
    Register,
    Call,
    Film,
    Report,
    Tunnel,
    Database,
    Resolve,
    Poll,
    Ping,
    TakeMail,
    Visitor,
    Log,
}

/// The month as it passes.
pub struct Month<'w> {
    world: &'w World,
    rng: Rng,
    queue: Queue,
    /// How much of everything.
    scale: f64,
    now: Time,
    frame: u64,
    /// Who comes to work in which minute of the day.
    arrivals: Vec<(u32, u32)>,
}

/// A connection that has been opened.
struct Opened {
    talk: Talk,
    seq: u32,
    at: Time,
}

/// The day of the week, 0 for Monday.
pub const fn weekday(at: Time) -> u64 {
    (at.0 / DAY + FIRST_WEEKDAY) % 7
}

impl<'w> Month<'w> {
    /// Begins at the midnight of `start`.
    pub fn new(world: &'w World, start: Time, scale: f64) -> Self {
        Month {
            world,
            rng: Rng::new(mix(world.seed ^ 0x6d6f_6e74)),
            queue: Queue::default(),
            scale,
            now: start,
            frame: 0,
            arrivals: Vec::new(),
        }
    }

    /// Lets a slot pass. All events before the time that it gives are in the queue then.
    pub fn pass(&mut self) -> Time {
        if self.now.0.is_multiple_of(DAY) {
            self.begin_day();
        }
        for (class, rate, habit) in HABITS {
            let devices = self.world.class(*class);
            self.begin(devices, *rate, *habit);
        }
        for (role, rate, habit) in DUTIES {
            let servers = self.world.role(*role);
            self.begin(servers, *rate, *habit);
        }
        let minute = (self.now.0 % DAY / SLOT) as u32;
        let from = self.arrivals.partition_point(|a| a.0 < minute);
        let to = self.arrivals.partition_point(|a| a.0 <= minute);
        for at in from..to {
            self.arrive(self.arrivals[at].1);
        }
        self.night(minute);
        self.now = self.now.plus(SLOT);
        self.now
    }

    /// Place in the order of events of the first that waits.
    pub fn first(&self) -> Option<(Time, u64, u32)> {
        self.queue.first()
    }

    /// Writes the first that waits.
    pub fn tell(&mut self, out: &mut impl Out) {
        // Between two events pass the packets that tell nothing.
        self.frame += 1 + self.rng.below(7);
        self.queue.tell(self.world, self.frame, out);
    }

    /// Minutes of the day at which somebody comes and goes; `None` where they do not come that day.
    fn hours(&self, asset: u32) -> Option<(u32, u32)> {
        let day = self.now.0 / DAY;
        let h = mix(self.world.seed ^ u64::from(asset) << 20 ^ day);
        let there = if weekday(self.now) < 5 { 88 } else { 4 };
        if h % 100 >= there {
            return None;
        }
        Some((420 + (h >> 8) as u32 % 130, 960 + (h >> 24) as u32 % 170))
    }

    fn is_there(&self, asset: u32) -> bool {
        let minute = (self.now.0 % DAY / (60 * SECOND)) as u32;
        match self.world.asset(asset).class {
            Class::Pc | Class::Mac | Class::Mobile => {
                let lunch = (725..800).contains(&minute) && !mix(u64::from(asset) ^ u64::from(minute)).is_multiple_of(4);
                self.hours(asset).is_some_and(|(from, to)| (from..to).contains(&minute)) && !lunch
            }
            _ => true,
        }
    }

    fn begin_day(&mut self) {
        self.arrivals.clear();
        for asset in 0..self.world.assets.len() as u32 {
            if matches!(self.world.asset(asset).class, Class::Pc | Class::Mac)
                && let Some((from, _)) = self.hours(asset)
            {
                self.arrivals.push((from, asset));
            }
        }
        self.arrivals.sort_unstable();
    }

    fn begin(&mut self, devices: &'w [u32], rate: f64, habit: Habit) {
        let hour = (self.now.0 % DAY / (3600 * SECOND)) as u32;
        // What calls come of people; visitors from outside sleep less.
        let tide = match habit {
            Habit::Call | Habit::TakeMail if !(8..18).contains(&hour) || weekday(self.now) > 4 => 0.05,
            Habit::Visitor if !(7..23).contains(&hour) => 0.3,
            _ => 1.0,
        };
        let mean = devices.len() as f64 * rate * tide * self.scale * (SLOT / SECOND) as f64 / 3600.0;
        for _ in 0..self.rng.count(mean) {
            let asset = *self.rng.pick(devices);
            if self.is_there(asset) {
                let at = Time::from_micros(self.now.0 / 1000 + self.rng.below(SLOT / 1000));
                self.talk(asset, habit, at);
            }
        }
    }

    fn talk(&mut self, asset: u32, habit: Habit, at: Time) {
        let a = *self.world.asset(asset);
        let own = u64::from(a.building);
        match habit {
            Habit::Visit => self.visit(&a, at),
            Habit::Quic => {
                let site = self.world.sites[self.rng.skewed(self.world.sites.len())];
                let at = self.resolve(&a, at, site.name, Some((site.ip, site.addresses)));
                let dst = v4(site.ip + self.rng.below(u64::from(site.addresses)) as u32);
                self.datagrams(&a, dst, 443, at, 20.0, 90_000.0, true);
            }
            Habit::Application => {
                let server = self.server(Role::Web);
                let name = server.name;
                let at = if self.rng.chance(0.3) { self.resolve(&a, at, name, Some((number(server.ip), 1))) } else { at };
                self.session(&a, server.ip, 443, at, name, false, 12_000.0);
            }
            Habit::Files => self.plain(&a, self.world.asset(self.world.server_of(Role::Files, own)).ip, 445, at, 60.0, 40_000.0),
            Habit::ReadMail => {
                let server = *self.world.asset(self.world.server_of(Role::Mail, own));
                self.session(&a, server.ip, 993, at, server.name, false, 8000.0);
            }
            Habit::Directory => {
                let server = self.world.asset(self.world.server_of(Role::Domain, own)).ip;
                let port = *self.rng.pick(&[88, 88, 389, 135]);
                self.plain(&a, server, port, at, 0.05, 3000.0);
            }
            Habit::Print => {
                let printers = &self.world.printers[usize::from(a.building)];
                if !printers.is_empty() {
                    let printer = self.world.asset(*self.rng.pick(printers)).ip;
                    self.plain(&a, printer, 9100, at, 8.0, 900.0);
                }
            }
            Habit::Update => self.update(&a, at),
            Habit::Clock => self.clock(&a, at),
            Habit::Look => self.look(&a, at),
            Habit::Register => {
                let server = self.world.asset(self.world.server_of(Role::Voice, own)).ip;
                self.datagrams(&a, server, 5060, at, 900.0, 4000.0, true);
            }
            Habit::Call => {
                let server = self.world.asset(self.world.server_of(Role::Voice, own)).ip;
                let port = 10_000 + 2 * self.rng.below(10_000) as u16;
                self.datagrams(&a, server, port, at, 150.0, 1_200_000.0, true);
            }
            Habit::Film => {
                let server = self.world.asset(self.world.server_of(Role::Video, own)).ip;
                self.plain(&a, server, 554, at, 14_000.0, 900_000_000.0);
            }
            Habit::Report => {
                let server = *self.world.asset(self.world.server_of(Role::Control, own));
                self.session(&a, server.ip, 8883, at, server.name, false, 1500.0);
            }
            Habit::Tunnel => {
                let server = self.world.asset(self.world.server_of(Role::Control, own)).ip;
                self.datagrams(&a, server, 5246, at, 1800.0, 60_000.0, true);
            }
            Habit::Database => {
                let server = self.world.asset(self.world.server_of(Role::Database, u64::from(asset))).ip;
                self.plain(&a, server, 5432, at, 3.0, 30_000.0);
            }
            Habit::Resolve => {
                let site = self.world.sites[self.rng.skewed(self.world.sites.len())];
                let root = v4(0xc613_fe00 + (site.ip >> 8) % 40);
                self.ask(&a, root, at, site.name, Some((site.ip, site.addresses)));
            }
            Habit::Poll => {
                let class = *self.rng.pick(&[Class::Printer, Class::AccessPoint, Class::Printer, Class::Phone]);
                if let Some(target) = self.one_of(class) {
                    self.datagrams(&a, target, 161, at, 0.2, 900.0, true);
                }
            }
            Habit::Ping => {
                let class = *self.rng.pick(&[Class::AccessPoint, Class::Camera, Class::Printer, Class::Thing]);
                if let Some(target) = self.one_of(class) {
                    self.ping(&a, target, at);
                }
            }
            Habit::TakeMail => self.take_mail(&a, at),
            Habit::Visitor => self.visitor(&a, at),
            Habit::Log => {
                let server = self.world.asset(self.world.server_of(Role::Monitor, own)).ip;
                self.datagrams(&a, server, 514, at, 20.0, 3000.0, false);
            }
        }
    }

    fn server(&mut self, role: Role) -> Asset {
        let all = self.world.role(role);
        *self.world.asset(all[self.rng.skewed(all.len())])
    }

    fn one_of(&mut self, class: Class) -> Option<Ip> {
        let all = self.world.class(class);
        (!all.is_empty()).then(|| self.world.asset(*self.rng.pick(all)).ip)
    }

    /// A conversation of `a` with an address elsewhere.
    fn begins(&mut self, a: &Asset, dst: Ip, port: u16, proto: u8, app: &'static str, at: Time) -> Talk {
        let src_port = if proto == 1 { 0 } else { 49_152 + self.rng.below(16_384) as u16 };
        let router = self.world.buildings[usize::from(a.building)].router_mac;
        let talk = Talk {
            id: 0,
            src: a.ip,
            dst,
            src_port,
            dst_port: port,
            proto,
            vlan: a.vlan,
            macs: [a.mac, router],
            app,
            start: Time::from_micros(at.0 / 1000),
        };
        talk.named()
    }

    /// How far somebody is: a few hundred microseconds inside, tens of milliseconds outside.
    fn away(&mut self, dst: Ip) -> u64 {
        let inside = dst.to_v4().is_some_and(|b| b[0] == 10);
        let median = if inside { 400.0 } else { 14_000.0 };
        (self.rng.long_tailed(median, 1.7) as u64).clamp(80, 900_000) * 1000
    }

    fn connect(&mut self, a: &Asset, dst: Ip, port: u16, app: &'static str, at: Time) -> Opened {
        let talk = self.begins(a, dst, port, 6, app, at);
        let there = self.away(dst);
        self.queue.add(talk.start, &talk, 0, What::Start { stack: stack(a.class), payload: 0 });
        let at = talk.start.plus(there);
        self.queue.add(at, &talk, 1, What::Update { stack: Stack(60, 65_160, LINUX.2), refused: false });
        Opened { talk, seq: 2, at }
    }

    fn add(&mut self, o: &mut Opened, after: u64, what: What) {
        o.at = o.at.plus(after);
        self.queue.add(o.at, &o.talk, o.seq, what);
        o.seq += 1;
    }

    /// Ends a connection some time after its last event, closed by both.
    fn close(&mut self, o: Opened, after: f64, down: f64, transactions: Option<u32>) {
        let last = o.at.plus((self.rng.long_tailed(after, 2.5) * 1e6) as u64 * 1000);
        let down = self.rng.long_tailed(down, 3.0).clamp(200.0, 4e10) as u64;
        let up = 600 + down / 30 + self.rng.below(1500);
        let packets = [6 + down / 2600, 5 + down / 1400];
        let end = End {
            packets: packets.map(|p| p.min(u64::from(u32::MAX)) as u32),
            bytes: [up + packets[0] * 60, down + packets[1] * 60],
            last,
            state: "closed",
            flags: [0x1b, 0x1b],
            tcp: "closed",
            transactions,
        };
        self.queue.add(last.plus(60 * SECOND), &o.talk, o.seq, What::End(end));
    }

    /// A connection in a protocol that the engine does not read.
    fn plain(&mut self, a: &Asset, dst: Ip, port: u16, at: Time, seconds: f64, down: f64) {
        let o = self.connect(a, dst, port, "failed", at);
        self.close(o, seconds, down, None);
    }

    /// Datagrams to and fro, or only there.
    #[allow(clippy::too_many_arguments)]
    fn datagrams(&mut self, a: &Asset, dst: Ip, port: u16, at: Time, seconds: f64, bytes: f64, answered: bool) {
        let talk = self.begins(a, dst, port, 17, "failed", at);
        let stack = stack(a.class);
        let bytes = self.rng.long_tailed(bytes, 2.5).max(90.0) as u64;
        self.queue.add(talk.start, &talk, 0, What::Start { stack, payload: 200 });
        if answered {
            let there = self.away(dst);
            self.queue.add(talk.start.plus(there), &talk, 1, What::Update { stack: Stack(60, 0, b""), refused: false });
        }
        let last = talk.start.plus(1_000_000_000.min((seconds * 1e9) as u64) + (self.rng.long_tailed(seconds, 2.0) * 1e6) as u64 * 1000);
        let packets = 1 + bytes / 700;
        let end = End {
            packets: [packets as u32, if answered { packets as u32 } else { 0 }],
            bytes: [bytes / 2 + 60, if answered { bytes } else { 0 }],
            last,
            state: if answered { "established" } else { "new" },
            flags: [0, 0],
            tcp: "",
            transactions: None,
        };
        self.queue.add(last.plus(if answered { 300 } else { 30 } * SECOND), &talk, 1 + u32::from(answered), What::End(end));
    }

    /// One question to a name server; gives when the answer came.
    fn ask(&mut self, a: &Asset, server: Ip, at: Time, name: u32, answer: Option<(u32, u8)>) -> Time {
        let talk = self.begins(a, server, 53, 17, "dns", at);
        let (id, there) = (self.rng.bits() as u16, self.away(server));
        let ttl = *self.rng.pick(&[60, 300, 300, 3600]);
        self.queue.add(talk.start, &talk, 0, What::Start { stack: stack(a.class), payload: 40 });
        self.queue.add(talk.start, &talk, 1, What::Dns { name, id, kind: "request", answer, ttl });
        let back = talk.start.plus(there);
        self.queue.add(back, &talk, 2, What::Update { stack: Stack(64, 0, b""), refused: false });
        self.queue.add(back, &talk, 3, What::Dns { name, id, kind: "response", answer, ttl });
        let length = self.world.name(name).len() as u64;
        let end = End {
            packets: [1, 1],
            bytes: [60 + length, 76 + length + 16 * answer.map_or(4, |a| u64::from(a.1))],
            last: back,
            state: "established",
            flags: [0, 0],
            tcp: "",
            transactions: Some(2),
        };
        self.queue.add(back.plus(300 * SECOND), &talk, 4, What::End(end));
        back.plus(self.rng.between(200, 3000) * 1000)
    }

    /// Asks the building's name server.
    fn resolve(&mut self, a: &Asset, at: Time, name: u32, answer: Option<(u32, u8)>) -> Time {
        let server = self.world.asset(self.world.server_of(Role::Domain, u64::from(a.building))).ip;
        self.ask(a, server, at, name, answer)
    }

    /// A TLS session.
    #[allow(clippy::too_many_arguments)]
    fn session(&mut self, a: &Asset, dst: Ip, port: u16, at: Time, name: u32, old: bool, down: f64) {
        let mut o = self.connect(a, dst, port, "tls", at);
        let profile = (mix(u64::from(a.name)) % 6) as u8 + 6 * u8::from(!matches!(a.class, Class::Pc));
        let there = self.away(dst);
        let resumed = self.rng.chance(0.4);
        self.add(&mut o, there, What::Tls { name, profile, old, resumed });
        self.close(o, 8.0, down, Some(1));
    }

    fn visit(&mut self, a: &Asset, at: Time) {
        let first = self.rng.skewed(self.world.sites.len());
        let mut at = at;
        for n in 0..1 + self.rng.below(3) as usize {
            let site = self.world.sites[(first + n) % self.world.sites.len()];
            if self.rng.chance(0.75) {
                // A name that nobody has is mistyped now and then.
                let known = !self.rng.chance(0.02);
                at = self.resolve(a, at, site.name, known.then_some((site.ip, site.addresses)));
                if !known {
                    return;
                }
            }
            let dst = v4(site.ip + self.rng.below(u64::from(site.addresses)) as u32);
            self.session(a, dst, 443, at, site.name, site.old, 30_000.0);
            at = at.plus(self.rng.between(5, 400) * MILLISECOND);
        }
    }

    fn update(&mut self, a: &Asset, at: Time) {
        let server = *self.world.asset(self.world.server_of(Role::Updates, u64::from(a.building)));
        let path = (mix(self.now.0 / DAY) % 40) as u32 * 50 + self.rng.skewed(50) as u32;
        let length = 40_000 + mix(u64::from(path)) % 30_000_000;
        let agent = 2 + self.rng.below(2) as u8;
        let mut o = self.connect(a, server.ip, 80, "http", at);
        let (there, whole) = (self.away(server.ip), length / 12);
        self.add(&mut o, there, What::Agent { agent });
        self.add(&mut o, whole / 1000 * 1000, What::Http { name: server.name, path, agent, status: 200, length });
        self.add(&mut o, 0, What::File { name: server.name, path, agent, length });
        self.close(o, 5.0, length as f64, Some(1));
    }

    fn clock(&mut self, a: &Asset, at: Time) {
        let server = self.world.asset(self.world.server_of(Role::Domain, u64::from(a.building))).ip;
        let talk = Talk { src_port: 123, ..self.begins(a, server, 123, 17, "ntp", at) }.named();
        let there = self.away(server);
        let back = talk.start.plus(there);
        self.queue.add(talk.start, &talk, 0, What::Start { stack: stack(a.class), payload: 48 });
        self.queue.add(talk.start, &talk, 1, What::Ntp { answer: false });
        self.queue.add(back, &talk, 2, What::Update { stack: Stack(64, 0, b""), refused: false });
        self.queue.add(back, &talk, 3, What::Ntp { answer: true });
        let end = End { packets: [1, 1], bytes: [90, 90], last: back, state: "established", flags: [0, 0], tcp: "", transactions: Some(2) };
        self.queue.add(back.plus(300 * SECOND), &talk, 4, What::End(end));
    }

    /// Looks by multicast for printers and screens.
    fn look(&mut self, a: &Asset, at: Time) {
        let group = Mac([0x01, 0x00, 0x5e, 0, 0, 0xfb]);
        let talk = Talk { src_port: 5353, ..self.begins(a, Ip::v4([224, 0, 0, 251]), 5353, 17, "mdns", at) };
        let talk = Talk { macs: [a.mac, group], ..talk }.named();
        self.queue.add(talk.start, &talk, 0, What::Start { stack: Stack(255, 0, b""), payload: 60 });
        let service = self.rng.below(4) as u8;
        self.queue.add(talk.start, &talk, 1, What::Mdns { service });
        let end = End { packets: [1, 0], bytes: [110, 0], last: talk.start, state: "new", flags: [0, 0], tcp: "", transactions: Some(1) };
        self.queue.add(talk.start.plus(30 * SECOND), &talk, 2, What::End(end));
    }

    fn ping(&mut self, a: &Asset, target: Ip, at: Time) {
        let talk = self.begins(a, target, 0, 1, "", at);
        let back = talk.start.plus(self.away(target));
        self.queue.add(talk.start, &talk, 0, What::Start { stack: LINUX, payload: 60 });
        self.queue.add(back, &talk, 1, What::Update { stack: Stack(64, 0, b""), refused: false });
        let end = End { packets: [1, 1], bytes: [98, 98], last: back, state: "established", flags: [0, 0], tcp: "", transactions: Some(1) };
        self.queue.add(back.plus(300 * SECOND), &talk, 2, What::Ping { id: self.rng.bits() as u16 });
        self.queue.add(back.plus(300 * SECOND), &talk, 3, What::End(end));
    }

    fn take_mail(&mut self, server: &Asset, at: Time) {
        let from = self.rng.skewed(self.world.sites.len()) as u32;
        let sender = self.outside(v4(self.world.sites[from as usize].ip + 9));
        let mut o = self.connect(&sender, server.ip, 25, "smtp", at);
        let size = self.rng.long_tailed(40_000.0, 3.0) as u64;
        let to = self.rng.bits() as u32;
        self.add(&mut o, 400 * MILLISECOND, What::Mail { from, to, size });
        self.close(o, 0.5, 900.0, Some(1));
    }

    fn visitor(&mut self, server: &Asset, at: Time) {
        let ip = v4(0xc613_0000 + self.rng.skewed(60_000) as u32);
        let visitor = self.outside(ip);
        self.session(&visitor, server.ip, 443, at, server.name, false, 60_000.0);
    }

    /// Somebody of the internet, as the servers' network sees them.
    fn outside(&self, ip: Ip) -> Asset {
        let room = self.world.buildings.len() as u16 - 1;
        let router = self.world.buildings[usize::from(room)].router_mac;
        Asset { ip, mac: router, vlan: 99, building: room, class: Class::Mobile, name: number(ip) }
    }

    /// Somebody comes to work: an address, the router, the directory.
    fn arrive(&mut self, asset: u32) {
        let a = *self.world.asset(asset);
        let building = self.world.buildings[usize::from(a.building)];
        let at = Time::from_micros(self.now.0 / 1000 + self.rng.below(SLOT / 1000));
        let broadcast = Mac([0xff; 6]);
        let talk = Talk {
            id: 0,
            src: Ip::v4([0; 4]),
            dst: Ip::v4([255; 4]),
            src_port: 68,
            dst_port: 67,
            proto: 17,
            vlan: a.vlan,
            macs: [a.mac, broadcast],
            app: "dhcp",
            start: at,
        };
        let talk = talk.named();
        let id = self.rng.bits() as u32;
        let stack = stack(a.class);
        self.queue.add(at, &talk, 0, What::Start { stack, payload: 300 });
        self.queue.add(at, &talk, 1, What::Dhcp { asset, kind: "request", id });
        for (seq, key) in [(2, "hostname"), (3, "dhcp_fingerprint"), (4, "dhcp_vendor_class")] {
            self.queue.add(at, &talk, seq, What::Lease { asset, key });
        }
        let end = End { packets: [1, 0], bytes: [342, 0], last: at, state: "new", flags: [0, 0], tcp: "", transactions: Some(1) };
        self.queue.add(at.plus(30 * SECOND), &talk, 5, What::End(end));
        let back = at.plus(self.rng.between(1, 9) * MILLISECOND);
        // The relay answers from a port that serves to one that asks: a flow of its own.
        let reply =
            Talk { src: building.router, dst: a.ip, src_port: 67, dst_port: 68, macs: [building.router_mac, a.mac], start: back, ..talk };
        let reply = reply.named();
        self.queue.add(back, &reply, 0, What::Start { stack: Stack(255, 0, b""), payload: 300 });
        // Told from the client's side, as a conversation of it.
        let asked = Talk { src: reply.dst, dst: reply.src, src_port: 68, dst_port: 67, ..reply };
        self.queue.add(back, &asked, 1, What::Dhcp { asset, kind: "ack", id });
        self.queue.add(back, &asked, 2, What::Lease { asset, key: "lease" });
        let end = End { packets: [1, 0], bytes: [342, 0], last: back, state: "new", flags: [0, 0], tcp: "", transactions: Some(1) };
        self.queue.add(back.plus(30 * SECOND), &reply, 3, What::End(end));
        let link = Talk { id: 0, ..talk };
        let (own, router) = ([a.mac, building.router_mac], [a.ip, building.router]);
        let at = back.plus(20 * MILLISECOND);
        self.queue.add(at, &link, asset, What::Arp { reply: false, macs: own, ips: router });
        let (own, router) = ([own[1], own[0]], [router[1], router[0]]);
        self.queue.add(at.plus(MILLISECOND), &link, asset, What::Arp { reply: true, macs: own, ips: router });
        for (n, habit) in [Habit::Clock, Habit::Directory, Habit::Directory, Habit::Files, Habit::ReadMail].into_iter().enumerate() {
            self.talk(asset, habit, at.plus((n as u64 + 1) * 900 * MILLISECOND));
        }
    }

    /// Backups of every server between one and four, and the administrators' work by day.
    fn night(&mut self, minute: u32) {
        let servers = self.world.role(Role::Files).iter().chain(self.world.role(Role::Database)).chain(self.world.role(Role::Web));
        let due: Vec<u32> = servers.copied().filter(|s| 60 + (mix(u64::from(*s)) % 180) as u32 == minute).collect();
        for s in due {
            let (a, at) = (*self.world.asset(s), self.now.plus(mix(u64::from(s)) % 50 * SECOND));
            let store = self.world.asset(self.world.server_of(Role::Backup, u64::from(s))).ip;
            self.plain(&a, store, 10_006, at, 900.0, 2_000_000.0);
        }
        if (480..1080).contains(&minute) && minute.is_multiple_of(20) && weekday(self.now) < 5 {
            let admins = self.world.class(Class::Pc);
            let admin = *self.world.asset(admins[(mix(u64::from(minute % 120)) % admins.len() as u64) as usize]);
            let role = *self.rng.pick(&[Role::Web, Role::Database, Role::Monitor]);
            let server = self.server(role);
            let mut o = self.connect(&admin, server.ip, 22, "ssh", self.now.plus(7 * SECOND));
            self.add(&mut o, 4 * MILLISECOND, What::Banner { server: false });
            self.add(&mut o, MILLISECOND, What::Banner { server: true });
            self.add(&mut o, 9 * MILLISECOND, What::Ssh { client: 0 });
            self.add(&mut o, 700 * MILLISECOND, What::Login);
            self.close(o, 900.0, 60_000.0, Some(1));
        }
    }
}

fn number(ip: Ip) -> u32 {
    ip.to_v4().map_or(0, u32::from_be_bytes)
}

fn stack(class: Class) -> Stack {
    match class {
        Class::Pc => WINDOWS,
        Class::Mac | Class::Mobile => APPLE,
        Class::Server(_) => LINUX,
        _ => SMALL,
    }
}
