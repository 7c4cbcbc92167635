//! The official Rust client through the hub: to the example server and to `server-everything`.

#![expect(deprecated, reason = "the deprecated parts of MCP must go through the hub, too")]

use rmcp::{ServiceExt as _, model::*, transport::TokioChildProcess};
use serde_json::{Value, json};

use crate::support::{
    Home, HubOptions, Instance, Node, expect,
    sdk_client::{Running, SdkClient, call, until_active},
};

const UPDATED: &str = "notifications/resources/updated";
const MESSAGE: &str = "notifications/message";

async fn text(client: &Running, name: &str, arguments: Value) -> String {
    let result = expect(name, client.call_tool(call(name, &arguments))).await.unwrap();
    let result = serde_json::to_value(result).unwrap();
    assert_ne!(result["isError"], true, "{result:#}");
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result:#}")).to_owned()
}

/// The parameters of the question that the client was asked last.
fn asked(client: &Running, method: &str) -> Value {
    let told = client.service().told.borrow();
    let question = told.asked.last().expect("a question");
    assert_eq!(question["method"], method);
    question["params"].clone()
}

/// A client whose session is connected to the instance.
async fn connected(home: &Home, instance: &Instance) -> Running {
    let command = HubOptions::default().command(home);
    let client = SdkClient::default().serve(TokioChildProcess::new(command).unwrap()).await.unwrap();
    client.service().begin(json!({ "action": "accept", "content": { "answer": "elicited" } }));
    until_active(&client, false, &instance.id).await;
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
    assert_eq!(asked(&client, "elicitation/create")["message"], "?");
    assert!(text(&client, "sample", json!({ "question": "?" })).await.contains("the model's answer"));
    assert_eq!(text(&client, "roots", json!({})).await, "file:///first\nfile:///second");

    assert_eq!(text(&client, "slow", json!({ "steps": 3, "step_ms": 1 })).await, "3 steps");
    // This client handles notifications side by side, so any of the steps may be noted first.
    let heard = client.service().until("progress", |heard| heard["progress"].is_object()).await;
    assert_eq!(heard["progress"]["total"].as_f64(), Some(3.0), "{heard:#}");

    let uri = "note://followed";
    client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    text(&client, "touch", json!({ "name": "followed" })).await;
    assert_eq!(client.service().until_method(UPDATED).await["params"]["uri"], uri);
    client.unsubscribe(UnsubscribeRequestParams::new(uri)).await.unwrap();
    let read = client.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
    assert!(serde_json::to_string(&read).unwrap().contains("revision 1"));
    let templates = client.list_all_resource_templates().await.unwrap();
    assert_eq!(templates[0].uri_template, "note://{name}");

    client.set_level(SetLevelRequestParams::new(LoggingLevel::Warning)).await.unwrap();
    assert_eq!(text(&client, "log", json!({ "level": "info", "message": "low" })).await, "below the level");
    text(&client, "log", json!({ "level": "error", "message": "high" })).await;
    assert_eq!(client.service().until_method(MESSAGE).await["params"]["data"], "high");

    let arguments = json!({ "name": "Ann" });
    let prompt =
        GetPromptRequestParams::new("greeting").with_arguments(arguments.as_object().unwrap().clone());
    let prompt = serde_json::to_value(client.get_prompt(prompt).await.unwrap()).unwrap();
    assert_json!(prompt, "/messages/0/content/text", "Write a friendly greeting for Ann.");
    let reference = Reference::for_prompt("greeting");
    let completion =
        client.complete(CompleteRequestParams::new(reference, ArgumentInfo::new("style", "f"))).await;
    assert_eq!(completion.unwrap().completion.values, ["formal", "friendly"]);

    client.service().begin(Value::Null);
    text(&client, "add_tool", json!({})).await;
    client.service().until_method("notifications/tools/list_changed").await;
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
    assert!(
        text(&client, "trigger-sampling-request", json!({ "prompt": "?" }))
            .await
            .contains("the model's answer")
    );
    text(&client, "trigger-elicitation-request", json!({})).await;
    asked(&client, "elicitation/create");
    text(&client, "trigger-long-running-operation", json!({ "duration": 0.1, "steps": 2 })).await;
    client.service().until("progress", |heard| heard["progress"].is_object()).await;
    assert!(text(&client, "get-roots-list", json!({})).await.contains("file:///second"));
    let uri = "demo://resource/dynamic/text/1";
    client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    text(&client, "toggle-subscriber-updates", json!({})).await;
    assert_eq!(client.service().until_method(UPDATED).await["params"]["uri"], uri);
    assert_eq!(client.list_all_prompts().await.unwrap().len(), 4);
    assert!(!client.list_all_resources().await.unwrap().is_empty());
    client.set_level(SetLevelRequestParams::new(LoggingLevel::Debug)).await.unwrap();
    text(&client, "toggle-simulated-logging", json!({})).await;
    client.service().until_method(MESSAGE).await;
    client.cancel().await.unwrap();
}
