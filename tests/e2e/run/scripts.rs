//! Scripts are found, started, stopped and restarted.

use brummer_hub::process::wait_for_exit;
use serde_json::json;
use tokio::net::TcpStream;

use super::{Client, Run, SERVER, command, package, project};
use crate::support::{Home, expect, process_path};

/// Forks a child and one that leaves the group; none of them minds being asked to end.
const STUBBORN: &str = "
const { spawn } = require('child_process');
const deaf = `process.on('SIGTERM', () => {}); process.on('SIGBREAK', () => {}); console.log(process.argv[1], process.pid); setInterval(() => {}, 1e6)`;
process.on('SIGTERM', () => console.log('no'));
process.on('SIGBREAK', () => console.log('no'));
spawn(process.execPath, ['-e', deaf, 'child'], { stdio: 'inherit' });
spawn(process.execPath, ['-e', deaf, 'detached'], { stdio: 'inherit', detached: true });
console.log('parent', process.pid);
setInterval(() => {}, 1e6);";

#[tokio::test]
async fn a_dev_server_is_started_waited_for_and_stopped() {
    let home = Home::new();
    let directory = project(&home, &[("dev", "node server.js")], &[("server.js", SERVER)]);
    let run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;

    let listed = client.tool("scripts_list", json!({})).await;
    assert_json!(listed, "/scripts", { "dev": "node server.js" });
    assert_json!(listed, "/packageManager", "npm");
    let id = client.run("dev").await;
    client.wait(json!({ "log": "Local:", "processId": id })).await;
    let urls = client.tool("urls_list", json!({})).await;
    assert_json!(urls, "/urls/0/label", "Local");
    assert_json!(urls, "/urls/0/processId", id);
    let url = urls["urls"][0]["url"].as_str().unwrap().to_owned();
    let waited = client.wait(json!({ "url": url, "processId": "dev" })).await;
    assert_json!(waited, "/status", 200);
    let port: u16 = url.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    client.wait(json!({ "port": port })).await;

    let status = client.tool("scripts_status", json!({ "name": "dev" })).await;
    assert_json!(status, "/processes/0/status", "running");
    assert_json!(status, "/processes/0/urls/0/url", url);
    let again = client.tool("scripts_run", json!({ "name": "dev" })).await;
    assert_json!(again, "/duplicate", true);
    assert_json!(again, "/processId", id);

    let stopped = client.tool("scripts_stop", json!({ "processId": id })).await;
    assert_json!(stopped, "/success", true);
    assert_json!(stopped, "/status", "stopped");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the server has ended");
    run.says("dev serves http://127.0.0.1:").await;
    run.prints("dev | ").await;
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn what_a_script_serves_is_a_dev_server_until_it_ends() {
    let home = Home::new();
    let directory = project(&home, &[("dev", "node server.js")], &[("server.js", SERVER)]);
    let run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    let servers = |wanted: usize| {
        let hub = &client.hub;
        expect("the dev servers", async move {
            loop {
                let listed = hub.hub_tool("instances_list", json!({})).await;
                let servers = listed["dev_servers"].as_array().cloned().unwrap_or_default();
                if servers.len() == wanted {
                    return servers;
                }
            }
        })
    };
    let found = servers(1).await;
    let urls = client.tool("urls_list", json!({})).await;
    assert_eq!(found[0]["url"], urls["urls"][0]["url"], "both say the same");
    assert_json!(found[0], "/script", "dev");
    assert_json!(found[0], "/source", "run");
    assert_json!(found[0], "/path", process_path(&directory));
    assert!(found[0]["started"].is_string() && found[0]["pid"].is_u64(), "{found:?}");
    let waited = client.wait(json!({ "url": found[0]["url"], "processId": "dev" })).await;
    assert_json!(waited, "/status", 200);
    let text = client.hub.call("instances_list", json!({})).await;
    assert!(text.text().contains("use it instead of starting another"), "{}", text.raw);

    client.tool("scripts_stop", json!({ "processId": "dev" })).await;
    servers(0).await;
    client.run("dev").await;
    servers(1).await;
    // Whatever is killed leaves no server in the list, and its file goes with the next run.
    let file = home.data().join("served").read_dir().unwrap().next().unwrap().unwrap().path();
    let mut child = run.child;
    child.kill().await.unwrap();
    servers(0).await;
    if !cfg!(windows) {
        assert!(file.exists(), "who was killed took nothing back");
    }
    let next = Run::start(command(&home, &directory, &[]));
    next.says("MCP at").await;
    expect("it is cleared away", async {
        while file.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_failing_build_says_what_failed() {
    let home = Home::new();
    let build = "console.log('building');
        console.error('src/shop.ts(3,5): error TS2322: Type \\'string\\' is not assignable to type \\'number\\'.');
        process.exitCode = 2;";
    let directory = project(&home, &[("build", "node build.js")], &[("build.js", build)]);
    let run = Run::start(command(&home, &directory, &["build"]));
    run.says("build: failed: exit code 2").await;
    let client = Client::of(&home, &directory).await;
    let waited = client.wait(json!({ "exit": "build" })).await;
    assert_json!(waited, "/process/status", "failed");
    assert_json!(waited, "/process/exitCode", 2);
    let errors = client.tool("errors_list", json!({})).await;
    let error = errors["errors"].as_array().unwrap().iter().find(|error| error["kind"] == "TS2322").unwrap();
    assert_json!(error, "/place", "src/shop.ts:3:5");
    assert_json!(error, "/count", 1);
    // Whoever waits for it to be ready is not left waiting.
    let waited = client.tool("wait_until", json!({ "log": "ready", "processId": "build" })).await;
    assert_json!(waited, "/met", false);
    assert_json!(waited, "/process/exitCode", 2);
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn stubborn_scripts_end_with_all_their_children() {
    let home = Home::new();
    let directory = project(&home, &[("dev", "node stubborn.js")], &[("stubborn.js", STUBBORN)]);
    let _run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    let mut family = Vec::new();
    for member in ["parent", "child", "detached"] {
        family.push(client.number(&format!("{member} ")).await);
    }
    let stopped = client.tool("scripts_stop", json!({ "processId": "dev", "graceSeconds": 0.2 })).await;
    assert_json!(stopped, "/success", true);
    for pid in family {
        expect("the whole family has ended", wait_for_exit(pid)).await;
    }
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn what_a_script_leaves_behind_ends_with_it() {
    let home = Home::new();
    let leave = "const { spawn } = require('child_process');
        const left = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'inherit', detached: true });
        console.log('left', left.pid); left.unref();";
    let directory = project(&home, &[("start", "node leave.js")], &[("leave.js", leave)]);
    let _run = Run::start(command(&home, &directory, &["start"]));
    let client = Client::of(&home, &directory).await;
    // By its name, as it may have ended before the client was there.
    let said = client.wait(json!({ "log": "left ", "processId": "start" })).await;
    let left = said["entry"]["content"].as_str().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    let waited = client.wait(json!({ "exit": "start" })).await;
    assert_json!(waited, "/process/status", "success");
    expect("what was left has ended", wait_for_exit(left)).await;
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_restart_follows_package_json() {
    let home = Home::new();
    let wait = |word: &str| format!("node -e \"console.log('{word}'); setInterval(() => {{}}, 1e6)\"");
    let directory = project(&home, &[("dev", &wait("first"))], &[]);
    let _run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "^first$", "regex": true })).await;
    package(&directory, &[("dev", &wait("second")), ("new", "node -p 6*7")]);
    let restarted = client.tool("scripts_restart", json!({ "processId": "dev" })).await;
    assert_json!(restarted, "/processId", "dev-2");
    client.wait(json!({ "log": "^second$", "regex": true, "processId": "dev-2" })).await;
    let status = client.tool("scripts_status", json!({})).await;
    assert_json!(status, "/processes/0/status", "stopped");
    assert_json!(status, "/processes/1/status", "running");
    // One that never ran is started.
    let started = client.tool("scripts_restart", json!({ "processId": "new" })).await;
    assert_json!(started, "/processId", "new-3");
    client.wait(json!({ "log": "42", "processId": "new" })).await;
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn arguments_and_environment_reach_the_script() {
    let home = Home::new();
    let show = "console.log(JSON.stringify([process.argv.slice(2), process.env.PYTHONUNBUFFERED, process.env.TERM, process.cwd()]));
        process.stdin.resume(); process.stdin.on('end', () => console.log('stdin ended'));";
    let directory = project(&home, &[("show", "node show.js")], &[("show.js", show)]);
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    client.tool("scripts_run", json!({ "name": "show", "args": ["--port", "a b"] })).await;
    let waited = client.wait(json!({ "log": "^\\[\\[", "regex": true })).await;
    let shown: serde_json::Value =
        serde_json::from_str(waited["entry"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(shown[0], json!(["--port", "a b"]));
    assert_eq!(shown[1], "1");
    assert_eq!(shown[2], "xterm-256color");
    assert_eq!(shown[3], crate::support::process_path(&directory));
    // A terminal at which nobody types does not end.
    let waited = client.tool("wait_until", json!({ "exit": "show", "timeoutSeconds": 0.5 })).await;
    assert_json!(waited, "/met", false);
    client.hub.end_quietly().await;
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_script_takes_from_other_programs_has_no_colours() {
    let home = Home::new();
    // `node -p` has colours where they are forced.
    let project = project(
        &home,
        &[],
        &[
            (
                "package.json",
                r#"{ "config": { "port": 47123 }, "scripts": {
        "dev": "node print.js $(node -p 'require(`./package.json`).config.port')" } }"#,
            ),
            (
                "print.js",
                "console.log(JSON.stringify([process.argv[2], process.env.FORCE_COLOR ?? null, process.env.AI_AGENT]))",
            ),
        ],
    );
    let _run = Run::start(command(&home, &project, &[]));
    let client = Client::of(&home, &project).await;
    client.run("dev").await;
    client.wait(json!({ "exit": "dev" })).await;
    let lines = client.lines(json!({ "processId": "dev" })).await;
    let wanted = r#"["47123",null,"brummer"]"#;
    assert!(lines.iter().any(|line| line == wanted), "{lines:#?}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn the_command_that_npm_shows_is_not_the_script() {
    let home = Home::new();
    // npm shows `> node up.js ready http://localhost:9/ Error: no` before the script says anything.
    let directory = project(
        &home,
        &[("dev", "node up.js ready http://localhost:9/ Error: no")],
        &[("up.js", "console.log('up'); setInterval(() => {}, 1e6);")],
    );
    let _run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "up" })).await;
    let found = client.tool("logs_search", json!({ "query": "up.js ready" })).await;
    assert_eq!(found["entries"].as_array().unwrap().len(), 1, "{found:#}");
    for processes in [json!({}), json!({ "processId": "dev" })] {
        let mut ready = processes;
        ready["log"] = json!("ready");
        ready["timeoutSeconds"] = json!(0.2);
        let waited = client.tool("wait_until", ready).await;
        assert_json!(waited, "/met", false);
    }
    let errors = client.tool("errors_list", json!({})).await;
    assert_json!(errors, "/errors", []);
    let urls = client.tool("urls_list", json!({})).await;
    assert_json!(urls, "/urls", []);
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn scripts_of_workspaces_run_in_their_place() {
    let home = Home::new();
    let web = r#"{ "name": "@shop/web", "scripts": { "where": "node where.js" } }"#;
    let files = [
        (
            "package.json",
            r#"{ "name": "shop", "workspaces": ["packages/*"], "scripts": { "dev": "node -p 1" } }"#,
        ),
        ("packages/web/package.json", web),
        ("packages/web/where.js", "console.log(process.cwd())"),
    ];
    let directory = project(&home, &[], &files);
    let _run = Run::start(command(&home, &directory, &["@shop/web#where"]));
    let client = Client::of(&home, &directory).await;
    let listed = client.tool("scripts_list", json!({})).await;
    assert_json!(listed, "/workspaces/0/name", "@shop/web");
    assert_json!(listed, "/workspaces/0/scripts", { "where": "node where.js" });
    client.wait(json!({ "exit": "@shop/web#where" })).await;
    let place = crate::support::process_path(&directory.join("packages").join("web"));
    let lines = client.lines(json!({ "processId": "@shop/web#where" })).await;
    assert!(lines.contains(&place), "{lines:?}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn mistakes_are_answered_with_what_would_be_right() {
    let home = Home::new();
    let directory = project(&home, &[("dev", "node -p 1"), ("test", "node -p 2")], &[]);
    let _run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    for (tool, arguments, words) in [
        ("scripts_run", json!({ "name": "tset" }), "no script `tset`; there are `dev`, `test`"),
        (
            "scripts_run",
            json!({ "script": "dev" }),
            "unknown field `script`, expected one of `name`, `args`, `env`, `port`",
        ),
        ("scripts_run", json!({}), "missing field `name`"),
        ("scripts_stop", json!({ "processId": "web" }), "no process `web`; there are `dev-1`"),
        ("scripts_stop", json!({ "processId": "dev", "graceSeconds": 1000 }), "from 0 to 60"),
        ("scripts_status", json!({ "name": "web" }), "there is no script `web`"),
        ("logs_search", json!({ "query": "(", "regex": true }), "unclosed group"),
        ("logs_tail", json!({ "cursor": "x" }), "not a cursor of this run"),
        ("logs_tail", json!({ "limit": 0 }), "from 1 to 1000"),
        ("logs_search", json!({ "query": "x", "since": "soon" }), "is not a valid time"),
        ("wait_until", json!({}), "at least one of"),
        ("wait_until", json!({ "url": "http://example.com", }), "only URLs of this machine"),
        ("wait_until", json!({ "port": 0 }), "from 1 to 65535"),
    ] {
        let said = client.refused(tool, arguments.clone()).await;
        assert!(said.contains(words), "{tool} {arguments}: {said}");
    }
    let status = client.tool("scripts_status", json!({ "name": "test" })).await;
    assert_json!(status, "/processes", [{ "name": "test", "status": "not running" }]);
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn secrets_in_commands_and_arguments_reach_the_script_and_not_the_model() {
    let home = Home::new();
    let serve = "DB_PASSWORD=hushhush node say.js --token hushhush postgres://u:hushhush@h/x sshpass";
    let say =
        "console.log(process.argv.slice(2).filter(word => word.includes('hushhush')).length + ' arrived');";
    let directory = project(
        &home,
        &[("dev", serve)],
        &[
            ("say.js", say),
            ("Procfile", "web: node say.js --key hushhush\ndb: mysql -uroot -phushhush app\n"),
        ],
    );
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    let ran = client
        .tool(
            "scripts_run",
            json!({ "name": "dev", "args": ["-p", "hushhush", "--password", "hushhush", "-u", "me:hushhush"] }),
        )
        .await;
    assert_json!(ran, "/args", ["-p", "[masked]", "--password", "[masked]", "-u", "me:[masked]"]);
    client.wait(json!({ "log": "5 arrived", "processId": "dev" })).await;
    for (tool, arguments) in [
        ("scripts_run", json!({ "name": "dev", "args": ["--token=hushhush"] })),
        ("scripts_list", json!({})),
        ("scripts_status", json!({})),
        ("scripts_restart", json!({ "processId": "dev" })),
    ] {
        let answer = client.hub.call(tool, arguments).await.ok().to_string();
        assert!(!answer.contains("hushhush") && answer.contains("[masked]"), "{tool}: {answer}");
    }
    let listed = client.tool("scripts_list", json!({})).await;
    let masked = "DB_PASSWORD=[masked] node say.js --token [masked] postgres://u:[masked]@h/x sshpass";
    assert_json!(listed, "/scripts/dev", masked);
    client.hub.end_quietly().await;
}
