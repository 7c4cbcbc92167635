//! MM: both sides of the same era without a handshake. Everything passes; only ids, names and a few keys of `_meta` are
//! the hub's.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{connected, elicitation, silent, text};
use crate::support::{
    Answer, Behaviour, CLIENT_CAPABILITIES, CLIENT_INFO, Call, Fake, Home, Hub, HubOptions, LOG_LEVEL,
    MODERN, PROTOCOL_VERSION, Seen, event, meta, result, rpc_error,
};

fn last_call(fake: &Fake) -> Seen {
    fake.seen().into_iter().rfind(|seen| seen.method() == "tools/call").expect("a call")
}

#[tokio::test]
async fn arguments_and_results_arrive_as_they_were_written() {
    let home = Home::new();
    let odd = r#"{"a":1.0,"b":1e400,"dup":1,"dup":2,"big":123456789012345678901234567890,"s":"\ud83e\udd80\u0041","z":[]}"#;
    let result_text = format!(r#"{{"structuredContent":{odd},"content":[],"resultType":"complete"}}"#);
    let behaviour = Behaviour::bare()
        .always("tools/list", json!({ "tools": [{ "name": "odd", "inputSchema": { "type": "object" } }] }))
        .on("tools/call", move |call: Call| std::future::ready(result(&call, &result_text)))
        .modern();
    let (hub, fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let meta = meta();
    hub.write(format!(
        r#"{{"jsonrpc":"2.0","id":"odd","method":"tools/call","params":{{"arguments":{odd},"name":"it__odd","_meta":{meta}}}}}"#
    ) + "\n")
        .await;
    let line = hub.answer("\"odd\"").await;
    assert!(line.result.unwrap().contains(&format!(r#""structuredContent":{odd}"#)), "{}", line.raw);
    let seen = fake.seen().into_iter().rfind(|seen| seen.body.contains("arguments")).unwrap();
    assert!(seen.body.contains(&format!(r#""arguments":{odd}"#)), "{}", seen.body);
    assert!(seen.body.contains(r#""name":"odd""#), "under its own name: {}", seen.body);
}

#[tokio::test]
async fn the_metadata_is_the_clients_own_but_for_what_belongs_to_the_connection() {
    let home = Home::new();
    let (hub, fake) = silent(&home, Behaviour::default().modern()).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let mut meta = meta();
    meta[CLIENT_INFO] = json!({ "name": "odd", "version": "9", "vendor": true });
    meta[CLIENT_CAPABILITIES] = json!({ "sampling": { "tools": {} }, "experimental": { "x": 1 } });
    meta[LOG_LEVEL] = "notice".into();
    meta["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
    meta["vendor.example/key"] = json!({ "a": null });
    let params = json!({ "name": "it__echo", "arguments": { "message": "m" }, "_meta": meta });
    hub.request("tools/call", params).await.text();
    let got = last_call(&fake).message["params"]["_meta"].clone();
    assert_eq!(got, meta, "capabilities per request, everything else untouched");
    // Another request may declare others.
    hub.modern_call("it__echo", json!({})).await.text();
    let got = last_call(&fake).message["params"]["_meta"].clone();
    assert_eq!(got[CLIENT_CAPABILITIES], super::super::support::meta()[CLIENT_CAPABILITIES]);
    assert_eq!(got[PROTOCOL_VERSION], MODERN);
}

#[tokio::test]
async fn a_question_in_a_result_passes_with_its_state_and_so_does_the_answer() {
    let home = Home::new();
    let state = r#""a\u20acb \/ 1.0""#;
    let requests = json!({ "k": { "method": "elicitation/create", "params": elicitation("?"), "x": 1.0 } });
    let asked =
        format!(r#"{{"resultType":"input_required","inputRequests":{requests},"requestState":{state}}}"#);
    let behaviour = Behaviour::default()
        .tool("ask", move |call: Call| {
            let retried = call.params.get("inputResponses").is_some();
            let value = if retried { text("done").to_string() } else { asked.clone() };
            std::future::ready(result(&call, value))
        })
        .modern();
    let (hub, fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let line = hub.modern_call("it__ask", json!({})).await;
    let raw = line.result.clone().unwrap();
    assert!(raw.contains(&format!(r#""requestState":{state}"#)) && raw.contains(r#""x":1.0"#), "{raw}");
    let answers = json!({ "k": { "action": "accept", "content": {} } });
    let params = json!({ "name": "it__ask", "arguments": {} });
    hub.modern_retry("tools/call", params, &line.ok(), answers.clone()).await.text();
    let retry = last_call(&fake);
    assert_eq!(retry.message["params"]["inputResponses"], answers);
    assert_eq!(retry.message["params"]["requestState"], line.ok()["requestState"]);
}

#[tokio::test]
async fn progress_and_log_messages_of_a_call_come_before_its_result_and_only_the_wanted_ones() {
    for modern in [true, false] {
        let home = Home::new();
        let behaviour = Behaviour::default().tool("talk", |call: Call| {
            let token = call.params["_meta"]["progressToken"].clone();
            let progress = |value: i32| {
                let params = json!({ "progressToken": token, "progress": value });
                json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }).to_string()
            };
            let log = |level: &str| {
                let params = json!({ "level": level, "data": level, "x": 1.5 });
                json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }).to_string()
            };
            let Answer::Json(last) = result(&call, text("talked")) else { unreachable!() };
            std::future::ready(Answer::Events(vec![
                progress(1),
                log("debug"),
                log("warning"),
                log("alert"),
                progress(2),
                last,
            ]))
        });
        let behaviour = if modern { behaviour.modern() } else { behaviour };
        let (hub, _fake) = silent(&home, behaviour).await;
        hub.modern("tools/list", Value::Null).await.ok();
        let told = async |meta: Value| {
            let mark = hub.mark();
            let params = json!({ "name": "it__talk", "arguments": {}, "_meta": meta });
            let id = hub.modern_ask("tools/call", params).await;
            hub.answer(&id).await.text();
            let lines = hub.since(mark);
            let end = lines.iter().position(|line| line.answers(&id)).unwrap();
            assert_eq!(end, lines.len() - 1, "nothing comes after the result");
            lines[..end].iter().map(|line| (line.method.clone().unwrap(), line.params())).collect::<Vec<_>>()
        };
        let with = told(json!({ "progressToken": "mine", LOG_LEVEL: "warning" })).await;
        let words: Vec<_> = with.iter().map(|(_, it)| it["data"].as_str().unwrap_or("step")).collect();
        assert_eq!(words, ["step", "warning", "alert", "step"], "modern: {modern}");
        for (_, params) in &with {
            assert!(params["progressToken"] == "mine" || params["x"] == 1.5, "{params}");
        }
        let without = told(json!({})).await;
        assert_eq!(without, [], "no level, no messages; no token, no progress");
    }
}

#[tokio::test]
async fn errors_of_the_instance_pass_whole_and_its_http_status_is_no_matter() {
    let home = Home::new();
    let error = r#"{"code":-31999,"message":"odd","data":{"x":1.0,"y":[]}}"#;
    let behaviour = Behaviour::default()
        .tool("fails", move |call: Call| {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, call.id);
            std::future::ready(Answer::http(400, "application/json", body))
        })
        .tool("lacks", |call: Call| {
            let data = json!({ "requiredCapabilities": { "sampling": {} } });
            let error = json!({ "code": -32021, "message": "needs sampling", "data": data });
            let body = json!({ "jsonrpc": "2.0", "id": call.seen.message["id"], "error": error });
            std::future::ready(Answer::http(400, "application/json", body.to_string()))
        })
        .modern();
    let (hub, _fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let line = hub.modern_call("it__fails", json!({})).await;
    assert_eq!(line.error.as_deref(), Some(error));
    let lacks = hub.modern_call("it__lacks", json!({})).await.err();
    assert_eq!((lacks.code, &lacks.data), (-32021, &json!({ "requiredCapabilities": { "sampling": {} } })));
}

#[tokio::test]
async fn a_kind_of_result_that_nobody_knows_is_for_a_modern_client_to_judge_and_an_error_to_a_legacy_one() {
    let home = Home::new();
    let odd = r#"{"resultType":"odd","content":[],"x":1.0}"#;
    let behaviour =
        Behaviour::default().tool("odd", move |call: Call| std::future::ready(result(&call, odd))).modern();
    let (hub, _fake) = connected(&home, behaviour).await;
    assert!(hub.call("odd", json!({})).await.failure().message.contains("odd"));
    hub.modern("tools/list", Value::Null).await.ok();
    assert_eq!(hub.modern_call("it__odd", json!({})).await.result.as_deref(), Some(odd));
}

#[tokio::test]
async fn a_result_without_a_kind_is_complete() {
    let home = Home::new();
    let behaviour = Behaviour::default()
        .tool("bare", |call: Call| {
            // As one event, so that the fake adds nothing.
            std::future::ready(Answer::Events(vec![format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[{{"type":"text","text":"bare"}}]}}}}"#,
                call.id
            )]))
        })
        .modern();
    let (hub, _fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let bare = hub.modern_call("it__bare", json!({})).await;
    assert_eq!(bare.text(), "bare");
    assert_json!(bare.ok(), "/resultType", "complete");
}

#[tokio::test]
async fn a_lost_call_is_never_sent_again() {
    let home = Home::new();
    let behaviour = Behaviour::default()
        .tool("lost", |call: Call| async move {
            let (events, stream) = mpsc::channel(4);
            let params = json!({ "progressToken": call.params["_meta"]["progressToken"], "progress": 1 });
            let step = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
            events.send(Ok(event(&step.to_string()))).await.unwrap();
            Answer::Stream(stream)
        })
        .modern();
    let (hub, fake) = silent(&home, behaviour).await;
    hub.modern("tools/list", Value::Null).await.ok();
    let error = hub.modern_call("it__lost", json!({})).await.failure();
    assert!(error.message.contains("it") && error.data["reason"].is_string(), "{error:?}");
    assert_eq!(hub.modern_call("it__echo", json!({ "message": "on" })).await.text(), "on");
    let lost = fake.seen().iter().filter(|seen| seen.message["params"]["name"] == "lost").count();
    assert_eq!(lost, 1);
}

/// A client without a handshake may never ask for the list itself.
#[tokio::test]
async fn a_list_that_failed_is_asked_for_again_when_a_name_is_looked_for() {
    let home = Home::new();
    let (ready, answers) = tokio::sync::watch::channel(false);
    let behaviour = Behaviour::default().on("tools/list", move |call: Call| {
        let tools = json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }] });
        let is_ready = *answers.borrow();
        let answer =
            if is_ready { result(&call, tools) } else { rpc_error(&call, -32000, "there is no list yet") };
        std::future::ready(answer)
    });
    let (hub, _fake) = silent(&home, behaviour).await;
    assert_eq!(hub.modern_call("echo", json!({ "message": "early" })).await.err().code, -32602);
    ready.send_replace(true);
    assert_eq!(hub.modern_call("echo", json!({ "message": "later" })).await.text(), "later");
}

#[tokio::test]
async fn completions_reach_the_prompt_under_its_own_name() {
    let home = Home::new();
    let behaviour = Behaviour::default()
        .always("prompts/list", json!({ "prompts": [{ "name": "greet" }] }))
        .on("completion/complete", |call: Call| async move {
            match call.params["ref"]["name"].as_str() {
                Some("greet") => result(&call, json!({ "completion": { "values": ["v"], "x": 1 } })),
                _ => rpc_error(&call, -32602, "unknown prompt"),
            }
        });
    for behaviour in [behaviour.clone(), behaviour.modern()] {
        let home_of_this = Home::new();
        let (hub, _fake) = silent(&home_of_this, behaviour).await;
        hub.modern("prompts/list", Value::Null).await.ok();
        let reference = json!({ "type": "ref/prompt", "name": "it__greet" });
        let params = json!({ "ref": reference, "argument": { "name": "a", "value": "" } });
        let completed = hub.modern("completion/complete", params).await.ok();
        assert_json!(completed, "/completion", { "values": ["v"], "x": 1 });
    }
    drop(home);
}

#[tokio::test]
async fn pages_of_a_modern_instance_reach_clients_of_both_eras() {
    let home = Home::new();
    let behaviour = Behaviour::bare()
        .on("resources/list", |call: Call| async move {
            let page = |n: u32, next: Option<&str>| {
                let mut page = json!({ "resources": [{ "uri": format!("x://{n}"), "name": "r" }] });
                if let Some(next) = next {
                    page["nextCursor"] = next.into();
                }
                page
            };
            match call.params["cursor"].as_str() {
                None => result(&call, page(1, Some(""))),
                Some("") => result(&call, page(2, Some("c"))),
                Some("c") => result(&call, page(3, None)),
                Some(_) => rpc_error(&call, -32602, "unknown cursor"),
            }
        })
        .modern();
    let fake = Fake::start(behaviour).await;
    let id = home.announce("paged", fake.port);
    let hub = Hub::start(&home, HubOptions::args(&["--tools", "all"])).await;
    hub.active(&id).await;
    for modern in [true, false] {
        let (mut uris, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let params = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
            let page = if modern {
                hub.modern("resources/list", params).await.ok()
            } else {
                hub.request("resources/list", params).await.ok()
            };
            uris.extend(
                page["resources"].as_array().unwrap().iter().map(|it| it["uri"].as_str().unwrap().to_owned()),
            );
            match page.get("nextCursor") {
                Some(next) => cursor = next.clone(),
                None => break,
            }
        }
        uris.retain(|uri| uri.starts_with("x://"));
        assert_eq!(uris, ["x://1", "x://2", "x://3"]);
    }
}

#[tokio::test]
async fn a_resource_that_is_in_no_list_is_asked_of_the_only_instance() {
    for (behaviour, code) in [(Behaviour::default(), -32002), (Behaviour::default().modern(), -32602)] {
        let home = Home::new();
        let behaviour = behaviour.on("resources/read", move |call: Call| async move {
            match call.params["uri"].as_str() {
                Some("x://known") => result(&call, json!({ "contents": [] })),
                _ => rpc_error(&call, code, "no such resource"),
            }
        });
        let (hub, _fake) = silent(&home, behaviour).await;
        // Wherever `_meta` stands.
        let meta = meta();
        for (id, uri) in [("1001", "x://known"), ("1002", "x://gone")] {
            for (n, params) in [
                format!(r#"{{"uri":"{uri}","_meta":{meta}}}"#),
                format!(r#"{{"_meta":{meta},"uri":"{uri}"}}"#),
            ]
            .iter()
            .enumerate()
            {
                let id = format!("{id}{n}");
                let method = "resources/read";
                hub.write(format!(
                    "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n"
                ))
                .await;
                let line = hub.answer(&id).await;
                if uri == "x://known" {
                    assert_eq!(line.ok()["contents"], json!([]));
                } else {
                    assert_eq!(line.err().code, -32602, "{}", line.raw);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_method_that_the_hub_does_not_know_is_for_the_instance_that_knows_it() {
    let behaviour = Behaviour::default().always("vendor/anything", json!({ "vendor": 1.5 }));
    for behaviour in [behaviour.clone(), behaviour.modern()] {
        let home = Home::new();
        let (hub, _fake) = connected(&home, behaviour).await;
        let legacy = hub.request("vendor/anything", json!({ "x": 1 })).await;
        assert_json!(legacy.ok(), "/vendor", 1.5);
        // A client without a session is shown all, of which this one knows it.
        assert_json!(hub.modern("vendor/anything", json!({ "x": 1 })).await.ok(), "/vendor", 1.5);
        assert_eq!(hub.modern("vendor/nothing", json!({ "x": 1 })).await.err().code, -32601);
    }
}
