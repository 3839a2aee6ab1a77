//! EVE JSON, as Suricata 8 writes it, drawn from the declaration of each kind.

use crate::batch::Row;
use crate::column::{Column, Value};
use crate::envelope::{Envelope, NO_TX, proto_name};
use crate::json;
use crate::schema::{Field, Place, Type};
use vigie_base::{Ip, Mac, Time};

/// Writes one event as one line, newline included.
pub fn write(row: Row<'_>, out: &mut Vec<u8>) {
    let schema = row.schema();
    header(row.env(), schema.kind, schema.app_proto, schema.tx, out);
    let (cols, at) = row.columns();
    let object = schema.fields.iter().zip(cols);
    if schema.fields.iter().any(|f| f.place == Place::Object) {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(schema.object.as_bytes());
        out.extend_from_slice(b"\":{");
        members(object.clone().filter(|(f, _)| f.place == Place::Object), at, out);
        out.push(b'}');
    }
    for (f, c) in object.clone().filter(|(f, _)| f.place == Place::Top) {
        member(f, c, at, false, out);
    }
    if schema.fields.iter().any(|f| f.place == Place::Vigie) {
        let before = out.len();
        out.extend_from_slice(b",\"vigie\":{");
        let inside = out.len();
        members(object.filter(|(f, _)| f.place == Place::Vigie), at, out);
        if out.len() == inside {
            out.truncate(before);
        } else {
            out.push(b'}');
        }
    }
    out.extend_from_slice(b"}\n");
}

fn header(e: &Envelope, kind: &str, app_proto: bool, tx: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"timestamp\":\"");
    e.ts.write_eve(out);
    out.push(b'"');
    if e.flow_id != 0 {
        out.extend_from_slice(b",\"flow_id\":");
        json::number(e.flow_id, out);
    }
    if e.frame != 0 {
        out.extend_from_slice(b",\"pcap_cnt\":");
        json::number(e.frame, out);
    }
    out.extend_from_slice(b",\"event_type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
    if e.vlans > 0 {
        out.extend_from_slice(b",\"vlan\":[");
        for (i, v) in e.vlan.iter().take(usize::from(e.vlans)).enumerate() {
            if i > 0 {
                out.push(b',');
            }
            json::number(u64::from(*v), out);
        }
        out.push(b']');
    }
    if e.ip_version != 0 {
        out.extend_from_slice(b",\"src_ip\":\"");
        e.src.write_eve(out);
        out.push(b'"');
        if e.has_ports() {
            out.extend_from_slice(b",\"src_port\":");
            json::number(u64::from(e.src_port), out);
        }
        out.extend_from_slice(b",\"dest_ip\":\"");
        e.dst.write_eve(out);
        out.push(b'"');
        if e.has_ports() {
            out.extend_from_slice(b",\"dest_port\":");
            json::number(u64::from(e.dst_port), out);
        }
        out.extend_from_slice(b",\"proto\":\"");
        match proto_name(e.proto) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => json::number(u64::from(e.proto), out),
        }
        out.push(b'"');
        if matches!(e.proto, 1 | 58) {
            out.extend_from_slice(b",\"icmp_type\":");
            json::number(u64::from(e.icmp_type), out);
            out.extend_from_slice(b",\"icmp_code\":");
            json::number(u64::from(e.icmp_code), out);
        }
        out.extend_from_slice(if e.ip_version == 4 { b",\"ip_v\":4" } else { b",\"ip_v\":6" });
    }
    if e.frame != 0 {
        out.extend_from_slice(b",\"pkt_src\":\"wire/pcap\"");
    }
    if tx && e.tx_id != NO_TX {
        out.extend_from_slice(b",\"tx_id\":");
        json::number(u64::from(e.tx_id), out);
    }
    if app_proto && !e.app_proto.is_empty() {
        out.extend_from_slice(b",\"app_proto\":\"");
        out.extend_from_slice(e.app_proto.as_bytes());
        out.push(b'"');
    }
}

fn members<'a>(fields: impl Iterator<Item = (&'a Field, &'a Column)>, at: usize, out: &mut Vec<u8>) {
    let mut first = true;
    for (f, c) in fields {
        first = !member(f, c, at, first, out) && first;
    }
}

/// Writes `"key":value` where there is a value; says whether it did.
fn member(f: &Field, c: &Column, at: usize, first: bool, out: &mut Vec<u8>) -> bool {
    let (ty, c, at) = match f.ty {
        Type::Opt(inner) => match c.present_at(at) {
            Some((c, at)) => (*inner, c, at),
            None => return false,
        },
        ty => (ty, c, at),
    };
    match (ty, c) {
        (Type::Flag, c) if !bool::view(c, at) => return false,
        (Type::List(_), c) if c.items_at(at).is_none_or(|(_, r)| r.is_empty()) => return false,
        _ => {}
    }
    if !first {
        out.push(b',');
    }
    out.extend_from_slice(f.json_key.as_bytes());
    value(&ty, c, at, out);
    true
}

/// Writes one value as JSON.
fn value(ty: &Type, c: &Column, at: usize, out: &mut Vec<u8>) {
    match ty {
        Type::Bool | Type::Flag => out.extend_from_slice(if bool::view(c, at) { b"true" } else { b"false" }),
        Type::U8 => json::number(u64::from(u8::view(c, at)), out),
        Type::U16 => json::number(u64::from(u16::view(c, at)), out),
        Type::U32 => json::number(u64::from(u32::view(c, at)), out),
        Type::U64 => json::number(u64::view(c, at), out),
        Type::I64 => out.extend_from_slice(itoa::Buffer::new().format(i64::view(c, at)).as_bytes()),
        Type::F64 => {
            use std::io::Write;
            let v = f64::view(c, at);
            let _ = write!(out, "{}", if v.is_finite() { v } else { 0.0 });
        }
        Type::Text => json::string(c.bytes_at(at), out),
        Type::Hex => {
            out.push(b'"');
            vigie_base::text::hex(c.bytes_at(at), out);
            out.push(b'"');
        }
        Type::Ip => quoted(out, |out| Ip::view(c, at).write_eve(out)),
        Type::Mac => quoted(out, |out| Mac::view(c, at).write(out)),
        Type::Time => quoted(out, |out| Time::view(c, at).write_eve(out)),
        Type::Opt(inner) => match c.present_at(at) {
            Some((c, at)) => value(inner, c, at, out),
            None => out.extend_from_slice(b"null"),
        },
        Type::List(item) => {
            out.push(b'[');
            if let Some((items, range)) = c.items_at(at) {
                for (n, i) in range.enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    value(item, items, i, out);
                }
            }
            out.push(b']');
        }
        Type::Group(fields) => {
            out.push(b'{');
            members(fields.iter().zip(c.group()).filter(|(f, _)| f.place != Place::Hidden), at, out);
            out.push(b'}');
        }
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}
