//! `cargo xtask errors`: how well `run` reads errors from the output of real tools, and the recording of that output.

mod case;
mod record;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::root;

/// Where the recipes and recordings are.
const CORPUS: &str = "brummer-run/tests/corpus";

/// The test that replays the recordings. It prints its figures when [`TABLE`] is set.
const TEST: &str = "detect::corpus::";

/// Asks the test for its figures: `summary`, or `all` for what was missed and what was wrong too.
const TABLE: &str = "BRUMMER_ERRORS_TABLE";

/// Without an argument, prints the figures; `--misses` adds what the visible half gets wrong. `record [NAME…]` runs the
/// tools again.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    if let Some((first, names)) = arguments.split_first()
        && first == "record"
    {
        return record::run(&root().join(CORPUS), names);
    }
    let table = if arguments.iter().any(|argument| argument == "--misses") { "all" } else { "summary" };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut test = Command::new(cargo);
    test.args(["test", "--quiet", "--package", "brummer-run", "--lib", TEST, "--", "--nocapture"]);
    let status = test.current_dir(root()).env(TABLE, table).status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
