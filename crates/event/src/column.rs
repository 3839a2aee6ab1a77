//! Columns: where the fields of a batch live, and the types that a field may have.

use crate::schema::Type;
use std::marker::PhantomData;
use vigie_base::{Ip, Mac, Time};

/// The values of one field over the rows of a batch. The layout is Arrow's (offsets and data), without the dependency.
#[derive(Debug, Clone)]
pub enum Column {
    #[allow(missing_docs)]
    Bool(Vec<bool>),
    #[allow(missing_docs)]
    U8(Vec<u8>),
    #[allow(missing_docs)]
    U16(Vec<u16>),
    #[allow(missing_docs)]
    U32(Vec<u32>),
    #[allow(missing_docs)]
    U64(Vec<u64>),
    #[allow(missing_docs)]
    I64(Vec<i64>),
    #[allow(missing_docs)]
    F64(Vec<f64>),
    #[allow(missing_docs)]
    Ip(Vec<Ip>),
    #[allow(missing_docs)]
    Mac(Vec<Mac>),
    #[allow(missing_docs)]
    Time(Vec<Time>),
    /// Bytes of any length: `ends[i]` is one past the last byte of row `i`.
    Bytes {
        #[allow(missing_docs)]
        ends: Vec<u32>,
        #[allow(missing_docs)]
        data: Vec<u8>,
    },
    /// Present or not; an absent row takes no place in `inner` but for its rank.
    Opt {
        /// For each row: 1 + its place in `inner`, or 0 where absent.
        rank: Vec<u32>,
        #[allow(missing_docs)]
        inner: Box<Column>,
    },
    /// Lists: `ends[i]` is one past the last item of row `i`.
    List {
        #[allow(missing_docs)]
        ends: Vec<u32>,
        #[allow(missing_docs)]
        items: Box<Column>,
    },
    /// The columns of a group's fields.
    Group(Vec<Column>),
}

impl Column {
    /// An empty column of a type.
    pub fn new(ty: &Type) -> Self {
        match ty {
            Type::Bool | Type::Flag => Column::Bool(Vec::new()),
            Type::U8 => Column::U8(Vec::new()),
            Type::U16 => Column::U16(Vec::new()),
            Type::U32 => Column::U32(Vec::new()),
            Type::U64 => Column::U64(Vec::new()),
            Type::I64 => Column::I64(Vec::new()),
            Type::F64 => Column::F64(Vec::new()),
            Type::Ip => Column::Ip(Vec::new()),
            Type::Mac => Column::Mac(Vec::new()),
            Type::Time => Column::Time(Vec::new()),
            Type::Text | Type::Hex => Column::Bytes { ends: Vec::new(), data: Vec::new() },
            Type::Opt(t) => Column::Opt { rank: Vec::new(), inner: Box::new(Column::new(t)) },
            Type::List(t) => Column::List { ends: Vec::new(), items: Box::new(Column::new(t)) },
            Type::Group(fields) => Column::Group(fields.iter().map(|f| Column::new(&f.ty)).collect()),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Column::Bool(v) => v.len(),
            Column::U8(v) => v.len(),
            Column::U16(v) => v.len(),
            Column::U32(v) => v.len(),
            Column::U64(v) => v.len(),
            Column::I64(v) => v.len(),
            Column::F64(v) => v.len(),
            Column::Ip(v) => v.len(),
            Column::Mac(v) => v.len(),
            Column::Time(v) => v.len(),
            Column::Bytes { ends, .. } | Column::List { ends, .. } => ends.len(),
            Column::Opt { rank, .. } => rank.len(),
            Column::Group(cols) => cols.first().map_or(0, Column::len),
        }
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        match self {
            Column::Bool(v) => v.clear(),
            Column::U8(v) => v.clear(),
            Column::U16(v) => v.clear(),
            Column::U32(v) => v.clear(),
            Column::U64(v) => v.clear(),
            Column::I64(v) => v.clear(),
            Column::F64(v) => v.clear(),
            Column::Ip(v) => v.clear(),
            Column::Mac(v) => v.clear(),
            Column::Time(v) => v.clear(),
            Column::Bytes { ends, data } => {
                ends.clear();
                data.clear();
            }
            Column::Opt { rank, inner } => {
                rank.clear();
                inner.clear();
            }
            Column::List { ends, items } => {
                ends.clear();
                items.clear();
            }
            Column::Group(cols) => cols.iter_mut().for_each(Column::clear),
        }
    }

    /// Bytes held by the rows (not what is reserved).
    pub fn bytes(&self) -> usize {
        match self {
            Column::Bool(v) => v.len(),
            Column::U8(v) => v.len(),
            Column::U16(v) => v.len() * 2,
            Column::U32(v) => v.len() * 4,
            Column::U64(v) => v.len() * 8,
            Column::I64(v) => v.len() * 8,
            Column::F64(v) => v.len() * 8,
            Column::Ip(v) => v.len() * 16,
            Column::Mac(v) => v.len() * 6,
            Column::Time(v) => v.len() * 8,
            Column::Bytes { ends, data } => ends.len() * 4 + data.len(),
            Column::Opt { rank, inner } => rank.len() * 4 + inner.bytes(),
            Column::List { ends, items } => ends.len() * 4 + items.bytes(),
            Column::Group(cols) => cols.iter().map(Column::bytes).sum(),
        }
    }

    /// The columns of a group; empty for another type.
    #[inline]
    pub fn group(&self) -> &[Column] {
        match self {
            Column::Group(cols) => cols,
            _ => &[],
        }
    }

    /// See [`Column::group`].
    #[inline]
    pub fn group_mut(&mut self) -> &mut [Column] {
        match self {
            Column::Group(cols) => cols,
            _ => &mut [],
        }
    }

    /// The bytes of row `at`; empty for another type.
    #[inline]
    pub fn bytes_at(&self, at: usize) -> &[u8] {
        match self {
            Column::Bytes { ends, data } => {
                let start = if at == 0 { 0 } else { ends[at - 1] as usize };
                &data[start..ends[at] as usize]
            }
            _ => &[],
        }
    }

    /// The items of row `at` of a list: their column and places.
    #[inline]
    pub fn items_at(&self, at: usize) -> Option<(&Column, std::ops::Range<usize>)> {
        match self {
            Column::List { ends, items } => {
                let start = if at == 0 { 0 } else { ends[at - 1] as usize };
                Some((items, start..ends[at] as usize))
            }
            _ => None,
        }
    }

    /// The place in the inner column of row `at`, where present.
    #[inline]
    pub fn present_at(&self, at: usize) -> Option<(&Column, usize)> {
        match self {
            Column::Opt { rank, inner } => (rank[at] as usize).checked_sub(1).map(|i| (&**inner, i)),
            _ => None,
        }
    }

    /// Appends row `at` of a column of the same type; a column of another type is left.
    pub fn copy(&mut self, from: &Column, at: usize) {
        match (self, from) {
            (Column::Bool(to), Column::Bool(v)) => to.push(v[at]),
            (Column::U8(to), Column::U8(v)) => to.push(v[at]),
            (Column::U16(to), Column::U16(v)) => to.push(v[at]),
            (Column::U32(to), Column::U32(v)) => to.push(v[at]),
            (Column::U64(to), Column::U64(v)) => to.push(v[at]),
            (Column::I64(to), Column::I64(v)) => to.push(v[at]),
            (Column::F64(to), Column::F64(v)) => to.push(v[at]),
            (Column::Ip(to), Column::Ip(v)) => to.push(v[at]),
            (Column::Mac(to), Column::Mac(v)) => to.push(v[at]),
            (Column::Time(to), Column::Time(v)) => to.push(v[at]),
            (to @ Column::Bytes { .. }, from @ Column::Bytes { .. }) => to.push_bytes(from.bytes_at(at)),
            (Column::Opt { rank, inner: to }, from @ Column::Opt { .. }) => match from.present_at(at) {
                None => rank.push(0),
                Some((from, at)) => {
                    to.copy(from, at);
                    // A group without fields has no rows to count.
                    rank.push((to.len() as u32).max(1));
                }
            },
            (Column::List { ends, items: to }, from @ Column::List { .. }) => {
                if let Some((from, range)) = from.items_at(at) {
                    ends.push(ends.last().copied().unwrap_or(0) + range.len() as u32);
                    for i in range {
                        to.copy(from, i);
                    }
                }
            }
            (Column::Group(to), Column::Group(from)) => to.iter_mut().zip(from).for_each(|(to, from)| to.copy(from, at)),
            _ => {}
        }
    }

    /// Whether this is the layout of a type.
    pub fn is_of(&self, ty: &Type) -> bool {
        match (self, ty) {
            (Column::Bool(_), Type::Bool | Type::Flag)
            | (Column::U8(_), Type::U8)
            | (Column::U16(_), Type::U16)
            | (Column::U32(_), Type::U32)
            | (Column::U64(_), Type::U64)
            | (Column::I64(_), Type::I64)
            | (Column::F64(_), Type::F64)
            | (Column::Ip(_), Type::Ip)
            | (Column::Mac(_), Type::Mac)
            | (Column::Time(_), Type::Time)
            | (Column::Bytes { .. }, Type::Text | Type::Hex) => true,
            (Column::Opt { inner, .. }, Type::Opt(t)) => inner.is_of(t),
            (Column::List { items, .. }, Type::List(t)) => items.is_of(t),
            (Column::Group(cols), Type::Group(fields)) => {
                cols.len() == fields.len() && cols.iter().zip(*fields).all(|(c, f)| c.is_of(&f.ty))
            }
            _ => false,
        }
    }

    /// Whether it cannot hold a row: a group without fields.
    pub(crate) fn is_rowless(&self) -> bool {
        matches!(self, Column::Group(cols) if cols.iter().all(Column::is_rowless))
    }

    #[inline]
    fn push_bytes(&mut self, b: &[u8]) {
        if let Column::Bytes { ends, data } = self {
            data.extend_from_slice(b);
            ends.push(data.len() as u32);
        }
    }
}

/// A type that a field may have: how it enters a column and how it is seen in it.
pub trait Value {
    /// The declared type.
    const TYPE: Type;
    /// What a reader sees.
    type View<'b>;
    /// Appends one row.
    fn push(&self, column: &mut Column);
    /// Row `at`. A column of another type gives the type's empty value.
    fn view(column: &Column, at: usize) -> Self::View<'_>;
}

macro_rules! plain {
    ($($t:ty = $v:ident),+ $(,)?) => {$(
        impl Value for $t {
            const TYPE: Type = Type::$v;
            type View<'b> = $t;
            #[inline]
            fn push(&self, column: &mut Column) {
                if let Column::$v(v) = column { v.push(*self); }
            }
            #[inline]
            fn view(column: &Column, at: usize) -> $t {
                match column { Column::$v(v) => v[at], _ => Default::default() }
            }
        }
    )+};
}
plain!(bool = Bool, u8 = U8, u16 = U16, u32 = U32, u64 = U64, i64 = I64, f64 = F64, Ip = Ip, Mac = Mac, Time = Time);

/// True or absent: written only where true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

impl Value for Flag {
    const TYPE: Type = Type::Flag;
    type View<'b> = bool;
    #[inline]
    fn push(&self, column: &mut Column) {
        self.0.push(column);
    }
    #[inline]
    fn view(column: &Column, at: usize) -> bool {
        bool::view(column, at)
    }
}

impl Value for &[u8] {
    const TYPE: Type = Type::Text;
    type View<'b> = &'b [u8];
    #[inline]
    fn push(&self, column: &mut Column) {
        column.push_bytes(self);
    }
    #[inline]
    fn view(column: &Column, at: usize) -> &[u8] {
        column.bytes_at(at)
    }
}

impl Value for &str {
    const TYPE: Type = Type::Text;
    type View<'b> = &'b str;
    #[inline]
    fn push(&self, column: &mut Column) {
        column.push_bytes(self.as_bytes());
    }
    #[inline]
    fn view(column: &Column, at: usize) -> &str {
        std::str::from_utf8(column.bytes_at(at)).unwrap_or("")
    }
}

/// Bytes written in hexadecimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8]);

impl<'a> Value for Hex<'a> {
    const TYPE: Type = Type::Hex;
    type View<'b> = &'b [u8];
    #[inline]
    fn push(&self, column: &mut Column) {
        column.push_bytes(self.0);
    }
    #[inline]
    fn view(column: &Column, at: usize) -> &[u8] {
        column.bytes_at(at)
    }
}

/// A password, key or community string: only `<redacted:LENGTH>` enters the column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(pub &'a [u8]);

impl<'a> Value for Secret<'a> {
    const TYPE: Type = Type::Text;
    type View<'b> = &'b [u8];
    fn push(&self, column: &mut Column) {
        column.push_bytes(format!("<redacted:{}>", self.0.len()).as_bytes());
    }
    fn view(column: &Column, at: usize) -> &[u8] {
        column.bytes_at(at)
    }
}

impl<T: Value> Value for Option<T> {
    const TYPE: Type = Type::Opt(&T::TYPE);
    type View<'b> = Option<T::View<'b>>;
    #[inline]
    fn push(&self, column: &mut Column) {
        if let Column::Opt { rank, inner } = column {
            match self {
                None => rank.push(0),
                Some(v) => {
                    v.push(inner);
                    rank.push(inner.len() as u32);
                }
            }
        }
    }
    #[inline]
    fn view(column: &Column, at: usize) -> Option<T::View<'_>> {
        column.present_at(at).map(|(inner, i)| T::view(inner, i))
    }
}

/// What may stand in a list. Bytes do not: `&[u8]` is text.
pub trait Item: Value {}
impl Item for u16 {}
impl Item for u32 {}
impl Item for u64 {}
impl Item for Ip {}
impl Item for Mac {}
impl Item for &[u8] {}
impl Item for &str {}
impl Item for Hex<'_> {}

impl<T: Item> Value for &[T] {
    const TYPE: Type = Type::List(&T::TYPE);
    type View<'b> = List<'b, T>;
    #[inline]
    fn push(&self, column: &mut Column) {
        if let Column::List { ends, items } = column {
            for v in *self {
                v.push(items);
            }
            ends.push(ends.last().copied().unwrap_or(0) + self.len() as u32);
        }
    }
    #[inline]
    fn view(column: &Column, at: usize) -> List<'_, T> {
        match column.items_at(at) {
            Some((items, range)) => List { items: Some(items), range, of: PhantomData },
            None => List { items: None, range: 0..0, of: PhantomData },
        }
    }
}

/// The items of a list, seen in a column.
pub struct List<'b, T> {
    items: Option<&'b Column>,
    range: std::ops::Range<usize>,
    of: PhantomData<fn() -> T>,
}

impl<'b, T: Value> Iterator for List<'b, T> {
    type Item = T::View<'b>;
    fn next(&mut self) -> Option<Self::Item> {
        let items = self.items?;
        self.range.next().map(|i| T::view(items, i))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl<T: Value> ExactSizeIterator for List<'_, T> {}
