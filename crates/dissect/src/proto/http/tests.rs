use super::coding::{Coding, Decoder, decode};
use super::multipart::{Event, Multipart, filename, parameter};
use super::{Http, url};
use crate::replay::{replay, shared};
use crate::testing::{Bench, ToClient, ToServer, get, same_wherever_cut, stream};
use crate::{Match, Probe, Protocol, Settings, Transport};
use proptest::prelude::*;
use vigie_base::Direction;

type Pieces<'a> = &'a [(Direction, &'a [u8])];

fn of<'a>(lines: &'a [String], kind: &str) -> Vec<&'a String> {
    lines.iter().filter(|l| get(l, "event_type") == format!("\"{kind}\"")).collect()
}

fn all(lines: &[String], kind: &str, path: &str) -> Vec<String> {
    of(lines, kind).iter().map(|l| get(l, path).trim_matches('"').to_owned()).collect()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    e.write_all(data).unwrap();
    e.finish().unwrap()
}

fn probe(dir: Direction, bytes: &[u8]) -> Match {
    Http::probe(&Probe { dir, bytes, other: &[], client_port: 40_000, server_port: 8443, transport: Transport::Tcp })
}

#[test]
fn lookalikes_are_left_to_others() {
    for yes in [
        "GET / HTTP/1.1\r\n",
        "\r\nPOST /x HTTP/1.0\r\n",
        "FROB /x HTTP/1.1\n",
        "CONNECT a:443 HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "GET /old\r\n",
    ] {
        assert_eq!(probe(ToServer, yes.as_bytes()), Match::Yes, "{yes}");
        for n in 1..yes.len() - 1 {
            assert_eq!(probe(ToServer, &yes.as_bytes()[..n]), Match::Maybe, "{yes} cut at {n}");
        }
    }
    for no in [
        "OPTIONS rtsp://a/b RTSP/1.0\r\n",
        "REGISTER sip:a SIP/2.0\r\n",
        "PRI * HTTP/2.0\r\n",
        "REQMOD icap://a/b ICAP/1.0\r\n",
        "EHLO mail.example\r\n",
        "USER ada\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "get / http/1.1\r\n",
        "\x16\x03\x01\x02",
        "GET /a MEANWHILE/1.0\r\n",
    ] {
        assert_eq!(probe(ToServer, no.as_bytes()), Match::No, "{no}");
    }
    assert_eq!(probe(ToClient, b"HTTP/1.1 200 OK"), Match::Yes);
    assert_eq!(probe(ToClient, b"HTTP/1."), Match::Maybe);
    assert_eq!(probe(ToClient, b"RTSP/1.0 200 OK"), Match::No);
    let long = format!("GET /{}", "a".repeat(600));
    assert_eq!(probe(ToServer, long.as_bytes()), Match::Yes);
}

const SESSION: Pieces<'_> = &[
    (ToServer, b"GET /index.html?sid=Canari-1&q=1 HTTP/1.1\r\nHost: WWW.Example.com:8080\r\nUser-Agent: Mo\r\n  zilla\r\nX-Forwarded-For: 1.2.3.4\r\nReferer: http://u:Canari-2@e/?token=Canari-3\r\n\r\n"),
    (ToClient, b"HTTP/1.1 200 OK\r\nServer: Apache\r\nContent-Type: text/html; charset=x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n"),
    (ToServer, b"HEAD /h HTTP/1.1\r\nHost: a\r\n\r\nPUT /up%20load HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"),
    (ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"),
    (ToServer, b"abc"),
    (ToClient, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nLocation: /x?key=Canari-4\r\n\r\n"),
    (ToServer, b"GET /range HTTP/1.1\nHost: a\n\n"),
    (ToClient, b"HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-3/10\nContent-Disposition: attachment; filename=\"r.bin\"\nContent-Length: 4\n\nabcd"),
    (ToServer, b"GET /last HTTP/1.0\r\n\r\n"),
    (ToClient, b"HTTP/1.0 404 Not Found\r\n\r\nno such thing"),
];

#[test]
fn a_session_is_told_exchange_by_exchange() {
    let lines = stream(80, SESSION);
    let http = of(&lines, "http");
    assert_eq!(all(&lines, "http", "http.http_method"), ["GET", "HEAD", "PUT", "GET", "GET"]);
    assert_eq!(all(&lines, "http", "tx_id"), ["0", "1", "2", "3", "4"]);
    assert_eq!(all(&lines, "http", "http.status"), ["200", "200", "201", "206", "404"]);
    // 5;x=y, hello, 6, _world, 0: with the framing, as it came over the wire.
    assert_eq!(all(&lines, "http", "http.length"), ["28", "0", "0", "4", "13"]);
    assert_eq!(get(http[0], "http.hostname"), "\"www.example.com\"");
    assert_eq!(get(http[0], "http.http_port"), "8080");
    assert_eq!(get(http[0], "http.url"), "\"/index.html?sid=<redacted:8>&q=1\"");
    assert_eq!(get(http[0], "http.http_refer"), "\"http://u:<redacted:8>@e/?token=<redacted:8>\"");
    assert_eq!(get(http[0], "http.http_user_agent"), "\"Mo zilla\"");
    assert_eq!(get(http[0], "http.xff"), "\"1.2.3.4\"");
    assert_eq!(get(http[0], "http.http_content_type"), "\"text/html\"");
    assert_eq!(get(http[0], "vigie.entity_length"), "11");
    assert_eq!(get(http[0], "vigie.server"), "\"Apache\"");
    assert_eq!(get(http[2], "http.redirect"), "\"/x?key=<redacted:8>\"");
    assert_eq!(get(http[2], "vigie.request_length"), "3");
    assert_eq!(get(http[3], "http.content_range.size"), "10");
    assert_eq!(all(&lines, "fileinfo", "fileinfo.filename"), ["/index.html", "/up load", "r.bin", "/last"]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.size"), ["11", "3", "4", "13"]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.state"), ["CLOSED"; 4]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.end"), ["", "", "3", ""]);
    assert_eq!(all(&lines, "fileinfo", "src_ip"), ["10.0.0.2", "10.0.0.1", "10.0.0.2", "10.0.0.2"]);
    assert_eq!(get(of(&lines, "fileinfo")[0], "fileinfo.md5"), "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"");
    assert_eq!(get(of(&lines, "fileinfo")[0], "http.url"), "\"/index.html?sid=<redacted:8>&q=1\"");
    assert_eq!(all(&lines, "fact", "fact.value"), ["Mo zilla", "Apache"]);
    assert!(of(&lines, "anomaly").is_empty(), "{lines:#?}");
    assert!(!lines.concat().contains("Canari"), "a secret is in the output");
}

#[test]
fn a_session_is_the_same_wherever_it_is_cut() {
    same_wherever_cut(80, SESSION);
}

#[test]
fn pipelined_requests_meet_their_answers() {
    let lines = stream(
        80,
        &[
            (ToServer, b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n"),
            (ToClient, b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        ],
    );
    assert_eq!(all(&lines, "http", "http.url"), ["/1", "/2", "/3"]);
    assert_eq!(all(&lines, "http", "http.status"), ["204", "304", ""]);
}

#[test]
fn too_many_requests_without_answers_are_told_and_counted() {
    let mut b = Bench::new(Transport::Tcp, 80);
    for _ in 0..super::PENDING_MAX + 10 {
        b.data(ToServer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    assert_eq!(of(&b.lines.0, "anomaly").len(), 10);
    assert_eq!(of(&b.finish(), "http").len(), super::PENDING_MAX + 10);
}

#[test]
fn one_side_alone_is_told() {
    let lines = stream(80, &[(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")]);
    assert_eq!(all(&lines, "anomaly", "anomaly.event"), ["UNABLE_TO_MATCH_RESPONSE_TO_REQUEST"]);
    assert_eq!(all(&lines, "http", "http.protocol"), ["HTTP/1.1"]);
    assert_eq!(of(&lines, "fileinfo").len(), 1);
    let lines = stream(80, &[(ToServer, b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\nUser-Agent: x")]);
    assert_eq!(all(&lines, "http", "http.url"), ["/a", "/b"]);
    assert_eq!(all(&lines, "http", "http.http_user_agent"), ["", "x"]);
}

#[test]
fn http_0_9_and_requests_without_a_protocol() {
    let lines = stream(80, &[(ToServer, b"GET /old\r\n"), (ToClient, b"<html>old</html>\n")]);
    assert_eq!(all(&lines, "http", "http.length"), ["17"]);
    assert_eq!(all(&lines, "http", "http.protocol"), [""]);
    let hurry: Pieces<'_> = &[(ToServer, b"GET /gen.php?x=1\r\nHost: a\r\n\r\n"), (ToClient, b"xzscxc#$#A")];
    let lines = stream(80, hurry);
    assert_eq!(all(&lines, "http", "http.hostname"), ["a"]);
    assert_eq!(all(&lines, "anomaly", "anomaly.event"), ["REQUEST_LINE_MISSING_PROTOCOL"]);
    same_wherever_cut(80, hurry);
}

#[test]
fn codings_are_undone() {
    let text = b"the quick brown fox jumps over the lazy dog, again and again and again".repeat(40);
    let send = |coding: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Encoding: {coding}\r\n\r\n", body.len());
        let answer = [head.as_bytes(), body].concat();
        let pieces: Vec<(Direction, &[u8])> = vec![(ToServer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (ToClient, &answer)];
        let whole = stream(80, &pieces);
        let bytes: Vec<(Direction, &[u8])> = pieces.iter().flat_map(|(d, p)| p.chunks(1).map(move |b| (*d, b))).collect();
        assert_eq!(stream(80, &bytes), whole, "{coding} byte by byte");
        all(&whole, "fileinfo", "fileinfo.sha256")[0].clone()
    };
    let plain = send("identity", &text);
    let zipped = gzip(&text);
    let raw = &zipped[10..zipped.len() - 8];
    let zlib = {
        use std::io::Write;
        let mut e = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        e.write_all(&text).unwrap();
        e.finish().unwrap()
    };
    for (coding, body) in [
        ("gzip", zipped.clone()),
        ("x-gzip", [gzip(&text[..100]), gzip(&text[100..])].concat()),
        ("deflate", zlib),
        ("deflate", raw.to_vec()),
        ("deflate", zipped.clone()),
        ("gzip, gzip", gzip(&zipped)),
        ("gzip", [&zipped[..], b"padding"].concat()),
    ] {
        assert_eq!(send(coding, &body), plain, "{coding}");
    }
    // What is not encoded after all is taken as it is.
    assert_eq!(send("gzip", &text), plain);
    assert_eq!(send("br", &text), plain);
}

#[test]
fn brotli_is_undone() {
    // One stored meta-block and the last, empty one (RFC 7932 section 9.2).
    let text = b"hello";
    let stored = [&[0x0b, 0x02, 0x80][..], text, &[0x03]].concat();
    let pool = std::sync::Arc::default();
    let mut layers = vec![Decoder::new(Coding::Brotli, &pool).unwrap()];
    let mut out = Vec::new();
    for b in &stored {
        decode(&mut layers, &[*b], &mut |piece| {
            out.extend_from_slice(piece);
            true
        });
    }
    assert_eq!(out, text);
}

#[test]
fn a_bomb_stops_at_its_cap() {
    let bomb = gzip(&vec![0u8; 8 << 20]);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Encoding: gzip\r\n\r\n", bomb.len());
    let mut b = Bench::new(Transport::Tcp, 80);
    b.data(ToServer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    b.data(ToClient, head.as_bytes());
    b.data(ToClient, &bomb);
    assert_eq!(b.shared.counters.inflate_full, 1);
    let lines = b.finish();
    assert_eq!(all(&lines, "fileinfo", "fileinfo.state"), ["TRUNCATED"]);
    let size: u64 = all(&lines, "fileinfo", "fileinfo.size")[0].parse().unwrap();
    assert!(size <= Settings::default().inflate_max + (32 << 10), "{size}");
}

const UPLOAD: Pieces<'_> = &[
    (ToServer, b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=\"--b0\"\r\nContent-Length: 338\r\n\r\n----b0\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nada\r\n----b0\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nCanari-7f3a\r\n----b0\r\nContent-Disposition: form-data; name=\"f\"; filename=\"C:\\\\a b.txt\"\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--\r\n----b\r\nlast\r\n----b0\r\nContent-Disposition: form-data; name=\"g\"; filename=\"g\"\r\n\r\ngg\r\n----b0--\r\n"),
    (ToClient, b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /home\r\n\r\n"),
];

#[test]
fn uploads_are_files() {
    let lines = stream(80, UPLOAD);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.filename"), ["C:\\\\a b.txt", "g"]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.size"), ["22", "2"]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.state"), ["CLOSED", "CLOSED"]);
    assert_eq!(all(&lines, "login", "login.user"), ["ada"]);
    assert_eq!(all(&lines, "login", "login.outcome"), ["success"]);
    assert!(!lines.concat().contains("Canari"));
    same_wherever_cut(80, UPLOAD);
}

fn login(request: &str, answer: &str) -> String {
    let lines = stream(80, &[(ToServer, request.as_bytes()), (ToClient, answer.as_bytes())]);
    let out = lines.concat();
    for canary in ["Canari-7f3a", "Q2FuYXJpLTdmM2", "Nhbmari", "YTpDYW5hcmk"] {
        assert!(!out.contains(canary), "{canary} in {lines:#?}");
    }
    of(&lines, "login")
        .iter()
        .map(|l| {
            let f = |k: &str| get(l, &format!("login.{k}")).trim_matches('"').to_owned();
            format!("{} {} {} clear={} anonymous={}", f("method"), f("user"), f("outcome"), f("cleartext"), f("anonymous"))
        })
        .collect::<Vec<_>>()
        .join("; ")
}

#[test]
fn log_ins_are_told_and_passwords_are_not() {
    let get = |auth: &str| format!("GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: {auth}\r\n\r\n");
    let status = |s: u16| format!("HTTP/1.1 {s} X\r\nContent-Length: 0\r\n\r\n");
    let html = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Type: text/html\r\n\r\n{body}", body.len());
    let to = |place: &str| format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {place}\r\n\r\n");
    // a:Canari-7f3a, and guest with nothing.
    assert_eq!(login(&get("Basic YTpDYW5hcmktN2YzYQ=="), &status(200)), "basic a success clear=true anonymous=false");
    assert_eq!(login(&get("Basic YTpDYW5hcmktN2YzYQ=="), &status(401)), "basic a failure clear=true anonymous=false");
    assert_eq!(login(&get("Basic Z3Vlc3Q6"), &status(200)), "basic guest success clear=true anonymous=true");
    assert_eq!(
        login(&get("Digest username=\"ada\", realm=\"r\", response=\"Canari-7f3a\""), &status(403)),
        "digest ada failure clear=false anonymous=false"
    );
    assert_eq!(login(&get("Bearer Canari-7f3a"), &status(200)), "bearer  success clear=false anonymous=false");
    // An NTLM negotiate message is no log-in yet.
    assert_eq!(login(&get("NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAA="), &status(401)), "");
    let form = |path: &str, kind: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let www = form("/login.php", "application/x-www-form-urlencoded", "username=ad%40a&password=Canari-7f3a&Login=Login");
    assert_eq!(login(&www, &to("index.php")), "form ad@a success clear=true anonymous=false");
    assert_eq!(login(&www, &to("login.php")), "form ad@a failure clear=true anonymous=false");
    assert_eq!(login(&www, &to("/login.php?error=1")), "form ad@a failure clear=true anonymous=false");
    assert_eq!(login(&www, &html("<p>Invalid password</p>")), "form ad@a failure clear=true anonymous=false");
    assert_eq!(login(&www, &html("<input type=\"password\" name=p>")), "form ad@a failure clear=true anonymous=false");
    assert_eq!(login(&www, &html("<p>Welcome</p>")), "form ad@a unknown clear=true anonymous=false");
    assert_eq!(
        login(&www, &html("ok").replace("Content-Type", "Set-Cookie: s=1\r\nContent-Type")),
        "form ad@a success clear=true anonymous=false"
    );
    let json = form("/api/session", "application/json", r#"{"a":{"b":["x"]},"email":"ada@e","pass\"x":1,"password" : "Canari-7f3a"}"#);
    assert_eq!(login(&json, &status(403)), "form ada@e failure clear=true anonymous=false");
    let query = "GET /brute/?username=admin&password=Canari-7f3a&Login=Login HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(login(query, &html("Username and/or password incorrect.")), "form admin failure clear=true anonymous=false");
    // Two passwords set one; a form without one is none.
    assert_eq!(
        login(&form("/r", "application/x-www-form-urlencoded", "user=a&password=Canari-7f3a&password2=Canari-7f3a"), &status(200)),
        ""
    );
    assert_eq!(login(&form("/r", "application/x-www-form-urlencoded", "user=a&text=b"), &status(200)), "");
}

#[test]
fn the_hash_of_a_form_with_a_password_is_not_told() {
    let body = "user=a&password=x";
    let request = format!(
        "POST /l HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let lines = stream(80, &[(ToServer, request.as_bytes())]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.size"), ["17"]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.sha256"), [""]);
}

#[test]
fn the_same_credentials_again_are_no_new_log_in() {
    let request = b"GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\n\r\n";
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let lines = stream(80, &[(ToServer, request), (ToClient, answer), (ToServer, request), (ToClient, answer)]);
    assert_eq!(of(&lines, "login").len(), 1);
    assert_eq!(of(&lines, "http").len(), 2);
}

#[test]
fn tunnels_are_told_afresh() {
    let tunnel: Pieces<'_> = &[
        (ToServer, b"CONNECT a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n"),
        (ToClient, b"HTTP/1.1 200 Connection established\r\n\r\n"),
        (ToServer, b"GET /in HTTP/1.1\r\nHost: a.example\r\n\r\n"),
        (ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ];
    let lines = stream(3128, tunnel);
    assert_eq!(all(&lines, "http", "http.http_method"), ["CONNECT", "GET"]);
    // Empty lines in between belong to neither.
    let loose: Pieces<'_> = &[
        (ToServer, b"CONNECT a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n\n"),
        (ToClient, b"HTTP/1.1 200 OK\r\n\r\n\n"),
        (ToServer, b"GET /x HTTP/1.1\r\nHost: b.example\r\n\r\n"),
        (ToClient, b"HTTP/1.1 204 None\r\n\r\n"),
    ];
    same_wherever_cut(8080, loose);
    assert_eq!(all(&stream(8080, loose), "http", "http.http_method"), ["CONNECT", "GET"]);
    assert_eq!(all(&lines, "http", "tx_id"), ["0", "0"]);
    assert_eq!(all(&lines, "http", "http.http_port"), ["80", ""]);
    same_wherever_cut(3128, tunnel);
    // Refused: the connection goes on.
    let lines = stream(
        3128,
        &[
            (ToServer, b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"),
            (ToClient, b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"),
            (ToServer, b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\nProxy-Authorization: Basic YTpi\r\n\r\n"),
            (ToClient, b"HTTP/1.1 200 Yes\r\n\r\n"),
        ],
    );
    assert_eq!(all(&lines, "http", "http.status"), ["407", "200"]);
    assert_eq!(all(&lines, "login", "login.outcome"), ["success"]);
    let lines = stream(
        80,
        &[
            (ToServer, b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"),
            (ToClient, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"),
            (ToServer, b"\x81\x82\0\0\0\0hi"),
        ],
    );
    assert_eq!(all(&lines, "http", "vigie.upgrade"), ["websocket"]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

#[test]
fn gaps_cost_what_they_hit() {
    let request = |n: u8| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut b = Bench::new(Transport::Tcp, 80);
    b.data(ToServer, [request(1), request(2), request(3)].concat().as_bytes());
    // Inside a body.
    b.data(ToClient, &answer("abcdefgh").as_bytes()[..answer("abcdefgh").len() - 6]);
    b.gap(ToClient, 4);
    b.data(ToClient, b"gh");
    // A body and two bytes more, then the next answer.
    b.data(ToClient, &answer("abcdefghijkl").as_bytes()[..answer("abcdefghijkl").len() - 12]);
    b.gap(ToClient, 14);
    b.data(ToClient, b"xyHTTP/1.");
    b.data(ToClient, b"1 404 No\r\nContent-Length: 2\r\n\r\nno");
    let lines = b.finish();
    assert_eq!(all(&lines, "http", "http.status"), ["200", "200", "404"]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.size"), ["8", "12", "2"]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.state"), ["TRUNCATED", "TRUNCATED", "CLOSED"]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.gaps"), ["true", "true", "false"]);
}

#[test]
fn what_ends_early_says_so() {
    let lines =
        stream(80, &[(ToServer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")]);
    assert_eq!(all(&lines, "fileinfo", "fileinfo.state"), ["TRUNCATED"]);
    assert_eq!(all(&lines, "http", "vigie.incomplete"), ["true"]);
}

#[test]
fn odd_framing_is_noted() {
    let events = |request: &str, answer: &str| {
        all(&stream(80, &[(ToServer, request.as_bytes()), (ToClient, answer.as_bytes())]), "anomaly", "anomaly.event").join(",")
    };
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(
        events(get, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab"),
        "DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE"
    );
    assert_eq!(events(get, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab"), "INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE");
    assert_eq!(events(get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab"), "INVALID_RESPONSE_CHUNK_LEN");
    assert_eq!(events(get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nleft over"), "RESPONSE_BODY_UNEXPECTED");
    assert_eq!(events("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 204 OK\r\nx\r\n\r\n"), "MISSING_HOST_HEADER,RESPONSE_FIELD_MISSING_COLON");
    assert_eq!(
        events("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 204 OK\r\n\r\n"),
        "AMBIGUOUS_BODY_LENGTH_IN_REQUEST"
    );
}

#[test]
fn files_are_found_behind_odd_answers() {
    let names = |answer: &str| {
        let pieces: Pieces<'_> = &[(ToServer, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), (ToClient, answer.as_bytes())];
        same_wherever_cut(80, pieces);
        let lines = stream(80, pieces);
        (all(&lines, "fileinfo", "fileinfo.filename").join(","), all(&lines, "fileinfo", "fileinfo.size").join(","))
    };
    let f = "Content-Disposition: attachment; filename=f";
    let found = ("f".to_owned(), "2".to_owned());
    // Said to be chunked, and is not.
    assert_eq!(names(&format!("HTTP/1.1 200 ok\r\n{f}\r\nTransfer-Encoding: chunked\r\n\r\nXY")), found);
    // Ends of lines by the taste of some clients.
    assert_eq!(names(&format!("HTTP/1.1 200 ok\r{f}\rContent-Length: 2\r\n\r\nXY")), found);
    assert_eq!(names(&format!("HTTP/1.1 200 ok\r\n{f}\r\nContent-Length: 2\n\r\r\nXY")), found);
    assert_eq!(names(&format!("HTTP/1.1 200 ok\r\n{f}\r\nContent-Length: 2\n\t\nXY")), found);
    // Blanks or a line of junk before the status line.
    assert_eq!(names(&format!(" \t\r\r\nHTTP/1.1 200 ok\r\n{f}\r\nContent-Length: 2\r\n\r\nXY")), found);
    assert_eq!(names(&format!("SIP/2.0 200 ok\r\nHTTP/1.1 200 ok\r\n{f}\r\nContent-Length: 2\r\n\r\nXY")), found);
    // Statuses that have no body or another protocol behind them, and yet have a body.
    for status in [100, 101, 102] {
        assert_eq!(names(&format!("HTTP/1.1 {status} ok\r\n{f}\r\nContent-Length: 2\r\n\r\nXY")), found, "{status}");
    }
}

#[test]
fn servers_tell_what_clients_get_wrong() {
    let lines = stream(80, &[(ToServer, b"\x01\x02junk\n"), (ToClient, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")]);
    assert_eq!(all(&lines, "http", "http.status"), ["400"]);
    assert_eq!(of(&lines, "fileinfo").len(), 1);
    assert!(stream(80, &[(ToServer, b"\x01\x02junk\n"), (ToClient, b"\x03\x04")]).is_empty());
    let lines = stream(80, &[(ToServer, b"OPTIONS HTTP/1.1\r\n\r\n<X> / HTTP/1.1\r\n\r\n")]);
    assert_eq!(all(&lines, "http", "http.http_method"), ["OPTIONS", "<X>"]);
}

#[test]
fn long_lines_and_many_fields_are_capped() {
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n", "a".repeat(2 * super::LINE_MAX));
    let fields: String = (0..2000).map(|i| format!("X-{i}: {i}\r\n")).collect();
    let huge = format!("Y: {}\r\n\r\n", "b".repeat(200_000));
    let request = [long, fields, huge].concat();
    let whole = stream(80, &[(ToServer, request.as_bytes()), (ToClient, b"HTTP/1.1 204 N\r\n\r\n")]);
    let pieces: Vec<(Direction, &[u8])> =
        request.as_bytes().chunks(97).map(|c| (ToServer, c)).chain([(ToClient, &b"HTTP/1.1 204 N\r\n\r\n"[..])]).collect();
    assert_eq!(stream(80, &pieces), whole);
    assert_eq!(all(&whole, "http", "http.status"), ["204"]);
    assert_eq!(all(&whole, "anomaly", "anomaly.event"), ["REQUEST_FIELD_TOO_LONG", "REQUEST_TOO_MANY_HEADERS", "REQUEST_FIELD_TOO_LONG"]);
}

#[test]
fn urls_lose_their_secrets_only() {
    let secrets = Settings::default().secret_parameters;
    let redact = |u: &str| {
        let mut out = Vec::new();
        url::redact(u.as_bytes(), &secrets, &mut out);
        String::from_utf8(out).unwrap()
    };
    for same in [
        "/",
        "/a/b.html",
        "http://a.example/x?y=z#f",
        "a.example:443",
        "/?next=http%3A%2F%2Fa%2Fb",
        "*",
        "",
        "/@user/x",
        "/a?passenger=2&monkey=1",
    ] {
        assert_eq!(redact(same), same);
    }
    assert_eq!(redact("http://u:pw@a/x?a=1&Password=abc&b=2"), "http://u:<redacted:2>@a/x?a=1&Password=<redacted:3>&b=2");
    assert_eq!(redact("/x;jsessionid=ABCD?p%61ss=q"), "/x;jsessionid=<redacted:4>?p%61ss=<redacted:1>");
    assert_eq!(redact("/x?user[password]=abc"), "/x?user[password]=<redacted:3>");
    assert_eq!(redact("/x?u=http%3A%2F%2Fa%2F%3Ftoken%3Dabc"), "/x?u=<redacted:31>");
    assert_eq!(redact("/x?u=http://u:p@a/"), "/x?u=<redacted:13>");
    assert_eq!(redact("//u:p@a/"), "//u:<redacted:1>@a/");
}

#[test]
fn parameters_of_headers_read() {
    assert_eq!(parameter(b"x; a=b; c=\"d;e\\\"f\"; g", b"c").unwrap(), b"d;e\"f");
    assert_eq!(parameter(b"x; a=b", b"c"), None);
    assert_eq!(filename(b"attachment; filename=a.txt").unwrap(), b"a.txt");
    assert_eq!(filename(b"attachment; filename=a.txt; filename*=UTF-8''%e2%82%ac.txt").unwrap(), "\u{20ac}.txt".as_bytes());
    assert_eq!(filename(b"inline"), None);
}

/// Data of a multipart body, part by part, when fed in pieces of `n` bytes.
fn parts(body: &[u8], n: usize) -> Vec<Vec<u8>> {
    let mut m = Multipart::new(b"multipart/form-data; boundary=b").unwrap();
    let mut out: Vec<Vec<u8>> = Vec::new();
    for piece in body.chunks(n) {
        m.data(piece, &mut |e| match e {
            Event::Open { .. } => out.push(Vec::new()),
            Event::Data(d) => {
                if let Some(part) = out.last_mut() {
                    part.extend_from_slice(d);
                }
            }
            Event::Close => {}
        });
    }
    out
}

proptest! {
    #[test]
    fn parts_are_the_same_wherever_cut(data in "[\r\n\\-ab]{0,60}", n in 1usize..20) {
        let body = format!("--b\r\n\r\n{data}\r\n--b--");
        prop_assert_eq!(parts(body.as_bytes(), n), parts(body.as_bytes(), body.len()));
    }

    #[test]
    fn any_bytes_are_survived(
        pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)), 0..20),
        gap in prop::option::of(any::<u64>()),
    ) {
        let mut b = Bench::new(Transport::Tcp, 80);
        b.data(ToServer, b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n--b\r\n");
        b.data(ToClient, b"HTTP/1.1 200 OK\r\nContent-Encoding: br, gzip\r\n\r\n");
        for (up, bytes) in &pieces {
            b.data(if *up { ToServer } else { ToClient }, bytes);
            if let Some(n) = gap {
                b.gap(if *up { ToClient } else { ToServer }, n);
            }
        }
        prop_assert!(!b.finish().is_empty());
    }

    #[test]
    fn any_text_is_the_same_wherever_cut(
        request in "(GET|POST|HEAD|CONNECT) /[a-c?=]{0,5}( HTTP/1\\.[01])?\r?\n((Host|Content-Length|Transfer-Encoding|A): ?(a|3|chunked|)(\r\n|\n|\r\n ))*\r\n[0-3\r\nGET /]{0,30}",
        answer in "(HTTP/1\\.[01] (100|101|200|204|206|x)|junk) OK\r?\n((Content-Length|Transfer-Encoding|Content-Encoding): ?(2|chunked|gzip|deflate|br)(\r\n|\n|\n ))*\r\n[0-3\r\nHTP/. x]{0,30}",
        n in 1usize..9,
    ) {
        let whole: Vec<(Direction, &[u8])> = vec![(ToServer, b"GET / HTTP/1.1\r\n\r\n"), (ToServer, request.as_bytes()), (ToClient, b"HTTP/1.1 204 N\r\n\r\n"), (ToClient, answer.as_bytes())];
        let cut: Vec<(Direction, &[u8])> = whole.iter().flat_map(|(d, p)| p.chunks(n).map(move |b| (*d, b))).collect();
        prop_assert_eq!(stream(80, &cut), stream(80, &whole));
    }
}

#[test]
fn captures_have_the_exchanges_and_files_that_the_reference_finds() {
    let (Some(captures), Some(expected)) = (shared("data/captures"), shared("data/expected/suricata-8.0.6-events.tsv")) else { return };
    let expected = std::fs::read_to_string(expected).unwrap();
    for file in [
        "web/post.pcap",
        "web/multipart-form-data.pcap",
        "web/pipelined-requests.pcap",
        "web/http-pipeline-files-with-gap.pcap",
        "web/http-100-continue.pcap",
        "web/http-206-example-a.pcap",
        "web/docker-http-upgrade.pcap",
        "web/webdav.pcapng",
        "web_attack/srv_018.pcap",
    ] {
        let lines = replay(captures.join(file));
        for kind in ["http", "fileinfo"] {
            let due = expected.lines().find_map(|l| l.strip_prefix(&format!("{file}\t{kind}\t")));
            assert_eq!(of(&lines, kind).len(), due.map_or(0, |n| n.parse().unwrap()), "{kind} of {file}");
        }
    }
}

#[test]
fn evasions_do_not_hide_a_file() {
    let Some(cases) = shared("suites/suricata-verify/http-evader") else { return };
    let mut missed = Vec::new();
    let mut seen = 0;
    for case in std::fs::read_dir(cases).unwrap() {
        let case = case.unwrap().path();
        if !std::fs::read_to_string(case.join("test.yaml")).unwrap().contains("fileinfo.filename: eicar.txt") {
            continue;
        }
        let lines = replay(case.join("input.pcap"));
        let found = of(&lines, "fileinfo").iter().any(|l| get(l, "fileinfo.filename") == "\"eicar.txt\"");
        seen += 1;
        if !found {
            missed.push(case.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    missed.sort();
    // Bodies behind a 204 and a 304, which have none: looking for one would keep each such answer waiting for the next.
    assert_eq!(missed, ["http-evader-450", "http-evader-453"], "of {seen}");
}
