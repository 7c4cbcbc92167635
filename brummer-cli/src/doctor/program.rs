//! This program, others of its name, and Node.

use std::{path::Path, process::Stdio};

use tokio::{process::Command, time::timeout};

use super::{PATIENCE, report::Report};

const SECTION: &str = "Programs";

/// Node's major version that the npm package needs.
const NODE: u32 = 20;

pub(super) async fn look(report: &mut Report) {
    let own = std::env::current_exe().ok();
    if let Some(own) = &own {
        report.ok(SECTION, format!("this is {}", own.display()));
    }
    for other in which::which_all("brummer-hub").into_iter().flatten() {
        if own.as_deref().is_some_and(|own| same(own, &other)) {
            continue;
        }
        let version = says(&other, "--version").await;
        let version =
            version.as_deref().and_then(|text| text.strip_prefix("brummer-hub ")).map(str::to_owned);
        match version {
            Some(version) if version == env!("CARGO_PKG_VERSION") => {
                report.ok(SECTION, format!("another of the same version is in PATH: {}", other.display()));
            }
            version => report.problem(
                SECTION,
                format!(
                    "another is in PATH: {}, version {}",
                    other.display(),
                    version.as_deref().unwrap_or("unknown")
                ),
                "update or remove one of them, then run `brummer-hub install`",
            ),
        }
    }
    match which::which("node") {
        Ok(node) => {
            let version = says(&node, "--version").await.unwrap_or_default();
            let major =
                version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
            if major.is_some_and(|major| major >= NODE) {
                report.ok(SECTION, format!("Node {version}"));
            } else {
                let advice = "the npm package needs Node 20 or later; the executable alone needs none";
                report.note(SECTION, format!("Node {version}"), Some(advice));
            }
        }
        Err(_) => report.note(SECTION, "Node is not in PATH", Some("only npx and `run` need it")),
    }
    if let Ok(npm) = which::which("npm") {
        report.ok(SECTION, format!("npm {}", says(&npm, "--version").await.unwrap_or_default()));
    }
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// What a program prints for this argument; the first line.
async fn says(program: &Path, argument: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(|line| line.trim().to_owned())
}
