//! The frame that a capture adds to what comes, so that the way behind it is known to be open ([`vigie_base::canary`]).

use vigie_base::time::SECOND;
use vigie_base::{Time, canary};

/// Between documentation addresses: RFC 7042 section 2.1.1, RFC 5737.
const ETHERNET: [u8; 14] = [0, 0, 0x5e, 0, 0x53, 2, 0, 0, 0x5e, 0, 0x53, 1, 8, 0];
const FROM: [u8; 4] = [192, 0, 2, 1];
const TO: [u8; 4] = [198, 51, 100, 1];
const DNS: u16 = 53;

/// When canaries are let go.
#[derive(Debug, Default)]
pub(super) struct Canary {
    every: u64,
    last: Option<Time>,
}

impl Canary {
    /// One each `seconds`, the first at once; 0 for none.
    pub(super) fn new(seconds: u64) -> Self {
        Canary { every: seconds.saturating_mul(SECOND), last: None }
    }

    /// When the last one was let go.
    pub(super) fn last(&self) -> Option<Time> {
        self.last
    }

    /// The next one, where it is time. Where the clock stepped back it is time, too.
    pub(super) fn due(&mut self, now: Time) -> Option<Vec<u8>> {
        if self.every == 0 || self.last.is_some_and(|last| now >= last && now.since(last) < self.every) {
            return None;
        }
        self.last = Some(now);
        Some(frame(now))
    }
}

/// A DNS question (RFC 1035 section 4.1) in UDP in IPv4.
fn frame(now: Time) -> Vec<u8> {
    let mut dns = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in canary::name(now).split('.') {
        dns.push(label.len() as u8);
        dns.extend_from_slice(label.as_bytes());
    }
    // The root; type A, class IN.
    dns.extend_from_slice(&[0, 0, 1, 0, 1]);
    let mut frame = ETHERNET.to_vec();
    let mut header = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, FROM[0], FROM[1], FROM[2], FROM[3], TO[0], TO[1], TO[2], TO[3]];
    header[2..4].copy_from_slice(&(28 + dns.len() as u16).to_be_bytes());
    let sum: u32 = header.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    header[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    frame.extend_from_slice(&header);
    // Dynamic ports (RFC 6335); another one each time, so that no flow is met again.
    let port = 49_152 + (now.secs() % 16_384) as u16;
    for word in [port, DNS, 8 + dns.len() as u16, 0] {
        frame.extend_from_slice(&word.to_be_bytes());
    }
    frame.extend_from_slice(&dns);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_each_time_and_again_when_the_clock_steps_back() {
        let mut canary = Canary::new(60);
        let due: Vec<bool> = [100, 159, 160, 200, 90, 91].map(|s| canary.due(Time::from_secs(s)).is_some()).into();
        assert_eq!(due, [true, false, true, false, true, false]);
        assert_eq!(canary.last(), Some(Time::from_secs(90)));
        assert!(Canary::new(0).due(Time::from_secs(1)).is_none());
    }

    #[test]
    fn the_header_adds_up() {
        let frame = frame(Time::from_secs(1_700_000_000));
        let sum: u32 = frame[14..34].chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert_eq!(usize::from(u16::from_be_bytes([frame[16], frame[17]])), frame.len() - 14);
    }
}
