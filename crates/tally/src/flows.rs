//! Sums over flows.

use crate::kept::{Get, Put};
use crate::{Fold, NONE, Only, Rows, Words};
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

/// Where addresses stand.
const ENDS: [&str; 2] = ["src_ip", "dest_ip"];

/// Pairs that are summed up at most; further ones are left out, and it is said.
const PAIRS_MAX: usize = 2_000_000;

/// Between which addresses, by which protocol, how much.
#[derive(Default)]
pub struct Pairs {
    ips: Words,
    apps: Words,
    sums: Option<FastMap<(u32, u32, u32), Sum>>,
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

    /// From or to some addresses only, where that is asked for.
    pub fn new(ends: Option<Arc<Vec<String>>>) -> Self {
        Pairs { ends, ..Pairs::default() }
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
        // Numbers of words that are asked for are known before those of the rows.
        let ends: Option<Vec<u32>> = self.ends.as_ref().map(|e| e.iter().map(|ip| ips.number(ip)).collect());
        let src: Vec<u32> = ips.column(rows, 0);
        let dst: Vec<u32> = ips.column(rows, 1);
        let (up, down) = (rows.numbers(3), rows.numbers(4));
        for (i, app) in apps.column(rows, 2).into_iter().enumerate() {
            let is_asked = ends.as_ref().is_none_or(|e| e.contains(&src[i]) || e.contains(&dst[i]));
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

    fn only(&self) -> Option<Only> {
        self.ends.as_ref().map(|ends| Only::new(&ENDS, Arc::clone(ends)))
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

    fn only(&self) -> Option<Only> {
        Some(Only::new(&ENDS, Arc::clone(&self.ends)))
    }
}

/// What Situation tells of the traffic.
pub struct Traffic {
    step: u64,
    first: u64,
    bars: usize,
    /// Seconds of what is summed up, whatever the bars: so that the sums of a file serve many.
    fine: u64,
    home: Arc<NetSet>,
    ips: Words,
    /// For each address whether it is the site's own.
    inside: Vec<bool>,
    apps: Words,
    protos: Words,
    /// By `fine` since 1970, for flows inside, outbound, inbound, outside.
    sides: BTreeMap<u64, [Sum; 4]>,
    by_app: BTreeMap<u32, Sum>,
    /// All of it.
    pub all: Sum,
    /// What is not seen into: see [`BLIND`].
    pub blind: [Sum; 3],
}

/// The names of what [`Traffic::bars`] gives, in order.
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
        // Of steps that people count in, one that divides it.
        let fine = [86_400, 1800].into_iter().find(|fine| step > *fine && step.is_multiple_of(*fine)).unwrap_or(step);
        Traffic {
            step,
            first,
            bars,
            fine,
            home,
            ips: Words::default(),
            inside: Vec::new(),
            apps: Words::default(),
            protos: Words::default(),
            sides: BTreeMap::new(),
            by_app: BTreeMap::new(),
            all: Sum::default(),
            blind: [Sum::default(); 3],
        }
    }

    /// For each bar flows inside, outbound, inbound, outside.
    pub fn bars(&self) -> Vec<[Sum; 4]> {
        let mut bars = vec![[Sum::default(); 4]; self.bars];
        for (fine, sides) in &self.sides {
            let bar = (fine * self.fine / self.step).checked_sub(self.first).and_then(|bar| bars.get_mut(bar as usize));
            bar.into_iter().flatten().zip(sides).for_each(|(bar, sum)| bar.join(*sum));
        }
        bars
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
        let (mut fine, mut sides) = (u64::MAX, [Sum::default(); 4]);
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
            // Rows stand in the order of time.
            let now = ts[i] / 1_000_000 / self.fine;
            if now != fine {
                add_sides(&mut self.sides, fine, &sides);
                (fine, sides) = (now, [Sum::default(); 4]);
            }
            sides[side].add(bytes);
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
        add_sides(&mut self.sides, fine, &sides);
        for (app, sum) in by_app {
            self.by_app.entry(app).or_default().join(sum);
        }
    }

    fn join(&mut self, other: Self) {
        self.all.join(other.all);
        self.blind.iter_mut().zip(other.blind).for_each(|(a, b)| a.join(b));
        for (fine, sides) in &other.sides {
            add_sides(&mut self.sides, *fine, sides);
        }
        for (app, sum) in other.by_app {
            let app = if app == NONE { NONE } else { self.apps.number(other.apps.word(app)) };
            self.by_app.entry(app).or_default().join(sum);
        }
    }

    fn name(&self) -> Option<String> {
        Some(format!("traffic {} {}", self.fine, self.home.text()))
    }

    fn keep(&self) -> Option<Vec<u8>> {
        let mut out = Put::default();
        [self.all].iter().chain(&self.blind).for_each(|s| put_sum(&mut out, *s));
        out.number(self.by_app.len() as u64);
        for (app, sum) in &self.by_app {
            put_word(&mut out, &self.apps, *app);
            put_sum(&mut out, *sum);
        }
        for (fine, sides) in &self.sides {
            out.number(*fine);
            sides.iter().for_each(|s| put_sum(&mut out, *s));
        }
        Some(out.0)
    }

    fn take(&mut self, kept: &[u8]) -> Option<()> {
        let mut kept = Get(kept);
        for sum in [&mut self.all].into_iter().chain(&mut self.blind) {
            sum.join(get_sum(&mut kept)?);
        }
        for _ in 0..kept.number()? {
            let app = get_word(&mut kept, &mut self.apps)?;
            self.by_app.entry(app).or_default().join(get_sum(&mut kept)?);
        }
        while !kept.0.is_empty() {
            let fine = kept.number()?;
            let mut sides = [Sum::default(); 4];
            for sum in &mut sides {
                *sum = get_sum(&mut kept)?;
            }
            add_sides(&mut self.sides, fine, &sides);
        }
        Some(())
    }
}

fn add_sides(all: &mut BTreeMap<u64, [Sum; 4]>, fine: u64, sides: &[Sum; 4]) {
    if sides.iter().any(|s| s.flows > 0) {
        all.entry(fine).or_default().iter_mut().zip(sides).for_each(|(a, b)| a.join(*b));
    }
}

fn put_sum(out: &mut Put, sum: Sum) {
    out.number(sum.flows);
    out.number(sum.bytes);
}

fn get_sum(kept: &mut Get<'_>) -> Option<Sum> {
    Some(Sum { flows: kept.number()?, bytes: kept.number()? })
}

/// A word, which may be none.
fn put_word(out: &mut Put, words: &Words, n: u32) {
    out.number(u64::from(n != NONE));
    if n != NONE {
        out.bytes(words.word(n).as_bytes());
    }
}

fn get_word(kept: &mut Get<'_>, words: &mut Words) -> Option<u32> {
    Some(if kept.number()? == 0 { NONE } else { words.number(kept.text()?) })
}

/// What addresses are seen as: a name that says how, and the name of an address's group.
#[derive(Clone)]
pub struct Naming {
    /// Two namings that give other groups have other names.
    pub name: String,
    /// The group of an address.
    pub of: Arc<dyn Fn(Ip) -> String + Send + Sync>,
}

/// Between which groups of addresses, by which protocol, how much.
pub struct Between {
    naming: Naming,
    /// Only of this protocol.
    only: Option<String>,
    ips: Words,
    /// For each address its group; [`NONE`] where it is no address.
    group: Vec<u32>,
    /// For each address whether it took part.
    met: Vec<bool>,
    groups: Words,
    apps: Words,
    sums: FastMap<(u32, u32, u32), Sum>,
    /// Those of other folds that took part, and their groups.
    members: FastMap<Ip, u32>,
    /// Whether groups were left out.
    pub partial: bool,
}

impl Between {
    /// The columns that it needs.
    pub const COLUMNS: [&str; 5] = Pairs::COLUMNS;

    /// Of one protocol only, where that is asked for.
    pub fn new(naming: Naming, only: Option<String>) -> Self {
        Between {
            naming,
            only,
            ips: Words::default(),
            group: Vec::new(),
            met: Vec::new(),
            groups: Words::default(),
            apps: Words::default(),
            sums: FastMap::with_hasher(table_state(0)),
            members: FastMap::with_hasher(table_state(0)),
            partial: false,
        }
    }

    /// Caller's group, called one's, protocol, how much.
    pub fn each(&self) -> impl Iterator<Item = (Pair<'_>, Sum)> {
        self.sums.iter().map(|(k, sum)| ((self.groups.word(k.0), self.groups.word(k.1), self.apps.word(k.2)), *sum))
    }

    /// How many addresses of each group took part.
    pub fn members(&self) -> BTreeMap<String, u64> {
        let mut all: FastMap<Ip, u32> = self.members.clone();
        all.extend(self.own_members());
        let mut out = BTreeMap::new();
        for group in all.values() {
            *out.entry(*group).or_default() += 1;
        }
        out.into_iter().map(|(group, n)| (self.groups.word(group).to_owned(), n)).collect()
    }

    fn own_members(&self) -> impl Iterator<Item = (Ip, u32)> {
        let met = self.met.iter().enumerate().filter(|(_, met)| **met);
        met.filter_map(|(n, _)| Some((self.ips.word(n as u32).parse().ok()?, self.group[n])))
    }

    /// For each row the address's number.
    fn ends(&mut self, rows: &Rows, at: usize) -> Vec<u32> {
        let numbers = self.ips.column(rows, at);
        while self.group.len() < self.ips.len() {
            let ip = self.ips.word(self.group.len() as u32).parse::<Ip>();
            self.group.push(ip.map_or(NONE, |ip| self.groups.number(&(self.naming.of)(ip))));
            self.met.push(false);
        }
        numbers
    }

    fn add(&mut self, key: (u32, u32, u32), sum: Sum) {
        if self.sums.len() >= PAIRS_MAX && !self.sums.contains_key(&key) {
            self.partial = true;
        } else {
            self.sums.entry(key).or_default().join(sum);
        }
    }
}

impl Fold for Between {
    fn rows(&mut self, rows: &Rows) {
        let wanted = self.only.as_ref().map(|only| self.apps.number(only));
        let (src, dst) = (self.ends(rows, 0), self.ends(rows, 1));
        let (up, down) = (rows.numbers(3), rows.numbers(4));
        for (i, app) in self.apps.column(rows, 2).into_iter().enumerate() {
            let [from, to] = [src[i], dst[i]].map(|n| self.group.get(n as usize).copied().unwrap_or(NONE));
            if from == NONE || to == NONE || wanted.is_some_and(|w| w != app) {
                continue;
            }
            self.met[src[i] as usize] = true;
            self.met[dst[i] as usize] = true;
            self.add((from, to, app), Sum { flows: 1, bytes: up[i].saturating_add(down[i]) });
        }
    }

    fn join(&mut self, other: Self) {
        self.partial |= other.partial;
        let (groups, apps) = (self.groups.of(&other.groups), self.apps.of(&other.apps));
        let mine = |table: &[u32], n: u32| table.get(n as usize).copied().unwrap_or(NONE);
        for (k, sum) in &other.sums {
            self.add((mine(&groups, k.0), mine(&groups, k.1), mine(&apps, k.2)), *sum);
        }
        let theirs = other.members.iter().map(|(ip, group)| (*ip, *group)).chain(other.own_members());
        self.members.extend(theirs.map(|(ip, group)| (ip, mine(&groups, group))));
    }

    fn name(&self) -> Option<String> {
        Some(format!("between {:?} {}", self.only, self.naming.name))
    }

    fn keep(&self) -> Option<Vec<u8>> {
        let mut members: BTreeMap<u32, Vec<Ip>> = BTreeMap::new();
        self.members
            .iter()
            .map(|(ip, group)| (*ip, *group))
            .chain(self.own_members())
            .for_each(|(ip, g)| members.entry(g).or_default().push(ip));
        let count = members.values().map(Vec::len).sum::<usize>() + self.sums.len();
        if self.partial || count > crate::KEPT_MAX * 4 {
            return None;
        }
        let mut out = Put::default();
        for words in [&self.groups, &self.apps] {
            out.number(words.len() as u64);
            (0..words.len()).for_each(|n| out.bytes(words.word(n as u32).as_bytes()));
        }
        out.number(self.sums.len() as u64);
        for ((from, to, app), sum) in &self.sums {
            [*from, *to, app.wrapping_add(1)].into_iter().for_each(|n| out.number(u64::from(n)));
            put_sum(&mut out, *sum);
        }
        for (group, ips) in members {
            out.number(u64::from(group));
            out.number(ips.len() as u64);
            for ip in ips {
                match ip.to_v4() {
                    Some(v4) => out.bytes(&v4),
                    None => out.bytes(&ip.0),
                }
            }
        }
        Some(out.0)
    }

    fn take(&mut self, kept: &[u8]) -> Option<()> {
        let mut kept = Get(kept);
        let (mut groups, mut apps) = (Vec::new(), vec![NONE]);
        for (mine, theirs) in [(&mut self.groups, &mut groups), (&mut self.apps, &mut apps)] {
            for _ in 0..kept.number()? {
                theirs.push(mine.number(kept.text()?));
            }
        }
        for _ in 0..kept.number()? {
            let [from, to, app] = [kept.number()? as usize, kept.number()? as usize, kept.number()? as usize];
            let key = (*groups.get(from)?, *groups.get(to)?, *apps.get(app)?);
            let sum = get_sum(&mut kept)?;
            self.add(key, sum);
        }
        while !kept.0.is_empty() {
            let group = *groups.get(kept.number()? as usize)?;
            for _ in 0..kept.number()? {
                let bytes = kept.bytes()?;
                let ip = match *bytes {
                    [a, b, c, d] => Ip::v4([a, b, c, d]),
                    _ => Ip(bytes.try_into().ok()?),
                };
                self.members.insert(ip, group);
            }
        }
        Some(())
    }
}
