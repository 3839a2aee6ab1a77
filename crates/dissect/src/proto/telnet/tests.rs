use super::options::variable;
use super::{Prompt, outcome, prompt};
use crate::testing::{Bench, ToClient, ToServer, get, same_wherever_cut, stream};
use crate::{Match, Probe, Protocol, Transport};
use proptest::prelude::*;
use vigie_base::Direction;

type Session<'a> = &'a [(Direction, &'a [u8])];

fn of<'a>(lines: &'a [String], kind: &str) -> Vec<&'a String> {
    lines.iter().filter(|l| get(l, "event_type") == format!("\"{kind}\"")).collect()
}

fn logins(lines: &[String]) -> Vec<String> {
    of(lines, "login")
        .iter()
        .map(|l| ["user", "method", "outcome"].map(|k| get(l, &format!("login.{k}")).replace('"', "")).join(" "))
        .collect()
}

/// Line by line, as bots do.
const LINES: Session = &[
    (ToClient, b"\xff\xfd\x18\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03"),
    (ToServer, b"\xff\xfb\x18\xff\xfa\x18\x00XTERM-256COLOR\xff\xf0"),
    (ToClient, b"\r\nDebian GNU/Linux 12\r\n\r\nbox login: "),
    (ToServer, b"root\r\n"),
    (ToClient, b"root\r\nPassword: "),
    (ToServer, b"Canari-7f3a\r\n"),
    (ToClient, b"\r\n\r\nLogin incorrect\r\nbox login: "),
    (ToServer, b"ada\r\0"),
    (ToClient, b"ada\r\nPassword: "),
    (ToServer, b"Canari\r\0"),
    (ToClient, b"\r\nLinux box 6.1\r\nLast login: Tue Nov 24 10:00:00 from 10.0.0.9\r\n\x1b[01;32mada@box\x1b[00m:~$ "),
    (ToServer, b"su -\r\n"),
    (ToClient, b"su -\r\nPassword: "),
    (ToServer, b"Canari-root\r\n"),
    (ToClient, b"\r\nroot@box:~# "),
    (ToServer, b"exit\r\n"),
];

#[test]
fn tries_are_told() {
    let lines = stream(23, LINES);
    assert_eq!(logins(&lines), ["root password failure", "ada password success"]);
    let session = of(&lines, "telnet")[0];
    assert_eq!(
        get(session, "telnet"),
        r#"{"banner":"Debian GNU/Linux 12","encrypted":false,"outcome":"success","password":"<redacted:6>","terminal_type":"XTERM-256COLOR","tries":2,"user":"ada"}"#
    );
    assert!(!lines.concat().contains("anari"));
}

#[test]
fn the_same_wherever_it_is_cut() {
    same_wherever_cut(23, LINES);
    same_wherever_cut(2600, LINES);
}

/// Recorded of an inetutils telnetd and its client.
const INETUTILS: &[(Direction, &[u8])] = &[
    (ToClient, b"\xff\xfb%\xff\xfb&\xff\xfd\x18\xff\xfd \xff\xfd#\xff\xfd'\xff\xfd$"),
    (ToServer, b"\xff\xfd%\xff\xfd&\xff\xfa&\x01\xff\xf0\xff\xfb\x18\xff\xfb \xff\xfc#\xff\xfb'\xff\xfc$"),
    (ToClient, b"\xff\xfa \x01\xff\xf0\xff\xfa'\x01\xff\xf0\xff\xfa\x18\x01\xff\xf0"),
    (ToServer, b"\xff\xfa \x000,0\xff\xf0\xff\xfa'\x00\xff\xf0\xff\xfa\x18\x00XTERM\xff\xf0"),
    (ToClient, b"\xff\xfb\x03\xff\xfd\x01\xff\xfd\"\xff\xfd\x1f\xff\xfb\x05\xff\xfd!"),
    (ToServer, b"\xff\xfd\x03\xff\xfc\x01\xff\xfb\"\xff\xfa\"\x03\x01\x00\x00\x03\x00\x00\x04\x00\x00\x05\x00\x00\x07\x00\x00\x08\x00\x00\x09\x00\x00\n\x00\x00\x0b\x00\x00\x0c\x00\x00\r\x00\x00\x0e\x00\x00\x0f\x00\x00\x10\x00\x00\x11\x00\x00\x12\x00\x00\xff\xf0\xff\xfb\x1f\xff\xfd\x05\xff\xfb!"),
    (ToClient, b"\xff\xfa\"\x01\x03\xff\xf0\x00"),
    (ToServer, b"\xff\xfa\"\x01\x07\xff\xf0"),
    (ToClient, b"\xff\xfa!\x03\xff\xf0\x00\xff\xfb\x01\xff\xfd\x00\xff\xfe\""),
    (ToServer, b"\xff\xfd\x01\xff\xfb\x00\xff\xfc\""),
    (ToClient, b"vm login: "),
    (ToServer, b"ada\n"),
    (ToClient, b"ada\r\nPassword: "),
    (ToServer, b"Canari-7f3a\n"),
    (ToClient, b"\r\n\r\nLogin incorrect\r\nvm login: "),
    (ToServer, b"root\n"),
    (ToClient, b"root\r\nPassword: "),
    (ToServer, b"Canari\n"),
    (ToClient, b"\r\n\r\nLogin incorrect\r\nvm login: "),
];

#[test]
fn a_recorded_session_is_told() {
    let lines = stream(2600, INETUTILS);
    assert_eq!(logins(&lines), ["ada password failure", "root password failure"]);
    assert_eq!(get(of(&lines, "telnet")[0], "telnet.terminal_type"), "\"XTERM\"");
    assert!(!lines.concat().contains("anari"));
    same_wherever_cut(2600, INETUTILS);
}

/// Key by key, echoed, with a mistake taken back.
#[test]
fn keys_are_put_together() {
    let mut b = Bench::new(Transport::Tcp, 23);
    b.data(ToClient, b"\xff\xfb\x01\xff\xfb\x03\r\nUser Access Verification\r\n\r\nUsername: ");
    for (key, echo) in [(b"c", &b"c"[..]), (b"x", b"x"), (b"\x7f", b"\x08 \x08"), (b"i", b"i"), (b"s", b"s")] {
        b.data(ToServer, key);
        b.data(ToClient, echo);
    }
    b.data(ToServer, b"\r\0");
    b.data(ToClient, b"\r\nPassword: ");
    for key in b"Canari" {
        b.data(ToServer, &[*key]);
    }
    b.data(ToServer, b"\r\0");
    b.data(ToClient, b"\r\n% Login invalid\r\n\r\nUsername: ");
    b.data(ToServer, b"cis\r");
    b.data(ToClient, b"cis\r\nPassword: ");
    b.data(ToServer, b"Canari2\r");
    b.data(ToClient, b"\r\nrouter>");
    let lines = b.finish();
    assert_eq!(logins(&lines), ["cis password failure", "cis password success"]);
    assert!(!lines.concat().contains("anari"));
}

#[test]
fn without_a_name_or_a_password() {
    let only_password =
        stream(23, &[(ToClient, b"\xff\xfb\x01\r\nPassword: "), (ToServer, b"Canari\r\n"), (ToClient, b"\r\n% Bad passwords\r\n")]);
    assert_eq!(logins(&only_password), [" password failure"]);
    let only_name =
        stream(23, &[(ToClient, b"\xff\xfd\x01camera login: "), (ToServer, b"root\r\n"), (ToClient, b"root\r\n# "), (ToServer, b"id\r\n")]);
    assert_eq!(logins(&only_name), ["root none success"]);
    let ahead = stream(
        23,
        &[(ToClient, b"\xff\xfd\x01login: "), (ToServer, b"root\r\nCanari\r\n"), (ToClient, b"Password: \r\nLogin incorrect\r\nlogin: ")],
    );
    assert_eq!(logins(&ahead), ["root password failure"]);
    let none =
        stream(23, &[(ToClient, b"\xff\xfd\x01login: "), (ToServer, b"root\r\n"), (ToClient, b"Password: "), (ToServer, b"Canari\r\n")]);
    assert_eq!(logins(&none), ["root password unknown"]);
    for lines in [only_password, only_name, ahead, none] {
        assert!(!lines.concat().contains("anari"));
    }
}

#[test]
fn the_environment_may_name_the_user() {
    let lines = stream(
        23,
        &[
            (ToClient, b"\xff\xfd\x27\xff\xfa\x27\x01\xff\xf0"),
            (ToServer, b"\xff\xfb\x27\xff\xfa\x27\x00\x00USER\x01-f root\x03DISPLAY\x01x:0\xff\xf0"),
            (ToClient, b"\r\nroot@box:~# "),
        ],
    );
    assert_eq!(get(of(&lines, "telnet")[0], "telnet.environment_user"), "\"-f root\"");
    assert_eq!(get(of(&lines, "anomaly")[0], "anomaly.event"), "\"environment_user_is_an_option\"");
    assert_eq!(variable(b"\x00A\x01b\x00USER\x01a\x02\x01d", b"USER").as_deref(), Some(&b"a\x01d"[..]));
    assert_eq!(variable(b"\x00USER", b"USER"), None);
}

#[test]
fn prompts() {
    for (line, is) in [
        ("box login: ", Prompt::Name),
        ("Username:", Prompt::Name),
        ("Nom d'utilisateur : ", Prompt::Name),
        ("ada's Password: ", Prompt::Password),
        ("Mot de passe :", Prompt::Password),
        ("C:\\Users\\ada>", Prompt::Shell),
        ("router(config)#", Prompt::Shell),
        ("Last login: Tue Nov 24", Prompt::No),
        ("", Prompt::No),
    ] {
        assert_eq!(prompt(line.as_bytes()), is, "{line}");
    }
    assert_eq!(outcome(b"", b"welcome to microsoft telnet server.\n"), Some("success"));
    assert_eq!(outcome(b"", b"login failed\n"), Some("failure"));
    assert_eq!(outcome(b"", b"\n"), None);
}

#[test]
fn told_from_its_neighbours() {
    let told = |bytes: &[u8], port| {
        super::Telnet::probe(&Probe { dir: ToClient, bytes, other: b"", client_port: 40_000, server_port: port, transport: Transport::Tcp })
    };
    assert_eq!(told(b"\xff\xfd\x18", 2600), Match::Yes);
    assert_eq!(told(b"\xff", 2600), Match::Maybe);
    assert_eq!(told(b"\xff\xd8\xff\xe0", 2600), Match::No);
    assert_eq!(told(b"login: ", 23), Match::Maybe);
    assert_eq!(told(b"login: ", 2600), Match::No);
    assert_eq!(told(b"\x16\x03\x01", 23), Match::No);
}

proptest! {
    #[test]
    fn any_words(words in prop::collection::vec((any::<bool>(), prop::sample::select(vec![
        &b"login: "[..], b"Password: ", b"\r\n", b"\r", b"\0", b"a", b"$ ", b"Login incorrect\r\n", b"\xff\xff", b"\xff\xfa\x18\x00X", b"\xff\xf0", b"\xff\xfd", b"\x1b[1m", b"\x08", b"\x7f", b"\xff\xfa\x27\x00\x00USER\x01a",
    ])), 0..60)) {
        let mut pieces: Vec<(Direction, &[u8])> = vec![(ToClient, b"\xff\xfd\x18")];
        pieces.extend(words.iter().map(|(s, w)| (if *s { ToServer } else { ToClient }, *w)));
        let whole = stream(23, &pieces);
        let bytes: Vec<(Direction, &[u8])> = pieces.iter().flat_map(|(d, p)| p.chunks(1).map(move |b| (*d, b))).collect();
        prop_assert_eq!(stream(23, &bytes), whole);
    }

    #[test]
    fn any_bytes(pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..20)) {
        let mut b = Bench::new(Transport::Tcp, 23);
        b.data(ToClient, b"\xff\xfd\x18");
        for (to_server, bytes) in &pieces {
            b.data(if *to_server { ToServer } else { ToClient }, bytes);
        }
        b.gap(ToServer, 7);
        b.finish();
    }
}
