//! ML: how a client comes back to a call, and by which state the hub knows it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use super::{
    silent,
    suspended::{asked, asking, one_question, only_key, params},
    text,
};
use crate::support::{Answer, Behaviour, Call, Home, Hub, HubOptions, result};

#[tokio::test]
async fn an_answer_that_is_no_object_is_asked_for_again() {
    let home = Home::new();
    let (hub, _fake, round) = asked(asking(one_question(), &[json!(77)]), &home).await;
    let key = only_key(&round);
    let mut round = round;
    for malformed in [json!("accept"), json!([]), Value::Null] {
        round = hub.modern_retry("tools/call", params(), &round, json!({ (&key): malformed })).await.asks();
        assert_eq!(only_key(&round), key);
    }
    round = hub.modern_retry("tools/call", params(), &round, json!({})).await.asks();
    let answer = json!({ key: { "action": "decline" } });
    assert_eq!(hub.modern_retry("tools/call", params(), &round, answer).await.text(), "asked");
}

#[tokio::test]
async fn a_state_that_is_forged_used_or_of_another_request_is_refused() {
    let home = Home::new();
    let (hub, fake, round) = asked(asking(one_question(), &[json!(77)]), &home).await;
    let answers = json!({ only_key(&round): { "action": "decline" } });
    let state = round["requestState"].as_str().unwrap().to_owned();
    let retry = async |method: &str, mut params: Value, state: Value| {
        params["inputResponses"] = answers.clone();
        params["requestState"] = state;
        hub.modern(method, params).await
    };
    let flipped = |at: usize| {
        let mut bytes = state.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        Value::from(String::from_utf8(bytes).unwrap())
    };
    let forged = [
        json!(""),
        json!("x"),
        flipped(0),
        flipped(state.len() / 2),
        flipped(state.len() - 1),
        json!(state[..state.len() - 1]),
        json!(format!("{state}A")),
        json!(7),
    ];
    for state in forged {
        assert_eq!(retry("tools/call", params(), state.clone()).await.err().code, -32602, "{state}");
    }
    let mut others = vec![json!({ "name": "it__echo", "arguments": { "n": 1.0 } })];
    others.push(json!({ "name": "it__ask", "arguments": { "n": 2 } }));
    others.push(json!({ "name": "it__ask" }));
    for other in others {
        assert_eq!(retry("tools/call", other.clone(), json!(state)).await.err().code, -32602, "{other}");
    }
    assert_eq!(retry("prompts/get", json!({ "name": "it__ask" }), json!(state)).await.err().code, -32602);
    let answers_so_far = fake.seen().iter().filter(|seen| seen.message["id"] == 77).count();
    assert_eq!(answers_so_far, 0, "nothing reached the instance");

    assert_eq!(retry("tools/call", params(), json!(state)).await.text(), "asked");
    assert_eq!(retry("tools/call", params(), json!(state)).await.err().code, -32602, "used before");
}

#[tokio::test]
async fn a_state_of_another_run_of_the_hub_is_refused_and_the_error_says_why() {
    let home = Home::new();
    let (hub, fake, round) = asked(asking(one_question(), &[json!(77)]), &home).await;
    hub.end_quietly().await;
    // One listener is one instance: this is the one that was there before.
    let id = home.announce("it", fake.port);
    let hub = Hub::spawn(&home, &HubOptions::default());
    hub.modern_active(&id).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let answers = json!({ only_key(&round): { "action": "decline" } });
    let error = hub.modern_retry("tools/call", params(), &round, answers).await.err();
    assert_eq!(error.code, -32602, "{error:?}");
}

/// An instance's refusal of a call until these URLs are visited.
fn url_required(call: &Call, elicitations: &Value) -> Answer {
    let data = json!({ "elicitations": elicitations });
    let error = json!({ "code": -32042, "message": "URL elicitation required", "data": data });
    Answer::Json(json!({ "jsonrpc": "2.0", "id": call.seen.message["id"], "error": error }).to_string())
}

/// The call of a client that lets URLs be visited.
fn visiting() -> Value {
    let mut call = params();
    call["_meta"] =
        json!({ crate::support::CLIENT_CAPABILITIES: { "elicitation": { "form": {}, "url": {} } } });
    call
}

#[tokio::test]
async fn a_url_that_must_be_visited_and_is_not_named_is_an_error() {
    let home = Home::new();
    let behaviour = Behaviour::default().tool("ask", async |call: Call| url_required(&call, &json!([])));
    let (hub, _fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let error = hub.modern("tools/call", visiting()).await.err();
    assert_eq!(error.code, -32603, "{error:?}");
    assert!(error.message.contains("does not say which"), "{error:?}");
}

#[tokio::test]
async fn a_url_that_must_be_visited_first_is_asked_for_and_the_call_is_sent_again() {
    let home = Home::new();
    let visited = Arc::new(AtomicBool::new(false));
    let behaviour = Behaviour::default().tool("ask", move |call: Call| {
        let again = visited.swap(true, Ordering::SeqCst);
        async move {
            if again {
                return result(&call, text("visited"));
            }
            let elicitation =
                json!({ "mode": "url", "elicitationId": "e1", "url": "https://example.com/", "message": "visit" });
            url_required(&call, &json!([elicitation]))
        }
    });
    let (hub, fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let call = visiting();
    let line = hub.modern("tools/call", call.clone()).await;
    let (key, question) = line.question();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(
        question["params"],
        json!({ "mode": "url", "url": "https://example.com/", "message": "visit" })
    );
    let answer = json!({ key: { "action": "accept" } });
    assert_eq!(hub.modern_retry("tools/call", call, &line.ok(), answer).await.text(), "visited");
    assert_eq!(fake.seen().iter().filter(|seen| seen.method() == "tools/call").count(), 2);
}
