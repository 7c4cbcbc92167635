//! Whoever sees only the text of an answer and whoever sees only its structured part are told the same.

use serde_json::{Value, json};

use super::{Client, Run, SERVER, command, project};
use crate::support::Home;

/// What is found in an entry's own text, and needs no word.
const DERIVED: [&str; 2] = ["priority", "tags"];

/// The words around the facts.
const GLUE: &str = "all file process from to listens on args env PORT seems to wait for an answer to scripts_input stderr warn error last \
    UTC cursor olderCursor ended as many lines as asked for the time is over not running any more listening there printed \
    another machine seen log entry at resolved does say whether its last build is clean errors that are not has building \
    is in are run by of scripts warning waited ms met unknown status until";

/// What a text says instead of `true` and `false`.
fn words(key: &str, value: bool) -> &'static str {
    match (key, value) {
        ("isError", true) => "stderr",
        ("duplicate", true) => "runs already",
        ("duplicate", false) => "started `",
        ("success", true) => "does not run any more",
        ("met", true) => "met: ",
        ("met", false) => "not met: ",
        ("resolved", true) => ", resolved",
        ("browser", true) => ", in the browser",
        ("running", false) => "not running any more",
        ("listening", true) => "listen",
        ("listening", false) => "not listening",
        ("printed", false) => "not printed",
        ("truncated", true) => "(",
        ("truncated" | "isError" | "resolved" | "browser", false)
        | ("running" | "printed" | "local", true) => "",
        ("local", false) => "another machine",
        other => panic!("{other:?} is new to this test"),
    }
}

/// Each fact of the structured part must be in the text.
fn told(key: &str, value: &Value, text: &str) -> Result<(), String> {
    let has = |wanted: &str| match text.contains(wanted) {
        true => Ok(()),
        false => Err(format!("the text lacks {wanted:?} ({key})")),
    };
    match value {
        Value::Null => Ok(()),
        Value::Bool(value) => has(words(key, *value)),
        Value::Number(level) if key == "level" => {
            has(["debug", "", "warn", "error", "critical"][usize::try_from(level.as_u64().unwrap()).unwrap()])
        }
        // In so many words.
        Value::Number(total) if key == "total" && total.as_u64() == Some(0) => has("no errors"),
        // A script without errors is told without a number.
        Value::Number(errors) if key == "errors" && errors.as_u64() == Some(0) => Ok(()),
        Value::Number(number) => has(&number.to_string()),
        Value::String(time) if time.parse::<jiff::Timestamp>().is_ok() => {
            time.trim_end_matches('Z').split('T').try_for_each(has)
        }
        Value::String(lines) => lines.lines().try_for_each(|line| has(line.trim_end())),
        Value::Array(items) => items.iter().try_for_each(|item| told("", item, text)),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            if key == "scripts" && value.is_string() {
                has(name)?;
            }
            if DERIVED.contains(&name.as_str()) { Ok(()) } else { told(name, value, text) }
        }),
    }
}

/// Each word of the text must be in the structured part.
fn structured(text: &str, value: &Value) -> Result<(), String> {
    fn gather(value: &Value, into: &mut String) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| gather(item, into)),
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                into.push_str(&format!(" {name} "));
                gather(value, into);
            }),
            Value::String(text) => into.push_str(&format!(" {text} ")),
            other => into.push_str(&format!(" {other} ")),
        }
    }
    let mut all = String::new();
    gather(value, &mut all);
    let glue: Vec<&str> = GLUE.split_whitespace().collect();
    let edge = |it: char| !it.is_alphanumeric();
    for word in text.split_whitespace().map(|word| word.trim_matches(edge)) {
        let parts = word.split("\",\"");
        for word in parts.filter(|word| !word.is_empty()) {
            if !all.contains(word) && !glue.contains(&word) {
                return Err(format!("the structured part lacks {word:?}"));
            }
        }
    }
    Ok(())
}

/// Calls tools and compares both parts of their answers.
struct Both<'a> {
    client: &'a Client,
    lacks: Vec<String>,
}

impl Both<'_> {
    /// Calls a tool; returns the structured part.
    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.client.hub.call(tool, arguments.clone()).await.ok();
        assert_ne!(result["isError"], true, "{tool} {arguments}: {result:#}");
        let (text, value) = (result["content"][0]["text"].as_str().unwrap(), &result["structuredContent"]);
        if let Err(lack) = told("", value, text).and_then(|()| structured(text, value)) {
            self.lacks.push(format!("{tool} {arguments}: {lack}\n{text}\n{value}"));
        }
        value.clone()
    }
}

#[tokio::test]
async fn both_parts_of_an_answer_say_the_same() {
    let home = Home::new();
    let dev = format!("{SERVER}; setInterval(() => {{}}, 1e6)");
    let noisy = "console.log('http://localhost:1/ http://example.org/x'); for (let i = 0; i < 3; i++) console.log('again');
        console.error(new TypeError('boom').stack); console.warn('warning: careful');
        console.log('y'.repeat(3000)); process.stdout.write('Go on? (y/N) '); setInterval(() => {}, 1e6);";
    let scripts = [
        ("dev", "node dev.js"),
        ("noisy", "node noisy.js"),
        ("fail", "node -e \"process.exit(3)\""),
        ("ok", "node -p 1"),
    ];
    let directory = project(
        &home,
        &scripts,
        &[("dev.js", &dev), ("noisy.js", noisy), ("Makefile", ".PHONY: all\nall:\n\ttrue\n")],
    );
    let logs = home.path().join("logs");
    let _run = Run::start(command(&home, &directory, &["--log-dir", logs.to_str().unwrap()]));
    let client = Client::of(&home, &directory).await;

    let mut both = Both { client: &client, lacks: Vec::new() };

    // Nothing was started yet.
    for tool in ["scripts_list", "scripts_status", "logs_tail", "errors_list", "urls_list"] {
        both.call(tool, json!({})).await;
    }
    both.call("scripts_status", json!({ "name": "dev" })).await;
    both.call("logs_search", json!({ "query": "nothing" })).await;

    let started = json!({ "name": "dev", "args": ["--a b"], "env": { "DEBUG": "1" }, "port": 4 });
    assert_json!(both.call("scripts_run", started.clone()).await, "/duplicate", false);
    assert_json!(both.call("scripts_run", started).await, "/duplicate", true);
    both.call("scripts_run", json!({ "name": "noisy" })).await;
    for script in ["fail", "ok"] {
        both.call("scripts_run", json!({ "name": script })).await;
        assert_json!(both.call("wait_until", json!({ "exit": script })).await, "/met", true);
    }
    let local = both.call("wait_until", json!({ "log": "Local:" })).await;
    let port = local["entry"]["content"]
        .as_str()
        .unwrap()
        .rsplit([':', '/'])
        .nth(1)
        .unwrap()
        .parse::<u16>()
        .unwrap();
    let url = format!("http://127.0.0.1:{port}/");
    both.call("wait_until", json!({ "url": url, "port": port, "processId": "dev" })).await;
    both.call("wait_until", json!({ "port": port, "processId": "noisy", "timeoutSeconds": 0 })).await;
    both.call("wait_until", json!({ "log": "Go on" })).await;
    both.call("wait_until", json!({ "log": "never", "processId": "noisy", "timeoutSeconds": 9 })).await;
    both.call("wait_until", json!({ "log": "never", "processId": "ok" })).await;
    both.call("wait_until", json!({ "clean": "noisy", "timeoutSeconds": 0 })).await;
    both.call("wait_until", json!({ "clean": "ok" })).await;

    both.call("scripts_status", json!({})).await;
    both.call("scripts_status", json!({ "name": "noisy" })).await;
    let tail = both.call("logs_tail", json!({ "processId": "noisy" })).await;
    let lines = tail["entries"].as_array().unwrap();
    assert!(lines.iter().any(|entry| entry["repeats"] == 3), "{tail:#}");
    let short = both.call("logs_tail", json!({ "limit": 1 })).await;
    both.call("logs_tail", json!({ "limit": 1, "cursor": short["olderCursor"] })).await;
    both.call("logs_tail", json!({ "cursor": short["cursor"] })).await;
    both.call("logs_search", json!({ "query": "a", "level": "warn" })).await;
    both.call("logs_stream", json!({ "follow": false })).await;
    both.call("logs_stream", json!({ "seconds": 0 })).await;
    both.call("logs_stream", json!({ "processId": "ok" })).await;
    assert_json!(both.call("errors_list", json!({})).await, "/errors/0/message", "TypeError: boom");
    both.call("urls_list", json!({})).await;
    both.call("urls_list", json!({ "all": true })).await;
    both.call("scripts_input", json!({ "processId": "noisy", "text": "y" })).await;
    both.call("scripts_input", json!({ "processId": "noisy", "key": "enter" })).await;

    both.call("scripts_restart", json!({ "processId": "noisy" })).await;
    both.call("errors_list", json!({ "resolved": true, "limit": 1 })).await;
    both.call("scripts_stop", json!({ "processId": "noisy" })).await;
    both.call("scripts_stop", json!({ "processId": "noisy" })).await;
    both.call("scripts_stop", json!({ "processId": "dev", "graceSeconds": 0 })).await;
    both.call("scripts_status", json!({})).await;
    both.call("urls_list", json!({ "all": true })).await;
    assert!(both.lacks.is_empty(), "{}", both.lacks.join("\n\n"));
    client.hub.end_quietly().await;
}
