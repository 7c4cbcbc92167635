//! Requests run at the same time; a slow one holds up nothing.

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, Instance, result};

#[tokio::test]
async fn a_call_that_hangs_holds_up_nothing() {
    let home = Home::new();
    let (stuck, other) = (Fake::start(Behaviour::default()).await, Fake::start(Behaviour::default()).await);
    let (id, other_id) = (home.announce("stuck", stuck.port), home.announce("other", other.port));
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&other_id).await;
    hub.connect(&id).await;
    let mut hanging = Vec::new();
    for _ in 0..50 {
        hanging.push(hub.ask("tools/call", json!({ "name": "hang" })).await);
    }
    stuck
        .saw("all of them", |_| {
            stuck.seen().iter().filter(|it| it.message["params"]["name"] == "hang").count() == 50
        })
        .await;
    assert_eq!(hub.call("echo", json!({ "message": "same instance" })).await.text(), "same instance");
    assert_eq!(hub.request("ping", Value::Null).await.ok(), json!({}));
    assert!(hub.tool_names().await.contains(&"echo".to_owned()));
    let arguments =
        json!({ "instance_id": other_id, "tool": "echo", "arguments": { "message": "other instance" } });
    assert_eq!(hub.call("instances_call", arguments).await.text(), "other instance");
    hub.active(&id).await;
    assert!(!hub.since(0).iter().any(|line| hanging.iter().any(|id| line.answers(id))));
}

#[tokio::test]
async fn many_calls_at_once_all_get_their_own_answer() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("busy", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    let mut calls = Vec::new();
    for number in 0..1_000 {
        let params = json!({ "name": "echo", "arguments": { "message": format!("number {number}") } });
        calls.push((hub.ask("tools/call", params).await, format!("number {number}")));
    }
    for (id, text) in calls {
        assert_eq!(hub.answer(&id).await.text(), text);
    }
    hub.end_quietly().await;
}

#[tokio::test]
async fn answers_come_in_the_order_in_which_they_are_ready() {
    let home = Home::new();
    let instance = Instance::rmcp(&home, "steps").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&instance.id).await;
    let mark = hub.mark();
    let slow =
        hub.ask("tools/call", json!({ "name": "slow", "arguments": { "steps": 20, "step_ms": 20 } })).await;
    let quick = hub.ask("tools/call", json!({ "name": "echo", "arguments": { "message": "quick" } })).await;
    hub.answer(&slow).await.text();
    let order: Vec<_> =
        hub.since(mark).iter().filter(|line| line.result.is_some()).map(|line| line.id.clone()).collect();
    assert_eq!(order, [Some(quick), Some(slow)]);
}

#[tokio::test]
async fn small_answers_overtake_none_of_a_large_one_but_all_arrive() {
    let home = Home::new();
    let large = "z".repeat(8 << 20);
    let length = large.len();
    let behaviour = Behaviour::default().tool("large", move |call| {
        std::future::ready(result(&call, format!(r#"{{"content":[{{"type":"text","text":"{large}"}}]}}"#)))
    });
    let fake = Fake::start(behaviour).await;
    let id = home.announce("mixed", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    let mut calls = Vec::new();
    for number in 0..40 {
        let (name, wanted) = if number % 10 == 0 { ("large", length) } else { ("echo", 5) };
        let id = hub.ask("tools/call", json!({ "name": name, "arguments": { "message": "small" } })).await;
        calls.push((id, wanted));
    }
    for (id, wanted) in calls {
        assert_eq!(hub.answer(&id).await.text().len(), wanted);
    }
}

#[tokio::test]
async fn several_clients_use_one_instance_at_once() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("shared", fake.port);
    let mut hubs = Vec::new();
    for _ in 0..5 {
        let hub = Hub::start(&home, HubOptions::default()).await;
        hub.connect(&id).await;
        hubs.push(hub);
    }
    for (number, hub) in hubs.iter().enumerate() {
        let text = format!("client {number}");
        assert_eq!(hub.call("echo", json!({ "message": text })).await.text(), text);
    }
    // One leaves; the others stay.
    hubs.pop().unwrap().end_quietly().await;
    for hub in hubs {
        assert_eq!(hub.call("echo", json!({ "message": "still" })).await.text(), "still");
    }
}

#[tokio::test]
async fn a_list_that_hangs_does_not_hold_up_the_hub() {
    let home = Home::new();
    let behaviour = Behaviour::default().on("prompts/list", async |_| crate::support::Answer::Never);
    let fake = Fake::start(behaviour).await;
    let id = home.announce("stuck-list", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    hub.ask("prompts/list", Value::Null).await;
    fake.saw("the list", |seen| seen.method() == "prompts/list").await;
    assert_eq!(hub.call("echo", json!({ "message": "on" })).await.text(), "on");
    assert!(hub.tool_names().await.contains(&"echo".to_owned()));
}
