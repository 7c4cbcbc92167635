//! The story itself, step by step.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{
    build::Programs,
    client::{Called, Client, Timed},
    process::Process,
    show::Show,
};

const INSTANCES: &str = "brummer://instances";
const RESOURCE_UPDATED: &str = "notifications/resources/updated";
const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
const PROGRESS: &str = "notifications/progress";

/// Names of the two projects.
const EVERYTHING: &str = "everything";
const SHOP: &str = "shop";

/// The tool of server-everything that takes its time, and how much of it.
const LONG_TOOL: &str = "trigger-long-running-operation";
const LONG_SECONDS: u32 = 2;
const LONG_STEPS: u32 = 4;

/// How long the removal of a file may take that nothing announces.
const REMOVAL: Duration = Duration::from_secs(10);

/// The demo under way.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    programs: Programs,
    directory: &'a Path,
    show: &'a mut Show,
    // Ended in this order: the hub first, so that it says nothing about servers that go.
    client: Client,
    shop: Option<Process>,
    everything: Option<Process>,
}

impl<'a> Walk<'a> {
    /// Starts the hub where nothing is running.
    pub(super) fn start(programs: Programs, directory: &'a Path, show: &'a mut Show) -> Result<Self> {
        show.step("A client starts the hub. No server is running, and that is no error");
        let mut command = Command::new(&programs.hub);
        command.arg("--mcp").arg("--data-dir").arg(directory.join("brummer")).current_dir(directory);
        let began = Instant::now();
        let mut client = Client::start(&mut command, directory)?;
        let parameters = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "brummer-demo", "version": env!("CARGO_PKG_VERSION") },
        });
        let (welcome, _) = client.request("initialize", &parameters)?;
        let took = began.elapsed();
        client.notify("notifications/initialized")?;
        let text = |pointer: &str| welcome.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
        let (name, version) = (text("/serverInfo/name"), text("/serverInfo/version"));
        ensure!(name == "brummer-hub", "initialize answered {welcome}");
        show.fact(
            &format!("{name} {version} has started and speaks MCP {}", text("/protocolVersion")),
            Some(took),
        );
        let mut walk = Self { programs, directory, show, client, shop: None, everything: None };
        let (instances, took) = walk.instances()?;
        ensure!(instances.is_empty(), "the list should be empty: {instances:?}");
        walk.show.fact("instances_list: none yet", Some(took));
        let (tools, took) = walk.tools()?;
        ensure!(tools.iter().all(|tool| tool.starts_with("instances_")), "whose are these? {tools:?}");
        walk.show.fact(&format!("tools/list: the hub's own {}", tools.len()), Some(took));
        let (_, took) = walk.client.request("resources/subscribe", &json!({ "uri": INSTANCES }))?;
        walk.show.fact(&format!("subscribed to {INSTANCES}"), Some(took));
        Ok(walk)
    }

    /// Everything after that.
    pub(super) fn run(mut self) -> Result<()> {
        self.servers_start()?;
        self.people_look()?;
        self.connect_and_list_tools()?;
        self.call_with_progress()?;
        self.crash()?;
        self.restart()?;
        self.end()
    }

    fn servers_start(&mut self) -> Result<()> {
        self.show.step("Two MCP servers start and announce themselves; the hub finds them");
        let began = self.start_shop()?;
        let (at, shop) =
            self.wait_for("shop is active", |list| find(list, SHOP).filter(|it| it["state"] == "active"))?;
        let line = format!("{SHOP} (Rust, rmcp) is active on port {}, its own start included", shop["port"]);
        self.show.fact(&line, Some(at.duration_since(began)));

        let port = free_port()?;
        let project = self.project(EVERYTHING)?;
        let mut command = Command::new(&self.programs.hub);
        command.args(["register", "--port", &port.to_string(), "--name", EVERYTHING, "--path"]).arg(&project);
        command.arg("--data-dir").arg(self.data()).args(["--", "node"]).arg(&self.programs.everything);
        command
            .arg("streamableHttp")
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let began = Instant::now();
        self.everything = Some(Process::start(EVERYTHING, &mut command, self.directory)?);
        let active = |list: &[Value]| find(list, EVERYTHING).filter(|it| it["state"] == "active");
        let (at, _) = self.wait_for("everything is active", active)?;
        let line = format!("{EVERYTHING} (Node) is active on port {port}, Node's own start included");
        self.show.fact(&line, Some(at.duration_since(began)));
        self.show.quote(&format!(
            "started by: brummer-hub register --port {port} -- node …/index.js streamableHttp"
        ));
        Ok(())
    }

    fn people_look(&mut self) -> Result<()> {
        self.show.step("People see the same: brummer-hub list");
        let began = Instant::now();
        let mut command = Command::new(&self.programs.hub);
        let output = command.arg("list").arg("--data-dir").arg(self.data()).output()?;
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "it failed: {}", String::from_utf8_lossy(&output.stderr));
        ensure!(table.contains(SHOP) && table.contains(EVERYTHING), "an instance is missing:\n{table}");
        self.show.quote(&table);
        self.show.fact("every instance asked, the table printed", Some(began.elapsed()));
        Ok(())
    }

    fn connect_and_list_tools(&mut self) -> Result<()> {
        self.show.step("The client connects one; its tools appear beside the hub's own");
        self.connect(EVERYTHING)?;
        let (tools, took) = self.tools()?;
        ensure!(tools.iter().any(|tool| tool == LONG_TOOL), "`{LONG_TOOL}` is missing in {tools:?}");
        let theirs = tools.iter().filter(|tool| !tool.starts_with("instances_")).count();
        ensure!(tools.len() - theirs == 6, "the hub has six tools of its own: {tools:?}");
        self.show.fact(&format!("tools/list: {theirs} tools of {EVERYTHING}, 6 of the hub"), Some(took));
        let sum = self.client.call("get-sum", &json!({ "a": 19, "b": 23 }))?.succeeded()?;
        ensure!(sum.text.contains("42"), "get-sum answered {}", sum.text);
        self.show.fact(&format!("get-sum: {}", sum.text), Some(sum.took));
        Ok(())
    }

    fn call_with_progress(&mut self) -> Result<()> {
        self.show.step("A slow call reports its progress, and holds up nobody");
        self.client.forget_notifications();
        let began = Instant::now();
        let id = self.client.begin(
            "tools/call",
            &json!({
                "name": LONG_TOOL,
                "arguments": { "duration": LONG_SECONDS, "steps": LONG_STEPS },
                "_meta": { "progressToken": "demo" },
            }),
        )?;
        for step in 1..=LONG_STEPS {
            let (at, message) = self.client.notification(PROGRESS)?;
            let progress = &message["params"];
            ensure!(
                progress["progressToken"] == "demo" && progress["progress"] == step,
                "unexpected {message}"
            );
            self.show
                .fact(&format!("progress {step} of {}", progress["total"]), Some(at.duration_since(began)));
            if step == 1 {
                let arguments = json!({ "message": "hello from another server" });
                let call = json!({ "instance_id": SHOP, "tool": "echo", "arguments": arguments });
                let echo = self.client.call("instances_call", &call)?.succeeded()?;
                ensure!(echo.text.contains("hello from another server"), "echo answered {}", echo.text);
                self.show.fact(&format!("meanwhile, {SHOP} says: {}", echo.text), Some(echo.took));
            }
        }
        let (at, answer) = self.client.answer(id)?;
        let called = Called::new(&answer["result"], at.duration_since(began)).succeeded()?;
        ensure!(called.text.contains("completed"), "{LONG_TOOL} answered {answer}");
        self.show.fact("the call is done", Some(called.took));
        Ok(())
    }

    fn crash(&mut self) -> Result<()> {
        self.show.step("A server crashes in the middle of a call");
        self.connect(SHOP)?;
        let arguments = json!({ "steps": 1000, "step_ms": 100 });
        let parameters =
            json!({ "name": "slow", "arguments": arguments, "_meta": { "progressToken": "doomed" } });
        let id = self.client.begin("tools/call", &parameters)?;
        self.client.notification(PROGRESS)?;
        self.client.forget_notifications();
        let file = self.file_of(SHOP)?;
        ensure!(file.is_file(), "{} should be there", file.display());

        let killed = Instant::now();
        self.shop.take().context("shop runs")?.kill()?;
        let (at, answer) = self.client.answer(id)?;
        let why = failure(&answer).with_context(|| format!("the call should have failed: {answer}"))?;
        self.show.fact("the call fails at once", Some(at.duration_since(killed)));
        self.show.quote(&why);
        let (at, _) = self.client.notification(TOOLS_CHANGED)?;
        self.show.fact("the client is told that the tools have changed", Some(at.duration_since(killed)));
        let (at, _) =
            self.wait_for("shop is gone", |list| find(list, SHOP).is_none().then_some(Value::Null))?;
        self.show.fact(&format!("{SHOP} is gone from the list"), Some(at.saturating_duration_since(killed)));
        let (tools, _) = self.tools()?;
        ensure!(
            tools.iter().all(|tool| tool.starts_with("instances_")),
            "its tools are still listed: {tools:?}"
        );
        removed(&file)?;
        self.show.fact("the file it left behind is removed", Some(killed.elapsed()));
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.show.step("It starts again on another port: same name, and the client is connected to it");
        self.client.forget_notifications();
        let began = self.start_shop()?;
        let back =
            |list: &[Value]| find(list, SHOP).filter(|it| it["connected"] == true && it["state"] == "active");
        let (at, shop) = self.wait_for("shop is connected again", back)?;
        self.show.fact(
            &format!("{SHOP} is back on port {}, connected, its own start included", shop["port"]),
            Some(at.duration_since(began)),
        );
        let echo = self.client.call("echo", &json!({ "message": "welcome back" }))?.succeeded()?;
        ensure!(echo.text.contains("welcome back"), "echo answered {}", echo.text);
        self.show.fact(&format!("echo: {}", echo.text), Some(echo.took));
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        self.show.step("The client goes away, the servers end; nothing is left behind");
        let took = self.client.close()?;
        self.show.fact("the hub has closed its sessions and ended with exit code 0", Some(took));
        let said = std::fs::read_to_string(self.directory.join("brummer-hub.log"))?;
        ensure!(said.is_empty(), "a healthy hub says nothing on standard error, but this one said:\n{said}");
        self.shop.take().context("shop runs")?.end()?;
        let status = self.everything.take().context("everything runs")?.end()?;
        // On Windows the demo has no gentle way to end them, and killed programs leave their files for a hub to remove.
        if cfg!(unix) {
            // 143: `register` passes the signal on and reports how its command ended.
            ensure!(status.code() == Some(143), "register ended with {status}");
            let left = std::fs::read_dir(self.data().join("instances"))?.count();
            ensure!(left == 0, "{left} doorbell files are left");
        }
        self.show.fact("servers ended, their doorbell files are gone", None);
        Ok(())
    }

    /// Starts the example server, waits until it has announced itself, and returns when it was started.
    fn start_shop(&mut self) -> Result<Instant> {
        let project = self.project(SHOP)?;
        let mut command = Command::new(&self.programs.rmcp_server);
        command
            .args(["--port", "0", "--name", SHOP, "--path"])
            .arg(&project)
            .arg("--data-dir")
            .arg(self.data());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let began = Instant::now();
        let mut process = Process::start(SHOP, &mut command, self.directory)?;
        let output = process.pipes().stdout.take().context("shop has no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.contains("\"port\""), "{SHOP} said {line:?} instead of its port");
        self.shop = Some(process);
        Ok(began)
    }

    fn connect(&mut self, name: &str) -> Result<()> {
        self.client.forget_notifications();
        let connected =
            self.client.call("instances_connect", &json!({ "instance_id": name }))?.succeeded()?;
        self.show.fact(&format!("instances_connect {name}"), Some(connected.took));
        self.client.notification(TOOLS_CHANGED)?;
        Ok(())
    }

    /// The names of all tools.
    fn tools(&mut self) -> Result<(Vec<String>, Duration)> {
        let (result, took) = self.client.request("tools/list", &json!({}))?;
        let tools = result["tools"].as_array().with_context(|| format!("tools/list answered {result}"))?;
        Ok((tools.iter().filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect(), took))
    }

    /// What `instances_list` answers.
    fn instances(&mut self) -> Result<(Vec<Value>, Duration)> {
        let called = self.client.call("instances_list", &json!({}))?.succeeded()?;
        let list = called.structured["instances"].as_array().cloned();
        Ok((list.with_context(|| format!("instances_list answered {}", called.structured))?, called.took))
    }

    /// Waits until the list is as wanted: it is looked at now, and each time that the hub says that it has changed.
    /// Returns when that was.
    fn wait_for(&mut self, what: &str, wanted: impl Fn(&[Value]) -> Option<Value>) -> Result<Timed> {
        let mut at = Instant::now();
        loop {
            let (list, _) = self.instances()?;
            if let Some(found) = wanted(&list) {
                return Ok((at, found));
            }
            let told = self.client.notification(RESOURCE_UPDATED);
            at = told.with_context(|| format!("waiting until {what}; the list is {list:?}"))?.0;
        }
    }

    fn data(&self) -> PathBuf {
        self.directory.join("brummer")
    }

    fn project(&self, name: &str) -> Result<PathBuf> {
        let project = self.directory.join(name);
        std::fs::create_dir_all(&project)?;
        Ok(project)
    }

    fn file_of(&mut self, name: &str) -> Result<PathBuf> {
        let (list, _) = self.instances()?;
        let entry = find(&list, name).with_context(|| format!("{name} is not in the list"))?;
        let id = entry["id"].as_str().context("an id is a string")?;
        Ok(self.data().join("instances").join(format!("{id}.json")))
    }
}

fn find(list: &[Value], name: &str) -> Option<Value> {
    list.iter().find(|entry| entry["name"] == name).cloned()
}

/// What the person reads of a call that failed, as an error of the protocol or of the tool.
fn failure(answer: &Value) -> Option<String> {
    if let Some(message) = answer.pointer("/error/message").and_then(Value::as_str) {
        return Some(message.to_owned());
    }
    let called = Called::new(&answer["result"], Duration::ZERO);
    called.is_error.then_some(called.text)
}

/// A port that is free now. Another program may take it first; then the demo fails with a clear message.
fn free_port() -> Result<u16> {
    // `register` refuses a port that answers on either loopback address, so both must be free.
    for _ in 0..16 {
        let port = TcpListener::bind("127.0.0.1:0").context("no free port")?.local_addr()?.port();
        if TcpListener::bind(("::1", port)).is_ok() || TcpListener::bind("[::1]:0").is_err() {
            return Ok(port);
        }
    }
    bail!("no free port")
}

fn removed(file: &Path) -> Result<()> {
    let deadline = Instant::now() + REMOVAL;
    while file.exists() {
        ensure!(Instant::now() < deadline, "{} is still there", file.display());
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
