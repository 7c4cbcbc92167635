//! The shared cases, through the command: `list --json`, `register`, and the hub of `--mcp`.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::support::{
    Hub, HubOptions, expect,
    runner::{self, Action, Outcome, Surface, World},
};

/// The hub of `--mcp`, and the announcement that a case has asked for.
struct Cli {
    hub: Hub,
    announcement: Option<Child>,
}

fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brummer-hub"));
    command.args(arguments).arg("--data-dir").arg(world.home.data()).kill_on_drop(true);
    command.stdin(std::process::Stdio::null());
    command
}

impl Cli {
    async fn request(&self, method: &str, params: &Value) -> Outcome {
        let line = self.hub.request(method, params.clone()).await;
        let answer: Value = serde_json::from_str(&line.raw).unwrap();
        match answer.get("error") {
            None => Outcome::Done(answer["result"].clone()),
            Some(error) => Outcome::Failed {
                status: "RPC".to_owned(),
                code: error["code"].as_i64().unwrap(),
                message: error["message"].as_str().unwrap().to_owned(),
            },
        }
    }

    async fn tool(&self, name: &str, arguments: &Value) -> Outcome {
        self.request("tools/call", &json!({ "name": name, "arguments": arguments })).await
    }

    /// One of the hub's own tools, whose refusal is the command's failure.
    async fn own_tool(&self, name: &str, arguments: &Value) -> Outcome {
        match self.tool(name, arguments).await {
            Outcome::Done(result) if result["isError"] == true => Outcome::Failed {
                status: "TOOL".to_owned(),
                code: 0,
                message: result["content"][0]["text"].as_str().unwrap().to_owned(),
            },
            other => other,
        }
    }

    async fn register(&mut self, world: &World, server: &str) -> Outcome {
        let (port, pid) = (world.port(server).to_string(), std::process::id().to_string());
        let path = world.home.project(server);
        let mut register = command(world, &["register", "--port", &port, "--pid", &pid, "--name", server]);
        register.arg("--path").arg(path).stderr(std::process::Stdio::piped());
        let mut child = register.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        loop {
            let line = expect("the announcement", said.next_line()).await.unwrap().unwrap();
            if line.contains("announced") {
                break;
            }
        }
        self.announcement = Some(child);
        Outcome::Done(Value::Null)
    }
}

impl Surface for Cli {
    const NAME: &'static str = "cli";

    async fn start(world: &World) -> Self {
        Self { hub: Hub::start(&world.home, HubOptions::default()).await, announcement: None }
    }

    async fn perform(&mut self, world: &World, action: &Action) -> Outcome {
        let none = json!({});
        if let Action::Call { arguments_text: text, timeout_ms, .. }
        | Action::Request { params_text: text, timeout_ms, .. } = action
        {
            assert!(text.is_none() && timeout_ms.is_none(), "no case for the command: {action:?}");
        }
        match action {
            Action::List => {
                let listed = expect("the list", command(world, &["list", "--json"]).output()).await.unwrap();
                Outcome::Done(serde_json::from_slice(&listed.stdout).unwrap())
            }
            Action::Call { instance: None, tool, arguments, .. } => {
                self.tool(tool, arguments.as_ref().unwrap_or(&none)).await
            }
            Action::Call { instance: Some(instance), tool, arguments, .. } => {
                let arguments = arguments.as_ref().unwrap_or(&none);
                let call = json!({ "instance_id": instance, "tool": tool, "arguments": arguments });
                self.tool("instances_call", &call).await
            }
            Action::Request { method, params, .. } => {
                self.request(method, params.as_ref().unwrap_or(&Value::Null)).await
            }
            Action::Connect { instance } => {
                self.own_tool("instances_connect", &json!({ "instance_id": instance })).await
            }
            Action::Disconnect => self.own_tool("instances_disconnect", &none).await,
            Action::Register { server } => self.register(world, server).await,
            Action::Unregister => {
                expect("the end", self.announcement.take().unwrap().kill()).await.unwrap();
                Outcome::Done(Value::Null)
            }
        }
    }

    async fn end(self) {
        self.hub.end_quietly().await;
    }
}

#[tokio::test]
async fn the_shared_cases_hold_for_the_command() {
    runner::run::<Cli>().await;
}
