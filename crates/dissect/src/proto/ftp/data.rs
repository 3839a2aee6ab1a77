//! FTP data connections (RFC 959): told only because a control connection announced them.

use crate::file::{Carrier, File, FileState};
use crate::held::{Held, holds};
use crate::{Cx, Expect, Info, Match, Next, Probe, Protocol, Step, Transport};
use vigie_base::Direction;
use vigie_event::{Out, Record};

/// A transfer over a data connection.
#[derive(Record)]
#[record(kind = "ftp_data")]
pub struct FtpDataEvent<'a> {
    /// Name asked for.
    #[field(class = "personal")]
    pub filename: &'a [u8],
    /// `RETR` or `STOR`.
    pub command: &'a [u8],
    /// The control connection's flow.
    #[field(place = "vigie", key = "control_flow_id")]
    pub control: u64,
}

/// A data connection.
#[derive(Debug, Default)]
pub struct FtpData {
    announced: Option<Expect>,
    file: Option<File>,
    ended: bool,
}

impl Protocol for FtpData {
    const INFO: Info = Info {
        name: "ftp-data",
        doc: "File Transfer Protocol, data connection (RFC 959)",
        transports: &[Transport::Tcp],
        ports: &[],
        buffer_max: 0,
    };

    fn probe(_: &Probe<'_>) -> Match {
        Match::No
    }

    fn announced(&mut self, e: Expect) {
        self.announced = Some(e);
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        if self.file.is_none()
            && let Some(complete) = cx.shared.claim(cx.env.dst, cx.env.dst_port)
        {
            self.announced = Some(complete);
        }
        let Some(e) = &self.announced else { return Step::done() };
        if !is_file(&e.command) {
            return Step::done();
        }
        let hashes = cx.shared.settings.hash();
        self.file.get_or_insert_with(|| File::new(&e.name, dir, 0, hashes)).data(bytes);
        Step::go(bytes.len())
    }

    fn gap<O: Out>(&mut self, _: &mut Cx<'_, O>, _: Direction, len: u64) -> Next {
        if let Some(f) = &mut self.file {
            f.gap(len);
        }
        Next::Go
    }

    fn end<O: Out>(&mut self, _: &mut Cx<'_, O>, _: Direction, _: &[u8]) {
        self.ended = true;
    }

    fn finish<O: Out>(&mut self, cx: &mut Cx<'_, O>) {
        let (Some(e), Some(file)) = (self.announced.take(), self.file.take()) else { return };
        cx.push(0, &FtpDataEvent { filename: &e.name, command: &e.command, control: e.parent });
        file.close(cx, if self.ended { FileState::Closed } else { FileState::Truncated }, Carrier::default());
    }

    fn transactions(&self) -> u32 {
        u32::from(self.file.is_some())
    }

    fn held(&self) -> usize {
        Held::held(self)
    }
}

holds! { FtpData: { announced, file } }

fn is_file(command: &[u8]) -> bool {
    matches!(command, b"RETR" | b"STOR" | b"APPE" | b"STOU")
}
