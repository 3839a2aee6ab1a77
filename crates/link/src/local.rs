//! The local carrier: events from a process to another of the same machine, over a stream between the two, in their total order.
//!
//! ```text
//! word:  kind u8   length of what follows u32   ...
//! rows (1):   kinds u8, then each kind's batch (length u32, bytes); then whose turn it is, a kind's place (u8) a row
//! time (2):   nanoseconds u64: all events before have been given
//! end (3):    nothing
//! packets (4): bytes that the two sides know, in no order with the rest
//! ```
//!
//! Texts come with the bytes that they had on the wire, also where these are no UTF-8: who judges them there judges what a replay would.
//!
//! What comes is read like any foreign bytes: the sender may have been taken over.

use crate::{Error, exact};
use std::io::{Read, Write};
use vigie_base::{Budget, Time};
use vigie_event::{Batch, Row, Schema};

/// Rows after which a word of them is sent, whatever the time.
const ROWS_MAX: usize = 16_384;
/// Bytes of open rows after which it is.
const BYTES_MAX: usize = 2 << 20;
/// What a link holds on both sides: open rows, a word of them, and the rows that are read out of it.
pub const BUDGET: Budget = Budget {
    name: "link.words",
    entries_max: 6,
    entry_bytes: BYTES_MAX as u64,
    when_full: "the sensor waits, and frames wait in the rings",
};
/// Largest word that is taken.
const WORD_MAX: usize = 512 << 20;
/// Rows between two sums of open bytes.
const WEIGH_ROWS: usize = 256;

const ROWS: u8 = 1;
const TIME: u8 = 2;
const END: u8 = 3;
const PACKETS: u8 = 4;

fn lost(e: &std::io::Error) -> Error {
    Error(format!("the link to the other process: {e}"))
}

/// Gives events on.
pub struct Sender<W> {
    to: W,
    /// One place a kind, in the order of first use.
    open: Vec<Batch>,
    /// Whose turn it is, row by row.
    order: Vec<u8>,
    word: Vec<u8>,
}

impl<W: Write> Sender<W> {
    /// Over `to`.
    pub fn new(to: W) -> Self {
        Sender { to, open: Vec::new(), order: Vec::new(), word: Vec::new() }
    }

    /// Takes one row; rows come in their total order.
    pub fn row(&mut self, row: Row<'_>) -> Result<(), Error> {
        let schema = row.schema();
        let at = match self.open.iter().position(|b| std::ptr::eq(b.schema(), schema)) {
            Some(at) => at,
            None => {
                self.open.push(Batch::new(schema));
                self.open.len() - 1
            }
        };
        self.open[at].copy(row);
        self.order.push(u8::try_from(at).map_err(|_| Error("more than 256 kinds of events".into()))?);
        let full = self.order.len() >= ROWS_MAX
            || (self.order.len().is_multiple_of(WEIGH_ROWS) && self.open.iter().map(Batch::bytes).sum::<usize>() >= BYTES_MAX);
        if full { self.flush() } else { Ok(()) }
    }

    /// All events before `now` have been given: sends what waits.
    pub fn upto(&mut self, now: Time) -> Result<(), Error> {
        self.flush()?;
        self.send(TIME, |word| {
            word.extend_from_slice(&now.0.to_le_bytes());
            Ok(())
        })
    }

    /// Gives packets on, in a form that the two sides know.
    pub fn packets(&mut self, packets: &[u8]) -> Result<(), Error> {
        self.send(PACKETS, |word| {
            word.extend_from_slice(packets);
            Ok(())
        })
    }

    /// No event follows.
    pub fn end(&mut self) -> Result<(), Error> {
        self.flush()?;
        self.send(END, |_| Ok(()))
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.order.is_empty() {
            return Ok(());
        }
        // Kinds that lack in this word lose their place in it.
        let (mut places, mut kinds) = (vec![0u8; self.open.len()], 0u8);
        for (place, _) in places.iter_mut().zip(&self.open).filter(|(_, b)| !b.is_empty()) {
            *place = kinds;
            kinds += 1;
        }
        let (open, order) = (std::mem::take(&mut self.open), std::mem::take(&mut self.order));
        let sent = self.send(ROWS, |word| {
            word.push(kinds);
            for batch in open.iter().filter(|b| !b.is_empty()) {
                let at = word.len();
                word.extend_from_slice(&[0; 4]);
                exact::write(batch, word)?;
                let length = (word.len() - at - 4) as u32;
                word[at..at + 4].copy_from_slice(&length.to_le_bytes());
            }
            word.extend(order.iter().map(|o| places[usize::from(*o)]));
            Ok(())
        });
        (self.open, self.order) = (open, order);
        self.open.iter_mut().filter(|b| !b.is_empty()).for_each(Batch::clear);
        self.order.clear();
        sent
    }

    fn send(&mut self, kind: u8, fill: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>) -> Result<(), Error> {
        let word = &mut self.word;
        word.clear();
        word.extend_from_slice(&[kind, 0, 0, 0, 0]);
        fill(word)?;
        let length = u32::try_from(word.len() - 5).ok().filter(|n| *n as usize <= WORD_MAX);
        let length = length.ok_or_else(|| Error(format!("a word of {} bytes; the most is {WORD_MAX}", word.len())))?;
        word[1..5].copy_from_slice(&length.to_le_bytes());
        self.to.write_all(word).map_err(|e| lost(&e))
    }
}

/// What comes.
#[derive(Debug)]
pub enum Word {
    /// Events.
    Rows(Rows),
    /// All events before this have been given.
    Upto(Time),
    /// No event follows.
    End,
    /// Packets, as they were given.
    Packets(Vec<u8>),
}

/// Events of several kinds in their total order.
#[derive(Debug)]
pub struct Rows {
    batches: Vec<Batch>,
    order: Vec<u8>,
}

impl Rows {
    /// Each event, in order.
    pub fn each(&self, mut give: impl FnMut(Row<'_>)) {
        let mut next = vec![0; self.batches.len()];
        for place in self.order.iter().map(|o| usize::from(*o)) {
            give(self.batches[place].row(next[place]));
            next[place] += 1;
        }
    }
}

/// Takes events.
pub struct Receiver<R> {
    from: R,
    schemas: Vec<&'static Schema>,
    word: Vec<u8>,
}

impl<R: Read> Receiver<R> {
    /// Over `from`; of the kinds of `schemas`.
    pub fn new(from: R, schemas: Vec<&'static Schema>) -> Self {
        Receiver { from, schemas, word: Vec::new() }
    }

    /// The next word. Errors: the stream ended without one, or what came is none.
    pub fn next_word(&mut self) -> Result<Word, Error> {
        let mut head = [0; 5];
        self.from.read_exact(&mut head).map_err(|e| lost(&e))?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > WORD_MAX {
            return Err(Error(format!("a word of {length} bytes; the most is {WORD_MAX}")));
        }
        self.word.clear();
        // Room is made as bytes come, not for what is announced.
        let got = self.from.by_ref().take(length as u64).read_to_end(&mut self.word).map_err(|e| lost(&e))?;
        if got < length {
            return Err(Error("the link to the other process: cut within a word".into()));
        }
        match (head[0], self.word.as_slice()) {
            (ROWS, word) => rows(word, &self.schemas).map(Word::Rows),
            (TIME, word) => Ok(Word::Upto(Time(u64::from_le_bytes(word.try_into().map_err(|_| Error("a time that is none".into()))?)))),
            (END, []) => Ok(Word::End),
            (PACKETS, packets) => Ok(Word::Packets(packets.to_vec())),
            (kind, _) => Err(Error(format!("a word of unknown kind {kind}"))),
        }
    }
}

fn rows(word: &[u8], schemas: &[&'static Schema]) -> Result<Rows, Error> {
    let short = || Error("rows: cut short".into());
    let (kinds, mut rest) = word.split_first().ok_or_else(short)?;
    let mut batches = Vec::new();
    for _ in 0..*kinds {
        let (length, more) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let (bytes, more) = more.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(short)?;
        batches.push(exact::read(bytes, schemas)?);
        rest = more;
    }
    let mut counts = vec![0usize; batches.len()];
    for place in rest {
        *counts.get_mut(usize::from(*place)).ok_or_else(|| Error("rows: of a kind that is not there".into()))? += 1;
    }
    if batches.iter().zip(&counts).any(|(b, n)| b.len() != *n) {
        return Err(Error("rows: another number than said".into()));
    }
    Ok(Rows { batches, order: rest.to_vec() })
}

/// Any bytes as what another process sent. For fuzzers.
pub fn fuzz(data: &[u8], schemas: &[&'static Schema]) {
    let mut receiver = Receiver::new(data, schemas.to_vec());
    while let Ok(word) = receiver.next_word() {
        if let Word::Rows(rows) = word {
            rows.each(|row| vigie_event::eve::write(row, &mut Vec::new()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_event::sample::{self, Dice};
    use vigie_event::{Column, eve};

    /// Rows of several kinds as lines, in their order.
    fn sent(seed: u64) -> (Vec<u8>, Vec<String>) {
        let (mut dice, mut out, mut lines) = (Dice::new(seed), Vec::new(), Vec::new());
        let schemas = vigie_sensor::batches::schemas();
        let mut sender = Sender::new(&mut out);
        for round in 0..4u64 {
            for _ in 0..dice.below(60) {
                let schema = schemas[dice.below(schemas.len())];
                let one = sample::batch(schema, 1, &mut dice, |d| Time(d.word()));
                sender.row(one.row(0)).unwrap();
                let mut line = Vec::new();
                eve::write(one.row(0), &mut line);
                lines.push(String::from_utf8(line).unwrap());
            }
            sender.upto(Time(round)).unwrap();
            lines.push(format!("upto {round}"));
            let packets = vec![7; dice.below(100)];
            sender.packets(&packets).unwrap();
            lines.push(format!("{packets:?}"));
        }
        sender.end().unwrap();
        (out, lines)
    }

    fn received(bytes: &[u8]) -> (Vec<String>, Option<Error>) {
        let mut receiver = Receiver::new(bytes, vigie_sensor::batches::schemas());
        let mut lines = Vec::new();
        loop {
            match receiver.next_word() {
                Ok(Word::Rows(rows)) => rows.each(|row| {
                    let mut line = Vec::new();
                    eve::write(row, &mut line);
                    lines.push(String::from_utf8(line).unwrap());
                }),
                Ok(Word::Upto(now)) => lines.push(format!("upto {}", now.0)),
                Ok(Word::Packets(packets)) => lines.push(format!("{packets:?}")),
                Ok(Word::End) => return (lines, None),
                Err(e) => return (lines, Some(e)),
            }
        }
    }

    #[test]
    fn rows_of_all_kinds_come_in_their_order() {
        for seed in 0..20 {
            let (bytes, lines) = sent(seed);
            assert_eq!(received(&bytes), (lines, None), "seed {seed}");
        }
    }

    #[test]
    fn texts_come_with_their_bytes() {
        let schema = *vigie_sensor::batches::schemas().iter().find(|s| s.kind == "dns").unwrap();
        let names: [&[u8]; 4] = [b"office.example", b"\xbd\xd5\xcd.example", "\u{10ffff}\u{e9}".as_bytes(), "\u{e9}".as_bytes()];
        let text = |batch: &Batch| format!("{:?}", batch.columns());
        let (mut out, mut want) = (Vec::new(), Vec::new());
        let mut sender = Sender::new(&mut out);
        for (seed, name) in names.into_iter().enumerate() {
            let mut dice = Dice::new(seed as u64);
            let sample = sample::batch(schema, 3, &mut dice, |d| Time(d.word()));
            let columns = sample.columns().iter().map(|c| with_texts(c, name)).collect();
            let batch = Batch::of(schema, sample.envelopes().to_vec(), columns).unwrap();
            (0..batch.len()).for_each(|i| sender.row(batch.row(i)).unwrap());
            sender.upto(Time(0)).unwrap();
            // The other side makes its columns row by row, too.
            let mut rows = Batch::new(schema);
            (0..batch.len()).for_each(|i| rows.copy(batch.row(i)));
            want.push(text(&rows));
        }
        let mut receiver = Receiver::new(out.as_slice(), vigie_sensor::batches::schemas());
        let mut got = Vec::new();
        while let Ok(word) = receiver.next_word() {
            if let Word::Rows(rows) = word {
                let mut batch = Batch::new(schema);
                rows.each(|row| batch.copy(row));
                got.push(text(&batch));
            }
        }
        assert_eq!(got, want);
    }

    /// A column with `name` for every text.
    fn with_texts(column: &Column, name: &[u8]) -> Column {
        match column {
            Column::Bytes { ends, .. } => {
                Column::Bytes { ends: (1..=ends.len()).map(|n| (n * name.len()) as u32).collect(), data: name.repeat(ends.len()) }
            }
            Column::Opt { rank, inner } => Column::Opt { rank: rank.clone(), inner: Box::new(with_texts(inner, name)) },
            Column::List { ends, items } => Column::List { ends: ends.clone(), items: Box::new(with_texts(items, name)) },
            Column::Group(all) => Column::Group(all.iter().map(|c| with_texts(c, name)).collect()),
            other => other.clone(),
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_an_error_and_no_more() {
        let (bytes, lines) = sent(3);
        for cut in (0..bytes.len()).step_by(97) {
            let (got, error) = received(&bytes[..cut]);
            assert!(error.is_some() && lines.starts_with(&got), "cut at {cut}");
        }
        for at in (0..bytes.len()).step_by(131) {
            let mut other = bytes.clone();
            other[at] ^= 0x55;
            let _ = received(&other);
        }
        // A length that is announced makes no room.
        let (got, error) = received(&[ROWS, 0xff, 0xff, 0xff, 0x1f, 1]);
        assert!(got.is_empty() && error.is_some());
    }
}
