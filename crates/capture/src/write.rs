//! Frames written as pcapng (draft-ietf-opsawg-pcapng): one section, little-endian, stamps in nanoseconds.
//!
//! Blocks are appended to memory; whoever has them sends them on. A file is [`section`], then [`interface`] before the first [`packet`] of
//! each, numbered from 0 in the order of writing.

use crate::{Frame, Interface};

/// Bytes of a comment or a name; more are cut.
const TEXT_MAX: usize = 4096;

/// Begins a file: what wrote it, and what it is.
pub fn section(application: &str, comment: &str, out: &mut Vec<u8>) {
    block(0x0a0d_0d0a, out, |out| {
        out.extend_from_slice(&0x1a2b_3c4du32.to_le_bytes());
        out.extend_from_slice(&1u16.to_le_bytes());
        out.extend_from_slice(&0u16.to_le_bytes());
        // Its length is not known beforehand.
        out.extend_from_slice(&u64::MAX.to_le_bytes());
        option(1, text(comment), out);
        option(4, text(application), out);
        end_of_options(out);
    });
}

/// Describes the next interface; `comment` says where its frames come from.
pub fn interface(interface: &Interface, comment: &str, out: &mut Vec<u8>) {
    block(1, out, |out| {
        out.extend_from_slice(&interface.link.0.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&interface.snaplen.to_le_bytes());
        option(1, text(comment), out);
        option(2, text(&interface.name), out);
        // Stamps in units of 10^-9 s.
        option(9, &[9], out);
        if let Some(fcs) = interface.fcs {
            option(13, &[fcs], out);
        }
        end_of_options(out);
    });
}

/// Writes a frame of the interface of that number, with a comment where there is one.
pub fn packet(interface: u32, frame: &Frame<'_>, comment: &str, out: &mut Vec<u8>) {
    block(6, out, |out| {
        let stamp = frame.time.0;
        for word in [interface, (stamp >> 32) as u32, stamp as u32, frame.data.len() as u32, frame.wire_len] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(frame.data);
        pad(frame.data.len(), out);
        if !comment.is_empty() {
            option(1, text(comment), out);
            end_of_options(out);
        }
    });
}

/// A block with its length at both ends.
fn block(kind: u32, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = (out.len() - start + 4) as u32;
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
}

/// An option; none where it has no value.
fn option(code: u16, value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    pad(value.len(), out);
}

fn end_of_options(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; 4]);
}

fn pad(length: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + length.next_multiple_of(4) - length, 0);
}

/// As much of a text as is written.
fn text(text: &str) -> &[u8] {
    let end = (0..=text.len().min(TEXT_MAX)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    &text.as_bytes()[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Capture, LinkType, Options, Status};
    use std::io::{Cursor, Read};
    use vigie_base::Time;

    #[test]
    fn what_is_written_is_read_again() {
        let names = [("eth0", LinkType(1), None), ("", LinkType(101), Some(4)), (&*"é".repeat(3000), LinkType(1), None)];
        let mut file = Vec::new();
        section("Vigie", "a flow", &mut file);
        for (name, link, fcs) in names {
            interface(&Interface { name: name.to_owned(), link, snaplen: 0, fcs }, "from here", &mut file);
        }
        let data: Vec<u8> = (0..=255).collect();
        let frame = |n: usize| Frame {
            time: Time(1_795_564_800_123_456_789 + n as u64),
            data: &data[..n],
            wire_len: n as u32 + 7,
            link: names[n % 3].1,
            source: 0,
        };
        (0..200).for_each(|n| packet(n as u32 % 3, &frame(n), ["", "flow 7"][n % 2], &mut file));
        assert!(file.len().is_multiple_of(4));
        let reader: Box<dyn Read + Send> = Box::new(Cursor::new(file));
        let mut capture = Capture::from_readers(vec![("cut".to_owned(), reader)], Options::default());
        let mut read = 0;
        while capture.next_batch(&mut |frames| {
            for f in frames {
                assert_eq!(*f, frame(read));
                read += 1;
            }
        }) == Status::More
        {}
        assert_eq!((read, capture.problems()), (200, &[][..]));
    }
}
