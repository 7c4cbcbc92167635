//! Standing streams, and streams that break.

use serde_json::json;

use super::script::{ConnectionOwner, Server};
use crate::{
    config::Limits,
    upstream::{ExchangeReason, Sent},
};

#[tokio::test]
async fn a_standing_stream_is_told_and_resumed() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    server.shake_hands("").await;
    owner.ready().await;
    let mut stream = server.expect("GET", "").await.stream().await;
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    stream.chunk(format!("id: e1\nretry: 2\ndata:\n\nid: e2\ndata: {changed}\n\ndata: nonsense\n\n")).await;
    assert_eq!(owner.frame().await, (changed, None));
    stream.event(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await;
    let pong = server.expect("POST", "").await;
    assert_eq!(pong.rpc, json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    pong.accept().await;
    let question = json!({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create"});
    stream.event(json!([question, {"jsonrpc": "2.0", "id": 99, "result": "of no request"}])).await;
    assert_eq!(owner.frame().await, (question, None));
    stream.end().await;
    owner.suspect().await;

    let resumed = server.expect("GET", "").await;
    assert_eq!(resumed.header("last-event-id"), Some("e2"));
    // The next one breaks without an end, and the one after it is not to be had for a moment.
    drop(resumed.stream().await);
    owner.suspect().await;
    let refused = server.expect("GET", "").await;
    assert_eq!(refused.header("last-event-id"), Some("e2"));
    refused.answer("503 Service Unavailable", "", "").await;
    let mut stream = server.expect("GET", "").await.stream().await;
    let message = json!({"jsonrpc": "2.0", "method": "notifications/message"});
    stream.event(message.clone()).await;
    assert_eq!(owner.frame().await, (message, None));
}

#[tokio::test]
async fn what_is_said_while_no_stream_stands_is_missed() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    server.shake_hands("").await;
    owner.ready().await;
    let get = server.expect("GET", "").await;
    // It is not waited for any longer.
    owner.request(1, "tools/list");
    server.expect("POST", "tools/list").await.result(json!(1)).await;
    owner.result(1).await;
    let mut stream = get.stream().await;
    owner.missed().await;
    stream.chunk("retry: 1\n\n").await;
    stream.end().await;
    owner.suspect().await;
    let mut stream = server.expect("GET", "").await.stream().await;
    owner.missed().await;
    // From here on what is missed is said once more.
    stream.chunk("id: e1\ndata:\n\n").await;
    stream.end().await;
    owner.suspect().await;
    let mut stream = server.expect("GET", "").await.stream().await;
    let message = json!({"jsonrpc": "2.0", "method": "notifications/message"});
    stream.event(message.clone()).await;
    assert_eq!(owner.frame().await, (message, None));
}

#[tokio::test]
async fn an_instance_need_not_offer_a_standing_stream() {
    for (status, headers, body) in [
        ("404 Not Found", "Content-Type: text/html\r\n", "<p>no</p>"),
        ("405 Method Not Allowed", "", ""),
        ("501 Not Implemented", "", ""),
        ("200 OK", "Content-Type: text/html\r\n", "<p>hello</p>"),
        ("200 OK", "Content-Type: application/json\r\n", "{}"),
        ("204 No Content", "", ""),
    ] {
        let mut server = Server::start().await;
        let mut owner = ConnectionOwner::connect(server.port);
        server.shake_hands("s").await;
        owner.ready().await;
        server.expect("GET", "").await.answer(status, headers, body).await;
        owner.request(1, "tools/list");
        server.expect("POST", "tools/list").await.result(json!(1)).await;
        owner.result(1).await;
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn an_answer_on_the_standing_stream_ends_its_request_once() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    server.shake_hands("").await;
    owner.ready().await;
    let mut stream = server.expect("GET", "").await.stream().await;
    owner.request(1, "tools/call");
    let request = server.expect("POST", "tools/call").await;
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    stream.event(json!([answer, answer])).await;
    assert_eq!(owner.result(1).await, json!({}));
    request.raw("").await.closed().await;
    stream.event(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    assert_eq!(owner.frame().await.0["method"], json!("notifications/x"));
}

#[tokio::test]
async fn an_oversized_message_on_the_standing_stream_is_passed_over() {
    let limits = Limits { max_message_bytes: 200, ..Limits::default() };
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::with_limits(server.port, limits);
    server.shake_hands("").await;
    owner.ready().await;
    let mut stream = server.expect("GET", "").await.stream().await;
    stream.event(json!({"jsonrpc": "2.0", "method": "x".repeat(200)})).await;
    stream.event(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    assert_eq!(owner.frame().await.0["method"], json!("notifications/x"));
}

#[tokio::test]
async fn a_broken_answer_is_resumed_where_it_broke() {
    let (mut server, mut owner) = Server::connected("s").await;
    owner.request(1, "tools/call");
    let mut stream = server.expect("POST", "tools/call").await.stream().await;
    stream.chunk("id: a1\nretry: 3\ndata:\n\n").await;
    stream.end().await;
    let resumed = server.expect("GET", "").await;
    assert_eq!(resumed.header("last-event-id"), Some("a1"));
    assert_eq!(resumed.header("mcp-session-id"), Some("s"));
    let mut stream = resumed.stream().await;
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}});
    stream.chunk(format!("id: a2\ndata: {progress}\n\nid: a3\ndata: half")).await;
    drop(stream);
    assert_eq!(owner.frame().await, (progress, Some(1)));
    let resumed = server.expect("GET", "").await;
    assert_eq!(resumed.header("last-event-id"), Some("a2"));
    let mut stream = resumed.stream().await;
    stream.event(json!({"jsonrpc": "2.0", "id": 1, "result": "late"})).await;
    assert_eq!(owner.result(1).await, json!("late"));
    server.assert_nothing_else();
}

#[tokio::test]
async fn an_instance_may_make_the_hub_poll_for_an_answer() {
    let (mut server, mut owner) = Server::connected("").await;
    owner.request(1, "tools/call");
    let mut stream = server.expect("POST", "tools/call").await.stream().await;
    // More rounds than a stream that says nothing at all is resumed.
    for round in 0..12 {
        stream.chunk(format!("id: {round}\nretry: 1\ndata:\n\n")).await;
        stream.end().await;
        let resumed = server.expect("GET", "").await;
        assert_eq!(resumed.header("last-event-id"), Some(&*round.to_string()));
        stream = resumed.stream().await;
    }
    stream.event(json!({"jsonrpc": "2.0", "id": 1, "result": "at last"})).await;
    assert_eq!(owner.result(1).await, json!("at last"));
}

#[tokio::test]
async fn a_stream_that_brings_nothing_is_not_resumed_for_ever() {
    let (mut server, mut owner) = Server::connected("").await;
    owner.request(1, "tools/call");
    let mut stream = server.expect("POST", "tools/call").await.stream().await;
    stream.chunk("id: 1\nretry: 0\n\n").await;
    stream.end().await;
    for _ in 0..8 {
        server.expect("GET", "").await.stream().await.end().await;
    }
    assert_eq!(owner.ended(1).await.sent, Sent::Unknown);
    owner.suspect().await;
    server.assert_nothing_else();
}

#[tokio::test]
async fn an_answer_that_cannot_be_resumed_is_lost() {
    let (mut server, mut owner) = Server::connected("s").await;
    // Nothing to resume after.
    owner.request(1, "tools/call");
    server.expect("POST", "tools/call").await.stream().await.end().await;
    assert_eq!(owner.ended(1).await.sent, Sent::Unknown);
    owner.suspect().await;
    // The instance keeps no events, or has lost the session with them.
    for (id, status) in [(2, "405 Method Not Allowed"), (3, "404 Not Found")] {
        owner.request(id, "tools/call");
        let mut stream = server.expect("POST", "tools/call").await.stream().await;
        stream.chunk("id: 1\nretry: 1\n\n").await;
        stream.end().await;
        server.expect("GET", "").await.answer(status, "", "").await;
        let error = owner.ended(id).await;
        assert!(error.sent == Sent::Unknown && matches!(error.reason, ExchangeReason::Closed), "{error}");
        owner.suspect().await;
    }
    server.assert_nothing_else();
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_told_at_the_end_of_its_stream() {
    let (mut server, mut owner) = Server::connected("").await;
    owner.request(1, "tools/call");
    let mut stream = server.expect("POST", "tools/call").await.stream().await;
    stream.chunk("id: 1\ndata: {\"id\":1}\n\n").await;
    stream.end().await;
    let error = owner.ended(1).await;
    assert!(error.sent == Sent::Yes && error.to_string().contains("not a JSON-RPC 2.0 message"), "{error}");
    server.assert_nothing_else();
}
