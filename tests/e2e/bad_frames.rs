//! What is no proper frame gets the right error, and the connection goes on.

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions};

/// After whatever came before, the hub still answers.
async fn still_well(hub: &Hub) {
    assert_eq!(hub.request("ping", Value::Null).await.ok(), json!({}));
}

#[tokio::test]
async fn what_is_not_a_frame_gets_its_error() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let cases = [
        ("not json at all", -32700, "null"),
        ("{\"jsonrpc\":\"2.0\",\"id\":1", -32700, "null"),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} trailing", -32700, "null"),
        ("\u{7}", -32700, "null"),
        ("42", -32600, "null"),
        ("\"text\"", -32600, "null"),
        ("null", -32600, "null"),
        ("{}", -32600, "null"),
        (r#"{"jsonrpc":"2.0"}"#, -32600, "null"),
        (r#"{"jsonrpc":"1.0","id":"old","method":"ping"}"#, -32600, "\"old\""),
        (r#"{"id":"bare","method":"ping"}"#, -32600, "\"bare\""),
        (r#"{"jsonrpc":"2.0","id":"number","method":7}"#, -32600, "\"number\""),
        (r#"{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}"#, -32600, "null"),
    ];
    for (frame, code, id) in cases {
        let mark = hub.mark();
        hub.write(format!("{frame}\n")).await;
        let answer = hub.line(mark, frame, |line| line.error.is_some()).await;
        assert_eq!(answer.err().code, code, "{frame}: {}", answer.raw);
        assert_eq!(answer.id.as_deref().unwrap_or("null"), id, "{frame}: {}", answer.raw);
        still_well(&hub).await;
    }
    hub.end_quietly().await;
}

#[tokio::test]
async fn what_is_not_utf8_is_not_json() {
    // Written by hand: the client of these tests writes text.
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        process::{Command, Stdio},
    };
    let home = Home::new();
    let lines = tokio::task::spawn_blocking(move || {
        let mut hub = Command::new(env!("CARGO_BIN_EXE_brummer-hub"))
            .args(["--mcp", "--data-dir"])
            .arg(home.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = hub.stdin.take().unwrap();
        stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}\n").unwrap();
        stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n").unwrap();
        drop(stdin);
        let lines: Vec<_> = BufReader::new(hub.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
        assert!(hub.wait().unwrap().success());
        lines
    })
    .await
    .unwrap();
    let json: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(json.iter().any(|it| it["error"]["code"] == -32700), "{lines:?}");
    assert!(json.iter().any(|it| it["id"] == 2 && it["result"] == json!({})), "{lines:?}");
}

#[tokio::test]
async fn empty_lines_and_carriage_returns_are_harmless() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.write("\n\r\n  \n{\"jsonrpc\":\"2.0\",\"id\":\"crlf\",\"method\":\"ping\"}\r\n").await;
    hub.answer("\"crlf\"").await.ok();
    still_well(&hub).await;
    let errors: Vec<_> = hub.since(0).into_iter().filter(|line| line.error.is_some()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test]
async fn a_batch_is_refused_by_revisions_without_batches() {
    for revision in ["2025-06-18", "2025-11-25"] {
        let home = Home::new();
        let hub = Hub::start(&home, HubOptions::default().revision(revision)).await;
        let mark = hub.mark();
        hub.write("[{\"jsonrpc\":\"2.0\",\"id\":\"b\",\"method\":\"ping\"}]\n").await;
        let answer = hub.line(mark, "a refused batch", |line| line.error.is_some()).await;
        assert_eq!(answer.err().code, -32600, "{revision}");
        still_well(&hub).await;
    }
}

#[tokio::test]
async fn a_batch_is_answered_by_one_array_where_the_revision_has_batches() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default().revision("2025-03-26")).await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": "first", "method": "ping" },
        { "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } },
        { "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "instances_list" } },
        { "jsonrpc": "2.0", "id": "third", "method": "no/such/method" },
        { "not": "a frame" },
    ]);
    let mark = hub.mark();
    hub.send(&batch).await;
    let line = hub.line(mark, "an array", |line| line.raw.starts_with('[')).await.json();
    let answers = line.as_array().unwrap();
    let of =
        |id: Value| answers.iter().find(|it| it["id"] == id).unwrap_or_else(|| panic!("{id} in {line:#}"));
    assert_eq!(answers.len(), 4, "{line:#}");
    assert_eq!(of(json!("first"))["result"], json!({}));
    assert_eq!(of(json!(7))["result"]["structuredContent"]["instances"], json!([]));
    assert_eq!(of(json!("third"))["error"]["code"], -32601);
    assert_eq!(of(Value::Null)["error"]["code"], -32600);

    // Notifications alone are answered by nothing, an empty batch is no request.
    let mark = hub.mark();
    hub.write("[{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}]\n[]\n").await;
    let answer = hub.line(mark, "the empty batch", |_| true).await;
    assert_eq!(answer.err().code, -32600, "{}", answer.raw);
    still_well(&hub).await;
}

#[tokio::test]
async fn a_batch_may_hold_calls_to_an_instance() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("batched", fake.port);
    let hub = Hub::start(&home, HubOptions::default().revision("2025-03-26")).await;
    hub.connect(&id).await;
    let call = |id: u32| {
        let params = json!({ "name": "echo", "arguments": { "message": format!("number {id}") } });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    };
    let mark = hub.mark();
    hub.send(&json!([call(901), call(902)])).await;
    let line = hub.line(mark, "an array", |line| line.raw.starts_with('[')).await.json();
    for id in [901, 902] {
        let answer = line.as_array().unwrap().iter().find(|it| it["id"] == id).unwrap();
        assert_json!(answer, "/result/content/0/text", format!("number {id}"));
    }
}

#[tokio::test]
async fn a_line_over_the_limit_is_refused_without_being_kept_and_the_next_one_is_answered() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::args(&["--max-message-size", "1"])).await;
    let piece = "x".repeat(1 << 20);
    // SDKs write the id first or last; what is no request has none to be answered with.
    for (start, end, id) in [
        (r#"{"jsonrpc":"2.0","id":"huge","method":"tools/call","params":{"text":""#, r#""}}"#, json!("huge")),
        (r#"{"method":"tools/call","params":{"id":1,"text":""#, r#""},"jsonrpc":"2.0","id":7}"#, json!(7)),
        (r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"id":1,"text":""#, r#""}}"#, json!(null)),
    ] {
        let mark = hub.mark();
        hub.write(start).await;
        for _ in 0..3 {
            hub.write(piece.clone()).await;
        }
        hub.write(format!("{end}\n")).await;
        let answer = hub.line(mark, "a refusal", |line| line.error.is_some()).await;
        assert_eq!((answer.json()["id"].clone(), answer.err().code), (id, -32600), "{}", answer.raw);
    }
    still_well(&hub).await;
}

#[tokio::test]
async fn a_line_of_sixteen_mebibytes_goes_through() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("big-line", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    let message = "y".repeat(16 << 20);
    let answer = hub.call("echo", json!({ "message": message })).await;
    assert_eq!(answer.text().len(), message.len());
}

#[tokio::test]
async fn an_unknown_method_without_an_instance_is_named_in_the_error() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let error = hub.request("vendor/unheard-of", json!({})).await.err();
    assert_eq!(error.code, -32601, "{error:?}");
    hub.notify("notifications/unheard-of", json!({ "a": 1 })).await;
    still_well(&hub).await;
    hub.end_quietly().await;
}

#[tokio::test]
async fn an_id_in_flight_cannot_be_used_again_until_it_is_answered() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("twice", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    let call = |tool: &str| json!({ "jsonrpc": "2.0", "id": "same", "method": "tools/call", "params": { "name": tool, "arguments": {} } });
    let mark = hub.mark();
    hub.send(&call("hang")).await;
    fake.saw("the first call", |seen| seen.message["params"]["name"] == "hang").await;
    hub.send(&call("echo")).await;
    assert_eq!(hub.line(mark, "a refusal", |line| line.answers("\"same\"")).await.err().code, -32600);
    // The first call lives on: it can still be cancelled, and then the id is free.
    hub.notify("notifications/cancelled", json!({ "requestId": "same" })).await;
    fake.saw("the cancellation", |seen| seen.method() == "notifications/cancelled").await;
    let mark = hub.mark();
    hub.send(&call("echo")).await;
    assert_eq!(hub.line(mark, "an answer", |line| line.answers("\"same\"")).await.text(), "nothing");
}

#[tokio::test]
async fn answers_to_nothing_are_ignored() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let mark = hub.mark();
    hub.send(&json!({ "jsonrpc": "2.0", "id": 12345, "result": {} })).await;
    hub.send(&json!({ "jsonrpc": "2.0", "id": "x", "error": { "code": 1, "message": "no" } })).await;
    still_well(&hub).await;
    let said: Vec<_> = hub.since(mark).into_iter().filter(|line| line.method.is_none()).collect();
    assert_eq!(said.len(), 1, "only the ping is answered: {said:?}");
}

#[tokio::test]
async fn ids_come_back_as_they_were_written() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("ids", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    for id in [
        "0",
        "-1",
        "9007199254740993",
        "123456789012345678901234567890",
        "1.0",
        "\"5\"",
        "\"\\u0041\"",
        "\"\"",
    ] {
        for request in [
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo"}}}}"#),
        ] {
            let mark = hub.mark();
            hub.write(format!("{request}\n")).await;
            hub.line(mark, &request, |line| line.answers(id) && line.result.is_some()).await;
        }
    }
}
