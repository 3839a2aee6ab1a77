//! What a running sensor is told, over the stream that it speaks on:
//!
//! ```text
//! order:       kind u8   length of what follows u32   ...
//! at last (1): nothing: no other sensor follows
//! grant (2):   bytes u64: so many more of packets are taken
//! watch (3):   one end (16 bytes), the other (16; the same for whoever it is), until (nanoseconds u64); then the next
//! ```
//!
//! The end of the stream tells a sensor to end; without `at last` before it, another one follows.

use std::io::{Error, ErrorKind, Read, Result, Write};
use vigie_base::{Ip, Time};
use vigie_sensor::keep::{WATCHES_MAX, Watch};

const AT_LAST: u8 = 1;
const GRANT: u8 = 2;
const WATCH: u8 = 3;
const WATCH_BYTES: usize = 40;
/// Longest order that is taken.
const LENGTH_MAX: usize = WATCHES_MAX * WATCH_BYTES;

/// What a sensor is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// To end when it is told so, and that nobody follows.
    AtLast,
    /// So many bytes more of packets are taken.
    Grant(u64),
    /// Whose packets are kept from now on, instead of those told before; at most [`WATCHES_MAX`].
    Watch(Vec<Watch>),
}

impl Order {
    pub(super) fn write(&self, to: &mut impl Write) -> Result<()> {
        let mut word = vec![0; 5];
        word[0] = match self {
            Order::AtLast => AT_LAST,
            Order::Grant(bytes) => {
                word.extend_from_slice(&bytes.to_le_bytes());
                GRANT
            }
            Order::Watch(all) => {
                for w in all.iter().take(WATCHES_MAX) {
                    word.extend_from_slice(&w.one.0);
                    word.extend_from_slice(&w.other.unwrap_or(w.one).0);
                    word.extend_from_slice(&w.until.0.to_le_bytes());
                }
                WATCH
            }
        };
        let length = (word.len() - 5) as u32;
        word[1..5].copy_from_slice(&length.to_le_bytes());
        to.write_all(&word)
    }

    /// The next one. Errors: the stream ended, or what came is none.
    pub(super) fn read(from: &mut impl Read) -> Result<Order> {
        let mut head = [0; 5];
        from.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > LENGTH_MAX {
            return Err(Error::new(ErrorKind::InvalidData, format!("an order of {length} bytes")));
        }
        let mut word = vec![0; length];
        from.read_exact(&mut word)?;
        let number = |bytes: &[u8]| bytes.first_chunk().copied().map(u64::from_le_bytes).unwrap_or_default();
        let end = |bytes: &[u8]| bytes.first_chunk().copied().map(Ip).unwrap_or_default();
        match (head[0], length) {
            (AT_LAST, 0) => Ok(Order::AtLast),
            (GRANT, 8) => Ok(Order::Grant(number(&word))),
            (WATCH, n) if n.is_multiple_of(WATCH_BYTES) => {
                let watches = word.chunks_exact(WATCH_BYTES).map(|w| {
                    let (one, other) = (end(w), end(&w[16..]));
                    Watch { one, other: Some(other).filter(|o| *o != one), until: Time(number(&w[32..])) }
                });
                Ok(Order::Watch(watches.collect()))
            }
            (kind, _) => Err(Error::new(ErrorKind::InvalidData, format!("an order of unknown kind {kind}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_come_as_they_were_given_and_what_is_cut_is_an_error() {
        let [one, other] = [1, 2].map(|n| Ip::v4([10, 0, 0, n]));
        let watches = vec![Watch { one, other: Some(other), until: Time(7) }, Watch { one: other, other: None, until: Time(8) }];
        for order in [Order::AtLast, Order::Grant(u64::MAX), Order::Watch(Vec::new()), Order::Watch(watches)] {
            let mut bytes = Vec::new();
            order.write(&mut bytes).unwrap();
            assert_eq!(Order::read(&mut &bytes[..]).unwrap(), order);
            for cut in 0..bytes.len() {
                assert!(Order::read(&mut &bytes[..cut]).is_err(), "{order:?} cut at {cut}");
            }
            for kind in [0, 4, 255] {
                bytes[0] = kind;
                assert!(Order::read(&mut &bytes[..]).is_err());
            }
        }
        assert!(Order::read(&mut &[WATCH, 0xff, 0xff, 0xff, 0x0f, 1][..]).is_err());
    }
}
