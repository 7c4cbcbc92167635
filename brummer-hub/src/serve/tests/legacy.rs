use super::*;

#[tokio::test]
async fn every_revision_with_a_handshake_is_spoken() {
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let client = LegacyClient::open(server.port(), version).await;
        assert_eq!(client.initialized["protocolVersion"], version);
        assert_eq!(client.initialized["serverInfo"], json!({ "name": "test", "version": "1.2.3" }));
        assert_eq!(client.initialized["instructions"], "Try the tools.");
        let tools = client.ask("tools/list", json!({})).await;
        assert_eq!(tools["tools"][0]["name"], "echo");
        assert_eq!(tools["tools"][1]["inputSchema"], json!({ "type": "object" }));
        assert_eq!(tools.get("ttlMs"), None, "{tools}");
        let said = client.call("echo", json!({ "text": "hé" })).await;
        assert_eq!(said, json!({ "content": [{ "type": "text", "text": "hé" }], "isError": false }));
        let list = client.call("list", json!({})).await;
        assert_eq!(list["content"][0]["text"], "[1,2]");
        assert_eq!(list.get("structuredContent"), None, "it would have to be an object");
        assert_eq!(client.ask("ping", json!({})).await, json!({}));
        assert_eq!(client.delete().await, StatusCode::ACCEPTED);
        assert_eq!(client.request(7, "ping", json!({})).await.status(), StatusCode::NOT_FOUND);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_and_ends_nothing() {
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    let client = LegacyClient::open(server.port(), "2025-11-25").await;
    let wrong = client.call("echo", json!({ "text": 1 })).await;
    assert_eq!(wrong["isError"], true);
    let message = wrong["content"][0]["text"].as_str().unwrap();
    assert!(message.starts_with("wrong arguments: invalid type: integer `1`"), "{message}");
    for (method, params, code) in [
        ("tools/call", json!({ "name": "none" }), -32602),
        ("tools/call", json!({ "name": "echo", "arguments": [] }), -32602),
        ("tools/call", json!({ "name": "echo", "arguments": "text" }), -32602),
        ("tools/call", json!({}), -32602),
        ("prompts/get", json!({ "name": "greet", "arguments": [1] }), -32602),
        ("resources/read", json!({ "uri": 7 }), -32602),
        ("resources/subscribe", json!({}), -32602),
        ("tools/call", json!({ "name": "panic" }), -32603),
        ("resources/read", json!({ "uri": "note://two" }), -32002),
        ("resources/read", json!({ "uri": "note://all/lost" }), -32603),
        ("prompts/get", json!({ "name": "none" }), -32602),
        ("prompts/get", json!({ "name": "greet" }), -32602),
        ("subscriptions/listen", json!({ "notifications": {} }), -32601),
        ("no/such", json!({}), -32601),
    ] {
        let error = client.ask(method, params).await;
        assert_eq!(error["code"], code, "{method} {error}");
    }
    let error = client.ask("tools/call", json!({ "name": "echo", "arguments": [] })).await;
    assert!(error["message"].as_str().unwrap().contains("`arguments` must be an object"), "{error}");
    assert_eq!(client.call("echo", json!({ "text": "still" })).await["content"][0]["text"], "still");
    server.shutdown().await;
}

#[tokio::test]
async fn resources_and_prompts_are_read() {
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    let client = LegacyClient::open(server.port(), "2025-11-25").await;
    assert_eq!(client.ask("resources/list", json!({})).await["resources"][0]["uri"], "note://one");
    let templates = client.ask("resources/templates/list", json!({})).await;
    assert_eq!(templates["resourceTemplates"][0]["uriTemplate"], "note://all/{name}");
    let one = client.ask("resources/read", json!({ "uri": "note://one" })).await;
    assert_eq!(one["contents"], json!([{ "uri": "note://one", "mimeType": "text/plain", "text": "first" }]));
    let any = client.ask("resources/read", json!({ "uri": "note://all/a%20b" })).await;
    assert_eq!(
        any["contents"],
        json!([{ "uri": "note://all/a%20b", "mimeType": "text/markdown", "text": "# a b" }])
    );
    assert_eq!(client.ask("prompts/list", json!({})).await["prompts"][0]["name"], "greet");
    let greet = client.ask("prompts/get", json!({ "name": "greet", "arguments": { "name": "Ada" } })).await;
    assert_eq!(greet["messages"][0]["content"]["text"], "Greet Ada.");
    server.shutdown().await;
}

#[tokio::test]
async fn progress_comes_before_the_answer_and_only_on_request() {
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    let client = LegacyClient::open(server.port(), "2025-06-18").await;
    let params = json!({ "name": "steps", "_meta": { "progressToken": "t" } });
    let all = messages(client.request(7, "tools/call", params).await).await;
    let progress = |done: f64| json!({ "progressToken": "t", "progress": done, "total": 2.0 });
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(all[0]["params"]["message"], "half");
    assert_eq!(all[1]["params"], progress(2.0));
    assert_eq!(all[2]["result"]["structuredContent"], json!({ "steps": 2 }));
    let all = messages(client.request(7, "tools/call", json!({ "name": "steps" })).await).await;
    assert_eq!(all.len(), 1, "{all:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_call_is_told_so() {
    let (started, mut starts) = tokio::sync::mpsc::channel(1);
    let (builder, _data) = builder();
    let builder = builder.tool("wait", "Waits", json!({}), move |call: ToolCall| {
        let started = started.clone();
        async move {
            started.send("started").await?;
            call.cancelled().cancelled().await;
            started.send("cancelled").await?;
            Ok(())
        }
    });
    let server = builder.start().await.unwrap();
    let client = LegacyClient::open(server.port(), "2025-11-25").await;
    let response = client.request(9, "tools/call", json!({ "name": "wait" })).await;
    assert_eq!(within(starts.recv()).await, Some("started"));
    client.notify("notifications/cancelled", json!({ "requestId": 9 })).await;
    assert_eq!(within(starts.recv()).await, Some("cancelled"));
    drop(response);
    assert_eq!(client.ask("ping", json!({})).await, json!({}));
    server.shutdown().await;
}

#[tokio::test]
async fn changes_are_told_on_the_standing_stream() {
    let (builder, _data) = with_tools();
    let server = builder.start().await.unwrap();
    let handle = server.handle();
    let client = LegacyClient::open(server.port(), "2025-11-25").await;
    let mut stream = client.listen().await;
    client.ask("resources/subscribe", json!({ "uri": "note://one" })).await;
    handle.update(|offer| assert!(offer.remove_tool("echo")));
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(client.ask("tools/list", json!({})).await["tools"][0]["name"], "list");
    handle.resource_updated("note://two");
    handle.resource_updated("note://one");
    let updated = stream.next().await.unwrap();
    assert_eq!(updated["method"], "notifications/resources/updated");
    assert_eq!(updated["params"]["uri"], "note://one");
    client.ask("resources/unsubscribe", json!({ "uri": "note://one" })).await;
    handle.resource_updated("note://one");
    handle.update(|offer| {
        offer.remove_prompt("greet");
        offer.remove_resource("note://one");
    });
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/prompts/list_changed");
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/resources/list_changed");
    handle.update(|offer| assert!(!offer.remove_tool("echo"), "gone already"));
    handle.changes().prompts();
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/prompts/list_changed");
    server.shutdown().await;
}
