//! What waits in all flows of a worker: one budget, and the counters of reassembly.

use vigie_base::Budget;

vigie_base::counters! {
    /// What reassembly counted since the caller last took it (`std::mem::take`).
    Counters {
        /// Holes declared lost.
        gaps,
        /// Bytes in them.
        gap_bytes,
        /// Segments all of whose bytes had been delivered.
        retransmissions,
        /// Keep-alive probes: one byte before the next (RFC 9293 section 3.8.4).
        keep_alives,
        /// Segments that covered bytes delivered or waiting, in part or whole, retransmissions aside.
        overlaps,
        /// Of retransmissions and overlaps, those whose bytes differ.
        different_overlaps,
        /// Segments that had to wait for earlier bytes.
        out_of_order,
        /// Segments that found the direction's bound reached.
        flow_limit_reached,
        /// Segments that found the worker's memory used up.
        memory_reached,
        /// Segments dropped at a bound (before the handshake is known nothing can be delivered to make room).
        dropped_at_limit,
        /// Data segments of sessions that are not followed.
        no_session,
        /// Segments refused: beyond the receiver's window.
        out_of_window,
        /// Segments refused: they acknowledge what was never sent.
        invalid_acks,
        /// Segments refused: no ACK flag in a session that has begun, or SYN with FIN.
        invalid_flags,
        /// RSTs refused: not in the window, or acknowledging what was never sent.
        invalid_rsts,
        /// Data segments not delivered: in or after a valid RST.
        after_reset,
        /// Data segments cut or not delivered: after the FIN.
        after_fin,
        /// Directions followed to their depth.
        depth_reached,
        /// Sessions that went on after an RST or FIN that was not the end.
        reopened,
        /// Segments with data of directions that were seen before.
        data_segments,
        /// Bytes that the other side acknowledged of directions that are seen.
        acked_bytes,
        /// Holes that the other side acknowledged: the bytes were sent and received, and never seen here.
        unseen,
        /// Bytes in them.
        unseen_bytes,
        /// Segments that came just behind later ones, sooner than any retransmission could.
        reordered,
        /// Segments that came behind their own acknowledgement.
        acked_early,
        /// Conversations of which the first packets were seen from one side only.
        one_sided,
        /// Conversations of which they were seen from both.
        two_sided,
        /// Directions set forward because both sides agreed on numbers beyond the window (loss of more than a window).
        resyncs,
    }
}

/// The worker's budget for data that waits, over all its flows.
#[derive(Debug)]
pub struct Memory {
    held: u64,
    held_max: u64,
    cap: u64,
    /// What was counted.
    pub counters: Counters,
}

impl Memory {
    /// What one waiting piece costs beside its bytes: its entry (vectors grow by doubling) and the allocator's share.
    pub const PIECE_BYTES: u32 = 96;

    /// A budget of `cap` bytes; 64 MiB is Suricata's `stream.memcap`.
    pub fn new(cap: u64) -> Self {
        Memory { held: 0, held_max: 0, cap, counters: Counters::default() }
    }

    /// As declared for `vigie check`.
    pub const fn budget(cap: u64) -> Budget {
        Budget {
            name: "stream.memory",
            entries_max: cap,
            entry_bytes: 1,
            when_full: "the missing bytes before waiting data are given up, and the data is delivered",
        }
    }

    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The most that were held at once.
    pub fn held_max(&self) -> u64 {
        self.held_max
    }

    pub(crate) fn fits(&self, bytes: u64) -> bool {
        self.held.saturating_add(bytes) <= self.cap
    }

    pub(crate) fn take(&mut self, bytes: u64) {
        self.held += bytes;
        self.held_max = self.held_max.max(self.held);
    }

    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }
}
