//! What goes through: progress, cancellation, pages, resources, prompts, completion, logging, and what nobody knows yet.

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::support::{Answer, Behaviour, Call, Fake, Home, Hub, HubOptions, Instance, event, result};

async fn connected(home: &Home, behaviour: Behaviour) -> (Hub, Fake) {
    let fake = Fake::start(behaviour).await;
    let id = home.announce("proxied", fake.port);
    let hub = Hub::start(home, HubOptions::default()).await;
    hub.connect(&id).await;
    (hub, fake)
}

/// A tool that reports three steps with the token it was given, then a result, all on one stream.
async fn three_steps(call: Call) -> Answer {
    let token = &call.params["_meta"]["progressToken"];
    let mut events: Vec<_> = (1..=3)
        .map(|step| {
            json!({
                "jsonrpc": "2.0", "method": "notifications/progress",
                "params": { "progressToken": token, "progress": step, "total": 3, "message": format!("step {step}") },
            })
            .to_string()
        })
        .collect();
    let Answer::Json(last) = result(&call, r#"{"content":[{"type":"text","text":"done"}]}"#) else {
        unreachable!()
    };
    events.push(last);
    Answer::Events(events)
}

#[tokio::test]
async fn progress_comes_before_the_result_in_order_and_under_the_clients_own_token() {
    let home = Home::new();
    let (hub, _) = connected(&home, Behaviour::bare().tool("steps", three_steps)).await;
    for token in ["1", "\"1\"", "0", "1.0", "12345678901234567890", "\"\\u0041\"", "\"\""] {
        let mark = hub.mark();
        hub.write(format!(
            r#"{{"jsonrpc":"2.0","id":"with {}","method":"tools/call","params":{{"name":"steps","_meta":{{"progressToken":{token}}}}}}}"#,
            token.replace(['"', '\\'], "'")
        ) + "\n")
        .await;
        hub.line(mark, "the result", |line| line.result.is_some()).await;
        let lines: Vec<_> = hub.since(mark).into_iter().map(|line| line.raw).collect();
        assert_eq!(lines.len(), 4, "{lines:#?}");
        for (line, step) in lines.iter().zip(1..=3) {
            assert!(line.contains(&format!("\"progressToken\":{token}")), "{token}: {line}");
            assert!(line.contains(&format!("\"progress\":{step}")), "{line}");
        }
    }
}

#[tokio::test]
async fn a_call_without_a_token_is_not_given_one() {
    let home = Home::new();
    let (hub, fake) = connected(&home, Behaviour::default()).await;
    hub.call("echo", json!({ "message": "plain" })).await.text();
    let seen = fake.saw("the call", |seen| seen.method() == "tools/call").await;
    assert_eq!(seen.message["params"], json!({ "name": "echo", "arguments": { "message": "plain" } }));
}

#[tokio::test]
async fn progress_of_calls_at_the_same_time_is_not_mixed_up() {
    let home = Home::new();
    let (hub, _) = connected(&home, Behaviour::bare().tool("steps", three_steps)).await;
    let mark = hub.mark();
    let mut ids = Vec::new();
    for number in 0..20 {
        let params = json!({ "name": "steps", "_meta": { "progressToken": format!("token {number}") } });
        ids.push(hub.ask("tools/call", params).await);
    }
    for id in &ids {
        hub.answer(id).await.text();
    }
    let lines = hub.since(mark);
    for (number, id) in ids.iter().enumerate() {
        let mine = |line: &&crate::support::Line| {
            line.answers(id)
                || line.params().pointer("/progressToken") == Some(&json!(format!("token {number}")))
        };
        let steps: Vec<_> = lines.iter().filter(mine).map(|line| line.params()["progress"].clone()).collect();
        assert_eq!(steps, [json!(1), json!(2), json!(3), Value::Null]);
    }
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_in_the_instance_and_not_answered() {
    let home = Home::new();
    let instance = Instance::rmcp(&home, "slow").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&instance.id).await;
    let mark = hub.mark();
    let params = json!({ "name": "slow", "arguments": { "steps": 100_000, "step_ms": 10 }, "_meta": { "progressToken": 1 } });
    let id = hub.ask("tools/call", params).await;
    hub.notification(mark, "notifications/progress").await;
    hub.notify(
        "notifications/cancelled",
        json!({ "requestId": id.parse::<u64>().unwrap(), "reason": "enough" }),
    )
    .await;
    assert_eq!(hub.call("cancellations", json!({ "above": 0 })).await.text(), "1");
    assert!(!hub.since(mark).iter().any(|line| line.answers(&id)), "a cancelled request gets no answer");
}

#[tokio::test]
async fn a_cancellation_names_the_instances_own_id_and_keeps_its_reason() {
    let home = Home::new();
    let (hub, fake) = connected(&home, Behaviour::default()).await;
    hub.write("{\"jsonrpc\":\"2.0\",\"id\":\"client's id\",\"method\":\"tools/call\",\"params\":{\"name\":\"hang\"}}\n").await;
    let call = fake.saw("the call", |seen| seen.message["params"]["name"] == "hang").await;
    hub.notify("notifications/cancelled", json!({ "requestId": "client's id", "reason": "why not" })).await;
    let cancelled = fake.saw("the cancellation", |seen| seen.method() == "notifications/cancelled").await;
    assert_eq!(cancelled.message["params"]["requestId"], call.message["id"]);
    assert_eq!(cancelled.message["params"]["reason"], "why not");
    assert_eq!(cancelled.session, call.session);
    // What nobody waits for is ignored.
    for params in [json!({ "requestId": 987 }), json!({ "requestId": "client's id" }), json!({}), json!([])] {
        hub.notify("notifications/cancelled", params).await;
    }
    assert_eq!(hub.request("ping", Value::Null).await.ok(), json!({}));
    let cancellations = fake.seen().iter().filter(|seen| seen.method() == "notifications/cancelled").count();
    assert_eq!(cancellations, 1);
}

/// Answers `tools/list` in pages of one; the second cursor is the empty text, which is a cursor like any other.
async fn pages(call: Call) -> Answer {
    let tool = |name: &str| json!([{ "name": name, "inputSchema": { "type": "object" } }]);
    let page = match call.params["cursor"].as_str() {
        None => json!({ "tools": tool("first"), "nextCursor": "" }),
        Some("") => json!({ "tools": tool("second"), "nextCursor": "p 3/ü" }),
        Some("p 3/ü") => json!({ "tools": tool("third") }),
        Some(other) => return crate::support::rpc_error(&call, -32602, &format!("no page {other}")),
    };
    result(&call, page)
}

#[tokio::test]
async fn all_pages_of_a_list_reach_the_client() {
    for mode in ["connected", "all"] {
        let home = Home::new();
        let fake = Fake::start(Behaviour::bare().on("tools/list", pages)).await;
        let id = home.announce("paged", fake.port);
        let hub = Hub::start(&home, HubOptions::args(&["--tools", mode])).await;
        hub.connect(&id).await;
        let (mut names, mut cursor) = (Vec::new(), Value::Null);
        for _ in 0..5 {
            let params = if cursor.is_null() { Value::Null } else { json!({ "cursor": cursor }) };
            let page = hub.request("tools/list", params).await.ok();
            let tools = page["tools"].as_array().unwrap().iter();
            names.extend(
                tools.map(|tool| tool["name"].as_str().unwrap().trim_start_matches("paged__").to_owned()),
            );
            cursor = page["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert!(cursor.is_null(), "{mode}: the list must end");
        assert_eq!(names[6..], ["first", "second", "third"], "{mode}");
        let error = hub.request("tools/list", json!({ "cursor": "never given" })).await.err();
        assert_eq!(error.code, -32602, "{mode}: {error:?}");
    }
}

#[tokio::test]
async fn resources_prompts_and_completion_are_asked_of_the_instance_as_the_client_asked() {
    let home = Home::new();
    let answers = [
        ("resources/list", r#"{"resources":[{"uri":"x://1","name":"one"}]}"#),
        ("resources/templates/list", r#"{"resourceTemplates":[{"uriTemplate":"x://{n}","name":"n"}]}"#),
        ("resources/read", r#"{"contents":[{"uri":"x://1","text":"read"}]}"#),
        ("prompts/list", r#"{"prompts":[{"name":"p","arguments":[{"name":"a"}]}]}"#),
        ("prompts/get", r#"{"messages":[{"role":"user","content":{"type":"text","text":"got"}}]}"#),
        ("completion/complete", r#"{"completion":{"values":["v"],"hasMore":true}}"#),
    ];
    let behaviour =
        answers.iter().fold(Behaviour::default(), |it, (method, answer)| it.always(method, answer));
    let (hub, fake) = connected(&home, behaviour).await;
    let lists = [
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ];
    for (method, member) in lists {
        let wanted: Value =
            serde_json::from_str(answers.iter().find(|it| it.0 == method).unwrap().1).unwrap();
        let listed = hub.request(method, Value::Null).await.ok();
        let own = |item: &&Value| !item["uri"].as_str().is_some_and(|uri| uri.starts_with("brummer:"));
        let items: Vec<_> = listed[member].as_array().unwrap().iter().filter(own).cloned().collect();
        assert_eq!(Value::Array(items), wanted[member], "{method}");
    }
    let reference = json!({ "type": "ref/prompt", "name": "p" });
    let template = json!({ "type": "ref/resource", "uri": "x://{n}" });
    let argument = json!({ "name": "a", "value": "v" });
    for (method, params) in [
        ("resources/read", json!({ "uri": "x://1", "_meta": { "vendor/x": [1] } })),
        ("resources/read", json!({ "uri": "x://77" })),
        ("prompts/get", json!({ "name": "p", "arguments": { "a": "1" } })),
        (
            "completion/complete",
            json!({ "ref": reference, "argument": argument, "context": { "arguments": {} } }),
        ),
        ("completion/complete", json!({ "ref": template, "argument": argument })),
    ] {
        let wanted: Value =
            serde_json::from_str(answers.iter().find(|it| it.0 == method).unwrap().1).unwrap();
        assert_eq!(hub.request(method, params.clone()).await.ok(), wanted, "{method}");
        let session = fake.client_session().await;
        let arrived =
            |seen: &crate::support::Seen| seen.method() == method && seen.message["params"] == params;
        let seen = fake.saw(method, arrived).await;
        assert_eq!(seen.session, Some(session), "{method} goes over the client's own connection");
    }
}

#[tokio::test]
async fn subscriptions_are_the_instances_and_updates_reach_only_who_subscribed() {
    let home = Home::new();
    let fake = Fake::start(
        Behaviour::default().always("resources/list", r#"{"resources":[{"uri":"x://1","name":"1"}]}"#),
    )
    .await;
    let id = home.announce("watched", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    let uri = json!({ "uri": "x://1" });
    assert_eq!(hub.request("resources/subscribe", uri.clone()).await.ok(), json!({}));
    let session = fake.client_session().await;
    fake.listening(&session).await;
    let mark = hub.mark();
    fake.push(
        &session,
        json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": uri }).to_string(),
    );
    let updated = hub.line(mark, "updated", |line| {
        line.notifies("notifications/resources/updated") && line.params()["uri"] == "x://1"
    });
    assert_eq!(updated.await.params(), uri);
    assert_eq!(hub.request("resources/unsubscribe", uri.clone()).await.ok(), json!({}));
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let seen = fake.saw(method, |seen| seen.method() == method && seen.message["params"] == uri).await;
        assert_eq!(seen.session.as_ref(), Some(&session));
    }
}

#[tokio::test]
async fn the_log_level_is_set_in_the_instance_now_and_after_a_later_connection() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("logging", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    assert_eq!(hub.request("logging/setLevel", json!({ "level": "warning" })).await.ok(), json!({}));
    hub.connect(&id).await;
    fake.saw("the level set before", |seen| {
        seen.method() == "logging/setLevel" && seen.message["params"]["level"] == "warning"
    })
    .await;
    assert_eq!(hub.request("logging/setLevel", json!({ "level": "debug" })).await.ok(), json!({}));
    fake.saw("the level set after", |seen| {
        seen.method() == "logging/setLevel" && seen.message["params"]["level"] == "debug"
    })
    .await;
    let session = fake.client_session().await;
    fake.listening(&session).await;
    let mark = hub.mark();
    let params = json!({ "level": "debug", "logger": "x", "data": { "any": ["thing"] } });
    fake.push(
        &session,
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }).to_string(),
    );
    assert_eq!(hub.notification(mark, "notifications/message").await.params(), params);
}

#[tokio::test]
async fn a_log_level_is_answered_once_the_instance_has_taken_it() {
    let home = Home::new();
    let (taken, gate) = watch::channel(false);
    let behaviour = Behaviour::default().on("logging/setLevel", move |call| {
        let mut gate = gate.clone();
        async move {
            gate.wait_for(|open| *open).await.unwrap();
            result(&call, "{}")
        }
    });
    let (hub, fake) = connected(&home, behaviour).await;
    let mark = hub.mark();
    let level = json!({ "level": "error" });
    let asked = hub.ask("logging/setLevel", level.clone()).await;
    fake.saw("the level", |seen| seen.method() == "logging/setLevel").await;
    assert_eq!(hub.request("ping", Value::Null).await.ok(), json!({}));
    assert!(!hub.since(mark).iter().any(|line| line.answers(&asked)), "a call now would find the old level");
    taken.send_replace(true);
    assert_eq!(hub.answer(&asked).await.ok(), json!({}));
    // One that keeps it to itself does not keep the client waiting for ever.
    taken.send_replace(false);
    assert_eq!(hub.request("logging/setLevel", level).await.ok(), json!({}));
}

#[tokio::test]
async fn what_nobody_knows_goes_through_in_both_directions() {
    let home = Home::new();
    let (hub, fake) = connected(&home, Behaviour::default().always("vendor/do", r#"{"did":true}"#)).await;
    assert_eq!(hub.request("vendor/do", json!({ "x": 1 })).await.ok(), json!({ "did": true }));
    let error = hub.request("vendor/unknown", json!({})).await.err();
    assert_eq!((error.code, error.message.as_str()), (-32601, "unknown method"), "the instance's own error");

    hub.notify("notifications/vendor/told", json!({ "y": 2 })).await;
    let told = fake.saw("a vendor's notification", |seen| seen.method() == "notifications/vendor/told").await;
    assert_eq!(
        told.message,
        json!({ "jsonrpc": "2.0", "method": "notifications/vendor/told", "params": { "y": 2 } })
    );

    let session = fake.client_session().await;
    fake.listening(&session).await;
    let mark = hub.mark();
    fake.push(
        &session,
        json!({ "jsonrpc": "2.0", "method": "notifications/vendor/news", "params": { "z": 3 } }).to_string(),
    );
    assert_eq!(hub.notification(mark, "notifications/vendor/news").await.params(), json!({ "z": 3 }));
}

#[tokio::test]
async fn the_instance_sees_the_clients_revision_name_and_capabilities_and_the_right_headers() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let home = Home::new();
        let fake = Fake::start(Behaviour::default()).await;
        let id = home.announce("seen", fake.port);
        let hub = Hub::start(&home, HubOptions::default().revision(revision)).await;
        hub.connect(&id).await;
        hub.call("echo", json!({})).await.text();
        let session = fake.client_session().await;
        let of_session = |seen: &&crate::support::Seen| seen.session.as_ref() == Some(&session);
        let seen: Vec<_> = fake.seen();
        let mine: Vec<_> = seen.iter().filter(of_session).collect();
        let params = &mine[0].message["params"];
        assert_json!(params, "/protocolVersion", revision);
        assert_eq!(params["capabilities"], HubOptions::default().capabilities);
        assert_eq!(params["clientInfo"]["name"], "e2e");
        assert_eq!(mine[1].method(), "notifications/initialized", "before anything else");
        for request in &mine[1..] {
            if request.verb == "POST" {
                assert_eq!(request.header("accept"), Some("application/json, text/event-stream"));
                assert_eq!(request.header("content-type"), Some("application/json"));
            }
            if revision >= "2025-06-18" {
                assert_eq!(request.header("mcp-protocol-version"), Some(revision), "{request:?}");
            }
            assert_eq!(request.header("origin"), None);
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_after_an_event_id_is_resumed_where_it_broke() {
    let home = Home::new();
    let behaviour = Behaviour::bare()
        .tool("resumed", async |call: Call| {
            let (events, stream) = mpsc::channel(4);
            // The id of the call is what the resumed stream needs to answer it.
            let first = format!("id: {}\nretry: 10\ndata: \n\n", call.id);
            events.send(Ok(first.into())).await.unwrap();
            Answer::Stream(stream)
        })
        .raw(|seen| async move {
            let id = seen.header("last-event-id")?.to_owned();
            let answer = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"resumed"}}]}}}}"#
            );
            let (events, stream) = mpsc::channel(4);
            events.send(Ok(event(&answer))).await.unwrap();
            Some(Answer::Stream(stream))
        });
    let (hub, fake) = connected(&home, behaviour).await;
    assert_eq!(hub.call("resumed", json!({})).await.text(), "resumed");
    let calls = fake.seen().iter().filter(|seen| seen.method() == "tools/call").count();
    assert_eq!(calls, 1, "a call is resumed, never repeated");
}
