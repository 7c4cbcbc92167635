//! Instances on the transport of 2024-11-05: one event stream, and messages posted to the address it names.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{Answer, Behaviour, Fake, Home, Hub, HubOptions, Node, event, script::Script};

#[tokio::test]
async fn a_server_of_the_old_transport_is_an_instance_like_any_other() {
    let home = Home::new();
    let server = Script::http_sse().start().await;
    let doorbell = home.doorbell("old", server.port).with("endpoint", "/sse");
    doorbell.write(&home.data());
    let hub = Hub::start(&home, HubOptions::args(&["--ping-interval", "200ms"])).await;
    hub.connect(&doorbell.id).await;
    assert_eq!(hub.tool_names().await[6..], ["echo", "hang", "ask"]);
    let said = hub.call("echo", json!({ "text": "from the old transport" })).await;
    assert_eq!(said.text(), "from the old transport");
    hub.end_quietly().await;
}

/// As plugins of dev servers do that have one MCP server for all streams: a second one at a time breaks it for good. Its route
/// opens a stream for any method.
fn with_one_stream(is_broken: Arc<AtomicBool>) -> Behaviour {
    type Events = mpsc::Sender<Result<bytes::Bytes, std::io::Error>>;
    let current = Arc::new(tokio::sync::watch::Sender::new(None::<Events>));
    Behaviour::bare().raw(move |seen| {
        let (current, is_broken) = (Arc::clone(&current), Arc::clone(&is_broken));
        async move {
            if seen.path == "/sse" {
                let (events, stream) = mpsc::channel(16);
                let former = current.send_replace(Some(events.clone()));
                if former.is_some_and(|former| !former.is_closed()) {
                    is_broken.store(true, Ordering::SeqCst);
                }
                events.send(Ok("event: endpoint\ndata: /message\n\n".into())).await.unwrap();
                return Some(Answer::Stream(stream));
            }
            let events = current.borrow().clone();
            let (Some(events), "/message", false) =
                (events, seen.path.as_str(), is_broken.load(Ordering::SeqCst))
            else {
                return Some(Answer::http(500, "text/plain", "Already connected to a transport"));
            };
            let id = seen.message["id"].clone();
            let result = match seen.method() {
                "initialize" => json!({
                    "protocolVersion": "2024-11-05", "capabilities": { "tools": {} },
                    "serverInfo": { "name": "plugin", "version": "1" },
                }),
                "tools/list" => json!({ "tools": [{ "name": "root", "inputSchema": { "type": "object" } }] }),
                "tools/call" => json!({ "content": [{ "type": "text", "text": "the root" }] }),
                _ => json!({}),
            };
            if !id.is_null() {
                let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
                events.send(Ok(event(&answer))).await.unwrap();
            }
            Some(Answer::http(202, "text/plain", "Accepted"))
        }
    })
}

#[tokio::test]
async fn the_hubs_own_look_leaves_the_only_stream_to_a_client() {
    let home = Home::new();
    let is_broken = Arc::new(AtomicBool::new(false));
    let fake = Fake::start(with_one_stream(Arc::clone(&is_broken))).await;
    let doorbell = home.doorbell("plugin", fake.port).with("endpoint", "/sse");
    doorbell.write(&home.data());
    // One client after the other, each with a hub of its own.
    for _ in 0..2 {
        let hub = Hub::start(&home, HubOptions::args(&["--ping-interval", "20ms"])).await;
        hub.connect(&doorbell.id).await;
        for _ in 0..3 {
            assert_eq!(hub.call("root", json!({})).await.text(), "the root");
            hub.active(&doorbell.id).await;
        }
        hub.end_quietly().await;
        assert!(!is_broken.load(Ordering::SeqCst));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_server_on_the_old_transport_works_with_progress_and_questions() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let instance = node.everything_sse(&home, "everything").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&instance.id).await;
    assert_eq!(hub.call("echo", json!({ "message": "hi" })).await.text(), "Echo: hi");
    let mark = hub.mark();
    let params = json!({
        "name": "trigger-long-running-operation", "arguments": { "duration": 0.2, "steps": 2 },
        "_meta": { "progressToken": "p" },
    });
    hub.request("tools/call", params).await.text();
    let steps = hub.since(mark).iter().filter(|line| line.notifies("notifications/progress")).count();
    assert_eq!(steps, 2);
    let mark = hub.mark();
    let call = hub
        .ask("tools/call", json!({ "name": "trigger-sampling-request", "arguments": { "prompt": "?" } }))
        .await;
    let asked = hub.server_request(mark, "sampling/createMessage").await;
    let answer =
        json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "sampled" } });
    hub.reply(&asked, answer).await;
    assert!(hub.answer(&call).await.text().contains("sampled"));
    hub.end_quietly().await;
}
