//! The ring on the loopback interface: real frames, where this process may capture.

use std::net::UdpSocket;
use std::time::{Duration, Instant};
use vigie_base::{Ip, addr::part};
use vigie_capture::{Frame, Live, LiveOptions, Status};

/// Datagrams sent: more than one block holds.
const SENT: u32 = 4_000;

fn open(names: &[&str], rings: usize) -> Option<Vec<Live>> {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    match Live::open(&names, LiveOptions { ring_bytes: 8 << 20, rings, filter: None, canary: 0 }) {
        Ok(live) => Some(live),
        Err(e) if e.to_string().contains("CAP_NET_RAW") => {
            println!("SKIPPED: {e}");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn each_datagram_of_the_loopback_is_seen_once_and_in_order() {
    let Some(mut live) = open(&["lo"], 1).and_then(|mut all| all.pop()) else { return };
    let to = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = to.local_addr().unwrap().port().to_be_bytes();
    let (mut seen, mut sent, mut idle, mut last) = (Vec::new(), 0u32, 0, vigie_base::Time(0));
    let began = Instant::now();
    while (seen.len() < SENT as usize || idle < 2) && began.elapsed() < Duration::from_secs(20) {
        for _ in 0..100 {
            if sent < SENT {
                let mut payload = [0; 400];
                payload[..4].copy_from_slice(&sent.to_be_bytes());
                from.send_to(&payload, to.local_addr().unwrap()).unwrap();
                sent += 1;
            }
        }
        let status = live.next_batch(&mut |frames: &[Frame<'_>]| {
            for f in frames {
                assert!(f.time >= last, "stamps go forward");
                last = f.time;
                // Ethernet, IPv4 without options, UDP.
                if f.data.len() == 14 + 20 + 8 + 400 && f.data[36..38] == port {
                    seen.push(u32::from_be_bytes(f.data[42..46].try_into().unwrap()));
                }
            }
        });
        if let Status::Idle(upto) = status {
            assert!(upto > last || seen.is_empty(), "silence is later than what was given");
            idle += 1;
        }
    }
    assert_eq!(seen, (0..SENT).collect::<Vec<_>>());
    // Counters of the kernel are read once a second.
    let deadline = Instant::now();
    while live.sources().all(|s| s.frames == 0) && deadline.elapsed() < Duration::from_secs(5) {
        live.next_batch(&mut |_: &[Frame<'_>]| {});
    }
    let source = live.sources().next().unwrap();
    assert!(source.frames >= u64::from(SENT), "the kernel counted {} frames", source.frames);
    assert_eq!((source.lost, source.link), (0, vigie_capture::live::Link::Up));
}

#[test]
fn an_interface_that_there_is_none_of_is_one_line_with_those_there_are() {
    let Err(e) = Live::open(&["nosuch0".to_owned()], LiveOptions::default()) else { panic!("opened") };
    let line = e.to_string();
    assert!(line.starts_with("nosuch0: no such interface; there are: ") && line.contains("lo"), "{line}");
}

#[test]
fn each_ring_has_its_part_and_no_frame_is_in_two() {
    const RINGS: usize = 3;
    let Some(mut all) = open(&["lo"], RINGS) else { return };
    assert_eq!(all.len(), RINGS);
    let to = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = to.local_addr().unwrap().port();
    let senders: Vec<UdpSocket> = (1..=60).map(|i| UdpSocket::bind(format!("127.0.7.{i}:0")).unwrap()).collect();
    for from in &senders {
        from.send_to(b"mine", ("127.0.0.1", port)).unwrap();
    }
    let mut seen = Vec::new();
    for (number, live) in all.iter_mut().enumerate() {
        live.ends().at_last();
        let before = seen.len();
        while live.next_batch(&mut |frames: &[Frame<'_>]| {
            for f in frames.iter().filter(|f| f.data.len() == 14 + 20 + 8 + 4 && f.data[36..38] == port.to_be_bytes()) {
                let ip = |at: usize| Ip::v4(f.data[at..at + 4].try_into().unwrap());
                assert_eq!(part(ip(26), ip(30), RINGS as u32), number as u32);
                seen.push(f.data[29]);
            }
        }) != Status::End
        {}
        assert!(seen.len() > before, "ring {number} had nothing");
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=60).collect::<Vec<u8>>());
}
