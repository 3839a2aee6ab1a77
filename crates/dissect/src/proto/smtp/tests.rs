use crate::testing::{Bench, ToClient, ToServer, get, same_wherever_cut, stream};
use crate::{Dissection, Match, Probe, Protocol, Transport};
use proptest::prelude::*;
use vigie_base::Direction;

type Session = &'static [(Direction, &'static [u8])];

const SUBMISSION: Session = &[
    (ToClient, b"220-mail.example.org ESMTP Exim 4.96\r\n220 no spam\r\n"),
    (ToServer, b"EHLO laptop-7\r\n"),
    (ToClient, b"250-mail.example.org Hello\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n"),
    (ToServer, b"AUTH LOGIN\r\n"),
    (ToClient, b"334 VXNlcm5hbWU6\r\n"),
    (ToServer, b"YWRh\r\n"),
    (ToClient, b"334 UGFzc3dvcmQ6\r\n"),
    // Canari-7f3a
    (ToServer, b"Q2FuYXJpLTdmM2E=\r\n"),
    (ToClient, b"535 Incorrect authentication data\r\n"),
    (ToServer, b"AUTH PLAIN AGFkYQBDYW5hcmktN2YzYQ==\r\n"),
    (ToClient, b"235 Authentication succeeded\r\n"),
    (ToServer, b"MAIL FROM:<ada@example.org> SIZE=900\r\nRCPT TO:<bob@example.com>\r\nRCPT TO:<eve@example.net>\r\nDATA\r\n"),
    (ToClient, b"250 OK\r\n250 Accepted\r\n250 Accepted\r\n354 Enter message\r\n"),
    (
        ToServer,
        b"From: =?iso-8859-1?Q?Ad=E9la?= <ada@example.org>\r\nTo: \"Last, Bob\" <bob@example.com>,\r\n eve@example.net\r\n\
Subject: =?UTF-8?B?w6l0w6k=?=\r\n =?UTF-8?Q?_2026?=\r\nMessage-ID: <1@laptop-7>\r\nX-Mailer: Pigeon 3.1\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=\"cut-here\"\r\n\r\npreamble\r\n--cut-here\r\n\
Content-Type: multipart/alternative; boundary=\"cut-here-too\"\r\n\r\n--cut-here-too\r\n\
Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
<a href=3D\"https://ada:Canari-7f3a@example.org/a?token=3DCanari-7f3a&b=3D1\">a</a> ht=\r\ntp://plain.example.org/x.\r\n\
--cut-here-too--\r\n--cut-here\r\n\
Content-Type: application/octet-stream; name=\"other.bin\"\r\nContent-Disposition: attachment; filename*0*=UTF-8''h%C3%A9;\r\n filename*1=\"llo.bin\"\r\n\
Content-Transfer-Encoding: base64\r\n\r\naGVsbG8g\r\nd29ybGQ=\r\n--cut-here\r\n\
Content-Type: text/plain; name=\"dots.txt\"\r\n\r\n..one\r\ntwo\r\n--cut-here--\r\n.\r\n",
    ),
    (ToClient, b"250 OK id=1Mugho\r\n"),
    (ToServer, b"QUIT\r\n"),
    (ToClient, b"221 closing\r\n"),
];

fn of<'a>(lines: &'a [String], kind: &str) -> Vec<&'a String> {
    lines.iter().filter(|l| get(l, "event_type") == format!("\"{kind}\"")).collect()
}

#[test]
fn a_submission_is_told() {
    let lines = stream(587, SUBMISSION);
    let smtp = of(&lines, "smtp");
    // The mail, and what comes after it.
    assert_eq!(smtp.len(), 2);
    let mail = smtp[0];
    assert_eq!(
        get(mail, "smtp"),
        r#"{"helo":"laptop-7","mail_from":"<ada@example.org>","rcpt_to":["<bob@example.com>","<eve@example.net>"]}"#
    );
    assert_eq!(get(mail, "email.status"), "\"PARSE_DONE\"");
    assert_eq!(get(mail, "email.from"), "\"Adéla <ada@example.org>\"");
    assert_eq!(get(mail, "email.to"), r#"["\"Last, Bob\" <bob@example.com>","eve@example.net"]"#);
    assert_eq!(get(mail, "email.subject"), "\"été 2026\"");
    assert_eq!(get(mail, "email.attachment"), r#"["héllo.bin","dots.txt"]"#);
    assert_eq!(get(mail, "email.url"), r#"["plain.example.org/x.","ada:<redacted:11>@example.org/a?token=<redacted:11>&b=1"]"#);
    assert_eq!((get(mail, "vigie.reply_code"), get(mail, "vigie.user"), get(mail, "tx_id")), ("250".into(), "\"ada\"".into(), "0".into()));
    assert_eq!(
        (get(smtp[1], "email"), get(smtp[1], "tx_id"), get(smtp[1], "smtp.helo")),
        (String::new(), "1".into(), "\"laptop-7\"".into())
    );
    let files = of(&lines, "fileinfo");
    assert_eq!(files.iter().map(|f| get(f, "fileinfo.size")).collect::<Vec<_>>(), ["11", "9"]);
    // md5("hello world"), md5(".one\r\ntwo")
    assert_eq!(get(files[0], "fileinfo.md5"), "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"");
    assert_eq!(get(files[0], "email.attachment.0"), "\"héllo.bin\"");
    assert_eq!(get(files[1], "fileinfo.state"), "\"CLOSED\"");
    let logins: Vec<_> =
        of(&lines, "login").iter().map(|l| (get(l, "login.user"), get(l, "login.method"), get(l, "login.outcome"))).collect();
    assert_eq!(
        logins,
        [("\"ada\"", "\"login\"", "\"failure\""), ("\"ada\"", "\"plain\"", "\"success\"")].map(|(a, b, c)| (a.into(), b.into(), c.into()))
    );
    let all = lines.concat();
    for canary in ["Canari", "Q2FuYXJpLTdmM2E", "AGFkYQBDYW5hcmkt"] {
        assert!(!all.contains(canary), "{canary} is in the output");
    }
    assert!(of(&lines, "anomaly").is_empty(), "{lines:?}");
}

#[test]
fn the_same_wherever_it_is_cut() {
    same_wherever_cut(587, SUBMISSION);
    same_wherever_cut(2600, CHUNKED);
}

const CHUNKED: Session = &[
    (ToClient, b"220 relay.example.org ESMTP\r\n"),
    (ToServer, b"EHLO a.example.org\r\n"),
    (ToClient, b"250-relay.example.org\r\n250 CHUNKING\r\n"),
    (ToServer, b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nBDAT 25\r\nSubject: one\r\n\r\nhello wor"),
    (ToServer, b"BDAT 5 LAST\r\nld\r\n.MAIL FROM:<c@example.org>\r\n"),
    (ToClient, b"250 ok\r\n250 ok\r\n250 25 octets\r\n250 queued\r\n250 ok\r\n"),
];

#[test]
fn chunks_are_mail() {
    let lines = stream(2600, CHUNKED);
    let smtp = of(&lines, "smtp");
    assert_eq!(smtp.iter().map(|l| get(l, "smtp.mail_from")).collect::<Vec<_>>(), ["\"<a@example.org>\"", "\"<c@example.org>\""]);
    assert_eq!(
        (get(smtp[0], "email.subject"), get(smtp[0], "vigie.size"), get(smtp[0], "vigie.reply")),
        ("\"one\"".into(), "30".into(), "\"queued\"".into())
    );
}

#[test]
fn after_starttls_it_is_anything() {
    let mut b = Bench::new(Transport::Tcp, 587);
    b.data(ToClient, b"220 mail.example.org ESMTP\r\n");
    b.data(ToServer, b"EHLO x\r\n");
    b.data(ToClient, b"250 STARTTLS\r\n");
    b.data(ToServer, b"STARTTLS\r\n");
    b.data(ToClient, b"220 ready\r\n");
    assert_eq!(b.dissection.app_proto(), "");
    b.data(ToServer, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    let lines = b.finish();
    assert_eq!(of(&lines, "smtp").len(), 1);
    assert_eq!(get(of(&lines, "smtp")[0], "email"), "");
}

#[test]
fn refused_data_is_not_mail() {
    let lines = stream(
        25,
        &[
            (ToClient, b"220 x ESMTP\r\n"),
            (ToServer, b"EHLO y\r\n"),
            (ToClient, b"250 x\r\n"),
            (ToServer, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
            (ToClient, b"553 no\r\n503 no\r\n503 no\r\n"),
            (ToServer, b"RSET\r\n"),
            (ToClient, b"250 reset\r\n"),
            (ToServer, b"MAIL FROM:<e@f>\r\n"),
            (ToClient, b"250 ok\r\n"),
        ],
    );
    let smtp = of(&lines, "smtp");
    assert_eq!(smtp.iter().map(|l| get(l, "smtp.mail_from")).collect::<Vec<_>>(), ["\"<a@b>\"", "\"<e@f>\""]);
    assert_eq!(get(of(&lines, "anomaly")[0], "anomaly.event"), "\"DATA_COMMAND_REJECTED\"");
}

/// The kinds of events up to and after the server's answer to a mail with a file, and after what the client sent next.
#[test]
fn files_are_told_when_the_client_goes_on() {
    let mail = b"MAIL FROM:<a@b>\r\nDATA\r\n";
    let text = b"Content-Disposition: attachment; filename=a.txt\r\n\r\nabc\r\n.\r\n";
    let begin = || {
        let mut b = Bench::new(Transport::Tcp, 25);
        b.data(ToClient, b"220 x ESMTP\r\n");
        b.data(ToServer, b"EHLO y\r\n");
        b.data(ToServer, mail);
        b.data(ToClient, b"250 x\r\n250 ok\r\n354 go\r\n");
        b.data(ToServer, text);
        b
    };
    let told = |b: &Bench, kind: &str| of(&b.lines.0, kind).len();
    let mut b = begin();
    b.data(ToClient, b"250 queued\r\n");
    assert_eq!((told(&b, "smtp"), told(&b, "fileinfo")), (1, 0));
    b.data(ToServer, b"QUIT\r\n");
    assert_eq!((told(&b, "smtp"), told(&b, "fileinfo")), (1, 1));
    // Who has gone on already is not waited for.
    let mut b = begin();
    b.data(ToServer, b"QUIT\r\n");
    b.data(ToClient, b"250 queued\r\n");
    assert_eq!((told(&b, "smtp"), told(&b, "fileinfo")), (1, 1));
    // Nor is who says no more.
    let mut b = begin();
    b.data(ToClient, b"250 queued\r\n");
    assert_eq!(of(&b.finish(), "fileinfo").len(), 1);
}

#[test]
fn a_gap_in_a_mail_cuts_its_file() {
    let mut b = Bench::new(Transport::Tcp, 25);
    b.data(ToClient, b"220 x ESMTP\r\n");
    b.data(ToServer, b"EHLO y\r\nMAIL FROM:<a@b>\r\nDATA\r\n");
    b.data(ToClient, b"250 x\r\n250 ok\r\n354 go\r\n");
    b.data(ToServer, b"Content-Disposition: attachment; filename=a.txt\r\n\r\nabc\r\n");
    b.gap(ToServer, 100);
    b.data(ToClient, b"250 queued\r\n");
    b.data(ToServer, b"QUIT\r\n");
    let lines = b.finish();
    let file = of(&lines, "fileinfo")[0];
    assert_eq!((get(file, "fileinfo.state"), get(file, "fileinfo.gaps")), ("\"TRUNCATED\"".into(), "true".into()));
    assert_eq!(get(of(&lines, "smtp")[0], "vigie.reply_code"), "250");
    assert_eq!(of(&lines, "smtp").len(), 2);
}

#[test]
fn a_client_alone_is_followed() {
    let whole: Vec<_> = SUBMISSION.iter().filter(|(d, _)| *d == ToServer).copied().collect();
    let lines = stream(587, &whole);
    assert_eq!(get(of(&lines, "smtp")[0], "email.subject"), "\"été 2026\"");
    assert!(!lines.concat().contains("Q2FuYXJp"));
}

fn told(dir: Direction, bytes: &[u8], other: &[u8], port: u16) -> Match {
    super::Smtp::probe(&Probe { dir, bytes, other, client_port: 40_000, server_port: port, transport: Transport::Tcp })
}

#[test]
fn told_from_its_neighbours() {
    assert_eq!(told(ToClient, b"220 ProFTPD Server ready\r\n", b"", 21), Match::No);
    assert_eq!(told(ToClient, b"+OK POP3\r\n", b"", 25), Match::No);
    assert_eq!(told(ToClient, b"2", b"", 2600), Match::Maybe);
    assert_eq!(told(ToClient, b"220 ready\r\n", b"", 2600), Match::Maybe);
    assert_eq!(told(ToClient, b"220 ready\r\n", b"", 25), Match::Yes);
    assert_eq!(told(ToServer, b"EHLO x\r\n", b"220 ready\r\n", 2600), Match::Yes);
    assert_eq!(told(ToServer, b"GET / HTTP/1.1\r\n", b"", 80), Match::No);
    assert_eq!(told(ToServer, b"USER ada\r\n", b"220 ready\r\n", 21), Match::No);
}

proptest! {
    #[test]
    fn any_bytes(pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..20), mail in any::<bool>()) {
        let mut b = Bench::new(Transport::Tcp, 25);
        b.data(ToClient, b"220 x ESMTP\r\n");
        b.data(ToServer, if mail { b"EHLO y\r\nMAIL FROM:<a@b>\r\nDATA\r\nContent-Type: multipart/x; boundary=a\r\n\r\n--a\r\n" } else { b"EHLO y\r\n" });
        for (to_server, bytes) in &pieces {
            b.data(if *to_server { ToServer } else { ToClient }, bytes);
        }
        b.finish();
        prop_assert!(std::mem::size_of::<Dissection>() < 512);
    }

    #[test]
    fn any_words(words in prop::collection::vec((any::<bool>(), prop::sample::select(vec![
        "AUTH LOGIN\r\n", "DATA\r\n", ".\r\n", "250 ok\r\n", "250-a\r\n", "354 go\r\n", "334 \r\n", "RSET\r\n", "QUIT\r\n", "BDAT 7\r\n", "BDAT 3 LAST\r\n", "235 ok\r\n",
        "--a\r\n", "--a--\r\n", "Content-Type: multipart/mixed; boundary=a\r\n", "Content-Type: message/rfc822\r\n", "Content-Disposition: x; filename=b\r\n",
        "\r\n", "=3D=\r\n", "YQ==\r\n", "http://a:b@c/?token=d\r\n", "220 x\r\n", "STARTTLS\r\n", "MAIL FROM:<a>\r\n", "Content-Transfer-Encoding: base64\r\n", "535 no\r\n",
    ])), 0..60), begun in any::<bool>()) {
        let mut pieces: Vec<(Direction, &[u8])> = vec![(ToClient, b"220 x ESMTP\r\n"), (ToServer, b"EHLO y\r\n")];
        if !begun {
            pieces.clear();
        }
        pieces.extend(words.iter().map(|(s, w)| (if *s { ToServer } else { ToClient }, w.as_bytes())));
        let whole = stream(25, &pieces);
        let bytes: Vec<(Direction, &[u8])> = pieces.iter().flat_map(|(d, p)| p.chunks(1).map(move |b| (*d, b))).collect();
        prop_assert_eq!(stream(25, &bytes), whole);
    }
}

/// A recorded conversation of the lab, by its client's port.
fn recorded(capture: &str, port: u16) -> Vec<(Direction, Vec<u8>)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(capture);
    crate::replay::conversation(path, port)
}

#[test]
fn a_session_that_was_open_before_is_picked_up_at_any_line() {
    for (capture, port) in [("mail_bruteforce.pcap", 36812), ("cleartext_logins.pcap", 36590)] {
        let session = recorded(capture, port);
        let pieces: Vec<(Direction, &[u8])> = session.iter().map(|(d, b)| (*d, &b[..])).collect();
        let mut answers = 0;
        for at in (1..pieces.len()).rev() {
            let answer = pieces[at].0 == ToClient && (pieces[at].1.starts_with(b"535 ") || pieces[at].1.starts_with(b"235 "));
            answers += usize::from(answer);
            let lines = stream(587, &pieces[at..]);
            assert_eq!(of(&lines, "login").len(), answers, "{capture} from {at}: {lines:?}");
            assert!(of(&lines, "fact").iter().all(|f| get(f, "fact.key") != "\"software\""), "{capture} from {at}");
            // The account's name is told only where it was asked for.
            let names: Vec<_> = of(&lines, "login").iter().map(|l| get(l, "login.user")).collect();
            assert!(names.iter().all(|n| matches!(&n[..], "" | "\"paul\"" | "\"marie\"")), "{capture} from {at}: {names:?}");
            same_wherever_cut(587, &pieces[at..pieces.len().min(at + 6)]);
        }
        assert!(answers > 0, "{capture}");
    }
}

#[test]
fn what_looks_like_it_is_no_log_in() {
    let none = |port, session: &[(Direction, &[u8])]| {
        let lines = stream(port, session);
        assert!(of(&lines, "login").is_empty(), "{lines:?}");
        lines.iter().filter(|l| get(l, "app_proto") == "\"smtp\"").count()
    };
    // Another service's port, another service on its port, a refusal of something else.
    assert_eq!(none(2600, &[(ToClient, b"535 no\r\n")]), 0);
    assert_eq!(none(25, &[(ToClient, b"331 Please specify the password.\r\n"), (ToServer, b"PASS x\r\n"), (ToClient, b"530 no\r\n")]), 0);
    none(25, &[(ToServer, b"MAIL FROM:<a@b>\r\n"), (ToClient, b"535 not here\r\n")]);
    // The end of a mail with an attachment, and then a log-in (which nobody does).
    let body = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\r\n".repeat(40);
    let session: [(Direction, &[u8]); 5] = [
        (ToServer, body.as_bytes()),
        (ToServer, b"--xyz--\r\n.\r\n"),
        (ToClient, b"250 2.0.0 Ok: queued\r\n"),
        (ToServer, b"AUTH PLAIN AGFkYQBDYW5hcmktN2YzYQ==\r\n"),
        (ToClient, b"535 no\r\n"),
    ];
    let lines = stream(25, &session);
    assert_eq!(of(&lines, "login").iter().map(|l| get(l, "login.user")).collect::<Vec<_>>(), ["\"ada\""]);
    assert!(!lines.concat().contains("YWFh"));
}
