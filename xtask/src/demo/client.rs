//! The smallest MCP client that can tell the story: it starts the hub, writes requests and keeps what comes back.

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::process::Process;

/// How long the demo waits for what must happen. Long, because a loaded machine is no defect of the hub.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages that may wait until the demo looks at them.
const QUEUE: usize = 1024;

/// A message and when it came.
pub(super) type Timed = (Instant, Value);

/// A client on the hub's standard input and output.
#[derive(Debug)]
pub(super) struct Client {
    hub: Process,
    /// `None` after [`Client::close`].
    input: Option<ChildStdin>,
    messages: Receiver<Timed>,
    last_id: u64,
    answers: HashMap<u64, Timed>,
    notifications: VecDeque<Timed>,
}

/// What a tool answered.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) text: String,
    pub(super) structured: Value,
    pub(super) is_error: bool,
    pub(super) took: Duration,
}

impl Client {
    /// Starts the hub. Its standard error goes to a log in `directory`.
    pub(super) fn start(command: &mut Command, directory: &Path) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut hub = Process::start("brummer-hub", command, directory)?;
        let input = hub.pipes().stdin.take();
        let output = hub.pipes().stdout.take().context("the hub has no standard output")?;
        let (sender, messages) = sync_channel(QUEUE);
        // It ends with the hub's output.
        std::thread::spawn(move || read(output, &sender));
        Ok(Self { hub, input, messages, last_id: 0, answers: HashMap::new(), notifications: VecDeque::new() })
    }

    /// Sends a request and waits for its result.
    pub(super) fn request(&mut self, method: &str, params: &Value) -> Result<(Value, Duration)> {
        let began = Instant::now();
        let id = self.begin(method, params)?;
        let (at, answer) = self.answer(id)?;
        let result = answer.get("result").cloned().with_context(|| format!("{method} answered {answer}"))?;
        Ok((result, at.duration_since(began)))
    }

    /// Calls a tool and waits for what it answers.
    pub(super) fn call(&mut self, tool: &str, arguments: &Value) -> Result<Called> {
        let (result, took) = self.request("tools/call", &json!({ "name": tool, "arguments": arguments }))?;
        Ok(Called::new(&result, took))
    }

    /// Sends a request and does not wait.
    pub(super) fn begin(&mut self, method: &str, params: &Value) -> Result<u64> {
        self.last_id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params }))?;
        Ok(self.last_id)
    }

    /// Sends a notification.
    pub(super) fn notify(&mut self, method: &str) -> Result<()> {
        self.send(&json!({ "jsonrpc": "2.0", "method": method }))
    }

    /// Waits for the answer to a request.
    pub(super) fn answer(&mut self, id: u64) -> Result<Timed> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                return Ok(answer);
            }
            self.receive(deadline)?;
        }
    }

    /// The next notification of a method that has not been taken yet, waited for. Others before it stay.
    pub(super) fn notification(&mut self, method: &str) -> Result<Timed> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let position = self.notifications.iter().position(|(_, message)| message["method"] == method);
            if let Some(notification) = position.and_then(|position| self.notifications.remove(position)) {
                return Ok(notification);
            }
            self.receive(deadline).with_context(|| format!("waiting for {method}"))?;
        }
    }

    /// Forgets the notifications that came so far.
    pub(super) fn forget_notifications(&mut self) {
        self.notifications.clear();
    }

    /// Closes the hub's input, as clients do at their end, and waits until it has ended.
    pub(super) fn close(&mut self) -> Result<Duration> {
        let began = Instant::now();
        drop(self.input.take());
        let status = self.hub.ended()?;
        ensure!(status.success(), "the hub ended with {status}");
        Ok(began.elapsed())
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        let input = self.input.as_mut().context("the hub's input is closed")?;
        let mut line = message.to_string();
        line.push('\n');
        input.write_all(line.as_bytes()).context("the hub does not read")
    }

    /// Waits for one message and puts it where it belongs.
    fn receive(&mut self, deadline: Instant) -> Result<()> {
        let (at, message) =
            match self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => bail!("the hub has said nothing for {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("the hub has ended"),
            };
        match (message.get("method"), message["id"].as_u64()) {
            (Some(_), _) if message.get("id").is_some() => self.decline(&message)?,
            (Some(_), _) => self.notifications.push_back((at, message)),
            (None, Some(id)) => drop(self.answers.insert(id, (at, message))),
            (None, None) => bail!("the hub said {message}"),
        }
        Ok(())
    }

    /// Answers what a server asks of its client: this one offers nothing but to be alive.
    fn decline(&mut self, request: &Value) -> Result<()> {
        let id = &request["id"];
        self.send(&if request["method"] == "ping" {
            json!({ "jsonrpc": "2.0", "id": id, "result": {} })
        } else {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "not offered" } })
        })
    }
}

impl Called {
    /// Reads the result of `tools/call`.
    pub(super) fn new(result: &Value, took: Duration) -> Self {
        let texts =
            result["content"].as_array().into_iter().flatten().filter_map(|item| item["text"].as_str());
        Self {
            text: texts.collect::<Vec<_>>().join("\n"),
            structured: result["structuredContent"].clone(),
            is_error: result["isError"] == true,
            took,
        }
    }

    /// The same, unless the tool says that it failed.
    pub(super) fn succeeded(self) -> Result<Self> {
        ensure!(!self.is_error, "the tool answered: {}", self.text);
        Ok(self)
    }
}

/// Reads the hub's output until it ends or nobody wants it any more.
fn read(output: ChildStdout, messages: &SyncSender<Timed>) {
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { return };
        let at = Instant::now();
        // Anything but JSON on standard output is a defect; it is kept so that the demo fails with it.
        let message = serde_json::from_str(&line).unwrap_or(Value::String(line));
        if messages.send((at, message)).is_err() {
            return;
        }
    }
}
