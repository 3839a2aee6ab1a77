//! The words for findings, rendered when read.
//!
//! A template is plain text with `{name}` for a parameter, `{name#one|many}` for a word that follows a number, and `[[...]]`
//! for a part that is left out where one of its parameters is missing.

use crate::finding::{Param, Value};
use std::fmt::Write;

/// A reader's language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

impl Lang {
    /// Every language.
    pub const ALL: [Lang; 2] = [Lang::En, Lang::Fr];

    /// From an option or a locale: `fr`, `fr_FR.UTF-8`, `en`, `C`.
    pub fn of(name: &str) -> Option<Lang> {
        let word = name.split(['_', '-', '.', '@']).next().unwrap_or("");
        match word.to_ascii_lowercase().as_str() {
            "fr" => Some(Lang::Fr),
            "en" | "c" | "posix" => Some(Lang::En),
            _ => None,
        }
    }

    /// Whether `n` takes the form for one: English only 1, French 0 and 1.
    pub const fn is_one(self, n: u64) -> bool {
        match self {
            Lang::En => n == 1,
            Lang::Fr => n < 2,
        }
    }
}

/// A protocol as people write it: by its capitals, where it is not a word.
pub(crate) fn protocol_name(protocol: &str) -> String {
    match protocol {
        "telnet" => "Telnet".to_owned(),
        other => other.to_uppercase(),
    }
}

/// What one language says of a finding.
#[derive(Debug)]
pub struct Words {
    /// The case's title.
    pub title: &'static str,
    /// What happened, to whom, when: one short paragraph.
    pub story: &'static str,
    /// How it may be harmless.
    pub innocent: &'static str,
    /// One line for the list of alerts.
    pub summary: &'static str,
    /// What to check.
    pub checks: &'static [&'static str],
    /// What to do if it is confirmed.
    pub actions: &'static [&'static str],
    /// The text of each reason, by key.
    pub reasons: &'static [(&'static str, &'static str)],
}

/// The words for one kind of finding of a detector.
#[derive(Debug)]
pub struct Template {
    /// Its name among the detector's templates.
    pub key: &'static str,
    /// ATT&CK techniques, by number.
    pub techniques: &'static [&'static str],
    /// English.
    pub en: Words,
    /// French.
    pub fr: Words,
}

impl Template {
    /// The words of a language.
    pub const fn words(&self, lang: Lang) -> &Words {
        match lang {
            Lang::En => &self.en,
            Lang::Fr => &self.fr,
        }
    }
}

impl Words {
    /// The text of a reason; the key where it has none (which a test rules out).
    pub fn reason(&self, key: &'static str) -> &'static str {
        self.reasons.iter().find(|r| r.0 == key).map_or(key, |r| r.1)
    }
}

/// Fills a template.
pub fn render(template: &str, params: &[Param], lang: Lang) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(at) = rest.find("[[") {
        fill(&rest[..at], params, lang, &mut out);
        let inside = &rest[at + 2..];
        let Some(end) = inside.find("]]") else { return out };
        let mut part = String::new();
        if fill(&inside[..end], params, lang, &mut part) {
            out.push_str(&part);
        }
        rest = &inside[end + 2..];
    }
    fill(rest, params, lang, &mut out);
    out
}

/// Fills text without optional parts; says whether every parameter was there.
fn fill(text: &str, params: &[Param], lang: Lang, out: &mut String) -> bool {
    let mut whole = true;
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else { break };
        let name = &rest[at + 1..at + end];
        rest = &rest[at + end + 1..];
        let (name, words) = match name.split_once('#') {
            Some((name, words)) => (name, words.split_once('|')),
            None => (name, None),
        };
        match (params.iter().find(|p| p.0 == name), words) {
            (Some((_, v)), None) => value(v, lang, out),
            (Some((_, v)), Some((one, many))) => out.push_str(if is_one(v, lang) { one } else { many }),
            (None, _) => {
                whole = false;
                out.push('…');
            }
        }
    }
    out.push_str(rest);
    whole
}

fn is_one(v: &Value, lang: Lang) -> bool {
    let n = match v {
        Value::Count(n) | Value::About(n) => *n,
        Value::List(l) => l.len() as u64,
        _ => 2,
    };
    n == 1 || (n == 0 && lang == Lang::Fr)
}

fn value(v: &Value, lang: Lang, out: &mut String) {
    match v {
        Value::Count(n) => number(*n, lang, out),
        Value::About(n) => {
            out.push_str(if lang == Lang::Fr { "environ " } else { "about " });
            number(rounded(*n), lang, out);
        }
        Value::Text(t) => out.push_str(t),
        Value::List(l) => out.push_str(&l.join(", ")),
        Value::Ip(ip) => _ = write!(out, "{ip}"),
        Value::Net(n) => _ = write!(out, "{n}"),
        Value::Mac(m) => _ = write!(out, "{m}"),
        Value::Port(p) => _ = write!(out, "{p}"),
        Value::Bytes(b) => bytes(*b, lang, out),
        Value::Duration(ns) => duration(*ns, lang, out),
        Value::Percent(p) => _ = write!(out, "{p}\u{a0}%"),
        Value::PerMille(p) => {
            let point = if lang == Lang::Fr { ',' } else { '.' };
            _ = write!(out, "{}{point}{}\u{a0}%", p / 10, p % 10);
        }
    }
}

/// To two figures: an estimate is not told to the unit.
fn rounded(n: u64) -> u64 {
    let mut unit = 1;
    while n / unit >= 100 {
        unit *= 10;
    }
    (n + unit / 2) / unit * unit
}

fn number(n: u64, lang: Lang, out: &mut String) {
    let digits = n.to_string();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(if lang == Lang::Fr { '\u{202f}' } else { ',' });
        }
        out.push(c);
    }
}

fn bytes(b: u64, lang: Lang, out: &mut String) {
    let units = if lang == Lang::Fr { ["octets", "Ko", "Mo", "Go"] } else { ["bytes", "KB", "MB", "GB"] };
    let mut v = b as f64;
    let mut i = 0;
    while v >= 1000.0 && i < 3 {
        v /= 1000.0;
        i += 1;
    }
    if i == 0 || v >= 100.0 {
        _ = write!(out, "{v:.0}\u{a0}{}", units[i]);
    } else {
        let text = format!("{v:.1}");
        _ = write!(out, "{}\u{a0}{}", if lang == Lang::Fr { text.replace('.', ",") } else { text }, units[i]);
    }
}

fn duration(ns: u64, lang: Lang, out: &mut String) {
    let s = ns / 1_000_000_000;
    let day = if lang == Lang::Fr { "j" } else { "d" };
    _ = match s {
        0 => write!(out, "{}", if lang == Lang::Fr { "moins d’une seconde" } else { "less than a second" }),
        1..=119 => write!(out, "{s}\u{a0}s"),
        120..=7199 => write!(out, "{}\u{a0}min", s / 60),
        7200..=172_799 => write!(out, "{}\u{a0}h", s / 3600),
        _ => write!(out, "{}\u{a0}{day}", s / 86_400),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills() {
        let p =
            [("n", Value::Count(1234)), ("one", Value::Count(1)), ("t", Value::Text("FTP".into())), ("d", Value::Duration(61_000_000_000))];
        assert_eq!(render("{n} {n#try|tries} on {t} in {d}[[ by {user}]].", &p, Lang::En), "1,234 tries on FTP in 61\u{a0}s.");
        assert_eq!(render("{one} {one#essai|essais}[[ sur {t}]]", &p, Lang::Fr), "1 essai sur FTP");
        assert_eq!(render("{n}", &p, Lang::Fr), "1\u{202f}234");
        assert_eq!(render("{x}", &[("x", Value::About(1014))], Lang::En), "about 1,000");
        assert_eq!(render("{x}", &[("x", Value::PerMille(987))], Lang::En), "98.7\u{a0}%");
        assert_eq!(render("{x}", &[("x", Value::PerMille(3))], Lang::Fr), "0,3\u{a0}%");
        assert_eq!(render("{x}", &[("x", Value::Bytes(1_500_000))], Lang::Fr), "1,5\u{a0}Mo");
    }
}
