//! Reading from a pipe that may stay silent, with a way to stop.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How long a silent pipe is waited for before the flag is looked at again, in nanoseconds.
const LOOK_EVERY: i64 = 100_000_000;

/// A pipe, terminal or device, read until it ends or `stop` is set.
pub(super) struct Waiting {
    file: File,
    stop: Arc<AtomicBool>,
}

impl Waiting {
    pub(super) fn new(file: File, stop: Arc<AtomicBool>) -> Self {
        Waiting { file, stop }
    }
}

impl Read for Waiting {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wait = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY };
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("stopped while waiting for more"));
            }
            match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&wait)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                // Ready, at its end, or an error that reading tells.
                _ => return self.file.read(out),
            }
        }
    }
}
