//! As much of pcap and pcapng as tests need: every frame of a file with its link type and length on the wire.

/// One frame of a capture.
pub(crate) struct Frame {
    pub(crate) link: u16,
    pub(crate) wire_len: u32,
    pub(crate) data: Vec<u8>,
}

/// The frames of `file`; ends quietly where the file is cut or is no capture.
pub(crate) fn frames(file: &[u8]) -> Vec<Frame> {
    let mut out = Vec::new();
    let _ = if file.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) { pcapng(file, &mut out) } else { pcap(file, &mut out) };
    out
}

fn word(b: &[u8], at: usize, little: bool) -> Option<u32> {
    let b = b.get(at..)?.first_chunk::<4>()?;
    Some(if little { u32::from_le_bytes(*b) } else { u32::from_be_bytes(*b) })
}

fn pcap(file: &[u8], out: &mut Vec<Frame>) -> Option<()> {
    let (little, header) = match file.first_chunk::<4>()? {
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => (true, 16),
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => (false, 16),
        [0x34, 0xcd, 0xb2, 0xa1] => (true, 24),
        _ => return None,
    };
    let link = word(file, 20, little)? as u16;
    let mut at = 24;
    loop {
        let len = word(file, at + 8, little)? as usize;
        let wire_len = word(file, at + 12, little)?;
        at += header;
        out.push(Frame { link, wire_len, data: file.get(at..at + len)?.to_vec() });
        at += len;
    }
}

fn pcapng(file: &[u8], out: &mut Vec<Frame>) -> Option<()> {
    let (mut at, mut little, mut links) = (0, true, Vec::new());
    loop {
        if file.get(at..at + 4)? == [0x0a, 0x0d, 0x0d, 0x0a] {
            little = file.get(at + 8..at + 12)? == [0x4d, 0x3c, 0x2b, 0x1a];
            links.clear();
        }
        let (kind, len) = (word(file, at, little)?, word(file, at + 4, little)? as usize);
        let body = file.get(at + 8..at + len.max(12) - 4)?;
        match kind {
            1 => links.push(if little { u16::from_le_bytes([body[0], body[1]]) } else { u16::from_be_bytes([body[0], body[1]]) }),
            // Enhanced and (obsolete) packet block.
            6 | 2 => {
                let interface = if kind == 6 {
                    word(body, 0, little)? as usize
                } else if little {
                    usize::from(u16::from_le_bytes([body[0], body[1]]))
                } else {
                    usize::from(u16::from_be_bytes([body[0], body[1]]))
                };
                let len = word(body, 12, little)? as usize;
                out.push(Frame { link: *links.get(interface)?, wire_len: word(body, 16, little)?, data: body.get(20..20 + len)?.to_vec() });
            }
            3 => {
                let wire_len = word(body, 0, little)?;
                let len = (wire_len as usize).min(body.len() - 4);
                out.push(Frame { link: *links.first()?, wire_len, data: body.get(4..4 + len)?.to_vec() });
            }
            _ => {}
        }
        at += len.max(12);
    }
}
