//! Instances on the transport of 2024-11-05: one event stream, and messages posted to the address it names.

use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{Answer, Behaviour, Fake, Home, Hub, HubOptions, Node, event};

/// A hand-made server of that transport: `GET /sse`, `POST /message?session=N`.
fn server() -> Behaviour {
    type Events = mpsc::Sender<Result<bytes::Bytes, std::io::Error>>;
    let streams = std::sync::Arc::new(tokio::sync::watch::Sender::new(Vec::<Events>::new()));
    Behaviour::bare().raw(move |seen| {
        let streams = streams.clone();
        async move {
            if seen.verb == "GET" && seen.path == "/sse" {
                let (events, stream) = mpsc::channel(16);
                let mut path = "/message/0".to_owned();
                streams.send_modify(|streams| {
                    path = format!("/message/{}", streams.len());
                    streams.push(events.clone());
                });
                events.send(Ok(format!("event: endpoint\ndata: {path}\n\n").into())).await.unwrap();
                return Some(Answer::Stream(stream));
            }
            let number = seen.path.strip_prefix("/message/").and_then(|number| number.parse::<usize>().ok());
            let (true, Some(number)) = (seen.verb == "POST", number) else {
                return Some(Answer::http(404, "text/html", "Cannot POST /sse"));
            };
            let events = streams.borrow()[number].clone();
            let id = seen.message["id"].clone();
            let result = match seen.method() {
                "initialize" => json!({
                    "protocolVersion": "2024-11-05", "capabilities": { "tools": {} },
                    "serverInfo": { "name": "old", "version": "1" },
                }),
                "tools/list" => json!({ "tools": [{ "name": "old", "inputSchema": { "type": "object" } }] }),
                "tools/call" => json!({ "content": [{ "type": "text", "text": "from the old transport" }] }),
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
async fn a_server_of_the_old_transport_is_an_instance_like_any_other() {
    let home = Home::new();
    let fake = Fake::start(server()).await;
    let doorbell = home.doorbell("old", fake.port).with("endpoint", "/sse");
    doorbell.write(&home.data());
    let hub = Hub::start(&home, HubOptions::args(&["--ping-interval", "200ms"])).await;
    hub.connect(&doorbell.id).await;
    assert_eq!(hub.tool_names().await[6..], ["old"]);
    assert_eq!(hub.call("old", json!({})).await.text(), "from the old transport");
    fake.saw("a ping", |seen| seen.method() == "ping").await;
    hub.end_quietly().await;
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
