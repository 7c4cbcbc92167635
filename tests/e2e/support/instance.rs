//! Instances that are processes of their own, so that they can be killed.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, OnceLock},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::{Notify, watch},
};

use super::{Answer, Behaviour, Call, Doorbell, Fake, Home, expect, result, unique_id};

/// A process that serves an instance. It is killed on drop.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) pid: u32,
    child: Child,
    /// What it has printed since it was ready.
    lines: watch::Receiver<Vec<String>>,
}

impl Instance {
    /// The example server, for clients that open with `initialize`. It announces itself.
    pub(crate) async fn rmcp(home: &Home, name: &str) -> Self {
        Self::rmcp_of_era(home, name, "legacy").await
    }

    /// The example server, for clients of an era: `legacy`, `modern` or `both`.
    pub(crate) async fn rmcp_of_era(home: &Home, name: &str, era: &str) -> Self {
        let mut command = Command::new(rmcp_server_binary());
        command
            .arg("--data-dir")
            .arg(home.data())
            .arg("--name")
            .arg(name)
            .arg("--path")
            .arg(home.project(name))
            .args(["--era", era]);
        let (child, lines, ready) = ready(command).await;
        let id = ready["id"].as_str().expect("the example prints its id").to_owned();
        Self::new(id, child, lines, &ready)
    }

    /// A [`Fake`] in a process of its own, announced in a project of the given name: with the default behaviour, and the tool
    /// `wait`, which is done when `release` is called.
    pub(crate) async fn fake(home: &Home, name: &str) -> Self {
        Self::fake_on(home, name, 0).await
    }

    /// The same on a port that was free a moment ago.
    pub(crate) async fn fake_on(home: &Home, name: &str, port: u16) -> Self {
        let id = unique_id(name);
        let settings = json!({
            "id": id, "name": name, "port": port, "path": home.project(name), "data": home.data(),
        });
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "support::instance::serve_fake", "--ignored", "--nocapture"])
            .env(SETTINGS, settings.to_string());
        let (child, lines, ready) = ready(command).await;
        Self::new(id, child, lines, &ready)
    }

    /// A process that prints a line of JSON with its port, announced by the test.
    pub(crate) async fn command(home: &Home, name: &str, command: Command, endpoint: &str) -> Self {
        let (child, lines, ready) = ready(command).await;
        let this = Self::new(unique_id(name), child, lines, &ready);
        let doorbell = Doorbell::new(&this.id, name, &home.project(name), this.port, this.pid);
        doorbell.with("endpoint", endpoint).write(&home.data());
        this
    }

    fn new(id: String, child: Child, lines: watch::Receiver<Vec<String>>, ready: &Value) -> Self {
        let port = ready["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        Self { id, port, pid: child.id().expect("it runs"), child, lines }
    }

    /// Waits until it has printed a line that is as wanted.
    pub(crate) async fn printed(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let mut lines = self.lines.clone();
        let printed = lines.wait_for(|lines| lines.iter().any(|line| wanted(line)));
        expect(what, printed).await.expect("it still runs");
    }

    /// Kills it without a chance to clean up, and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end, as a terminal or a process manager does, and waits until it has.
    #[cfg(unix)]
    pub(crate) async fn terminate(&mut self) {
        super::signal(self.pid, rustix::process::Signal::TERM);
        expect("the instance ends", self.child.wait()).await.unwrap();
    }

    /// Stops or continues the process without ending it.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        super::signal(self.pid, signal);
    }
}

/// Starts a command and waits for its line of JSON.
async fn ready(mut command: Command) -> (Child, watch::Receiver<Vec<String>>, Value) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = expect("the instance is ready", async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(start) = line.find("{\"port\"") {
                return serde_json::from_str(&line[start..]).unwrap();
            }
        }
        panic!("{command:?} ended before it was ready");
    })
    .await;
    // Whatever else it prints must not fill the pipe.
    let (sender, printed) = watch::channel(Vec::new());
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            sender.send_modify(|lines| lines.push(line));
        }
    });
    (child, printed, ready)
}

fn text(call: &Call, text: &str) -> Answer {
    result(call, json!({ "content": [{ "type": "text", "text": text }] }))
}

/// Where the process of [`Instance::fake`] reads what to be.
const SETTINGS: &str = "BRUMMER_E2E_INSTANCE";

/// The process of [`Instance::fake`]: this binary, started again for this one function.
#[test]
#[ignore = "not a test: instances that must be killable run it as their process"]
fn serve_fake() {
    let Ok(settings) = std::env::var(SETTINGS) else { return };
    let settings: Value = serde_json::from_str(&settings).unwrap();
    let setting = |key: &str| settings[key].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let port = u16::try_from(settings["port"].as_u64().unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let released = Arc::new(Notify::new());
        let waits = Arc::clone(&released);
        let behaviour = Behaviour::default()
            .tool("wait", move |call| {
                let waits = Arc::clone(&waits);
                async move {
                    waits.notified().await;
                    text(&call, "done at last")
                }
            })
            .tool("release", move |call| {
                released.notify_one();
                std::future::ready(text(&call, "released"))
            });
        let fake = Fake::serve(listener, behaviour);
        let path = PathBuf::from(setting("path"));
        Doorbell::new(&setting("id"), &setting("name"), &path, fake.port, std::process::id())
            .write(Path::new(&setting("data")));
        println!("{}", json!({ "port": fake.port }));
        std::future::pending::<()>().await;
    });
}

/// The example server beside the tested binary. `cargo test` builds it; a run of this one test target may have to.
pub(crate) fn rmcp_server_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let hub = Path::new(env!("CARGO_BIN_EXE_brummer-hub"));
        let profile = hub.parent().unwrap();
        let binary = profile.join("examples").join(format!("rmcp-server{}", std::env::consts::EXE_SUFFIX));
        let written = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified()).ok();
        let source = super::repository().join("brummer-cli/examples/rmcp-server");
        let newest = ["main.rs", "arguments.rs", "asking.rs", "listening.rs", "server.rs", "shared.rs"]
            .iter()
            .filter_map(|file| written(&source.join(file)))
            .max();
        if written(&binary) < newest {
            let name = match profile.file_name().and_then(|name| name.to_str()) {
                Some("debug") | None => "dev",
                Some(name) => name,
            };
            let status = std::process::Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
                .args(["build", "--quiet", "--package", "brummer-cli", "--example", "rmcp-server"])
                .args(["--profile", name])
                .arg("--target-dir")
                .arg(profile.parent().unwrap())
                .current_dir(super::repository())
                .status()
                .unwrap();
            assert!(status.success(), "the example server does not build");
        }
        binary
    })
}
