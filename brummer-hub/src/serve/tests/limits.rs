use super::*;

fn limited(change: impl FnOnce(&mut ServerLimits)) -> (InstanceServerBuilder, TempDir) {
    let (builder, data) = with_tools();
    let mut limits = ServerLimits::default();
    change(&mut limits);
    (builder.limits(limits), data)
}

#[tokio::test]
async fn a_session_at_rest_expires_and_one_in_use_does_not() {
    let (builder, _data) = limited(|limits| limits.session_idle = Duration::from_secs(2));
    let server = builder.start().await.unwrap();
    let used = LegacyClient::open(server.port(), "2025-11-25").await;
    let _stream = used.listen().await;
    let rests = LegacyClient::open(server.port(), "2025-11-25").await;
    within(server.sessions.until_there_are(1)).await;
    assert_eq!(rests.request(7, "ping", json!({})).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(used.ask("ping", json!({})).await, json!({}));
    server.shutdown().await;
}

#[tokio::test]
async fn for_one_session_too_many_the_oldest_at_rest_is_ended() {
    let (builder, _data) = limited(|limits| limits.max_sessions = 2);
    let server = builder.start().await.unwrap();
    let used = LegacyClient::open(server.port(), "2025-11-25").await;
    let stream = used.listen().await;
    let first = LegacyClient::open(server.port(), "2025-11-25").await;
    let second = LegacyClient::open(server.port(), "2025-11-25").await;
    assert_eq!(first.request(7, "ping", json!({})).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(used.ask("ping", json!({})).await, json!({}));
    let second_stream = second.listen().await;
    // All are in use.
    let refused = LegacyClient { session: String::new(), ..used };
    assert_eq!(refused.refused_or_opened().await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    drop((stream, second_stream));
    server.shutdown().await;
}

/// Asks until the answer is as wanted. That the server has noticed who is gone shows in nothing else.
async fn again<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    within(async {
        loop {
            if let Some(wanted) = ask().await {
                return wanted;
            }
        }
    })
    .await
}

#[tokio::test]
async fn more_requests_than_allowed_are_refused_until_others_end() {
    let (builder, _data) = limited(|limits| limits.max_requests = 2);
    let server = builder.start().await.unwrap();
    let client = LegacyClient::open(server.port(), "2025-11-25").await;
    let (one, other) = (client.listen().await, client.listen().await);
    let refused = client.request(7, "ping", json!({})).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert_eq!(refused.headers()["brummer-instance-id"], server.id().as_str());
    drop((one, other));
    let ping = async || client.request(7, "ping", json!({})).await;
    again(async || (ping().await.status() == StatusCode::OK).then_some(())).await;
    server.shutdown().await;
}

#[tokio::test]
async fn calls_whose_client_went_away_count() {
    let (started, mut starts) = tokio::sync::mpsc::channel(1);
    let (builder, _data) = limited(|limits| limits.max_requests = 2);
    let builder = builder.tool("wait", "Waits", json!({}), move |call: ToolCall| {
        let started = started.clone();
        async move {
            started.send(()).await?;
            call.cancelled().cancelled().await;
            Ok(())
        }
    });
    let server = builder.start().await.unwrap();
    let client = LegacyClient::open(server.port(), "2025-11-25").await;
    for id in [1, 2] {
        // A client of this revision that is disconnected has not cancelled.
        drop(client.request(id, "tools/call", json!({ "name": "wait" })).await);
        within(starts.recv()).await.unwrap();
    }
    let wait = async || client.request(7, "tools/call", json!({ "name": "wait" })).await;
    let response = again(async || Some(wait().await).filter(|it| it.status() == StatusCode::OK)).await;
    let refused = answer(messages(response).await.pop().unwrap());
    assert_eq!(refused["message"], "too many calls at a time; try again later");
    client.notify("notifications/cancelled", json!({ "requestId": 1 })).await;
    let echo = async || client.call("echo", json!({ "text": "there is room" })).await;
    again(async || echo().await.get("content").map(|_| ())).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let (builder, _data) = limited(|limits| limits.max_body_bytes = 4096);
    let server = builder.start().await.unwrap();
    let client = LegacyClient::open(server.port(), "2025-11-25").await;
    let params = json!({ "name": "echo", "arguments": { "text": "x".repeat(5000) } });
    assert_eq!(client.request(7, "tools/call", params).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let said = client.call("echo", json!({ "text": "x".repeat(3000) })).await;
    assert_eq!(said["content"][0]["text"].as_str().unwrap().len(), 3000);
    server.shutdown().await;
}

#[tokio::test]
async fn rubbish_is_refused_and_ends_nothing() {
    let (builder, _data) = limited(|_| {});
    let server = builder.start().await.unwrap();
    let port = server.port();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["", "{", "null", "[]", "7", "{\"jsonrpc\":\"2.0\"}", "\u{0}", &deep] {
        let mut request = post(port, &Value::Null);
        *request.body_mut() = Full::new(Bytes::from(body.to_owned()));
        let status = send(port, request).await.status();
        assert!(status.is_client_error(), "{status} for {body:.20}");
    }
    for bytes in
        [&b"\x16\x03\x01\x02\x00"[..], b"GET\r\n\r\n", b"POST /mcp HTTP/1.1\r\nContent-Length: -1\r\n\r\n"]
    {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 2"));
    }
    LegacyClient::open(port, "2025-11-25").await;
    server.shutdown().await;
}
