//! A glance at a TCP flow whose beginning was not seen and that is not picked up: what one segment says by itself.
//!
//! Without the handshake there is no stream to parse (`stream.midstream` is off), but a segment that begins with a whole HTTP request
//! still names its client's program, and a segment that is one `PASS` line still shows a password in clear. Nothing is pieced together:
//! each segment is looked at alone, only its first bytes decide, and only facts and log-ins are told, never a protocol's event.

use crate::Cx;
use crate::record::Login;
use vigie_base::Direction;
use vigie_event::Out;

/// Segments of a flow that are glanced at.
pub const SEGMENTS_MAX: u32 = 64;
/// Bytes of a segment that are looked at.
const BYTES_MAX: usize = 1460;

/// Looks at one segment of a flow that is not followed.
pub fn glimpse<O: Out>(cx: &mut Cx<'_, O>, dir: Direction, segment: &[u8]) {
    let bytes = &segment[..segment.len().min(BYTES_MAX)];
    match bytes {
        [b'G', b'E', b'T', b' ', ..] | [b'P', b'O', b'S', b'T', b' ', ..] | [b'H', b'E', b'A', b'D', b' ', ..] => request(cx, dir, bytes),
        [b'P', b'A', b'S', b'S', b' ', password @ ..] => pass(cx, dir, password),
        _ => {}
    }
}

/// An HTTP request: its user agent.
fn request<O: Out>(cx: &mut Cx<'_, O>, dir: Direction, bytes: &[u8]) {
    let mut lines = bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
    if !lines.next().is_some_and(|first| first.windows(7).any(|w| w == b"HTTP/1.")) {
        return;
    }
    for line in lines.take_while(|l| !l.is_empty()) {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        if line[..colon].eq_ignore_ascii_case(b"user-agent") {
            return cx.fact(dir, "user_agent", line[colon + 1..].trim_ascii(), "http", 40);
        }
    }
}

/// A password line, where nothing but one line is in the segment and the port is a protocol's that has it.
fn pass<O: Out>(cx: &mut Cx<'_, O>, dir: Direction, password: &[u8]) {
    let Some(password) = password.strip_suffix(b"\n").map(<[u8]>::trim_ascii) else { return };
    let port = match dir {
        Direction::ToServer => cx.env.dst_port,
        Direction::ToClient => cx.env.src_port,
    };
    let protocol = match port {
        21 => "ftp",
        110 => "pop3",
        _ => return,
    };
    if password.contains(&b'\n') {
        return;
    }
    // An anonymous log-in gives a mail address for a password.
    let anonymous = password.is_empty() || password.contains(&b'@');
    let login = Login { protocol, user: None, method: "password", outcome: "unknown", cleartext: true, anonymous, tries: 1 };
    match dir {
        Direction::ToServer => cx.login(&login),
        Direction::ToClient => cx.push_from(dir, vigie_event::NO_TX, &login),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, ToServer, get};
    use crate::{Transport, glimpse::glimpse};

    fn glance(port: u16, segment: &[u8]) -> Vec<String> {
        let mut b = Bench::new(Transport::Tcp, port);
        b.with(|_, cx| glimpse(cx, ToServer, segment));
        b.lines.0
    }

    #[test]
    fn a_segment_speaks_for_itself_or_not_at_all() {
        let told = glance(80, b"GET /x HTTP/1.1\r\nHost: a\r\nUser-Agent: Nikto/2.1.6\r\n\r\n");
        assert_eq!(get(&told[0], "fact.value"), "\"Nikto/2.1.6\"");
        let told = glance(21, b"PASS Canari-7f3a\r\n");
        assert_eq!(get(&told[0], "login.cleartext"), "true");
        assert!(!told[0].contains("Canari"));
        assert!(glance(4000, b"PASS secret\r\n").is_empty() && glance(21, b"PASS two\r\nlines\r\n").is_empty());
        assert!(glance(80, b"GET into the car\r\nUser-Agent: x\r\n").is_empty());
    }
}
