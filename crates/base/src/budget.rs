//! A budget: what a table may hold, declared beside the table, summed by `vigie check`, counted when reached.

/// One bounded table or queue, as declared beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Dotted name, also the name of the counter that says it was reached: `flow.table`.
    pub name: &'static str,
    /// How many entries at most.
    pub entries_max: u64,
    /// What one entry costs at most, in bytes, its share of the index included.
    pub entry_bytes: u64,
    /// What happens when it is full, in one clause.
    pub when_full: &'static str,
}

impl Budget {
    /// The most memory it takes, in bytes.
    pub const fn bytes_max(&self) -> u64 {
        self.entries_max * self.entry_bytes
    }

    /// The same with its share of entries.
    #[must_use]
    pub const fn share(self, share: Share) -> Budget {
        Budget { entries_max: share.of(self.entries_max), ..self }
    }
}

/// How much of what is declared a run gets, in parts of 256: less where it shares a machine's memory, more where it is given more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// What is declared.
    pub const WHOLE: Share = Share(256);

    /// So many parts of 256, at least one.
    pub const fn parts(parts: u32) -> Share {
        Share(if parts == 0 { 1 } else { parts })
    }

    /// This share of a number; 1 where that would be less, 0 of 0.
    pub const fn of(self, number: u64) -> u64 {
        let share = (number as u128 * self.0 as u128 / 256) as u64;
        if share == 0 && number > 0 { 1 } else { share }
    }
}

impl Share {
    /// This share of another.
    #[must_use]
    pub const fn by(self, other: Share) -> Share {
        Share::parts((self.0 as u64 * other.0 as u64 / 256) as u32)
    }
}

impl Default for Share {
    fn default() -> Self {
        Share::WHOLE
    }
}

/// Adds to a list that never holds more than `max`: its room is doubled, but never beyond that.
pub fn push<T>(list: &mut Vec<T>, item: T, max: usize) {
    let held = list.len();
    if held == list.capacity() {
        list.reserve_exact(held.max(4).min(max.saturating_sub(held)).max(1));
    }
    list.push(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ends_at_the_bound() {
        let mut list = Vec::new();
        (0..100).for_each(|n| push(&mut list, n, 100));
        assert_eq!((list.len(), list.capacity()), (100, 100));
    }

    #[test]
    fn a_share_is_never_nothing() {
        assert_eq!((Share::WHOLE.of(7), Share::parts(128).of(7), Share::parts(0).of(7), Share::parts(0).of(0)), (7, 3, 1, 0));
        assert_eq!(Share::parts(512).of(u64::MAX / 4), u64::MAX / 4 * 2);
        let budget = Budget { name: "a", entries_max: 100, entry_bytes: 8, when_full: "" };
        assert_eq!(budget.share(Share::parts(64)).bytes_max(), 200);
    }
}
