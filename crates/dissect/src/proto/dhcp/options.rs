//! The options of a DHCP message.

use crate::Cursor;
use vigie_base::Ip;

/// Options kept of one message.
const OPTIONS_MAX: usize = 128;
/// Routes kept of one option.
const ROUTES_MAX: usize = 32;

/// The options in their order; of an option that comes twice the first is read.
pub(super) struct Options<'a> {
    list: Vec<(u8, &'a [u8])>,
    /// Whether the last one was cut.
    pub(super) cut: bool,
}

impl<'a> Options<'a> {
    /// Of a message that has none.
    pub(super) fn none() -> Self {
        Options { list: Vec::new(), cut: false }
    }

    /// Reads those behind the cookie, and those in `file` and `sname` where option 52 says so (RFC 2132 section 9.3).
    pub(super) fn read(message: &'a [u8], at: usize) -> Self {
        let mut o = Options { list: Vec::with_capacity(16), cut: false };
        o.area(message.get(at..).unwrap_or(&[]));
        let overload = o.get(52).and_then(|v| v.first()).copied().unwrap_or(0);
        if overload & 1 != 0 {
            o.area(message.get(108..236).unwrap_or(&[]));
        }
        if overload & 2 != 0 {
            o.area(message.get(44..108).unwrap_or(&[]));
        }
        o
    }

    fn area(&mut self, bytes: &'a [u8]) {
        let mut c = Cursor::new(bytes);
        while let Some(code) = c.u8() {
            match code {
                0 => continue,
                255 => return,
                _ => {}
            }
            let Some(value) = c.block8() else {
                self.cut = true;
                return;
            };
            if self.list.len() >= OPTIONS_MAX {
                return;
            }
            self.list.push((code, value));
        }
    }

    pub(super) fn get(&self, code: u8) -> Option<&'a [u8]> {
        self.list.iter().find(|(c, _)| *c == code).map(|(_, v)| *v)
    }

    /// Their codes, with commas.
    pub(super) fn order(&self) -> Vec<u8> {
        let codes: Vec<u8> = self.list.iter().map(|(c, _)| *c).collect();
        super::listed(&codes)
    }
}

/// The addresses of an option.
pub(super) fn addresses(value: Option<&[u8]>) -> Vec<Ip> {
    value.unwrap_or(&[]).chunks_exact(4).filter_map(|b| b.try_into().ok().map(Ip::v4)).collect()
}

/// The name in a client's FQDN option (RFC 4702 section 2): flags, two codes, then text or labels.
pub(super) fn client_fqdn(value: &[u8]) -> Option<Vec<u8>> {
    let (flags, name) = (value.first()?, value.get(3..)?);
    let mut out = Vec::new();
    if flags & 4 != 0 {
        let mut c = Cursor::new(name);
        while let Some(label) = c.block8().filter(|l| !l.is_empty()) {
            if !out.is_empty() {
                out.push(b'.');
            }
            out.extend_from_slice(label);
        }
    } else {
        out.extend_from_slice(super::trimmed(name));
    }
    Some(out).filter(|n| !n.is_empty())
}

/// Classless routes (RFC 3442): bits, the network's significant bytes, router.
pub(super) fn routes(value: Option<&[u8]>) -> Vec<Vec<u8>> {
    let mut c = Cursor::new(value.unwrap_or(&[]));
    let mut out = Vec::new();
    while out.len() < ROUTES_MAX
        && let Some(bits) = c.u8().filter(|b| *b <= 32)
        && let Some(network) = c.take(usize::from(bits).div_ceil(8))
        && let Some(router) = c.take(4)
    {
        let mut address = [0; 4];
        address[..network.len()].copy_from_slice(network);
        let mut text = Vec::new();
        Ip::v4(address).write(&mut text);
        text.push(b'/');
        text.extend_from_slice(itoa::Buffer::new().format(bits).as_bytes());
        text.extend_from_slice(b" via ");
        Ip::v4([router[0], router[1], router[2], router[3]]).write(&mut text);
        out.push(text);
    }
    out
}
