//! Every official client with every official server: each client runs the same script of calls
//! (`tests/node/pairs/script.json`), straight to the server and through the hub, and the answers are the same.
//!
//! Where the two speak the same era, nothing may differ. Where they do not, there is no direct connection to compare with;
//! the measure is then what a client of the same SDK, but of the server's era, gets directly, in the words of neither era
//! (see [`Words`]).

mod rmcp;
mod words;

use std::{collections::BTreeMap, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::Value;

use self::words::Words;
use crate::support::{Home, HubOptions, Instance, Node};

/// What came of each step of the script.
type Outcomes = BTreeMap<String, Value>;

/// One step of the script.
#[derive(Clone, Debug, Deserialize)]
struct Step {
    name: String,
    r#do: String,
    #[serde(flatten)]
    rest: Value,
}

fn script() -> Vec<Step> {
    let file = crate::support::repository().join("tests/node/pairs/script.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Era {
    Legacy,
    Modern,
}

/// A client, and the one of its SDK that speaks the other era.
#[derive(Clone, Copy, Debug)]
struct Client {
    name: &'static str,
    era: Era,
    other: &'static str,
}

const CLIENTS: [Client; 5] = [
    Client { name: "ts-v1", era: Era::Legacy, other: "ts-v2-modern" },
    Client { name: "ts-v2-legacy", era: Era::Legacy, other: "ts-v2-modern" },
    Client { name: "ts-v2-modern", era: Era::Modern, other: "ts-v2-legacy" },
    Client { name: "rmcp-legacy", era: Era::Legacy, other: "rmcp-modern" },
    Client { name: "rmcp-modern", era: Era::Modern, other: "rmcp-legacy" },
];

/// Where a client is connected to.
#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    Direct(&'a Instance),
    Hub(&'a Home, &'a Instance, Era, Lost),
}

/// What is lost between a server and a client of different eras. A log message that a legacy server sends on its standing
/// stream belongs to no request, and a modern client may only be told what belongs to one of its own; the Rust SDK sends
/// log messages there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lost {
    Nothing,
    LogMessages,
}

impl Lost {
    fn step(self, step: &Step) -> bool {
        self == Self::LogMessages && step.r#do == "log"
    }
}

impl Place<'_> {
    /// What stands before the names of tools and prompts there. A modern client's list has all instances, under their
    /// names.
    fn prefix(self) -> &'static str {
        match self {
            Self::Hub(_, _, Era::Modern, _) => "pairs__",
            Self::Direct(_) | Self::Hub(_, _, Era::Legacy, _) => "",
        }
    }
}

async fn run(node: Node, client: &str, place: Place<'_>) -> Outcomes {
    if let Some(era) = client.strip_prefix("rmcp-") {
        return rmcp::run(era == "modern", place).await;
    }
    let mut command = node.script("pairs/client.mjs");
    command.args([client, place.prefix()]);
    match place {
        Place::Direct(instance) => {
            command.arg("").arg(format!("http://127.0.0.1:{}/mcp", instance.port));
        }
        Place::Hub(home, instance, _, lost) => {
            let hub = HubOptions::args(&["--no-auto-connect"]).command(home);
            let hub = hub.as_std();
            if lost == Lost::LogMessages {
                command.env("PAIRS_LOST", "log");
            }
            command.arg(&instance.id).arg(hub.get_program()).args(hub.get_args());
        }
    }
    serde_json::from_str(&node.run(command).await).unwrap()
}

/// Runs the script with all clients, one after the other, since it counts what the server has seen.
async fn all_clients(node: Node, home: &Home, instance: &Instance, server: Era, aside: Lost) {
    let mut direct: BTreeMap<&str, Outcomes> = BTreeMap::new();
    let mut wrong = Vec::new();
    for client in CLIENTS {
        let same = client.era == server;
        let measure = if same { client.name } else { client.other };
        if !direct.contains_key(measure) {
            direct.insert(measure, run(node, measure, Place::Direct(instance)).await);
        }
        let lost = if same { Lost::Nothing } else { aside };
        let through = run(node, client.name, Place::Hub(home, instance, client.era, lost));
        // A client that fails as a whole must not hide what the others say.
        let Ok(through) = AssertUnwindSafe(through).catch_unwind().await else {
            wrong.push(format!("{}: it did not get to the end of the script", client.name));
            continue;
        };
        let words = if same { Words::own } else { Words::neutral };
        let through = (client.era == Era::Modern, lost, &through);
        compare(client.name, &direct[measure], through, words, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Compares what came of each step. Where the client sees all instances in one list, the hub itself knows that a name is
/// not there, and says so in its own words; there the code must do.
fn compare(
    client: &str,
    direct: &Outcomes,
    (merged, lost, through): (bool, Lost, &Outcomes),
    words: fn(&Value) -> Words,
    wrong: &mut Vec<String>,
) {
    for step in script() {
        let (mut expected, actual) = (direct[&step.name].clone(), &through[&step.name]);
        if lost.step(&step) {
            expected["heard"] = actual["heard"].clone();
        }
        let equal = if merged && step.rest["unknown"] == true {
            expected["error"]["code"] == actual["error"]["code"] && !actual["error"]["code"].is_null()
        } else {
            words(&expected) == words(actual)
        };
        if !equal {
            let mut differences = Vec::new();
            words(&expected).differences(&words(actual), &mut differences);
            wrong.push(format!("{client}, {}:\n  {}", step.name, differences.join("\n  ")));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_with_the_typescript_server_of_the_legacy_era() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let command = node.script("pairs/legacy-server.mjs");
    let instance = Instance::command(&home, "pairs", command, "/mcp").await;
    all_clients(node, &home, &instance, Era::Legacy, Lost::Nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_with_the_typescript_server_of_the_modern_era() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let command = node.script("pairs/modern-server.mjs");
    let instance = Instance::command(&home, "pairs", command, "/mcp").await;
    all_clients(node, &home, &instance, Era::Modern, Lost::Nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_with_the_rust_server_of_the_legacy_era() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let instance = Instance::rmcp_of_era(&home, "pairs", "legacy").await;
    all_clients(node, &home, &instance, Era::Legacy, Lost::LogMessages).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_with_the_rust_server_of_the_modern_era() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let instance = Instance::rmcp_of_era(&home, "pairs", "modern").await;
    all_clients(node, &home, &instance, Era::Modern, Lost::Nothing).await;
}

/// There is nothing to bridge then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_both_eras_speaks_to_each_client_in_its_own() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let instance = Instance::rmcp_of_era(&home, "pairs", "both").await;
    for (measure, client, era) in
        [("ts-v2-modern", "ts-v2-auto", Era::Modern), ("ts-v1", "ts-v1", Era::Legacy)]
    {
        let direct = run(node, measure, Place::Direct(&instance)).await;
        let through = run(node, client, Place::Hub(&home, &instance, era, Lost::Nothing)).await;
        let mut wrong = Vec::new();
        let through = (era == Era::Modern, Lost::Nothing, &through);
        compare(client, &direct, through, Words::own, &mut wrong);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Without a session it could not ask a legacy client anything, so its modern side is better.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_both_eras_without_sessions_is_bridged() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let mut command = node.script("pairs/modern-server.mjs");
    command.arg("both");
    let instance = Instance::command(&home, "pairs", command, "/mcp").await;
    let direct = run(node, "ts-v2-modern", Place::Direct(&instance)).await;
    let through = run(node, "ts-v1", Place::Hub(&home, &instance, Era::Legacy, Lost::Nothing)).await;
    let mut wrong = Vec::new();
    compare("ts-v1", &direct, (false, Lost::Nothing, &through), Words::neutral, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
