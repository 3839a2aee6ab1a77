//! One way to test a detector: records in, the last word on each finding out.

use crate::Settings;
use crate::finding::{Finding, Phase};
use crate::registry::{Engine, template};
use crate::text::{Lang, render};
use vigie_base::Time;
use vigie_dissect::proto::dhcp::DhcpMessage;
use vigie_dissect::proto::dns::{DnsMessage, Query, Resource};
use vigie_dissect::proto::tls::TlsEvent;
use vigie_event::{Batch, Envelope, Flag, Record};

/// Rows pushed one after another, through all detectors.
pub(crate) struct Bench {
    only: &'static str,
    engine: Engine,
    pub(crate) env: Envelope,
    pub(crate) out: Vec<Finding>,
}

impl Bench {
    /// Hears `only` one detector, though all run.
    pub(crate) fn of(only: &'static str) -> Self {
        Bench::with(only, Settings::default())
    }

    pub(crate) fn with(only: &'static str, settings: Settings) -> Self {
        let env = Envelope {
            ts: Time::from_secs(1_000_000),
            flow_id: 1,
            src: "10.0.0.1".parse().unwrap(),
            dst: "10.0.0.2".parse().unwrap(),
            src_port: 40_000,
            dst_port: 80,
            proto: 6,
            ip_version: 4,
            ..Envelope::default()
        };
        Bench { only, engine: Engine::new(settings), env, out: Vec::new() }
    }

    pub(crate) fn flow(&mut self, id: u64) -> &mut Self {
        self.env.flow_id = id;
        self
    }

    pub(crate) fn from(&mut self, ip: &str) -> &mut Self {
        self.env.src = ip.parse().unwrap();
        self
    }

    pub(crate) fn to(&mut self, ip: &str, port: u16) -> &mut Self {
        self.env.dst = ip.parse().unwrap();
        self.env.dst_port = port;
        self
    }

    /// Moves time on by `seconds`.
    pub(crate) fn at(&mut self, seconds: f64) -> &mut Self {
        self.env.ts = self.env.ts.plus((seconds * 1e9) as u64);
        self
    }

    pub(crate) fn push<R: Record>(&mut self, record: &R) -> &mut Self {
        let mut batch = Batch::new(R::schema());
        batch.push(&self.env, record);
        self.engine.row(batch.row(0), &mut self.out);
        self.env.seq += 1;
        self
    }

    /// By the clock it is `clock`, and all that came live at `point` before `upto` was given.
    pub(crate) fn clock(&mut self, clock: Time, point: &str, upto: Time) {
        self.engine.clock(clock, point, upto, &mut self.out);
    }

    /// How often a table was full, by its budget's name.
    pub(crate) fn full(&self, table: &str) -> u64 {
        self.engine.full().into_iter().find(|f| f.0 == table).expect("a budget").1
    }

    /// Ends the input; the last word on each finding, in the order of opening. Holds what is true of every finding.
    pub(crate) fn finish(&mut self) -> Vec<Finding> {
        self.engine.finish(&mut self.out);
        let mut last: Vec<Finding> = Vec::new();
        for f in self.out.drain(..).filter(|f| f.detector == self.only) {
            let words = template(&f).expect("every finding has words");
            for lang in Lang::ALL {
                let w = words.words(lang);
                let texts =
                    [w.title, w.story, w.innocent, w.summary].into_iter().chain(w.checks.iter().copied()).chain(w.actions.iter().copied());
                let texts = texts.chain(f.reasons.iter().map(|r| {
                    assert!(w.reasons.iter().any(|x| x.0 == r.key), "{} has no text for {}", f.detector, r.key);
                    w.reason(r.key)
                }));
                for t in texts {
                    let said = render(t, &f.params, lang);
                    assert!(!said.contains('…') && !said.contains('{'), "{}: a parameter is missing: {said}", f.detector);
                }
            }
            assert!(!f.reasons.is_empty() && !f.entities.is_empty() && f.first <= f.last);
            match last.iter_mut().find(|l| (l.detector, l.key) == (f.detector, f.key)) {
                Some(l) => {
                    assert!(f.phase != Phase::Open && !over(l.phase), "opened once, closed once");
                    *l = f;
                }
                // What was never wrong may be told as well.
                None if f.phase == Phase::Mended => {}
                None => {
                    assert_eq!(f.phase, Phase::Open);
                    last.push(f);
                }
            }
        }
        assert!(last.iter().all(|l| over(l.phase)), "what was opened is closed");
        last
    }
}

/// Whether a finding is at its end.
fn over(phase: Phase) -> bool {
    matches!(phase, Phase::Close | Phase::Mended)
}

/// A DNS answer that says nothing but these.
pub(crate) fn dns_response<'a>(queries: &'a [Query<'a>], answers: &'a [Resource<'a>]) -> DnsMessage<'a> {
    let f = Flag(false);
    DnsMessage {
        version: 3,
        kind: "response",
        tx_id: 0,
        id: 1,
        flags: "8180",
        qr: Flag(true),
        aa: f,
        tc: f,
        rd: f,
        ra: f,
        z: f,
        opcode: 0,
        rcode: "NOERROR",
        queries,
        answers,
        authorities: &[],
        additionals: &[],
        grouped: None,
    }
}

/// A DNS question.
pub(crate) fn dns_request<'a>(questions: &[(&'a [u8], &'a [u8])]) -> DnsMessage<'a> {
    let queries: Vec<Query<'a>> = questions.iter().map(|(n, t)| query(n, t)).collect();
    // Tests only: the record borrows its questions, and a test's memory is small.
    DnsMessage { kind: "request", qr: Flag(false), ..dns_response(queries.leak(), &[]) }
}

/// A question.
pub(crate) fn query<'a>(rrname: &'a [u8], rrtype: &'a [u8]) -> Query<'a> {
    Query { rrname, rrtype, rrname_truncated: Flag(false) }
}

/// A resource record with data.
pub(crate) fn resource<'a>(rrname: &'a [u8], rrtype: &'a [u8], rdata: &'a [u8]) -> Resource<'a> {
    Resource {
        rrname,
        rrtype,
        ttl: 60,
        rdata: Some(rdata),
        rrname_truncated: Flag(false),
        rdata_truncated: Flag(false),
        opt: &[],
        soa: None,
        srv: None,
        sshfp: None,
    }
}

/// A TLS session whose client asked for `sni`.
pub(crate) fn tls(sni: &[u8]) -> TlsEvent<'_> {
    let f = Flag(false);
    TlsEvent {
        subject: None,
        issuerdn: None,
        subjectaltname: &[],
        session_resumed: f,
        serial: None,
        fingerprint: None,
        sni: Some(sni),
        version: "TLS 1.2",
        notbefore: None,
        notafter: None,
        ja3: None,
        ja3s: None,
        ja4: None,
        client_alpns: &[],
        server_alpns: &[],
        client: None,
        from_proto: None,
        cipher_suite: None,
        validity_days: None,
        self_signed: f,
        expired: f,
        not_yet_valid: f,
        certificates: Some(1),
        alert: None,
        alert_from: None,
        ja4_second: None,
        early_data: f,
        sslv2_hello: f,
    }
}

/// A DHCP message that says nothing but its type.
pub(crate) fn dhcp(dhcp_type: &'static str) -> DhcpMessage<'static> {
    let none = vigie_base::Ip::v4([0; 4]);
    DhcpMessage {
        kind: "request",
        id: 1,
        client_mac: b"00:11:22:33:44:55",
        assigned_ip: none,
        client_ip: none,
        relay_ip: None,
        next_server_ip: None,
        dhcp_type: Some(dhcp_type),
        client_id: None,
        hostname: None,
        params: &[],
        requested_ip: None,
        lease_time: None,
        renewal_time: None,
        rebinding_time: None,
        subnet_mask: None,
        routers: &[],
        dns_servers: &[],
        vendor_class_identifier: None,
        server_id: None,
        domain: None,
        fqdn: None,
        fingerprint: None,
        options: &[],
        frame_mac: None,
        message: None,
        wpad: None,
        routes: &[],
        boot_server: None,
        boot_file: None,
        relay_info: None,
    }
}
