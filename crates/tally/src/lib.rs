//! Sums over all rows of a time: the figures of pages, whatever their number of rows.
//!
//! A [`Fold`] is given columns of rows, some thousands at once, each thread its own, and joined at the end. Texts come as files hold them,
//! numbered by a dictionary: what depends on a word is found out once a word ([`Words`]) and not once a row. These loops are a crate
//! of their own so that they are compiled as the packet path is, and the queries around them are not.

mod coverage;
mod flows;
mod kept;

pub use coverage::{Coverage, Span};
pub use flows::{Activity, BLIND, Between, Naming, Pair, Pairs, SIDES, Sum, Traffic};

use kept::{Get, Put};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, StringArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use vigie_base::hash::{FastMap, table_state};

/// The number of no word.
pub const NONE: u32 = u32::MAX;

/// Some rows of the columns asked for, in that order: texts as dictionaries with keys of 32 bits.
#[derive(Clone, Debug)]
pub struct Rows(pub RecordBatch);

impl Rows {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.num_rows() == 0
    }

    /// The values of a column of whole numbers or times (microseconds); 0 where there is none.
    pub fn numbers(&self, at: usize) -> Vec<u64> {
        let column = self.0.column(at);
        macro_rules! widen {
            ($t:ty) => {
                column.as_primitive_opt::<$t>().map(|c| c.iter().map(|v| v.map_or(0, |v| u64::try_from(v).unwrap_or(0))).collect())
            };
        }
        let numbers: Option<Vec<u64>> = match column.data_type() {
            DataType::UInt8 => widen!(UInt8Type),
            DataType::UInt16 => widen!(UInt16Type),
            DataType::UInt32 => widen!(UInt32Type),
            DataType::UInt64 => widen!(UInt64Type),
            DataType::Int64 => widen!(Int64Type),
            DataType::Timestamp(..) => widen!(TimestampMicrosecondType),
            _ => None,
        };
        numbers.unwrap_or_else(|| vec![0; self.len()])
    }
}

/// Sums up rows.
pub trait Fold: Send + 'static {
    /// Takes some rows; texts are read by [`Words`].
    fn rows(&mut self, rows: &Rows);
    /// Takes what another summed up.
    fn join(&mut self, other: Self);

    /// Where only rows count that hold one of some texts in one of some columns: which.
    fn only(&self) -> Option<Only> {
        None
    }

    /// Where the sums of a file's rows are the same each time that they are asked for: a name for what they are. Then [`Fold::keep`] and
    /// [`Fold::take`] are for sums of the same name.
    fn name(&self) -> Option<String> {
        None
    }

    /// The sums as bytes; `None` where there are too many to be kept.
    fn keep(&self) -> Option<Vec<u8>> {
        None
    }

    /// Takes sums that were kept; `None` where they are none, and then what was taken is of no use.
    fn take(&mut self, _kept: &[u8]) -> Option<()> {
        None
    }
}

/// Texts of which one stands in one of some columns.
#[derive(Debug)]
pub struct Only {
    columns: &'static [&'static str],
    texts: Arc<Vec<String>>,
    /// For each column the dictionary seen last, and for each of its words whether it is one of the texts; none where no word is.
    seen: Vec<Option<(ArrayRef, Option<Vec<bool>>)>>,
}

impl Only {
    /// Rows that hold one of `texts` in one of `columns`.
    pub fn new(columns: &'static [&'static str], texts: Arc<Vec<String>>) -> Self {
        Only { columns, texts, seen: Vec::new() }
    }

    /// The columns.
    pub fn columns(&self) -> &'static [&'static str] {
        self.columns
    }

    /// For each row whether one of its columns, which are dictionaries, holds one of the texts.
    pub fn mask(&mut self, rows: &RecordBatch) -> BooleanArray {
        let mut found = vec![false; rows.num_rows()];
        self.seen.resize_with(rows.num_columns(), || None);
        for (column, seen) in rows.columns().iter().zip(&mut self.seen) {
            let Some(column) = column.as_dictionary_opt::<Int32Type>() else { continue };
            let Some(words) = column.values().as_string_opt::<i32>() else { continue };
            if seen.as_ref().is_none_or(|s| s.0.as_string_opt::<i32>().is_none_or(|old| place(old) != place(words))) {
                let is_one: Vec<bool> = words.iter().map(|w| w.is_some_and(|w| self.texts.iter().any(|t| t == w))).collect();
                *seen = Some((column.values().clone(), Some(is_one).filter(|one| one.contains(&true))));
            }
            if let Some((_, Some(is_one))) = seen {
                let (keys, nulls) = (column.keys().values(), column.keys().nulls());
                let holds = |key: &i32| is_one.get(*key as usize).copied().unwrap_or(false);
                match nulls {
                    None => found.iter_mut().zip(keys).for_each(|(found, key)| *found |= holds(key)),
                    Some(nulls) => found.iter_mut().zip(keys).zip(nulls).for_each(|((found, key), there)| *found |= there && holds(key)),
                }
            }
        }
        found.into()
    }
}

/// Where a dictionary's words stand: the same place, the same words, as long as one of them is held.
fn place(words: &StringArray) -> (usize, usize, usize) {
    (words.value_offsets().as_ptr().addr(), words.value_data().as_ptr().addr(), words.len())
}

/// Numbers for words: the same word has the same number, from 0.
#[derive(Debug)]
pub struct Words {
    numbers: FastMap<Box<str>, u32>,
    words: Vec<Box<str>>,
    /// For each place of a column the dictionary seen last, and the number of each of its words. The dictionary is held, so that no other
    /// comes to stand where it stood.
    seen: Vec<(usize, ArrayRef, Vec<u32>)>,
}

impl Default for Words {
    fn default() -> Self {
        Words { numbers: FastMap::with_hasher(table_state(0)), words: Vec::new(), seen: Vec::new() }
    }
}

impl Words {
    /// The number of a word.
    pub fn number(&mut self, word: &str) -> u32 {
        if let Some(n) = self.numbers.get(word) {
            return *n;
        }
        let n = self.words.len() as u32;
        self.words.push(word.into());
        self.numbers.insert(word.into(), n);
        n
    }

    /// The word of a number; empty for none.
    pub fn word(&self, number: u32) -> &str {
        self.words.get(number as usize).map_or("", |w| w)
    }

    /// For each number of another's words the number here.
    pub fn of(&mut self, other: &Words) -> Vec<u32> {
        other.words.iter().map(|w| self.number(w)).collect()
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// For each row of a column of texts the word's number; [`NONE`] where there is none.
    pub fn column(&mut self, rows: &Rows, at: usize) -> Vec<u32> {
        let column = rows.0.column(at);
        let Some(texts) = column.as_dictionary_opt::<Int32Type>() else { return vec![NONE; column.len()] };
        let codes = self.learn(at, texts);
        let number = |key: &i32| codes.get(*key as usize).copied().unwrap_or(NONE);
        let keys = texts.keys();
        match keys.nulls() {
            None => keys.values().iter().map(number).collect(),
            Some(nulls) => keys.values().iter().zip(nulls.iter()).map(|(k, there)| if there { number(k) } else { NONE }).collect(),
        }
    }

    /// The numbers of a dictionary's words.
    fn learn(&mut self, at: usize, texts: &DictionaryArray<Int32Type>) -> &[u32] {
        let Some(values) = texts.values().as_string_opt::<i32>() else { return &[] };
        let same = |held: &ArrayRef| held.as_string_opt::<i32>().is_some_and(|h| place(h) == place(values));
        // A dictionary is made once for many rows.
        let known = self.seen.iter().position(|(column, held, _)| *column == at && same(held));
        let known = known.unwrap_or_else(|| {
            let codes = (0..values.len()).map(|i| if values.is_valid(i) { self.number(values.value(i)) } else { NONE }).collect();
            self.seen.retain(|s| s.0 != at);
            self.seen.push((at, texts.values().clone(), codes));
            self.seen.len() - 1
        });
        &self.seen[known].2
    }
}

/// Most distinct values whose counts are kept of a file.
const KEPT_MAX: usize = 100_000;

/// Most distinct values that are counted in memory; what counts more stops, and has more than so many.
pub const DISTINCT_MAX: usize = 2_000_000;

/// How often each value of one column comes.
pub struct Counts {
    words: Words,
    counts: Vec<u64>,
    /// By value, of numbers below 2^16.
    small: Vec<u64>,
    numbers: FastMap<i128, u64>,
}

impl Default for Counts {
    fn default() -> Self {
        Counts { words: Words::default(), counts: Vec::new(), small: Vec::new(), numbers: FastMap::with_hasher(table_state(0)) }
    }
}

impl Counts {
    /// Values as text, and how often they came.
    pub fn each(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let texts = self.counts.iter().enumerate().map(|(n, c)| (self.words.word(n as u32).to_owned(), *c));
        let small = self.small.iter().enumerate().filter(|(_, n)| **n > 0).map(|(v, n)| (v.to_string(), *n));
        texts.chain(small).chain(self.numbers.iter().map(|(v, n)| (v.to_string(), *n)))
    }

    /// Distinct values.
    pub fn len(&self) -> usize {
        self.words.len() + self.numbers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Fold for Counts {
    fn rows(&mut self, rows: &Rows) {
        let column = rows.0.column(0);
        if self.len() > DISTINCT_MAX {
            return;
        }
        macro_rules! numbers {
            ($t:ty) => {
                if let Some(c) = column.as_primitive_opt::<$t>() {
                    for v in c.iter().flatten() {
                        *self.numbers.entry(i128::from(v)).or_default() += 1;
                    }
                }
            };
        }
        match column.data_type() {
            DataType::UInt16 => {
                self.small.resize(1 << 16, 0);
                if let Some(c) = column.as_primitive_opt::<UInt16Type>() {
                    c.iter().flatten().for_each(|v| self.small[usize::from(v)] += 1);
                }
            }
            DataType::UInt8 => numbers!(UInt8Type),
            DataType::UInt32 => numbers!(UInt32Type),
            DataType::UInt64 => numbers!(UInt64Type),
            DataType::Int64 => numbers!(Int64Type),
            _ => {
                let Counts { words, counts, .. } = self;
                for n in words.column(rows, 0).into_iter().filter(|n| *n != NONE) {
                    if counts.len() <= n as usize {
                        counts.resize(n as usize + 1, 0);
                    }
                    counts[n as usize] += 1;
                }
            }
        }
    }

    fn join(&mut self, other: Self) {
        let numbers = self.words.of(&other.words);
        for (n, count) in numbers.into_iter().zip(&other.counts) {
            let n = n as usize;
            if self.counts.len() <= n {
                self.counts.resize(n + 1, 0);
            }
            self.counts[n] += count;
        }
        if self.small.len() < other.small.len() {
            self.small.resize(other.small.len(), 0);
        }
        self.small.iter_mut().zip(&other.small).for_each(|(a, b)| *a += b);
        for (v, n) in other.numbers {
            *self.numbers.entry(v).or_default() += n;
        }
    }

    fn name(&self) -> Option<String> {
        Some("counts".to_owned())
    }

    fn keep(&self) -> Option<Vec<u8>> {
        if self.len() > KEPT_MAX {
            return None;
        }
        let mut out = Put::default();
        let words: Vec<_> = self.counts.iter().enumerate().filter(|(_, n)| **n > 0).collect();
        out.number(words.len() as u64);
        for (word, n) in words {
            out.bytes(self.words.word(word as u32).as_bytes());
            out.number(*n);
        }
        let small: Vec<_> = self.small.iter().enumerate().filter(|(_, n)| **n > 0).collect();
        out.number(small.len() as u64);
        for (v, n) in small {
            out.number(v as u64);
            out.number(*n);
        }
        for (v, n) in &self.numbers {
            out.bytes(&v.to_le_bytes());
            out.number(*n);
        }
        Some(out.0)
    }

    fn take(&mut self, kept: &[u8]) -> Option<()> {
        let mut kept = Get(kept);
        for _ in 0..kept.number()? {
            let at = self.words.number(kept.text()?) as usize;
            if self.counts.len() <= at {
                self.counts.resize(at + 1, 0);
            }
            self.counts[at] += kept.number()?;
        }
        for _ in 0..kept.number()? {
            self.small.resize(1 << 16, 0);
            let (v, n) = (kept.number()?, kept.number()?);
            *self.small.get_mut(usize::try_from(v).ok()?)? += n;
        }
        while !kept.0.is_empty() {
            let v = i128::from_le_bytes(kept.bytes()?.try_into().ok()?);
            *self.numbers.entry(v).or_default() += kept.number()?;
        }
        Some(())
    }
}

/// How many rows in each span of one length.
pub struct Bars {
    /// Where the first begins, microseconds.
    pub from: i64,
    /// How long each is.
    pub width: i64,
    /// Rows of each.
    pub counts: Vec<u64>,
}

impl Fold for Bars {
    fn rows(&mut self, rows: &Rows) {
        let Some(ts) = rows.0.column(0).as_primitive_opt::<TimestampMicrosecondType>() else { return };
        for t in ts.values() {
            if let Some(n) = usize::try_from((t - self.from) / self.width).ok().and_then(|i| self.counts.get_mut(i)) {
                *n += 1;
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(a, b)| *a += b);
    }
}

#[cfg(test)]
mod tests;
