//! What real agents said, said again: `tests/recorded` has the conversations that `cargo xtask agents --record` wrote
//! down, with what happened to the instances meanwhile. Each must get the same answers from the hub of today.

use std::{collections::HashMap, fs};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Home, Hub, HubOptions, Instance, Line, Node, expect, repository, with_meta};

/// One line of a recording.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Step {
    /// What the agent gave the hub on its command line.
    Start { arguments: Vec<String> },
    /// `start NAME` or `kill NAME`.
    Stage { stage: String },
    /// A message as the agent wrote it.
    Client { client: String },
    /// The hub asked the agent something.
    Asked { asked: String, id: Value },
    /// The hub answered a request of the agent.
    Answered(Answered),
}

#[derive(Debug, Deserialize)]
struct Answered {
    answered: Value,
    /// The code of a JSON-RPC error.
    code: Option<i64>,
    /// Whether the result of a tool was an error.
    error: Option<bool>,
    /// What an instance said; what the hub says by itself has times and ids in it.
    content: Option<String>,
}

/// A recording that is played to a hub.
struct Replay {
    home: Home,
    node: Node,
    hub: Hub,
    modern: bool,
    running: HashMap<String, Instance>,
    lives: HashMap<String, u32>,
    looks: u32,
    /// Up to where the questions of the hub have been seen.
    asked: usize,
}

impl Replay {
    fn new(home: Home, node: Node, arguments: &[String], steps: &[Step]) -> Self {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).filter(|it| *it != "--mcp").collect();
        let hub = Hub::spawn(&home, &HubOptions::args(&arguments));
        let handshake =
            |step: &Step| matches!(step, Step::Client { client } if client.contains("\"initialize\""));
        let modern = !steps.iter().any(handshake);
        Self { home, node, hub, modern, running: HashMap::new(), lives: HashMap::new(), looks: 0, asked: 0 }
    }

    async fn stage(&mut self, what: &str, after: Option<&Step>) {
        let (verb, name) = what.split_once(' ').expect("a verb and a name");
        match verb {
            "start" => {
                let life = self.lives.entry(name.to_owned()).or_default();
                *life += 1;
                let mut command = self.node.script("agents/instance.mjs");
                command.args([name, &life.to_string()]);
                let instance = Instance::command(&self.home, name, command, "/mcp").await;
                self.running.insert(name.to_owned(), instance);
            }
            "kill" => {
                let mut instance = self.running.remove(name).expect("it runs");
                if let Some(Step::Client { client }) = after {
                    let call: Value = serde_json::from_str(client).unwrap();
                    let tool = call["params"]["arguments"]["tool"].as_str().unwrap_or("wait").to_owned();
                    instance
                        .printed("the call", |line| line.contains("tools/call") && line.contains(&tool))
                        .await;
                }
                instance.kill().await;
            }
            _ => panic!("nobody knows how to {what}"),
        }
    }

    /// Waits until the hub lists as active what runs. In the recording that took a model's time to think.
    async fn settled(&mut self) {
        let wanted: Vec<String> = self.running.values().map(|it| it.id.clone()).collect();
        for id in wanted {
            loop {
                self.looks += 1;
                let request = format!("\"look-{}\"", self.looks);
                let mut params = json!({ "name": "instances_list", "arguments": {} });
                if self.modern {
                    params = with_meta(params);
                }
                let line =
                    format!(r#"{{"jsonrpc":"2.0","id":{request},"method":"tools/call","params":{params}}}"#);
                self.hub.write(format!("{line}\n")).await;
                let listed = self.hub.answer(&request).await.ok();
                let list = listed["structuredContent"]["instances"].as_array().expect("a list");
                if list.iter().any(|it| it["id"] == *id && it["state"] == "active") {
                    break;
                }
            }
        }
    }

    async fn play(mut self, steps: &[Step]) {
        let mut last = None;
        for step in steps {
            match step {
                Step::Start { .. } => {}
                Step::Stage { stage } => self.stage(stage, last).await,
                Step::Client { client } => {
                    if client.contains("\"tools/call\"") {
                        expect("what runs is active", self.settled()).await;
                    }
                    self.hub.write(format!("{client}\n")).await;
                    last = Some(step);
                }
                Step::Asked { asked, id } => {
                    let question = self.hub.server_request(self.asked, asked).await;
                    // The recorded answer has this id.
                    assert_eq!(question.id, Some(id.to_string()));
                    self.asked = self.hub.mark();
                }
                Step::Answered(wanted) => self.answered(wanted).await,
            }
        }
        let exit = self.hub.end().await;
        assert!(exit.status.success(), "{exit:?}");
    }

    async fn answered(&self, wanted: &Answered) {
        let line = self.hub.answer(&wanted.answered.to_string()).await;
        if let Some(code) = wanted.code {
            return assert_eq!(line.err().code, code, "{}", line.raw);
        }
        let result = line.ok();
        assert_eq!(result["isError"] == true, wanted.error == Some(true), "{}", line.raw);
        if let Some(content) = &wanted.content {
            assert_eq!(text(&line), *content, "{}", line.raw);
        }
    }
}

fn text(line: &Line) -> String {
    line.ok()["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

/// Plays one recording.
async fn replay(agent: &str) {
    let Some(node) = Node::ready() else { return };
    let file = repository().join("tests/recorded").join(format!("{agent}.jsonl"));
    let recorded = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let steps: Vec<Step> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let calls =
        steps.iter().filter(|step| matches!(step, Step::Answered(it) if it.content.is_some())).count();
    assert!(calls >= 3, "{agent}: only {calls} answers of an instance are recorded");
    let arguments = steps.iter().find_map(|step| match step {
        Step::Start { arguments } => Some(arguments.clone()),
        _ => None,
    });
    let replay = Replay::new(Home::new(), node, &arguments.expect("how the hub was started"), &steps);
    replay.play(&steps).await;
}

macro_rules! recordings {
    ($($name:ident: $agent:literal,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                replay($agent).await;
            }
        )+

        #[test]
        fn every_recording_is_played() {
            let played = [$($agent),+];
            let files = fs::read_dir(repository().join("tests/recorded")).unwrap();
            for file in files {
                let name = file.unwrap().file_name().into_string().unwrap();
                let agent = name.strip_suffix(".jsonl").expect("a recording");
                assert!(played.contains(&agent), "{agent} is not played");
            }
        }
    };
}

recordings! {
    ai_sdk_is_answered_as_it_was_recorded: "ai-sdk",
    claude_code_is_answered_as_it_was_recorded: "claude-code",
    cline_is_answered_as_it_was_recorded: "cline",
    codex_is_answered_as_it_was_recorded: "codex",
    continue_is_answered_as_it_was_recorded: "continue",
    copilot_is_answered_as_it_was_recorded: "copilot",
    fastmcp_is_answered_as_it_was_recorded: "fastmcp",
    gemini_is_answered_as_it_was_recorded: "gemini",
    langchain_is_answered_as_it_was_recorded: "langchain",
    mcp_use_is_answered_as_it_was_recorded: "mcp-use",
    openai_agents_is_answered_as_it_was_recorded: "openai-agents",
    opencode_is_answered_as_it_was_recorded: "opencode",
    pydantic_ai_is_answered_as_it_was_recorded: "pydantic-ai",
    python_sdk_is_answered_as_it_was_recorded: "python-sdk",
    qwen_is_answered_as_it_was_recorded: "qwen",
}
