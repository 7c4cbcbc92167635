//! `cargo xtask bench`: builds the release binary of the hub and the benchmark, and runs the one on the other.

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};

/// The document that `--write` puts the table into.
const DOCUMENT: &str = "docs/PERFORMANCE.md";

/// Runs it. `--write` puts the table into the document; every other argument is the benchmark's own (`--help` lists
/// them).
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask is inside the workspace")?
        .to_owned();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--release", "--package", "brummer-cli", "--package", "brummer-bench", "--bins"];
    let built = Command::new(cargo).args(build).current_dir(&root).status().context("cannot start cargo")?;
    ensure!(built.success(), "the build failed");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target));
    let binary = |name: &str| target.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut bench = Command::new(binary("brummer-bench"));
    if !arguments.iter().any(|argument| argument.starts_with("--hub")) {
        bench.arg("--hub").arg(binary("brummer-hub"));
    }
    for argument in arguments {
        bench.arg(argument);
        if argument == "--write" {
            bench.arg(root.join(DOCUMENT));
        }
    }
    let status = bench.status().context("cannot start the benchmark")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
