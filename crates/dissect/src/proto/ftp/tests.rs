use super::{address_port, extended};

#[test]
fn announced_ports_read() {
    let (ip, port) = address_port(b"227 Entering Passive Mode (192,168,0,9,39,16).").unwrap();
    assert_eq!((ip.to_string().as_str(), port), ("192.168.0.9", 10_000));
    let (ip, port) = address_port(b"10,0,0,1,4,1").unwrap();
    assert_eq!((ip.to_string().as_str(), port), ("10.0.0.1", 1025));
    assert_eq!(extended(b"|||6446|").map(|(_, p)| p), Some(6446));
    assert_eq!(extended(b"|2|fe80::1|53000|").map(|(i, p)| (i.to_string(), p)), Some(("fe80::1".to_owned(), 53000)));
    let (ip, port) = address_port(b"172,23,0,3,174,127").unwrap();
    assert_eq!((ip.to_string().as_str(), port), ("172.23.0.3", 44671));
    assert_eq!(address_port(b"1,2,3"), None);
    assert_eq!(address_port(b"300,2,3,4,5,6"), None);
}

use crate::testing::{ToClient, ToServer, get, same_wherever_cut, stream};
use vigie_base::Direction;

const SESSION: &[(vigie_base::Direction, &[u8])] = &[
    (ToClient, b"220-Welcome\r\n220 (vsFTPd 3.0.3)\r\n"),
    (ToServer, b"USER ada\r\n"),
    (ToClient, b"331 Please specify the password.\r\n"),
    (ToServer, b"PASS Canari-7f3a\r\n"),
    (ToClient, b"530 Login incorrect.\r\n"),
    (ToServer, b"USER ada\r\nPASS secret\r\n"),
    (ToClient, b"331 Please specify the password.\r\n230 Login successful.\r\n"),
    (ToServer, b"PASV\r\n"),
    (ToClient, b"227 Entering Passive Mode (10,0,0,2,39,16).\r\n"),
    (ToServer, b"RETR report.pdf\r\n"),
    (ToClient, b"150 Opening.\r\n226 Transfer complete.\r\n"),
    (ToServer, b"QUIT\r\n"),
    (ToClient, b"221 Goodbye.\r\n"),
];

#[test]
fn a_session_is_told_command_by_command() {
    let lines = stream(21, SESSION);
    let of = |kind: &str| -> Vec<&String> { lines.iter().filter(|l| get(l, "event_type") == format!("\"{kind}\"")).collect() };
    let ftp = of("ftp");
    assert_eq!(
        ftp.iter().map(|l| get(l, "ftp.command")).collect::<Vec<_>>(),
        ["", "\"USER\"", "\"PASS\"", "\"USER\"", "\"PASS\"", "\"PASV\"", "\"RETR\"", "\"QUIT\""]
    );
    assert_eq!(get(ftp[2], "ftp.command_data"), "\"<redacted:11>\"");
    assert_eq!(get(ftp[6], "ftp.completion_code"), r#"["150","226"]"#);
    assert_eq!(get(ftp[5], "ftp.dynamic_port"), "10000");
    let logins = of("login");
    assert_eq!(logins.iter().map(|l| get(l, "login.outcome")).collect::<Vec<_>>(), ["\"failure\"", "\"success\""]);
    assert!(!lines.concat().contains("Canari"), "a password is in the output");
}

#[test]
fn the_last_refusal_of_a_session_that_was_open_is_a_failed_log_in() {
    const REFUSED: &[(Direction, &[u8])] = &[(ToClient, b"530 Login incorrect.\r\n")];
    let failures = |port, session| stream(port, session).iter().filter(|l| get(l, "login.outcome") == "\"failure\"").count();
    assert_eq!((failures(21, REFUSED), failures(2121, REFUSED)), (1, 0));
    assert_eq!(failures(21, &[(ToClient, b"500 Unknown command.\r\n")]), 0);
    same_wherever_cut(21, REFUSED);
}

#[test]
fn a_session_is_the_same_wherever_it_is_cut() {
    same_wherever_cut(21, SESSION);
}

#[test]
fn a_session_that_was_open_before_is_picked_up_at_any_line() {
    for (at, want) in [(1, 2), (2, 2), (3, 2), (4, 2), (5, 1)] {
        let lines = stream(21, &SESSION[at..]);
        let logins: Vec<_> = lines.iter().filter(|l| get(l, "event_type") == "\"login\"").map(|l| get(l, "login.anonymous")).collect();
        assert_eq!(logins, vec!["false"; want], "from line {at}");
        assert!(!lines.concat().contains("Canari"), "from line {at}");
    }
    for at in 1..SESSION.len() {
        same_wherever_cut(21, &SESSION[at..]);
    }
    // Another service that answers in numbers stays what it is.
    assert!(stream(2525, &SESSION[2..3]).iter().all(|l| get(l, "event_type") != "\"ftp\""));
}

#[test]
fn a_first_command_in_pieces_is_one() {
    const PLAIN: &[(Direction, &[u8])] = &[
        (ToServer, b"user anonymous\r\n"),
        (ToClient, b"220 ready\r\n331 go on\r\n"),
        (ToServer, b"PASS ada@example.org\r\n"),
        (ToClient, b"230 in\r\n"),
    ];
    let told = |lines: &[String]| lines.iter().filter(|l| get(l, "event_type") == "\"ftp\"").count();
    assert_eq!(told(&stream(2121, PLAIN)), 3);
    same_wherever_cut(2121, PLAIN);
    // What only begins like it is another's.
    let words: [(Direction, &[u8]); 3] = [(ToServer, b"USERS ALL OF THEM"), (ToServer, b"\r\n"), (ToClient, b"220 ready\r\n")];
    assert_eq!(told(&stream(2121, &words)), 0);
}

#[test]
fn a_greeting_is_judged_by_all_that_it_says() {
    use crate::{Match, Probe, Proto, Protocol, Transport};
    let told = |text: &str, port| {
        let p =
            Probe { dir: ToClient, bytes: text.as_bytes(), other: &[], client_port: 40_000, server_port: port, transport: Transport::Tcp };
        (super::Ftp::probe(&p), Proto::Smtp.probe(&p))
    };
    assert_eq!(told("220 mail.example.org FTP server ready\r\n", 2121), (Match::Yes, Match::No));
    assert_eq!(told("220 ftp.example.org ESMTP\r\n", 2121), (Match::No, Match::Yes));
    assert_eq!(told("220 mail.example.org ready\r\n", 2121), (Match::No, Match::Yes));
    assert_eq!(told("220 ready\r\n", 21), (Match::Yes, Match::Maybe));
    assert_eq!(told("220 ready\r\n", 25), (Match::Maybe, Match::Yes));
}

#[test]
fn what_guests_give_is_no_secret() {
    let command_data = |user: &str, password: &str| {
        let pieces = [format!("USER {user}\r\n"), format!("PASS {password}\r\n")];
        let session: Vec<(Direction, &[u8])> = vec![
            (ToClient, b"220 FTP\r\n"),
            (ToServer, pieces[0].as_bytes()),
            (ToClient, b"331 go on\r\n"),
            (ToServer, pieces[1].as_bytes()),
            (ToClient, b"230 in\r\n"),
        ];
        let lines = stream(21, &session);
        get(lines.iter().find(|l| get(l, "ftp.command") == "\"PASS\"").unwrap(), "ftp.command_data")
    };
    for password in ["anonymous", "guest", "IEUser@", "-wget@", "ada@example.org"] {
        assert_eq!(command_data("Anonymous", password), format!("\"{password}\""));
        assert_eq!(command_data("ada", password), format!("\"<redacted:{}>\"", password.len()));
    }
    for password in ["Canari-7f3a", "P@ssw0rd", "@", "a b@example.org"] {
        assert_eq!(command_data("anonymous", password), format!("\"<redacted:{}>\"", password.len()));
    }
}
