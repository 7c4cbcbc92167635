//! What scripts print is kept, searched and cut to size.

use serde_json::{Value, json};

use super::{Client, Run, command, project};
use crate::support::Home;

const TALK: &str = "
console.log('\\x1b[32mready\\x1b[0m in 5 ms');
console.log('token: ghp_' + 'a1B2'.repeat(9));
console.error('(node:1) Warning: old');
console.error(new TypeError('boom').stack);
console.log('listening on 3000');
process.stdout.write('Go on? ');
setInterval(() => {}, 1e6);";

fn contents(page: &Value) -> Vec<&str> {
    page["entries"].as_array().unwrap().iter().map(|entry| entry["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lines_have_levels_repeats_and_no_secrets() {
    let home = Home::new();
    // On its own: what comes by standard error falls anywhere between the lines of standard output.
    let tick = "for (let i = 0; i < 50; i++) console.log('tick');";
    let scripts = [("talk", "node talk.js"), ("tick", "node tick.js")];
    let directory = project(&home, &scripts, &[("talk.js", TALK), ("tick.js", tick)]);
    let _run = Run::start(command(&home, &directory, &["talk"]));
    let client = Client::of(&home, &directory).await;
    // Also what has no line end yet.
    client.wait(json!({ "log": "Go on?" })).await;
    let search = |query: Value| client.tool("logs_search", query);

    let found = search(json!({ "query": "READY" })).await;
    assert_eq!(contents(&found), ["ready in 5 ms"]);
    let found = search(json!({ "query": "ready", "ansi": true })).await;
    assert_eq!(contents(&found), ["\u{1b}[32mready\u{1b}[0m in 5 ms"]);
    let found = search(json!({ "query": "token" })).await;
    assert_eq!(contents(&found), ["token: ghp_[masked]"]);
    client.run("tick").await;
    client.wait(json!({ "exit": "tick" })).await;
    let found = search(json!({ "query": "^tick$", "regex": true })).await;
    assert_json!(found, "/entries/0/repeats", 50);
    assert_eq!(found["entries"].as_array().unwrap().len(), 1);
    let found = search(json!({ "query": "TypeError", "level": "error" })).await;
    let trace = contents(&found)[0];
    assert!(trace.starts_with("TypeError: boom\n    at ") && trace.lines().count() > 2, "{trace}");
    assert_json!(found, "/entries/0/level", 3);
    assert_json!(found, "/entries/0/isError", true);
    let found = search(json!({ "query": "o", "level": "warn", "processId": "talk", "since": "10m" })).await;
    assert!(contents(&found).iter().any(|line| line.contains("Warning: old")), "{found:#}");
    assert!(!contents(&found).iter().any(|line| line.contains("listening")), "{found:#}");
    let found = search(json!({ "query": "nowhere" })).await;
    assert_json!(found, "/entries", []);
    let errors = client.tool("errors_list", json!({ "processId": "talk" })).await;
    assert_json!(errors, "/errors/0/message", "TypeError: boom");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn cursors_lead_to_what_is_new_and_to_what_is_old() {
    let home = Home::new();
    let count = "for (let i = 1; i <= 30; i++) console.log('line ' + i);";
    let directory = project(
        &home,
        &[("count", "node count.js"), ("more", "node -p \"'line 31'\"")],
        &[("count.js", count)],
    );
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    client.run("count").await;
    client.wait(json!({ "exit": "count" })).await;
    let lines = json!({ "query": "^line \\d+$", "regex": true, "limit": 10 });
    let with = |cursor: &Value| {
        let mut arguments = lines.clone();
        arguments["cursor"] = cursor.clone();
        arguments
    };
    let newest = client.tool("logs_search", lines.clone()).await;
    assert_eq!(contents(&newest).first(), Some(&"line 21"));
    assert_json!(newest, "/truncated", true);
    let older = client.tool("logs_search", with(&newest["olderCursor"])).await;
    assert_eq!(contents(&older).first(), Some(&"line 11"));
    let newer = client.tool("logs_search", with(&newest["cursor"])).await;
    assert_json!(newer, "/entries", []);
    client.run("more").await;
    client.wait(json!({ "exit": "more" })).await;
    let newer = client.tool("logs_search", with(&newer["cursor"])).await;
    assert_eq!(contents(&newer), ["line 31"]);
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_flood_is_taken_and_bounded() {
    let home = Home::new();
    // As fast as it can: hundreds of thousands of lines a second.
    let flood = "const block = n => Array.from({ length: 1000 }, (_, i) => 'line ' + (n * 1000 + i)).join('\\n') + '\\n';
        for (let n = 0; n < 300; n++) require('fs').writeSync(1, block(n));
        console.log('flood is over'); setInterval(() => {}, 1e6);";
    let directory = project(&home, &[("flood", "node flood.js")], &[("flood.js", flood)]);
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    let before = client.tool("logs_tail", json!({})).await;
    client.run("flood").await;
    client.wait(json!({ "log": "flood is over" })).await;
    // The last 10,000 lines are there, the others are not.
    let kept = client.tool("logs_search", json!({ "query": "line 290001", "limit": 1 })).await;
    assert_eq!(contents(&kept), ["line 290001"]);
    let gone = client.tool("logs_search", json!({ "query": "^line 289990$", "regex": true })).await;
    assert_json!(gone, "/entries", []);
    let since = client.tool("logs_tail", json!({ "cursor": before["cursor"], "limit": 5 })).await;
    assert_json!(since, "/truncated", true);
    assert!(since["note"].as_str().unwrap().contains("overwritten"), "{since:#}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn answers_fit_into_a_context() {
    let home = Home::new();
    let long = "console.log('x'.repeat(50000)); for (let i = 0; i < 900; i++) console.log(i + ' ' + 'y'.repeat(500)); \
        console.log('done');";
    let scripts = [("long", "node long.js"), ("short", "node short.js")];
    let short = "for (let i = 0; i < 1000; i++) console.log(i);";
    let directory = project(&home, &scripts, &[("long.js", long), ("short.js", short)]);
    let _run = Run::start(command(&home, &directory, &["long"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "exit": "long" })).await;
    let page = client.tool("logs_tail", json!({ "limit": 1000 })).await;
    // All of the structured part counts, not the texts alone.
    let size = page.to_string().len();
    assert!((20_000..33_000).contains(&size), "{size}");
    assert_eq!(contents(&page).last(), Some(&"done"));
    assert!(page["note"].as_str().unwrap().contains("left out"), "{}", page["note"]);
    // Many short lines cost more than their text.
    let short = client.tool("scripts_run", json!({ "name": "short" })).await;
    client.wait(json!({ "exit": "short" })).await;
    let page = client.tool("logs_tail", json!({ "processId": short["processId"], "limit": 1000 })).await;
    assert!(page.to_string().len() < 33_000, "{}", page.to_string().len());
    assert_eq!(contents(&page).last(), Some(&"999"));
    let found = client.tool("logs_search", json!({ "query": "xxxx" })).await;
    let line = contents(&found)[0];
    assert!(line.len() < 2_100 && line.contains("more characters"), "{line}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let home = Home::new();
    let names: Vec<String> = (0..900).map(|number| format!("script-{number:03}")).collect();
    let scripts: Vec<(&str, &str)> =
        names.iter().map(|name| (name.as_str(), "node --enable-source-maps x.js")).collect();
    let directory = project(&home, &scripts, &[("Makefile", "last:\n\ttrue\n")]);
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    let (mut seen, mut declared, mut arguments) = (Vec::new(), Value::Null, json!({}));
    loop {
        let page = client.tool("scripts_list", arguments).await;
        assert!(page.to_string().len() < 34_000, "{}", page.to_string().len());
        seen.extend(page["scripts"].as_object().unwrap().keys().cloned());
        declared = if page["declared"].is_null() { declared } else { page["declared"].clone() };
        if page["cursor"].is_null() {
            break;
        }
        assert!(page["note"].as_str().unwrap().contains("there are more"), "{page:#}");
        arguments = json!({ "cursor": page["cursor"] });
    }
    assert_eq!(seen, names);
    assert_json!(declared, "/0/name", "make:last");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn the_log_is_written_where_the_person_wants_it() {
    let home = Home::new();
    let say = "console.log('plain'); console.error('\\x1b[31mred\\x1b[0m API_KEY=abcdefgh12345678'); \
               console.log('\\u202egnp\\u2066 bell\\x07'); console.log('last');";
    let script = "node say.js --token opensesame mysql -popensesame";
    let directory = project(&home, &[("say:it", script)], &[("say.js", say)]);
    let logs = home.path().join("new").join("logs");
    let arguments = ["--log-dir", logs.to_str().unwrap(), "--exit", "say:it"];
    for times in [1, 2] {
        let ended = Run::start(command(&home, &directory, &arguments)).end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let text = std::fs::read_to_string(logs.join("say%3Ait.log")).unwrap();
        for wanted in [
            "Z | plain\n",
            "Z ! red API_KEY=",
            "Z | \u{fffd}gnp\u{fffd} bell\n",
            "Z | last\n",
            "--- say:it-1: node say.js --token [masked] mysql -p[masked]\n",
        ] {
            assert_eq!(text.matches(wanted).count(), times, "{wanted} in {text}");
        }
        assert!(!text.contains("abcdefgh12345678") && !text.contains("opensesame"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !brummer_hub::terminal::is_harmful(c)), "{text:?}");
    }
    let file = directory.join("package.json");
    let arguments = ["--log-dir", file.to_str().unwrap()];
    let ended = Run::start(command(&home, &directory, &arguments)).end().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("--log-dir: cannot write into"), "{}", ended.stderr);
}
