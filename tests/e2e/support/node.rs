//! The official MCP programs for Node, and a Node new enough for them, installed once from the lock file.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    time::Duration,
};

use tokio::process::Command;

use super::{Home, Instance, is_wine};

/// Time for a whole suite of scenarios.
const SUITE: Duration = Duration::from_secs(300);

/// `tests/node`, ready to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    directory: &'static Path,
}

impl Node {
    /// Installs what is missing. Other tests and other test runs wait for each other. None under Wine, which cannot run
    /// the system's own Node: what it is for is not tested there.
    pub(crate) fn ready() -> Option<Self> {
        if is_wine() {
            eprintln!("skipped: there is no Node under Wine");
            return None;
        }
        static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
        let directory = DIRECTORY.get_or_init(|| {
            let directory = super::repository().join("tests/node");
            let output = std::process::Command::new("node")
                .arg(directory.join("install.mjs"))
                .output()
                .unwrap_or_else(|error| panic!("Node is needed for this test (https://nodejs.org): {error}"));
            assert!(output.status.success(), "tests/node cannot be installed: {output:?}");
            directory
        });
        Some(Self { directory })
    }

    /// A command that runs one of the scripts in `tests/node`.
    pub(crate) fn script(self, name: &str) -> Command {
        let binary =
            if cfg!(windows) { "node_modules/node/bin/node.exe" } else { "node_modules/node/bin/node" };
        let mut command = Command::new(self.directory.join(binary));
        command.arg("--no-warnings").arg(self.directory.join(name)).kill_on_drop(true);
        command
    }

    /// `server-everything` over Streamable HTTP, announced.
    pub(crate) async fn everything(self, home: &Home, name: &str) -> Instance {
        Instance::command(home, name, self.script("everything.mjs"), "/mcp").await
    }

    /// `server-everything` over the transport of 2024-11-05, announced.
    pub(crate) async fn everything_sse(self, home: &Home, name: &str) -> Instance {
        let mut command = self.script("everything.mjs");
        command.arg("sse");
        Instance::command(home, name, command, "/sse").await
    }

    /// A server with all that the conformance suite looks for, announced.
    pub(crate) async fn conformance_server(self, home: &Home, name: &str) -> Instance {
        let command = self.script("conformance-server.mjs");
        Instance::command(home, name, command, "/mcp").await
    }

    /// The same for the era without a handshake.
    pub(crate) async fn conformance_server_modern(self, home: &Home, name: &str) -> Instance {
        let command = self.script("conformance-server-modern.mjs");
        Instance::command(home, name, command, "/mcp").await
    }

    /// Runs a script to its end and returns what it printed on stdout.
    pub(crate) async fn run(self, mut command: Command) -> String {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = match tokio::time::timeout(SUITE, command.output()).await {
            Ok(output) => output.unwrap(),
            Err(_) => panic!("{command:?} takes longer than {SUITE:?}"),
        };
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "{command:?}: {}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
            output.status
        );
        stdout.into_owned()
    }
}
