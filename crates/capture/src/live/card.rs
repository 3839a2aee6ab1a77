//! What cards and their drivers count, of all interfaces at once.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes of the table read: some thousand interfaces.
const TABLE_MAX: usize = 256 << 10;

/// What a card lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Frames dropped by the card or its driver, for want of room mostly.
    pub dropped: u64,
    /// Frames that came damaged: wrong checksum, too long, cut off.
    pub errors: u64,
}

impl Card {
    /// What was added since `before`; where the counters began anew, all of it.
    pub(super) fn since(self, before: Card) -> Card {
        let less = |now: u64, then: u64| now.checked_sub(then).unwrap_or(now);
        Card { dropped: less(self.dropped, before.dropped), errors: less(self.errors, before.errors) }
    }
}

/// The kernel's table, held open: a sandbox that takes the opening of files away leaves it, and it is of this network namespace, which
/// `/sys` need not be.
pub(super) struct Cards(Option<File>);

impl Cards {
    pub(super) fn open() -> Self {
        Cards(File::open("/proc/self/net/dev").ok())
    }

    /// For who is not to look.
    pub(super) fn none() -> Self {
        Cards(None)
    }

    /// The table as it is now; empty where it cannot be read.
    pub(super) fn table(&self) -> String {
        let Some(file) = &self.0 else { return String::new() };
        let (mut all, mut piece) = (Vec::new(), [0; 8192]);
        while all.len() < TABLE_MAX {
            match file.read_at(&mut piece, all.len() as u64) {
                Ok(n) if n > 0 => all.extend_from_slice(&piece[..n]),
                _ => break,
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// What the table says of an interface. Columns: bytes, packets, errs, drop (net/core/net-procfs.c).
pub(super) fn of(table: &str, name: &str) -> Option<Card> {
    let figures = table.lines().find_map(|l| l.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
    let mut figures = figures.split_ascii_whitespace().skip(2).map(|f| f.parse().ok());
    Some(Card { errors: figures.next()??, dropped: figures.next()?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table() {
        let table =
            "Inter-|   Receive\n face |bytes    packets errs drop fifo\n  eth1: 100 9 2 5 0 0 0 0 0 0 0 0 0 0 0 0\neth10:7 1 0 1 0 0 0 0\n";
        assert_eq!(of(table, "eth1"), Some(Card { dropped: 5, errors: 2 }));
        assert_eq!(of(table, "eth10"), Some(Card { dropped: 1, errors: 0 }));
        assert_eq!((of(table, "eth"), of("", "eth1")), (None, None));
        let (now, then) = (Card { dropped: 7, errors: 1 }, Card { dropped: 5, errors: 2 });
        assert_eq!(now.since(then), Card { dropped: 2, errors: 1 });
        assert!(of(&Cards::open().table(), "lo").is_some());
    }
}
