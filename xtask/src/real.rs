//! `cargo xtask agents`, `cargo xtask zoo` and `cargo xtask projects`: the hub among the real things, installed from npm and PyPI.
//! The programs in `tests/node` do it; versions move and it takes long, so no test needs it.

use std::{
    env::{self, consts},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};

use crate::root;

/// Builds the hub, installs what the programs need themselves, and runs one of them: `agents`, `zoo` or `projects`.
pub(crate) fn run(chore: &str, arguments: &[String]) -> Result<ExitCode> {
    let root = root();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    succeed(Command::new(cargo).current_dir(&root).args([
        "build",
        "--quiet",
        "--locked",
        "-p",
        "brummer-cli",
    ]))?;
    let this = env::current_exe().context("cannot tell where cargo builds")?;
    let directory = this.parent().context("a program is in a directory")?;
    let tests = root.join("tests/node");
    succeed(Command::new("node").arg(tests.join("install.mjs")))?;
    let node = tests.join(format!("node_modules/node/bin/node{}", consts::EXE_SUFFIX));
    let mut program = Command::new(node);
    program.arg("--no-warnings").arg(tests.join(chore).join("run.mjs"));
    program.arg("--hub").arg(directory.join(format!("brummer-hub{}", consts::EXE_SUFFIX)));
    // What is installed is kept, so that the next run has it; `cargo clean` removes it.
    program.arg("--cache").arg(root.join("target").join(chore)).args(arguments);
    let status = program.status().with_context(|| format!("cannot run {program:?}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
