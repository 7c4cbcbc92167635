//! Instances on the transport of 2024-11-05: one event stream, and messages posted to the address it names.

use serde_json::json;

use crate::support::{Home, Hub, HubOptions, Node, script::Script};

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
    server.saw("a ping", |asked| asked.method() == "ping").await;
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
