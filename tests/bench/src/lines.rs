//! The script whose output is taken: prints lines as fast as it is let, and says how long that took.

use std::{
    fs,
    io::{BufWriter, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// As much as Node and others write at once when they buffer.
const BLOCK: usize = 64 * 1024;

/// Prints this many lines of some 60 bytes, each different, and writes the nanoseconds into a file.
pub(crate) fn run(count: u64, each: bool, report: &Path) -> Result<()> {
    let output = std::io::stdout().lock();
    let started = Instant::now();
    // A line at a time is one write each, as `console.log` does it.
    let mut output = BufWriter::with_capacity(if each { 0 } else { BLOCK }, output);
    let mut line = Vec::with_capacity(128);
    for number in 0..count {
        line.clear();
        writeln!(line, "{number:>10} GET /assets/chunk-{:04} 200 in {} ms", number % 997, number % 31)?;
        output.write_all(&line)?;
    }
    output.flush()?;
    let taken = started.elapsed();
    let draft = report.with_extension("draft");
    fs::write(&draft, taken.as_nanos().to_string())?;
    fs::rename(&draft, report).context("cannot report")
}

/// What a script has reported.
pub(crate) fn read(report: &Path) -> Option<Duration> {
    let text = fs::read_to_string(report).ok()?;
    text.parse().ok().map(Duration::from_nanos)
}
