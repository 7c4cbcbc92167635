//! The log is followed.

use serde_json::{Value, json};

use super::{Client, Run, command, project};
use crate::support::{Home, Line};

/// Counts when it is told to: a line for every connection to its port.
const COUNTER: &str = "let n = 0;
    require('net').createServer(socket => { socket.destroy(); console.log('count ' + ++n); })
        .listen(0, '127.0.0.1', function () { console.log('counter on ' + this.address().port) });";

/// A run of it, a client of that, and its port.
async fn counting() -> (Home, Run, Client, u32) {
    let home = Home::new();
    let directory = project(&home, &[("count", "node count.js")], &[("count.js", COUNTER)]);
    let run = Run::start(command(&home, &directory, &["count"]));
    let client = Client::of(&home, &directory).await;
    let port = client.number("counter on ").await;
    (home, run, client, port)
}

async fn touch(port: u32) {
    let port = u16::try_from(port).unwrap();
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
}

fn progress_message(line: &Line) -> Option<String> {
    line.notifies("notifications/progress")
        .then(|| line.params()["message"].as_str().unwrap_or_default().to_owned())
}

/// Asks for a stream whose lines come as progress; returns the id of the request.
async fn stream(client: &Client, arguments: Value) -> String {
    let params =
        json!({ "name": "logs_stream", "arguments": arguments, "_meta": { "progressToken": "follow" } });
    client.hub.ask("tools/call", params).await
}

#[tokio::test]
async fn lines_come_as_progress_until_there_are_enough() {
    let (_home, _run, client, port) = counting().await;
    let cursor = client.tool("logs_tail", json!({})).await["cursor"].clone();
    let mark = client.hub.mark();
    let arguments =
        json!({ "processId": "count", "query": "count", "limit": 2, "seconds": 600, "cursor": cursor });
    let id = stream(&client, arguments).await;
    for number in 1..=2 {
        touch(port).await;
        let wanted = format!("count {number}");
        let line = client.hub.line(mark, &wanted, |line| {
            progress_message(line).is_some_and(|message| message.ends_with(&wanted))
        });
        line.await;
    }
    let streamed = client.hub.answer(&id).await.ok()["structuredContent"].clone();
    assert_json!(streamed, "/ended", "lines");
    assert_json!(streamed, "/entries/0/content", "count 1");
    assert_json!(streamed, "/entries/1/content", "count 2");
    // Each progress is more than the one before (2025-11-25, progress).
    let told = client.hub.since(mark).into_iter().filter(|line| line.notifies("notifications/progress"));
    let told: Vec<f64> = told.map(|line| line.params()["progress"].as_f64().unwrap()).collect();
    assert!(told.len() >= 2 && told.is_sorted_by(|one, next| one < next), "{told:?}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn lines_come_as_log_messages_to_whoever_wants_no_progress() {
    let (_home, _run, client, port) = counting().await;
    let cursor = client.tool("logs_tail", json!({})).await["cursor"].clone();
    let mark = client.hub.mark();
    let arguments = json!({ "limit": 1, "seconds": 600, "cursor": cursor });
    let id = client.hub.ask("tools/call", json!({ "name": "logs_stream", "arguments": arguments })).await;
    touch(port).await;
    let message = client.hub.notification(mark, "notifications/message").await.params();
    assert_json!(message, "/level", "info");
    assert_json!(message, "/logger", "count");
    assert!(message["data"].as_str().unwrap().ends_with("count 1"), "{message}");
    client.hub.answer(&id).await.ok();
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_process_or_its_time() {
    let (_home, _run, client, port) = counting().await;
    let over = client.tool("logs_stream", json!({ "seconds": 0 })).await;
    assert_json!(over, "/ended", "time");
    let at_once = client.tool("logs_stream", json!({ "follow": false, "query": "counter on" })).await;
    assert_json!(at_once, "/ended", "all");
    assert_eq!(at_once["entries"].as_array().unwrap().len(), 1);

    let cursor = at_once["cursor"].clone();
    let id = stream(&client, json!({ "processId": "count", "seconds": 600, "cursor": cursor })).await;
    touch(port).await;
    client.wait(json!({ "log": "count 1" })).await;
    client.tool("scripts_stop", json!({ "processId": "count" })).await;
    let streamed = client.hub.answer(&id).await.ok()["structuredContent"].clone();
    assert_json!(streamed, "/ended", "process");
    assert_json!(streamed, "/entries/0/content", "count 1");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_cancelled_stream_holds_nothing_up() {
    let (_home, run, client, port) = counting().await;
    let mark = client.hub.mark();
    let id = stream(&client, json!({ "seconds": 600 })).await;
    touch(port).await;
    client.hub.line(mark, "a line", |line| progress_message(line).is_some()).await;
    let request: u64 = id.parse().unwrap();
    client.hub.notify("notifications/cancelled", json!({ "requestId": request })).await;
    let status = client.tool("scripts_status", json!({})).await;
    assert_json!(status, "/processes/0/status", "running");
    // Nothing that waits keeps the run from ending.
    let _waiting =
        client.hub.ask("tools/call", json!({ "name": "wait_until", "arguments": { "log": "never" } })).await;
    client.tool("logs_tail", json!({})).await;
    #[cfg(unix)]
    {
        run.signal(rustix::process::Signal::TERM);
        let ended = run.end().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        client.hub.gone(&client.id).await;
    }
    #[cfg(windows)]
    drop(run);
    client.hub.end().await;
}
