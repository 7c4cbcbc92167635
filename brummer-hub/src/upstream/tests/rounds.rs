//! Input that an instance without a handshake wants, asked of a client with one.

use serde_json::{Value, json};

use super::{
    modern::{LEGACY, connected, list},
    script::{ConnectionOwner, ReceivedRequest, Server, Writer},
};
use crate::upstream::ExchangeReason;

const ALL: &str = r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{"listChanged":true}}"#;

/// A conversation in which tool `t` has been called as request 1.
async fn called(capabilities: &str) -> (Server, ConnectionOwner, Writer, ReceivedRequest) {
    let (mut server, owner, changes) = connected(LEGACY, capabilities).await;
    owner.call(1, "tools/call", &json!({"name": "t", "arguments": {"n": 1.0}}));
    list(&mut server, json!([])).await;
    let call = server.expect("POST", "tools/call").await;
    (server, owner, changes, call)
}

fn form(message: &str) -> Value {
    json!({"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": {}}})
}

fn wish(requests: &Value, state: Option<&str>) -> Value {
    let mut result = json!({"resultType": "input_required", "inputRequests": requests});
    if let Some(state) = state {
        result["requestState"] = state.into();
    }
    result
}

/// The next question, which must belong to request 1.
async fn question(owner: &mut ConnectionOwner) -> Value {
    let (question, carrier) = owner.frame().await;
    assert_eq!(carrier, Some(1), "{question}");
    assert!(question["id"].is_string(), "{question}");
    question
}

fn answer(owner: &ConnectionOwner, question: &Value, result: &Value) {
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
    owner.upstream().send(answer.to_string()).unwrap();
}

fn refuse(owner: &ConnectionOwner, question: &Value) {
    let error = json!({"code": -1, "message": "the user said no", "data": {"n": 1.0}});
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "error": error});
    owner.upstream().send(answer.to_string()).unwrap();
}

async fn withdrawn(owner: &mut ConnectionOwner) -> Value {
    let (frame, _) = owner.frame().await;
    assert_eq!(frame["method"], "notifications/cancelled", "{frame}");
    frame["params"]["requestId"].clone()
}

#[tokio::test]
async fn wishes_become_questions_and_the_answers_come_back() {
    let (mut server, mut owner, _changes, call) = called(ALL).await;
    let first_id = call.rpc["id"].clone();
    let sampling = json!({"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1.0}});
    let requests = json!({"ask \"me": form("?"), "b": sampling, "c": {"method": "roots/list"}});
    // A state is no business of anyone between.
    let state = "\u{e9}\"\\\n=";
    call.result(wish(&requests, Some(state))).await;
    let (first, second, third) =
        (question(&mut owner).await, question(&mut owner).await, question(&mut owner).await);
    assert_eq!((&first["method"], &first["params"]), (&json!("elicitation/create"), &form("?")["params"]));
    assert_eq!(
        (&second["method"], &second["params"]),
        (&json!("sampling/createMessage"), &sampling["params"])
    );
    assert_eq!((&third["method"], third.get("params")), (&json!("roots/list"), None));

    answer(&owner, &third, &json!({"roots": [], "x": 1.0}));
    answer(&owner, &first, &json!({"action": "decline"}));
    // What was answered already, or never asked, changes nothing.
    answer(&owner, &first, &json!({"action": "accept"}));
    answer(&owner, &json!({"id": "1-77"}), &json!({}));
    answer(&owner, &second, &json!({"role": "assistant"}));
    let retry = server.expect("POST", "tools/call").await;
    assert_ne!(retry.rpc["id"], first_id);
    assert_eq!((retry.header("mcp-name"), retry.header("mcp-method")), (Some("t"), Some("tools/call")));
    let mut params = retry.rpc["params"].clone();
    let meta = params.as_object_mut().unwrap().remove("_meta").unwrap();
    assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"]["roots"], json!({}));
    let responses =
        json!({"ask \"me": {"action": "decline"}, "b": {"role": "assistant"}, "c": {"roots": [], "x": 1.0}});
    assert_eq!(
        params,
        json!({"inputResponses": responses, "requestState": state, "name": "t", "arguments": {"n": 1.0}})
    );
    assert!(retry.text.contains(r#""requestState":"é\"\\\n=""#), "byte for byte: {}", retry.text);

    // Another round, without a state this time.
    retry.result(wish(&json!({"d": form("!")}), None)).await;
    let fourth = question(&mut owner).await;
    assert_ne!(fourth["id"], first["id"]);
    answer(&owner, &fourth, &json!({"action": "accept", "content": {}}));
    let last = server.expect("POST", "tools/call").await;
    assert_eq!(last.rpc["params"].get("requestState"), None);
    assert_eq!(last.rpc["params"]["inputResponses"], json!({"d": {"action": "accept", "content": {}}}));
    last.result(json!({"resultType": "complete", "content": []})).await;
    assert_eq!(owner.result(1).await, json!({"resultType": "complete", "content": []}));
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_visit_to_a_url_gets_the_id_that_clients_require() {
    let (_server, mut owner, _changes, call) = called(ALL).await;
    let url = |id: Value| json!({"method": "elicitation/create", "params": {"mode": "url", "url": "x:y", "elicitationId": id}});
    let without = json!({"method": "elicitation/create", "params": {"mode": "url", "url": "x:y"}});
    call.result(wish(&json!({"a": without, "b": url(json!("mine"))}), None)).await;
    let minted = question(&mut owner).await["params"]["elicitationId"].clone();
    assert!(minted.as_str().is_some_and(|id| id.len() == 36), "{minted}");
    assert_eq!(question(&mut owner).await["params"]["elicitationId"], "mine");
}

#[tokio::test]
async fn a_client_is_not_asked_what_it_did_not_declare() {
    let url = json!({"method": "elicitation/create", "params": {"mode": "url", "url": "x:y"}});
    for (capabilities, request, what) in [
        ("{}", form("?"), "elicitation"),
        (r#"{"elicitation":{}}"#, url.clone(), "elicitation by URL"),
        (r#"{"elicitation":{"url":{}}}"#, form("?"), "elicitation"),
        (r#"{"elicitation":{}}"#, json!({"method": "sampling/createMessage", "params": {}}), "sampling"),
        (r#"{"elicitation":{}}"#, json!({"method": "roots/list"}), "roots"),
        (ALL, json!({"method": "x/y"}), "`x/y`"),
    ] {
        let (mut server, mut owner, _changes, call) = called(capabilities).await;
        let mut requests = json!({"b": request});
        if capabilities != "{}" && what != "elicitation" {
            requests = json!({"a": form("fine"), "b": request});
        }
        call.result(wish(&requests, None)).await;
        let error = owner.ended(1).await;
        assert!(error.to_string().contains(&format!("it wants {what}")), "{error}");
        server.assert_nothing_else();
    }
}

#[tokio::test]
async fn wishes_that_make_no_sense_are_an_error() {
    for result in [
        json!({"resultType": "input_required"}),
        json!({"resultType": "input_required", "inputRequests": {}}),
        json!({"resultType": "input_required", "inputRequests": []}),
        json!({"resultType": "input_required", "inputRequests": {"a": 7}}),
        json!({"resultType": "input_required", "inputRequests": {"a": {"params": {}}}}),
    ] {
        let (mut server, mut owner, _changes, call) = called(ALL).await;
        call.result(result).await;
        assert!(matches!(owner.ended(1).await.reason, ExchangeReason::Invalid { .. }));
        server.assert_nothing_else();
    }
    let (_server, mut owner, _changes, call) = called(ALL).await;
    let many: serde_json::Map<_, _> = (0..65).map(|number| (number.to_string(), form("?"))).collect();
    call.result(wish(&many.into(), None)).await;
    assert!(matches!(owner.ended(1).await.reason, ExchangeReason::Unbridged { .. }));
}

#[tokio::test]
async fn a_refused_question_ends_the_call_and_the_other_questions() {
    let (mut server, mut owner, _changes, call) = called(ALL).await;
    call.result(wish(&json!({"a": form("?"), "b": form("!"), "c": form(".")}), Some("s"))).await;
    let (first, second, third) =
        (question(&mut owner).await, question(&mut owner).await, question(&mut owner).await);
    answer(&owner, &third, &json!({"action": "accept"}));
    refuse(&owner, &first);
    assert_eq!(withdrawn(&mut owner).await, second["id"]);
    let result = owner.result(1).await;
    assert_eq!(result["isError"], true);
    assert!(result["content"][0]["text"].as_str().unwrap().ends_with("the user said no"), "{result}");

    for (id, method, params) in
        [(2, "prompts/get", json!({"name": "p"})), (3, "resources/read", json!({"uri": "u"}))]
    {
        owner.call(id, method, &params);
        server.expect("POST", method).await.result(wish(&json!({"a": form("?")}), None)).await;
        let (question, carrier) = owner.frame().await;
        assert_eq!(carrier, Some(id));
        refuse(&owner, &question);
        let (answer, _) = owner.frame().await;
        let expected = json!({"code": -1, "message": "the user said no", "data": {"n": 1.0}});
        assert_eq!((&answer["id"], &answer["error"]), (&json!(id), &expected));
    }
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_cancelled_call_takes_its_questions_back() {
    let (mut server, mut owner, _changes, call) = called(ALL).await;
    call.result(wish(&json!({"a": form("?"), "b": form("!")}), Some("s"))).await;
    let (first, second) = (question(&mut owner).await, question(&mut owner).await);
    answer(&owner, &first, &json!({"action": "accept"}));
    // Commands are taken in order, and the answer to the second request shows that the first is done with.
    owner.request(2, "x/y");
    server.expect("POST", "x/y").await.result(json!({})).await;
    owner.result(2).await;
    owner.cancel(1);
    assert_eq!(withdrawn(&mut owner).await, second["id"]);
    answer(&owner, &second, &json!({"action": "accept"}));
    owner.request(3, "x/y");
    server.expect("POST", "x/y").await.result(json!({})).await;
    owner.result(3).await;
    server.assert_nothing_else();

    // In a later round it is the connection that is closed.
    owner.call(1, "tools/call", &json!({"name": "t"}));
    server.expect("POST", "tools/call").await.result(wish(&json!({"a": form("?")}), None)).await;
    let only = question(&mut owner).await;
    answer(&owner, &only, &json!({"action": "accept"}));
    let retry = server.expect("POST", "tools/call").await;
    owner.cancel(1);
    retry.raw("").await.closed().await;
    server.assert_nothing_else();
}

#[tokio::test]
async fn a_call_that_is_only_put_off_is_made_again() {
    let (mut server, mut owner, _changes, call) = called("{}").await;
    let later = |state: &str| json!({"resultType": "input_required", "requestState": state});
    call.result(later("one")).await;
    for (state, next) in [("one", "two"), ("two", "three")] {
        let retry = server.expect("POST", "tools/call").await;
        assert_eq!(retry.rpc["params"]["requestState"], state);
        assert_eq!(retry.rpc["params"].get("inputResponses"), None);
        retry.result(later(next)).await;
    }
    server.expect("POST", "tools/call").await.result(json!({})).await;
    owner.result(1).await;
}

#[tokio::test]
async fn an_instance_that_is_never_content_is_given_up() {
    let (mut server, mut owner, _changes, call) = called(ALL).await;
    call.result(wish(&json!({"a": form("?")}), None)).await;
    for _ in 0..16 {
        let asked = question(&mut owner).await;
        answer(&owner, &asked, &json!({"action": "accept"}));
        let retry = server.expect("POST", "tools/call").await;
        retry.result(wish(&json!({"a": form("?")}), None)).await;
    }
    let error = owner.ended(1).await;
    assert!(error.to_string().contains("16 times"), "{error}");
    server.assert_nothing_else();
}

#[tokio::test]
async fn progress_does_not_fall_back_when_a_call_begins_anew() {
    let (mut server, mut owner, _changes, call) = called(ALL).await;
    let progress = |progress: f64| json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": progress}});
    let mut stream = call.stream().await;
    stream.event(progress(2.0)).await;
    let result = wish(&json!({"a": form("?")}), None);
    stream.event(json!({"jsonrpc": "2.0", "id": 1, "result": result})).await;
    stream.end().await;
    assert_eq!(owner.frame().await.0, progress(2.0));
    let asked = question(&mut owner).await;
    answer(&owner, &asked, &json!({"action": "accept"}));
    let retry = server.expect("POST", "tools/call").await;
    let id = retry.rpc["id"].clone();
    let mut stream = retry.stream().await;
    for value in [1.0, 2.0, 3.0] {
        stream.event(progress(value)).await;
    }
    stream.event(json!({"jsonrpc": "2.0", "id": id, "result": {}})).await;
    stream.end().await;
    assert_eq!(owner.frame().await.0, progress(3.0));
    owner.result(1).await;
}

#[tokio::test]
async fn a_round_that_breaks_is_lost() {
    let (mut server, mut owner, _changes, call) = called(ALL).await;
    call.result(wish(&json!({"a": form("?")}), None)).await;
    let asked = question(&mut owner).await;
    answer(&owner, &asked, &json!({"action": "accept"}));
    server.expect("POST", "tools/call").await.cut();
    assert!(matches!(owner.ended(1).await.reason, ExchangeReason::Closed));
    owner.suspect().await;
    server.assert_nothing_else();
}
