//! Configuration files: what they declare is there for all hubs, what they hide is not, and what is wrong harms nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use brummer_hub::process::wait_for_exit;
use serde_json::{Value, json};

use super::{Cli, checked, command, run};
use crate::support::{
    Behaviour, Call, Fake, Home, Hub, HubOptions, expect, is_wine, repository, result, with_meta,
};

/// Puts a file where it is looked for.
fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn user_file(home: &Home) -> PathBuf {
    home.data().join("config.toml")
}

/// `tests/node/stdio-server.mjs` as a server that goes soon after nobody needs it.
fn scripted(name: &str) -> String {
    let script = repository().join("tests/node/stdio-server.mjs");
    format!("[servers.{name}]\ncommand = \"node\"\nargs = [{script:?}]\nidle = \"1s\"\n")
}

fn text(result: &Value) -> Value {
    let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result:#}"));
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// The process of the server behind a tool.
async fn pid(hub: &Hub, tool: &str) -> u32 {
    let told = text(&hub.call(tool, json!({})).await.ok());
    u32::try_from(told["pid"].as_u64().unwrap_or_else(|| panic!("{told}"))).unwrap()
}

/// The process that serves an instance.
async fn supervisor(hub: &Hub, name: &str) -> u32 {
    let listed = hub.instances_until(name, |all| all.iter().any(|it| it["name"] == name)).await;
    let found = listed.iter().find(|it| it["name"] == name).unwrap();
    u32::try_from(found["pid"].as_u64().unwrap()).unwrap()
}

async fn notices(hub: &Hub) -> String {
    let health = hub.call("instances_health", json!({})).await.ok();
    let notices = health["structuredContent"]["notices"].as_array().cloned().unwrap_or_default();
    let notices: Vec<_> = notices.iter().filter_map(Value::as_str).collect();
    let shown = health["content"][0]["text"].as_str().unwrap();
    assert!(notices.iter().all(|notice| shown.contains(notice)), "{health:#}");
    notices.join("\n")
}

#[tokio::test]
async fn hubs_that_start_together_share_one_server_which_outlives_them_by_its_idle_time() {
    if is_wine() {
        return;
    }
    let home = Home::new();
    write(&user_file(&home), &scripted("memory"));
    let hubs = tokio::join!(
        Hub::start(&home, HubOptions::default()),
        Hub::start(&home, HubOptions::default()),
        Hub::start(&home, HubOptions::default()),
    );
    let hubs = [hubs.0, hubs.1, hubs.2];
    let mut pids = Vec::new();
    for hub in &hubs {
        // Of no project, it is there in every one, and by its own name.
        hub.tools_until("pid").await;
        pids.push((pid(hub, "pid").await, supervisor(hub, "memory").await));
    }
    assert!(pids.iter().all(|it| *it == pids[0]), "{pids:?}");
    let listed = hubs[0].instances().await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    for hub in hubs {
        hub.end_quietly().await;
    }
    // The next one finds it as it was.
    let next = Hub::start(&home, HubOptions::default()).await;
    next.tools_until("pid").await;
    let (server, serving) = (pid(&next, "pid").await, supervisor(&next, "memory").await);
    next.end_quietly().await;
    expect("the server ends", wait_for_exit(server)).await;
    expect("its supervisor ends", wait_for_exit(serving)).await;
    assert!(super::doorbells(&home).is_empty(), "no announcement stays");
    assert_eq!(fs::read_dir(home.data().join("servers")).unwrap().count(), 0, "no lock stays");
}

#[cfg(unix)]
#[tokio::test]
async fn whatever_is_killed_leaves_no_orphan_and_no_ghost() {
    use rustix::process::Signal;

    use crate::support::signal;

    let home = Home::new();
    write(&user_file(&home), &scripted("memory"));
    let (one, other) =
        (Hub::start(&home, HubOptions::default()).await, Hub::start(&home, HubOptions::default()).await);
    one.tools_until("pid").await;
    other.tools_until("pid").await;
    // The server, in a call.
    let first = pid(&one, "pid").await;
    let waiting = one.ask("tools/call", json!({ "name": "never" })).await;
    assert_eq!(text(&one.call("echo", json!({ "n": 1 })).await.ok()), json!({ "n": 1 }));
    signal(first, Signal::KILL);
    let error = one.answer(&waiting).await.failure();
    assert!(error.message.contains("ended by signal 9"), "{error:?}");
    let second = pid(&other, "pid").await;
    assert_ne!(first, second);
    // The supervisor: the server ends with it, and the hubs start one other.
    let serving = supervisor(&one, "memory").await;
    signal(serving, Signal::KILL);
    expect("the server ends with its supervisor", wait_for_exit(second)).await;
    let is_another = |all: &[Value]| {
        all.iter().any(|it| it["name"] == "memory" && it["state"] == "active" && it["pid"] != serving)
    };
    for hub in [&one, &other] {
        let listed = hub.instances_until("another supervisor", is_another).await;
        assert_eq!(listed.len(), 1, "{listed:?}");
    }
    let third = expect("the tools are back", async {
        loop {
            let answer = one.call("pid", json!({})).await;
            if answer.is_done() {
                break pid(&one, "pid").await;
            }
        }
    })
    .await;
    assert_eq!(pid(&other, "pid").await, third);
    let serving = supervisor(&one, "memory").await;
    // The hubs: nothing ends with them at once, all of it ends without them.
    signal(one.pid(), Signal::KILL);
    assert_eq!(pid(&other, "pid").await, third);
    signal(other.pid(), Signal::KILL);
    expect("the server ends", wait_for_exit(third)).await;
    expect("its supervisor ends", wait_for_exit(serving)).await;
    assert!(super::doorbells(&home).is_empty());
}

#[tokio::test]
async fn a_projects_file_starts_nothing_without_consent_to_what_it_says() {
    if is_wine() {
        return;
    }
    let home = Home::new();
    let project = home.project("here");
    let file = project.join(".brummer.toml");
    let marker = project.join("marker");
    let evil = "[servers.proj]\ncommand = \"node\"\nargs = [\"-e\", \"require('fs').writeFileSync('marker', '')\"]\nidle = \"1s\"\n";
    write(&file, evil);
    fs::create_dir_all(project.join("src")).unwrap();
    let hub = Hub::start(&home, HubOptions::default().cwd(project.join("src"))).await;
    assert_eq!(hub.instances().await, [Value::Null; 0]);
    let told = notices(&hub).await;
    assert!(told.contains("config trust") && told.contains(".brummer.toml"), "{told}");
    hub.end_quietly().await;
    let shown = run(&home, &["config"]).await;
    assert!(shown.code == Some(0) && shown.stdout.contains("not trusted"), "{shown:?}");
    assert!(run(&home, &["doctor"]).await.stdout.contains("is not trusted"));

    // Agreed to is what was there, and nothing else.
    write(&file, &scripted("proj"));
    let trusted = run(&home, &["config", "trust", project.join("src").to_str().unwrap()]).await;
    assert!(trusted.code == Some(0) && trusted.stdout.contains("proj: node"), "{trusted:?}");
    let hub = Hub::start(&home, HubOptions::default().cwd(project.join("src"))).await;
    hub.tools_until("pid").await;
    let (server, serving) = (pid(&hub, "pid").await, supervisor(&hub, "proj").await);
    assert_eq!(notices(&hub).await, "");
    hub.end_quietly().await;
    expect("the server ends", wait_for_exit(server)).await;
    expect("its supervisor ends", wait_for_exit(serving)).await;
    write(&file, evil);
    let hub = Hub::start(&home, HubOptions::default().cwd(project.clone())).await;
    assert_eq!(hub.instances().await, [Value::Null; 0]);
    hub.end_quietly().await;
    let printed = run(&home, &["config", "--json"]).await.stdout;
    let shown = checked("config", &printed);
    assert_eq!(
        (&shown["files"][1]["trusted"], &shown["servers"][0]["state"]),
        (&json!(false), &json!("untrusted"))
    );
    assert_eq!(shown["servers"][0]["because"], "changed since it was trusted");
    assert!(!marker.exists(), "nothing was started");
    let ended = run(&home, &["config", "untrust"]).await;
    assert!(ended.stdout.contains("not trusted any more"), "{ended:?}");
    let none = run(&home, &["config", "trust", home.path().join("cwd").to_str().unwrap()]).await;
    assert_eq!(none.code, Some(2), "{none:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_supervisor_starts_nothing_anew_without_consent_and_can_be_stopped_though_its_server_is_mute() {
    use rustix::process::Signal;

    use crate::support::signal;

    let home = Home::new();
    let project = home.project("here");
    let file = project.join(".brummer.toml");
    let here = || HubOptions::default().cwd(project.clone());
    let config = async |words: &[&str]| {
        let done = run(&home, &[&["config"], words, &[project.to_str().unwrap()]].concat()).await;
        assert_eq!(done.code, Some(0), "{done:?}");
        done.stdout
    };
    write(&file, &scripted("proj").replace("idle = \"1s\"\n", ""));
    config(&["trust"]).await;
    let hub = Hub::start(&home, here()).await;
    hub.tools_until("pid").await;
    let (server, serving) = (pid(&hub, "pid").await, supervisor(&hub, "proj").await);
    hub.end_quietly().await;
    let said = config(&["untrust"]).await;
    assert!(said.contains("none is started anew"), "{said}");
    signal(server, Signal::KILL);
    expect("the server ends", wait_for_exit(server)).await;
    let hub = Hub::start(&home, here()).await;
    assert_eq!(supervisor(&hub, "proj").await, serving, "the doorbell is still there");
    hub.tools_until("pid").await;
    expect("a call starts nothing", async {
        loop {
            // The first may meet the end of the server that was killed.
            let failure = hub.call("pid", json!({})).await.failure().message;
            if failure.contains("is not trusted any more") {
                break;
            }
            assert!(failure.contains("ended"), "{failure}");
        }
    })
    .await;
    hub.end_quietly().await;
    let stopped = run(&home, &["stop", "proj"]).await;
    assert!(stopped.code == Some(0) && stopped.stdout.contains("proj has ended"), "{stopped:?}");
    expect("its supervisor ends", wait_for_exit(serving)).await;

    // A server that says nothing.
    write(&file, "[servers.mute]\ncommand = \"sleep\"\nargs = [\"1000\"]\n");
    config(&["trust"]).await;
    let hub = Hub::start(&home, here()).await;
    let serving = supervisor(&hub, "mute").await;
    hub.end_quietly().await;
    let stopped = run(&home, &["stop", "mute"]).await;
    assert!(stopped.code == Some(0) && stopped.stdout.contains("mute has ended"), "{stopped:?}");
    expect("its supervisor ends", wait_for_exit(serving)).await;
    assert!(super::doorbells(&home).is_empty(), "no announcement stays");
}

fn tools(names: &'static [&'static str]) -> Behaviour {
    names.iter().fold(Behaviour::default(), |behaviour, name| {
        behaviour.tool(name, |call: Call| async move {
            let name = call.params["name"].clone();
            result(&call, json!({ "content": [{ "type": "text", "text": name }] }))
        })
    })
}

#[tokio::test]
async fn hidden_tools_are_neither_listed_nor_callable_in_any_mode() {
    let home = Home::new();
    let fake = Fake::start(tools(&["read", "delete_all", "scripts/stop", "write"])).await;
    let id = home.announce("shop", fake.port);
    write(
        &user_file(&home),
        "[instances.\"sh*\"]\nhide = [\"delete_*\", \"scripts_stop\"]\n[instances.shop]\nshow = [\"read\", \"delete*\", \"scripts*\"]\n",
    );
    for mode in ["connected", "all", "hub"] {
        let hub = Hub::start(&home, HubOptions::args(&["--tools", mode])).await;
        hub.active(&id).await;
        let before = ["delete_all", "scripts/stop", "write"].map(str::to_owned);
        let prefixed = before.clone().map(|name| format!("shop__{name}"));
        let calls = async |hub: &Hub| {
            for name in before.iter().chain(&prefixed) {
                let error = hub.call(name, json!({})).await.err();
                assert_eq!(
                    (error.code, error.message.contains("Unknown tool")),
                    (-32602, true),
                    "{mode} {name}"
                );
                let called = json!({ "instance_id": id, "tool": name });
                let answer = hub.call("instances_call", called).await.ok();
                assert_eq!(answer["isError"], true, "{mode} {name}: {answer}");
            }
            assert_eq!(hub.call("shop__read", json!({})).await.text(), "read");
        };
        // Also before anything is known of its tools.
        calls(&hub).await;
        hub.connect(&id).await;
        calls(&hub).await;
        let shown = hub.tool_names().await.join(" ");
        assert_eq!(shown.contains("read"), mode != "hub", "{mode}: {shown}");
        for hidden in ["delete", "scripts", "write"] {
            assert!(!shown.contains(hidden), "{mode}: {shown}");
        }
        let found = hub.hub_tool("instances_tools", json!({ "instance_id": id })).await;
        assert_eq!(found["tools"].as_array().unwrap().len(), 1, "{found:#}");
        let found = hub.hub_tool("instances_tools", json!({ "query": "delete" })).await;
        assert_eq!(found["tools"].as_array().unwrap().len(), 0, "{found:#}");
        hub.end_quietly().await;
    }
    // A client without a handshake.
    let hub = Hub::spawn(&home, &HubOptions::default());
    let params = with_meta(json!({ "name": "shop__delete_all", "arguments": {} }));
    let refused = hub.request("tools/call", params).await.err();
    assert!(refused.message.contains("Unknown tool"), "{refused:?}");
    let listed = hub.request("tools/list", with_meta(json!({}))).await.ok();
    let listed = listed["tools"].to_string();
    assert!(listed.contains("shop__read") && !listed.contains("delete_all"), "{listed}");
    hub.end_quietly().await;
    let all: Vec<String> = fake.seen().iter().map(|seen| seen.body.clone()).collect();
    assert!(!all.join("\n").contains("\"delete_all\""), "it was never asked for: {all:?}");
}

#[tokio::test]
async fn a_server_on_a_port_is_there_with_its_secrets_and_its_names() {
    if is_wine() {
        return;
    }
    let home = Home::new();
    let fake = Fake::start(tools(&["read"])).await;
    write(
        &user_file(&home),
        &format!(
            "[servers.figma]\nurl = \"http://127.0.0.1:{}/mcp\"\ntoken-env = \"FIGMA_TOKEN\"\nheader-env = {{ X-Key = \"FIGMA_KEY\" }}\n\
             labels = {{ tier = \"design\" }}\n[servers.lost]\nurl = \"http://127.0.0.1:1/mcp\"\ntoken-env = \"NOT_SET\"\n\
             [instances.\"figma*\"]\nname = \"Drawings\"\n",
            fake.port
        ),
    );
    let options = HubOptions::default().env("FIGMA_TOKEN", "t0p-secret").env("FIGMA_KEY", "k3y");
    let hub = Hub::start(&home, options).await;
    let listed = hub.instances_until("the server", |all| all.iter().any(|it| it["state"] == "active")).await;
    assert_json!(listed[0], "/name", "Drawings");
    assert_json!(listed[0], "/source", "config");
    assert_json!(listed[0], "/labels", { "tier": "design" });
    assert_json!(listed[0], "/alias", "drawings");
    assert_eq!(hub.call("read", json!({})).await.text(), "read", "it is connected in every project");
    let told = notices(&hub).await;
    assert!(told.contains("`lost`") && told.contains("`NOT_SET` is not set"), "{told}");
    let shown = checked("config", &run(&home, &["config", "--json"]).await.stdout);
    assert!(shown["problems"].to_string().contains("`NOT_SET` is not set"), "{shown:#}");
    let seen = fake.seen();
    assert!(seen.iter().all(|seen| seen.header("authorization") == Some("Bearer t0p-secret")));
    assert!(seen.iter().all(|seen| seen.header("x-key") == Some("k3y")));
    assert!(!hub.report().contains("t0p-secret"));
    hub.end_quietly().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_line_and_stops_nothing() {
    let home = Home::new();
    let fake = Fake::start(tools(&["read"])).await;
    let project = home.project("here");
    let id = home.announce("here", fake.port);
    write(
        &user_file(&home),
        "[instances.here]\nlabels = { tier = \"web\" }\nhde = []\n[sources]\nvite = true\n",
    );
    write(&project.join(".brummer.toml"), "[servers]\n\u{1b}]0;owned\u{7} = \"\u{202e}\"\nroot:x:secret\n");
    let hub = Hub::start(&home, HubOptions::default().cwd(project.clone())).await;
    let instance = hub.active(&id).await;
    assert_json!(instance, "/labels", { "tier": "web" });
    let told = notices(&hub).await;
    for wanted in [
        "config.toml:3: `hde` is unknown",
        "config.toml:5: `vite` is not a source",
        ".brummer.toml:2: it is not TOML",
    ] {
        assert!(told.contains(wanted), "{wanted}\n{told}");
    }
    let said = hub.stderr_until(|said| said.contains(".brummer.toml:2")).await;
    assert!(said.contains("config.toml:5") && !said.contains('\u{1b}') && !said.contains("secret"), "{said}");
    // Whenever the files are read again, only what is new is told. In one piece: half a file has other mistakes.
    let new = home.data().join("config.new");
    write(
        &new,
        "[instances.here]\nlabels = { tier = \"web\" }\nhde = []\n[sources]\nvite = true\nnuxx = true\n",
    );
    fs::rename(new, user_file(&home)).unwrap();
    let said = hub.stderr_until(|said| said.contains("config.toml:6")).await;
    assert_eq!(said.matches("config.toml:5").count(), 1, "{said}");
    hub.end().await;
    let shown = run(&home, &["config"]).await;
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(
        shown.stdout.contains(".brummer.toml:2") && !shown.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}'])
    );
    let doctor = run(&home, &["doctor"]).await;
    assert!(doctor.stdout.contains("config.toml:3: `hde` is unknown"), "{doctor:?}");

    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        // What others can write, and what leads elsewhere, is not taken; the user's own link is.
        let file = user_file(&home);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        let other = home.path().join("other.toml");
        write(&other, "[instances.here]\nname = \"linked\"\n");
        fs::remove_file(project.join(".brummer.toml")).unwrap();
        symlink(&other, project.join(".brummer.toml")).unwrap();
        let shown = checked("config", &run(&home, &["config", "--json"]).await.stdout);
        assert_eq!(
            (&shown["files"][0]["state"], &shown["files"][1]["state"]),
            (&json!("refused"), &json!("refused"))
        );
        assert_eq!(shown["instances"], json!([]));
        assert!(shown["problems"][0]["text"].as_str().unwrap().contains("chmod 600"), "{shown:#}");
        fs::remove_file(&file).unwrap();
        symlink(&other, &file).unwrap();
        let shown = checked("config", &run(&home, &["config", "--json"]).await.stdout);
        assert_eq!(shown["instances"][0]["name"], "linked");
    }
}

#[tokio::test]
async fn a_hub_that_runs_follows_its_files_and_leaves_alone_what_they_do_not_change() {
    let home = Home::new();
    let one = Fake::start(tools(&["read", "write"])).await;
    let other = Fake::start(tools(&["stay"])).await;
    let mut doorbells = Vec::new();
    for (name, port) in [("one", one.port), ("other", other.port)] {
        doorbells.push(home.announce(name, port));
    }
    let hub = Hub::start(&home, HubOptions::args(&["--tools", "all"])).await;
    for id in &doorbells {
        hub.active(id).await;
    }
    hub.tools_until("one__write").await;
    hub.tools_until("other__stay").await;
    let before = other.seen().iter().filter(|seen| seen.body.contains("initialize")).count();
    // A tool is hidden, an instance has another name and a label, and a server on a port is there.
    let declared = Fake::start(tools(&["third"])).await;
    let rules = "[instances.one]\nname = \"first\"\nlabels = { tier = \"front\" }\nhide = [\"write\"]\n";
    let server = format!("[servers.third]\nurl = \"http://127.0.0.1:{}/mcp\"\n", declared.port);
    write(&user_file(&home), &format!("{rules}{server}"));
    let renamed = |all: &[Value]| {
        let is_first =
            |it: &Value| it["name"] == "first" && it["labels"]["tier"] == "front" && it["state"] == "active";
        all.iter().any(is_first) && all.iter().any(|it| it["name"] == "third" && it["state"] == "active")
    };
    let listed = hub.instances_until("the file counts", renamed).await;
    assert_eq!(listed.len(), 3, "{listed:?}");
    hub.tools_until("third__third").await;
    hub.tools_until("first__read").await;
    assert!(!hub.tool_names().await.iter().any(|name| name.ends_with("__write")));
    // What it says wrong is told, and costs what it costs at the start.
    write(&user_file(&home), &format!("{server}surprise = 1\n"));
    let back = |all: &[Value]| all.iter().any(|it| it["name"] == "one" && it["state"] == "active");
    hub.instances_until("the rule is gone", back).await;
    hub.tools_until("one__write").await;
    expect("the mistake is told", async { while !notices(&hub).await.contains("surprise") {} }).await;
    fs::remove_file(user_file(&home)).unwrap();
    hub.instances_until("the server is gone with the file", |all| all.iter().all(|it| it["name"] != "third"))
        .await;
    let after = other.seen().iter().filter(|seen| seen.body.contains("initialize")).count();
    assert_eq!(before, after, "the other instance was left alone");
    hub.forgive();
    hub.end().await;
}

#[tokio::test]
async fn a_supervisor_is_started_by_hubs_only() {
    let home = Home::new();
    let mut started = Cli::start(command(&home, &["supervise", "x"]));
    started.stdin = None;
    let ended = started.end().await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("only hubs start this"), "{ended:?}");
}

#[tokio::test]
async fn no_secret_is_shown_that_somebody_has_written_into_a_file() {
    let home = Home::new();
    let file = r#"
        [servers.one]
        command = "serve"
        args = ["--token", "hushhush", "--password=hushhush", "--api-key", "hushhush", "-H", "Authorization: hushhush",
            "-e", "GITHUB_TOKEN=hushhush", "postgres://me:hushhush@db/x", "https://x.test/mcp?token=hushhush&a=b", "--port", "80", "--token", "-hushhush",
            "--secret", "$hushhush", "--key", "hushhush", "--header=X-Who: hushhush", "-u", "me:hushhush", "{\"auth\":{\"key\":\"hushhush\"}}"]
        cwd = "/srv/password=hushhush"
        labels = { token = "hushhush", tier = "web", note = "--pin hushhush" }
        [servers.two]
        url = "http://127.0.0.1:3845/mcp?api_key=hushhush"
        [servers.four]
        url = "http://hushhush@127.0.0.1:3845/mcp?sig=hushhush"
        [servers.three]
        command = "three"
        env = ["TOKEN=hushhush"]
        [instances."shop-*"]
        labels = { secret = "hushhush" }
    "#;
    write(&user_file(&home), file);
    for arguments in [&["config"][..], &["config", "--json"], &["doctor"]] {
        let mut command = command(&home, arguments);
        command.env("PATH", home.path());
        let ended = Cli::start(command).end().await;
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!shown.contains("hushhush"), "{arguments:?}: {shown}");
    }
    let shown = run(&home, &["config"]).await.stdout;
    for wanted in [
        "serve --token [masked] --password=[masked] --api-key [masked]",
        "postgres://me:[masked]@db/x",
        "token=[masked]&a=b",
        "--port 80",
        "label tier=web",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    let printed = checked("config", &run(&home, &["config", "--json"]).await.stdout);
    let one = printed["servers"].as_array().unwrap().iter().find(|it| it["name"] == "one").unwrap().clone();
    assert_json!(one, "/args/1", "[masked]");
    assert_json!(one, "/args/12", "80");
    // A project's, at the moment of trust, too.
    let project = home.project("here").join(".brummer.toml");
    write(&project, "[servers.x]\ncommand = \"x\"\nargs = [\"--token\", \"hushhush\"]\n");
    let ended = run(&home, &["config", "trust"]).await;
    assert!(ended.stdout.contains("x: x --token [masked]"), "{ended:?}");
}
