//! The library's examples, run as a person would.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::OnceLock,
};

use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::support::{Home, Hub, HubOptions, Node, expect, is_wine, repository};

/// A running example, killed on drop.
struct Example {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Example {
    fn run(home: &Home, name: &str) -> Self {
        Self::run_with(home, name, &[])
    }

    fn run_with(home: &Home, name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(directory().join(format!("{name}{}", std::env::consts::EXE_SUFFIX)));
        command.env("BRUMMER_DATA_DIR", home.data()).current_dir(home.project(name)).kill_on_drop(true);
        command.args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin: child.stdin.take(), child, lines }
    }

    /// The next line that begins so, without its beginning.
    async fn line(&mut self, beginning: &str) -> String {
        expect(beginning, async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("it ended without `{beginning}`"));
                if let Some(rest) = line.strip_prefix(beginning) {
                    return rest.to_owned();
                }
            }
        })
        .await
    }

    /// Presses Ctrl-C and waits for the end.
    #[cfg(unix)]
    async fn interrupt(mut self) -> ExitStatus {
        crate::support::signal(self.child.id().unwrap(), rustix::process::Signal::INT);
        self.end().await
    }

    async fn end(&mut self) -> ExitStatus {
        expect("the example ends", self.child.wait()).await.unwrap()
    }
}

/// Where the examples are. They belong to another package than this test, so that a run of this one may have to build them.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let profile = Path::new(env!("CARGO_BIN_EXE_brummer-hub")).parent().unwrap();
        if is_wine() {
            // It cannot run cargo; a test of the whole workspace has built them before.
            return profile.join("examples");
        }
        let name = match profile.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let status = std::process::Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            // As `cargo test --workspace` builds them, so that nothing is built twice.
            .args(["build", "--quiet", "--workspace", "--examples"])
            .args(["--profile", name])
            .arg("--target-dir")
            .arg(profile.parent().unwrap())
            .current_dir(repository())
            .status()
            .unwrap();
        assert!(status.success(), "the examples do not build");
        profile.join("examples")
    })
}

#[tokio::test]
async fn a_program_announces_itself_and_another_sees_it() {
    let home = Home::new();
    let mut embed = Example::run(&home, "embed");
    embed.line("watching").await;
    let mut register = Example::run(&home, "register");
    let id = register.line("announced as ").await;
    assert!(home.file(&id).exists());
    embed.line("register: appeared, port ").await;
    drop(register.stdin.take());
    assert!(register.end().await.success());
    assert!(!home.file(&id).exists());
    embed.line("register: gone").await;
    #[cfg(unix)]
    assert!(embed.interrupt().await.success());
}

#[tokio::test]
async fn a_program_serves_tools_as_an_instance() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let mut instance = Example::run(&home, "instance");
    let line = instance.line("").await;
    let (id, url) = line.split_once(" serves at http://127.0.0.1:").unwrap();
    assert!(url.ends_with("/mcp"), "{line}");
    let entry = hub.active(id).await;
    assert_json!(entry, "/name", "counter");
    let added = |number: i64| {
        let arguments = json!({ "instance_id": id, "tool": "add", "arguments": { "number": number } });
        hub.call("instances_call", arguments)
    };
    assert_json!(added(2).await.ok(), "/structuredContent", { "total": 2 });
    assert_json!(added(40).await.ok(), "/structuredContent", { "total": 42 });
    assert_json!(added(0).await.ok(), "/content/0/text", "adding 0 changes nothing");
    let count = hub.call("instances_call", json!({ "instance_id": id, "tool": "count" })).await.ok();
    assert_json!(count, "/content/0/text", "counted to 10");
    #[cfg(unix)]
    {
        let file = home.file(id);
        assert!(instance.interrupt().await.success());
        assert!(!file.exists());
    }
    #[cfg(not(unix))]
    drop(instance);
    hub.gone(id).await;
    hub.end_quietly().await;
}

/// What one check of a conformance scenario said.
#[derive(Debug, Deserialize)]
struct Check {
    scenario: String,
    check: String,
    status: String,
    message: Option<String>,
}

/// An `InstanceServer` passes all scenarios of the official suites that apply to it, in both eras.
#[tokio::test]
async fn an_instance_passes_the_official_conformance_suites() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let mut everything = Example::run_with(&home, "everything", &["--no-token"]);
    let line = everything.line("{\"port\":").await;
    let port = line.split(',').next().unwrap();
    let mut failed = Vec::new();
    for (suite, options, least) in [
        ("conformance", ["--suite", "all"], 32),
        ("conformance-modern", ["--requirements", "2025-11-25"], 33),
        ("conformance-modern", ["--requirements", "2026-07-28"], 40),
    ] {
        let mut command = node.script("conformance-one.mjs");
        command.arg(suite).arg(format!("http://127.0.0.1:{port}/mcp")).args(options);
        let mut checks: Vec<Check> = serde_json::from_str(&node.run(command).await).unwrap();
        // An extension that it does not announce.
        checks.retain(|check| !check.scenario.starts_with("tasks-"));
        let scenarios: BTreeSet<_> = checks.iter().map(|check| check.scenario.clone()).collect();
        assert!(scenarios.len() >= least, "{suite} {options:?} has more scenarios: {scenarios:?}");
        for Check { scenario, check, status, message } in checks {
            if !matches!(status.as_str(), "SUCCESS" | "INFO") {
                failed.push(format!("{suite} {options:?} {scenario} {check}: {status} {message:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
