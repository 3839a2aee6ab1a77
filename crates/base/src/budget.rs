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
}
