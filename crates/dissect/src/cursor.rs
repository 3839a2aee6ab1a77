//! A cursor over foreign bytes: every read is checked, none can panic.

/// Reads forward through a slice. Each reader gives `None` where bytes are missing, and then has read nothing.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the first byte of `all`.
    pub const fn new(all: &'a [u8]) -> Self {
        Cursor { all, at: 0 }
    }

    /// How many bytes have been read.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.all.get(self.at..).unwrap_or(&[])
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        self.all.len().saturating_sub(self.at)
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// `n` bytes.
    #[inline]
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(n)?;
        let got = self.all.get(self.at..end)?;
        self.at = end;
        Some(got)
    }

    /// Steps over `n` bytes.
    pub fn skip(&mut self, n: usize) -> Option<()> {
        self.take(n).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N).and_then(|b| b.try_into().ok())
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|b| b[0])
    }

    /// Two bytes, network order.
    #[inline]
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Three bytes, network order.
    pub fn u24(&mut self) -> Option<u32> {
        self.array::<3>().map(|b| u32::from_be_bytes([0, b[0], b[1], b[2]]))
    }

    /// Four bytes, network order.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, network order.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A block with a one-byte length before it.
    pub fn block8(&mut self) -> Option<&'a [u8]> {
        let mut c = *self;
        let n = usize::from(c.u8()?);
        let got = c.take(n)?;
        *self = c;
        Some(got)
    }

    /// A block with a two-byte length before it.
    pub fn block16(&mut self) -> Option<&'a [u8]> {
        let mut c = *self;
        let n = usize::from(c.u16()?);
        let got = c.take(n)?;
        *self = c;
        Some(got)
    }

    /// A block with a three-byte length before it.
    pub fn block24(&mut self) -> Option<&'a [u8]> {
        let mut c = *self;
        let n = c.u24()? as usize;
        let got = c.take(n)?;
        *self = c;
        Some(got)
    }
}

/// The first line of `bytes`: without its end (LF or CRLF), and how many bytes it takes with it. `None` where no LF is there.
pub(crate) fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let lf = bytes.iter().position(|b| *b == b'\n')?;
    let text = &bytes[..lf];
    Some((text.strip_suffix(b"\r").unwrap_or(text), lf + 1))
}
