//! Servers that do everything wrong. They harm no one but themselves.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{Answer, Behaviour, Call, Fake, Home, Hub, HubOptions, Line, Seen, event, result};

/// Ways to answer `initialize` (and everything else) with which no instance can become active.
fn never_active() -> Vec<(&'static str, Behaviour)> {
    let raw = |answer: fn() -> Answer| Behaviour::bare().raw(move |_| std::future::ready(Some(answer())));
    vec![
        ("never-answers", raw(|| Answer::Never)),
        ("html", raw(|| Answer::http(200, "text/html", "<!doctype html><title>Vite</title>"))),
        ("status-500", raw(|| Answer::http(500, "text/plain", "Internal Server Error"))),
        ("empty", raw(|| Answer::http(200, "application/json", ""))),
        ("not-json", raw(|| Answer::http(200, "application/json", "{\"jsonrpc\":"))),
        ("json-but-no-rpc", raw(|| Answer::http(200, "application/json", "{\"status\":\"ok\"}"))),
        ("wrong-type", raw(|| Answer::http(200, "image/png", "PNG"))),
        ("endless", raw(|| Answer::Stream(endless(10)))),
        ("closes-midway", raw(|| Answer::Stream(broken(b"data: {\"jsonrpc\":\"2.0\",")))),
        ("unauthorized", raw(|| Answer::http(401, "application/json", "{\"error\":\"no\"}"))),
        ("accepts-all", raw(|| Answer::http(202, "text/plain", ""))),
        (
            "refuses",
            Behaviour::bare()
                .on("initialize", async |call| crate::support::rpc_error(&call, -32603, "not today")),
        ),
    ]
}

/// A stream that goes on for ever, as fast as it is read, and never says anything that was asked for.
fn endless(length: usize) -> mpsc::Receiver<Result<bytes::Bytes, std::io::Error>> {
    let (chunks, stream) = mpsc::channel(1);
    let noise = json!({ "jsonrpc": "2.0", "method": "notifications/noise", "params": { "noise": "x".repeat(length) } });
    let noise = event(&noise.to_string());
    tokio::spawn(async move { while chunks.send(Ok(noise.clone())).await.is_ok() {} });
    stream
}

/// A stream that says something and then breaks.
fn broken(start: &'static [u8]) -> mpsc::Receiver<Result<bytes::Bytes, std::io::Error>> {
    let (chunks, stream) = mpsc::channel(2);
    tokio::spawn(async move {
        let _ = chunks.send(Ok(start.into())).await;
        let _ = chunks.send(Err(std::io::Error::other("broken on purpose"))).await;
    });
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_that_cannot_be_initialized_never_become_active_and_disturb_nobody() {
    let home = Home::new();
    let mut ids = Vec::new();
    for (name, behaviour) in never_active() {
        ids.push((name, home.announce(name, Fake::start(behaviour).await.port)));
    }
    let good = Fake::start(Behaviour::default()).await;
    let good_id = home.announce("good", good.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&good_id).await;
    let tried = |list: &[Value]| list.iter().filter(|it| it["state"] == "retrying").count() + 3 >= ids.len();
    let list = hub.instances_until("most have been tried", tried).await;
    for (name, id) in &ids {
        let entry = list.iter().find(|it| it["id"] == **id);
        assert_ne!(entry.map(|it| &it["state"]), Some(&json!("active")), "{name}");
        assert!(home.file(id).exists(), "{name}: its process lives, so its file stays");
    }
    // All at once: what has not answered yet is waited for.
    let connect = |id: &String| json!({ "name": "instances_connect", "arguments": { "instance_id": id } });
    let mut asked = Vec::new();
    for (name, id) in &ids {
        asked.push((name, hub.ask("tools/call", connect(id)).await));
    }
    for (name, request) in asked {
        let refused = hub.answer(&request).await.ok();
        assert_eq!(refused["isError"], true, "{name}: {refused:#}");
    }
    assert_eq!(hub.call("echo", json!({ "message": "undisturbed" })).await.text(), "undisturbed");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let home = Home::new();
    let target = Fake::start(Behaviour::default()).await;
    let location = format!("http://127.0.0.1:{}/mcp", target.port);
    let behaviour = Behaviour::bare().raw(move |_| {
        let response = axum::response::Response::builder().status(307).header("location", &location);
        std::future::ready(Some(Answer::Http(Box::new(response.body(axum::body::Body::empty()).unwrap()))))
    });
    let redirecting = Fake::start(behaviour).await;
    let id = home.announce("redirecting", redirecting.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.instances_until("it is retried", |list| {
        list.iter().any(|it| it["id"] == *id && it["state"] == "retrying")
    })
    .await;
    assert!(target.seen().is_empty(), "{:?}", target.seen());
}

type BadAnswer = fn(&Call) -> Answer;

/// Ways to answer a call that must end in an error which names the instance.
fn bad_answers() -> Vec<(&'static str, BadAnswer)> {
    vec![
        ("html", |_| Answer::http(200, "text/html", "<html>")),
        ("status_500", |_| Answer::http(500, "text/html", "<h1>Error</h1>")),
        ("status_503", |_| Answer::http(503, "text/plain", "")),
        ("empty", |_| Answer::http(200, "application/json", "")),
        ("accepted", |_| Answer::http(202, "text/plain", "")),
        ("not_json", |_| Answer::http(200, "application/json", "no json")),
        ("cut_json", |call| {
            Answer::Json(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[{{"#, call.id))
        }),
        ("wrong_type", |_| Answer::http(200, "application/octet-stream", vec![0, 1, 2, 255])),
        ("other_id", |_| Answer::Json(r#"{"jsonrpc":"2.0","id":987654,"result":{}}"#.to_owned())),
        ("no_rpc", |_| Answer::Json(r#"{"hello":"world"}"#.to_owned())),
        ("empty_stream", |_| Answer::Events(Vec::new())),
        ("stream_without_answer", |_| {
            Answer::Events(vec![r#"{"jsonrpc":"2.0","method":"notifications/x"}"#.to_owned()])
        }),
        ("broken_stream", |_| Answer::Stream(broken(b"data: {\"jsonrpc\":"))),
        ("broken_body", |_| {
            let chunks = futures_util::stream::iter([
                Ok(bytes::Bytes::from_static(b"{\"json")),
                Err(std::io::Error::other("!")),
            ]);
            Answer::http(200, "application/json", axum::body::Body::from_stream(chunks))
        }),
        ("redirect", |_| {
            let response = axum::response::Response::builder().status(302).header("location", "/elsewhere");
            Answer::Http(Box::new(response.body(axum::body::Body::empty()).unwrap()))
        }),
    ]
}

fn is_error_of(line: &Line, instance: &str, what: &str) {
    let error = line.failure();
    assert!(error.message.contains(instance), "{what}: {error:?}");
    assert!(error.data["reason"].is_string() && error.data["sent"].is_string(), "{what}: {error:?}");
}

#[tokio::test]
async fn a_bad_answer_is_an_error_of_that_call_alone_and_no_call_is_repeated() {
    let home = Home::new();
    let behaviour = bad_answers().into_iter().fold(Behaviour::default(), |behaviour, (name, answer)| {
        behaviour.tool(name, move |call| std::future::ready(answer(&call)))
    });
    let fake = Fake::start(behaviour).await;
    let id = home.announce("clumsy", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    for (name, _) in bad_answers() {
        is_error_of(&hub.call(name, json!({})).await, "clumsy", name);
        assert_eq!(hub.call("echo", json!({ "message": name })).await.text(), name);
        let calls = |seen: &&Seen| seen.method() == "tools/call" && seen.message["params"]["name"] == name;
        assert_eq!(fake.seen().iter().filter(calls).count(), 1, "{name} was repeated");
    }
}

/// What an instance says without a pause takes neither the client, nor its other calls, nor the end of the hub from their
/// turn. The lengths differ in what runs out first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_stream_holds_up_nothing_and_can_be_cancelled() {
    for length in [10, 20_000] {
        let home = Home::new();
        let endless = move |_| std::future::ready(Answer::Stream(endless(length)));
        let fake = Fake::start(Behaviour::default().tool("endless", endless)).await;
        let id = home.announce("talkative", fake.port);
        let hub = Hub::start(&home, HubOptions::default()).await;
        hub.connect(&id).await;
        let mark = hub.mark();
        let (call, other) = tokio::join!(
            hub.ask("tools/call", json!({ "name": "endless" })),
            hub.ask("tools/call", json!({ "name": "endless" })),
        );
        hub.notification(mark, "notifications/noise").await;
        assert_eq!(hub.call("echo", json!({ "message": "heard" })).await.text(), "heard");
        hub.notify("notifications/cancelled", json!({ "requestId": call.parse::<u64>().unwrap() })).await;
        fake.saw("the cancellation", |seen| seen.method() == "notifications/cancelled").await;
        assert_eq!(hub.call("echo", json!({ "message": "after" })).await.text(), "after");
        assert!(!hub.since(mark).iter().any(|line| line.answers(&call) || line.answers(&other)));
        hub.end().await;
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_and_the_instance_stays_usable() {
    let home = Home::new();
    let text = "x".repeat(3 << 20);
    let in_event = text.clone();
    let behaviour = Behaviour::default()
        .tool("giant", move |call| std::future::ready(result(&call, format!("\"{text}\""))))
        .tool("giant_event", move |call| {
            let Answer::Json(message) = result(&call, format!("\"{in_event}\"")) else { unreachable!() };
            std::future::ready(Answer::Events(vec![message]))
        })
        .tool("endless_body", async |_| {
            let chunk = bytes::Bytes::from("x".repeat(1 << 16));
            let chunks = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
            Answer::http(200, "application/json", axum::body::Body::from_stream(chunks))
        });
    let fake = Fake::start(behaviour).await;
    let id = home.announce("giant", fake.port);
    let hub = Hub::start(&home, HubOptions::args(&["--max-message-size", "1"])).await;
    hub.connect(&id).await;
    for tool in ["giant", "giant_event", "endless_body"] {
        is_error_of(&hub.call(tool, json!({})).await, "giant", tool);
        assert_eq!(hub.call("echo", json!({ "message": tool })).await.text(), tool);
    }
}

#[tokio::test]
async fn a_call_that_shows_no_progress_ends_at_the_configured_time() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("mute", fake.port);
    let hub = Hub::start(&home, HubOptions::args(&["--call-timeout", "300ms"])).await;
    hub.connect(&id).await;
    is_error_of(&hub.call("hang", json!({})).await, "mute", "hang");
    fake.saw("the instance is told", |seen| seen.method() == "notifications/cancelled").await;
    assert_eq!(hub.call("echo", json!({ "message": "on" })).await.text(), "on");
}

#[tokio::test]
async fn an_instance_without_sessions_or_listening_is_a_proper_instance() {
    for behaviour in [Behaviour::default().without_sessions(), Behaviour::default().without_listening()] {
        let home = Home::new();
        let fake = Fake::start(behaviour).await;
        let id = home.announce("plain", fake.port);
        let hub = Hub::start(&home, HubOptions::args(&["--ping-interval", "200ms"])).await;
        hub.connect(&id).await;
        assert_eq!(hub.call("echo", json!({ "message": "plain" })).await.text(), "plain");
        fake.saw("a ping", |seen| seen.method() == "ping").await;
        hub.end_quietly().await;
    }
}

#[tokio::test]
async fn dirt_between_the_messages_of_a_stream_is_skipped() {
    let home = Home::new();
    let behaviour = Behaviour::bare().tool("dirty", async |call: Call| {
        let Answer::Json(message) = result(&call, r#"{"content":[{"type":"text","text":"clean"}]}"#) else {
            unreachable!()
        };
        let (chunks, stream) = mpsc::channel(8);
        let dirt = [
            "\u{feff}: comment\n\n",
            "retry: soon\n",
            "id: 1\ndata:\n\n",
            "event: ping\ndata: not json\n\n",
            "data: not json\n\n",
            "unknown: field\r\n\r\n",
        ];
        for piece in dirt {
            chunks.send(Ok(piece.into())).await.unwrap();
        }
        chunks.send(Ok(format!("data:{message}\r\n\r\n").into())).await.unwrap();
        Answer::Stream(stream)
    });
    let fake = Fake::start(behaviour).await;
    let id = home.announce("dirty", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    assert_eq!(hub.call("dirty", json!({})).await.text(), "clean");
    for line in hub.since(0) {
        line.json();
    }
}

#[tokio::test]
async fn messages_in_one_array_are_taken_apart() {
    let home = Home::new();
    let behaviour = Behaviour::bare().tool("array", async |call: Call| {
        let Answer::Json(message) = result(&call, r#"{"content":[{"type":"text","text":"apart"}]}"#) else {
            unreachable!()
        };
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/vendor","params":{"n":1.0}}"#;
        if call.params["arguments"]["stream"] == true {
            Answer::Events(vec![format!("[{notification},{message}]")])
        } else {
            Answer::Json(format!("[{notification},{message}]"))
        }
    });
    let fake = Fake::start(behaviour).await;
    let id = home.announce("array", fake.port);
    let hub = Hub::start(&home, HubOptions::default().revision("2025-03-26")).await;
    hub.connect(&id).await;
    for stream in [true, false] {
        let mark = hub.mark();
        assert_eq!(hub.call("array", json!({ "stream": stream })).await.text(), "apart");
        let told = hub.notification(mark, "notifications/vendor").await;
        assert_eq!(told.params.as_deref(), Some(r#"{"n":1.0}"#));
    }
}
