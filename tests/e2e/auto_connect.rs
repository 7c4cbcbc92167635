//! A client that is opened inside a project has that project's tools at its first `tools/list`.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions};

async fn project(home: &Home, name: &str) -> String {
    let fake =
        Fake::start(Behaviour::bare().tool(name, async |call| crate::support::result(&call, "{}"))).await;
    home.announce(name, fake.port)
}

fn file_uri(path: &Path) -> String {
    let path = path.to_str().unwrap().replace('\\', "/");
    if path.starts_with('/') { format!("file://{path}") } else { format!("file:///{path}") }
}

/// Nothing but roots, so that nothing else is asked of the client.
fn with_roots() -> HubOptions {
    HubOptions::default().capabilities(json!({ "roots": { "listChanged": true } }))
}

#[tokio::test]
async fn the_first_list_has_the_tools_of_the_project_around_the_working_directory() {
    let home = Home::new();
    let id = project(&home, "inside").await;
    project(&home, "elsewhere").await;
    let deep = home.project("inside").join("src/deep");
    std::fs::create_dir_all(&deep).unwrap();
    for directory in [home.project("inside"), deep] {
        let hub = Hub::start(&home, HubOptions::default().cwd(directory)).await;
        assert_eq!(hub.tool_names().await[6..], ["inside"], "at the very first list");
        let entry = hub.active(&id).await;
        assert_json!(entry, "/connected", true);
        hub.end_quietly().await;
    }
}

#[tokio::test]
async fn a_neighbour_whose_name_only_begins_alike_is_not_around() {
    let home = Home::new();
    project(&home, "shop").await;
    let hub = Hub::start(&home, HubOptions::default().cwd(home.project("shop-admin"))).await;
    assert_eq!(hub.tool_names().await.len(), 6);
}

#[tokio::test]
async fn it_can_be_turned_off() {
    let home = Home::new();
    let id = project(&home, "inside").await;
    let options = HubOptions::args(&["--no-auto-connect"]).cwd(home.project("inside"));
    let hub = Hub::start(&home, options).await;
    hub.active(&id).await;
    assert_eq!(hub.tool_names().await.len(), 6);
    assert_json!(hub.active(&id).await, "/connected", false);
}

#[tokio::test]
async fn an_instance_that_starts_later_is_connected_and_announced() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default().cwd(home.project("later"))).await;
    assert_eq!(hub.tool_names().await.len(), 6);
    let mark = hub.mark();
    project(&home, "later").await;
    hub.notification(mark, "notifications/tools/list_changed").await;
    hub.instances_until("later is connected", |list| list.iter().any(|it| it["connected"] == true)).await;
    assert_eq!(hub.tool_names().await[6..], ["later"]);
}

#[tokio::test]
async fn who_disconnected_stays_disconnected() {
    let home = Home::new();
    let id = project(&home, "left").await;
    let hub = Hub::start(&home, HubOptions::default().cwd(home.project("left"))).await;
    assert_eq!(hub.tool_names().await[6..], ["left"]);
    hub.hub_tool("instances_disconnect", json!({})).await;
    assert_eq!(hub.tool_names().await.len(), 6);
    assert_json!(hub.active(&id).await, "/connected", false);
}

#[tokio::test]
async fn the_clients_roots_count_when_the_working_directory_says_nothing() {
    let home = Home::new();
    let id = project(&home, "rooted place").await;
    project(&home, "other").await;
    let hub = Hub::start(&home, with_roots()).await;
    hub.active(&id).await;
    let asked = hub.server_request(0, "roots/list").await;
    let uri = file_uri(&home.project("rooted place")).replace(' ', "%20");
    hub.reply(&asked, json!({ "roots": [{ "uri": uri }] })).await;
    let connected = |list: &[Value]| list.iter().any(|it| it["id"] == *id && it["connected"] == true);
    hub.instances_until("the root's instance is connected", connected).await;
    assert_eq!(hub.tool_names().await[6..], ["rooted place"]);
}

#[tokio::test]
async fn roots_that_match_nothing_connect_nothing() {
    let home = Home::new();
    let id = project(&home, "alone").await;
    let hub = Hub::start(&home, with_roots()).await;
    hub.active(&id).await;
    let asked = hub.server_request(0, "roots/list").await;
    let roots =
        json!({ "roots": [{ "uri": "https://example.com" }, { "uri": file_uri(Path::new("/no/such")) }] });
    hub.reply(&asked, roots).await;
    assert_eq!(hub.request("ping", Value::Null).await.ok(), json!({}));
    assert_json!(hub.active(&id).await, "/connected", false);
}

#[tokio::test]
async fn a_call_before_any_list_finds_the_project_too() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    home.announce("direct", fake.port);
    let hub = Hub::start(&home, HubOptions::default().cwd(home.project("direct"))).await;
    assert_eq!(hub.call("echo", json!({ "message": "first thing" })).await.text(), "first thing");
}
