//! `run`: real npm projects, driven through the hub as a client does it.

mod channels;
mod commands;
mod declared;
mod ends;
mod errors;
mod input;
mod joining;
mod launches;
mod logs;
mod offers;
mod ports;
#[cfg(unix)]
mod projects;
mod scripts;
mod streams;
#[cfg(unix)]
mod terminals;
mod troubles;
mod whole;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    sync::watch,
};

use crate::support::{Home, Hub, HubOptions, expect, process_path};

/// A script that serves HTTP and says where.
const SERVER: &str = "require('http').createServer((request, response) => response.end('hello'))
    .listen(0, '127.0.0.1', function () { console.log('  Local:   http://127.0.0.1:' + this.address().port + '/') });";

/// Makes a project of these files; scripts are given as name and command.
fn project(home: &Home, scripts: &[(&str, &str)], files: &[(&str, &str)]) -> PathBuf {
    let directory = home.project("shop");
    package(&directory, scripts);
    for (name, contents) in files {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }
    directory
}

/// Writes the `package.json`.
fn package(directory: &Path, scripts: &[(&str, &str)]) {
    let scripts: serde_json::Map<String, Value> =
        scripts.iter().map(|(name, command)| ((*name).to_owned(), (*command).into())).collect();
    let package = json!({ "name": "shop", "version": "1.0.0", "scripts": scripts });
    std::fs::write(directory.join("package.json"), package.to_string()).unwrap();
}

/// A running `brummer-hub run`.
#[derive(Debug)]
struct Run {
    child: Child,
    stdout: watch::Receiver<String>,
    stderr: watch::Receiver<String>,
}

/// How it ended, and what it printed.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// `brummer-hub run` for a directory, on any port.
fn command(home: &Home, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = bare(home);
    command.arg("run").arg("--dir").arg(directory).args(["--port", "0"]).args(arguments);
    command
}

/// `brummer-hub`, which sees only its test's own directory.
fn bare(home: &Home) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brummer-hub"));
    command.env_clear();
    for (key, value) in HubOptions::default().command(home).as_std().get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    command.env("BRUMMER_DATA_DIR", home.data()).env("npm_config_update_notifier", "false");
    command.current_dir(home.path()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    // Out of the foreground of whatever terminal the tests run in, whose Ctrl-C would reach both processes.
    command.process_group(0);
    command
}

fn gather(mut from: impl AsyncRead + Unpin + Send + 'static) -> watch::Receiver<String> {
    let (sender, receiver) = watch::channel(String::new());
    tokio::spawn(async move {
        let mut chunk = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            sender.send_modify(|text| text.push_str(&String::from_utf8_lossy(&chunk[..read])));
        }
    });
    receiver
}

async fn has(text: &watch::Receiver<String>, wanted: &str) -> String {
    let mut text = text.clone();
    let found = async { text.wait_for(|text| text.contains(wanted)).await.map(|text| text.clone()) };
    match expect(&format!("a text with {wanted:?}"), found).await {
        Ok(text) => text,
        Err(_) => panic!("it ended without {wanted:?}: {:?}", text.borrow()),
    }
}

impl Run {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let nothing = || watch::channel(String::new()).1;
        Self {
            stdout: stdout.map_or_else(nothing, gather),
            stderr: stderr.map_or_else(nothing, gather),
            child,
        }
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits until its own words have this, and returns all of them.
    async fn says(&self, wanted: &str) -> String {
        has(&self.stderr, wanted).await
    }

    /// Waits until the lines of its scripts have this, and returns all of them.
    async fn prints(&self, wanted: &str) -> String {
        has(&self.stdout, wanted).await
    }

    /// The port it serves MCP on.
    async fn port(&self) -> u16 {
        let said = self.says("/mcp\n").await;
        let rest = said.split("MCP at http://127.0.0.1:").nth(1).unwrap();
        rest.split('/').next().unwrap().parse().unwrap()
    }

    /// What it prints for clients that connect without a hub.
    async fn token(&self) -> String {
        let said = self.says("Authorization: Bearer ").await;
        said.split("Authorization: Bearer ").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) {
        crate::support::signal(self.pid(), signal);
    }

    /// Ends it as `kill -9` and the task manager do.
    fn kill(&mut self) {
        self.child.start_kill().expect("it runs");
    }

    /// Waits for its end.
    async fn end(mut self) -> Ended {
        let status = expect("it ends", self.child.wait()).await.unwrap();
        let (mut stdout, mut stderr) = (self.stdout.clone(), self.stderr.clone());
        expect("its output ends", async {
            while stdout.changed().await.is_ok() {}
            while stderr.changed().await.is_ok() {}
        })
        .await;
        Ended { code: status.code(), stdout: stdout.borrow().clone(), stderr: stderr.borrow().clone() }
    }
}

/// A client of the hub that is connected to the run of a directory.
struct Client {
    hub: Hub,
    id: String,
}

impl Client {
    async fn of(home: &Home, directory: &Path) -> Self {
        let hub = Hub::start(home, HubOptions::default()).await;
        let path = process_path(directory);
        let entry =
            |list: &[Value]| list.iter().find(|it| it["path"] == path && it["state"] == "active").cloned();
        let list = hub.instances_until("the run is active", |list| entry(list).is_some()).await;
        let id = entry(&list).unwrap()["id"].as_str().unwrap().to_owned();
        hub.connect(&id).await;
        Self { hub, id }
    }

    /// Calls a tool, which must not fail; returns the structured content.
    async fn tool(&self, name: &str, arguments: Value) -> Value {
        let result = self.hub.call(name, arguments).await.ok();
        assert_ne!(result["isError"], true, "{name}: {result:#}");
        assert!(result["content"][0]["text"].as_str().is_some_and(|text| !text.is_empty()), "{result:#}");
        assert!(result["structuredContent"].is_object(), "{result:#}");
        result["structuredContent"].clone()
    }

    /// Calls a tool, which must fail; returns what it says.
    async fn refused(&self, name: &str, arguments: Value) -> String {
        let result = self.hub.call(name, arguments).await.ok();
        assert_json!(result, "/isError", true);
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Starts a script and returns the id of its process.
    async fn run(&self, script: &str) -> String {
        let started = self.tool("scripts_run", json!({ "name": script })).await;
        assert_json!(started, "/duplicate", false);
        started["processId"].as_str().unwrap().to_owned()
    }

    /// Waits until it has come about.
    async fn wait(&self, condition: Value) -> Value {
        let waited = self.tool("wait_until", condition).await;
        assert_json!(waited, "/met", true);
        waited
    }

    /// The number at the end of the first line that has this text.
    async fn number(&self, text: &str) -> u32 {
        let waited = self.wait(json!({ "log": text })).await;
        let line = waited["entry"]["content"].as_str().unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{line}"))
    }

    /// What the log has of a process.
    async fn lines(&self, arguments: Value) -> Vec<String> {
        let page = self.tool("logs_tail", arguments).await;
        let entries = page["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["content"].as_str().unwrap().to_owned()).collect()
    }
}
