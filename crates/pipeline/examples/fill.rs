//! Fills tables to their bound and holds what they then take in memory against what `vigie check` says of them.
//!
//! `cargo build --release --workspace --examples`, then `target/release/examples/fill [SHARE]`: each group of tables in a process of its own, with SHARE parts of
//! 256 of every table (256). Fails where one takes more than its plan, or less than 0.8 of it. Linux only: reads /proc/self/status.

use std::process::{Command, ExitCode};
use vigie_base::{Budget, Ip, Mac, Share, Time, time::SECOND};
use vigie_capture::{Frame, Input, LinkType, Status};
use vigie_case::Cases;
use vigie_detect::{Engine, Entity, Finding, Phase, Role, Value};
use vigie_dissect::proto::arp::Arp;
use vigie_dissect::proto::dns::{DnsMessage, Query};
use vigie_dissect::record::{Fact, Login};
use vigie_event::{Batch, Envelope, Flag, Out, Record, Row};
use vigie_flow::record::{FlowStart, FlowUpdate};
use vigie_inventory::Inventory;
use vigie_pipeline::{Config, Plan};
use vigie_sensor::{Control, Fold};

/// What is filled together: its name, the tables by their names (a dot at the end for all that begin so), and who fills them.
type Group = (&'static str, &'static [&'static str], fn(&Config) -> (u64, u64));

const GROUPS: &[Group] = &[
    ("TCP flows", &["flow.table", "flow.tcp"], tcp_flows),
    ("UDP flows", &["flow.table", "flow.datagrams"], udp_flows),
    ("reassembly", &["stream.memory"], streams),
    ("fragments", &["defrag.bytes"], fragments),
    ("parsers", &["dissect.memory"], parsers),
    ("inventory", &["inventory.holders", "inventory.stations", "inventory.facts", "inventory.services", "inventory.uses"], inventory),
    ("failed log-ins", &["detect.brute_force.pairs"], log_ins),
    ("scans", &["detect.scan.pending", "detect.scan.answered", "detect.scan.ports", "detect.scan.hosts"], scans),
    ("names", &["detect.dns_tunnel.domains", "detect.dns_tunnel.plain"], names),
    ("cases", &["case.cases", "case.alerts"], cases),
];

/// What a group may miss of its plan, whatever its size: the allocator's pages, code of the program that was not run before.
const SLACK: u64 = 3 << 20;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let share = args.get(1).and_then(|a| a.parse().ok()).unwrap_or(256);
    let config = Config::default().shared(Share::parts(share), Share::parts(share));
    if let Some(group) = args.get(2).and_then(|name| GROUPS.iter().find(|g| g.0 == name)) {
        let (before, after) = (group.2)(&config);
        println!("{}", after.saturating_sub(before));
        return ExitCode::SUCCESS;
    }
    let plan = Plan::of(&config).budgets;
    let (mut failed, mut planned_in_all, mut taken_in_all) = (false, 0, 0);
    println!("{:16} {:>9} {:>9}  of plan", "tables", "plan, MiB", "held, MiB");
    for (name, tables, _) in GROUPS {
        let planned: u64 = plan.iter().filter(|b| tables.contains(&b.name)).map(Budget::bytes_max).sum();
        let said = Command::new(&args[0]).args([&share.to_string(), *name]).output().expect("the example starts itself").stdout;
        let Some(taken) = String::from_utf8_lossy(&said).trim().parse::<u64>().ok() else {
            println!("{name:16} was not filled");
            failed = true;
            continue;
        };
        let part = taken as f64 / planned as f64;
        let fits = taken <= planned + SLACK && taken + SLACK >= planned * 4 / 5;
        println!("{name:16} {:9.1} {:9.1} {part:8.2}{}", mib(planned), mib(taken), if fits { "" } else { "  NOT WITHIN 0.8 AND 1" });
        failed |= !fits;
        (planned_in_all, taken_in_all) = (planned_in_all + planned, taken_in_all + taken);
    }
    let part = taken_in_all as f64 / planned_in_all as f64;
    println!("{:16} {:9.1} {:9.1} {part:8.2}", "all of these", mib(planned_in_all), mib(taken_in_all));
    failed |= !(0.8..=1.0).contains(&part);
    println!("{}", if failed { "0 passed, 1 failed" } else { "1 passed, 0 failed" });
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

/// Resident memory that no file backs, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) << 10
}

fn ip(n: u32) -> Ip {
    Ip::v4([10, (n >> 16) as u8, (n >> 8) as u8, n as u8])
}

fn mac(n: u32) -> Mac {
    let b = n.to_be_bytes();
    Mac([0, 0x50, b[0], b[1], b[2], b[3]])
}

// ------------------------------------------------------------------------------------------------ frames

/// Frames made one after another, a pause, the end.
struct Made<F> {
    /// Makes the n-th frame, with its time; none behind the last.
    make: F,
    next: u64,
    paused: bool,
}

impl<F: FnMut(u64) -> Option<(u64, Vec<u8>)>> Input for Made<F> {
    fn next_batch(&mut self, each: &mut impl FnMut(&[Frame<'_>])) -> Status {
        let Some((at, data)) = (self.make)(self.next) else {
            let end = std::mem::replace(&mut self.paused, true);
            return if end { Status::End } else { Status::Idle(Time(START + 58 * SECOND)) };
        };
        self.next += 1;
        let (time, wire_len) = (Time(START + at), data.len() as u32);
        each(&[Frame { time, data: &data, wire_len, link: LinkType::EN10MB, source: 0 }]);
        Status::More
    }

    fn first(&self) -> Option<Time> {
        Some(Time(START))
    }
}

const START: u64 = 1_700_000_000 * SECOND;

struct Nobody;

impl Fold for Nobody {
    fn row(&mut self, _: Row<'_>) {}
    fn upto(&mut self, _: Time) {}
}

/// Resident memory before and behind the frames: from the `from`-th on.
fn sensed(config: &Config, from: u64, make: impl FnMut(u64) -> Option<(u64, Vec<u8>)> + Send) -> (u64, u64) {
    let (mut before, mut after) = (resident(), 0);
    let mut input = Made { make, next: 0, paused: false };
    vigie_sensor::run(&mut input, &config.sensor, &mut Nobody, |input| {
        if input.next <= from {
            before = resident();
        } else if input.paused && after == 0 {
            after = resident();
        }
        Control::Go
    });
    (before, after)
}

fn ipv4(src: Ip, dst: Ip, proto: u8, id: u16, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    f.extend((20 + payload.len() as u16).to_be_bytes());
    f.extend(id.to_be_bytes());
    f.extend(fragment.to_be_bytes());
    f.extend([64, proto, 0, 0]);
    f.extend(src.to_v4().expect("IPv4").into_iter().chain(dst.to_v4().expect("IPv4")));
    let sum: u32 = f[14..34].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    f[24..26].copy_from_slice(&sum.to_be_bytes());
    f.extend_from_slice(payload);
    f
}

fn tcp(client: u32, to_server: bool, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let (c, s) = (ip(client), Ip::v4([10, 255, 0, 1]));
    let (src, dst, ports) = if to_server { (c, s, [40_000u16, 80]) } else { (s, c, [80, 40_000]) };
    let mut t: Vec<u8> = ports.iter().flat_map(|p| p.to_be_bytes()).collect();
    t.extend(seq.to_be_bytes());
    t.extend(ack.to_be_bytes());
    t.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    t.extend_from_slice(payload);
    ipv4(src, dst, 6, 0, 0, &t)
}

/// The three frames with which a session begins.
fn handshake(client: u32, n: u64) -> Vec<u8> {
    match n {
        0 => tcp(client, true, 0x02, 1000, 0, b""),
        1 => tcp(client, false, 0x12, 5000, 1001, b""),
        _ => tcp(client, true, 0x10, 1001, 5001, b""),
    }
}

fn tcp_flows(config: &Config) -> (u64, u64) {
    let flows = u64::from(config.sensor.flow.flows_max);
    sensed(config, 0, |n| (n < flows * 3).then(|| (n * 50 * SECOND / (flows * 3), handshake((n / 3) as u32, n % 3))))
}

fn udp_flows(config: &Config) -> (u64, u64) {
    let flows = u64::from(config.sensor.flow.flows_max);
    let config = {
        let mut longer = config.clone();
        longer.sensor.flow.udp.new = 300;
        longer
    };
    sensed(&config, 0, |n| {
        // Without payload: what tells protocols is of the parsers' memory.
        let datagram = [&40_000u16.to_be_bytes()[..], &9999u16.to_be_bytes(), &[0, 8, 0, 0]].concat();
        (n < flows).then(|| (n * 50 * SECOND / flows, ipv4(ip(n as u32), Ip::v4([10, 255, 0, 1]), 17, 0, 0, &datagram)))
    })
}

/// Sessions of which many segments come, and not those before them.
fn streams(config: &Config) -> (u64, u64) {
    let sessions = (config.sensor.stream_memory.0 >> 15).max(8);
    let piece = [b'x'; 1400];
    sensed(config, sessions * 3, |n| match n.checked_sub(sessions * 3) {
        None => Some((n, handshake((n / 3) as u32, n % 3))),
        Some(n) if n < sessions * 40 => {
            Some((SECOND + n, tcp((n % sessions) as u32, true, 0x18, 3000 + 1400 * (n / sessions) as u32, 5001, &piece)))
        }
        _ => None,
    })
}

/// First fragments, and no last one.
fn fragments(config: &Config) -> (u64, u64) {
    let all = config.sensor.defrag.bytes_max / 1000;
    let piece = [b'x'; 1400];
    sensed(config, 0, |n| (n < all).then(|| (n, ipv4(ip(n as u32 / 60_000), ip(1 << 20), 17, (n % 60_000) as u16, 0x2000, &piece))))
}

/// Requests whose head goes on and on.
fn parsers(config: &Config) -> (u64, u64) {
    // Each buffer is nearly as long as its room, which is doubled: none is given up.
    let sessions = (config.sensor.dissect.memory_max / 6000).max(8);
    let piece = [b'x'; 1400];
    sensed(config, sessions * 3, |n| match n.checked_sub(sessions * 3) {
        None => Some((n, handshake((n / 3) as u32, n % 3))),
        Some(n) if n < sessions => Some((SECOND + n, tcp(n as u32, true, 0x18, 1001, 5001, b"GET /a HTTP/1.1\r\nHost: a\r\nX-Long: "))),
        Some(n) if n < sessions * 6 => {
            let seq = 1036 + 1400 * (n / sessions - 1) as u32;
            Some((SECOND + n, tcp((n % sessions) as u32, true, 0x18, seq, 5001, &piece)))
        }
        _ => None,
    })
}

// ------------------------------------------------------------------------------------------------ rows

fn env(src: Ip, dst: Ip, at: u64) -> Envelope {
    Envelope {
        ts: Time(START + at),
        flow_id: at + 1,
        src,
        dst,
        src_port: 40_000,
        dst_port: 80,
        proto: 6,
        ip_version: 4,
        ..Envelope::default()
    }
}

/// A batch that holds one row at a time.
struct One(Vec<Batch>);

impl One {
    fn row<R: Record>(&mut self, env: &Envelope, record: &R, take: impl FnOnce(Row<'_>)) {
        let schema = R::schema();
        let at = self.0.iter().position(|b| std::ptr::eq(b.schema(), schema)).unwrap_or_else(|| {
            self.0.push(Batch::new(schema));
            self.0.len() - 1
        });
        self.0[at].clear();
        self.0[at].push(env, record);
        take(self.0[at].row(0));
    }
}

fn inventory(config: &Config) -> (u64, u64) {
    let settings = vigie_inventory::Settings::shared(config.home_net.clone(), config.detect.share);
    let (holders, services, uses) = (settings.holders_max, settings.services_max, settings.uses_max);
    let before = resident();
    let (mut kept, mut one) = (Inventory::new(settings), One(Vec::new()));
    let mut at = 0;
    for n in 0..holders {
        let arp = Arp {
            hw_type: "ethernet",
            proto_type: "ipv4",
            opcode: b"request",
            src_mac: mac(n),
            src_ip: ip(n),
            dest_mac: mac(0),
            dest_ip: ip(n),
            frame_mac: None,
        };
        one.row(&env(ip(n), ip(n), 0), &arp, |row| kept.row(row));
        for peer in 0..9 {
            let start =
                FlowStart { client_mac: mac(n), server_mac: mac(n), ttl: 64, tcp_flags: 2, window: 1, tcp_options: b"", payload: 0 };
            at += 1;
            // To networks outside, so that each forwards.
            one.row(&env(ip(n), Ip::v4([198, 51, peer, 1]), at), &start, |row| kept.row(row));
        }
    }
    let update = FlowUpdate { state: "established", refused: false, ttl: 64, window: 1, tcp_options: b"" };
    for n in 0..services {
        for client in 0..9 {
            at += 1;
            // From outside, so that nobody uses a port.
            let e = Envelope { dst_port: 1 + n as u16 % 4, ..env(Ip::v4([198, 51, 100, client]), ip(n / 4), at) };
            one.row(&e, &update, |row| kept.row(row));
        }
        let text = format!("{n:0160}");
        let e = Envelope { dst_port: 1 + n as u16 % 4, ..env(Ip::v4([198, 51, 100, 0]), ip(n / 4), at) };
        let software = fact(ip(n / 4), "software", text.as_bytes());
        one.row(&e, &software, |row| kept.row(row));
    }
    for n in 0..uses {
        at += 1;
        let e = Envelope { dst_port: 100 + n as u16 % 4, ..env(ip(n / 4), Ip::v4([198, 51, 100, 0]), at) };
        one.row(&e, &update, |row| kept.row(row));
    }
    for n in 0u32.. {
        at += 1;
        let text = format!("machine-{n}.example.org");
        one.row(&env(ip(n % holders), ip(0), at), &fact(ip(n % holders), "fqdn", text.as_bytes()), |row| kept.row(row));
        if n > holders && kept.counters().facts_full > u64::from(holders) {
            break;
        }
    }
    let after = resident();
    assert!(kept.counters().list().iter().filter(|c| ["inventory.facts"].contains(&c.0)).all(|c| c.1 > 0));
    (before, after)
}

fn fact<'a>(about: Ip, key: &'a str, value: &'a [u8]) -> Fact<'a> {
    Fact { ip: Some(about), mac: None, key, value, source: "dns", confidence: 50, hearsay: Flag(true) }
}

/// An engine, and what it found thrown away.
struct Judged {
    engine: Engine,
    one: One,
    findings: Vec<Finding>,
}

impl Judged {
    fn new(config: &Config) -> Self {
        Judged { engine: Engine::new(config.detect.clone()), one: One(Vec::new()), findings: Vec::new() }
    }

    fn take<R: Record>(&mut self, env: &Envelope, record: &R) {
        let Judged { engine, one, findings } = self;
        one.row(env, record, |row| engine.row(row, findings));
        findings.clear();
    }
}

fn entries(table: &str, config: &Config) -> u32 {
    let all = vigie_detect::registry::budgets(config.detect.share);
    all.iter().find(|b| b.name == table).map_or(0, |b| b.entries_max) as u32
}

/// Many users on each pair, from two sources to each server and by each source to two.
fn log_ins(config: &Config) -> (u64, u64) {
    let pairs = entries("detect.brute_force.pairs", config);
    let (before, mut judged) = (resident(), Judged::new(config));
    for n in 0..pairs {
        for user in 0..200 {
            let name = format!("user-{user}");
            let login = Login {
                protocol: "ftp",
                user: Some(name.as_bytes()),
                method: "password",
                outcome: "failure",
                cleartext: true,
                anonymous: false,
                tries: 1,
            };
            let e = Envelope { flow_id: u64::from(n * 200 + user) + 1, ..env(ip(n), ip(1 << 20 | n), u64::from(n)) };
            judged.take(&e, &login);
        }
    }
    (before, resident())
}

fn scans(config: &Config) -> (u64, u64) {
    let of = |name: &str| entries(name, config);
    let (before, mut judged) = (resident(), Judged::new(config));
    let mut flow = 0;
    let mut attempt = |judged: &mut Judged, src: u32, dst: u32, port: u16, outcome: Option<&'static str>| {
        flow += 1;
        let e = Envelope { flow_id: flow, dst_port: port, ..env(ip(src), ip(1 << 20 | dst), flow) };
        let start = FlowStart { client_mac: mac(1), server_mac: mac(2), ttl: 64, tcp_flags: 2, window: 1, tcp_options: b"", payload: 0 };
        judged.take(&e, &start);
        if let Some(state) = outcome {
            judged.take(&e, &FlowUpdate { state, refused: state == "closed", ttl: 64, window: 1, tcp_options: b"" });
        }
    };
    for n in 0..of("detect.scan.answered") {
        attempt(&mut judged, n, n, 443, Some("established"));
    }
    // A source that tries 200 ports of one host each, and finds 200 open.
    for n in 0..of("detect.scan.ports") {
        for port in 0..200 {
            attempt(&mut judged, n, n, 1000 + port, Some("closed"));
            attempt(&mut judged, n, n, 1000 + port, Some("established"));
        }
    }
    for n in 0..of("detect.scan.hosts") {
        for host in 0..200 {
            attempt(&mut judged, 1 << 18 | n, host, 22, Some("closed"));
            attempt(&mut judged, 1 << 18 | n, host, 22, Some("established"));
        }
    }
    for n in 0..of("detect.scan.pending") {
        attempt(&mut judged, n, n, 22, None);
    }
    (before, resident())
}

fn names(config: &Config) -> (u64, u64) {
    let (domains, plain) = (entries("detect.dns_tunnel.domains", config), entries("detect.dns_tunnel.plain", config));
    let (before, mut judged) = (resident(), Judged::new(config));
    let mut ask = |client: u32, name: &str, rrtype: &[u8], at: u64| {
        let queries = [Query { rrname: name.as_bytes(), rrtype, rrname_truncated: Flag(false) }];
        let f = Flag(false);
        let question = DnsMessage {
            version: 3,
            kind: "request",
            tx_id: 0,
            id: 1,
            flags: "0100",
            qr: f,
            aa: f,
            tc: f,
            rd: f,
            ra: f,
            z: f,
            opcode: 0,
            rcode: "NOERROR",
            queries: &queries,
            answers: &[],
            authorities: &[],
            additionals: &[],
            grouped: None,
        };
        judged.take(&env(ip(client), ip(1 << 22), at), &question);
    };
    for n in 0..plain {
        ask(n, "www.example.org", b"A", u64::from(n));
    }
    for n in 0..domains {
        for name in 0..200 {
            ask(n, &format!("{name:060}.tunnel-{n}-of-many.example"), b"TXT", u64::from(n));
        }
    }
    (before, resident())
}

struct Unheard;

impl Out for Unheard {
    fn push<R: Record>(&mut self, _: &Envelope, _: &R) {}
}

fn cases(config: &Config) -> (u64, u64) {
    let [_, alerts] = Cases::budgets(config.detect.share);
    let before = resident();
    let mut kept = Cases::resume(Vec::new(), Vec::new(), config.detect.share);
    let list = |what: &str| Value::List((0..8).map(|n| format!("{what}-{n}-of-a-machine.example.org")).collect());
    for n in 0..alerts.entries_max as u32 {
        let finding = Finding {
            detector: "brute_force",
            template: "pair",
            key: u64::from(n),
            phase: Phase::Open,
            opens_case: true,
            env: env(ip(n), ip(n + 1), u64::from(n)),
            first: Time(START),
            last: Time(START + 1),
            count: 10,
            entities: (0..8)
                .map(|e| Entity { name: Some(format!("machine-{e}.example.org")), ..Entity::ip(Role::Attacker, ip(n / 2 * 16 + e)) })
                .collect(),
            params: vec![("users", list("user")), ("peers", list("peer")), ("hosts", list("host")), ("count", Value::Count(7))],
            reasons: vec![],
            evidence: (0..20).collect(),
        };
        kept.take(&finding, &mut Unheard);
    }
    (before, resident())
}
