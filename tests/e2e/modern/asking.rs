//! LM: what a modern instance asks in a result, a legacy client is asked by requests; its answers go back in a retry.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{connected, connected_as, elicitation, text};
use crate::support::{
    Behaviour, CLIENT_CAPABILITIES, CLIENT_INFO, Call, Fake, Home, HubOptions, Line, MODERN,
    PROTOCOL_VERSION, Seen, result,
};

/// A state that does not survive being read and written again.
const STATE: &str = r#""a\u20acb \/ \ud83e\udd80 1.0""#;

/// The tool answers with these results, one after the other, whoever asks.
fn rounds(results: Vec<String>) -> Behaviour {
    let (round, results) = (Arc::new(watch::Sender::new(0_usize)), Arc::new(results));
    Behaviour::default()
        .tool("ask", move |call: Call| {
            let mut now = 0;
            round.send_modify(|round| {
                now = *round;
                *round += 1;
            });
            std::future::ready(result(&call, &results[now]))
        })
        .modern()
}

fn input_required(requests: &Value, state: &str) -> String {
    format!(r#"{{"resultType":"input_required","inputRequests":{requests},"requestState":{state}}}"#)
}

fn done() -> String {
    text("done").to_string()
}

fn calls(fake: &Fake) -> Vec<Seen> {
    fake.seen().into_iter().filter(|seen| seen.method() == "tools/call").collect()
}

#[tokio::test]
async fn each_question_becomes_a_request_and_the_answers_go_back_raw_with_the_state_byte_for_byte() {
    let questions = [
        (
            "elicitation/create",
            elicitation("name?"),
            json!({ "action": "accept", "content": { "n": "Ann" } }),
        ),
        (
            "sampling/createMessage",
            json!({ "messages": [], "maxTokens": 5, "unknown": 1.0 }),
            json!({ "role": "assistant", "content": { "type": "text", "text": "!" }, "model": "m", "extra": [1.0] }),
        ),
        ("roots/list", json!({}), json!({ "roots": [{ "uri": "file:///a" }] })),
    ];
    for (method, params, answer) in questions {
        let home = Home::new();
        let asked = json!({ "the key": { "method": method, "params": params } });
        let (hub, fake) = connected(&home, rounds(vec![input_required(&asked, STATE), done()])).await;
        let mark = hub.mark();
        let arguments = json!({ "big": 1e3, "t": "x" });
        let call = hub.ask("tools/call", json!({ "name": "ask", "arguments": arguments })).await;
        let question = hub.server_request(mark, method).await;
        assert_eq!(question.params(), params, "{method}");
        hub.reply(&question, answer.clone()).await;
        assert_eq!(hub.answer(&call).await.text(), "done");

        let [first, second]: [Seen; 2] = calls(&fake).try_into().unwrap();
        assert_ne!(first.message["id"], second.message["id"], "a retry has a new id");
        let (before, after) = (&first.message["params"], &second.message["params"]);
        assert_eq!(after["inputResponses"], json!({ "the key": answer }));
        assert!(second.body.contains(&format!(r#""requestState":{STATE}"#)), "{}", second.body);
        assert_eq!((&before["name"], &before["arguments"]), (&after["name"], &after["arguments"]));
        assert!(before.get("requestState").is_none() && before.get("inputResponses").is_none());
        for seen in [first, second] {
            let meta = &seen.message["params"]["_meta"];
            assert_eq!(meta[PROTOCOL_VERSION], MODERN);
            assert_eq!(meta[CLIENT_INFO]["name"], "e2e", "the client's own");
            let capabilities = json!({ "roots": {}, "sampling": {}, "elicitation": {} });
            assert_eq!(
                meta[CLIENT_CAPABILITIES], capabilities,
                "the client's own, but for what the era has not"
            );
        }
    }
}

#[tokio::test]
async fn questions_of_one_round_are_asked_at_once_and_answered_in_any_order() {
    let home = Home::new();
    let asked = json!({
        "a": { "method": "elicitation/create", "params": elicitation("a?") },
        "b": { "method": "roots/list" },
    });
    let (hub, fake) = connected(&home, rounds(vec![input_required(&asked, STATE), done()])).await;
    let mark = hub.mark();
    let call = hub.ask("tools/call", json!({ "name": "ask" })).await;
    let a = hub.server_request(mark, "elicitation/create").await;
    let b = hub.server_request(mark, "roots/list").await;
    assert_ne!(a.id, b.id);
    hub.reply(&b, json!({ "roots": [] })).await;
    hub.reply(&a, json!({ "action": "decline" })).await;
    assert_eq!(hub.answer(&call).await.text(), "done", "a refusal is an answer, too");
    let retry = &calls(&fake)[1].message["params"];
    assert_eq!(retry["inputResponses"], json!({ "a": { "action": "decline" }, "b": { "roots": [] } }));
}

#[tokio::test]
async fn a_round_without_state_is_answered_without_one_and_there_may_be_several_rounds() {
    let home = Home::new();
    let question =
        |message: &str| json!({ "q": { "method": "elicitation/create", "params": elicitation(message) } });
    let results = vec![
        format!(r#"{{"resultType":"input_required","inputRequests":{}}}"#, question("one")),
        r#"{"resultType":"input_required","requestState":"only the state"}"#.to_owned(),
        input_required(&question("two"), r#""second""#),
        done(),
    ];
    let (hub, fake) = connected(&home, rounds(results)).await;
    let mark = hub.mark();
    let call = hub.ask("tools/call", json!({ "name": "ask" })).await;
    for message in ["one", "two"] {
        let wanted = |line: &Line| line.requests("elicitation/create") && line.params()["message"] == message;
        let asked = hub.line(mark, message, wanted).await;
        hub.reply(&asked, json!({ "action": "cancel", "from": message })).await;
    }
    assert_eq!(hub.answer(&call).await.text(), "done");
    let calls = calls(&fake);
    let states: Vec<_> = calls.iter().map(|seen| seen.message["params"]["requestState"].clone()).collect();
    assert_eq!(states, [Value::Null, Value::Null, json!("only the state"), json!("second")]);
    assert!(
        calls[2].message["params"].get("inputResponses").is_none(),
        "nothing was asked: {}",
        calls[2].body
    );
}

#[tokio::test]
async fn prompts_and_resources_may_ask_too_and_nothing_else_may() {
    let home = Home::new();
    let asked = json!({ "q": { "method": "roots/list" } });
    let ask = input_required(&asked, r#""s""#);
    let answering = |complete: Value| {
        let ask = ask.clone();
        move |call: Call| {
            let retried = call.params.get("inputResponses").is_some();
            let value = if retried { complete.to_string() } else { ask.clone() };
            std::future::ready(result(&call, value))
        }
    };
    let behaviour = Behaviour::default()
        .on("prompts/get", answering(json!({ "messages": [] })))
        .on("resources/read", answering(json!({ "contents": [] })))
        .on("completion/complete", answering(json!({ "completion": { "values": [] } })))
        .always("resources/list", json!({ "resources": [{ "uri": "x://a", "name": "a" }] }))
        .always("prompts/list", json!({ "prompts": [{ "name": "p" }] }))
        .modern();
    let (hub, _fake) = connected(&home, behaviour).await;
    for (method, params, member) in [
        ("prompts/get", json!({ "name": "p" }), "messages"),
        ("resources/read", json!({ "uri": "x://a" }), "contents"),
    ] {
        let mark = hub.mark();
        let call = hub.ask(method, params).await;
        let question = hub.server_request(mark, "roots/list").await;
        hub.reply(&question, json!({ "roots": [] })).await;
        assert_eq!(hub.answer(&call).await.ok()[member], json!([]), "{method}");
    }
    let reference = json!({ "type": "ref/prompt", "name": "p" });
    let params = json!({ "ref": reference, "argument": { "name": "a", "value": "" } });
    assert_eq!(hub.request("completion/complete", params).await.err().code, -32603);
}

#[tokio::test]
async fn a_question_that_the_client_answers_with_an_error_ends_the_call() {
    let home = Home::new();
    let asked =
        json!({ "q": { "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 1 } } });
    let (hub, fake) = connected(&home, rounds(vec![input_required(&asked, STATE)])).await;
    let mark = hub.mark();
    let call = hub.ask("tools/call", json!({ "name": "ask" })).await;
    let question = hub.server_request(mark, "sampling/createMessage").await;
    let error = json!({ "code": -1, "message": "the user said no" });
    hub.write(format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{error}}}\n", question.id.unwrap())).await;
    let answer = hub.answer(&call).await.ok();
    assert_json!(answer, "/isError", true);
    assert!(answer["content"][0]["text"].as_str().unwrap().contains("the user said no"), "{answer:#}");
    assert_eq!(calls(&fake).len(), 1, "there is no way to tell the instance");
}

#[tokio::test]
async fn a_question_for_which_the_client_has_no_ability_is_the_instances_fault() {
    let home = Home::new();
    let asked =
        json!({ "q": { "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 1 } } });
    let options = HubOptions::default().capabilities(json!({ "elicitation": {} }));
    let (hub, fake) = connected_as(&home, rounds(vec![input_required(&asked, STATE)]), options).await;
    let mark = hub.mark();
    let error = hub.call("ask", json!({})).await.failure();
    assert!(error.message.contains("sampling"), "{error:?}");
    assert!(!hub.since(mark).iter().any(|line| line.requests("sampling/createMessage")));
    assert_eq!(calls(&fake)[0].message["params"]["_meta"][CLIENT_CAPABILITIES], json!({ "elicitation": {} }));
}

#[tokio::test]
async fn the_clients_cancellation_takes_its_questions_back_and_ends_the_rounds() {
    let home = Home::new();
    let asked = json!({ "q": { "method": "elicitation/create", "params": elicitation("?") } });
    let (hub, fake) = connected(&home, rounds(vec![input_required(&asked, STATE), done()])).await;
    let mark = hub.mark();
    let call = hub.ask("tools/call", json!({ "name": "ask" })).await;
    let question = hub.server_request(mark, "elicitation/create").await;
    hub.cancel(&call).await;
    let withdrawn = hub.notification(mark, "notifications/cancelled").await;
    assert_eq!(withdrawn.params()["requestId"].to_string(), question.id.clone().unwrap());
    hub.reply(&question, json!({ "action": "accept", "content": {} })).await;
    assert_eq!(hub.call("echo", json!({ "message": "on" })).await.text(), "on");
    assert_eq!(calls(&fake).iter().filter(|seen| seen.message["params"]["name"] == "ask").count(), 1);
    assert!(!hub.since(mark).iter().any(|line| line.answers(&call)), "a cancelled request has no answer");
}

#[tokio::test]
async fn rounds_that_never_end_are_ended() {
    let home = Home::new();
    let again = input_required(&json!({ "q": { "method": "roots/list" } }), r#""again""#);
    let behaviour = Behaviour::default()
        .tool("ask", move |call: Call| std::future::ready(result(&call, &again)))
        .modern();
    let (hub, fake) = connected(&home, behaviour).await;
    let call = hub.ask("tools/call", json!({ "name": "ask" })).await;
    let mut replied = Vec::new();
    loop {
        let wanted =
            |line: &Line| line.answers(&call) || line.requests("roots/list") && !replied.contains(&line.raw);
        let line = hub.line(0, "a question or the end", wanted).await;
        if line.answers(&call) {
            line.failure();
            break;
        }
        hub.reply(&line, json!({ "roots": [] })).await;
        replied.push(line.raw);
    }
    assert!(calls(&fake).len() <= 17, "{} rounds", calls(&fake).len());
}

#[tokio::test]
async fn a_url_elicitation_gets_the_id_that_the_clients_revision_asks_for() {
    let home = Home::new();
    let params = json!({ "mode": "url", "message": "look", "url": "https://example.com/a" });
    let asked = json!({ "q": { "method": "elicitation/create", "params": params } });
    let options = HubOptions::default().capabilities(json!({ "elicitation": { "form": {}, "url": {} } }));
    let (hub, fake) = connected_as(&home, rounds(vec![input_required(&asked, STATE), done()]), options).await;
    let mark = hub.mark();
    let call = hub.ask("tools/call", json!({ "name": "ask" })).await;
    let question = hub.server_request(mark, "elicitation/create").await;
    let mut got = question.params();
    let id = got.as_object_mut().unwrap().shift_remove("elicitationId");
    assert!(id.as_ref().and_then(Value::as_str).is_some_and(|id| !id.is_empty()), "{}", question.raw);
    assert_eq!(got, params);
    hub.reply(&question, json!({ "action": "accept" })).await;
    assert_eq!(hub.answer(&call).await.text(), "done");
    let declared = &calls(&fake)[0].message["params"]["_meta"][CLIENT_CAPABILITIES]["elicitation"];
    assert_eq!(*declared, json!({ "form": {}, "url": {} }));
}

#[tokio::test]
async fn a_client_of_an_old_revision_declares_no_elicitation_for_the_hub_to_pass_on() {
    let home = Home::new();
    let options = HubOptions::default()
        .revision("2025-03-26")
        .capabilities(json!({ "roots": { "listChanged": true } }));
    let (hub, fake) = connected_as(&home, Behaviour::default().modern(), options).await;
    assert_eq!(hub.call("echo", json!({ "message": "old" })).await.text(), "old");
    assert_eq!(calls(&fake)[0].message["params"]["_meta"][CLIENT_CAPABILITIES], json!({ "roots": {} }));
}

#[tokio::test]
async fn the_progress_of_later_rounds_keeps_the_clients_token_and_grows() {
    let home = Home::new();
    let asked = json!({ "q": { "method": "roots/list" } });
    let ask = input_required(&asked, r#""s""#);
    let behaviour = Behaviour::default()
        .tool("ask", move |call: Call| {
            let token = call.params["_meta"]["progressToken"].clone();
            let step = |progress: f64| {
                let params = json!({ "progressToken": token, "progress": progress });
                json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }).to_string()
            };
            let retried = call.params.get("inputResponses").is_some();
            let (steps, last) = if retried { ([1.0, 3.0], done()) } else { ([1.0, 2.0], ask.clone()) };
            let crate::support::Answer::Json(last) = result(&call, last) else { unreachable!() };
            let events = steps.map(step).into_iter().chain([last]).collect();
            std::future::ready(crate::support::Answer::Events(events))
        })
        .modern();
    let (hub, _fake) = connected(&home, behaviour).await;
    let mark = hub.mark();
    let params = json!({ "name": "ask", "_meta": { "progressToken": "mine" } });
    let call = hub.ask("tools/call", params).await;
    let question = hub.server_request(mark, "roots/list").await;
    hub.reply(&question, json!({ "roots": [] })).await;
    assert_eq!(hub.answer(&call).await.text(), "done");
    let lines = hub.since(mark);
    let progress = lines.iter().filter(|line| line.notifies("notifications/progress"));
    let progress: Vec<_> = progress.map(Line::params).collect();
    let values: Vec<_> = progress.iter().map(|it| it["progress"].as_f64().unwrap()).collect();
    assert_eq!(values, [1.0, 2.0, 3.0], "{progress:?}");
    assert!(progress.iter().all(|it| it["progressToken"] == "mine"), "{progress:?}");
}
