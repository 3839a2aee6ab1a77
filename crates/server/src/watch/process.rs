//! The sensor as a process of its own: the same program, started again with sockets that are open and a stream to speak over.
//!
//! The server opens the sockets and keeps them, so that neither it nor a sensor that is started again needs the right to; the rings hold
//! what comes in between. The sensor's standard input is the stream; the sockets come over it.

use super::order::Order;
use crate::Fault;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use vigie_base::Time;
use vigie_capture::{Ends, Live, Sockets};
use vigie_event::Row;
use vigie_link::local::Sender;
use vigie_pipeline::Config;
use vigie_sensor::{Fold, Summary};

/// Sockets given at most: those of the interfaces, and the one to ask with.
const SOCKETS_MAX: usize = 1 + vigie_capture::SOCKETS_MAX;
/// Longest greeting of either side, in bytes.
const GREETING_MAX: u32 = 1 << 20;
/// A sensor says the time ten times a second: one that says nothing for so long hangs.
const SILENT: Duration = Duration::from_secs(30);
/// A sensor hears at once what it is told: one that does not for so long is not waited for.
const DEAF: Duration = Duration::from_secs(5);
/// How long a sensor may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a sensor ends that panicked; as Rust's main thread does.
const PANICKED: i32 = 101;

/// What a sensor is told at its start.
#[derive(Serialize, Deserialize)]
struct Begin {
    sockets: Vec<String>,
    /// Keys and values of the configuration that are not as by default.
    settings: Vec<(String, String)>,
    /// Seconds for which sessions are picked up that were open at the start.
    midstream_first: u64,
    allow_weaker: bool,
}

/// What it answers.
#[derive(Serialize, Deserialize)]
struct Ready {
    /// Why it cannot begin.
    refused: Option<String>,
}

fn tell<T: Serialize>(link: &mut UnixStream, what: &T) -> Result<(), Fault> {
    let text = serde_json::to_vec(what).map_err(Fault::of)?;
    link.write_all(&(text.len() as u32).to_le_bytes()).and_then(|()| link.write_all(&text)).map_err(Fault::of)
}

fn hear<T: for<'a> Deserialize<'a>>(link: &mut UnixStream) -> Result<T, Fault> {
    let mut length = [0; 4];
    link.read_exact(&mut length).map_err(Fault::of)?;
    let length = u32::from_le_bytes(length);
    if length > GREETING_MAX {
        return Err(Fault::new(format!("a greeting of {length} bytes")));
    }
    let mut text = vec![0; length as usize];
    link.read_exact(&mut text).map_err(Fault::of)?;
    serde_json::from_slice(&text).map_err(Fault::of)
}

/// Gives descriptors over a stream, with one byte.
fn give(link: &UnixStream, sockets: &Sockets) -> Result<(), Fault> {
    let fds: Vec<BorrowedFd<'_>> = sockets.descriptors().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    with.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(link, &[IoSlice::new(&[0])], &mut with, SendFlags::empty()).map(drop).map_err(Fault::of)
}

/// Takes them.
fn take(link: &UnixStream) -> Result<Vec<OwnedFd>, Fault> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    recvmsg(link, &mut [IoSliceMut::new(&mut [0])], &mut with, RecvFlags::CMSG_CLOEXEC).map_err(Fault::of)?;
    let given = with.drain().filter_map(|m| match m {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    Ok(given.flatten().collect())
}

/// A sensor that runs.
pub(super) struct Process {
    child: Child,
    /// What it says.
    pub(super) link: UnixStream,
}

impl Process {
    /// Starts one on `sockets`. Errors: why it did not begin.
    pub(super) fn start(sockets: &Sockets, config: &Config, midstream_first: u64, allow_weaker: bool) -> Result<Process, Fault> {
        let (mut link, theirs) = UnixStream::pair().map_err(Fault::of)?;
        // The path that this program was started from may hold another one by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("vigie").arg("sensor").stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        // What is typed at a terminal is the server's to hear: it ends its sensor in order.
        command.process_group(0).env_clear();
        if rustix::process::geteuid().is_root() {
            command.uid(vigie_sandbox::NOBODY).gid(vigie_sandbox::NOBODY);
        }
        let child = command.spawn().map_err(|e| Fault::new(format!("the sensor's process cannot be started: {e}")))?;
        // Its end of the stream is open in the command as long as that lives.
        drop(command);
        let said = config.values.iter().filter(|s| s.from != "default").map(|s| (s.name.clone(), s.value.clone()));
        let begin = Begin { sockets: sockets.described(), settings: said.collect(), midstream_first, allow_weaker };
        let mut process = Process { child, link: link.try_clone().map_err(Fault::of)? };
        let answer = link.set_read_timeout(Some(PATIENCE)).map_err(Fault::of);
        let answer =
            answer.and_then(|()| tell(&mut link, &begin)).and_then(|()| give(&link, sockets)).and_then(|()| hear::<Ready>(&mut link));
        let refused = match answer {
            Ok(Ready { refused: None }) => {
                link.set_read_timeout(Some(SILENT)).and_then(|()| link.set_write_timeout(Some(DEAF))).map_err(Fault::of)?;
                return Ok(process);
            }
            Ok(Ready { refused: Some(why) }) => Fault::new(why),
            Err(e) => Fault::new(format!("the sensor's process did not begin: {e}")),
        };
        let _ = process.child.kill();
        let _ = process.child.wait();
        Err(refused)
    }

    /// Its number.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What became of it; one that does not end is ended.
    pub(super) fn ended(mut self) -> std::io::Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if began.elapsed() > PATIENCE {
                self.child.kill()?;
                return self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
    }
}

/// Gives events to the server.
struct Hand {
    to: Sender<UnixStream>,
    /// Ends the capture.
    ends: Ends,
    failed: Option<Fault>,
}

impl Hand {
    fn done(&mut self, sent: Result<(), vigie_link::Error>) {
        if let (Err(e), None) = (sent, &self.failed) {
            self.failed = Some(Fault::of(e));
            self.ends.now();
        }
    }
}

impl Fold for Hand {
    fn row(&mut self, row: Row<'_>) {
        let sent = self.to.row(row);
        self.done(sent);
    }

    fn upto(&mut self, now: Time) {
        // That nothing comes any more is so of this sensor alone: another may follow.
        if now < Time::MAX {
            let sent = self.to.upto(now);
            self.done(sent);
        }
    }

    fn packets(&mut self, packets: &[u8]) {
        let sent = self.to.packets(packets);
        self.done(sent);
    }

    fn counted(&mut self, so_far: &Summary) {
        let sent = self.to.row(vigie_pipeline::stats::batch(so_far, &so_far.caps_reached(), &[]).row(0));
        self.done(sent);
    }
}

/// The sensor's process, from its start to its end. Errors: it was not started by a server, or the server went away.
pub fn sensor() -> Result<(), Fault> {
    // A thread that panics takes the process with it: another sensor takes over.
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say(panic);
        std::process::exit(PANICKED);
    }));
    let by_hand = |_| Fault::new("`vigie sensor` is what `vigie up` starts; start `vigie up -i IFACE`");
    let stream = || std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from).map_err(Fault::of);
    let (mut link, mut from) = (stream()?, stream()?);
    let begin: Begin = hear(&mut from).map_err(by_hand)?;
    let made = take(&from).and_then(|sockets| prepared(&begin, sockets, &link));
    tell(&mut link, &Ready { refused: made.as_ref().err().map(Fault::to_string) })?;
    let (mut lives, config) = made?;
    let ends = lives[0].ends();
    let told = ends.clone();
    let orders = config.sensor.keep.as_ref().map(|k| k.orders.clone()).unwrap_or_default();
    std::thread::spawn(move || {
        loop {
            match Order::read(&mut from) {
                Ok(Order::AtLast) => return told.at_last(),
                Ok(Order::Grant(bytes)) => orders.grant(bytes),
                Ok(Order::Watch(watches)) => orders.watch(watches),
                Err(_) => return told.now(),
            }
        }
    });
    let mut hand = Hand { to: Sender::new(link), ends, failed: None };
    let summary = vigie_sensor::run_each(&mut lives, &config.sensor, &mut hand);
    hand.counted(&summary);
    let sent = hand.to.end();
    hand.done(sent);
    hand.failed.map_or(Ok(()), Err)
}

/// Sockets taken over, the configuration, and every right given up but to write to `link` and to the log.
fn prepared(begin: &Begin, sockets: Vec<OwnedFd>, link: &UnixStream) -> Result<(Vec<Live>, Config), Fault> {
    let mut config = Config::default();
    for (name, value) in &begin.settings {
        // A list of a detector's is a file, and detectors are the server's.
        if !name.starts_with("detect.") {
            config.set(name, value, "the server").map_err(Fault::of)?;
        }
    }
    let mut config = crate::fit(&config, begin.sockets.len()).map_err(Fault::new)?;
    config.sensor.midstream_first = begin.midstream_first;
    config.sensor.keep = config.packets.kept();
    let sockets = Sockets::inherited(sockets, &begin.sockets).map_err(Fault::of)?;
    let lives = Live::of(sockets, config.live.clone()).map_err(Fault::of)?;
    match vigie_sandbox::sensor(&[link.as_raw_fd(), 2]) {
        Err(e) if !begin.allow_weaker => Err(Fault::new(format!("{e}; mend it, or start with --allow-weaker"))),
        _ => Ok((lives, config)),
    }
}
