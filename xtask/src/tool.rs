//! Tools from crates.io that some chores use: any that is installed will do, else one is installed below `target`.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::root;

/// Where it is; if need be, this version is installed first.
pub(crate) fn tool(name: &str, version: &str) -> Result<PathBuf> {
    found(name).map_or_else(|| install(name, version), Ok)
}

/// Where they are installed by this command.
fn place() -> PathBuf {
    root().join("target/tools")
}

fn found(name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", env::consts::EXE_SUFFIX);
    let paths = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&paths).chain([place().join("bin")]);
    directories.map(|directory| directory.join(&name)).find(|file| file.is_file())
}

fn install(name: &str, version: &str) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut install = Command::new(cargo);
    // Not from within the workspace, whose configuration is not meant for it.
    install.current_dir(env::temp_dir()).args(["install", name, "--locked", "--version", version]);
    install.arg("--root").arg(place());
    let status = install.status().context("cannot run cargo install")?;
    ensure!(status.success(), "{name} could not be installed");
    found(name).with_context(|| format!("cargo install left no {name}"))
}
