//! `cargo xtask deny`: licences, sources and advisories of all that is linked, by cargo-deny.

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail, ensure};

use crate::root;

/// The release that is installed, in place of which any that is installed already will do.
const VERSION: &str = "0.20.2";

/// What is checked without the database of advisories, which is not in a package registry.
const WITHOUT_DATABASE: [&str; 3] = ["bans", "licenses", "sources"];

/// Runs cargo-deny by `deny.toml`; installs it below `target` if it is not there.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let checks: &[&str] = match arguments {
        [] => &[],
        [flag] if flag == "--no-advisories" => &WITHOUT_DATABASE,
        _ => bail!("`cargo xtask deny` takes no argument but `--no-advisories`"),
    };
    let program = found().map_or_else(install, Ok)?;
    let mut deny = Command::new(&program);
    deny.current_dir(root()).arg("check").args(checks);
    let status = deny.status().with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        status.success(),
        "cargo deny found something, or could not fetch the advisories (then `cargo xtask deny --no-advisories` checks the rest)"
    );
    Ok(ExitCode::SUCCESS)
}

/// Where it is installed by this command.
fn place() -> PathBuf {
    root().join("target/tools")
}

fn found() -> Option<PathBuf> {
    let name = format!("cargo-deny{}", env::consts::EXE_SUFFIX);
    let paths = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&paths).chain([place().join("bin")]);
    directories.map(|directory| directory.join(&name)).find(|file| file.is_file())
}

fn install() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut install = Command::new(cargo);
    // Not from within the workspace, whose configuration is not meant for it.
    install.current_dir(env::temp_dir()).args(["install", "cargo-deny", "--locked", "--version", VERSION]);
    install.arg("--root").arg(place());
    let status = install.status().context("cannot run cargo install")?;
    ensure!(status.success(), "cargo-deny could not be installed");
    found().context("cargo install left no cargo-deny")
}
