//! The configuration: one table of keys, from which the reader, the commented default and the errors are drawn.
//!
//! Keys that Suricata has keep its names. Layers: defaults, then a TOML file, then `--set` in order. An unknown key is an error that
//! names the nearest known one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use vigie_base::{Budget, Ip, NetSet, text::nearest};
use vigie_detect::Tunable;
use vigie_detect::registry::tunables;
use vigie_sensor::Settings;

/// The configuration of a process.
#[derive(Clone, Debug)]
pub struct Config {
    /// The sensor's settings.
    pub sensor: Settings,
    /// How interfaces are captured from.
    pub live: vigie_capture::LiveOptions,
    /// The detectors' settings, but for HOME_NET.
    pub detect: vigie_detect::Settings,
    /// The site's own networks.
    pub home_net: NetSet,
    /// Other address and port groups: for rules, and address groups to ask by.
    pub groups: Vec<Setting>,
    /// What a data directory may keep.
    pub keep: Keeping,
    /// What each key is set to, in the order of [`KEYS`] and of the detectors' tunables behind them.
    pub values: Vec<Setting>,
}

/// What a data directory may keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Bytes of all that Vigie writes; 0: as much as the disk holds.
    pub quota: u64,
    /// Days that events of a kind (or `others`, `internal`) are kept, of the site's own traffic; 0: until the quota.
    pub retention: BTreeMap<String, u64>,
    /// Whether imported captures are kept, so that packets can be cut from them.
    pub captures: bool,
}

/// A key in force: its value and where that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Dotted name.
    pub name: String,
    /// Value as text.
    pub value: String,
    /// `default`, `FILE:LINE`, `--set`, `--workers`.
    pub from: String,
}

/// HOME_NET where nothing else is said: RFC 1918, link-local and unique local addresses.
pub const HOME_NET: &str = "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12,fe80::/10,fc00::/7]";

/// One key.
pub struct Key {
    /// Dotted name.
    pub name: &'static str,
    /// Default, as written in TOML.
    pub default: &'static str,
    /// What it does, in one or two lines.
    pub doc: &'static str,
    apply: fn(&mut Config, &str) -> Result<(), String>,
}

/// Every key but the detectors' tunables, which stand behind them, in the order of `vigie config`.
pub const KEYS: &[Key] = &[
    Key {
        name: "vars.address-groups.HOME_NET",
        default: "\"[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12,fe80::/10,fc00::/7]\"",
        doc: "The site's own networks. Assets are inside; everything else is outside.",
        apply: |c, v| {
            c.home_net = v.parse()?;
            Ok(())
        },
    },
    Key {
        name: "workers",
        default: "1",
        doc: "Threads that own flows (1 to 64). The result is the same with any number.",
        apply: |c, v| number(v, 1, 64).map(|n| c.sensor.workers = vigie_sensor::Workers(n as usize)),
    },
    Key {
        name: "capture.ring",
        default: "\"64mb\"",
        doc: "Live: memory of each interface's ring, which frames wait in (2mb to 4gb).",
        apply: |c, v| {
            let bytes = size(v)?;
            if !(2 << 20..=4 << 30).contains(&bytes) {
                return Err("2mb to 4gb is expected".to_owned());
            }
            c.live.ring_bytes = bytes;
            Ok(())
        },
    },
    Key {
        name: "capture.filter",
        default: "\"\"",
        doc: "Live: look only at frames that match, as tcpdump's filters say it.",
        apply: |c, v| {
            c.live.filter = if v.is_empty() { None } else { Some(vigie_capture::Filter::parse(v).map_err(|e| e.to_string())?) };
            Ok(())
        },
    },
    Key {
        name: "capture.canary",
        default: "3600",
        doc: "Live: seconds between two canaries, frames of Vigie's own that show that a finding would be told; 0 for none.",
        apply: |c, v| number(v, 0, 7 * 86_400).map(|n| c.live.canary = n),
    },
    Key {
        name: "flow.max",
        default: "524288",
        doc: "Flows at once, all workers together. When full, the flow nearest its time-out ends.",
        apply: |c, v| number(v, 16, 1 << 28).map(|n| c.sensor.flow.flows_max = n as u32),
    },
    Key {
        name: "flow-timeouts.tcp.new",
        default: "60",
        doc: "Seconds without a packet after which a TCP flow ends, before its handshake is complete.",
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.tcp.new = n),
    },
    Key {
        name: "flow-timeouts.tcp.established",
        default: "600",
        doc: "The same once it is established.",
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.tcp.established = n),
    },
    Key {
        name: "flow-timeouts.tcp.closed",
        default: "60",
        doc: "The same once it is closed.",
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.tcp.closed = n),
    },
    Key {
        name: "flow-timeouts.udp.new",
        default: "30",
        doc: "UDP, one side seen.",
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.udp.new = n),
    },
    Key {
        name: "flow-timeouts.udp.established",
        default: "300",
        doc: "UDP, both sides seen.",
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.udp.established = n),
    },
    Key {
        name: "flow-timeouts.icmp.new",
        default: "30",
        doc: "ICMP, one side seen.",
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.icmp.new = n),
    },
    Key {
        name: "flow-timeouts.icmp.established",
        default: "300",
        doc: "ICMP, both sides seen.",
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.icmp.established = n),
    },
    Key {
        name: "flow-timeouts.default.new",
        default: "30",
        doc: "Every other protocol, one side seen.",
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.other.new = n),
    },
    Key {
        name: "flow-timeouts.default.established",
        default: "300",
        doc: "Every other protocol, both sides seen.",
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.other.established = n),
    },
    Key {
        name: "vlan.use-for-tracking",
        default: "true",
        doc: "Whether equal addresses in two VLANs are two flows.",
        apply: |c, v| boolean(v).map(|b| c.sensor.flow.use_vlan = b),
    },
    Key {
        name: "decoder.recursion-level.use-for-tracking",
        default: "true",
        doc: "Whether equal addresses inside and outside a tunnel, or in two tunnels, are two flows.",
        apply: |c, v| boolean(v).map(|b| c.sensor.flow.use_tunnel = b),
    },
    Key {
        name: "stream.midstream",
        default: "false",
        doc: "Pick up TCP sessions whose beginning was not seen.",
        apply: |c, v| boolean(v).map(|b| c.sensor.stream.midstream = b),
    },
    Key {
        name: "stream.async-oneside",
        default: "false",
        doc: "Follow TCP sessions of which only one side is seen.",
        apply: |c, v| boolean(v).map(|b| c.sensor.stream.async_oneside = b),
    },
    Key {
        name: "stream.overlap",
        default: "\"first\"",
        doc: "Which bytes win where TCP segments overlap: first, last, linux or windows.",
        apply: |c, v| {
            c.sensor.stream.overlap = match v {
                "first" => vigie_stream::Overlap::First,
                "last" => vigie_stream::Overlap::Last,
                "linux" => vigie_stream::Overlap::Linux,
                "windows" => vigie_stream::Overlap::Windows,
                _ => return Err("first, last, linux or windows is expected".to_owned()),
            };
            Ok(())
        },
    },
    Key {
        name: "stream.reassembly.depth",
        default: "0",
        doc: "Bytes of each direction of a TCP session that are looked at; 0 for all. Sizes such as 1mb are taken.",
        apply: |c, v| size(v).map(|n| c.sensor.stream.depth = n),
    },
    Key {
        name: "stream.memcap",
        default: "\"64mb\"",
        doc: "Memory for TCP data that waits for what is missing before it, all workers together.",
        apply: |c, v| size(v).map(|n| c.sensor.stream_memory.0 = n),
    },
    Key {
        name: "stream.checksum-validation",
        default: "false",
        doc: "Verify TCP, UDP and ICMP checksums. Wrong ones are noted and never discarded.",
        apply: |c, v| boolean(v).map(|b| c.sensor.decode.l4_checksum = b),
    },
    Key {
        name: "defrag.memcap",
        default: "\"8mb\"",
        doc: "Memory for IP fragments that wait for the others.",
        apply: |c, v| size(v).map(|n| c.sensor.defrag.bytes_max = n),
    },
    Key {
        name: "files.hashes",
        default: "true",
        doc: "MD5, SHA-1 and SHA-256 of every file carried.",
        apply: |c, v| boolean(v).map(|b| c.sensor.dissect.hashes = b),
    },
    Key {
        name: "dissect.memcap",
        default: "\"256mb\"",
        doc: "Memory for what parsers hold, all workers together. When it is used up, flows that want more are no longer dissected.",
        apply: |c, v| size(v).map(|n| c.sensor.dissect.memory_max = n),
    },
    Key {
        name: "dissect.inflate-max",
        default: "\"4mb\"",
        doc: "Bytes that one compressed HTTP body may give.",
        apply: |c, v| size(v).map(|n| c.sensor.dissect.inflate_max = n),
    },
    Key {
        name: "detect.tor.relays",
        default: "\"\"",
        doc: "A file of the addresses of Tor relays, one a line (a # begins a comment). Without one, relays are told by what they send.",
        apply: |c, v| {
            c.detect.tor_relays = if v.is_empty() { Vec::new() } else { addresses(Path::new(v))? };
            Ok(())
        },
    },
    Key {
        name: "store.quota",
        default: "0",
        doc: "Bytes of all that a data directory holds (events, captures, catalog); 0: as much as the disk holds. When full, what goes\n              # first: kinds for Vigie's own use, captures, imports (the oldest first), the oldest of the site's own events.",
        apply: |c, v| size(v).map(|n| c.keep.quota = n),
    },
    Key {
        name: "store.captures",
        default: "true",
        doc: "Keep imported captures within the quota, so that the packets of a flow or a case can be cut from them.",
        apply: |c, v| boolean(v).map(|b| c.keep.captures = b),
    },
    Key {
        name: "store.retention.others",
        default: "0",
        doc: "Days that events of the site's own traffic are kept; 0: until the quota. store.retention.dns is for dns alone.",
        apply: |c, v| retention(c, "others", v),
    },
    Key {
        name: "store.retention.internal",
        default: "0",
        doc: "The same for kinds that are for Vigie's own use.",
        apply: |c, v| retention(c, "internal", v),
    },
];

fn retention(c: &mut Config, kind: &str, days: &str) -> Result<(), String> {
    let days = number(days, 0, RETENTION_DAYS_MAX)?;
    c.keep.retention.insert(kind.to_owned(), days);
    Ok(())
}

/// Days of events that may be asked for.
pub const RETENTION_DAYS_MAX: u64 = 3650;
/// Keys of a kind of event (or `others`, `internal`), each with its days.
const RETENTION: &str = "store.retention.";
/// Retention of all kinds that have none of their own: those for people, and those for Vigie's own use.
pub const RETENTION_OF_REST: [&str; 2] = ["others", "internal"];

/// Addresses of one list; the network has some 10,000 relays.
pub(crate) const RELAYS: Budget =
    Budget { name: "detect.tor.relays", entries_max: 131_072, entry_bytes: 2 * size_of::<Ip>() as u64, when_full: "the list is refused" };
/// Longest line of a list.
const LINE_MAX: u64 = 1024;

/// Names of groups that may be set besides [`KEYS`].
const GROUPS: [&str; 2] = ["vars.address-groups.", "vars.port-groups."];

/// What is wrong with a configuration: where, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Default for Config {
    fn default() -> Self {
        let mut c = Config {
            sensor: Settings::default(),
            live: vigie_capture::LiveOptions::default(),
            detect: vigie_detect::Settings::default(),
            home_net: HOME_NET.parse().unwrap_or_else(|_| unreachable!("the default HOME_NET reads")),
            groups: Vec::new(),
            keep: Keeping::default(),
            values: Vec::new(),
        };
        for key in KEYS {
            let value = key.default.trim_matches('"');
            if let Err(why) = (key.apply)(&mut c, value) {
                unreachable!("the default of {} reads: {why}", key.name);
            }
            c.values.push(Setting { name: key.name.to_owned(), value: value.to_owned(), from: "default".to_owned() });
        }
        c.values.extend(tunables().map(|t| Setting { name: t.key.to_owned(), value: t.default.to_string(), from: "default".to_owned() }));
        c
    }
}

impl Config {
    /// Sets one key from text, as `--set K=V` and the file do. `from` says where the key stands.
    pub fn set(&mut self, name: &str, value: &str, from: &str) -> Result<(), ConfigError> {
        // Suricata writes yes and no.
        let value = value.trim();
        let applied = match (KEYS.iter().find(|k| k.name == name), tunables().find(|t| t.key == name)) {
            (Some(key), _) => Some((key.apply)(self, value)),
            (_, Some(t)) => Some(number(value, t.range.0, t.range.1).map(|n| self.detect.tune(t, n))),
            _ => None,
        };
        if let Some(applied) = applied {
            applied.map_err(|why| ConfigError(format!("{from}: {name} = {value}: {why}")))?;
            if let Some(setting) = self.values.iter_mut().find(|s| s.name == name) {
                (setting.value, setting.from) = (value.to_owned(), from.to_owned());
            }
            return Ok(());
        }
        if GROUPS.iter().any(|g| name.len() > g.len() && name.starts_with(g)) {
            self.groups.retain(|g| g.name != name);
            self.groups.push(Setting { name: name.to_owned(), value: value.to_owned(), from: from.to_owned() });
            return Ok(());
        }
        if let Some(kind) = name.strip_prefix(RETENTION) {
            let kinds = crate::schemas();
            if !kinds.iter().any(|s| s.kind == kind) {
                let like =
                    nearest(kind, kinds.iter().map(|s| s.kind)).map_or_else(String::new, |k| format!("; did you mean \"{RETENTION}{k}\"?"));
                return Err(ConfigError(format!("{from}: {name}: there is no kind of event \"{kind}\"{like}")));
            }
            retention(self, kind, value).map_err(|why| ConfigError(format!("{from}: {name} = {value}: {why}")))?;
            self.values.retain(|s| s.name != name);
            self.values.push(Setting { name: name.to_owned(), value: value.to_owned(), from: from.to_owned() });
            return Ok(());
        }
        let hint = nearest(name, KEYS.iter().map(|k| k.name).chain(tunables().map(|t| t.key))).map_or_else(
            || "`vigie config` lists the keys".to_owned(),
            |k| format!("did you mean \"{k}\"? (`vigie config` lists the keys)"),
        );
        Err(ConfigError(format!("{from}: unknown key \"{name}\"; {hint}")))
    }

    /// Where a key was said, if not by default: what is said there is not changed elsewhere.
    pub fn pinned(&self, name: &str) -> Option<&Setting> {
        self.values.iter().chain(&self.groups).find(|s| s.name == name && s.from != "default")
    }

    /// The address groups that were said besides HOME_NET, by name, where they are networks.
    pub fn address_groups(&self) -> impl Iterator<Item = (&str, NetSet)> {
        self.groups.iter().filter_map(|g| Some((g.name.strip_prefix(GROUPS[0])?, g.value.parse().ok()?)))
    }

    /// `K=V`, as the option takes it.
    pub fn set_pair(&mut self, pair: &str) -> Result<(), ConfigError> {
        match pair.split_once('=') {
            Some((k, v)) => self.set(k.trim(), v, "--set"),
            None => Err(ConfigError(format!("--set {pair}: write KEY=VALUE, such as --set stream.midstream=true"))),
        }
    }

    /// Reads a TOML file over what is set.
    pub fn read(&mut self, path: &Path) -> Result<(), ConfigError> {
        let shown = vigie_base::text::lossy(path.as_os_str().as_encoded_bytes()).into_owned();
        let text =
            std::fs::read_to_string(path).map_err(|e| ConfigError(format!("{shown}: cannot be read ({e}); give --config another file")))?;
        let table: toml::Table = toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(0, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
            let why = e.message().lines().next().unwrap_or("not TOML");
            ConfigError(format!("{shown}:{line}: not TOML: {why}; `vigie config` shows how the file is written"))
        })?;
        let mut flat = Vec::new();
        flatten("", &toml::Value::Table(table), &mut flat);
        for (key, value) in flat {
            let last = key.rsplit('.').next().unwrap_or(&key).to_owned();
            let line = text
                .lines()
                .position(|l| l.trim_start().trim_start_matches('"').starts_with(&last) || l.contains(&key))
                .map_or(0, |i| i + 1);
            self.set(&key, &value, &format!("{shown}:{line}"))?;
        }
        Ok(())
    }

    /// The default configuration as a commented TOML file.
    pub fn commented() -> String {
        let mut out = String::from("# Vigie's configuration. Every key stands here with its default; take away the # to change one.\n");
        let keys = KEYS.iter().map(|k| (k.name, k.default.to_owned(), k.doc));
        for (name, default, doc) in keys.chain(tunables().map(|t: &Tunable| (t.key, t.default.to_string(), t.doc))) {
            out.push_str(&format!("\n# {doc}\n#{name} = {default}\n"));
        }
        out
    }
}

fn flatten(prefix: &str, v: &toml::Value, out: &mut Vec<(String, String)>) {
    match v {
        toml::Value::Table(t) => {
            for (k, v) in t {
                let name = if prefix.is_empty() { k.clone() } else { format!("{prefix}.{k}") };
                flatten(&name, v, out);
            }
        }
        toml::Value::String(s) => out.push((prefix.to_owned(), s.clone())),
        toml::Value::Array(a) => {
            let items: Vec<String> = a.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
            out.push((prefix.to_owned(), format!("[{}]", items.join(","))));
        }
        other => out.push((prefix.to_owned(), other.to_string())),
    }
}

/// The addresses that a file lists, one a line, in order. What follows a `#` is a comment.
fn addresses(path: &Path) -> Result<Vec<Ip>, String> {
    let unreadable = |e: std::io::Error| format!("the file cannot be read ({e}); name a file with one address a line, or \"\" for none");
    let mut lines = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut all = Vec::new();
    for number in 1.. {
        let mut line = Vec::new();
        if lines.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        let address = line.split(|b| *b == b'#').next().unwrap_or(&[]).trim_ascii();
        if address.is_empty() {
            continue;
        }
        let read = std::str::from_utf8(address).ok().and_then(|a| a.parse().ok());
        all.push(read.ok_or_else(|| format!("line {number} is no address; write one address a line"))?);
        if all.len() as u64 > RELAYS.entries_max {
            return Err(format!("more than {} addresses; give a list of Tor relays only", RELAYS.entries_max));
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn boolean(v: &str) -> Result<bool, String> {
    match v {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("true or false is expected".to_owned()),
    }
}

fn number(v: &str, min: u64, max: u64) -> Result<u64, String> {
    v.parse().ok().filter(|n| (min..=max).contains(n)).ok_or_else(|| format!("a number from {min} to {max} is expected"))
}

fn seconds(v: &str) -> Result<u64, String> {
    number(v, 0, 86_400 * 30)
}

fn size(v: &str) -> Result<u64, String> {
    let lower = v.to_ascii_lowercase();
    let (digits, unit) = match lower.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => (&lower[..at], lower[at..].trim()),
        None => (&lower[..], ""),
    };
    let scale = match unit {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1u64 << 30,
        _ => return Err("a size such as 512kb, 64mb or 2gb is expected".to_owned()),
    };
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(scale)).ok_or_else(|| "a size such as 512kb, 64mb or 2gb is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_set_and_unknown_ones_are_named() {
        let mut c = Config::default();
        c.set_pair("stream.midstream=yes").unwrap();
        assert!(c.sensor.stream.midstream);
        c.set_pair("stream.reassembly.depth=1mb").unwrap();
        assert_eq!(c.sensor.stream.depth, 1 << 20);
        c.set_pair("vars.port-groups.HTTP_PORTS=80").unwrap();
        let e = c.set_pair("stream.midstrem=true").unwrap_err().to_string();
        assert!(e.contains("did you mean \"stream.midstream\""), "{e}");
        assert!(c.set_pair("stream.overlap=middle").is_err());
    }

    #[test]
    fn what_is_kept_is_set_and_pinned() {
        let mut c = Config::default();
        assert!(c.pinned("store.quota").is_none() && c.pinned("store.retention.dns").is_none());
        c.set_pair("store.quota=20gb").unwrap();
        c.set_pair("store.retention.dns=30").unwrap();
        c.set_pair("store.retention.dns=31").unwrap();
        assert_eq!((c.keep.quota, c.keep.retention["dns"], c.keep.retention["others"]), (20 << 30, 31, 0));
        assert_eq!(c.pinned("store.retention.dns").unwrap().from, "--set");
        let e = c.set_pair("store.retention.dnss=3").unwrap_err().to_string();
        assert!(e.contains("did you mean \"store.retention.dns\""), "{e}");
        assert!(c.set_pair("store.retention.dns=99999").is_err());
        c.set_pair("vars.address-groups.SERVERS=[10.1.0.0/16]").unwrap();
        c.set_pair("vars.address-groups.BOTH=[$HOME_NET]").unwrap();
        assert_eq!(c.address_groups().map(|g| g.0).collect::<Vec<_>>(), ["SERVERS"]);
    }

    #[test]
    fn detectors_are_tuned_by_their_keys() {
        let mut c = Config::default();
        let key = tunables().find(|t| t.key == "detect.brute_force.failures").unwrap();
        assert_eq!(c.values.iter().find(|s| s.name == key.key).unwrap().value, key.default.to_string());
        c.set_pair("detect.brute_force.failures=30").unwrap();
        assert_eq!(c.detect.get(key), 30);
        assert_eq!(c.values.iter().find(|s| s.name == key.key).unwrap().from, "--set");
        let e = c.set_pair("detect.brute_force.failures=0").unwrap_err().to_string();
        assert!(e.contains("a number from 2 to"), "{e}");
        let e = c.set_pair("detect.brute_force.failure=30").unwrap_err().to_string();
        assert!(e.contains("did you mean \"detect.brute_force.failures\""), "{e}");
    }

    #[test]
    fn a_list_of_relays_is_read_and_its_faults_are_named() {
        let path = std::env::temp_dir().join(format!("vigie-relays-{}", std::process::id()));
        let set = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            let mut c = Config::default();
            c.set("detect.tor.relays", path.to_str().unwrap(), "--set").map(|()| c.detect.tor_relays)
        };
        let all: Vec<Ip> = ["198.51.100.7", "203.0.113.9", "2001:db8::7"].map(|a| a.parse().unwrap()).to_vec();
        let mut read = set(b"# relays\n203.0.113.9\r\n\n 198.51.100.7 # exit\n2001:db8::7\n203.0.113.9").unwrap();
        read.sort();
        assert_eq!(read, all);
        assert!(set(b"").unwrap().is_empty());
        for (text, fault) in [(&b"203.0.113.9\nrelay.example\n"[..], "line 2 is no address"), (&[b'1'; 3000], "line 1 is no address")] {
            let e = set(text).unwrap_err().to_string();
            assert!(e.contains(fault), "{e}");
        }
        std::fs::remove_file(&path).unwrap();
        let e = Config::default().set("detect.tor.relays", path.to_str().unwrap(), "--set").unwrap_err().to_string();
        assert!(e.contains("cannot be read") && e.contains("one address a line"), "{e}");
    }

    #[test]
    fn the_commented_default_names_every_key() {
        let text = Config::commented();
        assert!(KEYS.iter().all(|k| text.contains(k.name)) && tunables().all(|t| text.contains(t.key)));
        let uncommented: String = text.lines().filter(|l| l.contains(" = ")).map(|l| format!("{}\n", &l[1..])).collect();
        let path = std::env::temp_dir().join(format!("vigie-config-{}.toml", std::process::id()));
        std::fs::write(&path, uncommented).unwrap();
        Config::default().read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
