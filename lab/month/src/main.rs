//! A council's month, made from a seed: the large store for demonstration and measurement.
//!
//! The ordinary traffic is a model ([`month`]) of some 25,000 devices in 300 buildings; the attacks are the lab's recordings, read by the
//! real sensor and moved to days of the month ([`recorded`]). All events are records of the engine's own types, in their total order,
//! and go the way of an import: inventory, detectors, cases, catalog; packer, journal, Parquet. The dataset is marked as synthetic.
//!
//! The same options give the same events. The attacks must become cases, and nothing else may: the exit code is 1 otherwise.

mod event;
mod month;
mod recorded;
mod rng;
mod world;

use clap::Parser;
use month::{Month, weekday};
use recorded::{DAY, Recorded};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use vigie_base::Time;
use vigie_event::{Batch, Envelope, Out, Record, Row, slot_of};
use vigie_pipeline::Config;
use vigie_sensor::Fold;
use vigie_sensor::batches::{KINDS, schemas};
use vigie_server::{Filed, Made};
use world::World;

/// Makes a month of a council's network and keeps it in a data directory.
#[derive(Parser, Clone, Debug)]
#[command(name = "vigie-month")]
struct Args {
    /// Devices, about.
    #[arg(long, default_value_t = 25_000, value_parser = clap::value_parser!(u64).range(50..=40_000))]
    assets: u64,
    /// Days.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=366))]
    days: u64,
    /// Events kept, about.
    #[arg(long, default_value_t = 20_000_000)]
    events: u64,
    /// What the chance of everything comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The day after the last, at midnight UTC.
    #[arg(long, default_value = "2026-11-29")]
    end: String,
    /// Where to keep it; nothing is kept without.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The dataset.
    #[arg(long, default_value = "month")]
    dataset: String,
    /// The lab's recordings, which the attacks are taken from; none without.
    #[arg(long)]
    recordings: Option<PathBuf>,
    /// Keeps the events and looks for nothing in them: what measures the store alone.
    #[arg(long)]
    keep_only: bool,
}

/// Where events go.
enum End {
    Counted,
    /// Kept by many at once, so that keeping can be timed without making.
    Kept(Box<Made>, Recorded, Spent),
    Judged(Box<Made>),
    #[cfg(test)]
    Seen(Box<dyn FnMut(Row<'_>)>),
}

/// Seconds of processor, and rows kept meanwhile.
#[derive(Default)]
struct Spent {
    seconds: f64,
    rows: u64,
}

/// Rows that are kept at once where keeping is timed.
const CHUNK: usize = 200_000;

/// Seconds of processor that this thread has had (proc_pid_schedstat(5)): what others do on the machine does not count.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// Keeps what is collected; gives whether there is use in more.
fn pour(made: &mut Made, chunk: &mut Recorded, spent: &mut Spent) -> bool {
    let began = processor();
    let mut goes_on = true;
    while goes_on && let Some(row) = chunk.take() {
        spent.rows += u64::from(!row.schema().internal);
        goes_on = made.keep(row);
    }
    spent.seconds += processor() - began;
    chunk.clear();
    goes_on
}

/// Takes events one by one.
struct Sink {
    end: End,
    batches: Vec<Option<Batch>>,
    events: u64,
    rows: u64,
    goes_on: bool,
}

impl Sink {
    fn new(end: End) -> Self {
        Sink { end, batches: schemas().into_iter().map(|s| Some(Batch::new(s))).collect(), events: 0, rows: 0, goes_on: true }
    }

    fn row(&mut self, row: Row<'_>) {
        self.rows += 1;
        self.events += u64::from(!row.schema().internal);
        match &mut self.end {
            End::Counted => {}
            End::Kept(made, chunk, spent) => {
                chunk.row(row);
                if chunk.len() >= CHUNK {
                    self.goes_on = pour(made, chunk, spent);
                }
            }
            End::Judged(made) => self.goes_on = made.row(row),
            #[cfg(test)]
            End::Seen(see) => see(row),
        }
    }

    fn upto(&mut self, now: Time) {
        if let End::Judged(made) = &mut self.end {
            made.upto(now);
        }
    }
}

impl Out for Sink {
    fn push<R: Record>(&mut self, env: &Envelope, record: &R) {
        let slot = const { slot_of(&KINDS, R::KIND) };
        let Some(mut batch) = self.batches[slot].take() else { return };
        batch.clear();
        batch.push(env, record);
        self.row(batch.row(0));
        self.batches[slot] = Some(batch);
    }
}

/// Runs a month of `days` from `start`, with the recordings among it.
fn run(world: &World, start: Time, days: u64, scale: f64, recorded: &mut Recorded, sink: &mut Sink, mut each_day: impl FnMut(u64, &Sink)) {
    let mut month = Month::new(world, start, scale);
    let end = start.plus(days * DAY);
    let mut now = start;
    while now < end && sink.goes_on {
        now = month.pass();
        drain(&mut month, recorded, now, sink);
        if now.0.is_multiple_of(DAY) {
            each_day(now.since(start) / DAY, sink);
        }
    }
    // What has begun ends.
    drain(&mut month, recorded, Time::MAX, sink);
}

fn drain(month: &mut Month<'_>, recorded: &mut Recorded, now: Time, sink: &mut Sink) {
    loop {
        let (made, played) = (month.first(), recorded.first());
        let first = match (made, played) {
            (None, None) => break,
            (a, b) => a.into_iter().chain(b).min(),
        };
        let Some(first) = first.filter(|f| f.0 < now) else { break };
        if played == Some(first) {
            if let Some(row) = recorded.take() {
                sink.row(row);
            }
        } else {
            month.tell(sink);
        }
    }
    sink.upto(now);
}

/// How much of everything gives about so many events, from one day of work and one of rest.
fn scale(world: &World, start: Time, args: &Args) -> f64 {
    let part = 0.02_f64.max(2000.0 / args.assets as f64 / 100.0);
    let count = |day: Time, scale| {
        let mut sink = Sink::new(End::Counted);
        run(world, day, 1, scale, &mut Recorded::default(), &mut sink, |_, _| {});
        sink.events as f64
    };
    let (mut fixed, mut varying) = (0.0, 0.0);
    for rest in [false, true] {
        let days = (0..args.days).map(|d| start.plus(d * DAY)).filter(|d| (weekday(*d) >= 5) == rest);
        let Some(day) = days.clone().next() else { continue };
        let (none, some) = (count(day, 0.0), count(day, part));
        fixed += none * days.clone().count() as f64;
        varying += (some - none) / part * days.count() as f64;
    }
    ((args.events as f64 - fixed) / varying.max(1.0)).max(0.0)
}

fn months(args: &Args) -> Result<ExitCode, String> {
    let end = Time::parse(&args.end).filter(|t| t.0.is_multiple_of(DAY)).ok_or("--end: a day, as 2026-11-29")?;
    let start = Time(end.0.checked_sub(args.days * DAY).ok_or("--end: too early")?);
    let world = World::new(args.assets, args.seed);
    let mut recorded = match &args.recordings {
        Some(dir) => {
            let days: Vec<Time> = (0..args.days).map(|d| start.plus(d * DAY)).filter(|d| weekday(*d) < 5).collect();
            Recorded::read(dir, &days)?
        }
        None => Recorded::default(),
    };
    let scale = scale(&world, start, args);
    println!(
        "{} devices in {} buildings, {} days from {}, seed {}: {scale:.4} of their usual traffic",
        world.assets.len(),
        world.buildings.len() - 1,
        args.days,
        &start.to_string()[..10],
        args.seed
    );
    let name = format!(
        "synthetic month: {} devices, {} days, {} events, seed {}, end {}",
        args.assets, args.days, args.events, args.seed, args.end
    );
    let end = match &args.data {
        None => End::Counted,
        Some(dir) => {
            let made = Box::new(Made::begin(dir, Config::default(), &args.dataset, &name).map_err(|e| e.to_string())?);
            if args.keep_only { End::Kept(made, Recorded::default(), Spent::default()) } else { End::Judged(made) }
        }
    };
    let mut sink = Sink::new(end);
    let began = Instant::now();
    run(&world, start, args.days, scale, &mut recorded, &mut sink, |day, sink| {
        let seconds = began.elapsed().as_secs_f64();
        println!("day {day}: {} events, {seconds:.0} s, {:.0} events/s", sink.events, sink.events as f64 / seconds);
    });
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} events ({} rows, with those for Vigie's own use) in {seconds:.1} s: {:.0} events/s",
        sink.events,
        sink.rows,
        sink.events as f64 / seconds
    );
    match sink.end {
        End::Counted => Ok(ExitCode::SUCCESS),
        #[cfg(test)]
        End::Seen(_) => Ok(ExitCode::SUCCESS),
        End::Kept(mut made, mut chunk, mut spent) => {
            pour(&mut made, &mut chunk, &mut spent);
            let rate = |s: &Spent| format!("{} rows in {:.1} s of processor: {:.0} a second", s.rows, s.seconds, s.rows as f64 / s.seconds);
            println!("packed, journalled, written: {}", rate(&spent));
            let last = processor();
            let filed = made.finish().map_err(|e| e.to_string())?;
            spent.seconds += processor() - last;
            println!("and merged: {}", rate(&spent));
            Ok(told(&filed, &recorded, true))
        }
        End::Judged(made) => {
            let filed = made.finish().map_err(|e| e.to_string())?;
            println!("filed and merged after {:.1} s", began.elapsed().as_secs_f64());
            Ok(told(&filed, &recorded, false))
        }
    }
}

/// Tells the cases, and what of them was not expected or is missing.
fn told(filed: &Filed, recorded: &Recorded, keep_only: bool) -> ExitCode {
    println!("{} events, {} flows, {} assets, {} cases", filed.events, filed.flows, filed.assets, filed.cases.len());
    for (cap, n) in &filed.caps {
        println!("cap reached: {cap} {n} times");
    }
    if keep_only {
        return ExitCode::SUCCESS;
    }
    let known = |d: &String| recorded.expected.iter().any(|e| e.detector == *d) || recorded.allowed.contains(d);
    let mut wrong = 0;
    for (score, title, detectors) in &filed.cases {
        let fits = detectors.iter().all(known);
        wrong += usize::from(!fits);
        println!("{} {score:3} {title} ({})", if fits { "case " } else { "FALSE" }, detectors.join(", "));
    }
    for e in &recorded.expected {
        if !filed.cases.iter().any(|c| c.2.contains(&e.detector)) {
            wrong += 1;
            println!("MISSING {} of {}", e.detector, e.name);
        }
    }
    ExitCode::from(u8::from(wrong > 0))
}

fn main() -> ExitCode {
    months(&Args::parse()).unwrap_or_else(|why| {
        eprintln!("vigie-month: {why}");
        ExitCode::from(2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::path::Path;
    use std::rc::Rc;
    use vigie_base::hash::Stable;

    /// A month's events: a digest of all, and whether they came in their order.
    fn digest(seed: u64) -> (u64, u64, bool) {
        let world = World::new(300, seed);
        let start = Time::parse("2026-11-02").unwrap();
        let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
        let days: Vec<Time> = (0..4).map(|d| start.plus(d * DAY)).collect();
        let mut recorded = Recorded::read(&recordings, &days).unwrap();
        let state = Rc::new(RefCell::new((Stable::default(), 0u64, (Time(0), 0, 0), true)));
        let seen = Rc::clone(&state);
        let mut sink = Sink::new(End::Seen(Box::new(move |row| {
            let mut line = Vec::new();
            vigie_event::eve::write(row, &mut line);
            let mut s = seen.borrow_mut();
            let (hash, e) = (s.0.bytes(&line), row.env());
            let ordered = s.3 && (s.2.0, s.2.1) <= (e.ts, e.flow_id);
            *s = (hash, s.1 + 1, (e.ts, e.flow_id, e.seq), ordered);
        })));
        run(&world, start, 4, 0.05, &mut recorded, &mut sink, |_, _| {});
        let s = state.borrow();
        (s.0.finish(), s.1, s.3)
    }

    #[test]
    fn the_same_seed_gives_the_same_month_in_the_order_of_events() {
        let one = digest(7);
        assert!(one.1 > 20_000 && one.2, "{one:?}");
        assert_eq!(one, digest(7));
        assert_ne!(one.0, digest(8).0);
    }

    #[test]
    fn the_attacks_become_cases_and_nothing_else_does() {
        let dir = std::env::temp_dir().join(format!("vigie-month-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
        let args = Args::parse_from([
            "vigie-month",
            "--assets=400",
            "--days=8",
            "--events=120000",
            "--data",
            dir.to_str().unwrap(),
            "--recordings",
            recordings.to_str().unwrap(),
        ]);
        let code = months(&args).unwrap();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS), "the cases are printed above");
        // The same again is refused, as the same capture is.
        let again = months(&args).unwrap_err();
        assert!(again.contains("already in dataset month"), "{again}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
