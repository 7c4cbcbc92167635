//! Servers that have one session to give, as one transport of an SDK for the whole process makes them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{body::Body, response::Response};
use serde_json::{Value, json};

use crate::{
    cli::run,
    support::{Answer, Behaviour, Fake, Home, Hub, HubOptions, Seen},
};

/// What becomes of the second `initialize`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// The official TypeScript SDK: refused, also after the first session has ended.
    Latched,
    /// The same, but the end of a session makes place for the next.
    Released,
    /// No session ids: all that comes is part of the one conversation.
    Shared,
    /// A server that is connected to a second transport.
    Connected,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Latched, Self::Released, Self::Shared, Self::Connected];
}

/// What such a server does with what comes before the first `initialize`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Before {
    /// It refuses it in the words of its SDK.
    Refuses,
    /// It answers as if there were no sessions at all.
    Answers,
    /// The same, but it does not know `ping`.
    AnswersLists,
    /// It refuses it in words of its own, so that nobody can know of its one session before the second `initialize`.
    RefusesOddly,
}

const SESSION: &str = "the-only-one";

fn answer(status: u16, session: bool, message: &Value) -> Answer {
    let response = Response::builder().status(status).header("content-type", "application/json");
    let response = if session { response.header("mcp-session-id", SESSION) } else { response };
    Answer::Http(Box::new(response.body(Body::from(message.to_string())).unwrap()))
}

fn refusal(status: u16, id: &Value, code: i32, text: &str) -> Answer {
    answer(status, false, &json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } }))
}

fn respond(kind: Kind, before: Before, taken: &AtomicBool, seen: &Seen) -> Answer {
    let is_in_session = seen.header("mcp-session-id") == Some(SESSION);
    let id = &seen.message["id"];
    match (seen.verb.as_str(), seen.method()) {
        ("GET", _) => Answer::http(405, "text/plain", ""),
        ("DELETE", _) => {
            if kind != Kind::Latched && is_in_session {
                taken.store(false, Ordering::SeqCst);
            }
            Answer::http(200, "text/plain", "")
        }
        (_, "initialize") if taken.swap(true, Ordering::SeqCst) => match kind {
            Kind::Latched | Kind::Released => {
                refusal(400, &Value::Null, -32600, "Invalid Request: Server already initialized")
            }
            Kind::Shared => refusal(200, id, -32600, "Server is already initialized"),
            Kind::Connected => refusal(500, &Value::Null, -32603, "Already connected to a transport"),
        },
        (_, "initialize") => {
            let welcome = json!({
                "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
                "serverInfo": { "name": "single", "version": "1" },
            });
            answer(200, kind != Kind::Shared, &json!({ "jsonrpc": "2.0", "id": id, "result": welcome }))
        }
        _ if id.is_null() => Answer::http(202, "text/plain", ""),
        (_, "ping") if before == Before::AnswersLists => refusal(200, id, -32601, "Method not found"),
        _ if before == Before::RefusesOddly && !is_in_session => {
            refusal(400, &Value::Null, -32000, "Say hello first")
        }
        _ if kind != Kind::Shared && before == Before::Refuses && !taken.load(Ordering::SeqCst) => {
            refusal(400, &Value::Null, -32000, "Bad Request: Server not initialized")
        }
        _ if kind != Kind::Shared && taken.load(Ordering::SeqCst) && !is_in_session => {
            refusal(400, &Value::Null, -32000, "Bad Request: Mcp-Session-Id header is required")
        }
        (_, method) => {
            let result = match method {
                "ping" => json!({}),
                "tools/list" => json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }] }),
                "tools/call" => json!({ "content": [{ "type": "text", "text": "done" }] }),
                _ => return refusal(200, id, -32601, "Method not found"),
            };
            answer(200, false, &json!({ "jsonrpc": "2.0", "id": id, "result": result }))
        }
    }
}

async fn server(home: &Home, kind: Kind, before: Before) -> (Fake, String) {
    let taken = Arc::new(AtomicBool::new(false));
    let fake = Fake::start(Behaviour::bare().raw(move |seen: Seen| {
        let answer = respond(kind, before, &taken, &seen);
        std::future::ready(Some(answer))
    }))
    .await;
    let id = home.announce("single", fake.port);
    (fake, id)
}

async fn call(hub: &Hub) -> String {
    hub.call("instances_call", json!({ "instance_id": "single", "tool": "echo" })).await.text()
}

#[tokio::test]
async fn the_hubs_own_looks_take_no_session_that_a_client_needs() {
    for kind in Kind::ALL {
        for before in [Before::Refuses, Before::Answers, Before::AnswersLists] {
            let home = Home::new();
            let (fake, id) = server(&home, kind, before).await;
            // Any number of hubs may look at it, and end.
            for _ in 0..2 {
                let hub = Hub::start(&home, HubOptions::args(&["--no-auto-connect"])).await;
                hub.active(&id).await;
                hub.end_quietly().await;
            }
            let listed = run(&home, &["list", "--json"]).await;
            assert!(listed.stdout.contains(r#""active""#), "{listed:?}");
            let initialized = fake.seen().iter().filter(|seen| seen.method() == "initialize").count();
            assert_eq!(initialized, 0, "{kind:?} {before:?}");
            let looking =
                Hub::start(&home, HubOptions::args(&["--no-auto-connect", "--ping-interval", "50ms"])).await;
            looking.active(&id).await;
            let hub = Hub::start(&home, HubOptions::default()).await;
            hub.active(&id).await;
            assert_eq!(call(&hub).await, "done", "{kind:?} {before:?}");
            assert_eq!(call(&hub).await, "done", "{kind:?} {before:?}");
            looking.active(&id).await;
            // What the client has agreed upon is known by then.
            let instance = hub.active(&id).await;
            assert_json!(instance, "/era", "legacy");
            assert_json!(instance, "/protocol_version", "2025-06-18");
        }
    }
}

/// The hub takes the session of such a server when it looks at it, and so its client goes along in it.
#[tokio::test]
async fn a_client_goes_along_in_a_session_that_the_hub_has_taken_itself() {
    for kind in [Kind::Latched, Kind::Released, Kind::Connected] {
        let home = Home::new();
        let (fake, id) = server(&home, kind, Before::RefusesOddly).await;
        let hub = Hub::start(&home, HubOptions::args(&["--ping-interval", "20ms"])).await;
        for _ in 0..3 {
            hub.active(&id).await;
            assert_eq!(call(&hub).await, "done", "{kind:?}");
        }
        let ended = || fake.seen().iter().filter(|seen| seen.verb == "DELETE").count();
        assert_eq!(ended(), 0, "the session lasts as long as the hub");
        hub.end_quietly().await;
        assert_eq!(ended(), 1);
    }
}

#[tokio::test]
async fn a_second_client_shares_the_session_takes_its_turn_or_is_told_what_the_server_does() {
    for kind in [Kind::Latched, Kind::Released, Kind::Shared] {
        let home = Home::new();
        let (_fake, id) = server(&home, kind, Before::Refuses).await;
        let first = Hub::start(&home, HubOptions::default()).await;
        first.active(&id).await;
        assert_eq!(call(&first).await, "done");
        let second = Hub::start(&home, HubOptions::default()).await;
        second.active(&id).await;
        if kind == Kind::Shared {
            assert_eq!(call(&second).await, "done");
            continue;
        }
        let arguments = json!({ "instance_id": "single", "tool": "echo" });
        let error = second.call("instances_call", arguments.clone()).await.failure();
        for words in ["only session", "already initialized", "a transport for each session"] {
            assert!(error.message.contains(words), "{kind:?}: {error:?}");
        }
        assert_eq!(error.data["sent"], "no", "{error:?}");
        let health = second.call("instances_health", json!({})).await.ok();
        let health = &health["structuredContent"]["instances"][0];
        assert!(health["note"].as_str().unwrap().contains("one session"), "{health}");
        assert_eq!((&health["era"], &health["protocol_version"]), (&json!("legacy"), &Value::Null));
        first.end_quietly().await;
        if kind == Kind::Released {
            assert_eq!(call(&second).await, "done", "its turn has come");
        }
    }
}
