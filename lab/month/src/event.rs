//! Events that wait for their moment, and how they become the engine's records.

use crate::rng::mix;
use crate::world::{DOMAIN, World, v4};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use vigie_base::{Ip, Mac, Time};
use vigie_dissect::proto::arp::Arp;
use vigie_dissect::proto::dhcp::DhcpMessage;
use vigie_dissect::proto::dns::{DnsMessage, Grouped, Query, Resource};
use vigie_dissect::proto::http::HttpExchange;
use vigie_dissect::proto::icmp::{IcmpMessage, IcmpSide};
use vigie_dissect::proto::mdns::{MdnsMessage, MdnsQuery};
use vigie_dissect::proto::ntp::NtpMessage;
use vigie_dissect::proto::smtp::{Email, SmtpMail};
use vigie_dissect::proto::ssh::{Hassh, Peer, SshEvent};
use vigie_dissect::proto::tls::{Fingerprint, TlsEvent};
use vigie_dissect::record::{Fact, FileHttp, FileInfo, Login};
use vigie_event::{Envelope, Flag, NO_TX, Out};
use vigie_flow::record::{FlowEnd, FlowStart, FlowUpdate, TcpEnd};
use vigie_flow::{Key, community};

/// A conversation, as far as all of its events need it.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    /// Its id.
    pub id: u64,
    /// Who asks.
    pub src: Ip,
    /// Who is asked.
    pub dst: Ip,
    /// Source port; of ICMP its type.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Protocol.
    pub proto: u8,
    /// VLAN; 0 for none.
    pub vlan: u16,
    /// Ethernet addresses.
    pub macs: [Mac; 2],
    /// The protocol that is spoken.
    pub app: &'static str,
    /// First packet.
    pub start: Time,
}

impl Talk {
    /// With the id that the engine gives it.
    pub fn named(mut self) -> Self {
        let ports = if self.proto == 1 { (8, 0) } else { (self.src_port, self.dst_port) };
        let key = Key::new(self.src, self.dst, ports.0, ports.1, self.proto, [self.vlan, 0, 0], 0).0;
        self.id = key.flow_id(0, self.start.0);
        self
    }
}

/// How a system's first segment looks: hop limit, window, options.
#[derive(Clone, Copy, Debug)]
pub struct Stack(pub u8, pub u16, pub &'static [u8]);

/// What waits.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// `flow_start`.
    Start { stack: Stack, payload: u32 },
    /// `flow_update` to `established`, or a refusal.
    Update { stack: Stack, refused: bool },
    /// `flow`.
    End(End),
    /// `dns`: a name of the world asked for, or answered with so many addresses from one on (none: no such name).
    Dns { name: u32, id: u16, kind: &'static str, answer: Option<(u32, u8)>, ttl: u32 },
    /// `tls` by a client of a profile; the certificate can be seen where old.
    Tls { name: u32, profile: u8, old: bool, resumed: bool },
    /// `http`.
    Http { name: u32, path: u32, agent: u8, status: u16, length: u64 },
    /// `fileinfo` of the same.
    File { name: u32, path: u32, agent: u8, length: u64 },
    /// `ntp`, and the answer.
    Ntp { answer: bool },
    /// `dhcp` of a device's place.
    Dhcp { asset: u32, kind: &'static str, id: u32 },
    /// What a DHCP message says of a device.
    Lease { asset: u32, key: &'static str },
    /// `arp`, outside of flows.
    Arp { reply: bool, macs: [Mac; 2], ips: [Ip; 2] },
    /// `mdns`: a question for a service.
    Mdns { service: u8 },
    /// `ssh`.
    Ssh { client: u8 },
    /// What the client's or the server's banner says.
    Banner { server: bool },
    /// `login` by SSH.
    Login,
    /// `smtp`.
    Mail { from: u32, to: u32, size: u64 },
    /// A browser names itself.
    Agent { agent: u8 },
    /// `icmp`: one echo, answered.
    Ping { id: u16 },
}

/// What is counted of a flow.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Packets each way.
    pub packets: [u32; 2],
    /// Bytes of frames each way.
    pub bytes: [u64; 2],
    /// Last packet.
    pub last: Time,
    /// `new`, `established`, `closed`.
    pub state: &'static str,
    /// Flags each way, TCP only.
    pub flags: [u8; 2],
    /// State of the connection, TCP only.
    pub tcp: &'static str,
    /// Transactions.
    pub transactions: Option<u32>,
}

/// Browsers, programs and devices, as they name themselves in HTTP.
pub const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Microsoft-Delivery-Optimization/10.0",
    "Windows-Update-Agent/10.0.10011.16384 Client-Protocol/2.70",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Yealink SIP-T46U 108.86.0.20",
];
const AUTHORITIES: [&str; 4] = ["Aurore TLS CA 1", "Borealis DV R3", "Certilis OV G2", "Delta Trust E5"];
const SERVICES: [(&[u8], &str); 4] =
    [(b"_ipp._tcp.local", "ptr"), (b"_googlecast._tcp.local", "ptr"), (b"_airplay._tcp.local", "ptr"), (b"_printer._tcp.local", "ptr")];
const CLIENTS: [&[u8]; 3] = [b"OpenSSH_9.5", b"PuTTY_Release_0.81", b"OpenSSH_9.2p1 Debian-2+deb12u7"];
const SERVER: &[u8] = b"OpenSSH_9.2p1 Debian-2+deb12u7";

#[derive(Clone, Copy, Debug)]
struct Waiting {
    talk: Talk,
    what: What,
}

/// Events that wait, in the order of events.
#[derive(Debug, Default)]
pub struct Queue {
    order: BinaryHeap<Reverse<(Time, u64, u32, u32)>>,
    places: Vec<Waiting>,
    free: Vec<u32>,
}

impl Queue {
    /// Adds one.
    pub fn add(&mut self, at: Time, talk: &Talk, seq: u32, what: What) {
        let waiting = Waiting { talk: *talk, what };
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = waiting;
                place
            }
            None => {
                self.places.push(waiting);
                self.places.len() as u32 - 1
            }
        };
        self.order.push(Reverse((at, talk.id, seq, place)));
    }

    /// Time and flow of the first.
    pub fn first(&self) -> Option<(Time, u64, u32)> {
        self.order.peek().map(|Reverse((at, id, seq, _))| (*at, *id, *seq))
    }

    /// Takes the first out and writes it as the engine does; `frame` is the number of its packet.
    pub fn tell(&mut self, world: &World, frame: u64, out: &mut impl Out) {
        let Some(Reverse((at, _, seq, place))) = self.order.pop() else { return };
        self.free.push(place);
        let Waiting { talk, what } = self.places[place as usize];
        let env = Envelope {
            ts: at,
            flow_id: talk.id,
            seq,
            tx_id: NO_TX,
            frame,
            src: talk.src,
            dst: talk.dst,
            src_port: if talk.proto == 1 { 0 } else { talk.src_port },
            dst_port: talk.dst_port,
            proto: talk.proto,
            ip_version: 4,
            icmp_type: if talk.proto == 1 { 8 } else { 0 },
            icmp_code: 0,
            vlan: [talk.vlan, 0, 0],
            vlans: u8::from(talk.vlan != 0),
            app_proto: talk.app,
            tunnel: "",
        };
        tell(world, &talk, env, &what, out);
    }
}

fn hex<const N: usize>(seed: u64, bytes: usize, buffer: &mut [u8; N]) -> &str {
    let mut at = 0;
    for i in 0..bytes {
        let byte = (mix(seed ^ (i as u64 / 8)) >> (8 * (i % 8))) as u8;
        for digit in [byte >> 4, byte & 15] {
            buffer[at] = b"0123456789abcdef"[usize::from(digit)];
            at += 1;
        }
    }
    std::str::from_utf8(&buffer[..at]).unwrap_or("")
}

fn tell(world: &World, talk: &Talk, mut env: Envelope, what: &What, out: &mut impl Out) {
    match *what {
        What::Start { stack, payload } => {
            env.app_proto = "";
            let tcp = talk.proto == 6;
            out.push(
                &env,
                &FlowStart {
                    client_mac: talk.macs[0],
                    server_mac: talk.macs[1],
                    ttl: stack.0,
                    tcp_flags: if tcp { 2 } else { 0 },
                    window: if tcp { stack.1 } else { 0 },
                    tcp_options: if tcp { stack.2 } else { b"" },
                    payload,
                },
            );
        }
        What::Update { stack, refused } => {
            env.app_proto = "";
            let tcp = talk.proto == 6;
            let state = if refused { "closed" } else { "established" };
            let options = if tcp && !refused { stack.2 } else { b"" };
            out.push(&env, &FlowUpdate { state, refused, ttl: stack.0, window: if tcp { stack.1 } else { 0 }, tcp_options: options });
        }
        What::End(end) => end_of(talk, &env, &end, out),
        What::Dns { name, id, kind, answer, ttl } => dns(world, env, name, id, kind, answer, ttl, out),
        What::Tls { name, profile, old, resumed } => tls(world, env, name, profile, old, resumed, out),
        What::Http { name, path, agent, status, length } => {
            let url = url(path);
            env.tx_id = 0;
            out.push(
                &env,
                &HttpExchange {
                    hostname: Some(world.name(name).as_bytes()),
                    http_port: None,
                    url: Some(url.as_bytes()),
                    http_user_agent: Some(AGENTS[usize::from(agent)].as_bytes()),
                    xff: None,
                    http_content_type: Some(if length > 100_000 { b"application/octet-stream" } else { b"text/html" }),
                    content_range: None,
                    http_refer: None,
                    http_method: Some(b"GET"),
                    protocol: Some(b"HTTP/1.1"),
                    status: Some(status),
                    status_string: None,
                    redirect: None,
                    length,
                    request_length: None,
                    entity_length: None,
                    request_content_type: None,
                    content_encoding: None,
                    server: Some(b"nginx"),
                    upgrade: None,
                    auth: None,
                    incomplete: Flag(false),
                },
            );
        }
        What::File { name, path, agent, length } => file(world, env, name, path, agent, length, out),
        What::Ntp { answer } => {
            if answer {
                env = env.flipped();
            }
            out.push(
                &env,
                &NtpMessage {
                    version: 4,
                    mode: if answer { 4 } else { 3 },
                    stratum: Some(if answer { 2 } else { 0 }),
                    reference_id: Some(if answer { 0xc612_0001 } else { 0 }),
                    reference: answer.then_some(b"198.18.0.1"),
                    leap: 0,
                    offset_ms: answer.then_some(0),
                    key_id: None,
                    mac: None,
                    operation: None,
                    length: 48,
                },
            );
        }
        What::Dhcp { asset, kind, id } => dhcp(world, env, asset, kind, id, out),
        What::Lease { asset, key } => {
            let device = world.asset(asset);
            let mut address = Vec::new();
            device.ip.write(&mut address);
            let value: &[u8] = match key {
                "hostname" => world.name(device.name).as_bytes(),
                "dhcp_fingerprint" => FINGERPRINT.as_bytes(),
                "dhcp_vendor_class" => b"MSFT 5.0",
                _ => &address,
            };
            let (ip, confidence) = if key == "lease" { (Some(device.ip), 95) } else { (None, 80) };
            let mac = Some(device.mac);
            out.push(&env, &Fact { ip, mac, key, value, source: "dhcp", confidence, hearsay: Flag(false) });
        }
        What::Arp { reply, macs, ips } => {
            let env =
                Envelope { ts: env.ts, seq: env.frame as u32, frame: env.frame, vlan: env.vlan, vlans: env.vlans, ..Envelope::default() };
            out.push(
                &env,
                &Arp {
                    hw_type: "ethernet",
                    proto_type: "ipv4",
                    opcode: if reply { b"reply" } else { b"request" },
                    src_mac: macs[0],
                    src_ip: ips[0],
                    dest_mac: if reply { macs[1] } else { Mac::ZERO },
                    dest_ip: ips[1],
                    frame_mac: None,
                },
            );
            if reply {
                let mut value = Vec::new();
                ips[0].write(&mut value);
                out.push(
                    &env,
                    &Fact {
                        ip: Some(ips[0]),
                        mac: Some(macs[0]),
                        key: "neighbour",
                        value: &value,
                        source: "arp",
                        confidence: 80,
                        hearsay: Flag(false),
                    },
                );
            }
        }
        What::Mdns { service } => {
            let (rrname, rrtype) = SERVICES[usize::from(service)];
            out.push(
                &env,
                &MdnsMessage {
                    kind: "request",
                    id: 0,
                    flags: &[],
                    opcode: 0,
                    rcode: 0,
                    queries: &[MdnsQuery { rrname, rrtype, rrname_truncated: Flag(false) }],
                    answers: &[],
                    authorities: &[],
                    additionals: &[],
                },
            );
        }
        What::Ssh { client } => {
            let peer = |software_version, hash| Peer { proto_version: b"2.0", software_version, hassh: Some(Hassh { hash, string: None }) };
            let mut buffers = [[0; 32]; 2];
            let [a, b] = &mut buffers;
            let (mine, theirs) = (hex(0x55a0 + u64::from(client), 16, a), hex(0x55b0, 16, b));
            env.tx_id = NO_TX;
            out.push(
                &env,
                &SshEvent {
                    client: Some(peer(CLIENTS[usize::from(client)], mine)),
                    server: Some(peer(SERVER, theirs)),
                    kex: Some(b"curve25519-sha256"),
                    cipher: Some(b"chacha20-poly1305@openssh.com"),
                    host_key: Some(b"ssh-ed25519"),
                    reversed: Flag(false),
                },
            );
        }
        What::Banner { server } => {
            let (ip, key, value) = if server { (env.dst, "software", SERVER) } else { (env.src, "client_software", CLIENTS[0]) };
            out.push(&env, &Fact { ip: Some(ip), mac: None, key, value, source: "ssh", confidence: 80, hearsay: Flag(false) });
        }
        What::Login => out.push(
            &env,
            &Login { protocol: "ssh", user: None, method: "shape", outcome: "success", cleartext: false, anonymous: false, tries: 1 },
        ),
        What::Mail { from, to, size } => mail(world, env, from, to, size, out),
        What::Ping { id } => {
            let side = IcmpSide { messages: 1, bytes: 56, min: 56, max: 56, distinct: 1, entropy: 5.8 };
            out.push(
                &Envelope { app_proto: "", frame: 0, ..env },
                &IcmpMessage {
                    phase: "end",
                    kind: 8,
                    code: 0,
                    first: talk.start,
                    id: Some(id),
                    seq_first: Some(1),
                    seq_last: Some(1),
                    seq_min: Some(1),
                    seq_max: Some(1),
                    to_server: side,
                    to_client: side,
                    echoed: 1,
                    changed: 0,
                    unasked: 0,
                    router: None,
                    gateway: None,
                    destination: None,
                },
            );
        }
        What::Agent { agent } => out.push(
            &env,
            &Fact {
                ip: Some(env.src),
                mac: None,
                key: "user_agent",
                value: AGENTS[usize::from(agent)].as_bytes(),
                source: "http",
                confidence: 60,
                hearsay: Flag(false),
            },
        ),
    }
}

fn end_of(talk: &Talk, env: &Envelope, end: &End, out: &mut impl Out) {
    let all = end.flags[0] | end.flags[1];
    let mut texts = [[0u8; 2]; 3];
    for (text, flags) in texts.iter_mut().zip([all, end.flags[0], end.flags[1]]) {
        *text = [b"0123456789abcdef"[usize::from(flags >> 4)], b"0123456789abcdef"[usize::from(flags & 15)]];
    }
    let [tcp_flags, tcp_flags_ts, tcp_flags_tc] = texts.each_ref().map(|t| std::str::from_utf8(t).unwrap_or(""));
    let has = |bit: u8| Flag(all & bit != 0);
    let icmp = talk.proto == 1;
    let mut community_id = String::new();
    community::id(talk.src, talk.dst, env.src_port, env.dst_port, talk.proto, icmp.then_some((8, 0)), &mut community_id);
    out.push(
        &Envelope { frame: 0, app_proto: if icmp { "" } else { env.app_proto }, ..*env },
        &FlowEnd {
            pkts_toserver: end.packets[0],
            pkts_toclient: end.packets[1],
            bytes_toserver: end.bytes[0],
            bytes_toclient: end.bytes[1],
            start: talk.start,
            end: end.last,
            age: end.last.secs() - talk.start.secs(),
            state: end.state,
            reason: "timeout",
            alerted: false,
            tx_cnt: end.transactions,
            app_proto_orig: None,
            tcp: (talk.proto == 6).then_some(TcpEnd {
                tcp_flags,
                tcp_flags_ts,
                tcp_flags_tc,
                fin: has(1),
                syn: has(2),
                rst: has(4),
                psh: has(8),
                ack: has(16),
                urg: Flag(false),
                ecn: Flag(false),
                cwr: Flag(false),
                state: end.tcp,
            }),
            response_icmp_type: (icmp && end.packets[1] > 0).then_some(0),
            response_icmp_code: (icmp && end.packets[1] > 0).then_some(0),
            community_id: &community_id,
            app_proto: None,
            tunnel: None,
            client_mac: Some(talk.macs[0]),
            server_mac: Some(talk.macs[1]),
            gap_bytes: None,
            midstream: Flag(false),
            unreachable: Flag(false),
        },
    );
}

#[allow(clippy::too_many_arguments)]
fn dns(w: &World, env: Envelope, name: u32, id: u16, kind: &'static str, answer: Option<(u32, u8)>, ttl: u32, out: &mut impl Out) {
    let short;
    let name = match w.name(name) {
        n if n.contains('.') => n,
        n => {
            short = format!("{n}.{DOMAIN}");
            &short
        }
    };
    let rrname = name.as_bytes();
    let queries = [Query { rrname, rrtype: b"A", rrname_truncated: Flag(false) }];
    let response = kind == "response";
    let mut texts = Vec::new();
    for n in 0..answer.map_or(0, |a| a.1) {
        let mut text = Vec::new();
        v4(answer.map_or(0, |a| a.0) + u32::from(n)).write(&mut text);
        texts.push(text);
    }
    let answers: Vec<Resource<'_>> = texts
        .iter()
        .map(|t| Resource {
            rrname,
            rrname_truncated: Flag(false),
            rrtype: b"A",
            ttl,
            rdata: Some(t),
            rdata_truncated: Flag(false),
            soa: None,
            srv: None,
            sshfp: None,
            opt: &[],
        })
        .collect();
    let a: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let grouped = Grouped { a: &a, aaaa: &[], cname: &[], mx: &[], ns: &[], ptr: &[], txt: &[], null: &[], soa: &[], srv: &[], sshfp: &[] };
    let missing = response && answers.is_empty();
    out.push(
        &if response { env.flipped() } else { env },
        &DnsMessage {
            version: 3,
            kind,
            tx_id: u32::from(response),
            id,
            flags: match (response, missing) {
                (false, _) => "0100",
                (true, false) => "8180",
                (true, true) => "8183",
            },
            qr: Flag(response),
            aa: Flag(false),
            tc: Flag(false),
            rd: Flag(true),
            ra: Flag(response),
            z: Flag(false),
            opcode: 0,
            rcode: if missing { "NXDOMAIN" } else { "NOERROR" },
            queries: &queries,
            answers: &answers,
            authorities: &[],
            additionals: &[],
            grouped: (!answers.is_empty()).then_some(grouped),
        },
    );
}

fn tls(world: &World, mut env: Envelope, name: u32, profile: u8, old: bool, resumed: bool, out: &mut impl Out) {
    let sni = world.name(name);
    let n = u64::from(name);
    let mut buffers = [[0u8; 64]; 8];
    let [ja3, ja3s, a, b, serial, print, _, _] = &mut buffers;
    let (ja3, ja3s) = (hex(0x7150 + u64::from(profile), 16, ja3), hex(0x7250 + u64::from(old) * 7 + n % 9, 16, ja3s));
    let ja4 = format!("t13d1516h2_{}_{}", hex(0x7350 + u64::from(profile), 6, a), hex(0x7450 + u64::from(profile), 6, b));
    let certificate = old && !resumed;
    let subject = format!("CN={sni}");
    let authority = format!("C=FR, O={0}, CN={0}", AUTHORITIES[(n % 4) as usize]);
    let mut fingerprint = String::new();
    for (i, pair) in hex(n ^ 0x7550, 20, print).as_bytes().chunks(2).enumerate() {
        fingerprint.push_str(if i > 0 { ":" } else { "" });
        fingerprint.push_str(std::str::from_utf8(pair).unwrap_or(""));
    }
    let serial = hex(n ^ 0x7650, 16, serial).to_uppercase();
    let day = 1 + n % 28;
    let (notbefore, notafter) = (format!("2026-0{}-{day:02}T00:00:00", 3 + n % 6), format!("2027-0{}-{day:02}T23:59:59", 3 + n % 6));
    let alternatives = [sni.as_bytes()];
    env.tx_id = NO_TX;
    out.push(
        &env,
        &TlsEvent {
            subject: certificate.then_some(subject.as_bytes()),
            issuerdn: certificate.then_some(authority.as_bytes()),
            subjectaltname: if certificate { &alternatives } else { &[] },
            session_resumed: Flag(old && resumed),
            serial: certificate.then_some(&serial),
            fingerprint: certificate.then_some(&fingerprint),
            sni: Some(sni.as_bytes()),
            version: if old { "TLS 1.2" } else { "TLS 1.3" },
            notbefore: certificate.then_some(&notbefore),
            notafter: certificate.then_some(&notafter),
            ja3: Some(Fingerprint { hash: ja3, string: None }),
            ja3s: Some(Fingerprint { hash: ja3s, string: None }),
            ja4: Some(&ja4),
            client_alpns: &[b"h2", b"http/1.1"],
            server_alpns: &[],
            client: None,
            from_proto: None,
            cipher_suite: Some(if old { 0xc02f } else { 0x1301 }),
            validity_days: certificate.then_some(365),
            self_signed: Flag(false),
            expired: Flag(false),
            not_yet_valid: Flag(false),
            certificates: certificate.then_some(2),
            alert: None,
            alert_from: None,
            ja4_second: None,
            early_data: Flag(false),
            sslv2_hello: Flag(false),
        },
    );
}

/// The path of a thing on a site: packages of updates have their name in it.
fn url(path: u32) -> String {
    let mut name = [0; 64];
    format!("/{}/{}.bin", ["paquets", "correctifs", "listes"][path as usize % 3], hex(u64::from(path), 8, &mut name))
}

fn file(world: &World, env: Envelope, name: u32, path: u32, agent: u8, length: u64, out: &mut impl Out) {
    let url = url(path);
    let mut buffers = [[0u8; 64]; 3];
    let [md5, sha1, sha256] = &mut buffers;
    let n = u64::from(path);
    let (md5, sha1, sha256) = (hex(n ^ 0x11, 16, md5), hex(n ^ 0x1111, 20, sha1), hex(n ^ 0x11_1111, 32, sha256));
    out.push(
        &env,
        &FileInfo {
            http: Some(FileHttp {
                hostname: Some(world.name(name).as_bytes()),
                url: Some(url.as_bytes()),
                http_user_agent: Some(AGENTS[usize::from(agent)].as_bytes()),
                http_content_type: Some(b"application/octet-stream"),
                http_method: Some(b"GET"),
                protocol: Some(b"HTTP/1.1"),
                status: Some(200),
                length,
                ..FileHttp::default()
            }),
            smtp: None,
            email: None,
            filename: url.as_bytes(),
            gaps: false,
            state: "CLOSED",
            md5: Some(md5),
            sha1: Some(sha1),
            sha256: Some(sha256),
            stored: false,
            size: length,
            start: None,
            end: None,
            tx_id: 0,
            file_type: None,
        },
    );
}

const FINGERPRINT: &str = "1,3,6,15,31,33,43,44,46,47,119,121,249,252";
const PARAMS: [&str; 4] = ["subnet_mask", "router", "dns_server", "domain"];

fn dhcp(world: &World, env: Envelope, asset: u32, kind: &'static str, id: u32, out: &mut impl Out) {
    let device = world.asset(asset);
    let building = &world.buildings[usize::from(device.building)];
    let reply = kind == "ack";
    let mac = device.mac.to_string();
    let server = world.asset(world.server_of(crate::world::Role::Domain, 0)).ip;
    let dns = [server];
    let routers = [building.router];
    let env = if reply { env.flipped() } else { env };
    out.push(
        &env,
        &DhcpMessage {
            kind: if reply { "reply" } else { "request" },
            id,
            client_mac: mac.as_bytes(),
            assigned_ip: if reply { device.ip } else { Ip::v4([0; 4]) },
            client_ip: Ip::v4([0; 4]),
            relay_ip: reply.then_some(building.router),
            next_server_ip: reply.then_some(Ip::v4([0; 4])),
            dhcp_type: Some(kind),
            client_id: (!reply).then_some(mac.as_bytes()),
            hostname: (!reply).then_some(world.name(device.name).as_bytes()),
            params: if reply { &[] } else { &PARAMS },
            requested_ip: (!reply).then_some(device.ip),
            lease_time: reply.then_some(86_400),
            renewal_time: reply.then_some(43_200),
            rebinding_time: reply.then_some(75_600),
            subnet_mask: reply.then_some(Ip::v4([255, 255, 248, 0])),
            routers: if reply { &routers } else { &[] },
            dns_servers: if reply { &dns } else { &[] },
            vendor_class_identifier: (!reply).then_some(b"MSFT 5.0"),
            server_id: reply.then_some(server),
            domain: reply.then_some(DOMAIN.as_bytes()),
            fqdn: None,
            fingerprint: (!reply).then_some(FINGERPRINT.as_bytes()),
            options: if reply { &[53, 54, 51, 58, 59, 1, 3, 6, 15] } else { &[53, 61, 50, 12, 60, 55] },
            frame_mac: None,
            message: None,
            wpad: None,
            routes: &[],
            boot_server: None,
            boot_file: None,
            relay_info: None,
        },
    );
}

fn mail(world: &World, mut env: Envelope, from: u32, to: u32, size: u64, out: &mut impl Out) {
    let site = |n: u32| world.name(world.sites[n as usize % world.sites.len()].name);
    let from = format!("contact{}@{}", from % 50, site(from));
    let to = format!("agent{:05}@{DOMAIN}", to % 20_000);
    let id = format!("<{:016x}@{}>", mix(env.flow_id), DOMAIN);
    env.tx_id = 0;
    let to = [to.as_bytes()];
    out.push(
        &env,
        &SmtpMail {
            helo: Some(from.rsplit('@').next().unwrap_or("").as_bytes()),
            mail_from: Some(from.as_bytes()),
            rcpt_to: &to,
            email: Some(Email {
                status: "PARSE_DONE",
                from: Some(from.as_bytes()),
                to: &to,
                cc: &[],
                subject: Some(b"Votre demande"),
                date: None,
                message_id: Some(id.as_bytes()),
                reply_to: None,
                x_mailer: None,
                user_agent: None,
                x_originating_ip: None,
                attachment: &[],
                url: &[],
            }),
            reply_code: Some(250),
            reply: None,
            size: Some(size),
            recipients: Some(1),
            user: None,
        },
    );
}
