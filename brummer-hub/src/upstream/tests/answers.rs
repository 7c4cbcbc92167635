//! What an instance without a handshake may answer, and what it must not.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    modern::{LEGACY, MODERN, connected, discover, discovered, list, shake_hands, watcher, with_limits},
    script::Server,
};
use crate::{
    config::Limits,
    protocol::Era,
    upstream::{ExchangeReason, Sent},
};

const JSON: &str = "Content-Type: application/json\r\n";

#[tokio::test]
async fn a_stream_is_told_in_order() {
    for era in [LEGACY, MODERN] {
        let (mut server, mut owner, _changes) = connected(era, "{}").await;
        owner.request(1, "x/y");
        let mut stream = server.expect("POST", "x/y").await.stream().await;
        let progress = |progress: f64| json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": progress}});
        let log = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info"}});
        stream.chunk(": hello\n\nid: 1\ndata:\n\n").await;
        stream.event(progress(2.0)).await;
        stream.event(progress(1.0)).await;
        stream.event(log.clone()).await;
        stream.event(json!({"jsonrpc": "2.0", "id": 7, "result": "of another request"})).await;
        // No instance of this era may ask; a client of it would not answer.
        stream.event(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await;
        stream.event(json!({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete"}})).await;
        assert_eq!(owner.frame().await, (progress(2.0), Some(1)));
        assert_eq!(owner.frame().await, (progress(1.0), Some(1)));
        assert_eq!(owner.frame().await, (log, Some(1)));
        assert_eq!(owner.result(1).await, json!({"resultType": "complete"}));
        stream.event(progress(3.0)).await;
        stream.end().await;
        owner.request(2, "x/y");
        server.expect("POST", "x/y").await.result(json!(2)).await;
        assert_eq!(owner.result(2).await, json!(2), "what comes after the answer is not told");
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn an_error_is_an_answer_whatever_the_status() {
    let (mut server, mut owner, _changes) = connected(MODERN, "{}").await;
    for (id, status, code, answered) in [
        (1, "200 OK", -32602, json!(1)),
        (2, "404 Not Found", -32601, json!(2)),
        (3, "400 Bad Request", -32021, Value::Null),
        (4, "200 OK", -32000, Value::Null),
        (5, "200 OK", 5, json!("5")),
    ] {
        owner.request(id, "x/y");
        let error = json!({"code": code, "message": "m", "data": {"n": 1.0}});
        let body = json!({"jsonrpc": "2.0", "id": answered, "error": error}).to_string();
        server.expect("POST", "x/y").await.answer(status, JSON, &body).await;
        let (frame, carrier) = owner.frame().await;
        assert_eq!((&frame["id"], &frame["error"], carrier), (&json!(id), &error, Some(id)));
    }
    owner.request(7, "x/y");
    server.expect("POST", "x/y").await.answer("500 Internal Server Error", "", "oops").await;
    assert!(matches!(owner.ended(7).await.reason, ExchangeReason::Status { .. }));
    owner.request(8, "x/y");
    server.expect("POST", "x/y").await.accept().await;
    assert_eq!(owner.ended(8).await.sent, Sent::Yes);
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_stream_that_breaks_is_lost() {
    let (mut server, mut owner, _changes) = connected(LEGACY, "{}").await;
    owner.request(1, "x/y");
    let mut stream = server.expect("POST", "x/y").await.stream().await;
    stream.chunk("id: 1\nretry: 1\ndata:\n\n").await;
    stream.end().await;
    let error = owner.ended(1).await;
    assert!(error.sent == Sent::Unknown && matches!(error.reason, ExchangeReason::Closed), "{error}");
    owner.suspect().await;
    owner.request(2, "x/y");
    server.expect("POST", "x/y").await.cut();
    assert_eq!(owner.ended(2).await.sent, Sent::Unknown);
    owner.suspect().await;
    server.assert_nothing_else();
}

#[tokio::test]
async fn to_cancel_is_to_close_the_connection() {
    for era in [LEGACY, MODERN] {
        let (mut server, mut owner, _changes) = connected(era, "{}").await;
        owner.request(1, "x/y");
        owner.request(2, "x/y");
        let (silent, talking) = (server.expect("POST", "x/y").await, server.expect("POST", "x/y").await);
        let (first, second) = (silent.rpc["id"].as_u64().unwrap(), talking.rpc["id"].as_u64().unwrap());
        owner.cancel(first);
        // No head of an answer has come.
        silent.raw("").await.closed().await;
        let mut stream = talking.stream().await;
        stream.event(json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})).await;
        owner.frame().await;
        owner.cancel(second);
        stream.closed().await;
        owner.request(3, "x/y");
        server.expect("POST", "x/y").await.result(json!({})).await;
        owner.result(3).await;
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn a_silent_instance_is_given_up_without_a_word() {
    let limits = Limits { call_timeout: Duration::from_millis(30), ..Limits::default() };
    let mut server = Server::start().await;
    let mut owner = with_limits(server.port, LEGACY, "{}", limits);
    let _changes = shake_hands(&mut server, &mut owner, LEGACY).await;
    owner.request(1, "x/y");
    let request = server.expect("POST", "x/y").await;
    assert!(matches!(owner.ended(1).await.reason, ExchangeReason::TimedOut { .. }));
    request.raw("").await.closed().await;
    server.assert_nothing_else();
}

#[tokio::test]
async fn results_that_were_not_asked_for_are_refused() {
    let (mut server, mut owner, _changes) = connected(LEGACY, "{}").await;
    for (id, method, kind) in [
        (1, "x/y", "task"),
        (2, "x/y", "of tomorrow"),
        (3, "x/y", "input_required"),
        (4, "tools/list", "task"),
    ] {
        owner.request(id, method);
        let result = json!({"resultType": kind, "requestState": "s", "tools": []});
        server.expect("POST", method).await.result(result).await;
        let error = owner.ended(id).await;
        assert!(
            error.sent == Sent::Yes && matches!(error.reason, ExchangeReason::Unbridged { .. }),
            "{error}"
        );
    }
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_client_is_not_told_to_declare_what_it_has_declared() {
    let declared = r#"{"tasks":{},"extensions":{"a/b":{}}}"#;
    for (era, required, is_raw) in [
        (LEGACY, json!({"extensions": {"a/b": {}}}), false),
        (LEGACY, json!({"tasks": {}}), false),
        (LEGACY, json!({"extensions": {"c/d": {}}, "sampling": {}}), true),
        (MODERN, json!({"extensions": {"a/b": {}}}), true),
    ] {
        let (mut server, mut owner, _changes) = connected(era, declared).await;
        owner.request(1, "x/y");
        let request = server.expect("POST", "x/y").await;
        let error = json!({"code": -32021, "message": "m", "data": {"requiredCapabilities": required}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "error": error}).to_string();
        request.answer("400 Bad Request", JSON, &body).await;
        if is_raw {
            assert_eq!(owner.frame().await.0["error"], error);
        } else {
            assert!(matches!(owner.ended(1).await.reason, ExchangeReason::Unbridged { .. }));
        }
    }
}

async fn refuse_revision(server: &mut Server, method: &str) {
    let request = server.expect("POST", method).await;
    let error =
        json!({"code": -32022, "message": "m", "data": {"supported": ["2026-07-28"], "requested": "x"}});
    let body = json!({"jsonrpc": "2.0", "id": request.rpc["id"], "error": error}).to_string();
    request.answer("400 Bad Request", JSON, &body).await;
}

#[tokio::test]
async fn a_refused_revision_is_settled_anew_and_not_shown() {
    for era in [LEGACY, MODERN] {
        let (mut server, mut owner, former) = connected(era, "{}").await;
        owner.request(1, "x/y");
        refuse_revision(&mut server, "x/y").await;
        discover(&mut server, era).await;
        assert!(owner.renewed().await.era.is_modern());
        let listen = server.expect("POST", "subscriptions/listen").await;
        let _changes = super::modern::acknowledge(listen, &[]).await;
        former.closed().await;
        let again = server.expect("POST", "x/y").await;
        assert_eq!(again.rpc["id"], 1);
        again.result(json!({})).await;
        owner.result(1).await;
        // Not for ever.
        owner.request(2, "x/y");
        refuse_revision(&mut server, "x/y").await;
        discover(&mut server, era).await;
        owner.renewed().await;
        let _listen = server.expect("POST", "subscriptions/listen").await;
        refuse_revision(&mut server, "x/y").await;
        assert!(matches!(owner.ended(2).await.reason, ExchangeReason::Unbridged { .. }));
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn a_refusal_without_a_word_is_looked_into_once() {
    for (method, is_repeated) in [("resources/list", true), ("x/y", false), ("tools/call", false)] {
        let (mut server, mut owner, _changes) = connected(MODERN, "{}").await;
        owner.request(1, method);
        if method == "tools/call" {
            super::modern::list(&mut server, json!([])).await;
        }
        server.expect("POST", method).await.answer("404 Not Found", "", "").await;
        if !is_repeated {
            // It may have run.
            assert!(matches!(owner.ended(1).await.reason, ExchangeReason::Status { status: 404, .. }));
        }
        server.expect("POST", "server/discover").await.result(discovered()).await;
        owner.renewed().await;
        let listen = server.expect("POST", "subscriptions/listen").await;
        let _changes = super::modern::acknowledge(listen, &[]).await;
        if is_repeated {
            server.expect("POST", method).await.answer("404 Not Found", "", "").await;
            assert!(matches!(owner.ended(1).await.reason, ExchangeReason::Status { status: 404, .. }));
        }
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn an_instance_that_has_changed_its_era_ends_the_conversation() {
    let of_sdk = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#;
    for refusal in [None, Some(("", "no session")), Some((JSON, of_sdk))] {
        let (mut server, mut owner, _changes) = connected(MODERN, "{}").await;
        owner.request(1, "x/y");
        match refusal {
            None => refuse_revision(&mut server, "x/y").await,
            Some((headers, body)) => {
                server.expect("POST", "x/y").await.answer("400 Bad Request", headers, body).await;
            }
        }
        server.expect("POST", "server/discover").await.answer("404 Not Found", "", "").await;
        server.shake_hands("").await;
        assert!(!owner.renewed().await.era.is_modern());
        assert_eq!(owner.ended(1).await.sent, Sent::No);
        assert!(matches!(owner.failed().await.reason, ExchangeReason::Replaced));
    }
    let (mut server, mut owner) = Server::connected("s").await;
    owner.request(1, "tools/list");
    refuse_revision(&mut server, "tools/list").await;
    assert_eq!(owner.ended(1).await.sent, Sent::Unknown);
    assert!(matches!(owner.failed().await.reason, ExchangeReason::Replaced));
}

/// What names its own id has read the call, whatever it says of sessions.
#[tokio::test]
async fn a_call_that_was_answered_is_not_taken_for_one_that_found_no_session() {
    let (mut server, mut owner, _changes) = connected(MODERN, "{}").await;
    owner.request(1, "x/y");
    let call = server.expect("POST", "x/y").await;
    let error = json!({"code": -32000, "message": "your session at the bank is over"});
    let body = json!({"jsonrpc": "2.0", "id": call.rpc["id"], "error": error}).to_string();
    call.answer("400 Bad Request", JSON, &body).await;
    assert_eq!(owner.frame().await.0["error"], error);
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_call_to_an_instance_without_a_handshake_goes_where_it_is_sent() {
    let (mut server, mut owner, _changes) = connected(MODERN, "{}").await;
    owner.request(1, "x/y");
    let moved = "Location: /mcp/v2\r\n";
    server.expect("POST", "x/y").await.answer("308 Permanent Redirect", moved, "").await;
    let again = server.expect("POST", "x/y").await;
    assert_eq!((again.path.as_str(), again.header("mcp-method")), ("/mcp/v2", Some("x/y")));
    again.result(json!({"resultType": "complete"})).await;
    owner.result(1).await;
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_ping_asks_what_there_is_to_ask() {
    let mut server = Server::start().await;
    let mut owner = watcher(server.port);
    server.expect("POST", "server/discover").await.result(discovered()).await;
    assert!(matches!(owner.ready().await.era, Era::Modern(_)));
    for id in 1..4 {
        owner.request(id, "ping");
        let check = server.expect("POST", "server/discover").await;
        assert_eq!((check.connection(), &check.rpc["id"]), (0, &json!(id)));
        assert_eq!(check.header("mcp-method"), Some("server/discover"));
        check.result(discovered()).await;
        assert_eq!(owner.result(id).await, json!({}));
    }
    // An error is a sign of life as well.
    owner.request(4, "ping");
    let check = server.expect("POST", "server/discover").await;
    let error = json!({"code": -32603, "message": "busy"});
    check.json(json!({"jsonrpc": "2.0", "id": 4, "error": error})).await;
    assert_eq!(owner.frame().await.0["error"]["code"], -32603);
    // So is a revision that has to be settled anew.
    owner.request(5, "ping");
    refuse_revision(&mut server, "server/discover").await;
    server.expect("POST", "server/discover").await.result(discovered()).await;
    owner.renewed().await;
    server.expect("POST", "server/discover").await.result(discovered()).await;
    assert_eq!(owner.result(5).await, json!({}));
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_ping_that_another_server_answers_ends_the_conversation() {
    let not_found = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"m"}}"#;
    for (status, headers, body) in [
        ("200 OK", JSON, not_found),
        ("404 Not Found", JSON, not_found),
        ("404 Not Found", "", ""),
        ("400 Bad Request", "", "no session"),
        ("200 OK", JSON, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        // As the SDKs of the older kind refuse what they do not know, or what is in no session.
        (
            "200 OK",
            JSON,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid request parameters"}}"#,
        ),
        (
            "200 OK",
            JSON,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"Server is not initialized"}}"#,
        ),
        (
            "400 Bad Request",
            JSON,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#,
        ),
        (
            "400 Bad Request",
            JSON,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Unsupported protocol version"}}"#,
        ),
    ] {
        let mut server = Server::start().await;
        let mut owner = watcher(server.port);
        server.expect("POST", "server/discover").await.result(discovered()).await;
        owner.ready().await;
        owner.request(1, "ping");
        server.expect("POST", "server/discover").await.answer(status, headers, body).await;
        owner.ended(1).await;
        assert!(matches!(owner.failed().await.reason, ExchangeReason::Replaced));
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn calls_wait_for_no_list_of_tools_that_cannot_be_had() {
    let (mut server, mut owner, _changes) = connected(LEGACY, "{}").await;
    owner.call(1, "tools/call", &json!({"name": "t"}));
    owner.call(2, "tools/call", &json!({"name": "t"}));
    server.expect("POST", "tools/list").await.answer("404 Not Found", "", "").await;
    for _ in 0..2 {
        server.expect("POST", "tools/call").await.result(json!({})).await;
    }
    owner.frame().await;
    owner.frame().await;
    // One that is cancelled while it waits is never sent.
    let (mut server, mut owner, _changes) = connected(LEGACY, "{}").await;
    owner.call(1, "tools/call", &json!({"name": "t"}));
    let listing = server.expect("POST", "tools/list").await;
    owner.cancel(1);
    owner.call(2, "tools/call", &json!({"name": "u"}));
    listing.result(json!({"tools": []})).await;
    let call = server.expect("POST", "tools/call").await;
    assert_eq!(call.header("mcp-name"), Some("u"));
    call.result(json!({})).await;
    owner.result(2).await;
    list_is_asked_for_after_a_change().await;
}

async fn list_is_asked_for_after_a_change() {
    let (mut server, mut owner, mut changes) = connected(LEGACY, "{}").await;
    owner.request(1, "tools/list");
    list(&mut server, json!([])).await;
    owner.result(1).await;
    owner.call(2, "tools/call", &json!({"name": "t"}));
    server.expect("POST", "tools/call").await.result(json!({})).await;
    owner.result(2).await;
    changes.event(json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})).await;
    owner.frame().await;
    owner.call(3, "tools/call", &json!({"name": "t"}));
    list(&mut server, json!([])).await;
    server.expect("POST", "tools/call").await.result(json!({})).await;
    owner.result(3).await;
    server.assert_nothing_else();
}
