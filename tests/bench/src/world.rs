//! What the measurements happen in: a directory for doorbells, bench servers, and the hub's binary.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio as Pipe},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    process::{self, Guard},
    stdio::Stdio,
};

/// A doorbell directory of its own, empty at first.
pub(crate) struct World {
    directory: TempDir,
}

/// A process of bench servers.
pub(crate) struct Servers {
    pub(crate) guard: Guard,
    pub(crate) ports: Vec<u16>,
    /// They end when this closes.
    _stdin: ChildStdin,
}

/// A doorbell that is written and only needs to be renamed.
pub(crate) struct Prepared {
    from: PathBuf,
    to: PathBuf,
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("brummer-bench-").tempdir()?;
        for name in ["instances", "temp"] {
            fs::create_dir(directory.path().join(name))?;
        }
        Ok(Self { directory })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a doorbell beside its place. Each has a project directory of its own, or it would replace the others.
    pub(crate) fn prepare(&self, id: &str, pid: u32, port: u16) -> Result<Prepared> {
        let started = "2025-01-01T00:00:00Z";
        let doorbell = json!({
            "id": id, "pid": pid, "path": self.path().join("projects").join(id), "port": port, "name": id,
            "started": started, "last_seen": started, "has_package_json": false,
        });
        let from = self.path().join("temp").join(format!("{id}.json"));
        fs::write(&from, doorbell.to_string())?;
        Ok(Prepared { from, to: self.path().join("instances").join(format!("{id}.json")) })
    }

    pub(crate) fn announce(&self, id: &str, pid: u32, port: u16) -> Result<()> {
        self.prepare(id, pid, port)?.rename()
    }

    /// Shares a stdio server, under this name and id, until the guard is dropped.
    pub(crate) fn share(&self, binary: &Path, name: &str, server: &Command) -> Result<Guard> {
        let mut command = process::isolated(binary, self.path());
        command.args(["register", "--stdio", "--id", name, "--name", name, "--data-dir"]).arg(self.path());
        command.arg("--path").arg(self.path()).arg("--");
        command.arg(server.get_program()).args(server.get_args());
        command.stdin(Pipe::null()).stderr(Pipe::null());
        process::watch(command)
    }

    /// A hub that looks into this directory, initialized, and how long its start took.
    pub(crate) fn hub(&self, binary: &Path, arguments: &[&str]) -> Result<(Stdio, Duration)> {
        Stdio::start(process::hub(binary, self.path(), arguments))
    }
}

impl Prepared {
    pub(crate) fn rename(&self) -> Result<()> {
        fs::rename(&self.from, &self.to).context("cannot rename a doorbell into place")
    }
}

impl Servers {
    /// Starts one process that listens on this many ports.
    pub(crate) fn start(ports: usize) -> Result<Self> {
        Self::start_as(ports, false)
    }

    /// The same; `modern`: they speak the revisions without a handshake.
    pub(crate) fn start_as(ports: usize, modern: bool) -> Result<Self> {
        let ports_text = ports.to_string();
        let mut arguments = vec!["server", "--ports", &ports_text];
        arguments.extend(modern.then_some("--modern"));
        let child = process::start(process::own(&arguments)?)?;
        child.guard.deadline(Some(crate::http::PATIENCE));
        let mut line = String::new();
        BufReader::new(child.stdout).read_line(&mut line)?;
        child.guard.deadline(None);
        let told = line.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<u16>, _>>()?;
        ensure!(told.len() == ports, "the bench server told {} ports instead of {ports}", told.len());
        Ok(Self { guard: child.guard, ports: told, _stdin: child.stdin })
    }

    pub(crate) fn port(&self) -> Result<u16> {
        self.ports.first().copied().context("a bench server has a port")
    }
}

/// The hub's list.
pub(crate) fn list(hub: &mut Stdio) -> Result<Vec<Value>> {
    match hub.hub_tool("instances_list", &json!({}))?.get_mut("instances").map(Value::take) {
        Some(Value::Array(instances)) => Ok(instances),
        _ => anyhow::bail!("instances_list has no list"),
    }
}

/// Whether an entry of the list is this instance and active.
pub(crate) fn is_active(entry: &Value, id: &str) -> bool {
    entry.get("id").and_then(Value::as_str) == Some(id) && state(entry) == "active"
}

/// The state of an entry of the list.
pub(crate) fn state(entry: &Value) -> &str {
    entry.get("state").and_then(Value::as_str).unwrap_or_default()
}

/// Asks the hub again and again until its list satisfies `wanted`, with `pause` between two questions.
pub(crate) fn wait_for(
    hub: &mut Stdio,
    pause: Duration,
    mut wanted: impl FnMut(&[Value]) -> bool,
) -> Result<Instant> {
    loop {
        let instances = list(hub)?;
        if wanted(&instances) {
            return Ok(Instant::now());
        }
        std::thread::sleep(pause);
    }
}

/// Waits until the instance is active and connects the session to it.
pub(crate) fn connect(hub: &mut Stdio, id: &str) -> Result<()> {
    wait_for(hub, Duration::from_millis(1), |list| list.iter().any(|entry| is_active(entry, id)))?;
    hub.hub_tool("instances_connect", &json!({"instance_id": id}))?;
    Ok(())
}
