//! The project's own chores: `cargo xtask <chore>`.

mod bench;
mod demo;
#[cfg(test)]
mod requirements;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// What is printed when a chore is not known.
const USAGE: &str = "usage: cargo xtask CHORE

  test                        everything that a change must pass
  demo [--release]            the hub's main job, with real servers, from beginning to end
  bench [--quick] [--write]   measures the release binary";

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((chore, rest)) if chore == "demo" => demo::run(rest),
        Some((chore, rest)) if chore == "test" => test::run(rest),
        Some((chore, rest)) if chore == "bench" => bench::run(rest),
        _ => bail!(USAGE),
    }
}
