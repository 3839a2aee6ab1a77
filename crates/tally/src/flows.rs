//! Sums over flows.

use crate::{Fold, NONE, Rows, Words};
use std::collections::BTreeMap;
use std::sync::Arc;
use vigie_base::hash::{FastMap, table_state};
use vigie_base::{Ip, NetSet};

/// Flows and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Flows.
    pub flows: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.flows += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Both.
    pub fn join(&mut self, other: Sum) {
        self.flows += other.flows;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Pairs that are summed up at most; further ones are left out, and it is said.
const PAIRS_MAX: usize = 2_000_000;

/// Between which addresses, by which protocol, how much.
#[derive(Default)]
pub struct Pairs {
    ips: Words,
    apps: Words,
    sums: Option<FastMap<(u32, u32, u32), Sum>>,
    /// Only of this protocol.
    only: Option<String>,
    /// Only from or to these.
    ends: Option<Arc<Vec<String>>>,
    /// Whether pairs were left out.
    pub partial: bool,
}

/// What a pair is: caller, called, protocol.
pub type Pair<'p> = (&'p str, &'p str, &'p str);

impl Pairs {
    /// The columns that it needs.
    pub const COLUMNS: [&str; 5] = ["src_ip", "dest_ip", "app_proto", "bytes_toserver", "bytes_toclient"];

    /// Of one protocol only, and from or to some addresses only, where that is asked for.
    pub fn new(only: Option<String>, ends: Option<Arc<Vec<String>>>) -> Self {
        Pairs { only, ends, ..Pairs::default() }
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.sums.as_ref().map_or(0, FastMap::len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// At most so many pairs, those that move most first.
    pub fn ordered(&self, max: usize) -> Vec<(Pair<'_>, Sum)> {
        let words = |k: &(u32, u32, u32)| (self.ips.word(k.0), self.ips.word(k.1), self.apps.word(k.2));
        let mut all: Vec<_> = self.sums.iter().flatten().map(|(k, sum)| (words(k), *sum)).collect();
        let order = |a: &(Pair<'_>, Sum), b: &(Pair<'_>, Sum)| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0));
        if all.len() > max && max > 0 {
            all.select_nth_unstable_by(max - 1, order);
            all.truncate(max);
        }
        all.sort_unstable_by(order);
        all
    }

    fn entry(&mut self, key: (u32, u32, u32)) -> Option<&mut Sum> {
        let sums = self.sums.get_or_insert_with(|| FastMap::with_hasher(table_state(0)));
        if sums.len() >= PAIRS_MAX && !sums.contains_key(&key) {
            self.partial = true;
            return None;
        }
        Some(sums.entry(key).or_default())
    }
}

impl Fold for Pairs {
    fn rows(&mut self, rows: &Rows) {
        let mut ips = std::mem::take(&mut self.ips);
        let mut apps = std::mem::take(&mut self.apps);
        let wanted = self.only.as_ref().map(|only| apps.number(only));
        // Numbers of words that are asked for are known before those of the rows.
        let ends: Option<Vec<u32>> = self.ends.as_ref().map(|e| e.iter().map(|ip| ips.number(ip)).collect());
        let src: Vec<u32> = ips.column(rows, 0);
        let dst: Vec<u32> = ips.column(rows, 1);
        let (up, down) = (rows.numbers(3), rows.numbers(4));
        for (i, app) in apps.column(rows, 2).into_iter().enumerate() {
            let is_asked = wanted.is_none_or(|w| w == app) && ends.as_ref().is_none_or(|e| e.contains(&src[i]) || e.contains(&dst[i]));
            if is_asked && let Some(sum) = self.entry((src[i], dst[i], app)) {
                sum.add(up[i].saturating_add(down[i]));
            }
        }
        (self.ips, self.apps) = (ips, apps);
    }

    fn join(&mut self, other: Self) {
        self.partial |= other.partial;
        if self.sums.is_none() {
            (self.ips, self.apps, self.sums) = (other.ips, other.apps, other.sums);
            return;
        }
        let (ips, apps) = (self.ips.of(&other.ips), self.apps.of(&other.apps));
        let mine = |table: &[u32], n: u32| table.get(n as usize).copied().unwrap_or(NONE);
        for (k, sum) in other.sums.iter().flatten() {
            if let Some(s) = self.entry((mine(&ips, k.0), mine(&ips, k.1), mine(&apps, k.2))) {
                s.join(*sum);
            }
        }
    }
}

/// When how much, by protocol, from or to some addresses.
pub struct Activity {
    step: u64,
    first: u64,
    ends: Arc<Vec<String>>,
    ips: Words,
    apps: Words,
    sums: BTreeMap<(u32, usize), Sum>,
}

impl Activity {
    /// The columns that it needs.
    pub const COLUMNS: [&str; 6] = ["ts", "src_ip", "dest_ip", "app_proto", "bytes_toserver", "bytes_toclient"];

    /// In bars of `step` seconds, the first of which begins at `first` steps since 1970, from or to `ends`.
    pub fn new(step: u64, first: u64, ends: Arc<Vec<String>>) -> Self {
        Activity { step, first, ends, ips: Words::default(), apps: Words::default(), sums: BTreeMap::new() }
    }

    /// Protocol, place of the bar, how much.
    pub fn each(&self) -> impl Iterator<Item = (&str, usize, Sum)> {
        self.sums.iter().map(|((app, bar), sum)| (self.apps.word(*app), *bar, *sum))
    }
}

impl Fold for Activity {
    fn rows(&mut self, rows: &Rows) {
        let own = Arc::clone(&self.ends);
        let ends: Vec<u32> = own.iter().map(|ip| self.ips.number(ip)).collect();
        let is_end: Vec<bool> = self.ips.column(rows, 1).into_iter().map(|n| ends.contains(&n)).collect();
        let other: Vec<bool> = self.ips.column(rows, 2).into_iter().map(|n| ends.contains(&n)).collect();
        let (ts, up, down) = (rows.numbers(0), rows.numbers(4), rows.numbers(5));
        for (i, app) in self.apps.column(rows, 3).into_iter().enumerate() {
            if is_end[i] || other[i] {
                let bar = (ts[i] / 1_000_000 / self.step).saturating_sub(self.first) as usize;
                self.sums.entry((app, bar)).or_default().add(up[i].saturating_add(down[i]));
            }
        }
    }

    fn join(&mut self, other: Self) {
        for ((app, bar), sum) in &other.sums {
            let app = if *app == NONE { NONE } else { self.apps.number(other.apps.word(*app)) };
            self.sums.entry((app, *bar)).or_default().join(*sum);
        }
    }
}

/// What Situation tells of the traffic.
pub struct Traffic {
    step: u64,
    first: u64,
    home: Arc<NetSet>,
    ips: Words,
    /// For each address whether it is the site's own.
    inside: Vec<bool>,
    apps: Words,
    protos: Words,
    /// By bar, for flows inside, outbound, inbound, outside.
    pub bars: Vec<[Sum; 4]>,
    by_app: BTreeMap<u32, Sum>,
    /// All of it.
    pub all: Sum,
    /// What is not seen into: see [`BLIND`].
    pub blind: [Sum; 3],
}

/// The names of [`Traffic::bars`], in order.
pub const SIDES: [&str; 4] = ["inside", "outbound", "inbound", "outside"];
/// The names of [`Traffic::blind`], in order.
pub const BLIND: [&str; 3] = ["encrypted", "unknown", "one_way"];

/// A flow of an unknown protocol carries data where its frames are longer than headers and handshakes alone are.
const BARE_FRAME: u64 = 90;

impl Traffic {
    /// The columns that it needs.
    pub const COLUMNS: [&str; 9] =
        ["ts", "src_ip", "dest_ip", "app_proto", "proto", "bytes_toserver", "bytes_toclient", "pkts_toserver", "pkts_toclient"];

    /// In so many bars of `step` seconds, the first of which begins at `first` steps since 1970.
    pub fn new(step: u64, first: u64, bars: usize, home: Arc<NetSet>) -> Self {
        Traffic {
            step,
            first,
            home,
            ips: Words::default(),
            inside: Vec::new(),
            apps: Words::default(),
            protos: Words::default(),
            bars: vec![[Sum::default(); 4]; bars],
            by_app: BTreeMap::new(),
            all: Sum::default(),
            blind: [Sum::default(); 3],
        }
    }

    /// Protocols, those that move most first; empty for flows of none.
    pub fn protocols(&self) -> Vec<(&str, Sum)> {
        let mut all: Vec<_> = self.by_app.iter().map(|(n, sum)| (self.apps.word(*n), *sum)).collect();
        all.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(b.0)));
        all
    }

    fn insides(&mut self, rows: &Rows, at: usize) -> Vec<bool> {
        let numbers: Vec<u32> = self.ips.column(rows, at);
        while self.inside.len() < self.ips.len() {
            let ip = self.ips.word(self.inside.len() as u32).parse::<Ip>();
            self.inside.push(ip.is_ok_and(|ip| self.home.contains(ip)));
        }
        numbers.into_iter().map(|n| self.inside.get(n as usize).copied().unwrap_or(false)).collect()
    }
}

impl Fold for Traffic {
    fn rows(&mut self, rows: &Rows) {
        let (src, dst) = (self.insides(rows, 1), self.insides(rows, 2));
        let encrypted = ["tls", "ssh", "quic"].map(|app| self.apps.number(app));
        let failed = self.apps.number("failed");
        let [tcp, udp] = ["TCP", "UDP"].map(|proto| self.protos.number(proto));
        let protos: Vec<u32> = self.protos.column(rows, 4);
        let (ts, up, down, pkts_up, pkts_down) = (rows.numbers(0), rows.numbers(5), rows.numbers(6), rows.numbers(7), rows.numbers(8));
        let mut by_app: Vec<(u32, Sum)> = Vec::new();
        for (i, app) in self.apps.column(rows, 3).into_iter().enumerate() {
            let bytes = up[i].saturating_add(down[i]);
            self.all.add(bytes);
            match by_app.iter_mut().find(|(a, _)| *a == app) {
                Some((_, sum)) => sum.add(bytes),
                None => by_app.push((app, Sum { flows: 1, bytes })),
            }
            let side = match (src[i], dst[i]) {
                (true, true) => 0,
                (true, false) => 1,
                (false, true) => 2,
                (false, false) => 3,
            };
            let bar = (ts[i] / 1_000_000 / self.step).saturating_sub(self.first) as usize;
            if let Some(bar) = self.bars.get_mut(bar) {
                bar[side].add(bytes);
            }
            let no_protocol = (app == NONE || app == failed) && (protos[i] == tcp || protos[i] == udp);
            if encrypted.contains(&app) {
                self.blind[0].add(bytes);
            } else if no_protocol && bytes > BARE_FRAME.saturating_mul(pkts_up[i].saturating_add(pkts_down[i])) {
                self.blind[1].add(bytes);
            }
            if protos[i] == tcp && pkts_down[i] == 0 {
                self.blind[2].add(bytes);
            }
        }
        for (app, sum) in by_app {
            self.by_app.entry(app).or_default().join(sum);
        }
    }

    fn join(&mut self, other: Self) {
        self.all.join(other.all);
        self.blind.iter_mut().zip(other.blind).for_each(|(a, b)| a.join(b));
        for (mine, theirs) in self.bars.iter_mut().zip(other.bars) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| a.join(b));
        }
        for (app, sum) in other.by_app {
            let app = if app == NONE { NONE } else { self.apps.number(other.apps.word(app)) };
            self.by_app.entry(app).or_default().join(sum);
        }
    }
}
