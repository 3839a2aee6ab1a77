//! Bytes that a parser's state holds beside itself, for the budget of all dissection.
//!
//! What is counted is what was asked of the allocator, with what it adds to each block; elements of a collection that are boxed or
//! hold more are asked in turn. Collections of a parser are few and capped, so that counting costs less than one packet's parsing.

use std::collections::VecDeque;

/// What the allocator adds to a block.
const BLOCK: usize = 16;

/// What holds memory beside itself.
pub(crate) trait Held {
    /// Bytes beside itself.
    fn held(&self) -> usize;
}

/// Bytes of one block of `bytes`.
const fn block(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + BLOCK }
}

/// Declares what a type holds: the fields named.
macro_rules! holds {
    ($($type:ty: { $($field:tt),* })+) => {
        $(impl $crate::held::Held for $type {
            #[inline]
            fn held(&self) -> usize {
                0 $(+ $crate::held::Held::held(&self.$field))*
            }
        })+
    };
}
pub(crate) use holds;

macro_rules! holds_nothing {
    ($($type:ty),*) => { $(impl Held for $type {
        #[inline]
        fn held(&self) -> usize {
            0
        }
    })* };
}
holds_nothing!(u8, u16, u32, u64, usize, bool, &str);

impl<T: Held> Held for Vec<T> {
    #[inline]
    fn held(&self) -> usize {
        block(self.capacity() * size_of::<T>()) + self.iter().map(Held::held).sum::<usize>()
    }
}

impl<T: Held> Held for VecDeque<T> {
    #[inline]
    fn held(&self) -> usize {
        block(self.capacity() * size_of::<T>()) + self.iter().map(Held::held).sum::<usize>()
    }
}

impl Held for String {
    #[inline]
    fn held(&self) -> usize {
        block(self.capacity())
    }
}

impl<T: Held> Held for Option<T> {
    #[inline]
    fn held(&self) -> usize {
        self.as_ref().map_or(0, Held::held)
    }
}

impl<T: Held> Held for Box<T> {
    #[inline]
    fn held(&self) -> usize {
        block(size_of::<T>()) + (**self).held()
    }
}

impl<T: Held, const N: usize> Held for [T; N] {
    #[inline]
    fn held(&self) -> usize {
        self.iter().map(Held::held).sum()
    }
}

impl<A: Held, B: Held> Held for (A, B) {
    #[inline]
    fn held(&self) -> usize {
        self.0.held() + self.1.held()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transport;
    use crate::testing::{Bench, ToClient, ToServer};

    /// What a client that fills a parser's state makes it hold is counted: at least the bytes that stay.
    #[test]
    fn parsers_count_what_they_keep() {
        let long = "x".repeat(1000);
        let many = |line: String, n: usize| line.repeat(n).into_bytes();
        let hello = [&[22, 3, 1, 0x40, 0, 1, 0, 0x90, 0][..], &[3; 0x3ffc], &[22, 3, 1, 0x40, 0], &[0; 0x4000]].concat();
        let cases: [(u16, &[u8], Vec<u8>, usize); 7] = [
            (
                25,
                b"220 x ESMTP\r\n",
                [b"EHLO y\r\nMAIL FROM:<a>\r\n".to_vec(), many(format!("RCPT TO:<{long}>\r\n"), 100)].concat(),
                100_000,
            ),
            (25, b"220 x ESMTP\r\n", [b"EHLO y\r\nDATA\r\nSubject: ".to_vec(), many(format!("{long}\r\n "), 8)].concat(), 8000),
            (21, b"220 x FTP\r\n", many(format!("CWD {long}\r\n"), 60), 60_000),
            (110, b"+OK x\r\n", many("USER ada\r\n".to_owned(), 200), 200 * size_of::<usize>()),
            (143, b"* OK IMAP4rev1\r\n", many(format!("a SELECT {}\r\n", &long[..200]), 60), 60 * 200),
            (80, b"", many(format!("GET /{long} HTTP/1.1\r\nHost: y\r\n\r\n"), 100), 100_000),
            (443, b"", hello, 0x8000),
        ];
        for (port, greeting, flood, least) in cases {
            let mut b = Bench::new(Transport::Tcp, port);
            b.data(ToClient, greeting);
            let before = b.dissection.held();
            b.data(ToServer, &flood);
            let held = b.dissection.held();
            assert!(held >= before + least && held <= 8 * flood.len() + 100_000, "port {port}: {before} then {held} of {}", flood.len());
            b.with(|d, cx| d.finish(cx));
        }
    }

    #[test]
    fn blocks_and_what_is_in_them() {
        assert_eq!((Vec::<u8>::new().held(), None::<Vec<u8>>.held()), (0, 0));
        assert_eq!(Vec::<u8>::with_capacity(100).held(), 116);
        let nested = vec![Vec::<u8>::with_capacity(10), Vec::new()];
        assert_eq!(nested.held(), 2 * size_of::<Vec<u8>>() + 16 + 26);
        assert_eq!(Box::new(Vec::<u16>::with_capacity(4)).held(), size_of::<Vec<u16>>() + 16 + 24);
    }
}
