//! Single requests: forms of answers, and what can go wrong with one.

use serde_json::json;

use super::script::{ConnectionOwner, Server};
use crate::{config::Limits, upstream::Sent};

#[tokio::test]
async fn a_conversation_from_the_handshake_to_the_end() {
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::connect(server.port);
    owner.request(1, "tools/list");

    let initialize = server.expect("POST", "initialize").await;
    assert_eq!(initialize.path, "/mcp");
    assert_eq!(initialize.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(initialize.header("content-type"), Some("application/json"));
    assert_eq!(initialize.header("host"), Some(&*format!("localhost:{}", server.port)));
    assert_eq!(initialize.header("mcp-protocol-version"), None);
    assert_eq!(initialize.header("origin"), None);
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"roots": {}}, "clientInfo": {"name": "owner", "version": "1"}});
    assert_eq!(initialize.rpc["params"], params);
    let headers = "Content-Type: application/json\r\nMcp-Session-Id: s/1=\r\nBrummer-Instance-Id: i-1\r\n";
    let answer =
        r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-03-26","capabilities":{},"x":1.0}}"#;
    initialize.answer("200 OK", headers, answer).await;

    let initialized = server.expect("POST", "notifications/initialized").await;
    assert_eq!(initialized.header("mcp-session-id"), Some("s/1="));
    assert_eq!(initialized.header("mcp-protocol-version"), Some("2025-03-26"));
    initialized.accept().await;
    let welcome = owner.ready().await;
    assert_eq!(welcome.era.version(), "2025-03-26");
    assert_eq!(&*welcome.result, r#"{"protocolVersion":"2025-03-26","capabilities":{},"x":1.0}"#);
    assert_eq!(welcome.stated_id.as_deref(), Some("i-1"));

    let listen = server.expect("GET", "").await;
    assert_eq!(listen.header("accept"), Some("text/event-stream"));
    assert_eq!(listen.header("mcp-session-id"), Some("s/1="));
    listen.answer("405 Method Not Allowed", "", "").await;

    let request = server.expect("POST", "tools/list").await;
    assert_eq!(request.header("mcp-session-id"), Some("s/1="));
    assert_eq!(request.connection(), 0, "the connection is used again");
    request.result(json!({"tools": []})).await;
    assert_eq!(owner.result(1).await, json!({"tools": []}));

    drop(owner.upstream.take());
    let delete = server.expect("DELETE", "").await;
    assert_eq!(delete.header("mcp-session-id"), Some("s/1="));
    delete.answer("200 OK", "", "").await;
    assert!(owner.end().await.is_empty());
    server.assert_nothing_else();
}

#[tokio::test]
async fn json_answers_in_all_their_forms() {
    let (mut server, mut owner) = Server::connected("").await;
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    let stream = "Content-Type: text/event-stream\r\n";
    let answer = |id: u64| json!({"jsonrpc": "2.0", "id": id, "result": {}}).to_string();
    let forms = [
        (json, answer(1)),
        ("", answer(2)),
        (json, " \r\n{\n \"jsonrpc\": \"2.0\",\r\n \"id\": 3,\n \"result\": {}}\n".to_owned()),
        (stream, answer(4)),
        (stream, format!("\n  {}", answer(5))),
        (json, format!("[{}]", answer(6))),
        (json, answer(7).replace('7', "\"7\"")),
        (json, answer(8).replace('8', "8.0")),
    ];
    for (id, (headers, body)) in (1..).zip(forms) {
        owner.request(id, "tools/call");
        server.expect("POST", "tools/call").await.answer("200 OK", headers, &body).await;
        assert_eq!(owner.result(id).await, json!({}), "{body}");
    }
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_batch_is_taken_apart_in_order() {
    let (mut server, mut owner) = Server::connected("").await;
    owner.request(1, "tools/call");
    let before = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}});
    let after = json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"});
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": 1});
    server.expect("POST", "tools/call").await.json(json!([before, answer, after])).await;
    assert_eq!(owner.frame().await, (before, Some(1)));
    assert_eq!(owner.result(1).await, json!(1));
    assert_eq!(owner.frame().await, (after, Some(1)));
}

#[tokio::test]
async fn a_stream_is_told_in_order_and_its_connection_used_again() {
    let (mut server, mut owner) = Server::connected("").await;
    owner.request(5, "tools/call");
    let request = server.expect("POST", "tools/call").await;
    let connection = request.connection();
    let mut stream = request.stream().await;
    stream.chunk(": hello\n\nevent: ping\ndata: {}\n\nid: 1\ndata:\n\n").await;
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}});
    stream.event(progress.clone()).await;
    let question = json!({"jsonrpc": "2.0", "id": 5, "method": "sampling/createMessage"});
    stream.event(question.clone()).await;
    stream.event(json!({"jsonrpc": "2.0", "id": "p\"1", "method": "ping"})).await;
    assert_eq!(owner.frame().await, (progress.clone(), Some(5)));
    assert_eq!(owner.frame().await, (question, Some(5)));
    let pong = server.expect("POST", "").await;
    assert_eq!(pong.rpc, json!({"jsonrpc": "2.0", "id": "p\"1", "result": {}}));
    pong.accept().await;
    let text = json!({"jsonrpc": "2.0", "id": 5, "result": "é"}).to_string();
    for byte in format!("data: {text}\n\n").into_bytes() {
        stream.chunk([byte]).await;
    }
    assert_eq!(owner.result(5).await, json!("é"), "the answer does not wait for the end of the stream");
    stream.event(progress.clone()).await;
    assert_eq!(owner.frame().await, (progress, Some(5)));
    stream.end().await;

    // After this round trip the end of the stream has been read, and two connections are at rest.
    owner.request(6, "tools/call");
    server.expect("POST", "tools/call").await.result(json!(6)).await;
    assert_eq!(owner.result(6).await, json!(6));
    owner.request(7, "tools/call");
    owner.request(8, "tools/call");
    let (one, other) = (server.expect("POST", "tools/call").await, server.expect("POST", "tools/call").await);
    assert!(one.connection() == connection || other.connection() == connection);
}

#[tokio::test]
async fn an_error_in_the_body_is_the_answer_whatever_the_status() {
    let (mut server, mut owner) = Server::connected("").await;
    for (id, status, sent) in
        [(1, "400 Bad Request", "null"), (2, "406 Not Acceptable", "\"server-error\""), (3, "500 Oops", "3")]
    {
        owner.request(id, "tools/call");
        let body = format!(r#"{{"jsonrpc":"2.0","error":{{"code":-32000,"message":"no"}},"id":{sent}}}"#);
        server
            .expect("POST", "tools/call")
            .await
            .answer(status, "Content-Type: application/json\r\n", &body)
            .await;
        let (frame, carrier) = owner.frame().await;
        assert_eq!((&frame["id"], &frame["error"]["code"], carrier), (&json!(id), &json!(-32000), Some(id)));
    }
}

#[tokio::test]
async fn what_is_no_answer_is_told_as_such() {
    let limits = Limits { max_message_bytes: 200, ..Limits::default() };
    let mut server = Server::start().await;
    let mut owner = ConnectionOwner::with_limits(server.port, limits);
    server.shake_hands("").await;
    owner.ready().await;
    server.expect("GET", "").await.answer("405 Method Not Allowed", "", "").await;

    let page = "<html>\n<h1>Not here</h1></html>";
    let long = json!({"jsonrpc": "2.0", "id": 1, "result": "x".repeat(200)}).to_string();
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    let json = "Content-Type: application/json\r\n";
    let stream = "Content-Type: text/event-stream\r\n";
    let length = |body: &str| format!("Content-Length: {}\r\n\r\n{body}", body.len());
    for (answer, expected) in [
        (
            format!("404 Not Found\r\n{html}{}", length(page)),
            "the instance answered with HTTP status 404: Not here",
        ),
        (format!("503 Busy\r\n{}", length("")), "the instance answered with HTTP status 503"),
        (
            format!("302 Found\r\nLocation: /login\r\n{}", length("")),
            "the instance answered with HTTP status 302: it redirects to /login, which is not followed",
        ),
        (
            format!("200 OK\r\n{html}{}", length(page)),
            "the instance answered with content type `text/html`, which is not MCP",
        ),
        (
            format!("202 Accepted\r\n{}", length("")),
            "the answer is not a valid message: it accepted the request without an answer",
        ),
        (
            format!("200 OK\r\n{json}{}", length("[]")),
            "the answer is not a valid message: not a JSON-RPC 2.0 message: a batch must not be empty",
        ),
        (format!("200 OK\r\n{json}{}", length(&long)), "the answer is over the limit of 200 bytes"),
        (format!("200 OK\r\n{json}{chunked}"), "the answer is over the limit of 200 bytes"),
        (
            format!("200 OK\r\n{stream}{}", length(&format!("data: {long}\n\n"))),
            "the answer is over the limit of 200 bytes",
        ),
    ] {
        owner.request(1, "tools/call");
        server.expect("POST", "tools/call").await.raw(format!("HTTP/1.1 {answer}")).await.keep();
        let error = owner.ended(1).await;
        assert_eq!((error.to_string().as_str(), error.sent), (expected, Sent::Yes));
    }

    owner.request(2, "tools/call");
    server.expect("POST", "tools/call").await.raw("SSH-2.0-OpenSSH_9.6\r\n").await.keep();
    let error = owner.ended(2).await;
    assert!(error.to_string().contains("not HTTP") && error.sent == Sent::Yes, "{error}");

    owner.request(3, "tools/call");
    server.expect("POST", "tools/call").await.json("{\"jsonrpc\":").await;
    assert!(owner.ended(3).await.to_string().contains("not JSON"));

    owner.request(4, "tools/call");
    let stray = json!({"jsonrpc": "2.0", "id": 44, "result": {}});
    server.expect("POST", "tools/call").await.json(&stray).await;
    assert_eq!(owner.frame().await, (stray, Some(4)));
    assert!(owner.ended(4).await.to_string().contains("another request"));
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_request_that_may_have_run_is_not_repeated() {
    let (mut server, mut owner) = Server::connected("s").await;
    for (id, answer) in [
        (1, ""),
        (2, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"json"),
        (3, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"jsonrpc\""),
    ] {
        owner.request(id, "tools/call");
        let request = server.expect("POST", "tools/call").await;
        drop(request.raw(answer).await);
        let error = owner.ended(id).await;
        assert_eq!(
            (error.sent, error.to_string().as_str()),
            (Sent::Unknown, "the connection was closed before the answer came")
        );
        owner.suspect().await;
    }
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_connection_that_was_closed_at_rest_costs_no_request() {
    let (mut server, mut owner) = Server::connected("").await;
    owner.request(1, "tools/call");
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":1}"#;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let request = server.expect("POST", "tools/call").await;
    let connection = request.connection();
    drop(request.raw(format!("{head}Content-Length: {}\r\n\r\n{answer}", answer.len())).await);
    owner.result(1).await;
    // A round trip over another socket: what the kernel knew before it is known to the runtime after it.
    drop(tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap());
    let (mut here, there) = tokio::io::duplex(1);
    drop(there);
    let _ = tokio::io::AsyncReadExt::read(&mut here, &mut [0]).await;
    owner.request(2, "tools/call");
    let request = server.expect("POST", "tools/call").await;
    assert_ne!(request.connection(), connection);
    request.result(json!(2)).await;
    assert_eq!(owner.result(2).await, json!(2));
}

#[tokio::test]
async fn a_real_server_serves_many_at_a_time_and_large_answers() {
    let answer = |body: axum::body::Bytes| async move {
        let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let large = "x".repeat(usize::try_from(request["params"]["size"].as_u64().unwrap_or(0)).unwrap());
        let result = json!({"protocolVersion": "2025-11-25", "large": large});
        axum::Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result}))
    };
    let app = axum::Router::new().route("/mcp", axum::routing::post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut owner = ConnectionOwner::connect(port);
    owner.ready().await;
    for id in 1..=200 {
        owner.request(id, "tools/call");
    }
    let mut answered: Vec<u64> = Vec::new();
    for _ in 1..=200 {
        answered.push(owner.frame().await.0["id"].as_u64().unwrap());
    }
    answered.sort_unstable();
    assert!(answered.into_iter().eq(1..=200));
    let size = 10 * 1024 * 1024;
    let body =
        json!({"jsonrpc": "2.0", "id": 201, "method": "tools/call", "params": {"size": size}}).to_string();
    owner.upstream.as_ref().unwrap().request(201, body).unwrap();
    assert_eq!(owner.result(201).await["large"].as_str().unwrap().len(), size);
    server.abort();
}
