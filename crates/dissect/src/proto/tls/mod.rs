//! TLS and SSL over TCP: SSL 3.0 (RFC 6101), TLS 1.0 to 1.2 (RFC 5246), TLS 1.3 (RFC 8446), the SSLv2 form of the first hello.
//!
//! One `tls` event a flow, told as soon as nothing more can be read: in TLS 1.3 with the ServerHello, before it with the end of the
//! server's part (or of the client's, where a certificate is asked of it). At the flow's end a handshake that did not come so far
//! is told under Suricata's condition: there is a certificate, a session ticket, a resumed session or TLS 1.3.
//!
//! Encrypted records are stepped over without being kept; the sizes of the first are told once, as `tls_shape`, and then the flow is
//! done. Assumed: the side that sends a ClientHello is the client, whoever opened the connection. After a gap in a handshake that
//! side is not read any more; a gap inside an encrypted record does no harm.

mod hello;
mod record;
#[cfg(test)]
mod tests;
mod x509;

pub use record::{ClientCertificate, ClientCertificateRow, Fingerprint, FingerprintRow, TlsEvent, TlsEventRow, TlsShape, TlsShapeRow};
pub use x509::validity;

use crate::held::{Held, holds};
use crate::{Cursor, Cx, Info, Match, Next, Probe, Proto, Protocol, Step, Transport};
use vigie_base::Direction;
use vigie_event::{Flag, Out};
use x509::Certificate;

/// Bytes of a record's header.
const HEADER: usize = 5;
/// Longest record (RFC 5246 section 6.2.3: 2^14 and 2048 more).
const RECORD_MAX: usize = 16_384 + 2048;
/// Longest handshake message that is put together; a longer one is stepped over.
const HANDSHAKE_MAX: usize = 64 << 10;
/// Certificates of a chain that are counted.
const CHAIN_MAX: u16 = 32;
/// Encrypted records of each direction whose size is kept.
const SIZES_MAX: usize = 20;
/// Encrypted records, both ways, after which a session's shape is told.
const SHAPE_RECORDS: u16 = 32;
/// Encrypted bytes, both ways, after which it is told.
const SHAPE_BYTES: u64 = 128 << 10;
/// Anomalies told of one flow.
const ANOMALIES_MAX: u8 = 8;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

/// A TLS session.
#[derive(Debug, Default)]
pub struct Tls {
    sides: [Side; 2],
    client: Option<Box<hello::Client>>,
    /// JA4 of a second ClientHello.
    second_ja4: Option<String>,
    server: Option<Box<hello::Server>>,
    certificate: Option<Box<Certificate>>,
    client_certificate: Option<Box<Certificate>>,
    certificates: u16,
    /// Whether the called side sent the ClientHello.
    reversed: bool,
    /// Whether the first hello was of SSLv2's form.
    sslv2: bool,
    /// Whether the client is asked for a certificate.
    asked: bool,
    /// Whether the server went over to its new keys.
    switched: bool,
    told: bool,
    shape_told: bool,
    alert: Option<(Direction, u8)>,
    from: Proto,
    records: u16,
    turns: u16,
    cells: u16,
    bytes: u64,
    speaker: Option<Direction>,
    anomalies: u8,
    /// Size of the client's last heartbeat.
    heartbeat: Option<usize>,
}

/// What one direction keeps.
#[derive(Debug, Default)]
struct Side {
    /// A handshake message that is not whole yet.
    message: Vec<u8>,
    /// Bytes of a handshake message too long to keep.
    discard: usize,
    /// Bytes left of a record that is not read.
    skip: usize,
    /// Whether a record was seen.
    started: bool,
    /// Whether what follows is encrypted.
    encrypted: bool,
    /// Whether the thread is lost (gap, nonsense).
    lost: bool,
    /// Version of the first record.
    version: u16,
    sizes: Vec<u16>,
}

impl Protocol for Tls {
    const INFO: Info = Info {
        name: "tls",
        doc: "Transport Layer Security, SSL 3.0 to TLS 1.3 (RFC 6101, 5246, 8446)",
        transports: &[Transport::Tcp],
        ports: &[443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 5223, 8443, 9443],
        buffer_max: HEADER + RECORD_MAX,
    };

    fn probe(p: &Probe<'_>) -> Match {
        let b = p.bytes;
        match b[0] {
            HANDSHAKE => {}
            ALERT | APPLICATION_DATA => return picked_up(p),
            0x80..=0xff => return sslv2_probe(b),
            _ => return Match::No,
        }
        if b.get(1).is_some_and(|v| *v != 3) || b.get(2).is_some_and(|v| *v > 4) {
            return Match::No;
        }
        let Some(len) = b.get(3..5).map(|l| usize::from(l[0]) << 8 | usize::from(l[1])) else { return Match::Maybe };
        if len == 0 || len > RECORD_MAX {
            // No handshake is empty (RFC 5246 section 6.2.1), but nothing else begins like this either.
            return if len == 0 { Match::Yes } else { Match::No };
        }
        let Some(kind) = b.get(5) else { return Match::Maybe };
        // Hello messages alone begin a session; the other kinds stand where the beginning was missed.
        match kind {
            1 | 2 => match b.get(9) {
                None => Match::Maybe,
                Some(3 | 0x7f) => Match::Yes,
                Some(_) => Match::No,
            },
            0 | 4 | 8 | 11..=16 | 20 | 22 => picked_up(p),
            _ => Match::No,
        }
    }

    fn after(&mut self, from: Proto) {
        self.from = from;
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let side = &mut self.sides[dir.index()];
        if side.lost {
            return Step::go(bytes.len());
        }
        if side.skip > 0 {
            let used = side.skip.min(bytes.len());
            side.skip -= used;
            return Step::go(used);
        }
        if !side.started && bytes[0] & 0x80 != 0 {
            return self.sslv2_hello(cx, dir, bytes);
        }
        let Some(&[kind, major, minor, high, low]) = bytes.first_chunk::<HEADER>() else { return Step::need(HEADER) };
        let len = usize::from(high) << 8 | usize::from(low);
        if !(CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind) {
            return self.nonsense(cx, dir, bytes.len(), "invalid_record_type");
        }
        if !matches!(major, 3 | 0x7f) {
            return self.nonsense(cx, dir, bytes.len(), "invalid_record_version");
        }
        if len > RECORD_MAX {
            return self.nonsense(cx, dir, bytes.len(), "invalid_record_length");
        }
        side.started = true;
        if side.version == 0 {
            side.version = u16::from(major) << 8 | u16::from(minor);
        }
        // In TLS 1.3 encrypted records call themselves application data; what calls itself handshake after the (empty) change of keys
        // is a second ClientHello and its answer.
        let encrypted = side.encrypted && (kind != HANDSHAKE || !self.is_13());
        if kind == APPLICATION_DATA || kind == CHANGE_CIPHER_SPEC || encrypted {
            self.sides[dir.index()].skip = len;
            let done = self.opaque(cx, dir, kind, len);
            return if done { Step::done() } else { Step::go(HEADER) };
        }
        let Some(body) = bytes.get(HEADER..HEADER + len) else { return Step::need(HEADER + len) };
        let done = match kind {
            HANDSHAKE => self.handshake(cx, dir, body),
            ALERT => self.alert(cx, dir, body),
            _ => self.heartbeat(cx, dir, body),
        };
        if done { Step::done() } else { Step::go(HEADER + len) }
    }

    fn gap<O: Out>(&mut self, _: &mut Cx<'_, O>, dir: Direction, len: u64) -> Next {
        let side = &mut self.sides[dir.index()];
        match usize::try_from(len) {
            // Inside a record that is not read: nothing is missed.
            Ok(len) if side.skip >= len => side.skip -= len,
            _ => side.lost = true,
        }
        if self.sides.iter().all(|s| s.lost) { Next::Done } else { Next::Go }
    }

    fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if self.worth_telling() {
            self.tell(cx);
        }
        self.tell_shape(cx);
    }

    fn transactions(&self) -> u32 {
        u32::from(self.client.is_some() || self.server.is_some())
    }

    fn held(&self) -> usize {
        Held::held(self)
    }
}

holds! {
    Tls: { sides, client, second_ja4, server, certificate, client_certificate }
    Side: { message, sizes }
}

/// What a flow that was picked up in the middle looks like: whole records, one behind the other.
fn picked_up(p: &Probe<'_>) -> Match {
    let mut c = Cursor::new(p.bytes);
    let mut whole = 0;
    while let (Some(kind), rest) = (c.u8(), c.rest()) {
        if !(CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind) || rest.first().is_some_and(|v| *v != 3) || rest.get(1).is_some_and(|v| *v > 4)
        {
            return Match::No;
        }
        let Some(len) = c.skip(2).and_then(|()| c.u16()) else { return Match::Maybe };
        if len == 0 || usize::from(len) > RECORD_MAX {
            return Match::No;
        }
        if c.skip(usize::from(len)).is_none() {
            return Match::Maybe;
        }
        whole += 1;
        if whole == 3 {
            return Match::Yes;
        }
    }
    Match::Maybe
}

/// An SSLv2 ClientHello: two bytes of length, 1, a version, three lengths that add up (RFC 6101 appendix E).
fn sslv2_probe(b: &[u8]) -> Match {
    if b.get(2).is_some_and(|v| *v != 1) {
        return Match::No;
    }
    let Some(h) = b.first_chunk::<11>() else { return Match::Maybe };
    let n = |at: usize| usize::from(h[at]) << 8 | usize::from(h[at + 1]);
    let version = matches!((h[3], h[4]), (0, 2) | (3, 0..=4));
    let adds_up = n(5) % 3 == 0 && n(5) > 0 && (16..=32).contains(&n(9)) && (n(0) & 0x7fff) == 9 + n(5) + n(7) + n(9);
    if version && adds_up { Match::Yes } else { Match::No }
}

impl Tls {
    fn client_dir(&self) -> Direction {
        if self.reversed { Direction::ToClient } else { Direction::ToServer }
    }

    fn anomaly<O: Out>(&mut self, cx: &mut Cx<'_, O>, event: &'static str) {
        if self.anomalies < ANOMALIES_MAX {
            self.anomalies += 1;
            cx.anomaly("tls", event, 0);
        }
    }

    /// One direction cannot be read any more.
    fn nonsense<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, len: usize, event: &'static str) -> Step {
        self.anomaly(cx, event);
        self.sides[dir.index()].lost = true;
        if self.sides.iter().all(|s| s.lost) { Step::done() } else { Step::go(len) }
    }

    fn sslv2_hello<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let Some(&[high, low]) = bytes.first_chunk::<2>() else { return Step::need(2) };
        let len = usize::from(high & 0x7f) << 8 | usize::from(low);
        if len > RECORD_MAX {
            return self.nonsense(cx, dir, bytes.len(), "invalid_sslv2_header");
        }
        let Some(body) = bytes.get(2..2 + len) else { return Step::need(2 + len) };
        let mut c = Cursor::new(body);
        match (c.u8(), c.u16()) {
            (Some(1), Some(_)) => {
                self.sslv2 = true;
                self.reversed = dir == Direction::ToClient;
                self.client = Some(Box::default());
            }
            // A ServerHello: session id hit, certificate type, version, then the certificate.
            (Some(4), Some(_)) if self.sslv2 => {
                let read = (|| {
                    let version = c.u16()?;
                    let certificate = c.u16()?;
                    c.skip(4)?;
                    Some((version, c.take(usize::from(certificate))?))
                })();
                if let Some((version, certificate)) = read {
                    self.server = Some(Box::new(hello::Server { version, ..hello::Server::default() }));
                    self.certificate = x509::certificate(certificate).map(Box::new);
                    self.certificates = 1;
                    self.tell(cx);
                }
                return Step::done();
            }
            _ => return self.nonsense(cx, dir, bytes.len(), "invalid_sslv2_header"),
        }
        self.sides[dir.index()].started = true;
        Step::go(2 + len)
    }

    /// A record that cannot be read, and what its being there means. Says whether the flow is done.
    fn opaque<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, kind: u8, len: usize) -> bool {
        let from_client = dir == self.client_dir();
        if kind == HEARTBEAT {
            // A server that answers more than it was asked leaks memory (CVE-2014-0160).
            match self.heartbeat {
                _ if from_client => self.heartbeat = Some(len),
                Some(asked) if len > asked => self.anomaly(cx, "dataleak_heartbeat_mismatch"),
                _ => {}
            }
            return false;
        }
        if kind == CHANGE_CIPHER_SPEC {
            self.sides[dir.index()].encrypted = true;
        }
        let early = self.client.as_ref().is_some_and(|c| c.early_data) && self.server.is_none();
        if !self.told && !early {
            self.switched |= !from_client;
            let waiting = self.asked && self.client_certificate.is_none() && !from_client;
            let retrying = self.server.as_ref().is_some_and(|s| s.retry) && kind == CHANGE_CIPHER_SPEC;
            if self.server.is_some() && !waiting && !retrying {
                self.tell(cx);
            }
        }
        if kind == CHANGE_CIPHER_SPEC || kind == ALERT {
            return false;
        }
        self.shape(cx, dir, len)
    }

    fn is_13(&self) -> bool {
        self.server.as_ref().is_some_and(|s| hello::is_13(s.version))
    }

    /// Takes the size of an encrypted record. Says whether the flow is done.
    fn shape<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, len: usize) -> bool {
        let side = &mut self.sides[dir.index()];
        if side.sizes.len() < SIZES_MAX {
            side.sizes.push(len as u16);
        }
        self.records += 1;
        self.bytes += len as u64;
        if self.speaker != Some(dir) {
            self.turns += u16::from(self.speaker.is_some());
            self.speaker = Some(dir);
        }
        let version = self.server.as_ref().map_or(0, |s| s.version);
        self.cells += u16::from(of_tor_cells(len, version));
        let enough = self.records >= SHAPE_RECORDS || self.bytes >= SHAPE_BYTES;
        if enough && !self.told {
            // The hellos were missed: nothing will come that can be read.
            if self.worth_telling() {
                self.tell(cx);
            }
        }
        enough
    }

    fn alert<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, body: &[u8]) -> bool {
        match body {
            [2, number] => {
                self.alert = Some((dir, *number));
                if self.worth_telling() {
                    self.tell(cx);
                }
                true
            }
            [_, _, ..] => false,
            _ => {
                self.anomaly(cx, "invalid_alert");
                false
            }
        }
    }

    /// A heartbeat in the clear (RFC 6520).
    fn heartbeat<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, body: &[u8]) -> bool {
        let mut c = Cursor::new(body);
        match (c.u8(), c.u16()) {
            (Some(1 | 2), Some(said)) if usize::from(said) > c.left() => self.anomaly(cx, "overflow_heartbeat_message"),
            (Some(1 | 2), Some(_)) => {}
            _ => self.anomaly(cx, "invalid_heartbeat_message"),
        }
        if dir == self.client_dir() {
            self.heartbeat = Some(body.len());
        }
        false
    }

    /// A record of handshake messages, or of parts of them. Says whether the flow is done.
    fn handshake<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, body: &[u8]) -> bool {
        let side = &mut self.sides[dir.index()];
        let dropped = side.discard.min(body.len());
        side.discard -= dropped;
        let body = &body[dropped..];
        if side.message.is_empty() {
            let used = self.messages(cx, dir, body);
            self.sides[dir.index()].message.extend_from_slice(&body[used..]);
        } else {
            let mut held = std::mem::take(&mut side.message);
            held.extend_from_slice(body);
            let used = self.messages(cx, dir, &held);
            held.drain(..used);
            self.sides[dir.index()].message = held;
        }
        self.sides[dir.index()].lost && self.sides[dir.flip().index()].lost
    }

    /// The whole messages at the beginning of `bytes`; gives how many bytes they take.
    fn messages<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(&[kind, a, b, c]) = bytes[at..].first_chunk::<4>() {
            let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            let left = bytes.len() - at - 4;
            if len > HANDSHAKE_MAX {
                self.anomaly(cx, "invalid_handshake_message");
                self.sides[dir.index()].discard = len.saturating_sub(left);
                at += 4 + left.min(len);
                continue;
            }
            let Some(body) = bytes.get(at + 4..at + 4 + len) else { break };
            self.message(cx, dir, kind, body);
            if self.sides[dir.index()].lost {
                return bytes.len();
            }
            at += 4 + len;
        }
        at
    }

    fn message<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, kind: u8, body: &[u8]) {
        match kind {
            1 => {
                let Some(hello) = hello::client(body, false) else { return self.bad_message(cx, dir) };
                if self.client.is_some() {
                    // Sent again as the server asked (RFC 8446 section 4.1.2), or duplicated.
                    self.second_ja4 = hello.ja4;
                    return;
                }
                if let Some(event) = hello.malformed {
                    self.anomaly(cx, event);
                }
                self.reversed = dir == Direction::ToClient;
                self.client = Some(Box::new(hello));
            }
            2 => {
                let Some(hello) = hello::server(body) else { return self.bad_message(cx, dir) };
                match &mut self.server {
                    // The answer to a second ClientHello: only the version may be new.
                    Some(before) if before.retry => (before.version, before.retry) = (hello.version, false),
                    Some(_) => {}
                    none => *none = Some(Box::new(hello)),
                }
                if self.is_13() && self.server.as_ref().is_some_and(|s| !s.retry) {
                    self.tell(cx);
                }
            }
            11 => self.certificates(cx, dir, body),
            13 => self.asked |= dir != self.client_dir(),
            // ServerHelloDone.
            14 if !self.asked => self.tell(cx),
            0 | 3..=6 | 8 | 12 | 14..=16 | 20..=24 | 25 | 67 | 254 => {}
            _ => self.bad_message(cx, dir),
        }
    }

    fn bad_message<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction) {
        self.anomaly(cx, "invalid_handshake_message");
        self.sides[dir.index()].lost = true;
    }

    /// A Certificate message (RFC 5246 section 7.4.2).
    fn certificates<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, body: &[u8]) {
        let mut list = Cursor::new(Cursor::new(body).block24().unwrap_or(&[]));
        let Some(der) = list.block24() else { return };
        let read = x509::certificate(der);
        if read.is_none() {
            self.anomaly(cx, "certificate_invalid_der");
        }
        let slot = if dir == self.client_dir() { &mut self.client_certificate } else { &mut self.certificate };
        if slot.is_none() {
            *slot = read.map(Box::new);
        }
        if dir == self.client_dir() {
            // What the server said is complete; the client has shown who it is.
            self.tell(cx);
        } else {
            self.certificates = 1;
            while self.certificates < CHAIN_MAX && list.block24().is_some() {
                self.certificates += 1;
            }
        }
    }

    /// Suricata's condition for a session's event, widened by completed handshakes without certificate.
    fn worth_telling(&self) -> bool {
        self.certificate.is_some() || self.resumed() || self.is_13() || self.server.is_some() && self.switched
    }

    /// Whether the client brought a ticket, or the server took up its session.
    fn resumed(&self) -> bool {
        let Some(client) = &self.client else { return false };
        client.ticket || self.server.as_ref().is_some_and(|s| !s.session_id.is_empty() && s.session_id == client.session_id)
    }

    fn tell<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let client = self.client.as_deref();
        let server = self.server.as_deref();
        let certificate = self.certificate.as_deref();
        let now = cx.now().secs() as i64;
        let version = hello::version_name(self.version());
        let text = |m: x509::Moment| (m.seconds() != 0).then(|| m.text());
        let (not_before, not_after) = (certificate.and_then(|c| text(c.not_before)), certificate.and_then(|c| text(c.not_after)));
        let (alternatives, client_alpns) = (slices(certificate.map(|c| &c.alternatives)), slices(client.map(|c| &c.alpns)));
        let server_alpns = slices(server.map(|s| &s.alpns));
        let mine = self.client_certificate.as_deref().map(|c| (c, c.not_before.text(), c.not_after.text()));
        cx.push(
            0,
            &TlsEvent {
                subject: certificate.map(|c| &c.subject[..]),
                issuerdn: certificate.map(|c| &c.issuer[..]),
                subjectaltname: &alternatives,
                session_resumed: Flag(certificate.is_none() && server.is_some() && !self.is_13() && self.resumed()),
                serial: certificate.map(|c| &c.serial[..]),
                fingerprint: certificate.map(|c| &c.fingerprint[..]),
                sni: client.map(|c| &c.sni[..]).filter(|s| !s.is_empty()),
                version: &version,
                notbefore: not_before.as_deref(),
                notafter: not_after.as_deref(),
                ja3: client.and_then(|c| c.ja3.as_ref()).map(fingerprint),
                ja3s: server.map(|s| &s.ja3s).filter(|f| !f.hash.is_empty()).map(fingerprint),
                ja4: client.and_then(|c| c.ja4.as_deref()),
                client_alpns: &client_alpns,
                server_alpns: &server_alpns,
                client: mine.as_ref().map(|(c, not_before, not_after)| ClientCertificate {
                    subject: &c.subject,
                    issuerdn: &c.issuer,
                    fingerprint: &c.fingerprint,
                    serial: &c.serial,
                    notbefore: not_before,
                    notafter: not_after,
                }),
                from_proto: Some(self.from.name()).filter(|n| !n.is_empty()),
                cipher_suite: server.map(|s| s.cipher),
                validity_days: certificate.map(|c| c.not_before.days_to(c.not_after)),
                self_signed: Flag(certificate.is_some_and(|c| c.self_signed)),
                expired: Flag(certificate.is_some_and(|c| c.not_after.seconds() < now)),
                not_yet_valid: Flag(certificate.is_some_and(|c| c.not_before.seconds() > now)),
                certificates: Some(self.certificates).filter(|n| *n > 0),
                alert: self.alert.map(|(_, number)| number),
                alert_from: self.alert.map(|(dir, _)| if dir == self.client_dir() { "client" } else { "server" }),
                ja4_second: self.second_ja4.as_deref().filter(|j| client.and_then(|c| c.ja4.as_deref()) != Some(j)),
                early_data: Flag(client.is_some_and(|c| c.early_data)),
                sslv2_hello: Flag(self.sslv2),
            },
        );
        if let Some(name) = certificate.map(|c| &c.common_name[..]).filter(|n| !n.is_empty()) {
            cx.fact(self.client_dir().flip(), "certificate_name", name, "tls", 40);
        }
    }

    /// The version of the session; before the server agrees to one, that of its records, and of the ClientHello's body where it is silent.
    fn version(&self) -> u16 {
        let records = self.sides[self.client_dir().flip().index()].version;
        match (&self.server, &self.client) {
            (Some(s), _) => s.version,
            (None, Some(c)) if records == 0 => c.version,
            _ => records,
        }
    }

    fn tell_shape<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if self.records == 0 || std::mem::replace(&mut self.shape_told, true) {
            return;
        }
        let version = hello::version_name(self.version());
        let client = self.client_dir();
        cx.push(
            0,
            &TlsShape {
                to_server: &self.sides[client.index()].sizes,
                to_client: &self.sides[client.flip().index()].sizes,
                records: self.records,
                turns: self.turns,
                tor_cells: self.cells,
                version: &version,
            },
        );
    }
}

fn slices(list: Option<&Vec<Vec<u8>>>) -> Vec<&[u8]> {
    list.map_or_else(Vec::new, |l| l.iter().map(Vec::as_slice).collect())
}

fn fingerprint(f: &hello::Ja3) -> Fingerprint<'_> {
    Fingerprint { hash: &f.hash, string: Some(&f.string[..]).filter(|s| !s.is_empty()) }
}

/// Whether an encrypted record of `len` bytes holds Tor cells (514 bytes each, 512 in old links) and nothing else.
fn of_tor_cells(len: usize, version: u16) -> bool {
    /// Cells in one record that still count: more cannot be told from bulk data.
    const CELLS_MAX: usize = 8;
    let around: &[usize] = match version {
        // Content type and tag.
        0x0304 => &[17],
        // Explicit nonce and tag of AES-GCM; tag of ChaCha20-Poly1305.
        0x0303 => &[24, 16],
        // CBC with SHA-1 pads one cell to these, without and with an explicit vector.
        _ => return matches!(len, 544 | 560),
    };
    around.iter().any(|a| len.checked_sub(*a).is_some_and(|n| n > 0 && n % 514 == 0 && n / 514 <= CELLS_MAX))
}
