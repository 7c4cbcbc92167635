//! The client of the hub and of the floor: lines over the pipes of a child process, written and read without any
//! other machinery.

use std::{
    io::{Read, Write},
    process::{ChildStdin, ChildStdout, Command},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use serde_json::{Value, json};

use crate::{
    call::{FIRST_ID, ID_DIGITS, Peer, Request, check, digits},
    http::PATIENCE,
    process::{self, Guard},
};

/// Room for the largest result and some notifications before it, so that nothing is allocated while measuring.
const BUFFER_BYTES: usize = 12 << 20;

/// Each read takes at most this: the size of a Linux pipe.
const READ_BYTES: usize = 64 * 1024;

/// A child that speaks MCP on its stdin and stdout.
pub(crate) struct Stdio {
    guard: Guard,
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// Received and not yet consumed: `start..end` of the buffer.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    request: Request,
    next_id: u32,
}

impl Stdio {
    /// Starts the child and initializes it; also says how long that took, from before the start of the process.
    pub(crate) fn start(command: Command) -> Result<(Self, Duration)> {
        let initialize = Request::new(
            "initialize",
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}"#,
        );
        let buffer = vec![0; BUFFER_BYTES];
        let started = Instant::now();
        let child = process::start(command)?;
        let mut this = Self {
            guard: child.guard,
            stdin: child.stdin,
            stdout: child.stdout,
            buffer,
            start: 0,
            end: 0,
            request: initialize,
            next_id: FIRST_ID,
        };
        this.guard.deadline(Some(PATIENCE));
        this.call().context("initialize was not answered")?;
        let taken = started.elapsed();
        this.stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")?;
        Ok((this, taken))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// The next part of the measurement may take this long.
    pub(crate) fn deadline(&self, after: Duration) {
        self.guard.deadline(Some(after));
    }

    pub(crate) fn kill(&mut self) {
        self.guard.kill();
    }

    /// Sends a request that is not timed, and gives its id.
    pub(crate) fn send(&mut self, method: &str, params: &Value) -> Result<u32> {
        self.next_id += 1;
        let id = self.next_id;
        let mut line = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        line.push('\n');
        self.stdin.write_all(line.as_bytes())?;
        Ok(id)
    }

    /// The next message, whatever it is, valid until the next call.
    pub(crate) fn receive(&mut self) -> Result<&[u8]> {
        let mut searched = self.start;
        loop {
            let fresh = self.buffer.get(searched..self.end).unwrap_or_default();
            if let Some(length) = memchr::memchr(b'\n', fresh) {
                let line = self.start..searched + length;
                self.start = line.end + 1;
                return Ok(self.buffer.get(line).unwrap_or_default());
            }
            searched = self.end - self.start;
            self.read_more()?;
            searched += self.start;
        }
    }

    /// The answer to a request that was sent, as a tree; others before it are passed over.
    pub(crate) fn answer(&mut self, id: u32) -> Result<Value> {
        loop {
            let message: Value = serde_json::from_slice(self.receive()?)?;
            if message.get("id").and_then(Value::as_u64) == Some(u64::from(id)) {
                return Ok(message);
            }
        }
    }

    /// Calls a tool of the hub and gives its structured content.
    pub(crate) fn hub_tool(&mut self, name: &str, arguments: &Value) -> Result<Value> {
        let id = self.send("tools/call", &json!({"name": name, "arguments": arguments}))?;
        let answer = self.answer(id)?;
        let failed = answer.pointer("/result/isError").and_then(Value::as_bool).unwrap_or_default();
        ensure!(!failed && answer.get("error").is_none(), "{name} failed: {answer}");
        Ok(answer.pointer("/result/structuredContent").cloned().unwrap_or_default())
    }

    /// Reads once more into the buffer, moving what is there to its front when the end is near.
    fn read_more(&mut self) -> Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.buffer.len() - self.end < READ_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let to = self.buffer.len().min(self.end + READ_BYTES);
        let read = self.stdout.read(self.buffer.get_mut(self.end..to).unwrap_or_default())?;
        if read == 0 {
            bail!("the process ended, was killed after its deadline, or sent too long a line");
        }
        self.end += read;
        Ok(())
    }

    /// Sets a new id in the prepared request.
    fn next_request(&mut self) -> [u8; ID_DIGITS] {
        self.next_id += 1;
        let id = digits(self.next_id);
        self.request.set_id(id);
        id
    }
}

impl Peer for Stdio {
    fn prepare(&mut self, request: &Request) -> Result<()> {
        self.request = request.clone();
        Ok(())
    }

    fn call(&mut self) -> Result<usize> {
        let id = self.next_request();
        self.stdin.write_all(self.request.line())?;
        loop {
            // A line of 10 MiB is not searched for its end: with one call in flight it ends where the reads end.
            while self.end == self.start || self.buffer.get(self.end - 1) != Some(&b'\n') {
                self.read_more()?;
            }
            let received = self.buffer.get(self.start..self.end).unwrap_or_default();
            if check(received, id).is_ok() {
                let length = received.len() - 1;
                self.start = self.end;
                return Ok(length);
            }
            // A notification came before it.
            let line = self.receive()?;
            let head = line.get(..line.len().min(300)).unwrap_or_default();
            ensure!(
                memmem::find(head, b"\"method\"").is_some(),
                "unexpected answer: {}",
                String::from_utf8_lossy(head)
            );
        }
    }

    fn many(&mut self, in_flight: usize, total: usize) -> Result<()> {
        let result = memmem::Finder::new(b"\"result\"");
        let method = memmem::Finder::new(b"\"method\"");
        let mut requests = Vec::with_capacity(in_flight * self.request.line().len());
        let mut to_send = in_flight.min(total);
        let (mut sent, mut answered) = (0, 0);
        while answered < total {
            requests.clear();
            for _ in 0..to_send {
                self.next_request();
                requests.extend_from_slice(self.request.line());
            }
            self.stdin.write_all(&requests)?;
            sent += to_send;
            self.read_more()?;
            let mut got = 0;
            let mut line = self.start;
            let received = self.buffer.get(..self.end).unwrap_or_default();
            for end in memchr::memchr_iter(b'\n', received.get(self.start..).unwrap_or_default()) {
                let end = self.start + end;
                let text = received.get(line..end).unwrap_or_default();
                if result.find(text).is_some() {
                    got += 1;
                } else if method.find(text).is_none() {
                    bail!("unexpected answer: {}", String::from_utf8_lossy(text));
                }
                line = end + 1;
            }
            self.start = line;
            answered += got;
            to_send = got.min(total - sent);
        }
        Ok(())
    }
}
