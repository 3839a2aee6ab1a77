//! What is wrong with a capture, in one line for a person.

use std::fmt;

/// The sort of a [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProblemKind {
    /// It cannot be opened or read.
    Unreadable,
    /// It can be read and is no capture.
    NotACapture,
    /// It is a capture up to some offset; the frames before that were given.
    Damaged,
    /// Part of it was left out: a packet of an unknown interface, a link type that the filter cannot look into.
    LeftOut,
    /// A cap of this crate was reached.
    Limit,
}

/// One thing that is wrong: what, where, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its sort.
    pub kind: ProblemKind,
    /// The file or folder as given, bytes that are no UTF-8 as `\xNN`.
    pub file: String,
    /// Byte offset of the record or block at fault, in the unpacked data where the file is compressed.
    pub offset: Option<u64>,
    /// What is wrong, in words.
    pub what: String,
    /// What to do about it, in words.
    pub todo: &'static str,
}

impl fmt::Display for Problem {
    /// `FILE: offset N: what: what to do`, safe for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", vigie_base::text::terminal(&self.file))?;
        if let Some(offset) = self.offset {
            write!(f, "offset {offset}: ")?;
        }
        write!(f, "{}; {}", vigie_base::text::terminal(&self.what), self.todo)
    }
}

/// Most problems kept; what comes after is only counted.
pub(crate) const PROBLEMS_MAX: usize = 1000;

/// The problems of a capture, up to [`PROBLEMS_MAX`].
#[derive(Default)]
pub(crate) struct Problems {
    pub(crate) list: Vec<Problem>,
    pub(crate) dropped: u64,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(problem);
        } else {
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_safe_line() {
        let p = Problem {
            kind: ProblemKind::Damaged,
            file: "a\n\u{1b}[31m.pcap".to_owned(),
            offset: Some(24),
            what: "cut short".to_owned(),
            todo: "the frames before it were read",
        };
        assert_eq!(p.to_string(), "a\\u{a}\\u{1b}[31m.pcap: offset 24: cut short; the frames before it were read");
    }

    #[test]
    fn the_list_is_bounded() {
        let mut all = Problems::default();
        for _ in 0..PROBLEMS_MAX + 5 {
            all.push(Problem { kind: ProblemKind::Limit, file: String::new(), offset: None, what: String::new(), todo: "" });
        }
        assert_eq!((all.list.len(), all.dropped), (PROBLEMS_MAX, 5));
    }
}
