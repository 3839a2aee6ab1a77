//! The Internet checksum (RFC 1071).

use vigie_base::Ip;

/// The one's-complement sum of `data`, folded to 16 bits; an odd last byte is padded with zero.
pub(crate) fn sum(data: &[u8]) -> u16 {
    fold(words(data))
}

/// Whether the checksum over a pseudo header (RFC 768, 793, RFC 8200 section 8.1) and `message` holds.
///
/// An IPv4 address stands in its mapped form: its prefix adds 0xffff, which is zero in one's-complement arithmetic.
pub(crate) fn holds(src: Ip, dst: Ip, proto: u8, message: &[u8]) -> bool {
    let pseudo = words(&src.0) + words(&dst.0) + u64::from(proto) + message.len() as u64;
    fold(words(message) + pseudo) == 0xffff
}

/// The sum before folding: at most 2^32 terms below 2^32 fit 64 bits.
fn words(data: &[u8]) -> u64 {
    let (fours, rest) = data.as_chunks::<4>();
    let mut total: u64 = fours.iter().map(|w| u64::from(u32::from_be_bytes(*w))).sum();
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    total += u64::from(u32::from_be_bytes(last));
    // Leaves room for the caller to add several.
    (total & 0xffff_ffff) + (total >> 32)
}

fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_as_rfc_1071_section_3() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        assert_eq!(sum(&[0x12, 0x34, 0x56]), 0x1234 + 0x5600);
        assert_eq!(sum(&[]), 0);
    }
}
