//! Reads captures and sums their frames: `cargo run --release -p vigie-capture --example read_rate -- FILE... [--filter EXPR]`.

use std::path::PathBuf;
use std::process::ExitCode;

use vigie_capture::{Capture, Filter, Options, Status};

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut options = Options::default();
    if let Some(at) = args.iter().position(|a| a == "--filter") {
        let rest = args.split_off(at);
        match Filter::parse(rest.get(1).map_or("", String::as_str)) {
            Ok(filter) => options.filter = Some(filter),
            Err(e) => {
                eprintln!("{e}");
                return ExitCode::FAILURE;
            }
        }
    }
    let paths: Vec<PathBuf> = args.into_iter().map(PathBuf::from).collect();
    let mut capture = Capture::open(&paths, options);
    let mut sum = 0u64;
    while capture.next_batch(&mut |frames| {
        for f in frames {
            sum = sum.wrapping_add(f.data.len() as u64 ^ f.time.0);
        }
    }) == Status::More
    {}
    for problem in capture.problems() {
        println!("{problem}");
    }
    println!("{} sources, sum {sum:x}, {:?}", capture.sources().len(), capture.counters());
    ExitCode::SUCCESS
}
