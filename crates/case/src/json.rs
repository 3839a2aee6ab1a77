//! A case told to a reader: in their language, as data and as JSON.

use crate::cases::{Case, Cases, Severity};
use vigie_base::{Ip, Mac, Time};
use vigie_detect::registry::template;
use vigie_detect::text::render;
use vigie_detect::{Entity, Lang};
use vigie_event::json;

/// Who knows machines by name (the inventory).
pub trait Directory {
    /// The name of a machine known by either address.
    fn name(&self, ip: Option<Ip>, mac: Option<Mac>) -> Option<String>;
    /// The Ethernet address of the machine that has an address.
    fn mac(&self, ip: Ip) -> Option<Mac>;
}

/// A directory that knows nobody.
pub struct Nobody;

impl Directory for Nobody {
    fn name(&self, _ip: Option<Ip>, _mac: Option<Mac>) -> Option<String> {
        None
    }
    fn mac(&self, _ip: Ip) -> Option<Mac> {
        None
    }
}

/// A reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub key: &'static str,
    /// What it adds to the score.
    pub points: u32,
    /// The words.
    pub text: String,
}

/// A case in words.
#[derive(Clone, Debug)]
pub struct TellCase {
    /// Title.
    pub title: String,
    /// Reasons, the gravest first.
    pub reasons: Vec<Told>,
    /// What happened.
    pub story: String,
    /// How it may be harmless.
    pub innocent: String,
    /// What to check.
    pub checks: Vec<String>,
    /// What to do.
    pub actions: Vec<String>,
    /// One line an alert, in their order.
    pub summaries: Vec<String>,
}

/// Alerts whose story is told in full; of more, their summaries stand in the list of alerts.
const STORIES_MAX: usize = 5;

impl TellCase {
    /// The words of `case` in `lang`.
    pub fn of(case: &Case, lang: Lang) -> TellCase {
        let said = |i: usize| {
            let f = &case.alerts[i].finding;
            template(f).map(|t| (t.words(lang), &f.params))
        };
        // The gravest alert gives the title, and its advice comes first.
        let mut order: Vec<usize> = (0..case.alerts.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse((case.alerts[*i].finding.opens_case, case.alerts[*i].finding.score())));
        let mut told = TellCase {
            title: order.first().and_then(|i| said(*i)).map_or(String::new(), |(w, p)| render(w.title, p, lang)),
            reasons: case
                .reasons()
                .into_iter()
                .filter_map(|(r, i)| said(i).map(|(w, p)| Told { key: r.key, points: r.points, text: render(w.reason(r.key), p, lang) }))
                .collect(),
            story: String::new(),
            innocent: String::new(),
            checks: Vec::new(),
            actions: Vec::new(),
            summaries: (0..case.alerts.len()).filter_map(|i| said(i).map(|(w, p)| render(w.summary, p, lang))).collect(),
        };
        let (mut stories, mut innocents) = (Vec::new(), Vec::new());
        for (w, p) in (0..case.alerts.len()).filter_map(said).take(STORIES_MAX) {
            add(&mut stories, render(w.story, p, lang));
        }
        for (w, p) in order.iter().filter_map(|i| said(*i)).take(STORIES_MAX) {
            add(&mut innocents, render(w.innocent, p, lang));
            w.checks.iter().for_each(|t| advise(&mut told.checks, render(t, p, lang)));
            w.actions.iter().for_each(|t| advise(&mut told.actions, render(t, p, lang)));
        }
        (told.story, told.innocent) = (stories.join(" "), innocents.join(" "));
        told
    }
}

fn add(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

/// Adds advice, unless an earlier one begins alike for three fifths of the shorter: two detectors then say the same in other words.
fn advise(list: &mut Vec<String>, text: String) {
    let is_same = |other: &String| {
        let alike = other.chars().zip(text.chars()).take_while(|(a, b)| a == b).count();
        alike * 5 >= other.chars().count().min(text.chars().count()) * 3
    };
    if !list.iter().any(is_same) {
        list.push(text);
    }
}

impl Cases {
    /// Every case as one JSON object a line, in the order in which they opened.
    pub fn write(&self, lang: Lang, directory: &impl Directory, out: &mut Vec<u8>) {
        self.iter().for_each(|c| write(c, lang, directory, out));
    }
}

/// One case as one JSON object and a newline.
pub fn write(case: &Case, lang: Lang, directory: &impl Directory, out: &mut Vec<u8>) {
    let told = TellCase::of(case, lang);
    let mut o = Object::begin(out);
    o.text("id", &case.id);
    o.text("title", &told.title);
    o.text("state", "new");
    o.text("severity", Severity::of(case.score()).name());
    o.number("score", u64::from(case.score()));
    o.list("reasons", &told.reasons, |r, out| {
        let mut o = Object::begin(out);
        o.text("key", r.key);
        o.number("points", u64::from(r.points));
        o.text("text", &r.text);
        o.end();
    });
    o.text("story", &told.story);
    o.text("innocent", &told.innocent);
    o.texts("checks", &told.checks);
    o.texts("actions", &told.actions);
    o.texts("detectors", &case.detectors());
    let mut techniques: Vec<&str> = Vec::new();
    for t in case.alerts.iter().filter_map(|a| template(&a.finding)).flat_map(|t| t.techniques) {
        if !techniques.contains(t) {
            techniques.push(t);
        }
    }
    o.texts("techniques", &techniques);
    o.list("entities", &case.entities(), |e, out| entity(e, directory, out));
    o.time("first_seen", case.first);
    o.time("last_seen", case.last);
    let alerts: Vec<_> = case.alerts.iter().zip(&told.summaries).collect();
    o.list("alerts", &alerts, |(a, summary), out| {
        let mut o = Object::begin(out);
        o.text("id", &a.id);
        o.text("detector", a.finding.detector);
        o.number("count", a.finding.count);
        o.time("first_seen", a.finding.first);
        o.time("last_seen", a.finding.last);
        o.text("summary", summary);
        o.list("evidence", &a.finding.evidence, |f, out| json::number(*f, out));
        o.end();
    });
    o.end();
    out.push(b'\n');
}

/// `ip` may be a network; what is not known is null.
fn entity(e: &Entity, directory: &impl Directory, out: &mut Vec<u8>) {
    let mac = e.mac.or_else(|| e.ip.and_then(|ip| directory.mac(ip)));
    let name = directory.name(e.ip, mac).or_else(|| e.name.clone());
    let mut o = Object::begin(out);
    o.text("role", e.role.name());
    o.maybe("ip", e.ip.map(|ip| ip.to_string()).or_else(|| e.net.map(|n| n.to_string())));
    o.maybe("mac", mac.map(|m| m.to_string()));
    o.maybe("name", name);
    o.end();
}

/// A JSON object being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Object { out, first: true }
    }

    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        json::string(key.as_bytes(), self.out);
        self.out.push(b':');
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        json::string(value.as_bytes(), self.out);
    }

    fn maybe(&mut self, key: &str, value: Option<String>) {
        match value {
            Some(v) => self.text(key, &v),
            None => {
                self.key(key);
                self.out.extend_from_slice(b"null");
            }
        }
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        json::number(value, self.out);
    }

    fn time(&mut self, key: &str, value: Time) {
        self.text(key, &value.to_string());
    }

    fn list<T>(&mut self, key: &str, items: &[T], mut write: impl FnMut(&T, &mut Vec<u8>)) {
        self.key(key);
        self.out.push(b'[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            write(item, self.out);
        }
        self.out.push(b']');
    }

    fn texts<T: AsRef<str>>(&mut self, key: &str, items: &[T]) {
        self.list(key, items, |t, out| json::string(t.as_ref().as_bytes(), out));
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_advice_in_other_words_is_given_once() {
        let mut list = Vec::new();
        for text in [
            "If nobody can explain it, isolate 10.0.0.1 and keep it for examination.",
            "If nobody can explain it, isolate 10.0.0.1 and examine it: it may be infected.",
            "What 10.0.0.1 did besides: sweeps, log-in attempts, transfers.",
            "What 10.0.0.1 did afterwards: other servers reached, files fetched.",
        ] {
            advise(&mut list, text.to_owned());
        }
        assert_eq!(list.len(), 3, "{list:?}");
    }
}
