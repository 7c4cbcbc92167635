//! `cargo xtask shared`: real servers that speak only stdio, from npm and PyPI, each shared by three hubs.

use std::{
    env,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail, ensure};

use super::root;

/// Builds the command, installs the servers beside the suite, and runs it.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let calls = match arguments {
        [] => "500",
        [option, calls] if option == "--calls" => calls,
        _ => bail!("usage: cargo xtask shared [--calls N]"),
    };
    ensure!(calls.parse::<u32>().is_ok_and(|calls| calls > 0), "--calls takes a number");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    succeed(Command::new(cargo).current_dir(root()).args([
        "build",
        "--quiet",
        "--locked",
        "-p",
        "brummer-cli",
    ]))?;
    let suite = root().join("tests/shared");
    succeed(Command::new("npm").current_dir(&suite).args(["ci", "--silent", "--no-audit", "--no-fund"]))?;
    if !suite.join(".venv").is_dir() {
        succeed(Command::new("python3").current_dir(&suite).args(["-m", "venv", ".venv"]))?;
    }
    let pip = Path::new(".venv/bin/pip");
    succeed(Command::new(suite.join(pip)).current_dir(&suite).args([
        "install",
        "--quiet",
        "-r",
        "requirements.txt",
    ]))?;
    let this = env::current_exe().context("cannot tell where cargo builds")?;
    let binary = this.with_file_name(format!("brummer-hub{}", env::consts::EXE_SUFFIX));
    succeed(Command::new("node").arg(suite.join("shared.mjs")).arg(calls).env("BRUMMER_HUB_BINARY", binary))?;
    Ok(ExitCode::SUCCESS)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    ensure!(status.success(), "{:?} failed", command.get_program());
    Ok(())
}
