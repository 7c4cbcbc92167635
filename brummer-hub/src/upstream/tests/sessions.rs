//! Sessions that the instance has forgotten.

use serde_json::{Value, json};

use super::script::{ConnectionOwner, Server, hello, options};
use crate::{
    protocol::{Era, LegacyVersion},
    upstream::{ExchangeReason, Hello, Sent, UpstreamEventKind, UpstreamOptions},
};

#[tokio::test]
async fn one_new_session_serves_all_requests_that_were_refused() {
    let (mut server, mut owner) = Server::connected("old").await;
    owner.request(1, "tools/call");
    owner.request(2, "tools/list");
    let (call, list) = (server.expect("POST", "tools/call").await, server.expect("POST", "tools/list").await);
    call.answer(
        "404 Not Found",
        "Content-Type: application/json\r\n",
        r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}"#,
    )
    .await;
    let initialize = server.expect("POST", "initialize").await;
    assert_eq!(initialize.header("mcp-session-id"), None);
    assert_eq!(initialize.header("mcp-protocol-version"), None);
    // The second is refused while the new session is being opened, and a third comes in.
    list.answer("404 Not Found", "", "").await;
    owner.request(3, "prompts/list");
    let result = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}});
    let answer = json!({"jsonrpc": "2.0", "id": initialize.rpc["id"], "result": result}).to_string();
    initialize.answer("200 OK", "Content-Type: application/json\r\nMcp-Session-Id: new\r\n", &answer).await;
    server.expect("POST", "notifications/initialized").await.accept().await;
    assert_eq!(owner.renewed().await.era.version(), "2025-11-25");
    for (id, method) in [(1, "tools/call"), (2, "tools/list"), (3, "prompts/list")] {
        let again = server.expect("POST", method).await;
        assert_eq!((&again.rpc["id"], again.header("mcp-session-id")), (&json!(id), Some("new")));
        again.result(json!(id)).await;
        assert_eq!(owner.result(id).await, json!(id));
    }
    server.expect("GET", "").await.answer("405 Method Not Allowed", "", "").await;
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_server_that_was_started_anew_gets_a_new_session() {
    let (mut server, mut owner) = Server::connected("old").await;
    let refusal = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null}"#;
    owner.request(1, "tools/call");
    server.expect("POST", "tools/call").await.answer("400 Bad Request", "", refusal).await;
    server.shake_hands("new").await;
    owner.renewed().await;
    // A second refusal of the same kind is the answer.
    server.expect("POST", "tools/call").await.answer("400 Bad Request", "", refusal).await;
    let (answer, _) = owner.frame().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32000)));
}

#[tokio::test]
async fn a_request_is_sent_again_only_once() {
    let (mut server, mut owner) = Server::connected("old").await;
    owner.request(1, "tools/call");
    server.expect("POST", "tools/call").await.answer("404 Not Found", "", "").await;
    server.shake_hands("new").await;
    owner.renewed().await;
    server.expect("POST", "tools/call").await.answer("404 Not Found", "", "").await;
    let error = owner.ended(1).await;
    assert!(
        error.sent == Sent::Yes && matches!(error.reason, ExchangeReason::Status { status: 404, .. }),
        "{error}"
    );
}

/// README promises that a call that may have run is never sent again.
#[tokio::test]
async fn a_call_that_was_answered_is_not_sent_again() {
    let error = |id: Value, text: &str| {
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": text}}).to_string()
    };
    for (status, body) in [
        ("404 Not Found", error(json!(1), "no such order")),
        ("404 Not Found", error(json!(null), "no such order")),
        ("400 Bad Request", error(json!(null), "bad arguments")),
        ("400 Bad Request", error(json!(1), "session of the shop")),
        ("404 Not Found", "<p>no such order</p>".into()),
    ] {
        let (mut server, mut owner) = Server::connected("s").await;
        owner.request(1, "tools/call");
        server.expect("POST", "tools/call").await.answer(status, "", &body).await;
        match owner.next().await {
            UpstreamEventKind::Frame { frame, .. } => assert_eq!(frame.numeric_id(), Some(1)),
            UpstreamEventKind::Ended { id: 1, error } => assert_eq!(error.sent, Sent::Yes),
            other => panic!("{other:?}"),
        }
        owner.request(2, "tools/list");
        let next = server.expect("POST", "tools/list").await;
        assert_eq!(next.header("mcp-session-id"), Some("s"));
        server.assert_nothing_else();
    }
}

/// One that knows the id and not the session gets a new session, but the call is over.
#[tokio::test]
async fn a_call_that_was_answered_with_a_forgotten_session_is_over_and_the_next_is_not() {
    let (mut server, mut owner) = Server::connected("old").await;
    owner.request(1, "tools/call");
    let body = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": "Session not found"}});
    server.expect("POST", "tools/call").await.answer("404 Not Found", "", &body.to_string()).await;
    assert_eq!(owner.frame().await.0, body);
    server.shake_hands("new").await;
    owner.renewed().await;
    server.expect("GET", "").await.answer("405 Method Not Allowed", "", "").await;
    owner.request(2, "tools/call");
    let next = server.expect("POST", "tools/call").await;
    assert_eq!(next.header("mcp-session-id"), Some("new"));
    server.assert_nothing_else();
}

/// A server that does not know `ping` does not lose its session by it, time and again.
#[tokio::test]
async fn a_ping_that_is_not_known_costs_one_new_session() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::watch(server.port);
    server.shake_hands("s").await;
    owner.ready().await;
    owner.request(1, "ping");
    server.expect("POST", "ping").await.answer("404 Not Found", "", "Cannot POST").await;
    server.shake_hands("t").await;
    owner.renewed().await;
    for id in 1..4 {
        if id > 1 {
            owner.request(id, "ping");
        }
        server.expect("POST", "ping").await.answer("404 Not Found", "", "Cannot POST").await;
        assert!(matches!(owner.ended(id).await.reason, ExchangeReason::Status { status: 404, .. }));
    }
    server.assert_nothing_else();
}

#[tokio::test]
async fn without_a_session_404_is_only_a_status() {
    let (mut server, mut owner) = Server::connected("").await;
    owner.request(1, "tools/call");
    server.expect("POST", "tools/call").await.answer("404 Not Found", "", "").await;
    assert!(matches!(owner.ended(1).await.reason, ExchangeReason::Status { status: 404, .. }));
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_notification_finds_the_session_gone() {
    let (mut server, mut owner) = Server::connected("old").await;
    owner.send("notifications/roots/list_changed");
    server.expect("POST", "notifications/roots/list_changed").await.answer("404 Not Found", "", "").await;
    server.shake_hands("new").await;
    owner.renewed().await;
    let again = server.expect("POST", "notifications/roots/list_changed").await;
    assert_eq!(again.header("mcp-session-id"), Some("new"));
    again.answer("404 Not Found", "", "").await;
    owner.request(1, "tools/list");
    server.expect("POST", "tools/list").await.result(json!(1)).await;
    owner.result(1).await;
}

#[tokio::test]
async fn a_session_that_cannot_be_renewed_is_the_end() {
    let (mut server, mut owner) = Server::connected("old").await;
    owner.request(1, "tools/call");
    owner.request(2, "tools/list");
    let _under_way = server.expect("POST", "tools/call").await;
    server.expect("POST", "tools/list").await.answer("404 Not Found", "", "").await;
    let initialize = server.expect("POST", "initialize").await;
    owner.request(3, "tools/list");
    initialize.answer("503 Service Unavailable", "", "later").await;
    let mut ends = Vec::new();
    for _ in 0..3 {
        match owner.next().await {
            UpstreamEventKind::Ended { id, error } => ends.push((id, error.sent)),
            other => panic!("{other:?}"),
        }
    }
    ends.sort_unstable_by_key(|(id, _)| *id);
    assert_eq!(ends, [(1, Sent::Unknown), (2, Sent::No), (3, Sent::No)]);
    assert!(matches!(owner.failed().await.reason, ExchangeReason::Status { status: 503, .. }));
    assert!(owner.end().await.is_empty());
}

#[tokio::test]
async fn a_cancelled_request_is_not_sent_again() {
    let (mut server, mut owner) = Server::connected("old").await;
    owner.request(1, "tools/call");
    server.expect("POST", "tools/call").await.answer("404 Not Found", "", "").await;
    let initialize = server.expect("POST", "initialize").await;
    owner.cancel(1);
    owner.request(2, "tools/list");
    let result = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
    initialize.result(result).await;
    server.expect("POST", "notifications/initialized").await.accept().await;
    owner.renewed().await;
    server.expect("POST", "tools/list").await.result(json!(2)).await;
    owner.result(2).await;
    server.expect("GET", "").await.answer("405 Method Not Allowed", "", "").await;
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_standing_stream_finds_the_session_gone() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    server.shake_hands("old").await;
    owner.ready().await;
    let mut stream = server.expect("GET", "").await.stream().await;
    stream.chunk("retry: 1\n\n").await;
    stream.end().await;
    owner.suspect().await;
    server.expect("GET", "").await.answer("404 Not Found", "", "").await;
    server.shake_hands("new").await;
    owner.renewed().await;
    assert_eq!(server.expect("GET", "").await.header("mcp-session-id"), Some("new"));
}

/// A client that wants log messages gets those of its first call, too.
#[tokio::test]
async fn the_level_of_log_messages_is_set_before_the_first_request() {
    for (logs, taken) in [(true, true), (true, false), (false, false)] {
        let mut server = Server::start().await;
        let level: std::sync::Arc<str> = r#"{"level":"debug"}"#.into();
        let era = Era::Legacy(LegacyVersion::V2025_11_25);
        let hello = Hello { level: Some(level.clone()), ..hello(era, "{}") };
        let options = UpstreamOptions { known: Some(era), ..options(server.port, hello) };
        let mut owner = ConnectionOwner::with_options(options, 64);
        owner.request(1, "tools/call");
        let capabilities = if logs { json!({"logging": {}}) } else { json!({}) };
        let result = json!({"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": {}});
        server.expect("POST", "initialize").await.result(result).await;
        server.expect("POST", "notifications/initialized").await.accept().await;
        if logs {
            let set = server.expect("POST", "logging/setLevel").await;
            server.assert_nothing_else();
            assert_eq!(set.rpc["params"], json!({"level": "debug"}));
            if taken {
                set.result(json!({})).await;
            } else {
                set.cut();
                // It may have been closed before it was read, and setting a level twice does no harm.
                server.expect("POST", "logging/setLevel").await.cut();
            }
        }
        assert_eq!(owner.ready().await.level, taken.then_some(level));
        server.expect("GET", "").await.answer("405 Method Not Allowed", "", "").await;
        server.expect("POST", "tools/call").await.result(json!(1)).await;
        assert_eq!(owner.result(1).await, json!(1));
        server.assert_nothing_else();
    }
}
