//! What a client finds: tools with their schemas, resources that tell of their changes, prompts.

use serde_json::{Value, json};

use super::{Client, Run, command, package, project};
use crate::support::{Home, Node};

const TOOLS: [&str; 12] = [
    "scripts_list",
    "scripts_run",
    "scripts_stop",
    "scripts_restart",
    "scripts_status",
    "scripts_input",
    "logs_search",
    "logs_tail",
    "logs_stream",
    "wait_until",
    "errors_list",
    "urls_list",
];

/// Most that the tools may take of a model's context in names, descriptions and input schemas.
const MAX_COST: usize = 6 * 1024;

async fn read(client: &Client, uri: &str) -> Value {
    let read = client.hub.request("resources/read", json!({ "uri": uri })).await.ok();
    assert_json!(read, "/contents/0/mimeType", "application/json");
    serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn every_tool_has_both_schemas() {
    let home = Home::new();
    let directory = project(&home, &[("dev", "node -p 1")], &[]);
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    let listed = client.hub.request("tools/list", Value::Null).await.ok();
    let tools = listed["tools"].as_array().unwrap();
    for name in TOOLS {
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        for schema in ["inputSchema", "outputSchema"] {
            assert_json!(tool[schema], "/type", "object");
        }
        assert_json!(tool, "/inputSchema/additionalProperties", false);
        assert!(tool["description"].as_str().is_some_and(|about| about.len() > 20), "{tool:#}");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool:#}");
    }
    let cost = |tool: &Value| {
        let text = |member: &str| tool[member].as_str().unwrap().len();
        text("name") + text("description") + tool["inputSchema"].to_string().len()
    };
    let own = tools.iter().filter(|tool| TOOLS.contains(&tool["name"].as_str().unwrap()));
    let costs: Vec<_> = own.map(|tool| (tool["name"].as_str().unwrap(), cost(tool))).collect();
    let whole: usize = costs.iter().map(|(_, cost)| cost).sum();
    println!("{costs:?}: {whole} bytes of {MAX_COST}");
    assert!(whole <= MAX_COST, "{whole}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn null_is_an_argument_that_is_not_given() {
    let home = Home::new();
    let directory = project(&home, &[("dev", "node -p 1")], &[]);
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    let nothing = json!({ "processId": null, "level": null, "limit": null, "cursor": null, "ansi": null });
    assert_json!(client.tool("logs_tail", nothing).await, "/entries", []);
    let refused = client.refused("scripts_run", json!({ "name": null })).await;
    assert!(refused.contains("missing field `name`"), "{refused}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn resources_are_read_and_tell_of_changes() {
    let home = Home::new();
    let wait = "node -e \"console.log('hello'); console.error('error: lost'); setInterval(() => {}, 1e6)\"";
    let directory = project(&home, &[("dev", wait)], &[]);
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    let listed = client.hub.request("resources/list", Value::Null).await.ok();
    let uris = ["logs://recent", "logs://errors", "processes://active", "scripts://available"];
    for uri in uris {
        let listed = listed["resources"].as_array().unwrap();
        assert!(listed.iter().any(|resource| resource["uri"] == uri), "{uri} in {listed:#?}");
        client.hub.request("resources/subscribe", json!({ "uri": uri })).await.ok();
    }
    assert_json!(read(&client, "processes://active").await, "/processes", []);
    assert_json!(read(&client, "scripts://available").await, "/scripts/dev", wait);

    let mark = client.hub.mark();
    client.run("dev").await;
    client.wait(json!({ "log": "error: lost" })).await;
    package(&directory, &[("new", "node -p 1")]);
    for uri in uris {
        let updated = client.hub.line(mark, uri, |line| {
            line.notifies("notifications/resources/updated") && line.params()["uri"] == uri
        });
        updated.await;
    }
    assert_json!(read(&client, "processes://active").await, "/processes/0/processId", "dev-1");
    assert_json!(read(&client, "scripts://available").await, "/scripts", { "new": "node -p 1" });
    let recent = read(&client, "logs://recent").await;
    assert!(
        recent["entries"].as_array().unwrap().iter().any(|entry| entry["content"] == "hello"),
        "{recent:#}"
    );
    let errors = read(&client, "logs://errors").await;
    assert_json!(errors, "/entries/0/content", "error: lost");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn the_prompt_shows_what_was_printed_around_an_error() {
    let home = Home::new();
    let fail = "console.log('connecting'); throw new RangeError('too far');";
    let directory = project(&home, &[("start", "node fail.js")], &[("fail.js", fail)]);
    let _run = Run::start(command(&home, &directory, &["start"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "exit": "start" })).await;
    let arguments = json!({ "error_message": "RangeError: too far", "context": "at the start" });
    let prompt = json!({ "name": "debug_error", "arguments": arguments });
    let got = client.hub.request("prompts/get", prompt).await.ok();
    assert_json!(got, "/messages/0/role", "user");
    let text = got["messages"][0]["content"]["text"].as_str().unwrap();
    for wanted in ["RangeError: too far", "at the start", "connecting", "fail.js:1", "errors_list"] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    let missing = client.hub.request("prompts/get", json!({ "name": "debug_error" })).await.err();
    assert!(missing.message.contains("error_message"), "{missing:?}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn every_answer_fits_the_schema_of_its_tool() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let talk =
        "console.log('http://localhost:1/ \\x1b[1mbold'); for (let i = 0; i < 3; i++) console.log('again');
        console.error(new TypeError('boom').stack); setInterval(() => {}, 1e6);";
    let directory = project(&home, &[("talk", "node talk.js"), ("other", "node -p 1")], &[("talk.js", talk)]);
    let run = Run::start(command(&home, &directory, &[]));
    let mut script = node.script("run-tools.mjs");
    script.arg(format!("http://127.0.0.1:{}/mcp", run.port().await)).arg(run.token().await);
    let report: Value = serde_json::from_str(&node.run(script).await).unwrap();
    let sorted = |names: &Value| {
        let mut names: Vec<_> =
            names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        names.sort_unstable();
        names
    };
    let mut wanted = TOOLS.map(str::to_owned);
    wanted.sort_unstable();
    assert_eq!(sorted(&report["tools"]), wanted);
    assert_eq!(sorted(&report["answered"]), wanted);
}
