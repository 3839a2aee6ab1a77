//! IEEE 802.11 data frames in clear, and radiotap before them.
//!
//! Encrypted frames, fragments and aggregates of several MSDUs are not followed: they end as carrying no IP.

use crate::{Anomaly, Walk};
use vigie_base::Mac;

impl Walk<'_> {
    /// A frame of IEEE 802.11 section 9.2; `padded`: its header is filled to a multiple of four bytes.
    pub(crate) fn dot11(&mut self, at: usize, padded: bool) {
        let Some(h) = self.head::<2>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        let (kind, subtype, flags) = (h[0] >> 2 & 3, h[0] >> 4, h[1]);
        const DATA: u8 = 2;
        const NO_DATA: u8 = 0x4;
        const QOS: u8 = 0x8;
        const TO_DS: u8 = 0x01;
        const FROM_DS: u8 = 0x02;
        const MORE_FRAGMENTS: u8 = 0x04;
        const PROTECTED: u8 = 0x40;
        const ORDER: u8 = 0x80;
        if kind != DATA || subtype & NO_DATA != 0 {
            return;
        }
        let Some(h) = self.head::<24>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        let address = |at: usize| Mac([h[at], h[at + 1], h[at + 2], h[at + 3], h[at + 4], h[at + 5]]);
        let mut len = 24;
        (self.out.dst_mac, self.out.src_mac) = match flags & (TO_DS | FROM_DS) {
            0 => (address(4), address(10)),
            TO_DS => (address(16), address(10)),
            FROM_DS => (address(4), address(16)),
            _ => {
                let Some(fourth) = self.head::<6>(at + 24) else { return self.invalid(Anomaly::LinkTooSmall) };
                len += 6;
                (address(16), Mac(*fourth))
            }
        };
        let fragment_number = h[22] & 0x0f;
        if flags & (PROTECTED | MORE_FRAGMENTS) != 0 || fragment_number != 0 {
            return;
        }
        if subtype & QOS != 0 {
            let Some(control) = self.head::<2>(at + len) else { return self.invalid(Anomaly::LinkTooSmall) };
            const A_MSDU: u8 = 0x80;
            if control[0] & A_MSDU != 0 {
                return;
            }
            len += 2;
            // An HT control field.
            if flags & ORDER != 0 {
                len += 4;
            }
        }
        if padded {
            len = len.next_multiple_of(4);
        }
        self.llc(at + len);
    }

    /// Radiotap (radiotap.org): its length, and of its fields the flag that tells of padding.
    pub(crate) fn radiotap(&mut self, at: usize) {
        const PRESENT_WORDS_MAX: usize = 8;
        let Some(h) = self.head::<8>(at) else { return self.invalid(Anomaly::LinkTooSmall) };
        let len = usize::from(u16::from_le_bytes([h[2], h[3]]));
        let present = h[4];
        if h[0] != 0 || len < 8 {
            return self.invalid(Anomaly::LinkTooSmall);
        }
        let mut fields = at + 8;
        let mut word = *h;
        for _ in 0..PRESENT_WORDS_MAX {
            if word[7] & 0x80 == 0 {
                break;
            }
            let Some(next) = self.head::<4>(fields) else { return self.invalid(Anomaly::LinkTooSmall) };
            word[4..].copy_from_slice(next);
            fields += 4;
        }
        let mut padded = false;
        if present & 0x02 != 0 {
            if present & 0x01 != 0 {
                // The timer is aligned to its eight bytes, counted from the header.
                fields = at + (fields - at).next_multiple_of(8) + 8;
            }
            padded = self.head::<1>(fields).is_some_and(|flags| flags[0] & 0x20 != 0);
        }
        self.dot11(at + len, padded);
    }
}
