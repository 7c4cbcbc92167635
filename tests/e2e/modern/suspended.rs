//! ML: what a legacy instance asks by a request, a modern client is asked in a result; the call is held until it comes
//! back with the answer.

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{elicitation, silent, text};
use crate::support::{Answer, Behaviour, Call, Fake, Home, Hub, HubOptions, Instance, event, result};

pub(super) fn request(id: &Value, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

/// An instance that knows itself, so that its tools can wait for what it is sent.
pub(super) type Itself = Arc<OnceLock<Fake>>;

/// A tool that asks these questions on the stream of its call, and ends it when the instance has got an answer to each id
/// that it waits for.
pub(super) fn asking(questions: Vec<String>, awaited: &[Value]) -> (Behaviour, Itself) {
    let this = Itself::default();
    let (itself, awaited) = (this.clone(), awaited.to_vec());
    let behaviour = Behaviour::default().tool("ask", move |call: Call| {
        let (fake, questions, awaited) = (itself.get().unwrap().clone(), questions.clone(), awaited.clone());
        async move {
            let (events, stream) = mpsc::channel(16);
            for question in &questions {
                events.send(Ok(event(question))).await.unwrap();
            }
            tokio::spawn(async move {
                for id in awaited {
                    answered(&fake, id).await;
                }
                let Answer::Json(last) = result(&call, text("asked")) else { unreachable!() };
                let _ = events.send(Ok(event(&last))).await;
            });
            Answer::Stream(stream)
        }
    });
    (behaviour, this)
}

/// A hub that has had no word from its client, and such an instance.
async fn started((behaviour, this): (Behaviour, Itself), home: &Home) -> (Hub, Fake) {
    let fake = Fake::start(behaviour).await;
    this.set(fake.clone()).unwrap();
    let id = home.announce("it", fake.port);
    let hub = Hub::spawn(home, &HubOptions::default());
    hub.modern_active(&id).await;
    hub.modern("tools/list", Value::Null).await.ok();
    (hub, fake)
}

pub(super) fn one_question() -> Vec<String> {
    vec![request(&json!(77), "elicitation/create", &elicitation("name?"))]
}

/// The call of that tool, as every round has it.
pub(super) fn params() -> Value {
    json!({ "name": "it__ask", "arguments": { "n": 1.0 } })
}

pub(super) async fn asked(behaviour: (Behaviour, Itself), home: &Home) -> (Hub, Fake, Value) {
    let (hub, fake) = started(behaviour, home).await;
    let round = hub.modern("tools/call", params()).await.asks();
    (hub, fake, round)
}

pub(super) fn only_key(round: &Value) -> String {
    let keys: Vec<_> = round["inputRequests"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys.len(), 1, "{round:#}");
    keys[0].clone()
}

/// The answer that the instance got for one of its own ids.
pub(super) async fn answered(fake: &Fake, id: Value) -> Value {
    let seen = fake.saw("an answer", |seen| seen.message["id"] == id && seen.message.get("method").is_none());
    seen.await.message
}

#[tokio::test]
async fn each_kind_of_question_is_put_into_the_result_and_its_answer_reaches_the_instance_whole() {
    let kinds = [
        (
            "elicitation/create",
            elicitation("name?"),
            json!({ "action": "accept", "content": { "n": "Ann" } }),
        ),
        (
            "sampling/createMessage",
            json!({ "messages": [], "maxTokens": 5, "unknown": 1 }),
            json!({ "role": "assistant", "content": { "type": "text", "text": "!" }, "model": "m", "extra": [] }),
        ),
        ("roots/list", json!({}), json!({ "roots": [{ "uri": "file:///a", "name": "a" }] })),
    ];
    for (method, asked_params, answer) in kinds {
        let (home, id) = (Home::new(), json!("their id"));
        let question = request(&id, method, &asked_params);
        let (hub, fake, round) = asked(asking(vec![question], &[id]), &home).await;
        let key = only_key(&round);
        assert_eq!(round["inputRequests"][&key]["method"], method);
        if asked_params != json!({}) {
            assert_eq!(round["inputRequests"][&key]["params"], asked_params, "{method}");
        }
        assert!(round["requestState"].as_str().is_some_and(|state| state.len() >= 16), "{round:#}");
        let last = hub.modern_retry("tools/call", params(), &round, json!({ key: answer })).await;
        assert_eq!(last.text(), "asked");
        assert_json!(last.ok(), "/resultType", "complete");
        assert_eq!(answered(&fake, json!("their id")).await["result"], answer, "{method}");
        let calls = fake.seen().iter().filter(|seen| seen.method() == "tools/call").count();
        assert_eq!(calls, 1, "the call went on; it did not run twice");
        hub.end_quietly().await;
    }
}

#[tokio::test]
async fn the_legacy_instance_sees_the_capabilities_of_the_request_and_nothing_of_its_era() {
    let home = Home::new();
    let (hub, fake, round) = asked(asking(one_question(), &[json!(77)]), &home).await;
    let answer = json!({ only_key(&round): { "action": "decline" } });
    hub.modern_retry("tools/call", params(), &round, answer).await.text();
    let session = fake.client_session().await;
    let opened = fake.saw("the session", |seen| {
        seen.method() == "initialize" && seen.session.as_deref() == Some(&session)
    });
    let opened = opened.await.message;
    assert_json!(opened, "/params/capabilities", { "roots": {}, "sampling": {}, "elicitation": {} });
    assert_json!(opened, "/params/clientInfo/name", "e2e");
    for seen in fake.seen() {
        if seen.method() == "server/discover" {
            continue;
        }
        assert!(!seen.body.contains("io.modelcontextprotocol/"), "{}", seen.body);
        for header in ["mcp-method", "mcp-name"] {
            assert!(seen.header(header).is_none(), "{header} of {}", seen.method());
        }
    }
}

#[tokio::test]
async fn two_questions_are_asked_together_and_missing_answers_are_asked_for_again() {
    let home = Home::new();
    let questions = vec![
        request(&json!(1), "elicitation/create", &elicitation("first")),
        request(&json!(2), "roots/list", &json!({})),
    ];
    let (hub, fake, round) = asked(asking(questions, &[json!(1), json!(2)]), &home).await;
    let requests = round["inputRequests"].as_object().unwrap();
    let key_of = |method: &str| {
        let found = requests.iter().find(|(_, request)| request["method"] == method);
        found.unwrap_or_else(|| panic!("{method} in {round:#}")).0.clone()
    };
    let (person, roots) = (key_of("elicitation/create"), key_of("roots/list"));
    let some = json!({ roots: { "roots": [] }, "nobody asked": { "action": "accept" } });
    let again = hub.modern_retry("tools/call", params(), &round, some).await.asks();
    assert_eq!(only_key(&again), person, "only what is missing is asked for");
    let rest = json!({ person: { "action": "cancel" } });
    assert_eq!(hub.modern_retry("tools/call", params(), &again, rest).await.text(), "asked");
    assert_eq!(answered(&fake, json!(1)).await["result"], json!({ "action": "cancel" }));
    assert_eq!(answered(&fake, json!(2)).await["result"], json!({ "roots": [] }));
}

#[tokio::test]
async fn a_second_question_of_the_same_call_is_a_second_round() {
    let home = Home::new();
    let this = Arc::new(OnceLock::<Fake>::new());
    let itself = this.clone();
    let behaviour = Behaviour::default().tool("ask", move |call: Call| {
        let fake = itself.get().unwrap().clone();
        async move {
            let (events, stream) = mpsc::channel(8);
            tokio::spawn(async move {
                for (id, message) in [(1, "one"), (2, "two")] {
                    let question = request(&json!(id), "elicitation/create", &elicitation(message));
                    events.send(Ok(event(&question))).await.unwrap();
                    answered(&fake, json!(id)).await;
                }
                let Answer::Json(last) = result(&call, text("both")) else { unreachable!() };
                let _ = events.send(Ok(event(&last))).await;
            });
            Answer::Stream(stream)
        }
    });
    let fake = Fake::start(behaviour).await;
    this.set(fake.clone()).unwrap();
    let id = home.announce("it", fake.port);
    let hub = Hub::spawn(&home, &HubOptions::default());
    hub.modern_active(&id).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let first = hub.modern("tools/call", params()).await.asks();
    let answer = |n: &str| json!({ "action": "accept", "content": { "n": n } });
    let retry = json!({ only_key(&first): answer("1") });
    let second = hub.modern_retry("tools/call", params(), &first, retry).await.asks();
    assert_ne!(second["requestState"], first["requestState"], "each round has a state of its own");
    assert_eq!(answered(&fake, json!(1)).await["result"], answer("1"));
    let retry = json!({ only_key(&second): answer("2") });
    assert_eq!(hub.modern_retry("tools/call", params(), &second, retry).await.text(), "both");
    assert_eq!(answered(&fake, json!(2)).await["result"], answer("2"));
}

#[tokio::test]
async fn the_instance_that_is_killed_while_it_asks_is_named_in_the_error() {
    let home = Home::new();
    let mut instance = Instance::rmcp_of_era(&home, "killed", "legacy").await;
    let hub = Hub::spawn(&home, &HubOptions::default());
    hub.modern_active(&instance.id).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let params = json!({ "name": "killed__ask", "arguments": { "question": "?" } });
    let round = hub.modern("tools/call", params.clone()).await.asks();
    instance.kill().await;
    hub.modern_instances_until("it is gone", <[Value]>::is_empty).await;
    let answers = json!({ only_key(&round): { "action": "decline" } });
    let error = hub.modern_retry("tools/call", params, &round, answers).await.failure();
    assert!(error.message.contains("killed"), "{error:?}");
}

#[tokio::test]
async fn a_retry_can_be_cancelled_and_a_late_cancellation_of_the_first_round_is_ignored() {
    let home = Home::new();
    let (hub, fake) = started(asking(one_question(), &[json!("never")]), &home).await;
    let first = hub.modern_ask("tools/call", params()).await;
    let round = hub.answer(&first).await.asks();
    hub.cancel(&first).await;
    let mut retry = params();
    retry["inputResponses"] = json!({ only_key(&round): { "action": "decline" } });
    retry["requestState"] = round["requestState"].clone();
    let mark = hub.mark();
    let second = hub.modern_ask("tools/call", retry).await;
    answered(&fake, json!(77)).await;
    hub.cancel(&second).await;
    let cancelled = fake.saw("the cancellation", |seen| seen.method() == "notifications/cancelled").await;
    let call = fake.saw("the call", |seen| seen.method() == "tools/call").await;
    assert_eq!(cancelled.message["params"]["requestId"], call.message["id"]);
    assert_eq!(hub.modern_call("it__echo", json!({ "message": "on" })).await.text(), "on");
    assert!(!hub.since(mark).iter().any(|line| line.answers(&second)), "a cancelled request has no answer");
}

#[tokio::test]
async fn a_question_that_the_instance_takes_back_is_not_asked_for_again() {
    let home = Home::new();
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 77 } });
    let mut questions = one_question();
    questions.push(request(&json!(78), "elicitation/create", &elicitation("the other")));
    questions.push(cancelled.to_string());
    let (hub, _fake) = started(asking(questions, &[json!(78)]), &home).await;
    let round = hub.modern("tools/call", params()).await.asks();
    // Whether the first question was already put is a matter of moments; that it need not be answered is not.
    let requests = round["inputRequests"].as_object().unwrap();
    let other =
        requests.iter().find(|(_, it)| it["params"]["message"] == "the other").expect("the other question");
    let answers = json!({ other.0.as_str(): { "action": "decline" } });
    assert_eq!(hub.modern_retry("tools/call", params(), &round, answers).await.text(), "asked");
}

#[tokio::test]
async fn a_question_on_the_listening_stream_belongs_to_the_call_that_runs() {
    let home = Home::new();
    let (hub, fake) = started(asking(Vec::new(), &[json!(5)]), &home).await;
    let call = hub.modern_ask("tools/call", params()).await;
    let session = fake.saw("the call", |seen| seen.method() == "tools/call").await.session.unwrap();
    fake.listening(&session).await;
    fake.push(&session, request(&json!(5), "elicitation/create", &elicitation("aside")));
    let line = hub.answer(&call).await;
    let (key, question) = line.question();
    assert_eq!(question["params"], elicitation("aside"));
    let answer = json!({ key: { "action": "decline" } });
    assert_eq!(hub.modern_retry("tools/call", params(), &line.ok(), answer).await.text(), "asked");
    assert_eq!(answered(&fake, json!(5)).await["result"], json!({ "action": "decline" }));
}

#[tokio::test]
async fn the_token_of_a_legacy_url_elicitation_stays_with_the_hub() {
    let home = Home::new();
    let url =
        json!({ "mode": "url", "message": "look", "url": "https://example.com", "elicitationId": "theirs" });
    let behaviour = asking(vec![request(&json!(1), "elicitation/create", &url)], &[json!(1)]);
    let (hub, _fake) = started(behaviour, &home).await;
    let mut call = params();
    call["_meta"] =
        json!({ crate::support::CLIENT_CAPABILITIES: { "elicitation": { "form": {}, "url": {} } } });
    let line = hub.modern("tools/call", call.clone()).await;
    let (key, question) = line.question();
    assert_eq!(question["params"], json!({ "mode": "url", "message": "look", "url": "https://example.com" }));
    let answer = json!({ key: { "action": "accept" } });
    assert_eq!(hub.modern_retry("tools/call", call, &line.ok(), answer).await.text(), "asked");
}

#[tokio::test]
async fn prompts_and_resources_of_legacy_instances_may_ask_too() {
    let home = Home::new();
    let ask = |last: Value| {
        move |call: Call| {
            let last = last.clone();
            async move {
                let (events, stream) = mpsc::channel(8);
                let question = request(&json!(9), "roots/list", &json!({}));
                events.send(Ok(event(&question))).await.unwrap();
                let Answer::Json(last) = result(&call, last) else { unreachable!() };
                // Without waiting for the answer: the result is kept for the retry.
                events.send(Ok(event(&last))).await.unwrap();
                Answer::Stream(stream)
            }
        }
    };
    let behaviour = Behaviour::default()
        .always("prompts/list", json!({ "prompts": [{ "name": "p" }] }))
        .always("resources/list", json!({ "resources": [{ "uri": "x://a", "name": "a" }] }))
        .on("prompts/get", ask(json!({ "messages": [] })))
        .on("resources/read", ask(json!({ "contents": [] })));
    let (hub, _fake) = silent(&home, behaviour).await;
    for list in ["prompts/list", "resources/list"] {
        hub.modern(list, Value::Null).await.ok();
    }
    for (method, params, member) in [
        ("prompts/get", json!({ "name": "it__p" }), "messages"),
        ("resources/read", json!({ "uri": "x://a" }), "contents"),
    ] {
        // The question and the result are there together, so either may be the answer.
        let line = hub.modern(method, params.clone()).await;
        let last = if line.ok()["resultType"] == "complete" {
            line.ok()
        } else {
            let (key, _) = line.question();
            hub.modern_retry(method, params, &line.ok(), json!({ key: { "roots": [] } })).await.ok()
        };
        assert_eq!(last[member], json!([]), "{method}");
        assert_json!(last, "/resultType", "complete");
    }
}

#[tokio::test]
async fn parallel_calls_that_ask_the_same_are_told_apart() {
    let home = Home::new();
    let this = Itself::default();
    let itself = this.clone();
    let behaviour = Behaviour::default().tool("ask", move |call: Call| {
        let fake = itself.get().unwrap().clone();
        async move {
            let n = call.params["arguments"]["n"].clone();
            let (events, stream) = mpsc::channel(8);
            let question = request(&n, "elicitation/create", &elicitation(&n.to_string()));
            events.send(Ok(event(&question))).await.unwrap();
            tokio::spawn(async move {
                answered(&fake, n.clone()).await;
                let Answer::Json(last) = result(&call, text(&n.to_string())) else { unreachable!() };
                let _ = events.send(Ok(event(&last))).await;
            });
            Answer::Stream(stream)
        }
    });
    let (hub, fake) = started((behaviour, this), &home).await;
    let params = |n: i32| json!({ "name": "it__ask", "arguments": { "n": n } });
    let mut rounds = Vec::new();
    for n in [100, 200] {
        let line = hub.modern("tools/call", params(n)).await;
        assert_eq!(line.question().1["params"], elicitation(&n.to_string()));
        rounds.push((n, line.ok()));
    }
    // In the other order.
    for (n, round) in rounds.iter().rev() {
        let answer = json!({ "action": "accept", "content": { "n": n.to_string() } });
        let answers = json!({ only_key(round): answer });
        assert_eq!(hub.modern_retry("tools/call", params(*n), round, answers).await.text(), n.to_string());
        assert_eq!(answered(&fake, json!(n)).await["result"], answer);
    }
}
