//! Which row groups of a file may hold a word: Bloom filters asked one block at a time.
//!
//! A filter of Parquet (split block, XXH64) answers from one block of 32 bytes. Read alone, a pivot over a month costs one small read a
//! filter, where whole filters would be most of what is read. Columns below lists have filters too, which DataFusion does not use.

use crate::files::LiveFile;
use crate::write::FILTERS;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use twox_hash::XxHash64;

/// What a row must hold in one of some columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needle {
    pub(crate) columns: Vec<String>,
    pub(crate) word: Word,
}

/// A value as Parquet hashes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Text(String),
    Number(u64),
}

impl Word {
    fn hash(&self) -> u64 {
        match self {
            Word::Text(t) => XxHash64::oneshot(0, t.as_bytes()),
            Word::Number(n) => XxHash64::oneshot(0, &n.to_le_bytes()),
        }
    }
}

/// Where a file's filters stand.
#[derive(Debug, Default)]
pub(crate) struct Blooms {
    groups: usize,
    /// By column: for each row group, where the blocks begin and how many they are. A column without filters is in none; one that the
    /// file lacks is in neither.
    at: BTreeMap<String, Vec<Option<(u64, u32)>>>,
    /// Columns that the file has.
    columns: Vec<String>,
}

const BLOCK: u64 = 32;
/// Constants of the split block Bloom filter (Parquet format, BloomFilter.md).
const SALT: [u32; 8] = [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

impl Blooms {
    /// Reads a file's footer and the heads of its filters. `None` where it cannot be read: who reads the file will say why.
    fn read(file: &File) -> Option<Self> {
        let reader = SerializedFileReader::new(file.try_clone().ok()?).ok()?;
        let meta = reader.metadata();
        let mut b = Blooms { groups: meta.num_row_groups(), ..Blooms::default() };
        let own = meta.file_metadata().key_value_metadata().and_then(|all| all.iter().find(|e| e.key == FILTERS)?.value.as_ref());
        let mut own = own.map_or("", String::as_str).split(' ');
        let names: Vec<&str> = own.next().unwrap_or_default().split(',').filter(|n| !n.is_empty()).collect();
        for group in own {
            for (name, place) in names.iter().zip(group.split(',')) {
                let place = place.split_once(':').and_then(|(at, n)| Some((at.parse().ok()?, n.parse().ok()?)));
                b.at.entry((*name).to_owned()).or_default().push(place);
            }
        }
        b.columns.extend(names.iter().map(|n| (*n).to_owned()));
        for (g, group) in meta.row_groups().iter().enumerate() {
            for c in group.columns() {
                let Some(name) = c.column_path().parts().first() else { continue };
                if names.contains(&name.as_str()) {
                    continue;
                }
                if g == 0 {
                    b.columns.push(name.clone());
                }
                let place = c.bloom_filter_offset().zip(c.bloom_filter_length()).and_then(|(at, n)| head(file, at, n));
                if place.is_some() || b.at.contains_key(name) {
                    let places = b.at.entry(name.clone()).or_default();
                    places.resize(g, None);
                    places.push(place);
                }
            }
        }
        Some(b)
    }

    fn may_hold(&self, file: &File, group: usize, needle: &Needle) -> bool {
        let hash = needle.word.hash();
        needle.columns.iter().filter(|c| self.columns.contains(c)).any(|c| match self.at.get(c).and_then(|p| *p.get(group)?) {
            None => true,
            Some((at, blocks)) => {
                let block = ((hash >> 32) * u64::from(blocks)) >> 32;
                let mut bytes = [0; BLOCK as usize];
                if file.read_exact_at(&mut bytes, at + block * BLOCK).is_err() {
                    return true;
                }
                let low = hash as u32;
                bytes.chunks_exact(4).zip(SALT).all(|(w, salt)| {
                    let word = u32::from_le_bytes([w[0], w[1], w[2], w[3]]);
                    word & (1 << (low.wrapping_mul(salt) >> 27)) != 0
                })
            }
        })
    }
}

/// The blocks behind a filter's header (Thrift, compact protocol: its first field is the number of their bytes).
fn head(file: &File, at: i64, length: i32) -> Option<(u64, u32)> {
    let (at, length) = (u64::try_from(at).ok()?, u64::try_from(length).ok()?);
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at).ok()?;
    // Field 1, an i32.
    if bytes[0] != 0x15 {
        return None;
    }
    let (mut n, mut shift) = (0u64, 0);
    for b in &bytes[1..6] {
        n |= u64::from(b & 0x7f) << shift;
        shift += 7;
        if b & 0x80 == 0 {
            break;
        }
    }
    let size = n >> 1; // Zigzag of a positive number.
    let header = length.checked_sub(size)?;
    (size >= BLOCK && size % BLOCK == 0).then_some((at + header, (size / BLOCK) as u32))
}

impl LiveFile {
    /// For each row group whether it may hold all needles; `None` where nothing can be ruled out.
    pub(crate) fn may_hold(&self, needles: &[Needle]) -> Option<Vec<bool>> {
        if needles.is_empty() {
            return None;
        }
        let file = File::open(&self.path).ok()?;
        let blooms = self.blooms.get_or_init(|| Blooms::read(&file)).as_ref()?;
        let may: Vec<bool> = (0..blooms.groups).map(|g| needles.iter().all(|n| blooms.may_hold(&file, g, n))).collect();
        may.contains(&false).then_some(may)
    }
}
