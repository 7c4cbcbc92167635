//! `cargo xtask deny`: licences, sources and advisories of all that is linked, by cargo-deny.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::{root, tool::tool};

/// The release that is installed if there is none.
const VERSION: &str = "0.20.2";

/// What is checked without the database of advisories, which is not in a package registry.
const WITHOUT_DATABASE: [&str; 3] = ["bans", "licenses", "sources"];

/// Runs cargo-deny by `deny.toml`.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let checks: &[&str] = match arguments {
        [] => &[],
        [flag] if flag == "--no-advisories" => &WITHOUT_DATABASE,
        _ => bail!("`cargo xtask deny` takes no argument but `--no-advisories`"),
    };
    let program = tool("cargo-deny", VERSION)?;
    let mut deny = Command::new(&program);
    deny.current_dir(root()).arg("check").args(checks);
    let status = deny.status().with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        status.success(),
        "cargo deny found something, or could not fetch the advisories (then `cargo xtask deny --no-advisories` checks the rest)"
    );
    Ok(ExitCode::SUCCESS)
}
