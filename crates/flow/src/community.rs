//! Community ID, version 1, seed 0 (Corelight's specification): one name of a flow in every tool.

use crate::key::counterpart;
use base64::Engine;
use sha1::{Digest, Sha1};
use vigie_base::Ip;

/// Writes `1:<base64>` of the two ends into `out`; `icmp` is the type and code of the first packet.
pub fn id(src: Ip, dst: Ip, mut sp: u16, mut dp: u16, proto: u8, icmp: Option<(u8, u8)>, out: &mut String) {
    let mut one_way = false;
    if let Some((kind, code)) = icmp {
        let answer = answer(proto, kind);
        one_way = answer.is_none();
        (sp, dp) = (u16::from(kind), u16::from(answer.unwrap_or(code)));
    }
    let (mut a, mut b) = (src, dst);
    if !one_way && (a, sp) > (b, dp) {
        (a, b) = (b, a);
        (sp, dp) = (dp, sp);
    }
    let mut h = Sha1::new();
    h.update([0, 0]);
    for ip in [a, b] {
        match ip.to_v4() {
            Some(v4) => h.update(v4),
            None => h.update(ip.0),
        }
    }
    h.update([proto, 0]);
    if matches!(proto, 1 | 6 | 17 | 58 | 132) {
        h.update(sp.to_be_bytes());
        h.update(dp.to_be_bytes());
    }
    out.clear();
    out.push_str("1:");
    base64::engine::general_purpose::STANDARD.encode_string(h.finalize(), out);
}

/// The type that answers an ICMP type, in the specification's tables: beside those of flows, multicast listeners and home agents.
fn answer(proto: u8, kind: u8) -> Option<u8> {
    counterpart(proto, kind).or(match (proto, kind) {
        (58, 130) => Some(131),
        (58, 131) => Some(130),
        (58, 144) => Some(145),
        (58, 145) => Some(144),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_s_example() {
        let mut out = String::new();
        let (a, b) = ("128.232.110.120".parse().unwrap(), "66.35.250.204".parse().unwrap());
        id(a, b, 34855, 80, 6, None, &mut out);
        assert_eq!(out, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        id(b, a, 80, 34855, 6, None, &mut out);
        assert_eq!(out, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    }
}
