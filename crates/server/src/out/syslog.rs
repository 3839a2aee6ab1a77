//! A notice to a collector of syslog: RFC 5424, over UDP (RFC 5426) or TCP with octet counting (RFC 6587, 3.4.1).

use crate::api::time_text;
use crate::app::now;
use crate::out::deliver::Refused;
use crate::out::notice::CaseNotice;
use crate::out::target::{Carrier, Syslog};
use serde_json::Value;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// Facility local0.
const FACILITY: u8 = 16;
/// The identifier of the structured data. 32473 is the enterprise number that RFC 5612 gives for examples: Vigie has none of its own.
const ID: &str = "vigie@32473";
/// Bytes of a message: as many as RFC 5425 and RFC 5426 say that receivers should take.
const MESSAGE_MAX: usize = 2048;
/// Bytes of one parameter's value.
const VALUE_MAX: usize = 128;
/// How long the whole of it may take.
const SENT_MAX: Duration = Duration::from_secs(10);
/// How long a peer may take to say that there is nobody, or to close.
const SETTLE: Duration = Duration::from_millis(300);

/// Sends a notice: over TCP done once the peer took it and closed, over UDP once it left and nobody said that there is no such port.
pub(super) async fn send(to: &Syslog, notice: &CaseNotice) -> Result<(), Refused> {
    let message = message(notice, &time_text(now()));
    let sent = async {
        match to.carrier {
            Carrier::Udp => udp(to, &message).await,
            Carrier::Tcp => tcp(to, &message).await,
        }
    };
    match tokio::time::timeout(SENT_MAX, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(Refused::Now(format!("{} ({}): {e}", to.target(), to.carrier.name()))),
        Err(_) => Err(Refused::Now(format!("{} ({}): not sent in {} s", to.target(), to.carrier.name(), SENT_MAX.as_secs()))),
    }
}

async fn udp(to: &Syslog, message: &[u8]) -> std::io::Result<()> {
    let mut addresses = tokio::net::lookup_host((to.host.as_str(), to.port)).await?;
    let address = addresses.next().ok_or_else(|| std::io::Error::other("the name has no address"))?;
    let any: SocketAddr = if address.is_ipv6() { ([0u16; 8], 0).into() } else { ([0u8; 4], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    socket.send(message).await?;
    tokio::time::sleep(SETTLE).await;
    socket.take_error()?.map_or(Ok(()), Err)
}

async fn tcp(to: &Syslog, message: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect((to.host.as_str(), to.port)).await?;
    let mut framed = format!("{} ", message.len()).into_bytes();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await?;
    stream.shutdown().await?;
    let mut end = [0; 1];
    // Who goes without having read says so by a reset; who keeps the connection has it.
    match tokio::time::timeout(SETTLE, stream.read(&mut end)).await {
        Ok(Err(e)) => Err(e),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

/// `SEVERITY` of RFC 5424.
fn severity(notice: &Value) -> u8 {
    match (notice["event"].as_str(), notice["case"]["severity"].as_str()) {
        (Some("test"), _) => 6,
        (Some("closed"), _) => 5,
        (_, Some("critical")) => 2,
        (_, Some("high")) => 3,
        (_, Some("medium")) => 4,
        _ => 5,
    }
}

/// Of the characters that a header may have; `-` for none.
fn word(text: &str) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(255).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

/// Cut at a character, so that at most `max` bytes are left.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// One message.
fn message(notice: &CaseNotice, at: &str) -> Vec<u8> {
    // Drawn from the JSON: an output says nothing that the other does not.
    let told = serde_json::to_value(notice).unwrap_or_default();
    let case = &told["case"];
    // RFC 3339 with Z: time is UTC.
    let at = format!("{}Z", at.trim_end_matches("+0000"));
    let (priority, host, event) = (FACILITY * 8 + severity(&told), word(&notice.sensor), notice.event);
    let mut out = format!("<{priority}>1 {at} {host} vigie {} case_{event} [{ID}", std::process::id());
    let mut put = |name: &str, value: &str| {
        if value.is_empty() {
            return;
        }
        let _ = write!(out, " {name}=\"");
        for c in cut(value, VALUE_MAX).chars() {
            if matches!(c, '"' | '\\' | ']') {
                out.push('\\');
            }
            out.push(if c.is_control() { ' ' } else { c });
        }
        out.push('"');
    };
    put("id", &notice.id);
    put("event", event);
    put("by", told["by"].as_str().unwrap_or_default());
    for (name, key) in [("case", "id"), ("dataset", "dataset"), ("severity", "severity"), ("verdict", "verdict")] {
        put(name, case[key].as_str().unwrap_or_default());
    }
    put("score", &case["score"].as_u64().map(|s| s.to_string()).unwrap_or_default());
    for key in ["first_seen", "last_seen"] {
        put(key, case[key].as_str().unwrap_or_default());
    }
    for key in ["detectors", "techniques"] {
        let all: Vec<&str> = case[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        put(key, &all.join(","));
    }
    let entities = case["entities"].as_array().map_or(&[][..], Vec::as_slice);
    for role in ["attacker", "victim", "client", "server", "subject"] {
        let of = entities.iter().filter(|e| e["role"] == role).filter_map(|e| e["ip"].as_str().or(e["mac"].as_str()));
        put(role, &of.collect::<Vec<_>>().join(","));
    }
    // The mark of UTF-8 stands before the words.
    out.push_str("] \u{feff}");
    let left = MESSAGE_MAX.saturating_sub(out.len());
    out.push_str(cut(&notice.text.replace(char::is_control, " "), left));
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_detect::Lang;

    #[test]
    fn a_message_is_whole_and_short_whatever_is_in_it() {
        let mut notice = CaseNotice::test("ada", Lang::Fr);
        notice.sensor = "a host\n".to_owned();
        let text = String::from_utf8(message(&notice, "2026-11-25T06:56:06.123456+0000")).unwrap();
        let pid = std::process::id();
        let want = format!(
            "<134>1 2026-11-25T06:56:06.123456Z ahost vigie {pid} case_test [vigie@32473 id=\"0\" event=\"test\" by=\"ada\"] \u{feff}{}",
            notice.text
        );
        assert_eq!(text, want);
        notice.id = "]\"\\\n".repeat(100);
        notice.text = "é\n".repeat(2000);
        let text = String::from_utf8(message(&notice, "x")).unwrap();
        assert!(text.len() <= MESSAGE_MAX && text.len() > MESSAGE_MAX - 4 && !text.contains('\n'), "{}", text.len());
        assert!(text.contains("id=\"\\]\\\"\\\\ \\]"), "{text}");
    }
}
