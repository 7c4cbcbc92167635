//! Which era an instance is of: asked once, judged by the body, and never remembered longer than its process lives.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use super::text;
use crate::support::{Answer, Behaviour, Call, Fake, Home, Hub, HubOptions, MODERN, Seen, result};

async fn entry(home: &Home, behaviour: Behaviour) -> (Hub, Fake, Value) {
    let fake = Fake::start(behaviour).await;
    let id = home.announce("it", fake.port);
    let hub = Hub::start(home, HubOptions::default()).await;
    let entry = hub.active(&id).await;
    (hub, fake, entry)
}

/// Answers `server/discover` with a status and a body, before anything else is looked at.
fn discover(behaviour: Behaviour, status: u16, content_type: &'static str, body: String) -> Behaviour {
    behaviour.raw(move |seen: Seen| {
        let id = seen.message["id"].to_string();
        let answer = (seen.method() == "server/discover")
            .then(|| Answer::http(status, content_type, body.replace("$id", &id)));
        std::future::ready(answer)
    })
}

fn error(code: i32, data: &Value) -> String {
    let error = json!({ "code": code, "message": "no", "data": data });
    format!(r#"{{"jsonrpc":"2.0","id":$id,"error":{error}}}"#)
}

#[tokio::test]
async fn the_probe_has_what_a_modern_server_needs_and_comes_before_anything_else() {
    let home = Home::new();
    let (_hub, fake, entry) = entry(&home, Behaviour::default()).await;
    assert_json!(entry, "/era", "legacy");
    let first = fake.seen()[0].clone();
    assert_eq!((first.verb.as_str(), first.method()), ("POST", "server/discover"));
    assert_eq!(first.header("mcp-protocol-version"), Some(MODERN));
    assert_eq!(first.header("mcp-method"), Some("server/discover"));
    let meta = &first.message["params"]["_meta"];
    assert_eq!(meta[crate::support::PROTOCOL_VERSION], MODERN);
    assert!(
        meta[crate::support::CLIENT_CAPABILITIES].is_object()
            && meta[crate::support::CLIENT_INFO].is_object()
    );
}

#[tokio::test]
async fn a_modern_instance_is_listed_as_one_and_gets_no_handshake() {
    let home = Home::new();
    let (_hub, fake, entry) = entry(&home, Behaviour::default().modern()).await;
    assert_json!(entry, "/era", "modern");
    assert!(!fake.seen().iter().any(|seen| seen.method() == "initialize"));
}

#[tokio::test]
async fn every_kind_of_refusal_leads_to_the_handshake() {
    let refusals = [
        (404, "text/plain", String::new()),
        (404, "text/html", "<h1>Not found</h1>".to_owned()),
        (405, "text/plain", "Method not allowed".to_owned()),
        (406, "text/plain", String::new()),
        (400, "text/plain", "Bad request".to_owned()),
        (200, "application/json", r#"{"jsonrpc":"2.0","id":$id,"result":{}}"#.to_owned()),
        (200, "application/json", r#"{"result":{}}"#.to_owned()),
        (200, "application/json", r#"{}"#.to_owned()),
        (200, "application/json", error(-32601, &Value::Null)),
        (200, "application/json", error(-32602, &Value::Null)),
        (400, "application/json", error(-32000, &Value::Null).replace("$id", "null")),
        (404, "application/json", error(-32001, &Value::Null)),
        (
            400,
            "application/json",
            error(-32022, &json!({ "supported": ["2025-06-18"], "requested": MODERN })),
        ),
    ];
    for (status, content_type, body) in refusals {
        let home = Home::new();
        let what = format!("{status} {body}");
        let behaviour = discover(Behaviour::default(), status, content_type, body);
        let (hub, fake, entry) = entry(&home, behaviour).await;
        assert_eq!(entry["era"], "legacy", "{what}");
        let id = entry["id"].as_str().unwrap();
        hub.connect(id).await;
        assert_eq!(hub.call("echo", json!({ "message": "m" })).await.text(), "m", "{what}");
        let probes = fake.seen().iter().filter(|seen| seen.method() == "server/discover").count();
        assert_eq!(probes, 1, "{what}: once for all connections");
        hub.end_quietly().await;
    }
}

#[tokio::test]
async fn one_that_refuses_the_first_probe_and_names_its_version_is_modern() {
    let home = Home::new();
    let count = Arc::new(AtomicUsize::new(0));
    let behaviour = Behaviour::default().modern().raw(move |seen: Seen| {
        let first = seen.method() == "server/discover" && count.fetch_add(1, Ordering::SeqCst) == 0;
        let id = seen.message["id"].to_string();
        let body = error(-32022, &json!({ "supported": [MODERN, "2031-01-01"], "requested": MODERN }));
        std::future::ready(first.then(|| Answer::http(400, "application/json", body.replace("$id", &id))))
    });
    let (_hub, _fake, entry) = entry(&home, behaviour).await;
    assert_json!(entry, "/era", "modern");
}

#[tokio::test]
async fn one_of_both_eras_is_used_as_a_modern_one() {
    let home = Home::new();
    let found = json!({
        "supportedVersions": ["2024-11-05", "2025-11-25", MODERN, "2031-01-01"], "capabilities": { "tools": {} },
        "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
    });
    let behaviour = Behaviour::default().always("server/discover", found).modern();
    let (_hub, _fake, entry) = entry(&home, behaviour).await;
    assert_json!(entry, "/era", "modern");
}

#[tokio::test]
async fn one_that_names_only_legacy_versions_gets_the_handshake() {
    let home = Home::new();
    let found = json!({ "supportedVersions": ["2025-06-18", "2025-11-25"], "capabilities": {} });
    let body = format!(r#"{{"jsonrpc":"2.0","id":$id,"result":{found}}}"#);
    let (_hub, fake, entry) =
        entry(&home, discover(Behaviour::default(), 200, "application/json", body)).await;
    assert_json!(entry, "/era", "legacy");
    assert!(fake.seen().iter().any(|seen| seen.method() == "initialize"));
}

#[tokio::test]
async fn a_server_that_cannot_say_yet_is_asked_again_and_not_taken_for_legacy() {
    let home = Home::new();
    let count = Arc::new(AtomicUsize::new(0));
    let behaviour = Behaviour::default().modern().raw(move |seen: Seen| {
        let early = seen.method() == "server/discover" && count.fetch_add(1, Ordering::SeqCst) < 2;
        std::future::ready(early.then(|| Answer::http(503, "text/html", "<h1>Starting</h1>")))
    });
    // `initialize` is tried too, and refused; that makes no verdict of a 503 either.
    let (_hub, _fake, entry) = entry(&home, behaviour).await;
    assert_json!(entry, "/era", "modern");
}

#[tokio::test]
async fn an_instance_that_changes_its_era_is_found_out() {
    let home = Home::new();
    let behaviour =
        Behaviour::default().tool("say", |call: Call| std::future::ready(result(&call, text("said"))));
    let first = Fake::start(behaviour.clone()).await;
    let doorbell = home.doorbell("it", first.port);
    doorbell.write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    assert_json!(hub.active(&doorbell.id).await, "/era", "legacy");
    // The same project on another port, as after an upgrade.
    let second = Fake::start(behaviour.modern()).await;
    doorbell.clone().with("port", second.port).write(&home.data());
    hub.instances_until("the other era", |list| {
        list.iter().any(|it| it["era"] == "modern" && it["state"] == "active")
    })
    .await;
    hub.connect(&doorbell.id).await;
    assert_eq!(hub.call("say", json!({})).await.text(), "said");
}

#[tokio::test]
async fn health_is_asked_by_discover_and_any_answer_is_life() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default().modern()).await;
    let id = home.announce("it", fake.port);
    let hub = Hub::start(&home, HubOptions::args(&["--ping-interval", "30ms"])).await;
    hub.active(&id).await;
    let probes = |fake: &Fake| fake.seen().iter().filter(|seen| seen.method() == "server/discover").count();
    let before = probes(&fake);
    fake.saw_more("discoveries", |fake| probes(fake) >= before + 3).await;
    assert!(!fake.seen().iter().any(|seen| seen.method() == "ping"));
    hub.end_quietly().await;
}

#[tokio::test]
async fn the_end_of_the_listen_stream_makes_the_hub_look_at_once() {
    let home = Home::new();
    // The next look would be in an hour.
    let options = HubOptions::args(&["--ping-interval", "60m"]);
    let (hub, fake) = super::connected_as(&home, Behaviour::default().modern(), options).await;
    let listen = fake.listen("the stream of the session", |_| true).await;
    let looks = |fake: &Fake| fake.seen().iter().filter(|seen| seen.method() == "server/discover").count();
    let before = looks(&fake);
    listen.cut().await;
    fake.saw_more("a discovery", |fake| looks(fake) > before).await;
    assert_eq!(hub.call("echo", json!({ "message": "alive" })).await.text(), "alive");
}

/// What a server on the official TypeScript SDK answers that makes a session for each client.
fn with_sessions(seen: &Seen) -> Answer {
    let answer = |status: u16, session: bool, message: Value| {
        let response =
            axum::response::Response::builder().status(status).header("content-type", "application/json");
        let response = if session { response.header("mcp-session-id", "s") } else { response };
        Answer::Http(Box::new(response.body(message.to_string().into()).unwrap()))
    };
    let id = &seen.message["id"];
    let result = match (seen.verb.as_str(), seen.method()) {
        ("GET", _) => return Answer::http(405, "text/plain", ""),
        ("DELETE", _) => return Answer::http(200, "text/plain", ""),
        (_, "initialize") => {
            let welcome =
                json!({ "protocolVersion": "2025-06-18", "capabilities": { "tools": {} }, "serverInfo": {} });
            return answer(200, true, json!({ "jsonrpc": "2.0", "id": id, "result": welcome }));
        }
        _ if seen.session.is_none() => {
            let error = json!({ "code": -32000, "message": "Bad Request: No valid session ID provided" });
            return answer(400, false, json!({ "jsonrpc": "2.0", "id": null, "error": error }));
        }
        _ if id.is_null() => return Answer::http(202, "text/plain", ""),
        (_, "tools/list") => json!({ "tools": [{ "name": "say", "inputSchema": { "type": "object" } }] }),
        (_, "tools/call") => text("said in a session"),
        (_, "prompts/list") => json!({ "prompts": [] }),
        (_, "resources/list") => json!({ "resources": [] }),
        (_, "resources/templates/list") => json!({ "resourceTemplates": [] }),
        _ => json!({}),
    };
    answer(200, false, json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// As a dev server does that loads its configuration anew: same process, same port, same doorbell.
#[tokio::test]
async fn an_instance_that_gets_a_handshake_while_it_runs_is_found_out() {
    let home = Home::new();
    let has_sessions = Arc::new(AtomicBool::new(false));
    let changed = Arc::clone(&has_sessions);
    let behaviour = Behaviour::default()
        .modern()
        .tool("say", |call: Call| std::future::ready(result(&call, text("said"))))
        .raw(move |seen: Seen| {
            std::future::ready(changed.load(Ordering::SeqCst).then(|| with_sessions(&seen)))
        });
    let fake = Fake::start(behaviour).await;
    let id = home.announce("it", fake.port);
    let hub = Hub::start(&home, HubOptions::args(&["--ping-interval", "50ms"])).await;
    hub.connect(&id).await;
    assert_json!(hub.active(&id).await, "/era", "modern");
    assert_eq!(hub.call("say", json!({})).await.text(), "said");
    has_sessions.store(true, Ordering::SeqCst);
    hub.instances_until("the other era", |list| {
        list.iter().any(|it| it["era"] == "legacy" && it["state"] == "active")
    })
    .await;
    assert_eq!(hub.call("say", json!({})).await.text(), "said in a session");
    hub.end_quietly().await;
}
