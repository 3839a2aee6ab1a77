//! Batches: the only owned form of events.

use crate::column::Column;
use crate::envelope::Envelope;
use crate::schema::Schema;

/// A kind of event, declared with `#[derive(Record)]`.
pub trait Record {
    /// The `event_type`.
    const KIND: &'static str;
    /// The declaration; one address a kind.
    fn schema() -> &'static Schema;
    /// Appends this record's fields to the columns of its kind.
    fn append(&self, cols: &mut [Column]);
}

/// Where records go. A stage pushes and does not know who reads.
pub trait Out {
    /// Takes one record, copying what it borrows.
    fn push<R: Record>(&mut self, env: &Envelope, record: &R);
}

/// Rows of one kind.
#[derive(Debug)]
pub struct Batch {
    schema: &'static Schema,
    env: Vec<Envelope>,
    cols: Vec<Column>,
}

impl Batch {
    /// An empty batch of a kind.
    pub fn new(schema: &'static Schema) -> Self {
        Batch { schema, env: Vec::new(), cols: schema.fields.iter().map(|f| Column::new(&f.ty)).collect() }
    }

    /// Appends a record of this batch's kind.
    #[inline]
    pub fn push<R: Record>(&mut self, env: &Envelope, record: &R) {
        debug_assert!(std::ptr::eq(self.schema, R::schema()));
        self.env.push(*env);
        record.append(&mut self.cols);
    }

    /// Of rows kept elsewhere: an envelope a row, a column a field in the order of declaration. `None` where the number of columns
    /// or of rows, or a column's layout, is not what the kind declares.
    pub fn of(schema: &'static Schema, env: Vec<Envelope>, cols: Vec<Column>) -> Option<Self> {
        let fits = cols.len() == schema.fields.len()
            && schema.fields.iter().zip(&cols).all(|(f, c)| c.is_of(&f.ty) && (c.len() == env.len() || c.is_rowless()));
        fits.then_some(Batch { schema, env, cols })
    }

    /// Appends a copy of a row of the same kind; a row of another kind is left.
    pub fn copy(&mut self, row: Row<'_>) {
        if let Some((cols, at)) = row.columns_of(self.schema) {
            self.env.push(*row.env());
            for (to, from) in self.cols.iter_mut().zip(cols) {
                to.copy(from, at);
            }
        }
    }

    /// The envelopes of the rows.
    pub fn envelopes(&self) -> &[Envelope] {
        &self.env
    }

    /// A column a field, in the order of declaration.
    pub fn columns(&self) -> &[Column] {
        &self.cols
    }

    /// The kind's declaration.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.env.len()
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.env.is_empty()
    }

    /// Bytes held by the rows.
    pub fn bytes(&self) -> usize {
        self.env.len() * size_of::<Envelope>() + self.cols.iter().map(Column::bytes).sum::<usize>()
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.env.clear();
        self.cols.iter_mut().for_each(Column::clear);
    }

    /// Row `at`, which must be below [`Batch::len`].
    #[inline]
    pub fn row(&self, at: usize) -> Row<'_> {
        Row { batch: self, at }
    }

    /// The rows in the order in which they were pushed.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|at| self.row(at))
    }
}

/// One event: a row of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Row<'b> {
    batch: &'b Batch,
    at: usize,
}

impl<'b> Row<'b> {
    /// Its envelope.
    #[inline]
    pub fn env(&self) -> &'b Envelope {
        &self.batch.env[self.at]
    }

    /// Its kind's declaration.
    #[inline]
    pub fn schema(&self) -> &'static Schema {
        self.batch.schema
    }

    /// The columns and place, where the row is of kind `schema`.
    #[inline]
    pub fn columns_of(&self, schema: &'static Schema) -> Option<(&'b [Column], usize)> {
        std::ptr::eq(self.batch.schema, schema).then_some((&self.batch.cols[..], self.at))
    }

    /// The columns and place, whatever the kind.
    #[inline]
    pub fn columns(&self) -> (&'b [Column], usize) {
        (&self.batch.cols, self.at)
    }
}
