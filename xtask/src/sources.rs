//! `cargo xtask sources`: real tools that record what they run, from npm, found by a hub, used through it, and killed.

use std::{
    env,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};

use super::root;

/// Builds the command, installs the tools beside the suite, and runs it for those that are named, or for all.
pub(crate) fn run(tools: &[String]) -> Result<ExitCode> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--quiet", "--locked", "-p", "brummer-cli"];
    succeed(Command::new(cargo).current_dir(root()).args(build))?;
    let suite = root().join("tests/sources");
    // What the newest of them ask for, Node itself, comes with them.
    succeed(Command::new("npm").current_dir(&suite).args(["ci", "--silent", "--no-audit", "--no-fund"]))?;
    let this = env::current_exe().context("cannot tell where cargo builds")?;
    let binary = this.with_file_name(format!("brummer-hub{}", env::consts::EXE_SUFFIX));
    succeed(
        Command::new("node").arg(suite.join("sources.mjs")).args(tools).env("BRUMMER_HUB_BINARY", binary),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    ensure!(status.success(), "{:?} failed", command.get_program());
    Ok(())
}
