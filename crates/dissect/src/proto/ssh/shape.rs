//! What an encrypted SSH session's shape tells of the log-in inside (RFC 4252).
//!
//! Authentication is strict question and answer: the client's service request, the server's word that it may go on, then one
//! request and one answer after another. A "turn" is all that one side sends before the other speaks; its bytes do not depend on how
//! TCP cut them. The answer SSH_MSG_USERAUTH_SUCCESS is one byte long, so its packet is the shortest that the negotiated cipher and
//! MAC allow, and SSH_MSG_USERAUTH_FAILURE, which lists methods, is longer: a turn of just that length is a log-in. After it every
//! client that wants a session sends SSH_MSG_CHANNEL_OPEN "session", whose length is known too and shorter than any request to
//! authenticate. Where neither can be told (compression, random padding, answers that overtake each other), the amount tells:
//! refused log-ins are short.

use vigie_base::Direction;

/// Turns of each direction whose size is kept; later ones count only.
const TURNS_MAX: usize = 64;
/// Bytes in one turn of the server, after its first answer, that no refusal has.
const SERVER_TURN_BYTES: u64 = 2048;
/// Bytes in one turn of the client that no attempt to log in has (an RSA signature of 16,384 bits has 2 KiB).
const CLIENT_TURN_BYTES: u64 = 6144;
/// Bytes of the server in all that no session of refusals has.
const SERVER_BYTES: u64 = 64 << 10;
/// Turns of the server among which at least [`SIZES_MIN`] sizes show a session at work.
const BUSY_TURNS: usize = 16;
/// See [`BUSY_TURNS`]. Refusals have two or three sizes: with a banner, with a key known, without.
const SIZES_MIN: usize = 5;

/// How the packets of one direction look on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    /// What a packet's length is a multiple of.
    block: usize,
    /// Bytes of the authentication tag or MAC.
    tag: usize,
    /// Whether the length field is outside of what is padded (AEAD ciphers and encrypt-then-MAC).
    apart: bool,
    /// Whether the length field can be read.
    readable: bool,
}

impl Framing {
    /// Of a cipher and a MAC by their names; `None` where one is not known.
    pub(super) fn of(cipher: &[u8], mac: &[u8]) -> Option<Framing> {
        match cipher {
            b"chacha20-poly1305@openssh.com" | b"chacha20-poly1305" => {
                return Some(Framing { block: 8, tag: 16, apart: true, readable: false });
            }
            _ if cipher.starts_with(b"aes") && cipher.windows(3).any(|w| w == b"gcm") => {
                return Some(Framing { block: 16, tag: 16, apart: true, readable: true });
            }
            _ => {}
        }
        let starts = |names: &[&str]| names.iter().any(|n| cipher.starts_with(n.as_bytes()));
        let block = if starts(&["aes", "rijndael", "twofish", "serpent", "camellia"]) {
            16
        } else if starts(&["3des", "blowfish", "cast128", "idea", "arcfour", "des", "none"]) {
            8
        } else {
            return None;
        };
        let has = |part: &str| mac.windows(part.len()).any(|w| w == part.as_bytes());
        let tag = if has("-96") {
            12
        } else if has("sha2-256") {
            32
        } else if has("sha2-512") {
            64
        } else if has("sha1") || has("ripemd160") {
            20
        } else if has("md5") || has("umac-128") {
            16
        } else if has("umac-64") {
            8
        } else {
            return None;
        };
        let apart = has("-etm@");
        Some(Framing { block, tag, apart, readable: apart })
    }

    /// Bytes on the wire of a packet with this payload and no more padding than must be (RFC 4253 section 6).
    pub(super) fn size(self, payload: usize) -> u64 {
        let head = if self.apart { 1 } else { 5 };
        let padded = (head + payload + 4).next_multiple_of(self.block).max(if self.apart { self.block } else { 16 });
        (padded + self.tag + if self.apart { 4 } else { 0 }) as u64
    }
}

/// How a log-in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Failure,
    /// One try whose answer was long, and then the end: let in and gone, or refused with a banner.
    Unknown,
}

/// The shape of a session from its new keys on.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Framing by direction, where it is known and packets are not compressed.
    framing: [Option<Framing>; 2],
    speaker: Option<Direction>,
    /// Bytes of the turn at hand.
    turn: u64,
    /// Whole turns of each direction, from the service request on.
    turns: [Vec<u32>; 2],
    /// Turns beyond those kept.
    more: [u32; 2],
    bytes: [u64; 2],
    /// Where packets can be told apart: bytes left of the one at hand, and what is there of the next one's length.
    left: [u64; 2],
    length: [[u8; 4]; 2],
    length_at: [u8; 2],
    /// Packets of the server that could be told apart.
    answers: u32,
    /// The client's last packet or turn may have opened a session's channel.
    opening: bool,
    /// Whether the log-in succeeded, and at which request to authenticate where that is known.
    success: Option<u32>,
}

impl Shape {
    pub(super) fn new(to_server: Option<Framing>, to_client: Option<Framing>) -> Self {
        Shape { framing: [to_server, to_client], ..Shape::default() }
    }

    /// Takes encrypted bytes; says whether the outcome is certain.
    pub(super) fn data(&mut self, dir: Direction, bytes: &[u8]) -> bool {
        // Before the client asks for its service nothing belongs to a log-in (the server may tell its extensions, RFC 8308).
        if self.speaker.is_none() && dir == Direction::ToClient {
            self.packets(dir, bytes);
            (self.answers, self.success) = (0, None);
            return false;
        }
        if self.speaker != Some(dir) {
            self.close_turn();
            self.speaker = Some(dir);
            if dir == Direction::ToClient && self.opening {
                self.succeed(self.requests().saturating_sub(1));
            }
        }
        self.turn += bytes.len() as u64;
        self.bytes[dir.index()] += bytes.len() as u64;
        self.packets(dir, bytes);
        let answers = self.turns[Direction::ToClient.index()].len();
        let much = match dir {
            Direction::ToClient => (self.turn >= SERVER_TURN_BYTES && answers >= 2) || self.bytes[dir.index()] >= SERVER_BYTES,
            Direction::ToServer => self.turn >= CLIENT_TURN_BYTES && answers >= 1,
        };
        if much {
            self.succeed(1);
        }
        self.success.is_some()
    }

    /// Turns of the client that ask to authenticate, so far: all but the first, which asks for the service.
    fn requests(&self) -> u32 {
        (self.turns[0].len() as u32 + self.more[0]).saturating_sub(1)
    }

    fn succeed(&mut self, at: u32) {
        self.success.get_or_insert(at);
    }

    /// Bytes are missing: packets cannot be told apart any more.
    pub(super) fn gap(&mut self, dir: Direction, len: u64) {
        self.framing[dir.index()] = None;
        if self.speaker == Some(dir) {
            self.turn += len;
        }
    }

    /// Walks over packets whose lengths can be read.
    fn packets(&mut self, dir: Direction, mut bytes: &[u8]) {
        let i = dir.index();
        let Some(framing) = self.framing[i].filter(|f| f.readable) else { return };
        while !bytes.is_empty() {
            let over = self.left[i].min(bytes.len() as u64);
            self.left[i] -= over;
            bytes = &bytes[over as usize..];
            let Some((first, rest)) = bytes.split_first() else { return };
            self.length[i][usize::from(self.length_at[i]) & 3] = *first;
            self.length_at[i] += 1;
            bytes = rest;
            if self.length_at[i] < 4 {
                continue;
            }
            self.length_at[i] = 0;
            let len = u64::from(u32::from_be_bytes(self.length[i]));
            if len > 256 << 10 || len == 0 || len % framing.block as u64 != 0 {
                // Not what was negotiated: turns must do.
                self.framing[i] = None;
                return;
            }
            self.left[i] = len + framing.tag as u64;
            self.packet(dir, framing, 4 + len + framing.tag as u64);
        }
    }

    fn packet(&mut self, dir: Direction, framing: Framing, size: u64) {
        match dir {
            Direction::ToClient => {
                // The first answers the service request; "success" is the first as short as can be.
                if self.answers > 0 && size == framing.size(1) {
                    self.succeed(self.requests());
                }
                self.answers += 1;
            }
            Direction::ToServer if self.answers > 1 => self.channel(size),
            Direction::ToServer => {}
        }
    }

    /// A turn of the client of `size` bytes: is it the opening of a session's channel? A parting word may be as long, but is not
    /// answered.
    fn channel(&mut self, size: u64) {
        // The payload of the opening has 24 bytes, that of any request to authenticate at least 32.
        self.opening = self.framing[Direction::ToServer.index()].is_some_and(|f| size == f.size(24) && f.size(24) < f.size(32));
    }

    fn close_turn(&mut self) {
        let Some(dir) = self.speaker else { return };
        let i = dir.index();
        let size = std::mem::take(&mut self.turn);
        if self.turns[i].len() < TURNS_MAX {
            self.turns[i].push(u32::try_from(size).unwrap_or(u32::MAX));
        } else {
            self.more[i] += 1;
        }
        let answers = self.turns[Direction::ToClient.index()].len();
        match dir {
            Direction::ToClient if answers >= 2 => {
                if self.framing[i].is_some_and(|f| size == f.size(1)) || self.welcome() {
                    self.succeed(self.requests());
                } else if answers == BUSY_TURNS && self.sizes() >= SIZES_MIN {
                    self.succeed(1);
                }
            }
            // Two answers: to the service request and to a request to authenticate.
            Direction::ToServer if answers >= 2 => self.channel(size),
            _ => {}
        }
    }

    /// Whether the server's last turn is a success with what an OpenSSH server says next (its host keys) behind it: longer than the
    /// request and than any answer before. A key that would do is answered shorter than it was asked, a banner comes first of all.
    fn welcome(&self) -> bool {
        let (requests, answers) = (&self.turns[0], &self.turns[1]);
        let ([_, before @ .., last], true) = (&answers[..], requests.len() == answers.len()) else { return false };
        let most = before.iter().copied().max().unwrap_or(u32::MAX);
        *last > most.saturating_add(64) && *last >= self.least_welcome() && requests.last().is_some_and(|r| last > r)
    }

    /// Bytes of a success and of the announcement of one Ed25519 host key (`hostkeys-00@openssh.com`).
    fn least_welcome(&self) -> u32 {
        self.framing[1].map_or(144, |f| (f.size(1) + f.size(84)) as u32)
    }

    /// How many sizes the server's answers have.
    fn sizes(&self) -> usize {
        let mut sizes = self.turns[Direction::ToClient.index()][1..].to_vec();
        sizes.sort_unstable();
        sizes.dedup();
        sizes.len()
    }

    /// The outcome, with the number of tries; `None` where nobody tried. `over`: the session ended.
    pub(super) fn outcome(&mut self, over: bool) -> Option<(Outcome, u32)> {
        if over {
            self.close_turn();
            self.speaker = None;
        }
        let (requests, answers) = (&self.turns[0], &self.turns[1]);
        // Requests to authenticate: all turns of the client but the first, the service request.
        let asked = requests.get(1..).unwrap_or(&[]);
        let answered = match self.success {
            Some(at) => at,
            None => ((answers.len() as u32).saturating_sub(1) + self.more[1]).min(self.requests()),
        };
        // The first request is most often "none", to learn the methods: the shortest there is. One that was not answered is none.
        let none = match asked.get(..(answered as usize).min(asked.len())).unwrap_or(&[]) {
            [first, second, ..] => first + 8 <= *second,
            [first] => self.framing[0].is_some_and(|f| u64::from(*first) <= f.size(31 + 8)),
            [] => false,
        };
        let tries = answered.saturating_sub(u32::from(none));
        match answers[..] {
            _ if self.success.is_some() => Some((Outcome::Success, tries.max(1))),
            _ if tries == 0 => None,
            [_, only] if only >= self.least_welcome() => Some((Outcome::Unknown, 1)),
            _ => Some((Outcome::Failure, tries)),
        }
    }
}

crate::held::holds! { Shape: { turns } }

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    const CHACHA: &[u8] = b"chacha20-poly1305@openssh.com";

    fn run(framing: Option<Framing>, turns: &[(Direction, u64)]) -> Option<(Outcome, u32)> {
        let mut s = Shape::new(framing, framing);
        for (dir, n) in turns {
            if s.data(*dir, &vec![0xff; *n as usize]) {
                return s.outcome(false);
            }
        }
        s.outcome(true)
    }

    #[test]
    fn sizes_of_packets() {
        let chacha = Framing::of(CHACHA, b"").unwrap();
        assert_eq!((chacha.size(1), chacha.size(17), chacha.size(24)), (28, 44, 52));
        let gcm = Framing::of(b"aes256-gcm@openssh.com", b"").unwrap();
        assert_eq!((gcm.size(1), gcm.size(17)), (36, 52));
        let ctr = Framing::of(b"aes128-ctr", b"hmac-sha1").unwrap();
        assert_eq!((ctr.size(1), ctr.size(17)), (36, 52));
        let etm = Framing::of(b"aes128-ctr", b"umac-64-etm@openssh.com").unwrap();
        assert_eq!((etm.size(1), etm.size(24)), (28, 44));
        assert_eq!(Framing::of(b"own-cipher", b"hmac-sha1"), None);
    }

    #[test]
    fn packets_tell_where_their_lengths_can_be_read() {
        // AES-GCM: success at the first request, the host keys in the same breath; and a refusal of the same amount.
        let f = Framing::of(b"aes256-gcm@openssh.com", b"");
        let packet = |len: usize| [&(len as u32).to_be_bytes()[..], &vec![0; len + 16]].concat();
        let mut s = Shape::new(f, f);
        for (dir, bytes) in [(ToServer, packet(32)), (ToClient, packet(32)), (ToServer, packet(80))] {
            assert!(!s.data(dir, &bytes));
        }
        assert!(s.data(ToClient, &[packet(16), packet(512)].concat()));
        assert_eq!(s.outcome(false), Some((Outcome::Success, 1)));
        let mut s = Shape::new(f, f);
        for (dir, bytes) in [
            (ToServer, packet(32)),
            (ToClient, packet(32)),
            (ToServer, packet(80)),
            (ToClient, packet(32)),
            (ToServer, packet(80)),
            (ToClient, packet(32)),
        ] {
            assert!(!s.data(dir, &bytes));
        }
        assert_eq!(s.outcome(true), Some((Outcome::Failure, 2)));
    }

    #[test]
    fn refusals_are_counted() {
        let f = Framing::of(CHACHA, b"");
        let refused = |n: usize| {
            let mut turns = vec![(ToClient, 200), (ToServer, 44), (ToClient, 44), (ToServer, 68), (ToClient, 60)];
            for _ in 0..n {
                turns.extend([(ToServer, 148), (ToClient, 60)]);
            }
            run(f, &turns)
        };
        assert_eq!(refused(0), None);
        assert_eq!(refused(1), Some((Outcome::Failure, 1)));
        assert_eq!(refused(6), Some((Outcome::Failure, 6)));
        assert_eq!(refused(500), Some((Outcome::Failure, 500)));
    }

    #[test]
    fn a_success_is_told_by_its_length() {
        let f = Framing::of(CHACHA, b"");
        let session = [(ToServer, 44), (ToClient, 44), (ToServer, 68), (ToClient, 60), (ToServer, 148), (ToClient, 28), (ToServer, 52)];
        assert_eq!(run(f, &session), Some((Outcome::Success, 1)));
        // The answer came together with the announcement of host keys; the channel's opening tells.
        let merged = [(ToServer, 44), (ToClient, 44), (ToServer, 148), (ToClient, 628), (ToServer, 52), (ToClient, 52)];
        assert_eq!(run(f, &merged), Some((Outcome::Success, 1)));
        // A parting word (SSH_MSG_DISCONNECT) of the same length.
        assert_eq!(run(f, &[(ToServer, 44), (ToClient, 44), (ToServer, 148), (ToClient, 60), (ToServer, 52)]), Some((Outcome::Failure, 1)));
        assert_eq!(run(f, &[(ToServer, 44), (ToClient, 44), (ToServer, 68), (ToClient, 60), (ToServer, 52)]), None);
        // Let in at the second try, greeted with host keys, and gone without a channel.
        let gone = [
            (ToServer, 44),
            (ToClient, 44),
            (ToServer, 68),
            (ToClient, 52),
            (ToServer, 84),
            (ToClient, 52),
            (ToServer, 92),
            (ToClient, 552),
            (ToServer, 52),
        ];
        assert_eq!(run(f, &gone), Some((Outcome::Success, 2)));
        assert_eq!(run(f, &gone[..8]), Some((Outcome::Success, 2)));
        assert_eq!(
            run(f, &[(ToServer, 44), (ToClient, 44), (ToServer, 148), (ToClient, 552), (ToServer, 52)]),
            Some((Outcome::Unknown, 1))
        );
        assert_eq!(
            run(None, &[(ToServer, 44), (ToClient, 44), (ToServer, 148), (ToClient, 60), (ToServer, 148), (ToClient, 9000)]),
            Some((Outcome::Success, 1))
        );
    }
}
