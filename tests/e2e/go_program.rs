//! What the released Go program does differently, and the hub puts up with.

use serde_json::{Value, json};

use crate::support::{
    Answer, Behaviour, Call, Doorbell, Fake, Home, Hub, HubOptions, result, rpc_error, unique_id,
};

/// An instance as the Go program is one: POST and JSON, no session, no `ping`, an answer to every notification.
fn go() -> Behaviour {
    let tools = [
        ("object", r#"{"processes":[],"count":0}"#),
        ("array", r#"[{"id":"dev-1"},{"id":"dev-2"}]"#),
        ("null", "null"),
        ("text", r#""started""#),
        ("proper", r#"{"content":[{"type":"text","text":"proper"}]}"#),
    ];
    let behaviour = tools
        .into_iter()
        .fold(Behaviour::bare().without_sessions().without_listening(), |it, (name, answer)| {
            it.tool(name, move |call| std::future::ready(result(&call, answer)))
        });
    behaviour
        .on("initialize", async |call| {
            let welcome = json!({
                "protocolVersion": "1.0", "serverInfo": { "name": "brummer-mcp", "version": "2.0.0" },
                "capabilities": { "tools": {}, "resources": { "subscribe": true }, "prompts": { "listChanged": true }, "logging": {} },
            });
            result(&call, welcome)
        })
        .on("ping", async |call| rpc_error(&call, -32601, "Method not found"))
        .always("resources/subscribe", r#"{"subscribed":true}"#)
        .always("prompts/list", r#"{"prompts":[{"name":"debug_error","arguments":[{"name":"error_message","required":true}]}]}"#)
        .always(
            "prompts/get",
            r#"{"description":"d","messages":[{"role":"system","content":"You debug."},{"role":"user","content":{"type":"text","text":"Why?"}}]}"#,
        )
        // Streaming tools label plain JSON as an event stream when the client takes JSON only; some do always.
        .tool("mislabelled", async |call: Call| {
            let Answer::Json(body) = result(&call, r#"{"content":[{"type":"text","text":"json"}]}"#) else { unreachable!() };
            Answer::http(200, "text/event-stream", body)
        })
        .raw(|seen| {
            let notification = seen.verb == "POST" && seen.message.get("id").is_none();
            let refusal = r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"}}"#;
            std::future::ready(notification.then(|| Answer::Json(refusal.to_owned())))
        })
}

async fn connected(home: &Home, arguments: &[&str]) -> (Hub, Fake, String) {
    let fake = Fake::start(go()).await;
    let doorbell =
        Doorbell::go(&unique_id("brum"), "brum", &home.project("brum"), fake.port, std::process::id());
    doorbell.write(&home.data());
    let hub = Hub::start(home, HubOptions::args(arguments)).await;
    hub.connect(&doorbell.id).await;
    (hub, fake, doorbell.id)
}

#[tokio::test]
async fn it_is_active_stays_active_without_ping_and_raises_no_warning() {
    let home = Home::new();
    let (hub, fake, id) = connected(&home, &["--ping-interval", "200ms"]).await;
    let pings = || fake.seen().iter().filter(|seen| seen.method() == "ping").count();
    fake.saw("several pings", |_| pings() >= 6).await;
    hub.active(&id).await;
    let health = hub.hub_tool("instances_health", json!({ "instance_id": id })).await;
    assert!(!health.to_string().contains("retrying"), "never retried: {health:#}");
    hub.end_quietly().await;
}

#[tokio::test]
async fn bare_tool_results_are_wrapped_so_that_clients_understand_them() {
    let home = Home::new();
    let (hub, _, _) = connected(&home, &[]).await;
    for (tool, bare) in [
        ("object", json!({ "processes": [], "count": 0 })),
        ("array", json!([{ "id": "dev-1" }, { "id": "dev-2" }])),
        ("null", Value::Null),
        ("text", json!("started")),
    ] {
        let answer = hub.call(tool, json!({})).await;
        let result = answer.ok();
        let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{tool}: {result:#}"));
        assert_json!(result, "/content/0/type", "text");
        let same =
            serde_json::from_str::<Value>(text).is_ok_and(|it| it == bare) || bare.as_str() == Some(text);
        assert!(same, "{tool}: {text}");
        if bare.is_object() {
            assert_eq!(result["structuredContent"], bare, "{tool}");
        }
    }
    assert_eq!(
        hub.call("proper", json!({})).await.result.as_deref(),
        Some(r#"{"content":[{"type":"text","text":"proper"}]}"#)
    );
    assert_eq!(hub.call("mislabelled", json!({})).await.text(), "json");
}

#[tokio::test]
async fn prompts_with_a_role_and_content_that_mcp_does_not_have_are_put_right() {
    let home = Home::new();
    let (hub, _, _) = connected(&home, &[]).await;
    let got = hub
        .request("prompts/get", json!({ "name": "debug_error", "arguments": { "error_message": "x" } }))
        .await
        .ok();
    for message in got["messages"].as_array().unwrap() {
        assert!(["user", "assistant"].contains(&message["role"].as_str().unwrap()), "{got:#}");
        assert_json!(message, "/content/type", "text");
    }
    assert_json!(got, "/messages/0/content/text", "You debug.");
    assert_json!(got, "/messages/1/content/text", "Why?");
    assert_json!(got, "/description", "d");
}

#[tokio::test]
async fn its_subscriptions_and_notifications_work() {
    let home = Home::new();
    let (hub, fake, _) = connected(&home, &[]).await;
    hub.request("resources/subscribe", json!({ "uri": "logs://recent" })).await.ok();
    let mark = hub.mark();
    hub.notify("notifications/roots/list_changed", Value::Null).await;
    fake.saw("the notification", |seen| seen.method() == "notifications/roots/list_changed").await;
    assert_eq!(hub.call("proper", json!({})).await.text(), "proper");
    assert_eq!(
        hub.since(mark).len(),
        1,
        "its refusal of a notification is not the client's: {:?}",
        hub.since(mark)
    );
}
