//! Instances that speak an older transport, and the Go program.

use serde_json::{Value, json};

use super::script::{ConnectionOwner, Server, Writer};
use crate::upstream::{ExchangeReason, Sent};

const RESULT: &str = r#"{"protocolVersion":"2024-11-05","capabilities":{},"serverInfo":{}}"#;

/// Plays the handshake of the HTTP+SSE transport.
async fn shake_hands(server: &mut Server, path: &str, endpoint: &str) -> Writer {
    server.expect("POST", "initialize").await.answer("405 Method Not Allowed", "", "").await;
    if path != "/mcp" {
        server.expect("GET", "").await.answer("404 Not Found", "", "").await;
    }
    let listen = server.expect("GET", "").await;
    assert_eq!((listen.path.as_str(), listen.header("accept")), (path, Some("text/event-stream")));
    let mut stream = listen.stream().await;
    stream.chunk(format!("event: endpoint\ndata: {endpoint}\n\n")).await;
    let initialize = server.expect("POST", "initialize").await;
    assert_eq!(initialize.path, "/messages?id=7");
    let id = initialize.rpc["id"].clone();
    initialize.answer("202 Accepted", "", "Accepted").await;
    stream.event(json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})).await;
    stream
        .event(json!({"jsonrpc": "2.0", "id": id, "result": serde_json::from_str::<Value>(RESULT).unwrap()}))
        .await;
    let initialized = server.expect("POST", "notifications/initialized").await;
    assert_eq!(initialized.path, "/messages?id=7");
    initialized.answer("202 Accepted", "Content-Type: text/plain\r\n", "Accepted").await;
    stream
}

#[tokio::test]
async fn the_http_sse_transport() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    let mut stream = shake_hands(&mut server, "/mcp", "/messages?id=7").await;
    assert_eq!(owner.ready().await.era.version(), "2024-11-05");
    assert_eq!(owner.frame().await.0["method"], json!("notifications/message"));

    owner.request(1, "tools/call");
    owner.request(2, "tools/list");
    server.expect("POST", "tools/call").await.answer("202 Accepted", "", "Accepted").await;
    server.expect("POST", "tools/list").await.accept().await;
    stream.event(json!({"jsonrpc": "2.0", "id": 2, "result": 2})).await;
    assert_eq!(owner.result(2).await, json!(2));
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}});
    stream.event(progress.clone()).await;
    stream.event(json!({"jsonrpc": "2.0", "id": 1, "result": 1})).await;
    assert_eq!(owner.frame().await, (progress, None));
    assert_eq!(owner.result(1).await, json!(1));

    // An answer may also come before its request was accepted, or be a refusal.
    owner.request(3, "tools/call");
    let request = server.expect("POST", "tools/call").await;
    stream.event(json!({"jsonrpc": "2.0", "id": 3, "result": 3})).await;
    assert_eq!(owner.result(3).await, json!(3));
    drop(request);
    owner.request(4, "tools/call");
    server.expect("POST", "tools/call").await.answer("400 Bad Request", "", "no").await;
    assert!(matches!(owner.ended(4).await.reason, ExchangeReason::Status { status: 400, .. }));

    // A cancelled one is not answered any more.
    owner.request(5, "tools/call");
    server.expect("POST", "tools/call").await.accept().await;
    owner.cancel(5);
    server.expect("POST", "notifications/cancelled").await.accept().await;
    stream.event(json!({"jsonrpc": "2.0", "id": 5, "result": 5})).await;
    owner.request(6, "tools/call");
    server.expect("POST", "tools/call").await.accept().await;

    drop(stream);
    owner.suspect().await;
    let error = owner.ended(6).await;
    assert!(error.sent == Sent::Unknown && matches!(error.reason, ExchangeReason::Closed), "{error}");
    owner.failed().await;
    assert!(owner.end().await.is_empty());
    server.assert_nothing_else();
}

/// Some servers have one stream for all, so that of a client must be the only one.
#[tokio::test]
async fn health_gives_its_stream_up_and_looks_only_whether_somebody_is_there() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::watch(server.port);
    let stream = shake_hands(&mut server, "/mcp", "/messages?id=7").await;
    stream.closed().await;
    assert_eq!(owner.ready().await.era.version(), "2024-11-05");
    assert_eq!(owner.frame().await.0["method"], json!("notifications/message"), "said before the answer");
    for id in 1..3 {
        owner.request(id, "ping");
        assert_eq!(owner.result(id).await, json!({}));
    }
    owner.send("notifications/cancelled");
    server.assert_nothing_else();
    server.refuse_connections().await;
    owner.request(3, "ping");
    let error = owner.ended(3).await;
    assert!(matches!(error.reason, ExchangeReason::Refused { .. }), "{error}");
    owner.suspect().await;
}

#[tokio::test]
async fn the_http_sse_transport_at_its_usual_path() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    let endpoint = format!("http://127.0.0.1:{}/messages?id=7", server.port);
    let _stream = shake_hands(&mut server, "/sse", &endpoint).await;
    owner.ready().await;
}

#[tokio::test]
async fn an_endpoint_elsewhere_is_not_used() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    let refusal = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: no"},"id":null}"#;
    server.expect("POST", "initialize").await.answer("400 Bad Request", "", refusal).await;
    for path in ["/mcp", "/sse"] {
        let listen = server.expect("GET", "").await;
        assert_eq!(listen.path, path);
        let mut stream = listen.stream().await;
        stream.chunk("event: endpoint\ndata: http://example.com:80/\n\n").await;
        stream.closed().await;
    }
    assert_eq!(owner.failed().await.to_string(), "the instance refused the handshake: Bad Request: no");
    server.assert_nothing_else();
}

#[tokio::test]
async fn the_go_program() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    let result = json!({"protocolVersion": "1.0", "capabilities": {"tools": {}}, "serverInfo": {"name": "brummer-mcp"}});
    server.expect("POST", "initialize").await.result(result).await;
    let initialized = server.expect("POST", "notifications/initialized").await;
    let unknown = json!({"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}});
    initialized.json(&unknown).await;
    assert_eq!(owner.ready().await.era.version(), "2024-11-05");
    let mut stream = server.expect("GET", "").await.stream().await;
    stream.chunk("event: ping\ndata: {\"timestamp\":1}\n\n").await;

    owner.send("notifications/cancelled");
    server.expect("POST", "notifications/cancelled").await.json(&unknown).await;
    owner.request(1, "ping");
    let error = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}});
    server.expect("POST", "ping").await.json(&error).await;
    assert_eq!(owner.frame().await, (error, Some(1)));
    owner.request(2, "tools/call");
    let mut answer = server.expect("POST", "tools/call").await.stream().await;
    answer
        .chunk(": SSE stream for request\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":null}\n\n")
        .await;
    answer.end().await;
    assert_eq!(owner.result(2).await, json!(null));
}
