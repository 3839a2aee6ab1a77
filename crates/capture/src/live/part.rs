//! A part of an interface's frames, as a filter in the kernel: what lets several threads read one interface, each in a ring of its own.
//!
//! The part of a frame follows from its two addresses alone ([`addr::part`]), so that both directions, fragments and errors of a
//! conversation meet in one ring, and the two sides of a split tap in rings of one number. What has no address here, or is too short,
//! is the first part's. The sockets of a fan-out group (`PACKET_FANOUT`) would each see a frame once; but such a socket can
//! never be bound to an interface that has gone and come back, and nobody here may open another.
//!
//! Source: Documentation/networking/filter.rst of Linux (classic BPF).

use libc::sock_filter;
use vigie_base::addr::{PART_FACTOR, PART_SHIFT};

/// Instructions, by their names in filter.rst.
mod op {
    pub(super) const LD_INDIRECT: u16 = 0x40;
    pub(super) const LD: u16 = 0x00;
    pub(super) const LDH: u16 = 0x28;
    pub(super) const LDB_INDIRECT: u16 = 0x50;
    pub(super) const LD_LEN: u16 = 0x80;
    pub(super) const LDX: u16 = 0x01;
    pub(super) const LDX_MEMORY: u16 = 0x61;
    pub(super) const LD_MEMORY: u16 = 0x60;
    pub(super) const ST: u16 = 0x02;
    pub(super) const STX: u16 = 0x03;
    pub(super) const TAX: u16 = 0x07;
    pub(super) const TXA: u16 = 0x87;
    pub(super) const ADD: u16 = 0x04;
    pub(super) const SUB_X: u16 = 0x1c;
    pub(super) const XOR_X: u16 = 0xac;
    pub(super) const MUL: u16 = 0x24;
    pub(super) const RSH: u16 = 0x74;
    pub(super) const MOD: u16 = 0x94;
    pub(super) const JEQ: u16 = 0x15;
    pub(super) const JGE: u16 = 0x35;
    pub(super) const JSET: u16 = 0x45;
    pub(super) const RET: u16 = 0x06;
}

/// EtherTypes of VLAN tags (IEEE 802.1Q, 802.1ad, and what was used before).
const TAGS: [u32; 3] = [0x8100, 0x88a8, 0x9100];
const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
/// EtherTypes of MPLS (RFC 5332), of which one direction often carries labels and the other none (RFC 3031 section 3.16), and of PPPoE
/// sessions (RFC 2516).
const MPLS: [u32; 2] = [0x8847, 0x8848];
const PPPOE: u32 = 0x8864;
/// Bytes of a label and of PPPoE's and PPP's headers.
const LABEL: u32 = 4;
const SESSION: u32 = 8;
/// Labels that are looked behind.
const LABELS_MAX: usize = 4;
/// Bytes of two Ethernet addresses and a type, and of a tag.
const ETHERNET: u32 = 14;
const TAG: u32 = 4;
/// Tags that are looked behind: the kernel has taken out one more.
const TAGS_MAX: u32 = 2;
/// Scratch words: what was folded so far, and where the IP packet begins.
const FOLDED: u32 = 0;
const START: u32 = 1;

/// A place in the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Next,
    /// Behind this many tags: what it is.
    Tag(u32),
    Known,
    Mpls,
    Bottom,
    Pppoe,
    /// Told by its first four bits, at A.
    Ip,
    Ipv4,
    Ipv6,
    Part,
    Rest,
    Take,
    Leave,
}

/// A program being written: jumps go to places that come later.
#[derive(Default)]
struct Text {
    code: Vec<(u16, u32, To, To)>,
    places: Vec<(To, usize)>,
}

impl Text {
    fn op(&mut self, code: u16, k: u32) {
        self.code.push((code, k, To::Next, To::Next));
    }

    fn jump(&mut self, code: u16, k: u32, yes: To, no: To) {
        self.code.push((code, k, yes, no));
    }

    /// Goes to `place`, always.
    fn go(&mut self, place: To) {
        self.jump(op::JGE, 0, place, place);
    }

    fn place(&mut self, place: To) {
        self.places.push((place, self.code.len()));
    }

    /// Goes on where the frame has `least` bytes from its start (or from X where it `is_indirect`).
    fn long(&mut self, least: u32, is_indirect: bool) {
        self.op(op::LD_LEN, 0);
        if is_indirect {
            self.op(op::SUB_X, 0);
        }
        self.jump(op::JGE, least, To::Next, To::Rest);
    }

    fn end(self) -> Vec<sock_filter> {
        let at = |from: usize, to: To| match self.places.iter().find(|(p, _)| *p == to) {
            Some((_, place)) => (place - from - 1) as u8,
            None => 0,
        };
        self.code.iter().enumerate().map(|(i, &(code, k, yes, no))| sock_filter { code, jt: at(i, yes), jf: at(i, no), k }).collect()
    }
}

/// What takes the frames of part `part` of `of`, and leaves the others.
pub(super) fn program(part: u32, of: u32, is_ethernet: bool) -> Vec<sock_filter> {
    let mut t = Text::default();
    if is_ethernet {
        for tags in 0..=TAGS_MAX {
            let start = ETHERNET + TAG * tags;
            t.place(To::Tag(tags));
            t.long(start, false);
            t.op(op::LDX, start);
            t.op(op::LDH, start - 2);
            let tagged = if tags < TAGS_MAX { To::Tag(tags + 1) } else { To::Rest };
            for (i, tag) in TAGS.into_iter().enumerate() {
                t.jump(op::JEQ, tag, tagged, if i + 1 == TAGS.len() { To::Known } else { To::Next });
            }
        }
        t.place(To::Known);
        t.jump(op::JEQ, IPV4, To::Ipv4, To::Next);
        t.jump(op::JEQ, IPV6, To::Ipv6, To::Next);
        t.jump(op::JEQ, MPLS[0], To::Mpls, To::Next);
        t.jump(op::JEQ, MPLS[1], To::Mpls, To::Next);
        t.jump(op::JEQ, PPPOE, To::Pppoe, To::Rest);
        t.place(To::Pppoe);
        t.long(SESSION + 1, true);
        t.op(op::TXA, 0);
        t.op(op::ADD, SESSION);
        t.go(To::Ip);
        t.place(To::Mpls);
        for _ in 0..LABELS_MAX {
            t.long(LABEL + 1, true);
            t.op(op::LDB_INDIRECT, 2);
            t.jump(op::JSET, 1, To::Bottom, To::Next);
            t.op(op::TXA, 0);
            t.op(op::ADD, LABEL);
            t.op(op::TAX, 0);
        }
        t.go(To::Rest);
        t.place(To::Bottom);
        t.op(op::TXA, 0);
        t.op(op::ADD, LABEL);
    } else {
        t.long(1, false);
        t.op(op::LD, 0);
    }
    t.place(To::Ip);
    t.op(op::TAX, 0);
    t.op(op::LDB_INDIRECT, 0);
    t.op(op::RSH, 4);
    t.jump(op::JEQ, 4, To::Ipv4, To::Next);
    t.jump(op::JEQ, 6, To::Ipv6, To::Rest);
    t.place(To::Ipv4);
    t.long(20, true);
    t.op(op::LD_INDIRECT, 12);
    t.op(op::ST, FOLDED);
    t.op(op::LD_INDIRECT, 16);
    t.op(op::LDX_MEMORY, FOLDED);
    t.op(op::XOR_X, 0);
    t.op(op::ST, FOLDED);
    t.go(To::Part);
    t.place(To::Ipv6);
    t.long(40, true);
    t.op(op::STX, START);
    t.op(op::LD_INDIRECT, 8);
    t.op(op::ST, FOLDED);
    for word in 1..8 {
        t.op(op::LD_INDIRECT, 8 + 4 * word);
        t.op(op::LDX_MEMORY, FOLDED);
        t.op(op::XOR_X, 0);
        t.op(op::ST, FOLDED);
        t.op(op::LDX_MEMORY, START);
    }
    t.place(To::Part);
    t.op(op::LD_MEMORY, FOLDED);
    t.op(op::MUL, PART_FACTOR);
    t.op(op::RSH, PART_SHIFT);
    t.op(op::MOD, of.max(1));
    t.jump(op::JEQ, part, To::Take, To::Leave);
    t.place(To::Rest);
    // Which goes on to what stands next: the rest is the first part's.
    let ways = [(To::Take, u32::MAX), (To::Leave, 0)];
    for (place, bytes) in if part == 0 { ways } else { [ways[1], ways[0]] } {
        t.place(place);
        t.op(op::RET, bytes);
    }
    t.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vigie_base::{Ip, addr};

    /// As the kernel runs it: bytes to take of a frame; 0 where it reads beyond the frame.
    fn run(program: &[sock_filter], frame: &[u8]) -> u32 {
        let (mut a, mut x, mut memory, mut at) = (0u32, 0u32, [0u32; 16], 0usize);
        let load = |at: u32, n: usize| {
            let bytes = frame.get(at as usize..at as usize + n)?;
            Some(bytes.iter().fold(0u32, |v, b| v << 8 | u32::from(*b)))
        };
        loop {
            let i = program[at];
            let (mut read, mut is_read) = (Some(a), true);
            match i.code {
                op::LD_INDIRECT => read = load(x + i.k, 4),
                op::LDH => read = load(i.k, 2),
                op::LDB_INDIRECT => read = load(x + i.k, 1),
                op::LD => read = Some(i.k),
                op::TXA => read = Some(x),
                op::ADD => read = Some(a.wrapping_add(i.k)),
                op::LD_LEN => read = Some(frame.len() as u32),
                op::LD_MEMORY => read = Some(memory[i.k as usize]),
                op::SUB_X => read = Some(a.wrapping_sub(x)),
                op::XOR_X => read = Some(a ^ x),
                op::MUL => read = Some(a.wrapping_mul(i.k)),
                op::RSH => read = Some(a >> i.k),
                op::MOD => read = Some(a % i.k),
                _ => is_read = false,
            }
            match i.code {
                op::RET => return i.k,
                op::LDX => x = i.k,
                op::TAX => x = a,
                op::JSET => at += usize::from(if a & i.k != 0 { i.jt } else { i.jf }),
                op::LDX_MEMORY => x = memory[i.k as usize],
                op::ST => memory[i.k as usize] = a,
                op::STX => memory[i.k as usize] = x,
                op::JEQ => at += usize::from(if a == i.k { i.jt } else { i.jf }),
                op::JGE => at += usize::from(if a >= i.k { i.jt } else { i.jf }),
                code => assert!(is_read, "instruction {code:#x}"),
            }
            let Some(read) = read else { return 0 };
            a = read;
            at += 1;
        }
    }

    fn taken(frame: &[u8], of: u32, is_ethernet: bool) -> Vec<u32> {
        (0..of).filter(|part| run(&program(*part, of, is_ethernet), frame) > 0).collect()
    }

    fn packet(src: Ip, dst: Ip) -> Vec<u8> {
        match (src.to_v4(), dst.to_v4()) {
            (Some(a), Some(b)) => [&[0x45; 12][..], &a, &b].concat(),
            _ => [&[0x60; 8][..], &src.0, &dst.0].concat(),
        }
    }

    proptest! {
        #[test]
        fn it_is_the_part_of_the_owner(a: [u8; 16], b: [u8; 16], is_v4: bool, tags in 0usize..3, of in 1u32..20) {
            let ip = |b: [u8; 16]| if is_v4 { Ip::v4([b[0], b[1], b[2], b[3]]) } else { Ip(b) };
            let (a, b) = (ip(a), ip(b));
            prop_assume!(a.is_v4() == is_v4 && b.is_v4() == is_v4);
            let want = [addr::part(a, b, of)];
            let kind: &[u8] = if is_v4 { &[8, 0] } else { &[0x86, 0xdd] };
            for (src, dst) in [(a, b), (b, a)] {
                let frame = [&[2; 12][..], &[0x81, 0, 0, 7].repeat(tags), kind, &packet(src, dst)].concat();
                prop_assert_eq!(taken(&frame, of, true), &want[..]);
                let (label, bottom) = ([0, 1, 0, 64], [0, 2, 1, 64]);
                let mpls = [&[2; 12][..], &[0x88, 0x47], &label.repeat(tags), &bottom, &packet(src, dst)].concat();
                prop_assert_eq!(taken(&mpls, of, true), &want[..]);
                let pppoe = [&[2; 12][..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 42, 0, 33], &packet(src, dst)].concat();
                prop_assert_eq!(taken(&pppoe, of, true), &want[..]);
                prop_assert_eq!(taken(&packet(src, dst), of, false), &want[..]);
            }
        }

        #[test]
        fn any_frame_is_one_parts(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x81), Just(0x88), Just(0x47), Just(8), Just(0)], 0..80), of in 1u32..20, cut in 0usize..64) {
            prop_assert_eq!(taken(&bytes, of, true).len(), 1);
            prop_assert_eq!(taken(&bytes, of, false).len(), 1);
            // An IPv4 frame in one tag, cut off anywhere.
            let whole = [&[2; 12][..], &[0x81, 0, 0, 7, 8, 0], &packet(Ip::v4([10, 0, 0, 1]), Ip::v4([10, 0, 0, 2]))].concat();
            prop_assert_eq!(taken(&whole[..cut.min(whole.len())], of, true).len(), 1);
        }
    }

    #[test]
    fn parts_are_about_equal() {
        let mut counts = [0; 4];
        for host in 0..200u8 {
            for server in 0..5 {
                counts[addr::part(Ip::v4([10, 1, 2, host]), Ip::v4([10, 9, 0, server]), 4) as usize] += 1;
            }
        }
        assert!(counts.iter().all(|n| (200..300).contains(n)), "{counts:?}");
    }
}
