//! Answers to SQL as text: JSON, CSV, a table for a terminal.

use crate::SqlRows;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Number, Value};
use vigie_base::Time;

/// Widest column of a table, in characters.
const COLUMN_MAX: usize = 60;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line.
    Json,
    /// Comma-separated with a line of names (RFC 4180).
    Csv,
    /// Columns side by side.
    Table,
}

/// One value as JSON; times as RFC 3339.
fn value(array: &dyn Array, at: usize) -> Value {
    if array.is_null(at) {
        return Value::Null;
    }
    let float = |f: f64| Number::from_f64(f).map_or(Value::Null, Value::Number);
    match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(at)),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(at).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(at).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(at).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(at).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(at).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(at).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(at).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(at).into(),
        DataType::Float32 => float(array.as_primitive::<Float32Type>().value(at).into()),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(at)),
        DataType::Utf8 => array.as_string::<i32>().value(at).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(at).into(),
        DataType::Utf8View => array.as_string_view().value(at).into(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(at);
            Time::from_micros(u64::try_from(micros).unwrap_or(0)).to_string().into()
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(at);
            Value::Array((0..items.len()).map(|i| value(&items, i)).collect())
        }
        _ => ArrayFormatter::try_new(array, &FormatOptions::default()).map_or(Value::Null, |f| f.value(at).to_string().into()),
    }
}

/// A value as one cell of text.
fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

impl SqlRows {
    /// The rows as JSON objects.
    pub fn objects(&self) -> impl Iterator<Item = Map<String, Value>> {
        let names: Vec<&String> = self.schema.fields().iter().map(|f| f.name()).collect();
        self.batches.iter().flat_map(move |batch| {
            let names = names.clone();
            (0..batch.num_rows()).map(move |row| names.iter().zip(batch.columns()).map(|(n, c)| ((*n).clone(), value(c, row))).collect())
        })
    }

    /// The rows as text.
    pub fn text(&self, form: Form) -> String {
        let names: Vec<String> = self.schema.fields().iter().map(|f| f.name().clone()).collect();
        let rows = self.batches.iter().flat_map(|b| (0..b.num_rows()).map(|row| b.columns().iter().map(|c| cell(value(c, row))).collect()));
        match form {
            Form::Json => self.objects().map(|o| Value::Object(o).to_string() + "\n").collect(),
            Form::Csv => std::iter::once(names).chain(rows).map(|row: Vec<String>| csv_line(&row)).collect(),
            Form::Table => table(names, rows.collect()),
        }
    }
}

/// A row of CSV (RFC 4180), its line end included.
pub fn csv_line(row: &[String]) -> String {
    let quoted = |text: &String| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.clone(),
    };
    row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n"
}

/// Control characters of the network's text are shown as escapes: they never reach a terminal.
fn table(names: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let safe = |text: &String| vigie_base::text::terminal(text).chars().take(COLUMN_MAX).collect::<String>();
    let all: Vec<Vec<String>> = std::iter::once(&names).chain(&rows).map(|row| row.iter().map(safe).collect()).collect();
    let widths: Vec<usize> = (0..names.len()).map(|i| all.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for (n, row) in all.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
        if n == 0 {
            out += &widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>().join("  ");
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray};
    use std::sync::Arc;

    fn rows() -> SqlRows {
        let list = ListArray::from_iter_primitive::<UInt16Type, _, _>([Some(vec![Some(1), Some(2)]), None]);
        let columns: [(&str, ArrayRef); 4] = [
            ("n", Arc::new(Int64Array::from(vec![Some(-1), None]))),
            ("name", Arc::new(StringArray::from(vec!["a,\"b\"", "\u{1b}[31m"]))),
            ("ts", Arc::new(TimestampMicrosecondArray::from(vec![1_000_000, 0]).with_timezone("UTC"))),
            ("vlan", Arc::new(list)),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        SqlRows { schema: batch.schema(), batches: vec![batch], cut: false }
    }

    #[test]
    fn rows_are_told_in_each_form() {
        let all = rows();
        let objects: Vec<_> = all.objects().collect();
        assert_eq!(objects[0]["vlan"], serde_json::json!([1, 2]));
        assert_eq!(objects[0]["ts"], serde_json::json!(Time::from_secs(1).to_string()));
        assert_eq!(objects[1]["n"], Value::Null);
        assert_eq!(all.text(Form::Json).lines().count(), 2);
        assert!(all.text(Form::Csv).contains("-1,\"a,\"\"b\"\"\","), "{}", all.text(Form::Csv));
        let table = all.text(Form::Table);
        assert!(!table.contains('\u{1b}') && table.starts_with("n   name"), "{table}");
    }
}
