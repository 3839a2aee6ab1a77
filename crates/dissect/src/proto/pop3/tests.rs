use crate::testing::{Bench, ToClient, ToServer, get, same_wherever_cut, stream};
use crate::{Match, Probe, Protocol, Transport};
use proptest::prelude::*;
use vigie_base::Direction;

const SESSION: &[(Direction, &[u8])] = &[
    (ToClient, b"+OK Dovecot ready.\r\n"),
    (ToServer, b"CAPA\r\n"),
    (ToClient, b"+OK\r\nTOP\r\nSASL PLAIN LOGIN\r\n.\r\n"),
    (ToServer, b"USER ada\r\n"),
    (ToClient, b"+OK\r\n"),
    (ToServer, b"PASS Canari 7f3a\r\n"),
    (ToClient, b"-ERR [AUTH] canari 7f3a is wrong\r\n"),
    (ToServer, b"APOP ada c4c9334bac560ecc979e58001b3e22fb\r\n"),
    (ToClient, b"-ERR no\r\n"),
    (ToServer, b"AUTH PLAIN\r\n"),
    (ToClient, b"+ \r\n"),
    (ToServer, b"AGFkYQBDYW5hcmktN2YzYQ==\r\n"),
    (ToClient, b"+OK Logged in.\r\n"),
    (ToServer, b"STAT\r\nLIST\r\nRETR 1\r\nLIST 1\r\n"),
    (ToClient, b"+OK 2 420\r\n+OK\r\n1 200\r\n2 220\r\n.\r\n+OK 200 octets\r\nSubject: x\r\n\r\n..dot.\r\n+OK no\r\n.\r\n+OK 1 200\r\n"),
    (ToServer, b"Q2FuYXJpLTdmM2E=\r\n"),
    (ToClient, b"-ERR Unknown command: Q2FuYXJpLTdmM2E=\r\n"),
    (ToServer, b"QUIT\r\n"),
];

fn of<'a>(lines: &'a [String], kind: &str) -> Vec<&'a String> {
    lines.iter().filter(|l| get(l, "event_type") == format!("\"{kind}\"")).collect()
}

#[test]
fn a_session_is_told_command_by_command() {
    let lines = stream(110, SESSION);
    let pop3 = of(&lines, "pop3");
    let commands: Vec<_> = pop3.iter().map(|l| get(l, "pop3.request.command")).collect();
    let expected = ["", "CAPA", "USER", "PASS", "APOP", "AUTH", "<SASL DATA>", "STAT", "LIST", "RETR", "LIST", "<redacted:16>", "QUIT"];
    assert_eq!(commands, expected.map(|c| if c.is_empty() { String::new() } else { format!("\"{c}\"") }));
    assert_eq!(get(pop3[1], "pop3.response.data"), r#"["TOP","SASL PLAIN LOGIN"]"#);
    assert_eq!(get(pop3[3], "pop3.request.args.0"), "\"<redacted:11>\"");
    assert_eq!(get(pop3[3], "pop3.response"), r#"{"header":"[AUTH] <redacted:11> is wrong","status":"ERR","success":false}"#);
    assert_eq!(get(pop3[4], "pop3.request.args"), r#"["ada","<redacted:32>"]"#);
    assert_eq!(get(pop3[5], "pop3.response"), r#"{"header":"","status":"OK","success":true}"#);
    assert_eq!((get(pop3[9], "pop3.response.header"), get(pop3[9], "pop3.response.data")), ("\"200 octets\"".into(), String::new()));
    assert_eq!((get(pop3[12], "pop3.response"), get(pop3[12], "tx_id")), (String::new(), "12".into()));
    let logins: Vec<_> = of(&lines, "login")
        .iter()
        .map(|l| [get(l, "login.user"), get(l, "login.method"), get(l, "login.outcome"), get(l, "login.cleartext")].join(" "))
        .collect();
    assert_eq!(logins, [r#""ada" "password" "failure" true"#, r#""ada" "apop" "failure" false"#, r#""ada" "plain" "success" true"#]);
    let all = lines.concat().to_lowercase();
    for canary in ["canari", "q2fuyxjp", "agfkyqbd", "c4c9334b"] {
        assert!(!all.contains(canary), "{canary} is in the output");
    }
}

#[test]
fn the_same_wherever_it_is_cut() {
    same_wherever_cut(110, SESSION);
}

#[test]
fn a_greeting_may_be_missing() {
    let missed =
        stream(110, &[(ToServer, b"CAPA\r\n"), (ToClient, b"+OK Capability list follows\r\nUSER\r\n.\r\n"), (ToServer, b"QUIT\r\n")]);
    assert_eq!(get(of(&missed, "pop3")[0], "pop3.request.command"), "\"CAPA\"");
    assert_eq!(of(&missed, "pop3").len(), 2);
    let hasty = stream(110, &[(ToServer, b"USER a\r\nPASS b\r\n"), (ToClient, b"+OK hello\r\n+OK\r\n-ERR no\r\n")]);
    assert_eq!(of(&hasty, "pop3").len(), 3);
    assert_eq!(get(of(&hasty, "login")[0], "login.outcome"), "\"failure\"");
}

#[test]
fn after_stls_it_is_anything() {
    let mut b = Bench::new(Transport::Tcp, 2600);
    b.data(ToClient, b"+OK hello\r\n");
    b.data(ToServer, b"STLS\r\n");
    b.data(ToClient, b"+OK begin\r\n");
    assert_eq!(b.dissection.app_proto(), "");
    assert_eq!(of(&b.finish(), "pop3").len(), 2);
}

#[test]
fn ntlm_names_user_and_machine() {
    let lines = stream(
        110,
        &[
            (ToClient, b"+OK POP3 server ready\r\n"),
            (ToServer, b"AUTH NTLM\r\n"),
            (ToClient, b"+ \r\n"),
            (ToServer, b"TlRMTVNTUAABAAAABwIAAgcABwAoAAAACAAIAC8AAAAKAGFKAAAAD1BPUDNET01QT1AzSE9TVA==\r\n"),
            (ToClient, b"+ TlRMTVNTUAACAAAADgAOADgAAAAFAgACASNFZ4mrze8AAAAAAAAAAAQABABGAAAACgBhSgAAAA9QAE8AUAAzAFQARwBUAAAAAAA=\r\n"),
            (ToServer, b"TlRMTVNTUAADAAAAGAAYAFgAAAAYABgAcAAAAA4ADgCIAAAACAAIAJYAAAAQABAAngAAABAAEACuAAAABQIAAgoAYUoAAAAPAAAAAAAAAAAAAAAAAAAAAExMTExMTExMTExMTExMTExMTExMTExMTE5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTlAATwBQADMARABPAE0AbABpAGEAbQBQAE8AUAAzAEgATwBTAFQAS0tLS0tLS0tLS0tLS0tLSw==\r\n"),
            (ToClient, b"+OK Logged in\r\n"),
        ],
    );
    assert_eq!(of(&lines, "pop3").len(), 4);
    let login = of(&lines, "login")[0];
    assert_eq!((get(login, "login.user"), get(login, "login.cleartext")), ("\"POP3DOM\\\\liam\"".into(), "false".into()));
    assert!(of(&lines, "fact").iter().any(|f| get(f, "fact.value") == "\"POP3HOST\""));
}

#[test]
fn told_from_its_neighbours() {
    let told = |dir, bytes: &[u8], other: &[u8], port| {
        super::Pop3::probe(&Probe { dir, bytes, other, client_port: 40_000, server_port: port, transport: Transport::Tcp })
    };
    assert_eq!(told(ToClient, b"+OK\r\n", b"", 2600), Match::Yes);
    assert_eq!(told(ToClient, b"+OK\r\n", b"*1\r\n$4\r\nPING\r\n", 6379), Match::No);
    assert_eq!(told(ToClient, b"+O", b"", 2600), Match::Maybe);
    assert_eq!(told(ToServer, b"USER ada\r\n", b"+OK\r\n", 2600), Match::Yes);
    assert_eq!(told(ToServer, b"USER ada\r\n", b"220 x\r\n", 21), Match::Maybe);
    assert_eq!(told(ToServer, b"GET / HTTP/1.1\r\n", b"", 80), Match::No);
}

proptest! {
    #[test]
    fn any_words(words in prop::collection::vec((any::<bool>(), prop::sample::select(vec![
        "USER a\r\n", "PASS b\r\n", "AUTH PLAIN\r\n", "AUTH PLAIN AGE=\r\n", "AUTH\r\n", "+ \r\n", "+OK\r\n", "-ERR x\r\n", ".\r\n", "RETR 1\r\n", "LIST\r\n", "YQ==\r\n", "\r\n", "+OK y\r\n..a\r\n", "STLS\r\n", "\0\u{ff}", "-ERR [AUTH] no\r\n", "+ YQ==\r\n",
    ])), 0..60), begun in any::<bool>()) {
        let mut pieces: Vec<(Direction, &[u8])> = vec![(ToClient, b"+OK\r\n")];
        if !begun {
            pieces.clear();
        }
        pieces.extend(words.iter().map(|(s, w)| (if *s { ToServer } else { ToClient }, w.as_bytes())));
        let whole = stream(110, &pieces);
        let bytes: Vec<(Direction, &[u8])> = pieces.iter().flat_map(|(d, p)| p.chunks(1).map(move |b| (*d, b))).collect();
        prop_assert_eq!(stream(110, &bytes), whole);
    }

    #[test]
    fn any_bytes(pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..20)) {
        let mut b = Bench::new(Transport::Tcp, 110);
        b.data(ToClient, b"+OK\r\n");
        for (to_server, bytes) in &pieces {
            b.data(if *to_server { ToServer } else { ToClient }, bytes);
        }
        b.gap(ToClient, 7);
        b.finish();
    }
}

/// A recorded conversation of the lab, by its client's port.
fn recorded(capture: &str, port: u16) -> Vec<(Direction, Vec<u8>)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(capture);
    crate::replay::conversation(path, port)
}

#[test]
fn a_session_that_was_open_before_is_picked_up_at_any_line() {
    for (capture, port) in [("mail_bruteforce.pcap", 34448), ("cleartext_logins.pcap", 34428), ("cleartext_logins.pcap", 34438)] {
        let session = recorded(capture, port);
        let pieces: Vec<(Direction, &[u8])> = session.iter().map(|(d, b)| (*d, &b[..])).collect();
        let mut answers = 0;
        for at in (1..pieces.len()).rev() {
            let (dir, bytes) = pieces[at];
            let lines = stream(110, &pieces[at..]);
            let accepted = dir == ToClient && bytes.starts_with(b"+OK Logged in");
            answers += usize::from(dir == ToClient && bytes.starts_with(b"-ERR [AUTH]"));
            // Who is told to be in, without a word of how, is no log-in.
            assert_eq!(of(&lines, "login").len(), answers, "{capture} {port} from {at}: {lines:?}");
            answers += usize::from(accepted);
            assert!(of(&lines, "fact").is_empty(), "{capture} {port} from {at}: {lines:?}");
            assert!(!lines.concat().contains("Canari") && !lines.concat().contains("AG1hcmll"), "{capture} {port} from {at}");
            same_wherever_cut(110, &pieces[at..pieces.len().min(at + 6)]);
        }
        assert!(answers > 0, "{capture}");
    }
}

#[test]
fn what_looks_like_it_is_no_log_in() {
    let logins = |port, session: &[(Direction, &[u8])]| of(&stream(port, session), "login").len();
    assert_eq!(logins(110, &[(ToClient, b"-ERR too many connections\r\n")]), 0);
    assert_eq!(logins(6379, &[(ToClient, b"-ERR invalid password\r\n")]), 0);
    assert_eq!(logins(2600, &[(ToServer, b"YWRhbWFudA==\r\n"), (ToClient, b"-ERR no\r\n")]), 0);
    assert_eq!(logins(110, &[(ToServer, b"NOOP\r\n"), (ToClient, b"-ERR no\r\n")]), 0);
}
