//! `register --stdio -- COMMAND`.

use std::time::Duration;

use brummer_hub::process::wait_for_exit;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Cli, command};
use crate::support::{Home, Hub, HubOptions, Line, expect, is_wine, repository, unique_id};

/// `register --stdio` around `tests/node/stdio-server.mjs`.
fn sharing(home: &Home, id: &str, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = command(home, &["register", "--stdio", "--name", "scripted", "--id", id]);
    command.args(options).args(["--", "node"]);
    command.arg(repository().join("tests/node/stdio-server.mjs")).args(arguments);
    command
}

fn text(line: &Line) -> Value {
    let result = line.ok();
    let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result:#}")).to_owned();
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

async fn pid_of(hub: &Hub) -> u32 {
    u32::try_from(text(&hub.call("pid", json!({})).await)["pid"].as_u64().unwrap()).unwrap()
}

async fn connected(home: &Home, id: &str) -> Hub {
    let hub = Hub::start(home, HubOptions::default()).await;
    hub.connect(id).await;
    hub
}

/// What `instances_health` says of the program, as soon as it is as wanted.
async fn program(hub: &Hub, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    expect("the report of the program", async {
        loop {
            let health = hub.hub_tool("instances_health", json!({ "instance_id": id })).await;
            let program = &health["instances"][0]["program"];
            if wanted(program) {
                return program.clone();
            }
            // Nothing tells a client that the health of an instance has news.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

#[tokio::test]
async fn three_hubs_share_one_process_and_nothing_is_mixed_up() {
    if is_wine() {
        return;
    }
    let (home, id) = (Home::new(), unique_id("shared"));
    let register = Cli::start(sharing(&home, &id, &[], &["garbage"]));
    let hubs = [connected(&home, &id).await, connected(&home, &id).await, connected(&home, &id).await];
    let mut asked = Vec::new();
    // The three use the same ids and the same progress tokens.
    for round in 0..100 {
        for (who, hub) in hubs.iter().enumerate() {
            let tool = if round % 5 == 0 { "progress" } else { "echo" };
            let params = json!({ "name": tool, "arguments": { "who": who, "round": round },
                "_meta": { "progressToken": format!("t{round}") } });
            asked.push((who, round, tool, hub.ask("tools/call", params).await));
        }
    }
    for (who, round, tool, request) in asked {
        let answer = hubs[who].answer(&request).await;
        assert_eq!(text(&answer), json!({ "who": who, "round": round }));
        if tool == "progress" {
            let told: Vec<Value> = hubs[who]
                .since(0)
                .iter()
                .filter(|line| line.notifies("notifications/progress"))
                .map(Line::params)
                .filter(|params| params["progressToken"] == format!("t{round}"))
                .collect();
            assert_eq!(told.len(), 3, "{told:?}");
            let who = json!(who.to_string());
            assert!(told.iter().all(|params| params["message"] == who), "{told:?}");
        }
    }
    let pids = [pid_of(&hubs[0]).await, pid_of(&hubs[1]).await, pid_of(&hubs[2]).await];
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");

    let told = program(&hubs[0], &id, |program| program["garbage"] == 3).await;
    assert_eq!((&told["starts"], &told["processes"][0]["pid"]), (&json!(1), &json!(pids[0])), "{told}");
    assert!(told["stderr"].to_string().contains(&format!("started {}", pids[0])), "{told}");
    for hub in hubs {
        hub.end_quietly().await;
    }
    drop(register);
    expect("the server ends with the command", wait_for_exit(pids[0])).await;
}

/// Clients of the official SDKs wait a minute for such answers, or for ever.
#[tokio::test]
async fn an_answer_that_is_hardly_json_arrives_or_is_an_error_at_once() {
    if is_wine() {
        return;
    }
    let (home, id) = (Home::new(), unique_id("hardly"));
    let _register = Cli::start(sharing(&home, &id, &[], &[]));
    let hub = connected(&home, &id).await;
    let answer = r#"{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":{"mean":NUMBER}}}"#;
    for (line, expected) in [
        (answer.replace("NUMBER", "NaN"), Value::Null),
        (answer.replace("NUMBER", "-Infinity"), Value::Null),
        (format!("\r 42 %\r{}", answer.replace("NUMBER", "1")), json!(1)),
        (answer.replace("NUMBER", "2").replace("ID", "ID.0"), json!(2)),
    ] {
        let result = hub.call("raw", json!({ "line": line })).await.ok();
        assert_eq!(result["structuredContent"], json!({ "mean": expected }), "{line}");
    }
    let failed = hub.call("raw", json!({ "line": answer.replace("NUMBER", "nan") })).await;
    assert!(failed.error.is_some_and(|error| error.contains("cannot be read: not JSON")), "{}", failed.raw);
    assert_eq!(text(&hub.call("echo", json!({ "after": 1 })).await), json!({ "after": 1 }));
    // What it wrote beside messages is among its last words, without secrets.
    hub.ask("tools/call", json!({ "name": "raw", "arguments": { "line": "login --password GSECRET1" } }))
        .await;
    let ended = hub.call("die", json!({})).await;
    assert!(
        ended.raw.contains("login --password [masked]") && !ended.raw.contains("GSECRET1"),
        "{}",
        ended.raw
    );
}

#[tokio::test]
async fn a_question_goes_to_the_client_whose_call_runs_and_to_nobody_if_that_is_not_known() {
    if is_wine() {
        return;
    }
    let (home, id) = (Home::new(), unique_id("shared"));
    let _register = Cli::start(sharing(&home, &id, &[], &[]));
    let (one, other) = (connected(&home, &id).await, connected(&home, &id).await);
    let mark = one.mark();
    let call = one.ask("tools/call", json!({ "name": "ask", "arguments": { "question": "who?" } })).await;
    let question = one.server_request(mark, "elicitation/create").await;
    assert_eq!(question.params()["message"], "who?");
    one.reply(&question, json!({ "action": "accept", "content": { "name": "one" } })).await;
    assert_eq!(text(&one.answer(&call).await)["content"]["name"], "one");
    assert!(other.since(0).iter().all(|line| !line.requests("elicitation/create")));

    // The process cannot say whose question it is: nobody is asked.
    let never = other.ask("tools/call", json!({ "name": "never" })).await;
    other.request("ping", Value::Null).await.ok();
    let refused = loop {
        let mark = one.mark();
        let call = one.ask("tools/call", json!({ "name": "ask", "arguments": { "question": "?" } })).await;
        let line = one.line(mark, "a question or a refusal", |line| {
            line.answers(&call) || line.requests("elicitation/create")
        });
        let line = line.await;
        if line.answers(&call) {
            break text(&line);
        }
        // The other's call was not there yet.
        one.reply(&line, json!({ "action": "decline" })).await;
        one.answer(&call).await;
    };
    assert!(refused["message"].as_str().unwrap().contains("--per-session"), "{refused}");
    assert!(text(&one.call("roots", json!({})).await)["message"].as_str().unwrap().contains("roots"));
    other.notify("notifications/cancelled", json!({ "requestId": never.parse::<u64>().unwrap() })).await;
    one.end_quietly().await;
    other.end_quietly().await;
}

#[tokio::test]
async fn a_server_that_dies_in_a_call_is_started_anew_and_no_call_runs_twice() {
    if is_wine() {
        return;
    }
    let (home, id) = (Home::new(), unique_id("shared"));
    let _register = Cli::start(sharing(&home, &id, &[], &[]));
    let (one, other) = (connected(&home, &id).await, connected(&home, &id).await);
    let first = pid_of(&one).await;
    let waiting = other.ask("tools/call", json!({ "name": "never" })).await;
    let error = one.call("die", json!({})).await.failure();
    assert!(error.message.contains("exit code 7") && error.message.contains("not asked again"), "{error:?}");
    assert!(error.message.contains(&format!("started {first}")), "its last words: {error:?}");
    assert_eq!(error.data["sent"], "yes");
    assert_eq!(other.answer(&waiting).await.failure().data["reason"], "ended");
    let second = pid_of(&other).await;
    assert_ne!(first, second);
    let told = program(&one, &id, |program| program["starts"] == 2).await;
    assert_eq!(told["last_end"], "exit code 7");
    // One that cannot answer any more is ended, and its calls with it.
    let error = one.call("mute", json!({})).await.failure();
    assert_eq!((&error.data["reason"], &error.data["sent"]), (&json!("ended"), &json!("yes")));
    assert_ne!(pid_of(&other).await, second);
    one.end_quietly().await;
    other.end_quietly().await;
}

#[tokio::test]
async fn the_last_words_of_a_server_have_no_secrets() {
    if is_wine() {
        return;
    }
    let (home, id) = (Home::new(), unique_id("shared"));
    let _register = Cli::start(sharing(&home, &id, &[], &[]));
    let hub = connected(&home, &id).await;
    let words = "cannot reach postgres://me:hushhush@db/x with DB_PASSWORD=hushhush, started as serve --token hushhush";
    let error = hub.call("die", json!({ "words": words })).await.failure();
    assert!(error.message.contains("postgres://me:[masked]@db/x"), "{error:?}");
    assert!(error.message.contains("serve --token [masked]"), "{error:?}");
    pid_of(&hub).await;
    let told = program(&hub, &id, |program| program["starts"] == 2).await;
    assert!(!format!("{error:?}{told}").contains("hushhush"), "{error:?} {told}");
    hub.end_quietly().await;
}

#[cfg(unix)]
#[tokio::test]
async fn kills_leave_nothing_behind_and_harm_nobody_else() {
    use rustix::process::Signal;

    use crate::support::signal;

    let (home, id) = (Home::new(), unique_id("shared"));
    let register = Cli::start(sharing(&home, &id, &[], &[]));
    let (one, other) = (connected(&home, &id).await, connected(&home, &id).await);
    // The server, in a call.
    let first = pid_of(&one).await;
    let waiting = one.ask("tools/call", json!({ "name": "never" })).await;
    other.request("ping", Value::Null).await.ok();
    let echoed = one.call("echo", json!({ "n": 1 })).await;
    assert_eq!(text(&echoed), json!({ "n": 1 }));
    signal(first, Signal::KILL);
    let error = one.answer(&waiting).await.failure();
    assert!(error.message.contains("ended by signal 9"), "{error:?}");
    let second = pid_of(&other).await;
    // A hub, in a call: the server is told that nobody waits for it.
    let lost = one.ask("tools/call", json!({ "name": "never" })).await;
    assert_eq!(text(&one.call("echo", json!({ "n": 2 })).await), json!({ "n": 2 }));
    signal(one.pid(), Signal::KILL);
    expect("the call of the killed hub is cancelled", async {
        while text(&other.call("pid", json!({})).await)["cancelled"].as_array().unwrap().is_empty() {}
    })
    .await;
    assert_eq!(pid_of(&other).await, second, "the process serves on");
    drop((lost, one));
    // The command itself: its guard ends the server.
    register.signal(Signal::KILL);
    expect("the server ends", wait_for_exit(second)).await;
    other.gone(&id).await;
    other.end_quietly().await;
}

#[tokio::test]
async fn the_tools_are_there_before_the_process_is() {
    if is_wine() {
        return;
    }
    let (home, id) = (Home::new(), unique_id("shared"));
    let mut register = Cli::start(sharing(&home, &id, &["--idle", "1ms"], &[]));
    register.says("started").await;
    register.says("ended: exit code 0").await;
    // One that is told to end has written down first what it has learnt.
    #[cfg(unix)]
    {
        register.signal(rustix::process::Signal::TERM);
        register.end().await;
    }
    #[cfg(not(unix))]
    drop(register);
    let id = unique_id("shared");
    let mut register = Cli::start(sharing(&home, &id, &["--idle", "1ms"], &[]));
    let hub = connected(&home, &id).await;
    hub.tools_until("echo").await;
    let told = program(&hub, &id, Value::is_object).await;
    assert_eq!((&told["starts"], &told["is_stale"], &told["tools"]), (&json!(0), &json!(true), &json!(12)));
    assert_eq!(text(&hub.call("echo", json!({ "n": 1 })).await), json!({ "n": 1 }));
    register.says("started").await;
    register.says("ended: exit code 0").await;
    hub.end_quietly().await;
}

#[tokio::test]
async fn a_session_may_have_a_process_of_its_own() {
    if is_wine() {
        return;
    }
    let (home, id) = (Home::new(), unique_id("own"));
    let _register = Cli::start(sharing(&home, &id, &["--per-session"], &[]));
    let (one, other) = (connected(&home, &id).await, connected(&home, &id).await);
    let pids = [pid_of(&one).await, pid_of(&other).await];
    assert_ne!(pids[0], pids[1]);
    let client = text(&one.call("pid", json!({})).await)["client"].clone();
    assert_eq!(client["name"], "e2e", "it sees the client itself");
    for (hub, uri) in [(&one, "file:///one"), (&other, "file:///other")] {
        let mark = hub.mark();
        let call = hub.ask("tools/call", json!({ "name": "roots" })).await;
        let question = hub.server_request(mark, "roots/list").await;
        hub.reply(&question, json!({ "roots": [{ "uri": uri }] })).await;
        assert_eq!(text(&hub.answer(&call).await)["roots"][0]["uri"], uri);
    }
    one.end_quietly().await;
    expect("its process ends with it", wait_for_exit(pids[0])).await;
    assert_eq!(pid_of(&other).await, pids[1]);
    other.end_quietly().await;
}

#[tokio::test]
async fn a_client_without_a_handshake_is_served_and_asked_too() {
    if is_wine() {
        return;
    }
    let (home, id) = (Home::new(), unique_id("shared"));
    let _register = Cli::start(sharing(&home, &id, &[], &[]));
    let other = connected(&home, &id).await;
    let hub = Hub::spawn(&home, &HubOptions::default());
    hub.modern_active(&id).await;
    let result = hub.modern_call("ask", json!({ "question": "who?" })).await.ok();
    assert_eq!(result["resultType"], "input_required", "{result:#}");
    assert!(result["inputRequests"].to_string().contains("who?"), "{result:#}");
    assert!(other.since(0).iter().all(|line| !line.requests("elicitation/create")));
    hub.end_quietly().await;
    other.end_quietly().await;
}

#[tokio::test]
async fn subscriptions_are_of_who_subscribed_and_outlive_the_process() {
    if is_wine() {
        return;
    }
    let (home, id) = (Home::new(), unique_id("shared"));
    let _register = Cli::start(sharing(&home, &id, &[], &[]));
    let (one, other) = (connected(&home, &id).await, connected(&home, &id).await);
    one.request("resources/subscribe", json!({ "uri": "test://a" })).await.ok();
    for _ in 0..2 {
        let mark = one.mark();
        // After the crash it may take a moment until the process has been told again.
        expect("the subscription", async {
            while text(&other.call("pid", json!({})).await)["subscribed"] != json!(["test://a"]) {}
        })
        .await;
        other.call("touch", json!({ "uri": "test://a" })).await.ok();
        let updated = one.line(mark, "the update", |line| {
            line.notifies("notifications/resources/updated") && line.params()["uri"] == "test://a"
        });
        updated.await;
        other.call("die", json!({})).await.failure();
    }
    assert!(other.since(0).iter().all(|line| {
        !line.notifies("notifications/resources/updated") || line.params()["uri"] != "test://a"
    }));
    one.end_quietly().await;
    other.end_quietly().await;
}

#[tokio::test]
async fn a_command_that_cannot_be_started_is_said() {
    let (home, id) = (Home::new(), unique_id("shared"));
    let mut command = command(&home, &["register", "--stdio", "--id", &id]);
    command.args(["--", "brummer-no-such-program"]);
    let mut register = Cli::start(command);
    let said = register.says("ended: ").await;
    assert!(said.contains("cannot start `brummer-no-such-program`"), "{said}");
}
