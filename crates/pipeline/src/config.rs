//! The configuration: one table of keys, from which the reader, the commented default and the errors are drawn.
//!
//! Keys that Suricata has keep its names. Layers: defaults, then a TOML file, then `--set` in order. An unknown key is an error that
//! names the nearest known one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use vigie_base::{Budget, Ip, NetSet, Share, text::nearest};
use vigie_detect::Tunable;
use vigie_detect::registry::tunables;
use vigie_sensor::Settings;

/// The configuration of a process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes that all of it may take; 0: what its tables sum up to.
    pub memory: u64,
    /// The sensor's settings.
    pub sensor: Settings,
    /// The interfaces that `vigie up` captures from, as one capture point.
    pub interfaces: Vec<String>,
    /// How interfaces are captured from.
    pub live: vigie_capture::LiveOptions,
    /// Where browsers connect.
    pub listen: SocketAddr,
    /// The detectors' settings, but for HOME_NET.
    pub detect: vigie_detect::Settings,
    /// The site's own networks.
    pub home_net: NetSet,
    /// Other address and port groups: for rules, and address groups to ask by.
    pub groups: Vec<Setting>,
    /// What a data directory may keep.
    pub keep: Keeping,
    /// Where every event is written as EVE beside the store.
    pub eve: EveOutput,
    /// What `vigie up` keeps of packets.
    pub packets: PacketsKept,
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

/// Where every event is written as EVE beside the store, live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EveOutput {
    /// A file.
    pub file: Option<PathBuf>,
    /// Bytes after which the file is rotated; 0: never for its size.
    pub rotate_size: u64,
    /// Hours after which it is, by the clock (UTC); 0: never for its age.
    pub rotate_hours: u64,
    /// Rotated files that are kept: `FILE.1` is the latest.
    pub rotate_keep: u32,
    /// A Unix stream socket that somebody listens on.
    pub socket: Option<PathBuf>,
}

/// What `vigie up` keeps of packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketsKept {
    /// Whether the beginning of each flow is kept.
    pub begins: bool,
    /// Whether flows of cases are.
    pub cases: bool,
    /// Bytes of a flow's beginning.
    pub first: u64,
    /// Bytes of memory for recent packets.
    pub ring: u64,
    /// Seconds for which packets of a case are kept after its last sign.
    pub after: u64,
    /// Bytes of what is kept; 0: until the quota.
    pub size: u64,
    /// Days that it is kept; 0: until the quota.
    pub days: u64,
}

impl PacketsKept {
    /// What a sensor keeps; none where packets are not kept.
    pub fn kept(&self) -> Option<vigie_sensor::keep::Settings> {
        (self.begins || self.cases).then(|| vigie_sensor::keep::Settings {
            first: if self.begins { self.first } else { 0 },
            watched: self.cases,
            ring: self.ring,
            orders: vigie_sensor::keep::Orders::new(),
        })
    }

    /// Nanoseconds for which packets of a case are kept after its last sign; none where they are not.
    pub fn watched(&self) -> Option<u64> {
        self.cases.then(|| self.after.saturating_mul(vigie_base::time::SECOND))
    }
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

/// When a running `vigie up` takes a key that was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Takes {
    /// At once.
    Now,
    /// When the sensor takes another configuration: nothing is set aside for it.
    Sensor,
    /// When it starts: memory and threads are set aside for it.
    Start,
}

/// One key.
pub struct Key {
    /// Dotted name.
    pub name: &'static str,
    /// Default, as written in TOML.
    pub default: &'static str,
    /// What it does, in one or two lines.
    pub doc: &'static str,
    /// When a change of it is taken.
    pub takes: Takes,
    apply: fn(&mut Config, &str) -> Result<(), String>,
}

/// Every key but the detectors' tunables, which stand behind them, in the order of `vigie config`.
pub const KEYS: &[Key] = &[
    Key {
        name: "vars.address-groups.HOME_NET",
        default: "\"[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12,fe80::/10,fc00::/7]\"",
        doc: "The site's own networks. Assets are inside; everything else is outside.",
        takes: Takes::Sensor,
        apply: |c, v| {
            c.home_net = v.parse()?;
            Ok(())
        },
    },
    Key {
        name: "workers",
        default: "0",
        doc: "Threads that own flows (1 to 64); of interfaces each reads its own part. 0: live, one for each core but one; of captures, one.\n              # The result is the same with any number.",
        takes: Takes::Start,
        apply: |c, v| {
            number(v, 0, 64).map(|n| {
                c.sensor.workers = vigie_sensor::Workers(n as usize);
                c.live.rings = (n as usize).max(1);
            })
        },
    },
    Key {
        name: "memory.budget",
        default: "\"0\"",
        doc: "Memory that all of it may take, such as 2gb: every table grows or shrinks with it; where it is little, what holds detail first\n              # (reassembly, dissection), then all. 0: what the tables sum up to (`vigie check` prints it).",
        takes: Takes::Start,
        apply: |c, v| size(v).map(|n| c.memory = n),
    },
    Key {
        name: "capture.interfaces",
        default: "[]",
        doc: "Live: capture from these interfaces, together one capture point (the two sides of a tap): [\"eth1\"]; none: only serve what is kept.",
        takes: Takes::Start,
        apply: |c, v| {
            let names: Vec<&str> = v.trim_matches(['[', ']']).split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
            if names.len() > vigie_capture::live::INTERFACES_MAX {
                return Err(format!("at most {} interfaces are expected", vigie_capture::live::INTERFACES_MAX));
            }
            if let Some(bad) = names.iter().find(|n| n.contains(|c: char| c.is_whitespace() || c == '/')) {
                return Err(format!("{bad:?} is no name of an interface; write [eth1, eth2]"));
            }
            c.interfaces = names.into_iter().map(str::to_owned).collect();
            Ok(())
        },
    },
    Key {
        name: "capture.ring",
        default: "\"64mb\"",
        doc: "Live: memory of each interface's ring, which frames wait in (2mb to 4gb).",
        takes: Takes::Start,
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
        takes: Takes::Sensor,
        apply: |c, v| {
            c.live.filter = if v.is_empty() { None } else { Some(vigie_capture::Filter::parse(v).map_err(|e| e.to_string())?) };
            Ok(())
        },
    },
    Key {
        name: "capture.canary",
        default: "3600",
        doc: "Live: seconds between two canaries, frames of Vigie's own that show that a finding would be told; 0 for none.",
        takes: Takes::Sensor,
        apply: |c, v| number(v, 0, 7 * 86_400).map(|n| c.live.canary = n),
    },
    Key {
        name: "flow.max",
        default: "200000",
        doc: "Flows at once, all workers together (eight for each of 25,000 machines). When full, the flow nearest its time-out ends.",
        takes: Takes::Start,
        apply: |c, v| number(v, 16, 1 << 28).map(|n| c.sensor.flow.flows_max = n as u32),
    },
    Key {
        name: "flow-timeouts.tcp.new",
        default: "60",
        doc: "Seconds without a packet after which a TCP flow ends, before its handshake is complete.",
        takes: Takes::Sensor,
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.tcp.new = n),
    },
    Key {
        name: "flow-timeouts.tcp.established",
        default: "600",
        doc: "The same once it is established.",
        takes: Takes::Sensor,
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.tcp.established = n),
    },
    Key {
        name: "flow-timeouts.tcp.closed",
        default: "60",
        doc: "The same once it is closed.",
        takes: Takes::Sensor,
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.tcp.closed = n),
    },
    Key {
        name: "flow-timeouts.udp.new",
        default: "30",
        doc: "UDP, one side seen.",
        takes: Takes::Sensor,
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.udp.new = n),
    },
    Key {
        name: "flow-timeouts.udp.established",
        default: "300",
        doc: "UDP, both sides seen.",
        takes: Takes::Sensor,
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.udp.established = n),
    },
    Key {
        name: "flow-timeouts.icmp.new",
        default: "30",
        doc: "ICMP, one side seen.",
        takes: Takes::Sensor,
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.icmp.new = n),
    },
    Key {
        name: "flow-timeouts.icmp.established",
        default: "300",
        doc: "ICMP, both sides seen.",
        takes: Takes::Sensor,
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.icmp.established = n),
    },
    Key {
        name: "flow-timeouts.default.new",
        default: "30",
        doc: "Every other protocol, one side seen.",
        takes: Takes::Sensor,
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.other.new = n),
    },
    Key {
        name: "flow-timeouts.default.established",
        default: "300",
        doc: "Every other protocol, both sides seen.",
        takes: Takes::Sensor,
        apply: |c, v| seconds(v).map(|n| c.sensor.flow.other.established = n),
    },
    Key {
        name: "vlan.use-for-tracking",
        default: "true",
        doc: "Whether equal addresses in two VLANs are two flows.",
        takes: Takes::Sensor,
        apply: |c, v| boolean(v).map(|b| c.sensor.flow.use_vlan = b),
    },
    Key {
        name: "decoder.recursion-level.use-for-tracking",
        default: "true",
        doc: "Whether equal addresses inside and outside a tunnel, or in two tunnels, are two flows.",
        takes: Takes::Sensor,
        apply: |c, v| boolean(v).map(|b| c.sensor.flow.use_tunnel = b),
    },
    Key {
        name: "stream.midstream",
        default: "false",
        doc: "Pick up TCP sessions whose beginning was not seen.",
        takes: Takes::Sensor,
        apply: |c, v| boolean(v).map(|b| c.sensor.stream.midstream = b),
    },
    Key {
        name: "stream.async-oneside",
        default: "false",
        doc: "Follow TCP sessions of which only one side is seen.",
        takes: Takes::Sensor,
        apply: |c, v| boolean(v).map(|b| c.sensor.stream.async_oneside = b),
    },
    Key {
        name: "stream.overlap",
        default: "\"first\"",
        doc: "Which bytes win where TCP segments overlap: first, last, linux or windows.",
        takes: Takes::Sensor,
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
        takes: Takes::Sensor,
        apply: |c, v| size(v).map(|n| c.sensor.stream.depth = n),
    },
    Key {
        name: "stream.memcap",
        default: "\"24mb\"",
        doc: "Memory for TCP data that waits for what is missing before it, all workers together.",
        takes: Takes::Start,
        apply: |c, v| size(v).map(|n| c.sensor.stream_memory.0 = n),
    },
    Key {
        name: "stream.checksum-validation",
        default: "false",
        doc: "Verify TCP, UDP and ICMP checksums. Wrong ones are noted and never discarded.",
        takes: Takes::Sensor,
        apply: |c, v| boolean(v).map(|b| c.sensor.decode.l4_checksum = b),
    },
    Key {
        name: "defrag.memcap",
        default: "\"8mb\"",
        doc: "Memory for IP fragments that wait for the others.",
        takes: Takes::Start,
        apply: |c, v| size(v).map(|n| c.sensor.defrag.bytes_max = n),
    },
    Key {
        name: "files.hashes",
        default: "true",
        doc: "SHA-256 of every file carried, and MD5 and SHA-1 of those that are not large.",
        takes: Takes::Sensor,
        apply: |c, v| boolean(v).map(|b| c.sensor.dissect.hashes = b),
    },
    Key {
        name: "files.md5-sha1-max",
        default: "\"8mb\"",
        doc: "Size up to which files get MD5 and SHA-1, too; 0: none. They cost more than all else that is done with a large file.",
        takes: Takes::Sensor,
        apply: |c, v| size(v).map(|n| c.sensor.dissect.old_hashes_max = n),
    },
    Key {
        name: "dissect.memcap",
        default: "\"48mb\"",
        doc: "Memory for what parsers hold, all workers together. When it is used up, flows that want more are no longer dissected.",
        takes: Takes::Start,
        apply: |c, v| size(v).map(|n| c.sensor.dissect.memory_max = n),
    },
    Key {
        name: "dissect.inflate-max",
        default: "\"4mb\"",
        doc: "Bytes that one compressed HTTP body may give.",
        takes: Takes::Sensor,
        apply: |c, v| size(v).map(|n| c.sensor.dissect.inflate_max = n),
    },
    Key {
        name: TOR_RELAYS,
        default: "\"\"",
        doc: "A file of the addresses of Tor relays, one a line (a # begins a comment). Without one, relays are told by what they send.",
        takes: Takes::Sensor,
        apply: |c, v| {
            c.detect.tor_relays = if v.is_empty() { Vec::new() } else { addresses(Path::new(v))? };
            Ok(())
        },
    },
    Key {
        name: "detect.scanners",
        default: "\"\"",
        doc: "Your own vulnerability scanners, addresses or networks as in HOME_NET: their scans and failed log-ins are alerts without a case\n              # (context of one that opens for another reason). One of their log-ins that succeeds opens a case.",
        takes: Takes::Sensor,
        apply: |c, v| {
            c.detect.scanners = v.parse()?;
            Ok(())
        },
    },
    Key {
        name: "server.listen",
        default: "\"127.0.0.1:8443\"",
        doc: "Where browsers connect: an address of this machine and a port.",
        takes: Takes::Start,
        apply: |c, v| {
            c.listen = v.parse().map_err(|_| "an address and a port are expected, such as 0.0.0.0:8443 or [::]:8443".to_owned())?;
            Ok(())
        },
    },
    Key {
        name: "store.quota",
        default: "0",
        doc: "Bytes of all that a data directory holds (events, captures, catalog); 0: as much as the disk holds. When full, what goes\n              # first: packets of live traffic, kinds for Vigie's own use, captures, imports (the oldest first), the oldest of the site's own events.",
        takes: Takes::Now,
        apply: |c, v| size(v).map(|n| c.keep.quota = n),
    },
    Key {
        name: "store.captures",
        default: "true",
        doc: "Keep imported captures within the quota, so that the packets of a flow or a case can be cut from them.",
        takes: Takes::Now,
        apply: |c, v| boolean(v).map(|b| c.keep.captures = b),
    },
    Key {
        name: "store.retention.others",
        default: "0",
        doc: "Days that events of the site's own traffic are kept; 0: until the quota. store.retention.dns is for dns alone.",
        takes: Takes::Now,
        apply: |c, v| retention(c, "others", v),
    },
    Key {
        name: "store.retention.internal",
        default: "2",
        doc: "The same for kinds that are for Vigie's own use: detectors are shown those of the last day again after a restart.",
        takes: Takes::Now,
        apply: |c, v| retention(c, "internal", v),
    },
    Key {
        name: PACKETS_KEEP,
        default: "\"off\"",
        doc: "Live: which packets are kept, whole, contents and all: off, first (the beginning of each flow), cases (the flows between the\n              # machines of a case, before and after it was told), or both. What is kept may be personal: see the guide before you do.",
        takes: Takes::Sensor,
        apply: |c, v| {
            (c.packets.begins, c.packets.cases) = match v {
                "off" => (false, false),
                "first" => (true, false),
                "cases" => (false, true),
                "both" => (true, true),
                _ => return Err("off, first, cases or both is expected".to_owned()),
            };
            Ok(())
        },
    },
    Key {
        name: "packets.first",
        default: "\"16kb\"",
        doc: "Live: bytes of each flow's beginning, both directions together, that packets.keep = first keeps (1 to 1gb), in whole packets.",
        takes: Takes::Sensor,
        apply: |c, v| bytes_between(v, 1, 1 << 30, "1 to 1gb").map(|n| c.packets.first = n),
    },
    Key {
        name: "packets.ring",
        default: "\"64mb\"",
        doc: "Live: memory for recent packets, all workers together (16mb to 16gb), where packets are kept: as far back as it goes is kept\n              # of a case that is told now. At 100 Mbit/s 64mb are five seconds.",
        takes: Takes::Start,
        apply: |c, v| bytes_between(v, 16 << 20, 16 << 30, "16mb to 16gb").map(|n| c.packets.ring = n),
    },
    Key {
        name: "packets.after",
        default: "300",
        doc: "Live: seconds after a case's last sign for which packets between its machines are kept (0 to 86400).",
        takes: Takes::Sensor,
        apply: |c, v| number(v, 0, 86_400).map(|n| c.packets.after = n),
    },
    Key {
        name: "packets.size",
        default: "\"10gb\"",
        doc: "Bytes of kept packets, within store.quota; the oldest go first (256mb to 1024gb; 0: until the quota).",
        takes: Takes::Now,
        apply: |c, v| match v {
            "0" => {
                c.packets.size = 0;
                Ok(())
            }
            v => bytes_between(v, 256 << 20, 1 << 40, "0, or 256mb to 1024gb").map(|n| c.packets.size = n),
        },
    },
    Key {
        name: "packets.days",
        default: "7",
        doc: "Days that packets are kept; 0: until the size or the quota.",
        takes: Takes::Now,
        apply: |c, v| number(v, 0, RETENTION_DAYS_MAX).map(|n| c.packets.days = n),
    },
    Key {
        name: "output.eve.file",
        default: "\"\"",
        doc: "Live: write every event into this file, too, as Suricata writes eve.json; \"\" for none. SIGHUP opens it anew, for logrotate.",
        takes: Takes::Now,
        apply: |c, v| {
            c.eve.file = path(v);
            Ok(())
        },
    },
    Key {
        name: "output.eve.rotate_size",
        default: "\"1gb\"",
        doc: "Size at which that file is rotated: it becomes FILE.1, and FILE.1 becomes FILE.2; 0 for never (1mb to 1024gb).",
        takes: Takes::Now,
        apply: |c, v| {
            let bytes = size(v)?;
            if bytes != 0 && !(1 << 20..=1 << 40).contains(&bytes) {
                return Err("0, or 1mb to 1024gb is expected".to_owned());
            }
            c.eve.rotate_size = bytes;
            Ok(())
        },
    },
    Key {
        name: "output.eve.rotate_hours",
        default: "24",
        doc: "Hours after which it is rotated, by the clock (UTC: 24 is at midnight); 0 for never. Set both to 0 where logrotate does it.",
        takes: Takes::Now,
        apply: |c, v| number(v, 0, 8784).map(|n| c.eve.rotate_hours = n),
    },
    Key {
        name: "output.eve.rotate_keep",
        default: "7",
        doc: "Rotated files that are kept (1 to 1000); older ones are removed. They do not count in store.quota.",
        takes: Takes::Now,
        apply: |c, v| number(v, 1, 1000).map(|n| c.eve.rotate_keep = n as u32),
    },
    Key {
        name: "output.eve.socket",
        default: "\"\"",
        doc: "Live: send every event to who listens on this Unix stream socket (Suricata's unix_stream); \"\" for none.",
        takes: Takes::Now,
        apply: |c, v| {
            c.eve.socket = path(v);
            Ok(())
        },
    },
];

/// A size between two, as `expected` says it.
fn bytes_between(v: &str, min: u64, max: u64, expected: &str) -> Result<u64, String> {
    let bytes = size(v)?;
    if (min..=max).contains(&bytes) { Ok(bytes) } else { Err(format!("{expected} is expected")) }
}

fn path(v: &str) -> Option<PathBuf> {
    if v.is_empty() { None } else { Some(PathBuf::from(v)) }
}

fn retention(c: &mut Config, kind: &str, days: &str) -> Result<(), String> {
    let days = number(days, 0, RETENTION_DAYS_MAX)?;
    c.keep.retention.insert(kind.to_owned(), days);
    Ok(())
}

/// The key that says whether packets are kept.
pub const PACKETS_KEEP: &str = "packets.keep";
/// The key of a list that stands in a file of its own.
const TOR_RELAYS: &str = "detect.tor.relays";
/// Days of events that may be asked for.
pub const RETENTION_DAYS_MAX: u64 = 3650;
/// Keys of a kind of event (or `others`, `internal`), each with its days.
const RETENTION: &str = "store.retention.";
/// Retention of all kinds that have none of their own: those for people, and those for Vigie's own use.
pub const RETENTION_OF_REST: [&str; 2] = ["others", "internal"];

/// Addresses of one list; the network has some 10,000 relays.
pub(crate) const RELAYS: Budget =
    Budget { name: TOR_RELAYS, entries_max: 131_072, entry_bytes: 2 * size_of::<Ip>() as u64, when_full: "the list is refused" };
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
            memory: 0,
            sensor: Settings::default(),
            interfaces: Vec::new(),
            live: vigie_capture::LiveOptions::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            detect: vigie_detect::Settings::default(),
            home_net: HOME_NET.parse().unwrap_or_else(|_| unreachable!("the default HOME_NET reads")),
            groups: Vec::new(),
            keep: Keeping::default(),
            eve: EveOutput::default(),
            packets: PacketsKept::default(),
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

/// What an import that runs beside a sensor gets of every table.
const BESIDE: Share = Share::parts(16);

impl Config {
    /// The same with a share of what holds detail (reassembly, dissection), and another of all other tables.
    #[must_use]
    pub fn shared(&self, detail: Share, rest: Share) -> Config {
        let mut config = self.clone();
        let sensor = &mut config.sensor;
        sensor.dissect.memory_max = detail.of(sensor.dissect.memory_max);
        sensor.stream_memory.0 = detail.of(sensor.stream_memory.0);
        sensor.defrag.bytes_max = detail.of(sensor.defrag.bytes_max);
        sensor.flow.flows_max = u32::try_from(rest.of(sensor.flow.flows_max.into())).unwrap_or(u32::MAX).max(16);
        config.detect.share = rest;
        config
    }

    /// Of an import that runs beside a sensor.
    #[must_use]
    pub fn beside(&self) -> Config {
        let mut config = self.shared(BESIDE, BESIDE);
        // The cores are the sensor's.
        config.sensor.workers = vigie_sensor::Workers(1);
        config.detect.share = self.detect.share.by(BESIDE);
        config
    }

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

/// A key that another configuration says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Dotted name.
    pub name: String,
    /// Its value before; none where it was not there.
    pub was: Option<String>,
    /// Its value now; none where it is not there any more.
    pub is: Option<String>,
    /// When that is taken.
    pub takes: Takes,
}

/// What `new` says otherwise than `old`, by name, with what each needs to be taken.
pub fn changed(old: &Config, new: &Config) -> Vec<Changed> {
    let all =
        |c: &Config| -> BTreeMap<String, String> { c.values.iter().chain(&c.groups).map(|s| (s.name.clone(), s.value.clone())).collect() };
    let (was, is) = (all(old), all(new));
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differs = |name: &str| was.get(name) != is.get(name) || (name == TOR_RELAYS && old.detect.tor_relays != new.detect.tor_relays);
    let of = |name: &String| Changed { name: name.clone(), was: was.get(name).cloned(), is: is.get(name).cloned(), takes: takes(name) };
    names.into_iter().filter(|name| differs(name)).map(of).collect()
}

/// When a key is taken: those of no table are groups of addresses and days of a kind, which the server reads.
fn takes(name: &str) -> Takes {
    let known = KEYS.iter().find(|k| k.name == name).map(|k| k.takes);
    known.unwrap_or(if tunables().any(|t| t.key == name) { Takes::Sensor } else { Takes::Now })
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
    fn packets_are_kept_only_where_that_is_asked_for() {
        let mut c = Config::default();
        assert!(c.packets.kept().is_none() && c.packets.watched().is_none() && c.sensor.keep.is_none());
        let mut with = |v: &str| {
            c.set(PACKETS_KEEP, v, "--set").unwrap();
            (c.packets.kept().map(|k| (k.first, k.watched)), c.packets.watched().is_some())
        };
        assert_eq!(with("first"), (Some((16 << 10, false)), false));
        assert_eq!(with("cases"), (Some((0, true)), true));
        assert_eq!(with("both"), (Some((16 << 10, true)), true));
        assert_eq!(with("off"), (None, false));
        for bad in ["packets.keep=some", "packets.ring=1mb", "packets.size=1", "packets.first=0", "packets.days=-1"] {
            assert!(c.set_pair(bad).unwrap_err().to_string().contains("expected"), "{bad}");
        }
    }

    #[test]
    fn interfaces_are_a_list() {
        let with = |v: &str| {
            let mut c = Config::default();
            c.set("capture.interfaces", v, "--set").map(|()| c.interfaces)
        };
        assert_eq!(with("[eth1, eth2]").unwrap(), ["eth1", "eth2"]);
        assert_eq!(with("eth1").unwrap(), ["eth1"]);
        assert!(with("[]").unwrap().is_empty() && with("").unwrap().is_empty());
        assert!(with("eth1 eth2").is_err() && with("../x").is_err() && with(&"a,".repeat(40)).is_err());
        let mut c = Config::default();
        assert!(c.set_pair("server.listen=localhost").unwrap_err().to_string().contains("an address and a port"));
        c.set_pair("server.listen=[::]:443").unwrap();
        assert_eq!(c.listen.port(), 443);
    }

    #[test]
    fn what_another_configuration_changes_is_said_by_key() {
        let with = |pairs: &[&str]| {
            let mut c = Config::default();
            pairs.iter().for_each(|p| c.set_pair(p).unwrap());
            c
        };
        let old = with(&["flow.max=1000", "store.retention.dns=30", "vars.address-groups.A=[10.1.0.0/16]", "store.quota=1gb"]);
        assert_eq!(changed(&old, &old), []);
        let new = with(&["workers=2", "stream.midstream=true", "store.quota=2gb", "detect.brute_force.failures=30", "output.eve.file=/x"]);
        let said: Vec<(String, Takes)> = changed(&old, &new).into_iter().map(|c| (c.name, c.takes)).collect();
        let want = [
            ("detect.brute_force.failures", Takes::Sensor),
            ("flow.max", Takes::Start),
            ("output.eve.file", Takes::Now),
            ("store.quota", Takes::Now),
            ("store.retention.dns", Takes::Now),
            ("stream.midstream", Takes::Sensor),
            ("vars.address-groups.A", Takes::Now),
            ("workers", Takes::Start),
        ];
        assert_eq!(said.iter().map(|(n, t)| (n.as_str(), *t)).collect::<Vec<_>>(), want);
        let gone = changed(&old, &new).into_iter().find(|c| c.name == "store.retention.dns").unwrap();
        assert_eq!((gone.was.as_deref(), gone.is), (Some("30"), None));
        // The same file with other addresses in it.
        let (mut a, mut b) = (Config::default(), Config::default());
        a.detect.tor_relays = vec!["203.0.113.9".parse().unwrap()];
        b.detect.tor_relays = vec!["203.0.113.7".parse().unwrap()];
        assert_eq!(changed(&a, &b).into_iter().map(|c| (c.name, c.takes)).collect::<Vec<_>>(), [(TOR_RELAYS.to_owned(), Takes::Sensor)]);
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
        let uncommented: String =
            text.lines().filter(|l| !l.starts_with("# ") && l.contains(" = ")).map(|l| format!("{}\n", &l[1..])).collect();
        let path = std::env::temp_dir().join(format!("vigie-config-{}.toml", std::process::id()));
        std::fs::write(&path, uncommented).unwrap();
        Config::default().read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
