//! The `alert` event of a finding.

use vigie_event::Record;

/// A finding of a detector: told when it opens and when it ends.
#[derive(Record)]
#[record(kind = "alert", app_proto)]
pub struct AlertEvent<'a> {
    /// `allowed`: Vigie only watches.
    pub action: &'a str,
    /// 9000: Vigie's own detectors.
    pub gid: u32,
    /// The detector's number.
    pub signature_id: u32,
    /// Version of the detector's words.
    pub rev: u32,
    /// The detector's title.
    pub signature: &'a str,
    /// Class of attack.
    pub category: &'a str,
    /// 1 (high) to 3 (low), from the finding's score.
    pub severity: u8,
    /// The same in the event that opens a finding and in the one that ends it.
    #[field(place = "vigie")]
    pub alert_id: &'a str,
    /// The case that it belongs to, where it has one.
    #[field(place = "vigie")]
    pub case_id: Option<&'a str>,
    /// The detector.
    #[field(place = "vigie")]
    pub detector: &'a str,
    /// `open` or `end`.
    #[field(place = "vigie")]
    pub phase: &'a str,
    /// How many times it happened so far.
    #[field(place = "vigie")]
    pub count: u64,
    /// The sum of the finding's reasons.
    #[field(place = "vigie")]
    pub score: u32,
    /// What was found, in one line.
    #[field(place = "vigie", class = "personal")]
    pub summary: &'a str,
    /// ATT&CK techniques.
    #[field(place = "vigie")]
    pub techniques: &'a [&'a str],
}
