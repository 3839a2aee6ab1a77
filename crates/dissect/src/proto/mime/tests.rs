use super::coding::{parameter, quoted_printable, words};
use super::{LINE_MAX, Mail, addresses, base64, piece};
use vigie_base::Direction;

fn mail(text: &[u8]) -> Mail {
    let mut m = Mail::new(Direction::ToServer, 0, Some(1 << 20));
    let (mut rest, mut begins) = (text, true);
    while let Some((line, end, used)) = piece(rest) {
        m.line(line, end, begins, &[]);
        begins = !end.is_empty();
        rest = &rest[used..];
    }
    m.end(true, &[]);
    m
}

fn text(v: &[u8]) -> String {
    String::from_utf8_lossy(v).into_owned()
}

#[test]
fn base64_as_it_is_met() {
    assert_eq!(base64(b"aGVsbG8=").as_deref(), Some(&b"hello"[..]));
    assert_eq!(base64(b"aGVs bG8").as_deref(), Some(&b"hello"[..]));
    assert_eq!(base64(b"aGVsbG8=aGVsbG8=").as_deref(), Some(&b"hellohello"[..]));
    assert_eq!(base64(b"aGV*"), None);
    assert_eq!(base64(b"").as_deref(), Some(&b""[..]));
}

#[test]
fn quoted_printable_as_it_is_met() {
    let one = |line: &[u8]| {
        let mut out = Vec::new();
        let (hard, clean) = quoted_printable(line, &mut out);
        (text(&out), hard, clean)
    };
    assert_eq!(one(b"a=3Db"), ("a=b".into(), true, true));
    assert_eq!(one(b"a=3db=  "), ("a=b".into(), false, true));
    assert_eq!(one(b"a=zz \t"), ("a=zz".into(), true, false));
}

#[test]
fn encoded_words() {
    assert_eq!(text(&words(b"=?utf-8?B?w6k=?= =?utf-8?Q?t=C3=A9_1?= x")), "été 1 x");
    assert_eq!(text(&words(b"=?windows-1252?q?=80_5?=")), "€ 5");
    assert_eq!(text(&words(b"=?koi8-r?B?8A==?=")), "=?koi8-r?B?8A==?=");
    assert_eq!(text(&words(b"a =? b ?= =?x?Q?")), "a =? b ?= =?x?Q?");
}

#[test]
fn parameters() {
    let of = |v: &[u8], n: &[u8]| parameter(v, n).map(|p| text(&p));
    assert_eq!(of(b"text/plain; name=a.txt; x=y", b"name"), Some("a.txt".into()));
    assert_eq!(of(b"text/plain; NAME=\"a; \\\"b\\\".txt\"", b"name"), Some("a; \"b\".txt".into()));
    assert_eq!(of(b"attachment; filename=\"C:\\dir\\a.txt\"", b"filename"), Some("C:\\dir\\a.txt".into()));
    assert_eq!(of(b"a; filename*1*=%74.exe; filename*0*=iso-8859-1'fr'%e9", b"filename"), Some("ét.exe".into()));
    assert_eq!(of(b"a; filename*=UTF-8''%e2%82%ac.txt", b"filename"), Some("€.txt".into()));
    assert_eq!(of(b"a; filename=\"=?utf-8?B?w6kudHh0?=\"", b"filename"), Some("é.txt".into()));
    assert_eq!(of(b"a; filenames=b", b"filename"), None);
    assert_eq!(of(b"a; x=\"unterminated", b"x"), Some("unterminated".into()));
}

#[test]
fn lists_of_addresses() {
    let of = |v: &[u8]| addresses(v).map(text).collect::<Vec<_>>();
    assert_eq!(of(b"\"jam,abra\" <a@b>, c@d,,"), ["\"jam,abra\" <a@b>", "c@d"]);
    assert!(of(b" ").is_empty());
}

#[test]
fn enclosed_messages_are_opened() {
    let inner = "Subject: inner\r\nContent-Type: multipart/mixed; boundary=AB\r\n\r\n--AB\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\nx\r\n--AB--";
    let outer =
        "Subject: outer\r\nContent-Type: multipart/mixed; boundary=A\r\n\r\n--A\r\nContent-Type: message/rfc822; name=in.eml\r\n\r\n";
    let m = mail(format!("{outer}{inner}\r\n--A--\r\n").as_bytes());
    assert_eq!(m.fields.subject.as_deref(), Some(&b"outer"[..]));
    assert_eq!(m.attachments.iter().map(|a| text(a)).collect::<Vec<_>>(), ["in.eml", "a.bin"]);
    assert_eq!(m.done.iter().map(|(f, _)| f.size()).collect::<Vec<_>>(), [1, inner.len() as u64]);
}

#[test]
fn a_false_coding_of_an_enclosed_message_hides_nothing() {
    let head =
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n";
    let inner = "Content-Disposition: attachment; filename=b.exe\r\n\r\nMZ";
    let plain = mail(format!("{head}{inner}\r\n").as_bytes());
    assert_eq!(plain.attachments.iter().map(|a| text(a)).collect::<Vec<_>>(), ["a.txt", "b.exe"]);
    assert_eq!(plain.done.iter().map(|(f, _)| f.size()).collect::<Vec<_>>(), [2, inner.len() as u64]);
    let encoded = mail(format!("{head}aGVsbG8=\r\n").as_bytes());
    assert_eq!(encoded.done.iter().map(|(f, _)| f.size()).collect::<Vec<_>>(), [5]);
}

#[test]
fn nesting_has_an_end() {
    let mut bomb = Vec::new();
    for i in 0..200 {
        bomb.extend_from_slice(format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n").as_bytes());
    }
    let m = mail(&bomb);
    assert_eq!(m.open.len(), super::DEPTH_MAX);
    assert_eq!(mail(&b"Content-Type: message/rfc822\r\n\r\n".repeat(100)).messages, super::DEPTH_MAX);
    let mut parts = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    parts.extend_from_slice(&b"--b\r\nContent-Disposition: x; filename=y\r\n\r\nz\r\n".repeat(1000));
    let m = mail(&parts);
    assert_eq!((m.done.len(), m.attachments.len()), (super::FILES_MAX, super::FILES_MAX));
    assert!(m.oddities.names().any(|n| n == "MIME_TOO_MANY_PARTS"));
}

#[test]
fn long_lines_come_in_pieces() {
    let mut long = b"Content-Disposition: x; filename=y\r\n\r\n".to_vec();
    long.extend_from_slice(&b"0123456789".repeat(2000));
    long.extend_from_slice(b"\r\nend\r\n");
    let m = mail(&long);
    assert_eq!(m.done[0].0.size(), 20_005);
    assert_eq!(piece(&[b'a'; LINE_MAX]).map(|p| p.2), Some(LINE_MAX));
    assert_eq!(piece(&[b'a'; LINE_MAX - 1]), None);
    assert_eq!(piece(b"a\n").map(|p| (p.0.len(), p.1)), Some((1, &b"\n"[..])));
}

#[test]
fn a_link_cut_by_a_soft_break_is_whole() {
    let m = mail(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n(http://exam=\r\nple.org/a) HTTPS://b.org\r\n");
    assert_eq!(m.urls().iter().map(|u| text(u)).collect::<Vec<_>>(), ["example.org/a)", "b.org"]);
}
