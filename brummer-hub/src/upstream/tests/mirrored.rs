//! Arguments that are repeated in header fields.

use serde_json::{Value, json};

use super::{
    modern::{LEGACY, MODERN, connected, list},
    script::{ReceivedRequest, Server},
};
use crate::upstream::ExchangeReason;

const JSON: &str = "Content-Type: application/json\r\n";

fn tool(name: &str, field: &str) -> Value {
    let schema =
        json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": field}}});
    json!({"name": name, "inputSchema": schema})
}

fn call(name: &str) -> Value {
    json!({"name": name, "arguments": {"region": "eu \u{e9}"}})
}

const REGION: &str = "=?base64?ZXUgw6k=?=";

#[tokio::test]
async fn the_first_call_reads_the_whole_list_before() {
    for era in [LEGACY, MODERN] {
        let (mut server, mut owner, _changes) = connected(era, "{}").await;
        owner.call(1, "tools/call", &call("far"));
        owner.call(2, "tools/call", &call("none"));
        let first = server.expect("POST", "tools/list").await;
        assert_eq!(first.header("mcp-method"), Some("tools/list"));
        assert_eq!(first.rpc["params"]["cursor"], Value::Null);
        first.result(json!({"tools": [tool("near", "Near")], "nextCursor": ""})).await;
        let second = server.expect("POST", "tools/list").await;
        assert_eq!(second.rpc["params"]["cursor"], "");
        second.result(json!({"tools": [tool("far", "Region")]})).await;
        for _ in 0..2 {
            let call = server.expect("POST", "tools/call").await;
            let expected = (call.rpc["params"]["name"] == "far").then_some(REGION);
            assert_eq!(call.header("mcp-param-region"), expected);
            call.result(json!({})).await;
            owner.frame().await;
        }
        owner.call(3, "tools/call", &call("near"));
        let call = server.expect("POST", "tools/call").await;
        assert_eq!((call.header("mcp-param-near"), call.header("mcp-param-region")), (Some(REGION), None));
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn a_list_that_the_owner_asks_for_is_read_along() {
    for era in [LEGACY, MODERN] {
        let (mut server, mut owner, _changes) = connected(era, "{}").await;
        owner.request(1, "tools/list");
        let bad = tool("bad", "not a name");
        list(&mut server, json!([tool("good", "Region"), bad, {"name": "plain"}])).await;
        let expected = json!({"tools": [tool("good", "Region"), {"name": "plain"}]});
        assert_eq!(owner.result(1).await, expected, "a tool that cannot be called is not listed");
        owner.call(2, "tools/call", &call("good"));
        let call = server.expect("POST", "tools/call").await;
        assert_eq!(call.header("mcp-param-region"), Some(REGION));
        call.result(json!({})).await;
        owner.result(2).await;
        server.assert_nothing_else();
    }
}

async fn mismatch(request: ReceivedRequest) {
    let error = json!({"code": -32020, "message": "Mcp-Param-Region does not match"});
    let body = json!({"jsonrpc": "2.0", "id": request.rpc["id"], "error": error}).to_string();
    request.answer("400 Bad Request", JSON, &body).await;
}

async fn mismatched(server: &mut Server, field: Option<&str>) {
    let request = server.expect("POST", "tools/call").await;
    assert_eq!(request.header("mcp-param-region"), field);
    mismatch(request).await;
}

#[tokio::test]
async fn a_mismatch_reads_the_list_again_and_is_never_shown() {
    for era in [LEGACY, MODERN] {
        let (mut server, mut owner, _changes) = connected(era, "{}").await;
        owner.call(1, "tools/call", &call("t"));
        list(&mut server, json!([{"name": "t"}])).await;
        mismatched(&mut server, None).await;
        list(&mut server, json!([tool("t", "Region")])).await;
        let again = server.expect("POST", "tools/call").await;
        assert_eq!((again.header("mcp-param-region"), &again.rpc["id"]), (Some(REGION), &json!(1)));
        again.result(json!({})).await;
        owner.result(1).await;
        // Once only.
        owner.call(2, "tools/call", &call("t"));
        mismatched(&mut server, Some(REGION)).await;
        list(&mut server, json!([tool("t", "Region")])).await;
        mismatched(&mut server, Some(REGION)).await;
        assert!(matches!(owner.ended(2).await.reason, ExchangeReason::Unbridged { .. }));
        owner.request(3, "x/y");
        mismatch(server.expect("POST", "x/y").await).await;
        assert!(matches!(owner.ended(3).await.reason, ExchangeReason::Unbridged { .. }));
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn over_a_handshake_the_annotation_means_nothing() {
    let (mut server, mut owner) = Server::connected("").await;
    owner.request(1, "tools/list");
    let tools = json!([tool("bad", "not a name"), tool("t", "Region")]);
    server.expect("POST", "tools/list").await.result(json!({"tools": tools})).await;
    assert_eq!(owner.result(1).await["tools"], tools);
    owner.call(2, "tools/call", &call("t"));
    assert_eq!(server.expect("POST", "tools/call").await.header("mcp-param-region"), None);
}
