//! `tools` and `call`, with instances that answer as the test says.

use serde_json::{Value, json};

use super::{Cli, checked, command, run};
use crate::support::{Answer, Behaviour, Call, Fake, Home, result};

/// A server with tools of every kind.
fn server() -> Behaviour {
    let tools = json!({ "tools": [
        { "name": "find", "description": "Finds things.\nAlso old ones.", "inputSchema": {
            "type": "object",
            "properties": {
                "query": { "type": "string", "description": "What to find" },
                "limit": { "type": "integer" },
                "tags": { "type": "array", "items": { "type": "string" } },
            },
            "required": ["query"],
        } },
        { "name": "evil", "description": "Steers\u{1b}[2J", "inputSchema": { "type": "object" } },
        { "name": "picture", "inputSchema": { "type": "object" } },
        { "name": "spoilt", "inputSchema": { "type": "object" } },
        { "name": "broken", "inputSchema": { "type": "object" } },
        { "name": "hang", "inputSchema": { "type": "object" } },
    ] });
    Behaviour::bare().always("tools/list", tools).on("tools/call", async |call: Call| {
        let text = |text: &str| json!([{ "type": "text", "text": text }]);
        match call.params["name"].as_str().unwrap() {
            "find" => result(&call, json!({ "content": text(&call.params["arguments"].to_string()) })),
            "evil" => result(&call, json!({ "content": text("one\n\u{1b}[2Jtwo\t\u{9b}1m\u{202e}") })),
            "picture" => result(
                &call,
                json!({ "content": [
                    { "type": "image", "data": "iVBORw0K", "mimeType": "image/png" },
                    { "type": "audio", "data": "AAEC", "mimeType": "../../x" },
                    { "type": "resource_link", "uri": "file:///a", "name": "a" },
                    { "type": "resource", "resource": { "uri": "file:///b", "text": "within" } },
                ] }),
            ),
            "broken" => result(&call, json!({ "isError": true, "content": text("no such lamp") })),
            "spoilt" => result(
                &call,
                json!({ "content": [
                    { "type": "text", "text": "before" },
                    { "type": "image", "data": "not base64!", "mimeType": "image/png" },
                    { "type": "image", "data": "iVBORw0K", "mimeType": "image/png" },
                    { "type": "resource", "resource": { "uri": "file:///b", "blob": "?" } },
                    { "type": "text", "text": "after" },
                ] }),
            ),
            _ => Answer::Never,
        }
    })
}

async fn shop() -> (Home, Fake) {
    let home = Home::new();
    let fake = Fake::start(server()).await;
    home.announce("shop", fake.port);
    (home, fake)
}

#[tokio::test]
async fn the_tools_of_instances_are_shown_with_what_they_take() {
    let (home, _fake) = shop().await;
    let ended = run(&home, &["tools"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(
        ended.stdout.starts_with("shop\n  find  Finds things.\n  evil  Steers\u{fffd}[2J\n"),
        "{ended:?}"
    );
    let ended = run(&home, &["tools", "sho"]).await;
    let expected = "find\n    Finds things.\n    Also old ones.\n  query=string  What to find\n  [limit=integer]\n  [tags=array]\n";
    assert!(ended.stdout.starts_with(expected), "{ended:?}");
    let ended = run(&home, &["tools", "shop", "--json"]).await;
    let printed = checked("tools", &ended.stdout);
    assert_json!(printed, "/instances/0/alias", "shop");
    assert_json!(printed, "/instances/0/tools/1/description", "Steers\u{1b}[2J");
    let ended = run(&home, &["tools", "nobody"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("nobody") && ended.stderr.contains("hint: `brummer-hub list`"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn arguments_have_the_types_that_the_tool_wants() {
    let (home, _fake) = shop().await;
    for (words, expected) in [
        (
            &["query=5", "limit=5", "tags=a", "tags=b"][..],
            json!({ "query": "5", "limit": 5, "tags": ["a", "b"] }),
        ),
        (&["query=x", "limit=7.0"], json!({ "query": "x", "limit": 7.0 })),
        (&["{\"query\": 1, \"odd\": null}"], json!({ "query": 1, "odd": null })),
    ] {
        let ended = run(&home, &[&["call", "shop", "find"], words].concat()).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap(), expected);
    }
    let mut piped = Cli::start(command(&home, &["call", "shop", "find", "-"]));
    // Some programs put a mark before UTF-8.
    piped.write("\u{feff}{\"query\":\n\"lamp\"}\n").await;
    drop(piped.stdin.take());
    let ended = piped.end().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "{\"query\":\"lamp\"}\n"), "{ended:?}");

    for (words, expected) in [
        (
            &["limit=many", "query=x"][..],
            "error: `limit` must be a whole number, not `many`\nhint: `brummer-hub tools shop`",
        ),
        (&[], "error: the tool needs `query`"),
        (&["qeury=x"], "no argument `qeury`; it takes `query`, `limit`, `tags`"),
        (&["query=x", "limit=1e999"], "error: `limit` must be a finite number, not `1e999`"),
    ] {
        let ended = run(&home, &[&["call", "shop", "find"], words].concat()).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(expected), "{ended:?}");
    }
    let ended = run(&home, &["call", "shop", "fnid"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("its tools are find, evil"), "{ended:?}");
}

#[tokio::test]
async fn a_word_in_the_place_of_an_instance_is_answered_with_what_is_meant() {
    let (home, _fake) = shop().await;
    for (words, expected) in [
        (
            ["logs", "build"],
            "`logs` takes an INSTANCE; one script's log is `brummer-hub logs --script build`; `brummer-hub list` ",
        ),
        (["restart", "dev"], "`restart` takes an INSTANCE, then its scripts: `brummer-hub restart . dev`; "),
        (["stop", "dev"], "`stop` takes an INSTANCE, then its scripts: `brummer-hub stop . dev`; "),
    ] {
        let ended = run(&home, &words).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(&format!("\nhint: {expected}")), "{ended:?}");
    }
}

#[tokio::test]
async fn an_instance_that_has_nothing_is_said_to_have_nothing() {
    let home = Home::new();
    let behaviour = Behaviour::bare()
        .always("tools/list", r#"{"tools":null}"#)
        .tool("wait_until", |call| std::future::ready(result(&call, r#"{"content":null}"#)));
    let fake = Fake::start(behaviour).await;
    home.announce("bare", fake.port);
    for (words, code, expected) in [
        (&["tools", "bare"][..], 0, "it has no tools"),
        (&["call", "bare", "x"], 1, "error: bare has no tool `x`\nhint: it has no tools"),
        (&["wait", "bare", "--log", "x"], 1, "`wait_until` of bare does not say whether it is met"),
    ] {
        let ended = run(&home, words).await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stderr.contains(expected), "{ended:?}");
    }
}

#[tokio::test]
async fn a_schema_may_be_any_json() {
    let home = Home::new();
    let tools = json!({ "tools": [
        { "name": "odd", "inputSchema": { "properties": { "x": true, "y": 7, "z": { "items": false } } } },
        { "name": "none", "inputSchema": true },
    ] });
    let server = Behaviour::bare().always("tools/list", tools).on("tools/call", async |call: Call| {
        result(
            &call,
            json!({ "content": [{ "type": "text", "text": call.params["arguments"].to_string() }] }),
        )
    });
    let fake = Fake::start(server).await;
    home.announce("shop", fake.port);
    let ended = run(&home, &["tools", "shop"]).await;
    assert!(ended.stdout.contains("odd\n  [x=any]\n  [y=any]\n  [z=any]\n"), "{ended:?}");
    let ended = run(&home, &["call", "shop", "odd", "x=1", "y=a"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "{\"x\":1,\"y\":\"a\"}\n"), "{ended:?}");
}

#[tokio::test]
async fn results_cannot_steer_the_terminal_or_choose_a_file() {
    let (home, _fake) = shop().await;
    let ended = run(&home, &["call", "shop", "evil"]).await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "one\n\u{fffd}[2Jtwo\t\u{fffd}1m\u{fffd}\n"),
        "{ended:?}"
    );
    let ended = run(&home, &["call", "shop", "evil", "--json"]).await;
    assert!(!ended.stdout.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{ended:?}");
    let printed = checked("call", &ended.stdout);
    assert_json!(printed, "/content/0/text", "one\n\u{1b}[2Jtwo\t\u{9b}1m\u{202e}");

    let out = home.project("out");
    std::fs::write(out.join("picture-1.png"), "mine").unwrap();
    let ended = run(&home, &["call", "shop", "picture", "--out", out.to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let file = |name: &str| out.join(name).display().to_string();
    assert_eq!(lines, [&*file("picture-2.png"), &*file("picture-1.bin"), "file:///a", "within"]);
    assert_eq!(std::fs::read(out.join("picture-2.png")).unwrap(), b"\x89PNG\r\n");
    assert_eq!(std::fs::read(out.join("picture-1.png")).unwrap(), b"mine", "nothing is overwritten");
}

#[tokio::test]
async fn what_cannot_be_written_takes_nothing_else_with_it() {
    let (home, fake) = shop().await;
    let out = home.project("out");
    let ended = run(&home, &["call", "shop", "spoilt", "--out", out.to_str().unwrap()]).await;
    let written = out.join("spoilt-1.png").display().to_string();
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), ["before", &written, "after"], "{ended:?}");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for wanted in ["error: 2 of 5 parts", "image (part 2)", "file:///b (part 4)", "not base64"] {
        assert!(ended.stderr.contains(wanted), "{wanted}: {ended:?}");
    }

    // Nothing is called whose result has no place.
    let nowhere = out.join("nowhere");
    let ended = run(&home, &["call", "shop", "picture", "--out", nowhere.to_str().unwrap()]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("nowhere is no directory\nhint: give another"), "{ended:?}");
    let calls = fake.seen().iter().filter(|seen| seen.method() == "tools/call").count();
    assert_eq!(calls, 1, "only that of the first");
}

#[tokio::test]
async fn how_a_call_ended_shows_in_the_exit_code() {
    let (home, fake) = shop().await;
    let ended = run(&home, &["call", "shop", "broken"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{ended:?}");
    assert_eq!(ended.stderr, "no such lamp");
    let ended = run(&home, &["call", "shop", "broken", "--json"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_json!(serde_json::from_str::<Value>(&ended.stdout).unwrap(), "/isError", true);

    let ended = run(&home, &["call", "shop", "hang", "--timeout", "50ms"]).await;
    assert_eq!(ended.code, Some(124), "{ended:?}");
    fake.saw("the cancellation", |seen| seen.method() == "notifications/cancelled").await;
    assert_eq!(run(&home, &["call", "nobody", "x"]).await.code, Some(1));
    assert_eq!(run(&home, &["call", "shop"]).await.code, Some(2));
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_cancels_the_call() {
    let (home, fake) = shop().await;
    let cli = Cli::start(command(&home, &["call", "shop", "hang"]));
    fake.saw("the call", |seen| seen.method() == "tools/call").await;
    cli.signal(rustix::process::Signal::INT);
    let ended = cli.end().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    fake.saw("the cancellation", |seen| seen.method() == "notifications/cancelled").await;
}

#[tokio::test]
async fn the_instance_of_the_working_directory_is_a_dot() {
    let home = Home::new();
    // `command` works in this project.
    let (here, other) = (Fake::start(server()).await, Fake::start(server()).await);
    home.announce("other", other.port);
    let none = run(&home, &["call", ".", "evil"]).await;
    assert!(none.stderr.contains("no instance belongs to the working directory"), "{none:?}");
    home.announce("here", here.port);
    let ended = run(&home, &["call", ".", "evil"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(here.seen().iter().any(|seen| seen.method() == "tools/call"));
    assert!(!other.seen().iter().any(|seen| seen.method() == "tools/call"));
}

#[tokio::test]
async fn waiting_ends_when_it_is_there_and_when_the_time_is_up() {
    let home = Home::new();
    let late = run(&home, &["wait", "shop", "--timeout", "50ms"]).await;
    assert_eq!(late.code, Some(124), "{late:?}");
    assert!(late.stderr.starts_with("error: shop is not ready after 50ms"), "{late:?}");
    assert_eq!(run(&home, &["wait", "shop", "--gone"]).await.code, Some(0));

    let waiting = Cli::start(command(&home, &["wait", "shop"]));
    let fake = Fake::start(server()).await;
    home.announce("shop", fake.port);
    let ended = waiting.end().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let still = run(&home, &["wait", "shop", "--gone", "--timeout", "50ms"]).await;
    assert_eq!(still.code, Some(124), "{still:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_tool_asks_is_put_to_the_person_at_the_terminal() {
    use std::sync::Arc;

    use tokio::sync::{Notify, mpsc};

    use crate::support::{Pty, event};

    let home = Home::new();
    let question = json!({ "jsonrpc": "2.0", "id": "q1", "method": "elicitation/create", "params": {
        "message": "Which colour?", "requestedSchema": { "type": "object", "required": ["colour"], "properties": {
            "colour": { "type": "string", "enum": ["red", "green"] },
        } },
    } });
    let answered = Arc::new(Notify::new());
    let heard = Arc::clone(&answered);
    let tools = json!({ "tools": [{ "name": "paint", "inputSchema": { "type": "object" } }] });
    let behaviour = Behaviour::bare()
        .always("tools/list", tools)
        .on("tools/call", move |call: Call| {
            let (stream, events) = mpsc::channel(4);
            let end = json!({ "jsonrpc": "2.0", "id": serde_json::from_str::<Value>(&call.id).unwrap(), "result": {
                "content": [{ "type": "text", "text": "painted" }],
            } });
            let question = question.to_string();
            let heard = Arc::clone(&heard);
            tokio::spawn(async move {
                stream.send(Ok(event(&question))).await.unwrap();
                heard.notified().await;
                stream.send(Ok(event(&end.to_string()))).await.unwrap();
            });
            std::future::ready(Answer::Stream(events))
        });
    let fake = Fake::start(behaviour).await;
    home.announce("shop", fake.port);
    let mut call = Pty::start(command(&home, &["call", "shop", "paint"]), 80, 24);
    call.shows("Which colour?").await;
    call.shows("colour (red, green): ").await;
    call.types("blue\n");
    call.shows("It must be one of red, green.").await;
    call.types("green\n");
    let answer = fake
        .saw("the answer", |seen| seen.message["id"] == "q1" && seen.message.get("result").is_some())
        .await;
    assert_json!(answer.message, "/result", { "action": "accept", "content": { "colour": "green" } });
    answered.notify_one();
    let (code, shown) = call.end().await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.trim_end().ends_with("painted"), "{shown:?}");
}

/// JSON that is so deep, as text: what makes a value of it may not survive it.
fn nested(levels: usize) -> String {
    format!(
        "{}{{\"type\":\"string\"}}{}",
        "{\"type\":\"object\",\"properties\":{\"in\":".repeat(levels / 2),
        "}}".repeat(levels / 2)
    )
}

#[tokio::test]
async fn a_schema_or_result_of_any_depth_is_shown_and_the_tool_called() {
    for levels in [200, 10_000] {
        let home = Home::new();
        let schema = nested(levels);
        let tools = format!(
            "{{\"tools\":[{{\"name\":\"deep\",\"description\":\"Goes down.\",\"inputSchema\":{{\"type\":\"object\",\"properties\":{{\
             \"n\":{{\"type\":\"integer\"}},\"to\":{schema}}},\"required\":[\"n\"]}}}},\
             {{\"name\":\"flat\",\"inputSchema\":{{\"type\":\"object\"}}}}]}}"
        );
        let answered = schema.clone();
        let server = Behaviour::bare()
            .on("tools/list", move |call: Call| std::future::ready(result(&call, &tools)))
            .on("tools/call", move |call: Call| {
                let content = match call.params["name"].as_str() {
                    Some("deep") => format!("{{\"content\":[],\"structuredContent\":{answered}}}"),
                    _ => json!({ "content": [{ "type": "text", "text": call.params["arguments"].to_string() }] }).to_string(),
                };
                std::future::ready(result(&call, content))
            });
        let fake = Fake::start(server).await;
        home.announce("shop", fake.port);
        let ended = run(&home, &["tools"]).await;
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), "shop\n  deep  Goes down.\n  flat  \n"),
            "{ended:?}"
        );
        let ended = run(&home, &["tools", "shop"]).await;
        let expected = "deep\n    Goes down.\n  n=integer\n  [to=object]\nflat\n";
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), expected), "{ended:?}");
        let ended = run(&home, &["tools", "--json"]).await;
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains(&schema), "as the instance described it");
        // The pairs are read by the schema.
        let ended = run(&home, &["call", "shop", "deep", "n=7"]).await;
        assert_eq!((ended.code, ended.stdout.trim_end()), (Some(0), schema.as_str()), "{}", ended.stderr);
        let ended = run(&home, &["call", "shop", "deep", "n=many"]).await;
        assert!(ended.stderr.contains("`n` must be a whole number"), "{ended:?}");
        let ended = run(&home, &["call", "shop", "deep", "n=7", "--json"]).await;
        assert!(ended.code == Some(0) && ended.stdout.contains(&schema));
    }
}

#[tokio::test]
async fn arguments_of_any_depth_are_sent_as_they_were_written() {
    let home = Home::new();
    let (seen, mut saw) = tokio::sync::mpsc::channel(1);
    let server = Behaviour::bare()
        .always("tools/list", json!({ "tools": [{ "name": "take", "inputSchema": { "type": "object" } }] }))
        .on("tools/call", move |call: Call| {
            seen.try_send(call.seen.body.clone()).unwrap();
            std::future::ready(result(&call, json!({ "content": [{ "type": "text", "text": "taken" }] })))
        });
    let fake = Fake::start(server).await;
    home.announce("shop", fake.port);
    let arguments = format!("{{\"n\":1.0,\"to\":{}}}", nested(200));
    let ended = run(&home, &["call", "shop", "take", &arguments]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "taken\n"), "{ended:?}");
    assert!(saw.try_recv().unwrap().contains(&arguments));
}
