//! What can be wrong around a run, and what comes of it.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Client, Run, bare, command, package, project};
use crate::support::{Home, expect};

const WAIT: &str = "node -e \"console.log('up'); setInterval(() => {}, 1e6)\"";

#[tokio::test]
async fn without_a_package_json_it_serves_and_waits_for_one() {
    let home = Home::new();
    let directory = home.project("empty");
    let run = Run::start(command(&home, &directory, &[]));
    run.says("warning: there is no package.json in ").await;
    let client = Client::of(&home, &directory).await;
    let said = client.refused("scripts_list", json!({})).await;
    assert!(said.contains("there is no package.json in "), "{said}");
    let status = client.tool("scripts_status", json!({})).await;
    assert_json!(status, "/processes", []);
    package(&directory, &[("dev", "node -p 6*7")]);
    client.run("dev").await;
    // It may have ended by now.
    client.wait(json!({ "log": "42", "exit": "dev" })).await;
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn what_cannot_begin_says_why_and_starts_nothing() {
    let home = Home::new();
    let directory = project(&home, &[("dev", WAIT), ("test", WAIT)], &[]);
    let empty = home.project("empty");
    let broken = home.project("broken");
    std::fs::write(broken.join("package.json"), "{ \"scripts\": {").unwrap();
    for (directory, arguments, code, words) in [
        (&directory, &["dev", "tset"][..], 1, "error: there is no script `tset`; there are `dev`, `test`"),
        (&empty, &["dev"], 1, "error: there is no package.json in "),
        (&broken, &["dev"], 1, "is not a valid package.json: EOF"),
        (&home.path().join("missing"), &[], 2, "error: there is no directory "),
        (&directory, &["--port", "x"], 2, "invalid value 'x' for '--port <PORT>'"),
    ] {
        let mut command = bare(&home);
        command.arg("run").arg("--dir").arg(directory).args(arguments);
        let ended = Run::start(command).end().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stderr.contains(words), "{words:?} in {ended:?}");
        assert_eq!(ended.stdout, "");
    }
    assert!(!home.data().join("instances").exists());
}

#[tokio::test]
async fn a_taken_port_is_an_error_if_it_was_asked_for() {
    let home = Home::new();
    let directory = project(&home, &[("dev", WAIT)], &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut command = bare(&home);
    command.args(["run", "dev", "--port", &port, "--dir"]).arg(&directory);
    let ended = Run::start(command).end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&format!("error: cannot listen on 127.0.0.1:{port}")), "{ended:?}");
    assert!(ended.stderr.contains("give another port, or 0"), "{ended:?}");
    assert_eq!(ended.stdout, "", "nothing was started");
}

#[tokio::test]
async fn without_a_port_the_next_best_is_taken() {
    let home = Home::new();
    let directory = project(&home, &[("dev", WAIT)], &[]);
    // It may be taken by another test of this kind; taken it is in any case.
    let _taken = TcpListener::bind("127.0.0.1:7777").await;
    let mut command = bare(&home);
    command.arg("--no-tui").arg("--dir").arg(&directory);
    let run = Run::start(command);
    assert_ne!(run.port().await, 7777);
}

#[tokio::test]
async fn two_runs_in_one_directory_both_work_and_know_of_each_other() {
    let home = Home::new();
    let directory = project(&home, &[("dev", WAIT), ("test", WAIT)], &[]);
    let first = Run::start(command(&home, &directory, &["dev", "--name", "one"]));
    first.port().await;
    let second = Run::start(command(&home, &directory, &["test", "--name", "two"]));
    let said = second.says(" serves this directory too, on port ").await;
    assert!(said.contains(&format!("process {}", first.pid())), "{said}");
    let client = Client::of(&home, &directory).await;
    let names = |list: &[serde_json::Value]| {
        let mut names: Vec<_> =
            list.iter().filter(|it| it["state"] == "active").map(|it| it["name"].clone()).collect();
        names.sort_by_key(ToString::to_string);
        names
    };
    client.hub.instances_until("both are active", |list| names(list) == ["one", "two"]).await;
    for (instance, script) in [("one", "dev"), ("two", "test")] {
        let call = json!({ "instance_id": instance, "tool": "scripts_status", "arguments": {} });
        let status = client.hub.hub_tool("instances_call", call).await;
        assert_json!(status, "/processes/0/name", script);
    }
    client.hub.end_quietly().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_deleted_directory_is_named_and_ends_nothing() {
    let home = Home::new();
    let directory = project(&home, &[("dev", WAIT)], &[]);
    let run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "^up$", "regex": true })).await;
    std::fs::remove_dir_all(&directory).unwrap();
    for (tool, arguments) in [("scripts_list", json!({})), ("scripts_run", json!({ "name": "dev" }))] {
        let said = client.refused(tool, arguments).await;
        assert!(said.contains("does not exist") && said.contains("shop"), "{said}");
    }
    let status = client.tool("scripts_status", json!({ "name": "dev" })).await;
    assert_json!(status, "/processes/0/status", "running");
    run.signal(rustix::process::Signal::TERM);
    assert_eq!(run.end().await.code, Some(0));
    client.hub.end().await;
}

#[tokio::test]
async fn without_room_for_its_announcement_it_runs_alone() {
    let home = Home::new();
    let directory = project(&home, &[("dev", WAIT)], &[]);
    // Where the directory should be, nothing can be written.
    std::fs::write(home.data(), "no directory").unwrap();
    let run = Run::start(command(&home, &directory, &["dev"]));
    run.prints("dev | up").await;
    run.says("no hub will find this run, it goes on alone").await;
    // Whoever knows the port reaches it.
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", run.port().await)).await.is_ok());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_costs_the_lines_and_nothing_else() {
    let home = Home::new();
    let directory = project(&home, &[("dev", WAIT)], &[]);
    let mut command = command(&home, &directory, &["dev"]);
    command.stdout(Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap()));
    let run = Run::start(command);
    run.says("warning: cannot write to standard output: No space left on device").await;
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "^up$", "regex": true })).await;
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_script_that_never_ends_is_waited_for_as_long_as_asked() {
    let home = Home::new();
    let directory = project(&home, &[("dev", "node -e \"setInterval(() => {}, 1e6)\"")], &[]);
    let _run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    for condition in [json!({ "exit": "dev" }), json!({ "log": "never" }), json!({ "port": 1 })] {
        let mut condition = condition;
        condition["timeoutSeconds"] = json!(0.2);
        let waited = client.tool("wait_until", condition).await;
        assert_json!(waited, "/met", false);
        assert!(waited["waitedMs"].as_u64().unwrap() >= 200, "{waited:#}");
    }
    let stopped = client.tool("scripts_stop", json!({ "processId": "dev" })).await;
    assert_json!(stopped, "/status", "stopped");
    client.hub.end_quietly().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_missing_package_manager_is_named() {
    let home = Home::new();
    let directory = project(&home, &[("dev", WAIT)], &[]);
    let mut command = command(&home, &directory, &[]);
    // Nothing can be found.
    command.env("PATH", home.project("nothing"));
    let _run = Run::start(command);
    let client = Client::of(&home, &directory).await;
    let said = client.refused("scripts_run", json!({ "name": "dev" })).await;
    assert!(said.contains("cannot start `npm`: No such file or directory"), "{said}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_reader_that_went_away_stops_nothing() {
    let home = Home::new();
    let directory = project(&home, &[("dev", WAIT), ("again", WAIT)], &[]);
    let mut command = command(&home, &directory, &["dev"]);
    command.stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // As `brummer-hub run | head -1` does.
    drop(child.stdout.take());
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "^up$", "regex": true })).await;
    client.run("again").await;
    client.wait(json!({ "log": "^up$", "regex": true, "processId": "again" })).await;
    assert!(tokio::time::timeout(Duration::ZERO, child.wait()).await.is_err(), "it goes on");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn what_calls_carry_is_not_logged() {
    let home = Home::new();
    let directory = project(&home, &[("dev", WAIT)], &[]);
    let log = home.path().join("run.log");
    let arguments = ["--log-level", "trace", "--log-file", log.to_str().unwrap()];
    let run = Run::start(command(&home, &directory, &arguments));
    let client = Client::of(&home, &directory).await;
    client.tool("logs_search", json!({ "query": "hunter2-argument" })).await;
    // What is refused as an error of the protocol, too.
    client.hub.call("hunter2-tool", json!({})).await;
    let params = json!({ "uri": "logs://hunter2-resource" });
    client.hub.request("resources/read", params).await;
    client.hub.end_quietly().await;
    drop(run);
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("brummer"), "something is logged at this level:\n{logged}");
    assert!(!logged.contains("hunter2"), "{logged}");
}

/// What no terminal may be sent, whoever says it.
fn harmful(text: &str) -> Vec<char> {
    text.chars().filter(|c| brummer_hub::terminal::is_harmful(*c) && !matches!(c, '\n' | '\t')).collect()
}

#[tokio::test]
async fn nothing_from_a_project_or_an_instance_moves_the_terminal() {
    const EVIL: &str = "\x1b]52;c;aGk=\x07\u{9b}31m\x1b[2J\u{202e}\u{2066}\u{200f}\u{7f}\u{85}\rx";
    let home = Home::new();
    let script = format!("a{EVIL}");
    let print = format!(
        "process.stdout.write({EVIL:?} + 'printed\\n'); process.stderr.write({EVIL:?} + 'complained\\n')"
    );
    let directory = project(
        &home,
        &[(&script, "node evil.js"), ("forged\nwarning: forged", &format!("echo {EVIL}"))],
        &[("evil.js", &print)],
    );
    let mut package: Value =
        serde_json::from_str(&std::fs::read_to_string(directory.join("package.json")).unwrap()).unwrap();
    package["name"] = format!("shop{EVIL}").into();
    std::fs::write(directory.join("package.json"), package.to_string()).unwrap();

    // The greeting, the start of a script, its lines.
    let run = Run::start(command(&home, &directory, &[&script]));
    let said = run.says("is started as").await;
    assert!(harmful(&said).is_empty(), "{said:?}");
    assert!(!said.contains("\nwarning: forged"), "{said}");
    let printed = run.prints("printed").await;
    run.prints("complained").await;
    assert!(harmful(&printed).is_empty(), "{printed:?}");

    // A doorbell that another program has written, in a table, as JSON, in errors and in the log.
    let bell = home.doorbell("evil", 9).with("name", format!("shop{EVIL}")).with("note", EVIL);
    bell.write(&home.data());
    crate::support::write_raw(
        &home.data(),
        "wrong.json",
        format!("{{\"id\":\"{}\"}}", "wrong\u{202e}").as_bytes(),
    );
    let output = async |arguments: &[&str]| {
        let mut asked = bare(&home);
        asked.args(arguments);
        let output = expect("it ends", asked.output()).await.unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let port = run.port().await.to_string();
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["list", "--log-level", "trace"],
        &["register", "--port", "1", "--name", EVIL],
        &["register", "--port", &port, "--path", EVIL],
        &["register", "--port", &port, "--id", EVIL],
        &["register", "--port", &port, "--token-file", EVIL],
        &["run", "--dir", EVIL],
        &["run", "--dir", directory.to_str().unwrap(), &format!("missing{EVIL}")],
        &["list", EVIL],
        &["register", "--port", "1", "--", EVIL],
    ] {
        let said = output(arguments).await;
        assert!(!said.is_empty(), "{arguments:?} says something");
        assert!(harmful(&said).is_empty(), "{arguments:?}: {said:?}");
    }
    let json: Value = serde_json::from_str(&output(&["list", "--json", "--log-level", "off"]).await).unwrap();
    let listed = json["instances"].as_array().unwrap().iter().find(|it| it["id"] == bell.id).unwrap();
    assert_json!(listed, "/extra/note", EVIL);
    let log = home.path().join("hub.log");
    output(&["list", "--log-level", "trace", "--log-file", log.to_str().unwrap()]).await;
    let logged = std::fs::read_to_string(log).unwrap();
    assert!(logged.contains("wrong"), "{logged}");
    assert!(harmful(&logged).is_empty(), "{logged:?}");
}
