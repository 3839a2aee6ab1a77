//! What can no longer be done inside. Each test starts itself again and enters in that process.

use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;

const INSIDE: &str = "VIGIE_SANDBOX_INSIDE";

/// What `test` prints when it is run by itself in a process of its own.
fn inside(test: &str) -> String {
    let me = std::env::current_exe().unwrap();
    let out = Command::new(me).args(["--exact", test, "--nocapture", "--test-threads=1"]).env(INSIDE, "1").output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

fn say(what: &str, can: bool) {
    // One write, to a descriptor that is allowed.
    let _ = std::io::stderr().write_all(format!("{what}: {}\n", if can { "yes" } else { "no" }).as_bytes());
}

/// What /proc says of this process, read before it can no longer be.
fn status() -> impl Fn(&str) -> String {
    let text = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    move |key| text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or("").trim().to_owned()
}

#[test]
fn a_sensor_opens_nothing_and_starts_nothing() {
    if is_inside() {
        let readable = std::fs::File::open("/proc/thread-self/status").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = udp.local_addr().unwrap();
        say("missing", vigie_sandbox::sensor(&[1, 2]).is_err());
        say("open a file", std::fs::File::open("/etc/hostname").is_ok());
        say("write a file", std::fs::write("/tmp/vigie-sandbox-test", "x").is_ok());
        say("list a folder", std::fs::read_dir("/").is_ok());
        say("open a socket", UdpSocket::bind("127.0.0.1:0").is_ok());
        say("connect", TcpStream::connect("127.0.0.1:22").is_ok());
        say("send on a socket that is open", udp.send_to(b"x", at).is_ok());
        say("start a shell", Command::new("/bin/sh").arg("-c").arg("true").status().is_ok());
        say("start a thread", std::thread::Builder::new().spawn(|| ()).is_ok_and(|t| t.join().is_ok()));
        say("read what is open", std::io::Read::read(&mut &readable, &mut [0; 16]).is_ok());
        say("keep memory", vec![1u8; 64 << 20].iter().map(|b| u64::from(*b)).sum::<u64>() == 64 << 20);
        return;
    }
    let said = inside("a_sensor_opens_nothing_and_starts_nothing");
    for cannot in [
        "missing",
        "open a file",
        "write a file",
        "list a folder",
        "open a socket",
        "connect",
        "send on a socket that is open",
        "start a shell",
    ] {
        assert!(said.contains(&format!("{cannot}: no\n")), "{cannot}\n{said}");
    }
    for can in ["start a thread", "read what is open", "keep memory"] {
        assert!(said.contains(&format!("{can}: yes\n")), "{can}\n{said}");
    }
}

#[test]
fn a_server_writes_only_where_it_may() {
    if is_inside() {
        let own = std::env::temp_dir().join(format!("vigie-sandbox-{}", std::process::id()));
        std::fs::create_dir_all(&own).unwrap();
        say("missing", vigie_sandbox::server(&vigie_sandbox::Server { writes: vec![own.clone()] }).is_err());
        let status = status();
        say("capable of raw sockets", u64::from_str_radix(&status("CapEff:"), 16).is_ok_and(|c| c >> 13 & 1 == 1));
        say("given new privileges", status("NoNewPrivs:") != "1");
        say("unfiltered", status("Seccomp:") != "2");
        say("write elsewhere", std::fs::write("/tmp/vigie-sandbox-elsewhere", "x").is_ok());
        say("start a shell", Command::new("/bin/sh").arg("-c").arg("true").status().is_ok());
        say("write its own", std::fs::write(own.join("x"), "x").is_ok());
        say("read a file", std::fs::read("/etc/passwd").is_ok());
        say("listen", TcpListener::bind("127.0.0.1:0").is_ok());
        say("start itself", Command::new("/proc/self/exe").arg("--list").output().is_ok_and(|o| o.status.success()));
        let _ = std::fs::remove_file(own.join("x"));
        return;
    }
    let said = inside("a_server_writes_only_where_it_may");
    for cannot in ["missing", "capable of raw sockets", "given new privileges", "unfiltered", "write elsewhere", "start a shell"] {
        assert!(said.contains(&format!("{cannot}: no\n")), "{cannot}\n{said}");
    }
    for can in ["write its own", "read a file", "listen", "start itself"] {
        assert!(said.contains(&format!("{can}: yes\n")), "{can}\n{said}");
    }
}
