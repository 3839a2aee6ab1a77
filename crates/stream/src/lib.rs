//! TCP segments of one flow in, in-order pieces and gaps out (RFC 9293; options RFC 7323; Fast Open RFC 7413).
//!
//! It knows neither the flow table nor any protocol: the caller keeps one [`Stream`] per TCP flow, one [`Memory`] per worker, and
//! says which direction a segment travels. What comes out goes to an [`Out`].
//!
//! # What is promised
//! - In-order data goes from the frame to [`Out::data`] without a copy and without allocation. Only data that must wait is copied,
//!   bounded per direction ([`Settings`]) and per worker ([`Memory`]); where a bound is reached the missing bytes before it are
//!   declared lost and delivery goes on. Data itself is not thrown away for want of room once the handshake is known; before, a
//!   direction that reaches its bound lets go of what waits, and is delivered from where it stands once the handshake is known.
//! - Each byte of a direction is delivered or declared lost exactly once, in order, up to [`Settings::depth`].
//! - The result does not depend on how the sender cut its bytes into segments.
//!
//! # When data is delivered
//! Under [`Overlap::First`] at once when it is in order: no later copy of a byte can change what was seen first. Under the other
//! policies only when the receiver acknowledged it, because until then a later segment may replace it; held bytes count to the bounds
//! (and where no acknowledgement is ever seen they leave by the bounds or at the end).
//! Nothing of a direction is delivered before the other side has acknowledged its SYN (what comes earlier, Fast Open included,
//! waits), unless the session is picked up mid-stream or one-sided by setting. Not delivered: data outside the receiver's window,
//! without the ACK flag, with an acknowledgement of what was never sent, in or after a valid RST, after the FIN.
//!
//! # When data is given up for lost
//! When the other side acknowledged past a hole and later data stands waiting behind it; when a bound of what may wait is reached;
//! at [`Stream::finish`] or a valid RST. Where the acknowledging side is not seen, by the last two only.
//!
//! # What differs from Suricata, on purpose
//! A retransmission of delivered bytes is compared by the first 32 bytes of the last two delivered segments, where it starts with one of
//! them; what waits is compared whole. A lost or late SYN/ACK (or SYN) does not hide a session whose other handshake segments agree on the
//! numbers. After a valid RST its supposed sender's further in-window data, or SYN/ACK, reopens the session
//! (`stream.suspected_rst_inject`), likewise an acknowledgement beyond a FIN that would have been the last byte. Where a loss of more than
//! a window leaves both sides' numbers beyond reach, they are followed once both agree. Timestamps (PAWS) are not examined.

mod fuzz;
mod half;
mod memory;
mod stream;
#[cfg(test)]
mod tests;

pub use fuzz::fuzz;
pub use memory::{Counters, Memory};
pub use stream::{Closed, Segment, Stream, TcpState};

use vigie_base::Direction;

/// The bits of [`Segment::flags`], as in the TCP header (RFC 9293 section 3.1).
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement field counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts. Urgent data is left in its place.
    pub const URG: u8 = 0x20;
}

/// Whose bytes win where two segments cover the same sequence numbers and differ (Novak and Sturges, "Target-Based TCP Stream
/// Reassembly"; names as in Suricata's `host-os-policy`).
///
/// Held bytes keep the start and end of the segment that brought them first; the rules below compare whole segments by these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// The earlier arrival wins. Delivered at once.
    #[default]
    First,
    /// The later arrival wins while unacknowledged.
    Last,
    /// The later wins where it starts before the earlier, or starts with it and ends after it.
    Linux,
    /// The later wins where it starts before the earlier (Windows, BSD).
    Windows,
}

/// What the operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Pick up sessions whose handshake was not seen (Suricata `stream.midstream`).
    pub midstream: bool,
    /// Deliver a direction although the other side is never seen (Suricata `stream.async-oneside`). Needs a SYN or SYN/ACK.
    pub async_oneside: bool,
    /// Whose bytes win.
    pub overlap: Overlap,
    /// Bytes per direction, gaps included, after which nothing more is delivered or held; 0 for no end.
    pub depth: u64,
    /// Bytes that may wait in one direction, bookkeeping included ([`Memory::PIECE_BYTES`] a piece).
    pub waiting_bytes_max: u32,
    /// Pieces that may wait in one direction.
    pub waiting_pieces_max: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            midstream: false,
            async_oneside: false,
            overlap: Overlap::First,
            depth: 1 << 20,
            waiting_bytes_max: 256 << 10,
            waiting_pieces_max: 256,
        }
    }
}

/// Takes what a stream gives. Calls come in stream order within a direction.
pub trait Out {
    /// The next bytes, never empty.
    fn data(&mut self, dir: Direction, bytes: &[u8]);
    /// `len` bytes (at least 1) that will not come.
    fn gap(&mut self, dir: Direction, len: u64);
    /// The FIN was reached in order: the direction is complete. Data follows only where that FIN proves forged.
    fn end(&mut self, dir: Direction);
    /// `dir` aborted the connection by a valid RST. Data follows only where that RST proves forged.
    fn reset(&mut self, dir: Direction);
    /// An oddity of the segment at hand.
    fn event(&mut self, anomaly: Anomaly);
}

vigie_base::anomalies! {
    /// One oddity of a session. The names are Suricata's.
    Anomaly {
        /// SYN/ACK that acknowledges what the opener never sent.
        SynackWrongAck = "stream.3whs_synack_with_wrong_ack";
        /// A second SYN/ACK with another initial sequence number before the handshake ended.
        SynackResendDiffSeq = "stream.3whs_synack_resend_with_diff_seq";
        /// More than two SYN/ACKs with different initial sequence numbers.
        SynackFlood = "stream.3whs_synack_flood";
        /// Fast Open data that the server's SYN/ACK did not acknowledge.
        SynackTfoDataIgnored = "stream.3whs_synack_tfo_data_ignored";
        /// A second SYN with another initial sequence number after the SYN/ACK.
        SynResendDiffSeq = "stream.3whs_syn_resend_diff_seq_on_syn_recv";
        /// A handshake acknowledgement that fits no SYN seen.
        WrongSeqWrongAck = "stream.3whs_wrong_seq_wrong_ack";
        /// SYN with the same number in an established session.
        EstSynResend = "stream.est_syn_resend";
        /// SYN with another number in an established session.
        EstSynResendDiffSeq = "stream.est_syn_resend_diff_seq";
        /// SYN/ACK with the same number in an established session.
        EstSynackResend = "stream.est_synack_resend";
        /// SYN/ACK with another number in an established session.
        EstSynackResendDiffSeq = "stream.est_synack_resend_with_diff_seq";
        /// Segment beyond the receiver's window.
        OutOfWindow = "stream.est_packet_out_of_window";
        /// Acknowledgement of what was never sent.
        InvalidAck = "stream.est_invalid_ack";
        /// Acknowledgement field set without the ACK flag.
        BrokenAck = "stream.pkt_broken_ack";
        /// FIN beyond the receiver's window.
        FinOutOfWindow = "stream.fin_out_of_window";
        /// FIN of a session that is not followed.
        FinNoSession = "stream.fin_but_no_session";
        /// SYN and FIN in one segment.
        FinSyn = "stream.fin_syn";
        /// RST of a session that is not followed.
        RstNoSession = "stream.rst_but_no_session";
        /// RST that acknowledges what was never sent.
        RstInvalidAck = "stream.rst_invalid_ack";
        /// Data from the side whose RST had closed the session.
        SuspectedRstInject = "stream.suspected_rst_inject";
        /// The bytes of a segment were all delivered before.
        Retransmission = "stream.pkt_retransmission";
        /// Bytes are missing.
        SeqGap = "stream.reassembly_seq_gap";
        /// Two segments cover the same sequence numbers with different bytes.
        OverlapDifferentData = "stream.reassembly_overlap_different_data";
        /// The depth to which a direction is followed was reached.
        DepthReached = "stream.reassembly_depth_reached";
        /// The worker's memory for data that waits is used up.
        InsertMemcap = "stream.reassembly_insert_memcap";
        /// The direction's bound of data that waits is reached.
        InsertLimit = "stream.reassembly_insert_limit";
    }
}
