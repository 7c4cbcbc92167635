//! `cargo xtask node`: the npm package, tested from what cargo builds.

use std::{
    env::{self, consts},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
};

use anyhow::{Context, Result, ensure};

/// Builds the addon and the command, installs what the suites need, and runs them.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    ensure!(arguments.is_empty(), "`cargo xtask node` takes no arguments");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is inside the workspace")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With an example, everything is built as `cargo test --workspace` does it, and nothing is built twice.
    let example = ["--example", "rmcp-server"];
    let build = ["build", "--quiet", "--locked", "--workspace", "--lib", "--bin", "brummer-hub"];
    succeed(Command::new(cargo).current_dir(root).args(build).args(example))?;
    let tests = root.join("tests/node");
    succeed(Command::new("node").arg(tests.join("install.mjs")))?;
    let [addon, executable] = built()?;
    succeed(
        Command::new("node")
            .current_dir(root)
            .arg("--test")
            .arg(format!("--test-concurrency={}", at_once()))
            .args(suites(&tests.join("api"))?)
            .env("BRUMMER_HUB_ADDON", addon)
            .env("BRUMMER_HUB_BINARY", executable),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// How many suites run at a time: most wait for other processes, so that there may be more than processors.
fn at_once() -> usize {
    2 * thread::available_parallelism().map_or(1, usize::from)
}

/// The addon and the command, beside this program. Named, so that no older release build is taken.
fn built() -> Result<[PathBuf; 2]> {
    let this = env::current_exe().context("cannot tell where cargo builds")?;
    let directory = this.parent().context("a program is in a directory")?;
    let addon = format!("{}brummer_hub_node{}", consts::DLL_PREFIX, consts::DLL_SUFFIX);
    let executable = format!("brummer-hub{}", consts::EXE_SUFFIX);
    Ok([directory.join(addon), directory.join(executable)])
}

/// The files with tests, in the order of their names.
fn suites(directory: &Path) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    let mut suites: Vec<OsString> = files
        .into_iter()
        .filter(|file| file.to_str().is_some_and(|name| name.ends_with(".test.mjs")))
        .map(PathBuf::into_os_string)
        .collect();
    suites.sort();
    ensure!(!suites.is_empty(), "there are no suites in {}", directory.display());
    Ok(suites)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
