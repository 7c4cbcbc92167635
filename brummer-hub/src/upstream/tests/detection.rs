//! Which era an instance is of.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{
    modern::{LEGACY, MODERN, discovered, owner, refuse_session, watcher, with_limits},
    script::{ConnectionOwner, ReceivedRequest, Server, hello, options},
};
use crate::{
    config::Limits,
    upstream::{Agreed, ExchangeReason, Sent, UpstreamOptions},
};

const JSON: &str = "Content-Type: application/json\r\n";

async fn probe(server: &mut Server) -> ReceivedRequest {
    let probe = server.expect("POST", "server/discover").await;
    assert_eq!(probe.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(probe.header("content-type"), Some("application/json"));
    assert_eq!(probe.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(probe.header("mcp-method"), Some("server/discover"));
    assert_eq!((probe.header("mcp-name"), probe.header("mcp-session-id")), (None, None));
    probe
}

#[tokio::test]
async fn an_instance_without_a_handshake_gets_none() {
    let mut server = Server::start().await;
    let mut owner = owner(server.port, LEGACY, r#"{"roots":{"listChanged":true},"tasks":{},"sampling":{}}"#);
    let probe = probe(&mut server).await;
    let introduction = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "owner", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"roots": {}, "sampling": {}},
    });
    assert_eq!(probe.rpc["params"], json!({"_meta": introduction}));
    let body = json!({"jsonrpc": "2.0", "id": probe.rpc["id"], "result": discovered()}).to_string();
    let headers = format!("{JSON}Brummer-Instance-Id: i-1\r\nMcp-Session-Id: ignored\r\n");
    probe.answer("200 OK", &headers, &body).await;
    refuse_session(&mut server).await;
    let welcome = owner.ready().await;
    assert_eq!((welcome.era, welcome.stated_id.as_deref()), (MODERN, Some("i-1")));
    assert_eq!(*welcome.result, discovered().to_string());
    assert_eq!(welcome.extensions().as_deref(), Some(r#"{"x/y":{"z":1.0}}"#));

    let listen = server.expect("POST", "subscriptions/listen").await;
    assert_eq!(listen.rpc["params"]["_meta"], introduction);
    assert_eq!(
        (listen.header("mcp-session-id"), listen.header("mcp-method")),
        (None, Some("subscriptions/listen"))
    );
    drop(owner.upstream.take());
    listen.raw("").await.closed().await;
    assert!(owner.end().await.is_empty());
    server.assert_nothing_else();
}

/// Every way in which servers with a handshake are known to answer what they do not know.
#[tokio::test]
async fn everything_else_gets_a_handshake_on_the_same_connection() {
    let error =
        |code: i32| json!({"jsonrpc": "2.0", "id": 0, "error": {"code": code, "message": "no"}}).to_string();
    let result = |result: Value| json!({"jsonrpc": "2.0", "id": 0, "result": result}).to_string();
    let of_sdk = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null}"#;
    let stream = "Content-Type: text/event-stream\r\n";
    for (status, headers, body) in [
        ("200 OK", JSON, error(-32601)),
        ("200 OK", JSON, error(-32602)),
        ("200 OK", JSON, error(-32001)),
        ("200 OK", JSON, error(-32603)),
        ("400 Bad Request", JSON, of_sdk.to_owned()),
        ("404 Not Found", JSON, error(-32601)),
        ("500 Internal Server Error", JSON, error(-32603)),
        ("400 Bad Request", "Content-Type: text/plain\r\n", "what?".to_owned()),
        ("400 Bad Request", "", String::new()),
        ("404 Not Found", "Content-Type: text/html\r\n", "<p>no</p>".to_owned()),
        ("405 Method Not Allowed", "", String::new()),
        ("406 Not Acceptable", JSON, "{}".to_owned()),
        ("200 OK", JSON, result(json!({}))),
        ("200 OK", JSON, result(json!({"supportedVersions": "all"}))),
        ("200 OK", JSON, "{}".to_owned()),
        ("200 OK", JSON, "nonsense".to_owned()),
        ("200 OK", stream, format!("data: {}\n\n", error(-32601))),
        ("200 OK", stream, ": nothing\n\n".to_owned()),
        ("202 Accepted", "", String::new()),
        ("204 No Content", "", String::new()),
    ] {
        let mut server = Server::start().await;
        let mut owner = owner(server.port, LEGACY, "{}");
        probe(&mut server).await.answer(status, headers, &body).await;
        let initialize = server.expect("POST", "initialize").await;
        assert_eq!(initialize.connection(), 0, "{status} {body}");
        assert_eq!(
            (initialize.header("mcp-protocol-version"), initialize.header("mcp-method")),
            (None, None)
        );
        assert_eq!(initialize.rpc["params"]["protocolVersion"], "2025-11-25");
        let result = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {}});
        initialize.result(result).await;
        server.expect("POST", "notifications/initialized").await.accept().await;
        assert_eq!(owner.ready().await.era.version(), "2025-06-18", "{status} {body}");
        server.expect("GET", "").await;
        server.assert_nothing_else();
    }
}

/// What a server with a handshake does with the question may say nothing of it at all.
#[tokio::test]
async fn what_says_nothing_of_the_instance_decides_nothing() {
    let stream = "Content-Type: text/event-stream\r\n";
    for (status, headers, body) in [
        ("401 Unauthorized", JSON, r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"no"}}"#),
        ("403 Forbidden", "Content-Type: text/plain\r\n", "no session"),
        ("500 Internal Server Error", "Content-Type: text/plain\r\n", "Unknown method"),
        ("500 Internal Server Error", JSON, r#"{"error":"Unknown method"}"#),
        ("502 Bad Gateway", "", ""),
        ("503 Service Unavailable", "Content-Type: text/html\r\n", "<p>starting</p>"),
        ("302 Found", "Location: http://example.com/login\r\n", ""),
        ("200 OK", "Content-Type: text/html; charset=utf-8\r\n", "<p>hello</p>"),
        ("200 OK", "Content-Encoding: gzip\r\nContent-Type: application/json\r\n", "?"),
        ("200 OK", JSON, r#"{"jsonrpc":"2.0","id":0,"err"#),
        ("200 OK", stream, "data: nonsense\n\n"),
        (
            "400 Bad Request",
            JSON,
            r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32020,"message":"of its own"}}"#,
        ),
        ("200 OK", JSON, r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32021,"message":"of its own"}}"#),
    ] {
        let mut server = Server::start().await;
        let mut owner = owner(server.port, LEGACY, "{}");
        probe(&mut server).await.answer(status, headers, body).await;
        server.shake_hands("").await;
        assert!(!owner.ready().await.era.is_modern(), "{status} {body}");

        // What does not open a conversation either has none.
        let mut server = Server::start().await;
        let mut owner = super::modern::owner(server.port, LEGACY, "{}");
        probe(&mut server).await.answer(status, headers, body).await;
        let refusal = "403 Forbidden";
        server.expect("POST", "initialize").await.answer(refusal, "", "").await;
        owner.failed().await;
        server.assert_nothing_else();
    }
}

/// The same for those who answer nothing, or half of something.
#[tokio::test]
async fn silence_decides_nothing() {
    let half = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{";
    for (bytes, stays) in
        [("", false), ("", true), (half, false), (half, true), ("HTTP/1.1 2", true), ("?", false)]
    {
        let limits =
            Limits { initialize_timeout: std::time::Duration::from_millis(600), ..Limits::default() };
        let mut server = Server::start().await;
        let mut owner = with_limits(server.port, LEGACY, "{}", limits);
        let answered = probe(&mut server).await.raw(bytes).await;
        let _open = stays.then_some(answered);
        server.shake_hands("").await;
        assert!(!owner.ready().await.era.is_modern(), "{bytes} {stays}");
    }
    let limits = Limits { initialize_timeout: std::time::Duration::from_millis(30), ..Limits::default() };
    let mut server = Server::start().await;
    let mut owner = with_limits(server.port, LEGACY, "{}", limits);
    let _silent = probe(&mut server).await;
    let _too = server.expect("POST", "initialize").await;
    assert!(matches!(owner.failed().await.reason, ExchangeReason::TimedOut { .. }));
    server.assert_nothing_else();
}

/// A modern server that takes long for its first answer is asked again once it has refused the other question.
#[tokio::test]
async fn a_slow_instance_without_a_handshake_is_asked_again() {
    let limits = Limits { initialize_timeout: std::time::Duration::from_secs(2), ..Limits::default() };
    let mut server = Server::start().await;
    let mut owner = with_limits(server.port, LEGACY, "{}", limits);
    let _slow = probe(&mut server).await;
    refuse_session(&mut server).await;
    probe(&mut server).await.result(discovered()).await;
    refuse_session(&mut server).await;
    assert_eq!(owner.ready().await.era, MODERN);
}

#[tokio::test]
async fn the_question_leaves_no_session_behind() {
    let mut server = Server::start().await;
    let mut owner = owner(server.port, LEGACY, "{}");
    let asked = probe(&mut server).await;
    let body = json!({"jsonrpc": "2.0", "id": 0, "error": {"code": -32601, "message": "no"}}).to_string();
    asked.answer("200 OK", &format!("{JSON}Mcp-Session-Id: stray\r\n"), &body).await;
    let end = server.expect("DELETE", "").await;
    assert_eq!(end.header("mcp-session-id"), Some("stray"));
    end.answer("200 OK", "", "").await;
    let initialize = server.expect("POST", "initialize").await;
    assert_eq!((initialize.connection(), initialize.header("mcp-session-id")), (0, None));
    // Nor does a handshake with what is no MCP server.
    let body = json!({"jsonrpc": "2.0", "id": 0, "result": {"status": "ok"}}).to_string();
    initialize.answer("200 OK", &format!("{JSON}Mcp-Session-Id: other\r\n"), &body).await;
    let end = server.expect("DELETE", "").await;
    assert_eq!(end.header("mcp-session-id"), Some("other"));
    end.answer("405 Method Not Allowed", "", "").await;
    assert!(owner.failed().await.to_string().contains("is it an MCP server?"));
    server.assert_nothing_else();
}

#[tokio::test]
async fn what_is_no_mcp_server_is_never_ready() {
    for result in [
        "{}",
        "null",
        "7",
        "[]",
        "\"ok\"",
        r#"{"protocolVersion":1}"#,
        r#"{"protocolVersion":null}"#,
        r#"{"capabilities":{}}"#,
    ] {
        let mut server = Server::start().await;
        let mut owner = owner(server.port, LEGACY, "{}");
        for method in ["server/discover", "initialize"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#);
            server.expect("POST", method).await.answer("200 OK", JSON, &body).await;
        }
        assert!(matches!(owner.failed().await.reason, ExchangeReason::Invalid { .. }), "{result}");
        server.assert_nothing_else();
    }
}

/// A middleware that serves the older transport at one path, whatever the method.
#[tokio::test]
async fn a_stream_in_answer_to_any_method_is_used() {
    for known in [None, Some(LEGACY)] {
        let mut server = Server::start().await;
        let options = options(server.port, hello(LEGACY, "{}"));
        let mut owner = ConnectionOwner::with_options(UpstreamOptions { known, ..options }, 64);
        let first = if known.is_some() { "initialize" } else { "server/discover" };
        let mut stream = server.expect("POST", first).await.stream().await;
        stream.chunk("event: endpoint\ndata: /messages?id=7\n\n").await;
        let initialize = server.expect("POST", "initialize").await;
        assert_eq!(initialize.path, "/messages?id=7");
        let id = initialize.rpc["id"].clone();
        initialize.answer("202 Accepted", "", "Accepted").await;
        let result = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "serverInfo": {}});
        stream.event(json!({"jsonrpc": "2.0", "id": id, "result": result})).await;
        server.expect("POST", "notifications/initialized").await.accept().await;
        assert_eq!(owner.ready().await.era.version(), "2024-11-05");
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn redirects_that_stay_on_the_instance_are_followed() {
    for (status, to) in [
        ("307 Temporary Redirect", "/mcp/".to_owned()),
        ("308 Permanent Redirect", "http://LOCALHOST:PORT/mcp/".to_owned()),
        ("301 Moved Permanently", "http://127.0.0.1:PORT/mcp/".to_owned()),
    ] {
        let mut server = Server::start().await;
        let mut owner = owner(server.port, LEGACY, "{}");
        let to = to.replace("PORT", &server.port.to_string());
        let location = format!("Location: {to}\r\n");
        probe(&mut server).await.answer(status, &location, "").await;
        let again = probe(&mut server).await;
        assert_eq!(again.path, "/mcp/");
        again.answer("404 Not Found", "", "").await;
        let initialize = server.expect("POST", "initialize").await;
        assert_eq!(initialize.path, "/mcp/");
        let result = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {}});
        initialize.result(result).await;
        server.expect("POST", "notifications/initialized").await.accept().await;
        owner.ready().await;
        assert_eq!(server.expect("GET", "").await.path, "/mcp/");
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let mut server = Server::start().await;
    let mut owner = owner(server.port, LEGACY, "{}");
    for (method, paths) in
        [("server/discover", ["/a", "/mcp", "/a", "/b"]), ("initialize", ["/mcp", "/a", "/mcp", "/b"])]
    {
        for to in paths {
            let location = format!("Location: {to}\r\n");
            server.expect("POST", method).await.answer("307 Temporary Redirect", &location, "").await;
        }
    }
    assert!(matches!(owner.failed().await.reason, ExchangeReason::Status { status: 307, .. }));
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_slash_is_added_where_nothing_is_without_it() {
    let mut server = Server::start().await;
    let mut owner = owner(server.port, LEGACY, "{}");
    for method in ["server/discover", "initialize"] {
        let missing = server.expect("POST", method).await;
        assert_eq!(missing.path, "/mcp");
        missing.answer("404 Not Found", "Content-Type: text/html\r\n", "<p>Not Found</p>").await;
    }
    let again = probe(&mut server).await;
    assert_eq!(again.path, "/mcp/");
    again.answer("400 Bad Request", "", "").await;
    server.shake_hands("").await;
    owner.ready().await;
    assert_eq!(server.expect("GET", "").await.path, "/mcp/");
    server.assert_nothing_else();
}

fn refusal(probe: &ReceivedRequest, code: i32, data: &Value) -> String {
    let error = json!({"code": code, "message": "not\nthat", "data": data});
    json!({"jsonrpc": "2.0", "id": probe.rpc["id"], "error": error}).to_string()
}

#[tokio::test]
async fn a_refused_revision_is_replaced_by_a_common_one() {
    let mut server = Server::start().await;
    let mut owner = owner(server.port, LEGACY, "{}");
    let first = probe(&mut server).await;
    let body = refusal(&first, -32022, &json!({"supported": ["2026-07-28"], "requested": "2026-07-28"}));
    first.answer("400 Bad Request", JSON, &body).await;
    let second = probe(&mut server).await;
    assert_eq!(second.connection(), 0);
    second.result(discovered()).await;
    refuse_session(&mut server).await;
    assert_eq!(owner.ready().await.era, MODERN);
}

#[tokio::test]
async fn an_instance_that_names_only_older_revisions_gets_the_newest_common_one() {
    let mut server = Server::start().await;
    let _owner = owner(server.port, MODERN, "{}");
    let first = probe(&mut server).await;
    let body = refusal(&first, -32022, &json!({"supported": ["2025-03-26", "2025-06-18"], "requested": "x"}));
    first.answer("400 Bad Request", JSON, &body).await;
    let initialize = server.expect("POST", "initialize").await;
    assert_eq!(initialize.rpc["params"]["protocolVersion"], "2025-06-18");
}

#[tokio::test]
async fn an_instance_that_is_modern_and_not_usable_says_why() {
    for (code, data, why) in [
        (-32020, json!({}), "not that"),
        (-32021, json!({"requiredCapabilities": {}}), "not that"),
        (-32022, json!({"supported": ["2027-07-07"]}), "it speaks MCP 2027-07-07 only"),
    ] {
        let mut server = Server::start().await;
        let mut owner = owner(server.port, LEGACY, "{}");
        let first = probe(&mut server).await;
        let body = refusal(&first, code, &data);
        first.answer("400 Bad Request", JSON, &body).await;
        // It could still have a handshake, with codes of its own.
        refuse_session(&mut server).await;
        let error = owner.failed().await;
        assert_eq!(error.sent, Sent::Yes);
        assert_eq!(error.to_string(), format!("the instance refused the handshake: {why}"));
        server.assert_nothing_else();
    }
    let mut server = Server::start().await;
    let mut owner = owner(server.port, LEGACY, "{}");
    for _ in 0..3 {
        let again = probe(&mut server).await;
        let body = refusal(&again, -32022, &json!({"supported": ["2026-07-28"]}));
        again.answer("400 Bad Request", JSON, &body).await;
    }
    refuse_session(&mut server).await;
    owner.failed().await;
    server.assert_nothing_else();
}

/// What `initialize` gets from a server of both kinds.
async fn welcome(server: &mut Server, session: &str) {
    let initialize = server.expect("POST", "initialize").await;
    let result = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}});
    let body = json!({"jsonrpc": "2.0", "id": initialize.rpc["id"], "result": result}).to_string();
    initialize.answer("200 OK", &format!("{JSON}{session}"), &body).await;
}

#[tokio::test]
async fn an_instance_of_both_kinds_speaks_that_of_its_client_where_it_can() {
    for known in [None, Some(MODERN)] {
        let mut server = Server::start().await;
        let options = options(server.port, hello(LEGACY, "{}"));
        let mut owner = ConnectionOwner::with_options(UpstreamOptions { known, ..options }, 64);
        probe(&mut server).await.result(discovered()).await;
        welcome(&mut server, "Mcp-Session-Id: s\r\n").await;
        server.expect("POST", "notifications/initialized").await.accept().await;
        assert_eq!(owner.ready().await.era, LEGACY);
        server.expect("GET", "").await;
        server.assert_nothing_else();

        // Without a session it could not ask the client anything.
        let mut server = Server::start().await;
        let options = super::script::options(server.port, hello(LEGACY, "{}"));
        let mut owner = ConnectionOwner::with_options(UpstreamOptions { known, ..options }, 64);
        probe(&mut server).await.result(discovered()).await;
        welcome(&mut server, "").await;
        assert_eq!(owner.ready().await.era, MODERN);
        server.expect("POST", "subscriptions/listen").await;
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn a_verdict_that_has_become_stale_does_no_harm() {
    let mut server = Server::start().await;
    let options = options(server.port, hello(MODERN, "{}"));
    let mut owner = ConnectionOwner::with_options(UpstreamOptions { known: Some(MODERN), ..options }, 64);
    probe(&mut server).await.answer("404 Not Found", "", "").await;
    server.shake_hands("s").await;
    assert_eq!(owner.ready().await.era.version(), "2025-06-18");
}

#[tokio::test]
async fn a_server_that_closes_after_the_question_gets_its_handshake_on_another_connection() {
    let mut server = Server::start().await;
    let mut owner = owner(server.port, LEGACY, "{}");
    let probe = probe(&mut server).await;
    // The connection looks as if it could be used again.
    drop(probe.raw("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await);
    server.shake_hands("").await;
    owner.ready().await;
}

#[tokio::test]
async fn handshakes_take_turns_but_not_for_ever() {
    let gate = Arc::new(Semaphore::new(1));
    let mut server = Server::start().await;
    let gated = || {
        let options = options(server.port, hello(LEGACY, "{}"));
        ConnectionOwner::with_options(UpstreamOptions { gate: Some(Arc::clone(&gate)), ..options }, 64)
    };
    let (mut first, mut second) = (gated(), gated());
    let asked = probe(&mut server).await;
    assert_eq!(gate.available_permits(), 0);
    // The second one does not wait for an instance that may never answer.
    let also_asked = probe(&mut server).await;
    asked.result(discovered()).await;
    also_asked.result(discovered()).await;
    refuse_session(&mut server).await;
    refuse_session(&mut server).await;
    first.ready().await;
    second.ready().await;
    assert_eq!(gate.available_permits(), 1);
}

/// A server that answers without a session may have one only, which the first handshake takes.
#[tokio::test]
async fn health_asks_for_no_session_where_the_instance_answers_without() {
    let unknown = |id: u64| json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no"}});
    for knows_ping in [true, false] {
        let mut server = Server::start().await;
        let mut owner = watcher(server.port);
        probe(&mut server).await.json(unknown(0)).await;
        let ping = server.expect("POST", "ping").await;
        assert_eq!((ping.connection(), ping.header("mcp-session-id")), (0, None));
        if knows_ping {
            ping.result(json!({})).await;
        } else {
            ping.json(unknown(0)).await;
            server.expect("POST", "tools/list").await.result(json!({"tools": [{"odd": 1}]})).await;
        }
        let welcome = owner.ready().await;
        assert_eq!((welcome.era.is_modern(), welcome.agreed), (false, Agreed::Unasked));
        owner.request(1, "ping");
        // By now a client has taken the only session, and others are refused. That is life, too.
        let refusal = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Mcp-Session-Id header is required"}}"#;
        server.expect("POST", "ping").await.answer("400 Bad Request", JSON, refusal).await;
        assert_eq!(owner.frame().await.0["error"]["code"], -32000);
        server.assert_nothing_else();
    }
}

/// What answers like no MCP server must prove to be one.
#[tokio::test]
async fn health_shakes_hands_with_what_does_not_prove_to_be_an_mcp_server() {
    let error = |code: i32| json!({"jsonrpc": "2.0", "id": 0, "error": {"code": code, "message": "no"}});
    for (ping, tools) in [
        (error(-32601), Some(error(-32601))),
        (error(-32601), Some(json!({"jsonrpc": "2.0", "id": 0, "result": {"tools": "none"}}))),
        (error(-32000), None),
        (json!({"jsonrpc": "2.0", "id": 0, "result": "pong"}), Some(error(-32601))),
        (json!({"jsonrpc": "2.0", "id": 5, "result": {}}), None),
    ] {
        let mut server = Server::start().await;
        let _owner = watcher(server.port);
        probe(&mut server).await.json(error(-32601)).await;
        server.expect("POST", "ping").await.json(ping).await;
        if let Some(tools) = tools {
            server.expect("POST", "tools/list").await.json(tools).await;
        }
        server.expect("POST", "initialize").await;
        server.assert_nothing_else();
    }
    // One that states an id is made with this library, and has sessions.
    let mut server = Server::start().await;
    let _owner = watcher(server.port);
    let headers = format!("{JSON}Brummer-Instance-Id: i-1\r\n");
    probe(&mut server).await.answer("200 OK", &headers, &error(-32601).to_string()).await;
    server.expect("POST", "initialize").await;
    server.assert_nothing_else();
}
