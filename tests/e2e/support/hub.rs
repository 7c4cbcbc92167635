//! The built binary as a child, and a client on its stdio.

use std::{
    process::ExitStatus,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    sync::{mpsc, watch},
};

use super::{Home, HubOptions, Line, PATIENCE, expect, schema::Checked};

/// How a hub ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<Line>,
    pub(crate) stderr: String,
}

/// A running hub and its client.
#[derive(Debug)]
pub(crate) struct Hub {
    child: Child,
    #[cfg(unix)]
    pid: u32,
    input: Option<mpsc::Sender<String>>,
    lines: watch::Receiver<Vec<Line>>,
    stderr: watch::Receiver<String>,
    ids: AtomicU64,
    checked: Checked,
}

impl Hub {
    /// Starts the binary and does the handshake, as a client does.
    pub(crate) async fn start(home: &Home, options: HubOptions) -> Self {
        let hub = Self::spawn(home, &options);
        let params = json!({
            "protocolVersion": options.revision, "capabilities": options.capabilities,
            "clientInfo": { "name": "e2e", "version": "1.0.0" },
        });
        let welcome = hub.request("initialize", params).await.ok();
        assert_json!(welcome, "/protocolVersion", options.revision);
        hub.notify("notifications/initialized", Value::Null).await;
        hub
    }

    /// Starts the binary and says nothing.
    pub(crate) fn spawn(home: &Home, options: &HubOptions) -> Self {
        Self::run(options.command(home))
    }

    /// What it writes is not held against the schema: it passes on what an odd server says.
    pub(crate) fn forgive(&self) {
        self.checked.forgive();
    }

    /// Starts a command that speaks MCP on its stdio.
    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        #[cfg(unix)]
        let pid = child.id().expect("it was just started");
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut error_output = child.stderr.take().unwrap();

        let (input, mut to_write) = mpsc::channel::<String>(1024);
        tokio::spawn(async move {
            while let Some(text) = to_write.recv().await {
                // A hub that has ended is found out by what it did not answer.
                if stdin.write_all(text.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
                    return;
                }
            }
        });
        let (sender, lines) = watch::channel(Vec::new());
        let checked = Checked::default();
        let checking = checked.clone();
        tokio::spawn(async move {
            let mut stdout = BufReader::new(stdout);
            let mut bytes = Vec::new();
            while stdout.read_until(b'\n', &mut bytes).await.is_ok_and(|read| read > 0) {
                let text = String::from_utf8(std::mem::take(&mut bytes)).expect("the hub writes UTF-8");
                let line = Line::read(text.strip_suffix('\n').unwrap_or(&text).to_owned());
                checking.read(&line.raw);
                sender.send_modify(|lines| lines.push(line));
            }
        });
        let (sender, stderr) = watch::channel(String::new());
        tokio::spawn(async move {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = error_output.read(&mut chunk).await {
                sender.send_modify(|text| text.push_str(&String::from_utf8_lossy(&chunk[..read])));
            }
        });
        Self {
            child,
            #[cfg(unix)]
            pid,
            input: Some(input),
            lines,
            stderr,
            ids: AtomicU64::new(1),
            checked,
        }
    }

    #[cfg(unix)]
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until stderr has what is wanted.
    pub(crate) async fn stderr_until(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut stderr = self.stderr.clone();
        expect("stderr", async {
            stderr.wait_for(|text| wanted(text)).await.expect("the hub ended before").clone()
        })
        .await
    }

    /// How many lines came so far: where a later search begins.
    pub(crate) fn mark(&self) -> usize {
        self.lines.borrow().len()
    }

    /// The lines since a mark.
    pub(crate) fn since(&self, mark: usize) -> Vec<Line> {
        self.lines.borrow()[mark..].to_vec()
    }

    /// Writes text as it is.
    pub(crate) async fn write(&self, text: impl Into<String>) {
        let input = self.input.as_ref().expect("stdin is open");
        let text = text.into();
        self.checked.wrote(&text);
        expect("room on the hub's stdin", input.send(text)).await.expect("the writer runs");
    }

    /// Writes a message as one line.
    pub(crate) async fn send(&self, message: &Value) {
        self.write(format!("{message}\n")).await;
    }

    pub(crate) async fn notify(&self, method: &str, params: Value) {
        let mut message = json!({ "jsonrpc": "2.0", "method": method });
        if !params.is_null() {
            message["params"] = params;
        }
        self.send(&message).await;
    }

    /// Sends a request and returns its id, to be waited for with [`Hub::answer`].
    pub(crate) async fn ask(&self, method: &str, params: Value) -> String {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        if !params.is_null() {
            message["params"] = params;
        }
        self.send(&message).await;
        id.to_string()
    }

    /// The answer to the request with this id.
    pub(crate) async fn answer(&self, id: &str) -> Line {
        self.line(0, &format!("an answer to request {id}"), |line| line.answers(id)).await
    }

    pub(crate) async fn request(&self, method: &str, params: Value) -> Line {
        let id = self.ask(method, params).await;
        self.answer(&id).await
    }

    /// Calls a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Line {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// Calls a tool of the hub and returns its structured content.
    pub(crate) async fn hub_tool(&self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await.ok();
        assert_ne!(result["isError"], true, "{tool}: {result:#}");
        result["structuredContent"].clone()
    }

    /// Answers a request of the server.
    pub(crate) async fn reply(&self, request: &Line, result: Value) {
        let id = request.id.as_deref().expect("a request has an id");
        self.write(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n")).await;
    }

    /// The first line since the mark that is as wanted.
    pub(crate) async fn line(&self, mark: usize, what: &str, wanted: impl Fn(&Line) -> bool) -> Line {
        let mut lines = self.lines.clone();
        let found = async {
            let mut next = mark;
            loop {
                {
                    let lines = lines.borrow_and_update();
                    if let Some(line) = lines[next..].iter().find(|line| wanted(line)) {
                        return Some(line.clone());
                    }
                    next = lines.len();
                }
                if lines.changed().await.is_err() {
                    return None;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(Some(line)) => line,
            Ok(None) => panic!("{what}: the hub closed its stdout before\n{}", self.report()),
            Err(_) => panic!("{what}: nothing within {PATIENCE:?}\n{}", self.report()),
        }
    }

    /// The first notification of this method since the mark.
    pub(crate) async fn notification(&self, mark: usize, method: &str) -> Line {
        self.line(mark, method, |line| line.notifies(method)).await
    }

    /// The first request of this method since the mark.
    pub(crate) async fn server_request(&self, mark: usize, method: &str) -> Line {
        self.line(mark, method, |line| line.requests(method)).await
    }

    /// The instances the hub lists now.
    pub(crate) async fn instances(&self) -> Vec<Value> {
        let listed = self.hub_tool("instances_list", json!({})).await;
        listed["instances"].as_array().unwrap_or_else(|| panic!("no list in {listed:#}")).clone()
    }

    /// The list as soon as it is as wanted. It is asked for again whenever the hub says that something changed.
    pub(crate) async fn instances_until(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let subscribed = self.request("resources/subscribe", json!({ "uri": "brummer://instances" })).await;
        subscribed.ok();
        let waiting = async {
            loop {
                let mark = self.mark();
                let instances = self.instances().await;
                if wanted(&instances) {
                    return instances;
                }
                self.line(mark, what, |line| {
                    line.notifies("notifications/resources/updated")
                        && line.params()["uri"] == "brummer://instances"
                })
                .await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(instances) => instances,
            Err(_) => panic!("{what}: not within {PATIENCE:?}\n{}", self.report()),
        }
    }

    /// Waits until an instance is active and returns its entry.
    pub(crate) async fn active(&self, id: &str) -> Value {
        let entry =
            |list: &[Value]| list.iter().find(|it| it["id"] == id && it["state"] == "active").cloned();
        let list = self.instances_until(&format!("{id} is active"), |list| entry(list).is_some()).await;
        entry(&list).expect("it was just there")
    }

    /// Waits until an instance is no longer listed.
    pub(crate) async fn gone(&self, id: &str) {
        self.instances_until(&format!("{id} is gone"), |list| list.iter().all(|it| it["id"] != id)).await;
    }

    /// Waits until an instance is active and connects the session to it.
    pub(crate) async fn connect(&self, id: &str) -> Value {
        self.active(id).await;
        self.hub_tool("instances_connect", json!({ "instance_id": id })).await
    }

    /// Names of all tools that are listed now.
    pub(crate) async fn tool_names(&self) -> Vec<String> {
        let listed = self.request("tools/list", Value::Null).await.ok();
        let tools = listed["tools"].as_array().unwrap_or_else(|| panic!("no tools in {listed:#}"));
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until a tool of this name is listed.
    pub(crate) async fn tools_until(&self, name: &str) {
        loop {
            let mark = self.mark();
            if self.tool_names().await.iter().any(|it| it == name) {
                return;
            }
            self.notification(mark, "notifications/tools/list_changed").await;
        }
    }

    /// Ends the input and waits for the end.
    pub(crate) async fn end(mut self) -> Exit {
        self.input = None;
        self.exit().await
    }

    /// Waits until the hub has ended and all its output was read.
    pub(crate) async fn exit(mut self) -> Exit {
        let status = match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("the hub does not end\n{}", self.report()),
        };
        let (mut lines, mut stderr) = (self.lines.clone(), self.stderr.clone());
        while lines.changed().await.is_ok() {}
        while stderr.changed().await.is_ok() {}
        Exit { status, lines: lines.borrow().clone(), stderr: stderr.borrow().clone() }
    }

    /// Ends it as a client does, and checks that a healthy hub said nothing on stderr.
    pub(crate) async fn end_quietly(self) {
        let exit = self.end().await;
        assert!(exit.status.success(), "{exit:?}");
        assert_eq!(exit.stderr, "", "a healthy hub says nothing on stderr");
    }

    pub(crate) fn report(&self) -> String {
        let lines = self.lines.borrow();
        let shown = lines.iter().skip(lines.len().saturating_sub(20));
        let shown: Vec<_> = shown.map(|line| line.raw.chars().take(600).collect::<String>()).collect();
        format!("--- last lines of stdout\n{}\n--- stderr\n{}", shown.join("\n"), *self.stderr.borrow())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.report());
        } else {
            self.checked.assert();
        }
    }
}
