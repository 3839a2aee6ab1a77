use crate::testing::{Bench, ToClient, ToServer, get, same_wherever_cut, stream};
use crate::{Match, Probe, Protocol, Transport};
use proptest::prelude::*;
use vigie_base::Direction;

const SESSION: &[(Direction, &[u8])] = &[
    (ToClient, b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID] Dovecot (Debian) ready.\r\n"),
    (ToServer, b"1 ID (\"name\" \"Thunderbird\" \"version\" \"128.4\")\r\n"),
    (ToClient, b"* ID (\"name\" \"Dovecot\")\r\n1 OK ID completed.\r\n"),
    (ToServer, b"a LOGIN ada \"Canari-7f3a\"\r\n"),
    (ToClient, b"a NO [AUTHENTICATIONFAILED] Canari-7f3a failed.\r\n"),
    (ToServer, b"b login {3}\r\n"),
    (ToClient, b"+ OK\r\n"),
    (ToServer, b"ada {11+}\r\nCanari\r\n7f3\r\n"),
    (ToClient, b"b NO no\r\n"),
    (ToServer, b"c AUTHENTICATE PLAIN\r\n"),
    (ToClient, b"+ \r\n"),
    (ToServer, b"AGFkYQBDYW5hcmktN2YzYQ==\r\n"),
    (ToClient, b"* CAPABILITY IMAP4rev1\r\nc OK Logged in\r\n"),
    (ToServer, b"d SELECT INBOX\r\ne UID FETCH 1 (BODY[])\r\nf SEARCH TEXT \"Canari-7f3a\"\r\n"),
    (ToClient, b"* 1 EXISTS\r\nd OK done\r\n* 1 FETCH (BODY[] {21}\r\na OK not\r\nSubject: x\r\n)\r\ne OK Fetch\r\nf OK Search\r\n"),
    (ToServer, b"g APPEND INBOX {9+}\r\nh LOGIN x\r\n\r\nAGFkYQBDYW5hcmktN2YzYQ== Canari-7f3a\r\n"),
    (ToClient, b"g OK\r\nAGFkYQBDYW5hcmktN2YzYQ== BAD Unknown AGFkYQBDYW5hcmktN2YzYQ==\r\n"),
    (ToServer, b"z LOGOUT\r\n"),
    (ToClient, b"* BYE\r\nz OK Logout\r\n"),
];

fn of<'a>(lines: &'a [String], kind: &str) -> Vec<&'a String> {
    lines.iter().filter(|l| get(l, "event_type") == format!("\"{kind}\"")).collect()
}

#[test]
fn a_session_is_told_command_by_command() {
    let lines = stream(143, SESSION);
    let imap = of(&lines, "imap");
    let told: Vec<_> = imap
        .iter()
        .map(|l| {
            ["request.tag", "request.command", "request.argument", "response.status"]
                .map(|k| get(l, &format!("imap.{k}")).replace('"', ""))
                .join("|")
        })
        .collect();
    assert_eq!(
        told,
        [
            "1|ID|(\\name\\ \\Thunderbird\\ \\version\\ \\128.4\\)|OK",
            "a|LOGIN|ada <redacted:11>|NO",
            "b|LOGIN|ada <redacted:11>|NO",
            "c|AUTHENTICATE|PLAIN|OK",
            "d|SELECT|INBOX|OK",
            "e|UID|FETCH|OK",
            "f|SEARCH||OK",
            "g|APPEND||OK",
            "<redacted:24>|<redacted:11>||BAD",
            "z|LOGOUT||OK",
        ]
    );
    assert_eq!(get(imap[1], "imap.response.text"), "\"[AUTHENTICATIONFAILED] <redacted:11> failed.\"");
    let logins: Vec<_> =
        of(&lines, "login").iter().map(|l| [get(l, "login.user"), get(l, "login.method"), get(l, "login.outcome")].join(" ")).collect();
    assert_eq!(logins, [r#""ada" "password" "failure""#, r#""ada" "password" "failure""#, r#""ada" "plain" "success""#]);
    let facts: Vec<_> = of(&lines, "fact").iter().map(|l| get(l, "fact.value")).collect();
    assert_eq!(facts, ["\"Dovecot (Debian) ready.\"", "\"Dovecot\"", "\"Thunderbird 128.4\""]);
    let all = lines.concat();
    for canary in ["Canari", "AGFkYQ"] {
        assert!(!all.contains(canary), "{canary} is in the output");
    }
}

#[test]
fn the_same_wherever_it_is_cut() {
    same_wherever_cut(143, SESSION);
}

/// Recorded of a Dovecot 2.3 and Python's imaplib.
const DOVECOT: &[(Direction, &[u8])] = &[
    (ToClient, b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5] Dovecot (Debian) ready.\r\n"),
    (ToServer, b"JPKF0 CAPABILITY\r\n"),
    (ToClient, b"* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5\r\nJPKF0 OK Pre-login capabilities listed, post-login capabilities have more.\r\n"),
    (ToServer, b"JPKF1 AUTHENTICATE CRAM-MD5\r\n"),
    (ToClient, b"+ PDk3ODI3OTY5NDQ3MjA4OTkuMTc5NTU5NDEzNkB2bT4=\r\n"),
    (ToServer, b"YWRhIDU5MWIxOTRmMTY1ZWRhYWFiZDdmOTM5NzA2ODcxNGMy\r\n"),
    (ToClient, b"* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT\r\nJPKF1 OK Logged in\r\n"),
    (ToServer, b"JPKF2 APPEND INBOX {21}\r\n"),
    (ToClient, b"+ OK\r\n"),
    (ToServer, b"Subject: x\r\n\r\nhello\r\n\r\n"),
    (ToClient, b"JPKF2 OK [APPENDUID 1795594136 1] Append completed (0.063 + 0.001 + 0.060 secs).\r\n"),
    (ToServer, b"JPKF3 SELECT INBOX\r\n"),
    (ToClient, b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags permitted.\r\n* 1 EXISTS\r\n* 1 RECENT\r\n* OK [UNSEEN 1] First unseen.\r\n* OK [UIDVALIDITY 1795594136] UIDs valid\r\n* OK [UIDNEXT 2] Predicted next UID\r\nJPKF3 OK [READ-WRITE] Select completed (0.001 + 0.000 secs).\r\n"),
    (ToServer, b"JPKF4 SEARCH ALL\r\n"),
    (ToClient, b"* SEARCH 1\r\nJPKF4 OK Search completed (0.001 + 0.000 secs).\r\n"),
    (ToServer, b"JPKF5 FETCH 1 (RFC822)\r\n"),
    (ToClient, b"* 1 FETCH (FLAGS (\\Seen \\Recent) RFC822 {21}\r\nSubject: x\r\n\r\nhello\r\n)\r\nJPKF5 OK Fetch completed (0.001 + 0.000 secs).\r\n"),
    (ToServer, b"JPKF6 LOGOUT\r\n"),
    (ToClient, b"* BYE Logging out\r\nJPKF6 OK Logout completed (0.001 + 0.000 secs).\r\n"),
];

#[test]
fn a_recorded_session_is_told() {
    let lines = stream(14300, DOVECOT);
    let told: Vec<_> =
        of(&lines, "imap").iter().map(|l| (get(l, "imap.request.command").replace('"', ""), get(l, "imap.response.status"))).collect();
    let commands = ["CAPABILITY", "AUTHENTICATE", "APPEND", "SELECT", "SEARCH", "FETCH", "LOGOUT"];
    assert_eq!(told, commands.map(|c| (c.to_owned(), "\"OK\"".to_owned())));
    let login = of(&lines, "login")[0];
    assert_eq!(
        ["user", "method", "outcome", "cleartext"].map(|k| get(login, &format!("login.{k}"))).join(" "),
        r#""ada" "cram-md5" "success" false"#
    );
    assert!(!lines.concat().contains("YWRh"));
    same_wherever_cut(14300, DOVECOT);
}

#[test]
fn after_starttls_it_is_anything() {
    let mut b = Bench::new(Transport::Tcp, 2600);
    b.data(ToClient, b"* OK hello\r\n");
    b.data(ToServer, b"a STARTTLS\r\n");
    b.data(ToClient, b"a OK begin\r\n");
    assert_eq!(b.dissection.app_proto(), "");
    assert_eq!(of(&b.finish(), "imap").len(), 1);
}

#[test]
fn a_long_session_is_left() {
    let mut b = Bench::new(Transport::Tcp, 143);
    b.data(ToClient, b"* OK hello\r\n");
    for i in 0..2000 {
        b.data(ToServer, format!("a{i} NOOP\r\n").as_bytes());
        b.data(ToClient, format!("a{i} OK\r\n").as_bytes());
    }
    assert_eq!(b.dissection.transactions(), super::COMMANDS_MAX);
    assert_eq!(of(&b.finish(), "imap").len(), super::COMMANDS_MAX as usize);
}

#[test]
fn told_from_its_neighbours() {
    let told = |dir, bytes: &[u8], other: &[u8], port| {
        super::Imap::probe(&Probe { dir, bytes, other, client_port: 40_000, server_port: port, transport: Transport::Tcp })
    };
    assert_eq!(told(ToClient, b"* OK ready\r\n", b"", 2600), Match::Yes);
    assert_eq!(told(ToClient, b"* ", b"", 2600), Match::Maybe);
    assert_eq!(told(ToClient, b"*3\r\n$5\r\n", b"", 6379), Match::No);
    assert_eq!(told(ToServer, b"a1 CAPABILITY\r\n", b"* OK x\r\n", 2600), Match::Yes);
    assert_eq!(told(ToServer, b"GET / HTTP/1.1\r\n", b"", 80), Match::No);
}

proptest! {
    #[test]
    fn any_words(words in prop::collection::vec((any::<bool>(), prop::sample::select(vec![
        "a LOGIN b c\r\n", "a LOGIN {1}\r\n", "b LOGIN \"x\\\" y\" {2+}\r\n", "a OK\r\n", "b NO x\r\n", "c BAD\r\n", "+ \r\n", "* 1 FETCH {5}\r\n", "zz\r\n", "c AUTHENTICATE LOGIN\r\n", "YQ==\r\n", "DONE\r\n", "a ID (\"name\"", " NIL)\r\n", "\r\n", "a STARTTLS\r\n", "{9}\r\n", "a NO [AUTHENTICATIONFAILED]\r\n", "* 1 EXISTS\r\n", "+ YQ==\r\n",
    ])), 0..60), begun in any::<bool>()) {
        let mut pieces: Vec<(Direction, &[u8])> = vec![(ToClient, b"* OK\r\n")];
        if !begun {
            pieces.clear();
        }
        pieces.extend(words.iter().map(|(s, w)| (if *s { ToServer } else { ToClient }, w.as_bytes())));
        let whole = stream(143, &pieces);
        let bytes: Vec<(Direction, &[u8])> = pieces.iter().flat_map(|(d, p)| p.chunks(1).map(move |b| (*d, b))).collect();
        prop_assert_eq!(stream(143, &bytes), whole);
    }

    #[test]
    fn any_bytes(pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..20)) {
        let mut b = Bench::new(Transport::Tcp, 143);
        b.data(ToClient, b"* OK\r\n");
        for (to_server, bytes) in &pieces {
            b.data(if *to_server { ToServer } else { ToClient }, bytes);
        }
        b.gap(ToServer, 7);
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
    for (capture, port) in [("mail_bruteforce.pcap", 45940), ("cleartext_logins.pcap", 42098), ("cleartext_logins.pcap", 42094)] {
        let session = recorded(capture, port);
        let pieces: Vec<(Direction, &[u8])> = session.iter().map(|(d, b)| (*d, &b[..])).collect();
        let says = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|w| w == what);
        let mut answers = 0;
        for at in (1..pieces.len()).rev() {
            let (dir, bytes) = pieces[at];
            let lines = stream(143, &pieces[at..]);
            let accepted = dir == ToClient && says(bytes, b" Logged in");
            answers += usize::from(dir == ToClient && says(bytes, b" NO [AUTHENTICATIONFAILED]"));
            // Who is told to be in, without a word of how, is no log-in.
            assert_eq!(of(&lines, "login").len(), answers, "{capture} {port} from {at}: {lines:?}");
            answers += usize::from(accepted);
            assert!(of(&lines, "fact").is_empty(), "{capture} {port} from {at}: {lines:?}");
            assert!(!lines.concat().contains("Canari"), "{capture} {port} from {at}");
            same_wherever_cut(143, &pieces[at..pieces.len().min(at + 6)]);
        }
        assert!(answers > 0, "{capture}");
    }
}

#[test]
fn what_looks_like_it_is_no_log_in() {
    let logins = |port, session: &[(Direction, &[u8])]| of(&stream(port, session), "login").len();
    assert_eq!(logins(2600, &[(ToClient, b"a NO [AUTHENTICATIONFAILED] no\r\n")]), 0);
    assert_eq!(logins(143, &[(ToClient, b"a NO [NONEXISTENT] no\r\n")]), 0);
    assert_eq!(logins(143, &[(ToClient, b"+ idling\r\n"), (ToServer, b"DONE\r\n"), (ToClient, b"a OK Idle completed\r\n")]), 0);
    // On any port an answer belongs to its command.
    assert_eq!(logins(2600, &[(ToServer, b"a LOGIN ada secret\r\n"), (ToClient, b"a NO no\r\n")]), 1);
    assert_eq!(logins(2600, &[(ToServer, b"a LOGIN ada secret\r\n"), (ToClient, b"b NO no\r\n")]), 0);
}
