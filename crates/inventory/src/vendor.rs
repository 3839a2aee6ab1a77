//! Who made a network card, from the IEEE's public listing (`content/vendors.bin`; its layout stands in `content/make_vendors.py`).

use std::io::Read;
use std::sync::LazyLock;
use vigie_base::Mac;

static PACKED: &[u8] = include_bytes!("../../../content/vendors.bin");
/// More than the listing has; what is beyond is not read.
const UNPACKED_MAX: u64 = 4 << 20;

static VENDORS: LazyLock<Vendors> = LazyLock::new(|| Vendors::unpack(PACKED).unwrap_or_default());

/// The vendor that a universally administered address belongs to: MA-S (36 bits) before MA-M (28) before MA-L (24).
pub fn vendor(mac: Mac) -> Option<&'static str> {
    if mac.is_local() || mac.is_group() {
        return None;
    }
    VENDORS.of(mac)
}

#[derive(Default)]
struct Vendors {
    names: Vec<u8>,
    ends: Vec<u32>,
    /// Prefixes of 36, 28 and 24 bits, each in order, with the place of their name.
    tables: [Vec<(u64, u32)>; 3],
}

impl Vendors {
    fn unpack(packed: &[u8]) -> Option<Self> {
        let mut bytes = Vec::new();
        flate2::read::ZlibDecoder::new(packed).take(UNPACKED_MAX).read_to_end(&mut bytes).ok()?;
        let mut at = &bytes[..];
        let mut v = Vendors::default();
        let mut name: Vec<u8> = Vec::new();
        for _ in 0..varint(&mut at)? {
            let (&[shared, rest], tail) = at.split_first_chunk()?;
            name.truncate(usize::from(shared));
            let (more, tail) = tail.split_at_checked(usize::from(rest))?;
            name.extend_from_slice(more);
            v.names.extend_from_slice(&name);
            v.ends.push(v.names.len() as u32);
            at = tail;
        }
        for table in v.tables.iter_mut().rev() {
            let mut prefix = 0u64;
            for _ in 0..varint(&mut at)? {
                prefix = prefix.checked_add(varint(&mut at)?)?;
                table.push((prefix, varint(&mut at)? as u32));
            }
        }
        Some(v)
    }

    fn of(&self, mac: Mac) -> Option<&str> {
        let m = mac.0;
        let bits = u64::from_be_bytes([0, 0, m[0], m[1], m[2], m[3], m[4], m[5]]);
        let name = self.tables.iter().zip([12, 20, 24]).find_map(|(table, shift)| {
            let i = table.binary_search_by_key(&(bits >> shift), |e| e.0).ok()?;
            Some(table[i].1 as usize)
        })?;
        let start = name.checked_sub(1).map_or(Some(0), |i| self.ends.get(i).copied())? as usize;
        std::str::from_utf8(self.names.get(start..*self.ends.get(name)? as usize)?).ok()
    }
}

/// Seven bits a byte, the lowest first; at most nine bytes.
fn varint(at: &mut &[u8]) -> Option<u64> {
    let mut v = 0;
    for i in 0..9 {
        let (b, rest) = at.split_first()?;
        *at = rest;
        v |= u64::from(b & 127) << (7 * i);
        if b & 128 == 0 {
            return Some(v);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_prefixes_of_all_three_lengths() {
        assert_eq!(vendor(Mac([0, 0, 0, 1, 2, 3])), Some("Xerox"));
        assert_eq!(vendor(Mac([0x00, 0x50, 0xf2, 1, 2, 3])), Some("Microsoft"));
        assert_eq!(vendor(Mac([0x02, 0x50, 0xf2, 1, 2, 3])), None, "locally administered");
        assert_eq!(VENDORS.tables.each_ref().map(|t| t.len() > 5000), [true; 3]);
        let (mam, _) = VENDORS.tables[1][100];
        let m = (mam << 20 | 5).to_be_bytes();
        assert!(vendor(Mac([m[2], m[3], m[4], m[5], m[6], m[7]])).is_some());
        assert!(VENDORS.tables.iter().all(|t| t.is_sorted()));
    }

    #[test]
    fn damaged_listings_are_refused() {
        assert!(Vendors::unpack(b"").is_none());
        assert!(Vendors::unpack(&PACKED[..PACKED.len() / 2]).is_none());
    }
}
