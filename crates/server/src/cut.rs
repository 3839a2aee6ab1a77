//! Packets of flows, cut from kept captures, or found among those kept of live traffic, and written as pcapng.
//!
//! Bounds: [`BYTES_MAX`] bytes and [`TIME_MAX`] for one cut. What is over them ends the download with an error, so that no part is taken for
//! the whole.

use crate::error::Refusal;
use crate::home::Home;
use crate::packets::{Found, Lacking};
use axum::body::Bytes;
use axum::http::StatusCode;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use vigie_base::{Sentence, Time};
use vigie_capture::{Capture, Frame, Interface, LinkType, Mark, Options, write};
use vigie_catalog::{Dataset, Kind, Source};
use vigie_pipeline::config::{PACKETS_KEEP, PacketsKept};
use vigie_sensor::cut::{Wanted, before, cut};

/// Bytes of one cut.
pub(crate) const BYTES_MAX: u64 = 1 << 30;
/// How long one cut may take, its reader's time included.
const TIME_MAX: Duration = Duration::from_secs(300);
/// Bytes of a piece that is sent.
const PIECE: usize = 128 << 10;
/// Captures that one stretch of time may lie in.
const FILES_MAX: usize = 200;
/// Flows named in a file.
const NAMED_MAX: usize = 20;

/// A flow as the store knows it.
pub(crate) struct Flow {
    pub(crate) dataset: String,
    /// The sensor of its events.
    pub(crate) import: String,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) wanted: Wanted,
}

/// Flows of one import that are near each other in time, and what is read for them.
struct Stretch {
    flows: Vec<Wanted>,
    /// Times as the events have them.
    first: Time,
    last: Time,
    files: Vec<(Source, Option<Mark>)>,
}

/// What is cut.
pub(crate) struct Plan {
    pub(crate) dataset: String,
    pub(crate) flows: usize,
    /// Packets that the flows had.
    pub(crate) packets: u64,
    /// What the file is of.
    comment: String,
    from: From,
}

/// Where packets are taken from.
enum From {
    /// Captures of an import, whose times were moved by so much.
    Captures(i64, Vec<Stretch>),
    /// What was kept of live traffic.
    Kept(Found),
}

/// The captures of one import that are kept.
fn kept<'d>(dataset: &'d Dataset, import: &'d str) -> impl Iterator<Item = &'d Source> {
    dataset.sources.iter().filter(move |s| s.import == import && s.kept_as.is_some())
}

fn not_kept(said: Sentence) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "not_kept", said)
}

fn too_large(bytes: u64) -> Refusal {
    let said =
        Sentence::new("packets_large", "its packets have {bytes} bytes, and at most {max} are given at once; ask for one alert or flow");
    Refusal::unprocessable("too_much", said.with("bytes", bytes).with("max", BYTES_MAX))
}

fn too_many(max: usize) -> Refusal {
    let said =
        Sentence::new("packets_files", "its packets are in more than {max} files, which is too much at once; ask for one alert or flow");
    Refusal::unprocessable("too_much", said.with("max", max))
}

/// A time of an event as it was in the capture.
fn written(time: Time, shift: i64) -> Time {
    Time(time.0.saturating_add_signed(shift.saturating_neg()))
}

impl Plan {
    /// Of flows of one dataset: `ids`, of which the store knows `flows`. Errors: the packets are not kept, or too much is asked.
    pub(crate) fn of(home: &Home, title: String, name: String, ids: &BTreeSet<u64>, mut flows: Vec<Flow>) -> Result<Plan, Refusal> {
        let dataset = home.catalog.dataset(&name)?.ok_or_else(|| Refusal::not_found("dataset"))?;
        if dataset.kind == Kind::Live {
            return Plan::live(home, &title, dataset, ids, &flows);
        }
        let asked = flows.len();
        flows.retain(|f| kept(&dataset, &f.import).next().is_some());
        if flows.is_empty() {
            let said = Sentence::new(
                "packets_unkept",
                "the capture that it was read from is not kept in dataset {dataset} (it was not asked for, or room was needed), so that no \
                 packets can be cut from it",
            );
            return Err(not_kept(said.with("dataset", name)));
        }
        let bytes: u64 = flows.iter().map(|f| f.bytes).sum();
        if bytes > BYTES_MAX {
            return Err(too_large(bytes));
        }
        let comment = comment(&title, &dataset, &flows, asked);
        let mut plan = Plan {
            dataset: name,
            flows: flows.len(),
            packets: flows.iter().map(|f| f.packets).sum(),
            comment,
            from: From::Kept(Found::default()),
        };
        let (shift, mut stretches): (i64, Vec<Stretch>) = (dataset.shift, Vec::new());
        let margin = before(&home.told().sensor);
        flows.sort_by(|a, b| (&a.import, a.wanted.first).cmp(&(&b.import, b.wanted.first)));
        let mut of = "";
        for f in &flows {
            match stretches.last_mut() {
                Some(s) if of == f.import && f.wanted.first <= s.last.plus(margin) => {
                    s.last = s.last.max(f.wanted.last);
                    s.flows.push(f.wanted);
                }
                _ => stretches.push(Stretch {
                    flows: vec![f.wanted],
                    first: f.wanted.first,
                    last: f.wanted.last,
                    files: kept(&dataset, &f.import).cloned().map(|s| (s, None)).collect(),
                }),
            }
            of = &f.import;
        }
        for s in &mut stretches {
            let from = Time(written(s.first, shift).0.saturating_sub(margin));
            let to = written(s.last, shift).plus(1000);
            s.files.retain(|(file, _)| file.first <= to && file.last >= from);
            if s.files.len() > FILES_MAX {
                return Err(too_many(FILES_MAX));
            }
            for (file, mark) in &mut s.files {
                *mark = home.catalog.mark_before(&file.sha256, from)?;
            }
        }
        plan.from = From::Captures(shift, stretches);
        Ok(plan)
    }

    /// Of live traffic. A flow that is not over is not in the store, and its packets may be kept all the same.
    fn live(home: &Home, title: &str, dataset: Dataset, ids: &BTreeSet<u64>, flows: &[Flow]) -> Result<Plan, Refusal> {
        let known: BTreeMap<u64, &Flow> = flows.iter().map(|f| (f.wanted.flow_id, f)).collect();
        let time = if ids.iter().all(|id| known.contains_key(id)) {
            let (first, last) = (flows.iter().map(|f| f.wanted.first).min(), flows.iter().map(|f| f.wanted.last).max());
            (first.unwrap_or_default(), last.unwrap_or_default().plus(1000))
        } else {
            (Time(0), Time::MAX)
        };
        let found = match home.packets.find(ids, time) {
            Ok(found) => found,
            Err(Lacking::None) if flows.is_empty() => {
                return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", why_none(&home.told().packets)));
            }
            Err(Lacking::None) => return Err(not_kept(why_none(&home.told().packets))),
            Err(Lacking::TooMuch(files)) => return Err(too_many(files)),
            Err(Lacking::Fault(why)) => return Err(Refusal::internal(why)),
        };
        if found.bytes > BYTES_MAX {
            return Err(too_large(found.bytes));
        }
        let mut comment = format!("{title} of live traffic; what was kept of it");
        for (id, kept) in found.flows.iter().take(NAMED_MAX) {
            comment += &match known.get(id) {
                Some(f) => format!("\n{}, {kept} of {} packets", named(f), f.packets),
                None => format!("\nflow {id}: not over, {kept} packets"),
            };
        }
        if found.flows.len() > NAMED_MAX {
            comment += &format!("\nand {} more flows", found.flows.len() - NAMED_MAX);
        }
        Ok(Plan { dataset: dataset.name, flows: found.flows.len(), packets: found.len(), comment, from: From::Kept(found) })
    }
}

/// Why there are no packets of live traffic, and what to do.
fn why_none(told: &PacketsKept) -> Sentence {
    let said = match (told.begins, told.cases) {
        (false, false) => Sentence::new(
            "packets_off",
            "packets of live traffic are not kept: {key} is off; set it to first, cases or both in the configuration",
        ),
        (true, false) => Sentence::new(
            "packets_first",
            "none of its packets is kept: {key} keeps the first {first} bytes of each flow, for {days} days (packets.days) and as long as \
             packets.size and store.quota leave room",
        ),
        (false, true) => Sentence::new(
            "packets_cases",
            "none of its packets is kept: {key} keeps those between the machines of a case, about the time at which it was told, for {days} \
             days (packets.days) and as long as packets.size and store.quota leave room",
        ),
        (true, true) => Sentence::new(
            "packets_both",
            "none of its packets is kept: {key} keeps the first {first} bytes of each flow, and those between the machines of a case, about \
             the time at which it was told, for {days} days (packets.days) and as long as packets.size and store.quota leave room",
        ),
    };
    said.with("key", PACKETS_KEEP).with("first", told.first).with("days", told.days)
}

/// A flow in a line.
fn named(f: &Flow) -> String {
    let w = &f.wanted;
    let proto = vigie_event::proto_name(w.proto).unwrap_or("IP");
    format!("flow {}: {proto} {} {} to {} {}", w.flow_id, w.ends.0, w.ports.0, w.ends.1, w.ports.1)
}

/// What stands at the head of the file.
fn comment(title: &str, dataset: &Dataset, flows: &[Flow], asked: usize) -> String {
    let mut out = format!("{title} of dataset {}", dataset.name);
    if dataset.shift != 0 {
        out += &format!("; times are those of the dataset: the capture's own, moved by {} s", dataset.shift as f64 / 1e9);
    }
    if flows.len() < asked {
        out += &format!("; {} further flows are of captures that are not kept", asked - flows.len());
    }
    for f in flows.iter().take(NAMED_MAX) {
        out += &format!("\n{}, {} packets", named(f), f.packets);
    }
    if flows.len() > NAMED_MAX {
        out += &format!("\nand {} more flows", flows.len() - NAMED_MAX);
    }
    out
}

/// Where pieces go.
struct Sink<'s> {
    buffer: Vec<u8>,
    sent: u64,
    until: Instant,
    runtime: &'s Handle,
    give: &'s Sender<Bytes>,
    failed: Option<String>,
}

impl Sink<'_> {
    /// Sends what is there, once it is worth it.
    fn push(&mut self, least: usize) {
        if self.failed.is_some() || self.buffer.len() < least {
            return;
        }
        self.sent += self.buffer.len() as u64;
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        let left = self.until.saturating_duration_since(Instant::now());
        let sent = self.runtime.block_on(tokio::time::timeout(left, self.give.send(piece)));
        self.failed = match sent {
            Ok(Ok(())) if self.sent > BYTES_MAX => Some(format!("more than {BYTES_MAX} bytes")),
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some("the reader left".to_owned()),
            Err(_) => Some(format!("it takes longer than {} s", TIME_MAX.as_secs())),
        };
    }

    fn goes_on(&mut self) -> bool {
        if self.failed.is_none() && Instant::now() > self.until {
            self.failed = Some(format!("it takes longer than {} s", TIME_MAX.as_secs()));
        }
        self.failed.is_none() && !self.give.is_closed()
    }
}

/// Does what is planned and gives the file piece by piece; why it is not whole, where it is not. Nothing is given where there is no packet.
pub(crate) fn run(home: &Home, plan: &Plan, runtime: &Handle, give: &Sender<Bytes>) -> Result<(), String> {
    let until = Instant::now() + TIME_MAX;
    let sink = std::cell::RefCell::new(Sink { buffer: Vec::new(), sent: 0, until, runtime, give, failed: None });
    write::section(concat!("Vigie ", env!("CARGO_PKG_VERSION")), &plan.comment, &mut sink.borrow_mut().buffer);
    let (shift, stretches) = match &plan.from {
        From::Captures(shift, stretches) => (*shift, stretches),
        From::Kept(found) => return given(found, sink),
    };
    let mut interfaces: BTreeMap<(String, LinkType), u32> = BTreeMap::new();
    let (mut frames, mut problem) = (0, None);
    for stretch in stretches {
        let files =
            stretch.files.iter().filter_map(|(file, mark)| Some((file.sha256.clone(), home.capture(file.kept_as.as_ref()?), *mark)));
        let mut capture = Capture::open_at(files.collect(), Options { shift, ..Options::default() });
        let sources = capture.sources().to_vec();
        let since = stretch.files.iter().filter_map(|(_, mark)| *mark).map(|m| m.time).max().unwrap_or_default();
        let since = if since == Time(0) { since } else { Time(since.0.saturating_add_signed(shift)) };
        let found = cut(
            &mut capture,
            &home.told().sensor,
            &stretch.flows,
            since,
            &mut |frame: &Frame<'_>| {
                let mut sink = sink.borrow_mut();
                let source = sources.get(usize::from(frame.source));
                let key = (source.map(|s| s.name.clone()).unwrap_or_default(), frame.link);
                let next = interfaces.len() as u32;
                let number = *interfaces.entry(key).or_insert_with_key(|(sha256, link)| {
                    let known = source.and_then(|s| s.interfaces.iter().find(|i| i.link == *link)).cloned();
                    let described = known.unwrap_or(Interface { name: String::new(), link: *link, snaplen: 0, fcs: None });
                    let name = stretch.files.iter().find(|(f, _)| f.sha256 == *sha256).map_or("", |(f, _)| &f.name);
                    write::interface(&described, &format!("from {name}, SHA-256 {sha256}"), &mut sink.buffer);
                    next
                });
                write::packet(number, frame, "", &mut sink.buffer);
                sink.push(PIECE);
            },
            || if sink.borrow_mut().goes_on() { vigie_sensor::Control::Go } else { vigie_sensor::Control::Stop },
        );
        frames += found.frames;
        problem = problem.or_else(|| capture.problems().first().map(ToString::to_string));
    }
    let mut sink = sink.into_inner();
    if frames == 0 && sink.failed.is_none() {
        let why = problem.unwrap_or_else(|| "they were read with other settings (VLANs, tunnels) then".to_owned());
        return Err(format!("no packet of it was found in the kept captures: {why}"));
    }
    sink.push(0);
    sink.failed.map_or(Ok(()), Err)
}

/// Gives what was kept of live traffic.
fn given(found: &Found, sink: std::cell::RefCell<Sink<'_>>) -> Result<(), String> {
    let mut sink = sink.into_inner();
    let mut interfaces: BTreeMap<(String, LinkType), u32> = BTreeMap::new();
    let read = found.each(|name, frame| {
        let next = interfaces.len() as u32;
        let number = *interfaces.entry((name.to_owned(), frame.link)).or_insert_with_key(|(name, link)| {
            write::interface(&Interface { name: name.clone(), link: *link, snaplen: 0, fcs: None }, "", &mut sink.buffer);
            next
        });
        write::packet(number, frame, "", &mut sink.buffer);
        sink.push(PIECE);
        sink.goes_on()
    });
    sink.push(0);
    sink.failed.map_or(Ok(()), Err).and(read.map_err(|e| e.to_string()))
}
