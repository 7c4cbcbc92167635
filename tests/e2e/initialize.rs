//! How a session begins.

use serde_json::{Value, json};

use crate::support::{Home, Hub, HubOptions, LATEST};

fn hello(revision: &str) -> Value {
    json!({
        "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "e2e", "version": "1" },
    })
}

#[tokio::test]
async fn every_revision_is_answered_with_itself_and_unknown_ones_with_the_latest() {
    let revisions = [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("1.0", LATEST),
        ("2024-01-01", LATEST),
        ("2099-01-01", LATEST),
        ("", LATEST),
    ];
    let home = Home::new();
    for (asked, answered) in revisions {
        let hub = Hub::spawn(&home, &HubOptions::default());
        let welcome = hub.request("initialize", hello(asked)).await.ok();
        assert_eq!(welcome["protocolVersion"], answered, "{asked} was asked for");
        hub.end_quietly().await;
    }
}

#[tokio::test]
async fn the_answer_declares_all_that_instances_may_offer_and_says_how_to_use_the_hub() {
    let home = Home::new();
    let hub = Hub::spawn(&home, &HubOptions::default());
    let welcome = hub.request("initialize", hello(LATEST)).await.ok();
    for (pointer, declared) in [
        ("/capabilities/tools/listChanged", true),
        ("/capabilities/prompts/listChanged", true),
        ("/capabilities/resources/listChanged", true),
        ("/capabilities/resources/subscribe", true),
        ("/capabilities/extensions/io.modelcontextprotocol~1skills/directoryRead", true),
    ] {
        assert_json!(welcome, pointer, declared);
    }
    assert!(welcome["capabilities"]["completions"].is_object(), "{welcome:#}");
    assert!(welcome["capabilities"]["logging"].is_object(), "{welcome:#}");
    assert_json!(welcome, "/serverInfo/name", "brummer-hub");
    assert_json!(welcome, "/serverInfo/version", env!("CARGO_PKG_VERSION"));
    let instructions = welcome["instructions"].as_str().expect("instructions");
    for tool in ["instances_list", "instances_connect"] {
        assert!(instructions.contains(tool), "the instructions teach {tool}: {instructions}");
    }
}

#[tokio::test]
async fn ping_is_answered_before_and_after_the_handshake() {
    let home = Home::new();
    let hub = Hub::spawn(&home, &HubOptions::default());
    assert_eq!(hub.request("ping", Value::Null).await.ok(), json!({}));
    hub.request("initialize", hello(LATEST)).await.ok();
    assert_eq!(hub.request("ping", Value::Null).await.ok(), json!({}));
    hub.notify("notifications/initialized", Value::Null).await;
    assert_eq!(hub.request("ping", json!({ "_meta": { "a": 1 } })).await.ok(), json!({}));
    hub.end_quietly().await;
}

#[tokio::test]
async fn hub_tools_answer_before_the_handshake_and_other_requests_say_what_is_missing() {
    let home = Home::new();
    let hub = Hub::spawn(&home, &HubOptions::default());
    let listed = hub.hub_tool("instances_list", json!({})).await;
    assert_eq!(listed["instances"], json!([]));
    for method in ["tools/list", "resources/list", "prompts/list", "logging/setLevel", "vendor/thing"] {
        let error = hub.request(method, Value::Null).await.err();
        assert_eq!(error.code, -32602, "{method}: {error:?}");
        assert!(error.message.contains("initialize"), "{method}: {error:?}");
    }
    hub.request("initialize", hello(LATEST)).await.ok();
    assert!(!hub.tool_names().await.is_empty());
    hub.end_quietly().await;
}

#[tokio::test]
async fn a_second_handshake_does_not_end_the_session() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    // Whether it is answered or refused is the hub's choice; it must say something and go on.
    hub.request("initialize", hello("2025-06-18")).await;
    assert_eq!(hub.request("ping", Value::Null).await.ok(), json!({}));
    hub.end_quietly().await;
}

#[tokio::test]
async fn a_handshake_without_a_version_is_refused_or_answered_but_never_fatal() {
    let home = Home::new();
    let hub = Hub::spawn(&home, &HubOptions::default());
    for params in [Value::Null, json!({}), json!({ "protocolVersion": 7 }), json!([])] {
        let answer = hub.request("initialize", params).await;
        assert!(answer.result.is_some() || answer.err().code == -32602, "{}", answer.raw);
    }
    hub.request("initialize", hello(LATEST)).await.ok();
    hub.end_quietly().await;
}

#[tokio::test]
async fn without_instances_everything_is_empty_and_nothing_is_said() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    assert_eq!(hub.instances().await, Vec::<Value>::new());
    for (method, member) in [("prompts/list", "prompts"), ("resources/templates/list", "resourceTemplates")] {
        assert_eq!(hub.request(method, Value::Null).await.ok()[member], json!([]), "{method}");
    }
    let resources = hub.request("resources/list", Value::Null).await.ok();
    assert_eq!(resources["resources"].as_array().unwrap().len(), 1, "{resources:#}");
    assert_json!(resources, "/resources/0/uri", "brummer://instances");
    hub.request("logging/setLevel", json!({ "level": "debug" })).await.ok();
    hub.end_quietly().await;
}

#[tokio::test]
async fn without_a_home_the_hub_starts_all_the_same() {
    let home = Home::new();
    let options = HubOptions { own_data: false, ..HubOptions::default() };
    let mut command = options.command(&home);
    for variable in ["HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TMPDIR", "TEMP", "TMP"] {
        command.env_remove(variable);
    }
    let hub = Hub::run(command);
    hub.request("initialize", hello(LATEST)).await.ok();
    hub.request("tools/list", Value::Null).await.ok();
    assert!(hub.end().await.status.success());
}
