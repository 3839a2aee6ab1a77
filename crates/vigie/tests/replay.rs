//! `vigie replay` from the outside: exit codes, what is told of bad input, what stands in the files.

mod common;

use common::*;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

fn os(s: &str) -> &OsStr {
    OsStr::new(s)
}

#[test]
fn something_read_is_0() {
    let f = Folder::new("read");
    let capture = f.write("a.pcap", &pcap(&questions(1_700_000_000, 3)));
    let empty = f.write("empty.pcap", &pcap(&[]));
    let done = replay([&capture]).exits(0);
    assert_eq!(done.err, "");
    assert!(done.out.contains("3 frames") && done.out.contains("dns"), "{}", done.out);
    assert!(!done.out.contains('\u{1b}'), "no colours where there is no terminal: {}", done.out);
    replay([os("--strict"), empty.as_os_str(), os("-l"), f.path("o").as_os_str()]).exits(0);
    assert_eq!(frames(&f.path("o/eve.json")), 0);
    assert!(replay([&empty]).exits(0).out.contains("no frame, so no time"));
    // Frames that a filter or the time keeps out were read all the same.
    replay([os("--to"), os("2001-01-01"), capture.as_os_str()]).exits(0);
    replay([os("--filter"), os("host 10.0.0.2"), os("-l"), f.path("o").as_os_str(), capture.as_os_str()]).exits(0);
    assert_eq!(frames(&f.path("o/eve.json")), 1);
}

#[test]
fn nothing_read_is_2() {
    let f = Folder::new("nothing");
    let text = f.write("notes.txt", b"these are notes, and no capture");
    let empty = f.write("empty", b"");
    replay([f.path("absent.pcap")]).exits(2).tells("absent.pcap: cannot be read").tells("check that it exists");
    replay([&text]).exits(2).tells("notes.txt: not a capture").tells("give pcap or pcapng");
    replay([&empty]).exits(2).tells("it is empty");
    replay([&f.0]).exits(2).tells("2 other files");
    replay([os("--each"), text.as_os_str(), empty.as_os_str()]).exits(2);
    // An input that is no capture leaves older outputs alone.
    f.write("o/eve.json", b"{}\n");
    replay([os("-l"), f.path("o").as_os_str(), text.as_os_str()]).exits(2);
    assert_eq!(std::fs::read(f.path("o/eve.json")).unwrap(), b"{}\n");
}

#[test]
fn damage_is_named_with_its_offset() {
    let f = Folder::new("damage");
    let whole = pcap(&questions(1_700_000_000, 5));
    let one = record(&questions(1_700_000_000, 1)[0]).len();
    let cut = f.write("cut.pcap", &whole[..whole.len() - 3]);
    let out = f.path("o");
    let done = replay([os("-l"), out.as_os_str(), cut.as_os_str()]).exits(0).tells("cut.pcap: offset ").tells("cut short");
    let offset = 24 + 4 * one;
    assert!(done.err.contains(&format!("offset {offset}:")), "{offset}: {}", done.err);
    assert_eq!(done.err.lines().count(), 1, "one line a fault: {}", done.err);
    assert_eq!(frames(&out.join("eve.json")), 4);
    replay([os("--strict"), cut.as_os_str()]).exits(3).tells("cut short");
    // A length that no capture has: everything before it was read.
    let mut absurd = whole.clone();
    absurd[24 + 2 * one + 8..24 + 2 * one + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let absurd = f.write("absurd.pcap", &absurd);
    replay([os("-l"), out.as_os_str(), absurd.as_os_str()]).exits(0).tells(&format!("absurd.pcap: offset {}:", 24 + 2 * one));
    assert_eq!(frames(&out.join("eve.json")), 2);
    // Others are read beside it.
    let good = f.write("good.pcap", &whole);
    replay([os("-l"), out.as_os_str(), absurd.as_os_str(), good.as_os_str(), f.path("no").as_os_str()])
        .exits(0)
        .tells("absurd.pcap")
        .tells("no:");
    assert_eq!(frames(&out.join("eve.json")), 7);
    replay([os("--strict"), good.as_os_str(), f.path("no").as_os_str()]).exits(3);
    replay([os("--strict"), os("--each"), good.as_os_str(), cut.as_os_str()]).exits(3);
}

#[test]
fn wrong_options_are_64() {
    let f = Folder::new("options");
    let capture = f.write("a.pcap", &pcap(&questions(1, 1)));
    let run = |args: &[&str]| replay(args.iter().map(OsStr::new).chain([capture.as_os_str()]));
    run(&["--fliter", "tcp"]).exits(64).tells("--filter");
    run(&["--set", "stream.midstrem=true"]).exits(64).tells("unknown key \"stream.midstrem\"").tells("did you mean \"stream.midstream\"");
    run(&["--set", "stream.midstream=maybe"]).exits(64).tells("stream.midstream = maybe").tells("true or false");
    run(&["--set", "stream.midstream"]).exits(64).tells("KEY=VALUE");
    run(&["--set", "vars.address-groups.HOME_NET=[10.0.0.0/40]"]).exits(64).tells("10.0.0.0/40");
    run(&["--set", "flow.max=0"]).exits(64).tells("a number from");
    run(&["--workers", "65"]).exits(64).tells("--workers").tells("from 0 to 64");
    run(&["--filter", "host host"]).exits(64).tells("--filter");
    run(&["--from", "yesterday"]).exits(64).tells("--from yesterday: not a time");
    run(&["--from", "2026-11-25", "--to", "2026-11-24"]).exits(64).tells("not before");
    run(&["--lang", "tlh"]).exits(64).tells("fr or en");
    run(&["--config", "/nonexistent.toml"]).exits(64).tells("/nonexistent.toml: cannot be read");
    replay(Vec::<&str>::new()).exits(64).tells("PATH");
    Done::of(vigie().output().unwrap()).exits(64);
    Done::of(vigie().arg("repaly").output().unwrap()).exits(64).tells("replay");
    let file = f.write("v.toml", b"[stream]\n\nmidstream = true\nasync-onside = true\n");
    let file = file.to_str().unwrap();
    run(&["--config", file]).exits(64).tells("v.toml:4: unknown key \"stream.async-onside\"").tells("stream.async-oneside");
    let file = f.write("w.toml", b"stream.midstream = true\nstream = [\n");
    run(&["--config", file.to_str().unwrap()]).exits(64).tells("w.toml:");
    // What was typed is shown without the bytes that a terminal obeys.
    let done = run(&["--\u{1b}[31mred"]).exits(64);
    assert!(!done.err.contains('\u{1b}'), "{:?}", done.err);
    let done = run(&["--set", "x\u{1b}[31m=1"]).exits(64);
    assert!(!done.err.contains('\u{1b}'), "{:?}", done.err);
}

#[test]
fn outputs_that_cannot_be_written_are_1() {
    let f = Folder::new("unwritable");
    let capture = f.write("a.pcap", &pcap(&questions(1_700_000_000, 8000)));
    let file = f.write("file", b"");
    replay([os("-l"), file.as_os_str(), capture.as_os_str()]).exits(1).tells("cannot be written");
    replay([os("-l"), file.join("below").as_os_str(), capture.as_os_str()]).exits(1).tells("cannot be written");
    // A full disk, by a device that is always full.
    std::fs::create_dir(f.path("full")).unwrap();
    std::os::unix::fs::symlink("/dev/full", f.path("full/eve.json")).unwrap();
    replay([os("-l"), f.path("full").as_os_str(), capture.as_os_str()]).exits(1).tells("full/eve.json: cannot be written (No space left");
    // The same in the middle of a file: what is there is whole lines, and not none.
    let limited = Command::new("sh")
        .args(["-c", "ulimit -f 200; exec \"$0\" replay -l \"$1\" \"$2\""])
        .arg(env!("CARGO_BIN_EXE_vigie"))
        .args([f.path("o"), capture.clone()])
        .output()
        .unwrap();
    Done::of(limited).exits(1).tells("o/eve.json: cannot be written (File too large");
    assert!(lines(&f.path("o/eve.json")).len() > 100);
    // Standard output, too.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = vigie().arg("replay").arg(&capture).stdout(full).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    // Nowhere to complain is no reason to fall over.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = vigie().arg("replay").arg(f.path("absent")).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let f = Folder::new("closed");
    let capture = f.write("a.pcap", &pcap(&questions(1_700_000_000, 100)));
    for args in [vec![os("replay"), capture.as_os_str()], vec![os("config")], vec![os("check")], vec![os("help")]] {
        let mut child = vigie().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
    }
}

/// Gives `vigie replay ARGS -` more frames than a pipe holds, so that it has begun to read when this returns.
fn waiting(args: &[&OsStr]) -> Child {
    let mut child =
        vigie().arg("replay").args(args).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut bytes = pcap(&questions(1_700_000_000, 4000));
    assert!(bytes.len() > 3 * (64 << 10));
    // Ends in the middle of a record.
    bytes.truncate(bytes.len() - 5);
    child.stdin.as_mut().unwrap().write_all(&bytes).unwrap();
    child
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn an_interrupt_closes_what_is_open_and_is_130() {
    let f = Folder::new("interrupt");
    for name in ["INT", "TERM", "HUP"] {
        let out = f.path(name);
        let mut child = waiting(&[os("-l"), out.as_os_str()]);
        signal(&child, name);
        let _open = child.stdin.take();
        let done = Done::of(child.wait_with_output().unwrap()).exits(130).tells("interrupted");
        assert!(!done.err.contains("panicked"));
        assert!(frames(&out.join("eve.json")) > 0);
    }
    let mut child = waiting(&[]);
    signal(&child, "INT");
    let _open = child.stdin.take();
    let done = Done::of(child.wait_with_output().unwrap()).exits(130);
    assert!(done.out.starts_with("PARTIAL"), "{}", done.out);
    let mut child = waiting(&[os("--workers"), os("3"), os("--lang"), os("fr")]);
    signal(&child, "INT");
    let _open = child.stdin.take();
    assert!(Done::of(child.wait_with_output().unwrap()).exits(130).out.starts_with("PARTIEL"));
}

#[test]
fn memory_stays_below_the_plan_that_check_prints() {
    let f = Folder::new("plan");
    let settings = ["--set", "flow.max=2000", "--set", "stream.memcap=1mb", "--set", "dissect.memcap=1mb"];
    let text = Done::of(vigie().arg("check").args(settings).output().unwrap()).exits(0).out;
    let all = text.lines().rev().find(|l| l.contains("In all")).unwrap();
    let plan: u64 = all.split(['(', ' ']).find_map(|w| w.parse().ok()).unwrap();
    let mut args: Vec<&OsStr> = settings.iter().map(|s| os(s)).collect();
    let out = f.path("o");
    args.extend([os("-l"), out.as_os_str()]);
    let mut child = waiting(&args);
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak: u64 =
        status.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap();
    drop(child.stdin.take());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert!(peak > 0 && peak * 1024 < plan, "{peak} KiB of {plan} bytes");
    // The cap was reached, and says so.
    let caps = stats(&out.join("eve.json"));
    assert!(caps["vigie"]["caps_reached"].as_array().unwrap().iter().any(|c| c["name"] == "flow.table"), "{caps}");
}

#[test]
fn standard_input_is_read() {
    let f = Folder::new("stdin");
    let bytes = pcap(&questions(1_700_000_000, 9));
    let capture = f.write("a.pcap", &bytes);
    for input in [bytes, gzip(&std::fs::read(&capture).unwrap())] {
        let mut child = vigie().args(["replay", "-l"]).arg(f.path("o")).arg("-").stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(frames(&f.path("o/eve.json")), 9);
    }
    let file = std::fs::File::open(&capture).unwrap();
    Done::of(vigie().args(["replay", "-"]).stdin(file).output().unwrap()).exits(0);
    // Nothing there.
    Done::of(vigie().args(["replay", "-"]).output().unwrap()).exits(2).tells("-: it is empty");
}

#[test]
fn outputs_are_replaced_and_the_same_every_time() {
    let f = Folder::new("same");
    const FILES: [&str; 3] = ["eve.json", "cases.json", "assets.json"];
    let run = |workers: &str| {
        let out = f.path("o");
        let args = [os("-l"), out.as_os_str(), os("--workers"), os(workers)];
        replay(args.into_iter().map(OsStr::to_owned).chain(testdata().into_iter().map(Into::into))).exits(0);
        FILES.map(|name| std::fs::read(out.join(name)).unwrap())
    };
    for name in FILES {
        f.write(&format!("o/{name}"), &vec![b'x'; 64 << 20]);
    }
    let first = run("1");
    assert!(first.iter().all(|bytes| bytes.starts_with(b"{") && bytes.ends_with(b"}\n")));
    assert!(first == run("1"), "one worker, twice");
    let many = run("4");
    assert!(many == run("4"), "four workers, twice");
    let set = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).unwrap();
        let mut all: Vec<String> = text.lines().filter(|l| !l.contains("\"event_type\":\"stats\"")).map(str::to_owned).collect();
        all.sort();
        all
    };
    for (i, name) in FILES.iter().enumerate() {
        let (one, four) = (set(&first[i]), set(&many[i]));
        let differ = one.iter().zip(&four).find(|(a, b)| a != b);
        assert!(one == four, "{name} changes with the number of workers: {differ:?}");
    }
}

#[test]
fn each_capture_apart() {
    let f = Folder::new("each");
    let a = f.write("x/a.pcap", &pcap(&questions(1, 1)));
    let b = f.write("y/a.pcap", &pcap(&questions(2, 2)));
    f.write("z/c.pcap", &pcap(&questions(3, 3)));
    f.write("z/d.pcapng", &[section(), interface(1), packet(0, 5, &dns(1, 1, "a.example"))].concat());
    let out = f.path("o");
    replay([os("--each"), os("-l"), out.as_os_str(), a.as_os_str(), b.as_os_str(), f.path("z").as_os_str()]).exits(0);
    for (name, n) in [("a.pcap", 1), ("a.pcap-2", 2), ("c.pcap", 3), ("d.pcapng", 1)] {
        assert_eq!(frames(&out.join(name).join("eve.json")), n, "{name}");
    }
    let done = replay([os("--each"), a.as_os_str(), b.as_os_str()]).exits(0);
    assert_eq!(done.out.matches("== ").count(), 2, "{}", done.out);
    replay([os("--each"), a.as_os_str(), f.path("absent").as_os_str()]).exits(0).tells("absent");
}

#[test]
fn rotated_captures_are_one_capture_point() {
    let f = Folder::new("rotated");
    let all = questions(1_700_000_000, 40);
    let (one, two) = all.split_at(20);
    let later = f.write("1.pcap", &pcap(two));
    let earlier = f.write("2.pcap", &pcap(one));
    let whole = f.write("whole.pcap", &pcap(&all));
    replay([os("-l"), f.path("a").as_os_str(), later.as_os_str(), earlier.as_os_str()]).exits(0);
    replay([os("-l"), f.path("b").as_os_str(), whole.as_os_str()]).exits(0);
    assert_eq!(std::fs::read(f.path("a/eve.json")).unwrap(), std::fs::read(f.path("b/eve.json")).unwrap());
}

#[test]
fn odd_frames_and_times_are_counted() {
    let f = Folder::new("odd");
    let out = f.path("o");
    let frame = dns(1, 7, "a.example");
    let len = frame.len() as u32;
    let records = vec![
        Rec::at(0, 0, frame.clone()),
        Rec::at(u32::MAX, 999_999, dns(2, 8, "b.example")),
        // Back in time, and microseconds beyond a second.
        Rec::at(1_000, 5_000_000, dns(3, 9, "c.example")),
        // Cut by the snap length: within the link header, the IP header, the payload; and to nothing.
        Rec(2_000, 0, frame[..10].to_vec(), len),
        Rec(2_000, 1, frame[..20].to_vec(), len),
        Rec(2_000, 2, frame[..50].to_vec(), len),
        Rec(2_000, 3, Vec::new(), len),
        // Shorter on the wire than captured.
        Rec(2_000, 4, dns(4, 10, "d.example"), 4),
        Rec(2_000, 5, frame.clone(), u32::MAX),
    ];
    let n = records.len() as u64;
    let capture = f.write("odd.pcap", &pcap(&records));
    replay([os("-l"), out.as_os_str(), capture.as_os_str()]).exits(0);
    assert_eq!(frames(&out.join("eve.json")), n);
    let events = lines(&out.join("eve.json"));
    let times: Vec<&str> = events.iter().map(|e| e["timestamp"].as_str().unwrap()).collect();
    assert!(times[0].starts_with("1970-01-01T00:00:00"), "{times:?}");
    assert!(times.iter().any(|t| t.starts_with("2106-02-07T06:28:15.999999")), "{times:?}");
    assert!(times.is_sorted(), "{times:?}");
    let story = replay([&capture]).exits(0).out;
    assert!(story.contains("1970-01-01") && story.contains("2106-02-07") && story.contains("earlier"), "{story}");
    // A link type that is not decoded is counted by its name and said.
    let mut usb = pcap_header(220);
    usb.extend(record(&Rec::at(1, 0, vec![0; 64])));
    let usb = f.write("usb.pcap", &usb);
    replay([os("-l"), out.as_os_str(), usb.as_os_str()]).exits(0);
    assert_eq!(stats(&out.join("eve.json"))["vigie"]["link_types"][0]["name"], "USB_LINUX_MMAPPED");
    assert!(replay([&usb]).exits(0).out.contains("link type USB_LINUX_MMAPPED: not decoded"));
}

#[test]
fn pcapng_with_sections_blocks_and_interfaces_unknown() {
    let f = Folder::new("ng");
    let out = f.path("o");
    let one = packet(0, 1_000_000, &dns(1, 1, "a.example"));
    let lost = packet(9, 2_000_000, &dns(2, 2, "b.example"));
    let two = packet(0, 3_000_000, &dns(3, 3, "c.example"));
    let unknown = block(0x0bad_0bad, &[1, 2, 3, 4, 5]);
    let bytes = [section(), interface(1), one, unknown, lost.clone(), section(), lost, interface(1), two].concat();
    let capture = f.write("a.pcapng", &bytes);
    let done = replay([os("-l"), out.as_os_str(), capture.as_os_str()]).exits(0).tells("a.pcapng: offset ").tells("interface");
    assert_eq!(frames(&out.join("eve.json")), 2, "{done:?}");
    replay([os("--strict"), capture.as_os_str()]).exits(3);
    let cut = f.write("cut.pcapng", &bytes[..bytes.len() - 1]);
    replay([os("-l"), out.as_os_str(), cut.as_os_str()]).exits(0).tells("cut.pcapng: offset ").tells("cut short");
    assert_eq!(frames(&out.join("eve.json")), 1);
}

/// Runs on `capture` and a pipe; `change` happens after `capture` was looked at and before it is read.
fn changed_while_read(f: &Folder, capture: &std::path::Path, change: impl FnOnce()) -> Done {
    let pipe = f.path("pipe");
    let _ = std::fs::remove_file(&pipe);
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let child = vigie()
        .args(["replay", "-l"])
        .arg(f.path("o"))
        .args([capture, &pipe])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Opening the pipe waits for the reader, which comes to it after the first file.
    let mut writer = std::fs::File::options().write(true).open(&pipe).unwrap();
    change();
    writer.write_all(&pcap(&questions(1_800_000_000, 1))).unwrap();
    drop(writer);
    Done::of(child.wait_with_output().unwrap())
}

#[test]
fn a_file_that_changes_while_it_is_read() {
    let f = Folder::new("changes");
    let whole = pcap(&questions(1_700_000_000, 10));
    let capture = f.write("a.pcap", &whole);
    let more: Vec<u8> = questions(1_700_000_100, 5).iter().flat_map(record).collect();
    let grown = changed_while_read(&f, &capture, || {
        std::fs::File::options().append(true).open(&capture).unwrap().write_all(&more).unwrap();
    });
    assert_eq!(grown.exits(0).err, "");
    assert_eq!(frames(&f.path("o/eve.json")), 16);
    let shrink = |len: u64| std::fs::File::options().write(true).open(&capture).unwrap().set_len(len).unwrap();
    changed_while_read(&f, &capture, || shrink(200)).exits(0).tells("a.pcap: offset ").tells("cut short");
    std::fs::write(&capture, &whole).unwrap();
    changed_while_read(&f, &capture, || shrink(0)).exits(0).tells("a.pcap");
    std::fs::write(&capture, &whole).unwrap();
    changed_while_read(&f, &capture, || std::fs::remove_file(&capture).unwrap()).exits(0).tells("a.pcap: cannot be read");
    assert_eq!(frames(&f.path("o/eve.json")), 1);
}

#[test]
fn a_folder_with_what_cannot_be_read() {
    let f = Folder::new("folder");
    f.write("in/a.pcap", &pcap(&questions(1, 2)));
    f.write("in/below/b.pcap", &pcap(&questions(2, 3)));
    f.write("in/notes.txt", b"notes");
    std::os::unix::fs::symlink("nowhere", f.path("in/dangling.pcap")).unwrap();
    std::os::unix::fs::symlink("..", f.path("in/below/loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(f.path("in/socket")).unwrap();
    let out = f.path("o");
    let done = replay([os("-l"), out.as_os_str(), f.path("in").as_os_str()]).exits(0);
    let done = done.tells("in/dangling.pcap: cannot be read").tells("2 captures and 3 other files");
    assert_eq!(frames(&out.join("eve.json")), 5, "{done:?}");
    replay([os("--strict"), f.path("in").as_os_str()]).exits(3);
}

#[test]
fn names_that_are_no_text() {
    let f = Folder::new("names");
    let name = OsStr::from_bytes(b"caf\xe9\x1b[31m.pcap");
    let path = f.0.join(name);
    replay([&path]).exits(2).tells("caf\\xe9\\u{1b}[31m.pcap");
    std::fs::write(&path, pcap(&questions(1, 2))).unwrap();
    let done = replay([&path]).exits(0);
    assert!(done.out.replace("\n          ", "").contains("caf\\xe9\\u{1b}[31m.pcap"), "{}", done.out);
    replay([os("--each"), os("-l"), f.path("o").as_os_str(), path.as_os_str()]).exits(0);
    assert_eq!(frames(&f.path("o").join(name).join("eve.json")), 2);
    // Text with a control character is escaped, too.
    let path = f.path("bell\u{7}.pcap");
    let done = replay([&path]).exits(2);
    assert!(!done.err.contains('\u{7}'), "{:?}", done.err);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn packed_captures() {
    let f = Folder::new("packed");
    let plain = pcap(&questions(1_700_000_000, 500));
    let gz = gzip(&plain);
    let zst = zstd::encode_all(&plain[..], 1).unwrap();
    for (name, bytes) in [("plain.pcap", &plain), ("a.pcap.gz", &gz), ("a.pcap.zst", &zst), ("misnamed.txt", &gz)] {
        let capture = f.write(name, bytes);
        let out = f.path("o").join(name);
        replay([os("--strict"), os("-l"), out.as_os_str(), capture.as_os_str()]).exits(0);
        assert_eq!(frames(&out.join("eve.json")), 500, "{name}");
        assert_eq!(std::fs::read(out.join("eve.json")).unwrap(), std::fs::read(f.path("o/plain.pcap/eve.json")).unwrap());
    }
    let cut = f.write("cut.pcap.gz", &gz[..gz.len() / 2]);
    replay([os("-l"), f.path("o").as_os_str(), cut.as_os_str()]).exits(0).tells("cut.pcap.gz: offset ");
    assert!((1..500).contains(&frames(&f.path("o/eve.json"))));
}

#[test]
fn a_decompression_bomb_is_stopped() {
    let f = Folder::new("bomb");
    // 400 MiB of frames of zeros in some 400 KiB.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&pcap_header(1)).unwrap();
    let one = record(&Rec::at(1, 0, vec![0; 262_144]));
    (0..1600).for_each(|_| packer.write_all(&one).unwrap());
    let bomb = f.write("bomb.gz", &packer.finish().unwrap());
    let out = f.path("o");
    replay([os("-l"), out.as_os_str(), bomb.as_os_str()]).exits(0).tells("bomb.gz: offset ");
    let read = frames(&out.join("eve.json"));
    assert!((1..1600).contains(&read), "{read}");
}

#[test]
fn the_story_speaks_the_readers_language() {
    let f = Folder::new("language");
    let capture = f.write("a.pcap", &pcap(&questions(1_700_000_000, 2)));
    let told = |set: &dyn for<'a> Fn(&'a mut Command) -> &'a mut Command| {
        let mut command = vigie();
        command.arg("replay").arg(&capture);
        set(&mut command);
        Done::of(command.output().unwrap()).exits(0).out
    };
    assert!(told(&|c| c).contains("Networks"));
    assert!(told(&|c| c.args(["--lang", "fr"])).contains("Réseaux"));
    assert!(told(&|c| c.env("LANG", "fr_FR.UTF-8")).contains("Réseaux"));
    assert!(told(&|c| c.env("LANG", "fr_FR.UTF-8").env("LC_ALL", "en_GB.UTF-8")).contains("Networks"));
    assert!(told(&|c| c.env("LANG", "de_DE.UTF-8")).contains("Networks"));
    assert!(told(&|c| c.env("LANG", "fr_FR.UTF-8").args(["--lang", "en"])).contains("Networks"));
    assert!(told(&|c| c.arg("--quiet")).is_empty());
}

#[test]
fn the_story_of_every_capture_fits_a_page() {
    let mut all = testdata();
    all.extend(shared("captures/office").into_iter().flat_map(|d| std::fs::read_dir(d).unwrap().map(|e| e.unwrap().path())));
    for capture in all {
        for lang in ["en", "fr"] {
            let out = replay([os("--lang"), os(lang), capture.as_os_str()]).exits(0).out;
            let widest = out.lines().map(|l| l.chars().count()).max().unwrap();
            assert!(widest <= 80 && out.lines().count() <= 70, "{}: {widest} columns, {} lines", capture.display(), out.lines().count());
            assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{}", capture.display());
        }
    }
}

#[test]
fn a_foreign_home_net_is_said() {
    let f = Folder::new("home");
    let capture = f.write("a.pcap", &pcap(&questions(1_700_000_000, 50)));
    let done = replay([os("--set"), os("vars.address-groups.HOME_NET=[192.0.2.0/24]"), capture.as_os_str()]).exits(0);
    assert!(done.out.contains("HOME_NET=[10.0.0.0/24]"), "{}", done.out);
    assert!(!replay([&capture]).exits(0).out.contains("--set"));
}

#[test]
fn no_run_is_ended_by_a_signal() {
    // Damaged captures of the shared set, one process each.
    let Some(folder) = shared("robustness") else { return };
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    all.sort();
    for capture in all.iter().step_by(7) {
        let output = vigie().arg("replay").arg(capture).output().unwrap();
        assert_eq!(output.status.signal(), None, "{}", capture.display());
        Done::of(output).exits_among(&[0, 2]);
    }
}

impl Done {
    #[track_caller]
    fn exits_among(&self, codes: &[i32]) {
        assert!(self.code.is_some_and(|c| codes.contains(&c)) && !self.err.contains("panicked"), "{self:#?}");
    }
}
