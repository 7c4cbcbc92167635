//! What the hub holds for those who do not read: bounded in bytes, and nothing is lost.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdout},
    sync::mpsc,
    task::AbortHandle,
};

use crate::support::{Answer, Behaviour, Call, Fake, Home, HubOptions, Instance, expect};

const MIB: usize = 1024 * 1024;

/// What the hub may hold in these tests (`--max-buffered`).
const BUDGET: usize = 8 * MIB;

/// A client that reads only when it is told to.
struct Client {
    hub: Child,
    input: mpsc::Sender<String>,
    output: BufReader<ChildStdout>,
    /// Bytes that the hub, or its pipe, has taken.
    written: Arc<AtomicUsize>,
    writing: AbortHandle,
}

impl Client {
    async fn start(home: &Home, instance: &str) -> Self {
        let options = HubOptions::args(&["--max-buffered", "8"]);
        let mut hub = options.command(home).stderr(Stdio::null()).spawn().unwrap();
        let (mut stdin, output) = (hub.stdin.take().unwrap(), BufReader::new(hub.stdout.take().unwrap()));
        let (input, mut to_write) = mpsc::channel::<String>(64);
        let written = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&written);
        let writing = tokio::spawn(async move {
            while let Some(text) = to_write.recv().await {
                for piece in text.as_bytes().chunks(64 * 1024) {
                    stdin.write_all(piece).await.unwrap();
                    counter.fetch_add(piece.len(), Ordering::Relaxed);
                }
            }
        });
        let writing = writing.abort_handle();
        let mut client = Self { hub, input, output, written, writing };
        let params = json!({
            "protocolVersion": options.revision, "capabilities": {}, "clientInfo": { "name": "e2e", "version": "1" },
        });
        client.send(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })).await;
        expect("the handshake", client.answer()).await;
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        let params = json!({ "uri": "brummer://instances" });
        let subscribe =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "resources/subscribe", "params": params });
        client.send(&subscribe).await;
        expect("the subscription", client.answer()).await;
        loop {
            client.call(0, "instances_connect", json!({ "instance_id": instance })).await;
            let (mut has_news, mut answer) = (false, None);
            while answer.is_none() {
                let message = expect("the instance is connected", client.message()).await;
                has_news |= message["method"] == "notifications/resources/updated";
                answer = Some(message).filter(|message| message.get("id").is_some());
            }
            if answer.is_some_and(|answer| answer.pointer("/result/isError") != Some(&json!(true))) {
                return client;
            }
            while !has_news {
                let message = expect("news of the instances", client.message()).await;
                has_news = message["method"] == "notifications/resources/updated";
            }
        }
    }

    async fn send(&mut self, message: &Value) {
        self.input.send(format!("{message}\n")).await.unwrap();
    }

    async fn call(&mut self, id: usize, tool: &str, arguments: Value) {
        let params = json!({ "name": tool, "arguments": arguments });
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })).await;
    }

    async fn message(&mut self) -> Value {
        let mut line = String::new();
        assert!(self.output.read_line(&mut line).await.unwrap() > 0, "the hub has ended");
        serde_json::from_str(&line).unwrap()
    }

    /// The next answer; notifications are passed over.
    async fn answer(&mut self) -> Value {
        loop {
            let message = self.message().await;
            if message.get("id").is_some() {
                return message;
            }
        }
    }

    fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.hub.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Reads the answers to the requests from 1 on, in whatever order they come, and checks the length of their texts.
    async fn read_all(&mut self, requests: usize, length: usize) {
        let mut seen = vec![false; requests];
        for _ in 0..requests {
            let answer = expect("an answer", self.answer()).await;
            let text = answer.pointer("/result/content/0/text").and_then(Value::as_str);
            assert_eq!(text.map(str::len), Some(length), "{:?}", answer.get("error"));
            let id = usize::try_from(answer["id"].as_u64().unwrap()).unwrap();
            assert!(!std::mem::replace(&mut seen[id - 1], true), "{id} was answered twice");
        }
    }

    async fn end(mut self) {
        drop(self.input);
        assert!(expect("the hub ends", self.hub.wait()).await.unwrap().success());
    }
}

/// Waits until a count no longer grows. Nobody tells that somebody else has stopped reading, so it can only be looked at.
async fn at_rest(count: impl Fn() -> usize) {
    let (mut last, mut same) = (0, 0);
    while same < 10 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = count();
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
    }
}

/// A tool whose answers have a text of `length` bytes, sent piece by piece; `sent` counts what has been taken.
fn large_answer(call: &Call, length: usize, as_event: bool, sent: Arc<AtomicUsize>) -> Answer {
    let (before, after) = if as_event { ("data: ", "\n\n") } else { ("", "") };
    let head = format!(
        r#"{before}{{"jsonrpc":"2.0","id":{},"result":{{"content":[{{"type":"text","text":""#,
        call.id
    );
    let piece = bytes::Bytes::from(vec![b'x'; 64 * 1024]);
    let pieces = std::iter::once(head.into())
        .chain(std::iter::repeat_n(piece, length / (64 * 1024)))
        .chain([format!(r#""}}]}}}}{after}"#).into()]);
    let counted = pieces.inspect(move |piece| {
        sent.fetch_add(piece.len(), Ordering::Relaxed);
    });
    let body =
        axum::body::Body::from_stream(futures_util::stream::iter(counted.map(Ok::<_, std::io::Error>)));
    Answer::http(200, if as_event { "text/event-stream" } else { "application/json" }, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_makes_instances_wait() {
    const LENGTH: usize = 4 * MIB;
    const CALLS: usize = 16;
    for as_event in [false, true] {
        let home = Home::new();
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let behaviour = Behaviour::bare().tool("large", move |call: Call| {
            std::future::ready(large_answer(&call, LENGTH, as_event, Arc::clone(&counter)))
        });
        let fake = Fake::start(behaviour).await;
        let id = home.announce("large", fake.port);
        let mut client = Client::start(&home, &id).await;
        let before = client.resident();
        for id in 1..=CALLS {
            client.call(id, "large", json!({})).await;
        }
        expect("the hub stops reading", at_rest(|| sent.load(Ordering::Relaxed) + client.resident())).await;
        let held = client.resident().saturating_sub(before);
        // Each connection has a buffer beside what is paid for, and so has the client's pipe.
        assert!(held < BUDGET + LENGTH + CALLS * 192 * 1024 + 2 * MIB, "{held} bytes for {CALLS} answers");
        client.read_all(CALLS, LENGTH).await;
        client.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_does_not_read_makes_the_client_wait() {
    const LENGTH: usize = 4 * MIB;
    const CALLS: usize = 10;
    let home = Home::new();
    let instance = Instance::fake(&home, "stopped").await;
    let mut client = Client::start(&home, &instance.id).await;
    let before = client.resident();
    instance.signal(Signal::STOP);
    let message = "x".repeat(LENGTH);
    for id in 1..=CALLS {
        client.call(id, "echo", json!({ "message": message })).await;
    }
    let written = Arc::clone(&client.written);
    expect("the hub stops reading", at_rest(|| written.load(Ordering::Relaxed) + client.resident())).await;
    let held = client.resident().saturating_sub(before);
    assert!(held < BUDGET + LENGTH + 4 * MIB, "{held} bytes of {CALLS} requests");
    assert!(written.load(Ordering::Relaxed) < CALLS * LENGTH, "all was read");
    instance.signal(Signal::CONT);
    client.read_all(CALLS, LENGTH).await;
    client.end().await;
}

/// Nothing is read from it any more, and yet the hub ends with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_it_waits_is_noticed() {
    let home = Home::new();
    let instance = Instance::fake(&home, "stopped").await;
    let mut client = Client::start(&home, &instance.id).await;
    instance.signal(Signal::STOP);
    let message = "x".repeat(4 * MIB);
    for id in 1..=10 {
        client.call(id, "echo", json!({ "message": message })).await;
    }
    let written = Arc::clone(&client.written);
    expect("the hub stops reading", at_rest(|| written.load(Ordering::Relaxed) + client.resident())).await;
    client.writing.abort();
    let Client { mut hub, mut output, .. } = client;
    // It waits for the last answers before it ends, and for them to be read.
    let reading = tokio::spawn(async move {
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {}
    });
    assert!(expect("the hub ends", hub.wait()).await.unwrap().success());
    reading.await.unwrap();
}
