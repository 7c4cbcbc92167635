//! Where instances are looked for, in which formats, and when.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Behaviour, Doorbell, Fake, Home, Hub, HubOptions, unique_id};

/// A hub that looks where its environment says.
fn by_environment() -> HubOptions {
    HubOptions { own_data: false, ..HubOptions::default() }
}

/// The user's own `brummer` directory below a home.
fn of_home(home: &Path) -> PathBuf {
    if cfg!(windows) { home.join("AppData/brummer") } else { home.join(".local/share/brummer") }
}

#[tokio::test]
async fn every_place_an_instance_may_have_written_to_is_watched() {
    let home = Home::new();
    let path = home.path();
    let elsewhere = |name: &str| path.join(name).to_str().unwrap().to_owned();
    let mut places = vec![("home", of_home(&path)), ("temporary", path.join("tmp/brummer"))];
    if cfg!(unix) {
        places.push(("xdg-data", path.join("xdg-data/brummer")));
        places.push(("xdg-runtime", path.join("xdg-runtime/brummer")));
    }
    let options = by_environment()
        .env("XDG_DATA_HOME", elsewhere("xdg-data"))
        .env("XDG_RUNTIME_DIR", elsewhere("xdg-runtime"));
    let announce = async |round: &str| {
        let mut ids = Vec::new();
        for (place, data) in &places {
            let fake = Fake::start(Behaviour::default()).await;
            let doorbell = home.doorbell(&format!("{round}-{place}"), fake.port);
            doorbell.write(data);
            ids.push(doorbell.id);
        }
        ids
    };
    let before = announce("before").await;
    let hub = Hub::start(&home, options).await;
    let after = announce("after").await;
    for id in before.iter().chain(&after) {
        hub.active(id).await;
    }
    hub.end_quietly().await;
}

#[tokio::test]
async fn places_that_do_not_exist_yet_are_watched_all_the_same() {
    let home = Home::new();
    let hub = Hub::start(&home, by_environment()).await;
    assert!(hub.instances().await.is_empty());
    let mut ids = Vec::new();
    for data in [of_home(&home.path()), home.path().join("tmp/brummer")] {
        let fake = Fake::start(Behaviour::default()).await;
        let doorbell = home.doorbell(&format!("late-{}", ids.len()), fake.port);
        doorbell.write(&data);
        ids.push(doorbell.id);
    }
    for id in &ids {
        hub.active(id).await;
    }
    hub.end_quietly().await;
}

#[tokio::test]
async fn the_data_directory_can_be_named_by_option_and_by_environment() {
    let home = Home::new();
    let data = home.path().join("named");
    let fake = Fake::start(Behaviour::default()).await;
    let doorbell = home.doorbell("named", fake.port);
    doorbell.write(&data);
    let text = data.to_str().unwrap();
    let mut with_option = HubOptions::args(&["--data-dir", text]);
    with_option.own_data = false;
    for options in [with_option, by_environment().env("BRUMMER_DATA_DIR", text)] {
        let hub = Hub::start(&home, options).await;
        hub.active(&doorbell.id).await;
        hub.end_quietly().await;
    }
}

#[tokio::test]
async fn the_released_programs_format_is_read_like_our_own() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let path = home.project("go");
    let doorbell = Doorbell::go(&unique_id("go"), "go", &path, fake.port, std::process::id());
    doorbell.write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    let entry = hub.active(&doorbell.id).await;
    assert_json!(entry, "/name", "go");
    assert_json!(entry, "/path", doorbell.json["directory"]);
    assert_json!(entry, "/pid", std::process::id());
    assert_json!(entry, "/port", fake.port);
    assert_json!(entry, "/started", doorbell.json["started_at"]);
    hub.connect(&doorbell.id).await;
    assert_eq!(hub.call("echo", json!({ "message": "go" })).await.text(), "go");
}

#[tokio::test]
async fn the_endpoint_of_the_file_is_used_and_unknown_members_do_no_harm() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default().endpoint("/deep/er/mcp")).await;
    let doorbell = home
        .doorbell("endpoint", fake.port)
        .with("endpoint", "/deep/er/mcp")
        .with("labels", json!({ "team": "a" }))
        .with("version", "9.9")
        .with("something_new", json!([{ "x": 1e99 }]));
    doorbell.write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&doorbell.id).await;
    hub.end_quietly().await;
}

#[tokio::test]
async fn one_hub_after_the_other_and_both_at_once_find_the_same() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("found", fake.port);
    for _ in 0..2 {
        let hubs =
            [Hub::start(&home, HubOptions::default()).await, Hub::start(&home, HubOptions::default()).await];
        for hub in hubs {
            hub.active(&id).await;
            hub.end_quietly().await;
        }
    }
    assert!(home.file(&id).exists(), "a hub that ends leaves the files of living instances alone");
}

#[tokio::test]
async fn the_file_is_read_once_and_never_again() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("read-once", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    // Now it is no proper file any more, in place: the connection is what counts.
    std::fs::write(home.file(&id), "{").unwrap();
    let other = Fake::start(Behaviour::default()).await;
    hub.active(&home.announce("later", other.port)).await;
    assert_eq!(hub.call("echo", json!({ "message": "still" })).await.text(), "still");
    hub.active(&id).await;
}

#[tokio::test]
async fn a_file_that_changes_its_port_moves_the_instance() {
    let home = Home::new();
    let (old, new) = (Fake::start(Behaviour::default()).await, Fake::start(Behaviour::default()).await);
    let doorbell = home.doorbell("moved", old.port);
    doorbell.write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&doorbell.id).await;
    doorbell.clone().with("port", new.port).write(&home.data());
    let moved =
        |list: &[serde_json::Value]| list.iter().any(|it| it["port"] == new.port && it["state"] == "active");
    hub.instances_until("it is at its new port", moved).await;
    assert_eq!(hub.instances().await.len(), 1);
    assert_eq!(hub.call("echo", json!({ "message": "moved" })).await.text(), "moved");
    new.saw("the call", |seen| seen.method() == "tools/call").await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_yet_is_no_error() {
    let home = Home::new();
    // Nothing can be created below a file.
    std::fs::write(home.data(), "in the way").unwrap();
    let hub = Hub::start(&home, HubOptions::default()).await;
    assert!(hub.instances().await.is_empty());
    std::fs::remove_file(home.data()).unwrap();
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("unblocked", fake.port);
    hub.active(&id).await;
    hub.end_quietly().await;
}
