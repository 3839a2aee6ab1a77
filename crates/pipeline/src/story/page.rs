//! The story as lines of a terminal: width, colours and language minded, every foreign byte made safe.

use super::{AssetView, Carried, CaseView, Story, Volume};
use crate::stats::transport;
use crate::words::{Noun, Text, bytes, count, duration, fill, number};
use std::collections::BTreeMap;
use vigie_base::{Time, text};
use vigie_case::Severity;
use vigie_detect::Lang;
use vigie_detect::text::render;

/// How to tell.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Language.
    pub lang: Lang,
    /// Columns of the terminal: 40 or more.
    pub width: usize,
    /// Whether the terminal shows colours.
    pub colour: bool,
    /// Whether to tell all and not the most important.
    pub verbose: bool,
}

impl Default for Style {
    fn default() -> Self {
        Style { lang: Lang::En, width: 80, colour: false, verbose: false }
    }
}

/// Where the text of a labelled line begins.
const INDENT: usize = 10;
// What is told without `Style::verbose`, so that all of it fits a page of some 60 lines.
const CASES: usize = 5;
/// With more cases than these, each is told in short.
const CASES_IN_FULL: usize = 2;
/// Lines of each paragraph of a case.
const CASE_LINES: usize = 2;
const ALERTS: usize = 6;
const REASONS: usize = 4;
const MACHINES: usize = 6;
const NETWORKS: usize = 4;
const PROTOCOLS: usize = 6;
const ADDRESSES: usize = 3;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
const YELLOW: &str = "33";

struct Page {
    style: Style,
    out: String,
}

/// The story in words.
pub fn tell(story: &Story, style: &Style) -> String {
    let mut page = Page { style: Style { width: style.width.clamp(40, 120), ..*style }, out: String::new() };
    page.head(story);
    page.cases(story);
    page.machines(&story.machines);
    page.networks(story);
    page.traffic(story);
    page.busiest(story);
    page.blind(story);
    page.out
}

impl Page {
    fn lang(&self) -> Lang {
        self.style.lang
    }

    fn say(&self, what: Text, with: &[&str]) -> String {
        fill(self.lang(), what, with)
    }

    fn count(&self, n: u64, noun: Noun) -> String {
        count(self.lang(), n, noun)
    }

    /// How many entries of a list of `len` are told.
    fn listed(&self, len: usize, most: usize) -> usize {
        if self.style.verbose { len } else { len.min(most) }
    }

    fn paint(&mut self, colour: &str, words: &str) {
        if self.style.colour && !colour.is_empty() {
            self.out.push_str(&format!("\u{1b}[{colour}m{words}\u{1b}[0m"));
        } else {
            self.out.push_str(words);
        }
    }

    fn heading(&mut self, title: Text) {
        let title = self.say(title, &[]);
        self.out.push('\n');
        self.paint(BOLD, &title);
        self.out.push('\n');
    }

    /// `words` made safe and wrapped, each line behind `indent` spaces; the first behind `label`.
    fn block(&mut self, label: &str, colour: &str, indent: usize, words: &str, lines_max: usize) {
        let room = self.style.width - indent;
        let mut lines = wrap(&text::terminal(words), room);
        if lines.len() > lines_max {
            lines.truncate(lines_max);
            if let Some(last) = lines.last_mut() {
                *last = cut(&format!("{last} …"), room);
                if !last.ends_with('…') {
                    *last = format!("{}…", last.chars().take(room - 1).collect::<String>());
                }
            }
        }
        for (i, line) in lines.iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            // A label as wide as its place leaves a space before the words.
            let label = cut(label, indent.saturating_sub(1));
            self.paint(colour, &label);
            self.out.push_str(&" ".repeat(indent - label.chars().count()));
            self.out.push_str(line);
            self.out.push('\n');
        }
    }

    fn line(&mut self, label: Text, words: &str) {
        let label = self.say(label, &[]);
        self.block(&label, DIM, INDENT, words, usize::MAX);
    }

    /// Columns of a table: the first as wide as fits, the others to the right.
    fn columns(&mut self, first: &str, others: &[String]) {
        const COLUMN: usize = 18;
        let room = self.style.width.min(80) - 2 - COLUMN.min((self.style.width - 12) / others.len().max(1)) * others.len();
        let column = (self.style.width.min(80) - 2 - room) / others.len().max(1);
        let first = cut(&text::terminal(first), room);
        let mut line = format!("  {first}{}", " ".repeat(room - first.chars().count()));
        for other in others {
            let other = cut(other, column - 1);
            line.push_str(&" ".repeat(column - other.chars().count()));
            line.push_str(&other);
        }
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    fn more(&mut self, len: usize, told: usize) {
        if len > told {
            let n = number(self.lang(), (len - told) as u64);
            let words = self.say(Text::Others, &[&n]);
            self.block("", "", 2, &words, 1);
        }
    }

    fn head(&mut self, s: &Story) {
        let lang = self.lang();
        if s.partial {
            let words = self.say(Text::Partial, &[]);
            self.block("", RED, 0, &words, usize::MAX);
        }
        let when = match s.summary.span {
            Some((first, last)) => self.say(Text::Span, &[&clock(first), &clock(last), &duration(lang, last.since(first))]),
            None => self.say(Text::NoTime, &[]),
        };
        self.line(Text::When, &when);
        let read =
            [self.count(s.sources.len() as u64, Noun::File), self.count(s.summary.frames.pkts, Noun::Frame), bytes(lang, s.bytes_read)];
        let read = self.say(Text::ReadLine, &[&read[0], &read[1], &read[2]]);
        self.line(Text::Read, &read);
        let told = self.listed(s.sources.len(), 3);
        let mut names: Vec<String> =
            s.sources[..told].iter().map(|f| format!("{} ({})", f.name, self.count(f.frames, Noun::Frame))).collect();
        if s.sources.len() > told {
            let rest = self.count((s.sources.len() - told) as u64, Noun::File);
            names.push(self.say(Text::AndMore, &[&rest]));
        }
        self.block("", "", INDENT, &names.join(", "), if self.style.verbose { usize::MAX } else { 4 });
        let mut links: Vec<&str> = s.sources.iter().flat_map(|f| f.links.iter().map(String::as_str)).collect();
        links.sort_unstable();
        links.dedup();
        if !links.is_empty() {
            self.line(Text::Links, &links.join(", "));
        }
        let told = s.carried.keys().filter(|c| matches!(c, Carried::Told(_))).count();
        let addresses = s.machines_seen().count();
        let seen =
            [self.count(s.all.flows, Noun::Flow), self.count(addresses as u64, Noun::Address), self.count(told as u64, Noun::Protocol)];
        let seen = self.say(Text::SeenLine, &[&seen[0], &seen[1], &seen[2]]);
        self.line(Text::Seen, &seen);
        let mut kinds: Vec<_> = s.kinds.iter().filter(|(k, _)| !matches!(*k, "flow" | "alert")).collect();
        kinds.sort_by_key(|(k, n)| (std::cmp::Reverse(*n), *k));
        let kinds: Vec<String> = kinds.iter().map(|(k, n)| format!("{} {k}", number(lang, *n))).collect();
        if !kinds.is_empty() {
            self.line(Text::Told, &kinds.join(", "));
        }
        let mut alerts: Vec<_> = s.alerts.iter().collect();
        alerts.sort_by_key(|(name, n)| (std::cmp::Reverse(**n), name.as_str()));
        let alerts: Vec<String> = alerts.iter().map(|(name, n)| format!("{} {name}", number(lang, **n))).collect();
        if !alerts.is_empty() {
            self.line(Text::Alerts, &alerts.join(", "));
        }
        if s.doubts_home() {
            self.out.push('\n');
            let (some, all, home) = (number(lang, s.home_flows), self.count(s.all.flows, Noun::Flow), s.home.text());
            let words =
                if s.home_flows == 0 { self.say(Text::NoneHome, &[&all, home]) } else { self.say(Text::FewHome, &[&some, &all, home]) };
            self.block("!", YELLOW, 2, &words, usize::MAX);
            let nets: Vec<String> = s.proposal().iter().map(ToString::to_string).collect();
            if !nets.is_empty() {
                let words = self.say(Text::Propose, &[]);
                self.block("", "", 2, &words, 2);
                self.block("", "", 4, &format!("--set 'vars.address-groups.HOME_NET=[{}]'", nets.join(",")), usize::MAX);
            }
        }
    }

    fn cases(&mut self, s: &Story) {
        let cases = &s.cases;
        self.heading(Text::Cases);
        if cases.is_empty() {
            let words = self.say(Text::NoCase, &[]);
            self.block("", "", 2, &words, usize::MAX);
        }
        let told = self.listed(cases.len(), CASES);
        // With many cases each is told shorter, so that the page stays one.
        let full = self.style.verbose || cases.len() <= CASES_IN_FULL;
        for case in &cases[..told] {
            self.case(case, full);
        }
        if cases.len() > told {
            let rest = self.count((cases.len() - told) as u64, Noun::Case);
            let words = self.say(Text::AndMore, &[&rest]);
            self.block("", "", 2, &words, 1);
        }
    }

    fn case(&mut self, case: &CaseView, full: bool) {
        let (name, colour) = match Severity::of(case.score) {
            Severity::Critical => (Text::Critical, RED),
            Severity::High => (Text::High, RED),
            Severity::Medium => (Text::Medium, YELLOW),
            Severity::Low => (Text::Low, DIM),
        };
        let label = format!("{} {}", self.say(name, &[]), case.score);
        let indent = 14.min(self.style.width / 3);
        let (lines, reason_lines) = if self.style.verbose { (usize::MAX, usize::MAX) } else { (CASE_LINES, 1) };
        let told = &case.told;
        self.block(&label, colour, indent, &told.title, lines);
        if told.summaries.len() > 1 {
            // Several things of one story: each in a line.
            let label = format!("  {}", self.say(Text::What, &[]));
            let most = self.listed(told.summaries.len(), ALERTS);
            for (i, alert) in told.summaries[..most].iter().enumerate() {
                self.block(if i == 0 { &label } else { "" }, DIM, indent, alert, lines);
            }
        } else if full && !told.story.is_empty() {
            self.block("", "", indent, &told.story, lines);
        }
        let label = format!("  {}", self.say(Text::Because, &[]));
        let most = self.listed(told.reasons.len(), REASONS);
        for (i, r) in told.reasons[..most].iter().enumerate() {
            self.block(if i == 0 { &label } else { "" }, DIM, indent, &format!("+{} {}", r.points, r.text), reason_lines);
        }
        if told.reasons.len() > most {
            let n = number(self.lang(), (told.reasons.len() - most) as u64);
            let words = self.say(Text::Others, &[&n]);
            self.block("", "", indent, &words, 1);
        }
        if !full {
            return;
        }
        if !told.innocent.is_empty() {
            let label = format!("  {}", self.say(Text::Innocent, &[]));
            self.block(&label, DIM, indent, &told.innocent, lines);
        }
        let most = self.listed(told.checks.len(), 1);
        for check in &told.checks[..most] {
            let label = format!("  {}", self.say(Text::Check, &[]));
            self.block(&label, DIM, indent, check, lines);
        }
    }

    fn machines(&mut self, machines: &[AssetView]) {
        if machines.is_empty() {
            return;
        }
        self.heading(Text::Machines);
        let told = self.listed(machines.len(), MACHINES);
        let name_room = (self.style.width / 4).min(24);
        for m in &machines[..told] {
            let name = if m.name.is_empty() { &m.ip } else { &m.name };
            let what: Vec<&str> = m.what.iter().map(String::as_str).filter(|w| !w.is_empty()).collect();
            let what = if m.name.is_empty() { what.join(", ") } else { format!("{} {}", m.ip, what.join(", ")) };
            let name = cut(&text::terminal(name), name_room);
            self.block(&format!("  {name}"), "", name_room + 4, if what.is_empty() { "-" } else { &what }, 1);
        }
        self.more(machines.len(), told);
    }

    fn networks(&mut self, s: &Story) {
        let nets = s.networks();
        if nets.is_empty() {
            return;
        }
        self.heading(Text::Networks);
        let told = self.listed(nets.len(), NETWORKS);
        for (net, n, sum, home) in &nets[..told] {
            let mark = if *home { self.say(Text::HomeMark, &[]) } else { String::new() };
            let columns = [mark, self.count(*n, Noun::Address), self.count(sum.flows, Noun::Flow)];
            self.columns(&net.to_string(), &columns);
        }
        self.more(nets.len(), told);
    }

    fn traffic(&mut self, s: &Story) {
        let mut list: Vec<(Carried, Volume)> = s.carried.iter().map(|(c, sum)| (*c, *sum)).collect();
        if list.is_empty() {
            return;
        }
        list.sort_by_key(|(c, sum)| (std::cmp::Reverse(sum.flows), *c));
        self.heading(Text::Traffic);
        let told = self.listed(list.len(), PROTOCOLS);
        for (carried, sum) in &list[..told] {
            let name = match carried {
                Carried::Told(name) => (*name).to_owned(),
                Carried::Unknown(by) => self.say(Text::Unknown, &[by]),
                Carried::Nothing(by) => self.say(Text::NoData, &[by]),
            };
            let columns = [self.count(sum.flows, Noun::Flow), bytes(self.lang(), sum.bytes)];
            self.columns(&name, &columns);
        }
        self.more(list.len(), told);
    }

    fn busiest(&mut self, s: &Story) {
        let mut list: Vec<_> = s.machines_seen().collect();
        if list.is_empty() {
            return;
        }
        list.sort_by_key(|(ip, seen)| (std::cmp::Reverse(seen.all.bytes), **ip));
        self.heading(Text::Busiest);
        let told = self.listed(list.len(), ADDRESSES).min(50);
        for (ip, seen) in &list[..told] {
            let columns = [self.count(seen.all.flows, Noun::Flow), bytes(self.lang(), seen.all.bytes)];
            self.columns(&ip.to_string(), &columns);
        }
    }

    fn blind(&mut self, s: &Story) {
        self.heading(Text::Blind);
        let lang = self.lang();
        let f = &s.summary.frames;
        let frames = |n| count(lang, n, Noun::Frame);
        let mut lines = Vec::new();
        let caps: Vec<String> = s.caps.iter().map(|(name, n)| format!("{name} {}", number(lang, *n))).collect();
        if !caps.is_empty() {
            lines.push(self.say(Text::BlindCaps, &[&caps.join(", ")]));
        }
        if !s.faults.is_empty() {
            let faults: Vec<String> = s.faults.iter().map(|(fault, figures)| render(fault.words(lang), figures, lang)).collect();
            lines.push(self.say(Text::BlindMirror, &[&faults.join("; ")]));
        }
        for (link, n) in f.link_types.iter().take(self.listed(f.link_types.len(), 4)) {
            lines.push(self.say(Text::BlindLink, &[&frames(*n), &link.to_string()]));
        }
        if f.invalid + f.not_ip > 0 {
            lines.push(self.say(Text::BlindInvalid, &[&frames(f.invalid), &number(lang, f.not_ip)]));
        }
        let unknown: u64 = s.summary.unknown.iter().map(|(_, n)| n).sum();
        if unknown > 0 {
            let mut ports: BTreeMap<(u8, u16), u64> = BTreeMap::new();
            s.summary.unknown.iter().for_each(|((proto, port, _), n)| *ports.entry((*proto, *port)).or_default() += n);
            let mut ports: Vec<_> = ports.into_iter().collect();
            ports.sort_by_key(|(port, n)| (std::cmp::Reverse(*n), *port));
            let told = self.listed(ports.len(), 6);
            let rest = ports.len() - told;
            let mut names: Vec<String> =
                ports[..told].iter().map(|((proto, port), n)| format!("{}/{port} ({})", transport(*proto), number(lang, *n))).collect();
            if rest > 0 {
                names.push(self.say(Text::Others, &[&number(lang, rest as u64)]));
            }
            lines.push(self.say(Text::BlindUnknown, &[&count(lang, unknown, Noun::Flow), &names.join(", ")]));
        }
        let each = [
            (s.gaps.flows, self.say(Text::BlindGaps, &[&count(lang, s.gaps.flows, Noun::Flow), &bytes(lang, s.gaps.bytes)])),
            (s.summary.stream.no_session, { self.say(Text::BlindNoSession, &[&count(lang, s.summary.stream.no_session, Noun::Segment)]) }),
            (f.snapped, self.say(Text::BlindSnap, &[&frames(f.snapped)])),
            (f.fragment, self.say(Text::BlindFragments, &[&frames(f.fragment)])),
            (f.duplicate, self.say(Text::BlindDuplicate, &[&frames(f.duplicate)])),
            (s.lost_before, self.say(Text::BlindLost, &[&frames(s.lost_before)])),
            (f.time_backwards, self.say(Text::BlindBackwards, &[&frames(f.time_backwards)])),
            (s.problems, self.say(Text::BlindProblems, &[&count(lang, s.problems, Noun::Problem)])),
            (s.beyond, self.say(Text::BlindAddresses, &[&count(lang, s.beyond, Noun::Flow)])),
        ];
        lines.extend(each.into_iter().filter(|(n, _)| *n > 0).map(|(_, words)| words));
        if lines.is_empty() {
            lines.push(self.say(Text::BlindNothing, &[]));
        }
        for words in lines {
            self.block("  -", "", 4, &words, if self.style.verbose { usize::MAX } else { 2 });
        }
        if !self.style.verbose {
            let words = self.say(Text::More, &[]);
            self.out.push('\n');
            self.block("", "", 0, &words, usize::MAX);
        }
    }
}

/// `2026-11-25 06:56:06`.
fn clock(t: Time) -> String {
    let eve = t.to_string();
    format!("{} {}", &eve[..10], &eve[11..19])
}

/// At most `room` characters, the last an ellipsis where some are left out.
fn cut(words: &str, room: usize) -> String {
    if words.chars().count() <= room {
        return words.to_owned();
    }
    let mut out: String = words.chars().take(room.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// Lines of at most `room` characters, broken at spaces, else anywhere.
fn wrap(words: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for word in words.split(' ').filter(|w| !w.is_empty()) {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > room {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        while word.len() > room {
            lines.push(word.drain(..room).collect());
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        used += word.len();
        line.extend(word);
    }
    if used > 0 {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_broken_and_short_ones_kept_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
