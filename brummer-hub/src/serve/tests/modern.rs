use super::*;

#[tokio::test]
async fn requests_stand_for_themselves() {
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    let port = server.port();
    let discovered = ask_modern(port, "server/discover", json!({})).await;
    let versions = discovered["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!("2026-07-28")), "{discovered}");
    assert_eq!(discovered["instructions"], "Try the tools.");
    let tools = ask_modern(port, "tools/list", json!({})).await;
    assert_eq!(tools["tools"][0]["name"], "echo");
    assert_eq!((&tools["resultType"], &tools["cacheScope"]), (&json!("complete"), &json!("private")));
    assert!(tools["ttlMs"].is_u64(), "{tools}");
    let said = ask_modern(port, "tools/call", json!({ "name": "echo", "arguments": { "text": "hé" } })).await;
    assert_eq!((&said["resultType"], &said["content"][0]["text"]), (&json!("complete"), &json!("hé")));
    let list = ask_modern(port, "tools/call", json!({ "name": "list" })).await;
    assert_eq!(list["structuredContent"], json!([1, 2]));
    let one = ask_modern(port, "resources/read", json!({ "uri": "note://one" })).await;
    assert_eq!(one["contents"][0]["text"], "first");
    let greet =
        ask_modern(port, "prompts/get", json!({ "name": "greet", "arguments": { "name": "Ada" } })).await;
    assert_eq!(greet["messages"][0]["content"]["text"], "Greet Ada.");
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    let port = server.port();
    for (method, params, code) in [
        ("tools/call", json!({ "name": "none" }), -32602),
        ("tools/call", json!({ "name": "echo", "arguments": [] }), -32602),
        ("resources/subscribe", json!({}), -32601),
        ("tools/call", json!({ "name": "panic" }), -32603),
        ("resources/read", json!({ "uri": "note://two" }), -32602),
        ("ping", json!({}), -32601),
        ("resources/subscribe", json!({ "uri": "note://one" }), -32601),
    ] {
        let error = ask_modern(port, method, params).await;
        assert_eq!(error["code"], code, "{method} {error}");
    }
    let mut later = modern(
        port,
        "tools/list",
        json!({ "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2099-01-01"
    } }),
    );
    later.headers_mut().insert("mcp-protocol-version", "2099-01-01".parse().unwrap());
    let response = send(port, later).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let error = answer(messages(response).await.remove(0));
    assert_eq!((&error["code"], &error["data"]["requested"]), (&json!(-32022), &json!("2099-01-01")));
    server.shutdown().await;
}

#[tokio::test]
async fn progress_comes_on_the_response() {
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    let params = json!({ "name": "steps", "_meta": { "progressToken": 5 } });
    let all = messages(send(server.port(), modern(server.port(), "tools/call", params)).await).await;
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!((&all[0]["params"]["progressToken"], &all[0]["params"]["progress"]), (&json!(5), &json!(1.0)));
    assert_eq!(all[2]["result"]["structuredContent"], json!({ "steps": 2 }));
    server.shutdown().await;
}

#[tokio::test]
async fn a_client_that_goes_away_cancels() {
    let (started, mut starts) = tokio::sync::mpsc::channel(1);
    let (builder, _data) = builder();
    let builder = builder.tool("wait", "Waits", json!({}), move |call: ToolCall| {
        let started = started.clone();
        async move {
            if call.arguments().contains_key("progress") {
                call.progress(1.0, None, None).await;
            }
            started.send("started").await?;
            call.cancelled().cancelled().await;
            started.send("cancelled").await?;
            Ok(())
        }
    });
    let server = builder.start().await.unwrap();
    let port = server.port();
    // Before anything was answered …
    let request = modern(port, "tools/call", json!({ "name": "wait" }));
    let waiting = tokio::spawn(send(port, request));
    assert_eq!(within(starts.recv()).await, Some("started"));
    waiting.abort();
    // … the client's connection is a task of its own here; it ends when the runtime sees that nobody waits.
    assert_eq!(within(starts.recv()).await, Some("cancelled"));
    // And in the middle of a stream.
    let params = json!({
        "name": "wait", "arguments": { "progress": true }, "_meta": { "progressToken": 1 }
    });
    let mut stream = Messages::of(send(port, modern(port, "tools/call", params)).await);
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/progress");
    assert_eq!(within(starts.recv()).await, Some("started"));
    drop(stream);
    assert_eq!(within(starts.recv()).await, Some("cancelled"));
    server.shutdown().await;
}

#[tokio::test]
async fn listeners_are_told_what_they_asked_for() {
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    let handle = server.handle();
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": ["note://one"] });
    let request = modern(server.port(), "subscriptions/listen", json!({ "notifications": filter }));
    let mut stream = Messages::of(send(server.port(), request).await);
    let acknowledged = stream.next().await.unwrap();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["notifications"], filter);
    handle.changes().prompts();
    handle.resource_updated("note://two");
    handle.resource_updated("note://one");
    let updated = stream.next().await.unwrap();
    assert_eq!(updated["params"]["uri"], "note://one");
    assert_eq!(updated["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
    handle.update(|offer| offer.tool("new", "New", json!({}), |_call| async { Ok("new") }));
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(
        ask_modern(server.port(), "tools/call", json!({ "name": "new" })).await["content"][0]["text"],
        "new"
    );
    // The end of the server ends it with an answer.
    let (ended, ()) = tokio::join!(stream.next(), server.shutdown());
    assert_eq!(ended.unwrap()["result"]["resultType"], "complete");
}
