//! What no bridge can carry from one era to the other: each case has its error, and nothing hangs.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    connected, elicitation, silent,
    suspended::{answered, request},
    text,
};
use crate::support::{Answer, Behaviour, CLIENT_CAPABILITIES, Call, Home, event, result};

/// Asks on the stream of its call, and ends the call without waiting for an answer.
fn asks(method: &'static str, params: Value) -> Behaviour {
    Behaviour::default().tool("ask", move |call: Call| {
        let question = request(&json!("q"), method, &params);
        async move {
            let Answer::Json(last) = result(&call, text("went on")) else { unreachable!() };
            let (events, stream) = mpsc::channel(4);
            events.send(Ok(event(&question))).await.unwrap();
            events.send(Ok(event(&last))).await.unwrap();
            Answer::Stream(stream)
        }
    })
}

#[tokio::test]
async fn a_legacy_instance_that_asks_while_no_call_runs_gets_an_error_at_once() {
    let home = Home::new();
    let (hub, fake) = silent(&home, Behaviour::default()).await;
    hub.modern("tools/list", Value::Null).await.ok();
    hub.modern_call("it__echo", json!({})).await.text();
    let session = fake.client_session().await;
    fake.listening(&session).await;
    for (id, method) in [(1, "elicitation/create"), (2, "sampling/createMessage"), (3, "roots/list")] {
        fake.push(&session, request(&json!(id), method, &json!({})));
        let error = answered(&fake, json!(id)).await["error"].clone();
        assert_eq!(error["code"], -32600, "{method}: {error:#}");
        assert!(error["message"].as_str().unwrap().contains("no client request"), "{error:#}");
    }
    assert!(
        !hub.since(0).iter().any(|line| line.method.is_some() && line.id.is_some()),
        "the client is asked nothing"
    );
}

#[tokio::test]
async fn a_question_of_a_kind_that_the_request_did_not_declare_gets_an_error() {
    let home = Home::new();
    let (hub, fake) =
        silent(&home, asks("sampling/createMessage", json!({ "messages": [], "maxTokens": 1 }))).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let params = json!({ "name": "it__ask", "arguments": {}, "_meta": { CLIENT_CAPABILITIES: { "elicitation": {} } } });
    assert_eq!(hub.modern("tools/call", params).await.text(), "went on");
    assert_eq!(answered(&fake, json!("q")).await["error"]["code"], -32601);
}

#[tokio::test]
async fn a_vendors_question_gets_an_error() {
    let home = Home::new();
    let (hub, fake) = silent(&home, asks("vendor/question", json!({}))).await;
    hub.modern("tools/list", Value::Null).await.ok();
    assert_eq!(hub.modern_call("it__ask", json!({})).await.text(), "went on");
    assert_eq!(answered(&fake, json!("q")).await["error"]["code"], -32601);
}

#[tokio::test]
async fn a_ping_of_a_legacy_instance_is_answered_by_the_hub() {
    let home = Home::new();
    let (hub, fake) = silent(&home, asks("ping", json!({}))).await;
    hub.modern("tools/list", Value::Null).await.ok();
    assert_eq!(hub.modern_call("it__ask", json!({})).await.text(), "went on");
    assert_eq!(answered(&fake, json!("q")).await["result"], json!({}));
}

#[tokio::test]
async fn a_modern_instance_that_sends_a_request_all_the_same_is_not_heard() {
    let home = Home::new();
    let (hub, fake) = connected(&home, asks("elicitation/create", elicitation("?")).modern()).await;
    let mark = hub.mark();
    assert_eq!(hub.call("ask", json!({})).await.text(), "went on");
    assert!(!hub.since(mark).iter().any(|line| line.requests("elicitation/create")));
    assert!(!fake.seen().iter().any(|seen| seen.message["id"] == "q"), "nor answered");
}

#[tokio::test]
async fn what_a_legacy_instance_tells_unasked_is_not_for_a_modern_client() {
    let home = Home::new();
    let (hub, fake) = silent(&home, Behaviour::default()).await;
    hub.modern("tools/list", Value::Null).await.ok();
    hub.modern_call("it__echo", json!({})).await.text();
    let session = fake.client_session().await;
    fake.listening(&session).await;
    let mark = hub.mark();
    for method in
        ["notifications/elicitation/complete", "notifications/vendor", "notifications/tools/list_changed"]
    {
        fake.push(&session, json!({ "jsonrpc": "2.0", "method": method, "params": {} }).to_string());
    }
    // Whatever stands before it on the same stream has been read when this is answered.
    fake.push(&session, request(&json!("last"), "ping", &json!({})));
    answered(&fake, json!("last")).await;
    hub.modern("server/discover", Value::Null).await.ok();
    let heard: Vec<_> = hub.since(mark).into_iter().filter(|line| line.method.is_some()).collect();
    assert!(heard.is_empty(), "{heard:?}");
}

#[tokio::test]
async fn a_missing_capability_is_named_to_a_legacy_client() {
    let home = Home::new();
    let behaviour = Behaviour::default()
        .tool("lacks", |call: Call| {
            let data = json!({ "requiredCapabilities": { "sampling": { "tools": {} } } });
            let error = json!({ "code": -32021, "message": "needs sampling with tools", "data": data });
            let body = json!({ "jsonrpc": "2.0", "id": call.seen.message["id"], "error": error });
            std::future::ready(Answer::http(400, "application/json", body.to_string()))
        })
        .modern();
    let (hub, _fake) = connected(&home, behaviour).await;
    let error = hub.call("lacks", json!({})).await.err();
    assert_eq!(error.code, -32021);
    assert_eq!(error.data["requiredCapabilities"], json!({ "sampling": { "tools": {} } }));
    assert!(error.message.contains("needs sampling with tools"), "{error:?}");
}

#[tokio::test]
async fn a_version_error_of_a_modern_instance_never_reaches_the_client() {
    let home = Home::new();
    let behaviour = Behaviour::default()
        .tool("picky", |call: Call| {
            let data = json!({ "supported": ["2031-01-01"], "requested": "2026-07-28" });
            let error = json!({ "code": -32022, "message": "unsupported", "data": data });
            let body = json!({ "jsonrpc": "2.0", "id": call.seen.message["id"], "error": error });
            std::future::ready(Answer::http(400, "application/json", body.to_string()))
        })
        .modern();
    let (hub, _fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let error = hub.modern_call("it__picky", json!({})).await.failure();
    assert!(!error.message.contains("-32022"), "{error:?}");
}
