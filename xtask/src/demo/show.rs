//! What the person at the terminal sees.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    time::Duration,
};

/// Column at which times stand.
const TIME_COLUMN: usize = 72;

/// Prints steps and facts. When nobody reads any more there is nobody to tell, and the demo goes on.
#[derive(Debug)]
pub(super) struct Show {
    colour: bool,
    steps: u32,
}

impl Show {
    pub(super) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: io::stdout().is_terminal() && !unwanted, steps: 0 }
    }

    pub(super) fn title(&self, text: &str) {
        print(&self.painted("1", text));
    }

    /// A new step of the story.
    pub(super) fn step(&mut self, text: &str) {
        self.steps += 1;
        print(&format!("\n{} {}", self.painted("36", &format!("{:2}", self.steps)), self.painted("1", text)));
    }

    /// Something that turned out as it should, and how long it took.
    pub(super) fn fact(&self, text: &str, took: Option<Duration>) {
        let mark = self.painted("32", "✓");
        let Some(took) = took else { return print(&format!("   {mark} {text}")) };
        let gap = " ".repeat(TIME_COLUMN.saturating_sub(text.chars().count()).max(1));
        print(&format!("   {mark} {text}{gap}{}", self.painted("33", &time(took))));
    }

    /// Something as it was printed or said by a program.
    pub(super) fn quote(&self, text: &str) {
        for line in text.lines() {
            print(&format!("     {}", self.painted("2", line)));
        }
    }

    /// The last lines of a log that says something.
    pub(super) fn log(&self, path: &Path, tail: usize) {
        let text =
            std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        if let Some(name) = path.file_name().filter(|_| !lines.is_empty()) {
            print(&format!("\n{}:", name.display()));
            self.quote(&lines[lines.len().saturating_sub(tail)..].join("\n"));
        }
    }

    /// What was not as it should be.
    pub(super) fn failure(&self, error: &anyhow::Error) {
        print(&format!("\n{} {error:#}", self.painted("31", "The demo failed:")));
    }

    pub(super) fn end(&self, took: Duration) {
        print(&format!("\n{} in {}", self.painted("32", "All as it should be"), time(took).trim_start()));
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn print(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// A time with three figures at most.
pub(super) fn time(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    match milliseconds {
        0.0..10.0 => format!("{milliseconds:5.1} ms"),
        10.0..1000.0 => format!("{milliseconds:5.0} ms"),
        _ => format!("{:5.1} s", time.as_secs_f64()),
    }
}
