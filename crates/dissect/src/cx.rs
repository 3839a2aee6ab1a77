//! What a parser is given besides its bytes: where to push, who talks to whom, and what the worker shares.

use crate::record::{Anomaly, Fact, Login};
use crate::registry::Proto;
use std::collections::BTreeMap;
use vigie_base::{Budget, Direction, Ip, Mac, Time};
use vigie_event::{Envelope, NO_TX, Out, Record};

/// Settings of all dissection.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether files are hashed.
    pub hashes: bool,
    /// Bytes up to which they get MD5 and SHA-1 beside SHA-256.
    pub old_hashes_max: u64,
    /// Most bytes that one compressed body may give.
    pub inflate_max: u64,
    /// Bytes that all flows of all workers may hold (see `Dissection::held`).
    pub memory_max: u64,
    /// Query parameters whose values are secrets, lower case.
    pub secret_parameters: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let names = [
            "password",
            "passwd",
            "pass",
            "pwd",
            "passphrase",
            "secret",
            "token",
            "access_token",
            "id_token",
            "refresh_token",
            "api_key",
            "apikey",
            "key",
            "auth",
            "authorization",
            "session",
            "sessionid",
            "sid",
            "sig",
            "signature",
            "client_secret",
            "code",
            "otp",
            "pin",
            "mdp",
            "motdepasse",
            "mot_de_passe",
            "log_pass",
            "passw",
            "userpassword",
            "user_password",
            "login_password",
            "j_password",
        ];
        Settings {
            hashes: true,
            old_hashes_max: 8 << 20,
            inflate_max: 4 << 20,
            memory_max: 48 << 20,
            secret_parameters: names.map(str::to_owned).to_vec(),
        }
    }
}

impl Settings {
    /// How a file is hashed: not at all, or with MD5 and SHA-1 up to so many bytes.
    pub(crate) fn hash(&self) -> Option<u64> {
        self.hashes.then_some(self.old_hashes_max)
    }
}

/// A data connection that a control connection announced.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Who will listen.
    pub ip: Ip,
    /// On which port.
    pub port: u16,
    /// What it will carry.
    pub proto: Proto,
    /// The flow that announced it.
    pub parent: u64,
    /// What is asked for (FTP: the command, `RETR`, `STOR`).
    pub command: Vec<u8>,
    /// Of what (FTP: the file's name).
    pub name: Vec<u8>,
    /// When it was announced.
    pub since: Time,
}

crate::held::holds! { Expect: { command, name } }

/// How often something happened in dissection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Flows whose protocol was told.
    pub told: u64,
    /// Flows with payload whose protocol was not told.
    pub unknown: u64,
    /// Flows whose dissection was given up.
    pub given_up: u64,
    /// Flows given up because a parser's buffer was full.
    pub buffer_full: u64,
    /// Announced connections forgotten because the table was full.
    pub expect_full: u64,
    /// Bodies whose decompression hit its cap.
    pub inflate_full: u64,
    /// Flows given up because the worker's memory was used up.
    pub memory_full: u64,
    /// Most bytes that dissections held at once.
    pub held_max: u64,
}

/// The most announced connections at once.
pub(crate) const EXPECT: Budget =
    Budget { name: "dissect.expect", entries_max: 4096, entry_bytes: 256, when_full: "the oldest is forgotten" };
/// Different unknown beginnings that are counted apart.
const UNKNOWN_MAX: usize = 1024;
/// The counts of different unknown beginnings.
const UNKNOWN: Budget = Budget {
    name: "dissect.unknown",
    entries_max: UNKNOWN_MAX as u64,
    entry_bytes: 64,
    when_full: "further beginnings are not told apart",
};

/// What one worker of `workers` holds at most, as `vigie check` sums it.
pub fn budgets(settings: &Settings, workers: u64) -> [Budget; 3] {
    let memory = Budget {
        name: "dissect.memory",
        entries_max: settings.memory_max / workers.max(1),
        entry_bytes: 1,
        when_full: "the flow that wants more is no longer dissected",
    };
    [memory, EXPECT, UNKNOWN]
}

/// How long an announced connection is waited for, in nanoseconds.
const EXPECT_TIME: u64 = 300 * vigie_base::time::SECOND;

/// Flows that no protocol claimed: (transport, server port, first bytes), and how many.
pub type UnknownFlows = ((u8, u16, [u8; 4]), u64);

/// What the flows of one worker share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Settings.
    pub settings: Settings,
    /// Counters.
    pub counters: Counters,
    /// Bytes that decoders of bodies hold, over all flows.
    pub(crate) decoders: std::sync::Arc<std::sync::atomic::AtomicU64>,
    expected: BTreeMap<(Ip, u16), Expect>,
    /// The latest announcement of each parent, to complete it.
    announced_by: BTreeMap<u64, (Ip, u16)>,
    unknown: BTreeMap<(u8, u16, [u8; 4]), u64>,
    /// Bytes that dissections hold, as their owner keeps account.
    held: u64,
    /// A buffer to build text in; whoever takes it leaves it empty.
    pub scratch: Vec<u8>,
}

impl Shared {
    /// With settings.
    pub fn new(settings: Settings) -> Self {
        Shared { settings, ..Shared::default() }
    }

    /// Announces a connection; a later word on the same end, or by the same flow, replaces an earlier one.
    pub fn expect(&mut self, e: Expect) {
        if self.expected.len() as u64 >= EXPECT.entries_max {
            self.expected.retain(|_, x| e.since.since(x.since) < EXPECT_TIME);
            let expected = &self.expected;
            self.announced_by.retain(|_, end| expected.contains_key(end));
        }
        if self.expected.len() as u64 >= EXPECT.entries_max
            && let Some(oldest) = self.expected.iter().min_by_key(|(end, x)| (x.since, **end)).map(|(end, _)| *end)
        {
            self.forget(oldest);
            self.counters.expect_full += 1;
        }
        if let Some(end) = self.announced_by.get(&e.parent).copied() {
            self.forget(end);
        }
        self.forget((e.ip, e.port));
        self.announced_by.insert(e.parent, (e.ip, e.port));
        self.expected.insert((e.ip, e.port), e);
    }

    fn forget(&mut self, end: (Ip, u16)) -> Option<Expect> {
        let e = self.expected.remove(&end)?;
        self.announced_by.remove(&e.parent);
        Some(e)
    }

    /// The announcement that a new connection to `ip`:`port` answers, if any. It stays until it is claimed: what it is to carry may be
    /// said after it is opened (FTP's passive mode).
    pub fn expected(&mut self, ip: Ip, port: u16, now: Time) -> Option<Expect> {
        if self.expected.is_empty() {
            return None;
        }
        self.expected.get(&(ip, port)).filter(|e| now.since(e.since) < EXPECT_TIME).cloned()
    }

    /// Takes the announcement of `ip`:`port`, complete: the connection's first bytes are here.
    pub fn claim(&mut self, ip: Ip, port: u16) -> Option<Expect> {
        self.forget((ip, port))
    }

    /// One dissection held `before` bytes and holds `after` now; false where it grew beyond [`Settings::memory_max`].
    #[inline]
    pub fn account(&mut self, before: usize, after: usize) -> bool {
        self.held = (self.held + after as u64).saturating_sub(before as u64);
        self.counters.held_max = self.counters.held_max.max(self.held);
        after <= before || self.held <= self.settings.memory_max
    }

    /// Bytes that dissections hold now.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Counts a flow that no protocol claimed, by transport, server port and first bytes.
    pub(crate) fn count_unknown(&mut self, proto: u8, port: u16, bytes: &[u8]) {
        self.counters.unknown += 1;
        let mut first = [0; 4];
        let n = bytes.len().min(4);
        first[..n].copy_from_slice(&bytes[..n]);
        if self.unknown.len() < UNKNOWN_MAX || self.unknown.contains_key(&(proto, port, first)) {
            *self.unknown.entry((proto, port, first)).or_default() += 1;
        }
    }

    /// Flows that no protocol claimed: transport, server port, first bytes (zero-filled), and how many.
    pub fn unknown(&self) -> Vec<UnknownFlows> {
        self.unknown.iter().map(|(k, n)| (*k, *n)).collect()
    }

    /// Completes the announcement that `parent` made (a command that follows PASV, PORT, ...).
    pub fn complete(&mut self, parent: u64, command: &[u8], name: &[u8]) {
        if let Some(e) = self.announced_by.get(&parent).and_then(|end| self.expected.get_mut(end)) {
            e.command = command.to_vec();
            e.name = name.to_vec();
        }
    }
}

/// What a parser works with.
pub struct Cx<'a, O: Out> {
    /// Where records go.
    pub out: &'a mut O,
    /// The envelope of this moment: from client to server.
    pub env: Envelope,
    /// Order of the next event of this flow.
    pub seq: &'a mut u32,
    /// What the worker's flows share.
    pub shared: &'a mut Shared,
    /// Client's Ethernet address ([`Mac::ZERO`] where not known).
    pub client_mac: Mac,
    /// Server's Ethernet address.
    pub server_mac: Mac,
}

impl<O: Out> Cx<'_, O> {
    fn next(&mut self) {
        self.env.seq = *self.seq;
        *self.seq += 1;
    }

    /// Lends the worker's buffer to build text in, empty.
    pub(crate) fn with_scratch<R>(&mut self, f: impl FnOnce(&mut Self, &mut Vec<u8>) -> R) -> R {
        let mut scratch = std::mem::take(&mut self.shared.scratch);
        let r = f(self, &mut scratch);
        scratch.clear();
        self.shared.scratch = scratch;
        r
    }

    /// The time of this moment.
    pub fn now(&self) -> Time {
        self.env.ts
    }

    /// Pushes a record from client to server.
    pub fn push<R: Record>(&mut self, tx: u32, record: &R) {
        self.next();
        self.env.tx_id = tx;
        self.out.push(&self.env, record);
        self.env.tx_id = NO_TX;
    }

    /// Pushes a record whose source is the side that sent it.
    pub fn push_from<R: Record>(&mut self, dir: Direction, tx: u32, record: &R) {
        self.next();
        self.env.tx_id = tx;
        match dir {
            Direction::ToServer => self.out.push(&self.env, record),
            Direction::ToClient => self.out.push(&self.env.flipped(), record),
        }
        self.env.tx_id = NO_TX;
    }

    /// Notes something malformed in the protocol at hand.
    pub fn anomaly(&mut self, proto: &'static str, event: &'static str, tx: u32) {
        self.anomaly_from(Direction::ToServer, proto, event, tx);
    }

    /// The same, found with what was sent in `dir`.
    pub fn anomaly_from(&mut self, dir: Direction, proto: &'static str, event: &'static str, tx: u32) {
        self.push_from(dir, tx, &Anomaly { app_proto: Some(proto), kind: "applayer", event, layer: Some("proto_parser") });
    }

    /// Tells of a log-in.
    pub fn login(&mut self, login: &Login<'_>) {
        self.push(NO_TX, login);
    }

    /// The address of the side that sends in `dir`.
    pub fn sender(&self, dir: Direction) -> Ip {
        match dir {
            Direction::ToServer => self.env.src,
            Direction::ToClient => self.env.dst,
        }
    }

    /// Tells something of the side that sends in `dir`.
    pub fn fact(&mut self, dir: Direction, key: &str, value: &[u8], source: &str, confidence: u8) {
        let ip = Some(self.sender(dir));
        self.push(NO_TX, &Fact { ip, mac: None, key, value, source, confidence, hearsay: vigie_event::Flag(false) });
    }
}
