//! The programs that the demo runs, built or installed if need be.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Where everything is.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// The hub.
    pub(super) hub: PathBuf,
    /// The example server on the official Rust SDK.
    pub(super) rmcp_server: PathBuf,
    /// The official test server, to be run by Node.
    pub(super) everything: PathBuf,
}

/// Builds with cargo and installs with npm; both do nothing when all is there.
pub(super) fn programs(root: &Path, release: bool) -> Result<Programs> {
    let everything = everything(root)?;
    let mut built = build(root, release)?;
    let mut take = |name: &str| built.remove(name).with_context(|| format!("cargo has built no `{name}`"));
    Ok(Programs { hub: take("brummer-hub")?, rmcp_server: take("rmcp-server")?, everything })
}

/// Builds and returns the executables by name: cargo itself says where they are.
fn build(root: &Path, release: bool) -> Result<HashMap<String, PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        // As `cargo test --workspace` builds them, so that nothing is built twice.
        .args(["build", "--workspace", "--bin", "brummer-hub", "--example", "rmcp-server"])
        .arg("--message-format=json-render-diagnostics")
        .args(release.then_some("--release"))
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "the build failed");
    let executable = |line: &[u8]| {
        let message: Value = serde_json::from_slice(line).ok()?;
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, message["executable"].as_str()?.into()))
    };
    Ok(output.stdout.split(|byte| *byte == b'\n').filter_map(executable).collect())
}

/// Installs what the tests' lock file names, and returns the script of server-everything.
fn everything(root: &Path) -> Result<PathBuf> {
    let directory = root.join("tests").join("node");
    let installed = Command::new("node")
        .arg(directory.join("install.mjs"))
        .stdin(Stdio::null())
        .status()
        .context("cannot start `node`; the demo needs Node 20 or later (https://nodejs.org)")?;
    ensure!(installed.success(), "npm could not install server-everything");
    let script = ["node_modules", "@modelcontextprotocol", "server-everything", "dist", "index.js"];
    Ok(directory.join(script.iter().collect::<PathBuf>()))
}
