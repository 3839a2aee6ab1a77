use super::*;
use vigie_capture::{Capture, LinkType, Options, Status};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let dir = std::env::temp_dir().join(format!("vigie-packets-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Folder(dir)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const SECOND: u64 = vigie_base::time::SECOND;
const START: u64 = 1_795_564_800 * SECOND;
const ALL: (Time, Time) = (Time(0), Time(u64::MAX));

/// Packets of some flows: of each its number modulo 7, its time, bytes of its own.
fn piece(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for n in numbers {
        let data = vec![n as u8; 60 + (n as usize * 31) % 900];
        let (link, source) = if n.is_multiple_of(11) { (LinkType::RAW, 1) } else { (LinkType::EN10MB, (n % 2) as u16) };
        Kept { flow_id: 100 + n % 7, time: Time(START + n * SECOND / 10), wire_len: 2000, link, source, data: &data }.write(&mut out);
    }
    out
}

fn names() -> Vec<String> {
    ["eth0", "eth1"].map(str::to_owned).to_vec()
}

/// The numbers of the packets that are found of a flow.
fn found(packets: &Packets, flow: u64) -> Vec<u64> {
    match packets.find(&BTreeSet::from([flow]), ALL) {
        Ok(found) => {
            let mut all = Vec::new();
            found
                .each(|name, frame| {
                    let n = (frame.time.0 - START) * 10 / SECOND;
                    assert!(frame.data.len() == 60 + (n as usize * 31) % 900 && frame.data.iter().all(|b| *b == n as u8), "its own bytes");
                    assert_eq!(frame.link, if n.is_multiple_of(11) { LinkType::RAW } else { LinkType::EN10MB });
                    assert_eq!(name, if n.is_multiple_of(11) || n % 2 == 1 { "eth1" } else { "eth0" });
                    all.push(n);
                    true
                })
                .unwrap();
            assert_eq!(all.len() as u64, found.len());
            all
        }
        Err(Lacking::None) => Vec::new(),
        Err(_) => panic!("not found"),
    }
}

fn of_flow(flow: u64, upto: u64) -> Vec<u64> {
    (0..upto).filter(|n| 100 + n % 7 == flow).collect()
}

#[test]
fn packets_are_found_by_their_flow_while_they_are_written_and_after() {
    let folder = Folder::new("found");
    let packets = Packets::open(folder.0.clone());
    assert!(!folder.0.exists(), "nothing is written before there is a packet");
    for n in 0..20 {
        packets.write(&piece(n * 50..(n + 1) * 50), &names()).unwrap();
    }
    (100..107).for_each(|flow| assert_eq!(found(&packets, flow), of_flow(flow, 1000)));
    assert!(found(&packets, 99).is_empty() && found(&packets, 107).is_empty());
    packets.close().unwrap();
    let again = Packets::open(folder.0.clone());
    assert!(again.problems().is_empty());
    assert_eq!(again.bytes(), packets.bytes());
    (100..107).for_each(|flow| assert_eq!(found(&again, flow), of_flow(flow, 1000)));
    // More flows than are searched for one by one.
    let many: BTreeSet<u64> = (0..106).collect();
    assert_eq!(again.find(&many, ALL).ok().unwrap().len(), (100..106).map(|f| of_flow(f, 1000).len() as u64).sum::<u64>());
    // Of another time there are none.
    assert!(matches!(again.find(&many, (Time(0), Time(START - 1))), Err(Lacking::None)));
}

#[test]
fn a_file_is_pcapng_and_spans_no_more_than_it_may() {
    let folder = Folder::new("span");
    let packets = Packets::open(folder.0.clone());
    packets.write(&piece(0..100), &names()).unwrap();
    packets.write(&piece(40_000..40_100), &names()).unwrap();
    packets.close().unwrap();
    let files: Vec<PathBuf> =
        std::fs::read_dir(&folder.0).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "pcapng")).collect();
    assert_eq!(files.len(), 2, "an hour lies between");
    let count: usize = files
        .iter()
        .map(|f| {
            let (mut capture, mut count) = (Capture::open(std::slice::from_ref(f), Options::default()), 0);
            while capture.next_batch(&mut |frames| count += frames.len()) == Status::More {}
            assert!(capture.problems().is_empty());
            count
        })
        .sum();
    assert_eq!(count, 200);
}

#[test]
fn wherever_a_file_is_torn_what_is_whole_before_it_is_kept_and_said() {
    let folder = Folder::new("torn");
    let packets = Packets::open(folder.0.clone());
    packets.write(&piece(0..60), &names()).unwrap();
    let name = std::fs::read_dir(&folder.0).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&name).unwrap();
    drop(packets);
    let mut most = 0;
    for cut in (0..=whole.len()).rev().step_by(173).chain([whole.len(), whole.len() - 1, 3, 0]) {
        let _ = std::fs::remove_dir_all(&folder.0);
        std::fs::create_dir_all(&folder.0).unwrap();
        std::fs::write(&name, &whole[..cut]).unwrap();
        let packets = Packets::open(folder.0.clone());
        let kept: u64 = (100..107).map(|f| found(&packets, f).len() as u64).sum();
        most = most.max(kept);
        if cut == whole.len() {
            assert_eq!((kept, packets.problems()), (60, Vec::new()));
        }
        // In order, none between lost.
        (100..107).for_each(|f| assert_eq!(found(&packets, f), of_flow(f, kept)));
        let aside = std::fs::read_dir(&folder.0).unwrap().any(|e| e.unwrap().path().extension().is_some_and(|e| e == "damaged"));
        assert_eq!(aside, cut < 12 || kept == 0 && !name.exists(), "cut at {cut}");
        // It was mended: the next start has nothing to say but of what is aside.
        assert_eq!(Packets::open(folder.0.clone()).problems().len(), usize::from(aside));
        packets.write(&piece(60..70), &names()).unwrap();
        assert_eq!(found(&packets, 103).last(), Some(&66), "and more is kept");
    }
    assert_eq!(most, 60);
}

#[test]
fn any_bytes_in_the_folder_are_no_harm() {
    let folder = Folder::new("any");
    std::fs::create_dir_all(&folder.0).unwrap();
    let packets = Packets::open(folder.0.clone());
    packets.write(&piece(0..60), &names()).unwrap();
    packets.close().unwrap();
    let of = |kind: &str| {
        std::fs::read_dir(&folder.0).unwrap().map(|e| e.unwrap().path()).find(|p| p.extension().is_some_and(|e| e == kind)).unwrap()
    };
    let (data, index) = (of("pcapng"), of("index"));
    let (whole, told) = (std::fs::read(&data).unwrap(), std::fs::read(&index).unwrap());
    let mut seed = 7u64;
    for _ in 0..400 {
        let (mut one, mut two) = (whole.clone(), told.clone());
        for _ in 0..4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (of_one, of_two) = ((seed >> 33) as usize % one.len(), (seed >> 20) as usize % two.len());
            one[of_one] ^= (seed >> 12) as u8;
            if seed & 1 == 0 {
                two[of_two] ^= (seed >> 4) as u8;
            }
        }
        std::fs::write(&data, &one).unwrap();
        if seed & 2 == 0 {
            std::fs::write(&index, &two).unwrap()
        } else {
            let _ = std::fs::remove_file(&index);
        }
        let packets = Packets::open(folder.0.clone());
        for flow in 100..107 {
            if let Ok(found) = packets.find(&BTreeSet::from([flow]), ALL) {
                let _ = found.each(|_, _| true);
            }
        }
        let _ = std::fs::remove_file(data.with_extension("damaged"));
    }
}

#[test]
fn the_oldest_go_first_by_bytes_and_by_time() {
    let folder = Folder::new("evict");
    let packets = Packets::open(folder.0.clone());
    for n in 0..4 {
        // Each an hour later than the one before: a file of its own.
        packets.write(&piece(n * 40_000..n * 40_000 + 50), &names()).unwrap();
    }
    let all = packets.bytes();
    let (first, bytes) = packets.oldest(1).unwrap();
    assert_eq!(packets.evict(1), Some((first, bytes)));
    assert_eq!(packets.bytes(), all - bytes);
    assert_eq!(found(&packets, 100).first(), Some(&(40_000..).find(|n| n % 7 == 0).unwrap()));
    packets.hold(Time(START + 4_100 * SECOND), 0);
    assert!(found(&packets, 100).first().is_some_and(|n| *n >= 80_000));
    packets.hold(Time(0), bytes + bytes / 2);
    assert!(found(&packets, 100).first().is_some_and(|n| *n >= 120_000));
    assert!(packets.evict(u64::MAX).is_some() && packets.bytes() == 0 && packets.evict(1).is_none() && packets.oldest(1).is_none());
    packets.write(&piece(0..50), &names()).unwrap();
    assert_eq!(found(&packets, 100), of_flow(100, 50));
}

#[test]
fn a_frame_of_two_flows_is_given_once() {
    let folder = Folder::new("two");
    let packets = Packets::open(folder.0.clone());
    let mut out = Vec::new();
    for flow_id in [1, 2] {
        Kept { flow_id, time: Time(START), wire_len: 60, link: LinkType::EN10MB, source: 0, data: &[5; 60] }.write(&mut out);
    }
    packets.write(&out, &names()).unwrap();
    let found = packets.find(&BTreeSet::from([1, 2]), ALL).ok().unwrap();
    let mut count = 0;
    found
        .each(|_, _| {
            count += 1;
            true
        })
        .unwrap();
    assert_eq!((count, found.len()), (1, 2));
}
