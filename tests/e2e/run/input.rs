//! Scripts that ask are noticed, and answered.

use serde_json::json;

use super::{Client, Run, command, project};
use crate::support::Home;

/// Asks for a name twice, as a person would be asked, and says what it was told.
const ASK: &str =
    "const ask = require('readline').createInterface({ input: process.stdin, output: process.stdout });
    ask.question('Project name? ', name => { console.log('hello ' + name);
        ask.question('Go on (y/N)? ', answer => { console.log('so: ' + answer); process.exit(); }); });";

#[tokio::test]
async fn a_script_that_asks_is_noticed_and_answered() {
    let home = Home::new();
    let directory = project(&home, &[("ask", "node ask.js")], &[("ask.js", ASK)]);
    let run = Run::start(command(&home, &directory, &["ask"]));
    let client = Client::of(&home, &directory).await;
    run.says("ask: seems to wait for an answer to `Project name?`").await;
    let status = client.tool("scripts_status", json!({})).await;
    assert_json!(status, "/processes/0/question", "Project name?");
    // Whoever waits for something else is told, and does not wait to the end.
    let waited =
        client.tool("wait_until", json!({ "log": "hello", "processId": "ask", "timeoutSeconds": 600 })).await;
    assert_json!(waited, "/met", false);
    let said = waited["message"].as_str().unwrap();
    assert!(
        said.contains("not before somebody answers `Project name?`") && said.contains("scripts_input"),
        "{said}"
    );

    let entered = client.tool("scripts_input", json!({ "processId": "ask", "text": "shop" })).await;
    assert_json!(entered, "/question", "Project name?");
    client.wait(json!({ "log": "hello shop", "processId": "ask" })).await;
    client.wait(json!({ "log": "Go on", "processId": "ask" })).await;
    client.tool("scripts_input", json!({ "processId": "ask-1", "text": "y", "enter": false })).await;
    client.tool("scripts_input", json!({ "processId": "ask-1", "key": "enter" })).await;
    client.wait(json!({ "log": "so: y", "exit": "ask" })).await;
    let status = client.tool("scripts_status", json!({})).await;
    assert_eq!(status["processes"][0]["question"], serde_json::Value::Null);
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn input_that_reaches_nobody_is_refused() {
    let home = Home::new();
    let scripts = [("deaf", "node -e \"setInterval(() => {}, 1e6)\""), ("done", "node -p 6*7")];
    let directory = project(&home, &scripts, &[]);
    let _run = Run::start(command(&home, &directory, &["deaf", "done"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "exit": "done" })).await;
    for (arguments, words) in [
        (json!({ "processId": "done", "text": "x" }), "done-2: it does not run"),
        (json!({ "processId": "nobody", "text": "x" }), "there is no process `nobody`"),
        (json!({ "processId": "deaf" }), "give either `text` or `key`"),
        (json!({ "processId": "deaf", "text": "x", "key": "up" }), "give either `text` or `key`"),
        (json!({ "processId": "deaf", "text": "", "enter": false }), "nothing to type"),
        (json!({ "processId": "deaf", "text": "x".repeat(600) }), "longer than 512 bytes"),
    ] {
        let said = client.refused("scripts_input", arguments.clone()).await;
        assert!(said.contains(words), "{arguments}: {said}");
    }
    // A script that reads nothing takes what its pipe holds, and no more.
    let line = json!({ "processId": "deaf", "text": "x".repeat(500) });
    let mut typed = 0;
    while client.hub.call("scripts_input", line.clone()).await.ok()["isError"] != true {
        typed += 1;
        assert!(typed < 10_000, "a pipe has a bound");
    }
    let said = client.refused("scripts_input", line).await;
    assert!(said.contains("does not read what was typed before"), "{said}");
    let stopped = client.tool("scripts_stop", json!({ "processId": "deaf" })).await;
    assert_json!(stopped, "/success", true);
    client.hub.end_quietly().await;
}
