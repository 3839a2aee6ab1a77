//! One hash for every table and every derived identifier.
//!
//! Tables are seeded per process live and with a fixed seed in replay, so that output never depends on hash order
//! (nothing iterates a table to make output) and an attacker cannot choose keys that collide. Identifiers use a
//! stable hash, the same in every build and on every machine.

use std::hash::{BuildHasher, Hash, Hasher};

/// The hasher of hot tables.
pub type TableState = foldhash::fast::FixedState;

/// A map on the hot path, seeded by [`table_state`].
pub type FastMap<K, V> = hashbrown::HashMap<K, V, TableState>;
/// A set on the hot path, seeded by [`table_state`].
pub type FastSet<K> = hashbrown::HashSet<K, TableState>;

/// The state of tables made with `seed` (0 in replay).
pub fn table_state(seed: u64) -> TableState {
    TableState::with_seed(seed)
}

/// The hash of `value` under `state`.
#[inline]
pub fn hash_one<T: Hash>(state: &TableState, value: &T) -> u64 {
    state.hash_one(value)
}

/// A stable 64-bit hash for identifiers: FNV-1a with a final mix (splitmix64), the same everywhere and for ever.
#[derive(Clone, Copy)]
pub struct Stable(u64);

impl Default for Stable {
    fn default() -> Self {
        Stable(0xcbf2_9ce4_8422_2325)
    }
}

impl Stable {
    /// Adds bytes.
    pub fn bytes(mut self, b: &[u8]) -> Self {
        for x in b {
            self.0 = (self.0 ^ u64::from(*x)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self
    }

    /// Adds one number, eight bytes at once.
    #[inline]
    pub const fn word(self, v: u64) -> Self {
        Stable(mix(self.0 ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The 64 bits.
    #[inline]
    pub const fn finish(self) -> u64 {
        mix(self.0)
    }

    /// The lowest 53 bits: exact in JSON numbers read by browsers and jq.
    #[inline]
    pub const fn finish53(self) -> u64 {
        self.finish() & ((1 << 53) - 1)
    }
}

impl Hasher for Stable {
    fn finish(&self) -> u64 {
        (*self).finish()
    }
    fn write(&mut self, bytes: &[u8]) {
        *self = self.bytes(bytes);
    }
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_hash_never_changes() {
        assert_eq!(Stable::default().bytes(b"vigie").word(7).finish53(), 3897978271802692);
        assert_ne!(Stable::default().word(1).finish(), Stable::default().word(2).finish());
    }
}
