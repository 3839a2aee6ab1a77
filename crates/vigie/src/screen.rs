//! The terminal: what it can show, and how to write to it without falling over when it goes away.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use vigie_base::text::terminal;
use vigie_pipeline::story::Style;
use vigie_pipeline::{Lang, size_text};

/// Columns where the output is no terminal.
const WIDTH: usize = 80;

/// One line on the error output, made safe for a terminal. Where that is closed, nobody can be told.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "vigie: {}", terminal(line));
}

/// Writes `text` to standard output. A reader that has gone away (`| head`) is no failure.
pub(crate) fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// How to tell a story on standard output.
pub(crate) fn style(lang: Lang, verbose: bool) -> Style {
    let out = io::stdout();
    let terminal = out.is_terminal();
    // See https://no-color.org: present and not empty, whatever its value.
    let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) || std::env::var_os("TERM").is_some_and(|t| t == "dumb");
    let width = terminal.then(|| terminal_size::terminal_size_of(&out)).flatten().map_or(WIDTH, |(w, _)| usize::from(w.0));
    Style { lang, width, colour: terminal && !refused, verbose }
}

/// The language of the locale, else English.
pub(crate) fn locale() -> Lang {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .and_then(|value| Lang::of(&value))
        .unwrap_or_default()
}

/// How far reading is, on a terminal.
pub(crate) struct Progress(Option<(ProgressBar, Lang)>);

impl Progress {
    /// Shown on the error output where that is a terminal, unless `quiet`.
    pub(crate) fn new(quiet: bool, lang: Lang) -> Self {
        if quiet || !io::stderr().is_terminal() {
            return Progress(None);
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Progress(Some((bar, lang)))
    }

    /// `done` of `total` bytes are read; a pipe has no total of its own.
    pub(crate) fn at(&self, done: u64, total: u64) {
        if let Some((bar, lang)) = &self.0 {
            bar.set_length(total);
            bar.set_message(size_text(*lang, done));
            bar.set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((bar, _)) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
