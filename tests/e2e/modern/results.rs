//! What every result has for a client without a handshake, and what its lists hold.

use serde_json::{Value, json};

use super::{silent, text};
use crate::support::{Behaviour, Call, Fake, Home, Hub, HubOptions, LATEST, SERVER_INFO, result};

/// An instance with one of each, in either era.
fn one_of_each() -> Behaviour {
    Behaviour::default()
        .always("prompts/list", json!({ "prompts": [{ "name": "greet" }] }))
        .always("prompts/get", json!({ "messages": [] }))
        .always("resources/list", json!({ "resources": [{ "uri": "x://a", "name": "a" }] }))
        .always(
            "resources/templates/list",
            json!({ "resourceTemplates": [{ "uriTemplate": "x://{n}", "name": "n" }] }),
        )
        .always("resources/read", json!({ "contents": [{ "uri": "x://a", "text": "a" }] }))
        .always("completion/complete", json!({ "completion": { "values": ["v"] } }))
        .always("vendor/anything", json!({ "vendor": true }))
}

/// Every kind of request that has a result, and whether that may be kept.
fn kinds() -> [(&'static str, Value, bool); 10] {
    let reference = json!({ "type": "ref/prompt", "name": "it__greet" });
    [
        ("server/discover", json!({}), true),
        ("tools/list", json!({}), true),
        ("prompts/list", json!({}), true),
        ("resources/list", json!({}), true),
        ("resources/templates/list", json!({}), true),
        ("resources/read", json!({ "uri": "x://a" }), true),
        ("tools/call", json!({ "name": "it__echo", "arguments": {} }), false),
        ("tools/call", json!({ "name": "instances_list", "arguments": {} }), false),
        ("prompts/get", json!({ "name": "it__greet" }), false),
        ("completion/complete", json!({ "ref": reference, "argument": { "name": "a", "value": "" } }), false),
    ]
}

fn assert_complete(line: &Value, method: &str, cacheable: bool) {
    assert_eq!(line["resultType"], "complete", "{method}: {line:#}");
    assert_eq!(line["ttlMs"].is_u64(), cacheable, "{method}: {line:#}");
    assert_eq!(line["cacheScope"].is_string(), cacheable, "{method}: {line:#}");
    assert!(line["_meta"][SERVER_INFO]["name"].is_string(), "{method}: {line:#}");
}

async fn every_kind(behaviour: Behaviour) {
    let home = Home::new();
    let (hub, _fake) = silent(&home, behaviour).await;
    // Names are known once they were listed.
    for list in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        hub.modern(list, Value::Null).await.ok();
    }
    for (method, params, cacheable) in kinds() {
        assert_complete(&hub.modern(method, params).await.ok(), method, cacheable);
    }
    hub.end_quietly().await;
}

#[tokio::test]
async fn every_result_of_a_legacy_instance_has_what_the_revision_asks_for() {
    every_kind(one_of_each()).await;
}

#[tokio::test]
async fn every_result_of_a_modern_instance_has_what_the_revision_asks_for() {
    every_kind(one_of_each().modern()).await;
}

#[tokio::test]
async fn without_instances_the_empty_lists_have_it_too() {
    let home = Home::new();
    let hub = Hub::spawn(&home, &HubOptions::default());
    for (method, params, cacheable) in &kinds()[..5] {
        assert_complete(&hub.modern(method, params.clone()).await.ok(), method, *cacheable);
    }
    let read = hub.modern("resources/read", json!({ "uri": "brummer://instances" })).await.ok();
    assert_complete(&read, "resources/read", true);
    hub.end_quietly().await;
}

#[tokio::test]
async fn what_a_modern_instance_says_of_its_result_stays_and_a_legacy_clients_is_left_alone() {
    let home = Home::new();
    let own = json!({
        "resultType": "complete", "ttlMs": 77, "cacheScope": "public", "contents": [], "vendor": { "1.0": 1.0 },
        "_meta": { SERVER_INFO: { "name": "itself", "version": "0" }, "vendor/key": null },
    });
    let behaviour = one_of_each().always("resources/read", own.clone()).modern();
    let (hub, _fake) = silent(&home, behaviour).await;
    hub.modern("resources/list", Value::Null).await.ok();
    let read = hub.modern("resources/read", json!({ "uri": "x://a" })).await.ok();
    assert_eq!(read, own, "nothing is added, nothing is taken");

    let hello = json!({ "protocolVersion": LATEST, "capabilities": {}, "clientInfo": { "name": "l", "version": "1" } });
    hub.request("initialize", hello).await.ok();
    let listed = hub.request("tools/list", Value::Null).await.ok();
    assert!(listed.get("resultType").is_none(), "the hub's own list: {listed:#}");
}

#[tokio::test]
async fn members_that_a_legacy_instance_uses_for_something_else_are_replaced() {
    let home = Home::new();
    let odd = r#"{"content":[],"resultType":"odd","x":1.0,"resultType":"odder"}"#;
    let behaviour = Behaviour::bare().tool("odd", move |call: Call| std::future::ready(result(&call, odd)));
    let (hub, _fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let line = hub.modern_call("it__odd", json!({})).await;
    let raw = line.result.clone().unwrap();
    assert_eq!(raw.matches("resultType").count(), 1, "{raw}");
    assert!(raw.contains(r#""x":1.0"#), "{raw}");
    assert_json!(line.ok(), "/resultType", "complete");
}

#[tokio::test]
async fn unknown_names_and_resources_have_the_codes_of_the_revision() {
    let home = Home::new();
    let (hub, _fake) = silent(&home, Behaviour::default()).await;
    for (method, params) in [
        ("tools/call", json!({ "name": "no__such", "arguments": {} })),
        ("tools/call", json!({ "name": "it__nothing", "arguments": {} })),
        ("prompts/get", json!({ "name": "no__such" })),
        ("tools/list", json!({ "cursor": "not one of the hub's" })),
    ] {
        let error = hub.modern(method, params.clone()).await.err();
        assert_eq!(error.code, -32602, "{method} {params}: {error:?}");
    }
    let alone = Hub::spawn(&Home::new(), &HubOptions::default());
    let error = alone.modern("resources/read", json!({ "uri": "no://where" })).await.err();
    assert_eq!((error.code, &error.data["uri"]), (-32602, &json!("no://where")), "{error:?}");
}

#[tokio::test]
async fn an_unknown_resource_of_a_legacy_instance_is_an_invalid_parameter() {
    let home = Home::new();
    let error = r#"{"code":-32002,"message":"Resource not found","data":{"uri":"x://gone","more":1.0}}"#;
    let behaviour = one_of_each().on("resources/read", move |call: Call| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, call.id);
        std::future::ready(crate::support::Answer::Json(body))
    });
    let (hub, _fake) = silent(&home, behaviour).await;
    hub.modern("resources/templates/list", Value::Null).await.ok();
    let line = hub.modern("resources/read", json!({ "uri": "x://gone" })).await;
    assert_eq!(line.err().code, -32602, "{}", line.raw);
    assert!(line.raw.contains(r#""data":{"uri":"x://gone","more":1.0}"#), "the rest stays: {}", line.raw);
}

#[tokio::test]
async fn connecting_changes_no_list_and_the_order_is_always_the_same() {
    let home = Home::new();
    let (second, first) = (Fake::start(one_of_each()).await, Fake::start(one_of_each().modern()).await);
    let ids = [home.announce("second", second.port), home.announce("first", first.port)];
    // In the mode that shows one instance to clients with a session.
    let hub = Hub::spawn(&home, &HubOptions::args(&["--tools", "connected"]));
    for id in &ids {
        hub.modern_active(id).await;
    }
    let wanted = ["first__echo", "first__hang", "second__echo", "second__hang"];
    assert_eq!(hub.modern_tools().await, wanted);
    let mark = hub.mark();
    hub.modern_call("instances_connect", json!({ "instance_id": ids[0] })).await;
    assert_eq!(hub.modern_tools().await, wanted);
    hub.modern_call("instances_disconnect", json!({})).await;
    assert_eq!(hub.modern_tools().await, wanted);
    assert!(!hub.since(mark).iter().any(|line| line.notifies("notifications/tools/list_changed")));
    for name in wanted {
        if name.ends_with("echo") {
            let said = hub.modern_call(name, json!({ "message": name })).await;
            assert_eq!(said.text(), name);
        }
    }
    let other = Hub::spawn(&home, &HubOptions::default());
    for id in &ids {
        other.modern_active(id).await;
    }
    assert_eq!(other.modern_tools().await, wanted, "another process lists the same");
}

#[tokio::test]
async fn merged_lists_may_be_kept_as_briefly_and_shown_as_little_as_their_strictest_part() {
    let home = Home::new();
    let list = |ttl: u64, scope: &str| json!({ "resources": [], "resultType": "complete", "ttlMs": ttl, "cacheScope": scope });
    let part = |ttl, scope| Behaviour::bare().always("resources/list", list(ttl, scope)).modern();
    let (long, short) = (Fake::start(part(9_000, "public")).await, Fake::start(part(40, "private")).await);
    let ids = [home.announce("long", long.port), home.announce("short", short.port)];
    let hub = Hub::spawn(&home, &HubOptions::default());
    for id in &ids {
        hub.modern_active(id).await;
    }
    let listed = hub.modern("resources/list", Value::Null).await.ok();
    assert!(listed["ttlMs"].as_u64().unwrap() <= 40, "{listed:#}");
    assert_json!(listed, "/cacheScope", "private");
}

#[tokio::test]
async fn a_call_of_either_era_gives_the_same_text() {
    let home = Home::new();
    let wanted = text("the same");
    let answer = move |call: Call| std::future::ready(result(&call, &wanted));
    let behaviour = Behaviour::bare().tool("say", answer);
    let (legacy, modern) = (Fake::start(behaviour.clone()).await, Fake::start(behaviour.modern()).await);
    let ids = [home.announce("legacy", legacy.port), home.announce("modern", modern.port)];
    let hub = Hub::start(&home, HubOptions::args(&["--tools", "all"])).await;
    for id in &ids {
        hub.active(id).await;
    }
    for name in ["legacy__say", "modern__say"] {
        assert_eq!(hub.call(name, json!({})).await.text(), "the same", "with a handshake");
        assert_eq!(hub.modern_call(name, json!({})).await.text(), "the same", "without one");
    }
}
