//! A batch as one string of bytes.
//!
//! ```text
//! magic "VGIE"  version u16  zero u16  crc32 of all that follows u32  length of the body u32  body, compressed (zstd)
//! body: tenant, site, sensor, dataset, kind (each u16 length and bytes)  number u64  first u64  last u64  Arrow IPC stream
//! ```
//!
//! Numbers are little-endian, times nanoseconds since 1970. The whole is compressed at once: most batches are small, and a kind's Arrow
//! schema is then larger than its rows.

use crate::{Error, Header, Packed, arrow_schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use std::cell::RefCell;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use vigie_base::Time;
use vigie_event::Schema;
use zstd::bulk::Compressor;

/// The version that [`encode`] writes. [`decode`] reads this and all before.
pub const VERSION: u16 = 1;
const MAGIC: [u8; 4] = *b"VGIE";
const PREFIX: usize = 16;
/// Largest body, uncompressed: many times what a packer's limits allow.
const BODY_MAX: usize = 256 << 20;
/// Fast: a journal is read again within minutes.
const LEVEL: i32 = 1;

/// Appends a batch to `out`.
pub fn encode(packed: &Packed, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut body = Vec::new();
    let h = &packed.header;
    for s in [h.tenant.as_str(), &h.site, &h.sensor, &h.dataset, packed.schema.kind] {
        body.extend_from_slice(&u16::try_from(s.len()).map_err(|_| Error(format!("a name of {} bytes", s.len())))?.to_le_bytes());
        body.extend_from_slice(s.as_bytes());
    }
    for n in [h.number, packed.first.0, packed.last.0] {
        body.extend_from_slice(&n.to_le_bytes());
    }
    let mut ipc = StreamWriter::try_new(&mut body, &packed.rows.schema())?;
    ipc.write(&packed.rows)?;
    ipc.finish()?;
    drop(ipc);
    if body.len() > BODY_MAX {
        return Err(Error(format!("a batch of {} bytes; the most is {BODY_MAX}", body.len())));
    }
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 6]);
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&compressed(&body).map_err(|e| Error(format!("zstd: {e}")))?);
    let crc = crc32fast::hash(&out[start + 12..]);
    out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

thread_local! {
    /// Made once: for small batches that is more work than the rest.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

fn compressed(body: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|kept| match kept {
        Some(kept) => kept.compress(body),
        none => none.insert(Compressor::new(LEVEL)?).compress(body),
    })
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.0.split_at_checked(n).ok_or_else(|| Error("batch: cut short".into()))?;
        self.0 = rest;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N)?.try_into().map_err(|_| Error("batch: cut short".into()))
    }
    fn text(&mut self) -> Result<String, Error> {
        let n = u16::from_le_bytes(self.array()?);
        String::from_utf8(self.take(n.into())?.to_vec()).map_err(|_| Error("batch: a name that is no text".into()))
    }
}

/// The batch that [`encode`] made `bytes` of, of one of the kinds of `schemas`.
///
/// Total: any bytes give a batch whose columns are of its kind's types, or an error. The crc guards against accidents, not against forgers.
pub fn decode(bytes: &[u8], schemas: &[&'static Schema]) -> Result<Packed, Error> {
    let mut c = Cursor(bytes);
    if c.array()? != MAGIC {
        return Err(Error("not a batch of Vigie".into()));
    }
    let version = u16::from_le_bytes(c.array()?);
    if version == 0 || version > VERSION {
        return Err(Error(format!("batch of version {version}; this program reads up to {VERSION}: update it")));
    }
    let _: [u8; 2] = c.array()?;
    let crc = u32::from_le_bytes(c.array()?);
    if crc32fast::hash(c.0) != crc {
        return Err(Error("batch: its checksum does not fit".into()));
    }
    let length = u32::from_le_bytes(c.array()?) as usize;
    debug_assert_eq!(bytes.len() - c.0.len(), PREFIX);
    if length > BODY_MAX {
        return Err(Error(format!("a batch of {length} bytes; the most is {BODY_MAX}")));
    }
    let body = zstd::bulk::decompress(c.0, length).map_err(|e| Error(format!("batch: zstd: {e}")))?;
    let mut c = Cursor(&body);
    let (tenant, site, sensor, dataset, kind) = (c.text()?, c.text()?, c.text()?, c.text()?, c.text()?);
    let (number, first, last) = (u64::from_le_bytes(c.array()?), u64::from_le_bytes(c.array()?), u64::from_le_bytes(c.array()?));
    let schema = schemas.iter().find(|s| s.kind == kind).ok_or_else(|| Error(format!("batch of an unknown kind: {kind}")))?;
    if !is_bounded(c.0) {
        return Err(Error("batch: not the columns of a batch".into()));
    }
    // The reader checks what it reads, but its authors do not promise that no bytes make it panic.
    let rows = std::panic::catch_unwind(AssertUnwindSafe(|| -> Result<_, Error> {
        let mut rows = StreamReader::try_new(c.0, None)?;
        rows.next().ok_or_else(|| Error("batch: no rows".into()))?.map_err(Error::from)
    }))
    .map_err(|_| Error("batch: not the columns of a batch".into()))??;
    for f in arrow_schema(schema).fields() {
        match rows.column_by_name(f.name()) {
            Some(c) if c.data_type() != f.data_type() => {
                return Err(Error(format!("column {} is {}, not {}", f.name(), c.data_type(), f.data_type())));
            }
            None if !f.is_nullable() => return Err(Error(format!("column {} is missing", f.name()))),
            _ => {}
        }
    }
    Ok(Packed { header: Arc::new(Header { tenant, site, sensor, dataset, number }), schema, rows, first: Time(first), last: Time(last) })
}

/// Whether each message of an Arrow stream holds as many bytes as it says: the reader makes room for what is said. Buffers are not packed by
/// themselves here, since the body is: what such a buffer says of its size would be room made, too.
fn is_bounded(stream: &[u8]) -> bool {
    let mut c = Cursor(stream);
    while !c.0.is_empty() {
        let Ok(mut length) = c.array().map(u32::from_le_bytes) else { return false };
        if length == u32::MAX {
            let Ok(next) = c.array().map(u32::from_le_bytes) else { return false };
            length = next;
        }
        if length == 0 {
            break;
        }
        let Ok(head) = c.take(length as usize) else { return false };
        let Ok(message) = arrow::ipc::root_as_message(head) else { return false };
        if message.header_as_record_batch().is_some_and(|b| b.compression().is_some()) {
            return false;
        }
        let Ok(body) = usize::try_from(message.bodyLength()) else { return false };
        if c.take(body).is_err() {
            return false;
        }
    }
    true
}

/// Entry of the fuzz target: any bytes, also such as bear a right checksum.
pub fn fuzz(data: &[u8], schemas: &[&'static Schema]) {
    let _ = decode(data, schemas);
    let mut sealed = Vec::new();
    sealed.extend_from_slice(&MAGIC);
    sealed.extend_from_slice(&VERSION.to_le_bytes());
    sealed.extend_from_slice(&[0; 6]);
    sealed.extend_from_slice(&(data.len() as u32).to_le_bytes());
    sealed.extend_from_slice(&zstd::bulk::compress(data, LEVEL).unwrap_or_default());
    let crc = crc32fast::hash(&sealed[12..]);
    sealed[8..12].copy_from_slice(&crc.to_le_bytes());
    if let Ok(p) = decode(&sealed, schemas) {
        let _ = crate::unpack(&p.rows, p.schema);
    }
}
