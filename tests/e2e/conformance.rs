//! The official conformance scenarios for servers: through the hub they say what they say directly.

use std::{collections::BTreeMap, process::Stdio};

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{Home, Node, expect, repository};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_says_the_same_directly_and_through_the_hub() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let server = node.conformance_server(&home, "conformance").await;
    // The client of the scenarios is opened inside the project, so it has the instance's tools at once.
    let mut command = node.script("bridge.mjs");
    command
        .arg(env!("CARGO_BIN_EXE_brummer-hub"))
        .args(["--mcp", "--data-dir"])
        .arg(home.data())
        .current_dir(home.project("conformance"))
        .stdout(Stdio::piped());
    let mut bridge = command.spawn().unwrap();
    let mut lines = BufReader::new(bridge.stdout.take().unwrap()).lines();
    let line = expect("the bridge is ready", lines.next_line()).await.unwrap().unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();

    let mut command = node.script("conformance.mjs");
    command
        .arg(format!("http://127.0.0.1:{}/mcp", server.port))
        .arg(format!("http://127.0.0.1:{}/mcp", ready["port"]));
    let report: BTreeMap<String, Compared> = serde_json::from_str(&node.run(command).await).unwrap();
    assert!(report.len() >= 30, "the suite has more scenarios: {:?}", report.keys());

    let file = repository().join("tests/conformance/expected-differences.json");
    let mut expected: BTreeMap<String, Expected> =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for (scenario, Compared { direct, hub }) in &report {
        let passes =
            direct.as_ref().is_some_and(|checks| checks.values().all(|it| !it.starts_with("FAILURE")));
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
