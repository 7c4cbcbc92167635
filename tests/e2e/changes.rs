//! What the hub announces when something changes.

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, Instance};

const TOOLS: &str = "notifications/tools/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";
const RESOURCES: &str = "notifications/resources/list_changed";
const UPDATED: &str = "notifications/resources/updated";

/// What a client was shown is what can change under it.
async fn list_all(hub: &Hub) {
    for method in ["tools/list", "prompts/list", "resources/list"] {
        hub.request(method, Value::Null).await.ok();
    }
}

#[tokio::test]
async fn connecting_and_disconnecting_change_the_lists() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default().all_growing()).await;
    let id = home.announce("changing", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&id).await;
    list_all(&hub).await;
    for (tool, arguments) in
        [("instances_connect", json!({ "instance_id": id })), ("instances_disconnect", json!({}))]
    {
        let mark = hub.mark();
        hub.hub_tool(tool, arguments).await;
        for method in [TOOLS, PROMPTS, RESOURCES] {
            hub.notification(mark, method).await;
        }
    }
}

#[tokio::test]
async fn a_change_in_the_connected_instance_is_passed_on_and_the_new_list_is_served() {
    let home = Home::new();
    let instance = Instance::rmcp(&home, "growing").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&instance.id).await;
    for number in 1..=3 {
        let name = format!("added_{number}");
        assert!(!hub.tool_names().await.contains(&name));
        let mark = hub.mark();
        assert_eq!(hub.call("add_tool", json!({})).await.text(), name);
        hub.notification(mark, TOOLS).await;
        assert!(hub.tool_names().await.contains(&name));
    }
}

#[tokio::test]
async fn changes_of_prompts_and_resources_are_passed_on() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default().all_growing()).await;
    let id = home.announce("telling", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    list_all(&hub).await;
    let session = fake.client_session().await;
    fake.listening(&session).await;
    for method in [PROMPTS, RESOURCES, TOOLS] {
        let mark = hub.mark();
        fake.push(&session, json!({ "jsonrpc": "2.0", "method": method }).to_string());
        hub.notification(mark, method).await;
    }
}

/// Ten changes told at once are one for the client, and what has not changed is none.
#[tokio::test]
async fn what_has_not_changed_is_not_announced_and_a_burst_is_one_change() {
    let home = Home::new();
    let behaviour = Behaviour::default().growing("prompts/list", "prompts", "name", &json!({}));
    let fake = Fake::start(behaviour).await;
    let id = home.announce("telling", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    list_all(&hub).await;
    let session = fake.client_session().await;
    fake.listening(&session).await;
    let mark = hub.mark();
    let asked = || fake.seen().iter().filter(|seen| seen.method() == "tools/list").count();
    let before = asked();
    for method in [[TOOLS; 10], [PROMPTS; 10]].concat() {
        fake.push(&session, json!({ "jsonrpc": "2.0", "method": method }).to_string());
    }
    hub.notification(mark, PROMPTS).await;
    let prompts = hub.request("prompts/list", Value::Null).await.ok();
    assert!(prompts["prompts"].as_array().unwrap().len() > 1);
    assert!(asked() > before, "it was looked at");
    let told = |method: &str| hub.since(mark).iter().filter(|line| line.notifies(method)).count();
    assert_eq!(told(TOOLS), 0);
    assert!((1..=3).contains(&told(PROMPTS)), "{}", told(PROMPTS));
}

#[tokio::test]
async fn in_all_mode_instances_that_come_and_go_change_the_list() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::args(&["--tools", "all"])).await;
    assert_eq!(hub.tool_names().await.len(), 6);
    let mark = hub.mark();
    let mut instance = Instance::fake(&home, "visitor").await;
    hub.active(&instance.id).await;
    hub.notification(mark, TOOLS).await;
    assert!(hub.tool_names().await.contains(&"visitor__echo".to_owned()));
    let mark = hub.mark();
    instance.kill().await;
    hub.gone(&instance.id).await;
    hub.notification(mark, TOOLS).await;
    assert_eq!(hub.tool_names().await.len(), 6);
}

#[tokio::test]
async fn in_all_mode_a_change_within_an_instance_changes_the_list() {
    let home = Home::new();
    let instance = Instance::rmcp(&home, "growing").await;
    let hub = Hub::start(&home, HubOptions::args(&["--tools", "all"])).await;
    hub.active(&instance.id).await;
    assert!(!hub.tool_names().await.contains(&"growing__added_1".to_owned()));
    let mark = hub.mark();
    hub.call("growing__add_tool", json!({})).await.text();
    hub.notification(mark, TOOLS).await;
    hub.tools_until("growing__added_1").await;
    hub.call("growing__echo", json!({ "message": "still there" })).await.text();
}

#[tokio::test]
async fn the_instances_are_a_resource_that_can_be_read_and_followed() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let uri = json!({ "uri": "brummer://instances" });
    let read = async || {
        let read = hub.request("resources/read", uri.clone()).await.ok();
        assert_json!(read, "/contents/0/uri", "brummer://instances");
        assert_json!(read, "/contents/0/mimeType", "application/json");
        let text = read["contents"][0]["text"].as_str().unwrap();
        serde_json::from_str::<Value>(text).unwrap()["instances"].as_array().unwrap().clone()
    };
    assert!(read().await.is_empty());
    assert_eq!(hub.request("resources/subscribe", uri.clone()).await.ok(), json!({}));

    let mark = hub.mark();
    let mut instance = Instance::fake(&home, "followed").await;
    let updated = hub.notification(mark, UPDATED).await;
    assert_json!(updated.params(), "/uri", "brummer://instances");
    hub.active(&instance.id).await;
    let listed = read().await;
    assert_eq!(listed.len(), 1);
    assert_json!(listed[0], "/id", instance.id);
    assert_json!(listed[0], "/state", "active");

    let mark = hub.mark();
    instance.kill().await;
    hub.notification(mark, UPDATED).await;
    hub.gone(&instance.id).await;
    assert!(read().await.is_empty());
}

#[tokio::test]
async fn the_resource_tells_also_which_instance_is_connected() {
    let home = Home::new();
    let instance = Instance::fake(&home, "chosen").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&instance.id).await;
    let connected = async |wanted: bool| {
        let read = hub.request("resources/read", json!({ "uri": "brummer://instances" })).await.ok();
        let list: Value = serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
        assert_json!(list, "/instances/0/connected", wanted);
    };
    // `active` has subscribed. Nothing happens to the instance itself from here on.
    for (tool, arguments, is) in [
        ("instances_connect", json!({ "instance_id": instance.id }), true),
        ("instances_disconnect", json!({}), false),
    ] {
        let mark = hub.mark();
        hub.hub_tool(tool, arguments.clone()).await;
        let updated = hub.notification(mark, UPDATED).await;
        assert_json!(updated.params(), "/uri", "brummer://instances");
        connected(is).await;
        // Once more is no change.
        let mark = hub.mark();
        hub.hub_tool(tool, arguments).await;
        assert!(!hub.since(mark).iter().any(|line| line.notifies(UPDATED)));
    }
}

#[tokio::test]
async fn who_does_not_follow_the_instances_is_not_told_of_them() {
    let home = Home::new();
    let options = HubOptions::args(&["--tools", "all"]);
    let (silent, ended) = (Hub::start(&home, options.clone()).await, Hub::start(&home, options).await);
    let uri = json!({ "uri": "brummer://instances" });
    ended.request("resources/subscribe", uri.clone()).await.ok();
    assert_eq!(ended.request("resources/unsubscribe", uri).await.ok(), json!({}));
    let instance = Instance::fake(&home, "unwatched").await;
    for hub in [silent, ended] {
        // In this mode the new tools are announced, which is when an update would have been, too.
        hub.tools_until("unwatched__echo").await;
        let told: Vec<_> = hub.since(0).into_iter().filter(|line| line.notifies(UPDATED)).collect();
        assert!(told.is_empty(), "{told:?}");
    }
    drop(instance);
}

#[tokio::test]
async fn an_unknown_resource_of_the_hubs_scheme_is_an_error() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    for method in ["resources/read", "resources/subscribe"] {
        let error = hub.request(method, json!({ "uri": "brummer://nothing" })).await.err();
        assert!([-32002, -32602].contains(&error.code), "{method}: {error:?}");
    }
}
