//! `cargo xtask semver`: whether the version is high enough for what the libraries break, by cargo-semver-checks.

use std::{
    env,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{root, tool::tool};

/// The release that is installed if there is none.
const VERSION: &str = "0.51.0";

/// The crates that others build upon. The command has no library, and the interfaces for C and Node have their own tests.
const LIBRARIES: [&str; 2] = ["brummer-hub", "brummer-run"];

/// What cargo says of a crate that was never released.
const UNKNOWN: &str = "could not find";

/// Compares with the last release, or with a revision of git.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let baseline = match arguments {
        [] => None,
        [revision] => Some(revision),
        _ => bail!("usage: cargo xtask semver [REVISION]"),
    };
    let mut libraries = Vec::new();
    for library in LIBRARIES {
        if baseline.is_some() || is_released(library)? {
            libraries.extend(["--package", library]);
        } else {
            eprintln!("{library} was never released: there is nothing to compare with");
        }
    }
    if libraries.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let program = tool("cargo-semver-checks", VERSION)?;
    let mut checks = Command::new(&program);
    checks.current_dir(root()).args(["semver-checks", "--all-features"]).args(libraries);
    if let Some(revision) = baseline {
        checks.args(["--baseline-rev", revision]);
    }
    let status = checks.status().with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        status.success(),
        "the libraries break more than the version says, or could not be compared ({status})"
    );
    Ok(ExitCode::SUCCESS)
}

/// Whether the registry has it.
fn is_released(library: &str) -> Result<bool> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut info = Command::new(cargo);
    // Not from within the workspace, where the name is that of the crate itself.
    info.current_dir(env::temp_dir()).args(["info", "--registry", "crates-io", library]);
    let output = info.output().context("cannot run cargo info")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() || said.contains(UNKNOWN), "cannot ask for {library}: {said}");
    Ok(output.status.success())
}
