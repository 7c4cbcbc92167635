//! What the instance said is what the client gets, and the other way round: byte for byte, but for ids.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{Answer, Behaviour, Call, Fake, Home, Hub, HubOptions, event, result};

/// JSON that no parser gives back as it was: key order, numbers that no type holds, doubled keys, escapes.
const ODD: &str = r#"{"z":1.0,"a":1e400,"big":123456789012345678901234567890,"minus":-0.0,"exp":1E+2,"twice":1,"twice":2,"esc":"\u0041\/\n","deep":[[[[{"":null}]]]],"é":"ü","_meta":{"vendor.example/x":{}}}"#;

fn odd_result() -> String {
    format!(
        r#"{{"unknown":{ODD},"content":[{{"type":"hologram","odd":{ODD}}}],"isError":false,"structuredContent":{ODD}}}"#
    )
}

async fn connected(home: &Home, behaviour: Behaviour) -> (Hub, Fake) {
    let fake = Fake::start(behaviour).await;
    let id = home.announce("exact", fake.port);
    let hub = Hub::start(home, HubOptions::default()).await;
    hub.connect(&id).await;
    (hub, fake)
}

#[tokio::test]
async fn results_arrive_as_they_were_sent_in_every_form_of_answer() {
    let home = Home::new();
    let plain = |call: &Call| format!(r#"{{"jsonrpc":"2.0","id":{},"result":{}}}"#, call.id, odd_result());
    let behaviour = Behaviour::bare()
        .tool("json", move |call| std::future::ready(Answer::Json(plain(&call))))
        .tool("sse", move |call| std::future::ready(Answer::Events(vec![plain(&call)])))
        .tool("reordered", move |call| {
            let text = format!(r#"{{"result":{},"id":{},"jsonrpc":"2.0"}}"#, odd_result(), call.id);
            std::future::ready(Answer::Json(text))
        })
        .tool("spaced", move |call| {
            let text = format!(
                " {{ \"jsonrpc\" : \"2.0\" , \"id\" : {} , \"result\" : {} }} ",
                call.id,
                odd_result()
            );
            std::future::ready(Answer::Json(text))
        })
        .tool("chunked", move |call| {
            let bytes = event(&plain(&call));
            let (chunks, stream) = mpsc::channel(1);
            tokio::spawn(async move {
                for byte in bytes.chunks(7) {
                    chunks.send(Ok(bytes::Bytes::copy_from_slice(byte))).await.unwrap();
                }
            });
            std::future::ready(Answer::Stream(stream))
        });
    let (hub, _) = connected(&home, behaviour).await;
    for tool in ["json", "sse", "reordered", "spaced", "chunked"] {
        let answer = hub.call(tool, json!({})).await;
        assert_eq!(answer.result.as_deref(), Some(odd_result().as_str()), "{tool}");
    }
}

#[tokio::test]
async fn pretty_printed_answers_become_one_line_and_say_the_same() {
    let home = Home::new();
    let pretty = "{\n  \"content\": [\n    {\r\n\t\"type\": \"text\",\n      \"text\": \"two\\nlines\"\n    }\n  ],\n  \"n\": 1.0\n}";
    let behaviour = Behaviour::bare()
        .tool("json", move |call| {
            let text = format!("{{\n\"jsonrpc\": \"2.0\",\n\"id\": {},\n\"result\": {pretty}\n}}\n", call.id);
            std::future::ready(Answer::Json(text))
        })
        .tool("sse", move |call| {
            let text = format!("{{\n\"jsonrpc\": \"2.0\",\n\"id\": {},\n\"result\": {pretty}\n}}", call.id);
            std::future::ready(Answer::Events(vec![text]))
        });
    let (hub, _) = connected(&home, behaviour).await;
    for tool in ["json", "sse"] {
        let answer = hub.call(tool, json!({})).await;
        let result = answer.result.as_deref().unwrap();
        assert!(result.contains("\"n\": 1.0"), "the spelling stays: {result}");
        assert_eq!(answer.text(), "two\nlines", "{tool}");
    }
}

#[tokio::test]
async fn listed_items_arrive_as_they_were_sent() {
    let home = Home::new();
    let lists = [
        (
            "tools/list",
            "tools",
            format!(
                r#"{{"name":"t","inputSchema":{{"type":"object","x":{ODD}}},"execution":{{"taskSupport":"optional"}},"later":{ODD}}}"#
            ),
        ),
        ("prompts/list", "prompts", format!(r#"{{"later":{ODD},"name":"p"}}"#)),
        ("resources/list", "resources", format!(r#"{{"later":{ODD},"uri":"x://1","name":"r"}}"#)),
        (
            "resources/templates/list",
            "resourceTemplates",
            format!(r#"{{"uriTemplate":"x://{{a}}","name":"rt","later":{ODD}}}"#),
        ),
    ];
    let behaviour = lists.iter().fold(Behaviour::bare(), |behaviour, (method, member, item)| {
        behaviour.always(method, format!(r#"{{"{member}":[{item}],"later":{ODD}}}"#))
    });
    let (hub, _) = connected(&home, behaviour).await;
    for (method, _, item) in &lists {
        let raw = hub.request(method, Value::Null).await.raw;
        assert!(raw.contains(item), "{method}\nwanted {item}\nin     {raw}");
    }
}

#[tokio::test]
async fn what_is_read_got_and_completed_arrives_as_it_was_sent() {
    let home = Home::new();
    let calls = [
        ("resources/read", json!({ "uri": "x://1" })),
        ("prompts/get", json!({ "name": "p" })),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "" } }),
        ),
        ("vendor/anything", json!({})),
    ];
    let behaviour = calls.iter().fold(
        Behaviour::bare()
            .always("prompts/list", r#"{"prompts":[{"name":"p"}]}"#)
            .always("resources/list", r#"{"resources":[{"uri":"x://1","name":"r"}]}"#),
        |behaviour, (method, _)| behaviour.always(method, odd_result()),
    );
    let (hub, _) = connected(&home, behaviour).await;
    for (method, params) in calls {
        let answer = hub.request(method, params).await;
        assert_eq!(answer.result, Some(odd_result()), "{method}");
    }
}

/// It is what JavaScript writes of a text that it has cut in the middle of an emoji. Services for models refuse every request of
/// a conversation that it has got into.
#[tokio::test]
async fn half_an_emoji_never_reaches_a_client() {
    let home = Home::new();
    let text = |half: &str| {
        format!(r#"{{"content":[{{"type":"text","text":"cut {half}, whole \ud83e\udd80, \\ud83e"}}]}}"#)
    };
    let plain =
        move |call: &Call| format!(r#"{{"jsonrpc":"2.0","id":{},"result":{}}}"#, call.id, text("\\ud83e"));
    let large =
        move |call: &Call| plain(call).replacen("cut ", &format!("{} cut ", "long ".repeat(20_000)), 1);
    let tools =
        json!({ "tools": [{ "name": "json", "description": "HALF", "inputSchema": { "type": "object" } }] });
    let tools = tools.to_string().replace("HALF", "\\udd80");
    let behaviour = Behaviour::bare()
        .on("tools/list", move |call: Call| std::future::ready(result(&call, &tools)))
        .tool("json", move |call| std::future::ready(Answer::Json(plain(&call))))
        .tool("sse", move |call| std::future::ready(Answer::Events(vec![plain(&call)])))
        .tool("large", move |call| std::future::ready(Answer::Json(large(&call))));
    let (hub, _) = connected(&home, behaviour).await;
    let listed = hub.request("tools/list", json!({})).await;
    assert!(listed.raw.contains(r#""description":"\ufffd""#), "{}", listed.raw);
    assert_eq!(hub.call("json", json!({})).await.result.as_deref(), Some(text("\\ufffd").as_str()));
    for tool in ["sse", "large"] {
        let answer = hub.call(tool, json!({})).await.result.unwrap();
        assert!(answer.ends_with(text("\\ufffd").split_once("cut").unwrap().1), "{tool}: {answer:.100}");
    }
}

/// Clients on the official SDKs refuse a message for one, and some wait for the answer for ever. What a server calls its own may
/// be null.
#[tokio::test]
async fn null_stands_in_no_member_that_may_only_be_left_out() {
    let home = Home::new();
    let written = r#"{"_meta":null,"content":[{"type":"text","text":"null","annotations":null,"_meta":{"title":null}}],"isError":null,"structuredContent":{"title":null}}"#;
    let read = r#"{"content":[{"type":"text","text":"null","_meta":{"title":null}}],"structuredContent":{"title":null}}"#;
    let empty = r#"{"content":null,"structuredContent":null}"#;
    let schema = r#"{"type":"object","title":null}"#;
    let tools = format!(
        r#"{{"_meta":null,"tools":[{{"name":"one","annotations":{{"title":null}},"inputSchema":{schema}}}],"nextCursor":null}}"#
    );
    let behaviour = Behaviour::bare()
        .always("tools/list", tools)
        .always("prompts/list", r#"{"prompts":null}"#)
        .always("prompts/get", r#"{"description":null,"messages":null}"#)
        .always("resources/read", r#"{"contents":[{"uri":"u:","mimeType":null,"text":""}]}"#)
        .always("completion/complete", r#"{"completion":{"values":null,"total":null}}"#)
        .always("vendor/any", r#"{"title":null}"#)
        .tool("one", move |call| std::future::ready(result(&call, written)))
        .tool("none", move |call| std::future::ready(result(&call, empty)));
    let (hub, fake) = connected(&home, behaviour).await;
    let listed = hub.request("tools/list", json!({})).await;
    assert!(
        listed.raw.contains(&format!(r#"{{"name":"one","annotations":{{}},"inputSchema":{schema}}}"#)),
        "{}",
        listed.raw
    );
    assert!(!listed.raw.contains("nextCursor") && !listed.raw.contains(r#""_meta":null"#), "{}", listed.raw);
    assert_eq!(hub.request("prompts/list", json!({})).await.result.as_deref(), Some(r#"{"prompts":[]}"#));
    let reference =
        json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "" } });
    for (method, params, expected) in [
        ("tools/call", json!({ "name": "one" }), read),
        ("tools/call", json!({ "name": "none" }), r#"{"content":[]}"#),
        ("prompts/get", json!({ "name": "p" }), r#"{"messages":[]}"#),
        ("resources/read", json!({ "uri": "u:" }), r#"{"contents":[{"uri":"u:","text":""}]}"#),
        ("completion/complete", reference, r#"{"completion":{"values":[]}}"#),
        ("vendor/any", json!({}), r#"{"title":null}"#),
    ] {
        let answer = hub.request(method, params.clone()).await;
        assert_eq!(answer.result.as_deref(), Some(expected), "{method} {params}");
    }
    let session = fake.client_session().await;
    fake.listening(&session).await;
    for (told, expected) in [
        (
            r#""params":{"level":"info","logger":null,"data":null}}"#,
            r#""params":{"level":"info","data":null}}"#,
        ),
        (r#""params":{"level":"info","data":1,"_meta":null}}"#, r#""params":{"level":"info","data":1}}"#),
    ] {
        let mark = hub.mark();
        let head = r#"{"jsonrpc":"2.0","method":"notifications/message","#;
        fake.push(&session, format!("{head}{told}"));
        let line = hub.line(mark, "a message", |line| line.raw.contains("notifications/message")).await;
        assert_eq!(line.raw, format!("{head}{expected}"));
    }
}

#[tokio::test]
async fn errors_arrive_as_they_were_sent() {
    let home = Home::new();
    let error = format!(r#"{{"code":-32002,"message":"gone \ud83e\udd80","data":{ODD},"later":{ODD}}}"#);
    let sent = error.clone();
    let behaviour = Behaviour::bare().tool("fails", move |call| {
        std::future::ready(Answer::Json(format!(r#"{{"jsonrpc":"2.0","id":{},"error":{sent}}}"#, call.id)))
    });
    let (hub, _) = connected(&home, behaviour).await;
    assert_eq!(hub.call("fails", json!({})).await.error, Some(error));
}

#[tokio::test]
async fn an_error_with_an_http_status_is_still_the_instances_error() {
    let home = Home::new();
    let error = r#"{"code":-32602,"message":"bad","data":{"n":1.0}}"#;
    let behaviour = [400, 404, 500].into_iter().fold(Behaviour::bare(), |behaviour, status| {
        behaviour.tool(&format!("fails_{status}"), move |call| {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, call.id);
            std::future::ready(Answer::http(status, "application/json", body))
        })
    });
    let (hub, _) = connected(&home, behaviour).await;
    for status in [400, 404, 500] {
        assert_eq!(
            hub.call(&format!("fails_{status}"), json!({})).await.error.as_deref(),
            Some(error),
            "{status}"
        );
    }
}

#[tokio::test]
async fn notifications_and_questions_arrive_as_they_were_sent() {
    let home = Home::new();
    let (hub, fake) = connected(&home, Behaviour::default()).await;
    let session = fake.client_session().await;
    fake.listening(&session).await;
    for method in ["notifications/message", "notifications/vendor"] {
        let mark = hub.mark();
        let raw = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{ODD}}}"#);
        // A member that is not JSON-RPC's: the official TypeScript SDK would throw the message away.
        fake.push(&session, raw.replacen('{', r#"{"later":1,"#, 1));
        let line = hub.line(mark, method, |line| line.raw.contains(method)).await;
        assert_eq!(line.raw, raw);
    }
    let mark = hub.mark();
    fake.push(&session, format!(r#"{{"jsonrpc":"2.0","id":4,"method":"vendor/ask","params":{ODD}}}"#));
    let asked = hub.line(mark, "a question", |line| line.raw.contains("vendor/ask")).await;
    assert!(asked.raw.contains(&format!(r#""params":{ODD}"#)), "{}", asked.raw);
    let id = asked.id.unwrap();
    hub.write(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{ODD}}}\n")).await;
    let seen = fake.saw("the answer", |seen| seen.verb == "POST" && seen.body.contains(r#""id":4"#)).await;
    assert!(seen.body.contains(&format!(r#""result":{ODD}"#)), "{}", seen.body);
}

#[tokio::test]
async fn what_the_client_sends_reaches_the_instance_as_it_was_sent() {
    let home = Home::new();
    let behaviour = Behaviour::default()
        .on("tools/call", async |call| result(&call, r#"{"content":[]}"#))
        .always("vendor/do", "{}");
    let (hub, fake) = connected(&home, behaviour).await;
    for (index, (method, params)) in [
        ("tools/call", format!(r#"{{"name":"echo","arguments":{ODD},"later":{ODD}}}"#)),
        ("tools/call", format!(r#"{{"arguments":{ODD},"_meta":{{"x":{ODD}}},"name":"echo"}}"#)),
        ("vendor/do", ODD.to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let mark = hub.mark();
        hub.write(format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":\"raw {index}\",\"method\":\"{method}\",\"params\":{params}}}\n"
        ))
        .await;
        hub.line(mark, method, |line| line.result.is_some()).await;
        let wanted = format!(r#""params":{params}"#);
        fake.saw(&format!("{wanted} as it was sent"), |seen| seen.body.contains(&wanted)).await;
    }
}

#[tokio::test]
async fn large_results_arrive_whole() {
    let home = Home::new();
    let text: String =
        (0..=u8::MAX).cycle().take(1_200_000).map(|number| char::from(b'a' + number % 26)).collect();
    let large = text.clone();
    let behaviour = Behaviour::bare().tool("large", move |call| {
        std::future::ready(result(&call, format!(r#"{{"content":[{{"type":"text","text":"{large}"}}]}}"#)))
    });
    let large = text.repeat(10);
    let behaviour = behaviour.tool("larger", move |call| {
        let Answer::Json(message) =
            result(&call, format!(r#"{{"content":[{{"type":"text","text":"{large}"}}]}}"#))
        else {
            unreachable!()
        };
        std::future::ready(Answer::Events(vec![message]))
    });
    let (hub, _) = connected(&home, behaviour).await;
    assert_eq!(hub.call("large", json!({})).await.text(), text);
    assert_eq!(hub.call("larger", json!({})).await.text(), text.repeat(10));
}
