//! What a request without a handshake must say of itself, and how a conversation may begin.

use serde_json::{Value, json};

use super::silent;
use crate::support::{
    Behaviour, CLIENT_CAPABILITIES, CLIENT_INFO, Home, Hub, HubOptions, LATEST, LOG_LEVEL, MODERN,
    PROTOCOL_VERSION, SERVER_INFO, meta,
};

/// A hub that knows of no instance.
fn alone(home: &Home) -> Hub {
    Hub::spawn(home, &HubOptions::default())
}

fn hello() -> Value {
    json!({ "protocolVersion": LATEST, "capabilities": {}, "clientInfo": { "name": "e2e", "version": "1" } })
}

#[tokio::test]
async fn discover_says_all_that_initialize_would_and_needs_nothing_before() {
    let home = Home::new();
    let hub = alone(&home);
    let found = hub.modern("server/discover", Value::Null).await.ok();
    assert_eq!(found["supportedVersions"], json!([MODERN]), "only what `_meta` can choose: {found:#}");
    let welcome = hub.request("initialize", hello()).await.ok();
    let mut superset = welcome["capabilities"].clone();
    // Tasks of the core are the handshake's era's alone.
    superset.as_object_mut().unwrap().shift_remove("tasks");
    assert_eq!(found["capabilities"], superset, "the same superset for both");
    assert_eq!(found["_meta"][SERVER_INFO], welcome["serverInfo"], "{found:#}");
    assert_json!(found, "/resultType", "complete");
    assert!(found["ttlMs"].as_u64().is_some(), "{found:#}");
    assert_json!(found, "/cacheScope", "private");
    let instructions = found["instructions"].as_str().expect("instructions");
    assert!(instructions.contains("instances_list"), "{instructions}");
    assert!(
        !instructions.contains("instances_connect"),
        "connecting changes nothing for this client: {instructions}"
    );
}

#[tokio::test]
async fn the_capabilities_are_the_same_whatever_runs() {
    let home = Home::new();
    let before = alone(&home).modern("server/discover", Value::Null).await.ok();
    let (hub, _fake) = silent(&home, Behaviour::default().modern()).await;
    assert_eq!(hub.modern("server/discover", Value::Null).await.ok()["capabilities"], before["capabilities"]);
}

#[tokio::test]
async fn a_request_must_say_its_version_and_what_the_client_can_do() {
    let home = Home::new();
    let hub = alone(&home);
    let of = |key: &str, value: Value| {
        let mut meta = meta();
        meta[key] = value;
        json!({ "_meta": meta })
    };
    let without = |key: &str| {
        let mut meta = meta();
        meta.as_object_mut().unwrap().shift_remove(key);
        json!({ "_meta": meta })
    };
    let wrong = [
        Value::Null,
        json!({}),
        json!({ "_meta": null }),
        json!({ "_meta": [] }),
        json!({ "_meta": {} }),
        without(PROTOCOL_VERSION),
        without(CLIENT_CAPABILITIES),
        of(PROTOCOL_VERSION, json!(20_260_728)),
        of(PROTOCOL_VERSION, Value::Null),
        of(CLIENT_CAPABILITIES, json!([])),
        of(CLIENT_CAPABILITIES, Value::Null),
        of(LOG_LEVEL, json!("loud")),
        of(LOG_LEVEL, json!(3)),
    ];
    for params in wrong {
        let error = hub.request("server/discover", params.clone()).await.err();
        assert_eq!(error.code, -32602, "{params}: {error:?}");
    }
    // Who the client is may stay unsaid.
    hub.request("server/discover", without(CLIENT_INFO)).await.ok();
    hub.request("tools/list", without(CLIENT_INFO)).await.ok();
}

#[tokio::test]
async fn the_version_is_checked_on_every_request_and_the_error_names_the_right_ones() {
    let home = Home::new();
    let hub = alone(&home);
    let mut meta = meta();
    for _ in 0..2 {
        hub.modern("tools/list", Value::Null).await.ok();
        for version in ["2027-01-01", LATEST, "1.0", ""] {
            meta[PROTOCOL_VERSION] = version.into();
            for method in ["server/discover", "tools/list", "subscriptions/listen", "vendor/anything"] {
                let error = hub.request(method, json!({ "_meta": meta })).await.err();
                assert_eq!(error.code, -32022, "{method} {version}: {error:?}");
                assert_eq!(error.data, json!({ "supported": [MODERN], "requested": version }), "{method}");
            }
        }
    }
}

#[tokio::test]
async fn the_checks_come_in_order() {
    let home = Home::new();
    let hub = alone(&home);
    let mut wrong = meta();
    wrong[PROTOCOL_VERSION] = "2027-01-01".into();
    wrong[LOG_LEVEL] = "loud".into();
    wrong.as_object_mut().unwrap().shift_remove(CLIENT_CAPABILITIES);
    let code = async |meta: &Value| hub.request("vendor/unknown", json!({ "_meta": meta })).await.err().code;
    assert_eq!(code(&wrong).await, -32602, "no capabilities");
    wrong[CLIENT_CAPABILITIES] = json!({});
    assert_eq!(code(&wrong).await, -32022, "an unknown version");
    wrong[PROTOCOL_VERSION] = MODERN.into();
    assert_eq!(code(&wrong).await, -32602, "an unknown level");
    wrong[LOG_LEVEL] = "error".into();
    assert_eq!(code(&wrong).await, -32601, "an unknown method");
}

#[tokio::test]
async fn what_the_revision_has_no_more_is_not_found() {
    let home = Home::new();
    let (hub, fake) = silent(&home, Behaviour::default()).await;
    let gone = [
        ("ping", json!({})),
        ("logging/setLevel", json!({ "level": "error" })),
        ("resources/subscribe", json!({ "uri": "brummer://instances" })),
        ("resources/unsubscribe", json!({ "uri": "brummer://instances" })),
    ];
    for (method, params) in gone {
        let seen = fake.seen().iter().filter(|seen| seen.method() == method && method != "ping").count();
        assert_eq!(hub.modern(method, params).await.err().code, -32601, "{method}");
        let now = fake.seen().iter().filter(|seen| seen.method() == method && method != "ping").count();
        assert_eq!(now, seen, "{method} is not passed on");
    }
}

#[tokio::test]
async fn one_that_probes_and_falls_back_is_served_with_a_handshake() {
    let home = Home::new();
    let hub = alone(&home);
    hub.modern("server/discover", Value::Null).await.ok();
    let welcome = hub.request("initialize", hello()).await.ok();
    assert_json!(welcome, "/protocolVersion", LATEST);
    hub.notify("notifications/initialized", Value::Null).await;
    assert_eq!(hub.request("ping", Value::Null).await.ok(), json!({}));
    let listed = hub.request("tools/list", Value::Null).await.ok();
    assert!(listed.get("resultType").is_none(), "in the words of the handshake's era: {listed:#}");
    hub.end_quietly().await;
}

#[tokio::test]
async fn a_probe_for_a_version_nobody_knows_leads_to_either_era() {
    let home = Home::new();
    let hub = alone(&home);
    let mut meta = meta();
    meta[PROTOCOL_VERSION] = "2031-12-24".into();
    let error = hub.request("server/discover", json!({ "_meta": meta })).await.err();
    assert_eq!((error.code, &error.data["supported"]), (-32022, &json!([MODERN])));
    hub.modern("server/discover", Value::Null).await.ok();
    hub.request("initialize", hello()).await.ok();
    hub.end_quietly().await;
}

#[tokio::test]
async fn both_eras_are_served_by_one_process_at_once() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let modern = hub.modern("tools/list", Value::Null).await.ok();
    let legacy = hub.request("tools/list", Value::Null).await.ok();
    assert_json!(modern, "/resultType", "complete");
    assert!(legacy.get("resultType").is_none() && legacy.get("ttlMs").is_none(), "{legacy:#}");
    assert_eq!(hub.request("ping", Value::Null).await.ok(), json!({}));
    assert_eq!(hub.modern("ping", Value::Null).await.err().code, -32601);
    hub.request("logging/setLevel", json!({ "level": "error" })).await.ok();
    assert_eq!(hub.modern("logging/setLevel", json!({ "level": "error" })).await.err().code, -32601);
    hub.end_quietly().await;
}

#[tokio::test]
async fn a_request_without_any_opening_is_told_both_ways_in() {
    let home = Home::new();
    let hub = alone(&home);
    let error = hub.request("tools/list", json!({})).await.err();
    assert_eq!(error.code, -32602);
    for way in ["initialize", PROTOCOL_VERSION] {
        assert!(error.message.contains(way), "{way}: {error:?}");
    }
    // It is still there.
    hub.modern("tools/list", Value::Null).await.ok();
}

#[tokio::test]
async fn ids_come_back_as_they_were_written_and_batches_are_refused() {
    let home = Home::new();
    let hub = alone(&home);
    let params = json!({ "_meta": meta() });
    for id in ["7", "\"7\"", "\"\\u0041\"", "9007199254740993", "-1"] {
        hub.write(format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/list\",\"params\":{params}}}\n"
        ))
        .await;
        hub.answer(id).await.ok();
    }
    let mark = hub.mark();
    let request = json!({ "jsonrpc": "2.0", "id": 50, "method": "tools/list", "params": params });
    hub.write(format!("[{request}]\n")).await;
    let line = hub.line(mark, "the answer to a batch", |line| line.raw.contains("-32600")).await;
    assert!(!line.raw.contains("\"result\""), "{}", line.raw);
}
