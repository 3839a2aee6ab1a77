//! The reference of events, drawn from their declarations.

use crate::schema::{Class, Field, Place, Schema, Type};
use std::fmt::Write;

/// One kind as a section of Markdown.
pub fn markdown(schema: &Schema, out: &mut String) {
    let _ = writeln!(out, "## {}\n\n{}{}\n", schema.kind, schema.doc, if schema.internal { " (Internal: not in EVE.)" } else { "" });
    if schema.fields.is_empty() {
        return;
    }
    out.push_str("| key | type | class | rule keyword | meaning |\n|---|---|---|---|---|\n");
    rows(schema.object, schema.fields, out);
    out.push('\n');
}

fn rows(prefix: &str, fields: &[Field], out: &mut String) {
    for f in fields {
        let key = match f.place {
            Place::Object => format!("{prefix}.{}", f.key),
            Place::Vigie => format!("vigie.{}", f.key),
            Place::Top => f.key.to_owned(),
            Place::Hidden => format!("({})", f.name),
        };
        let (ty, inner) = type_name(&f.ty);
        let class = if f.class == Class::Public { "" } else { f.class.name() };
        let keyword = f.keyword.map_or(String::new(), |k| format!("`{k}`"));
        let _ = writeln!(out, "| `{key}` | {ty} | {class} | {keyword} | {} |", f.doc.replace('|', "\\|"));
        if let Some(inner) = inner {
            rows(&key, inner, out);
        }
    }
}

fn type_name(ty: &Type) -> (String, Option<&'static [Field]>) {
    let name = match ty {
        Type::Bool => "boolean",
        Type::Flag => "true or absent",
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::F64 => "number",
        Type::Text => "text",
        Type::Hex => "hexadecimal",
        Type::Ip => "address",
        Type::Mac => "MAC",
        Type::Time => "time",
        Type::Opt(t) => {
            let (name, inner) = type_name(t);
            return (format!("{name}, optional"), inner);
        }
        Type::List(t) => {
            let (name, inner) = type_name(t);
            return (format!("list of {name}"), inner);
        }
        Type::Group(fields) => return ("object".to_owned(), Some(fields)),
    };
    (name.to_owned(), None)
}
