//! The official conformance scenarios: those for servers say through the hub what they say directly, and those for clients
//! pass with the hub as the client.

use std::{collections::BTreeMap, process::Stdio};

use serde::Deserialize;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::support::{Home, Instance, Node, expect, repository};

/// What each check of a scenario said.
type Checks = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
struct Compared {
    direct: Option<Checks>,
    hub: Option<Checks>,
}

/// A scenario that may differ, and why.
#[derive(Debug, Deserialize)]
struct Expected {
    reason: String,
    hub: Checks,
}

/// Scenarios of the next suite that it runs but does not score, and that fail without the hub.
const UNSCORED: [(&str, &str); 3] = [
    ("tasks-", "the server has no tasks; `modern/tasks.rs` and `proxy.rs` are about them"),
    ("json-schema-2020-12", "pending in the suite, which asks for more keywords than it says"),
    ("http-custom-header-server-validation", "a client on stdio sends no header fields"),
];

fn is_unscored(scenario: &str) -> bool {
    UNSCORED.iter().any(|(name, _)| scenario.starts_with(name))
}

/// A hub behind a bridge to HTTP, and its port.
async fn bridge(mut command: Command, home: &Home) -> (Child, u64) {
    // The client of the scenarios is opened inside the project, so it has the instance's tools at once. Some names are
    // long, and where they have the instance's before them they must not be cut.
    command
        .arg(env!("CARGO_BIN_EXE_brummer-hub"))
        .args(["--mcp", "--name-budget", "64", "--data-dir"])
        .arg(home.data())
        .current_dir(home.project("it"))
        .stdout(Stdio::piped());
    let mut bridge = command.spawn().unwrap();
    let mut lines = BufReader::new(bridge.stdout.take().unwrap()).lines();
    let line = expect("the bridge is ready", lines.next_line()).await.unwrap().unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    (bridge, ready["port"].as_u64().expect("a port"))
}

/// Runs a suite against the server and against the hub.
async fn compared(node: Node, suite: &str, server: &Instance, through: u64) -> BTreeMap<String, Compared> {
    let mut command = node.script("conformance.mjs");
    command
        .arg(suite)
        .arg(format!("http://127.0.0.1:{}/mcp", server.port))
        .arg(format!("http://127.0.0.1:{through}/mcp"));
    serde_json::from_str(&node.run(command).await).unwrap()
}

/// Fails unless each scenario passes directly and says the same through the hub.
fn assert_same(suite: &str, report: &BTreeMap<String, Compared>, at_least: usize) {
    assert!(report.len() >= at_least, "the suite has more scenarios: {:?}", report.keys());
    let file = repository().join("tests/conformance/expected-differences.json");
    let mut expected: BTreeMap<String, BTreeMap<String, Expected>> =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut expected = expected.remove(suite).unwrap_or_default();
    let mut wrong = Vec::new();
    for (scenario, Compared { direct, hub }) in report {
        let passes =
            direct.as_ref().is_some_and(|checks| checks.values().all(|it| !it.starts_with("FAILURE")));
        if is_unscored(scenario) {
            continue;
        }
        if !passes {
            wrong.push(format!("{scenario} fails without the hub: {direct:?}"));
        }
        let wanted = match expected.remove(scenario) {
            Some(expected) if direct.as_ref() == Some(&expected.hub) => {
                wrong.push(format!("{scenario} is expected to differ and does not ({})", expected.reason));
                continue;
            }
            Some(expected) => Some(expected.hub),
            None => direct.clone(),
        };
        if *hub != wanted {
            wrong.push(format!("{scenario}\n  wanted {wanted:?}\n  got    {hub:?}"));
        }
    }
    wrong.extend(expected.keys().map(|scenario| format!("{scenario} is expected to differ and was not run")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_says_the_same_directly_and_through_the_hub() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let server = node.conformance_server(&home, "it").await;
    let (_bridge, port) = bridge(node.script("bridge.mjs"), &home).await;
    assert_same("0.1", &compared(node, "0.1", &server, port).await, 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_legacy_scenario_of_the_next_suite_says_the_same_directly_and_through_the_hub() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let server = node.conformance_server(&home, "it").await;
    let (_bridge, port) = bridge(node.script("bridge.mjs"), &home).await;
    assert_same("2025-11-25", &compared(node, "2025-11-25", &server, port).await, 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_modern_scenario_says_the_same_directly_and_through_the_hub() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let server = node.conformance_server_modern(&home, "it").await;
    let mut command = node.script("bridge-modern.mjs");
    command.arg("it__");
    let (_bridge, port) = bridge(command, &home).await;
    assert_same("2026-07-28", &compared(node, "2026-07-28", &server, port).await, 37);
}

/// The hub as the client of the suite's servers, with a client of either era before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_scenario_passes_with_the_hub_as_the_client() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let mut command = node.script("conformance-clients.mjs");
    command.arg(home.path()).arg(env!("CARGO_BIN_EXE_brummer-hub")).args(["--mcp", "--no-auto-connect"]);
    let report: BTreeMap<String, Checks> = serde_json::from_str(&node.run(command).await).unwrap();
    assert_eq!(report.len(), 26, "{:?}", report.keys());
    let failed = |(_, checks): &(&String, &Checks)| {
        // A check is skipped when its message never came: this revision has no `initialize`.
        let bad = |said: &String| said != "SUCCESS" && !said.starts_with("SKIPPED");
        checks.values().any(bad) || !checks.values().any(|said| said == "SUCCESS")
    };
    let wrong: Vec<_> = report.iter().filter(failed).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
