//! SSH (RFC 4253; HASSH, BSD-3-Clause), with the outcome of its log-ins by the session's shape ([`shape`]).
//!
//! One `ssh` event a flow: when a side takes its new keys, or at the end with what is known (banners alone, one side
//! alone, protocol 1). Assumed: the opener is the client, as long as the flow says so. Of the key exchange only the offers are read;
//! after the new keys bytes are counted until the log-in's outcome is certain, told as one `login` of method `shape`.

mod record;
mod shape;
#[cfg(test)]
mod tests;

pub use record::{Hassh, Peer, SshEvent};

use crate::held::{Held, holds};
use crate::record::Login;
use crate::{Cursor, Cx, Info, Match, Next, Probe, Protocol, Step, Transport};
use md5::{Digest, Md5};
use shape::{Framing, Outcome, Shape};
use vigie_base::Direction;
use vigie_event::{Flag, Out};

/// Longest banner line (RFC 4253 section 4.2, the end of line included).
const BANNER_MAX: usize = 255;
/// Lines a server may send before its banner.
const LINES_MAX: u8 = 32;
/// Longest packet before the new keys (RFC 4253 section 6.1).
const PACKET_MAX: usize = 35_000;
/// Bytes kept of a HASSH string; a longer one keeps only its hash.
const HASSH_MAX: usize = 4096;

/// First words of a server that turns clients away.
const REFUSALS: [&[u8]; 2] = [b"Exceeded MaxStartups\r\n", b"Not allowed at this time\r\n"];

const KEXINIT: u8 = 20;
const NEWKEYS: u8 = 21;
/// SSH_MSG_KEXDH_INIT and its like: the client's part, whichever method is used.
const KEX_INIT: u8 = 30;
/// SSH_MSG_KEX_DH_GEX_REQUEST.
const KEX_GROUP_REQUEST: u8 = 34;

/// An SSH session.
#[derive(Debug, Default)]
pub struct Ssh {
    sides: [Side; 2],
    told: bool,
    /// Once both have new keys, or one has and speaks.
    shape: Option<Box<Shape>>,
    shape_told: bool,
    /// Whether the side that was called acts as the client (a session turned round, to pass a firewall).
    reversed: bool,
}

/// What one direction keeps.
#[derive(Debug, Default)]
struct Side {
    /// `2.0`.
    version: Vec<u8>,
    /// Name and version of the software.
    software: Vec<u8>,
    /// Whether the banner was read.
    banner: bool,
    /// Lines before it.
    lines: u8,
    /// A line too long is being dropped: its beginning.
    dropping: Option<Vec<u8>>,
    offer: Option<Box<Offer>>,
    /// Bytes left of a packet that is not read.
    skip: usize,
    /// Whether its packets are encrypted.
    encrypted: bool,
}

/// What a side offers for the key exchange (RFC 4253 section 7.1), by HASSH's choice of lists.
#[derive(Debug)]
struct Offer {
    hassh: String,
    hash: String,
    /// Key exchange, host key, cipher, MAC and compression of each direction: the name lists in their order.
    lists: [Vec<u8>; 8],
}

impl Protocol for Ssh {
    const INFO: Info = Info {
        name: "ssh",
        doc: "Secure Shell (RFC 4251 to 4254)",
        transports: &[Transport::Tcp],
        ports: &[22, 2222],
        buffer_max: PACKET_MAX + 4,
    };

    fn probe(p: &Probe<'_>) -> Match {
        // What OpenSSH says instead of its banner when it is overrun.
        if p.dir == Direction::ToClient && REFUSALS.iter().any(|r| p.bytes.starts_with(r)) {
            return Match::Yes;
        }
        if p.dir == Direction::ToClient && REFUSALS.iter().any(|r| r.starts_with(p.bytes)) {
            return Match::Maybe;
        }
        let start = &p.bytes[..p.bytes.len().min(4)];
        if start != &b"SSH-"[..start.len()] {
            return Match::No;
        }
        match p.bytes.get(4) {
            Some(b'1' | b'2') => Match::Yes,
            Some(_) => Match::No,
            None => Match::Maybe,
        }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let side = &mut self.sides[dir.index()];
        if !side.banner {
            return self.banner(cx, dir, bytes);
        }
        if side.skip > 0 {
            let used = side.skip.min(bytes.len());
            side.skip -= used;
            return Step::go(used);
        }
        if side.encrypted {
            return self.encrypted(cx, dir, bytes);
        }
        let Some(&[a, b, c, d, _, code]) = bytes.first_chunk::<6>() else { return Step::need(6) };
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(2..=PACKET_MAX).contains(&len) {
            return Step::give_up("invalid_record");
        }
        match code {
            KEXINIT => {
                let Some(packet) = bytes.get(4..4 + len) else { return Step::need(4 + len) };
                let side = &mut self.sides[dir.index()];
                if side.offer.is_none() {
                    side.offer = offer(packet, dir).map(Box::new);
                }
                Step::go(4 + len)
            }
            NEWKEYS => {
                self.tell(cx);
                let side = &mut self.sides[dir.index()];
                side.encrypted = true;
                side.skip = len - 2;
                Step::go(6)
            }
            _ => {
                side.skip = len - 2;
                self.reversed |= dir == Direction::ToClient && matches!(code, KEX_INIT | KEX_GROUP_REQUEST);
                Step::go(6)
            }
        }
    }

    fn gap<O: Out>(&mut self, _: &mut Cx<'_, O>, dir: Direction, len: u64) -> Next {
        let side = &mut self.sides[dir.index()];
        match usize::try_from(len) {
            Ok(n) if side.skip >= n && side.skip > 0 => side.skip -= n,
            _ if side.encrypted => {
                side.skip = 0;
                let role = if self.reversed { dir.flip() } else { dir };
                if let Some(shape) = &mut self.shape {
                    shape.gap(role, len);
                }
            }
            // Where the new keys begin cannot be told any more.
            _ => return Next::Done,
        }
        Next::Go
    }

    fn end<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, rest: &[u8]) {
        // A banner that its end of line never followed.
        let side = &mut self.sides[dir.index()];
        let line = side.dropping.as_deref().unwrap_or(&rest[..rest.len().min(BANNER_MAX)]).to_vec();
        if !side.banner && side.read_banner(&line) {
            self.say(cx, dir, &line);
        }
    }

    fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        self.tell(cx);
        self.tell_login(cx, true);
    }

    fn transactions(&self) -> u32 {
        1
    }

    fn held(&self) -> usize {
        Held::held(self)
    }
}

holds! {
    Ssh: { sides, shape }
    Side: { version, software, dropping, offer }
    Offer: { hassh, hash, lists }
}

impl Side {
    /// Reads `SSH-2.0-Software comments`; says whether it is one.
    fn read_banner(&mut self, line: &[u8]) -> bool {
        let Some(rest) = line.strip_prefix(b"SSH-") else { return false };
        let Some(dash) = rest.iter().position(|b| *b == b'-') else { return false };
        let software = &rest[dash + 1..];
        let end = software.iter().position(|b| matches!(b, b' ' | b'\r' | b'\n')).unwrap_or(software.len());
        self.version = rest[..dash].to_vec();
        self.software = software[..end].to_vec();
        self.banner = true;
        true
    }
}

impl Ssh {
    fn banner<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let side = &mut self.sides[dir.index()];
        let Some(lf) = bytes.iter().take(PACKET_MAX).position(|b| *b == b'\n') else {
            if side.dropping.is_some() {
                return Step::go(bytes.len());
            }
            if bytes.len() <= BANNER_MAX {
                return Step::go(0);
            }
            side.dropping = Some(bytes[..BANNER_MAX].to_vec());
            return Step::go(bytes.len());
        };
        let (line, used) = (bytes[..lf].strip_suffix(b"\r").unwrap_or(&bytes[..lf]), lf + 1);
        let beginning = side.dropping.take();
        let long = beginning.is_some() || line.len() > BANNER_MAX;
        let line = beginning.as_deref().unwrap_or(&line[..line.len().min(BANNER_MAX)]);
        if side.read_banner(line) {
            if long {
                cx.anomaly("ssh", "long_banner", 0);
            }
            return self.after_banner(cx, dir, line, used);
        }
        side.lines += 1;
        if dir == Direction::ToServer || line.starts_with(b"SSH-") || side.lines > LINES_MAX {
            return Step::give_up("invalid_banner");
        }
        Step::go(used)
    }

    fn after_banner<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, line: &[u8], used: usize) -> Step {
        self.say(cx, dir, line);
        // Protocol 1 has other packets: its banners are all that is read.
        let old = |s: &Side| s.version.starts_with(b"1.") && s.version != b"1.99";
        let both = self.sides.iter().all(|s| s.banner);
        if both && self.sides.iter().any(old) {
            return Step { used, next: Next::Done };
        }
        if old(&self.sides[dir.index()]) {
            self.sides[dir.index()].skip = usize::MAX;
        }
        Step::go(used)
    }

    /// What a banner says of a machine.
    fn say<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, line: &[u8]) {
        let Some(text) = line.splitn(3, |b| *b == b'-').nth(2).map(<[u8]>::trim_ascii).filter(|t| !t.is_empty()) else { return };
        cx.fact(dir, if dir == Direction::ToClient { "software" } else { "client_software" }, text, "ssh", 80);
        if let Some(os) = system(text) {
            cx.fact(dir, "os", os.as_bytes(), "ssh", 70);
        }
    }

    fn encrypted<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        let dir = self.role(dir);
        if self.shape.is_none() {
            let (to_server, to_client) = self.framing();
            self.shape = Some(Box::new(Shape::new(to_server, to_client)));
        }
        if self.shape.as_mut().is_some_and(|s| s.data(dir, bytes)) {
            self.tell_login(cx, false);
            return Step::done();
        }
        Step::go(bytes.len())
    }

    /// How packets look under the negotiated algorithms, from the client and from the server.
    fn framing(&self) -> (Option<Framing>, Option<Framing>) {
        let of = |cipher: usize, mac: usize, compression: usize| {
            let cipher = self.agreed(cipher)?;
            let framing = Framing::of(cipher, self.agreed(mac).unwrap_or(b""))?;
            (self.agreed(compression)? != b"zlib").then_some(framing)
        };
        (of(2, 4, 6), of(3, 5, 7))
    }

    /// In which direction a side's bytes go, seen from the one that acts as the client.
    fn role(&self, dir: Direction) -> Direction {
        if self.reversed { dir.flip() } else { dir }
    }

    /// The first of the client's list that the server has too (RFC 4253 section 7.1).
    fn agreed(&self, list: usize) -> Option<&[u8]> {
        let [mut client, mut server] = [&self.sides[0], &self.sides[1]];
        if self.reversed {
            std::mem::swap(&mut client, &mut server);
        }
        let (client, server) = (client.offer.as_ref()?, server.offer.as_ref()?);
        client.lists[list].split(|b| *b == b',').find(|n| server.lists[list].split(|b| *b == b',').any(|m| m == *n))
    }

    fn tell<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        if self.sides.iter().all(|s| s.version.is_empty()) || std::mem::replace(&mut self.told, true) {
            return;
        }
        let [client, server] = [0, 1].map(|i| {
            let s = &self.sides[i];
            let hassh = s.offer.as_ref().map(|o| Hassh { hash: &o.hash, string: Some(o.hassh.as_bytes()).filter(|s| !s.is_empty()) });
            (!s.version.is_empty()).then_some(Peer { proto_version: &s.version, software_version: &s.software, hassh })
        });
        let (kex, host_key, cipher) = (self.agreed(0), self.agreed(1), self.agreed(2));
        cx.push(0, &SshEvent { client, server, kex, cipher, host_key, reversed: Flag(self.reversed) });
    }

    fn tell_login<O: Out>(&mut self, cx: &mut Cx<'_, O>, over: bool) {
        if std::mem::replace(&mut self.shape_told, true) {
            return;
        }
        let Some((outcome, tries)) = self.shape.as_mut().and_then(|s| s.outcome(over)) else { return };
        let outcome = match outcome {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::Unknown => "unknown",
        };
        let login = Login { protocol: "ssh", user: None, method: "shape", outcome, cleartext: false, anonymous: false, tries };
        cx.push_from(self.role(Direction::ToServer), vigie_event::NO_TX, &login);
    }
}

/// Reads a KEXINIT packet (from its padding length on) sent in `dir`.
fn offer(packet: &[u8], dir: Direction) -> Option<Offer> {
    let mut c = Cursor::new(packet);
    // Padding length, code, cookie.
    c.skip(1 + 1 + 16)?;
    let mut lists: [Vec<u8>; 8] = Default::default();
    for list in &mut lists {
        let len = c.u32()?;
        *list = c.take(len as usize)?.to_vec();
    }
    // Ciphers, MACs and compressions of the direction in which this side sends.
    let of = usize::from(dir == Direction::ToClient);
    let text = [&lists[0][..], &lists[2 + of], &lists[4 + of], &lists[6 + of]].join(&b';');
    let mut hash = Vec::with_capacity(32);
    vigie_base::text::hex(&Md5::digest(&text), &mut hash);
    let hassh = if text.len() > HASSH_MAX { String::new() } else { String::from_utf8_lossy(&text).into_owned() };
    Some(Offer { hassh, hash: String::from_utf8(hash).unwrap_or_default(), lists })
}

/// The operating system that a banner names.
fn system(banner: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(banner);
    if let Some((_, release)) = text.split_once("+deb")
        && let Some(n) = release.split(|c: char| !c.is_ascii_digit()).next().filter(|n| !n.is_empty())
    {
        return Some(format!("Debian {n}"));
    }
    const NAMES: &[(&str, &str)] = &[
        ("Raspbian", "Raspbian"),
        ("Ubuntu", "Ubuntu"),
        ("Debian", "Debian"),
        ("FreeBSD", "FreeBSD"),
        ("NetBSD", "NetBSD"),
        ("for_Windows", "Windows"),
        ("Cisco", "Cisco IOS"),
        ("ROSSSH", "MikroTik RouterOS"),
        ("HUAWEI", "Huawei VRP"),
        ("Comware", "H3C Comware"),
        ("Sun_SSH", "Solaris"),
        ("mpSSH", "HPE iLO"),
        ("lancom", "LANCOM LCOS"),
    ];
    NAMES.iter().find(|(mark, _)| text.contains(mark)).map(|(_, os)| (*os).to_owned())
}
