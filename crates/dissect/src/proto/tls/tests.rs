use super::hello::RETRY;
use crate::Transport;
use crate::replay::{conversation, replay, shared};
use crate::testing::{Bench, ToClient, ToServer, get, same_wherever_cut, stream};
use std::collections::BTreeMap;
use vigie_base::Direction;

/// The value at `path` without quotes.
fn text(line: &str, path: &str) -> String {
    get(line, path).trim_matches('"').to_owned()
}

fn of_kind(lines: Vec<String>, kind: &str) -> Vec<String> {
    lines.into_iter().filter(|l| text(l, "event_type") == kind).collect()
}

#[test]
fn every_label_of_ja4_is_matched() {
    let (Some(labels), Some(captures)) = (shared("data/labels/ja4.tsv"), shared("data/captures")) else { return };
    let table = std::fs::read_to_string(labels).expect("labels read");
    let mut files: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for row in table.lines().skip(1) {
        let row: Vec<&str> = row.split('\t').collect();
        files.entry(row[0]).or_default().push(row);
    }
    let mut wrong = Vec::new();
    for (file, rows) in files {
        let lines = of_kind(replay(captures.join(file)), "tls");
        for row in rows {
            let ip = |s: &str| s.parse::<std::net::IpAddr>().expect("an address");
            let of_flow = |l: &&String| {
                ip(&text(l, "src_ip")) == ip(row[1])
                    && text(l, "src_port") == row[2]
                    && ip(&text(l, "dest_ip")) == ip(row[3])
                    && text(l, "dest_port") == row[4]
            };
            let got: Vec<String> = lines.iter().filter(of_flow).flat_map(|l| [text(l, "tls.ja4"), text(l, "vigie.ja4_second")]).collect();
            if !got.iter().any(|g| g == row[5]) {
                wrong.push(format!("{row:?}: {got:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const CLIENT_RANDOM: [u8; 32] = [7; 32];

fn block(width: usize, contents: &[u8]) -> Vec<u8> {
    let mut out = contents.len().to_be_bytes()[8 - width..].to_vec();
    out.extend_from_slice(contents);
    out
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &block(3, body)].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &block(2, body)].concat()
}

fn extension(kind: u16, contents: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &block(2, contents)].concat()
}

fn client_hello(extra: &[Vec<u8>]) -> Vec<u8> {
    let extensions = [
        extension(0x0a0a, b""),
        extension(0, &block(2, &[&[0][..], &block(2, b"www.example.net")].concat())),
        extension(10, &block(2, &[0x1a, 0x1a, 0, 29, 0, 23])),
        extension(11, &block(1, &[0])),
        extension(16, &block(2, &[block(1, b"h2"), block(1, b"http/1.1")].concat())),
    ]
    .concat();
    let extensions = [extensions, extra.concat()].concat();
    let body = [
        &[3, 3][..],
        &CLIENT_RANDOM,
        &block(1, b"session"),
        &block(2, &[0x2a, 0x2a, 0x13, 1, 0xc0, 0x2f]),
        &block(1, &[0]),
        &block(2, &extensions),
    ]
    .concat();
    message(1, &body)
}

fn server_hello(random: &[u8; 32], session: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    message(2, &[&[3, 3][..], random, &block(1, session), &[0xc0, 0x2f, 0], &block(2, &extensions.concat())].concat())
}

fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
    let len =
        if contents.len() < 128 { vec![contents.len() as u8] } else { [&[0x82][..], &(contents.len() as u16).to_be_bytes()].concat() };
    [&[tag][..], &len, contents].concat()
}

fn certificate() -> Vec<u8> {
    let name = |cn: &str| der(0x30, &der(0x31, &der(0x30, &[der(6, b"\x55\x04\x03"), der(0x0c, cn.as_bytes())].concat())));
    let validity = der(0x30, &[der(0x17, b"190101000000Z"), der(0x17, b"200101000000Z")].concat());
    let san = der(
        0x30,
        &[der(6, b"\x55\x1d\x11"), der(4, &der(0x30, &[der(0x82, b"a.example.net"), der(0x87, &[10, 0, 0, 1])].concat()))].concat(),
    );
    let tbs = [
        der(0xa0, &der(2, &[2])),
        der(2, &[0, 0xab, 1]),
        der(0x30, b""),
        name("issuer"),
        validity,
        name("www.example.net"),
        der(0x30, b""),
        der(0xa3, &der(0x30, &san)),
    ]
    .concat();
    der(0x30, &der(0x30, &tbs))
}

/// A TLS 1.2 session with a certificate.
fn session() -> Vec<(Direction, Vec<u8>)> {
    let flight = [
        server_hello(&[9; 32], b"other", &[extension(16, &block(2, &block(1, b"h2")))]),
        message(11, &block(3, &block(3, &certificate()))),
        message(12, &[1; 300]),
        message(14, b""),
    ]
    .concat();
    vec![
        (ToServer, record(22, &client_hello(&[]))),
        // The flight over two records, cut inside the certificate.
        (ToClient, [record(22, &flight[..150]), record(22, &flight[150..])].concat()),
        (ToServer, [record(22, &message(16, &[2; 66])), record(20, &[1]), record(22, &[0xee; 40])].concat()),
        (ToClient, [record(20, &[1]), record(22, &[0xee; 40])].concat()),
        (ToServer, record(23, &[0xaa; 538])),
        (ToClient, record(23, &[0xbb; 538])),
    ]
}

fn borrowed(pieces: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    pieces.iter().map(|(d, p)| (*d, &p[..])).collect()
}

fn told(pieces: &[(Direction, Vec<u8>)]) -> Vec<String> {
    stream(443, &borrowed(pieces))
}

#[test]
fn a_session_is_told_with_its_certificate() {
    let lines = told(&session());
    let tls = of_kind(lines.clone(), "tls");
    assert_eq!(tls.len(), 1, "{lines:?}");
    let at = |path: &str| get(&tls[0], path);
    assert_eq!(at("tls.subject"), r#""CN=www.example.net""#);
    assert_eq!(at("tls.issuerdn"), r#""CN=issuer""#);
    assert_eq!(at("tls.serial"), r#""00:AB:01""#);
    assert_eq!(at("tls.subjectaltname"), r#"["a.example.net","10.0.0.1"]"#);
    assert_eq!(at("tls.sni"), r#""www.example.net""#);
    assert_eq!(at("tls.version"), r#""TLS 1.2""#);
    assert_eq!(at("tls.notbefore"), r#""2019-01-01T00:00:00""#);
    assert_eq!(at("tls.notafter"), r#""2020-01-01T00:00:00""#);
    assert_eq!(at("tls.client_alpns"), r#"["h2","http/1.1"]"#);
    assert_eq!(at("tls.server_alpns"), r#"["h2"]"#);
    assert_eq!(at("tls.ja3.string"), r#""771,4865-49199,0-10-11-16,29-23,0""#);
    assert_eq!(at("tls.ja3s.string"), r#""771,49199,16""#);
    assert_eq!(at("tls.session_resumed"), "");
    assert_eq!(at("vigie.certificate_validity_days"), "365");
    assert_eq!(at("vigie.certificate_not_yet_valid"), "true", "the bench lives in 1970");
    let shape = of_kind(lines.clone(), "tls_shape");
    assert_eq!(get(&shape[0], "tls_shape.to_server"), "[40,538]");
    assert_eq!(get(&shape[0], "tls_shape.tor_cells"), "2");
    assert_eq!(text(&of_kind(lines, "fact")[0], "fact.key"), "certificate_name");
}

#[test]
fn a_session_is_the_same_wherever_it_is_cut() {
    same_wherever_cut(443, &borrowed(&session()));
}

#[test]
fn a_session_is_told_on_any_port_and_in_the_middle_of_nothing() {
    assert_eq!(of_kind(stream(12_345, &borrowed(&session())), "tls").len(), 1);
    // Not TLS, though the first bytes are.
    let lines = stream(12_345, &[(ToServer, b"\x16\x03\x01 this is no record")]);
    assert!(of_kind(lines, "tls").is_empty());
}

#[test]
fn a_resumed_session_and_a_refused_one() {
    let mut pieces = session();
    pieces[1].1 = [record(22, &server_hello(&[9; 32], b"session", &[])), record(20, &[1]), record(22, &[0xee; 40])].concat();
    let tls = of_kind(told(&pieces), "tls");
    assert_eq!((tls.len(), get(&tls[0], "tls.session_resumed")), (1, "true".to_owned()));

    // An alert alone: told where the client brought a ticket, as Suricata does.
    let refused = |hello: &[u8]| told(&[(ToServer, record(22, hello)), (ToClient, record(21, &[2, 40]))]);
    assert!(of_kind(refused(&client_hello(&[])), "tls").is_empty());
    let tls = of_kind(refused(&client_hello(&[extension(35, b"")])), "tls");
    assert_eq!(get(&tls[0], "vigie.alert"), "40");
    assert_eq!(get(&tls[0], "vigie.alert_from"), r#""server""#);
    assert_eq!(get(&tls[0], "tls.session_resumed"), "");
}

#[test]
fn tls_13_is_told_at_the_server_hello_and_after_a_retry() {
    let versions = [extension(43, &[3, 4])];
    let plain = [
        (ToServer, record(22, &client_hello(&[]))),
        (ToClient, [record(22, &server_hello(&[9; 32], b"session", &versions)), record(20, &[1]), record(23, &[0; 900])].concat()),
    ];
    let tls = of_kind(told(&plain), "tls");
    assert_eq!((tls.len(), text(&tls[0], "tls.version")), (1, "TLS 1.3".to_owned()));
    assert_eq!(get(&tls[0], "tls.session_resumed"), "");

    let retry = [
        (ToServer, record(22, &client_hello(&[]))),
        (ToClient, [record(22, &server_hello(&RETRY, b"session", &versions)), record(20, &[1])].concat()),
        (ToServer, [record(20, &[1]), record(22, &client_hello(&[extension(44, b"cookie")]))].concat()),
        (ToClient, [record(22, &server_hello(&[9; 32], b"session", &versions)), record(23, &[0; 900])].concat()),
    ];
    let tls = of_kind(told(&retry), "tls");
    assert_eq!(tls.len(), 1);
    assert!(!text(&tls[0], "vigie.ja4_second").is_empty());
    assert_ne!(text(&tls[0], "vigie.ja4_second"), text(&tls[0], "tls.ja4"));
    same_wherever_cut(443, &borrowed(&retry));
}

#[test]
fn a_client_certificate_is_waited_for() {
    let mut pieces = session();
    let flight =
        [server_hello(&[9; 32], b"", &[]), message(11, &block(3, &block(3, &certificate()))), message(13, &[0; 10]), message(14, b"")]
            .concat();
    pieces[1].1 = record(22, &flight);
    pieces[2].1 =
        [record(22, &message(11, &block(3, &block(3, &certificate())))), record(22, &message(16, &[2; 66])), record(20, &[1])].concat();
    let tls = of_kind(told(&pieces), "tls");
    assert_eq!((tls.len(), text(&tls[0], "tls.client.subject")), (1, "CN=www.example.net".to_owned()));
}

#[test]
fn odd_records_are_anomalies() {
    let events = |pieces: &[(Direction, Vec<u8>)]| -> Vec<String> {
        of_kind(told(pieces), "anomaly").iter().map(|l| text(l, "anomaly.event")).collect()
    };
    let hello = (ToServer, record(22, &client_hello(&[])));
    assert_eq!(events(&[hello.clone(), (ToServer, record(24, &[1, 0x40, 0, 0, 0]))]), ["overflow_heartbeat_message"]);
    assert_eq!(events(&[hello.clone(), (ToServer, record(99, &[1]))]), ["invalid_record_type"]);
    let twice = client_hello(&[extension(0, &block(2, &[&[0][..], &block(2, b"b.example")].concat()))]);
    assert_eq!(events(&[(ToServer, record(22, &twice))]), ["multiple_sni_extensions"]);
    let mut bad = session();
    bad[1].1 = record(22, &[server_hello(&[9; 32], b"", &[]), message(11, &block(3, &block(3, b"no certificate")))].concat());
    assert_eq!(events(&bad[..2]), ["certificate_invalid_der"]);
}

#[test]
fn a_gap_in_encrypted_data_does_no_harm_and_one_in_the_handshake_ends_a_side() {
    let pieces = session();
    let mut b = Bench::new(Transport::Tcp, 443);
    for (dir, bytes) in &pieces[..4] {
        b.data(*dir, bytes);
    }
    b.data(ToClient, &record(23, &[0; 1000])[..100]);
    b.gap(ToClient, 905);
    b.data(ToClient, &record(23, &[0; 77]));
    let shape = of_kind(b.finish(), "tls_shape");
    assert_eq!(get(&shape[0], "tls_shape.to_client"), "[40,1000,77]");

    let mut b = Bench::new(Transport::Tcp, 443);
    b.data(ToServer, &pieces[0].1);
    b.gap(ToClient, 50);
    b.data(ToClient, &pieces[1].1[50..]);
    assert!(of_kind(b.finish(), "anomaly").is_empty());
}

#[test]
fn an_sslv2_hello_is_read() {
    // Version 3.0, 3 cipher specs, no session, 16 bytes of challenge.
    let v2 = [&[0x80, 34, 1, 3, 0, 0, 9, 0, 0, 0, 16][..], &[0, 0, 5, 0, 0, 10, 1, 0, 128], &[3; 16]].concat();
    let flight = [server_hello(&[9; 32], b"", &[]), message(11, &block(3, &block(3, &certificate()))), message(14, b"")].concat();
    let pieces = [(ToServer, v2), (ToClient, record(22, &flight))];
    let tls = of_kind(stream(4433, &borrowed(&pieces)), "tls");
    assert_eq!((tls.len(), get(&tls[0], "vigie.sslv2_hello"), get(&tls[0], "tls.ja3")), (1, "true".to_owned(), String::new()));
    same_wherever_cut(4433, &borrowed(&pieces));
}

#[test]
fn real_sessions_are_the_same_wherever_they_are_cut() {
    let Some(captures) = shared("data/captures") else { return };
    for (file, port) in [("web/tls-split-client-hello.pcap", 0), ("tls_fp/top-100-fingerprints.pcap", 37_582)] {
        let lines = of_kind(replay(captures.join(file)), "tls");
        let port = if port == 0 { text(&lines[0], "src_port").parse().expect("a port") } else { port };
        let mut pieces = conversation(captures.join(file), port);
        pieces.truncate(12);
        assert_eq!(of_kind(told(&pieces), "tls").len(), 1, "{file}");
        same_wherever_cut(443, &borrowed(&pieces));
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_harm(pieces in proptest::collection::vec((proptest::bool::ANY, proptest::collection::vec(proptest::num::u8::ANY, 0..200)), 0..8)) {
        let pieces: Vec<_> = pieces.into_iter().map(|(c, p)| (if c { ToClient } else { ToServer }, p)).collect();
        told(&pieces);
    }

    #[test]
    fn no_damage_to_a_session_harms(which in 0usize..6, at in 0usize..2000, with in proptest::collection::vec(proptest::num::u8::ANY, 0..20)) {
        let mut pieces = session();
        let piece = &mut pieces[which].1;
        let at = at % piece.len();
        let end = (at + with.len()).min(piece.len());
        piece.splice(at..end, with);
        told(&pieces);
    }
}

#[test]
fn an_unanswered_hello_gives_its_own_version() {
    let lines = of_kind(stream(443, &[(ToServer, &record(22, &client_hello(&[extension(35, b"")])))]), "tls");
    assert_eq!(lines.len(), 1);
    assert_eq!(text(&lines[0], "tls.version"), "TLS 1.2");
}

#[test]
fn an_empty_handshake_is_malformed_tls() {
    let pieces: &[(Direction, &[u8])] = &[(ToServer, &[22, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0])];
    same_wherever_cut(443, pieces);
    let lines = of_kind(stream(8443, pieces), "anomaly");
    assert_eq!(lines.iter().map(|l| text(l, "anomaly.event")).collect::<Vec<_>>(), ["invalid_record_type"]);
}
