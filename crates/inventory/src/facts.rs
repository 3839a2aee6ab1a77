//! Facts as kept: deduplicated, bounded, with when they were seen first and last.

use crate::observe::{ALLOCATED, grow};
use vigie_base::Time;

/// Facts of one device or address at most.
pub(crate) const FACTS_MAX: usize = 128;
/// Values of one key at most; further ones push out the least believed, then the one not seen for longest.
pub(crate) const VALUES_MAX: usize = 32;
/// Bytes of a value kept.
pub(crate) const VALUE_BYTES_MAX: usize = 160;
/// Different keys and sources at most; what comes later is `other`.
const WORDS_MAX: usize = 250;

/// Keys and sources by number.
#[derive(Debug)]
pub(crate) struct Words(Vec<Box<str>>);

impl Default for Words {
    fn default() -> Self {
        Words(vec!["other".into()])
    }
}

impl Words {
    pub(crate) fn id(&mut self, word: &str) -> u8 {
        if let Some(i) = self.0.iter().position(|w| **w == *word) {
            return i as u8;
        }
        if self.0.len() >= WORDS_MAX {
            return 0;
        }
        self.0.push(word.chars().take(40).collect());
        self.0.len() as u8 - 1
    }

    pub(crate) fn text(&self, id: u8) -> &str {
        self.0.get(usize::from(id)).map_or("other", |w| w)
    }
}

/// One fact.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Box<str>,
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) key: u8,
    pub(crate) source: u8,
    pub(crate) confidence: u8,
    pub(crate) hearsay: bool,
}

impl Entry {
    /// What it takes in a list that grows by half, its value included.
    pub(crate) fn bytes(&self) -> u64 {
        (size_of::<Entry>() * 3 / 2 + self.value.len() + 2 * ALLOCATED) as u64
    }
}

/// What became of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Known,
    New,
    /// It took the place of another, which took so many bytes.
    Replaced(u64),
    Dropped,
}

/// Facts about one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts(Vec<Entry>);

impl Facts {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }

    /// Takes a fact whose value is clean; `room` says whether one more may be kept at all.
    pub(crate) fn add(&mut self, e: Entry, room: bool) -> Kept {
        let (mut same_key, mut worst) = (0, None::<usize>);
        for (i, f) in self.0.iter_mut().enumerate() {
            if f.key != e.key {
                continue;
            }
            if f.source == e.source && f.value == e.value {
                f.first = f.first.min(e.first);
                f.last = f.last.max(e.last);
                f.confidence = f.confidence.max(e.confidence);
                f.hearsay &= e.hearsay;
                return Kept::Known;
            }
            same_key += 1;
            worst = Some(i);
        }
        if same_key < VALUES_MAX && self.0.len() < FACTS_MAX && room {
            grow(&mut self.0);
            self.0.push(e);
            return Kept::New;
        }
        let Some(mut worst) = worst else { return Kept::Dropped };
        for (i, f) in self.0.iter().enumerate().filter(|(_, f)| f.key == e.key) {
            if rank(f) < rank(&self.0[worst]) {
                worst = i;
            }
        }
        if (self.0[worst].confidence, !self.0[worst].hearsay) > (e.confidence, !e.hearsay) {
            return Kept::Dropped;
        }
        let before = std::mem::replace(&mut self.0[worst], e);
        Kept::Replaced(before.bytes())
    }
}

fn rank(f: &Entry) -> (u8, bool, Time, &str) {
    (f.confidence, !f.hearsay, f.last, &f.value)
}

/// A value as kept: text, without what stands around it, cut to [`VALUE_BYTES_MAX`]. `None` where nothing is left.
pub(crate) fn clean(value: &[u8]) -> Option<Box<str>> {
    let value = value.trim_ascii();
    let text = vigie_base::text::lossy(&value[..value.len().min(4 * VALUE_BYTES_MAX)]);
    let text = text.trim_matches(|c: char| c.is_control() || c.is_whitespace());
    let mut end = text.len().min(VALUE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (end > 0).then(|| text[..end].into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: u8, value: &str, confidence: u8, at: u64) -> Entry {
        Entry { value: value.into(), first: Time(at), last: Time(at), key, source: 1, confidence, hearsay: false }
    }

    #[test]
    fn the_same_again_is_one() {
        let mut f = Facts::default();
        assert_eq!(f.add(entry(1, "a", 50, 5), true), Kept::New);
        assert_eq!(f.add(entry(1, "a", 70, 9), true), Kept::Known);
        let e = f.iter().next().unwrap();
        assert_eq!((e.first, e.last, e.confidence), (Time(5), Time(9), 70));
        assert_eq!(f.add(entry(1, "b", 1, 9), false), Kept::Dropped, "no room, and less believed");
    }

    #[test]
    fn values_of_a_key_are_bounded_and_the_least_believed_goes() {
        let mut f = Facts::default();
        (0..VALUES_MAX).for_each(|i| assert_eq!(f.add(entry(1, &i.to_string(), 50 + i as u8, 1), true), Kept::New));
        assert_eq!(f.add(entry(1, "weak", 10, 2), true), Kept::Dropped);
        assert_eq!(f.add(entry(1, "strong", 90, 2), true), Kept::Replaced(entry(1, "0", 50, 1).bytes()));
        assert!(f.iter().all(|e| *e.value != *"0") && f.iter().count() == VALUES_MAX);
        assert_eq!(f.add(entry(2, "other key", 1, 2), true), Kept::New);
    }

    #[test]
    fn values_are_clean() {
        assert_eq!(clean(b" \x00 "), None);
        assert_eq!(clean(b"host\x00").as_deref(), Some("host"));
        assert_eq!(clean(&[b'x'; 1000]).unwrap().len(), VALUE_BYTES_MAX);
        assert_eq!(clean("é".repeat(500).as_bytes()).unwrap().len(), VALUE_BYTES_MAX);
    }
}
