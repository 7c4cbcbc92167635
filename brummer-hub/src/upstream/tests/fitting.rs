//! What becomes of a request between an owner of one era and an instance of another.

use serde_json::{Value, json};

use super::{
    modern::{INTRODUCTION, LEGACY, MODERN, connected, list, owner},
    script::Server,
};

const VERSION: &str = "2026-07-28";

#[tokio::test]
async fn a_client_with_a_handshake_is_introduced_by_every_request() {
    let (mut server, mut owner, _changes) = connected(LEGACY, "{}").await;
    for (id, sent, expected) in [
        (
            1,
            r#"{"jsonrpc":"2.0","id":1,"method":"x/y"}"#,
            r#"{"params":{"_meta":{INTRO}},"jsonrpc":"2.0","id":1,"method":"x/y"}"#,
        ),
        (
            2,
            r#"{"jsonrpc":"2.0","id":2,"method":"x/y","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"x/y","params":{"_meta":{INTRO}}}"#,
        ),
        (
            3,
            r#"{"jsonrpc":"2.0", "id":3,"params" : { "a":1.0,"a":"\u00e9", "_meta":{ } },"method":"x/y"}"#,
            r#"{"jsonrpc":"2.0", "id":3,"params" : { "a":1.0,"a":"\u00e9", "_meta":{INTRO } },"method":"x/y"}"#,
        ),
        (
            4,
            r#"{"jsonrpc":"2.0","id":4,"method":"x/y","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"},"progressToken":1.0,"traceparent":"00","io.modelcontextprotocol/protocolVersion":"1"}}}"#,
            r#"{"jsonrpc":"2.0","id":4,"method":"x/y","params":{"_meta":{INTRO,"progressToken":1.0,"traceparent":"00"}}}"#,
        ),
        (
            5,
            r#"{"jsonrpc":"2.0","id":5,"method":"x/y","params":{"_meta":7,"b":null}}"#,
            r#"{"jsonrpc":"2.0","id":5,"method":"x/y","params":{"_meta":{INTRO},"b":null}}"#,
        ),
    ] {
        owner.upstream().request(id, sent).unwrap();
        let request = server.expect("POST", "x/y").await;
        assert_eq!(request.text, expected.replace("INTRO", INTRODUCTION));
        assert_eq!(request.header("mcp-protocol-version"), Some(VERSION));
        assert_eq!((request.header("mcp-method"), request.header("mcp-name")), (Some("x/y"), None));
        request.result(json!({"resultType": "complete", "n": 1})).await;
        assert_eq!(owner.result(id).await, json!({"resultType": "complete", "n": 1}));
    }
    owner.upstream().request(6, r#"{"jsonrpc":"2.0","id":6,"method":"x/y","params":[1]}"#).unwrap();
    assert_eq!(owner.frame().await.0["error"]["code"], -32602);
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_client_without_a_handshake_introduces_itself() {
    let (mut server, mut owner, _changes) = connected(MODERN, r#"{"tasks":{}}"#).await;
    let meta = r#""io.modelcontextprotocol/clientCapabilities" : {"elicitation":{}},"io.modelcontextprotocol/protocolVersion":"VERSION","progressToken":"\u0061""#;
    for (id, said) in [(1, VERSION), (2, "2027-01-01")] {
        let sent = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"x/y","params":{{"_meta":{{{meta}}},"a":1.0}}}}"#
        );
        owner.upstream().request(id, sent.replace("VERSION", said)).unwrap();
        let request = server.expect("POST", "x/y").await;
        assert_eq!(request.text, sent.replace("VERSION", VERSION));
        // Results of whatever type are the client's own business.
        let result = json!({"resultType": "input_required", "requestState": "s"});
        request.result(result.clone()).await;
        assert_eq!(owner.result(id).await, result);
    }
    // What the hub asks of its own accord has no introduction yet.
    owner.call(3, "prompts/list", &json!({"cursor": "c"}));
    let request = server.expect("POST", "prompts/list").await;
    let capabilities = &request.rpc["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!((capabilities, &request.rpc["params"]["cursor"]), (&json!({"tasks": {}}), &json!("c")));
}

#[tokio::test]
async fn an_instance_with_a_handshake_hears_nothing_of_the_other_era() {
    let mut server = Server::start().await;
    let mut owner = owner(server.port, MODERN, r#"{"sampling":{}}"#);
    server.expect("POST", "server/discover").await.answer("404 Not Found", "", "").await;
    let initialize = server.expect("POST", "initialize").await;
    assert_eq!(initialize.rpc["params"]["capabilities"], json!({"sampling": {}}));
    assert_eq!(initialize.rpc["params"]["protocolVersion"], "2025-11-25");
    initialize.result(json!({"protocolVersion": "2025-11-25", "capabilities": {}})).await;
    server.expect("POST", "notifications/initialized").await.accept().await;
    owner.ready().await;
    server.expect("GET", "").await.answer("405 Method Not Allowed", "", "").await;
    for (id, meta, expected) in [
        (1, format!(r#"{{{INTRODUCTION}}}"#), "{}"),
        (
            2,
            format!(
                r#"{{"io.modelcontextprotocol/logLevel":"debug", "progressToken":1.0,{INTRODUCTION}, "a/b" : 2}}"#
            ),
            r#"{ "progressToken":1.0, "a/b" : 2}"#,
        ),
        (
            3,
            r#"{"io.modelcontextprotocol/related-task":1}"#.to_owned(),
            r#"{"io.modelcontextprotocol/related-task":1}"#,
        ),
    ] {
        let sent = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"_meta":META,"name":"t"}}}}"#
        );
        owner.upstream().request(id, sent.replace("META", &meta)).unwrap();
        let request = server.expect("POST", "tools/call").await;
        assert_eq!(request.text, sent.replace("META", expected));
        assert_eq!((request.header("mcp-method"), request.header("mcp-name")), (None, None));
        request.result(json!({})).await;
        owner.result(id).await;
    }
    server.assert_nothing_else();
}

#[tokio::test]
async fn names_are_repeated_in_header_fields() {
    let (mut server, mut owner, _changes) = connected(MODERN, "{}").await;
    owner.call(1, "tools/call", &json!({"name": "plain"}));
    list(&mut server, json!([])).await;
    let request = server.expect("POST", "tools/call").await;
    assert_eq!(
        (request.header("mcp-method"), request.header("mcp-name")),
        (Some("tools/call"), Some("plain"))
    );
    request.result(json!({})).await;
    owner.result(1).await;
    for (id, method, params, name) in [
        (2, "tools/call", json!({"name": "é"}), Some("=?base64?w6k=?=")),
        (3, "prompts/get", json!({"name": "a b"}), Some("a b")),
        (4, "resources/read", json!({"uri": "file:///x", "name": "no"}), Some("file:///x")),
        (5, "tasks/get", json!({"taskId": "=?base64?eA==?="}), Some("=?base64?PT9iYXNlNjQ/ZUE9PT89?=")),
        (6, "tasks/cancel", json!({"taskId": " t"}), Some("=?base64?IHQ=?=")),
        (7, "completion/complete", json!({"ref": {"name": "p"}}), None),
        (8, "prompts/get", json!({"name": 7}), None),
    ] {
        owner.call(id, method, &params);
        let request = server.expect("POST", method).await;
        assert_eq!((request.header("mcp-method"), request.header("mcp-name")), (Some(method), name));
        request.result(json!({})).await;
        owner.result(id).await;
    }
}

#[tokio::test]
async fn the_log_level_is_put_on_every_later_request() {
    let (mut server, mut owner, _changes) = connected(LEGACY, "{}").await;
    let level = |request: &Value| request["params"]["_meta"]["io.modelcontextprotocol/logLevel"].clone();
    owner.request(1, "prompts/list");
    let request = server.expect("POST", "prompts/list").await;
    assert_eq!(level(&request.rpc), Value::Null);
    request.result(json!({})).await;
    owner.result(1).await;
    owner.call(2, "logging/setLevel", &json!({"level": "warning"}));
    assert_eq!(owner.result(2).await, json!({}));
    owner.request(3, "prompts/list");
    let request = server.expect("POST", "prompts/list").await;
    assert_eq!(level(&request.rpc), "warning");
    request.result(json!({})).await;
    owner.result(3).await;
    server.assert_nothing_else();
}

#[tokio::test]
async fn tasks_of_the_other_era_are_not_offered() {
    let tools = json!([{"name": "t", "execution": {"taskSupport": "required"}, "x": {"execution": 1}}]);
    for (era, has_it) in [(LEGACY, false), (MODERN, true)] {
        let (mut server, mut owner, _changes) = connected(era, "{}").await;
        owner.request(1, "tools/list");
        list(&mut server, tools.clone()).await;
        let tool = owner.result(1).await["tools"][0].clone();
        assert_eq!((tool.get("execution").is_some(), &tool["x"]), (has_it, &json!({"execution": 1})));
    }
}

#[tokio::test]
async fn notifications_mean_nothing_to_an_instance_without_a_handshake() {
    let (mut server, mut owner, _changes) = connected(LEGACY, "{}").await;
    owner.send("notifications/roots/list_changed");
    owner.send("notifications/vendor");
    owner.upstream().send(r#"{"jsonrpc":"2.0","id":"9-1","result":{}}"#).unwrap();
    owner.upstream().send(r#"{"jsonrpc":"2.0","id":3,"result":{}}"#).unwrap();
    owner.request(1, "ping");
    server.expect("POST", "server/discover").await.result(super::modern::discovered()).await;
    assert_eq!(owner.result(1).await, json!({}));
    server.assert_nothing_else();
}
