//! `cargo xtask habits`: every habit of servers with every message, and random pairs of habits, with a plain client of the
//! official SDK and with one of the hub. The test does it; here is how it is told what.

use std::{
    env,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::root;

const USAGE: &str = "usage: cargo xtask habits [--update] [--show] [--seed N] [--pairs N] [CELL]

  --update   records what the official client gets, in tests/habits/direct.jsonl
  --show     also prints what fails with both clients, and how
  --seed N   the seed of the pairs [default: 1]
  --pairs N  how many pairs of habits [default: 300; none with CELL]
  CELL       only cells with this in their name, such as `chunked` or `silence at tools/call`";

/// Runs the test that does it.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(["test", "--quiet", "--locked", "-p", "brummer-cli", "--test", "e2e"]);
    command.args(["--", "--ignored", "--exact", "--nocapture", "habits::every_habit_with_every_message"]);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let text = arguments.next().with_context(|| format!("`{argument}` needs a number"))?;
            text.parse::<u64>().with_context(|| format!("`{text}` is not a number"))
        };
        match argument.as_str() {
            "--update" => _ = command.env("BRUMMER_HABITS_UPDATE", "1"),
            "--show" => _ = command.env("BRUMMER_HABITS_SHOW", "1"),
            "--seed" => _ = command.env("BRUMMER_HABITS_SEED", number()?.to_string()),
            "--pairs" => _ = command.env("BRUMMER_HABITS_PAIRS", number()?.to_string()),
            option if option.starts_with('-') => bail!("`{option}` is not known\n{USAGE}"),
            cell => _ = command.env("BRUMMER_HABITS_ONLY", cell),
        }
    }
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
