//! Declared devices from a table that a spreadsheet wrote.

use crate::assets::{Declared, Imported};
use crate::db::{Error, refused, shown};
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
        return refused(format!("the file has more than {} MB: split it", BYTES_MAX >> 20));
    }
    let csv = csv.strip_prefix('\u{feff}').unwrap_or(csv);
    let header = csv.lines().next().unwrap_or("");
    // A spreadsheet set up in French writes semicolons.
    let separator = [';', ',', '\t'].into_iter().max_by_key(|s| header.matches(*s).count()).unwrap_or(',');
    let mut lines = records(csv, separator);
    let columns: Vec<String> = lines.next().map_or(Vec::new(), |(_, l)| l.iter().map(|c| c.trim().to_lowercase()).collect());
    if let Some(c) = columns.iter().find(|c| !COLUMNS.contains(&c.as_str())) {
        let hint = nearest(c, COLUMNS).map_or(String::new(), |n| format!("; did you mean \"{n}\"?"));
        return refused(format!("line 1: no column \"{}\" is known{hint} (known: {})", shown(c), COLUMNS.join(", ")));
    }
    if !columns.iter().any(|c| matches!(c.as_str(), "name" | "ip" | "mac")) {
        return refused(format!("line 1: name the columns, of {}, with at least one of name, ip and mac", COLUMNS.join(", ")));
    }
    let (mut out, mut said) = (Vec::new(), Imported::default());
    for (n, fields) in lines {
        if fields.iter().all(|f| f.trim().is_empty()) {
            continue;
        }
        if out.len() >= LINES_MAX {
            said.errors.push(format!("line {n}: more than {LINES_MAX} devices, the rest is left out"));
            break;
        }
        match device(&columns, &fields) {
            Ok(d) => out.push(d),
            Err(e) if said.errors.len() < ERRORS_MAX => said.errors.push(format!("line {n}: {e}")),
            Err(_) => {}
        }
    }
    Ok((out, said))
}

fn device(columns: &[String], fields: &[String]) -> Result<Declared, String> {
    if fields.len() > columns.len() {
        return Err(format!("{} fields, but {} columns", fields.len(), columns.len()));
    }
    let mut d = Declared::default();
    for (column, field) in columns.iter().zip(fields) {
        let field: String = field.trim().chars().take(FIELD_MAX).collect();
        if field.is_empty() {
            continue;
        }
        let one_of = |list: &[&'static str], what: &str| {
            let word = field.to_lowercase();
            if list.contains(&word.as_str()) {
                return Ok(word);
            }
            let hint = nearest(&word, list.iter().copied()).map_or(String::new(), |n| format!("; did you mean \"{n}\"?"));
            Err(format!("\"{}\" is no {what}{hint} (known: {})", shown(&field), list.join(", ")))
        };
        match column.as_str() {
            "name" => d.name = field,
            "ip" => d.ip = Some(field.parse().map_err(|_| format!("\"{}\" is no address", shown(&field)))?),
            "mac" => d.mac = Some(field.parse().map_err(|e| format!("\"{}\" is {e}", shown(&field)))?),
            "class" => d.class = one_of(&CLASSES, "class")?,
            "owner" => d.owner = field,
            "place" => d.place = field,
            _ => d.criticality = one_of(&CRITICALITIES, "criticality")?,
        }
    }
    if d.name.is_empty() && d.ip.is_none() && d.mac.is_none() {
        return Err("no name, no ip and no mac: nothing says which device it is".to_owned());
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
