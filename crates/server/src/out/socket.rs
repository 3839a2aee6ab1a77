//! A Unix stream socket that somebody listens on: Vigie connects, and connects again.

use crate::out::eve::{Chunk, END, Order, Writes};
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a connection is tried.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// How long one write may wait before it is looked whether there is something else to do.
const LOOK: Duration = Duration::from_millis(200);

/// The socket, connected or not.
pub(super) struct Connected {
    path: PathBuf,
    peer: Option<UnixStream>,
    tried: Option<Instant>,
}

impl Connected {
    pub(super) fn new(path: &Path) -> Self {
        Connected { path: path.to_owned(), peer: None, tried: None }
    }

    fn connect(&mut self) -> Result<(), String> {
        self.tried = Some(Instant::now());
        let peer = UnixStream::connect(&self.path).and_then(|peer| peer.set_write_timeout(Some(LOOK)).map(|()| peer));
        let todo = "start who listens on it";
        self.peer = Some(peer.map_err(|e| format!("{}: {e}; {todo}", self.path.display()))?);
        Ok(())
    }
}

impl Writes for Connected {
    /// Waits for a peer, and for one that is slow: the queue fills meanwhile.
    fn write(&mut self, chunk: &Chunk, failed: &mut dyn FnMut(String), order: &Order) -> Result<(), (u64, String)> {
        let (mut at, mut stopped): (usize, Option<Instant>) = (0, None);
        let left = |at: usize| chunk.bytes[at..].iter().filter(|b| **b == b'\n').count() as u64;
        while at < chunk.bytes.len() {
            if order.is_stopped() && stopped.get_or_insert_with(Instant::now).elapsed() > END {
                self.peer = None;
                return Err((left(at), "the server ended, and nobody had read all of it".to_owned()));
            }
            let Some(peer) = &mut self.peer else {
                if self.tried.is_none_or(|t| t.elapsed() >= TRY_EVERY)
                    && let Err(why) = self.connect()
                {
                    failed(why);
                }
                if self.peer.is_none() {
                    if order.is_stopped() {
                        return Err((left(at), "the server ended, and nobody listens".to_owned()));
                    }
                    std::thread::sleep(LOOK / 2);
                }
                continue;
            };
            match peer.write(&chunk.bytes[at..]) {
                Ok(n) if n > 0 => at += n,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                gone => {
                    self.peer = None;
                    let why = gone.err().map_or_else(|| "the peer closed".to_owned(), |e| e.to_string());
                    // Another peer begins with a whole line.
                    return Err((left(at), format!("{}: {why}; connecting again", self.path.display())));
                }
            }
        }
        Ok(())
    }

    fn idle(&mut self) -> Result<(), String> {
        if self.peer.is_none() && self.tried.is_none_or(|t| t.elapsed() >= TRY_EVERY) { self.connect() } else { Ok(()) }
    }

    fn reopen(&mut self) -> Result<(), String> {
        Ok(())
    }
}
