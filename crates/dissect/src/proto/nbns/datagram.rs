//! NetBIOS datagram service (RFC 1002 section 4.4): who sends, and what computer browsers announce of themselves (MS-BRWS). Facts only.

use super::{ENCODED_LEN, Name, tell};
use crate::held::{Held, holds};
use crate::told::{About, Told};
use crate::{Cursor, Cx, Info, Match, Probe, Protocol, Step, Transport};
use vigie_base::{Direction, Ip};
use vigie_event::Out;

/// A flow of datagrams.
#[derive(Debug, Default)]
pub struct Nbdgm {
    told: Told,
}

/// Where the source's name begins: type, flags, identifier, source, port, length, offset, and the label's length.
const NAME_AT: usize = 15;
/// The mailslot of browsers, as in the SMB transaction; what they announce follows at once.
const BROWSE: &[u8] = b"\\MAILSLOT\\BROWSE\0";

impl Protocol for Nbdgm {
    const INFO: Info = Info {
        name: "nbdgm",
        doc: "NetBIOS datagram service (RFC 1002 section 4.4)",
        transports: &[Transport::Udp],
        ports: &[138],
        buffer_max: 0,
    };

    fn probe(p: &Probe<'_>) -> Match {
        let shaped = matches!(p.bytes, [0x10..=0x12, ..])
            && p.bytes.get(NAME_AT - 1) == Some(&(ENCODED_LEN as u8))
            && p.bytes.get(NAME_AT..).and_then(Name::decode).is_some();
        if shaped { Match::Yes } else { Match::No }
    }

    fn parse<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Step {
        if matches!(bytes, [0x10..=0x12, ..]) {
            self.facts(cx, dir, bytes);
        }
        Step::go(bytes.len())
    }

    fn held(&self) -> usize {
        Held::held(self)
    }
}

holds! { Nbdgm: { told } }

impl Nbdgm {
    fn facts<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) -> Option<()> {
        let source = Ip::v4(bytes.get(4..8)?.try_into().ok()?);
        let name = Name::decode(bytes.get(NAME_AT..)?)?;
        // A datagram that another forwards is not from its frame's sender.
        if source != cx.sender(dir) {
            return None;
        }
        let about = About::new(Some(source), None);
        tell(&mut self.told, cx, about, &name, false, 75);
        let at = bytes.windows(BROWSE.len()).position(|w| w == BROWSE)? + BROWSE.len();
        let mut c = Cursor::new(bytes.get(at..)?);
        // Host announcement, or that of a local master (MS-BRWS sections 2.2.1 and 2.2.10).
        if !matches!(c.u8()?, 0x01 | 0x0f) {
            return None;
        }
        c.skip(5 + 16)?;
        let (major, minor) = (c.u8()?, c.u8()?);
        let kinds = u32::from_le_bytes(c.take(4)?.try_into().ok()?);
        let version = format!("Windows NT {major}.{minor}");
        // Samba calls itself Windows 4.9 or 6.1 and sets its bit of Unix servers.
        let os: &[u8] = if kinds & 0x800 != 0 { b"Unix (Samba)" } else { version.as_bytes() };
        self.told.fact(cx, about, "os", os, "nbdgm", 70);
        if kinds & 0x18 != 0 {
            self.told.fact(cx, about, "service", b"domain-controller", "nbdgm", 80);
        }
        if kinds & 0x200 != 0 {
            self.told.fact(cx, about, "service", b"print-server", "nbdgm", 70);
        }
        Some(())
    }
}
