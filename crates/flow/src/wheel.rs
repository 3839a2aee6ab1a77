//! A timer wheel over slots of the flow table: one second a notch, links kept inside the flows.
//!
//! Packets do not touch the wheel: a flow is looked at when the notch of its last known deadline comes round, and moved on
//! where packets came meanwhile. So a flow costs the wheel about one visit per time-out, not one per packet.

use vigie_base::{Time, time::SECOND};

/// No slot.
pub(crate) const NIL: u32 = u32::MAX;
/// Notches: above the longest default time-out (600 s), so that most flows are visited once.
const NOTCHES: u64 = 1024;

/// Links of one flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) prev: u32,
    pub(crate) next: u32,
}

pub(crate) trait Links {
    fn link(&mut self, slot: u32) -> &mut Link;
}

#[derive(Debug)]
pub(crate) struct Wheel {
    heads: Vec<u32>,
    /// Seconds up to which (not included) all notches have been visited.
    at: u64,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Wheel { heads: vec![NIL; NOTCHES as usize], at: 0 }
    }

    /// All deadlines before this time have been seen.
    pub(crate) fn done(&self) -> Time {
        Time::from_secs(self.at)
    }

    /// Puts `slot` where `deadline` falls.
    pub(crate) fn insert(&mut self, links: &mut impl Links, slot: u32, deadline: Time) -> u16 {
        let second = deadline.secs().clamp(self.at, self.at + NOTCHES - 1);
        let notch = (second % NOTCHES) as usize;
        let head = self.heads[notch];
        *links.link(slot) = Link { prev: NIL, next: head };
        if head != NIL {
            links.link(head).prev = slot;
        }
        self.heads[notch] = slot;
        notch as u16
    }

    /// Takes `slot` out of `notch`.
    pub(crate) fn remove(&mut self, links: &mut impl Links, slot: u32, notch: u16) {
        let Link { prev, next } = *links.link(slot);
        if prev == NIL {
            self.heads[usize::from(notch)] = next;
        } else {
            links.link(prev).next = next;
        }
        if next != NIL {
            links.link(next).prev = prev;
        }
    }

    /// Starts the wheel at `now`, before the first insertion.
    pub(crate) fn start(&mut self, now: Time) {
        self.at = now.secs();
    }

    /// The next notch whose second is wholly before `now`, emptied: the first slot of its chain.
    pub(crate) fn turn(&mut self, now: Time) -> Option<u32> {
        // After a jump longer than the wheel, one turn visits every flow.
        let target = now.secs();
        if target.saturating_sub(self.at) > NOTCHES {
            self.at = target - NOTCHES;
        }
        while self.at < target {
            let notch = (self.at % NOTCHES) as usize;
            self.at += 1;
            let head = std::mem::replace(&mut self.heads[notch], NIL);
            if head != NIL {
                return Some(head);
            }
        }
        None
    }

    /// The first slot of the earliest notch that holds any, for eviction.
    pub(crate) fn earliest(&self) -> Option<u32> {
        (0..NOTCHES).map(|i| self.heads[((self.at + i) % NOTCHES) as usize]).find(|h| *h != NIL)
    }
}

/// Seconds as nanoseconds.
pub(crate) const fn secs(s: u64) -> u64 {
    s * SECOND
}
