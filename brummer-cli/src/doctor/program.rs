//! This program, others of its name, and Node.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{process::Command, time::timeout};

use super::{MOMENT, report::Report};

const SECTION: &str = "Programs";

/// Node's major version that the npm package needs.
const NODE: u32 = 20;

pub(super) async fn look(report: &mut Report) {
    let own = std::env::current_exe().ok();
    if let Some(own) = &own {
        report.ok(SECTION, format!("this is {}", own.display()));
    }
    let others = which::which_all("brummer-hub").into_iter().flatten();
    let others = others.filter(|other| own.as_deref().is_none_or(|own| !same(own, other)));
    // All at once: one that does not answer costs its time once.
    let others: Vec<_> = others.map(|other| (other.clone(), tokio::spawn(says(other)))).collect();
    let [node, npm] = ["node", "npm"].map(|name| which::which(name).ok().map(|it| tokio::spawn(says(it))));
    for (other, said) in others {
        let said = said.await.unwrap_or(Said::Nothing);
        let version = match &said {
            Said::Text(text) => text.strip_prefix("brummer-hub ").unwrap_or("unknown"),
            Said::Nothing => "unknown",
            Said::TooLate => "unknown: it does not say it in time",
        };
        if version == env!("CARGO_PKG_VERSION") {
            report.ok(SECTION, format!("another of the same version is in PATH: {}", other.display()));
        } else {
            report.problem(
                SECTION,
                format!("another is in PATH: {}, version {version}", other.display()),
                "update or remove one of them, then run `brummer-hub install`",
            );
        }
    }
    match node {
        None => report.note(SECTION, "Node is not in PATH", Some("only npx and `run` need it")),
        Some(said) => match said.await.unwrap_or(Said::Nothing) {
            Said::TooLate => silent("Node", report),
            said => {
                let version = said.text();
                let major = version.trim_start_matches('v').split('.').next();
                if major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= NODE) {
                    report.ok(SECTION, format!("Node {version}"));
                } else {
                    let advice = "the npm package needs Node 20 or later; the executable alone needs none";
                    report.note(SECTION, format!("Node {version}"), Some(advice));
                }
            }
        },
    }
    if let Some(said) = npm {
        match said.await.unwrap_or(Said::Nothing) {
            Said::TooLate => silent("npm", report),
            said => report.ok(SECTION, format!("npm {}", said.text())),
        }
    }
}

/// Says that a program has not answered, and what it may wait for.
fn silent(name: &str, report: &mut Report) {
    let advice =
        super::waited_for().unwrap_or_else(|| format!("`{name} --version` in this directory shows more"));
    report.problem(SECTION, format!("{name} does not say its version within {MOMENT:?}"), &advice);
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// What a program says of its version.
enum Said {
    Text(String),
    Nothing,
    TooLate,
}

impl Said {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Nothing | Self::TooLate => String::new(),
        }
    }
}

/// The first line that a program prints of its version.
async fn says(program: PathBuf) -> Said {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match timeout(MOMENT, command.output()).await {
        Err(_) => Said::TooLate,
        Ok(Err(_)) => Said::Nothing,
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .map_or(Said::Nothing, |line| Said::Text(line.trim().to_owned())),
    }
}
