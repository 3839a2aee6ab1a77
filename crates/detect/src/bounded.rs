//! The table that every detector keeps its state in: bounded, in the order of last use, without hash order.

use std::hash::Hash;
use vigie_base::hash::{FastMap, table_state};
use vigie_base::{Budget, Share, Time};

const NIL: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    last: Time,
    prev: u32,
    next: u32,
    value: Option<V>,
}

/// A map of at most `cap` entries. When full, the entry used longest ago makes place, and that is counted.
#[derive(Debug)]
pub struct Bounded<K, V> {
    cap: usize,
    index: FastMap<K, u32>,
    slots: Vec<Slot<K, V>>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    /// Entries that made place before their time.
    pub evicted: u64,
}

impl<K, V> Bounded<K, V> {
    /// What an entry takes, beside what it points to: its place, the free list's, and the index's, of which 7 in 16 are used at worst.
    pub const ENTRY_BYTES: u64 = (size_of::<Slot<K, V>>() + 4 + (size_of::<(K, u32)>() + 1) * 16 / 7) as u64;
}

impl<K: Hash + Eq + Clone, V> Bounded<K, V> {
    /// An empty table of what `budget` declares, or a share of it.
    pub fn of(budget: Budget, share: Share) -> Self {
        Bounded::new(usize::try_from(share.of(budget.entries_max)).unwrap_or(usize::MAX))
    }

    /// An empty table of at most `cap` entries (at least 1).
    pub fn new(cap: usize) -> Self {
        Bounded {
            cap: cap.max(1),
            index: FastMap::with_hasher(table_state(0)),
            slots: Vec::new(),
            free: Vec::new(),
            oldest: NIL,
            newest: NIL,
            evicted: 0,
        }
    }

    /// Entries at this moment.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// An entry, without counting as a use.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.index.get(key).and_then(|i| self.slots[*i as usize].value.as_ref())
    }

    /// All entries, the one used longest ago first.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut at = self.oldest;
        std::iter::from_fn(move || {
            let slot = self.slots.get(at as usize)?;
            at = slot.next;
            Some((&slot.key, slot.value.as_ref()?))
        })
    }

    /// An entry to change, without counting as a use.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let i = *self.index.get(key)?;
        self.slots[i as usize].value.as_mut()
    }

    /// The entry of `key`, made with `make` where there is none, and whoever made place for it.
    pub fn entry(&mut self, key: &K, now: Time, make: impl FnOnce() -> V) -> (&mut V, Option<(K, V)>) {
        if let Some(&i) = self.index.get(key) {
            self.unlink(i);
            self.link_newest(i);
            let slot = &mut self.slots[i as usize];
            slot.last = slot.last.max(now);
            return (slot.value.get_or_insert_with(make), None);
        }
        let gone = if self.index.len() >= self.cap {
            self.evicted += 1;
            self.pop()
        } else {
            None
        };
        let slot = Slot { key: key.clone(), last: now, prev: NIL, next: NIL, value: Some(make()) };
        let i = match self.free.pop() {
            Some(i) => {
                self.slots[i as usize] = slot;
                i
            }
            None => {
                vigie_base::budget::push(&mut self.slots, slot, self.cap);
                self.slots.len() as u32 - 1
            }
        };
        self.index.insert(key.clone(), i);
        self.link_newest(i);
        (self.slots[i as usize].value.as_mut().expect("just made"), gone)
    }

    /// Takes out one entry.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let i = self.index.remove(key)?;
        self.unlink(i);
        self.free.push(i);
        self.slots[i as usize].value.take()
    }

    /// Takes out the entry used longest ago.
    pub fn pop(&mut self) -> Option<(K, V)> {
        let i = self.oldest;
        if i == NIL {
            return None;
        }
        let key = self.slots[i as usize].key.clone();
        self.remove(&key).map(|v| (key, v))
    }

    /// Takes out the entry used longest ago, if that was more than `idle` nanoseconds before `now`.
    pub fn expired(&mut self, now: Time, idle: u64) -> Option<(K, V)> {
        let slot = self.slots.get(self.oldest as usize)?;
        if now.since(slot.last) > idle { self.pop() } else { None }
    }

    fn unlink(&mut self, i: u32) {
        let (prev, next) = (self.slots[i as usize].prev, self.slots[i as usize].next);
        match prev {
            NIL => self.oldest = next,
            p => self.slots[p as usize].next = next,
        }
        match next {
            NIL => self.newest = prev,
            n => self.slots[n as usize].prev = prev,
        }
    }

    fn link_newest(&mut self, i: u32) {
        let slot = &mut self.slots[i as usize];
        (slot.prev, slot.next) = (self.newest, NIL);
        match self.newest {
            NIL => self.oldest = i,
            n => self.slots[n as usize].next = i,
        }
        self.newest = i;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_unused_makes_place() {
        let mut t = Bounded::new(2);
        t.entry(&1, Time(1), || 'a');
        t.entry(&2, Time(2), || 'b');
        t.entry(&1, Time(3), || 'x');
        assert_eq!(t.entry(&3, Time(4), || 'c').1, Some((2, 'b')));
        assert_eq!((t.get(&1), t.len(), t.evicted), (Some(&'a'), 2, 1));
        assert_eq!(t.expired(Time(4), 1), None);
        assert_eq!(t.expired(Time(5), 1), Some((1, 'a')));
        assert_eq!(t.pop(), Some((3, 'c')));
        assert_eq!(t.pop(), None);
    }

    proptest! {
        /// The plain model: a vector in the order of use.
        #[test]
        fn like_a_vector(ops in proptest::collection::vec((0u8..3, 0u8..8), 0..200)) {
            let mut t = Bounded::new(4);
            let mut model: Vec<u8> = Vec::new();
            for (now, (op, k)) in ops.into_iter().enumerate() {
                match op {
                    0 | 1 => {
                        let gone = t.entry(&k, Time(now as u64), || k).1.map(|g| g.0);
                        let known = model.iter().position(|m| *m == k);
                        let expect = match known {
                            Some(i) => { model.remove(i); None }
                            None if model.len() == 4 => Some(model.remove(0)),
                            None => None,
                        };
                        model.push(k);
                        prop_assert_eq!(gone, expect);
                    }
                    _ => {
                        let i = model.iter().position(|m| *m == k);
                        prop_assert_eq!(t.remove(&k).is_some(), i.is_some());
                        if let Some(i) = i { model.remove(i); }
                    }
                }
                prop_assert_eq!(t.len(), model.len());
            }
            prop_assert_eq!(t.iter().map(|(k, _)| *k).collect::<Vec<_>>(), model.clone());
            let mut left = Vec::new();
            while let Some((k, _)) = t.pop() { left.push(k); }
            prop_assert_eq!(left, model);
        }
    }
}
