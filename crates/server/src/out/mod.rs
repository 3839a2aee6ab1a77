//! What leaves for other programs: every event as EVE lines into a file and a Unix socket, cases that open and close to a webhook and to
//! syslog.
//!
//! Nobody who gives to an output waits for it. Lines wait in a bounded queue, and what does not fit is counted; cases wait in the catalog,
//! whose trail is read on from where each output stands.

mod deliver;
mod eve;
mod file;
mod notice;
mod socket;
mod syslog;
mod target;
mod webhook;

pub(crate) use deliver::{deliver, test};
pub(crate) use eve::{BUDGET as EVE_QUEUE, Eve, EveOutputs, Said, Sink};
pub(crate) use notice::CaseNotice;
pub(crate) use target::{CaseOutput, Syslog, Webhook};

/// The name of this machine, which a sensor and what it tells are known by.
pub(crate) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "sensor".to_owned() } else { name.trim().to_owned() }
}
