//! Scripts are started with arguments, variables and ports of the client's choice.

use serde_json::{Value, json};

use super::{Client, Run, command, package, project};
use crate::support::Home;

const SHOW: &str =
    "console.log(JSON.stringify([process.argv.slice(2), process.env.VITE_API, process.env.PORT]));
    setInterval(() => {}, 1e6);";

/// What the script of this process has shown.
async fn shown(client: &Client, process: &str) -> Value {
    let waited = client.wait(json!({ "log": "^\\[\\[", "regex": true, "processId": process })).await;
    serde_json::from_str(waited["entry"]["content"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_restart_keeps_arguments_variables_and_port() {
    let home = Home::new();
    let directory = project(&home, &[("show", "node show.js")], &[("show.js", SHOW)]);
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    let wanted =
        json!({ "name": "show", "args": ["--mode", "a b"], "env": { "VITE_API": "x=1" }, "port": 20080 });
    let started = client.tool("scripts_run", wanted).await;
    assert_json!(started, "/args", ["--mode", "a b"]);
    assert_json!(started, "/env", ["VITE_API"]);
    assert_json!(started, "/port", 20080);
    assert_eq!(shown(&client, "show-1").await, json!([["--mode", "a b"], "x=1", "20080"]));
    let restarted = client.tool("scripts_restart", json!({ "processId": "show" })).await;
    assert_json!(restarted, "/processId", "show-2");
    assert_eq!(shown(&client, "show-2").await, json!([["--mode", "a b"], "x=1", "20080"]));
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn variables_that_load_code_need_the_word_of_whoever_started_the_run() {
    let home = Home::new();
    let directory = project(&home, &[("show", "node show.js")], &[("show.js", SHOW)]);
    let _run = Run::start(command(&home, &directory, &["--allow-env", "API_*"]));
    let client = Client::of(&home, &directory).await;
    let with = |name: &str| json!({ "name": "show", "env": { name: "--require ./show.js" } });
    let said = client.refused("scripts_run", with("NODE_OPTIONS")).await;
    assert!(said.contains("run --allow-env NODE_OPTIONS"), "{said}");
    let status = client.tool("scripts_status", json!({})).await;
    assert_json!(status, "/processes", []);
    client.tool("scripts_run", with("API_KEY")).await;
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_script_under_several_spellings_is_one() {
    let home = Home::new();
    let files = [
        ("package.json", r#"{ "name": "shop", "workspaces": ["packages/*"] }"#),
        ("packages/web/package.json", r#"{ "name": "@shop/web", "scripts": { "show": "node show.js" } }"#),
        ("packages/web/show.js", SHOW),
    ];
    let directory = project(&home, &[], &files);
    let _run = Run::start(command(&home, &directory, &["packages/web#show"]));
    let client = Client::of(&home, &directory).await;
    for spelling in ["@shop/web#show", "packages/web#show", "./packages/web/#show"] {
        let again = client.tool("scripts_run", json!({ "name": spelling })).await;
        assert_json!(again, "/duplicate", true);
        assert_json!(again, "/processId", "@shop/web#show-1");
        let status = client.tool("scripts_status", json!({ "name": spelling })).await;
        assert_json!(status, "/processes/0/processId", "@shop/web#show-1");
    }
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn each_git_worktree_has_ports_of_its_own() {
    let home = Home::new();
    let mut given = Vec::new();
    for name in ["one", "two"] {
        let directory = home.project(name);
        package(
            &directory,
            &[("show", "node show.js"), ("all", "concurrently show"), ("own", "PORT=81 node x")],
        );
        std::fs::write(directory.join("show.js"), SHOW).unwrap();
        let link = format!("gitdir: /elsewhere/.git/worktrees/{name}\n");
        std::fs::write(directory.join(".git"), link).unwrap();
        let _run = Run::start(command(&home, &directory, &["--name", name, "show"]));
        let client = Client::of(&home, &directory).await;
        let port = shown(&client, "show").await[2].as_str().unwrap().parse::<u16>().unwrap();
        let status = client.tool("scripts_status", json!({})).await;
        assert_json!(status, "/processes/0/port", port);
        given.push(port);
        for without in ["all", "own"] {
            let started = client.tool("scripts_run", json!({ "name": without })).await;
            assert_eq!(started["port"], Value::Null, "{without}");
        }
        client.hub.end_quietly().await;
    }
    assert_ne!(given[0], given[1]);
}
