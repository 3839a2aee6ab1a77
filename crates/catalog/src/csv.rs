//! Declared devices from a table that a spreadsheet wrote.

use crate::assets::{Declared, Imported};
use crate::db::{Error, refused, shown};
use vigie_base::Sentence;
use vigie_base::text::nearest;
use vigie_inventory::CLASSES;

/// Bytes of a file at most.
const BYTES_MAX: usize = 16 << 20;
/// Lines taken at most.
const LINES_MAX: usize = 100_000;
/// Characters of a field kept.
const FIELD_MAX: usize = 200;
/// Errors told.
const ERRORS_MAX: usize = 100;
const COLUMNS: [&str; 7] = ["name", "ip", "mac", "class", "owner", "place", "criticality"];
const CRITICALITIES: [&str; 4] = ["low", "medium", "high", "critical"];

/// The devices of a file, and the lines that were not taken. Errors: too long, no header.
pub(crate) fn declared(csv: &str) -> Result<(Vec<Declared>, Imported), Error> {
    if csv.len() > BYTES_MAX {
        return refused(Sentence::new("csv_size", "the file has more than {max} MB: split it").with("max", BYTES_MAX >> 20));
    }
    let csv = csv.strip_prefix('\u{feff}').unwrap_or(csv);
    let header = csv.lines().next().unwrap_or("");
    // A spreadsheet set up in French writes semicolons.
    let separator = [';', ',', '\t'].into_iter().max_by_key(|s| header.matches(*s).count()).unwrap_or(',');
    let mut lines = records(csv, separator);
    let columns: Vec<String> = lines.next().map_or(Vec::new(), |(_, l)| l.iter().map(|c| c.trim().to_lowercase()).collect());
    if let Some(c) = columns.iter().find(|c| !COLUMNS.contains(&c.as_str())) {
        let hint = nearest(c, COLUMNS).map_or(String::new(), |n| format!("; did you mean \"{n}\"?"));
        return refused(
            Sentence::new("csv_column", "line 1: no column \"{column}\" is known{hint} (known: {known})")
                .with("column", shown(c))
                .with("hint", hint)
                .with("known", COLUMNS.join(", ")),
        );
    }
    if !columns.iter().any(|c| matches!(c.as_str(), "name" | "ip" | "mac")) {
        return refused(
            Sentence::new("csv_columns", "line 1: name the columns, of {known}, with at least one of name, ip and mac")
                .with("known", COLUMNS.join(", ")),
        );
    }
    let (mut out, mut said) = (Vec::new(), Imported::default());
    for (n, fields) in lines {
        if fields.iter().all(|f| f.trim().is_empty()) {
            continue;
        }
        if out.len() >= LINES_MAX {
            let why = Sentence::new("csv_long", "more than {max} devices, the rest is left out").with("max", LINES_MAX);
            said.errors.push((n, why));
            break;
        }
        match device(&columns, &fields) {
            Ok(d) => out.push(d),
            Err(e) if said.errors.len() < ERRORS_MAX => said.errors.push((n, e)),
            Err(_) => {}
        }
    }
    Ok((out, said))
}

fn device(columns: &[String], fields: &[String]) -> Result<Declared, Sentence> {
    if fields.len() > columns.len() {
        let why = Sentence::new("csv_fields", "{fields} fields, but {columns} columns");
        return Err(why.with("fields", fields.len()).with("columns", columns.len()));
    }
    let mut d = Declared::default();
    for (column, field) in columns.iter().zip(fields) {
        let field: String = field.trim().chars().take(FIELD_MAX).collect();
        if field.is_empty() {
            continue;
        }
        let one_of = |list: &[&'static str], why: Sentence| {
            let word = field.to_lowercase();
            if list.contains(&word.as_str()) {
                return Ok(word);
            }
            let hint = nearest(&word, list.iter().copied()).map_or(String::new(), |n| format!("; did you mean \"{n}\"?"));
            Err(why.with("word", shown(&field)).with("hint", hint).with("known", list.join(", ")))
        };
        match column.as_str() {
            "name" => d.name = field,
            "ip" => {
                d.ip = Some(field.parse().map_err(|_| Sentence::new("csv_ip", "\"{word}\" is no address").with("word", shown(&field)))?)
            }
            "mac" => {
                let why = |e| Sentence::new("csv_mac", "\"{word}\" is {why}").with("word", shown(&field)).with("why", e);
                d.mac = Some(field.parse().map_err(why)?);
            }
            "class" => d.class = one_of(&CLASSES, Sentence::new("csv_class", "\"{word}\" is no class{hint} (known: {known})"))?,
            "owner" => d.owner = field,
            "place" => d.place = field,
            _ => {
                d.criticality =
                    one_of(&CRITICALITIES, Sentence::new("csv_criticality", "\"{word}\" is no criticality{hint} (known: {known})"))?
            }
        }
    }
    if d.name.is_empty() && d.ip.is_none() && d.mac.is_none() {
        return Err(Sentence::new("csv_nobody", "no name, no ip and no mac: nothing says which device it is"));
    }
    Ok(d)
}

/// Records with the number of their first line (RFC 4180: a field in quotes may hold separators, line ends and doubled quotes).
fn records(text: &str, separator: char) -> impl Iterator<Item = (usize, Vec<String>)> {
    let mut chars = text.chars().peekable();
    let mut line = 1;
    std::iter::from_fn(move || {
        chars.peek()?;
        let at = line;
        let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
        while let Some(c) = chars.next() {
            line += usize::from(c == '\n');
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    field.push('"');
                }
                '"' if quoted => quoted = false,
                '"' if field.is_empty() => quoted = true,
                _ if quoted => field.push(c),
                '\n' => break,
                '\r' => {}
                c if c == separator => fields.push(std::mem::take(&mut field)),
                c => field.push(c),
            }
        }
        fields.push(field);
        Some((at, fields))
    })
}
