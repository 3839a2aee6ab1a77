//! What evidence says of a device: the table `content/hints.tsv`, and how its lines are matched and weighed.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use vigie_base::Time;
use vigie_base::hash::{FastMap, table_state};

static TEXT: &str = include_str!("../../../content/hints.tsv");

static HINTS: LazyLock<Hints> = LazyLock::new(|| Hints::parse(TEXT).unwrap_or_default());

/// What kinds of device there are; ties go to the one that stands first.
pub const CLASSES: [&str; 12] =
    ["biomedical", "industrial", "printer", "camera", "phone", "iot", "mobile", "network", "server", "workstation", "virtual", "unknown"];

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Says {
    /// One of [`CLASSES`].
    Class(&'static str),
    /// An operating system.
    Os(&'static str),
    /// What it does for others.
    Role(&'static str),
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Hint {
    /// What kind of evidence: a fact's key, or `port`, `uses`, `vendor`, `tcp_stack`.
    on: &'static str,
    pattern: &'static str,
    /// The ports that a line on ports asks for.
    ports: Vec<&'static [u8]>,
    pub(crate) says: Vec<Says>,
    /// 1 to 100.
    pub(crate) weight: u8,
    /// One clause for the reader.
    pub(crate) why: &'static str,
}

impl Hint {
    /// Whether a line on ports names this one.
    pub(crate) fn asks_for(&self, port: &[u8]) -> bool {
        self.ports.contains(&port)
    }
}

/// Reasons in French, by their English.
static FRENCH: LazyLock<BTreeMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = include_str!("../../../content/reasons.fr.tsv").lines().filter(|l| !l.starts_with('#'));
    lines.filter_map(|l| l.split_once('\t')).collect()
});

/// A reason as [`FactView`](crate::FactView) has it, in French; none where it is not one of ours.
pub fn french(reason: &str) -> Option<&'static str> {
    FRENCH.get(reason).copied()
}

#[derive(Default)]
struct Hints {
    /// In order of `on`, then as in the file.
    lines: Vec<Hint>,
}

impl Hints {
    /// Columns, by tabs: evidence, pattern, what it says (`class:`, `os:`, `role:`, several by `;`), weight, why.
    fn parse(text: &'static str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
            let bad = |what: &str| format!("hints.tsv:{}: {what}", n + 1);
            let mut columns = line.split('\t');
            let mut next = || columns.next().map(str::trim).filter(|c| !c.is_empty()).ok_or_else(|| bad("five columns, please"));
            let (on, pattern, says, weight, why) = (next()?, next()?, next()?, next()?, next()?);
            let says = says
                .split(';')
                .map(|s| match s.trim().split_once(':') {
                    Some(("class", c)) if CLASSES.contains(&c) => Ok(Says::Class(c)),
                    Some(("os", os)) => Ok(Says::Os(os)),
                    Some(("role", role)) => Ok(Says::Role(role)),
                    _ => Err(bad("says class:, os: or role:")),
                })
                .collect::<Result<_, _>>()?;
            let weight = weight.parse().ok().filter(|w| (1..=100).contains(w)).ok_or_else(|| bad("a weight goes from 1 to 100"))?;
            if pattern.bytes().any(|b| b.is_ascii_uppercase()) {
                return Err(bad("patterns are lower case"));
            }
            lines.push(Hint { on, pattern, ports: pattern.split('+').map(str::as_bytes).collect(), says, weight, why });
        }
        lines.sort_by_key(|l| l.on);
        Ok(Hints { lines })
    }

    fn on(&self, on: &str) -> &[Hint] {
        let start = self.lines.partition_point(|l| l.on < on);
        let len = self.lines[start..].partition_point(|l| l.on == on);
        &self.lines[start..start + len]
    }
}

/// Answers kept by a [`Matcher`].
const MEMO_MAX: usize = 20_000;

/// Matches evidence with the lines of the table, and remembers: devices of a network resemble each other.
pub(crate) struct Matcher {
    memo: FastMap<(String, String), Vec<&'static Hint>>,
}

impl Matcher {
    pub(crate) fn new() -> Self {
        Matcher { memo: FastMap::with_hasher(table_state(0)) }
    }

    /// The lines that match evidence of one kind.
    pub(crate) fn matching(&mut self, on: &str, value: &str) -> &[&'static Hint] {
        if self.memo.len() >= MEMO_MAX {
            self.memo.clear();
        }
        self.memo.entry((on.to_owned(), value.to_owned())).or_insert_with(|| {
            let value = value.to_lowercase();
            HINTS.on(on).iter().filter(|h| glob(h.pattern.as_bytes(), value.as_bytes())).collect()
        })
    }
}

/// A port offered or used, by one of its names: `tcp/443`, `app/tls`.
pub(crate) struct Port {
    pub(crate) name: Vec<u8>,
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) clients: u64,
}

/// The lines on a set of ports, offered or used; a line may ask for several by `+`.
pub(crate) fn matching_ports<'v>(on: &str, ports: &'v [Port]) -> impl Iterator<Item = &'static Hint> + use<'v> {
    HINTS.on(on).iter().filter(move |h| h.ports.iter().all(|p| ports.iter().any(|have| have.name == *p)))
}

/// Whether any line names a port, written `udp/53`.
pub(crate) fn names_port(port: &str) -> bool {
    ["port", "uses"].into_iter().flat_map(|on| HINTS.on(on)).any(|h| h.asks_for(port.as_bytes()))
}

/// Whether `text` matches `pattern`, in which `*` stands for any bytes.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what followed the last `*` did not match.
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut back {
                Some((after, from)) => {
                    *from += 1;
                    (p, t) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        let hints = Hints::parse(TEXT).unwrap();
        assert!(hints.lines.len() > 100);
        let kinds = [
            "app",
            "certificate_name",
            "client_software",
            "device_class",
            "dhcp_fingerprint",
            "dhcp_vendor_class",
            "domain",
            "fqdn",
            "hostname",
            "mdns_service",
            "model",
            "os",
            "port",
            "service",
            "software",
            "tcp_stack",
            "user_agent",
            "uses",
            "vendor",
        ];
        for l in &hints.lines {
            assert!(kinds.contains(&l.on), "{l:?}");
        }
    }

    #[test]
    fn every_reason_is_there_in_french() {
        let hints = Hints::parse(TEXT).unwrap();
        let own = [crate::conclude::FORWARDS, crate::asset::TWO_OWNERS];
        let missing: Vec<_> = hints.lines.iter().map(|l| l.why).chain(own).filter(|why| french(why).is_none()).collect();
        assert_eq!(missing, Vec::<&str>::new());
        let known = |english: &&&str| hints.lines.iter().any(|l| l.why == **english) || own.contains(*english);
        assert_eq!(FRENCH.keys().filter(|k| !known(k)).collect::<Vec<_>>(), Vec::<&&str>::new());
        assert_eq!(french("nobody says so"), None);
    }

    #[test]
    fn bad_lines_are_named() {
        for (line, want) in
            [("a\tb\n", "five columns"), ("port\ttcp/1\tclass:toaster\t5\tx", "class:"), ("port\ttcp/1\tos:X\t500\tx", "weight")]
        {
            let e = Hints::parse(line).err().unwrap();
            assert!(e.contains("hints.tsv:1") && e.contains(want), "{e}");
        }
    }

    #[test]
    fn globs() {
        for (p, t, want) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*windows nt 10*", "mozilla/5.0 (windows nt 10.0; win64)", true),
            ("msft*", "msft 5.0", true),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbx", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(glob(p.as_bytes(), t.as_bytes()), want, "{p} {t}");
        }
    }
}
