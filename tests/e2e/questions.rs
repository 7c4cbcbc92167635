//! What instances ask of the client: sampling, elicitation, roots, and what is not known yet.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{Answer, Behaviour, Call, Fake, Home, Hub, HubOptions, event, result};

/// The three questions of the protocol and one of a vendor's.
fn questions() -> [(&'static str, Value, Value); 4] {
    let schema = json!({ "type": "object", "properties": { "n": { "type": "string" } } });
    [
        (
            "sampling/createMessage",
            json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": "?" } }], "maxTokens": 5, "unknown": 1 }),
            json!({ "role": "assistant", "content": { "type": "text", "text": "!" }, "model": "m", "extra": [] }),
        ),
        (
            "elicitation/create",
            json!({ "message": "name?", "requestedSchema": schema }),
            json!({ "action": "accept", "content": { "n": "Ann" } }),
        ),
        ("roots/list", Value::Null, json!({ "roots": [{ "uri": "file:///a", "name": "a" }] })),
        ("vendor/question", json!({ "deep": { "er": null } }), json!({ "answer": 42 })),
    ]
}

/// The smallest question to a person.
fn elicitation(message: &str) -> Value {
    json!({ "message": message, "requestedSchema": { "type": "object", "properties": {} } })
}

fn request(id: &Value, method: &str, params: &Value) -> String {
    let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
    if !params.is_null() {
        message["params"] = params.clone();
    }
    message.to_string()
}

async fn connected(home: &Home, behaviour: Behaviour) -> (Hub, Fake, String) {
    let fake = Fake::start(behaviour).await;
    let id = home.announce("asking", fake.port);
    let hub = Hub::start(home, HubOptions::default()).await;
    hub.connect(&id).await;
    let session = fake.client_session().await;
    (hub, fake, session)
}

/// The answer that the instance got for one of its own ids.
async fn answered(fake: &Fake, id: &Value) -> Value {
    let seen =
        fake.saw("an answer", |seen| seen.message["id"] == *id && seen.message.get("method").is_none());
    seen.await.message
}

#[tokio::test]
async fn questions_on_the_listening_stream_reach_the_client_and_answers_come_back_whole() {
    let home = Home::new();
    let (hub, fake, session) = connected(&home, Behaviour::default()).await;
    fake.listening(&session).await;
    for (id, (method, params, answer)) in
        [json!(1), json!("one"), json!(0), json!(-7)].iter().zip(questions())
    {
        let mark = hub.mark();
        fake.push(&session, request(id, method, &params));
        let asked = hub.server_request(mark, method).await;
        assert_eq!(asked.params(), params, "{method}");
        hub.reply(&asked, answer.clone()).await;
        assert_eq!(
            answered(&fake, id).await,
            json!({ "jsonrpc": "2.0", "id": id, "result": answer }),
            "{method}"
        );
    }
}

#[tokio::test]
async fn questions_on_the_stream_of_a_call_come_before_its_result() {
    for (method, params, answer) in questions() {
        let home = Home::new();
        let wanted = answer.clone();
        // The tool asks, and answers the call when it has the client's answer.
        let waiting = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
        let (open, ask) = (waiting.clone(), params.clone());
        let behaviour = Behaviour::bare().tool("ask", move |call: Call| {
            let (waiting, ask) = (waiting.clone(), ask.clone());
            async move {
                let (events, stream) = mpsc::channel(4);
                events.send(Ok(event(&request(&json!(77), method, &ask)))).await.unwrap();
                tokio::spawn(async move {
                    waiting.acquire().await.unwrap().forget();
                    let Answer::Json(last) = result(&call, r#"{"content":[{"type":"text","text":"asked"}]}"#)
                    else {
                        unreachable!()
                    };
                    let _ = events.send(Ok(event(&last))).await;
                });
                Answer::Stream(stream)
            }
        });
        let (hub, fake, _) = connected(&home, behaviour).await;
        let mark = hub.mark();
        let call = hub.ask("tools/call", json!({ "name": "ask" })).await;
        let asked = hub.server_request(mark, method).await;
        assert_eq!(asked.params(), params, "{method}");
        hub.reply(&asked, answer).await;
        assert_eq!(answered(&fake, &json!(77)).await["result"], wanted);
        open.add_permits(1);
        assert_eq!(hub.answer(&call).await.text(), "asked");
    }
}

#[tokio::test]
async fn two_instances_that_use_the_same_ids_get_their_own_answers() {
    let home = Home::new();
    let (first, second) = (Fake::start(Behaviour::default()).await, Fake::start(Behaviour::default()).await);
    let ids = [home.announce("first", first.port), home.announce("second", second.port)];
    let hub = Hub::start(&home, HubOptions::args(&["--tools", "all"])).await;
    for id in &ids {
        hub.active(id).await;
    }
    // In this mode a connection of the client's own is opened when it is first used.
    for name in ["first__echo", "second__echo"] {
        hub.call(name, json!({})).await.text();
    }
    let mut asked = Vec::new();
    for (fake, text) in [(&first, "of the first"), (&second, "of the second")] {
        let session = fake.client_session().await;
        fake.listening(&session).await;
        let mark = hub.mark();
        fake.push(&session, request(&json!(1), "elicitation/create", &elicitation(text)));
        let line = hub.server_request(mark, "elicitation/create").await;
        assert_json!(line.params(), "/message", text);
        asked.push(line);
    }
    assert_ne!(asked[0].id, asked[1].id);
    // Answered in the other order.
    for (index, fake) in [(1, &second), (0, &first)] {
        let answer = json!({ "action": "accept", "content": { "which": index } });
        hub.reply(&asked[index], answer.clone()).await;
        assert_eq!(answered(fake, &json!(1)).await["result"], answer);
    }
}

#[tokio::test]
async fn an_error_of_the_client_is_the_instances_error() {
    let home = Home::new();
    let (hub, fake, session) = connected(&home, Behaviour::default()).await;
    fake.listening(&session).await;
    let mark = hub.mark();
    fake.push(
        &session,
        request(&json!(5), "sampling/createMessage", &json!({ "messages": [], "maxTokens": 1 })),
    );
    let asked = hub.server_request(mark, "sampling/createMessage").await;
    let error = json!({ "code": -1, "message": "User rejected sampling request", "data": { "why": "no" } });
    let id = asked.id.unwrap();
    hub.write(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}\n")).await;
    assert_eq!(answered(&fake, &json!(5)).await["error"], error);
}

#[tokio::test]
async fn a_question_that_the_instance_takes_back_is_taken_back_from_the_client() {
    let home = Home::new();
    let (hub, fake, session) = connected(&home, Behaviour::default()).await;
    fake.listening(&session).await;
    let mark = hub.mark();
    fake.push(&session, request(&json!("q"), "elicitation/create", &elicitation("quick!")));
    let asked = hub.server_request(mark, "elicitation/create").await;
    let params = json!({ "requestId": "q", "reason": "too late" });
    fake.push(
        &session,
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }).to_string(),
    );
    let cancelled = hub.notification(mark, "notifications/cancelled").await.params();
    assert_eq!(cancelled["requestId"].to_string(), asked.id.unwrap());
    assert_eq!(cancelled["reason"], "too late");
}

#[tokio::test]
async fn progress_of_the_client_on_a_question_reaches_the_instance_under_its_token() {
    let home = Home::new();
    let (hub, fake, session) = connected(&home, Behaviour::default()).await;
    fake.listening(&session).await;
    let mark = hub.mark();
    let params = json!({ "messages": [], "maxTokens": 1, "_meta": { "progressToken": "theirs" } });
    fake.push(&session, request(&json!(9), "sampling/createMessage", &params));
    let asked = hub.server_request(mark, "sampling/createMessage").await;
    let token = asked.params()["_meta"]["progressToken"].clone();
    assert!(!token.is_null(), "{}", asked.raw);
    hub.notify("notifications/progress", json!({ "progressToken": token, "progress": 0.5 })).await;
    let seen = fake.saw("progress", |seen| seen.method() == "notifications/progress").await;
    assert_eq!(seen.message["params"], json!({ "progressToken": "theirs", "progress": 0.5 }));
    hub.reply(&asked, json!({})).await;
    answered(&fake, &json!(9)).await;
}

#[tokio::test]
async fn a_ping_of_the_instance_is_answered_by_the_hub_while_the_client_is_silent() {
    let home = Home::new();
    let (hub, fake, session) = connected(&home, Behaviour::default()).await;
    fake.listening(&session).await;
    let mark = hub.mark();
    fake.push(&session, request(&json!("alive?"), "ping", &Value::Null));
    assert_eq!(answered(&fake, &json!("alive?")).await["result"], json!({}));
    assert!(!hub.since(mark).iter().any(|line| line.requests("ping")));
}

#[tokio::test]
async fn changed_roots_and_finished_url_elicitations_are_passed_on() {
    let home = Home::new();
    let (hub, fake, session) = connected(&home, Behaviour::default()).await;
    fake.listening(&session).await;
    hub.notify("notifications/roots/list_changed", Value::Null).await;
    let seen = fake.saw("changed roots", |seen| seen.method() == "notifications/roots/list_changed").await;
    assert_eq!(seen.session, Some(session.clone()));
    let mark = hub.mark();
    let params = json!({ "elicitationId": "as it was given" });
    fake.push(
        &session,
        json!({ "jsonrpc": "2.0", "method": "notifications/elicitation/complete", "params": params })
            .to_string(),
    );
    assert_eq!(hub.notification(mark, "notifications/elicitation/complete").await.params(), params);
}

#[tokio::test]
async fn one_clients_questions_are_not_the_other_clients() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("shared", fake.port);
    let hubs =
        [Hub::start(&home, HubOptions::default()).await, Hub::start(&home, HubOptions::default()).await];
    let mut sessions = Vec::new();
    for hub in &hubs {
        hub.connect(&id).await;
        let known = sessions.clone();
        let opened = fake.saw("one more session", |seen| {
            seen.method() == "initialize"
                && seen.message["params"]["clientInfo"]["name"] != "brummer-hub"
                && !known.contains(&seen.session)
        });
        sessions.push(opened.await.session);
    }
    for (own, other, session) in [(0, 1, &sessions[0]), (1, 0, &sessions[1])] {
        let session = session.as_deref().unwrap();
        fake.listening(session).await;
        let (mark, others_mark) = (hubs[own].mark(), hubs[other].mark());
        fake.push(session, request(&json!(3), "roots/list", &Value::Null));
        hubs[own].server_request(mark, "roots/list").await;
        hubs[other].request("ping", Value::Null).await.ok();
        assert_eq!(hubs[other].since(others_mark).len(), 1, "only the answer to the ping");
    }
}

#[tokio::test]
async fn the_first_call_of_a_session_can_already_ask_on_the_listening_stream() {
    // Servers on the official SDK lose what they send there while nobody listens, so the hub must listen before it calls.
    let home = Home::new();
    let this = std::sync::Arc::new(std::sync::OnceLock::<Fake>::new());
    let itself = this.clone();
    let behaviour = Behaviour::bare().tool("ask", move |call: Call| {
        let fake = itself.get().unwrap().clone();
        async move {
            let id = json!(call.seen.session);
            let question = request(&id, "vendor/early", &Value::Null);
            fake.push_if_heard(call.seen.session.as_deref().unwrap(), question);
            let answer = answered(&fake, &id).await["result"].to_string();
            result(&call, json!({ "content": [{ "type": "text", "text": answer }] }))
        }
    });
    let fake = Fake::start(behaviour).await;
    this.set(fake.clone()).unwrap();
    home.announce("eager", fake.port);
    let options = HubOptions::default().cwd(home.project("eager"));
    for _ in 0..5 {
        let hub = Hub::start(&home, options.clone()).await;
        let call = hub.ask("tools/call", json!({ "name": "ask" })).await;
        let asked = hub.server_request(0, "vendor/early").await;
        hub.reply(&asked, json!({ "heard": true })).await;
        assert_eq!(hub.answer(&call).await.text(), r#"{"heard":true}"#);
    }
}
