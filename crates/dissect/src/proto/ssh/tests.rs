use crate::replay::{conversation, replay, shared};
use crate::testing::{ToClient, ToServer, get, same_wherever_cut, stream};
use vigie_base::Direction;

fn text(line: &str, path: &str) -> String {
    get(line, path).trim_matches('"').to_owned()
}

fn of_kind(lines: &[String], kind: &str) -> Vec<String> {
    lines.iter().filter(|l| text(l, "event_type") == kind).cloned().collect()
}

fn packet(code: u8, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 2 + 4).to_be_bytes()[..], &[4, code], body, &[0; 4]].concat()
}

fn kexinit(lists: [&str; 8]) -> Vec<u8> {
    let mut body = vec![0; 16];
    for list in lists {
        body.extend_from_slice(&(list.len() as u32).to_be_bytes());
        body.extend_from_slice(list.as_bytes());
    }
    body.extend_from_slice(&[0; 13]);
    packet(20, &body)
}

const CHACHA: &str = "chacha20-poly1305@openssh.com";

fn offer(kex: &'static str) -> Vec<u8> {
    kexinit([kex, "ssh-ed25519", CHACHA, CHACHA, "hmac-sha1", "hmac-sha2-256", "none", "none,zlib"])
}

/// A session up to the new keys, then encrypted turns of these sizes, the client's first.
fn session(turns: &[usize]) -> Vec<(Direction, Vec<u8>)> {
    let mut pieces = vec![
        (ToClient, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n".to_vec()),
        (ToServer, [b"SSH-2.0-libssh2_1.11.0\r\n", &offer("curve25519-sha256,ecdh-sha2-nistp256")[..]].concat()),
        (ToClient, offer("ecdh-sha2-nistp256")),
        (ToServer, packet(30, &[1; 36])),
        (ToClient, [packet(31, &[2; 200]), packet(21, b""), vec![0xcc; 120]].concat()),
        (ToServer, packet(21, b"")),
    ];
    pieces.extend(turns.iter().enumerate().map(|(i, n)| (if i % 2 == 0 { ToServer } else { ToClient }, vec![0x5a; *n])));
    pieces
}

fn borrowed(pieces: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    pieces.iter().map(|(d, p)| (*d, &p[..])).collect()
}

fn told(pieces: &[(Direction, Vec<u8>)]) -> Vec<String> {
    stream(2022, &borrowed(pieces))
}

fn login(turns: &[usize]) -> Option<(String, String)> {
    of_kind(&told(&session(turns)), "login").first().map(|l| (text(l, "login.outcome"), text(l, "login.tries")))
}

#[test]
fn a_session_is_told_with_both_fingerprints() {
    let lines = told(&session(&[]));
    let ssh = of_kind(&lines, "ssh");
    assert_eq!(ssh.len(), 1, "{lines:?}");
    let at = |path: &str| text(&ssh[0], path);
    assert_eq!(at("ssh.client.proto_version"), "2.0");
    assert_eq!(at("ssh.client.software_version"), "libssh2_1.11.0");
    assert_eq!(at("ssh.server.software_version"), "OpenSSH_9.2p1");
    assert_eq!(at("ssh.client.hassh.string"), "curve25519-sha256,ecdh-sha2-nistp256;chacha20-poly1305@openssh.com;hmac-sha1;none");
    assert_eq!(at("ssh.server.hassh.string"), "ecdh-sha2-nistp256;chacha20-poly1305@openssh.com;hmac-sha2-256;none,zlib");
    assert_eq!(at("ssh.client.hassh.hash").len(), 32);
    assert_eq!(at("vigie.kex"), "ecdh-sha2-nistp256");
    assert_eq!(at("vigie.reversed"), "");
    let facts: Vec<String> = of_kind(&lines, "fact").iter().map(|l| format!("{}={}", text(l, "fact.key"), text(l, "fact.value"))).collect();
    assert_eq!(facts, ["software=OpenSSH_9.2p1 Debian-2+deb12u3", "os=Debian 12", "client_software=libssh2_1.11.0"]);
}

#[test]
fn a_session_is_the_same_wherever_it_is_cut() {
    same_wherever_cut(2022, &borrowed(&session(&[44, 44, 68, 52, 84, 52, 84, 28, 52, 60])));
    same_wherever_cut(2022, &borrowed(&session(&[44, 44, 68, 52, 84, 52, 84, 52])));
}

#[test]
fn logins_are_told_by_shape() {
    let of = |outcome: &str, tries: &str| Some((outcome.to_owned(), tries.to_owned()));
    assert_eq!(login(&[]), None);
    assert_eq!(login(&[44, 44]), None);
    assert_eq!(login(&[44, 44, 68, 52]), None, "asking for the methods is no try");
    assert_eq!(login(&[44, 44, 68, 52, 84, 52, 84, 52, 84, 76]), of("failure", "3"));
    assert_eq!(login(&[44, 44, 68, 52, 84, 28, 52, 60]), of("success", "1"));
    assert_eq!(login(&[44, 44, 84, 52, 68, 52, 9000]), of("success", "1"));
}

#[test]
fn a_session_turned_round_is_told_so() {
    let mut pieces = session(&[]);
    (pieces[3].0, pieces[4].0, pieces[5].0) = (ToClient, ToServer, ToClient);
    pieces.extend([(ToClient, vec![0x5a; 44]), (ToServer, vec![0x5a; 44]), (ToClient, vec![0x5a; 84]), (ToServer, vec![0x5a; 52])]);
    let lines = told(&pieces);
    assert_eq!(get(&of_kind(&lines, "ssh")[0], "vigie.reversed"), "true");
    let login = &of_kind(&lines, "login")[0];
    assert_eq!((text(login, "login.outcome"), text(login, "src_ip")), ("failure".to_owned(), "10.0.0.2".to_owned()));
}

#[test]
fn banners_alone_and_one_side_alone_are_told() {
    let both = told(&[(ToServer, b"SSH-2.0-a\r\n".to_vec()), (ToClient, b"SSH-1.99-Cisco-1.25\n".to_vec())]);
    assert_eq!(text(&of_kind(&both, "ssh")[0], "ssh.server.proto_version"), "1.99");
    let server = of_kind(&told(&[(ToClient, b"SSH-1.99-Cisco-1.25\n".to_vec())]), "ssh");
    assert_eq!((server.len(), get(&server[0], "ssh.client")), (1, String::new()));
    let old = told(&[(ToClient, b"SSH-1.5-1.2.26\n".to_vec()), (ToServer, b"SSH-1.5-1.2.26\n".to_vec()), (ToClient, vec![0, 0, 1, 3, 9])]);
    assert_eq!(of_kind(&old, "ssh").len(), 1);
    let overrun = told(&[(ToClient, b"Exceeded MaxStartups\r\n".to_vec()), (ToServer, b"SSH-2.0-libssh2_1.11.0\r\n".to_vec())]);
    assert_eq!(of_kind(&overrun, "ssh").len(), 1);
}

#[test]
fn long_and_odd_banners_are_anomalies() {
    let events = |pieces: &[(Direction, Vec<u8>)]| -> Vec<String> {
        of_kind(&told(pieces), "anomaly").iter().map(|l| text(l, "anomaly.event")).collect()
    };
    let long = [&b"SSH-2.0-"[..], &[b'x'; 200], b" ", &[b'y'; 5000], b"\r\n"].concat();
    assert_eq!(events(&[(ToServer, long.clone())]), ["long_banner"]);
    same_wherever_cut(2022, &[(ToServer, &long)]);
    assert_eq!(events(&[(ToServer, b"SSH-2.0\r\n".to_vec())]), ["invalid_banner"]);
    assert_eq!(events(&[(ToServer, b"SSH-2.0-a\r\n\0\xff\xff\xff\0\0\0".to_vec())]), ["invalid_record"]);
}

#[test]
fn real_sessions_are_judged() {
    let Some(captures) = shared("data/captures") else { return };
    let outcomes =
        |file: &str| -> Vec<String> { of_kind(&replay(captures.join(file)), "login").iter().map(|l| text(l, "login.outcome")).collect() };
    for file in ["ssh/single-conn.pcap", "ssh/bypass-ssh-enabled.pcap", "tls_fp/ssh-scp-1050.pcap", "tls_fp/ja4-ssh2.pcapng"] {
        assert_eq!(outcomes(file), ["success"], "{file}");
    }
    let tried = outcomes("brute_force/login_001.pcap");
    assert!(tried.len() >= 40 && tried.iter().all(|o| o == "failure"), "{tried:?}");
    let pieces = conversation(captures.join("ssh/ssh-hassh.pcap"), replay_port(&replay(captures.join("ssh/ssh-hassh.pcap"))));
    same_wherever_cut(22, &borrowed(&pieces[..pieces.len().min(10)]));
}

fn replay_port(lines: &[String]) -> u16 {
    text(&of_kind(lines, "ssh")[0], "src_port").parse().expect("a port")
}

proptest::proptest! {
    #[test]
    fn no_bytes_harm(pieces in proptest::collection::vec((proptest::bool::ANY, proptest::collection::vec(proptest::num::u8::ANY, 0..200)), 0..8), banner in proptest::bool::ANY) {
        let mut all = if banner { vec![(ToServer, b"SSH-2.0-a\r\n".to_vec()), (ToClient, b"SSH-2.0-b\r\n".to_vec())] } else { Vec::new() };
        all.extend(pieces.into_iter().map(|(c, p)| (if c { ToClient } else { ToServer }, p)));
        told(&all);
    }

    #[test]
    fn no_damage_to_a_session_harms(which in 0usize..10, at in 0usize..2000, with in proptest::collection::vec(proptest::num::u8::ANY, 0..20)) {
        let mut pieces = session(&[44, 44, 84, 52]);
        let piece = &mut pieces[which].1;
        let at = at % piece.len();
        let end = (at + with.len()).min(piece.len());
        piece.splice(at..end, with);
        told(&pieces);
    }

    #[test]
    fn turns_do_not_depend_on_cuts(turns in proptest::collection::vec(1usize..3000, 0..12), cut in 1usize..200) {
        let whole = session(&turns);
        let cut: Vec<_> = whole.iter().flat_map(|(d, p)| p.chunks(cut).map(move |c| (*d, c))).collect();
        proptest::prop_assert_eq!(stream(2022, &cut), told(&whole));
    }
}
