//! What a modern instance is sent over HTTP. The fake refuses what is not as the revision asks for, so each call that
//! succeeds proves its headers; here is what such a check does not see.

use serde_json::{Value, json};

use super::{connected, silent, text};
use crate::support::{Answer, Behaviour, Call, Fake, Home, Seen, decoded, result};

/// A tool list with these tools.
fn listing(tools: &Value) -> Behaviour {
    let mut behaviour = Behaviour::bare().always("tools/list", json!({ "tools": tools }));
    for tool in tools.as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        behaviour = behaviour.tool(name, |call: Call| std::future::ready(result(&call, text("called"))));
    }
    behaviour
}

fn tool(name: &str, properties: &Value) -> Value {
    json!({ "name": name, "inputSchema": { "type": "object", "properties": properties } })
}

fn mirrored() -> Value {
    tool(
        "where",
        &json!({
            "region": { "type": "string", "x-mcp-header": "Region" },
            "count": { "type": "integer", "x-mcp-header": "Count" },
            "dry": { "type": "boolean", "x-mcp-header": "Dry-Run" },
            "deep": { "type": "object", "properties": { "er": { "type": "string", "x-mcp-header": "Deeper" } } },
            "plain": { "type": "string" },
        }),
    )
}

fn last_call(fake: &Fake) -> Seen {
    fake.seen().into_iter().rfind(|seen| seen.method() == "tools/call").expect("a call")
}

fn parameters(seen: &Seen) -> Vec<(String, String)> {
    let headers = seen.headers.iter().filter(|(name, _)| name.as_str().starts_with("mcp-param-"));
    let mut found: Vec<_> =
        headers.map(|(name, value)| (name.as_str().to_owned(), decoded(value.to_str().unwrap()))).collect();
    found.sort();
    found
}

#[tokio::test]
async fn names_are_mirrored_from_the_instances_own_name_and_wrapped_when_not_plain() {
    let home = Home::new();
    let names = ["plain", "with space", " edge", "grüße", "=?base64?aGk=?=", "tab\there"];
    let tools: Vec<_> = names.iter().map(|name| tool(name, &json!({}))).collect();
    let (hub, fake) = connected(&home, listing(&json!(tools)).modern()).await;
    for name in names {
        assert_eq!(hub.call(name, json!({})).await.text(), "called", "{name}");
        let header = last_call(&fake).header("mcp-name").unwrap().to_owned();
        assert_eq!(decoded(&header), name);
        assert!(header == name || !["plain", "with space"].contains(&name), "{name}: {header}");
    }
}

#[tokio::test]
async fn annotated_arguments_become_headers_for_clients_of_both_eras() {
    let home = Home::new();
    let (hub, fake) = connected(&home, listing(&json!([mirrored()])).modern()).await;
    let listed = hub.request("tools/list", Value::Null).await.ok();
    let schema = listed["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "where").unwrap();
    assert_eq!(*schema, mirrored(), "the annotation stays in what is listed");
    let arguments = json!({
        "region": "Zürich", "count": -42, "dry": true, "deep": { "er": "below" }, "plain": "no",
    });
    let wanted = [
        ("mcp-param-count", "-42"),
        ("mcp-param-deeper", "below"),
        ("mcp-param-dry-run", "true"),
        ("mcp-param-region", "Zürich"),
    ];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
    hub.call("where", arguments.clone()).await.text();
    assert_eq!(parameters(&last_call(&fake)), wanted);
    hub.modern("tools/list", Value::Null).await.ok();
    hub.modern_call("it__where", arguments).await.text();
    assert_eq!(parameters(&last_call(&fake)), wanted);
}

#[tokio::test]
async fn what_is_absent_or_null_has_no_header() {
    let home = Home::new();
    let (hub, fake) = connected(&home, listing(&json!([mirrored()])).modern()).await;
    for arguments in [json!({}), json!({ "region": null, "count": null, "dry": null, "deep": null })] {
        hub.call("where", arguments).await.text();
        assert_eq!(parameters(&last_call(&fake)), []);
    }
}

#[tokio::test]
async fn a_tool_with_an_impossible_annotation_is_left_out_and_the_others_stay() {
    let home = Home::new();
    let bad = [
        ("empty", json!({ "a": { "type": "string", "x-mcp-header": "" } })),
        ("spaced", json!({ "a": { "type": "string", "x-mcp-header": "My Header" } })),
        ("number", json!({ "a": { "type": "number", "x-mcp-header": "A" } })),
        ("object", json!({ "a": { "type": "object", "x-mcp-header": "A" } })),
        (
            "twice",
            json!({
                "a": { "type": "string", "x-mcp-header": "Same" }, "b": { "type": "string", "x-mcp-header": "sAME" },
            }),
        ),
        ("items", json!({ "a": { "type": "array", "items": { "type": "string", "x-mcp-header": "A" } } })),
    ];
    let mut tools: Vec<_> = bad.iter().map(|(name, properties)| tool(name, properties)).collect();
    tools.push(mirrored());
    for modern in [true, false] {
        let home = Home::new();
        let behaviour = listing(&json!(tools));
        let behaviour = if modern { behaviour.modern() } else { behaviour };
        let (hub, _fake) = connected(&home, behaviour).await;
        let listed = hub.tool_names().await;
        assert!(listed.iter().any(|name| name == "where"), "{listed:?}");
        for (name, _) in &bad {
            // To a legacy instance the word means nothing.
            assert_eq!(listed.iter().any(|it| it == name), !modern, "{name} in {listed:?}");
        }
    }
    drop(home);
}

#[tokio::test]
async fn headers_that_the_instance_finds_wrong_are_made_anew_from_a_fresh_list() {
    let home = Home::new();
    // After the first list the tool changes: the argument has a header now.
    let lists = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let behaviour = Behaviour::bare()
        .on("tools/list", move |call: Call| {
            let first = lists.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            let region = if first {
                json!({ "type": "string" })
            } else {
                json!({ "type": "string", "x-mcp-header": "Region" })
            };
            std::future::ready(result(
                &call,
                json!({ "tools": [tool("where", &json!({ "region": region }))] }),
            ))
        })
        .tool("where", |call: Call| {
            let answer = if call.seen.header("mcp-param-region") == Some("eu") {
                result(&call, text("there"))
            } else {
                let error = json!({ "code": -32020, "message": "header mismatch" });
                let body = json!({ "jsonrpc": "2.0", "id": call.seen.message["id"], "error": error });
                Answer::http(400, "application/json", body.to_string())
            };
            std::future::ready(answer)
        })
        .modern();
    let (hub, fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    assert_eq!(hub.modern_call("it__where", json!({ "region": "eu" })).await.text(), "there");
    assert!(fake.seen().iter().filter(|seen| seen.method() == "tools/call").count() <= 2);
}

#[tokio::test]
async fn a_mismatch_that_stays_is_the_hubs_own_error() {
    let home = Home::new();
    let behaviour = Behaviour::bare()
        .tool("never", |call: Call| {
            let error = json!({ "code": -32020, "message": "header mismatch" });
            let body = json!({ "jsonrpc": "2.0", "id": call.seen.message["id"], "error": error });
            std::future::ready(Answer::http(400, "application/json", body.to_string()))
        })
        .modern();
    let (hub, _fake) = connected(&home, behaviour).await;
    let error = hub.call("never", json!({})).await.failure();
    assert!(error.message.contains("header"), "{error:?}");
}

#[tokio::test]
async fn a_modern_instance_never_sees_a_word_of_the_other_era() {
    let home = Home::new();
    let behaviour = Behaviour::default().always("resources/list", json!({ "resources": [] })).modern();
    let (hub, fake) = connected(&home, behaviour).await;
    hub.notify("notifications/roots/list_changed", Value::Null).await;
    hub.request("logging/setLevel", json!({ "level": "debug" })).await.ok();
    hub.request("ping", Value::Null).await.ok();
    hub.request("resources/list", Value::Null).await.ok();
    assert_eq!(hub.call("echo", json!({ "message": "m" })).await.text(), "m");
    hub.end_quietly().await;
    let mut sessions = 0;
    for seen in fake.seen() {
        assert_eq!(seen.verb, "POST", "{seen:?}");
        if seen.method() == "initialize" {
            // A server of both eras would serve a client with a handshake in its own words, so that is tried first.
            sessions += 1;
            continue;
        }
        let gone =
            ["notifications/initialized", "ping", "logging/setLevel", "notifications/roots/list_changed"];
        assert!(!gone.contains(&seen.method()), "{seen:?}");
        assert!(seen.header("mcp-session-id").is_none() && seen.header("origin").is_none());
        let accept = seen.header("accept").unwrap();
        assert!(accept.contains("application/json") && accept.contains("text/event-stream"), "{accept}");
        assert_eq!(seen.header("content-type"), Some("application/json"));
    }
    assert!(sessions <= 1, "once per connection of a client");
}

#[tokio::test]
async fn the_log_level_of_a_legacy_client_goes_with_each_request() {
    let home = Home::new();
    let (hub, fake) = connected(&home, Behaviour::default().modern()).await;
    let level = |fake: &Fake| last_call(fake).message["params"]["_meta"][crate::support::LOG_LEVEL].clone();
    hub.call("echo", json!({})).await.text();
    assert_eq!(level(&fake), Value::Null, "before any level was set");
    assert_eq!(hub.request("logging/setLevel", json!({ "level": "error" })).await.ok(), json!({}));
    hub.call("echo", json!({})).await.text();
    assert_eq!(level(&fake), "error");
    hub.request("logging/setLevel", json!({ "level": "debug" })).await.ok();
    hub.call("echo", json!({})).await.text();
    assert_eq!(level(&fake), "debug");
}
