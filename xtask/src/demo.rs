//! `cargo xtask demo`: the hub's main job, shown from beginning to end with real servers.
//!
//! It builds the hub and the example server, installs the official `server-everything`, and lets the hub find, connect,
//! call, lose and find again, as an MCP client would see it. Nothing of the machine is touched: doorbell files and
//! projects are in a temporary directory. Whatever is not as it should be ends it with an error, so CI runs it too.

mod build;
mod client;
mod process;
mod show;
mod walk;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, ensure};

use self::{show::Show, walk::Walk};

/// Lines of each log that a failed demo shows.
const TAIL: usize = 20;

/// Runs it.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    ensure!(arguments.iter().all(|argument| argument == "--release"), "usage: cargo xtask demo [--release]");
    let began = Instant::now();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is inside the workspace")?;
    let mut show = Show::new();
    show.title("brummer-hub: one MCP connection to every dev server on this machine");

    show.step("Build the hub and an example server, install the official server-everything");
    let programs = build::programs(root, !arguments.is_empty())?;
    show.fact("ready", Some(began.elapsed()));

    let place =
        tempfile::Builder::new().prefix("brummer-demo-").tempdir().context("no temporary directory")?;
    // macOS keeps it behind a symbolic link; what servers announce and what the demo expects must be the same path.
    let directory = if cfg!(windows) { place.path().to_owned() } else { place.path().canonicalize()? };
    let walked = Walk::start(programs, &directory, &mut show).and_then(Walk::run);
    match walked {
        Ok(()) => {
            show.end(began.elapsed());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            for log in logs(&directory) {
                show.log(&log, TAIL);
            }
            show.failure(&error);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What the hub and the servers have said, in files of the demo's directory.
fn logs(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut logs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    logs
}
