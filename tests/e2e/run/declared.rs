//! What other files than `package.json` declare, and commands from the command line.

use serde_json::{Value, json};

use super::{Client, Run, SERVER, bare, command, project};
use crate::support::Home;

#[tokio::test]
async fn a_project_without_a_package_json_runs_what_its_files_declare() {
    let home = Home::new();
    let directory = home.project("shop");
    std::fs::write(directory.join("server.js"), SERVER).unwrap();
    let procfile = "web: node server.js\nsays: node -p 6*7\n";
    std::fs::write(directory.join("Procfile"), procfile).unwrap();
    std::fs::write(directory.join("deno.json"), "{ \"tasks\": ").unwrap();
    let run = Run::start(command(&home, &directory, &["web"]));
    run.says("warning: deno.json is not valid JSON").await;
    let client = Client::of(&home, &directory).await;
    let listed = client.tool("scripts_list", json!({})).await;
    let web = json!({ "name": "proc:web", "file": "Procfile", "command": "node server.js" });
    assert_json!(listed, "/declared/0", web);
    assert_eq!(listed["packageManager"], Value::Null);
    client.wait(json!({ "log": "Local:", "processId": "proc:web" })).await;
    let again = client.tool("scripts_run", json!({ "name": "web" })).await;
    assert_json!(again, "/duplicate", true);
    client.tool("scripts_run", json!({ "name": "proc:says" })).await;
    client.wait(json!({ "log": "42", "exit": "proc:says" })).await;
    let said = client.refused("scripts_run", json!({ "name": "rm -rf ." })).await;
    assert!(said.contains("there is no script `rm -rf .`; there are `proc:web`, `proc:says`"), "{said}");
    // An edit counts at once.
    std::fs::write(directory.join("Procfile"), "says: node -p 6*9\n").unwrap();
    let said = client.refused("scripts_restart", json!({ "processId": "proc:web" })).await;
    assert!(said.contains("there is no script `proc:web`"), "{said}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_declared_port_is_the_port_of_its_command() {
    let home = Home::new();
    let launch = r#"{ "configurations": [ { "name": "shown", "program": "show.js", "port": 20099, "env": { "A": "b" } } ] }"#;
    let show = "console.log('PORT', process.env.PORT, process.env.A, process.argv[2])";
    let files = [(".claude/launch.json", launch), ("show.js", show)];
    let directory = project(&home, &[("dev", "node -p 1")], &files);
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    let started = client.tool("scripts_run", json!({ "name": "shown", "args": ["more"] })).await;
    assert_json!(started, "/name", "launch:shown");
    assert_json!(started, "/port", 20099);
    client.wait(json!({ "log": "PORT 20099 b more", "processId": "shown" })).await;
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_command_from_the_command_line_runs_like_a_script() {
    let home = Home::new();
    let directory = home.project("shop");
    let up = "console.log('up', process.argv[2]); setInterval(() => {}, 1e6)";
    std::fs::write(directory.join("up.js"), up).unwrap();
    let mut command = bare(&home);
    command.arg("run").arg("--dir").arg(&directory).args(["--port", "0"]);
    command.args(["--", "node", "up.js", "--no-tui"]);
    let _run = Run::start(command);
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "up --no-tui", "processId": "node" })).await;
    let restarted = client.tool("scripts_restart", json!({ "processId": "node" })).await;
    assert_json!(restarted, "/processId", "node-2");
    client.wait(json!({ "log": "up --no-tui", "processId": "node-2" })).await;
    client.hub.end_quietly().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_target_of_a_makefile_runs_by_make() {
    if std::process::Command::new("make").arg("--version").output().is_err() {
        eprintln!("skipped: there is no make");
        return;
    }
    let home = Home::new();
    let directory = home.project("shop");
    std::fs::write(directory.join("Makefile"), ".PHONY: say\nsay:\n\t@echo made of $(WORD)\n").unwrap();
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    client.tool("scripts_run", json!({ "name": "make:say", "args": ["WORD=oak"] })).await;
    client.wait(json!({ "log": "made of oak", "exit": "make:say" })).await;
    client.hub.end_quietly().await;
}

/// A `docker` that takes six seconds to end its containers, which is longer than scripts have otherwise.
#[cfg(unix)]
const DOCKER: &str = "#!/usr/bin/env node
process.on('SIGTERM', () => { console.log('ending'); setTimeout(() => { console.log('ended in order'); process.exit(0); }, 6000); });
console.log('up', process.argv.slice(2).join(' '));
setInterval(() => {}, 1e6);";

#[cfg(unix)]
#[tokio::test]
async fn a_service_gets_the_time_to_end_that_its_file_grants() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    let file = "services:\n  web: { image: x, depends_on: { db: { condition: service_healthy } }, stop_grace_period: 20s }\n  db: { image: y }\n";
    let directory =
        project(&home, &[("dev", "node -p 1")], &[("compose.yaml", file), ("bin/docker", DOCKER)]);
    let docker = directory.join("bin/docker");
    std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = command(&home, &directory, &["compose:web"]);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", docker.parent().unwrap().display()));
    let run = Run::start(command);
    run.prints("up compose up --no-log-prefix web").await;
    run.signal(rustix::process::Signal::TERM);
    let ended = run.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("ended in order"), "{ended:?}");
    assert!(ended.stderr.contains("compose:web: stopped (exit code 0)"), "{ended:?}");
}
