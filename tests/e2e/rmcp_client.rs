//! The official Rust client through the hub: to the example server and to `server-everything`.

#![expect(deprecated, reason = "the deprecated parts of MCP must go through the hub, too")]

use std::sync::Arc;

use rmcp::{
    ClientHandler, ErrorData, Peer, RoleClient, ServiceExt as _,
    model::*,
    service::{NotificationContext, RequestContext, RunningService},
    transport::TokioChildProcess,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{Home, HubOptions, Instance, LATEST, Node, expect};

/// A client that answers everything it is asked and keeps what it is told.
#[derive(Clone, Default)]
struct Client {
    told: Arc<watch::Sender<Vec<(&'static str, Value)>>>,
}

impl Client {
    fn note(&self, what: &'static str, value: impl serde::Serialize) {
        self.told.send_modify(|told| told.push((what, serde_json::to_value(value).unwrap())));
    }

    async fn told(&self, what: &'static str) -> Value {
        let mut told = self.told.subscribe();
        let of = |told: &Vec<(&str, Value)>| told.iter().find(|it| it.0 == what).map(|it| it.1.clone());
        expect(what, async { of(&told.wait_for(|told| of(told).is_some()).await.unwrap()).unwrap() }).await
    }
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientInfo {
        let capabilities =
            ClientCapabilities::builder().enable_roots().enable_sampling().enable_elicitation().build();
        ClientInfo::new(capabilities, Implementation::new("rmcp-client", "1.0.0"))
            .with_protocol_version(serde_json::from_value(json!(LATEST)).unwrap())
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.note("sampling", &params);
        Ok(CreateMessageResult::new(SamplingMessage::assistant_text("sampled"), "a-model".to_owned()))
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.note("elicitation", &params);
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "answer": "elicited" })))
    }

    async fn list_roots(&self, _context: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///rooted")]))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.note("progress", &params);
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        // The hub's own resource is followed to wait for the instance.
        if params.uri != "brummer://instances" {
            self.note("updated", &params);
        }
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.note("logged", &params);
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.note("tools changed", ());
    }
}

type Running = RunningService<RoleClient, Client>;

fn call(name: &str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name.to_owned())
        .with_arguments(arguments.as_object().cloned().unwrap_or_default())
}

async fn text(peer: &Peer<RoleClient>, name: &str, arguments: Value) -> String {
    let result = expect(name, peer.call_tool(call(name, &arguments))).await.unwrap();
    let result = serde_json::to_value(result).unwrap();
    assert_ne!(result["isError"], true, "{result:#}");
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result:#}")).to_owned()
}

/// A client whose session is connected to the instance.
async fn connected(home: &Home, instance: &Instance) -> Running {
    let command = HubOptions::default().command(home);
    let client = Client::default().serve(TokioChildProcess::new(command).unwrap()).await.unwrap();
    expect("the instance is active", async {
        while !text(&client, "instances_list", json!({})).await.contains("active") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    text(&client, "instances_connect", json!({ "instance_id": instance.id })).await;
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_of_the_rmcp_server() {
    let home = Home::new();
    let instance = Instance::rmcp(&home, "rmcp").await;
    let client = connected(&home, &instance).await;
    let tools = client.list_all_tools().await.unwrap();
    assert_eq!(tools.len(), 6 + 11, "{tools:#?}");
    assert_eq!(text(&client, "echo", json!({ "message": "hi" })).await, "hi");
    assert_eq!(text(&client, "ask", json!({ "question": "?" })).await, "answered: elicited");
    assert!(text(&client, "sample", json!({ "question": "?" })).await.contains("sampled"));
    assert_eq!(text(&client, "roots", json!({})).await, "file:///rooted");
    assert_eq!(client.service().told("elicitation").await["message"], "?");

    assert_eq!(text(&client, "slow", json!({ "steps": 3, "step_ms": 1 })).await, "3 steps");
    // This client handles notifications side by side, so any of the steps may be noted first.
    let progress = client.service().told("progress").await;
    assert_eq!(progress["total"].as_f64(), Some(3.0), "{progress:#}");

    let uri = "note://followed";
    client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    text(&client, "touch", json!({ "name": "followed" })).await;
    assert_eq!(client.service().told("updated").await["uri"], uri);
    client.unsubscribe(UnsubscribeRequestParams::new(uri)).await.unwrap();
    let read = client.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
    assert!(serde_json::to_string(&read).unwrap().contains("revision 1"));
    let templates = client.list_all_resource_templates().await.unwrap();
    assert_eq!(templates[0].uri_template, "note://{name}");

    client.set_level(SetLevelRequestParams::new(LoggingLevel::Warning)).await.unwrap();
    assert_eq!(text(&client, "log", json!({ "level": "info", "message": "low" })).await, "below the level");
    text(&client, "log", json!({ "level": "error", "message": "high" })).await;
    assert_eq!(client.service().told("logged").await["data"], "high");

    let arguments = json!({ "name": "Ann" });
    let prompt =
        GetPromptRequestParams::new("greeting").with_arguments(arguments.as_object().unwrap().clone());
    let prompt = serde_json::to_value(client.get_prompt(prompt).await.unwrap()).unwrap();
    assert_json!(prompt, "/messages/0/content/text", "Write a friendly greeting for Ann.");
    let reference = Reference::for_prompt("greeting");
    let completion =
        client.complete(CompleteRequestParams::new(reference, ArgumentInfo::new("style", "f"))).await;
    assert_eq!(completion.unwrap().completion.values, ["formal", "friendly"]);

    text(&client, "add_tool", json!({})).await;
    client.service().told("tools changed").await;
    assert_eq!(client.list_all_tools().await.unwrap().len(), 6 + 12);
    client.cancel().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_of_the_official_server() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let instance = node.everything(&home, "everything").await;
    let client = connected(&home, &instance).await;
    let tools = client.list_all_tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "get-sum"), "{tools:#?}");
    assert_eq!(text(&client, "echo", json!({ "message": "hi" })).await, "Echo: hi");
    assert!(text(&client, "trigger-sampling-request", json!({ "prompt": "?" })).await.contains("sampled"));
    text(&client, "trigger-elicitation-request", json!({})).await;
    client.service().told("elicitation").await;
    text(&client, "trigger-long-running-operation", json!({ "duration": 0.1, "steps": 2 })).await;
    client.service().told("progress").await;
    assert!(text(&client, "get-roots-list", json!({})).await.contains("file:///rooted"));
    let uri = "demo://resource/dynamic/text/1";
    client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    text(&client, "toggle-subscriber-updates", json!({})).await;
    assert_eq!(client.service().told("updated").await["uri"], uri);
    assert_eq!(client.list_all_prompts().await.unwrap().len(), 4);
    assert!(!client.list_all_resources().await.unwrap().is_empty());
    client.set_level(SetLevelRequestParams::new(LoggingLevel::Debug)).await.unwrap();
    text(&client, "toggle-simulated-logging", json!({})).await;
    client.service().told("logged").await;
    client.cancel().await.unwrap();
}
