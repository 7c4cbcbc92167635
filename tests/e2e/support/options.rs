//! How the tests start the hub.

use std::{path::PathBuf, process::Stdio};

use serde_json::{Value, json};
use tokio::process::Command;

use super::Home;

/// The newest revision that has an `initialize` handshake.
pub(crate) const LATEST: &str = "2025-11-25";

/// How the hub is started. The default is a hub that sees nothing but its test's own directory.
#[derive(Clone, Debug)]
pub(crate) struct HubOptions {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) working_directory: Option<PathBuf>,
    /// Whether `--data-dir` names the test's own directory; without it the hub looks where the environment says.
    pub(crate) own_data: bool,
    pub(crate) capabilities: Value,
    pub(crate) revision: &'static str,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            working_directory: None,
            own_data: true,
            capabilities: json!({
                "roots": { "listChanged": true }, "sampling": {}, "elicitation": {},
            }),
            revision: LATEST,
        }
    }
}

impl HubOptions {
    pub(crate) fn args(arguments: &[&str]) -> Self {
        Self { arguments: arguments.iter().map(ToString::to_string).collect(), ..Self::default() }
    }

    pub(crate) fn capabilities(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    pub(crate) fn revision(mut self, revision: &'static str) -> Self {
        self.revision = revision;
        self
    }

    pub(crate) fn cwd(mut self, directory: PathBuf) -> Self {
        self.working_directory = Some(directory);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.environment.push((key.to_owned(), value.into()));
        self
    }

    /// The command with the environment that MCP clients give: nearly none.
    pub(crate) fn command(&self, home: &Home) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brummer-hub"));
        command.arg("--mcp");
        if self.own_data {
            command.arg("--data-dir").arg(home.data());
        }
        command.args(&self.arguments).env_clear();
        for kept in ["PATH", "SystemRoot", "SystemDrive", "WINDIR"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        let path = home.path();
        command
            .env("HOME", &path)
            .env("USERPROFILE", &path)
            .env("APPDATA", path.join("AppData"))
            .env("LOCALAPPDATA", path.join("AppData"))
            .env("TMPDIR", path.join("tmp"))
            .env("TEMP", path.join("tmp"))
            .env("TMP", path.join("tmp"))
            .envs(self.environment.iter().cloned())
            .current_dir(self.working_directory.clone().unwrap_or_else(|| path.join("cwd")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}
